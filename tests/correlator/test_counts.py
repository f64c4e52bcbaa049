"""What the gateway's own audit would count, before and after the correction."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from forensics.correlator.counts import audit_counts
from forensics.correlator.facts import newest_state
from forensics.model.errors import NothingToReadError
from forensics.model.finding import Counts
from forensics.model.policy import LOST_GRACE, LOST_RETENTION, Policy
from forensics.model.verdicts import LifecycleKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, evidence_of, seconds

S = at("10:00")
L = at("10:20")
NOW = at("23:59")


def counted(gateway: Gateway, now: datetime = NOW) -> Counts:
    return audited(gateway.without("tasks", runtime="subagent"), now=now).summary.before


def errors(gateway: Gateway, now: datetime = NOW) -> dict[str, int]:
    return {code: count for code, count in counted(gateway, now).by_code.items() if count}


def counted_by(release: str | None, gateway: Gateway, now: datetime = NOW) -> Counts:
    tasks = newest_state(evidence_of(gateway).tasks).filter(pl.col("runtime") != "subagent")
    return audit_counts(tasks, now, Policy(), release=release)


def found_by(release: str | None, gateway: Gateway, now: datetime = NOW) -> dict[str, int]:
    return {code: count for code, count in counted_by(release, gateway, now).by_code.items() if count}


def test_a_lost_row_is_one_error() -> None:
    counts = counted(a_day().row(J, S, L, cleanup_after=at("10:20", 7)))
    assert (counts.errors, counts.warnings) == (1, 0)
    assert counts.by_code["lost"] == 1


def test_a_retained_lost_row_is_a_warning_for_gateways_that_say_so() -> None:
    gateway = a_day().line(LifecycleKind.MARKER_INTERRUPTED, at("09:00"), job_id=K)
    gateway.row(J, S, L, cleanup_after=at("10:20", 2))
    assert (counted(gateway).errors, counted(a_day().row(J, S, L, cleanup_after=at("10:20", 2))).errors) == (0, 1)


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


def test_a_lost_row_without_clean_up_time_is_one_error_and_its_correction_sets_one() -> None:
    report = audited(a_day().without("tasks", runtime="subagent").row(J, S, L).record(J, S), now=NOW)
    before, after = report.summary.before, report.summary.after
    assert (before.by_code["lost"], before.by_code["missing_cleanup"]) == (1, 0)
    assert (after.by_code["lost"], after.by_code["missing_cleanup"]) == (0, 0)


def test_without_a_given_time_the_latest_of_the_evidence_is_now() -> None:
    assert audited(Gateway().row(J, S, L)).now == L


def test_evidence_without_any_time_is_refused() -> None:
    with pytest.raises(NothingToReadError, match="no time at all"):
        audited(Gateway().row(J, None, None))


@pytest.mark.parametrize(
    ("release", "errors"),
    [
        ("2026.4.15", 1),
        ("2026.4.24", 1),
        ("2026.4.25", 0),
        ("2026.4.25-beta.1", 0),
        ("2026.7.x", 0),
        ("2026.8.1 or later", 0),
        ("2026.4.25 or later", 1),
        ("2026.4.24 or earlier", 1),
        ("2026.5.26 to 2026.5.28", 0),
        ("2026.4.25 to 2026.5.28", 1),
        ("unheard of", 1),
        (None, 1),
    ],
)
def test_the_release_says_whether_a_retained_lost_row_is_a_warning(release: str | None, errors: int) -> None:
    counts = counted_by(release, a_day().row(J, S, L, cleanup_after=at("10:20", 7)))
    assert (counts.errors, counts.warnings) == (errors, 1 - errors)


@pytest.mark.parametrize(("release", "errors"), [("2026.5.25", 0), ("2026.5.26", 1), ("2026.9.6", 1)])
def test_a_lost_row_is_kept_for_a_day_only_from_2026_5_26(release: str, errors: int) -> None:
    row = a_day().row(J, S, L, cleanup_after=at("10:20", 7))
    assert counted_by(release, row, L + LOST_RETENTION - seconds(0.001)).errors == 0
    assert counted_by(release, row, L + LOST_RETENTION).errors == errors


def test_a_row_without_an_end_is_kept_from_its_last_event() -> None:
    row = a_day().row(J, S, None, last_event_at=L, cleanup_after=at("10:20", 7))
    assert counted_by("2026.9.6", row, L + LOST_RETENTION - seconds(1)).errors == 0
    assert counted_by("2026.9.6", row, L + LOST_RETENTION).errors == 1


@pytest.mark.parametrize("release", ["2026.4.15", "2026.5.7", "2026.9.6"])
def test_a_lost_row_without_clean_up_time_is_one_error_in_every_release(release: str) -> None:
    counts = counted_by(release, a_day().row(J, S, L))
    assert (counts.errors, counts.warnings, counts.by_code["lost"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("release", "codes"),
    [
        ("2026.4.1", {"stale_running": 1}),
        ("2026.4.5", {"lost": 1}),
        ("2026.4.24", {"lost": 1}),
        ("2026.4.25", {"stale_running": 1}),
        (None, {"stale_running": 1}),
    ],
)
def test_early_command_lines_take_every_cron_row_for_lost(release: str | None, codes: dict[str, int]) -> None:
    assert found_by(release, a_day().running(J, S, task_id="t")) == codes


def test_a_row_is_taken_for_lost_after_five_minutes() -> None:
    gateway = a_day().running(J, S, task_id="t")
    assert found_by("2026.4.15", gateway, S + LOST_GRACE - seconds(0.001)) == {}
    assert found_by("2026.4.15", a_day().running(J, S, task_id="t"), S + LOST_GRACE) == {"lost": 1}


def test_a_session_of_another_runtime_is_not_judged() -> None:
    gateway = a_day().row(None, S, None, status="running", runtime="cli", error=None, last_event_at=S)
    assert found_by("2026.4.15", gateway) == {"stale_running": 1}


def test_rows_lost_in_an_export_count_for_the_release_that_shows_them() -> None:
    gateway = a_day().row(J, S, L, projected=True, registry="export", cleanup_after=at("10:20", 7))
    assert found_by("2026.4.15", gateway) == {"lost": 1}
    assert found_by("2026.5.7", a_day().row(J, S, L, projected=True, registry="export")) == {}


def test_a_row_created_after_its_start_is_mended_from_2026_4_25() -> None:
    early = a_day().row(J, S, L, status="succeeded", cleanup_after=NOW, created_at=S + seconds(0.001))
    assert found_by("2026.4.24", early) == {"inconsistent_timestamps": 1}
    backward = a_day().row(J, S, S - seconds(1), status="succeeded", cleanup_after=NOW, created_at=S + seconds(0.001))
    assert found_by("2026.5.7", backward) == {"inconsistent_timestamps": 1}
    assert found_by("2026.4.25", a_day().row(J, S, L, status="succeeded", cleanup_after=NOW, created_at=L)) == {}


@pytest.mark.parametrize("release", [None, "2026.4.15", "2026.9.6"])
def test_a_failed_delivery_that_was_to_be_silent_is_no_finding(release: str | None) -> None:
    for policy, findings in (("silent", {}), ("done_only", {"delivery_failed": 1})):
        gateway = a_day().row(
            J, S, L, status="succeeded", cleanup_after=NOW, delivery_status="failed", notify_policy=policy
        )
        assert found_by(release, gateway) == findings
