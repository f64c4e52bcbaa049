"""All frames, declared once. Parsers fill them, the correlator joins them, writers read the last of them.

Every record frame carries ``gateway`` (the installation, never correlated across), ``source`` (id in ``SOURCES``) and
``line`` (1-based line, or rowid for SQLite).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

TIME = pl.Datetime("ms", "UTC")
Schema = dict[str, Any]

_ORIGIN: Schema = {"gateway": pl.String, "source": pl.UInt32, "line": pl.Int64}

TASKS: Schema = _ORIGIN | {
    "task_id": pl.String,
    "runtime": pl.String,
    "job_id": pl.String,
    "run_id": pl.String,
    "agent_id": pl.String,
    "session_key": pl.String,
    "label": pl.String,
    "status": pl.String,
    "delivery_status": pl.String,
    "notify_policy": pl.String,
    "created_at": TIME,
    "started_at": TIME,
    "ended_at": TIME,
    "last_event_at": TIME,
    "cleanup_after": TIME,
    "error": pl.String,
    "terminal_summary": pl.String,
    "terminal_outcome": pl.String,
    "registry": pl.String,
    "projected": pl.Boolean,
    "is_twin": pl.Boolean,
    "precision_ms": pl.Int64,
}
"""One row per task row of one registry; ``is_twin``: an imported run record of another row, no execution of its own;
``registry`` is store, export or log (an export inside a gateway log);
``projected``: lost in an export only; ``precision_ms`` is 1000 where the times are printed in whole seconds, else 1."""

RUNS: Schema = _ORIGIN | {
    "job_id": pl.String,
    "run_id": pl.String,
    "started_at": TIME,
    "finished_at": TIME,
    "duration_ms": pl.Int64,
    "status": pl.String,
    "error": pl.String,
    "summary": pl.String,
    "has_usage": pl.Boolean,
    "delivered": pl.Boolean,
    "delivery_status": pl.String,
    "session_id": pl.String,
    "next_run_at": TIME,
    "origin": pl.String,
    "precision_ms": pl.Int64,
}
"""One row per run record; ``finished_at`` is when the record was written, the run's end is start plus duration.
``precision_ms`` as in ``tasks``."""

LIFECYCLE: Schema = _ORIGIN | {
    "at": TIME,
    "kind": pl.String,
    "pid": pl.Int64,
    "signal": pl.String,
    "job_id": pl.String,
    "running_at": TIME,
    "run_id": pl.String,
    "status": pl.String,
    "detail": pl.String,
    "raw": pl.String,
    "precision_ms": pl.Int64,
}
"""One row per lifecycle line, or per job or run such a line names; ``raw`` holds its first 200 characters, escaped.
``precision_ms`` is 1000 where ``at`` is a whole second within which the event fell, else 1."""

JOBS: Schema = _ORIGIN | {
    "job_id": pl.String,
    "name": pl.String,
    "enabled": pl.Boolean,
    "payload_kind": pl.String,
    "timeout_ms": pl.Int64,
    "schedule_kind": pl.String,
    "schedule_expr": pl.String,
    "schedule_tz": pl.String,
    "every_ms": pl.Int64,
    "anchor_at": TIME,
    "running_at": TIME,
    "last_run_at": TIME,
    "last_duration_ms": pl.Int64,
    "last_status": pl.String,
    "updated_at": TIME,
}
"""One row per job and store it was read from; definition and state are merged by the loader."""

SOURCES: Schema = {
    "id": pl.UInt32,
    "path": pl.String,
    "kind": pl.String,
    "form": pl.String,
    "release": pl.String,
    "gateway": pl.String,
    "copy": pl.String,
    "job_id": pl.String,
    "bytes": pl.Int64,
    "sha256": pl.String,
    "lines": pl.Int64,
    "records": pl.Int64,
    "skipped": pl.Int64,
    "rejected": pl.Int64,
    "first_at": TIME,
    "last_at": TIME,
    "timezone": pl.String,
    "zone_is_assumed": pl.Boolean,
    "shows_scheduler": pl.Boolean,
    "before_hole": pl.Boolean,
    "detected_by": pl.String,
}
"""One row per file; ``copy`` is the folder that was copied as a whole; lines = records + skipped + rejected.
``form`` is the form of input; ``release`` what the file itself says of the gateway's release, where it does;
``zone_is_assumed``: its stamps are local and nothing says in which zone, so that it proves nothing.
``shows_scheduler``: a log to which the scheduler's lines are written: a file log, or what prints one; no console is.
``before_hole``: what followed its last line in the same log is missing, or may be."""

COPIES: Schema = {
    "gateway": pl.String,
    "copy": pl.String,
    "has_run_logs": pl.Boolean,
    "has_job_store": pl.Boolean,
}
"""One row per folder that was copied as a whole; key (gateway, copy)."""

HISTORIES: Schema = {
    "gateway": pl.String,
    "source": pl.UInt32,
    "job_id": pl.String,
    "origin": pl.String,
    "records": pl.Int64,
    "oldest_at": TIME,
    "is_partial": pl.Boolean,
    "is_damaged": pl.Boolean,
}
"""One row per store of run records and job: what the absence of a record there means.

