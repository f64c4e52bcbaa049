from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from forensics import load_evidence
from forensics.model.errors import UnreadableError
from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import Found, Unread, detect, find_files, is_run_log_place, left_out
from tests.parsers.shapes import (
    JOB,
    TASK,
    log_line,
    run_entry,
    task_row,
    write_log,
    write_registry,
    write_run_log,
    write_wal_registry,
)

ROOT = Path(__file__).parent.parent.parent
STORE = {"version": 1, "jobs": []}
EXPORT: dict[str, object] = {"count": 0, "runtime": None, "status": None, "tasks": []}
AUDIT = {"count": 0, "summary": {"total": 0}, "findings": []}
ROW = {"taskId": TASK, "runtime": "cron", "status": "lost"}


def found_in(argument: Path) -> tuple[list[Found], list[Unread]]:
    unread: list[Unread] = []
    return list(find_files(str(argument), unread)), unread


def names(argument: Path) -> list[str]:
    found, unread = found_in(argument)
    assert unread == []
    return [file.shown.removeprefix(str(argument)).removeprefix("/") for file in found]


def state_directory(folder: Path) -> Path:
    write_registry(folder / "tasks" / "runs.sqlite", task_row())
    write_run_log(folder / "cron" / "runs" / f"{JOB}.jsonl", run_entry())
    (folder / "cron" / "jobs.json").write_text(json.dumps(STORE), encoding="utf-8")
    write_log(folder / "logs" / "gateway.log", log_line("gateway", "gateway ready"))
    return folder


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (json.dumps(run_entry()), SourceKind.CRON_RUN_LOG),
        ("\n\ngarbage\n" + json.dumps(run_entry(action="started")), SourceKind.CRON_RUN_LOG),
        (log_line("gateway", "gateway ready"), SourceKind.GATEWAY_LOG),
        ("torn\n" * 20 + log_line("gateway", "gateway ready"), SourceKind.GATEWAY_LOG),
        ('{"time":"x","level":"info","subsystem":"gateway","message":"x"}\n', SourceKind.GATEWAY_LOG),
        (json.dumps(STORE), SourceKind.JOB_STORE),
        ("\ufeff" + json.dumps(STORE, indent=2), SourceKind.JOB_STORE),
        (json.dumps({"version": 1, "jobs": {}}), SourceKind.JOB_STATE),
        (json.dumps(EXPORT, indent=2), SourceKind.TASK_EXPORT),
        ("[warn] gateway not reachable\n" + json.dumps(EXPORT, indent=2), SourceKind.TASK_EXPORT),
        (json.dumps(AUDIT), SourceKind.TASK_EXPORT),
        (json.dumps(ROW), SourceKind.TASK_EXPORT),
        (json.dumps({"gateway": {"port": 18789}}), SourceKind.OTHER),
        ("", SourceKind.OTHER),
        ("23:41:21 [gateway] received SIGUSR1; restarting\n", SourceKind.GATEWAY_CONSOLE),
        ("23:41:21 restarted the gateway by hand\n", SourceKind.UNKNOWN),
        (json.dumps(STORE)[:-3], SourceKind.UNKNOWN),
        ("[1, 2, 3]", SourceKind.UNKNOWN),
        ("\x00\x01\x02 binary", SourceKind.UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["file", "runs.sqlite", "jobs.json", "gateway.log", "x.jsonl"])
def test_a_file_is_recognised_by_its_content_whatever_its_name(
    tmp_path: Path, content: str, kind: SourceKind, name: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    is_database = not content and name == "runs.sqlite"
    assert detect(tmp_path / name).kind is (SourceKind.TASK_REGISTRY if is_database else kind)


def test_databases_and_their_companions_are_recognised(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "a", [task_row()], tmp_path / "live")
    (tmp_path / "shm").write_bytes(b"\x18\xe2\x2d\x00" + b"\x00" * 100)
    assert detect(path).kind is SourceKind.TASK_REGISTRY
    assert detect(path.with_name("a-wal")).kind is SourceKind.TASK_REGISTRY_WAL
    assert detect(tmp_path / "shm").kind is SourceKind.OTHER


def test_a_log_padded_with_zeros_by_a_power_loss_is_still_one(tmp_path: Path) -> None:
    path = write_run_log(tmp_path / "log", run_entry(), b"\x00" * 4096)
    assert detect(path).kind is SourceKind.CRON_RUN_LOG


@pytest.mark.parametrize("length", [100_000, 600_000])
def test_a_first_line_of_any_length_is_recognised(tmp_path: Path, length: int) -> None:
    path = write_run_log(tmp_path / "log", run_entry(summary="x" * length), run_entry())
    assert detect(path).kind is SourceKind.CRON_RUN_LOG
    log = write_log(tmp_path / "gateway.log", log_line("plugins", "x" * length))
    assert detect(log).kind is SourceKind.GATEWAY_LOG


def test_a_long_export_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(EXPORT | {"tasks": [ROW | {"error": "x" * 1000}] * 600}, indent=2), encoding="utf-8")
    assert detect(path).kind is SourceKind.TASK_EXPORT


