"""For which time would a source have shown an event, had it happened? What is not covered proves nothing."""

from __future__ import annotations

import polars as pl

from forensics.correlator.joins import NEVER, ROW, latest_before
from forensics.model.policy import Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import LifecycleKind, Origin, Reason, SourceKind, TaskStatus

COVERED = "covered"
_JOB = ["gateway", "job_id"]
_HISTORIES = [origin.value for origin in (Origin.RUN_LOG, Origin.RUN_TABLE, Origin.RUN_PAGE, Origin.TASK_DETAIL)]
_TABLES = [Origin.RUN_TABLE.value, Origin.TASK_DETAIL.value]
_DAY_OF_FILE = r"(\d{4}-\d{2}-\d{2})(?:\.\d{1,3})?\.log(?:\.\d{1,3})?(?:\.[a-z0-9]{2,3})?$"
_FINISHED = [TaskStatus.SUCCEEDED.value, TaskStatus.FAILED.value, TaskStatus.TIMED_OUT.value]


def with_run_log_coverage(
    rows: pl.DataFrame,
    tasks: pl.DataFrame,
    runs: pl.DataFrame,
    jobs: pl.DataFrame,
    lifecycle: pl.DataFrame,
    sources: pl.DataFrame,
    copies: pl.DataFrame,
    histories: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Add ``run_log`` (covered, or the reason why not), ``run_log_source``, ``run_log_lines`` and ``run_log_until``.

    A run log covers a start unless it could have been pruned past it, holds unreadable lines, or the gateway said that
    a line could not be appended. A missing file of a job beside the files of others means that the job never finished,
    while nothing contradicts that; a row whose job cannot be named has no run log that could be looked into.

    That a line could not be appended is written to the file log only. A run log counts as complete without one as well:
    such failures are those of a full or broken disk, and a run that is known to have ended without its line is caught
    by ``_incomplete_logs``. A log of an assumed zone tells of a failure at some time within a day of its stamp.

    Source: design §6, coverage; formats.md §3.1 (pruning); observed.md §A.
    """
    stores = _stores(histories, _latest_stamps(tasks, runs, jobs, sources), policy)
    of_rows = rows.select(ROW, *_JOB, "task_id", "start")
    logs = _store_of_each_row(of_rows, stores.filter(pl.col("job_id").is_not_null()), tasks, _JOB)
    wholes = _store_of_each_row(of_rows, stores.filter(pl.col("job_id").is_null()), tasks, ["gateway"])
    flags = ("has_run_logs", "has_job_store")
    folders = copies.group_by("gateway").agg(pl.col(flag).fill_null(value=False).any() for flag in flags)
    finished = _jobs_that_finished(tasks, runs)
    known = pl.concat([finished.select("gateway"), runs.select("gateway")]).drop_nulls().unique()
    ran = known.with_columns(pl.lit(value=True).alias("some_job_ran"))
    joined = (
        rows.join(
            _named(logs, "run_log_source", "run_log_lines", "log_damaged", "kept_from", "file_until"),
            on=ROW,
            how="left",
            validate="1:1",
        )
        .join(
            _named(wholes, "store_source", "store_lines", "store_is_damaged", "store_kept_from", "store_until"),
            on=ROW,
            how="left",
            validate="1:1",
        )
        .join(folders, on="gateway", how="left", validate="m:1")
        .join(_until_without_file(tasks, runs, jobs, sources, copies), on="gateway", how="left", validate="m:1")
        .join(finished, on=_JOB, how="left", validate="m:1")
        .join(ran, on="gateway", how="left", validate="m:1")
        .join(_failed_appends(lifecycle, sources, policy), on="gateway", how="left", validate="m:1")
        .join(_incomplete_logs(tasks, runs, _longest_of_each_job(stores)), on=_JOB, how="left", validate="m:1")
    )
    has_file, has_store = pl.col("run_log_lines").is_not_null(), pl.col("store_until").is_not_null()
    until = pl.when(has_file).then("file_until").when(has_store).then("store_until").otherwise("folder_until")
    return (
        joined.with_columns(
            _run_log_expr().alias("run_log"),
            until.alias("run_log_until"),
            pl.coalesce("run_log_source", pl.when(~has_file).then("store_source")).alias("run_log_source"),
        )
        .drop(
            "has_run_logs",
            "has_job_store",
            "store_source",
            "store_lines",
            "store_kept_from",
            "store_is_damaged",
            "store_until",
        )
        .drop("job_finished", "some_job_ran", "kept_from", "log_damaged", "log_incomplete")
        .drop("file_until", "folder_until", "append_failed_at")
        .sort(ROW)
    )


def of_assumed_zone(sources: pl.DataFrame) -> pl.Series:
    """Name the sources whose stamps are of an assumed zone, so that nothing they say can be put in order with others.

    Their lines prove nothing: no death, no cause, no run, no cover. They may only add a doubt.
    """
    return sources.filter(pl.col("zone_is_assumed").fill_null(value=False))["id"]


def scheduler_log_spans(
    sources: pl.DataFrame, lifecycle: pl.DataFrame | None = None, policy: Policy | None = None
) -> pl.DataFrame:
    """Give the time spans for which a log would have shown what the scheduler said: no console does (formats.md §4.3).

    Shape: as ``gateway_log_spans``.
    """
    return gateway_log_spans(sources.filter(pl.col("shows_scheduler").fill_null(value=False)), lifecycle, policy)


def gateway_log_spans(
    sources: pl.DataFrame, lifecycle: pl.DataFrame | None = None, policy: Policy | None = None
) -> pl.DataFrame:
    """Give the time spans for which the gateway's log would have shown a restart.

    File logs of the same or of adjoining days follow each other without a gap; a missing day between two is a hole, and
    so is what follows a file that is known to end early: its successor was not handed over, or a line (in
    ``lifecycle``) says that it is full. A console log covers what lies between its own first and last line. A log whose
    zone is only assumed covers nothing. A span is what any of them covers; a hole in all stays one.

    Shape: gateway, covered_from, covered_until; spans of a gateway do not overlap.
    Source: design §6, coverage; formats.md §4.1 (one file a local day, rotation), §4.3 (console).
    """
    is_known = pl.col("first_at").is_not_null() & pl.col("gateway").is_not_null()
    known = sources.filter(is_known & ~pl.col("zone_is_assumed").fill_null(value=False))
    file_logs = known.filter(pl.col("kind") == SourceKind.GATEWAY_LOG)
    consoles = known.filter(pl.col("kind") == SourceKind.GATEWAY_CONSOLE)
    stretches = [_stretches(file_logs, lifecycle, policy or Policy()), _spanned(consoles, "id")]
    return _united(pl.concat(stretches))


def _stretches(logs: pl.DataFrame, lifecycle: pl.DataFrame | None, policy: Policy) -> pl.DataFrame:
    """Give the stretches of the file log that no hole interrupts; they may overlap where files do.

    Days are those of the host, which the names of the files tell. Up to 2026.4.24 a process goes on in the file of the
    day it started, so that a day without a file is none without a log, unless nothing was logged for long.
    """
    is_full = pl.col("id").is_in(_full_files(lifecycle).implode())
    ends_early = is_full | pl.col("before_hole").fill_null(value=False)
    day = pl.col("path").str.extract(_DAY_OF_FILE).str.to_date("%Y-%m-%d", strict=False)
    ordered = logs.with_columns(day.alias("day")).sort("gateway", "first_at", "last_at", "id")
    reached = pl.col("last_at").cum_max().shift().over("gateway")
    gap_days = (pl.col("first_at").dt.date() - reached.dt.date()).dt.total_days()
    skipped_days = (pl.col("day") - pl.col("day").cum_max().shift().over("gateway")).dt.total_days()
    is_long = pl.col("first_at") - reached > policy.quiet_log
    early_end = pl.when(ends_early).then("last_at").cum_max().forward_fill().shift().over("gateway")
    lacks_day = (gap_days > 1) | ((skipped_days > 1) & is_long).fill_null(value=False)
    after_hole = lacks_day | ((pl.col("first_at") > reached) & (early_end == reached))
    return _spanned(
        ordered.with_columns(after_hole.fill_null(value=False).alias("after_hole")).with_columns(
            pl.col("after_hole").cum_sum().over("gateway").alias("stretch")
        ),
        "stretch",
    )


def _spanned(logs: pl.DataFrame, by: str) -> pl.DataFrame:
    return (
        logs.group_by("gateway", by, maintain_order=True)
        .agg(pl.col("first_at").min().alias("covered_from"), pl.col("last_at").max().alias("covered_until"))
        .drop(by)
    )


def _united(stretches: pl.DataFrame) -> pl.DataFrame:
    """Join the stretches that overlap or touch."""
    ordered = stretches.sort("gateway", "covered_from", "covered_until")
    reached = pl.col("covered_until").cum_max().shift().over("gateway")
    begins = (pl.col("covered_from") > reached).fill_null(value=False)
    return (
        ordered.with_columns(begins.cum_sum().over("gateway").alias("span"))
        .group_by("gateway", "span", maintain_order=True)
        .agg(pl.col("covered_from").min(), pl.col("covered_until").max())
        .drop("span")
    )


def _full_files(lifecycle: pl.DataFrame | None) -> pl.Series:
    """Name the gateway logs that stopped because they had grown too large (formats.md §4.1)."""
    if lifecycle is None:
        return pl.Series(dtype=pl.UInt32)
    return lifecycle.filter(pl.col("kind") == LifecycleKind.LOG_CAPPED)["source"].unique()


def with_gateway_log_coverage(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Add ``gateway_log_until``: how far the gateway log reaches without a hole from the row's start; null if it
    does not cover the start at all; and ``has_gateway_log``.
    """  # noqa: D205
    present = spans.select("gateway", pl.lit(value=True).alias("has_gateway_log")).unique()
    reached = latest_before(rows, spans, left_on="start", right_on="covered_from", by=["gateway"])
    covers = pl.col("covered_until") >= pl.col("start")
    return (
        reached.with_columns(pl.when(covers).then("covered_until").alias("gateway_log_until"))
        .drop("covered_from", "covered_until")
        .join(present, on="gateway", how="left", validate="m:1")
        .with_columns(pl.col("has_gateway_log").fill_null(value=False))
        .sort(ROW)
    )


def _run_log_expr() -> pl.Expr:
    has_file = pl.col("run_log_lines").is_not_null()
    has_store = pl.col("store_until").is_not_null()
    has_folder = pl.col("has_run_logs").fill_null(value=False)
    nothing_ever_ran = pl.col("has_job_store").fill_null(value=False) & pl.col("some_job_ran").is_null()
    finished = pl.col("job_finished").fill_null(value=False)
    job_id = pl.col("job_id").fill_null("")
    nameless = (job_id == "") | (job_id.str.strip_chars() != job_id)
    is_given = has_folder | has_file | has_store
    lost_line = (pl.col("append_failed_at") >= pl.col("start")).fill_null(value=False)
    incomplete = pl.col("log_damaged") | pl.col("log_incomplete").fill_null(value=False)
    only_store = ~has_file & has_store
    return (
        pl.when(nameless & (is_given | nothing_ever_ran))
        .then(pl.lit(Reason.RUN_LOG_MISSING.value))
        .when((is_given & lost_line) | (has_file & incomplete) | (only_store & pl.col("store_is_damaged")))
        .then(pl.lit(Reason.RUN_LOG_DAMAGED.value))
        .when((has_file & _is_before("kept_from")) | (only_store & _is_before("store_kept_from")))
        .then(pl.lit(Reason.RUN_LOG_PRUNED.value))
        .when(has_file)
        .then(pl.lit(COVERED))
        .when((has_store | has_folder) & finished)
        .then(pl.lit(Reason.RUN_LOG_MISSING.value))
        .when(has_store | has_folder | (nothing_ever_ran & ~finished))
        .then(pl.lit(COVERED))
        .otherwise(pl.lit(Reason.RUN_LOG_ABSENT.value))
    )


def _is_before(kept_from: str) -> pl.Expr:
    return (pl.col("start") < pl.col(kept_from)).fill_null(value=False)


def _stores(histories: pl.DataFrame, latest: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Give every store of run records with the time from when it was kept and until when it would show a record.

    A copy that lacks older records which another copy holds was cut, however short it is. A run log is as young as what
    was copied with it, a table or a page only as its own latest stamp. Records inside task rows are deleted with these.

    Shape: columns of ``histories`` plus until, kept_from (null: from the beginning).
    """
    is_log = pl.col("origin") == Origin.RUN_LOG
    is_cut = pl.col("job_id").is_not_null() & (pl.col("oldest_at") > pl.col("oldest_at").min().over(_JOB))
    may_be_pruned = (pl.col("records") >= policy.run_log_keep_lines) | pl.col("is_partial") | is_cut
    kept = pl.when(may_be_pruned).then(pl.coalesce("oldest_at", NEVER))
    expired = pl.when(pl.col("origin") == Origin.TASK_DETAIL).then(pl.col("until") - policy.retention)
    return (
        histories.filter(pl.col("gateway").is_not_null())
        .join(latest, on="source", how="left", validate="m:1")
        .with_columns(pl.when(is_log).then("copy_until").otherwise("source_until").alias("until"))
        .with_columns(pl.max_horizontal(kept, expired).cast(TIME).alias("kept_from"))
        .drop("copy_until", "source_until")
    )


def _store_of_each_row(rows: pl.DataFrame, stores: pl.DataFrame, tasks: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Give each row the one store whose silence means most: that which covers its start and reaches furthest.

    Never the beginning of one store with the end of another, unless the other reaches back to where the first ends:
    what lies between them is in neither. A table vouches only for the rows of its own database: it need not have been
    there when another row ran.

    Shape: columns of ``stores`` with row; at most one row per row.
    """
    # m:n - each row with the few stores of its job
    candidates = rows.join(stores.drop([name for name in _JOB if name not in by]), on=by, how="inner")
    held = tasks.select("gateway", "task_id", "source").unique()
    in_table = candidates.filter(pl.col("origin").is_in(_TABLES)).join(
        held, on=["gateway", "task_id", "source"], how="semi"
    )
    candidates = pl.concat([candidates.filter(~pl.col("origin").is_in(_TABLES)), in_table])
    covers = ~pl.col("is_damaged") & (pl.col("kept_from").is_null() | (pl.col("start") >= pl.col("kept_from")))
    is_whole = pl.col("kept_from").is_null() & ~pl.col("is_damaged")
    whole_until = pl.col("until").filter(is_whole).max().over(ROW)
    goes_on = ~pl.col("is_damaged") & (pl.col("kept_from") <= whole_until)
    is_last_whole = is_whole & (pl.col("until") == whole_until)
    together = pl.max_horizontal(whole_until, pl.col("until").filter(goes_on.fill_null(value=False)).max().over(ROW))
    return (
        candidates.with_columns(covers.fill_null(value=False).alias("covers"))
        .with_columns(pl.when(is_last_whole).then(together).otherwise("until").alias("until"))
        .sort(ROW, "covers", "until", "records", "source", descending=[False, True, True, True, False], nulls_last=True)
        .unique(ROW, keep="first", maintain_order=True)
    )


def _named(chosen: pl.DataFrame, source: str, lines: str, damaged: str, kept_from: str, until: str) -> pl.DataFrame:
    return chosen.select(
        ROW,
        pl.col("source").alias(source),
        pl.col("records").alias(lines),
        pl.col("is_damaged").alias(damaged),
        pl.col("kept_from").alias(kept_from),
        pl.col("until").alias(until),
    )


def _longest_of_each_job(stores: pl.DataFrame) -> pl.DataFrame:
    """Give, per job, from when its longest store was kept, and until when any of its stores would show a record."""
    return (
        stores.filter(pl.col("job_id").is_not_null())
        .with_columns(pl.col("until").max().over(_JOB))
        .sort("gateway", "job_id", "records", "source", descending=[False, False, True, False])
        .unique(_JOB, keep="first", maintain_order=True)
        .select(*_JOB, "kept_from", "until")
    )


def _incomplete_logs(tasks: pl.DataFrame, runs: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """Name the jobs whose run log lacks a run that had ended when it was copied: it was cut, or another one."""
    ended = (pl.col("runtime") == "cron") & (pl.col("status") == TaskStatus.SUCCEEDED)
    last_ended = pl.col("started_at") + pl.duration(milliseconds="duration_ms")
    known = pl.concat(
        [
            tasks.filter(ended).select(*_JOB, "started_at", "ended_at", "precision_ms"),
            runs.filter(pl.col("origin") == Origin.JOB_STATE).select(
                *_JOB, "started_at", last_ended.alias("ended_at"), "precision_ms"
            ),
        ]
    ).drop_nulls([*_JOB, "started_at"])
    recorded = runs.filter(pl.col("origin").is_in(_HISTORIES))
    startless = recorded.filter(pl.col("started_at").is_null()).select(_JOB).unique()
    absent = _not_among(known, recorded).join(startless, on=_JOB, how="anti")
    copied_since = (pl.col("ended_at") <= pl.col("until")).fill_null(value=True)
    within = absent.join(logs, on=_JOB, how="inner", validate="m:1").filter(
        (pl.col("kept_from").is_null() | (pl.col("started_at") >= pl.col("kept_from"))) & copied_since
    )
    return within.select(_JOB).unique().with_columns(pl.lit(value=True).alias("log_incomplete"))


def _not_among(known: pl.DataFrame, recorded: pl.DataFrame) -> pl.DataFrame:
    """Keep the runs that no record tells; one whose start is printed in whole seconds is any that began within it."""
    is_coarse = pl.col("precision_ms").fill_null(1) > 1
    second = pl.col("started_at").dt.truncate("1s").alias("second")
    coarse_record = recorded.filter(is_coarse).with_columns(second)
    precise = known.filter(~is_coarse).join(recorded, on=[*_JOB, "started_at"], how="anti").with_columns(second)
    precise = precise.join(coarse_record, on=[*_JOB, "second"], how="anti")
    coarse = (
        known.filter(is_coarse)
        .with_columns(second)
        .join(recorded.with_columns(second), on=[*_JOB, "second"], how="anti")
    )
    return pl.concat([precise, coarse]).drop("second")


def _failed_appends(lifecycle: pl.DataFrame, sources: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Give, per gateway, when a run log line was last lost, at the latest; it names no job (formats.md §5)."""
    failed = lifecycle.filter(pl.col("kind") == LifecycleKind.RUN_LOG_APPEND_FAILED)
    is_assumed = pl.col("source").is_in(of_assumed_zone(sources).implode())
    latest = pl.when(is_assumed).then(pl.col("at") + policy.zone_error).otherwise("at")
    return failed.group_by("gateway").agg(latest.max().alias("append_failed_at"))


def _latest_stamps(tasks: pl.DataFrame, runs: pl.DataFrame, jobs: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Give the latest stamp found in each source, and in the folder that was copied with it.

    Registry and run logs may have been copied at other moments than the gateway log; that one says nothing here.

    Shape: source, source_until, copy_until; key source.
    """
    all_stamps = _stamps(tasks, runs, jobs).group_by("source").agg(pl.col("at").max().alias("source_until"))
    copies = _copy_stamps(tasks, runs, jobs, sources)
    placed = sources.select(pl.col("id").alias("source"), "gateway", "copy")
    return (
        placed.join(all_stamps, on="source", how="left", validate="1:1")
        .join(copies, on=["gateway", "copy"], how="left", validate="m:1")
        .select("source", "source_until", pl.col("until").alias("copy_until"))
    )


def _copy_stamps(tasks: pl.DataFrame, runs: pl.DataFrame, jobs: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Give the latest stamp of each copied folder; an export may be younger than the folder it was saved in.

    Shape: gateway, copy, until; key (gateway, copy).
    """
    stored = tasks.filter(pl.col("registry") == "store")
    placed = _stamps(stored, runs, jobs).join(
        sources.select("id", "copy"), left_on="source", right_on="id", how="inner", validate="m:1"
    )
    return placed.group_by("gateway", "copy").agg(pl.col("at").max().alias("until"))


def _stamps(tasks: pl.DataFrame, runs: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    ended = pl.col("started_at") + pl.duration(milliseconds="duration_ms")
    last_ended = pl.col("last_run_at") + pl.duration(milliseconds="last_duration_ms")
    return pl.concat(
        [
            _stamped(tasks, pl.max_horizontal("created_at", "started_at", "ended_at", "last_event_at")),
            _stamped(runs, pl.max_horizontal("started_at", "finished_at", ended)),
            _stamped(jobs, pl.max_horizontal("running_at", "last_run_at", "updated_at", last_ended)),
        ]
    )


def _until_without_file(
    tasks: pl.DataFrame, runs: pl.DataFrame, jobs: pl.DataFrame, sources: pl.DataFrame, copies: pl.DataFrame
) -> pl.DataFrame:
    """Give, per gateway, until when the folders of run logs, or else the job stores, would show a finished run."""
    with_history = copies.filter(pl.col("has_run_logs") | pl.col("has_job_store"))
    stamps = _copy_stamps(tasks, runs, jobs, sources).join(
        with_history, on=["gateway", "copy"], how="inner", validate="1:1"
    )
    of_logs = pl.col("until").filter(pl.col("has_run_logs")).max()
    return stamps.group_by("gateway").agg(pl.coalesce(of_logs, pl.col("until").max()).alias("folder_until"))


def _stamped(frame: pl.DataFrame, latest: pl.Expr) -> pl.DataFrame:
    return frame.select("gateway", "source", latest.cast(TIME).alias("at"))


def _jobs_that_finished(tasks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Name the jobs of which a finished run is known from elsewhere than a run log."""
    finished = tasks.filter((pl.col("runtime") == "cron") & pl.col("status").is_in(_FINISHED)).select(_JOB)
    last_run = runs.filter(pl.col("origin") == Origin.JOB_STATE).select(_JOB)
    return pl.concat([finished, last_run]).drop_nulls().unique().with_columns(pl.lit(value=True).alias("job_finished"))
