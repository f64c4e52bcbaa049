"""The guarded fix-up: a script that a person can read, run with ``sqlite3 DB < fix.sql``, and undo (design §8).

``fix.sql`` changes all of its rows or none: each is compared with every old value first. ``undo.sql`` puts back each
row that is still as corrected and leaves alone, and lists, what has changed since. Both may be run again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from forensics import __version__
from forensics.model.escape import for_sql_comment, shortened, sql_literal
from forensics.model.plan import TOUCHED, Plan, PlannedRow, Rehearsal, Stored, Value
from forensics.writers.phrases import counted
from forensics.writers.wording import stamp

COMMIT = "COMMIT;\n"
"""The last statement of a script that changes anything."""

_NAMES_SHOWN = 200
_LAST_MS = round(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What tells a fix from its undo: names, words, and whether one drifted row blocks all of them."""

    name: str
    done: str
    is_all_or_nothing: bool
    promise: str


_FIX = _Kind(
    "fix", "corrected", True, "It changes all rows or none, says which, and may be run again: then it changes nothing."
)
_UNDO = _Kind(
    "undo",
    "restored",
    False,
    "It puts back each row that is still as corrected; rows that have changed since are left alone and listed.",
)


def write_fix(plan: Plan, rehearsal: Rehearsal | None = None) -> str:
    """Give the script that corrects the planned rows; its header tells of the rehearsal."""
    return _header(_FIX, plan, rehearsal) + fix_statements(plan)


def write_undo(plan: Plan, rehearsal: Rehearsal | None = None) -> str:
    """Give the script that puts the planned rows back, byte for byte."""
    return _header(_UNDO, plan, rehearsal) + undo_statements(plan)


def fix_statements(plan: Plan) -> str:
    """Give the statements of the fix without their header: the part that acts."""
    return _statements(_FIX, [(row, row.old, row.new) for row in plan.rows])


def undo_statements(plan: Plan) -> str:
    """Give the statements of the undo without their header."""
    return _statements(_UNDO, [(row, row.new, row.old) for row in plan.rows])


_Swapped = tuple[PlannedRow, Stored, Stored]


def _header(kind: _Kind, plan: Plan, rehearsal: Rehearsal | None) -> str:
    return "".join(f"-- {line}".rstrip() + "\n" for line in _told(kind, plan, rehearsal)) + "\n"


def _told(kind: _Kind, plan: Plan, rehearsal: Rehearsal | None) -> Iterator[str]:
    name = for_sql_comment(plan.inputs.registry)
    database = shlex.quote(for_sql_comment(plan.inputs.registry.replace("\\", "/").rsplit("/", 1)[-1]))
    yield f"{kind.name}.sql for {name}: {counted(len(plan.rows), 'row')}"
    yield f"made by forensics {__version__} from evidence up to {stamp(plan.evidence_until)} UTC"
    yield ""
    yield "Before: stop the gateway (it holds the registry in memory and writes whole rows), then back up:"
    yield f"  sqlite3 {database} \"VACUUM INTO 'backup.sqlite'\""
    yield f"Run:    sqlite3 -bail {database} < {kind.name}.sql"
    yield f"Undo:   sqlite3 -bail {database} < undo.sql" if kind is _FIX else "Undoes: fix.sql"
    yield kind.promise
    yield ""
    yield f"Rows: {for_sql_comment(plan.selection)}"
    yield from _kept(kind, plan)
    warned = sum(row.warning is not None for row in plan.rows)
    if kind is _FIX and warned:
        yield f"Warnings: {counted(warned, 'row')} may not stay as corrected, see WARNING below"
    yield from _rehearsed(rehearsal)
    yield ""
    yield "Inputs (SHA-256):"
    for path, sha256 in plan.inputs.files:
        yield f"  {sha256}  {for_sql_comment(path)}"
    yield "Policy: " + ", ".join(f"{key}={for_sql_comment(value)}" for key, value in plan.policy.items())


def _kept(kind: _Kind, plan: Plan) -> Iterator[str]:
    """Say until when the gateway keeps the rows: it deletes those whose clean-up time has passed at its next sweep."""
    stamps = [row.new["cleanup_after"] for row in plan.rows]
    known = [value for value in stamps if isinstance(value, int) and 0 <= value < _LAST_MS]
    if kind is _FIX and known:
        first = datetime.fromtimestamp(min(known) / 1000, UTC)
        asked = f" (--keep {plan.keep_days})" if plan.keep_days is not None else "; --keep DAYS keeps them longer"
        yield f"Kept: the gateway deletes the first of these rows after {stamp(first)} UTC{asked}"


