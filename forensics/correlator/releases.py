"""Which release of the gateway wrote the evidence: told by its wording, its layout and its own statements.

Nothing says the release in so many words before 2026.9. What does tell it is how lines are worded, how databases are
laid out, and for how long lost rows are kept, each true of a span of releases (formats.md §0, §1.5, §5). The spans of
one gateway are laid over each other in order of time; where two exclude each other it was updated in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from forensics.correlator.citations import in_tables, table_of
from forensics.model.evidence import Evidence
from forensics.model.finding import Citation, Release
from forensics.model.policy import INTERRUPTED_ERROR
from forensics.model.releases import ReleaseSpan
from forensics.model.verdicts import LifecycleKind, TaskStatus

_DAY = timedelta(hours=24)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Wording:
    """What the text of a line tells of the release: ``pattern`` is searched in lines of one kind."""

    kind: LifecycleKind
    pattern: str
    span: ReleaseSpan


def _from(*lowest: int) -> ReleaseSpan:
    return ReleaseSpan((lowest[0], lowest[1], lowest[2]))


def _until(*highest: int) -> ReleaseSpan:
    return ReleaseSpan(None, (highest[0], highest[1], highest[2]))


def _within(lowest: tuple[int, int, int], highest: tuple[int, int, int]) -> ReleaseSpan:
    return ReleaseSpan(lowest, highest)


_WORDINGS = (
    _Wording(LifecycleKind.READY, r"listening on wss?://", _until(2026, 4, 4)),
    _Wording(LifecycleKind.READY, r"ready \(", _within((2026, 4, 5), (2026, 4, 28))),
    _Wording(LifecycleKind.READY, r"ready$", _from(2026, 4, 29)),
    _Wording(LifecycleKind.HTTP_LISTENING, "", _from(2026, 4, 29)),
    _Wording(LifecycleKind.MARKER_CLEARED, "", _until(2026, 4, 24)),
    _Wording(LifecycleKind.MARKER_INTERRUPTED, "", _from(2026, 4, 25)),
    _Wording(LifecycleKind.DEFERRED_JOB, "", _from(2026, 4, 29)),
    _Wording(LifecycleKind.DRAIN_STARTED, r"before restart \(timeout", _until(2026, 4, 24)),
    _Wording(
        LifecycleKind.DRAIN_STARTED,
        r"draining \d+ active task.* before restart with",
        _within((2026, 4, 25), (2026, 7, 999)),
    ),
    _Wording(LifecycleKind.DRAIN_STARTED, "draining active work", _from(2026, 8, 1)),
    _Wording(LifecycleKind.DRAIN_BLOCKED, "", _within((2026, 4, 25), (2026, 7, 999))),
    _Wording(LifecycleKind.SHUTDOWN_STARTED, "", _from(2026, 4, 26)),
    _Wording(LifecycleKind.SHUTDOWN_COMPLETED, "", _from(2026, 4, 26)),
    _Wording(LifecycleKind.SIGNAL_ACTED, r"received SIGTERM; restarting", _from(2026, 4, 25)),
    _Wording(LifecycleKind.ADMISSION_CLOSED, "", _from(2026, 8, 1)),
    _Wording(LifecycleKind.RECEIPT_OPEN, "", _from(2026, 8, 1)),
    _Wording(LifecycleKind.BOOT_STARTED, "", _from(2026, 7, 1)),
)
"""Source: formats.md §5 (wordings, with the releases they were read in), §3.4 (receipts). A wording that was absent in
one release read and present in the next is taken to begin right behind the first of the two."""


def releases_of(evidence: Evidence) -> list[Release]:
    """Give, for each gateway, the releases its evidence fits, in order of time.

    Shape: one per gateway, more where it was updated; a gateway of which nothing tells has none.
    """
    clues = pl.concat(
        [_worded(evidence.lifecycle), _laid_out(evidence.sources), *_kept(evidence.tasks), _interrupted(evidence)]
    )
    ordered = in_tables(clues, evidence.sources).sort("at", "source", "line", "says", nulls_last=True)
    return [
        release
        for (gateway,), told in ordered.sort("gateway", maintain_order=True).group_by("gateway", maintain_order=True)
        for release in _laid_over(str(gateway), told.drop("gateway").iter_rows())
    ]


def given_release(text: str, gateways: Iterable[str]) -> list[Release]:
    """Take the release of every gateway from whoever asks."""
    span = ReleaseSpan.parsed(text)
    return [Release(gateway, None, span, is_given=True, evidence=()) for gateway in sorted(gateways)]


def _clues(frame: pl.DataFrame, says: str, text: pl.Expr, table: pl.Expr | None = None) -> pl.DataFrame:
    kept_in = pl.lit(None, pl.String) if table is None else table
    told = (pl.lit(says).alias("says"), text.alias("text"), kept_in.alias("table"))
    return frame.select("gateway", "at", "source", "line", *told)


def _worded(lifecycle: pl.DataFrame) -> pl.DataFrame:
    """Give the first line of each wording, and the first after a line that a wording of other releases has."""
    placed = lifecycle.filter(pl.col("gateway").is_not_null())
    told = [
        _clues(
            placed.filter((pl.col("kind") == wording.kind) & pl.col("raw").str.contains(wording.pattern)),
            str(wording.span),
            pl.col("raw"),
        )
        for wording in _WORDINGS
    ]
    return _first_of_each_run(pl.concat(told))


def _first_of_each_run(told: pl.DataFrame) -> pl.DataFrame:
    """Of lines that say the same of the release one after another keep the first: they may be thousands."""
    ordered = told.sort("gateway", "at", "source", "line", "says")
    is_new = (pl.col("says") != pl.col("says").shift(1).over("gateway", order_by="at")).fill_null(value=True)
    return ordered.filter(is_new)


def _laid_out(sources: pl.DataFrame) -> pl.DataFrame:
    stated = sources.filter(pl.col("release").is_not_null() & pl.col("gateway").is_not_null())
    return stated.select(
        "gateway",
        pl.col("last_at").alias("at"),
        pl.col("id").alias("source"),
        pl.lit(None, pl.Int64).alias("line"),
        pl.col("release").alias("says"),
        pl.lit("layout and statements of the file").alias("text"),
        pl.lit(None, pl.String).alias("table"),
    )


def _kept(tasks: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Read off the lost rows for how long they are to be kept: it was a week, and is a day from 2026.5.26."""
    lost = tasks.filter((pl.col("status") == TaskStatus.LOST) & pl.col("gateway").is_not_null() & ~pl.col("projected"))
    kept = pl.col("cleanup_after") - pl.col("ended_at")
    for span, after, told in (
        (_until(2026, 5, 25), _WEEK, "a lost row that is kept for a week"),
        (_from(2026, 5, 26), _DAY, "a lost row that is kept for a day"),
    ):
        rows = lost.filter(kept == after).with_columns(pl.col("ended_at").alias("at")).sort("at", "source", "line")
        ends = pl.concat(
            [
                rows.group_by("gateway", maintain_order=True).first(),
                rows.group_by("gateway", maintain_order=True).last(),
            ]
        )
        yield _clues(
            ends.unique(maintain_order=True).select("gateway", "at", "source", "line"), str(span), pl.lit(told)
        )


