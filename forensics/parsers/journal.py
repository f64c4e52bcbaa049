"""The journal that an applied fix-up leaves beside its backup: which rows it changed, from what to what.

It is no evidence of what a gateway did: paths, hashes and texts in it are those of other files. It only tells states of
a row apart that a registry and its backups show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from forensics.model.journal import APPLIED, SCHEMA, Journal, JournalRow, parsed_journal
from forensics.model.plan import TOUCHED, Stored, Value
from forensics.model.policy import LARGEST_JOURNAL_BYTES
from forensics.model.schemas import CORRECTIONS, TIME, frame_of
from forensics.model.verdicts import SourceKind
from forensics.parsers.files import content_of
from forensics.parsers.forms import Form, Given, Glimpse, text_of
from forensics.parsers.json_places import LineCounter, elements_of
from forensics.parsers.parsed import UTC_FROM_STAMPS, Parsed, brief, well_formed
from forensics.parsers.timestamps import EARLIEST_MS, LATEST_MS, at_epoch_ms

BY = "a journal of forensics fix"

_ANY_VERSION = SCHEMA.rsplit("/", 1)[0] + "/"
_HEAD = re.compile(rf'\s*\{{\s*"schema"\s*:\s*"(?P<schema>{re.escape(_ANY_VERSION)}[^"\\]{{0,40}})"')
_TASK_ID = re.compile(r'"task_id"\s*:')
_EARLIEST, _LATEST = at_epoch_ms(EARLIEST_MS), at_epoch_ms(LATEST_MS)


def parse_journal(path: Path, _: Given) -> Parsed:
    """Read the journal of an applied fix-up or of its undo, all of it or, where a part is broken, nothing.

    Its times are none of the gateway: the file has no span, so that it moves no end of coverage.

    Shape: frame ``corrections``, one row per changed row; a whole journal counts as many lines, a broken one as one.
    Notices: another_version, bad_journal, too_large, out_of_range.
    Source: ``forensics.model.journal``.

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.FIX_JOURNAL, BY, timezone=UTC_FROM_STAMPS)
    if path.stat().st_size > LARGEST_JOURNAL_BYTES:
        message = f"larger than any journal of forensics fix ({LARGEST_JOURNAL_BYTES >> 20} MiB); it is not read"
        return _rejected(parsed, "too_large", message)
    text = text_of(content_of(path))
    schema = _schema_of(text)
    if schema is not None and schema != SCHEMA:
        message = f"its schema is {brief(schema)}, and only {SCHEMA} is read: use the release that wrote it"
        return _rejected(parsed, "another_version", message)
    try:
        journal = parsed_journal(text)
        at = _moment_of(journal)
    except (ValueError, OverflowError, RecursionError) as error:
        message = f"the journal is damaged, nothing of it is used: {brief(str(error), 160)}; look for another copy"
        return _rejected(parsed, "bad_journal", message)
    _read(journal, at, _lines_of(text, journal), parsed)
    return parsed


def _rejected(parsed: Parsed, code: str, message: str) -> Parsed:
    parsed.lines = parsed.rejected = 1
    parsed.notices.add(code, message, level="error")
    return parsed


def _schema_of(text: str) -> str | None:
    """Give the schema that a journal names first, as it is written; also of one that is cut off or nested too deep."""
    match = _HEAD.match(text)
    return match["schema"] if match else None


def _moment_of(journal: Journal) -> datetime:
    """Give when the change was committed or, where that is not on record, prepared.

    Raises:
        ValueError: no gateway was there at that time.
    """
    at = (journal.applied_at or journal.prepared_at).astimezone(UTC)
    if not _EARLIEST <= at < _LATEST:
        message = f"{at.isoformat()} is out of range"
        raise ValueError(message)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _lines_of(text: str, journal: Journal) -> list[int | None]:
    """Give the line of each row's task id; null where the text does not show the rows in the order of the journal."""
    try:
        elements = list(elements_of(text, text.index("{"), "rows"))
    except ValueError:
        elements = []
    told = [element for _, element in elements]
    if len(told) != len(journal.rows) or not all(map(_is_of, told, journal.rows)):
        return [None] * len(journal.rows)  # a second list of rows: of which of them a line is cannot be told
    counter = LineCounter(text)
    return [counter.line_at(_place_of_task_id(text, place)) for place, _ in elements]


def _is_of(element: object, row: JournalRow) -> bool:
    task_id = element.get("task_id") if isinstance(element, dict) else None
    return not isinstance(task_id, str) or task_id == row.task_id


def _place_of_task_id(text: str, place: int) -> int:
    match = _TASK_ID.search(text, place)
    return match.start() if match else place


def _read(journal: Journal, at: datetime, lines: list[int | None], parsed: Parsed) -> None:
    told: dict[str, object] = {
        "at": at,
        "action": journal.action,
        "is_applied": journal.state == APPLIED,
        "database": well_formed(journal.database),
        "backup": well_formed(journal.backup),
        "backup_sha256": well_formed(journal.backup_sha256),
        "undoes": None if journal.undoes is None else well_formed(journal.undoes),
    }
    parsed.lines = parsed.records = len(journal.rows)
    rows = [
        told | {"row": number, "line": line} | _row_of(row, line, parsed)
        for number, (row, line) in enumerate(zip(journal.rows, lines, strict=True), 1)
    ]
    parsed.corrections = frame_of(rows, CORRECTIONS)


def _row_of(row: JournalRow, line: int | None, parsed: Parsed) -> dict[str, object]:
    return {
        "task_id": _text(row.task_id),
        "verdict": well_formed(row.verdict),
        "confidence": None if row.confidence is None else well_formed(row.confidence),
        "why": well_formed(row.why),
        **dict(_values("before", row.before, line, parsed)),
        **dict(_values("after", row.after, line, parsed)),
    }


def _values(side: str, stored: Stored, line: int | None, parsed: Parsed) -> Iterator[tuple[str, object]]:
    """Give the stored values of the corrected columns as the frame of tasks holds them."""
    for column in TOUCHED:
        name, value = f"{side}_{column}", stored.get(column)
        if CORRECTIONS[name] != TIME:
            yield name, _text(value)
        elif value is None or (isinstance(value, int) and EARLIEST_MS <= value < LATEST_MS):
            yield name, None if value is None else at_epoch_ms(int(value))
        else:
            message = f"{column} {side} the change, {brief(value, 40)}, is no epoch millisecond; it is read as unknown"
            parsed.notices.add("out_of_range", message, line)
            yield name, None


def _text(value: Value) -> str | None:
    """Give a stored value as the reader of the registry gives it: as text, bytes that are no UTF-8 replaced."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    text = str(value)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return well_formed(text)


def _recognised(glimpse: Glimpse) -> str | None:
    if _schema_of(glimpse.text) is not None:
        return BY
    document = glimpse.document
    schema = document.get("schema") if isinstance(document, dict) else None
    return BY if isinstance(schema, str) and schema.startswith(_ANY_VERSION) else None


FORMS = (Form("*.journal.json", SourceKind.FIX_JOURNAL, _recognised, parse_journal),)
