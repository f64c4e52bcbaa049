"""What the gateway's own audit would count, before and after the correction."""

from __future__ import annotations

from datetime import datetime

import pytest

from forensics.model.finding import Counts
from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, seconds

S = at("10:00")
L = at("10:20")
NOW = at("23:59")


def counted(gateway: Gateway, now: datetime = NOW) -> Counts:
    return audited(gateway.without("tasks", runtime="subagent"), now=now).summary.before


def errors(gateway: Gateway, now: datetime = NOW) -> dict[str, int]:
    return {code: count for code, count in counted(gateway, now).by_code.items() if count}


def test_a_lost_row_is_one_error() -> None:
    counts = counted(a_day().row(J, S, L, cleanup_after=at("10:20", 7)))
    assert (counts.errors, counts.warnings) == (1, 0)
    assert counts.by_code["lost"] == 1


def test_a_retained_lost_row_is_a_warning_for_gateways_that_say_so() -> None:
    gateway = a_day().line(LifecycleKind.MARKER_INTERRUPTED, at("09:00"), job_id=K)
    gateway.row(J, S, L, cleanup_after=at("10:20", 1))
    assert (counted(gateway).errors, counted(a_day().row(J, S, L, cleanup_after=at("10:20", 1))).errors) == (0, 1)


def test_a_lost_row_that_is_retained_no_longer_is_an_error_again() -> None:
    gateway = a_day().line(LifecycleKind.MARKER_INTERRUPTED, at("09:00"), job_id=K)
    assert counted(gateway.row(J, S, L, cleanup_after=NOW)).errors == 1


def test_rows_lost_only_in_an_export_are_not_counted() -> None:
    assert errors(a_day().row(J, S, L, projected=True, registry="export")) == {}


@pytest.mark.parametrize(("age", "stale"), [(600, 1), (599.999, 0)])
def test_a_queued_row_is_stale_after_ten_minutes(age: float, stale: int) -> None:
    gateway = a_day().row(J, S, None, status="queued", last_event_at=NOW - seconds(age))
    assert counted(gateway).by_code["stale_queued"] == stale


@pytest.mark.parametrize(("age", "stale"), [(1800, 1), (1799.999, 0)])
def test_a_running_row_is_stale_after_half_an_hour(age: float, stale: int) -> None:
    counts = counted(a_day().row(J, S, None, status="running", last_event_at=NOW - seconds(age)))
    assert (counts.by_code["stale_running"], counts.errors) == (stale, stale)


def test_an_ended_row_without_a_clean_up_time_is_a_warning() -> None:
    assert errors(a_day().succeeded(J, S, L, task_id="t")) == {"missing_cleanup": 1}
    assert errors(a_day().row(J, S, L, status="succeeded", cleanup_after=NOW)) == {}


def test_a_failed_delivery_is_a_warning() -> None:
    gateway = a_day().row(J, S, L, status="succeeded", cleanup_after=NOW, delivery_status="failed")
    assert errors(gateway) == {"delivery_failed": 1}


def test_times_out_of_order_are_a_warning() -> None:
    early = a_day().row(J, S, L, status="succeeded", cleanup_after=NOW, created_at=S + seconds(0.001))
    backward = a_day().row(J, S, S - seconds(1), status="succeeded", cleanup_after=NOW)
    ended = a_day().row(J, S, L, status="running", last_event_at=NOW)
    for gateway in (early, backward, ended):
        assert errors(gateway) == {"inconsistent_timestamps": 1}
    assert errors(a_day().row(J, S, S, status="succeeded", cleanup_after=NOW)) == {}


def test_corrected_rows_are_no_findings_any_more() -> None:
    gateway = a_day().without("tasks", runtime="subagent").row(J, S, L, cleanup_after=at("10:20", 7)).record(J, S)
    gateway.row(K, at("23:00"), at("23:10"), task_id="real", cleanup_after=at("10:20", 7))
    summary = audited(gateway, now=NOW).summary
    assert (summary.before.by_code["lost"], summary.after.by_code["lost"]) == (2, 1)
    assert (summary.before.errors, summary.after.errors) == (2, 1)


def test_a_weak_correction_is_not_counted_as_made() -> None:
    gateway = a_day().row(J, S, L).record(J, S, duration=0.01)
    summary = audited(gateway, now=NOW).summary
    assert summary.after.by_code["lost"] == 1


def test_an_interrupted_row_stays_lost_in_the_corrected_audit() -> None:
    summary = audited(a_day().row(J, S, L).crashed(at("10:05"), at("10:06")), now=NOW).summary
    assert summary.verdicts["interrupted"] == 1
    assert summary.after.by_code["lost"] == 1


def test_a_correction_sets_the_clean_up_time_that_was_missing() -> None:
    summary = audited(a_day().without("tasks", runtime="subagent").row(J, S, L).record(J, S), now=NOW).summary
    assert (summary.before.by_code["missing_cleanup"], summary.after.by_code["missing_cleanup"]) == (1, 0)


def test_without_a_given_time_the_latest_of_the_evidence_is_now() -> None:
    assert audited(Gateway().row(J, S, L)).now == L


def test_evidence_without_any_time_is_refused() -> None:
    with pytest.raises(ValueError, match="no time at all"):
        audited(Gateway().row(J, None, None))
