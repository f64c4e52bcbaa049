"""The timeline as text."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from forensics.model.finding import Report
from forensics.writers.columns import known_expr, shortened_expr, table_parts
from forensics.writers.told_in_order import told_in_batches

_NAME_WIDTH = 32
_TEXT_WIDTH = 120
_STAMP = "%Y-%m-%d %H:%M:%S%.3f"


def write_timeline(report: Report, facts: pl.DataFrame) -> str:
    """Give all facts in time order as a table; ``facts`` is the frame ``timeline``."""
    return "".join(timeline_parts(report, facts))


def timeline_parts(report: Report, facts: pl.DataFrame) -> Iterator[str]:
    """Give what ``write_timeline`` gives in parts, each of whole lines."""
    if facts.is_empty():
        yield "Nothing that happened at a known time is on record.\n"
        return
    nothing = pl.lit("-")
    cells = {
        "at (UTC)": pl.coalesce(pl.col("at").dt.strftime(_STAMP), nothing),
        "gateway": pl.coalesce(known_expr("gateway"), nothing),
        "what": pl.col("kind"),
        "of": shortened_expr(pl.coalesce(*map(known_expr, ("job_name", "job_id", "restart")), nothing), _NAME_WIDTH),
        "text": shortened_expr(pl.col("text"), _TEXT_WIDTH),
        "where": pl.col("place"),
    }
    if facts["gateway"].n_unique() == 1:
        del cells["gateway"]
    yield from table_parts(list(cells), lambda: (told.select(**cells) for told in told_in_batches(report, facts)))
