"""Rows of a gateway's database as the ``sqlite3`` shell prints them, in its output modes (formats.md §2.2).

The columns may be some only, in any order, under aliases, and times may be printed as text. Without headings the
columns are known only where a row has just those of a known release's table; otherwise nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from forensics.model.verdicts import SourceKind
from forensics.parsers.files import content_of
from forensics.parsers.forms import Form, Given, Glimpse, json_of, text_of
from forensics.parsers.json_places import LineCounter, elements_at
from forensics.parsers.parsed import Parsed, brief
from forensics.parsers.table_grids import (
    BOX_RULER,
    COLUMN_RULER,
    MARKDOWN_RULER,
    TABLE_RULER,
    Span,
    grid_headings,
    read_grid,
)
from forensics.parsers.table_rows import TableRows, Value, read_rows
from forensics.parsers.table_text import (
    Reader,
    Rows,
    Shape,
    csv_values,
    is_full_id,
    line_mode_headings,
    read_csv,
    read_line_mode,
    read_separated,
)
from forensics.parsers.tables import CLOSED, LAYOUTS, TASK_RUNS, Table, table_of
from forensics.parsers.text_lines import Lines, open_lines

_LINES_LOOKED_AT = 2000
_LONGEST_HEADINGS = 8000
_NO_HEADER = "no_header"


@dataclass(frozen=True, slots=True)
class Headed:
    """Where the headings of a dump stand, what they are, and how the rows below them are read."""

    headings: Sequence[str]
    rows_from: int
    read: Reader
    why_not: str = ""


Look = Callable[[Sequence[str]], Headed | None]
"""Finds the headings among the first lines of a dump of one mode."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One output mode of the shell."""

    name: str
    by: str
    look: Look


def parse_table_text(path: Path, given: Given, mode: Mode) -> Parsed:
    """Read the rows of one dump.

    Shape: what ``table_rows.read_rows`` gives; ``line`` is the line on which the row begins.
    Notices: no_header (columns unknown), missing_columns, broken_row, cut_id, time_unit, out_of_range, no_line_end, and
    those of the reader of the database.
    Source: formats.md §2.2 (what users attach), §1.3 (columns by release).

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.TASK_EXPORT, mode.by)
    with open_lines(path) as lines:
        first = list(islice(lines, _LINES_LOOKED_AT))
        headed = mode.look([text.rstrip("\n").removesuffix("\r") for _, text in first])
        if headed is None or headed.why_not:
            return _unread(parsed, _NO_HEADER, headed.why_not if headed else "no headings of a known table")
        table = table_of(headed.headings)
        if table is None:
            return _unread(parsed, _NO_HEADER, "headings of no known table")
        taken = TableRows(table, headed.headings, parsed, given.zone)
        if missing := taken.missing():
            why = f"column {', '.join(missing)} was not printed; without it no row can be judged"
            return _unread(parsed, "missing_columns", why)
        shape = Shape(headed.headings, taken.is_plausible, taken.starts_row)
        watched = _Watched(chain(first[headed.rows_from :], lines))
        printed = headed.read(iter(watched), shape)
        return _read(_good(printed, parsed), taken, parsed, watched)


def parse_table_json(path: Path, given: Given) -> Parsed:
    """Read the rows of a JSON array of objects with column names, or of one such object a line.

    Shape, Notices, Raises: as ``parse_table_text``; torn_document where an array ends in the middle.
    """
    parsed = Parsed(SourceKind.TASK_EXPORT, _BY_JSON)
    text = text_of(content_of(path))
    headings = _keys_of(text)
    table = table_of(headings)
    if table is None:
        return _unread(parsed, _NO_HEADER, "headings of no known table")
    taken = TableRows(table, headings, parsed, given.zone)
    if missing := taken.missing():
        return _unread(parsed, "missing_columns", f"column {', '.join(missing)} was not printed")
    rows = ((line, [entry.get(name) for name in headings]) for line, entry in _objects_in(text, parsed))
    return _read(rows, taken, parsed, None)


def _read(
    rows: Iterator[tuple[int | None, Sequence[Value]]], taken: TableRows, parsed: Parsed, watched: _Watched | None
) -> Parsed:
    parsed.kind = taken.table.kind
    read = read_rows(rows, taken, parsed)
    printed_as = taken.moments.printed_as
    if "text" in printed_as:
        read.timezone = "UTC, times printed as text"
    if read.zone_is_assumed:
        read.timezone = "assumed UTC: times printed as text without a zone"
    if "local text" in printed_as:
        read.timezone = "local times printed as text, read in the zone that was named"
    if watched is not None and not watched.ends_with_line:
        read.notices.add("no_line_end", "the last line has no end: its row may be cut off", watched.line, "info")
    return read


class _Watched:
    """Lines that pass by; remembers the last one."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.line = 0
        self.ends_with_line = True

    def __iter__(self) -> Lines:
        for number, text in self._lines:
            self.line, self.ends_with_line = number, text.endswith("\n")
            yield number, text


