"""Rotated logs: ``name.1.log`` is the newest of those set aside, so a number that is missing is a hole in the log."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from forensics.parsers.detect import Found

_NUMBERED = re.compile(r"(?P<base>.+?)(?:\.(?P<number>\d{1,3}))?\.log|(?P<file>.+\.log)\.(?P<turn>\d{1,3})", re.DOTALL)


def before_holes(logs: Sequence[Found | None]) -> list[bool]:
    """Tell of each log whether what followed its last line is known to be missing.

    So it is for a log whose container ends within it, and for one set aside by rotation whose successor was not handed
    over from the same folder. What is None is no log.

    Source: formats.md §4.1 (1 is the newest); the same is true of logrotate's ``name.log.1``.
    """
    numbers: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    placed = [None if log is None else series_of(log) for log in logs]
    for told in placed:
        if told is not None:
            folder, base, number = told
            numbers[folder, base].add(number)
    return [
        log is not None and (log.is_cut or (told is not None and _lacks_successor(told[2], numbers[told[:2]])))
        for log, told in zip(logs, placed, strict=True)
    ]


def series_of(log: Found) -> tuple[str, str, int] | None:
    """Give the folder, the name without its number, and the number of a log; 0 is the one that is written to."""
    folder, _, _ = log.shown.rpartition("/")
    match = _NUMBERED.fullmatch(log.name)
    if match is None:
        return None
    if match["file"] is not None:
        return folder, match["file"].removesuffix(".log"), int(match["turn"])
    return folder, match["base"], int(match["number"] or 0)


def _lacks_successor(number: int, present: set[int]) -> bool:
    return number > 0 and number - 1 not in present
