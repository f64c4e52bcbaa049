"""How far the clock behind a source is off, as far as pairs of moments tell that can only have come in one order.

Registry and run records bear the stamps of the gateway itself. A log may bear those of whoever collected it, and the
gateway's own clock may have been set back while a run lasted. What is off is told, and what is closer together than
that is not put in order (``slack_ms`` of restart windows and records).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from forensics.model.policy import INTERRUPTED_ERROR, Policy
from forensics.model.verdicts import MARKERS, LifecycleKind

_JOB = ["gateway", "job_id"]
_CLOCK_ERRORS = {
    "source": pl.UInt32,
    "line": pl.Int64,
    "lowest_ms": pl.Int64,
    "highest_ms": pl.Int64,
    "slack_ms": pl.Int64,
    "is_bounded": pl.Boolean,
    "text": pl.String,
}
_NAMES_RUN = [LifecycleKind.DRAIN_BLOCKED.value, LifecycleKind.LEDGER_UPDATE_FAILED.value]
_NAMED_START = r"^cron:.+?:(\d{13})(?::|$)"


def clock_errors(lifecycle: pl.DataFrame, runs: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Give the sources whose clock is off by more than lines are late anyway.

    A line that names a run was written after that run had started, the record of an interrupted run within a minute of
    the line that says so, and any record after the end of its run.

    Shape: source, line (the one that tells most), lowest_ms and highest_ms (what must at least, and may at most, be
    added to its stamps; null: nothing tells), slack_ms, is_bounded, text; one row per source that is off.
    Source: observed.md §A (markers follow their reservations by 49 s and more); records were captured 0.15 s before to
    6.6 s after the line.
    """
    pairs = pl.concat([_after_start(lifecycle), _beside_record(lifecycle, runs, policy)]).filter(
        pl.col("lowest_ms").is_not_null() | pl.col("highest_ms").is_not_null()
    )
    ahead, behind = -pl.col("highest_ms"), pl.col("lowest_ms")
    told = pairs.sort(pl.max_horizontal(ahead, behind), descending=True, nulls_last=True, maintain_order=True)
    off = told.group_by("source", maintain_order=True).agg(
        pl.col("lowest_ms").max(), pl.col("highest_ms").min(), pl.col("line").first(), pl.col("text").first()
    )
    jitter = _ms(policy.clock_jitter)
    is_off = (pl.col("lowest_ms") > jitter) | (pl.col("highest_ms") < -jitter)
    widest = pl.max_horizontal(pl.col("lowest_ms").abs(), pl.col("highest_ms").abs())
    logs = off.filter(is_off.fill_null(value=False)).with_columns(
        widest.alias("slack_ms"),
        (pl.col("lowest_ms") <= pl.col("highest_ms")).fill_null(value=False).alias("is_bounded"),
    )
    return pl.concat([logs.select(list(_CLOCK_ERRORS)), _set_back(runs, policy)]).sort("source")


def clock_notices(errors: pl.DataFrame) -> pl.DataFrame:
    """Say of each source that is off by how much, and by which line.

    Shape: frame ``notices``.
    """
    lowest, highest = pl.col("lowest_ms") / 1000, pl.col("highest_ms") / 1000
    behind = pl.format("its clock is behind the gateway's by {} s at least", lowest.round(1))
    ahead = pl.format("its clock is ahead of the gateway's by {} s at least", (-highest).round(1))
    neither = pl.format("the clock was set back by {} s at least while a run lasted", lowest.round(1))
    by_log = pl.when(pl.col("lowest_ms") > 0).then(behind).otherwise(ahead)
    message = pl.when(pl.col("text").is_null()).then(neither).otherwise(pl.format("{}: {}", by_log, "text"))
    return errors.select(
        "source",
        "line",
        pl.lit("warning").alias("level"),
        pl.lit("clock_off").alias("code"),
        pl.format("{}; what is closer together than that is not put in order", message).alias("message"),
    )


def with_slack(records: pl.DataFrame, errors: pl.DataFrame) -> pl.DataFrame:
    """Add to each record ``slack_ms``: by how much the clock of its source is off, 0 where nothing tells of that."""
    slack = errors.select("source", "slack_ms")
    return records.join(slack, on="source", how="left", validate="m:1", maintain_order="left").with_columns(
        pl.col("slack_ms").fill_null(0)
    )


