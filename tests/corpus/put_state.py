"""Writes registry, run history and job store of a simulated gateway as its release would (formats.md §1 to §3)."""

from __future__ import annotations

import json
import sqlite3
import struct
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from tests.corpus.handover import Handed
from tests.corpus.put_logs import STORE, utc
from tests.corpus.world import DAY, INTERRUPTED, RELEASES, Job, Process, Record, Release, Row

Entry = dict[str, object]

BOOTED_AFTER = 900
"""So long after its first line a process writes its row into the boot table (2026.9.6/restarts: 1.3 s)."""
PAGE = 4096
_LOGGED = b"\x02\x02"
"""In the header of a database: it is read and written with a write-ahead log."""

ZONES = {"UTC": 0, "Asia/Tokyo": 9, "America/Bogota": -5}
"""Zones of schedules, and their hours east of UTC; none of them has a summer time."""

_FIRST = """task_id TEXT PRIMARY KEY|runtime TEXT NOT NULL|task_kind TEXT|source_id TEXT|requester_session_key TEXT|
owner_key TEXT NOT NULL|scope_kind TEXT NOT NULL|child_session_key TEXT|parent_flow_id TEXT|parent_task_id TEXT|
agent_id TEXT"""
_RUN = "run_id TEXT"
_OWNER = "execution_owner_host TEXT|execution_owner_pid INTEGER|execution_owner_start_identity INTEGER"
_MIDDLE = """label TEXT|task TEXT NOT NULL|status TEXT NOT NULL|delivery_status TEXT NOT NULL
|notify_policy TEXT NOT NULL|created_at INTEGER NOT NULL
|started_at INTEGER|ended_at INTEGER|last_event_at INTEGER|cleanup_after INTEGER"""
_LAST = "error TEXT|progress_summary TEXT|terminal_summary TEXT|terminal_outcome TEXT"
_TOOLS = "tool_use_count INTEGER|last_tool_name TEXT"
_DELIVERY = """CREATE TABLE task_delivery_state (task_id TEXT PRIMARY KEY, requester_origin_json TEXT,
last_notified_event_at INTEGER)"""
_META = """CREATE TABLE schema_meta (meta_key TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL,
schema_version INTEGER NOT NULL, agent_id TEXT, app_version TEXT, created_at INTEGER NOT NULL,
updated_at INTEGER NOT NULL)"""
_RUN_LOGS = """CREATE TABLE cron_run_logs (store_key TEXT NOT NULL, job_id TEXT NOT NULL, seq INTEGER NOT NULL,
ts INTEGER NOT NULL, status TEXT, error TEXT, summary TEXT, diagnostics_summary TEXT, delivery_status TEXT,
delivery_error TEXT, delivered INTEGER, session_id TEXT, session_key TEXT, run_id TEXT, run_at_ms INTEGER,
duration_ms INTEGER, next_run_at_ms INTEGER, model TEXT, provider TEXT, total_tokens INTEGER,
entry_json TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (store_key, job_id, seq))"""
_JOBS = """CREATE TABLE cron_jobs (store_key TEXT NOT NULL, job_id TEXT NOT NULL, name TEXT NOT NULL,
enabled INTEGER NOT NULL, payload_kind TEXT NOT NULL, job_json TEXT NOT NULL,
state_json TEXT NOT NULL DEFAULT '{}', runtime_updated_at_ms INTEGER, updated_at INTEGER NOT NULL,
PRIMARY KEY (store_key, job_id))"""
_BOOTS = """CREATE TABLE gateway_boot_lifecycle (boot_id TEXT NOT NULL PRIMARY KEY, pid INTEGER NOT NULL,
started_at_ms INTEGER NOT NULL, completed_at_ms INTEGER, outcome TEXT, startup_reason TEXT, reason TEXT)"""
_RECEIPTS = """CREATE TABLE cron_run_receipts (receipt_id TEXT PRIMARY KEY, store_key TEXT NOT NULL,
job_id TEXT NOT NULL, config_revision TEXT NOT NULL, agent_id TEXT NOT NULL, request_run_id TEXT, status TEXT NOT NULL,
owner_pid INTEGER NOT NULL, owner_start_time INTEGER, started_at_ms INTEGER NOT NULL, finished_at_ms INTEGER,
error_text TEXT)"""


