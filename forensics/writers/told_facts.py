"""What a row claims, and what the records show: the first two answers of an explanation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from forensics.correlator.circumstances import JobRun
from forensics.model.escape import for_terminal
from forensics.model.explanation import RowState, Statement
from forensics.model.finding import Citation, Restart
from forensics.model.shown import Shown
from forensics.model.verdicts import Cause, EvidenceRole, Origin, ProcessFate, Reason, Verdict
from forensics.writers.phrases import (
    Case,
    clock,
    counted,
    lasted,
    of_fact,
    of_restart,
    of_row,
    of_run,
    origin,
    outcome,
    quoted,
    way_down,
)
from forensics.writers.told_journals import journal_says

_RESTARTS_TOLD = 4
_RECEIPTS = "cron_run_receipts"
_MS = timedelta(milliseconds=1)


def claims(case: Case) -> Iterator[Statement]:
    """Say what the row claims, and what such a mark means."""
    row, who = case.row, "An export shows the row" if case.finding.projected else "The row says it is"
    error = f"error {quoted(row.error)}" if row.error else "no error text"
    begun = f"started {case.at(row.started_at)}" if row.started_at else "no start"
    yield of_row(f"{who} lost: {begun}, ended {case.at(case.finding.lost_at)}, {error}.", row)
    yield _meaning(case)
    yield from _cause(case)
    yield from about_start(row, case.shown)
    yield from other_states(row, case.around.elsewhere, case.shown)
    yield from journal_says(row, case.around.journal, case.shown)


def _meaning(case: Case) -> Statement:
    row, lost_at = case.row, case.finding.lost_at
    if case.finding.projected:
        text = f"No registry shows it lost: {case.at(lost_at)} is when a command line printed it so."
    elif case.has(Reason.NOT_CRON):
        text = "Run records are kept of cron runs only; they say nothing about this one."
    elif case.has(Reason.OTHER_ERROR):
        text = "That is not the text of the sweep which looks for missing sessions: something else marked it."
    else:
        after = f", {lasted(lost_at - row.start)} after the start" if lost_at and row.start else ""
        shared = case.around.swept_with
        rows, bear = ("other rows", "bear") if shared > 1 else ("other row", "bears")
        others = f"{shared or 'no'} {rows} of this gateway {bear} the same mark"
        said = f"{case.at(lost_at)} is when the sweep looked{after}: the sweep's time, never the run's end."
        text = f"{said} {others[:1].upper()}{others[1:]}."
    return of_row(text, row, at=lost_at)


def _cause(case: Case) -> Iterator[Statement]:
    """Say why the sweep marked the row: what emptied the list of running jobs, or why the run was not on it."""
    told = {
        Cause.RESTART: _emptied,
        Cause.CATCH_UP: lambda _: "Runs that a start-up catches up are not put on the list of running jobs.",
        Cause.MANUAL_RUN: lambda _: "Runs started by hand are not put on the list of running jobs.",
        Cause.NO_RESTART: lambda _: "Neither a restart nor a catch-up nor a start by hand explains the mark.",
        Cause.UNKNOWN: _unknown_cause,
    }.get(case.finding.cause)
    if told is not None and case.finding.verdict is not Verdict.NOT_APPLICABLE:
        yield of_restart(told(case), case.around.fate.mark)


def _emptied(case: Case) -> str:
    mark = case.around.fate.mark
    if mark is None:
        return "The mark belongs to a restart, which empties the list of running jobs in which the sweep looks."
    when = f"{mark.id}, ready {case.at(mark.ready_at)}" if mark.ready_at else mark.id
    if mark.process == ProcessFate.KEPT:
        return f"The mark belongs to a restart that kept the process ({when})."
    return f"The mark belongs to a restart ({when}), which empties the list of running jobs in which the sweep looks."


def _unknown_cause(case: Case) -> str:
    until, lost_at = case.around.fate.log_until, case.finding.lost_at
    if case.row.start is None:
        return "Why it was marked cannot be told without its start."
    if until is None or lost_at is None or until < lost_at:
        return "Why it was marked is not known: the gateway log does not cover the time from the start to the mark."
    return "Why it was marked is not known: no log shows whether a start-up caught it up, or a restart is in doubt."


def about_start(row: RowState, shown: Shown) -> Iterator[Statement]:
    """Say what is special about the start that a row names."""
    if row.is_manual:
        yield of_row("Its run id says that it was started by hand.", row)
    if row.precision_ms > 1 and row.start:
        yield of_row(
            f"Its times are printed in whole seconds: {clock(row.start, row, shown)} is any moment of that second.", row
        )
    elif row.started_at and row.start and row.start != row.started_at:
        yield of_row(
            f"Its run id names the start {clock(row.start, row, shown)}, which counts; started_at was changed later.",
            row,
        )


def other_states(row: RowState, elsewhere: tuple[RowState, ...], shown: Shown) -> Iterator[Statement]:
    """Say what other copies and exports say of the row."""
    for state in elsewhere:
        kinds = {"export": "An export", "log": "An answer of a command line in the gateway's log"}
        kind = kinds.get(state.registry or "", "Another copy")
        ended = f", ended {clock(state.ended_at, row, shown)}" if state.ended_at else ""
        yield of_row(f"{kind} shows it {for_terminal(state.status or 'without a status')}{ended}.", state)


def shows(case: Case) -> Iterator[Statement]:
    """Say what the records show: of the run itself, of restarts around it, and of the job's runs before and after."""
    if case.finding.verdict is not Verdict.NOT_APPLICABLE:
        yield from _own(case)
        yield from _restarts(case)
        yield from _lines(case)
    yield from neighbours(case)


