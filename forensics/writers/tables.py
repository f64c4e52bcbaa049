"""Tables for terminals: as wide as their cells, or fitted into a width; every cell is escaped here and nowhere else.

Fitted, a table keeps every character: cells are wrapped, then columns of long text move to lines of their own below
their row, and where even that is too narrow each row becomes a record, one labelled line per cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from forensics.model.escape import for_terminal
from forensics.model.shown import PLAIN, Shown, Style
from forensics.writers.measure import indented, joined, longest_word, padded, width_of, wrapped

Cell = str | Sequence[str]
"""What stands in a cell; several parts are told one after another, or below one another where they have lines of their
own."""

GAP = "  "
WIDER_HEADING = 2
"""Columns a heading is wider than its words where nothing is fitted; the width of a column has always been so."""

_READABLE = 30
"""Columns in which wrapped sentences still read well beside others; with less they move below."""

_NARROW = 60
"""Columns below which each row is told as a record."""

_BELOW, _DEEPER = " " * 4, " " * 6
_NOTHING = frozenset({"", "-"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its heading.

    ``is_text``: its sentences may be wrapped. ``moves``: the order in which it takes lines of its own where there is no
    room (0: never), above its row if it is the first column, else below; ``is_named``: with its heading before it.
    ``spills``: only those of its cells move that hold a word too long for the column. ``groups``: the line above is
    said once for rows in a row that share it.
    """

    name: str
    is_text: bool = False
    moves: int = 0
    is_named: bool = False
    spills: bool = False
    groups: bool = False
    style: Callable[[str], Style | None] | None = None

    def painted(self, line: str, cell: str, shown: Shown) -> str:
        """Give a line of a cell in the colour of the cell."""
        return shown.painted(line, self.style(cell)) if self.style else line


def text_table(
    headers: Sequence[str | Column], rows: Iterable[Sequence[Cell]], *, indent: str = "", shown: Shown = PLAIN
) -> str:
    """Give a table; cells are shown as they are, never read as numbers. ``shown`` says how wide it may be."""
    columns = [header if isinstance(header, Column) else Column(header) for header in headers]
    table = _Table(columns, [_Row([_escaped(cell) for cell in row]) for row in rows], shown)
    told = table.whole() if shown.width is None else table.fitted(shown.width - width_of(indent))
    return "\n".join((indent + line).rstrip() for line in told)


def _escaped(cell: Cell) -> list[str]:
    parts = [cell] if isinstance(cell, str) else cell
    return [for_terminal(part).strip() for part in parts]


class _Row:
    """The cells of a row, escaped: the parts of each, and each as one text."""

    def __init__(self, parts: list[list[str]]) -> None:
        self.parts = parts
        self.cells = ["; ".join(told) for told in parts]


