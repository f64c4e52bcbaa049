"""Cron run logs: one JSON object a line, only finished runs (formats.md §3.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from forensics.model.policy import END_AFTER_WRITTEN
from forensics.model.schemas import RUNS, frame_of
from forensics.model.verdicts import Origin, SourceKind
from forensics.parsers.files import open_evidence
from forensics.parsers.forms import Form, Glimpse
from forensics.parsers.parsed import Parsed, brief, well_formed
from forensics.parsers.timestamps import from_epoch_ms

_BY = "its lines have jobId and action"
_MIGRATED = re.compile(r"\.jsonl\.migrated(?:\.\d+)?$")
_LEFTOVER = re.compile(r"\.jsonl\.\d+\.[0-9a-f]+\.tmp$")
_LONGEST_RUN_MS = 10 * 365 * 86_400_000


def is_run_record(value: object) -> bool:
    """Tell whether a JSON value is a line of a cron run log."""
    return isinstance(value, dict) and isinstance(value.get("jobId"), str) and "action" in value


def parse_run_log(path: Path, name: str | None = None, *, is_partial: bool = False) -> Parsed:
    """Read the finished runs of one run log; ``name`` is what it was called where it came from.

    Shape: frame ``runs``, one row per finished run; other actions are skipped, broken lines rejected. ``is_partial``:
    the file is a pruned copy in the making, so older records are missing from it.
    Notices: not_json, no_run_record, out_of_range, wrong_type, truncated_line, other_job, empty_file.
    Source: formats.md §3.1 (readers of the gateway skip lines that are not JSON, not finished, or lack jobId or ts).

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.CRON_RUN_LOG, _BY)
    rows: list[dict[str, object]] = []
    with open_evidence(path) as file:
        for line, raw in enumerate(file, 1):
            parsed.lines += 1
            row = _record_of(raw, line, parsed)
            if row is not None:
                rows.append(row)
    if parsed.lines == 0:
        parsed.lines = parsed.rejected = 1  # a log is created with its first record: an empty one has lost it
        parsed.notices.add("empty_file", "an empty run log: what it recorded is not known; look for another copy", 1)
    parsed.records = len(rows)
    parsed.runs = frame_of(rows, RUNS)
    parsed.spans(stamp for row in rows for stamp in (row["finished_at"], row["started_at"]))
    parsed.job_id = _only_job(rows, path.name if name is None else name, parsed)
    parsed.histories = (
        [
            {
                "job_id": parsed.job_id,
                "origin": Origin.RUN_LOG.value,
                "records": parsed.lines,
                "oldest_at": min((row["finished_at"] for row in rows), default=None),  # type: ignore[type-var]
                "is_partial": is_partial,
                "is_damaged": parsed.rejected > 0,
            }
        ]
        if parsed.job_id is not None
        else []
    )
    return parsed


def run_row(entry: dict[str, object], line: int | None, origin: Origin, parsed: Parsed) -> dict[str, object] | None:
    """Turn one run log entry into a row of ``runs``; None, with a notice, where it lacks a job or a usable stamp."""
    finished_at = from_epoch_ms(entry.get("ts"))
    job_id = entry.get("jobId")
    if finished_at is None or not isinstance(job_id, str):
        parsed.notices.add("no_run_record", "a finished run without a job id or a usable time stamp", line)
        return None
    started_at, duration_ms = _time(entry, "runAtMs", line, parsed), _duration(entry, line, parsed)
    if _ends_too_late(started_at, duration_ms, finished_at):
        parsed.notices.add("out_of_range", "durationMs ends after the record was written; it is not used", line)
        duration_ms = None
    return {
        "line": line,
        "job_id": well_formed(job_id.strip()),
        "run_id": _text(entry, "runId", line, parsed),
        "started_at": started_at,
        "finished_at": finished_at,
        "duration_ms": duration_ms,
        "status": _text(entry, "status", line, parsed),
        "error": _text(entry, "error", line, parsed),
        "summary": _text(entry, "summary", line, parsed),
        "has_usage": isinstance(entry.get("usage"), dict),
        "delivered": _truth(entry, "delivered", line, parsed),
        "delivery_status": _text(entry, "deliveryStatus", line, parsed),
        "session_id": _text(entry, "sessionId", line, parsed),
        "next_run_at": _time(entry, "nextRunAtMs", line, parsed),
        "origin": origin.value,
        "precision_ms": 1,
    }


