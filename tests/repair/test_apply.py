"""Applying a fix to a real file: refused unless it is safe, backed up first, all or nothing, with a journal."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from forensics.model.errors import RefusedError, UnreadableError
from forensics.model.journal import APPLIED, PREPARED, journal_text
from forensics.model.plan import Plan
from forensics.parsers.task_registry import raw_values
from forensics.repair import apply as applying
from forensics.repair.apply import Target, apply_fix, finished_earlier, read_journal
from forensics.repair.liveness import Sign
from tests.repair.registries import after, change, files_of, lost_row, plan_for, rows_of, target_of, write_rows

TASKS = ["task-00001", "task-00003"]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(number) for number in range(5)], wal=True)


@pytest.fixture
def target(registry: Path, tmp_path: Path) -> Target:
    return target_of(registry, tmp_path / "before.sqlite")


def test_planned_rows_change_and_nothing_else(registry: Path, target: Target) -> None:
    before, plan = rows_of(registry), plan_for(registry, TASKS)
    applied, rehearsal = apply_fix(plan, target)
    assert rows_of(registry) == after(before, plan)
    assert (rehearsal.rows, rehearsal.of_rows, rehearsal.other_tables) == (2, 5, 1)
    assert applied.warning is None


def test_backup_holds_the_registry_as_it_was_and_is_private(registry: Path, target: Target) -> None:
    before = rows_of(registry)
    apply_fix(plan_for(registry, TASKS), target)
    assert rows_of(target.backup) == before
    assert stat.S_IMODE(target.backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.journal.stat().st_mode) == 0o600


def test_nothing_is_left_beside_registry_and_backup(registry: Path, target: Target) -> None:
    apply_fix(plan_for(registry, TASKS), target)
    assert sorted(files_of(registry.parent)) == ["runs.sqlite"]
    beside = sorted(path.name for path in target.backup.parent.iterdir() if path.is_file())
    assert beside == ["before.sqlite", "before.sqlite.journal.json"]


def test_rows_that_lie_in_the_write_ahead_log_only_are_corrected_and_backed_up(tmp_path: Path) -> None:
    rows = [lost_row(number) for number in range(5)]
    source = write_rows(tmp_path / "source/runs.sqlite", [], wal=True)
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        for row in rows:
            names = ", ".join(row)
            writer.execute(f"INSERT INTO task_runs ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        copied = tmp_path / "copied/runs.sqlite"
        copied.parent.mkdir()
        for ending in ("", "-wal"):
            copied.with_name(copied.name + ending).write_bytes(source.with_name(source.name + ending).read_bytes())
    assert copied.with_name("runs.sqlite-wal").stat().st_size > 0
    target = target_of(copied, tmp_path / "before.sqlite")
    apply_fix(plan_for(copied, TASKS), target)
    assert {row["status"] for task_id, row in rows_of(copied).items() if task_id in TASKS} == {"succeeded"}
    assert {row["status"] for row in rows_of(target.backup).values()} == {"lost"}


def test_journal_tells_rows_hashes_and_moments(registry: Path, target: Target) -> None:
    plan = plan_for(registry, TASKS)
    applied, _ = apply_fix(plan, target)
    journal = read_journal(target.journal)
    assert journal == applied.journal
    assert journal.state == APPLIED
    assert [row.task_id for row in journal.rows] == TASKS
    assert [(row.before["status"], row.after["status"]) for row in journal.rows] == [("lost", "succeeded")] * 2
    assert journal.content_before != journal.content_after
    assert applying.plan_of(journal).rows == plan.rows


def refused(plan: Plan, target: Target, match: str) -> RefusedError:
    """Apply, and expect a refusal that leaves every file as it was."""
    root = target.database.parent.parent.parent
    before = files_of(root)
    with pytest.raises(RefusedError, match=match) as refusal:
        apply_fix(plan, target)
    assert files_of(root) == before
    return refusal.value


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE task_runs SET last_event_at = last_event_at + 1 WHERE task_id = 'task-00003'",
        "UPDATE task_runs SET label = 'renamed' WHERE task_id = 'task-00003'",
        "UPDATE task_runs SET status = 'succeeded' WHERE task_id = 'task-00003'",
        "UPDATE task_runs SET terminal_summary = x'00' WHERE task_id = 'task-00003'",
    ],
)
def test_a_drifted_row_blocks_all(registry: Path, target: Target, statement: str) -> None:
    plan = plan_for(registry, TASKS)
    change(registry, statement)
    refusal = refused(plan, target, r"task-00003 \(")
    assert refusal.hint is not None
    assert "read again" in refusal.hint


def test_a_missing_row_blocks_all(registry: Path, target: Target) -> None:
    plan = plan_for(registry, TASKS)
    change(registry, "DELETE FROM task_runs WHERE task_id = 'task-00003'")
    refused(plan, target, "task-00003 has no rows")


def test_a_row_that_stands_twice_blocks_all(tmp_path: Path) -> None:
    ddl = (
        "CREATE TABLE task_runs ("
        + ", ".join(lost_row(0))
        + (", child_session_key, parent_task_id, agent_id, progress_summary, terminal_summary, terminal_outcome)")
    )
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(1), lost_row(1)], ddl)
    refused(plan_for(registry, TASKS[:1]), target_of(registry, tmp_path / "b.sqlite"), "task-00001 has 2 rows")


@pytest.mark.parametrize(
    ("trigger", "match"),
    [
        (
            "UPDATE task_runs SET terminal_summary = 'mine' WHERE task_id = NEW.task_id",
            "did not take the planned values",
        ),
        ("UPDATE task_runs SET label = 'mine' WHERE task_id = 'task-00000'", "other rows of task_runs changed"),
        ("UPDATE task_runs SET owner_key = 'mine' WHERE task_id = NEW.task_id", "in column owner_key instead of"),
        ("INSERT INTO task_delivery_state VALUES (NEW.task_id, NULL, 1)", "table task_delivery_state changed"),
        ("SELECT RAISE(ABORT, 'hands off')", "hands off"),
    ],
)
def test_a_trigger_with_an_effect_of_its_own_is_refused(
    registry: Path, target: Target, trigger: str, match: str
) -> None:
    change(registry, f"CREATE TRIGGER meddle AFTER UPDATE ON task_runs BEGIN {trigger}; END")
    refused(plan_for(registry, TASKS), target, match)


def test_a_trigger_without_effect_views_and_extra_columns_do_no_harm(registry: Path, target: Target) -> None:
    change(registry, "CREATE TRIGGER idle AFTER UPDATE ON task_runs WHEN NEW.status = 'queued' BEGIN SELECT 1; END")
    change(registry, "CREATE VIEW lost AS SELECT * FROM task_runs WHERE status = 'lost'")
    change(registry, "ALTER TABLE task_runs ADD COLUMN mine TEXT DEFAULT 'x'")
    before, plan = rows_of(registry), plan_for(registry, TASKS)
    apply_fix(plan, target)
    assert rows_of(registry) == after(before, plan)


def test_a_column_that_stores_times_as_text_is_refused(tmp_path: Path) -> None:
    ddl = (
        "CREATE TABLE task_runs ("
        + ", ".join(
            f"{name} {'TEXT' if name in ('ended_at', 'task_id') else ''}"
            for name in [*lost_row(0), "child_session_key", "parent_task_id", "agent_id", "progress_summary"]
        )
        + ", terminal_summary, terminal_outcome)"
    )
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(1)], ddl)
    refused(plan_for(registry, TASKS[:1]), target_of(registry, tmp_path / "b.sqlite"), "planned values")


def test_unknown_layouts_are_refused(registry: Path, target: Target) -> None:
    plan = plan_for(registry, TASKS)
    change(registry, "PRAGMA user_version = 99")
    refused(plan, target, "schema version is 99")
    change(registry, "PRAGMA user_version = 0")
    change(registry, "ALTER TABLE task_runs DROP COLUMN progress_summary")
    refused(plan, target, "no column progress_summary")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, registry: Path) -> None:
    plan = plan_for(registry, TASKS)
    other = tmp_path / "state/tasks/other.sqlite"
    other.write_text("no database")
    refused(plan, target_of(other, tmp_path / "b.sqlite"), "is no SQLite database")


def test_a_damaged_registry_is_refused(tmp_path: Path) -> None:
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(number) for number in range(400)])
    plan = plan_for(registry, TASKS)
    content = bytearray(registry.read_bytes())
    content[-4096 * 3 : -4096 * 2] = bytes(4096)
    registry.write_bytes(content)
    refused(plan, target_of(registry, tmp_path / "b.sqlite"), "damaged|cannot be read")


@contextmanager
def held_by(registry: Path, statements: str) -> Iterator[None]:
    """Let another process hold the registry open."""
    code = (
        "import sqlite3, sys\n"
        f"database = sqlite3.connect({str(registry)!r}, isolation_level=None)\n"
        f"for statement in {statements!r}.split(';'): database.execute(statement).fetchall()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.kill()


@pytest.mark.parametrize(
    "statements",
    ["SELECT count(*) FROM task_runs", "BEGIN IMMEDIATE", "BEGIN; SELECT count(*) FROM task_runs"],
    ids=["idle", "writing", "reading"],
)
@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "unseen"])
def test_a_registry_that_another_process_has_open_is_refused(
    registry: Path, target: Target, statements: str, monkeypatch: pytest.MonkeyPatch, *, is_seen: bool
) -> None:
    if not is_seen:
        monkeypatch.setattr(applying, "signs_of_life", lambda *_: [])
        monkeypatch.setattr(applying, "_BUSY_SECONDS", 0.1)
    plan, before = plan_for(registry, TASKS), rows_of(registry)
    with held_by(registry, statements), pytest.raises(RefusedError, match=r"works on .* open|cannot be locked"):
        apply_fix(plan, target)
    assert rows_of(registry) == before
    assert not target.backup.exists()


def test_a_registry_that_changes_between_rehearsal_and_lock_is_refused(
    registry: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, lock = plan_for(registry, TASKS), applying._locked

    def late(database: Path) -> object:
        change(registry, "UPDATE task_runs SET label = 'late' WHERE task_id = 'task-00000'")
        return lock(database)

    monkeypatch.setattr(applying, "_locked", late)
    with pytest.raises(RefusedError, match="changed while the fix was rehearsed"):
        apply_fix(plan, target)
    assert {row["status"] for row in rows_of(registry).values()} == {"lost"}
    assert not target.backup.exists()


def test_an_existing_file_is_never_overwritten(registry: Path, target: Target) -> None:
    target.backup.write_text("precious")
    refused(plan_for(registry, TASKS), target, "exists and is no backup")
    assert target.backup.read_text() == "precious"


def test_a_refusal_leaves_even_the_write_ahead_log_as_it_is(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "source.sqlite", [lost_row(number) for number in range(5)], wal=True)
    copied = tmp_path / "state/tasks/runs.sqlite"
    copied.parent.mkdir(parents=True)
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("UPDATE task_runs SET label = 'in the log' WHERE task_id = 'task-00000'")
        for ending in ("", "-wal"):
            copied.with_name(copied.name + ending).write_bytes(source.with_name(source.name + ending).read_bytes())
    target = target_of(copied, tmp_path / "before.sqlite")
    target.backup.write_text("precious")
    refused(plan_for(copied, TASKS), target, "exists and is no backup")
    assert copied.with_name("runs.sqlite-wal").stat().st_size > 0


def test_a_gateway_that_starts_after_the_rehearsal_is_refused(
    registry: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, before = plan_for(registry, TASKS), rows_of(registry)
    looked = iter([[], [Sign("a gateway has started", None)]])
    monkeypatch.setattr(applying, "signs_of_life", lambda *_: next(looked))
    with pytest.raises(RefusedError, match="a gateway has started; nothing was changed"):
        apply_fix(plan, target)
    assert rows_of(registry) == before
    assert not target.backup.exists()


def test_the_backup_of_an_attempt_that_was_killed_is_taken(registry: Path, target: Target) -> None:
    target.backup.write_bytes(registry.read_bytes())
    apply_fix(plan_for(registry, TASKS), target)
    assert {row["status"] for row in rows_of(target.backup).values()} == {"lost"}


def test_a_folder_without_the_backups_is_named(registry: Path, tmp_path: Path) -> None:
    refused(plan_for(registry, TASKS), target_of(registry, tmp_path / "nowhere/b.sqlite"), "folder is missing")


def test_a_journal_that_was_not_completed_is_completed(registry: Path, target: Target) -> None:
    applied, _ = apply_fix(plan_for(registry, TASKS), target)
    text = journal_text(applied.journal).replace(f'"{APPLIED}"', f'"{PREPARED}"')
    target.journal.write_text(text)
    completed = finished_earlier(target)
    assert completed is not None
    assert read_journal(target.journal).state == APPLIED


def test_a_journal_of_an_attempt_that_changed_nothing_starts_anew(registry: Path, target: Target) -> None:
    before = registry.read_bytes()
    applied, _ = apply_fix(plan_for(registry, TASKS), target)
    target.journal.write_text(journal_text(applied.journal).replace(f'"{APPLIED}"', f'"{PREPARED}"'))
    registry.write_bytes(before)
    assert finished_earlier(target) is None
    apply_fix(plan_for(registry, TASKS), target)
    assert rows_of(registry)["task-00001"]["status"] == "succeeded"


def test_a_journal_that_other_changes_followed_is_refused(registry: Path, target: Target) -> None:
    apply_fix(plan_for(registry, TASKS), target)
    change(registry, "UPDATE task_runs SET status = 'failed' WHERE task_id = 'task-00001'")
    with pytest.raises(RefusedError, match="rows have changed since"):
        finished_earlier(target)


def test_a_file_that_is_no_journal_is_refused(target: Target) -> None:
    target.journal.write_text("[" * 100_000)
    with pytest.raises(RefusedError, match="no journal that can be read"):
        finished_earlier(target)


class Unsure(sqlite3.Connection):
    """A connection whose second commit (the first only takes the lock) is reported as failed, kept or not."""

    keeps = True
    commits = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.commits += 1
            if self.commits == 2:
                super().execute("COMMIT" if self.keeps else "ROLLBACK")
                raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)


class Failing(Unsure):
    keeps = False


@pytest.mark.parametrize("kind", [Unsure, Failing])
def test_what_a_failed_commit_left_is_told_from_the_file(
    registry: Path, target: Target, monkeypatch: pytest.MonkeyPatch, kind: type[Unsure]
) -> None:
    plan, before, connect = plan_for(registry, TASKS), rows_of(registry), sqlite3.connect

    def connected(path: str, **options: Any) -> sqlite3.Connection:
        is_registry = path == f"{registry.as_uri()}?mode=rw"
        opened: sqlite3.Connection = connect(path, **(options | {"factory": kind} if is_registry else options))
        return opened

    monkeypatch.setattr(sqlite3, "connect", connected)
    if kind is Failing:
        with pytest.raises(RefusedError, match=r"the commit failed and was rolled back: .*; nothing was changed"):
            apply_fix(plan, target)
        assert rows_of(registry) == before
        assert not target.journal.exists()
    else:
        apply_fix(plan, target)
        assert rows_of(registry) == after(before, plan)
        assert read_journal(target.journal).state == APPLIED


def test_a_failed_commit_that_cannot_be_looked_at_is_told_so(
    registry: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, read = plan_for(registry, TASKS), raw_values

    def broken(live: sqlite3.Connection) -> None:
        live.execute("ROLLBACK")
        raise applying._CommitError("disk I/O error")

    def unreadable(*given: Any) -> Any:
        if target.journal.exists():
            raise UnreadableError("Input/output error")
        return read(*given)

    monkeypatch.setattr(applying, "_commit", broken)
    monkeypatch.setattr(applying, "raw_values", unreadable)
    with pytest.raises(RefusedError, match="could not be seen") as refusal:
        apply_fix(plan, target)
    assert "run the same command again" in str(refusal.value.hint)
    assert read_journal(target.journal).state == PREPARED


def small_files(limit_bytes: int) -> Callable[[], None]:
    """Let no file of a process grow beyond a size, as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return limit


