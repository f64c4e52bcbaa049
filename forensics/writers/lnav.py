"""The timeline as a log for lnav, and the format file by which lnav reads it.

Source: lnav, "Log Formats": a JSON log has one object a line; the format names the fields of time, level, body and
operation id (``opid``), by which lnav's timeline view draws one bar per operation. Releases before 0.12 know no
descriptions of operations and pass over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import polars as pl

from forensics.model.finding import Report
from forensics.writers.columns import for_terminals, json_strings, known_expr
from forensics.writers.told_in_order import told_in_batches

_KNOWN = ("kind", "event", "gateway", "job_id", "job_name", "task_id", "run_id", "restart", "status")
_ANSWERS = ("verdict", "confidence", "severity")
_ENTRY = {
    "timestamp": pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
    "level": pl.col("weight"),
    "body": pl.col("text"),
    "opid": pl.col("operation"),
    **{name: pl.col(name) for name in ("place", *_KNOWN, *_ANSWERS)},
}
"""The fields of a line, in their order, by the columns of a fact."""


def write_lnav(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time, one JSON object a line, as ``lnav_format`` describes them."""
    return "".join(lnav_parts(report, facts))


def lnav_parts(report: Report, facts: pl.DataFrame) -> Iterator[str]:
    """Give what ``write_lnav`` gives in parts, each of whole lines; what is not known is left out of a line.

    lnav shows null as a word.
    """
    for told in told_in_batches(report, facts.filter(pl.col("at").is_not_null())):
        entries = for_terminals(told.select(**_ENTRY).with_columns(known_expr(name) for name in _ENTRY))
        fields = [(f', "{name}": ' + json_strings(entries[name])).fill_null("") for name in _ENTRY]
        lines = "{" + pl.select(pl.concat_str(fields)).to_series().str.strip_prefix(", ") + "}"
        if len(lines):
            yield "\n".join(lines.to_list()) + "\n"


def lnav_format() -> str:
    """Give the format file for lnav."""
    return (files("forensics") / "schema" / "lnav-format.json").read_text("utf-8")
