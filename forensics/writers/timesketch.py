"""The timeline for Timesketch, as JSON lines and as CSV, with the fields it demands and those of a finding.

Source: Timesketch, "Create timeline from JSONL or CSV file": ``message``, ``datetime`` (ISO 8601), ``timestamp_desc``
are mandatory, a ``timestamp`` is in microseconds since 1970; tags are a list, in CSV a JSON list in one cell. The name
of an uploaded file has to end in ``.jsonl`` or ``.csv``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import polars as pl

from forensics.model.escape import for_csv
from forensics.model.finding import Report
from forensics.model.verdicts import FactKind
from forensics.writers.columns import for_terminals, json_strings, spelled
from forensics.writers.told_in_order import told_in_batches

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
_DATETIME = "%Y-%m-%dT%H:%M:%S%.6f+00:00"
_TO_QUOTE = re.compile(r'[",\r\n]')
_PLAIN_CELL = r"^(?:[0-9A-Za-z/_(][\x20\x21\x23-\x2b\x2d-\x7e]*)?$"
_NO_TEXT = ("timestamp", "source_line", "tag")
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
    return "".join(timesketch_jsonl_parts(report, facts))


def timesketch_jsonl_parts(report: Report, facts: pl.DataFrame) -> Iterator[str]:
    """Give what ``write_timesketch_jsonl`` gives in parts, each of whole lines."""
    for events in _events(report, facts):
        values = {
            name: json_strings(events[name]) if kind == pl.String else events[name].cast(pl.String)
            for name, kind in events.schema.items()
        }
        fields = [f'"{name}": ' + values[name].fill_null("null") for name in FIELDS[:-1]] + ['"tag": ' + events["tag"]]
        yield from _lines("{" + pl.select(pl.concat_str(fields, separator=", ")).to_series() + "}", "\n")


def write_timesketch_csv(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time as CSV (RFC 4180); no cell can act as a formula in a spreadsheet."""
    return "".join(timesketch_csv_parts(report, facts))


def timesketch_csv_parts(report: Report, facts: pl.DataFrame) -> Iterator[str]:
    """Give what ``write_timesketch_csv`` gives in parts, each of whole lines."""
    yield ",".join(FIELDS) + "\r\n"
    for events in _events(report, facts):
        cells = [
            spelled(events[name], _quoted if name == "tag" else _cell, _PLAIN_CELL)
            if events[name].dtype == pl.String
            else events[name].cast(pl.String)
            for name in FIELDS
        ]
        joined = pl.concat_str([cell.fill_null("") for cell in cells], separator=",")
        yield from _lines(pl.select(joined).to_series(), "\r\n")


def _events(report: Report, facts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give the facts that have a time under the names of Timesketch; hidden characters are spelled out."""
    descriptions = {kind.value: description for kind, (description, _) in _TOLD.items()}
    types = {kind.value: data_type for kind, (_, data_type) in _TOLD.items()}
    for told in told_in_batches(report, facts.filter(pl.col("at").is_not_null())):
        events = told.with_columns(
            _message_expr().alias("message"),
            pl.col("at").dt.strftime(_DATETIME).alias("datetime"),
            pl.col("kind").replace_strict(descriptions, return_dtype=pl.String).alias("timestamp_desc"),
            pl.col("at").dt.epoch("us").alias("timestamp"),
            pl.col("kind").replace_strict(types, return_dtype=pl.String).alias("data_type"),
            pl.col("path").alias("source_file"),
            pl.col("line").alias("source_line"),
            pl.col("table").alias("source_table"),
            _tags(told),
        )
        yield for_terminals(events.select(FIELDS), *(name for name in FIELDS if name not in _NO_TEXT))


def _tags(told: pl.DataFrame) -> pl.Series:
    """Give the tags of each fact as a JSON list; few of many facts differ in what they depend on."""
    on = ["verdict", "kind", "weight"]
    kinds = told.select(on).unique()
    tags = [
        json.dumps(
            [tag for tag in (verdict, "restart" if kind.startswith("restart") else None, f"forensics-{weight}") if tag]
        )
        for verdict, kind, weight in kinds.iter_rows()
    ]
    named = kinds.with_columns(pl.Series("tag", tags, dtype=pl.String))
    return told.select(on).join(named, on=on, how="left", validate="m:1", nulls_equal=True, maintain_order="left")[
        "tag"
    ]


def _message_expr() -> pl.Expr:
    """Give what a fact says; one that says nothing, or what a reader of CSV takes for that, by its kind as well."""
    text, bare = pl.col("text"), pl.col("text").str.strip_chars()
    by_kind = pl.format("{}: {}", "kind", bare).str.strip_chars_end(": ")
    return pl.when(bare.str.contains(" ", literal=True)).then(text).otherwise(by_kind)


def _cell(text: str) -> str:
    return _quoted(for_csv(text))


def _quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"' if _TO_QUOTE.search(cell) else cell


def _lines(lines: pl.Series, ending: str) -> Iterator[str]:
    if len(lines):
        yield ending.join(lines.to_list()) + ending
