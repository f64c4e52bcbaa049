"""The leak test: nothing that was replaced may be found in what is handed over, wherever and however it hides.

What is handed over is read as it is and as it would be after decoding: percent signs, escapes of JSON, base64. Numbers
are compared by their digits, however these are grouped.
"""

from __future__ import annotations

import base64
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

from forensics.collect.replacing import OUR_ADDRESSES, Replacements
from forensics.collect.vocabulary import ALLOWED, SQLITE_WORDS
from forensics.parsers.containers import Scratch
from forensics.parsers.database import SQLITE_MAGIC, quoted_name, tables_of
from forensics.parsers.detect import find_files

_WORD = re.compile(r"[^\W_]{4,}")
_LONG = 8
_SEEN_IN_BYTES = 6
_MOMENT = re.compile(
    r"\d{1,4}|\d{1,8}(?:ms|s|m|h)|\d{1,9}z|\d{1,2}t\d{1,2}|t\d\d|1[4-9]\d{11}|1[4-9]\d{14}|1[6-9]\d{8}"
)
_GROUPS = re.compile(r"\+?\d(?:[ .\-/()]{0,2}\d){6,}")
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_NO_NUMBER = re.compile(
    r"20[2-9]\d([\-/.])\d\d?\1\d{1,3}(?:[T ]\d\d)?|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
_FRACTION = re.compile(r"\d+\.\d+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]{8,}={0,2}")
_FEWEST_DIGITS = 7


def leaks_in(archive: Path, told: Replacements, own: str = "") -> list[str]:
    """Give what leaked: words of the originals, and originals as they are, in names and contents of an archive.

    Words that every gateway writes, those of ``own`` (what the manifest of any bundle says), small numbers, moments and
    the numbers that stay do not count.
    """
    replaced = {word for replacement in told.made.values() for word in _words(replacement)}
    originals = {*told.made, *told.dropped}
    secrets = {word for original in originals for word in _words(original)} - replaced - told.numbers - set(_words(own))
    numbers = {digits for original in originals for digits in _numbers(original)} - told.numbers
    allowed = " ".join(sorted(ALLOWED | SQLITE_WORDS))
    whole = sorted(original.encode() for original in told.made if len(original) >= _LONG and any(_words(original)))
    whole = [original for original in whole if original.decode().lower() not in allowed]
    leaks: set[str] = set()
    scratch = Scratch()
    for found in find_files(str(archive), [], scratch):
        content = found.path.read_bytes()
        for text in (found.shown.removeprefix(str(archive)), *_texts_in(content)):
            leaks |= (set(_words(text)) & secrets) | (set(_numbers(text)) & numbers)
            leaks |= {word for read in _decoded(text) for word in _words(read)} & secrets
        leaks |= {secret.decode() for secret in whole if secret in content}
        if content.startswith(SQLITE_MAGIC):
            leaks |= _hidden_in(content, secrets)
    return sorted(leaks)


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text.lower()):
        word = match.group()
        if word not in ALLOWED and not _MOMENT.fullmatch(word):
            yield word


def _numbers(text: str) -> Iterator[str]:
    """Give telephone numbers and their like by their digits, and addresses of the internet as they are."""
    for match in _GROUPS.finditer(_NO_NUMBER.sub(" ", text)):
        digits = re.sub(r"\D", "", match.group())
        is_fraction = _FRACTION.fullmatch(match.group()) is not None
        if len(digits) >= _FEWEST_DIGITS and not is_fraction and not _MOMENT.fullmatch(digits):
            yield digits
    yield from (match.group() for match in _ADDRESS.finditer(text) if match.group() not in OUR_ADDRESSES)


def _decoded(text: str) -> Iterator[str]:
    """Give what a text would be after decoding, where that differs."""
    if "%" in text:
        yield unquote(text)
    if "\\u" in text:
        yield re.sub(r"\\u([0-9A-Fa-f]{4})", lambda match: chr(int(match[1], 16)), text)
    for found in sorted(set(_BASE64.findall(text))):
        word = found.rstrip("=").replace("-", "+").replace("_", "/")
        with suppress(ValueError):
            yield base64.b64decode(word + "=" * (-len(word) % 4), validate=True).decode("utf-8")


def _texts_in(content: bytes) -> Iterator[str]:
    if not content.startswith(SQLITE_MAGIC):
        yield content.decode("utf-8", "replace")
        return
    with tempfile.TemporaryDirectory(prefix="forensics-") as folder:
        path = Path(folder) / "bundled"
        path.write_bytes(content)
        with closing(sqlite3.connect(path)) as database:
            for (text,) in database.execute("SELECT sql FROM sqlite_schema"):
                yield str(text)
            for table in sorted(tables_of(database)):
                for row in database.execute(f"SELECT * FROM {quoted_name(table)}"):  # noqa: S608 - a quoted name
                    yield from map(str, row)


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
