"""Which registry is corrected and handed to which release."""

from __future__ import annotations

from dataclasses import dataclass

CAPTURED_STATE = "/home/claw/.openclaw"
"""The state directory as the crafted captures name it; it is part of keys, so it is replaced by the one in use."""


@dataclass(frozen=True, slots=True)
class Case:
    """One registry with lost rows, and the release that is to live with its correction.

    ``state`` is a state directory in the capture, copied as it is. ``database`` is a database of the shared layout in
    the capture, reduced to the tables that matter when it was captured: its rows are put into one that the release
    made. ``beside`` is further evidence for the fix-up. ``upgrade``: the registry is of an older release, corrected
    before it is handed over.
    """

    name: str
    release: str
    capture: str
    state: str | None = None
    database: str | None = None
    beside: tuple[str, ...] = ()
    upgrade: bool = False

    @property
    def label(self) -> str:
        """Give the name of a case among all."""
        return f"{self.release} {self.name}"


_CRAFTED = ("2026.7.35-upgrade-crafted", "input-legacy-state")

CASES = (
    Case("lost writes", "2026.4.15", "2026.4.15-lost-write", state="state", beside=("logs",)),
    Case("twenty rows", "2026.4.15", _CRAFTED[0], state=_CRAFTED[1]),
    Case("manual runs", "2026.5.7", "2026.5.7-no-restart", state="state", beside=("logs",)),
    Case("in-process restart", "2026.5.7", "2026.5.7-in-process", state="state", beside=("logs",)),
    Case("twenty rows", "2026.5.7", _CRAFTED[0], state=_CRAFTED[1]),
    Case("after its maintenance", "2026.6.11", "2026.6.11-upgrade-crafted", database="after-maintenance-apply.sqlite"),
    Case("twenty rows, upgraded", "2026.6.11", _CRAFTED[0], state=_CRAFTED[1], upgrade=True),
    Case("after its maintenance", "2026.7.35", "2026.7.35-upgrade-crafted", database="after-maintenance-apply.sqlite"),
    Case("twenty rows, upgraded", "2026.7.35", _CRAFTED[0], state=_CRAFTED[1], upgrade=True),
    Case("after its maintenance", "2026.9.6", "2026.9.6-upgrade-crafted", database="after-maintenance-apply.sqlite"),
    Case("after a plain upgrade", "2026.9.6", "2026.9.6-upgrade-start", database="after-gateway-start.sqlite"),
    Case("twenty rows, upgraded", "2026.9.6", _CRAFTED[0], state=_CRAFTED[1], upgrade=True),
)
