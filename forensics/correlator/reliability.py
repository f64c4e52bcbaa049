"""How often each job succeeded: as its rows say, and with the verdicts applied."""

from __future__ import annotations

import polars as pl

from forensics.correlator.facts import executions, with_start
from forensics.model.finding import CorrectedRuns, RawRuns, Reliability
from forensics.model.policy import INTERRUPTED_ERROR
from forensics.model.schemas import RELIABILITY, assert_schema
from forensics.model.verdicts import Cause, Confidence, TaskStatus, Verdict

_JOB = ["gateway", "job_id"]
_TASK = ["gateway", "task_id"]
_NEEDED = [*_JOB, "task_id", "run_id", "started_at", "created_at", "precision_ms", "status", "error", "label"]
_FAILED = [TaskStatus.FAILED.value, TaskStatus.TIMED_OUT.value]
_OF_RESTART = [Cause.RESTART.value, Cause.CATCH_UP.value]
_DIED = [Verdict.REPLAYED.value, Verdict.INTERRUPTED.value]
_SUCCEEDED, _FAILURE, _LOST, _UNDECIDED = "succeeded", "failed", "lost", "undecided"


def job_reliability(
    tasks: pl.DataFrame, findings: pl.DataFrame, jobs: pl.DataFrame, aborted: pl.DataFrame, replayed: pl.DataFrame
) -> pl.DataFrame:
    """Count for every job how its runs ended, before and after correction.

    A run is one cron row, in its newest state; imported twins are none. Rows that are queued, running, cancelled or of
    no known status are not counted. A row that ``fix`` corrected, or a late finish healed, counts as what it is now,
    before and after, but for ``aborted``: healed rows whose ok is the abort of a restart are failures after correction.
    ``replayed`` are rows that ``fix`` corrected as such: failed, and made good by another run.

    A verdict that is withheld, does not apply, or has weak proof only leaves its run undecided: it is in no figure but
    that, and between the lowest and the highest rate.

    Shape: frame ``reliability``; one row per job of ``tasks`` (one row per task), sorted by gateway and job.
    """
    runs = _with_raw(_judged(tasks, findings, aborted, replayed))
    counted = _with_names(_counted(_with_outcome(runs)), jobs)
    rated = counted.with_columns(
        _rate_expr(pl.col("raw_succeeded")).alias("raw_rate"),
        _rate_expr(pl.col("succeeded")).alias("lowest_rate"),
        _rate_expr(pl.col("succeeded") + pl.col("undecided")).alias("highest_rate"),
    )
    ordered = rated.sort(*_JOB, nulls_last=True)
    return assert_schema(ordered.select(pl.col(name).cast(kind) for name, kind in RELIABILITY.items()), RELIABILITY,
                         "reliability")  # fmt: skip


def reliability_told(reliability: pl.DataFrame) -> tuple[Reliability, ...]:
    """Give the rows of the frame ``reliability`` as they are reported."""
    return tuple(
        Reliability(
            gateway=row["gateway"],
            job_id=row["job_id"],
            job_name=row["job_name"],
            first_at=row["first_at"],
            last_at=row["last_at"],
            runs=row["runs"],
            not_counted=row["not_counted"],
            raw=RawRuns(
                row["raw_succeeded"], row["raw_failed"], row["raw_lost"], row["raw_by_restart"], row["raw_rate"]
            ),
            corrected=CorrectedRuns(
                succeeded=row["succeeded"],
                failed=row["failed"],
                made_good=row["made_good"],
                undecided=row["undecided"],
                by_restart=row["by_restart"],
                lowest_rate=row["lowest_rate"],
                highest_rate=row["highest_rate"],
            ),
        )
        for row in reliability.iter_rows(named=True)
    )


def _judged(tasks: pl.DataFrame, findings: pl.DataFrame, aborted: pl.DataFrame, replayed: pl.DataFrame) -> pl.DataFrame:
    """Give the cron rows, each with its verdict, where it has one, and what else is known of its end."""
    cron = with_start(executions(tasks).filter(pl.col("runtime") == "cron").select(_NEEDED))
    verdicts = findings.select(*_TASK, "verdict", "cause", "confidence")
    told = cron.join(verdicts, on=_TASK, how="left", validate="1:1")
    for name, rows in (("is_aborted", aborted), ("was_replayed", replayed)):
        flagged = rows.select(_TASK).unique().with_columns(pl.lit(value=True).alias(name))
        told = told.join(flagged, on=_TASK, how="left", validate="1:1").with_columns(
            pl.col(name).fill_null(value=False)
        )
    return told.with_columns(pl.coalesce("start", "created_at").alias("begun_at"))


