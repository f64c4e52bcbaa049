"""Each sample says what its truth file says, and the script writes the samples that are here."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from forensics import audit, load_evidence
from forensics.model.verdicts import Cause, Verdict

SAMPLES = Path(__file__).parent.parent / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_the_verdicts_of_its_truth(name: str) -> None:
    truth = json.loads((SAMPLES / name / "truth.json").read_text("utf-8"))["rows"]
    report = audit(load_evidence([str(SAMPLES / name)]))
    told = {
        finding.task_id: (finding.verdict, finding.cause, finding.confidence and finding.confidence.value)
        for finding in report.findings
    }
    assert told == {task_id: (row["verdict"], row["cause"], row["confidence"]) for task_id, row in truth.items()}


def test_founding_incident_is_there_in_its_three_readings() -> None:
    verdicts = {
        name: [
            (finding.verdict.value, finding.confidence)
            for finding in audit(load_evidence([str(SAMPLES / name)])).findings
        ]
        for name in NAMES
        if name.startswith("founding-")
    }
    assert verdicts == {
        "founding-no-start": [("false_lost", "weak")],
        "founding-same-run": [("false_lost", "exact")],
        "founding-stand-in": [("replayed", "exact")],
    }


def test_one_sample_holds_every_verdict_and_every_cause() -> None:
    report = audit(load_evidence([str(SAMPLES / "every-verdict")]))
    assert {finding.verdict for finding in report.findings} == set(Verdict)
    assert {finding.cause for finding in report.findings} == set(Cause)


def test_script_writes_the_samples_that_are_here(tmp_path: Path) -> None:
    script = SAMPLES / "make_samples.py"
    subprocess.run([sys.executable, str(script), "--into", str(tmp_path)], check=True)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(written) > 4 * 5
    for path in written:
        made, kept = tmp_path / path, SAMPLES / path
        if path.suffix == ".sqlite":
            assert _rows(made) == _rows(kept)
        else:
            assert made.read_bytes() == kept.read_bytes(), path


def _rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM task_runs ORDER BY rowid").fetchall()
