"""Collected evidence read as what it is: copies of folders that lay elsewhere, in the order of their days.

The manifest of a snapshot is believed, its files are not: each is compared with the hash that it was stored with.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from forensics.model.errors import UnreadableError
from forensics.model.manifest import LOCK, NAME, SCHEMA, UNFINISHED, Manifest, Place, Stored, parsed_manifest
from forensics.parsers.files import head_of, open_evidence

_LARGEST_MANIFEST_BYTES = 256 << 20
_FOLDERS_ABOVE = 8
_CHUNK_BYTES = 1 << 20
_SEEN_BYTES = 4096
_FAMILY = SCHEMA.rpartition("/")[0].encode()
_CALLED_BY_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z(-\d+)?")
_TOLD_FOLDERS = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """A file within a snapshot: what the manifest says of it, nothing for one that it does not name.

    ``gateway`` and ``zone`` are what was said when it was collected, ``assumed_zone`` what was assumed then.
    """

    stored: Stored | None
    gateway: str | None = None
    zone: str | None = None
    assumed_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One day of a collection: its folder as given, and what its manifest says."""

    folder: Path
    manifest: Manifest
    files: dict[str, Stored]
    places: dict[str, Place]

    def home_of(self, folder: Path) -> Path | None:
        """Give the folder that a stored one is a copy of; None for one that is no copy.

        Copies of one folder lie, as far as gateways are told apart, in one place: that folder.
        """
        if not folder.is_relative_to(self.folder):
            return None
        parts = folder.relative_to(self.folder).parts
        if not parts or parts[0] not in self.places:
            return None
        origin = self.places[parts[0]].origin
        return Path("/", self.manifest.host.replace("/", "_"), origin.lstrip("/"), *parts[1:])

    def kept(self, path: Path) -> Kept | None:
        """Give what is known of a file of the snapshot; None for the manifest itself, and for one outside."""
        if not path.is_relative_to(self.folder) or path == self.folder / NAME:
            return None
        inner = path.relative_to(self.folder)
        stored, place = self.files.get(inner.as_posix()), self.places.get(inner.parts[0])
        return Kept(stored, place.gateway if place else None, self.manifest.zone, self.manifest.assumed_zone)

    def missing(self) -> list[tuple[str, Path, str]]:
        """Give what could not be collected: its name, where it would lie, and why."""
        return [(each.path, self.folder.joinpath(*_inner(each.path)), each.why) for each in self.manifest.missing]

    def gone(self) -> list[tuple[str, Path]]:
        """Give the stored files that are not there any more: name and place."""
        places = [(each.path, self.folder.joinpath(*_inner(each.path))) for each in self.manifest.files]
        return [(name, place) for name, place in places if not os.path.isfile(place)]  # noqa: PTH113 - of any name


def snapshot_in(folder: Path) -> Snapshot | None:
    """Give the snapshot that a folder is, if it is one."""
    path = folder / NAME
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST_BYTES:
            return None
        manifest = parsed_manifest(head_of(path, _LARGEST_MANIFEST_BYTES))
    except (OSError, UnreadableError):
        return None
    if manifest is None:
        return None
    files = {each.path: each for each in manifest.files}
    return Snapshot(folder, manifest, files, {place.folder: place for place in manifest.places})


def snapshot_above(folder: Path) -> Snapshot | None:
    """Give the snapshot that a folder or file lies in, if there is one."""
    return next(filter(None, map(snapshot_in, list(folder.parents)[:_FOLDERS_ABOVE])), None)


def is_unfinished(folder: Path) -> bool:
    """Tell whether a folder is what a collect that was killed left behind, or one that is still being filled."""
    return folder.name.endswith(UNFINISHED)


def why_not_whole(folder: Path) -> str | None:
    """Say why a folder is no whole snapshot though it was to be one; None for one that is whole, and any other."""
    if is_unfinished(folder):
        return "a collection that was not finished; run collect again"
    is_called_so = _CALLED_BY_TIME.fullmatch(folder.name) is not None
    path = folder / NAME
    try:
        if not path.is_file():
            is_missing = is_called_so and (folder.parent / LOCK).exists()
            return "a snapshot whose manifest is gone: what it held is not known" if is_missing else None
        is_ours = is_called_so or _FAMILY in head_of(path, _SEEN_BYTES)
    except (OSError, UnreadableError):
        is_ours = True
    return f"a snapshot whose {NAME} cannot be read" if is_ours and snapshot_in(folder) is None else None


@dataclass(slots=True)
class Checks:
    """Stored files compared with their manifests, the bytes of each hashed once however many days share them."""

    _begun: dict[tuple[int, int], tuple[int, hashlib._Hash]] = field(default_factory=dict)
    _known: dict[tuple[int, int, int], str] = field(default_factory=dict)

    def why_unlike(self, path: Path, stored: Stored) -> str | None:
        """Say how a stored file differs from what its manifest says of it; None where it does not.

        Raises:
            UnreadableError: it cannot be read.
        """
        told = path.stat()
        if told.st_size < stored.bytes:
            return f"it has {told.st_size:,} bytes, and had {stored.bytes:,} when it was stored"
        if self._sha256((told.st_dev, told.st_ino), path, stored.bytes) != stored.sha256:
            return "its SHA-256 is not that of its manifest: it was changed since it was stored"
        return None

    def _sha256(self, identity: tuple[int, int], path: Path, size_bytes: int) -> str:
        key = (*identity, size_bytes)
        if key not in self._known:
            hashed_bytes, digest = self._begun.get(identity, (0, hashlib.sha256()))
            if hashed_bytes > size_bytes:
                hashed_bytes, digest = 0, hashlib.sha256()
            with open_evidence(path) as file:
                file.seek(hashed_bytes)
                for chunk in chunks_of(file, size_bytes - hashed_bytes):
                    digest.update(chunk)
            self._begun[identity] = size_bytes, digest
            self._known[key] = digest.hexdigest()
        return self._known[key]


def chunks_of(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """Give the next bytes of an open file, at most this many."""
    left = size_bytes
    while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


@contextmanager
def beginning_of(path: Path, size_bytes: int) -> Iterator[Path]:
    """Give a file that ends after so many bytes: the file itself or, where it has grown since, a private copy.

    Raises:
        UnreadableError: it cannot be read, or there is no room for the copy.
    """
    if path.stat().st_size <= size_bytes:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="forensics-") as folder:
        # the place of a run log tells what it is
        copy = Path(folder, *path.parent.parts[-_TOLD_FOLDERS:], path.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with open_evidence(path) as file, copy.open("wb") as copied:
            try:
                copied.writelines(chunks_of(file, size_bytes))
            except OSError as error:
                raise UnreadableError(error.strerror or "it cannot be copied") from error
        yield copy


def _inner(path: str) -> list[str]:
    return [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
