"""The timeline as a log for lnav, and the format file by which lnav reads it.

Source: lnav, "Log Formats": a JSON log has one object a line; the format names the fields of time, level, body and
operation id (``opid``), by which lnav's timeline view (0.12 and later) draws one bar per operation. Tried with 0.11.1,
0.12.4 and 0.13.2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.finding import Report
from forensics.model.verdicts import FactKind
from forensics.writers.told_in_order import Fact, told_in_order

_FIELDS = ("kind", "event", "job_id", "job_name", "task_id", "run_id", "restart", "status")
_ANSWERS = ("verdict", "confidence", "severity")
_GATEWAY, _NO_GATEWAY = "gateway ", "no known gateway"


def write_lnav(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time, one JSON object a line, as ``lnav_format`` describes them.

    The first line of an operation says what it is about, once: lnav joins what every line says to one description.
    """
    told = [fact for fact in told_in_order(report, facts) if fact.at is not None]
    about = _descriptions(told)
    return "".join(json.dumps(_entry(fact, about), ensure_ascii=False) + "\n" for fact in told)


def lnav_format() -> str:
    """Give the format file for lnav."""
    return (files("forensics") / "schema" / "lnav-format.json").read_text("utf-8")


def _descriptions(facts: Iterable[Fact]) -> dict[str, str]:
    """Say of each operation what it is: a job with its verdict, or a restart with its kind."""
    told: dict[str, tuple[int, str]] = {}
    for fact in facts:
        if fact.operation:
            told[fact.operation] = max(told.get(fact.operation, (0, "")), _description(fact), key=lambda one: one[0])
    return {operation: text for operation, (_, text) in told.items()}


def _description(fact: Fact) -> tuple[int, str]:
    """Give what a fact says of its operation, and how telling that is."""
    name = fact.job_name or fact.job_id or ""
    if fact.kind is FactKind.VERDICT:
        return 3, f"{name}: {fact.verdict}" + (f" ({fact.confidence})" if fact.confidence else "")
    if fact.kind.startswith("restart"):
        return 2, f"restart {fact.restart} ({fact.event})"
    return int(bool(name)), name


def _entry(fact: Fact, about: dict[str, str]) -> dict[str, str]:
    """Give one line of the log; what is not known is left out, for lnav shows null as a word.

    ``about`` loses the description that this line bears. The gateway stands last: lnav 0.12.4 draws a bar for whatever
    text a line ends with, and stops where an operation has that very name.
    """
    gateway = f"{_GATEWAY}{fact.gateway}" if fact.gateway else _NO_GATEWAY
    stamp = fact.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if fact.at else None
    operation = fact.operation or ""
    apart = "operation " if operation.startswith((_GATEWAY, _NO_GATEWAY)) else ""
    told = {"timestamp": stamp, "level": fact.weight, "body": fact.text, "opid": apart + operation, "place": fact.place}
    told |= {name: getattr(fact, name) for name in (*_FIELDS, *_ANSWERS)}
    told |= {"about": about.pop(operation, None), "gateway": gateway}
    return {name: for_terminal(value) for name, value in told.items() if value}
