"""Why a row has its verdict and not the one beside it: the fact that tells the two apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from forensics.correlator.circumstances import OF_ROW, JobRun
from forensics.correlator.coverage import COVERED
from forensics.model.escape import for_terminal
from forensics.model.explanation import NotInstead, Statement
from forensics.model.finding import Restart
from forensics.model.policy import INTERRUPTED_ERROR
from forensics.model.verdicts import Confidence, Origin, ProcessFate, Reason, Verdict
from forensics.writers.phrases import (
    Case,
    lasted,
    listed,
    of_fact,
    of_restart,
    of_row,
    of_run,
    outcome,
    quoted,
    seen_death,
)
from forensics.writers.told_facts import restarts_around

_WORDLESS = (Origin.JOB_STATE, Origin.LEDGER_WARNING)


def not_instead(case: Case) -> Iterator[NotInstead]:
    """Give the verdicts that lie near this one, each with what rules it out."""
    for verdict, told in _CONTRASTS[case.finding.verdict].items():
        because = told(case)
        if because is not None:
            yield NotInstead(verdict, because)


def _own_not_replayed(case: Case) -> Statement | None:
    """Say why the record is of this run and of no replay: its start, set against the moment of ready."""
    own, start = case.own, case.row.start
    if own is None or start is None:
        return None
    restart = next((one for one in restarts_around(case) if one.ready_at and one.ready_at > start), None)
    if restart is None or restart.ready_at is None:
        covered = case.around.fate.log_until
        if covered is not None and own.ended_at is not None and covered >= own.ended_at:
            text = f"No restart lies between its start and its end that called for a replay.{_other_runs(case)}"
        else:
            text = f"A replay would have a start of its own; that of this record is the row's.{_other_runs(case)}"
        return of_run(text, own)
    before = f"{lasted(restart.ready_at - start)} before {restart.id} was ready ({case.at(restart.ready_at)})"
    begun = f"this run began {case.at(start)}, {before}"
    if own.start is None:
        return of_run(f"A replay begins after the restart; {begun}, and the record fits that.", own)
    if own.start != start:
        return of_run(
            f"A replay begins after the restart; {begun}, and the record's start is {lasted(own.start - start)} off.",
            own,
        )
    return of_run(f"A replay begins after the restart; {begun}, and the record bears this very start.", own)


def _other_runs(case: Case) -> str:
    after = case.around.following
    if after is None or after.start is None:
        return ""
    return f" The job's next run began {case.at(after.start)} and is told apart by that."


def _own_not_interrupted(case: Case) -> Statement | None:
    own = case.own
    if own is None or own.ended_at is None or case.row.start is None:
        return None
    restart = _first_after_start(case)
    if restart is None:
        covered = case.around.fate.log_until
        if covered is not None and covered >= own.ended_at:
            return of_run(
                f"The gateway log shows no restart between its start and its end, {case.at(own.ended_at)}.", own
            )
        return of_run(f"It reported its end itself, at {case.at(own.ended_at)}.", own)
    before = restart.down_at - own.ended_at
    if before >= timedelta():
        return of_restart(
            f"It ended {case.at(own.ended_at)}, {lasted(before)} before {restart.id} began to go down.", restart
        )
    if restart.process == ProcessFate.KEPT:
        return of_restart(
            f"{restart.id} kept the process: the run went on, and ended {case.at(own.ended_at)}.", restart
        )
    words = " with summary or usage, which a run that is cut off has not" if own.has_words else ""
    return of_run(f"It reported its end, {case.at(own.ended_at)}, itself{words}.", own)


def _first_after_start(case: Case) -> Restart | None:
    start = case.row.start
    return next((one for one in restarts_around(case) if start and one.down_at_latest >= start), None)


def _weak_not_undetermined(case: Case) -> Statement | None:
    if case.finding.confidence is not Confidence.WEAK:
        return None
    text = (
        "It is the only word of the run's end, so the verdict is given; fix takes it with --min-confidence weak only."
    )
    return of_run(text, case.own) if case.own else None


def _error_not_ok(case: Case) -> Statement | None:
    own = case.own
    return (
        of_run(f"The record of this very run says {for_terminal(own.status or 'nothing')}, not ok.", own)
        if own
        else None
    )


def _error_not_interrupted(case: Case) -> Statement | None:
    own = case.own
    if own is None:
        return None
    text = f"The error is the run's own; start-up code writes {quoted(INTERRUPTED_ERROR)}."
    ended = _own_not_interrupted(case)
    return of_run(f"{text} {ended.text}" if ended else text, own)


def _dead_not_false(case: Case) -> Statement | None:
    """Say why no ok is this run's: the stand-in began after ready, the row before the restart."""
    own, stand = case.own, case.around.stand_in
    if case.around.fate.is_aborted and own is not None:
        return of_run(
            "The ok is of a run that was cut off: it has neither summary nor usage, and ends within the restart.", own
        )
    if stand is not None:
        return of_run(_another_run(case, stand), stand)
    if own is not None:
        return of_run("The only record of this start says interrupted, and none says how the run ended by itself.", own)
    log = case.around.run_log
    text = f"A record of this run would name the start {case.at(case.row.start)}; {_no_record(case)}."
    return Statement(text, source=log.source)


