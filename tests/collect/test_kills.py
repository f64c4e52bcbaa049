"""Killed at any moment, a collection holds what it held before, no half day is read, and a rerun finishes."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensics import load_evidence
from forensics.model.errors import RefusedError
from forensics.model.manifest import LOCK, NAME
from tests.collect.keeping import assert_every_day_holds, audited, collected, told, used_bytes
from tests.support.effort import tries

ROOT = Path(__file__).parent.parent.parent


class Attempts:
    """A server that forks one process for each attempt to collect a second day, on which all logs have grown."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        self.paths = [folder / "host" / ".openclaw", folder / "host" / "logs"]
        shutil.copytree(source / "state", self.paths[0])
        shutil.copytree(source / "logs", self.paths[1])
        growing = [*self.paths[1].iterdir(), *(self.paths[0] / "cron" / "runs").iterdir()]
        whole = {path: path.read_bytes() for path in growing}
        for path, content in whole.items():
            path.write_bytes(content[: len(content) // 2])
        self.first = folder / "first"
        collected(self.paths, self.first)
        self.verdicts = {1: told(audited(self.first))}
        for path, content in whole.items():
            path.write_bytes(content)
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.collect.attempt"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "POLARS_MAX_THREADS": "1"},
        )
        self.fresh("whole")
        assert self.run() == 0
        self.verdicts[2] = told(audited(self.into))
        assert self.verdicts[1] != self.verdicts[2]
        self.used_bytes = used_bytes(self.into)
        assert self.used_bytes < used_bytes(self.first) + sum(map(len, whole.values()))

    def fresh(self, name: str) -> None:
        self.into = Path(shutil.copytree(self.first, self.folder / name))

    def run(self, *, kill_after: float | None = None, before: int | None = None, day: int = 1) -> int:
        """Make one attempt; give its exit code, negative for a kill."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        moments = ["" if moment is None else str(moment) for moment in (before, kill_after)]
        self.server.stdin.write("\t".join([str(self.into), str(day), *moments, *map(str, self.paths)]) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def state(self, *, audit: bool = True) -> int:
        """Give how many days the collection holds after an attempt: one or two, each of them whole."""
        days = assert_every_day_holds(self.into)
        assert days in (1, 2)
        if audit:
            read = load_evidence([str(self.into)])
            assert read.notices.filter(read.notices["level"] == "error")["message"].to_list() == []
            assert not [path for path in read.sources["path"].to_list() if "unfinished" in path]
            assert told(audited(self.into)) == self.verdicts[days]
        return days

    def assert_a_rerun_finishes(self) -> None:
        assert self.run(day=2) == 0
        assert assert_every_day_holds(self.into) in (2, 3)
        assert told(audited(self.into)) == self.verdicts[2]
        left = {path.name for path in self.into.rglob("*") if "unfinished" in path.name}
        assert left == set()
        assert used_bytes(self.into) == self.used_bytes


@pytest.fixture(scope="module")
def attempts(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempts]:
    from tests.support.captures import unpack

    made = Attempts(unpack("2026.4.15-lost-write", unpacked), tmp_path_factory.mktemp("kills"))
    yield made
    assert made.server.stdin is not None
    made.server.stdin.close()
    made.server.wait()
    assert made.server.stdout is not None
    made.server.stdout.close()


def test_a_kill_before_any_change_leaves_whole_days(attempts: Attempts) -> None:
    """A registry may hold credentials: no copy of it stays outside of the collection, whose next run removes it."""
    found: Counter[int] = Counter()
    operation, step = 0, tries(3, 1)
    while True:
        attempts.fresh(f"operation-{operation}")
        code = attempts.run(before=operation)
        days = attempts.state(audit=operation % 16 == 0 or found[2] > 0)
        assert not list(attempts.folder.glob("forensics-*")), operation
        if code == 0:
            assert days == 2
            break
        assert code == -signal.SIGKILL
        found[days] += 1
        if operation % 16 == 0 or days == 2:
            attempts.assert_a_rerun_finishes()
        shutil.rmtree(attempts.into)
        operation += step
    assert found[1] > 30 // step, found
    assert found[2] > 3 // step, f"no kill came while the files of the first day were shared: {found}"


def test_kills_at_random_moments_leave_whole_days(attempts: Attempts) -> None:
    """Source of the moments: uniform over a little more than the time that an undisturbed attempt takes."""
    attempts.fresh("timed")
    begun = time.monotonic()
    assert attempts.run() == 0
    usual_seconds = time.monotonic() - begun
    moments = random.Random(20260423)  # noqa: S311 - reproducible as far as a clock allows
    found: Counter[int] = Counter()
    moments_tried = tries(24, 60)
    for number in range(moments_tried):
        attempts.fresh(f"random-{number}")
        code = attempts.run(kill_after=moments.uniform(0, 1.1 * usual_seconds))
        if code == -signal.SIGKILL:
            found[attempts.state(audit=number % 10 == 0)] += 1
            if number % 10 == 0:
                attempts.assert_a_rerun_finishes()
        else:
            assert code == 0  # it was done before the kill came
        shutil.rmtree(attempts.into)
    assert found[1] > moments_tried // 6, found


def test_kill_after_kill_a_rerun_still_finishes(attempts: Attempts) -> None:
    attempts.fresh("again")
    for operation in (3, 20, 11, 35, 1):
        assert attempts.run(before=operation) == -signal.SIGKILL
        assert attempts.state() == 1
    attempts.assert_a_rerun_finishes()


def test_a_living_collect_keeps_others_out_and_a_dead_one_does_not(attempts: Attempts) -> None:
    attempts.fresh("locked")
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom forensics.collect.folders import working_in\n"
        "with working_in(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            script,
            str(attempts.into),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RefusedError, match=rf"another collect \(process {holder.pid}\)"):
            collected(attempts.paths, attempts.into, day=1)
        assert assert_every_day_holds(attempts.into) == 1
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
    assert (attempts.into / LOCK).exists()
    collected(attempts.paths, attempts.into, day=1)
    assert assert_every_day_holds(attempts.into) == 2


def test_of_two_collects_at_once_one_is_refused_and_each_day_is_whole(attempts: Attempts) -> None:
    attempts.fresh("both")
    command = [sys.executable, "-m", "forensics", "collect", *map(str, attempts.paths), "--into", str(attempts.into)]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(3)]
    codes = sorted(process.wait() for process in both)
    assert codes[0] == 0
    assert set(codes) <= {0, 4}
    assert assert_every_day_holds(attempts.into) == 1 + codes.count(0)


def test_a_folder_without_locks_is_refused(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    attempts.fresh("without")
    monkeypatch.setattr(fcntl, "flock", without)
    with pytest.raises(RefusedError, match="without locks"):
        collected(attempts.paths, attempts.into, day=1)
    assert assert_every_day_holds(attempts.into) == 1


def test_only_what_a_collect_left_is_removed(attempts: Attempts) -> None:
    attempts.fresh("mine")
    novel = attempts.into / "novel.unfinished"
    novel.mkdir()
    (novel / "chapter-1.txt").write_text("It was a dark and stormy night")
    left = attempts.into / "2026-11-25T060000Z.unfinished"
    left.mkdir()
    collected(attempts.paths, attempts.into, day=1)
    assert (novel / "chapter-1.txt").read_text() == "It was a dark and stormy night"
    assert not left.exists()
    assert len(list(attempts.into.glob(f"*/{NAME}"))) == 2
