"""The task registry ``tasks/runs.sqlite`` of releases 2026.3.31 to 2026.5.28 (formats.md §1).

Rows usually lie in the write-ahead log only, and opening a database writes to its folder; so the files are copied to
a private folder first and only the copy is ever opened. Columns are read by name: their order differs between
releases and upgrades, and a missing one is null.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from forensics.model.errors import UnreadableError
from forensics.model.schemas import TASKS, TIME
from forensics.model.verdicts import SourceKind
from forensics.parsers.files import private_copy
from forensics.parsers.forms import Form, Glimpse
from forensics.parsers.parsed import Parsed
from forensics.parsers.timestamps import EARLIEST_MS, LATEST_MS

SQLITE_MAGIC = b"SQLite format 3\x00"
WAL_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
SHM_MAGICS = (b"\x18\xe2\x2d\x00", b"\x00\x2d\xe2\x18")

TABLE = "task_runs"
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged database raises; a damaged schema puts bytes that are no text into SQLite's own message."""

SQLITE_KINDS = {"flow_runs": "a registry of task flows; it holds no cron rows"}

_TEXT_COLUMNS = {
    "task_id": "task_id",
    "runtime": "runtime",
    "job_id": "source_id",
    "run_id": "run_id",
    "agent_id": "agent_id",
    "session_key": "child_session_key",
    "label": "label",
    "status": "status",
    "delivery_status": "delivery_status",
    "notify_policy": "notify_policy",
    "error": "error",
    "terminal_summary": "terminal_summary",
    "terminal_outcome": "terminal_outcome",
}
_TIME_COLUMNS = ("created_at", "started_at", "ended_at", "last_event_at", "cleanup_after")
_REQUIRED = ("task_id", "runtime", "status")


def companions_of(path: Path) -> list[Path]:
    """Give the files beside a database without which it cannot be read whole: write-ahead log, rollback journal."""
    beside = [path.with_name(path.name + ending) for ending in ("-wal", "-journal")]
    return [companion for companion in beside if companion.is_file()]


def parse_task_registry(path: Path, companions: Iterable[Path]) -> Parsed:
    """Read all task rows of a registry and of its write-ahead log, from a private copy.

    Shape: frame ``tasks``, one row per row of ``task_runs``; ``line`` is the rowid.
    Notices: no_task_table, wal_missing, no_task_id, out_of_range, damaged, unknown_column_set.
    Source: formats.md §1.2 (an uncheckpointed write-ahead log is the normal case), §1.3 (columns by release).

    Raises:
        UnreadableError: the file cannot be read or is no database.
    """
    companions = list(companions)
    with _opened_copy(path, companions) as database:
        if not _tables(database) and not any(_is_filled_wal(companion) for companion in companions):
            return _without_tables(path)
        return read_database(database)


def read_database(database: sqlite3.Connection) -> Parsed:
    """Read all task rows of an open database, a private copy or one restored from a dump.

    Shape: frame ``tasks``, one row per row of ``task_runs``; ``line`` is the rowid.
    Notices: no_task_table, no_task_id, out_of_range, damaged, unknown_column_set.
    """
    tables = _tables(database)
    return _rows_of(database) if TABLE in tables else _without_tasks(tables)


def raw_values(
    path: Path, companions: Iterable[Path], task_ids: Iterable[str], columns: Iterable[str]
) -> dict[str, dict[str, int | float | str | bytes | None]]:
    """Give the stored values of some rows as they are, text byte for byte, by task id and column.

    Raises:
        UnreadableError: the file cannot be read or is no database.
    """
    with _opened_copy(path, companions) as database:
        database.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")
        present = _columns(database)
        chosen = [column for column in columns if column in present]
        selected = ", ".join(f'"{column}"' for column in chosen)
        found: dict[str, dict[str, int | float | str | bytes | None]] = {}
        for task_id in task_ids:
            query = f"SELECT {selected} FROM {TABLE} WHERE task_id = ?"  # noqa: S608 - only column names of our own
            for row in database.execute(query, (task_id,)):
                found[task_id] = dict(zip(chosen, row, strict=True))
        return found


@contextmanager
def _opened_copy(path: Path, companions: Iterable[Path]) -> Iterator[sqlite3.Connection]:
    with private_copy(path, *companions) as folder:
        try:
            with closing(sqlite3.connect(folder / path.name, isolation_level=None)) as database:
                database.execute("PRAGMA trusted_schema = OFF")
                database.text_factory = lambda stored: stored.decode("utf-8", "replace")
                database.execute("PRAGMA schema_version").fetchone()
                yield database
        except _DAMAGE as error:
            raise UnreadableError(f"the database is damaged: {error}") from error


def _tables(database: sqlite3.Connection) -> set[str]:
    return {str(name) for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _columns(database: sqlite3.Connection) -> set[str]:
    return {str(row[1]) for row in database.execute(f"PRAGMA table_info({TABLE})")}


def _without_tables(path: Path) -> Parsed:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "an SQLite database without tables", timezone=None)
    parsed.notices.add(
        "wal_missing",
        f"the database is empty: its rows are probably still in {path.name}-wal, which is not here or empty; "
        "hand over both files",
        level="error",
    )
    return parsed


