"""What is known of a simulated incident beyond its files: what really happened, and what the files can prove of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Fate(StrEnum):
    """What really became of a run."""

    OK = "ok"
    ERROR = "error"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    DIED = "died"
    """Its process ended first."""
    ABORTED = "aborted"
    """A restart cut it short, and it was recorded: as an ``ok`` without a word, or as an error."""
    ALIVE = "alive"
    """It went on beyond the moment the evidence was copied."""
    NONE = "none"
    """The row is no run of a cron job, or was lost for another reason."""


@dataclass(frozen=True, slots=True)
class Correct:
    """What the row should say; times are epoch milliseconds."""

    status: str
    ended_at: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Deserved:
    """The verdict that the handed-over evidence deserves, judged from the truth and from what was left of it.

    ``verdicts`` holds one verdict where the evidence decides, ``undetermined`` where it must be withheld, and several
    where the rules leave it open (``undetermined`` among them, when withholding is right as well).
    """

    verdicts: frozenset[str]
    confidences: frozenset[str | None]
    causes: frozenset[str]
    reasons: frozenset[str] = frozenset()
    """Withheld: one of these reason codes must be told. Elsewhere empty."""
    correct: Correct | None = None
    """Where the evidence holds the values: what the correction must be; None where it is not judged."""
    why: str = ""
    """One sentence for a person who looks into a failure."""

    @property
    def suffices(self) -> bool:
        """Tell whether the evidence decides the verdict."""
        return "undetermined" not in self.verdicts


@dataclass(frozen=True, slots=True)
class Row:
    """One task row that reads ``lost``."""

    gateway: str
    task_id: str
    fate: Fate
    deserved: Deserved


@dataclass(frozen=True, slots=True)
class Incident:
    """One simulated gateway with all that was handed over of it.

    ``knobs`` are the settings it was simulated with, by name: the scoreboard groups by ``release``, ``registry``,
    ``records``, ``log`` and ``damage``, and a failure is made smaller by turning knobs back to their defaults.
    """

    seed: int
    gateway: str
    paths: tuple[Path, ...]
    """What to hand over; below one folder of its own, so that several incidents can be judged together."""
    rows: tuple[Row, ...]
    events: int
    """How many things happened that can make rows lost: restarts, crashes, long unlisted runs, lost writes, sweeps by
    hand. This is what "incidents" counts."""
    knobs: Mapping[str, object] = field(default_factory=dict)
