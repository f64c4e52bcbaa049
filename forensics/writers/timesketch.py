"""The timeline for Timesketch, as JSON lines and as CSV, with the fields it demands and those of a finding.

Source: Timesketch, "Create timeline from JSONL or CSV file": ``message``, ``datetime`` (ISO 8601), ``timestamp_desc``
are mandatory, a ``timestamp`` is in microseconds since 1970; tags are a list, in CSV a JSON list in one cell. The name
of an uploaded file has to end in ``.jsonl`` or ``.csv``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from forensics.model.escape import for_csv, for_terminal
from forensics.model.finding import Report
from forensics.model.verdicts import FactKind
from forensics.writers.told_in_order import Fact, told_in_order

FIELDS = (
    "message",
    "datetime",
    "timestamp_desc",
    "timestamp",
    "data_type",
    "source_file",
    "source_line",
    "source_table",
    "gateway",
    "job_id",
    "job_name",
    "task_id",
    "run_id",
    "operation",
    "restart",
    "event",
    "status",
    "verdict",
    "confidence",
    "severity",
    "tag",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOLD: dict[FactKind, tuple[str, str]] = {
    FactKind.LIFECYCLE: ("Event Logged", "openclaw:gateway:event"),
    FactKind.RESTART_DOWN: ("Gateway Down", "openclaw:gateway:restart"),
    FactKind.RESTART_UP: ("Gateway Up", "openclaw:gateway:restart"),
    FactKind.RESTART_READY: ("Gateway Ready", "openclaw:gateway:restart"),
    FactKind.TASK_CREATED: ("Task Created", "openclaw:task:row"),
    FactKind.TASK_STARTED: ("Task Started", "openclaw:task:row"),
    FactKind.TASK_ENDED: ("Task Ended", "openclaw:task:row"),
    FactKind.TASK_LOST: ("Task Marked Lost", "openclaw:task:row"),
    FactKind.RUN_STARTED: ("Run Started", "openclaw:cron:run"),
    FactKind.RUN_ENDED: ("Run Ended", "openclaw:cron:run"),
    FactKind.RUN_RECORDED: ("Run Recorded", "openclaw:cron:run"),
    FactKind.VERDICT: ("Task Judged", "openclaw:task:verdict"),
    FactKind.CHANGE_PREPARED: ("Correction Prepared", "openclaw:task:correction"),
    FactKind.TASK_CORRECTED: ("Task Corrected", "openclaw:task:correction"),
    FactKind.TASK_RESTORED: ("Task Restored", "openclaw:task:correction"),
}
"""What the time of a fact means, and the kind of its record."""


def write_timesketch_jsonl(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time, one JSON object a line; ``facts`` is the frame ``timeline``."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in _events(report, facts))


def write_timesketch_csv(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time as CSV (RFC 4180); no cell can act as a formula in a spreadsheet."""
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\r\n")
    rows.writerow(FIELDS)
    for event in _events(report, facts):
        rows.writerow(_cell(event[name]) for name in FIELDS)
    return table.getvalue()


def _events(report: Report, facts: pl.DataFrame) -> Iterator[dict[str, object]]:
    for fact in told_in_order(report, facts):
        if fact.at is not None:
            yield {name: _safe(value) for name, value in _event(fact, fact.at).items()}


def _event(fact: Fact, at: datetime) -> dict[str, object]:
    description, data_type = _TOLD[fact.kind]
    named = {name: getattr(fact, name) for name in FIELDS if name in Fact.__slots__}
    told = named | {
        "message": _message(fact),
        "datetime": at.isoformat(timespec="microseconds"),
        "timestamp_desc": description,
        "timestamp": (at - _EPOCH) // timedelta(microseconds=1),
        "data_type": data_type,
        "source_file": fact.path,
        "source_line": fact.line,
        "source_table": fact.table,
        "tag": _tags(fact),
    }
    return {name: told[name] for name in FIELDS}


def _message(fact: Fact) -> str:
    """Give what a fact says; one that says nothing, or what a reader of CSV takes for that, by its kind as well."""
    return fact.text if " " in fact.text.strip() else f"{fact.kind}: {fact.text.strip()}".rstrip(": ")


def _tags(fact: Fact) -> list[str]:
    words = (fact.verdict, "restart" if fact.kind.startswith("restart") else None, f"forensics-{fact.weight}")
    return [word for word in words if word]


def _safe(value: object) -> object:
    return for_terminal(value) if isinstance(value, str) else value


def _cell(value: object) -> object:
    if isinstance(value, list):
        return json.dumps(value)
    return for_csv(value) if isinstance(value, str) else value
