"""The incident's run records in every form (formats.md §3), and its job store."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

from tests.support.incident import story
from tests.support.incident.story import JOBS, RUNS, STORE, Job, Run

Entry = dict[str, object]
Writer = Callable[[Path], None]

PAGE = 7
"""So many entries has a page that is not the whole history."""


def entry_of(run: Run) -> Entry:
    """Give the line of the run log; what is unknown is left out, as ``JSON.stringify`` does."""
    told: Entry = {"ts": run.written, "jobId": run.job.id, "action": "finished", "status": run.status}
    told |= {"error": run.error, "summary": run.summary, "deliveryStatus": "not-requested", "runId": run.run_id}
    told |= {"runAtMs": run.start, "durationMs": run.duration, "nextRunAtMs": run.ended + 3_600_000}
    if run.used:
        told |= {"model": "mock", "usage": {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}}
    return {key: value for key, value in told.items() if value is not None}


def log_row(run: Run, seq: int) -> Entry:
    """Give the row of ``cron_run_logs``."""
    told: Entry = {"store_key": STORE, "job_id": run.job.id, "seq": seq, "ts": run.written, "status": run.status}
    told |= {"error": run.error, "summary": run.summary, "delivery_status": "not-requested", "run_id": run.run_id}
    told |= {"run_at_ms": run.start, "duration_ms": run.duration, "next_run_at_ms": run.ended + 3_600_000}
    told |= {"total_tokens": 11 if run.used else None, "entry_json": _json(entry_of(run))}
    return told | {"created_at": run.written}


def detail_of(run: Run) -> str:
    """Give ``detail_json`` of the row of a finished run, or of its imported twin."""
    completed = "failed" if run.status == "error" else "succeeded"
    told: Entry = {"kind": "cron-run", "status": run.status, "completionStatus": completed, "error": run.error}
    told |= {"summary": run.summary, "storeKey": STORE, "deliveryStatus": "not-requested"}
    told |= {key: value for key, value in (("runId", run.run_id), ("runAtMs", run.start)) if value is not None}
    told |= {"durationMs": run.duration}
    return _json(told | ({"usage": {"total_tokens": 11}} if run.used else {}))


def job_entry(job: Job) -> Entry:
    """Give the definition of a job."""
    payload: Entry = {"kind": "agentTurn", "message": f"do {job.word}"}
    if job.timeout_s is not None:
        payload["timeoutSeconds"] = job.timeout_s
    return {
        "id": job.id,
        "name": job.word,
        "enabled": True,
        "createdAtMs": story.MIDNIGHT - story.WEEK,
        "updatedAtMs": story.COPIED,
        "schedule": {"kind": "cron", "expr": job.expr, "tz": "UTC"},
        "sessionTarget": "isolated",
        "wakeMode": "now",
        "payload": payload,
    }


def job_state(job: Job) -> Entry:
    """Give the state of a job: its last run, and the reservation of one in flight."""
    told: Entry = {"nextRunAtMs": story.COPIED + 3_600_000}
    if job is story.PROJECTED:
        told["runningAtMs"] = story.ms("23:30:00.090")
    last = story.last_run_of(job)
    if last is not None:
        told |= {"lastRunAtMs": last.start, "lastRunStatus": last.status, "lastStatus": last.status}
        told |= {"lastDurationMs": last.duration, "lastError": last.error}
    return {key: value for key, value in told.items() if value is not None}


def job_store(folder: Path, ending: str = "") -> None:
    """Write ``jobs.json`` with the state of each job, as 2026.4.15 does."""
    jobs = [job_entry(job) | {"state": job_state(job)} for job in JOBS]
    _put(folder / f"jobs.json{ending}", json.dumps({"version": 1, "jobs": jobs}, indent=2))


def split_job_store(folder: Path) -> None:
    """Write ``jobs.json`` and ``jobs-state.json``, as 2026.4.20 and later do."""
    _put(folder / "jobs.json", json.dumps({"version": 1, "jobs": [job_entry(job) | {"state": {}} for job in JOBS]}))
    states = {job.id: {"updatedAtMs": story.COPIED, "state": job_state(job)} for job in JOBS}
    _put(folder / "jobs-state.json", json.dumps({"version": 1, "jobs": states}))


def _run_logs(ending: str = "") -> Writer:
    def put(folder: Path) -> None:
        job_store(folder / "state" / "cron", ending)
        for job in {run.job.id: run.job for run in RUNS}.values():
            told = [_json(entry_of(run)) + "\n" for run in RUNS if run.job is job]
            _put(folder / "state" / "cron" / "runs" / f"{job.id}.jsonl{ending}", "".join(told))

    return put


def _split_run_logs(folder: Path) -> None:
    _run_logs()(folder)
    split_job_store(folder / "state" / "cron")


def _pages(folder: Path) -> None:
    job_store(folder / "state" / "cron")
    for job in JOBS:
        _put(folder / "exports" / f"runs-{job.word}.json", _page([run for run in RUNS if run.job is job], whole=True))


def _partial_page(folder: Path) -> None:
    job_store(folder / "state" / "cron")
    newest = sorted(RUNS, key=lambda run: run.written, reverse=True)[:PAGE]
    _put(folder / "exports" / "runs.json", _page(newest, whole=False))


def _page(runs: Iterable[Run], *, whole: bool) -> str:
    entries = [entry_of(run) for run in sorted(runs, key=lambda run: run.written, reverse=True)]
    told: Entry = {"entries": entries, "total": len(entries) if whole else len(RUNS), "offset": 0}
    following = None if whole else len(entries)
    return json.dumps(told | {"limit": 50, "hasMore": not whole, "nextOffset": following}, indent=2)


def _table_csv(folder: Path) -> None:
    job_store(folder / "state" / "cron")
    rows = [log_row(run, seq) for seq, run in enumerate(RUNS, 1)]
    path = folder / "exports" / "cron-run-logs.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as opened:
        as_csv(opened, rows)


def as_csv(opened: TextIO, rows: list[Entry]) -> None:
    """Write rows as ``sqlite3 -header -csv`` prints them."""
    writer = csv.writer(opened, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(["" if value is None else value for value in row.values()] for row in rows)


def _job_state_only(folder: Path) -> None:
    job_store(folder / "state" / "cron")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _json(told: Mapping[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


FILES: dict[str, Writer] = {
    "run logs": _run_logs(),
    "run logs, split job store": _split_run_logs,
    "run logs, migrated": _run_logs(".migrated"),
    "pages": _pages,
    "partial page": _partial_page,
    "run table as csv": _table_csv,
    "job state": _job_state_only,
    "no records": lambda _: None,
}
"""Forms that lie in files of their own."""

IN_DATABASE = ("run table", "details", "receipts", "job state", "no records")
"""Forms that lie in the state database beside the task rows; the last two in any registry."""

RECORDS = (*FILES, "run table", "details", "receipts")
