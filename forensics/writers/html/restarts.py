"""Every restart window with the lines it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from forensics.model.finding import Restart
from forensics.writers.html.sheet import FactRow, Sheet
from forensics.writers.phrases import lasted, way_down
from forensics.writers.wording import stamp


@dataclass(frozen=True, slots=True)
class RestartShown:
    """One restart window with the lines it rests on, and how many rows name it."""

    anchor: str
    gateway: str
    name: str
    kind: str
    process: str
    down_at: str
    down: str
    ready: str
    away: str
    drain: str
    reason: str
    doubt: str
    rows: int
    lines: tuple[FactRow, ...]


def restarts_of(sheet: Sheet) -> Iterator[RestartShown]:
    """Tell every restart window with its lines."""
    named = Counter((finding.gateway, finding.restart) for finding in sheet.report.findings)
    return (_restart(sheet, window, named[window.gateway, window.id]) for window in sheet.report.restarts)


def _restart(sheet: Sheet, window: Restart, rows: int) -> RestartShown:
    is_vague = window.down_at_latest != window.down_at
    return RestartShown(
        anchor=sheet.names.window(window.gateway, window.id),
        gateway=window.gateway if sheet.has_gateways else "",
        name=window.id,
        kind=way_down(window),
        process=window.process,
        down_at=stamp(window.down_at),
        down=stamp(window.down_at) + (f" to {stamp(window.down_at_latest)}" if is_vague else ""),
        ready=stamp(window.ready_at) if window.ready_at else "never seen",
        away=lasted(window.ready_at - window.down_at) if window.ready_at else "unknown",
        drain=window.drain or "-",
        reason=window.reason or "-",
        doubt=window.doubt or "",
        rows=rows,
        lines=tuple(sheet.facts(window.evidence)),
    )
