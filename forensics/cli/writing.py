"""Writing results to files: whole or not at all, as a part of a result must never pass for all of it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

from forensics.model.errors import UsageError

_NAME_CHARACTERS = 60
"""As much of a file's name as surely fits, with an ending, into the longest name of a file."""


def write_whole(output: Path, parts: Iterable[str]) -> None:
    """Write a result to a file as its parts come; the file is there, or changed, only when all of them are written.

    They are written beside it, under a hidden name that ends in ``.part``. A link is followed, and a file that is
    replaced keeps its permissions. A pipe or a device gets each part at once.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        with _beside(output) as file:
            for part in parts:
                file.write(part.encode())
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}"
        raise UsageError(message) from error


@contextlib.contextmanager
def _beside(output: Path) -> Iterator[BinaryIO]:
    path = Path(os.path.realpath(output))
    before = path.stat() if path.exists() else None
    if before is not None and not stat.S_ISREG(before.st_mode):
        with output.open("wb") as file:
            yield file
        return
    part_file, part = _new_beside(path)
    try:
        with part_file as file:
            yield file
            if before is not None:
                _take_over(file, before)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _new_beside(path: Path) -> tuple[BinaryIO, Path]:
    for number in count():
        part = path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{os.getpid()}-{number}.part")
        with contextlib.suppress(FileExistsError):
            return part.open("xb"), part
    raise AssertionError


def _take_over(file: BinaryIO, before: os.stat_result) -> None:
    """Give a new file the permissions of the one that it replaces and, where that is allowed, its owner."""
    with contextlib.suppress(OSError):
        os.fchown(file.fileno(), before.st_uid, before.st_gid)
    os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
