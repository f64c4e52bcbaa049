"""An explanation as data: what a careful colleague would answer, sentence by sentence, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from forensics.model.finding import Finding
from forensics.model.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence; ``source`` and 1-based ``line``, or the rowid in ``table``, where it has a place.

    Times in the text are UTC unless another zone was asked for; one without a date is of the day on which the run
    started. ``code`` is the reason it spells out, if it does.
    """

    text: str
    source: int | None = None
    line: int | None = None
    at: datetime | None = None
    table: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class NotInstead:
    """A verdict that lies near and was not given, and the fact that rules it out."""

    verdict: Verdict
    because: Statement


@dataclass(frozen=True, slots=True)
class Overturn:
    """What would change the answer, and in which file, by the name that the gateway gives it, it would stand."""

    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one row, in the order in which it is asked."""

    claims: tuple[Statement, ...]
    shows: tuple[Statement, ...]
    because: tuple[Statement, ...]
    not_instead: tuple[NotInstead, ...]
    overturned_by: tuple[Overturn, ...]
    looked_for: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class RowState:
    """One task row as one source tells it; ``start`` is that of its run id, else ``started_at``.

    ``is_twin``: an imported run record of another row, no execution of its own.
    """

    gateway: str
    task_id: str
    runtime: str | None
    job_id: str | None
    job_name: str | None
    run_id: str | None
    status: str | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    terminal_summary: str | None
    start: datetime | None
    precision_ms: int
    is_manual: bool
    is_twin: bool
    projected: bool
    registry: str | None
    source: int
    line: int
    table: str | None


@dataclass(frozen=True, slots=True)
class ExplainedLoss:
    """A lost row with its verdict and what there is to say about it."""

    finding: Finding
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """A row that is not lost: ``state`` says in one sentence what it is instead."""

    row: RowState
    state: str
    explanation: Explanation
