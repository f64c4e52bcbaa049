"""Damaged and hostile databases: only the reading of that one file may suffer."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from forensics.model.errors import NothingToReadError, UnreadableError
from forensics.model.schemas import TASKS, assert_schema
from forensics.parsers.database import SQLITE_MAGIC
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_registry import parse_task_registry, raw_values
from tests.hostile.incident import assert_good_state_was_read, good_state, load_all, notices_of
from tests.parsers.shapes import DDL_4_15, JOB, TASK, codes, insert, task_row, write_registry, write_wal_registry

ROWS = 400


def big_registry(path: Path) -> Path:
    return write_registry(path, *(task_row(f"task-{n:04d}", label="x" * 100) for n in range(ROWS)))


def read(path: Path) -> Parsed:
    parsed = parse_task_registry(path, [path.with_name(path.name + "-wal")] if _has_wal(path) else [])
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    if parsed.tasks is not None:
        assert_schema(parsed.tasks, TASKS, "tasks")
    return parsed


def _has_wal(path: Path) -> bool:
    return path.with_name(path.name + "-wal").exists()


def read_or_refuse(path: Path) -> int | None:
    """Give how many rows were read; None where the file was refused as a whole."""
    try:
        return read(path).records
    except UnreadableError:
        return None


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_crash_the_reading(tmp_path: Path, seed: int) -> None:
    path = big_registry(tmp_path / "runs.sqlite")
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)  # noqa: S311 - a reproducible choice of damage
    for _ in range(chance.choice([1, 10, 500])):
        content[chance.randrange(16, len(content))] = chance.randrange(256)
    path.write_bytes(content)
    count = read_or_refuse(path)
    assert count is None or count <= 4 * ROWS


@pytest.mark.parametrize("page", range(2, 12))
def test_an_overwritten_page_is_told_and_the_rows_before_it_are_read(tmp_path: Path, page: int) -> None:
    path = big_registry(tmp_path / "runs.sqlite")
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    try:
        parsed = read(path)
    except UnreadableError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either way of telling is right
        return
    assert parsed.records == ROWS or codes(parsed)[0] == "damaged"


def test_a_damaged_leaf_costs_only_the_rows_from_there_on(tmp_path: Path) -> None:
    path = big_registry(tmp_path / "runs.sqlite")
    with closing(sqlite3.connect(path)) as database:
        pages = database.execute("SELECT count(*) FROM dbstat WHERE name = 'task_runs' AND pagetype = 'leaf'")
        (count,) = pages.fetchone() if _has_dbstat(database) else (None,)
    if count is None:
        pytest.skip("this SQLite tells no pages")
    content = bytearray(path.read_bytes())
    last = content.rfind(b"task-0399")
    start = last // 4096 * 4096
    content[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    parsed = read(path)
    assert 0 < parsed.records < ROWS
    assert codes(parsed)[0] == "damaged"


def _has_dbstat(database: sqlite3.Connection) -> bool:
    try:
        database.execute("SELECT 1 FROM dbstat LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


@pytest.mark.parametrize("size", [16, 17, 100, 512, 4095, 4096, 4097, 8192, 50_000])
def test_a_database_cut_at_any_length_never_crashes_the_reading(tmp_path: Path, size: int) -> None:
    path = big_registry(tmp_path / "runs.sqlite")
    path.write_bytes(path.read_bytes()[:size])
    count = read_or_refuse(path)
    assert count is None or count < ROWS


@pytest.mark.parametrize("rest", [b"", b"\x00" * 4080, b"\xff" * 4080, b"garbage" * 1000, SQLITE_MAGIC * 300])
def test_garbage_behind_the_magic_is_refused_or_holds_no_rows(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(SQLITE_MAGIC + rest)
    assert not read_or_refuse(path)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 4096, b"\x00" * 4096])
def test_a_damaged_database_beside_good_evidence_is_named(tmp_path: Path, damage: bytes) -> None:
    state = good_state(tmp_path / "state")
    (state / "tasks" / "copy.sqlite").write_bytes(SQLITE_MAGIC + damage)
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    source = evidence.sources.filter(pl.col("path").str.ends_with("copy.sqlite"))["id"].to_list()
    told = evidence.notices.filter(pl.col("source").is_in(source) & (pl.col("level") == "error"))
    assert told.height == 1


def test_a_damaged_database_alone_is_nothing_to_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(SQLITE_MAGIC + b"\xff" * 4096)
    with pytest.raises(NothingToReadError, match="damaged"):
        load_all(path)


@pytest.mark.parametrize("seed", range(15))
def test_a_damaged_write_ahead_log_never_crashes_the_reading(tmp_path: Path, seed: int) -> None:
    rows = [task_row(f"task-{n}") for n in range(50)]
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", rows, tmp_path / "live")
    wal = path.with_name("runs.sqlite-wal")
    content = bytearray(wal.read_bytes())
    chance = random.Random(seed)  # noqa: S311 - a reproducible choice of damage
    if seed % 3:
        content = content[: chance.randrange(len(content))]
    for _ in range(20 if seed % 2 else 0):
        content[chance.randrange(len(content))] ^= 0xFF
    wal.write_bytes(content)
    count = read_or_refuse(path)
    assert count is None or count <= 50


def test_a_write_ahead_log_of_another_database_is_not_mixed_in(tmp_path: Path) -> None:
    path = write_registry(tmp_path / "tasks" / "runs.sqlite", task_row())
    other = write_wal_registry(tmp_path / "other" / "runs.sqlite", [task_row("foreign")], tmp_path / "live")
    path.with_name("runs.sqlite-wal").write_bytes(other.with_name("runs.sqlite-wal").read_bytes()[:32])
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks["task_id"].to_list() == [TASK]


def test_a_database_in_the_place_of_a_write_ahead_log_is_survived(tmp_path: Path) -> None:
    path = write_registry(tmp_path / "runs.sqlite", task_row())
    path.with_name("runs.sqlite-wal").write_bytes(path.read_bytes())
    assert read(path).records == 1


def _with(path: Path, *statements: str) -> Path:
    write_registry(path, task_row())
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path


def test_triggers_views_indexes_and_more_columns_change_nothing(tmp_path: Path) -> None:
    path = _with(
        tmp_path / "runs.sqlite",
        "CREATE TRIGGER t AFTER UPDATE ON task_runs BEGIN DELETE FROM task_runs; END",
        "CREATE VIEW v AS SELECT load_extension('x') FROM task_runs",
        "CREATE INDEX i ON task_runs (status)",
        'ALTER TABLE task_runs ADD COLUMN "quoted "" \' name" TEXT',
        "ALTER TABLE task_runs ADD COLUMN shout TEXT GENERATED ALWAYS AS (upper(status))",
        "CREATE TABLE sqlar (name)",
    )
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks.select("line", "task_id", "status").rows() == [(1, TASK, "lost")]
    assert codes(parsed) == ["unknown_layout"]


@pytest.mark.parametrize("hidden", [["rowid"], ["ROWID"], ["rowid", "_rowid_"], ["rowid", "_rowid_", "oid"]])
def test_columns_that_hide_the_row_number_are_survived(tmp_path: Path, hidden: list[str]) -> None:
    path = _with(tmp_path / "runs.sqlite", *(f"ALTER TABLE task_runs ADD COLUMN {name} TEXT" for name in hidden))
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks["line"].to_list() == [1]
    assert codes(parsed) == ["unknown_layout"]


def test_a_table_without_row_numbers_is_numbered_by_its_key(tmp_path: Path) -> None:
    rows = [task_row("b"), task_row("a")]
    parsed = read(write_registry(tmp_path / "runs.sqlite", *rows, ddl=f"{DDL_4_15} WITHOUT ROWID"))
    assert parsed.tasks is not None
    assert parsed.tasks.select("line", "task_id").rows() == [(1, "a"), (2, "b")]


def test_a_virtual_table_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIRTUAL TABLE task_runs USING fts5(task_id, runtime, status)")
        insert(database, [{"task_id": "x", "runtime": "cron", "status": "lost"}])
    assert read_or_refuse(path) in (1, None)


@pytest.mark.parametrize("value", ["text", b"\x00\xff\xfe", 7, 7.5, "a\x00b", "", "\ufffe", "x" * 100_000])
def test_values_of_any_type_in_any_column_are_survived(tmp_path: Path, value: object) -> None:
    loose = DDL_4_15.replace(" TEXT", "").replace(" INTEGER", "")
    names = [name for name in task_row() if name != "task_id"]
    rows = [task_row(f"task {name}", **{name: value}) for name in names]
    path = write_registry(tmp_path / "runs.sqlite", *rows, task_row(), ddl=loose)
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.records == len(rows) + 1
    assert parsed.tasks["task_id"].to_list()[-1] == TASK
    out_of_range = [notice for notice in parsed.notices.closed() if notice["code"] == "out_of_range"]
    assert len(out_of_range) == 5


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xed\xa0\x80", b"a\x00b", b"\xc0\x80"])
@pytest.mark.parametrize("column", ["task_id", "source_id", "error", "status"])
def test_text_that_is_no_utf8_is_read_with_replacement_characters(tmp_path: Path, column: str, value: bytes) -> None:
    path = write_registry(tmp_path / "runs.sqlite", task_row("hostile"))
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE task_runs SET {column} = CAST(? AS TEXT)", [value])
        database.commit()
    parsed = read(path)
    assert parsed.tasks is not None
    name = {"source_id": "job_id"}.get(column, column)
    assert parsed.tasks[name].to_list() == [value.decode("utf-8", "replace")]


def test_a_table_of_blobs_is_survived(tmp_path: Path) -> None:
    row = dict.fromkeys(task_row(), b"\x00\x01\xff")
    parsed = read(write_registry(tmp_path / "runs.sqlite", row, ddl=DDL_4_15))
    assert parsed.records == 1
    assert codes(parsed) == ["out_of_range"]


def test_names_that_are_sql_are_only_names(tmp_path: Path) -> None:
    path = write_registry(tmp_path / "runs.sqlite", task_row("x' OR '1'='1"), task_row())
    found = raw_values(path, [], ["x' OR '1'='1", "no such"], ["status", "task_id"])
    assert found == {"x' OR '1'='1": {"status": "lost", "task_id": "x' OR '1'='1"}}


@pytest.mark.parametrize("name", ["a?mode=memory", "file:x", "a%20b", "a b'c\"d", "ü\u202e", ":memory:"])
def test_the_name_of_a_database_is_only_a_name(tmp_path: Path, name: str) -> None:
    assert read(write_registry(tmp_path / name, task_row())).records == 1


def test_a_database_left_in_the_middle_of_a_change_is_rolled_back_in_the_copy_only(tmp_path: Path) -> None:
    live = write_registry(tmp_path / "live" / "runs.sqlite", *(task_row(f"task-{n}") for n in range(200)))
    state = good_state(tmp_path / "state")
    path = state / "tasks" / "half.sqlite"
    with closing(sqlite3.connect(live, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.execute("UPDATE task_runs SET status = 'succeeded', source_id = 'half'")
        path.write_bytes(live.read_bytes())
        path.with_name("half.sqlite-journal").write_bytes((live.parent / "runs.sqlite-journal").read_bytes())
    before = path.read_bytes()
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    half = evidence.tasks.filter(pl.col("task_id").str.starts_with("task-"))
    assert half["status"].unique().to_list() == ["lost"]
    assert half["job_id"].unique().to_list() == [JOB]
    assert path.read_bytes() == before


def test_a_missing_and_a_lone_write_ahead_log_are_both_named(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    path = write_wal_registry(state / "tasks" / "copy.sqlite", [task_row("hidden")], tmp_path / "live")
    path.with_name("copy.sqlite-wal").rename(state / "tasks" / "lone.sqlite-wal")
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert len(notices_of(evidence, "wal_missing")) == 1
    assert len(notices_of(evidence, "wal_orphan")) == 1
    assert "hidden" not in evidence.tasks["task_id"].to_list()
