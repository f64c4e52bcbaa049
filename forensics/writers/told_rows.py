"""A row that is not lost, explained: healed, corrected, still running, or simply ended."""

from __future__ import annotations

from collections.abc import Iterator

from forensics.correlator.circumstances import Circumstances, JobRun
from forensics.model.escape import for_terminal
from forensics.model.explanation import ExplainedRow, Explanation, Overturn, RowState, Statement
from forensics.model.finding import Report
from forensics.model.policy import INTERRUPTED_ERROR, LOST_ERROR
from forensics.model.shown import PLAIN, Shown
from forensics.model.verdicts import TaskStatus
from forensics.writers.phrases import clock, counted, file_logs, lasted, of_row, of_run, origin, outcome, quoted
from forensics.writers.told_facts import about_start, other_states
from forensics.writers.told_journals import because_corrected, is_corrected, journal_says, when

_STAND_IN_WORDS = "Interrupted by a gateway restart; the run of "
_ACTIVE = (TaskStatus.RUNNING, TaskStatus.QUEUED)
_OUTCOMES = {
    TaskStatus.SUCCEEDED.value: ("ok",),
    TaskStatus.FAILED.value: ("error", "interrupted"),
    TaskStatus.TIMED_OUT.value: ("error",),
}


def explained_row(report: Report, around: Circumstances, shown: Shown = PLAIN) -> ExplainedRow:
    """Explain a row that is not lost: what it is, what its records say, and what would change that.

    ``shown`` says in which zone its sentences tell times.
    """
    explanation = Explanation(
        claims=tuple(_claims(around, shown)),
        shows=tuple(_shows(around, shown)),
        because=tuple(_because(report, around, shown)),
        not_instead=(),
        overturned_by=tuple(_overturned_by(around, shown)),
        looked_for=tuple(_looked_for(around, shown)),
    )
    return ExplainedRow(around.row, _state(report, around, shown), explanation)


def _state(report: Report, around: Circumstances, shown: Shown) -> str:
    """Say in one sentence what the row is instead of lost."""
    row = around.row
    status = for_terminal(row.status or "without a status")
    if row.is_twin:
        return f"{status}, not lost: an imported run record, no execution of its own."
    if _is_healed(report, row):
        since = "".join(_healed_since(report, around, shown))
        return f"{status}, not lost: healed, it was marked lost and put right since.{since}"
    entry = around.journal
    if entry is not None and is_corrected(entry):
        since = ", and changed since" if entry.changed else ""
        was = for_terminal(entry.before.status or "no status")
        return f"{status}, not lost: corrected on {when(entry.at, shown)} from {was}{since}."
    if _is_corrected(row):
        return f"{status}, not lost: corrected as forensics fix does, from lost to the interrupted run it was."
    if row.status in _ACTIVE:
        return f"{status}, not lost: no sweep has marked it."
    return f"{status}, not lost: there is no mark to explain."


def _healed_since(report: Report, around: Circumstances, shown: Shown) -> Iterator[str]:
    entry = around.journal
    if entry is not None and _is_cleaned(around):
        yield f" Corrected on {when(entry.at, shown)}: the text of the mark was cleared."
    if _is_cut_off(report, around.row):
        yield " The ok is that of a run cut off by a restart: the work was not finished."


def _is_cleaned(around: Circumstances) -> bool:
    return around.journal is not None and around.journal.is_cleaned and is_corrected(around.journal)


def _is_healed(report: Report, row: RowState) -> bool:
    return row.task_id in report.summary.healed and row.status == TaskStatus.SUCCEEDED


def _is_cut_off(report: Report, row: RowState) -> bool:
    return row.task_id in report.summary.healed_aborted


def _is_corrected(row: RowState) -> bool:
    return row.error == INTERRUPTED_ERROR and (row.terminal_summary or "").startswith(_STAND_IN_WORDS)


def _has_stale_error(row: RowState) -> bool:
    return LOST_ERROR in (row.error or "").lower()


def _claims(around: Circumstances, shown: Shown) -> Iterator[Statement]:
    row = around.row
    begun = f"started {clock(row.started_at, row, shown)}" if row.started_at else "no start"
    ended = f", ended {clock(row.ended_at, row, shown)}" if row.ended_at else ", no end"
    error = f", error {quoted(row.error)}" if row.error else ", no error"
    yield of_row(f"The row says it is {for_terminal(row.status or 'without a status')}: {begun}{ended}{error}.", row)
    if row.terminal_summary:
        yield of_row(f"Its summary: {quoted(row.terminal_summary)}.", row)
    yield from about_start(row, shown)
    yield from other_states(row, around.elsewhere, shown)
    if not is_corrected(around.journal):
        yield from journal_says(row, around.journal, shown)


def _shows(around: Circumstances, shown: Shown) -> Iterator[Statement]:
    row = around.row
    for run in around.own:
        ended = f", ended {clock(run.ended_at, row, shown)}" if run.ended_at else ""
        bare = ", without summary and usage" if run.is_bare else ""
        yield of_run(f"Record of this run: {outcome(run)} ({origin(run)}){ended}{bare}.", run)
    before, after = around.previous, around.following
    if before is not None:
        yield of_run(f"The job's run before it: started {clock(before.start, row, shown)}, {outcome(before)}.", before)
    if after is not None:
        yield of_run(f"The job's next run: started {clock(after.start, row, shown)}, {outcome(after)}.", after)


