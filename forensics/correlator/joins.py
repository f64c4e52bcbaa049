"""Time joins that keep every left row exactly once. All of them cost a sort, never a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
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


def near_pairs(
    left: pl.DataFrame, right: pl.DataFrame, *, left_on: str, right_on: str, by: Sequence[str], within: timedelta
) -> pl.DataFrame:
    """Pair left and right rows of a group whose times lie within a span; each pair once, both sides may repeat."""
    width_ms = max(int(within / timedelta(milliseconds=1)), 1)
    bucket = "_bucket"
    spread = pl.concat_list([pl.col(right_on).dt.epoch("ms") // width_ms + step for step in (-1, 0, 1)])
    lefts = left.filter(pl.col(left_on).is_not_null()).with_columns(
        (pl.col(left_on).dt.epoch("ms") // width_ms).alias(bucket)
    )
    rights = right.filter(pl.col(right_on).is_not_null()).with_columns(spread.alias(bucket)).explode(bucket)
    # n:m within a bucket; the filter leaves exactly the pairs within the span
    pairs = lefts.join(rights, on=[*by, bucket], how="inner")
    return pairs.filter((pl.col(left_on) - pl.col(right_on)).abs() <= within).drop(bucket)


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
