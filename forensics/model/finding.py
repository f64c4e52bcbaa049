"""What the correlator hands to the writers: one report, typed, with every time in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime

import polars as pl

from forensics.model import schemas
from forensics.model.policy import Policy
from forensics.model.releases import ReleaseSpan
from forensics.model.verdicts import Cause, Confidence, Severity, TimeOrder, Verdict


@dataclass(frozen=True, slots=True)
class Citation:
    """One fact with its place: ``source`` and 1-based ``line``, or the rowid in ``table`` of a database; all of them
    are null for a fact of absence.
    """  # noqa: D205

    role: str
    source: int | None
    line: int | None
    at: datetime | None
    text: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The run record that decided a finding: the row's own, or the stand-in's."""

    role: str
    started_at: datetime | None
    finished_at: datetime | None
    status: str | None
    duration_ms: int | None
    origin: str
    source: int | None
    line: int | None


@dataclass(frozen=True, slots=True)
class Correction:
    """What the row should say: the values that later gateway versions write when they recover such a row."""

    status: str
    ended_at: datetime
    error: str | None
    terminal_summary: str | None
    cleanup_after: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What really happened to one lost row."""

    gateway: str
    source: int
    line: int
    task_id: str
    runtime: str | None
    job_id: str | None
    job_name: str | None
    run_id: str | None
    started_at: datetime | None
    lost_at: datetime | None
    projected: bool
    verdict: Verdict
    cause: Cause
    confidence: Confidence | None
    severity: Severity
    reasons: tuple[str, ...]
    restart: str | None
    run: Run | None
    correction: Correction | None
    evidence: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """One restart window; ``down_at`` and ``down_at_latest`` are equal where a stop was seen.

    ``doubt`` says how its sources disagree, if they do: it proves nothing about the process then. ``slack_ms`` is by
    how much its moments may be off against those of registry and run records.
    """

    gateway: str
    id: str
    kind: str
    process: str
    down_at: datetime
    down_at_latest: datetime
    up_at: datetime | None
    ready_at: datetime | None
    reason: str | None
    drain: str | None
    pid_before: int | None
    pid_after: int | None
    doubt: str | None
    slack_ms: int
    evidence: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """The releases of the gateway that the evidence fits from ``since`` on (None: from the beginning)."""

    gateway: str
    since: datetime | None
    span: ReleaseSpan
    is_given: bool
    evidence: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What ``openclaw tasks audit`` counts over a registry, by its own codes and severities."""

    errors: int
    warnings: int
    by_code: dict[str, int]


