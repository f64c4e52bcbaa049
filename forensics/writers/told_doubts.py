"""What would overturn a verdict, and in which file it would stand, by the name that the gateway gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from forensics.correlator.circumstances import JobRun
from forensics.correlator.coverage import COVERED
from forensics.model.escape import for_terminal
from forensics.model.explanation import Overturn
from forensics.model.verdicts import ProcessFate, Reason, Verdict
from forensics.writers.phrases import Case, assuming_restart, file_logs, listed, seen_death


def overturned_by(case: Case) -> Iterator[Overturn]:
    """Say what would change the verdict of a row; of a withheld one, what would decide it."""
    seen = set()
    for told in _DOUBTS[case.finding.verdict](case):
        if told not in seen:
            seen.add(told)
            yield told


def run_store(case: Case) -> str:
    """Name the store of the job's run records, as the gateway of this evidence keeps it."""
    if case.around.run_table:
        return "state/openclaw.sqlite, table cron_run_logs"
    return f"cron/runs/{for_terminal(case.row.job_id or '<job>')}.jsonl"


def registry(case: Case) -> str:
    """Name the task registry of this evidence."""
    path = case.report.paths().get(case.row.source, "")
    if path.endswith("openclaw.sqlite") or case.around.run_table:
        return "state/openclaw.sqlite"
    return "tasks/runs.sqlite with tasks/runs.sqlite-wal"


def log_files(case: Case, begin: datetime | None, end: datetime | None) -> str:
    """Name the file logs of the days of a span that are not covered, or of all of its days where all are."""
    if begin is None:
        return "the gateway's file log"
    offset = case.around.offset or timedelta()
    gaps = uncovered(case, begin, end or begin)
    moments = [moment + offset for gap in (gaps or [(begin, end or begin)]) for moment in _days(*gap)]
    return file_logs(moments)


