"""The timeline holds every fact, in order, each at the place where it can be read again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forensics import audit, load_evidence
from forensics.correlator.timeline import timeline
from forensics.model.evidence import Evidence
from forensics.model.finding import Report
from forensics.model.journal import parsed_journal
from forensics.model.plan import TOUCHED
from forensics.model.verdicts import FactKind
from tests.support.captures import unpack
from tests.support.journals import JOURNAL, NOON, Registry, left_prepared, row_of, sample, write_journal
from tests.support.rereading import Cited

SAMPLES = Path(__file__).parent.parent.parent / "samples"
CAPTURES = ["2026.4.15-lost-write", "2026.5.7-in-process", "2026.7.35-restarts", "2026.9.6-restarts"]
OF_JOURNALS = [FactKind.CHANGE_PREPARED, FactKind.TASK_CORRECTED, FactKind.TASK_RESTORED]
AT_ITS_MOMENT = [kind for kind in FactKind if not kind.startswith("restart") and kind is not FactKind.VERDICT]
CORRECTED = "97b96ec8-5199-4df1-9cb1-1d65e1071d5c"


@cache
def told(path: Path) -> tuple[Evidence, Report, pl.DataFrame]:
    evidence = load_evidence([str(path)])
    report = audit(evidence)
    return evidence, report, timeline(evidence, report)


@pytest.mark.parametrize("capture", CAPTURES)
def test_each_fact_bears_its_moment_at_its_place(capture: str, unpacked: Path) -> None:
    evidence, _, facts = told(unpack(capture, unpacked))
    placed = facts.filter(pl.col("kind").is_in(AT_ITS_MOMENT) & pl.col("line").is_not_null())
    assert placed.height > 20
    wrong = []
    for row in placed.iter_rows(named=True):
        cited = Cited(evidence.files[row["source"]], row["line"], row["table"])
        if not cited.tells_of(row["at"]):
            wrong.append(f"{row['at']} {row['kind']} {row['event']} {cited}")
    assert wrong == []


@pytest.mark.parametrize("capture", CAPTURES)
def test_no_fact_is_left_out(capture: str, unpacked: Path) -> None:
    evidence, report, facts = told(unpack(capture, unpacked))
    for column, kinds in {"created_at": ["task_created"], "ended_at": ["task_ended", "task_lost"]}.items():
        at_hand = {(row[0], row[1]) for row in evidence.tasks.select("task_id", column).drop_nulls().iter_rows()}
        found = facts.filter(pl.col("kind").is_in(kinds)).select("task_id", "at")
        assert set(found.iter_rows()) == at_hand
    runs = evidence.runs.select("job_id", "started_at").drop_nulls()
    assert set(facts.filter(kind="run_started").select("job_id", "at").iter_rows()) == set(runs.iter_rows())
    assert facts.filter(kind="restart_down").height == len(report.restarts)
    assert facts.filter(kind="verdict")["task_id"].sort().to_list() == sorted(one.task_id for one in report.findings)


def test_facts_stand_in_time_order() -> None:
    _, _, facts = told(SAMPLES / "every-verdict")
    assert facts["at"].to_list() == sorted(facts["at"])


def test_a_run_and_its_row_are_one_operation() -> None:
    _, report, facts = told(SAMPLES / "real-lost-write")
    finding = report.findings[0]
    together = facts.filter(operation=finding.run_id)["kind"].to_list()
    assert together[0] == "task_created"
    assert {"task_started", "run_started", "run_ended", "run_recorded", "task_lost", "verdict"} < set(together)
    assert set(facts.filter(pl.col("task_id") == finding.task_id)["verdict"]) == {"false_lost"}


def test_a_copy_of_a_registry_tells_nothing_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "first.sqlite", tmp_path / "second.sqlite"
    registry = SAMPLES / "real-lost-write" / "state" / "tasks" / "runs.sqlite"
    for copy in (first, second):
        copy.write_bytes(registry.read_bytes())
    evidence = load_evidence([], {"office": [str(first), str(second)]})
    facts = timeline(evidence, audit(evidence))
    rows = facts.filter(pl.col("kind").str.starts_with("task_"))
    assert rows.height == rows.unique(["task_id", "kind"]).height > 0


def test_operations_of_several_gateways_are_told_apart(tmp_path: Path) -> None:
    sample, restored = SAMPLES / "real-lost-write", tmp_path / "restored"
    shutil.copytree(sample, restored)
    evidence = load_evidence([], {"office": [str(sample)], "home": [str(restored)]})
    facts = timeline(evidence, audit(evidence))
    whose = facts.filter(pl.col("operation").is_not_null()).group_by("operation").agg(pl.col("gateway").n_unique())
    assert whose["gateway"].to_list() == [1] * whose.height != []


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Give the registry of a copy of the sample, whose backups and journals lie beside it."""
    return sample(tmp_path, "real-lost-write")


