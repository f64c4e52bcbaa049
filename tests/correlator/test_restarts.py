"""Restart windows: when each begins and ends, what became of the process, and what is no restart."""

from __future__ import annotations

from datetime import datetime

import pytest

from forensics.model.finding import Restart
from forensics.model.verdicts import LifecycleKind as Kind
from tests.support.scenario import Gateway, J, a_day, at, audited, found, said, seconds


def log() -> Gateway:
    return Gateway().logged(at("00:00"), at("23:59"))


def windows(gateway: Gateway) -> tuple[Restart, ...]:
    return audited(gateway.copied(at("23:59"))).restarts


def only(gateway: Gateway) -> Restart:
    (window,) = windows(gateway)
    return window


def second(gateway: Gateway) -> Restart:
    """Give the window behind the start at the beginning of the log."""
    first, window = windows(gateway)
    assert first.id == "R1"
    assert window.id == "R2"
    return window


def up() -> Gateway:
    return log().started(at("00:00"))


def texts(window: Restart) -> list[str]:
    return [fact.text for fact in window.evidence]


def test_a_start_at_the_beginning_of_the_log_is_a_window_of_its_own_kind() -> None:
    window = only(up())
    assert (window.kind, window.process) == ("start", "replaced")
    assert window.down_at == window.down_at_latest == window.up_at == at("00:00")
    assert window.ready_at == at("00:00:10")


def test_a_signal_restart_goes_from_the_signal_to_ready() -> None:
    window = second(up().restarted(at("10:00"), at("10:00:03"), ready=5))
    assert (window.kind, window.process) == ("signal", "replaced")
    assert window.down_at == window.down_at_latest == at("10:00")
    assert (window.up_at, window.ready_at) == (at("10:00:03"), at("10:00:08"))
    assert window.reason == "SIGTERM"


def test_cron_started_does_not_close_a_window() -> None:
    window = second(up().restarted(at("10:00"), at("10:00:03"), ready=5, cron=720))
    assert window.ready_at == at("10:00:08")


def deferred(gap: float) -> Restart:
    gateway = up().line(Kind.SIGNAL_RECEIVED, at("10:00"), signal="SIGUSR1")
    gateway.line(Kind.RESTART_DEFERRED, at("10:00:30"))
    return second(gateway.stopping(at("10:00") + seconds(gap), "SIGUSR1").started(at("10:06")))


@pytest.mark.parametrize("gap", [8, 300])
def test_of_two_signals_the_one_acted_on_counts(gap: float) -> None:
    window = deferred(gap)
    assert window.down_at == window.down_at_latest == at("10:00") + seconds(gap)


def test_a_signal_long_before_it_is_acted_on_is_not_the_down_time() -> None:
    gateway = up().line(Kind.SIGNAL_RECEIVED, at("10:00"), signal="SIGTERM")
    near = second(gateway.line(Kind.SIGNAL_ACTED, at("10:00:05"), signal="SIGTERM").started(at("10:01")))
    gateway = up().line(Kind.SIGNAL_RECEIVED, at("10:00"), signal="SIGTERM")
    far = second(gateway.line(Kind.SIGNAL_ACTED, at("10:00:05.001"), signal="SIGTERM").started(at("10:01")))
    assert (near.down_at, far.down_at) == (at("10:00"), at("10:00:05.001"))


def test_another_signal_than_the_one_acted_on_is_not_the_down_time() -> None:
    gateway = up().line(Kind.SIGNAL_RECEIVED, at("10:00"), signal="SIGINT")
    window = second(gateway.line(Kind.SIGNAL_ACTED, at("10:00:01"), signal="SIGTERM").started(at("10:01")))
    assert window.down_at == at("10:00:01")


@pytest.mark.parametrize(
    "kind", [Kind.SIGNAL_IGNORED, Kind.SIGNAL_RECEIVED, Kind.RESTART_REASON, Kind.RESTART_DEFERRED]
)
def test_ignored_signals_wishes_and_deferrals_open_no_window(kind: Kind) -> None:
    assert len(windows(up().line(kind, at("10:00"), signal="SIGUSR1"))) == 1


