"""Whatever happened, every row can be explained: whole, placed, and without a word that says nothing."""

from __future__ import annotations

import re

from hypothesis import given

from forensics.correlator.audit import audit_with_facts
from forensics.correlator.circumstances import Surroundings
from forensics.model.evidence import Evidence
from forensics.model.explanation import Explanation
from forensics.model.verdicts import Verdict
from forensics.writers.explain import write_explanation
from forensics.writers.reasoning import explained_loss
from forensics.writers.told_rows import explained_row
from tests.correlator.test_invariants import gateways, trying
from tests.support.scenario import Gateway, evidence_of

UNSAID = re.compile(r"\bNone\b|an unknown time|\bnan\b")


def faults_of(explanation: Explanation, evidence: Evidence) -> list[str]:
    places = {
        place
        for frame in (evidence.tasks, evidence.runs, evidence.lifecycle)
        for place in frame.select("source", "line").iter_rows()
    }
    statements = [
        *explanation.claims,
        *explanation.shows,
        *explanation.because,
        *(one.because for one in explanation.not_instead),
        *explanation.looked_for,
    ]
    said = [one.text for one in statements] + [f"{one.what} {one.where}" for one in explanation.overturned_by]
    wrong = [text for text in said if UNSAID.search(text)]
    wrong += [one.text for one in statements if one.line is not None and (one.source, one.line) not in places]
    wrong += [text for part in (said, explanation.overturned_by) for text in map(str, part) if not text.strip()]
    return wrong


@trying(30)
@given(gateways())
def test_every_row_of_any_incident_can_be_explained(gateway: Gateway) -> None:
    evidence = evidence_of(gateway)
    report, judged = audit_with_facts(evidence)
    surroundings = Surroundings(evidence, report, judged)
    for finding, around in zip(report.findings, surroundings.of_losses(report.findings), strict=True):
        told = explained_loss(report, finding, around)
        explanation = told.explanation
        assert faults_of(explanation, evidence) == []
        assert [one.code for one in explanation.because] == list(finding.reasons)
        beside = [one.verdict for one in explanation.not_instead]
        assert beside
        assert finding.verdict not in beside
        assert len(beside) == len(set(beside))
        assert explanation.overturned_by or finding.verdict is Verdict.NOT_APPLICABLE
        assert write_explanation(report, told).startswith(f"Task {finding.task_id}\n")
    lost = {finding.task_id for finding in report.findings}
    for task_id in evidence.tasks.filter(evidence.tasks["gateway"].is_not_null())["task_id"].unique().sort():
        if task_id not in lost:
            row = explained_row(report, surroundings.of_row("gateway", task_id))
            assert faults_of(row.explanation, evidence) == []
            assert "not lost" in row.state
