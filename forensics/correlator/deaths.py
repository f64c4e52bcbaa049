"""Whether the process that ran a row ended before the run could have, and what stands against calling that a death."""

from __future__ import annotations

import polars as pl

from forensics.correlator.joins import ROW, first_after, latest_before
from forensics.model.policy import INTERRUPTED_ERROR, Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import MARKERS, NO_STOP_SEEN, LifecycleKind, ProcessFate, TaskStatus

_JOB = ["gateway", "job_id"]
_ID_WITH_RECEIPT = r"^cron:.+:\d{13}:.+$"


def with_process_end(rows: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Add the window in which the process that ran the row was replaced: ``death_*``; null where none was.

    Where the row starts so close to the end of a process that the clocks of log and registry may be further apart, it
    is not known which process ran it: ``death_in_doubt``.

    A window whose process is unknown, or that never closes, counts as kept, unless a clean shutdown line, the service
    manager or the boot table says that the process is gone: then it was there until that moment, not only until the
    first sign of going down.

    Source: design §6, death.
    """
    is_replaced = (pl.col("process") == ProcessFate.REPLACED) & pl.col("serving_at").is_not_null()
    gone_at = pl.when(pl.col("gone")).then(pl.coalesce("up_at", "gone_at"))
    replaced_at = pl.when(is_replaced).then("up_at").otherwise(gone_at)
    slack = pl.duration(milliseconds="slack_ms")
    ends = windows.with_columns(replaced_at.alias("death_at")).filter(pl.col("death_at").is_not_null())
    ends = ends.select(
        "gateway",
        "death_at",
        (pl.col("death_at") - slack).alias("earliest"),
        (pl.col("death_at") + slack).alias("death_latest"),
        pl.col("id").alias("death_id"),
        pl.col("down_at").alias("death_down_at"),
        (pl.col("down_at_latest") + slack).alias("death_down_latest"),
        (pl.col("serving_at") + slack).alias("death_ready_at"),
    )
    told = first_after(rows, ends, left_on="start", right_on="death_latest", by=["gateway"], strict=True)
    in_doubt = (pl.col("start") >= pl.col("earliest")).fill_null(value=False)
    names = [name for name in ends.columns if name.startswith("death_")]
    return told.with_columns(
        in_doubt.alias("death_in_doubt"), *(pl.when(~in_doubt).then(name).alias(name) for name in names)
    ).drop("earliest")


def with_abort(rows: pl.DataFrame, windows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add ``abort_*``: the window within which a run recorded ok without a word ended, if it began before its end.

    ``abort_is_sure`` where the run began before the window and the gateway was seen to go down; a run that began while
    it went down, that ended where no stop was seen, or whose window was drained in time or is doubtful, may have been
    aborted or not.

    Source: design §6; observed.md §A (runs aborted by a drain time-out end 0.02 to 1.9 s after ready).
    """
    unseen = pl.col("kind").is_in(NO_STOP_SEEN) | ~pl.col("stop_seen") | pl.col("doubt").is_not_null()
    drains = windows.select(
        "gateway",
        pl.coalesce("drain_at", "down_at").alias("abort_from"),
        pl.col("down_at").alias("abort_down_at"),
        pl.col("ready_at").alias("abort_ready_at"),
        pl.coalesce("up_at", "ready_at").alias("abort_up_at"),
        "slack_ms",
        (unseen | pl.col("drain").eq_missing("drained")).alias("abort_unseen"),
        pl.col("id").alias("abort_id"),
    )
    ended = pl.coalesce("own_end_at", "own_told_at")
    reach = pl.duration(milliseconds=pl.col("own_slack_ms").fill_null(0))
    early = (pl.col("abort_from") - pl.duration(milliseconds="slack_ms")).alias("abort_early")
    probed = rows.with_columns(ended.alias("ended_at"), (ended + reach).alias("probed_at"))
    joined = latest_before(
        probed, drains.with_columns(early), left_on="probed_at", right_on="abort_early", by=["gateway"]
    )
    slack = pl.duration(milliseconds=pl.col("slack_ms").fill_null(0) + pl.col("own_slack_ms").fill_null(0))
    until = pl.col("abort_ready_at") + policy.abort_after_ready
    inside = (pl.col("ended_at") >= pl.col("abort_from") - slack) & (
        (pl.col("ended_at") <= until + slack) | until.is_null()
    )
    well_inside = (pl.col("ended_at") >= pl.col("abort_from") + slack) & (
        (pl.col("ended_at") <= until - slack) | until.is_null()
    )
    began_before = (pl.col("start") < pl.col("abort_up_at")) | pl.col("abort_up_at").is_null()
    hit = began_before & inside
    sure = hit & well_inside & (pl.col("start") < pl.col("abort_down_at") - slack) & ~pl.col("abort_unseen")
    return joined.with_columns(
        sure.fill_null(value=False).alias("abort_is_sure"),
        *(pl.when(hit).then(name).alias(name) for name in ("abort_id", "abort_ready_at")),
    ).drop(
        "abort_from", "abort_down_at", "abort_up_at", "abort_unseen", "abort_early", "slack_ms", "ended_at", "probed_at"
    )


def with_marker(
    rows: pl.DataFrame, lifecycle: pl.DataFrame, starts: pl.DataFrame, windows: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """Add ``marker_*``: the start-up line that names job and start of the row, and whether it does so exactly.

    The line carries the reservation, up to 50 ms before the start; one further away counts, too, but names no run.
    No other start of the job may lie between.

    Source: design §6, death; observed.md §A; formats.md §5.
    """
    ups = windows.select("gateway", pl.col("up_at").alias("after_up"), pl.col("id").alias("marker_window"))
    lines = lifecycle.filter(pl.col("kind").is_in(MARKERS) & pl.col("running_at").is_not_null()).with_row_index(ROW)
    lines = latest_before(lines, ups, left_on="at", right_on="after_up", by=["gateway"])
    lines = lines.select(
        *_JOB,
        pl.col("running_at").alias("marked_start"),
        pl.col("at").alias("marker_at"),
        pl.col("source").alias("marker_source"),
        pl.col("line").alias("marker_line"),
        pl.col("raw").alias("marker_raw"),
        "marker_window",
    ).sort("marked_start", "marker_at", "marker_source", "marker_line")
    previous = latest_before(
        rows, starts.select(*_JOB, pl.col("start").alias("previous_start")),
        left_on="start", right_on="previous_start", by=_JOB, strict=True,
    )  # fmt: skip
    joined = latest_before(previous, lines, left_on="start", right_on="marked_start", by=_JOB)
    lead = pl.col("start") - pl.col("marked_start")
    alone = pl.col("previous_start").is_null() | (pl.col("previous_start") < pl.col("marked_start"))
    exact = alone & (lead <= policy.marker_tolerance)
    names = alone & (lead <= policy.reservation_lead_max)
    kept = ("marked_start", "marker_at", "marker_source", "marker_line", "marker_raw", "marker_window")
    told = joined.with_columns(
        (exact & names).fill_null(value=False).alias("marker_is_exact"),
        *(pl.when(names).then(name).alias(name) for name in kept),
    ).drop("previous_start")
    return _with_open_receipt(told, lifecycle)


def _with_open_receipt(rows: pl.DataFrame, lifecycle: pl.DataFrame) -> pl.DataFrame:
    """Add ``receipt_*``: the receipt that says that this very run was in flight (2026.8.1 and later)."""
    receipts = lifecycle.filter(pl.col("kind") == LifecycleKind.RECEIPT_OPEN).unique(
        ["gateway", "job_id", "running_at"], keep="first", maintain_order=True
    )
    told = receipts.select(
        *_JOB,
        pl.col("running_at").alias("start"),
        pl.col("at").alias("receipt_at"),
        pl.col("source").alias("receipt_source"),
        pl.col("line").alias("receipt_line"),
        pl.col("raw").alias("receipt_raw"),
    )
    return rows.join(told, on=[*_JOB, "start"], how="left", validate="m:1").sort(ROW)


def with_blocked_restart(rows: pl.DataFrame, lifecycle: pl.DataFrame) -> pl.DataFrame:
    """Add ``blocked_*``: the first line that names the run among those a restart waits for.

    It says that the row was active then, which the row of a process long gone may be as well: it proves no death.

    Source: formats.md §5 (``restart blocked by active background task run(s)``, 5.7 to 7.35).
    """
    lines = lifecycle.filter((pl.col("kind") == LifecycleKind.DRAIN_BLOCKED) & pl.col("run_id").is_not_null())
    first = lines.sort("at", "source", "line").unique(["gateway", "run_id"], keep="first", maintain_order=True)
    told = first.select(
        "gateway",
        "run_id",
        pl.col("at").alias("blocked_at"),
        pl.col("source").alias("blocked_source"),
        pl.col("line").alias("blocked_line"),
        pl.col("raw").alias("blocked_raw"),
    )
    return rows.join(told, on=["gateway", "run_id"], how="left", validate="m:1").sort(ROW)


def with_open_batch(
    rows: pl.DataFrame,
    tasks: pl.DataFrame,
    records: pl.DataFrame,
    lifecycle: pl.DataFrame,
    windows: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Add ``batch_open``: another run of the same timer batch has no record either, so none was written yet.

    Records of a batch are written when its slowest run ends (observed.md §A: 961 s late), so the absence of one proves
    nothing while the batch is open. One that was open when its process died may have held a finished run. What the
    start-up code or a failed update says of a run is not written at the end of its batch. A mate whose record was lost
    when it could not be appended keeps the batch open for good: only a file log says so, and it names no job.

    Source: design §6, death; 2026.4.15/no-restart.
    """
    written = records.filter(pl.col("tier").is_in([0, 2]) & (pl.col("class") != "interrupted"))
    recorded = written.select(*_JOB, pl.col("started_at").alias("start")).drop_nulls().unique()
    active = [TaskStatus.RUNNING.value, TaskStatus.QUEUED.value, TaskStatus.LOST.value]
    # what the next process says of a mate shows that the batch was never written
    presumed_dead = (pl.col("status") == TaskStatus.FAILED) & (pl.col("error") == INTERRUPTED_ERROR)
    open_ended = pl.col("status").is_in(active) | presumed_dead.fill_null(value=False)
    unfinished = tasks.filter(open_ended).join(recorded, on=[*_JOB, "start"], how="anti")
    columns = ["gateway", "task_id", "start", "reserved_at"]
    of_batches = ~pl.col("is_manual") & ~_is_kept_by_receipt_expr()
    mates = _with_process(unfinished.filter(of_batches).select(columns).with_row_index(ROW), windows)
    unended = pl.col("own_class").is_null() | (pl.col("own_class") == "interrupted")
    waiting = rows.filter(unended & ~pl.col("is_manual") & ~_is_kept_by_receipt_expr())
    candidates = _with_process(waiting.select(ROW, *columns), windows)
    opened = pl.concat(
        [
            _collected_together(candidates, mates),
            _started_together(candidates, mates, policy),
            _caught_up_together(waiting, lifecycle, windows),
        ]
    )
    return rows.with_columns(pl.col(ROW).is_in(opened.implode()).alias("batch_open")).sort(ROW)


def _is_kept_by_receipt_expr() -> pl.Expr:
    """From 2026.8.1 on each run is recorded when it ends, and its run id names its receipt (formats.md §1.4)."""
    return pl.col("run_id").str.contains(_ID_WITH_RECEIPT).fill_null(value=False)


def _with_process(runs: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Add since when the process lived that ran each run; a window that did not surely replace it counts as kept."""
    replaced = (pl.col("process") == ProcessFate.REPLACED) & pl.col("serving_at").is_not_null()
    ups = windows.filter(replaced | pl.col("gone")).select("gateway", pl.col("up_at").alias("process"))
    return latest_before(runs, ups, left_on="start", right_on="process", by=["gateway"])


def _collected_together(candidates: pl.DataFrame, mates: pl.DataFrame) -> pl.Series:
    """Name the rows whose reservation another unfinished run of the same process shares."""
    key = ["gateway", "process", "reserved_at"]
    groups = mates.group_by(key).agg(pl.len().alias("mates"), pl.col("task_id").first().alias("mate_id"))
    found = candidates.join(groups, on=key, how="inner", nulls_equal=True, validate="m:1")
    others = (pl.col("mates") > 1) | (pl.col("mate_id") != pl.col("task_id"))
    return found.filter(pl.col("reserved_at").is_not_null() & others)[ROW]


def _caught_up_together(rows: pl.DataFrame, lifecycle: pl.DataFrame, windows: pl.DataFrame) -> pl.Series:
    """Name the rows of a start-up catch-up of several jobs that never ended: it ends with ``cron: started``."""
    line = ["gateway", "source", "line"]
    named = lifecycle.filter(pl.col("kind") == LifecycleKind.MISSED_JOB)
    named = named.with_columns(pl.col("job_id").n_unique().over(line).alias("together"))
    named = named.filter(pl.col("together") > 1).select(*_JOB, pl.col("at").alias("named_at"))
    ups = windows.select("gateway", pl.coalesce("up_at", "ready_at").alias("came_up_at"), "cron_started_at")
    told = latest_before(
        rows.select(ROW, *_JOB, "start"), named, left_on="start", right_on="named_at", by=_JOB
    )  # fmt: skip
    told = latest_before(told, ups, left_on="start", right_on="came_up_at", by=["gateway"])
    is_named = (pl.col("named_at") >= pl.col("came_up_at")).fill_null(value=False)
    return told.filter(is_named & pl.col("cron_started_at").is_null())[ROW]


def _started_together(candidates: pl.DataFrame, mates: pl.DataFrame, policy: Policy) -> pl.Series:
    """Name the rows within a second of which another unfinished run of the same process started.

    Runs whose reservations are known and differ belong to different batches.
    """
    unreserved = pl.col("reserved_at").is_null()
    near_any = _near_another(candidates.filter(unreserved), mates, policy)
    near_unreserved = _near_another(candidates.filter(~unreserved), mates.filter(unreserved), policy)
    return pl.concat([near_any, near_unreserved])


def _near_another(candidates: pl.DataFrame, mates: pl.DataFrame, policy: Policy) -> pl.Series:
    by = ["gateway", "process"]
    fixed = pl.col("process").fill_null(pl.lit(0, pl.Int64).cast(TIME))  # a time join matches no nulls
    left, right = candidates.with_columns(fixed), mates.with_columns(fixed)
    times = right.group_by(*by, pl.col("start").alias("mate_start")).agg(
        pl.len().alias("mates"), pl.col("task_id").first().alias("mate_id")
    )
    same = left.join(times, left_on=[*by, "start"], right_on=[*by, "mate_start"], how="inner", validate="m:1")
    same = same.filter((pl.col("mates") > 1) | (pl.col("mate_id") != pl.col("task_id")))
    found = [same[ROW]]
    for join in (latest_before, first_after):
        nearest = join(left, times, left_on="start", right_on="mate_start", by=by, strict=True)
        off = (pl.col("start") - pl.col("mate_start")).abs()
        found.append(nearest.filter(off <= policy.batch_start_spread)[ROW])
    return pl.concat(found)
