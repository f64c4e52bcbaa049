"""Restart windows: from the first sign of going down to ready again, per gateway (design §5).

Lifecycle lines are few, so this is a plain state machine over them; everything that scales with rows is a join.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from forensics.model.policy import Policy
from forensics.model.schemas import RESTART_EVIDENCE, RESTARTS, frame_of
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import ProcessFate, WindowKind

_GOING_DOWN = (K.SIGNAL_ACTED, K.ADMISSION_CLOSED, K.DRAIN_STARTED, K.SHUTDOWN_STARTED)
_MODES = {
    K.MODE_IN_PROCESS: (WindowKind.IN_PROCESS, ProcessFate.KEPT),
    K.MODE_FULL: (WindowKind.SIGNAL, ProcessFate.REPLACED),
    K.MODE_SUPERVISED: (WindowKind.SUPERVISED, ProcessFate.REPLACED),
}
_DRAIN_OUTCOMES = {K.DRAIN_TIMEOUT: "timeout", K.DRAINED: "drained"}
_STARTS = (K.PROCESS_START, K.STARTING)
_AT_WORK = (K.HTTP_LISTENING, K.CRON_STARTED, K.MISSED_JOB, K.MARKER_CLEARED, K.MARKER_INTERRUPTED)


@dataclass(frozen=True, slots=True)
class _Line:
    at: datetime
    kind: K
    source: int
    line: int
    pid: int | None
    signal: str | None
    detail: str | None
    raw: str


@dataclass(slots=True)
class _Window:
    kind: WindowKind
    down_at: datetime
    down_at_latest: datetime
    process: ProcessFate = ProcessFate.UNKNOWN
    gone: bool = False
    served: bool = False
    drain_at: datetime | None = None
    up_at: datetime | None = None
    ready_at: datetime | None = None
    cron_started_at: datetime | None = None
    reason: str | None = None
    drain: str | None = None
    pid_before: int | None = None
    pid_after: int | None = None
    lines: list[_Line] = field(default_factory=list)


def find_restarts(lifecycle: pl.DataFrame, activity: pl.DataFrame, policy: Policy) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Work out the restart windows of every gateway.

    ``activity`` (columns gateway, at) holds the times at which runs provably started or ended: a process that crashed
    was alive then, whatever its log says.

    Shape: frame ``restarts``, one row per window; frame ``restart_evidence``, one row per line a window rests on.
    Source: design §5; formats.md §5; observed.md, lifecycle lines.
    """
    windows: list[dict[str, object]] = []
    evidence: list[dict[str, object]] = []
    for gateway, lines in _lines_by_gateway(lifecycle):
        alive = activity.filter(pl.col("gateway") == gateway)["at"].sort()
        for number, window in enumerate(_Machine(policy, alive).run(_without_refused(lines, policy)), 1):
            key: dict[str, object] = {"gateway": gateway, "id": f"R{number}"}
            windows.append(key | {name: getattr(window, name) for name in RESTARTS if name not in key})
            evidence.extend(_evidence_of(key, window.lines))
    return frame_of(windows, RESTARTS), frame_of(evidence, RESTART_EVIDENCE)


def _evidence_of(key: dict[str, object], lines: Iterable[_Line]) -> Iterator[dict[str, object]]:
    for line in lines:
        yield key | {"source": line.source, "line": line.line, "at": line.at, "text": line.raw}


def _lines_by_gateway(lifecycle: pl.DataFrame) -> Iterator[tuple[str, list[_Line]]]:
    columns = ["at", "kind", "source", "line", "pid", "signal", "detail", "raw"]
    told = lifecycle.filter(pl.col("gateway").is_not_null()).unique(
        ["gateway", "source", "line", "kind"], keep="first", maintain_order=True
    )
    # a last line is a sign of life before later lines, never before one of the same moment
    ordered = told.sort("gateway", "at", pl.col("kind") == K.LAST_LINE, "source", "line", "kind")
    for (gateway,), rows in ordered.group_by("gateway", maintain_order=True):
        yield str(gateway), [_Line(at, K(kind), *rest) for at, kind, *rest in rows.select(columns).iter_rows()]


