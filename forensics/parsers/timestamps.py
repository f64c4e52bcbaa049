"""Stamps of every source as UTC milliseconds; nothing out of range ever gets through as a wrong time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from dateutil import parser as dateutil_parser

from forensics.model.policy import OFFSET_STEP, SISTER_STAMPS

EARLIEST_MS = 1_262_304_000_000
"""2010-01-01: no gateway existed before; a smaller number is seconds, a duration or damage."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01: a larger number is microseconds or damage."""

_HOUR_24 = re.compile(r"[T ]24:")
_LARGEST_OFFSET = timedelta(hours=14)
_LONGEST_STAMP = 40
_ISO_WITHOUT_OFFSET = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?", re.ASCII)
_NUMERIC_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)$", re.ASCII)
_LARGEST_EPOCH = LATEST_MS * 1_000_000
_PRINTED = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_UNITS = (("seconds", 1000, 1), ("milliseconds", 1, 1), ("microseconds", 1, 1000), ("nanoseconds", 1, 1_000_000))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_epoch_ms(value: object) -> datetime | None:
    """Give the time of an epoch-millisecond number, or None when it is no such number.

    >>> from_epoch_ms(1776411644000).isoformat()
    '2026-04-17T07:40:44+00:00'
    >>> from_epoch_ms(1776411644) is None, from_epoch_ms(True) is None, from_epoch_ms("1776411644000") is None
    (True, True, True)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not EARLIEST_MS <= value < LATEST_MS:
        return None
    return at_epoch_ms(int(value))


def at_epoch_ms(ms: int) -> datetime:
    """Give the time so many milliseconds after the epoch, whether or not a gateway can have been there."""
    return _EPOCH + timedelta(milliseconds=ms)


def from_iso(text: object) -> datetime | None:
    """Give the time of an ISO stamp with an offset or ``Z``; None for anything else.

    Some Node versions print hour 24 at midnight, with the new day's date (formats.md §4.2); it reads as 00.

    >>> from_iso("2026-04-17T24:05:00.250+02:00").isoformat()
    '2026-04-16T22:05:00.250000+00:00'
    >>> from_iso("2026-04-17T07:40:44") is None
    True
    """
    if not isinstance(text, str) or len(text) > _LONGEST_STAMP:
        return None
    try:
        parsed = dateutil_parser.isoparse(_HOUR_24.sub("T00:", text))
        stamp = parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    if stamp is None or not EARLIEST_MS <= _epoch_ms(stamp) < LATEST_MS:
        return None
    return stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)


class EpochUnit(StrEnum):
    """In what a number of the epoch counts."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"


_PER_SECOND = {
    EpochUnit.SECONDS: 1,
    EpochUnit.MILLISECONDS: 1_000,
    EpochUnit.MICROSECONDS: 1_000_000,
    EpochUnit.NANOSECONDS: 1_000_000_000,
}
_EPOCH_NUMBER = re.compile(r"\d{10,19}(?:\.\d{1,9})?", re.ASCII)


def from_epoch(text: object) -> tuple[datetime, EpochUnit] | None:
    """Give the time of an epoch number of any unit, told by its size, and that unit; None for any other text.

    >>> [from_epoch(text)[0].isoformat() for text in ("1776411644.25", "1776411644250", "1776411644250000")]
    ['2026-04-17T07:40:44.250000+00:00', '2026-04-17T07:40:44.250000+00:00', '2026-04-17T07:40:44.250000+00:00']
    >>> from_epoch("17764116442") is None
    True
    """
    if not isinstance(text, str) or not _EPOCH_NUMBER.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    for unit, per_second in _PER_SECOND.items():
        ms = int(whole) * 1000 // per_second
        if EARLIEST_MS <= ms < LATEST_MS:
            ms += int(fraction.ljust(3, "0")[:3]) if unit is EpochUnit.SECONDS and fraction else 0
            return _EPOCH + timedelta(milliseconds=ms), unit
    return None


def wall_clock(text: object) -> datetime | None:
    """Give what the clock showed by an ISO stamp, whatever offset is written behind it; None for anything else.

    >>> wall_clock("2026-04-17T24:05:00.250+02:00"), wall_clock("2026-04-17 07:40:44,5")
    (datetime.datetime(2026, 4, 17, 0, 5, 0, 250000), datetime.datetime(2026, 4, 17, 7, 40, 44, 500000))
    """
    match = _ISO_WITHOUT_OFFSET.match(text) if isinstance(text, str) and len(text) <= _LONGEST_STAMP else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[number]) for number in range(1, 7))
    try:
        return datetime(year, month, day, hour % 24, minute, second, int((match[7] or "").ljust(3, "0")[:3]) * 1000)  # noqa: DTZ001
    except ValueError:
        return None