def _rehearsed(rehearsal: Rehearsal | None) -> Iterator[str]:
    if rehearsal is None:
        return
    yield (
        f"Rehearsed on a private copy: {rehearsal.rows} of {counted(rehearsal.of_rows, 'row')} changed, to exactly the "
        f"planned values; {counted(rehearsal.other_tables, 'other table')} unchanged;"
    )
    keys = counted(rehearsal.foreign_keys, "violated foreign key") + (
        " before and after" if rehearsal.foreign_keys else ""
    )
    yield f"  integrity ok, {keys}; a second run changed nothing; undo.sql restored everything, twice."


def _statements(kind: _Kind, rows: Sequence[_Swapped]) -> str:
    if not rows:
        return f"SELECT 'forensics: there is nothing to {'correct' if kind is _FIX else 'restore'}';\n"
    guards = rows[0][0].guards
    return "\n".join([*_plan(rows, guards), *_acts(kind, guards)]) + "\n" + COMMIT


def _plan(rows: Sequence[_Swapped], guards: Sequence[str]) -> Iterator[str]:
    columns = ["task_id", *guards, *(f"old_{column}" for column in TOUCHED), *(f"new_{column}" for column in TOUCHED)]
    yield "DROP VIEW IF EXISTS temp.forensics_now;"
    yield "DROP TABLE IF EXISTS temp.forensics_plan;"
    yield "DROP TABLE IF EXISTS temp.forensics_check;"
    yield "DROP TABLE IF EXISTS temp.forensics_result;"
    yield "BEGIN IMMEDIATE;"
    yield "-- columns without a type keep every value exactly as it is written here"
    yield f"CREATE TEMP TABLE forensics_plan (\n  {', '.join(columns)},\n  PRIMARY KEY (task_id));"
    for row, old, new in rows:
        yield ""
        if row.title:
            yield f"-- {shortened(for_sql_comment(row.title), _NAMES_SHOWN)}"
        told = f"{row.verdict} ({row.confidence})" if row.confidence else row.verdict
        yield f"-- {for_sql_comment(f'{told}: {row.why}')}"
        if row.warning:
            yield f"-- WARNING: {for_sql_comment(row.warning)}"
        yield "INSERT INTO temp.forensics_plan VALUES ("
        yield f"  {_literals([row.task_id, *(row.old[guard] for guard in guards)])},"
        yield f"  {_literals([old[column] for column in TOUCHED])},"
        yield f"  {_literals([new[column] for column in TOUCHED])});"


def _literals(values: Sequence[Value]) -> str:
    return ", ".join(sql_literal(value) for value in values)


def _acts(kind: _Kind, guards: Sequence[str]) -> Iterator[str]:
    columns, new = ", ".join(TOUCHED), ", ".join(f"new_{column}" for column in TOUCHED)
    blocked = _BLOCKED if kind.is_all_or_nothing else ""
    every = "all of them, or none" if kind.is_all_or_nothing else "those that are still as they were left"
    yield f"""
-- how each row compares with the plan, at any moment
CREATE TEMP VIEW forensics_now AS SELECT p.task_id AS task_id, t.task_id IS NULL AS is_gone,
  {_is_equal([(column, column) for column in ("task_id", *guards)])} AS is_same_run,
  {_is_equal(_touched("old"))}
    AND {_has_equal_types(_touched("old"))} AS is_old,
  {_is_equal(_touched("new"))}
    AND {_has_equal_types(_touched("new"))} AS is_new,
  substr({_differing(guards)}, 3) AS differing
  FROM temp.forensics_plan AS p LEFT JOIN main.task_runs AS t ON t.task_id = p.task_id;

CREATE TEMP TABLE forensics_check AS SELECT task_id, differing, CASE
    WHEN is_gone THEN 'gone'
    WHEN is_same_run AND is_old AND is_new THEN 'same'
    WHEN is_same_run AND is_old THEN 'due'
    WHEN is_same_run AND is_new THEN 'done'
    ELSE 'changed' END AS fate
  FROM temp.forensics_now;

-- changes {every}
UPDATE main.task_runs
SET ({columns}) =
  (SELECT {new} FROM temp.forensics_plan AS p WHERE p.task_id = main.task_runs.task_id)
WHERE task_id IN (SELECT task_id FROM temp.forensics_check WHERE fate = 'due'){blocked};
"""
    yield _ALL_OR_NOTHING if kind.is_all_or_nothing else _ROW_BY_ROW


def _touched(side: str) -> list[tuple[str, str]]:
    return [(column, f"{side}_{column}") for column in TOUCHED]


def _is_equal(columns: Sequence[tuple[str, str]]) -> str:
    stored, planned = ", ".join(f"t.{name}" for name, _ in columns), ", ".join(f"p.{name}" for _, name in columns)
    return f"({stored})\n    IS ({planned})" if len(columns) > 1 else f"{stored} IS {planned}"


def _has_equal_types(columns: Sequence[tuple[str, str]]) -> str:
    """Give the condition that values are of one storage class: 5 and 5.0 are equal, but not the same bytes."""
    stored = ", ".join(f"typeof(t.{name})" for name, _ in columns)
    planned = ", ".join(f"typeof(p.{name})" for _, name in columns)
    return f"({stored})\n    IS ({planned})"


