"""From printed values to frames: rows of a dump are put into a private database that is read like the gateway's own."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, timedelta, timezone, tzinfo

import polars as pl

from forensics.model.schemas import RUNS, frame_of
from forensics.model.verdicts import Origin, SourceKind
from forensics.parsers import task_registry
from forensics.parsers.cron_runs import run_row
from forensics.parsers.parsed import Parsed, brief, well_formed
from forensics.parsers.table_text import is_full_id
from forensics.parsers.tables import CLOSED, RUN_LOGS, TASK_RUNS, Column, Holds, Table, columns_of
from forensics.parsers.timestamps import epoch_ms_of_text, scaled_epoch

Stored = int | float | str | None
Value = object

_ELSEWHERE = timezone(timedelta(hours=1))
"""Any zone but UTC: a text that means another moment there does not name its own."""
_ABSENT = ("", "NULL")
_CUT_ID_LENGTH = 36
_LARGEST = 1 << 63
_ENTRY_KEYS = {
    "ts": "ts",
    "job_id": "jobId",
    "status": "status",
    "error": "error",
    "summary": "summary",
    "delivery_status": "deliveryStatus",
    "session_id": "sessionId",
    "run_id": "runId",
    "run_at_ms": "runAtMs",
    "duration_ms": "durationMs",
    "next_run_at_ms": "nextRunAtMs",
}


class Moments:
    """Reads the times of a dump, whatever they are printed as, and remembers how they were printed."""

    def __init__(self, parsed: Parsed, zone: tzinfo | None) -> None:
        self._parsed = parsed
        self._zone = zone
        self._units: set[tuple[str, str]] = set()
        self.printed_as: set[str] = set()

    def read(self, value: Value, column: Column, line: int | None) -> tuple[Stored, int]:
        """Give what the column holds, as epoch milliseconds where it is a time, and its precision in milliseconds."""
        number = number_of(value)
        if number is not None and not column.is_local:
            return self._of_number(number, column)
        text = str(value)
        if column.is_local and self._zone is None:
            self._parsed.notices.add(
                "local_time", f"{column.name} is printed in local time; name its zone with --tz; it is unknown", line
            )
            return None, 1
        is_bare = (
            not column.is_local
            and not column.is_printed
            and epoch_ms_of_text(text, _ELSEWHERE) != (epoch_ms_of_text(text, UTC))
        )
        stamp = epoch_ms_of_text(text, ((column.is_local or is_bare) and self._zone) or UTC)
        if is_bare and stamp is not None:
            self._note_bare(column, line)
        if stamp is None:
            self._parsed.notices.add("out_of_range", f"{column.name} {brief(text, 40)} is no time; it is unknown", line)
            return None, 1
        self.printed_as.add("local text" if column.is_local else "text")
        return stamp

    def _note_bare(self, column: Column, line: int | None) -> None:
        if self._zone is not None:
            self.printed_as.add("local text")
        elif not self._parsed.zone_is_assumed:
            self._parsed.zone_is_assumed = True
            self._parsed.notices.add(
                "zone_assumed",
                f"{column.name} is printed without a zone; it is taken as UTC and proves nothing by itself, name the "
                "zone with --tz",
                line,
            )

    def _of_number(self, number: float, column: Column) -> tuple[Stored, int]:
        scaled = scaled_epoch(number)
        if scaled is None:
            return _storable(number), 1  # the reader of the table says what is wrong with it
        moment, precision_ms, unit = scaled
        if unit != "milliseconds" and (column.name, unit) not in self._units:
            self._units.add((column.name, unit))
            self._parsed.notices.add("time_unit", f"{column.name} is printed in {unit}, not milliseconds", level="info")
        return moment, precision_ms


def number_of(value: Value) -> float | None:
    """Give the number that a value is or spells out; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    text = str(value).strip()
    if len(text) > 30 or not text.removeprefix("-").replace(".", "", 1).isdigit() or not text.isascii():
        return None
    return float(text) if "." in text else int(text)


