"""The SQL of a whole database, as ``.dump`` of the ``sqlite3`` shell writes it (formats.md §2.2).

A dump is a program, so it is not run: its statements are looked at one by one. Tables are made anew from the names of
their columns alone, rows go in by statements that may use literals and a few functions of text, and everything else
(views, triggers, indexes, virtual tables, attached files) is left out. What was restored is read like a database file.
"""

from __future__ import annotations

import re
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from forensics.model.policy import LONGEST_VALUE_BYTES, RESTORE_GROWTH, RESTORE_STEPS
from forensics.model.verdicts import SourceKind
from forensics.parsers import task_registry
from forensics.parsers.forms import Form, Glimpse
from forensics.parsers.parsed import Parsed, brief
from forensics.parsers.table_rows import as_export, private_database
from forensics.parsers.tables import TABLES
from forensics.parsers.text_lines import Lines, open_lines

_BY = "the SQL of a database dump"
_STEPS_BETWEEN_LOOKS = 100_000
_PAGE_BYTES = 4096
_LEAST_PAGES = 4096
_LONGEST_DEFINITION = 1 << 16
_MOST_TABLES = 2000
_FUNCTIONS = {"char", "replace", "unistr"}
"""What the shell writes line feeds and control characters with."""

_NAME = r'(?:"(?:[^"]|"")+"|\'(?:[^\']|\'\')+\'|`[^`]+`|\[[^\]]+\]|\w+)'
_OPENINGS = ("PRAGMA foreign_keys=OFF;", "BEGIN TRANSACTION;")
"""How the shell begins a dump, and how libraries and viewers do; the tables of a gateway may stand far below."""
_INSERT = re.compile(
    rf"\s*INSERT\s+(?:OR\s+\w+\s+)?INTO\s+(?P<table>{_NAME})\s*(?:\((?P<columns>[^()]*)\))?\s*VALUES\s*\(",
    re.IGNORECASE,
)
_CREATE = re.compile(rf"\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>{_NAME})\s*\(", re.IGNORECASE)
_KNOWN = re.compile(
    r"\s*(?:PRAGMA\s+(?:foreign_keys|writable_schema)\s*=|BEGIN\b|COMMIT\b|ROLLBACK\b|END\b|--|/\*)", re.IGNORECASE
)
_NO_EVIDENCE = re.compile(
    r"\s*(?:CREATE\s+(?:UNIQUE\s+)?INDEX\b|ANALYZE\b|DELETE\s+FROM\s+sqlite_sequence"
    r"|INSERT\s+INTO\s+\"?(?:sqlite_sequence|sqlite_stat\d)\"?\b)",
    re.IGNORECASE,
)
_ENDS = ("COMMIT", "END;", "ROLLBACK")
_TABLES = {table.name for table in TABLES} | {"flow_runs", "task_delivery_state", "schema_meta", "table"}
_ESCAPE = re.compile(r"\\(?:\\|([0-9A-Fa-f]{4})|u([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|U([0-9A-Fa-f]{8}))")
_LAST_CHARACTER = 0x10FFFF
_DEFINING = (
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_REINDEX,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_SELECT,
)
"""What defining a table takes: it writes the schema, and rules may name functions, which are never called."""
_AFFINITY = re.compile(r"[A-Za-z ]{0,40}")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_ENDING = ".sql"
_LONG_QUOTES = ('"""', "'''", "`")
"""What texts of several lines stand in, in the source of programs."""
_OPENS_TEXT = re.compile(r"<<[-~]?\s*(['\"]?)\w+\1\s*$|:\s*[|>][-+]?\s*$")
"""How shells and YAML open such a text."""
_WHOLE = {"schema_meta", "task_runs", "task_delivery_state", "cron_jobs"}
"""Tables that a dump of a whole state database defines, whatever its release."""
_ROW_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(slots=True)
class Restored:
    """A database restored from a dump, and where in the dump each of its rows begins.

    Row numbers are unique over all tables, so ``line_of`` needs no table. ``is_torn``: the dump ends before its end.
    """

    database: sqlite3.Connection
    parsed: Parsed
    guard: _Guard
    lines: array[int] = field(default_factory=lambda: array("q"))
    tables: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    is_torn: bool = False

    def line_of(self, row_number: int) -> int | None:
        """Give the line of the dump on which the INSERT of a row begins."""
        return self.lines[row_number - 1] if 0 < row_number <= len(self.lines) else None


