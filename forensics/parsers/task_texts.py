"""What the task commands print without ``--json`` (formats.md §2.2, text forms).

Only ``tasks show`` prints whole ids; lists and audits cut them to eight or nine characters, so their rows cannot be
joined with anything, and are named instead of read. So are the answers that hold counts only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from forensics.model.verdicts import SourceKind, TaskStatus
from forensics.parsers.forms import Form, Glimpse
from forensics.parsers.parsed import UTC_FROM_STAMPS, Parsed, well_formed
from forensics.parsers.task_export import TaskRecords
from forensics.parsers.text_lines import Lines, open_lines
from forensics.parsers.timestamps import epoch_ms_of_text

_BY_SHOW = "text of tasks show"
_HEADING = "Background task:"
_ABSENT = "n/a"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FIELD = re.compile(r"([a-zA-Z]{2,40}):(?: (.*))?$", re.DOTALL)
_NAMES = {"kind": "runtime", "delivery": "deliveryStatus", "notify": "notifyPolicy", "result": "terminalOutcome"}
_FIELDS = {
    "taskId", "kind", "sourceId", "status", "result", "delivery", "notify", "ownerKey", "childSessionKey",
    "parentTaskId", "agentId", "runId", "label", "task", "createdAt", "startedAt", "endedAt", "lastEventAt",
    "cleanupAfter", "error", "progressSummary", "terminalSummary",
}  # fmt: skip
_FREE_TEXTS = ("label", "task", "error", "progressSummary", "terminalSummary")
"""Fields whose values may have several lines; elsewhere a line of another name is a field of a later release."""

_TIMES = ("createdAt", "startedAt", "endedAt", "lastEventAt", "cleanupAfter")


def parse_show(path: Path) -> Parsed:
    """Read the rows that ``tasks show`` printed, one after the other.

    Shape: frame ``tasks``; ``line`` is the line of the row's id. ``lines`` counts rows.
    Notices: no_task_id, out_of_range, maybe_projected (text does not tell whether the registry says lost).
    Source: formats.md §2.1, §2.2.

    Raises:
        UnreadableError: the file cannot be read.
    """
    records = TaskRecords(Parsed(SourceKind.TASK_EXPORT, _BY_SHOW, timezone=UTC_FROM_STAMPS))
    parsed = records.parsed
    with open_lines(path) as lines:
        for line, told in _blocks(lines):
            parsed.lines += 1
            taken = records.add(_record_of(told), line)
            parsed.records += taken
            parsed.rejected += not taken
    lost = sum(row["status"] == TaskStatus.LOST for row in records.rows)
    if lost:
        parsed.notices.add(
            "maybe_projected",
            f"{lost} rows are shown as lost: up to 2026.4.24 the registry may say running; export with --json to tell",
            level="info",
        )
    return records.close()


def _blocks(lines: Lines) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """Give what each row tells, and the line of its id; a line without a known name goes on with the text above it."""
    told: dict[str, list[str]] | None = None
    key, line = "", 0
    for number, raw in lines:
        text = _COLOUR.sub("", raw.rstrip("\r\n"))
        if text.strip() == _HEADING:
            if told is not None:
                yield line, told
            told, key, line = {}, "", number
            continue
        if told is None:
            continue
        field = _FIELD.match(text)
        if field and field[1] in _FIELDS and field[1] not in told:
            key, told[field[1]] = field[1], [field[2] or ""]
            line = number if key == "taskId" else line
        elif key in _FREE_TEXTS:
            told[key].append(text)
    if told is not None:
        yield line, told


def _record_of(told: Mapping[str, list[str]]) -> dict[str, object]:
    record: dict[str, object] = {}
    for key, value in told.items():
        text = "\n".join(value).rstrip()
        if text not in (_ABSENT, ""):
            stamp = epoch_ms_of_text(text) if key in _TIMES else None
            record[_NAMES.get(key, key)] = well_formed(text) if stamp is None else stamp[0]
    if record.get("terminalOutcome") not in ("succeeded", "blocked"):
        record.pop("terminalOutcome", None)  # ``result`` may hold the summary instead
    return record


@dataclass(frozen=True, slots=True)
class _Unread:
    """An answer that holds no row which could be joined with anything."""

    name: str
    why: str
    opening: re.Pattern[str]


_USE_JSON = "it cuts ids to a few characters, so its rows cannot be joined; export again with --json"
_COUNTS_ONLY = "it holds counts, no rows; export `openclaw tasks list --json` as well"
_UNREAD = (
    _Unread("tasks list (text)", _USE_JSON, re.compile(r"Background tasks: \d+|Task +Kind +Status +Delivery +Run ")),
    _Unread(
        "tasks audit (text)",
        _USE_JSON,
        re.compile(r"Tasks audit: \d+ findings|(?:Scope +)?Severity +Code +(?:Item|Task) "),
    ),
    _Unread("tasks maintenance (text)", _COUNTS_ONLY, re.compile(r"Tasks maintenance \((?:applied|preview)\): ")),
    _Unread("status line of tasks", _COUNTS_ONLY, re.compile(r"\W*Tasks(?:: | *[│|] *)\d+ active · ")),
)


def _unread_form(unread: _Unread) -> Form:
    by = f"text of {unread.name.removesuffix(' (text)')}"

    def recognise(glimpse: Glimpse) -> str | None:
        told = (_COLOUR.sub("", line) for line in glimpse.text_lines)
        return by if any(unread.opening.match(line) for line in told) else None

    def parse(_: Path, __: object) -> Parsed:
        return named(by, f"{unread.name}: {unread.why}")

    return Form(unread.name, SourceKind.OTHER, recognise, parse)


def named(by: str, why: str) -> Parsed:
    """Give a file that is recognised and not read: a notice says why."""
    parsed = Parsed(SourceKind.OTHER, by, timezone=None)
    parsed.notices.add("no_rows", why)
    return parsed


def _document_form(name: str, test: Callable[[Mapping[str, object]], bool]) -> Form:
    def recognise(glimpse: Glimpse) -> str | None:
        return by if any(isinstance(told, dict) and test(told) for told in glimpse.documents) else None

    by = f"JSON of {name.removesuffix(' --json')}"
    return Form(name, SourceKind.OTHER, recognise, lambda _, __: named(by, f"{name}: {_COUNTS_ONLY}"))


def _has(*keys: str) -> Callable[[Iterable[str]], bool]:
    return lambda document: set(keys) <= set(document)


def _recognised_show(glimpse: Glimpse) -> str | None:
    told = [_COLOUR.sub("", line).strip() for line in glimpse.text_lines]
    follows = (after.startswith("taskId: ") for line, after in pairwise(told) if line == _HEADING)
    return _BY_SHOW if any(follows) else None


FORMS = (
    Form("tasks show (text)", SourceKind.TASK_EXPORT, _recognised_show, lambda path, _: parse_show(path)),
    *map(_unread_form, _UNREAD),
    _document_form("tasks maintenance --json", _has("mode", "maintenance", "auditBefore")),
    _document_form("status --json", _has("tasks", "taskAudit")),
)
