"""Rows explained as text: the answer first, then every fact behind it with its place."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from forensics.model.escape import for_terminal
from forensics.model.explanation import ExplainedLoss, ExplainedRow, Explanation, Overturn, RowState, Statement
from forensics.model.finding import Citation, Finding, Report
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Cause, EvidenceRole
from forensics.writers.drawing import drawn_timeline
from forensics.writers.layout import job_of, text_table
from forensics.writers.phrases import counted
from forensics.writers.wording import CAUSES, VERDICTS, place, stamp, why

_WIDTH = 100
_DEEP = " " * 6
_ABSENCE = EvidenceRole.COVERAGE


def write_explanation(report: Report, told: ExplainedLoss | ExplainedRow) -> str:
    """Give the answer about one row and its reasoning, each fact with file and line, or table and rowid."""
    paths = report.paths()
    sections = _of_loss(report, told, paths) if isinstance(told, ExplainedLoss) else _of_row(told, paths)
    return "\n".join(sections) + "\n"


def write_choice(report: Report, findings: Sequence[Finding], asked: str) -> str:
    """Give the lost rows of a job as a list, where there are too many to explain each in one go."""
    paths = report.paths()
    rows = [
        (one.task_id, job_of(one), stamp(one.started_at), one.verdict, one.confidence or "-", why(one, paths))
        for one in findings
    ]
    table = text_table(("task", "job", "started (UTC)", "verdict", "confidence", "why"), rows)
    head = f"{len(findings)} lost rows are of {for_terminal(asked)}; forensics explain TASK explains each."
    return f"{head}\n\n{table}\n"


def write_unlost_job(report: Report, rows: Sequence[RowState], asked: str) -> str:
    """Say that a job has no lost row, and how many of its rows have which status."""
    counts = sorted(Counter(row.status or "without a status" for row in rows).items())
    healed = sum(row.task_id in report.summary.healed for row in rows)
    fixed = {row.task_id for row in report.summary.corrected if not row.is_cleaned}
    corrected = sum(row.task_id in fixed for row in rows)
    told = ", ".join(f"{count} {for_terminal(status)}" for status, count in counts)
    again = f" {counted(healed, 'of them was', 'of them were')} lost once and healed." if healed else ""
    again += f" {counted(corrected, 'of them was', 'of them were')} corrected by forensics fix." if corrected else ""
    latest = max(rows, key=lambda row: (row.start is not None, row.start, row.task_id))
    head = f"No row of {for_terminal(asked)} is lost: {told}.{again}"
    return f"{head} Latest: task {for_terminal(latest.task_id)}, started {stamp(latest.start)} UTC.\n"


def _of_loss(report: Report, told: ExplainedLoss, paths: Mapping[int, str]) -> Iterator[str]:
    finding, explanation = told.finding, told.explanation
    yield f"Task {for_terminal(finding.task_id)}"
    yield from _facts(finding)
    yield ""
    yield f"Verdict: {finding.verdict}: {VERDICTS[finding.verdict]}."
    yield f"Confidence: {finding.confidence or 'none, the verdict is withheld or does not apply'}"
    yield f"Cause of the mark: {_cause(finding)}."
    yield from _statements("What the row claims", explanation.claims, paths)
    yield from _statements("What the records show", explanation.shows, paths)
    yield ""
    yield "Timeline (UTC):"
    yield from _timeline(finding, report, paths)
    yield from _statements(f"Why {finding.verdict}", explanation.because, paths)
    yield from _contrasts(explanation, paths)
    yield from _overturns(explanation.overturned_by, "What would settle it" if _is_open(finding) else _OVERTURN)
    yield from _statements("Looked for", explanation.looked_for, paths)
    yield ""
    yield from _correction(finding)


def _cause(finding: Finding) -> str:
    """Give the cause of the mark; why it is unknown is said with the claims."""
    if finding.cause is Cause.UNKNOWN:
        return finding.cause
    return f"{finding.cause}: {CAUSES[finding.cause]}"


_OVERTURN = "What would overturn it"


def _is_open(finding: Finding) -> bool:
    return finding.confidence is None


def _of_row(told: ExplainedRow, paths: Mapping[int, str]) -> Iterator[str]:
    row, explanation = told.row, told.explanation
    yield f"Task {for_terminal(row.task_id)}"
    yield from _row_facts(row)
    yield ""
    yield from textwrap.wrap(f"State: {told.state}", _WIDTH)
    yield from _statements("What the row claims", explanation.claims, paths)
    yield from _statements("What the records show", explanation.shows, paths)
    yield from _statements("Why", explanation.because, paths)
    yield from _overturns(explanation.overturned_by, _OVERTURN)
    yield from _statements("Looked for", explanation.looked_for, paths)


def _facts(finding: Finding) -> Iterator[str]:
    yield f"  job       {for_terminal(finding.job_name or '-')} ({for_terminal(finding.job_id or '-')})"
    yield f"  run id    {for_terminal(finding.run_id or '-')}"
    yield f"  gateway   {for_terminal(finding.gateway)}"
    yield f"  started   {stamp(finding.started_at)}{' UTC' if finding.started_at else ''}"
    yield f"  lost mark {stamp(finding.lost_at)} UTC"


def _row_facts(row: RowState) -> Iterator[str]:
    yield f"  job       {for_terminal(row.job_name or '-')} ({for_terminal(row.job_id or '-')})"
    yield f"  run id    {for_terminal(row.run_id or '-')}"
    yield f"  gateway   {for_terminal(row.gateway)}"
    yield f"  started   {stamp(row.start)}{' UTC' if row.start else ''}"
    yield f"  ended     {stamp(row.ended_at)}{' UTC' if row.ended_at else ''}"


def _statements(title: str, statements: Iterable[Statement], paths: Mapping[int, str]) -> Iterator[str]:
    told = list(statements)
    if told:
        yield ""
        yield f"{title}:"
    for number, statement in enumerate(told):
        code = f" [{statement.code}]" if statement.code else ""
        yield from _bullet(statement.text + code)
        if number + 1 == len(told) or _where(told[number + 1]) != _where(statement):
            yield from _place(statement, paths)


def _contrasts(explanation: Explanation, paths: Mapping[int, str]) -> Iterator[str]:
    if explanation.not_instead:
        yield ""
        yield "Why not:"
    for other in explanation.not_instead:
        yield from _bullet(f"{other.verdict}: {other.because.text}")
        yield from _place(other.because, paths)


def _overturns(overturned_by: Sequence[Overturn], title: str) -> Iterator[str]:
    if overturned_by:
        yield ""
        yield f"{title}:"
    for one in overturned_by:
        yield from _bullet(f"{one.what[:1].upper()}{one.what[1:]}.")
        yield from textwrap.wrap(
            for_terminal(one.where),
            _WIDTH,
            initial_indent=_DEEP,
            subsequent_indent=_DEEP,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _where(statement: Statement) -> tuple[object, ...]:
    """Give the place of a sentence; several in a row that share it are followed by it once."""
    return statement.source, statement.line, statement.table


def _place(statement: Statement, paths: Mapping[int, str]) -> Iterator[str]:
    """Give a place on a line of its own, never broken, so that it can be copied."""
    if statement.source is not None:
        cited = Citation("", statement.source, statement.line, statement.at, "", statement.table)
        yield f"{_DEEP}{for_terminal(place(cited, paths))}"


def _timeline(finding: Finding, report: Report, paths: Mapping[int, str]) -> Iterator[str]:
    """Draw the facts that bear a time, then give all of them as a table, which says the same in full."""
    facts = [fact for fact in finding.evidence if fact.role != _ABSENCE]
    facts += _nearby_restart(finding, report, facts)
    facts.sort(key=lambda fact: (fact.at is None, fact.at, fact.source, fact.line))
    rows = [(stamp(fact.at), fact.role, fact.text, place(fact, paths)) for fact in facts]
    drawing = drawn_timeline(finding, report, facts, _WIDTH)
    if drawing:
        yield from drawing
        yield ""
    yield text_table(("at", "what", "text", "where"), rows, indent="  ")


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
