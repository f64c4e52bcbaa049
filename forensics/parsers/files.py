"""Reading evidence without leaving a trace: read-only, without access-time updates, never a device or a pipe."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from forensics.model.errors import UnreadableError
from forensics.model.policy import CLOCK_TICK

_CHUNK_BYTES = 1 << 20
_COPY_ATTEMPTS = 5
_WAL_HEADER_BYTES = 32
_WAL_MAGIC = b"\x37\x7f\x06"


def open_evidence(path: Path) -> BinaryIO:
    """Open a regular file for reading only, without touching its access time where the system allows that.

    Raises:
        UnreadableError: the file is missing, unreadable, or no regular file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError("it is not a regular file")
        return open(path, "rb", opener=_open_quietly)
    except OSError as error:
        raise UnreadableError(error.strerror or "it cannot be opened") from error


def head_of(path: Path, size_bytes: int) -> bytes:
    """Give the first bytes of a file.

    Raises:
        UnreadableError: the file cannot be read.
    """
    with open_evidence(path) as file:
        return _read(file, size_bytes)


def content_of(path: Path) -> bytes:
    """Give the whole content of a file.

    Raises:
        UnreadableError: the file cannot be read.
    """
    with open_evidence(path) as file:
        return _read(file, -1)


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file as hexadecimal digits.

    Raises:
        UnreadableError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with open_evidence(path) as file:
        while chunk := _read(file, _CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def private_copy(*paths: Path, within: Path | None = None) -> Iterator[Path]:
    """Copy files that belong together into a private folder and give that folder; it is removed afterwards.

    The copy is repeated until no file changed while it was made, so that a database and its write-ahead log fit: of the
    log alone it may be the beginning, which holds whole commits up to some moment. With ``within``, a folder for the
    copy, files that were written just now are left to settle first, as time stamps only tell ticks of a clock apart.

    Raises:
        UnreadableError: a file cannot be read, or does not hold still.
    """
    with tempfile.TemporaryDirectory(prefix="forensics-", dir=within) as folder:
        for _ in range(_COPY_ATTEMPTS):
            if within is not None:
                _settle(paths)
            before = [_state(path) for path in paths]
            for path in paths:
                _copy(path, Path(folder) / path.name)
            if all(_is_same(*states) for states in zip(before, [_state(path) for path in paths], strict=True)):
                break
        else:
            raise UnreadableError("it kept changing while it was copied; stop the gateway or copy it first")
        yield Path(folder)


def _settle(paths: Sequence[Path]) -> None:
    youngest_ns = max(_state(path).modified_ns for path in paths)
    if 0 <= time.time_ns() - youngest_ns < CLOCK_TICK.total_seconds() * 1e9:
        time.sleep(CLOCK_TICK.total_seconds())


def _copy(path: Path, target: Path) -> None:
    with open_evidence(path) as source, target.open("wb") as copied:
        try:
            shutil.copyfileobj(source, copied, _CHUNK_BYTES)
        except OSError as error:
            raise UnreadableError(error.strerror or "it cannot be copied") from error


class _State(NamedTuple):
    """What tells whether a file was written: ``log`` is the header of a write-ahead log, empty for any other file."""

    size_bytes: int
    modified_ns: int
    log: bytes


def _state(path: Path) -> _State:
    try:
        found = path.stat()
    except OSError as error:
        raise UnreadableError(error.strerror or "it cannot be found") from error
    log = head_of(path, _WAL_HEADER_BYTES) if "-wal" in path.suffix or "-wal." in path.name else b""
    return _State(found.st_size, found.st_mtime_ns, log if log.startswith(_WAL_MAGIC) else b"")


def _is_same(before: _State, after: _State) -> bool:
    """Tell whether nothing that was copied was written anew: a log only grows while its header stays."""
    if before.log:
        return before.log == after.log and before.size_bytes <= after.size_bytes
    return before == after


def _read(file: BinaryIO, size_bytes: int) -> bytes:
    try:
        return file.read(size_bytes)
    except OSError as error:
        raise UnreadableError(error.strerror or "it cannot be read") from error


def _open_quietly(name: str, flags: int) -> int:
    try:
        return os.open(name, flags | getattr(os, "O_NOATIME", 0) | getattr(os, "O_NONBLOCK", 0))
    except PermissionError:
        return os.open(name, flags)
