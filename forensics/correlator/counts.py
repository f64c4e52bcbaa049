"""What ``openclaw tasks audit`` counts over a registry, by its own codes and severities (formats.md §2.2)."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from forensics.model.finding import Counts
from forensics.model.policy import Policy
from forensics.model.verdicts import LifecycleKind, TaskStatus

_CODES = ("stale_queued", "stale_running", "lost", "delivery_failed", "missing_cleanup", "inconsistent_timestamps")
_ACTIVE = [TaskStatus.QUEUED.value, TaskStatus.RUNNING.value]
_FROM_4_25 = [
    LifecycleKind.HTTP_LISTENING.value,
    LifecycleKind.MARKER_INTERRUPTED.value,
    LifecycleKind.DEFERRED_JOB.value,
    LifecycleKind.SHUTDOWN_STARTED.value,
]


def audit_counts(tasks: pl.DataFrame, now: datetime, policy: Policy, *, retained_lost_warns: bool) -> Counts:
    """Count the findings that the gateway's own audit would report at ``now``.

    Rows that are lost only in an export are left out: the registry has none such.

    Source: formats.md §2.2; observed.md §B5 (thresholds and severities).
    """
    rows = tasks.filter(~pl.col("projected"))
    age = pl.lit(now) - pl.coalesce("last_event_at", "started_at", "created_at")
    status = pl.col("status")
    retained = pl.lit(retained_lost_warns) & (pl.col("cleanup_after") > now)
    lost = status == TaskStatus.LOST
    ending = pl.col("ended_at") < pl.col("started_at")
    found = {
        "stale_queued": (status == TaskStatus.QUEUED) & (age >= policy.stale_queued),
        "stale_running": (status == TaskStatus.RUNNING) & (age >= policy.stale_running),
        "lost": lost,
        "delivery_failed": pl.col("delivery_status") == "failed",
        "missing_cleanup": ~status.is_in(_ACTIVE) & pl.col("cleanup_after").is_null(),
        "inconsistent_timestamps": (pl.col("started_at") < pl.col("created_at"))
        | ending
        | (status.is_in(_ACTIVE) & pl.col("ended_at").is_not_null()),
    }
    counted = rows.select(
        *(is_found.fill_null(value=False).sum().alias(code) for code, is_found in found.items()),
        (lost & retained).fill_null(value=False).sum().alias("lost_warnings"),
    ).row(0, named=True)
    errors = counted["stale_running"] + counted["lost"] - counted["lost_warnings"]
    total = sum(counted[code] for code in _CODES)
    return Counts(errors=errors, warnings=total - errors, by_code={code: counted[code] for code in _CODES})


def warns_for_retained_lost(lifecycle: pl.DataFrame) -> bool:
    """Tell whether the gateway is one that reports a retained lost row as a warning: 2026.4.25 and later (#71871)."""
    return lifecycle.filter(pl.col("kind").is_in(_FROM_4_25)).height > 0
