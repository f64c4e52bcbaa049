"""Words for spans, moments and runs: how every sentence of an explanation says them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from forensics.correlator.circumstances import OF_ROW, Circumstances, JobRun
from forensics.model.escape import for_terminal, shortened
from forensics.model.explanation import RowState, Statement
from forensics.model.finding import Citation, Finding, Report, Restart
from forensics.model.shown import PLAIN, Shown
from forensics.model.verdicts import EvidenceRole, Origin, Reason, WindowKind

_MS = timedelta(milliseconds=1)
_TENTH = timedelta(milliseconds=100)
_SECOND, _MINUTE, _HOUR, _DAY = (timedelta(seconds=count) for count in (1, 60, 3600, 86400))
_QUOTED_WIDTH = 90
_ORIGINS = {
    Origin.RUN_LOG.value: "run log",
    Origin.RUN_TABLE.value: "run table",
    Origin.RUN_PAGE.value: "page of cron runs",
    Origin.TASK_DETAIL.value: "details of the task row",
    Origin.RECEIPT.value: "receipt",
    Origin.JOB_STATE.value: "job's state",
    Origin.LEDGER_WARNING.value: "gateway's warning",
}
_KINDS = {
    WindowKind.IN_PROCESS.value: "in-process restart",
    WindowKind.SUPERVISED.value: "restart by the supervisor",
    WindowKind.CRASH.value: "crash, no stop line",
    WindowKind.START.value: "start without a stop line",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One lost row under explanation: its finding, and what lies around it."""

    report: Report
    finding: Finding
    around: Circumstances
    shown: Shown = PLAIN

    @property
    def row(self) -> RowState:
        """The row itself."""
        return self.around.row

    @property
    def own(self) -> JobRun | None:
        """The record on which the verdict rests, where the run has one."""
        return self.around.own[0] if self.around.own and not self.around.fate.ambiguous else None

    @property
    def restart(self) -> Restart | None:
        """The restart window that the finding names."""
        return next((one for one in self.around.restarts if one.id == self.finding.restart), None)

    @property
    def restart_is_its_end(self) -> bool:
        """Whether a restart is known to have ended the run, so that ``ready_at`` is that of the restart."""
        return self.around.fate.ended_by_process or self.around.fate.is_aborted

    def at(self, time: datetime | None) -> str:
        """Say a moment, without its date where that is the day of the row's start."""
        return clock(time, self.row, self.shown)

    def has(self, *reasons: Reason) -> bool:
        """Tell whether one of these reasons is behind the verdict."""
        return any(reason.value in self.finding.reasons for reason in reasons)

    def cited(self, role: EvidenceRole) -> list[Citation]:
        """Give the facts of the finding that are cited for this."""
        return [fact for fact in self.finding.evidence if fact.role == role]


def seen_death(case: Case) -> Restart | None:
    """Give the restart that ended the process within the time that the run could take, whatever the records say."""
    fate = case.around.fate
    if fate.death is None or fate.possible_end is None or fate.death.down_at_latest > fate.possible_end:
        return None
    return fate.death


def assuming_restart(case: Case) -> Restart | None:
    """Give the restart after which the start-up code took the run for interrupted: the last before it wrote so."""
    start, written = case.row.start, case.own.written_at if case.own else None
    if start is None or written is None:
        return None
    between = [one for one in case.around.restarts if start <= (one.ready_at or one.down_at_latest) <= written]
    return between[-1] if between else None


def clock(time: datetime | None, row: RowState, shown: Shown = PLAIN) -> str:
    """Say a moment: without its date where that is the day of the row's start, its offset only where that differs."""
    if time is None:
        return "an unknown time"
    begun, told = row.start or row.ended_at, shown.stamp(time)
    if begun is None:
        return told
    first, local = shown.local(begun), shown.local(time)
    if shown.offset(first) == shown.offset(local):
        told = told.removesuffix(shown.offset(local))
    return told.split(" ", 1)[1] if first.date() == local.date() else told


