from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forensics.model.schemas import TASKS, frame_of
from forensics.model.verdicts import SourceKind as Kind
from forensics.parsers import placing
from forensics.parsers.detect import Found, find_files
from forensics.parsers.parsed import Parsed
from forensics.parsers.placing import Placed, place
from tests.parsers.shapes import (
    JOB,
    START_MS,
    at,
    log_line,
    run_entry,
    task_row,
    write_log,
    write_registry,
    write_run_log,
)


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


def read(*arguments: Path, tasks: dict[str, list[str]], stores: dict[str, set[str]] | None = None) -> dict[str, Any]:
    """Place files of which it is known which tasks they hold and which cron stores they name; by the end of a path."""
    files = [(found, kind_of(found)) for argument in arguments for found in find_files(str(argument), [])]
    parsed = []
    for found, kind in files:
        ids = next((ids for end, ids in tasks.items() if found.shown.endswith(end)), [])
        known = next((known for end, known in (stores or {}).items() if found.shown.endswith(end)), set())
        frame = frame_of([{"task_id": task_id} for task_id in ids], TASKS)
        parsed.append(Parsed(kind, "", tasks=frame, stores=set(known)))
    told = place(files, arguments, parsed=parsed)
    above = f"{arguments[0].parent}/"
    return {found.shown.removeprefix(above): name for (found, _), name in zip(files, told.gateways, strict=True)}


def registry(folder: Path) -> Path:
    write_registry(folder / "tasks" / "runs.sqlite", task_row())
    return folder


def test_registries_that_share_a_task_are_copies_of_one_gateway_named_by_the_shortest_path(tmp_path: Path) -> None:
    state, snap = registry(tmp_path / "state"), registry(tmp_path / "snap" / "1764000000000-t330")
    log = write_log(tmp_path / "elsewhere" / "gateway.log", "x")
    told = read(state, snap, log, tasks={"state/tasks/runs.sqlite": ["a", "b"], "t330/tasks/runs.sqlite": ["b"]})
    assert set(told.values()) == {"state"}


def test_copies_are_found_however_they_are_connected(tmp_path: Path) -> None:
    states = [registry(tmp_path / name) for name in ("p", "q", "r", "s")]
    tasks = {"p/tasks/runs.sqlite": ["a"], "q/tasks/runs.sqlite": ["b"], "r/tasks/runs.sqlite": ["c"]}
    told = read(*states, tasks=tasks | {"s/tasks/runs.sqlite": ["b", "a"]})
    assert [told[f"{name}/tasks/runs.sqlite"] for name in "pqrs"] == ["p", "p", "r", "p"]


@pytest.mark.parametrize(
    ("of_p", "of_q", "apart"), [([3], [4], True), ([3], [], False), ([], [4], False), ([1], [4], False)]
)
def test_a_clone_that_went_on_by_itself_is_another_gateway(
    tmp_path: Path, of_p: list[int], of_q: list[int], apart: bool
) -> None:
    states = [registry(tmp_path / name) for name in ("p", "q")]
    files = [(found, kind_of(found)) for state in states for found in find_files(str(state), [])]

    def told(own: str, stamps: list[int]) -> Parsed:
        shared = [{"task_id": "shared", "created_at": at(START_MS + 2)}]
        rows = shared + [{"task_id": f"{own}{stamp}", "created_at": at(START_MS + stamp)} for stamp in stamps]
        return Parsed(Kind.TASK_REGISTRY, "", tasks=frame_of(rows, TASKS))

    of_folder = {"p": told("p", of_p), "q": told("q", of_q)}
    parsed = [of_folder[found.shown.split("/")[-3]] for found, _ in files]
    gateways = place(files, states, parsed=parsed).gateways
    assert (len(set(gateways)) == 2) is apart


