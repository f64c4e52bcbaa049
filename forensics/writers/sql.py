"""The guarded fix-up: a script that a person can read, run with ``sqlite3 DB < fix.sql``, and undo (design §8).

All or nothing: one transaction, one UPDATE, guarded by every old value of every row. A row that differs blocks all of
them, and the script says so; a second run finds its own values and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from forensics import __version__
from forensics.model.errors import RefusedError
from forensics.model.escape import for_sql_comment, sql_literal
from forensics.model.finding import Finding, Report
from forensics.model.policy import LOST_ERROR
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Confidence, TaskStatus, Verdict
from forensics.writers.wording import stamp, why

Value = int | float | str | bytes | None
Stored = Mapping[str, Value]

TOUCHED = ("status", "ended_at", "last_event_at", "error", "terminal_summary", "cleanup_after")
"""The columns a correction writes."""

GUARDS = ("runtime", "source_id", "run_id", "started_at")
"""The columns that a correction only compares."""

_RANK = {Confidence.WEAK: 0, Confidence.STRONG: 1, Confidence.EXACT: 2}


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of the registry with its stored values and the values it gets."""

    task_id: str
    old: Stored
    new: Stored
    comment: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a script was made from: the registry and everything else that was read, with hashes."""

    registry: str
    files: tuple[tuple[str, str], ...]


def selected(
    report: Report, *, include: Sequence[Verdict] = (), exclude: Sequence[Verdict] = (), minimum: Confidence
) -> list[Finding]:
    """Choose the findings to correct, by verdict and confidence; never a row that only an export shows."""
    verdicts = (set(CORRECTED_BY_DEFAULT) | set(include)) - set(exclude)
    return [
        finding
        for finding in report.of_verdict(*verdicts)
        if finding.correction is not None
        and not finding.projected
        and finding.confidence is not None
        and _RANK[finding.confidence] >= _RANK[minimum]
    ]


def plan_corrections(findings: Sequence[Finding], stored: Mapping[str, Stored], report: Report) -> list[PlannedRow]:
    """Plan the new values of each row from its stored values.

    Raises:
        RefusedError: a row is gone or no longer what the audit saw.
    """
    paths = report.paths()
    planned = []
    for finding in findings:
        old = stored.get(finding.task_id)
        if old is None or old.get("status") != TaskStatus.LOST or old.get("ended_at") != _epoch_ms(finding.lost_at):
            message = f"row {finding.task_id} changed while the registry was read; nothing is written"
            raise RefusedError(message, "stop the gateway, or work on a copy of its state directory")
        absent = [column for column in TOUCHED if column not in old]
        if absent:
            message = f"the registry has no column {', '.join(absent)}: its layout is unknown; nothing is written"
            raise RefusedError(message)
        comment = f"{finding.verdict} ({finding.confidence}): {why(finding, paths)}"
        planned.append(PlannedRow(finding.task_id, old, _corrected(finding), comment))
    return planned


def plan_healed(stored: Mapping[str, Stored]) -> list[PlannedRow]:
    """Plan to clear the stale text of a lost mark from rows that a late finish corrected."""
    comment = "healed: succeeded, but the text of the lost mark is still there"
    return [
        PlannedRow(task_id, old, {name: old[name] for name in TOUCHED} | {"error": None}, comment)
        for task_id, old in sorted(stored.items())
        if old.get("status") == TaskStatus.SUCCEEDED and LOST_ERROR in str(old.get("error")).lower()
    ]


def write_fix(planned: Sequence[PlannedRow], inputs: Inputs, report: Report) -> str:
    """Give the script that corrects the planned rows."""
    swapped = [(row.task_id, row.old, row.new, row.comment) for row in planned]
    return "\n".join(_script("fix", "corrected", swapped, inputs, report)) + "\n"


def write_undo(planned: Sequence[PlannedRow], inputs: Inputs, report: Report) -> str:
    """Give the script that puts the planned rows back, byte for byte."""
    swapped = [(row.task_id, row.new, row.old, row.comment) for row in planned]
    return "\n".join(_script("undo", "restored", swapped, inputs, report)) + "\n"


_Row = tuple[str, Stored, Stored, str]


def _script(name: str, done: str, rows: Sequence[_Row], inputs: Inputs, report: Report) -> Iterator[str]:
    yield from _header(name, len(rows), inputs, report)
    if not rows:
        yield "SELECT 'forensics: there is nothing to correct';"
        return
    guards = tuple(column for column in GUARDS if column in rows[0][1] or column in rows[0][2])
    yield from _plan(rows, guards)
    before = _matches("old", guards)
    after = _matches("new", guards)
    yield f"""
CREATE TEMP TABLE forensics_check AS SELECT
  (SELECT count(*) FROM temp.forensics_plan) AS planned,
  (SELECT count(*) FROM main.task_runs AS t JOIN temp.forensics_plan AS p ON t.task_id = p.task_id
    WHERE {before}) AS as_before,
  (SELECT count(*) FROM main.task_runs AS t JOIN temp.forensics_plan AS p ON t.task_id = p.task_id
    WHERE {after}) AS as_planned;