def test_a_signal_ignored_during_shutdown_changes_nothing() -> None:
    gateway = up().stopping(at("10:00")).line(Kind.SIGNAL_IGNORED, at("10:00:01"), signal="SIGTERM")
    assert second(gateway.started(at("10:00:03"))).down_at == at("10:00")


def test_a_repeated_signal_within_one_going_down_is_one_window() -> None:
    gateway = up().stopping(at("10:00"), "SIGUSR1").stopping(at("10:00:02"), "SIGUSR1").started(at("10:00:05"))
    assert second(gateway).down_at == at("10:00")


@pytest.mark.parametrize("kind", [Kind.ADMISSION_CLOSED, Kind.DRAIN_STARTED, Kind.SHUTDOWN_STARTED])
def test_without_signal_lines_the_first_sign_of_going_down_opens_the_window(kind: Kind) -> None:
    window = second(up().line(kind, at("10:00")).line(Kind.SHUTDOWN_STARTED, at("10:00:09")).started(at("10:00:20")))
    assert (window.kind, window.down_at) == ("signal", at("10:00"))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(Kind.MODE_SUPERVISED, "supervised"), (Kind.MODE_FULL, "signal"), (Kind.MODE_IN_PROCESS, "in_process")],
)
def test_a_restart_of_which_only_the_mode_was_logged_begins_there_and_is_of_that_mode(mode: Kind, kind: str) -> None:
    gateway = up().line(mode, at("10:00"), pid=16084 if mode is Kind.MODE_FULL else None)
    kept = mode is Kind.MODE_IN_PROCESS
    gateway.line(Kind.HTTP_STARTING if kept else Kind.PROCESS_START, at("10:00:02")).line(Kind.READY, at("10:00:09"))
    window = second(gateway)
    assert (window.kind, window.process) == (kind, "kept" if kept else "replaced")
    assert window.down_at == window.down_at_latest == at("10:00")
    assert (window.up_at, window.ready_at) == (at("10:00:02"), at("10:00:09"))


def test_a_drain_that_timed_out_is_a_sign_of_going_down() -> None:
    restarting = "[gateway] drain timeout reached; proceeding with restart"
    gateway = up().line(Kind.DRAIN_TIMEOUT, at("10:00"), raw=restarting).line(Kind.MODE_SUPERVISED, at("10:00:01"))
    window = second(gateway.started(at("10:00:05")))
    assert (window.kind, window.process, window.drain) == ("supervised", "replaced", "timeout")
    assert window.down_at == at("10:00")
    gateway = up().line(Kind.DRAIN_TIMEOUT, at("10:00"), raw=restarting).line(Kind.HTTP_STARTING, at("10:00:01"))
    window = second(gateway.line(Kind.READY, at("10:00:02")))
    assert (window.kind, window.process, window.drain) == ("in_process", "kept", "timeout")


def test_a_completed_shutdown_is_a_sign_of_going_down_and_alone_does_not_tell_a_stop_from_a_restart() -> None:
    gateway = up().line(Kind.SHUTDOWN_COMPLETED, at("10:00")).line(Kind.HTTP_STARTING, at("10:00:01"))
    window = second(gateway.line(Kind.READY, at("10:00:02")))
    assert (window.down_at, window.process) == (at("10:00"), "unknown")
    gateway = up().line(Kind.SHUTDOWN_COMPLETED, at("10:00")).line(Kind.MODE_IN_PROCESS, at("10:00:01"))
    window = second(gateway.line(Kind.HTTP_STARTING, at("10:00:02")).line(Kind.READY, at("10:00:03")))
    assert (window.kind, window.process, window.down_at) == ("in_process", "kept", at("10:00"))


