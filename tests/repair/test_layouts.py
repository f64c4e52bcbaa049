"""Every layout of a registry: captured databases are corrected, taken back, and hold everything else as it was."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from forensics import audit, load_evidence
from forensics.model.errors import RefusedError
from forensics.model.plan import TOUCHED, PlannedRow, Value
from forensics.model.verdicts import Confidence, SourceKind, Verdict
from forensics.parsers.database import companions_of, opened_copy
from forensics.repair import planning
from forensics.repair.apply import apply_fix, apply_undo, plan_of, read_journal
from forensics.repair.contents import contents_of
from forensics.repair.layout import unknown_layout
from forensics.repair.plan import Selection
from forensics.repair.planning import plan_fix
from forensics.writers.sql import write_fix, write_undo
from tests.repair.registries import START_MS, after, change, insert, lost_row, plan_for, rows_of, target_of, write_rows
from tests.support.captures import EvidenceSet, archived_sets, unpack
from tests.support.command import forensics

EVERYTHING = Selection(
    verdicts=(Verdict.FALSE_LOST, Verdict.FAILED, Verdict.REPLAYED, Verdict.INTERRUPTED),
    minimum=Confidence.WEAK,
    healed=True,
)


def digest_of(path: Path) -> str:
    with opened_copy(path, companions_of(path)) as copy:
        return contents_of(copy).digest


@pytest.mark.parametrize("one", [pytest.param(one, id=str(one)) for one in archived_sets()])
def test_captured_registries_are_corrected_and_taken_back(one: EvidenceSet, unpacked: Path, tmp_path: Path) -> None:
    """Of every set of evidence that holds a registry with rows to correct: apply, and undo, on a copy of it."""
    folder = unpack(one.capture, unpacked)
    evidence = load_evidence([str(folder / path) for path in one.paths])
    kinds = set(evidence.sources["kind"].to_list())
    if SourceKind.TASK_REGISTRY not in kinds:
        pytest.skip("there is no registry in this set")
    planned = plan_fix(evidence, audit(evidence), EVERYTHING)
    registry = tmp_path / "state/tasks/runs.sqlite"
    registry.parent.mkdir(parents=True)
    for path in (planned.path, *companions_of(planned.path)):
        shutil.copyfile(path, registry.with_name(path.name.replace(planned.path.name, registry.name)))
    with opened_copy(registry, companions_of(registry)) as copy:
        assert unknown_layout(copy) is None
    if not planned.plan.rows:
        return
    before = digest_of(registry)
    wanted = after(rows_of_copy(registry), planned.plan)
    target = target_of(registry, tmp_path / "before.sqlite")
    apply_fix(planned.plan, target)
    assert rows_of(registry) == wanted
    apply_undo(plan_of(read_journal(target.journal)), target_of(registry, tmp_path / "after.sqlite"), target.journal)
    assert digest_of(registry) == before


def rows_of_copy(registry: Path) -> dict[str, dict[str, object]]:
    with opened_copy(registry, companions_of(registry)) as copy:
        copy.row_factory = sqlite3.Row
        return {row["task_id"]: dict(row) for row in copy.execute("SELECT * FROM task_runs")}


STRICT_WITH_KEYS = """
PRAGMA foreign_keys = ON;
CREATE TABLE schema_meta (meta_key TEXT NOT NULL PRIMARY KEY, schema_version INTEGER, app_version TEXT) STRICT;
INSERT INTO schema_meta VALUES ('primary', 18, '2026.9.6');
PRAGMA user_version = 18;
CREATE TABLE task_runs (task_id TEXT NOT NULL PRIMARY KEY, runtime TEXT NOT NULL, task_kind TEXT, source_id TEXT,
 requester_session_key TEXT, owner_key TEXT NOT NULL, scope_kind TEXT NOT NULL, child_session_key TEXT,
 parent_flow_id TEXT, parent_task_id TEXT, agent_id TEXT, requester_agent_id TEXT, run_id TEXT,
 execution_owner_host TEXT, execution_owner_pid INTEGER, execution_owner_start_identity INTEGER, label TEXT,
 task TEXT NOT NULL, status TEXT NOT NULL, delivery_status TEXT NOT NULL, notify_policy TEXT NOT NULL,
 created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, last_event_at INTEGER, cleanup_after INTEGER,
 tool_use_count INTEGER, last_tool_name TEXT, error TEXT, progress_summary TEXT, terminal_summary TEXT,
 terminal_outcome TEXT, detail_json TEXT) STRICT;
