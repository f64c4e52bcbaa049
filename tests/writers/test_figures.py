"""The reliability of the jobs and the warnings about times, as every report shows them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forensics import write_html, write_json, write_markdown, write_text
from forensics.model.finding import Report
from forensics.writers.told_reliability import HEADERS, part_told, reliability_notes, reliability_rows
from tests.support.scenario import Gateway, J, K, a_day, at, audited, seconds

S = at("10:00")
L = at("10:20")
EVIL = "<b>evil</b> | `x` \x1b[31m"


def many(fine: int, *, lost: int = 0) -> Report:
    """Audit so many jobs that ended well, and so many whose row is wrong."""
    gateway = a_day()
    for number in range(fine):
        gateway.succeeded(f"fine-{number:03}", S, at("10:01"), task_id=f"fine {number}")
    for number in range(lost):
        gateway.row(f"lost-{number:03}", S, L, task_id=f"lost {number}").record(f"lost-{number:03}", S)
    return audited(gateway)


def names(report: Report, jobs_told: int = 20) -> list[str]:
    return [row[0] for row in reliability_rows(report, jobs_told)]


def test_jobs_that_the_verdicts_change_come_first() -> None:
    assert names(many(2, lost=1)) == ["lost-000", "fine-000", "fine-001"]


def test_a_job_that_was_made_good_is_changed_though_its_rate_is_not() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), cron=900)
    gateway.missed(at("10:06:20"), J).record(J, at("10:06:30")).succeeded("a", S, at("10:01"), task_id="a")
    assert names(audited(gateway)) == [J, "a"]


@pytest.mark.parametrize(("jobs", "rows"), [(20, 20), (21, 21), (22, 21), (40, 21)])
def test_beyond_twenty_jobs_the_rest_is_summed_up(jobs: int, rows: int) -> None:
    report = many(jobs - 1, lost=1)
    told = reliability_rows(report)
    assert len(told) == rows
    assert told[0][0] == "lost-000"
    assert (jobs > rows) == told[-1][0].endswith("other jobs")
    if jobs > rows:
        left = jobs - 20
        assert told[-1][:3] == (f"{left} other jobs", *[f"{left} of {left} (100 %)"] * 2)


def test_the_rest_adds_up_to_all_runs() -> None:
    report = many(30, lost=9)
    counts = [int(re.findall(r"of (\d+) ", row[1])[0]) for row in reliability_rows(report, 5)]
    assert sum(counts) == sum(job.runs for job in report.reliability) == 39


def test_a_withheld_row_is_shown_as_a_range_and_said_to_be_undecided() -> None:
    report = audited(a_day().row(J, S, L).without_run_logs())
    ((_, raw, corrected, *_, undecided),) = reliability_rows(report)
    assert (raw, corrected, undecided) == ("0 of 1 (0 %)", "0 to 1 of 1 (0 to 100 %)", "1")
    assert any(note.startswith("Undecided") for note in reliability_notes(report))


def test_failures_of_a_restart_stand_in_brackets() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"))
    gateway.row(J, at("08:00"), at("08:01"), task_id="failed", status="failed", error="boom")
    gateway.record(J, at("08:00"), "error", error="boom")
    ((*_, raw, corrected, _, _),) = reliability_rows(audited(gateway))
    assert (raw, corrected) == ("2 (1)", "2 (1)")


def test_the_span_and_what_is_not_counted_are_said() -> None:
    gateway = a_day().succeeded(J, at("08:00"), at("08:01"), task_id="one").running(J, S, task_id="two")
    first, *_, last = reliability_notes(audited(gateway.succeeded(K, at("09:00"), at("09:01"), task_id="three")))
    assert "2 runs: the ended cron rows at hand, started 2026-04-17 08:00:00.000 to 2026-04-17 09:00:00.000" in first
    assert "7 days" in first
    assert "24 h" in first
    assert last.startswith("Not counted: 1 row still queued or running")


def test_jobs_of_several_gateways_bear_their_name() -> None:
    report = audited(a_day("one").row(J, S, L), a_day("two").row(J, S, L))
    assert sorted(names(report)) == [f"one: {J}", f"two: {J}"]


def test_without_runs_no_report_tells_of_reliability() -> None:
    report = audited(a_day())
    for told in (write_text(report), write_markdown(report)):
        assert "eliability" not in told
    assert json.loads(write_json(report))["reliability"] == []
    assert "No cron row that has ended is at hand." in write_html(report)


@pytest.mark.parametrize("write", [write_text, write_markdown, write_html])
def test_reports_show_every_row_and_note(write: object) -> None:
    report = many(3, lost=2)
    told = write(report)  # type: ignore[operator]
    flat = re.sub(r"[\\\s]+", " ", told)
    assert all(header in flat for header in HEADERS)
    assert all(f"{name}" in flat for name in names(report))
    assert all(note in flat for note in reliability_notes(report))


def test_names_and_ids_of_the_evidence_do_no_harm() -> None:
    gateway = a_day().row(EVIL, S, L).row(EVIL, at("11:00"), at("11:20"), task_id=EVIL, created_at=at("12:00"))
    report = audited(gateway)
    assert report.odd_times[0].named[0].task_id == EVIL
    text, markdown, page = write_text(report), write_markdown(report), write_html(report)
    assert not any("\x1b" in told for told in (text, markdown, page))
    assert "<b>evil" not in page
    assert "<b>evil" not in markdown


def test_warnings_about_times_are_one_line_below_the_counts() -> None:
    gateway = Gateway().logged(at("00:00"), at("23:59"))
    for number in range(124):
        late = S + seconds((number % 14 + 1) / 1000)
        told = {"status": "succeeded", "error": None, "created_at": late}
        gateway.row(J, S, L, task_id=f"task {number}", **told)  # type: ignore[arg-type]
    report = audited(gateway)
    lines = write_text(report).splitlines()
    (line,) = [line for line in lines if line.startswith("inconsistent_timestamps: ")]
    assert "124 warnings: startedAt is earlier than createdAt by 1 to 14 ms" in line
    assert any(re.fullmatch(r" +inconsistent_timestamps +124 +124", other) for other in lines)
    (odd,) = json.loads(write_json(report))["odd_times"]
    assert (odd["kind"], odd["rows"], odd["least_ms"], odd["most_ms"]) == ("start_before_creation", 124, 1, 14)


@example((1999, 2000))
@example((1, 2000))
@given(st.integers(1, 5000).flatmap(lambda runs: st.tuples(st.integers(0, runs), st.just(runs))))
def test_only_all_is_a_hundred_per_cent_and_only_none_is_none(counts: tuple[int, int]) -> None:
    count, runs = counts
    told = int(re.findall(r"\((\d+) %\)", part_told(count, count, runs))[0])
    assert (told == 100, told == 0) == (count == runs, count == 0)
    assert abs(told - 100 * count / runs) < 1


@pytest.mark.parametrize(
    ("healed", "told"),
    [
        (("a",), "Healed: 1 succeeded row still carries the text of a lost mark; a late finish corrected it. "),
        (("a", "b"), "Healed: 2 succeeded rows still carry the text of a lost mark; a late finish corrected them. "),
    ],
)
def test_healed_rows_are_told_in_the_number_they_have(healed: tuple[str, ...], told: str) -> None:
    report = many(1)
    report = replace(report, summary=replace(report.summary, healed=healed, healed_aborted=("a",)))
    assert f"{told}Recorded ok, though aborted by a restart: a.\n" in write_text(report)


@pytest.mark.parametrize(
    ("lost", "told"), [(1, "missing"), (2, "missing, with 1 other row in the same sweep"), (3, "2 other rows in the")]
)
def test_rows_of_one_sweep_are_counted_in_the_number_they_have(lost: int, told: str) -> None:
    marks = {
        fact.text for finding in many(0, lost=lost).findings for fact in finding.evidence if fact.role == "lost_mark"
    }
    assert [told in mark for mark in marks] == [True]
    assert any("other" in mark for mark in marks) == (lost > 1)
