"""Whether the process that ran a row ended before the run could have, and what stands against calling that a death."""

from __future__ import annotations

import polars as pl

from forensics.correlator.joins import ROW, first_after, latest_before, near_pairs
from forensics.model.policy import Policy
from forensics.model.verdicts import LifecycleKind, ProcessFate, TaskStatus

_JOB = ["gateway", "job_id"]
_MARKERS = [LifecycleKind.MARKER_CLEARED.value, LifecycleKind.MARKER_INTERRUPTED.value]


def with_process_end(rows: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Add the window in which the process that ran the row was replaced: ``death_*``; null where none was.

    A window whose process is unknown counts as kept, unless a clean shutdown line says that it is gone.

    Source: design §6, death.
    """
    gone_at = pl.when(pl.col("gone")).then(pl.coalesce("up_at", "down_at_latest"))
    replaced_at = pl.when(pl.col("process") == ProcessFate.REPLACED).then("up_at").otherwise(gone_at)
    ends = windows.with_columns(replaced_at.alias("death_at")).filter(pl.col("death_at").is_not_null())
    ends = ends.select(
        "gateway",
        "death_at",
        pl.col("id").alias("death_id"),
        pl.col("down_at").alias("death_down_at"),
        pl.col("down_at_latest").alias("death_down_latest"),
        pl.col("ready_at").alias("death_ready_at"),
    )
    return first_after(rows, ends, left_on="start", right_on="death_at", by=["gateway"], strict=True)


def with_abort(rows: pl.DataFrame, windows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add ``abort_*``: the window within which a run recorded ok without a word ended, if it began before it.

    Source: design §6; observed.md §A (runs aborted by a drain time-out end 0.02 to 1.9 s after ready).
    """
    drains = windows.select(
        "gateway",
        pl.coalesce("drain_at", "down_at").alias("abort_from"),
        pl.col("down_at").alias("abort_down_at"),
        pl.col("ready_at").alias("abort_ready_at"),
        pl.col("up_at").alias("abort_up_at"),
        pl.col("id").alias("abort_id"),
    )
    joined = latest_before(rows, drains, left_on="own_end_at", right_on="abort_from", by=["gateway"])
    inside = pl.col("own_end_at") <= pl.col("abort_ready_at") + policy.abort_after_ready
    began_before = pl.col("start") < pl.col("abort_down_at")
    hit = began_before & (inside | pl.col("abort_ready_at").is_null())
    return joined.with_columns(
        *(pl.when(hit).then(name).alias(name) for name in ("abort_id", "abort_ready_at", "abort_up_at")),
    ).drop("abort_from", "abort_down_at")


def with_marker(
    rows: pl.DataFrame, lifecycle: pl.DataFrame, starts: pl.DataFrame, windows: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """Add ``marker_*``: the start-up line that names job and start of the row, and whether it does so exactly.

    The line carries the reservation, up to 50 ms before the start; one further away counts while no other start of
    the job lies between.

    Source: design §6, death; observed.md §A; formats.md §5.
    """
    ups = windows.select("gateway", pl.col("up_at").alias("after_up"), pl.col("id").alias("marker_window"))
    lines = lifecycle.filter(pl.col("kind").is_in(_MARKERS) & pl.col("running_at").is_not_null()).with_row_index(ROW)
    lines = latest_before(lines, ups, left_on="at", right_on="after_up", by=["gateway"])
    lines = lines.select(
        *_JOB,
        pl.col("running_at").alias("marked_start"),
        pl.col("at").alias("marker_at"),
        pl.col("source").alias("marker_source"),
        pl.col("line").alias("marker_line"),
        pl.col("raw").alias("marker_raw"),
        "marker_window",
    ).sort("marked_start", "marker_at")
    previous = latest_before(
        rows, starts.select(*_JOB, pl.col("start").alias("previous_start")),
        left_on="start", right_on="previous_start", by=_JOB, strict=True,
    )  # fmt: skip
    joined = latest_before(previous, lines, left_on="start", right_on="marked_start", by=_JOB)
    lead = pl.col("start") - pl.col("marked_start")
    exact = lead <= policy.marker_tolerance
    alone = pl.col("previous_start").is_null() | (pl.col("previous_start") < pl.col("marked_start"))
    names = exact | (alone & (lead <= policy.reservation_lead_max))
    kept = ("marked_start", "marker_at", "marker_source", "marker_line", "marker_raw", "marker_window")
    return joined.with_columns(
        (exact & names).fill_null(value=False).alias("marker_is_exact"),
        *(pl.when(names).then(name).alias(name) for name in kept),
    ).drop("previous_start")


def with_open_batch(
    rows: pl.DataFrame, tasks: pl.DataFrame, records: pl.DataFrame, windows: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """Add ``batch_open``: another run of the same timer batch has no record either, so none was written yet.

    Records of a batch are written when its slowest run ends (observed.md §A: 961 s late), so the absence of one proves
    nothing while the batch is open. One that was open when its process died may have held a finished run.

    Source: design §6, death; 2026.4.15/no-restart.
    """
    ups = windows.filter(pl.col("process") != ProcessFate.KEPT).select(
        "gateway", pl.col("up_at").alias("process_since")
    )
    recorded = records.select(*_JOB, pl.col("started_at").alias("start")).drop_nulls().unique()
    active = [TaskStatus.RUNNING.value, TaskStatus.QUEUED.value, TaskStatus.LOST.value]
    unfinished = tasks.filter(pl.col("status").is_in(active) & ~pl.col("is_manual")).join(
        recorded, on=[*_JOB, "start"], how="anti"
    )
    mates = unfinished.with_row_index(ROW).select(
        ROW, "gateway", pl.col("task_id").alias("mate_id"), pl.col("start").alias("mate_start"),
        pl.col("reserved_at").alias("mate_reserved_at"),
    )  # fmt: skip
    mates = latest_before(mates, ups, left_on="mate_start", right_on="process_since", by=["gateway"]).rename(
        {"process_since": "mate_process"}
    )
    candidates = latest_before(
        rows.filter(pl.col("own_class").is_null() & ~pl.col("is_manual")).select(
            ROW, "gateway", "task_id", "start", "reserved_at"
        ),
        ups, left_on="start", right_on="process_since", by=["gateway"],
    )  # fmt: skip
    together = pl.concat(
        [
            near_pairs(
                candidates, mates.drop(ROW), left_on="start", right_on="mate_start", by=["gateway"],
                within=policy.batch_start_spread,
            ),
            candidates.join(
                mates.drop(ROW).with_columns(pl.col("mate_reserved_at").alias("reserved_at")),
                on=["gateway", "reserved_at"], how="inner",
            ),
        ],
        how="diagonal",
    )  # fmt: skip
    same_process = pl.col("process_since").eq_missing(pl.col("mate_process"))
    apart = (pl.col("reserved_at") != pl.col("mate_reserved_at")).fill_null(value=False)
    found = together.filter((pl.col("task_id") != pl.col("mate_id")) & same_process & ~apart)
    opened = found.sort(ROW, "mate_id").unique(ROW, keep="first", maintain_order=True).select(ROW, "mate_id")
    return (
        rows.join(opened, on=ROW, how="left", validate="1:1")
        .with_columns(pl.col("mate_id").is_not_null().alias("batch_open"))
        .sort(ROW)
    )
