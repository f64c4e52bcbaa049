"""Saving the frames of an audit into a folder that is no evidence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.options import Asked, default_paths, guard_outputs
from forensics.model.errors import UsageError

if TYPE_CHECKING:
    from forensics.model.evidence import Evidence
    from forensics.model.finding import Report

folder_path = click.Path(file_okay=False, path_type=Path)


def guard_folder(asked: Asked, evidence: Evidence, folder: Path, output: Path | None) -> None:
    """Make the folder where it is missing; refuse one that is evidence, or holds evidence that would be replaced.

    Raises:
        UsageError: it lies within a folder that was handed over or beside a file that was read, or cannot be made.
    """
    target = folder.resolve()
    given = [Path(path).resolve() for path in _given(asked)]
    read = [path.resolve() for path in (*evidence.files.values(), *evidence.containers)]
    if any(target.is_relative_to(path) for path in given) or any(path.parent == target for path in read):
        message = f"{folder} is, or lies in, a folder of evidence; nothing was written"
        raise UsageError(message, "name a folder outside of what was handed over")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        message = f"the folder {folder} cannot be made: {error.strerror}"
        raise UsageError(message, "its parent has to be there, and to be writable") from error
    guard_outputs(evidence, output, *_files(folder))


def save_frames(evidence: Evidence, report: Report, folder: Path) -> None:
    """Write every frame into the folder, one Parquet file each; those of an earlier audit are replaced.

    Raises:
        UsageError: a file cannot be written.
    """
    from forensics.writers.parquet import frames_of, write_parquet

    for (name, frame), path in zip(frames_of(evidence, report).items(), _files(folder), strict=True):
        try:
            path.write_bytes(write_parquet(name, frame))
        except OSError as error:
            message = f"{path} cannot be written: {error.strerror}"
            raise UsageError(message) from error


def _files(folder: Path) -> list[Path]:
    from forensics.model.frames import FRAMES

    return [folder / f"{name}.parquet" for name in FRAMES]


def _given(asked: Asked) -> Iterable[str]:
    named = [path for paths in asked.gateways.values() for path in paths]
    paths = asked.paths if asked.paths or named else default_paths()
    return [path for path in (*paths, *named) if path != "-"]
