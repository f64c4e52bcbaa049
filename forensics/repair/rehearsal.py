"""Running a fix-up and its undo on a private copy, and proving that they change what was planned and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from forensics.model.errors import RefusedError
from forensics.model.escape import for_terminal, shortened
from forensics.model.plan import TOUCHED, Plan, PlannedRow, Rehearsal, Stored, Value
from forensics.repair.contents import Contents, contents_of, integrity_of, row_numbers
from forensics.writers.phrases import counted
from forensics.writers.sql import COMMIT, fix_statements, undo_statements

_VALUE_SHOWN = 40
_HINT = "nothing was handed over either; please report this with the layout of the registry"
_ROOM_HINT = "make room, in the temporary folder (TMPDIR) and beside the registry"
_DRIFT_HINT = "stop the gateway, and let the registry be read again"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a database must hold after a change: its contents before, and the new values of some rows by number."""

    before: Contents
    new: Mapping[int, Stored]


@dataclass(frozen=True, slots=True)
class Undoing:
    """What an undo finds: rows to put back, rows that are as before already, and rows changed since, with the columns.

    A row without columns is gone, or stands more than once. ``content`` is the digest of all that the registry holds.
    """

    due: tuple[PlannedRow, ...]
    done: tuple[PlannedRow, ...]
    left: tuple[tuple[PlannedRow, tuple[str, ...]], ...]
    content: str


def rehearse(database: sqlite3.Connection, plan: Plan) -> Rehearsal:
    """Run fix and undo, twice each, on a private copy, and compare every value of every table after each.

    The copy holds the same as before when it is done.

    Raises:
        RefusedError: the registry is damaged, the rows have drifted, or anything did not go as planned; says what.
    """
    violated = _sound(database)
    wanted = wanted_after(database, {row.task_id: row.new for row in plan.rows})
    before = wanted.before
    if not plan.rows:
        return Rehearsal(0, before.count, len(before.tables), violated, before.digest)
    taken_back = Wanted(before, {number: {} for number in wanted.new})
    fix, undo = fix_statements(plan), undo_statements(plan)
    for script, must_hold, step in (
        (fix, wanted, "fix"),
        (fix, wanted, "a second fix"),
        (undo, taken_back, "undo"),
        (undo, taken_back, "a second undo"),
    ):
        run(database, script, step)
        compare(contents_of(database, wanted.new), must_hold, step)
        _check(database, violated, step)
    return Rehearsal(len(plan.rows), before.count, len(before.tables), violated, before.digest)


def rehearse_undo(database: sqlite3.Connection, plan: Plan) -> Undoing:
    """Run the undo of a plan twice on a private copy, and compare every value of every table after each.

    Raises:
        RefusedError: the registry is damaged, or anything did not go as planned; says what.
    """
    violated = _sound(database)
    undoing = undoing_of(database, plan)
    wanted = wanted_after(database, {row.task_id: row.old for row in undoing.due})
    for step in ("undo", "a second undo"):
        run(database, undo_statements(plan), step)
        compare(contents_of(database, wanted.new), wanted, step)
        _check(database, violated, step)
    return undoing


def undoing_of(database: sqlite3.Connection, plan: Plan) -> Undoing:
    """Tell which rows of a plan are still as corrected, which are as before, and which have changed since."""
    numbers = row_numbers(database, [row.task_id for row in plan.rows])
    contents = contents_of(database, [number for found in numbers.values() for number in found])
    stored = contents.rows
    due: list[PlannedRow] = []
    done: list[PlannedRow] = []
    left: list[tuple[PlannedRow, tuple[str, ...]]] = []
    for row in plan.rows:
        found = [stored[number] for number in numbers.get(row.task_id, ())]
        if len(found) == 1 and not differing(found[0], dict(row.old) | dict(row.new)):
            due.append(row)
        elif len(found) == 1 and not differing(found[0], row.old):
            done.append(row)
        else:
            left.append((row, differing(found[0], dict(row.old) | dict(row.new)) if found else ()))
    return Undoing(tuple(due), tuple(done), tuple(left), contents.digest)


def differing(stored: Stored, expected: Stored) -> tuple[str, ...]:
    """Name the columns in which a stored row is not what is expected, type for type."""
    return tuple(name for name, value in expected.items() if not _is_same(stored.get(name), value))


