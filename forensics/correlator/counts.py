"""What ``openclaw tasks audit`` counts over a registry, by its own codes and severities (formats.md §2.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from forensics.model.finding import Counts, Release
from forensics.model.policy import LOST_GRACE, LOST_RETENTION, Policy
from forensics.model.releases import (
    FIRST_WITH_DAY_OF_RETENTION,
    FIRST_WITH_LOST_CRON_ROWS,
    FIRST_WITH_RECOVERY,
    Number,
    ReleaseSpan,
)
from forensics.model.verdicts import TaskStatus

_CODES = ("stale_queued", "stale_running", "lost", "delivery_failed", "missing_cleanup", "inconsistent_timestamps")
_ACTIVE = [TaskStatus.QUEUED.value, TaskStatus.RUNNING.value]

_EARLIEST: Number = (0, 0, 0)
_LATEST: Number = (9999, 12, 999)


@dataclass(frozen=True, slots=True)
class AuditRules:
    """How one release audits.

    ``projects_cron``: a command line takes every cron row that has been active for five minutes for lost, as its own
    list of running jobs is empty. ``retained_lost_warns``: a lost row that is kept is a warning. ``keeps_lost``: a lost
    row is kept no longer than this after its mark. ``mends_creation``: a row that was created after its start is read
    as created at its start.
    """

    projects_cron: bool = False
    retained_lost_warns: bool = False
    keeps_lost: timedelta | None = None
    mends_creation: bool = False


def audit_counts(tasks: pl.DataFrame, now: datetime, policy: Policy, *, release: str | None = None) -> Counts:
    """Count the findings that ``openclaw tasks audit --json`` of this release would report at ``now``.

    Where the release is unknown a lost row is an error, and rows that are lost only in an export are left out, as the
    registry has none such; a release that shows such rows counts them. Only cron rows are projected: whether the
    session of another task still exists, no registry tells.

    Source: formats.md §2.1, §2.2; observed.md §B5 (thresholds and severities); the counts of captured releases.
    """
    rules = audit_rules(release) or AuditRules()
    rows = as_audited(tasks, now, rules)
    found = _findings(now, policy)
    warned = _is_retained(now, rules)
    counted = rows.select(
        *(is_found.fill_null(value=False).sum().alias(code) for code, is_found in found.items()),
        (found["lost"] & warned).fill_null(value=False).sum().alias("lost_warnings"),
    ).row(0, named=True)
    errors = counted["stale_running"] + counted["lost"] - counted["lost_warnings"]
    total = sum(counted[code] for code in _CODES)
    return Counts(errors=errors, warnings=total - errors, by_code={code: counted[code] for code in _CODES})


def audit_counts_of_all(tasks: pl.DataFrame, releases: Iterable[Release], now: datetime, policy: Policy) -> Counts:
    """Add up what each gateway's own audit would report: of a gateway that was updated, the one of its last release."""
    of_each = [
        audit_counts(rows, now, policy, release=release) for release, rows in rows_by_release(tasks, releases).items()
    ]
    return Counts(
        errors=sum(counts.errors for counts in of_each),
        warnings=sum(counts.warnings for counts in of_each),
        by_code={code: sum(counts.by_code[code] for counts in of_each) for code in _CODES},
    )


def rows_by_release(tasks: pl.DataFrame, releases: Iterable[Release]) -> dict[str | None, pl.DataFrame]:
    """Part the rows by the release that audits them: the last of their gateway, none where nothing tells it.

    Shape: each part as ``tasks``.
    """
    latest = {release.gateway: str(release.span) for release in releases}
    told = (
        tasks.select("gateway")
        .unique()
        .with_columns(pl.col("gateway").replace_strict(latest, default=None, return_dtype=pl.String).alias("release"))
    )
    placed = tasks.join(told, on="gateway", how="left", validate="m:1")
    return {release: rows.drop("release") for (release,), rows in placed.group_by("release", maintain_order=True)}


