"""What the sections of the page share: how rows, restarts and facts are named, and where each of them is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from forensics.model.explanation import Overturn
from forensics.model.finding import Citation, Finding, Report
from forensics.writers.html.lanes import Names, names_of
from forensics.writers.wording import place, stamp

Settling = Mapping[tuple[str, str], tuple[Overturn, ...]]
"""What would settle withheld rows, by gateway and task id."""


@dataclass(frozen=True, slots=True)
class Link:
    """A finding by its short id and job, and the id of the element that tells it."""

    task: str
    job: str
    target: str


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact of a chain of evidence; ``target`` leads to where more of it stands."""

    at: str
    role: str
    text: str
    where: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A report with the names of all that is told of it, and what would settle its withheld rows."""

    report: Report
    names: Names
    paths: Mapping[int, str]
    has_gateways: bool
    settling: Settling

    def link(self, finding: Finding) -> Link:
        """Name a finding, and where it is told."""
        return Link(self.names.of(finding), job_of(finding), self.names.anchor(finding))

    def fact(self, fact: Citation) -> FactRow:
        """Tell one fact with its place."""
        return FactRow(stamp(fact.at), fact.role, fact.text, place(fact, self.paths))

    def facts(self, facts: Iterable[Citation]) -> Iterator[FactRow]:
        """Tell facts with their places."""
        return (self.fact(fact) for fact in facts)


def sheet_of(report: Report, settling: Settling | None = None) -> Sheet:
    """Name all that a report tells; several gateways are named wherever one of them is meant."""
    gateways = {one.gateway for one in report.findings} | {one.gateway for one in report.restarts}
    return Sheet(report, names_of(report), report.paths(), len(gateways) > 1, settling or {})


def job_of(finding: Finding) -> str:
    """Give the name of a finding's job, or its id."""
    return finding.job_name or finding.job_id or "-"
