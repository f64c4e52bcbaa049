"""The rows under judgement and the starts of all runs, derived from the task rows."""

from __future__ import annotations

import polars as pl

from forensics.correlator.joins import ROW, latest_before
from forensics.model.policy import LOST_ERROR, Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import MARKERS, TaskStatus

_EPOCH_MS_DIGITS = 13

MANUAL = "manual:"


def newest_state(tasks: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per task: a registry's before an export's, a later state before an earlier, a projected row last.

    Exports inside a gateway log count only where nothing else was handed over: the log goes on past every copy, and
    would judge rows of a later time against the records of an earlier one.

    Shape: as ``tasks``; key (gateway, task_id). Rows that belong to no gateway are left out.
    Source: design §6, gateways. "Later" is judged by the stamps inside a registry, not by file times.
    """
    written = pl.max_horizontal("created_at", "started_at", "ended_at", "last_event_at")
    is_logged = pl.col("registry") == "log"
    return (
        tasks.filter(pl.col("gateway").is_not_null() & (~is_logged | is_logged.all().over("gateway")))
        .with_columns(
            written.max().over("source").alias("written_at"), (pl.col("registry") == "store").alias("is_store")
        )
        .sort(
            "gateway",
            "task_id",
            "is_store",
            "projected",
            "written_at",
            "source",
            "line",
            descending=[False, False, False, True, False, True, False],
        )
        .unique(["gateway", "task_id"], keep="last", maintain_order=True)
        .drop("written_at", "is_store")
    )


def with_start(tasks: pl.DataFrame) -> pl.DataFrame:
    """Add ``start`` and ``is_manual`` to task rows.

    ``start`` is the number after ``cron:<source_id>:`` in the run id, else ``started_at``: agent events may move the
    column, never the id (formats.md §3.2).
    """
    prefix = pl.concat_str(pl.lit("cron:"), "job_id", pl.lit(":"))
    digits = pl.col("run_id").str.strip_prefix(prefix).str.extract(rf"^(\d{{{_EPOCH_MS_DIGITS}}})(?::|$)")
    named = pl.when(pl.col("run_id").str.starts_with(prefix)).then(digits.cast(pl.Int64).cast(TIME))
    manual = pl.col("run_id").str.starts_with(MANUAL) | pl.col("run_id").str.contains(":" + MANUAL, literal=True)
    return tasks.with_columns(
        pl.coalesce(named, "started_at").alias("start"), manual.fill_null(value=False).alias("is_manual")
    )


def with_reservation(
    tasks: pl.DataFrame, starts: pl.DataFrame, jobs: pl.DataFrame, lifecycle: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """Add ``reserved_at``: when the scheduler collected the batch this run belongs to, where job state or a start-up
    marker says so; it lies before the start, by milliseconds or minutes, and no other start of the job lies between
    (formats.md §3.2).
    """  # noqa: D205
    told = pl.concat(
        [
            jobs.select("gateway", "job_id", pl.col("running_at").alias("reserved_at")),
            lifecycle.filter(pl.col("kind").is_in(MARKERS)).select(
                "gateway", "job_id", pl.col("running_at").alias("reserved_at")
            ),
        ]
    ).drop_nulls()
    previous = latest_before(
        tasks.with_row_index(ROW), starts.select("gateway", "job_id", pl.col("start").alias("previous_start")),
        left_on="start", right_on="previous_start", by=["gateway", "job_id"], strict=True,
    )  # fmt: skip
    joined = latest_before(previous, told, left_on="start", right_on="reserved_at", by=["gateway", "job_id"])
    near = (pl.col("start") - pl.col("reserved_at")) <= policy.reservation_lead_max
    alone = pl.col("previous_start").is_null() | (pl.col("previous_start") < pl.col("reserved_at"))
    return joined.with_columns(pl.when(near & alone).then("reserved_at").alias("reserved_at")).drop(
        ROW, "previous_start"
    )


def lost_rows(tasks: pl.DataFrame, jobs: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Give the rows to be judged, numbered, with what is known of their jobs.

    Shape: one row per lost task; columns of ``tasks`` plus row, start, lost_at, applies, job_name, payload_kind,
    longest, and the job's schedule and reservation.
    """
    context = jobs.select(
        "gateway",
        "job_id",
        pl.col("name").alias("job_name"),
        "payload_kind",
        "timeout_ms",
        "schedule_kind",
        "schedule_expr",
        "schedule_tz",
        "every_ms",
        "anchor_at",
    )
    longest = pl.coalesce(pl.duration(milliseconds="timeout_ms"), pl.lit(policy.longest_run))
    return (
        tasks.filter(pl.col("status") == TaskStatus.LOST)
        .join(context, on=["gateway", "job_id"], how="left", validate="m:1")
        .sort("gateway", "start", "task_id", nulls_last=True)
        .with_row_index(ROW)
        .with_columns(
            pl.coalesce("ended_at", "last_event_at").alias("lost_at"),
            _is_sweep_error_expr().alias("has_lost_error"),
            (pl.col("runtime") == "cron").fill_null(value=False).alias("is_cron"),
            pl.coalesce("job_name", "label").alias("job_name"),
            longest.alias("longest"),
        )
        .with_columns((pl.col("is_cron") & pl.col("has_lost_error")).alias("applies"))
    )


def healed_rows(tasks: pl.DataFrame) -> pl.DataFrame:
    """Give the rows that a late finish overwrote: succeeded, yet with the text of the lost mark (observed.md §A)."""
    stale = pl.col("error").str.to_lowercase().str.contains(LOST_ERROR, literal=True).fill_null(value=False)
    return tasks.filter((pl.col("status") == TaskStatus.SUCCEEDED) & (pl.col("runtime") == "cron") & stale)


def all_starts(tasks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Give every known start of every job.

    Shape: gateway, job_id, start, is_manual; key (gateway, job_id, start).
    """
    known = pl.concat(
        [
            tasks.filter(pl.col("runtime") == "cron").select("gateway", "job_id", "start", "is_manual"),
            runs.filter(pl.col("class") != "interrupted").select(
                "gateway", "job_id", pl.col("started_at").alias("start"), pl.col("manual").alias("is_manual")
            ),
        ]
    ).drop_nulls(["gateway", "job_id", "start"])
    return (
        known.group_by("gateway", "job_id", "start").agg(pl.col("is_manual").any()).sort("gateway", "job_id", "start")
    )


def _is_sweep_error_expr() -> pl.Expr:
    """The mark's own text in any case, or none: old exports leave it out (design §6, cases.md T17)."""
    error = pl.col("error").str.strip_chars()
    return error.is_null() | (error == "") | error.str.to_lowercase().str.contains(LOST_ERROR, literal=True)
