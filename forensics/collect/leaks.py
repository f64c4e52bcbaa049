"""The leak test: nothing that was replaced may be found in what is handed over, wherever it hides."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from forensics.collect.replacing import Replacements
from forensics.collect.vocabulary import ALLOWED, SQLITE_WORDS
from forensics.parsers.containers import Scratch
from forensics.parsers.database import SQLITE_MAGIC, quoted_name, tables_of
from forensics.parsers.detect import find_files

_WORD = re.compile(r"[^\W_]{4,}")
_LONG = 8
_SEEN_IN_BYTES = 6
_MOMENT = re.compile(r"\d{1,6}(?:ms|s|m|h|z|t\d{1,2})?|t\d\d|1[4-9]\d{11}|1[6-9]\d{8}")


def leaks_in(archive: Path, told: Replacements, own: str = "") -> list[str]:
    """Give what leaked: words of the originals, and originals as they are, in names and contents of an archive.

    Words that every gateway writes, those of ``own`` (what the manifest of any bundle says), small numbers, moments and
    the numbers that stay do not count.
    """
    replaced = {word for replacement in told.made.values() for word in _words(replacement)}
    secrets = {word for original in told.made for word in _words(original)} - replaced - told.numbers - set(_words(own))
    allowed = " ".join(sorted(ALLOWED | SQLITE_WORDS))
    whole = sorted(original.encode() for original in told.made if len(original) >= _LONG and any(_words(original)))
    whole = [original for original in whole if original.decode().lower() not in allowed]
    leaks: set[str] = set()
    scratch = Scratch()
    for found in find_files(str(archive), [], scratch):
        content = found.path.read_bytes()
        words = set(_words(found.shown.removeprefix(str(archive)))) | set(_words_in(content))
        leaks |= words & secrets
        leaks |= {secret.decode() for secret in whole if secret in content}
        if content.startswith(SQLITE_MAGIC):
            leaks |= _hidden_in(content, secrets)
    return sorted(leaks)


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text.lower()):
        word = match.group()
        if word not in ALLOWED and not _MOMENT.fullmatch(word):
            yield word


def _words_in(content: bytes) -> Iterator[str]:
    if not content.startswith(SQLITE_MAGIC):
        yield from _words(content.decode("utf-8", "replace"))
        return
    with tempfile.TemporaryDirectory(prefix="forensics-") as folder:
        path = Path(folder) / "bundled"
        path.write_bytes(content)
        with closing(sqlite3.connect(path)) as database:
            for (text,) in database.execute("SELECT sql FROM sqlite_schema"):
                yield from _words(str(text))
            for table in sorted(tables_of(database)):
                for row in database.execute(f"SELECT * FROM {quoted_name(table)}"):  # noqa: S608 - a quoted name
                    for value in row:
                        yield from _words(str(value))


def _hidden_in(content: bytes, secrets: set[str]) -> set[str]:
    """Find words in the bytes of a database where no value shows them.

    Values lie there side by side, so what two allowed words make between them does not count, nor does a short word.
    """
    lower = content.lower()
    suspects = {word for word in secrets if len(word) >= _SEEN_IN_BYTES and word.encode() in lower}
    if not suspects:
        return set()
    allowed = sorted(ALLOWED | SQLITE_WORDS)
    starts = {word[:size] for word in allowed for size in range(1, len(word) + 1)}
    ends = {word[at:] for word in allowed for at in range(len(word))} | set("0123456789")
    joined = " ".join(allowed)
    return {word for word in suspects if word not in joined and not _is_between(word, starts, ends)}


def _is_between(word: str, starts: set[str], ends: set[str]) -> bool:
    """Tell whether a word is the end of an allowed one, or a digit, and the start of another."""
    return any(word[:at].lstrip("0123456789") in ends | {""} and word[at:] in starts for at in range(1, len(word)))
