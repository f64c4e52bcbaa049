"""The audit as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from forensics.model.escape import for_terminal
from forensics.model.finding import Counts, Report
from forensics.model.verdicts import Verdict
from forensics.writers.layout import job_of, short_ids, text_table
from forensics.writers.told_reliability import HEADERS, has_runs, reliability_notes, reliability_rows
from forensics.writers.told_times import odd_times_told
from forensics.writers.wording import VERDICTS, closing, corrections_told, releases_told, stamp, why

_WIDTH = 100
_NOTICE_LEVELS = ("error", "warning")


def write_text(report: Report) -> str:
    """Give the audit as text: counts before and after, one line per lost row with its why, the jobs, one sentence."""
    return "\n".join(_sections(report)) + "\n"


def _sections(report: Report) -> Iterator[str]:
    yield f"Corrected audit of {report.summary.tasks} task rows, as of {stamp(report.now)} UTC"
    yield from (f"Gateway release: {told}" for told in releases_told(report))
    yield ""
    yield from _counts(report)
    if report.findings:
        yield ""
        yield _findings(report)
        yield ""
        yield _legend(report)
    yield from _reliability(report)
    yield from _healed(report)
    yield from _corrected(report)
    yield from _notices(report)
    yield ""
    yield f"Verdict: {closing(report)}"


def _counts(report: Report) -> Iterator[str]:
    before, after = report.summary.before, report.summary.after
    yield f"before  Tasks audit: {_headline(before)}"
    yield f"after   Tasks audit: {_headline(after)}"
    codes = [code for code in before.by_code if before.by_code[code] or after.by_code[code]]
    if codes:
        rows = [(code, str(before.by_code[code]), str(after.by_code[code])) for code in codes]
        yield ""
        yield text_table(("code", "before", "after"), rows, indent="  ")
    told = [for_terminal(sentence) for sentence in odd_times_told(report)]
    if told:
        yield ""
        yield from told


def _headline(counts: Counts) -> str:
    total = counts.errors + counts.warnings
    return f"{total} findings · {counts.errors} errors · {counts.warnings} warnings"


def _findings(report: Report) -> str:
    ids, paths = short_ids(report), report.paths()
    several = len({finding.gateway for finding in report.findings}) > 1
    headers = ["task", "job", "lost at (UTC)", "verdict", "cause", "confidence", "why"]
    rows = [
        [
            ids[finding.gateway, finding.task_id],
            job_of(finding),
            stamp(finding.lost_at),
            finding.verdict,
            finding.cause + (f" {finding.restart}" if finding.restart else ""),
            finding.confidence or "-",
            why(finding, paths),
        ]
        for finding in report.findings
    ]
    if several:
        headers.insert(0, "gateway")
        rows = [[finding.gateway, *row] for finding, row in zip(report.findings, rows, strict=True)]
    return text_table(headers, rows)


def _legend(report: Report) -> str:
    shown = [verdict for verdict in Verdict if report.summary.verdicts[verdict]]
    width = max(len(verdict) for verdict in shown)
    return "\n".join(f"  {verdict:<{width}}  {VERDICTS[verdict]}" for verdict in shown)


def _reliability(report: Report) -> Iterator[str]:
    if has_runs(report):
        yield ""
        yield "Reliability of the jobs:"
        yield text_table(HEADERS, reliability_rows(report), indent="  ")
        yield ""
        for note in reliability_notes(report):
            yield from textwrap.wrap(note, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _healed(report: Report) -> Iterator[str]:
    healed, aborted = report.summary.healed, report.summary.healed_aborted
    if healed:
        cleaned = sum(row.is_cleaned for row in report.summary.corrected)
        bear = "bore" if cleaned else "still carry"
        told = [f"Healed: {len(healed)} succeeded rows {bear} the text of a lost mark; a late finish corrected them."]
        if cleaned:
            told.append(f"forensics fix has cleared it from {cleaned} of them since.")
        if aborted:
            told.append(f"{len(aborted)} of them ended in a restart and were recorded ok: {', '.join(aborted)}.")
        yield ""
        yield " ".join(told)


def _corrected(report: Report) -> Iterator[str]:
    told = [for_terminal(sentence) for sentence in corrections_told(report)]
    if told:
        yield ""
        yield from told


def _notices(report: Report) -> Iterator[str]:
    paths = report.paths()
    loud = [row for row in report.notices.iter_rows(named=True) if row["level"] in _NOTICE_LEVELS]
    if loud:
        yield ""
        yield "Notices:"
        rows = [
            (
                row["level"],
                "" if row["source"] is None else paths[row["source"]] + (f":{row['line']}" if row["line"] else ""),
                row["message"],
            )
            for row in loud
        ]
        yield text_table(("level", "where", "what"), rows, indent="  ")
