"""The run record inside a task row: ``detail`` of kind ``cron-run``, from 2026.7.35 (formats.md §3.4, observed.md §B6).

From 2026.8.1 it is the only history. Older histories were imported into it as rows of their own, named
``cron-runlog-import:<jobId>:<ts>:<ordinal>``: they are the run records of the old rows, never second executions.
"""

from __future__ import annotations

from collections.abc import Mapping

from forensics.model.verdicts import Origin
from forensics.parsers.cron_runs import run_row
from forensics.parsers.parsed import Parsed

TWIN = "cron-runlog-import:"
"""How the ids of imported history begin."""

_KIND = "cron-run"


def is_imported_twin(task_id: object, run_id: object) -> bool:
    """Tell whether a task row is an imported run record.

    >>> is_imported_twin("cron-runlog-import:j:1:1", "cron-runlog-import:j:1:1")
    True
    """
    return isinstance(task_id, str) and task_id.startswith(TWIN) and run_id in (None, task_id)


def detail_row(
    detail: Mapping[str, object],
    *,
    line: int | None,
    job_id: object,
    written_at_ms: object,
    run_id: object,
    parsed: Parsed,
) -> dict[str, object] | None:
    """Turn the detail of a finished cron run into a row of ``runs``; None for any other detail.

    The row's own status and end are not used: an ``ok`` that was not delivered is imported as ``failed``, and its end
    is when the record was written, up to minutes late. ``run_id`` stands in where the detail names none.
    """
    if detail.get("kind") != _KIND or "status" not in detail:
        return None
    entry: dict[str, object] = dict(detail) | {"ts": written_at_ms, "jobId": job_id}
    entry.setdefault("runId", run_id)
    row = run_row(entry, line or 0, Origin.TASK_DETAIL, parsed)
    return None if row is None else row | {"line": line}
