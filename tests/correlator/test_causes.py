"""Why was the row marked? The first cause that holds, with its exact boundaries."""

from __future__ import annotations

import pytest

from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, epoch_ms, finding_of, found, seconds

S = at("10:00")


def cause(gateway: Gateway) -> str:
    return finding_of(gateway).cause.value


def marked(mark: float, gateway: Gateway | None = None) -> Gateway:
    """A row whose mark lies so many seconds after 10:10, where a restart begins."""
    return (gateway or a_day()).row(J, S, at("10:10") + seconds(mark))


@pytest.mark.parametrize(
    ("mark", "expected"),
    [(400, "restart"), (0, "restart"), (-5, "restart"), (-5.001, "no_restart"), (-300, "no_restart")],
)
def test_a_seen_stop_explains_marks_from_five_seconds_before_it(mark: float, expected: str) -> None:
    assert cause(marked(mark).restarted(at("10:10"), at("10:10:03"))) == expected
    assert cause(marked(mark).reloaded(at("10:10"), at("10:10:30"))) == expected


@pytest.mark.parametrize(
    ("mark", "expected"), [(400, "restart"), (-13, "restart"), (-60, "restart"), (-60.001, "no_restart")]
)
def test_a_start_without_a_stop_explains_marks_from_a_minute_before_the_start_line(mark: float, expected: str) -> None:
    assert cause(marked(mark).crashed(at("10:08"), at("10:10"))) == expected
    assert cause(marked(mark, Gateway().logged(at("09:00"), at("23:59"))).started(at("10:10"))) == expected


def test_a_window_that_was_ready_when_the_run_started_does_not_explain_its_mark() -> None:
    gateway = a_day().crashed(at("09:50"), at("09:59:50"), ready=10).row(J, S, at("10:10"))
    assert cause(gateway) == "no_restart"
    gateway = a_day().crashed(at("09:50"), at("09:59:50"), ready=10.001).row(J, S, at("10:10"))
    assert cause(gateway) == "restart"


def test_a_restart_long_after_the_mark_does_not_explain_it() -> None:
    assert cause(marked(0).crashed(at("11:00"), at("11:01"))) == "no_restart"


def test_a_window_that_never_closed_explains_later_marks() -> None:
    assert cause(marked(60).stopping(at("10:10"))) == "restart"
    unready = marked(60).line(LifecycleKind.PROCESS_START, at("10:10"))
    assert cause(unready.line(LifecycleKind.CRON_STARTED, at("10:10:20")).started(at("12:00"))) == "restart"


def test_the_restart_of_another_gateway_explains_nothing() -> None:
    report = audited(marked(0), a_day("other").restarted(at("10:10"), at("10:10:03")))
    assert found(report).cause == "no_restart"


def test_a_row_lost_only_in_an_export_is_a_projection_whatever_else_holds() -> None:
    gateway = a_day().row(J, S, at("10:12"), projected=True, registry="export", run_id=f"manual:{J}:1:1")
    finding = finding_of(gateway.restarted(at("10:10"), at("10:10:03")).record(J, S))
    assert (finding.cause, finding.verdict, finding.projected) == ("projection", "false_lost", True)
    assert finding.correction is not None


def caught_up(start: str = "10:10:40", mark: str = "10:16") -> Gateway:
    gateway = a_day().restarted(at("10:10"), at("10:10:03"), cron=900).missed(at("10:10:14"), J, K)
    return gateway.row(J, at(start), at(mark))


def test_the_first_run_after_the_line_that_names_it_is_a_catch_up() -> None:
    finding = finding_of(caught_up())
    assert finding.cause == "catch_up"
    assert [fact.at for fact in finding.evidence if fact.role == "catch_up"] == [at("10:10:14")]


def test_a_later_run_of_a_job_that_was_caught_up_is_none() -> None:
    gateway = caught_up("10:14").succeeded(J, at("10:10:40"), at("10:11"), task_id="first")
    assert cause(gateway) == "no_restart"


def test_a_run_after_the_scheduler_started_is_no_catch_up() -> None:
    assert cause(caught_up("10:25:03", "10:31")) == "no_restart"
    assert cause(caught_up("10:25:02.999", "10:31")) == "catch_up"


def test_a_run_before_the_line_or_of_a_job_it_does_not_name_is_no_catch_up() -> None:
    before = a_day().row(J, at("10:10:13.500"), at("10:16")).missed(at("10:10:14"), J)
    other = a_day().row(J, at("10:10:40"), at("10:16")).missed(at("10:10:14"), K)
    assert cause(before) == cause(other) == "no_restart"


def test_a_deferred_job_is_run_by_the_timer_and_is_no_catch_up() -> None:
    gateway = a_day().row(J, at("10:12"), at("10:18")).missed(at("10:10:14"), J, kind=LifecycleKind.DEFERRED_JOB)
    assert cause(gateway) == "no_restart"


