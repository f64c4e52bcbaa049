"""The tables of a gateway's databases: by which columns they are told, and what their columns hold (formats.md §1.3).

A dump may print some columns only, in any order, under another name or as an expression, so a column is looked up by
what its heading says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from forensics.model.verdicts import SourceKind, TaskStatus


class Holds(Enum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dump: where it stands, what it is in its table, whether it was printed in local time, and
    whether its heading says how: ``datetime(x/1000, 'unixepoch')`` is UTC, a bare name may be any zone.
    """  # noqa: D205

    place: int
    name: str
    holds: Holds
    is_local: bool = False
    is_printed: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table that holds evidence. ``told_by`` lists sets of columns of which one tells a row of it from any other."""

    name: str
    kind: SourceKind
    key: str
    told_by: tuple[frozenset[str], ...]
    texts: tuple[str, ...]
    times: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    def holds(self, column: str) -> Holds | None:
        """Tell what a column of this table holds; None for a column it does not have."""
        if column in self.times:
            return Holds.TIME
        if column in self.numbers:
            return Holds.NUMBER
        return Holds.TEXT if column in self.texts else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _told(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


TASK_RUNS = Table(
    "task_runs",
    SourceKind.TASK_EXPORT,
    "task_id",
    _told("task_id status", "task_id runtime", "task_id run_id", "task_id ended_at", "status run_id source_id runtime"),
    _words(
        "task_id runtime task_kind source_id requester_session_key owner_key scope_kind child_session_key "
        "parent_flow_id parent_task_id agent_id requester_agent_id run_id execution_owner_host label task status "
        "delivery_status notify_policy last_tool_name error progress_summary terminal_summary terminal_outcome "
        "detail_json"
    ),
    _words("created_at started_at ended_at last_event_at cleanup_after"),
    _words("execution_owner_pid execution_owner_start_identity tool_use_count"),
)
RUN_LOGS = Table(
    "cron_run_logs",
    SourceKind.CRON_RUN_PAGE,
    "job_id",
    _told("job_id entry_json", "job_id ts status", "job_id run_at_ms status", "job_id run_at_ms ts"),
    _words(
        "store_key job_id status error summary diagnostics_summary delivery_status delivery_error session_id "
        "session_key run_id model provider entry_json"
    ),
    _words("ts run_at_ms next_run_at_ms created_at"),
    _words("seq delivered duration_ms total_tokens"),
)
RECEIPTS = Table(
    "cron_run_receipts",
    SourceKind.CRON_RUN_PAGE,
    "receipt_id",
    _told("receipt_id job_id"),
    _words("receipt_id store_key job_id config_revision agent_id request_run_id status error_text"),
    _words("started_at_ms finished_at_ms"),
    _words("owner_pid owner_start_time"),
)
BOOTS = Table(
    "gateway_boot_lifecycle",
    SourceKind.RESTART_RECORD,
    "boot_id",
    _told("boot_id started_at_ms"),
    _words("boot_id outcome startup_reason reason"),
    _words("started_at_ms completed_at_ms"),
    _words("pid"),
)
JOBS = Table(
    "cron_jobs",
    SourceKind.JOB_LIST,
    "job_id",
    _told("job_id job_json", "job_id state_json", "job_id last_run_at_ms", "job_id running_at_ms"),
    _words(
        "store_key job_id declaration_key owner_agent_id name description agent_id payload_kind job_json state_json "
        "schedule_identity last_run_status last_error grant_definition_revision"
    ),
    _words(
        "next_run_at_ms running_at_ms last_run_at_ms runtime_updated_at_ms updated_at grant_definition_updated_at "
        "created_at_ms updated_at_ms"
    ),
    _words("enabled sort_order last_duration_ms grant_definition_generation"),
)
TABLES = (TASK_RUNS, RECEIPTS, BOOTS, JOBS, RUN_LOGS)

_OLDEST = _words(
    "task_id runtime source_id owner_key scope_kind child_session_key parent_task_id agent_id run_id label task status "
    "delivery_status notify_policy created_at started_at ended_at last_event_at cleanup_after error progress_summary "
    "terminal_summary terminal_outcome"
)
_LATE = ("owner_key", "requester_session_key", "scope_kind", "task_kind", "parent_flow_id")


def _with(columns: tuple[str, ...], after: str, *added: str) -> tuple[str, ...]:
    place = columns.index(after) + 1
    return (*columns[:place], *added, *columns[place:])


_4_8 = _with(_OLDEST, "child_session_key", "parent_flow_id")
_4_15 = _with(_with(_4_8, "runtime", "task_kind"), "source_id", "requester_session_key")
_UPGRADED = (*(column for column in _4_15 if column not in _LATE), *_LATE)
_6_11 = _with(_4_15, "agent_id", "requester_agent_id")
_8_1 = (*_with(_6_11, "cleanup_after", "tool_use_count", "last_tool_name"), "detail_json")
_9_6 = _with(_8_1, "run_id", "execution_owner_host", "execution_owner_pid", "execution_owner_start_identity")
LAYOUTS = (_OLDEST, _4_8, _4_15, _UPGRADED, _6_11, ("detail_json", *_6_11), (*_6_11, "detail_json"), _8_1, _9_6)
"""The columns of ``task_runs`` in the order in which releases create them; formats.md §1.3, observed.md §B2. 7.35 was
captured with ``detail_json`` first."""

RUNTIMES = ("subagent", "acp", "cli", "cron")
CLOSED = {
    "runtime": RUNTIMES,
    "status": tuple(status.value for status in TaskStatus),
    "scope_kind": ("session", "system"),
    "notify_policy": ("done_only", "state_changes", "silent"),
    "terminal_outcome": ("succeeded", "blocked"),
}
"""Columns with a closed vocabulary: by these a row is seen to be cut into its columns rightly."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUALIFIED = re.compile(r"^[\w\"]{1,60}\.(?=[\w\"]+$)")
_PRINTED_TIME = re.compile(r"\s*(?:datetime|strftime)\s*\(.*\)\s*", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'")
_PLAIN_MODIFIERS = ("unixepoch", "auto", "localtime", "subsec", "subsecond")
"""What leaves a printed time in UTC or in local time; any other modifier moves it."""
_DIVIDED = re.compile(r"\s*\(?\s*(\w+)\s*/\s*10+(?:\.0*)?\s*\)?\s*")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_ENDINGS = re.compile(r"(?:_(?:utc|iso|ts|time|local|ms|sec|dt|text|at))+$")
_LONGEST_HEADING = 300


def table_of(headings: Sequence[str]) -> Table | None:
    """Tell the table whose rows stand under these headings; None where that cannot be told.

    >>> table_of(["task_id", "datetime(ended_at/1000,'unixepoch')"]).name
    'task_runs'
    """
    for table in TABLES:
        names = {column.name for column in columns_of(table, headings)}
        if any(told <= names for told in table.told_by):
            return table
    return None


def columns_of(table: Table, headings: Sequence[str]) -> list[Column]:
    """Give the columns of a table among these headings, each once: a plain name goes before an expression."""
    found: dict[str, tuple[int, Column]] = {}
    for place, heading in enumerate(headings):
        name, rank, is_local = _meaning(table, heading)
        holds = table.holds(name) if name else None
        if holds is not None and (name not in found or rank < found[name][0]):
            found[name] = rank, Column(place, name, holds, is_local, is_printed=rank == 1)
    return [column for _, column in found.values()]


def _meaning(table: Table, heading: str) -> tuple[str, int, bool]:
    """Give the column that a heading means, how far-fetched that is, and whether it is printed in local time."""
    text = _QUALIFIED.sub("", heading.strip()[:_LONGEST_HEADING]).strip('"`[]')
    plain = _CAMEL.sub("_", text).lower()
    if table.holds(plain):
        return plain, 0, False
    is_local = "local" in plain
    if _PRINTED_TIME.fullmatch(text):
        named = [word for word in dict.fromkeys(_WORD.findall(plain)) if word in table.times]
        is_shifted = any("%" not in said and said not in _PLAIN_MODIFIERS for said in _QUOTED.findall(plain))
        return ("", 9, False) if len(named) != 1 or is_shifted else (named[0], 1, is_local)
    divided = _DIVIDED.fullmatch(plain)
    if divided:
        return (divided[1], 1, False) if divided[1] in table.times else ("", 9, False)
    stem = _ENDINGS.sub("", plain)
    stems = [time for time in table.times if _ENDINGS.sub("", time) == stem]
    return (stems[0], 2, is_local) if len(stems) == 1 else ("", 9, False)
