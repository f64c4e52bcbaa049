"""Taking a fix back, at once or after the gateway has run again: what changed since is left alone and listed."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from forensics.model.journal import UNDO
from forensics.model.plan import Plan
from forensics.repair.apply import Target, apply_fix, apply_undo, plan_of, read_journal
from forensics.writers.sql import write_undo
from tests.repair.registries import change, files_of, insert, lost_row, plan_for, rows_of, target_of, write_rows
from tests.support.command import forensics

TASKS = ["task-00001", "task-00002", "task-00003"]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(number) for number in range(5)], wal=True)


@pytest.fixture
def fixed(registry: Path, tmp_path: Path) -> Target:
    target = target_of(registry, tmp_path / "before.sqlite")
    apply_fix(plan_for(registry, TASKS), target)
    return target


def run_on(registry: Path) -> None:
    """Let a gateway run for a while: one corrected row changes, one is deleted, a new one appears."""
    change(registry, "UPDATE task_runs SET error = 'later', last_event_at = 5 WHERE task_id = 'task-00001'")
    change(registry, "DELETE FROM task_runs WHERE task_id = 'task-00002'")
    change(registry, "UPDATE task_runs SET owner_key = 'system:cron:' || source_id")
    with closing(sqlite3.connect(registry)) as database:
        insert(database, "task_runs", lost_row(9))
        database.commit()


def plan_of_journal(fixed: Target) -> Plan:
    return plan_of(read_journal(fixed.journal))


def test_undo_at_once_restores_every_byte(registry: Path, fixed: Target, tmp_path: Path) -> None:
    back = target_of(registry, tmp_path / "corrected.sqlite")
    applied, undoing = apply_undo(plan_of_journal(fixed), back, fixed.journal)
    assert rows_of(registry) == rows_of(fixed.backup)
    assert applied is not None
    assert (len(undoing.due), undoing.done, undoing.left) == (3, (), ())
    journal = read_journal(back.journal)
    assert (journal.action, journal.undoes) == (UNDO, str(fixed.journal))
    assert [(row.before["status"], row.after["status"]) for row in journal.rows] == [("succeeded", "lost")] * 3


def test_rows_that_changed_since_are_left_alone_and_listed(registry: Path, fixed: Target, tmp_path: Path) -> None:
    run_on(registry)
    before = rows_of(registry)
    lost = rows_of(fixed.backup)["task-00003"]
    _, undoing = apply_undo(plan_of_journal(fixed), target_of(registry, tmp_path / "c.sqlite"), fixed.journal)
    assert rows_of(registry) == before | {"task-00003": lost | {"owner_key": before["task-00003"]["owner_key"]}}
    told = {row.task_id: columns for row, columns in undoing.left}
    assert told == {"task-00001": ("last_event_at", "error"), "task-00002": ()}


def test_the_script_does_the_same_and_lists_the_same(registry: Path, fixed: Target, tmp_path: Path) -> None:
    run_on(registry)
    before = rows_of(registry)
    script = tmp_path / "undo.sql"
    script.write_text(write_undo(plan_of_journal(fixed)), "utf-8")
    for said in ("1 of 3 rows restored", "nothing to restore, 2 of 3 rows have changed since"):
        with script.open() as commands:
            result = subprocess.run(
                ["sqlite3", "-bail", str(registry)], stdin=commands, capture_output=True, text=True, check=False
            )
        assert result.returncode == 0, result.stderr
        assert said in result.stdout
        assert "changed since: task-00001 (last_event_at, error)" in result.stdout
        assert "gone: task-00002" in result.stdout
        after = rows_of(registry)
        assert {task_id for task_id in after if after[task_id] != before[task_id]} == {"task-00003"}
        assert after["task-00003"]["status"] == "lost"


def test_undo_twice_touches_nothing_the_second_time(registry: Path, fixed: Target, tmp_path: Path) -> None:
    plan = plan_of_journal(fixed)
    apply_undo(plan, target_of(registry, tmp_path / "c.sqlite"), fixed.journal)
    before = files_of(tmp_path)
    applied, undoing = apply_undo(plan, target_of(registry, tmp_path / "d.sqlite"), fixed.journal)
    assert applied is None
    assert len(undoing.done) == 3
    assert files_of(tmp_path) == before


def test_the_command_tells_what_it_left_alone(registry: Path, fixed: Target, tmp_path: Path) -> None:
    run_on(registry)
    result = forensics("undo", fixed.journal, "--apply", registry, "--backup", tmp_path / "c.sqlite")
    assert result.returncode == 0, result.stderr
    assert "left alone: task-00001 (changed since in last_event_at, error)" in result.stderr
    assert "left alone: task-00002 (gone)" in result.stderr
    assert "1 row restored, 0 as before already, 2 left alone" in result.stderr
    assert rows_of(registry)["task-00003"]["status"] == "lost"


def test_the_command_writes_the_script_too(registry: Path, fixed: Target, tmp_path: Path) -> None:
    before = files_of(registry.parent)
    result = forensics("undo", fixed.journal, "-o", tmp_path / "undo.sql")
    assert result.returncode == 0, result.stderr
    assert files_of(registry.parent) == before
    with closing(sqlite3.connect(registry)) as database:
        database.executescript((tmp_path / "undo.sql").read_text("utf-8"))
    assert {row["status"] for row in rows_of(registry).values()} == {"lost"}


def test_an_undo_cannot_be_undone_by_its_journal(registry: Path, fixed: Target, tmp_path: Path) -> None:
    back = target_of(registry, tmp_path / "c.sqlite")
    apply_undo(plan_of_journal(fixed), back, fixed.journal)
    result = forensics("undo", back.journal, "--apply", registry, "--backup", tmp_path / "d.sqlite")
    assert result.returncode == 2
    assert "tells of an undo" in result.stderr
    assert "run fix again" in result.stderr
