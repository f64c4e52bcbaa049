"""Run records made comparable: what each says, when its run ended, and one outcome where several speak of one run."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from forensics.correlator.facts import MANUAL
from forensics.model.policy import INTERRUPTED_ERROR
from forensics.model.schemas import RUNS, TIME
from forensics.model.verdicts import LifecycleKind, Origin

_TELLING_ORDER = {
    origin.value: rank
    for rank, origin in enumerate(
        (
            Origin.RUN_LOG,
            Origin.RUN_TABLE,
            Origin.RUN_PAGE,
            Origin.TASK_DETAIL,
            Origin.RECEIPT,
            Origin.JOB_STATE,
            Origin.LEDGER_WARNING,
        )
    )
}
_FIRST_OTHER_KIND = _TELLING_ORDER[Origin.RECEIPT.value]
_SAME_RUN = ("started_at", "finished_at", "status", "error", "duration_ms")
_SAID = ["class", "error", "duration_ms", "is_bare"]


def prepared_records(runs: pl.DataFrame, lifecycle: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Give the run records of all gateways, each execution once, with what they say.

    Shape: columns of ``runs`` plus rec (number), class (ok, error, interrupted, unknown), tier (0 a record of the end,
    1 of an interruption, 2 job state or a receipt, 3 a ledger warning), end_at, told_at (when a ledger warning was
    logged), is_bare, kind_is_known (of the job), manual, also (the other places that tell the same record).
    Source: design §6; observed.md §A (an aborted run is logged ok without summary and usage).
    """
    written = runs.with_columns(pl.lit(None, TIME).alias("told_at"))
    told = pl.concat([written, _ledger_warnings(lifecycle)]).filter(pl.col("gateway").is_not_null())
    unique = _once_each(told)
    kinds = jobs.select("gateway", "job_id", "payload_kind")
    manual = pl.col("run_id").str.starts_with(MANUAL).fill_null(value=False)
    return (
        unique.join(kinds, on=["gateway", "job_id"], how="left", validate="m:1")
        .with_row_index("rec")
        .with_columns(_class_expr().alias("class"), manual.alias("manual"))
        .with_columns(_tier_expr().alias("tier"), _end_expr().alias("end_at"))
        .with_columns(_is_bare_expr().alias("is_bare"), pl.col("payload_kind").is_not_null().alias("kind_is_known"))
        .drop("payload_kind")
    )


def _once_each(told: pl.DataFrame) -> pl.DataFrame:
    """Make one record of an execution that several sources tell, with the places of all of them (``also``).

    A run log, its copy, a page of it and the imported row write the same stamp and the same words; the first of them in
    this order is cited first, and lends from the others what it lacks.
    """
    rank = pl.col("origin").replace_strict(_TELLING_ORDER, return_dtype=pl.Int8)
    ordered = told.with_columns(rank.alias("rank")).sort("gateway", "job_id", "finished_at", "rank", "source", "line")
    place = pl.struct("source", "line", "origin")
    # job state, receipts and warnings are statements of another kind, never the same record twice
    kind = pl.when(pl.col("rank") < _FIRST_OTHER_KIND).then(0).otherwise("rank").alias("statement")
    lent = [name for name in told.columns if name not in (*_SAME_RUN, "gateway", "job_id", "source", "line", "origin")]
    merged = ordered.group_by("gateway", "job_id", *_SAME_RUN, kind, maintain_order=True).agg(
        *(pl.col(name).drop_nulls().first() for name in lent if name != "has_usage"),
        pl.col("has_usage").any(),
        *(pl.col(name).first() for name in ("source", "line", "origin")),
        place.slice(1).alias("also"),
    )
    return merged.select(*told.columns, "also")


