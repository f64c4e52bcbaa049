"""The audit as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from forensics.model.escape import for_terminal
from forensics.model.finding import Counts, Report
from forensics.model.shown import PLAIN, Shown, Style
from forensics.model.verdicts import Verdict
from forensics.writers.layout import NOTICE_COLUMNS, job_of, short_ids
from forensics.writers.measure import paragraph
from forensics.writers.phrases import counted
from forensics.writers.tables import Cell, Column, text_table
from forensics.writers.told_nothing import no_loss
from forensics.writers.told_reliability import HEADERS, has_runs, reliability_notes, reliability_rows
from forensics.writers.told_times import odd_times_told
from forensics.writers.wording import (
    VERDICTS,
    closing,
    corrections_told,
    reasons_told,
    releases_told,
    style_of,
)

_NOTICE_LEVELS = ("error", "warning")
_PROOF = "The proof of a row, and what would settle or overturn it: forensics explain TASK PATH…"


def write_text(report: Report, shown: Shown = PLAIN) -> str:
    """Give the audit as text: counts before and after, one line per lost row with its why, the jobs, one sentence."""
    return "\n".join(_sections(report, shown)) + "\n"


def _sections(report: Report, shown: Shown) -> Iterator[str]:
    head = f"Corrected audit of {counted(report.summary.tasks, 'task row')}, as of {shown.moment(report.now)}"
    yield from (shown.painted(line, Style.HEADING) for line in paragraph(head, shown.width))
    for told in releases_told(report, shown):
        yield from paragraph(f"Gateway release: {told}", shown.width)
    yield ""
    yield from _counts(report, shown)
    if report.findings:
        yield ""
        yield _findings(report, shown)
        yield ""
        yield from _legend(report, shown)
        yield ""
        yield from paragraph(_PROOF, shown.width)
    yield from _reliability(report, shown)
    yield from _healed(report, shown)
    yield from _corrected(report, shown)
    yield from _notices(report, shown)
    yield ""
    yield from _closing(report, shown)
    if not report.summary.lost:
        for sentence in no_loss(report, shown):
            yield from paragraph(for_terminal(sentence), shown.width)


def _closing(report: Report, shown: Shown) -> Iterator[str]:
    first, *rest = paragraph(f"Verdict: {closing(report)}", shown.width)
    yield shown.painted("Verdict:", Style.HEADING) + first.removeprefix("Verdict:")
    yield from rest


def _counts(report: Report, shown: Shown) -> Iterator[str]:
    before, after = report.summary.before, report.summary.after
    yield from paragraph(f"before  Tasks audit: {_headline(before)}", shown.width, rest=" " * 8)
    yield from paragraph(f"after   Tasks audit: {_headline(after)}", shown.width, rest=" " * 8)
    codes = [code for code in before.by_code if before.by_code[code] or after.by_code[code]]
    if codes:
        rows = [(code, str(before.by_code[code]), str(after.by_code[code])) for code in codes]
        yield ""
        yield text_table(("code", "before", "after"), rows, indent="  ", shown=shown)
    told = list(odd_times_told(report))
    if told:
        yield ""
        for sentence in told:
            yield from paragraph(for_terminal(sentence), shown.width)


def _headline(counts: Counts) -> str:
    total = counts.errors + counts.warnings
    return f"{total} findings · {counts.errors} errors · {counts.warnings} warnings"


def _findings(report: Report, shown: Shown) -> str:
    ids, paths = short_ids(report), report.paths()
    several = len({finding.gateway for finding in report.findings}) > 1
    headers: list[str | Column] = [
        "task",
        Column("job", is_text=True),
        shown.heading("lost at"),
        Column("verdict", style=style_of),
        Column("cause", moves=2, is_named=True),
        Column("confidence", moves=3, is_named=True),
        Column("why", is_text=True, moves=1),
    ]
    rows: list[list[Cell]] = [
        [
            ids[finding.gateway, finding.task_id],
            job_of(finding),
            shown.stamp(finding.lost_at),
            finding.verdict,
            finding.cause + (f" {finding.restart}" if finding.restart else ""),
            finding.confidence or "-",
            reasons_told(finding, paths),
        ]
        for finding in report.findings
    ]
    if several:
        headers.insert(0, Column("gateway", moves=4, groups=True))
        rows = [[finding.gateway, *row] for finding, row in zip(report.findings, rows, strict=True)]
    return text_table(headers, rows, shown=shown)


def _legend(report: Report, shown: Shown) -> Iterator[str]:
    told = [verdict for verdict in Verdict if report.summary.verdicts[verdict]]
    width = max(len(verdict) for verdict in told)
    for verdict in told:
        first, *rest = paragraph(
            VERDICTS[verdict], shown.width, first=f"  {verdict:<{width}}  ", rest=" " * (width + 4)
        )
        yield first.replace(verdict, shown.painted(verdict, style_of(verdict)), 1)
        yield from rest


def _reliability(report: Report, shown: Shown) -> Iterator[str]:
    if has_runs(report):
        yield ""
        yield from (shown.painted(line, Style.HEADING) for line in paragraph("Reliability of the jobs:", shown.width))
        yield text_table(HEADERS, reliability_rows(report), indent="  ", shown=shown)
        yield ""
        for note in reliability_notes(report, shown):
            yield from paragraph(note, shown.width, first="  ", rest="  ")


def _healed(report: Report, shown: Shown) -> Iterator[str]:
    healed, aborted = report.summary.healed, report.summary.healed_aborted
    if healed:
        cleaned = sum(row.is_cleaned for row in report.summary.corrected)
        carry, them = ("carries", "it") if len(healed) == 1 else ("carry", "them")
        bear, rows = "bore" if cleaned else f"still {carry}", counted(len(healed), "succeeded row")
        told = [f"Healed: {rows} {bear} the text of a lost mark; a late finish corrected {them}."]
        if cleaned:
            told.append(f"forensics fix has cleared it from {cleaned} of them since.")
        if aborted:
            told.append(f"Recorded ok, though aborted by a restart: {', '.join(aborted)}.")
        yield ""
        yield from paragraph(" ".join(told), shown.width)


def _corrected(report: Report, shown: Shown) -> Iterator[str]:
    told = [for_terminal(sentence) for sentence in corrections_told(report, shown)]
    if told:
        yield ""
        yield from (line for sentence in told for line in paragraph(sentence, shown.width))


def _notices(report: Report, shown: Shown) -> Iterator[str]:
    paths = report.paths()
    loud = [row for row in report.notices.iter_rows(named=True) if row["level"] in _NOTICE_LEVELS]
    if loud:
        yield ""
        yield shown.painted("Notices:", Style.HEADING)
        rows = [
            (
                row["level"],
                "" if row["source"] is None else paths[row["source"]] + (f":{row['line']}" if row["line"] else ""),
                row["message"],
            )
            for row in loud
        ]
        yield text_table(NOTICE_COLUMNS, rows, indent="  ", shown=shown)
