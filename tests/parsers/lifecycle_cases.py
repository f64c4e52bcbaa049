"""Every lifecycle message the tool knows, as gateways really word it (formats.md §5, observed.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forensics.model.verdicts import LifecycleKind as K
from tests.parsers.shapes import JOB, START_MS

BLOCKED_RUN = f"taskId=959f58cb-0001-4000-8000-000000000000 runId=cron:{JOB}:{START_MS} status=running runtime=cron"
MASKED_RUN = "taskId=89d07417-0001-4000-8000-000000000000 runId=cron:5611a1e4-e54c-4463-9b***:1795476101155"


@dataclass(frozen=True, slots=True)
class Case:
    """One message and what it says; ``told`` holds the fields of its only event that matter."""

    kind: K
    binding: str | None
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)
    told: Mapping[str, object] = field(default_factory=dict)
    events: int = 1

    def __str__(self) -> str:
        return f"{self.binding}: {self.message}"[:70]


def _gateway(kind: K, message: str, **told: object) -> Case:
    return Case(kind, "gateway", message, {}, told)


def _cron(kind: K, message: str, fields: Mapping[str, object], **told: object) -> Case:
    return Case(kind, "cron", message, fields, told)


_FATE = {"jobId": JOB, "runningAtMs": START_MS}
_LEDGER = {
    "runId": f"cron:{JOB}:{START_MS}",
    "jobStatus": "ok",
    "error": {"code": "ERR_SQLITE_ERROR", "errcode": 5, "errstr": "database is locked"},
}

CASES: tuple[Case, ...] = (
    _gateway(K.PROCESS_START, "loading configuration…"),
    _gateway(K.PROCESS_START, "loading configuration..."),
    _gateway(K.STARTING, "resolving authentication…"),
    _gateway(K.STARTING, "starting..."),
    _gateway(K.HTTP_STARTING, "starting HTTP server..."),
    _gateway(K.HTTP_LISTENING, "http server listening (0 plugins, 22.3s)"),
    _gateway(K.HTTP_LISTENING, "http server listening (2 plugins: acpx, browser; 3.7s)"),
    _gateway(K.READY, "listening on ws://0.0.0.0:18789 (PID 2511234)", pid=2_511_234),
    _gateway(K.READY, "listening on wss://127.0.0.1:18789, wss://[::1]:18789 (PID 7)", pid=7),
    _gateway(K.READY, "gateway ready"),
    _gateway(K.READY, "ready (0 plugins, 0.6s)"),
    _gateway(K.READY, "ready (1 plugin: acpx; 0.6s)"),
    _gateway(K.READY, "ready (5 plugins: acpx, browser, device-pair, phone-control, talk-voice; 20.8s)"),
    _gateway(K.SIGNAL_RECEIVED, "signal SIGTERM received", signal="SIGTERM"),
    _gateway(K.SIGNAL_RECEIVED, "signal SIGINT received", signal="SIGINT"),
    _gateway(K.SIGNAL_RECEIVED, "signal SIGUSR1 received", signal="SIGUSR1"),
    _gateway(K.SIGNAL_RECEIVED, "signal SIGUSR2 received", signal="SIGUSR2"),
    _gateway(K.SIGNAL_IGNORED, "received SIGTERM during shutdown; ignoring", signal="SIGTERM"),
    _gateway(
        K.SIGNAL_IGNORED,
        "SIGUSR1 restart ignored (not authorized; commands.restart=false or use gateway tool).",
        signal="SIGUSR1",
    ),
    _gateway(K.SIGNAL_ACTED, "received SIGTERM; shutting down", signal="SIGTERM"),
    _gateway(K.SIGNAL_ACTED, "received SIGINT; shutting down", signal="SIGINT"),
    _gateway(K.SIGNAL_ACTED, "received SIGTERM; restarting", signal="SIGTERM"),
    _gateway(K.SIGNAL_ACTED, "received SIGUSR1; restarting", signal="SIGUSR1"),
    _gateway(K.SIGNAL_ACTED, "received SIGUSR2; restarting", signal="SIGUSR2"),
    _gateway(K.SIGNAL_ACTED, "received SIGTERM; overriding pending startup restart with shutdown", signal="SIGTERM"),
    Case(K.ADMISSION_CLOSED, "gateway/admission", "admission closed: stop (SIGTERM)", told={"signal": "SIGTERM"}),
    Case(K.ADMISSION_CLOSED, "gateway/admission", "admission closed: restart (SIGUSR2)", told={"signal": "SIGUSR2"}),
    _gateway(K.DRAIN_STARTED, "draining 7 active task(s) and 1 active embedded run(s) before restart (timeout 8000ms)"),
    _gateway(
        K.DRAIN_STARTED, "draining 4 active task(s) and 1 active embedded run(s) before restart with timeout 8000ms"
    ),
    _gateway(
        K.DRAIN_STARTED, "draining 1 active task(s) and 0 active embedded run(s) before restart without a timeout"
    ),
    _gateway(K.DRAIN_STARTED, "draining active work before stop with timeout 315000ms: queueSize=5 embeddedRuns=1"),
    _gateway(
        K.DRAIN_BLOCKED,
        f"restart blocked by active background task run(s): {BLOCKED_RUN} label=digest title=digest",
        run_id=f"cron:{JOB}:{START_MS}",
        status="running",
    ),
    _gateway(
        K.DRAIN_BLOCKED,
        f"restart blocked by active background task run(s): {MASKED_RUN} status=running runtime=cron label=x title=x",
        run_id="cron:5611a1e4-e54c-4463-9b***:1795476101155",
    ),
    _gateway(
        K.DRAIN_BLOCKED,
        "restart blocked by active background task run(s): taskId=1 runId=agent:main status=running runtime=subagent",
        run_id=None,
    ),
    _gateway(K.DRAIN_TIMEOUT, "drain timeout reached; proceeding with restart"),
    _gateway(K.DRAIN_TIMEOUT, "gateway active-work drain timeout reached; proceeding with shutdown: queueSize=1"),
    _gateway(
        K.DRAIN_TIMEOUT, "active-work drain timeout reached; proceeding with restart: embeddedRuns=1 activeTasks=1"
    ),
    _gateway(K.DRAIN_TIMEOUT, "restart drain budget 0ms exhausted; cutting short queueSize=4 cronRuns=2"),
    _gateway(K.DRAIN_TIMEOUT, "forced restart requested; skipping active work drain"),
    _gateway(K.DRAINED, "all active work drained"),
    _gateway(K.DRAINED, "active-work drain settled; beginning server close"),
    *(
        Case(kind, binding, message)
        for binding in ("gateway", "gateway/shutdown")
        for kind, message in (
            (K.SHUTDOWN_STARTED, "shutdown started: gateway stopping"),
            (K.SHUTDOWN_STARTED, "shutdown started: gateway restarting"),
            (K.SHUTDOWN_COMPLETED, "shutdown completed cleanly in 161ms"),
            (K.SHUTDOWN_COMPLETED, "shutdown completed in 5012ms with warnings: http server"),
            (K.SHUTDOWN_FAILED, "shutdown failed in 25000ms: http server"),
            (K.SHUTDOWN_FAILED, "shutdown timed out; exiting without full cleanup"),
            (K.SHUTDOWN_FAILED, "shutdown deadline reached; abandoning unfinished cleanup"),
            (K.SHUTDOWN_FAILED, "shutdown error: Error: boom"),
        )
    ),
    _gateway(K.MODE_IN_PROCESS, "restart mode: in-process restart (OPENCLAW_NO_RESPAWN)"),
    _gateway(
        K.MODE_IN_PROCESS, "restart mode: in-process restart (container: use in-process restart to keep PID 1 alive)"
    ),
    _gateway(K.MODE_IN_PROCESS, "full process restart failed (spawn EAGAIN); falling back to in-process restart"),
    _gateway(K.MODE_FULL, "restart mode: full process restart (spawned pid 15591)", pid=15_591),
    _gateway(K.MODE_FULL, "restart mode: update process respawn (spawned pid 99)", pid=99),
    _gateway(K.MODE_SUPERVISED, "restart mode: full process restart (supervisor restart)", pid=None),
    _gateway(K.MODE_SUPERVISED, "restart mode: update process respawn (supervisor restart)"),
    _gateway(K.START_REFUSED, "gateway already running under systemd; waiting 5000ms before retrying startup"),
    Case(K.START_REFUSED, None, "gateway already running (pid 4711); lock timeout after 5000ms"),
    _gateway(K.START_REFUSED, "another gateway instance is already listening on ws://127.0.0.1:18789"),
    Case(K.START_REFUSED, None, "another gateway instance is already listening on ws://127.0.0.1:18789"),
    Case(
        K.START_REFUSED, None, "Gateway failed to start: gateway already running (pid 4711); lock timeout after 5000ms"
    ),
    Case(K.START_REFUSED, None, "Gateway failed to start: lock timeout after 5000ms"),
    Case(K.START_REFUSED, None, "Gateway failed to start: another gateway instance is already listening on ws://h:1"),
    _gateway(
        K.START_FAILED, "gateway startup failed: Error: boom. Process will stay alive; fix the issue and restart."
    ),
    Case(K.CRASH, None, "[openclaw] Uncaught exception: Error: boom\n    at main (index.js:1:1)"),
    Case(K.CRASH, None, "[openclaw] Unhandled promise rejection: Error: boom"),
    Case(K.CRASH, None, "[openclaw] FATAL unhandled rejection: Error: boom"),
    Case(K.CRASH, None, "[openclaw] CONFIGURATION ERROR - requires fix: gateway.mode"),
    _gateway(K.START_FAILED, "failed to reacquire gateway lock for in-process restart: Error: lock timeout"),
    Case(
        K.RESTART_REASON,
        "gateway/reload",
        "config change requires gateway restart",
        told={"detail": "config change requires gateway restart"},
    ),
    Case(
        K.RESTART_REASON,
        "gateway/reload",
        "config change requires gateway restart (gateway.controlUi) — deferring until 1 task run(s) complete",
        told={"detail": "gateway.controlUi"},
    ),
    Case(
        K.RESTART_REASON,
        "gateway/reload",
        "restart timeout after 6037ms with 1 task run(s) still active; restarting anyway",
    ),
    Case(
        K.RESTART_REASON,
        "gateway/reload",
        "all operations and replies completed; restarting gateway now",
    ),
    Case(K.RESTART_REASON, "gateway-tool", "gateway tool: restart requested (delayMs=2000, reason=config)"),
    _gateway(K.RESTART_REASON, "config.patch write cli changedPaths=gateway.port restartReason=config.patch"),
    _gateway(K.RESTART_REASON, "config.apply write cli changedPaths=gateway.port restartReason=config.apply"),
    _gateway(K.RESTART_REASON, "update.run completed cli restartReason=update.run status=ok"),
    _gateway(K.RESTART_REASON, "config.patch restart coalesced cli delayMs=2000"),
    _gateway(K.RESTART_REASON, "update.run restart coalesced cli delayMs=2000"),
    Case(K.RESTART_REASON, "restart", "restart request coalesced (already in-flight) reason=config.patch"),
    Case(K.RESTART_REASON, "restart", "restart request rescheduled earlier reason=update.run"),
    _cron(
        K.RESTART_REASON,
        "cron: isolated agent setup timed out before runner start; requested safe gateway restart",
        {"jobId": JOB, "restartStatus": "scheduled"},
    ),
    Case(K.RESTART_DEFERRED, "gateway/reload", "restart still deferred after 30000ms with 1 task run(s) active"),
    _cron(K.CRON_STARTED, "cron: started", {"enabled": True, "jobs": 6, "nextWakeAtMs": START_MS}),
    _cron(K.CRON_DISABLED, "cron: disabled", {"enabled": False}),
    _cron(K.CRON_DISABLED, "cron: scheduler disabled; jobs will not run automatically", {}),
    _cron(K.MARKER_CLEARED, "cron: clearing stale running marker on startup", _FATE, job_id=JOB),
    _cron(K.MARKER_INTERRUPTED, "cron: marking interrupted running job failed on startup", _FATE, job_id=JOB),
    Case(
        K.MISSED_JOB,
        "cron",
        "cron: running missed jobs after restart",
        {"count": 3, "jobIds": [JOB, "b", "c"]},
        events=3,
    ),
    Case(
        K.DEFERRED_JOB,
        "cron",
        "cron: deferring missed agent jobs until after gateway startup",
        {"count": 2, "jobIds": [JOB, "b"], "delayMs": 120_000},
        events=2,
    ),
    _cron(
        K.LEDGER_UPDATE_FAILED,
        "cron: failed to update task ledger record",
        _LEDGER,
        run_id=f"cron:{JOB}:{START_MS}",
        status="ok",
    ),
    _cron(K.RUN_LOG_APPEND_FAILED, "cron: run log append failed", {"jobId": JOB, "err": "ENOSPC"}, job_id=JOB),
)

NO_EVENTS: tuple[tuple[str | None, str], ...] = (
    # the same words from another subsystem: chat, pasted logs, plugins
    ("chat", "received SIGTERM; shutting down"),
    ("agent/embedded", "signal SIGTERM received"),
    ("gateway/ws", "gateway ready"),
    ("gateway/reload", "received SIGTERM; shutting down"),
    ("gateway/channels", "shutdown started: gateway stopping"),
    ("gateway", "admission closed: stop (SIGTERM)"),
    ("gateway", "cron: started"),
    ("gateway", "config change requires gateway restart (gateway.controlUi)"),
    ("cron", "gateway ready"),
    ("plugins", "loading configuration…"),
    # the same words without a binding: command-line processes
    (None, "received SIGTERM; shutting down"),
    (None, "signal SIGTERM received"),
    (None, "gateway ready"),
    (None, "loading configuration…"),
    (None, "cron: started"),
    (None, "log file size cap reached; suppressing writes"),
    # quoted inside another text of the right subsystem
    ("gateway", "agent said: received SIGTERM; shutting down"),
    ("gateway", '"gateway ready"'),
    ("cron", "said cron: started"),
    # near misses
    ("gateway", "gateway ready soon"),
    ("gateway", "ready for pairing"),
    ("gateway", "ready (soon)"),
    ("gateway", "starting... the browser"),
    ("gateway", "starting channels and sidecars..."),
    ("gateway", "listening on ws://0.0.0.0:18789"),
    ("gateway", "received SIGTERM during shutdown; upgrading to restart"),
    ("gateway", "shutdown budget at startup: drain=315000ms shutdown=325000ms"),
    ("gateway", "shutdown started: gateway startup failed"),
    ("gateway", "config.patch noop cli"),
    ("gateway", "still draining 1 active task(s) and 0 active embedded run(s) before restart"),
    ("gateway", "restart mode: unknown"),
    ("gateway/admission", "admission closed: restart-signal fence"),
    ("gateway/reload", "config change detected; evaluating reload (gateway.controlUi)"),
    ("gateway/reload", "config hot reload applied (agents)"),
    ("gateway/reload", "config change applied (dynamic reads: agents)"),
    ("gateway/reload", "gateway restart already scheduled; skipping duplicate signal"),
    ("gateway/reload", "config restart failed: Error: boom"),
    ("gateway/reload", "channel reload still deferred after 11079287ms with 4 operation(s) active"),
    ("gateway", "restart request coalesced (already in-flight) reason=config.patch"),
    ("cron", "cron: started (again)"),
    ("cron", "cron: timer armed"),
    ("cron", "cron: clearing stuck running marker"),
    ("cron", "cron: failed to create task ledger record"),
    (None, "[openclaw] Non-fatal unhandled rejection (continuing): Error: boom"),
    (None, "[openclaw] Suppressed AbortError: boom"),
    (None, "Gateway failed to start: Error: config is broken"),
    (None, "Config invalid"),
)
