"""What the warnings about times out of order are: the order in which early releases write, or something wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from forensics.correlator.counts import (
    AuditRules,
    as_audited,
    audit_rules,
    ends_early_expr,
    is_active_ended_expr,
    rows_by_release,
    starts_early_expr,
)
from forensics.model.finding import OddRow, OddTimes, Release
from forensics.model.policy import CREATED_AFTER_START, ODD_ROWS_NAMED
from forensics.model.verdicts import TimeOrder

_PLACE = ["gateway", "task_id", "source", "line", "by_ms"]


def odd_times(tasks: pl.DataFrame, releases: Iterable[Release], now: datetime) -> tuple[OddTimes, ...]:
    """Tell apart what the gateway's audit counts as ``inconsistent_timestamps``, the gravest kind first.

    Each row is told once, so that the kinds add up to what is counted.

    Source: formats.md §1.4 and §2.2, observed.md §A; the spread of captured and published registries.
    """
    # what the rules of a release take for mended or lost is less than this, never more
    suspect = tasks.filter(_kind_expr().is_not_null())
    parts = [
        as_audited(rows, now, audit_rules(release) or AuditRules()).with_columns(_kind_expr().alias("kind"))
        for release, rows in rows_by_release(suspect, releases).items()
    ]
    if not parts:
        return ()
    odd = pl.concat(parts).filter(pl.col("kind").is_not_null()).with_columns(_by_ms_expr().alias("by_ms"))
    kinds = ((kind, odd.filter(pl.col("kind") == kind)) for kind in TimeOrder)
    return tuple(_told(kind, rows) for kind, rows in kinds if rows.height)


def _kind_expr() -> pl.Expr:
    """Name the gravest way in which the times of a row are out of order; null where they are in order."""
    is_long = pl.col("created_at") - pl.col("started_at") > CREATED_AFTER_START
    return (
        pl.when(is_active_ended_expr())
        .then(pl.lit(TimeOrder.ACTIVE_ENDED.value))
        .when(ends_early_expr())
        .then(pl.lit(TimeOrder.END_BEFORE_START.value))
        .when(starts_early_expr() & is_long)
        .then(pl.lit(TimeOrder.START_LONG_BEFORE_CREATION.value))
        .when(starts_early_expr())
        .then(pl.lit(TimeOrder.START_BEFORE_CREATION.value))
    )


def _by_ms_expr() -> pl.Expr:
    early, backward = pl.col("created_at") - pl.col("started_at"), pl.col("started_at") - pl.col("ended_at")
    kind = pl.col("kind")
    by = pl.when(kind == TimeOrder.END_BEFORE_START).then(backward).when(kind != TimeOrder.ACTIVE_ENDED).then(early)
    return by.dt.total_milliseconds()


def _told(kind: TimeOrder, rows: pl.DataFrame) -> OddTimes:
    """Give the figures of one kind; a time that is printed in whole seconds measures nothing of milliseconds."""
    is_coarse = (pl.col("precision_ms") > 1).fill_null(value=False)
    by_ms = pl.col("by_ms").filter(~is_coarse)
    figures = rows.select(
        is_coarse.sum().alias("coarse"),
        by_ms.min().alias("least_ms"),
        by_ms.median().alias("median_ms"),
        by_ms.max().alias("most_ms"),
    ).row(0, named=True)
    named = rows.sort("by_ms", *_PLACE[:4], descending=[True, *[False] * 4], nulls_last=True).head(ODD_ROWS_NAMED)
    is_harmless = kind is TimeOrder.START_BEFORE_CREATION
    places = () if is_harmless else tuple(OddRow(*row) for row in named.select(_PLACE).iter_rows())
    return OddTimes(kind=kind, rows=rows.height, named=places, **figures)
