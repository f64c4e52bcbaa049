"""The fix-up script: all or nothing, idempotent, undoable, through the sqlite3 shell and through Python."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics import audit, load_evidence
from forensics.model.errors import RefusedError
from forensics.model.finding import Report
from forensics.model.plan import GUARDS, TOUCHED, Inputs, Plan, PlannedRow, Stored
from forensics.model.verdicts import Confidence, Verdict
from forensics.parsers.task_registry import raw_values
from forensics.repair.plan import Selection, as_plan, plan_corrections, plan_healed, selected
from forensics.writers.sql import write_fix, write_undo
from tests.support.captures import unpack
from tests.support.command import forensics

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Rows = dict[str, dict[str, Any]]


def rows_of(registry: Path) -> Rows:
    with closing(sqlite3.connect(registry)) as database:
        database.row_factory = sqlite3.Row
        return {row["task_id"]: dict(row) for row in database.execute("SELECT * FROM task_runs")}


def shell(registry: Path, script: Path) -> subprocess.CompletedProcess[str]:
    with script.open() as commands:
        return subprocess.run(["sqlite3", str(registry)], stdin=commands, capture_output=True, text=True, check=False)


def fixed(tmp_path: Path, sample: str, *options: str) -> tuple[Path, Path, Path, Report]:
    """Copy a sample, write its scripts; give registry, fix, undo and the report they follow from."""
    target = tmp_path / "copy"
    shutil.copytree(SAMPLES / sample, target)
    fix, undo = tmp_path / "fix.sql", tmp_path / "undo.sql"
    result = forensics("fix", target, "-o", fix, "--undo", undo, *options)
    assert result.returncode == 0, result.stderr
    return target / "state/tasks/runs.sqlite", fix, undo, audit(load_evidence([str(target)]))


def wanted_rows(before: Rows, report: Report, verdicts: set[Verdict]) -> Rows:
    """Say what the registry must hold afterwards, from the corrections of the report alone."""
    wanted = {task_id: dict(row) for task_id, row in before.items()}
    for finding in report.of_verdict(*verdicts):
        if finding.projected or finding.confidence not in (Confidence.EXACT, Confidence.STRONG):
            continue
        correction = finding.correction
        assert correction is not None
        ended_ms = round(correction.ended_at.timestamp() * 1000)
        wanted[finding.task_id] |= {
            "status": correction.status,
            "ended_at": ended_ms,
            "last_event_at": ended_ms,
            "error": correction.error,
            "terminal_summary": correction.terminal_summary,
            "cleanup_after": round(correction.cleanup_after.timestamp() * 1000),
        }
    return wanted


DEFAULT = {Verdict.FALSE_LOST, Verdict.FAILED, Verdict.REPLAYED}


@pytest.mark.parametrize("sample", ["every-verdict", "real-lost-write", "founding-stand-in"])
def test_shell_changes_exactly_the_planned_rows_to_exactly_the_planned_values(tmp_path: Path, sample: str) -> None:
    registry, fix, undo, report = fixed(tmp_path, sample)
    before = rows_of(registry)
    wanted = wanted_rows(before, report, DEFAULT)
    assert wanted != before
    first = shell(registry, fix)
    assert first.returncode == 0, first.stderr
    assert "rows corrected" in first.stdout
    assert rows_of(registry) == wanted
    second = shell(registry, fix)
    assert second.returncode == 0, second.stderr
    assert "nothing to do" in second.stdout
    assert rows_of(registry) == wanted
    restored = shell(registry, undo)
    assert restored.returncode == 0, restored.stderr
    assert "rows restored" in restored.stdout
    assert rows_of(registry) == before


def test_python_does_the_same(tmp_path: Path) -> None:
    registry, fix, undo, report = fixed(tmp_path, "real-lost-write")
    before = rows_of(registry)
    for script, wanted in ((fix, wanted_rows(before, report, DEFAULT)), (undo, before)):
        for _ in range(2):
            with closing(sqlite3.connect(registry)) as database:
                database.executescript(script.read_text("utf-8"))
            assert rows_of(registry) == wanted


def test_a_drifted_row_blocks_all_of_them_and_the_script_says_so(tmp_path: Path) -> None:
    registry, fix, _, _ = fixed(tmp_path, "every-verdict")
    with closing(sqlite3.connect(registry)) as database:
        drifted = database.execute("SELECT task_id FROM task_runs WHERE label = 'ledger-locked'").fetchone()[0]
        database.execute("UPDATE task_runs SET last_event_at = last_event_at + 1 WHERE task_id = ?", (drifted,))
        database.commit()
    before = rows_of(registry)
    result = shell(registry, fix)
    assert result.returncode != 0
    assert "REFUSED, 1 of 5 rows are not what they were; nothing was changed" in result.stdout
    assert f"drifted or missing: {drifted}" in result.stdout
    assert "refused, rows have drifted" in result.stderr
    assert rows_of(registry) == before
    with (
        closing(sqlite3.connect(registry)) as database,
        pytest.raises(sqlite3.IntegrityError, match="rows have drifted"),
    ):
        database.executescript(fix.read_text("utf-8"))
    assert rows_of(registry) == before


def test_a_missing_row_blocks_all_of_them(tmp_path: Path) -> None:
    registry, fix, _, _ = fixed(tmp_path, "every-verdict")
    with closing(sqlite3.connect(registry)) as database:
        database.execute("DELETE FROM task_runs WHERE label = 'hourly-mail' AND status = 'lost'")
        database.commit()
    before = rows_of(registry)
    assert shell(registry, fix).returncode != 0
    assert rows_of(registry) == before


def test_a_trigger_that_meddles_is_seen_and_everything_rolled_back(tmp_path: Path) -> None:
    registry, fix, _, _ = fixed(tmp_path, "real-lost-write")
    with closing(sqlite3.connect(registry)) as database:
        database.execute(
            "CREATE TRIGGER meddle AFTER UPDATE ON task_runs BEGIN "
            "UPDATE task_runs SET terminal_summary = 'meddled' WHERE task_id = NEW.task_id; END"
        )
        database.commit()
    before = rows_of(registry)
    result = shell(registry, fix)
    assert result.returncode != 0
    assert "did not take the planned values" in result.stderr
    assert rows_of(registry) == before


def test_a_locked_registry_is_left_alone(tmp_path: Path) -> None:
    registry, fix, _, _ = fixed(tmp_path, "real-lost-write")
    before = rows_of(registry)
    with closing(sqlite3.connect(registry)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert shell(registry, fix).returncode != 0
        holder.rollback()
    assert rows_of(registry) == before


def test_interrupted_rows_are_corrected_only_on_request(tmp_path: Path) -> None:
    registry, fix, _, report = fixed(tmp_path, "every-verdict", "--include", "interrupted")
    wanted = wanted_rows(rows_of(registry), report, DEFAULT | {Verdict.INTERRUPTED})
    assert shell(registry, fix).returncode == 0
    assert rows_of(registry) == wanted
    statuses = [row["status"] for row in rows_of(registry).values() if row["label"] == "died-alone"]
    assert statuses == ["failed"]


def test_exclude_and_confidence_choose_the_rows(tmp_path: Path) -> None:
    registry, fix, _, report = fixed(tmp_path, "every-verdict", "--exclude", "replayed,failed")
    wanted = wanted_rows(rows_of(registry), report, {Verdict.FALSE_LOST})
    assert shell(registry, fix).returncode == 0
    assert rows_of(registry) == wanted


def test_weak_proof_is_not_applied_unless_asked_for(tmp_path: Path) -> None:
    registry, fix, _, _ = fixed(tmp_path / "default", "founding-no-start")
    before = rows_of(registry)
    assert "nothing to correct" in shell(registry, fix).stdout
    assert rows_of(registry) == before
    registry, fix, _, _ = fixed(tmp_path / "weak", "founding-no-start", "--min-confidence", "weak")
    assert shell(registry, fix).returncode == 0
    assert {row["status"] for row in rows_of(registry).values()} == {"succeeded"}


def test_healed_rows_lose_only_their_stale_error(tmp_path: Path, unpacked: Path) -> None:
    capture = unpack("2026.4.15-no-restart", unpacked)
    shutil.copytree(capture / "state", tmp_path / "state")
    fix, undo = tmp_path / "fix.sql", tmp_path / "undo.sql"
    result = forensics("fix", tmp_path / "state", "-o", fix, "--undo", undo, "--include", "healed")
    assert result.returncode == 0, result.stderr
    registry = tmp_path / "state/tasks/runs.sqlite"
    before = rows_of(registry)
    healed = [task_id for task_id, row in before.items() if row["error"] == "backing session missing"]
    assert len(healed) == 1
    assert shell(registry, fix).returncode == 0
    assert rows_of(registry) == before | {healed[0]: before[healed[0]] | {"error": None}}
    assert shell(registry, undo).returncode == 0
    assert rows_of(registry) == before


def test_a_row_that_changed_since_it_was_read_is_refused() -> None:
    evidence = load_evidence([str(SAMPLES / "real-lost-write")])
    report = audit(evidence)
    findings = selected(report, Selection())
    with pytest.raises(RefusedError, match="changed while the registry was read"):
        plan_corrections(findings, {}, report)
    stored: dict[str, Stored] = {finding.task_id: {"status": "succeeded", "ended_at": 1} for finding in findings}
    with pytest.raises(RefusedError, match="nothing is written"):
        plan_corrections(findings, stored, report)


def test_rows_that_only_an_export_shows_are_never_planned() -> None:
    report = audit(load_evidence([str(SAMPLES / "every-verdict")]))
    projected = [finding.task_id for finding in report.findings if finding.projected]
    assert projected
    everything = Selection(verdicts=tuple(Verdict), minimum=Confidence.WEAK)
    chosen = {finding.task_id for finding in selected(report, everything)}
    assert not chosen & set(projected)


values = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=40), st.binary(max_size=20))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@cache
def founding_report() -> Report:
    return audit(load_evidence([str(SAMPLES / "founding-same-run")]))


@st.composite
def registries(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Draw the rows of a hostile registry and a plan for some of them."""
    ids = draw(st.lists(texts.filter(bool), min_size=1, max_size=5, unique=True))
    rows: list[dict[str, Any]] = [
        {"task_id": task_id, "runtime": "cron"} | {column: draw(values) for column in (*GUARDS[1:], *TOUCHED)}
        for task_id in ids
    ]
    chosen = draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    return rows, {task_id: {column: draw(values) for column in TOUCHED} for task_id in chosen}


