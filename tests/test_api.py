"""The names the package exports, and that nothing heavy is loaded before it is needed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import forensics
from forensics.model.errors import UsageError

SAMPLE = Path(__file__).parent.parent / "samples" / "founding-same-run"


def test_exported_names() -> None:
    assert forensics.__all__ == [
        "Evidence",
        "Finding",
        "Policy",
        "Report",
        "audit",
        "frames_of",
        "load_evidence",
        "plan_fix",
        "timeline",
        "write_fix",
        "write_html",
        "write_json",
        "write_lnav",
        "write_markdown",
        "write_parquet",
        "write_text",
        "write_timeline",
        "write_timesketch_csv",
        "write_timesketch_jsonl",
    ]
    assert all(getattr(forensics, name) is not None for name in forensics.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = forensics.nothing


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_start_without_polars(option: str) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['forensics', {option!r}]\n"
        "from forensics.cli import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "assert 'polars' not in sys.modules, 'polars was imported'\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "forensics" in result.stdout


def test_one_path_is_never_taken_for_a_list_of_its_letters(tmp_path: Path) -> None:
    """The letter ``/`` would be a path of its own, and all of the machine evidence."""
    shutil.copytree(SAMPLE, tmp_path / "x")
    text = str(tmp_path / "x")
    listed = forensics.load_evidence([text])
    for given in (text, Path(text), [Path(text)]):
        assert forensics.load_evidence(given).sources.equals(listed.sources)
    named = forensics.load_evidence(gateways={"office": Path(text)})
    assert set(named.tasks["gateway"]) == {"office"}
    assert named.sources["path"].to_list() == listed.sources["path"].to_list()


def test_a_moment_of_another_zone_is_told_in_utc() -> None:
    evidence = forensics.load_evidence(SAMPLE)
    there = datetime(2026, 5, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    report = forensics.audit(evidence, now=there)
    assert json.loads(forensics.write_json(report))["now"] == "2026-04-30T23:00:00.000Z"
    assert forensics.write_json(report) == forensics.write_json(forensics.audit(evidence, now=there.astimezone(UTC)))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"now": datetime(2026, 5, 1)}, "names no zone"),  # noqa: DTZ001 - the point of it
        ({"now": "2026-05-01"}, "names no zone"),
        ({"release": "newest"}, "no release"),
    ],
)
def test_what_an_audit_cannot_use_is_a_usage_error(options: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        forensics.audit(forensics.load_evidence(SAMPLE), **options)


def test_a_zone_that_is_none_is_a_usage_error() -> None:
    zone: Any = "Europe/Berlin"
    with pytest.raises(UsageError, match="no tzinfo"):
        forensics.load_evidence(SAMPLE, zone=zone)


def test_a_report_is_not_mixed_with_other_evidence() -> None:
    evidence = forensics.load_evidence(SAMPLE)
    other = forensics.load_evidence(SAMPLE / "logs")
    report = forensics.audit(evidence)
    for mixed in (forensics.timeline, forensics.frames_of):
        with pytest.raises(UsageError, match="other evidence"):
            mixed(other, report)


def test_a_parquet_file_says_of_no_other_frame_that_it_is_one() -> None:
    findings = forensics.audit(forensics.load_evidence(SAMPLE)).findings_frame()
    assert forensics.write_parquet("findings", findings.filter(severity="none"))
    with pytest.raises(UsageError, match="other columns"):
        forensics.write_parquet("findings", findings.select("task_id"))
    with pytest.raises(UsageError, match="no frame is called 'losses'"):
        forensics.write_parquet("losses", findings)


def test_what_is_done_to_a_frame_changes_no_report() -> None:
    report = forensics.audit(forensics.load_evidence(SAMPLE))
    told = forensics.write_json(report)
    for frame in (report.findings_frame(), report.evidence_frame(), report.restarts_frame()):
        frame.drop_in_place("gateway")
    assert "gateway" in report.findings_frame().columns
    assert "gateway" in report.evidence_frame().columns
    assert "gateway" in report.restarts_frame().columns
    assert forensics.write_json(report) == told


def test_a_notebook_shows_figures_and_completes_names() -> None:
    evidence = forensics.load_evidence(SAMPLE)
    report = forensics.audit(evidence)
    assert repr(evidence).startswith("Evidence(rows: tasks 2, runs ")
    assert repr(report) == "Report(1 lost of 2 task rows; false_lost: 1)"
    assert set(forensics.__all__) <= set(dir(forensics))
