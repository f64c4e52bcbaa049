"""What of a gateway's files is handed over: copied at a moment, damaged, cut, or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.corpus.world import HOUR, MINUTE, SECOND, History, Job, Line, Record, Release, Row, copied_job, copied_row

PRUNED_TO = 2_000
"""So many lines are kept of a run log (formats.md §3.1)."""
Span = tuple[int, int]


@dataclass(slots=True)
class Handed:
    """The evidence, before it is written in one form or another.

    ``records`` are those that can be read; what became of the run history of each job is in ``cut_jobs``.
    """

    release: Release
    history: History
    rows: list[Row]
    records: list[Record]
    jobs: list[Job]
    lines: list[list[Line]]
    """One list per file of the log."""
    covered: list[Span] = field(default_factory=list)
    """Spans of time in which the log would have shown what happened."""
    has_store: bool = True
    """The job store was handed over: schedules, time-outs, last runs."""
    cut_jobs: dict[str, str] = field(default_factory=dict)
    """Job id to what befell its run log: ``missing``, ``pruned``, ``damaged``."""
    no_history: bool = False
    """There is no run history at all."""
    shows_cron: bool = True
    """The log shows what the scheduler says."""
    filler: dict[str, list[Record]] = field(default_factory=dict)
    torn: dict[str, str] = field(default_factory=dict)
    """Job id to what stands behind the last whole line of its run log."""
    registry: str = "database"
    log: str = "file"
    records_until: int = 0
    """The latest stamp of what was copied together with the run history."""
    exported_at: int | None = None
    offset_hours: int = 0
    log_skew: int = 0

    def all_lines(self) -> list[Line]:
        return [line for part in self.lines for line in part]


def snapshot(history: History, release: Release) -> Handed:
    """Copy everything as it is now."""
    rows = [copied_row(row) for row in history.rows]
    records = [told for told in history.records if told.ts <= history.now]
    jobs = [copied_job(job) for job in history.jobs]
    return Handed(release, history, rows, records, jobs, [])


def by_day(lines: list[Line], release: Release, offset_hours: int) -> list[list[Line]]:
    """Part the log into its files: one a day; up to 4.24 a process goes on with the file of the day it started."""
    parts: dict[int, list[Line]] = {}
    first_day: dict[int, int] = {}
    for line in lines:
        day = (line.at + offset_hours * HOUR) // (24 * HOUR)
        if release.heals:
            day = first_day.setdefault(line.pid, day)
        parts.setdefault(day, []).append(line)
    return [parts[day] for day in sorted(parts)]


def damaged(handed: Handed, how: str, rng: random.Random) -> str:
    """Take away what ``how`` says; tell what was done: ``none`` where there was nothing to take."""
    act = DAMAGES.get(how)
    return how if act is not None and act(handed, rng) else "none"


def _whole_runs(handed: Handed, _: random.Random) -> bool:
    if handed.release.newest or not handed.records or not any(job.last for job in handed.jobs if not job.deleted):
        return False
    handed.no_history = True
    handed.records = []
    return True


def _one_run_log(handed: Handed, rng: random.Random) -> bool:
    """Lose the run log of a job of which something else tells that it ran."""
    ran = {row.source_id for row in handed.rows if row.status == "succeeded"}
    ids = sorted({told.job.id for told in handed.records if told.job.id in ran})
    lost = sorted(
        {row.source_id for row in handed.rows if row.status == "lost" and row.source_id in ids} - {None}, key=str
    )
    if not ids or handed.release.newest:
        return False
    chosen = str(rng.choice(lost or ids))
    handed.cut_jobs[chosen] = "missing"
    handed.records = [told for told in handed.records if told.job.id != chosen]
    return len({told.job.id for told in handed.records}) > 0


def _pruned(handed: Handed, rng: random.Random) -> bool:
    """Let the run log of a job have been pruned past its lost rows."""
    lost = [row for row in handed.rows if row.status == "lost" and row.runtime == "cron"]
    if not lost or handed.release.store != "files":
        return False
    chosen = str(rng.choice(lost).source_id)
    mine = [row.started or 0 for row in lost if row.source_id == chosen]
    job = next(job for job in handed.jobs if job.id == chosen)
    latest = max(mine) + 10 * SECOND
    room = handed.history.now - latest - MINUTE
    if room < HOUR or any(told.job.id == chosen and told.ts > latest for told in handed.records):
        return False
    step = room // (PRUNED_TO + 1)
    told = [
        Record(job, at + 400, at, 390, "ok", summary="tick") for at in range(latest, latest + step * PRUNED_TO, step)
    ]
    handed.filler[chosen] = told[:PRUNED_TO]
    handed.cut_jobs[chosen] = "pruned"
    handed.records = [told for told in handed.records if told.job.id != chosen] + handed.filler[chosen]
    return True


def _torn(handed: Handed, rng: random.Random) -> bool:
    """Tear the last line of a run log, as a copy taken in the middle of a write does."""
    return _tail(handed, rng, '{"ts":17764', keeps_last=False)


def _garbage(handed: Handed, rng: random.Random) -> bool:
    """Put a line that is no record at the end of a run log; it takes nothing away."""
    return _tail(handed, rng, "\x00\x00 not a record\n", keeps_last=True)


def _tail(handed: Handed, rng: random.Random, text: str, *, keeps_last: bool) -> bool:
    ids = sorted({told.job.id for told in handed.records})
    if not ids or handed.release.store != "files":
        return False
    chosen = rng.choice(ids)
    handed.torn[chosen] = text
    handed.cut_jobs[chosen] = "damaged"
    if not keeps_last:
        last = max((told for told in handed.records if told.job.id == chosen), key=lambda told: told.ts)
        handed.records = [told for told in handed.records if told is not last]
    return True


def _no_store(handed: Handed, _: random.Random) -> bool:
    handed.has_store = False
    return True


def _no_log(handed: Handed, _: random.Random) -> bool:
    handed.lines, handed.log = [], "none"
    return True


def _part(number: Callable[[int], int]) -> Callable[[Handed, random.Random], bool]:
    def act(handed: Handed, _: random.Random) -> bool:
        if len(handed.lines) < 3:
            return False
        gone = number(len(handed.lines)) % len(handed.lines)
        if 0 < gone < len(handed.lines) - 1 and not _leaves_a_day_out(handed, gone):
            return False
        del handed.lines[gone]
        return True

    return act


def _leaves_a_day_out(handed: Handed, gone: int) -> bool:
    """Tell whether a whole day of the host's calendar is missing then: without one nothing shows that a file is."""
    before, after = handed.lines[gone - 1][-1].at, handed.lines[gone + 1][0].at
    day = 24 * HOUR
    return (after + handed.offset_hours * HOUR) // day - (before + handed.offset_hours * HOUR) // day > 1


