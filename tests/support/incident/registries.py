"""The incident's task rows in every form: databases by release, command line exports, dumps (formats.md §1, §2)."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from shutil import which

from tests.parsers.shapes import DDL_4_15, utc, write_registry, write_wal_registry
from tests.parsers.test_state_tables import JOB_TABLE, META, RECEIPTS, RUN_LOGS, STORE, TASK_TABLE, database
from tests.support.incident import records, story
from tests.support.incident.records import Entry
from tests.support.incident.story import JOBS, ROWS, RUNS, WEEK, Row, Run

Export = Callable[[Path], None]

BOOTS = """CREATE TABLE gateway_boot_lifecycle (boot_id TEXT PRIMARY KEY, pid INTEGER, started_at_ms INTEGER,
completed_at_ms INTEGER, outcome TEXT, startup_reason TEXT, reason TEXT)"""
SHOWN = ("own", "died", "replayed")
"""The rows that ``tasks show --json`` was asked for."""

_SHOWN_FIELDS = {name: name for name in (
    "taskId", "kind", "sourceId", "status", "result", "delivery", "notify", "ownerKey", "runId", "label", "task",
    "createdAt", "startedAt", "endedAt", "lastEventAt", "cleanupAfter", "error", "terminalSummary",
)} | {"kind": "runtime", "delivery": "deliveryStatus", "notify": "notifyPolicy"}  # fmt: skip
"""What ``tasks show`` prints, and the key of it in JSON."""


def stored_row(row: Row) -> Entry:
    """Give a row as ``task_runs`` of 2026.4.15 holds it."""
    last = row.ended if row.ended is not None else row.start
    told: Entry = {"task_id": row.id, "runtime": row.runtime, "source_id": row.job.id if row.job else None}
    told |= {"requester_session_key": "", "owner_key": f"system:{row.runtime}:{row.id}", "scope_kind": "system"}
    told |= {"run_id": row.run_id, "label": row.word, "task": row.word, "status": row.status}
    told |= {"delivery_status": "not_applicable", "notify_policy": "silent", "created_at": row.start}
    told |= {"started_at": row.start, "ended_at": row.ended, "last_event_at": last}
    told |= {"cleanup_after": None if row.ended is None else row.ended + WEEK, "error": row.error}
    return told | {"terminal_summary": row.summary}


def task_record(row: Row) -> Entry:
    """Give a row as the task commands of 2026.4.15 print it: a row that still runs is shown as lost."""
    told: Entry = {"taskId": row.id, "runtime": row.runtime, "sourceId": row.job.id if row.job else None}
    told |= {"requesterSessionKey": "", "ownerKey": f"system:{row.runtime}:{row.id}", "scopeKind": "system"}
    told |= {"runId": row.run_id, "label": row.word, "task": row.word}
    told |= {"status": "lost" if row.ended is None else row.status, "deliveryStatus": "not_applicable"}
    told |= {"notifyPolicy": "silent", "createdAt": row.start, "startedAt": row.start}
    if row.ended is None:
        told |= {"lastEventAt": story.EXPORTED, "endedAt": story.EXPORTED, "error": story.LOST}
        told |= {"cleanupAfter": story.EXPORTED + WEEK}
    else:
        told |= {"endedAt": row.ended, "lastEventAt": row.ended, "cleanupAfter": row.ended + WEEK, "error": row.error}
    told["terminalSummary"] = row.summary
    return {key: value for key, value in told.items() if value is not None}


def _runs_sqlite(folder: Path, _: str) -> None:
    write_registry(folder / "state" / "tasks" / "runs.sqlite", *map(stored_row, ROWS))


def _with_wal(folder: Path, _: str) -> None:
    rows = [stored_row(row) for row in ROWS]
    write_wal_registry(folder / "state" / "tasks" / "runs.sqlite", rows, folder / "scratch")


def _migrated(folder: Path, _: str) -> None:
    write_registry(folder / "state" / "tasks" / "runs.sqlite.migrated", *map(stored_row, ROWS))


def _state(*, version: int, details: bool, boots: bool) -> Callable[[Path, str], None]:
    """Write the shared state database: what of its tables is filled is what form the records have."""

    def put(folder: Path, form: str) -> None:
        tables = [TASK_TABLE if details else DDL_4_15, META]
        inside = form in ("run table", "details", "receipts")
        made = story.MIDNIGHT - WEEK if inside else story.ms("23:50")
        meta: Entry = {"meta_key": "primary", "role": "global", "schema_version": version, "created_at": made}
        rows: dict[str, list[Entry]] = {"task_runs": _rows(form), "schema_meta": [meta]}
        if form == "run table":
            tables.append(RUN_LOGS.replace("next_run_at_ms INTEGER,", "next_run_at_ms INTEGER, total_tokens INTEGER,"))
            rows["cron_run_logs"] = [records.log_row(run, seq) for seq, run in enumerate(RUNS, 1)]
        if form == "receipts":
            tables.append(RECEIPTS)
            rows["cron_run_receipts"] = _receipts()
        if form != "no records":
            tables.append(JOB_TABLE)
            rows["cron_jobs"] = [_job_row(job) for job in JOBS]
        if boots:
            tables.append(BOOTS)
            rows["gateway_boot_lifecycle"] = _boots()
        database(folder / "state" / "state" / "openclaw.sqlite", *tables, rows=rows, version=version)

    return put


def _rows(form: str) -> list[Entry]:
    if form not in ("details", "receipts"):
        return [stored_row(row) for row in ROWS]
    own = [stored_row(row) | {"detail_json": _own_detail(row)} for row in ROWS]
    lost = {id(story.run_of(row)) for row in ROWS if row.status == "lost"}
    imported = [run for run in RUNS if id(run) in lost and (form == "details" or run.start is None)]
    return own + [_twin(run, number) for number, run in enumerate(imported, 1)]


def _own_detail(row: Row) -> str | None:
    run = story.run_of(row) if row.status == "succeeded" else None
    return records.detail_of(run) if run else json.dumps({"storeKey": STORE}) if row.status == "running" else None


def _twin(run: Run, number: int) -> Entry:
    """Give the imported record of a run: its id is made of job, time and number."""
    name = f"cron-runlog-import:{run.job.id}:{run.written}:{number}"
    begun = run.start if run.start is not None else run.written
    told: Entry = {"task_id": name, "runtime": "cron", "source_id": run.job.id, "owner_key": "", "scope_kind": "system"}
    told |= {"run_id": name, "task": run.job.id, "status": "failed" if run.status == "error" else "succeeded"}
    told |= {"delivery_status": "not_applicable", "notify_policy": "silent", "created_at": begun}
    told |= {"started_at": run.start, "ended_at": run.written, "last_event_at": run.written, "error": run.error}
    return told | {"terminal_summary": run.summary, "detail_json": records.detail_of(run)}


def _receipts() -> list[Entry]:
    told = [
        _receipt(run.job.id, run.start, run.status, run.ended, run.error, run.run_id)
        for run in RUNS
        if run.start is not None
    ]
    open_rows = [row for row in ROWS if row.job in story.IN_FLIGHT and row.status == "lost"]
    return told + [_receipt(row.job.id, row.start, "running") for row in open_rows if row.job]


def _receipt(
    job_id: str, start: int, status: str, ended: int | None = None, error: str | None = None, asked: str | None = None
) -> Entry:
    told: Entry = {"receipt_id": story.name_of(f"{job_id} {start}"), "store_key": STORE, "job_id": job_id}
    told |= {"request_run_id": asked, "status": status, "owner_pid": story.pid_at(start), "started_at_ms": start}
    return told | {"finished_at_ms": ended, "error_text": error}


def _job_row(job: story.Job) -> Entry:
    told: Entry = {"store_key": STORE, "job_id": job.id, "name": job.word, "enabled": 1}
    told |= {"job_json": json.dumps(records.job_entry(job)), "state_json": json.dumps(records.job_state(job))}
    return told | {"runtime_updated_at_ms": story.COPIED, "updated_at": story.COPIED}


def _boots() -> list[Entry]:
    told = [
        (story.FIRST_PID, "00:00:01", "10:00:00.900", "clean_stop", "start", "stop (SIGTERM)"),
        (story.SECOND_PID, "10:00:03.600", "14:05:00.190", "planned_restart", "start", "restart (SIGUSR1)"),
        (story.SECOND_PID, "14:05:00.260", None, None, "restart", None),
    ]
    return [
        {
            "boot_id": story.name_of(begun),
            "pid": pid,
            "started_at_ms": story.ms(begun),
            "completed_at_ms": story.ms(ended) if ended else None,
            "outcome": outcome,
            "startup_reason": why,
            "reason": reason,
        }
        for pid, begun, ended, outcome, why, reason in told
    ]


def _newest_first(rows: Iterable[Row] = ROWS) -> list[Entry]:
    return [task_record(row) for row in sorted(rows, key=lambda row: row.start, reverse=True)]


def _list(folder: Path) -> None:
    tasks = _newest_first()
    told = {"count": len(tasks), "runtime": None, "status": None, "tasks": tasks}
    _put(folder, "tasks-list.json", "Config warning: none\n" + json.dumps(told, indent=2))


def _show(folder: Path) -> None:
    for row in ROWS:
        if row.word in SHOWN:
            _put(folder, f"show-{row.word}.json", json.dumps(task_record(row), indent=2))


def _show_text(folder: Path) -> None:
    told = []
    for row in ROWS:
        if row.status == "lost":
            values = task_record(row)
            told.append("Background task:")
            for shown, key in _SHOWN_FIELDS.items():
                value = values.get(key, "n/a")
                told.append(f"{shown}: {utc(value) if isinstance(value, int) else value}")
    _put(folder, "show.txt", "\n".join(told) + "\n")


def _audit(folder: Path) -> None:
    findings = [
        {
            "kind": "task",
            "severity": "error",
            "code": "lost",
            "detail": task["error"],
            "ageMs": 60_000,
            "status": "lost",
            "token": task["taskId"],
            "task": task,
        }
        for task in _newest_first()
        if task["status"] == "lost"
    ]
    told = {"count": len(findings), "filteredCount": len(findings), "displayed": len(findings)}
    summary = {"total": len(findings), "warnings": 0, "errors": len(findings), "byCode": {"lost": len(findings)}}
    _put(folder, "audit.json", json.dumps({**told, "summary": summary, "findings": findings}, indent=2))


def _flows(folder: Path) -> None:
    flow = {"flowId": story.name_of("flow"), "tasks": _newest_first(), "taskSummary": {"total": len(ROWS)}}
    _put(folder, "flows.json", json.dumps({"count": 1, "status": None, "flows": [flow]}, indent=2))


def _lines(folder: Path) -> None:
    _put(folder, "tasks.jsonl", "".join(json.dumps(task) + "\n" for task in _newest_first()))


def _array(folder: Path) -> None:
    _put(folder, "tasks.json", json.dumps(_newest_first()))


def _table_json(folder: Path) -> None:
    _put(folder, "rows.json", "[" + ",\n".join(json.dumps(stored_row(row)) for row in ROWS) + "]\n")


def _table_csv(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as opened:
        records.as_csv(opened, [stored_row(row) for row in ROWS])


def _printed(folder: Path) -> None:
    """Write what ``datetime(started_at/1000, 'unixepoch')`` prints, without the ids that name a start."""
    rows: list[Entry] = []
    for row in ROWS:
        stored = stored_row(row)
        told = {name: stored[name] for name in ("task_id", "runtime", "source_id", "label", "status", "error")}
        for name in ("created_at", "started_at", "ended_at"):
            moment = stored[name]
            heading = f"datetime({name}/1000,'unixepoch')"
            told[heading] = utc(moment)[:19].replace("T", " ") if isinstance(moment, int) else None
        rows.append(told)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "printed.csv").open("w", encoding="utf-8", newline="") as opened:
        records.as_csv(opened, rows)


def _shell(*arguments: str) -> Export:
    """Write what the shell itself prints of the registry."""

    def put(folder: Path) -> None:
        path = folder.parent / "scratch" / "runs.sqlite"
        write_registry(path, *map(stored_row, ROWS))
        with closing(sqlite3.connect(path)) as opened:
            opened.execute("PRAGMA user_version = 0")
        told = subprocess.run(["sqlite3", *arguments[:-1], path, arguments[-1]], capture_output=True, check=True)
        _put(folder, "rows.txt", told.stdout.decode())

    return put


def _put(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


DATABASES: dict[str, Callable[[Path, str], None]] = {
    "runs.sqlite": _runs_sqlite,
    "runs.sqlite with write-ahead log": _with_wal,
    "runs.sqlite.migrated": _migrated,
    "state 6": _state(version=1, details=False, boots=False),
    "state 7": _state(version=1, details=False, boots=True),
    "state 8": _state(version=15, details=True, boots=True),
    "state 9": _state(version=18, details=True, boots=True),
}
"""Registries; the second argument is the form of the records, some of which lie in the same database."""

OF_RELEASE_15: dict[str, Export] = {
    "tasks list --json": _list,
    "tasks audit --json": _audit,
    "tasks flow list --json": _flows,
    "JSON lines": _lines,
    "JSON array": _array,
}
"""What the task commands of 2026.4.15 print: a running row is projected as lost."""

PARTIAL: dict[str, Export] = {"tasks show --json": _show}
"""Some rows only."""

_EVERY = "SELECT * FROM task_runs"
_SHELL: dict[str, Export] = {
    **{
        f"sqlite3 -{mode}": _shell("-header", f"-{mode}", _EVERY)
        for mode in ("line", "list", "tabs", "column", "table", "box", "markdown")
    },
    "sqlite3 .dump": _shell(".dump"),
}
EXPORTS: dict[str, Export] = {
    **OF_RELEASE_15,
    **PARTIAL,
    "tasks show": _show_text,
    "sqlite3 -json": _table_json,
    "sqlite3 -csv": _table_csv,
    "printed times": _printed,
    **(_SHELL if which("sqlite3") else {}),
}
REGISTRIES = (*DATABASES, *EXPORTS)
