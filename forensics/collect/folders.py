"""Writing a folder of evidence: private, whole or not at all, and without storing the same bytes twice."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from forensics.model.disk import keep_names, write_new
from forensics.model.errors import RefusedError, UnreadableError
from forensics.model.manifest import LOCK, NAME, UNFINISHED, Manifest, Stored, manifest_text, parsed_manifest
from forensics.model.verdicts import SourceKind
from forensics.parsers.files import sha256_of

APPENDED = (SourceKind.CRON_RUN_LOG, SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE)
"""Files that only grow, line by line, until they are set aside, pruned or deleted."""

_CHUNK_BYTES = 1 << 20
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_LEFT = re.compile(rf"(\d{{4}}-\d\d-\d\dT\d{{6}}Z(-\d+)?|sharing){re.escape(UNFINISHED)}")
"""What a collect that was killed may leave; nothing else of the folder is ours to remove."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_PID_BYTES = 20

Series = tuple[str, ...]
"""Where a file that grows would be found again: the folder it came from, and for a run log its name."""


@dataclass(slots=True)
class Earlier:
    """What earlier runs stored: by SHA-256 and size in bytes and, of files that grow, by series, size and SHA-256."""

    by_content: dict[tuple[str, int], Path] = field(default_factory=dict)
    by_series: dict[Series, dict[int, dict[str, list[Path]]]] = field(default_factory=dict)

    def sizes(self, series: Series) -> list[int]:
        """Give the sizes that files of a series had, in order."""
        return sorted(self.by_series.get(series, {}))


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written: its size, its SHA-256, and that of its beginnings, by their size in bytes."""

    size_bytes: int
    sha256: str
    beginnings: dict[int, str]


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make a private folder if there is none, and let no other collect write to it meanwhile.

    The system itself releases the lock of a process that ends, however it ends. What a collect that was killed left
    behind is removed.

    Raises:
        RefusedError: another collect is at work there, or the file system has no locks.
        OSError: it cannot be written.
    """
    folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _PRIVATE_FILE)
    try:
        _take(lock, folder)
        for left in sorted(folder.glob(f"*{UNFINISHED}")):
            if _LEFT.fullmatch(left.name) and left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(lock, _PID_BYTES, 0).decode("ascii", "replace").strip()
        process = f" (process {pid})" if pid.isdigit() else ""
        message = f"another collect{process} is writing to {folder}; nothing was collected"
        raise RefusedError(message, "wait until it has finished") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        message = f"{folder} lies on a file system without locks: two collects could meet there; nothing was collected"
        raise RefusedError(message, "collect into a folder on another disk") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


@contextlib.contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give a private folder to fill, which takes its name only when all went well, and is removed otherwise."""
    part = parent / f"{name}{UNFINISHED}"
    part.mkdir(_PRIVATE_FOLDER)
    try:
        yield part
        for folder in (*filter(Path.is_dir, part.rglob("*")), part):
            keep_names(folder)
        part.rename(parent / name)
        keep_names(parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def free_name(parent: Path, name: str) -> str:
    """Give a name that nothing in the folder has yet."""
    tried, number = name, 1
    while (parent / tried).exists() or (parent / tried).is_symlink():
        number += 1
        tried = f"{name}-{number}"
    return tried


def make_folders(top: Path, folder: Path) -> None:
    """Make a folder below another one, and all between the two, for the owner only."""
    if folder != top and not folder.is_dir():
        make_folders(top, folder.parent)
        folder.mkdir(_PRIVATE_FOLDER)


def write_stream(source: BinaryIO, target: Path, sizes: Sequence[int] = ()) -> Written:
    """Write a new file chunk by chunk, durably; ``sizes`` are those of the beginnings to be hashed, in order."""
    digest, beginnings = hashlib.sha256(), dict[int, str]()

    def chunks() -> Iterator[bytes]:
        done_bytes, wanted = 0, list(reversed(sizes))
        while chunk := source.read(min(_CHUNK_BYTES, wanted[-1] - done_bytes) if wanted else _CHUNK_BYTES):
            digest.update(chunk)
            done_bytes += len(chunk)
            if wanted and done_bytes == wanted[-1]:
                beginnings[wanted.pop()] = digest.hexdigest()
            yield chunk

    return Written(write_new(target, chunks()), digest.hexdigest(), beginnings)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder, which makes it whole."""
    write_new(folder / NAME, [manifest_text(manifest).encode()])


def series_of(stored: Stored, manifest: Manifest) -> Series | None:
    """Give the series of a stored file that grows; None for any other.

    A log that is set aside gets another name in the same folder; a run log keeps its name.
    """
    if stored.kind not in APPENDED:
        return None
    place, *inner = stored.path.split("/")
    origin = next((each.origin for each in manifest.places if each.folder == place), place)
    return (manifest.host, origin, *(inner if stored.kind == SourceKind.CRON_RUN_LOG else inner[:-1]))


def stored_earlier(folder: Path) -> Earlier:
    """Give the files that earlier runs stored in a folder."""
    earlier = Earlier()
    for path in sorted(folder.glob(f"*/{NAME}")):
        manifest = parsed_manifest(path.read_bytes()) if not path.parent.name.endswith(UNFINISHED) else None
        for each in manifest.files if manifest else ():
            stored = path.parent / each.path
            earlier.by_content.setdefault((each.sha256, each.bytes), stored)
            series = series_of(each, manifest) if manifest else None
            if series is not None and each.bytes:
                alike = earlier.by_series.setdefault(series, {}).setdefault(each.bytes, {})
                alike.setdefault(each.sha256, []).append(stored)
    return earlier


def share(known: Path, fresh: Path, sha256: str) -> bool:
    """Let a file that was just written be the earlier one, if that still has the same content; tell whether it is."""
    try:
        if known.is_symlink() or known.stat().st_size != fresh.stat().st_size or sha256_of(known) != sha256:
            return False
        _link(known, fresh, fresh.with_name(f"{fresh.name}{UNFINISHED}"))
    except (OSError, UnreadableError):  # a file system without links, or too many of them
        return False
    return True


def share_beginnings(folder: Path, grown: Sequence[tuple[Path, Path]]) -> None:
    """Put files that have grown since in the place of their stored beginnings, one by one, each in one step.

    ``grown`` gives each longer file, and a stored one that is known to be its beginning. Where that cannot be done, the
    stored file stays as it is: only room is lost.
    """
    work = folder / f"sharing{UNFINISHED}"
    try:
        for longer, stored in grown:
            told, known = stored.lstat(), longer.lstat()
            is_older = stat.S_ISREG(told.st_mode) and told.st_size <= known.st_size
            if is_older and (told.st_dev, told.st_ino) != (known.st_dev, known.st_ino):
                work.mkdir(_PRIVATE_FOLDER, exist_ok=True)
                _link(longer, stored, work / "link")
    except OSError:
        pass
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _link(known: Path, place: Path, between: Path) -> None:
    os.link(known, between, follow_symlinks=False)
    between.replace(place)
