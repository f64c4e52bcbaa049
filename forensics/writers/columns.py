"""Columns spelled for an output, a batch of rows at a time: a timeline has hundreds of thousands of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from json.encoder import encode_basestring

import polars as pl

from forensics.model.escape import for_json, for_terminal
from forensics.writers.measure import width_of
from forensics.writers.tables import GAP, WIDER_HEADING

BATCH_ROWS = 20_000
"""Rows that are spelled together: enough for whole columns to pay, few enough to hold."""

_PLAIN = r"^[\x20-\x7e]*$"
_PLAIN_IN_JSON = r"^[\x20\x21\x23-\x5b\x5d-\x7e]*$"


def in_batches(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give the rows of a frame in their order, some thousands at a time."""
    return frame.iter_slices(BATCH_ROWS)


def spelled(column: pl.Series, spell: Callable[[str], str], plain: str = _PLAIN) -> pl.Series:
    """Give a column of text with ``spell`` done to its values; null stays null.

    Values that match the pattern ``plain`` are those that ``spell`` leaves as they are: by default printable ASCII.
    """
    odd = column.filter(~column.str.contains(plain)).drop_nulls().unique()
    if odd.is_empty():
        return column
    return column.replace(odd, pl.Series([spell(value) for value in odd.to_list()], dtype=pl.String))


def for_terminals(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Give a frame in whose columns of text (or those named) every hidden character is spelled out."""
    texts = names or [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(spelled(frame[name], for_terminal) for name in texts)


def json_strings(column: pl.Series) -> pl.Series:
    """Give a column of text as JSON strings, hidden characters as escapes; null stays null."""
    inner = spelled(column, lambda text: for_json(encode_basestring(text))[1:-1], _PLAIN_IN_JSON)
    return '"' + inner + '"'


def known_expr(name: str) -> pl.Expr:
    """Give a column of text with null where there is none."""
    return pl.when(pl.col(name) != "").then(name)


def shortened_expr(text: pl.Expr, width: int) -> pl.Expr:
    """Give at most ``width`` characters of a text, the cut shown by an ellipsis."""
    return pl.when(text.str.len_chars() > width).then(text.str.slice(0, max(width - 1, 0)) + "…").otherwise(text)


def table_parts(
    headers: Sequence[str],
    batches: Callable[[], Iterable[pl.DataFrame]],
    width_of: Callable[[str], int] = width_of,
) -> Iterator[str]:
    """Give a plain table in parts of many lines, byte for byte as ``text_table`` has it.

    ``batches`` gives the cells, one column per header, all text and not null, each time from the first; they are asked
    for twice, as the width of a column is only known when all have been seen. ``width_of`` says how wide a text is that
    is not all ASCII.
    """
    widths = [width_of(header) + WIDER_HEADING for header in headers]
    for cells in batches():
        told = for_terminals(cells).with_columns(pl.all().str.strip_chars())
        widest = [_widths(told[name], width_of).max() for name in told.columns]
        widths = [max(width, found) for width, found in zip(widths, widest, strict=True) if isinstance(found, int)]
    yield _line([header + " " * (width - width_of(header)) for header, width in zip(headers, widths, strict=True)])
    yield _line(["-" * width for width in widths])
    for cells in batches():
        told = for_terminals(cells).with_columns(pl.all().str.strip_chars())
        padded = [_padded(told[name], width, width_of) for name, width in zip(told.columns, widths, strict=True)]
        lines = told.select(pl.concat_str(padded, separator=GAP).str.strip_chars_end())
        yield "\n".join(lines.to_series().to_list()) + "\n"


def _line(cells: Sequence[str]) -> str:
    return GAP.join(cells).rstrip() + "\n"


def _widths(column: pl.Series, width_of: Callable[[str], int]) -> pl.Series:
    """Give how many columns of a terminal each text takes."""
    lengths = column.str.len_chars().cast(pl.Int64)
    if width_of is len:
        return lengths
    odd = ~column.str.contains(_PLAIN)
    told = pl.Series([width_of(value) for value in column.filter(odd).to_list()], dtype=pl.Int64)
    return lengths.scatter(odd.arg_true(), told)


def _padded(column: pl.Series, width: int, width_of: Callable[[str], int]) -> pl.Series:
    """Give texts filled up with blanks; ``pad_end`` counts characters, of which some are wider or narrower than one."""
    lengths = column.str.len_chars().cast(pl.Int64)
    filled = lengths + (width - _widths(column, width_of))
    return pl.select(pl.lit(column).str.pad_end(pl.lit(filled))).to_series()
