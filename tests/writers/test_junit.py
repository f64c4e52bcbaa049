"""A check as JUnit XML: a published schema, one case per lost row, and text that stays text."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st

from forensics.model.baseline import Baseline, Entry, fingerprint_of
from forensics.model.check import Check
from forensics.model.escape import for_terminal
from forensics.model.verdicts import FAIL_ON_BY_DEFAULT, Verdict
from forensics.writers.junit import write_junit
from tests.support.captures import DATA
from tests.support.checks import checked, every_verdict, knowing, with_hostile, with_unread

PUBLISHED = xmlschema.XMLSchema(str(DATA / "schemas" / "junit-10.xsd"))


def suites_of(check: Check) -> ET.Element:
    return ET.fromstring(write_junit(check))  # noqa: S314 - written on the same line


def errors_of(suites: ET.Element) -> list[str]:
    """Give what the schema objects to, but for the properties of a test case, which it does not know."""
    for case in suites.iter("testcase"):
        for properties in case.findall("properties"):
            assert PUBLISHED.elements["properties"].is_valid(properties)
            case.remove(properties)
    return [str(error.reason) for error in PUBLISHED.iter_errors(suites)]


def went(case: ET.Element) -> str:
    (told,) = [part.tag for part in case if part.tag != "properties"] or ["passed"]
    return told


def values(case: ET.Element, name: str) -> list[str | None]:
    return [one.get("value") for one in case.iterfind("properties/property") if one.get("name") == name]


def test_a_broken_report_is_seen() -> None:
    suites = suites_of(checked())
    del suites[0].attrib["tests"]
    assert errors_of(suites)


@pytest.mark.parametrize("fail_on", [FAIL_ON_BY_DEFAULT, (Verdict.INTERRUPTED,), tuple(Verdict)], ids=len)
def test_the_report_keeps_the_published_schema_and_its_figures_add_up(fail_on: tuple[Verdict, ...]) -> None:
    suites = suites_of(checked(fail_on=fail_on))
    for suite in (suites, *suites):
        tags = [went(case) for case in suite.iter("testcase")]
        told = {"tests": len(tags), "failures": tags.count("failure"), "errors": 0}
        assert {name: int(suite.get(name, "")) for name in told} == told
    assert suites[0].get("skipped") == str([went(case) for case in suites.iter("testcase")].count("skipped"))
    assert errors_of(suites) == []


def test_every_lost_row_is_a_case_that_goes_by_its_verdict() -> None:
    check = checked(fail_on=(Verdict.INTERRUPTED, Verdict.REPLAYED))
    cases = {case.get("name"): case for case in suites_of(check).iter("testcase")}
    assert set(cases) == {finding.task_id for finding in every_verdict().findings}
    expected = {
        Verdict.INTERRUPTED: "failure",
        Verdict.REPLAYED: "failure",
        Verdict.UNDETERMINED: "skipped",
    }
    for finding in every_verdict().findings:
        case = cases[finding.task_id]
        assert went(case) == expected.get(finding.verdict, "passed")
        assert values(case, "verdict") == [finding.verdict]
        assert values(case, "confidence") == [finding.confidence or ""]
        assert values(case, "fingerprint") == [fingerprint_of(finding)]
        assert len(values(case, "evidence")) == len(finding.evidence)


def test_a_withheld_verdict_that_fails_the_check_is_a_failure() -> None:
    """The report must never look better than the exit code."""
    check = checked()
    failed = {case.get("name") for case in suites_of(check).iter("testcase") if went(case) == "failure"}
    assert failed == {finding.task_id for finding in check.failing()}
    assert Verdict.UNDETERMINED in {finding.verdict for finding in check.failing()}


def test_a_skipped_row_says_why() -> None:
    check = checked(fail_on=(Verdict.INTERRUPTED,))
    told = [case.find("skipped") for case in suites_of(check).iter("testcase") if went(case) == "skipped"]
    assert all(one is not None and "hand over" in one.get("message", "") for one in told)
    assert len(told) == 2


def test_a_failure_names_the_place_of_every_fact() -> None:
    text = next(suites_of(checked()).iter("failure")).text or ""
    assert "samples/every-verdict/state/tasks/runs.sqlite task_runs rowid 12)" in text


def test_known_findings_are_skipped_and_stale_entries_named() -> None:
    known, expired, *new = checked().listed()
    day = every_verdict().now.date()
    entries = (
        *knowing([known], "seen <by> Ada", day).entries,
        *knowing([expired], expires=day - timedelta(days=1)).entries,
        Entry("gone", None, Verdict.INTERRUPTED, ""),
    )
    suites = suites_of(checked(baseline=Baseline(entries), only_new=True))
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    skipped = cases[known.task_id].find("skipped")
    assert skipped is not None
    assert "seen <by> Ada" in skipped.get("message", "")
    assert {went(cases[finding.task_id]) for finding in (expired, *new)} == {"failure"}
    assert [values(cases[one.task_id], "baseline") for one in (known, expired, new[0])] == [
        ["known"],
        ["expired"],
        ["new"],
    ]
    assert "gone" in (suites.findtext("testsuite[@name='baseline']/system-out") or "")
    assert errors_of(suites) == []


def test_unread_evidence_is_an_error() -> None:
    suites = suites_of(checked(with_unread("no such file: <x>"), fail_on=(Verdict.FAILED,)))
    error = suites.find("testsuite[@name='evidence']/testcase/error")
    assert error is not None
    assert error.get("message") == "no such file: <x>"
    assert suites.get("errors") == "1"
    assert errors_of(suites) == []


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@example("]]></failure><testcase name='x'/>&amp;\x00\ufffe\x1b[31m\u202e")
def test_hostile_text_stays_text(text: str) -> None:
    suites = suites_of(checked(with_hostile(text), fail_on=tuple(Verdict)))
    assert len(list(suites.iter("testcase"))) == len(every_verdict().findings) + 1
    shown = for_terminal(text).replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")
    facts = next(suites.iter("failure")).text or ""
    assert facts.count(f": {shown}") >= 1
    assert errors_of(suites) == []