def parse_dump(path: Path) -> Parsed:
    """Read a dump as the database that it was made from.

    Shape: what ``task_registry.read_database`` gives; ``registry`` is ``export``, ``line`` the line of the INSERT.
    Notices: truncated_dump, damaged_dump, bad_statement, skipped_statement, no_table_definition, and those of the
    reader of the database. In a torn dump a record may be missing from every history; a dump of some tables only, or of
    chosen rows, is no history at all: what it does not hold may be in what was not dumped.
    Source: formats.md §2.2.

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.TASK_EXPORT, _BY)
    with restored(path, parsed) as found:
        read = as_export(task_registry.read_database(found.database), parsed, found.line_of, set())
        if not set(found.tables) >= _WHOLE:
            read.histories = []
        if found.is_torn:
            read.histories = [history | {"is_damaged": True} for history in read.histories]
        return read


@contextmanager
def restored(path: Path, parsed: Parsed) -> Iterator[Restored]:
    """Restore a dump into a private database and give that; what is wrong with the dump is noted in ``parsed``.

    Raises:
        UnreadableError: the file cannot be read.
    """
    with private_database() as database, open_lines(path) as lines:
        found = Restored(database, parsed, _Guard())
        _limit(database, path.stat().st_size, found.guard)
        has_ended = False
        for statement in _statements(lines, found):  # each on its own: giving one up would undo a whole transaction
            _run(statement, found)
            has_ended = has_ended or statement.text.lstrip().upper().startswith(_ENDS)
        _note_end(found, has_ended=has_ended)
        yield found


@dataclass(frozen=True, slots=True)
class _Statement:
    line: int
    text: str


class _Guard:
    """Decides what SQLite may do. Only while a statement of the dump runs, for whose table alone, is it strict."""

    def __init__(self) -> None:
        self.table: str | None = None
        self._looks = 0

    def start(self, table: str) -> None:
        """Be strict from now on: only rows of this table may be put in."""
        self.table, self._looks = table.lower(), 0

    def stop(self) -> None:
        """Let the tool's own statements pass."""
        self.table = None

    def allows(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """Answer SQLite's question about one step of a statement that is being prepared."""
        if self.table is None:
            return sqlite3.SQLITE_OK
        is_own = action == sqlite3.SQLITE_INSERT and (first or "").lower() == self.table
        is_text = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS
        return sqlite3.SQLITE_OK if is_own or is_text or action == sqlite3.SQLITE_SELECT else sqlite3.SQLITE_DENY

    def is_over(self) -> bool:
        """Tell whether the statement has taken all the steps it may."""
        self._looks += 1
        return self.table is not None and self._looks * _STEPS_BETWEEN_LOOKS > RESTORE_STEPS


def _allow_definition(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _DEFINING else sqlite3.SQLITE_DENY


def _limit(database: sqlite3.Connection, size_bytes: int, guard: _Guard) -> None:
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE_BYTES)
    database.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_VALUE_BYTES)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.execute(f"PRAGMA max_page_count = {max(_LEAST_PAGES, RESTORE_GROWTH * size_bytes // _PAGE_BYTES)}")
    database.create_function("unistr", 1, _unistr, deterministic=True)
    database.set_authorizer(guard.allows)
    database.set_progress_handler(guard.is_over, _STEPS_BETWEEN_LOOKS)


