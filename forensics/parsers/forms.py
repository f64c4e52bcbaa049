"""What a form of input is: how its files are recognised, and who reads them.

Every parser module lists its forms; ``catalogue.py`` puts them in order. The name of a form is what ``sources`` and the
README call it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import islice
from pathlib import Path

from forensics.model.policy import DOCUMENTS_TRIED
from forensics.model.verdicts import SourceKind
from forensics.parsers.files import content_of, head_of
from forensics.parsers.meter import Advance, unwatched
from forensics.parsers.parsed import Parsed

HEAD_BYTES = 1 << 18
_LARGEST_DOCUMENT_BYTES = 256 << 20
_LINES_TRIED = 50
_FEW_LINES = 5
_LONGEST_WORD = len("false")
_LONG_HEAD_BYTES = 1 << 23
_DOCUMENTS_LOOKED_AT = 50
_OPENING = re.compile(r"^(?P<document>\{|\[(?=[{\s\]]))", re.MULTILINE)
_ADJOINING = re.compile(r"[ \t\r\n]*(?P<document>\{|\[(?=[{\s\]]))")

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


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
    def text(self) -> str:
        """The head as text: UTF-8, or UTF-16 where the file says so."""
        return text_of(self.head)

    @cached_property
    def text_lines(self) -> tuple[str, ...]:
        """The first lines of that text, without their ends; a last line that the head cuts is among them.

        Where the head holds a few lines only, more of the file is looked at: a table is as wide as its longest text.
        """
        text = self.text
        if not self.is_whole and text.count("\n") < _FEW_LINES and b"\x00\x00" not in self.head:
            text = text_of(head_of(self.path, _LONG_HEAD_BYTES))
        return tuple(line.rstrip("\r") for line in text.split("\n", _LINES_TRIED)[:_LINES_TRIED])

    @property
    def document(self) -> object:
        """The first JSON object or array in the file, whatever text stands before it; None where there is none."""
        return self.documents[0] if self.documents else None

    @cached_property
    def documents(self) -> tuple[object, ...]:
        """The first JSON objects and arrays in the file, whatever text stands before or between them.

        Where the first one is cut by the head, the whole file is read, unless that is too large.
        """
        documents = documents_in(self.text) if self.is_whole else documents_in(self.text, tries=1)
        found = tuple(islice(documents, _DOCUMENTS_LOOKED_AT))
        if not found and not self.is_whole and self.path.stat().st_size <= _LARGEST_DOCUMENT_BYTES:
            found = tuple(islice(documents_in(text_of(content_of(self.path))), _DOCUMENTS_LOOKED_AT))
        return found

    @property
    def ends_early(self) -> bool:
        """Tell whether the file is one JSON document whose end is missing."""
        if not self.text.lstrip().startswith(("{", "[")) or self.path.stat().st_size > _LARGEST_DOCUMENT_BYTES:
            return False
        text = (self.text if self.is_whole else text_of(content_of(self.path))).strip()
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            return error.msg.startswith("Unterminated string") or len(text) - error.pos < _LONGEST_WORD
        except (ValueError, RecursionError):
            return False
        return False


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
    advance: Advance = unwatched
    """Called with the size of each piece of the file that has been read, where it is read in pieces."""


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


def text_of(data: bytes) -> str:
    r"""Give the text of a file: UTF-8, or UTF-16 where it says so, as PowerShell redirects; no mark at its start.

    >>> text_of("\ufeffgrün".encode("utf-16-le")), text_of(b"\xef\xbb\xbfx"), text_of(b"\xff")
    ('grün', 'x', '\ufffd')
    """
    encoding = "utf-16" if data.startswith(UTF_16_MARKS) else "utf-8"
    return data.decode(encoding, "replace").removeprefix("\ufeff")


def document_in(data: bytes) -> object:
    r"""Give the first JSON object or array that opens a line, whatever stands before it; None where there is none.

    >>> document_in(b'[warn] gateway not reachable\n{"count": 0, "tasks": []}')
    {'count': 0, 'tasks': []}
    """
    return next(documents_in(text_of(data)), None)


def documents_in(text: str, tries: int = DOCUMENTS_TRIED) -> Iterator[object]:
    r"""Give all JSON objects and arrays that open a line or follow each other, whatever stands between them.

    ``tries`` is how many openings may turn out to be no JSON before the rest is given up.

    >>> list(documents_in('warning\n{"ok": true}\n{"count": 0}[]\n{torn'))
    [{'ok': True}, {'count': 0}, []]
    """
    return (document for _, document in placed_documents_in(text, tries))


def placed_documents_in(text: str, tries: int = DOCUMENTS_TRIED) -> Iterator[tuple[int, object]]:
    """Give the same with the place in the text at which each begins."""
    decoder = json.JSONDecoder()
    opening = _ADJOINING.match(text) or _OPENING.search(text)
    while opening is not None and tries:
        start = opening.start("document")
        try:
            document, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            tries -= 1
            end = text.find("\n", start)
            opening = _OPENING.search(text, end) if end >= 0 else None
        else:
            yield start, document
            opening = _ADJOINING.match(text, end) or _OPENING.search(text, end)
