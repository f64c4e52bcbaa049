"""Beside a gateway that never rests every copy is a state that existed, and the gateway notices nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from forensics.collect import collecting
from forensics.collect.collecting import Collected
from forensics.collect.folders import Written, write_stream
from forensics.parsers.database import companions_of, opened_copy
from forensics.parsers.gathering import Reading
from tests.collect.keeping import assert_every_day_holds, collected
from tests.collect.living import line, rows_after
from tests.support.captures import snapshot

ROOT = Path(__file__).parent.parent.parent
RUNS = 8


@pytest.fixture(params=["WAL", "DELETE"])
def living(
    request: pytest.FixtureRequest, sigterm: Path, tmp_path: Path
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Give the folder of a gateway, with state directory and logs, and the process that writes there."""
    state, logs = tmp_path / "host" / ".openclaw", tmp_path / "host" / "logs"
    shutil.copytree(sigterm / "state", state)
    logs.mkdir()
    with closing(sqlite3.connect(state / "tasks" / "runs.sqlite")) as registry:
        registry.execute("PRAGMA journal_mode = DELETE")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.collect.living", str(state), str(logs), request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield tmp_path / "host", process
    finally:
        process.kill()
        process.communicate()


def test_every_copy_is_a_state_that_existed(living: tuple[Path, subprocess.Popen[str]], tmp_path: Path) -> None:
    host, process = living
    still = [path for path in (host / ".openclaw" / "cron").rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in still}
    seen: list[int | None] = []
    while len(seen) < RUNS or not (host / "logs" / "openclaw-2026-04-23.2.log").exists():
        seen.append(assert_was(collected([host / ".openclaw", host / "logs"], tmp_path / "evidence", len(seen))))
    seen.append(assert_was(collected([host / ".openclaw", host / "logs"], tmp_path / "evidence", len(seen))))
    assert process.poll() is None
    told, _ = process.communicate("\n")
    assert int(told.splitlines()[-1]) == 0, "the gateway met a lock that was not its own"
    numbers = [number for number in seen if number is not None]
    assert len(numbers) > len(seen) // 2
    assert numbers == sorted(numbers), "time went back from copy to copy"
    assert len(set(numbers)) > 1, "time went on from copy to copy"
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in still} == before
    assert assert_every_day_holds(tmp_path / "evidence") == len(seen)
    kept = [len(list(folder.glob("logs/*.log"))) for folder in (tmp_path / "evidence").iterdir() if folder.is_dir()]
    assert len([logs for logs in kept if logs]) > len(seen) // 2
    assert max(kept) > 1, "no log was set aside meanwhile"


