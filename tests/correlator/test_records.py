"""What records say: two of one run in every order, aborted runs in disguise, and witnesses that show little."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.support.scenario import Gateway, J, K, a_day, at, audited, evidence_of, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")
END = at("10:05")


def lost() -> Gateway:
    return a_day().row(J, S, L)


def test_skipped_counts_as_ok_and_clears_the_error() -> None:
    finding = finding_of(lost().record(J, S, "skipped", error="nothing to do", summary="skipped it"))
    assert said(finding) == ("false_lost", "exact")
    assert finding.correction is not None
    assert (finding.correction.status, finding.correction.error) == ("succeeded", None)


def test_an_error_record_makes_the_row_failed() -> None:
    assert said(finding_of(lost().record(J, S, "error", error="boom"))) == ("failed", "exact")


@pytest.mark.parametrize("status", [None, "", "running", "OK"])
def test_a_record_without_a_known_status_decides_nothing_not_even_a_death(status: str | None) -> None:
    finding = finding_of(lost().record(J, S, status).crashed(at("10:05"), at("10:06")))
    assert said(finding) == ("undetermined", None)
    assert "no_status" in finding.reasons


def written(gateway: Gateway, what: str, moment: str) -> None:
    when = at(moment)
    if what == "interrupted":
        gateway.interrupted(J, S, when)
    elif what == "ok":
        gateway.record(J, S, duration=(when - S).total_seconds(), written=when)
    elif what == "other ok":
        gateway.record(J, S, duration=(when - S).total_seconds() + 1, written=when)
    else:
        gateway.record(J, S, "error", error=what, duration=(when - S).total_seconds(), written=when)


def judged(first: str, second: str) -> tuple[str, str | None]:
    """Judge two records, in both orders of the file."""
    answers = set()
    for order in permutations([(first, "10:06"), (second, "10:09")]):
        gateway = lost().reloaded(at("10:05"), at("10:05:20"))
        for what, moment in order:
            written(gateway, what, moment)
        answers.add(said(finding_of(gateway)))
    (answer,) = answers
    return answer


def test_an_interrupted_record_before_the_real_end_is_no_contradiction() -> None:
    assert judged("interrupted", "ok") == ("false_lost", "exact")
    assert judged("interrupted", "boom") == ("failed", "exact")


@pytest.mark.parametrize(
    ("first", "second"),
    [("ok", "interrupted"), ("boom", "interrupted"), ("ok", "boom"), ("boom", "ok"), ("ok", "other ok"), ("a", "b")],
)
def test_any_other_two_records_of_one_run_are_a_conflict(first: str, second: str) -> None:
    assert judged(first, second) == ("undetermined", None)


def test_a_conflict_is_named_and_nothing_is_corrected() -> None:
    finding = finding_of(lost().record(J, S).record(J, S, "error", error="boom"))
    assert "conflict" in finding.reasons
    assert finding.correction is None


def test_a_contradicted_run_is_never_dead_whatever_became_of_its_process() -> None:
    gateway = lost().record(J, S).record(J, S, "error", error="boom").crashed(at("10:05"), at("10:06"))
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_an_interrupted_record_of_the_same_millisecond_as_the_end_is_a_conflict() -> None:
    gateway = lost().record(J, S, duration=300, written=END).interrupted(J, S, END)
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_the_overtaken_interrupted_record_is_cited_beside_the_real_end() -> None:
    finding = finding_of(lost().interrupted(J, S, END).record(J, S, duration=900, written=at("10:15")))
    assert "two_records" in finding.reasons
    (assumed,) = [fact for fact in finding.evidence if fact.role == "near_miss"]
    assert assumed.at == END


def test_several_interrupted_records_of_one_run_are_one_interruption() -> None:
    gateway = lost().restarted(at("10:05"), at("10:05:03")).interrupted(J, S, at("10:05:20"))
    gateway.interrupted(J, S, at("12:05:20")).restarted(at("12:05"), at("12:05:03"))
    assert said(finding_of(gateway)) == ("interrupted", "exact")


def test_the_same_line_twice_is_one_record() -> None:
    assert said(finding_of(lost().record(J, S).record(J, S))) == ("false_lost", "exact")


def test_an_interrupted_text_with_anything_behind_it_is_an_ordinary_error() -> None:
    finding = finding_of(lost().record(J, S, "error", error="cron: job interrupted by gateway restart!"))
    assert said(finding) == ("failed", "exact")


def test_the_end_of_a_run_is_start_plus_duration_not_when_the_line_was_written() -> None:
    finding = finding_of(lost().record(J, S, duration=300, written=at("10:16")))
    assert finding.correction is not None
    assert finding.correction.ended_at == END
    assert finding.run is not None
    assert finding.run.finished_at == END


def test_a_record_without_a_duration_ends_when_it_was_written() -> None:
    finding = finding_of(lost().record(J, S, duration=None, written=END))
    assert finding.correction is not None
    assert finding.correction.ended_at == END


def drained() -> Gateway:
    """An in-process restart: drain from 10:05:00.004, down at 10:05, ready at 10:05:35."""
    return lost().reloaded(at("10:05"), at("10:05:30"))


@pytest.mark.parametrize("ended", ["10:05:00.004", "10:05:29.900", "10:05:36.900", "10:05:45"])
def test_a_bare_ok_that_ends_between_drain_and_ten_seconds_after_ready_was_aborted(ended: str) -> None:
    finding = finding_of(drained().bare_ok(J, S, (at(ended) - S).total_seconds()))
    assert said(finding) == ("interrupted", "exact")
    assert "aborted_ok" in finding.reasons
    assert finding.restart == "R2"


@pytest.mark.parametrize("ended", ["10:05:00.003", "10:05:45.001", "10:19"])
def test_a_bare_ok_that_ends_outside_a_restart_is_an_ordinary_ok(ended: str) -> None:
    assert said(finding_of(drained().bare_ok(J, S, (at(ended) - S).total_seconds()))) == ("false_lost", "exact")


def test_the_end_decides_not_when_the_line_was_written() -> None:
    inside = drained().bare_ok(J, S, 310, written=at("10:18"))
    outside = drained().bare_ok(J, S, 100, written=at("10:05:20"))
    assert said(finding_of(inside)) == ("interrupted", "exact")
    assert said(finding_of(outside)) == ("false_lost", "exact")


def test_an_ok_with_summary_or_usage_was_not_aborted() -> None:
    with_summary = drained().bare_ok(J, S, 310, summary="done")
    with_usage = drained().bare_ok(J, S, 310, has_usage=True)
    assert said(finding_of(with_summary)) == said(finding_of(with_usage)) == ("false_lost", "exact")


def test_a_summary_of_white_space_is_no_summary() -> None:
    assert "aborted_ok" in finding_of(drained().bare_ok(J, S, 310, summary=" \n")).reasons


@pytest.mark.parametrize("kind", ["systemEvent", "command"])
def test_jobs_that_never_have_a_summary_end_ordinarily_in_a_restart(kind: str) -> None:
    gateway = drained().job(J, payload_kind=kind).bare_ok(J, S, 310)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_a_job_of_unknown_kind_counts_as_an_agent_job() -> None:
    assert "aborted_ok" in finding_of(drained().job(J, payload_kind=None).bare_ok(J, S, 310)).reasons


def test_a_bare_skipped_or_error_is_no_abort() -> None:
    skipped = drained().record(J, S, "skipped", duration=310, summary=None)
    failed = drained().record(J, S, "error", duration=310, error="boom")
    assert said(finding_of(skipped)) == ("false_lost", "exact")
    assert said(finding_of(failed)) == ("failed", "exact")


def test_a_run_that_started_after_the_restart_is_no_abort_although_it_ended_within_ten_seconds_of_ready() -> None:
    start = at("10:05:36")
    gateway = a_day().reloaded(at("10:05"), at("10:05:30")).row(J, start, L).bare_ok(J, start, 5)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_a_bare_ok_of_a_run_that_started_while_the_gateway_went_down_is_only_weak() -> None:
    start = at("10:05:10")
    gateway = a_day().reloaded(at("10:05"), at("10:05:30")).row(J, start, L).bare_ok(J, start, 20)
    finding = finding_of(gateway)
    assert said(finding) == ("false_lost", "weak")
    assert "maybe_aborted" in finding.reasons


def test_a_bare_ok_whose_end_the_gateway_log_does_not_cover_is_weak() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:04")).copied(at("23:59")).row(J, S, L).bare_ok(J, S, 300)
    finding = finding_of(gateway)
    assert said(finding) == ("false_lost", "weak")
    assert "maybe_aborted" in finding.reasons
    whole = Gateway().logged(at("00:00"), END).copied(at("23:59")).row(J, S, L).bare_ok(J, S, 300)
    assert said(finding_of(whole)) == ("false_lost", "exact")


def test_an_ok_with_words_needs_no_gateway_log() -> None:
    assert said(finding_of(Gateway().copied(at("23:59")).row(J, S, L).record(J, S))) == ("false_lost", "exact")


def test_a_bare_ok_that_ends_where_the_gateway_crashed_is_never_firm() -> None:
    gateway = lost().bare_ok(J, S, 300, written=END).crashed(at("10:04"), at("10:05:30"))
    assert said(finding_of(gateway)) == ("false_lost", "weak")


def test_an_interrupted_record_after_an_ordinary_bare_ok_is_a_conflict() -> None:
    gateway = lost().bare_ok(J, S, 60).interrupted(J, S, at("10:15"))
    finding = finding_of(gateway)
    assert said(finding) == ("undetermined", None)
    assert "conflict" in finding.reasons


def test_an_interrupted_record_after_an_aborted_ok_agrees_with_it() -> None:
    gateway = drained().bare_ok(J, S, 310).interrupted(J, S, at("10:05:40"))
    assert said(finding_of(gateway)) == ("interrupted", "exact")


def test_two_records_of_one_duration_of_which_one_is_bare_do_not_prove_an_abort() -> None:
    gateway = drained().bare_ok(J, S, 310).record(J, S, duration=310, origin="run_table")
    assert finding_of(gateway).verdict not in ("interrupted", "replayed")


def test_an_ok_of_milliseconds_for_a_row_that_was_active_for_minutes_is_weak() -> None:
    finding = finding_of(lost().record(J, S, duration=0.05))
    assert said(finding) == ("false_lost", "weak")
    assert "instant_ok" in finding.reasons


def test_an_ok_of_more_than_fifty_milliseconds_is_firm() -> None:
    assert said(finding_of(lost().record(J, S, duration=0.051))) == ("false_lost", "exact")


def test_an_instant_ok_of_a_row_that_was_marked_within_a_minute_is_firm() -> None:
    brief, minute = S + seconds(59.999), S + seconds(60)
    assert said(finding_of(a_day().row(J, S, brief).record(J, S, duration=0.01))) == ("false_lost", "exact")
    assert said(finding_of(a_day().row(J, S, minute).record(J, S, duration=0.01))) == ("false_lost", "weak")


def test_an_instant_error_is_firm() -> None:
    gateway = lost().record(J, S, "error", error="boom", duration=0.01)
    assert said(finding_of(gateway)) == ("failed", "exact")


def test_the_job_state_alone_is_exact_and_has_no_summary() -> None:
    finding = finding_of(lost().last_run(J, S, duration=300))
    assert said(finding) == ("false_lost", "exact")
    assert finding.reasons == ("job_state",)
    assert finding.correction is not None
    assert (finding.correction.ended_at, finding.correction.terminal_summary) == (END, None)


def test_the_job_state_of_another_start_is_nothing() -> None:
    gateway = lost().last_run(J, at("11:00"), duration=300)
    assert finding_of(gateway).verdict == "undetermined"


def test_the_job_state_with_an_end_inside_a_restart_or_outside_the_log_or_without_an_end_is_weak() -> None:
    inside = drained().last_run(J, S, duration=310)
    outside = Gateway().logged(at("00:00"), at("10:04")).row(J, S, L).last_run(J, S, duration=300)
    endless = lost().last_run(J, S, duration=None)
    for gateway in (inside, outside, endless):
        assert said(finding_of(gateway)) == ("false_lost", "weak")


def test_an_error_in_the_job_state_is_firm_wherever_it_ends() -> None:
    gateway = drained().last_run(J, S, "error", duration=310, error="boom")
    assert said(finding_of(gateway)) == ("failed", "exact")


def test_a_record_is_told_before_the_job_state_that_agrees_with_it() -> None:
    finding = finding_of(lost().record(J, S, duration=300).last_run(J, S, duration=300))
    assert finding.run is not None
    assert (said(finding), finding.run.origin) == (("false_lost", "exact"), "run_log")


@pytest.mark.parametrize(("logged", "state"), [("ok", "error"), ("error", "ok")])
def test_a_record_and_a_job_state_that_disagree_are_a_conflict(logged: str, state: str) -> None:
    gateway = lost().record(J, S, logged, error="boom" if logged == "error" else None).last_run(J, S, state)
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_a_job_state_without_a_status_contradicts_nothing() -> None:
    assert said(finding_of(lost().record(J, S).last_run(J, S, None))) == ("false_lost", "exact")


def test_an_interrupted_record_and_a_job_state_that_says_ok_are_a_conflict() -> None:
    gateway = lost().restarted(at("10:05"), at("10:05:03")).interrupted(J, S, at("10:05:14")).last_run(J, S, "ok")
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_a_job_state_that_says_interrupted_contradicts_an_ok_unless_the_log_shows_it_overtaken() -> None:
    error = "cron: job interrupted by gateway restart"
    contradicted = lost().record(J, S, duration=300).last_run(J, S, "error", error=error)
    overtaken = lost().interrupted(J, S, at("10:03")).record(J, S, duration=300).last_run(J, S, "error", error=error)
    assert said(finding_of(contradicted)) == ("undetermined", None)
    assert said(finding_of(overtaken)) == ("false_lost", "exact")


@pytest.mark.parametrize(("status", "verdict"), [("ok", "false_lost"), ("error", "failed")])
def test_a_ledger_warning_alone_decides_and_corrects_nothing(status: str, verdict: str) -> None:
    finding = finding_of(lost().warned(J, S, at("10:05"), status))
    assert said(finding) == (verdict, "exact")
    assert finding.reasons == ("ledger_warning",)
    assert finding.correction is None


def test_a_ledger_warning_of_another_start_or_job_is_nothing() -> None:
    assert finding_of(lost().warned(J, S + seconds(0.001), END)).verdict == "undetermined"
    assert finding_of(lost().warned(K, S, END)).verdict == "unexplained"


def test_a_ledger_warning_beside_a_record_leaves_the_record_its_values() -> None:
    finding = finding_of(lost().warned(J, S, END).record(J, S, duration=300))
    assert said(finding) == ("false_lost", "exact")
    assert finding.correction is not None
    assert finding.correction.ended_at == END


def test_a_ledger_warning_that_contradicts_the_record_is_a_conflict() -> None:
    gateway = lost().warned(J, S, END, "error").record(J, S, duration=300)
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_a_ledger_warning_that_contradicts_the_job_state_is_a_conflict() -> None:
    assert said(finding_of(lost().warned(J, S, END, "error").last_run(J, S, "ok"))) == ("undetermined", None)


def test_a_ledger_warning_written_while_the_gateway_went_down_is_weak() -> None:
    gateway = drained().warned(J, S, at("10:05:29"))
    assert said(finding_of(gateway)) == ("false_lost", "weak")


def test_a_ledger_warning_whose_run_the_gateway_log_does_not_cover_is_weak() -> None:
    gateway = Gateway().logged(at("10:01"), at("23:59")).row(J, S, L).copied(at("23:59")).warned(J, S, END)
    assert said(finding_of(gateway)) == ("false_lost", "weak")


def test_a_ledger_warning_milliseconds_after_the_start_is_an_instant_ok() -> None:
    finding = finding_of(lost().warned(J, S, S + seconds(0.05)))
    assert said(finding) == ("false_lost", "weak")
    assert "instant_ok" in finding.reasons
    assert said(finding_of(lost().warned(J, S, S + seconds(0.051)))) == ("false_lost", "exact")


def test_a_ledger_warning_with_an_unreadable_run_id_is_nothing() -> None:
    gateway = lost()
    gateway.warned(J, S, END)
    for run_id in ("cron:job-j", "manual:job-j:1776420000000:1", "cron:job-j:17", None):
        evidence = lost().warned(J, S, END)
        evidence._rows["lifecycle"][-1]["run_id"] = run_id
        assert finding_of(evidence).verdict == "unexplained"


def test_an_instant_ok_two_witnesses_agree_on_stays_doubtful() -> None:
    gateway = lost().record(J, S, duration=0.018).last_run(J, S, "ok", duration=0.018)
    assert said(finding_of(gateway)) == ("false_lost", "weak")


def test_records_of_one_run_from_two_gateways_do_not_meet() -> None:
    report = audited(a_day("one").row(J, S, L).record(J, S), a_day("two").record(J, S, "error", error="boom"))
    assert said(found(report)) == ("false_lost", "exact")
    assert evidence_of(a_day("one")).tasks.height == 1
