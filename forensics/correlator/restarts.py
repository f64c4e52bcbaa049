"""Restart windows: from the first sign of going down to ready again, per gateway (design §5).

Lifecycle lines are few, so this is a plain state machine over them; everything that scales with rows is a join.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import polars as pl

from forensics.correlator.coverage import gateway_log_spans, of_assumed_zone
from forensics.correlator.durable import DURABLE, Surroundings, with_durable, with_unplaced_in_time
from forensics.correlator.windows import Line, Window, in_order, lines_by_gateway
from forensics.model.policy import Policy
from forensics.model.schemas import RESTART_EVIDENCE, RESTARTS, SOURCES, empty, frame_of
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import ProcessFate, WindowKind

_GOING_DOWN = (K.SIGNAL_ACTED, K.ADMISSION_CLOSED, K.DRAIN_STARTED, K.SHUTDOWN_STARTED, K.SERVICE_STOPPING)
_MODES = {
    K.MODE_IN_PROCESS: (WindowKind.IN_PROCESS, ProcessFate.KEPT),
    K.MODE_FULL: (WindowKind.SIGNAL, ProcessFate.REPLACED),
    K.MODE_SUPERVISED: (WindowKind.SUPERVISED, ProcessFate.REPLACED),
}
_DRAIN_OUTCOMES = {K.DRAIN_TIMEOUT: "timeout", K.DRAINED: "drained"}
_ON_THE_WAY_DOWN = (*_MODES, K.DRAIN_TIMEOUT, K.SHUTDOWN_COMPLETED)
"""Written by a process that is going down already: where nothing before it was logged, the first sign of that."""
_SUCCESSOR_IS_UP = "update process respawn (spawned"
"""Alone among the modes it is written once the successor answers, thus beside or behind that one's ready line."""
_STARTS = (K.PROCESS_START, K.STARTING)
_FIRST_LINES = (K.PROCESS_START, K.SERVICE_STARTED, K.LAST_LINE)
_EXITS = (K.SERVICE_EXITED, K.SERVICE_STOPPED)
_AT_WORK = (K.HTTP_LISTENING, K.CRON_STARTED, K.MISSED_JOB, K.MARKER_CLEARED, K.MARKER_INTERRUPTED)
_NOT_OF_THE_GATEWAY = (
    K.RESTART_REASON,
    K.RESTART_DEFERRED,
    K.SERVICE_STOPPING,
    K.SERVICE_STOPPED,
    K.SERVICE_EXITED,
    K.SERVICE_STARTED,
    K.SERVICE_RESTART,
)