def uncovered(case: Case, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Give the parts of a span that no gateway log covers."""
    gaps, reached = [], begin
    for covered_from, covered_until in case.around.spans:
        if covered_until <= reached:
            continue
        if covered_from >= end:
            break
        if covered_from > reached:
            gaps.append((reached, covered_from))
        reached = covered_until
    return gaps + ([(reached, end)] if reached < end else [])


def _days(begin: datetime, end: datetime) -> Iterator[datetime]:
    moment = begin
    while moment < end:
        yield moment
        moment += timedelta(days=1)
    yield end


def _a_record(case: Case, says: str, becomes: str) -> Overturn:
    start = case.at(case.row.start)
    return Overturn(
        f"a record of the job with the start {start} that says {says}: {becomes}", f"a fuller copy of {run_store(case)}"
    )


def _of_false(case: Case) -> Iterator[Overturn]:
    own = case.own
    yield from _of_weak(case)
    if own is not None and own.start is None and case.row.start is not None:
        moment = case.at(case.row.start)
        yield Overturn(
            f"another run of the job that began within a second of {moment}: the record could be either's",
            registry(case),
        )
    yield _a_record(case, "something else", "it would be withheld, as contradictory")
    if case.around.rivals == () and case.row.start is not None:
        yield Overturn(
            f"a second row of the job that started {case.at(case.row.start)}: one record redeems one row only",
            f"another copy of {registry(case)}",
        )


def _of_weak(case: Case) -> Iterator[Overturn]:
    own = case.own
    if own is None:
        return
    if own.ended_at is not None and case.has(Reason.MAYBE_ABORTED, Reason.JOB_STATE):
        where = log_files(case, case.row.start, own.ended_at)
        yield Overturn(
            f"lines of a drain or a restart around {case.at(own.ended_at)}: it would be interrupted, as cut off", where
        )
    if case.has(Reason.JOB_STATE, Reason.LEDGER_WARNING):
        yield Overturn(
            "the run's own record, which has the end, the summary and the usage: it would decide",
            f"a copy of {run_store(case)}",
        )
    if case.has(Reason.ONLY_RECORD):
        yield from _of_only_record(case, own)
    if case.has(Reason.INSTANT_OK):
        yield Overturn("a later record of the same start", f"a later copy of {run_store(case)}")


def _of_only_record(case: Case, own: JobRun) -> Iterator[Overturn]:
    if own.start is not None:
        yield from _wants_zone(case)
        return
    what = "the same record with its start (runAtMs): it would prove it or rule it out"
    yield Overturn(what, f"another copy of {run_store(case)}")


def _of_failed(case: Case) -> Iterator[Overturn]:
    yield from _of_weak(case)
    yield _a_record(case, "ok", "it would be withheld, as contradictory")


def _of_replayed(case: Case) -> Iterator[Overturn]:
    stand = case.around.stand_in
    yield from _of_own_end(case)
    if stand is not None:
        yield Overturn(
            f"a record of the run of {case.at(stand.start)} that says error: it would be interrupted", run_store(case)
        )
    yield from _of_death(case)


def _of_interrupted(case: Case) -> Iterator[Overturn]:
    ready = case.around.fate.ready_at
    yield from _of_own_end(case)
    if ready is not None and case.around.first_after_ready is None:
        slot = case.around.fate.next_slot
        until = f" and before {case.at(slot)}" if slot else ""
        yield Overturn(
            f"an ok of a run that started after {case.at(ready)}{until}: it would be replayed",
            f"a later copy of {run_store(case)}",
        )
    yield from _of_death(case)


def _of_own_end(case: Case) -> Iterator[Overturn]:
    """Say what would prove that the run ended by itself after all."""
    own, abort = case.own, case.around.fate.abort
    if not case.around.fate.is_aborted or own is None or abort is None:
        yield _a_record(case, "ok", "it would be false_lost")
        return
    store = f"a fuller copy of {run_store(case)}"
    yield Overturn("a copy of its record with a summary or usage: it would be false_lost", store)
    days = log_files(case, abort.down_at, abort.ready_at or own.ended_at)
    yield Overturn(
        f"a line of {abort.id} that all active runs were drained in time: it would be false_lost, weak", days
    )


def _of_death(case: Case) -> Iterator[Overturn]:
    """Say what would prove that the process lived on."""
    death = case.around.fate.death
    if death is None or not case.around.fate.ended_by_process:
        return
    down, up = death.down_at, death.up_at or death.down_at_latest
    days = log_files(case, down, up)
    yield Overturn(
        f"a line of the old process after {case.at(up)}: it would have lived on", f"{days}, or the service's journal"
    )


def _of_unexplained(case: Case) -> Iterator[Overturn]:
    start, end = case.row.start, case.around.fate.possible_end
    yield _a_record(case, "ok or error", "it would be false_lost or failed")
    yield Overturn(
        f"an end of the process between {case.at(start)} and {case.at(end)} that its log does not show: it would be "
        "interrupted",
        "the service's journal" + (", or table gateway_boot_lifecycle" if case.around.run_table else ""),
    )


def _of_withheld(case: Case) -> Iterator[Overturn]:
    for code in case.finding.reasons:
        told = _WITHHELD.get(Reason(code))
        if told is not None:
            yield from told(case)
    if not any(Reason(code) in _WITHHELD for code in case.finding.reasons):
        yield _a_record(case, "how it ended", "it would decide")


def _wants_record(case: Case) -> Iterator[Overturn]:
    start = case.at(case.row.start)
    where = run_store(case)
    if case.row.registry != "store" and case.around.run_table is None:
        where += ", or from 2026.6.1 on state/openclaw.sqlite"
    if not case.has(Reason.MAY_STILL_RUN):
        yield Overturn(f"the record of the job with the start {start}: ok makes it false_lost, error failed", where)
    death = seen_death(case)
    if death is not None:
        yield Overturn(f"a whole run log without that start: {death.id} then makes it interrupted", where)


def _wants_later(case: Case) -> Iterator[Overturn]:
    fate, start = case.around.fate, case.at(case.row.start)
    end, reached = fate.possible_end, fate.log_until
    where = f"{run_store(case)} and {registry(case)}, copied after {case.at(end)}"
    if case.own is not None:
        what = f"another record with the start {start}, or its absence: ok makes it false_lost, none interrupted"
        yield Overturn(what, where)
        return
    what = f"the record of the job with the start {start}, or its absence: ok makes it false_lost, error failed, none "
    if end is not None and (reached is None or reached < end):
        where += f", with the gateway's log until then ({log_files(case, reached or case.row.start, end)})"
    yield Overturn(what + "unexplained", where)


def _wants_log(case: Case) -> Iterator[Overturn]:
    start, end = case.row.start, case.around.fate.possible_end
    if start is None:
        return
    gaps = uncovered(case, start, end or start)
    begin, until = gaps[0][0] if gaps else start, gaps[-1][1] if gaps else end
    span = f"between {case.at(begin)} and {case.at(until)}" if until and until != begin else f"at {case.at(begin)}"
    whole = "" if case.around.run_log.state == COVERED else "with whole run records, "
    none = "" if case.own is not None else ", none unexplained"
    what = f"the gateway's lines {span}: {whole}an end of the process makes it interrupted{none}"
    yield Overturn(what, _named(case, begin, until))


def _named(case: Case, begin: datetime, end: datetime | None) -> str:
    files = log_files(case, begin, end)
    if case.around.run_table is None:
        files += " (before 2026.4.25: that of the day on which the process started)"
    return f"{files}, or the service's journal"


def _wants_batch(case: Case) -> Iterator[Overturn]:
    for mate in case.around.mates[:1]:
        job = for_terminal(mate.job_id or "<job>")
        store = run_store(case) if case.around.run_table else f"cron/runs/{job}.jsonl"
        name = for_terminal(mate.job_name or job)
        yield Overturn(
            f"the record of {name} with the start {case.at(mate.start)}: the batch is written then",
            f"a later copy of {store}",
        )


def _wants_match(case: Case) -> Iterator[Overturn]:
    near = case.around.near
    if near is None:
        return
    if near.start is None or near.start == case.row.start:
        yield Overturn(
            "the same record with its start, in the files of its gateway: it would prove it or rule it out",
            run_store(case),
        )
        return
    yield Overturn(
        f"a row of the job that started {case.at(near.start)}: the record is that row's then",
        f"a fuller copy of {registry(case)}",
    )


def _wants_settling(case: Case) -> Iterator[Overturn]:
    stamps = [run.written_at for run in case.around.own if run.written_at]
    if stamps:
        begin, end = min(stamps), max(stamps)
        yield Overturn(
            f"the gateway's lines between {case.at(begin)} and {case.at(end)}, when the records were written",
            log_files(case, begin, end),
        )
    yield Overturn(
        "copies in which only one of the records stands, and how the other came about",
        f"an older copy of {run_store(case)}",
    )


def _wants_ids(case: Case) -> Iterator[Overturn]:
    names = listed([for_terminal(rival.task_id) for rival in case.around.rivals[:2]])
    yield Overturn(
        f"run ids that tell this row and {names or 'the other'} apart",
        f"{registry(case)}, or openclaw tasks list --json",
    )


def _wants_replacement(case: Case) -> Iterator[Overturn]:
    restart = assuming_restart(case)
    if restart is not None and restart.process != ProcessFate.KEPT:
        days = log_files(case, restart.down_at, restart.ready_at or restart.down_at_latest)
        yield Overturn(f"lines that say whether {restart.id} replaced the process: it would be interrupted then", days)
    if not case.has(Reason.MAY_STILL_RUN):
        what = f"another record with the start {case.at(case.row.start)}, by the run itself: its status decides"
        yield Overturn(what, f"a later copy of {run_store(case)}")


def _wants_start(case: Case) -> Iterator[Overturn]:
    yield Overturn("the row with started_at or a run id: its record can be looked up then", registry(case))


def _wants_zone(case: Case) -> Iterator[Overturn]:
    yield Overturn(
        "the zone in which the times are printed, given as --tz ZONE",
        f"the gateway's host, or {registry(case)}, which needs none",
    )


def _wants_status(case: Case) -> Iterator[Overturn]:
    yield Overturn("the same record with its status", f"another copy of {run_store(case)}")


def _of_outside(case: Case) -> Iterator[Overturn]:
    if case.has(Reason.OTHER_ERROR):
        yield Overturn(
            'a state of the row whose error is empty or "backing session missing": it would be judged',
            f"another copy of {registry(case)}",
        )


_Told = Callable[[Case], Iterator[Overturn]]
_DOUBTS: Mapping[Verdict, _Told] = {
    Verdict.FALSE_LOST: _of_false,
    Verdict.FAILED: _of_failed,
    Verdict.REPLAYED: _of_replayed,
    Verdict.INTERRUPTED: _of_interrupted,
    Verdict.UNEXPLAINED: _of_unexplained,
    Verdict.UNDETERMINED: _of_withheld,
    Verdict.NOT_APPLICABLE: _of_outside,
}
_WITHHELD: Mapping[Reason, _Told] = {
    Reason.NO_START: _wants_start,
    Reason.ZONE_ASSUMED: _wants_zone,
    Reason.AMBIGUOUS_ROWS: _wants_ids,
    Reason.CONFLICT: _wants_settling,
    Reason.NO_STATUS: _wants_status,
    Reason.START_MISMATCH: _wants_match,
    Reason.BATCH_OPEN: _wants_batch,
    Reason.PROCESS_KEPT: _wants_replacement,
    Reason.MAY_STILL_RUN: _wants_later,
    Reason.RUN_LOG_ABSENT: _wants_record,
    Reason.RUN_LOG_MISSING: _wants_record,
    Reason.RUN_LOG_PRUNED: _wants_record,
    Reason.RUN_LOG_DAMAGED: _wants_record,
    Reason.GATEWAY_LOG_ABSENT: _wants_log,
    Reason.GATEWAY_LOG_GAP: _wants_log,
}
