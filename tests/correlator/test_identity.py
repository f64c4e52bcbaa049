"""Does a record belong to this very run? Each way to tell, and the near misses of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from forensics.correlator.audit import audit
from tests.support.scenario import (
    Gateway,
    J,
    K,
    a_day,
    at,
    audited,
    epoch_ms,
    evidence_of,
    finding_of,
    found,
    said,
    seconds,
)

S = at("10:00:00.005")
L = at("10:20")


def lost() -> Gateway:
    return a_day().row(J, S, L)


def test_a_record_of_the_same_job_and_start_is_exact() -> None:
    finding = finding_of(lost().record(J, S, duration=300))
    assert said(finding) == ("false_lost", "exact")
    assert finding.reasons == ("own_record",)
    assert finding.run is not None
    assert (finding.run.role, finding.run.started_at, finding.run.finished_at) == ("own", S, S + seconds(300))


def test_the_finish_may_lie_before_the_restart_or_after_it() -> None:
    before = lost().record(J, S, duration=60).restarted(at("10:05"), at("10:05:03"))
    after = lost().reloaded(at("10:05"), at("10:05:30")).record(J, S, duration=3000)
    assert said(finding_of(before)) == said(finding_of(after)) == ("false_lost", "exact")


@pytest.mark.parametrize("off", [-0.001, 0.001, 0.003, -1, 1])
def test_a_record_a_millisecond_off_is_not_the_runs_own_and_stands_against_a_death(off: float) -> None:
    gateway = lost().record(J, S + seconds(off)).crashed(at("10:05"), at("10:06"))
    finding = finding_of(gateway)
    assert said(finding) == ("undetermined", None)
    assert "start_mismatch" in finding.reasons


@pytest.mark.parametrize("off", [-1.001, 1.001])
def test_a_record_more_than_a_second_off_is_another_run(off: float) -> None:
    gateway = lost().record(J, S + seconds(off)).crashed(at("10:05"), at("10:06"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_a_record_a_second_off_that_belongs_to_another_row_stands_against_nothing() -> None:
    other = S + seconds(1)
    gateway = lost().record(J, other).succeeded(J, other, other + seconds(60), task_id="other")
    assert said(finding_of(gateway.crashed(at("10:05"), at("10:06")))) == ("interrupted", "strong")


def test_the_next_regular_run_redeems_nothing() -> None:
    gateway = lost().record(J, at("11:00:00.004")).record(J, at("12:00:00.004"))
    assert said(finding_of(gateway)) == ("unexplained", None)


def test_two_runs_of_a_job_seconds_apart_keep_their_own_records() -> None:
    later = S + seconds(52.338)
    gateway = lost().row(J, later, L, task_id="later").record(J, later, duration=28.544)
    gateway.crashed(at("10:05"), at("10:06"))
    report = audited(gateway)
    assert said(found(report)) == ("interrupted", "strong")
    assert said(found(report, "later")) == ("false_lost", "exact")


def test_the_record_of_another_job_or_another_gateway_redeems_nothing() -> None:
    assert said(finding_of(lost().record(K, S))) == ("unexplained", None)
    report = audited(lost(), a_day("other").record(J, S))
    assert said(found(report)) == ("unexplained", None)


def test_a_record_that_belongs_to_no_gateway_redeems_nothing() -> None:
    assert finding_of(lost().record(J, S, gateway=None)).verdict != "false_lost"


def test_the_same_run_id_is_exact() -> None:
    run_id = f"manual:{J}:{epoch_ms(S)}:3"
    gateway = a_day().row(J, S, L, run_id=run_id).record(J, S + seconds(2), run_id=run_id)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_the_same_run_id_of_another_job_is_nothing() -> None:
    run_id = f"manual:{J}:{epoch_ms(S)}:3"
    gateway = a_day().row(J, S, L, run_id=run_id).record(K, S + seconds(2), run_id=run_id)
    assert said(finding_of(gateway)) == ("unexplained", None)


@pytest.mark.parametrize("run_id", ["-", "", " "])
def test_a_dash_or_an_empty_text_is_no_run_id(run_id: str) -> None:
    gateway = a_day().row(J, S, L, run_id=run_id).record(J, at("15:00"), run_id=run_id)
    assert said(finding_of(gateway)) == ("unexplained", None)


def test_a_manual_row_and_its_record_match_by_start_although_the_record_alone_names_the_request() -> None:
    gateway = lost().record(J, S, run_id=f"manual:{J}:{epoch_ms(S) - 3}:1")
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_two_rows_of_the_same_job_and_millisecond_are_both_withheld() -> None:
    gateway = lost().row(J, S, L, task_id="twin").record(J, S)
    report = audited(gateway)
    for name in ("task", "twin"):
        assert said(found(report, name)) == ("undetermined", None)
        assert "ambiguous_rows" in found(report, name).reasons
        assert found(report, name).correction is None


def test_a_row_of_another_status_claims_its_record_too() -> None:
    gateway = lost().succeeded(J, S, at("10:05"), task_id="twin").record(J, S)
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_two_rows_of_one_millisecond_are_told_apart_by_a_run_id() -> None:
    run_id = f"manual:{J}:{epoch_ms(S)}:1"
    gateway = lost().row(J, S, L, task_id="manual", run_id=run_id).record(J, S, run_id=run_id)
    report = audited(gateway)
    assert said(found(report, "manual")) == ("false_lost", "exact")
    assert found(report).verdict != "false_lost"


def test_two_rows_that_bear_the_same_run_id_are_both_withheld() -> None:
    run_id = f"manual:{J}:{epoch_ms(S)}:1"
    gateway = a_day().row(J, S, L, run_id=run_id).row(J, at("11:00"), at("11:20"), task_id="twin", run_id=run_id)
    report = audited(gateway.record(J, S, run_id=run_id))
    assert [said(found(report, name)) for name in ("task", "twin")] == [("undetermined", None)] * 2


def test_the_same_record_read_from_two_copies_is_one() -> None:
    gateway = lost().record(J, S).record(J, S, copy="backup")
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def startless(gateway: Gateway, derived: timedelta, **columns: object) -> Gateway:
    ended = S + derived + seconds(327.48)
    return gateway.record(J, None, duration=327.48, written=ended, **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize("off", [0, 0.009, -0.009, 1, -1])
def test_a_record_without_a_start_whose_derived_start_is_within_a_second_is_strong(off: float) -> None:
    finding = finding_of(startless(lost(), seconds(off)))
    assert said(finding) == ("false_lost", "strong")
    assert "derived_start" in finding.reasons


@pytest.mark.parametrize("off", [1.001, -1.001, 26])
def test_a_record_whose_derived_start_is_further_off_redeems_nothing(off: float) -> None:
    finding = finding_of(startless(lost(), seconds(off)))
    assert said(finding) == ("undetermined", None)
    assert "start_mismatch" in finding.reasons


@pytest.mark.parametrize(
    "columns", [{"duration": 327.48, "written": at("10:04:30")}, {"duration": None, "written": at("10:04")}]
)
def test_a_record_that_names_no_start_stands_against_a_death(columns: dict[str, Any]) -> None:
    gateway = lost().crashed(at("10:05"), at("10:06"))
    assert finding_of(gateway.run_log(K)).verdict == "interrupted"
    finding = finding_of(gateway.record(J, None, **columns))
    assert said(finding) == ("undetermined", None)
    assert "start_mismatch" in finding.reasons


def test_a_record_behind_the_next_start_says_nothing_of_this_run() -> None:
    gateway = lost().crashed(at("10:05"), at("10:06")).row(J, at("11:00"), at("11:10"), task_id="next")
    finding = found(audited(gateway.record(J, None, duration=None, written=at("11:05"))))
    assert finding.verdict == "interrupted"


def test_a_record_that_may_be_another_gateways_stands_against_a_death() -> None:
    gateway = lost().crashed(at("10:05"), at("10:06")).run_log(K).record(J, S, file="page.json")
    evidence = evidence_of(gateway)
    of_page = pl.col("job_id") == J
    unplaced = evidence.runs.with_columns(pl.when(~of_page).then("gateway").alias("gateway"))
    (finding,) = audit(replace(evidence, runs=unplaced)).findings
    assert said(finding) == ("undetermined", None)


def test_two_records_that_could_be_the_runs_own_by_derivation_are_withheld() -> None:
    gateway = startless(startless(lost(), seconds(0)), seconds(0.5))
    finding = finding_of(gateway)
    assert said(finding) == ("undetermined", None)
    assert "ambiguous_rows" in finding.reasons


def test_two_rows_that_could_own_a_derived_record_are_both_withheld() -> None:
    gateway = startless(lost().row(J, S + seconds(0.8), L, task_id="near"), seconds(0.4))
    report = audited(gateway)
    assert [said(found(report, name)) for name in ("task", "near")] == [("undetermined", None)] * 2


def test_a_row_with_a_record_of_its_own_claims_no_derived_one() -> None:
    gateway = startless(lost().row(J, S + seconds(0.8), L, task_id="near"), seconds(0.4))
    report = audited(gateway.record(J, S + seconds(0.8), duration=20))
    assert said(found(report)) == ("false_lost", "strong")
    assert said(found(report, "near")) == ("false_lost", "exact")


def test_a_derived_record_that_says_error_is_failed_and_strong() -> None:
    finding = finding_of(startless(lost(), seconds(0), status="error", error="boom", summary=None))
    assert said(finding) == ("failed", "strong")
    assert finding.correction is not None
    assert finding.correction.error == "boom"


def reserved(lead: float, **columns: object) -> Gateway:
    gateway = lost().restarted(at("10:05"), at("10:05:03"))
    return gateway.interrupted(J, S - seconds(lead), at("10:05:14"), **columns)


@pytest.mark.parametrize("lead", [0.001, 9.2, 232, 1800])
def test_an_interrupted_record_with_the_reservation_is_the_runs_own(lead: float) -> None:
    finding = finding_of(reserved(lead))
    assert said(finding) == ("interrupted", "strong")
    assert {"interrupted_record", "reservation", "process_replaced"} <= set(finding.reasons)


def test_an_interrupted_record_of_more_than_half_an_hour_before_is_of_another_run() -> None:
    finding = finding_of(reserved(1800.001))
    assert "interrupted_record" not in finding.reasons


def test_an_interrupted_record_with_another_start_between_is_of_that_start() -> None:
    gateway = reserved(60).row(J, S - seconds(30), L, task_id="between")
    report = audited(gateway)
    assert "interrupted_record" not in found(report).reasons
    assert "interrupted_record" in found(report, "between").reasons


def test_a_start_between_counts_when_only_a_record_tells_it() -> None:
    gateway = reserved(60).record(J, S - seconds(30), duration=5)
    assert "interrupted_record" not in finding_of(gateway).reasons


def test_an_interrupted_record_that_was_written_before_the_run_started_is_of_another_run() -> None:
    gateway = a_day().row(J, S, L).interrupted(J, at("09:50"), at("09:52"))
    finding = finding_of(gateway)
    assert "interrupted_record" not in finding.reasons
    assert said(finding) == ("unexplained", None)


def test_a_reservation_later_than_the_start_is_a_mismatch_not_an_identity() -> None:
    finding = finding_of(reserved(-0.003))
    assert said(finding) == ("undetermined", None)
    assert "start_mismatch" in finding.reasons


def test_an_error_of_another_text_is_never_matched_by_reservation() -> None:
    gateway = lost().restarted(at("10:05"), at("10:05:03"))
    gateway.record(J, S - seconds(9), "error", error="cron: job interrupted by gateway restart (twice)", duration=8)
    assert finding_of(gateway).verdict == "interrupted"
    assert "reservation" not in finding_of(gateway).reasons


def test_two_rows_of_one_millisecond_do_not_share_a_reservation() -> None:
    report = audited(reserved(5).row(J, S, L, task_id="twin"))
    assert [said(found(report, name)) for name in ("task", "twin")] == [("undetermined", None)] * 2


def nameless(finished: str = "10:10", restarted: bool = True, **columns: object) -> Gateway:
    gateway = lost()
    if restarted:
        gateway.reloaded(at("10:05"), at("10:05:30"))
    fields: dict[str, object] = {"duration": None, "written": at(finished)} | columns
    return gateway.record(J, None, **fields)  # type: ignore[arg-type]


def test_the_only_record_between_two_starts_and_behind_a_restart_is_weak() -> None:
    finding = finding_of(nameless())
    assert said(finding) == ("false_lost", "weak")
    assert "only_record" in finding.reasons


def test_without_a_restart_between_the_only_record_redeems_nothing() -> None:
    assert said(finding_of(nameless(restarted=False))) == ("undetermined", None)
    assert finding_of(nameless("10:05:20")).verdict != "false_lost"


def test_a_record_after_the_next_start_of_the_job_is_not_the_only_one() -> None:
    assert finding_of(nameless().succeeded(J, at("10:08"), at("10:09"), task_id="next")).verdict != "false_lost"


def test_a_second_record_before_the_next_start_leaves_the_only_one_untold() -> None:
    gateway = nameless().record(J, None, duration=None, written=at("10:12"))
    assert finding_of(gateway).verdict != "false_lost"


def test_two_rows_of_one_millisecond_do_not_share_the_only_record() -> None:
    report = audited(nameless().row(J, S, L, task_id="twin"))
    assert [said(found(report, name)) for name in ("task", "twin")] == [("undetermined", None)] * 2


def test_an_interrupted_record_that_is_only_weakly_the_runs_own_proves_a_death_weakly() -> None:
    gateway = lost().restarted(at("10:05"), at("10:05:03"))
    error = "cron: job interrupted by gateway restart"
    gateway.record(J, None, "error", error=error, duration=None, written=at("10:05:14"))
    assert said(finding_of(gateway)) == ("interrupted", "weak")