class _Table:
    """Rows under headings, and the forms they can be told in."""

    def __init__(self, columns: list[Column], rows: list[_Row], shown: Shown) -> None:
        self.columns, self.rows, self.shown = columns, rows, shown

    def whole(self) -> Iterator[str]:
        """Give one line per row, as wide as the cells are."""
        widths = {
            n: max(self._widest(n), width_of(column.name) + WIDER_HEADING) for n, column in enumerate(self.columns)
        }
        return self._grid(widths, lambda cell, _: [cell])

    def fitted(self, width: int) -> Iterator[str]:
        """Give lines of at most so many columns, in the first form that has room."""
        for is_tight in (False, True) if (self.shown.width or 0) >= _NARROW else ():
            for kept in self._kept():
                indent = "" if 0 in kept else GAP
                widths = self._allotted(kept, width - len(indent), is_tight=is_tight)
                if widths is not None:
                    return self._grid(widths, wrapped, width)
        return self._records(width)

    def _widest(self, n: int) -> int:
        return max([width_of(self.columns[n].name), *(width_of(row.cells[n]) for row in self.rows)])

    def _longest_word(self, n: int) -> int:
        return max([longest_word(self.columns[n].name), *(longest_word(row.cells[n]) for row in self.rows)])

    def _kept(self) -> Iterator[list[int]]:
        """Give the columns that stay in the table: all of them, then fewer and fewer."""
        for step in sorted({column.moves for column in self.columns} | {0}):
            yield [n for n, column in enumerate(self.columns) if not 0 < column.moves <= step]

    def _allotted(self, kept: list[int], width: int, *, is_tight: bool) -> dict[int, int] | None:
        """Give each column its width, or None where there is no room; ``is_tight`` wraps every cell at its blanks."""
        whole = {n: self._widest(n) for n in kept}
        least = {n: self._least(n, whole[n], is_tight=is_tight) for n in kept}
        room = width - len(GAP) * (len(kept) - 1) - sum(least.values())
        if room < 0:
            return None
        given = {}
        for left, n in zip(range(len(kept), 0, -1), sorted(kept, key=lambda n: whole[n] - least[n]), strict=True):
            given[n] = min(whole[n], least[n] + room // left)
            room -= given[n] - least[n]
        return {n: given[n] for n in kept}

    def _least(self, n: int, whole: int, *, is_tight: bool) -> int:
        if not is_tight and not self.columns[n].is_text:
            return whole
        readable = _READABLE if self.columns[n].moves and not is_tight else 0
        return min(whole, readable if readable and self.columns[n].spills else max(self._longest_word(n), readable))

    def _grid(
        self, widths: dict[int, int], wrap: Callable[[str, int], list[str]], width: int | None = None
    ) -> Iterator[str]:
        """Give headings, a rule, and every row, with those of its cells that have no column on lines of their own."""
        leads, indent = 0 not in widths, "" if 0 in widths else GAP
        moved = range(1, len(self.columns))
        if leads:
            yield self.shown.painted(self.columns[0].name, Style.HEADING)
        heads = {n: wrap(self.columns[n].name, room) for n, room in widths.items()}
        yield from (indent + line for line in self._lines(heads, widths, lambda _: Style.HEADING))
        yield indent + GAP.join("-" * room for room in widths.values())
        for above, row in zip([None, *self.rows], self.rows, strict=False):
            if leads and not (above and self.columns[0].groups and above.cells[0] == row.cells[0]):
                yield from indented(row.cells[0], width or 0, first="", rest=GAP)
            spilt = {n for n, room in widths.items() if self._spills(n, row, room)} if width else set()
            cells = {n: wrap("" if n in spilt else row.cells[n], room) for n, room in widths.items()}
            styles = {n: self._style(n, row) for n in widths}
            yield from (indent + line for line in self._lines(cells, widths, styles.get))
            if width is not None:
                yield from self._below(row, [n for n in moved if n not in widths or n in spilt], width)

    def _spills(self, n: int, row: _Row, room: int) -> bool:
        return self.columns[n].spills and longest_word(row.cells[n]) > room

    def _style(self, n: int, row: _Row) -> Style | None:
        style = self.columns[n].style
        return style(row.cells[n]) if style else None

    def _lines(
        self, cells: dict[int, list[str]], widths: dict[int, int], style: Callable[[int], Style | None]
    ) -> Iterator[str]:
        """Give the lines of cells that stand side by side."""
        for number in range(max(map(len, cells.values()))):
            pieces = {n: lines[number] if number < len(lines) else "" for n, lines in cells.items()}
            yield GAP.join(padded(piece, widths[n], self.shown.painted(piece, style(n))) for n, piece in pieces.items())

    def _below(self, row: _Row, moved: list[int], width: int) -> Iterator[str]:
        """Give the cells without a column: those with a name together, each other on lines of its own."""
        told = [n for n in moved if row.cells[n] not in _NOTHING]
        named = [f"{self.columns[n].name} {row.cells[n]}" for n in told if self.columns[n].is_named]
        if named:
            yield from joined(named, width, first=_BELOW, rest=_DEEPER)
        for part in (part for n in told if not self.columns[n].is_named for part in row.parts[n]):
            yield from indented(part, width, first=_BELOW, rest=_DEEPER)

    def _records(self, width: int) -> Iterator[str]:
        """Give one block per row, a labelled line per cell."""
        label = max(width_of(column.name) for column in self.columns) + len(GAP)
        for number, row in enumerate(self.rows):
            if number:
                yield ""
            for n, column in enumerate(self.columns):
                name = self.shown.painted(column.name, Style.HEADING)
                if longest_word(row.cells[n]) <= width - label:
                    first, *rest = (line for part in row.parts[n] for line in wrapped(part, width - label))
                    yield padded(column.name, label, name) + self.shown.painted(first, self._style(n, row))
                    yield from (" " * label + self.shown.painted(line, self._style(n, row)) for line in rest)
                else:
                    yield from (self.shown.painted(line, Style.HEADING) for line in wrapped(column.name, width))
                    for part in row.parts[n]:
                        yield from indented(part, width, first=GAP, rest=GAP)
