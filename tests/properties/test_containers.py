"""The same evidence says the same, whatever it is packed in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from forensics import audit, load_evidence
from forensics.parsers.containers import CONTAINERS
from tests.support.captures import unpack
from tests.support.packing import COMPRESSED, packed, write, zip_of
from tests.support.reports import judged

SAMPLES = Path(__file__).parent.parent.parent / "samples"
ARCHIVES = [kind for kind in CONTAINERS if kind.startswith(("tar", "zip"))]


def from_path(path: Path) -> dict[str, Any]:
    return judged(audit(load_evidence([str(path)])))


@pytest.fixture(params=["real-lost-write", "every-verdict", "2026.5.7-sigterm"])
def folder(request: pytest.FixtureRequest, unpacked: Path) -> Path:
    name = str(request.param)
    return unpack(name, unpacked) / "state" if name.startswith("2026") else SAMPLES / name


def test_packed_in_whatever_way_it_says_the_same(folder: Path, tmp_path: Path) -> None:
    told = from_path(folder)
    assert told["findings"]
    for kind in ARCHIVES:
        assert from_path(write(tmp_path / f"{folder.name}.{kind}", packed(folder, kind))) == told, kind
    nested = zip_of((f"{folder.name}.tar.zst", packed(folder, "tar.zst")))
    assert from_path(write(tmp_path / "outer.zip", nested)) == told, "nested"
    content = packed(folder, "tar.gz")
    assert judged(audit(load_evidence(["-"], standard_input=io.BytesIO(content)))) == renamed(told, folder), "-"


def test_its_files_packed_one_by_one_say_the_same(folder: Path, tmp_path: Path) -> None:
    for number, path in enumerate(path for path in sorted(folder.rglob("*")) if path.is_file()):
        ending = list(COMPRESSED)[number % 2] if path.name.startswith("runs.sqlite") else list(COMPRESSED)[number % 4]
        name = path.relative_to(folder).as_posix()
        write(tmp_path / folder.name / f"{name}.{ending}", COMPRESSED[ending](path.read_bytes()))
    assert from_path(tmp_path / folder.name) == from_path(folder)


def renamed(told: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Give what is said of a gateway that is called after standard input where it is called after its folder."""
    for part in (*told["findings"], *told["restarts"]):
        part["gateway"] = "stdin" if part["gateway"] == folder.name and folder.name == "state" else part["gateway"]
    return told
