"""Journals that somebody has edited, cut or made up are refused, or change nothing; they never crash a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forensics.repair.apply import Target, apply_fix
from tests.repair.registries import lost_row, plan_for, rows_of, target_of, write_rows
from tests.support.command import forensics

TASKS = ["task-00001", "task-00003"]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(number) for number in range(5)])


@pytest.fixture
def fixed(registry: Path, tmp_path: Path) -> Target:
    target = target_of(registry, tmp_path / "before.sqlite")
    apply_fix(plan_for(registry, TASKS), target)
    return target


def edited(target: Target, edit: Callable[[Any], object]) -> Path:
    document = json.loads(target.journal.read_text("utf-8"))
    edit(document)
    made = target.journal.with_name("edited.json")
    made.write_text(json.dumps(document), "utf-8")
    return made


@pytest.mark.parametrize(
    "edit",
    [
        lambda told: told["rows"][0]["before"].pop("error"),
        lambda told: told["rows"][0]["after"].pop("error"),
        lambda told: told["rows"][0]["after"].update(label="x"),
        lambda told: told["rows"][1]["guards"].pop("label"),
        lambda told: told["rows"][1]["guards"].update(status="lost"),
        lambda told: [row["guards"].update(mine="x") for row in told["rows"]],
        lambda told: told["rows"].append(told["rows"][0]),
        lambda told: told.update(rows=[]),
        lambda told: told.update(rows={}),
        lambda told: told.update(rows=5),
        lambda told: told["rows"][0]["before"].update(ended_at=1 << 63),
        lambda told: told["rows"][0]["before"].update(ended_at={"real": "0x1p99999"}),
        lambda told: told["rows"][0]["before"].update(ended_at={"real": 5}),
        lambda told: told.update(policy=[]),
    ],
)
def test_a_journal_of_another_shape_is_refused(
    registry: Path, fixed: Target, tmp_path: Path, edit: Callable[[Any], object]
) -> None:
    before = rows_of(registry)
    for option in (("-o", tmp_path / "undo.sql"), ("--apply", registry, "--backup", tmp_path / "c.sqlite")):
        result = forensics("undo", edited(fixed, edit), *option)
        assert result.returncode == 4, result.stderr
        assert "is no journal that can be read" in result.stderr
    assert rows_of(registry) == before
    assert not (tmp_path / "undo.sql").exists()


@pytest.mark.parametrize("task_id", ["\ud800", {"text": "ff41"}, "gone"])
def test_rows_that_no_registry_can_hold_are_left_alone(
    registry: Path, fixed: Target, tmp_path: Path, task_id: object
) -> None:
    journal = edited(fixed, lambda told: told["rows"][0].update(task_id=task_id))
    result = forensics("undo", journal, "--apply", registry, "--backup", tmp_path / "c.sqlite")
    assert result.returncode == 0, result.stderr
    assert "(gone)" in result.stderr
    assert {row["status"] for row in (rows_of(registry)[TASKS[0]],)} == {"succeeded"}
    again = forensics("undo", journal, "--apply", registry, "--backup", tmp_path / "before.sqlite")
    assert again.returncode == 4, again.stderr


@pytest.mark.parametrize("path", ["\ud800", "a\0b", "x" * 5000])
def test_paths_that_are_none_do_no_harm(fixed: Target, tmp_path: Path, path: str) -> None:
    journal = edited(fixed, lambda told: (told["database"].update(path=path), told["backup"].update(path=path)))
    result = forensics("undo", journal, "-o", tmp_path / "undo.sql")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "undo.sql").exists()
