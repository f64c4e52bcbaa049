"""The shared state database of 2026.6.1 and later: each of its tables, and what the absence of a record there means."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from forensics.model.schemas import JOBS, LIFECYCLE, RUNS, TASKS, assert_schema
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_registry import parse_task_registry
from tests.parsers.shapes import DDL_4_15, JOB, START_MS, TASK, assert_balance, at, codes, noted_lines, task_row

RUN_LOGS = """CREATE TABLE cron_run_logs (store_key TEXT NOT NULL, job_id TEXT NOT NULL, seq INTEGER NOT NULL,
ts INTEGER NOT NULL, status TEXT, error TEXT, summary TEXT, delivery_status TEXT, delivered INTEGER, session_id TEXT,
run_id TEXT, run_at_ms INTEGER, duration_ms INTEGER, next_run_at_ms INTEGER, entry_json TEXT NOT NULL,
created_at INTEGER NOT NULL, PRIMARY KEY (store_key, job_id, seq))"""
RECEIPTS = """CREATE TABLE cron_run_receipts (receipt_id TEXT PRIMARY KEY, store_key TEXT, job_id TEXT,
request_run_id TEXT, status TEXT, owner_pid INTEGER, started_at_ms INTEGER, finished_at_ms INTEGER, error_text TEXT)"""
JOB_TABLE = """CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, name TEXT, enabled INTEGER, job_json TEXT,
state_json TEXT, runtime_updated_at_ms INTEGER, updated_at INTEGER, PRIMARY KEY (store_key, job_id)) STRICT"""
META = """CREATE TABLE schema_meta (meta_key TEXT, role TEXT, schema_version INTEGER, agent_id TEXT, app_version TEXT,
created_at INTEGER, updated_at INTEGER)"""
TASK_TABLE = DDL_4_15.replace("terminal_outcome TEXT", "terminal_outcome TEXT, detail_json TEXT")
STORE = "/home/claw/.openclaw/cron/jobs.json"


def database(path: Path, *tables: str, rows: Mapping[str, Iterable[Mapping[str, object]]], version: int = 1) -> Path:
    """Write a state database with these tables and rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as opened:
        for table in tables:
            opened.execute(table)
        for table, told in rows.items():
            for row in told:
                marks = ", ".join("?" * len(row))
                opened.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        opened.execute(f"PRAGMA user_version = {version}")
        opened.commit()
    return path


def read(path: Path) -> Parsed:
    parsed = parse_task_registry(path, [])
    for frame, schema in ((parsed.tasks, TASKS), (parsed.runs, RUNS), (parsed.lifecycle, LIFECYCLE)):
        assert frame is not None
        assert_schema(frame, schema, "frame")
    if parsed.jobs is not None:
        assert_schema(parsed.jobs, JOBS, "jobs")
    return parsed


def runs_of(parsed: Parsed) -> pl.DataFrame:
    assert parsed.runs is not None
    return parsed.runs


def entry(ms: int = START_MS, **fields: object) -> dict[str, object]:
    told: dict[str, object] = {"ts": ms + 62_005, "jobId": JOB, "action": "finished", "status": "ok", "runAtMs": ms}
    return told | {"durationMs": 62_000, "summary": "done", "usage": {"total_tokens": 7}} | fields


def log_row(seq: int = 1, ms: int = START_MS, /, **columns: object) -> dict[str, object]:
    told = {"store_key": STORE, "job_id": JOB, "seq": seq, "ts": ms + 62_005, "status": "ok", "summary": "done"}
    told |= {"run_at_ms": ms, "duration_ms": 62_000, "delivered": 0, "entry_json": json.dumps(entry(ms))}
    return told | {"created_at": ms + 62_010} | columns


def with_logs(path: Path, *logs: Mapping[str, object], **rest: Iterable[Mapping[str, object]]) -> Parsed:
    rows = {"task_runs": [task_row()], "cron_run_logs": logs, **rest}
    return read(database(path, DDL_4_15, RUN_LOGS, *([META] if "schema_meta" in rest else []), rows=rows))


