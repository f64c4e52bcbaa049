"""The record of a finished cron run inside a task row: ``detail_json``, in exports ``detail`` (formats.md §3.4).

From 2026.8.1 there is no other run history: finished runs lie in the details of their own rows, and run logs of older
releases were imported as *twins*, task rows of another id for executions that may have a row of their own as well
(observed.md §B6).
"""

from __future__ import annotations

from collections.abc import Mapping

from forensics.model.verdicts import Origin
from forensics.parsers.cron_runs import run_row
from forensics.parsers.parsed import Parsed

IMPORTED = "cron-runlog-import:"
_ENDINGS = ("ok", "error", "skipped")


def is_imported_twin(task_id: str, run_id: str | None) -> bool:
    """Tell whether a task row is an imported run record: both its ids are then the same, made of job, time and number.

    >>> is_imported_twin("cron-runlog-import:digest:1776411706005:1", "cron-runlog-import:digest:1776411706005:1")
    True
    """
    return task_id.startswith(IMPORTED) and run_id in (None, task_id)


def is_finished_run(detail: object) -> bool:
    """Tell whether a row's detail is the record of a finished cron run; while it runs it names its store only."""
    return isinstance(detail, dict) and detail.get("kind") == "cron-run" and detail.get("status") in _ENDINGS


def detail_row(
    detail: Mapping[str, object],
    *,
    line: int | None,
    job_id: str | None,
    written_at_ms: object,
    run_id: str | None,
    parsed: Parsed,
) -> dict[str, object] | None:
    """Turn the detail of a task row into a row of ``runs``; None where it is no finished cron run.

    ``written_at_ms`` is the row's ``ended_at``, ``run_id`` the row's own: the run goes by it unless the detail names
    the request that started it. The status is the detail's; the row's own says ``failed`` for a run that ended well
    and could not be delivered.

    Notices: as ``run_row``; no_run_record where job or ``ended_at`` is missing.
    Source: formats.md §3.4; observed.md §B6 (the imported rows), §B3 (the map of statuses in 2026.9.6).
    """
    if not is_finished_run(detail):
        return None
    named = run_id if run_id is not None and not run_id.startswith(IMPORTED) else None
    requested = detail.get("runId")
    entry = {**detail, "ts": written_at_ms, "jobId": job_id, "runId": named if requested is None else requested}
    return run_row(entry, line, Origin.TASK_DETAIL, parsed)
