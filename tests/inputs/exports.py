"""What command lines and the ``sqlite3`` shell print, saved to a file."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from forensics.model.verdicts import SourceKind
from tests.inputs.case import Captures, Case, Write
from tests.inputs.stores import DATABASE, JOB_ID, LOST, LOST_WRITE, OWN_RUN, RUN_LOG, RUN_SPAN, STAMPS, captured
from tests.support.captures import DATA
from tests.support.packing import write

EXPORTS = DATA / "exports"
LIST = "exports/1795476014174-final-tasks-list.json"


def answer(name: str) -> Write:
    """Write a captured answer."""
    return lambda folder, _: write(folder / name, (EXPORTS / name).read_bytes())


def unread(name: str) -> Write:
    """Write a captured answer that holds no rows, beside a run log: alone it would be nothing to read."""

    def put(folder: Path, captures: Captures) -> Path:
        return beside_a_run_log(folder, captures, name, (EXPORTS / name).read_bytes())

    return put


def saying(text: str) -> Write:
    """Write an answer without rows that was not captured, beside a run log."""
    return lambda folder, captures: beside_a_run_log(folder, captures, "status.txt", text.encode())


def beside_a_run_log(folder: Path, captures: Captures, name: str, content: bytes) -> Path:
    write(folder / RUN_LOG, captures.text(LOST_WRITE, f"state/{RUN_LOG}"))
    return write(folder / name, content)


def _rows(captures: Captures) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(captures.text(LOST_WRITE, LIST))["tasks"]
    return rows


def as_lines(folder: Path, captures: Captures) -> Path:
    """Write the rows of a captured list as ``jq -c '.tasks[]'`` prints them."""
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in _rows(captures))
    return write(folder / "tasks.jsonl", lines.encode())


def as_array(folder: Path, captures: Captures) -> Path:
    """Write the rows of a captured list as ``jq .tasks`` prints them."""
    return write(folder / "tasks.json", json.dumps(_rows(captures), indent=2).encode())


def as_flow(folder: Path, captures: Captures) -> Path:
    """Write the rows of a captured list as those of a flow."""
    rows = _rows(captures)
    flow = {"flowId": "f-1", "status": "running", "tasks": rows, "taskSummary": {"total": len(rows)}}
    return write(folder / "flow.json", json.dumps(flow, indent=2).encode())


def with_semicolons(folder: Path, _: Captures) -> Path:
    """Write captured rows as a spreadsheet saves them where a comma is part of numbers."""
    rows = csv.reader(io.StringIO((EXPORTS / "4.15-task-runs.csv").read_text("utf-8")))
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    return write(folder / "tasks.csv", text.getvalue().encode("utf-8-sig"))


def dump_of(capture: str) -> Write:
    """Write the SQL that makes a captured state database anew."""

    def put(folder: Path, captures: Captures) -> Path:
        database = write(captures.folder / f"{capture}.sqlite", captures.text(capture, DATABASE))
        with closing(sqlite3.connect(database)) as opened:
            return write(folder / "state.sql", "".join(f"{line}\n" for line in opened.iterdump()).encode())

    return put


SPAN = ("2026-11-23 22:56:00.853", "2026-11-23 23:13:48.521")
STATUS_LINE = "Tasks: 0 active · 0 queued · 0 running · 11 issues · audit 1 error · 219 warn · 330 tracked\n"
STATUS_JSON = json.dumps({"tasks": {"total": 3, "active": 0}, "taskAudit": {"total": 4, "errors": 2}}, indent=2)


def listed(form: str, write: Write, release: str | None = None) -> Case:
    """Give the case of a form that holds the three rows of the captured registry."""
    row = LOST | {"registry": "export", "projected": False, "precision_ms": 1}
    return Case(form, SourceKind.TASK_EXPORT, write, (3, 3, 0, 0), {"tasks": (3, row)}, *SPAN, release=release)


def printed(form: str, write: Write) -> Case:
    """Give the case of a form in which all columns were printed, which tell the release."""
    return listed(form, write, release="2026.4.15 to 2026.5.28")


def without_rows(form: str, write: Write) -> Case:
    """Give the case of a form that is named, and holds no rows."""
    return Case(form, SourceKind.OTHER, write, (0, 0, 0, 0), {}, timezone=None, notices=("no_rows",))


def page(write: Write, run: dict[str, Any], first: str, last: str, history: dict[str, Any] | None) -> Case:
    """Give the case of a page with one run; ``history`` is None where it says nothing of other runs."""
    rows = {"runs": (1, run | {"origin": "run_page"})} | ({"histories": (1, history)} if history else {})
    return Case("cron runs", SourceKind.CRON_RUN_PAGE, write, (1, 1, 0, 0), rows, first, last)


CASES = (
    listed("tasks list, show, audit --json", captured(LOST_WRITE, LIST)),
    Case(
        "tasks list, show, audit --json",
        SourceKind.TASK_EXPORT,
        answer("9.6-tasks-list.json"),
        (4, 4, 0, 0),
        {
            "tasks": (4, {"task_id": "a2195f0a-ce6c-5be8-955f-a3c629771528", "status": "lost", "is_twin": False}),
            "runs": (2, {"job_id": "0bbf66ce-7993-5f23-a279-70939a20bf7e", "status": "error", "origin": "task_detail"}),
            "histories": (2, {"job_id": "561934a2-0855-57fb-9726-4961fe419e6e", "is_partial": True}),
        },
        first="2026-11-23 20:06:53.838",
        last="2026-11-23 20:14:53.839",
    ),
    listed("task records as JSON lines", as_lines),
    listed("task records as a JSON array", as_array),
    listed("tasks flow list, show --json", as_flow),
    Case(
        "tasks show (text)",
        SourceKind.TASK_EXPORT,
        answer("4.15-tasks-show.txt"),
        (1, 1, 0, 0),
        {"tasks": (1, LOST | {"registry": "export"})},
        first="2026-11-23 22:58:14.013",
        last="2026-11-23 23:04:55.061",
        timezone=STAMPS,
        notices=("maybe_projected",),
    ),
    without_rows("tasks list (text)", unread("4.15-tasks-list.txt")),
    without_rows("tasks audit (text)", unread("4.15-tasks-audit.txt")),
    without_rows("tasks maintenance (text)", unread("4.15-tasks-maintenance.txt")),
    without_rows("tasks maintenance --json", unread("4.15-tasks-maintenance.json")),
    without_rows("status line of tasks", saying(STATUS_LINE)),
    without_rows("status --json", saying(STATUS_JSON)),
    Case(
        "cron list --json",
        SourceKind.JOB_LIST,
        answer("4.15-cron-list.json"),
        (4, 4, 0, 0),
        {"runs": (3, OWN_RUN | {"origin": "job_state"}), "jobs": (4, {"name": "warmup-quick", "every_ms": 86_400_000})},
        first="2026-11-23 22:56:00.853",
        last="2026-11-23 23:07:54.738",
    ),
    page(answer("4.15-cron-runs.json"), OWN_RUN, *RUN_SPAN, {"job_id": JOB_ID, "records": 1, "is_partial": False}),
    page(
        answer("9.6-cron-runs.json"),
        {"job_id": "e892eb65-af18-4abf-a1fb-b6c98792b117", "status": "error", "error": "Gateway stopping."},
        "2026-11-23 22:57:20.119",
        "2026-11-23 23:02:57.318",
        None,
    ),
    printed("sqlite3 .dump", answer("4.15-task-runs.dump")),
    Case(
        "sqlite3 .dump",
        SourceKind.TASK_EXPORT,
        dump_of("2026.7.35-restarts"),
        (214, 214, 0, 0),
        {
            "tasks": (96, {"task_id": "b69a53d9-1f5c-4de7-9858-23d70bb7e29d", "registry": "export"}),
            "runs": (114, {"job_id": "90ff7718-bde3-4a36-9027-f373ad11d6b9", "origin": "run_table"}),
            "lifecycle": (7, {"kind": "boot_started"}),
            "jobs": (18, {"name": "longA-cmd"}),
            "histories": (19, {"job_id": "90ff7718-bde3-4a36-9027-f373ad11d6b9", "records": 47}),
        },
        first="2026-11-23 22:41:44.703",
        last="2026-11-23 23:34:19.803",
        notices=("skipped_statement",),
        release="2026.7.35",
    ),
    *(
        printed(f"sqlite3 -{mode}", answer(f"4.15-task-runs.{mode}"))
        for mode in ("json", "box", "table", "markdown", "column", "line", "csv", "tabs", "list")
    ),
    Case(
        "sqlite3 -csv",
        SourceKind.CRON_RUN_PAGE,
        answer("7.35-cron-run-logs.csv"),
        (4, 4, 0, 0),
        {"runs": (4, {"job_id": "90ff7718-bde3-4a36-9027-f373ad11d6b9", "status": "ok", "origin": "run_table"})},
        first="2026-11-23 22:42:57.355",
        last="2026-11-23 22:45:37.450",
    ),
    printed("CSV with semicolons", with_semicolons),
)