def _another_run(case: Case, stand: JobRun) -> str:
    start, ready, restart = case.row.start, case.around.fate.ready_at, case.restart
    after = f", {lasted(stand.start - ready)} after ready ({case.at(ready)})" if ready and stand.start else ""
    down = ""
    if restart is not None and start is not None and restart.down_at > start:
        down = f", {lasted(restart.down_at - start)} before {restart.id} went down"
    ok = f"The ok is of the run that started {case.at(stand.start)}{after}"
    return f"{ok}; this row started {case.at(start)}{down}: two runs."


def _replayed_not_interrupted(case: Case) -> Statement | None:
    """Say what makes the later run a stand-in."""
    stand, slot, line = case.around.stand_in, case.around.fate.next_slot, case.around.catch_up
    if stand is None or stand.start is None:
        return None
    if line is not None and line.at is not None and line.at <= stand.start:
        return of_fact(
            f"At {case.at(line.at)} the start-up named the job to be made up for, and that run followed.", line
        )
    if stand.run_id and "manual:" in stand.run_id:
        return of_run("That run was started by hand, outside the job's schedule.", stand)
    if case.around.fate.has_schedule and slot is None:
        return of_run("The job had no regular run left after the restart: that one was made up.", stand)
    if slot is not None and stand.start < slot:
        return of_run(
            f"It began {lasted(slot - stand.start)} before the job's next regular slot ({case.at(slot)}): extra.",
            stand,
        )
    return of_run(
        "It began before the new process had started its regular schedule, or too soon for this job's pace.", stand
    )


def _interrupted_not_replayed(case: Case) -> Statement:
    """Say why no later run stood in."""
    first, ready, slot = case.around.first_after_ready, case.around.fate.ready_at, case.around.fate.next_slot
    since = f"after {'ready' if case.restart_is_its_end else 'its record'} ({case.at(ready)})" if ready else "after it"
    if first is None or first.start is None:
        return Statement(
            f"No run of the job is known to have begun {since}; the copies reach {case.at(case.around.run_log.until)}."
        )
    if case.has(Reason.STAND_IN_TAKEN):
        return of_run(f"The run of {case.at(first.start)} already stands in for a later lost row of the job.", first)
    if first.origin == OF_ROW:
        return of_run(f"The first run {since} has no record that could count: started {case.at(first.start)}.", first)
    if first.outcome == "ok" and not first.has_words and (first.is_bare or first.origin in _WORDLESS):
        text = (
            f"The ok of the first run {since}, {case.at(first.start)}, is not beyond doubt: it may have been cut off."
        )
        return of_run(text, first)
    if first.outcome != "ok":
        return of_run(
            f"The first run {since} did not do the work: started {case.at(first.start)}, {outcome(first)}.", first
        )
    if slot is not None and first.start >= slot:
        return of_run(
            f"No run began between {case.at(ready)} and the job's next regular slot ({case.at(slot)}); that of "
            f"{case.at(first.start)} is a regular one.",
            first,
        )
    return of_run(
        f"The first run {since}, {case.at(first.start)}, cannot be told from a regular run of the job.", first
    )


def _dead_not_unexplained(case: Case) -> Statement | None:
    death = case.restart if case.around.fate.ended_by_process else None
    return of_restart(f"The end of its process is known ({death.id}): the loss has a cause.", death) if death else None


def _interrupted_not_failed(case: Case) -> Statement | None:
    own = case.own
    if own is None or own.outcome != "interrupted":
        return None
    return of_run("The error in its record is that of the start-up code, not one the run reported.", own)


def _unexplained_not_interrupted(case: Case) -> Statement:
    end = case.around.fate.possible_end
    near = [
        one
        for one in restarts_around(case)
        if case.row.start and one.down_at_latest >= case.row.start and (end is None or one.down_at <= end)
    ]
    if not near:
        return Statement(
            f"The gateway log shows no restart and no crash between {case.at(case.row.start)} and {case.at(end)}."
        )
    names = listed([one.id for one in near])
    how = "kept the process" if all(one.process == ProcessFate.KEPT for one in near) else "did not surely replace it"
    return of_restart(f"{names} {how}: nothing ended the run.", near[0])


def _unexplained_not_undetermined(case: Case) -> Statement:
    fate, log = case.around.fate, case.around.run_log
    return Statement(
        f"Nothing is missing: the records reach {case.at(log.until)} and the gateway log {case.at(fate.log_until)}, "
        f"past {case.at(fate.possible_end)}, when it would have ended at the latest.",
        source=log.source,
    )


