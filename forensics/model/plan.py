"""What a fix-up is to change: planned rows with their old and new values, and what they were planned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Value = int | float | str | bytes | None
"""A stored value as SQLite keeps it; text that is not UTF-8 keeps its bytes as lone surrogates."""

Stored = Mapping[str, Value]

TOUCHED = ("status", "ended_at", "last_event_at", "error", "terminal_summary", "cleanup_after")
"""The columns a correction writes."""

GUARDS = (
    "runtime",
    "task_kind",
    "source_id",
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
    "delivery_status",
    "notify_policy",
    "created_at",
    "started_at",
    "tool_use_count",
    "last_tool_name",
    "progress_summary",
    "terminal_outcome",
    "detail_json",
)
"""The columns that a correction only compares: all that any release has, but those that every command of the gateway
rewrites when it opens the registry (``owner_key``, ``scope_kind``, ``requester_session_key``).

Source: formats.md §1.3.
"""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of the registry with its stored values and the values it gets.

    ``old`` holds the touched columns and those guards that the registry has, ``new`` the touched columns. ``why`` is
    the verdict's reason, ``title`` says which run it is, ``warning`` what may undo the correction.
    """

    task_id: str
    old: Stored
    new: Stored
    verdict: str
    confidence: str | None
    why: str
    title: str = ""
    warning: str | None = None

    @property
    def guards(self) -> tuple[str, ...]:
        """The columns that are compared and not written."""
        return tuple(column for column in GUARDS if column in self.old)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a plan was made from: the registry's name and everything that was read, as path and SHA-256."""

    registry: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows to change, and what the header of the script and the journal say about them.

    ``evidence_until`` is the moment up to which the evidence was judged; ``selection`` says in words which rows were
    chosen; ``kept`` is for how many days after that moment they are kept at least.
    """

    rows: tuple[PlannedRow, ...]
    inputs: Inputs
    policy: Mapping[str, str]
    evidence_until: datetime
    selection: str
    keep_days: int | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was measured when a script was run on a private copy of the registry, and taken back again.

    ``rows`` is how many rows changed, ``of_rows`` how many the registry holds, ``other_tables`` how many tables beside
    it were compared value by value; ``foreign_keys`` is how many violations there are before and after; ``content`` is
    the digest of all that the registry held before.
    """

    rows: int
    of_rows: int
    other_tables: int
    foreign_keys: int
    content: str
