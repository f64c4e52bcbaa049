"""Every verdict can be replayed: each fact behind it is named with its file and line."""

from __future__ import annotations

import pytest

from forensics.correlator.audit import audit
from forensics.model.evidence import Evidence
from forensics.model.finding import Citation, Finding
from tests.correlator.test_verdicts import every_verdict
from tests.support.scenario import Gateway, J, K, a_day, at, evidence_of, finding_of, seconds

S = at("10:00")
L = at("10:20")


def of_role(finding: Finding, role: str) -> list[Citation]:
    return [fact for fact in finding.evidence if fact.role == role]


def path_of(evidence: Evidence, fact: Citation) -> str:
    (path,) = evidence.sources.filter(evidence.sources["id"] == fact.source)["path"]
    return str(path)


def test_the_row_and_its_record_are_cited_with_file_and_line() -> None:
    gateway = a_day().record(J, at("08:00")).row(J, S, L).record(J, S, duration=300)
    finding, evidence = finding_of(gateway), evidence_of(gateway)
    (start,), (mark,), (finish,) = (of_role(finding, role) for role in ("start", "lost_mark", "finish"))
    assert (path_of(evidence, start), start.line, start.at) == ("state/tasks/runs.sqlite", 2, S)
    assert (path_of(evidence, mark), mark.line, mark.at) == ("state/tasks/runs.sqlite", 2, L)
    assert (path_of(evidence, finish), finish.line, finish.at) == (f"state/cron/runs/{J}.jsonl", 2, S + seconds(300))
    assert finding.run is not None
    assert (finding.run.source, finding.run.line) == (finish.source, finish.line)


def test_the_lines_of_the_restart_are_cited_with_the_finding() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06")).marker(J, S, at("10:06:11"))
    finding, evidence = finding_of(gateway), evidence_of(gateway)
    lines = of_role(finding, "restart")
    assert [fact.at for fact in lines] == sorted(fact.at for fact in lines if fact.at)
    assert {path_of(evidence, fact) for fact in lines} == {"gateway.log"}
    assert all(fact.text.startswith("R2: ") and fact.line for fact in lines)
    (marker,) = of_role(finding, "marker")
    assert (marker.at, path_of(evidence, marker)) == (at("10:06:11"), "gateway.log")


def test_the_stand_in_is_cited() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), cron=900).record(J, at("10:06:40"), duration=60)
    (fact,) = of_role(finding_of(gateway), "stand_in")
    assert (fact.line, fact.at) == (1, at("10:07:40"))


def test_a_near_miss_is_cited_when_it_stands_against_a_death() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06")).record(J, S + seconds(0.003))
    (fact,) = of_role(finding_of(gateway), "near_miss")
    assert fact.at == S + seconds(0.003)


@pytest.mark.parametrize("verdict", list(every_verdict()))
def test_every_cited_line_exists_and_every_file_is_a_source(verdict: str) -> None:
    gateway, _ = every_verdict()[verdict]
    evidence = evidence_of(gateway)
    lines = {
        (source, line)
        for frame in (evidence.tasks, evidence.runs, evidence.lifecycle)
        for source, line in frame.select("source", "line").iter_rows()
    }
    facts = finding_of(gateway).evidence
    assert {fact.role for fact in facts} >= {"start", "lost_mark"}
    assert {(fact.source, fact.line) for fact in facts if fact.line is not None} <= lines
    assert {fact.source for fact in facts if fact.source is not None} <= set(evidence.sources["id"])


@pytest.mark.parametrize("verdict", list(every_verdict()))
def test_facts_come_in_the_order_of_their_roles_and_none_twice(verdict: str) -> None:
    gateway, _ = every_verdict()[verdict]
    facts = finding_of(gateway).evidence
    order = ["start", "lost_mark", "finish", "restart", "marker", "catch_up", "stand_in", "near_miss", "coverage"]
    positions = [order.index(fact.role) for fact in facts]
    assert positions == sorted(positions)
    assert len(set(facts)) == len(facts)


def coverage(gateway: Gateway) -> list[str]:
    return [fact.text for fact in of_role(finding_of(gateway), "coverage")]


def test_what_was_searched_in_vain_is_said_with_its_reach() -> None:
    silent = a_day().row(J, S, L).record(J, at("08:00"))
    assert any("none among 1 lines" in text and "23:59" in text for text in coverage(silent))
    assert any("gateway log covers the run" in text and "23:59" in text for text in coverage(silent))
    no_file = coverage(a_day().row(J, S, L).run_log(K))
    assert any("no file" in text for text in no_file)
    assert any("none were given" in text for text in coverage(a_day().row(J, S, L).without_run_logs()))
    assert any("none was given" in text for text in coverage(Gateway().row(J, S, L)))


def test_until_when_a_run_without_a_record_could_have_gone_on_is_said() -> None:
    gateway = a_day().job(J, timeout=600).row(J, S, L)
    (end,) = [fact for fact in of_role(finding_of(gateway), "coverage") if "latest possible end" in fact.text]
    assert end.at == at("10:10")
    assert not any("latest possible end" in text for text in coverage(a_day().row(J, S, L).record(J, S)))


def test_a_row_that_is_not_judged_is_cited_without_coverage() -> None:
    finding = finding_of(a_day().row(J, S, L, runtime="cli"))
    assert [fact.role for fact in finding.evidence] == ["start", "lost_mark"]


def test_facts_of_one_gateway_are_never_cited_for_another() -> None:
    one, two = a_day("one").row(J, S, L).record(J, S), a_day("two").row(J, S, L)
    evidence = evidence_of(one, two)
    gateway_of = dict(evidence.sources.select("id", "gateway").iter_rows())
    for finding in audit(evidence).findings:
        assert {gateway_of[fact.source] for fact in finding.evidence if fact.source is not None} == {finding.gateway}
