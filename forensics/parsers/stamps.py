"""Stamps of text lines as they are written: how much of a moment each of them tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from forensics.parsers.timestamps import from_epoch, from_iso, wall_clock, written_offset


class Tells(StrEnum):
    """How much of a moment a stamp tells."""

    MOMENT = "moment"
    DATE = "date and time"
    NO_YEAR = "no year"
    NO_DATE = "no date"


NO_YEAR = 2000
"""Stands for the year that is not told; a leap year, so that 29 February can be read."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One stamp. ``shown`` is what the clock showed, whatever is missing of it; ``at`` the moment, if it is told."""

    tells: Tells
    shown: datetime
    at: datetime | None = None
    offset: timedelta | None = None
    precision_ms: int = 1
    unit: str | None = None


ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:\d\d)?"
SYSLOG = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?: \d|\d\d) \d\d:\d\d:\d\d(?:\.\d{1,6})?"
FULL = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? [A-Z+-][A-Za-z0-9+-]{1,5}"
UNIX = r"\d{10}\.\d{3,6}|\d{13}|\d{16}"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SYSLOG_PARTS = re.compile(r"(\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
_CLOCK_PARTS = re.compile(r"(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_UTC_WORDS = re.compile(r" ?(?:UTC|GMT)$")
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+", re.ASCII)
_WRITTEN_ZONE = re.compile(r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)$")
_DATE_LENGTH = 10
_WHOLE_SECOND_MS = 1000


def iso_stamp(text: str) -> Stamp | None:
    """Read an ISO stamp, with or without an offset."""
    shown = wall_clock(text)
    if shown is None:
        return None
    precision_ms = 1 if "." in text or "," in text else _WHOLE_SECOND_MS
    at = from_iso(_iso_of(text))
    if at is not None:
        return Stamp(Tells.MOMENT, shown, at, written_offset(text), precision_ms)
    return None if _WRITTEN_ZONE.search(text[_DATE_LENGTH:]) else Stamp(Tells.DATE, shown, precision_ms=precision_ms)


def clock_stamp(text: str) -> Stamp | None:
    """Read a bare clock time."""
    match = _CLOCK_PARTS.fullmatch(text)
    if match is None:
        return None
    ms = int((match[4] or "").ljust(3, "0")[:3])
    try:
        shown = datetime(NO_YEAR, 1, 1, int(match[1]) % 24, int(match[2]), int(match[3]), ms * 1000)  # noqa: DTZ001
    except ValueError:
        return None
    offset = timedelta(0) if match[5] == "Z" else written_offset(text)
    return Stamp(Tells.NO_DATE, shown, offset=offset, precision_ms=1 if match[4] else _WHOLE_SECOND_MS)


def syslog_stamp(text: str) -> Stamp | None:
    """Read a stamp with a month and a day but no year."""
    match = _SYSLOG_PARTS.fullmatch(text)
    if match is None:
        return None
    month, day, hour, minute, second = (_MONTHS.index(match[1]) + 1, *(int(match[part]) for part in range(2, 6)))
    ms = int((match[6] or "").ljust(3, "0")[:3])
    try:
        shown = datetime(NO_YEAR, month, day, hour, minute, second, ms * 1000)  # noqa: DTZ001
    except ValueError:
        return None
    return Stamp(Tells.NO_YEAR, shown, precision_ms=1 if match[6] else _WHOLE_SECOND_MS)


def full_stamp(text: str) -> Stamp | None:
    """Read a stamp with the name of the day and of the zone; only UTC's own names tell an offset."""
    _, date, clock, zone = text.split(" ")
    stamp = iso_stamp(f"{date} {clock}")
    if stamp is None or zone not in ("UTC", "GMT"):
        return stamp
    return Stamp(Tells.MOMENT, stamp.shown, stamp.shown.replace(tzinfo=UTC), timedelta(0), stamp.precision_ms)


def unix_stamp(text: str) -> Stamp | None:
    """Read an epoch number of any unit."""
    told = from_epoch(text)
    if told is None:
        return None
    at, unit = told
    return Stamp(Tells.MOMENT, at.replace(tzinfo=None), at, unit=unit.value)


READERS: dict[str, Callable[[str], Stamp | None]] = {
    "iso": iso_stamp,
    "clock": clock_stamp,
    "syslog": syslog_stamp,
    "full": full_stamp,
    "unix": unix_stamp,
}
PATTERNS: dict[str, str] = {"iso": ISO, "clock": CLOCK, "syslog": SYSLOG, "full": FULL, "unix": UNIX}


def _iso_of(text: str) -> str:
    """Write a stamp as the standard has it, for the reader of such stamps."""
    zoned = _UTC_WORDS.sub("Z", text)
    whole = f"{zoned[:_DATE_LENGTH]}T{zoned[_DATE_LENGTH + 1 :]}".replace(" ", "").replace(",", ".")
    return _LONG_FRACTION.sub(r"\1", whole)
