"""The lifecycle messages of the gateway, as its file log words them (formats.md §5), and what each says.

A message counts only from a record whose binding (subsystem or module) is the one named here: command-line processes
and quoted text (chat, pasted logs) put the same words into the same file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from forensics.model.verdicts import LifecycleKind as K
from forensics.parsers.parsed import well_formed
from forensics.parsers.timestamps import from_epoch_ms

GATEWAY = "gateway"
SHUTDOWN = "gateway/shutdown"
RELOAD = "gateway/reload"
ADMISSION = "gateway/admission"
RESTART = "restart"
CRON = "cron"
NO_BINDING = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One known message: who says it, what it starts with, what it means."""

    kind: K
    bindings: tuple[str, ...]
    pattern: re.Pattern[str]


def _message(kind: K, bindings: str | tuple[str, ...], pattern: str) -> Message:
    names = (bindings,) if isinstance(bindings, str) else bindings
    return Message(kind, names, re.compile(pattern))


_SIGNAL = r"(?P<signal>SIG[A-Z0-9]+)"
_CLOSING = (GATEWAY, SHUTDOWN)

MESSAGES: tuple[Message, ...] = (
    _message(K.PROCESS_START, GATEWAY, r"loading configuration(?:…|\.\.\.)"),
    _message(K.STARTING, GATEWAY, r"(?:resolving authentication(?:…|\.\.\.)|starting\.\.\.$)"),
    _message(K.HTTP_STARTING, GATEWAY, r"starting HTTP server\.\.\."),
    _message(K.HTTP_LISTENING, GATEWAY, r"http server listening \("),
    _message(K.READY, GATEWAY, r"listening on wss?://.*\(PID (?P<pid>\d+)\)"),
    _message(K.READY, GATEWAY, r"(?:gateway ready$|ready \(\d+ plugin)"),
    _message(K.SIGNAL_RECEIVED, GATEWAY, rf"signal {_SIGNAL} received"),
    _message(K.SIGNAL_IGNORED, GATEWAY, rf"received {_SIGNAL} during shutdown; ignoring"),
    _message(K.SIGNAL_IGNORED, GATEWAY, rf"{_SIGNAL} restart ignored"),
    _message(
        K.SIGNAL_ACTED,
        GATEWAY,
        rf"received {_SIGNAL}; (?:shutting down|restarting|overriding pending startup restart with shutdown)",
    ),
    _message(K.ADMISSION_CLOSED, ADMISSION, rf"admission closed: (?:stop|restart) \({_SIGNAL}\)"),
    _message(K.DRAIN_STARTED, GATEWAY, r"draining \d+ active task\(s\)"),
    _message(K.DRAIN_STARTED, GATEWAY, r"draining active work before "),
    _message(K.DRAIN_BLOCKED, GATEWAY, r"restart blocked by active background task run\(s\): "),
    _message(K.DRAIN_TIMEOUT, GATEWAY, r"drain timeout reached; proceeding with "),
    _message(K.DRAIN_TIMEOUT, GATEWAY, r"(?:gateway )?active-work drain timeout reached; "),
    _message(K.DRAIN_TIMEOUT, GATEWAY, r"restart drain budget \S+ exhausted; "),
    _message(K.DRAIN_TIMEOUT, GATEWAY, r"forced restart requested; skipping active work drain"),
    _message(K.DRAINED, GATEWAY, r"all active work drained"),
    _message(K.DRAINED, GATEWAY, r"active-work drain settled; "),
    _message(K.SHUTDOWN_STARTED, _CLOSING, r"shutdown started: gateway (?:stopping|restarting)"),
    _message(K.SHUTDOWN_COMPLETED, _CLOSING, r"shutdown completed (?:cleanly )?in "),
    _message(K.SHUTDOWN_FAILED, _CLOSING, r"shutdown (?:timed out; exiting|deadline reached; |failed in |error: )"),
    _message(K.MODE_IN_PROCESS, GATEWAY, r"restart mode: in-process restart"),
    _message(K.MODE_IN_PROCESS, GATEWAY, r"full process restart failed \(.*falling back to in-process restart"),
    _message(
        K.MODE_FULL,
        GATEWAY,
        r"restart mode: (?:full process restart|update process respawn) \(spawned pid (?P<pid>\d+)",
    ),
    _message(K.MODE_SUPERVISED, GATEWAY, r"restart mode: (?:full process restart|update process respawn) \(supervisor"),
    _message(K.START_REFUSED, (GATEWAY, NO_BINDING), r"gateway already running"),
    _message(K.START_REFUSED, (GATEWAY, NO_BINDING), r"another gateway instance is already listening on "),
    _message(
        K.START_REFUSED, NO_BINDING, r"Gateway failed to start: .*(?:already running|already listening|lock timeout)"
    ),
    _message(K.START_FAILED, GATEWAY, r"gateway startup failed: "),
    _message(K.START_FAILED, GATEWAY, r"failed to reacquire gateway lock for in-process restart: "),
    _message(
        K.CRASH,
        NO_BINDING,
        r"\[openclaw\] (?:Uncaught exception|Unhandled promise rejection|FATAL unhandled rejection"
        r"|CONFIGURATION ERROR - requires fix): ",
    ),
    _message(K.RESTART_REASON, RELOAD, r"config change requires gateway restart(?:$| \((?P<detail>[^)]*)\))"),
    _message(
        K.RESTART_REASON,
        RELOAD,
        r"(?:restart timeout after |all operations and replies completed; restarting gateway now)",
    ),
    _message(K.RESTART_REASON, ("gateway-tool",), r"gateway tool: restart requested "),
    _message(K.RESTART_REASON, GATEWAY, r"(?:config\.(?:patch|apply) write |update\.run completed ).*restartReason="),
    _message(K.RESTART_REASON, GATEWAY, r"(?:config\.(?:patch|apply)|update\.run) restart coalesced "),
    _message(K.RESTART_REASON, RESTART, r"restart request (?:coalesced|rescheduled earlier)"),
    _message(
        K.RESTART_REASON,
        CRON,
        r"cron: isolated agent setup timed out before runner start; requested safe gateway restart",
    ),
    _message(K.RESTART_DEFERRED, RELOAD, r"restart still deferred after "),
    _message(K.CRON_STARTED, CRON, r"cron: started$"),
    _message(K.CRON_DISABLED, CRON, r"cron: (?:disabled$|scheduler disabled; )"),
    _message(K.MARKER_CLEARED, CRON, r"cron: clearing stale running marker on startup"),
    _message(K.MARKER_INTERRUPTED, CRON, r"cron: marking interrupted running job failed on startup"),
    _message(K.MISSED_JOB, CRON, r"cron: running missed jobs after restart"),
    _message(K.DEFERRED_JOB, CRON, r"cron: deferring missed agent jobs until after gateway startup"),
    _message(K.LEDGER_UPDATE_FAILED, CRON, r"cron: failed to update task ledger record"),
    _message(K.RUN_LOG_APPEND_FAILED, CRON, r"cron: run log append failed"),
    _message(K.LOG_CAPPED, ("logging",), r"log file size cap reached; suppressing writes"),
)