def task_ddl(release: Release) -> str:
    """Give the statement that makes ``task_runs`` in this release."""
    parts = [_FIRST, _RUN, _MIDDLE, _LAST]
    if release.name == "2026.4.8":
        dropped = ("task_kind TEXT|", "requester_session_key TEXT|")
        parts[0] = parts[0].replace(dropped[0], "").replace(dropped[1], "")
    if release.store != "files":
        parts[0] += "|requester_agent_id TEXT"
    if release.newest:
        parts = [parts[0], _RUN, _OWNER, _MIDDLE, _TOOLS, _LAST, "detail_json TEXT"]
    elif release.boots:
        parts.insert(0, "detail_json TEXT")
    strict = " STRICT" if release.newest else ""
    return f"CREATE TABLE task_runs ({', '.join(column.strip() for column in '|'.join(parts).split('|'))}){strict}"


@lru_cache(maxsize=16)
def _empty(name: str) -> bytes:
    """Give an empty database of a release."""
    release = RELEASES[name]
    tables = [task_ddl(release), _DELIVERY, "CREATE INDEX idx_task_runs_run_id ON task_runs(run_id)"]
    if release.store != "files":
        tables += [_META, _JOBS, _RECEIPTS if release.newest else _RUN_LOGS]
    if release.boots:
        tables.append(_BOOTS)
    with closing(sqlite3.connect(":memory:")) as database:
        for table in tables:
            database.execute(table)
        if release.store != "files":
            database.execute(f"PRAGMA user_version = {18 if release.newest else 1}")
        database.commit()
        return bytes(database.serialize())


def write_registry(handed: Handed, folder: Path) -> list[Path]:
    """Write the registry, and all that lies in the same database; give what to hand over of it."""
    if handed.registry == "list":
        return [_write_list(handed, folder / "exports")]
    if handed.registry == "json":
        return [_write_rows(handed, folder / "exports")]
    files = handed.release.store == "files"
    path = folder / "state" / ("tasks/runs.sqlite" if files else "state/openclaw.sqlite")
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(_empty(handed.release.name))
        _insert(database, "task_runs", [task_row(row, handed.release) for row in handed.rows] + _twins(handed))
        if not files:
            _fill_state(database, handed)
        database.commit()
        if handed.registry == "dump":
            return [_write_dump(database, folder / "exports")]
        if handed.registry == "wal":
            _write_with_log(database, path)
        else:
            path.write_bytes(database.serialize())
    return [folder / "state"]


