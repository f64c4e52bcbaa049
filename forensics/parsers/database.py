"""Opening SQLite evidence without touching it, and reading its tables by column name.

Rows usually lie in the write-ahead log only, and opening a database writes to its folder; so the files are copied to a
private folder first and only the copy is ever opened (formats.md §1.2).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from forensics.model.errors import UnreadableError
from forensics.parsers.files import private_copy
from forensics.parsers.parsed import Parsed, well_formed
from forensics.parsers.timestamps import EARLIEST_MS, LATEST_MS

SQLITE_MAGIC = b"SQLite format 3\x00"
WAL_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
SHM_MAGICS = (b"\x18\xe2\x2d\x00", b"\x00\x2d\xe2\x18")

DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged database raises; a damaged schema puts bytes that are no text into SQLite's own message."""

_BESIDE = ("-wal", "-journal")
COMPANIONS = (*_BESIDE, "-shm")
"""How the names of those files end that a living process makes and removes beside its database."""
_MIGRATED = ".migrated"
_DATABASE_NAMES = (".sqlite", ".sqlite.bak")
_REGISTRY_NAMES = ("runs.sqlite", "openclaw.sqlite")
_FLOWS = "flows"

Row = Mapping[str, object]


def companions_of(path: Path) -> list[Path]:
    """Give the files beside a database without which it cannot be read whole: write-ahead log, rollback journal.

    An upgrade renames ``runs.sqlite-wal`` to ``runs.sqlite-wal.migrated`` (formats.md §1.1).
    """
    names = [path.name + ending for ending in _BESIDE]
    if path.name.endswith(_MIGRATED):
        names += [path.name.removesuffix(_MIGRATED) + ending + _MIGRATED for ending in _BESIDE]
    return [path.with_name(name) for name in names if path.with_name(name).is_file()]


def is_database_name(path: Path, name: str) -> bool:
    """Tell whether a file is called as the databases with task rows are; without content it is a loss to be named."""
    return name.removesuffix(_MIGRATED).endswith(_DATABASE_NAMES) and path.parent.name != _FLOWS


def is_registry_name(name: str) -> bool:
    """Tell whether a file is called as a gateway calls the database of its task rows, or a copy of it."""
    return name.removesuffix(_MIGRATED).removesuffix(".bak") in _REGISTRY_NAMES


def is_filled_wal(companion: Path) -> bool:
    """Tell whether a companion is a write-ahead log that holds anything."""
    return companion.name.removesuffix(_MIGRATED).endswith("-wal") and companion.stat().st_size > 0


@contextmanager
def opened_copy(path: Path, companions: Iterable[Path], within: Path | None = None) -> Iterator[sqlite3.Connection]:
    """Open a private copy of a database and of the files beside it; ``within`` as for ``private_copy``.

    Raises:
        UnreadableError: a file cannot be read, or it is no database.
    """
    with private_copy(path, *companions, within=within) as folder:
        _rename_companions(folder, path.name)
        try:
            with closing(sqlite3.connect(folder / path.name, isolation_level=None)) as database:
                database.execute("PRAGMA trusted_schema = OFF")
                database.text_factory = lambda stored: stored.decode("utf-8", "replace")
                database.execute("PRAGMA schema_version").fetchone()
                yield database
        except DAMAGE as error:
            raise UnreadableError(f"the database is damaged: {error}") from error


def tables_of(database: sqlite3.Connection) -> set[str]:
    """Give the names of all tables."""
    return {str(name) for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def columns_of(database: sqlite3.Connection, table: str) -> set[str]:
    """Give the names of a table's columns; none where there is no such table. ``table`` is a plain or quoted name."""
    return {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}


def quoted_name(name: str) -> str:
    """Give a name as SQL takes it, whatever it holds.

    >>> quoted_name('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def row_number(database: sqlite3.Connection, table: str) -> str:
    """Give the expression of a row's number: its rowid, whatever columns hide it; without any, its place by key."""
    for name in ("rowid", "_rowid_", "oid"):
        if name not in {column.lower() for column in columns_of(database, table)}:
            try:
                database.execute(f"SELECT {name} FROM {table} LIMIT 0")  # noqa: S608 - our own names
            except sqlite3.OperationalError:
                break
            return name
    return "row_number() OVER (ORDER BY 1)"


def rows_of(
    database: sqlite3.Connection, table: str, wanted: Sequence[str], parsed: Parsed
) -> Iterator[tuple[int, Row]]:
    """Give the rows of a table with their numbers; of ``wanted`` the columns that it has, the others are null.

    Notices: damaged (only the rows before the damage are given).
    """
    present = columns_of(database, table)
    chosen = ", ".join(f'"{column}"' if column in present else "NULL" for column in wanted)
    number = row_number(database, table)
    try:
        for line, *values in database.execute(f"SELECT {number}, {chosen} FROM {table} ORDER BY 1"):  # noqa: S608 - ours
            parsed.lines += 1
            yield line, dict(zip(wanted, map(_told, values), strict=True))
    except DAMAGE as error:
        parsed.notices.add("damaged", f"table {table} is damaged, only its first rows are read: {error}", level="error")


def good_time_sql(column: str) -> str:
    """Give the condition that a column holds an epoch millisecond."""
    return f'(typeof("{column}") = \'integer\' AND "{column}" >= {EARLIEST_MS} AND "{column}" < {LATEST_MS})'


def _told(value: object) -> object:
    return well_formed(value) if isinstance(value, str) else value


def _rename_companions(folder: Path, name: str) -> None:
    """Give the companions of a renamed database the names under which SQLite looks for them."""
    for ending in _BESIDE:
        renamed = folder / (name.removesuffix(_MIGRATED) + ending + _MIGRATED)
        if name.endswith(_MIGRATED) and renamed.exists():
            renamed.rename(folder / (name + ending))