def _own(case: Case) -> Iterator[Statement]:
    own, start = case.around.own, case.row.start
    if case.around.fate.ambiguous:
        yield from (of_run(f"Claimed by more than one row: {record(run, case)}.", run) for run in own)
    elif own:
        yield of_run(f"Its own record says {record(own[0], case)}.", own[0])
        yield from (of_run(_told_beside(run, case), run) for run in own[1:])
    elif start is not None:
        yield Statement(f"No record of the job names the start {case.at(start)}.")
    if case.around.near is not None:
        yield of_run(f"{_missed_by(case.around.near, case)}: {outcome(case.around.near)}.", case.around.near)


def _told_beside(run: JobRun, case: Case) -> str:
    """Say what another record of the same run adds; a warning says why the row never learned of the end."""
    if run.origin == Origin.LEDGER_WARNING:
        end = f"the end of this run ({for_terminal(run.status or 'no status')})"
        return f"At {case.at(run.written_at)} the gateway failed to write {end} into the registry."
    return f"Beside it, of the same run: {record(run, case)}."


def _missed_by(near: JobRun, case: Case) -> str:
    if near.start is None:
        return f"A record that names no start was written at {case.at(near.written_at)}, and may be of this run"
    off = near.start - case.row.start if case.row.start else timedelta()
    if not off:
        return "A record of this job and start stands in a file that cannot be placed"
    return f"A record that fits no other row starts {lasted(off)} {'later' if off > timedelta() else 'earlier'}"


def record(run: JobRun, case: Case) -> str:
    """Say what a record says: its outcome, start, end, and when it was written."""
    parts = [f"{outcome(run)} ({origin(run)})"]
    if run.start is not None:
        parts.append(f"started {case.at(run.start)}")
    is_told = run.duration_ms is not None and run.start is not None and run.outcome != "interrupted"
    if is_told and run.ended_at is not None:
        parts.append(f"ended {case.at(run.ended_at)}")
    if run.written_at is not None:
        late = run.written_at - run.ended_at if is_told and run.ended_at else timedelta()
        parts.append(f"written {case.at(run.written_at)}" + (f", {lasted(late)} later" if late > 1000 * _MS else ""))
    if run.is_bare:
        parts.append("without summary and usage")
    return ", ".join(parts)