def _without_tasks(tables: set[str]) -> Parsed:
    known = next((text for table, text in SQLITE_KINDS.items() if table in tables), None)
    kind = SourceKind.OTHER if known else SourceKind.UNKNOWN
    parsed = Parsed(kind, known or "a database without task_runs", timezone=None)
    if not known:
        parsed.notices.add("no_task_table", "a database of no known kind: it has no table task_runs")
    return parsed


def _is_filled_wal(companion: Path) -> bool:
    return companion.name.endswith("-wal") and companion.stat().st_size > 0


def _rows_of(database: sqlite3.Connection) -> Parsed:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "an SQLite database with table task_runs")
    present = _columns(database)
    missing = [name for name in _REQUIRED if name not in present]
    if missing:
        parsed.kind = SourceKind.UNKNOWN
        parsed.notices.add(
            "unknown_column_set", f"task_runs has no column {', '.join(missing)}; it is not read", level="error"
        )
        return parsed
    rows = _fetched(database, present, parsed)
    stored = pl.DataFrame(rows, schema=_raw_schema(), orient="row")
    parsed.lines = stored.height
    _note_bad_values(stored, parsed)
    usable = stored.filter(pl.col("task_id").is_not_null())
    parsed.rejected = stored.height - usable.height
    if parsed.rejected:
        parsed.notices.add("no_task_id", f"{parsed.rejected} rows without a task id", level="error")
    parsed.records = usable.height
    parsed.tasks = _typed(usable)
    stamps = pl.concat([parsed.tasks[name] for name in _TIME_COLUMNS if name != "cleanup_after"])
    parsed.spans([stamps.min(), stamps.max()])
    return parsed


def _raw_schema() -> dict[str, Any]:
    times = dict.fromkeys(_TIME_COLUMNS, pl.Int64)
    return {"line": pl.Int64} | dict.fromkeys(_TEXT_COLUMNS, pl.String) | times | {"bad": pl.String}


def _fetched(database: sqlite3.Connection, present: set[str], parsed: Parsed) -> list[tuple[object, ...]]:
    texts = [f'CAST("{column}" AS TEXT)' if column in present else "NULL" for column in _TEXT_COLUMNS.values()]
    times = [_time_sql(column) if column in present else "NULL" for column in _TIME_COLUMNS]
    checks = [_bad_sql(column) for column in _TIME_COLUMNS if column in present] or ["NULL"]
    bad = f"NULLIF({' || '.join(checks)}, '')"
    number = _row_number(database)
    query = f"SELECT {number}, {', '.join(texts + times)}, {bad} FROM {TABLE} ORDER BY 1"  # noqa: S608 - our own names
    rows: list[tuple[object, ...]] = []
    try:
        rows.extend(database.execute(query))
    except _DAMAGE as error:
        parsed.notices.add(
            "damaged", f"the database is damaged, only {len(rows)} rows could be read: {error}", level="error"
        )
    return rows


def _row_number(database: sqlite3.Connection) -> str:
    """Give the expression of a row's number: its rowid, whatever columns hide it; without any, its place by key."""
    for name in ("rowid", "_rowid_", "oid"):
        if name not in {column.lower() for column in _columns(database)}:
            try:
                database.execute(f"SELECT {name} FROM {TABLE} LIMIT 0")  # noqa: S608 - our own names
            except sqlite3.OperationalError:
                break
            return name
    return "row_number() OVER (ORDER BY task_id)"


def _time_sql(column: str) -> str:
    return f'CASE WHEN {_good_sql(column)} THEN "{column}" END'


def _bad_sql(column: str) -> str:
    return f"CASE WHEN \"{column}\" IS NULL OR {_good_sql(column)} THEN '' ELSE '{column} ' END"


def _good_sql(column: str) -> str:
    return f'(typeof("{column}") = \'integer\' AND "{column}" >= {EARLIEST_MS} AND "{column}" < {LATEST_MS})'


def _note_bad_values(stored: pl.DataFrame, parsed: Parsed) -> None:
    for line, bad in stored.filter(pl.col("bad").is_not_null()).select("line", "bad").iter_rows():
        columns = ", ".join(bad.split())
        parsed.notices.add("out_of_range", f"{columns} holds no epoch millisecond; it is read as unknown", line)


def _typed(stored: pl.DataFrame) -> pl.DataFrame:
    return stored.select(
        pl.lit(None, pl.String).alias("gateway"),
        pl.lit(None, pl.UInt32).alias("source"),
        "line",
        *(
            pl.col(name).cast(TIME) if name in _TIME_COLUMNS else pl.col(name)
            for name in TASKS
            if name in _TIME_COLUMNS or name in _TEXT_COLUMNS
        ),
        pl.lit("store").alias("registry"),
        pl.lit(value=False).alias("projected"),
        pl.lit(1, pl.Int64).alias("precision_ms"),
    ).select(list(TASKS))


def _recognised(glimpse: Glimpse) -> str | None:
    return "an SQLite database" if glimpse.head.startswith(SQLITE_MAGIC) else None


FORMS = (
    Form(
        "SQLite database",
        SourceKind.TASK_REGISTRY,
        _recognised,
        lambda path, given: parse_task_registry(path, given.companions),
    ),
)
