"""What is not covered proves nothing: run logs, job stores, gateway logs, and until when each of them speaks."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from forensics.correlator.audit import audit
from forensics.correlator.coverage import gateway_log_spans
from forensics.model.schemas import HISTORIES, SOURCES, frame_of
from forensics.model.verdicts import LifecycleKind, Origin, SourceKind
from tests.support.scenario import Gateway, J, K, a_day, at, evidence_of, finding_of, said, seconds

S = at("10:00")
L = at("10:20")


def crashed() -> Gateway:
    """A row whose process crashed at 10:05; that is a death where the run log would have shown its end."""
    return a_day().row(J, S, L).crashed(at("10:05"), at("10:06"))


def withheld(gateway: Gateway, reason: str) -> None:
    finding = finding_of(gateway)
    assert said(finding) == ("undetermined", None)
    assert reason in finding.reasons


def test_a_missing_file_beside_those_of_other_jobs_means_that_the_job_never_finished() -> None:
    assert said(finding_of(crashed().run_log(K))) == ("interrupted", "strong")


def test_a_present_log_without_the_run_covers_it() -> None:
    assert said(finding_of(crashed().record(J, at("08:00")))) == ("interrupted", "strong")


def paged(oldest: str, page_until: str) -> Gateway:
    """A run log copied at 09:00, and a later page of the same job that is cut at its older end."""
    gateway = Gateway().logged(at("00:00"), at("23:59")).started(at("00:00")).crashed(at("10:05"), at("10:06"))
    gateway.row(J, at("08:30"), at("10:20"), copy="export", registry="export")
    gateway.record(J, at("07:00")).copied(at("09:00"))
    for start in (oldest, page_until):
        gateway.record(J, at(start), file="page", copy="page", origin=Origin.RUN_PAGE.value)
    return gateway


@pytest.mark.parametrize(("oldest", "verdict"), [("09:00", "interrupted"), ("09:00:00.001", "undetermined")])
def test_a_cut_page_goes_on_where_a_whole_run_log_ends(oldest: str, verdict: str) -> None:
    evidence = evidence_of(paged(oldest, "13:00"))
    page = evidence.sources.filter(pl.col("path") == "page")["id"][0]
    told = {"gateway": "gateway", "source": page, "job_id": J, "origin": Origin.RUN_PAGE.value, "records": 2}
    told |= {"oldest_at": at(oldest), "is_partial": True, "is_damaged": False}
    logs = evidence.histories.filter(pl.col("source") != page)
    histories = pl.concat([logs, frame_of([told], HISTORIES)])
    (finding,) = audit(replace(evidence, histories=histories)).findings
    assert finding.verdict == verdict


def test_an_absent_folder_of_run_logs_proves_nothing() -> None:
    withheld(crashed().without_run_logs(), "run_log_absent")
    withheld(crashed().without_run_logs().job(J).last_run(K, at("08:00")), "run_log_absent")


def test_an_absent_folder_beside_a_job_store_in_which_no_job_ever_ran_means_that_no_run_finished() -> None:
    assert said(finding_of(crashed().without_run_logs().job(J).job(K))) == ("interrupted", "strong")


def test_a_job_store_in_which_no_job_ran_is_contradicted_by_a_row_that_ended() -> None:
    gateway = crashed().without_run_logs().job(J)
    gateway.succeeded(K, at("08:00"), at("08:05"), task_id="fine")
    withheld(gateway, "run_log_absent")


@pytest.mark.parametrize("status", ["succeeded", "failed", "timed_out"])
def test_a_missing_file_of_a_job_that_is_known_to_have_finished_was_deleted(status: str) -> None:
    gateway = crashed().row(J, at("08:00"), at("08:05"), status=status, task_id="fine")
    withheld(gateway, "run_log_missing")


def test_a_missing_file_of_a_job_whose_state_names_a_last_run_was_deleted() -> None:
    withheld(crashed().last_run(J, at("08:00")), "run_log_missing")


def test_a_cancelled_row_says_nothing_about_the_run_log() -> None:
    gateway = crashed().row(J, at("08:00"), at("08:05"), status="cancelled", task_id="gone")
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_the_rows_of_another_job_do_not_contradict_a_missing_file() -> None:
    gateway = crashed().succeeded(K, at("08:00"), at("08:05"), task_id="fine")
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_a_log_of_fewer_than_two_thousand_lines_was_never_pruned() -> None:
    gateway = crashed().record(J, at("11:00")).run_log(J, lines=1999)
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_a_log_of_two_thousand_lines_that_begins_later_was_pruned_past_the_run() -> None:
    withheld(crashed().record(J, at("11:00")).run_log(J, lines=2000), "run_log_pruned")


def test_a_log_of_two_thousand_lines_that_begins_earlier_covers_the_run() -> None:
    gateway = crashed().record(J, at("09:00")).run_log(J, lines=2000)
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_a_pruned_log_begins_with_the_stamp_of_its_oldest_line_not_with_the_start_of_that_run() -> None:
    gateway = crashed().record(J, at("09:55"), duration=300.001).run_log(J, lines=2000)
    withheld(gateway, "run_log_pruned")


def test_a_long_log_without_a_single_record_covers_nothing() -> None:
    withheld(crashed().run_log(J, lines=2000), "run_log_pruned")


def test_a_log_with_unreadable_lines_proves_no_absence() -> None:
    withheld(crashed().record(J, at("08:00")).run_log(J, rejected=1), "run_log_damaged")


def test_a_damaged_or_pruned_log_still_proves_what_it_holds() -> None:
    gateway = crashed().record(J, S, duration=60).run_log(J, rejected=3, lines=2000)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_a_run_log_line_that_could_not_be_appended_may_be_that_of_the_run() -> None:
    gateway = crashed().record(J, at("08:00"))
    withheld(gateway.line(LifecycleKind.RUN_LOG_APPEND_FAILED, at("10:04")), "run_log_damaged")


def test_a_line_that_could_not_be_appended_before_the_run_is_not_its_own() -> None:
    gateway = crashed().record(J, at("08:00")).line(LifecycleKind.RUN_LOG_APPEND_FAILED, at("09:59"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def copied_until(moment: str) -> Gateway:
    gateway = Gateway().logged(at("00:00"), at("23:59")).started(at("00:00"))
    return gateway.row(J, S, at("10:01")).crashed(at("10:05"), at("10:06")).copied(at(moment))


def test_a_crash_after_the_end_of_the_copied_run_log_says_nothing() -> None:
    withheld(copied_until("10:05:59.999"), "may_still_run")
    assert said(finding_of(copied_until("10:06"))) == ("interrupted", "strong")


def test_the_end_of_the_run_log_is_that_of_its_own_folder_not_of_a_newer_registry_or_the_gateway_log() -> None:
    gateway = copied_until("10:02").copied(at("23:00"), copy="newer registry")
    withheld(gateway, "may_still_run")


def test_the_end_of_the_run_log_is_not_that_of_a_newer_job_store() -> None:
    gateway = copied_until("10:02").job(K, copy="newer store", updated_at=at("23:00"))
    withheld(gateway, "may_still_run")


def test_a_newer_copy_without_the_jobs_file_does_not_stretch_an_older_one_with_it() -> None:
    gateway = copied_until("10:02").record(J, at("08:00"))
    gateway.copied(at("23:00"), copy="newer").record(K, at("08:00"), copy="newer")
    gateway._copies["newer"]["has_run_logs"] = True
    withheld(gateway, "may_still_run")


def test_a_newer_copy_with_the_jobs_file_reaches_further() -> None:
    gateway = copied_until("10:02").record(J, at("08:00"))
    gateway.copied(at("23:00"), copy="newer").record(J, at("08:00"), copy="newer")
    gateway._copies["newer"]["has_run_logs"] = True
    assert said(finding_of(gateway)) == ("interrupted", "strong")


def test_every_stamp_of_the_folder_counts_towards_its_end() -> None:
    by_record = copied_until("10:02").record(K, at("10:00"), duration=400)
    by_state = copied_until("10:02").job(K, last_run_at=at("10:00"), last_duration_ms=400_000)
    by_marker = copied_until("10:02").job(K, running_at=at("10:06:30"))
    for gateway in (by_record, by_state, by_marker):
        assert said(finding_of(gateway)) == ("interrupted", "strong")


def quiet(until: str, log_until: str = "23:59") -> Gateway:
    gateway = Gateway().logged(at("00:00"), at(log_until)).started(at("00:00"))
    return gateway.job(J, timeout=600).row(J, S, at("10:06")).copied(at(until))


def test_a_run_that_both_logs_cover_to_its_possible_end_is_unexplained() -> None:
    finding = finding_of(quiet("10:11"))
    assert said(finding) == ("unexplained", None)
    assert {"no_record", "no_death"} <= set(finding.reasons)


def test_a_run_that_could_be_alive_where_the_run_log_ends_may_still_run() -> None:
    withheld(quiet("10:10:59.999"), "may_still_run")


def test_a_job_without_a_timeout_may_run_for_two_hours() -> None:
    gateway = Gateway().logged(at("00:00"), at("23:59")).started(at("00:00")).row(J, S, at("10:06"))
    withheld(gateway.copied(at("12:00:59.999")), "may_still_run")
    longer = Gateway().logged(at("00:00"), at("23:59")).started(at("00:00")).row(J, S, at("10:06"))
    assert said(finding_of(longer.copied(at("12:01")))) == ("unexplained", None)


def test_a_gateway_log_that_ends_before_the_possible_end_leaves_it_open() -> None:
    withheld(quiet("23:00", log_until="10:09:59"), "gateway_log_gap")
    assert said(finding_of(quiet("23:00", log_until="10:10"))) == ("unexplained", None)


def test_a_gateway_log_that_begins_after_the_start_leaves_it_open() -> None:
    gateway = Gateway().logged(S + seconds(0.001), at("23:59")).job(J, timeout=600).row(J, S, at("10:06"))
    withheld(gateway.copied(at("23:00")), "gateway_log_gap")


def test_no_gateway_log_at_all_is_named() -> None:
    gateway = Gateway().job(J, timeout=600).row(J, S, at("10:06")).copied(at("23:00"))
    withheld(gateway, "gateway_log_absent")


def spans(*files: tuple[str, int, str, int], full: str | None = None) -> list[tuple[str, str]]:
    gateway = Gateway()
    for number, (first, first_day, last, last_day) in enumerate(files):
        gateway.logged(at(first, first_day), at(last, last_day), file=f"log {number}")
        if full == f"log {number}":
            gateway.line(LifecycleKind.LOG_CAPPED, at(last, last_day))
    evidence = evidence_of(gateway)
    found = gateway_log_spans(evidence.sources, evidence.lifecycle)
    return [(f"{a:%d %H:%M}", f"{b:%d %H:%M}") for a, b in found.select("covered_from", "covered_until").iter_rows()]


def test_files_of_adjoining_days_are_one_stretch() -> None:
    assert spans(("08:00", 0, "20:00", 0), ("09:00", 1, "10:00", 1)) == [("17 08:00", "18 10:00")]


def test_a_missing_day_between_two_files_is_a_hole() -> None:
    told = spans(("08:00", 0, "20:00", 0), ("09:00", 2, "10:00", 2))
    assert told == [("17 08:00", "17 20:00"), ("19 09:00", "19 10:00")]


def test_a_file_within_another_does_not_end_the_stretch() -> None:
    told = spans(("08:00", 0, "20:00", 3), ("09:00", 1, "10:00", 1), ("09:00", 4, "10:00", 4))
    assert told == [("17 08:00", "21 10:00")]


def test_what_follows_the_line_that_says_a_file_is_full_is_a_hole() -> None:
    told = spans(("08:00", 0, "12:00", 0), ("09:00", 1, "10:00", 1), full="log 0")
    assert told == [("17 08:00", "17 12:00"), ("18 09:00", "18 10:00")]


def spans_of(*logs: tuple[str, str, str] | tuple[str, str, str, str]) -> list[tuple[str, str]]:
    """Give the spans of logs of one day: kind, first and last moment, and what else is known of them."""
    told = {"file": SourceKind.GATEWAY_LOG, "console": SourceKind.GATEWAY_CONSOLE}
    rows = [
        {
            "id": number,
            "gateway": "gateway",
            "kind": told[kind].value,
            "first_at": at(first),
            "last_at": at(last),
            "zone_is_assumed": "assumed" in known,
            "before_hole": "before_hole" in known,
        }
        for number, (kind, first, last, *known) in enumerate(logs)
    ]
    found = gateway_log_spans(frame_of(rows, SOURCES))
    return [(f"{a:%H:%M}", f"{b:%H:%M}") for a, b in found.select("covered_from", "covered_until").iter_rows()]


def test_what_follows_a_file_whose_successor_is_missing_is_a_hole() -> None:
    assert spans_of(("file", "08:00", "12:00", "before_hole"), ("file", "14:00", "16:00")) == [
        ("08:00", "12:00"),
        ("14:00", "16:00"),
    ]


def test_a_file_within_one_that_ends_early_does_not_bridge_the_hole() -> None:
    logs = (("file", "08:00", "12:00", "before_hole"), ("file", "09:00", "10:00"), ("file", "14:00", "16:00"))
    assert spans_of(*logs) == [("08:00", "12:00"), ("14:00", "16:00")]


def test_a_whole_copy_of_a_file_that_ends_early_goes_on() -> None:
    logs = (("file", "08:00", "12:00", "before_hole"), ("file", "08:00", "13:00"), ("file", "14:00", "16:00"))
    assert spans_of(*logs) == [("08:00", "16:00")]


def test_a_hole_stays_one_however_many_files_overlap_it() -> None:
    logs = (("file", "08:00", "12:00", "before_hole"), ("file", "08:00", "12:00"), ("file", "14:00", "16:00"))
    assert spans_of(*logs) == [("08:00", "12:00"), ("14:00", "16:00")]


def test_a_console_log_covers_what_lies_between_its_lines_and_no_more() -> None:
    assert spans_of(("console", "08:00", "09:00"), ("console", "10:00", "11:00")) == [
        ("08:00", "09:00"),
        ("10:00", "11:00"),
    ]


def test_a_console_log_bridges_a_hole_of_the_file_log_that_it_covers_whole() -> None:
    files = (("file", "08:00", "12:00", "before_hole"), ("file", "14:00", "16:00"))
    assert spans_of(*files, ("console", "11:00", "15:00")) == [("08:00", "16:00")]
    assert spans_of(*files, ("console", "12:30", "13:30")) == [
        ("08:00", "12:00"),
        ("12:30", "13:30"),
        ("14:00", "16:00"),
    ]
    assert spans_of(*files, ("console", "11:00", "13:00")) == [("08:00", "13:00"), ("14:00", "16:00")]


def test_a_console_log_does_not_make_file_logs_follow_each_other() -> None:
    assert spans_of(("console", "08:00", "09:00"), ("file", "10:00", "11:00")) == [
        ("08:00", "09:00"),
        ("10:00", "11:00"),
    ]


def test_a_console_log_whose_zone_is_assumed_covers_nothing() -> None:
    assert spans_of(("console", "08:00", "09:00", "assumed")) == []


def test_a_bare_ok_that_ends_in_the_hole_behind_a_full_log_is_weak() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:02")).line(LifecycleKind.LOG_CAPPED, at("10:02"))
    gateway.logged(at("00:10", 1), at("01:00", 1), file="next day").copied(at("01:00", 1))
    assert said(finding_of(gateway.row(J, S, L).bare_ok(J, S, 300))) == ("false_lost", "weak")


def test_a_hole_within_the_run_leaves_death_and_silence_open() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:05"), file="one").started(at("00:00"))
    gateway.logged(at("00:10", 2), at("23:00", 2), file="two").copied(at("23:00", 2))
    withheld(gateway.row(J, S, L), "gateway_log_gap")


@pytest.mark.parametrize("known", ["row", "state"])
def test_a_run_log_that_lacks_a_run_known_to_have_ended_is_not_whole(known: str) -> None:
    gateway = crashed().record(J, at("12:00"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")
    if known == "row":
        gateway.succeeded(J, at("09:00"), at("09:05"), task_id="fine")
    else:
        gateway.last_run(J, at("13:00"))
    withheld(gateway, "run_log_damaged")


def test_an_export_does_not_extend_what_the_run_logs_cover() -> None:
    evidence = evidence_of(a_day().row(J, S, L).run_log(K).copied(at("10:05")).crashed(at("10:30"), at("10:31")))
    exported = evidence.tasks.with_columns(
        pl.lit("export").alias("registry"), pl.lit(at("12:30")).cast(pl.Datetime("ms", "UTC")).alias("last_event_at")
    )
    (finding,) = audit(replace(evidence, tasks=exported)).findings
    assert said(finding) == ("undetermined", None)


@pytest.mark.parametrize(("second", "printed"), [(1, 1000), (1000, 1)])
def test_a_run_whose_start_is_printed_in_seconds_is_the_one_recorded_within_its_second(
    second: int, printed: int
) -> None:
    whole, exact = at("08:00"), at("08:00:00.417")
    row, record = (whole, exact) if printed > 1 else (exact, whole)
    gateway = crashed().row(J, row, at("08:05"), task_id="fine", status="succeeded", error=None, precision_ms=printed)
    assert said(finding_of(gateway.record(J, record, precision_ms=second))) == ("interrupted", "strong")


def test_a_run_whose_start_is_printed_in_seconds_and_recorded_in_no_such_second_is_missing() -> None:
    gateway = crashed().row(J, at("08:00"), at("08:05"), task_id="fine", status="succeeded", precision_ms=1000)
    withheld(gateway.record(J, at("08:00:01")), "run_log_damaged")


def test_a_short_log_that_lacks_what_an_older_copy_holds_was_cut() -> None:
    gateway = crashed().record(J, at("11:00"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")
    old = gateway.record(J, at("08:00"), copy="old", file="old/cron/runs/job-j.jsonl")
    withheld(old, "may_still_run")
