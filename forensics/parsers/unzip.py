"""The entries of a zip file: by its table of contents or, where that was cut off, by the headers before each entry."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from forensics.model.policy import Limits
from forensics.parsers.compressed import CorruptError, TooMuchError, TornError
from forensics.parsers.tar import Member

_LOCAL_MAGIC = b"PK\x03\x04"
_EMPTY_MAGIC = b"PK\x05\x06"
_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_LOCAL_FIELDS = ("magic", "version", "flags", "method", "time", "date", "crc", "packed", "size", "name", "extra")
_ZIP64_END_MAGIC = b"PK\x06\x06"
_END_BYTES = (1 << 16) + 22
_ENCRYPTED = 1
_SIZES_FOLLOW = 8
_UTF8 = 0x800
_TIMESTAMP_FIELD = 0x5455
_UNIX = 3
_LINK, _PLAIN, _FOLDER, _TYPE_MASK = 0o120000, 0o100000, 0o040000, 0o170000
_CHUNK_BYTES = 1 << 16
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    struct.error,
)


def is_zip(head: bytes) -> bool:
    """Tell whether a file that begins so is a zip file."""
    return head.startswith((_LOCAL_MAGIC, _EMPTY_MAGIC))


def zip_members(raw: BinaryIO, limits: Limits) -> Iterator[Member]:
    """Give the entries of a zip file.

    Raises:
        TornError: the end of the file is missing; what stands before it was given.
        TooMuchError: its table of contents is larger than any state directory needs.
    """
    if _directory_bytes(raw) > limits.directory_bytes:
        raise TooMuchError("its table of contents is too large")
    try:
        archive = zipfile.ZipFile(raw)
    except _DAMAGE:
        yield from _scanned(raw)
        raise TornError("the end of the zip file is missing") from None
    with archive:
        for entry in archive.infolist():
            yield _member(archive, entry)


def _directory_bytes(raw: BinaryIO) -> int:
    """Give the size that the file states for its table of contents, the larger where it states two."""
    raw.seek(max(0, raw.seek(0, 2) - _END_BYTES - 76))
    end = raw.read()
    at, at64 = end.rfind(_EMPTY_MAGIC), end.rfind(_ZIP64_END_MAGIC)
    short = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0
    long = int.from_bytes(end[at64 + 40 : at64 + 48], "little") if at64 >= 0 else 0
    return max(0 if short == 0xFFFF_FFFF else short, long)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    opened: list[zipfile.ZipExtFile] = []

    def read(size: int) -> bytes:
        try:
            if not opened:
                opened.append(archive.open(entry))  # type: ignore[arg-type]
            return opened[0].read(size)
        except _DAMAGE as error:
            message = f"the entry is damaged ({type(error).__name__})"
            raise CorruptError(message) from error

    name = _separated(entry.orig_filename)
    return Member(name, name.endswith("/"), _why_refused(entry), _modified_s(entry), read, entry.compress_size)


def _why_refused(entry: zipfile.ZipInfo) -> str | None:
    if entry.flag_bits & _ENCRYPTED:
        return "an encrypted entry; unpack it with its password and hand that over"
    kind = (entry.external_attr >> 16) & _TYPE_MASK if entry.create_system == _UNIX else 0
    if kind and kind not in (_PLAIN, _FOLDER):
        return "a symbolic link" if kind == _LINK else "a device or a pipe"
    return _why_unread_method(entry.compress_type)


def _why_unread_method(method: int) -> str | None:
    # the others are not read in bounded pieces by the standard library
    known = method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return None if known else f"an entry compressed by a method that is not read here (number {method})"


def _separated(name: str) -> str:
    r"""Give a name with slashes; some programs of Windows write backslashes.

    >>> _separated("state\\cron\\jobs.json")
    'state/cron/jobs.json'
    """
    return name if "/" in name else name.replace("\\", "/")


def _modified_s(entry: zipfile.ZipInfo) -> float:
    """Give when the file was last written: in seconds of UTC where the entry says so, else by its wall clock."""
    extra = entry.extra
    while len(extra) >= 4:
        field, length = struct.unpack_from("<HH", extra)
        if field == _TIMESTAMP_FIELD and length >= 5 and extra[4] & 1:
            return float(int.from_bytes(extra[5:9], "little", signed=True))
        extra = extra[4 + length :]
    try:
        return datetime(*entry.date_time, tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _scanned(raw: BinaryIO) -> Iterator[Member]:
    """Give the entries of a zip file without its table of contents, up to the one that is not whole."""
    position, size = 0, raw.seek(0, 2)
    while position < size:
        raw.seek(position)
        fields = dict(zip(_LOCAL_FIELDS, _LOCAL.unpack(_exactly(raw, _LOCAL.size)), strict=True))
        if fields["magic"] != _LOCAL_MAGIC:
            return
        name = _exactly(raw, fields["name"]).decode("utf-8" if fields["flags"] & _UTF8 else "cp437", "replace")
        _exactly(raw, fields["extra"])
        content = _LocalContent(raw, fields)
        refused = "an encrypted entry" if fields["flags"] & _ENCRYPTED else _why_unread_method(fields["method"])
        name = _separated(name)
        refused = refused or content.why_unsized
        yield Member(name, name.endswith("/"), refused, 0.0, content.read, fields["packed"] or None)
        position = content.end()


class _LocalContent:
    """The content of an entry known by its own header only."""

    def __init__(self, raw: BinaryIO, fields: dict[str, int]) -> None:
        self._raw, self._start = raw, raw.tell()
        self._left = self._size_bytes = fields["packed"]
        self._is_open = bool(fields["flags"] & _SIZES_FOLLOW) and not fields["packed"]
        self._is_deflated = fields["method"] == zipfile.ZIP_DEFLATED
        self._inflate = zlib.decompressobj(wbits=-15)
        self._crc, self._wanted_crc = 0, fields["crc"]
        self._is_done = False
        self.why_unsized: str | None = None
        if self._is_open and not self._is_deflated:
            self.why_unsized = "an entry whose end cannot be told, as the end of the zip file is missing"

    def read(self, size: int) -> bytes:
        """Give at most this many bytes of content; none at the end.

        Raises:
            TornError: the file ends within the entry.
            CorruptError: the entry is damaged.
        """
        found = b""
        while not found and not self._is_done:
            found = self._inflated(size) if self._is_deflated else self._stored(size)
        self._crc = zlib.crc32(found, self._crc)
        if self._is_done and not self._is_open and not found and self._crc != self._wanted_crc:
            raise CorruptError("the entry is damaged (its checksum does not hold)")
        return found

    def _stored(self, size: int) -> bytes:
        self._is_done = not self._left
        return self._packed(size) if self._left else b""

    def _inflated(self, size: int) -> bytes:
        try:
            found = self._inflate.decompress(self._inflate.unconsumed_tail, size)
            if not found and not self._inflate.eof:
                found = self._inflate.decompress(self._packed(_CHUNK_BYTES), size)
        except zlib.error as error:
            raise CorruptError("the entry is damaged") from error
        self._is_done = self._inflate.eof
        return found

    def _packed(self, size: int) -> bytes:
        found = self._raw.read(size if self._is_open else min(size, self._left))
        if not found:
            raise TornError("the zip file ends within an entry")
        self._left -= len(found)
        return found

    def end(self) -> int:
        """Give where the next entry begins: behind this one, and behind the sizes that may follow it."""
        if not self._is_open:
            return self._start + self._size_bytes
        while self.read(_CHUNK_BYTES):
            pass
        at = self._raw.tell() - len(self._inflate.unused_data)
        self._raw.seek(at)
        behind = self._raw.read(28)
        found = behind.find(_LOCAL_MAGIC)
        return at + found if found >= 0 else self._raw.seek(0, 2)


def _exactly(raw: BinaryIO, size: int) -> bytes:
    found = raw.read(size)
    if len(found) < size:
        raise TornError("the zip file ends within a header")
    return found