def _with_raw(runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``raw``, what the row says of its run, and whether it says itself that a restart ended it."""
    status = pl.col("status")
    raw = (
        pl.when(status == TaskStatus.SUCCEEDED)
        .then(pl.lit(_SUCCEEDED))
        .when(status.is_in(_FAILED))
        .then(pl.lit(_FAILURE))
        .when(status == TaskStatus.LOST)
        .then(pl.lit(_LOST))
    )
    says_so = (status == TaskStatus.FAILED) & pl.col("error").str.starts_with(INTERRUPTED_ERROR)
    return runs.with_columns(raw.alias("raw"), says_so.fill_null(value=False).alias("says_restart"))


def _with_outcome(runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``outcome``, how the run ended with the verdicts applied, and what a restart has to do with it."""
    raw, verdict = pl.col("raw"), pl.col("verdict")
    is_firm = pl.col("confidence").is_in([Confidence.EXACT.value, Confidence.STRONG.value])
    is_lost, is_dead = raw == _LOST, verdict.is_in(_DIED) & is_firm
    is_failure = ((verdict == Verdict.FAILED) & is_firm) | is_dead | (verdict == Verdict.UNEXPLAINED)
    outcome = (
        pl.when(~is_lost)
        .then(pl.when("is_aborted").then(pl.lit(_FAILURE)).otherwise(raw))
        .when((verdict == Verdict.FALSE_LOST) & is_firm)
        .then(pl.lit(_SUCCEEDED))
        .when(is_failure)
        .then(pl.lit(_FAILURE))
        .otherwise(pl.lit(_UNDECIDED))
    )
    died = (is_lost & is_dead) | pl.col("is_aborted")
    marked = is_lost & (pl.col("cause").is_in(_OF_RESTART) | is_dead)
    replayed = (is_lost & is_dead & (verdict == Verdict.REPLAYED)) | ((raw == _FAILURE) & pl.col("was_replayed"))
    return runs.with_columns(
        pl.when(raw.is_not_null()).then(outcome).alias("outcome"),
        (marked | pl.col("says_restart")).fill_null(value=False).alias("raw_is_of_restart"),
        (died | pl.col("says_restart")).fill_null(value=False).alias("is_of_restart"),
        replayed.fill_null(value=False).alias("is_made_good"),
    )


def _counted(runs: pl.DataFrame) -> pl.DataFrame:
    raw, outcome, is_run = pl.col("raw"), pl.col("outcome"), pl.col("raw").is_not_null()
    label = pl.col("label").sort_by("begun_at", "task_id").drop_nulls().last()
    return runs.group_by(_JOB).agg(
        label.alias("label"),
        pl.col("begun_at").filter(is_run).min().alias("first_at"),
        pl.col("begun_at").filter(is_run).max().alias("last_at"),
        is_run.sum().alias("runs"),
        (~is_run).sum().alias("not_counted"),
        (raw == _SUCCEEDED).sum().alias("raw_succeeded"),
        (raw == _FAILURE).sum().alias("raw_failed"),
        (raw == _LOST).sum().alias("raw_lost"),
        pl.col("raw_is_of_restart").sum().alias("raw_by_restart"),
        (outcome == _SUCCEEDED).sum().alias("succeeded"),
        (outcome == _FAILURE).sum().alias("failed"),
        pl.col("is_made_good").sum().alias("made_good"),
        (outcome == _UNDECIDED).sum().alias("undecided"),
        pl.col("is_of_restart").sum().alias("by_restart"),
    )


def _with_names(counted: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Name the jobs as the job store does, else as their youngest row; the rows that name no job have no name."""
    names = jobs.select(*_JOB, pl.col("name").alias("job_name"))
    told = counted.join(names, on=_JOB, how="left", validate="1:1")
    name = pl.when(pl.col("job_id").is_not_null()).then(pl.coalesce("job_name", "label"))
    return told.with_columns(name.alias("job_name"))


def _rate_expr(succeeded: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("runs") > 0).then(succeeded / pl.col("runs"))
