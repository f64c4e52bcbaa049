"""Changing the real registry: refused unless it is safe, after a verified backup, in one transaction, with a journal.

Killed at any moment, the registry holds what it held before or what was planned: everything is written in one
transaction of SQLite, and the journal that tells of it is written before the commit and completed after it.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from forensics import __version__
from forensics.model.disk import write_durably
from forensics.model.errors import RefusedError, UnreadableError
from forensics.model.journal import (
    APPLIED,
    ENDING,
    FIX,
    PREPARED,
    UNDO,
    Journal,
    JournalRow,
    journal_text,
    parsed_journal,
)
from forensics.model.plan import TOUCHED, Inputs, Plan, PlannedRow, Rehearsal, Stored
from forensics.parsers.database import SQLITE_MAGIC, companions_of, opened_copy
from forensics.parsers.files import head_of
from forensics.parsers.task_registry import raw_values
from forensics.repair.backup import back_up, refuse_other_backup
from forensics.repair.contents import contents_of
from forensics.repair.layout import refuse_unknown_layout
from forensics.repair.liveness import signs_of_life
from forensics.repair.names import PART, refuse_confused_names
from forensics.repair.rehearsal import (
    Undoing,
    Wanted,
    compare,
    differing,
    rehearse,
    rehearse_undo,
    run_without_commit,
    wanted_after,
)
from forensics.writers.sql import fix_statements, undo_statements

_BUSY_SECONDS = 2
_LARGEST_JOURNAL_BYTES = 1 << 30

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Target:
    """The registry to change, the backup to make first, where locks of gateways lie, and the clock of the journal."""

    database: Path
    backup: Path
    temporary: tuple[Path, ...]
    clock: Clock

    @property
    def journal(self) -> Path:
        """The journal lies beside the backup, under its name."""
        return self.backup.with_name(self.backup.name + ENDING)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did; ``warning`` tells what could not be completed although the rows are changed."""

    journal: Journal
    warning: str | None = None


def apply_fix(plan: Plan, target: Target) -> tuple[Applied, Rehearsal]:
    """Correct the planned rows in the real registry, all or none.

    Raises:
        RefusedError: it is not safe, or anything did not go as planned; nothing was changed then.
    """
    with _ready(target) as copy:
        rehearsal = rehearse(copy, plan)
    new, script = {row.task_id: row.new for row in plan.rows}, fix_statements(plan)
    journal = _journal(FIX, plan, [(row, row.old, row.new) for row in plan.rows], script)
    return _changed(target, rehearsal.content, new, script, journal), rehearsal


def apply_undo(plan: Plan, target: Target, undone: Path) -> tuple[Applied | None, Undoing]:
    """Put back the rows of a plan that are still as corrected; those that have changed since are left alone.

    Nothing is touched where no row is to be put back.

    Raises:
        RefusedError: it is not safe, or anything did not go as planned; nothing was changed then.
    """
    with _ready(target) as copy:
        undoing = rehearse_undo(copy, plan)
    if not undoing.due:
        return None, undoing
    new, script = {row.task_id: row.old for row in undoing.due}, undo_statements(plan)
    journal = _journal(UNDO, plan, [(row, row.new, row.old) for row in undoing.due], script)
    return _changed(target, undoing.content, new, script, replace(journal, undoes=str(undone))), undoing


def finished_earlier(target: Target, action: str = FIX) -> Applied | None:
    """Complete the journal of an apply that was killed after its commit; None where there is nothing to complete.

    Raises:
        RefusedError: the journal there tells of another action, or of a change that other changes have followed.
    """
    if not target.journal.exists():
        return None
    journal = read_journal(target.journal)
    if journal.action != action:
        message = f"{target.journal} is the journal of {'an undo' if action == FIX else 'a fix'}; nothing was changed"
        raise RefusedError(message, "choose another name for the backup")
    stored = rows_as_stored(target.database, journal)
    if all(_is_as(stored, row, row.after) for row in journal.rows):
        return _completed(target, journal) if journal.state == PREPARED else Applied(journal)
    if journal.state == PREPARED and all(_is_as(stored, row, row.before) for row in journal.rows):
        return None
    message = f"{target.journal} tells of an earlier change, and rows have changed since; nothing was changed"
    raise RefusedError(message, "choose another name for the backup")


def read_journal(path: Path) -> Journal:
    """Read the journal of an apply.

    Raises:
        RefusedError: it cannot be read, or is none.
    """
    try:
        text = head_of(path, _LARGEST_JOURNAL_BYTES).decode("utf-8")
        return parsed_journal(text)
    except (UnreadableError, ValueError, RecursionError) as error:
        message = f"{path} is no journal that can be read: {error}"
        raise RefusedError(message) from error


