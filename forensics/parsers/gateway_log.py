"""The gateway's file log: one JSON object a line, in both shapes (formats.md §4.2).

Only lifecycle lines are decoded. They are picked out of the raw lines by one streaming pass, so a log costs little more
than reading it. Two things need more than lifecycle lines: the last line of a gateway process before each process
start (the earliest a crash can have happened), and a count of lines that are no JSON records.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import polars as pl

from forensics.model.policy import CLOCK_STEP, PASTE_LINES
from forensics.model.schemas import LIFECYCLE, TASKS, frame_of
from forensics.model.verdicts import LifecycleKind, SourceKind
from forensics.parsers.clock_order import BATCH_LINES, ClockOrder, record_stamp_expr, record_steps
from forensics.parsers.forms import Form, Glimpse, documents_in, json_of
from forensics.parsers.lifecycle_messages import (
    CANONICAL_LINE_PATTERN,
    CRON,
    GATEWAY_LINE_PATTERN,
    LINE_PATTERN,
    NEEDLES,
    events_of,
)
from forensics.parsers.log_record import (
    RAW_LENGTH,
    Record,
    content_of,
    decoded,
    event_rows,
    is_contradicted,
    last_line_row,
    offset_in,
    records_in,
    shown,
    stamp_of,
    store_of,
)
from forensics.parsers.log_scan import (
    LINE,
    SIZE,
    collected,
    counted,
    ends_with_newline,
    last_before,
    lines_at,
    read_through,
    scan,
    size_bytes_of,
)
from forensics.parsers.mending import Mended, mended
from forensics.parsers.meter import Advance, unwatched
from forensics.parsers.parsed import Parsed, brief
from forensics.parsers.subsystems import is_of_a_gateway, is_own_subsystem
from forensics.parsers.task_export import note_projected, tasks_in_document
from forensics.parsers.timestamps import as_offset
from forensics.parsers.zones import note_sample

_BY = "JSON lines with _meta and time"
_BY_FLAT = "JSON lines with date, time and logLevelName"
_SIZE_CAP = "logging"
"""What names itself in the line that says a log has reached its largest size (formats.md §4.2)."""

_EDGE_BYTES = 4 << 20
_TAIL_LINES = 2000
_LOUD_LEVEL = re.compile(rb'"logLevelName":"(?:WARN|ERROR|FATAL)"')
_QUIET_LEVEL = re.compile(rb'"logLevelName":"(?:SILLY|TRACE|DEBUG|INFO)"')
_PADDED_RECORD_PATTERN = r"^\{.*\}\s+$"
_NEXT_RECORD_PATTERN = r'\}\s*\{"0":"'
_MENDED_LENGTH = 1 << 16
_IS_EXPORT = LINE.str.starts_with('{"0":"{\\n')
"""A record without a binding whose text is an indented JSON object: the answer of a command line (observed.md §A)."""
_EXPORTS_AT_A_TIME = 64
_CLOCK_STEPS_BACK = "its clock steps back, so that its lines cannot be put in order with other evidence"
_STAMP_PATTERN = r'"date":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"'


def is_log_record(value: object) -> bool:
    """Tell whether a JSON value is a line of a gateway file log."""
    if not isinstance(value, dict) or not isinstance(value.get("time"), str):
        return False
    return isinstance(value.get("_meta"), dict) or _is_of_console(value)


def _is_of_console(record: Mapping[str, object]) -> bool:
    """Tell whether a line without ``_meta`` names a part of a gateway: others log a level and a message, too."""
    subsystem = record.get("subsystem")
    is_own = isinstance(subsystem, str) and (is_own_subsystem(subsystem) or subsystem in (CRON, _SIZE_CAP))
    return is_own and isinstance(record.get("level"), str) and "message" in record


def is_flat_record(value: object) -> bool:
    """Tell whether a JSON value is a line of a file log whose ``_meta`` was flattened into it (#46748)."""
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("date", "time", "logLevelName"))