def test_rows_without_an_id_connect_nothing(tmp_path: Path) -> None:
    states = [registry(tmp_path / name) for name in ("p", "q")]
    files = [(found, kind_of(found)) for state in states for found in find_files(str(state), [])]
    frame = frame_of([{"task_id": None}], TASKS)
    told = place(files, states, parsed=[Parsed(kind, "", tasks=frame) for _, kind in files])
    assert told.gateways == ["p", "q"]


def test_an_export_belongs_to_the_gateway_whose_tasks_it_shows_wherever_it_lies(tmp_path: Path) -> None:
    one, two = registry(tmp_path / "one"), registry(tmp_path / "two")
    export = write_log(one / "exports" / "list.export", "x")
    files = [(found, kind_of(found)) for state in (one, two) for found in find_files(str(state), [])]
    files.append((replace(files[0][0], path=export, home=export.parent), Kind.TASK_EXPORT))
    tasks = [["a"], ["b"], ["b", "z"]]
    parsed = [
        Parsed(kind, "", tasks=frame_of([{"task_id": task_id} for task_id in ids], TASKS))
        for (_, kind), ids in zip(files, tasks, strict=True)
    ]
    assert place(files, [one, two], parsed=parsed).gateways == ["one", "two", "two"]
    both = [*parsed[:2], Parsed(Kind.TASK_EXPORT, "", tasks=frame_of([{"task_id": i} for i in "ab"], TASKS))]
    assert place(files, [one, two], parsed=both).gateways == ["one", "two", None]


def test_a_log_beside_several_gateways_belongs_to_the_one_whose_logs_name_its_store(tmp_path: Path) -> None:
    one, two = registry(tmp_path / "one"), registry(tmp_path / "two")
    logs = [write_log(path, "x") for path in (one / "logs" / "1.log", two / "logs" / "2.log", tmp_path / "l" / "3.log")]
    tasks = {"one/tasks/runs.sqlite": ["a"], "two/tasks/runs.sqlite": ["b"]}
    told = read(one, two, logs[2], tasks=tasks, stores={"1.log": {"/x"}, "2.log": {"/y"}, "3.log": {"/y"}})
    assert told["l/3.log"] == "two"


@pytest.mark.parametrize(
    "stores",
    [
        {"1.log": {"/x"}, "2.log": {"/x"}, "3.log": {"/x"}},
        {"1.log": {"/x"}, "2.log": {"/y"}, "3.log": {"/z"}},
        {"1.log": {"/x"}, "3.log": {"/y"}},
        {"1.log": {"/x"}, "3.log": {"/x"}},
        {"1.log": {"/x"}, "2.log": {"/y"}},
    ],
)
def test_the_store_alone_proves_nothing_while_another_gateway_may_name_it(
    tmp_path: Path, stores: dict[str, set[str]]
) -> None:
    one, two = registry(tmp_path / "one"), registry(tmp_path / "two")
    logs = [write_log(path, "x") for path in (one / "logs" / "1.log", two / "logs" / "2.log", tmp_path / "l" / "3.log")]
    told = read(
        one, two, logs[2], tasks={"one/tasks/runs.sqlite": ["a"], "two/tasks/runs.sqlite": ["b"]}, stores=stores
    )
    assert told["l/3.log"] is None


def test_state_and_logs_side_by_side_in_one_folder_for_each_gateway(tmp_path: Path) -> None:
    for name in ("a", "b"):
        registry(tmp_path / "all" / name / "state")
        write_log(tmp_path / "all" / name / "logs" / "gateway.log", "x")
    assert placed(tmp_path / "all").gateways == ["a/state", "a/state", "b/state", "b/state"]


def test_a_gap_among_the_run_logs_takes_their_silence_away(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    files = [(found, kind_of(found)) for found in find_files(str(state), [])]
    for gap, whole in (
        (state / "cron" / "runs" / "x.jsonl", False),
        (state / "logs" / "x.log", True),
        (tmp_path, False),
    ):
        (copy,) = place(files, [state], gaps=[gap]).copies
        assert copy["has_run_logs"] is whole