def resolved(pairs: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Decide which of several records of one run tells its end.

    Shape: one row per ``key`` with the chosen record's columns, plus conflict (they contradict each other),
    overruled_bare (an ok without a word, then an interrupted record: a contradiction unless the run was aborted),
    twin_* (an interrupted record beside the real end).
    Source: design §6 (an interrupted record followed by another with the same start: the run survived; any other two
    that disagree: withheld).
    """
    keys = list(key)
    # a receipt says when it was written, and by which request; the job state says neither
    order, descending = [*keys, "tier", "finished_at", "rec"], [*[False] * len(keys), False, True, False]
    ordered = pairs.sort(order, descending=descending, nulls_last=True)
    tier = pl.col("tier")
    says_an_end = pl.col("class").is_in(["ok", "error", "interrupted"])
    groups = ordered.group_by(keys, maintain_order=True).agg(
        pl.all().first(),
        pl.struct(_SAID).filter(tier == 0).n_unique().alias("endings"),
        pl.col("finished_at").filter(tier == 1).max().alias("twin_at"),
        pl.col("source").filter(tier == 1).first().alias("twin_source"),
        pl.col("line").filter(tier == 1).first().alias("twin_line"),
        pl.col("origin").filter(tier == 1).first().alias("twin_origin"),
        pl.col("class").filter((tier > 1) & says_an_end).unique().alias("said_elsewhere"),
    )
    overruled = ((pl.col("tier") == 0) & (pl.col("twin_at") >= pl.col("finished_at"))).fill_null(value=False)
    # the job state may keep the assumption that the run log itself shows to be overtaken
    settled = pl.concat_list("class", pl.when(pl.col("twin_at").is_not_null()).then(pl.lit("interrupted")))
    contradicted = pl.col("said_elsewhere").list.set_difference(settled).list.len() > 0
    conflict = (pl.col("endings") > 1) | (overruled & ~pl.col("is_bare")) | contradicted
    return groups.with_columns(
        conflict.fill_null(value=False).alias("conflict"), (overruled & pl.col("is_bare")).alias("overruled_bare")
    ).drop("endings", "said_elsewhere")


def _ledger_warnings(lifecycle: pl.DataFrame) -> pl.DataFrame:
    """Turn ``cron: failed to update task ledger record`` into records: they name run and status, and no end."""
    warned = lifecycle.filter((pl.col("kind") == LifecycleKind.LEDGER_UPDATE_FAILED) & pl.col("run_id").is_not_null())
    parts = pl.col("run_id").str.extract_groups(r"^cron:(?<job_id>.+?):(?<start>\d{13})(?::.*)?$")
    return (
        warned.with_columns(parts.alias("parts"))
        .unnest("parts", separator="_")
        .filter(pl.col("parts_job_id").is_not_null())
        .select(
            "gateway",
            "source",
            "line",
            pl.col("parts_job_id").alias("job_id"),
            "run_id",
            pl.col("parts_start").cast(pl.Int64).cast(TIME).alias("started_at"),
            pl.lit(None, TIME).alias("finished_at"),
            pl.lit(None, pl.Int64).alias("duration_ms"),
            "status",
            *(pl.lit(None, RUNS[name]).alias(name) for name in ("error", "summary")),
            pl.lit(value=False).alias("has_usage"),
            *(
                pl.lit(None, RUNS[name]).alias(name)
                for name in ("delivered", "delivery_status", "session_id", "next_run_at")
            ),
            pl.lit(Origin.LEDGER_WARNING.value).alias("origin"),
            "precision_ms",
            pl.col("at").alias("told_at"),
        )
        .select([*RUNS, "told_at"])
    )


def _class_expr() -> pl.Expr:
    status = pl.col("status")
    by_text = (status == "error") & (pl.col("error").str.strip_chars() == INTERRUPTED_ERROR)
    interrupted = by_text | (status == "interrupted")
    return (
        pl.when(interrupted)
        .then(pl.lit("interrupted"))
        .when(status.is_in(["ok", "skipped"]))
        .then(pl.lit("ok"))
        .when(status == "error")
        .then(pl.lit("error"))
        .otherwise(pl.lit("unknown"))
    )


def _tier_expr() -> pl.Expr:
    origin = pl.col("origin")
    return (
        pl.when(origin == Origin.LEDGER_WARNING)
        .then(3)
        .when(origin.is_in([Origin.JOB_STATE.value, Origin.RECEIPT.value]))
        .then(2)
        .when(pl.col("class") == "interrupted")
        .then(1)
        .otherwise(0)
        .cast(pl.Int8)
    )


def _end_expr() -> pl.Expr:
    """When the run ended: start plus duration; ``ts`` is only when the line was written, up to minutes later."""
    has_duration = pl.col("duration_ms").is_not_null()
    from_start = pl.when(has_duration).then(pl.col("started_at") + pl.duration(milliseconds="duration_ms"))
    return pl.coalesce(from_start, "finished_at").cast(TIME)


def _is_bare_expr() -> pl.Expr:
    """An agent run recorded ok without summary and usage; command and system-event jobs have neither by nature."""
    silent = pl.col("summary").str.strip_chars().fill_null("") == ""
    agent = pl.col("payload_kind").is_null() | (pl.col("payload_kind") == "agentTurn")
    used = pl.col("has_usage").fill_null(value=False)
    return (pl.col("tier") == 0) & (pl.col("status") == "ok").fill_null(value=False) & silent & ~used & agent
