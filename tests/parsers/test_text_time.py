"""When a line of text was said: zones, years, days, nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dateutil import tz

from forensics.parsers.timestamps import from_epoch, offset_between, wall_clock, written_offset
from tests.parsers import text_shapes as shapes
from tests.parsers.shapes import START_MS, assert_balance, at, codes, noted_lines
from tests.parsers.test_text_log import BERLIN, DATED, STOP, console, events_of, kinds, of_systemd, read, times, written
from tests.parsers.text_shapes import Said

STARTED = "Started OpenClaw Gateway."
UTC_PLUS_8 = tz.gettz("Asia/Shanghai")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def utc_time(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def journal(stamp: str, text: str = "[gateway] ready") -> str:
    return shapes.journal(stamp, text)


def clock_lines(*stamps: str, text: str = "ready") -> list[str]:
    return [f"{stamp} [gateway] {text}\n" for stamp in stamps]


# zones


def test_an_own_stamp_with_an_offset_tells_the_zone_of_the_journal_around_it(tmp_path: Path) -> None:
    said = Said("gateway", "gateway ready", START_MS)
    parsed = read(
        written(tmp_path, shapes.short_with_own_stamp(said, 8), of_systemd_in(8, START_MS + 60_000)), zone=BERLIN
    )
    assert times(parsed) == [at(START_MS), at(START_MS + 60_000)]
    assert events_of(parsed)["precision_ms"].to_list() == [1, 1000]
    assert (
        parsed.timezone == "UTC from stamps with offset +08:00; local stamps +08:00, as other stamps of this file say"
    )
    assert not parsed.zone_is_assumed


def of_systemd_in(hours: int, ms: int, text: str = STARTED) -> str:
    return f"{shapes.clock(ms, hours):%b %d %H:%M:%S} host systemd[812]: {text}\n"


def test_an_own_stamp_in_utc_tells_the_zone_of_the_journal_too(tmp_path: Path) -> None:
    inner = f"{at(START_MS):%Y-%m-%dT%H:%M:%S.000Z} [gateway] ready"
    line = journal(f"{shapes.clock(START_MS, -7):%b %d %H:%M:%S}", inner)
    parsed = read(written(tmp_path, line, of_systemd_in(-7, START_MS + 60_000)))
    assert times(parsed) == [at(START_MS), at(START_MS + 60_000)]
    assert parsed.offsets == [(at(START_MS), timedelta(hours=-7))]


def test_offsets_of_other_files_go_before_the_zone_of_this_machine(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS), 8))
    parsed = read(path, name=DATED, offsets=[(at(START_MS - HOUR_MS), timedelta(hours=8))], host_zone=BERLIN)
    assert times(parsed) == [at(START_MS)]
    assert parsed.timezone == "local stamps +08:00, as other files of this evidence say"
    assert not parsed.zone_is_assumed


@pytest.mark.parametrize("away", [timedelta(days=20), timedelta(days=-20), timedelta(hours=2), timedelta(hours=-2)])
def test_an_offset_of_another_season_is_an_assumption(tmp_path: Path, away: timedelta) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS), 8))
    stated = [(at(START_MS) + away, timedelta(hours=8))]
    parsed = read(path, name=DATED, offsets=stated)
    assert times(parsed) == [at(START_MS)]
    assert parsed.zone_is_assumed
    assert codes(parsed) == ["zone_assumed"]
    given = read(path, name=DATED, offsets=stated, zone=UTC_PLUS_8)
    assert (times(given), given.zone_is_assumed, codes(given)) == ([at(START_MS)], False, [])


def test_between_offsets_that_agree_they_hold(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS), 8))
    around = [(at(START_MS) + away, timedelta(hours=8)) for away in (timedelta(days=-3), timedelta(days=3))]
    parsed = read(path, name=DATED, offsets=around)
    assert times(parsed) == [at(START_MS)]
    assert not parsed.zone_is_assumed


def test_between_offsets_of_different_seasons_clocks_may_have_been_changed_and_changed_back(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS), 8))
    around = [(at(START_MS) + away, timedelta(hours=8)) for away in (timedelta(days=-90), timedelta(days=90))]
    assert read(path, name=DATED, offsets=around).zone_is_assumed


def test_an_hour_of_winter_is_not_read_with_the_offset_of_the_summer_before(tmp_path: Path) -> None:
    """A file log ends on 31 October, clocks go back in the night to 1 November, a console begins on the 3rd."""
    summer = [(utc_time(2026, 10, 30, 10), timedelta(hours=-4)), (utc_time(2026, 10, 31, 15), timedelta(hours=-4))]
    path = written(tmp_path, naive("2026-11-03T09:30:00.000"))
    parsed = read(path, offsets=summer)
    assert (parsed.zone_is_assumed, codes(parsed)) == (True, ["zone_assumed"])
    given = read(path, offsets=summer, zone=tz.gettz("America/New_York"))
    assert (times(given), given.zone_is_assumed) == ([utc_time(2026, 11, 3, 14, 30)], False)


def test_offsets_that_disagree_prove_nothing_in_between(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS), 2))
    around = [(at(START_MS) + timedelta(days=days), timedelta(hours=hours)) for days, hours in ((-3, 1), (3, 2))]
    assert read(path, name=DATED, offsets=around).zone_is_assumed
    refuted = read(path, name=DATED, offsets=around, zone=BERLIN)
    assert (times(refuted), refuted.zone_is_assumed) == ([at(START_MS)], True)
    assert refuted.timezone is not None
    assert "as given, but stamps with an offset say otherwise: assumed" in refuted.timezone


def test_the_given_zone_goes_before_that_of_this_machine(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS), 8))
    parsed = read(path, name=DATED, zone=UTC_PLUS_8, host_zone=BERLIN)
    assert times(parsed) == [at(START_MS)]
    assert parsed.timezone is not None
    assert parsed.timezone.endswith(", as given")
    assert codes(parsed) == []


def test_a_given_zone_that_is_confirmed_knows_of_summer_time(tmp_path: Path) -> None:
    winter = shapes.short_with_own_stamp(Said("gateway", "gateway ready", START_MS - 30 * DAY_MS), 1)
    summer = of_systemd_in(2, START_MS)
    assert times(read(written(tmp_path, winter, summer), zone=BERLIN))[1] == at(START_MS)


def test_the_zone_of_this_machine_is_an_assumption_and_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short(Said("gateway", "gateway ready", START_MS)))
    parsed = read(path, name=DATED, host_zone=BERLIN)
    assert times(parsed) == [at(START_MS)]
    assert parsed.zone_is_assumed
    assert codes(parsed) == ["zone_assumed"]
    assert parsed.timezone is not None
    assert "the zone of this machine: assumed" in parsed.timezone


def test_stamps_with_an_offset_need_no_zone(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, console("gateway ready")), zone=UTC_PLUS_8, host_zone=UTC_PLUS_8)
    assert times(parsed) == [at(START_MS)]
    assert (parsed.zone_is_assumed, parsed.timezone) == (False, "UTC from stamps with offset +02:00")


def test_a_z_behind_a_local_time_is_noted_and_the_other_stamp_used(tmp_path: Path) -> None:
    def wrong(ms: int, message: str) -> str:
        return f"{shapes.nanoseconds(ms)} {shapes.clock(ms, 8):%Y-%m-%dT%H:%M:%S.000Z} [gateway] {message}\n"

    parsed = read(written(tmp_path, wrong(START_MS, "ready"), wrong(START_MS + 9_000, STOP)))
    assert times(parsed) == [at(START_MS), at(START_MS + 9_000)]
    assert noted_lines(parsed, "contradicted_stamp") == [1, 2]


def test_hour_24_is_the_first_hour_of_the_day_it_names(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, "2026-04-17T24:05:00.000+02:00 [gateway] ready\n"))
    assert times(parsed) == [utc_time(2026, 4, 16, 22, 5)]


# years


@pytest.mark.parametrize(
    ("name", "year"), [("journal-2026-04-17.txt", 2026), ("journal_20250420.log", 2025), ("2025.04.17 journal", 2025)]
)
def test_the_year_is_that_of_the_files_name(tmp_path: Path, name: str, year: int) -> None:
    parsed = read(written(tmp_path, journal("Apr 17 07:40:44")), name=name, zone=UTC)
    assert times(parsed) == [utc_time(year, 4, 17, 7, 40, 44)]
    assert codes(parsed) == []


def test_the_year_is_that_of_a_full_stamp_in_the_file(tmp_path: Path) -> None:
    full = shapes.short_with_own_stamp(Said("gateway", "gateway ready", START_MS))
    parsed = read(written(tmp_path, of_systemd(START_MS - 9_000, STARTED), full), modified_at=utc_time(2031, 1, 1))
    assert times(parsed) == [at(START_MS - 9_000), at(START_MS)]
    assert codes(parsed) == []


def test_the_year_is_at_last_that_in_which_the_file_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, journal("Dec 30 07:40:44"), journal("Jan 02 07:40:44"))
    parsed = read(path, modified_at=utc_time(2026, 3, 1), zone=UTC)
    assert times(parsed) == [utc_time(2025, 12, 30, 7, 40, 44), utc_time(2026, 1, 2, 7, 40, 44)]
    assert codes(parsed) == ["year_assumed"]
    assert parsed.zone_is_assumed, "a copy may have been written in any later year"
    assert parsed.timezone is not None
    assert parsed.timezone.endswith("the year assumed from when the file was last written")
    assert times(read(path, modified_at=utc_time(2026, 1, 1), zone=UTC))[1] == utc_time(2025, 1, 2, 7, 40, 44)


def test_new_year_between_two_lines_is_told_by_the_lines_between(tmp_path: Path) -> None:
    lines = [journal("Nov 30 07:40:44"), *(journal(f"{day} 00:00:00", "[ws] x") for day in ("Dec 31", "Jan 01"))]
    parsed = read(written(tmp_path, *lines, journal("Dec 01 00:00:00")), name="from-2025-11-30.txt", zone=UTC)
    assert times(parsed) == [utc_time(2025, 11, 30, 7, 40, 44), utc_time(2026, 12, 1)]


def test_29_february_needs_a_leap_year(tmp_path: Path) -> None:
    path = written(tmp_path, journal("Feb 29 07:40:44"))
    assert times(read(path, modified_at=utc_time(2026, 3, 1), zone=UTC)) == [utc_time(2024, 2, 29, 7, 40, 44)]


def test_without_any_year_the_journal_proves_nothing(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, journal("Apr 17 07:40:44")))
    assert kinds(parsed) == []
    assert parsed.unusable == "nothing tells on which day its lines were written"
    assert noted_lines(parsed, "no_date") == [1]
    assert_balance(parsed, records=0, rejected=1)


# days


def test_bare_clock_times_count_on_from_the_date_in_the_name(tmp_path: Path) -> None:
    lines = clock_lines("22:10:00", "23:59:59", "00:00:01", "12:00:00", "03:00:00")
    parsed = read(written(tmp_path, *lines), name="openclaw-2026-04-26.log", zone=UTC)
    days = [(26, 22, 10, 0), (26, 23, 59, 59), (27, 0, 0, 1), (27, 12, 0, 0), (28, 3, 0, 0)]
    assert times(parsed) == [utc_time(2026, 4, *day) for day in days]
    assert [(note["code"], note["level"]) for note in parsed.notices.rows] == [("date_from_name", "info")]
    assert set(events_of(parsed)["precision_ms"].to_list()) == {1000}


def test_midnights_are_counted_over_lines_that_say_nothing(tmp_path: Path) -> None:
    quiet = [f"{clock} [ws] x\n" for clock in ("12:03:11", "00:10:57", "12:07:31", "00:19:02", "12:01:40")]
    lines = [*clock_lines("10:00:00"), *quiet, *clock_lines("20:00:00")]
    assert times(read(written(tmp_path, *lines), name=DATED, zone=UTC))[1] == utc_time(2026, 4, 19, 20)


def test_a_clock_that_is_a_little_behind_has_not_passed_midnight(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, *clock_lines("10:00:10", "10:00:08")), name=DATED, zone=UTC)
    assert times(parsed)[1] == utc_time(2026, 4, 17, 10, 0, 8)
    assert noted_lines(parsed, "clock_stepped_back") == [2]


def test_the_path_of_the_log_in_a_start_up_line_tells_the_day(tmp_path: Path) -> None:
    def start(clock: str, day: str) -> list[str]:
        path = f"/tmp/openclaw/openclaw-2026-04-{day}.log"  # noqa: S108
        return [
            f"{clock}:00 [gateway] loading configuration…\n",
            f"{clock}:20 [gateway] log file: {path}\n",
            f"{clock}:21 [gateway] ready\n",
        ]

    stop = f"22:00:00 [gateway] {STOP}\n"
    parsed = read(written(tmp_path, *start("08:00", "17"), stop, *start("09:00", "20")), zone=UTC)
    assert [(moment.day, moment.hour) for moment in times(parsed)] == [(17, 8), (17, 8), (20, 9), (20, 9)]
    assert noted_lines(parsed, "no_date") == [4]
    assert parsed.unusable == "nothing tells on which day some of its starts and stops were"
    whole = read(written(tmp_path, *start("08:00", "17"), stop, *start("09:00", "18")), zone=UTC)
    assert [(moment.day, moment.hour) for moment in times(whole)] == [(17, 8), (17, 8), (17, 22), (18, 9), (18, 9)]
    assert whole.unusable is None


def test_a_full_stamp_in_the_file_tells_the_day(tmp_path: Path) -> None:
    lines = [console("gateway ready", START_MS, 2), *clock_lines("10:00:00", "01:00:00")]
    assert times(read(written(tmp_path, *lines)))[1:] == [utc_time(2026, 4, 17, 8), utc_time(2026, 4, 17, 23)]


def test_digits_of_other_scripts_are_no_clock(tmp_path: Path) -> None:
    lines = [
        *clock_lines("10:00:00", "10:00:00"),
        "11:00:0\u0660 [gateway] ready\n",
        "Apr 1\u0667 07:40:44 host node[1]: x\n",
    ]
    assert times(read(written(tmp_path, *lines), name=DATED, zone=UTC)) == [utc_time(2026, 4, 17, 10)] * 2


def test_without_any_date_bare_clock_times_prove_nothing(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, *clock_lines("03:49:01", "03:54:49")), modified_at=utc_time(2026, 4, 17))
    assert kinds(parsed) == []
    assert noted_lines(parsed, "no_date") == [1, 2]
    assert parsed.unusable == "nothing tells on which day its lines were written"
    assert_balance(parsed, records=0, rejected=2)


def test_bare_clock_times_in_a_container_log_need_no_date(tmp_path: Path) -> None:
    line = f"{shapes.nanoseconds(START_MS)} {shapes.pretty(Said('gateway', 'gateway ready', START_MS))}"
    assert times(read(written(tmp_path, line))) == [at(START_MS)]


def test_stamps_of_two_clocks_in_one_file_prove_nothing(tmp_path: Path) -> None:
    lines = [*clock_lines("14:41:33"), *clock_lines("06:41:35", text="x"), *clock_lines("14:41:36")]
    parsed = read(written(tmp_path, *lines), name=DATED, zone=UTC)
    assert noted_lines(parsed, "mixed_stamps") == [2]
    assert parsed.unusable == "its stamps are of two clocks, so that its lines cannot be put in order"


# nights on which clocks change


def naive(stamp: str, text: str = "ready") -> str:
    return f"{stamp} [gateway] {text}\n"


def test_an_hour_that_comes_twice_is_told_by_the_order_of_the_lines(tmp_path: Path) -> None:
    stamps = [
        "2026-10-25T02:10:00.000",
        "2026-10-25T02:50:00.000",
        "2026-10-25T02:20:00.000",
        "2026-10-25T02:55:00.000",
    ]
    parsed = read(written(tmp_path, *map(naive, stamps)), zone=BERLIN)
    assert parsed.form == "console without offset"
    assert times(parsed) == [
        *(utc_time(2026, 10, 25, 0, minute) for minute in (10, 50)),
        *(utc_time(2026, 10, 25, 1, minute) for minute in (20, 55)),
    ]
    assert noted_lines(parsed, "ambiguous_time") == [1, 2, 3, 4]
    assert parsed.unusable is None


def test_lines_that_say_nothing_tell_that_the_hour_came_again(tmp_path: Path) -> None:
    lines = [naive("2026-10-25T02:10:00"), naive("2026-10-25T02:50:00", "x"), naive("2026-10-25T02:05:00", "x")]
    parsed = read(written(tmp_path, *lines, naive("2026-10-25T02:20:00")), zone=BERLIN)
    assert times(parsed) == [utc_time(2026, 10, 25, 0, 10), utc_time(2026, 10, 25, 1, 20)]


def test_a_time_that_never_was_is_noted(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, naive("2026-03-29T02:30:00.000")), zone=BERLIN)
    assert times(parsed) == [utc_time(2026, 3, 29, 1, 30)]
    assert noted_lines(parsed, "impossible_time") == [1]


# numbers and parts


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("1776411644.123456", "seconds"),
        ("1776411644123", "milliseconds"),
        ("1776411644123456", "microseconds"),
        ("1776411644123456789", "nanoseconds"),
    ],
)
def test_epoch_numbers_of_every_unit_are_told_by_their_size(text: str, unit: str) -> None:
    assert from_epoch(text) == (at(1_776_411_644_123), unit)


@pytest.mark.parametrize(
    "text", [None, 17, "", "17764116", "99999999999", "1776411644x", "-1776411644", "1e9", "9" * 40]
)
def test_other_numbers_have_no_time(text: object) -> None:
    assert from_epoch(text) is None


@pytest.mark.parametrize("text", [None, 7, "", "2026-13-01T00:00:00", "2026-02-29T00:00:00", "T24:", "x" * 50])
def test_what_is_no_date_and_time_shows_no_clock(text: object) -> None:
    assert wall_clock(text) is None


def test_an_offset_is_a_whole_number_of_quarter_hours() -> None:
    shown = datetime(2026, 4, 17, 13, 10, 44)  # noqa: DTZ001
    assert offset_between(shown, at(START_MS)) == timedelta(hours=5, minutes=30)
    assert offset_between(shown + timedelta(minutes=7), at(START_MS)) is None
    assert offset_between(shown + timedelta(days=1), at(START_MS)) is None


@pytest.mark.parametrize(
    ("text", "hours"), [("07:40+08:00", 8), ("07:40-0330", -3.5), ("07:40Z", None), ("07:40", None), (None, None)]
)
def test_the_offset_behind_a_stamp(text: object, hours: float | None) -> None:
    assert written_offset(text) == (None if hours is None else timedelta(hours=hours))