def _without_refused(lines: list[_Line], policy: Policy) -> list[_Line]:
    """Drop start sequences of second processes that found the gateway already running: no restart at all."""
    dropped: set[int] = set()
    for position, line in enumerate(lines):
        if line.kind is not K.START_REFUSED:
            continue
        for earlier in range(position - 1, -1, -1):
            candidate = lines[earlier]
            if candidate.kind is K.READY or line.at - candidate.at > policy.refused_start:
                break
            if candidate.kind in (*_STARTS, K.HTTP_STARTING) and candidate.source == line.source:
                dropped.add(earlier)
                if candidate.kind is K.PROCESS_START:
                    break
    dropped |= _told_elsewhere(lines, dropped, policy)
    return [line for position, line in enumerate(lines) if position not in dropped]


def _told_elsewhere(lines: list[_Line], dropped: set[int], policy: Policy) -> set[int]:
    """Find the same start lines in other sources, which may lack the refusal itself."""
    return {
        position
        for position, line in enumerate(lines)
        for refused in (lines[number] for number in dropped)
        if line.kind is refused.kind
        and line.source != refused.source
        and abs(line.at - refused.at) <= policy.same_event
    }


class _Machine:
    """Walks the lifecycle lines of one gateway in time order and opens and closes windows."""

    def __init__(self, policy: Policy, alive: pl.Series) -> None:
        self._policy = policy
        self._alive = alive
        self._windows: list[_Window] = []
        self._open: _Window | None = None
        self._signal: _Line | None = None
        self._reason: _Line | None = None
        self._last_line: _Line | None = None
        self._crash: _Line | None = None
        self._seen_gateway = False
        self._recent: dict[tuple[K, str | None, int | None, str | None], _Line] = {}

    def run(self, lines: Iterable[_Line]) -> list[_Window]:
        for line in lines:
            if self._is_repeated(line):
                continue
            self._take(line)
            self._seen_gateway = self._seen_gateway or line.kind is not K.START_REFUSED
        return self._windows

    def _is_repeated(self, line: _Line) -> bool:
        """Tell whether another source already told this event; its line is then one more reference."""
        key = (line.kind, line.signal, line.pid, line.detail)
        told = self._recent.get(key)
        self._recent[key] = line
        if told is None or told.source == line.source or line.at - told.at > self._policy.same_event:
            return False
        self._recent[key] = told
        for window in self._windows[-1:]:
            if told in window.lines:
                window.lines.append(line)
        return True

    def _take(self, line: _Line) -> None:
        kind = line.kind
        if kind is K.SIGNAL_RECEIVED:
            self._signal = line
        elif kind in (K.RESTART_REASON, K.RESTART_DEFERRED):
            self._reason = line
        elif kind is K.LAST_LINE:
            self._last_line = line
        elif kind is K.CRASH:
            self._crash = line
        elif kind in _GOING_DOWN:
            self._go_down(line)
        elif kind in _STARTS:
            self._start(line)
        elif kind is K.HTTP_STARTING:
            self._start_serving(line)
        elif kind is K.READY:
            self._be_ready(line)
        else:
            self._note(line)

    def _go_down(self, line: _Line) -> None:
        window = self._open
        if window is None or window.up_at is not None:
            since = self._latest_known()
            window = self._new_window(WindowKind.SIGNAL, self._acted_signal(line) or line)
            window.down_at = window.down_at_latest = max(window.down_at, since or window.down_at)
            self._tell_reason(window)
        self._add(window, line)
        if line.kind is K.DRAIN_STARTED:
            window.drain_at = line.at

    def _acted_signal(self, line: _Line) -> _Line | None:
        signal = self._signal
        if signal is None or line.kind is not K.SIGNAL_ACTED or signal.signal != line.signal:
            return None
        return signal if line.at - signal.at <= self._policy.acted_after_signal else None

    def _start(self, line: _Line) -> None:
        window = self._open
        if window is not None and window.served and line.kind is K.PROCESS_START:
            window = None  # the process before this one was at work although its ready line is missing
        if window is None:
            window = self._crashed(line) if self._seen_gateway else self._new_window(WindowKind.START, line)
        if window.up_at is None or line.kind is K.PROCESS_START:
            window.up_at = line.at  # of several starts in a row the last is that of the process that became ready
            window.process = ProcessFate.REPLACED
            if window.kind is WindowKind.CRASH:
                window.down_at_latest = line.at  # an earlier start may have been a second process that gave up
            self._add(window, line)

    def _latest_known(self) -> datetime | None:
        """Give the latest moment of the window before: no later window can begin before it."""
        if not self._windows:
            return None
        latest = self._windows[-1]
        return latest.ready_at or latest.up_at or latest.down_at_latest

    def _crashed(self, start: _Line) -> _Window:
        """Open the window of a process that left no stop line: it went down between its last sign of life and here."""
        last, since = self._last_line, self._latest_known()
        self._last_line = None  # it speaks of the process before this start only
        window = self._new_window(WindowKind.CRASH, last or start)
        alive = self._alive.filter(self._alive <= start.at)
        signs = [sign for sign in (window.down_at, since, alive.max()) if isinstance(sign, datetime)]
        window.down_at = min(max(signs), start.at)
        window.down_at_latest = start.at
        if self._crash is not None and window.down_at <= self._crash.at <= start.at:
            window.lines.append(self._crash)
            window.reason = self._crash.detail
        return window

    def _start_serving(self, line: _Line) -> None:
        window = self._open
        if window is None:
            window = self._new_window(WindowKind.START, line)
        if window.up_at is None:
            window.up_at = line.at
            if window.process is ProcessFate.UNKNOWN and _is_restarting(window):
                window.process, window.kind = ProcessFate.KEPT, WindowKind.IN_PROCESS
            self._add(window, line)

    def _be_ready(self, line: _Line) -> None:
        window = self._open
        if window is None:
            if self._windows and self._windows[-1].ready_at is not None and self._seen_gateway:
                return
            window = self._new_window(WindowKind.START, line)
        window.ready_at = line.at
        window.up_at = window.up_at or line.at
        window.pid_after = line.pid or window.pid_after
        self._add(window, line)
        self._open = None

    def _note(self, line: _Line) -> None:
        window = self._open
        if line.kind is K.CRON_STARTED and self._windows:
            latest = self._windows[-1]
            if latest.cron_started_at is None and latest.up_at is not None:
                latest.cron_started_at = line.at
        if window is None:
            return
        if window.up_at is not None:
            window.served = window.served or line.kind in _AT_WORK
        else:
            self._note_going_down(window, line)

    def _note_going_down(self, window: _Window, line: _Line) -> None:
        if line.kind in _MODES:
            window.kind, window.process = _MODES[line.kind]
            window.pid_after = line.pid
        elif line.kind in _DRAIN_OUTCOMES:
            window.drain = _DRAIN_OUTCOMES[line.kind]
        elif line.kind is K.SHUTDOWN_COMPLETED:
            window.gone = not _is_restarting(window)
        elif line.kind is not K.SHUTDOWN_FAILED:
            return
        self._add(window, line)

    def _tell_reason(self, window: _Window) -> None:
        reason = self._reason
        if reason is not None and window.down_at - reason.at <= self._policy.reason_before_down:
            window.reason = reason.detail
            window.lines.insert(0, reason)
        signal = window.lines[-1].signal
        window.reason = window.reason or signal
        self._reason = None

    def _new_window(self, kind: WindowKind, line: _Line) -> _Window:
        window = _Window(kind, line.at, line.at, lines=[line])
        if self._windows:
            window.pid_before = self._windows[-1].pid_after
        self._windows.append(window)
        self._open = window
        return window

    def _add(self, window: _Window, line: _Line) -> None:
        if line not in window.lines:
            window.lines.append(line)


def _is_restarting(window: _Window) -> bool:
    """Tell whether the gateway said that it restarts, not that it stops; an earlier wish to restart says nothing."""
    told = [line.raw for line in window.lines if line.kind not in (K.RESTART_REASON, K.RESTART_DEFERRED)]
    return any("restarting" in raw or "restart " in raw for raw in told)