def _interrupted(evidence: Evidence) -> pl.DataFrame:
    records = evidence.runs.filter((pl.col("error") == INTERRUPTED_ERROR) & pl.col("gateway").is_not_null())
    dated = records.with_columns(pl.col("finished_at").alias("at")).sort("at", "source", "line")
    return _clues(
        dated.group_by("gateway", maintain_order=True).first(),
        str(_from(2026, 4, 25)),
        pl.lit("a record of an interrupted run"),
        table_of("origin"),
    )


def _laid_over(
    gateway: str, clues: Iterable[tuple[datetime | None, int, int | None, str, str, str | None]]
) -> Iterator[Release]:
    """Narrow the span clue by clue; a clue that excludes it begins another release."""
    since: datetime | None = None
    span = ReleaseSpan()
    cited: list[Citation] = []
    for at, source, line, says, text, table in clues:
        told = ReleaseSpan.parsed(says)
        narrowed = span.both(told)
        if narrowed is None:
            yield Release(gateway, since, span, is_given=False, evidence=tuple(cited))
            span, cited, narrowed = ReleaseSpan(), [], told
        if narrowed != span:
            since = since if cited else at
            cited.append(Citation("release", source, line, at, f"{text}: {says}", table))
        span = narrowed
    if cited:
        yield Release(gateway, since, span, is_given=False, evidence=tuple(cited))
