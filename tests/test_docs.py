"""The README shows what the tool really prints, and its test command is the one that CI runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from forensics import __version__
from forensics.cli import _COMMANDS
from tests.support.reference import BLOCK, reference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize(
    ("command", "golden"),
    [
        ("forensics audit samples/real-lost-write", "audit-real-lost-write-100-columns.txt"),
        ("forensics explain 97b96ec8 samples/real-lost-write", "explain-false-lost-100-columns.txt"),
    ],
)
def test_output_in_the_readme_is_real(command: str, golden: str) -> None:
    assert f"$ {command}\n{(GOLDEN / golden).read_text('utf-8').rstrip()}\n```" in README


def test_the_table_that_fits_a_terminal_is_real() -> None:
    (shown,) = re.findall(r"in 80 columns:\n\n```text\n(.*?)```", README, re.DOTALL)
    headings, row = shown.splitlines(keepends=True)[:2], "".join(shown.splitlines(keepends=True)[2:])
    golden = (GOLDEN / "audit-every-verdict-80-columns.txt").read_text("utf-8")
    assert "".join(headings) in golden
    assert row in golden


@pytest.mark.usefixtures("at_root")
def test_the_worked_example_of_the_readme_runs() -> None:
    blocks = re.findall(r"```pycon\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 7
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README.md", "README.md", 0)
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=told.append)
    assert result.attempted > 20
    assert "".join(told) == ""


def test_the_command_reference_is_what_the_commands_say() -> None:
    assert BLOCK.findall(README) == [reference()]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = re.findall(r"```sh\n(python3 -m venv .*)\n```", README)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_changelog_knows_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {__version__}" in changelog
    assert "### Verdict changes" in changelog


def test_every_verdict_and_cause_is_in_the_readme() -> None:
    from forensics.model.verdicts import Cause, Confidence, Verdict

    missing = [word for word in (*Verdict, *Cause, *Confidence) if f"`{word}`" not in README]
    assert missing == []


def test_every_link_within_the_readme_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]*)\)", README)
    assert len(links) > 10
    assert [link for link in links if link not in anchors] == []


def test_the_first_table_of_the_readme_names_every_command_an_operator_begins_with() -> None:
    (begin,) = re.findall(r"^## Where to begin\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    assert [name for name in set(_COMMANDS) - {"schema", "undo"} if f"`forensics {name} " not in begin] == []
