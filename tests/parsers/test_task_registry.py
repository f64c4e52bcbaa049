from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from forensics.model.errors import UnreadableError
from forensics.model.schemas import TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_registry import parse_task_registry, raw_values
from tests.parsers.shapes import (
    DDL_4_8,
    DDL_4_15,
    DDL_UPGRADED,
    JOB,
    START_MS,
    TASK,
    assert_balance,
    at,
    codes,
    insert,
    noted_lines,
    task_row,
    write_registry,
    write_wal_registry,
)

LOST_AT = at(START_MS + 340_000)


def read(path: Path) -> Parsed:
    wal = path.with_name(path.name + "-wal")
    return parse_task_registry(path, [wal] if wal.exists() else [])


def assert_is_the_lost_row(parsed: Parsed) -> None:
    assert parsed.tasks is not None
    assert_schema(parsed.tasks, TASKS, "tasks")
    assert parsed.tasks.row(0, named=True) == {
        "gateway": None,
        "source": None,
        "line": 1,
        "task_id": TASK,
        "runtime": "cron",
        "job_id": JOB,
        "run_id": f"cron:{JOB}:{START_MS}",
        "agent_id": None,
        "session_key": None,
        "label": "digest",
        "status": "lost",
        "delivery_status": "not_applicable",
        "notify_policy": "silent",
        "created_at": at(START_MS),
        "started_at": at(START_MS),
        "ended_at": LOST_AT,
        "last_event_at": LOST_AT,
        "cleanup_after": at(START_MS + 340_000 + 604_800_000),
        "error": "backing session missing",
        "terminal_summary": None,
        "terminal_outcome": None,
        "registry": "store",
        "projected": False,
        "is_twin": False,
        "precision_ms": 1,
    }


@pytest.mark.parametrize("ddl", [DDL_4_15, DDL_4_8, DDL_UPGRADED], ids=["4.15", "4.8", "upgraded"])
def test_rows_are_read_by_column_name_in_every_layout(tmp_path: Path, ddl: str) -> None:
    parsed = read(write_registry(tmp_path / "runs.sqlite", task_row(), ddl=ddl))
    assert_is_the_lost_row(parsed)
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert (parsed.first_at, parsed.last_at) == (at(START_MS), LOST_AT)


