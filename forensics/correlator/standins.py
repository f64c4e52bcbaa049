"""Which later run, if any, did the work of a run that died? A later regular run is none (design §6, stand-in)."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from forensics.correlator.coverage import with_gateway_log_coverage
from forensics.correlator.deaths import with_abort
from forensics.correlator.facts import told_precisely
from forensics.correlator.joins import ROW, first_after
from forensics.correlator.records import resolved
from forensics.correlator.schedules import with_next_slot
from forensics.model.policy import Policy
from forensics.model.verdicts import LifecycleKind

_JOB = ["gateway", "job_id"]
_NAMED = [LifecycleKind.MISSED_JOB.value, LifecycleKind.DEFERRED_JOB.value]
_RUN_COLUMNS = ("started_at", "finished_at", "end_at", "status", "duration_ms", "origin", "source", "line")


def with_stand_in(
    rows: pl.DataFrame,
    starts: pl.DataFrame,
    records: pl.DataFrame,
    lifecycle: pl.DataFrame,
    windows: pl.DataFrame,
    spans: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Add to each row with a ``ready_at`` the run that stood in for it, and the next run that ended ok.

    Shape: rows, unchanged in number and order, plus stand_* (null without a stand-in), stand_in_taken, next_ok_*.
    Source: design §6, stand-in; cases.md T1, T2, C6, C7.
    """
    good = _good_runs(records, windows, spans, policy)
    precise = told_precisely(starts)
    first = first_after(
        rows.filter(pl.col("ready_at").is_not_null()),
        precise.select(
            *_JOB, pl.col("start").alias("stand_start"), pl.col("is_manual").alias("stand_is_manual")
        ),
        left_on="ready_at", right_on="stand_start", by=_JOB, strict=True,
    )  # fmt: skip
    told = first.join(
        good.rename({name: f"stand_{name}" for name in _RUN_COLUMNS}).with_columns(
            pl.col("stand_started_at").alias("stand_start")
        ),
        on=[*_JOB, "stand_start"], how="left", validate="m:1",
    )  # fmt: skip
    told = _with_catch_up(told, lifecycle, windows)
    told = _with_pace(told, precise)
    told = with_next_slot(told)
    stands = told.filter(_stands_in_expr(policy)).with_columns(
        _is_only_latest_expr().over(*_JOB, "stand_start").alias("is_latest")
    )
    taken = stands.filter(~pl.col("is_latest")).select(ROW, pl.lit(value=True).alias("stand_in_taken"))
    kept = stands.filter("is_latest").select(ROW, *(f"stand_{name}" for name in _RUN_COLUMNS))
    joined = rows.join(kept, on=ROW, how="left", validate="1:1").join(taken, on=ROW, how="left", validate="1:1")
    next_ok = good.select(
        *_JOB,
        pl.col("started_at").alias("next_ok_at"),
        pl.col("source").alias("next_ok_source"),
        pl.col("line").alias("next_ok_line"),
        pl.col("origin").alias("next_ok_origin"),
    )
    return first_after(
        joined.with_columns(pl.col("stand_in_taken").fill_null(value=False)), next_ok,
        left_on="ready_at", right_on="next_ok_at", by=_JOB, strict=True,
    )  # fmt: skip


def _is_only_latest_expr() -> pl.Expr:
    """One stand-in did the work of one run: the last that died; of two that started together it redeems neither."""
    start = pl.col("start")
    return (start == start.max()) & ((start == start.max()).sum() == 1)


