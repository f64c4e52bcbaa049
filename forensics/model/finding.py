"""What the correlator hands to the writers: one report, typed, with every time in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime

import polars as pl

from forensics.model import schemas
from forensics.model.policy import Policy
from forensics.model.releases import ReleaseSpan
from forensics.model.verdicts import Cause, Confidence, Severity, Verdict


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
class ReportFrames:
    """The frames behind a report: its findings and restart windows, each with the facts it rests on."""

    findings: pl.DataFrame
    evidence: pl.DataFrame
    restarts: pl.DataFrame
    restart_evidence: pl.DataFrame

    def __post_init__(self) -> None:
        for field in fields(self):
            schemas.assert_schema(getattr(self, field.name), getattr(schemas, field.name.upper()), field.name)


@dataclass(frozen=True, slots=True)
class Report:
    """One audit: figures, restarts and findings, with the frames they come from.

    ``runs`` are the known runs of the jobs that have lost rows (frame ``job_runs``), ``log_spans`` what the gateway's
    log covers (frame ``log_spans``): what a picture of the findings needs beside them.
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

    def findings_frame(self) -> pl.DataFrame:
        """Give the findings as a frame.

        Shape: frame ``findings``: one row per lost task, key (gateway, task_id); sorted by gateway, start, task.
        """
        return self.frames.findings

    def evidence_frame(self) -> pl.DataFrame:
        """Give the facts behind the findings as a frame.

        Shape: frame ``evidence``: one row per fact; joins ``findings`` on (gateway, task_id), n:1.
        """
        return self.frames.evidence

    def restarts_frame(self) -> pl.DataFrame:
        """Give the restart windows as a frame.

        Shape: frame ``restarts``: one row per window in time order, key (gateway, id).
        """
        return self.frames.restarts

    def paths(self) -> dict[int, str]:
        """Give the path of every source by its id."""
        return dict(zip(self.sources["id"].to_list(), self.sources["path"].to_list(), strict=True))

    def of_verdict(self, *verdicts: Verdict) -> Iterator[Finding]:
        """Give the findings with one of these verdicts, in report order."""
        return (finding for finding in self.findings if finding.verdict in verdicts)