def _good(printed: Rows, parsed: Parsed) -> Iterator[tuple[int, Sequence[Value]]]:
    for row in printed:
        if row.wrong:
            parsed.rejected += 1
            parsed.notices.add("broken_row", f"{brief(row.wrong, 160)}; the row is not read", row.line)
        else:
            yield row.line, row.values


def _unread(parsed: Parsed, code: str, why: str) -> Parsed:
    parsed.kind, parsed.timezone = SourceKind.OTHER, None
    parsed.notices.add(code, f"{why}; print it again with headings and whole rows: sqlite3 -header -csv", level="error")
    return parsed


def _by_separator(cut: Callable[[str], list[str]], read: Reader) -> Look:
    def look(lines: Sequence[str]) -> Headed | None:
        for place, text in enumerate(lines):
            values = cut(text) if _may_be_headings(text) else []
            if len(values) > 1 and table_of(values) is not None:
                return Headed(values, place + 1, read)
        rows = [values for values in map(cut, lines) if len(values) > 1]
        return _without_headings(rows, read)

    return look


def _may_be_headings(text: str) -> bool:
    """Tell cheaply whether a line may hold the headings of a known table: each has an id."""
    return len(text) < _LONGEST_HEADINGS and "id" in text.lower()


def _without_headings(rows: Sequence[list[str]], read: Reader) -> Headed | None:
    """Find the one layout of ``task_runs`` that rows without headings fit; none fits, or several: that is said."""
    first = next((row for row in rows if _is_task_row(row)), None)
    if first is None:
        return None
    alike = [row for row in rows if len(row) == len(first)]
    fitting = [layout for layout in LAYOUTS if len(layout) == len(first) and all(_fits(row, layout) for row in alike)]
    if len(fitting) == 1:
        return Headed(fitting[0], 0, read)
    return Headed((), 0, read, f"rows of {len(first)} columns without headings: which column is which is not known")


def _is_task_row(values: Sequence[str]) -> bool:
    """Tell whether values without headings are a row of tasks: a whole id is among them, and a runtime or a status."""
    known = {*CLOSED["runtime"], *CLOSED["status"]}
    return any(map(is_full_id, values)) and any(value in known for value in values)


def _fits(values: Sequence[str], layout: Sequence[str]) -> bool:
    row = dict(zip(layout, values, strict=True))
    closed = all(row[name] in known for name, known in CLOSED.items() if name != "terminal_outcome")
    times = all(row[name].isdigit() or not row[name] for name in TASK_RUNS.times)
    return closed and times and is_full_id(row["task_id"]) and row["created_at"] != ""


def _look_lines(lines: Sequence[str]) -> Headed | None:
    start = next((place for place, text in enumerate(lines) if _is_first_name(text)), None)
    if start is None:
        return None
    names = line_mode_headings(lines[start:])
    return Headed(names, start, read_line_mode) if table_of(names) else None


def _is_first_name(text: str) -> bool:
    name, sign, _ = text.partition(" = ")
    return bool(sign) and name.strip().isidentifier()


