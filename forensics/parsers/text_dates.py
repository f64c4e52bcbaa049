"""When a line of text was said: its stamps, completed by what else the file and its surroundings tell."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from forensics.model.policy import SISTER_STAMPS, START_NAMES_LOG, WRITTEN_AFTER
from forensics.parsers.forms import Given
from forensics.parsers.lifecycle_messages import GATEWAY
from forensics.parsers.parsed import Notices
from forensics.parsers.stamps import Stamp, Tells
from forensics.parsers.text_clock import Clock
from forensics.parsers.text_line import TextLine
from forensics.parsers.timestamps import offset_between
from forensics.parsers.zones import Sample, Zones, note_sample

_DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
_LOG_PATH = re.compile(r"log file: .{0,500}openclaw[\w-]*-(\d{4}-\d\d-\d\d)\.log")
_DST = timedelta(hours=1)
_YEARS_NEAR = (-1, 0, 1)
_DOUBTS = {
    "ambiguous_time": "this hour came twice that night; the order of the lines says which it was",
    "impossible_time": "local clocks never showed this time that night; it is read as the time an hour later",
}


@dataclass(frozen=True, slots=True)
class Told:
    """When a line was said, and how exactly that is known."""

    at: datetime
    precision_ms: int


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A line whose date is known: the day by local clocks, and the clock it showed where that is known.

    ``is_by_name``: only the name of the file tells the day.
    """

    line: int
    day: date
    shown: datetime | None = None
    is_by_name: bool = False


@dataclass(slots=True)
class Dates:
    """Says when each line of one file was said."""

    clocks: Mapping[Tells, Clock]
    zones: Zones
    given: Given
    notices: Notices
    year_anchors: list[tuple[int, int]] = field(default_factory=list)
    day_anchors: list[_Anchor] = field(default_factory=list)
    is_year_assumed: bool = False
    has_local: bool = False
    _noted: set[tuple[str, int]] = field(default_factory=set)

    def of(self, line: TextLine) -> Told | None:
        """Give when a line was said; None where that cannot be known.

        Of two exact stamps the inner is that of the event, unless it has a wrong offset.
        Notices: contradicted_stamp, no_date, ambiguous_time, impossible_time.
        """
        exact = [stamp for stamp in (line.inner, line.outer) if stamp is not None and stamp.at is not None]
        if len(exact) > 1 and _is_far(exact[0], exact[1]):
            told = "its own stamp has a wrong offset; that of its wrapping is used"
            self._note("contradicted_stamp", told, line.number)
            exact = exact[1:]
        if exact and exact[0].at is not None:
            return Told(exact[0].at, exact[0].precision_ms)
        stamps = [stamp for stamp in (line.inner, line.outer) if stamp is not None]
        stamp = min(stamps, key=lambda stamp: _LEAST_MISSING[stamp.tells], default=None)
        return self._of_local(line, stamp) if stamp is not None else None

    def _of_local(self, line: TextLine, stamp: Stamp) -> Told | None:
        self.has_local = True
        local = self._dated(line.number, stamp)
        if local is None:
            self._note("no_date", "its stamp has no date, and nothing tells on which day it was", line.number)
            return None
        if stamp.offset is not None:
            return Told((local - stamp.offset).replace(tzinfo=UTC), stamp.precision_ms)
        second = self._clock(stamp).is_second(line.number, _second_of_day(stamp.shown))
        moment = self.zones.moment_of(local, is_second=second)
        if moment.doubt is not None:
            self._note(moment.doubt, _DOUBTS[moment.doubt], line.number)
        return Told(moment.at, stamp.precision_ms)

    def _dated(self, line: int, stamp: Stamp) -> datetime | None:
        if stamp.tells is Tells.NO_YEAR:
            year = self._year_of(line, self._clock(stamp))
            return _with_year(stamp.shown, year) if year is not None else None
        if stamp.tells is Tells.NO_DATE:
            clock = self._clock(stamp)
            day = None if clock.other_clock_at is not None else self._day_of(line, stamp.shown, clock)
            return datetime.combine(day, stamp.shown.time()) if day is not None else None
        return stamp.shown

    def _clock(self, stamp: Stamp) -> Clock:
        return self.clocks.get(stamp.tells) or Clock()

    def _year_of(self, line: int, clock: Clock) -> int | None:
        if not self.year_anchors:
            return None
        behind = bisect_right(self.year_anchors, line, key=lambda anchor: anchor[0])
        at, year = self.year_anchors[max(behind - 1, 0)]
        return year + clock.new_years_between(at, line)

    def _day_of(self, line: int, shown: datetime, clock: Clock) -> date | None:
        """Give the day of a line by the days that are known before and after it; None where these disagree.

        Whole days without a line leave no trace in bare clock times, so a day counts on from the one known before; a
        line before the first known day, or where the next known day refutes the count, is placed only if it comes
        right before or after a line whose day is known.
        """
        behind = bisect_right(self.day_anchors, line, key=lambda anchor: anchor.line)
        before = self.day_anchors[behind - 1] if behind else None
        after = self.day_anchors[behind] if behind < len(self.day_anchors) else None
        counted = _counted_from(before, line, clock)
        if after is None or (counted is not None and _counted_from(before, after.line, clock) == after.day):
            return counted
        for known in (before, after):
            if known is not None and known.shown is not None and abs(known.shown - shown) <= START_NAMES_LOG:
                first, last = sorted((line, known.line))
                return known.day if not clock.midnights_between(first, last) else None
        return None

    def _note(self, code: str, message: str, line: int) -> None:
        if (code, line) not in self._noted:
            self._noted.add((code, line))
            self.notices.add(code, message, line)


