"""A check as JUnit XML: one test case per lost row, for whatever shows test results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from forensics.model.baseline import fingerprint_of
from forensics.model.check import Check
from forensics.model.escape import for_xml
from forensics.model.finding import Citation, Finding
from forensics.model.verdicts import Verdict
from forensics.writers.layout import job_of
from forensics.writers.wording import VERDICTS, of_baseline, place, stale_told, stamp, unreasoned_told, why

_FAILURE, _ERROR, _SKIPPED, _PASSED = "failure", "error", "skipped", "passed"


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case as markup, and how it went."""

    went: str
    markup: str


@dataclass(frozen=True, slots=True)
class _Suite:
    """One suite: its cases, and what stands beside them."""

    name: str
    cases: tuple[_Case, ...]
    beside: str = ""

    def count(self, went: str) -> int:
        return sum(case.went == went for case in self.cases)

    def markup(self) -> str:
        figures = _figures([self]) | {"skipped": str(self.count(_SKIPPED))}
        inner = [case.markup for case in self.cases] + ([self.beside] if self.beside else [])
        return "\n".join([_opening("testsuite", {"name": self.name} | figures), *inner, "</testsuite>"])


def write_junit(check: Check) -> str:
    """Give a check as JUnit XML.

    A suite per gateway, a test case per lost row: a finding that fails the check is a failure, whatever its verdict; a
    withheld one that does not, or one that the baseline knows, is skipped, with the reason; all others pass. Evidence
    that could not be read is an error in a suite of its own.

    Source: the schema of the Jenkins xUnit plug-in (junit-10.xsd), and ``properties`` within a test case as pytest,
    GitLab and the JUnit plug-in of Jenkins know them.
    """
    suites = [*_gateways(check), *_evidence(check), *_baseline(check)]
    opening = _opening("testsuites", {"name": "forensics check"} | _figures(suites))
    parts = (suite.markup() for suite in suites)
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', opening, *parts, "</testsuites>"]) + "\n"


def _figures(suites: Iterable[_Suite]) -> dict[str, str]:
    told = list(suites)
    return {
        "tests": str(sum(len(suite.cases) for suite in told)),
        "failures": str(sum(suite.count(_FAILURE) for suite in told)),
        "errors": str(sum(suite.count(_ERROR) for suite in told)),
    }


def _gateways(check: Check) -> Iterator[_Suite]:
    paths = check.report.paths()
    by_gateway = sorted(check.report.findings, key=lambda finding: finding.gateway)
    for gateway, findings in groupby(by_gateway, key=lambda finding: finding.gateway):
        yield _Suite(gateway, tuple(_case(check, finding, paths) for finding in findings))


def _evidence(check: Check) -> Iterator[_Suite]:
    """Give a suite for what could not be read, if there is such: it may hold findings."""
    cases = tuple(_Case(_ERROR, _unread(message)) for message in check.unread())
    if cases:
        yield _Suite("evidence", cases)


def _unread(message: str) -> str:
    error = _element(_ERROR, {"type": "unread", "message": message})
    return _element("testcase", {"classname": "evidence", "name": message}, error)


def _baseline(check: Check) -> Iterator[_Suite]:
    """Give a suite without a case for entries of the baseline that are stale or give no reason, if there are such."""
    said = (*map(stale_told, check.stale()), unreasoned_told(check))
    told = "\n".join(map(for_xml, filter(None, said)))
    if told:
        yield _Suite("baseline", (), _element("system-out", {}, told))


def _case(check: Check, finding: Finding, paths: Mapping[int, str]) -> _Case:
    properties = [
        _element("property", {"name": name, "value": value}) for name, value in _properties(check, finding, paths)
    ]
    went = _went(check, finding)
    parts = ["<properties>", *properties, "</properties>", *_result(went, check, finding, paths)]
    attributes = {"classname": f"{finding.gateway}.{job_of(finding)}", "name": finding.task_id}
    return _Case(went, _element("testcase", attributes, "\n" + "\n".join(parts) + "\n"))


def _went(check: Check, finding: Finding) -> str:
    if check.is_failing(finding):
        return _FAILURE
    is_skipped = check.is_known(finding) or finding.verdict is Verdict.UNDETERMINED
    return _SKIPPED if is_skipped else _PASSED


def _result(went: str, check: Check, finding: Finding, paths: Mapping[int, str]) -> Iterator[str]:
    reasons = why(finding, paths)
    if went == _FAILURE:
        lines = [f"{VERDICTS[finding.verdict]}: {reasons}", *(_fact(fact, paths) for fact in finding.evidence)]
        body = "\n".join(for_xml(line) for line in lines)
        yield _element(_FAILURE, {"type": finding.verdict, "message": f"{finding.verdict}: {reasons}"}, body)
    elif went == _SKIPPED:
        known = of_baseline(check, finding) if check.is_known(finding) else ""
        yield _element(_SKIPPED, {"type": "known" if known else finding.verdict, "message": known or reasons})


def _properties(check: Check, finding: Finding, paths: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    yield "verdict", finding.verdict
    yield "confidence", finding.confidence or ""
    yield "cause", finding.cause
    yield "severity", finding.severity
    yield from (("reason", reason) for reason in finding.reasons)
    yield "run", finding.run_id or ""
    yield "started", stamp(finding.started_at)
    yield "marked", stamp(finding.lost_at)
    yield "fingerprint", fingerprint_of(finding)
    standing = check.standing_of(finding)
    if standing is not None:
        yield "baseline", standing
    yield from (("evidence", _fact(fact, paths)) for fact in finding.evidence)


def _fact(fact: Citation, paths: Mapping[int, str]) -> str:
    where = place(fact, paths)
    return f"{stamp(fact.at)} {fact.role}: {fact.text}" + (f" ({where})" if where else "")


def _element(name: str, attributes: Mapping[str, str], content: str = "") -> str:
    """Give an element around markup that is safe already."""
    return f"{_opening(name, attributes)}{content}</{name}>"


def _opening(name: str, attributes: Mapping[str, str]) -> str:
    told = "".join(f' {attribute}="{for_xml(value)}"' for attribute, value in attributes.items())
    return f"<{name}{told}>"
