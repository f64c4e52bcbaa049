"""What makes a row look like another case than it is (cases.md §3): near misses, doubles, contradictions."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from tests.corpus.handover import Handed
from tests.corpus.world import LOST, MINUTE, SECOND, Record, Row, name_from

Trap = Callable[[Handed, random.Random], bool]


def trapped(handed: Handed, which: str, rng: random.Random) -> str:
    """Set a trap; tell which: ``none`` where no row fits."""
    act = TRAPS.get(which)
    return which if act is not None and act(handed, rng) else "none"


def _lost(handed: Handed, rng: random.Random) -> Row | None:
    rows = [row for row in handed.rows if row.status == "lost" and row.runtime == "cron" and row.run is not None]
    return rng.choice(rows) if rows else None


def _recorded(handed: Handed, rng: random.Random) -> tuple[Row, Record] | None:
    """Give a lost row whose own record is there, alone, and was written at once."""
    found = [
        (row, told)
        for row in handed.rows
        if row.status == "lost" and row.run is not None and not row.projected
        for told in handed.records
        if told.run is row.run and told.ts - told.end < 900
    ]
    return rng.choice(found) if found else None


def _change(handed: Handed, told: Record, **values: object) -> None:
    """Let a record say something else, wherever it is kept."""
    changed = copy.copy(told)
    for name, value in values.items():
        setattr(changed, name, value)
    handed.records = [changed if kept is told else kept for kept in handed.records]
    for job in handed.jobs:
        if job.last is told:
            job.last = changed
    for row in handed.rows:
        if row.detail is told:
            row.detail = changed


def _on_record(values: Callable[[Record, random.Random], dict[str, object]]) -> Trap:
    def act(handed: Handed, rng: random.Random) -> bool:
        found = _recorded(handed, rng)
        if found is None:
            return False
        _change(handed, found[1], **values(found[1], rng))
        return True

    return act


def _off_by_some_ms(told: Record, rng: random.Random) -> dict[str, object]:
    assert told.start is not None
    return {"start": told.start + rng.choice((-3, 3, 12))}


def _instant(told: Record, rng: random.Random) -> dict[str, object]:
    said = {"status": "ok", "error": None, "summary": "queued", "used": told.job.agent}
    return said | {"duration": rng.randrange(1, 19)}


def _conflict(handed: Handed, rng: random.Random) -> bool:
    """Two records of one run that disagree."""
    found = _recorded(handed, rng)
    if found is None or handed.release.newest:  # a task row holds one record of its run
        return False
    other = copy.copy(found[1])
    other.status, other.error, other.ts = (
        ("ok", None, other.ts + 1) if other.status == "error" else ("error", "boom", other.ts + 1)
    )
    handed.records.append(other)
    return True


def _state_conflict(handed: Handed, rng: random.Random) -> bool:
    """The job's state says otherwise than the record of the same run."""
    found = _recorded(handed, rng)
    job = next((job for job in handed.jobs if found and job.last is found[1] and not job.deleted), None)
    if found is None or job is None:
        return False
    job.last = copy.copy(found[1])
    job.last.status, job.last.error = ("ok", None) if found[1].status == "error" else ("error", "boom")
    return True


def _twin_rows(handed: Handed, rng: random.Random) -> bool:
    """Two rows claim one run, and no run id tells them apart."""
    row = _lost(handed, rng)
    if row is None:
        return False
    row.run_id = None
    other = copy.copy(row)
    other.task_id = name_from(rng)
    handed.rows.append(other)
    return True


def _on_row(values: Callable[[Row, random.Random], dict[str, object]]) -> Trap:
    def act(handed: Handed, rng: random.Random) -> bool:
        row = _lost(handed, rng)
        if row is None or row.projected or handed.release.newest:
            return False
        for name, value in values(row, rng).items():
            setattr(row, name, value)
        return True

    return act


def _manual_id(row: Row, rng: random.Random) -> dict[str, object]:
    return {"run_id": f"manual:{row.source_id}:{(row.started or 0) - rng.randrange(3, 80)}:1"}


def _neighbours(handed: Handed, rng: random.Random) -> bool:
    """Rows of other runtimes are lost as well, one at the very moment at which a cron row starts."""
    row = _lost(handed, rng)
    if row is None or row.ended is None:
        return False
    for runtime in ("subagent", "acp", "cli"):
        name = name_from(rng)
        other = Row(
            name, runtime, None, f"agent:{name}", "child", row.created, row.started, "lost", row.ended, row.ended
        )
        other.error, other.cleanup = rng.choice((LOST, "owning process exited", LOST)), row.cleanup
        handed.rows.append(other)
    return True


def _second_run(handed: Handed, rng: random.Random) -> bool:
    """Another run of the job, some seconds after one that died, is recorded ok; it has no row."""
    rows = [row for row in handed.rows if row.status == "lost" and row.run is not None and row.run.record is None]
    rows = [row for row in rows if row.run is not None and (row.run.ended or 0) - row.run.start > 2 * MINUTE]
    if not rows:
        return False
    row = rng.choice(rows)
    assert row.run is not None
    start = row.run.start + rng.randrange(3 * SECOND, 50 * SECOND)
    took = rng.randrange(10 * SECOND, 40 * SECOND)
    told = Record(row.run.job, start + took + 4, start, took, "ok", summary="another run", used=row.run.job.agent)
    handed.records.append(told)
    return True


TRAPS: dict[str, Trap] = {
    "start_off": _on_record(_off_by_some_ms),
    "no_start": _on_record(lambda _, __: {"start": None}),
    "bare": _on_record(lambda _, __: {"start": None, "duration": None}),
    "instant": _on_record(_instant),
    "dash": _on_record(lambda _, __: {"run_id": "-"}),
    "no_duration": _on_record(lambda _, __: {"duration": None}),
    "conflict": _conflict,
    "state_conflict": _state_conflict,
    "twin_rows": _twin_rows,
    "other_error": _on_row(lambda _, rng: {"error": rng.choice(("Recovery tombstoned", "owning process exited"))}),
    "empty_error": _on_row(lambda _, rng: {"error": rng.choice((None, ""))}),
    "no_run_id": _on_row(lambda _, __: {"run_id": None}),
    "manual_id": _on_row(_manual_id),
    "neighbours": _neighbours,
    "second_run": _second_run,
}
"""Each trap; it says whether there was a row to set it for."""
