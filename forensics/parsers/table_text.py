"""How the ``sqlite3`` shell prints rows: one reader per output mode that ends a row with the end of a line.

Modes differ in what they can say. Only CSV quotes its values; a list or a tab-separated file does not, so a value with
a line feed or a separator in it breaks its row apart, and a broken row is put together only where that is unmistakable.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from forensics.model.policy import LONGEST_VALUE_BYTES
from forensics.parsers.parsed import brief
from forensics.parsers.text_lines import Lines

Values = Sequence[str]
_FULL_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$|cron-runlog-import:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Printed:
    """One printed row, or, with ``wrong``, lines of which no row can be made."""

    line: int
    values: Values
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a reader must know of the rows: their headings, and whether values stand in their own columns."""

    headings: Values
    is_plausible: Callable[[Values], bool]
    starts_row: Callable[[Values], bool]


Rows = Iterator[Printed]
Reader = Callable[[Lines, Shape], Rows]


def is_full_id(text: str) -> bool:
    """Tell whether a text is, or begins like, a whole task id."""
    return _FULL_ID.match(text.strip()) is not None


def csv_values(line: str, separator: str = ",") -> list[str]:
    """Cut one line of CSV into its values; nothing where it is none."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


@dataclass(slots=True)
class _Fed:
    """Lines on their way into the CSV reader: remembers where the row that is being read began."""

    lines: Lines
    first: int | None = None

    def __iter__(self) -> Iterator[str]:
        for number, text in self.lines:
            self.first = number if self.first is None else self.first
            yield text


def read_csv(lines: Lines, shape: Shape, separator: str = ",") -> Rows:
    """Read quoted values; a quotation that is never closed, as in a torn file, makes no row."""
    csv.field_size_limit(LONGEST_VALUE_BYTES)
    fed = _Fed(lines)
    reader = csv.reader(fed, delimiter=separator, strict=True)
    count = len(shape.headings)
    while True:
        fed.first = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Printed(fed.first or 0, (), f"no CSV: {error}")
            continue
        if values and values != list(shape.headings):
            wrong = "" if len(values) == count else f"{len(values)} values under {count} headings"
            yield Printed(fed.first or 0, values, wrong)


def read_separated(lines: Lines, shape: Shape, separator: str) -> Rows:
    """Read values that are not quoted. A row is held back until the next line shows that it was not cut short."""
    held: Printed | None = None
    broken = _Broken(separator, shape)
    for number, raw in lines:
        text = raw.rstrip("\n").removesuffix("\r")
        if broken.is_open:
            row = broken.closed_with(text)
            if row is None and broken.is_open:
                continue
            if row is not None:
                yield from _flushed(held)
                held = row
                continue
            yield from _doubted(held, broken)
            held = None
        values = text.split(separator)
        if tuple(values) == tuple(shape.headings):
            continue
        if len(values) < len(shape.headings):
            broken.open(number, text)
        else:
            yield from _flushed(held)
            held = Printed(number, values, _too_many(values, shape))
    if broken.is_open:
        yield from _doubted(held, broken)
    else:
        yield from _flushed(held)


class _Broken:
    """Lines with fewer values than there are headings: parts of one row whose values hold line feeds, perhaps."""

    def __init__(self, separator: str, shape: Shape) -> None:
        self._separator = separator
        self._shape = shape
        self._pieces: list[str] = []
        self._size = 0
        self._separators = 0
        self.line = 0

    @property
    def is_open(self) -> bool:
        return bool(self._pieces)

    @property
    def starts_row(self) -> bool:
        """Tell whether the first of these lines begins a row, so that it is no rest of the row before it."""
        return self._shape.starts_row(self._first)

    def open(self, number: int, text: str) -> None:
        self.line, self._pieces, self._size = number, [text], len(text)
        self._separators = text.count(self._separator)
        self._first = text.split(self._separator)

    def closed_with(self, text: str) -> Printed | None:
        """Add a line; give the row where it is whole now, and close where it can be none."""
        self._pieces.append(text)
        self._separators += text.count(self._separator)
        self._size += len(text)
        wanted = len(self._shape.headings) - 1
        if self._separators < wanted and self._size < LONGEST_VALUE_BYTES:
            return None
        values = "\n".join(self._pieces).split(self._separator) if self._separators == wanted else []
        self._pieces = []
        return Printed(self.line, values) if values and self._shape.is_plausible(values) else None


def _flushed(held: Printed | None) -> Rows:
    if held is not None:
        yield held


def _doubted(held: Printed | None, broken: _Broken) -> Rows:
    """Give up lines that make no row; the row before them goes with them if they may be the rest of it."""
    if held is not None:
        wrong = held.wrong if broken.starts_row else "the lines below may belong to it: a value holds a line feed"
        yield Printed(held.line, held.values, wrong)
    yield Printed(broken.line, (), "fewer values than headings: a value holds a line feed, or the row is cut off")


def _too_many(values: Values, shape: Shape) -> str:
    count = len(shape.headings)
    return "" if len(values) == count else f"{len(values)} values under {count} headings: a value holds the separator"


def line_mode_headings(lines: Sequence[str]) -> list[str]:
    """Give the names of a first row printed as ``name = value``, names set flush right; nothing where there is none."""
    names: list[str] = []
    width = -1
    for text in lines:
        width = text.find(" = ") if width < 0 and text.strip() else width
        name = _name_in(text, width)
        if name is not None and names and name == names[0]:
            break
        if name is not None and name not in names:
            names.append(name)
    return names


def _name_in(text: str, width: int) -> str | None:
    if width <= 0 or text[width : width + 3] != " = ":
        return None
    name = text[:width].lstrip(" ")
    return name if name and name == name.strip() and "=" not in name else None


def read_line_mode(lines: Lines, shape: Shape) -> Rows:
    """Read ``name = value`` rows. A value may hold line feeds: it ends where the next name of the row is due."""
    names = list(shape.headings)
    width = max(map(len, names), default=0)
    values: list[list[str]] = []
    start, wrong, text_above = 0, "", ""
    for number, raw in lines:
        text = raw.rstrip("\n").removesuffix("\r")
        name = _name_in(text, width) if text[width : width + 3] == " = " else None
        if name == names[0] and (not values or not text_above.strip()):
            if values:
                yield _row_of(start, values, names, wrong)
            values, start, wrong = [[text[width + 3 :]]], number, ""
        elif values and name in names:
            is_due = len(values) < len(names) and name == names[len(values)]
            wrong = wrong if is_due else f"{brief(name, 40)} stands where another name is due"
            values.append([text[width + 3 :]])
        elif values:
            values[-1].append(text)
        text_above = text
    if values:
        yield _row_of(start, values, names, wrong)


def _row_of(start: int, values: list[list[str]], names: Values, wrong: str) -> Printed:
    told = ["\n".join(lines) for lines in values]
    if len(told) == len(names):
        told[-1] = told[-1].removesuffix("\n")  # the blank line between two rows
    return Printed(start, told, wrong or ("" if len(told) == len(names) else "a row without all of its names"))