def _cut(*, head: bool) -> Callable[[Handed, random.Random], bool]:
    def act(handed: Handed, rng: random.Random) -> bool:
        lines = handed.all_lines()
        if len(lines) < 20:
            return False
        at = lines[rng.randrange(len(lines) // 4, 3 * len(lines) // 4)].at
        kept = [[line for line in part if (line.at >= at) == head] for part in handed.lines]
        handed.lines = [part for part in kept if part]
        return True

    return act


DAMAGES: dict[str, Callable[[Handed, random.Random], bool]] = {
    "no_runs": _whole_runs,
    "one_run_log_missing": _one_run_log,
    "pruned": _pruned,
    "torn": _torn,
    "garbage": _garbage,
    "no_store": _no_store,
    "no_log": _no_log,
    "first_day_missing": _part(lambda _: 0),
    "middle_day_missing": _part(lambda count: count // 2),
    "last_day_missing": _part(lambda _: -1),
    "log_head_cut": _cut(head=True),
    "log_tail_cut": _cut(head=False),
}
"""Each kind of damage; it says whether there was anything to damage."""


def measure(handed: Handed) -> None:
    """Work out what the log covers, and until when the run history was copied."""
    parts = [part for part in handed.lines if part]
    whole = by_day(handed.history.lines, handed.release, handed.offset_hours)
    handed.covered = []
    previous = -2
    for part in parts:
        number = next(number for number, day in enumerate(whole) if part[-1] in day)
        first, last = min(line.at for line in part), max(line.at for line in part)
        if number == previous + 1:
            handed.covered[-1] = (handed.covered[-1][0], max(last, handed.covered[-1][1]))
        else:
            handed.covered.append((first, last))
        previous = number
    handed.records_until = max(_stamps(handed), default=0)


def _stamps(handed: Handed) -> list[int]:
    told = [stamp for record in handed.records for stamp in (record.ts, record.end)]
    if handed.exported_at is None:
        told += [row.last_event or row.created for row in handed.rows]
        told += [row.started or 0 for row in handed.rows]
    if handed.has_store:
        for job in handed.jobs:
            last = job.last.end if job.last and not job.deleted else 0
            told += [job.reserved or 0, last, job.updated] if not job.deleted else []
    return told
