"""Where results go: standard output that is closed, full, left by its reader, or of another encoding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.command import forensics

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "samples" / "founding-same-run"
LOSSES = ROOT / "samples" / "every-verdict"
FULL = Path("/dev/full")

needs_a_full_device = pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")


def told_to(standard_output: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command with this as its standard output."""
    return subprocess.run(
        [sys.executable, "-m", "forensics", *map(str, arguments)],
        stdout=standard_output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def told_to_nobody(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a standard output whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return told_to(writer, *arguments)
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("command", "evidence", "code"),
    [("audit", LOSSES, 0), ("timeline", LOSSES, 0), ("check", SAMPLE, 0), ("check", LOSSES, 1)],
)
def test_a_reader_who_has_left_changes_no_exit_code(command: str, evidence: Path, code: int) -> None:
    result = told_to_nobody(command, evidence)
    assert (result.returncode, result.stderr) == (code, "")


def test_a_reader_who_has_left_costs_no_other_format(tmp_path: Path) -> None:
    assert told_to_nobody("check", LOSSES, "--also", f"json={tmp_path / 'told.json'}").returncode == 1
    assert json.loads((tmp_path / "told.json").read_text("utf-8"))["passed"] is False


@needs_a_full_device
@pytest.mark.parametrize("arguments", [["audit", SAMPLE], ["check", SAMPLE, "-f", "sarif"], ["--help"], ["--version"]])
def test_a_full_disk_is_no_bug(arguments: list[str | Path]) -> None:
    with FULL.open("wb") as full:
        result = told_to(full.fileno(), *arguments)
    assert result.returncode == 2, result.stderr
    assert "No space left on device" in result.stderr
    assert "bug" not in result.stderr


@needs_a_full_device
def test_the_exit_code_tells_where_no_message_can(tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        command = [sys.executable, "-m", "forensics", "check", str(tmp_path / "nothing")]
        result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full, check=False)
    assert result.returncode == 3


def test_a_closed_standard_output_is_said() -> None:
    script = f'exec "{sys.executable}" -m forensics audit "$1" >&-'
    result = subprocess.run(["sh", "-c", script, "sh", str(SAMPLE)], stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, "standard output is closed" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
def test_no_locale_changes_a_byte(form: str, tmp_path: Path) -> None:
    """The same evidence gives the same bytes, and what says that it is UTF-8 is."""
    odd = tmp_path / "Übung – 試験"
    shutil.copytree(LOSSES, odd)
    told = []
    for encoding in ("utf-8", "latin-1", "ascii"):
        command = [sys.executable, "-m", "forensics", "check", odd.name, "-f", form]
        environment = dict(os.environ) | {"PYTHONIOENCODING": encoding, "GITHUB_STEP_SUMMARY": ""}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert result.returncode == 1, result.stderr
        told.append(result.stdout)
    assert told == [told[0]] * 3
    assert "試験" in told[0].decode("utf-8") or "%E8%A9%A6%E9%A8%93" in told[0].decode("utf-8")
    if form == "junit":
        assert ET.fromstring(told[0]).tag == "testsuites"  # noqa: S314 - written here


def test_help_is_at_hand_whatever_lies_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "forensics.toml").write_text("[audit\n", encoding="utf-8")
    for arguments in (["audit", "--help"], ["-h"], ["audit", "-h"]):
        result = forensics(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout[:6]) == (0, "Usage:"), result.stderr
    assert forensics("audit", SAMPLE, cwd=tmp_path).returncode == 2