def with_window_slack(windows: pl.DataFrame, lines: pl.DataFrame, errors: pl.DataFrame) -> pl.DataFrame:
    """Add to each restart window ``slack_ms``: by how much the clocks of its gateway's logs are off at most.

    All windows of a gateway have the same, so that their order stays what it is.

    Shape: frame ``restarts``. ``lines`` is frame ``restart_evidence``.
    """
    off = lines.select("gateway", "id", "source").join(
        errors.select("source", "slack_ms"), on="source", how="inner", validate="m:1"
    )
    of_gateways = off.group_by("gateway").agg(pl.col("slack_ms").max())
    joined = windows.drop("slack_ms").join(of_gateways, on="gateway", how="left", validate="m:1", maintain_order="left")
    return joined.with_columns(pl.col("slack_ms").fill_null(0)).select(windows.columns)


def without_order(sources: pl.DataFrame, errors: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Treat a log like one of an unknown zone whose clock is off by more than a step, and nobody knows by how much.

    Shape: frame ``sources``.
    """
    is_loose = ~pl.col("is_bounded") & (pl.col("slack_ms") > _ms(policy.clock_step))
    loose = errors.filter(is_loose)["source"]
    return sources.with_columns(pl.col("zone_is_assumed").fill_null(value=False) | pl.col("id").is_in(loose.implode()))


def _after_start(lifecycle: pl.DataFrame) -> pl.DataFrame:
    """A line that names a run or its reservation comes after the moment it names."""
    of_marker = pl.when(pl.col("kind").is_in(MARKERS)).then(pl.col("running_at").dt.epoch("ms"))
    named = pl.col("run_id").str.extract(_NAMED_START).cast(pl.Int64)
    began = pl.coalesce(of_marker, pl.when(pl.col("kind").is_in(_NAMES_RUN)).then(named))
    told = lifecycle.filter(pl.col("kind").is_in([*MARKERS, *_NAMES_RUN]) & _is_precise())
    return told.select(
        "source",
        "line",
        (began - pl.col("at").dt.epoch("ms")).alias("lowest_ms"),
        pl.lit(None, pl.Int64).alias("highest_ms"),
        pl.col("raw").alias("text"),
    )


def _beside_record(lifecycle: pl.DataFrame, runs: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """The start-up code logs that a run was interrupted, and writes the record of it at the same time."""
    key = [*_JOB, "running_at"]
    markers = lifecycle.filter((pl.col("kind") == LifecycleKind.MARKER_INTERRUPTED) & _is_precise())
    # a start-up that died before it wrote the record is followed by another that says the same
    told_for = (pl.col("at").max() - pl.col("at").min()).over(key)
    markers = markers.filter(told_for <= policy.same_event)
    records = runs.filter((pl.col("error") == INTERRUPTED_ERROR) & pl.col("finished_at").is_not_null())
    written = records.group_by(*_JOB, pl.col("started_at").alias("running_at")).agg(
        pl.col("finished_at").min().alias("from"), pl.col("finished_at").max().alias("until")
    )
    # two records of one run cannot be told apart: neither is paired
    paired = markers.join(written.filter(pl.col("from") == pl.col("until")), on=key, how="inner", validate="m:1")
    apart = (pl.col("from") - pl.col("at")).dt.total_milliseconds()
    return paired.select(
        "source",
        "line",
        (apart - _ms(policy.record_after_marker)).alias("lowest_ms"),
        (apart + _ms(policy.clock_jitter)).alias("highest_ms"),
        pl.col("raw").alias("text"),
    )


def _set_back(runs: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """A record is written after the end of its run, unless the clock was set back in between."""
    ended = pl.col("started_at") + pl.duration(milliseconds="duration_ms")
    early = (ended - pl.col("finished_at")).dt.total_milliseconds().alias("lowest_ms")
    told = runs.select("source", "line", early).filter(pl.col("lowest_ms") > _ms(policy.clock_jitter))
    worst = told.sort("lowest_ms", descending=True, maintain_order=True).unique(
        "source", keep="first", maintain_order=True
    )
    return worst.select(
        "source",
        "line",
        "lowest_ms",
        pl.lit(None, pl.Int64).alias("highest_ms"),
        pl.col("lowest_ms").alias("slack_ms"),
        pl.lit(value=True).alias("is_bounded"),
        pl.lit(None, pl.String).alias("text"),
    ).cast(_CLOCK_ERRORS)  # type: ignore[arg-type]


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _is_precise() -> pl.Expr:
    return pl.col("precision_ms").fill_null(1) == 1
