"""What was looked for: where, how far that reaches, how much it holds, and what was not found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from forensics.correlator.coverage import COVERED
from forensics.model.explanation import Statement
from forensics.model.verdicts import EvidenceRole, Reason
from forensics.writers.phrases import Case, counted, listed, of_fact, origin
from forensics.writers.told_doubts import uncovered

_HOLES_TOLD = 3


def looked_for(case: Case) -> Iterator[Statement]:
    """Say what was searched for a row: its record, restarts, the marks of a start-up, and until when it could run."""
    if case.has(Reason.NOT_CRON, Reason.OTHER_ERROR):
        return
    if case.row.start is None:
        yield Statement("Its record: without a start there is nothing to look for.")
        return
    yield _records(case)
    yield from _gateway_log(case)
    yield from _marks(case)
    yield from _possible_end(case)


def _records(case: Case) -> Statement:
    log = case.around.run_log
    start = case.at(case.row.start)
    again = len(case.around.own) - 1
    found = (
        "none"
        if again < 0
        else f"found ({origin(case.around.own[0])})"
        + (f", and told in {counted(again, 'other place')}" if again else "")
    )
    told = f"Its record (start {start}): {found}"
    if log.records is None:
        return Statement(f"{told}; {_without_log(case)}.", source=log.source)
    span = f", written {case.at(log.oldest_at)}" if log.oldest_at else ""
    if log.oldest_at and log.newest_at and log.newest_at != log.oldest_at:
        span += f" to {case.at(log.newest_at)}"
    until = f"; copied at {case.at(log.until)} or later" if log.until else ""
    return Statement(f"{told}, among {counted(log.records, 'record')} of the job{span}{until}.", source=log.source)


def _without_log(case: Case) -> str:
    log = case.around.run_log
    if log.state == COVERED:
        nowhere = "the run table holds none of the job" if case.around.run_table else "the job has no run log"
        return f"{nowhere}, so no run of it had finished by {case.at(log.until)}"
    told = {
        Reason.RUN_LOG_ABSENT.value: "no run records were given",
        Reason.RUN_LOG_PRUNED.value: "the run records given may begin after its start",
        Reason.RUN_LOG_DAMAGED.value: "some of the run records given cannot be read",
    }
    return told.get(log.state or "", "the job's run log was not given")


def _gateway_log(case: Case) -> Iterator[Statement]:
    logs = case.around.logs
    if not logs or not case.around.spans:
        yield Statement(
            "Restarts: no gateway log was given." if not logs else "Restarts: no gateway log can be placed in time."
        )
        return
    lines = sum(log.lines for log in logs)
    begin, end = case.around.spans[0][0], case.around.spans[-1][1]
    seen = [one.id for one in case.around.restarts]
    named = f"{len(seen)} ({seen[0]} to {seen[-1]})" if len(seen) > 1 else listed(seen) or "none"
    only = logs[0].source if len(logs) == 1 else None
    yield Statement(
        f"Restarts: {named} in {counted(len(logs), 'gateway log')} of {counted(lines, 'line')}, "
        f"{case.at(begin)} to {case.at(end)}.",
        source=only,
    )
    yield from _holes(case)


def _holes(case: Case) -> Iterator[Statement]:
    """Name what the gateway log does not cover of the time in question."""
    start, until = case.row.start, _in_question_until(case)
    if start is None or until is None:
        return
    gaps = uncovered(case, start, until)
    told = [f"{case.at(begin)} to {case.at(end)}" for begin, end in gaps[:_HOLES_TOLD]]
    if gaps:
        more = f" and {len(gaps) - _HOLES_TOLD} more" if len(gaps) > _HOLES_TOLD else ""
        yield Statement(f"Not covered by a gateway log: {listed(told)}{more}.")
    else:
        yield Statement(f"From the start to {case.at(until)} that log has no hole.")


def _in_question_until(case: Case) -> datetime | None:
    """Give until when a restart would matter: until the mark and the run's end or, where it has none, its latest."""
    fate, restart = case.around.fate, case.restart
    if fate.ended_by_process and restart is not None:
        end = restart.ready_at or restart.up_at
    else:
        end = case.own.ended_at if case.own else fate.possible_end
    return max((time for time in (case.finding.lost_at, end) if time), default=None)


def _marks(case: Case) -> Iterator[Statement]:
    found = case.cited(EvidenceRole.MARKER)
    if found:
        yield of_fact(f"Start-up lines and open receipts that name the run: {len(found)}.", found[0])
    elif case.around.spans:
        yield Statement("Start-up lines and open receipts that name the run: none.")


def _possible_end(case: Case) -> Iterator[Statement]:
    fate = case.around.fate
    if case.own is not None or fate.possible_end is None:
        return
    limit = (
        "by the job's time-out"
        if fate.timeout_ms is not None
        else "it has no time-out; by the longest run of the policy"
    )
    yield Statement(f"Its latest possible end: {case.at(fate.possible_end)} ({limit}).", at=fate.possible_end)
