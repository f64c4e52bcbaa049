"""For which time would a source have shown an event, had it happened? What is not covered proves nothing."""

from __future__ import annotations

import polars as pl

from forensics.correlator.joins import ROW, latest_before
from forensics.model.policy import Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import Origin, Reason, SourceKind, TaskStatus

COVERED = "covered"
_JOB = ["gateway", "job_id"]
_FINISHED = [TaskStatus.SUCCEEDED.value, TaskStatus.FAILED.value, TaskStatus.TIMED_OUT.value]


def with_run_log_coverage(
    rows: pl.DataFrame,
    tasks: pl.DataFrame,
    runs: pl.DataFrame,
    jobs: pl.DataFrame,
    sources: pl.DataFrame,
    copies: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Add ``run_log`` (covered, or the reason why not), ``run_log_source``, ``run_log_lines`` and ``run_log_until``.

    A run log covers a start unless it could have been pruned past it or holds unreadable lines. A missing file of a
    job beside the files of others means that the job never finished, while nothing contradicts that.

    Source: design §6, coverage; formats.md §3.1 (pruning); observed.md §A.
    """
    logs = _run_logs(runs, sources, policy)
    folders = copies.group_by("gateway").agg(pl.col("has_run_logs").any(), pl.col("has_job_store").any())
    until = _latest_stamps(tasks, runs, jobs, sources, copies)
    contradicted = _jobs_that_finished(tasks, runs)
    ran = (
        runs.filter(pl.col("origin") == Origin.JOB_STATE)
        .select("gateway", pl.lit(value=True).alias("some_job_ran"))
        .unique()
    )
    return (
        rows.join(logs, on=_JOB, how="left", validate="m:1")
        .join(folders, on="gateway", how="left", validate="m:1")
        .join(until, on="gateway", how="left", validate="m:1")
        .join(contradicted, on=_JOB, how="left", validate="m:1")
        .join(ran, on="gateway", how="left", validate="m:1")
        .with_columns(_run_log_expr().alias("run_log"))
        .drop("has_run_logs", "has_job_store", "job_finished", "some_job_ran", "kept_from", "log_damaged")
        .sort(ROW)
    )


def gateway_log_spans(sources: pl.DataFrame) -> pl.DataFrame:
    """Give the time spans for which the gateway's log would have shown a restart.

    Files of the same or of adjoining days follow each other without a gap; a missing day between two is a hole.

    Shape: gateway, covered_from, covered_until; spans of a gateway do not overlap.
    Source: design §6, coverage; formats.md §4.1 (one file a local day).
    """
    logs = sources.filter(
        (pl.col("kind") == SourceKind.GATEWAY_LOG) & pl.col("first_at").is_not_null() & pl.col("gateway").is_not_null()
    ).sort("gateway", "first_at", "last_at")
    reached = pl.col("last_at").cum_max().shift().over("gateway")
    gap_days = (pl.col("first_at").dt.date() - reached.dt.date()).dt.total_days()
    return (
        logs.with_columns((gap_days > 1).fill_null(value=False).alias("after_hole"))
        .with_columns(pl.col("after_hole").cum_sum().over("gateway").alias("stretch"))
        .group_by("gateway", "stretch", maintain_order=True)
        .agg(pl.col("first_at").min().alias("covered_from"), pl.col("last_at").max().alias("covered_until"))
        .drop("stretch")
    )


def with_gateway_log_coverage(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Add ``gateway_log_until``: how far the gateway log reaches without a hole from the row's start; null if it
    does not cover the start at all; and ``has_gateway_log``.
    """  # noqa: D205
    present = spans.select("gateway", pl.lit(value=True).alias("has_gateway_log")).unique()
    reached = latest_before(rows, spans, left_on="start", right_on="covered_from", by=["gateway"])
    covers = pl.col("covered_until") >= pl.col("start")
    return (
        reached.with_columns(pl.when(covers).then("covered_until").alias("gateway_log_until"))
        .drop("covered_from", "covered_until")
        .join(present, on="gateway", how="left", validate="m:1")
        .with_columns(pl.col("has_gateway_log").fill_null(value=False))
        .sort(ROW)
    )


def _run_log_expr() -> pl.Expr:
    has_file = pl.col("run_log_lines").is_not_null()
    has_folder = pl.col("has_run_logs").fill_null(value=False)
    nothing_ever_ran = pl.col("has_job_store").fill_null(value=False) & pl.col("some_job_ran").is_null()
    finished = pl.col("job_finished").fill_null(value=False)
    pruned = pl.col("kept_from").is_not_null() & (pl.col("start") < pl.col("kept_from"))
    return (
        pl.when(has_file & pl.col("log_damaged"))
        .then(pl.lit(Reason.RUN_LOG_DAMAGED.value))
        .when(has_file & pruned)
        .then(pl.lit(Reason.RUN_LOG_PRUNED.value))
        .when(has_file)
        .then(pl.lit(COVERED))
        .when(has_folder & finished)
        .then(pl.lit(Reason.RUN_LOG_MISSING.value))
        .when(has_folder | (nothing_ever_ran & ~finished))
        .then(pl.lit(COVERED))
        .otherwise(pl.lit(Reason.RUN_LOG_ABSENT.value))
    )


def _run_logs(runs: pl.DataFrame, sources: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Give, per job, its run log: how many lines, from when it was kept if it may have been pruned, damaged or not.

    With several copies of a log the one with the most lines counts.
    """
    first = (
        runs.filter(pl.col("origin") == Origin.RUN_LOG)
        .group_by("source")
        .agg(pl.col("finished_at").min().alias("oldest"))
    )
    logs = sources.filter((pl.col("kind") == SourceKind.CRON_RUN_LOG) & pl.col("job_id").is_not_null())
    logs = logs.join(first, left_on="id", right_on="source", how="left", validate="1:1")
    may_be_pruned = pl.col("lines") >= policy.run_log_keep_lines
    return (
        logs.sort("gateway", "job_id", "lines", "id", descending=[False, False, True, False])
        .unique(_JOB, keep="first", maintain_order=True)
        .select(
            *_JOB,
            pl.col("id").alias("run_log_source"),
            pl.col("lines").alias("run_log_lines"),
            (pl.col("rejected") > 0).alias("log_damaged"),
            pl.when(may_be_pruned).then("oldest").alias("kept_from"),
        )
    )


def _latest_stamps(
    tasks: pl.DataFrame, runs: pl.DataFrame, jobs: pl.DataFrame, sources: pl.DataFrame, copies: pl.DataFrame
) -> pl.DataFrame:
    """Give, per gateway, the latest stamp found in what was copied together with its run logs.

    Registry and run logs may have been copied at other moments than the gateway log; that one says nothing here.
    """
    ended = pl.col("started_at") + pl.duration(milliseconds="duration_ms")
    last_ended = pl.col("last_run_at") + pl.duration(milliseconds="last_duration_ms")
    stamps = pl.concat(
        [
            _stamped(tasks, pl.max_horizontal("created_at", "started_at", "ended_at", "last_event_at")),
            _stamped(runs, pl.max_horizontal("started_at", "finished_at", ended)),
            _stamped(jobs, pl.max_horizontal("running_at", "last_run_at", "updated_at", last_ended)),
        ]
    )
    placed = stamps.join(sources.select("id", "copy"), left_on="source", right_on="id", how="inner", validate="m:1")
    with_history = copies.filter(pl.col("has_run_logs") | pl.col("has_job_store")).select("gateway", "copy")
    return (
        placed.join(with_history, on=["gateway", "copy"], how="semi")
        .group_by("gateway")
        .agg(pl.col("at").max().alias("run_log_until"))
    )


def _stamped(frame: pl.DataFrame, latest: pl.Expr) -> pl.DataFrame:
    return frame.select("gateway", "source", latest.cast(TIME).alias("at"))


def _jobs_that_finished(tasks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Name the jobs of which a finished run is known from elsewhere than a run log."""
    finished = tasks.filter((pl.col("runtime") == "cron") & pl.col("status").is_in(_FINISHED)).select(_JOB)
    last_run = runs.filter(pl.col("origin") == Origin.JOB_STATE).select(_JOB)
    return pl.concat([finished, last_run]).drop_nulls().unique().with_columns(pl.lit(value=True).alias("job_finished"))


def missing_sources(tasks: pl.DataFrame, sources: pl.DataFrame, copies: pl.DataFrame, spans: pl.DataFrame) -> list[str]:
    """Say, for each gateway, what was not handed over and what that leaves open."""
    gateways = sources["gateway"].drop_nulls().unique().sort().to_list()
    missing: list[str] = []
    for gateway in gateways:
        here = pl.col("gateway") == gateway
        if not (sources.filter(here)["kind"] == SourceKind.TASK_REGISTRY).any():
            missing.append(f"{gateway}: no task registry (tasks/runs.sqlite with its -wal): no row can be judged")
        elif tasks.filter(here).is_empty():
            missing.append(f"{gateway}: the task registry holds no rows")
        if not copies.filter(here)["has_run_logs"].any():
            missing.append(f"{gateway}: no cron run logs (cron/runs): no run can be proven to have ended")
        if not copies.filter(here)["has_job_store"].any():
            missing.append(f"{gateway}: no job store (cron/jobs.json): names, time-outs and schedules are unknown")
        missing += _missing_log_days(gateway, spans.filter(here))
    return missing


def _missing_log_days(gateway: str, spans: pl.DataFrame) -> list[str]:
    if spans.is_empty():
        return [f"{gateway}: no gateway log: restarts, and so deaths and causes, are unknown"]
    ends, begins = spans["covered_until"].to_list()[:-1], spans["covered_from"].to_list()[1:]
    return [
        f"{gateway}: no gateway log from {end:%Y-%m-%d %H:%M:%S} to {begin:%Y-%m-%d %H:%M:%S} UTC"
        for end, begin in zip(ends, begins, strict=True)
    ]
