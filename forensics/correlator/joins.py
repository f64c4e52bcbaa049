"""Time joins that keep every left row exactly once. All of them cost a sort, never a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from forensics.model.schemas import TIME

NEVER = pl.lit(4_102_444_800_000, pl.Int64).cast(TIME)
"""A time after all others (2100-01-01), for what has not happened."""

ROW = "row"
"""The column that numbers the rows of a left frame; every join here keeps the left rows and their order."""


def latest_before(
    left: pl.DataFrame, right: pl.DataFrame, *, left_on: str, right_on: str, by: Sequence[str], strict: bool = False
) -> pl.DataFrame:
    """Join each left row with the last right row of its group that is not later (``strict``: earlier)."""
    return _nearest(left, right, left_on, right_on, by, "backward", strict=strict)


def first_after(
    left: pl.DataFrame, right: pl.DataFrame, *, left_on: str, right_on: str, by: Sequence[str], strict: bool = False
) -> pl.DataFrame:
    """Join each left row with the first right row of its group that is not earlier (``strict``: later)."""
    return _nearest(left, right, left_on, right_on, by, "forward", strict=strict)


def with_count_between(
    left: pl.DataFrame, right: pl.DataFrame, *, first: pl.Expr, last: pl.Expr, right_on: str, by: Sequence[str]
) -> pl.DataFrame:
    """Add ``between``: how many right rows of its group lie from ``first`` to ``last``, times of a left row.

    Both bounds count as within. The pairs themselves are never made: where many rows of one job share a moment with
    many records, they would be the one times the other.
    """
    if left.is_empty():
        return left.with_columns(pl.lit(0, pl.Int64).alias("between"))
    upto = (
        right.filter(pl.col(right_on).is_not_null())
        .group_by(*by, pl.col(right_on).alias("counted_at"))
        .len()
        .sort(*by, "counted_at")
        .select(*by, "counted_at", pl.col("len").cast(pl.Int64).cum_sum().over(by).alias("upto"))
    )
    probed = left.select(ROW, *by, first.alias("first"), last.alias("last"))
    until = latest_before(probed, upto, left_on="last", right_on="counted_at", by=by)
    before = latest_before(probed, upto, left_on="first", right_on="counted_at", by=by, strict=True)
    counted = until.select(ROW, pl.col("upto").fill_null(0).alias("between")).with_columns(
        pl.col("between") - before["upto"].fill_null(0)
    )
    return left.join(counted, on=ROW, how="left", validate="1:1", maintain_order="left")


def _nearest(
    left: pl.DataFrame,
    right: pl.DataFrame,
    left_on: str,
    right_on: str,
    by: Sequence[str],
    strategy: Literal["backward", "forward"],
    *,
    strict: bool,
) -> pl.DataFrame:
    known = pl.all_horizontal(pl.col([left_on, *by]).is_not_null())
    joined = (
        left.filter(known)
        .sort(left_on)
        .join_asof(
            right.filter(pl.col(right_on).is_not_null()).sort(right_on, maintain_order=True),
            left_on=left_on,
            right_on=right_on,
            by=list(by),
            strategy=strategy,
            allow_exact_matches=not strict,
            check_sortedness=False,
            coalesce=False,
        )
    )
    return pl.concat([joined, left.filter(~known)], how="diagonal").sort(ROW)
