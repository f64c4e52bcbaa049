"""The corrected values, severities and the figures that belong to each verdict."""

from __future__ import annotations

from datetime import timedelta

import pytest

from forensics.model.finding import Correction
from forensics.model.policy import INTERRUPTED_ERROR
from tests.support.scenario import Gateway, J, K, a_day, at, audited, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")
WEEK = timedelta(days=7)


def lost(**columns: object) -> Gateway:
    return a_day().row(J, S, L, **columns)  # type: ignore[arg-type]


def corrected(gateway: Gateway) -> Correction:
    correction = finding_of(gateway).correction
    assert correction is not None
    return correction


def test_a_false_lost_row_becomes_succeeded_with_its_end_and_summary() -> None:
    assert corrected(lost().record(J, S, duration=62, summary="all done")) == Correction(
        "succeeded", S + seconds(62), None, "all done", S + seconds(62) + WEEK
    )


def test_a_failed_row_keeps_the_error_of_its_record() -> None:
    gateway = lost().record(J, S, "error", error=" boom \n", duration=62, summary="half done")
    assert corrected(gateway) == Correction("failed", S + seconds(62), " boom \n", "half done", S + seconds(62) + WEEK)


def test_an_error_record_without_a_text_leaves_no_text() -> None:
    assert corrected(lost().record(J, S, "error", error=None)).error is None


TIMED_OUT = "cron: job execution timed out"


@pytest.mark.parametrize("error", [TIMED_OUT, f"{TIMED_OUT} (last phase: tool-execution-started)"])
def test_a_timed_out_run_is_recorded_as_timed_out(error: str) -> None:
    finding = finding_of(lost().record(J, S, "error", error=error))
    assert finding.verdict == "failed"
    assert finding.correction is not None
    assert (finding.correction.status, finding.correction.error) == ("timed_out", error)


@pytest.mark.parametrize(
    "error",
    [f"{TIMED_OUT}!", f"{TIMED_OUT}(x)", f"isolated: {TIMED_OUT}", "cron: isolated agent setup timed out", None],
)
def test_any_other_error_is_recorded_as_failed(error: str | None) -> None:
    assert corrected(lost().record(J, S, "error", error=error)).status == "failed"


def test_white_space_in_a_summary_is_collapsed() -> None:
    assert corrected(lost().record(J, S, summary="  one\n\n two\t\tthree ")).terminal_summary == "one two three"


@pytest.mark.parametrize("summary", [None, "", " \n\t"])
def test_an_empty_summary_is_none(summary: str | None) -> None:
    assert corrected(lost().record(J, S, summary=summary)).terminal_summary is None


def test_the_later_of_the_old_clean_up_time_and_a_week_after_the_end_is_kept() -> None:
    ended = S + seconds(60)
    later, earlier = ended + WEEK + seconds(0.001), ended + WEEK - seconds(0.001)
    assert corrected(lost(cleanup_after=later).record(J, S)).cleanup_after == later
    assert corrected(lost(cleanup_after=earlier).record(J, S)).cleanup_after == ended + WEEK
    assert corrected(lost(cleanup_after=None).record(J, S)).cleanup_after == ended + WEEK


def test_a_replayed_row_becomes_the_interrupted_run_it_was() -> None:
    stand_in = at("10:06:40")
    gateway = lost().crashed(at("10:05"), at("10:06"), cron=900).record(J, stand_in, summary="the work")
    correction = corrected(gateway)
    assert (correction.status, correction.error) == ("failed", INTERRUPTED_ERROR)
    assert correction.ended_at == at("10:06")
    assert correction.cleanup_after == at("10:06") + WEEK
    assert correction.terminal_summary is not None
    assert "2026-04-17T10:06:40.000Z" in correction.terminal_summary
    assert "the work" not in correction.terminal_summary


def test_an_interrupted_row_would_become_the_same_without_a_stand_in() -> None:
    correction = corrected(lost().crashed(at("10:05"), at("10:06")))
    assert correction == Correction("failed", at("10:06"), INTERRUPTED_ERROR, None, at("10:06") + WEEK)


def test_a_run_that_died_before_a_clean_stop_ended_with_its_process() -> None:
    gateway = lost().restarted(at("10:05"), at("10:05:03")).interrupted(J, S, at("10:05:14"))
    assert corrected(gateway).ended_at == at("10:05:03")