def parse_gateway_log(path: Path, by: str = _BY, advance: Advance = unwatched) -> Parsed:
    """Read the lifecycle lines of one file log; ``advance`` is called with the size of each piece.

    Shape: frame ``lifecycle``; one row per lifecycle line, or per job or run it names, plus one ``last_line`` row for
    the last gateway line before each process start. ``skipped`` counts all other records. Frame ``tasks``, where
    command lines of old releases left their answers in the log: see ``_exported_tasks``.
    Notices: not_json, truncated_line, mended_line, joined_records, invalid_utf8, no_stamp, contradicted_stamp,
    clock_stepped_back, and those of exports.
    Source: formats.md §4.1, §4.2, §5; design §5; observed.md §A (exports).

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.GATEWAY_LOG, by, shows_scheduler=True)
    with counted(path, parsed.notices, lambda log: _count_lines(log, parsed, advance)) as (log, unusual):
        picked = _picked_lines(log, parsed.lines, unusual)
        rows = [*unusual.mended, *_lifecycle_rows(picked, parsed)]
        rows.extend(_last_lines(log, rows, parsed))
        parsed.lifecycle = frame_of(rows, LIFECYCLE).sort("line", maintain_order=True)
        if unusual.exports:
            parsed.tasks = _exported_tasks(log, parsed)
        _note_span(log, parsed)
    parsed.skipped = parsed.lines - parsed.records - parsed.rejected
    note_backward_clock(parsed, unusual.steps)
    if len(parsed.stores) > 1:
        parsed.unusable = "it holds lines of several gateways, told by their cron stores"
    return parsed


@dataclass(slots=True)
class _Unusual:
    """Lines that the picking pass would miss: in another order of keys, several records on one, one on several; and how
    many hold the answer of a command line. ``steps`` are the lines at which the clock goes back.
    """  # noqa: D205

    odd: int = 0
    joined: int = 0
    exports: int = 0
    steps: list[int] = field(default_factory=list)
    mended: list[dict[str, object]] = field(default_factory=list)


def _is_no_record_expr() -> pl.Expr:
    return ~(LINE.str.starts_with("{") & LINE.str.ends_with("}")) & ~LINE.str.contains(_PADDED_RECORD_PATTERN)


def _count_lines(log: IO[bytes], parsed: Parsed, advance: Advance) -> _Unusual:
    """Count all lines, those that are no records, and those that need a pass of their own."""
    looks_whole = LINE.str.starts_with("{") & LINE.str.ends_with("}")
    odd = ~LINE.str.contains(CANONICAL_LINE_PATTERN)
    joined = LINE.str.contains(_NEXT_RECORD_PATTERN)
    told = {"doubtful": ~looks_whole, "odd": odd, "joined": joined, "exports": _IS_EXPORT}
    stamp = record_stamp_expr().alias("stamp")
    lines = scan(log).select("number", stamp, SIZE, *(expr.alias(name) for name, expr in told.items()))
    counts: Counter[str] = Counter()
    order = ClockOrder()
    for batch in lines.collect_batches(chunk_size=BATCH_LINES, maintain_order=True, engine="streaming"):
        counts.update({name: int(batch[name].sum()) for name in told}, lines=batch.height)
        order.take_records(batch)
        advance(size_bytes_of(batch))
    order.close()
    parsed.lines = counts["lines"]
    is_usual = order.stamped * 2 > parsed.lines
    steps = (order if is_usual else record_steps(log, parsed.lines)).steps
    unusual = _Unusual(counts["odd"], counts["joined"], counts["exports"], steps)
    if counts["doubtful"]:
        unusual.mended = _rows_of_broken_lines(log, parsed)
    return unusual


def _rows_of_broken_lines(log: IO[bytes], parsed: Parsed) -> list[dict[str, object]]:
    """Read what a terminal broke into several lines; reject and note the other lines that are no records."""
    broken = _is_no_record_expr() & (LINE.str.len_bytes() > 0) & (pl.col("number") <= parsed.lines)
    is_paste = parsed.lines <= PASTE_LINES
    width = _MENDED_LENGTH if is_paste else RAW_LENGTH
    torn = scan(log).filter(broken).select("number", LINE.str.head(width)).collect(engine="streaming")
    whole: set[int] = set()
    rows: list[dict[str, object]] = []
    for found in mended(torn.rows()) if is_paste else ():
        whole.update(range(found.line, found.line + found.lines))
        parsed.notices.add("mended_line", f"a record broken into {found.lines} lines is read as one", found.line)
        told = _rows_of(found.line, _best_read(found), parsed)
        parsed.records += bool(told)
        rows.extend(told)
    _reject(torn.filter(~pl.col("number").is_in(sorted(whole))), parsed, cut_off=not ends_with_newline(log))
    return rows


def _best_read(found: Mended) -> list[Record]:
    """Give the records as they were before they were broken: in the middle of a word, unless a space tells more."""
    return [
        next((record for record in reversed(ways) if any(events_of(*content_of(record)))), ways[-1])
        for ways in zip(*found.readings, strict=True)
    ]


def _reject(torn: pl.DataFrame, parsed: Parsed, *, cut_off: bool) -> None:
    parsed.rejected = torn.height
    for number, text in torn.iter_rows():
        if cut_off and number == parsed.lines:
            parsed.notices.add("truncated_line", "the last line is cut off; what it said is not known", number)
        else:
            parsed.notices.add("not_json", f"not JSON: {brief(text)}", number)


def _lifecycle_rows(picked: pl.DataFrame, parsed: Parsed) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for line, text in picked.iter_rows():
        records = records_in(text)
        if not records:
            parsed.rejected += 1
            parsed.notices.add("not_json", f"not JSON: {brief(text)}", line)
        elif len(records) > 1:
            parsed.notices.add("joined_records", f"{len(records)} records stand on one line; each is read", line)
        found = _rows_of(line, records, parsed)
        parsed.records += bool(found)
        rows.extend(found)
    return rows


def _picked_lines(log: IO[bytes], until: int, unusual: _Unusual) -> pl.DataFrame:
    """Pick the lifecycle lines, up to the line that was the last when they were counted: a live log grows.

    Records in an unusual order of keys, or behind another on its line, are searched word by word, in a pass of their
    own where there are any.

    Shape: number, line; sorted by number.
    """
    usual = LINE.str.contains(LINE_PATTERN)
    picked = collected(scan(log).filter(usual))
    if unusual.odd or unusual.joined:
        odd = ~LINE.str.contains(CANONICAL_LINE_PATTERN) | LINE.str.contains(_NEXT_RECORD_PATTERN)
        worded = odd & LINE.str.contains_any(list(NEEDLES)) & ~usual
        picked = pl.concat([picked, collected(scan(log).filter(worded))])
    return picked.filter((pl.col("number") <= until) & ~_is_no_record_expr()).sort("number")


def _exported_tasks(log: IO[bytes], parsed: Parsed) -> pl.DataFrame:
    """Read the task rows that command lines wrote into the log: their whole answer, as one record without a binding.

    Only the last state of each row is kept, beside the last one in which it was projected. Such records are never
    lifecycle lines, whatever words are in them.

    Shape: frame ``tasks``, ``registry`` log; ``line`` is the line of the log.
    """
    rows: dict[tuple[object, object], dict[str, object]] = {}
    for lines in _batches(scan(log).filter(_IS_EXPORT & (pl.col("number") <= parsed.lines) & ~_is_no_record_expr())):
        for line, text in lines.iter_rows():
            record = decoded(text)
            told = list(tasks_in_document(json_of(str(record.get("0"))), line, parsed)) if record else []
            parsed.records += bool(told)
            rows |= {(row["task_id"], row["projected"]): row for row in told}
    note_projected(sum(bool(row["projected"]) for row in rows.values()), parsed)
    return frame_of(sorted(rows.values(), key=lambda row: (str(row["line"]).zfill(20), str(row["task_id"]))), TASKS)


def _batches(lines: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Give a few lines of many, some at a time; formatted, as in ``collected``."""
    told = lines.with_columns(pl.format("{}", "line").alias("line"))
    yield from told.collect_batches(chunk_size=_EXPORTS_AT_A_TIME, maintain_order=True, engine="streaming")


