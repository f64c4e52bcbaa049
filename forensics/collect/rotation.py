"""Logs set aside while they are copied: no name may then stand for another file, and none may be missed.

A log that gets another name between the copies of its neighbours would be stored twice or, worse, not at all, and
nothing in what was stored would show the hole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forensics.model.verdicts import SourceKind
from forensics.parsers.gathering import Gathered, Reading

_LOGS = (SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE)
_ENDING = ".log"


@dataclass(frozen=True, slots=True)
class Names:
    """Which files the names of the logs stood for: device and number by path, and the folders that were listed."""

    files: dict[Path, tuple[int, int]]
    folders: frozenset[Path]

    def moved(self) -> set[Path]:
        """Give the folders in which a name stands for another file now, came, or went."""
        now = _files(self.files, self.folders)
        paths = self.files.keys() | now.keys()
        return {path.parent for path in paths if self.files.get(path) != now.get(path)}


def names_of(gathered: Gathered, given: Sequence[str]) -> Names:
    """Give what the names of all logs stood for when they were found; folders that were given are listed whole."""
    logs = [reading.found.path for reading in gathered.readings if is_log(reading)]
    tops = [Path(path).resolve() for path in given if Path(path).is_dir()]
    parents = {path.parent for path in logs}
    folders = frozenset(each for each in parents if any(each.is_relative_to(top) for top in tops))
    of_folders = {path for path in gathered.seen if path.parent in folders and _ENDING in path.name}
    wanted = {*logs, *of_folders}
    return Names({path: told for path, told in gathered.seen.items() if path in wanted}, folders)


def is_log(reading: Reading) -> bool:
    """Tell whether a file is a log of a gateway."""
    return reading.detected.kind in _LOGS and reading.found.kept is None


def _files(paths: Iterable[Path], folders: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    found: dict[Path, tuple[int, int]] = {}
    for path in {*paths, *(path for folder in folders for path in _listed(folder))}:
        try:
            told = path.stat()
        except OSError:
            continue
        found[path] = told.st_dev, told.st_ino
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if _ENDING in each.name and each.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in names]
