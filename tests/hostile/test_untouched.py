"""Reading leaves no trace: content, names and time stamps of the evidence stay as they were."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from forensics.parsers.detect import detect
from forensics.parsers.files import content_of
from forensics.parsers.task_registry import raw_values
from tests.hostile.incident import assert_good_state_was_read, good_state, load_all
from tests.parsers.shapes import TASK, log_line, task_row, write_registry, write_wal_registry

LONG_AGO_NS = 1_500_000_000_123_456_789
Trace = dict[str, tuple[str, int, int, int]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state directory with every kind of evidence, all of it last read long before it was written."""
    folder = good_state(tmp_path / "state")
    write_wal_registry(folder / "tasks" / "live.sqlite", [task_row("in the log")], tmp_path / "live")
    write_registry(folder / "tasks" / "copy.sqlite", task_row("in the copy"))
    (folder / "logs" / "latin-1.log").write_bytes(log_line("gateway", "caf\xe9").encode("latin-1"))
    (folder / "logs" / "damaged.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)
    (folder / "logs" / "garbage.log").write_bytes(b"\x00\xff garbage")
    (folder / "cron" / "export.json").write_text('{"count": 0, "tasks": []}', encoding="utf-8")
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS + 10**18))
    return folder


def trace_of(folder: Path, *, accessed: bool = False) -> Trace:
    """Give hash, size, time of change and, if asked for, of access of every file below a folder."""
    stats = {path: path.stat() for path in sorted(folder.rglob("*"))}
    return {
        path.relative_to(folder).as_posix(): (
            "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest(),
            found.st_mtime_ns,
            found.st_ino,
            found.st_atime_ns if accessed and not path.is_dir() else 0,
        )
        for path, found in stats.items()
    }


def read_everything(state: Path) -> None:
    assert_good_state_was_read(load_all(state))
    live = state / "tasks" / "live.sqlite"
    wal = live.with_name("live.sqlite-wal")
    assert raw_values(live, [wal], ["in the log"], ["status"]) == {"in the log": {"status": "lost"}}
    for path in state.rglob("*"):
        if path.is_file():
            detect(path)


def test_content_names_and_times_of_change_stay(state: Path) -> None:
    before = trace_of(state)
    read_everything(state)
    assert trace_of(state) == before


def test_no_companion_file_appears_beside_a_database(state: Path) -> None:
    names = sorted(path.name for path in (state / "tasks").iterdir())
    assert names == ["copy.sqlite", "live.sqlite", "live.sqlite-wal", "runs.sqlite"]
    read_everything(state)
    assert sorted(path.name for path in (state / "tasks").iterdir()) == names


def test_nothing_is_left_behind_in_the_folder_for_temporary_files(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    read_everything(state)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="this system cannot spare access times")
def test_times_of_access_stay(state: Path) -> None:
    times = {path: path.stat().st_atime_ns for path in state.rglob("*") if path.is_file()}
    assert set(times.values()) == {LONG_AGO_NS}
    read_everything(state)
    assert {path.stat().st_atime_ns for path in times} == {LONG_AGO_NS}


def test_the_working_folder_stays_empty(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    read_everything(state)
    assert list(Path().iterdir()) == []


def test_evidence_that_may_not_be_written_is_read(state: Path) -> None:
    for path in [*state.rglob("*"), state]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    read_everything(state)
    for path in [state, *state.rglob("*")]:
        path.chmod(0o700)


def test_every_file_is_opened_for_reading_only(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open
    flags_seen: list[int] = []

    def watch(name: str | Path, flags: int, *rest: int, **options: int) -> int:
        if str(name).startswith(str(state)):
            flags_seen.append(flags)
        return opened(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", watch)
    assert content_of(state / "tasks" / "copy.sqlite").startswith(b"SQLite")
    assert load_all(state).tasks["task_id"].is_in([TASK]).any()
    assert flags_seen
    assert [flags for flags in flags_seen if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)] == []
