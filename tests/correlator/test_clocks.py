"""A clock that is off is told, and what is closer together than that is not put in order."""

from __future__ import annotations

import pytest

from forensics.model.finding import Report
from forensics.model.verdicts import LifecycleKind as Kind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, found, said, seconds


def notices(report: Report) -> list[tuple[int, str]]:
    rows = report.notices.filter(report.notices["code"] == "clock_off").select("line", "message").rows()
    return [(line, message) for line, message in rows]


def restarted_beside_a_record(log_off_by: float) -> Gateway:
    """A restart whose log bears a clock that is off: the record of the interrupted run was written at 10:00:20.2."""
    gateway = a_day().job().job(K).run_log(K)
    gateway.row(K, at("09:55"), at("10:05"), task_id="marked").interrupted(K, at("09:55"), at("10:00:20.200"))
    off = seconds(log_off_by)
    gateway.restarted(at("10:00") + off, at("10:00:10") + off)
    return gateway.marker(K, at("09:55"), at("10:00:20") + off, kind=Kind.MARKER_INTERRUPTED)


@pytest.mark.parametrize("off", [-59.0, -6.6, 0.0, 0.9])
def test_lines_that_are_as_late_as_they_may_be_say_nothing_of_the_clock(off: float) -> None:
    report = audited(restarted_beside_a_record(off))
    assert notices(report) == []
    assert {restart.slack_ms for restart in report.restarts} == {0}


@pytest.mark.parametrize(
    ("off", "told", "slack_ms"),
    [
        (-90.0, "its clock is behind the gateway's by 30.2 s at least", 91_200),
        (75.0, "its clock is ahead of the gateway's by 73.8 s at least", 134_800),
    ],
)
def test_a_log_whose_marker_is_far_from_the_record_it_announces_bears_another_clock(
    off: float, told: str, slack_ms: int
) -> None:
    report = audited(restarted_beside_a_record(off))
    ((line, message),) = notices(report)
    assert message.startswith(told)
    assert line is not None
    assert report.restarts[-1].slack_ms == slack_ms


def test_a_row_that_starts_closer_to_the_restart_than_the_clocks_are_apart_is_withheld() -> None:
    for off, verdict in ((0.0, ("interrupted", "strong")), (75.0, ("undetermined", None))):
        gateway = restarted_beside_a_record(off).row(J, at("09:59:50"), at("10:05")).copied(at("15:00"))
        finding = found(audited(gateway))
        assert said(finding) == verdict
        assert ("clock_off" in finding.reasons) == (verdict[0] == "undetermined")


def test_a_row_that_starts_long_before_the_restart_is_judged_all_the_same() -> None:
    gateway = restarted_beside_a_record(75.0).row(J, at("09:40"), at("10:05")).copied(at("15:00"))
    assert said(found(audited(gateway))) == ("interrupted", "strong")


def test_a_line_before_the_start_that_it_names_is_of_a_clock_that_is_behind_nobody_knows_how_far() -> None:
    gateway = a_day().job().row(J, at("09:59:50"), at("10:05")).restarted(at("09:59"), at("09:59:10"))
    gateway.marker(J, at("09:59:50"), at("09:59:20")).copied(at("15:00"))
    report = audited(gateway)
    ((_, message),) = notices(report)
    assert message.startswith("its clock is behind the gateway's by 30.0 s at least")
    window = report.restarts[-1]
    assert (window.process, window.doubt) == ("unknown", "told only by logs whose clock or time zone is unknown")
    assert found(report).verdict == "undetermined"


def test_a_record_written_before_the_end_of_its_run_tells_of_a_clock_that_was_set_back() -> None:
    gateway = a_day().row(J, at("09:00"), at("09:10"))
    gateway.record(J, at("09:00"), duration=62, written=at("09:00:59"))
    report = audited(gateway)
    ((line, message),) = notices(report)
    assert (line, message.split(";")[0]) == (1, "the clock was set back by 3.0 s at least while a run lasted")
    assert said(found(report)) == ("false_lost", "exact")


@pytest.mark.parametrize(("set_back", "verdict"), [(0, ("false_lost", "exact")), (4, ("false_lost", "weak"))])
def test_a_bare_ok_that_ends_closer_to_a_restart_than_the_clock_is_off_may_have_been_aborted(
    set_back: float, verdict: tuple[str, str]
) -> None:
    gateway = a_day().job().row(J, at("09:00"), at("09:10")).reloaded(at("09:01:05"), at("09:01:35"))
    gateway.bare_ok(J, at("09:00"), 62, written=at("09:01:02") - seconds(set_back))
    assert said(found(audited(gateway))) == verdict
