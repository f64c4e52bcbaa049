"""The day of one gateway, 2026-04-17: its jobs, task rows, run records and log lines.

At 10:00 it is stopped by a signal and started anew; the new process catches up what was missed, until 10:09. At 14:00
it restarts within its process, and the drain runs into its time-out. Everything is copied shortly before midnight.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from tests.parsers.text_shapes import Said

MIDNIGHT = 1_776_384_000_000
"""2026-04-17T00:00:00Z."""

WEEK = 604_800_000
LOST = "backing session missing"
TIMED_OUT = "cron: job execution timed out"
STORE = "/home/claw/.openclaw/cron/jobs.json"
LOG_FILE = "/home/claw/logs/openclaw-2026-04-17.log"
OLD, NEW, NEWEST = "2026.4.15", "2026.5.7", "2026.9.6"
"""Three wordings of the same lines."""

HOURS = 2
"""The gateway's host lives two hours east of UTC."""


def ms(clock: str) -> int:
    """Give a moment of the day in epoch milliseconds: ``ms("10:00:03.250")``."""
    hours, minutes, *rest = clock.split(":")
    return MIDNIGHT + int(hours) * 3_600_000 + int(minutes) * 60_000 + (round(float(rest[0]) * 1000) if rest else 0)


def name_of(word: str) -> str:
    """Give the UUID that stands for a word."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, word))


COPIED = ms("23:54")
EXPORTED = ms("23:54:30")
FIRST_PID, SECOND_PID = 4101, 4102
MARK = ms("10:05:21.300")


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the store; ``expr`` is its schedule, in UTC."""

    word: str
    expr: str
    timeout_s: int | None = None

    @property
    def id(self) -> str:
        return name_of(f"job {self.word}")


@dataclass(frozen=True, slots=True)
class Row:
    """A task row as the registry holds it when it is copied."""

    word: str
    job: Job | None
    start: int
    ended: int | None = None
    status: str = "lost"
    error: str | None = LOST
    summary: str | None = None
    runtime: str = "cron"

    @property
    def id(self) -> str:
        return name_of(f"row {self.word}")

    @property
    def run_id(self) -> str:
        return f"cron:{self.job.id}:{self.start}" if self.job else f"agent:{self.id}"


@dataclass(frozen=True, slots=True)
class Run:
    """What was recorded of a finished run; ``start`` None: the record does not name it."""

    job: Job
    start: int | None
    ended: int
    duration: int
    status: str = "ok"
    error: str | None = None
    summary: str | None = "done"
    used: bool = True
    manual: bool = False

    @property
    def written(self) -> int:
        """When its record was written: some milliseconds after its end."""
        return self.ended + 8

    @property
    def run_id(self) -> str | None:
        return f"manual:{self.job.id}:{self.ended - self.duration - 13}:1" if self.manual else None


def _daily(word: str, clock: str, timeout_s: int | None = None) -> Job:
    hours, minutes = clock.split(":")
    return Job(word, f"{int(minutes)} {int(hours)} * * *", timeout_s)


STARTLESS = Job("startless", "30 2,20 * * *")
OWN = _daily("own", "03:00")
ERRORED = _daily("errored", "03:20")
SLOW = _daily("timed out", "03:40", 600)
HEALED = _daily("healed", "04:00")
SKIPPED = _daily("skipped", "04:20")
MISSING = Job("missing", "0 5,17 * * *", 600)
WARNED = _daily("warned", "06:00")
BEFORE = _daily("before", "09:30")
LATE = Job("late", "5,50 9,10 * * *", 1800)
DIED = _daily("died", "09:55", 1800)
REPLAYED = _daily("replayed", "09:56", 1800)
CAUGHT = _daily("caught", "09:59")
MANUAL = _daily("manual", "21:00")
ABORTED = _daily("aborted", "13:58")
OTHER = _daily("other", "16:00")
PROJECTED = _daily("projected", "23:30")

JOBS = (
    STARTLESS, OWN, ERRORED, SLOW, HEALED, SKIPPED, MISSING, WARNED, BEFORE, LATE, DIED, REPLAYED, CAUGHT, MANUAL,
    ABORTED, OTHER, PROJECTED,
)  # fmt: skip

