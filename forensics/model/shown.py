"""How results are shown to people: in how many columns, in which time zone, with or without colour.

Only the command line asks a terminal or the environment; writers get their answer as one value. Formats for machines
know none of it: their times are UTC, and no line of theirs is wrapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import ClassVar


class Style(StrEnum):
    """What a colour stresses, with its code (SGR, ECMA-48 §8.3.117); the words say the same without it."""

    HEADING = "1"
    GOOD = "32"
    MILD = "36"
    DOUBT = "33"
    BAD = "31"


@dataclass(frozen=True, slots=True)
class Shown:
    """How a text is shown.

    ``width`` is in columns of a terminal; None: no line is wrapped, which suits pipes and files. ``zone_name`` is what
    headings say of ``zone``.
    """

    width: int | None = None
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    is_coloured: bool = False

    note: ClassVar[str] = "times within the text of a fact are UTC, or as the evidence has them"
    """To be said of texts of facts where ``zone`` is another: they stay as they are."""

    @property
    def is_utc(self) -> bool:
        """Whether times are shown as all formats for machines have them."""
        return self.zone is UTC

    def stamp(self, time: datetime | None) -> str:
        """Give a time for people, to the millisecond; its offset is told unless the times are UTC.

        >>> from zoneinfo import ZoneInfo
        >>> moment = datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC)
        >>> Shown().stamp(moment), Shown(zone=ZoneInfo("Europe/Berlin")).stamp(moment)
        ('2026-04-17 07:40:44.000', '2026-04-17 09:40:44.000+02:00')
        """
        if time is None:
            return "-"
        local = self.local(time)
        return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}{self.offset(local)}"

    def moment(self, time: datetime | None) -> str:
        """Give a time for a sentence, which no heading tells the zone of.

        >>> Shown().moment(datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC))
        '2026-04-17 07:40:44.000 UTC'
        """
        return self.stamp(time) + (" UTC" if time and self.is_utc else "")

    @property
    def note_sentence(self) -> str:
        """Give ``note`` as a sentence of its own."""
        return f"{self.note[:1].upper()}{self.note[1:]}."

    def local(self, time: datetime) -> datetime:
        """Give a time in the zone that is shown."""
        return time if self.is_utc else time.astimezone(self.zone)

    def offset(self, local: datetime) -> str:
        """Give the offset of a time of the zone that is shown, as ``+02:00``; nothing for UTC."""
        return "" if self.is_utc else local.isoformat()[-6:] if local.utcoffset() is not None else ""

    def heading(self, name: str) -> str:
        """Give the heading of a column of times, with their zone.

        >>> Shown().heading("lost at")
        'lost at (UTC)'
        """
        return f"{name} ({self.zone_name})"

    def painted(self, text: str, style: Style | None) -> str:
        r"""Give text, already escaped, in a colour where there are colours.

        >>> Shown(is_coloured=True).painted("lost", Style.BAD), Shown().painted("lost", Style.BAD)
        ('\x1b[31mlost\x1b[0m', 'lost')
        """
        return f"\x1b[{style.value}m{text}\x1b[0m" if self.is_coloured and style and text else text


PLAIN = Shown()
"""As pipes and files get it: lines of any length, UTC, no colour."""
