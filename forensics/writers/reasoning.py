"""The reasoning behind one verdict, as data: text and JSON are written from the same sentences."""

from __future__ import annotations

from forensics.correlator.circumstances import Circumstances
from forensics.model.explanation import ExplainedLoss, Explanation
from forensics.model.finding import Finding, Report
from forensics.model.shown import PLAIN, Shown
from forensics.writers.phrases import Case
from forensics.writers.told_contrasts import not_instead
from forensics.writers.told_doubts import overturned_by
from forensics.writers.told_facts import claims, shows
from forensics.writers.told_proof import because
from forensics.writers.told_searches import looked_for


def explained_loss(report: Report, finding: Finding, around: Circumstances, shown: Shown = PLAIN) -> ExplainedLoss:
    """Explain a lost row: what it claims, what is on record, why this verdict and no other, what would change it.

    ``shown`` says in which zone its sentences tell times.
    """
    case = Case(report, finding, around, shown)
    explanation = Explanation(
        claims=tuple(claims(case)),
        shows=tuple(shows(case)),
        because=tuple(because(case)),
        not_instead=tuple(not_instead(case)),
        overturned_by=tuple(overturned_by(case)),
        looked_for=tuple(looked_for(case)),
    )
    return ExplainedLoss(finding, explanation)