``job_id`` is null for the row that speaks of every job the store has no row of its own for. ``records`` counts what the
store holds of the job, ``oldest_at`` is when the oldest of it was written. ``is_partial``: the store was handed over in
part, so older records may be missing; ``is_damaged``: a record may be among what could not be read."""

_CORRECTED: Schema = {
    "status": pl.String,
    "ended_at": TIME,
    "last_event_at": TIME,
    "error": pl.String,
    "terminal_summary": pl.String,
    "cleanup_after": TIME,
}

CORRECTIONS: Schema = (
    _ORIGIN
    | {
        "row": pl.Int64,
        "task_id": pl.String,
        "at": TIME,
        "action": pl.String,
        "is_applied": pl.Boolean,
        "verdict": pl.String,
        "confidence": pl.String,
        "why": pl.String,
        "database": pl.String,
        "backup": pl.String,
        "backup_sha256": pl.String,
        "undoes": pl.String,
    }
    | {f"before_{name}": kind for name, kind in _CORRECTED.items()}
    | {f"after_{name}": kind for name, kind in _CORRECTED.items()}
)
"""One row per row of a journal of ``forensics fix`` or ``undo``; key (source, row), ``row`` counts from 1.

``line`` is that of the task id in the journal. ``is_applied``: the journal says that the change was committed, at
``at``; without it ``at`` is when the change was prepared, and only the row's own values tell what came of it.
``before_*`` and ``after_*`` are the corrected columns as ``tasks`` holds them. ``database`` and ``backup`` are paths as
they were given to the command."""

NOTICES: Schema = {
    "source": pl.UInt32,
    "line": pl.Int64,
    "level": pl.String,
    "code": pl.String,
    "message": pl.String,
}
"""What was skipped, doubtful or missing; ``source`` is null for a path that could not be opened."""

RESTARTS: Schema = {
    "gateway": pl.String,
    "id": pl.String,
    "kind": pl.String,
    "process": pl.String,
    "gone": pl.Boolean,
    "gone_at": TIME,
    "down_at": TIME,
    "down_at_latest": TIME,
    "drain_at": TIME,
    "up_at": TIME,
    "ready_at": TIME,
    "cron_started_at": TIME,
    "reason": pl.String,
    "drain": pl.String,
    "pid_before": pl.Int64,
    "pid_after": pl.Int64,
    "serving_at": TIME,
    "stop_seen": pl.Boolean,
    "doubt": pl.String,
    "slack_ms": pl.Int64,
}
"""One row per restart window in time order per gateway; key (gateway, id).

``gone``: the process is known to have ended, at ``gone_at``. ``serving_at`` is the earliest moment at which the new
process can have served: ``ready_at``, or, where no ready line covers it, its boot on record; null where neither is
known. ``stop_seen``: a line shows when the gateway began to go down; without one an abort by the restart cannot be told
from an ordinary end. ``doubt`` says how the sources of a window disagree; it proves nothing about the process then.
``slack_ms``: by how much its moments may be off against those of registry and run records."""

RESTART_EVIDENCE: Schema = _ORIGIN | {"id": pl.String, "at": TIME, "text": pl.String}
"""One row per line that a restart window rests on."""

JOB_RUNS: Schema = {
    "gateway": pl.String,
    "job_id": pl.String,
    "started_at": TIME,
    "ended_at": TIME,
    "outcome": pl.String,
    "origin": pl.String,
    "source": pl.UInt32,
    "line": pl.Int64,
}
"""One row per known run of the jobs that have lost rows; ``outcome`` is ok, error, interrupted or unknown."""

LOG_SPANS: Schema = {"gateway": pl.String, "covered_from": TIME, "covered_until": TIME}
"""One row per span for which the gateway's log would have shown a restart; spans of a gateway do not overlap."""

