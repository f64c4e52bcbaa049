"""A log whose zone is only assumed proves nothing: no death, no cover, no cause, no record, no abort, no marker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from forensics.correlator.coverage import gateway_log_spans, scheduler_log_spans
from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, evidence_of, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")
HANDED_OVER = [Gateway.logged, Gateway.shown]


def assumed(handed_over: Callable[..., Gateway], gateway: Gateway | None = None) -> Gateway:
    """Hand over a log of the whole day whose zone nothing tells; what is said next stands in it."""
    told = (gateway or Gateway()).copied(at("23:59"))
    return handed_over(told, at("00:00"), at("23:59"), file="x.log", zone_is_assumed=True)


@pytest.mark.parametrize("handed_over", HANDED_OVER)
def test_it_covers_no_time(handed_over: Callable[..., Gateway]) -> None:
    evidence = evidence_of(assumed(handed_over))
    assert gateway_log_spans(evidence.sources).is_empty()
    assert scheduler_log_spans(evidence.sources).is_empty()


@pytest.mark.parametrize("handed_over", HANDED_OVER)
def test_it_proves_no_death_and_no_cause(handed_over: Callable[..., Gateway]) -> None:
    gateway = assumed(handed_over).row(J, S, L).record(K, at("08:00")).restarted(at("10:05"), at("10:06"))
    gateway.marker(J, S, at("10:06:20"))
    finding = finding_of(gateway)
    assert (*said(finding), finding.cause) == ("undetermined", None, "unknown")
    assert "gateway_log_absent" in finding.reasons
    assert [window.doubt for window in audited(gateway).restarts] != [None]
    assert not [fact for fact in finding.evidence if fact.role == "marker"]


@pytest.mark.parametrize("handed_over", HANDED_OVER)
def test_its_silence_is_no_sign_that_nothing_happened(handed_over: Callable[..., Gateway]) -> None:
    finding = finding_of(assumed(handed_over).row(J, S, L).record(K, at("08:00")))
    assert (*said(finding), finding.cause) == ("undetermined", None, "unknown")
    bare = finding_of(assumed(handed_over).row(J, S, L).bare_ok(J, S, 60))
    assert (*said(bare), "maybe_aborted" in bare.reasons) == ("false_lost", "weak", True)


@pytest.mark.parametrize("handed_over", HANDED_OVER)
def test_it_aborts_no_run(handed_over: Callable[..., Gateway]) -> None:
    gateway = assumed(handed_over).row(J, S, L).bare_ok(J, S, 336)
    finding = finding_of(gateway.reloaded(at("10:01"), at("10:05:30")))
    assert (*said(finding), finding.cause) == ("false_lost", "weak", "unknown")


def test_it_makes_no_record_of_a_warning() -> None:
    gateway = assumed(Gateway.logged).row(J, S, L).warned(J, S, at("10:01"))
    assert said(finding_of(gateway)) == ("undetermined", None)
    contradicted = assumed(Gateway.logged).row(J, S, L).record(J, S).warned(J, S, at("10:01"), status="error")
    assert said(finding_of(contradicted)) == ("false_lost", "exact")


def test_it_names_no_catch_up_and_no_stand_in() -> None:
    caught = assumed(Gateway.logged).row(J, S, L).missed(at("09:59:59"), J)
    assert finding_of(caught).cause == "unknown"
    died = a_day().job(J, schedule_kind="cron", schedule_expr="0 11 * * *", schedule_tz="UTC").row(J, S, L)
    died.crashed(at("10:05"), at("10:06"), cron=None).record(J, at("11:30"))
    named = assumed(Gateway.logged, died).missed(at("10:06:20"), J)
    assert said(finding_of(named)) == ("interrupted", "strong")


def test_it_closes_no_batch() -> None:
    gateway = a_day().row(J, S, L).row(K, S + seconds(0.2), L, task_id="mate").crashed(at("10:05"), at("10:06"))
    assert "batch_open" in finding_of(gateway).reasons
    told = assumed(Gateway.logged, gateway)
    told.marker(J, S - seconds(0.01), at("10:06:20")).marker(K, S + seconds(0.19), at("10:06:20"))
    assert "batch_open" in finding_of(told).reasons


def test_it_moves_no_line_of_another_log() -> None:
    """A line of a whole second takes the moment of the same line elsewhere, but not of one in an unknown zone."""
    gateway = Gateway().shown(at("00:00"), at("23:59")).line(LifecycleKind.PROCESS_START, at("10:00"))
    gateway.line(LifecycleKind.READY, at("10:00:05"), precision_ms=1000)
    alone = audited(gateway.row(J, S, L)).restarts[0].ready_at
    told = assumed(Gateway.logged, gateway).line(LifecycleKind.READY, at("10:00:05.100"))
    assert audited(told).restarts[0].ready_at == alone


@pytest.mark.parametrize(("hours", "reason"), [(0, True), (-25, True), (-27, False)])
def test_it_may_still_doubt_the_run_log_of_the_day(hours: float, reason: bool) -> None:
    """A line that could not be appended was lost at some time within a day of its stamp."""
    gateway = assumed(Gateway.logged, a_day()).row(J, S, L).record(K, at("08:00"))
    gateway.line(LifecycleKind.RUN_LOG_APPEND_FAILED, S + seconds(1 + hours * 3600))
    finding = found(audited(gateway))
    assert ("run_log_damaged" in finding.reasons) == reason
    assert finding.verdict == ("undetermined" if reason else "unexplained")
