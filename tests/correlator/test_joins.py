"""Time joins keep every left row exactly once, whatever lies on the right."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.correlator.joins import first_after, latest_before, with_count_between
from forensics.model.schemas import TIME
from tests.support.scenario import DAY

_GROUPS = st.sampled_from(["a", "b", None])
_MOMENTS = st.none() | st.integers(-3, 12)
_ROWS = st.lists(st.tuples(_GROUPS, _MOMENTS), max_size=12)
Rows = list[tuple[str | None, int | None]]


def frame(rows: Rows, column: str) -> pl.DataFrame:
    moments = [None if moment is None else DAY + timedelta(milliseconds=moment) for _, moment in rows]
    return pl.DataFrame(
        {"group": [group for group, _ in rows], column: moments}, schema={"group": pl.String, column: TIME}
    )


def expected(left: Rows, right: Rows, *, forward: bool, strict: bool) -> list[int | None]:
    """Give what the definition says, row by row."""
    told: list[int | None] = []
    for group, moment in left:
        found = [m for g, m in right if g == group and group is not None and m is not None and moment is not None]
        if moment is None:
            told.append(None)
        elif forward:
            told.append(min((m for m in found if m > moment or (m == moment and not strict)), default=None))
        else:
            told.append(max((m for m in found if m < moment or (m == moment and not strict)), default=None))
    return told


@given(_ROWS, _ROWS, st.booleans(), st.booleans())
def test_a_time_join_finds_the_nearest_of_its_group_for_each_left_row(
    left: Rows, right: Rows, forward: bool, strict: bool
) -> None:
    join = first_after if forward else latest_before
    lefts = frame(left, "at").with_row_index("row")
    joined = join(lefts, frame(right, "found"), left_on="at", right_on="found", by=["group"], strict=strict)
    assert joined["row"].to_list() == list(range(len(left)))
    found = ((joined["found"].dt.epoch("ms")) - int(DAY.timestamp() * 1000)).to_list()
    assert found == expected(left, right, forward=forward, strict=strict)


@given(_ROWS, _ROWS, st.integers(-2, 5), st.integers(-2, 5))
def test_a_count_is_that_of_the_right_rows_of_the_group_from_the_first_to_the_last_moment(
    left: Rows, right: Rows, before: int, after: int
) -> None:
    lefts, rights = frame(left, "at").with_row_index("row"), frame(right, "other")
    at = pl.col("at")
    first, last = at - timedelta(milliseconds=before), at + timedelta(milliseconds=max(after, -before))
    counted = with_count_between(lefts, rights, first=first, last=last, right_on="other", by=["group"])
    wanted = [
        sum(
            its_group == group and its_moment is not None and -before <= its_moment - moment <= max(after, -before)
            for its_group, its_moment in right
        )
        if group is not None and moment is not None
        else 0
        for group, moment in left
    ]
    assert counted["row"].to_list() == list(range(len(left)))
    assert counted["between"].to_list() == wanted


@pytest.mark.parametrize("join", [first_after, latest_before])
def test_a_time_join_with_nothing_on_either_side_is_empty_but_typed(join: object) -> None:
    assert callable(join)
    left, nothing = frame([("a", 1)], "at").with_row_index("row"), frame([], "found")
    assert join(left, nothing, left_on="at", right_on="found", by=["group"])["found"].to_list() == [None]
    assert join(left.clear(), nothing, left_on="at", right_on="found", by=["group"]).is_empty()
