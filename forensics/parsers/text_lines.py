"""The lines of a text file, one after the other: UTF-8, or UTF-16 where the file says so."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forensics.model.errors import UnreadableError
from forensics.model.policy import LONGEST_VALUE_BYTES
from forensics.parsers.files import open_evidence
from forensics.parsers.forms import UTF_16_MARKS

Lines = Iterator[tuple[int, str]]


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """Give the lines of a file with their numbers, ends included; a line ends at a line feed only.

    A line longer than ``LONGEST_VALUE_BYTES`` characters comes in pieces of the same number, so memory is bounded.

    Raises:
        UnreadableError: the file cannot be read.
    """
    with open_evidence(path) as file:
        is_utf_16 = file.read(2) in UTF_16_MARKS
        file.seek(0)
        encoding = "utf-16" if is_utf_16 else "utf-8-sig"
        with io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="\n") as text:
            yield _numbered(text)


def _numbered(text: io.TextIOWrapper) -> Lines:
    number = 1
    try:
        while piece := text.readline(LONGEST_VALUE_BYTES):
            yield number, piece
            number += piece.endswith("\n")
    except OSError as error:
        raise UnreadableError(error.strerror or "it cannot be read") from error