def _unexplained_not_false(case: Case) -> Statement:
    text = f"A record of this run would name the start {case.at(case.row.start)}; {_no_record(case)}."
    return Statement(text, source=case.around.run_log.source)


def _no_record(case: Case) -> str:
    """Say that the records of the job are all of other runs."""
    records = case.around.run_log.records
    if not records:
        return "the job has no record"
    return "the job's only record names another" if records == 1 else f"the job's {records} records all name others"


def _withheld_not_false(case: Case) -> Statement:
    own, near = case.own, case.around.near
    if case.row.start is None:
        return of_row("Without a start no record can be told to be its own.", case.row)
    if case.around.fate.ambiguous:
        return of_row("A record redeems one row only, and more than one claims it.", case.row)
    if own is not None and own.outcome == "interrupted":
        return of_run("No record says how the run ended by itself.", own)
    if own is not None:
        return of_run(f"Its record says {outcome(own)}, but not beyond doubt.", own)
    if near is not None:
        return of_run("The record near it is not proven to be its own.", near)
    log = case.around.run_log
    if not log.records:
        return Statement("That takes a record of this very run; none was found.", source=log.source)
    return Statement(f"That takes a record with its start; {_no_record(case)}.", source=log.source)


def _withheld_not_interrupted(case: Case) -> Statement | None:
    fate, death = case.around.fate, seen_death(case)
    if case.row.start is None:
        return of_row("Without a start no end of a process can be set against it.", case.row)
    if death is not None:
        until = case.around.run_log.until
        where = "a record not at hand"
        if until is not None and death.down_at_latest > until:
            where = f"a record written after the copies end ({case.at(until)})"
        text = f"{death.id} ended its process, but the run may have ended before, in {where}."
        return of_restart(text, death)
    if not case.around.spans:
        return Statement("No gateway log shows whether its process ended.")
    if fate.log_until is None:
        return Statement("The gateway log does not cover it, so an end of its process would not be seen.")
    reach = min((time for time in (fate.log_until, fate.possible_end) if time), default=fate.log_until)
    text = f"The gateway log shows no end of its process between {case.at(case.row.start)} and {case.at(reach)}."
    return Statement(text)


def _withheld_not_unexplained(case: Case) -> Statement | None:
    fate, log = case.around.fate, case.around.run_log
    if fate.possible_end is None or case.own is not None or case.around.fate.ambiguous:
        return None
    records = f"the records reach {case.at(log.until)}" if log.state == COVERED else "the records do not cover it"
    lines = f"the gateway log reaches {case.at(fate.log_until)}" if fate.log_until else "the gateway log does not"
    told = f"{records}, {lines}" if log.state == COVERED or fate.log_until else "neither covers it"
    return Statement(f"That takes both to reach past its latest possible end, {case.at(fate.possible_end)}; {told}.")


def _outside(case: Case) -> Statement:
    return of_row("Nothing is missing: the rule is about cron rows that the sweep marked, and this is none.", case.row)


_Told = Callable[[Case], Statement | None]
_CONTRASTS: Mapping[Verdict, Mapping[Verdict, _Told]] = {
    Verdict.FALSE_LOST: {
        Verdict.REPLAYED: _own_not_replayed,
        Verdict.INTERRUPTED: _own_not_interrupted,
        Verdict.UNDETERMINED: _weak_not_undetermined,
    },
    Verdict.FAILED: {
        Verdict.FALSE_LOST: _error_not_ok,
        Verdict.INTERRUPTED: _error_not_interrupted,
        Verdict.UNDETERMINED: _weak_not_undetermined,
    },
    Verdict.REPLAYED: {
        Verdict.FALSE_LOST: _dead_not_false,
        Verdict.INTERRUPTED: _replayed_not_interrupted,
        Verdict.FAILED: _interrupted_not_failed,
    },
    Verdict.INTERRUPTED: {
        Verdict.REPLAYED: _interrupted_not_replayed,
        Verdict.FALSE_LOST: _dead_not_false,
        Verdict.FAILED: _interrupted_not_failed,
        Verdict.UNEXPLAINED: _dead_not_unexplained,
    },
    Verdict.UNEXPLAINED: {
        Verdict.INTERRUPTED: _unexplained_not_interrupted,
        Verdict.UNDETERMINED: _unexplained_not_undetermined,
        Verdict.FALSE_LOST: _unexplained_not_false,
    },
    Verdict.UNDETERMINED: {
        Verdict.FALSE_LOST: _withheld_not_false,
        Verdict.INTERRUPTED: _withheld_not_interrupted,
        Verdict.UNEXPLAINED: _withheld_not_unexplained,
    },
    Verdict.NOT_APPLICABLE: {Verdict.UNDETERMINED: _outside},
}