@pytest.mark.parametrize("kind", [Kind.MODE_SUPERVISED, Kind.DRAIN_TIMEOUT, Kind.SHUTDOWN_COMPLETED])
@pytest.mark.parametrize(("gap", "down"), [(5, "10:00"), (5.001, "10:00:05.001")])
def test_a_signal_right_before_such_a_line_was_acted_on(kind: Kind, gap: float, down: str) -> None:
    gateway = up().line(Kind.SIGNAL_RECEIVED, at("10:00"), signal="SIGTERM").line(kind, at("10:00") + seconds(gap))
    window = second(gateway.started(at("10:01")))
    assert (window.down_at, window.reason) == (at(down), "SIGTERM" if gap == 5 else None)


@pytest.mark.parametrize("kind", [Kind.MODE_IN_PROCESS, Kind.DRAIN_TIMEOUT, Kind.SHUTDOWN_COMPLETED])
@pytest.mark.parametrize(("gap", "count"), [(0.1, 2), (2, 2), (2.001, 3)])
def test_a_line_out_of_order_behind_ready_opens_no_second_window(kind: Kind, gap: float, count: int) -> None:
    gateway = up().reloaded(at("10:00"), at("10:00:30"), ready=5, cron=None)
    gateway.logged(at("00:00"), at("23:59"), file="console.log")
    assert len(windows(gateway.line(kind, at("10:00:35") + seconds(gap), detail="as the console words it"))) == count


@pytest.mark.parametrize("ahead", [-0.1, 0.1, 1.5])
def test_a_mode_told_by_another_source_than_the_signal_is_of_the_same_window(ahead: float) -> None:
    gateway = up().line(Kind.SIGNAL_ACTED, at("10:00:00.100"), signal="SIGUSR1")
    gateway.line(Kind.PROCESS_START, at("10:00:03")).line(Kind.READY, at("10:00:09"))
    gateway.logged(at("00:00"), at("23:59"), file="console.log")
    window = second(gateway.line(Kind.MODE_SUPERVISED, at("10:00:00.100") + seconds(ahead)))
    assert (window.kind, window.process) == ("supervised", "replaced")
    assert (window.down_at, window.ready_at) == (at("10:00:00.100") + seconds(min(ahead, 0)), at("10:00:09"))


def test_a_mode_that_two_sources_tell_is_one_line_with_two_references() -> None:
    gateway = up().line(Kind.MODE_SUPERVISED, at("10:00")).started(at("10:00:05"))
    gateway.logged(at("00:00"), at("23:59"), file="console.log").line(Kind.MODE_SUPERVISED, at("10:00:00.080"))
    window = second(gateway)
    assert window.down_at == at("10:00")
    assert len({fact.source for fact in window.evidence if fact.text == "[gateway] mode_supervised"}) == 2


def test_the_mode_of_an_update_is_written_when_its_successor_answers_and_opens_no_window() -> None:
    mode = "[gateway] restart mode: update process respawn (spawned pid 16084)"
    gateway = up().restarted(at("10:00"), at("10:00:03"), ready=5)
    assert len(windows(gateway.line(Kind.MODE_FULL, at("10:00:13"), pid=16084, raw=mode))) == 2


def test_a_start_that_fails_and_shuts_down_is_no_other_restart_until_it_has_served() -> None:
    failing = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.SHUTDOWN_COMPLETED, at("10:00:30"))
    assert len(windows(failing.started(at("10:01")))) == 2
    served = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.CRON_STARTED, at("10:00:20"))
    *_, last = windows(served.line(Kind.MODE_SUPERVISED, at("11:00")).started(at("11:00:05")))
    assert (last.id, last.kind, last.down_at) == ("R3", "supervised", at("11:00"))


def test_the_reason_is_the_wish_to_restart_that_was_logged_before() -> None:
    gateway = up().line(Kind.RESTART_REASON, at("09:45:00.002"), detail="gateway.port")
    assert second(gateway.restarted(at("10:00"), at("10:00:03"))).reason == "gateway.port"
    gateway = up().line(Kind.RESTART_REASON, at("09:44:59"), detail="gateway.port")
    assert second(gateway.restarted(at("10:00"), at("10:00:03"))).reason == "SIGTERM"


