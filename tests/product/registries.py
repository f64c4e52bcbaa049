"""Databases as rows: read without touching them, put together, compared."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

Value = int | float | str | bytes | None
Row = Mapping[str, Value]
Key = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table by primary key, and its definition."""

    definition: str
    rows: Mapping[Key, Row]


Tables = Mapping[str, Table]


def read(database: Path) -> Tables:
    """Read every table of a database and of its write-ahead log, from a private copy."""
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copy2(database, folder)
        for ending in ("-wal",):
            beside = database.with_name(database.name + ending)
            if beside.exists():
                shutil.copy2(beside, folder)
        with closing(sqlite3.connect(copied)) as connection:
            return dict(_tables(connection))


def _tables(connection: sqlite3.Connection) -> Iterator[tuple[str, Table]]:
    # a search index is compared by the table that it is made from
    listed = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")
    for name, definition in listed.fetchall():
        yield name, Table(" ".join((definition or "").split()), dict(_rows(connection, name)))


def _rows(connection: sqlite3.Connection, name: str) -> Iterator[tuple[Key, Row]]:
    told = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
    columns = [column[1] for column in told]
    keys = [column[1] for column in sorted(told, key=lambda column: column[5]) if column[5]]
    for place, values in enumerate(connection.execute(f'SELECT * FROM "{name}"')):
        row = dict(zip(columns, values, strict=True))
        yield tuple(row[key] for key in keys) or (place,), row


def put_into(target: Path, source: Path, tables: tuple[str, ...], renamed: tuple[str, str]) -> None:
    """Replace the rows of some tables of ``target`` by those of ``source``; a place in their texts is renamed.

    The columns are those that both have: a release adds columns by and by.
    """
    given = read(source)
    with closing(sqlite3.connect(target)) as connection, connection:
        for name in tables:
            if name in given:
                _replace_rows(connection, name, given[name], renamed)


def _replace_rows(connection: sqlite3.Connection, name: str, table: Table, renamed: tuple[str, str]) -> None:
    own = [column[1] for column in connection.execute(f'PRAGMA table_info("{name}")')]
    connection.execute(f'DELETE FROM "{name}"')
    for row in table.rows.values():
        columns = [column for column in row if column in own]
        values = [_renamed(row[column], renamed) for column in columns]
        listed = ", ".join(f'"{column}"' for column in columns)
        marks = ", ".join("?" * len(columns))
        connection.execute(f'INSERT INTO "{name}" ({listed}) VALUES ({marks})', values)


def _renamed(value: Value, renamed: tuple[str, str]) -> Value:
    return value.replace(*renamed) if isinstance(value, str) else value


class Difference(NamedTuple):
    """One value, or one whole row, that two databases do not agree on."""

    table: str
    key: Key
    column: str
    first: Value
    second: Value


ROW = "(row)"
DEFINITION = "(definition)"


def differences(first: Tables, second: Tables) -> Iterator[Difference]:
    """Compare two databases, table by table, row by row; a row that only one has is one difference."""
    for name in sorted(first.keys() | second.keys()):
        one, other = (tables.get(name, Table("", {})) for tables in (first, second))
        if one.definition != other.definition:
            yield Difference(name, (), DEFINITION, one.definition, other.definition)
        for key in sorted(one.rows.keys() | other.rows.keys(), key=repr):
            yield from _of_row(name, key, one.rows.get(key), other.rows.get(key))


def _of_row(name: str, key: Key, one: Row | None, other: Row | None) -> Iterator[Difference]:
    if one is None or other is None:
        yield Difference(name, key, ROW, *("there" if row is not None else None for row in (one, other)))
        return
    for column in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(column), other.get(column)
        if (mine, type(mine)) != (theirs, type(theirs)):
            yield Difference(name, key, column, mine, theirs)