def test_rows_that_are_in_the_write_ahead_log_only_are_read(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", [task_row(), task_row("second")], tmp_path / "live")
    parsed = read(path)
    assert_is_the_lost_row(parsed)
    assert_balance(parsed, records=2)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["runs.sqlite", "runs.sqlite-wal"]


@pytest.mark.parametrize("leave_empty_wal", [False, True])
def test_a_database_without_its_write_ahead_log_is_told_as_such(tmp_path: Path, leave_empty_wal: object) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", [task_row()], tmp_path / "live")
    wal = path.with_name("runs.sqlite-wal")
    wal.write_bytes(b"") if leave_empty_wal else wal.unlink()
    parsed = read(path)
    assert parsed.tasks is None
    assert parsed.kind is SourceKind.TASK_REGISTRY
    assert codes(parsed) == ["wal_missing"]
    assert_balance(parsed, records=0)


def test_missing_nullable_columns_are_null(tmp_path: Path) -> None:
    ddl = "CREATE TABLE task_runs (status TEXT, runtime TEXT, task_id TEXT PRIMARY KEY)"
    stored = {"task_id": TASK, "runtime": "cron", "status": "lost"}
    parsed = read(write_registry(tmp_path / "runs.sqlite", stored, ddl=ddl))
    assert parsed.tasks is not None
    row = parsed.tasks.row(0, named=True)
    assert (row["task_id"], row["runtime"], row["status"]) == (TASK, "cron", "lost")
    assert {row[name] for name in ("job_id", "run_id", "started_at", "ended_at", "cleanup_after", "error")} == {None}
    assert_balance(parsed, records=1)
    assert codes(parsed) == []


@pytest.mark.parametrize("column", ["task_id", "runtime", "status"])
def test_a_table_without_a_needed_column_is_not_read(tmp_path: Path, column: str) -> None:
    columns = [name for name in ("task_id", "runtime", "status") if name != column]
    ddl = f"CREATE TABLE task_runs ({' TEXT, '.join(columns)} TEXT)"
    parsed = read(write_registry(tmp_path / "runs.sqlite", dict.fromkeys(columns, "x"), ddl=ddl))
    assert parsed.tasks is None
    assert parsed.kind is SourceKind.UNKNOWN
    assert codes(parsed) == ["unknown_column_set"]


def test_an_empty_registry_holds_no_rows(tmp_path: Path) -> None:
    parsed = read(write_registry(tmp_path / "runs.sqlite"))
    assert parsed.tasks is not None
    assert parsed.tasks.height == 0
    assert_balance(parsed, records=0)
    assert codes(parsed) == []


def test_a_row_without_a_task_id_is_rejected(tmp_path: Path) -> None:
    parsed = read(write_registry(tmp_path / "runs.sqlite", task_row(), task_row(None)))
    assert_balance(parsed, records=1, rejected=1)
    assert codes(parsed) == ["no_task_id"]


@pytest.mark.parametrize(
    "value", ["soon", b"\x00\xff", 1.5, START_MS / 1000, START_MS // 1000, START_MS * 1000, -1, 0, 2**62, ""]
)
@pytest.mark.parametrize("column", ["created_at", "started_at", "ended_at", "last_event_at", "cleanup_after"])
def test_a_time_that_is_none_is_null_and_noted(tmp_path: Path, column: str, value: object) -> None:
    parsed = read(write_registry(tmp_path / "runs.sqlite", task_row("good"), task_row(**{column: value})))
    assert parsed.tasks is not None
    assert parsed.tasks[column].is_null().to_list() == [False, True]
    assert_balance(parsed, records=2)
    assert noted_lines(parsed, "out_of_range") == [2]
    assert column in str(parsed.notices.rows[0]["message"])


def test_the_line_of_a_row_is_its_rowid(tmp_path: Path) -> None:
    path = write_registry(tmp_path / "runs.sqlite", task_row("a"), task_row("b"), task_row("c"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM task_runs WHERE task_id = 'b'")
        database.commit()
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks.select("line", "task_id").rows() == [(1, "a"), (3, "c")]


def test_rows_of_other_runtimes_are_records_too(tmp_path: Path) -> None:
    path = write_registry(tmp_path / "runs.sqlite", task_row(), task_row("sub", runtime="subagent", source_id=None))
    assert_balance(read(path), records=2)


def test_a_registry_of_task_flows_is_no_task_registry(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE flow_runs (flow_id TEXT PRIMARY KEY)")
    parsed = read(path)
    assert parsed.kind is SourceKind.OTHER
    assert codes(parsed) == []
    assert_balance(parsed, records=0)


@pytest.mark.parametrize("ddl", ["CREATE TABLE notes (x)", "CREATE VIEW task_runs AS SELECT 1 AS task_id"])
def test_a_database_without_the_table_is_of_no_known_kind(tmp_path: Path, ddl: str) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE filler (x)")
        database.execute(ddl)
    parsed = read(path)
    assert parsed.kind is SourceKind.UNKNOWN
    assert codes(parsed) == ["no_task_table"]


def test_what_is_no_database_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(UnreadableError, match="damaged"):
        read(path)


def test_a_missing_registry_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        read(tmp_path / "runs.sqlite")


def test_raw_values_keep_type_and_bytes(tmp_path: Path) -> None:
    path = write_registry(tmp_path / "runs.sqlite", task_row(error=None, ended_at=1.5, label="it's\x00ü\n"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE task_runs SET terminal_summary = CAST(X'61FF62' AS TEXT), agent_id = X'00FF'")
        database.commit()
    columns = ["error", "ended_at", "label", "terminal_summary", "agent_id", "started_at", "no_such_column"]
    assert raw_values(path, [], [TASK, "absent"], columns) == {
        TASK: {
            "error": None,
            "ended_at": 1.5,
            "label": "it's\x00ü\n",
            "terminal_summary": "a\udcffb",
            "agent_id": b"\x00\xff",
            "started_at": START_MS,
        }
    }


def test_raw_values_see_the_write_ahead_log(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", [task_row()], tmp_path / "live")
    found = raw_values(path, [path.with_name("runs.sqlite-wal")], [TASK], ["status"])
    assert found == {TASK: {"status": "lost"}}


def test_a_row_changed_in_the_write_ahead_log_reads_as_changed(tmp_path: Path) -> None:
    live = write_registry(tmp_path / "live" / "runs.sqlite", task_row())
    path = tmp_path / "tasks" / "runs.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(live)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE task_runs SET status = 'succeeded'")
        insert(database, [task_row("second")])
        for name in ("runs.sqlite", "runs.sqlite-wal"):
            (path.parent / name).write_bytes((live.parent / name).read_bytes())
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks["status"].to_list() == ["succeeded", "lost"]
