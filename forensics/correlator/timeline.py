"""All facts in time order: what each source says happened, the restart windows, the verdicts, and what fix changed."""

from __future__ import annotations

import polars as pl

from forensics.correlator.citations import in_tables, table_of
from forensics.correlator.corrections import Standing, with_standing
from forensics.correlator.facts import rows_at_hand
from forensics.model.evidence import Evidence
from forensics.model.finding import Report
from forensics.model.journal import UNDO
from forensics.model.schemas import TIME, TIMELINE, assert_schema
from forensics.model.verdicts import FactKind, LifecycleKind, TaskStatus, WindowKind

_ANSWERS = ["verdict", "confidence", "severity"]
_RUN = ["gateway", "source", "line"]
_STAMP = "%Y-%m-%d %H:%M:%S%.3f"
_TASK_ROWS = "task_runs"
_ORDER = {kind.value: order for order, kind in enumerate(FactKind)}


def timeline(evidence: Evidence, report: Report) -> pl.DataFrame:
    """Give all facts in time order: lifecycle events, restart windows, task rows, run records, verdicts, corrections.

    What several sources say alike of one row or run is told once; of a lifecycle event every line is told. A correction
    is what a journal of ``forensics fix`` or ``undo`` says; its text says what the row at hand shows of it.

    Shape: frame ``timeline``; one row per fact, sorted by time, gateway, kind and place.

    Raises:
        UsageError: the report is one on other evidence.
    """
    evidence.expect_report_on(report.sources)
    facts = pl.concat(
        [
            _complete(part)
            for part in (
                _lifecycle_facts(evidence.lifecycle, report.frames.restart_evidence),
                *_restart_facts(report.frames.restarts, report.frames.restart_evidence),
                *_told_once(_task_facts(evidence.tasks, report.frames.findings), "task_id"),
                *_told_once(_run_facts(evidence.runs, report.frames.findings), "job_id", "event", "status", "text"),
                _verdict_facts(report.frames.findings),
                *_told_once([_journal_facts(evidence)], "task_id", "status"),
            )
        ]
    )
    placed = in_tables(_named(facts, evidence.jobs), evidence.sources)
    order = pl.col("kind").replace_strict(_ORDER, return_dtype=pl.Int8)
    ordered = _of_gateway(placed).sort(
        "at", "gateway", order, "source", "line", "task_id", "operation", "text", nulls_last=True, maintain_order=True
    )
    return assert_schema(ordered.select(list(TIMELINE)), TIMELINE, "timeline")


