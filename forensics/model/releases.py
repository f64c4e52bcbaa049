"""Releases of the gateway: how they are written, compared, and spanned.

A release is ``year.month.number``; what follows it (a beta, a build) does not matter here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

Number = tuple[int, int, int]

_WRITTEN = re.compile(r"(?P<year>\d{4})\.(?P<month>\d{1,2})\.(?P<number>\d{1,3}|x)(?![\d.])")
_LAST_NUMBER = 999


def parsed_release(text: str) -> Number | None:
    """Read one release.

    >>> parsed_release("2026.4.15"), parsed_release("v2026.7.2-beta.1"), parsed_release("4.15")
    ((2026, 4, 15), (2026, 7, 2), None)
    """
    match = _WRITTEN.match(text.strip().removeprefix("v"))
    if match is None or match["number"] == "x":
        return None
    return int(match["year"]), int(match["month"]), int(match["number"])


def release_text(release: Number) -> str:
    """Write one release; the last one of a month whose numbers are not known is ``x``.

    >>> release_text((2026, 4, 15)), release_text((2026, 7, 999))
    ('2026.4.15', '2026.7.x')
    """
    year, month, number = release
    return f"{year}.{month}.{'x' if number == _LAST_NUMBER else number}"


@dataclass(frozen=True, slots=True)
class ReleaseSpan:
    """The releases that something fits, both ends included; an end that is None is open."""

    lowest: Number | None = None
    highest: Number | None = None

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Read a span as sources state it; what names no release spans them all.

        >>> str(ReleaseSpan.parsed("2026.4.15 to 2026.5.28")), str(ReleaseSpan.parsed("2026.8.1 or later"))
        ('2026.4.15 to 2026.5.28', '2026.8.1 or later')
        >>> str(ReleaseSpan.parsed("2026.7.x")), str(ReleaseSpan.parsed("2026.9.6"))
        ('2026.7.x', '2026.9.6')
        """
        told = list(_WRITTEN.finditer(text))
        if not told:
            return cls()
        lowest, highest = _end(told[0], 1), _end(told[-1], _LAST_NUMBER)
        return cls(None if "or earlier" in text else lowest, None if "or later" in text else highest)

    def both(self, other: ReleaseSpan) -> ReleaseSpan | None:
        """Give the releases that fit both; None if no release does.

        >>> str(ReleaseSpan((2026, 4, 5)).both(ReleaseSpan(None, (2026, 4, 24))))
        '2026.4.5 to 2026.4.24'
        >>> ReleaseSpan((2026, 5, 7)).both(ReleaseSpan(None, (2026, 4, 24))) is None
        True
        """
        lowest = max((end for end in (self.lowest, other.lowest) if end is not None), default=None)
        highest = min((end for end in (self.highest, other.highest) if end is not None), default=None)
        if lowest is not None and highest is not None and lowest > highest:
            return None
        return ReleaseSpan(lowest, highest)

    def is_from(self, release: Number) -> bool:
        """Tell whether it is certain that the release is this one or a later one."""
        return self.lowest is not None and self.lowest >= release

    def is_before(self, release: Number) -> bool:
        """Tell whether it is certain that the release is an earlier one."""
        return self.highest is not None and self.highest < release

    def __str__(self) -> str:
        if self.lowest is None:
            return "any release" if self.highest is None else f"{release_text(self.highest)} or earlier"
        if self.highest is None:
            return f"{release_text(self.lowest)} or later"
        whole_month = (*self.lowest[:2], _LAST_NUMBER) == self.highest and self.lowest[2] <= 1
        if self.lowest == self.highest or whole_month:
            return release_text(self.highest)
        return f"{release_text(self.lowest)} to {release_text(self.highest)}"


def _end(match: re.Match[str], unknown: int) -> Number:
    number = unknown if match["number"] == "x" else int(match["number"])
    return int(match["year"]), int(match["month"]), number


FIRST_WITH_RECOVERY: Number = (2026, 4, 25)
"""From here on the gateway looks into its own records before it marks a row, only the gateway itself marks cron rows,
a late finish no longer overwrites a lost row, and interrupted runs are recorded (formats.md §0, §1.6)."""

FIRST_WITH_DAY_OF_RETENTION: Number = (2026, 5, 26)
"""From here on lost rows are deleted 24 hours after their mark (formats.md §1.5)."""

FIRST_WITH_REPAIR: Number = (2026, 6, 33)
"""From here on, up to ``LAST_WITH_REPAIR``, the gateway repairs lost rows of which it holds an exact record
(observed.md §B1)."""

LAST_WITH_REPAIR: Number = (2026, 7, 999)

FIRST_WITH_LOST_CRON_ROWS: Number = (2026, 4, 5)
"""Before it, no sweep marks rows of cron runs (formats.md §0)."""
