"""Rows that lie too dense for marks: one small bar for each stretch of a lane, as high as it has rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from forensics.model.finding import Finding
from forensics.writers.html.incidents import GRAVEST_FIRST

DENSE_ROWS = 60
"""From so many rows on a lane may be drawn as bars; fewer are told apart better by marks with their number."""
DENSE_MARKS = 12
"""From so many marks that stand for several rows on, a lane of that many rows is drawn as bars."""
_STRETCH = 8.0
_WIDTH = 7.0
_HIGHEST = 17.0
_LOWEST = 1.5


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one verdict in a bar."""

    verdict: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Stack:
    """The rows of one stretch, the gravest verdict at the foot; ``target`` is the id of the finding it leads to."""

    x: float
    width: float
    parts: tuple[Part, ...]
    title: str
    target: str


def stacks_of(
    placed: Sequence[tuple[float, Finding]],
    left: float,
    middle: float,
    told: Callable[[list[Finding]], tuple[str, str]],
) -> Iterator[Stack]:
    """Give a bar for each stretch that has rows; ``told`` says of some rows what they are, and where that is told.

    ``placed`` are the rows with where they lie, ``left`` is where the picture begins; the fullest stretch has the
    highest bar.
    """
    held: dict[int, list[Finding]] = defaultdict(list)
    for x, finding in placed:
        held[int((x - left) // _STRETCH)].append(finding)
    most = max(map(len, held.values()), default=0)
    for number, findings in sorted(held.items()):
        title, target = told(findings)
        parts = tuple(_parts(findings, most, middle + _HIGHEST / 2))
        yield Stack(left + number * _STRETCH, _WIDTH, parts, title, target)


def _parts(findings: list[Finding], most: int, foot: float) -> Iterator[Part]:
    counts = Counter(finding.verdict for finding in findings)
    for verdict in GRAVEST_FIRST:
        if counts[verdict]:
            height = round(max(_HIGHEST * counts[verdict] / most, _LOWEST), 1)
            foot = round(foot - height, 1)
            yield Part(verdict, foot, height)
