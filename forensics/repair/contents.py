"""What a database holds, as digests: to prove that nothing changed but what was planned."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from forensics.model.errors import RefusedError
from forensics.model.plan import Value
from forensics.parsers.database import quoted_name, row_number, tables_of
from forensics.parsers.task_registry import TABLE

Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Contents:
    """Digests of a database: its schema and settings, its other tables, its task rows, and those but the picked ones.

    ``rows`` are the picked task rows by their number, each with all of its values; ``count`` is how many task rows
    there are in all.
    """

    schema: str
    tables: Mapping[str, str]
    tasks: str
    rest: str
    rows: Mapping[int, Row]
    count: int

    @property
    def digest(self) -> str:
        """One digest of everything the database holds, whichever rows were picked."""
        return _digest([self.schema, sorted(self.tables.items()), self.tasks])


def contents_of(database: sqlite3.Connection, picked: Collection[int] = ()) -> Contents:
    """Digest all values of all tables, each with its storage class; the picked task rows are given as they are.

    ``picked`` are numbers of rows, as ``row_numbers`` gives them. Virtual tables are known by the tables they keep.

    Raises:
        RefusedError: a table cannot be read.
    """
    try:
        schema = _schema(database)
        tables = {name: _digest(_rows(database, name)) for name in sorted(_real_tables(database) - {TABLE})}
        return _with_task_rows(database, frozenset(picked), schema, tables)
    except sqlite3.Error as error:
        message = f"the registry cannot be read whole: {error}; nothing was changed"
        raise RefusedError(message) from error


def row_numbers(database: sqlite3.Connection, task_ids: Collection[str]) -> dict[str, list[int]]:
    """Give the numbers of the rows of each of these tasks; an id that has no row is missing."""
    wanted = set(task_ids)
    found: dict[str, list[int]] = {}
    number = row_number(database, TABLE)
    with _text_as(database, decoded):
        for line, task_id in database.execute(f"SELECT {number}, task_id FROM {TABLE}"):  # noqa: S608 - our own names
            if task_id in wanted:
                found.setdefault(task_id, []).append(line)
    return found


def integrity_of(database: sqlite3.Connection) -> tuple[str, int]:
    """Give what SQLite's own check says (``ok``, or its first complaint), and how many foreign keys are violated.

    Raises:
        RefusedError: the check itself fails.
    """
    try:
        complaint = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        violated = sum(1 for _ in database.execute("PRAGMA foreign_key_check"))
    except sqlite3.Error as error:
        message = f"the registry cannot be checked: {error}; nothing was changed"
        raise RefusedError(message) from error
    return str(complaint), violated


def decoded(stored: bytes) -> str:
    """Give text byte for byte: what is not UTF-8 becomes lone surrogates."""
    return stored.decode("utf-8", "surrogateescape")


@contextmanager
def _text_as(database: sqlite3.Connection, factory: object) -> Iterator[None]:
    before, database.text_factory = database.text_factory, factory
    try:
        yield
    finally:
        database.text_factory = before


def _real_tables(database: sqlite3.Connection) -> set[str]:
    """Give all tables that hold rows themselves."""
    virtual = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'")
    return tables_of(database) - {str(name) for (name,) in virtual}


def _told_apart(stored: bytes) -> object:
    """Keep text apart from a blob of the same bytes."""
    return ("text", stored)


def _rows(database: sqlite3.Connection, table: str) -> Iterator[object]:
    name = quoted_name(table)
    number = row_number(database, name)
    with _text_as(database, _told_apart):
        yield from database.execute(f"SELECT {number}, * FROM {name}")  # noqa: S608 - a quoted name


def _with_task_rows(
    database: sqlite3.Connection, picked: frozenset[int], schema: str, tables: Mapping[str, str]
) -> Contents:
    rows: dict[int, Row] = {}
    tasks, rest, count = hashlib.sha256(), hashlib.sha256(), 0
    number = row_number(database, TABLE)
    with _text_as(database, _told_apart):
        found = database.execute(f"SELECT {number}, * FROM {TABLE}")  # noqa: S608 - our own names
        names = [column[0] for column in found.description[1:]]
        for line, *values in found:
            count += 1
            told = repr((line, values)).encode()
            tasks.update(told)
            if line in picked:
                rows[line] = dict(zip(names, map(_value, values), strict=True))
            else:
                rest.update(told)
    return Contents(schema, tables, tasks.hexdigest(), rest.hexdigest(), rows, count)


def _value(stored: object) -> Value:
    if isinstance(stored, tuple):
        return decoded(stored[1])
    if stored is None or isinstance(stored, int | float | bytes):
        return stored
    message = f"a value of type {type(stored).__name__}"
    raise TypeError(message)


def _schema(database: sqlite3.Connection) -> str:
    settings = [
        database.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id", "encoding")
    ]
    with _text_as(database, _told_apart):
        return _digest([settings, *database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")])


def _digest(rows: Iterable[object]) -> str:
    told = hashlib.sha256()
    for row in rows:
        told.update(repr(row).encode("utf-8", "surrogateescape"))
    return told.hexdigest()