def test_the_run_table_gives_records_with_their_row_number(tmp_path: Path) -> None:
    parsed = with_logs(
        tmp_path / "openclaw.sqlite", log_row(), log_row(2, START_MS + 90_000, status="error", error="x")
    )
    assert parsed.form == "state/openclaw.sqlite with cron_run_logs"
    assert parsed.release == "2026.6.x"
    told = runs_of(parsed).select("line", "job_id", "started_at", "finished_at", "status", "origin").row(0)
    assert told == (1, JOB, at(START_MS), at(START_MS + 62_005), "ok", "run_table")
    assert runs_of(parsed).select("has_usage", "delivered", "summary", "duration_ms").row(0) == (
        True,
        False,
        "done",
        62_000,
    )
    assert codes(parsed) == ["entry_mismatch"]
    assert noted_lines(parsed, "entry_mismatch") == [2]
    assert_balance(parsed, records=2, rejected=1)


def test_a_run_table_tells_of_each_job_and_of_those_it_does_not_name(tmp_path: Path) -> None:
    made = [{"meta_key": "primary", "role": "global", "schema_version": 1, "created_at": START_MS + 80_000}]
    parsed = with_logs(tmp_path / "openclaw.sqlite", log_row(), log_row(2, START_MS + 90_000), schema_meta=made)
    told = [(row["job_id"], row["records"], row["is_partial"], row["is_damaged"]) for row in parsed.histories]
    assert told == [(JOB, 2, False, False), (None, 0, True, False)]


def test_a_database_that_does_not_say_since_when_it_is_there_vouches_for_no_older_time(tmp_path: Path) -> None:
    parsed = with_logs(tmp_path / "openclaw.sqlite", log_row())
    told = [(row["job_id"], row["oldest_at"], row["is_partial"]) for row in parsed.histories]
    assert told == [(JOB, at(START_MS + 62_005), True), (None, None, True)]


def test_a_database_younger_than_its_rows_holds_old_records_only_if_their_logs_were_imported(tmp_path: Path) -> None:
    made = [{"meta_key": "primary", "role": "global", "schema_version": 1, "created_at": START_MS + 3_600_000}]
    young = log_row(1, START_MS + 7_200_000, entry_json="{}")
    parsed = with_logs(tmp_path / "not-imported.sqlite", young, schema_meta=made)
    assert {(row["is_partial"], row["oldest_at"]) for row in parsed.histories} == {(True, at(START_MS + 3_600_000))}
    other = log_row(1, job_id="other", entry_json="{}")
    parsed = with_logs(tmp_path / "imported.sqlite", young, log_row(2), schema_meta=made)
    assert [(row["job_id"], row["is_partial"]) for row in parsed.histories] == [(JOB, False), (None, True)]
    parsed = with_logs(tmp_path / "of-another-job.sqlite", young, other, schema_meta=made)
    assert {row["job_id"]: row["is_partial"] for row in parsed.histories} == {
        JOB: True,
        "other": False,
        None: True,
    }


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"entry_json": "no json"}, "not_json"),
        ({"entry_json": "[1]"}, "not_json"),
        ({"ts": -1, "entry_json": "{}"}, "no_run_record"),
        ({"run_at_ms": START_MS + 3, "entry_json": json.dumps(entry())}, "entry_mismatch"),
    ],
)
def test_a_broken_row_of_the_run_table_is_named(tmp_path: Path, columns: dict[str, object], code: str) -> None:
    parsed = with_logs(tmp_path / "openclaw.sqlite", log_row(**columns))
    assert codes(parsed) == [code]
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    assert all(row["is_damaged"] == (code in ("no_run_record", "entry_mismatch")) for row in parsed.histories)


def detail(ms: int = START_MS, **fields: object) -> str:
    told: dict[str, object] = {"kind": "cron-run", "status": "ok", "completionStatus": "succeeded", "error": None}
    return json.dumps(told | {"summary": "done", "runAtMs": ms, "durationMs": 62_000} | fields)


