"""Which findings a fix-up corrects, and what it writes into their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from forensics.model.errors import RefusedError, UsageError
from forensics.model.finding import Finding, Report
from forensics.model.plan import TOUCHED, Inputs, Plan, PlannedRow, Stored, Value
from forensics.model.policy import LOST_ERROR
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Confidence, TaskStatus, Verdict
from forensics.writers.wording import stamp, why

_RANK = {Confidence.WEAK: 0, Confidence.STRONG: 1, Confidence.EXACT: 2}
HEALED = "healed"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are to be corrected. An empty choice of jobs or gateways is all of them; times are starts of runs.

    ``verdicts`` are in the order of the glossary; ``healed``: also clear the stale error text of healed rows.
    """

    verdicts: tuple[Verdict, ...] = CORRECTED_BY_DEFAULT
    minimum: Confidence = Confidence.STRONG
    healed: bool = False
    jobs: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, finding: Finding) -> bool:
        """Tell whether a finding is chosen: by verdict and confidence, job, gateway and start."""
        return (
            finding.verdict in self.verdicts
            and finding.confidence is not None
            and _RANK[finding.confidence] >= _RANK[self.minimum]
            and self.takes_run(finding.gateway, (finding.job_id, finding.job_name), finding.started_at)
        )

    def takes_run(self, gateway: str, names: Iterable[str | None], started_at: datetime | None) -> bool:
        """Tell whether a run is chosen by its job's id or name, its gateway and its start."""
        return (
            (not self.jobs or any(name in self.jobs for name in names))
            and (not self.gateways or gateway in self.gateways)
            and (self.since is None or (started_at is not None and started_at >= self.since))
            and (self.until is None or (started_at is not None and started_at < self.until))
        )

    def takes_row(self, row: PlannedRow) -> bool:
        """Tell whether a row that is not lost is chosen, by its job and its start."""
        started = row.old.get("started_at")
        started_at = datetime.fromtimestamp(started / 1000, UTC) if isinstance(started, int) else None
        names = [value for value in (row.old.get("source_id"), row.old.get("label")) if isinstance(value, str)]
        return replace(self, gateways=()).takes_run("", names, started_at)

    def as_text(self) -> str:
        """Say in words which rows are chosen.

        >>> Selection().as_text()
        'false_lost, failed, replayed; proven strong or exact'
        """
        return "; ".join(self._told())

    def _told(self) -> Iterator[str]:
        yield ", ".join([*self.verdicts, *([HEALED] if self.healed else [])])
        yield "proven " + " or ".join(name for name, rank in _RANK.items() if rank >= _RANK[self.minimum])
        if self.jobs:
            yield "of job " + ", ".join(self.jobs)
        if self.gateways:
            yield "of gateway " + ", ".join(self.gateways)
        if self.since is not None:
            yield f"started at {stamp(self.since)} UTC or later"
        if self.until is not None:
            yield f"started before {stamp(self.until)} UTC"


def selected(report: Report, selection: Selection) -> list[Finding]:
    """Choose the findings to correct; never a row that only an export shows lost."""
    return [
        finding
        for finding in report.findings
        if finding.correction is not None and not finding.projected and selection.takes(finding)
    ]


def plan_corrections(findings: Sequence[Finding], stored: Mapping[str, Stored], report: Report) -> list[PlannedRow]:
    """Plan the new values of each row from its stored values.

    Raises:
        RefusedError: a row is gone or no longer what the audit saw, or the table has not the columns of a registry.
    """
    paths = report.paths()
    planned = []
    for finding in findings:
        old = stored.get(finding.task_id)
        if old is None or old.get("status") != TaskStatus.LOST or old.get("ended_at") != _epoch_ms(finding.lost_at):
            told = f"row {finding.task_id} is not there as the audit saw it"
            message = f"{told}: it changed while the registry was read, or this is another one; nothing is written"
            raise RefusedError(message, "stop the gateway, or work on a copy of its state directory")
        planned.append(
            PlannedRow(
                task_id=finding.task_id,
                old=_with_all_touched(old),
                new=_corrected(finding),
                verdict=finding.verdict,
                confidence=finding.confidence,
                why=why(finding, paths),
                title=_title(finding),
            )
        )
    return planned


def plan_healed(stored: Mapping[str, Stored]) -> list[PlannedRow]:
    """Plan to clear the stale text of a lost mark from rows that a late finish corrected."""
    return [
        PlannedRow(
            task_id=task_id,
            old=_with_all_touched(old),
            new={name: old[name] for name in TOUCHED} | {"error": None},
            verdict=HEALED,
            confidence=None,
            why="it succeeded, but the text of the lost mark is still there",
            title=f"job {old.get('label') or old.get('source_id')!s}",
        )
        for task_id, old in sorted(stored.items())
        if old.get("status") == TaskStatus.SUCCEEDED and LOST_ERROR in str(old.get("error")).lower()
    ]


def kept(rows: Sequence[PlannedRow], keep_days: int, evidence_until: datetime) -> list[PlannedRow]:
    """Put off the clean-up of the rows to so many days after the end of the evidence, where it comes earlier.

    Raises:
        UsageError: that is after the end of all times.
    """
    try:
        until_ms = _epoch_ms(evidence_until + timedelta(days=keep_days))
    except OverflowError as error:
        message = f"{keep_days} days after {stamp(evidence_until)} UTC is no time"
        raise UsageError(message, "give an earlier --now, or fewer days to keep") from error
    return [_kept_until(row, until_ms) for row in rows]


def as_plan(
    rows: Sequence[PlannedRow], inputs: Inputs, report: Report, selection: Selection, keep_days: int | None = None
) -> Plan:
    """Give the plan of these rows, in the order given."""
    planned = kept(rows, keep_days, report.now) if keep_days is not None else rows
    return Plan(tuple(planned), inputs, report.policy.as_text(), report.now, selection.as_text(), keep_days)


def _kept_until(row: PlannedRow, until_ms: Value) -> PlannedRow:
    stored = row.new["cleanup_after"]
    if not isinstance(until_ms, int) or (isinstance(stored, int) and stored >= until_ms):
        return row
    new = dict(row.new) | {"cleanup_after": until_ms}
    return replace(row, new=new)


def _title(finding: Finding) -> str:
    started = f", run of {stamp(finding.started_at)}" if finding.started_at else ""
    marked = f", marked lost {stamp(finding.lost_at)}" if finding.lost_at else ""
    return f"job {finding.job_name or finding.job_id}{started}{marked} UTC"


def _with_all_touched(old: Stored) -> Stored:
    absent = [column for column in TOUCHED if column not in old]
    if absent:
        message = f"the registry has no column {', '.join(absent)}: its layout is unknown; nothing is written"
        raise RefusedError(message)
    return old


def _corrected(finding: Finding) -> Stored:
    correction = finding.correction
    if correction is None:
        message = f"{finding.task_id} has no correction"
        raise TypeError(message)
    ended_ms = _epoch_ms(correction.ended_at)
    return {
        "status": str(correction.status),
        "ended_at": ended_ms,
        "last_event_at": ended_ms,
        "error": correction.error,
        "terminal_summary": correction.terminal_summary,
        "cleanup_after": _epoch_ms(correction.cleanup_after),
    }


def _epoch_ms(time: datetime | None) -> int | None:
    return round(time.timestamp() * 1000) if time else None
