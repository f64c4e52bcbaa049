"""What was not handed over, or only in part, and what that leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from forensics.correlator.coverage import gateway_log_spans
from forensics.model.evidence import Evidence
from forensics.model.verdicts import Origin, SourceKind

_REGISTRY = "tasks/runs.sqlite with its -wal, or state/openclaw.sqlite"
_RUNS = "cron/runs, or state/openclaw.sqlite"
_JOBS = "cron/jobs.json, or state/openclaw.sqlite"


def missing_sources(evidence: Evidence) -> list[str]:
    """Say, for each gateway, what was not handed over and what that leaves open."""
    spans = gateway_log_spans(evidence.sources, evidence.lifecycle)
    gateways = evidence.sources["gateway"].drop_nulls().unique().sort().to_list()
    return [f"{gateway}: {what}" for gateway in gateways for what in _missing(_Gateway(evidence, gateway, spans))]


class _Gateway:
    """The part of the evidence that belongs to one gateway."""

    def __init__(self, evidence: Evidence, gateway: str, spans: pl.DataFrame) -> None:
        here = pl.col("gateway") == gateway
        self.tasks = evidence.tasks.filter(here)
        self.runs = evidence.runs.filter(here)
        self.lifecycle = evidence.lifecycle.filter(here)
        self.jobs = evidence.jobs.filter(here)
        self.sources = evidence.sources.filter(here)
        self.copies = evidence.copies.filter(here)
        self.histories = evidence.histories.filter(here)
        self.spans = spans.filter(here)


def _missing(gateway: _Gateway) -> Iterator[str]:
    yield from _missing_tasks(gateway)
    yield from _missing_runs(gateway)
    yield from _missing_jobs(gateway)
    yield from _missing_log(gateway)


def _missing_tasks(gateway: _Gateway) -> Iterator[str]:
    registries = set(gateway.tasks["registry"].to_list())
    if (gateway.sources["kind"] == SourceKind.TASK_REGISTRY).any():
        if "store" not in registries:
            yield "the task registry holds no rows"
    elif registries:
        where = "exports" if "export" in registries else "answers of command lines in the gateway log"
        yield f"no task registry ({_REGISTRY}): rows are known from {where} only"
    else:
        yield f"no task registry ({_REGISTRY}): no row can be judged"


def _missing_runs(gateway: _Gateway) -> Iterator[str]:
    whole = gateway.histories.filter(pl.col("job_id").is_null())
    jobs = gateway.histories["job_id"].drop_nulls().n_unique()
    if gateway.copies["has_run_logs"].any():
        yield from _unreadable(gateway.histories)
    elif whole.height:
        yield from _since(whole)
        yield from _unreadable(gateway.histories)
    elif jobs:
        told = "1 job" if jobs == 1 else f"{jobs} jobs"
        yield f"run records of {told} only; for other jobs the absence of one proves nothing: hand over {_RUNS}"
        yield from _unreadable(gateway.histories)
    elif (gateway.runs["origin"] != Origin.JOB_STATE).any():
        yield f"single run records only; the absence of another proves nothing: hand over {_RUNS}"
    elif gateway.runs.height:
        yield f"no cron run records ({_RUNS}): only the last run of a job is known, from its state"
    else:
        yield f"no cron run records ({_RUNS}): no run can be proven to have ended"


def _since(whole: pl.DataFrame) -> Iterator[str]:
    """Name the moment since when a store of all jobs is whole, where none is whole from the beginning."""
    if whole["is_partial"].all():
        oldest = whole["oldest_at"].min()
        since = f"before {oldest:%Y-%m-%d %H:%M:%S} UTC " if isinstance(oldest, datetime) else ""
        yield f"run records {since}may be missing from what was handed over: the absence of one proves nothing"


def _unreadable(histories: pl.DataFrame) -> Iterator[str]:
    jobs = histories.filter("is_damaged")["job_id"].drop_nulls().n_unique()
    if jobs or histories["is_damaged"].any():
        told = {0: "some jobs", 1: "1 job"}.get(jobs, f"{jobs} jobs")
        yield f"run records of {told} may be among what could not be read: hand over another copy"


def _missing_jobs(gateway: _Gateway) -> Iterator[str]:
    is_defined = pl.any_horizontal(pl.col("name", "payload_kind", "schedule_kind").is_not_null())
    if gateway.jobs.filter(is_defined).height or (gateway.jobs.is_empty() and gateway.copies["has_job_store"].any()):
        return
    if gateway.jobs.is_empty():
        yield f"no job store ({_JOBS}): names, time-outs and schedules are unknown"
    else:
        yield f"the states of jobs only ({_JOBS} is missing): names, time-outs and schedules are unknown"


def _missing_log(gateway: _Gateway) -> Iterator[str]:
    if gateway.spans.is_empty():
        if gateway.lifecycle.is_empty():
            yield "no gateway log: restarts, and so deaths and causes, are unknown"
        else:
            yield "no gateway log: of restarts only that is known which the gateway wrote down elsewhere"
        return
    ends, begins = gateway.spans["covered_until"].to_list()[:-1], gateway.spans["covered_from"].to_list()[1:]
    for end, begin in zip(ends, begins, strict=True):
        yield f"no gateway log from {end:%Y-%m-%d %H:%M:%S} to {begin:%Y-%m-%d %H:%M:%S} UTC"