def rows_as_stored(database: Path, journal: Journal) -> Mapping[str, Stored]:
    """Give the present values of the rows of a journal, from a private copy, by task id.

    Raises:
        RefusedError: the registry cannot be read.
    """
    names = sorted({name for row in journal.rows for name in (*row.guards, *row.before)})
    real = database.resolve()
    try:
        return raw_values(real, companions_of(real), [row.task_id for row in journal.rows], names)
    except (UnreadableError, UnicodeEncodeError, sqlite3.Error) as error:
        message = f"{database} cannot be read: {error}"
        raise RefusedError(message) from error


def plan_of(journal: Journal) -> Plan:
    """Give back the plan that a journal of a fix tells of."""
    rows = tuple(
        PlannedRow(
            task_id=row.task_id,
            old=dict(row.guards) | dict(row.before),
            new=row.after,
            verdict=row.verdict,
            confidence=row.confidence,
            why=row.why,
        )
        for row in journal.rows
    )
    return Plan(rows, Inputs(journal.database, journal.inputs), journal.policy, journal.prepared_at, journal.selection)


@contextmanager
def _ready(target: Target) -> Iterator[sqlite3.Connection]:
    """Check all that can be checked without opening the registry, and give a private copy of it.

    Raises:
        RefusedError: it is no registry that may be written to, or something lives.
    """
    _refuse_unfit(target)
    _refuse_living(target)
    real = target.database.resolve()
    try:
        with opened_copy(real, companions_of(real)) as copy:
            refuse_unknown_layout(copy)
            yield copy
    except UnreadableError as error:
        message = f"{target.database} cannot be read: {error}; nothing was changed"
        raise RefusedError(message) from error


def _refuse_unfit(target: Target) -> None:
    database, backup = target.database, target.backup
    refuse_confused_names(database, backup, target.journal)
    if not database.is_file() or head_of(database, len(SQLITE_MAGIC)) not in (SQLITE_MAGIC, b""):
        message = f"{database} is no SQLite database; nothing was changed"
        raise RefusedError(message, "name tasks/runs.sqlite, or state/openclaw.sqlite")
    if not os.access(database, os.W_OK) or not os.access(database.resolve().parent, os.W_OK):
        message = f"{database} cannot be written to: it, or its folder, is read-only; nothing was changed"
        raise RefusedError(message)
    if not backup.parent.is_dir() or not os.access(backup.parent, os.W_OK):
        message = f"the backup {backup} cannot be made: its folder is missing or read-only; nothing was changed"
        raise RefusedError(message)


def _refuse_living(target: Target) -> None:
    signs = signs_of_life(target.database, target.temporary, target.clock())
    if signs:
        told = "; ".join(sign.what for sign in signs)
        message = f"a gateway, or another process, works on {target.database}: {told}; nothing was changed"
        raise RefusedError(message, signs[0].hint or "stop it first")


@contextmanager
def _locked(database: Path) -> Iterator[sqlite3.Connection]:
    """Open the registry so that no other process can read or write it, until the end.

    Nothing else may open the file in the meantime: closing it would drop this process's lock.

    Raises:
        RefusedError: another process has it open, or it cannot be opened for writing.
    """
    try:
        opened = sqlite3.connect(
            f"{database.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_SECONDS
        )
    except sqlite3.Error as error:
        message = f"{database} cannot be opened for writing: {error}; nothing was changed"
        raise RefusedError(message) from error
    with closing(opened) as live:
        try:
            live.execute("PRAGMA trusted_schema = OFF")
            live.execute("PRAGMA locking_mode = EXCLUSIVE")
            live.execute("PRAGMA synchronous = FULL")
            # in this mode the lock outlives the transaction; a backup needs one that is not in a transaction
            live.execute("BEGIN EXCLUSIVE")
            live.execute("COMMIT")
        except sqlite3.Error as error:
            message = f"{database} cannot be locked: {error}; nothing was changed"
            raise RefusedError(message, "stop the gateway and every other program that has it open") from error
        live.text_factory = lambda stored: stored.decode("utf-8", "replace")
        yield live


