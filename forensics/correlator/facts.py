"""The rows under judgement and the starts of all runs, derived from the task rows."""

from __future__ import annotations

import polars as pl

from forensics.correlator.corrections import with_overtaken
from forensics.correlator.coverage import of_assumed_zone
from forensics.correlator.joins import ROW, latest_before
from forensics.model.evidence import Evidence
from forensics.model.policy import LOST_ERROR, Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import MARKERS, TaskStatus

_EPOCH_MS_DIGITS = 13
_EPOCH_IN_ID = rf"^cron:.*:\d{{{_EPOCH_MS_DIGITS}}}(?::|$)"

MANUAL = "manual:"

_DESCENDING = ("projected", "is_overtaken", "is_backup", "source")
"""What makes a state the older one."""

_PROGRESS = {
    TaskStatus.QUEUED.value: 1,
    TaskStatus.RUNNING.value: 2,
    TaskStatus.LOST.value: 3,
    TaskStatus.SUCCEEDED.value: 4,
    TaskStatus.FAILED.value: 4,
    TaskStatus.TIMED_OUT.value: 4,
    TaskStatus.CANCELLED.value: 4,
}
"""A lost row may be healed by a late finish, a finished one is never marked lost (formats.md §1.6)."""


def rows_at_hand(evidence: Evidence) -> pl.DataFrame:
    """Give the newest state of each task, as its copies and the journals of fix-ups tell it.

    Shape: as ``newest_state``.
    """
    return newest_state(evidence.tasks, evidence.corrections, evidence.sources)


