"""What lies around one row: its other states, the records of its run, its job's neighbouring runs, and what is covered.

A verdict carries the facts it rests on; to say why it is not its neighbour takes the facts beside it as well. They are
gathered for the rows that are explained, never for all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from forensics.correlator.audit import correlated
from forensics.correlator.citations import TABLES
from forensics.correlator.corrections import Standing, with_standing
from forensics.correlator.coverage import gateway_log_spans, of_assumed_zone
from forensics.correlator.facts import (
    all_starts,
    executions,
    rows_at_hand,
    with_reservation,
    with_start,
)
from forensics.correlator.masks import with_unmasked_ids
from forensics.correlator.records import prepared_records, resolved
from forensics.correlator.schedules import with_next_slot
from forensics.model.evidence import Evidence
from forensics.model.explanation import RowState
from forensics.model.finding import Citation, Finding, Report, Restart, RowValues
from forensics.model.plan import TOUCHED
from forensics.model.verdicts import EvidenceRole, LifecycleKind, Origin, SourceKind, TaskStatus

_ROWS = "task_runs"
_NAMED = (LifecycleKind.MISSED_JOB.value, LifecycleKind.DEFERRED_JOB.value)
_LOGS = (SourceKind.GATEWAY_LOG.value, SourceKind.GATEWAY_CONSOLE.value)
_ACTIVE = (TaskStatus.RUNNING.value, TaskStatus.QUEUED.value, TaskStatus.LOST.value)
_STATED_OFFSET = r"local stamps ([+-])(\d\d):(\d\d)"
OF_ROW = "task_row"
"""The origin of a run that only its task row tells of."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job as one record, or else its task row (``origin`` ``task_row``), tells it.

    ``outcome`` is ok, error, interrupted or unknown for a record, the status for a row. ``is_bare``: an ok without
    summary and usage; ``has_words``: it has one of them.
    """

    start: datetime | None
    ended_at: datetime | None
    written_at: datetime | None
    duration_ms: int | None
    status: str | None
    outcome: str
    error: str | None
    is_bare: bool
    has_words: bool
    origin: str
    run_id: str | None
    source: int | None
    line: int | None
    table: str | None


@dataclass(frozen=True, slots=True)
class LogFile:
    """One gateway log; ``lines`` counts all of its lines."""

    source: int
    lines: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunLog:
    """The store that would show the record of a run; ``state`` is covered, or the reason why it proves nothing."""

    state: str | None
    source: int | None
    records: int | None
    oldest_at: datetime | None
    newest_at: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What the correlator worked out about the run of a lost row, beyond its verdict."""

    possible_end: datetime | None = None
    timeout_ms: int | None = None
    log_until: datetime | None = None
    ready_at: datetime | None = None
    death: Restart | None = None
    abort: Restart | None = None
    next_slot: datetime | None = None
    has_schedule: bool = False
    is_aborted: bool = False
    ambiguous: bool = False
    ended_by_process: bool = False
    identity: str | None = None
    marked_start: datetime | None = None
    mark: Restart | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What the journal that counts says of a row, and how the row stands to it.

    ``changed`` are the columns that are no longer as the change left them; ``source`` and ``line`` are the journal's.
    """

    standing: Standing
    action: str
    at: datetime
    is_applied: bool
    is_cleaned: bool
    why: str
    before: RowValues
    after: RowValues
    changed: tuple[str, ...]
    source: int
    line: int | None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What lies around one row.

    ``elsewhere`` are its states in other sources that say something else; ``own`` the records of its run, that which
    counts first; ``rivals`` other rows that claim the same run, ``mates`` unfinished runs of its batch. ``spans`` are
    what the gateway log covers, ``restarts`` all windows of the gateway. ``run_table`` is the table of the state
    database that keeps run records, as from 2026.6.1 on; ``offset`` is that of the local days after which file logs
    are named. ``journal`` is what a journal of ``forensics fix`` or ``undo`` says of the row, if one does.
    """

    row: RowState
    elsewhere: tuple[RowState, ...]
    swept_with: int
    own: tuple[JobRun, ...]
    near: JobRun | None
    previous: JobRun | None
    following: JobRun | None
    stand_in: JobRun | None
    first_after_ready: JobRun | None
    next_ok: JobRun | None
    catch_up: Citation | None
    rivals: tuple[RowState, ...]
    mates: tuple[RowState, ...]
    run_log: RunLog
    logs: tuple[LogFile, ...]
    spans: tuple[tuple[datetime, datetime], ...]
    restarts: tuple[Restart, ...]
    fate: Fate
    run_table: str | None
    offset: timedelta | None
    journal: JournalEntry | None