def test_an_in_process_restart_keeps_the_process() -> None:
    window = second(up().reloaded(at("10:00"), at("10:00:30"), ready=5))
    assert (window.kind, window.process, window.drain) == ("in_process", "kept", "timeout")
    assert (window.down_at, window.up_at, window.ready_at) == (at("10:00"), at("10:00:30"), at("10:00:35"))


def test_an_in_process_restart_without_its_mode_line_is_told_by_the_missing_start() -> None:
    acted = "[gateway] received SIGUSR1; restarting"
    gateway = up().line(Kind.SIGNAL_ACTED, at("10:00"), signal="SIGUSR1", raw=acted)
    gateway.line(Kind.HTTP_STARTING, at("10:00:01")).line(Kind.READY, at("10:00:02"))
    assert (second(gateway).kind, second(gateway).process) == ("in_process", "kept")


def test_a_stop_that_is_followed_by_serving_without_a_start_leaves_the_process_unknown() -> None:
    gateway = up().stopping(at("10:00")).line(Kind.HTTP_STARTING, at("10:00:01")).line(Kind.READY, at("10:00:02"))
    assert second(gateway).process == "unknown"


def test_a_spawned_process_is_named_with_its_pid() -> None:
    gateway = up().stopping(at("10:00"), "SIGUSR1").line(Kind.MODE_FULL, at("10:00:01"), pid=16084)
    window = second(gateway.started(at("10:00:02")))
    assert (window.kind, window.process, window.pid_after) == ("signal", "replaced", 16084)


def test_a_supervised_restart_replaces_the_process() -> None:
    gateway = up().stopping(at("10:00")).line(Kind.MODE_SUPERVISED, at("10:00:01")).started(at("10:00:02"))
    assert (second(gateway).kind, second(gateway).process) == ("supervised", "replaced")


def test_a_fall_back_to_an_in_process_restart_keeps_the_process() -> None:
    gateway = up().stopping(at("10:00"), "SIGUSR1").line(Kind.MODE_FULL, at("10:00:01"), pid=7)
    gateway.line(Kind.MODE_IN_PROCESS, at("10:00:02")).line(Kind.HTTP_STARTING, at("10:00:03"))
    assert second(gateway.line(Kind.READY, at("10:00:04"))).process == "kept"


def test_pids_of_listening_lines_are_those_before_and_after() -> None:
    gateway = log()
    for moment, pid in (("08:00", 11), ("09:00", 12)):
        gateway.line(Kind.PROCESS_START, at(moment)).line(Kind.READY, at(moment) + seconds(3), pid=pid)
    assert (second(gateway).pid_before, second(gateway).pid_after) == (11, 12)


def test_a_process_start_without_a_stop_is_a_crash_of_unknown_moment() -> None:
    window = second(up().crashed(at("10:00"), at("10:04")))
    assert (window.kind, window.process) == ("crash", "replaced")
    assert (window.down_at, window.down_at_latest, window.up_at) == (at("10:00"), at("10:04"), at("10:04"))


def test_a_crash_lies_not_before_the_start_of_a_row_of_the_old_process() -> None:
    gateway = up().running(J, at("10:02"), task_id="row")
    assert second(gateway.crashed(at("10:00"), at("10:04"))).down_at == at("10:02")


def test_a_crash_lies_not_before_a_record_of_the_old_process() -> None:
    gateway = up().record(J, at("10:01"), duration=60, written=at("10:03"))
    assert second(gateway.crashed(at("10:00"), at("10:04"))).down_at == at("10:03")


def test_what_the_new_process_did_says_nothing_about_the_crash() -> None:
    gateway = up().running(J, at("10:04:30"), task_id="row").record(J, at("10:05"))
    assert second(gateway.crashed(at("10:00"), at("10:04"))).down_at == at("10:00")


def test_what_another_gateway_did_says_nothing_about_the_crash() -> None:
    report = audited(up().crashed(at("10:00"), at("10:04")), Gateway("other").running(J, at("10:02"), task_id="row"))
    assert report.restarts[1].down_at == at("10:00")


def test_a_crash_lies_not_before_the_last_window_was_over() -> None:
    assert second(up().crashed(at("00:00:05"), at("10:04"))).down_at == at("00:00:10")


