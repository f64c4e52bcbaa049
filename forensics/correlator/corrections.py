"""What journals of ``forensics fix`` and ``undo`` tell of the rows: which were corrected, and which state is the older.

A journal proves no change: it may have been written before a commit that never came. Only the row's own values do.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from forensics.model.journal import FIX, UNDO
from forensics.model.policy import LOST_ERROR
from forensics.model.schemas import CORRECTIONS, TIME
from forensics.model.verdicts import SourceKind, TaskStatus

_TASK = ["gateway", "task_id"]
_ORDER = ["at", "source", "row"]
_VALUES = [name.removeprefix("after_") for name in CORRECTIONS if name.startswith("after_")]
_TIMES = [name for name in _VALUES if CORRECTIONS[f"after_{name}"] == TIME]
_SURE = ("status", "ended_at")
"""What every source tells of a row; in an export, a null elsewhere may mean that the column was left out."""


class Standing(StrEnum):
    """How a row stands to what the journals say of it."""

    CORRECTED = "corrected"
    RESTORED = "restored"
    CHANGED = "changed"
    NOT_SEEN = "not_seen"


def backups_of(sources: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Give the registries that journals name as their backups, each with the latest moment before which it was made.

    A registry with a write-ahead log is none: the hash of its main file is that of a part of its rows.

    Shape: gateway, source, backup_at; key (gateway, source).
    """
    logs = sources.filter(pl.col("kind") == SourceKind.TASK_REGISTRY_WAL)["path"].str.strip_suffix("-wal")
    registries = sources.filter(
        (pl.col("kind") == SourceKind.TASK_REGISTRY) & ~pl.col("path").is_in(logs.implode())
    ).select("gateway", "sha256", pl.col("id").alias("source"))
    named = corrections.select("gateway", pl.col("backup_sha256").alias("sha256"), pl.col("at").alias("backup_at"))
    found = registries.join(named.drop_nulls(), on=["gateway", "sha256"], how="inner")
    return found.group_by("gateway", "source").agg(pl.col("backup_at").max())


