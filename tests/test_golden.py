"""The output of each command on the samples, as it was last looked at and found good.

After a change that is meant: ``FORENSICS_UPDATE_GOLDEN=1 pytest tests/test_golden.py``, then look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from forensics import __version__
from forensics.cli import main

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("FORENSICS_UPDATE_GOLDEN") == "1"

COMMANDS = {
    "audit-founding-same-run.txt": ["audit", "samples/founding-same-run"],
    "audit-founding-stand-in.txt": ["audit", "samples/founding-stand-in"],
    "audit-founding-no-start.txt": ["audit", "samples/founding-no-start"],
    "audit-every-verdict.txt": ["audit", "samples/every-verdict"],
    "audit-every-verdict.md": ["audit", "samples/every-verdict", "-f", "markdown"],
    "audit-every-verdict.json": ["audit", "samples/every-verdict", "-f", "json"],
    "audit-every-verdict-80-columns.txt": ["audit", "samples/every-verdict", "--width", "80"],
    "audit-every-verdict-100-columns.txt": ["audit", "samples/every-verdict", "--width", "100"],
    "audit-real-lost-write-100-columns.txt": ["audit", "samples/real-lost-write", "--width", "100"],
    "audit-real-lost-write-40-columns.txt": ["audit", "samples/real-lost-write", "--width", "40"],
    "audit-real-lost-write.txt": ["audit", "samples/real-lost-write"],
    "audit-real-lost-write.json": ["audit", "samples/real-lost-write", "-f", "json"],
    "audit-real-lost-write.html": ["audit", "samples/real-lost-write", "-f", "html"],
    "explain-false-lost.txt": ["explain", "97b96ec8", "samples/real-lost-write"],
    "explain-false-lost.json": ["explain", "97b96ec8", "samples/real-lost-write", "-f", "json"],
    "explain-false-lost-100-columns.txt": ["explain", "97b96ec8", "samples/real-lost-write", "--width", "100"],
    "explain-false-lost-80-columns.txt": ["explain", "97b96ec8", "samples/real-lost-write", "--width", "80"],
    "explain-false-lost-in-berlin.txt": [
        *("explain", "97b96ec8", "samples/real-lost-write"),
        *("--width", "100", "--display-tz", "Europe/Berlin"),
    ],
    "explain-interrupted.txt": ["explain", "eb90a215", "samples/every-verdict"],
    "explain-undetermined.txt": ["explain", "dbfbd73f", "samples/every-verdict"],
    "explain-replayed.txt": ["explain", "hourly-mail", "samples/every-verdict"],
    "explain-not-lost.txt": ["explain", "a9bd7cb7", "samples/every-verdict"],
    "restarts-real-lost-write.txt": ["restarts", "samples/real-lost-write"],
    "restarts-real-lost-write-80-columns.txt": ["restarts", "samples/real-lost-write", "--width", "80"],
    "restarts-real-lost-write.json": ["restarts", "samples/real-lost-write", "-f", "json"],
    "sources-real-lost-write.txt": ["sources", "samples/real-lost-write"],
    "sources-real-lost-write-80-columns.txt": ["sources", "samples/real-lost-write", "--width", "80"],
    "sources-real-lost-write.json": ["sources", "samples/real-lost-write", "-f", "json"],
    "timeline-every-verdict.txt": ["timeline", "samples/every-verdict"],
    "timeline-every-verdict-120-columns.txt": ["timeline", "samples/every-verdict", "--width", "120"],
    "timeline-real-lost-write.json": ["timeline", "samples/real-lost-write", "-f", "json"],
    "timeline-real-lost-write.jsonl": ["timeline", "samples/real-lost-write", "-f", "timesketch-jsonl"],
    "timeline-real-lost-write.csv": ["timeline", "samples/real-lost-write", "-f", "timesketch-csv"],
    "timeline-real-lost-write.log": ["timeline", "samples/real-lost-write", "-f", "lnav"],
    "check-every-verdict.txt": ["check", "samples/every-verdict"],
    "check-founding-same-run.txt": ["check", "samples/founding-same-run"],
    "check-every-verdict.json": ["check", "samples/every-verdict", "-f", "json"],
    "check-every-verdict.sarif": ["check", "samples/every-verdict", "-f", "sarif"],
    "check-every-verdict.xml": ["check", "samples/every-verdict", "-f", "junit"],
    "check-every-verdict.github.txt": ["check", "samples/every-verdict", "-f", "github"],
    "help.txt": ["--help"],
    "help-audit.txt": ["audit", "--help"],
    "help-explain.txt": ["explain", "--help"],
    "help-restarts.txt": ["restarts", "--help"],
    "help-sources.txt": ["sources", "--help"],
    "help-fix.txt": ["fix", "--help"],
    "help-timeline.txt": ["timeline", "--help"],
    "help-undo.txt": ["undo", "--help"],
    "help-check.txt": ["check", "--help"],
    "help-bundle.txt": ["bundle", "--help"],
    "help-collect.txt": ["collect", "--help"],
    "help-schema.txt": ["schema", "--help"],
}


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_output_is_the_golden_one(name: str) -> None:
    result = CliRunner(env={"GITHUB_STEP_SUMMARY": ""}).invoke(
        main, COMMANDS[name], prog_name="forensics", terminal_width=100
    )
    assert result.exit_code in (0, 1), result.output
    compare(GOLDEN / name, result.stdout)


@pytest.mark.usefixtures("at_root")
def test_scripts_are_the_golden_ones(tmp_path: Path) -> None:
    fix, undo = tmp_path / "fix.sql", tmp_path / "undo.sql"
    result = CliRunner().invoke(main, ["fix", "samples/every-verdict", "-o", str(fix), "--undo", str(undo)])
    assert result.exit_code == 0, result.output
    compare(GOLDEN / "fix-every-verdict.sql", fix.read_text("utf-8"))
    compare(GOLDEN / "undo-every-verdict.sql", undo.read_text("utf-8"))


def test_no_golden_file_is_left_over() -> None:
    known = {*COMMANDS, "fix-every-verdict.sql", "undo-every-verdict.sql"}
    assert {path.name for path in GOLDEN.iterdir()} == known


def compare(path: Path, text: str) -> None:
    told = text.replace(__version__, "VERSION")
    if UPDATE:
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text("utf-8")
