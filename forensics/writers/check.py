"""The outcome of a check as text."""

from __future__ import annotations

from collections.abc import Iterator

from forensics.model.check import Check
from forensics.model.escape import for_terminal
from forensics.model.finding import Finding
from forensics.model.shown import PLAIN, Shown
from forensics.writers.layout import job_of
from forensics.writers.measure import paragraph
from forensics.writers.told_nothing import no_loss
from forensics.writers.wording import of_baseline, outcome, stale_told, style_of, unreasoned_told, why


def write_check(check: Check, shown: Shown = PLAIN) -> str:
    """Give one line per finding that fails or is known and per stale entry, one on missing reasons, one that closes."""
    return "\n".join(_lines(check, shown)) + "\n"


def _lines(check: Check, shown: Shown) -> Iterator[str]:
    paths = check.report.paths()
    for finding in check.listed():
        first, *rest = paragraph(for_terminal(_line(check, finding, why(finding, paths))), shown.width, rest="  ")
        yield shown.painted(finding.verdict, style_of(finding.verdict)) + first.removeprefix(finding.verdict)
        yield from rest
    stale = (f"stale: {stale_told(entry)}" for entry in check.stale())
    unreasoned = (f"no reason: {told}" for told in (unreasoned_told(check),) if told)
    for told in (*stale, *unreasoned, outcome(check)):
        yield from paragraph(for_terminal(told), shown.width, rest="  ")
    if not check.report.summary.lost:
        for sentence in no_loss(check.report, shown):
            yield from paragraph(for_terminal(sentence), shown.width)


def _line(check: Check, finding: Finding, reasons: str) -> str:
    told = of_baseline(check, finding)
    mark = f" [{told}]" if told else ""
    return f"{finding.verdict}: {finding.task_id} ({job_of(finding)}): {reasons}{mark}"
