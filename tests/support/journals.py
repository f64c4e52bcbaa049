"""A registry that is corrected and restored as an apply does it: backup first, journal beside it, then the change."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forensics.model.journal import APPLIED, ENDING, FIX, PREPARED, UNDO, Journal, JournalRow, journal_text
from forensics.model.plan import GUARDS, TOUCHED, Stored

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY_MS = 86_400_000
SHA = "5e" * 32

JOURNAL = Journal(
    action=FIX,
    state=APPLIED,
    version="0.1.0",
    prepared_at=NOON,
    applied_at=NOON + timedelta(milliseconds=250),
    database="tasks/runs.sqlite",
    content_before=SHA,
    content_after=SHA,
    backup="runs.backup.sqlite",
    backup_sha256=SHA,
    script_sha256=SHA,
    inputs=(("tasks/runs.sqlite", SHA),),
    policy={"near_miss": "1s"},
    selection="false_lost, failed, replayed",
    rows=(),
)


def row_of(task_id: str, before: Stored, after: Stored, **told: str) -> JournalRow:
    """Give the row of a journal; a column that is not named is null."""
    texts = {"verdict": "false_lost", "why": "its own record says so (cron/runs/job.jsonl:1)"} | told
    empty: Stored = dict.fromkeys(TOUCHED)
    return JournalRow(
        task_id=task_id,
        verdict=texts["verdict"],
        confidence="exact",
        why=texts["why"],
        guards={"runtime": "cron"},
        before={**empty, **before},
        after={**empty, **after},
    )


def write_journal(path: Path, journal: Journal) -> Path:
    """Write a journal as an apply does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(journal_text(journal), encoding="ascii")
    return path


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that is changed as an apply changes it; ``backups`` is where backups and journals go."""

    path: Path
    backups: Path

    def fix(self, name: str, changes: Mapping[str, Stored], *, at: datetime = NOON, **told: str) -> Path:
        """Correct rows: take a backup of this name, write the journal, change the registry; give the journal."""
        rows = []
        for task_id, new in changes.items():
            stored = self.stored(task_id)
            before: Stored = {column: stored[column] for column in TOUCHED}
            row = row_of(task_id, before, {**before, **new}, **told)
            rows.append(replace(row, guards={column: stored[column] for column in GUARDS if column in stored}))
        return self._applied(name, replace(JOURNAL, rows=tuple(rows)), at)

    def undo(self, name: str, journal: Journal, *, at: datetime, of: str = "") -> Path:
        """Put the rows of a journal back likewise."""
        rows = tuple(replace(row, before=row.after, after=row.before) for row in journal.rows)
        return self._applied(name, replace(journal, action=UNDO, undoes=of, rows=rows), at)

    def stored(self, task_id: str) -> dict[str, int | float | str | bytes | None]:
        """Give the corrected columns of a row, and those that are compared, as they are stored."""
        with closing(sqlite3.connect(self.path)) as database:
            database.row_factory = sqlite3.Row
            (row,) = database.execute("SELECT * FROM task_runs WHERE task_id = ?", (task_id,)).fetchall()
        return {name: row[name] for name in (*TOUCHED, *GUARDS) if name in row.keys()}  # noqa: SIM118

    def change(self, task_id: str, **columns: int | str | None) -> None:
        """Change a row as a gateway might."""
        with closing(sqlite3.connect(self.path)) as database, database:
            named = ", ".join(f"{name} = ?" for name in columns)
            done = database.execute(f"UPDATE task_runs SET {named} WHERE task_id = ?", (*columns.values(), task_id))
            assert done.rowcount == 1

    def _applied(self, name: str, journal: Journal, at: datetime) -> Path:
        self.backups.mkdir(parents=True, exist_ok=True)
        backup = self.backups / name
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("VACUUM INTO ?", (str(backup),))
        written = replace(
            journal,
            prepared_at=at,
            applied_at=at + timedelta(milliseconds=250),
            database=str(self.path),
            backup=str(backup),
            backup_sha256=hashlib.sha256(backup.read_bytes()).hexdigest(),
        )
        for row in journal.rows:
            self.change(row.task_id, **row.after)  # type: ignore[arg-type]
        return write_journal(self.backups / f"{name}{ENDING}", written)


def left_prepared(path: Path, journal: Journal) -> Path:
    """Write a journal as a kill leaves it: nothing says whether the change was committed."""
    return write_journal(path, replace(journal, state=PREPARED, applied_at=None))


def sample(into: Path, name: str, backups: Sequence[str] = ("backups",)) -> Registry:
    """Copy a sample; give its registry, whose backups go into a folder of the copy."""
    copy = into / name
    shutil.copytree(Path(__file__).parent.parent.parent / "samples" / name, copy)
    return Registry(copy / "state" / "tasks" / "runs.sqlite", copy.joinpath(*backups))
