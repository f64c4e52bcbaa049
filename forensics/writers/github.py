"""A check for GitHub Actions: workflow commands that annotate files, and a table for the summary of the step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from forensics.model.check import Check
from forensics.model.escape import for_annotation, for_annotation_property, for_markdown, for_terminal, shortened
from forensics.model.finding import Citation, Finding
from forensics.model.policy import (
    ANNOTATION_TEXT,
    ANNOTATION_TITLE,
    ANNOTATIONS_PER_KIND,
    SUMMARY_BYTES,
    SUMMARY_ROWS,
    SUMMARY_TEXT,
)
from forensics.model.verdicts import Severity
from forensics.writers.layout import job_of, markdown_table, repository_path
from forensics.writers.wording import (
    VERDICTS,
    of_baseline,
    outcome,
    place,
    row_of,
    stale_told,
    stamp,
    unreasoned_told,
    why,
)

_ERROR, _WARNING, _NOTICE = "error", "warning", "notice"
_KIND_OF = {Severity.HIGH: _WARNING, Severity.MEDIUM: _WARNING, Severity.LOW: _NOTICE}
"""How a finding is shown that does not fail the check; one that is nothing to the operator is not shown."""


@dataclass(frozen=True, slots=True)
class _Annotation:
    """One annotation before it is escaped; ``what`` is what those that are summed up are counted by."""

    kind: str
    what: str
    title: str
    message: str
    file: str | None = None
    line: int | None = None


def write_annotations(check: Check) -> str:
    """Give a check as workflow commands and one closing line.

    ``error`` for each finding that fails the check and for evidence that could not be read, ``warning`` for others that
    matter and stale entries of the baseline, ``notice`` for those that are known. Of each kind at most ten, as GitHub
    shows no more of a step; where there are more, the tenth sums the others up.

    Source: workflow commands of GitHub Actions; ``line`` is left out for a row of a database, which has none.
    """
    annotations = list(_annotations(check))
    lines = [
        _command(annotation)
        for kind in (_ERROR, _WARNING, _NOTICE)
        for annotation in _capped([one for one in annotations if one.kind == kind])
    ]
    return "\n".join([*lines, outcome(check)]) + "\n"


def write_step_summary(check: Check) -> str:
    """Give a check as Markdown, to be appended to the summary of a step; at most as long as GitHub takes it."""
    rows = SUMMARY_ROWS
    text = _summary_of(check, rows)
    while rows and len(text.encode()) >= SUMMARY_BYTES:
        rows //= 2
        text = _summary_of(check, rows)
    return text


def _summary_of(check: Check, rows: int) -> str:
    return "\n".join(_summary(check, rows)) + "\n"


def _annotations(check: Check) -> Iterator[_Annotation]:
    for message in check.unread():
        yield _Annotation(_ERROR, "unread", "evidence could not be read", message)
    paths = check.report.paths()
    for finding in check.report.findings:
        kind = _kind(check, finding)
        if kind:
            yield _of_finding(kind, check, finding, paths)
    for entry in check.stale():
        yield _Annotation(_WARNING, "stale", "stale entry of the baseline", stale_told(entry))
    if check.unreasoned():
        yield _Annotation(_WARNING, "unreasoned", "no reason in the baseline", unreasoned_told(check))


def _kind(check: Check, finding: Finding) -> str | None:
    if check.is_failing(finding):
        return _ERROR
    return _NOTICE if check.is_known(finding) else _KIND_OF.get(finding.severity)


def _of_finding(kind: str, check: Check, finding: Finding, paths: Mapping[int, str]) -> _Annotation:
    row = row_of(finding)
    told = of_baseline(check, finding)
    where = place(row, paths)
    message = f"task {finding.task_id} ({where}): {VERDICTS[finding.verdict]}: {why(finding, paths)}"
    return _Annotation(
        kind,
        finding.verdict,
        f"{finding.verdict}: {job_of(finding)}",
        f"{message} [{told}]" if told else message,
        repository_path(paths[finding.source]),
        _line(row),
    )


def _line(row: Citation) -> int | None:
    return row.line if row.table is None else None


def _capped(annotations: Sequence[_Annotation]) -> Iterator[_Annotation]:
    if len(annotations) <= ANNOTATIONS_PER_KIND:
        yield from annotations
        return
    shown = ANNOTATIONS_PER_KIND - 1
    yield from annotations[:shown]
    others = Counter(annotation.what for annotation in annotations[shown:])
    told = ", ".join(f"{count} {what}" for what, count in sorted(others.items()))
    count = others.total()
    yield _Annotation(annotations[0].kind, "", f"{count} more", f"{count} more of this kind are not shown here: {told}")


def _command(annotation: _Annotation) -> str:
    title = shortened(annotation.title, ANNOTATION_TITLE)
    properties = {"file": annotation.file, "line": annotation.line, "title": title}
    told = ",".join(
        f"{name}={for_annotation_property(str(value))}" for name, value in properties.items() if value is not None
    )
    message = shortened(for_terminal(annotation.message), ANNOTATION_TEXT)
    return f"::{annotation.kind} {told}::{for_annotation(message)}"


def _summary(check: Check, rows: int) -> Iterator[str]:
    yield "### forensics check\n"
    yield f"**{for_markdown(outcome(check))}**\n"
    unread = check.unread()
    yield from (f"- {for_markdown(_short(message))}" for message in unread[:rows])
    if len(unread) > rows:
        yield f"- … and {len(unread) - rows} more that could not be read."
    shown = [finding for finding in check.report.findings if _kind(check, finding)]
    if shown[:rows]:
        yield f"\n{_table(check, shown[:rows])}"
    if len(shown) > rows:
        yield f"\n… and {len(shown) - rows} more rows."
    stale = check.stale()
    if stale:
        yield f"\nStale entries of the baseline: {len(stale)}."
    unreasoned = check.unreasoned()
    if unreasoned:
        yield f"\nEntries of the baseline without a reason: {len(unreasoned)}."


def _short(text: str) -> str:
    """Cut a text to what a cell of the summary may hold; a hidden character counts for all that spells it out."""
    return shortened(for_terminal(text), SUMMARY_TEXT)


def _table(check: Check, findings: Sequence[Finding]) -> str:
    paths = check.report.paths()
    rows = [
        (
            "fails" if check.is_failing(finding) else "",
            finding.verdict,
            _short(finding.task_id),
            job_of(finding),
            stamp(finding.lost_at),
            _short(why(finding, paths)),
            _short(of_baseline(check, finding)),
        )
        for finding in findings
    ]
    return markdown_table(("", "verdict", "task", "job", "lost at (UTC)", "why", "baseline"), rows)