def test_the_last_line_before_one_start_says_nothing_about_a_later_crash() -> None:
    gateway = up().crashed(at("10:00"), at("10:04")).started(at("12:00"))
    *_, third = windows(gateway)
    assert third.kind == "crash"
    assert (third.down_at, third.down_at_latest) == (at("12:00"), at("12:00"))


def test_an_uncaught_exception_is_the_reason_of_a_crash() -> None:
    gateway = up().line(Kind.LAST_LINE, at("10:00")).line(Kind.CRASH, at("10:00:01"), detail="Uncaught exception: boom")
    assert second(gateway.started(at("10:04"))).reason == "Uncaught exception: boom"


@pytest.mark.parametrize("refused", [0.5, 120])
def test_a_second_process_that_finds_the_gateway_running_is_no_restart(refused: float) -> None:
    gateway = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.STARTING, at("10:00:00.100"))
    assert len(windows(gateway.line(Kind.START_REFUSED, at("10:00") + seconds(refused)))) == 1


def test_a_refusal_long_after_a_start_is_not_of_that_start() -> None:
    gateway = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.START_REFUSED, at("10:02:00.001"))
    assert len(windows(gateway)) == 2


def test_a_refusal_takes_only_the_start_of_its_own_process_back() -> None:
    gateway = up().stopping(at("10:00")).line(Kind.PROCESS_START, at("10:00:03"))
    gateway.line(Kind.PROCESS_START, at("10:00:05")).line(Kind.START_REFUSED, at("10:00:06"))
    window = second(gateway.line(Kind.READY, at("10:00:09")))
    assert (window.up_at, window.ready_at) == (at("10:00:03"), at("10:00:09"))


def test_a_refused_start_that_a_second_source_tells_without_the_refusal_is_no_restart_either() -> None:
    gateway = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.START_REFUSED, at("10:00:06"))
    gateway.logged(at("00:00"), at("23:59"), file="console.log").line(Kind.PROCESS_START, at("10:00:00.080"))
    assert len(windows(gateway)) == 1


def told_twice(gap: float) -> tuple[Restart, ...]:
    gateway = up().stopping(at("10:00")).started(at("10:00:10"))
    gateway.logged(at("00:00"), at("23:59"), file="console.log")
    return windows(gateway.line(Kind.READY, at("10:00:20") + seconds(gap)).line(Kind.SIGNAL_ACTED, at("10:00:00.003"),
                                                                              signal="SIGTERM"))  # fmt: skip


def test_the_same_message_of_two_sources_within_two_seconds_is_one_event_with_two_references() -> None:
    first, window = told_twice(0.1)
    assert first.id == "R1"
    ready = [fact for fact in window.evidence if fact.text.startswith("[gateway] ready")]
    assert [fact.at for fact in ready] == [at("10:00:20"), at("10:00:20.100")]
    assert len({fact.source for fact in ready}) == 2
    assert window.down_at == at("10:00")


def test_the_start_of_one_process_told_by_two_sources_is_one_start() -> None:
    gateway = up().crashed(at("09:59"), at("10:00")).logged(at("00:00"), at("23:59"), file="console.log")
    assert len(windows(gateway.line(Kind.PROCESS_START, at("10:00:02")))) == 2


def test_the_same_message_of_one_source_twice_is_two_events() -> None:
    gateway = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.READY, at("10:00:00.500"))
    gateway.line(Kind.PROCESS_START, at("10:00:01")).line(Kind.READY, at("10:00:01.500"))
    assert len(windows(gateway)) == 3


def test_a_window_that_is_never_closed_is_still_a_window() -> None:
    window = second(up().stopping(at("10:00")))
    assert (window.up_at, window.ready_at, window.process) == (None, None, "unknown")


def test_a_start_whose_ready_line_is_missing_ends_where_the_next_process_starts_if_it_was_at_work() -> None:
    gateway = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.CRON_STARTED, at("10:00:11"))
    _, unready, crash = windows(gateway.started(at("12:00")))
    assert unready.ready_at is None
    assert (crash.kind, crash.ready_at) == ("crash", at("12:00:10"))