class Surroundings:
    """The evidence behind one report, ready to be asked about single rows.

    ``judged`` are the rows of ``audit_with_facts``; without them they are worked out again when they are asked for.
    """

    def __init__(self, evidence: Evidence, report: Report, judged: pl.DataFrame | None = None) -> None:
        self._evidence, self._report, self._judged_rows = evidence, report, judged
        self._tasks = with_start(rows_at_hand(evidence))
        placed = evidence.lifecycle.filter(
            pl.col("gateway").is_not_null() & ~pl.col("source").is_in(of_assumed_zone(evidence.sources).implode())
        )
        self._lifecycle = with_unmasked_ids(placed, evidence.tasks, evidence.runs, evidence.jobs)
        self._databases = set(evidence.sources.filter(pl.col("kind") == SourceKind.TASK_REGISTRY.value)["id"].to_list())
        self._histories: dict[tuple[str, str], _JobHistory] = {}

    def of_losses(self, findings: Iterable[Finding]) -> list[Circumstances]:
        """Give the circumstances of some lost rows, in their order."""
        wanted = list(findings)
        judged = self._judged(wanted)
        return [self._of(finding.gateway, finding.task_id, judged.get((finding.gateway, finding.task_id), {}))
                for finding in wanted]  # fmt: skip

    def of_row(self, gateway: str, task_id: str) -> Circumstances:
        """Give the circumstances of a row that is not lost."""
        return self._of(gateway, task_id, {})

    def states(self, keys: Iterable[tuple[str, str]]) -> list[RowState]:
        """Give the newest states of some rows, each named by gateway and task id."""
        wanted = pl.DataFrame(list(keys), schema={"gateway": pl.String, "task_id": pl.String}, orient="row")
        rows = self._tasks.join(wanted, on=["gateway", "task_id"], how="semi", maintain_order="left")
        return [self._state(told) for told in rows.iter_rows(named=True)]

    def _judged(self, findings: Sequence[Finding]) -> dict[tuple[str, str], dict[str, Any]]:
        """Give the facts on which the verdicts of these rows were decided."""
        if not findings:
            return {}
        wanted = pl.DataFrame(
            {"gateway": [one.gateway for one in findings], "task_id": [one.task_id for one in findings]},
            schema={"gateway": pl.String, "task_id": pl.String},
        ).unique()
        rows = self._all_judged()
        asked = with_next_slot(rows.join(wanted, on=["gateway", "task_id"], how="semi"))
        return {(row["gateway"], row["task_id"]): row for row in asked.iter_rows(named=True)}

    def _all_judged(self) -> pl.DataFrame:
        if self._judged_rows is None:
            self._judged_rows = correlated(self._evidence, self._report.policy).rows
        return self._judged_rows

    def _of(self, gateway: str, task_id: str, judged: Mapping[str, Any]) -> Circumstances:
        of_task = (pl.col("gateway") == gateway) & (pl.col("task_id") == task_id)
        row = self._state(self._tasks.filter(of_task).row(0, named=True))
        history = self._history(gateway, row.job_id)
        own = history.own(row, judged)
        near = history.told_at(judged.get("near_source"), judged.get("near_line")) or _near(judged)
        known = own if near is None else (*own, near)
        restarts = tuple(restart for restart in self._report.restarts if restart.gateway == gateway)
        ready_at = judged.get("ready_at")
        return Circumstances(
            row=row,
            elsewhere=tuple(self._elsewhere(row)),
            swept_with=self._swept_with(row),
            own=own,
            near=near,
            previous=history.before(row.start, known),
            following=history.after(row.start, known),
            stand_in=history.told_at(judged.get("stand_source"), judged.get("stand_line")),
            first_after_ready=history.after(ready_at, known) if ready_at else None,
            next_ok=history.told_at(judged.get("next_ok_source"), judged.get("next_ok_line")),
            catch_up=self._catch_up(row, ready_at),
            rivals=tuple(self._rivals(row)),
            mates=tuple(self._mates(row, judged)) if judged.get("batch_open") else (),
            run_log=self._run_log(history, judged),
            logs=tuple(self._logs(gateway)),
            spans=tuple(self._spans.filter(pl.col("gateway") == gateway)[["covered_from", "covered_until"]].rows()),
            restarts=restarts,
            fate=_fate(judged, {restart.id: restart for restart in restarts}),
            run_table=self._run_table(gateway),
            offset=self._offset(gateway),
            journal=self._journals.get((gateway, task_id)),
        )

    @cached_property
    def _journals(self) -> dict[tuple[str, str], JournalEntry]:
        told = with_standing(self._tasks, self._evidence.corrections)
        return {(row["gateway"], row["task_id"]): _entry(row) for row in told.iter_rows(named=True)}

    def _catch_up(self, row: RowState, ready_at: datetime | None) -> Citation | None:
        """Give the first line after ready that names the job among those caught up or put off by a start-up."""
        if ready_at is None:
            return None
        of_job = (pl.col("gateway") == row.gateway) & (pl.col("job_id") == row.job_id)
        named = self._lifecycle.filter(of_job & pl.col("kind").is_in(_NAMED) & (pl.col("at") >= ready_at))
        lines = named.sort("at", "source", "line").head(1).select("source", "line", "at", "raw")
        return next((Citation(EvidenceRole.CATCH_UP, *line) for line in lines.iter_rows()), None)

    @cached_property
    def _spans(self) -> pl.DataFrame:
        return gateway_log_spans(self._evidence.sources, self._lifecycle).sort("gateway", "covered_from")

    def _state(self, told: Mapping[str, Any]) -> RowState:
        return RowState(
            gateway=told["gateway"],
            task_id=told["task_id"],
            runtime=told["runtime"],
            job_id=told["job_id"],
            job_name=self._job_name(told["gateway"], told["job_id"]) or told["label"],
            run_id=told["run_id"],
            status=told["status"],
            started_at=told["started_at"],
            ended_at=told["ended_at"],
            error=told["error"],
            terminal_summary=told["terminal_summary"],
            start=told["start"],
            precision_ms=told["start_precision_ms"],
            is_manual=told["is_manual"],
            is_twin=bool(told["is_twin"]),
            projected=bool(told["projected"]),
            registry=told["registry"],
            source=told["source"],
            line=told["line"],
            table=_ROWS if told["source"] in self._databases else None,
        )

    def _job_name(self, gateway: str, job_id: str | None) -> str | None:
        return None if job_id is None else self._job_names.get((gateway, job_id))

    @cached_property
    def _job_names(self) -> dict[tuple[str | None, str], str]:
        """Give the name of each job that has one, the first where sources differ."""
        named = self._evidence.jobs.select("gateway", "job_id", "name").drop_nulls(["job_id", "name"])
        first = named.unique(["gateway", "job_id"], keep="first", maintain_order=True)
        return {(gateway, job_id): name for gateway, job_id, name in first.iter_rows()}

    def _elsewhere(self, row: RowState) -> Iterator[RowState]:
        """Give what other sources say of the row, where it is something else; the latest of each kind and status."""
        of_task = (pl.col("gateway") == row.gateway) & (pl.col("task_id") == row.task_id)
        others = self._evidence.tasks.filter(
            of_task & (pl.col("status").ne_missing(row.status) | pl.col("ended_at").ne_missing(row.ended_at))
        )
        ordered = with_start(others).sort("last_event_at", "ended_at", "source", "line", nulls_last=False)
        latest = ordered.unique(["registry", "status"], keep="last", maintain_order=True)
        return (self._state(told) for told in latest.iter_rows(named=True))

    def _swept_with(self, row: RowState) -> int:
        if row.status != TaskStatus.LOST or row.ended_at is None:
            return 0
        same = (pl.col("gateway") == row.gateway) & (pl.col("ended_at") == row.ended_at)
        return self._tasks.filter(same & (pl.col("status") == TaskStatus.LOST)).height - 1

    def _rivals(self, row: RowState) -> Iterator[RowState]:
        """Give the other rows that claim the same run: the same job and start, or the same run id."""
        if row.job_id is None:
            return iter(())
        of_job = (pl.col("gateway") == row.gateway) & (pl.col("job_id") == row.job_id)
        same_start = pl.col("start") == row.start if row.start else pl.lit(value=False)
        same_run = same_start | (
            pl.col("run_id") == row.run_id if row.run_id not in (None, "", "-") else pl.lit(value=False)
        )
        others = executions(self._tasks).filter(of_job & same_run & (pl.col("task_id") != row.task_id))
        return (self._state(told) for told in others.sort("task_id").iter_rows(named=True))

    def _mates(self, row: RowState, judged: Mapping[str, Any]) -> Iterator[RowState]:
        """Give the unfinished timer runs of one batch with this one: of the same reservation, or begun together."""
        spread, start, reserved_at = self._report.policy.batch_start_spread, row.start, judged.get("reserved_at")
        if start is None:
            return
        together = pl.col("start").is_between(start - spread, start + spread)
        if reserved_at is not None:
            together = (pl.col("reserved_at") == reserved_at) | (together & pl.col("reserved_at").is_null())
        here = (pl.col("gateway") == row.gateway) & (pl.col("runtime") == "cron") & ~pl.col("is_manual")
        active = pl.col("status").is_in(_ACTIVE) & (pl.col("task_id") != row.task_id)
        found = self._reserved.filter(here & together & active).sort("start", "task_id")
        for mate in map(self._state, found.iter_rows(named=True)):
            own = self._history(mate.gateway, mate.job_id).own(mate, {})
            if all(run.outcome == "interrupted" or run.origin == Origin.LEDGER_WARNING for run in own):
                yield mate

    @cached_property
    def _reserved(self) -> pl.DataFrame:
        """The executions with the moment at which each was reserved; asked for where a batch is open only."""
        evidence, tasks = self._evidence, executions(self._tasks)
        records = prepared_records(evidence.runs, self._lifecycle, evidence.jobs)
        starts = all_starts(tasks, records)
        return with_reservation(tasks, starts, evidence.jobs, self._lifecycle, self._report.policy)

    def _run_log(self, history: _JobHistory, judged: Mapping[str, Any]) -> RunLog:
        source = judged.get("run_log_source")
        written = [run.written_at for run in history.records if run.source == source and run.written_at]
        return RunLog(
            state=judged.get("run_log"),
            source=source,
            records=judged.get("run_log_lines"),
            oldest_at=min(written, default=None),
            newest_at=max(written, default=None),
            until=judged.get("run_log_until"),
        )

    def _logs(self, gateway: str) -> Iterator[LogFile]:
        here = (pl.col("gateway") == gateway) & pl.col("kind").is_in(_LOGS)
        told = self._evidence.sources.filter(here).sort("first_at", "id").select("id", "lines", "first_at", "last_at")
        return (LogFile(*values) for values in told.iter_rows())

    def _offset(self, gateway: str) -> timedelta | None:
        """Give the offset from UTC by whose days the file logs are named, where one of them states it."""
        here = (pl.col("gateway") == gateway) & (pl.col("kind") == SourceKind.GATEWAY_LOG.value)
        parts = pl.col("timezone").str.extract_groups(_STATED_OFFSET)
        stated = (
            self._evidence.sources.filter(here).sort("id").select(parts.alias("parts")).unnest("parts").drop_nulls()
        )
        for sign, hours, minutes in stated.rows()[:1]:
            span = timedelta(hours=int(hours), minutes=int(minutes))
            return -span if sign == "-" else span
        return None

    def _run_table(self, gateway: str) -> str | None:
        """Give the table in which the gateway keeps run records; null for one that writes run logs."""
        here = self._evidence.histories.filter(pl.col("gateway") == gateway)
        origins = set(here["origin"].to_list())
        found = [origin for origin in (Origin.RUN_TABLE.value, Origin.TASK_DETAIL.value) if origin in origins]
        return TABLES[found[0]] if found else None

    def _history(self, gateway: str, job_id: str | None) -> _JobHistory:
        if job_id is None:
            return _JobHistory((), ())
        key = (gateway, job_id)
        if key not in self._histories:
            self._histories[key] = self._read_history(*key)
        return self._histories[key]

    def _read_history(self, gateway: str, job_id: str) -> _JobHistory:
        of_job = (pl.col("gateway") == gateway) & (pl.col("job_id") == job_id)
        here = self._lifecycle.filter(pl.col("gateway") == gateway)
        jobs = self._evidence.jobs.filter(of_job)
        told = prepared_records(self._evidence.runs.filter(of_job), here, jobs).filter(of_job)
        records = [_as_run(row, self._databases) for row in told.sort("rec").iter_rows(named=True)]
        started = resolved(told.filter(pl.col("started_at").is_not_null()), ["started_at"])
        outcomes = [_as_run(row, self._databases) for row in started.iter_rows(named=True)]
        rows = executions(self._tasks.filter(of_job & pl.col("start").is_not_null()))
        states = [self._state(row) for row in rows.iter_rows(named=True)]
        return _JobHistory(records, _runs_of(states, outcomes))


