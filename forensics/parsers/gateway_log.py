"""The gateway's file log: one JSON object a line, in both shapes (formats.md §4.2).

Only lifecycle lines are decoded. They are picked out of the raw lines by one streaming pass, so a log costs little more
than reading it. Two things need more than lifecycle lines: the last line of a gateway process before each process
start (the earliest a crash can have happened), and a count of lines that are no JSON records.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import polars as pl

from forensics.model.escape import for_terminal, shortened
from forensics.model.schemas import LIFECYCLE, frame_of
from forensics.model.verdicts import LifecycleKind, SourceKind
from forensics.parsers.files import open_evidence
from forensics.parsers.lifecycle_messages import (
    CANONICAL_LINE_PATTERN,
    GATEWAY_LINE_PATTERN,
    LINE_PATTERN,
    NEEDLES,
    NO_BINDING,
    events_of,
)
from forensics.parsers.parsed import Parsed, well_formed
from forensics.parsers.timestamps import from_iso, offset_of

_RAW_LENGTH = 200
_EDGE_BYTES = 4 << 20
_LINE = pl.col("line")


def is_log_record(value: object) -> bool:
    """Tell whether a JSON value is a line of a gateway file log."""
    if not isinstance(value, dict) or not isinstance(value.get("time"), str):
        return False
    return isinstance(value.get("_meta"), dict) or (isinstance(value.get("level"), str) and "message" in value)


def parse_gateway_log(path: Path) -> Parsed:
    """Read the lifecycle lines of one file log.

    Shape: frame ``lifecycle``; one row per lifecycle line, or per job or run it names, plus one ``last_line`` row for
    the last gateway line before each process start. ``skipped`` counts all other records.
    Notices: not_json, truncated_line, invalid_utf8, no_stamp, clock_stepped_back.
    Source: formats.md §4.1, §4.2, §5; design §5.

    Raises:
        UnreadableError: the file cannot be read.

    """
    parsed = Parsed(SourceKind.GATEWAY_LOG, "JSON lines with _meta and time")
    with _readable(path, parsed) as log:
        _count_lines(log, parsed)
        rows = _lifecycle_rows(log, parsed)
        rows.extend(_last_lines(log, rows, parsed))
        parsed.lifecycle = frame_of(rows, LIFECYCLE).sort("line", "kind", "job_id", maintain_order=True)
        _note_span(log, parsed)
    parsed.skipped = parsed.lines - parsed.records - parsed.rejected
    _note_backward_clock(parsed)
    return parsed


@contextmanager
def _readable(path: Path, parsed: Parsed) -> Iterator[BinaryIO]:
    """Give a file that Polars can scan: the log itself, or a private copy with unreadable bytes replaced."""
    with open_evidence(path) as log, tempfile.TemporaryFile(prefix="forensics-") as copied:
        if _is_utf8(log):
            yield log
            return
        log.seek(0)
        for number, line in enumerate(log, 1):
            text = line.decode("utf-8", "replace").encode()
            copied.write(text)
            if text != line:
                parsed.notices.add("invalid_utf8", "bytes that are no UTF-8 are read as U+FFFD", number)
        copied.flush()
        yield copied


def _is_utf8(log: BinaryIO) -> bool:
    try:
        _scan(log).select(_LINE.str.len_bytes().sum()).collect(engine="streaming")
    except pl.exceptions.ComputeError:
        return False
    return True


def _scan(log: BinaryIO) -> pl.LazyFrame:
    log.seek(0)
    return pl.scan_lines(log, glob=False, row_index_name="number", row_index_offset=1).select(
        pl.col("number").cast(pl.Int64), _LINE
    )


def _is_no_record_expr() -> pl.Expr:
    trimmed = _LINE.str.strip_chars_end()
    return ~(trimmed.str.starts_with("{") & trimmed.str.ends_with("}"))


def _count_lines(log: BinaryIO, parsed: Parsed) -> None:
    broken = _is_no_record_expr() & (_LINE.str.len_bytes() > 0)
    counted = _scan(log).select(pl.len(), broken.sum().alias("rejected")).collect(engine="streaming")
    parsed.lines, parsed.rejected = counted.row(0)
    if not parsed.rejected:
        return
    cut_off = not _ends_with_newline(log)
    shown = _scan(log).filter(broken).select("number", _LINE.str.head(_RAW_LENGTH)).collect(engine="streaming")
    for number, text in shown.iter_rows():
        if cut_off and number == parsed.lines:
            parsed.notices.add("truncated_line", "the last line is cut off; what it said is not known", number)
        else:
            parsed.notices.add("not_json", f"not JSON: {shortened(for_terminal(text), 60)}", number)


def _lifecycle_rows(log: BinaryIO, parsed: Parsed) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for line, text in _picked_lines(log).iter_rows():
        found = _rows_of(line, text, parsed)
        parsed.records += bool(found)
        rows.extend(found)
    return rows


def _picked_lines(log: BinaryIO) -> pl.DataFrame:
    canonical = _LINE.str.contains(CANONICAL_LINE_PATTERN)
    wanted = _LINE.str.contains(LINE_PATTERN) | (~canonical & _LINE.str.contains_any(list(NEEDLES)))
    return _scan(log).filter(wanted & ~_is_no_record_expr()).collect(engine="streaming")


def _rows_of(line: int, text: str, parsed: Parsed) -> list[dict[str, object]]:
    record = _decoded(text)
    if record is None:
        parsed.rejected += 1
        parsed.notices.add("not_json", f"not JSON: {shortened(for_terminal(text), 60)}", line)
        return []
    binding, fields, message = _content_of(record)
    at = _stamp_of(record)
    rows: list[dict[str, object]] = []
    for event in events_of(binding, fields, message):
        if at is None:
            parsed.notices.add("no_stamp", "a lifecycle line without a usable time stamp", line)
            return []
        row: dict[str, object] = {name: getattr(event, name) for name in event.__slots__}
        rows.append(row | {"line": line, "at": at, "kind": event.kind.value, "raw": _shown(binding, fields, message)})
    return rows


def _decoded(text: str) -> Mapping[str, object] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _content_of(record: Mapping[str, object]) -> tuple[str, Mapping[str, object], str]:
    """Take a record apart: its binding, its fields, its message.

    Positional keys hold the binding (a JSON string), then fields, then the message; a console capture has no binding
    and its message first (formats.md §4.2). The size-cap line has none of these.
    """
    if "0" not in record:
        return str(record.get("subsystem", NO_BINDING)), {}, str(record.get("message", ""))
    values = [record[key] for key in sorted((key for key in record if key.isdecimal()), key=int)]
    binding = _binding_of(values[0])
    if binding is None:
        return NO_BINDING, {}, str(values[0])
    texts = [value for value in values[1:] if isinstance(value, str)]
    fields: dict[str, object] = {}
    for value in values[1:]:
        fields |= value if isinstance(value, dict) else {}
    return binding, fields, well_formed(texts[-1]) if texts else ""


def _binding_of(value: object) -> str | None:
    if not isinstance(value, str) or not value.startswith('{"'):
        return None
    bound = _decoded(value)
    if bound is None:
        return None
    name = bound.get("subsystem", bound.get("module"))
    return name if isinstance(name, str) else None


def _stamp_of(record: Mapping[str, object]) -> datetime | None:
    meta = record.get("_meta")
    event_at = from_iso(meta.get("date")) if isinstance(meta, dict) else None
    return event_at or from_iso(record.get("time"))


def _shown(binding: str, fields: Mapping[str, object], message: str) -> str:
    told = f" {json.dumps(fields, ensure_ascii=False, separators=(',', ':'))}" if fields else ""
    return for_terminal(well_formed(f"[{binding or 'console'}] {message}{told}"))[:_RAW_LENGTH]


def _last_lines(log: BinaryIO, rows: list[dict[str, object]], parsed: Parsed) -> Iterator[dict[str, object]]:
    """Find, for each process start, the last line before it that a gateway process wrote."""
    starts = sorted({int(str(row["line"])) for row in rows if row["kind"] == LifecycleKind.PROCESS_START})
    if not starts:
        return
    before = pl.Series("start", starts, dtype=pl.Int64)
    last = (
        _scan(log)
        .filter(_LINE.str.contains(GATEWAY_LINE_PATTERN) & (pl.col("number") < starts[-1]))
        .select("number", pl.lit(before).search_sorted(pl.col("number"), side="right").alias("start"))
        .group_by("start")
        .agg(pl.col("number").max())
        .collect(engine="streaming")
    )
    wanted = last["number"].to_list()
    texts = _scan(log).filter(pl.col("number").is_in(wanted)).collect(engine="streaming")
    for line, text in texts.sort("number").iter_rows():
        record = _decoded(text)
        at = _stamp_of(record) if record else None
        if record is None or at is None:
            parsed.notices.add("no_stamp", "the last gateway line before a start has no usable time stamp", line)
            continue
        binding, fields, message = _content_of(record)
        shown = _shown(binding, fields, message)
        yield {"line": line, "at": at, "kind": LifecycleKind.LAST_LINE.value, "raw": shown}


def _note_span(log: BinaryIO, parsed: Parsed) -> None:
    """Note the first and last stamp of the log, and the zone its local stamps are written in."""
    log.seek(0)
    first = _first_stamped(log.read(_EDGE_BYTES).splitlines())
    log.seek(max(0, log.seek(0, 2) - _EDGE_BYTES))
    last = _first_stamped(reversed(log.read().splitlines()))
    at_edges = [_stamp_of(record) for record in (first, last) if record]
    events = parsed.lifecycle["at"] if parsed.lifecycle is not None else pl.Series([], dtype=pl.Datetime)
    parsed.spans([*at_edges, events.min(), events.max()])
    offsets = sorted({offset for record in (first, last) if record and (offset := offset_of(record.get("time")))})
    parsed.timezone = f"UTC from _meta.date; local stamps {', '.join(offsets)}" if offsets else "UTC"


def _first_stamped(lines: Iterator[bytes] | list[bytes]) -> Mapping[str, object] | None:
    for line in lines:
        record = _decoded(line.decode("utf-8", "replace")) if line.startswith(b"{") else None
        if record is not None and _stamp_of(record) is not None:
            return record
    return None


def _note_backward_clock(parsed: Parsed) -> None:
    if parsed.lifecycle is None or parsed.lifecycle.height < 2:
        return
    stepped = parsed.lifecycle.select("line", (pl.col("at").diff() < pl.duration(seconds=-1)).alias("back"))
    for line in stepped.filter("back")["line"].to_list():
        parsed.notices.add(
            "clock_stepped_back", "this line is stamped more than a second before the one above it", line
        )


def _ends_with_newline(log: BinaryIO) -> bool:
    log.seek(max(0, log.seek(0, 2) - 1))
    return log.read(1) == b"\n"