def journal_facts(registry: Registry) -> pl.DataFrame:
    root = registry.backups.parent
    _, _, facts = told.__wrapped__(root)
    return facts.filter(pl.col("kind").is_in(OF_JOURNALS))


def shown(registry: Registry) -> list[tuple[Any, ...]]:
    return journal_facts(registry).select("at", "kind", "task_id", "status", "text").rows()


def test_a_correction_is_a_fact_at_the_line_of_its_journal(registry: Registry) -> None:
    journal = registry.fix("runs.backup.sqlite", {CORRECTED: {"status": "succeeded", "error": None}})
    (fact,) = journal_facts(registry).rows(named=True)
    text = "task row corrected by fix from lost to succeeded (false_lost)"
    assert (fact["at"], fact["kind"], fact["event"], fact["text"]) == (
        NOON + timedelta(milliseconds=250),
        "task_corrected",
        "fix",
        text,
    )
    assert CORRECTED in journal.read_text("ascii").splitlines()[fact["line"] - 1]
    evidence, _, facts = told.__wrapped__(registry.backups.parent)
    assert evidence.files[fact["source"]] == journal
    together = facts.filter(operation=fact["operation"])["kind"].to_list()
    assert {"task_started", "run_ended", "task_ended", "task_corrected"} <= set(together)


def test_an_undo_is_a_fact_and_the_fix_before_it_stays_one(registry: Registry) -> None:
    journal = registry.fix("one.sqlite", {CORRECTED: {"status": "succeeded", "error": None}})
    registry.undo("two.sqlite", parsed_journal(journal.read_text("ascii")), at=NOON + timedelta(hours=1))
    assert [(kind, status, text) for _, kind, _, status, text in shown(registry)] == [
        ("task_corrected", "succeeded", "task row corrected by fix from lost to succeeded (false_lost)"),
        ("task_restored", "lost", "task row restored by undo from succeeded to lost (false_lost)"),
    ]


def test_what_the_row_does_not_show_is_said(registry: Registry) -> None:
    registry.fix("one.sqlite", {CORRECTED: {"status": "succeeded", "error": None}})
    registry.change(CORRECTED, terminal_summary="another")
    ((_, _, _, _, changed),) = shown(registry)
    assert changed.endswith("; the row has changed since")
    registry.change(CORRECTED, status="running")
    ((_, _, _, _, unseen),) = shown(registry)
    assert unseen.endswith("; what is at hand of the row does not show it")


def test_a_change_that_neither_journal_nor_row_shows_was_prepared_and_no_more(registry: Registry) -> None:
    stored = {name: registry.stored(CORRECTED)[name] for name in TOUCHED}
    row = row_of(CORRECTED, stored, {**stored, "status": "succeeded", "error": None})
    path = left_prepared(registry.backups / "one.sqlite.journal.json", replace(JOURNAL, rows=(row,)))
    ((at, kind, _, _, text),) = shown(registry)
    assert (at, kind) == (NOON, "change_prepared")
    assert text.startswith("task row to be corrected by fix from lost to succeeded (false_lost)")
    registry.change(CORRECTED, status="succeeded", error=None)
    ((_, kind, _, _, text),) = shown(registry)
    assert (kind, text) == ("task_corrected", "task row corrected by fix from lost to succeeded (false_lost)")
    shutil.copy(path, path.with_name("copy.sqlite.journal.json"))
    assert len(shown(registry)) == 1


def test_a_journal_of_rows_that_are_not_at_hand_is_told_as_well(registry: Registry) -> None:
    row = row_of("gone", {"status": "lost"}, {"status": "succeeded"})
    write_journal(registry.backups / "one.sqlite.journal.json", replace(JOURNAL, rows=(row,)))
    assert [fact[1:4] for fact in shown(registry)] == [("task_corrected", "gone", "succeeded")]