def withheld_rows() -> dict[str, Gateway]:
    return {
        "unexplained": lost(),
        "undetermined": lost().without_run_logs(),
        "not_applicable": lost(error="Recovery tombstoned").record(J, S),
    }


@pytest.mark.parametrize("verdict", ["unexplained", "undetermined", "not_applicable"])
def test_withheld_rows_have_neither_confidence_nor_correction_nor_run(verdict: str) -> None:
    finding = finding_of(withheld_rows()[verdict])
    assert said(finding) == (verdict, None)
    assert finding.correction is None
    assert finding.run is None


def every_verdict() -> dict[str, tuple[Gateway, str]]:
    crashed = lost().crashed(at("10:05"), at("10:06"), cron=900)
    replayed = lost().crashed(at("10:05"), at("10:06"), cron=900).record(J, at("10:06:40"))
    withheld = withheld_rows()
    return {
        "false_lost": (lost().record(J, S), "none"),
        "failed": (lost().record(J, S, "error", error="boom"), "low"),
        "replayed": (replayed, "low"),
        "interrupted": (crashed, "high"),
        "unexplained": (withheld["unexplained"], "high"),
        "undetermined": (withheld["undetermined"], "medium"),
        "not_applicable": (withheld["not_applicable"], "none"),
    }


@pytest.mark.parametrize("verdict", list(every_verdict()))
def test_each_verdict_has_its_severity(verdict: str) -> None:
    gateway, severity = every_verdict()[verdict]
    finding = finding_of(gateway)
    assert (finding.verdict, finding.severity) == (verdict, severity)
    assert finding.reasons
    assert len(set(finding.reasons)) == len(finding.reasons)


def test_the_summary_counts_every_verdict() -> None:
    report = audited(*(gateway_named(name) for name in every_verdict()))
    assert report.summary.verdicts == dict.fromkeys(every_verdict(), 1)
    assert report.summary.lost == len(report.findings) == 7


def gateway_named(verdict: str) -> Gateway:
    gateway, _ = every_verdict()[verdict]
    gateway.name = verdict
    for copy in gateway._copies.values():
        copy["gateway"] = verdict
    return gateway


def test_the_marked_time_is_never_the_end_of_a_run() -> None:
    for gateway in (lost().record(J, S), lost().crashed(at("10:05"), at("10:06"))):
        assert corrected(gateway).ended_at != L


def test_many_rows_of_one_sweep_are_judged_one_by_one() -> None:
    gateway = a_day().crashed(at("10:05"), at("10:06"))
    for minute, job in enumerate((J, K, J, K)):
        start = at("10:00") + timedelta(minutes=minute)
        gateway.row(job, start, L, task_id=f"task {minute}")
    report = audited(gateway.record(J, at("10:00")).record(K, at("10:01"), "error", error="boom"))
    verdicts = [found(report, f"task {minute}").verdict.value for minute in range(4)]
    assert verdicts == ["false_lost", "failed", "interrupted", "interrupted"]


def test_findings_come_in_order_of_gateway_start_and_task() -> None:
    two = a_day("b").row(J, S, L, task_id="2").row(K, S, L, task_id="1").row(J, None, L, task_id="0")
    report = audited(two.row(J, at("09:00"), L, task_id="3"), a_day("a").row(J, S, L, task_id="9"))
    assert [(f.gateway, f.task_id) for f in report.findings] == [
        ("a", "9"), ("b", "3"), ("b", "1"), ("b", "2"), ("b", "0"),
    ]  # fmt: skip


def test_a_founding_case_is_false_lost_only_if_the_record_has_its_start() -> None:
    """Issue 68191: marked at 07:40:44, start-up lines from 07:40:57, an ok record at 07:41:46."""
    started, mark = at("07:34"), at("07:40:44")
    gateway = a_day().row(J, started, mark).started(at("07:40:57"), ready=5)
    same = gateway.record(J, started, duration=466)
    assert (said(finding_of(same)), finding_of(same).cause) == (("false_lost", "exact"), "restart")
    other = a_day().row(J, started, mark).started(at("07:40:57"), ready=5, cron=60)
    finding = finding_of(other.record(J, at("07:41:10"), duration=36))
    assert (said(finding), finding.cause) == (("replayed", "strong"), "restart")
    unknown = a_day().row(J, started, mark).started(at("07:40:57"), ready=5)
    finding = finding_of(unknown.record(J, None, duration=None, written=at("07:41:46")))
    assert (said(finding), finding.cause) == (("false_lost", "weak"), "restart")