CREATE INDEX idx_task_runs_status ON task_runs(status);
CREATE TABLE task_delivery_state (task_id TEXT NOT NULL PRIMARY KEY, requester_origin_json TEXT,
 last_notified_event_at INTEGER, FOREIGN KEY (task_id) REFERENCES task_runs(task_id) ON DELETE CASCADE) STRICT;
"""
"""As 2026.9.6 has it."""


def test_strict_tables_foreign_keys_and_details_are_kept(tmp_path: Path) -> None:
    rows = [lost_row(number, detail_json='{"storeKey":"x"}', execution_owner_pid=7) for number in range(4)]
    registry = write_rows(tmp_path / "state/state/openclaw.sqlite", rows, STRICT_WITH_KEYS, wal=True)
    with closing(sqlite3.connect(registry)) as database:
        insert(database, "task_delivery_state", {"task_id": "task-00001", "last_notified_event_at": 5})
        database.commit()
    before, plan = rows_of(registry), plan_for(registry, ["task-00001", "task-00002"])
    target = target_of(registry, tmp_path / "before.sqlite")
    _, rehearsal = apply_fix(plan, target)
    assert rows_of(registry) == after(before, plan)
    assert (rehearsal.other_tables, rehearsal.foreign_keys) == (2, 0)
    with closing(sqlite3.connect(registry)) as database:
        assert database.execute("SELECT * FROM task_delivery_state").fetchall() == [("task-00001", None, 5)]


def test_keys_that_are_violated_already_are_counted_and_no_reason_to_refuse(tmp_path: Path) -> None:
    registry = write_rows(tmp_path / "state/state/openclaw.sqlite", [lost_row(1)], STRICT_WITH_KEYS)
    with closing(sqlite3.connect(registry)) as database:
        insert(database, "task_delivery_state", {"task_id": "gone", "last_notified_event_at": 5})
        database.commit()
    _, rehearsal = apply_fix(plan_for(registry, ["task-00001"]), target_of(registry, tmp_path / "b.sqlite"))
    assert rehearsal.foreign_keys == 1


def test_virtual_tables_and_tables_without_rowid_are_compared(tmp_path: Path) -> None:
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(1), lost_row(2)])
    change(registry, "CREATE VIRTUAL TABLE words USING fts5(text)")
    change(registry, "INSERT INTO words VALUES ('some words')")
    change(registry, 'CREATE TABLE "od""d; name" (rowid TEXT PRIMARY KEY, "oid", _rowid_) WITHOUT ROWID')
    change(registry, """INSERT INTO "od""d; name" VALUES ('a', x'00', 1.5)""")
    plan = plan_for(registry, ["task-00001"])
    _, rehearsal = apply_fix(plan, target_of(registry, tmp_path / "b.sqlite"))
    assert rehearsal.other_tables == 2 + 5  # the five tables that keep the words
    change(registry, "CREATE TRIGGER meddle AFTER UPDATE ON task_runs BEGIN INSERT INTO words VALUES ('more'); END")
    with pytest.raises(RefusedError, match=r"virtual table|table words_"):
        apply_fix(plan_for(registry, ["task-00002"]), target_of(registry, tmp_path / "c.sqlite"))


HOSTILE = {
    "quotes": "it's \"quoted\" `x` '' ;--",
    "statement": "'); DROP TABLE task_runs; --",
    "newlines": "a\n.quit\n;\r\nCOMMIT;\nb",
    "nul": "a\x00b",
    "control": "\x1b[31m\x07\u202e\u2028\ufeff",
    "million": "x" * 999_999 + "'",
    "wide": "ü" * 1000 + "\U0001f600",
    "comment": "/* */ -- \\",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_ids_labels_and_texts_survive_script_apply_and_undo(tmp_path: Path, name: str) -> None:
    text = HOSTILE[name]
    short = text if len(text) < 5000 else text[:40]
    rows = [
        lost_row(1, task_id=short, label=text, source_id=short, agent_id=text, progress_summary=text),
        lost_row(2, task_id="x" + short, label=text),
    ]
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", rows)
    plan = plan_for(registry, [row["task_id"] for row in rows], terminal_summary=text)  # type: ignore[misc]
    before = rows_of(registry)
    fix, undo = tmp_path / "fix.sql", tmp_path / "undo.sql"
    fix.write_text(write_fix(plan), "utf-8")
    undo.write_text(write_undo(plan), "utf-8")
    for script, wanted in ((fix, after(before, plan)), (undo, before)):
        with script.open() as commands:
            result = subprocess.run(
                ["sqlite3", "-bail", str(registry)], stdin=commands, capture_output=True, check=False
            )
        assert result.returncode == 0, result.stderr
        assert rows_of(registry) == wanted
    target = target_of(registry, tmp_path / "before.sqlite")
    apply_fix(plan, target)
    assert rows_of(registry) == after(before, plan)
    apply_undo(plan_of(read_journal(target.journal)), target_of(registry, tmp_path / "after.sqlite"), target.journal)
    assert rows_of(registry) == before


def test_keep_extends_the_clean_up_and_no_more(tmp_path: Path) -> None:
    sample = Path(__file__).parent.parent.parent / "samples/every-verdict"
    evidence = load_evidence([str(sample)])
    report = audit(evidence)
    plain, kept = plan_fix(evidence, report), plan_fix(evidence, report, keep_days=30)
    until_ms = round(report.now.timestamp() * 1000) + 30 * 86_400_000
    for before, row in zip(plain.plan.rows, kept.plan.rows, strict=True):
        assert row.new == dict(before.new) | {"cleanup_after": until_ms}
    result = forensics("fix", sample, "-o", tmp_path / "fix.sql", "--keep", "30")
    assert result.returncode == 0
    assert "after 2026-05-20 20:00:00.000 UTC (--keep 30)" in (tmp_path / "fix.sql").read_text("utf-8")


def test_a_row_whose_job_is_still_marked_as_running_is_warned_of_where_the_gateway_would_overwrite_it() -> None:
    jobs = pl.DataFrame(
        {"job_id": ["job-1", "job-2"], "running_at": [datetime.fromtimestamp((START_MS + 60_000) / 1000, UTC), None]},
        schema={"job_id": pl.String, "running_at": pl.Datetime("ms", "UTC")},
    )

    def warned(number: int, **columns: Value) -> bool:
        old: dict[str, Value] = {"source_id": f"job-{number}", "started_at": START_MS + 60_000 * number}
        old |= columns
        (row,) = planning._with_markers([PlannedRow("task", old, {}, "false_lost", "exact", "")], jobs)
        return row.warning is not None

    later: dict[str, Value] = {"tool_use_count": None, "detail_json": '{"storeKey":"x"}'}
    assert warned(1, **later)
    assert not warned(2, **later)
    assert not warned(1, **later | {"started_at": START_MS})
    assert not warned(1, **later | {"detail_json": '{"kind":"cron-run"}'})
    assert not warned(1, detail_json=None)


def test_a_planned_row_that_holds_its_new_values_already_blocks_no_second_run(tmp_path: Path) -> None:
    registry = write_rows(tmp_path / "state/tasks/runs.sqlite", [lost_row(1), lost_row(2)])
    plan = plan_for(registry, ["task-00001", "task-00002"])
    idle = replace(plan.rows[0], new={column: plan.rows[0].old[column] for column in TOUCHED})
    before, plan = rows_of(registry), replace(plan, rows=(idle, plan.rows[1]))
    target = target_of(registry, tmp_path / "before.sqlite")
    apply_fix(plan, target)
    assert rows_of(registry) == after(before, plan)
    apply_undo(plan_of(read_journal(target.journal)), target_of(registry, tmp_path / "after.sqlite"), target.journal)
    assert rows_of(registry) == before
