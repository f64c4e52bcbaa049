"""Records that a terminal broke into several lines, put together again (cases.md §2.6)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from forensics.parsers.log_record import Record, record_ends, records_in

_PIECES = 400
_LONGEST = 1 << 18
"""A terminal of 80 columns breaks a line of 70 joined records into so many pieces (cases.md §2.6)."""

_GLUES = (" ", "")
"""A terminal breaks a line at a space, which it swallows, or in the middle of a word."""


@dataclass(frozen=True, slots=True)
class Mended:
    """Records in several pieces: the line they begin on, how many lines they take, and every way to read them.

    ``readings`` with a space at each break, where that gives as many records, and without; ``texts`` likewise.
    """

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
    together = _following(pieces, start)
    for count in _whole_after(together):
        texts = [glue.join(together[:count]) for glue in _GLUES]
        told = [(records_in(text), text) for text in texts]
        kept = [(records, text) for records, text in told if len(records) == len(told[-1][0]) > 0]
        if kept:
            return Mended(line, count, tuple(records for records, _ in kept), tuple(text for _, text in kept))
    return None


def _following(pieces: Sequence[tuple[int, str]], start: int) -> list[str]:
    """Give the pieces that follow each other line by line, as many as are tried."""
    line, length = pieces[start][0], 0
    together: list[str] = []
    for number, text in pieces[start : start + _PIECES]:
        length += len(text)
        if number != line + len(together) or length > _LONGEST:
            break
        together.append(text)
    return together


def _whole_after(together: Sequence[str]) -> Iterator[int]:
    """Give the numbers of pieces, two or more, that are whole records when nothing is put between them.

    A space that a terminal swallowed is missing from a text then; one that is put into a number or an escape breaks it.
    """
    ends = list(accumulate(len(piece) for piece in together))
    for end, following in record_ends("".join(together)):
        first, last = bisect_left(ends, end), bisect_right(ends, following)
        yield from range(max(first, 1) + 1, last + 1)