def _differing(guards: Sequence[str]) -> str:
    """Give the names of the columns in which a row is not what it was."""
    compared = [*((guard, guard) for guard in guards), *_touched("old")]
    return "\n    || ".join(
        f"CASE WHEN t.{stored} IS p.{planned} THEN '' ELSE ', {stored}' END" for stored, planned in compared
    )


_BLOCKED = """
  AND NOT EXISTS (SELECT 1 FROM temp.forensics_check WHERE fate NOT IN ('due', 'same'))"""

_COUNTS = """SELECT count(*) AS planned, coalesce(sum(fate IN ('due', 'same')), 0) AS due,
    coalesce(sum(fate IN ('done', 'same')), 0) AS done FROM temp.forensics_check"""

_TAKEN = "SELECT count(*) FROM temp.forensics_now WHERE is_same_run AND is_new"
_TAKEN_NOW = f"""{_TAKEN}
      AND task_id IN (SELECT task_id FROM temp.forensics_check WHERE fate IN ('due', 'same'))"""

_FAILED = "'forensics: FAILED, the rows did not take the planned values'"
"""Said also where a shell without -bail goes on after a statement that failed, as on a locked registry."""

_SHOWN = "CASE WHEN task_id GLOB '*[^ -~]*' THEN 'x''' || hex(task_id) || '''' ELSE task_id END"
"""An id as a terminal may show it: one that holds anything else than plain characters is spelled out."""

_WRONG = """CREATE TEMP TRIGGER forensics_wrong BEFORE INSERT ON forensics_result WHEN NEW.wrong
  BEGIN SELECT RAISE(ROLLBACK, 'forensics: the rows did not take the planned values; nothing was changed'); END;"""

_ALL_OR_NOTHING = f"""SELECT CASE
    WHEN due = planned AND due <> ({_TAKEN}) THEN {_FAILED}
    WHEN due = planned THEN 'forensics: ' || planned || ' rows corrected'
    WHEN done = planned THEN 'forensics: nothing to do, all ' || planned || ' rows are corrected already'
    ELSE 'forensics: REFUSED, ' || (planned - due) || ' of ' || planned
      || ' rows are not what they were; nothing was changed'
  END FROM ({_COUNTS});
SELECT 'forensics: drifted or missing: ' || {_SHOWN}
    || ' (' || CASE fate WHEN 'gone' THEN 'gone' WHEN 'done' THEN 'corrected already' ELSE differing END || ')'
  FROM temp.forensics_check, ({_COUNTS}) AS n
  WHERE n.due < n.planned AND n.done < n.planned AND fate NOT IN ('due', 'same');
SELECT 'forensics: ' || passed || ' of the corrected rows are past their clean-up time: the gateway deletes them at '
    || 'its next sweep (a script made with --keep DAYS keeps them)'
  FROM (SELECT count(*) AS passed FROM temp.forensics_plan, ({_COUNTS}) AS n
    WHERE (n.due = n.planned OR n.done = n.planned) AND new_cleanup_after <= 1000 * strftime('%s', 'now'))
  WHERE passed > 0;

-- a refusal, or a result other than planned, is an error, so that no caller can overlook it
CREATE TEMP TABLE forensics_result (refused INTEGER, wrong INTEGER);
CREATE TEMP TRIGGER forensics_refuse BEFORE INSERT ON forensics_result WHEN NEW.refused
  BEGIN SELECT RAISE(ABORT, 'forensics: refused, rows have drifted; nothing was changed'); END;
{_WRONG}
INSERT INTO forensics_result SELECT due < planned AND done < planned,
  due = planned AND planned <> ({_TAKEN})
  FROM ({_COUNTS});"""

_ROW_BY_ROW = f"""SELECT CASE
    WHEN due <> ({_TAKEN_NOW}) THEN {_FAILED}
    WHEN done = planned THEN 'forensics: nothing to do, all ' || planned || ' rows are restored already'
    WHEN due > 0 THEN 'forensics: ' || due || ' of ' || planned || ' rows restored'
    ELSE 'forensics: nothing to restore, ' || (planned - done) || ' of ' || planned || ' rows have changed since'
  END FROM ({_COUNTS});
SELECT 'forensics: left alone, '
    || CASE fate WHEN 'gone' THEN 'gone: ' ELSE 'changed since: ' END || {_SHOWN}
    || CASE fate WHEN 'gone' THEN '' ELSE ' (' || differing || ')' END
  FROM temp.forensics_check WHERE fate IN ('gone', 'changed');

-- a result other than planned is an error, so that no caller can overlook it
CREATE TEMP TABLE forensics_result (wrong INTEGER);
{_WRONG}
INSERT INTO forensics_result SELECT due <> ({_TAKEN_NOW})
  FROM ({_COUNTS});"""