def lasted(span: timedelta) -> str:
    """Say how long, to as much as matters.

    >>> [lasted(timedelta(milliseconds=ms)) for ms in (3, 39404, 539_997, 5_400_000, 200_000_000)]
    ['3 ms', '39.4 s', '9 min', '1 h 30 min', '2 d 8 h']
    """
    span = abs(span)
    if span < _SECOND:
        return f"{span // _MS} ms"
    if _rounded(span, _TENTH) < _MINUTE:
        return f"{_rounded(span, _TENTH) / _SECOND:g} s"
    if _rounded(span, _SECOND) < _HOUR:
        return _two(span, _MINUTE, "min", _SECOND, "s")
    if _rounded(span, _MINUTE) < 2 * _DAY:
        return _two(span, _HOUR, "h", _MINUTE, "min")
    return _two(span, _DAY, "d", _HOUR, "h")


def _rounded(span: timedelta, unit: timedelta) -> timedelta:
    return (span + unit / 2) // unit * unit


def _two(span: timedelta, large: timedelta, large_name: str, small: timedelta, small_name: str) -> str:
    whole, rest = divmod(_rounded(span, small), large)
    left = rest // small
    return f"{whole} {large_name} {left} {small_name}" if left else f"{whole} {large_name}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Say how many.

    >>> counted(1, "record"), counted(3, "record"), counted(0, "copy", "copies")
    ('1 record', '3 records', 'no copies')
    """
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words as in a sentence.

    >>> listed(["R1"]), listed(["R1", "R2", "R3"])
    ('R1', 'R1, R2 and R3')
    """
    return f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else ""


def quoted(text: str) -> str:
    """Quote a text of the evidence, made harmless and short, on one line."""
    return '"' + shortened(for_terminal(" ".join(text.split())), _QUOTED_WIDTH) + '"'


def origin(run: JobRun) -> str:
    """Name where a run was told."""
    return _ORIGINS.get(run.origin, for_terminal(run.origin))


def outcome(run: JobRun) -> str:
    """Say how a run ended: ``ok after 39.4 s``, ``error: "boom"``, or what its row says where it has no record."""
    after = "" if run.duration_ms is None else f" after {lasted(run.duration_ms * _MS)}"
    if run.origin == OF_ROW:
        return f"no record of it, its row says {for_terminal(run.outcome)}"
    if run.outcome == "interrupted":
        return "interrupted by a restart"
    told = for_terminal(run.status or "nothing of its outcome")
    words = f": {quoted(run.error)}" if run.error else ""
    return f"{told}{after}{words}"


def way_down(restart: Restart) -> str:
    """Say how a gateway went down, in a word: ``SIGTERM``, ``crash, no stop line``."""
    told = _KINDS.get(restart.kind)
    if told is None:
        return for_terminal(restart.reason or "stopped")
    return told


def of_run(text: str, run: JobRun, *, code: Reason | None = None) -> Statement:
    """Make a sentence that stands where a run is told."""
    return Statement(text, run.source, run.line, run.ended_at or run.start, run.table, code.value if code else None)


def of_row(text: str, row: RowState, *, code: Reason | None = None, at: datetime | None = None) -> Statement:
    """Make a sentence that stands in a task row."""
    return Statement(text, row.source, row.line, at, row.table, code.value if code else None)


def of_fact(text: str, fact: Citation | None, *, code: Reason | None = None) -> Statement:
    """Make a sentence that stands where a fact is cited; without one it has no place."""
    told = code.value if code else None
    if fact is None:
        return Statement(text, code=told)
    return Statement(text, fact.source, fact.line, fact.at, fact.table, told)


def of_restart(text: str, restart: Restart | None, *, code: Reason | None = None, last: bool = False) -> Statement:
    """Make a sentence that stands in the first line of a restart, or its last."""
    lines = restart.evidence if restart else ()
    return of_fact(text, (lines[-1] if last else lines[0]) if lines else None, code=code)


def file_logs(moments: Iterable[datetime]) -> str:
    """Name the file logs of some days as the gateway names them.

    Source: formats.md §4.1: one file a local day; until 2026.4.24 a process keeps to the file of the day it started.
    """
    days = sorted({moment.date() for moment in moments})
    if not days:
        return "the gateway's file log"
    names = [f"openclaw-{day}.log" for day in days]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if len(names) > 2 else " and ".join(names)
