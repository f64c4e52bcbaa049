"""The gateway's file log: one JSON object a line, in both shapes (formats.md §4.2).

Only lifecycle lines are decoded. They are picked out of the raw lines by one streaming pass, so a log costs little more
than reading it. Two things need more than lifecycle lines: the last line of a gateway process before each process
start (the earliest a crash can have happened), and a count of lines that are no JSON records.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.policy import CLOCK_STEP
from forensics.model.schemas import LIFECYCLE, TASKS, frame_of
from forensics.model.verdicts import LifecycleKind, SourceKind
from forensics.parsers.files import open_evidence
from forensics.parsers.forms import Form, Glimpse, json_of
from forensics.parsers.lifecycle_messages import (
    CANONICAL_LINE_PATTERN,
    GATEWAY_LINE_PATTERN,
    LINE_PATTERN,
    NEEDLES,
    NO_BINDING,
    events_of,
)
from forensics.parsers.parsed import Parsed, brief, well_formed
from forensics.parsers.task_export import note_projected, tasks_in_document
from forensics.parsers.timestamps import from_iso, offset_of

_BY = "JSON lines with _meta and time"
_RAW_LENGTH = 200
_EDGE_BYTES = 4 << 20
_TAIL_LINES = 2000
_LOUD_LEVEL = re.compile(rb'"logLevelName":"(?:WARN|ERROR|FATAL)"')
_QUIET_LEVEL = re.compile(rb'"logLevelName":"(?:SILLY|TRACE|DEBUG|INFO)"')
_PADDED_RECORD_PATTERN = r"^\{.*\}\s+$"
_POSITIONS = 10
_LINE = pl.col("line")
_IS_EXPORT = _LINE.str.starts_with('{"0":"{\\n')
"""A record without a binding whose text is an indented JSON object: the answer of a command line (observed.md §A)."""
_EXPORTS_AT_A_TIME = 64
_STAMP_PATTERN = r'"date":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"'


def is_log_record(value: object) -> bool:
    """Tell whether a JSON value is a line of a gateway file log."""
    if not isinstance(value, dict) or not isinstance(value.get("time"), str):
        return False
    return isinstance(value.get("_meta"), dict) or (isinstance(value.get("level"), str) and "message" in value)


def parse_gateway_log(path: Path) -> Parsed:
    """Read the lifecycle lines of one file log.

    Shape: frame ``lifecycle``; one row per lifecycle line, or per job or run it names, plus one ``last_line`` row for
    the last gateway line before each process start. ``skipped`` counts all other records. Frame ``tasks``, where
    command lines of old releases left their answers in the log: see ``_exported_tasks``.
    Notices: not_json, truncated_line, invalid_utf8, no_stamp, clock_stepped_back, and those of exports.
    Source: formats.md §4.1, §4.2, §5; design §5; observed.md §A (exports).

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.GATEWAY_LOG, _BY)
    with _counted(path, parsed) as (log, counted):
        picked = _picked_lines(log, parsed.lines, counted.odd)
        rows = _lifecycle_rows(picked, parsed)
        rows.extend(_last_lines(log, rows, parsed))
        parsed.lifecycle = frame_of(rows, LIFECYCLE).sort("line", "kind", "job_id", maintain_order=True)
        if counted.exports:
            parsed.tasks = _exported_tasks(log, parsed)
        _note_span(log, parsed)
    parsed.skipped = parsed.lines - parsed.records - parsed.rejected
    _note_backward_clock(parsed)
    if len(parsed.stores) > 1:
        parsed.unusable = "it holds lines of several gateways, told by their cron stores"
    return parsed


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many records have an unusual order of keys, and how many look like the answer of a command line."""

    odd: int
    exports: int


@contextmanager
def _counted(path: Path, parsed: Parsed) -> Iterator[tuple[IO[bytes], _Counts]]:
    """Give a file that Polars can scan, its lines counted, and how many of them are unusual.

    It is the log itself or, where that is no UTF-8, a private copy with the unreadable bytes replaced.
    """
    with open_evidence(path) as log, tempfile.TemporaryFile(prefix="forensics-") as copied:
        try:
            counted: tuple[IO[bytes], _Counts] = log, _count_lines(log, parsed)
        except pl.exceptions.ComputeError:
            _copy_readable(log, copied, parsed)
            counted = copied, _count_lines(copied, parsed)
        yield counted


def _copy_readable(log: IO[bytes], copied: IO[bytes], parsed: Parsed) -> None:
    log.seek(0)
    for number, line in enumerate(log, 1):
        text = line.decode("utf-8", "replace").encode()
        copied.write(text)
        if text != line:
            parsed.notices.add("invalid_utf8", "bytes that are no UTF-8 are read as U+FFFD", number)
    copied.flush()


def _scan(log: IO[bytes]) -> pl.LazyFrame:
    log.seek(0)
    return pl.scan_lines(log, glob=False, row_index_name="number", row_index_offset=1).select(
        pl.col("number").cast(pl.Int64), _LINE
    )


def _is_no_record_expr() -> pl.Expr:
    return ~(_LINE.str.starts_with("{") & _LINE.str.ends_with("}")) & ~_LINE.str.contains(_PADDED_RECORD_PATTERN)


def _count_lines(log: IO[bytes], parsed: Parsed) -> _Counts:
    """Count all lines and those that are no records; give the numbers of unusual ones."""
    looks_whole = _LINE.str.starts_with("{") & _LINE.str.ends_with("}")
    odd = ~_LINE.str.contains(CANONICAL_LINE_PATTERN)
    counted = _scan(log).select(
        pl.len(),
        (~looks_whole).sum().alias("doubtful"),
        odd.sum().alias("odd"),
        _IS_EXPORT.sum().alias("exports"),
    )
    parsed.lines, doubtful, odd_lines, exports = counted.collect(engine="streaming").row(0)
    if doubtful:
        _note_broken_lines(log, parsed)
    return _Counts(int(odd_lines), int(exports))


def _note_broken_lines(log: IO[bytes], parsed: Parsed) -> None:
    broken = _is_no_record_expr() & (_LINE.str.len_bytes() > 0) & (pl.col("number") <= parsed.lines)
    cut_off = not _ends_with_newline(log)
    shown = _scan(log).filter(broken).select("number", _LINE.str.head(_RAW_LENGTH)).collect(engine="streaming")
    parsed.rejected = shown.height
    for number, text in shown.iter_rows():
        if cut_off and number == parsed.lines:
            parsed.notices.add("truncated_line", "the last line is cut off; what it said is not known", number)
        else:
            parsed.notices.add("not_json", f"not JSON: {brief(text)}", number)


def _lifecycle_rows(picked: pl.DataFrame, parsed: Parsed) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for line, text in picked.iter_rows():
        found = _rows_of(line, text, parsed)
        parsed.records += bool(found)
        rows.extend(found)
    return rows


def _picked_lines(log: IO[bytes], until: int, odd_lines: int) -> pl.DataFrame:
    """Pick the lifecycle lines, up to the line that was the last when they were counted: a live log grows.

    Records in an unusual order of keys are searched word by word, in a pass of their own where there are any.

    Shape: number, line; sorted by number.
    """
    usual = _LINE.str.contains(LINE_PATTERN)
    picked = _collected(_scan(log).filter(usual))
    if odd_lines:
        odd = ~_LINE.str.contains(CANONICAL_LINE_PATTERN) & _LINE.str.contains_any(list(NEEDLES)) & ~usual
        picked = pl.concat([picked, _collected(_scan(log).filter(odd))])
    return picked.filter((pl.col("number") <= until) & ~_is_no_record_expr()).sort("number")


def _exported_tasks(log: IO[bytes], parsed: Parsed) -> pl.DataFrame:
    """Read the task rows that command lines wrote into the log: their whole answer, as one record without a binding.

    Only the last state of each row is kept, beside the last one in which it was projected. Such records are never
    lifecycle lines, whatever words are in them.

    Shape: frame ``tasks``, ``registry`` log; ``line`` is the line of the log.
    """
    rows: dict[tuple[object, object], dict[str, object]] = {}
    for lines in _batches(_scan(log).filter(_IS_EXPORT & (pl.col("number") <= parsed.lines) & ~_is_no_record_expr())):
        for line, text in lines.iter_rows():
            record = _decoded(text)
            told = list(tasks_in_document(json_of(_text_of(record.get("0"))), line, parsed)) if record else []
            parsed.records += bool(told)
            rows |= {(row["task_id"], row["projected"]): row for row in told}
    note_projected(sum(bool(row["projected"]) for row in rows.values()), parsed)
    return frame_of(sorted(rows.values(), key=lambda row: (str(row["line"]).zfill(20), str(row["task_id"]))), TASKS)


def _batches(lines: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Give a few lines of many, some at a time; formatted, as in ``_collected``."""
    told = lines.with_columns(pl.format("{}", "line").alias("line"))
    yield from told.collect_batches(chunk_size=_EXPORTS_AT_A_TIME, maintain_order=True, engine="streaming")


