"""``forensics fix``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.options import Asked, audit_options, audited, emit, guard_outputs, output_path
from forensics.model.errors import UsageError
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Confidence, Verdict

if TYPE_CHECKING:
    from forensics.model.evidence import Evidence
    from forensics.model.finding import Finding, Report
    from forensics.writers.sql import Inputs

_INCLUDED = ("interrupted", "healed")


@click.command("fix")
@audit_options
@click.option(
    "-o",
    "--output",
    type=output_path,
    required=True,
    help="The script to write.",
)
@click.option(
    "--undo",
    type=output_path,
    help="Also write the script that takes it back.",
)
@click.option(
    "--include", default="", metavar="WHAT,…", help="Also correct: interrupted, healed (clears the stale error)."
)
@click.option("--exclude", default="", metavar="VERDICT,…", help="Leave out: false_lost, failed or replayed.")
@click.option(
    "--min-confidence",
    type=click.Choice([confidence.value for confidence in Confidence]),
    default=Confidence.STRONG.value,
    show_default=True,
    help="Correct only rows proven at least this firmly.",
)
def command(asked: Asked, output: Path, undo: Path | None, include: str, exclude: str, min_confidence: str) -> None:
    """Write a guarded SQL script that corrects the registry; the registry itself is not touched.

    The script changes all of its rows or none: every old value is compared first. It can be run again, and undone.

    \b
    Example:
      forensics fix ~/.openclaw /tmp/openclaw -o fix.sql --undo undo.sql
      (stop the gateway, back up)
      sqlite3 -bail ~/.openclaw/tasks/runs.sqlite < fix.sql
    """  # noqa: D301
    included, excluded = _chosen(include, _INCLUDED, "--include"), _chosen(exclude, CORRECTED_BY_DEFAULT, "--exclude")
    evidence, report = audited(asked, None)
    guard_outputs(evidence, output, undo)
    from forensics.parsers.database import companions_of
    from forensics.parsers.task_registry import raw_values
    from forensics.writers.sql import GUARDS, TOUCHED, plan_corrections, plan_healed, selected, write_fix, write_undo

    chosen = selected(
        report,
        include=[Verdict(name) for name in included if name != "healed"],
        exclude=[Verdict(name) for name in excluded],
        minimum=Confidence(min_confidence),
    )
    findings = _of_registries(chosen, evidence)
    healed = report.summary.healed if "healed" in included else ()
    source = _registry_of(findings, healed, evidence)
    path = evidence.files[source]
    wanted = [finding.task_id for finding in findings]
    stored = raw_values(path, companions_of(path), [*wanted, *healed], [*TOUCHED, *GUARDS])
    planned = plan_corrections(findings, stored, report)
    planned += plan_healed({task_id: stored[task_id] for task_id in healed if task_id in stored})
    inputs = _inputs(report, source)
    emit(write_fix(planned, inputs, report), output)
    if undo is not None:
        emit(write_undo(planned, inputs, report), undo)
    left = report.summary.lost - len(findings)
    click.echo(f"{output}: {_told(len(planned), left)}", err=True)


def _chosen(text: str, allowed: tuple[str, ...], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        message = f"{option}: {', '.join(unknown)} cannot be chosen here"
        raise UsageError(message, "choose from " + ", ".join(allowed))
    return names


def _of_registries(findings: list[Finding], evidence: Evidence) -> list[Finding]:
    """Leave out the rows that only an export or a dump shows: there is no registry to correct them in.

    Raises:
        UsageError: no registry was handed over at all.
    """
    from forensics.model.verdicts import SourceKind

    registries = evidence.sources.filter(evidence.sources["kind"] == SourceKind.TASK_REGISTRY)["id"].to_list()
    if not registries:
        raise UsageError(
            "the rows come from an export or a dump: there is no registry here to correct",
            "hand over tasks/runs.sqlite with its -wal, or state/openclaw.sqlite",
        )
    return [finding for finding in findings if finding.source in registries]


def _registry_of(findings: list[Finding], healed: tuple[str, ...], evidence: Evidence) -> int:
    """Give the one registry that all rows lie in.

    Raises:
        UsageError: they lie in several, or in none.
    """
    from forensics.model.verdicts import SourceKind

    registries = evidence.sources.filter(evidence.sources["kind"] == SourceKind.TASK_REGISTRY)["id"].to_list()
    stored = evidence.tasks.filter(evidence.tasks["registry"] == "store")
    rows = stored.filter(stored["task_id"].is_in(list(healed)))
    sources = {finding.source for finding in findings} | set(rows["source"].to_list()) or set(registries[:1])
    if len(sources) > 1:
        paths = dict(evidence.sources.select("id", "path").iter_rows())
        message = "the rows lie in several registries: " + ", ".join(paths[source] for source in sorted(sources))
        raise UsageError(message, "run fix once for each of them")
    return int(sources.pop())


def _inputs(report: Report, registry: int) -> Inputs:
    from forensics.writers.sql import Inputs

    files = report.sources.select("path", "sha256").drop_nulls()
    return Inputs(report.paths()[registry], tuple((path, sha256) for path, sha256 in files.iter_rows()))


def _told(planned: int, left: int) -> str:
    rows = "1 row" if planned == 1 else f"{planned} rows"
    others = "1 lost row is left as it is" if left == 1 else f"{left} lost rows are left as they are"
    return f"{rows} to correct; {others}"