def wanted_after(database: sqlite3.Connection, new: Mapping[str, Stored]) -> Wanted:
    """Give what a database must hold once the rows of these tasks have taken their new values.

    Raises:
        RefusedError: a task has no row, or several.
    """
    numbers = row_numbers(database, new)
    for task_id in new:
        found = len(numbers.get(task_id, ()))
        if found != 1:
            told = f"task {for_terminal(task_id)} has {counted(found, 'row')} in the registry instead of one"
            raise RefusedError(f"{told}; nothing was changed", _DRIFT_HINT)
    by_number = {numbers[task_id][0]: {column: values[column] for column in TOUCHED} for task_id, values in new.items()}
    return Wanted(contents_of(database, by_number), by_number)


def run(database: sqlite3.Connection, script: str, step: str) -> None:
    """Run a script; whatever goes wrong is rolled back.

    Raises:
        RefusedError: a statement failed, the script's own refusal included.
    """
    try:
        database.executescript(script)
    except (sqlite3.Error, UnicodeEncodeError) as error:
        drifted = _drifted(database)
        _roll_back(database)
        message = f"{step} failed: {error}{drifted}; nothing was changed"
        raise RefusedError(message, _DRIFT_HINT if drifted else _hint_for(error)) from error


def run_without_commit(database: sqlite3.Connection, script: str, step: str) -> None:
    """Run a script up to its last statement, so that the caller can look at the result before it is kept.

    Raises:
        RefusedError: as ``run``.
    """
    run(database, script.removesuffix(COMMIT), step)


def compare(found: Contents, wanted: Wanted, step: str) -> None:
    """Compare what a database holds with what it must hold.

    Raises:
        RefusedError: they differ; names the first difference.
    """
    difference = _difference(found, wanted)
    if difference is not None:
        message = f"{step} did not do what was planned: {difference}; nothing was changed"
        raise RefusedError(message, _HINT)


def _difference(found: Contents, wanted: Wanted) -> str | None:
    before = wanted.before
    if found.schema != before.schema:
        return "the schema of the registry changed"
    changed = sorted(
        name for name in {*found.tables, *before.tables} if found.tables.get(name) != before.tables.get(name)
    )
    if changed:
        return f"table {for_terminal(changed[0])} changed as well; a trigger, probably"
    if found.rest != before.rest or found.rows.keys() != before.rows.keys():
        return "other rows of task_runs changed as well; a trigger, probably"
    for number, row in found.rows.items():
        expected = dict(before.rows[number]) | dict(wanted.new[number])
        wrong = [name for name, value in row.items() if not _is_same(value, expected.get(name))]
        if wrong:
            return (
                f"row {number} holds {_shown(row[wrong[0]])} in column {for_terminal(wrong[0])} instead of "
                f"{_shown(expected.get(wrong[0]))}; a trigger, or the type of the column"
            )
    return None


def _is_same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


def _shown(value: Value) -> str:
    return shortened(for_terminal(repr(value)), _VALUE_SHOWN)


def _sound(database: sqlite3.Connection) -> int:
    """Give how many foreign keys are violated in a database that is otherwise sound.

    Raises:
        RefusedError: SQLite's own check finds damage.
    """
    damage, violated = integrity_of(database)
    if damage != "ok":
        message = f"the registry is damaged: {for_terminal(damage)}; nothing was changed"
        raise RefusedError(message, "recover the database first, on a copy")
    return violated


def _check(database: sqlite3.Connection, violated: int, step: str) -> None:
    damage, now_violated = integrity_of(database)
    if damage != "ok" or now_violated != violated:
        told = damage if damage != "ok" else f"{now_violated} foreign keys are violated instead of {violated}"
        message = f"{step} damaged the copy: {told}; nothing was changed"
        raise RefusedError(message, _HINT)


def _drifted(database: sqlite3.Connection) -> str:
    """Name the rows that a refused script found changed, as far as it got."""
    query = "SELECT task_id, differing FROM temp.forensics_check WHERE fate NOT IN ('due', 'same', 'done') LIMIT 5"
    try:
        rows = database.execute(query).fetchall()
    except sqlite3.Error:
        return ""
    return "".join(f"; {for_terminal(str(task_id))} ({differing or 'gone'})" for task_id, differing in rows)


def _hint_for(error: Exception) -> str:
    """Say what to do about a failed script: SQLite reports a full disk as such, or as a failure to write."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _ROOM_HINT if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) else _HINT


def _roll_back(database: sqlite3.Connection) -> None:
    if database.in_transaction:
        database.execute("ROLLBACK")