class _JobHistory:
    """All records of one job, and its runs in the order of their starts."""

    def __init__(self, records: Sequence[JobRun], runs: Sequence[JobRun]) -> None:
        self.records = records
        self._runs = sorted((run for run in runs if run.start), key=lambda run: (run.start, run.line or 0))
        self._starts = [run.start for run in self._runs if run.start]
        self._placed = {(run.source, run.line): run for run in records}

    def told_at(self, source: int | None, line: int | None) -> JobRun | None:
        """Give the record at a place."""
        return self._placed.get((source, line))

    def own(self, row: RowState, judged: Mapping[str, Any]) -> tuple[JobRun, ...]:
        """Give the records of a row's own run, first that on which its verdict rests."""
        chosen = self.told_at(judged.get("own_source"), judged.get("own_line"))
        start = chosen.start if chosen else row.start
        telling = row.run_id if row.run_id not in (None, "", "-") else None
        beside = [
            run
            for run in self.records
            if run is not chosen and ((start and run.start == start) or (telling and run.run_id == telling))
        ]
        beside.sort(key=lambda run: (run.written_at is None, run.written_at, run.source, run.line))
        return (chosen, *beside) if chosen else tuple(beside)

    def before(self, moment: datetime | None, own: Iterable[JobRun]) -> JobRun | None:
        """Give the last run that began before a moment and is none of the row's own."""
        if moment is None:
            return None
        earlier = self._runs[: bisect_left(self._starts, moment)]
        return next((run for run in reversed(earlier) if not _is_among(run, own)), None)

    def after(self, moment: datetime | None, own: Iterable[JobRun]) -> JobRun | None:
        """Give the first run that began after a moment and is none of the row's own."""
        if moment is None:
            return None
        later = self._runs[bisect_right(self._starts, moment) :]
        return next((run for run in later if not _is_among(run, own)), None)


