"""When would a job have run anyway? The next regular slot tells a stand-in from an ordinary run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from cronsim import CronSim, CronSimError

from forensics.model.schemas import TIME

_WHEN = ["schedule_kind", "schedule_expr", "schedule_tz", "every_ms", "anchor_at", "ready_at"]


def with_next_slot(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``next_slot`` (the first regular slot after ``ready_at``) and ``has_schedule``.

    A one-shot job that is over has a schedule but no further slot. A cron expression that names hours or days needs a
    zone, a repetition needs the time it is counted from; without one the schedule counts as unknown.

    Source: design §6, stand-in; formats.md §3.3 (schedule kinds).
    """
    wanted = rows.select(_WHEN).unique().filter(pl.col("ready_at").is_not_null())
    found = [_next_slot(*values) for values in wanted.iter_rows()]
    slots = wanted.with_columns(
        pl.Series("next_slot", [slot for _, slot in found], dtype=TIME),
        pl.Series("has_schedule", [known for known, _ in found], dtype=pl.Boolean),
    )
    return rows.join(slots, on=_WHEN, how="left", validate="m:1", nulls_equal=True)


def _next_slot(
    kind: str | None,
    expression: str | None,
    zone: str | None,
    every_ms: int | None,
    anchor: datetime | None,
    after: datetime,
) -> tuple[bool, datetime | None]:
    if kind == "every" and every_ms and anchor:
        return _next_repeat(every_ms, anchor, after)
    if kind == "at" and anchor:
        return True, anchor if anchor > after else None
    if kind == "cron" and expression:
        return _next_cron(expression, zone, after)
    return False, None


def _next_repeat(every_ms: int, anchor: datetime, after: datetime) -> tuple[bool, datetime | None]:
    every = timedelta(milliseconds=every_ms)
    try:
        return True, anchor + every * ((after - anchor) // every + 1)
    except OverflowError:  # evidence may name any number
        return False, None


def _next_cron(expression: str, zone: str | None, after: datetime) -> tuple[bool, datetime | None]:
    if not zone and not _is_same_in_every_zone(expression):
        return False, None
    try:
        local = after.astimezone(ZoneInfo(zone) if zone else UTC)
        return True, next(CronSim(expression, local)).astimezone(UTC)
    except (CronSimError, StopIteration, KeyError, ValueError, OSError):
        return False, None


def _is_same_in_every_zone(expression: str) -> bool:
    """Tell whether only the minute (and second) of an expression says anything."""
    return all(field == "*" for field in expression.split()[-4:])
