"""The files that were read, their spans beside each other, and what was noticed in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from forensics.model.finding import Report
from forensics.writers.html.scale import Scale, scale_over
from forensics.writers.wording import stamp

BAR = 160.0
_THINNEST = 1.5
_KIB = 1024
_LEVELS = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One file; ``x`` and ``width`` are its span on a bar of ``BAR`` units that all files share."""

    path: str
    kind: str
    form: str
    detected_by: str
    release: str
    gateway: str
    size: str
    records: int
    skipped: int
    rejected: int
    first: str
    last: str
    zone: str
    x: float
    width: float
    sha256: str


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice, with its place."""

    level: str
    code: str
    where: str
    message: str


def source_rows(sources: pl.DataFrame) -> tuple[tuple[SourceRow, ...], str, str]:
    """Give the files, and the first and the last moment that any of them reaches."""
    moments = [moment for name in ("first_at", "last_at") for moment in sources[name].drop_nulls().to_list()]
    if not moments:
        return tuple(_source(row, None) for row in sources.iter_rows(named=True)), "-", "-"
    scale = scale_over(moments, 0, BAR)
    rows = tuple(_source(row, scale) for row in sources.iter_rows(named=True))
    return rows, stamp(min(moments)), stamp(max(moments))


def _source(row: dict[str, object], scale: Scale | None) -> SourceRow:
    first, last = row["first_at"], row["last_at"]
    x = width = 0.0
    if scale and isinstance(first, datetime) and isinstance(last, datetime):
        x = min(scale.x(first), BAR - _THINNEST)
        width = round(max(scale.x(last) - x, _THINNEST), 1)
    zone = str(row["timezone"] or "-") + (" (assumed)" if row["zone_is_assumed"] else "")
    return SourceRow(
        path=str(row["path"]),
        kind=str(row["kind"]),
        form=str(row["form"] or "-"),
        detected_by=str(row["detected_by"] or "-"),
        release=str(row["release"] or "-"),
        gateway=str(row["gateway"] or "none"),
        size=_size(row["bytes"]),
        records=_count(row["records"]),
        skipped=_count(row["skipped"]),
        rejected=_count(row["rejected"]),
        first=stamp(first if isinstance(first, datetime) else None),
        last=stamp(last if isinstance(last, datetime) else None),
        zone=zone,
        x=x,
        width=width,
        sha256=str(row["sha256"] or "-"),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _size(value: object) -> str:
    """Say how large a file is, in units of 1024.

    >>> [_size(value) for value in (None, 17, 4096, 5_400_000)]
    ['-', '17 B', '4 KiB', '5.1 MiB']
    """
    if not isinstance(value, int):
        return "-"
    size, units = float(value), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= _KIB and len(units) > 1:
        size, units = size / _KIB, units[1:]
    return f"{round(size, 1):g} {units[0]}"


def notice_rows(report: Report) -> tuple[NoticeRow, ...]:
    """Give every notice, the gravest level first."""
    paths = report.paths()
    rows = []
    for notice in report.notices.iter_rows(named=True):
        path = "" if notice["source"] is None else paths[notice["source"]]
        where = f"{path}:{notice['line']}" if notice["line"] else path
        rows.append(NoticeRow(notice["level"], notice["code"], where, notice["message"]))
    return tuple(sorted(rows, key=lambda row: _rank(row.level)))


def level_counts(notices: tuple[NoticeRow, ...]) -> tuple[tuple[str, int], ...]:
    """Count the notices of each level, the gravest first."""
    counts = Counter(notice.level for notice in notices)
    return tuple(sorted(counts.items(), key=lambda one: _rank(one[0])))


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)
