"""Incidents: a restart with the rows that it explains, or rows that were marked in one sweep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from forensics.model.finding import Finding, Report, Restart
from forensics.model.verdicts import Verdict

GRAVEST_FIRST = (
    Verdict.INTERRUPTED,
    Verdict.UNEXPLAINED,
    Verdict.UNDETERMINED,
    Verdict.FAILED,
    Verdict.REPLAYED,
    Verdict.FALSE_LOST,
    Verdict.NOT_APPLICABLE,
)
"""Real losses, then what is not decided, then what has an explanation."""
RANK = {verdict: rank for rank, verdict in enumerate(GRAVEST_FIRST)}


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened at once: ``restart`` is its window, or else the rows bear the same ``marked_at``."""

    gateway: str
    restart: Restart | None
    marked_at: datetime | None
    findings: tuple[Finding, ...]

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many rows have which verdict, the gravest first."""
        counted = Counter(finding.verdict for finding in self.findings)
        return {verdict: counted[verdict] for verdict in GRAVEST_FIRST if counted[verdict]}

    @property
    def gravity(self) -> tuple[int, int]:
        """What sorts the gravest incident first, of equally grave ones the largest."""
        return min(RANK[verdict] for verdict in self.verdicts), -len(self.findings)

    @property
    def moments(self) -> list[datetime]:
        """All moments that a picture of it must show."""
        window = self.restart
        told = [window.down_at, window.down_at_latest, window.up_at, window.ready_at] if window else []
        for finding in self.findings:
            run = finding.run
            told += [finding.started_at, finding.lost_at]
            told += [run.started_at, run.finished_at] if run else []
        return [moment for moment in told if moment is not None]


def incidents_of(report: Report) -> list[Incident]:
    """Give the incidents in order of time; every finding belongs to one."""
    windows = {(restart.gateway, restart.id): restart for restart in report.restarts}
    grouped: dict[tuple[str, str | None, datetime | None], list[Finding]] = defaultdict(list)
    for finding in report.findings:
        has_window = (finding.gateway, finding.restart) in windows
        key = (finding.gateway, finding.restart, None) if has_window else (finding.gateway, None, finding.lost_at)
        grouped[key].append(finding)
    incidents = [
        Incident(gateway, windows.get((gateway, restart or "")), marked_at, tuple(findings))
        for (gateway, restart, marked_at), findings in grouped.items()
    ]
    return sorted(incidents, key=_in_time)


def sweeps_of(findings: Iterable[Finding]) -> dict[datetime, int]:
    """Give the moments at which several rows were marked, and how many; ``findings`` are of one gateway."""
    marks = Counter(finding.lost_at for finding in findings if finding.lost_at is not None and not finding.projected)
    return {moment: count for moment, count in sorted(marks.items()) if count > 1}


def _in_time(incident: Incident) -> tuple[bool, datetime | str, str, str]:
    moments = incident.moments
    begin = incident.restart.down_at if incident.restart else incident.marked_at or min(moments, default=None)
    return (begin is None, begin or "", incident.gateway, incident.restart.id if incident.restart else "")
