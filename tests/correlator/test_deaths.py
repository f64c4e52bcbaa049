"""When is a run without a record of its end dead, how firmly, and what stands against it."""

from __future__ import annotations

from datetime import datetime

import pytest

from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, epoch_ms, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")
M = "job-m"


def lost() -> Gateway:
    return a_day().row(J, S, L)


def crashed() -> Gateway:
    return lost().crashed(at("10:05"), at("10:06"))


def withheld(gateway: Gateway, reason: str, task_id: str = "task") -> None:
    finding = found(audited(gateway), task_id)
    assert said(finding) == ("undetermined", None)
    assert reason in finding.reasons


def test_a_crash_while_it_ran_is_a_death_by_the_process_alone() -> None:
    finding = finding_of(crashed())
    assert said(finding) == ("interrupted", "strong")
    assert finding.reasons == ("no_record", "process_replaced")
    assert finding.restart == "R2"


def test_a_full_restart_is_a_death_as_well() -> None:
    full = lost().stopping(at("10:05")).line(LifecycleKind.MODE_FULL, at("10:05:01"), pid=4711)
    supervised = lost().stopping(at("10:05")).line(LifecycleKind.MODE_SUPERVISED, at("10:05:01"))
    for gateway in (full, supervised, lost().stopping(at("10:05"))):
        assert said(finding_of(gateway.started(at("10:05:03")))) == ("interrupted", "strong")


def test_a_restart_before_the_run_says_nothing() -> None:
    gateway = lost().crashed(at("09:50"), at("09:59:30"))
    assert said(finding_of(gateway)) == ("unexplained", None)


def test_a_process_that_starts_in_the_millisecond_of_the_run_did_not_run_it_before() -> None:
    gateway = lost().crashed(at("09:50"), S)
    assert said(finding_of(gateway)) == ("unexplained", None)


def test_an_in_process_restart_is_no_death() -> None:
    assert said(finding_of(lost().reloaded(at("10:05"), at("10:05:30")))) == ("unexplained", None)


def test_a_run_within_its_timeout_at_an_in_process_restart_may_still_run() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:30")).started(at("00:00")).copied(at("10:30"))
    withheld(gateway.row(J, S, L).reloaded(at("10:05"), at("10:05:30")), "may_still_run")


def test_a_stop_without_a_new_process_counts_as_kept() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:30")).started(at("00:00")).copied(at("10:30"))
    withheld(gateway.row(J, S, L).stopping(at("10:05")), "may_still_run")


def test_a_window_of_unknown_process_counts_as_kept() -> None:
    gateway = lost().stopping(at("10:05"))
    gateway.line(LifecycleKind.HTTP_STARTING, at("10:05:03")).line(LifecycleKind.READY, at("10:05:05"))
    assert finding_of(gateway).verdict == "unexplained"


def test_a_window_that_never_closes_counts_as_kept_even_with_a_start_line() -> None:
    gateway = lost().line(LifecycleKind.LAST_LINE, at("10:05")).line(LifecycleKind.PROCESS_START, at("10:06"))
    assert finding_of(gateway).verdict == "unexplained"


def clean_stop(completed: str, copied: str) -> Gateway:
    gateway = Gateway().logged(at("00:00"), at("10:30")).started(at("00:00")).copied(at(copied))
    gateway.row(J, S, at("10:06")).stopping(at("10:05")).line(LifecycleKind.SHUTDOWN_STARTED, at("10:05:01"))
    return gateway.line(LifecycleKind.SHUTDOWN_COMPLETED, at(completed))


def test_a_clean_shutdown_without_a_later_start_is_a_death() -> None:
    finding = finding_of(clean_stop("10:05:02", "10:20"))
    assert said(finding) == ("interrupted", "strong")
    assert finding.restart == "R2"


def test_a_process_lived_until_its_shutdown_was_completed_not_until_the_signal() -> None:
    withheld(clean_stop("10:10", "10:08"), "may_still_run")
    assert said(finding_of(clean_stop("10:10", "10:10"))) == ("interrupted", "strong")