def find_restarts(
    lifecycle: pl.DataFrame, activity: pl.DataFrame, policy: Policy, sources: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Work out the restart windows of every gateway.

    ``activity`` (columns gateway, at) holds the times at which runs provably started or ended: a process that crashed
    was alive then, whatever its log says. ``sources`` (frame) says which time the logs cover, and which of them bear
    stamps of an assumed zone: those are listed and prove nothing. Without it no log is taken to cover any time.

    Shape: frame ``restarts``, one row per window; frame ``restart_evidence``, one row per line a window rests on.
    Source: design §5; formats.md §5; observed.md, lifecycle lines and §B2 (the boot table).
    """
    sources = empty(SOURCES) if sources is None else sources
    spans = gateway_log_spans(sources, lifecycle, policy)
    is_assumed = pl.col("source").is_in(of_assumed_zone(sources).implode())
    sure = dict(lines_by_gateway(lifecycle.filter(~is_assumed), policy))
    doubtful = dict(lines_by_gateway(lifecycle.filter(is_assumed), policy))
    windows: list[dict[str, object]] = []
    evidence: list[dict[str, object]] = []
    for gateway in sorted({*sure, *doubtful}):
        here = pl.col("gateway") == gateway
        covered = spans.filter(here).select("covered_from", "covered_until").rows()
        around = Surroundings(policy, activity.filter(here)["at"].sort(), covered)
        told = _windows_of(sure.get(gateway, []), doubtful.get(gateway, []), around)
        for number, window in enumerate(told, 1):
            key: dict[str, object] = {"gateway": gateway, "id": f"R{number}"}
            windows.append(key | {name: getattr(window, name) for name in RESTARTS if name not in key})
            evidence.extend(_evidence_of(key, window.lines))
    return frame_of(windows, RESTARTS), frame_of(evidence, RESTART_EVIDENCE)


def _windows_of(sure: list[Line], doubtful: list[Line], around: Surroundings) -> list[Window]:
    """Give the windows that logs show, then what durable records add, last what only logs of unknown zone tell."""
    windows = with_durable(_logged(sure, around), sure, around)
    return in_order(with_unplaced_in_time(windows, _logged(doubtful, around)) if doubtful else windows)


def _logged(lines: Iterable[Line], around: Surroundings) -> list[Window]:
    logged = [line for line in lines if line.kind not in DURABLE]
    return in_order(_Machine(around).run(_without_refused(logged, around.policy)))


def _evidence_of(key: dict[str, object], lines: Iterable[Line]) -> Iterator[dict[str, object]]:
    for line in lines:
        yield key | {"source": line.source, "line": line.line, "at": line.told_at, "text": line.raw}


def _without_refused(lines: list[Line], policy: Policy) -> list[Line]:
    """Drop start sequences of second processes that found the gateway already running: no restart at all."""
    dropped: set[int] = set()
    for position, line in enumerate(lines):
        if line.kind is K.START_REFUSED:
            dropped |= _refused_start(lines, position, policy)
    dropped |= _told_elsewhere(lines, dropped, policy)
    return [line for position, line in enumerate(lines) if position not in dropped]


def _refused_start(lines: list[Line], position: int, policy: Policy) -> set[int]:
    """Find the start lines of the process that was refused, and the line of the manager that started it.

    What comes before another refusal in the same file was looked at for that one.
    """
    refused = lines[position]
    dropped: set[int] = set()
    began = False
    for earlier in range(position - 1, -1, -1):
        candidate = lines[earlier]
        if candidate.kind is K.READY or refused.at - candidate.at > policy.refused_start:
            break
        if candidate.kind is K.SERVICE_STARTED:
            dropped.add(earlier)
            break
        if candidate.source != refused.source:
            continue
        if not began and candidate.kind is K.START_REFUSED:
            break
        if candidate.kind in (*_STARTS, K.HTTP_STARTING):
            if began:
                break
            began = candidate.kind is K.PROCESS_START
            dropped.add(earlier)
    return dropped


def _told_elsewhere(lines: list[Line], dropped: set[int], policy: Policy) -> set[int]:
    """Find the same start lines in other sources, which may lack the refusal itself."""
    everywhere: dict[K, list[datetime]] = defaultdict(list)
    by_source: dict[tuple[K, int], list[datetime]] = defaultdict(list)
    for number in sorted(dropped):
        refused = lines[number]
        everywhere[refused.kind].append(refused.at)
        by_source[refused.kind, refused.source].append(refused.at)

    def near(moments: Sequence[datetime], line: Line) -> int:
        last = bisect_right(moments, line.at + policy.same_event)
        return last - bisect_left(moments, line.at - policy.same_event)

    return {
        position
        for position, line in enumerate(lines)
        if line.kind in everywhere
        and near(everywhere[line.kind], line) > near(by_source.get((line.kind, line.source), ()), line)
    }


class _Machine:
    """Walks the lifecycle lines of one gateway in time order and opens and closes windows."""

    def __init__(self, around: Surroundings) -> None:
        self._policy = around.policy
        self._alive = around.alive
        self._around = around
        self._windows: list[Window] = []
        self._open: Window | None = None
        self._signal: Line | None = None
        self._reason: Line | None = None
        self._last_line: Line | None = None
        self._crash: Line | None = None
        self._seen_gateway = False
        self._refused = False
        self._recent: dict[tuple[K, str | None, str | None], Line] = {}

    def run(self, lines: Iterable[Line]) -> list[Window]:
        before: datetime | None = None
        for line in lines:
            if before is not None and self._is_cut_off(before, line):
                self._forget()
            before = line.at
            if self._is_repeated(line):
                continue
            self._take(line)
            self._seen_gateway = self._seen_gateway or line.kind is not K.START_REFUSED
        return self._windows

    def _is_cut_off(self, before: datetime, line: Line) -> bool:
        """Tell whether a hole in the log lies before a line, and more than the silence of a gateway that is down."""
        if not self._around.has_hole_between(before, line.at):
            return False
        is_down = self._open is not None and self._open.up_at is None and line.kind in _FIRST_LINES
        last_alive = self._around.last_alive(line.at)
        return not is_down or (last_alive is not None and last_alive > before)

    def _forget(self) -> None:
        """Go on behind a hole in the log: what was open before may have ended in it, and more may have happened."""
        self._open = self._signal = self._reason = self._last_line = self._crash = None
        self._seen_gateway = self._refused = False

    def _is_repeated(self, line: Line) -> bool:
        """Tell whether another source already told this event; its line is then one more reference."""
        key = (line.kind, line.signal, line.detail)
        told = self._recent.get(key)
        self._recent[key] = line
        if told is None or told.source == line.source or line.at - told.at > self._policy.same_event:
            return False
        if told.pid is not None and line.pid is not None and told.pid != line.pid:
            return False
        self._recent[key] = told
        for window in self._windows[-1:]:
            if window.rests_on(told):
                window.lines.append(line)
        return True

    def _take(self, line: Line) -> None:
        kind = line.kind
        if kind is K.SIGNAL_RECEIVED:
            self._signal = line
        elif kind in (K.RESTART_REASON, K.RESTART_DEFERRED):
            self._reason = line
        elif kind is K.LAST_LINE:
            self._last_line = line
        elif kind in (K.CRASH, K.FATAL):
            self._crash = line
        elif kind in _GOING_DOWN or self._is_first_sign(line):
            self._go_down(line)
        else:
            self._take_start_or_end(line)

    def _is_first_sign(self, line: Line) -> bool:
        """Tell whether a line shows a gateway going down of which no earlier sign was logged (#73467).

        Lines of two sources are out of order by up to 0.1 s, so one right behind a window still belongs to that.
        """
        if line.kind not in _ON_THE_WAY_DOWN or _SUCCESSOR_IS_UP in line.raw:
            return False
        window = self._windows[-1] if self._windows else None
        if window is None:
            return True
        if window is self._open and (window.up_at is None or not self._has_served(window, line)):
            return False
        return line.at - window.latest > self._policy.same_event

    def _take_start_or_end(self, line: Line) -> None:
        kind = line.kind
        if kind in _STARTS:
            self._start(line)
        elif kind is K.SERVICE_STARTED:
            self._start_service(line)
        elif kind in _EXITS:
            self._exit(line)
        elif kind is K.HTTP_STARTING:
            self._start_serving(line)
        elif kind is K.READY:
            self._be_ready(line)
        else:
            self._note(line)

    def _go_down(self, line: Line) -> None:
        window = self._open
        if window is None or window.up_at is not None:
            since = self._latest_known()
            window = self._new_window(WindowKind.SIGNAL, self._acted_signal(line) or line)
            window.down_at = max(window.down_at, since or window.down_at)
            window.down_at_latest = max(window.down_at_latest, window.down_at)
            self._tell_reason(window)
        window.add(line)
        if line.kind is K.DRAIN_STARTED:
            window.drain_at = line.at
        elif line.kind in _ON_THE_WAY_DOWN:
            self._note_going_down(window, line)

    def _acted_signal(self, line: Line) -> Line | None:
        signal = self._signal
        if signal is None:
            return None
        is_acted = signal.signal == line.signal if line.kind is K.SIGNAL_ACTED else line.kind in _ON_THE_WAY_DOWN
        return signal if is_acted and line.at - signal.at <= self._policy.acted_after_signal else None

    def _start(self, line: Line) -> None:
        window = self._open
        self._refused = False
        if window is not None and window.served and line.kind is K.PROCESS_START:
            window = None  # the process before this one was at work although its ready line is missing
        if window is not None and self._went_on(window, line):
            window = None  # runs were started and ended long after it: it never went down, or came back unseen
        if window is None:
            window = self._crashed(line) if self._seen_gateway else self._new_window(WindowKind.START, line)
        if window.up_at is None or line.kind is K.PROCESS_START:
            window.up_at = line.at  # of several starts in a row the last is that of the process that became ready
            window.process = ProcessFate.REPLACED
            if window.kind is WindowKind.CRASH and not window.exited:
                window.down_at_latest = line.at  # an earlier start may have been a second process that gave up
            window.add(line)

    def _went_on(self, window: Window, start: Line) -> bool:
        """Tell whether runs began or ended so long after the last sign of going down that it is another going down."""
        if window.up_at is not None or window.gone:
            return False
        alive = self._around.last_alive(start.at)
        return alive is not None and alive - window.lines[-1].latest > self._policy.longest_drain

    def _latest_known(self) -> datetime | None:
        """Give the latest moment of the window before: no later window can begin before it."""
        if not self._windows:
            return None
        return self._windows[-1].latest

    def _crashed(self, start: Line) -> Window:
        """Open the window of a process that left no stop line: it went down between its last sign of life and here."""
        last, since = self._last_line, self._latest_known()
        self._last_line = None  # it speaks of the process before this start only
        window = self._new_window(WindowKind.CRASH, last or start)
        alive = self._alive.filter(self._alive <= start.at)
        signs = [sign for sign in (window.down_at, since, alive.max()) if isinstance(sign, datetime)]
        window.down_at = min(max(signs), start.at)
        window.down_at_latest = start.at
        if self._crash is not None and window.down_at <= self._crash.at <= start.at:
            window.add(self._crash)
            window.reason = self._crash.detail
        return window

    def _exit(self, line: Line) -> None:
        """The service manager saw the process exit: it is gone, whatever the gateway said or left unsaid."""
        window = self._open
        if self._refused:
            return  # a second process, which gave up because the gateway was running
        if window is not None and window.up_at is None:
            if window.process is ProcessFate.KEPT:
                window.process = ProcessFate.UNKNOWN
        elif window is not None and not self._has_served(window, line):
            window.add(line)  # a start that failed; the next one belongs to the same window
            return
        else:
            window = self._exited_unasked(line)
        window.gone = window.exited = True
        window.gone_at = window.gone_at or max(line.at, window.down_at_latest)
        window.add(line)

    def _exited_unasked(self, line: Line) -> Window:
        """Open the window of a process that exited without a sign of going down before."""
        since = self._latest_known()
        window = self._new_window(WindowKind.CRASH if line.kind is K.SERVICE_EXITED else WindowKind.SIGNAL, line)
        window.down_at = max(line.at, since or line.at)
        window.down_at_latest = max(line.latest, window.down_at)
        if self._crash is not None and (since or self._crash.at) <= self._crash.at <= line.at:
            window.add(self._crash)
            window.reason = self._crash.detail
        window.reason = window.reason or line.detail
        self._last_line = None
        return window

    def _has_served(self, window: Window, exit_line: Line) -> bool:
        """Tell whether a process that was never seen ready has served: one that is refused gives up at once."""
        up_at = window.up_at
        return window.served or (up_at is not None and exit_line.at - up_at > self._policy.refused_start)

    def _start_service(self, line: Line) -> None:
        """The service manager started a process; it replaces the one before if that was seen to be gone."""
        window = self._open
        self._refused = False
        if window is None:
            if self._is_up_since(line):
                return  # some service managers tell of a start when the gateway is ready
            window = self._crashed(line) if self._seen_gateway else self._new_window(WindowKind.START, line)
        if window.up_at is None or window.lines[-1].kind in _EXITS:
            window.up_at = line.at
            if window.gone:
                window.process, window.boot_at = ProcessFate.REPLACED, line.at
        window.add(line)

    def _is_up_since(self, line: Line) -> bool:
        up_at = self._windows[-1].up_at if self._windows else None
        return up_at is not None and line.at - up_at <= self._policy.refused_start

    def _start_serving(self, line: Line) -> None:
        window = self._open
        if window is None:
            window = self._new_window(WindowKind.START, line)
        if window.up_at is None:
            window.up_at = line.at
            if window.process is ProcessFate.UNKNOWN and not window.exited and _is_restarting(window):
                window.process, window.kind = ProcessFate.KEPT, WindowKind.IN_PROCESS
            window.add(line)

    def _be_ready(self, line: Line) -> None:
        window = self._open
        if window is None:
            if self._windows and self._windows[-1].ready_at is not None and self._seen_gateway:
                return
            window = self._new_window(WindowKind.START, line)
        window.ready_at = line.latest
        window.up_at = window.up_at or line.at
        window.pid_after = line.pid or window.pid_after
        window.sure_pid = line.pid
        window.add(line)
        self._open = None

    def _note(self, line: Line) -> None:
        window = self._open
        self._refused = self._refused or line.kind is K.START_REFUSED
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

    def _note_going_down(self, window: Window, line: Line) -> None:
        if line.kind in _MODES:
            window.kind, window.process = _MODES[line.kind]
            window.pid_after = line.pid
        elif line.kind in _DRAIN_OUTCOMES:
            # what was cut short settles right afterwards (2026.9.6/restarts): the first outcome is the one that counts
            window.drain = window.drain or _DRAIN_OUTCOMES[line.kind]
        elif line.kind is K.SHUTDOWN_COMPLETED:
            is_stop = window.has_line(_is_going_down) and not _is_restarting(window)
            window.gone = window.exited or is_stop
            window.gone_at = window.gone_at or line.at
        elif line.kind is K.SERVICE_RESTART:
            window.kind = WindowKind.SUPERVISED if window.kind is WindowKind.SIGNAL else window.kind
        elif line.kind is not K.SHUTDOWN_FAILED:
            return
        window.add(line)

    def _tell_reason(self, window: Window) -> None:
        reason = self._reason
        if reason is not None and window.down_at - reason.at <= self._policy.reason_before_down:
            window.reason = reason.detail
            window.begin_with(reason)
        signal = window.lines[-1].signal
        window.reason = window.reason or signal
        self._reason = None

    def _new_window(self, kind: WindowKind, line: Line) -> Window:
        stop_seen = kind not in (WindowKind.CRASH, WindowKind.START)
        window = Window(kind, line.at, line.latest, stop_seen=stop_seen, lines=[line])
        if self._windows:
            window.pid_before = self._windows[-1].pid_after
        self._windows.append(window)
        self._open = window
        return window


def _is_restarting(window: Window) -> bool:
    """Tell whether the gateway said that it restarts, not that it stops; an earlier wish to restart says nothing."""
    return window.has_line(_says_restart)


def _says_restart(line: Line) -> bool:
    words = ("restarting", "restart ", "with restart")
    return line.kind not in _NOT_OF_THE_GATEWAY and any(word in line.raw for word in words)


def _is_going_down(line: Line) -> bool:
    return line.kind in _GOING_DOWN
