"""From an audit to the plan of one registry: which rows it holds, what they are now, and what they become."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from forensics.correlator.corrections import backups_of
from forensics.correlator.facts import rows_at_hand
from forensics.model.errors import RefusedError, UnreadableError, UsageError
from forensics.model.evidence import Evidence
from forensics.model.finding import Finding, Report
from forensics.model.plan import GUARDS, TOUCHED, Inputs, Plan, PlannedRow
from forensics.model.verdicts import SourceKind
from forensics.parsers.database import companions_of
from forensics.parsers.task_registry import raw_values
from forensics.repair.names import is_same_file
from forensics.repair.plan import Selection, as_plan, plan_corrections, plan_healed, selected

STILL_MARKED = (
    "its job is still marked as running this run: at its next start the gateway takes it for interrupted and writes "
    "that into the row"
)
_REGISTRY_NAMES = ("runs.sqlite", "openclaw.sqlite")


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the registry it is for, and how many lost rows it leaves as they are."""

    plan: Plan
    path: Path
    left: int


def plan_fix(
    evidence: Evidence,
    report: Report,
    selection: Selection | None = None,
    keep_days: int | None = None,
    database: Path | None = None,
    done: Collection[str] = (),
) -> Planned:
    """Plan the correction of the chosen rows of one registry: ``database``, else the one among the evidence.

    ``done`` are tasks to leave out, as they are corrected already; ``keep_days``: keep the rows for so many days after
    the end of the evidence at least.

    Raises:
        RefusedError: a row changed since it was read, or the registry is not one that can be corrected.
        UsageError: there is no registry among the evidence, or the rows lie in several, or nothing could be chosen.
    """
    selection = selection or Selection()
    if not done:  # what is corrected already is no longer known as lost
        _refuse_unknown_names(report, selection)
    findings = [row for row in _of_registries(selected(report, selection), evidence) if row.task_id not in done]
    healed = _healed(evidence, report, selection) - frozenset(done)
    if database is None:
        source = registry_of(evidence, {finding.task_id for finding in findings} | healed)
        path, label = evidence.files[source], report.paths()[source]
    else:
        path, label = database.resolve(), str(database)
        findings = _of_its_gateway(findings, evidence, database)
    rows = _with_markers(_planned_rows(path, findings, healed, report, selection), evidence.jobs)
    plan = as_plan(rows, Inputs(label, _files(report)), report, selection, keep_days)
    return Planned(plan, path, report.summary.lost - len(findings))


def registry_of(evidence: Evidence, task_ids: AbstractSet[str]) -> int:
    """Give the one registry that holds all of these tasks in their newest state.

    Of copies, the one that is called as gateways call theirs, then that with the youngest runs, then the outermost:
    backups and snapshots are older, lie deeper, or have other names.

    Backups that a journal names are none: they hold what was before.

    Raises:
        UsageError: no registry holds all of them.
    """
    backups = backups_of(evidence.sources, evidence.corrections)["source"]
    wanted = rows_at_hand(evidence).filter(pl.col("task_id").is_in(list(task_ids)))
    state = ["gateway", "task_id", "status", "ended_at", "error"]
    held = (
        evidence.tasks.join(wanted.select(state), on=state, how="inner", nulls_equal=True, validate="m:1")
        .group_by(id="source")
        .agg(pl.col("task_id").n_unique().alias("held"))
    )
    born = evidence.tasks.group_by(id="source").agg(
        pl.max_horizontal("created_at", "started_at").max().alias("born_at")
    )
    path = pl.col("path").str.split("/")
    registries = (
        evidence.sources.filter((pl.col("kind") == SourceKind.TASK_REGISTRY) & ~pl.col("id").is_in(backups.implode()))
        .join(held, on="id", how="left", validate="1:1")
        .join(born, on="id", how="left", validate="1:1")
        .with_columns(
            pl.col("held").fill_null(0),
            path.list.last().is_in(_REGISTRY_NAMES).alias("is_called_so"),
            path.list.len().alias("depth"),
        )
        .sort(
            *("held", "is_called_so", "born_at", "depth", "id"),
            descending=[True, True, True, False, False],
            nulls_last=True,
        )
    )
    if registries.is_empty():
        raise UsageError("only backups of earlier changes are at hand", "hand over the registry itself")
    first = registries.row(0, named=True)
    if first["held"] < wanted.height:
        paths = registries.filter(pl.col("held") > 0).sort("id")["path"].to_list()
        message = "the rows lie in several registries: " + ", ".join(paths)
        raise UsageError(message, "run fix once for each of them, choosing rows with --of-gateway or --job")
    return int(first["id"])


