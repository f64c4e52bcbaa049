"""Which release wrote a registry, as its own tables and columns tell (formats.md §0, §1.2, §1.3)."""

from __future__ import annotations

import re
import sqlite3

from forensics.parsers.database import columns_of, tables_of
from forensics.parsers.parsed import Parsed, brief

RUNS_FILE = "tasks/runs.sqlite"
STATE_WITH_LOGS = "state/openclaw.sqlite with cron_run_logs"
STATE_WITHOUT_LOGS = "state/openclaw.sqlite without cron_run_logs"

KNOWN_SCHEMAS = {0, 1, 15, 16, 17, 18}
"""``user_version`` of the releases up to 2026.9.6; 16 and 17 lie between two that were read."""

_KNOWN_COLUMNS = frozenset(
    (
        "task_id",
        "runtime",
        "task_kind",
        "source_id",
        "requester_session_key",
        "owner_key",
        "scope_kind",
        "child_session_key",
        "parent_flow_id",
        "parent_task_id",
        "agent_id",
        "requester_agent_id",
        "run_id",
        "execution_owner_host",
        "execution_owner_pid",
        "execution_owner_start_identity",
        "label",
        "task",
        "status",
        "delivery_status",
        "notify_policy",
        "created_at",
        "started_at",
        "ended_at",
        "last_event_at",
        "cleanup_after",
        "tool_use_count",
        "last_tool_name",
        "error",
        "progress_summary",
        "terminal_summary",
        "terminal_outcome",
        "detail_json",
    )
)
_OF_EVERY_RELEASE = frozenset(("owner_key", "scope_kind", "child_session_key", "notify_policy", "progress_summary"))
"""Columns that any ``task_runs`` has; rows printed without them are a choice of columns, and tell no layout."""

_LAST_KNOWN_MONTH = (2026, 9)
_VERSION = re.compile(r"^\d{4}\.\d+\.\d+[\w.-]*")


def note_release(database: sqlite3.Connection, parsed: Parsed) -> None:
    """Say which form of registry this is and which release wrote it.

    A layout that no known release has is read by its column names as far as that goes. Where it would keep the record
    of a run is not known then, so the absence of one means nothing: the histories are dropped.

    Notices: unknown_layout.
    """
    tables, columns = tables_of(database), columns_of(database, "task_runs")
    schema = _schema_of(database, tables)
    parsed.form = _form(tables)
    stated = _stated(database, tables)
    parsed.release = stated or _by_layout(tables, columns, schema)
    unlike = sorted(columns - _KNOWN_COLUMNS)
    if stated is not None and _month_of(stated) > _LAST_KNOWN_MONTH:
        unlike.insert(0, f"release {stated}")
        parsed.histories.clear()
    if schema not in KNOWN_SCHEMAS:
        unlike.insert(0, f"schema version {schema}")
        parsed.histories.clear()
    if unlike:
        told = brief(", ".join(unlike), 200)
        parsed.notices.add(
            "unknown_layout", f"no known release has this: {told}; what is known is read by name", level="info"
        )


def _schema_of(database: sqlite3.Connection, tables: set[str]) -> int:
    """Give the version of the schema; a dump keeps only the one that the table of versions states."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version or "schema_version" not in columns_of(database, "schema_meta") or "schema_meta" not in tables:
        return version
    query = "SELECT schema_version FROM schema_meta WHERE meta_key = 'primary'"
    stated = [value for (value,) in database.execute(query) if isinstance(value, int)]
    return max(stated, default=version)


def _month_of(release: str) -> tuple[int, int]:
    year, month = release.split(".")[:2]
    return int(year), int(month)


def _form(tables: set[str]) -> str:
    if "schema_meta" not in tables and "cron_jobs" not in tables and "cron_run_logs" not in tables:
        return RUNS_FILE
    return STATE_WITH_LOGS if "cron_run_logs" in tables else STATE_WITHOUT_LOGS


def _stated(database: sqlite3.Connection, tables: set[str]) -> str | None:
    """Give the release that the database names itself; of several the one that wrote last."""
    if "schema_meta" not in tables or "app_version" not in columns_of(database, "schema_meta"):
        return None
    latest = "updated_at DESC" if "updated_at" in columns_of(database, "schema_meta") else "1"
    query = f"SELECT app_version FROM schema_meta WHERE app_version IS NOT NULL ORDER BY {latest}"  # noqa: S608 - ours
    for (text,) in database.execute(query):
        match = _VERSION.match(text) if isinstance(text, str) else None
        if match:
            return match.group()
    return None


def _by_layout(tables: set[str], columns: set[str], schema: int) -> str | None:
    if schema not in KNOWN_SCHEMAS or not columns >= _OF_EVERY_RELEASE:
        return None
    form = _form(tables)
    if form == STATE_WITHOUT_LOGS:
        return "2026.8.1 or later"
    if form == STATE_WITH_LOGS:
        return "2026.7.x" if "gateway_boot_lifecycle" in tables else "2026.6.x"
    if "parent_flow_id" not in columns:
        return "2026.3.31 to 2026.4.1"
    return "2026.4.2 to 2026.4.14" if "task_kind" not in columns else "2026.4.15 to 2026.5.28"
