"""The rows that a word means: a task id or its beginning, a run id, or a job by its id or name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from forensics.correlator.facts import rows_at_hand
from forensics.model.evidence import Evidence
from forensics.model.finding import Finding, Report

_KEY = ["gateway", "task_id"]


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows that a word means: ``losses`` are its lost rows, ``others`` (gateway, task id) those that are not lost.

    ``is_job``: the word names a job, so that all of its rows are meant. ``candidates`` are the task ids that begin with
    it where it names none of them alone.
    """

    losses: tuple[Finding, ...]
    others: tuple[tuple[str, str], ...]
    is_job: bool = False
    candidates: tuple[str, ...] = ()


def asked_for(word: str, report: Report, evidence: Evidence) -> Asked:
    """Give the rows that a word means; nothing where it means none.

    A whole id comes before the name of a job, and both come before the beginning of a task id.
    """
    tasks = rows_at_hand(evidence)
    exact = tasks.filter((pl.col("task_id") == word) | (pl.col("run_id") == word))
    if exact.height:
        return _meant(exact, report)
    of_job = _of_job(word, report, evidence, tasks)
    if of_job.height:
        return _meant(of_job, report, is_job=True)
    begins = tasks.filter(pl.col("task_id").str.starts_with(word)) if word else tasks.clear()
    if begins["task_id"].n_unique() > 1:
        return Asked((), (), candidates=tuple(begins["task_id"].unique().sort()))
    return _meant(begins, report)


def _of_job(word: str, report: Report, evidence: Evidence, tasks: pl.DataFrame) -> pl.DataFrame:
    named = evidence.jobs.filter(pl.col("name") == word).select("gateway", "job_id").unique()
    found = {(finding.gateway, finding.task_id) for finding in report.findings if finding.job_name == word}
    by_name = tasks.join(named, on=["gateway", "job_id"], how="semi")
    by_id = tasks.filter((pl.col("job_id") == word) | (pl.col("label") == word))
    by_finding = tasks.join(_keys(found), on=_KEY, how="semi")
    return pl.concat([by_id, by_name, by_finding]).unique(_KEY, keep="first", maintain_order=True)


def _keys(pairs: set[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(sorted(pairs), schema={"gateway": pl.String, "task_id": pl.String}, orient="row")


def _meant(rows: pl.DataFrame, report: Report, *, is_job: bool = False) -> Asked:
    keys = set(rows.select(_KEY).iter_rows())
    losses = tuple(finding for finding in report.findings if (finding.gateway, finding.task_id) in keys)
    lost = {(finding.gateway, finding.task_id) for finding in losses}
    ordered = rows.sort("gateway", "started_at", "task_id").select(_KEY)
    return Asked(losses, tuple(_others(ordered, lost)), is_job=is_job)


def _others(rows: pl.DataFrame, lost: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return (key for key in rows.iter_rows() if key not in lost)
