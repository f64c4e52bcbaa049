"""What a gateway keeps: registries, run logs, job stores, and what it writes down about restarts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from forensics.model.verdicts import SourceKind
from tests.inputs.case import Captures, Case, Write
from tests.parsers.test_restart_records import ATTEMPTS, NAMES, WINDOWS
from tests.support.journals import JOURNAL, row_of, write_journal
from tests.support.packing import write

LOST_WRITE = "2026.4.15-lost-write"
JOB_ID = "575b8a3a-11e6-4100-82fd-5dc4dc39cb66"
RUN_LOG = f"cron/runs/{JOB_ID}.jsonl"
DATABASE = "state/state/openclaw.sqlite"


def captured(capture: str, name: str, *beside: str, called: str | None = None) -> Write:
    """Write a file of a capture, and those that lie beside it; ``called`` gives it another name."""

    def put(folder: Path, captures: Captures) -> Path:
        for other in beside:
            write(folder / other, captures.text(capture, other))
        return write(folder / (called or name), captures.text(capture, name))

    return put


def document(name: str) -> Write:
    """Write a small restart document in its folder of a state directory."""
    called = name.replace("*", "7f3a")
    place = f"logs/stability/{called}" if "stability" in name else called

    def put(folder: Path, _: Captures) -> Path:
        return write(folder / place, json.dumps(NAMES[name], indent=2).encode())

    return put


def attempts(folder: Path, _: Captures) -> Path:
    """Write the log of attempts to restart."""
    return write(folder / "logs" / "gateway-restart.log", ATTEMPTS.encode())


def attempts_of_windows(folder: Path, _: Captures) -> Path:
    """Write the same as Windows writes it."""
    return write(folder / "logs" / "gateway-restart.log", WINDOWS.encode("gb18030"))


def journal(folder: Path, _: Captures) -> Path:
    """Write the journal of a fix-up of one row."""
    rows = (row_of(LOST["task_id"], {"status": "lost"}, {"status": "succeeded"}),)
    return write_journal(folder / "runs.sqlite.journal.json", replace(JOURNAL, rows=rows))


LOST = {"task_id": "97b96ec8-5199-4df1-9cb1-1d65e1071d5c", "status": "lost", "error": "backing session missing"}
OWN_RUN = {"job_id": JOB_ID, "status": "ok", "duration_ms": 39_404}
RUN_SPAN = ("2026-11-23 22:58:14.013", "2026-11-23 22:58:58.513")
MOMENT = "2026-04-17 07:40:44.000"
STAMPS = "UTC from stamps with Z or an offset"


def recorded(form: str, kind: str, line: int, *, born: str | None = None, timezone: str | None = None) -> Case:
    """Give the case of a small restart document; ``born``: the start of the process that it tells as well."""
    return Case(
        form,
        SourceKind.RESTART_RECORD,
        document(form),
        (1, 1, 0, 0),
        {"lifecycle": (2 if born else 1, {"kind": kind, "line": line, "at": MOMENT})},
        first=born or MOMENT,
        last=MOMENT,
        timezone=timezone or "UTC from epoch milliseconds",
    )


def run_log(form: str, called: str | None = None, *, is_partial: bool = False) -> Case:
    """Give the case of a captured run log under another name."""
    history = {"job_id": JOB_ID, "origin": "run_log", "records": 1, "is_partial": is_partial, "is_damaged": False}
    return Case(
        form,
        SourceKind.CRON_RUN_LOG,
        captured(LOST_WRITE, f"state/{RUN_LOG}", called=called),
        (1, 1, 0, 0),
        {"runs": (1, OWN_RUN | {"origin": "run_log"}), "histories": (1, history)},
        *RUN_SPAN,
    )


CASES = (
    Case(
        "tasks/runs.sqlite",
        SourceKind.TASK_REGISTRY,
        captured(LOST_WRITE, "state/tasks/runs.sqlite", "state/tasks/runs.sqlite-wal"),
        (3, 3, 0, 0),
        {"tasks": (3, LOST | {"registry": "store", "started_at": "2026-11-23 22:58:14.013"})},
        first="2026-11-23 22:56:00.853",
        last="2026-11-23 23:13:48.521",
        release="2026.4.15 to 2026.5.28",
        gateway="state",
    ),
    Case(
        "tasks/runs.sqlite.migrated",
        SourceKind.TASK_REGISTRY,
        captured("2026.9.6-upgrade-start", "input-legacy-state/tasks/runs.sqlite", called="tasks/runs.sqlite.migrated"),
        (20, 20, 0, 0),
        {"tasks": (20, {"task_id": "2bdad4cf-e0a2-5473-8c4d-0cad3f6e2e8f", "status": "lost"})},
        first="2026-11-22 21:42:03.657",
        last="2026-11-23 21:07:33.677",
        release="2026.4.15 to 2026.5.28",
        gateway="given",
    ),
    Case(
        "state/openclaw.sqlite with cron_run_logs",
        SourceKind.TASK_REGISTRY,
        captured("2026.6.11-restarts", DATABASE),
        (133, 133, 0, 0),
        {
            "tasks": (61, {"task_id": "70894ad9-ad5d-450a-ad84-7ccd98f556ca", "status": "lost"}),
            "runs": (72, {"job_id": "cff798d4-2262-49cb-b5f2-32c471f7cbf1", "origin": "run_table"}),
            "jobs": (12, {"name": "longC-cmd"}),
            "histories": (13, {"job_id": "cff798d4-2262-49cb-b5f2-32c471f7cbf1", "records": 41}),
        },
        first="2026-11-23 23:00:55.688",
        last="2026-11-23 23:43:43.627",
        release="2026.6.x",
        gateway="state",
    ),
    Case(
        "state/openclaw.sqlite with cron_run_logs",
        SourceKind.TASK_REGISTRY,
        captured("2026.7.35-restarts", DATABASE),
        (214, 214, 0, 0),
        {
            "tasks": (96, {"task_id": "b69a53d9-1f5c-4de7-9858-23d70bb7e29d", "status": "succeeded"}),
            "runs": (114, {"job_id": "90ff7718-bde3-4a36-9027-f373ad11d6b9", "origin": "run_table"}),
            "lifecycle": (7, {"kind": "boot_started", "line": 1}),
            "jobs": (18, {"name": "longA-cmd"}),
            "histories": (19, {"job_id": "90ff7718-bde3-4a36-9027-f373ad11d6b9", "records": 47}),
        },
        first="2026-11-23 22:41:44.703",
        last="2026-11-23 23:34:19.803",
        release="2026.7.35",
        gateway="state",
    ),
    Case(
        "state/openclaw.sqlite without cron_run_logs",
        SourceKind.TASK_REGISTRY,
        captured("2026.9.6-restarts", DATABASE),
        (183, 183, 0, 0),
        {
            "tasks": (79, {"task_id": "cd314633-26ee-4511-b6ce-73ec33c3e9da", "status": "succeeded"}),
            "runs": (177, {"job_id": "d65ec0d4-cc80-45e3-9086-043652e2bd9e", "origin": "task_detail"}),
            "lifecycle": (7, {"kind": "boot_started", "line": 1}),
            "jobs": (21, {"name": "skill-collection-review-main"}),
            "histories": (20, {"job_id": "d65ec0d4-cc80-45e3-9086-043652e2bd9e", "origin": "task_detail"}),
        },
        first="2026-11-23 22:40:04.212",
        last="2026-11-23 23:28:41.777",
        release="2026.9.6",
        gateway="state",
    ),
    run_log("cron/runs/<job>.jsonl"),
    run_log("cron/runs/<job>.jsonl.migrated", f"{RUN_LOG}.migrated"),
    run_log("cron/runs/<job>.jsonl.….tmp leftover", f"{RUN_LOG}.4711.3f2a9c1b7d5e.tmp", is_partial=True),
    Case(
        "cron/jobs.json",
        SourceKind.JOB_STORE,
        captured(LOST_WRITE, "state/cron/jobs.json"),
        (4, 4, 0, 0),
        {
            "runs": (3, OWN_RUN | {"origin": "job_state"}),
            "jobs": (4, {"name": "W-lock-at-finish", "schedule_kind": "at"}),
        },
        first="2026-11-23 22:56:00.853",
        last="2026-11-23 23:07:54.738",
    ),
    Case(
        "cron/jobs-state.json",
        SourceKind.JOB_STATE,
        captured("2026.5.7-sigterm", "state/cron/jobs-state.json", "state/cron/jobs.json"),
        (6, 6, 0, 0),
        {"runs": (6, {"job_id": "67cadea0-99e5-461a-b3b6-ca2bfb6abf5c", "status": "ok", "origin": "job_state"})},
        first="2026-11-23 23:00:21.228",
        last="2026-11-23 23:27:33.266",
    ),
    recorded("restart-sentinel.json", "restart_reason", 6),
    recorded("gateway-restart-intent.json", "restart_reason", 4),
    recorded("gateway-supervisor-restart-handoff.json", "restart_reason", 6),
    recorded("gateway.*.lock", "lock_taken", 3, timezone=STAMPS),
    recorded("openclaw-stability-*.json", "fatal", 3, born="2026-04-17 07:39:14.000", timezone=STAMPS),
    Case(
        "*.journal.json",
        SourceKind.FIX_JOURNAL,
        journal,
        (1, 1, 0, 0),
        {"corrections": (1, {"task_id": LOST["task_id"], "action": "fix", "is_applied": True, "line": 36})},
        timezone=STAMPS,
    ),
    Case(
        "gateway-restart.log",
        SourceKind.RESTART_RECORD,
        attempts,
        (6, 4, 2, 0),
        {"lifecycle": (4, {"kind": "restart_reason", "line": 6, "pid": 77, "precision_ms": 1})},
        first="2026-05-07 10:00:01.000",
        last="2026-09-01 12:00:00.250",
        timezone=STAMPS,
    ),
    Case(
        "gateway-restart.log of Windows",
        SourceKind.RESTART_RECORD,
        attempts_of_windows,
        (3, 0, 2, 1),
        {},
        timezone=None,
        notices=("local_stamp",),
    ),
)