def _restarts(case: Case) -> Iterator[Statement]:
    """Tell the restarts between the start and whichever is later: the mark, the end, the restart of the verdict."""
    near = restarts_around(case)
    for restart in near[:_RESTARTS_TOLD]:
        yield of_restart(f"{told_restart(restart, case)}.", restart)
    if len(near) > _RESTARTS_TOLD:
        yield Statement(
            f"{counted(len(near) - _RESTARTS_TOLD, 'more restart')} until the mark: forensics restarts lists them."
        )


def restarts_around(case: Case) -> list[Restart]:
    """Give the restarts that touch the time from the row's start to its mark, its end, or its verdict's restart."""
    start = case.row.start
    if start is None:
        return []
    ends = [case.finding.lost_at, case.own.ended_at if case.own else None]
    until = max((end for end in ends if end), default=start)
    return [
        restart
        for restart in case.around.restarts
        if restart.id == case.finding.restart
        or ((restart.ready_at or restart.down_at_latest) >= start and restart.down_at <= until)
    ]


def told_restart(restart: Restart, case: Case) -> str:
    """Say what a restart was: when it went down, when it was up and ready, and what became of the process."""
    down = case.at(restart.down_at)
    if restart.down_at_latest != restart.down_at:
        down = f"between {down} and {case.at(restart.down_at_latest)}"
    up = f"ready {case.at(restart.ready_at)}" if restart.ready_at else "never ready again"
    if restart.up_at and restart.up_at != restart.down_at_latest:
        up = f"up {case.at(restart.up_at)}, {up}"
    fate = {
        ProcessFate.REPLACED.value: "another process",
        ProcessFate.KEPT.value: "the same process",
    }.get(restart.process, "whether in the same process is not known")
    doubt = f"; {for_terminal(restart.doubt)}" if restart.doubt else ""
    return f"Restart {restart.id} ({way_down(restart)}): down {down}, {up}, {fate}{doubt}"


def _lines(case: Case) -> Iterator[Statement]:
    for fact in case.cited(EvidenceRole.MARKER):
        if is_receipt(fact):
            yield of_fact("Its receipt was never closed: the run was in flight when its process ended.", fact)
        else:
            yield of_fact(f"At {case.at(fact.at)} a start-up took the job for still running{_marked(case)}.", fact)
    for fact in case.cited(EvidenceRole.CATCH_UP):
        yield of_fact(f"At {case.at(fact.at)} a start-up line names the job among those it catches up: this run.", fact)


def is_receipt(fact: Citation) -> bool:
    """Tell whether a marker is a receipt, not a start-up line."""
    return _RECEIPTS in (fact.table, fact.text.split("]", 1)[0].lstrip("["))


def _marked(case: Case) -> str:
    marked, start = case.around.fate.marked_start, case.row.start
    if marked is None or start is None:
        return ""
    return f", since {case.at(marked)}, " + (
        f"{lasted(start - marked)} before this start" if start > marked else "this start"
    )


def neighbours(case: Case) -> Iterator[Statement]:
    """Say how the job's run before and its run after this one ended."""
    around = case.around
    if case.row.start is None or case.row.job_id is None:
        return
    before, after = around.previous, around.following
    if before is not None:
        yield of_run(f"The job's run before it: started {case.at(before.start)}, {outcome(before)}.", before)
    if after is not None:
        gap = f", {lasted(after.start - case.row.start)} later" if after.start else ""
        yield of_run(f"The job's next run: started {case.at(after.start)}{gap}, {outcome(after)}.", after)
    missing = [word for word, run in (("earlier", before), ("later", after)) if run is None]
    if missing:
        yield Statement(f"No {' or '.join(missing)} run of the job is known.")