def _complete(facts: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of ``timeline``; what a part does not tell is null."""
    missing = [pl.lit(None, kind).alias(name) for name, kind in TIMELINE.items() if name not in facts.columns]
    return facts.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in TIMELINE.items())


def _kind(kind: FactKind) -> pl.Expr:
    return pl.lit(kind.value).alias("kind")


def _run_expr(start: str) -> pl.Expr:
    """Give the run id that a cron run of this start bears; null where job or start are."""
    return pl.format("cron:{}:{}", "job_id", pl.col(start).dt.epoch("ms"))


def _restart_expr(column: str) -> pl.Expr:
    return pl.format("restart:{}", column)


def _lifecycle_facts(lifecycle: pl.DataFrame, restart_evidence: pl.DataFrame) -> pl.DataFrame:
    """Give the lifecycle events, each with the restart window that rests on it."""
    cited = restart_evidence.select(*_RUN, pl.col("id").alias("restart")).unique(
        _RUN, keep="first", maintain_order=True
    )
    # the last line of a process bounds a crash; it is the place of an event or of nothing that counts, no event itself
    events = lifecycle.filter(pl.col("kind") != LifecycleKind.LAST_LINE)
    return events.join(cited, on=_RUN, how="left", validate="m:1", nulls_equal=True).select(
        *_RUN,
        "at",
        "job_id",
        "run_id",
        "status",
        "restart",
        _kind(FactKind.LIFECYCLE),
        pl.col("kind").alias("event"),
        pl.coalesce("run_id", _run_expr("running_at"), _restart_expr("restart")).alias("operation"),
        pl.coalesce("raw", "detail").alias("text"),
    )


def _restart_facts(restarts: pl.DataFrame, restart_evidence: pl.DataFrame) -> list[pl.DataFrame]:
    """Give when each window went down, up and ready; its place is the line of that moment, else its first line."""
    lines = restart_evidence.sort("at", "source", "line", nulls_last=True)
    latest = pl.when(pl.col("down_at_latest") > pl.col("down_at")).then(
        pl.format(" (or later, up to {})", pl.col("down_at_latest").dt.strftime(_STAMP))
    )
    reason = pl.coalesce(pl.format(": {}", "reason"), pl.lit(""))
    unseen = pl.when(pl.col("kind") == WindowKind.START).then(pl.lit("starts, and no stop was seen"))
    down = unseen.otherwise(pl.format("goes down{}{}", latest.otherwise(pl.lit("")), reason))
    told = {
        FactKind.RESTART_DOWN: ("down_at", down),
        FactKind.RESTART_UP: ("up_at", pl.format("is up, process {}", "process")),
        FactKind.RESTART_READY: ("ready_at", pl.lit("is ready")),
    }
    return [_restart_fact(restarts, lines, kind, moment, text) for kind, (moment, text) in told.items()]


def _restart_fact(
    restarts: pl.DataFrame, lines: pl.DataFrame, kind: FactKind, moment: str, text: pl.Expr
) -> pl.DataFrame:
    key = ["gateway", "id"]
    exact = lines.unique([*key, "at"], keep="first", maintain_order=True).select(*key, "at", "source", "line")
    first = lines.unique(key, keep="first", maintain_order=True).select(
        *key, pl.col("source").alias("first_source"), pl.col("line").alias("first_line")
    )
    happened = restarts.with_columns(pl.col(moment).alias("at")).filter(pl.col("at").is_not_null())
    return (
        happened.join(exact, on=[*key, "at"], how="left", validate="1:1")
        .join(first, on=key, how="left", validate="1:1")
        .select(
            "gateway",
            "at",
            _kind(kind),
            pl.col("kind").alias("event"),
            pl.coalesce("source", "first_source").alias("source"),
            pl.when(pl.col("source").is_null()).then("first_line").otherwise("line").alias("line"),
            pl.col("id").alias("restart"),
            _restart_expr("id").alias("operation"),
            pl.format("{} ({}): the gateway {}", "id", "kind", text).alias("text"),
        )
    )


def _task_facts(tasks: pl.DataFrame, findings: pl.DataFrame) -> list[pl.DataFrame]:
    """Give when each task row was created, started, and ended or marked lost."""
    answers = findings.select("gateway", "task_id", *_ANSWERS)
    rows = tasks.join(answers, on=["gateway", "task_id"], how="left", validate="m:1").with_columns(
        pl.coalesce("run_id", "task_id").alias("operation"),
        pl.col("label").alias("job_name"),
        pl.lit(_TASK_ROWS).alias("table"),
        pl.coalesce(pl.format(": {}", "error"), pl.lit("")).alias("told"),
        pl.when("projected").then(pl.lit(" in an export only")).otherwise(pl.lit("")).alias("shown"),
    )
    lost = pl.col("status") == TaskStatus.LOST
    created = pl.when("is_twin").then(pl.lit("task row of an imported run record created"))
    started = pl.format("task row started, run id {}", pl.coalesce("run_id", pl.lit("none")))
    ended = pl.format("task row ended: {}{}", pl.coalesce("status", pl.lit("(no status)")), "told")
    marked = pl.format("task row marked lost{}{}", "shown", "told")
    return [
        _moment(rows, FactKind.TASK_CREATED, "created_at", created.otherwise(pl.lit("task row created"))),
        _moment(rows, FactKind.TASK_STARTED, "started_at", started),
        _moment(rows.filter(lost.not_() | lost.is_null()), FactKind.TASK_ENDED, "ended_at", ended),
        _moment(rows.filter(lost), FactKind.TASK_LOST, "ended_at", marked),
    ]


def _run_facts(runs: pl.DataFrame, findings: pl.DataFrame) -> list[pl.DataFrame]:
    """Give when each run record says that its run started and ended, and when it was written."""
    own = (
        findings.filter((pl.col("run_role") == "own") & pl.col("run_line").is_not_null())
        .select(
            "gateway",
            pl.col("run_source").alias("source"),
            pl.col("run_line").alias("line"),
            pl.col("run_origin").alias("origin"),
            "task_id",
            pl.coalesce("run_id", "task_id").alias("own_operation"),
            *_ANSWERS,
        )
        .unique([*_RUN, "origin"], keep="first", maintain_order=True)
    )
    # m:1 - a line of a job store holds one job, a line of a run log one record
    records = runs.join(own, on=[*_RUN, "origin"], how="left", validate="m:1").with_columns(
        pl.coalesce("own_operation", "run_id", _run_expr("started_at")).alias("operation"),
        pl.col("origin").alias("event"),
        table_of("origin").alias("table"),
        (pl.col("started_at") + pl.duration(milliseconds="duration_ms")).cast(TIME).alias("ended_at"),
        pl.coalesce("status", pl.lit("(no status)")).alias("outcome"),
        pl.coalesce(pl.format(": {}", "error"), pl.lit("")).alias("told"),
    )
    ended = pl.format("run ended after {} ms: {}{}", "duration_ms", "outcome", "told")
    written = pl.format("run record written: {}{}", "outcome", "told")
    return [
        _moment(records, FactKind.RUN_STARTED, "started_at", pl.lit("run started")),
        _moment(records, FactKind.RUN_ENDED, "ended_at", ended),
        _moment(records, FactKind.RUN_RECORDED, "finished_at", written),
    ]


def _moment(rows: pl.DataFrame, kind: FactKind, moment: str, text: pl.Expr) -> pl.DataFrame:
    happened = rows.filter(pl.col(moment).is_not_null()).with_columns(
        _kind(kind), pl.col(moment).alias("at"), text.alias("text")
    )
    return happened.select(name for name in TIMELINE if name in happened.columns)


def _told_once(parts: list[pl.DataFrame], *key: str) -> list[pl.DataFrame]:
    """Keep one of facts that say the same, the one that a finding cites before others."""
    return [
        part.sort(pl.col("verdict").is_null(), "source", "line", nulls_last=True, maintain_order=True).unique(
            ["gateway", "kind", "at", "operation", *key], keep="first", maintain_order=True
        )
        for part in parts
    ]


def _verdict_facts(findings: pl.DataFrame) -> pl.DataFrame:
    """Give the verdict of each lost row, at the moment of its mark."""
    confidence = pl.coalesce(pl.format(", {}", "confidence"), pl.lit(""))
    return findings.select(
        *_RUN,
        "job_id",
        "job_name",
        "task_id",
        "run_id",
        "restart",
        *_ANSWERS,
        _kind(FactKind.VERDICT),
        pl.coalesce("lost_at", "started_at").alias("at"),
        pl.coalesce("run_id", "task_id").alias("operation"),
        pl.lit(_TASK_ROWS).alias("table"),
        pl.format("{}{}, cause {}: {}", "verdict", confidence, "cause", pl.col("reasons").list.join(", ")).alias(
            "text"
        ),
    )


_SHOWN = {
    Standing.CORRECTED.value: "",
    Standing.RESTORED.value: "",
    Standing.CHANGED.value: "; the row has changed since",
    Standing.NOT_SEEN.value: "; what is at hand of the row does not show it",
}


def _journal_facts(evidence: Evidence) -> pl.DataFrame:
    """Give what journals say was done to each row, and, of the newest entry of a row, what the row shows of it.

    Neither the journal nor the row may show that a change was committed: then it was prepared, and no more is told.
    """
    rows, entries = rows_at_hand(evidence), evidence.corrections
    entry = ["gateway", "task_id", "at", "action"]
    newest = with_standing(rows, entries).select(*entry, "standing", "is_after")
    named = rows.select("gateway", "task_id", "job_id", "run_id", pl.col("label").alias("job_name"))
    told = (
        entries.join(newest, on=entry, how="left", validate="m:1")  # m:1 - a journal may be at hand in several copies
        .join(named, on=["gateway", "task_id"], how="left", validate="m:1")
        .with_columns((pl.col("is_applied") | pl.col("is_after").fill_null(value=False)).alias("is_done"))
    )
    is_undo = pl.col("action") == UNDO
    kind = (
        pl.when(~pl.col("is_done"))
        .then(pl.lit(FactKind.CHANGE_PREPARED.value))
        .when(is_undo)
        .then(pl.lit(FactKind.TASK_RESTORED.value))
        .otherwise(pl.lit(FactKind.TASK_CORRECTED.value))
    )
    done = pl.when(is_undo).then(pl.lit("restored by undo")).otherwise(pl.lit("corrected by fix"))
    intended = pl.when("is_done").then(pl.lit("")).otherwise(pl.lit("to be "))
    before, after = (pl.coalesce(f"{side}_status", pl.lit("(no status)")) for side in ("before", "after"))
    shown = pl.col("standing").replace_strict(_SHOWN, default="", return_dtype=pl.String)
    return told.select(
        *_RUN,
        "at",
        "job_id",
        "job_name",
        "task_id",
        "run_id",
        kind.alias("kind"),
        pl.col("action").alias("event"),
        pl.coalesce("run_id", "task_id").alias("operation"),
        pl.col("after_status").alias("status"),
        pl.format(
            "task row {}{} from {} to {} ({}){}",
            intended,
            done,
            before,
            after,
            pl.coalesce("verdict", pl.lit("-")),
            shown,
        ).alias("text"),
        *(pl.lit(None, pl.String).alias(name) for name in _ANSWERS),
    )


def _named(facts: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Name the jobs, by the store before the label of a row."""
    names = (
        jobs.filter(pl.col("name").is_not_null() & pl.col("gateway").is_not_null())
        .sort("updated_at", "source", nulls_last=False, maintain_order=True)
        .unique(["gateway", "job_id"], keep="last", maintain_order=True)
        .select("gateway", "job_id", "name")
    )
    joined = facts.join(names, on=["gateway", "job_id"], how="left", validate="m:1")
    return joined.with_columns(pl.coalesce("name", "job_name").alias("job_name")).drop("name")


def _of_gateway(facts: pl.DataFrame) -> pl.DataFrame:
    """Tell the operations of several gateways apart: a restored copy of one holds the other's run ids."""
    if facts["gateway"].drop_nulls().n_unique() < 2:
        return facts
    whose = pl.coalesce("gateway", pl.lit("none"))
    return facts.with_columns(pl.format("{}/{}", whose, "operation").alias("operation"))