def _healed(evidence: Evidence, report: Report, selection: Selection) -> frozenset[str]:
    """Give the healed rows of the chosen gateways, if healed rows are chosen at all."""
    if not selection.healed:
        return frozenset()
    chosen = {
        task_id
        for gateway, task_id in evidence.tasks.select("gateway", "task_id").iter_rows()
        if not selection.gateways or gateway in selection.gateways
    }
    return frozenset(report.summary.healed) & chosen


def _planned_rows(
    path: Path, findings: list[Finding], healed: frozenset[str], report: Report, selection: Selection
) -> list[PlannedRow]:
    wanted = [*(finding.task_id for finding in findings), *sorted(healed)]
    try:
        stored = raw_values(path, companions_of(path), wanted, [*TOUCHED, *GUARDS])
    except UnreadableError as error:
        message = f"{path} cannot be read: {error}"
        raise RefusedError(message) from error
    stale = plan_healed({task_id: stored[task_id] for task_id in healed if task_id in stored})
    return plan_corrections(findings, stored, report) + [row for row in stale if selection.takes_row(row)]


def _with_markers(rows: list[PlannedRow], jobs: pl.DataFrame) -> list[PlannedRow]:
    """Warn of rows whose job is still marked as running this very run.

    From 2026.8.1 on, a start of the gateway asks such a row's details how the run ended; it finds no run in them, takes
    it for interrupted, and overwrites the row. Earlier releases leave an ended row alone. Source: tests/product.
    """
    marked = jobs.filter(pl.col("running_at").is_not_null()).select("job_id", pl.col("running_at").dt.epoch("ms"))
    running = set(marked.iter_rows())
    return [
        replace(row, warning=STILL_MARKED)
        if _asks_details(row) and (row.old.get("source_id"), row.old.get("started_at")) in running
        else row
        for row in rows
    ]


def _asks_details(row: PlannedRow) -> bool:
    """Tell from the columns whether the registry is one of 2026.8.1 or later, and the row's details hold no run."""
    return "tool_use_count" in row.old and "cron-run" not in str(row.old.get("detail_json"))


def _of_registries(findings: list[Finding], evidence: Evidence) -> list[Finding]:
    """Leave out the rows that only an export or a dump shows: there is no registry to correct them in.

    Raises:
        UsageError: no registry was handed over at all.
    """
    sources = evidence.sources
    registries = set(sources.filter(sources["kind"] == SourceKind.TASK_REGISTRY)["id"].to_list())
    if not registries:
        raise UsageError(
            "the rows come from an export or a dump: there is no registry here to correct",
            "hand over tasks/runs.sqlite with its -wal, or state/openclaw.sqlite",
        )
    return [finding for finding in findings if finding.source in registries]


def _of_its_gateway(findings: list[Finding], evidence: Evidence, path: Path) -> list[Finding]:
    """Keep the rows of the gateway whose registry this is; of all, where it is not among the evidence.

    Raises:
        UsageError: it is not, and the rows are those of several gateways.
    """
    gateways = dict(evidence.sources.select("id", "gateway").iter_rows())
    own = {gateways[source] for source, file in evidence.files.items() if is_same_file(file, path)}
    if own:
        return [finding for finding in findings if finding.gateway in own]
    names = sorted({finding.gateway for finding in findings})
    if len(names) > 1:
        message = f"{path} is not among the evidence, which is that of several gateways: {', '.join(names)}"
        raise UsageError(message, "choose one with --of-gateway NAME")
    return findings


def _refuse_unknown_names(report: Report, selection: Selection) -> None:
    """Refuse a choice that could never fit: a name that no lost row has.

    Raises:
        UsageError: no lost row is of such a job, or of such a gateway.
    """
    jobs = {name for finding in report.findings for name in (finding.job_id, finding.job_name)}
    gateways = {finding.gateway for finding in report.findings}
    for option, asked, known in (("--job", selection.jobs, jobs), ("--of-gateway", selection.gateways, gateways)):
        unknown = [name for name in asked if name not in known]
        if unknown and not selection.healed:
            message = f"{option}: no lost row is of {', '.join(unknown)}"
            raise UsageError(message, "known here: " + (", ".join(sorted(filter(None, known))) or "none"))


def _files(report: Report) -> tuple[tuple[str, str], ...]:
    files = report.sources.select("path", "sha256").drop_nulls()
    return tuple((path, sha256) for path, sha256 in files.iter_rows())
