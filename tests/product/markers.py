"""What a start of the gateway does to a corrected row whose job is still marked as running that very run.

Such a marker stands where a gateway died after a run had ended and before it wrote that down; the next start settles
it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from forensics.model.plan import TOUCHED
from tests.product.building import apply, build, make_fix, registry_of, unpacked
from tests.product.cases import CASES, Case
from tests.product.gateway import Home, free_port, running
from tests.product.registries import Row, read
from tests.product.releases import Installed
from tests.product.trial import plant, sweeps_seen

AS_CORRECTED, STORE_ONLY, FINISHED_RUN = "as the fix-up leaves it", "with a store key only", "with its finished run"
"""What the details of a corrected row may hold; the fix-up does not touch them."""


def case_of(release: str) -> Case:
    """Give the case whose rows are used: one with several rows that are corrected to ``succeeded``."""
    cases = {case.name: case for case in CASES if case.release == release}
    return cases.get("after its maintenance") or cases["twenty rows"]


def tried_with_markers(product: Installed, scratch: Path) -> list[dict[str, Any]]:
    """Correct a registry, mark jobs of corrected rows as running, start the gateway, look at the rows.

    Shape: one per form of the details: ``release``, ``details``, ``kept``, ``status``, ``error``.
    """
    release = product.release.version
    folder = scratch / "cases" / f"{release}-markers"
    shutil.rmtree(folder, ignore_errors=True)
    home, case = Home(folder / "live", free_port()), case_of(release)
    capture = unpacked(case, scratch)
    build(case, product, home, capture)
    fix = make_fix(case, home, capture, folder)
    apply(fix.fix, registry_of(home))
    before = _rows(home)
    chosen = dict(zip(_forms(before), _with_own_start(before, fix.corrected), strict=False))
    for form, task_id in chosen.items():
        _mark(home, before[task_id], form)
    plant(registry_of(home))
    with running(product, home):
        sweeps_seen(home, 1)
    after = _rows(home)
    return [_told(release, form, before[task_id], after.get(task_id)) for form, task_id in chosen.items()]


def _rows(home: Home) -> dict[str, Row]:
    return {str(row["task_id"]): row for row in read(registry_of(home))["task_runs"].rows.values()}


def _forms(rows: Mapping[str, Row]) -> tuple[str, ...]:
    has_details = any("detail_json" in row for row in rows.values())
    return (AS_CORRECTED, STORE_ONLY, FINISHED_RUN) if has_details else (AS_CORRECTED,)


def _with_own_start(rows: Mapping[str, Row], corrected: Mapping[str, Row]) -> Iterator[str]:
    """Give the corrected rows that the gateway itself would find again by job and start."""
    for task_id in sorted(corrected):
        row = rows[task_id]
        if row["status"] == "succeeded" and row["run_id"] == f"cron:{row['source_id']!s}:{row['started_at']!s}":
            yield task_id


def _mark(home: Home, row: Row, form: str) -> None:
    registry = registry_of(home)
    store = home.state / "cron/jobs.json"
    if store.exists():
        told = json.loads(store.read_text("utf-8"))
        for job in told["jobs"]:
            if job["id"] == row["source_id"]:
                job["state"]["runningAtMs"] = row["started_at"]
        store.write_text(json.dumps(told), encoding="utf-8")
        return
    with closing(sqlite3.connect(registry)) as connection, connection:
        connection.execute(
            "UPDATE cron_jobs SET state_json = json_set(state_json, '$.runningAtMs', ?) WHERE job_id = ?",
            (row["started_at"], row["source_id"]),
        )
        if any(column[1] == "running_at_ms" for column in connection.execute("PRAGMA table_info(cron_jobs)")):
            connection.execute(
                "UPDATE cron_jobs SET running_at_ms = ? WHERE job_id = ?", (row["started_at"], row["source_id"])
            )
        if form != AS_CORRECTED:
            details = json.dumps(_details(row, form, str(store)))
            connection.execute("UPDATE task_runs SET detail_json = ? WHERE task_id = ?", (details, row["task_id"]))


def _details(row: Row, form: str, store: str) -> dict[str, Any]:
    if form == STORE_ONLY:
        return {"storeKey": store}
    ended, started = row["ended_at"], row["started_at"]
    assert isinstance(ended, int)
    assert isinstance(started, int)
    told: dict[str, Any] = {"kind": "cron-run", "status": "ok", "completionStatus": "succeeded", "error": None}
    told |= {"summary": row["terminal_summary"], "storeKey": store}
    return told | {"runAtMs": started, "durationMs": ended - started}


def _told(release: str, form: str, before: Row, after: Row | None) -> dict[str, Any]:
    kept = after is not None and all(before[column] == after[column] for column in TOUCHED)
    named = {"release": release, "details": form, "kept": kept}
    return named | {column: after[column] if after else None for column in ("status", "error")}
