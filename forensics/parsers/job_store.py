"""The job store: ``cron/jobs.json`` and, from 2026.4.20, ``cron/jobs-state.json`` (formats.md §3.3).

The state of a job names its last run only; that makes it a second witness of one run (origin ``job_state``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from forensics.model.escape import for_terminal, shortened
from forensics.model.schemas import JOBS, RUNS, frame_of
from forensics.model.verdicts import Origin, SourceKind
from forensics.parsers.files import content_of
from forensics.parsers.parsed import Parsed, well_formed
from forensics.parsers.timestamps import from_epoch_ms, from_iso

Document = Mapping[str, object]

_LONGEST_TIMEOUT_S = 10 * 365 * 86_400


def store_kind(document: object) -> SourceKind | None:
    """Tell which half of a job store a JSON document is, if any."""
    if not isinstance(document, dict) or "version" not in document:
        return None
    jobs = document.get("jobs")
    if isinstance(jobs, list):
        return SourceKind.JOB_STORE
    return SourceKind.JOB_STATE if isinstance(jobs, dict) else None


def parse_job_store(path: Path, kind: SourceKind) -> Parsed:
    """Read the jobs of one store document, and the last run each of them names.

    Shape: frames ``jobs`` (one row per job) and ``runs`` (one row per job with a last run). ``line`` is the line on
    which the job's entry, or its last run, stands.
    Notices: no_job_id, duplicate_job.
    Source: formats.md §3.3.

    Raises:
        UnreadableError: the file cannot be read.

    """
    text = content_of(path).decode("utf-8", "replace")
    parsed = Parsed(kind, "a JSON document with version and jobs")
    lines = _LineFinder(text)
    jobs, runs = [], []
    for job_id, job, state in _entries(json.loads(text), parsed):
        line = lines.of_job(job_id)
        job_row = _job_row(job_id, job, state, line)
        jobs.append(job_row)
        if job_row["last_run_at"] is not None:
            runs.append(_last_run_row(job_id, state, job_row, lines.of_key("lastRunAtMs", line)))
    parsed.records = len(jobs)
    parsed.lines = parsed.records + parsed.skipped + parsed.rejected
    parsed.jobs, parsed.runs = frame_of(jobs, JOBS), frame_of(runs, RUNS)
    parsed.spans(stamp for row in jobs for stamp in stamps_of(row))
    return parsed


def stamps_of(job: Mapping[str, object]) -> Iterator[object]:
    """Give the past times that a job row holds; the next run is a plan, not a fact."""
    yield from (job["running_at"], job["last_run_at"], job["updated_at"])
    if job["last_run_at"] is not None and job["last_duration_ms"] is not None:
        yield job["last_run_at"] + timedelta(milliseconds=job["last_duration_ms"])  # type: ignore[operator, arg-type]


def _entries(document: Document, parsed: Parsed) -> Iterator[tuple[str, Document, Document]]:
    found = document["jobs"]
    listed = found.items() if isinstance(found, dict) else [(None, entry) for entry in found]  # type: ignore[attr-defined]
    seen: set[str] = set()
    for key, entry in listed:
        job_id = key if key is not None else (entry.get("id") if isinstance(entry, dict) else None)
        if not isinstance(job_id, str) or not isinstance(entry, dict):
            parsed.rejected += 1
            parsed.notices.add("no_job_id", f"a job without an id: {shortened(for_terminal(str(entry)), 60)}")
        elif job_id in seen:
            parsed.rejected += 1
            parsed.notices.add(
                "duplicate_job", f"job {for_terminal(job_id)} stands twice in the store; the first counts"
            )
        else:
            seen.add(job_id)
            state = entry.get("state")
            yield well_formed(job_id), entry, state if isinstance(state, dict) else {}


def _job_row(job_id: str, job: Document, state: Document, line: int | None) -> dict[str, object]:
    payload, schedule = _mapping(job, "payload"), _mapping(job, "schedule")
    return {
        "line": line,
        "job_id": job_id,
        "name": _text(job, "name"),
        "enabled": job.get("enabled") if isinstance(job.get("enabled"), bool) else None,
        "payload_kind": _text(payload, "kind"),
        "timeout_ms": _timeout_ms(payload),
        "schedule_kind": _text(schedule, "kind"),
        "schedule_expr": _text(schedule, "expr"),
        "schedule_tz": _text(schedule, "tz"),
        "every_ms": _positive(schedule, "everyMs"),
        "anchor_at": from_epoch_ms(schedule.get("anchorMs")) or from_iso(schedule.get("at")),
        "running_at": from_epoch_ms(state.get("runningAtMs")),
        "last_run_at": from_epoch_ms(state.get("lastRunAtMs")),
        "last_duration_ms": _positive(state, "lastDurationMs", least=0),
        "last_status": _text(state, "lastRunStatus") or _text(state, "lastStatus"),
        "updated_at": from_epoch_ms(job.get("updatedAtMs")),
    }


def _last_run_row(job_id: str, state: Document, job: Mapping[str, object], line: int | None) -> dict[str, object]:
    return {
        "line": line,
        "job_id": job_id,
        "started_at": job["last_run_at"],
        "duration_ms": job["last_duration_ms"],
        "status": job["last_status"],
        "error": _text(state, "lastError") if job["last_status"] == "error" else None,
        "has_usage": False,
        "delivery_status": _text(state, "lastDeliveryStatus"),
        "origin": Origin.JOB_STATE.value,
    }


def _timeout_ms(payload: Document) -> int | None:
    value = payload.get("timeoutSeconds")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_TIMEOUT_S:
        return None
    return int(value * 1000)


def _positive(entry: Document, key: str, least: int = 1) -> int | None:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1 << 53:
        return None
    return int(value)


def _text(entry: Document, key: str) -> str | None:
    value = entry.get(key)
    return well_formed(value) if isinstance(value, str) else None


def _mapping(entry: Document, key: str) -> Document:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


class _LineFinder:
    """Finds the line of a job's entry in the text of its store."""

    _JOB_KEY = re.compile(r'"id"\s*:\s*("(?:[^"\\]|\\.)*")|^\s*("(?:[^"\\]|\\.)*")\s*:\s*\{')

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._of_job: dict[str, int] = {}
        for number, line in enumerate(self._lines, 1):
            for match in self._JOB_KEY.finditer(line):
                self._of_job.setdefault(_loaded(match.group(1) or match.group(2)), number)

    def of_job(self, job_id: str) -> int | None:
        """Give the 1-based line of a job's entry; None where it cannot be told."""
        return self._of_job.get(job_id)

    def of_key(self, key: str, after: int | None) -> int | None:
        """Give the line of the first such key after a line."""
        if after is None:
            return None
        wanted = f'"{key}"'
        return next((n for n in range(after, len(self._lines) + 1) if wanted in self._lines[n - 1]), after)


def _loaded(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted
