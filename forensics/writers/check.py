"""The outcome of a check as text."""

from __future__ import annotations

from collections.abc import Iterator

from forensics.model.check import Check
from forensics.model.escape import for_terminal
from forensics.model.finding import Finding
from forensics.writers.layout import job_of
from forensics.writers.wording import of_baseline, outcome, stale_told, why


def write_check(check: Check) -> str:
    """Give one line per finding that fails or is known, one per stale entry of the baseline, and one closing line."""
    return "\n".join(for_terminal(line) for line in _lines(check)) + "\n"


def _lines(check: Check) -> Iterator[str]:
    paths = check.report.paths()
    yield from (_line(check, finding, why(finding, paths)) for finding in check.listed())
    yield from (f"stale: {stale_told(entry)}" for entry in check.stale())
    yield outcome(check)


def _line(check: Check, finding: Finding, reasons: str) -> str:
    told = of_baseline(check, finding)
    mark = f" [{told}]" if told else ""
    return f"{finding.verdict}: {finding.task_id} ({job_of(finding)}): {reasons}{mark}"
