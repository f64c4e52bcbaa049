"""The clock of a text log: midnights, New Years, and hours told twice, seen over all of its lines.

A stamp without a date tells its day only by the lines before it, so every line is looked at, in passes that keep
nothing but the places where the clock goes back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO

import polars as pl

from forensics.model.policy import (
    CLOCK_JUMPS_BACK,
    CLOCK_STEP,
    MIDNIGHT_BACK,
    NEW_YEAR_BACK,
    OFFSET_STEP,
    OTHER_CLOCK_LINES,
    SISTER_STAMPS,
)
from forensics.parsers.log_scan import LINE, scan
from forensics.parsers.stamps import Tells

_DAY = 86_400
_HOUR = 3600
_MORNING = 4 * _HOUR
_STEPS_KEPT = 5
_BATCH_LINES = 1 << 18
_ANSI = r"(?:\x1b\[[0-9;]*m)*"
_BEFORE = rf"^{_ANSI}(?:[\w.-]+ +\| )?{_ANSI}"
_TIME_OF_DAY = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_PATTERNS = {
    Tells.NO_DATE: _BEFORE + _TIME_OF_DAY,
    Tells.NO_YEAR: _BEFORE + r"(?P<month>[JFMASOND][a-z]{2}) +(?P<day>[0-9]{1,2}) " + _TIME_OF_DAY,
    Tells.DATE: _BEFORE + r"(?:[A-Z][a-z]{2} )?(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ]" + _TIME_OF_DAY,
}
_DAYS_BEFORE = dict(
    zip(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
        (0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where the clock goes back, or far forward: the line after it, and the clock before and after."""

    line: int
    before: int
    after: int

    @property
    def seconds(self) -> int:
        """By how much."""
        return self.after - self.before


@dataclass(slots=True)
class Clock:
    """What the lines of one file tell of its clock. Lines are 1-based; each list is in the order of the file."""

    midnights: list[int] = field(default_factory=list)
    new_years: list[int] = field(default_factory=list)
    set_back: list[Jump] = field(default_factory=list)
    stepped_back: list[int] = field(default_factory=list)
    other_clock_at: int | None = None
    first_line: int | None = None

    @property
    def jumps_back(self) -> int:
        """How often the clock goes back."""
        return len(self.midnights) + len(self.new_years) + len(self.set_back)

    def midnights_between(self, earlier: int, later: int) -> int:
        """Count the midnights from one line to a later one."""
        return bisect_right(self.midnights, later) - bisect_right(self.midnights, earlier)

    def new_years_between(self, earlier: int, later: int) -> int:
        """Count the New Years from one line to another; negative where the other stands before."""
        return bisect_right(self.new_years, later) - bisect_right(self.new_years, earlier)

    def is_second(self, line: int, second_of_day: int) -> bool:
        """Tell whether the clock was put back by about an hour shortly before this line."""
        behind = bisect_right(self.set_back, line, key=lambda jump: jump.line)
        if not behind:
            return False
        since = (second_of_day - self.set_back[behind - 1].after) % _DAY
        return since <= 2 * MIDNIGHT_BACK.total_seconds()


def clock_of(log: IO[bytes], tells: Tells) -> Clock:
    """Look at the clock of every line whose stamps tell this much."""
    clock = Clock()
    last: Jump | None = None
    for jump in _jumps(log, tells, clock):
        if clock.jumps_back > CLOCK_JUMPS_BACK:
            clock.other_clock_at = clock.other_clock_at or jump.line
            break
        if last is not None and _is_undone(last, jump):
            clock.other_clock_at = clock.other_clock_at or last.line
        _take_back(jump, tells, clock)
        last = jump
    return clock


def _jumps(log: IO[bytes], tells: Tells, clock: Clock) -> Iterator[Jump]:
    """Find the places where the clock goes back by more than a second, or forward by a quarter of an hour or more."""
    stamped = (
        scan(log)
        .select("number", LINE.str.extract_groups(_PATTERNS[tells]).alias("parts"))
        .filter(pl.col("parts").struct.field("hour").is_not_null())
        .select("number", _seconds_expr(tells).alias("shown"))
        .drop_nulls()
    )
    change = pl.col("shown") - pl.col("before")
    before: int | None = None
    for batch in stamped.collect_batches(chunk_size=_BATCH_LINES, engine="streaming"):
        if not batch.height:
            continue
        clock.first_line = clock.first_line or batch["number"][0]
        moved = batch.with_columns(pl.col("shown").shift(1, fill_value=before).alias("before")).filter(
            (change < -1) | (change >= OFFSET_STEP.total_seconds())
        )
        before = batch["shown"][-1]
        for row in moved.select("number", "before", "shown").iter_rows():
            yield Jump(*row)


def _seconds_expr(tells: Tells) -> pl.Expr:
    """What the clock shows, in seconds of its day, of a leap year, or since 1970."""
    parts = pl.col("parts").struct
    hour, minute, second = (parts.field(name).cast(pl.Int64) for name in ("hour", "minute", "second"))
    in_day = hour % 24 * 3600 + minute * 60 + second
    if tells is Tells.NO_DATE:
        return in_day
    if tells is Tells.DATE:
        date = parts.field("date").str.to_date("%Y-%m-%d", strict=False)
        return date.cast(pl.Int32).cast(pl.Int64) * _DAY + in_day
    month = parts.field("month").replace_strict(_DAYS_BEFORE, default=None, return_dtype=pl.Int64)
    return (month + parts.field("day").cast(pl.Int64) - 1) * _DAY + in_day


def _take_back(jump: Jump, tells: Tells, clock: Clock) -> None:
    """Tell what it means that the clock goes back here."""
    back = timedelta(seconds=-jump.seconds)
    if tells is Tells.NO_DATE and back > MIDNIGHT_BACK:
        clock.midnights.append(jump.line)
    elif tells is Tells.NO_YEAR and back > NEW_YEAR_BACK:
        clock.new_years.append(jump.line)
    elif back > CLOCK_STEP:
        if back <= MIDNIGHT_BACK:
            clock.set_back.append(Jump(jump.line, jump.before % _DAY, jump.after % _DAY))
        if not _is_winter_time(jump) and len(clock.stepped_back) < _STEPS_KEPT:
            clock.stepped_back.append(jump.line)


def _is_winter_time(jump: Jump) -> bool:
    """Tell whether clocks may have been put back by law: by an hour at most as seen here, in the night."""
    return jump.seconds >= -_HOUR - CLOCK_STEP.seconds and jump.after % _DAY < _MORNING


def _is_undone(jump: Jump, following: Jump) -> bool:
    """Tell whether the clock jumps by an offset from UTC and soon back: the lines between have a clock of their own.

    A silence may look like that too, but hardly to the second.
    """
    if following.line - jump.line > OTHER_CLOCK_LINES:
        return False
    ahead = timedelta(seconds=abs(jump.seconds))
    is_offset = ahead >= OFFSET_STEP and abs(ahead - round(ahead / OFFSET_STEP) * OFFSET_STEP) <= CLOCK_STEP
    is_undone = abs(jump.seconds + following.seconds) <= SISTER_STAMPS.total_seconds()
    return is_offset and is_undone
