"""Did another run do the work of one that died? A later regular run did not."""

from __future__ import annotations

import pytest

from forensics.model.finding import Finding
from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, epoch_ms, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")
READY = at("10:06:10")


def dead(**crash: float | None) -> Gateway:
    """A run that died in a crash; the new process started at 10:06 and was ready ten seconds later."""
    return a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), **crash)


def no_stand_in(finding: Finding) -> None:
    assert finding.verdict == "interrupted"
    assert finding.run is None or finding.run.role == "own"


def test_a_run_that_the_start_up_line_names_is_a_stand_in() -> None:
    start = READY + seconds(30)
    finding = finding_of(dead(cron=5000).missed(READY + seconds(1), J, K).record(J, start, duration=60))
    assert said(finding) == ("replayed", "strong")
    assert "stand_in" in finding.reasons
    assert finding.run is not None
    assert (finding.run.role, finding.run.started_at, finding.run.status) == ("stand_in", start, "ok")
    assert finding.restart == "R2"


def test_the_line_that_names_deferred_jobs_names_stand_ins_too() -> None:
    gateway = dead().missed(READY + seconds(1), J, kind=LifecycleKind.DEFERRED_JOB)
    assert finding_of(gateway.record(J, READY + seconds(121))).verdict == "replayed"


def test_a_line_that_names_other_jobs_names_no_stand_in() -> None:
    gateway = dead().missed(READY + seconds(1), K)
    no_stand_in(finding_of(gateway.record(J, READY + seconds(30))))


def test_a_run_before_that_process_started_its_scheduler_is_a_catch_up() -> None:
    assert finding_of(dead(cron=720).record(J, READY + seconds(600))).verdict == "replayed"
    no_stand_in(finding_of(dead(cron=700).record(J, at("10:06") + seconds(700))))


def test_a_scheduler_that_started_before_ready_was_logged_makes_no_later_run_a_catch_up() -> None:
    gateway = dead(cron=9.5).line(LifecycleKind.CRON_STARTED, at("20:00"))
    no_stand_in(finding_of(gateway.record(J, at("11:00"))))


def test_a_regular_run_of_a_later_process_is_no_catch_up_of_the_one_that_named_it() -> None:
    gateway = dead(cron=None).missed(READY + seconds(1), J).crashed(at("10:07"), at("10:08"))
    no_stand_in(finding_of(gateway.record(J, at("11:00"))))


def test_a_manual_run_is_a_stand_in() -> None:
    start = at("13:00")
    gateway = dead().record(J, start, run_id=f"manual:{J}:{epoch_ms(start)}:1")
    assert finding_of(gateway).verdict == "replayed"
    named_by_row = (
        dead()
        .record(J, start)
        .row(J, start, at("13:01"), status="succeeded", error=None, task_id="manual", run_id=f"manual:{J}:1:1")
    )
    assert finding_of(named_by_row).verdict == "replayed"


def test_a_later_regular_run_is_only_named() -> None:
    finding = finding_of(dead().record(J, at("13:00")))
    no_stand_in(finding)
    assert "next_run_ok" in finding.reasons
    (named,) = [fact for fact in finding.evidence if fact.role == "near_miss"]
    assert named.at == at("13:00")


def test_without_any_later_run_nothing_is_named() -> None:
    assert "next_run_ok" not in finding_of(dead()).reasons


@pytest.mark.parametrize("status", ["error", None])
def test_a_stand_in_that_did_not_end_well_is_none(status: str | None) -> None:
    gateway = dead().missed(READY + seconds(1), J).record(J, READY + seconds(30), status, error="boom")
    no_stand_in(finding_of(gateway))


def test_a_stand_in_without_a_record_is_none() -> None:
    start = READY + seconds(30)
    gateway = dead().missed(READY + seconds(1), J).running(J, start, task_id="replay").run_log(J)
    no_stand_in(finding_of(gateway))


def test_only_the_first_run_after_ready_can_stand_in() -> None:
    gateway = dead().missed(READY + seconds(1), J).record(J, READY + seconds(30), "error", error="boom")
    no_stand_in(finding_of(gateway.record(J, at("10:30"))))


def test_a_run_that_started_before_ready_is_no_stand_in() -> None:
    gateway = dead(cron=5000).record(J, READY).record(J, at("20:00"))
    no_stand_in(finding_of(gateway))


def test_a_skipped_run_counts_as_ended_well() -> None:
    gateway = dead().missed(READY + seconds(1), J).record(J, READY + seconds(30), "skipped")
    assert finding_of(gateway).verdict == "replayed"


