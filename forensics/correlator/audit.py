"""The whole correlation: evidence in, one report out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from forensics.correlator.causes import with_cause
from forensics.correlator.citations import cited, in_tables
from forensics.correlator.clocks import clock_errors, clock_notices, with_slack, with_window_slack, without_order
from forensics.correlator.corrections import Standing, with_standing, without_corrected
from forensics.correlator.counts import audit_counts_of_all
from forensics.correlator.coverage import (
    gateway_log_spans,
    of_assumed_zone,
    scheduler_log_spans,
    with_gateway_log_coverage,
    with_run_log_coverage,
)
from forensics.correlator.deaths import with_abort, with_blocked_restart, with_marker, with_open_batch, with_process_end
from forensics.correlator.facts import (
    all_starts,
    executions,
    healed_rows,
    lost_rows,
    rows_at_hand,
    with_assumed_start,
    with_reservation,
    with_start,
)
from forensics.correlator.identity import with_own_record, with_weak_identity
from forensics.correlator.joins import ROW
from forensics.correlator.masks import with_unmasked_ids
from forensics.correlator.odd_times import odd_times
from forensics.correlator.records import prepared_records, resolved
from forensics.correlator.releases import given_release, releases_of
from forensics.correlator.reliability import job_reliability, reliability_told
from forensics.correlator.restarts import find_restarts
from forensics.correlator.standins import with_stand_in
from forensics.correlator.verdicts import with_fate, with_verdict
from forensics.model.errors import NothingToReadError, UsageError
from forensics.model.evidence import Evidence
from forensics.model.finding import (
    Citation,
    CorrectedRow,
    Correction,
    Finding,
    Report,
    ReportFrames,
    Restart,
    RowValues,
    Run,
    Summary,
)
from forensics.model.policy import Policy
from forensics.model.releases import parsed_release
from forensics.model.schemas import FINDINGS, JOB_RUNS, LOG_SPANS, RESTART_EVIDENCE, RESTARTS, assert_schema
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Cause, Confidence, Severity, Verdict

_JOB = ["gateway", "job_id"]
_FIXED_CONFIDENCES = [Confidence.EXACT.value, Confidence.STRONG.value]


@dataclass(frozen=True, slots=True)
class Correlated:
    """All frames that lie between evidence and findings.

    ``errors`` are those of the clocks, ``tasks`` the newest state of each task, ``rows`` the judged rows, ``log_spans``
    what the log of each gateway covers.
    """

    errors: pl.DataFrame
    restarts: pl.DataFrame
    restart_evidence: pl.DataFrame
    tasks: pl.DataFrame
    records: pl.DataFrame
    rows: pl.DataFrame
    log_spans: pl.DataFrame


def audit(
    evidence: Evidence, policy: Policy | None = None, now: datetime | None = None, release: str | None = None
) -> Report:
    """Work out what really happened to every lost row.

    ``now`` is the moment for which ages and retention are judged; without it, the latest time in the evidence, so that
    the same input always gives the same report. ``release`` is that of the gateways (``2026.4.15``); without it, what
    the evidence tells of it.

    Raises:
        NothingToReadError: the evidence holds no time at all, and ``now`` is not given.
        UsageError: ``now`` names no zone, or ``release`` is none.
    """
    return audit_with_facts(evidence, policy, now, release)[0]


def audit_with_facts(
    evidence: Evidence, policy: Policy | None = None, now: datetime | None = None, release: str | None = None
) -> tuple[Report, pl.DataFrame]:
    """Give the audit together with the judged rows: all facts on which each verdict was decided.

    Shape: of the rows as ``judged_rows``.
    """
    policy = policy or Policy()
    now = latest_time(evidence) if now is None else _in_utc(now)
    found = correlated(evidence, policy)
    findings = as_findings(found.rows)
    gateways = evidence.sources["gateway"].drop_nulls().unique()
    releases = releases_of(evidence) if release is None else given_release(_checked(release), gateways)
    facts = cited(found.rows, found.restart_evidence, evidence.sources)
    told = with_standing(found.tasks, evidence.corrections)
    healed = without_corrected(healed_rows(found.tasks, evidence.tasks), found.tasks, told)
    aborted = _aborted(healed, found, policy)
    reliability = job_reliability(found.tasks, findings, evidence.jobs, aborted, _replayed(told))
    frames = ReportFrames(findings, facts, found.restarts, found.restart_evidence, reliability)
    report = Report(
        now=now,
        policy=policy,
        summary=Summary(
            tasks=found.tasks.height,
            lost=findings.height,
            healed=tuple(healed["task_id"].sort().to_list()),
            healed_aborted=tuple(aborted["task_id"].sort().to_list()),
            verdicts=_verdicts(findings),
            before=audit_counts_of_all(found.tasks, releases, now, policy),
            after=audit_counts_of_all(_corrected(found.tasks, findings), releases, now, policy),
            corrected=tuple(_corrected_rows(told)),
            statuses=_statuses(found.tasks),
            oldest_at=found.tasks.select(pl.min_horizontal("created_at", "started_at").min()).item(),
        ),
        sources=evidence.sources,
        notices=pl.concat([evidence.notices, clock_notices(found.errors)]),
        releases=tuple(releases),
        restarts=tuple(_restarts(found.restarts, in_tables(found.restart_evidence, evidence.sources))),
        findings=tuple(_findings(findings, _citations(facts))),
        frames=frames,
        runs=runs_beside(findings, found.records),
        log_spans=assert_schema(found.log_spans.sort("gateway", "covered_from"), LOG_SPANS, "log_spans"),
        reliability=reliability_told(reliability),
        odd_times=odd_times(found.tasks, releases, now),
    )
    return report, found.rows


def _in_utc(now: datetime) -> datetime:
    if not isinstance(now, datetime) or now.tzinfo is None:
        message = f"now {now!r} is no moment: it names no zone"
        raise UsageError(message, "give one like datetime(2026, 4, 18, tzinfo=UTC)")
    return now.astimezone(UTC)


def _checked(release: str) -> str:
    if parsed_release(release) is None:
        message = f"release {release!r} is no release"
        raise UsageError(message, "write it like 2026.4.15")
    return release


def correlated(evidence: Evidence, policy: Policy) -> Correlated:
    """Judge every lost row, and keep what the verdicts rest on."""
    errors = clock_errors(evidence.lifecycle, evidence.runs, policy)
    evidence = replace(evidence, sources=without_order(evidence.sources, errors, policy))
    restarts, restart_evidence = restart_windows(evidence, errors, policy)
    tasks = rows_at_hand(evidence)
    lifecycle = telling_lines(evidence)
    records = with_slack(prepared_records(evidence.runs, lifecycle, evidence.jobs), errors)
    rows = judged_rows(evidence, tasks, records, lifecycle, restarts, policy)
    log_spans = gateway_log_spans(evidence.sources, lifecycle, policy)
    return Correlated(errors, restarts, restart_evidence, tasks, records, rows, log_spans)


def latest_time(evidence: Evidence) -> datetime:
    """Give the latest time that any source reaches.

    Raises:
        NothingToReadError: no source holds any time at all.
    """
    latest = evidence.sources["last_at"].max()
    if not isinstance(latest, datetime):
        raise NothingToReadError(
            "the evidence holds no time at all", "audit and check can judge it all the same, as of --now TIME"
        )
    return latest


def restart_windows(evidence: Evidence, errors: pl.DataFrame, policy: Policy) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the restart windows of every gateway and the lines they rest on; ``errors`` are those of the clocks."""
    activity = pl.concat(
        [
            evidence.tasks.select("gateway", pl.col("started_at").alias("at")),
            evidence.runs.select("gateway", pl.col("started_at").alias("at")),
            evidence.runs.select("gateway", pl.col("finished_at").alias("at")),
        ]
    ).drop_nulls()
    restarts, restart_evidence = find_restarts(evidence.lifecycle, activity, policy, evidence.sources)
    restarts = with_window_slack(restarts, restart_evidence, errors)
    assert_schema(restart_evidence, RESTART_EVIDENCE, "restart_evidence")
    return assert_schema(restarts, RESTARTS, "restarts"), restart_evidence


