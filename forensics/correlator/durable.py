"""What durable records add to the windows of the log: boots, births of processes, locks, and what a process died of.

Where a log covers the time, it alone draws the windows; records become further evidence, or the doubt that the two do
not agree. Where no log covers it, boots draw windows of their own. No doubtful window proves anything.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

import polars as pl

from forensics.correlator.windows import Line, Window
from forensics.model.policy import Policy
from forensics.model.verdicts import NO_STOP_SEEN, ProcessFate, WindowKind
from forensics.model.verdicts import LifecycleKind as K

DURABLE = (K.BOOT_STARTED, K.BOOT_ENDED, K.PROCESS_BORN, K.LOCK_TAKEN, K.RECEIPT_OPEN)
"""Kinds that the log's own state machine does not take; an open receipt speaks of a run, not of a process."""

NOT_IN_LOG = "a restart on record that the log, which covers this time, does not show"
RAN_ON = "the log shows another process, a record that the one before ran on"
OTHER_PROCESS = "the log and a record name different processes"
OTHER_FATE = "the log and the boot table disagree on whether the process was replaced"
OTHER_TIME = "the log and the boot table disagree on when the process ended"
OVERLAP = "two boots overlap on record"
UNKNOWN_ZONE = "told only by logs whose clock or time zone is unknown"

_STARTUP_FAILED = ("startup_failed", "startup_failure_repaired")
_SAFE_MODE_STABLE = "safe_mode_stable"
_PLANNED_RESTART = "planned_restart"
_CLEAN_STOP = "clean_stop"
_START_LINES = (K.PROCESS_START, K.STARTING, K.SERVICE_STARTED)
_FAR = timedelta(days=36_500)
_NEAR = 4
"""Among so many windows before a moment is the one it belongs to: they follow each other and do not overlap."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else is known of a gateway: when its runs were alive, and which times its logs cover."""

    policy: Policy
    alive: pl.Series
    covered: Sequence[tuple[datetime, datetime]]

    def covers(self, moment: datetime | None) -> bool:
        """Tell whether the log would have shown what happened then."""
        return moment is not None and any(first <= moment <= last for first, last in self.covered)

    def has_hole_between(self, one: datetime, other: datetime) -> bool:
        """Tell whether there is a time between two lines of its logs that none of them covers."""
        return any(first <= one <= last < other for first, last in self.covered) and not any(
            first <= one and other <= last for first, last in self.covered
        )

    def last_alive(self, until: datetime) -> datetime | None:
        """Give the last moment up to this one at which a run provably started or ended."""
        last = self.alive.filter(self.alive <= until).max()
        return last if isinstance(last, datetime) else None


@dataclass(slots=True)
class _Boot:
    """One boot on record: from its start until it ended, if that is on record."""

    started_at: datetime
    pid: int | None
    lines: list[Line] = field(default_factory=list)
    ended_at: datetime | None = None
    outcome: str | None = None
    words: str | None = None

    @property
    def failed(self) -> bool:
        return self.outcome in _STARTUP_FAILED


@dataclass(frozen=True, slots=True)
class _Change:
    """From one boot that served to the next: with the boots between that failed to start."""

    before: _Boot | None
    failed: tuple[_Boot, ...]
    after: _Boot | None

    @property
    def down_at(self) -> datetime | None:
        return self.before.ended_at if self.before else None

    @property
    def up_at(self) -> datetime | None:
        starts = [boot.started_at for boot in (*self.failed, self.after) if boot]
        return starts[-1] if starts else None

    @property
    def first_start(self) -> datetime | None:
        starts = [boot.started_at for boot in (*self.failed, self.after) if boot]
        return starts[0] if starts else None

    @property
    def anchor(self) -> datetime:
        """The moment by which the window of this change is found."""
        anchor = self.up_at or self.down_at
        assert anchor is not None  # noqa: S101 - a change has a boot that started, or one that ended
        return anchor

    @property
    def overlaps(self) -> bool:
        return self.down_at is not None and self.first_start is not None and self.down_at > self.first_start

    def lines(self) -> list[Line]:
        """Give the lines of what ended and of what started."""
        ended = [line for line in self.before.lines if line.kind is K.BOOT_ENDED] if self.before else []
        started = [line for boot in self.failed for line in boot.lines]
        started += [line for line in self.after.lines if line.kind is K.BOOT_STARTED] if self.after else []
        return [*ended, *started]

    def fate(self, policy: Policy) -> ProcessFate:
        """Tell what became of the process, by the numbers of the two.

        A container's process has the same small number after every start, so equal small numbers tell nothing. Two
        different numbers are two processes; the second got the gateway's lock, so the first was gone.
        """
        one, other = self.before, self.after or (self.failed[-1] if self.failed else None)
        if one is None or other is None or one.pid is None or other.pid is None or self.overlaps:
            return ProcessFate.UNKNOWN
        small = min(one.pid, other.pid) <= policy.largest_container_pid
        if one.pid != other.pid:
            return ProcessFate.UNKNOWN if small and one.ended_at is None else ProcessFate.REPLACED
        if small or one.outcome != _PLANNED_RESTART or one.ended_at is None:
            return ProcessFate.UNKNOWN
        soon = other.started_at - one.ended_at <= policy.in_process_gap
        return ProcessFate.KEPT if soon else ProcessFate.UNKNOWN


