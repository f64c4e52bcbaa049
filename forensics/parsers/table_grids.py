"""Rows that the ``sqlite3`` shell sets into columns: modes column, box, table and markdown.

A line of dashes below the headings says where each column begins and ends. Some releases count characters, others the
cells a terminal needs for them; a line is read by the count for which nothing stands between two columns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from forensics.model.policy import LONGEST_VALUE_BYTES
from forensics.parsers.table_text import Printed, Rows, Shape
from forensics.parsers.text_lines import Lines

Span = tuple[int, int]

COLUMN_RULER = re.compile(r"-+(?: +-+)* *")
TABLE_RULER = re.compile(r"\+(?:-+\+)+")
BOX_RULER = re.compile(r"[├╞┝][─═━┼╪┿]+[┤╡┥]")
MARKDOWN_RULER = re.compile(r"\|(?: ?:?-+:? ?\|)+")
_EDGE = re.compile(r"[\s+|│┃┌┬┐├┼┤└┴┘╭╮╰╯─═━╞╪╡╒╤╕╘╧╛-]*")
_DASHES = re.compile(r"[-─═━:]+")
_BETWEEN = " |│┃"


def grid_headings(lines: Sequence[str], ruler: re.Pattern[str]) -> Iterator[tuple[int, list[str], list[Span]]]:
    """Find the rulers among the first lines: their place, the headings above them, and where each column stands."""
    for place in range(1, len(lines)):
        text = lines[place].rstrip()
        if ruler.fullmatch(text):
            spans = [match.span() for match in _DASHES.finditer(text)]
            headings = cells_of(lines[place - 1], spans)
            if headings is not None and all(headings):
                yield place, headings, spans


def cells_of(line: str, spans: Sequence[Span]) -> list[str] | None:
    """Cut a line into its cells, without the blanks around them; None where it does not fit these columns."""
    for units in (list(line), _terminal_units(line)):
        last = max(end for _, end in spans)
        inside = {place for start, end in spans for place in range(start, end)}
        outside = (unit for place, unit in enumerate(units) if place not in inside)
        if all(unit in _BETWEEN for unit in outside if unit) and len(units) >= min(last, spans[-1][0]) - 1:
            return ["".join(units[start:end]).strip() for start, end in spans]
    return None


def _terminal_units(line: str) -> list[str]:
    """Give what each cell of a terminal shows: a wide character takes two, a combining one none."""
    units: list[str] = []
    for character in line:
        if unicodedata.category(character) in ("Mn", "Me", "Cf") and units:
            units[-1] += character
            continue
        units.append(character)
        if unicodedata.east_asian_width(character) in "WF":
            units.append("")
    return units


def read_grid(lines: Lines, shape: Shape, spans: Sequence[Span], key: int) -> Rows:
    """Read rows below a ruler. A row goes on in the next line where that has no key: a value holds a line feed."""
    row: list[list[str]] | None = None
    start = 0
    for number, raw in lines:
        text = raw.rstrip("\r\n")
        if not text.strip() or _EDGE.fullmatch(text):
            continue
        cells = cells_of(text, spans) if len(text) < LONGEST_VALUE_BYTES else None
        if cells is None:
            yield from _finished(start, row)
            row = None
            yield Printed(number, (), "the line does not fit the columns above it")
        elif cells == list(shape.headings):
            continue
        elif cells[key] or row is None:
            yield from _finished(start, row)
            row, start = [[cell] for cell in cells], number
        else:
            for told, cell in zip(row, cells, strict=True):
                told.append(cell)
    yield from _finished(start, row)


def _finished(start: int, row: list[list[str]] | None) -> Iterator[Printed]:
    if row is not None:
        yield Printed(start, ["\n".join(told).rstrip("\n") for told in row])
