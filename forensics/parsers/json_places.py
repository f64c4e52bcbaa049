"""Where in a JSON text a value stands: findings cite the line of an entry, not only the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_BLANK = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class LineCounter:
    """Tells on which line a place in a text lies; the places asked for must not go back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._line = 1

    def line_at(self, place: int) -> int:
        """Give the 1-based line of a place."""
        self._line += self._text.count("\n", self._place, place)
        self._place = max(place, self._place)
        return self._line


def elements_at(text: str, start: int) -> Iterator[tuple[int, object]]:
    """Give the elements of the array that opens at a place, each with its own place.

    Raises:
        ValueError: the array is torn or no JSON; what came before has been given.
    """
    place = _after(_BLANK, text, start + 1)
    while not text.startswith("]", place):
        value, end = _decoded(text, place)
        yield place, value
        place = _after(_COMMA, text, end)


def elements_of(text: str, start: int, key: str) -> Iterator[tuple[int, object]]:
    """Give the elements of one array of the object that opens at a place; nothing where it has no such array.

    >>> list(elements_of('{"total": 2, "jobs": [{}, 7]}', 0, "jobs"))
    [(22, {}), (26, 7)]

    Raises:
        ValueError: the object is torn or no JSON.
    """
    place = _after(_BLANK, text, start + 1)
    while not text.startswith("}", place):
        found, end = _decoded(text, place)
        place = _after(_BLANK, text, _after(_BLANK, text, end) + 1)
        if found == key and text.startswith("[", place):
            yield from elements_at(text, place)
            return
        _, end = _decoded(text, place)
        place = _after(_COMMA, text, end)


def _decoded(text: str, place: int) -> tuple[object, int]:
    try:
        value, end = _DECODER.raw_decode(text, place)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value, end


def _after(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place