def test_a_contradicted_run_is_no_stand_in() -> None:
    start = READY + seconds(30)
    gateway = dead().missed(READY + seconds(1), J).record(J, start).record(J, start, "error", error="boom")
    no_stand_in(finding_of(gateway))


def test_an_aborted_run_is_no_stand_in() -> None:
    start = READY + seconds(30)
    gateway = dead().missed(READY + seconds(1), J).bare_ok(J, start, 200).reloaded(at("10:09:30"), at("10:10"))
    no_stand_in(finding_of(gateway))


def test_a_wordless_ok_is_a_stand_in_only_where_no_restart_can_have_cut_it_short() -> None:
    start = READY + seconds(30)
    assert finding_of(dead().missed(READY + seconds(1), J).bare_ok(J, start, 60)).verdict == "replayed"
    short = Gateway().logged(at("00:00"), at("10:07")).started(at("00:00")).row(J, S, L).copied(at("23:00"))
    short.crashed(at("10:05"), at("10:06")).missed(READY + seconds(1), J)
    no_stand_in(finding_of(short.bare_ok(J, start, 60)))


def test_a_stand_in_that_only_the_job_state_knows_shows_that_the_run_log_is_incomplete() -> None:
    gateway = dead().run_log(J).missed(READY + seconds(1), J).last_run(J, READY + seconds(30), duration=200)
    finding = finding_of(gateway)
    assert said(finding) == ("undetermined", None)
    assert "run_log_damaged" in finding.reasons


def test_a_run_of_another_job_or_gateway_is_no_stand_in() -> None:
    other = a_day("other").record(J, READY + seconds(30))
    report = audited(dead(cron=720).record(K, READY + seconds(30)), other)
    no_stand_in(found(report))


def scheduled(start: str, **schedule: object) -> str:
    gateway = dead().job(J, **schedule).record(J, at(start))  # type: ignore[arg-type]
    return finding_of(gateway).verdict.value


def test_a_run_before_the_next_slot_of_a_cron_schedule_is_a_stand_in() -> None:
    daily = {"schedule_kind": "cron", "schedule_expr": "0 10 * * *", "schedule_tz": "UTC"}
    assert scheduled("10:30", **daily) == "replayed"
    hourly = daily | {"schedule_expr": "0 * * * *"}
    assert scheduled("10:59:59.999", **hourly) == "replayed"
    assert scheduled("11:00", **hourly) == "interrupted"
    assert scheduled("11:00:00.004", **hourly) == "interrupted"


def test_the_slots_of_a_cron_schedule_are_those_of_its_own_zone() -> None:
    in_new_york = {"schedule_kind": "cron", "schedule_expr": "30 6 * * *", "schedule_tz": "America/New_York"}
    assert scheduled("10:29:59", **in_new_york) == "replayed"
    assert scheduled("10:30:00.004", **in_new_york) == "interrupted"


def test_a_run_before_the_next_slot_of_a_repetition_is_a_stand_in() -> None:
    hourly = {"schedule_kind": "every", "every_ms": 3_600_000, "anchor_at": at("09:00")}
    assert scheduled("10:30", **hourly) == "replayed"
    assert scheduled("11:00:00.004", **hourly) == "interrupted"


def test_a_repetition_is_counted_from_its_last_run_as_well_as_from_its_anchor() -> None:
    off_grid = {"schedule_kind": "every", "every_ms": 3_600_000, "anchor_at": at("09:45")}
    assert scheduled("10:30", **off_grid) == "replayed"
    daily_off_grid = {"schedule_kind": "every", "every_ms": 1_800_000, "anchor_at": at("00:05")}
    assert scheduled("10:30:00.004", **daily_off_grid) == "interrupted"
    assert scheduled("10:29", **daily_off_grid) == "replayed"


def test_a_run_of_a_one_shot_job_that_is_over_is_a_stand_in() -> None:
    assert scheduled("20:00", schedule_kind="at", anchor_at=S) == "replayed"
    assert scheduled("20:00", schedule_kind="at", anchor_at=at("20:00")) == "interrupted"


def unscheduled(start: str, *starts: str) -> str:
    gateway = dead().record(J, at(start))
    for number, other in enumerate(starts):
        gateway.succeeded(J, at(other), at(other) + seconds(60), task_id=f"other {number}")
        gateway.record(J, at(other))
    return finding_of(gateway).verdict.value


