"""What stands in for options: the command line before the environment before a file, and never for a change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from forensics.cli import _COMMANDS, main
from forensics.cli.settings import name_variables
from tests.support.captures import snapshot
from tests.support.command import forensics

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "real-lost-write"
MARKDOWN, JSON = "# Corrected", "{"


def options() -> list[tuple[str, click.Option]]:
    group = click.Context(main)
    commands = {name: main.get_command(group, name) for name in _COMMANDS}
    return [
        (name, option)
        for name, command in commands.items()
        if command is not None
        for option in command.params
        if isinstance(option, click.Option)
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("forensics.toml", '[audit]\nformat = "markdown"\n'),
        ("forensics.toml", '[timeline]\nformat = "lnav"\n[audit]\nformat = "markdown"\n'),
        ("pyproject.toml", '[project]\nname = "x"\n[tool.forensics.audit]\nformat = "markdown"\n'),
    ],
)
def test_a_file_of_the_working_directory_stands_in_for_options(file: str, text: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    result = forensics("audit", SAMPLE, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, f"settings: {file}\n")
    assert result.stdout.startswith(MARKDOWN)


def test_the_own_file_comes_before_the_shared_one(tmp_path: Path) -> None:
    (tmp_path / "forensics.toml").write_text('[audit]\nformat = "json"\n', encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.forensics.audit]\nformat = "markdown"\n', encoding="utf-8")
    assert forensics("audit", SAMPLE, cwd=tmp_path).stdout.startswith(JSON)


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "forensics.toml").write_text('[audit]\nformat = "json"\n', encoding="utf-8")
    env = {"FORENSICS_AUDIT_FORMAT": "markdown"}
    assert forensics("audit", SAMPLE, cwd=tmp_path, env=env).stdout.startswith(MARKDOWN)
    assert forensics("audit", SAMPLE, "-f", "text", cwd=tmp_path, env=env).stdout.startswith("Corrected audit")


def test_a_general_key_is_for_every_command_that_knows_it(tmp_path: Path) -> None:
    named = f'gateway = ["office={SAMPLE}"]\n\n[restarts]\nformat = "json"\n'
    (tmp_path / "forensics.toml").write_text(named, encoding="utf-8")
    restarts = json.loads(forensics("restarts", cwd=tmp_path).stdout)["restarts"]
    assert {restart["gateway"] for restart in restarts} == {"office"}
    assert json.loads(forensics("audit", "-f", "json", cwd=tmp_path).stdout)["findings"][0]["gateway"] == "office"


def test_times_and_numbers_are_taken_as_they_are_written(tmp_path: Path) -> None:
    text = "[audit]\nnow = 2026-12-01T00:00:00Z\n[fix]\nkeep = 30\n"
    settled, plain = tmp_path / "settled", tmp_path / "plain"
    settled.mkdir()
    plain.mkdir()
    (settled / "forensics.toml").write_text(text, encoding="utf-8")
    told = json.loads(forensics("audit", SAMPLE, "-f", "json", cwd=settled).stdout)
    assert told["now"] == "2026-12-01T00:00:00.000Z"
    by_file = forensics("fix", SAMPLE, "-o", "-", cwd=settled).stdout
    assert by_file == forensics("fix", SAMPLE, "-o", "-", "--keep", "30", cwd=plain).stdout
    assert by_file != forensics("fix", SAMPLE, "-o", "-", cwd=plain).stdout


def as_tool_table(text: str) -> str:
    """Give the same settings as they stand in a file shared with other tools."""
    table = "tool.forensics"
    return text.replace("[", f"[{table}.", 1) if text.startswith("[") else f"[{table}]\n{text}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[audit]\nformta = 1\n", ("audit.formta is no known option", "format")),
        ("tzz = 'UTC'\n", ("tzz is no known option",)),
        ("[nosuch]\nformat = 'json'\n", ("nosuch is no known option",)),
        ("audit = 1\n", ("audit is no table",)),
        ("gateway = 'office=/x'\n", ("gateway is no list of texts",)),
        ("[audit]\nnow = [1]\n", ("audit.now has no value",)),
        ("[audit]\nnow = true\n", ("audit.now has no value",)),
        ("[fix]\napply = 'runs.sqlite'\n", ("fix.apply is only taken from the command line",)),
        ("[fix]\nbackup = 'before.sqlite'\n", ("fix.backup is only taken from the command line",)),
        ("[undo]\nyes = true\n", ("undo.yes is only taken from the command line",)),
        ("apply = 'runs.sqlite'\n", ("apply is only taken from the command line",)),
        ("[audit]\noutput = 'x.md'\n", ("audit.output is not taken from a file",)),
        ("[audit]\nsave-frames = 'x'\n", ("audit.save-frames is not taken from a file",)),
        ("[audit\n", ("cannot be read", "line 1")),
        ("\x1b]0;x\x07 = 1\n", ("cannot be read",)),
        ('"\\u001b[31m" = 1\n', (r"\x1b[31m is no known option",)),
    ],
)
@pytest.mark.parametrize("file", ["forensics.toml", "pyproject.toml"])
def test_a_wrong_key_is_an_error_with_file_and_key(
    file: str, text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / file).write_text(text if file == "forensics.toml" else as_tool_table(text), encoding="utf-8")
    result = forensics("audit", SAMPLE, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert "\x1b" not in result.stderr
    for word in (file, *words):
        assert word in result.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 5000])
def test_a_damaged_file_is_a_usage_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "forensics.toml").write_bytes(content)
    result = forensics("audit", SAMPLE, cwd=tmp_path)
    assert (result.returncode, "cannot be read" in result.stderr) == (2, True), result.stderr


def test_a_file_without_settings_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    assert forensics("audit", SAMPLE, cwd=tmp_path).stderr == ""


def test_each_option_has_its_variable_but_those_that_change_a_registry() -> None:
    named = {(name, option.opts[-1]): option.envvar for name, option in options()}
    unnamed = {option for (_, option), variable in named.items() if variable is None}
    assert unnamed == {"--apply", "--backup", "--yes"}
    assert named["fix", "--min-confidence"] == "FORENSICS_FIX_MIN_CONFIDENCE"
    variables = [variable for variable in named.values() if variable is not None]
    assert len(set(variables)) == len(variables)


def test_names_stay_when_they_are_given_twice() -> None:
    command = click.Command("x", params=[click.Option(["-a", "--a-b"])])
    for _ in range(2):
        assert name_variables("x", command).params[0].envvar == "FORENSICS_X_A_B"


def test_nothing_is_applied_on_the_word_of_the_environment(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SAMPLE, copy)
    before = snapshot(copy)
    registry, backup = copy / "state" / "tasks" / "runs.sqlite", tmp_path / "before.sqlite"
    prefixes = ("FORENSICS_FIX_", "FORENSICS_")
    env = {f"{prefix}{name}": str(path) for prefix in prefixes for name, path in (
        *(("APPLY", registry), ("DATABASE", registry), ("BACKUP", backup), ("YES", "1"), ("IS_CONFIRMED", "1")),
    )}  # fmt: skip
    result = forensics("fix", copy, "-o", tmp_path / "fix.sql", env=env)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "fix.sql").exists()
    assert snapshot(copy) == before
    assert not backup.exists()


@pytest.mark.parametrize("where", ["file", "environment"])
def test_an_apply_takes_only_what_is_typed(where: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SAMPLE, copy)
    before = snapshot(copy)
    if where == "file":
        (tmp_path / "forensics.toml").write_text('[fix]\nmin-confidence = "weak"\n', encoding="utf-8")
    env = {"FORENSICS_FIX_MIN_CONFIDENCE": "weak"} if where == "environment" else {}
    change = ("--apply", copy / "state" / "tasks" / "runs.sqlite", "--backup", tmp_path / "before.sqlite")
    result = forensics("fix", copy, *change, env=env, cwd=tmp_path)
    assert result.returncode == 2
    assert "--min-confidence; nothing was changed" in result.stderr
    assert snapshot(copy) == before
    assert not (tmp_path / "before.sqlite").exists()


@pytest.mark.parametrize("name", ["", *_COMMANDS])
def test_both_words_for_help_work_everywhere(name: str) -> None:
    told = [forensics(*([name] if name else []), word) for word in ("-h", "--help")]
    assert [result.returncode for result in told] == [0, 0]
    assert told[0].stdout == told[1].stdout
    assert "Usage:" in told[0].stdout


def completed(**env: str) -> str:
    """Give what the completion of the installed command prints."""
    script = "import sys; sys.argv = ['forensics']; from forensics.cli import run; run()"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"} | env
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o nosort"), ("zsh", "#compdef forensics"), ("fish", "complete --no-files")]
)
def test_each_shell_gets_its_completion(shell: str, word: str) -> None:
    script = completed(_FORENSICS_COMPLETE=f"{shell}_source")
    assert word in script
    assert f"_FORENSICS_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("forensics ", set(_COMMANDS)),
        ("forensics ti", {"timeline"}),
        ("forensics audit --save", {"--save-frames"}),
        ("forensics timeline --format times", {"timesketch-jsonl", "timesketch-csv"}),
    ],
)
def test_a_shell_completes_commands_options_and_values(typed: str, expected: set[str]) -> None:
    words = typed.split(" ")
    told = completed(_FORENSICS_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert {line.partition(",")[2] for line in told.splitlines()} == expected


def test_a_check_tells_what_a_file_in_the_working_directory_decides(tmp_path: Path) -> None:
    """The folder may be evidence: whoever sees a check pass sees, too, who said what fails it."""
    file = tmp_path / "forensics.toml"
    file.write_text('[check]\nfail-on = "failed"\nnow = 2026-12-01\nfail-on-new = false\n', encoding="utf-8")
    result = forensics("check", SAMPLE, "--tz", "UTC", cwd=tmp_path)
    told = "set by a file in the working directory: --fail-on=failed --now=2026-12-01\n"
    assert (result.returncode, result.stderr) == (0, f"settings: forensics.toml\n{told}")
    typed = forensics("check", SAMPLE, "--fail-on", "false_lost", "--now", "2026-12-01", cwd=tmp_path)
    assert (typed.returncode, typed.stderr) == (1, "settings: forensics.toml\n")
    file.write_text('[check]\ntz = "UTC\\u001b[31m"\n', encoding="utf-8")
    assert "\x1b" not in forensics("check", SAMPLE, cwd=tmp_path).stderr


@pytest.mark.parametrize(("value", "code"), [("true", 0), ("false", 1)])
def test_a_flag_is_true_or_false(value: str, code: int, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    arguments = ("check", SAMPLE, "--fail-on", "false_lost", "--baseline", known)
    assert forensics(*arguments, "--update-baseline", cwd=tmp_path).returncode == 0
    (tmp_path / "forensics.toml").write_text(f"[check]\nfail-on-new = {value}\n", encoding="utf-8")
    assert forensics(*arguments, cwd=tmp_path).returncode == code
    (tmp_path / "forensics.toml").write_text('[check]\nfail-on-new = "yes"\n', encoding="utf-8")
    result = forensics(*arguments, cwd=tmp_path)
    assert (result.returncode, "check.fail-on-new is neither true nor false" in result.stderr) == (2, True)