def _statements(lines: Lines, found: Restored) -> Iterator[_Statement]:
    """Give the statements one after the other; one that never ends, or is too long, is noted and left out."""
    pieces: list[str] = []
    start, size, quotes = 0, 0, 0
    for number, text in lines:
        if not pieces and not text.strip():
            continue
        start = start if pieces else number
        pieces.append(text)
        size += len(text)
        quotes += text.count("'")
        if size > LONGEST_VALUE_BYTES:
            found.parsed.rejected += 1
            found.parsed.notices.add("bad_statement", "a statement without an end; it is not read", start)
            pieces, size, quotes = [], 0, 0
        elif _is_whole(pieces, text, quotes):
            yield _Statement(start, "".join(pieces))
            pieces, size, quotes = [], 0, 0
    if pieces:
        found.is_torn = True
        found.parsed.rejected += 1
        found.parsed.notices.add("truncated_dump", "the dump ends in the middle of a statement", start, "error")


def _is_whole(pieces: list[str], last: str, quotes: int) -> bool:
    """Tell whether a statement ends with this line. Rows are told by their quotes, being many; all else by SQLite."""
    ending = last.rstrip()
    head = pieces[0]
    if head.lstrip().startswith(("--", "/*")):
        return True
    if not ending.endswith(";"):
        return bool(_KNOWN.match(head)) and "--" in ending
    if _INSERT.match(head) or sum(map(len, pieces)) > _LONGEST_DEFINITION:
        return quotes % 2 == 0
    return sqlite3.complete_statement("".join(pieces))


def _run(statement: _Statement, found: Restored) -> None:
    text = statement.text
    insert, create = _INSERT.match(text), _CREATE.match(text)
    if _NO_EVIDENCE.match(text) or _KNOWN.match(text):
        if "CORRUPTION" in text[:200] or text.lstrip().upper().startswith("ROLLBACK"):
            found.is_torn = True
            found.parsed.notices.add(
                "damaged_dump", "the database was damaged when it was dumped", statement.line, "error"
            )
    elif insert:
        _run_insert(statement, insert, found)
    elif create and len(text) <= _LONGEST_DEFINITION and len(found.tables) < _MOST_TABLES:
        _run_create(statement, _unquoted(create["table"]), found)
    else:
        what = " ".join(text.split(None, 3)[:2]).upper()
        found.parsed.notices.add(
            "skipped_statement",
            f"{brief(what, 40)}: a statement that holds no rows; it is left out",
            statement.line,
            "info",
        )


def _run_create(statement: _Statement, table: str, found: Restored) -> None:
    """Make a table with the columns that a definition names, without its rules: those could hold anything."""
    try:
        _make(table, _columns_in(statement.text, table), found)
    except (sqlite3.Error, ValueError) as error:
        _note_bad(statement, error, found)


def _make(table: str, columns: list[tuple[str, str]], found: Restored) -> None:
    if table.lower() in found.tables or table.lower().startswith("sqlite_"):
        raise ValueError("the table is there already")
    told = ", ".join(f"{_quoted(name)} {affinity}" for name, affinity in columns)
    found.database.execute(f"CREATE TABLE {_quoted(table)} ({told})")
    taken = {name.lower() for name, _ in columns}
    found.tables[table.lower()] = next((name for name in _ROW_NAMES if name not in taken), "")


def _columns_in(definition: str, table: str) -> list[tuple[str, str]]:
    """Let SQLite itself tell the columns of a definition, in a database that is thrown away."""
    with private_database() as scratch:
        scratch.execute("PRAGMA trusted_schema = ON")  # a rule may name any function: nothing is ever put in
        scratch.set_authorizer(_allow_definition)
        scratch.execute(definition)
        scratch.set_authorizer(None)
        described = scratch.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    if not described:
        raise ValueError("a table without columns")
    return [(str(row[1]), row[2] if _AFFINITY.fullmatch(row[2]) else "") for row in described]


