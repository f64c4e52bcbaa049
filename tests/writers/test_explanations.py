"""What an explanation says: for every verdict and reason the facts that matter, and where to look for the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from forensics.correlator.audit import audit, audit_with_facts
from forensics.correlator.circumstances import Surroundings, explained
from forensics.model.evidence import Evidence
from forensics.model.explanation import ExplainedLoss, ExplainedRow, Explanation, Statement
from forensics.model.finding import Report
from forensics.model.verdicts import LifecycleKind, Origin, Reason, Verdict
from forensics.writers.explain import write_explanation
from forensics.writers.reasoning import explained_loss
from forensics.writers.told_rows import explained_row
from tests.correlator.test_verdicts import every_verdict
from tests.support.scenario import Gateway, J, K, a_day, at, epoch_ms, evidence_of, found, seconds

S = at("10:00")
L = at("10:20")


def lost(**columns: object) -> Gateway:
    return a_day().row(J, S, L, **columns)  # type: ignore[arg-type]


def crashed() -> Gateway:
    return lost().crashed(at("10:05"), at("10:06"), cron=900)


def loss_of(gateway: Gateway, task_id: str = "task") -> tuple[Report, Evidence, ExplainedLoss]:
    evidence = evidence_of(gateway)
    report = audit(evidence)
    finding = found(report, task_id)
    return report, evidence, explained_loss(report, finding, explained(evidence, report, finding))


def explanation_of(gateway: Gateway, task_id: str = "task") -> Explanation:
    return loss_of(gateway, task_id)[2].explanation


def row_of(gateway: Gateway, task_id: str = "task") -> ExplainedRow:
    evidence = evidence_of(gateway)
    report = audit(evidence)
    return explained_row(report, Surroundings(evidence, report).of_row("gateway", task_id))


def texts(statements: tuple[Statement, ...]) -> str:
    return "\n".join(statement.text for statement in statements)


def why_not(explanation: Explanation, verdict: Verdict) -> str:
    (told,) = [one.because.text for one in explanation.not_instead if one.verdict is verdict]
    return told


def wanted(explanation: Explanation) -> str:
    return "\n".join(f"{one.what} | {one.where}" for one in explanation.overturned_by)


def statements_of(explanation: Explanation) -> list[Statement]:
    return [
        *explanation.claims,
        *explanation.shows,
        *explanation.because,
        *(one.because for one in explanation.not_instead),
        *explanation.looked_for,
    ]


# what the row claims


def test_the_mark_is_said_to_be_the_sweeps_time_with_all_rows_that_share_it() -> None:
    gateway = lost().record(J, S).row(K, at("10:01"), L, task_id="k1").row(K, at("10:02"), L, task_id="k2")
    told = texts(explanation_of(gateway).claims)
    assert "started 10:00:00.000, ended 10:20:00.000" in told
    assert '"backing session missing"' in told
    assert (
        "10:20:00.000 is when the sweep looked, 20 min after the start: the sweep's time, never the run's end" in told
    )
    assert "2 other rows of this gateway bear the same mark" in told


def test_a_projected_row_is_said_to_be_lost_in_no_registry() -> None:
    told = texts(explanation_of(lost(projected=True, registry="export")).claims)
    assert "No registry shows it lost: 10:20:00.000 is when a command line printed it so." in told


def test_a_start_that_was_moved_a_manual_run_and_whole_seconds_are_said_to_be_so() -> None:
    moved = texts(explanation_of(lost(started_at=at("10:00:07"))).claims)
    assert "Its run id names the start 10:00:00.000, which counts" in moved
    by_hand = texts(explanation_of(lost(run_id=f"manual:{J}:{epoch_ms(S)}:1")).claims)
    assert "started by hand" in by_hand
    coarse = texts(explanation_of(lost(run_id=None, precision_ms=1000)).claims)
    assert "printed in whole seconds" in coarse


def test_what_another_copy_says_of_the_row_is_told() -> None:
    gateway = lost().running(J, S, task_id="other")
    gateway.row(J, S, task_id="task", status="running", error=None, copy="older", last_event_at=S)
    told = explanation_of(gateway)
    assert "Another copy shows it running." in texts(told.claims)


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        (crashed(), "The mark belongs to a restart (R2, ready 10:06:10.000), which empties the list of running jobs"),
        (lost().reloaded(at("10:05"), at("10:05:30")), "a restart that kept the process (R2, ready 10:05:35.000)"),
        (lost().missed(at("09:59:59"), J), "Runs that a start-up catches up are not put on the list"),
        (lost(run_id=f"manual:{J}:1:1"), "Runs started by hand are not put on the list"),
        (lost(), "Neither a restart nor a catch-up nor a start by hand explains the mark."),
        (Gateway().row(J, S, L), "not known: the gateway log does not cover the time from the start to the mark"),
        (
            Gateway().shown(at("09:59"), at("23:59")).started(at("09:59")).row(J, S, L),
            "not known: no log shows whether a start-up caught it up",
        ),
    ],
    ids=["restart", "kept", "catch-up", "by hand", "no restart", "not covered", "console"],
)
def test_why_the_sweep_marked_it_is_said(gateway: Gateway, words: str) -> None:
    assert words in texts(explanation_of(gateway).claims)


# what the records show


def test_the_record_is_told_with_its_end_and_when_it_was_written() -> None:
    told = explanation_of(lost().record(J, S, duration=39.4, written=at("10:16")))
    (record,) = [one for one in told.shows if one.text.startswith("Its own record")]
    assert "ok after 39.4 s (run log), started 10:00:00.000, ended 10:00:39.400" in record.text
    assert "written 10:16:00.000, 15 min 21 s later" in record.text
    assert record.line == 1
    assert record.source is not None


def test_the_jobs_runs_before_and_after_are_told_with_their_outcomes() -> None:
    gateway = lost().record(J, S).record(J, at("09:00"), "error", error="boom", duration=5).record(J, at("11:00"))
    told = texts(explanation_of(gateway).shows)
    assert 'The job\'s run before it: started 09:00:00.000, error after 5 s: "boom".' in told
    assert "The job's next run: started 11:00:00.000, 1 h later, ok after 1 min." in told


def test_a_neighbour_without_a_record_is_told_by_its_row() -> None:
    gateway = lost().record(J, S).row(J, at("09:00"), at("09:20"), task_id="before")
    told = texts(explanation_of(gateway).shows)
    assert "run before it: started 09:00:00.000, no record of it, its row says lost" in told
    assert "No later run of the job is known." in told


def test_the_interrupted_twin_stands_beside_the_record() -> None:
    gateway = lost().interrupted(J, S, at("10:06")).record(J, S, duration=600)
    told = explanation_of(gateway.reloaded(at("10:05"), at("10:05:30")))
    assert "Beside it, of the same run: interrupted by a restart (run log)" in texts(told.shows)
    assert "written at 10:06:00.000, by start-up code that can only assume" in texts(told.because)
    assert "R2 kept the process: the run went on, and ended 10:10:00.000" in why_not(told, Verdict.INTERRUPTED)


def test_a_failed_write_into_the_registry_says_why_the_row_never_learned_of_its_end() -> None:
    told = explanation_of(lost().record(J, S).warned(J, S, at("10:01:05")))
    assert "At 10:01:05.000 the gateway failed to write the end of this run (ok) into the registry." in texts(
        told.shows
    )


# why this verdict and not its neighbour


def test_false_lost_is_told_from_replayed_by_the_start_and_the_moment_of_ready() -> None:
    told = explanation_of(lost().record(J, S).restarted(at("10:05"), at("10:06")))
    against = why_not(told, Verdict.REPLAYED)
    assert "this run began 10:00:00.000, 6 min 10 s before R2 was ready (10:06:10.000)" in against
    assert "the record bears this very start" in against
    assert why_not(told, Verdict.INTERRUPTED) == "It ended 10:01:00.000, 4 min before R2 began to go down."
    assert "names this row's start, 10:00:00.000, to the millisecond, and says ok" in texts(told.because)


def test_nothing_is_said_of_restarts_that_no_log_would_show() -> None:
    covered = explanation_of(lost().record(J, S))
    assert "No restart lies between" in why_not(covered, Verdict.REPLAYED)
    uncovered = explanation_of(Gateway().row(J, S, L).record(J, S))
    assert "restart" not in why_not(uncovered, Verdict.REPLAYED)
    assert why_not(uncovered, Verdict.INTERRUPTED) == "It reported its end itself, at 10:01:00.000."


def test_a_weak_verdict_says_why_it_is_given_at_all() -> None:
    told = explanation_of(Gateway().row(J, S, L).bare_ok(J, S, 60))
    assert "--min-confidence weak" in why_not(told, Verdict.UNDETERMINED)
    assert "no gateway log covers its end, 10:01:00.000" in texts(told.because)
    assert "openclaw-2026-04-17.log" in wanted(told)


def test_failed_is_told_from_interrupted_by_the_runs_own_error() -> None:
    told = explanation_of(lost().record(J, S, "error", error="boom").restarted(at("10:05"), at("10:06")))
    assert "The error is the run's own" in why_not(told, Verdict.INTERRUPTED)
    assert "4 min before R2 began to go down" in why_not(told, Verdict.INTERRUPTED)
    assert "says error, not ok" in why_not(told, Verdict.FALSE_LOST)


def test_replayed_is_told_from_false_lost_by_two_starts() -> None:
    gateway = crashed().record(J, at("10:06:40"))
    told = explanation_of(gateway)
    against = why_not(told, Verdict.FALSE_LOST)
    assert "the run that started 10:06:40.000, 30 s after ready (10:06:10.000)" in against
    assert "this row started 10:00:00.000, 5 min before R2 went down: two runs" in against
    assert "The run that started 10:06:40.000, 30 s after R2 was ready, did its work" in texts(told.because)


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        (crashed().missed(at("10:06:20"), J).record(J, at("10:06:40")), "At 10:06:20.000 the start-up named the job"),
        (
            lost().crashed(at("10:05"), at("10:06")).record(J, at("10:07"), run_id=f"manual:{J}:1:1"),
            "started by hand, outside the job's schedule",
        ),
        (
            lost()
            .job(J, schedule_kind="cron", schedule_expr="0 * * * *")
            .crashed(at("10:05"), at("10:06"))
            .record(J, at("10:10")),
            "It began 50 min before the job's next regular slot (11:00:00.000)",
        ),
        (lost().job(J, schedule_kind="at", anchor_at=S).crashed(at("10:05"), at("10:06")).record(J, at("10:30")),
         "no regular run left"),
        (crashed().record(J, at("10:06:40")), "before the new process had started its regular schedule"),
    ],
    ids=["named", "by hand", "before the slot", "no slot left", "early"],
)  # fmt: skip
def test_replayed_is_told_from_interrupted_by_what_makes_the_run_a_stand_in(gateway: Gateway, words: str) -> None:
    assert words in why_not(explanation_of(gateway), Verdict.INTERRUPTED)


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        (crashed(), "No run of the job is known to have begun after ready (10:06:10.000)"),
        (
            lost()
            .job(J, schedule_kind="cron", schedule_expr="0 * * * *")
            .crashed(at("10:05"), at("10:06"))
            .record(J, at("11:00")),
            "No run began between 10:06:10.000 and the job's next regular slot (11:00:00.000); that of 11:00:00.000",
        ),
        (crashed().record(J, at("10:06:40"), "error"), "did not do the work: started 10:06:40.000, error"),
        (
            crashed().row(J, at("10:02"), L, task_id="later").record(J, at("10:06:40")),
            "The run of 10:06:40.000 already stands in for a later lost row",
        ),
        (
            lost().crashed(at("10:05"), at("10:06")).record(J, at("15:00")),
            "15:00:00.000, cannot be told from a regular run",
        ),
        (
            lost()
            .bare_ok(J, S, 336)
            .reloaded(at("10:05"), at("10:05:30"))
            .succeeded(J, at("10:06:40"), at("10:07"), task_id="next"),
            "The first run after ready (10:05:35.000) has no record that could count: started 10:06:40.000.",
        ),
        (
            crashed().bare_ok(J, at("10:06:40"), 3600).reloaded(at("10:40"), at("11:06:30")),
            "The ok of the first run after ready (10:06:10.000), 10:06:40.000, is not beyond doubt",
        ),
    ],
    ids=["none", "regular", "failed", "taken", "no schedule", "row only", "bare"],
)  # fmt: skip
def test_interrupted_is_told_from_replayed_by_the_run_that_followed(gateway: Gateway, words: str) -> None:
    assert words in why_not(explanation_of(gateway), Verdict.REPLAYED)


def test_a_run_that_was_cut_off_is_told_from_a_good_one() -> None:
    gateway = lost().bare_ok(J, S, 336).reloaded(at("10:05"), at("10:05:30"))
    told = explanation_of(gateway)
    assert "neither summary nor usage" in why_not(told, Verdict.FALSE_LOST)
    assert "5 min 36 s" not in why_not(told, Verdict.FALSE_LOST)
    assert "ends at 10:05:36.000, 36 s after R2 began to go down and 1 s after it was ready again" in texts(
        told.because
    )
    assert "a copy of its record with a summary or usage: it would be false_lost" in wanted(told)


def test_a_death_by_the_record_alone_speaks_of_no_ready_mark() -> None:
    gateway = Gateway().copied(at("23:59")).row(J, S, L).interrupted(J, S, at("10:06"))
    told = explanation_of(gateway)
    assert "after its record (10:06:00.000)" in why_not(told, Verdict.REPLAYED)
    assert "past 12:00:00.000, when it would have ended at the latest" in texts(told.because)


def test_unexplained_names_how_far_both_logs_reach() -> None:
    told = explanation_of(lost().record(J, at("08:00")))
    assert "no restart and no crash between 10:00:00.000 and 12:00:00.000" in why_not(told, Verdict.INTERRUPTED)
    assert "the records reach 23:59:00.000 and the gateway log 23:59:00.000" in why_not(told, Verdict.UNDETERMINED)
    assert "would name the start 10:00:00.000; the job's only record names another" in why_not(told, Verdict.FALSE_LOST)
    assert "the service's journal" in wanted(told)


def test_unexplained_after_a_restart_that_kept_the_process_names_it() -> None:
    told = explanation_of(lost().reloaded(at("10:05"), at("10:05:30")))
    assert why_not(told, Verdict.INTERRUPTED) == "R2 kept the process: nothing ended the run."


def test_a_row_outside_the_rule_lacks_nothing() -> None:
    told = explanation_of(lost(error="Recovery tombstoned"))
    assert "Nothing is missing" in why_not(told, Verdict.UNDETERMINED)
    assert '"Recovery tombstoned"' in texts(told.because)
    assert explanation_of(a_day().row(J, S, L, runtime="cli")).looked_for == ()


# what a withheld verdict lacks, reason by reason

WITHHELD: dict[Reason, tuple[Gateway, str, str]] = {
    Reason.MAY_STILL_RUN: (
        Gateway().logged(at("00:00"), at("23:59")).started(at("00:00")).row(J, S, L).copied(at("11:00")),
        "The copies end at 11:00:00.000",
        f"cron/runs/{J}.jsonl and tasks/runs.sqlite with tasks/runs.sqlite-wal, copied after 12:00:00.000",
    ),
    Reason.BATCH_OPEN: (
        crashed().row(K, S + seconds(0.005), L, task_id="mate").job(K, name="other-job"),
        "1 run of its batch (other-job) has no record either",
        f"with the start 10:00:00.005: the batch is written then | a later copy of cron/runs/{K}.jsonl",
    ),
    Reason.START_MISMATCH: (
        crashed().record(J, S + seconds(0.003)),
        "A record 3 ms off this start (ok after 1 min) fits no other row",
        "a row of the job that started 10:00:00.003",
    ),
    Reason.CONFLICT: (
        lost().record(J, S).record(J, S, "error", error="boom", written=at("10:03")),
        "Its records contradict each other (run log: ",
        "the gateway's lines between 10:01:00.000 and 10:03:00.000",
    ),
    Reason.AMBIGUOUS_ROWS: (
        lost(run_id=None).row(J, S, L, task_id="rival", run_id=None).record(J, S),
        "Task rival claims the same run",
        "run ids that tell this row and rival apart",
    ),
    Reason.PROCESS_KEPT: (
        lost().copied(at("10:30")).reloaded(at("10:05"), at("10:05:30")).interrupted(J, S, at("10:06")).without(
            "tasks", task_id="clock state 17 235900000000"
        ),
        "Restart R2 kept the process: the interrupted record is its assumption",
        "none interrupted",
    ),
    Reason.NO_START: (
        a_day().row(J, None, L),
        "The row has no start",
        "the row with started_at or a run id",
    ),
    Reason.NO_STATUS: (lost().record(J, S, None), "has no status", "the same record with its status"),
    Reason.RUN_LOG_ABSENT: (
        lost().without_run_logs(),
        "No run records were handed over at all",
        f"with the start 10:00:00.000: ok makes it false_lost, error failed | cron/runs/{J}.jsonl",
    ),
    Reason.RUN_LOG_MISSING: (
        crashed().succeeded(J, at("08:00"), at("08:01"), task_id="early").record(K, at("08:00")),
        "No run log of this job was handed over",
        "a whole run log without that start: R2 then makes it interrupted",
    ),
    Reason.RUN_LOG_PRUNED: (
        crashed().record(J, at("11:00")).run_log(J, lines=2000),
        "The records handed over begin at 11:01:00.000, after its start",
        f"cron/runs/{J}.jsonl",
    ),
    Reason.RUN_LOG_DAMAGED: (
        crashed().record(J, at("08:00")).run_log(J, rejected=1),
        "Some records of the job cannot be read",
        f"cron/runs/{J}.jsonl",
    ),
    Reason.GATEWAY_LOG_ABSENT: (
        Gateway().copied(at("23:59")).row(J, S, L).record(K, S),
        "No gateway log covers any of it",
        "the gateway's lines between 10:00:00.000 and 12:00:00.000: an end of the process makes it interrupted",
    ),
    Reason.GATEWAY_LOG_GAP: (
        Gateway().logged(at("09:00"), at("10:30")).copied(at("23:59")).row(J, S, L).record(K, S),
        "The gateway log reaches to 10:30:00.000; the run may go on until 12:00:00.000",
        "the gateway's lines between 10:30:00.000 and 12:00:00.000",
    ),
    Reason.INTERRUPTED_RECORD: (
        lost().reloaded(at("10:05"), at("10:05:30")).interrupted(J, S, at("10:06")).copied(at("10:30")).without(
            "tasks", task_id="clock state 17 235900000000"
        ),
        "The start-up code recorded this run as interrupted at 10:06:00.000",
        "another record with the start 10:00:00.000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", list(WITHHELD))
def test_a_withheld_verdict_says_what_it_lacks_and_where_that_would_stand(reason: Reason) -> None:
    gateway, because, what = WITHHELD[reason]
    report, _, told = loss_of(gateway)
    assert told.finding.verdict is Verdict.UNDETERMINED
    assert reason.value in told.finding.reasons
    assert because in "\n".join(one.text for one in told.explanation.because if one.code == reason.value)
    assert what in wanted(told.explanation)
    assert "What would settle it:" in write_explanation(report, told)


def test_a_row_without_a_start_is_searched_for_nothing() -> None:
    told = explanation_of(a_day().row(J, None, L))
    assert texts(told.looked_for) == "Its record: without a start there is nothing to look for."
    assert "Without a start no record" in why_not(told, Verdict.FALSE_LOST)
    assert "cannot be told without its start" in texts(told.claims)
    assert "unknown time" not in texts(told.claims + told.because)


def test_all_rows_that_claim_one_run_are_named() -> None:
    gateway = lost(run_id=None).record(J, S)
    for number in range(5):
        gateway.row(J, S, L, task_id=f"rival-{number}", run_id=None)
    assert "Tasks rival-0, rival-1 and rival-2 and 2 more claim the same run" in texts(explanation_of(gateway).because)


def test_a_printed_time_of_an_unknown_zone_asks_for_the_zone() -> None:
    evidence = evidence_of(lost(run_id=None).record(J, S))
    registry = evidence.tasks["source"][0]
    sources = evidence.sources.with_columns((evidence.sources["id"] == registry).alias("zone_is_assumed"))
    evidence = replace(evidence, sources=sources)
    report = audit(evidence)
    told = explained_loss(report, found(report), explained(evidence, report, found(report))).explanation
    assert found(report).confidence == "weak"
    assert "--tz ZONE" in wanted(told)
    assert "runAtMs" not in wanted(told)
    assert "printed without a zone may be hours off" in texts(told.because)


# files are named as the gateway names them


def test_only_the_days_that_are_not_covered_are_asked_for() -> None:
    start, mark = at("23:00"), at("23:20")
    gateway = Gateway().logged(at("00:00"), at("23:30")).copied(at("12:00", day=3)).record(K, start)
    told = explanation_of(gateway.row(J, start, mark).job(J, timeout=86400 * 2))
    assert "openclaw-2026-04-17.log to openclaw-2026-04-19.log" in wanted(told)
    assert "Not covered by a gateway log: 23:30:00.000 to 2026-04-19 23:00:00.000." in texts(told.looked_for)


def test_files_are_named_by_the_local_day_where_a_log_states_it() -> None:
    gateway = Gateway().logged(at("00:00"), at("23:30")).copied(at("23:59", day=1)).record(K, S)
    evidence = evidence_of(gateway.row(J, at("23:10"), at("23:20")))
    zone = "UTC from _meta.date; local stamps +02:00"
    log = evidence.sources["kind"] == "gateway_log"
    sources = evidence.sources.with_columns(
        evidence.sources["timezone"].zip_with(~log, log.cast(str).replace("true", zone))
    )
    evidence = replace(evidence, sources=sources)
    report = audit(evidence)
    told = explained_loss(report, found(report), explained(evidence, report, found(report))).explanation
    assert "openclaw-2026-04-18.log" in wanted(told)
    assert "openclaw-2026-04-17.log" not in wanted(told)


def test_a_gateway_that_keeps_its_records_in_the_database_is_asked_for_that() -> None:
    gateway = lost().record(K, S, origin=Origin.RUN_TABLE.value)
    evidence = evidence_of(gateway)
    table = evidence.histories.with_columns(evidence.histories["origin"].replace("run_log", "run_table"))
    evidence = replace(evidence, histories=table)
    report = audit(evidence)
    told = explained_loss(report, found(report), explained(evidence, report, found(report))).explanation
    assert "state/openclaw.sqlite, table cron_run_logs" in wanted(told)
    assert "jsonl" not in wanted(told)


# what was looked for


def test_what_was_searched_is_told_with_counts_and_reach() -> None:
    told = texts(explanation_of(crashed().record(J, at("08:00")).record(J, at("09:00"))).looked_for)
    assert "Its record (start 10:00:00.000): none, among 2 records of the job, written 08:01:00.000 to 09:01:00" in told
    assert "Restarts: 2 (R1 to R2) in 1 gateway log" in told
    assert "From the start to 10:20:00.000 that log has no hole." in told
    assert "Start-up lines and open receipts that name the run: none." in told
    assert "Its latest possible end: 12:00:00.000 (it has no time-out" in told


def test_markers_and_receipts_are_told_with_their_place() -> None:
    told = explanation_of(crashed().marker(J, S - seconds(0.004), at("10:06:11")))
    assert "a start-up took the job for still running, since 09:59:59.996, 4 ms before this start" in texts(told.shows)
    assert "that name the run: 1." in texts(told.looked_for)
    receipt = crashed().record(K, at("08:00"))
    receipt.line(LifecycleKind.RECEIPT_OPEN, S, job_id=J, running_at=S, raw="[cron_run_receipts] open")
    assert "never closed" in texts(explanation_of(receipt).because)


def test_without_words_of_the_run_nothing_is_claimed_of_them() -> None:
    """Job state and commands bear neither summary nor usage; that a run had them must not be said of these."""
    gateway = lost().job(J, payload_kind="command").bare_ok(J, S, 600).restarted(at("10:05"), at("10:06"))
    assert "summary or usage" not in why_not(explanation_of(gateway), Verdict.INTERRUPTED)
    worded = lost().record(J, S, duration=600).restarted(at("10:05"), at("10:06"))
    assert "with summary or usage" in why_not(explanation_of(worded), Verdict.INTERRUPTED)


def test_a_later_copy_of_the_log_is_asked_for_as_well_where_the_log_ends_too_early() -> None:
    gateway = Gateway().logged(at("00:00"), at("11:00")).started(at("00:00")).row(J, S, L).copied(at("11:00"))
    told = wanted(explanation_of(gateway.record(K, S)))
    assert "copied after 12:00:00.000, with the gateway's log until then (openclaw-2026-04-17.log)" in told


# rows that are not lost


def healed() -> Gateway:
    return a_day().row(J, S, at("10:05"), status="succeeded").record(J, S, duration=300)


def test_a_healed_row_is_explained_by_its_left_over_error() -> None:
    told = row_of(healed())
    assert "healed" in told.state
    assert "left over from the mark" in texts(told.explanation.because)
    assert "its ok has a summary or usage" in texts(told.explanation.because)


def test_a_bare_ok_of_a_healed_row_is_trusted_only_where_a_log_shows_no_restart() -> None:
    gateway = a_day().row(J, S, at("10:05"), status="succeeded").bare_ok(J, S, 300)
    assert "the gateway log shows no restart that cut it off" in texts(row_of(gateway).explanation.because)
    unseen = Gateway().row(J, S, at("10:05"), status="succeeded").bare_ok(J, S, 300)
    told = row_of(unseen).explanation
    assert "the gateway log does not show whether a restart cut it off" in texts(told.because)
    assert "openclaw-2026-04-17.log" in wanted(told)


def test_a_healed_row_whose_ok_is_an_abort_is_said_to_be_one() -> None:
    gateway = a_day().row(J, S, at("10:05:36"), status="succeeded").bare_ok(J, S, 336)
    told = row_of(gateway.reloaded(at("10:05"), at("10:05:30")))
    assert "cut off by a restart" in told.state
    assert "ends 10:05:36.000, within a restart: the run was aborted" in texts(told.explanation.because)


def test_a_row_that_an_older_copy_shows_lost_is_told_from_one_that_never_was() -> None:
    gateway = a_day().succeeded(J, S, at("10:01"), task_id="task").record(J, S)
    assert "no mark to explain" in row_of(gateway).state
    told = row_of(gateway.row(J, S, L, copy="older"))
    assert "healed" in told.state
    assert "It was marked lost at 10:20:00.000; a late finish or forensics fix put it right" in texts(
        told.explanation.because
    )


def test_a_row_that_fix_corrected_is_known_by_its_words() -> None:
    gateway = crashed().record(J, at("10:06:40"))
    correction = loss_of(gateway)[2].finding.correction
    assert correction is not None
    fixed = a_day().row(
        J, S, correction.ended_at, status="failed", error=correction.error, terminal_summary=correction.terminal_summary
    )
    told = row_of(fixed.record(J, at("10:06:40")))
    assert "corrected as forensics fix does" in told.state
    assert "the summary names the run that did the work" in texts(told.explanation.because)


def test_a_running_row_says_what_is_known_of_its_process_and_its_record() -> None:
    alive = row_of(a_day().running(J, S, task_id="task"))
    assert alive.state == "running, not lost: no sweep has marked it."
    assert "has no record yet" in texts(alive.explanation.because)
    gone = row_of(a_day().running(J, S, task_id="task").restarted(at("10:05"), at("10:06")))
    assert "Restart R2 at 10:05:00.000 replaced its process." in texts(gone.explanation.because)
    done = row_of(a_day().running(J, S, task_id="task").record(J, S))
    assert "Its record already says ok after 1 min" in texts(done.explanation.because)


def test_a_row_that_contradicts_its_record_is_said_to_do_so() -> None:
    gateway = a_day().succeeded(J, S, at("10:01"), task_id="task")
    assert "says otherwise: error" in texts(row_of(gateway.record(J, S, "error")).explanation.because)
    agreed = a_day().succeeded(J, S, at("10:01"), task_id="task").record(J, S)
    assert texts(row_of(agreed).explanation.because) == "Row and record agree."
    late = a_day().succeeded(J, S, at("10:02"), task_id="task").record(J, S)
    assert "but for the end, which is 1 min off" in texts(row_of(late).explanation.because)


def test_an_imported_record_is_said_to_be_no_execution() -> None:
    gateway = a_day().row(J, S, at("10:01"), task_id="twin", status="failed", is_twin=True, error=None)
    assert "an imported run record" in row_of(gateway, "twin").state


# all of them


def scenarios() -> dict[str, Gateway]:
    verdicts = {verdict: gateway for verdict, (gateway, _) in every_verdict().items()}
    return verdicts | {reason.value: gateway for reason, (gateway, _, _) in WITHHELD.items()}


@pytest.mark.parametrize("name", list(scenarios()))
def test_every_explanation_is_whole_placed_and_fits_a_terminal(name: str) -> None:
    report, evidence, told = loss_of(scenarios()[name])
    explanation, finding = told.explanation, told.finding
    assert [one.code for one in explanation.because] == list(finding.reasons)
    assert explanation.claims[0].line == finding.line
    assert explanation.not_instead
    assert finding.verdict not in {one.verdict for one in explanation.not_instead}
    places = {
        (source, line)
        for frame in (evidence.tasks, evidence.runs, evidence.lifecycle)
        for source, line in frame.select("source", "line").iter_rows()
    }
    for one in statements_of(explanation):
        assert one.text.endswith((".", "…"))
        assert "None" not in one.text
        assert one.line is None or (one.source, one.line) in places
    answer = write_explanation(report, told).split("\nCorrection")[0].splitlines()
    sentences = [line for line in answer if not line.startswith(("  20", "  at  ", "  ---", "      "))]
    assert max(map(len, sentences)) <= 100


def test_the_facts_of_the_audit_and_those_worked_out_again_are_the_same() -> None:
    evidence = evidence_of(crashed().record(J, at("10:06:40")).row(K, S, L, task_id="other"))
    report, judged = audit_with_facts(evidence)
    surroundings = Surroundings(evidence, report, judged)
    for finding, around in zip(report.findings, surroundings.of_losses(report.findings), strict=True):
        assert around == explained(evidence, report, finding)


def test_words_of_the_evidence_are_made_harmless() -> None:
    hostile = "boom\x1b[31m\u202e\nTask forged"
    gateway = lost().record(J, S, "error", error=hostile).job(J, name="x\x1b[2J")
    report, _, told = loss_of(gateway)
    written = write_explanation(report, told)
    assert not set(written) & {"\x1b", "\u202e"}
    assert "\nTask forged" not in written
    assert "\\x1b[31m" in texts(told.explanation.shows)
    assert not set("".join(one.text for one in statements_of(told.explanation))) & {"\x1b", "\u202e", "\n"}


def test_a_place_that_several_sentences_share_is_shown_once_and_never_broken() -> None:
    report, _, told = loss_of(lost().record(J, S))
    section = write_explanation(report, told).split("What the row claims:\n")[1].split("\n\n")[0].splitlines()
    assert [line for line in section if line.startswith("      ")] == [
        "      state/tasks/runs.sqlite task_runs rowid 2"
    ]


def test_times_of_another_day_bear_their_date() -> None:
    start: datetime = at("23:58")
    told = explanation_of(Gateway().row(J, start, at("00:20", day=1)).record(J, start, duration=600))
    assert "ended 2026-04-18 00:20:00.000" in texts(told.claims)
    assert "ended 2026-04-18 00:08:00.000" in texts(told.shows)
