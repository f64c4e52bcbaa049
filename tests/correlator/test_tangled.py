"""Attempts to make the audit wrong about a loss, to break it, or to blow it up with tangled evidence."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from forensics.model.policy import INTERRUPTED_ERROR
from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, epoch_ms, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")


def is_withheld(gateway: Gateway, task_id: str = "task") -> None:
    finding = found(audited(gateway), task_id)
    assert said(finding) == ("undetermined", None)
    assert finding.correction is None


def test_an_interrupted_run_of_which_a_replay_finished_is_not_false_lost() -> None:
    replay = at("10:06:40")
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), cron=900)
    gateway.succeeded(J, replay, replay + seconds(60), task_id="replay").record(J, replay)
    assert said(finding_of(gateway)) == ("replayed", "strong")


def test_a_replay_that_starts_in_the_second_of_the_lost_run_is_no_derived_record_of_it() -> None:
    replay = S + seconds(0.8)
    gateway = a_day().row(J, S, L).succeeded(J, replay, replay + seconds(60), task_id="replay")
    gateway.record(J, None, duration=60, written=replay + seconds(60))
    assert finding_of(gateway).verdict not in ("false_lost", "failed")


def test_one_ok_and_three_rows_within_a_second_redeem_at_most_the_one_it_names() -> None:
    gateway = a_day()
    for number in range(3):
        gateway.row(J, S + seconds(number * 0.3), L, task_id=f"task {number}")
    report = audited(gateway.record(J, S + seconds(0.3)))
    assert said(found(report, "task 1")) == ("false_lost", "exact")
    assert [said(found(report, f"task {number}")) for number in (0, 2)] == [("undetermined", None)] * 2


def test_ten_rows_of_one_millisecond_and_one_record_are_ten_withheld_rows() -> None:
    gateway = a_day().record(J, S)
    for number in range(10):
        gateway.row(J, S, L, task_id=f"task {number}")
    assert audited(gateway).summary.verdicts["undetermined"] == 10


def test_the_same_millisecond_of_two_jobs_is_two_runs() -> None:
    gateway = a_day().row(J, S, L).row(K, S, L, task_id="other").record(K, S)
    report = audited(gateway)
    assert found(report).verdict == "unexplained"
    assert said(found(report, "other")) == ("false_lost", "exact")


def test_an_ok_and_an_interrupted_record_with_the_reservation_do_not_both_count() -> None:
    gateway = a_day().row(J, S, L).record(J, S, duration=60).interrupted(J, S - seconds(3), at("10:06"))
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_a_record_without_any_stamp_breaks_nothing() -> None:
    gateway = a_day().row(J, S, L).record(J, None, duration=None).record(J, None, None, duration=60, error="x")
    assert finding_of(gateway).verdict == "unexplained"


def test_a_record_without_a_job_redeems_nothing() -> None:
    gateway = a_day().row(J, S, L).row(None, S, L, task_id="nobody").record(None, S)
    report = audited(gateway)
    assert found(report).verdict != "false_lost"
    assert found(report, "nobody").verdict == "undetermined"


def test_rows_and_records_full_of_nulls_break_nothing() -> None:
    gateway = Gateway().row(None, None, None, run_id=None, error=None, label=None, runtime=None)
    gateway.row(None, None, None, task_id="lost", run_id=None, created_at=None).row(J, S, None, task_id="unmarked")
    gateway.record(J, None, None, duration=None, origin=None, has_usage=None)
    report = audited(gateway.job(J, payload_kind=None))
    assert report.summary.lost == 3
    assert all(finding.confidence is None for finding in report.findings)


def test_a_record_whose_usage_is_not_told_counts_as_bare() -> None:
    gateway = a_day().row(J, S, L).reloaded(at("10:05"), at("10:05:30")).bare_ok(J, S, 310, has_usage=None)
    assert "aborted_ok" in finding_of(gateway).reasons


def test_evidence_without_any_lost_row_is_an_empty_report() -> None:
    report = audited(a_day().record(J, S))
    assert report.findings == ()
    assert set(report.summary.verdicts.values()) == {0}


def test_a_gateway_with_nothing_but_a_log_is_an_empty_report() -> None:
    report = audited(Gateway().logged(at("00:00"), at("01:00")).started(at("00:10")))
    assert (report.findings, len(report.restarts)) == ((), 1)


def test_a_manual_run_id_that_looks_like_a_timer_run_id_is_no_start() -> None:
    other = at("09:00")
    gateway = a_day().row(J, S, L, run_id=f"manual:cron:{J}:{epoch_ms(other)}").record(J, other)
    assert finding_of(gateway).verdict == "unexplained"


def test_a_run_id_of_another_job_tells_no_start_and_claims_no_record() -> None:
    other = at("09:00")
    gateway = a_day().row(J, S, L, run_id=f"cron:{K}:{epoch_ms(other)}").record(J, other).record(K, other)
    assert finding_of(gateway).verdict == "unexplained"


def test_a_job_whose_id_begins_with_that_of_another_is_another() -> None:
    longer = f"{J}:2"
    gateway = a_day().row(J, S, L).record(longer, S).warned(longer, S, at("10:05"))
    assert finding_of(gateway).verdict == "unexplained"


def test_a_clock_that_stepped_back_makes_no_record_the_runs_own() -> None:
    earlier = S - timedelta(hours=1)
    gateway = a_day().row(J, S, L).record(J, earlier, duration=3600)
    assert finding_of(gateway).verdict == "unexplained"


def test_a_record_that_was_written_before_its_run_began_breaks_nothing() -> None:
    gateway = a_day().row(J, S, L).record(J, None, duration=60, written=S - seconds(3600))
    assert finding_of(gateway).verdict == "unexplained"


def test_a_mark_before_the_start_breaks_nothing() -> None:
    gateway = a_day().row(J, S, S - seconds(60)).record(J, S, duration=0.01)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_an_instant_ok_of_a_row_without_a_mark_is_doubted() -> None:
    assert said(finding_of(a_day().row(J, S, None).record(J, S, duration=0.01))) == ("false_lost", "weak")


def test_a_row_without_a_record_is_never_corrected_by_the_row_of_another_runtime() -> None:
    gateway = a_day().row(J, S, L).row(J, S, at("10:05"), runtime="cli", status="succeeded", error=None, task_id="cli")
    assert finding_of(gateway).verdict == "unexplained"


def test_a_loop_of_restarts_proves_a_death_by_the_first_of_them_only() -> None:
    gateway = a_day().row(J, at("09:59"), at("10:50"))
    for minute in range(0, 60, 5):
        gateway.restarted(S + timedelta(minutes=minute), S + timedelta(minutes=minute, seconds=3))
    gateway.row(K, at("10:02"), at("10:50"), task_id="own").record(K, at("10:02"), duration=900)
    report = audited(gateway)
    assert (said(found(report)), found(report).restart) == (("interrupted", "strong"), "R2")
    assert said(found(report, "own")) == ("false_lost", "exact")


def test_every_restart_of_a_day_full_of_them_leaves_a_run_without_evidence_withheld() -> None:
    gateway = a_day().row(J, at("09:59"), at("10:50")).without_run_logs()
    for minute in range(0, 60, 5):
        gateway.restarted(S + timedelta(minutes=minute), S + timedelta(minutes=minute, seconds=3))
    is_withheld(gateway)


def test_a_second_process_that_was_never_refused_kills_nothing() -> None:
    gateway = Gateway().logged(at("00:00"), at("11:30")).started(at("00:00")).row(J, S, L).copied(at("10:30"))
    gateway.line(LifecycleKind.PROCESS_START, at("10:02")).line(LifecycleKind.ADMISSION_CLOSED, at("11:00"))
    is_withheld(gateway.started(at("11:00:05")))


def test_a_crash_behind_a_second_process_that_was_never_refused_is_dated_by_its_own_start() -> None:
    gateway = Gateway().logged(at("00:00"), at("11:30")).started(at("00:00")).row(J, S, L).copied(at("10:30"))
    is_withheld(gateway.line(LifecycleKind.PROCESS_START, at("10:02")).started(at("11:00:05")))


def test_a_command_line_process_that_writes_into_the_log_is_no_restart() -> None:
    gateway = a_day().row(J, S, L).line(LifecycleKind.CRON_STARTED, at("10:05")).line(LifecycleKind.READY, at("10:06"))
    report = audited(gateway)
    assert len(report.restarts) == 1
    assert found(report).verdict == "unexplained"


def test_two_interrupted_records_before_two_rows_each_find_their_own() -> None:
    second = at("10:08")
    gateway = a_day().row(J, S, L).row(J, second, L, task_id="second")
    gateway.restarted(at("10:05"), at("10:05:03")).restarted(at("10:10"), at("10:10:03"))
    gateway.interrupted(J, S - seconds(0.004), at("10:05:14")).interrupted(J, second - seconds(2), at("10:10:14"))
    report = audited(gateway)
    one, other = found(report), found(report, "second")
    assert one.run is not None
    assert other.run is not None
    assert (one.run.started_at, other.run.started_at) == (S - seconds(0.004), second - seconds(2))


def test_an_interrupted_record_of_a_run_that_is_itself_a_row_is_not_lent_to_the_next() -> None:
    gateway = a_day().row(J, S, L, task_id="first").row(J, at("10:10"), L).reloaded(at("10:05"), at("10:05:30"))
    report = audited(gateway.interrupted(J, S, at("10:05:36")))
    assert "interrupted_record" in found(report, "first").reasons
    assert "interrupted_record" not in found(report).reasons


def test_an_ok_that_survived_an_interrupted_record_by_run_id_alone_is_exact() -> None:
    run_id = f"manual:{J}:{epoch_ms(S)}:1"
    gateway = a_day().row(J, S, L, run_id=run_id).interrupted(J, S, at("10:06"))
    gateway.record(J, S + seconds(0.5), duration=900, run_id=run_id)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_records_of_a_gateway_of_the_same_name_in_another_copy_agree_or_conflict() -> None:
    gateway = a_day().row(J, S, L).record(J, S, duration=60).record(J, S, duration=61, copy="backup")
    is_withheld(gateway)


def test_a_stand_in_cannot_be_the_run_itself() -> None:
    gateway = a_day().row(J, S, L).reloaded(at("10:05"), at("10:05:30")).bare_ok(J, S, 310)
    finding = finding_of(gateway.missed(at("10:05:36"), J))
    assert (finding.verdict, finding.run and finding.run.role) == ("interrupted", "own")


@pytest.mark.parametrize("text", [INTERRUPTED_ERROR.upper(), f"x {INTERRUPTED_ERROR}", "interrupted"])
def test_only_the_exact_text_of_the_start_up_code_is_an_interruption(text: str) -> None:
    assert said(finding_of(a_day().row(J, S, L).record(J, S, "error", error=text))) == ("failed", "exact")


def test_thousands_of_rows_of_one_sweep_one_batch_and_one_start_are_judged_without_pairing_them_all() -> None:
    gateway = a_day().crashed(at("10:05"), at("10:06"))
    for number in range(6000):
        gateway.row(f"job {number}", S, L, task_id=f"task {number}")
    begun = time.perf_counter()
    report = audited(gateway)
    assert time.perf_counter() - begun < 20
    assert report.summary.verdicts["undetermined"] == 6000
    assert all("batch_open" in finding.reasons for finding in report.findings[:50])


def test_thousands_of_rows_and_records_of_one_job_keep_their_number() -> None:
    gateway = a_day().copied(at("23:00", 3))
    for number in range(3000):
        start = S + timedelta(minutes=number)
        gateway.row(J, start, start + seconds(400), task_id=f"task {number:04}")
        if number % 3:
            gateway.record(J, start, duration=20)
    report = audited(gateway)
    assert report.summary.lost == len(report.findings) == 3000
    assert report.summary.verdicts["false_lost"] == 2000
