"""The entries of a tar archive, read as a stream: old, POSIX and GNU headers, extended names, no trust in sizes.

The standard library's reader takes whole extended headers into memory, whatever their size, and unpacks links; this one
has no need of either.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from forensics.model.policy import Limits
from forensics.parsers.compressed import CorruptError, Stream, TooMuchError, TornError

BLOCK_BYTES = tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20
_SIZE_DIGITS = 18
_REFUSED = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_PLAIN_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_EXTENDED_TYPES = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive. ``refused`` says why it is not unpacked, if it is not; ``read`` gives its content.

    ``link`` is the name of the entry that a hard link stands for.
    """

    name: str
    is_folder: bool
    refused: str | None
    modified_s: float
    read: Callable[[int], bytes]
    packed_bytes: int | None = None
    link: str | None = None


def is_tar(head: bytes) -> bool:
    """Tell whether a file that begins so is a tar archive: its first header has a checksum that holds."""
    if len(head) < BLOCK_BYTES or not head[0]:
        return False
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def tar_members(stream: Stream, limits: Limits) -> Iterator[Member]:
    """Give the entries of an archive in their order; what is not read of one is skipped.

    Raises:
        TornError: the archive ends within an entry, or without its end mark.
        CorruptError: where a header should stand, there is none.
        TooMuchError: an extended name is larger than any name.
    """
    told: dict[str, str] = {}
    has_ended = False
    while block := _block(stream):
        if has_ended := not block.strip(b"\x00"):
            continue
        header = _header(block)
        content = _Content(stream, _size_of(header, told))
        if header.type in _EXTENDED_TYPES:
            told |= _records(content.whole(limits))
        elif header.type == tarfile.GNUTYPE_LONGNAME:
            told["path"] = _text(content.whole(limits).rstrip(b"\x00"))
        elif header.type == tarfile.GNUTYPE_LONGLINK:
            told["linkpath"] = _text(content.whole(limits).rstrip(b"\x00"))
        elif header.type != tarfile.XGLTYPE:
            yield _member(header, told, content)
            told = {}
        content.skip()
    if not has_ended:
        raise TornError("the archive has no end mark")


class _Content:
    """The content of one entry, within the stream of all."""

    def __init__(self, stream: Stream, size_bytes: int) -> None:
        self._stream = stream
        self._left = size_bytes
        self._padding = -size_bytes % BLOCK_BYTES

    def read(self, size: int) -> bytes:
        """Give at most this many bytes; none at the end."""
        found = self._stream.read(min(size, self._left)) if self._left else b""
        if self._left and not found:
            raise TornError("the archive ends within an entry")
        self._left -= len(found)
        return found

    def whole(self, limits: Limits) -> bytes:
        """Give all of it: a name."""
        if self._left > limits.name_bytes:
            raise TooMuchError("it holds a name that is too long for any file system")
        parts = []
        while part := self.read(limits.name_bytes):
            parts.append(part)
        return b"".join(parts)

    def skip(self) -> None:
        """Read to the next header."""
        self._left, self._padding = self._left + self._padding, 0
        while self.read(_CHUNK_BYTES):
            pass


def _block(stream: Stream) -> bytes:
    block = stream.read(BLOCK_BYTES)
    while block and len(block) < BLOCK_BYTES:
        more = stream.read(BLOCK_BYTES - len(block))
        if not more:
            raise TornError("the archive ends within a header")
        block += more
    return block


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise CorruptError("where the next entry should begin stands something else") from error


def _size_of(header: tarfile.TarInfo, told: Mapping[str, str]) -> int:
    """Give the size of an entry's content; links, folders and devices have none, whatever they say."""
    if header.isdir() or header.type in _REFUSED:
        return 0
    size = told.get("size", str(header.size))
    if header.type in _EXTENDED_TYPES:
        size = str(header.size)
    if not size.isascii() or not size.isdigit() or len(size) > _SIZE_DIGITS:
        raise CorruptError("an entry states a size that cannot be")
    return int(size)


def _member(header: tarfile.TarInfo, told: Mapping[str, str], content: _Content) -> Member:
    refused = _REFUSED.get(header.type)
    if header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in told):
        refused = "a file with holes, stored in pieces; pack it without --sparse"
    elif refused is None and not header.isdir() and header.type not in _PLAIN_TYPES:
        refused = "an entry of an unknown type"
    link = told.get("linkpath", header.linkname) if header.type == tarfile.LNKTYPE else None
    name, modified_s = told.get("path", header.name), _modified(header, told)
    return Member(name, header.isdir(), refused, modified_s, content.read, link=link)


def _modified(header: tarfile.TarInfo, told: Mapping[str, str]) -> float:
    try:
        return float(told.get("mtime", header.mtime))
    except ValueError:
        return 0.0


def _records(block: bytes) -> dict[str, str]:
    """Read an extended header: lines of ``length key=value``, the length counting all of the line."""
    found: dict[str, str] = {}
    while block.strip(b"\x00"):
        length, space, _ = block[:20].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 1 < int(length) <= len(block):
            raise CorruptError("an extended header cannot be read")
        key, _, value = block[len(length) + 1 : int(length)].partition(b"=")
        found[_text(key)] = _text(value.removesuffix(b"\n"))
        block = block[int(length) :]
    return found


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