def test_a_clean_shutdown_that_is_a_restart_is_no_end_of_the_process() -> None:
    gateway = lost().stopping(at("10:05"), "SIGUSR1")
    restarting = "[gateway/shutdown] shutdown started: gateway restarting"
    gateway.line(LifecycleKind.SHUTDOWN_STARTED, at("10:05:01"), raw=restarting, detail=restarting)
    gateway.line(LifecycleKind.SHUTDOWN_COMPLETED, at("10:05:02"))
    assert finding_of(gateway).verdict == "unexplained"


def test_a_clean_shutdown_whose_beginning_was_not_logged_may_be_a_restart_that_kept_the_process() -> None:
    assert finding_of(lost().line(LifecycleKind.SHUTDOWN_COMPLETED, at("10:05:02"))).verdict == "unexplained"
    told_twice = lost().line(LifecycleKind.SHUTDOWN_COMPLETED, at("10:05:02"))
    told_twice.line(LifecycleKind.SHUTDOWN_COMPLETED, at("10:05:02.050"), detail="shutdown completed in 0.2 s")
    assert finding_of(told_twice).verdict == "unexplained"


def test_an_earlier_wish_to_restart_does_not_make_a_clean_stop_a_restart() -> None:
    gateway = lost().line(LifecycleKind.RESTART_REASON, at("10:04")).stopping(at("10:05"))
    gateway.line(LifecycleKind.SHUTDOWN_COMPLETED, at("10:05:02"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")


@pytest.mark.parametrize(("crash", "verdict"), [("10:10", "interrupted"), ("10:10:00.001", "undetermined")])
def test_a_crash_that_may_have_come_after_the_longest_run_says_nothing(crash: str, verdict: str) -> None:
    gateway = lost().job(J, timeout=600).crashed(at("10:04"), at(crash))
    assert finding_of(gateway).verdict == verdict


@pytest.mark.parametrize(("crash", "verdict"), [("12:00", "interrupted"), ("12:00:00.001", "undetermined")])
def test_without_a_timeout_the_longest_run_is_two_hours(crash: str, verdict: str) -> None:
    assert finding_of(lost().crashed(at("10:04"), at(crash))).verdict == verdict


def test_only_the_first_replacement_after_the_start_can_have_ended_the_run() -> None:
    gateway = crashed().crashed(at("10:50"), at("10:51"))
    finding = finding_of(gateway)
    assert (said(finding), finding.restart) == (("interrupted", "strong"), "R2")


def test_a_crash_behind_an_in_process_restart_is_the_death() -> None:
    gateway = lost().reloaded(at("10:02"), at("10:02:30")).crashed(at("10:05"), at("10:06"))
    assert finding_of(gateway).restart == "R3"


def test_a_record_of_its_own_stands_before_any_death() -> None:
    assert said(finding_of(crashed().record(J, S, duration=60))) == ("false_lost", "exact")


def test_a_marker_of_the_new_process_that_names_job_and_start_makes_a_death_exact() -> None:
    finding = finding_of(crashed().marker(J, S, at("10:06:11")))
    assert said(finding) == ("interrupted", "exact")
    assert "marker" in finding.reasons


@pytest.mark.parametrize(("lead", "confidence"), [(0.05, "exact"), (0.051, "strong"), (9.2, "strong")])
def test_a_marker_names_the_run_up_to_fifty_milliseconds_before_its_start(lead: float, confidence: str) -> None:
    finding = finding_of(crashed().marker(J, S - seconds(lead), at("10:06:11")))
    assert said(finding) == ("interrupted", confidence)
    assert "marker" in finding.reasons


@pytest.mark.parametrize("lead", [-0.001, 1800.001])
def test_a_marker_after_the_start_or_long_before_it_names_another_run(lead: float) -> None:
    finding = finding_of(crashed().marker(J, S - seconds(lead), at("10:06:11")))
    assert said(finding) == ("interrupted", "strong")
    assert "marker" not in finding.reasons


def test_a_marker_of_another_job_names_nothing() -> None:
    assert said(finding_of(crashed().marker(K, S, at("10:06:11")))) == ("interrupted", "strong")


def test_a_marker_names_one_run_only() -> None:
    later = S + seconds(0.03)
    gateway = a_day().row(J, later, L).row(J, S, L, task_id="first", run_id=f"manual:{J}:{epoch_ms(S)}:1")
    report = audited(gateway.crashed(at("10:05"), at("10:06")).marker(J, S, at("10:06:11")))
    assert said(found(report, "first")) == ("interrupted", "exact")
    assert said(found(report)) == ("interrupted", "strong")


def test_a_marker_after_an_in_process_restart_says_only_that_the_run_was_in_flight() -> None:
    gateway = lost().reloaded(at("10:05"), at("10:05:30")).marker(J, S, at("10:05:36"))
    assert said(finding_of(gateway)) == ("unexplained", None)


def test_a_marker_of_a_kept_process_does_not_make_a_later_death_exact() -> None:
    gateway = lost().reloaded(at("10:02"), at("10:02:30")).marker(J, S, at("10:02:36"))
    assert said(finding_of(gateway.crashed(at("10:05"), at("10:06")))) == ("interrupted", "strong")


def test_an_interrupted_record_behind_a_replaced_process_is_a_death() -> None:
    gateway = lost().restarted(at("10:05"), at("10:05:03")).interrupted(J, S, at("10:05:14"))
    finding = finding_of(gateway)
    assert said(finding) == ("interrupted", "exact")
    assert {"interrupted_record", "process_replaced"} <= set(finding.reasons)


def in_the_middle(until: str = "10:30") -> Gateway:
    gateway = Gateway().logged(at("00:00"), at(until)).started(at("00:00"))
    return gateway.row(J, S, L).copied(at(until))


def test_an_interrupted_record_behind_a_kept_process_is_only_an_assumption() -> None:
    gateway = in_the_middle().reloaded(at("10:05"), at("10:05:20")).interrupted(J, S, at("10:05:26"))
    withheld(gateway, "process_kept")


def test_an_interrupted_record_behind_a_kept_process_counts_once_the_longest_run_has_passed() -> None:
    gateway = in_the_middle("12:01").reloaded(at("10:05"), at("10:05:20")).interrupted(J, S, at("10:05:26"))
    finding = finding_of(gateway)
    assert said(finding) == ("interrupted", "exact")
    assert "time_passed" in finding.reasons
    shorter = in_the_middle("12:00:59").reloaded(at("10:05"), at("10:05:20")).interrupted(J, S, at("10:05:26"))
    withheld(shorter, "process_kept")


def test_an_assumption_comes_true_where_the_process_was_replaced_later_and_no_other_end_is_on_record() -> None:
    gateway = in_the_middle().reloaded(at("10:05"), at("10:05:20")).interrupted(J, S, at("10:05:26"))
    gateway.crashed(at("10:25"), at("10:26"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")
    withheld(gateway.run_log(J, rejected=1), "run_log_damaged")


def test_an_interrupted_record_without_any_gateway_log_counts_once_time_has_passed() -> None:
    early = Gateway().row(J, S, L).interrupted(J, S, at("10:05")).copied(at("12:00"))
    late = Gateway().row(J, S, L).interrupted(J, S, at("10:05")).copied(at("12:01"))
    withheld(early, "gateway_log_absent")
    assert said(finding_of(late)) == ("interrupted", "exact")


def test_time_that_passed_proves_nothing_while_a_line_of_the_run_log_cannot_be_read() -> None:
    gateway = Gateway().row(J, S, L).interrupted(J, S, at("10:05")).copied(at("12:01")).run_log(J, rejected=1)
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_a_replacement_after_the_longest_run_does_not_confirm_an_interrupted_record() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:10")).started(at("00:00")).copied(at("10:10"))
    gateway.job(J, timeout=570).row(J, S, at("10:06")).crashed(at("10:05"), at("10:09:40"))
    withheld(gateway.interrupted(J, S, at("10:09:50")), "interrupted_record")


def test_a_batch_of_which_no_record_was_written_withholds_the_deaths_of_its_runs() -> None:
    gateway = crashed().row(K, S + seconds(0.005), L, task_id="mate")
    withheld(gateway, "batch_open")
    withheld(gateway, "batch_open", "mate")


@pytest.mark.parametrize("status", ["running", "queued", "lost"])
def test_a_mate_of_any_unfinished_status_keeps_the_batch_open(status: str) -> None:
    withheld(crashed().row(K, S, L, task_id="mate", status=status), "batch_open")


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "timed_out"])
def test_a_run_that_has_ended_keeps_no_batch_open(status: str) -> None:
    gateway = crashed().row(K, S, at("10:02"), task_id="mate", status=status, error=None)
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_a_mate_with_a_record_keeps_no_batch_open() -> None:
    gateway = crashed().row(K, S, L, task_id="mate").record(K, S, duration=30)
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_what_the_start_up_code_or_a_warning_says_of_a_mate_does_not_close_the_batch() -> None:
    assumed = crashed().row(K, S, L, task_id="mate").interrupted(K, S, at("10:06:11"))
    warned = crashed().row(K, S, L, task_id="mate").warned(K, S, at("10:04"))
    withheld(assumed, "batch_open")
    withheld(warned, "batch_open")


@pytest.mark.parametrize(("apart", "verdict"), [(1, "undetermined"), (1.001, "interrupted"), (-1, "undetermined")])
def test_without_reservations_a_batch_starts_within_a_second(apart: float, verdict: str) -> None:
    assert finding_of(crashed().row(K, S + seconds(apart), L, task_id="mate")).verdict == verdict


def test_different_known_reservations_are_different_batches() -> None:
    gateway = crashed().row(K, S + seconds(0.5), L, task_id="mate")
    gateway.job(J, running_at=S - seconds(0.004)).job(K, running_at=S + seconds(0.4))
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_one_reservation_is_one_batch_however_late_a_run_started() -> None:
    gateway = crashed().row(K, S + seconds(240), L, task_id="mate")
    gateway.job(J, running_at=S - seconds(0.004)).job(K, running_at=S - seconds(0.004))
    withheld(gateway, "batch_open")
    withheld(gateway, "batch_open", "mate")


def test_a_mate_whose_reservation_is_unknown_keeps_a_known_one_open() -> None:
    withheld(crashed().row(K, S + seconds(0.5), L, task_id="mate").job(J, running_at=S), "batch_open")


def test_a_reservation_of_an_earlier_run_of_the_job_does_not_tell_batches_apart() -> None:
    gateway = crashed().row(K, S + seconds(0.005), L, task_id="mate")
    gateway.record(J, at("09:45:00.010"), duration=30)
    gateway.marker(J, at("09:45"), at("09:45:31")).job(K, running_at=S + seconds(0.004))
    withheld(gateway, "batch_open")


@pytest.mark.parametrize("run_id", [f"manual:{K}:1776420000000:1", f"cron:{K}:x:manual:1"])
def test_a_manual_run_is_in_no_batch(run_id: str) -> None:
    gateway = crashed().row(K, S, L, task_id="mate", run_id=run_id)
    report = audited(gateway)
    assert said(found(report)) == said(found(report, "mate")) == ("interrupted", "strong")


def test_runs_of_two_processes_are_in_no_batch() -> None:
    gateway = a_day().row(J, S, L).crashed(S + seconds(0.1), S + seconds(0.3), ready=0.1, cron=None)
    gateway.row(K, S + seconds(0.8), L, task_id="mate")
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_an_unfinished_start_between_two_runs_does_not_make_them_runs_of_two_processes() -> None:
    gateway = crashed().row(K, S + seconds(0.8), L, task_id="mate")
    gateway.stopping(S + seconds(0.1)).line(LifecycleKind.HTTP_STARTING, S + seconds(0.4))
    gateway.line(LifecycleKind.READY, S + seconds(0.5))
    withheld(gateway, "batch_open")


def test_a_run_of_another_gateway_is_in_no_batch() -> None:
    report = audited(crashed(), a_day("other").row(K, S, L, task_id="mate"))
    assert said(found(report)) == ("interrupted", "strong")


def test_a_row_of_another_runtime_is_in_no_batch() -> None:
    assert said(finding_of(crashed().row(K, S, L, task_id="mate", runtime="cli"))) == ("interrupted", "strong")


def test_a_batch_of_three_closes_only_when_each_other_run_has_its_record() -> None:
    gateway = crashed().row(K, S, L, task_id="k").row(M, S, L, task_id="m").record(K, S, duration=30)
    withheld(gateway, "batch_open")
    assert said(finding_of(gateway.record(M, S, duration=30))) == ("interrupted", "strong")


def test_an_open_batch_withholds_silence_too() -> None:
    withheld(lost().row(K, S, L, task_id="mate"), "batch_open")


def test_an_interrupted_record_of_its_own_needs_no_closed_batch() -> None:
    gateway = lost().row(K, S, L, task_id="mate").restarted(at("10:05"), at("10:05:03"))
    assert said(finding_of(gateway.interrupted(J, S, at("10:05:14")))) == ("interrupted", "exact")


def test_a_bare_ok_before_the_drain_was_done_is_no_sure_abort() -> None:
    gateway = a_day().row(J, S, L).bare_ok(J, S, 300).stopping(at("10:04"))
    gateway.line(LifecycleKind.DRAIN_STARTED, at("10:04:01")).line(LifecycleKind.DRAINED, at("10:05:01"))
    finding = finding_of(gateway.started(at("10:05:30")))
    assert said(finding) == ("false_lost", "weak")
    assert "maybe_aborted" in finding.reasons


def test_the_line_of_a_restart_that_waits_for_the_run_is_cited_and_proves_no_death() -> None:
    gateway = a_day().row(J, S, L)
    gateway.line(LifecycleKind.DRAIN_BLOCKED, at("10:05"), run_id=f"cron:{J}:{epoch_ms(S)}", status="running")
    gateway.line(LifecycleKind.DRAIN_BLOCKED, at("10:06"), run_id=f"cron:{J}:{epoch_ms(S)}", status="running")
    finding = finding_of(gateway)
    assert [fact.at for fact in finding.evidence if fact.role == "marker"] == [at("10:05")]
    assert said(finding) == ("unexplained", None)


def test_a_crash_after_the_longest_run_leaves_the_row_unexplained_and_one_of_unknown_moment_withholds_it() -> None:
    later = lost().job(J, timeout=600).crashed(at("10:10:00.001"), at("10:30"))
    assert said(finding_of(later)) == ("unexplained", None)
    withheld(lost().job(J, timeout=600).crashed(at("10:04"), at("10:30")), "crash_undated")


def test_an_undated_crash_counts_where_the_next_start_up_found_the_run_in_flight() -> None:
    gateway = lost().job(J, timeout=600).crashed(at("10:04"), at("10:30")).marker(J, S, at("10:30:12"))
    assert said(finding_of(gateway)) == ("interrupted", "exact")


@pytest.mark.parametrize("beside", [at("09:59:59.997"), None])
def test_another_record_beside_an_assumption_that_came_true_later_withholds_it(beside: datetime | None) -> None:
    gateway = in_the_middle().reloaded(at("10:05"), at("10:05:20")).interrupted(J, S, at("10:05:26"))
    gateway.crashed(at("10:25"), at("10:26")).record(
        J, beside, duration=None if beside is None else 60, written=at("10:12")
    )
    withheld(gateway, "start_mismatch")


def test_a_line_about_going_down_long_before_runs_went_on_is_not_the_end_of_their_process() -> None:
    gateway = a_day().line(LifecycleKind.DRAIN_TIMEOUT, at("09:00")).job(J, timeout=600).row(J, S, L)
    gateway.record(K, at("11:00")).crashed(at("14:59:50"), at("15:00"))
    assert said(finding_of(gateway)) == ("unexplained", None)


def test_one_window_of_a_clock_that_is_off_does_not_hide_the_one_that_cut_a_run_short() -> None:
    gateway = a_day().job().row(J, at("09:50"), at("10:20")).bare_ok(J, at("09:50"), 603)
    other = (
        Gateway("other").row(K, at("09:55"), at("10:05"), task_id="other").interrupted(K, at("09:55"), at("10:00:20"))
    )
    other.restarted(at("11:00"), at("11:00:10")).marker(
        K, at("09:55"), at("11:00:20"), LifecycleKind.MARKER_INTERRUPTED
    )
    gateway.reloaded(at("10:00"), at("10:00:02")).reloaded(at("10:30"), at("10:30:02"))
    assert found(audited(gateway, other)).reasons[0] == "aborted_ok"
