"""The tables beside ``task_runs`` in the shared state database of 2026.6.1 and later.

Each adds to what was read of the task rows: run records from ``cron_run_logs``, from the detail of task rows and from
receipts, jobs from ``cron_jobs``, and the gateway's own boots and wishes to restart. ``line`` is the rowid in the table
that the record's origin names (formats.md §3.4, observed.md §B2).
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime

from forensics.model.schemas import JOBS, LIFECYCLE, RUNS, frame_of
from forensics.model.verdicts import LifecycleKind, Origin
from forensics.parsers.cron_runs import run_row
from forensics.parsers.database import Row, columns_of, row_number, rows_of, tables_of
from forensics.parsers.job_store import job_rows, stamps_of
from forensics.parsers.parsed import Parsed, brief
from forensics.parsers.restart_records import boot_rows, handoff_rows, intent_rows, sentinel_rows
from forensics.parsers.run_details import detail_row
from forensics.parsers.timestamps import from_epoch_ms

LifeOf = Callable[[Row, int | None, Parsed], list[dict[str, object]]]

RUN_TABLE = "cron_run_logs"
RECEIPTS = "cron_run_receipts"
JOB_TABLE = "cron_jobs"
TASK_TABLE = "task_runs"

_LOG_COLUMNS = {
    "ts": "ts",
    "jobId": "job_id",
    "status": "status",
    "error": "error",
    "summary": "summary",
    "deliveryStatus": "delivery_status",
    "sessionId": "session_id",
    "runId": "run_id",
    "runAtMs": "run_at_ms",
    "durationMs": "duration_ms",
    "nextRunAtMs": "next_run_at_ms",
}
_LIFE_TABLES: dict[str, tuple[tuple[str, ...], LifeOf]] = {
    "gateway_boot_lifecycle": (
        ("boot_id", "pid", "started_at_ms", "completed_at_ms", "outcome", "startup_reason", "reason"),
        boot_rows,
    ),
    "gateway_restart_sentinel": (("kind", "status", "ts", "message"), sentinel_rows),
    "gateway_restart_intent": (("kind", "pid", "created_at", "reason"), intent_rows),
    "gateway_restart_handoff": (
        ("pid", "created_at", "reason", "source", "restart_kind", "supervisor_mode"),
        handoff_rows,
    ),
}
_TOLD_TWICE = ("ts", "status", "runAtMs")


def add_state_tables(database: sqlite3.Connection, parsed: Parsed) -> None:
    """Add what the other tables of a state database say to what its task rows said.

    Notices: damaged, entry_mismatch, not_json, and those of the parsers of the single records.
    """
    tables = tables_of(database)
    runs: list[dict[str, object]] = []
    lifecycle: list[dict[str, object]] = []
    imported_at = _imported_from(database, tables, parsed)
    if RUN_TABLE in tables:
        runs += _log_records(database, parsed, imported_at)
    if "detail_json" in columns_of(database, TASK_TABLE):
        runs += _detail_records(database, parsed, complete=RUN_TABLE not in tables, imported_at=imported_at)
    if RECEIPTS in tables:
        runs += _receipts(database, parsed, lifecycle)
    if JOB_TABLE in tables:
        runs += _jobs(database, parsed)
    for table, (columns, told_by) in _LIFE_TABLES.items():
        if table in tables:
            for line, row in rows_of(database, table, columns, parsed):
                told = told_by(row, line, parsed)
                parsed.records += bool(told)
                parsed.rejected += not told
                lifecycle += told
    _close(parsed, runs, lifecycle)


def _close(parsed: Parsed, runs: list[dict[str, object]], lifecycle: list[dict[str, object]]) -> None:
    parsed.runs = frame_of(runs, RUNS)
    parsed.lifecycle = frame_of(lifecycle, LIFECYCLE)
    jobs = parsed.jobs.iter_rows(named=True) if parsed.jobs is not None else ()
    stamps: list[object] = [parsed.first_at, parsed.last_at]
    stamps += [row.get(name) for row in runs for name in ("started_at", "finished_at")]
    stamps += [row["at"] for row in lifecycle]
    stamps += [stamp for job in jobs for stamp in stamps_of(job)]
    parsed.spans(stamps)


def _imported_from(database: sqlite3.Connection, tables: set[str], parsed: Parsed) -> datetime | None:
    """Give since when this database itself kept run records, if it says so.

    Older runs are in it only after their run logs were imported.
    """
    if "schema_meta" not in tables:
        return None
    for _, row in rows_of(database, "schema_meta", ("meta_key", "created_at"), parsed):
        parsed.lines -= 1  # it describes the others, it is no record
        if row["meta_key"] == "primary":
            return from_epoch_ms(row["created_at"])
    return None


def _log_records(database: sqlite3.Connection, parsed: Parsed, imported_at: datetime | None) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    wanted = [*_LOG_COLUMNS.values(), "delivered", "entry_json"]
    rejected = parsed.rejected
    for line, row in rows_of(database, RUN_TABLE, wanted, parsed):
        entry = _object(row["entry_json"], "entry_json", line, parsed)
        if entry.get("action", "finished") != "finished":
            parsed.skipped += 1
            continue
        record = _log_record(line, row, entry, parsed)
        parsed.rejected += record is None
        parsed.records += record is not None
        found += [] if record is None else [record]
    damaged = parsed.rejected > rejected or parsed.notices.has("damaged")
    parsed.histories += histories_of(found, Origin.RUN_TABLE, imported_at, is_damaged=damaged)
    return found


def _log_record(line: int, row: Row, entry: Mapping[str, object], parsed: Parsed) -> dict[str, object] | None:
    """Turn one row into a record: the columns are what the gateway itself searches; its JSON adds the rest."""
    told = {key: row[column] for key, column in _LOG_COLUMNS.items() if row[column] is not None}
    unlike = [key for key in _TOLD_TWICE if key in entry and key in told and entry[key] != told[key]]
    if unlike:
        parsed.notices.add(
            "entry_mismatch", f"column and entry_json differ in {', '.join(unlike)}; the record is not used", line
        )
        return None
    delivered = {} if row["delivered"] is None else {"delivered": row["delivered"] == 1}
    return run_row(dict(entry) | told | delivered, line, Origin.RUN_TABLE, parsed)


def _detail_records(
    database: sqlite3.Connection, parsed: Parsed, *, complete: bool, imported_at: datetime | None
) -> list[dict[str, object]]:
    """Read the run records inside task rows; where there is no run table beside them they are the whole history."""
    present = columns_of(database, TASK_TABLE)
    chosen = ", ".join(name if name in present else "NULL" for name in ("source_id", "ended_at", "run_id"))
    number = row_number(database, TASK_TABLE)
    query = (
        f"SELECT {number}, {chosen}, detail_json FROM {TASK_TABLE} "  # noqa: S608 - our own names
        "WHERE runtime = 'cron' AND detail_json IS NOT NULL ORDER BY 1"
    )
    found: list[dict[str, object]] = []
    damaged = False
    for line, job_id, ended_at, run_id, text in database.execute(query):
        detail = _object(text, "detail_json", line, parsed)
        named = run_id if isinstance(run_id, str) else None
        row = detail_row(detail, line=line, job_id=job_id, written_at_ms=ended_at, run_id=named, parsed=parsed)
        damaged = damaged or (row is None and (not detail or detail.get("kind") == "cron-run"))
        found += [] if row is None else [row]
    if complete:
        parsed.histories += histories_of(found, Origin.TASK_DETAIL, imported_at, is_damaged=damaged)
    return found


def histories_of(
    found: list[dict[str, object]], origin: Origin, imported_at: datetime | None, *, is_damaged: bool
) -> list[dict[str, object]]:
    """Say what the absence of a record means in a table that holds the history of all jobs.

    A table that was made after a run started holds its record only if the job's older run log was imported: of a job
    without a single record from before that time it may not have been. A database that does not say since when it is
    there vouches for no time before its own records.
    """
    by_job: dict[object, list[datetime]] = defaultdict(list)
    for row in found:
        written_at = row["finished_at"]
        if isinstance(written_at, datetime):
            by_job[row["job_id"]].append(written_at)
    told: dict[str, object] = {"origin": origin.value, "is_damaged": is_damaged}
    rows = []
    for job_id, stamps in by_job.items():
        is_imported = imported_at is not None and min(stamps) < imported_at
        since = min(stamps) if is_imported or imported_at is None else imported_at
        rows.append(
            told | {"job_id": job_id, "records": len(stamps), "oldest_at": since, "is_partial": not is_imported}
        )
    return [*rows, told | {"job_id": None, "records": 0, "oldest_at": imported_at, "is_partial": True}]


def _receipts(
    database: sqlite3.Connection, parsed: Parsed, lifecycle: list[dict[str, object]]
) -> list[dict[str, object]]:
    """Read the receipts: an ended one is a record of the run, an open one says that the run was in flight."""
    wanted = ("job_id", "status", "owner_pid", "started_at_ms", "finished_at_ms", "error_text", "request_run_id")
    found: list[dict[str, object]] = []
    for line, row in rows_of(database, RECEIPTS, wanted, parsed):
        record = _open_receipt(line, row) if row["status"] == "running" else _ended_receipt(line, row, parsed)
        parsed.records += record is not None
        parsed.rejected += record is None
        if record is None:
            parsed.notices.add("no_run_record", "a receipt without a job or a usable time", line)
        elif row["status"] == "running":
            lifecycle.append(record)
        else:
            found.append(record)
    return found


def _open_receipt(line: int, row: Row) -> dict[str, object] | None:
    started_at = from_epoch_ms(row["started_at_ms"])
    if started_at is None or not isinstance(row["job_id"], str):
        return None
    pid = row["owner_pid"] if isinstance(row["owner_pid"], int) else None
    return {
        "line": line,
        "at": started_at,
        "kind": LifecycleKind.RECEIPT_OPEN.value,
        "pid": pid,
        "job_id": row["job_id"],
        "running_at": started_at,
        "raw": f"[{RECEIPTS}] a run of {brief(row['job_id'])} is open, owned by process {pid}",
        "precision_ms": 1,
    }


def _ended_receipt(line: int, row: Row, parsed: Parsed) -> dict[str, object] | None:
    started_ms, finished_ms = row["started_at_ms"], row["finished_at_ms"]
    timed = isinstance(started_ms, int) and isinstance(finished_ms, int)
    entry: dict[str, object] = {
        "ts": finished_ms,
        "jobId": row["job_id"],
        "status": row["status"],
        "error": row["error_text"],
        "runId": row["request_run_id"],
        "runAtMs": started_ms,
        "durationMs": finished_ms - started_ms if timed else None,  # type: ignore[operator]
    }
    return run_row(entry, line, Origin.RECEIPT, parsed)


def _jobs(database: sqlite3.Connection, parsed: Parsed) -> list[dict[str, object]]:
    """Read the jobs, and the last run that each of them names."""
    jobs: list[dict[str, object]] = []
    runs: list[dict[str, object]] = []
    for line, row in rows_of(database, JOB_TABLE, _JOB_COLUMNS, parsed):
        entry = _job_entry(row, line, parsed)
        if not isinstance(row["job_id"], str) or entry is None:
            parsed.rejected += 1
            parsed.notices.add("no_job_id", "a job without an id or a definition", line)
            continue
        parsed.records += 1
        job, last_run = job_rows(row["job_id"], entry, line, parsed)
        jobs.append(job)
        runs += [] if last_run is None else [last_run]
    parsed.jobs = frame_of(jobs, JOBS)
    return runs


_JOB_COLUMNS = ("job_id", "name", "enabled", "job_json", "state_json", "updated_at", "runtime_updated_at_ms")


def _job_entry(row: Row, line: int, parsed: Parsed) -> Mapping[str, object] | None:
    definition = _object(row["job_json"], "job_json", line, parsed)
    if not definition:
        return None
    updated = [stamp for stamp in (row["updated_at"], row["runtime_updated_at_ms"]) if isinstance(stamp, int)]
    told: dict[str, object] = {"state": _object(row["state_json"], "state_json", line, parsed)}
    if updated:
        told["updatedAtMs"] = max(updated)
    return dict(definition) | told


def _object(text: object, column: str, line: int, parsed: Parsed) -> Mapping[str, object]:
    """Give a JSON object that a column holds; an empty one, with a notice, where it holds none."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    if text is not None:
        parsed.notices.add("not_json", f"{column} holds no JSON object: {brief(text)}", line)
    return {}
