"""The time axis of a picture: where a moment lies on it, and at which round moments it is marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SECOND, _MINUTE, _HOUR, _DAY = (timedelta(seconds=count) for count in (1, 60, 3600, 86400))
_STEPS = (
    *(_SECOND * count for count in (1, 2, 5, 10, 15, 30)),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14, 28, 56, 112, 364, 728, 3640)),
)
_MOST_TICKS = 10
_SHORTEST = 10 * _SECOND
_MARGIN = 0.04
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tick:
    """A marked moment: its time of day where ticks are less than a day apart, its date where that is a new one."""

    x: float
    label: str
    date: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A span of time laid over ``width`` units from ``left`` on."""

    begin: datetime
    end: datetime
    left: float
    width: float

    def x(self, moment: datetime) -> float:
        """Give where a moment lies, rounded to a tenth; what lies outside is put on the edge."""
        share = (min(max(moment, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(self.left + share * self.width, 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Give round moments, eleven at most, the date with the first and wherever it changes.

        >>> day = datetime(2026, 4, 17, 23, 50, tzinfo=UTC)
        >>> [(tick.label, tick.date) for tick in Scale(day, day + timedelta(minutes=20), 0, 100).ticks()]
        ... # doctest: +ELLIPSIS
        [('23:50', '2026-04-17'), ('23:55', ''), ('00:00', '2026-04-18'), ('00:05', ''), ('00:10', '')]
        """
        return tuple(self._ticks())

    def _ticks(self) -> Iterator[Tick]:
        step = next((step for step in _STEPS if (self.end - self.begin) / step <= _MOST_TICKS - 1), _STEPS[-1])
        form = "%H:%M:%S" if step < _MINUTE else "%H:%M" if step < _DAY else ""
        moment = _EPOCH - (_EPOCH - self.begin) // step * step
        before = ""
        while moment <= self.end:
            date = moment.strftime("%Y-%m-%d")
            yield Tick(self.x(moment), moment.strftime(form), date if date != before else "")
            moment, before = moment + step, date


def scale_over(moments: list[datetime], left: float, width: float) -> Scale:
    """Give the scale that shows all of these moments, with some room on both sides."""
    begin, end = min(moments), max(moments)
    room = max((end - begin) * _MARGIN, (_SHORTEST - (end - begin)) / 2, _SECOND)
    return Scale(begin - room, end + room, left, width)