def _run_insert(statement: _Statement, insert: re.Match[str], found: Restored) -> None:
    table = _unquoted(insert["table"])
    found.parsed.rejected += 1  # until it is in
    try:
        if table.lower() not in found.tables and insert["columns"]:
            _make(table, [(_unquoted(name.strip()), "") for name in insert["columns"].split(",")], found)
        if table.lower() not in found.tables:
            _note_undefined(statement, table, found)
            return
        found.guard.start(table)
        done = found.database.execute(statement.text)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        _note_bad(statement, error, found)
        return
    finally:
        found.guard.stop()
    found.parsed.rejected -= 1
    _number(statement, table, done, found)


def _number(statement: _Statement, table: str, done: sqlite3.Cursor, found: Restored) -> None:
    """Give the rows just put in the next numbers of the dump, so that a number tells the line. From the last row on:
    the new numbers are never smaller than the old ones, so none is taken.
    """  # noqa: D205
    row_name, count = found.tables[table.lower()], max(done.rowcount, 0)
    before = len(found.lines)
    found.lines.extend([statement.line] * count)
    if not row_name or done.lastrowid is None:
        return
    query = f"UPDATE {_quoted(table)} SET {row_name} = ? WHERE {row_name} = ?"  # noqa: S608 - quoted, or our own
    for place in range(count, 0, -1):
        found.database.execute(query, (before + place, done.lastrowid - count + place))


def _note_undefined(statement: _Statement, table: str, found: Restored) -> None:
    if not found.skipped[table]:
        found.parsed.notices.add(
            "no_table_definition",
            f"rows of {brief(table, 40)} without its CREATE TABLE: which column is which is not known; dump it whole",
            statement.line,
        )
    found.skipped[table] += 1


def _note_bad(statement: _Statement, error: Exception, found: Restored) -> None:
    found.parsed.notices.add("bad_statement", f"not read: {brief(error, 80)}", statement.line)


def _note_end(found: Restored, *, has_ended: bool) -> None:
    if not has_ended and not found.is_torn and found.tables:
        found.is_torn = True
        found.parsed.notices.add(
            "truncated_dump", "the dump ends without COMMIT: rows after its end are not known", level="error"
        )


def _unquoted(name: str) -> str:
    for opening, closing in ('""', "''", "``", "[]"):
        if len(name) > 1 and name.startswith(opening) and name.endswith(closing):
            return name[1:-1].replace(closing * 2, closing)
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unistr(text: str | bytes | float | None) -> str | bytes | float | None:
    return _ESCAPE.sub(_character, text) if isinstance(text, str) else text


def _character(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3] or match[4]
    return chr(int(digits, 16)) if digits and int(digits, 16) <= _LAST_CHARACTER else "\\"


def _recognised(glimpse: Glimpse) -> str | None:
    is_first = not glimpse.name.endswith(_ENDING)  # what is called SQL is no program
    for number, line in enumerate(glimpse.text_lines):
        made = _INSERT.match(line) or _CREATE.match(line)
        is_opening = line.startswith(_OPENINGS)
        if is_first and (made or is_opening) and _leave_text_open(glimpse.text_lines[:number]):
            return None
        is_first = is_first and not (made or is_opening)
        if is_opening or (made and _unquoted(made["table"]).lower() in _TABLES):
            return _BY
    return None


def _leave_text_open(before: Sequence[str]) -> bool:
    """Tell whether the lines before the first statement leave a text open: then the SQL is part of a program.

    What a terminal or a ticket shows above a dump (a prompt, the command, prose, a fence) leaves none open.
    """
    told = [line for line in before if line.strip() and not _FENCE.match(line)]
    if not told:
        return False
    ending = told[-1].rstrip()
    is_quote = ending.endswith(("'", '"')) and ending.count(ending[-1]) % 2 == 1
    has_long = any("\n".join(told).count(quote) % 2 == 1 for quote in _LONG_QUOTES)
    return is_quote or has_long or _OPENS_TEXT.search(ending) is not None


FORMS = (Form("sqlite3 .dump", SourceKind.TASK_EXPORT, _recognised, lambda path, _: parse_dump(path)),)
