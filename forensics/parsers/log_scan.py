"""One pass after another over the raw lines of a log that may be larger than memory."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import polars as pl

from forensics.parsers.files import open_evidence
from forensics.parsers.forms import UTF_16_MARKS
from forensics.parsers.parsed import Notices

_CHUNK_BYTES = 1 << 20
LINE = pl.col("line")
SIZE = LINE.str.len_bytes().alias("size_bytes")
Counts = TypeVar("Counts")


@contextmanager
def counted(path: Path, notices: Notices, count: Callable[[IO[bytes]], Counts]) -> Iterator[tuple[IO[bytes], Counts]]:
    """Give a file that Polars can scan, and what was counted in it.

    It is the log itself or, where that is no UTF-8 or begins with a byte order mark, a private copy without the mark
    and with the unreadable bytes replaced.
    Notices: invalid_utf8.

    Raises:
        UnreadableError: the file cannot be read.
    """
    with open_evidence(path) as log, tempfile.TemporaryFile(prefix="forensics-") as copied:
        mark = log.read(len(codecs.BOM_UTF8))
        if mark.startswith(UTF_16_MARKS):
            _copy_decoded(log, copied)
        elif mark == codecs.BOM_UTF8:
            _copy_readable(log, copied, notices)
        try:
            used = copied if copied.tell() else log
            found: tuple[IO[bytes], Counts] = used, count(used)
        except pl.exceptions.ComputeError:
            _copy_readable(log, copied, notices)
            found = copied, count(copied)
        yield found


def _copy_readable(log: IO[bytes], copied: IO[bytes], notices: Notices) -> None:
    log.seek(0)
    log.seek(len(codecs.BOM_UTF8) if log.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0)
    for number, line in enumerate(log, 1):
        text = line.decode("utf-8", "replace").encode()
        copied.write(text)
        if text != line:
            notices.add("invalid_utf8", "bytes that are no UTF-8 are read as U+FFFD", number)
    copied.flush()


def _copy_decoded(log: IO[bytes], copied: IO[bytes]) -> None:
    """Copy what a shell wrote in UTF-16, as PowerShell redirects."""
    log.seek(0)
    decoded = codecs.getreader("utf-16")(log, "replace")
    while text := decoded.read(_CHUNK_BYTES):
        copied.write(text.encode("utf-8", "replace"))
    copied.flush()


def scan(log: IO[bytes]) -> pl.LazyFrame:
    """Give all lines of a log.

    Shape: number (1-based), line.
    """
    log.seek(0)
    return pl.scan_lines(log, glob=False, row_index_name="number", row_index_offset=1).select(
        pl.col("number").cast(pl.Int64), LINE
    )


def read_through(log: IO[bytes]) -> int:
    """Read a whole log once, which fails where it is no UTF-8; give its number of lines."""
    lines, _ = scan(log).select(pl.len(), LINE.str.len_bytes().sum().alias("bytes")).collect(engine="streaming").row(0)
    return int(lines)


def size_bytes_of(batch: pl.DataFrame) -> int:
    """Give how many bytes lines take of which ``SIZE`` was selected, their ends included."""
    return int(batch["size_bytes"].sum()) + batch.height


def collected(lines: pl.LazyFrame) -> pl.DataFrame:
    """Collect a few lines of many. Formatting copies them: a filtered column would keep the whole log in memory."""
    return lines.with_columns(pl.format("{}", "line").alias("line")).collect(engine="streaming")


def lines_at(log: IO[bytes], numbers: Sequence[int]) -> pl.DataFrame:
    """Give the lines with these numbers, in order."""
    return collected(scan(log).filter(pl.col("number").is_in(numbers))).sort("number")


def last_before(log: IO[bytes], wanted: pl.Expr, limits: Sequence[int]) -> pl.DataFrame:
    """Give the last wanted line before each of these lines (in rising order), wherever it stands."""
    starts = pl.Series("limit", limits, dtype=pl.Int64)
    last = (
        scan(log)
        .filter(wanted & (pl.col("number") < limits[-1]))
        .select("number", pl.lit(starts).search_sorted(pl.col("number"), side="right").alias("limit"))
        .group_by("limit")
        .agg(pl.col("number").max())
        .collect(engine="streaming")
    )
    return lines_at(log, last["number"].to_list())


def ends_with_newline(log: IO[bytes]) -> bool:
    """Tell whether the last line of a log is whole, as far as its end tells."""
    log.seek(max(0, log.seek(0, 2) - 1))
    return log.read(1) == b"\n"