def _good_runs(records: pl.DataFrame, windows: pl.DataFrame, spans: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Give the runs that were recorded ok, without contradiction and without being an abort in disguise.

    An ok without a word, be it a bare record or the job state, counts only where the gateway log shows that no restart
    cut the run short.
    """
    started = records.filter(pl.col("started_at").is_not_null())
    outcomes = resolved(started, [*_JOB, "started_at"]).filter((pl.col("class") == "ok") & ~pl.col("conflict"))
    placed = with_abort(
        outcomes.drop("rec").with_row_index(ROW).with_columns(
            pl.col("started_at").alias("start"),
            pl.col("end_at").alias("own_end_at"),
            pl.col("told_at").alias("own_told_at"),
            pl.col("slack_ms").alias("own_slack_ms"),
        ),
        windows, policy,
    )  # fmt: skip
    placed = with_gateway_log_coverage(placed, spans)
    wordless = pl.col("is_bare") | (pl.col("tier") > 1)
    seen = pl.coalesce("own_end_at", "own_told_at") <= pl.col("gateway_log_until")
    sound = pl.col("abort_id").is_null() & seen.fill_null(value=False)
    return placed.filter((~wordless | sound) & ~pl.col("overruled_bare")).select(*_JOB, *_RUN_COLUMNS)


def _with_catch_up(rows: pl.DataFrame, lifecycle: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_caught_up``: named by the start-up line, or started before that process's ``cron: started``.

    Both lines are the scheduler's, and no console shows them (formats.md §4.3). Without them a catch-up is a stand-in
    by its time alone; one that begins after the job's next slot is none, and the death stays an ``interrupted`` one.
    """
    named = lifecycle.filter(pl.col("kind").is_in(_NAMED)).select(*_JOB, pl.col("at").alias("named_at"))
    cron = windows.group_by("gateway", pl.col("serving_at").alias("up_ready")).agg(pl.col("cron_started_at").min())
    next_down = windows.select("gateway", pl.col("down_at").alias("next_down_at"))
    told = first_after(rows, named, left_on="ready_at", right_on="named_at", by=_JOB)
    told = told.join(
        cron, left_on=["gateway", "ready_at"], right_on=["gateway", "up_ready"], how="left", validate="m:1"
    )
    told = first_after(told, next_down, left_on="ready_at", right_on="next_down_at", by=["gateway"], strict=True)
    same_process = pl.col("next_down_at").is_null() | (pl.col("stand_start") < pl.col("next_down_at"))
    is_named = same_process & (pl.col("named_at") <= pl.col("stand_start"))
    is_early = pl.col("stand_start") < pl.col("cron_started_at")
    caught_up = is_named.fill_null(value=False) | is_early.fill_null(value=False)
    return told.with_columns(caught_up.alias("is_caught_up")).drop("named_at", "cron_started_at", "next_down_at")


def _stands_in_expr(policy: Policy) -> pl.Expr:
    before_slot = pl.col("has_schedule") & (
        pl.col("next_slot").is_null() | (pl.col("stand_start") < pl.col("next_slot"))
    )
    soon = (pl.col("stand_start") - pl.col("ready_at")) <= policy.stand_in_grace
    rare = pl.col("spacing") > 2 * policy.stand_in_grace + policy.spacing_jitter
    unknown = ~pl.col("has_schedule").fill_null(value=False)
    # a repetition is counted from the last reservation as well: its slot need not lie on the grid of the anchor
    reserved = pl.coalesce(
        pl.when(pl.col("own_class") == "interrupted").then("own_started_at"), "marked_start", "reserved_at"
    )
    lead = pl.when(reserved.is_null()).then(policy.usual_lead).otherwise(timedelta())
    again = pl.coalesce(reserved, "start") + pl.duration(milliseconds="every_ms")
    regular = (
        (pl.col("schedule_kind") == "every") & (again > pl.col("ready_at")) & (pl.col("stand_start") >= again - lead)
    )
    by_pace = unknown & soon & rare & ~_keeps_pace_expr(policy, reserved)
    by_time = (before_slot | by_pace) & ~regular.fill_null(value=False)
    extra = pl.col("is_caught_up") | pl.col("stand_is_manual") | by_time
    return pl.col("stand_started_at").is_not_null() & extra.fill_null(value=False)


def _with_pace(rows: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """Add how often the job usually runs, and ``is_in_step``: two more of its runs begin at the second of the minute at
    which the stand-in does.

    Shape: rows, unchanged in number, plus spacing (the median between two starts), shortest, second_shortest (the two
    shortest), is_in_step.
    """  # noqa: D205
    rests = pl.col("start").sort().diff()
    pace = starts.group_by(_JOB).agg(
        rests.median().alias("spacing"),
        rests.sort(nulls_last=True).get(0, null_on_oob=True).alias("shortest"),
        rests.sort(nulls_last=True).get(1, null_on_oob=True).alias("second_shortest"),
    )
    step = (pl.col("start").dt.epoch("s") % 60).alias("step")
    steps = starts.group_by(*_JOB, step).agg((pl.len() > 2).alias("is_in_step"))
    placed = rows.with_columns((pl.col("stand_start").dt.epoch("s") % 60).alias("step"))
    return (
        placed.join(pace, on=_JOB, how="left", validate="m:1")
        .join(steps, on=[*_JOB, "step"], how="left", validate="m:1")
        .with_columns(pl.col("is_in_step").fill_null(value=False))
    )


def _keeps_pace_expr(policy: Policy, reserved: pl.Expr) -> pl.Expr:
    """Whether a run may be the job's next regular one by what is seen of its other runs.

    It begins at the second of the minute at which this run does, or two others do (schedules keep step, catch-ups do
    not), or the job was seen to rest no longer between two other runs.
    """
    minute = 60_000
    gap = pl.col("stand_start") - pl.col("start")
    apart = (pl.col("stand_start") - pl.coalesce(reserved, "start")).dt.total_milliseconds() % minute
    near = policy.in_step // timedelta(milliseconds=1)
    in_step = (apart <= near) | (apart >= minute - near)
    usual = pl.when(pl.col("shortest") == gap).then("second_shortest").otherwise("shortest")
    return (pl.col("is_in_step") | in_step | (gap >= usual - policy.usual_lead)).fill_null(value=False)
