"""The fields of one object of evidence, each of the type that is asked for, or noted and unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeGuard

from forensics.parsers.parsed import Parsed, brief, well_formed
from forensics.parsers.timestamps import from_epoch_ms, from_iso

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object of a store; whatever is of the wrong type or out of range is noted, and null."""

    entry: Document
    line: int | None
    parsed: Parsed

    def text(self, key: str) -> str | None:
        """Give a text."""
        value = self.entry.get(key)
        if value is None or isinstance(value, str):
            return well_formed(value) if value is not None else None
        self._refused("wrong_type", key, value, "no text")
        return None

    def truth(self, key: str) -> bool | None:
        """Give a truth value."""
        value = self.entry.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._refused("wrong_type", key, value, "neither true nor false")
        return None

    def time(self, key: str) -> datetime | None:
        """Give the time of an epoch-millisecond number."""
        value = self.entry.get(key)
        stamp = from_epoch_ms(value)
        if stamp is None and value is not None:
            self._refused("out_of_range", key, value, "no epoch millisecond")
        return stamp

    def iso_time(self, key: str) -> datetime | None:
        """Give the time of an ISO stamp with a zone."""
        value = self.entry.get(key)
        stamp = from_iso(value)
        if stamp is None and value is not None:
            self._refused("out_of_range", key, value, "no time with a zone")
        return stamp

    def number(self, key: str, most: int, least: int = 0) -> float | None:
        """Give a number within these bounds."""
        value = self.entry.get(key)
        if value is None or (_is_number(value) and least <= value <= most):
            return value
        self._refused("out_of_range", key, value, "out of range")
        return None

    def whole(self, key: str, most: int, least: int = 0) -> int | None:
        """Give a whole number within these bounds."""
        value = self.number(key, most, least)
        return None if value is None else int(value)

    def inner(self, key: str) -> Fields:
        """Give the fields of an inner object; of none where it is no object."""
        value = self.entry.get(key)
        if value is not None and not isinstance(value, dict):
            self._refused("wrong_type", key, value, "no object")
        return Fields(value if isinstance(value, dict) else {}, self.line, self.parsed)

    def _refused(self, code: str, key: str, value: object, why: str) -> None:
        self.parsed.notices.add(code, f"{key} {brief(value, 40)} is {why}; it is read as unknown", self.line)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
