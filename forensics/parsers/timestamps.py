"""Stamps of every source as UTC milliseconds; nothing out of range ever gets through as a wrong time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from dateutil import parser as dateutil_parser

EARLIEST_MS = 1_262_304_000_000
"""2010-01-01: no gateway existed before; a smaller number is seconds, a duration or damage."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01: a larger number is microseconds or damage."""

_LARGEST_EPOCH = LATEST_MS * 1_000_000
_LONGEST_STAMP = 40
_HOUR_24 = re.compile(r"T24:")
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
    return _EPOCH + timedelta(milliseconds=int(value))


def from_iso(text: object) -> datetime | None:
    """Give the time of an ISO stamp with an offset or ``Z``; None for anything else.

    Some Node versions print hour 24 at midnight, with the new day's date (formats.md §4.2); it reads as 00.

    >>> from_iso("2026-04-17T24:05:00.250+02:00").isoformat()
    '2026-04-16T22:05:00.250000+00:00'
    >>> from_iso("2026-04-17T07:40:44") is None
    True
    """
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        parsed = dateutil_parser.isoparse(_HOUR_24.sub("T00:", text))
        stamp = parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    if stamp is None or not EARLIEST_MS <= _epoch_ms(stamp) < LATEST_MS:
        return None
    return stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)


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