-- changes all rows, or none: only when every one of them still holds all of its old values
UPDATE main.task_runs
SET ({", ".join(TOUCHED)}) =
  (SELECT {", ".join(f"new_{column}" for column in TOUCHED)}
    FROM temp.forensics_plan AS p WHERE p.task_id = main.task_runs.task_id)
WHERE task_id IN (SELECT task_id FROM temp.forensics_plan)
  AND (SELECT as_before = planned FROM temp.forensics_check);

SELECT CASE
    WHEN as_before = planned THEN 'forensics: ' || planned || ' rows {done}'
    WHEN as_planned = planned THEN 'forensics: nothing to do, all ' || planned || ' rows are {done} already'
    ELSE 'forensics: REFUSED, ' || (planned - as_before) || ' of ' || planned
      || ' rows are not what they were; nothing was changed'
  END FROM temp.forensics_check;
SELECT 'forensics: drifted or missing: ' || p.task_id FROM temp.forensics_plan AS p
  LEFT JOIN main.task_runs AS t ON t.task_id = p.task_id
  WHERE (SELECT as_before < planned AND as_planned < planned FROM temp.forensics_check)
    AND NOT coalesce({before}, 0);

-- a refusal, or a result other than planned, is an error, so that no caller can overlook it
CREATE TEMP TABLE forensics_result (refused INTEGER, wrong INTEGER);
CREATE TEMP TRIGGER forensics_refuse BEFORE INSERT ON forensics_result WHEN NEW.refused
  BEGIN SELECT RAISE(ABORT, 'forensics: refused, rows have drifted; nothing was changed'); END;
CREATE TEMP TRIGGER forensics_wrong BEFORE INSERT ON forensics_result WHEN NEW.wrong
  BEGIN SELECT RAISE(ROLLBACK, 'forensics: the rows did not take the planned values; nothing was changed'); END;
INSERT INTO forensics_result SELECT
  as_before < planned AND as_planned < planned,
  as_before = planned AND planned <> (SELECT count(*) FROM main.task_runs AS t
    JOIN temp.forensics_plan AS p ON t.task_id = p.task_id WHERE {after})
  FROM temp.forensics_check;
COMMIT;"""


def _header(name: str, count: int, inputs: Inputs, report: Report) -> Iterator[str]:
    yield f"-- {name}.sql for {for_sql_comment(inputs.registry)}: {count} rows"
    yield f"-- made by forensics {__version__} from evidence up to {stamp(report.now)} UTC"
    yield "--"
    yield "-- Before: stop the gateway (it holds the registry in memory and writes whole rows), then back up:"
    yield "--   sqlite3 runs.sqlite \"VACUUM INTO 'runs.backup.sqlite'\""
    yield f"-- Run:    sqlite3 -bail runs.sqlite < {name}.sql"
    yield "-- It changes all rows or none, says which, and may be run again: then it changes nothing."
    yield "--"
    yield "-- Inputs (SHA-256):"
    for path, sha256 in inputs.files:
        yield f"--   {sha256}  {for_sql_comment(path)}"
    yield "-- Policy: " + ", ".join(f"{key}={value}" for key, value in report.policy.as_text().items())
    yield ""


def _plan(rows: Sequence[_Row], guards: Sequence[str]) -> Iterator[str]:
    columns = ["task_id", *guards, *(f"old_{column}" for column in TOUCHED), *(f"new_{column}" for column in TOUCHED)]
    yield "DROP TABLE IF EXISTS temp.forensics_plan;"
    yield "DROP TABLE IF EXISTS temp.forensics_check;"
    yield "DROP TABLE IF EXISTS temp.forensics_result;"
    yield "BEGIN IMMEDIATE;"
    yield "-- columns without a type keep every value exactly as it is written here"
    yield f"CREATE TEMP TABLE forensics_plan ({', '.join(columns)}, PRIMARY KEY (task_id));"
    for task_id, old, new, comment in rows:
        kept = old if all(guard in old for guard in guards) else new
        values = [
            task_id,
            *(kept.get(guard) for guard in guards),
            *(old[column] for column in TOUCHED),
            *(new[column] for column in TOUCHED),
        ]
        yield f"-- {for_sql_comment(comment)}"
        yield f"INSERT INTO temp.forensics_plan VALUES ({', '.join(sql_literal(value) for value in values)});"


def _matches(side: str, guards: Sequence[str]) -> str:
    compared = [*(f"t.{guard} IS p.{guard}" for guard in guards), *(f"t.{c} IS p.{side}_{c}" for c in TOUCHED)]
    return " AND ".join(compared)


def _corrected(finding: Finding) -> Stored:
    correction = finding.correction
    if correction is None:
        message = f"{finding.task_id} has no correction"
        raise TypeError(message)
    ended_ms = _epoch_ms(correction.ended_at)
    return {
        "status": correction.status,
        "ended_at": ended_ms,
        "last_event_at": ended_ms,
        "error": correction.error,
        "terminal_summary": correction.terminal_summary,
        "cleanup_after": _epoch_ms(correction.cleanup_after),
    }


def _epoch_ms(time: datetime | None) -> int | None:
    return round(time.timestamp() * 1000) if time else None
