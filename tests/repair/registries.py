"""Registries to be repaired, and plans for them, made without an audit."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forensics.model.plan import GUARDS, TOUCHED, Inputs, Plan, PlannedRow
from forensics.parsers.database import companions_of
from forensics.parsers.task_registry import raw_values
from forensics.repair.apply import Target

NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
START_MS = 1_776_668_400_000
MARK_MS = START_MS + 330_000

DDL_3_31 = """
CREATE TABLE task_runs (task_id TEXT PRIMARY KEY, runtime TEXT NOT NULL, source_id TEXT, owner_key TEXT NOT NULL,
 scope_kind TEXT NOT NULL, child_session_key TEXT, parent_task_id TEXT, agent_id TEXT, run_id TEXT, label TEXT,
 task TEXT NOT NULL, status TEXT NOT NULL, delivery_status TEXT NOT NULL, notify_policy TEXT NOT NULL,
 created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, last_event_at INTEGER, cleanup_after INTEGER,
 error TEXT, progress_summary TEXT, terminal_summary TEXT, terminal_outcome TEXT);
CREATE INDEX idx_task_runs_status ON task_runs(status);
CREATE INDEX idx_task_runs_last_event_at ON task_runs(last_event_at);
CREATE TABLE task_delivery_state (task_id TEXT PRIMARY KEY, requester_origin_json TEXT, last_notified_event_at INTEGER);
"""

Rows = dict[str, dict[str, Any]]


def lost_row(number: int, **changes: object) -> dict[str, object]:
    """Give a row that the sweep marked lost."""
    start_ms = START_MS + 60_000 * number
    job = f"job-{number % 7}"
    row: dict[str, object] = {
        "task_id": f"task-{number:05d}",
        "runtime": "cron",
        "source_id": job,
        "owner_key": "",
        "scope_kind": "system",
        "run_id": f"cron:{job}:{start_ms}",
        "label": f"Job {number % 7}",
        "task": f"Job {number % 7}",
        "status": "lost",
        "delivery_status": "not_applicable",
        "notify_policy": "silent",
        "created_at": start_ms,
        "started_at": start_ms,
        "ended_at": start_ms + 330_000,
        "last_event_at": start_ms + 330_000,
        "cleanup_after": start_ms + 330_000 + 604_800_000,
        "error": "backing session missing",
    }
    return row | changes


def write_rows(path: Path, rows: Sequence[Mapping[str, object]], ddl: str = DDL_3_31, *, wal: bool = False) -> Path:
    """Write a registry; in WAL mode its rows are checkpointed when the last connection closes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        database.executescript(ddl)
        database.execute("BEGIN")
        for row in rows:
            insert(database, "task_runs", row)
        database.execute("COMMIT")
    return path


def insert(database: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def rows_of(path: Path) -> Rows:
    """Give all task rows as sqlite3 reads them."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return {row["task_id"]: dict(row) for row in database.execute("SELECT * FROM task_runs")}


def change(path: Path, statement: str, *values: object) -> None:
    """Change a registry, as a gateway or a person would."""
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement, values)
        database.commit()


def plan_for(path: Path, task_ids: Sequence[str], **changes: object) -> Plan:
    """Plan to correct these tasks of a registry to succeeded."""
    stored = raw_values(path, companions_of(path), task_ids, [*TOUCHED, *GUARDS])
    rows = []
    for task_id in task_ids:
        old = stored[task_id]
        started_ms = old["started_at"]
        ended_ms = started_ms + 45_000 if isinstance(started_ms, int) else MARK_MS
        new = {
            "status": "succeeded",
            "ended_at": ended_ms,
            "last_event_at": ended_ms,
            "error": None,
            "terminal_summary": f"done {task_id}",
            "cleanup_after": old["cleanup_after"],
        }
        rows.append(PlannedRow(task_id, old, new | changes, "false_lost", "exact", "its own record says so"))  # type: ignore[arg-type]
    return Plan(tuple(rows), Inputs(str(path), ((str(path), "0" * 64),)), {"near_miss": "1s"}, NOW, "false_lost")


def after(before: Rows, plan: Plan) -> Rows:
    """Say what the registry must hold after a plan."""
    new = {row.task_id: row.new for row in plan.rows}
    return {task_id: row | dict(new.get(task_id, {})) for task_id, row in before.items()}


def target_of(path: Path, backup: Path) -> Target:
    """Give the target of an apply whose clock stands still and that knows no folder of locks."""
    return Target(path, backup, (), lambda: NOW)


def files_of(folder: Path) -> dict[str, bytes]:
    """Give every file below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
