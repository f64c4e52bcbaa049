"""The job store: ``cron/jobs.json`` and, from 2026.4.20, ``cron/jobs-state.json`` (formats.md §3.3); ``cron list``.

The state of a job names its last run only; that makes it a second witness of one run (origin ``job_state``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from forensics.model.errors import UnreadableError
from forensics.model.schemas import JOBS, RUNS, frame_of
from forensics.model.verdicts import Origin, SourceKind
from forensics.parsers.fields import Document, Fields
from forensics.parsers.files import content_of
from forensics.parsers.forms import Form, Glimpse, documents_in, text_of
from forensics.parsers.parsed import Parsed, brief, well_formed
from forensics.parsers.timestamps import LATEST_MS, at_epoch_ms

_BY = "a JSON document with version and jobs"
_BY_KIND = {SourceKind.JOB_STORE: _BY, SourceKind.JOB_STATE: _BY, SourceKind.JOB_LIST: "JSON of cron list"}
_LONGEST_MS = 10 * 365 * 86_400_000


def store_kind(document: object) -> SourceKind | None:
    """Tell which half of a job store a JSON document is, if any: by its entries, as many documents have jobs."""
    kind = _half_of(document)
    return kind if kind is not None and _has_jobs(document) else None


def is_job_list(document: object) -> bool:
    """Tell the answer of ``cron list --json`` from other documents with jobs: it is a page (formats.md §2.2)."""
    if not isinstance(document, dict) or "version" in document or not isinstance(document.get("jobs"), list):
        return False
    return any(key in document for key in ("total", "hasMore", "deliveryPreviews")) and _has_jobs(document)


def _half_of(document: object) -> SourceKind | None:
    """Tell which half of a job store a JSON document would be, whatever its entries are."""
    if not isinstance(document, dict) or "version" not in document:
        return None
    jobs = document.get("jobs")
    if isinstance(jobs, list):
        return SourceKind.JOB_STORE
    return SourceKind.JOB_STATE if isinstance(jobs, dict) else None


def _has_jobs(document: object) -> bool:
    """Tell whether a document with jobs has one that a gateway may have written, or none at all."""
    jobs = document.get("jobs") if isinstance(document, dict) else None
    entries = list(jobs.values()) if isinstance(jobs, dict) else list(jobs or ())
    return not entries or any(isinstance(entry, dict) and _is_job(entry) for entry in entries)


def _is_job(entry: Document) -> bool:
    has_part = any(isinstance(entry.get(part), dict) for part in ("schedule", "payload", "state"))
    return has_part or "createdAtMs" in entry or "updatedAtMs" in entry


def parse_job_store(path: Path, kind: SourceKind) -> Parsed:
    """Read the jobs of one store document, and the last run each of them names.

    Shape: frames ``jobs`` (one row per job) and ``runs`` (one row per job with a last run). ``line`` is the line on
    which the job's entry, or its last run, stands.
    A list of jobs (kind ``JOB_LIST``) is no store: it may leave out jobs that are switched off, or further pages, so
    that a job which is not in it may have run all the same.
    Notices: no_job_id, duplicate_job, wrong_type, out_of_range.
    Source: formats.md §3.3, §2.2.

    Raises:
        UnreadableError: the file cannot be read, or is no such document.
    """
    text = text_of(content_of(path))
    documents = list(documents_in(text))
    fitting = [found for found in documents if _is_of_kind(found, kind)]
    document = next(iter(fitting or filter(lambda found: _half_of(found) is kind, documents)), None)
    if document is None:
        raise UnreadableError("it holds no such document any more")
    parsed = Parsed(kind, _BY_KIND[kind])
    lines = _LineFinder(text)
    jobs, runs = [], []
    for job_id, entry in _entries(document, parsed):
        line = lines.of_job(job_id)
        job, last_run = job_rows(job_id, entry, line, parsed)
        jobs.append(job)
        if last_run is not None:
            runs.append(last_run | {"line": lines.of_key("lastRunAtMs", line)})
    parsed.records = len(jobs)
    parsed.lines = parsed.records + parsed.skipped + parsed.rejected
    parsed.jobs, parsed.runs = frame_of(jobs, JOBS), frame_of(runs, RUNS)
    parsed.spans(stamp for row in jobs for stamp in stamps_of(row))
    return parsed


def job_rows(
    job_id: str, entry: Document, line: int | None, parsed: Parsed
) -> tuple[dict[str, object], dict[str, object] | None]:
    """Give a job's row of ``jobs``, and the row of ``runs`` for the last run that its state names, if it names one."""
    job = Fields(entry, line, parsed)
    state = job.inner("state")
    row = _job_row(well_formed(job_id), job, state)
    return row, None if row["last_run_at"] is None else _last_run_row(state, row, line)


