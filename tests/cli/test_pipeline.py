"""What pipelines run as it is: the action of GitHub, the hook of pre-commit, and the examples of the README."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.captures import snapshot

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
_INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give a folder with the sample as a pipeline finds it: the state and the logs that were exported."""
    shutil.copytree(ROOT / "samples/every-verdict/state", tmp_path / "exported-state")
    shutil.copytree(ROOT / "samples/every-verdict/logs", tmp_path / "logs")
    return tmp_path


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the environment of a machine on which the tool is installed, and nothing else of this one."""
    commands = tmp_path_factory.mktemp("bin")
    (commands / "forensics").write_text(f'#!/bin/sh\nexec {sys.executable} -m forensics "$@"\n')
    (commands / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    return {"PATH": f"{commands}:/usr/bin:/bin", "HOME": str(commands), "PYTHONPATH": str(ROOT)}


def shell(script: str, where: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as the runner does: ``bash --noprofile --norc -eo pipefail``."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=where,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def step(name: str) -> dict[str, Any]:
    told: dict[str, Any] = next(one for one in ACTION["runs"]["steps"] if one["name"] == name)
    return told


def run_action(where: Path, machine: dict[str, str], **given: str) -> subprocess.CompletedProcess[str]:
    """Run the step of the action that checks, its inputs filled in as the runner does."""
    inputs = {name: told.get("default", "") for name, told in ACTION["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    check = step("Check")
    environment = {name: _INPUT.sub(lambda told: inputs[told[1]], value) for name, value in check["env"].items()}
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(where / "summary.md")}
    return shell(check["run"], where, machine | github | environment)


def test_the_action_has_the_shape_that_the_runner_wants() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert {"paths", "fail-on", "baseline", "sarif-file"} <= set(ACTION["inputs"])
    for one in ACTION["runs"]["steps"]:
        assert ("uses" in one) is not ("run" in one)
        assert one.get("shell") == ("bash" if "run" in one else None)
        assert "${{" not in one.get("run", ""), "text of an input would become a part of the script"
    used = set(_INPUT.findall((ROOT / "action.yml").read_text("utf-8")))
    assert used == set(ACTION["inputs"])


def test_the_action_installs_its_own_checkout(tmp_path: Path) -> None:
    """What stands in for pip tells what it was asked to install; nothing is fetched."""
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_ACTION_PATH": "/check out/v1"}
    result = shell(step("Install forensics")["run"], tmp_path, environment)
    assert result.stdout.split("\n")[:-1] == ["-m", "pip", "install", "--quiet", "/check out/v1"]


def test_the_action_annotates_and_fails(workspace: Path, machine: dict[str, str]) -> None:
    before = snapshot(workspace)
    result = run_action(workspace, machine, paths="exported-state\nlogs\n", sarif_file="out.sarif")
    assert result.returncode == 1, result.stderr
    assert result.stdout.count("::error file=exported-state/tasks/runs.sqlite,title=") == 4
    assert "### forensics check" in (workspace / "summary.md").read_text("utf-8")
    assert json.loads((workspace / "out.sarif").read_text("utf-8"))["runs"][0]["results"]
    (workspace / "summary.md").unlink()
    (workspace / "out.sarif").unlink()
    assert snapshot(workspace) == before


def test_the_action_fails_on_what_it_is_told_to(workspace: Path, machine: dict[str, str]) -> None:
    result = run_action(workspace, machine, paths="exported-state\nlogs", fail_on="not_applicable")
    assert result.returncode == 1, result.stderr
    assert "check failed: 2 of" in result.stdout


def test_the_action_passes_what_the_baseline_knows(workspace: Path, machine: dict[str, str]) -> None:
    update = "forensics check exported-state logs --baseline known.json --update-baseline"
    assert shell(update, workspace, machine).returncode == 0
    result = run_action(workspace, machine, paths="exported-state\nlogs", baseline="known.json")
    assert result.returncode == 0, result.stderr
    assert "::error" not in result.stdout
    assert result.stdout.count("[known]") == 4


@pytest.mark.parametrize(("now", "code"), [("", 0), ("2026-05-01T00:00:00Z", 0), ("2026-05-02T00:00:00Z", 1)])
def test_the_action_judges_entries_that_expire_at_the_time_it_is_given(
    workspace: Path, machine: dict[str, str], now: str, code: int
) -> None:
    update = "forensics check exported-state logs --baseline known.json --update-baseline"
    assert shell(update, workspace, machine).returncode == 0
    known = json.loads((workspace / "known.json").read_text("utf-8"))
    known["entries"] = [entry | {"reason": "seen", "expires": "2026-05-01"} for entry in known["entries"]]
    (workspace / "known.json").write_text(json.dumps(known), encoding="utf-8")
    result = run_action(workspace, machine, paths="exported-state\nlogs", baseline="known.json", now=now)
    assert result.returncode == code, result.stderr


@pytest.mark.parametrize("paths", ["$(touch owned)", "`touch owned`", "'; touch owned; '", "--help", "-o\nowned"])
def test_no_input_of_the_action_becomes_a_command_or_an_option(
    workspace: Path, machine: dict[str, str], paths: str
) -> None:
    result = run_action(workspace, machine, paths=paths)
    assert result.returncode == 3, result.stdout
    assert not (workspace / "owned").exists()


@pytest.mark.parametrize(
    "paths", ["exported state\r\nlo gs\r\n", "\n\nexported state\n\nlo gs", "./exported state\nlo gs/"]
)
def test_the_action_takes_paths_with_blanks_and_lines_of_any_kind(
    workspace: Path, machine: dict[str, str], paths: str
) -> None:
    (workspace / "exported-state").rename(workspace / "exported state")
    (workspace / "logs").rename(workspace / "lo gs")
    result = run_action(workspace, machine, paths=paths, sarif_file="the results.sarif")
    assert result.returncode == 1, result.stderr
    assert result.stdout.count("::error file=exported state/tasks/runs.sqlite,title=") == 4
    assert (workspace / "the results.sarif").is_file()


@pytest.mark.parametrize("text", ["$(touch owned)", '"; touch owned; "', "--help"])
@pytest.mark.parametrize("name", ["fail_on", "baseline", "sarif_file", "now"])
def test_whatever_an_input_of_the_action_says_it_stays_a_value(
    workspace: Path, machine: dict[str, str], name: str, text: str
) -> None:
    before = {path.name for path in workspace.iterdir()}
    result = run_action(workspace, machine, paths="exported-state\nlogs", **{name: text})
    written = {path.name for path in workspace.iterdir()} - before
    assert result.returncode == (1 if name == "sarif_file" else 2), result.stderr
    assert written <= ({text, "summary.md"} if name == "sarif_file" else set())


@pytest.mark.parametrize(
    ("paths", "given", "code"),
    [
        ("exported-state\nlogs", {}, 1),
        ("exported-state\nlogs", {"fail_on": "false_lost,interrupted"}, 1),
        ("exported-state/cron", {}, 3),
        ("exported-state\nno-such-place", {"fail_on": "not_applicable"}, 1),
        ("no-such-place", {}, 3),
        ("exported-state\nlogs", {"fail_on": "lost"}, 2),
        ("exported-state\nlogs", {"baseline": "no-such-baseline.json"}, 2),
        ("", {}, 2),
    ],
)
def test_the_action_ends_with_the_exit_code_of_the_check(
    workspace: Path, machine: dict[str, str], paths: str, given: dict[str, str], code: int
) -> None:
    assert run_action(workspace, machine, paths=paths, **given).returncode == code


def test_the_action_without_a_path_reads_nothing(workspace: Path, machine: dict[str, str]) -> None:
    result = run_action(workspace, machine, paths="\n")
    assert (result.returncode, result.stdout) == (2, "::error::the input paths names no path\n")


@pytest.mark.parametrize("module", ["forensics", "polars", "click", "json"])
def test_no_module_of_the_workspace_stands_in_for_the_tool(
    module: str, workspace: Path, machine: dict[str, str]
) -> None:
    (workspace / f"{module}.py").write_text("raise SystemExit(0)\n")
    result = run_action(workspace, machine, paths="exported-state\nlogs")
    assert result.returncode == 1, result.stderr
    assert "check failed: 4 of" in result.stdout


@pytest.mark.parametrize("name", ["Install forensics", "Check"])
def test_every_step_that_runs_python_imports_nothing_from_the_workspace(name: str) -> None:
    assert "python -m" in step(name)["run"]
    assert step(name)["env"]["PYTHONSAFEPATH"] == "1"


def test_pre_commit_takes_the_hooks() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert result.returncode == 0, result.stdout
    assert [hook["id"] for hook in HOOKS] == ["forensics-check"]


@pytest.mark.parametrize(("arguments", "code"), [(None, 1), (["exported-state", "logs", "--fail-on", "failed"], 1)])
def test_the_hook_checks_what_lies_in_the_repository(
    workspace: Path, machine: dict[str, str], arguments: list[str] | None, code: int
) -> None:
    (hook,) = HOOKS
    assert (hook["pass_filenames"], hook["language"]) == (False, "python")
    script = " ".join([hook["entry"], *(arguments or hook["args"])])
    result = shell(script, workspace, machine)
    assert result.returncode == code, result.stderr
    assert "check failed" in result.stdout
    (workspace / "logs").rename(workspace.parent / f"{workspace.name}-gone")
    (workspace / "exported-state").rename(workspace.parent / f"{workspace.name}-gone-too")
    assert shell(script, workspace, machine).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code"), [(None, 1), (["exported-state", "logs", "--fail-on", "lost"], 1), (["exported-state"], 1)]
)
def test_pre_commit_itself_runs_the_hook(
    workspace: Path, machine: dict[str, str], arguments: list[str] | None, code: int
) -> None:
    """As a hook of the repository itself: all as it is shipped, but that nothing has to be installed."""
    (hook,) = HOOKS
    local = hook | {"language": "system"} | ({"args": arguments} if arguments else {})
    config = {"repos": [{"repo": "local", "hooks": [local]}]}
    (workspace / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = machine | {
        "PRE_COMMIT_HOME": str(workspace.parent / f"{workspace.name}-cache"),
        "GIT_CONFIG_GLOBAL": "",
    }
    assert shell("git init -q . && git add -A", workspace, environment).returncode == 0
    result = shell(f"{sys.executable} -m pre_commit run --all-files --verbose", workspace, environment)
    assert result.returncode == code, result.stdout + result.stderr
    assert "forensics check" in result.stdout
    said = "no verdict" if arguments and "lost" in arguments else "check failed"
    assert said in result.stdout


def section() -> str:
    return README.split("\n## In a pipeline\n")[1].split("\n## ")[0]


def test_the_commands_of_the_readme_do_what_it_says(workspace: Path, machine: dict[str, str]) -> None:
    """Each command line with the exit code that its comment tells."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section(), re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        command, told = re.fullmatch(r"(forensics check .*?) +# exit (\d)\b.*", line).groups()  # type: ignore[union-attr]
        result = shell(command, workspace, machine)
        assert result.returncode == int(told), (command, result.stderr)
    assert json.loads((workspace / "forensics.sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert (workspace / "forensics.xml").read_text("utf-8").startswith("<?xml")


def test_the_baseline_of_the_readme_is_one(workspace: Path, machine: dict[str, str]) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", section(), re.DOTALL)
    (workspace / "known.json").write_text(text, encoding="utf-8")
    command = "forensics check exported-state logs --baseline known.json --fail-on-new --fail-on interrupted"
    result = shell(command, workspace, machine)
    assert result.returncode == 0, result.stderr
    assert "[known until" in result.stdout


def test_the_workflow_and_the_hook_of_the_readme_name_what_there_is() -> None:
    workflow, config = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section(), re.DOTALL))
    given = workflow["steps"][1]["with"]
    assert set(given) <= set(ACTION["inputs"])
    assert [hook["id"] for hook in config["repos"][0]["hooks"]] == [hook["id"] for hook in HOOKS]
