"""When would a job have run anyway?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from forensics.correlator.schedules import with_next_slot
from forensics.model.schemas import JOBS, TIME, frame_of

_SCHEMA = {name: JOBS[name] for name in ("schedule_kind", "schedule_expr", "schedule_tz", "every_ms", "anchor_at")}


def next_slot(ready: datetime, **schedule: Any) -> tuple[bool, datetime | None]:
    row = {f"schedule_{name}" if name in ("kind", "expr", "tz") else name: value for name, value in schedule.items()}
    told = with_next_slot(frame_of([row | {"ready_at": ready}], _SCHEMA | {"ready_at": TIME}))
    known, slot = told.select("has_schedule", "next_slot").row(0)
    return known, slot


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


NOON = utc(2026, 4, 17, 12)


def cron(expression: str, zone: str | None, ready: datetime) -> datetime | None:
    known, slot = next_slot(ready, kind="cron", expr=expression, tz=zone)
    assert known
    return slot


def test_the_next_slot_is_strictly_after_ready() -> None:
    assert cron("0 12 * * *", "UTC", NOON) == utc(2026, 4, 18, 12)
    assert cron("0 12 * * *", "UTC", utc(2026, 4, 17, 11, 59, 59)) == NOON


def test_slots_follow_the_zone_of_the_job() -> None:
    assert cron("0 9 * * *", "Europe/Berlin", NOON) == utc(2026, 4, 18, 7)
    assert cron("0 9 * * *", "Asia/Tokyo", NOON) == utc(2026, 4, 18, 0)
    assert cron("30 8 * * *", "Asia/Kolkata", NOON) == utc(2026, 4, 18, 3)


def test_slots_follow_daylight_saving_time() -> None:
    before, after = utc(2026, 3, 28, 12), utc(2026, 3, 29, 12)
    assert cron("0 9 * * *", "Europe/Berlin", utc(2026, 3, 27, 12)) == utc(2026, 3, 28, 8)
    assert cron("0 9 * * *", "Europe/Berlin", before) == utc(2026, 3, 29, 7)
    assert cron("0 9 * * *", "Europe/Berlin", after) == utc(2026, 3, 30, 7)
    assert cron("0 9 * * *", "Europe/Berlin", utc(2026, 10, 24, 12)) == utc(2026, 10, 25, 8)


def test_a_slot_in_the_hour_that_is_left_out_is_not_lost() -> None:
    slot = cron("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 12))
    assert slot is not None
    assert utc(2026, 3, 29, 1) <= slot <= utc(2026, 3, 30, 0, 30)


def test_an_expression_of_minutes_alone_needs_no_zone() -> None:
    assert cron("*/10 * * * *", None, utc(2026, 4, 17, 12, 3)) == utc(2026, 4, 17, 12, 10)


def test_an_expression_with_seconds_is_understood() -> None:
    assert cron("*/15 * * * * *", "UTC", utc(2026, 4, 17, 12, 0, 1)) == utc(2026, 4, 17, 12, 0, 15)


@pytest.mark.parametrize("zone", [None, ""])
def test_an_expression_of_hours_without_a_zone_is_no_known_schedule(zone: str | None) -> None:
    assert next_slot(NOON, kind="cron", expr="0 9 * * *", tz=zone) == (False, None)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "America", "\x00", "/etc/localtime"])
def test_a_zone_that_does_not_exist_makes_the_schedule_unknown(zone: str) -> None:
    assert next_slot(NOON, kind="cron", expr="0 9 * * *", tz=zone) == (False, None)


@pytest.mark.parametrize("expression", ["", "nonsense", "61 * * * *", "* * *", "@daily", "0 0 31 2 *", "9" * 400])
def test_an_expression_that_says_nothing_makes_the_schedule_unknown(expression: str) -> None:
    assert next_slot(NOON, kind="cron", expr=expression, tz="UTC") == (False, None)


def test_a_repetition_is_counted_from_its_anchor() -> None:
    every = {"kind": "every", "every_ms": 3_600_000}
    assert next_slot(NOON, **every, anchor_at=utc(2026, 4, 1, 0, 20)) == (True, utc(2026, 4, 17, 12, 20))
    assert next_slot(NOON, **every, anchor_at=utc(2026, 4, 1)) == (True, utc(2026, 4, 17, 13))


def test_a_repetition_without_an_anchor_has_no_known_slot() -> None:
    assert next_slot(NOON, kind="every", every_ms=3_600_000) == (False, None)


@pytest.mark.parametrize("every_ms", [None, 0])
def test_a_repetition_without_a_length_has_no_known_slot(every_ms: int | None) -> None:
    assert next_slot(NOON, kind="every", every_ms=every_ms, anchor_at=NOON) == (False, None)


@pytest.mark.parametrize("every_ms", [2**53 - 1, 10**15])
def test_a_repetition_beyond_all_calendars_breaks_nothing(every_ms: int) -> None:
    assert next_slot(NOON, kind="every", every_ms=every_ms, anchor_at=utc(2026, 4, 1)) == (False, None)


def test_a_one_shot_job_has_one_slot_and_then_none() -> None:
    assert next_slot(NOON, kind="at", anchor_at=utc(2026, 4, 17, 13)) == (True, utc(2026, 4, 17, 13))
    assert next_slot(NOON, kind="at", anchor_at=utc(2026, 4, 17, 11)) == (True, None)
    assert next_slot(NOON, kind="at", anchor_at=None) == (False, None)


@pytest.mark.parametrize("kind", [None, "on-demand"])
def test_a_schedule_of_another_kind_is_unknown(kind: str | None) -> None:
    assert next_slot(NOON, kind=kind, expr="0 9 * * *", every_ms=1000, anchor_at=NOON) == (False, None)


def test_rows_keep_their_number_and_order() -> None:
    rows = [{"schedule_kind": "at", "anchor_at": NOON, "ready_at": ready} for ready in (None, NOON, None, NOON)]
    told = with_next_slot(frame_of(rows, _SCHEMA | {"ready_at": TIME}).with_row_index("row"))
    assert told.sort("row")["ready_at"].to_list() == [None, NOON, None, NOON]
    assert told.filter(pl.col("ready_at").is_null())["has_schedule"].null_count() == 2