def test_of_several_starts_before_ready_the_last_is_that_of_the_new_process() -> None:
    gateway = up().crashed(at("09:59"), at("10:00"), ready=300, cron=None).line(Kind.PROCESS_START, at("10:02"))
    window = second(gateway)
    assert (window.down_at_latest, window.up_at, window.ready_at) == (at("10:02"), at("10:02"), at("10:05"))


def test_a_start_behind_an_in_process_restart_that_never_got_ready_replaces_the_process() -> None:
    gateway = up().line(Kind.SIGNAL_ACTED, at("10:00"), signal="SIGUSR1", raw="received SIGUSR1; restarting")
    gateway.line(Kind.MODE_IN_PROCESS, at("10:00:01")).line(Kind.HTTP_STARTING, at("10:00:02"))
    window = second(gateway.started(at("10:01")))
    assert (window.process, window.up_at) == ("replaced", at("10:01"))


def test_a_stop_while_starting_opens_a_window_of_its_own() -> None:
    gateway = up().line(Kind.PROCESS_START, at("10:00")).line(Kind.ADMISSION_CLOSED, at("11:00"))
    _, unready, stopped = windows(gateway.started(at("11:00:05")))
    assert (unready.up_at, unready.ready_at) == (at("10:00"), None)
    assert (stopped.down_at, stopped.up_at) == (at("11:00"), at("11:00:05"))


def test_a_window_never_begins_before_the_one_before_it_is_over() -> None:
    gateway = log().line(Kind.PROCESS_START, at("10:00")).line(Kind.SIGNAL_RECEIVED, at("10:00:01"), signal="SIGTERM")
    gateway.line(Kind.READY, at("10:00:02")).line(Kind.SIGNAL_ACTED, at("10:00:03"), signal="SIGTERM")
    first, then = windows(gateway.started(at("10:00:05")))
    assert (first.ready_at, then.down_at) == (at("10:00:02"), at("10:00:02"))


def test_a_second_ready_line_is_no_restart() -> None:
    assert len(windows(up().line(Kind.READY, at("10:00")))) == 1


def test_a_log_that_begins_with_ready_has_a_window_of_unknown_process() -> None:
    assert only(log().line(Kind.READY, at("10:00"))).process == "unknown"


def test_windows_are_numbered_in_time_order_for_each_gateway() -> None:
    one = up().restarted(at("10:00"), at("10:00:03")).crashed(at("12:00"), at("12:01"))
    two = Gateway("two").logged(at("00:00"), at("23:59")).started(at("08:00"))
    report = audited(one, two)
    assert [(window.gateway, window.id) for window in report.restarts] == [
        ("gateway", "R1"), ("gateway", "R2"), ("gateway", "R3"), ("two", "R1"),
    ]  # fmt: skip


def test_lines_of_no_gateway_make_no_windows() -> None:
    assert windows(log().line(Kind.PROCESS_START, at("10:00"), gateway=None)) == ()


def test_a_clock_that_steps_back_over_a_restart_leaves_windows_in_order() -> None:
    gateway = a_day().row(J, at("09:50"), at("10:20")).stopping(at("10:00:30")).started(at("09:59:40"))
    report = audited(gateway)
    moments: list[datetime] = []
    for window in report.restarts:
        moments += [m for m in (window.down_at, window.down_at_latest, window.up_at, window.ready_at) if m]
    assert moments == sorted(moments)
    assert said(found(report)) == ("interrupted", "strong")


def test_every_window_rests_on_the_lines_that_show_it() -> None:
    window = second(up().reloaded(at("10:00"), at("10:00:30")))
    assert [text.split("] ")[1] for text in texts(window)] == [
        "signal_received", "received SIGUSR1; restarting", "drain_started", "drain_timeout", "mode_in_process",
        "http_starting", "ready (0 plugins, 0.6s)",
    ]  # fmt: skip
    assert all(fact.source is not None and fact.line for fact in window.evidence)
