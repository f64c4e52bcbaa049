"""The figures at the head of the page: rows by verdict, and what the gateway's own audit counts, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forensics.model.finding import Counts, Report
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Verdict
from forensics.writers.html.incidents import GRAVEST_FIRST
from forensics.writers.phrases import counted
from forensics.writers.wording import VERDICTS

_ALWAYS_ERRORS = "stale_running"
_SOMETIMES_ERRORS = "lost"


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows have a verdict; ``x`` and ``width`` are its part of a bar of 1000 units."""

    verdict: str
    meaning: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure at the head of the page; ``tone`` is none, bad, open or good."""

    count: int
    what: str
    detail: str
    tone: str


@dataclass(frozen=True, slots=True)
class CodeRow:
    """What the gateway's own audit counts of one code and severity."""

    code: str
    severity: str
    before: int
    after: int


def figures(report: Report) -> tuple[Figure, ...]:
    """Give the four figures that answer first: lost rows, real losses, withheld, no loss."""
    counts = report.summary.verdicts
    interrupted, unexplained = counts[Verdict.INTERRUPTED], counts[Verdict.UNEXPLAINED]
    explained = {verdict: counts[verdict] for verdict in CORRECTED_BY_DEFAULT}
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in explained.items() if count)
    real = interrupted + unexplained
    outside = counts[Verdict.NOT_APPLICABLE]
    return (
        Figure(
            report.summary.lost,
            "rows marked lost",
            f"of {counted(report.summary.tasks, 'task row')}" + (f", {outside:,} outside the rule" if outside else ""),
            "none",
        ),
        Figure(
            real,
            "real loss" if real == 1 else "real losses",
            f"{interrupted:,} interrupted, {unexplained:,} unexplained" if real else "none proven",
            # none proven is good news only where nothing was withheld
            "bad" if real else "none" if counts[Verdict.UNDETERMINED] else "good",
        ),
        Figure(
            counts[Verdict.UNDETERMINED],
            "withheld",
            "the evidence does not decide" if counts[Verdict.UNDETERMINED] else "the evidence decides every row",
            "open" if counts[Verdict.UNDETERMINED] else "none",
        ),
        Figure(sum(explained.values()), "no loss", told or "none", "good" if told else "none"),
    )


def shares(report: Report) -> Iterator[Share]:
    """Give the rows of each verdict and their part of all lost rows, the gravest first."""
    x = 0.0
    for verdict in GRAVEST_FIRST:
        count = report.summary.verdicts[verdict]
        width = 1000 * count / report.summary.lost if report.summary.lost else 0.0
        if count:
            yield Share(verdict, VERDICTS[verdict], count, round(x, 1), round(width, 1))
        x += width


def codes(report: Report) -> Iterator[CodeRow]:
    """Tell the counts by code and severity: a lost row is an error, or a warning where the gateway keeps it."""
    before, after = (_by_severity(counts) for counts in (report.summary.before, report.summary.after))
    for key in before:
        if before[key] or after[key]:
            yield CodeRow(*key, before[key], after[key])


def _by_severity(counts: Counts) -> dict[tuple[str, str], int]:
    """Split the counts by severity, as the gateway's audit does.

    Source: formats.md §2.2: a stale running row is an error, a lost row one of both, all else a warning.
    """
    lost_errors = counts.errors - counts.by_code[_ALWAYS_ERRORS]
    split: dict[tuple[str, str], int] = {}
    for code, count in counts.by_code.items():
        errors = {_ALWAYS_ERRORS: count, _SOMETIMES_ERRORS: lost_errors}.get(code, 0)
        split[code, "error"], split[code, "warning"] = errors, count - errors
    return split
