"""The decision table: what really happened to each row, how firmly that is proven, and what the row should say."""

from __future__ import annotations

import polars as pl

from forensics.correlator.coverage import COVERED
from forensics.model.policy import INTERRUPTED_ERROR, TIMEOUT_ERROR, Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import SEVERITY_OF, Confidence, Origin, Reason, TaskStatus, Verdict

_DEAD = [Verdict.REPLAYED.value, Verdict.INTERRUPTED.value]
_OF_OLD_RELEASES = [Origin.RUN_LOG.value, Origin.RUN_PAGE.value]
_PROVEN = [Verdict.FALSE_LOST.value, Verdict.FAILED.value, *_DEAD]


def with_fate(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add the facts the table decides on: is_aborted, is_dead, time_passed, and the ``ready_at`` a stand-in follows.

    Source: design §6: death, "Still alive?".
    """
    own_class = pl.col("own_class")
    longest_end = pl.col("start") + pl.col("longest")
    time_passed = pl.col("run_log_until") >= longest_end + policy.timeout_overrun
    marked = pl.col("marker_is_exact") & _is_marked_expr()
    # a crash that nobody saw may have come after the longest run, unless the next start-up found it in flight
    may_be_late = (pl.col("death_down_at") <= longest_end) & (pl.col("death_down_latest") > longest_end)
    # what started while the gateway went down ran until it was gone
    down_by = pl.when(pl.col("start") > pl.col("death_down_latest")).then("death_latest").otherwise("death_down_latest")
    in_time = (down_by <= longest_end) | (may_be_late & marked)
    process_ended = in_time & (pl.col("death_latest") <= pl.col("run_log_until"))
    record_after = pl.col("own_finished_at").is_null() | (
        pl.col("death_latest") <= pl.col("own_finished_at") + policy.acted_after_signal
    )
    # an unreadable line of the run log may be the end of a run that survived
    no_other_end = time_passed & (pl.col("run_log") != Reason.RUN_LOG_DAMAGED)
    # one that was written while the process lived on, which then ended: its run has no end on record before that
    unrivalled = ~pl.col("batch_open") & pl.col("near_at").is_null()
    ended_later = process_ended & (pl.col("run_log") == COVERED) & unrivalled
    told_interrupted = (own_class == "interrupted") & ((process_ended & record_after) | no_other_end | ended_later)
    clear = ~pl.col("batch_open") & pl.col("near_at").is_null()
    died_unrecorded = own_class.is_null() & (pl.col("run_log") == COVERED) & process_ended & clear
    # a command's ok has neither summary nor usage either; run logs are of releases that had no commands
    by_kind = pl.col("own_kind_is_known") | pl.col("own_origin").is_in(_OF_OLD_RELEASES)
    is_aborted = ((own_class == "ok") & pl.col("own_is_bare") & by_kind & pl.col("abort_is_sure")).fill_null(
        value=False
    )
    conflict = pl.col("own_conflict") | (pl.col("own_overruled") & ~is_aborted)
    doubtful = pl.col("start_is_assumed") | pl.col("ambiguous") | conflict.fill_null(value=False) | ~pl.col("applies")
    facts = {
        "own_conflict": conflict,
        "is_aborted": is_aborted & ~doubtful,
        "is_dead": (told_interrupted | died_unrecorded) & ~doubtful,
        "time_passed": time_passed,
        "crash_is_undated": may_be_late & ~marked,
        "process_ended": process_ended,
        "ended_by_process": process_ended & (record_after | ended_later),
        "only_ended_later": ended_later & ~record_after & ~no_other_end,
    }
    told = rows.with_columns(**{name: fact.fill_null(value=False) for name, fact in facts.items()})
    by_process = pl.col("ended_by_process")
    ready = pl.when("is_aborted").then("abort_ready_at").when(pl.col("is_dead") & by_process).then("death_ready_at")
    kept_ready = pl.when(pl.col("is_dead") & ~by_process).then("own_end_at")
    return told.with_columns(pl.coalesce(ready, kept_ready).alias("ready_at"))


def _is_marked_expr() -> pl.Expr:
    """The start-up behind the end of its process names the run as in flight."""
    return pl.col("marker_window") == pl.col("death_id")


def with_verdict(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add verdict, confidence, severity, reasons, restart and the corrected values.

    Shape: rows, unchanged in number and order.
    Source: design §6, table of verdicts, confidence, corrected values.
    """
    told = rows.with_columns(**_doubts(policy)).with_columns(_verdict_expr().alias("verdict"))
    told = _with_reasons(told.with_columns(_confidence_expr().alias("confidence")))
    told = told.with_columns(_restart_expr().alias("restart"), _severity_expr().alias("severity"))
    return _with_correction(told, policy)


def _doubts(policy: Policy) -> dict[str, pl.Expr]:
    """Give the doubts that make a proven ending weak."""
    ok = pl.col("own_class") == "ok"
    told_end = pl.coalesce("own_end_at", "own_told_at")
    end_covered = (told_end <= pl.col("gateway_log_until")).fill_null(value=False)
    wordless = pl.col("own_origin").is_in([Origin.JOB_STATE.value, Origin.LEDGER_WARNING.value])
    is_receipt = pl.col("own_origin") == Origin.RECEIPT
    active_for = pl.col("lost_at") - pl.col("start")
    lasted = pl.coalesce(pl.duration(milliseconds="own_duration_ms"), pl.col("own_told_at") - pl.col("start"))
    in_window = pl.col("abort_id").is_not_null()
    doubts = {
        "maybe_aborted": ok & pl.col("own_is_bare") & ~pl.col("is_aborted") & (in_window | ~end_covered),
        # releases with receipts record an abort as an error; one that says ok amid a restart is doubted all the same
        "state_only": ok & ((wordless & (in_window | ~end_covered)) | (is_receipt & in_window)),
        "is_instant": ok
        & (lasted <= policy.instant_ok)
        & (active_for >= policy.instant_ok_active).fill_null(value=True),
    }
    return {name: doubt.fill_null(value=False) for name, doubt in doubts.items()}


def _verdict_expr() -> pl.Expr:
    own_class = pl.col("own_class")
    contradictory = pl.col("ambiguous") | pl.col("own_conflict").fill_null(value=False)
    seen_to_the_end = pl.col("gateway_log_until") >= pl.col("start") + pl.col("longest")
    open_questions = (
        pl.col("start_is_assumed")
        | pl.col("batch_open")
        | pl.col("near_at").is_not_null()
        | pl.col("death_in_doubt")
        | pl.col("crash_is_undated")
    )
    silent = own_class.is_null() & (pl.col("run_log") == COVERED) & pl.col("time_passed") & ~open_questions
    return (
        pl.when(~pl.col("applies"))
        .then(pl.lit(Verdict.NOT_APPLICABLE.value))
        .when(contradictory | pl.col("start").is_null())
        .then(pl.lit(Verdict.UNDETERMINED.value))
        .when(pl.col("is_aborted") | pl.col("is_dead"))
        .then(pl.when(pl.col("stand_started_at").is_not_null()).then(pl.lit(_DEAD[0])).otherwise(pl.lit(_DEAD[1])))
        .when(own_class == "ok")
        .then(pl.lit(Verdict.FALSE_LOST.value))
        .when(own_class == "error")
        .then(pl.lit(Verdict.FAILED.value))
        .when(silent & seen_to_the_end)
        .then(pl.lit(Verdict.UNEXPLAINED.value))
        .otherwise(pl.lit(Verdict.UNDETERMINED.value))
    )


def _confidence_expr() -> pl.Expr:
    dead = pl.col("verdict").is_in(_DEAD) & ~pl.col("is_aborted")
    marked = pl.col("marker_is_exact") & _is_marked_expr()
    told_interrupted = (pl.col("own_class") == "interrupted") & (pl.col("identity") == Confidence.EXACT)
    named = marked | pl.col("receipt_raw").is_not_null() | (told_interrupted & ~pl.col("only_ended_later"))
    doubted = pl.col("maybe_aborted") | pl.col("state_only") | pl.col("is_instant")
    return (
        pl.when(~pl.col("verdict").is_in(_PROVEN))
        .then(pl.lit(None, pl.String))
        .when(dead & (pl.col("identity") == Confidence.WEAK).fill_null(value=False))
        .then(pl.lit(Confidence.WEAK.value))
        .when(dead)
        .then(
            pl.when(named.fill_null(value=False))
            .then(pl.lit(Confidence.EXACT.value))
            .otherwise(pl.lit(Confidence.STRONG.value))
        )
        .when(doubted)
        .then(pl.lit(Confidence.WEAK.value))
        .otherwise(pl.col("identity"))
    )


def _reasons() -> tuple[pl.Expr, list[Reason]]:
    """Give the reasons in the order they are told, and a number with one bit for each that applies."""
    verdict = pl.col("verdict")
    judged = verdict != Verdict.NOT_APPLICABLE
    has_own = pl.col("own_class").is_not_null()
    withheld = verdict == Verdict.UNDETERMINED
    silent = ~has_own & pl.col("start").is_not_null() & ~pl.col("ambiguous")
    dead = verdict.is_in(_DEAD)
    unproven = withheld & (pl.col("own_class") == "interrupted") & ~pl.col("own_conflict")
    log_missing = ~pl.col("has_gateway_log")
    log_ends = pl.col("gateway_log_until").is_null() | (
        pl.col("gateway_log_until") < pl.col("start") + pl.col("longest")
    )
    needs_log = withheld & judged & (silent | unproven) & ~pl.col("process_ended")
    is_strong = pl.col("identity") == Confidence.STRONG
    is_receipt = pl.col("own_origin") == Origin.RECEIPT
    is_coarse = (pl.col("start_precision_ms") > 1) | (pl.col("own_precision_ms") > 1).fill_null(value=False)
    told: list[tuple[Reason, pl.Expr]] = [
        (Reason.NOT_CRON, ~pl.col("is_cron")),
        (Reason.OTHER_ERROR, pl.col("is_cron") & ~pl.col("has_lost_error")),
        (Reason.NO_START, judged & pl.col("start").is_null()),
        (Reason.ZONE_ASSUMED, judged & pl.col("start_is_assumed")),
        (Reason.AMBIGUOUS_ROWS, judged & pl.col("ambiguous")),
        (Reason.CONFLICT, judged & pl.col("own_conflict")),
        (Reason.NO_STATUS, withheld & (pl.col("own_class") == "unknown")),
        (Reason.OWN_RECORD, judged & has_own & ((pl.col("own_tier") == 0) | is_receipt) & ~pl.col("is_aborted")),
        (Reason.DERIVED_START, judged & is_strong & pl.col("own_started_at").is_null()),
        (Reason.COARSE_TIME, judged & is_strong & pl.col("own_started_at").is_not_null() & is_coarse),
        (Reason.RESERVATION, judged & is_strong & pl.col("own_started_at").is_not_null() & ~is_coarse),
        (Reason.ONLY_RECORD, judged & (pl.col("identity") == Confidence.WEAK)),
        (Reason.TWO_RECORDS, verdict.is_in([Verdict.FALSE_LOST, Verdict.FAILED]) & pl.col("twin_at").is_not_null()),
        (Reason.JOB_STATE, judged & (pl.col("own_origin") == Origin.JOB_STATE)),
        (Reason.LEDGER_WARNING, judged & (pl.col("own_origin") == Origin.LEDGER_WARNING)),
        (Reason.ABORTED_OK, pl.col("is_aborted")),
        (Reason.MAYBE_ABORTED, pl.col("maybe_aborted") | (pl.col("state_only") & is_receipt)),
        (Reason.INSTANT_OK, pl.col("is_instant")),
        (Reason.INTERRUPTED_RECORD, judged & (pl.col("own_class") == "interrupted")),
        (Reason.NO_RECORD, (dead | (verdict == Verdict.UNEXPLAINED)) & ~has_own),
        (Reason.PROCESS_REPLACED, dead & ~pl.col("is_aborted") & pl.col("ended_by_process")),
        (
            Reason.TIME_PASSED,
            dead & has_own & ~pl.col("is_aborted") & ~pl.col("ended_by_process"),
        ),
        (Reason.MARKER, dead & _is_marked_expr()),
        (Reason.OPEN_RECEIPT, dead & pl.col("receipt_raw").is_not_null()),
        (Reason.STAND_IN, verdict == Verdict.REPLAYED),
        (Reason.STAND_IN_TAKEN, (verdict == Verdict.INTERRUPTED) & pl.col("stand_in_taken")),
        (Reason.NEXT_RUN_OK, (verdict == Verdict.INTERRUPTED) & pl.col("next_ok_at").is_not_null()),
        (Reason.NO_DEATH, verdict == Verdict.UNEXPLAINED),
        (Reason.START_MISMATCH, withheld & (silent | unproven) & pl.col("near_at").is_not_null()),
        (Reason.BATCH_OPEN, withheld & (silent | unproven) & pl.col("batch_open")),
        (Reason.CRASH_UNDATED, withheld & silent & pl.col("crash_is_undated")),
        (Reason.CLOCK_OFF, withheld & (silent | unproven) & pl.col("death_in_doubt")),
        (Reason.PROCESS_KEPT, unproven & ~log_missing & ~pl.col("process_ended")),
        (
            Reason.MAY_STILL_RUN,
            withheld
            & (silent | unproven)
            & ~pl.col("time_passed")
            & ~pl.col("process_ended")
            & (pl.col("run_log") != Reason.RUN_LOG_ABSENT),
        ),
        (Reason.RUN_LOG_ABSENT, withheld & silent & (pl.col("run_log") == Reason.RUN_LOG_ABSENT)),
        (Reason.RUN_LOG_MISSING, withheld & silent & (pl.col("run_log") == Reason.RUN_LOG_MISSING)),
        (Reason.RUN_LOG_PRUNED, withheld & silent & (pl.col("run_log") == Reason.RUN_LOG_PRUNED)),
        (Reason.RUN_LOG_DAMAGED, withheld & (silent | unproven) & (pl.col("run_log") == Reason.RUN_LOG_DAMAGED)),
        (Reason.GATEWAY_LOG_ABSENT, needs_log & log_missing),
        (
            Reason.GATEWAY_LOG_GAP,
            needs_log & ~log_missing & log_ends & (pl.col("time_passed") | pl.col("gateway_log_until").is_null()),
        ),
    ]
    flags = [
        pl.when(applies.fill_null(value=False)).then(1 << bit).otherwise(0) for bit, (_, applies) in enumerate(told)
    ]
    return pl.sum_horizontal(flags).cast(pl.Int64), [reason for reason, _ in told]


def _with_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``reasons``: every reason that applies, in a fixed order.

    Rows share few combinations, so each is spelled out once and joined back.
    """
    combined, told = _reasons()
    marked = rows.with_columns(combined.alias("combination"))
    combinations = marked.select("combination").unique()
    spelled = [
        [reason.value for bit, reason in enumerate(told) if combination >> bit & 1]
        for combination in combinations["combination"].to_list()
    ]
    reasons = combinations.with_columns(pl.Series("reasons", spelled, dtype=pl.List(pl.String)))
    return marked.join(reasons, on="combination", how="left", validate="m:1").drop("combination")


def _restart_expr() -> pl.Expr:
    dead = pl.col("verdict").is_in(_DEAD)
    by_process = pl.col("ended_by_process")
    return (
        pl.when(pl.col("is_aborted"))
        .then("abort_id")
        .when(dead & by_process)
        .then("death_id")
        .otherwise(pl.when("applies").then("mark_window"))
    )


def _severity_expr() -> pl.Expr:
    names = {verdict.value: severity.value for verdict, severity in SEVERITY_OF.items()}
    return pl.col("verdict").replace_strict(names, return_dtype=pl.String)


def _with_correction(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add ``new_*``: what later gateway versions write when they recover such a row.

    Source: design §6, corrected values; formats.md §7, modern durable recovery.
    """
    dead = pl.col("verdict").is_in(_DEAD)
    ended = pl.col("verdict").is_in([Verdict.FALSE_LOST.value, Verdict.FAILED.value])
    timed_out = (pl.col("own_error") == TIMEOUT_ERROR) | pl.col("own_error").str.starts_with(TIMEOUT_ERROR + " (")
    by_process = pl.col("ended_by_process")
    new_ended = (
        pl.when(ended)
        .then("own_end_at")
        .when(pl.col("is_aborted"))
        .then("own_end_at")
        .when(dead & by_process)
        .then("death_at")
        .when(dead)
        .then("own_end_at")
    )
    status = (
        pl.when(dead)
        .then(pl.lit(TaskStatus.FAILED.value))
        .when(pl.col("own_class") == "ok")
        .then(pl.lit(TaskStatus.SUCCEEDED.value))
        .when(timed_out.fill_null(value=False))
        .then(pl.lit(TaskStatus.TIMED_OUT.value))
        .otherwise(pl.lit(TaskStatus.FAILED.value))
    )
    summary = pl.col("own_summary").str.replace_all(r"\s+", " ").str.strip_chars()
    stood_in = pl.format(
        "Interrupted by a gateway restart; the run of {} did its work.",
        pl.col("stand_started_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
    )
    told = rows.with_columns(new_ended.cast(TIME).alias("new_ended_at"))
    known = pl.col("new_ended_at").is_not_null()
    return told.with_columns(
        pl.when(known).then(status).alias("new_status"),
        pl.when(known & dead)
        .then(pl.lit(INTERRUPTED_ERROR))
        .when(known & (pl.col("own_class") == "error"))
        .then("own_error")
        .alias("new_error"),
        pl.when(known & dead).then(stood_in).when(known & (summary != "")).then(summary).alias("new_summary"),
        pl.when(known)
        .then(pl.max_horizontal("cleanup_after", pl.col("new_ended_at") + policy.retention))
        .alias("new_cleanup_after"),
    )
