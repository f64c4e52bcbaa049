from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from forensics.model.verdicts import SourceKind as Kind
from forensics.parsers import placing
from forensics.parsers.detect import Found, find_files
from forensics.parsers.placing import Placed, place
from tests.parsers.shapes import JOB, log_line, run_entry, task_row, write_log, write_registry, write_run_log


def state_directory(folder: Path) -> Path:
    write_registry(folder / "tasks" / "runs.sqlite", task_row())
    write_run_log(folder / "cron" / "runs" / f"{JOB}.jsonl", run_entry())
    return folder


def kind_of(found: Found) -> Kind:
    kinds = {".sqlite": Kind.TASK_REGISTRY, ".jsonl": Kind.CRON_RUN_LOG, ".json": Kind.JOB_STORE}
    return kinds.get(found.path.suffix, Kind.GATEWAY_LOG)


def placed(*arguments: Path) -> Placed:
    files = [found for argument in arguments for found in find_files(str(argument), [])]
    return place([(found, kind_of(found)) for found in files], arguments)


def folders(roots: Iterable[Path]) -> dict[Path, str]:
    return placing._names(sorted(roots))


def test_one_state_directory_is_one_gateway_named_by_its_folder(tmp_path: Path) -> None:
    log = write_log(tmp_path / "elsewhere" / "gateway.log", log_line("gateway", "gateway ready"))
    assert placed(state_directory(tmp_path / "alpha"), log).gateways == ["alpha"] * 3


def test_files_without_a_registry_are_one_gateway(tmp_path: Path) -> None:
    one = write_log(tmp_path / "a" / "one.log", "x")
    two = write_run_log(tmp_path / "b" / "two.jsonl", run_entry())
    assert placed(one, two).gateways == ["gateway", "gateway"]


def test_with_two_registries_files_belong_to_the_one_they_lie_beside(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two")
    logs = [write_log(state / "logs" / "gateway.log", "x") for state in (one, two)]
    assert placed(one, two).gateways == ["one", "one", "one", "two", "two", "two"]
    assert placed(*logs, one, two).gateways[:2] == ["one", "two"]


def test_with_two_registries_a_file_beside_neither_belongs_to_none(tmp_path: Path) -> None:
    log = write_log(tmp_path / "logs" / "gateway.log", "x")
    told = placed(log, state_directory(tmp_path / "one"), state_directory(tmp_path / "two"))
    assert told.gateways == [None, "one", "one", "two", "two"]


def test_folders_of_the_same_name_are_told_apart_by_those_above(tmp_path: Path) -> None:
    told = placed(state_directory(tmp_path / "a" / "state"), state_directory(tmp_path / "b" / "state"))
    assert told.gateways == ["a/state", "a/state", "b/state", "b/state"]


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        (["/x/one"], ["one"]),
        (["/x/one", "/x/two"], ["one", "two"]),
        (["/state", "/a/state"], ["a/state", "/state"]),
        (["/a/b/state", "/c/b/state", "/c/d"], ["a/b/state", "c/b/state", "/c/d"]),
        ([], []),
    ],
)
def test_gateways_are_named_as_shortly_as_tells_them_apart(roots: list[str], expected: list[str]) -> None:
    assert sorted(folders(map(Path, roots)).values()) == sorted(expected)


def test_a_copy_tells_what_was_handed_over_with_it(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    (state / "cron" / "jobs.json").write_text("{}", encoding="utf-8")
    (copy,) = placed(state).copies
    assert copy == {"gateway": "state", "copy": str(state), "has_run_logs": True, "has_job_store": True}


def test_run_logs_beside_a_lone_registry_were_not_handed_over(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    (copy,) = placed(state / "tasks" / "runs.sqlite").copies
    assert (copy["has_run_logs"], copy["has_job_store"]) == (False, False)


def test_one_run_log_by_name_is_not_the_whole_folder(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    (copy,) = placed(state / "cron" / "runs" / f"{JOB}.jsonl").copies
    assert copy["has_run_logs"] is False


def test_an_empty_folder_of_run_logs_was_handed_over(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    (state / "cron" / "runs" / f"{JOB}.jsonl").unlink()
    (copy,) = placed(state).copies
    assert copy["has_run_logs"] is True


@pytest.mark.parametrize("linked", ["cron", "cron/runs"])
def test_run_logs_behind_a_link_to_a_folder_were_not_read(tmp_path: Path, linked: str) -> None:
    elsewhere = state_directory(tmp_path / "elsewhere")
    state = tmp_path / "state"
    write_registry(state / "tasks" / "runs.sqlite", task_row())
    (state / linked).parent.mkdir(exist_ok=True)
    (state / linked).symlink_to(elsewhere / linked)
    (copy,) = placed(state).copies
    assert copy["has_run_logs"] is False


def test_run_logs_in_a_folder_that_cannot_be_listed_were_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_directory(tmp_path / "state")
    (found,) = find_files(str(state / "tasks" / "runs.sqlite"), [])

    def refuse(_folder: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    (copy,) = place([(found, Kind.TASK_REGISTRY)], [state]).copies
    assert copy["has_run_logs"] is False


def test_what_belongs_to_no_gateway_is_no_copy(tmp_path: Path) -> None:
    lone = write_run_log(tmp_path / "lone" / "x.jsonl", run_entry())
    told = placed(lone, state_directory(tmp_path / "one"), state_directory(tmp_path / "two"))
    assert [copy["gateway"] for copy in told.copies] == ["one", "two"]