def _rows_of(line: int, text: str, parsed: Parsed) -> list[dict[str, object]]:
    record = _decoded(text)
    if record is None:
        parsed.rejected += 1
        parsed.notices.add("not_json", f"not JSON: {brief(text)}", line)
        return []
    binding, fields, message = _content_of(record)
    parsed.stores |= _store_of(record)
    at = _stamp_of(record)
    rows: list[dict[str, object]] = []
    for event in events_of(binding, fields, message):
        if at is None:
            parsed.notices.add("no_stamp", "a lifecycle line without a usable time stamp", line)
            return []
        row: dict[str, object] = {name: getattr(event, name) for name in event.__slots__}
        rows.append(
            row
            | {
                "line": line,
                "at": at,
                "kind": event.kind.value,
                "raw": _shown(binding, fields, message),
                "precision_ms": 1,
            }
        )
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
        return _text_of(record.get("subsystem", NO_BINDING)), {}, _text_of(record.get("message", ""))
    values = [record[str(position)] for position in range(_POSITIONS) if str(position) in record]
    binding = _binding_of(values[0])
    if binding is None:
        return NO_BINDING, {}, _text_of(values[0])
    texts = [value for value in values[1:] if isinstance(value, str)]
    fields: dict[str, object] = {}
    for value in values[1:]:
        fields |= value if isinstance(value, dict) else {}
    return binding, fields, well_formed(texts[-1]) if texts else ""


