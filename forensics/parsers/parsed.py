"""What every parser gives back: records, a ledger that balances, and notices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from forensics.model.escape import for_terminal, shortened
from forensics.model.verdicts import SourceKind

UTC_FROM_EPOCH = "UTC from epoch milliseconds"
UTC_FROM_STAMPS = "UTC from stamps with Z or an offset"
"""Where the zone comes from in forms that leave no choice."""

NO_STATUS = "status is no text or empty, so that the row may be a lost one"
"""What is told of such a task row, whatever it was read from."""

_NOTICES_PER_CODE = 5
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(slots=True)
class Notices:
    """Notices of one file; after a few of a kind the rest is counted, so a broken file cannot flood a report."""

    rows: list[dict[str, object]] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _last: dict[str, tuple[int | None, str]] = field(default_factory=dict)

    def add(self, code: str, message: str, line: int | None = None, level: str = "warning") -> None:
        """Record one doubtful or skipped thing."""
        self._seen[code] += 1
        if self._seen[code] <= _NOTICES_PER_CODE:
            self.rows.append({"line": line, "level": level, "code": code, "message": message})
        else:
            self._last[code] = (line, level)

    def has(self, code: str) -> bool:
        """Tell whether a notice of this kind was recorded."""
        return self._seen[code] > 0

    def closed(self) -> list[dict[str, object]]:
        """Give all notices, the uncounted rest of each code summed up in one."""
        summed: list[dict[str, object]] = [
            {
                "line": line,
                "level": level,
                "code": code,
                "message": f"and {self._seen[code] - _NOTICES_PER_CODE} more of this kind, the last one here",
            }
            for code, (line, level) in self._last.items()
        ]
        return self.rows + summed


@dataclass(slots=True)
class Parsed:
    """One file, read. ``lines`` counts lines, or rows of a table, or jobs of a document.

    ``form`` is the name of its form; ``zone_is_assumed``: its stamps are local and nothing in the evidence, nor the
    user, says in which zone; ``shows_scheduler``: the scheduler's lines are written to this log; ``offsets`` are the
    offsets from UTC it states itself; ``histories`` holds rows of the frame ``histories``: for which jobs and since
    when the file would show a run record.
    """

    kind: SourceKind
    detected_by: str
    form: str = ""
    lines: int = 0
    records: int = 0
    skipped: int = 0
    rejected: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    timezone: str | None = UTC_FROM_EPOCH
    zone_is_assumed: bool = False
    shows_scheduler: bool = False
    offsets: list[tuple[datetime, timedelta]] = field(default_factory=list)
    release: str | None = None
    job_id: str | None = None
    stores: set[str] = field(default_factory=set)
    unusable: str | None = None
    only_warnings: bool = False
    histories: list[dict[str, object]] = field(default_factory=list)
    tasks: pl.DataFrame | None = None
    runs: pl.DataFrame | None = None
    lifecycle: pl.DataFrame | None = None
    jobs: pl.DataFrame | None = None
    corrections: pl.DataFrame | None = None
    notices: Notices = field(default_factory=Notices)

    def spans(self, stamps: Iterable[object]) -> None:
        """Note the earliest and latest of these times."""
        known = [stamp for stamp in stamps if isinstance(stamp, datetime)]
        if known:
            self.first_at, self.last_at = min(known), max(known)


def brief(value: object, width: int = 60) -> str:
    """Give what a notice shows of a value from evidence, however deep, long or hostile it is.

    >>> brief(["x" * 100], 10)
    "['xxxxxxx…"
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except RecursionError:
        text = "a deeply nested value"
    return shortened(for_terminal(text[: 2 * width]), width)


def well_formed(text: str) -> str:
    r"""Give text that can be encoded; a lone surrogate, from a JSON escape or a file name, becomes U+FFFD.

    >>> well_formed("a\ud800b")
    'a\ufffdb'
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
