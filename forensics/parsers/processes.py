"""Whether a journal holds the lines of two gateway processes that ran side by side, told by their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

import polars as pl

from forensics.model.policy import Policy
from forensics.model.verdicts import LifecycleKind as K
from forensics.parsers.log_scan import LINE, lines_at, scan
from forensics.parsers.text_dates import Dates
from forensics.parsers.text_line import TextLine, take_apart

_PID = r'^[^\[{]{1,200}\[([0-9]{1,10})\]: |"_PID" ?: ?"([0-9]{1,10})"'


def second_process(log: IO[bytes], until: int, known: Iterable[TextLine], dates: Dates) -> int | None:
    """Give a line of a process that goes on logging while another one, started above it, does so too; None without.

    One that finds another running ends soon, as does one that is replaced: within ``refused_start`` that proves
    nothing. Lines are looked at by the start above them, so a number given out again does not matter.
    """
    spoken = [line for line in known if line.pid is not None and line.is_sign_of_life]
    starts = [line for line in spoken if any(event.kind is K.PROCESS_START for event in line.events())]
    if not starts or len({line.pid for line in spoken}) < 2:
        return None
    starts.sort(key=lambda line: line.number)
    last = _last_lines(log, until, [line.number for line in starts])
    texts = dict(lines_at(log, last["last"].to_list()).iter_rows())
    ends = {number: take_apart(number, text) for number, text in texts.items()}
    for place, start in enumerate(starts, 1):
        numbers = last.filter(pl.col("start") == place)["last"].sort().to_list()
        late = _late([line for number in numbers for line in ends[number]], start, dates)
        if start.pid in late and len(late) > 1:
            return min(number for pid, number in late.items() if pid != start.pid)
    return None


def _late(ends: Iterable[TextLine], start: TextLine, dates: Dates) -> dict[int | None, int]:
    """Give the processes that still log long after a start, each with its last line."""
    began = dates.of(start)
    late: dict[int | None, int] = {}
    for line in ends:
        told = dates.of(line) if line.is_sign_of_life and line.is_stamped else None
        if began is not None and told is not None and told.at - began.at > Policy().refused_start:
            late[line.pid] = line.number
    return late


def _last_lines(log: IO[bytes], until: int, starts: Sequence[int]) -> pl.DataFrame:
    """Find the last line of each process below each of these lines and above the next.

    Shape: start (1-based place among ``starts``; 0 above all), pid, last.
    """
    place = pl.lit(pl.Series("start", starts, dtype=pl.Int64)).search_sorted(pl.col("number"), side="right")
    groups = LINE.str.extract_groups(_PID).struct
    pid = pl.coalesce(groups.field("1"), groups.field("2"))
    return (
        scan(log)
        .filter(pl.col("number") <= until)
        .select("number", place.alias("start"), pid.alias("pid"))
        .drop_nulls("pid")
        .group_by("start", "pid")
        .agg(pl.col("number").max().alias("last"))
        .sort("start", "pid")
        .collect(engine="streaming")
    )
