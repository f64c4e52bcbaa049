"""The reasoning behind one verdict, as data: text and JSON are written from the same sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from forensics.correlator.circumstances import Circumstances, Surroundings
from forensics.model.explanation import ExplainedLoss, Explanation, Overturn
from forensics.model.finding import Finding, Report
from forensics.model.shown import PLAIN, Shown
from forensics.model.verdicts import Verdict
from forensics.writers.phrases import Case
from forensics.writers.told_contrasts import not_instead
from forensics.writers.told_doubts import overturned_by
from forensics.writers.told_facts import claims, shows
from forensics.writers.told_proof import because
from forensics.writers.told_searches import looked_for

SETTLED_ROWS = 200
"""For so many withheld rows a report says one by one what would settle them: looking around each takes milliseconds."""


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


def settling_of(report: Report, surroundings: Surroundings) -> dict[tuple[str, str], tuple[Overturn, ...]]:
    """Give what would settle the withheld rows, by gateway and task id: of many, first of each kind."""
    wanted = _first_of_each_kind(report.of_verdict(Verdict.UNDETERMINED))[:SETTLED_ROWS]
    around = zip(wanted, surroundings.of_losses(wanted), strict=True)
    return {(one.gateway, one.task_id): tuple(overturned_by(Case(report, one, told))) for one, told in around}


def _first_of_each_kind(findings: Iterable[Finding]) -> list[Finding]:
    """Put those first that are the first of their job and reasons, then the second ones, and so on."""
    seen: Counter[tuple[str, str | None, tuple[str, ...]]] = Counter()
    ranked: list[tuple[int, Finding]] = []
    for finding in findings:
        kind = (finding.gateway, finding.job_id, finding.reasons)
        ranked.append((seen[kind], finding))
        seen[kind] += 1
    return [finding for _, finding in sorted(ranked, key=lambda one: one[0])]
