"""Why a row has its verdict: each reason of the finding, said with the facts of this very row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from forensics.correlator.circumstances import JobRun
from forensics.model.escape import for_terminal
from forensics.model.explanation import Statement
from forensics.model.verdicts import EvidenceRole, ProcessFate, Reason
from forensics.writers.phrases import (
    Case,
    assuming_restart,
    counted,
    lasted,
    listed,
    of_fact,
    of_restart,
    of_row,
    of_run,
    origin,
    outcome,
    quoted,
)
from forensics.writers.told_facts import is_receipt
from forensics.writers.wording import REASONS

_MS = timedelta(milliseconds=1)
_NAMED_ROWS = 3
_Teller = Callable[[Case, Reason], Statement]


def because(case: Case) -> Iterator[Statement]:
    """Say every reason of the finding; one that has no words of its own here is said as in every report."""
    for code in case.finding.reasons:
        reason = Reason(code)
        told = _TELLERS.get(reason)
        yield (
            told(case, reason) if told else Statement(f"{REASONS[reason][:1].upper()}{REASONS[reason][1:]}.", code=code)
        )


def _by_record(sentence: Callable[[Case, JobRun], str]) -> _Teller:
    """Say a reason where the row's own record stands."""

    def told(case: Case, reason: Reason) -> Statement:
        own = case.own
        return _plain(case, reason) if own is None else of_run(sentence(case, own), own, code=reason)

    return told


def _plain(case: Case, reason: Reason) -> Statement:
    sentence = REASONS[reason]
    return of_row(f"{sentence[:1].upper()}{sentence[1:]}.", case.row, code=reason)


def _own_record(case: Case, own: JobRun) -> str:
    said = f"says {for_terminal(own.status or 'nothing')}"
    if own.start is not None and own.start == case.row.start and case.row.precision_ms == 1:
        return f"The record names this row's start, {case.at(own.start)}, to the millisecond, and {said}."
    if own.run_id is not None and own.run_id == case.row.run_id:
        return f"The record names this row's run id, and {said}."
    return f"Its record {said}."


def _derived_start(case: Case, own: JobRun) -> str:
    if own.written_at is None or own.duration_ms is None or case.row.start is None:
        return f"{REASONS[Reason.DERIVED_START].capitalize()}."
    derived = own.written_at - own.duration_ms * _MS
    off = derived - case.row.start
    told = f"{lasted(off)} off this row's start" if off else "this row's start to the millisecond"
    return (
        f"The record names no start, but was written at {case.at(own.written_at)} after "
        f"{lasted(own.duration_ms * _MS)}: begun {case.at(derived)}, {told}. No other row of the job began then."
    )


def _coarse_time(case: Case, own: JobRun) -> str:
    return (
        f"Times are printed in whole seconds. The record's start {case.at(own.start)} and the row's "
        f"{case.at(case.row.start)} are of one second, in which no other run of the job began."
    )


def _reservation(case: Case, own: JobRun) -> str:
    lead = case.row.start - own.start if case.row.start and own.start else timedelta()
    return (
        f"The record names {case.at(own.start)}, {lasted(lead)} before this start: when the scheduler reserved the "
        "run. No other start of the job lies between."
    )


def _only_record(case: Case, own: JobRun) -> str:
    if own.start is not None or own.duration_ms is not None:
        return "A start that is printed without a zone may be hours off: row and record need not be of one run."
    until = case.around.following
    ended = f"and {case.at(until.start)}, the job's next start" if until else "and the end of the copies"
    return (
        f"The record names neither start nor duration. It is the only one that was written between this start {ended}, "
        "behind a restart; that makes it likely, not certain."
    )


def _two_records(case: Case, own: JobRun) -> str:
    assumed = next((run for run in case.around.own if run.outcome == "interrupted"), None)
    when = f" at {case.at(assumed.written_at)}" if assumed and assumed.written_at else ""
    return (
        f"An interrupted record of the same start was written{when}, by start-up code that can only assume; the run "
        f"itself reported {for_terminal(own.status or 'its end')} at {case.at(own.written_at)}."
    )


def _ledger_warning(case: Case, own: JobRun) -> str:
    return (
        f"At {case.at(own.written_at)} the gateway logged that it could not write the end of this run "
        f"({for_terminal(own.status or 'no status')}) into the registry: that is why the row never learned of it."
    )