def restart_ledger(evidence: Evidence, policy: Policy) -> list[Restart]:
    """Give the restart windows of every gateway, each with its lines."""
    errors = clock_errors(evidence.lifecycle, evidence.runs, policy)
    evidence = replace(evidence, sources=without_order(evidence.sources, errors, policy))
    restarts, restart_evidence = restart_windows(evidence, errors, policy)
    return list(_restarts(restarts, in_tables(restart_evidence, evidence.sources)))


def telling_lines(evidence: Evidence) -> pl.DataFrame:
    """Give the lifecycle lines of known gateways that may prove something, the ids in them as other sources tell them.

    Shape: frame ``lifecycle``.
    """
    placed = evidence.lifecycle.filter(pl.col("gateway").is_not_null())
    return with_unmasked_ids(_of_known_zone(placed, evidence.sources), evidence.tasks, evidence.runs, evidence.jobs)


def judged_rows(
    evidence: Evidence,
    tasks: pl.DataFrame,
    records: pl.DataFrame,
    lifecycle: pl.DataFrame,
    restarts: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Give every lost row with all facts, its verdict and its correction; ``lifecycle`` are the telling lines.

    Shape: one row per lost task of ``tasks`` (one row per task), numbered.
    """
    placed = evidence.lifecycle.filter(pl.col("gateway").is_not_null())
    tasks = executions(tasks)
    started_tasks = with_assumed_start(with_start(tasks), evidence.sources)
    starts = all_starts(started_tasks, records)
    cron = with_reservation(started_tasks, starts, evidence.jobs, lifecycle, policy)
    rows = lost_rows(cron, evidence.jobs, policy)
    started = cron.filter(
        (pl.col("runtime") == "cron") & pl.col("start").is_not_null() & pl.col("job_id").is_not_null()
    )
    unplaced = evidence.runs.filter(pl.col("gateway").is_null())
    rows = with_own_record(rows, started, records, starts, restarts, unplaced, policy)
    rows = with_weak_identity(rows, evidence.sources)
    rows = with_run_log_coverage(
        rows,
        evidence.tasks,
        evidence.runs,
        evidence.jobs,
        placed,
        evidence.sources,
        evidence.copies,
        evidence.histories,
        policy,
    )
    spans = gateway_log_spans(evidence.sources, lifecycle, policy)
    rows = with_gateway_log_coverage(rows, spans)
    rows = with_process_end(rows, restarts)
    rows = with_abort(rows, restarts, policy)
    rows = with_marker(rows, lifecycle, starts, restarts, policy)
    rows = with_blocked_restart(rows, lifecycle)
    rows = with_open_batch(rows, started, records, lifecycle, restarts, policy)
    rows = with_fate(rows, policy)
    rows = with_stand_in(rows, starts, records, lifecycle, restarts, spans, policy)
    scheduler_spans = scheduler_log_spans(evidence.sources, lifecycle, policy)
    rows = with_cause(rows, starts, lifecycle, restarts, scheduler_spans, policy)
    return with_verdict(rows, policy).sort(ROW)


def _of_known_zone(lifecycle: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Keep the lines that may prove something; those of an assumed zone are told as doubtful windows only."""
    return lifecycle.filter(~pl.col("source").is_in(of_assumed_zone(sources).implode()))


def as_findings(rows: pl.DataFrame) -> pl.DataFrame:
    """Reduce the judged rows to the findings.

    Shape: frame ``findings``; sorted by gateway, start, task.
    """
    replayed = pl.col("verdict") == Verdict.REPLAYED
    has_own = pl.col("own_class").is_not_null()
    chosen = {
        "started_at": "started_at",
        "finished_at": "end_at",
        "status": "status",
        "duration_ms": "duration_ms",
        "origin": "origin",
        "source": "source",
        "line": "line",
    }
    run = [
        pl.when(replayed).then(f"stand_{theirs}").when(has_own).then(f"own_{theirs}").alias(f"run_{ours}")
        for ours, theirs in chosen.items()
    ]
    role = pl.when(replayed).then(pl.lit("stand_in")).when(has_own).then(pl.lit("own"))
    found = rows.with_columns(*run, role.alias("run_role"), pl.col("start").alias("started_at"))
    return assert_schema(found.select(list(FINDINGS)), FINDINGS, "findings")


def runs_beside(findings: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Give the known runs of the jobs that have lost rows, each once.

    Shape: frame ``job_runs``; sorted by gateway, job, start, end.
    """
    of_lost = records.join(findings.select(_JOB).unique(), on=_JOB, how="semi")
    has_start = pl.col("started_at").is_not_null()
    chosen = [*_JOB, "started_at", pl.col("end_at").alias("ended_at"), pl.col("class").alias("outcome")]
    chosen += ["origin", "source", "line"]
    told = resolved(of_lost.filter(has_start), [*_JOB, "started_at"]).select(chosen)
    runs = pl.concat([told, of_lost.filter(~has_start).select(chosen)])
    return assert_schema(runs.sort(*_JOB, "started_at", "ended_at", "source", "line"), JOB_RUNS, "job_runs")


def _verdicts(findings: pl.DataFrame) -> dict[str, int]:
    counted = dict(findings.group_by("verdict").len().iter_rows())
    return {verdict.value: counted.get(verdict.value, 0) for verdict in Verdict}


def _replayed(told: pl.DataFrame) -> pl.DataFrame:
    """Give the rows that still are as fix left them, and that it corrected as replayed; ``told`` is of the journals."""
    return told.filter((pl.col("standing") == Standing.CORRECTED) & (pl.col("verdict") == Verdict.REPLAYED))


def _statuses(tasks: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    """Count the rows by their status, the most frequent first."""
    counted = tasks.group_by(pl.col("status").fill_null("without a status")).len()
    return tuple(counted.sort("len", "status", descending=[True, False]).iter_rows())


def _corrected_rows(told: pl.DataFrame) -> Iterable[CorrectedRow]:
    """Give the rows that still are as fix left them."""
    corrected = told.filter(pl.col("standing") == Standing.CORRECTED)
    for row in corrected.sort("gateway", "at", "task_id").iter_rows(named=True):
        before, after = (
            RowValues(*(row[f"{side}_{field.name}"] for field in fields(RowValues))) for side in ("before", "after")
        )
        yield CorrectedRow(
            task_id=row["task_id"],
            gateway=row["gateway"],
            at=row["at"],
            before=before,
            after=after,
            verdict=row["verdict"],
            source=row["source_told"],
            line=row["line_told"],
            is_cleaned=row["is_cleaned"],
        )


def _corrected(tasks: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Give the task rows as ``fix`` would leave them by default."""
    fixed = findings.filter(
        pl.col("verdict").is_in([verdict.value for verdict in CORRECTED_BY_DEFAULT])
        & pl.col("confidence").is_in(_FIXED_CONFIDENCES)
        & pl.col("new_status").is_not_null()
    ).select("gateway", "task_id", "new_status", "new_ended_at", "new_cleanup_after")
    joined = tasks.join(fixed, on=["gateway", "task_id"], how="left", validate="1:1")
    return joined.with_columns(
        pl.coalesce("new_status", "status").alias("status"),
        pl.coalesce("new_ended_at", "ended_at").alias("ended_at"),
        pl.coalesce("new_ended_at", "last_event_at").alias("last_event_at"),
        pl.coalesce("new_cleanup_after", "cleanup_after").alias("cleanup_after"),
    ).select(tasks.columns)


def _aborted(healed: pl.DataFrame, found: Correlated, policy: Policy) -> pl.DataFrame:
    """Give the healed rows whose ok is an abort in disguise: a restart cut them short."""
    bare = resolved(found.records.filter(pl.col("started_at").is_not_null()), [*_JOB, "started_at"]).filter("is_bare")
    ended = (
        with_start(healed)
        .join(
            bare.select(
                *_JOB, pl.col("started_at").alias("start"), pl.col("end_at").alias("own_end_at"), "told_at", "slack_ms"
            ),
            on=[*_JOB, "start"],
            how="inner",
            validate="m:1",
        )
        .rename({"told_at": "own_told_at", "slack_ms": "own_slack_ms"})
        .with_row_index(ROW)
    )
    return with_abort(ended, found.restarts, policy).filter("abort_is_sure")


def _citations(evidence: pl.DataFrame) -> dict[tuple[str, str], list[Citation]]:
    told: dict[tuple[str, str], list[Citation]] = defaultdict(list)
    for gateway, task_id, *fact in evidence.iter_rows():
        told[gateway, task_id].append(Citation(*fact))
    return told


def _restarts(restarts: pl.DataFrame, restart_evidence: pl.DataFrame) -> Iterable[Restart]:
    told: dict[tuple[str, str], list[Citation]] = defaultdict(list)
    for row in restart_evidence.sort("at", "source", "line").iter_rows(named=True):
        citation = Citation("restart", row["source"], row["line"], row["at"], row["text"], row["table"])
        told[row["gateway"], row["id"]].append(citation)
    names = [field.name for field in fields(Restart) if field.name != "evidence"]
    for row in restarts.iter_rows(named=True):
        yield Restart(**{name: row[name] for name in names}, evidence=tuple(told[row["gateway"], row["id"]]))


def _findings(findings: pl.DataFrame, citations: Mapping[tuple[str, str], list[Citation]]) -> Iterable[Finding]:
    for row in findings.iter_rows(named=True):
        yield Finding(
            gateway=row["gateway"],
            source=row["source"],
            line=row["line"],
            task_id=row["task_id"],
            runtime=row["runtime"],
            job_id=row["job_id"],
            job_name=row["job_name"],
            run_id=row["run_id"],
            started_at=row["started_at"],
            lost_at=row["lost_at"],
            projected=row["projected"],
            verdict=Verdict(row["verdict"]),
            cause=Cause(row["cause"]),
            confidence=Confidence(row["confidence"]) if row["confidence"] else None,
            severity=Severity(row["severity"]),
            reasons=tuple(row["reasons"]),
            restart=row["restart"],
            run=_run(row),
            correction=_correction(row),
            evidence=tuple(citations.get((row["gateway"], row["task_id"]), ())),
        )


def _run(row: Mapping[str, Any]) -> Run | None:
    if row["run_role"] is None:
        return None
    return Run(**{field.name: row[f"run_{field.name}"] for field in fields(Run)})


def _correction(row: Mapping[str, Any]) -> Correction | None:
    if row["new_status"] is None:
        return None
    return Correction(
        status=row["new_status"],
        ended_at=row["new_ended_at"],
        error=row["new_error"],
        terminal_summary=row["new_summary"],
        cleanup_after=row["new_cleanup_after"],
    )