@dataclass(frozen=True, slots=True)
class RowValues:
    """What a row says of its end."""

    status: str | None
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class CorrectedRow:
    """A row that ``forensics fix`` corrected and that still is as it was left.

    ``source`` and ``line`` are those of the journal. ``at`` is when the correction was committed or, where that is not
    on record, prepared. ``is_cleaned``: a late finish had healed it, and fix only cleared the text of its mark.
    """

    task_id: str
    gateway: str
    at: datetime
    before: RowValues
    after: RowValues
    verdict: str
    source: int
    line: int | None
    is_cleaned: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one audit; ``corrected`` are the rows that journals of ``forensics fix`` tell of, sorted.

    ``statuses`` counts the task rows by what they say they are; ``oldest_at`` is when the first of them began.
    """

    tasks: int
    lost: int
    healed: tuple[str, ...]
    healed_aborted: tuple[str, ...]
    verdicts: dict[str, int]
    before: Counts
    after: Counts
    corrected: tuple[CorrectedRow, ...] = ()
    statuses: tuple[tuple[str, int], ...] = ()
    oldest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RawRuns:
    """How the runs of a job ended as their rows say; ``by_restart`` are those of the failed and lost which a restart
    caused. ``rate`` is the part of one that succeeded.
    """  # noqa: D205

    succeeded: int
    failed: int
    lost: int
    by_restart: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class CorrectedRuns:
    """How the runs of a job ended with the verdicts applied.

    ``made_good`` and ``by_restart`` are among the failed: another run did the work; a restart caused it. Of
    ``undecided`` runs the evidence proves neither: the lowest rate takes all of them for failures, the highest none.
    """

    succeeded: int
    failed: int
    made_good: int
    undecided: int
    by_restart: int
    lowest_rate: float | None
    highest_rate: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often one job succeeded, before and after correction.

    ``runs`` are the ended cron rows at hand, started from ``first_at`` to ``last_at``; those still queued or running,
    cancelled, or of no known status are ``not_counted``. ``job_id`` is null for the rows that name no job.
    """

    gateway: str
    job_id: str | None
    job_name: str | None
    first_at: datetime | None
    last_at: datetime | None
    runs: int
    not_counted: int
    raw: RawRuns
    corrected: CorrectedRuns


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row whose times are out of order, where it stands, and by how much; null where nothing is to be measured."""

    gateway: str
    task_id: str
    source: int
    line: int
    by_ms: int | None


@dataclass(frozen=True, slots=True)
class OddTimes:
    """The rows that ``inconsistent_timestamps`` counts for one kind; each row counts once, for the gravest kind.

    ``least_ms`` to ``most_ms`` is by how much their times are out of order, over the rows whose times are printed to
    the millisecond; ``coarse`` rows are printed in whole seconds. ``named`` are the first of the rows, those furthest
    out of order first; none of the kind that is the gateway's own order of writing.
    """

    kind: TimeOrder
    rows: int
    coarse: int
    least_ms: int | None
    median_ms: float | None
    most_ms: int | None
    named: tuple[OddRow, ...]


@dataclass(frozen=True, slots=True)
class ReportFrames:
    """The frames behind a report: its findings and restart windows, each with the facts it rests on, and the jobs."""

    findings: pl.DataFrame
    evidence: pl.DataFrame
    restarts: pl.DataFrame
    restart_evidence: pl.DataFrame
    reliability: pl.DataFrame

    def __post_init__(self) -> None:
        for field in fields(self):
            schemas.assert_schema(getattr(self, field.name), getattr(schemas, field.name.upper()), field.name)


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """One audit: figures, restarts and findings, with the frames they come from.

    ``runs`` are the known runs of the jobs that have lost rows (frame ``job_runs``), ``log_spans`` what the gateway's
    log covers (frame ``log_spans``): what a picture of the findings needs beside them. ``reliability`` tells of
    every job, ``odd_times`` what the warnings about times out of order are.
    """

    now: datetime
    policy: Policy
    summary: Summary
    sources: pl.DataFrame
    notices: pl.DataFrame
    releases: tuple[Release, ...]
    restarts: tuple[Restart, ...]
    findings: tuple[Finding, ...]
    frames: ReportFrames
    runs: pl.DataFrame
    log_spans: pl.DataFrame
    reliability: tuple[Reliability, ...]
    odd_times: tuple[OddTimes, ...]

    def __repr__(self) -> str:
        """Give the figures of the audit: all of its findings would fill a notebook."""
        told = ", ".join(f"{verdict}: {count}" for verdict, count in self.summary.verdicts.items() if count)
        return f"Report({self.summary.lost} lost of {self.summary.tasks} task rows; {told or 'no verdict'})"

    def findings_frame(self) -> pl.DataFrame:
        """Give the findings as a frame.

        Shape: frame ``findings``: one row per lost task, key (gateway, task_id); sorted by gateway, start, task.
        """
        return self.frames.findings.clone()

    def evidence_frame(self) -> pl.DataFrame:
        """Give the facts behind the findings as a frame.

        Shape: frame ``evidence``: one row per fact; joins ``findings`` on (gateway, task_id), n:1.
        """
        return self.frames.evidence.clone()

    def restarts_frame(self) -> pl.DataFrame:
        """Give the restart windows as a frame.

        Shape: frame ``restarts``: one row per window in time order, key (gateway, id).
        """
        return self.frames.restarts.clone()

    def reliability_frame(self) -> pl.DataFrame:
        """Give how often each job succeeded as a frame, before and after correction.

        Shape: frame ``reliability``: one row per job, key and order (gateway, job_id).
        """
        return self.frames.reliability

    def paths(self) -> dict[int, str]:
        """Give the path of every source by its id."""
        return dict(zip(self.sources["id"].to_list(), self.sources["path"].to_list(), strict=True))

    def of_verdict(self, *verdicts: Verdict) -> Iterator[Finding]:
        """Give the findings with one of these verdicts, in report order."""
        return (finding for finding in self.findings if finding.verdict in verdicts)
