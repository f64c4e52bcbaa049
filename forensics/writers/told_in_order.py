"""The facts of the timeline as every format tells them: one sentence, one place, one weight each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.finding import Report
from forensics.model.verdicts import FactKind, LifecycleKind, Severity, TaskStatus, Verdict
from forensics.writers.wording import VERDICTS, why


class Weight(StrEnum):
    """How much a fact matters to one who looks for losses."""

    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the timeline; ``text`` is one line, ``place`` is where it stands, for people."""

    at: datetime | None
    gateway: str | None
    kind: FactKind
    event: str | None
    weight: Weight
    text: str
    source: int | None
    line: int | None
    table: str | None
    path: str | None
    place: str
    job_id: str | None
    job_name: str | None
    task_id: str | None
    run_id: str | None
    operation: str | None
    restart: str | None
    status: str | None
    verdict: str | None
    confidence: str | None
    severity: str | None


_OF_SEVERITY = {Severity.HIGH: Weight.ERROR, Severity.MEDIUM: Weight.WARNING}
_ERRORS = frozenset({LifecycleKind.CRASH, LifecycleKind.FATAL, LifecycleKind.START_FAILED})
_WARNINGS = frozenset(
    {
        LifecycleKind.DRAIN_TIMEOUT,
        LifecycleKind.SHUTDOWN_FAILED,
        LifecycleKind.MARKER_INTERRUPTED,
        LifecycleKind.LEDGER_UPDATE_FAILED,
        LifecycleKind.RUN_LOG_APPEND_FAILED,
        LifecycleKind.LOG_CAPPED,
    }
)
_NOTED = frozenset(
    {
        FactKind.RESTART_DOWN,
        FactKind.RESTART_UP,
        FactKind.RESTART_READY,
        FactKind.TASK_CORRECTED,
        FactKind.TASK_RESTORED,
    }
)
_FAILED = frozenset({"error", TaskStatus.FAILED, TaskStatus.TIMED_OUT})
_ENDS = frozenset({FactKind.RUN_ENDED, FactKind.RUN_RECORDED, FactKind.TASK_ENDED})


def told_in_order(report: Report, facts: pl.DataFrame) -> Iterator[Fact]:
    """Give the facts of the frame ``timeline``, in its order; a verdict says why, each proof with its place."""
    paths = report.paths()
    reasons = {(finding.gateway, finding.task_id): why(finding, paths) for finding in report.findings}
    for row in facts.iter_rows(named=True):
        text = row.pop("text") or ""
        kind = FactKind(row["kind"])
        if kind is FactKind.VERDICT:
            text = _judged(row, reasons[row["gateway"], row["task_id"]])
        path = None if row["source"] is None else paths[row["source"]]
        row |= {"kind": kind, "weight": _weight(kind, row), "text": for_terminal(text)}
        yield Fact(**row, path=path, place=_place(path, row["line"], row["table"]))


def _judged(row: dict[str, str | None], reasons: str) -> str:
    verdict = Verdict(row["verdict"] or "")
    confidence = f" ({row['confidence']})" if row["confidence"] else ""
    return f"{verdict}{confidence}: {VERDICTS[verdict]}; {reasons}"


def _place(path: str | None, line: int | None, table: str | None) -> str:
    if path is None or line is None:
        return path or ""
    return f"{path} {table} rowid {line}" if table else f"{path}:{line}"


def _weight(kind: FactKind, row: dict[str, str | None]) -> Weight:
    if kind is FactKind.VERDICT:
        return _OF_SEVERITY.get(Severity(row["severity"] or ""), Weight.NOTICE)
    if kind is FactKind.LIFECYCLE and row["event"] in _ERRORS:
        return Weight.ERROR
    is_doubtful = kind is FactKind.TASK_LOST or (kind in _ENDS and row["status"] in _FAILED)
    if is_doubtful or (kind is FactKind.LIFECYCLE and row["event"] in _WARNINGS):
        return Weight.WARNING
    return Weight.NOTICE if kind in _NOTED else Weight.INFO
