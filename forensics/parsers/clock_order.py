"""Whether the stamps of a log's lines go back: seen over all of them, in one pass, keeping only the latest so far.

A clock that was set back shows on whatever line comes next, seldom on one about the life of the gateway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

import polars as pl

from forensics.model.policy import CLOCK_STEP, LATE_BY, LATE_LINES
from forensics.parsers.log_scan import LINE, scan

BATCH_LINES = 1 << 16
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_RECORD_STAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
_BEHIND_RECORD_STAMP = 'Z","logLevel'
_RECORD_STAMP_LENGTH = 24
_OTHER_STAMPS = (rf'"date" ?: ?"({_MOMENT})"', rf'"time" ?: ?"({_MOMENT})"')
_ANSI = r"(?:\x1b\[[0-9;]*m)*"
_TEXT_STAMPS = rf"^{_ANSI}({_MOMENT})[ \x1b]"
_SERVICE_STAMPS = rf"^{_ANSI}(?:[A-Za-z0-9][\w.-]* +\| )?{_ANSI}({_MOMENT})[ \x1b]"
_JSON_STAMPS = rf'^\{{.*?"(?:time|__REALTIME_TIMESTAMP)" ?: ?"({_MOMENT}|[0-9]{{16}})"'
_ORIGIN = r"^(?:\x1b\[[0-9;]*m)*([A-Za-z0-9][\w.-]*) +\| "
_ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
_STEPS_KEPT = 5
_EPOCH = r"^([0-9]{16})$"


@dataclass(slots=True)
class _Behind:
    """Lines that are stamped before an earlier one by too much: the first, and the latest stamp above it."""

    line: int
    latest: datetime
    is_late: bool
    lines: int = 1


@dataclass(slots=True)
class ClockOrder:
    """The latest stamp so far, and the first lines of each stretch that is stamped before it by too much."""

    steps: list[int] = field(default_factory=list)
    stamped: int = 0
    latest: datetime | None = None
    latest_text: str = ""
    zone: str | None = None
    is_behind: bool = False
    behind: _Behind | None = None

    def take_records(self, lines: pl.DataFrame) -> None:
        """Look at the next lines, whose stamps are cut out by ``record_stamp_expr``."""
        told = lines.select("number", _texts(lines["stamp"]))
        is_stamp = pl.col("stamp").str.contains(_RECORD_STAMP)
        self.take(told.select("number", pl.when(is_stamp).then("stamp").alias("stamp")))

    def take(self, lines: pl.DataFrame) -> None:
        """Look at the next lines.

        Shape of ``lines``: number, stamp (null where a line has none); in the order of the file.
        """
        stamped = lines.drop_nulls("stamp")
        self.stamped += stamped.height
        if stamped.height and not self._is_in_order(stamped["stamp"]):
            self._look_closely(stamped)

    def _is_in_order(self, stamps: pl.Series) -> bool:
        """Tell whether stamps of one zone rise as texts; then nothing more need be known of them."""
        zones = stamps.str.extract(_ZONE).unique()
        zone = zones[0] if zones.len() == 1 else None
        is_known = zone is not None and zone == (self.zone or zone) and not self.is_behind
        if is_known and stamps[0] >= self.latest_text and stamps.is_sorted():
            self.zone, self.latest_text, self.latest = zone, stamps[-1], None
            return True
        return False

    def _look_closely(self, stamped: pl.DataFrame) -> None:
        before = self.latest or _moments(pl.Series([self.latest_text]))[0]
        told = stamped.select("number", "stamp", _moments(stamped["stamp"]).alias("at")).drop_nulls("at")
        if not told.height:
            return
        latest = pl.max_horizontal(pl.col("at").cum_max(), pl.lit(before, dtype=told.schema["at"]))
        placed = told.with_columns((latest - pl.col("at") > CLOCK_STEP).alias("is_behind"), latest.alias("latest"))
        after = pl.col("is_behind").shift(1, fill_value=self.is_behind)
        self._take_behind(placed.filter(pl.col("is_behind") | after))
        self.latest, self.is_behind = placed["latest"][-1], placed["is_behind"][-1]
        # the text that stands for the latest moment is known only where no line is behind and one zone is used
        top = placed.filter(pl.col("at") == pl.col("latest"))
        self.latest_text = top["stamp"][-1] if top.height else self.latest_text
        self.zone = _zone_of(self.latest_text) if top.height else self.zone

    def _take_behind(self, placed: pl.DataFrame) -> None:
        """Tell lines that were written late from a clock that was set back: see ``LATE_LINES``."""
        for number, at, latest, is_behind in placed.select("number", "at", "latest", "is_behind").iter_rows():
            if len(self.steps) >= _STEPS_KEPT:
                return
            if is_behind and self.behind is None:
                self.behind = _Behind(number, latest, is_late=latest - at <= LATE_BY)
            elif self.behind is not None and not is_behind:
                if not (self.behind.is_late and at - self.behind.latest <= LATE_BY):
                    self._step()
                self.behind = None
            elif self.behind is not None:
                self.behind.lines += 1
            if self.behind is not None and (not self.behind.is_late or self.behind.lines > LATE_LINES):
                self._step()

    def close(self) -> None:
        """Look at the end: lines that are behind there were not written late as far as is known."""
        if self.behind is not None:
            self._step()

    def _step(self) -> None:
        if self.behind is not None and self.behind.line not in self.steps:
            self.steps.append(self.behind.line)


def _zone_of(stamp: str) -> str | None:
    zone = pl.Series([stamp]).str.extract(_ZONE)[0]
    return None if zone is None else str(zone)


def _texts(stamps: pl.Series) -> pl.Series:
    """Decode what was cut out of lines as bytes; a damaged line may be cut in the middle of a character."""
    try:
        return stamps.cast(pl.String)
    except pl.exceptions.ComputeError:
        texts = [None if stamp is None else stamp.decode("utf-8", "replace") for stamp in stamps]
        return pl.Series(stamps.name, texts, dtype=pl.String)


def _moments(stamps: pl.Series) -> pl.Series:
    written = stamps.str.replace(",", ".", literal=True).str.replace("Z$", "+00:00")
    moments = written.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    epoch = pl.from_epoch(stamps.str.extract(_EPOCH).cast(pl.Int64), "us").dt.replace_time_zone("UTC")
    return moments.fill_null(epoch)


def record_stamp_expr() -> pl.Expr:
    """Cut out the event date where the gateway's logger writes it; found by what follows, so fields do not count.

    Bytes are cut, as a search gives bytes and costs a quarter of what a pattern does.
    """
    behind = LINE.str.find(_BEHIND_RECORD_STAMP, literal=True).cast(pl.Int64)
    return LINE.cast(pl.Binary).bin.slice(behind + 1 - _RECORD_STAMP_LENGTH, _RECORD_STAMP_LENGTH)


def record_steps(log: IO[bytes], until: int) -> ClockOrder:
    """Look at a file log whose records are not as the gateway's logger writes them."""
    for pattern in _OTHER_STAMPS:
        order = ClockOrder()
        for lines in _batches(log, until, LINE.str.extract(pattern)):
            order.take(lines)
        order.close()
        if order.stamped:
            return order
    return ClockOrder()


