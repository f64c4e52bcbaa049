"""Names that would make an apply destroy a file, or take the registry for its own backup."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from forensics.model.errors import RefusedError
from forensics.model.journal import FIX, UNDO
from forensics.repair.apply import Target, apply_fix, apply_undo, finished_earlier, plan_of, read_journal
from tests.repair.registries import files_of, lost_row, plan_for, rows_of, target_of, write_rows

TASKS = ["task-00001", "task-00003"]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(number) for number in range(5)])


def refused(database: Path, backup: Path, match: str, root: Path) -> None:
    plan, before = plan_for(database, TASKS), files_of(root)
    with pytest.raises(RefusedError, match=match):
        apply_fix(plan, target_of(database, backup))
    assert files_of(root) == before


def test_a_hard_link_to_the_registry_is_no_backup_of_it(registry: Path, tmp_path: Path) -> None:
    os.link(registry, tmp_path / "before.sqlite")
    refused(registry, tmp_path / "before.sqlite", "2 names", tmp_path)


def test_a_registry_that_a_snapshot_shares_is_not_changed(registry: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot/runs.sqlite"
    snapshot.parent.mkdir()
    os.link(registry, snapshot)
    refused(registry, tmp_path / "before.sqlite", "2 names", tmp_path)


def test_a_link_to_the_registry_is_no_backup_of_it(registry: Path, tmp_path: Path) -> None:
    (tmp_path / "before.sqlite").symlink_to(registry)
    refused(registry, tmp_path / "before.sqlite", "would take the place", tmp_path)


@pytest.mark.parametrize("ending", ["", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("by_link", [False, True])
def test_a_backup_never_takes_the_place_of_a_file_of_the_registry(
    registry: Path, tmp_path: Path, ending: str, *, by_link: bool
) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(registry)
    refused(
        link if by_link else registry,
        registry.with_name(registry.name + ending),
        "would take the place",
        tmp_path,
    )


@pytest.mark.parametrize(
    "name",
    [
        "before.sqlite.forensics-part",
        "before.sqlite.journal.json",
        "before.sqlite.journal.json.forensics-part",
        "before.sqlite-wal",
    ],
)
def test_a_registry_is_not_lost_by_its_own_name(tmp_path: Path, name: str) -> None:
    registry = write_rows(tmp_path / name, [lost_row(number) for number in range(5)])
    refused(registry, tmp_path / "before.sqlite", "would take the place", tmp_path)


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_what_sqlite_would_read_into_the_backup_is_refused(registry: Path, tmp_path: Path, ending: str) -> None:
    (tmp_path / f"before.sqlite{ending}").write_bytes(b"of a file that is gone")
    refused(registry, tmp_path / "before.sqlite", "a part of the backup", tmp_path)


def test_a_link_leads_to_the_registry_with_its_write_ahead_log(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "source.sqlite", [], wal=True)
    registry = tmp_path / "state/tasks/runs.sqlite"
    registry.parent.mkdir(parents=True)
    with closing(connect(source, isolation_level=None)) as writer:
        for row in (lost_row(number) for number in range(5)):
            names = ", ".join(row)
            writer.execute(f"INSERT INTO task_runs ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        for ending in ("", "-wal"):
            copied = registry.with_name(registry.name + ending)
            copied.write_bytes(source.with_name(source.name + ending).read_bytes())
    link = tmp_path / "link.sqlite"
    link.symlink_to(registry)
    plan = plan_for(registry, TASKS)
    apply_fix(plan, target_of(link, tmp_path / "before.sqlite"))
    assert link.is_symlink()
    assert {rows_of(registry)[task_id]["status"] for task_id in TASKS} == {"succeeded"}


def fixed(registry: Path, backup: Path, tasks: list[str]) -> Target:
    target = target_of(registry, backup)
    apply_fix(plan_for(registry, tasks), target)
    return target


def test_the_journal_of_a_change_outlives_its_backup(registry: Path, tmp_path: Path) -> None:
    target = fixed(registry, tmp_path / "before.sqlite", TASKS[:1])
    target.backup.rename(tmp_path / "elsewhere.sqlite")
    before = files_of(tmp_path)
    with pytest.raises(RefusedError, match="tells of an earlier change"):
        apply_fix(plan_for(registry, TASKS[1:]), target)
    assert files_of(tmp_path) == before


def test_an_undo_never_takes_the_journal_of_the_fix_for_its_own(registry: Path, tmp_path: Path) -> None:
    target = fixed(registry, tmp_path / "before.sqlite", TASKS)
    target.backup.unlink()
    before, plan = files_of(tmp_path), plan_of(read_journal(target.journal))
    with pytest.raises(RefusedError, match="the journal of a fix"):
        finished_earlier(target, UNDO)
    with pytest.raises(RefusedError, match="the journal of a fix"):
        apply_undo(plan, target, target.journal)
    assert files_of(tmp_path) == before


def test_a_fix_never_takes_the_journal_of_an_undo_for_its_own(registry: Path, tmp_path: Path) -> None:
    target = fixed(registry, tmp_path / "before.sqlite", TASKS)
    back = target_of(registry, tmp_path / "corrected.sqlite")
    apply_undo(plan_of(read_journal(target.journal)), back, target.journal)
    with pytest.raises(RefusedError, match="the journal of an undo"):
        finished_earlier(back, FIX)


def test_a_pipe_is_no_backup_and_nobody_waits_for_it(registry: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "before.sqlite")
    refused(registry, tmp_path / "before.sqlite", "is no file", tmp_path)
