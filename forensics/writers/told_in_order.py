"""The facts of the timeline as every format tells them: one sentence, one place, one weight each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.finding import Report
from forensics.model.verdicts import FactKind, LifecycleKind, Severity, TaskStatus
from forensics.writers.columns import in_batches, spelled
from forensics.writers.wording import VERDICTS, why


class Weight(StrEnum):
    """How much a fact matters to one who looks for losses."""

    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


_FACT = (
    *("at", "gateway", "kind", "event", "weight", "text", "source", "line", "table", "path", "place"),
    *("job_id", "job_name", "task_id", "run_id", "operation", "restart", "status", "verdict", "confidence", "severity"),
)


_OF_SEVERITY = {Severity.HIGH: Weight.ERROR, Severity.MEDIUM: Weight.WARNING}
_ERRORS = frozenset({LifecycleKind.CRASH, LifecycleKind.FATAL, LifecycleKind.START_FAILED})
_WARNINGS = frozenset(
    {
        LifecycleKind.DRAIN_TIMEOUT,
        LifecycleKind.SHUTDOWN_FAILED,
        LifecycleKind.MARKER_INTERRUPTED,
        LifecycleKind.LEDGER_UPDATE_FAILED,
        LifecycleKind.RUN_LOG_APPEND_FAILED,
        LifecycleKind.LOG_CAPPED,
    }
)
_NOTED = frozenset(
    {
        FactKind.RESTART_DOWN,
        FactKind.RESTART_UP,
        FactKind.RESTART_READY,
        FactKind.TASK_CORRECTED,
        FactKind.TASK_RESTORED,
    }
)
_FAILED = frozenset({"error", TaskStatus.FAILED, TaskStatus.TIMED_OUT})
_MEANINGS = {verdict.value: meaning for verdict, meaning in VERDICTS.items()}
_ENDS = frozenset({FactKind.RUN_ENDED, FactKind.RUN_RECORDED, FactKind.TASK_ENDED})


def told_in_batches(report: Report, facts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give the facts of the frame ``timeline`` in its order, some thousands at a time.

    Shape: columns of ``timeline`` plus weight, path and place (where a fact stands, for people); ``text`` is one line,
    that of a verdict says why, each proof with its place.
    """
    paths = report.paths()
    reasons = _reasons(report, paths)
    for batch in in_batches(facts):
        placed = batch.with_columns(
            pl.col("source").replace_strict(paths, return_dtype=pl.String).alias("path"), _text(batch, reasons)
        )
        weighed = placed.with_columns(_place_expr().alias("place"), _weights(placed))
        yield weighed.select(_FACT)


def _reasons(report: Report, paths: Mapping[int, str]) -> pl.DataFrame:
    told = [(finding.gateway, finding.task_id, why(finding, paths)) for finding in report.findings]
    return pl.DataFrame(told, {"gateway": pl.String, "task_id": pl.String, "why": pl.String}, orient="row")


def _text(facts: pl.DataFrame, reasons: pl.DataFrame) -> pl.Series:
    """Give the sentence of each fact, on one line; that of a verdict says what it means, and why it was given."""
    joined = facts.join(
        reasons, on=["gateway", "task_id"], how="left", validate="m:1", nulls_equal=True, maintain_order="left"
    )
    meaning = pl.col("verdict").replace_strict(_MEANINGS, default=None, return_dtype=pl.String)
    confidence = pl.coalesce(pl.format(" ({})", "confidence"), pl.lit(""))
    judged = pl.format("{}{}: {}; {}", "verdict", confidence, meaning, "why")
    is_verdict = pl.col("kind") == FactKind.VERDICT
    told = pl.when(is_verdict).then(judged).otherwise(pl.col("text").fill_null(""))
    return spelled(joined.select(told.alias("text")).to_series(), for_terminal)


def _place_expr() -> pl.Expr:
    """Where a fact stands: ``file:line``, ``file table rowid n``, or nothing."""
    path, line, table = (pl.col(name) for name in ("path", "line", "table"))
    in_table = table.is_not_null() & (table != "")
    at_line = (
        pl.when(in_table).then(pl.format("{} {} rowid {}", path, table, line)).otherwise(pl.format("{}:{}", path, line))
    )
    return pl.when(path.is_not_null() & line.is_not_null()).then(at_line).otherwise(path.fill_null(""))


def _weights(facts: pl.DataFrame) -> pl.Series:
    """Give the weight of each fact; few of many facts differ in what it depends on."""
    on = ["kind", "event", "status", "severity"]
    kinds = facts.select(on).unique()
    weights = [_weight(FactKind(row["kind"]), row).value for row in kinds.iter_rows(named=True)]
    told = kinds.with_columns(pl.Series("weight", weights, dtype=pl.String))
    return facts.select(on).join(told, on=on, how="left", validate="m:1", nulls_equal=True, maintain_order="left")[
        "weight"
    ]


def _weight(kind: FactKind, row: dict[str, str | None]) -> Weight:
    if kind is FactKind.VERDICT:
        return _OF_SEVERITY.get(Severity(row["severity"] or ""), Weight.NOTICE)
    if kind is FactKind.LIFECYCLE and row["event"] in _ERRORS:
        return Weight.ERROR
    is_doubtful = kind is FactKind.TASK_LOST or (kind in _ENDS and row["status"] in _FAILED)
    if is_doubtful or (kind is FactKind.LIFECYCLE and row["event"] in _WARNINGS):
        return Weight.WARNING
    return Weight.NOTICE if kind in _NOTED else Weight.INFO
