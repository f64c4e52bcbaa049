"""The timeline as text."""

from __future__ import annotations

import polars as pl

from forensics.model.escape import for_terminal, shortened
from forensics.model.finding import Report
from forensics.model.shown import PLAIN, Shown, Style
from forensics.model.verdicts import FactKind
from forensics.writers.measure import paragraph
from forensics.writers.tables import Column, text_table
from forensics.writers.told_in_order import Fact, told_in_order
from forensics.writers.told_nothing import nothing_timed

_NAME_WIDTH = 32
_TEXT_WIDTH = 120


def write_timeline(report: Report, facts: pl.DataFrame, shown: Shown = PLAIN) -> str:
    """Give all facts in time order as a table; ``facts`` is the frame ``timeline``.

    A long text is cut where it cannot be wrapped: where no width is given.
    """
    told = list(told_in_order(report, facts))
    if not told:
        nothing = f"Nothing that happened at a known time is on record. {for_terminal(nothing_timed(report.sources))}"
        return "\n".join([*paragraph(nothing, shown.width), ""])
    several = len({fact.gateway for fact in told}) > 1
    headers: list[str | Column] = [
        shown.heading("at"),
        Column("what", style=_style),
        Column("of", is_text=True),
        Column("text", is_text=True, moves=2, spills=True),
        Column("where", moves=1),
    ]
    rows = [[shown.stamp(fact.at), fact.kind, _of(fact), _text(fact, shown), fact.place] for fact in told]
    if several:
        headers.insert(1, "gateway")
        rows = [[row[0], fact.gateway or "-", *row[1:]] for fact, row in zip(told, rows, strict=True)]
    table = text_table(headers, rows, shown=shown) + "\n"
    note = f"{shown.note[:1].upper()}{shown.note[1:]}."
    return table if shown.is_utc else "\n".join([table, *paragraph(note, shown.width), ""])


def _style(kind: str) -> Style | None:
    return {FactKind.VERDICT.value: Style.HEADING, FactKind.TASK_LOST.value: Style.DOUBT}.get(kind)


def _text(fact: Fact, shown: Shown) -> str:
    return fact.text if shown.width else shortened(fact.text, _TEXT_WIDTH)


def _of(fact: Fact) -> str:
    """Name what a fact is about: the job, else the restart window."""
    return shortened(fact.job_name or fact.job_id or fact.restart or "-", _NAME_WIDTH)
