"""Why did the sweep mark the row? The first cause that holds (design §6, cause)."""

from __future__ import annotations

import polars as pl

from forensics.correlator.joins import ROW, first_after, latest_before
from forensics.model.policy import Policy
from forensics.model.verdicts import NO_STOP_SEEN, Cause, LifecycleKind

_JOB = ["gateway", "job_id"]


def with_cause(
    rows: pl.DataFrame,
    starts: pl.DataFrame,
    lifecycle: pl.DataFrame,
    windows: pl.DataFrame,
    scheduler_spans: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Add ``cause``, ``mark_window`` (the restart behind the mark), and the line that names a catch-up.

    ``no_restart`` says that none of the other causes holds. Restarts show in every log, the line that names a catch-up
    only where the scheduler writes (``scheduler_spans``). Where no such log reaches from the start of the process to
    that of the run, a run that may have been a catch-up has an unknown cause.

    Shape: rows, unchanged in number and order.
    Source: design §6, cause; formats.md §7 (when a mark falls, by cause).
    """
    told = _with_mark_window(rows, windows, policy)
    told = _with_catch_up_line(told, starts, lifecycle)
    told = _with_unseen_catch_up(told, starts, windows, scheduler_spans, policy)
    covered = pl.col("gateway_log_until") >= pl.col("lost_at")
    manual = pl.col("is_manual") | pl.col("own_manual").fill_null(value=False)
    cause = (
        pl.when(~pl.col("applies"))
        .then(pl.lit(Cause.UNKNOWN.value))
        .when(pl.col("projected"))
        .then(pl.lit(Cause.PROJECTION.value))
        .when(pl.col("mark_window").is_not_null())
        .then(pl.lit(Cause.RESTART.value))
        .when(pl.col("caught_up_at").is_not_null())
        .then(pl.lit(Cause.CATCH_UP.value))
        .when(manual)
        .then(pl.lit(Cause.MANUAL_RUN.value))
        .when(covered.fill_null(value=False) & ~pl.col("mark_in_doubt") & ~pl.col("maybe_caught_up"))
        .then(pl.lit(Cause.NO_RESTART.value))
        .otherwise(pl.lit(Cause.UNKNOWN.value))
    )
    return told.with_columns(cause.alias("cause")).drop("mark_in_doubt", "maybe_caught_up")


def _with_mark_window(rows: pl.DataFrame, windows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Find the first window that was ready after the start; it is the mark's if it went down before the mark, or so
    shortly after that the mark was made by the sweep of the new process. A doubtful window is neither a cause nor none.
    """  # noqa: D205
    # a window that never closed ends where the next one begins; what starts later than it came up is of another process
    next_down = pl.col("down_at").shift(-1).over("gateway")
    ends = windows.select(
        "gateway",
        pl.coalesce("serving_at", "up_at", next_down, "down_at_latest").alias("mark_ready"),
        pl.col("down_at_latest").alias("mark_down"),
        pl.col("kind").alias("mark_kind"),
        pl.col("id").alias("mark_window"),
        pl.col("doubt").is_not_null().alias("mark_in_doubt"),
    )
    told = first_after(rows, ends, left_on="start", right_on="mark_ready", by=["gateway"], strict=True)
    no_stop_seen = pl.col("mark_kind").is_in(NO_STOP_SEEN)
    slack = pl.when(no_stop_seen).then(policy.mark_before_start).otherwise(policy.mark_before_down)
    belongs = (pl.col("mark_down") <= pl.col("lost_at") + slack).fill_null(value=False)
    in_doubt = pl.col("mark_in_doubt").fill_null(value=False)
    return told.with_columns(
        pl.when(belongs & ~in_doubt).then("mark_window").alias("mark_window"),
        (belongs & in_doubt).alias("mark_in_doubt"),
    ).drop("mark_ready", "mark_down", "mark_kind")


def _with_unseen_catch_up(
    rows: pl.DataFrame, starts: pl.DataFrame, windows: pl.DataFrame, scheduler_spans: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """Add ``maybe_caught_up``: the first run of its job soon after ready, where no log would show that it is one.

    A log that ends between the two counts as none: the line that names a catch-up, and the one that ends catching up,
    may both be missing.

    Source: formats.md §4.3 (the scheduler's lines never reach a console); cases.md C4.
    """
    ups = windows.select(
        "gateway", pl.col("serving_at").alias("came_up_at"), pl.coalesce("up_at", "serving_at").alias("came_from")
    ).filter(pl.col("came_up_at").is_not_null())
    told = latest_before(rows, ups, left_on="start", right_on="came_up_at", by=["gateway"], strict=True)
    earlier = starts.select(*_JOB, pl.col("start").alias("earlier_start"))
    told = latest_before(told, earlier, left_on="start", right_on="earlier_start", by=_JOB, strict=True)
    seen = scheduler_spans.select("gateway", pl.col("covered_from").alias("seen_from"), "covered_until")
    told = latest_before(told, seen, left_on="came_from", right_on="seen_from", by=["gateway"])
    is_first = pl.col("earlier_start").is_null() | (pl.col("earlier_start") < pl.col("came_from"))
    is_soon = (pl.col("start") - pl.col("came_up_at")) <= policy.catch_up_span
    is_seen = (pl.col("covered_until") >= pl.col("start")).fill_null(value=False)
    return told.with_columns(
        (is_soon & is_first & ~is_seen).fill_null(value=False).alias("maybe_caught_up"),
    ).drop("came_up_at", "came_from", "earlier_start", "seen_from", "covered_until")


def _with_catch_up_line(rows: pl.DataFrame, starts: pl.DataFrame, lifecycle: pl.DataFrame) -> pl.DataFrame:
    """Add ``caught_up_*`` to a row that is itself a start-up catch-up: named by the line, the job's first start after
    it, and before the next ``cron: started``.
    """  # noqa: D205
    named = lifecycle.filter(pl.col("kind") == LifecycleKind.MISSED_JOB).with_row_index("named")
    named = named.rename({"named": ROW}).select(ROW, *_JOB, "at", "source", "line", "raw")
    cron = lifecycle.filter(pl.col("kind") == LifecycleKind.CRON_STARTED).select(
        "gateway", pl.col("at").alias("cron_at")
    )
    lines = first_after(named, cron, left_on="at", right_on="cron_at", by=["gateway"])
    lines = first_after(
        lines, starts.select(*_JOB, pl.col("start").alias("first_start")), left_on="at", right_on="first_start", by=_JOB
    )
    early = pl.col("cron_at").is_null() | (pl.col("first_start") < pl.col("cron_at"))
    caught = lines.filter(early & pl.col("first_start").is_not_null()).sort("at", "source", "line")
    caught = caught.unique([*_JOB, "first_start"], keep="last", maintain_order=True).select(
        *_JOB,
        pl.col("first_start").alias("start"),
        pl.col("at").alias("caught_up_at"),
        pl.col("source").alias("caught_up_source"),
        pl.col("line").alias("caught_up_line"),
        pl.col("raw").alias("caught_up_raw"),
    )
    # key (gateway, job_id, start): the same catch-up named by two lines keeps the later one
    return rows.join(caught, on=[*_JOB, "start"], how="left", validate="m:1").sort(ROW)