def audit_rules(release: str | None) -> AuditRules | None:
    """Give how a release audits; of a span of releases (``2026.6.1 or later``) only what all of them agree on.

    >>> audit_rules("2026.5.7").retained_lost_warns, audit_rules("2026.4.15").retained_lost_warns
    (True, False)
    >>> audit_rules("2026.4.15 to 2026.5.28") is audit_rules(None) is None
    True
    """
    span = ReleaseSpan.parsed(release or "")
    # what a release does it does in one stretch of releases, so the ends speak for those between
    first, last = _rules_of(span.lowest or _EARLIEST), _rules_of(span.highest or _LATEST)
    return first if first == last else None


def _rules_of(release: Number) -> AuditRules:
    has_changed = release >= FIRST_WITH_RECOVERY
    return AuditRules(
        projects_cron=FIRST_WITH_LOST_CRON_ROWS <= release < FIRST_WITH_RECOVERY,
        retained_lost_warns=has_changed,
        keeps_lost=LOST_RETENTION if release >= FIRST_WITH_DAY_OF_RETENTION else None,
        mends_creation=has_changed,
    )


def as_audited(tasks: pl.DataFrame, now: datetime, rules: AuditRules) -> pl.DataFrame:
    """Give the rows as the audit sees them: projected, or mended, or as they are.

    Shape: as ``tasks``; without the rows that are lost in an export only, where the release shows none such.
    """
    if rules.mends_creation:
        created = pl.min_horizontal("created_at", "started_at")
        tasks = tasks.with_columns(created.alias("created_at"))
    if not rules.projects_cron:
        return tasks.filter(~pl.col("projected"))
    is_lost = pl.col("status").is_in(_ACTIVE) & (pl.col("runtime") == "cron") & (_age(now) >= LOST_GRACE)
    projected = pl.when(is_lost).then(pl.lit(TaskStatus.LOST.value)).otherwise("status")
    return tasks.with_columns(projected.alias("status"))


def _age(now: datetime) -> pl.Expr:
    return pl.lit(now) - pl.coalesce("last_event_at", "started_at", "created_at")


def _findings(now: datetime, policy: Policy) -> dict[str, pl.Expr]:
    """Say for each code which rows are findings of it."""
    status = pl.col("status")
    is_kept = [*_ACTIVE, TaskStatus.LOST.value]
    return {
        "stale_queued": (status == TaskStatus.QUEUED) & (_age(now) >= policy.stale_queued),
        "stale_running": (status == TaskStatus.RUNNING) & (_age(now) >= policy.stale_running),
        "lost": status == TaskStatus.LOST,
        "delivery_failed": (pl.col("delivery_status") == "failed") & pl.col("notify_policy").ne_missing("silent"),
        "missing_cleanup": ~status.is_in(is_kept) & pl.col("cleanup_after").is_null(),
        "inconsistent_timestamps": starts_early_expr() | ends_early_expr() | is_active_ended_expr(),
    }


def starts_early_expr() -> pl.Expr:
    """Tell which rows start before they were created."""
    return pl.col("started_at") < pl.col("created_at")


def ends_early_expr() -> pl.Expr:
    """Tell which rows end before they start."""
    return pl.col("ended_at") < pl.col("started_at")


def is_active_ended_expr() -> pl.Expr:
    """Tell which rows have an end although they are queued or running."""
    return pl.col("status").is_in(_ACTIVE) & pl.col("ended_at").is_not_null()


def _is_retained(now: datetime, rules: AuditRules) -> pl.Expr:
    """Tell which lost rows the gateway still keeps; one without clean-up time is an error in every release."""
    if not rules.retained_lost_warns:
        return pl.lit(value=False)
    if rules.keeps_lost is None:
        return pl.col("cleanup_after") > now
    marked_at = pl.coalesce("ended_at", "last_event_at", "created_at")
    return (pl.col("cleanup_after") > now) & (marked_at + rules.keeps_lost > now)