def _rows_of(line: int, records: Sequence[Record], parsed: Parsed) -> list[dict[str, object]]:
    """Give what the records on a line say, in their order."""
    rows: list[dict[str, object]] = []
    for number, record in enumerate(records):
        found = _rows_of_record(line, record, parsed)
        if any(row["kind"] == LifecycleKind.PROCESS_START for row in found):
            rows.extend(_last_line_among(line, records[:number]))
        rows.extend(found)
    return rows


def _rows_of_record(line: int, record: Record, parsed: Parsed) -> list[dict[str, object]]:
    content = content_of(record)
    parsed.stores |= store_of(record)
    at = stamp_of(record)
    stated = offset_in(record)
    if stated is not None:
        note_sample(parsed.offsets, stated)
    events = list(events_of(*content))
    if events and is_contradicted(record):
        parsed.notices.add("contradicted_stamp", "its local stamp has a wrong offset; the other one is used", line)
    if at is not None:
        return event_rows(line, at, events, shown(*content))
    if events:
        parsed.notices.add("no_stamp", "a lifecycle line without a usable time stamp", line)
    return []


def _last_line_among(line: int, records: Sequence[Record]) -> Iterator[dict[str, object]]:
    """Find the last record of a gateway process before a process start on the same line."""
    alive = _last_of_gateway(records)
    at = None if alive is None else stamp_of(alive)
    if alive is not None and at is not None:
        yield last_line_row(line, at, content_of(alive))


