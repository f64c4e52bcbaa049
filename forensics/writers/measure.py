"""Columns that a text takes in a terminal, and lines that fit a width without losing a character."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wcwidth import wcswidth

_PART = re.compile(r"[^/]*/|[^/]+")
_TOGETHER = re.compile(r"(?<![^ ])[^ ]+ [^ ]+ rowid [^ ]+|(?:\([0-9]+ to )?[0-9]+ %\)?")
_GLUE = "\x00"


def width_of(text: str) -> int:
    r"""Count the columns that a text takes in a terminal: two for wide characters, none for combining ones.

    Source: Unicode Standard Annex 11 (East Asian Width), by wcwidth; ``text`` holds no control characters.

    >>> width_of("abc"), width_of("漢字"), width_of("e\u0301"), width_of("✔\ufe0f")
    (3, 4, 1, 2)
    """
    return len(text) if text.isascii() else wcswidth(text)


def padded(text: str, width: int, shown: str | None = None) -> str:
    """Fill a text up to a width with blanks; ``shown`` stands for it where it is painted."""
    return (text if shown is None else shown) + " " * (width - width_of(text))


def wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines at its blanks; a longer word, such as a path, only behind a ``/``, else anywhere.

    >>> wrapped("its own record (logs/a.log:1)", 16)
    ['its own record', '(logs/a.log:1)']
    >>> wrapped("logs/gateway/openclaw.log:12", 16)
    ['logs/gateway/', 'openclaw.log:12']
    >>> wrapped("the row (runs.sqlite task_runs rowid 7)", 36)
    ['the row', '(runs.sqlite task_runs rowid 7)']
    >>> wrapped("0 of 1 (0 %)", 10)
    ['0 of 1', '(0 %)']
    >>> wrapped("0 to 2 of 3 (0 to 67 %)", 16)
    ['0 to 2 of 3', '(0 to 67 %)']
    """
    return _filled(text, width, width, width)


def paragraph(text: str, width: int | None, *, first: str = "", rest: str = "") -> list[str]:
    """Give a sentence as one line, whatever its length, where there is no width, else as lines that fit."""
    return [first + text] if width is None else indented(text, width, first=first, rest=rest)


def indented(text: str, width: int, *, first: str, rest: str) -> list[str]:
    """Give a paragraph, its first line and all others indented; a word too long for that is not indented.

    >>> indented("see logs/gateway.log:12 there", 22, first="- ", rest="  ")
    ['- see', '  logs/gateway.log:12', '  there']
    >>> indented("see logs/gateway.log:12 there", 20, first="- ", rest="  ")
    ['- see', 'logs/gateway.log:12', '  there']
    """
    room, word = width - width_of(first), width_of(text.split(" ", 1)[0])
    if room < word <= width and first.strip():  # its label stays, and the word comes below
        return [first.rstrip(), *indented(text, width, first=rest, rest=rest)]
    lines = _filled(text, room, width - width_of(rest), width)
    return [lead + line for lead, line in zip(_leads(lines, width, first, rest), lines, strict=True)]


def joined(parts: list[str], width: int, *, first: str, rest: str) -> list[str]:
    """Give short texts in a row, with dots between them, as many on a line as fit.

    >>> joined(["up at 07:40", "reason SIGTERM"], 20, first="  ", rest="  ")
    ['  up at 07:40', '  reason SIGTERM']
    """
    rows = [parts[0]]
    for part in parts[1:]:
        together = f"{rows[-1]} · {part}"
        if width_of(first + together) <= width:
            rows[-1] = together
        else:
            rows.append(part)
    return [line for row in rows for line in indented(row, width, first=first, rest=rest)]


def longest_word(text: str) -> int:
    """Give the columns of the longest word: the least that a text can be wrapped to without breaking one."""
    return max(map(width_of, text.split(" ")))


def _leads(lines: list[str], width: int, first: str, rest: str) -> Iterator[str]:
    for lead, line in zip([first, *[rest] * (len(lines) - 1)], lines, strict=True):
        yield lead if width_of(lead) + width_of(line) <= width else ""


def _filled(text: str, first: int, rest: int, longest: int) -> list[str]:
    """Fill lines with words: the first line has another room than the rest; up to ``longest`` no word is broken."""
    lines: list[str] = []
    line: str | None = None
    for word in _words(text, longest):
        room = rest if lines else first
        if line is not None and width_of(line) + 1 + width_of(word) <= room:
            line = f"{line} {word}"
            continue
        if line is not None:
            lines.append(line.rstrip())
            room = rest
        *whole, line = [word] if width_of(word) <= longest else _broken(word, room)
        lines += whole
    return [*lines, (line or "").rstrip()]


def _words(text: str, longest: int) -> list[str]:
    """Part a text at its blanks, but for those within a rate, or a place in a database: it is to be copied whole."""

    def glued(place: re.Match[str]) -> str:
        told = place.group()
        return told.replace(" ", _GLUE) if width_of(told) <= longest else told.replace(" %", f"{_GLUE}%")

    return [word.replace(_GLUE, " ") for word in _TOGETHER.sub(glued, text).split(" ")]


def _broken(word: str, width: int) -> list[str]:
    """Break a word that is wider than a line, behind slashes where it has them."""
    lines = [""]
    for part in _PART.findall(word):
        if width_of(lines[-1]) + width_of(part) <= width:
            lines[-1] += part
        else:
            lines += _cut(part, width)
    return [line for line in lines if line]


def _cut(part: str, width: int) -> Iterator[str]:
    line = ""
    for character in part:
        if line and width_of(line + character) > width:
            yield line
            line = ""
        line += character
    yield line
