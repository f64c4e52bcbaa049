"""The names of the files that an apply writes: never the registry by another name, never a file that belongs to it."""

from __future__ import annotations

from pathlib import Path

from forensics.model.errors import RefusedError

PART = ".forensics-part"
"""The ending of a file that is not finished yet."""

BESIDE = ("", "-journal", "-wal", "-shm")
"""What SQLite keeps beside a database, and the database itself."""

_FILLED = ("-journal", "-wal")
_ANOTHER = "choose another name for the backup"


def refuse_confused_names(database: Path, backup: Path, journal: Path) -> None:
    """Refuse names of backup and journal under which another file would be lost, or no backup be made.

    Raises:
        RefusedError: one of them is the registry or belongs to it, the registry has a second name, or beside the backup
            lies what SQLite would take for a part of it.
    """
    _refuse_second_name(database)
    # SQLite keeps what belongs to a database beside the file that a link leads to
    own = [*_beside(database), *_beside(database.resolve())]
    written = [*_beside(backup), *_beside(_part_of(backup)), journal, _part_of(journal)]
    for path in written:
        if any(is_same_file(path, other) for other in own):
            message = f"the backup {backup} would take the place of {database}, or of a file that belongs to it"
            raise RefusedError(f"{message}; nothing was changed", _ANOTHER)
    if backup.exists() and not backup.is_file():
        message = f"the backup {backup} is there and is no file; nothing was changed"
        raise RefusedError(message, _ANOTHER)
    for path in (backup.with_name(backup.name + ending) for ending in _FILLED):
        if path.exists() and path.stat().st_size > 0:
            message = f"{path} is there: SQLite would take it for a part of the backup {backup}; nothing was changed"
            raise RefusedError(message, _ANOTHER)


def is_same_file(one: Path, other: Path) -> bool:
    """Tell whether two names are, or would be, those of one file: by links of either kind too."""
    try:
        if one.exists() and other.exists():
            return one.samefile(other)
        return one.resolve() == other.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a folder that is closed to us, or no path at all
        return one.absolute() == other.absolute()


def _refuse_second_name(database: Path) -> None:
    """Refuse a file with several hard links: SQLite finds the log under one only, and all would be changed at once.

    Source: "How To Corrupt An SQLite Database File", multiple links to the same file. Snapshots are made of such links.
    """
    if database.is_file() and database.stat().st_nlink > 1:
        message = f"{database} has {database.stat().st_nlink} names (hard links), and all of them would be changed"
        raise RefusedError(
            f"{message}; nothing was changed", f"find the others with find -samefile {database.name}, and copy the file"
        )


def _beside(database: Path) -> list[Path]:
    return [database.with_name(database.name + ending) for ending in BESIDE]


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + PART)
