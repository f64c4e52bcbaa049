"""The manifest of a folder of evidence that was put together: what lies in it, from where, and what is not in it.

It is written last: a folder without a manifest is not whole. It is the word on what a folder holds: a stored file
counts as far as its beginning has the length and the hash that stand there. A log that has grown since is shared with
a later day, whose longer file begins with the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

SCHEMA = "forensics.manifest/1"
NAME = "manifest.json"
LOCK = ".collecting"
"""The file beside the snapshots of a collection that keeps two collects from working at once."""

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
    """One stored file, or the beginning of one; ``path`` is relative to the manifest.

    ``bytes`` and ``sha256`` are those of the file as it was then; what follows in the file was written later.
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
    """One folder beside the manifest, the folder whose files it holds, and the gateway that was named for them."""

    folder: str
    origin: str
    gateway: str | None = None


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
    """What a folder of evidence holds; ``zone`` is that of local times which nothing in it explains, where given.

    ``assumed_zone`` is the one they were taken in where none was given: every later audit assumes the same.
    """

    version: str
    host: str
    collected_at: str
    places: tuple[Place, ...]
    files: tuple[Stored, ...]
    missing: tuple[Missing, ...]
    left_out: tuple[LeftOut, ...]
    zone: str | None = None
    assumed_zone: str | None = None


_NAME = "str | None"
_TYPES = {"str": str, _NAME: str, "int": int}

_Part = TypeVar("_Part", Place, Stored, Missing, LeftOut, Original)


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
        _check(_NAME, document.get("zone"))
        return Manifest(
            version=str(document["tool"]["version"]),
            host=str(document["host"]),
            collected_at=str(document["collected_at"]),
            places=tuple(_part(Place, each) for each in document["places"]),
            files=tuple(_stored(each) for each in document["files"]),
            missing=tuple(_part(Missing, each) for each in document["missing"]),
            left_out=tuple(_part(LeftOut, each) for each in document["left_out"]),
            zone=document.get("zone"),
            assumed_zone=document.get("assumed_zone"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _stored(document: dict[str, Any]) -> Stored:
    originals = tuple(_part(Original, each) for each in document["originals"])
    return _part(Stored, {**document, "originals": originals})


def _part(kind: type[_Part], document: dict[str, Any]) -> _Part:
    """Read one part; what a later version of the tool adds is left aside."""
    known = [each for each in fields(kind) if each.name in document]
    for each in known:
        _check(str(each.type), document[each.name])
    return kind(**{each.name: document[each.name] for each in known})


def _check(typed: str, value: object) -> None:
    """Check a value of a manifest, which anybody may have written: it is of its type, or there is no manifest.

    Raises:
        TypeError: it is of another type.
        ValueError: it is a size below zero, or the name of a gateway or zone that is no text.
    """
    if value is None and typed == _NAME:
        return
    if type(value) is not _TYPES.get(typed, type(value)):
        message = f"{value!r} is no {typed}"
        raise TypeError(message)
    if isinstance(value, int) and value < 0:
        message = f"{value} is no size"
        raise ValueError(message)
    if isinstance(value, str) and typed == _NAME:
        value.encode()  # of a path any bytes may be kept; a name is shown and compared as it is
