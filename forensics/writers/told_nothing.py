"""What is said where nothing was found: what was read, and why it may show nothing."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from forensics.model.finding import Report
from forensics.model.policy import LOST_RETENTION, Policy
from forensics.model.releases import FIRST_WITH_DAY_OF_RETENTION, release_text
from forensics.model.shown import Shown
from forensics.model.verdicts import SourceKind
from forensics.writers.phrases import counted, lasted

_LOGS = (SourceKind.GATEWAY_LOG.value, SourceKind.GATEWAY_CONSOLE.value)
_ROWS = (SourceKind.TASK_REGISTRY.value, SourceKind.TASK_EXPORT.value)
_NAMED = 5


def no_loss(report: Report, shown: Shown) -> Iterator[str]:
    """Say which rows were read where none is lost, and how far back a loss would still show."""
    read = report.sources.filter(pl.col("kind").is_in(_ROWS) & (pl.col("records") > 0))["path"].to_list()
    oldest = f"; the oldest began {shown.moment(report.summary.oldest_at)}" if report.summary.oldest_at else ""
    yield f"Read: {_named(read) or 'no file of rows alone'}{oldest}."
    yield f"{_kept(report)}, so that the registry need not show older losses."


def _kept(report: Report) -> str:
    """Say how long the gateways keep a lost row. Source: formats.md §1.5."""
    day, week = lasted(LOST_RETENTION), lasted(Policy().retention)
    first, spans = FIRST_WITH_DAY_OF_RETENTION, [release.span for release in report.releases]
    if spans and all(span.is_from(first) for span in spans):
        return f"A gateway of this release deletes lost rows {day} after their mark"
    if spans and all(span.is_before(first) for span in spans):
        return f"A gateway of this release deletes lost rows {week} after their mark"
    return f"Gateways delete lost rows {week} after their mark, and {day} after it from {release_text(first)} on"


def no_restart(sources: pl.DataFrame, shown: Shown) -> Iterator[str]:
    """Say which logs were read where no restart is on record, each with what it covers."""
    logs = sources.filter(pl.col("kind").is_in(_LOGS))
    if logs.is_empty():
        yield "No gateway log was read."
    for row in logs.head(_NAMED).iter_rows(named=True):
        span = f", {shown.moment(row['first_at'])} to {shown.moment(row['last_at'])}" if row["first_at"] else ""
        whose = "" if row["gateway"] else ", of no known gateway"
        yield f"Read: {row['path']}, {counted(row['lines'], 'line')}{span}{whose}."
    if logs.height > _NAMED:
        yield f"And {logs.height - _NAMED} more; forensics sources lists them."


def nothing_timed(sources: pl.DataFrame) -> str:
    """Say what was read where nothing bears a time."""
    return f"Read: {_named(sources['path'].to_list())}; forensics sources says what each was taken for."


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