def usual_offset(lines: Iterable[TextLine]) -> timedelta | None:
    """Give by how much the inner stamps of a file differ from the outer ones; None where lines have one stamp only."""
    counted = Counter(offset for line in lines if (offset := _between_its_stamps(line)) is not None)
    return max(sorted(counted), key=lambda offset: counted[offset], default=None)


def is_quoted(line: TextLine, usual: timedelta | None) -> bool:
    """Tell whether the two stamps of a line are of different times, so that it is a text quoted in another.

    Stamps of one moment differ by the offset between two clocks, which is that of all lines; where one clock is local
    it may change by an hour.
    """
    inner, outer = line.inner, line.outer
    if inner is None or outer is None:
        return False
    offset = _between_its_stamps(line)
    if offset is None or usual is None:
        return True
    are_exact = inner.at is not None and outer.at is not None
    return abs(offset - usual) > (timedelta(0) if are_exact else _DST)


def _between_its_stamps(line: TextLine) -> timedelta | None:
    inner, outer = line.inner, line.outer
    if inner is None or outer is None:
        return None
    if inner.at is not None and outer.at is not None:
        return offset_between(inner.at.replace(tzinfo=None), outer.at)
    if inner.at is not None:
        return _offset(outer, inner.at)
    if outer.at is not None:
        return _offset(inner, outer.at)
    fuller, other = sorted((inner, outer), key=lambda stamp: _LEAST_MISSING[stamp.tells])
    return _offset(other, fuller.shown.replace(tzinfo=UTC))


def _is_far(one: Stamp, other: Stamp) -> bool:
    return one.at is not None and other.at is not None and abs(one.at - other.at) > SISTER_STAMPS


def _offset(local: Stamp, at: datetime) -> timedelta | None:
    """Give the offset from UTC by which a stamp is of this moment; None where there is none."""
    shown = local.shown if local.tells is Tells.MOMENT else _near(local, at)
    return offset_between(shown, at) if shown is not None else None


def _counted_from(anchor: _Anchor | None, line: int, clock: Clock) -> date | None:
    return anchor.day + timedelta(days=clock.midnights_between(anchor.line, line)) if anchor else None


def dates_of(lines: Iterable[TextLine], clocks: Mapping[Tells, Clock], given: Given, notices: Notices) -> Dates:
    """Collect what the lines of a file, its name and its surroundings tell of zone, year and day.

    Notices: year_assumed, date_from_name.
    """
    known = sorted(lines, key=lambda line: line.number)
    dates = Dates(clocks, Zones(samples_of(known), given), given, notices)
    dates.year_anchors = sorted(_year_anchors(known, clocks.get(Tells.NO_YEAR) or Clock(), given))
    if not dates.year_anchors:
        _assume_year(known, dates)
    dates.day_anchors = list(_day_anchors(known, dates))
    first = (clocks.get(Tells.NO_DATE) or Clock()).first_line
    if first is not None and all(anchor.is_by_name for anchor in dates.day_anchors) and dates.day_anchors:
        told = f"its stamps have no date; {dates.day_anchors[0].day} is taken for the first, from the name of the file"
        notices.add("date_from_name", told, first, level="info")
    return dates


def samples_of(lines: Iterable[TextLine]) -> list[Sample]:
    """Give the offsets from UTC that the lines state, by an offset written out or by two stamps of one moment."""
    samples: list[Sample] = []
    for line in lines:
        stated = _sample(line)
        if stated is not None:
            note_sample(samples, stated)
    return sorted(samples)


def _sample(line: TextLine) -> Sample | None:
    inner, outer = line.inner, line.outer
    for local, exact in ((inner, outer), (outer, inner)):
        if local is not None and exact is not None and exact.at is not None:
            offset = _offset(local, exact.at)
            states = local.at is None or local.offset is not None
            return (exact.at, offset) if offset is not None and states else None
    alone = inner or outer
    return (alone.at, alone.offset) if alone is not None and alone.at is not None and alone.offset is not None else None


