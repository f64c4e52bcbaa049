"""The timeline as a log for lnav, and the format file by which lnav reads it.

Source: lnav, "Log Formats": a JSON log has one object a line; the format names the fields of time, level, body and
operation id (``opid``), by which lnav's timeline view draws one bar per operation. Releases before 0.12 know no
descriptions of operations and pass over them.
"""

from __future__ import annotations

import json
from importlib.resources import files

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.finding import Report
from forensics.writers.told_in_order import Fact, told_in_order

_FIELDS = ("kind", "event", "gateway", "job_id", "job_name", "task_id", "run_id", "restart", "status")
_ANSWERS = ("verdict", "confidence", "severity")


def write_lnav(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time, one JSON object a line, as ``lnav_format`` describes them."""
    told = (_entry(fact) for fact in told_in_order(report, facts) if fact.at is not None)
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in told)


def lnav_format() -> str:
    """Give the format file for lnav."""
    return (files("forensics") / "schema" / "lnav-format.json").read_text("utf-8")


def _entry(fact: Fact) -> dict[str, str]:
    """Give one line of the log; what is not known is left out, for lnav shows null as a word."""
    stamp = fact.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if fact.at else None
    told = {"timestamp": stamp, "level": fact.weight, "body": fact.text, "opid": fact.operation, "place": fact.place}
    told |= {name: getattr(fact, name) for name in (*_FIELDS, *_ANSWERS)}
    return {name: for_terminal(value) for name, value in told.items() if value}