def text_steps(log: IO[bytes], until: int, *, is_json: bool) -> list[int]:
    """Give the lines of a text log at which its clock goes back, where stamps tell the moment themselves."""
    order = ClockOrder()
    for lines in _batches(log, until, LINE.str.extract(_JSON_STAMPS if is_json else _TEXT_STAMPS)):
        order.take(lines)
    order.close()
    return order.steps


def service_steps(log: IO[bytes], until: int, origins: frozenset[str]) -> list[int]:
    """Give the same of ``docker compose logs``, whose lines are in order only within a service.

    ``origins`` are the services of the gateway.
    """
    orders: dict[str | None, ClockOrder] = {}
    for lines in _batches(log, until, LINE.str.extract(_SERVICE_STAMPS), LINE.str.extract(_ORIGIN)):
        for (origin,), theirs in lines.partition_by("origin", as_dict=True, maintain_order=True).items():
            orders.setdefault(origin, ClockOrder()).take(theirs)
    concerned = [order for origin, order in orders.items() if origin is None or not origins or origin in origins]
    for order in concerned:
        order.close()
    return sorted(step for order in concerned for step in order.steps)


def _batches(log: IO[bytes], until: int, stamp: pl.Expr, origin: pl.Expr | None = None) -> Iterator[pl.DataFrame]:
    told = [stamp.alias("stamp"), *([] if origin is None else [origin.alias("origin")])]
    lines = scan(log).filter(pl.col("number") <= until).select("number", *told)
    yield from lines.collect_batches(chunk_size=BATCH_LINES, maintain_order=True, engine="streaming")
