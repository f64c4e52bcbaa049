"""``summary.before`` counts what the gateway's own audit counted: every captured answer is held against its registry.

The answers of five releases are the oracle: what ``openclaw tasks audit --json`` said, code by code and severity by
severity, about a registry that was copied at the same moment. The moment is told by the answer: the last event of a
task plus its age. An answer without any age lies between the start of its command and of the next one.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from forensics import Policy, load_evidence
from forensics.correlator.audit import latest_time
from forensics.correlator.counts import audit_counts
from forensics.correlator.facts import newest_state
from forensics.model.finding import Counts
from tests.support.audits import Answer, answers, as_it_was, maintenance_answers, unpack_audits
from tests.support.captures import DATA

RELEASES = {"2026.4.15", "2026.5.7", "2026.6.11", "2026.7.35", "2026.9.6"}
PROJECTS_RECOVERED = ("2026.6.11", "2026.7.35", "2026.9.6")
"""Releases whose ``tasks maintenance`` counts after its own repair; ``tasks audit --json`` counts the rows as they are
(of the seventeen lost rows of 2026.7.35/upgrade-crafted it names all, minutes before ten of them are repaired)."""


@pytest.fixture(scope="module")
def audits(unpacked: Path) -> Path:
    return unpack_audits(unpacked)


def with_registry(told: list[Answer]) -> list[Answer]:
    return [answer for answer in told if answer.registry is not None]


def only(told: list[Answer], *parts: str) -> Answer:
    (answer,) = [answer for answer in told if all(part in answer.path for part in parts)]
    return answer


def rows_of(path: Path) -> tuple[pl.DataFrame, datetime]:
    evidence = load_evidence([str(path)])
    return newest_state(evidence.tasks), latest_time(evidence)


def counted(tasks: pl.DataFrame, now: datetime, release: str) -> Counts:
    # the release decides, not what a log would tell of it
    return audit_counts(tasks, now, Policy(), release=release)


def counts_at_its_moment(answer: Answer, tasks: pl.DataFrame, latest: datetime) -> list[Counts]:
    """Count at the moment of the answer: one count, or two where the answer lies between two moments."""
    moments = {answer.earliest or latest, answer.latest or latest}
    return [counted(as_it_was(tasks, now), now, answer.release) for now in sorted(moments)]


@pytest.mark.parametrize("answer", with_registry(answers()), ids=str)
def test_registry_is_counted_as_the_gateway_counted_it(answer: Answer, audits: Path) -> None:
    tasks, latest = rows_of(audits / str(answer.registry))
    assert answer.counts in counts_at_its_moment(answer, tasks, latest)


@pytest.mark.parametrize(
    "answer",
    [answer for answer in with_registry(maintenance_answers()) if answer.release not in PROJECTS_RECOVERED],
    ids=str,
)
def test_registry_is_counted_as_maintenance_counted_it_beforehand(answer: Answer, audits: Path) -> None:
    """Maintenance prints no ages: a row that comes of age while the command runs may be counted or not."""
    tasks, latest = rows_of(audits / str(answer.registry))
    assert answer.counts in counts_at_its_moment(answer, tasks, latest)


@pytest.mark.parametrize("answer", [answer for answer in answers() if answer.named], ids=str)
def test_answer_alone_is_counted_as_it_counts_itself(answer: Answer, audits: Path) -> None:
    tasks, latest = rows_of(audits / answer.path)
    assert set(tasks["task_id"]) == answer.named
    assert counted(tasks, answer.latest or latest, answer.release) == answer.counts


def test_answers_of_every_release_are_held_against_a_registry() -> None:
    held = Counter(answer.release for answer in with_registry(answers()))
    assert set(held) == RELEASES
    findings = Counter(answer.release for answer in with_registry(answers()) if answer.named)
    assert set(findings) == RELEASES
    known = [answer for answer in answers() if answer.earliest is not None and answer.earliest == answer.latest]
    assert {answer.release for answer in known} == RELEASES


def test_all_codes_that_were_ever_seen_are_among_the_answers() -> None:
    seen = {code for answer in with_registry(answers()) for code, count in answer.counts.by_code.items() if count}
    assert seen == {"lost", "stale_running", "inconsistent_timestamps"}
    alone = {code for answer in answers() for code, count in answer.counts.by_code.items() if count}
    assert alone == seen | {"missing_cleanup"}


def test_two_releases_count_one_registry_differently(audits: Path) -> None:
    """2026.5.7 was asked about the registry of 2026.4.15: lost rows are warnings, times out of order are mended."""
    other, own = only(answers(), "57cli"), only(answers(), "lost-write", "-final-tasks-audit")
    assert own.registry == other.registry
    tasks, _ = rows_of(audits / str(own.registry))
    assert other.latest is not None
    assert counted(tasks, other.latest, own.release) == own.counts != other.counts
    assert counted(tasks, other.latest, other.release) == other.counts


def test_text_form_counts_the_same(audits: Path) -> None:
    head, kinds = (DATA / "exports" / "4.15-tasks-audit.txt").read_text("utf-8").splitlines()[:2]
    findings, errors, warnings = map(int, re.findall(r"\d+", head))
    own = only(answers(), "lost-write", "-final-tasks-audit")
    tasks, latest = rows_of(audits / str(own.registry))
    counts = counted(tasks, latest, own.release)
    assert (counts.errors, counts.warnings) == (errors, warnings)
    assert sum(counts.by_code.values()) == findings == int(re.findall(r"\d+", kinds)[0])


def test_maintenance_of_2026_7_35_counts_the_rows_as_it_will_leave_them(audits: Path) -> None:
    """Its preview finds seven lost rows where the audit a few minutes earlier named seventeen: ten will be repaired."""
    preview = only(maintenance_answers(), "2026.7.35", "05-maint")
    asked = only(answers(), "2026.7.35", "04-audit")
    assert asked.latest is not None
    left, _ = rows_of(audits / "2026.7.35/upgrade-crafted/after-maintenance-apply.sqlite")
    found, _ = rows_of(audits / str(asked.registry))
    assert counted(left, asked.latest, "2026.7.35") == preview.counts
    repaired = found.filter(status="lost").join(left.filter(pl.col("status") != "lost"), on="task_id", how="semi")
    assert asked.counts.by_code["lost"] - preview.counts.by_code["lost"] == repaired.height > 0
