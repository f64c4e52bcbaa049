"""One lost row, explained: its timeline, why this verdict, and what was looked for and not found."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from forensics.model.escape import for_terminal
from forensics.model.finding import Citation, Finding, Report
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, EvidenceRole, Reason
from forensics.writers.layout import text_table
from forensics.writers.wording import CAUSES, REASONS, VERDICTS, place, stamp

_WIDTH = 100
_ABSENCE = EvidenceRole.COVERAGE


def write_explanation(report: Report, finding: Finding) -> str:
    """Give the row's own timeline, each fact with file and line, and the reasoning behind its verdict."""
    return "\n".join(_sections(report, finding)) + "\n"


def _sections(report: Report, finding: Finding) -> Iterator[str]:
    paths = report.paths()
    yield f"Task {for_terminal(finding.task_id)}"
    yield from _facts(finding)
    yield ""
    yield f"Verdict: {finding.verdict}: {VERDICTS[finding.verdict]}."
    yield f"Confidence: {finding.confidence or 'none, the verdict is withheld or does not apply'}"
    yield f"Cause of the mark: {finding.cause}: {CAUSES[finding.cause]}."
    yield ""
    yield "Timeline (UTC):"
    yield _timeline(finding, report, paths)
    yield ""
    yield "Why:"
    yield from _why(finding)
    yield ""
    yield "Looked for:"
    for fact in finding.evidence:
        if fact.role == _ABSENCE:
            yield from _bullet(fact.text + (f" [{place(fact, paths)}]" if fact.source is not None else ""))
    yield ""
    yield from _correction(finding)


def _facts(finding: Finding) -> Iterator[str]:
    yield f"  job       {for_terminal(finding.job_name or '-')} ({for_terminal(finding.job_id or '-')})"
    yield f"  run id    {for_terminal(finding.run_id or '-')}"
    yield f"  gateway   {for_terminal(finding.gateway)}"
    yield f"  started   {stamp(finding.started_at)}"
    yield f"  lost mark {stamp(finding.lost_at)}"


def _timeline(finding: Finding, report: Report, paths: Mapping[int, str]) -> str:
    facts = [fact for fact in finding.evidence if fact.role != _ABSENCE]
    facts += _nearby_restart(finding, report, facts)
    facts.sort(key=lambda fact: (fact.at is None, fact.at, fact.source, fact.line))
    rows = [(stamp(fact.at), fact.role, fact.text, place(fact, paths)) for fact in facts]
    return text_table(("at", "what", "text", "where"), rows, indent="  ")


def _nearby_restart(finding: Finding, report: Report, told: list[Citation]) -> list[Citation]:
    """Give the restarts between start and lost mark that the verdict does not rest on: they are on the timeline too."""
    if finding.started_at is None or finding.lost_at is None:
        return []
    known = {(fact.source, fact.line) for fact in told}
    return [
        Citation(EvidenceRole.RESTART, fact.source, fact.line, fact.at, f"{restart.id}: {fact.text}", fact.table)
        for restart in report.restarts
        if restart.gateway == finding.gateway and finding.started_at <= restart.down_at_latest <= finding.lost_at
        for fact in restart.evidence
        if (fact.source, fact.line) not in known
    ]


def _why(finding: Finding) -> Iterator[str]:
    for code in finding.reasons:
        yield from _bullet(f"{REASONS[Reason(code)]} [{code}]")


def _correction(finding: Finding) -> Iterator[str]:
    correction = finding.correction
    if correction is None:
        yield "Correction: none."
        return
    by_default = finding.verdict in CORRECTED_BY_DEFAULT
    yield "Correction:" if by_default else "Correction (only on request, fix --include interrupted):"
    yield f"  status           {correction.status}"
    yield f"  ended_at         {stamp(correction.ended_at)}"
    yield f"  error            {for_terminal(correction.error) if correction.error is not None else 'NULL'}"
    summary = correction.terminal_summary
    yield f"  terminal_summary {for_terminal(summary) if summary is not None else 'NULL'}"
    yield f"  cleanup_after    {stamp(correction.cleanup_after)}"


def _bullet(text: str) -> Iterator[str]:
    yield from textwrap.wrap(for_terminal(text), _WIDTH, initial_indent="  - ", subsequent_indent="    ") or [""]