def with_overtaken(states: pl.DataFrame, corrections: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_backup`` and ``is_overtaken`` to the states of all tasks.

    ``is_overtaken``: the state is older than another one at hand, as the newest journal that names the task tells.
    Where the change was committed, the row as it was before is older than the row as it was left, unless it stands in a
    registry with younger runs: there it was put back since, by hand. Where that is not known, the row in the backup is
    older than one outside it that is either of the two: the backup was made before. A row in a backup is never taken
    for what the change of that time, or a later one, made of it: it may be what an earlier one left.

    ``is_backup``: it stands in the backup of some change.

    Shape: as ``states``, with the two columns; the order is kept.
    """
    backups = backups_of(sources, corrections)
    born = pl.max_horizontal("created_at", "started_at").max().over("source")
    placed = (
        states.with_columns(born.alias("born_at"))
        .with_row_index("state")
        .join(backups, on=["gateway", "source"], how="left", validate="m:1", maintain_order="left")
    )
    newest = _newest(corrections.filter(pl.col("gateway").is_not_null()))
    told = placed.join(newest, on=_TASK, how="inner", validate="m:1", suffix="_told").filter(~pl.col("projected"))
    is_older = (pl.col("backup_at") <= pl.col("at")).fill_null(value=False)
    left_so, was_so = ~is_older & matches_expr("after"), matches_expr("before")
    born_at = pl.col("born_at")
    seen = told.with_columns(
        born_at.filter(left_so).max().over(_TASK).alias("left_born_at"),
        left_so.any().over(_TASK).alias("is_left_so"),
        (~is_older & (left_so | was_so)).any().over(_TASK).alias("is_known"),
    )
    went_on = (born_at > pl.col("left_born_at")).fill_null(value=False)
    committed = pl.col("is_applied") & pl.col("is_left_so") & (is_older | (was_so & ~went_on)) & ~left_so
    prepared = ~pl.col("is_applied") & pl.col("is_known") & is_older
    overtaken = seen.filter(committed | prepared)["state"]
    return placed.with_columns(
        pl.col("backup_at").is_not_null().alias("is_backup"),
        pl.col("state").is_in(overtaken.implode()).alias("is_overtaken"),
    ).drop("state", "backup_at", "born_at")


def with_standing(tasks: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Give the rows that journals name, each with the entry that counts, and how the row stands to it.

    The newest entry counts; one whose commit is not on record does only where the row is what it was to become, or no
    other names the row.

    ``standing``: corrected or restored, where the row is what fix or undo left; changed, where it has that status and
    end, but something else of it changed since; not_seen, where it is another state: mostly, the one before.
    ``is_cleaned``: fix cleared the text of a lost mark from a row that a late finish had corrected.

    Shape: one row per task of ``tasks`` (one row per task) that a journal names, sorted by gateway and task: its
    columns, ``standing``, ``is_cleaned``, ``is_after`` (it is what the change left) and those of ``corrections``, with
    ``_told`` behind the names that tasks have.
    """
    told = corrections.filter(pl.col("gateway").is_not_null())
    entries = tasks.join(told, on=_TASK, how="inner", suffix="_told").with_columns(
        matches_expr("after").alias("is_after"),
        pl.all_horizontal(_is_same_expr(name, f"after_{name}") for name in _SURE).alias("keeps_end"),
    )
    counts = pl.col("is_applied") | pl.col("is_after")
    newest = (
        entries.with_columns(counts.alias("counts"))
        .sort(*_TASK, "counts", "at", "source_told", "row")
        .unique(_TASK, keep="last", maintain_order=True)
    )
    cleared = pl.col("before_error").str.to_lowercase().str.contains(LOST_ERROR, literal=True).fill_null(value=False)
    was_good = pl.col("before_status").eq_missing(TaskStatus.SUCCEEDED.value)
    standing = (
        pl.when(pl.col("is_after") & (pl.col("action") == FIX))
        .then(pl.lit(Standing.CORRECTED.value))
        .when(pl.col("is_after") & (pl.col("action") == UNDO))
        .then(pl.lit(Standing.RESTORED.value))
        .when("keeps_end")
        .then(pl.lit(Standing.CHANGED.value))
        .otherwise(pl.lit(Standing.NOT_SEEN.value))
    )
    return newest.with_columns(
        standing.alias("standing"), (was_good & cleared & pl.col("after_error").is_null()).alias("is_cleaned")
    ).drop("counts", "keeps_end")


def without_corrected(healed: pl.DataFrame, tasks: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Leave out of the healed rows those that fix corrected, and add those whose left-over text it cleared.

    ``told`` is of ``with_standing``. A row whose end is still the one that fix wrote is none that a late finish
    corrected, even where something else of it has changed since.

    Shape: as ``healed``; one row per task.
    """
    left_so = pl.col("standing").is_in([Standing.CORRECTED.value, Standing.CHANGED.value])
    fixed = told.filter((pl.col("action") == FIX) & left_so & ~pl.col("is_cleaned"))
    cleaned = told.filter((pl.col("action") == FIX) & left_so & pl.col("is_cleaned"))
    known = healed.join(fixed, on=_TASK, how="anti")
    added = tasks.join(cleaned, on=_TASK, how="semi").join(known, on=_TASK, how="anti")
    return pl.concat([known, added.select(known.columns)])


def matches_expr(side: str) -> pl.Expr:
    """Tell whether a row holds the values that a journal gives for ``before`` or ``after``.

    What an export leaves out is no difference, and its times are compared as exactly as it prints them.
    """
    return pl.all_horizontal(_is_same_expr(name, f"{side}_{name}") for name in _VALUES)


def _is_same_expr(name: str, told: str) -> pl.Expr:
    ours, theirs = pl.col(name), pl.col(told)
    if name in _TIMES:
        unit = pl.col("precision_ms").fill_null(1)
        ours, theirs = ours.dt.epoch("ms") // unit, theirs.dt.epoch("ms") // unit
    is_same = ours.eq_missing(theirs)
    return is_same if name in _SURE else is_same | (ours.is_null() & (pl.col("registry") != "store"))


def _newest(corrections: pl.DataFrame) -> pl.DataFrame:
    """Give the newest entry of each task."""
    return corrections.sort(*_TASK, *_ORDER).unique(_TASK, keep="last", maintain_order=True)