_BY_BINDING: dict[str, tuple[Message, ...]] = {
    binding: tuple(message for message in MESSAGES if binding in message.bindings)
    for binding in {name for message in MESSAGES for name in message.bindings}
}

_BLOCKED_RUN = re.compile(r"taskId=\S+ runId=(?P<run_id>cron:\S+) status=(?P<status>\w+)")

_OPENINGS = "|".join(
    (
        r"(?:loading configuration",
        "resolving authentication",
        r"starting\.\.\.",
        "starting HTTP",
        "http server listening",
        "gateway ready",
        r"ready \(",
        "listening on ws",
        "signal SIG",
        "received SIG",
        "SIG[A-Z0-9]+ restart ignored",
        "admission closed: ",
        r"draining \d",
        "draining active",
        "restart blocked",
        "drain timeout",
        "gateway active-work",
        "restart drain budget",
        "forced restart",
        "all active work",
        "active-work drain",
        "shutdown ",
        "restart mode",
        "full process restart failed",
        "gateway already",
        "another gateway",
        "gateway startup",
        "config change requires",
        "restart timeout",
        "all operations and replies",
        "gateway tool: restart",
        r"config\.patch write",
        r"config\.apply write",
        r"(?:config\.(?:patch|apply)|update\.run) restart coalesced",
        r"update\.run completed",
        "restart request ",
        "active-work drain timeout",
        "failed to reacquire gateway lock",
        "restart still)",
    )
)

_CRON_OPENINGS = (
    r'(?:started"|disabled"|scheduler disabled|clearing stale|marking interrupted|running missed|deferring missed'
    r"|failed to update task|run log append|isolated agent setup timed out)"
)