def _because(report: Report, around: Circumstances, shown: Shown) -> Iterator[Statement]:
    row, own = around.row, around.own[0] if around.own else None
    if _is_healed(report, row):
        yield from _healed(report, around, own, shown)
    elif around.journal is not None and is_corrected(around.journal):
        yield from because_corrected(report, row, around.journal, shown)
        if own is not None:
            yield of_run(_agreement(row, own), own)
    elif _is_corrected(row):
        yield of_row("Error and summary are those that fix writes; the summary names the run that did the work.", row)
    elif row.error == INTERRUPTED_ERROR:
        yield of_row(
            "That error is written by the gateway's start-up code, or by fix, for a run that a restart ended.", row
        )
    elif row.status in _ACTIVE:
        yield from _active(around, own, shown)
    elif own is not None:
        yield of_run(_agreement(row, own), own)


def _healed(report: Report, around: Circumstances, own: JobRun | None, shown: Shown) -> Iterator[Statement]:
    row = around.row
    if _has_stale_error(row):
        yield of_row(
            "Its error is left over from the mark: a late finish wrote status, end and summary, not the error.", row
        )
    elif around.journal is not None and _is_cleaned(around):
        yield of_row("A late finish wrote status, end and summary; fix cleared what was left of the mark.", row)
        yield from because_corrected(report, row, around.journal, shown)
    else:
        marked = next((state for state in around.elsewhere if state.status == TaskStatus.LOST), None)
        when = f" at {clock(marked.ended_at, row, shown)}" if marked else ""
        text = f"It was marked lost{when}; a late finish or forensics fix put it right, and leaves no trace of which."
        yield of_row(text, marked or row)
    if _is_cut_off(report, row) and own is not None:
        yield of_run(
            f"Its ok is bare and ends {clock(own.ended_at, row, shown)}, within a restart: the run was aborted.",
            own,
        )
    elif own is not None:
        yield of_run(_good_end(around, own) if own.outcome == "ok" else _agreement(row, own), own)
    else:
        yield of_row("No record of the run is at hand: that it ended well is the row's own word.", row)


def _good_end(around: Circumstances, own: JobRun) -> str:
    """Say how far the ok of a healed row can be trusted."""
    if own.has_words:
        return "The run did end well: its ok has a summary or usage, which a run that is cut off has not."
    if not own.is_bare:
        return "Its record says ok, too."
    start, end = around.row.start, own.ended_at
    if start and end and any(begin <= start and end <= until for begin, until in around.spans):
        return "The run did end well: its ok is bare, but the gateway log shows no restart that cut it off."
    return "Its ok is bare, and the gateway log does not show whether a restart cut it off."


def _active(around: Circumstances, own: JobRun | None, shown: Shown) -> Iterator[Statement]:
    row = around.row
    if own is not None:
        yield of_run(f"Its record already says {outcome(own)}: the row was not yet, or never, written.", own)
        return
    newest = max((log.last_at for log in around.logs if log.last_at), default=None)
    if newest is not None and row.start is not None and newest > row.start:
        yield of_row(
            f"It began {lasted(newest - row.start)} before the latest line of the gateway log, and has no record yet.",
            row,
        )
    gone = next((one for one in around.restarts if row.start and one.up_at and one.up_at > row.start), None)
    if gone is not None:
        kept = {"kept": "kept its process", "replaced": "replaced its process"}.get(
            gone.process, "may have replaced its process"
        )
        line = gone.evidence[0]
        yield Statement(
            f"Restart {gone.id} at {clock(gone.down_at, row, shown)} {kept}.",
            line.source,
            line.line,
            line.at,
            line.table,
        )


def _agreement(row: RowState, own: JobRun) -> str:
    expected = _OUTCOMES.get(row.status or "")
    if expected is None:
        return f"Its record says {outcome(own)}."
    if own.outcome not in expected:
        return f"Its record says otherwise: {outcome(own)}."
    if own.ended_at is not None and row.ended_at is not None and own.ended_at != row.ended_at:
        return f"Row and record agree but for the end, which is {lasted(row.ended_at - own.ended_at)} off."
    return "Row and record agree."


def _overturned_by(around: Circumstances, shown: Shown) -> Iterator[Overturn]:
    row = around.row
    if row.status in _ACTIVE:
        yield Overturn(
            "how it ended: the row's later state, or its record",
            f"later copies of the registry and of cron/runs/{for_terminal(row.job_id or '<job>')}.jsonl",
        )
    elif around.own and around.own[0].is_bare and not around.spans and around.own[0].ended_at:
        yield Overturn(
            f"lines of a restart around {clock(around.own[0].ended_at, row, shown)}: the run was cut off then",
            file_logs([around.own[0].ended_at]),
        )


def _looked_for(around: Circumstances, shown: Shown) -> Iterator[Statement]:
    row = around.row
    if row.runtime == "cron" and not around.own and row.start is not None:
        yield Statement(f"Its record (start {clock(row.start, row, shown)}): none among the records of the job.")
    if row.status in _ACTIVE and around.logs:
        lines = sum(log.lines for log in around.logs)
        yield Statement(
            f"Restarts since it began, in {counted(len(around.logs), 'gateway log')} with {counted(lines, 'line')}."
        )
