"""The restart windows that the handed-over log shows (design §5), told from the truth and from what is left of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.corpus.handover import Handed
from tests.corpus.world import Line, Process

CRASH_SLACK, STOP_SLACK = 60_000, 5_000
"""A mark this long before the down time still belongs to a restart (design §6, *Cause*)."""


@dataclass(frozen=True, slots=True)
class Window:
    """One restart as it can be seen; the down time lies between ``lo`` and ``hi``."""

    lo: int
    hi: int
    up: int
    """When the new process, or the new server of the same one, started."""
    ready: int | None
    replaced: bool
    stop_seen: bool
    whole: bool
    """Nothing of it is missing."""
    merged: bool
    """More than one process started before one got ready."""
    drain: int | None
    new: Process

    @property
    def slack(self) -> int:
        return STOP_SLACK if self.stop_seen else CRASH_SLACK


@dataclass(slots=True)
class _Told:
    """What is left of the lines about one process."""

    start: list[Line]
    ready: list[Line]
    down: list[Line]


def windows(handed: Handed) -> list[Window]:
    """Give the windows in time order; those of which nothing is left are not among them."""
    processes = [process for process in handed.history.processes if process.born <= handed.history.now]
    told = _told(handed)
    boots = handed.release.boots
    found: list[Window] = []
    opened: list[Line] = []
    for number, new in enumerate(processes):
        mine = told.get(id(new), _Told([], [], []))
        old = processes[number - 1] if number else None
        opened = opened or (told.get(id(old), _Told([], [], [])).down if old else [])
        if mine.start or mine.ready or (boots and old is not None):
            found.append(_window(handed, old, new, mine, opened))
            opened = []
    return _merged(found) + _for_good(processes, told)


def _for_good(processes: list[Process], told: dict[int, _Told]) -> list[Window]:
    """Give the window of a process that went down and was never started again: gone, if it said so at the end."""
    last = processes[-1] if processes else None
    mine = told.get(id(last), _Told([], [], []))
    gone = [line for line in mine.down if line.mark == "gone"]
    if last is None or last.down is None or not gone or not last.clean:
        return []
    at = min(line.at for line in mine.down)
    return [Window(at, at, gone[0].at, None, True, True, True, False, last.drained, last)]


def _told(handed: Handed) -> dict[int, _Told]:
    found: dict[int, _Told] = {}
    for line in handed.all_lines():
        if line.told is not None:
            mine = found.setdefault(id(line.told), _Told([], [], []))
            kinds = {"start": mine.start, "ready": mine.ready, "down": mine.down, "gone": mine.down}
            if line.mark in kinds:
                kinds[line.mark].append(line)
    return found


def _window(handed: Handed, old: Process | None, new: Process, mine: _Told, opened: list[Line]) -> Window:
    up = min((line.at for line in mine.start), default=new.born)
    stop_seen = bool(opened)
    lo = hi = min((line.at for line in opened), default=up)
    if not stop_seen:
        lo = max((line.at for line in handed.all_lines() if line.at < up and not _is_start(line, new)), default=up)
        lo = max([lo, *(run.start for run in handed.history.runs if old and run.process is old and run.start < up)])
    full_stop = old is None or not old.stop_seen or (old.down is not None and lo == old.down)
    full_start = bool(mine.start) and mine.start[0].at == new.born
    full = full_stop and full_start and (new.ready is None or bool(mine.ready)) and (old is not None)
    ready = new.ready if mine.ready or not mine.start else None
    drain = old.drained if old else None
    return Window(lo, hi, up, ready, new.replaced, stop_seen, full, False, drain, new)


def _is_start(line: Line, new: Process) -> bool:
    return line.told is new


def _merged(found: list[Window]) -> list[Window]:
    """Several starts until one is ready are one window."""
    merged: list[Window] = []
    for window in found:
        before = merged[-1] if merged else None
        if before is not None and before.new.ready is None:
            replaced = before.replaced or window.replaced
            merged[-1] = Window(
                before.lo, before.hi, before.up, window.ready, replaced, before.stop_seen,
                before.whole and window.whole, True, before.drain, window.new,
            )  # fmt: skip
        else:
            merged.append(window)
    return merged
