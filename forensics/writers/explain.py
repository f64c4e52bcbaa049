"""Rows explained as text: the answer first, then every fact behind it with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from forensics.model.escape import for_terminal
from forensics.model.explanation import ExplainedLoss, ExplainedRow, Explanation, Overturn, RowState, Statement
from forensics.model.finding import Citation, Finding, Report
from forensics.model.shown import PLAIN, Shown, Style
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Cause, EvidenceRole
from forensics.writers.drawing import NARROWEST, drawn_timeline
from forensics.writers.layout import job_of
from forensics.writers.measure import indented, paragraph
from forensics.writers.phrases import counted
from forensics.writers.tables import Cell, Column, text_table
from forensics.writers.wording import CAUSES, VERDICTS, place, reasons_told, style_of

_WIDTH = 100
"""Columns of running text: longer lines are hard to read, however wide a terminal is."""

_DEEP = " " * 6
_LABEL = 10
_ABSENCE = EvidenceRole.COVERAGE


def write_explanation(report: Report, told: ExplainedLoss | ExplainedRow, shown: Shown = PLAIN) -> str:
    """Give the answer about one row and its reasoning, each fact with file and line, or table and rowid.

    Times in the sentences of ``told`` are as they were told; ``shown`` is for the others.
    """
    page = _Page(report.paths(), shown)
    sections = _of_loss(report, told, page) if isinstance(told, ExplainedLoss) else _of_row(told, page)
    return "\n".join(sections) + "\n"


def write_choice(report: Report, findings: Sequence[Finding], asked: str, shown: Shown = PLAIN) -> str:
    """Give the lost rows of a job as a list, where there are too many to explain each in one go."""
    paths = report.paths()
    rows: list[list[Cell]] = [
        [
            one.task_id,
            job_of(one),
            shown.stamp(one.started_at),
            one.verdict,
            one.confidence or "-",
            reasons_told(one, paths),
        ]
        for one in findings
    ]
    headers = (
        "task",
        Column("job", is_text=True),
        shown.heading("started"),
        Column("verdict", style=style_of),
        Column("confidence", moves=2, is_named=True),
        Column("why", is_text=True, moves=1),
    )
    head = f"{len(findings)} lost rows are of {for_terminal(asked)}; forensics explain TASK explains each."
    return "\n".join([*paragraph(head, shown.width), "", text_table(headers, rows, shown=shown), ""])


def write_unlost_job(report: Report, rows: Sequence[RowState], asked: str, shown: Shown = PLAIN) -> str:
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
    begun = f"Latest: task {for_terminal(latest.task_id)}, started {shown.moment(latest.start)}"
    return "\n".join([*paragraph(f"{head} {begun}.", shown.width), ""])


@dataclass(frozen=True, slots=True)
class _Page:
    """What every section needs: the paths of the sources, and how the page is shown."""

    paths: Mapping[int, str]
    shown: Shown

    @property
    def width(self) -> int:
        """Columns of its sentences."""
        return min(_WIDTH, self.shown.width or _WIDTH)

    def heading(self, text: str) -> str:
        """Give the title of a section, as a line or, where it is narrow, as several."""
        return "\n".join(self.shown.painted(line, Style.HEADING) for line in paragraph(text, self.shown.width))

    def lines(self, text: str, *, first: str = "", rest: str = "") -> list[str]:
        """Give a sentence, escaped, as lines."""
        return indented(for_terminal(text), self.width, first=first, rest=rest)

    def bullet(self, text: str) -> list[str]:
        """Give a sentence of a list."""
        return self.lines(text, first="  - ", rest="    ")

    def fact(self, name: str, value: str, label: int = _LABEL) -> list[str]:
        """Give a value behind its name."""
        first = f"  {name:<{label}}"
        return paragraph(for_terminal(value), self.shown.width, first=first, rest=" " * len(first))

    def labelled(self, label: str, text: str, style: Style | None = None) -> Iterator[str]:
        """Give a sentence behind its label; ``style`` is for what it says before a colon."""
        first, *rest = paragraph(f"{label}: {text}", self.shown.width)
        word, colon, more = first.removeprefix(f"{label}:").lstrip().partition(":")
        yield f"{self.heading(f'{label}:')} {self.shown.painted(word, style)}{colon}{more}".rstrip()
        yield from rest


def _of_loss(report: Report, told: ExplainedLoss, page: _Page) -> Iterator[str]:
    finding, explanation = told.finding, told.explanation
    yield page.heading(f"Task {for_terminal(finding.task_id)}")
    yield from _facts(finding, page)
    yield ""
    yield from page.labelled("Verdict", f"{finding.verdict}: {VERDICTS[finding.verdict]}.", style_of(finding.verdict))
    yield from page.labelled("Confidence", finding.confidence or "none, the verdict is withheld or does not apply")
    yield from page.labelled("Cause of the mark", f"{_cause(finding)}.")
    yield from _statements("What the row claims", explanation.claims, page)
    yield from _statements("What the records show", explanation.shows, page)
    yield ""
    note = "" if page.shown.is_utc else f"; {page.shown.note}"
    yield page.heading(f"Timeline ({page.shown.zone_name}{note}):")
    yield from _timeline(finding, report, page)
    yield from _statements(f"Why {finding.verdict}", explanation.because, page)
    yield from _contrasts(explanation, page)
    yield from _overturns(explanation.overturned_by, "What would settle it" if _is_open(finding) else _OVERTURN, page)
    yield from _statements("Looked for", explanation.looked_for, page)
    yield ""
    yield from _correction(finding, page)


def _cause(finding: Finding) -> str:
    """Give the cause of the mark; why it is unknown is said with the claims."""
    if finding.cause is Cause.UNKNOWN:
        return finding.cause
    return f"{finding.cause}: {CAUSES[finding.cause]}"


_OVERTURN = "What would overturn it"


def _is_open(finding: Finding) -> bool:
    return finding.confidence is None


def _of_row(told: ExplainedRow, page: _Page) -> Iterator[str]:
    row, explanation = told.row, told.explanation
    yield page.heading(f"Task {for_terminal(row.task_id)}")
    yield from _row_facts(row, page)
    yield ""
    first, *rest = page.lines(f"State: {told.state}")
    yield page.heading("State:") + first.removeprefix("State:")
    yield from rest
    yield from _statements("What the row claims", explanation.claims, page)
    yield from _statements("What the records show", explanation.shows, page)
    yield from _statements("Why", explanation.because, page)
    yield from _overturns(explanation.overturned_by, _OVERTURN, page)
    yield from _statements("Looked for", explanation.looked_for, page)


def _facts(finding: Finding, page: _Page) -> Iterator[str]:
    yield from page.fact("job", f"{finding.job_name or '-'} ({finding.job_id or '-'})")
    yield from page.fact("run id", finding.run_id or "-")
    yield from page.fact("gateway", finding.gateway)
    yield from page.fact("started", page.shown.moment(finding.started_at))
    yield from page.fact("lost mark", page.shown.moment(finding.lost_at))


def _row_facts(row: RowState, page: _Page) -> Iterator[str]:
    yield from page.fact("job", f"{row.job_name or '-'} ({row.job_id or '-'})")
    yield from page.fact("run id", row.run_id or "-")
    yield from page.fact("gateway", row.gateway)
    yield from page.fact("started", page.shown.moment(row.start))
    yield from page.fact("ended", page.shown.moment(row.ended_at))


def _statements(title: str, statements: Iterable[Statement], page: _Page) -> Iterator[str]:
    told = list(statements)
    if told:
        yield ""
        yield page.heading(f"{title}:")
    for number, statement in enumerate(told):
        code = f" [{statement.code}]" if statement.code else ""
        yield from page.bullet(statement.text + code)
        if number + 1 == len(told) or _where(told[number + 1]) != _where(statement):
            yield from _place(statement, page)


def _contrasts(explanation: Explanation, page: _Page) -> Iterator[str]:
    if explanation.not_instead:
        yield ""
        yield page.heading("Why not:")
    for other in explanation.not_instead:
        yield from page.bullet(f"{other.verdict}: {other.because.text}")
        yield from _place(other.because, page)


def _overturns(overturned_by: Sequence[Overturn], title: str, page: _Page) -> Iterator[str]:
    if overturned_by:
        yield ""
        yield page.heading(f"{title}:")
    for one in overturned_by:
        yield from page.bullet(f"{one.what[:1].upper()}{one.what[1:]}.")
        yield from page.lines(one.where, first=_DEEP, rest=_DEEP)


def _where(statement: Statement) -> tuple[object, ...]:
    """Give the place of a sentence; several in a row that share it are followed by it once."""
    return statement.source, statement.line, statement.table


def _place(statement: Statement, page: _Page) -> Iterator[str]:
    """Give a place on a line of its own, not broken where it can be avoided, so that it can be copied."""
    if statement.source is not None:
        cited = Citation("", statement.source, statement.line, statement.at, "", statement.table)
        yield from paragraph(for_terminal(place(cited, page.paths)), page.shown.width, first=_DEEP, rest=_DEEP)


def _timeline(finding: Finding, report: Report, page: _Page) -> Iterator[str]:
    """Draw the facts that bear a time, then give all of them as a table, which says the same in full."""
    facts = [fact for fact in finding.evidence if fact.role != _ABSENCE]
    facts += _nearby_restart(finding, report, facts)
    facts.sort(key=lambda fact: (fact.at is None, fact.at, fact.source, fact.line))
    width = page.shown.width or _WIDTH
    drawing = drawn_timeline(finding, report, facts, width, page.shown) if width >= NARROWEST else []
    if drawing:
        yield from drawing
        yield ""
    rows = [(page.shown.stamp(fact.at), fact.role, fact.text, place(fact, page.paths)) for fact in facts]
    headers = ("at", "what", Column("text", is_text=True, moves=2, spills=True), Column("where", moves=1))
    yield text_table(headers, rows, indent="  ", shown=page.shown)


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


def _correction(finding: Finding, page: _Page) -> Iterator[str]:
    correction = finding.correction
    if correction is None:
        yield from page.labelled("Correction", "none.")
        return
    by_default = finding.verdict in CORRECTED_BY_DEFAULT
    head = "Correction:" if by_default else "Correction (only on request, fix --include interrupted):"
    yield page.heading(head)
    summary = correction.terminal_summary
    values = {
        "status": correction.status,
        "ended_at": page.shown.stamp(correction.ended_at),
        "error": correction.error if correction.error is not None else "NULL",
        "terminal_summary": summary if summary is not None else "NULL",
        "cleanup_after": page.shown.stamp(correction.cleanup_after),
    }
    label = max(map(len, values)) + 1
    for name, value in values.items():
        yield from page.fact(name, value, label)