def _entry(told: Mapping[str, Any]) -> JournalEntry:
    before, after = (
        RowValues(*(told[f"{side}_{value.name}"] for value in fields(RowValues))) for side in ("before", "after")
    )
    return JournalEntry(
        standing=Standing(told["standing"]),
        action=told["action"],
        at=told["at"],
        is_applied=told["is_applied"],
        is_cleaned=told["is_cleaned"],
        why=told["why"],
        before=before,
        after=after,
        changed=() if told["is_after"] else tuple(name for name in TOUCHED if told[name] != told[f"after_{name}"]),
        source=told["source_told"],
        line=told["line_told"],
    )


def explained(evidence: Evidence, report: Report, finding: Finding) -> Circumstances:
    """Give the circumstances of one lost row."""
    (circumstances,) = Surroundings(evidence, report).of_losses([finding])
    return circumstances


def _is_among(run: JobRun, own: Iterable[JobRun]) -> bool:
    return any((run.source, run.line) == (record.source, record.line) for record in own)


def _runs_of(states: Iterable[RowState], outcomes: Iterable[JobRun]) -> list[JobRun]:
    """Give each run once: as its record tells it, else as its row does.

    An interrupted record that no row shares its start with names the reservation of a run, which is no run of its own.
    """
    rows = list(states)
    starts = {row.start for row in rows}
    told = [run for run in outcomes if run.start in starts or run.outcome != "interrupted"]
    known = {run.start for run in told}
    seconds = {start.replace(microsecond=0) for start in known if start}
    return told + [_run_of_row(row) for row in rows if not _is_told(row, known, seconds)]