def _ends_too_late(started_at: datetime | None, duration_ms: int | None, written_at: datetime) -> bool:
    if started_at is None or duration_ms is None:
        return False
    return started_at + timedelta(milliseconds=duration_ms) > written_at + END_AFTER_WRITTEN


def _record_of(raw: bytes, line: int, parsed: Parsed) -> dict[str, object] | None:
    if not raw.strip():
        parsed.skipped += 1
        return None
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        parsed.rejected += 1
        _note_broken(raw, line, parsed)
        return None
    if not is_run_record(entry):
        parsed.rejected += 1
        parsed.notices.add("no_run_record", "a JSON line that is no run record", line)
        return None
    if entry["action"] != "finished":
        parsed.skipped += 1
        return None
    row = run_row(entry, line, Origin.RUN_LOG, parsed)
    parsed.rejected += row is None
    return row


def _note_broken(raw: bytes, line: int, parsed: Parsed) -> None:
    if not raw.endswith(b"\n"):
        parsed.notices.add("truncated_line", "the last line is cut off; what it recorded is not known", line)
        return
    parsed.notices.add("not_json", f"not JSON: {brief(raw.decode('utf-8', 'replace').strip())}", line)


def _only_job(rows: list[dict[str, object]], name: str, parsed: Parsed) -> str | None:
    jobs = {str(row["job_id"]) for row in rows}
    if len(jobs) > 1:
        parsed.notices.add("other_job", f"records of {len(jobs)} jobs in one run log", level="info")
    if len(jobs) == 1:
        return jobs.pop()
    return well_formed(name.split(".jsonl")[0]) if not jobs else None


def _text(entry: dict[str, object], key: str, line: int | None, parsed: Parsed) -> str | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return well_formed(value)
    parsed.notices.add("wrong_type", f"{key} is no text; it is not used", line)
    return None


def _truth(entry: dict[str, object], key: str, line: int | None, parsed: Parsed) -> bool | None:
    value = entry.get(key)
    if value is None or isinstance(value, bool):
        return value
    parsed.notices.add("wrong_type", f"{key} is neither true nor false; it is not used", line)
    return None


def _time(entry: dict[str, object], key: str, line: int | None, parsed: Parsed) -> datetime | None:
    value = entry.get(key)
    stamp = from_epoch_ms(value)
    if value is not None and stamp is None:
        parsed.notices.add("out_of_range", f"{key} {brief(value, 40)} is no epoch millisecond", line)
    return stamp


def _duration(entry: dict[str, object], line: int | None, parsed: Parsed) -> int | None:
    value = entry.get("durationMs")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_RUN_MS:
        parsed.notices.add("out_of_range", f"durationMs {brief(value, 40)} is no duration", line)
        return None
    return int(value)


def _recognised(glimpse: Glimpse) -> str | None:
    return _BY if any(map(_is_of_a_gateway, glimpse.records)) else None


def _is_of_a_gateway(record: object) -> bool:
    """Tell whether a run ended, or when the record was written; queues of other programs have jobs and actions, too."""
    return isinstance(record, dict) and is_run_record(record) and (record["action"] == "finished" or "ts" in record)


def _recognised_as(name: re.Pattern[str]) -> Callable[[Glimpse], str | None]:
    return lambda glimpse: _recognised(glimpse) if name.search(glimpse.name) else None


FORMS = (
    Form(
        "cron/runs/<job>.jsonl.migrated",
        SourceKind.CRON_RUN_LOG,
        _recognised_as(_MIGRATED),
        lambda path, given: parse_run_log(path, given.name or None),
    ),
    Form(
        "cron/runs/<job>.jsonl.….tmp leftover",
        SourceKind.CRON_RUN_LOG,
        _recognised_as(_LEFTOVER),
        lambda path, given: parse_run_log(path, given.name or None, is_partial=True),
    ),
    Form("cron/runs/<job>.jsonl", SourceKind.CRON_RUN_LOG, _recognised, lambda path, _: parse_run_log(path)),
)