@pytest.mark.parametrize("share", [0.2, 0.9, 1.2])
def test_a_full_disk_leaves_the_registry_and_no_half_backup(tmp_path: Path, share: float) -> None:
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(number) for number in range(2000)], wal=True)
    plan = plan_for(registry, [f"task-{number:05d}" for number in range(2000)], terminal_summary="x" * 2000)
    journal = applying._journal("fix", plan, [(row, row.old, row.new) for row in plan.rows], "")
    told = tmp_path / "plan.json"
    told.write_text(journal_text(journal))
    before = rows_of(registry)
    limit_bytes = round(registry.stat().st_size * share)
    result = subprocess.run(
        [sys.executable, "-m", "tests.repair.attempt", registry, tmp_path / "before.sqlite", told],
        preexec_fn=small_files(limit_bytes),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
    )
    assert result.returncode == 4, result.stderr
    assert "nothing was changed" in result.stdout
    assert rows_of(registry) == before
    assert not list(tmp_path.glob("*part*"))
    assert not (tmp_path / "before.sqlite.journal.json").exists()


def test_a_registry_that_is_written_to_all_the_time_is_refused_or_consistent(registry: Path, target: Target) -> None:
    plan, stop = plan_for(registry, TASKS), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(registry, isolation_level=None, timeout=30)) as database:
            number = 100
            while not stop.is_set():
                row = lost_row(number := number + 1)
                names = ", ".join(row)
                database.execute(
                    f"INSERT INTO task_runs ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values())
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(RefusedError, match=r"cannot be|open;|changed|changing"):
            apply_fix(plan, target)
    finally:
        stop.set()
        writer.join()
    assert {rows_of(registry)[task_id]["status"] for task_id in TASKS} == {"lost"}