def _job_state(case: Case, own: JobRun) -> str:
    return f"The job's state names {case.at(own.start)} as its last run, {outcome(own)}."


def _aborted_ok(case: Case, own: JobRun) -> str:
    abort = case.around.fate.abort
    inside = ""
    if abort is not None and own.ended_at is not None:
        late = own.ended_at - abort.ready_at if abort.ready_at else timedelta()
        inside = f", {lasted(own.ended_at - abort.down_at)} after {abort.id} began to go down"
        inside += f" and {lasted(late)} after it was ready again" if late > timedelta() else ""
    return (
        f"Its ok has neither summary nor usage and ends at {case.at(own.ended_at)}{inside}: a run that is cut off is "
        "recorded like that."
    )


def _maybe_aborted(case: Case, own: JobRun) -> str:
    abort, until = case.around.fate.abort, case.around.fate.log_until
    if abort is not None:
        doubt = (
            f"it ends at {case.at(own.ended_at)}, beside restart {abort.id}, which does not show whether it cut it off"
        )
    elif until is not None:
        doubt = f"it ends at {case.at(own.ended_at)}, and the gateway log reaches to {case.at(until)} only"
    else:
        doubt = f"no gateway log covers its end, {case.at(own.ended_at)}"
    silent = "has neither summary nor usage" if own.is_bare else "is a receipt's"
    return f"Its ok {silent}, as that of a run that was cut off, and {doubt}: hence weak."


def _instant_ok(case: Case, own: JobRun) -> str:
    row, lost_at = case.row, case.finding.lost_at
    active = f" although the row was active for {lasted(lost_at - row.start)}" if lost_at and row.start else ""
    took = lasted((own.duration_ms or 0) * _MS)
    return f"Its ok took {took}{active}: perhaps recorded when the work was handed on, hence weak."


def _interrupted_record(case: Case, own: JobRun) -> str:
    written = f" at {case.at(own.written_at)}" if own.written_at else ""
    return f"The start-up code recorded this run as interrupted{written}."


def _no_status(_: Case, own: JobRun) -> str:
    return f"The record of this run in the {origin(own)} has no status that says how it ended."


def _time_passed(case: Case, _: JobRun) -> str:
    fate, until = case.around.fate, case.around.run_log.until
    return (
        f"No other record of it came, and the copies reach {case.at(until)}, past {case.at(fate.possible_end)}, when "
        "it would have ended at the latest."
    )


def _no_record(case: Case, reason: Reason) -> Statement:
    log = case.around.run_log
    if log.records:
        among = "The only record" if log.records == 1 else f"Each of the {log.records} records"
        text = f"{among} of the job is of another start; none names {case.at(case.row.start)}."
    else:
        text = f"No run of the job had left a record by {case.at(log.until)}."
    return Statement(text, source=log.source, code=reason.value)


def _process_replaced(case: Case, reason: Reason) -> Statement:
    death, fate, start = case.around.fate.death, case.around.fate, case.row.start
    if death is None or start is None:
        return _plain(case, reason)
    up = death.up_at or death.down_at_latest
    left = f"; it could have gone on until {case.at(fate.possible_end)}" if fate.possible_end else ""
    text = f"The process that ran it was gone by {case.at(up)} ({death.id}), {lasted(up - start)} into the run{left}."
    return of_restart(text, death, code=reason)


def _marker(case: Case, reason: Reason) -> Statement:
    lines = [fact for fact in case.cited(EvidenceRole.MARKER) if not is_receipt(fact)]
    restart = f" of {case.finding.restart}" if case.finding.restart else ""
    return of_fact(f"The start-up{restart} found the job marked as running.", lines[-1] if lines else None, code=reason)


def _open_receipt(case: Case, reason: Reason) -> Statement:
    receipt = next((fact for fact in case.cited(EvidenceRole.MARKER) if is_receipt(fact)), None)
    return of_fact("Its receipt was opened for this very run and never closed.", receipt, code=reason)


def _stand_in(case: Case, reason: Reason) -> Statement:
    stand, ready = case.around.stand_in, case.around.fate.ready_at
    if stand is None or stand.start is None:
        return _plain(case, reason)
    after = f", {lasted(stand.start - ready)} after {case.finding.restart or 'the restart'} was ready" if ready else ""
    return of_run(
        f"The run that started {case.at(stand.start)}{after}, did its work: {outcome(stand)}.", stand, code=reason
    )


