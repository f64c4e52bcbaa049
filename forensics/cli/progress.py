"""One line on standard error that tells how far a long read has come, rewritten in place and erased at its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from forensics.model.escape import for_terminal
from forensics.model.progress import Progress, Stage, Step
from forensics.writers.measure import width_of

AUTO, ALWAYS, NEVER = "auto", "always", "never"
WHEN = (AUTO, ALWAYS, NEVER)

_SILENT_S = 0.5
"""A read that is over by then needs no progress."""

_PAUSE_S = 0.1
"""Between two writings of the line; more often is a flicker."""

_LEAST_NAME = 8
_COLUMNS = 80
_UNITS = ("kB", "MB", "GB", "TB")


@contextmanager
def shown_progress(when: str, stream: TextIO | None, terminal: str | None) -> Iterator[Progress | None]:
    """Give what ``load_evidence`` is to tell its progress; the line is erased however the read ends.

    ``terminal`` is the kind of terminal; on one that cannot rewrite a line (``dumb``), nothing is shown unless it is
    asked for. None: nothing is shown at all.
    """
    if stream is None or not _is_wanted(when, stream, terminal):
        yield None
        return
    line = ProgressLine(stream)
    try:
        yield line
    finally:
        line.erase()


def _is_wanted(when: str, stream: TextIO, terminal: str | None) -> bool:
    return when == ALWAYS or (when == AUTO and stream.isatty() and terminal != "dumb")


class ProgressLine:
    """The line itself: called with each step, it writes some of them."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream: TextIO | None = stream
        self._clock = clock
        self._stage: Stage | None = None
        self._begun = clock()
        self._next = self._begun + _SILENT_S
        self._drawn = 0

    def __call__(self, step: Step) -> None:
        """Show where a read is, if it is time to."""
        now = self._clock()
        if step.stage is not self._stage:
            self._stage, self._begun = step.stage, now
        if now >= self._next:
            self._next = now + _PAUSE_S
            columns = _columns_of(self._stream)
            self._draw(told(step, now - self._begun, columns - 1), columns)

    def erase(self) -> None:
        """Leave the line as it was before."""
        if self._drawn:
            # what a terminal shows of Ctrl-C stands behind the line
            self._write("\r" + " " * (max(self._drawn, _columns_of(self._stream)) - 1) + "\r")
            self._drawn = 0

    def _draw(self, text: str, columns: int) -> None:
        blank = max(min(self._drawn, columns) - 1 - width_of(text), 0)
        self._write("\r" + text + " " * blank)
        self._drawn = width_of(text) + 1

    def _write(self, text: str) -> None:
        """Write at once; a stream that takes nothing any more gets nothing any more."""
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def told(step: Step, elapsed_s: float, columns: int) -> str:
    """Say in at most so many columns where a read is; of a long name its end is told.

    >>> told(Step(Stage.READING, "logs/openclaw-2026-04-17.log", 412_000_000, 1_240_000_000), 2.0, 79)
    'reading logs/openclaw-2026-04-17.log  412 MB of 1.2 GB, 33 %, 206 MB/s'
    >>> told(Step(Stage.UNPACKING, "-", 52_300_000, None), 1.0, 79)
    'unpacking -  52 MB, 52 MB/s'
    """
    done = _size(step.done_bytes)
    if step.total_bytes:
        done += f" of {_size(step.total_bytes)}, {min(step.done_bytes * 100 // step.total_bytes, 100)} %"
    rate = f", {_size(step.done_bytes / elapsed_s)}/s" if elapsed_s > 0 else ""
    name = for_terminal(step.file)
    room = columns - len(f"{step.stage}   {done}{rate}")
    if room < _LEAST_NAME:
        return f"{step.stage} {done}"[:columns]
    return f"{step.stage} {_end_of(name, room)}  {done}{rate}"


def _size(size_bytes: float) -> str:
    """Give a size in three digits or so."""
    size, unit = size_bytes / 1000, 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if size < 10 and unit > 1 else f"{size:.0f} {_UNITS[unit]}"


def _end_of(name: str, columns: int) -> str:
    if width_of(name) <= columns:
        return name
    kept, width = "", len("...")
    for character in reversed(name):
        width += width_of(character)
        if width > columns:
            break
        kept = character + kept
    return "..." + kept


def _columns_of(stream: TextIO | None) -> int:
    with suppress(OSError, ValueError, AttributeError):
        if stream is not None:
            return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    return _COLUMNS
