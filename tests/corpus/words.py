"""What gateways say, word by word (formats.md §5; observed.md §A, §B4), and the texts of runs."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.corpus.world import TIMED_OUT, Release, Row

Said = tuple[str, str, str]
"""Binding, text, level."""

HTTP_STARTING: Said = ("gateway", "starting HTTP server...", "INFO")
OLD_READY: Said = ("gateway", "ready (0 plugins, 0.6s)", "INFO")
LISTENING: Said = ("gateway", "http server listening (0 plugins, 0.9s)", "INFO")
READY: Said = ("gateway", "gateway ready", "INFO")
READY_AFTER = 40
"""``gateway ready`` comes so much later than that the server listens."""
SIDECARS: Said = ("gateway", "starting channels and sidecars...", "INFO")
CRON_STARTED: Said = ("cron", "cron: started", "INFO")
CRON_DISABLED: Said = ("cron", "cron: disabled", "INFO")
CLEARING: Said = ("cron", "cron: clearing stale running marker on startup", "WARN")
INTERRUPTING: Said = ("cron", "cron: marking interrupted running job failed on startup", "WARN")
MISSED: Said = ("cron", "cron: running missed jobs after restart", "INFO")
DEFERRING: Said = ("cron", "cron: deferring missed agent jobs until after gateway startup", "INFO")
NOT_UPDATED: Said = ("cron", "cron: failed to update task ledger record", "WARN")
LOCKED = {"code": "ERR_SQLITE_ERROR", "errcode": 5, "errstr": "database is locked"}
IN_PROCESS: Said = ("gateway", "restart mode: in-process restart (OPENCLAW_NO_RESPAWN)", "INFO")
DRAINED: Said = ("gateway", "all active work drained", "INFO")
DRAIN_TIMEOUT: Said = ("gateway", "drain timeout reached; proceeding with restart", "WARN")
SETTLED: Said = ("gateway", "active-work drain settled; beginning server close", "INFO")
NEW_DRAIN_TIMEOUT: Said = (
    "gateway", "active-work drain timeout reached; proceeding with restart: embeddedRuns=1 activeTasks=1", "WARN",
)  # fmt: skip
DRAIN_STOP: Said = (
    "gateway", "draining active work before stop with timeout 315000ms: queueSize=1 activeTasks=1", "INFO",
)  # fmt: skip
IGNORED: Said = (
    "gateway", "SIGUSR1 restart ignored (not authorized; commands.restart=false or use gateway tool).", "WARN",
)  # fmt: skip
DEFERRED: Said = (
    "gateway/reload",
    "config change requires gateway restart (gateway.controlUi) — deferring until 1 task run(s) complete",
    "WARN",
)
STOPPING, RESTARTING = "Gateway stopping.", "Gateway restarting."
CHATTER: tuple[Said, ...] = (
    ("gateway/ws", "webchat connected conn=7c2a remote=127.0.0.1", "INFO"),
    ("gateway/ws", "webchat disconnected code=1001 reason=n/a conn=7c2a", "INFO"),
    ("gateway/heartbeat", "heartbeat: started", "INFO"),
    ("gateway/health-monitor", "started (interval: 300s, startup-grace: 60s)", "INFO"),
)
ERRORS = (
    "LLM request failed: provider rejected the request schema or tool payload.",
    "model overloaded",
    "⚠️ ✉️ Message failed",
)
SUMMARIES = ("Report for {}: finished.", "{}: three  letters\nsent.", "報告 {} 完成 ✅", "Nothing to do for {}.")


def status_of(status: str, error: str | None) -> str:
    """Give the status of the row of a run (formats.md §1.4)."""
    if status in ("ok", "skipped"):
        return "succeeded"
    return "timed_out" if error == TIMED_OUT else "failed"


def starting(rng: random.Random, release: Release) -> Iterator[tuple[int, Said]]:
    """Give what a new process says before it opens its server, and when."""
    yield 0, ("gateway", "loading configuration…", "INFO")
    yield 40 + rng.randrange(200), ("gateway", "resolving authentication…", "INFO")
    yield 300 + rng.randrange(100), ("gateway", "starting...", "INFO")
    if release.newest:
        told = "shutdown budget at startup: drain=315000ms shutdown=325000ms reserve=10000ms exitMargin=5000ms; "
        yield 500, ("gateway", f"{told}source=Gateway stop policy=330000ms", "INFO")
        yield 600, ("gateway", "spawn broker ready pid=22333", "INFO")


def ready(release: Release) -> Iterator[tuple[int, Said]]:
    """Give what a process says when it serves."""
    if release.tells_shutdown:
        yield 0, LISTENING
        yield READY_AFTER, READY
    else:
        yield 0, OLD_READY


def stopping(release: Release, signal: str) -> Iterator[tuple[int, Said]]:
    """Give what a process says when it is told to stop; 2026.9 tells of signals at debug level only."""
    if release.newest:
        yield 0, ("gateway/admission", f"admission closed: stop ({signal})", "INFO")
    else:
        yield 0, ("gateway", f"signal {signal} received", "INFO")
    yield 5, ("gateway", f"received {signal}; shutting down", "INFO")


def restarting(release: Release) -> Iterator[tuple[int, Said]]:
    """Give what a process says when it is told to restart."""
    if release.newest:
        yield 0, ("gateway/admission", "admission closed: restart (SIGUSR2)", "INFO")
        yield 2, ("gateway", "received SIGUSR2; restarting", "INFO")
        return
    yield 0, ("gateway", "signal SIGUSR1 received", "INFO")
    yield 2, ("gateway", "received SIGUSR1; restarting", "INFO")


def draining(release: Release, active: int, timeout: int) -> Said:
    """Give the line that tells of a drain."""
    if release.newest:
        told = f"draining active work before restart with timeout {timeout}ms: queueSize={active} cronRuns={active}"
        return ("gateway", told, "INFO")
    limit = f"(timeout {timeout}ms)" if release.heals else f"with timeout {timeout}ms"
    return ("gateway", f"draining {active} active task(s) and 1 active embedded run(s) before restart {limit}", "INFO")


def blocked(rows: list[Row]) -> Said:
    """Give the line that names what keeps a restart waiting (5.7 to 7.35)."""
    told = "; ".join(
        f"taskId={row.task_id} runId={row.run_id} status={row.status} runtime=cron label={row.label} title={row.label}"
        for row in rows
    )
    return ("gateway", f"restart blocked by active background task run(s): {told}", "WARN")


def stopped(rng: random.Random, release: Release, why: str) -> Iterator[tuple[int, Said]]:
    """Give the last words of a process."""
    yield 20, ("gmail-watcher", "gmail watcher stopped", "INFO")
    if not release.tells_shutdown:
        return
    if not release.newest:
        yield 22, ("gateway/shutdown", f"shutdown started: gateway {why}", "INFO")
    took = rng.randrange(30, 160)
    yield 22 + took, ("gateway/shutdown", f"shutdown completed cleanly in {took}ms", "INFO")