def test_without_a_schedule_a_run_within_fifteen_minutes_of_ready_stands_in_for_a_rare_job() -> None:
    assert unscheduled("10:21:10", "02:00", "06:00") == "replayed"
    assert unscheduled("10:21:10.001", "02:00", "06:00") == "interrupted"


def test_without_a_schedule_nothing_soon_stands_in_for_a_frequent_job() -> None:
    assert unscheduled("10:20", "09:00", "09:30", "10:30", "11:00", "11:30") == "interrupted"


def test_a_schedule_without_its_zone_or_its_anchor_counts_as_unknown() -> None:
    assert scheduled("12:00", schedule_kind="cron", schedule_expr="0 10 * * *") == "interrupted"
    assert scheduled("12:00", schedule_kind="cron", schedule_expr="0 10 * * *", schedule_tz="") == "interrupted"
    assert scheduled("10:50", schedule_kind="every", every_ms=86_400_000) == "interrupted"


def test_one_stand_in_redeems_one_row_the_last_that_died() -> None:
    gateway = dead().row(J, at("09:55"), L, task_id="earlier").missed(READY + seconds(1), J)
    report = audited(gateway.record(J, READY + seconds(30)))
    assert said(found(report)) == ("replayed", "strong")
    assert said(found(report, "earlier")) == ("interrupted", "strong")
    assert "stand_in_taken" in found(report, "earlier").reasons


def test_two_rows_of_one_millisecond_do_not_share_a_stand_in() -> None:
    gateway = dead().row(J, S, L, task_id="twin", run_id=f"manual:{J}:9:1").without("tasks", task_id="task")
    gateway.row(J, S, L, run_id=f"manual:{J}:8:1").missed(READY + seconds(1), J)
    report = audited(gateway.record(J, READY + seconds(30)))
    for name in ("task", "twin"):
        no_stand_in(found(report, name))
        assert "stand_in_taken" in found(report, name).reasons


def test_rows_that_died_in_different_restarts_have_stand_ins_of_their_own() -> None:
    gateway = dead().missed(READY + seconds(1), J).record(J, READY + seconds(30))
    gateway.row(J, at("11:00"), at("11:20"), task_id="second").crashed(at("11:05"), at("11:06"))
    gateway.missed(at("11:06:11"), J).record(J, at("11:06:40"))
    report = audited(gateway)
    assert found(report).verdict == found(report, "second").verdict == "replayed"


def test_an_aborted_run_has_a_stand_in_after_its_own_restart() -> None:
    gateway = a_day().row(J, S, L).reloaded(at("10:05"), at("10:05:30"), cron=720).bare_ok(J, S, 310)
    finding = finding_of(gateway.record(J, at("10:06")))
    assert said(finding) == ("replayed", "exact")
    assert {"aborted_ok", "stand_in"} <= set(finding.reasons)


def test_a_run_whose_window_never_closed_has_no_stand_in() -> None:
    gateway = a_day().row(J, S, L).stopping(at("10:05")).line(LifecycleKind.SHUTDOWN_COMPLETED, at("10:05:02"))
    no_stand_in(finding_of(gateway.record(J, at("10:30"))))


def test_two_windows_that_are_ready_in_the_same_millisecond_break_nothing() -> None:
    gateway = dead(cron=None).line(LifecycleKind.PROCESS_START, READY).line(LifecycleKind.READY, READY)
    start = at("13:00")
    gateway.record(J, start, run_id=f"manual:{J}:{epoch_ms(start)}:1")
    assert said(finding_of(gateway)) == ("replayed", "strong")


def test_rows_that_do_not_die_have_no_stand_in() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06")).record(J, S).missed(READY + seconds(1), J)
    finding = finding_of(gateway.record(J, READY + seconds(30)))
    assert finding.run is not None
    assert (said(finding), finding.run.role) == (("false_lost", "exact"), "own")


def test_a_start_printed_in_seconds_does_not_hide_the_record_of_the_same_run() -> None:
    gateway = a_day().row(J, at("10:00"), at("10:20"), precision_ms=1000).crashed(at("10:05"), at("10:06"))
    gateway.missed(at("10:06:12"), J).row(
        J, at("10:06:15"), at("10:07"), task_id="again", status="succeeded", precision_ms=1000, run_id=None, error=None
    )
    finding = finding_of(gateway.record(J, at("10:06:15.400")))
    assert finding.verdict == "replayed"
    assert finding.run is not None
    assert finding.run.started_at == at("10:06:15.400")
