"""The backup before a change: made through SQLite's backup API, read again and compared before anything is written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from forensics.model.disk import give_name, keep_names, new_file
from forensics.model.errors import RefusedError, UnreadableError
from forensics.parsers.files import sha256_of
from forensics.repair.contents import contents_of, integrity_of
from forensics.repair.names import BESIDE, PART


def back_up(database: sqlite3.Connection, backup: Path, digest: str) -> str:
    """Make a verified backup, or take the one of an earlier attempt; give the SHA-256 of the file.

    ``digest`` is that of the contents the backup must hold. A file of that name is never overwritten.

    Raises:
        RefusedError: the backup cannot be made, or a file of that name holds something else.
    """
    part = backup.with_name(backup.name + PART)
    refuse_other_backup(backup, digest)
    if backup.exists():
        _remove(part)
        return sha256_of(backup)
    try:
        with _removed_afterwards(part):
            _copy(database, part)
            if not _holds(part, digest):
                message = f"the backup {backup} does not hold what the registry holds; nothing was changed"
                raise RefusedError(message, "choose a folder on another disk")
            give_name(part, backup)
            keep_names(backup.parent)
        return sha256_of(backup)
    except (OSError, sqlite3.Error, UnreadableError) as error:
        message = f"the backup {backup} cannot be made: {error}; nothing was changed"
        raise RefusedError(message, "choose a folder with enough room that can be written to") from error


def refuse_other_backup(backup: Path, digest: str) -> None:
    """Refuse a file that lies where the backup is to be made, unless it is the backup of an earlier attempt.

    Raises:
        RefusedError: it holds something else than the contents of this digest.
    """
    if backup.exists() and not _holds(backup, digest):
        message = f"{backup} exists and is no backup of the registry as it is now; nothing was changed"
        raise RefusedError(message, "choose another name for the backup")


def _copy(database: sqlite3.Connection, part: Path) -> None:
    new_file(part).close()
    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        database.backup(target)
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _holds(backup: Path, digest: str) -> bool:
    """Tell whether a file is a sound database with these contents; reading leaves nothing beside it."""
    try:
        with closing(sqlite3.connect(f"{backup.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
            copy.text_factory = lambda stored: stored.decode("utf-8", "replace")
            return integrity_of(copy)[0] == "ok" and contents_of(copy).digest == digest
    except (sqlite3.Error, RefusedError):
        return False


@contextlib.contextmanager
def _removed_afterwards(part: Path) -> Iterator[None]:
    """Leave no half-written file behind, whatever happens; nor one of an attempt that was killed."""
    _remove(part)
    try:
        yield
    finally:
        _remove(part)


def _remove(part: Path) -> None:
    for ending in BESIDE:
        part.with_name(part.name + ending).unlink(missing_ok=True)