def with_durable(windows: list[Window], lines: Iterable[Line], around: Surroundings) -> list[Window]:
    """Give the windows of the log with all that durable records say, and the windows that only records tell of."""
    lines = list(lines)
    boots = _boots(lines)
    windows = list(windows)
    joined: dict[int, list[_Change]] = {}
    alone = []
    for change in _changes(boots):
        place = _window_of(change, windows, joined, around.policy)
        if place is None:
            alone.append(change)
        else:
            joined.setdefault(place, []).append(change)
    for place, changes in joined.items():
        _join(windows[place], changes, around)
    _question_spanned(windows, boots, joined, around.policy)
    spanned = _spanned(alone, boots)
    for change in alone:
        window = _window_from(change, around)
        if change in spanned:
            window.question(OVERLAP)
        _insert(windows, window)
    _add_starts(windows, boots, lines, around)
    _add_fatal(windows, lines, around.policy)
    return windows


def with_unplaced_in_time(windows: list[Window], doubtful: Iterable[Window]) -> list[Window]:
    """Add the windows that only logs of an assumed zone tell of; those of a known window are further lines of it."""
    windows = list(windows)
    for window in doubtful:
        window.question(UNKNOWN_ZONE)
        place = bisect_right(windows, window.latest, key=lambda known: known.down_at)
        same = windows[place - 1] if place else None
        if same is None or same.latest < window.down_at:
            _insert(windows, window)
        else:
            for line in window.lines:
                same.add(line)
    return windows


def _boots(lines: Iterable[Line]) -> list[_Boot]:
    """Give the boots on record in time order; copies of one row, taken earlier or later, are one boot."""
    boots: dict[tuple[datetime, int], _Boot] = {}
    ends = []
    for line in lines:
        if line.kind is K.BOOT_STARTED:
            boots.setdefault((line.at, line.pid or 0), _Boot(line.at, line.pid)).lines.append(line)
        elif line.kind is K.BOOT_ENDED:
            ends.append(line)
    in_time = sorted(boots.values(), key=lambda boot: (boot.started_at, boot.pid or 0))
    of_process: dict[int | None, list[_Boot]] = {}
    for boot in in_time:
        of_process.setdefault(boot.pid, []).append(boot)
    for line in sorted(ends, key=lambda end: (end.at, end.status or "", end.source, end.line or 0)):
        _end(boots, of_process.get(line.pid, ()), line)
    return list(_lives(in_time))


def _end(boots: dict[tuple[datetime, int], _Boot], own: Sequence[_Boot], line: Line) -> None:
    """Give a boot its end; of several the last counts, as a failed start is later marked as repaired.

    ``own`` are the boots of the process that ended, in time order: an end that names no start is that of the last one.
    """
    boot = boots.get((line.running_at, line.pid or 0)) if line.running_at else None
    if boot is None:
        place = bisect_right(own, line.at, key=lambda earlier: earlier.started_at)
        boot = own[place - 1] if place else None
    if boot is not None:
        outcome = line.status or (line.detail or "").partition(":")[0].strip()
        boot.ended_at, boot.outcome, boot.words = line.at, outcome or None, line.detail
        boot.lines.append(line)


def _lives(boots: Iterable[_Boot]) -> Iterator[_Boot]:
    """Put the two rows together that one process has after a crash loop: it did not restart in between.

    A gateway that has been stable in safe mode closes its row and opens another one, as the same process.
    """
    last: _Boot | None = None
    for boot in boots:
        if last is not None and last.outcome == _SAFE_MODE_STABLE:
            if last.pid == boot.pid and last.pid is not None:
                last.lines += boot.lines
                last.ended_at, last.outcome, last.words = boot.ended_at, boot.outcome, boot.words
                continue
            last.ended_at = last.outcome = None  # the row it went on with is missing
        if last is not None:
            yield last
        last = boot
    if last is not None:
        if last.outcome == _SAFE_MODE_STABLE:
            last.ended_at = last.outcome = None
        yield last


