"""Frames are saved as they are, byte for byte the same each time, and never into evidence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forensics import audit, load_evidence
from forensics.model import schemas
from forensics.model.frames import FRAMES
from forensics.writers.parquet import frames_of
from tests.support.captures import snapshot
from tests.support.command import forensics

SAMPLES = Path(__file__).parent.parent.parent / "samples"
ASKED_FOR = {"tasks", "runs", "lifecycle", "jobs", "sources", "notices", "corrections", "restarts", "findings"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of a sample."""
    shutil.copytree(SAMPLES / "every-verdict", tmp_path / "copy")
    return tmp_path / "copy"


def test_what_is_read_back_is_what_was_audited(copy: Path, tmp_path: Path) -> None:
    before = snapshot(copy)
    result = forensics("audit", copy, "--save-frames", tmp_path / "frames")
    assert (result.returncode, result.stderr) == (0, "")
    evidence = load_evidence([str(copy)])
    frames = frames_of(evidence, audit(evidence))
    assert set(frames) >= ASKED_FOR
    assert {path.name for path in (tmp_path / "frames").iterdir()} == {f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        path = tmp_path / "frames" / f"{name}.parquet"
        assert_frame_equal(pl.read_parquet(path), frame)
        metadata = pl.read_parquet_metadata(path)
        assert (metadata["forensics.schema"], metadata["forensics.frame"]) == ("forensics.frames/1", name)
        assert metadata["forensics.row"] == FRAMES[name].row
    assert snapshot(copy) == before


def test_the_same_evidence_gives_the_same_bytes(copy: Path, tmp_path: Path) -> None:
    for name, threads, paths in (
        ("one", "1", [copy / "state", copy / "logs"]),
        ("two", "3", [copy / "logs", copy / "state"]),
    ):
        result = forensics("audit", *paths, "--save-frames", tmp_path / name, env={"POLARS_MAX_THREADS": threads})
        assert result.returncode == 0, result.stderr
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert first == second


def test_every_declared_key_tells_rows_apart() -> None:
    evidence = load_evidence([str(SAMPLES / "every-verdict")])
    for name, frame in frames_of(evidence, audit(evidence)).items():
        kind = FRAMES[name]
        assert kind.schema == getattr(schemas, name.upper())
        if kind.key:
            assert frame.unique(kind.key).height == frame.height


@pytest.mark.parametrize("folder", ["copy", "copy/state", "copy/frames", "link/frames", "copy/state/../new"])
def test_nothing_is_saved_into_evidence(folder: str, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(copy)
    before = snapshot(copy)
    result = forensics("audit", copy, "--save-frames", tmp_path / folder)
    assert result.returncode == 2
    assert "folder of evidence; nothing was written" in result.stderr
    assert snapshot(copy) == before


def test_nothing_is_saved_beside_a_file_that_was_read(copy: Path) -> None:
    registry = copy / "state" / "tasks" / "runs.sqlite"
    before = snapshot(copy)
    result = forensics("audit", registry, "--save-frames", registry.parent)
    assert result.returncode == 2
    assert "folder of evidence" in result.stderr
    assert snapshot(copy) == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_no_evidence_is_replaced_through_a_link(link: object, copy: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    assert callable(link)
    link(copy / "state" / "tasks" / "runs.sqlite", frames / "tasks.parquet")
    before = (copy / "state" / "tasks" / "runs.sqlite").read_bytes()
    result = forensics("audit", copy, "--save-frames", frames)
    assert result.returncode == 2
    assert "is evidence; nothing was written" in result.stderr
    assert (copy / "state" / "tasks" / "runs.sqlite").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_a_usage_error(copy: Path, tmp_path: Path) -> None:
    result = forensics("audit", copy, "--save-frames", tmp_path / "no" / "such")
    assert result.returncode == 2
    assert "cannot be made" in result.stderr
