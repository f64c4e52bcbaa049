"""``forensics explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.options import Asked, audit_options, audited, emit, format_option
from forensics.model.errors import UsageError
from forensics.model.escape import for_terminal

if TYPE_CHECKING:
    from forensics.model.evidence import Evidence
    from forensics.model.finding import Finding, Report


@click.command("explain")
@click.argument("task", metavar="TASK")
@audit_options
@format_option("text", "json")
def command(task: str, asked: Asked, form: str) -> None:
    """Explain one lost row: its timeline and evidence, each fact with file and line.

    TASK is a task id, the beginning of one, or a run id.

    \b
    Example:
      forensics explain 97b96ec8 ~/.openclaw /tmp/openclaw
    """  # noqa: D301
    if not asked.paths and not asked.gateways:
        _refuse_path(task)
    evidence, report = audited(asked, None)
    findings = _matching(task, report, evidence)
    from forensics.writers.explain import write_explanation
    from forensics.writers.json import write_explanation_json

    if form == "json":
        emit(write_explanation_json(report, findings), None)
    else:
        emit("\n".join(write_explanation(report, finding) for finding in findings), None)


def _refuse_path(task: str) -> None:
    try:
        is_path = Path(task).exists()
    except (OSError, ValueError):
        return
    if is_path:
        message = f"{task} is a path; the id of a task comes before the paths"
        raise UsageError(message, "forensics explain TASK PATH…; forensics audit lists the lost rows")


def _matching(task: str, report: Report, evidence: Evidence) -> list[Finding]:
    exact = [finding for finding in report.findings if task in (finding.task_id, finding.run_id)]
    found = exact or [finding for finding in report.findings if finding.task_id.startswith(task)]
    if len({finding.task_id for finding in found}) == 1:
        return found
    if found:
        message = f"{task} could be " + ", ".join(for_terminal(finding.task_id) for finding in found)
        raise UsageError(message, "give more of the id")
    known = evidence.tasks.filter(evidence.tasks["task_id"].str.starts_with(task))
    if known.height:
        row = known.row(0, named=True)
        message = f"task {for_terminal(row['task_id'])} is not lost: its status is {for_terminal(str(row['status']))}"
        raise UsageError(message, "explain is about lost rows; forensics audit lists them")
    _refuse_path(task)
    message = f"no task row with id {task} among {evidence.tasks.height}"
    raise UsageError(message, "forensics audit lists the lost rows")
