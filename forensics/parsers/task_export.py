"""Task records as the command line prints them: ``tasks list|show|audit|flow --json`` (formats.md §2.2).

Up to 2026.4.24 such a command runs with an empty list of running jobs and shows every cron row older than five minutes
as lost, although the registry says running. Such a *projected* row is told by the order of its keys (formats.md §2.1):
a row that was lost in the registry prints ``endedAt, lastEventAt``, a projected one ``lastEventAt, endedAt``.

From 2026.8.1 finished cron runs lie in the ``detail`` of the records: these are run records as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forensics.model.schemas import RUNS, TASKS, frame_of
from forensics.model.verdicts import Origin, SourceKind, TaskStatus
from forensics.parsers.files import content_of
from forensics.parsers.forms import Form, Glimpse, json_of, placed_documents_in, text_of
from forensics.parsers.json_places import LineCounter
from forensics.parsers.parsed import NO_STATUS, Parsed, brief, well_formed
from forensics.parsers.run_details import detail_row, is_imported_twin
from forensics.parsers.text_lines import open_lines
from forensics.parsers.timestamps import from_epoch_ms

Record = Mapping[str, object]
Row = dict[str, object]

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
_ID = re.compile(r'"taskId"\s*:\s*("(?:[^"\\]|\\.)*")')

_BY = "JSON of tasks list, show or audit"
_BY_FLOW = "JSON of task flows"
_BY_ARRAY = "a JSON array of task records"
_BY_LINES = "JSON lines of task records"


def is_task_record(value: object) -> bool:
    """Tell whether a JSON value is a task record, as ``tasks show --json`` prints it."""
    return isinstance(value, dict) and isinstance(value.get("taskId"), str) and "runtime" in value and "status" in value


def is_task_export(document: object) -> bool:
    """Tell whether a JSON document is a list, an audit or a single row of tasks."""
    if not isinstance(document, dict):
        return False
    if is_task_record(document):
        return True
    if isinstance(document.get("tasks"), list) and "count" in document:
        return _is_empty_or_has(document["tasks"], _could_be_record)
    findings = document.get("findings")
    return isinstance(findings, list) and "summary" in document and _is_empty_or_has(findings, _is_of_audit)


def is_flow_export(document: object) -> bool:
    """Tell whether a JSON document is a list of task flows, or one flow, with the rows of their tasks."""
    if not isinstance(document, dict):
        return False
    is_list = isinstance(document.get("flows"), list) and "count" in document
    if is_list and _is_empty_or_has(document["flows"], lambda flow: "flowId" in flow or "tasks" in flow):
        return True
    return isinstance(document.get("tasks"), list) and "taskSummary" in document


def _is_empty_or_has(entries: list[object], test: Callable[[Record], bool]) -> bool:
    """Tell whether a list has an entry of a kind, or none at all: many documents have lists of these names."""
    return not entries or any(isinstance(entry, dict) and test(entry) for entry in entries)


def _could_be_record(entry: Record) -> bool:
    return "taskId" in entry or {"runtime", "status"} <= entry.keys()


def _is_of_audit(finding: Record) -> bool:
    return isinstance(finding.get("task"), dict) or finding.get("kind") in ("task", "task_flow")


def is_record_array(document: object) -> bool:
    """Tell whether a JSON document is an array of task records."""
    return isinstance(document, list) and bool(document) and is_task_record(document[0])


@dataclass(slots=True)
class TaskRecords:
    """Collects the rows of task records, and the finished runs in their details.

    Where keys were sorted (``sorted_lost`` counts such lost rows), a projected row looks like one that is lost in the
    registry. It is taken for that, so its verdict is about a row that may still be running: hence the warning.
    Notices: keys_sorted, projected_rows, no_run_record.

    An imported run record is marked as such (``is_twin``): the execution it tells of may have a row of its own.
    """

    parsed: Parsed
    registry: str = "export"
    rows: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    sorted_lost: int = 0

    def add(self, record: object, line: int | None) -> bool:
        """Take one record; False, with a notice, where it is no task record."""
        row = task_row(record, line, self.parsed)
        if row is None or not isinstance(record, dict):
            return False
        run = self._run_of(record, row)
        if row["is_twin"] and run is None:
            self.parsed.notices.add("no_run_record", "an imported run record without its detail", line)
            return False
        self.sorted_lost += row["status"] == TaskStatus.LOST and list(record) == sorted(record)
        self.rows.append(row | {"registry": self.registry})
        return True

    def _run_of(self, record: Record, row: Row) -> Row | None:
        detail = record.get("detail")
        if not isinstance(detail, dict):
            return None
        run = detail_row(
            detail,
            line=_number_or_none(row["line"]),
            job_id=_text_or_none(row["job_id"]),
            written_at_ms=record.get("endedAt"),
            run_id=_text_or_none(row["run_id"]),
            parsed=self.parsed,
        )
        if run is not None:
            self.runs.append(run)
        return run

    def close(self) -> Parsed:
        """Put what was collected into frames."""
        self.parsed.tasks = frame_of(self.rows, TASKS)
        self.parsed.runs = frame_of(self.runs, RUNS) if self.runs else None
        times = [row[name] for row in self.rows for name in _TIMES if name != "cleanup_after"]
        self.parsed.spans([*times, *(run[name] for run in self.runs for name in ("started_at", "finished_at"))])
        note_projected(sum(bool(row["projected"]) for row in self.rows), self.parsed)
        if self.sorted_lost:
            rows = "1 lost row has" if self.sorted_lost == 1 else f"{self.sorted_lost} lost rows have"
            self.parsed.notices.add(
                "keys_sorted",
                f"{rows} sorted keys, as from jq -S: nothing tells any more whether the registry says lost, or a "
                "separate process only showed a running row so; export again and leave the keys as they are",
            )
        return self.parsed


def note_projected(count: int, parsed: Parsed) -> None:
    """Say how many rows are lost in an export only."""
    if count:
        rows = "1 row is" if count == 1 else f"{count} rows are"
        parsed.notices.add(
            "projected_rows",
            f"{rows} lost in this export only: a separate process showed running rows as lost",
            level="info",
        )


def parse_task_export(path: Path, by: str = _BY) -> Parsed:
    """Read the task rows of one export, or of several in one file; a row that an audit names twice counts once.

    Shape: frame ``tasks``, and ``runs`` (origin ``task_detail``) from 2026.8.1; ``line`` is the line of the row's id.
    ``histories``: see ``_histories``.
    Notices: no_task_id, no_status, wrong_type, out_of_range, projected_rows, keys_sorted, no_run_record.
    Source: formats.md §2.1, §2.2, §3.4.

    Raises:
        UnreadableError: the file cannot be read.
    """
    text = text_of(content_of(path))
    records = TaskRecords(Parsed(SourceKind.TASK_EXPORT, by))
    documents = list(placed_documents_in(text))
    ends = [start for start, _ in documents[1:]] + [len(text)]
    counter = LineCounter(text)
    for (start, document), end in zip(documents, ends, strict=False):
        if _is_any_export(document):
            _read_document(document, _lines_of_ids(text, start, end, counter), records)
    return records.close()


def parse_record_lines(path: Path) -> Parsed:
    """Read a file with one task record a line.

    Shape: frames ``tasks`` and ``runs``, as ``parse_task_export``; ``line`` is the line of the record.
    Notices: not_json, no_task_id, no_status, wrong_type, out_of_range, projected_rows, keys_sorted, no_run_record.
    Source: formats.md §2.2.

    Raises:
        UnreadableError: the file cannot be read.
    """
    records = TaskRecords(Parsed(SourceKind.TASK_EXPORT, _BY_LINES))
    parsed = records.parsed
    with open_lines(path) as lines:
        for number, line in lines:
            parsed.lines += 1
            if not line.strip():
                parsed.skipped += 1
                continue
            value = json_of(line)
            if value is None:
                parsed.notices.add("not_json", f"not JSON: {brief(line.strip())}", number)
            taken = value is not None and records.add(value, number)
            parsed.records += taken
            parsed.rejected += not taken
    return records.close()


def tasks_in_document(document: object, line: int, parsed: Parsed) -> Iterator[Row]:
    """Give the task rows of an export that a gateway log holds as one record (observed.md §A, exports).

    Shape: rows of ``tasks`` with ``registry`` log; nothing for a document of another kind, nor for what is no row in
    it: the log is full of other answers.
    Notices: wrong_type, out_of_range.
    """
    if _is_any_export(document):
        records = TaskRecords(parsed, registry="log")
        for record in _unique(filter(is_task_record, _records_of(document))):
            records.add(record, line)
        yield from records.rows


def _read_document(document: object, lines: Mapping[str, int], records: TaskRecords) -> None:
    parsed = records.parsed
    before = parsed.rejected
    first_run = len(records.runs)
    listed = list(_records_of(document))
    parsed.lines += len(listed)
    for record in _unique(listed):
        taken = records.add(record, lines.get(record["taskId"]) if is_task_record(record) else None)  # type: ignore[index]
        parsed.records += taken
        parsed.rejected += not taken
    parsed.skipped = parsed.lines - parsed.records - parsed.rejected
    if _is_full_list(document):
        parsed.histories += _histories(records.runs[first_run:], is_damaged=parsed.rejected > before)


def _unique(records: Iterable[object]) -> Iterator[object]:
    """Give each task once: an audit names a row once for every fault it finds in it."""
    seen: set[str] = set()
    for record in records:
        task_id = record.get("taskId") if isinstance(record, dict) else None
        if not isinstance(task_id, str) or task_id not in seen:
            yield record
        if isinstance(task_id, str):
            seen.add(task_id)


def _is_full_list(document: object) -> bool:
    """Tell whether a document is a list of every cron row there was: a list, not filtered by status."""
    if not isinstance(document, dict) or not isinstance(document.get("tasks"), list):
        return False
    unfiltered = "status" in document and document["status"] is None and document.get("runtime") in (None, "cron")
    return unfiltered and document.get("count") == len(document["tasks"])


def _histories(runs: Iterable[Row], *, is_damaged: bool) -> list[Row]:
    """Say for which jobs a full list of tasks would show a finished run: those of which it shows one.

    Finished rows are deleted after a week, the oldest first, so a list says nothing about the time before the oldest
    record it holds of a job (``is_partial``); and nothing about a job without any: in releases before 2026.8.1, or for
    records not imported yet, runs are recorded elsewhere.

    Source: formats.md §1.5 (retention), §3.4.
    """
    by_job: dict[object, list[Row]] = {}
    for run in runs:
        by_job.setdefault(run["job_id"], []).append(run)
    return [
        {
            "job_id": job_id,
            "origin": Origin.TASK_DETAIL.value,
            "records": len(known),
            "oldest_at": min(run["finished_at"] for run in known),  # type: ignore[type-var]
            "is_partial": True,
            "is_damaged": is_damaged,
        }
        for job_id, known in by_job.items()
    ]


def _is_any_export(document: object) -> bool:
    return is_task_export(document) or is_flow_export(document) or is_record_array(document)


def _records_of(document: object) -> Iterator[object]:
    if isinstance(document, list):
        yield from document
    if not isinstance(document, dict):
        return
    if is_task_record(document):
        yield document
    for flow in (document, *_listed(document, "flows")):
        yield from _listed(flow, "tasks")
    for finding in _listed(document, "findings"):
        if isinstance(finding, dict) and finding.get("kind", "task") == "task":
            yield finding.get("task")


def _listed(document: object, key: str) -> list[object]:
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def task_row(record: object, line: int | None, parsed: Parsed) -> Row | None:
    """Turn a task record into a row of ``tasks``; None, with a notice, where it is none."""
    if not isinstance(record, dict) or not is_task_record(record):
        parsed.notices.add("no_task_id", f"an entry that is no task row: {brief(record)}", line)
        return None
    row: Row = {"line": line, "registry": "export", "projected": _is_projected(record), "precision_ms": 1}
    row["is_twin"] = is_imported_twin(str(record["taskId"]), record.get("runId"))
    for name, key in _TEXTS.items():
        value = record.get(key)
        row[name] = well_formed(value) if isinstance(value, str) else None
        if value is not None and row[name] is None:
            parsed.notices.add("wrong_type", f"{key} is no text; it is not used", line)
    if not row["status"]:
        parsed.notices.add("no_status", NO_STATUS, line, "error")
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


def _lines_of_ids(text: str, start: int, end: int, counter: LineCounter) -> dict[str, int]:
    found: dict[str, int] = {}
    for match in _ID.finditer(text, start, end):
        found.setdefault(_loaded(match[1]), counter.line_at(match.start()))
    return found


def _loaded(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number_or_none(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _any_document(test: Callable[[object], bool], by: str) -> Callable[[Glimpse], str | None]:
    return lambda glimpse: by if any(test(document) for document in glimpse.documents) else None


def _recognised_lines(glimpse: Glimpse) -> str | None:
    told = [value for value in map(json_of, glimpse.text_lines) if value is not None]
    return _BY_LINES if sum(map(is_task_record, told)) > 1 else None


FORMS = (
    Form(
        "task records as JSON lines",
        SourceKind.TASK_EXPORT,
        _recognised_lines,
        lambda path, _: parse_record_lines(path),
    ),
    Form(
        "tasks flow list, show --json",
        SourceKind.TASK_EXPORT,
        _any_document(is_flow_export, _BY_FLOW),
        lambda path, _: parse_task_export(path, _BY_FLOW),
    ),
    Form(
        "tasks list, show, audit --json",
        SourceKind.TASK_EXPORT,
        _any_document(is_task_export, _BY),
        lambda path, _: parse_task_export(path),
    ),
    Form(
        "task records as a JSON array",
        SourceKind.TASK_EXPORT,
        _any_document(is_record_array, _BY_ARRAY),
        lambda path, _: parse_task_export(path, _BY_ARRAY),
    ),
)
