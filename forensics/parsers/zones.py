"""In which zone a local stamp was written: told by the evidence, by the user or, at last, assumed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from dateutil import tz

from forensics.model.policy import OFFSET_HOLDS, OFFSET_REACH, OFFSET_SAMPLE_EVERY, OFFSET_SAMPLES, SISTER_STAMPS
from forensics.parsers.forms import Given
from forensics.parsers.timestamps import as_offset

Sample = tuple[datetime, timedelta]

_IN_FILE = "as other stamps of this file say"
_ELSEWHERE = "as other files of this evidence say"
_GIVEN = "as given"
_CONFIRMED = "as given, and as stamps with an offset confirm"
_REFUTED = "as given, but stamps with an offset say otherwise: assumed"
_FAR = "as stamps of another time say: assumed"
HOST = "the zone of this machine: assumed"


_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)")
_LARGEST_OFFSET = timedelta(hours=24)


def zone_named(text: str) -> tzinfo | None:
    """Give a zone by its name or by its offset from UTC; None for what is neither.

    >>> zone_named("+02:00")
    datetime.timezone(datetime.timedelta(seconds=7200))
    """
    told = _OFFSET.fullmatch(text)
    if told is not None:
        offset = timedelta(hours=int(told["hours"]), minutes=int(told["minutes"]))
        if offset < _LARGEST_OFFSET and int(told["minutes"]) < 60:
            return timezone(-offset if told["sign"] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return None


def name_of_zone(zone: tzinfo) -> str:
    """Give the name by which ``zone_named`` finds a zone."""
    return str(zone).removeprefix("UTC") or "UTC"


@dataclass(frozen=True, slots=True)
class Moment:
    """A local stamp as a moment, and what is doubtful about it (``ambiguous_time``, ``impossible_time``)."""

    at: datetime
    doubt: str | None = None


@dataclass(slots=True)
class Zones:
    """Turns local stamps of one file into moments, and keeps how.

    ``own`` are the offsets that the file states itself. They come first, then those of other files, then the user's
    zone, then that of this machine; a zone of the user that agrees with what is stated knows of DST as well, so that it
    goes before.
    """

    own: Sequence[Sample]
    given: Given
    is_assumed: bool = False
    told: dict[str, None] = field(default_factory=dict)

    def moment_of(self, local: datetime, *, is_second: bool) -> Moment:
        """Give the moment at which local clocks showed this; ``is_second``: for the second time that night."""
        for samples, source in ((self.own, _IN_FILE), (self.given.offsets, _ELSEWHERE)):
            if samples and self.given.zone is not None and _agrees(self.given.zone, samples):
                return self._in_zone(local, self.given.zone, _CONFIRMED, is_second=is_second)
            offset = offset_at(samples, local)
            if offset is not None:
                return self._with_offset(local, offset, source)
        known = {offset for _, offset in (*self.own, *self.given.offsets)}
        if self.given.zone is not None:
            self.is_assumed = self.is_assumed or bool(known)
            return self._in_zone(local, self.given.zone, _REFUTED if known else _GIVEN, is_second=is_second)
        self.is_assumed = True
        if len(known) == 1:
            return self._with_offset(local, known.pop(), _FAR)
        return self._in_zone(local, self.given.host_zone, HOST, is_second=is_second)

    def local_of(self, at: datetime) -> datetime:
        """Give what local clocks showed at a moment."""
        shown = at.astimezone(UTC).replace(tzinfo=None)
        for samples in (self.own, self.given.offsets):
            offset = offset_at(samples, shown)
            if offset is not None:
                return shown + offset
        return at.astimezone(self.given.zone or self.given.host_zone).replace(tzinfo=None)

    def words(self) -> str | None:
        """Say which zones local stamps were read in, and who said so; None where there were none."""
        return f"local stamps {'; '.join(self.told)}" if self.told else None

    def _with_offset(self, local: datetime, offset: timedelta, source: str) -> Moment:
        self.told[f"{as_offset(offset)}, {source}"] = None
        return Moment((local - offset).replace(tzinfo=UTC))

    def _in_zone(self, local: datetime, zone: tzinfo, source: str, *, is_second: bool) -> Moment:
        self.told[f"in {_name_of(zone, local)}, {source}"] = None
        if not tz.datetime_exists(local, zone):
            real = tz.resolve_imaginary(local.replace(tzinfo=zone))
            return Moment(real.astimezone(UTC), "impossible_time")
        doubt = "ambiguous_time" if tz.datetime_ambiguous(local, zone) else None
        aware = local.replace(tzinfo=zone, fold=int(doubt is not None and is_second))
        return Moment(aware.astimezone(UTC), doubt)


def steady_name(zone: tzinfo, first: datetime, last: datetime) -> str | None:
    """Give a name for a zone that holds on other machines: its own, or its offset where that did not change in between.

    >>> steady_name(timezone(timedelta(hours=2)), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC))
    '+02:00'
    """
    if getattr(zone, "key", None):
        return name_of_zone(zone)
    days = range((last - first).days + 1)
    offsets = {moment.astimezone(zone).utcoffset() for moment in (*(first + timedelta(days=day) for day in days), last)}
    offset = offsets.pop() if len(offsets) == 1 else None
    return None if offset is None else name_of_zone(timezone(offset))


def offset_at(samples: Sequence[Sample], local: datetime) -> timedelta | None:
    """Give the offset that stated samples prove for a local time; None where they are too far off or disagree.

    Between two samples that agree and are not too far apart it is theirs; elsewhere the nearest counts only if it is
    right beside: the clocks may have been changed the next night.
    """
    if not samples:
        return None
    offset = min(samples, key=lambda sample: abs(_utc(local, sample[1]) - sample[0]))[1]
    at = _utc(local, offset)
    earlier = max((sample for sample in samples if sample[0] <= at), default=None)
    later = min((sample for sample in samples if sample[0] >= at), default=None)
    if earlier is not None and later is not None:
        if earlier[1] != later[1]:
            return offset if min(at - earlier[0], later[0] - at) <= SISTER_STAMPS else None
        if later[0] - earlier[0] <= OFFSET_HOLDS:
            return offset
    return offset if any(abs(end[0] - at) <= OFFSET_REACH for end in (earlier, later) if end is not None) else None


def note_sample(samples: list[Sample], stated: Sample) -> None:
    """Add a stated offset to those of a file, in its order, where it tells something new.

    Of equal ones in a row the first and the last are kept, as an offset is proven between them, and one every few days.
    """
    before = samples[-2:]
    is_between = len(before) > 1 and before[0][1] == before[1][1] == stated[1]
    if is_between and stated[0] - before[0][0] <= OFFSET_SAMPLE_EVERY:
        samples[-1] = stated
    elif len(samples) < OFFSET_SAMPLES:
        samples.append(stated)


def agreed(files: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Give the offsets that several files state, in time order; none where two of them disagree on one moment.

    Then they were written in different zones, and nothing says in which of them a third one was.

    >>> noon, one, two = datetime(2026, 4, 17, 12, tzinfo=UTC), timedelta(hours=1), timedelta(hours=2)
    >>> day = [(noon - one, one), (noon + one, one)]
    >>> len(agreed([day, [(noon, one)]])), agreed([day, [(noon, two)]])
    (3, [])
    """
    samples = sorted({sample for file in files for sample in file})
    disputed = any(_differs(sorted(file), sample) for file in files for sample in samples)
    return [] if disputed else samples


def _differs(file: Sequence[Sample], sample: Sample) -> bool:
    """Tell whether a file states another offset right before and right after the moment of a sample."""
    at, offset = sample
    earlier = next((told for moment, told in reversed(file) if moment <= at), None)
    later = next((told for moment, told in file if moment >= at), None)
    return earlier is not None and earlier == later != offset


def _agrees(zone: tzinfo, samples: Sequence[Sample]) -> bool:
    return all(at.astimezone(zone).utcoffset() == offset for at, offset in samples)


def _utc(local: datetime, offset: timedelta) -> datetime:
    return (local - offset).replace(tzinfo=UTC)


def _name_of(zone: tzinfo, local: datetime) -> str:
    key = getattr(zone, "key", None)
    return str(key) if key else str(zone.tzname(local) or as_offset(zone.utcoffset(local) or timedelta(0)))
