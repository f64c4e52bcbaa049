"""Collected evidence read as what it is: copies of folders that lay elsewhere, in the order of their days."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from forensics.model.errors import UnreadableError
from forensics.model.manifest import NAME, Manifest, parsed_manifest
from forensics.parsers.files import head_of

_LARGEST_MANIFEST_BYTES = 256 << 20
_FOLDERS_ABOVE = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One day of a collection: its folder as given, and what its manifest says."""

    folder: Path
    manifest: Manifest

    def home_of(self, folder: Path) -> Path | None:
        """Give the folder that a stored one is a copy of; None for one that is no copy.

        Copies of one folder lie, as far as gateways are told apart, in one place: that folder.
        """
        if not folder.is_relative_to(self.folder):
            return None
        parts = folder.relative_to(self.folder).parts
        origins = {place.folder: place.origin for place in self.manifest.places}
        if not parts or parts[0] not in origins:
            return None
        return Path("/", self.manifest.host.replace("/", "_"), origins[parts[0]].lstrip("/"), *parts[1:])

    def missing(self) -> list[tuple[str, Path, str]]:
        """Give what could not be collected: its name, where it would lie, and why."""
        return [(each.path, self.folder.joinpath(*_inner(each.path)), each.why) for each in self.manifest.missing]


def snapshot_in(folder: Path) -> Snapshot | None:
    """Give the snapshot that a folder is, if it is one."""
    path = folder / NAME
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST_BYTES:
            return None
        manifest = parsed_manifest(head_of(path, _LARGEST_MANIFEST_BYTES))
    except (OSError, UnreadableError):
        return None
    return None if manifest is None else Snapshot(folder, manifest)


def snapshot_above(folder: Path) -> Snapshot | None:
    """Give the snapshot that a folder lies in, if there is one."""
    return next(filter(None, map(snapshot_in, list(folder.parents)[:_FOLDERS_ABOVE])), None)


def _inner(path: str) -> list[str]:
    return [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