EVIDENCE: Schema = {
    "gateway": pl.String,
    "task_id": pl.String,
    "role": pl.String,
    "source": pl.UInt32,
    "line": pl.Int64,
    "at": TIME,
    "text": pl.String,
    "table": pl.String,
}
"""One row per fact behind a finding; facts about what was looked for and not found have no line. ``table``: the line is
a rowid of that table; null for a file of lines."""

FINDINGS: Schema = {
    "gateway": pl.String,
    "source": pl.UInt32,
    "line": pl.Int64,
    "task_id": pl.String,
    "runtime": pl.String,
    "job_id": pl.String,
    "job_name": pl.String,
    "run_id": pl.String,
    "started_at": TIME,
    "lost_at": TIME,
    "projected": pl.Boolean,
    "verdict": pl.String,
    "cause": pl.String,
    "confidence": pl.String,
    "severity": pl.String,
    "reasons": pl.List(pl.String),
    "restart": pl.String,
    "run_role": pl.String,
    "run_started_at": TIME,
    "run_finished_at": TIME,
    "run_status": pl.String,
    "run_duration_ms": pl.Int64,
    "run_origin": pl.String,
    "run_source": pl.UInt32,
    "run_line": pl.Int64,
    "new_status": pl.String,
    "new_ended_at": TIME,
    "new_error": pl.String,
    "new_summary": pl.String,
    "new_cleanup_after": TIME,
}
"""One row per lost task; key (gateway, task_id). ``new_*`` is filled wherever a correction is known."""

RELIABILITY: Schema = {
    "gateway": pl.String,
    "job_id": pl.String,
    "job_name": pl.String,
    "first_at": TIME,
    "last_at": TIME,
    "runs": pl.Int64,
    "not_counted": pl.Int64,
    "raw_succeeded": pl.Int64,
    "raw_failed": pl.Int64,
    "raw_lost": pl.Int64,
    "raw_by_restart": pl.Int64,
    "raw_rate": pl.Float64,
    "succeeded": pl.Int64,
    "failed": pl.Int64,
    "made_good": pl.Int64,
    "undecided": pl.Int64,
    "by_restart": pl.Int64,
    "lowest_rate": pl.Float64,
    "highest_rate": pl.Float64,
}
"""One row per job with cron rows; key (gateway, job_id), the job is null for rows that name none.

``runs`` are the ended rows: succeeded + failed + lost as the rows say (``raw_*``), succeeded + failed + undecided with
the verdicts applied. ``not_counted`` are rows still queued or running, cancelled, or of no known status. ``first_at``
and ``last_at`` are the first and the last start among the runs. ``raw_by_restart`` is of the failed and the lost,
``by_restart`` of the failed, as is ``made_good``: another run did the work. Rates are parts of one, null without runs;
the lowest takes every undecided run for a failure, the highest for a success."""

TIMELINE: Schema = {
    "at": TIME,
    "gateway": pl.String,
    "kind": pl.String,
    "event": pl.String,
    "source": pl.UInt32,
    "line": pl.Int64,
    "table": pl.String,
    "job_id": pl.String,
    "job_name": pl.String,
    "task_id": pl.String,
    "run_id": pl.String,
    "operation": pl.String,
    "restart": pl.String,
    "status": pl.String,
    "verdict": pl.String,
    "confidence": pl.String,
    "severity": pl.String,
    "text": pl.String,
}
"""One row per fact, in time order; a verdict whose row bears no time at all comes last, without one.

``event`` is the kind of a lifecycle event, or of a restart window. ``table``: the line is a rowid of that table.
``operation`` is what belongs together: one run with its task row, or one restart window with its lines. The three
answers of a finding stand on its verdict, on the facts of its row, and on those of the run record that is its own."""


def frame_of(rows: Iterable[Mapping[str, object]], schema: Schema) -> pl.DataFrame:
    """Build a frame of exactly this schema from mappings; missing keys are null, nothing is inferred."""
    names = list(schema)
    return pl.DataFrame([[row.get(name) for name in names] for row in rows], schema=schema, orient="row")


def empty(schema: Schema) -> pl.DataFrame:
    """Build a frame of this schema without rows."""
    return pl.DataFrame(schema=schema)


def assert_schema(frame: pl.DataFrame, schema: Schema, name: str) -> pl.DataFrame:
    """Return the frame unchanged if it has exactly this schema.

    Raises:
        TypeError: a stage built a frame of another shape; that is a bug, never bad evidence.
    """
    if dict(frame.schema) != schema:
        differing = set(dict(frame.schema).items()) ^ set(schema.items())
        message = f"frame {name} has another schema than declared: {sorted(str(pair) for pair in differing)}"
        raise TypeError(message)
    return frame
