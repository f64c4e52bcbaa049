"""For any registry and findings: fix then undo is the identity, fix twice is fix once, a drifted row blocks all."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.model.errors import RefusedError
from forensics.model.plan import GUARDS, TOUCHED, Inputs, Plan, PlannedRow, Stored
from forensics.repair.contents import contents_of, decoded
from forensics.repair.rehearsal import rehearse, rehearse_undo, run
from forensics.writers.sql import fix_statements, undo_statements
from tests.repair.registries import NOW
from tests.support.effort import tries

INTEGERS = {"created_at", "started_at", "ended_at", "last_event_at", "cleanup_after", "execution_owner_pid"}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1)
anything = st.one_of(st.none(), integers, texts, st.binary(max_size=8), st.floats(allow_nan=False))


def values_of(column: str, *, is_typed: bool) -> st.SearchStrategy[Any]:
    if not is_typed:
        return anything
    return st.one_of(st.none(), integers if column in INTEGERS else texts)


@st.composite
def registries(draw: st.DrawFn) -> tuple[sqlite3.Connection, Plan]:
    """Draw a registry in memory, of any of the layouts, with other tables, and a plan for some of its rows."""
    is_typed = draw(st.booleans())
    is_strict = is_typed and draw(st.booleans())
    guards = [guard for guard in GUARDS if draw(st.booleans())]
    columns = draw(st.permutations(["task_id", *guards, *TOUCHED, "owner_key", "extra"]))
    declared = [
        f"{column}{' INTEGER' if column in INTEGERS else ' TEXT' if is_typed else ''}"
        f"{' PRIMARY KEY' if column == 'task_id' else ''}"
        for column in columns
    ]
    if not is_typed:
        declared = [column.replace(" INTEGER", "") for column in declared]
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute(f"CREATE TABLE task_runs ({', '.join(declared)}){' STRICT' if is_strict else ''}")
    database.execute("CREATE TABLE task_delivery_state (task_id REFERENCES task_runs ON DELETE CASCADE, at)")
    ids = draw(st.lists(texts.filter(bool), min_size=1, max_size=6, unique=True))
    rows: dict[str, dict[str, Any]] = {}
    for task_id in ids:
        row = {column: draw(values_of(column, is_typed=is_typed)) for column in columns} | {"task_id": task_id}
        rows[task_id] = row
        database.execute(f"INSERT INTO task_runs VALUES ({', '.join('?' * len(columns))})", list(row.values()))
        if draw(st.booleans()):
            database.execute("INSERT INTO task_delivery_state VALUES (?, ?)", (task_id, draw(anything)))
    chosen = draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    planned = tuple(
        PlannedRow(
            task_id=task_id,
            old={column: rows[task_id][column] for column in (*guards, *TOUCHED)},
            new={column: draw(values_of(column, is_typed=is_typed)) for column in TOUCHED},
            verdict="false_lost",
            confidence="exact",
            why=draw(texts),
            title=draw(texts),
        )
        for task_id in chosen
    )
    return database, Plan(planned, Inputs("registry", ()), {}, NOW, "all")


def everything(database: sqlite3.Connection) -> list[list[tuple[Any, ...]]]:
    """Give every value of every table with its type, by means of plain sqlite3."""
    return [
        [
            tuple((type(value), value) for value in row)
            for row in database.execute(f"SELECT * FROM {table} ORDER BY rowid")
        ]
        for table in ("task_runs", "task_delivery_state")
    ]


def stored_rows(database: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    cursor = database.execute("SELECT * FROM task_runs")
    names = [column[0] for column in cursor.description]
    return {row[names.index("task_id")]: dict(zip(names, row, strict=True)) for row in cursor}


def is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


@settings(max_examples=tries(75, 150), deadline=None)
@given(registries())
def test_fix_then_undo_is_the_identity_on_every_table(drawn: tuple[sqlite3.Connection, Plan]) -> None:
    database, plan = drawn
    before, rows = everything(database), stored_rows(database)
    wanted = {task_id: row.copy() for task_id, row in rows.items()}
    for planned in plan.rows:
        wanted[planned.task_id] |= planned.new
    run(database, fix_statements(plan), "fix")
    fixed, after = stored_rows(database), everything(database)
    assert fixed.keys() == wanted.keys()
    assert all(is_same(fixed[task_id][name], value) for task_id, row in wanted.items() for name, value in row.items())
    assert after[1] == before[1]
    run(database, fix_statements(plan), "fix")
    assert everything(database) == after
    run(database, undo_statements(plan), "undo")
    assert everything(database) == before
    run(database, undo_statements(plan), "undo")
    assert everything(database) == before
    database.close()


@settings(max_examples=tries(40, 80), deadline=None)
@given(registries())
def test_the_rehearsal_agrees_and_leaves_the_copy_as_it_was(drawn: tuple[sqlite3.Connection, Plan]) -> None:
    database, plan = drawn
    before = everything(database)
    assert rehearse(database, plan).rows == len(plan.rows)
    assert everything(database) == before
    run(database, fix_statements(plan), "fix")
    undoing = rehearse_undo(database, plan)
    assert not undoing.left
    assert everything(database) == before
    database.close()


@settings(max_examples=tries(75, 150), deadline=None)
@given(registries(), st.data())
def test_a_drifted_row_blocks_all_of_them(drawn: tuple[sqlite3.Connection, Plan], data: st.DataObject) -> None:
    database, plan = drawn
    row = data.draw(st.sampled_from(plan.rows))
    column = data.draw(st.sampled_from(sorted(row.old)))
    _drift(database, row, column)
    drifted = everything(database)
    if is_same(stored_rows(database)[row.task_id][column], row.old[column]):
        return
    if _is_done(database, plan):
        return  # it drifted to just what was planned, and so had all others
    with pytest.raises(RefusedError, match="drifted"):
        run(database, fix_statements(plan), "fix")
    assert everything(database) == drifted
    with pytest.raises(RefusedError):
        rehearse(database, plan)
    assert everything(database) == drifted
    database.close()


def _drift(database: sqlite3.Connection, row: PlannedRow, column: str) -> None:
    old: Stored = row.old
    value = old[column]
    other: object = 1 if value is None else value + 1 if isinstance(value, int) and value < 2**62 else None
    try:
        database.execute(f"UPDATE task_runs SET {column} = ? WHERE task_id = ?", (other, row.task_id))
    except sqlite3.IntegrityError:  # a STRICT text column takes no number
        database.execute(f"UPDATE task_runs SET {column} = 'other' WHERE task_id = ?", (row.task_id,))


def _is_done(database: sqlite3.Connection, plan: Plan) -> bool:
    rows = stored_rows(database)
    return all(
        is_same(rows[row.task_id][name], value)
        for row in plan.rows
        for name, value in (dict(row.old) | dict(row.new)).items()
    )


@settings(max_examples=tries(50, 100), deadline=None)
@given(registries(), st.data())
def test_undo_restores_what_is_untouched_and_leaves_the_rest(
    drawn: tuple[sqlite3.Connection, Plan], data: st.DataObject
) -> None:
    database, plan = drawn
    before = stored_rows(database)
    run(database, fix_statements(plan), "fix")
    row = data.draw(st.sampled_from(plan.rows))
    database.execute("UPDATE task_runs SET error = 'changed since' WHERE task_id = ?", (row.task_id,))
    changed = stored_rows(database)[row.task_id]
    run(database, undo_statements(plan), "undo")
    rows = stored_rows(database)
    untouched = {planned.task_id for planned in plan.rows} - {row.task_id}
    assert all(is_same(rows[task_id][name], before[task_id][name]) for task_id in untouched for name in before[task_id])
    if row.new["error"] != "changed since" and row.old["error"] != "changed since":
        assert rows[row.task_id] == changed
    database.close()


@settings(max_examples=tries(50, 100), deadline=None)
@given(st.lists(anything, min_size=1, max_size=5), st.lists(anything, min_size=1, max_size=5))
def test_contents_tell_every_two_databases_apart(one: list[Any], other: list[Any]) -> None:
    digests = []
    for values in (one, other):
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.execute("CREATE TABLE task_runs (task_id, value)")
        for value in values:
            database.execute("INSERT INTO task_runs VALUES ('a', ?)", (value,))
        digests.append(contents_of(database).digest)
        database.close()
    same = len(one) == len(other) and all(is_same(left, right) for left, right in zip(one, other, strict=True))
    assert (digests[0] == digests[1]) == same


def test_text_and_blob_of_the_same_bytes_are_not_the_same() -> None:
    digests = set()
    for value in ("'a'", "x'61'", "97", "97.0", "NULL", "CAST(x'ff' AS TEXT)", "x'ff'"):
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.text_factory = decoded
        database.execute("CREATE TABLE task_runs (task_id, value)")
        database.execute(f"INSERT INTO task_runs VALUES ('a', {value})")
        digests.add(contents_of(database).digest)
        database.close()
    assert len(digests) == 7