def _changes(boots: Iterable[_Boot]) -> Iterator[_Change]:
    before: _Boot | None = None
    failed: list[_Boot] = []
    for boot in boots:
        if boot.failed:
            failed.append(boot)
            continue
        yield _Change(before, tuple(failed), boot)
        before, failed = boot, []
    if failed or (before is not None and before.ended_at is not None):
        yield _Change(before, tuple(failed), None)


def _window_of(
    change: _Change, windows: Sequence[Window], joined: dict[int, list[_Change]], policy: Policy
) -> int | None:
    """Find the log's window that a change belongs to; one that was never seen to close takes one change only."""
    until = bisect_right(windows, change.anchor + policy.same_event, key=lambda window: window.down_at)
    for place in range(max(until - _NEAR, 0), until):
        window = windows[place]
        if window.ready_at is None and place in joined:
            continue
        first, last = _reach(window, windows[place + 1] if place + 1 < len(windows) else None, policy)
        is_open = window.ready_at is None
        if is_open and change.before is None:
            last = min(last, window.latest + policy.refused_start)  # what lay between may have been deleted
        if first <= change.anchor <= last:
            return place
    return None


def _reach(window: Window, following: Window | None, policy: Policy) -> tuple[datetime, datetime]:
    """Give the time within which a boot of the new process lies."""
    first = window.down_at
    if window.kind.value in NO_STOP_SEEN and not window.exited:
        starts = [line.at for line in window.lines if line.kind in _START_LINES]
        first = min([*starts, window.up_at or window.down_at_latest])
    if window.ready_at is not None:
        return first - policy.same_event, window.ready_at + policy.same_event
    return first - policy.same_event, following.down_at if following else window.down_at + _FAR


def _join(window: Window, changes: Sequence[_Change], around: Surroundings) -> None:
    """Make the changes evidence of the log's window, whose bounds stay as the log draws them."""
    change, fate = changes[-1], _fate_of(changes, around.policy)
    doubt = next((doubt for each in changes for doubt in _disagreements(window, each, around.policy)), None)
    if {window.process, fate} == {ProcessFate.KEPT, ProcessFate.REPLACED}:
        doubt = doubt or OTHER_FATE
    window.pid_before = window.pid_before or (changes[0].before.pid if changes[0].before else None)
    if change.after is not None:
        window.pid_after = window.pid_after or change.after.pid
        window.sure_pid = window.sure_pid or change.after.pid
    if changes[0].before is not None:
        window.reason = window.reason or changes[0].before.words
    for line in sorted((line for each in changes for line in each.lines()), key=lambda line: (line.at, line.source)):
        window.add(line)
    if doubt is not None:
        window.question(doubt)
    else:
        if window.process is ProcessFate.UNKNOWN:
            window.process = fate
        if window.ready_at is None:
            _complete(window, change, around)


def _fate_of(changes: Sequence[_Change], policy: Policy) -> ProcessFate:
    """Tell what became of the process over several boots; once replaced it is replaced."""
    fates = {change.fate(policy) for change in changes}
    if ProcessFate.REPLACED in fates:
        return ProcessFate.REPLACED
    return ProcessFate.KEPT if fates == {ProcessFate.KEPT} else ProcessFate.UNKNOWN


def _complete(window: Window, change: _Change, around: Surroundings) -> None:
    """Take the start that the log leaves open from the boots."""
    if change.after is None:
        return
    if window.up_at is None and around.covers(change.after.started_at):
        window.question(NOT_IN_LOG)
        return
    window.up_at = window.up_at or change.after.started_at
    window.boot_at = max(window.up_at, change.after.started_at)


def _disagreements(window: Window, change: _Change, policy: Policy) -> Iterator[str]:
    if change.overlaps:
        yield OVERLAP
    if window.sure_pid and change.after and change.after.pid and window.sure_pid != change.after.pid:
        yield OTHER_PROCESS
    ended_at = change.down_at
    if ended_at is not None:
        over = window.ready_at or window.up_at
        too_late = over is not None and ended_at > over + policy.boot_near_log
        # a start line without a line before it does not say that the old process lived until then
        is_seen = window.stop_seen or window.exited or window.down_at < window.down_at_latest
        too_early = is_seen and ended_at < window.down_at - policy.boot_near_log
        if too_early or too_late:
            yield OTHER_TIME