def twin(ms: int = START_MS, **columns: object) -> dict[str, object]:
    name = f"cron-runlog-import:{JOB}:{ms + 900_000}:1"
    ended = {"run_id": name, "status": "failed", "started_at": ms, "ended_at": ms + 900_000, "error": None}
    return task_row(name, **ended | {"cleanup_after": None, "detail_json": detail(ms)} | columns)


def test_an_imported_twin_is_a_run_record_with_its_own_words_and_no_execution(tmp_path: Path) -> None:
    rows = {"task_runs": [task_row(), twin()]}
    parsed = read(database(tmp_path / "openclaw.sqlite", TASK_TABLE, META, rows=rows, version=18))
    assert parsed.form == "state/openclaw.sqlite without cron_run_logs"
    assert parsed.tasks is not None
    assert parsed.tasks.select("task_id", "is_twin").rows()[0] == (TASK, False)
    assert parsed.tasks["is_twin"].to_list() == [False, True]
    told = runs_of(parsed).select("line", "started_at", "finished_at", "duration_ms", "status", "origin", "run_id")
    assert told.rows() == [(2, at(START_MS), at(START_MS + 900_000), 62_000, "ok", "task_detail", None)]
    assert [(row["job_id"], row["origin"]) for row in parsed.histories] == [(JOB, "task_detail"), (None, "task_detail")]


def test_a_running_row_has_a_detail_but_no_record(tmp_path: Path) -> None:
    row = task_row(status="running", detail_json=json.dumps({"storeKey": STORE}))
    parsed = read(database(tmp_path / "openclaw.sqlite", TASK_TABLE, META, rows={"task_runs": [row]}, version=18))
    assert runs_of(parsed).is_empty()
    assert not any(history["is_damaged"] for history in parsed.histories)


def test_an_unreadable_detail_may_hide_a_record(tmp_path: Path) -> None:
    row = task_row(detail_json='{"kind": "cron-run", ')
    parsed = read(database(tmp_path / "openclaw.sqlite", TASK_TABLE, META, rows={"task_runs": [row]}, version=18))
    assert codes(parsed) == ["not_json"]
    assert all(history["is_damaged"] for history in parsed.histories)


def receipt(number: int, status: str, **columns: object) -> dict[str, object]:
    told = {"receipt_id": f"r{number}", "store_key": STORE, "job_id": JOB, "status": status, "owner_pid": 22_218}
    ended = None if status == "running" else START_MS + 62_000
    return told | {"started_at_ms": START_MS, "finished_at_ms": ended, "error_text": None} | columns


def test_an_ended_receipt_is_a_record_and_an_open_one_says_that_a_run_was_in_flight(tmp_path: Path) -> None:
    told = [receipt(1, "ok"), receipt(2, "interrupted", error_text="cron: owner"), receipt(3, "running")]
    rows = {"task_runs": [task_row()], "cron_run_receipts": [*told, receipt(4, "ok", job_id=None)]}
    parsed = read(database(tmp_path / "openclaw.sqlite", TASK_TABLE, RECEIPTS, rows=rows, version=18))
    records = runs_of(parsed).select("line", "status", "duration_ms", "error", "origin").rows()
    assert records == [(1, "ok", 62_000, None, "receipt"), (2, "interrupted", 62_000, "cron: owner", "receipt")]
    assert parsed.lifecycle is not None
    assert parsed.lifecycle.select("line", "kind", "job_id", "running_at", "pid").rows() == [
        (3, "receipt_open", JOB, at(START_MS), 22_218)
    ]
    assert noted_lines(parsed, "no_run_record") == [4, 4]
    assert_balance(parsed, records=4, rejected=1)


def job_row(**columns: object) -> dict[str, object]:
    schedule = {"kind": "cron", "expr": "0 9 * * *", "tz": "Europe/Paris"}
    job = {"id": JOB, "name": "digest", "enabled": True, "schedule": schedule, "payload": {"kind": "agentTurn"}}
    state = {"lastRunAtMs": START_MS, "lastRunStatus": "ok", "lastDurationMs": 62_000}
    told = {"store_key": STORE, "job_id": JOB, "name": "digest", "enabled": 1, "job_json": json.dumps(job)}
    return told | {"state_json": json.dumps(state), "updated_at": START_MS + 70_000} | columns


