"""Archives and compressed files: unpacked once, within limits, into a private folder that is removed afterwards.

Nothing is ever written beside the input, and no entry of an archive is trusted: links, devices, paths that lead out
and encrypted entries are refused with a reason, sizes are counted while unpacking, and the rest is read.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

from forensics.model.errors import UnreadableError, UsageError
from forensics.model.policy import Limits
from forensics.parsers.compressed import (
    CorruptError,
    Decompressed,
    FullError,
    Stream,
    TooMuchError,
    TornError,
    UnsoundError,
    compression_of,
)
from forensics.parsers.files import head_of, open_evidence
from forensics.parsers.meter import Meter
from forensics.parsers.parsed import brief
from forensics.parsers.tar import BLOCK_BYTES, Member, is_tar, tar_members
from forensics.parsers.unzip import is_zip, zip_members

STANDARD_INPUT = "-"
CONTAINERS = (
    *("folder", "tar", "tar.gz", "tar.zst", "tar.bz2", "tar.xz", "zip"),
    *("gz", "zst", "bz2", "xz", STANDARD_INPUT),
)
"""What evidence may come in, by the names the README uses; ``-`` is standard input."""

_CHUNK_BYTES = 1 << 20
_NAME_WIDTH = 200
_ENDINGS = (".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz", ".tgz", ".tzst", ".tbz2", ".tbz", ".txz", ".tar", ".zip")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class Opened:
    """One container and what came out of it.

    ``single`` is the one file of a container that is not an archive; ``torn`` says why it was not read to its end,
    ``cut`` is the file that is therefore not whole; ``is_corrupt`` says that its checksum does not hold, so nothing
    of it was kept, ``has_damage`` that some entry is damaged, whose very name may be; ``refused`` holds each refused
    entry: its name, its place where it has one, and the reason; ``links`` where the hard links among them lead;
    ``replaced`` the entries whose name a later one has, which is read.
    """

    path: Path
    shown: str
    folder: Path
    kind: str = ""
    files: int = 0
    single: Path | None = None
    torn: str | None = None
    is_corrupt: bool = False
    has_damage: bool = False
    cut: Path | None = None
    refused: list[tuple[str, Path | None, str]] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    links: dict[Path, Path] = field(default_factory=dict)

    @property
    def is_archive(self) -> bool:
        """Whether it holds a tree of files, not one file."""
        return self.kind.startswith(("tar", "zip"))


class Scratch:
    """A private folder for what is unpacked; removed when nothing refers to this object any more, and at exit."""

    def __init__(
        self, limits: Limits | None = None, standard_input: BinaryIO | None = None, meter: Meter | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.meter = meter or Meter(None)
        self.opened: list[Opened] = []
        self._standard_input = standard_input
        self._left_bytes = self.limits.total_bytes
        self._root: Path | None = None
        self._numbers = count()
        self._beside: dict[Path, Path] = {}
        self._seen: set[tuple[int, int]] = set()

    @property
    def root(self) -> Path:
        """The folder itself, made when it is first needed.

        Raises:
            UnreadableError: there is no room for it.
        """
        if self._root is None:
            try:
                self._root = Path(tempfile.mkdtemp(prefix="forensics-")).resolve()
            except OSError as error:
                message = f"nothing can be unpacked: {error.strerror}; set TMPDIR to a folder with room"
                raise UnreadableError(message) from error
            weakref.finalize(self, _remove, self._root, os.getpid())
        return self._root

    def standard_input(self) -> Path:
        """Give a file with all of standard input.

        Raises:
            UsageError: there is none, or it was read before.
            UnreadableError: it is larger than a limit allows, or there is no room for it.
        """
        if self._standard_input is None:
            raise UsageError("- stands for standard input, which can be read only once", "give - once, and data for it")
        source, self._standard_input = self._standard_input, None
        target = self._new_folder() / STANDARD_INPUT
        self.meter.open(STANDARD_INPUT)
        try:
            self._write(_Metered(source, self, None), target, 0.0)
        except TooMuchError as error:
            raise UnreadableError(str(error)) from error
        return target

    def is_new(self, path: Path) -> bool:
        """Tell whether this container was not opened before, under whatever name."""
        told = path.stat()
        known = (told.st_dev, told.st_ino) in self._seen
        self._seen.add((told.st_dev, told.st_ino))
        return not known

    def unpack(self, path: Path, shown: str, place: Path, called: str) -> Opened:
        """Unpack one container; ``place`` is the folder it lies in, ``called`` its name there.

        Raises:
            UnreadableError: it cannot be read, or there is no room.
        """
        self.meter.open(shown)
        with open_evidence(path) as raw:
            opened = Opened(path, shown, self.root)
            try:
                self._unpack(raw, opened, place, called)
            except UnsoundError as error:
                _discard(opened, str(error))
            except (TornError, CorruptError, TooMuchError) as error:
                opened.torn = str(error)
        self.opened.append(opened)
        return opened

    def spend(self, size_bytes: int) -> None:
        """Count what was unpacked.

        Raises:
            TooMuchError: it is more than all containers together may hold.
        """
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise FullError(f"unpacked, the evidence has more than {self.limits.total_bytes:,} bytes")

    def _unpack(self, raw: BinaryIO, opened: Opened, place: Path, called: str) -> None:
        head = raw.read(BLOCK_BYTES)
        raw.seek(0)
        if is_zip(head):
            opened.kind = "zip"
            opened.folder = self._new_folder()
            self._extract(zip_members(raw, self.limits), opened, raw.seek(0, 2))
            return
        compression = compression_of(head)
        packed: Stream = Decompressed(raw, compression, self.limits) if compression else raw
        stream = _Metered(packed, self, raw if compression else None)
        opened.kind = compression or "tar"
        begin = stream.peek(BLOCK_BYTES)
        if is_tar(begin):
            opened.kind = f"tar.{compression}" if compression else "tar"
            opened.folder = self._new_folder()
            try:
                self._extract(tar_members(stream, self.limits), opened, None)
            finally:
                if compression:
                    _check(stream)
        else:
            self._single(stream, opened, place, called, _gzip_time(head) or raw_time(opened.path))

    def _extract(self, members: Iterator[Member], opened: Opened, packed_bytes: int | None) -> None:
        """Unpack what may be unpacked; ``packed_bytes`` is the size of a zip file, whose entries may share bytes."""
        unpacked_bytes = 0
        for number, member in enumerate(members, 1):
            if number > self.limits.members:
                raise TooMuchError(f"it has more than {self.limits.members:,} entries")
            parts, why = _parts_of(member)
            if len(parts) > self.limits.folders:
                parts, why = [], f"it lies more than {self.limits.folders} folders deep"
            target = opened.folder.joinpath(*parts) if parts else None
            if why is None and target is not None:
                why = self._take(member, target, opened, is_zip_entry=packed_bytes is not None)
            if why is not None:
                opened.refused.append((brief(member.name, _NAME_WIDTH), target, why))
                self._note_link(member, target, opened)
            elif target is not None and packed_bytes is not None:
                unpacked_bytes += 0 if member.is_folder else target.stat().st_size
                self._check_growth(unpacked_bytes, packed_bytes)

    def _take(self, member: Member, target: Path, opened: Opened, *, is_zip_entry: bool) -> str | None:
        """Unpack one entry; give the reason where it cannot be."""
        try:
            if member.is_folder:
                target.mkdir(mode=0o700, parents=True, exist_ok=True)
                return None
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if target.is_file():
                opened.replaced.append(brief(member.name, _NAME_WIDTH))
                target.unlink()
            packed = member.packed_bytes if is_zip_entry else None
            self._write(_Entry(member, self, packed), target, member.modified_s)
        except TornError:
            opened.cut = target
            raise
        except (CorruptError, TooMuchError) as error:
            target.unlink(missing_ok=True)
            if not is_zip_entry or isinstance(error, FullError):
                raise
            opened.has_damage = opened.has_damage or isinstance(error, CorruptError)
            return str(error)
        except OSError as error:
            return f"it cannot be unpacked: {error.strerror}"
        except ValueError as error:
            return f"it cannot be unpacked: {error}"
        opened.files += 1
        return None

    @staticmethod
    def _note_link(member: Member, target: Path | None, opened: Opened) -> None:
        if member.link is not None and target is not None:
            parts, why = _parts_of(replace(member, name=member.link, refused=None))
            if parts and why is None:
                opened.links[target] = opened.folder.joinpath(*parts)

    def _check_growth(self, unpacked_bytes: int, packed_bytes: int) -> None:
        """Check the growth of a zip file as a whole: its entries may share the same packed bytes.

        Raises:
            TooMuchError: it is a bomb.
        """
        if unpacked_bytes > self.limits.ratio_from_bytes and unpacked_bytes > self.limits.ratio * packed_bytes:
            raise TooMuchError(_bomb(self.limits))

    def _single(self, stream: Stream, opened: Opened, place: Path, called: str, modified_s: float) -> None:
        target = self._folder_beside(place) / called
        if target.exists():
            target = self._new_folder(place) / called
        opened.folder = target.parent
        try:
            self._write(stream, target, modified_s)
        except TornError:
            opened.cut = opened.single = target
            raise
        except (CorruptError, TooMuchError):
            target.unlink(missing_ok=True)
            raise
        opened.single = target
        opened.files = 1

    def _write(self, stream: Stream, target: Path, modified_s: float) -> None:
        """Write a file of the scratch folder.

        Raises:
            TooMuchError: it is too large, or the folder is full.
        """
        size_bytes = 0
        try:
            with target.open("xb") as file:
                while part := stream.read(_CHUNK_BYTES):
                    size_bytes += len(part)
                    if size_bytes > self.limits.member_bytes:
                        raise TooMuchError(f"a file in it has more than {self.limits.member_bytes:,} bytes")
                    file.write(part)
                    self.meter.advance(len(part))
        except OSError as error:
            if error.errno not in _FULL:
                raise
            message = f"there is no room to unpack it ({error.strerror}); set TMPDIR to a folder with more"
            raise FullError(message) from error
        finally:
            with suppress(OSError, OverflowError, ValueError):
                os.utime(target, (modified_s, modified_s))

    def _folder_beside(self, place: Path) -> Path:
        """Give the folder for the files that lie beside each other, packed one by one: a database and its log."""
        if place not in self._beside:
            self._beside[place] = self._new_folder(place)
        return self._beside[place]

    def _new_folder(self, place: Path | None = None) -> Path:
        """Make a folder; its last names are those of ``place``, as the place of a run log tells what it is."""
        folder = self.root / str(next(self._numbers))
        if place is not None:
            folder = folder.joinpath(*(part for part in place.parts[-2:] if part != place.anchor))
        folder.mkdir(mode=0o700, parents=True)
        return folder


def _check(stream: Stream) -> None:
    """Read a stream to its end, where the checksum of the whole stands; one that ends early has none.

    Raises:
        UnsoundError: what was read is not what was packed.
    """
    with suppress(TornError, TooMuchError):
        while stream.read(_CHUNK_BYTES):
            pass


def _discard(opened: Opened, why: str) -> None:
    """Keep nothing of a container whose checksum does not hold: any of what it gave may be what damage made of it."""
    opened.torn, opened.is_corrupt, opened.files, opened.cut, opened.single = why, True, 0, None, None
    if opened.is_archive:
        shutil.rmtree(opened.folder, ignore_errors=True)
        opened.folder.mkdir(mode=0o700, exist_ok=True)


class _Metered:
    """A stream whose output is counted, and compared with what was read of the packed file."""

    def __init__(self, stream: Stream, scratch: Scratch, raw: BinaryIO | None) -> None:
        self._stream, self._scratch, self._raw = stream, scratch, raw
        self._given_bytes = 0
        self._peeked = b""

    def peek(self, size: int) -> bytes:
        """Give the first bytes, which stay to be read; fewer where the content ends before."""
        with suppress(TornError):
            while len(self._peeked) < size and (more := self._more(size)):
                self._peeked += more
        return self._peeked

    def read(self, size: int, /) -> bytes:
        """Give at most this many bytes; none at the end."""
        if self._peeked:
            found, self._peeked = self._peeked[:size], self._peeked[size:]
            return found
        return self._more(size)

    def _more(self, size: int) -> bytes:
        found = self._stream.read(size)
        self._scratch.spend(len(found))
        self._given_bytes += len(found)
        limits = self._scratch.limits
        if (
            self._raw is not None
            and self._given_bytes > limits.ratio_from_bytes
            and self._given_bytes > limits.ratio * self._raw.tell()
        ):
            raise TooMuchError(_bomb(limits))
        return found


class _Entry:
    """The content of one entry; that of a zip file is counted here, that of a tar archive by its stream."""

    def __init__(self, member: Member, scratch: Scratch, packed_bytes: int | None) -> None:
        self._member, self._scratch, self._packed_bytes = member, scratch, packed_bytes
        self._given_bytes = 0

    def read(self, size: int, /) -> bytes:
        """Give at most this many bytes; none at the end."""
        found = self._member.read(size)
        if self._packed_bytes is None:
            return found
        self._scratch.spend(len(found))
        self._given_bytes += len(found)
        limits = self._scratch.limits
        if self._given_bytes > max(limits.ratio_from_bytes, limits.ratio * self._packed_bytes):
            raise TooMuchError(_bomb(limits))
        return found


def is_container(path: Path) -> bool:
    """Tell whether a file is an archive or compressed, by its first bytes.

    Raises:
        UnreadableError: the file cannot be read.
    """
    head = head_of(path, BLOCK_BYTES)
    return compression_of(head) is not None or is_zip(head) or is_tar(head)


def without_ending(name: str) -> str:
    """Give the name of an archive without the ending that says so.

    >>> without_ending("state.tar.gz"), without_ending("state")
    ('state', 'state')
    """
    ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), "")
    return name[: -len(ending)] if ending and len(name) > len(ending) else name


def called_inside(name: str) -> str:
    """Give the name a compressed file had before.

    >>> called_inside("openclaw-2026-04-17.log.gz"), called_inside("-")
    ('openclaw-2026-04-17.log', '-')
    """
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and ending.lower() in ("gz", "zst", "bz2", "xz") else name


def raw_time(path: Path) -> float:
    """Give when a file was last written, in seconds; 0 where that cannot be told."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _parts_of(member: Member) -> tuple[list[str], str | None]:
    """Give the path of an entry inside its archive, and the reason why it is refused, if it is."""
    name = member.name
    if "\x00" in name:
        return [], "its name holds a NUL character"
    if name.startswith("/") or name[1:3] in (":/", ":\\"):
        return [], "its path is absolute"
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        return [], "its path leads out of the archive"
    return parts, member.refused


def _bomb(limits: Limits) -> str:
    return f"unpacked, it grows more than {limits.ratio} times; this is no log"


def _gzip_time(head: bytes) -> float:
    return float(int.from_bytes(head[4:8], "little")) if compression_of(head) == "gz" else 0.0


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
