"""The journal of an apply: which rows of which registry were changed, from what to what, on which evidence.

It lies beside the backup. Audits and explanations that find it can tell a corrected row from one that was never lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forensics.model.plan import GUARDS, TOUCHED, Stored, Value

SCHEMA = "forensics.journal/1"
ENDING = ".journal.json"
"""The name of a journal is that of its backup with this ending."""

PREPARED, APPLIED = "prepared", "applied"
"""States of a journal: written before the change is committed, and after it."""

FIX, UNDO = "fix", "undo"

_INTEGERS = range(-(1 << 63), 1 << 63)
"""What SQLite keeps as integers."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One changed row: touched columns before and after, and the compared ones (``guards``), as stored."""

    task_id: str
    verdict: str
    confidence: str | None
    why: str
    guards: Stored
    before: Stored
    after: Stored


@dataclass(frozen=True, slots=True)
class Journal:
    """One apply of a fix-up or of its undo.

    ``database`` and ``backup`` are paths as they were given; ``content_before`` is the SHA-256 of all values of all
    tables, ``content_after`` that after the change; ``undoes`` names the journal whose rows were restored.
    """

    action: str
    state: str
    version: str
    prepared_at: datetime
    applied_at: datetime | None
    database: str
    content_before: str
    content_after: str
    backup: str
    backup_sha256: str
    script_sha256: str
    inputs: tuple[tuple[str, str], ...]
    policy: Mapping[str, str]
    selection: str
    rows: tuple[JournalRow, ...]
    undoes: str | None = None


def journal_text(journal: Journal) -> str:
    """Give a journal as JSON: the same journal always gives the same text."""
    document = {
        "schema": SCHEMA,
        "tool": {"name": "forensics", "version": journal.version},
        "action": journal.action,
        "state": journal.state,
        "prepared_at": _time_text(journal.prepared_at),
        "applied_at": None if journal.applied_at is None else _time_text(journal.applied_at),
        "database": {
            "path": journal.database,
            "content_before": journal.content_before,
            "content_after": journal.content_after,
        },
        "backup": {"path": journal.backup, "sha256": journal.backup_sha256},
        "script": {"sha256": journal.script_sha256},
        "undoes": journal.undoes,
        "selection": journal.selection,
        "inputs": [{"path": path, "sha256": sha256} for path, sha256 in journal.inputs],
        "policy": dict(journal.policy),
        "rows": [_row_document(row) for row in journal.rows],
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def parsed_journal(text: str) -> Journal:
    """Read a journal.

    Raises:
        ValueError: it is none, or a part of it is missing or of another shape; says which.
    """
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("values nested too deep") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        message = f"no journal of this kind: its schema is not {SCHEMA}"
        raise ValueError(message)
    try:
        return _journal_of(document)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        message = f"a journal with a part missing or of another shape: {error}"
        raise ValueError(message) from error


def _journal_of(document: Mapping[str, Any]) -> Journal:
    applied_at = document["applied_at"]
    return Journal(
        action=_one_of(document["action"], FIX, UNDO),
        state=_one_of(document["state"], PREPARED, APPLIED),
        version=str(document["tool"]["version"]),
        prepared_at=_time(document["prepared_at"]),
        applied_at=None if applied_at is None else _time(applied_at),
        database=str(document["database"]["path"]),
        content_before=str(document["database"]["content_before"]),
        content_after=str(document["database"]["content_after"]),
        backup=str(document["backup"]["path"]),
        backup_sha256=str(document["backup"]["sha256"]),
        script_sha256=str(document["script"]["sha256"]),
        inputs=tuple((str(file["path"]), str(file["sha256"])) for file in document["inputs"]),
        policy={str(name): str(value) for name, value in document["policy"].items()},
        selection=str(document["selection"]),
        rows=_rows_of(document["rows"]),
        undoes=None if document["undoes"] is None else str(document["undoes"]),
    )


def _rows_of(documents: Sequence[Mapping[str, Any]]) -> tuple[JournalRow, ...]:
    """Read the rows, which must be such as one script can hold: of one layout, each task once."""
    rows = tuple(_row_of(document) for document in documents)
    if not rows or len({row.task_id for row in rows}) < len(rows):
        message = "no rows, or a row twice"
        raise TypeError(message)
    guards = set(rows[0].guards)
    for row in rows:
        is_whole = set(row.before) == set(row.after) == set(TOUCHED)
        if not is_whole or set(row.guards) != guards or not guards <= set(GUARDS):
            message = f"row {row.task_id[:60]!r} has not the columns of its kind"
            raise TypeError(message)
    return rows


def _row_document(row: JournalRow) -> dict[str, object]:
    return {
        "task_id": _encoded(row.task_id),
        "verdict": row.verdict,
        "confidence": row.confidence,
        "why": row.why,
        "guards": {name: _encoded(value) for name, value in row.guards.items()},
        "before": {name: _encoded(value) for name, value in row.before.items()},
        "after": {name: _encoded(value) for name, value in row.after.items()},
    }


def _row_of(document: Mapping[str, Any]) -> JournalRow:
    confidence = document["confidence"]
    return JournalRow(
        task_id=str(_decoded(document["task_id"])),
        verdict=str(document["verdict"]),
        confidence=None if confidence is None else str(confidence),
        why=str(document["why"]),
        guards={str(name): _decoded(value) for name, value in document["guards"].items()},
        before={str(name): _decoded(value) for name, value in document["before"].items()},
        after={str(name): _decoded(value) for name, value in document["after"].items()},
    )


def _encoded(value: Value) -> object:
    """Give a stored value as JSON that keeps its type and its bytes."""
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, float):
        return {"real": value.hex()}
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return {"text": value.encode("utf-8", "surrogateescape").hex()}
    return value


def _decoded(value: object) -> Value:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, told),) = value.items()
        if kind == "real":
            return float.fromhex(told)
        if kind in ("blob", "text"):
            content = bytes.fromhex(told)
            return content if kind == "blob" else content.decode("utf-8", "surrogateescape")
    if value is None or isinstance(value, str) or (type(value) is int and value in _INTEGERS):
        return value
    message = f"{str(value)[:60]!r} is no stored value"
    raise TypeError(message)


def _one_of(value: object, *allowed: str) -> str:
    if value not in allowed:
        message = f"{str(value)[:60]!r} is none of {', '.join(allowed)}"
        raise TypeError(message)
    return str(value)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"{text} has no zone"
        raise TypeError(message)
    return moment


def _time_text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