def hostile_plan(stored: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> Plan:
    rows = [
        PlannedRow(
            task_id=task_id,
            old={column: stored[task_id][column] for column in (*GUARDS, *TOUCHED)},
            new=values,
            verdict="false_lost",
            confidence=None,
            why="a comment\nwith a break",
            title="job ';\nDROP TABLE task_runs;--",
        )
        for task_id, values in new.items()
    ]
    inputs = Inputs("registry\n;DROP TABLE task_runs;", (("file\n.quit", "0" * 64),))
    return as_plan(rows, inputs, founding_report(), Selection(jobs=("a\n.quit",)))


@settings(max_examples=120, deadline=None)
@given(registries())
def test_apply_then_undo_is_the_identity_for_any_values(
    drawn: tuple[list[dict[str, Any]], dict[str, dict[str, Any]]],
) -> None:
    rows, plan = drawn
    columns = ["task_id", *GUARDS, *TOUCHED]
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE task_runs ({', '.join(columns)})")
    marks = ", ".join("?" for _ in columns)
    for row in rows:
        database.execute(f"INSERT INTO task_runs VALUES ({marks})", [row[column] for column in columns])
    database.commit()
    before = database.execute("SELECT * FROM task_runs").fetchall()
    stored = {row["task_id"]: row for row in rows}
    planned = hostile_plan({task_id: stored[task_id] for task_id in plan}, plan)
    fix, undo = write_fix(planned), write_undo(planned)
    database.executescript(fix)
    after = {row[0]: dict(zip(columns, row, strict=True)) for row in database.execute("SELECT * FROM task_runs")}
    assert after == {task_id: row | plan.get(task_id, {}) for task_id, row in stored.items()}
    database.executescript(fix)
    assert {row[0] for row in database.execute("SELECT task_id FROM task_runs")} == set(stored)
    assert database.execute("SELECT * FROM task_runs").fetchall() == [tuple(row.values()) for row in after.values()]
    database.executescript(undo)
    assert database.execute("SELECT * FROM task_runs").fetchall() == before
    database.close()


def test_stored_values_are_read_as_they_are(tmp_path: Path) -> None:
    registry = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(registry)) as database:
        database.execute(f"CREATE TABLE task_runs (task_id, {', '.join((*GUARDS, *TOUCHED))})")
        database.execute(
            "INSERT INTO task_runs (task_id, error, terminal_summary) VALUES ('a', CAST(X'ff00fe' AS TEXT), X'00')"
        )
        database.commit()
    stored = raw_values(registry, [], ["a", "missing"], TOUCHED)
    assert set(stored) == {"a"}
    error = stored["a"]["error"]
    assert isinstance(error, str)
    assert error.encode("utf-8", "surrogateescape") == b"\xff\x00\xfe"
    assert stored["a"]["terminal_summary"] == b"\x00"


