"""From what a console shows back to what the file log says: the subsystem, and the words the console leaves out.

The console drops leading ``gateway``, ``channels`` and ``providers`` segments of a subsystem, and from the message the
subsystem's own name (formats.md §4.3).
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.parsers.lifecycle_messages import CRON, MESSAGES, NO_BINDING, Event, events_of

_DROPPED = ("gateway", "channels", "providers")
_SHOWN_SEGMENTS = 2
_FILE_ONLY = (NO_BINDING, CRON, "logging")
_NEVER_PREFIXED = "openclaw"
"""Errors that no subsystem reports carry this word in brackets themselves."""

_NOT_OF_A_GATEWAY = ("state/", "infra/", "sqlite/")
"""Command-line processes, and a new process before its start line, write these too (design §5)."""

OWN_SUBSYSTEMS = frozenset(
    {
        *("gateway", "gateway/channels", "ws", "reload", "shutdown", "admission", "restart", "gateway-tool"),
        *("health-monitor", "heartbeat", "canvas", "diagnostic", "agent/embedded", "gmail-watcher", "model-pricing"),
        *("plugins", "hooks"),
    }
)
"""Subsystems as consoles of gateways show them; a console names at least one of them soon."""


def displayed(subsystem: str) -> str:
    """Give a subsystem as the console shows it.

    >>> displayed("gateway/shutdown"), displayed("gateway"), displayed("gateway/channels"), displayed("a/b/c")
    ('shutdown', 'gateway', 'gateway/channels', 'b/c')
    """
    segments = subsystem.split("/")
    while len(segments) > 1 and segments[0] in _DROPPED and segments[1] not in _DROPPED:
        segments = segments[1:]
    return "/".join(segments[-_SHOWN_SEGMENTS:])


def is_own_subsystem(binding: str) -> bool:
    """Tell whether a subsystem is one by which a gateway is known.

    >>> is_own_subsystem("gateway/ws"), is_own_subsystem("hooks"), is_own_subsystem("billing")
    (True, True, False)
    """
    return displayed(binding) in OWN_SUBSYSTEMS or binding.startswith("gateway/")


_BINDING_OF = {
    displayed(binding): binding for message in MESSAGES for binding in message.bindings if binding not in _FILE_ONLY
}


def content_behind(shown: str | None, text: str) -> tuple[str, dict[str, object], str]:
    """Give binding, fields and wording of the file log for a line of the console.

    >>> content_behind("shutdown", "started: gateway stopping")
    ('gateway/shutdown', {}, 'shutdown started: gateway stopping')
    >>> content_behind("gateway", "ready"), content_behind("gateway", "ready (0 plugins, 0.6s)")
    (('gateway', {}, 'gateway ready'), ('gateway', {}, 'ready (0 plugins, 0.6s)'))
    """
    if shown is None or shown == _NEVER_PREFIXED:
        return NO_BINDING, {}, text if shown is None else f"[{shown}] {text}"
    if shown in _FILE_ONLY:
        return f"console/{shown}", {}, text  # the scheduler is never heard on a console; a command may say the same
    binding = _BINDING_OF.get(shown, shown)
    for wording in (f"{shown} {text}", f"{shown}: {text}"):
        if any(_events(binding, wording)):
            return binding, {}, wording
    return binding, {}, text


def is_of_a_gateway(binding: str) -> bool:
    """Tell whether only a gateway process writes lines of this binding."""
    return binding not in (NO_BINDING, "logging") and not binding.startswith(_NOT_OF_A_GATEWAY)


def _events(binding: str, text: str) -> Iterator[Event]:
    return events_of(binding, {}, text)