def offset_between(shown: datetime, at: datetime) -> timedelta | None:
    """Give the offset from UTC of a clock that showed this at that moment; None where no offset explains it.

    >>> offset_between(datetime(2026, 4, 17, 9, 40, 44), datetime(2026, 4, 17, 7, 40, 43, tzinfo=UTC))
    datetime.timedelta(seconds=7200)
    """
    ahead = shown - at.astimezone(UTC).replace(tzinfo=None)
    steps = round(ahead / OFFSET_STEP)
    offset = steps * OFFSET_STEP
    is_offset = abs(offset) <= _LARGEST_OFFSET and abs(ahead - offset) <= SISTER_STAMPS
    return offset if is_offset else None


def written_offset(text: object) -> timedelta | None:
    """Give the offset from UTC that a stamp was written with; ``Z`` tells of no clock but UTC's own, and gives none.

    >>> written_offset("2026-04-17T07:40:44.000-07:00"), written_offset("2026-04-17T07:40:44Z")
    (datetime.timedelta(days=-1, seconds=61200), None)
    """
    match = _NUMERIC_OFFSET.search(text) if isinstance(text, str) else None
    if match is None:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return None if offset > _LARGEST_OFFSET else (-offset if match[1] == "-" else offset)


def as_offset(offset: timedelta) -> str:
    """Give an offset from UTC as it is written.

    >>> as_offset(timedelta(hours=-3, minutes=-30)), as_offset(timedelta(0))
    ('-03:30', '+00:00')
    """
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{'-' if offset < timedelta(0) else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def offset_of(text: object) -> str | None:
    """Give the UTC offset a stamp was written with, as written.

    >>> offset_of("2026-04-17T07:40:44.000-07:00"), offset_of("2026-04-17T07:40:44Z"), offset_of("07:40")
    ('-07:00', 'Z', None)
    """
    match = re.search(r"T[\d:.]+(Z|[+-]\d\d:?\d\d)$", text) if isinstance(text, str) else None
    return match.group(1) if match else None


def _epoch_ms(stamp: datetime) -> int:
    return (stamp - _EPOCH) // timedelta(milliseconds=1)


def epoch_ms_of_text(text: str, zone: tzinfo = UTC) -> tuple[int, int] | None:
    """Give the epoch millisecond of a printed time and its precision in milliseconds; None for anything else.

    ``zone`` is what a time without an offset is printed in. A time that this zone has twice, or never, is none.

    >>> epoch_ms_of_text("2026-04-17 02:32:26"), epoch_ms_of_text("2026-04-17T02:32:26.131Z")
    ((1776393146000, 1000), (1776393146131, 1))
    """
    match = _PRINTED.fullmatch(text.strip()) if len(text) < _LONGEST_STAMP else None
    if match is None:
        return None
    try:
        day = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4] or ''}")
    except ValueError:
        return None
    if day.tzinfo is None:
        day = day.replace(tzinfo=zone)
        if day.utcoffset() != day.replace(fold=1).utcoffset():
            return None
    milliseconds = int((match[3] or ".0")[1:4].ljust(3, "0"))
    stamp = _epoch_ms(day) + milliseconds
    return (stamp, 1 if match[3] else 1000) if EARLIEST_MS <= stamp < LATEST_MS else None


def scaled_epoch(number: float) -> tuple[int, int, str] | None:
    """Give the epoch millisecond of a number of any unit, its precision in milliseconds, and that unit.

    The ranges of the units do not overlap, so a number is of one unit only.

    >>> scaled_epoch(1776411644), scaled_epoch(1776411644131), scaled_epoch(1776411644131250)
    ((1776411644000, 1000, 'seconds'), (1776411644131, 1, 'milliseconds'), (1776411644131, 1, 'microseconds'))
    """
    if not 0 < number < _LARGEST_EPOCH:
        return None
    for unit, times, over in _UNITS:
        if EARLIEST_MS <= number * times / over < LATEST_MS:
            is_whole_second = unit == "seconds" and isinstance(number, int)
            return round(number * times) // over, 1000 if is_whole_second else 1, unit
    return None