class TableRows:
    """Takes the printed rows of one table; gives them to ``store`` as they would have been stored."""

    def __init__(self, table: Table, headings: Sequence[str], parsed: Parsed, zone: tzinfo | None) -> None:
        self.table = table
        self.columns = columns_of(table, headings)
        self._places = {column.name: column for column in self.columns}
        self._parsed = parsed
        self.moments = Moments(parsed, zone)
        self.lines = array("q")
        self.coarse: set[int] = set()

    @property
    def key_place(self) -> int | None:
        """Where in a row its key stands; None where it was not printed."""
        key = self._places.get(self.table.key)
        return None if key is None else key.place

    def is_plausible(self, values: Sequence[str]) -> bool:
        """Tell whether values stand in the right columns, by those whose values are known beforehand."""
        for column in self.columns:
            text = values[column.place]
            closed = CLOSED.get(column.name) if self.table is TASK_RUNS else None
            if text in _ABSENT:
                continue
            if closed is not None and text not in closed:
                return False
            if column.holds is not Holds.TEXT and number_of(text) is None and epoch_ms_of_text(text) is None:
                return False
        key = self.key_place
        return key is None or (bool(values[key].strip()) and "\n" not in values[key])

    def starts_row(self, values: Sequence[str]) -> bool:
        """Tell whether the first values of a line are the beginning of a row: they hold its whole key."""
        key = self.key_place
        return key is not None and key < len(values) and is_full_id(values[key])

    def stored(self, line: int | None, values: Sequence[Value]) -> list[Stored] | None:
        """Give the values of one row as its table would hold them; None, with a notice, where the row has no name."""
        if not self._is_named(line, values):
            self._parsed.rejected += 1
            return None
        told: list[Stored] = []
        coarse = False
        for column in self.columns:
            value = values[column.place]
            if value is None or value in _ABSENT:
                told.append(None)
            elif column.holds is Holds.TIME:
                moment, precision_ms = self.moments.read(value, column, line)
                told.append(moment)
                coarse = coarse or precision_ms > 1
            else:
                told.append(_as_stored(value, column))
        if self.table is TASK_RUNS and "runtime" not in self._places:
            told.append("cron" if str(values[self._places["run_id"].place]).startswith("cron:") else None)
        self.lines.append(line or 0)
        if coarse:
            self.coarse.add(len(self.lines))
        return told

    @property
    def names(self) -> list[str]:
        """The columns of the rows that are given, by their names in the table."""
        added = ["runtime"] if self.table is TASK_RUNS and "runtime" not in self._places else []
        return [column.name for column in self.columns] + added

    def missing(self) -> list[str]:
        """Name the columns without which rows of this table say nothing."""
        wanted = ["task_id", "status"] if self.table is TASK_RUNS else [self.table.key]
        missing = [name for name in wanted if name not in self._places]
        if self.table is TASK_RUNS and not {"runtime", "run_id"} & set(self._places):
            missing.append("runtime")
        return missing

    def _is_named(self, line: int | None, values: Sequence[Value]) -> bool:
        key = self.key_place
        name = values[key] if key is not None else None
        if self.table is not TASK_RUNS or not isinstance(name, str):
            return True
        if name.endswith(("…", "...")) or _is_cut_id(name):
            self._parsed.notices.add(
                "cut_id", f"task id {brief(name, 40)} is cut off, so the row cannot be joined; print it whole", line
            )
            return False
        return True


def read_rows(rows: Iterable[tuple[int | None, Sequence[Value]]], taken: TableRows, parsed: Parsed) -> Parsed:
    """Put rows into a private database and read it as the gateway's own; or, of the run history, read them at once.

    Shape: as the reader of the database gives it; ``registry`` is ``export``, ``line`` the line in the dump,
    ``precision_ms`` 1000 where a time of the row is printed in whole seconds. No ``histories``: which rows were asked
    for cannot be told, so that the absence of a record among them means nothing.
    """
    stored = ((row, line) for line, values in rows if (row := taken.stored(line, values)) is not None)
    if taken.table is RUN_LOGS:
        return _read_run_logs(stored, taken, parsed)
    with private_database() as database:
        columns = ", ".join(f'"{name}"' for name in taken.names)
        marks = ", ".join("?" * len(taken.names))
        database.execute(f'CREATE TABLE "{taken.table.name}" ({columns})')
        database.execute("BEGIN")
        database.executemany(
            f'INSERT INTO "{taken.table.name}" ({columns}) VALUES ({marks})',  # noqa: S608 - names of our own
            (row for row, _ in stored),
        )
        database.execute("COMMIT")
        found = task_registry.read_database(database)
    found.histories = []
    return as_export(found, parsed, lambda number: taken.lines[number - 1] or None, taken.coarse)