def test_only_stale_errors_of_succeeded_rows_are_cleared() -> None:
    stored = {
        "stale": dict.fromkeys(TOUCHED, 1) | {"status": "succeeded", "error": "Backing session missing"},
        "other": dict.fromkeys(TOUCHED, 1) | {"status": "succeeded", "error": "boom"},
        "lost": dict.fromkeys(TOUCHED, 1) | {"status": "lost", "error": "backing session missing"},
    }
    assert [(row.task_id, row.new["error"], row.new["ended_at"]) for row in plan_healed(stored)] == [("stale", None, 1)]


def test_scripts_run_on_the_sqlite_of_long_term_releases(tmp_path: Path) -> None:
    """SQLite before 3.39 (Debian 11, Ubuntu 22.04) refuses HAVING without GROUP BY, after it has said what it did."""
    _, fix, undo, _ = fixed(tmp_path, "every-verdict")
    for script in (fix, undo):
        statements = script.read_text("utf-8").split(";\n")
        assert not [one for one in statements if "HAVING" in one and "GROUP BY" not in one]


def test_of_copies_the_registry_itself_is_corrected(tmp_path: Path) -> None:
    """A backup beside it, and a snapshot, hold the same rows and come first by name."""
    target = Path(shutil.copytree(SAMPLES / "every-verdict", tmp_path / "copy"))
    registry = target / "state/tasks/runs.sqlite"
    shutil.copyfile(registry, registry.with_name("before.sqlite"))
    snapshot = target / "archive/state/tasks/runs.sqlite"
    snapshot.parent.mkdir(parents=True)
    shutil.copyfile(registry, snapshot)
    result = forensics("fix", target, "-o", tmp_path / "fix.sql")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "fix.sql").read_text("utf-8").startswith(f"-- fix.sql for {registry}: 5 rows")


@pytest.mark.parametrize("bail", [[], ["-bail"]])
def test_a_script_never_says_corrected_where_the_registry_was_locked(tmp_path: Path, bail: list[str]) -> None:
    registry, fix, undo, _ = fixed(tmp_path, "every-verdict")
    for script in (fix, undo):
        before = rows_of(registry)
        with closing(sqlite3.connect(registry, isolation_level=None)) as other, script.open() as commands:
            other.execute("BEGIN IMMEDIATE")
            result = subprocess.run(
                ["sqlite3", *bail, str(registry)], stdin=commands, capture_output=True, text=True, check=False
            )
        assert "locked" in result.stderr
        assert "rows corrected" not in result.stdout
        assert "rows restored" not in result.stdout
        assert rows_of(registry) == before
        assert shell(registry, fix).returncode == 0