def _stand_in_taken(case: Case, reason: Reason) -> Statement:
    first = case.around.first_after_ready
    text = "The run that followed stands in for a later lost row of the job; one run does the work of one."
    return of_run(text, first, code=reason) if first else Statement(text, code=reason.value)


def _next_run_ok(case: Case, reason: Reason) -> Statement:
    later = case.around.next_ok
    if later is None:
        return _plain(case, reason)
    return of_run(
        f"The job ran again at {case.at(later.start)}, {outcome(later)}: a regular run with work of its own.",
        later,
        code=reason,
    )


def _no_death(case: Case, reason: Reason) -> Statement:
    fate = case.around.fate
    text = (
        f"The gateway log covers the run from {case.at(case.row.start)} past its latest possible end "
        f"({case.at(fate.possible_end)}), and its process was not replaced in between."
    )
    return Statement(text, code=reason.value)


def _may_still_run(case: Case, reason: Reason) -> Statement:
    fate, until = case.around.fate, case.around.run_log.until
    if until is None or fate.possible_end is None:
        return _plain(case, reason)
    limit = "its job's time-out" if fate.timeout_ms is not None else "the longest a run without time-out is given"
    return Statement(
        f"The copies end at {case.at(until)}; by {limit} it may go on until {case.at(fate.possible_end)}.",
        source=case.around.run_log.source,
        code=reason.value,
    )


def _batch_open(case: Case, reason: Reason) -> Statement:
    mates = case.around.mates
    if not mates:
        return _plain(case, reason)
    names = listed([for_terminal(mate.job_name or mate.job_id or mate.task_id) for mate in mates[:_NAMED_ROWS]])
    text = (
        f"{counted(len(mates), 'run')} of its batch ({names}) {'has' if len(mates) == 1 else 'have'} no record "
        "either: the records of a batch are all written when its slowest run ends."
    )
    return of_row(text, mates[0], code=reason)


def _start_mismatch(case: Case, reason: Reason) -> Statement:
    near = case.around.near
    if near is None:
        return _plain(case, reason)
    off = near.start - case.row.start if near.start and case.row.start else None
    if off is None:
        text = (
            f"A record without a start ({outcome(near)}) was written before the job's next run: it may be this run's."
        )
    elif not off:
        text = f"A record of this job and start ({outcome(near)}) stands in a file that belongs to no known gateway."
    else:
        text = f"A record {lasted(off)} off this start ({outcome(near)}) fits no other row: it is probably this run's."
    return of_run(text, near, code=reason)


def _conflict(case: Case, reason: Reason) -> Statement:
    told = [f"{origin(run)}: {outcome(run)}" for run in case.around.own]
    if not told:
        return _plain(case, reason)
    other = case.around.own[-1]
    return of_run(f"Its records contradict each other ({'; '.join(told)}).", other, code=reason)


def _ambiguous_rows(case: Case, reason: Reason) -> Statement:
    rivals = case.around.rivals
    if not rivals:
        return _plain(case, reason)
    names = listed([for_terminal(rival.task_id) for rival in rivals[:_NAMED_ROWS]])
    more = f" and {len(rivals) - _NAMED_ROWS} more" if len(rivals) > _NAMED_ROWS else ""
    claim = f"Task {names} claims" if len(rivals) == 1 else f"Tasks {names}{more} claim"
    text = f"{claim} the same run, by job and start: no record can tell whose it is."
    return of_row(text, rivals[0], code=reason)


def _process_kept(case: Case, reason: Reason) -> Statement:
    restart = assuming_restart(case)
    if restart is None:
        text = "No process end in the time that it could run explains the interrupted record: it is an assumption."
        return of_run(text, case.own, code=reason) if case.own else Statement(text, code=reason.value)
    how = "kept the process" if restart.process == ProcessFate.KEPT else "does not show whether it kept the process"
    return of_restart(f"Restart {restart.id} {how}: the interrupted record is its assumption.", restart, code=reason)