def _question_spanned(
    windows: Sequence[Window], boots: Sequence[_Boot], joined: dict[int, list[_Change]], policy: Policy
) -> None:
    """Doubt the windows of the log across which a process ran on by the boot table: they may be another gateway's."""
    ended = [boot for boot in boots if boot.ended_at is not None]
    starts = [boot.started_at for boot in ended]
    longest = list(accumulate(ended, _longer))
    for place, window in enumerate(windows):
        began = bisect_left(starts, window.down_at - policy.boot_near_log)
        if began == 0 or window.process is ProcessFate.KEPT:
            continue
        boot = longest[began - 1]
        over = window.ready_at or window.up_at or window.down_at_latest
        is_own = any(boot is change.before for change in joined.get(place, ()))
        if not is_own and _ended_at(boot) > over + policy.boot_near_log:
            window.question(RAN_ON)


def _spanned(changes: Sequence[_Change], boots: Sequence[_Boot]) -> list[_Change]:
    """Give the changes across which another boot was on record: the process that ended was not the only one."""
    ended = [boot for boot in boots if boot.ended_at is not None]
    starts = [boot.started_at for boot in ended]
    longest = list(accumulate(ended, _longer))
    found = []
    for change in changes:
        moment = change.down_at or change.anchor
        began = bisect_left(starts, moment)
        other = longest[began - 1] if began else None
        if other is not None and other is not change.before and _ended_at(other) > moment:
            found.append(change)
    return found


def _longer(one: _Boot, other: _Boot) -> _Boot:
    return max(one, other, key=_ended_at)


def _ended_at(boot: _Boot) -> datetime:
    return boot.ended_at or boot.started_at


def _window_from(change: _Change, around: Surroundings) -> Window:
    """Draw the window that only the boot table tells of."""
    window = _bounds_from(change, around)
    window.lines = sorted(change.lines(), key=lambda line: (line.at, line.source))
    window.up_at = change.up_at
    window.process = change.fate(around.policy)
    if change.before is not None:
        window.pid_before, window.reason = change.before.pid, change.before.words
        window.gone = change.before.outcome == _CLEAN_STOP and not change.overlaps
        window.gone_at = change.before.ended_at if window.gone else None
    if change.after is not None:
        window.pid_after = window.sure_pid = change.after.pid
        window.boot_at = change.after.started_at
    if window.process is ProcessFate.KEPT:
        window.kind = WindowKind.IN_PROCESS
    if change.overlaps:
        window.question(OVERLAP)
    if around.covers(change.up_at) or around.covers(change.down_at):
        window.question(NOT_IN_LOG)
    return window


def _bounds_from(change: _Change, around: Surroundings) -> Window:
    """Give kind and down time: the end on record, else what lies between the last sign of life and the next start.

    The end on record is when the process had shut down: the signal came some seconds, or a drain, before.
    """
    first_start = change.first_start
    if change.before is None:
        at = change.anchor
        return Window(WindowKind.START, first_start or at, first_start or at, stop_seen=False)
    if change.before.ended_at is not None:
        down_at = change.before.ended_at
        down_at = min(down_at, first_start) if first_start else down_at
        return Window(WindowKind.SIGNAL, down_at, down_at, stop_seen=False)
    latest = first_start or change.anchor
    alive = around.last_alive(latest)
    down_at = max(change.before.started_at, alive or change.before.started_at)
    return Window(WindowKind.CRASH, min(down_at, latest), latest, stop_seen=False)


def _insert(windows: list[Window], window: Window) -> None:
    """Put a window where it belongs in time, within what lies between its neighbours; the log's bounds stand."""
    place = bisect_right(windows, window.down_at_latest, key=lambda known: known.down_at_latest)
    before = windows[place - 1] if place else None
    after = windows[place] if place < len(windows) else None
    if before is not None:
        if window.up_at is not None and window.up_at < before.latest:
            window.question(OVERLAP)
            window.up_at = max(window.up_at, before.latest)
        window.down_at = max(window.down_at, before.latest)
        window.down_at_latest = max(window.down_at_latest, window.down_at)
    if after is not None and window.latest > after.down_at:
        window.question(OVERLAP)
        window.up_at = window.ready_at = None
        window.down_at = min(window.down_at, after.down_at)
        window.down_at_latest = min(window.down_at_latest, after.down_at)
    windows.insert(place, window)


