"""Rotated logs: ``name.1.log`` is the newest of those set aside, so a number that is missing is a hole in the log."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, repeat

from forensics.parsers.detect import Found

_NUMBERED = re.compile(r"(?P<base>.+?)(?:\.(?P<number>\d{1,3}))?\.log|(?P<file>.+\.log)\.(?P<turn>\d{1,3})", re.DOTALL)


def before_holes(logs: Sequence[Found | None], also: Sequence[Sequence[Found]] = ()) -> list[bool]:
    """Tell of each log whether what followed its last line is known to be missing.

    So it is for a log whose container ends within it, and for one set aside by rotation whose successor was not handed
    over from the same folder. What is None is no log. ``also`` gives the other names of each log: the same file may lie
    in several collected days, and its successor in one of them is enough.

    Source: formats.md §4.1 (1 is the newest); the same is true of logrotate's ``name.log.1``.
    """
    names_of = _names(logs, also)
    return [
        any(log.is_cut for log in names) or _lacks_successor(series)
        for names, series in zip(names_of, _series(names_of), strict=True)
    ]


def after_holes(logs: Sequence[Found | None], also: Sequence[Sequence[Found]] = ()) -> list[bool]:
    """Tell of each log whether the one that was set aside before it is known to be missing, while older ones are there.

    What an older day of a collection holds of the missing one may be its beginning only.
    """
    return [_lacks_predecessor(series) for series in _series(_names(logs, also))]


def _names(logs: Sequence[Found | None], also: Sequence[Sequence[Found]]) -> list[list[Found]]:
    others_of = [*also, *repeat((), len(logs) - len(also))]
    return [[] if log is None else [log, *others] for log, others in zip(logs, others_of, strict=True)]


def _series(names_of: Sequence[Sequence[Found]]) -> list[list[tuple[int, set[int]]]]:
    """Give, for each name that a log has in a series, its number and all numbers that are there."""
    numbers: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    placed = [list(filter(None, map(series_of, names))) for names in names_of]
    for folder, base, number in chain.from_iterable(placed):
        numbers[folder, base].add(number)
    return [[(number, numbers[folder, base]) for folder, base, number in series] for series in placed]


def series_of(log: Found) -> tuple[str, str, int] | None:
    """Give the folder, the name without its number, and the number of a log; 0 is the one that is written to."""
    folder, _, _ = log.shown.rpartition("/")
    match = _NUMBERED.fullmatch(log.name)
    if match is None:
        return None
    if match["file"] is not None:
        return folder, match["file"].removesuffix(".log"), int(match["turn"])
    return folder, match["base"], int(match["number"] or 0)


def _lacks_successor(series: Sequence[tuple[int, set[int]]]) -> bool:
    set_aside = [(number, present) for number, present in series if number > 0]
    return bool(set_aside) and not any(number - 1 in present for number, present in set_aside)


def _lacks_predecessor(series: Sequence[tuple[int, set[int]]]) -> bool:
    followed = [(number, present) for number, present in series if max(present) > number]
    return bool(followed) and not any(number + 1 in present for number, present in followed)