def _near(local: Stamp, at: datetime) -> datetime | None:
    """Complete a local stamp to what it must have been near a moment."""
    shown = at.replace(tzinfo=None)
    if local.tells is Tells.DATE:
        return local.shown
    if local.tells is Tells.NO_YEAR:
        years = (_with_year(local.shown, shown.year + near) for near in _YEARS_NEAR)
        return min((year for year in years if year is not None), key=lambda year: abs(year - shown), default=None)
    days = (datetime.combine(shown.date() + timedelta(days=near), local.shown.time()) for near in _YEARS_NEAR)
    return min(days, key=lambda day: abs(day - shown))


def _year_anchors(lines: Iterable[TextLine], clock: Clock, given: Given) -> Iterator[tuple[int, int]]:
    named = _date_in(given.name)
    first: Stamp | None = None
    found = False
    for line in lines:
        stamp = line.outer if line.outer is not None and line.outer.tells is Tells.NO_YEAR else line.inner
        if stamp is None or stamp.tells is not Tells.NO_YEAR:
            continue
        first = first or stamp
        exact = line.inner.at if line.inner is not None else None
        shown = _near(stamp, exact) if exact is not None and _offset(stamp, exact) is not None else None
        if shown is not None:
            found = True
            yield line.number, shown.year
    if not found and named is not None and first is not None and clock.first_line is not None:
        near = _near(first, datetime.combine(named, datetime.min.time(), UTC))
        if near is not None:
            yield clock.first_line, near.year


def _assume_year(lines: list[TextLine], dates: Dates) -> None:
    """Take the latest year in which the last line was said before the file was last written."""
    modified = dates.given.modified_at
    stamped = [line for line in lines if line.outer is not None and line.outer.tells is Tells.NO_YEAR]
    if modified is None or not stamped or stamped[-1].outer is None:
        return
    until = modified.astimezone(UTC).replace(tzinfo=None) + WRITTEN_AFTER
    years = (_with_year(stamped[-1].outer.shown, year) for year in range(until.year, until.year - 9, -1))
    last = next((shown for shown in years if shown is not None and shown <= until), None)
    if last is not None:
        dates.year_anchors = [(stamped[-1].number, last.year)]
        dates.is_year_assumed = True
        told = (
            f"its stamps have no year; {last.year} is taken, from when the file was last written. That proves nothing: "
            "put the date of its first line into the name of the file (gateway-YYYY-MM-DD.log)"
        )
        dates.notices.add("year_assumed", told)


def _day_anchors(lines: Iterable[TextLine], dates: Dates) -> Iterator[_Anchor]:
    """Give the lines whose day is told: by a full stamp, by the path a start-up line names, by the file's name."""
    named = _date_in(dates.given.name)
    anchors: dict[int, _Anchor] = {}
    first = (dates.clocks.get(Tells.NO_DATE) or Clock()).first_line
    if named is not None and first is not None:
        anchors[first] = _Anchor(first, named, is_by_name=True)
    for line in lines:
        anchor = _day_anchor(line, dates.zones)
        if anchor is not None:
            anchors[line.number] = anchor
    yield from (anchors[number] for number in sorted(anchors))


def _day_anchor(line: TextLine, zones: Zones) -> _Anchor | None:
    stamp = line.inner or line.outer
    if stamp is None:
        return None
    if stamp.tells is Tells.DATE:
        return _Anchor(line.number, stamp.shown.date())
    if stamp.at is not None:
        return _Anchor(line.number, zones.local_of(stamp.at).date())
    named = names_log(line)
    if named is None or stamp.tells is not Tells.NO_DATE or _second_of_day(stamp.shown) < START_NAMES_LOG.seconds:
        return None
    return _Anchor(line.number, named, stamp.shown)


def names_log(line: TextLine) -> date | None:
    """Give the date in the path of the log that a start-up line names, if it is such a line."""
    match = _LOG_PATH.match(line.content[2]) if line.content is not None and line.content[0] == GATEWAY else None
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None


def _date_in(name: str) -> date | None:
    match = _DATE_IN_NAME.search(name)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def _with_year(shown: datetime, year: int) -> datetime | None:
    try:
        return shown.replace(year=year)
    except ValueError:
        return None


def _second_of_day(shown: datetime) -> int:
    return shown.hour * 3600 + shown.minute * 60 + shown.second


_LEAST_MISSING = {Tells.MOMENT: 0, Tells.DATE: 1, Tells.NO_YEAR: 2, Tells.NO_DATE: 3}
