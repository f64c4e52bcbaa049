"""What restart windows are made of: lifecycle lines at the moments they speak of, and the windows themselves."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from forensics.model.policy import Policy
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import ProcessFate, WindowKind

_COLUMNS = ["at", "kind", "source", "line", "pid", "signal", "detail", "raw", "precision_ms", "running_at", "status"]
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One lifecycle line; ``at`` is the moment it speaks of, ``told_at`` the one that it bears itself."""

    at: datetime
    told_at: datetime
    kind: K
    source: int
    line: int | None
    pid: int | None
    signal: str | None
    detail: str | None
    raw: str
    precision_ms: int = 1
    running_at: datetime | None = None
    status: str | None = None

    @property
    def latest(self) -> datetime:
        """The last moment at which it can have happened: a whole second stands for all of that second."""
        return self.at + (self.precision_ms - 1) * _MS


@dataclass(slots=True)
class Window:
    """One restart window while it is worked out.

    ``exited``: the service manager saw the process exit. ``boot_at``: a boot of the new process is on record, so that
    it had the gateway to itself. ``stop_seen``: a line shows when it began to go down. ``sure_pid``: the process that
    the ready line or the boot table names.
    """

    kind: WindowKind
    down_at: datetime
    down_at_latest: datetime
    process: ProcessFate = ProcessFate.UNKNOWN
    gone: bool = False
    gone_at: datetime | None = None
    served: bool = False
    exited: bool = False
    stop_seen: bool = True
    drain_at: datetime | None = None
    up_at: datetime | None = None
    ready_at: datetime | None = None
    boot_at: datetime | None = None
    cron_started_at: datetime | None = None
    reason: str | None = None
    drain: str | None = None
    pid_before: int | None = None
    pid_after: int | None = None
    sure_pid: int | None = None
    doubt: str | None = None
    slack_ms: int = 0
    lines: list[Line] = field(default_factory=list)
    _known: set[Line] = field(default_factory=set)
    _known_count: int = 0
    _tried: dict[Callable[[Line], bool], tuple[int, bool]] = field(default_factory=dict)

    @property
    def serving_at(self) -> datetime | None:
        """The earliest moment at which the new process can have served: ready, or else its boot."""
        return self.ready_at or self.boot_at

    @property
    def latest(self) -> datetime:
        """The latest moment of the window: no later one can begin before it."""
        return self.ready_at or self.boot_at or self.up_at or self.down_at_latest

    def add(self, line: Line) -> None:
        """Rest on one more line."""
        if not self.rests_on(line):
            self.lines.append(line)

    def begin_with(self, line: Line) -> None:
        """Rest on a line that comes before all others."""
        self.lines.insert(0, line)
        self._known_count = 0
        self._tried.clear()

    def rests_on(self, line: Line) -> bool:
        """Tell whether it rests on this line; a gateway that is stopped again and again has thousands of them."""
        if self._known_count != len(self.lines):
            self._known.update(self.lines[self._known_count :])
            self._known_count = len(self.lines)
        return line in self._known

    def has_line(self, test: Callable[[Line], bool]) -> bool:
        """Tell whether some line passes a test; each line is tried once, however often that is asked."""
        tried, passed = self._tried.get(test, (0, False))
        passed = passed or any(map(test, self.lines[tried:]))
        self._tried[test] = len(self.lines), passed
        return passed

    def question(self, doubt: str) -> None:
        """Say that its sources disagree: it proves nothing about the process any more. The first doubt is told."""
        self.doubt = self.doubt or doubt
        self.process, self.gone, self.boot_at = ProcessFate.UNKNOWN, False, None


def lines_by_gateway(lifecycle: pl.DataFrame, policy: Policy) -> Iterator[tuple[str, list[Line]]]:
    """Give the lines of every gateway in the order of the moments they speak of."""
    told = lifecycle.filter(pl.col("gateway").is_not_null()).unique(
        ["gateway", "source", "line", "kind", "at", "pid"], keep="first", maintain_order=True
    )
    known = told.with_columns(pl.col("precision_ms").fill_null(1), pl.col("raw").fill_null(""))
    for (gateway,), rows in known.sort("gateway").group_by("gateway", maintain_order=True):
        lines = [Line(at, at, K(kind), *rest) for at, kind, *rest in rows.select(_COLUMNS).iter_rows()]
        yield str(gateway), sorted(_made_precise(lines, policy), key=_order)


def _order(line: Line) -> tuple[object, ...]:
    # a last line is a sign of life before later lines, never before one of the same moment
    return line.at, line.kind is K.LAST_LINE, line.source, line.line or 0, line.kind, line.pid or 0, line.raw


def _made_precise(lines: Iterable[Line], policy: Policy) -> Iterator[Line]:
    """Move each line of a whole second to the moment at which another source tells the same event precisely."""
    lines = list(lines)
    precise: dict[tuple[K, str | None], list[tuple[datetime, int]]] = defaultdict(list)
    for line in lines:
        if line.precision_ms == 1:
            precise[line.kind, line.signal].append((line.at, line.source))
    for told in precise.values():
        told.sort()
    for line in lines:
        moment = None if line.precision_ms == 1 else _nearest_moment(line, precise[line.kind, line.signal], policy)
        yield line if moment is None else replace(line, at=moment, precision_ms=1)


def _nearest_moment(line: Line, told: list[tuple[datetime, int]], policy: Policy) -> datetime | None:
    first = bisect_left(told, (line.at - policy.same_event, -1))
    last = bisect_left(told, (line.latest + policy.same_event, -1), lo=first)
    others = [at for at, source in told[first:last] if source != line.source]
    return min(others, key=lambda at: (abs(at - line.at), at), default=None)


def in_order(windows: list[Window]) -> list[Window]:
    """Give the windows with their moments in order, which lines of whole seconds may have upset by less than one."""
    since = None
    for window in windows:
        if window.up_at is not None:
            window.down_at_latest = max(window.down_at, min(window.down_at_latest, window.up_at))
        for name in ("down_at", "down_at_latest", "up_at", "boot_at", "ready_at"):
            moment = getattr(window, name)
            if moment is not None:
                since = moment if since is None else max(moment, since)
                setattr(window, name, since)
    return windows
