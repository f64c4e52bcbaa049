"""``forensics explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.display import Display, display_options
from forensics.cli.options import Asked, audit_options, emit, evidence_with_tasks, format_option
from forensics.model.errors import UsageError
from forensics.model.escape import for_terminal
from forensics.model.shown import PLAIN, Shown

if TYPE_CHECKING:
    from forensics.correlator.asked import Asked as Meant
    from forensics.correlator.circumstances import Surroundings
    from forensics.model.evidence import Evidence
    from forensics.model.explanation import ExplainedLoss, ExplainedRow
    from forensics.model.finding import Report

_EXPLAINED_AT_ONCE = 5
"""Lost rows of one job that are explained one after another as text; more are listed (JSON always explains all)."""

_CANDIDATES_NAMED = 10


@click.command("explain")
@click.argument("task", metavar="TASK")
@audit_options
@format_option("text", "json")
@display_options
def command(task: str, asked: Asked, form: str, display: Display) -> None:
    """Explain one row: what it claims, what the records show, why this verdict and no other.

    \b
    Examples:
      forensics explain 97b96ec8 ~/.openclaw /tmp/openclaw
      forensics explain hourly-mail ~/.openclaw /tmp/openclaw
      forensics explain 97b96ec8 state-copy --display-tz Europe/Berlin

    TASK is a task id or the beginning of one, a run id, or the id or name of a job, which means all of its lost rows:
    up to five are explained, more are listed.

    Each fact comes with file and line, or table and rowid, and with what would overturn the verdict and where it would
    stand. A row that is not lost is explained as what it is. In sentences, a time without a date is of the day on which
    the run started.
    """  # noqa: D301
    if not asked.paths and not asked.gateways:
        _refuse_path(task)
    evidence = evidence_with_tasks(asked)
    from forensics.correlator.asked import asked_for
    from forensics.correlator.audit import audit_with_facts

    report, judged = audit_with_facts(evidence, release=asked.release)
    meant = asked_for(task, report, evidence)
    _refuse_unclear(task, meant, evidence)
    from forensics.correlator.circumstances import Surroundings
    from forensics.writers.explain import write_choice, write_explanation, write_unlost_job
    from forensics.writers.json import write_explanation_json

    surroundings, shown = Surroundings(evidence, report, judged), display.shown()
    if form == "json":
        emit(write_explanation_json(report, _explained(meant, report, surroundings)), None)
    elif meant.is_job and not meant.losses:
        emit(write_unlost_job(report, surroundings.states(meant.others), task, shown), None)
    elif len(meant.losses) > _EXPLAINED_AT_ONCE:
        emit(write_choice(report, meant.losses, task, shown), None)
    else:
        told = _explained(meant, report, surroundings, shown)
        emit("\n".join(write_explanation(report, one, shown) for one in told), None)


def _explained(
    meant: Meant, report: Report, surroundings: Surroundings, shown: Shown = PLAIN
) -> list[ExplainedLoss | ExplainedRow]:
    """Explain the lost rows that are meant and, unless a job is, the others as well."""
    from forensics.writers.reasoning import explained_loss
    from forensics.writers.told_rows import explained_row

    around = surroundings.of_losses(meant.losses)
    told: list[ExplainedLoss | ExplainedRow] = [
        explained_loss(report, finding, circumstances, shown)
        for finding, circumstances in zip(meant.losses, around, strict=True)
    ]
    others = () if meant.is_job else meant.others
    return told + [explained_row(report, surroundings.of_row(*key), shown) for key in others]


def _refuse_unclear(task: str, meant: Meant, evidence: Evidence) -> None:
    if meant.candidates:
        named = [for_terminal(task_id) for task_id in meant.candidates[:_CANDIDATES_NAMED]]
        more = len(meant.candidates) - len(named)
        message = f"{for_terminal(task)} could be " + ", ".join(named) + (f", or {more} more" if more else "")
        raise UsageError(message, "give more of the id")
    if meant.losses or meant.others:
        return
    _refuse_path(task)
    _refuse_unjudged(task, evidence)
    message = f"no task row with id {task} among {evidence.tasks.height}, and no job of that id or name"
    raise UsageError(message, "forensics audit lists the lost rows")


def _refuse_unjudged(task: str, evidence: Evidence) -> None:
    """Say of a row that is not judged where it stands."""
    known = evidence.tasks.filter(evidence.tasks["task_id"].str.starts_with(task)) if task else evidence.tasks.clear()
    if known.is_empty():
        return
    task_id, gateway, source, line = known.select("task_id", "gateway", "source", "line").row(0)
    (path,) = evidence.sources.filter(evidence.sources["id"] == source)["path"]
    place = f"{for_terminal(task_id)} stands in {for_terminal(path)}:{line}"
    if gateway is None:
        message = f"{place} only, which belongs to no known gateway, so it is not judged"
        raise UsageError(message, "say whose it is with --gateway NAME=PATH")
    message = f"{place} only, an answer printed into the gateway's log, which is not judged beside a registry"
    raise UsageError(message, "hand over the registry or an export of that time")


def _refuse_path(task: str) -> None:
    try:
        is_path = Path(task).exists()
    except (OSError, ValueError):
        return
    if is_path:
        message = f"{task} is a path; the id of a task comes before the paths"
        raise UsageError(message, "forensics explain TASK PATH…; forensics audit lists the lost rows")
