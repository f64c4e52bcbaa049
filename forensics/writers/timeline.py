"""The timeline as text."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from forensics.model.finding import Report
from forensics.model.shown import PLAIN, Shown
from forensics.writers.columns import known_expr, shortened_expr, table_parts
from forensics.writers.tables import Column, text_table
from forensics.writers.told_in_order import told_in_batches

_NAME_WIDTH = 32
_TEXT_WIDTH = 120
_STAMP = "%Y-%m-%d %H:%M:%S%.3f"
_COLUMNS = {
    "of": Column("of", is_text=True),
    "text": Column("text", is_text=True, moves=2),
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
        yield "Nothing that happened at a known time is on record.\n"
        return
    several = facts["gateway"].n_unique() > 1
    if shown.width is None:
        headers = [_heading(name, shown) for name in _names(several=several)]
        yield from table_parts(headers, lambda: _cells(report, facts, shown, several=several))
        return
    for cells in _cells(report, facts, shown, several=several):
        columns = [_COLUMNS.get(name, _heading(name, shown)) for name in cells.columns]
        yield text_table(columns, cells.iter_rows(), shown=shown) + "\n"


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