def _look_grid(lines: Sequence[str], ruler: re.Pattern[str]) -> Headed | None:
    for place, headings, spans in grid_headings(lines, ruler):
        table = table_of(headings)
        if table is not None:
            return Headed(headings, place + 1, partial(_read_grid, spans=spans, table=table))
    return None


def _read_grid(lines: Lines, shape: Shape, spans: Sequence[Span], table: Table) -> Rows:
    taken = [place for place, heading in enumerate(shape.headings) if heading.lower() == table.key]
    return read_grid(lines, shape, spans, taken[0] if taken else 0)


def _keys_of(text: str) -> list[str]:
    """Give the keys of the first rows of a JSON dump; not every row need have them all."""
    first = islice(_objects_in(text, Parsed(SourceKind.TASK_EXPORT, "")), _LINES_LOOKED_AT)
    return list(dict.fromkeys(key for _, entry in first for key in entry))


def _objects_in(text: str, parsed: Parsed) -> Iterator[tuple[int, dict[str, object]]]:
    values = _of_array(text, parsed) if text.lstrip().startswith("[") else _of_lines(text, parsed)
    for line, value in values:
        if isinstance(value, dict):
            yield line, value
        else:
            parsed.rejected += 1
            parsed.notices.add("broken_row", f"no row: {brief(value)}", line)


def _of_array(text: str, parsed: Parsed) -> Iterator[tuple[int, object]]:
    counter = LineCounter(text)
    try:
        for place, value in elements_at(text, text.index("[")):
            yield counter.line_at(place), value
    except ValueError:
        parsed.rejected += 1
        parsed.notices.add("torn_document", "the array ends in the middle of a row; what follows is not known")


def _of_lines(text: str, parsed: Parsed) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        value = json_of(line) if line.strip() else None
        if value is not None:
            yield number, value
        elif line.strip():
            parsed.rejected += 1
            parsed.notices.add("not_json", f"not JSON: {brief(line.strip())}", number)


_BY_JSON = "JSON rows with the columns of a known table"


def _recognised_json(glimpse: Glimpse) -> str | None:
    text = glimpse.text.lstrip()
    if text.startswith("["):
        found = next(_of_array(text, Parsed(SourceKind.TASK_EXPORT, "")), None)
        values = [found[1]] if found else []
    else:
        values = [value for value in map(json_of, glimpse.text_lines) if value is not None]
    return _BY_JSON if any(isinstance(value, dict) and table_of(list(value)) for value in values) else None


def _form(mode: Mode) -> Form:
    def recognise(glimpse: Glimpse) -> str | None:
        return mode.by if mode.look(glimpse.text_lines) is not None else None

    return Form(mode.name, SourceKind.TASK_EXPORT, recognise, lambda path, given: parse_table_text(path, given, mode))


def _separated(name: str, by: str, separator: str) -> Mode:
    cut = partial(str.split, sep=separator)
    return Mode(name, by, _by_separator(cut, partial(read_separated, separator=separator)))


def _csv(name: str, by: str, separator: str) -> Mode:
    return Mode(
        name, by, _by_separator(partial(csv_values, separator=separator), partial(read_csv, separator=separator))
    )


MODES = (
    Mode("sqlite3 -box", "rows in a box", partial(_look_grid, ruler=BOX_RULER)),
    Mode("sqlite3 -table", "rows in a table of + and |", partial(_look_grid, ruler=TABLE_RULER)),
    Mode("sqlite3 -markdown", "rows in a Markdown table", partial(_look_grid, ruler=MARKDOWN_RULER)),
    Mode("sqlite3 -column", "rows set into columns", partial(_look_grid, ruler=COLUMN_RULER)),
    Mode("sqlite3 -line", "rows as name = value", _look_lines),
    _csv("sqlite3 -csv", "comma-separated rows", ","),
    _separated("sqlite3 -tabs", "tab-separated rows", "\t"),
    _separated("sqlite3 -list", "rows separated by |", "|"),
    _csv("CSV with semicolons", "semicolon-separated rows", ";"),
)

FORMS = (
    Form("sqlite3 -json", SourceKind.TASK_EXPORT, _recognised_json, parse_table_json),
    *map(_form, MODES),
)