def _last_of_gateway(records: Sequence[Record]) -> Record | None:
    return next((record for record in reversed(records) if is_of_a_gateway(content_of(record)[0])), None)


def last_gateway_lines_before(path: Path, moments: Sequence[datetime]) -> pl.DataFrame:
    """Find the last line that a gateway process wrote before each of these moments.

    For logs that overlap in time: a process start in one file is preceded by a line of another.

    Shape: frame ``lifecycle``, rows of kind ``last_line``.

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.GATEWAY_LOG, "")
    stamp = LINE.str.extract(_STAMP_PATTERN).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_zone="UTC", strict=False)
    with counted(path, parsed.notices, read_through) as (log, _):
        stamped = scan(log).filter(LINE.str.contains(GATEWAY_LINE_PATTERN)).select("number", stamp.alias("at"))
        ordered = stamped.drop_nulls().collect(engine="streaming").sort("at", "number").set_sorted("at")
        wanted = pl.DataFrame({"before": moments}, schema={"before": ordered.schema["at"]}).sort("before")
        found = wanted.join_asof(ordered, left_on="before", right_on="at", allow_exact_matches=False)
        rows = list(_told_lines(lines_at(log, found["number"].drop_nulls().unique().to_list()), parsed))
    return frame_of(rows, LIFECYCLE)


def _last_lines(log: IO[bytes], rows: list[dict[str, object]], parsed: Parsed) -> Iterator[dict[str, object]]:
    """Find the last line of a gateway process before each process start, and in the whole file: the next file may
    begin with a start.

    Nearly always these are the very line before the start and one near the end; only otherwise is the log searched.
    """  # noqa: D205
    starts = sorted({int(str(row["line"])) for row in rows if row["kind"] == LifecycleKind.PROCESS_START})
    above = [start - 1 for start in starts if start > 1]
    end = parsed.lines
    near = pl.col("number").is_in(above) | ((pl.col("number") > end - _TAIL_LINES) & (pl.col("number") <= end))
    bound = collected(scan(log).filter(near)).filter(_is_bound_expr()).sort("number")
    tail = bound.filter(pl.col("number") > end - _TAIL_LINES)["number"].max()
    found = set(bound["number"].to_list())
    unresolved = [number + 1 for number in above if number not in found] + ([end + 1] if tail is None else [])
    wanted = bound.filter(pl.col("number").is_in([*above, tail or 0]))
    if unresolved:
        wanted = (
            pl.concat([wanted, last_before(log, _is_bound_expr(), sorted(unresolved))]).unique("number").sort("number")
        )
    yield from _told_lines(wanted, parsed)


def _is_bound_expr() -> pl.Expr:
    """A whole record that only a gateway process writes."""
    return LINE.str.contains(GATEWAY_LINE_PATTERN) & ~_is_no_record_expr()


def _told_lines(lines: pl.DataFrame, parsed: Parsed) -> Iterator[dict[str, object]]:
    for line, text in lines.iter_rows():
        records = records_in(text)
        told = records[0] if len(records) == 1 else _last_of_gateway(records)
        at = None if told is None else stamp_of(told)
        if told is None or at is None:
            parsed.notices.add("no_stamp", "the last gateway line before a start has no usable time stamp", line)
        else:
            yield last_line_row(line, at, content_of(told))


def _note_span(log: IO[bytes], parsed: Parsed) -> None:
    """Note the first and last stamp of the log, and the zone its local stamps are written in."""
    log.seek(0)
    head = log.read(_EDGE_BYTES)
    log.seek(max(0, log.seek(0, 2) - _EDGE_BYTES))
    tail = log.read()
    first = _first_stamped(_records_on(line) for line in head.splitlines())
    last = _first_stamped(reversed(_records_on(line)) for line in reversed(tail.splitlines()))
    quiet = _QUIET_LEVEL.search(head) or _QUIET_LEVEL.search(tail)
    parsed.only_warnings = _LOUD_LEVEL.search(head) is not None and not quiet
    at_edges = [stamp_of(record) for record in (first, last) if record]
    events = parsed.lifecycle["at"] if parsed.lifecycle is not None else pl.Series([], dtype=pl.Datetime)
    parsed.spans([*at_edges, events.min(), events.max()])
    stated = [offset for record in (first, last) if record is not None and (offset := offset_in(record)) is not None]
    parsed.offsets = sorted({*parsed.offsets, *stated})
    written = sorted({as_offset(offset) for _, offset in parsed.offsets})
    parsed.timezone = f"UTC from _meta.date; local stamps {', '.join(written)}" if written else "UTC from _meta.date"


def _records_on(line: bytes) -> list[Record]:
    return records_in(line.decode("utf-8", "replace")) if line.startswith(b"{") else []


def _first_stamped(lines: Iterable[Iterable[Record]]) -> Record | None:
    return next((record for records in lines for record in records if stamp_of(record) is not None), None)


def note_backward_clock(parsed: Parsed, steps: Sequence[int] = ()) -> None:
    """Note lines that are stamped before one above; a log whose clock was set back proves nothing.

    ``steps`` are the lines, of whatever content, at which the clock goes back by more than ``CLOCK_STEP``.
    """
    for line in steps:
        parsed.unusable = _CLOCK_STEPS_BACK
        parsed.notices.add("clock_stepped_back", f"its clock goes back by more than {CLOCK_STEP.seconds} s here", line)
    if parsed.lifecycle is None or parsed.lifecycle.height < 2:
        return
    step = pl.col("at").diff()
    stepped = parsed.lifecycle.select(
        "line", (step < pl.duration(seconds=-1)).alias("back"), (step < -CLOCK_STEP).alias("far_back")
    )
    if stepped["far_back"].any():
        parsed.unusable = _CLOCK_STEPS_BACK
    for line in stepped.filter(pl.col("back") & ~pl.col("line").is_in(steps))["line"].to_list():
        parsed.notices.add(
            "clock_stepped_back", "this line is stamped more than a second before the one above it", line
        )


def _recognised(glimpse: Glimpse) -> str | None:
    return _BY if any(is_log_record(value) for value in _values_in(glimpse)) else None


def _flat_recognised(glimpse: Glimpse) -> str | None:
    return _BY_FLAT if any(is_flat_record(value) for value in _values_in(glimpse)) else None


def _values_in(glimpse: Glimpse) -> Iterator[object]:
    """Give what the head of a file holds in every state of a paste: a line each, joined, or broken into lines."""
    yield from glimpse.records
    yield from glimpse.documents
    yield from documents_in("".join(glimpse.texts), tries=1)


FORMS = (
    Form(
        "gateway file log",
        SourceKind.GATEWAY_LOG,
        _recognised,
        lambda path, given: parse_gateway_log(path, advance=given.advance),
    ),
    Form(
        "gateway file log, flattened",
        SourceKind.GATEWAY_LOG,
        _flat_recognised,
        lambda path, given: parse_gateway_log(path, _BY_FLAT, given.advance),
    ),
)