def stamps_of(job: Mapping[str, object]) -> Iterator[object]:
    """Give the past times that a job row holds; the next run is a plan, not a fact."""
    yield from (job["running_at"], job["last_run_at"], job["updated_at"])
    if job["last_run_at"] is not None and job["last_duration_ms"] is not None:
        yield job["last_run_at"] + timedelta(milliseconds=job["last_duration_ms"])  # type: ignore[operator, arg-type]


def _is_of_kind(document: object, kind: SourceKind) -> bool:
    return is_job_list(document) if kind is SourceKind.JOB_LIST else store_kind(document) is kind


def _entries(document: object, parsed: Parsed) -> Iterator[tuple[str, Document]]:
    found = document.get("jobs") if isinstance(document, dict) else None
    listed = found.items() if isinstance(found, dict) else [(None, entry) for entry in found or ()]
    seen: set[str] = set()
    for key, entry in listed:
        job_id = key if key is not None else (entry.get("id") if isinstance(entry, dict) else None)
        if not isinstance(job_id, str) or not isinstance(entry, dict):
            parsed.rejected += 1
            parsed.notices.add("no_job_id", f"a job without an id: {brief(entry)}")
        elif job_id in seen:
            parsed.rejected += 1
            parsed.notices.add("duplicate_job", f"job {brief(job_id)} stands twice in the store; the first counts")
        else:
            seen.add(job_id)
            yield job_id, entry


def _job_row(job_id: str, job: Fields, state: Fields) -> dict[str, object]:
    payload, schedule = job.inner("payload"), job.inner("schedule")
    return {
        "line": job.line,
        "job_id": job_id,
        "name": job.text("name"),
        "enabled": job.truth("enabled"),
        "payload_kind": payload.text("kind"),
        "timeout_ms": _timeout_ms(payload),
        "schedule_kind": schedule.text("kind"),
        "schedule_expr": schedule.text("expr"),
        "schedule_tz": schedule.text("tz"),
        "every_ms": schedule.whole("everyMs", _LONGEST_MS, least=1),
        "anchor_at": _anchor(schedule) or schedule.iso_time("at"),
        "running_at": state.time("runningAtMs"),
        "last_run_at": state.time("lastRunAtMs"),
        "last_duration_ms": state.whole("lastDurationMs", _LONGEST_MS),
        "last_status": state.text("lastRunStatus") or state.text("lastStatus"),
        "updated_at": job.time("updatedAtMs"),
    }


def _anchor(schedule: Fields) -> datetime | None:
    """Give the moment that a repetition is counted from, which for the gateway's own jobs is less than one period after
    the epoch (captured, 2026.9.6/restarts).
    """  # noqa: D205
    every_ms, anchor_ms = schedule.entry.get("everyMs"), schedule.entry.get("anchorMs")
    if type(every_ms) is type(anchor_ms) is int and 0 <= anchor_ms < min(every_ms, LATEST_MS):
        return at_epoch_ms(anchor_ms)
    return schedule.time("anchorMs")


def _last_run_row(state: Fields, job: Mapping[str, object], line: int | None) -> dict[str, object]:
    return {
        "line": line,
        "job_id": job["job_id"],
        "started_at": job["last_run_at"],
        "duration_ms": job["last_duration_ms"],
        "status": job["last_status"],
        "error": state.text("lastError") if job["last_status"] == "error" else None,
        "has_usage": False,
        "delivery_status": state.text("lastDeliveryStatus"),
        "origin": Origin.JOB_STATE.value,
        "precision_ms": 1,
    }


def _timeout_ms(payload: Fields) -> int | None:
    """Give the time-out of a job; 0 is none."""
    seconds = payload.number("timeoutSeconds", _LONGEST_MS // 1000)
    return int(seconds * 1000) if seconds else None


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


def _recognised(kind: SourceKind) -> Callable[[Glimpse], str | None]:
    def recognise(glimpse: Glimpse) -> str | None:
        # a store without one good entry must not pass for one that was never there
        is_in_place = glimpse.path.parent.name == "cron" and glimpse.name.startswith("jobs")
        told = (_is_of_kind(each, kind) or (is_in_place and _half_of(each) is kind) for each in glimpse.documents)
        return _BY_KIND[kind] if any(told) else None

    return recognise


FORMS = (
    Form(
        "cron/jobs.json",
        SourceKind.JOB_STORE,
        _recognised(SourceKind.JOB_STORE),
        lambda path, _: parse_job_store(path, SourceKind.JOB_STORE),
    ),
    Form(
        "cron/jobs-state.json",
        SourceKind.JOB_STATE,
        _recognised(SourceKind.JOB_STATE),
        lambda path, _: parse_job_store(path, SourceKind.JOB_STATE),
    ),
    Form(
        "cron list --json",
        SourceKind.JOB_LIST,
        _recognised(SourceKind.JOB_LIST),
        lambda path, _: parse_job_store(path, SourceKind.JOB_LIST),
    ),
)