def test_the_job_table_gives_jobs_and_their_last_runs(tmp_path: Path) -> None:
    rows = {"task_runs": [task_row()], "cron_jobs": [job_row(), job_row(job_id="other", job_json="{")]}
    parsed = read(database(tmp_path / "openclaw.sqlite", TASK_TABLE, JOB_TABLE, rows=rows, version=18))
    assert parsed.jobs is not None
    told = parsed.jobs.select("line", "job_id", "name", "schedule_tz", "last_run_at", "updated_at").rows()
    assert told == [(1, JOB, "digest", "Europe/Paris", at(START_MS), at(START_MS + 70_000))]
    assert runs_of(parsed).select("line", "started_at", "status", "origin").rows() == [
        (1, at(START_MS), "ok", "job_state")
    ]
    assert codes(parsed) == ["not_json", "no_job_id"]
    assert_balance(parsed, records=2, rejected=1)


@pytest.mark.parametrize(
    ("app_version", "release"),
    [("2026.9.6", "2026.9.6"), ("2026.9.6\n3\n2026-09-23", "2026.9.6"), ("later", "2026.8.1 or later"), (None, None)],
)
def test_the_release_is_what_the_database_says_else_what_its_layout_shows(
    tmp_path: Path, app_version: str | None, release: str | None
) -> None:
    meta: list[dict[str, object]] = [{"meta_key": "primary", "app_version": app_version, "updated_at": START_MS}]
    rows: dict[str, list[dict[str, object]]] = {"task_runs": [task_row()], "schema_meta": meta}
    parsed = read(database(tmp_path / "openclaw.sqlite", TASK_TABLE, META, rows=rows, version=18))
    assert parsed.release == (release or "2026.8.1 or later")


def test_an_unknown_layout_is_read_by_name_and_its_silence_proves_nothing(tmp_path: Path) -> None:
    table = TASK_TABLE.replace("detail_json TEXT", "detail_json TEXT, verdict_of_the_future TEXT")
    parsed = read(database(tmp_path / "openclaw.sqlite", table, META, rows={"task_runs": [twin()]}, version=33))
    assert codes(parsed) == ["unknown_layout"]
    (notice,) = parsed.notices.closed()
    assert "schema version 33, verdict_of_the_future" in str(notice["message"])
    assert parsed.release is None
    assert runs_of(parsed).height == 1
    assert parsed.histories == []


def test_a_migrated_registry_is_read_with_its_renamed_write_ahead_log(tmp_path: Path) -> None:
    live = tmp_path / "live.sqlite"
    with closing(sqlite3.connect(live)) as opened:
        opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("PRAGMA wal_autocheckpoint=0")
        opened.execute(DDL_4_15)
        told = task_row()
        marks = ", ".join("?" * len(told))
        opened.execute(f"INSERT INTO task_runs ({', '.join(told)}) VALUES ({marks})", list(told.values()))
        opened.commit()
        for suffix in ("", "-wal"):
            (tmp_path / f"runs.sqlite{suffix}.migrated").write_bytes((tmp_path / f"live.sqlite{suffix}").read_bytes())
    path = tmp_path / "runs.sqlite.migrated"
    parsed = parse_task_registry(path, [path.with_name("runs.sqlite-wal.migrated")])
    assert parsed.records == 1
    assert codes(parsed) == []


def test_a_database_in_wal_mode_without_its_log_says_what_may_be_missing(tmp_path: Path) -> None:
    path = database(tmp_path / "runs.sqlite", DDL_4_15, rows={"task_runs": [task_row()]})
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA journal_mode=WAL")
    parsed = parse_task_registry(path, [])
    assert [(note["code"], note["level"]) for note in parsed.notices.rows] == [("wal_not_given", "warning")]
