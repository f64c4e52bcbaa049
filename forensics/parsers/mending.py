"""Records that a terminal broke into several lines, put together again (cases.md §2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forensics.parsers.log_record import Record, records_in

_PIECES = 40
_GLUES = (" ", "")
"""A terminal breaks a line at a space, which it swallows, or in the middle of a word."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A record in several pieces: the line it begins on, how many lines it takes, and every way to read it."""

    line: int
    lines: int
    readings: tuple[list[Record], ...]
    texts: tuple[str, ...]


def mended(pieces: Sequence[tuple[int, str]]) -> Iterator[Mended]:
    """Put broken lines that follow each other together, as far as that gives whole records.

    >>> [(found.line, found.readings[0]) for found in mended([(3, '{"a":"b'), (4, 'c"}'), (9, '{"a":"torn')])]
    [(3, [{'a': 'b c'}])]
    """
    position = 0
    while position < len(pieces):
        found = _mended_from(pieces, position)
        if found is not None:
            yield found
        position += found.lines if found is not None else 1


def _mended_from(pieces: Sequence[tuple[int, str]], start: int) -> Mended | None:
    line, text = pieces[start]
    if not text.lstrip().startswith("{"):
        return None
    for count in range(2, _PIECES + 1):
        together = pieces[start : start + count]
        if len(together) < count or together[-1][0] != line + count - 1:
            return None
        if not together[-1][1].rstrip().endswith("}"):
            continue
        texts = tuple(glue.join(piece for _, piece in together) for glue in _GLUES)
        readings = tuple(records_in(text) for text in texts)
        if all(readings):
            return Mended(line, count, readings, texts)
    return None
