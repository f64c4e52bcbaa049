"""What a form of input is: how its files are recognised, and who reads them.

Every parser module lists its forms; ``catalogue.py`` puts them in order. The name of a form is what ``sources`` and the
README call it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from pathlib import Path

from forensics.model.verdicts import SourceKind
from forensics.parsers.files import content_of, head_of
from forensics.parsers.parsed import Parsed

HEAD_BYTES = 1 << 18
_LARGEST_DOCUMENT_BYTES = 256 << 20
_LINES_TRIED = 50


class Glimpse:
    """What a recogniser may look at: the head of one file, in the shapes that recognisers ask for."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Look at a file; ``name`` is what it was called where it came from.

        Raises:
            UnreadableError: the file cannot be read.
        """
        self.path = path
        self.name = path.name if name is None else name
        self.head = head_of(path, HEAD_BYTES)

    @property
    def is_whole(self) -> bool:
        """Tell whether the head is the whole file."""
        return len(self.head) < HEAD_BYTES

    @cached_property
    def lines(self) -> tuple[bytes, ...]:
        """The first lines of the head, without their ends; a last line that the head cuts is among them."""
        return tuple(line.rstrip(b"\r") for line in self.head.split(b"\n")[:_LINES_TRIED])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The first lines that are not blank, decoded."""
        return tuple(line.decode("utf-8", "replace") for line in self.lines if line.strip())

    @cached_property
    def records(self) -> tuple[object, ...]:
        """The JSON values among the first lines, those that are no JSON left out; a first line longer than the head
        is read whole.
        """  # noqa: D205
        if len(self.lines) == 1 and not self.is_whole:
            return () if self.document is None else (self.document,)
        found = (json_of(line.decode("utf-8", "replace")) for line in self.lines)
        return tuple(value for value in found if value is not None)

    @cached_property
    def document(self) -> object:
        """The first JSON object or array in the file, whatever text stands before it; None where there is none."""
        document = document_in(self.head)
        if document is None and not self.is_whole and self.path.stat().st_size <= _LARGEST_DOCUMENT_BYTES:
            document = document_in(content_of(self.path))
        return document


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of a file beyond its own bytes."""

    name: str = ""
    """What the file was called where it came from; a date in it may anchor stamps without one."""
    companions: tuple[Path, ...] = ()
    """Files without which it cannot be read whole: write-ahead log, rollback journal."""
    zone: tzinfo | None = None
    """The zone of local stamps, as the user gave it."""
    host_zone: tzinfo = UTC
    """The zone of this machine: the last resort, and an assumption."""
    modified_at: datetime | None = None
    """When the file was last written, by its own folder; a copy may have lost that."""
    offsets: Sequence[tuple[datetime, timedelta]] = field(default=())
    """Offsets from UTC that other files of the same evidence state, each with a moment for which it held."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of input.

    ``recognise`` says by what a file was recognised, or None; ``parse`` reads it. ``needs_zone``: its stamps may be
    local, so that it is read after the files that state their offsets. ``variants``: names that ``parse`` gives in
    place of ``name`` to what it finds to be told apart only by reading it.
    """

    name: str
    kind: SourceKind
    recognise: Callable[[Glimpse], str | None]
    parse: Callable[[Path, Given], Parsed]
    needs_zone: bool = False
    variants: tuple[str, ...] = ()


def json_of(text: str) -> object:
    """Give the JSON value of a text, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def document_in(data: bytes) -> object:
    r"""Give the first JSON object or array that opens a line, whatever stands before it; None where there is none.

    >>> document_in(b'[warn] gateway not reachable\n{"count": 0, "tasks": []}')
    {'count': 0, 'tasks': []}
    """
    text = data.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    start = 0 if text.startswith(("{", "[{", "[\n", "[ ", "[]")) else _opening(text)
    if start is None:
        return None
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except (ValueError, RecursionError):
        return None


def _opening(text: str) -> int | None:
    found = text.find("\n{")
    return found + 1 if found >= 0 else None
