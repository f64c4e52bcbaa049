"""Which layouts of a registry are known well enough to be written to."""

from __future__ import annotations

import sqlite3

from forensics.model.errors import RefusedError
from forensics.parsers.database import columns_of, tables_of
from forensics.parsers.task_registry import TABLE

NEWEST_USER_VERSION = 18
"""The newest schema version that was looked at: 2026.9.6 (formats.md §1.2)."""

FIRST_COLUMNS = frozenset(
    [
        *("task_id", "runtime", "source_id", "owner_key", "scope_kind", "child_session_key", "parent_task_id"),
        *("agent_id", "run_id", "label", "task", "status", "delivery_status", "notify_policy", "created_at"),
        *("started_at", "ended_at", "last_event_at", "cleanup_after", "error", "progress_summary"),
        *("terminal_summary", "terminal_outcome"),
    ]
)
"""What every release has in ``task_runs``, from 2026.3.31 on (formats.md §1.3); later ones only add columns."""


def unknown_layout(database: sqlite3.Connection) -> str | None:
    """Say in what a registry differs from all known layouts; None where it is one of them."""
    if TABLE not in tables_of(database):
        return f"there is no table {TABLE}"
    absent = sorted(FIRST_COLUMNS - columns_of(database, TABLE))
    if absent:
        return f"{TABLE} has no column {', '.join(absent)}"
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= NEWEST_USER_VERSION:
        return f"its schema version is {version}, the newest known one is {NEWEST_USER_VERSION}"
    return None


def refuse_unknown_layout(database: sqlite3.Connection) -> None:
    """Refuse to write to a registry of a layout that is not known.

    Raises:
        RefusedError: it is not known; says in what it differs.
    """
    difference = unknown_layout(database)
    if difference is not None:
        message = f"the layout of the registry is not known: {difference}; nothing was changed"
        raise RefusedError(message, "write a script instead (fix -o), and run it on a copy first")
