"""The outcome of a check as text."""

from __future__ import annotations

from collections.abc import Sequence

from forensics.model.escape import for_terminal
from forensics.model.finding import Finding, Report
from forensics.writers.layout import job_of
from forensics.writers.wording import closing, why


def write_check(report: Report, failing: Sequence[Finding]) -> str:
    """Give one line per failing finding and one closing line."""
    paths = report.paths()
    lines = [
        for_terminal(f"{finding.verdict}: {finding.task_id} ({job_of(finding)}): {why(finding, paths)}")
        for finding in failing
    ]
    outcome = (
        f"check failed: {len(failing)} of {report.summary.lost} lost rows need a look" if failing else "check passed"
    )
    return "\n".join([*lines, f"{outcome}. {closing(report)}"]) + "\n"
