"""A gateway as far as files go: a process that never stops committing to its registry and writing its logs.

``python -m tests.collect.living STATE LOGS MODE`` says ``ready`` once, writes until its standard input is closed, and
then says how many commits were refused as busy. After commit n every row says n, and there are ``rows_after(n)`` rows.
Line n of the log says n; every two seconds it is set aside under the next number, and the oldest is deleted.
"""

from __future__ import annotations

import json
import select
import sqlite3
import sys
import time
from contextlib import closing
from itertools import count
from pathlib import Path

BASE, MOST = 50, 400
LINES = 5
SECONDS = 2.0
KEPT = 3


def rows_after(number: int) -> int:
    """Give how many rows there are after a commit: more and more, then few again."""
    return BASE + number % MOST


def line(number: int) -> str:
    stamp = f"2026-04-23T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
    meta = {"date": stamp, "logLevelName": "INFO", "name": json.dumps({"subsystem": "gateway"})}
    return json.dumps({"0": json.dumps({"subsystem": "gateway"}), "1": f"line {number}", "_meta": meta, "time": stamp})


class Living:
    def __init__(self, state: Path, logs: Path, mode: str) -> None:
        self.logs, self.mode, self.busy = logs, mode, 0
        self.registry = sqlite3.connect(state / "tasks" / "runs.sqlite", isolation_level=None, timeout=0)
        self.registry.execute(f"PRAGMA journal_mode = {mode}")
        self.registry.execute("PRAGMA auto_vacuum = NONE")
        self.registry.execute("PRAGMA wal_autocheckpoint = 50")
        self.lines, self.begun = 0, time.monotonic()

    def commit(self, number: int) -> None:
        try:
            self.registry.execute("BEGIN IMMEDIATE")
            present = self.registry.execute("SELECT count(*) FROM task_runs").fetchone()[0]
            for row in range(present, rows_after(number)):
                self.registry.execute(
                    "INSERT INTO task_runs (task_id, runtime, owner_key, scope_kind, task, status, delivery_status,"
                    " notify_policy, created_at) VALUES (?, 'cron', '', 'system', ?, 'running', 'x', 'x', 1)",
                    (f"{number}-{row}", "x" * 300),
                )
            self.registry.execute(
                "DELETE FROM task_runs WHERE rowid IN (SELECT rowid FROM task_runs ORDER BY rowid DESC LIMIT ?)",
                (max(present - rows_after(number), 0),),
            )
            self.registry.execute("UPDATE task_runs SET progress_summary = ?", (str(number),))
            self.registry.execute("COMMIT")
        except sqlite3.OperationalError:
            self.busy += 1
            if self.registry.in_transaction:
                self.registry.execute("ROLLBACK")

    def keep_house(self, number: int) -> None:
        if self.mode == "WAL" and number % 37 == 0:
            self.registry.execute(f"PRAGMA wal_checkpoint({('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE')[number % 4]})")
        if number % 149 == 0:
            try:
                self.registry.execute("VACUUM")
            except sqlite3.OperationalError:
                self.busy += 1

    def write_lines(self) -> None:
        log = self.logs / "openclaw-2026-04-23.log"
        if time.monotonic() - self.begun > SECONDS:
            self.begun = time.monotonic()
            for turn in range(KEPT, 0, -1):
                older = self.logs / f"openclaw-2026-04-23.{turn}.log"
                if older.exists() and turn == KEPT:
                    older.unlink()
                elif older.exists():
                    older.rename(self.logs / f"openclaw-2026-04-23.{turn + 1}.log")
            log.rename(self.logs / "openclaw-2026-04-23.1.log")
        with log.open("a", encoding="utf-8") as file:
            for _ in range(LINES):
                file.write(line(self.lines) + "\n")
                self.lines += 1


def main(state: str, logs: str, mode: str) -> None:
    living = Living(Path(state), Path(logs), mode)
    with closing(living.registry):
        for number in count(1):
            living.commit(number)
            living.keep_house(number)
            living.write_lines()
            if number == 60:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
            if select.select([sys.stdin], [], [], 0.005)[0]:
                break
    sys.stdout.write(f"{living.busy}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
