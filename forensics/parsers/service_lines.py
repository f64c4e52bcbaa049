"""What systemd itself says of the gateway's unit in a journal: marks of a stop, an exit, a start (formats.md §4.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.model.verdicts import LifecycleKind as K
from forensics.parsers.lifecycle_messages import Event

_NAME = r"(?:openclaw|clawdbot|moltbot)"
_UNIT = rf"(?P<unit>{_NAME}(?:-gateway(?:[-@][\w.-]{{1,60}})?)?\.service)"
_DESCRIBED = rf"(?:{_UNIT}(?: - [^\n]{{0,200}})?|(?i:{_NAME}) Gateway\b[^\n]{{0,200}})"

_UNIT_NAME = re.compile(_UNIT)

_MESSAGES: tuple[tuple[K, re.Pattern[str]], ...] = (
    (K.SERVICE_STOPPING, re.compile(rf"Stopping {_DESCRIBED}(?:\.{{3}}|…)?$")),
    (K.SERVICE_STOPPED, re.compile(rf"Stopped {_DESCRIBED}\.?$")),
    (K.SERVICE_STARTED, re.compile(rf"Started {_DESCRIBED}\.?$")),
    (
        K.SERVICE_EXITED,
        re.compile(rf"{_UNIT}: Main process exited, (?P<detail>code=\w{{1,20}}, status=[\w/+-]{{1,40}})"),
    ),
    (K.SERVICE_EXITED, re.compile(rf"{_UNIT}: (?P<detail>Failed with result '[\w-]{{1,40}}')")),
    (K.SERVICE_EXITED, re.compile(rf"{_UNIT}: (?P<detail>Deactivated successfully|Succeeded)\.?$")),
    (
        K.SERVICE_RESTART,
        re.compile(rf"{_UNIT}: (?P<detail>Scheduled restart job, restart counter is at \d{{1,9}})"),
    ),
)

NEEDLES: tuple[str, ...] = (
    *(f"{verb} {name}" for verb in ("Stopping", "Stopped", "Started") for name in ("openclaw", "OpenClaw")),
    *(f"{verb} {name}" for verb in ("Stopping", "Stopped", "Started") for name in ("clawdbot", "Clawdbot", "moltbot")),
    *("Main process exited", "Failed with result", "Deactivated successfully", ": Succeeded", "Scheduled restart job"),
)
"""One of these stands in every line that is read here."""


def service_events_of(text: str) -> Iterator[Event]:
    """Give what a line of systemd says about the gateway's unit; nothing for a line about another unit.

    Shape: at most one event; ``detail`` holds code and status, or the line itself.

    >>> [(event.kind.value, event.detail) for event in service_events_of(
    ...     "openclaw-gateway.service: Main process exited, code=killed, status=9/KILL")]
    [('service_exited', 'code=killed, status=9/KILL')]
    >>> list(service_events_of("Stopped cups.service - CUPS Scheduler."))
    []
    """
    for kind, pattern in _MESSAGES:
        match = pattern.match(text)
        if match is not None:
            yield Event(kind, detail=match.groupdict().get("detail") or text[:200])
            return


def unit_of(text: str) -> str | None:
    """Give the unit that a line of systemd names, if it is a gateway's."""
    matches = (pattern.match(text) for _, pattern in _MESSAGES)
    return next((match["unit"] for match in matches if match is not None and match["unit"]), None)


def is_gateway_unit(name: str) -> bool:
    """Tell whether a unit is that of a gateway, not of another part of it.

    >>> is_gateway_unit("openclaw-gateway-work.service"), is_gateway_unit("openclaw-node.service")
    (True, False)
    """
    return _UNIT_NAME.fullmatch(name) is not None
