"""Fixtures for the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.captures import unpack
from tests.support.effort import tries
from tests.support.handed_over import HandedOver

# how long an example takes says something about the machine, nothing about the code
settings.register_profile("untimed", deadline=None, max_examples=tries(40, 100))
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
collect_ignore = ["benchmarks/run.py"]  # looked at for doctests it would be imported, which takes the extra bench


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that archives are unpacked into once per worker."""
    return tmp_path_factory.mktemp("captures")


@pytest.fixture
def sigterm(unpacked: Path) -> Path:
    """Give the capture of a SIGTERM restart of release 2026.4.15."""
    return unpack("2026.4.15-sigterm", unpacked)


@pytest.fixture
def lost_write(unpacked: Path) -> Path:
    """Give the capture of two runs whose end never reached the registry."""
    return unpack("2026.4.15-lost-write", unpacked)


@pytest.fixture
def host(tmp_path: Path) -> HandedOver:
    """Give an empty folder for the files that a user hands over."""
    return HandedOver(tmp_path)


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the root of the repository, as the README's commands do."""
    monkeypatch.chdir(ROOT)
    return ROOT
