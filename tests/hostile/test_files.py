"""Paths that are no plain files: nothing blocks, nothing aborts the rest, what is left out is named."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytest

from forensics.model.errors import NothingToReadError, UnreadableError
from forensics.parsers.cron_runs import parse_run_log
from forensics.parsers.detect import detect
from forensics.parsers.files import content_of, private_copy, sha256_of
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.task_export import parse_task_export
from forensics.parsers.task_registry import parse_task_registry
from tests.hostile.incident import assert_good_state_was_read, good_state, load_all, notices_of
from tests.parsers.shapes import log_line, run_entry, write_log, write_run_log


class _Listed(list[Any]):
    """A listing of a folder that was taken earlier."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing open."""


READERS = [
    *(content_of, sha256_of, detect, parse_run_log, parse_gateway_log, parse_task_export),
    lambda path: parse_task_registry(path, []),
    lambda path: parse_task_registry(path, [path]),
]


@pytest.fixture(autouse=True)
def _never_blocks() -> Iterator[None]:
    """Fail a test that waits on a pipe or a device."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        pytest.fail("reading blocked")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_on_a_pipe(tmp_path: Path, reader: object) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert callable(reader)
    with pytest.raises(UnreadableError, match="not a regular file"):
        reader(tmp_path / "pipe")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random", "/dev/tty"])
def test_no_reader_reads_a_device(device: str, reader: object) -> None:
    assert callable(reader)
    with pytest.raises(UnreadableError):
        reader(Path(device))


def test_a_pipe_that_replaces_a_file_after_it_was_looked_at_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_log(tmp_path / "file", "x")
    regular = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda _path, **_options: regular)
    assert content_of(path) == b""


def test_a_copy_of_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="not a regular file"), private_copy(tmp_path / "pipe"):
        pass


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_alone_is_nothing_to_read(path: str) -> None:
    with pytest.raises(NothingToReadError, match="not a regular file"):
        load_all(Path(path))


def test_pipes_sockets_and_links_to_nowhere_in_a_folder_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    os.mkfifo(state / "logs" / "a-pipe.log")
    (state / "logs" / "b-device.log").symlink_to("/dev/zero")
    (state / "cron" / "runs" / "c-nowhere.jsonl").symlink_to(state / "gone")
    (state / "tasks" / "d-itself.sqlite").symlink_to("d-itself.sqlite")
    (state / "tasks" / "e-one.sqlite").symlink_to("e-two.sqlite")
    (state / "tasks" / "e-two.sqlite").symlink_to("e-one.sqlite")
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    told = [message.removeprefix(f"{state}/") for message in notices_of(evidence, "unreadable")]
    assert [message.partition(":")[0] for message in told] == [
        "cron/runs/c-nowhere.jsonl",
        "logs/a-pipe.log",
        "logs/b-device.log",
        "tasks/d-itself.sqlite",
        "tasks/e-one.sqlite",
        "tasks/e-two.sqlite",
    ]


def test_a_socket_in_a_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = good_state(tmp_path / "state")
    monkeypatch.chdir(state / "logs")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("gateway.sock")
        evidence = load_all(state)
    assert_good_state_was_read(evidence)
    (message,) = notices_of(evidence, "unreadable")
    assert message == f"{state}/logs/gateway.sock: not a regular file; nothing of it is used"


@pytest.mark.parametrize("name", ["loop", "nowhere", "a\x00b", "x" * 300, ""])
def test_an_argument_that_cannot_be_a_path_does_not_spoil_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    state = good_state(tmp_path / "state")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    evidence = load_all(state, tmp_path / name if name else Path())
    assert_good_state_was_read(evidence)
    assert len(notices_of(evidence, "unreadable")) == (1 if name else 0)


def test_a_loop_of_folders_ends(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    (state / "logs" / "again").symlink_to(state)
    (state / "logs" / "up").symlink_to("..")
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert ["not followed" in message for message in notices_of(evidence, "unreadable")] == [True, True]
    assert evidence.tasks.height == 1


def test_links_to_one_file_under_two_names_count_once(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    log = state / "cron" / "runs"
    (original,) = log.iterdir()
    (log / "soft.jsonl").symlink_to(original)
    (log / "hard.jsonl").hardlink_to(original)
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert evidence.sources["kind"].to_list().count("cron_run_log") == 1


def test_file_names_that_are_no_text_are_shown_with_replacement_characters(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    folder = os.fsencode(state / "logs")
    names = [b"\xff\xfe.log", b"line\nbreak.log", b"\x1b[31mred.log", "\u202egnp.log".encode()]
    for name in names:
        with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123 - a name that is no text
            file.write(log_line("gateway", "starting...").encode())
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert evidence.sources["kind"].to_list().count("gateway_log") == 1 + len(names)
    assert f"{state}/logs/\ufffd\ufffd.log" in evidence.sources["path"].to_list()


def test_a_run_log_whose_name_is_no_text_is_read(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    with open(os.fsencode(state / "cron" / "runs") + b"/\xff.jsonl", "wb") as file:  # noqa: PTH123 - as above
        file.write(b"garbage\n")
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert "\ufffd" in evidence.sources["job_id"].to_list()


def test_a_state_directory_whose_name_is_no_text_is_a_gateway(tmp_path: Path) -> None:
    hostile = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xffstate"))
    evidence = load_all(good_state(hostile))
    assert_good_state_was_read(evidence)
    assert evidence.tasks["gateway"].to_list() == ["\ufffdstate"]


def test_names_of_evidence_can_be_folders(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    (state / "cron" / "runs" / "folder.jsonl").mkdir()
    (state / "tasks" / "runs.sqlite-journal").mkdir()
    (state / "tasks" / "runs.sqlite-shm").mkdir()
    evidence = load_all(state)
    assert_good_state_was_read(evidence)


def test_a_companion_that_is_a_pipe_is_left_alone(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    os.mkfifo(state / "tasks" / "runs.sqlite-wal")
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert len(notices_of(evidence, "unreadable")) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_read_permission_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    closed = write_log(state / "logs" / "closed" / "gateway.log", "x").parent
    closed.chmod(0)
    evidence = load_all(state)
    closed.chmod(0o700)
    assert_good_state_was_read(evidence)
    assert len(notices_of(evidence, "unreadable")) == 1


@pytest.mark.parametrize("name", ["logs/closed", "cron/runs"])
def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    state = good_state(tmp_path / "state")
    write_log(state / "logs" / "closed" / "gateway.log", "x")
    scandir = os.scandir

    def refuse(folder: Path | int) -> object:
        if folder == state / name:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    evidence = load_all(state)
    (message,) = notices_of(evidence, "unreadable")
    assert message.startswith(f"{state}/{name}: the folder cannot be listed")
    assert evidence.tasks.height == 1
    assert evidence.copies["has_run_logs"].to_list() == [name != "cron/runs"]


def test_a_file_that_vanishes_while_the_folder_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good_state(tmp_path / "state")
    doomed = write_run_log(state / "cron" / "runs" / "a-doomed.jsonl", run_entry(jobId="doomed"))
    original = os.scandir

    def list_then_delete(folder: Path | int) -> Any:
        if folder != doomed.parent:
            return original(folder)
        with original(folder) as listed:
            entries = list(listed)
        doomed.unlink(missing_ok=True)
        return _Listed(entries)

    monkeypatch.setattr(os, "scandir", list_then_delete)
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert len(notices_of(evidence, "unreadable")) == 1