def as_export(found: Parsed, parsed: Parsed, line_of: Callable[[int], int | None], coarse: set[int]) -> Parsed:
    """Turn what was read from a restored database into what a dump says: ``line_of`` gives the line of a row number.

    The ledger and the notices of the dump itself, in ``parsed``, are kept.
    """
    for name in ("tasks", "runs", "lifecycle", "jobs"):
        frame = getattr(found, name)
        if frame is not None:
            setattr(parsed, name, _at_lines(frame, line_of, coarse))
    if parsed.tasks is not None:
        parsed.tasks = parsed.tasks.with_columns(pl.lit("export").alias("registry"))
    for notice in found.notices.rows:
        notice["line"] = _line_at(notice["line"], line_of)
    parsed.notices.rows += found.notices.closed()
    parsed.records, parsed.skipped = found.records, parsed.skipped + found.skipped
    parsed.rejected += found.rejected
    parsed.lines = parsed.records + parsed.skipped + parsed.rejected
    parsed.first_at, parsed.last_at = found.first_at, found.last_at
    parsed.histories, parsed.release, parsed.job_id = found.histories, found.release, found.job_id
    if found.kind is not SourceKind.TASK_REGISTRY:
        parsed.kind = found.kind if parsed.kind is SourceKind.TASK_EXPORT else parsed.kind
    return parsed


@contextmanager
def private_database() -> Iterator[sqlite3.Connection]:
    """Open an empty database of our own, kept in memory and, where that runs out, in a file that nobody else sees."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA trusted_schema = OFF")
        database.text_factory = lambda stored: stored.decode("utf-8", "replace")
        yield database


def _at_lines(frame: pl.DataFrame, line_of: Callable[[int], int | None], coarse: set[int]) -> pl.DataFrame:
    numbers = frame["line"].to_list()
    lines = pl.Series("line", [_line_at(number, line_of) for number in numbers], pl.Int64)
    if not coarse or "precision_ms" not in frame.columns:
        return frame.with_columns(lines)
    precision = pl.Series("precision_ms", [1000 if number in coarse else 1 for number in numbers], pl.Int64)
    return frame.with_columns(lines, precision)


def _line_at(number: object, line_of: Callable[[int], int | None]) -> int | None:
    return line_of(number) if isinstance(number, int) else None


def _read_run_logs(stored: Iterable[tuple[list[Stored], int | None]], taken: TableRows, parsed: Parsed) -> Parsed:
    """Read rows of ``cron_run_logs``."""
    rows: list[dict[str, object]] = []
    for number, (values, line) in enumerate(stored, 1):
        row = run_row(_entry_of(dict(zip(taken.names, values, strict=True))), line, Origin.RUN_TABLE, parsed)
        if row is None:
            parsed.rejected += 1
        else:
            rows.append(row | {"precision_ms": 1000 if number in taken.coarse else 1})
    parsed.records, parsed.lines = len(rows), len(rows) + parsed.rejected + parsed.skipped
    parsed.runs = frame_of(rows, RUNS)
    parsed.spans(stamp for row in rows for stamp in (row["finished_at"], row["started_at"]))
    return parsed


def _entry_of(row: Mapping[str, Stored]) -> dict[str, object]:
    """Give the run log entry of a row: its columns, and what only the stored entry says."""
    told = row.get("entry_json")
    entry = _loaded(told) if isinstance(told, str) else {}
    entry |= {key: row[column] for column, key in _ENTRY_KEYS.items() if row.get(column) is not None}
    if isinstance(row.get("delivered"), int):
        entry["delivered"] = bool(row["delivered"])
    if isinstance(row.get("total_tokens"), int):
        entry.setdefault("usage", {"total_tokens": row["total_tokens"]})
    return entry


def _loaded(text: str) -> dict[str, object]:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _as_stored(value: Value, column: Column) -> Stored:
    if isinstance(value, bool):
        return int(value)
    if column.holds is Holds.NUMBER:
        number = number_of(value)
        return well_formed(str(value)) if number is None else _storable(number)
    return well_formed(value) if isinstance(value, str) else _as_json(value)


def _as_json(value: Value) -> str | None:
    try:
        return json.dumps(value)
    except RecursionError:
        return None


def _storable(number: float) -> Stored:
    return number if isinstance(number, float) or -_LARGEST <= number < _LARGEST else str(number)


def _is_cut_id(name: str) -> bool:
    """Tell whether an id is the beginning of a UUID, as old shells print it in a column of ten characters."""
    head = name.strip()
    pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
    if not 8 <= len(head) < _CUT_ID_LENGTH:
        return False
    return all(
        character == "-" if wanted == "-" else character in "0123456789abcdefABCDEF"
        for character, wanted in zip(head, pattern, strict=False)
    )
