"""The timeline holds every fact, in order, each at the place where it can be read again."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from forensics import audit, load_evidence
from forensics.correlator.timeline import timeline
from forensics.model.evidence import Evidence
from forensics.model.finding import Report
from forensics.model.verdicts import FactKind
from tests.support.captures import unpack
from tests.support.rereading import Cited

SAMPLES = Path(__file__).parent.parent.parent / "samples"
CAPTURES = ["2026.4.15-lost-write", "2026.5.7-in-process", "2026.7.35-restarts", "2026.9.6-restarts"]
AT_ITS_MOMENT = [kind for kind in FactKind if not kind.startswith("restart") and kind is not FactKind.VERDICT]


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
