"""What a simulated gateway is made of: its release, its jobs, their runs, its processes, and all that it wrote down."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

from tests.corpus.truth import Fate

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
LOST = "backing session missing"
INTERRUPTED = "cron: job interrupted by gateway restart"
TIMED_OUT = "cron: job execution timed out"
LONGEST_RUN = 2 * HOUR
"""A run without a time-out (design §6, *Death*)."""

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Release:
    """How one release works (formats.md §0, §1.5, §1.6, §7; observed.md §A, §B)."""

    name: str
    heals: bool
    """A late finish overwrites ``lost`` (up to 4.24)."""
    records_interrupted: bool
    """A run found in flight at start-up is recorded as an error (4.25 and later); before, it is replayed at once."""
    manual_listed: bool
    """Manual runs are on the list of running jobs (5.12 and later)."""
    repairs_lost: bool = False
    """Rows that are lost already are repaired from an exact record (7.1 to 7.35)."""
    lost_kept: int = DAY
    """For so long lost rows are kept (7 days before 5.26)."""
    tells_shutdown: bool = True
    """Log lines of the shutdown, and ``gateway ready`` (4.29 and later)."""
    newest: bool = False
    """2026.9: receipts, details in the task rows, signals at debug level, drains before a stop."""
    store: str = "files"
    """``files`` (jsonl beside ``tasks/runs.sqlite``), ``table`` (``cron_run_logs``) or ``details``."""
    split_state: bool = True
    """The state of the jobs lies in ``jobs-state.json`` (4.20 and later)."""
    boots: bool = False
    names_manual: bool = True
    """Records of manual runs have a run id (5.3 and later)."""
    aborts_as_ok: bool = True
    """A run that a drain time-out cut short is recorded ``ok`` without a word (4.x and 5.x)."""


_FOUR = Release("2026.4.15", True, False, False, lost_kept=7 * DAY, tells_shutdown=False, names_manual=False)
_FIVE = Release("2026.5.7", False, True, False, lost_kept=7 * DAY)
_SIX = Release("2026.6.11", False, True, True, store="table", aborts_as_ok=False)
RELEASES = {
    release.name: release
    for release in (
        replace(_FOUR, name="2026.4.8", split_state=False),
        replace(_FOUR, split_state=False),
        replace(_FOUR, name="2026.4.24"),
        _FIVE,
        replace(_FIVE, name="2026.5.28", manual_listed=True, lost_kept=DAY),
        _SIX,
        replace(_SIX, name="2026.7.35", repairs_lost=True, boots=True),
        replace(_SIX, name="2026.9.6", newest=True, store="details", boots=True),
    )
}


@dataclass(slots=True, eq=False)
class Job:
    """A job of the store; times of its state are those that the gateway holds."""

    id: str
    name: str
    kind: str
    """``every``, ``cron`` or ``at``."""
    every: int
    """Milliseconds between two slots; 0 for ``at``."""
    anchor: int
    """A slot: ``every`` counts from it, ``cron`` has its minute of the hour or of the day from it, ``at`` is it."""
    zone: str
    agent: bool
    """An agent turn; else a system event, whose records have no usage."""
    timeout: int | None
    usual: int
    """How long it runs, mostly."""
    enabled: bool = True
    deleted: bool = False
    deferred: bool = False
    """Its next run makes up for one that was missed (5.7 and later)."""
    next_run: int | None = None
    reserved: int | None = None
    last: Record | None = None
    updated: int = 0

    @property
    def longest(self) -> int:
        return self.timeout or LONGEST_RUN


@dataclass(slots=True, eq=False)
class Process:
    """One life of the gateway, from one start to the next: an in-process restart begins a new one of the same pid."""

    pid: int
    born: int
    """When its first line was written; for an in-process restart that of its HTTP server."""
    replaced: bool
    """It is a process of its own."""
    ready: int | None = None
    cron_started: int | None = None
    down: int | None = None
    """When the signal was acted on, or it was killed."""
    drained: int | None = None
    """When its drain began."""
    gone: int | None = None
    stop_seen: bool = False
    clean: bool = False
    """``shutdown completed`` was written."""
    how: str = ""
    catch_up: tuple[str, ...] = ()
    """The jobs named by ``running missed jobs after restart``."""
    boot_id: str = ""
    kept_in_table: bool = False
    """Its release has a boot table."""
    reason: str | None = None
    outcome: str | None = None
    sweep_phase: int = 0


@dataclass(slots=True, eq=False)
class Record:
    """One finished run as the run history tells it."""

    job: Job
    ts: int
    start: int | None
    duration: int | None
    status: str
    error: str | None = None
    summary: str | None = None
    used: bool = False
    run_id: str | None = None
    next_run: int | None = None
    session: str | None = None
    run: Run | None = None
    """None for what start-up code wrote about a run that it only assumed dead."""

    @property
    def is_interrupted(self) -> bool:
        return self.error == INTERRUPTED

    @property
    def end(self) -> int:
        return self.ts if self.start is None or self.duration is None else self.start + self.duration


@dataclass(slots=True, eq=False)
class Run:
    """One run, as it really went."""

    job: Job
    trigger: str
    """``timer``, ``manual``, ``catch_up`` or ``deferred``."""
    reserved: int
    start: int
    ends: int
    status: str
    error: str | None
    summary: str | None
    process: Process
    pid: int
    listed: bool
    row: Row
    batch: list[Run]
    fate: Fate = Fate.ALIVE
    ended: int | None = None
    record: Record | None = None
    aborted: bool = False
    receipt: str | None = None
    manual_id: str | None = None


@dataclass(slots=True, eq=False)
class Row:
    """A task row as the registry on disk holds it; ``run`` is None for a row of another runtime."""

    task_id: str
    runtime: str
    source_id: str | None
    run_id: str | None
    label: str
    created: int
    started: int | None
    status: str = "running"
    ended: int | None = None
    last_event: int | None = None
    cleanup: int | None = None
    error: str | None = None
    summary: str | None = None
    run: Run | None = None
    settled: bool = False
    """The gateway's memory holds an end that the disk never got."""
    marked_outside: bool = False
    """A command line marked it lost on disk while the gateway's memory says running."""
    projected: bool = False
    detail: Record | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the gateway's log."""

    at: int
    binding: str
    """Its subsystem, ``cron`` for the scheduler, or empty where it has none."""
    text: str
    level: str = "INFO"
    fields: Fields | None = None
    pid: int = 0
    told: Process | None = None
    """The process whose start, readiness or stop it tells."""
    mark: str = ""
    """What it tells: ``start``, ``ready``, ``down``, ``gone``, ``marker``, ``missed``, ``cron``, ``ledger``."""


@dataclass(slots=True)
class History:
    """All that a gateway did and wrote until ``now``."""

    release: Release
    jobs: list[Job]
    processes: list[Process] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    began: int = 0
    now: int = 0
    events: int = 0


def name_from(rng: random.Random) -> str:
    """Give a UUID of version 4 that the generator decides."""
    told = f"{rng.getrandbits(128):032x}"
    return f"{told[:8]}-{told[8:12]}-4{told[13:16]}-{'89ab'[int(told[16], 16) % 4]}{told[17:20]}-{told[20:]}"


_ROW, _JOB = attrgetter(*Row.__slots__), attrgetter(*Job.__slots__)


def copied_row(row: Row) -> Row:
    """Give a copy of a row; ``copy`` takes ten times as long."""
    return Row(*_ROW(row))


def copied_job(job: Job) -> Job:
    """Give a copy of a job."""
    return Job(*_JOB(job))