def _run_log(case: Case, reason: Reason) -> Statement:
    log, start = case.around.run_log, case.row.start
    is_later = log.oldest_at is not None and start is not None and log.oldest_at > start
    begin = f"begin at {case.at(log.oldest_at)}," if is_later else "may begin"
    sentences = {
        Reason.RUN_LOG_ABSENT: "No run records were handed over at all: that there is none of this run says nothing.",
        Reason.RUN_LOG_MISSING: "No run log of this job was handed over, although it is known to have finished runs.",
        Reason.RUN_LOG_PRUNED: f"The records handed over {begin} after its start: its own may have been pruned.",
        Reason.RUN_LOG_DAMAGED: "Some records of the job cannot be read or were not written; that of this run may be "
        "among them.",
    }
    return Statement(sentences[reason], source=log.source, code=reason.value)


def _log_absent(_: Case, reason: Reason) -> Statement:
    return Statement("No gateway log covers any of it, so no process end can be seen or ruled out.", code=reason.value)


def _log_gap(case: Case, reason: Reason) -> Statement:
    fate, start = case.around.fate, case.row.start
    if fate.log_until is not None:
        reach = f"The gateway log reaches to {case.at(fate.log_until)}"
        return Statement(f"{reach}; the run may go on until {case.at(fate.possible_end)}.", code=reason.value)
    before = max((end for _, end in case.around.spans if start and end < start), default=None)
    after = min((begin for begin, _ in case.around.spans if start and begin > start), default=None)
    parts = [f"ends at {case.at(before)}" if before else "", f"begins at {case.at(after)}" if after else ""]
    text = f"The gateway log does not cover the start: it {' and then '.join(part for part in parts if part)}."
    return Statement(text, code=reason.value)


def _no_start(case: Case, reason: Reason) -> Statement:
    return of_row("The row has no start, so no record can be told to be its own.", case.row, code=reason)


def _not_cron(case: Case, reason: Reason) -> Statement:
    return of_row(f"Its runtime is {for_terminal(case.row.runtime or 'not told')}, not cron.", case.row, code=reason)


def _other_error(case: Case, reason: Reason) -> Statement:
    return of_row(f"Its error is {quoted(case.row.error or '')}, which is another rule's mark.", case.row, code=reason)


_TELLERS: Mapping[Reason, _Teller] = {
    Reason.OWN_RECORD: _by_record(_own_record),
    Reason.DERIVED_START: _by_record(_derived_start),
    Reason.COARSE_TIME: _by_record(_coarse_time),
    Reason.RESERVATION: _by_record(_reservation),
    Reason.ONLY_RECORD: _by_record(_only_record),
    Reason.TWO_RECORDS: _by_record(_two_records),
    Reason.LEDGER_WARNING: _by_record(_ledger_warning),
    Reason.JOB_STATE: _by_record(_job_state),
    Reason.ABORTED_OK: _by_record(_aborted_ok),
    Reason.MAYBE_ABORTED: _by_record(_maybe_aborted),
    Reason.INSTANT_OK: _by_record(_instant_ok),
    Reason.INTERRUPTED_RECORD: _by_record(_interrupted_record),
    Reason.NO_STATUS: _by_record(_no_status),
    Reason.TIME_PASSED: _by_record(_time_passed),
    Reason.NO_RECORD: _no_record,
    Reason.PROCESS_REPLACED: _process_replaced,
    Reason.MARKER: _marker,
    Reason.OPEN_RECEIPT: _open_receipt,
    Reason.STAND_IN: _stand_in,
    Reason.STAND_IN_TAKEN: _stand_in_taken,
    Reason.NEXT_RUN_OK: _next_run_ok,
    Reason.NO_DEATH: _no_death,
    Reason.MAY_STILL_RUN: _may_still_run,
    Reason.BATCH_OPEN: _batch_open,
    Reason.START_MISMATCH: _start_mismatch,
    Reason.CONFLICT: _conflict,
    Reason.AMBIGUOUS_ROWS: _ambiguous_rows,
    Reason.PROCESS_KEPT: _process_kept,
    Reason.RUN_LOG_ABSENT: _run_log,
    Reason.RUN_LOG_MISSING: _run_log,
    Reason.RUN_LOG_PRUNED: _run_log,
    Reason.RUN_LOG_DAMAGED: _run_log,
    Reason.GATEWAY_LOG_ABSENT: _log_absent,
    Reason.GATEWAY_LOG_GAP: _log_gap,
    Reason.NO_START: _no_start,
    Reason.NOT_CRON: _not_cron,
    Reason.OTHER_ERROR: _other_error,
}
