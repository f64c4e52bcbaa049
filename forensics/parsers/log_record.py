"""One record of the gateway's file log, taken apart (formats.md §4.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

from forensics.model.escape import for_terminal
from forensics.model.policy import SISTER_STAMPS
from forensics.model.verdicts import LifecycleKind
from forensics.parsers.lifecycle_messages import NO_BINDING, Event
from forensics.parsers.parsed import well_formed
from forensics.parsers.timestamps import from_iso, offset_between, wall_clock

RAW_LENGTH = 200
_POSITIONS = 10
_RECORDS_PER_LINE = 100_000
_BLANKS = re.compile(r"\s*")
_DECODER = json.JSONDecoder()

Record = Mapping[str, object]


def decoded(text: str) -> Record | None:
    """Give the JSON object that a line is; None for anything else."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def records_in(text: str) -> list[Record]:
    """Give the JSON objects that stand one behind the other on a line; none where anything else is among them.

    >>> records_in('{"a":1}{"a":2}'), records_in('{"a":1} and'), records_in('7')
    ([{'a': 1}, {'a': 2}], [], [])
    """
    told = list(islice(_told_in(text), _RECORDS_PER_LINE))
    return [record for record, _, _ in told] if told and told[-1][2] == len(text) else []


def record_ends(text: str) -> Iterator[tuple[int, int]]:
    """Give where each of the JSON objects at the front of a text ends, and where what follows it begins."""
    return ((end, following) for _, end, following in _told_in(text))


def _told_in(text: str) -> Iterator[tuple[Record, int, int]]:
    """Give the objects at the front of a text, where each ends, and where what follows it begins."""
    place = _behind_blanks(text, 0)
    while place < len(text):
        try:
            record, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        if not isinstance(record, dict):
            return
        place = _behind_blanks(text, end)
        yield record, end, place


def _behind_blanks(text: str, place: int) -> int:
    blanks = _BLANKS.match(text, place)
    return place if blanks is None else blanks.end()


def content_of(record: Record) -> tuple[str, Record, str]:
    """Take a record apart: its binding, its fields, its message.

    Positional keys hold the binding (a JSON string), then fields, then the message; a console capture has no binding
    and its message first. The size-cap line has none of these.
    """
    if "0" not in record:
        return _text_of(record.get("subsystem", NO_BINDING)), {}, _text_of(record.get("message", ""))
    values = [record[str(position)] for position in range(_POSITIONS) if str(position) in record]
    binding = binding_of(values[0])
    if binding is None:
        return NO_BINDING, {}, _text_of(values[0])
    texts = [value for value in values[1:] if isinstance(value, str)]
    fields: dict[str, object] = {}
    for value in values[1:]:
        fields |= value if isinstance(value, dict) else {}
    return binding, fields, well_formed(texts[-1]) if texts else ""


def binding_of(value: object) -> str | None:
    """Give the subsystem or module that a binding names; None for a text that is no binding."""
    if not isinstance(value, str) or not value.startswith('{"'):
        return None
    bound = decoded(value)
    if bound is None:
        return None
    name = bound.get("subsystem", bound.get("module"))
    return name if isinstance(name, str) else None


def store_of(record: Record) -> set[str]:
    """Give the cron store that a scheduler's line names: it tells which gateway wrote it."""
    bound = decoded(str(record.get("0"))) if isinstance(record.get("0"), str) else None
    store = bound.get("storePath", bound.get("storeKey")) if bound else None
    return {store} if isinstance(store, str) else set()


def stamp_of(record: Record) -> datetime | None:
    """Give the time of a record: that of the event, else that of the writing."""
    return from_iso(_date_of(record)) or from_iso(record.get("time"))


def offset_in(record: Record) -> tuple[datetime, timedelta] | None:
    """Give the offset from UTC that a record states: by how much its local clock was ahead of its event date."""
    at, shown = from_iso(_date_of(record)), wall_clock(record.get("time"))
    offset = offset_between(shown, at) if at is not None and shown is not None else None
    return (at, offset) if at is not None and offset is not None else None


def is_contradicted(record: Record) -> bool:
    """Tell whether the offset written behind the local stamp is refuted by the event date (#74991)."""
    at, written = from_iso(_date_of(record)), from_iso(record.get("time"))
    return at is not None and written is not None and abs(written - at) > SISTER_STAMPS


def event_rows(
    line: int, at: datetime, events: Iterable[Event], raw: str, *, pid: int | None = None, precision_ms: int = 1
) -> list[dict[str, object]]:
    """Give the rows of frame ``lifecycle`` that a line makes: one per event, or per job or run it names."""
    told: dict[str, object] = {"line": line, "at": at, "raw": raw, "precision_ms": precision_ms}
    return [
        {name: getattr(event, name) for name in event.__slots__}
        | told
        | {"kind": event.kind.value, "pid": event.pid if event.pid is not None else pid}
        for event in events
    ]


def last_line_row(
    line: int, at: datetime, content: tuple[str, Record, str], precision_ms: int = 1
) -> dict[str, object]:
    """Give the row of frame ``lifecycle`` that a sign of life makes."""
    kind = LifecycleKind.LAST_LINE.value
    return {"line": line, "at": at, "kind": kind, "raw": shown(*content), "precision_ms": precision_ms}


def shown(binding: str, fields: Record, message: str) -> str:
    """Give what a report shows of a record, escaped."""
    told = f" {_as_json(fields)}" if fields else ""
    return for_terminal(well_formed(f"[{binding or 'console'}] {message}{told}"))[:RAW_LENGTH]


def _date_of(record: Record) -> object:
    meta = record.get("_meta")
    return meta.get("date") if isinstance(meta, dict) else record.get("date")


def _text_of(value: object) -> str:
    return well_formed(value) if isinstance(value, str) else ""


def _as_json(fields: Record) -> str:
    try:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "{deeply nested}"