def _write_dump(database: sqlite3.Connection, folder: Path) -> Path:
    """Write what ``sqlite3 runs.sqlite .dump`` prints."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "runs.sql"
    told = "\n".join(["PRAGMA foreign_keys=OFF;", *database.iterdump()])
    path.write_text(f"{told}\n", encoding="utf-8")
    return path


def _write_rows(handed: Handed, folder: Path) -> Path:
    """Write what ``sqlite3 -json runs.sqlite 'SELECT * FROM task_runs'`` prints."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [column.split()[0] for column in task_ddl(handed.release).split("(", 1)[1].split(", ")]
    rows = [task_row(row, handed.release) for row in handed.rows]
    path = folder / "task-runs.json"
    lines = [_json({name: row.get(name) for name in names}) for row in rows]
    path.write_text("[" + ",\n".join(lines) + "]\n", encoding="utf-8")
    return path


def _write_with_log(database: sqlite3.Connection, path: Path) -> None:
    """Write everything into the write-ahead log, as a gateway that runs leaves it; the main file is an empty page."""
    whole = bytearray(database.serialize())
    whole[18:20] = _LOGGED
    pages = [bytes(whole[at : at + PAGE]) for at in range(0, len(whole), PAGE)]
    path.write_bytes(_empty_page())
    path.with_name(f"{path.name}-wal").write_bytes(_log_of(pages))


@lru_cache(maxsize=1)
def _empty_page() -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE fleeting (at INTEGER)")
        database.execute("DROP TABLE fleeting")
        page = bytearray(database.serialize()[:PAGE])
    page[18:20], page[28:32], page[32:40] = _LOGGED, struct.pack(">I", 1), bytes(8)
    return bytes(page)


def _log_of(pages: list[bytes]) -> bytes:
    """Give a write-ahead log that holds one transaction (SQLite's file format, §4)."""
    salt = struct.pack(">II", 0x0C0FFEE0, 0x0BADCAFE)
    header = struct.pack(">IIII", 0x377F0682, 3_007_000, PAGE, 0) + salt
    sums = _checksum(header, (0, 0))
    told = [header, struct.pack(">II", *sums)]
    for number, page in enumerate(pages, 1):
        head = struct.pack(">II", number, len(pages) if number == len(pages) else 0)
        sums = _checksum(head + page, sums)
        told += [head, salt, struct.pack(">II", *sums), page]
    return b"".join(told)


def _checksum(content: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"<{len(content) // 4}I", content)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def _fill_state(database: sqlite3.Connection, handed: Handed) -> None:
    release = handed.release
    began = handed.history.began
    version = 18 if release.newest else 1
    meta: Entry = {"meta_key": "primary", "role": "global", "schema_version": version, "created_at": began - 90 * DAY}
    meta |= {"updated_at": began - 90 * DAY, "app_version": release.name if release.newest else None}
    _insert(database, "schema_meta", [meta])
    if handed.has_store:
        _insert(database, "cron_jobs", [_job_row(job) for job in handed.jobs if not job.deleted])
    if not release.newest:
        _insert(database, "cron_run_logs", _log_rows(handed.records))
    else:
        _insert(database, "cron_run_receipts", _receipts(handed))
    if release.boots:
        _insert(database, "gateway_boot_lifecycle", [_boot(told) for told in _kept_boots(handed)])


def _insert(database: sqlite3.Connection, table: str, rows: list[Entry]) -> None:
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        marks = ", ".join("?" * len(names))
        told = [[row.get(name) for name in names] for row in rows]
        database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", told)


def task_row(row: Row, release: Release) -> Entry:
    """Give a row of ``task_runs``."""
    summary = None if row.summary is None else " ".join(row.summary.split())
    told: Entry = {"task_id": row.task_id, "runtime": row.runtime, "source_id": row.source_id}
    owner = f"system:{row.runtime}:{row.source_id or row.task_id}" if release.store == "files" else ""
    if release.name != "2026.4.8":
        told["requester_session_key"] = ""
    told |= {"owner_key": owner, "scope_kind": "system", "run_id": row.run_id, "label": row.label, "task": row.label}
    told |= {"status": row.status, "delivery_status": "not_applicable", "notify_policy": "silent"}
    told |= {"created_at": row.created, "started_at": row.started, "ended_at": row.ended}
    told |= {"last_event_at": row.last_event, "cleanup_after": row.cleanup, "error": row.error}
    told["terminal_summary"] = summary
    if release.newest:
        told |= {"task_kind": "automation_run" if row.runtime == "cron" else None, "detail_json": _own_detail(row)}
    return told


def _own_detail(row: Row) -> str | None:
    run = row.run
    if run is None or run.receipt is None:
        return None
    return detail_of(row.detail) if row.detail is not None else _json({"storeKey": STORE})


def detail_of(told: Record) -> str:
    """Give ``detail_json`` of a finished run (formats.md §3.4)."""
    completed = "failed" if told.status == "error" else "succeeded"
    detail: Entry = {"kind": "cron-run", "status": told.status, "completionStatus": completed, "error": told.error}
    detail |= {"summary": told.summary, "storeKey": STORE, "deliveryStatus": "not-requested", "runId": told.run_id}
    detail |= {"runAtMs": told.start, "durationMs": told.duration, "nextRunAtMs": told.next_run}
    if told.used:
        detail |= {"model": "slow", "provider": "mock", "usage": {"input_tokens": 10, "total_tokens": 10}}
    kept = ("error", "summary")
    return _json({key: value for key, value in detail.items() if value is not None or key in kept})


def _twins(handed: Handed) -> list[Entry]:
    """Give the imported run history of older releases: one row per record (observed.md §B6)."""
    if not handed.release.newest:
        return []
    legacy = [told for told in handed.records if told.run is None or told.run.receipt is None]
    own = {id(row.detail) for row in handed.rows if row.run is not None and row.run.receipt is not None}
    rows: list[Entry] = []
    counts: dict[str, int] = {}
    for told in (told for told in legacy if id(told) not in own):
        counts[told.job.id] = counts.get(told.job.id, 0) + 1
        name = f"cron-runlog-import:{told.job.id}:{told.ts}:{counts[told.job.id]}"
        row: Entry = {"task_id": name, "runtime": "cron", "task_kind": "automation_run", "source_id": told.job.id}
        row |= {
            "requester_session_key": "",
            "owner_key": "",
            "scope_kind": "system",
            "run_id": name,
            "task": told.job.id,
        }
        row |= {"status": "succeeded" if told.status == "ok" else "failed", "delivery_status": "not_applicable"}
        row |= {"notify_policy": "silent", "created_at": told.ts if told.start is None else told.start}
        row |= {"started_at": told.start, "ended_at": told.ts, "last_event_at": told.ts, "error": told.error}
        row |= {"terminal_summary": told.summary, "detail_json": detail_of(told)}
        rows.append(row)
    return rows


def entry_of(told: Record) -> Entry:
    """Give the line of the run log; what is unknown is left out."""
    entry: Entry = {"ts": told.ts, "jobId": told.job.id, "action": "finished", "status": told.status}
    entry |= {"error": told.error, "summary": told.summary, "delivered": False, "deliveryStatus": "not-requested"}
    if told.session:
        key = f"agent:main:cron:{told.job.id}:run:{told.session}"
        entry |= {"sessionId": told.session, "sessionKey": key}
    entry |= {"runId": told.run_id, "runAtMs": told.start, "durationMs": told.duration, "nextRunAtMs": told.next_run}
    if told.used:
        usage = {"input_tokens": 10, "output_tokens": 10, "total_tokens": 10}
        entry |= {"model": "slow", "provider": "mock", "usage": usage}
    return {key: value for key, value in entry.items() if value is not None}


def _log_rows(records: list[Record]) -> list[Entry]:
    rows: list[Entry] = []
    counts: dict[str, int] = {}
    for told in sorted(records, key=lambda told: told.ts):
        counts[told.job.id] = counts.get(told.job.id, 0) + 1
        row: Entry = {"store_key": STORE, "job_id": told.job.id, "seq": counts[told.job.id], "ts": told.ts}
        row |= {"status": told.status, "error": told.error, "summary": told.summary, "run_id": told.run_id}
        row |= {"delivery_status": "not-requested", "delivered": 0, "session_id": told.session, "run_at_ms": told.start}
        row |= {"duration_ms": told.duration, "next_run_at_ms": told.next_run, "model": "slow" if told.used else None}
        row |= {"total_tokens": 10 if told.used else None, "entry_json": _json(entry_of(told)), "created_at": told.ts}
        rows.append(row)
    return rows


def _receipts(handed: Handed) -> list[Entry]:
    """Give the receipts of the runs of 2026.9."""
    rows: list[Entry] = []
    for run in handed.history.runs:
        if run.receipt is None or not any(row.run is run for row in handed.rows):
            continue
        told = run.record if run.record in handed.records else None
        status = "running" if told is None else "interrupted" if told.error == INTERRUPTED else told.status
        row: Entry = {
            "receipt_id": run.receipt,
            "store_key": STORE,
            "job_id": run.job.id,
            "config_revision": "sha256:1O",
        }
        row |= {"agent_id": "main", "request_run_id": run.manual_id, "status": status, "owner_pid": run.pid}
        row |= {"owner_start_time": 148358, "started_at_ms": run.start, "finished_at_ms": told.end if told else None}
        rows.append(row | {"error_text": told.error if told else None})
    return rows


def _kept_boots(handed: Handed) -> list[Process]:
    """Give the boots that are kept: each start deletes those older than a day."""
    known = (told for told in handed.history.processes if told.kept_in_table)
    boots = [
        told for told in known if min(told.gone or handed.history.now, handed.history.now) > told.born + BOOTED_AFTER
    ]
    last = boots[-1].born if boots else 0
    return [told for told in boots if told.born >= last - DAY]


def _boot(told: Process) -> Entry:
    row: Entry = {"boot_id": told.boot_id, "pid": told.pid, "started_at_ms": told.born + BOOTED_AFTER}
    ended = told.gone if told.outcome is not None else None
    return row | {
        "completed_at_ms": ended,
        "outcome": told.outcome if ended else None,
        "reason": told.reason if ended else None,
    }


def _write_list(handed: Handed, folder: Path) -> Path:
    """Write what ``tasks list --json`` prints (formats.md §2)."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [_task_record(row) for row in sorted(handed.rows, key=lambda row: -row.created)]
    path = folder / "tasks-list.json"
    told = {"count": len(tasks), "runtime": None, "status": None, "tasks": tasks}
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def _task_record(row: Row) -> Entry:
    told: Entry = {"taskId": row.task_id, "runtime": row.runtime, "sourceId": row.source_id, "requesterSessionKey": ""}
    told |= {"ownerKey": f"system:{row.runtime}:{row.source_id}", "scopeKind": "system", "runId": row.run_id}
    told |= {"label": row.label, "task": row.label, "status": row.status, "deliveryStatus": "not_applicable"}
    told |= {"notifyPolicy": "silent", "createdAt": row.created, "startedAt": row.started}
    if row.projected:
        told |= {"lastEventAt": row.last_event, "endedAt": row.ended, "error": row.error, "cleanupAfter": row.cleanup}
    else:
        told |= {"endedAt": row.ended, "lastEventAt": row.last_event, "cleanupAfter": row.cleanup, "error": row.error}
    told["terminalSummary"] = None if row.summary is None else " ".join(row.summary.split())
    return {key: value for key, value in told.items() if value is not None}


def write_history(handed: Handed, folder: Path) -> list[Path]:
    """Write run logs and job store where they are files; give the folder to hand over."""
    if handed.release.store != "files":
        return []
    cron = folder / "state" / "cron"
    if handed.has_store:
        _write_store(handed, cron)
    if not handed.no_history:
        _write_run_logs(handed, cron / "runs")
    return [folder / "state"] if cron.exists() else []


def _write_run_logs(handed: Handed, folder: Path) -> None:
    by_job: dict[str, list[Record]] = {}
    for told in handed.records:
        by_job.setdefault(told.job.id, []).append(told)
    if by_job or not handed.no_history:
        folder.mkdir(parents=True, exist_ok=True)
    for job_id, mine in by_job.items():
        lines = [_json(entry_of(told)) + "\n" for told in sorted(mine, key=lambda told: told.ts)]
        path = folder / f"{job_id}.jsonl"
        path.write_text("".join(lines) + handed.torn.get(job_id, ""), encoding="utf-8")


def _write_store(handed: Handed, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [job for job in handed.jobs if not job.deleted]
    split = handed.release.split_state
    told = [job_entry(job) | {"state": {} if split else job_state(job)} for job in jobs]
    (folder / "jobs.json").write_text(json.dumps({"version": 1, "jobs": told}, ensure_ascii=False), encoding="utf-8")
    if split:
        states = {job.id: {"updatedAtMs": job.updated, "state": job_state(job)} for job in jobs}
        (folder / "jobs-state.json").write_text(json.dumps({"version": 1, "jobs": states}), encoding="utf-8")


def job_entry(job: Job) -> Entry:
    """Give the definition of a job (formats.md §3.3)."""
    payload: Entry = {"kind": "systemEvent", "text": f"tick {job.name}"}
    if job.agent:
        payload = {"kind": "agentTurn", "message": f"do {job.name}"}
    if job.timeout is not None:
        payload["timeoutSeconds"] = job.timeout // 1000
    told: Entry = {"id": job.id, "name": job.name, "enabled": job.enabled, "createdAtMs": job.anchor - 30 * DAY}
    told |= {"updatedAtMs": job.updated or job.anchor - 30 * DAY, "schedule": _schedule(job)}
    target = "isolated" if job.agent else "main"
    return told | {"sessionTarget": target, "wakeMode": "now", "payload": payload}


def _schedule(job: Job) -> Entry:
    if job.kind == "at":
        return {"kind": "at", "at": utc(job.anchor)}
    if job.kind == "every":
        return {"kind": "every", "everyMs": job.every, "anchorMs": job.anchor}
    minute = job.anchor // 60_000 % 60
    hour = job.anchor // 3_600_000 % 24
    hour = (hour + ZONES[job.zone]) % 24
    expr = f"{minute} * * * *" if job.every < DAY else f"{minute} {hour} * * *"
    return {"kind": "cron", "expr": expr, "tz": job.zone}


def job_state(job: Job) -> Entry:
    """Give the state of a job: its last run, and the reservation of one that is under way."""
    told: Entry = {"nextRunAtMs": job.next_run, "runningAtMs": job.reserved}
    last = job.last
    if last is not None:
        told |= {"lastRunAtMs": last.start, "lastRunStatus": last.status, "lastStatus": last.status}
        told |= {
            "lastDurationMs": last.duration,
            "lastError": last.error,
            "consecutiveErrors": int(last.status == "error"),
        }
    return {key: value for key, value in told.items() if value is not None}


def _job_row(job: Job) -> Entry:
    told: Entry = {"store_key": STORE, "job_id": job.id, "name": job.name, "enabled": int(job.enabled)}
    told |= {
        "payload_kind": "agentTurn" if job.agent else "systemEvent",
        "job_json": _json(job_entry(job) | {"state": {}}),
    }
    stamp = job.updated or job.anchor
    return told | {"state_json": _json(job_state(job)), "runtime_updated_at_ms": stamp, "updated_at": stamp}


def _json(told: Entry) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
