"""The baseline of a check: the findings that are known already, each with a reason and perhaps a last day.

A finding is known by its task, its run and its verdict, wherever the row stands and whenever it was marked; a finding
whose verdict changes is another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Never

from forensics.model.finding import Finding
from forensics.model.policy import BASELINE_TEXT_BYTES
from forensics.model.verdicts import Verdict

SCHEMA = "forensics.baseline/1"

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 40
Identity = tuple[str, str | None, Verdict]
"""What a finding is known by: task, run, verdict."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One known finding; ``expires`` is the last day (UTC) on which it counts as known, null for no end."""

    task: str
    run: str | None
    verdict: Verdict
    reason: str
    expires: date | None = None

    @property
    def identity(self) -> Identity:
        """Give what the entry is told by."""
        return self.task, self.run, self.verdict

    @property
    def has_reason(self) -> bool:
        """Say whether the entry tells why the finding is accepted."""
        return bool(self.reason.strip())

    def has_expired(self, now: datetime) -> bool:
        """Say whether the finding is no longer known at this moment."""
        return self.expires is not None and now.date() > self.expires


@dataclass(frozen=True, slots=True)
class Baseline:
    """The known findings; no two entries of one identity."""

    entries: tuple[Entry, ...] = ()

    def by_identity(self) -> dict[Identity, Entry]:
        """Give the entries by task, run and verdict."""
        return {entry.identity: entry for entry in self.entries}


def identity_of(finding: Finding) -> Identity:
    """Give what a finding is known by."""
    return finding.task_id, finding.run_id, finding.verdict


def fingerprint_of(finding: Finding) -> str:
    """Give the SHA-256, in hexadecimal, of what a finding is known by: the same wherever and whenever it is found."""
    return sha256(json.dumps(identity_of(finding), ensure_ascii=True).encode("ascii")).hexdigest()


def renewed(baseline: Baseline, present: Iterable[Finding], wanted: Iterable[Finding]) -> Baseline:
    """Give a baseline that knows every wanted finding; entries of findings that are still present keep all they say."""
    known = baseline.by_identity()
    kept = {key: known[key] for finding in present if (key := identity_of(finding)) in known}
    added = {key: Entry(*key, reason="") for finding in wanted if (key := identity_of(finding)) not in kept}
    return Baseline(tuple({**kept, **added}.values()))


def baseline_text(baseline: Baseline) -> str:
    """Give a baseline as JSON, in ASCII and sorted: the same entries always give the same text."""
    entries = sorted(baseline.entries, key=lambda entry: (entry.task, entry.run or "", entry.verdict))
    document = {"schema": SCHEMA, "entries": [_entry_document(entry) for entry in entries]}
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def parsed_baseline(content: bytes) -> Baseline:
    """Read a baseline.

    Raises:
        ValueError: it is none; says what is wrong, and in which line or which entry.
    """
    if len(content) > BASELINE_TEXT_BYTES:
        message = f"more than {BASELINE_TEXT_BYTES} bytes: no baseline is that long"
        raise ValueError(message)
    document = _decoded(content)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        message = f"schema: it is not {SCHEMA}"
        raise ValueError(message)
    _only(document, ("schema", "entries"), "")
    entries = document.get("entries")
    if not isinstance(entries, list):
        _refuse("entries", "no list")
    read: dict[Identity, Entry] = {}
    for number, told in enumerate(entries):
        entry = _entry_of(told, f"entries[{number}]")
        if entry.identity in read:
            _refuse(f"entries[{number}]", "the same task, run and verdict as an entry before it")
        read[entry.identity] = entry
    return Baseline(tuple(read.values()))


def _decoded(content: bytes) -> object:
    try:
        text = content.decode("utf-8")
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_number, parse_int=_short)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line}: not UTF-8"
        raise ValueError(message) from error
    except json.JSONDecodeError as error:
        message = f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}"
        raise ValueError(message) from error
    except RecursionError as error:
        message = "nested too deeply"
        raise ValueError(message) from error


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    told: dict[str, object] = {}
    for name, value in pairs:
        if name in told:
            message = f"the key {_shown(name)} is given twice in one object"
            raise ValueError(message)
        told[name] = value
    return told


def _short(digits: str) -> int:
    """Read a whole number; none belongs into a baseline, and Python refuses very long ones in words of its own."""
    if len(digits) > _SHOWN:
        message = f"{digits[:_SHOWN]}…: a number of {len(digits)} digits"
        raise ValueError(message)
    return int(digits)


def _no_number(word: str) -> Never:
    message = f"{word} is no JSON"
    raise ValueError(message)


def _entry_document(entry: Entry) -> dict[str, object]:
    return {
        "task": entry.task,
        "run": entry.run,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "expires": entry.expires.isoformat() if entry.expires else None,
    }


def _entry_of(told: object, where: str) -> Entry:
    if not isinstance(told, dict):
        _refuse(where, "no object")
    _only(told, ("task", "run", "verdict", "reason", "expires"), f"{where}.")
    verdict = _text(told, "verdict", where)
    if verdict not in {known.value for known in Verdict}:
        _refuse(f"{where}.verdict", f"{_shown(verdict)} is no verdict")
    return Entry(
        task=_text(told, "task", where),
        run=None if told.get("run") is None else _text(told, "run", where),
        verdict=Verdict(verdict),
        reason=_text(told, "reason", where),
        expires=None if told.get("expires") is None else _day(_text(told, "expires", where), f"{where}.expires"),
    )


def _text(told: Mapping[str, Any], name: str, where: str) -> str:
    if name not in told:
        _refuse(f"{where}.{name}", "it is missing")
    value = told[name]
    if not isinstance(value, str):
        _refuse(f"{where}.{name}", f"{_shown(value)} is no text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(f"{where}.{name}", "it holds half a character (a lone surrogate), which no output can show")
    return value


def _day(text: str, where: str) -> date:
    if not _DAY.fullmatch(text):
        _refuse(where, f"{_shown(text)} is no day like 2026-04-18")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{where}: {_shown(text)} is no day: {error}"
        raise ValueError(message) from error


def _only(told: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    """Refuse keys that mean nothing: a misspelt ``expires`` would make an entry last for ever."""
    unknown = next((name for name in told if name not in names), None)
    if unknown is not None:
        _refuse(f"{where}{_shown(unknown)}", f"no such key; there are {', '.join(names)}")


def _shown(value: object) -> str:
    return json.dumps(value)[:_SHOWN]


def _refuse(where: str, what: str) -> Never:
    message = f"{where}: {what}"
    raise ValueError(message)