def assert_was(made: Collected) -> int | None:
    """Check a snapshot; give the number of the commit that its registry shows, None where it was given up and named."""
    lines: list[list[int]] = []
    for path in made.folder.glob("logs/*.log"):
        texts = path.read_text("utf-8").splitlines(keepends=True)
        whole = texts if texts[-1].endswith("\n") else texts[:-1]
        lines.append([int(json.loads(text)["1"].split()[1]) for text in whole])
    for numbers in lines:
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    missing = {each.path for each in made.manifest.missing}
    if "logs" in missing:
        assert lines == [], "where one may be missing, none is kept"
    else:
        told = sorted(number for numbers in lines for number in numbers)
        assert told == list(range(told[0], told[0] + len(told))), "no log between two others is missing"
    assert missing <= {"logs", "openclaw/tasks/runs.sqlite"}
    registry = made.folder / "openclaw" / "tasks" / "runs.sqlite"
    if not registry.exists():
        assert "openclaw/tasks/runs.sqlite" in missing
        return None
    with closing(sqlite3.connect(registry)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ((number, rows),) = copy.execute(
            "SELECT DISTINCT progress_summary, (SELECT count(*) FROM task_runs) FROM task_runs"
        )
    assert rows == rows_after(int(number))
    return int(number)


class _Watched:
    """What this process does to the files of a folder, as the interpreter tells it."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.seen: list[tuple[str, object]] = []
        sys.addaudithook(self._told)

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        self.folder, self.seen = folder, []
        try:
            yield
        finally:
            self.folder = None

    def _told(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.folder is None:
            return
        if event in ("fcntl.flock", "fcntl.lockf", "fcntl.fcntl"):
            path = str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
        else:
            path = (
                os.fsdecode(arguments[0]) if arguments and isinstance(arguments[0], str | bytes | os.PathLike) else ""
            )
        if not path.startswith(str(self.folder)):
            return
        reads = event == "open" and not int(str(arguments[2] or 0)) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not reads and event not in ("os.scandir", "os.listdir"):
            self.seen.append((event, path))


watched = _Watched()


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_evidence_is_only_read(journal: str, sigterm: Path, tmp_path: Path) -> None:
    """No lock, no SQLite client, no file beside it: with rows in the write-ahead log, and without one."""
    host = tmp_path / "host"
    shutil.copytree(sigterm / "state", host / ".openclaw")
    shutil.copytree(sigterm / "logs", host / "logs")
    path = host / ".openclaw" / "tasks" / "runs.sqlite"
    keeper = sqlite3.connect(path)
    with closing(keeper):
        keeper.execute(f"PRAGMA journal_mode = {journal}")
        with keeper:
            keeper.execute("UPDATE task_runs SET progress_summary = 'newest'")
        shutil.copytree(host, tmp_path / "copied")
    for shm in (tmp_path / "copied").rglob("*-shm"):
        shm.unlink()
    before = snapshot(tmp_path / "copied")
    assert any(name.endswith("-wal") for name in before) == (journal == "WAL")
    with watched.watching(tmp_path / "copied"):
        made = collected([tmp_path / "copied" / ".openclaw", tmp_path / "copied" / "logs"], tmp_path / "evidence")
    assert watched.seen == []
    assert snapshot(tmp_path / "copied") == before
    with closing(sqlite3.connect(made.folder / "openclaw" / "tasks" / "runs.sqlite")) as copy:
        assert copy.execute("SELECT DISTINCT progress_summary FROM task_runs").fetchall() == [("newest",)]
    with watched.watching(tmp_path / "evidence"):
        collected([tmp_path / "copied" / ".openclaw"], tmp_path / "evidence", day=1)
    assert "fcntl.flock" in {event for event, _ in watched.seen}, "the watch sees locks"
    assert "open" in {event for event, _ in watched.seen}


def test_a_log_that_only_grows_is_no_reason_to_give_up(
    sigterm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large registry is never still between two commits: what counts is that its write-ahead log only grew."""
    from forensics.parsers import files

    shutil.copytree(sigterm / "state", tmp_path / "host")
    path = tmp_path / "host" / "tasks" / "runs.sqlite"
    really = files._copy
    with closing(sqlite3.connect(path, isolation_level=None)) as gateway:
        gateway.execute("PRAGMA journal_mode = WAL")
        gateway.execute("PRAGMA wal_autocheckpoint = 0")
        gateway.execute("UPDATE task_runs SET progress_summary = 'before'")
        checkpoints: list[str] = []

        def copied(source: Path, target: Path) -> None:
            gateway.execute("UPDATE task_runs SET progress_summary = 'meanwhile'")
            if checkpoints and source == path:
                gateway.execute(f"PRAGMA wal_checkpoint({checkpoints.pop()})")
                gateway.execute("UPDATE task_runs SET progress_summary = 'anew'")
            really(source, target)
            gateway.execute("UPDATE task_runs SET progress_summary = 'afterwards'")

        monkeypatch.setattr(files, "_copy", copied)
        for pending, said in (([], {"meanwhile"}), (["RESTART"], {"meanwhile", "anew"}), (["TRUNCATE"], {"meanwhile"})):
            checkpoints[:] = pending
            with opened_copy(path, companions_of(path), tmp_path) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                ((found,),) = copy.execute("SELECT DISTINCT progress_summary FROM task_runs").fetchall()
            assert found in said
            assert checkpoints == []


@pytest.mark.parametrize("turns", [1, 2, 100])
@pytest.mark.parametrize("way", ["renamed", "copied and emptied"])
def test_no_log_is_missed_that_is_set_aside_meanwhile(
    way: str, turns: int, sigterm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, state = tmp_path / "host" / "logs", tmp_path / "host" / ".openclaw"
    shutil.copytree(sigterm / "state", state)
    logs.mkdir()
    log = logs / "openclaw-2026-04-23.log"
    log.write_text(f"{line(0)}\n{line(1)}\n")
    log.with_name("openclaw-2026-04-23.1.log").write_text(f"{line(-2)}\n{line(-1)}\n")
    left = [turns]
    really = collecting._store

    def rotating(reading: Reading, target: Path, work: collecting._Work) -> None:
        really(reading, target, work)
        if reading.found.name != "openclaw-2026-04-23.1.log" or not left[0]:
            return
        left[0] -= 1
        for turn in range(98 - left[0] % 98, 0, -1):
            older = logs / f"openclaw-2026-04-23.{turn}.log"
            if older.exists():
                older.rename(logs / f"openclaw-2026-04-23.{turn + 1}.log")
        newest = int(json.loads(log.read_text().splitlines()[-1])["1"].split()[1])
        if way == "renamed":
            log.rename(logs / "openclaw-2026-04-23.1.log")
        else:
            shutil.copyfile(log, logs / "openclaw-2026-04-23.1.log")
        log.write_text(f"{line(newest + 1)}\n")

    monkeypatch.setattr(collecting, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(collecting, "_store", rotating)
    made = collected([state, logs], tmp_path / "evidence")
    stored = [path.read_text() for path in made.folder.glob("logs/*.log")]
    if turns == 100:
        assert stored == []
        assert [(each.path, each.why) for each in made.manifest.missing] == [
            ("logs", "its logs were set aside while they were copied")
        ]
        assert made.new_bytes == sum(each.bytes for each in made.manifest.files)
        return
    assert made.manifest.missing == ()
    numbers = sorted(int(json.loads(text)["1"].split()[1]) for content in stored for text in content.splitlines())
    assert numbers == list(range(-2, 2 + turns))


@pytest.mark.parametrize("kind", ["log", "job store"])
def test_a_file_that_is_written_anew_while_it_is_copied_is_copied_again(
    kind: str, sigterm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sigterm / "state", tmp_path / "host" / ".openclaw")
    shutil.copytree(sigterm / "logs", tmp_path / "host" / "logs")
    path = max((tmp_path / "host" / "logs").iterdir(), key=lambda each: each.stat().st_size)
    if kind == "job store":
        path = tmp_path / "host" / ".openclaw" / "cron" / "jobs.json"
    states = [path.read_bytes(), path.read_bytes().replace(b"e", b"E")[: path.stat().st_size // 3 * 2]]
    states[1] = states[0].replace(b" ", b"  ") if kind == "job store" else states[1]
    really, pending = write_stream, states[1:]

    def written(source: BinaryIO, target: Path, sizes: Sequence[int] = ()) -> Written:
        if pending and target.name == path.name:
            half = target.with_name("half")
            really(cast("BinaryIO", _Part(source, 1000)), half)
            half.unlink()
            path.write_bytes(pending.pop())
        return really(source, target, sizes)

    monkeypatch.setattr(collecting, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr("forensics.collect.collecting.write_stream", written)
    made = collected([tmp_path / "host" / ".openclaw", tmp_path / "host" / "logs"], tmp_path / "evidence")
    assert pending == []
    assert next(made.folder.rglob(path.name)).read_bytes() == states[1]


class _Part:
    """The first bytes of an open file."""

    def __init__(self, source: BinaryIO, size_bytes: int) -> None:
        self.source, self.left = source, size_bytes

    def read(self, size: int) -> bytes:
        found = self.source.read(min(size, self.left))
        self.left -= len(found)
        return found