def _is_told(row: RowState, known: set[datetime | None], seconds: set[datetime]) -> bool:
    return row.start in known or (row.precision_ms > 1 and row.start in seconds)


def _run_of_row(row: RowState) -> JobRun:
    return JobRun(
        start=row.start,
        ended_at=None if row.status == TaskStatus.LOST else row.ended_at,
        written_at=None,
        duration_ms=None,
        status=row.status,
        outcome=row.status or "unknown",
        error=row.error,
        is_bare=False,
        has_words=False,
        origin=OF_ROW,
        run_id=row.run_id,
        source=row.source,
        line=row.line,
        table=row.table,
    )


def _as_run(told: Mapping[str, Any], databases: set[int]) -> JobRun:
    in_database = told["source"] in databases
    return JobRun(
        start=told["started_at"],
        ended_at=told["end_at"],
        written_at=told["finished_at"] or told["told_at"],
        duration_ms=told["duration_ms"],
        status=told["status"],
        outcome=told["class"],
        error=told["error"],
        is_bare=bool(told["is_bare"]),
        has_words=bool(told["has_usage"]) or bool((told["summary"] or "").strip()),
        origin=told["origin"],
        run_id=told["run_id"],
        source=told["source"],
        line=told["line"],
        table=TABLES.get(told["origin"]) if in_database else None,
    )


