"""The audit as Markdown, for an issue or a post-mortem."""

from __future__ import annotations

from collections.abc import Iterator

from forensics.model.escape import for_markdown
from forensics.model.finding import Citation, Finding, Report
from forensics.model.shown import PLAIN, Shown
from forensics.writers.layout import job_of, markdown_table, short_ids
from forensics.writers.told_nothing import no_loss
from forensics.writers.told_reliability import HEADERS, has_runs, reliability_notes, reliability_rows
from forensics.writers.told_times import odd_times_told
from forensics.writers.wording import VERDICTS, closing, place, releases_told, why


def write_markdown(report: Report, shown: Shown = PLAIN) -> str:
    """Give the audit as Markdown, with the chain of evidence of every finding."""
    return "\n".join(_sections(report, shown)) + "\n"


def _sections(report: Report, shown: Shown) -> Iterator[str]:
    yield "# Corrected task audit"
    yield ""
    yield f"**{closing(report)}**"
    yield ""
    yield f"{report.summary.tasks} task rows, as of {shown.moment(report.now)}."
    yield ""
    if not report.summary.lost:
        yield f"{' '.join(map(for_markdown, no_loss(report, shown)))}\n"
    for told in releases_told(report, shown):
        yield f"Gateway release: {for_markdown(told)}\n"
    yield _counts(report)
    yield from (f"\n{for_markdown(told)}" for told in odd_times_told(report))
    if report.findings:
        yield "\n## Lost rows\n"
        yield _findings(report, shown)
        yield "\n## Evidence\n"
        if not shown.is_utc:
            yield f"{shown.note_sentence}\n"
        for finding in report.findings:
            yield from _evidence(finding, report, shown)
    yield from _reliability(report, shown)
    if report.summary.healed:
        yield "\n## Healed rows\n"
        yield from (f"- {for_markdown(task_id)}" for task_id in report.summary.healed)
    if report.summary.corrected:
        yield "\n## Corrected rows\n"
        yield _corrected(report, shown)
    if report.restarts:
        yield "\n## Restarts\n"
        yield _restarts(report, shown)
    yield "\n## Sources\n"
    yield _sources(report)
    if report.notices.height:
        yield "\n## Notices\n"
        yield _notices(report)


def _reliability(report: Report, shown: Shown) -> Iterator[str]:
    if has_runs(report):
        yield "\n## Reliability of the jobs\n"
        yield markdown_table(HEADERS, reliability_rows(report))
        yield ""
        yield from (f"- {note}" for note in reliability_notes(report, shown))


def _counts(report: Report) -> str:
    before, after = report.summary.before, report.summary.after
    rows = [
        ("errors", str(before.errors), str(after.errors)),
        ("warnings", str(before.warnings), str(after.warnings)),
        *((code, str(count), str(after.by_code[code])) for code, count in before.by_code.items()),
    ]
    return markdown_table(("`openclaw tasks audit`", "before", "after"), rows)


def _findings(report: Report, shown: Shown) -> str:
    ids, paths = short_ids(report), report.paths()
    rows = [
        (
            ids[finding.gateway, finding.task_id],
            job_of(finding),
            shown.stamp(finding.lost_at),
            finding.verdict,
            finding.cause,
            finding.confidence or "-",
            why(finding, paths),
        )
        for finding in report.findings
    ]
    return markdown_table(("task", "job", shown.heading("lost at"), "verdict", "cause", "confidence", "why"), rows)


def _evidence(finding: Finding, report: Report, shown: Shown) -> Iterator[str]:
    paths = report.paths()
    yield f"### {for_markdown(finding.task_id)}: {finding.verdict}\n"
    yield f"{VERDICTS[finding.verdict].capitalize()}.\n"
    rows = [(shown.stamp(fact.at), fact.role, fact.text, place(fact, paths)) for fact in finding.evidence]
    yield markdown_table((shown.heading("at"), "what", "text", "where"), rows)
    yield ""


def _corrected(report: Report, shown: Shown) -> str:
    paths = report.paths()
    rows = [
        (
            row.task_id,
            shown.stamp(row.at),
            row.before.status or "-",
            row.after.status or "-",
            row.verdict,
            place(Citation("", row.source, row.line, row.at, ""), paths),
        )
        for row in report.summary.corrected
    ]
    return markdown_table(("task", shown.heading("corrected at"), "from", "to", "verdict", "journal"), rows)


def _restarts(report: Report, shown: Shown) -> str:
    rows = [
        (
            restart.id,
            restart.kind,
            restart.process,
            shown.stamp(restart.down_at),
            shown.stamp(restart.ready_at),
            restart.reason or "-",
        )
        for restart in report.restarts
    ]
    return markdown_table(("restart", "kind", "process", shown.heading("down"), shown.heading("ready"), "reason"), rows)


def _sources(report: Report) -> str:
    rows = [
        (row["path"], row["kind"], str(row["records"]), str(row["skipped"]), str(row["rejected"]), row["sha256"] or "-")
        for row in report.sources.iter_rows(named=True)
    ]
    return markdown_table(("file", "kind", "records", "skipped", "rejected", "SHA-256"), rows)


def _notices(report: Report) -> str:
    paths = report.paths()
    rows = [
        (row["level"], paths.get(row["source"], ""), "" if row["line"] is None else str(row["line"]), row["message"])
        for row in report.notices.iter_rows(named=True)
    ]
    return markdown_table(("level", "file", "line", "what"), rows)