def newest_state(
    tasks: pl.DataFrame, corrections: pl.DataFrame | None = None, sources: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Keep one row per task: the newest state that is no projection.

    A projected row counts only where nothing else tells of the task, and so does what an export printed into a gateway
    log says where a registry or an export itself was handed over. A registry's row comes before an export's, unless
    that was written later and shows the row further on: a lost row that was healed since, a running one marked since.

    The log goes on past every copy: what it prints would judge rows of a later time against records of an earlier one.

    Shape: as ``tasks``; key (gateway, task_id). Rows that belong to no gateway are left out.
    Source: design §6, gateways. "Newest" is judged by the stamps inside a registry or export, not by file times.
    """
    ordered = in_order_of_writing(tasks, corrections, sources)
    return ordered.unique(["gateway", "task_id"], keep="last", maintain_order=True).select(tasks.columns)


def in_order_of_writing(
    tasks: pl.DataFrame, corrections: pl.DataFrame | None = None, sources: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Give the states of all tasks, each task's newest last.

    The registry with the younger runs is the newer one; of two that hold the same runs, the one that shows this row
    further on: a correction takes a lost mark back, which was the last thing written. ``corrections`` and ``sources``
    come before that: what a journal says was overtaken is older, and so is, all else being equal, the backup of a
    fix-up.

    Shape: as ``tasks`` with ``written_at``, sorted by gateway, task, and what makes a state the newer one.
    """
    written = pl.max_horizontal("created_at", "started_at", "ended_at", "last_event_at")
    handed_over = (pl.col("registry") != "log").any().over("gateway")
    is_store = pl.col("registry") == "store"
    told = tasks.filter(pl.col("gateway").is_not_null()).filter((pl.col("registry") != "log") | ~handed_over)
    if corrections is None or sources is None or corrections.is_empty():
        told = told.with_columns(pl.lit(value=False).alias("is_overtaken"), pl.lit(value=False).alias("is_backup"))
    else:
        told = with_overtaken(told, corrections, sources)
    task = ["gateway", "task_id"]
    stated = told.with_columns(
        written.max().over("source").alias("written_at"),
        pl.max_horizontal("created_at", "started_at").max().over("source").alias("born_at"),
        pl.col("status").replace_strict(_PROGRESS, default=0, return_dtype=pl.Int8).alias("progress"),
        # the same state in several copies is cited from the registry
        is_store.max().over(*task, "status", "ended_at", "projected").alias("is_in_store"),
    ).with_columns(
        pl.col("written_at").filter(is_store).max().over(task).alias("store_written_at"),
        pl.col("progress").filter(is_store).max().over(task).alias("store_progress"),
    )
    went_on = (pl.col("written_at") > pl.col("store_written_at")) & (pl.col("progress") > pl.col("store_progress"))
    rank = pl.when(went_on).then(2).when(pl.col("is_in_store")).then(1).otherwise(0).alias("rank")
    order = [
        "projected",
        "is_overtaken",
        "rank",
        "born_at",
        "progress",
        "is_backup",
        "written_at",
        "is_store",
        "source",
    ]
    return (
        stated.with_columns(rank, is_store.alias("is_store"))
        .sort(*task, *order, "line", descending=[False, False, *(name in _DESCENDING for name in order), False])
        .select(*tasks.columns, "written_at")
    )


def with_start(tasks: pl.DataFrame) -> pl.DataFrame:
    """Add ``start``, ``start_precision_ms`` and ``is_manual`` to task rows.

    ``start`` is the number after ``cron:<source_id>:`` in the run id, else ``started_at``: agent events may move the
    column, never the id (formats.md §3.2).
    """
    prefix = pl.concat_str(pl.lit("cron:"), "job_id", pl.lit(":"))
    digits = pl.col("run_id").str.strip_prefix(prefix).str.extract(rf"^(\d{{{_EPOCH_MS_DIGITS}}})(?::|$)")
    named = pl.when(pl.col("run_id").str.starts_with(prefix)).then(digits.cast(pl.Int64).cast(TIME))
    manual = pl.col("run_id").str.starts_with(MANUAL) | pl.col("run_id").str.contains(":" + MANUAL, literal=True)
    return tasks.with_columns(
        pl.coalesce(named, "started_at").alias("start"),
        pl.when(named.is_not_null()).then(1).otherwise(_precision_expr()).cast(pl.Int64).alias("start_precision_ms"),
        manual.fill_null(value=False).alias("is_manual"),
    )


def with_assumed_start(tasks: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Add ``start_is_assumed``: the start is printed without a zone that anything names, so it may be hours off.

    A start that the run id tells is an epoch number and needs no zone.
    """
    assumed = of_assumed_zone(sources)
    printed = pl.col("start") == pl.col("started_at")
    told_by_id = pl.col("run_id").str.contains(_EPOCH_IN_ID).fill_null(value=False)
    return tasks.with_columns(
        (pl.col("source").is_in(assumed.implode()) & printed & ~told_by_id)
        .fill_null(value=False)
        .alias("start_is_assumed")
    )


def _precision_expr() -> pl.Expr:
    return pl.col("precision_ms").fill_null(1)


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


def healed_rows(tasks: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Give the rows that a late finish overwrote: succeeded, yet with the text of the lost mark, or lost in an older
    copy among ``states`` (observed.md §A).
    """  # noqa: D205
    stale = pl.col("error").str.to_lowercase().str.contains(LOST_ERROR, literal=True).fill_null(value=False)
    keys = ["gateway", "task_id"]
    marked = in_order_of_writing(states).filter(
        (pl.col("status") == TaskStatus.LOST) & ~pl.col("projected") & _is_sweep_error_expr()
    )
    once_lost = marked.select(keys).unique().with_columns(pl.lit(value=True).alias("was_lost"))
    told = executions(tasks).join(once_lost, on=keys, how="left", validate="1:1")
    done = (pl.col("status") == TaskStatus.SUCCEEDED) & (pl.col("runtime") == "cron")
    return told.filter(done & (stale | pl.col("was_lost").fill_null(value=False))).drop("was_lost")


def executions(tasks: pl.DataFrame) -> pl.DataFrame:
    """Give the rows that are executions of their own, without imported run records (cases.md T18)."""
    return tasks.filter(~pl.col("is_twin").fill_null(value=False))


def all_starts(tasks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Give every known start of every job.

    A start printed in whole seconds may be that of a run which another source names to the millisecond.

    Shape: gateway, job_id, start, is_manual, precision_ms; key (gateway, job_id, start).
    """
    columns = ["gateway", "job_id", "start", "is_manual", "precision_ms"]
    of_tasks = (
        tasks.filter(pl.col("runtime") == "cron").drop("precision_ms").rename({"start_precision_ms": "precision_ms"})
    )
    of_runs = runs.filter(pl.col("class") != "interrupted").rename({"started_at": "start", "manual": "is_manual"})
    known = pl.concat([of_tasks.select(columns), of_runs.select(columns).with_columns(_precision_expr())])
    return (
        known.drop_nulls(["gateway", "job_id", "start"])
        .group_by("gateway", "job_id", "start")
        .agg(pl.col("is_manual").any(), pl.col("precision_ms").min())
        .sort("gateway", "job_id", "start")
    )


def told_precisely(starts: pl.DataFrame) -> pl.DataFrame:
    """Leave out the starts of a whole second within which a start of the same job is known to the millisecond."""
    key = ["gateway", "job_id", "second"]
    placed = starts.with_columns(pl.col("start").dt.truncate("1s").alias("second"))
    is_coarse = pl.col("precision_ms") > 1
    doubles = placed.filter(is_coarse).join(placed.filter(~is_coarse), on=key, how="semi")
    return starts.join(doubles, on=["gateway", "job_id", "start"], how="anti", maintain_order="left")


def _is_sweep_error_expr() -> pl.Expr:
    """The mark's own text in any case, or none: old exports leave it out (design §6, cases.md T17)."""
    error = pl.col("error").str.strip_chars()
    return error.is_null() | (error == "") | error.str.to_lowercase().str.contains(LOST_ERROR, literal=True)