def _near(judged: Mapping[str, Any]) -> JobRun | None:
    """Give a near miss that is no record of the job's own gateway: it stands in a file that could not be placed."""
    if judged.get("near_at") is None:
        return None
    return JobRun(
        start=judged["near_at"],
        ended_at=None,
        written_at=None,
        duration_ms=None,
        status=judged["near_status"],
        outcome="unknown",
        error=None,
        is_bare=False,
        has_words=False,
        origin=judged["near_origin"],
        run_id=None,
        source=judged["near_source"],
        line=judged["near_line"],
        table=None,
    )


def _fate(judged: Mapping[str, Any], restarts: Mapping[str, Restart]) -> Fate:
    start, longest = judged.get("start"), judged.get("longest")
    return Fate(
        possible_end=start + longest if isinstance(start, datetime) and isinstance(longest, timedelta) else None,
        timeout_ms=judged.get("timeout_ms"),
        log_until=judged.get("gateway_log_until"),
        ready_at=judged.get("ready_at"),
        death=restarts.get(judged.get("death_id") or ""),
        abort=restarts.get(judged.get("abort_id") or ""),
        next_slot=judged.get("next_slot"),
        has_schedule=bool(judged.get("has_schedule")),
        is_aborted=bool(judged.get("is_aborted")),
        ambiguous=bool(judged.get("ambiguous")),
        ended_by_process=bool(judged.get("ended_by_process")),
        identity=judged.get("identity"),
        marked_start=judged.get("marked_start"),
        mark=restarts.get(judged.get("mark_window") or ""),
    )
