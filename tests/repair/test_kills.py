"""Killed at any moment, the registry is as before or as planned, and a rerun finishes what was begun."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from forensics.model.journal import APPLIED, PREPARED, journal_text
from forensics.parsers.database import companions_of, opened_copy
from forensics.repair import apply as applying
from forensics.repair.apply import read_journal
from forensics.repair.contents import contents_of, integrity_of
from tests.repair.registries import lost_row, plan_for, write_rows
from tests.support.effort import tries

ROOT = Path(__file__).parent.parent.parent
ROWS = 60
PLANNED = [f"task-{number:05d}" for number in range(0, ROWS, 3)]


class Attempts:
    """A server that forks one process for each attempt to apply a plan."""

    def __init__(self, folder: Path, *, wal: bool) -> None:
        self.folder, self.wal = folder, wal
        self.pristine = write_rows(
            folder / "pristine/runs.sqlite", [lost_row(number) for number in range(ROWS)], wal=wal
        )
        plan = plan_for(self.pristine, PLANNED)
        journal = applying._journal("fix", plan, [(row, row.old, row.new) for row in plan.rows], "")
        self.told = folder / "plan.json"
        self.told.write_text(journal_text(journal))
        private = folder / "private copies"  # a process that is killed leaves them behind
        private.mkdir()
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.repair.attempt", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(private)},
        )
        self.before = self.digest(self.pristine)
        self.registry = self.fresh("planned")
        assert self.run() == 0
        self.planned = self.digest(self.registry)
        assert self.planned != self.before

    def fresh(self, name: str) -> Path:
        """Give a new copy of the registry in a folder of its own; half of them with rows in the write-ahead log."""
        folder = self.folder / name
        folder.mkdir()
        self.registry = folder / "runs.sqlite"
        shutil.copyfile(self.pristine, self.registry)
        return self.registry

    @property
    def backup(self) -> Path:
        return self.registry.with_name("before.sqlite")

    def run(self, *, kill_after: float | None = None, at_statement: int | None = None) -> int:
        """Make one attempt; give its exit code, negative for a kill."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        fields = [
            str(self.registry),
            str(self.backup),
            str(self.told),
            *("" if moment is None else str(moment) for moment in (at_statement, kill_after)),
        ]
        self.server.stdin.write("\t".join(fields) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline().strip()
        while not answer.lstrip("-").isdigit():  # what a refused attempt says
            answer = self.server.stdout.readline().strip()
        return int(answer)

    @staticmethod
    def digest(registry: Path) -> str:
        """Read a private copy of the registry with all that lies beside it, as any program would after the kill."""
        with opened_copy(registry, companions_of(registry)) as copy:
            assert integrity_of(copy) == ("ok", 0)
            return contents_of(copy).digest

    def state(self) -> str:
        """Give what the registry holds after an attempt: before, or planned; anything else is what must not be."""
        found = self.digest(self.registry)
        assert found in (self.before, self.planned)
        return "before" if found == self.before else "planned"

    def assert_a_rerun_finishes(self) -> None:
        assert self.run() == 0
        assert self.state() == "planned"
        assert read_journal(self.backup.with_name(self.backup.name + ".journal.json")).state == APPLIED
        assert self.digest(self.backup) == self.before
        with closing(sqlite3.connect(self.registry)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not [path.name for path in self.registry.parent.iterdir() if "part" in path.name]


@pytest.fixture(params=[True, False], ids=["wal", "rollback-journal"])
def attempts(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Attempts]:
    made = Attempts(tmp_path, wal=request.param)
    yield made
    assert made.server.stdin is not None
    made.server.stdin.close()
    made.server.wait()
    assert made.server.stdout is not None
    made.server.stdout.close()


def test_kills_at_random_moments_leave_before_or_planned(attempts: Attempts) -> None:
    """Source of the moments: uniform over a little more than the time that an undisturbed attempt takes."""
    attempts.fresh("timed")
    begun = time.monotonic()
    assert attempts.run() == 0
    usual_seconds = time.monotonic() - begun
    moments = random.Random(20260420)  # noqa: S311 - reproducible as far as a clock allows
    found: Counter[str] = Counter()
    number, wanted = 0, tries(20, 110)
    while found.total() < wanted and number < 4 * wanted:
        number += 1
        attempts.fresh(f"random-{number}")
        code = attempts.run(kill_after=moments.uniform(0, 1.1 * usual_seconds))
        if code != -signal.SIGKILL:
            assert code == 0  # it was done before the kill came
            continue
        found[attempts.state()] += 1
        if number % 10 == 0:
            attempts.assert_a_rerun_finishes()
        shutil.rmtree(attempts.registry.parent)
    assert found.total() >= wanted, found
    assert found["before"] > wanted // 11, found


def test_a_kill_before_any_statement_on_the_real_registry_leaves_before_or_planned(attempts: Attempts) -> None:
    """Thoroughly: before every one; else before every one with a write-ahead log, every third with a journal."""
    step = 1 if attempts.wal else tries(3, 1)
    found: Counter[str] = Counter()
    journals: Counter[str | None] = Counter()
    statement = 0
    while True:
        attempts.fresh(f"statement-{statement}")
        code = attempts.run(at_statement=statement)
        state = attempts.state()
        if code == 0:
            assert state == "planned"
            break
        assert code == -signal.SIGKILL
        found[state] += 1
        journal = attempts.backup.with_name(attempts.backup.name + ".journal.json")
        journals[read_journal(journal).state if journal.exists() else None] += 1
        attempts.assert_a_rerun_finishes()
        statement += step
    assert found["before"] > 30 // step
    assert step > 1 or journals[PREPARED] >= 1, "no kill came between the journal and the commit"