LINE_PATTERN = "|".join(
    (
        # text first, then fields before the text, for the gateway's own subsystems
        r'^\{"0":"\{\\"subsystem\\":\\"(?:gateway[a-z/-]*|restart)\\"[^{}]*\}","1":"' + _OPENINGS,
        r'^\{"0":"\{\\"subsystem\\":\\"(?:gateway[a-z/-]*|restart)\\"[^{}]*\}","1":\{.*\},"2":"' + _OPENINGS,
        r'^\{"0":"\{\\"module\\":\\"cron\\".*"[12]":"cron: ' + _CRON_OPENINGS,
        r'^\{"0":"(?:\[openclaw\] |gateway already|another gateway|Gateway failed to start)',
        r'^\{"time":.*"subsystem":"logging"',
    )
)
"""Picks lifecycle lines out of a raw file log in the order of keys that the gateway's logger always writes."""

CANONICAL_LINE_PATTERN = r'^\{"0":"(?:[^{]|\{[^"\\]|\{\\[^"]|\{\\"(?:subsystem|module)\\":[^{}]*\}","1":[{"])'
"""A record in that order of keys: binding, then fields or text; or text without a binding, first. Any other record
(keys in another order, spaces between them, a JSON console line) is searched word by word (``NEEDLES``)."""

NEEDLES: tuple[str, ...] = (
    "loading configuration", "resolving authentication", "starting...", "starting HTTP", "http server listening",
    "gateway ready", "ready (", "listening on ws", "signal SIG", "received SIG", "restart ignored", "admission closed",
    "draining ", "restart blocked", "drain", "forced restart", "shutdown ", "restart mode", "restart failed",
    "already running", "already listening", "gateway startup", "Uncaught exception", "nhandled", "requires gateway",
    "restart timeout", "restarting gateway now", "restart requested", "restartReason", "restart still", "cron: ",
    "size cap reached", "failed to start", "requires fix", "restart coalesced", "restart request",
    "failed to reacquire",
)  # fmt: skip

_BOUND_TO_GATEWAY = r'(?:subsystem\\":\\"(?:[^si\\]|s[^tq\\]|i[^n\\])|module\\":\\")'

GATEWAY_LINE_PATTERN = "|".join(
    (
        r'^\{"0":"\{\\"' + _BOUND_TO_GATEWAY,
        # the same in another order of keys, and the JSON console line
        r'^\{.*"0"\s*:\s*"\{\\"' + _BOUND_TO_GATEWAY,
        r'^\{\s*(?:"[a-z].*)?"subsystem"\s*:\s*"(?:[^sil"]|s[^tq"]|i[^n"]|l[^o"])',
    )
)
"""A record that only a gateway process writes: bound, but not by ``state*``, ``infra/*`` or ``sqlite/*``, which
command-line processes and a new process before its start line write too (design §5; 2026.9.6/upgrade-crafted)."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one line says, for one job or run of those it names."""

    kind: K
    pid: int | None = None
    signal: str | None = None
    job_id: str | None = None
    running_at: object = None
    run_id: str | None = None
    status: str | None = None
    detail: str | None = None


def events_of(binding: str, fields: Mapping[str, object], text: str) -> Iterator[Event]:
    """Give what a record says about the gateway process; nothing for a record of another kind.

    Shape: one event per line, or one per job or run that the line names.

    >>> [event.kind.value for event in events_of("gateway", {}, "received SIGTERM; shutting down")]
    ['signal_acted']
    >>> list(events_of("chat", {}, "received SIGTERM; shutting down"))
    []
    """
    for message in _BY_BINDING.get(binding, ()):
        match = message.pattern.match(text)
        if match:
            yield from _told(message.kind, match, fields, text)
            return


def _told(kind: K, match: re.Match[str], fields: Mapping[str, object], text: str) -> Iterator[Event]:
    groups = match.groupdict()
    if kind in (K.MISSED_JOB, K.DEFERRED_JOB):
        named = fields.get("jobIds")
        for job_id in named if isinstance(named, list) else []:
            yield Event(kind, job_id=_text(job_id))
    elif kind is K.DRAIN_BLOCKED:
        blocked = list(_BLOCKED_RUN.finditer(text))
        for run in blocked:
            yield Event(kind, run_id=run["run_id"], status=run["status"], detail=text[:200])
        if not blocked:
            yield Event(kind, detail=text[:200])
    else:
        pid = groups.get("pid")
        yield Event(
            kind,
            pid=int(pid) if pid and len(pid) < 12 else None,
            signal=groups.get("signal"),
            job_id=_text(fields.get("jobId")),
            running_at=from_epoch_ms(fields.get("runningAtMs")),
            run_id=_text(fields.get("runId")),
            status=_text(fields.get("jobStatus")),
            detail=groups.get("detail") or text[:200],
        )


def _text(value: object) -> str | None:
    return well_formed(value) if isinstance(value, str) else None
