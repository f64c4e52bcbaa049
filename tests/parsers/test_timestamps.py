from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.parsers.timestamps import EARLIEST_MS, LATEST_MS, from_epoch_ms, from_iso, offset_of
from tests.parsers.shapes import at


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (EARLIEST_MS, datetime(2010, 1, 1, tzinfo=UTC)),
        (LATEST_MS - 1, datetime(2099, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (1_776_411_644_123, datetime(2026, 4, 17, 7, 40, 44, 123_000, tzinfo=UTC)),
        (1_776_411_644_123.9, datetime(2026, 4, 17, 7, 40, 44, 123_000, tzinfo=UTC)),
    ],
)
def test_epoch_milliseconds_become_utc_times(value: float, expected: datetime) -> None:
    assert from_epoch_ms(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "1776411644000", b"1776411644000", [], {}),
        *(0, -1, EARLIEST_MS - 1, LATEST_MS, 10**40, -(10**40)),
        *(float("nan"), float("inf"), float("-inf"), 1e308),
    ],
)
def test_what_is_no_epoch_millisecond_has_no_time(value: object) -> None:
    assert from_epoch_ms(value) is None


@pytest.mark.parametrize("seconds", [1_776_411_644, 1_776_411_644.5])
def test_seconds_never_pass_for_milliseconds(seconds: float) -> None:
    assert from_epoch_ms(seconds) is None


def test_microseconds_never_pass_for_milliseconds() -> None:
    assert from_epoch_ms(1_776_411_644_000_000) is None


@given(st.integers(EARLIEST_MS, LATEST_MS - 1))
def test_every_epoch_millisecond_in_range_is_kept_exactly(ms: int) -> None:
    stamp = from_epoch_ms(ms)
    assert stamp is not None
    assert round(stamp.timestamp() * 1000) == ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-17T07:40:44.169Z", datetime(2026, 4, 17, 7, 40, 44, 169_000, tzinfo=UTC)),
        ("2026-04-17T07:40:44.169+00:00", datetime(2026, 4, 17, 7, 40, 44, 169_000, tzinfo=UTC)),
        ("2026-04-17T00:40:44.169-07:00", datetime(2026, 4, 17, 7, 40, 44, 169_000, tzinfo=UTC)),
        ("2026-04-17T13:10:44+0530", datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC)),
        ("2026-04-17T07:40:44.169999Z", datetime(2026, 4, 17, 7, 40, 44, 169_000, tzinfo=UTC)),
    ],
)
def test_iso_stamps_with_a_zone_become_utc_times(text: str, expected: datetime) -> None:
    assert from_iso(text) == expected


def test_hour_24_is_the_first_hour_of_the_day_it_names() -> None:
    assert (
        from_iso("2026-04-17T24:05:00.000+02:00") == from_iso("2026-04-17T00:05:00.000+02:00") == at(1_776_377_100_000)
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-04-17T07:40:44", "2026-04-17", "07:40:44", "yesterday", "2026-13-17T07:40:44Z"),
        *("2026-04-17T25:40:44Z", "1969-04-17T07:40:44Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *("2026-04-17T07:40:44+99:99", "2026-04-17T07:40:44Z" + " " * 30, "２０２６-04-17T07:40:44Z", "\ud800", "T24:"),
        *(None, 1_776_411_644_000, ["2026-04-17T07:40:44Z"]),
    ],
)
def test_what_is_no_iso_stamp_with_a_zone_has_no_time(text: object) -> None:
    assert from_iso(text) is None


@given(st.text(max_size=45) | st.from_regex(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"))
def test_no_text_makes_reading_a_stamp_fail(text: str) -> None:
    stamp = from_iso(text)
    assert stamp is None or at(EARLIEST_MS) <= stamp < at(LATEST_MS)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2026-04-17T07:40:44.000-07:00", "-07:00"),
        ("2026-04-17T07:40:44Z", "Z"),
        ("2026-04-17T07:40:44", None),
        ("", None),
        (17, None),
        (None, None),
    ],
)
def test_the_offset_is_given_as_written(text: object, offset: str | None) -> None:
    assert offset_of(text) == offset
