"""The timeline as text."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.finding import Report
from forensics.model.shown import PLAIN, Shown, Style
from forensics.model.verdicts import FactKind
from forensics.writers.columns import known_expr, shortened_expr, table_parts
from forensics.writers.measure import paragraph
from forensics.writers.tables import Column, text_table
from forensics.writers.told_in_order import told_in_batches
from forensics.writers.told_nothing import nothing_timed

_NAME_WIDTH = 32
_TEXT_WIDTH = 120
_STAMP = "%Y-%m-%d %H:%M:%S%.3f"


def _style(kind: str) -> Style | None:
    return {FactKind.VERDICT.value: Style.HEADING, FactKind.TASK_LOST.value: Style.DOUBT}.get(kind)


_COLUMNS = {
    "what": Column("what", style=_style),
    "of": Column("of", is_text=True),
    "text": Column("text", is_text=True, moves=2, spills=True),
    "where": Column("where", moves=1),
}


def write_timeline(report: Report, facts: pl.DataFrame, shown: Shown = PLAIN) -> str:
    """Give all facts in time order as a table; ``facts`` is the frame ``timeline``."""
    return "".join(timeline_parts(report, facts, shown))


def timeline_parts(report: Report, facts: pl.DataFrame, shown: Shown = PLAIN) -> Iterator[str]:
    """Give what ``write_timeline`` gives in parts, each of whole lines.

    A long text is cut where it cannot be wrapped: where no width is given. Fitted, some thousands of facts are a table
    of their own, with its headings.
    """
    if facts.is_empty():
        nothing = f"Nothing that happened at a known time is on record. {for_terminal(nothing_timed(report.sources))}"
        yield "\n".join([*paragraph(nothing, shown.width), ""])
        return
    several = facts["gateway"].n_unique() > 1
    if shown.width is None and not shown.is_coloured:
        headers = [_heading(name, shown) for name in _names(several=several)]
        yield from table_parts(headers, lambda: _cells(report, facts, shown, several=several))
    else:
        for cells in _cells(report, facts, shown, several=several):
            columns = [_COLUMNS.get(name, _heading(name, shown)) for name in cells.columns]
            yield text_table(columns, cells.iter_rows(), shown=shown) + "\n"
    if not shown.is_utc:
        yield "\n".join(["", *paragraph(shown.note_sentence, shown.width), ""])


def _names(*, several: bool) -> list[str]:
    return [name for name in ("at", "gateway", "what", "of", "text", "where") if several or name != "gateway"]


def _heading(name: str, shown: Shown) -> str:
    return shown.heading(name) if name == "at" else name


def _cells(report: Report, facts: pl.DataFrame, shown: Shown, *, several: bool) -> Iterator[pl.DataFrame]:
    """Give what stands in the table, all of it text, some thousands of facts at a time."""
    nothing, text = pl.lit("-"), pl.col("text")
    cells = {
        "at": pl.coalesce(_stamp(shown), nothing),
        "gateway": pl.coalesce(known_expr("gateway"), nothing),
        "what": pl.col("kind"),
        "of": shortened_expr(pl.coalesce(*map(known_expr, ("job_name", "job_id", "restart")), nothing), _NAME_WIDTH),
        "text": text if shown.width else shortened_expr(text, _TEXT_WIDTH),
        "where": pl.col("place"),
    }
    for told in told_in_batches(report, facts):
        yield told.select(**cells).select(_names(several=several))


def _stamp(shown: Shown) -> pl.Expr:
    at = pl.col("at")
    return at.dt.strftime(_STAMP) if shown.is_utc else at.map_elements(shown.stamp, return_dtype=pl.String)
