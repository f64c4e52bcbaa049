"""Every set of every captured gateway comes out as its evidence deserves, and is left as it was."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics import audit, load_evidence
from tests.support.captures import EvidenceSet, archived_sets, disagreements, snapshot, unpack, unpacked_sets

CAPTURES = os.environ.get("FORENSICS_CAPTURES")
"""A folder of whole captures, audited as well when it is named."""


@pytest.mark.parametrize("told", list(archived_sets()), ids=str)
def test_set_has_the_verdicts_its_evidence_deserves(told: EvidenceSet, unpacked: Path) -> None:
    folder = unpack(told.capture, unpacked)
    report = audit(load_evidence([str(folder / path) for path in told.paths]))
    assert disagreements(report, told.expected) == []


@pytest.mark.parametrize("capture", sorted({told.capture for told in archived_sets()}))
def test_evidence_is_left_as_it_was(capture: str, unpacked: Path) -> None:
    folder = unpack(capture, unpacked)
    before = snapshot(folder)
    for told in archived_sets():
        if told.capture == capture:
            audit(load_evidence([str(folder / path) for path in told.paths]))
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("capture", "label"),
    [
        ("2026.4.15-sigterm", "after-restart-240s"),
        ("2026.4.15-sigterm", "after-restart-420s"),
        ("2026.4.15-sigterm", "final"),
        ("2026.4.15-no-restart", "wait1"),
        ("2026.4.15-no-restart", "wait2"),
        ("2026.4.15-no-restart", "wait3"),
        ("2026.4.15-lost-write", "final"),
        ("2026.5.7-in-process", "t400"),
        ("2026.5.7-in-process", "final"),
        ("2026.5.7-no-restart", "final"),
        ("2026.5.7-sigterm", "after-restart-240s"),
        ("2026.5.7-sigterm", "final"),
    ],
)
def test_counts_before_are_those_of_the_gateways_own_audit(capture: str, label: str, unpacked: Path) -> None:
    folder = unpack(capture, unpacked)
    export = next(folder.glob(f"exports/*-{label}-tasks-audit.json"))
    copy = next(path for path in folder.glob(f"snap/*-{label}") if path.name.split("-", 1)[1] == label)
    answer = json.loads(export.read_text("utf-8"))
    told = answer["summary"]
    (asked_at,) = {each["task"]["lastEventAt"] + each["ageMs"] for each in answer["findings"] if "ageMs" in each}
    now = datetime.fromtimestamp(asked_at / 1000, UTC)
    counted = audit(load_evidence([str(copy), str(folder / "logs")]), now=now).summary.before
    assert (counted.errors, counted.warnings) == (told["errors"], told["warnings"])
    assert counted.by_code == told["byCode"]


if CAPTURES is not None:

    @pytest.mark.parametrize("told", list(unpacked_sets(Path(CAPTURES))), ids=str)
    def test_whole_captures(told: EvidenceSet) -> None:
        folder = Path(str(CAPTURES)) / told.capture
        report = audit(load_evidence([str(folder / path) for path in told.paths]))
        assert disagreements(report, told.expected) == []

    def test_every_set_of_the_captures_is_archived() -> None:
        assert len(list(unpacked_sets(Path(str(CAPTURES))))) == len(list(archived_sets()))