RUNS = (
    Run(STARTLESS, None, ms("02:31:20.250"), 80_000),
    Run(OWN, ms("03:00:00.417"), ms("03:01:02.417"), 62_000, summary="three  letters\nsent"),
    Run(ERRORED, ms("03:20:00.031"), ms("03:20:41.031"), 41_000, "error", "model overloaded", None, used=False),
    Run(SLOW, ms("03:40:00.005"), ms("03:50:00.105"), 600_100, "error", TIMED_OUT, None, used=False),
    Run(HEALED, ms("04:00:00.090"), ms("04:08:00.090"), 480_000),
    Run(SKIPPED, ms("04:20:00.050"), ms("04:20:02.150"), 2_100, "skipped", None, None, used=False),
    Run(WARNED, ms("06:00:00.300"), ms("06:01:00.300"), 60_000),
    Run(BEFORE, ms("09:30:00.312"), ms("09:32:00.312"), 120_000),
    Run(REPLAYED, ms("10:00:12.400"), ms("10:01:12.400"), 60_000, summary="done anew"),
    Run(LATE, ms("10:06:00.300"), ms("10:07:00.300"), 60_000, summary="done late"),
    Run(CAUGHT, ms("10:00:17.400"), ms("10:08:40.400"), 503_000),
    Run(MANUAL, ms("12:30:00.700"), ms("12:38:00.700"), 480_000, manual=True),
    Run(ABORTED, ms("13:58:00.900"), ms("14:05:05.100"), 424_200, summary=None, used=False),
    Run(MISSING, ms("17:00:00.200"), ms("17:01:00.200"), 60_000),
    Run(STARTLESS, ms("20:30:00.250"), ms("20:31:20.250"), 80_000),
)

_LOST_ROWS = (
    Row("startless", STARTLESS, ms("02:30:00.250"), ms("02:35:30.100")),
    Row("own", OWN, ms("03:00:00.417"), ms("03:05:30.100")),
    Row("errored", ERRORED, ms("03:20:00.031"), ms("03:25:30.100")),
    Row("timed out", SLOW, ms("03:40:00.005"), ms("03:45:30.100")),
    Row("skipped", SKIPPED, ms("04:20:00.050"), ms("04:25:30.100")),
    Row("missing", MISSING, ms("05:00:00.200"), ms("05:05:30.100")),
    Row("warned", WARNED, ms("06:00:00.300"), ms("06:05:30.100")),
    Row("before", BEFORE, ms("09:30:00.312"), MARK),
    Row("late", LATE, ms("09:50:00.600"), MARK),
    Row("died", DIED, ms("09:55:00.100"), MARK),
    Row("replayed", REPLAYED, ms("09:56:00.200"), MARK),
    Row("caught", CAUGHT, ms("10:00:17.400"), MARK),
    Row("manual", MANUAL, ms("12:30:00.700"), ms("12:35:30.100")),
    Row("aborted", ABORTED, ms("13:58:00.900"), ms("14:06:21.100")),
    Row("other", OTHER, ms("16:00:00.100"), ms("16:05:30.100"), error="owning process exited"),
    Row("child", None, ms("16:30:00.100"), ms("16:35:30.100"), runtime="subagent"),
)
_ENDED_ROWS = tuple(
    Row(f"{run.job.word} again", run.job, run.start, run.ended, "succeeded", None, run.summary)
    for run in RUNS
    if run.start in (ms("10:00:12.400"), ms("10:06:00.300"), ms("17:00:00.200"), ms("20:30:00.250"))
)
ROWS = (
    *_LOST_ROWS,
    *_ENDED_ROWS,
    Row("healed", HEALED, ms("04:00:00.090"), ms("04:08:00.090"), "succeeded", LOST, "done"),
    Row("projected", PROJECTED, ms("23:30:00.100"), None, "running", None),
    Row("clock", None, ms("23:53"), COPIED, "succeeded", None, "bye", "subagent"),
)
IN_FLIGHT = (LATE, DIED, REPLAYED)
"""Jobs whose runs died with the first process; the start-up code names their reservations."""

RESERVED = {LATE: ms("09:50:00.590"), DIED: ms("09:55:00.091"), REPLAYED: ms("09:56:00.192")}


def run_of(row: Row) -> Run | None:
    """Give the record of a row's own run."""
    for run in RUNS:
        if run.job is row.job and row.start in (run.start, run.ended - run.duration):
            return run
    return None


def last_run_of(job: Job) -> Run | None:
    """Give the last finished run of a job, which the job's state names."""
    return max((run for run in RUNS if run.job is job), key=lambda run: run.ended, default=None)


def lines(wording: str) -> list[Said]:
    """Give all that the gateway writes to its file log, in the words of one release."""
    told = [
        *_start("00:00:00.250", wording),
        *_work(),
        *_stop(wording),
        *_start("10:00:03.250", wording),
        *_catch_up(wording),
        *_reload(wording),
    ]
    return sorted(told, key=lambda said: said.ms)


def service_lines() -> list[Said]:
    """Give what systemd says of the gateway's unit that day."""
    unit = "openclaw-gateway.service"
    return [
        Said(None, f"Started {unit} - OpenClaw Gateway (v{OLD}).", ms("00:00:00.050")),
        Said(None, f"Stopping {unit} - OpenClaw Gateway (v{OLD})...", ms("10:00:00.008")),
        Said(None, f"{unit}: Deactivated successfully.", ms("10:00:00.900")),
        Said(None, f"Stopped {unit} - OpenClaw Gateway (v{OLD}).", ms("10:00:00.901")),
        Said(None, f"Started {unit} - OpenClaw Gateway (v{OLD}).", ms("10:00:02.100")),
    ]


