"""The manifest of a folder of evidence that was put together: what lies in it, from where, and what is not in it.

It is written last: a folder without a manifest is not whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = "forensics.manifest/1"
NAME = "manifest.json"
UNFINISHED = ".unfinished"
"""The ending of a folder that is still being written, or was left by a process that was killed."""


@dataclass(frozen=True, slots=True)
class Original:
    """One file as it was read, ``bytes`` long."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored file; ``path`` is relative to the manifest.

    ``originals`` is what it was made from: one file with the same bytes, or a database and its write-ahead log, whose
    tables were copied. ``modified_at`` is the time stamp of the first.
    """

    path: str
    kind: str
    form: str
    bytes: int
    sha256: str
    modified_at: str
    originals: tuple[Original, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One folder beside the manifest, and the folder whose files it holds."""

    folder: str
    origin: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that would lie at ``path`` if it could have been read."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many files were not taken, and what they are."""

    what: str
    files: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder of evidence holds."""

    version: str
    host: str
    collected_at: str
    places: tuple[Place, ...]
    files: tuple[Stored, ...]
    missing: tuple[Missing, ...]
    left_out: tuple[LeftOut, ...]


def manifest_text(manifest: Manifest) -> str:
    """Give a manifest as JSON: the same manifest always gives the same text."""
    told = asdict(manifest)
    document = {"schema": SCHEMA, "tool": {"name": "forensics", "version": told.pop("version")}} | told
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def parsed_manifest(text: str | bytes) -> Manifest | None:
    """Read a manifest; None where the text is none, or one of another version."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            return None
        return Manifest(
            version=str(document["tool"]["version"]),
            host=str(document["host"]),
            collected_at=str(document["collected_at"]),
            places=tuple(Place(**each) for each in document["places"]),
            files=tuple(_stored(each) for each in document["files"]),
            missing=tuple(Missing(**each) for each in document["missing"]),
            left_out=tuple(LeftOut(**each) for each in document["left_out"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _stored(document: dict[str, Any]) -> Stored:
    originals = tuple(Original(**each) for each in document["originals"])
    return Stored(**{**document, "originals": originals})
