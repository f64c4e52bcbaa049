"""Writing files of our own: private, flushed to the disk, and never half done under their final name."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

_PRIVATE_FILE = 0o600


def keep_names(folder: Path) -> None:
    """Make new names in a folder survive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def new_file(path: Path) -> BinaryIO:
    """Open a new file for writing that nobody else can read; never through a link, never over another file.

    Raises:
        OSError: it cannot be made, or something of that name is there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, _PRIVATE_FILE), "wb")


def write_new(path: Path, chunks: Iterable[bytes]) -> int:
    """Write a new private file whose content survives a power cut; give its size in bytes.

    Raises:
        OSError: it cannot be written, or something of that name is there.
    """
    size_bytes = 0
    with new_file(path) as file:
        for chunk in chunks:
            size_bytes += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size_bytes


def write_durably(path: Path, chunks: Iterable[bytes], *, part_ending: str, may_replace: bool) -> None:
    """Write a file in one step that survives a kill and a power cut: the old one, or the new one, never a part.

    It is written beside its place, under its name with an ending; what a killed process left there is removed.

    Raises:
        FileExistsError: something of that name is there, and may not be replaced.
        OSError: it cannot be written.
    """
    part = path.with_name(path.name + part_ending)
    part.unlink(missing_ok=True)
    try:
        write_new(part, chunks)
        if may_replace:
            part.replace(path)
        else:
            give_name(part, path)
    finally:
        part.unlink(missing_ok=True)
    keep_names(path.parent)


def give_name(part: Path, path: Path) -> None:
    """Give a finished file its name; unlike a rename, a link never takes the place of another file.

    Raises:
        FileExistsError: another process made a file of that name in the meantime.
        OSError: it cannot be named so.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.rename(path)