def _text_of(value: object) -> str:
    return well_formed(value) if isinstance(value, str) else ""


def _binding_of(value: object) -> str | None:
    if not isinstance(value, str) or not value.startswith('{"'):
        return None
    bound = _decoded(value)
    if bound is None:
        return None
    name = bound.get("subsystem", bound.get("module"))
    return name if isinstance(name, str) else None


def _store_of(record: Mapping[str, object]) -> set[str]:
    """Give the cron store that a scheduler's line names: it tells which gateway wrote it (formats.md §4.2)."""
    bound = _decoded(str(record.get("0"))) if isinstance(record.get("0"), str) else None
    store = bound.get("storePath", bound.get("storeKey")) if bound else None
    return {store} if isinstance(store, str) else set()


def _stamp_of(record: Mapping[str, object]) -> datetime | None:
    meta = record.get("_meta")
    event_at = from_iso(meta.get("date")) if isinstance(meta, dict) else None
    return event_at or from_iso(record.get("time"))


def _shown(binding: str, fields: Mapping[str, object], message: str) -> str:
    told = f" {_as_json(fields)}" if fields else ""
    return for_terminal(well_formed(f"[{binding or 'console'}] {message}{told}"))[:_RAW_LENGTH]


def last_gateway_lines_before(path: Path, moments: Sequence[datetime]) -> pl.DataFrame:
    """Find the last line that a gateway process wrote before each of these moments.

    For logs that overlap in time: a process start in one file is preceded by a line of another.

    Shape: frame ``lifecycle``, rows of kind ``last_line``.

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.GATEWAY_LOG, "")
    stamp = _LINE.str.extract(_STAMP_PATTERN).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_zone="UTC", strict=False)
    with _counted(path, parsed) as (log, _):
        stamped = _scan(log).filter(_LINE.str.contains(GATEWAY_LINE_PATTERN)).select("number", stamp.alias("at"))
        ordered = stamped.drop_nulls().collect(engine="streaming").sort("at", "number").set_sorted("at")
        wanted = pl.DataFrame({"before": moments}, schema={"before": ordered.schema["at"]}).sort("before")
        found = wanted.join_asof(ordered, left_on="before", right_on="at", allow_exact_matches=False)
        rows = list(_told_lines(_lines_at(log, found["number"].drop_nulls().unique().to_list()), parsed))
    return frame_of(rows, LIFECYCLE)


def _as_json(fields: Mapping[str, object]) -> str:
    try:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "{deeply nested}"


def _last_lines(log: IO[bytes], rows: list[dict[str, object]], parsed: Parsed) -> Iterator[dict[str, object]]:
    """Find the last line of a gateway process before each process start, and in the whole file: the next file may
    begin with a start.

    Nearly always these are the very line before the start and one near the end; only otherwise is the log searched.
    """  # noqa: D205
    starts = sorted({int(str(row["line"])) for row in rows if row["kind"] == LifecycleKind.PROCESS_START})
    above = [start - 1 for start in starts if start > 1]
    end = parsed.lines
    near = pl.col("number").is_in(above) | ((pl.col("number") > end - _TAIL_LINES) & (pl.col("number") <= end))
    bound = _collected(_scan(log).filter(near)).filter(_is_bound_expr()).sort("number")
    tail = bound.filter(pl.col("number") > end - _TAIL_LINES)["number"].max()
    found = set(bound["number"].to_list())
    unresolved = [number + 1 for number in above if number not in found] + ([end + 1] if tail is None else [])
    wanted = bound.filter(pl.col("number").is_in([*above, tail or 0]))
    if unresolved:
        wanted = pl.concat([wanted, _searched_lines(log, sorted(unresolved))]).unique("number").sort("number")
    yield from _told_lines(wanted, parsed)


def _is_bound_expr() -> pl.Expr:
    """A whole record that only a gateway process writes."""
    return _LINE.str.contains(GATEWAY_LINE_PATTERN) & ~_is_no_record_expr()


def _searched_lines(log: IO[bytes], before: list[int]) -> pl.DataFrame:
    """Give the last bound line before each of these lines, wherever it stands."""
    limits = pl.Series("limit", before, dtype=pl.Int64)
    last = (
        _scan(log)
        .filter(_is_bound_expr() & (pl.col("number") < before[-1]))
        .select("number", pl.lit(limits).search_sorted(pl.col("number"), side="right").alias("limit"))
        .group_by("limit")
        .agg(pl.col("number").max())
        .collect(engine="streaming")
    )
    return _lines_at(log, last["number"].to_list())


def _lines_at(log: IO[bytes], numbers: list[int]) -> pl.DataFrame:
    return _collected(_scan(log).filter(pl.col("number").is_in(numbers))).sort("number")


def _collected(lines: pl.LazyFrame) -> pl.DataFrame:
    """Collect a few lines of many. Formatting copies them: a filtered column would keep the whole log in memory."""
    return lines.with_columns(pl.format("{}", "line").alias("line")).collect(engine="streaming")


def _told_lines(lines: pl.DataFrame, parsed: Parsed) -> Iterator[dict[str, object]]:
    for line, text in lines.iter_rows():
        record = _decoded(text)
        at = _stamp_of(record) if record else None
        if record is None or at is None:
            parsed.notices.add("no_stamp", "the last gateway line before a start has no usable time stamp", line)
            continue
        binding, fields, message = _content_of(record)
        shown = _shown(binding, fields, message)
        yield {"line": line, "at": at, "kind": LifecycleKind.LAST_LINE.value, "raw": shown, "precision_ms": 1}


def _note_span(log: IO[bytes], parsed: Parsed) -> None:
    """Note the first and last stamp of the log, and the zone its local stamps are written in."""
    log.seek(0)
    head = log.read(_EDGE_BYTES)
    log.seek(max(0, log.seek(0, 2) - _EDGE_BYTES))
    tail = log.read()
    first, last = _first_stamped(head.splitlines()), _first_stamped(reversed(tail.splitlines()))
    quiet = _QUIET_LEVEL.search(head) or _QUIET_LEVEL.search(tail)
    parsed.only_warnings = _LOUD_LEVEL.search(head) is not None and not quiet
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
    step = pl.col("at").diff()
    stepped = parsed.lifecycle.select(
        "line", (step < pl.duration(seconds=-1)).alias("back"), (step < -CLOCK_STEP).alias("far_back")
    )
    if stepped["far_back"].any():
        parsed.unusable = "its clock steps back, so that its lines cannot be put in order with other evidence"
    for line in stepped.filter("back")["line"].to_list():
        parsed.notices.add(
            "clock_stepped_back", "this line is stamped more than a second before the one above it", line
        )


def _ends_with_newline(log: IO[bytes]) -> bool:
    log.seek(max(0, log.seek(0, 2) - 1))
    return log.read(1) == b"\n"


def _recognised(glimpse: Glimpse) -> str | None:
    return _BY if any(is_log_record(record) for record in glimpse.records) else None


FORMS = (Form("gateway file log", SourceKind.GATEWAY_LOG, _recognised, lambda path, _: parse_gateway_log(path)),)
