"""Durable records beside the log agree with it, stand in for it, or are told to disagree; doubt proves nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forensics.correlator import durable
from forensics.correlator.restarts import find_restarts
from forensics.model.finding import Restart
from forensics.model.policy import Policy
from forensics.model.schemas import LIFECYCLE, SOURCES, TIME, frame_of
from forensics.model.verdicts import LifecycleKind as Kind
from forensics.model.verdicts import SourceKind
from forensics.parsers.parsed import Parsed
from forensics.parsers.restart_records import boot_rows
from tests.support.scenario import Gateway, J, at, audited, found, said, seconds

DATA = Path(__file__).parent.parent / "data" / "boots.json"
NO_RUNS = pl.DataFrame(schema={"gateway": pl.String, "at": TIME})


def windows(gateway: Gateway) -> tuple[Restart, ...]:
    return audited(gateway.copied(at("23:59"))).restarts


def bounds(window: Restart) -> tuple[Any, ...]:
    return window.kind, window.process, window.down_at, window.down_at_latest, window.up_at, window.ready_at


def kinds(window: Restart) -> list[str]:
    return [fact.text.split("] ")[1].split(" ")[0] for fact in window.evidence]


def logged() -> Gateway:
    return Gateway().logged(at("00:00"), at("23:59")).started(at("00:00"))


def test_boots_join_the_window_of_the_log_and_leave_its_bounds() -> None:
    _, alone = windows(logged().restarted(at("10:00"), at("10:00:08")))
    gateway = logged().restarted(at("10:00"), at("10:00:08"))
    gateway.boot(at("00:00:01"), 11, at("10:00:05"), "clean_stop", "stop (SIGTERM)").boot(at("10:00:10"), 12)
    first, window = windows(gateway)
    assert bounds(window) == bounds(alone)
    assert (window.doubt, window.pid_before, window.pid_after) == (None, 11, 12)
    assert window.reason == "SIGTERM"
    assert sorted(kinds(window)) == sorted([*kinds(alone), "boot_ended", "boot_started"])
    assert [fact.at for fact in window.evidence] == sorted(fact.at for fact in window.evidence if fact.at)
    assert (first.pid_after, kinds(first).count("boot_started")) == (11, 1)


def test_an_in_process_restart_agrees_with_two_boots_of_one_process() -> None:
    gateway = logged().reloaded(at("10:00"), at("10:00:20"))
    gateway.boot(at("00:00:01"), 23569, at("10:00:06.6"), "planned_restart", "SIGUSR1").boot(at("10:00:06.7"), 23569)
    _, window = windows(gateway)
    assert (window.process, window.doubt, window.pid_before, window.pid_after) == ("kept", None, 23569, 23569)


def test_a_crash_of_the_log_agrees_with_a_boot_without_an_end() -> None:
    gateway = logged().crashed(at("10:00"), at("10:04")).boot(at("00:00:01"), 11).boot(at("10:04:02"), 12)
    _, window = windows(gateway)
    assert (window.kind, window.process, window.doubt) == ("crash", "replaced", None)
    assert (window.down_at, window.down_at_latest) == (at("10:00"), at("10:04"))


def test_a_start_line_alone_does_not_say_that_the_process_before_it_lived_until_then() -> None:
    gateway = (
        logged().started(at("10:04")).boot(at("00:00:01"), 11, at("10:00"), "forced_stop").boot(at("10:04:02"), 12)
    )
    _, window = windows(gateway)
    assert (window.kind, window.process, window.doubt) == ("crash", "replaced", None)
    gateway = logged().crashed(at("10:00"), at("10:04")).boot(at("00:00:01"), 11, at("09:59:49.999"), "forced_stop")
    assert windows(gateway.boot(at("10:04:02"), 12))[1].doubt == durable.OTHER_TIME


def test_boots_tell_what_a_stop_without_a_start_line_leaves_open() -> None:
    gateway = logged().stopping(at("10:00")).line(Kind.HTTP_STARTING, at("10:00:09")).line(Kind.READY, at("10:00:12"))
    gateway.boot(at("00:00:01"), 11, at("10:00:03"), "clean_stop").boot(at("10:00:08"), 12)
    assert (windows(gateway)[1].process, windows(gateway)[1].doubt) == ("replaced", None)


def test_boots_tell_the_start_behind_a_log_that_ended() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:00:01")).started(at("00:00")).stopping(at("10:00"))
    gateway.boot(at("00:00:01"), 11, at("10:00:03"), "clean_stop").boot(at("13:00"), 12, at("14:00"), "clean_stop")
    _, window, last = windows(gateway.boot(at("14:00:05"), 13))
    assert (window.down_at, window.up_at, window.ready_at, window.process) == (
        at("10:00"), at("13:00"), None, "replaced",
    )  # fmt: skip
    assert (last.down_at, last.up_at, last.pid_before, last.pid_after) == (at("14:00"), at("14:00:05"), 12, 13)


def test_the_first_boot_on_record_says_nothing_about_a_log_that_ended_long_before() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:00:01")).started(at("00:00")).stopping(at("10:00"))
    _, window, start = windows(gateway.boot(at("13:00"), 12))
    assert (window.up_at, window.process) == (None, "unknown")
    assert (start.kind, start.process, start.up_at) == ("start", "unknown", at("13:00"))


@pytest.mark.parametrize(
    ("gateway", "doubt"),
    [
        (logged().boot(at("00:00:01"), 11, at("10:00"), "forced_stop").boot(at("10:00:05"), 12), durable.NOT_IN_LOG),
        (logged().boot(at("00:00:01"), 11).boot(at("10:00:05"), 12), durable.NOT_IN_LOG),
        (logged().boot(at("00:00:01"), 11, at("10:00"), "clean_stop"), durable.NOT_IN_LOG),
        (logged().restarted(at("10:00"), at("10:00:08")).boot(at("00:00:01"), 11, at("12:00"), "clean_stop")
         .boot(at("10:00:10"), 12), durable.OVERLAP),
        (logged().restarted(at("10:00"), at("10:00:08")).boot(at("00:00:01"), 11, at("20:00"), "clean_stop")
         .boot(at("20:00:10"), 12), durable.RAN_ON),
        (logged().restarted(at("10:00"), at("10:00:08")).boot(at("00:00:01"), 11, at("09:00"), "clean_stop")
         .boot(at("10:00:10"), 12), durable.OTHER_TIME),
        (logged().restarted(at("10:00"), at("10:00:08"))
         .boot(at("00:00:01"), 5000, at("10:00:05"), "planned_restart").boot(at("10:00:10"), 5000), durable.OTHER_FATE),
        (logged().reloaded(at("10:00"), at("10:00:20"))
         .boot(at("00:00:01"), 11, at("10:00:05"), "planned_restart").boot(at("10:00:10"), 12), durable.OTHER_FATE),
        (logged().stopping(at("10:00")).line(Kind.PROCESS_START, at("10:00:05"))
         .line(Kind.READY, at("10:00:09"), pid=77)
         .boot(at("00:00:01"), 11, at("10:00:03"), "clean_stop").boot(at("10:00:06"), 12), durable.OTHER_PROCESS),
        (logged().restarted(at("10:00"), at("10:00:08")).boot(at("00:00:01"), 11, at("10:00:05"), "clean_stop")
         .boot(at("10:00:10"), 12).recorded(Kind.LOCK_TAKEN, at("10:00:09"), 99), durable.OTHER_PROCESS),
    ],
)  # fmt: skip
def test_sources_that_disagree_are_told_and_prove_no_death(gateway: Gateway, doubt: str) -> None:
    gateway.row(J, at("09:59"), at("10:09")).run_log(J)
    report = audited(gateway.copied(at("23:59")))
    assert next(window.doubt for window in report.restarts if window.doubt) == doubt
    assert all(window.process == "unknown" for window in report.restarts if window.doubt)
    finding = found(report)
    assert finding.verdict not in ("interrupted", "replayed")
    assert finding.cause not in ("restart", "no_restart")


def test_a_row_of_a_doubtful_window_would_be_dead_without_the_doubt() -> None:
    gateway = logged().restarted(at("10:00"), at("10:00:08")).row(J, at("09:59"), at("10:09")).run_log(J)
    assert said(found(audited(gateway.copied(at("23:59"))))) == ("interrupted", "strong")


def booted(outcome: str | None, pid: int = 5011, then: int | None = 5012, gap: float = 5) -> Restart:
    ended = at("10:00") if outcome else None
    gateway = Gateway().boot(at("08:00"), pid, ended, outcome, "why")
    if then is not None:
        gateway.boot(at("10:00") + seconds(gap), then)
    _, window = windows(gateway)
    assert window.doubt is None
    return window


def test_the_first_boot_on_record_is_a_start_of_unknown_process() -> None:
    (window,) = windows(Gateway().boot(at("08:00"), 5011))
    assert bounds(window) == ("start", "unknown", at("08:00"), at("08:00"), at("08:00"), None)
    assert (window.pid_before, window.pid_after) == (None, 5011)


@pytest.mark.parametrize("outcome", ["clean_stop", "planned_restart", "forced_stop"])
def test_a_boot_that_ended_and_one_of_another_process_are_a_restart(outcome: str) -> None:
    window = booted(outcome)
    assert bounds(window) == ("signal", "replaced", at("10:00"), at("10:00"), at("10:00:05"), None)
    assert (window.pid_before, window.pid_after, window.reason) == (5011, 5012, f"{outcome}: why")
    assert kinds(window) == ["boot_ended", "boot_started"]


def test_a_boot_without_an_end_and_a_later_one_are_a_crash() -> None:
    assert bounds(booted(None)) == ("crash", "replaced", at("08:00"), at("10:00:05"), at("10:00:05"), None)


def test_a_crash_on_record_lies_not_before_the_last_sign_of_life() -> None:
    gateway = Gateway().boot(at("08:00"), 5011).boot(at("10:00"), 5012).running(J, at("09:30"), task_id="row")
    assert windows(gateway.record(J, at("10:00:30")))[1].down_at == at("09:30")


@pytest.mark.parametrize(
    ("outcome", "pid", "then", "gap", "process"),
    [
        ("planned_restart", 5011, 5011, 0.1, "kept"),
        ("planned_restart", 5011, 5011, 60, "kept"),
        ("planned_restart", 5011, 5011, 60.001, "unknown"),
        ("planned_restart", 7, 7, 0.1, "unknown"),
        ("planned_restart", 10, 10, 0.1, "unknown"),
        ("planned_restart", 11, 11, 0.1, "kept"),
        ("clean_stop", 5011, 5011, 5, "unknown"),
        ("clean_stop", 1, 7, 5, "replaced"),
        (None, 5011, 5011, 5, "unknown"),
        (None, 1, 1, 5, "unknown"),
        (None, 1, 7, 5, "unknown"),
        (None, 11, 12, 5, "replaced"),
    ],
)
def test_what_the_numbers_of_two_boots_say_of_the_process(
    outcome: str | None, pid: int, then: int, gap: float, process: str
) -> None:
    assert booted(outcome, pid, then, gap).process == process


def test_two_boots_of_a_kept_process_are_an_in_process_restart() -> None:
    assert booted("planned_restart", 5011, 5011, 0.1).kind == "in_process"


def test_a_last_boot_that_stopped_is_a_window_without_a_start() -> None:
    window = booted("clean_stop", then=None)
    assert bounds(window) == ("signal", "unknown", at("10:00"), at("10:00"), None, None)


def test_boots_that_failed_to_start_belong_to_the_restart_before_them() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("10:00"), "planned_restart")
    gateway.boot(at("10:00:05"), 5012, at("10:00:09"), "startup_failed")
    gateway.boot(at("10:01"), 5013, at("10:01:09"), "startup_failure_repaired")
    start, unserved = windows(gateway)
    assert (unserved.up_at, unserved.ready_at) == (at("10:01"), None)
    start, window = windows(gateway.boot(at("10:02"), 5014))
    assert (start.kind, window.down_at, window.up_at) == ("start", at("10:00"), at("10:02"))
    assert (window.pid_before, window.pid_after, window.process) == (5011, 5014, "replaced")
    assert kinds(window) == ["boot_ended", "boot_started", "boot_ended", "boot_started", "boot_ended", "boot_started"]


def test_a_process_that_only_failed_to_start_kills_no_run() -> None:
    gateway = Gateway().boot(at("08:00"), 5011).boot(at("10:00:05"), 5012, at("10:00:09"), "startup_failed")
    report = audited(gateway.row(J, at("09:59"), at("10:09")).run_log(J).copied(at("23:59")))
    assert said(found(report)) != ("interrupted", "strong")


def test_a_row_that_a_stable_process_closed_in_safe_mode_is_no_restart() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("09:00"), "safe_mode_stable").boot(at("09:00"), 5011)
    (window,) = windows(gateway)
    assert window.up_at == at("08:00")
    _, crash = windows(gateway.boot(at("10:00"), 5012))
    assert (crash.kind, crash.process, crash.pid_before) == ("crash", "replaced", 5011)


def test_copies_of_the_boot_table_tell_each_boot_once() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, file="copy").boot(at("08:00"), 5011, at("10:00"), "clean_stop")
    _, window = windows(gateway.boot(at("10:00:05"), 5012))
    assert (window.kind, window.down_at) == ("signal", at("10:00"))


def test_an_end_without_a_start_of_its_own_belongs_to_the_last_boot_of_its_process() -> None:
    gateway = Gateway().boot(at("08:00"), 5011).boot(at("10:00:05"), 5012)
    gateway.recorded(Kind.BOOT_ENDED, at("10:00"), 5011, detail="clean_stop: stop (SIGTERM)")
    _, window = windows(gateway)
    assert (window.kind, window.down_at, window.reason) == ("signal", at("10:00"), "clean_stop: stop (SIGTERM)")


@pytest.mark.parametrize("outcome", ["clean_stop", "planned_restart", "forced_stop", None])
def test_a_run_dies_with_a_process_that_another_one_replaced_on_record(outcome: str | None) -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("10:00") if outcome else None, outcome).boot(at("10:00:05"), 5012)
    finding = found(audited(gateway.row(J, at("09:59"), at("10:09")).run_log(J).copied(at("23:59"))))
    assert said(finding) == ("interrupted", "strong")
    assert finding.correction is not None
    assert finding.correction.ended_at == at("10:00:05")


def test_a_doubtful_restart_pairs_no_row_with_a_record_that_has_no_time_of_its_own() -> None:
    gateway = logged().boot(at("00:00:01"), 11, at("10:00"), "forced_stop").boot(at("10:00:05"), 12)
    gateway.row(J, at("09:59"), at("10:09")).record(J, None, duration=None, written=at("10:30"))
    assert said(found(audited(gateway.copied(at("23:59"))))) == ("undetermined", None)
    gateway = logged().restarted(at("10:00"), at("10:00:05"))
    gateway.row(J, at("09:59"), at("10:09")).record(J, None, duration=None, written=at("10:30"))
    assert said(found(audited(gateway.copied(at("23:59"))))) == ("false_lost", "weak")


def test_a_run_that_a_boot_outlived_did_not_die() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("10:00"), "planned_restart").boot(at("10:00:00.1"), 5011)
    report = audited(gateway.row(J, at("09:59"), at("10:09")).run_log(J).copied(at("23:59")))
    assert found(report).verdict == "undetermined"
    gateway = Gateway().boot(at("08:00"), 7, at("10:00"), "planned_restart").boot(at("10:00:00.1"), 7)
    report = audited(gateway.row(J, at("09:59"), at("10:09")).run_log(J).copied(at("23:59")))
    assert found(report).verdict == "undetermined"


def test_a_clean_stop_ends_the_process_whatever_number_the_next_one_bears() -> None:
    gateway = Gateway().boot(at("08:00"), 7, at("10:00"), "clean_stop").boot(at("10:00:05"), 7)
    report = audited(gateway.row(J, at("09:59"), at("10:09")).run_log(J).copied(at("23:59")))
    assert said(found(report)) == ("interrupted", "strong")


def test_a_run_that_started_after_the_boot_is_not_marked_by_that_restart() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("10:00"), "clean_stop").boot(at("10:00:05"), 5012)
    gateway.row(J, at("10:30"), at("10:36")).row(J, at("09:59"), at("10:05:10"), task_id="before").run_log(J)
    report = audited(gateway.copied(at("23:59")))
    assert found(report).cause == "unknown"
    assert (found(report, "before").cause, found(report, "before").restart) == ("restart", "R2")


def test_a_stand_in_follows_the_boot_where_no_ready_line_is_on_record() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("10:00"), "clean_stop").boot(at("10:00:05"), 5012)
    gateway.row(J, at("09:59"), at("10:05:10")).record(J, at("10:00:30"), run_id=f"manual:{J}:1:1")
    finding = found(audited(gateway.copied(at("23:59"))))
    assert (finding.verdict, finding.run and finding.run.started_at) == ("replayed", at("10:00:30"))


def test_an_ok_without_a_word_near_a_boot_is_never_surely_an_abort() -> None:
    gateway = Gateway().boot(at("08:00"), 5011, at("10:00"), "planned_restart").boot(at("10:00:00.1"), 5011)
    gateway.row(J, at("09:50"), at("09:56")).bare_ok(J, at("09:50"), 601)
    assert said(found(audited(gateway.copied(at("23:59"))))) == ("false_lost", "weak")


def test_a_birth_and_a_lock_join_the_window_of_their_process() -> None:
    gateway = logged().restarted(at("10:00"), at("10:00:08"))
    gateway.recorded(Kind.PROCESS_BORN, at("10:00:06"), 12).recorded(Kind.LOCK_TAKEN, at("10:00:09"), 12)
    _, window = windows(gateway)
    assert (window.pid_after, window.doubt) == (12, None)
    assert {"process_born", "lock_taken"} <= set(kinds(window))


def test_a_birth_and_a_lock_in_the_middle_of_a_covered_time_make_no_window() -> None:
    gateway = logged().recorded(Kind.PROCESS_BORN, at("10:00"), 12).recorded(Kind.LOCK_TAKEN, at("11:00"), 13)
    assert len(windows(gateway)) == 1


def test_without_another_process_before_it_a_birth_or_a_lock_makes_no_window() -> None:
    assert windows(Gateway().recorded(Kind.PROCESS_BORN, at("10:00"), 5012)) == ()
    assert windows(Gateway().recorded(Kind.LOCK_TAKEN, at("10:00"), 5012)) == ()


@pytest.mark.parametrize(
    ("kind", "pid", "then", "process"),
    [
        (Kind.PROCESS_BORN, 5011, 5012, "replaced"),
        (Kind.PROCESS_BORN, 7, 12, "unknown"),
        (Kind.LOCK_TAKEN, 5011, 5012, "unknown"),
    ],
)
def test_a_birth_after_another_process_is_a_crash_and_a_lock_proves_no_replacement(
    kind: Kind, pid: int, then: int, process: str
) -> None:
    _, window = windows(Gateway().boot(at("08:00"), pid).recorded(kind, at("10:00"), then))
    assert bounds(window) == ("crash", process, at("08:00"), at("10:00"), at("10:00"), None)
    assert (window.pid_before, window.pid_after) == (pid, then)


def test_a_process_that_died_of_a_failed_start_replaced_no_other() -> None:
    gateway = Gateway().boot(at("08:00"), 5011).recorded(Kind.PROCESS_BORN, at("10:00"), 5012, line=1)
    gateway.recorded(Kind.FATAL, at("10:00:05"), 5012, line=1, detail="gateway.startup_failed, Error")
    assert windows(gateway)[1].process == "unknown"


def test_a_lock_of_the_same_process_is_no_window() -> None:
    assert len(windows(Gateway().boot(at("08:00"), 5011).recorded(Kind.LOCK_TAKEN, at("10:00"), 5011))) == 1


def test_what_a_process_died_of_is_the_reason_of_its_crash() -> None:
    gateway = logged().crashed(at("10:00"), at("10:04")).recorded(Kind.FATAL, at("10:00:01"), 11, detail="uncaught, E")
    assert windows(gateway)[1].reason == "uncaught, E"
    gateway = Gateway().boot(at("08:00"), 5011).boot(at("10:00:05"), 5012)
    _, window = windows(gateway.recorded(Kind.FATAL, at("09:59"), 5011, detail="uncaught, E"))
    assert (window.reason, window.down_at) == ("uncaught, E", at("09:59"))
    gateway = Gateway().boot(at("08:00"), 5011).boot(at("10:00:05"), 5012)
    _, window = windows(gateway.recorded(Kind.FATAL, at("09:59"), 4000, detail="uncaught, E"))
    assert (window.reason, window.down_at) == (None, at("08:00"))


def test_wishes_on_record_open_no_window_and_tell_the_reason() -> None:
    assert windows(Gateway().recorded(Kind.RESTART_REASON, at("10:00"), detail="update.run")) == ()
    gateway = logged().recorded(Kind.RESTART_REASON, at("09:59"), detail="update.run")
    assert windows(gateway.restarted(at("10:00"), at("10:00:08")))[1].reason == "update.run"


def test_the_service_manager_shows_a_stop_and_a_new_process() -> None:
    gateway = logged().line(Kind.SERVICE_STOPPING, at("10:00")).line(Kind.SERVICE_STOPPED, at("10:00:02"))
    _, window = windows(gateway.line(Kind.SERVICE_STARTED, at("10:00:03")))
    assert bounds(window) == ("signal", "replaced", at("10:00"), at("10:00"), at("10:00:03"), None)


def test_an_exit_without_a_stop_is_a_crash_of_that_moment() -> None:
    gateway = logged().line(Kind.SERVICE_EXITED, at("10:00"), detail="code=killed, status=9/KILL")
    gateway.line(Kind.SERVICE_RESTART, at("10:00:05")).line(Kind.SERVICE_STARTED, at("10:00:05.1"))
    _, window = windows(gateway.started(at("10:00:06")))
    assert bounds(window) == ("crash", "replaced", at("10:00"), at("10:00"), at("10:00:06"), at("10:00:16"))
    assert window.reason == "code=killed, status=9/KILL"


def test_a_run_dies_with_the_process_that_was_seen_to_exit() -> None:
    gateway = logged().line(Kind.SERVICE_EXITED, at("10:00")).row(J, at("09:59"), at("10:09")).run_log(J)
    assert said(found(audited(gateway.copied(at("23:59"))))) == ("interrupted", "strong")


def test_a_scheduled_restart_behind_a_stop_is_supervised() -> None:
    gateway = logged().stopping(at("10:00")).line(Kind.SERVICE_EXITED, at("10:00:01"))
    gateway.line(Kind.SERVICE_RESTART, at("10:00:06")).line(Kind.SERVICE_STARTED, at("10:00:06.1"))
    _, window = windows(gateway)
    assert (window.kind, window.process) == ("supervised", "replaced")


def test_a_start_without_an_exit_before_it_leaves_the_process_unknown() -> None:
    _, window = windows(logged().line(Kind.SERVICE_STARTED, at("10:00")))
    assert (window.kind, window.process) == ("crash", "unknown")


def test_a_start_told_when_the_gateway_is_ready_is_no_second_one() -> None:
    assert len(windows(logged().line(Kind.SERVICE_STARTED, at("00:00:11")))) == 1


def test_the_exit_of_a_second_process_that_was_refused_ends_nothing() -> None:
    gateway = logged().line(Kind.SERVICE_STARTED, at("10:00")).line(Kind.PROCESS_START, at("10:00:01"))
    gateway.line(Kind.START_REFUSED, at("10:00:06")).line(Kind.SERVICE_EXITED, at("10:00:06.5"))
    gateway.line(Kind.SERVICE_STOPPED, at("10:00:07")).row(J, at("09:59"), at("10:09")).run_log(J)
    report = audited(gateway.copied(at("23:59")))
    assert len(report.restarts) == 1
    assert found(report).verdict == "unexplained"


def test_a_start_that_exits_before_it_is_ready_belongs_to_the_window_of_the_next_one() -> None:
    gateway = logged().stopping(at("10:00")).line(Kind.SERVICE_EXITED, at("10:00:01"))
    for moment in ("10:00:06", "10:00:20"):
        gateway.line(Kind.SERVICE_STARTED, at(moment))
        gateway.line(Kind.SERVICE_EXITED, at(moment) + seconds(3))
    _, window = windows(gateway.line(Kind.SERVICE_STARTED, at("10:00:40")).line(Kind.READY, at("10:00:50")))
    assert (window.down_at, window.up_at, window.ready_at) == (at("10:00"), at("10:00:40"), at("10:00:50"))


def test_an_exit_long_after_a_start_without_a_ready_line_is_a_crash() -> None:
    gateway = logged().line(Kind.SERVICE_EXITED, at("10:00")).line(Kind.SERVICE_STARTED, at("10:00:05"))
    _, window, crash = windows(gateway.line(Kind.SERVICE_EXITED, at("12:00")))
    assert (window.ready_at, crash.kind, crash.down_at) == (None, "crash", at("12:00"))


def test_a_window_opened_by_a_whole_second_lies_within_that_second() -> None:
    gateway = logged().line(Kind.SIGNAL_ACTED, at("10:00"), signal="SIGTERM", precision_ms=1000)
    gateway.line(Kind.PROCESS_START, at("10:00:05"), precision_ms=1000)
    _, window = windows(gateway.line(Kind.READY, at("10:00:09"), precision_ms=1000))
    assert bounds(window) == (
        "signal", "replaced", at("10:00"), at("10:00:00.999"), at("10:00:05"), at("10:00:09.999"),
    )  # fmt: skip


def test_a_start_told_precisely_bounds_a_stop_told_in_whole_seconds() -> None:
    gateway = logged().line(Kind.SIGNAL_ACTED, at("10:00"), signal="SIGTERM", precision_ms=1000)
    _, window = windows(gateway.line(Kind.PROCESS_START, at("10:00:00.300")))
    assert (window.down_at_latest, window.up_at) == (at("10:00:00.300"), at("10:00:00.300"))


def test_within_one_second_the_moments_stay_in_order() -> None:
    gateway = logged()
    for kind in (Kind.SIGNAL_ACTED, Kind.PROCESS_START, Kind.READY, Kind.ADMISSION_CLOSED, Kind.STARTING):
        gateway.line(kind, at("10:00"), precision_ms=1000)
    moments: list[datetime] = []
    for window in windows(gateway):
        moments += [m for m in (window.down_at, window.down_at_latest, window.up_at, window.ready_at) if m]
    assert moments == sorted(moments)


@pytest.mark.parametrize(("moment", "down_at"), [("10:00:00.400", "10:00:00.400"), ("10:00:03", "10:00")])
def test_the_same_event_told_precisely_elsewhere_takes_the_precise_moment(moment: str, down_at: str) -> None:
    gateway = logged().line(Kind.SIGNAL_ACTED, at(moment), signal="SIGTERM").started(at("10:00:10"))
    gateway.logged(at("00:00"), at("23:59"), file="journal.txt")
    gateway.line(Kind.SIGNAL_ACTED, at("10:00"), signal="SIGTERM", precision_ms=1000)
    _, window = windows(gateway)
    assert window.down_at == at(down_at)
    assert at("10:00") in [fact.at for fact in window.evidence]


def test_a_window_of_a_log_of_unknown_zone_is_listed_and_proves_nothing() -> None:
    gateway = Gateway().logged(at("00:00"), at("23:59"), zone_is_assumed=True).started(at("00:00"))
    gateway.restarted(at("10:00"), at("10:00:08")).row(J, at("09:59"), at("10:09")).run_log(J)
    report = audited(gateway.copied(at("23:59")))
    assert [(window.process, window.doubt) for window in report.restarts] == [("unknown", durable.UNKNOWN_ZONE)] * 2
    assert found(report).verdict not in ("interrupted", "replayed")
    assert found(report).restart is None


def test_a_log_of_unknown_zone_adds_lines_to_the_windows_of_others_and_moves_none() -> None:
    gateway = logged().restarted(at("10:00"), at("10:00:08"))
    alone = windows(gateway)
    gateway = logged().restarted(at("10:00"), at("10:00:08"))
    gateway.logged(at("00:00"), at("23:59"), file="console.txt", zone_is_assumed=True).stopping(at("09:59:59"))
    gateway.line(Kind.PROCESS_START, at("10:00:07")).stopping(at("15:00"))
    first, window, doubtful = windows(gateway)
    assert [bounds(first), bounds(window)] == [bounds(known) for known in alone]
    assert len(window.evidence) > len(alone[1].evidence)
    assert (doubtful.down_at, doubtful.doubt) == (at("15:00"), durable.UNKNOWN_ZONE)


def real(name: str, *, log: bool = True, boots: bool = True) -> list[dict[str, Any]]:
    """Give the windows of a captured gateway, from its log, its boot table, or both."""
    told = json.loads(DATA.read_text("utf-8"))[name]
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    rows: list[dict[str, Any]] = []
    if log:
        rows += [line | {"source": 0, "at": epoch + timedelta(milliseconds=line["at"])} for line in told["log"]]
    if boots:
        parsed = Parsed(SourceKind.TASK_REGISTRY, "test")
        for number, boot in enumerate(told["boots"], 1):
            rows += [row | {"source": 1} for row in boot_rows(boot, number, parsed)]
    first, last = (epoch + timedelta(milliseconds=told[key]) for key in ("first_at", "last_at"))
    source = {"id": 0, "kind": "gateway_log", "gateway": "g", "first_at": first, "last_at": last}
    lifecycle = frame_of([row | {"gateway": "g"} for row in rows], LIFECYCLE)
    found_windows, _ = find_restarts(lifecycle, NO_RUNS, Policy(), frame_of([source] if log else [], SOURCES))
    return found_windows.to_dicts()


BOUNDS = ("kind", "process", "gone", "down_at", "down_at_latest", "up_at", "ready_at")


@pytest.mark.parametrize("name", ["2026.7.35", "2026.9.6"])
def test_real_boots_agree_with_the_real_log(name: str) -> None:
    together, alone = real(name), real(name, boots=False)
    assert [[window[key] for key in BOUNDS] for window in together] == [
        [window[key] for key in BOUNDS] for window in alone
    ]
    assert [window["doubt"] for window in together] == [None] * 5
    assert [window["pid_after"] for window in together][:2] == [together[0]["pid_after"]] * 2


@pytest.mark.parametrize("name", ["2026.7.35", "2026.9.6"])
def test_real_boots_alone_tell_the_windows_of_the_log(name: str) -> None:
    alone, told = real(name, log=False), real(name, boots=False)
    assert [window["kind"] for window in alone] == ["start", "in_process", "signal", "crash", "signal"]
    assert [window["process"] for window in alone] == ["unknown", "kept", "replaced", "replaced", "unknown"]
    assert [window["gone"] for window in alone] == [False, False, True, False, True]
    for boot, logged_window in zip(alone, told, strict=True):
        assert logged_window["down_at"] <= boot["down_at_latest"]
        if boot["up_at"] is not None:
            assert logged_window["down_at"] <= boot["up_at"] <= logged_window["ready_at"]
        assert boot["ready_at"] is None
