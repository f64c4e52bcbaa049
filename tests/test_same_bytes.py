"""The same evidence gives the same bytes: in every format of every command, on any machine, in any order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from forensics.cli import main
from tests.support.everything import GATEWAY, commands

ROOT = Path(__file__).parent.parent
PATHS = [f"{GATEWAY}/state", f"{GATEWAY}/logs", f"{GATEWAY}/tasks-list.json", "real-lost-write"]
MACHINES = {
    "one": {"PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "1", "TZ": "UTC", "LC_ALL": "C", "COLUMNS": "60"},
    "other": {
        "PYTHONHASHSEED": "2",
        "POLARS_MAX_THREADS": "2",
        "TZ": "America/St_Johns",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "220",
        "NO_COLOR": "1",
        "HOME": "/nonexistent",
    },
}


COPIED_AT = 1_800_000_000


def evidence_in(folder: Path, *, is_backward: bool) -> Path:
    """Copy the samples into a folder in one order or the other; what a file was last written at is evidence, too."""
    paths = [path for name in (GATEWAY, "real-lost-write") for path in (ROOT / "samples" / name).rglob("*")]
    for path in sorted((path for path in paths if path.is_file()), reverse=is_backward):
        target = folder / path.relative_to(ROOT / "samples")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (COPIED_AT, COPIED_AT))
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give, per machine, the folder with what every command wrote there."""
    folders = {}
    for name, environment in MACHINES.items():
        folder = evidence_in(tmp_path_factory.mktemp(name), is_backward=name == "other")
        paths = PATHS[::-1] if name == "other" else PATHS
        run = subprocess.run(
            [sys.executable, "-m", "tests.support.everything", str(folder / "results"), *paths],
            cwd=folder,
            env=dict(os.environ) | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        folders[name] = folder / "results"
    return folders


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_whatever_the_machine_and_the_order_of_paths(results: dict[str, Path]) -> None:
    one, other = (files_in(results[name]) for name in MACHINES)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_every_command_wrote_something(results: dict[str, Path]) -> None:
    """The comparison would say nothing of what was not written."""
    one = files_in(results["one"])
    named = [name for name, _ in commands(Path(), ())]
    assert {f"{name}.out" for name in named} | {f"{name}.err" for name in named} <= one.keys()
    outputs = {"json", "sarif", "junit", "github", "summary.md", "known.json", "lnav.json", "fix.sql", "undo.sql"}
    outputs |= {"bundle.zip", "bundle.tar.gz", "frames/findings.parquet", "frames/corrections.parquet"}
    assert [name for name in outputs if not one.get(name)] == []
    in_files = {"frames", "baseline", "fix", "bundle.zip", "bundle.tar.gz"}
    assert [name for name in named if not one[f"{name}.out"] and name not in in_files] == []


def test_every_command_is_among_them() -> None:
    ran = {arguments[0] for _, arguments in commands(Path(), ())}
    stamped = {"collect", "undo"}  # a snapshot bears the time it was taken, the journal of an undo that of the change
    assert ran | stamped == set(main.list_commands(click.Context(main)))


@pytest.mark.parametrize("name", ["baseline", "bundle.zip", "bundle.tar.gz"])
def test_what_names_no_path_is_the_same_from_anywhere(name: str, results: dict[str, Path], tmp_path: Path) -> None:
    """Relative or absolute, from the folder of the evidence or another one."""
    folder = results["one"].parent
    (arguments,) = [told for label, told in commands(tmp_path, [str(folder / path) for path in PATHS]) if label == name]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (0, 1), result.output
    file = "known.json" if name == "baseline" else name
    assert (tmp_path / file).read_bytes() == (results["one"] / file).read_bytes()