def pid_at(moment: int) -> int:
    """Give the process that serves at a moment."""
    return FIRST_PID if moment < ms("10:00:02") else SECOND_PID


def _start(clock: str, wording: str) -> Iterator[Said]:
    at = ms(clock)
    yield Said("gateway", "loading configuration…", at)
    yield Said("gateway", "resolving authentication…", at + 2_100)
    yield Said("gateway", "starting...", at + 2_600)
    yield from _serve(at + 7_000, wording)
    yield Said("gateway/health-monitor", "started (interval: 300s, startup-grace: 60s)", at + 7_900)
    yield Said("gateway", f"log file: {LOG_FILE}", at + 8_400)
    if clock < "10":
        yield _started(at + 8_500)


def _serve(at: int, wording: str) -> Iterator[Said]:
    yield Said("gateway", "starting HTTP server...", at)
    if wording != OLD:
        yield Said("gateway", "http server listening (0 plugins, 0.8s)", at + 800)
        yield Said("gateway", "gateway ready", at + 850)
    else:
        yield Said("gateway", "ready (0 plugins, 0.8s)", at + 850)


def _started(at: int) -> Said:
    return Said("cron", "cron: started", at, {"enabled": True, "jobs": len(JOBS), "nextWakeAtMs": at + 60_000})


def _work() -> Iterator[Said]:
    for hour in range(24):
        yield Said("gateway/ws", "webchat connected conn=7c2a remote=127.0.0.1", ms(f"{hour:02}:57:10.500"))
    busy = {"code": "ERR_SQLITE_ERROR", "errcode": 5, "errstr": "database is locked"}
    run_id = f"cron:{WARNED.id}:{ms('06:00:00.300')}"
    told = {"runId": run_id, "jobStatus": "ok", "error": busy}
    yield Said("cron", "cron: failed to update task ledger record", ms("06:01:00.350"), told)


def _stop(wording: str) -> Iterator[Said]:
    at = ms("10:00:00.010")
    if wording == NEWEST:
        yield Said("gateway/admission", "admission closed: stop (SIGTERM)", at + 1)
    else:
        yield Said("gateway", "signal SIGTERM received", at)
        yield Said("gateway", "received SIGTERM; shutting down", at + 3)
    if wording == NEW:
        yield Said("gateway/shutdown", "shutdown started: gateway stopping", at + 9)
    if wording != OLD:
        yield Said("gateway/shutdown", "shutdown completed cleanly in 161ms", at + 170)


def _catch_up(wording: str) -> Iterator[Said]:
    at = ms("10:00:11.800")
    words = "clearing stale running marker" if wording == OLD else "marking interrupted running job failed"
    for number, job in enumerate(IN_FLIGHT):
        told = {"jobId": job.id, "runningAtMs": RESERVED[job]}
        yield Said("cron", f"cron: {words} on startup", at + number, told)
    jobs = [REPLAYED.id, CAUGHT.id, LATE.id]
    yield Said("cron", "cron: running missed jobs after restart", at + 200, {"count": 3, "jobIds": jobs})
    yield _started(ms("10:09:01"))


def _drain(wording: str, at: int) -> Iterator[Said]:
    if wording == NEWEST:
        yield Said("gateway/admission", "admission closed: restart (SIGUSR2)", at + 1)
        words = "draining active work before restart with timeout 300000ms: queueSize=1 embeddedRuns=1"
        yield Said("gateway", words, at + 5)
        words = "active-work drain timeout reached; proceeding with restart: embeddedRuns=1 activeTasks=1"
        yield Said("gateway", words, at + 300_010)
        return
    limit = "with timeout 300000ms" if wording == NEW else "(timeout 300000ms)"
    yield Said("gateway", "signal SIGUSR1 received", at)
    yield Said("gateway", "received SIGUSR1; restarting", at + 2)
    yield Said("gateway", f"draining 1 active task(s) and 1 active embedded run(s) before restart {limit}", at + 5)
    yield Said("gateway", "drain timeout reached; proceeding with restart", at + 300_010)


def _reload(wording: str) -> Iterator[Said]:
    at = ms("14:00:00.020")
    yield from _drain(wording, at)
    if wording == NEW:
        yield Said("gateway/shutdown", "shutdown started: gateway restarting", at + 300_020)
        yield Said("gateway/shutdown", "shutdown completed cleanly in 110ms", at + 300_140)
    yield Said("gateway", "restart mode: in-process restart (OPENCLAW_NO_RESPAWN)", at + 300_150)
    yield from _serve(ms("14:05:03.100"), wording)
    yield _started(ms("14:05:04.900"))