def test_a_restart_comes_before_a_catch_up_and_a_catch_up_before_a_manual_run() -> None:
    start = at("10:10:40")
    manual = f"manual:{J}:{epoch_ms(start)}:1"
    both = a_day().missed(at("10:10:14"), J).row(J, start, at("10:16"), run_id=manual)
    assert cause(both) == "catch_up"
    assert cause(both.crashed(at("10:12"), at("10:13"))) == "restart"


def test_a_manual_run_is_told_by_the_run_id_of_its_row_or_of_its_record() -> None:
    manual = f"manual:{J}:{epoch_ms(S)}:1"
    by_row = a_day().row(J, S, at("10:06"), run_id=manual)
    by_record = a_day().row(J, S, at("10:06")).record(J, S, run_id=manual)
    assert cause(by_row) == cause(by_record) == "manual_run"
    assert cause(a_day().row(J, S, at("10:06")).record(J, S, run_id="-")) == "no_restart"


def test_a_manual_run_needs_no_gateway_log() -> None:
    assert cause(Gateway().row(J, S, at("10:06"), run_id=f"manual:{J}:1:1")) == "manual_run"


def test_no_restart_is_said_only_where_the_log_covers_start_and_mark() -> None:
    def log(first: str, last: str) -> Gateway:
        return Gateway().logged(at(first), at(last)).row(J, S, at("10:06"))

    assert cause(log("10:00", "10:06")) == "no_restart"
    assert cause(log("10:00:00.001", "10:06")) == "unknown"
    assert cause(log("10:00", "10:05:59.999")) == "unknown"
    assert cause(Gateway().row(J, S, at("10:06"))) == "unknown"


def test_no_restart_is_not_said_across_a_hole() -> None:
    gateway = Gateway().logged(at("09:00"), at("10:02"), file="a").logged(at("09:00", 2), at("11:00", 2), file="b")
    assert cause(gateway.row(J, S, at("10:00", 2))) == "unknown"


def test_a_row_without_a_mark_has_no_cause() -> None:
    assert cause(a_day().row(J, S, None).restarted(at("10:10"), at("10:10:03"))) == "unknown"


def test_the_restart_of_the_mark_is_named_with_a_finding_that_did_not_die_of_it() -> None:
    finding = finding_of(marked(60).reloaded(at("10:10"), at("10:10:30")).record(J, S, duration=1000))
    assert (finding.verdict, finding.restart) == ("false_lost", "R2")


def test_a_finding_names_the_restart_of_the_death_before_that_of_the_mark() -> None:
    gateway = a_day().row(J, S, at("10:30")).reloaded(at("10:04"), at("10:04:30")).crashed(at("10:09"), at("10:10"))
    finding = finding_of(gateway)
    assert (finding.verdict, finding.cause, finding.restart) == ("interrupted", "restart", "R3")


def shown(start: str, ready: str = "09:59:50", first: str = "00:00") -> Gateway:
    """A row marked in a process whose start only a console shows."""
    gateway = Gateway().shown(at(first), at("23:59")).copied(at("23:59")).row(J, at(start), at(start) + seconds(330))
    return gateway.stopping(at(ready) - seconds(10)).started(at(ready) - seconds(5), ready=5, cron=None)


def test_a_console_does_not_tell_a_catch_up_from_another_run() -> None:
    assert cause(shown("10:00")) == "unknown"
    assert cause(shown("11:59:50")) == "unknown"
    assert cause(shown("11:59:50.001")) == "no_restart"


def test_a_later_run_of_the_process_is_no_catch_up_whatever_the_console_leaves_out() -> None:
    gateway = shown("10:30").succeeded(J, at("10:00"), at("10:01"), task_id="first")
    assert cause(gateway) == "no_restart"
    before = shown("10:30").succeeded(J, at("09:59:44.999"), at("10:01"), task_id="first")
    assert cause(before) == "unknown"


def test_a_console_without_a_start_of_the_process_says_no_restart() -> None:
    gateway = Gateway().shown(at("09:00"), at("23:59")).row(J, S, at("10:06"))
    assert cause(gateway) == "no_restart"


def test_a_file_log_beside_the_console_shows_that_a_run_was_no_catch_up() -> None:
    assert cause(shown("10:00").logged(at("09:59:45"), at("10:00"))) == "no_restart"
    assert cause(shown("10:00").logged(at("09:59:45.001"), at("23:59"))) == "unknown"
    assert cause(shown("10:00").logged(at("09:00"), at("09:59:59.999"))) == "unknown"


def test_a_manual_run_after_a_restart_that_only_a_console_shows_is_one() -> None:
    gateway = shown("10:00").record(J, S, run_id=f"manual:{J}:{epoch_ms(S)}:1")
    assert cause(gateway) == "manual_run"