def _add_starts(windows: list[Window], boots: Sequence[_Boot], lines: Sequence[Line], around: Surroundings) -> None:
    """Add births of processes and locks: to the window they fit, else a window where another process was before."""
    pids = sorted(
        [(boot.started_at, boot.pid) for boot in boots if boot.pid]
        + [(window.latest, window.pid_after) for window in windows if window.pid_after]
    )
    failed = {(line.source, line.line) for line in lines if _is_failed_start(line)}
    for line in lines:
        if line.kind not in (K.PROCESS_BORN, K.LOCK_TAKEN) or line.pid is None:
            continue
        fitting = next((window for window in windows if _fits(window, line, around.policy)), None)
        if fitting is not None:
            _add_start(fitting, line)
        elif not around.covers(line.at) and not _is_known(line, boots, around.policy):
            known = bisect_right(pids, line.at, key=lambda told: told[0])
            if known and pids[known - 1][1] != line.pid:
                is_sure = line.kind is K.PROCESS_BORN and (line.source, line.line) not in failed
                _insert(windows, _window_of_start(line, pids[known - 1], around, is_sure=is_sure))
        insort(pids, (line.at, line.pid))


def _is_failed_start(line: Line) -> bool:
    return line.kind is K.FATAL and "startup_failed" in (line.detail or "")


def _fits(window: Window, line: Line, policy: Policy) -> bool:
    last = window.ready_at or window.boot_at or window.up_at
    if last is None:
        return False
    if line.kind is K.PROCESS_BORN:
        if window.process is ProcessFate.KEPT or window.up_at is None:
            return False
        return window.up_at - policy.born_before_start <= line.at <= last + policy.same_event
    first = window.down_at if window.stop_seen or window.up_at is None else window.up_at
    return first - policy.boot_near_log <= line.at <= last + policy.boot_near_log


def _add_start(window: Window, line: Line) -> None:
    if window.sure_pid is not None and window.sure_pid != line.pid:
        if line.kind is K.LOCK_TAKEN:
            window.question(OTHER_PROCESS)
        else:
            return  # a second process, which died of what its bundle tells
    window.pid_after = window.pid_after or line.pid
    window.add(line)


def _is_known(line: Line, boots: Sequence[_Boot], policy: Policy) -> bool:
    """Tell whether a boot of this very process is on record at that time."""
    return any(
        boot.pid == line.pid
        and boot.started_at - policy.born_before_start <= line.at
        and (boot.ended_at is None or line.at <= boot.ended_at)
        for boot in boots
    )


def _window_of_start(line: Line, known: tuple[datetime, int], around: Surroundings, *, is_sure: bool) -> Window:
    """Draw the window of a process that is known by its birth or its lock alone; a lock proves no replacement."""
    moment, pid = known
    alive = around.last_alive(line.at)
    window = Window(WindowKind.CRASH, max(moment, alive or moment), line.at, stop_seen=False, lines=[line])
    window.down_at = min(window.down_at, line.at)
    window.up_at, window.pid_before, window.pid_after = line.at, pid, line.pid
    if is_sure and min(pid, line.pid or 0) > around.policy.largest_container_pid:
        window.process, window.boot_at = ProcessFate.REPLACED, line.at
    return window


def _add_fatal(windows: Sequence[Window], lines: Iterable[Line], policy: Policy) -> None:
    """Add to each window what the process before it died of: to the first one of that time and process."""
    untils = [window.up_at or window.down_at_latest + policy.boot_near_log for window in windows]
    reached = list(accumulate(untils, max))
    began = [moment - policy.same_event for moment in _earliest_from(windows)]
    for line in lines:
        if line.kind is not K.FATAL:
            continue
        # none before the first that reaches so far, and none once all that follow begin later
        for place in range(bisect_left(reached, line.at), bisect_right(began, line.at)):
            window = windows[place]
            foreign = line.pid is not None and window.pid_before not in (None, line.pid)
            if window.down_at - policy.same_event <= line.at <= untils[place] and not foreign:
                _die_of(window, line)
                break


def _earliest_from(windows: Sequence[Window]) -> list[datetime]:
    """Give, for each window, the earliest moment at which it or one behind it went down."""
    return list(accumulate((window.down_at for window in reversed(windows)), min))[::-1]


def _die_of(window: Window, line: Line) -> None:
    window.add(line)
    window.reason = window.reason or line.detail
    if window.kind is WindowKind.CRASH and not window.stop_seen and window.doubt is None:
        window.down_at = min(max(window.down_at, line.at), window.down_at_latest)
