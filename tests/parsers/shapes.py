"""Small inputs in the shapes that gateways really write (formats.md)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from forensics.parsers.parsed import Parsed

START_MS = 1_776_411_644_000
"""2026-04-17T07:40:44Z, the founding incident."""

JOB = "9b2d3f0a-6c1e-4b7a-8f55-0d5b6a7c8e91"
TASK = "0f8fad5b-d9cb-469f-a165-70867728950e"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_COLUMNS_4_15 = """task_id TEXT PRIMARY KEY, runtime TEXT NOT NULL, task_kind TEXT, source_id TEXT,
requester_session_key TEXT, owner_key TEXT NOT NULL, scope_kind TEXT NOT NULL, child_session_key TEXT,
parent_flow_id TEXT, parent_task_id TEXT, agent_id TEXT, run_id TEXT, label TEXT, task TEXT NOT NULL,
status TEXT NOT NULL, delivery_status TEXT NOT NULL, notify_policy TEXT NOT NULL, created_at INTEGER NOT NULL,
started_at INTEGER, ended_at INTEGER, last_event_at INTEGER, cleanup_after INTEGER, error TEXT,
progress_summary TEXT, terminal_summary TEXT, terminal_outcome TEXT"""


def _table(absent: Sequence[str] = (), added: Sequence[str] = ()) -> str:
    columns = [column.strip() for column in _COLUMNS_4_15.split(",")]
    kept = [column for column in columns if column.split()[0] not in absent]
    return f"CREATE TABLE task_runs ({', '.join([*kept, *(f'{column} TEXT' for column in added)])})"


DDL_4_15 = _table()
DDL_4_8 = _table(absent=["task_kind", "requester_session_key"])
"""Release 2026.4.8 has neither of these two."""

_LATE = ["owner_key", "requester_session_key", "scope_kind", "task_kind", "parent_flow_id"]
DDL_UPGRADED = _table(absent=_LATE, added=_LATE)
"""A registry made by an older release: what was added later stands at the end."""


def at(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def utc(ms: int) -> str:
    return at(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def local(ms: int, hours: int = 0) -> str:
    return utc(ms + hours * 3_600_000)[:-1] + f"{hours:+03d}:00"


def bound(binding: str) -> str:
    """Give key "0" of a record: the binding as a JSON string."""
    store = "/home/claw/.openclaw/cron/jobs.json"
    told = {"module": "cron", "storePath": store} if binding == "cron" else {"subsystem": binding}
    return json.dumps(told, separators=(",", ":"))


def record(
    binding: str | None,
    message: str,
    fields: Mapping[str, object] | None = None,
    ms: int = START_MS,
    *,
    hours: int = 0,
    level: str = "INFO",
    new: bool = False,
) -> dict[str, Any]:
    """Give one file log record; ``new`` is the shape of 2026.4.29 and later."""
    zero = message if binding is None else bound(binding)
    positions = [zero] if binding is None else [zero, *([fields] if fields else []), message]
    name = "openclaw" if binding is None else zero
    meta: dict[str, Any] = {"runtime": "node", "runtimeVersion": "22.23.3", "hostname": "unknown", "name": name}
    meta |= {"parentNames": ["openclaw"], "date": utc(ms), "logLevelId": 3, "logLevelName": level}
    told: dict[str, Any] = {str(place): value for place, value in enumerate(positions)}
    told |= {"_meta": meta, "time": local(ms + 3, hours)}
    return told | ({"hostname": "vm", "message": message} if new else {})


def as_line(told: Mapping[str, object]) -> str:
    """Write a record as the gateway's logger does: no spaces, no escapes beyond what JSON needs."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"


def log_line(binding: str | None, message: str, fields: Mapping[str, object] | None = None, ms: int = START_MS) -> str:
    return as_line(record(binding, message, fields, ms))


def write_log(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def run_entry(ms: int = START_MS, /, **fields: object) -> dict[str, object]:
    """Give one finished run, as 2026.4.15 logs it."""
    entry: dict[str, object] = {
        "ts": ms + 62_005,
        "jobId": JOB,
        "action": "finished",
        "status": "ok",
        "summary": "done",
        "runAtMs": ms,
        "durationMs": 62_000,
        "nextRunAtMs": ms + 86_400_000,
    }
    return {key: value for key, value in (entry | fields).items() if value is not ...}


def write_run_log(path: Path, *entries: Mapping[str, object] | str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(_as_bytes(entry) for entry in entries))
    return path


def _as_bytes(entry: Mapping[str, object] | str | bytes) -> bytes:
    if isinstance(entry, bytes):
        return entry
    return (entry if isinstance(entry, str) else json.dumps(entry) + "\n").encode()


def task_row(task_id: str | None = TASK, /, **columns: object) -> dict[str, object]:
    """Give a cron row that the sweep marked lost."""
    lost_at = START_MS + 340_000
    row: dict[str, object] = {
        "task_id": task_id,
        "runtime": "cron",
        "source_id": JOB,
        "owner_key": f"system:cron:{JOB}",
        "scope_kind": "system",
        "run_id": f"cron:{JOB}:{START_MS}",
        "label": "digest",
        "task": "digest",
        "status": "lost",
        "delivery_status": "not_applicable",
        "notify_policy": "silent",
        "created_at": START_MS,
        "started_at": START_MS,
        "ended_at": lost_at,
        "last_event_at": lost_at,
        "cleanup_after": lost_at + 604_800_000,
        "error": "backing session missing",
    }
    return row | columns


def insert(database: sqlite3.Connection, rows: Iterable[Mapping[str, object]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO task_runs ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    database.commit()


def write_registry(path: Path, *rows: Mapping[str, object], ddl: str = DDL_4_15) -> Path:
    """Write a registry whose rows are all in the main file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(ddl)
        insert(database, rows)
    return path


def write_wal_registry(path: Path, rows: Sequence[Mapping[str, object]], scratch: Path) -> Path:
    """Write a registry as a running gateway leaves it: main file and write-ahead log, rows in the latter only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    origin = scratch / "runs.sqlite"
    with closing(sqlite3.connect(origin)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(DDL_4_15)
        insert(database, rows)
        shutil.copyfile(origin, path)
        shutil.copyfile(scratch / "runs.sqlite-wal", path.with_name(path.name + "-wal"))
    return path


def codes(parsed: Parsed) -> list[str]:
    return [str(notice["code"]) for notice in parsed.notices.closed()]


def noted_lines(parsed: Parsed, code: str) -> list[object]:
    return [notice["line"] for notice in parsed.notices.closed() if notice["code"] == code]


def assert_balance(parsed: Parsed, *, records: int, skipped: int = 0, rejected: int = 0) -> None:
    """Assert the ledger of a source: every line is a record, known noise, or rejected."""
    told = {"records": parsed.records, "skipped": parsed.skipped, "rejected": parsed.rejected}
    assert told == {"records": records, "skipped": skipped, "rejected": rejected}
    assert parsed.lines == records + skipped + rejected
