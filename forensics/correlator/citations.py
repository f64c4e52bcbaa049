"""The facts behind each finding, each with its file and line (or table and rowid): every verdict can be replayed."""

from __future__ import annotations

import polars as pl

from forensics.correlator.coverage import COVERED
from forensics.model.policy import CITED_LINES
from forensics.model.schemas import EVIDENCE
from forensics.model.verdicts import POSSIBLE_END, EvidenceRole, Origin, Reason, SourceKind, Verdict

_TABLE_TOLD = r"^(?:R\d+: )?\[([a-z]+(?:_[a-z]+)+)\]"
_ROWS = pl.lit("task_runs")
TABLES = {
    Origin.RUN_TABLE.value: "cron_run_logs",
    Origin.TASK_DETAIL.value: "task_runs",
    Origin.RECEIPT.value: "cron_run_receipts",
    Origin.JOB_STATE.value: "cron_jobs",
}
"""Where a database keeps the run records of an origin."""
_STAMP = "%Y-%m-%d %H:%M:%S%.3f"
_ROLE_ORDER = {role.value: order for order, role in enumerate(EvidenceRole)}


def cited(rows: pl.DataFrame, restart_evidence: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Give every fact behind every finding.

    Shape: frame ``evidence``; sorted by task, role, time. Facts of absence carry a source where one was searched.
    """
    parts = [
        *_of_row(rows),
        *_of_records(rows),
        _of_other_places(rows),
        *_of_lines(rows),
        _of_restart(rows, restart_evidence),
        _of_run_log(rows),
        _of_gateway_log(rows),
        _of_possible_end(rows),
    ]
    order = pl.col("role").replace_strict(_ROLE_ORDER, return_dtype=pl.Int8)
    facts = pl.concat([part.select(list(EVIDENCE)) for part in parts])
    return (
        in_tables(facts, sources)
        .sort("gateway", "task_id", order, "at", "source", "line", nulls_last=True, maintain_order=True)
        .unique(maintain_order=True)
    )


def in_tables(facts: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Keep the table of a fact only where its source is a database: elsewhere its line is a line.

    A fact that names no table tells it at the beginning of its text, as a log line tells its subsystem.

    Shape: as ``facts``, with column ``table``.
    """
    if "table" not in facts.columns:
        facts = facts.with_columns(pl.lit(None, pl.String).alias("table"))
    databases = sources.filter(pl.col("kind") == SourceKind.TASK_REGISTRY)["id"]
    named = pl.coalesce("table", pl.col("text").str.extract(_TABLE_TOLD))
    in_database = pl.col("source").is_in(databases.implode()) & pl.col("line").is_not_null()
    return facts.with_columns(pl.when(in_database).then(named).alias("table"))


def _fact(
    rows: pl.DataFrame,
    role: EvidenceRole,
    source: str,
    line: str,
    at: str,
    text: pl.Expr,
    table: pl.Expr = pl.lit(None, pl.String),  # noqa: B008 - an expression is a value
) -> pl.DataFrame:
    """Select one fact per row."""
    return rows.select(
        "gateway",
        "task_id",
        pl.lit(role.value).alias("role"),
        pl.col(source).cast(pl.UInt32).alias("source"),
        pl.col(line).cast(pl.Int64).alias("line"),
        pl.col(at).alias("at"),
        text.alias("text"),
        table.alias("table"),
    )


def table_of(origin: str) -> pl.Expr:
    """Give the table in which a database keeps the records of an origin, a column of ``runs``."""
    return pl.col(origin).replace_strict(TABLES, default=None, return_dtype=pl.String)


def _of_row(rows: pl.DataFrame) -> list[pl.DataFrame]:
    shown_run = pl.coalesce("run_id", pl.lit("none"))
    started = pl.format("task row started, run id {}", shown_run)
    error = pl.coalesce("error", pl.lit("(no error text)"))
    together = pl.len().over("gateway", "lost_at") - 1
    others = pl.when(together == 1).then(pl.lit("row")).otherwise(pl.lit("rows"))
    sweep = (
        pl.when(together > 0)
        .then(pl.format(", with {} other {} in the same sweep", together, others))
        .otherwise(pl.lit(""))
    )
    marked = pl.format("task row marked lost by a sweep: {}{}", error, sweep)
    return [
        _fact(
            rows.filter(pl.col("start").is_not_null()), EvidenceRole.START, "source", "line", "start", started, _ROWS
        ),
        _fact(rows, EvidenceRole.LOST_MARK, "source", "line", "lost_at", marked, _ROWS),
    ]


def _of_records(rows: pl.DataFrame) -> list[pl.DataFrame]:
    own = rows.filter(pl.col("own_class").is_not_null())
    status = pl.coalesce("own_status", pl.lit("(no status)"))
    length = pl.coalesce(pl.format(", ran {} ms", "own_duration_ms"), pl.lit(""))
    error = pl.coalesce(pl.format(", error: {}", "own_error"), pl.lit(""))
    begun = pl.coalesce(_stamped("own_started_at"), pl.lit("not told"))
    told = pl.format("{} record of this run: {}{}, start {}{}", "own_origin", status, length, begun, error)
    stand = rows.filter((pl.col("verdict") == Verdict.REPLAYED) & pl.col("stand_started_at").is_not_null())
    stood = pl.format("another run of the job did its work: started {}, recorded ok", _stamped("stand_started_at"))
    later = rows.filter((pl.col("verdict") == Verdict.INTERRUPTED) & pl.col("next_ok_at").is_not_null())
    went_on = pl.format("a later run of the job, not this one: started {}, recorded ok", _stamped("next_ok_at"))
    near = rows.filter(pl.col("near_at").is_not_null())
    missed = pl.format(
        "a record that fits no other row, and may be of this run: {}, {}",
        _stamped("near_at"),
        pl.coalesce("near_status", pl.lit("no status")),
    )
    twin = rows.filter(pl.col("twin_at").is_not_null() & (pl.col("own_tier") == 0))
    assumed = pl.lit("an interrupted record of the same start, written by the start-up code on an assumption")
    return [
        _fact(own, EvidenceRole.FINISH, "own_source", "own_line", "own_end_at", told, table_of("own_origin")),
        _fact(
            stand, EvidenceRole.STAND_IN, "stand_source", "stand_line", "stand_end_at", stood, table_of("stand_origin")
        ),
        _fact(
            later,
            EvidenceRole.NEAR_MISS,
            "next_ok_source",
            "next_ok_line",
            "next_ok_at",
            went_on,
            table_of("next_ok_origin"),
        ),
        _fact(near, EvidenceRole.NEAR_MISS, "near_source", "near_line", "near_at", missed, table_of("near_origin")),
        _fact(twin, EvidenceRole.NEAR_MISS, "twin_source", "twin_line", "twin_at", assumed, table_of("twin_origin")),
    ]


def _of_other_places(rows: pl.DataFrame) -> pl.DataFrame:
    """Name the other places that tell the row's own record: its copy, its import, a page of it."""
    own = rows.filter(pl.col("own_also").list.len() > 0).select("gateway", "task_id", "own_also", "own_end_at")
    told = own.explode("own_also").unnest("own_also", separator="_")
    text = pl.format("the same record, told again as {}", "own_also_origin")
    place = ("own_also_source", "own_also_line", "own_end_at")
    return _fact(told, EvidenceRole.FINISH, *place, text, table_of("own_also_origin"))


def _of_lines(rows: pl.DataFrame) -> list[pl.DataFrame]:
    marked = rows.filter(pl.col("marker_raw").is_not_null())
    caught = rows.filter(pl.col("caught_up_raw").is_not_null())
    held = rows.filter(pl.col("receipt_raw").is_not_null())
    waited = rows.filter(pl.col("blocked_raw").is_not_null())
    return [
        _fact(held, EvidenceRole.MARKER, "receipt_source", "receipt_line", "receipt_at", pl.col("receipt_raw")),
        _fact(waited, EvidenceRole.MARKER, "blocked_source", "blocked_line", "blocked_at", pl.col("blocked_raw")),
        _fact(marked, EvidenceRole.MARKER, "marker_source", "marker_line", "marker_at", pl.col("marker_raw")),
        _fact(
            caught, EvidenceRole.CATCH_UP, "caught_up_source", "caught_up_line", "caught_up_at", pl.col("caught_up_raw")
        ),
    ]


def _of_restart(rows: pl.DataFrame, restart_evidence: pl.DataFrame) -> pl.DataFrame:
    every = restart_evidence.rename({"id": "restart", "at": "restart_at", "source": "from", "line": "on"})
    lines = _first_and_last(every)
    # 1:n - each row with at most so many lines of its window, and one that counts the others
    joined = rows.select("gateway", "task_id", "restart").join(lines, on=["gateway", "restart"], how="inner")
    text = pl.format("{}: {}", "restart", "text")
    return _fact(joined, EvidenceRole.RESTART, "from", "on", "restart_at", text)


def _first_and_last(lines: pl.DataFrame) -> pl.DataFrame:
    """Keep of each window as many lines as a row cites: those by which it began, those by which it ended."""
    number, count = pl.int_range(pl.len()).over("gateway", "restart"), pl.len().over("gateway", "restart")
    half = CITED_LINES // 2
    is_cited = (count <= CITED_LINES) | (number < half) | (number >= count - half)
    left = lines.filter(~is_cited).group_by("gateway", "restart", maintain_order=True).agg(pl.len().alias("left"))
    counted = left.select(
        "gateway",
        "restart",
        *(pl.lit(None, lines.schema[name]).alias(name) for name in ("from", "on", "restart_at")),
        pl.format("{} more lines, which forensics restarts lists", "left").alias("text"),
    )
    cited_lines = lines.filter(is_cited)
    return pl.concat([cited_lines, counted.select(cited_lines.columns)])


def _of_run_log(rows: pl.DataFrame) -> pl.DataFrame:
    judged = rows.filter("applies").with_columns(pl.lit(None, pl.Int64).alias("no_line"))
    found = pl.col("own_class").is_not_null()
    lines = pl.col("run_log_lines")
    until = pl.coalesce(_stamped("run_log_until"), pl.lit("unknown"))
    state = pl.col("run_log")
    # a history that another copy holds, and not this one, has no lines to count here
    log = pl.coalesce(pl.format("log of {} lines", lines), pl.lit("run history"))
    reads = pl.format("run log of the job: {} lines, copied at {} or later", lines, until)
    text = (
        pl.when(found & lines.is_not_null())
        .then(reads)
        .when(lines.is_not_null() & (state == COVERED))
        .then(pl.format("record of this run: none among {} lines, copied at {} or later", lines, until))
        .when(state == Reason.RUN_LOG_PRUNED)
        .then(pl.format("record of this run: none, but the {} was pruned past its start", log))
        .when(state == Reason.RUN_LOG_DAMAGED)
        .then(pl.format("record of this run: none, but a part of the {} cannot be read", log))
        .when(state == COVERED)
        .then(pl.format("run log of the job: no file, so no run of it had finished by {}", until))
        .when(state == Reason.RUN_LOG_MISSING)
        .then(pl.lit("run log of the job: no file, although runs of it are known to have finished"))
        .otherwise(pl.lit("cron run logs: none were given"))
    )
    return _fact(judged, EvidenceRole.COVERAGE, "run_log_source", "no_line", "run_log_until", text)


def _of_gateway_log(rows: pl.DataFrame) -> pl.DataFrame:
    judged = rows.filter("applies").with_columns(
        pl.lit(None, pl.Int64).alias("no_line"), pl.lit(None, pl.UInt32).alias("no_source")
    )
    text = (
        pl.when(pl.col("gateway_log_until").is_not_null())
        .then(pl.format("gateway log covers the run from its start to {}", _stamped("gateway_log_until")))
        .when(pl.col("has_gateway_log"))
        .then(pl.lit("gateway log around the start of the run: the files given do not reach it"))
        .otherwise(pl.lit("gateway log: none was given"))
    )
    return _fact(judged, EvidenceRole.COVERAGE, "no_source", "no_line", "gateway_log_until", text)


def _of_possible_end(rows: pl.DataFrame) -> pl.DataFrame:
    """Say until when a run without a record of its end could have gone on."""
    open_ended = rows.filter(
        pl.col("applies") & pl.col("own_class").is_null() & pl.col("start").is_not_null()
    ).with_columns(
        (pl.col("start") + pl.col("longest")).alias("possible_end"),
        pl.lit(None, pl.Int64).alias("no_line"),
        pl.lit(None, pl.UInt32).alias("no_source"),
    )
    limit = (
        pl.when(pl.col("timeout_ms").is_not_null())
        .then(pl.lit("by the job's time-out"))
        .otherwise(pl.lit("the job has no time-out, by the longest run of the policy"))
    )
    text = pl.format(POSSIBLE_END + ": {} ({})", _stamped("possible_end"), limit)
    return _fact(open_ended, EvidenceRole.COVERAGE, "no_source", "no_line", "possible_end", text)


def _stamped(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime(_STAMP)
