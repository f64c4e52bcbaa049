"""What was withheld and what would settle it: by reason, and row by row where that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forensics.model.explanation import Overturn
from forensics.model.finding import Finding
from forensics.model.verdicts import Confidence, Reason, Verdict
from forensics.writers.html.sheet import Link, Sheet
from forensics.writers.wording import REASONS, stamp, wanted_files


@dataclass(frozen=True, slots=True)
class Withheld:
    """The rows that are withheld for one reason, and the files that would settle them."""

    sentence: str
    files: tuple[str, ...]
    rows: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """One withheld row, and what would settle it; ``started`` dates the times of day in that."""

    link: Link
    started: str
    settled_by: tuple[Overturn, ...]


def withheld_of(sheet: Sheet) -> Iterator[Withheld]:
    """Tell why rows are withheld, and which files would settle them; the reason of most rows first."""
    rows: dict[Reason, list[Finding]] = {}
    for finding in sheet.report.of_verdict(Verdict.UNDETERMINED):
        for code in finding.reasons:
            rows.setdefault(Reason(code), []).append(finding)
    for reason, findings in sorted(rows.items(), key=lambda one: (-len(one[1]), one[0])):
        files = sorted({name for finding in findings for name in wanted_files(finding, reason)})
        yield Withheld(REASONS[reason], tuple(files), tuple(sheet.link(one) for one in findings))


def settled_of(sheet: Sheet) -> Iterator[Settled]:
    """Tell what would settle each withheld row of which that is known."""
    for finding in sheet.report.of_verdict(Verdict.UNDETERMINED):
        told = sheet.settling.get((finding.gateway, finding.task_id))
        if told:
            yield Settled(sheet.link(finding), stamp(finding.started_at), told)


def unsettled_told(sheet: Sheet) -> str:
    """Say how many withheld rows are not told one by one; nothing where all are, or none is."""
    withheld = list(sheet.report.of_verdict(Verdict.UNDETERMINED))
    told = sum((one.gateway, one.task_id) in sheet.settling for one in withheld)
    if not told or told == len(withheld):
        return ""
    return (
        f"{told} of {len(withheld)} withheld rows are told here, other jobs and other reasons before more of the same; "
        "forensics explain TASK tells it of any row."
    )


def weak_of(sheet: Sheet) -> Iterator[Link]:
    """Name the rows that are decided on weak proof."""
    return (sheet.link(one) for one in sheet.report.findings if one.confidence is Confidence.WEAK)