@pytest.mark.parametrize("content", [b"garbage\n", b"\x00" * 500, b"{}", b"\xff\xfe\n"])
def test_a_damaged_run_log_is_known_by_its_place(tmp_path: Path, content: bytes) -> None:
    path = write_run_log(tmp_path / "cron" / "runs" / f"{JOB}.jsonl", content)
    assert detect(path).kind is SourceKind.CRON_RUN_LOG


def test_an_empty_file_in_the_place_of_run_logs_is_one_that_lost_its_records(tmp_path: Path) -> None:
    assert detect(write_run_log(tmp_path / "cron" / "runs" / f"{JOB}.jsonl")).kind is SourceKind.CRON_RUN_LOG


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("state/cron/runs/x.jsonl", True),
        ("state/cron/runs/x.jsonl.gz", True),
        ("state/cron/runs/x.jsonl.123.tmp", False),
        ("state/cron/runs/history.db", False),
        ("state/runs/x.jsonl", False),
        ("cron/runs/old/x.jsonl", False),
    ],
)
def test_run_logs_lie_in_cron_runs(path: str, expected: object) -> None:
    assert is_run_log_place(Path(path)) is expected


def test_a_missing_file_cannot_be_recognised(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        detect(tmp_path / "missing")


def test_a_missing_argument_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file"):
        found_in(tmp_path / "missing")


def test_a_folder_gives_all_its_files_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b", "a/z", "a/b/c", "c"):
        write_log(tmp_path / name, "x")
    assert names(tmp_path) == ["a/b/c", "a/z", "b", "c"]


def test_of_a_state_directory_only_folders_with_evidence_are_entered(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    for name in ("agents/main/sessions/x.jsonl", "workspace/notes.txt", "tmp/x.lock", "flows/registry.sqlite"):
        write_log(state / name, "x")
    assert names(state) == [
        "cron/jobs.json",
        f"cron/runs/{JOB}.jsonl",
        "flows/registry.sqlite",
        "logs/gateway.log",
        "tasks/runs.sqlite",
        "tmp/x.lock",
    ]
    assert left_out(str(state)) == ["agents", "workspace"]
    assert left_out(str(tmp_path)) == []


def test_a_state_directory_inside_a_folder_is_entered_likewise(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "collected" / "state")
    write_log(state / "agents" / "x.jsonl", "x")
    write_log(tmp_path / "collected" / "agents" / "notes.txt", "x")
    assert "state/agents/x.jsonl" not in names(tmp_path / "collected")
    assert "agents/notes.txt" in names(tmp_path / "collected")


def test_files_know_the_folder_they_were_copied_with(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    for argument in (state, tmp_path, state / "cron" / "runs", state / "tasks" / "runs.sqlite", state / "cron"):
        found, _ = found_in(argument)
        assert {file.copy_root for file in found} == {state}


def test_a_copy_is_shown_as_the_argument_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_directory(tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    for argument in ("state", "state/", "state/cron/runs", "state/tasks/runs.sqlite"):
        assert {file.copy for file in find_files(argument, [])} == {"state"}
    assert {file.copy for file in find_files(".", [])} == {"./state"}


def test_only_a_file_that_was_named_itself_is_explicit(tmp_path: Path) -> None:
    path = write_log(tmp_path / "gateway.log", "x")
    assert [file.explicit for file in found_in(path)[0]] == [True]
    assert [file.explicit for file in found_in(tmp_path)[0]] == [False]


def test_a_link_to_a_file_gives_the_file_itself(tmp_path: Path) -> None:
    real = write_registry(tmp_path / "elsewhere" / "real.sqlite", task_row())
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "runs.sqlite").symlink_to(real)
    (file,) = found_in(tmp_path / "given")[0]
    assert file.path == real
    assert file.shown.endswith("given/runs.sqlite")
    assert file.copy_root == tmp_path / "given"


def test_links_to_folders_are_told_and_not_followed(tmp_path: Path) -> None:
    write_log(tmp_path / "elsewhere" / "gateway.log", "x")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "logs").symlink_to(tmp_path / "elsewhere")
    found, unread = found_in(tmp_path / "given")
    assert found == []
    assert [(skipped.shown.rpartition("/")[2], "not followed" in skipped.why) for skipped in unread] == [("logs", True)]


def test_a_database_with_a_view_is_only_recognised_as_a_database(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIEW task_runs AS SELECT 1")
    assert detect(path).kind is SourceKind.TASK_REGISTRY


@pytest.mark.parametrize("name", ["fix-every-verdict.sql", "undo-every-verdict.sql"])
def test_a_script_of_fix_that_lies_beside_the_evidence_is_none_and_no_problem(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "samples" / "founding-same-run", tmp_path / "evidence")
    calm = load_evidence([str(tmp_path / "evidence")]).notices
    shutil.copy(ROOT / "tests" / "golden" / name, tmp_path / "evidence")
    assert detect(tmp_path / "evidence" / name).kind is SourceKind.OTHER
    assert load_evidence([str(tmp_path / "evidence")]).notices.equals(calm)


@pytest.mark.usefixtures("at_root")
def test_the_maker_of_the_samples_is_no_evidence_and_no_problem() -> None:
    """It holds SQL that begins like a dump of a registry."""
    told = load_evidence(["samples"]).notices.filter(pl.col("message").str.contains("make_samples"))
    assert told.select("level", "code").unique().rows() == [("info", "unknown_kind")]
