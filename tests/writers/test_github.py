"""A check for GitHub Actions: commands as its runner reads them, its limits, and text that stays text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forensics.model.baseline import Baseline, Entry
from forensics.model.check import Check
from forensics.model.escape import for_terminal
from forensics.model.finding import Report
from forensics.model.policy import ANNOTATIONS_PER_KIND
from forensics.model.schemas import NOTICES, frame_of
from forensics.model.verdicts import Verdict
from forensics.writers.github import write_annotations, write_step_summary
from tests.support.checks import checked, every_verdict, knowing, with_hostile, with_unread

LINE_ENDS = re.compile(r"\r\n|[\r\n]")


@dataclass(frozen=True, slots=True)
class Read:
    """One workflow command as the runner reads it."""

    kind: str
    properties: dict[str, str]
    message: str


def read(output: str) -> Iterator[Read | str]:
    """Read the output of a step line by line as the runner does; a line that is no command is given as it is."""
    for line in LINE_ENDS.split(output.removesuffix("\n")):
        if not line.lstrip().startswith("::"):
            yield line
            continue
        header, message = line.lstrip()[2:].split("::", 1)
        kind, _, told = header.partition(" ")
        pairs = (pair.split("=", 1) for pair in told.split(",") if pair)
        properties = {name: value.replace("%3A", ":").replace("%2C", ",") for name, value in pairs}
        yield Read(kind, {name: _plain(value) for name, value in properties.items()}, _plain(message))


def _plain(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def commands(check: Check) -> list[Read]:
    return [told for told in read(write_annotations(check)) if isinstance(told, Read)]


def many(count: int) -> Report:
    """Give an audit with so many interrupted rows."""
    report = every_verdict()
    lost = next(finding for finding in report.findings if finding.verdict is Verdict.INTERRUPTED)
    return replace(report, findings=tuple(replace(lost, task_id=f"task {number:05}") for number in range(count)))


def test_each_failing_finding_is_an_error_at_its_row() -> None:
    check = checked(fail_on=tuple(Verdict))
    errors = [told for told in commands(check) if told.kind == "error"]
    named = " ".join(told.message for told in errors[: ANNOTATIONS_PER_KIND - 1])
    shown = check.failing()[: ANNOTATIONS_PER_KIND - 1]
    assert all(finding.task_id in named for finding in shown)
    for finding, told in zip(shown, errors, strict=False):
        path = every_verdict().paths()[finding.source]
        assert told.properties["file"] == path
        assert told.properties["title"].startswith(f"{finding.verdict}: ")
        assert f"({path} task_runs rowid {finding.line})" in told.message
        assert "line" not in told.properties, "a row of a database has no line"


def test_a_row_of_a_file_of_lines_is_annotated_at_its_line() -> None:
    exported = [
        finding for finding in every_verdict().findings if every_verdict().paths()[finding.source].endswith(".json")
    ]
    (told,) = commands(checked(replace(every_verdict(), findings=tuple(exported)), fail_on=(Verdict.FALSE_LOST,)))
    assert (told.kind, told.properties["line"]) == ("error", str(exported[0].line))


def test_what_does_not_fail_is_shown_by_its_severity_and_what_is_nothing_is_not_shown() -> None:
    told = commands(checked(fail_on=(Verdict.FALSE_LOST,)))
    kinds = {one.properties["title"].split(":")[0]: one.kind for one in told}
    assert kinds == {
        "false_lost": "error",
        "interrupted": "warning",
        "unexplained": "warning",
        "undetermined": "warning",
        "failed": "notice",
        "replayed": "notice",
    }


@pytest.mark.parametrize(("count", "shown", "summed"), [(1, 1, 0), (9, 9, 0), (10, 10, 0), (11, 9, 2), (3000, 9, 2991)])
def test_github_shows_ten_of_a_kind_so_the_tenth_sums_the_rest_up(count: int, shown: int, summed: int) -> None:
    told = commands(checked(many(count)))
    assert len(told) == shown + (summed > 0)
    if summed:
        assert told[-1].properties == {"title": f"{summed} more"}
        assert told[-1].message.endswith(f": {summed} interrupted")


def test_unread_evidence_is_an_error_and_a_stale_entry_a_warning() -> None:
    known, expired, *_ = checked().listed()
    day = every_verdict().now.date()
    entries = (
        *knowing([known], "seen, by Ada: 100 %").entries,
        *knowing([expired], expires=day - timedelta(days=1)).entries,
        Entry("gone", None, Verdict.INTERRUPTED, ""),
    )
    report = with_unread("half of it is missing")
    told = commands(checked(report, Baseline(entries), only_new=True))
    by_title = {one.properties["title"]: one for one in told}
    assert by_title["evidence could not be read"].kind == "error"
    assert by_title["stale entry of the baseline"].kind == "warning"
    noticed = next(one for one in told if known.task_id in one.message)
    assert noticed.kind == "notice"
    assert noticed.message.endswith("[known: seen, by Ada: 100 %]")
    failed = next(one for one in told if expired.task_id in one.message)
    assert failed.kind == "error"
    assert failed.message.endswith(f"[was known until {day - timedelta(days=1)}]")


def test_the_last_line_is_the_outcome_for_the_reader_of_the_log() -> None:
    *_, last = read(write_annotations(checked()))
    assert isinstance(last, str)
    assert last.startswith("check failed: 4 of 12 lost rows need a look.")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text("%0AD:,=\r\n# []", max_size=12))
@example("x\r\n::error::mine\n::stop-commands::t")
@example("a,line=7,title=b::c%0A%25")
def test_hostile_text_cannot_leave_its_annotation(text: str) -> None:
    check = checked(with_hostile(text), fail_on=tuple(Verdict))
    output = write_annotations(check)
    told = list(read(output))
    assert [one for one in told if isinstance(one, str)] == [told[-1]]
    assert {one.kind for one in told if isinstance(one, Read)} == {"error"}
    assert len(told) == ANNOTATIONS_PER_KIND + 1
    shown = for_terminal(text)
    first = told[1]
    assert isinstance(first, Read)
    assert set(first.properties) <= {"file", "line", "title"}
    assert first.properties["file"].startswith(shown)
    assert first.message.startswith(f"task {shown}0 (")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@example("a|b\n| x |<script>[l](http://e)`@org ")
def test_hostile_text_stays_in_its_cell_of_the_summary(text: str) -> None:
    check = checked(with_hostile(text), fail_on=tuple(Verdict))
    table = [line for line in write_step_summary(check).split("\n") if line.startswith("|")]
    assert len(table) == len(every_verdict().findings) + 2
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table} == {8}


def test_the_summary_tells_what_fails_and_what_the_baseline_says() -> None:
    known, *failing = checked().listed()
    stale = Entry("gone", None, Verdict.INTERRUPTED, "")
    baseline = Baseline((*knowing([known], "seen").entries, stale))
    text = write_step_summary(checked(baseline=baseline, only_new=True))
    assert "**check failed\\: 3 of 12 lost rows need a look" in text
    rows = {line.split("|")[3].strip(): line for line in text.split("\n") if line.startswith("| ")}
    assert all(rows[finding.task_id].startswith("| fails") for finding in failing)
    assert "known\\: seen" in rows[known.task_id]
    assert "Stale entries of the baseline: 1." in text


@pytest.mark.parametrize("character", ["\U0001f600", "\U000e0041", "\x00", "|"])
def test_a_summary_stays_below_the_limit_of_github_whatever_it_holds(character: str) -> None:
    wide = character * 5000
    lost = replace(many(3000).findings[0], task_id=wide, job_name=wide, job_id=wide)
    report = replace(every_verdict(), findings=(lost,) * 3000)
    text = write_step_summary(checked(report, knowing([lost], character * 5000)))
    assert len(text.encode()) < 1 << 20
    assert "… and 2600 more rows." in text


def test_five_thousand_rows_of_the_longest_texts_stay_below_every_limit() -> None:
    """Ten annotations of a kind, 64 KB of text and 255 characters of title each, 1 MiB of summary."""
    wide = "\U0001f600" * 17_000
    lost = replace(many(1).findings[0], task_id=wide, job_name=wide, job_id=wide)
    report = replace(with_unread(wide), findings=(lost,) * 5000)
    check = checked(report, knowing([lost], wide))
    told = commands(check)
    assert Counter(one.kind for one in told) == {"error": ANNOTATIONS_PER_KIND}
    assert max(len(one.message.encode()) for one in told) < 64_000 + 4
    assert max(len(one.properties["title"]) for one in told) <= 255
    assert told[-1].message == "4992 more of this kind are not shown here: 4992 interrupted"
    report = replace(report, findings=report.findings[:1000])
    for sign in ("\U0001f600", "<"):
        text = write_step_summary(
            replace(check, baseline=knowing([lost], sign * 400), report=worst(report, sign * 400))
        )
        assert len(text.encode()) < 1 << 20
        assert re.search(r"… and \d+ more rows\.", text)
        assert re.search(r"… and \d+ more that could not be read\.", text)


def worst(report: Report, text: str) -> Report:
    """Give an audit whose rows and notices are as long as this text makes them."""
    notices = frame_of([{"level": "error", "code": "x", "message": text}] * 500, NOTICES)
    findings = tuple(replace(finding, task_id=text, job_name=text) for finding in report.findings)
    return replace(report, notices=notices, findings=findings)


@pytest.mark.parametrize("wide", ["\U0001f600" * 70_000, "\u202e" * 70_000])
def test_no_message_is_longer_than_github_takes(wide: str) -> None:
    lost = replace(many(1).findings[0], task_id=wide, job_name=wide, job_id=wide)
    (told,) = commands(checked(replace(every_verdict(), findings=(lost,))))
    assert len(told.message.encode()) < 1 << 16
    assert told.message.endswith("…")
    assert len(told.properties["title"]) < 256
