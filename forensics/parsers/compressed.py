"""Compressed streams: gzip, Zstandard, bzip2 and xz, told by their first bytes and read in bounded pieces.

Memory stays bounded whatever a stream claims to need, and a stream that ends early says so.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from forensics.model.policy import Limits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CHUNK_BYTES = 1 << 16
_GZIP_WINDOW = 31
_MAGICS = ((b"\x1f\x8b\x08", "gz"), (b"\x28\xb5\x2f\xfd", "zst"), (b"\xfd7zXZ\x00", "xz"))
_BZIP2_MARKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
_DAMAGE = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, ValueError, EOFError)


class TornError(Exception):
    """The data ends before it should; what was read until then is as it was packed."""


class CorruptError(Exception):
    """The data is not what was packed; what was read of this file cannot be trusted."""


class UnsoundError(CorruptError):
    """Compressed data does not decompress to what was packed: nothing that it gave can be trusted."""


class TooMuchError(Exception):
    """Going on with this file would cost more than a limit allows."""


class FullError(TooMuchError):
    """Nothing more can be unpacked: the limit of all together is reached, or there is no room."""


class Stream(Protocol):
    """What can be read in pieces."""

    def read(self, size: int, /) -> bytes:
        """Give at most this many bytes; none at the end."""
        ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def compression_of(head: bytes) -> str | None:
    r"""Name the compression that a file's first bytes tell, as its usual ending.

    >>> compression_of(b"\x1f\x8b\x08\x00"), compression_of(b"plain text")
    ('gz', None)
    """
    if head.startswith(b"BZh") and head[4:10] in _BZIP2_MARKS:
        return "bz2"
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


class Decompressed:
    """The content of a compressed file: all of its streams, one behind the other."""

    def __init__(self, packed: Stream, compression: str, limits: Limits) -> None:
        self._packed = packed
        self._new = _factories(limits)[compression]
        self._current = self._new()
        self._pending = b""
        self._is_first, self._is_fresh = True, True

    def read(self, size: int, /) -> bytes:
        """Give at most this many bytes of content; none at the end.

        Raises:
            TornError: the file ends within a stream, or something else stands behind a whole one.
            CorruptError: the file is damaged.
        """
        while True:
            if self._current.eof and not self._next_stream():
                return b""
            given = self._more()
            found = self._decompress(given, size)
            self._is_fresh = self._is_fresh and not found
            if found:
                return found
            if not given and not self._current.eof and self._current.needs_input:
                raise TornError("the compressed data ends early")

    def _more(self) -> bytes:
        if self._pending:
            given, self._pending = self._pending, b""
            return given
        return self._packed.read(_CHUNK_BYTES) if self._current.needs_input else b""

    def _next_stream(self) -> bool:
        """Begin the stream behind one that ended; tell whether there is one. Zeros in between are padding."""
        rest = self._current.unused_data.lstrip(b"\x00")
        while not rest:
            read = self._packed.read(_CHUNK_BYTES)
            if not read:
                return False
            rest = read.lstrip(b"\x00")
        self._current, self._pending = self._new(), rest
        self._is_first, self._is_fresh = False, True
        return True

    def _decompress(self, given: bytes, size: int) -> bytes:
        try:
            return self._current.decompress(given, size)
        except _DAMAGE as error:
            if self._is_fresh and not self._is_first:
                raise TornError("behind the compressed data stands something else") from error
            message = f"the compressed data is damaged ({type(error).__name__})"
            raise UnsoundError(message) from error


class _Inflating:
    """zlib's decompressor for gzip files, in the words of the others."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=_GZIP_WINDOW)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _factories(limits: Limits) -> dict[str, Callable[[], _Decompressor]]:
    window: dict[int, int] = {zstd.DecompressionParameter.window_log_max: limits.window_log}
    return {
        "gz": _Inflating,
        "zst": lambda: zstd.ZstdDecompressor(options=window),
        "bz2": bz2.BZ2Decompressor,
        "xz": lambda: lzma.LZMADecompressor(memlimit=limits.xz_bytes),
    }