def _changed(target: Target, digest: str, new: Mapping[str, Stored], script: str, journal: Journal) -> Applied:
    """Change the locked registry from the contents that were rehearsed to the wanted ones.

    Raises:
        RefusedError: it changed since the rehearsal, or anything did not go as planned; it is as it was then.
    """
    # before the lock: giving that up may move rows from the write-ahead log into the file
    refuse_other_backup(target.backup, digest)
    _refuse_told(target, journal.action)
    try:
        with _locked(target.database) as live:
            # a gateway may have started, and read the rows, since it was looked for
            _refuse_living(target)
            wanted = wanted_after(live, new)
            if wanted.before.digest != digest:
                message = f"{target.database} changed while the fix was rehearsed; nothing was changed"
                raise RefusedError(message, "stop the gateway and every other program that works on it")
            prepared = replace(
                journal,
                prepared_at=target.clock(),
                database=str(target.database),
                backup=str(target.backup),
                backup_sha256=back_up(live, target.backup, digest),
                content_before=digest,
            )
            prepared = _committed(live, target, prepared, wanted, script)
    except _CommitError as error:
        return _settled(target, error)
    return _completed(target, prepared)


class _CommitError(Exception):
    """SQLite reports that a commit failed; only the file tells whether it is kept all the same."""


def _settled(target: Target, error: _CommitError) -> Applied:
    """Look what a failed commit has left: a disk may refuse to confirm what it keeps.

    Raises:
        RefusedError: nothing was changed, or that cannot be seen.
    """
    try:
        earlier = finished_earlier(target, read_journal(target.journal).action)
    except RefusedError as unseen:
        message = f"the commit failed: {error}; whether the rows are changed could not be seen: {unseen}"
        raise RefusedError(message, "run the same command again: it finishes, or says what was done") from error
    if earlier is not None:
        return earlier
    target.journal.unlink(missing_ok=True)
    message = f"the commit failed and was rolled back: {error}; nothing was changed"
    raise RefusedError(message, f"make room beside the registry; the backup {target.backup} is complete") from error


def _refuse_told(target: Target, action: str) -> None:
    """Refuse to write over the journal of a change: it is what that change can be undone by.

    Raises:
        RefusedError: there is one, of a change that was made.
    """
    if finished_earlier(target, action) is not None:
        message = f"{target.journal} tells of an earlier change; nothing was changed"
        raise RefusedError(message, "choose another name for the backup")


def _committed(live: sqlite3.Connection, target: Target, journal: Journal, wanted: Wanted, script: str) -> Journal:
    """Run the script, look at everything it did, note it, and only then keep it."""
    try:
        run_without_commit(live, script, journal.action)
        found = contents_of(live, wanted.new)
        compare(found, wanted, journal.action)
        noted = replace(journal, content_after=found.digest)
        _write_journal(target.journal, noted)
        _commit(live)
    except (sqlite3.Error, OSError) as error:
        message = f"{journal.action} failed and was rolled back: {error}; nothing was changed"
        raise RefusedError(message, f"the backup {target.backup} is complete") from error
    finally:
        if live.in_transaction:
            live.execute("ROLLBACK")
            target.journal.unlink(missing_ok=True)
    return noted


def _commit(live: sqlite3.Connection) -> None:
    try:
        live.execute("COMMIT")
    except sqlite3.Error as error:
        if live.in_transaction:
            live.execute("ROLLBACK")
        raise _CommitError(str(error)) from error


def _completed(target: Target, journal: Journal) -> Applied:
    done = replace(journal, state=APPLIED, applied_at=target.clock())
    try:
        _write_journal(target.journal, done)
    except OSError as error:
        return Applied(done, f"the rows are changed, but {target.journal} could not be completed: {error}")
    return Applied(done)


def _write_journal(path: Path, journal: Journal) -> None:
    write_durably(path, [journal_text(journal).encode()], part_ending=PART, may_replace=True)


def _is_as(stored: Mapping[str, Stored], row: JournalRow, values: Stored) -> bool:
    present = stored.get(row.task_id)
    return present is not None and not differing(present, dict(row.guards) | dict(values))


def _journal(action: str, plan: Plan, rows: Iterable[tuple[PlannedRow, Stored, Stored]], script: str) -> Journal:
    """Give a journal of what is planned; what only the locked registry tells is filled in later."""
    return Journal(
        action=action,
        state=PREPARED,
        version=__version__,
        prepared_at=plan.evidence_until,
        applied_at=None,
        database="",
        content_before="",
        content_after="",
        backup="",
        backup_sha256="",
        script_sha256=hashlib.sha256(script.encode("utf-8")).hexdigest(),
        inputs=plan.inputs.files,
        policy=plan.policy,
        selection=plan.selection,
        rows=tuple(_journal_row(row, before, after) for row, before, after in rows),
    )


def _journal_row(row: PlannedRow, before: Stored, after: Stored) -> JournalRow:
    return JournalRow(
        task_id=row.task_id,
        verdict=row.verdict,
        confidence=row.confidence,
        why=row.why,
        guards={name: row.old[name] for name in row.guards},
        before={name: before[name] for name in TOUCHED},
        after={name: after[name] for name in TOUCHED},
    )
