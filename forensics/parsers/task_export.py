"""Exports of the command line: ``tasks list|show|audit --json`` (formats.md §2.2).

Up to 2026.4.24 such a command runs with an empty list of running jobs and shows every cron row older than five minutes
as lost, although the registry says running. Such a *projected* row is told by the order of its keys (formats.md §2.1):
a row that was lost in the registry prints ``endedAt, lastEventAt``, a projected one ``lastEventAt, endedAt``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from forensics.model.schemas import TASKS, frame_of
from forensics.model.verdicts import SourceKind, TaskStatus
from forensics.parsers.files import content_of
from forensics.parsers.forms import Form, Glimpse, document_in
from forensics.parsers.parsed import Parsed, brief, well_formed
from forensics.parsers.run_details import is_imported_twin
from forensics.parsers.timestamps import from_epoch_ms

Record = Mapping[str, object]

_TEXTS = {
    "task_id": "taskId",
    "runtime": "runtime",
    "job_id": "sourceId",
    "run_id": "runId",
    "agent_id": "agentId",
    "session_key": "childSessionKey",
    "label": "label",
    "status": "status",
    "delivery_status": "deliveryStatus",
    "notify_policy": "notifyPolicy",
    "error": "error",
    "terminal_summary": "terminalSummary",
    "terminal_outcome": "terminalOutcome",
}
_TIMES = {
    "created_at": "createdAt",
    "started_at": "startedAt",
    "ended_at": "endedAt",
    "last_event_at": "lastEventAt",
    "cleanup_after": "cleanupAfter",
}


_BY = "JSON of tasks list, show or audit"


def is_task_export(document: object) -> bool:
    """Tell whether a JSON document is a list, an audit or a single row of tasks."""
    if not isinstance(document, dict):
        return False
    if _is_record(document):
        return True
    if isinstance(document.get("tasks"), list) and "count" in document:
        return True
    return isinstance(document.get("findings"), list) and "summary" in document


def parse_task_export(path: Path) -> Parsed:
    """Read the task rows of one export; a row that an audit names twice counts once.

    Shape: frame ``tasks``; ``line`` is the line of the row's id.
    Notices: no_task_id, wrong_type, out_of_range, projected_rows.
    Source: formats.md §2.1, §2.2.

    Raises:
        UnreadableError: the file cannot be read.
    """
    data = content_of(path)
    parsed = Parsed(SourceKind.TASK_EXPORT, _BY)
    document = document_in(data)
    lines = _lines_of_ids(data.decode("utf-8", "replace"))
    rows: dict[str, dict[str, object]] = {}
    for record in _records_of(document):
        parsed.lines += 1
        row = _row_of(record, lines, parsed)
        if row is None:
            parsed.rejected += 1
        elif row["task_id"] in rows:
            parsed.skipped += 1
        else:
            rows[str(row["task_id"])] = row
    parsed.records = len(rows)
    parsed.tasks = frame_of(rows.values(), TASKS)
    parsed.spans(row[name] for row in rows.values() for name in _TIMES if name != "cleanup_after")
    projected = sum(bool(row["projected"]) for row in rows.values())
    if projected:
        parsed.notices.add(
            "projected_rows",
            f"{projected} rows are lost in this export only: a separate process showed running rows as lost",
            level="info",
        )
    return parsed


def _records_of(document: object) -> Iterator[object]:
    if not isinstance(document, dict):
        return
    if _is_record(document):
        yield document
    yield from _listed(document, "tasks")
    for finding in _listed(document, "findings"):
        if isinstance(finding, dict) and finding.get("kind", "task") == "task":
            yield finding.get("task")


def _listed(document: Record, key: str) -> list[object]:
    found = document.get(key)
    return found if isinstance(found, list) else []


def _is_record(value: Record) -> bool:
    return isinstance(value.get("taskId"), str) and "runtime" in value and "status" in value


def _row_of(record: object, lines: Mapping[str, int], parsed: Parsed) -> dict[str, object] | None:
    if not isinstance(record, dict) or not _is_record(record):
        parsed.notices.add("no_task_id", f"an entry that is no task row: {brief(record)}")
        return None
    line = lines.get(record["taskId"])
    row: dict[str, object] = {"line": line, "registry": "export", "projected": _is_projected(record)}
    row |= {"is_twin": is_imported_twin(record["taskId"], record.get("runId")), "precision_ms": 1}
    for name, key in _TEXTS.items():
        value = record.get(key)
        row[name] = well_formed(value) if isinstance(value, str) else None
        if value is not None and row[name] is None:
            parsed.notices.add("wrong_type", f"{key} is no text; it is not used", line)
    for name, key in _TIMES.items():
        value = record.get(key)
        row[name] = from_epoch_ms(value)
        if value is not None and row[name] is None:
            parsed.notices.add("out_of_range", f"{key} holds no epoch millisecond; it is read as unknown", line)
    return row


def _is_projected(record: Record) -> bool:
    keys = list(record)
    if record.get("status") != TaskStatus.LOST or "endedAt" not in keys or "lastEventAt" not in keys:
        return False
    return keys.index("lastEventAt") < keys.index("endedAt")


def _lines_of_ids(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        _, key, rest = line.partition('"taskId":')
        if key:
            value = rest.strip().rstrip(",").strip('"')
            found.setdefault(value, number)
    return found


def _recognised(glimpse: Glimpse) -> str | None:
    return _BY if is_task_export(glimpse.document) else None


FORMS = (
    Form(
        "tasks list, show, audit --json",
        SourceKind.TASK_EXPORT,
        _recognised,
        lambda path, _: parse_task_export(path),
    ),
)
