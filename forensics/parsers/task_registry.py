"""The task registry: ``tasks/runs.sqlite`` up to 2026.5.28, the shared state database from 2026.6.1 (formats.md §1).

Columns are read by name: their order differs between releases and upgrades, and a missing one is null.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from forensics.model.schemas import TASKS, TIME
from forensics.model.verdicts import SourceKind
from forensics.parsers.database import (
    DAMAGE,
    SQLITE_MAGIC,
    columns_of,
    good_time_sql,
    is_database_name,
    is_filled_wal,
    opened_copy,
    row_number,
    tables_of,
)
from forensics.parsers.files import head_of
from forensics.parsers.forms import Form, Given, Glimpse
from forensics.parsers.parsed import NO_STATUS, Parsed
from forensics.parsers.releases import RUNS_FILE, STATE_WITH_LOGS, STATE_WITHOUT_LOGS, note_release
from forensics.parsers.run_details import IMPORTED
from forensics.parsers.state_tables import add_state_tables

TABLE = "task_runs"
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
_MIGRATED = ".migrated"
_WAL_MODE_AT = 18
_REQUIRED = ("task_id", "runtime", "status")


def parse_task_registry(path: Path, companions: Iterable[Path]) -> Parsed:
    """Read all task rows of a registry and of its write-ahead log, from a private copy.

    Shape: frame ``tasks``, one row per row of ``task_runs``; ``line`` is the rowid.
    Notices: no_task_table, wal_missing, wal_not_given, no_task_id, no_status, out_of_range, damaged,
        unknown_column_set.
    Source: formats.md §1.2 (an uncheckpointed write-ahead log is the normal case), §1.3 (columns by release).

    Raises:
        UnreadableError: the file cannot be read or is no database.
    """
    companions = list(companions)
    with opened_copy(path, companions) as database:
        if not tables_of(database) and not any(is_filled_wal(companion) for companion in companions):
            return _without_tables(path)
        parsed = read_database(database)
    if parsed.kind is SourceKind.TASK_REGISTRY and not companions and _keeps_a_write_ahead_log(path):
        parsed.notices.add(
            "wal_not_given",
            "its write-ahead log is not here: rows written since the last checkpoint are missing, if there were any",
            level="warning" if parsed.form == RUNS_FILE else "info",
        )
    return parsed


def _keeps_a_write_ahead_log(path: Path) -> bool:
    """Tell from the file header whether the database is in WAL mode."""
    return head_of(path, _WAL_MODE_AT + 1)[_WAL_MODE_AT:] == b"\x02"


def read_database(database: sqlite3.Connection) -> Parsed:
    """Read all tables that a registry, or the shared state database, has: a private copy, or restored from a dump.

    Shape: frames ``tasks``, ``runs``, ``jobs`` and ``lifecycle``; ``line`` is the rowid in the record's table.
    Notices: no_task_table, no_task_id, no_status, out_of_range, damaged, unknown_column_set, unknown_layout.
    """
    tables = tables_of(database)
    if TABLE not in tables:
        return _without_tasks(tables)
    parsed = _rows_of(database)
    if parsed.kind is SourceKind.TASK_REGISTRY:
        add_state_tables(database, parsed)
        note_release(database, parsed)
    return parsed


def raw_values(
    path: Path, companions: Iterable[Path], task_ids: Iterable[str], columns: Iterable[str]
) -> dict[str, dict[str, int | float | str | bytes | None]]:
    """Give the stored values of some rows as they are, text byte for byte, by task id and column.

    Raises:
        UnreadableError: the file cannot be read or is no database.
    """
    with opened_copy(path, companions) as database:
        database.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")
        present = columns_of(database, TABLE)
        chosen = [column for column in columns if column in present]
        selected = ", ".join(f'"{column}"' for column in chosen)
        found: dict[str, dict[str, int | float | str | bytes | None]] = {}
        for task_id in task_ids:
            query = f"SELECT {selected} FROM {TABLE} WHERE task_id = ?"  # noqa: S608 - only column names of our own
            for row in database.execute(query, (task_id,)):
                found[task_id] = dict(zip(chosen, row, strict=True))
        return found


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


def _rows_of(database: sqlite3.Connection) -> Parsed:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "an SQLite database with table task_runs")
    present = columns_of(database, TABLE)
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
    number = row_number(database, TABLE)
    query = f"SELECT {number}, {', '.join(texts + times)}, {bad} FROM {TABLE} ORDER BY 1"  # noqa: S608 - our own names
    rows: list[tuple[object, ...]] = []
    try:
        rows.extend(database.execute(query))
    except DAMAGE as error:
        parsed.notices.add(
            "damaged", f"the database is damaged, only {len(rows)} rows could be read: {error}", level="error"
        )
    return rows


def _time_sql(column: str) -> str:
    return f'CASE WHEN {good_time_sql(column)} THEN "{column}" END'


def _bad_sql(column: str) -> str:
    return f"CASE WHEN \"{column}\" IS NULL OR {good_time_sql(column)} THEN '' ELSE '{column} ' END"


def _note_bad_values(stored: pl.DataFrame, parsed: Parsed) -> None:
    for line, bad in stored.filter(pl.col("bad").is_not_null()).select("line", "bad").iter_rows():
        columns = ", ".join(bad.split())
        parsed.notices.add("out_of_range", f"{columns} holds no epoch millisecond; it is read as unknown", line)
    has_status = pl.col("status").fill_null("") != ""
    for line in stored.filter(~has_status)["line"]:
        parsed.notices.add("no_status", NO_STATUS, line, "error")


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
        (pl.col("task_id").str.starts_with(IMPORTED) & pl.col("run_id").eq_missing(pl.col("task_id"))).alias("is_twin"),
        pl.lit(1, pl.Int64).alias("precision_ms"),
    ).select(list(TASKS))


def _recognised(glimpse: Glimpse) -> str | None:
    if not glimpse.head:
        return "an empty file with the name of a database" if is_database_name(glimpse.path, glimpse.name) else None
    return "an SQLite database" if glimpse.head.startswith(SQLITE_MAGIC) else None


def _parse(path: Path, given: Given) -> Parsed:
    parsed = parse_task_registry(path, given.companions)
    if given.name.endswith(_MIGRATED) and parsed.form == RUNS_FILE:
        parsed.form += _MIGRATED
    return parsed


FORMS = (
    Form(
        RUNS_FILE,
        SourceKind.TASK_REGISTRY,
        _recognised,
        _parse,
        variants=(RUNS_FILE + _MIGRATED, STATE_WITH_LOGS, STATE_WITHOUT_LOGS),
    ),
)
