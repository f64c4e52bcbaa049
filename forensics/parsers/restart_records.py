"""What a gateway writes down beside its log when it restarts, dies or starts: small JSON files and a log of attempts.

A sentinel, an intent, a handoff and ``gateway-restart.log`` tell of a wish or an attempt, never of a restart that
happened; a lock file and a stability bundle tell of a process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from forensics.model.errors import UnreadableError
from forensics.model.escape import for_terminal, shortened
from forensics.model.schemas import LIFECYCLE, frame_of
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import SourceKind
from forensics.parsers.fields import Document, Fields
from forensics.parsers.files import content_of, open_evidence
from forensics.parsers.forms import Form, Glimpse, document_in
from forensics.parsers.parsed import UTC_FROM_EPOCH, UTC_FROM_STAMPS, Parsed, well_formed
from forensics.parsers.timestamps import from_iso

Row = dict[str, object]

_WIDTH = 200
_LARGEST_PID = 1 << 32
_LONGEST_UPTIME_MS = 10 * 365 * 86_400_000
_WHOLE_SECOND_MS = 1000
_LINE_BYTES = 1 << 16
_HANDOFF = "gateway-supervisor-restart-handoff"
_INTENT = "gateway-restart"
_FATAL_REASONS = (
    "uncaught",
    "gateway.startup_failed",
    "gateway.restart_shutdown_timeout",
    "gateway.stop_shutdown_timeout",
    "gateway.restart_startup_failed",
    "gateway.restart_respawn_failed",
)
"""What a stability bundle is written for when the process ends or could not stop (formats.md §5)."""

_ATTEMPT = re.compile(
    rb"\[(?P<at>[^\]\n]{1,64})\] "
    rb"(?P<words>openclaw (?:restart (?:attempt|done|failed|fallback|note)|gateway lifecycle) [^\n]{0,4000})"
)
_ATTEMPT_HEAD = re.compile(
    rb"\[[^\]\n]{1,64}\] openclaw (?:restart (?:log initialized|attempt|done|failed)|gateway life)"
)
_NAMED_PID = re.compile(r"\b(?:waitPid|pid)=(\d{1,10})\b")
_STAMPED = re.compile(rb"\[\d{4}-\d\d-\d\dT")


def _sentinel(fields: Fields) -> Iterator[Row]:
    payload = fields.inner("payload")
    stats = payload.inner("stats")
    told = (payload.text("kind"), payload.text("status"), stats.text("mode"), stats.text("reason"))
    words = _words(*told, payload.text("message"))
    yield from _wish(payload, payload.time("ts"), None, f"[restart-sentinel] {words}", words)


def _intent(fields: Fields) -> Iterator[Row]:
    words = _words(fields.text("reason"), "force" if fields.truth("force") else None) or "gateway-restart"
    yield from _wish(fields, fields.time("createdAt"), _pid(fields), f"[restart-intent] {words}", words)


def _handoff(fields: Fields) -> Iterator[Row]:
    told = (fields.text("source"), fields.text("restartKind"), fields.text("supervisorMode"), fields.text("reason"))
    words = _words(*told)
    yield from _wish(fields, fields.time("createdAt"), _pid(fields), f"[restart-handoff] {words}", words)


def _lock(fields: Fields) -> Iterator[Row]:
    at, pid = fields.iso_time("createdAt"), _pid(fields)
    if at is None or pid is None:
        fields.parsed.notices.add("no_time", "a lock file without a process or a usable time stamp", fields.line)
        return
    yield _row(K.LOCK_TAKEN, fields.line, at, f"[lock] taken by pid {pid}", pid=pid, detail=fields.text("configPath"))


def _bundle(fields: Fields) -> Iterator[Row]:
    at, process = fields.iso_time("generatedAt"), fields.inner("process")
    if at is None:
        fields.parsed.notices.add("no_time", "a stability bundle without a usable time stamp", fields.line)
        return
    pid, uptime = _pid(process), process.whole("uptimeMs", _LONGEST_UPTIME_MS)
    if uptime is not None and pid is not None:
        # uptime and stamp are read one after the other: the start is known to about a second
        born, raw = at - timedelta(milliseconds=uptime), f"[stability] pid {pid} was up for {uptime} ms"
        yield _row(K.PROCESS_BORN, fields.line, born, raw, pid=pid, detail=None) | {"precision_ms": _WHOLE_SECOND_MS}
    reason = fields.text("reason") or ""
    if reason.startswith(_FATAL_REASONS):
        error = fields.inner("error")
        words = _words(reason, error.text("name"), error.text("code"), error.text("message"))
        yield _row(K.FATAL, fields.line, at, f"[stability] {words}", pid=pid, detail=words)


def boot_rows(row: Document, line: int | None, parsed: Parsed) -> list[Row]:
    """Give what one row of table ``gateway_boot_lifecycle`` tells: a boot, and its end where it has one.

    ``running_at`` of both is the boot's start, so that an end finds its boot; ``status`` of an end is the outcome.

    Notices: no_time, out_of_range, wrong_type.
    Source: formats.md §5, durable evidence; observed.md §B2 (one row per boot iteration).
    """
    fields = Fields(row, line, parsed)
    began, pid = fields.time("started_at_ms"), _pid(fields)
    if began is None:
        parsed.notices.add("no_time", "a boot without a usable start", line)
        return []
    boot = f"[gateway_boot_lifecycle] boot {(fields.text('boot_id') or '-')[:8]} pid {pid or '-'}"
    told = [_row(K.BOOT_STARTED, line, began, f"{boot} started", pid=pid, detail=fields.text("startup_reason"))]
    ended, outcome = fields.time("completed_at_ms"), fields.text("outcome")
    if ended is not None and ended < began:
        parsed.notices.add("out_of_range", "completed_at_ms lies before started_at_ms; it is read as unknown", line)
    elif ended is not None:
        words = ": ".join(part for part in (outcome or "no outcome", fields.text("reason")) if part)
        end = _row(K.BOOT_ENDED, line, ended, f"{boot} ended, {words}", pid=pid, detail=words)
        told.append(end | {"status": outcome})
    return [event | {"running_at": began} for event in told]


def sentinel_rows(row: Document, line: int | None, parsed: Parsed) -> list[Row]:
    """Give what one row of table ``gateway_restart_sentinel`` tells: why a restart was wished for.

    Notices: no_time, out_of_range, wrong_type.
    Source: formats.md §5, durable evidence.
    """
    fields = Fields(row, line, parsed)
    words = _words(fields.text("kind"), fields.text("status"), fields.text("message"))
    return list(_wish(fields, fields.time("ts"), None, f"[gateway_restart_sentinel] {words}", words))


def intent_rows(row: Document, line: int | None, parsed: Parsed) -> list[Row]:
    """Give what one row of table ``gateway_restart_intent`` tells: which process was asked to restart.

    Notices: no_time, out_of_range, wrong_type.
    Source: formats.md §5, durable evidence.
    """
    fields = Fields(row, line, parsed)
    words = _words(fields.text("kind"), fields.text("reason"))
    return list(_wish(fields, fields.time("created_at"), _pid(fields), f"[gateway_restart_intent] {words}", words))


def handoff_rows(row: Document, line: int | None, parsed: Parsed) -> list[Row]:
    """Give what one row of table ``gateway_restart_handoff`` tells: which process left its restart to a supervisor.

    Notices: no_time, out_of_range, wrong_type.
    Source: formats.md §5, durable evidence.
    """
    fields = Fields(row, line, parsed)
    told = (fields.text("source"), fields.text("restart_kind"), fields.text("supervisor_mode"), fields.text("reason"))
    words = _words(*told)
    return list(_wish(fields, fields.time("created_at"), _pid(fields), f"[gateway_restart_handoff] {words}", words))


def _wish(fields: Fields, at: datetime | None, pid: int | None, raw: str, words: str) -> Iterator[Row]:
    if at is None:
        fields.parsed.notices.add("no_time", "a wish to restart without a usable time stamp", fields.line)
        return
    yield _row(K.RESTART_REASON, fields.line, at, raw, pid=pid, detail=words or None)


def _row(kind: K, line: int | None, at: datetime, raw: str, *, pid: int | None, detail: str | None) -> Row:
    return {
        "line": line,
        "at": at,
        "kind": kind.value,
        "pid": pid,
        "detail": detail[:_WIDTH] if detail else None,
        "raw": shortened(for_terminal(raw[: 2 * _WIDTH]), _WIDTH),
        "precision_ms": 1,
    }


def _pid(fields: Fields) -> int | None:
    return fields.whole("pid", _LARGEST_PID, least=1)


def _words(*parts: str | None) -> str:
    return ", ".join(part[:_WIDTH] for part in parts if part)[:_WIDTH]


@dataclass(frozen=True, slots=True)
class _Document:
    """One kind of small JSON document: how it is told, by which key its line is found, what it says."""

    name: str
    by: str
    fits: Callable[[Mapping[str, object]], bool]
    stamp: str
    read: Callable[[Fields], Iterable[Row]]

    def recognise(self, glimpse: Glimpse) -> str | None:
        document = glimpse.document
        return self.by if isinstance(document, dict) and self.fits(document) else None

    def parse(self, path: Path) -> Parsed:
        """Read the document.

        Shape: frame ``lifecycle``, the events it tells of; ``line`` is that of its time stamp.
        Notices: no_time, out_of_range, wrong_type.
        Source: formats.md §5, durable evidence.

        Raises:
            UnreadableError: the file cannot be read, or is no such document.
        """
        content = content_of(path)
        document = document_in(content)
        if not isinstance(document, dict) or not self.fits(document):
            raise UnreadableError("it holds no such document any more")
        zone = UTC_FROM_STAMPS if isinstance(document.get(self.stamp), str) else UTC_FROM_EPOCH
        parsed = Parsed(SourceKind.RESTART_RECORD, self.by, lines=1, timezone=zone)
        rows = list(self.read(Fields(document, _line_of(content, self.stamp), parsed)))
        parsed.records, parsed.rejected = (1, 0) if rows else (0, 1)
        parsed.lifecycle = frame_of(rows, LIFECYCLE)
        parsed.spans(row["at"] for row in rows)
        return parsed

    @property
    def form(self) -> Form:
        return Form(self.name, SourceKind.RESTART_RECORD, self.recognise, lambda path, _: self.parse(path))


def _line_of(content: bytes, key: str) -> int:
    """Give the line of the first such key of a JSON document."""
    place = content.find(f'"{key}"'.encode())
    return content.count(b"\n", 0, max(place, 0)) + 1


def _is_sentinel(document: Mapping[str, object]) -> bool:
    payload = document.get("payload")
    return "version" in document and isinstance(payload, dict) and {"kind", "status", "ts"} <= payload.keys()


def _is_bundle(document: Mapping[str, object]) -> bool:
    return isinstance(document.get("process"), dict) and {"generatedAt", "reason"} <= document.keys()


_DOCUMENTS = (
    _Document(
        "restart-sentinel.json",
        "a JSON document with a payload of kind, status and ts",
        _is_sentinel,
        "ts",
        _sentinel,
    ),
    _Document(
        "gateway-restart-intent.json",
        f"a JSON document of kind {_INTENT}",
        lambda document: document.get("kind") == _INTENT and "createdAt" in document,
        "createdAt",
        _intent,
    ),
    _Document(
        "gateway-supervisor-restart-handoff.json",
        f"a JSON document of kind {_HANDOFF}",
        lambda document: document.get("kind") == _HANDOFF and "createdAt" in document,
        "createdAt",
        _handoff,
    ),
    _Document(
        "gateway.*.lock",
        "a JSON document with pid, createdAt and configPath",
        lambda document: {"pid", "createdAt", "configPath"} <= document.keys(),
        "createdAt",
        _lock,
    ),
    _Document(
        "openclaw-stability-*.json",
        "a JSON document with generatedAt, reason and process",
        _is_bundle,
        "generatedAt",
        _bundle,
    ),
)

_ATTEMPTS_BY = "lines [time] openclaw restart …"
_ATTEMPTS = "gateway-restart.log"
_ATTEMPTS_WINDOWS = "gateway-restart.log of Windows"


def parse_restart_log(path: Path) -> Parsed:
    """Read the attempts to restart that ``gateway-restart.log`` holds.

    What the service manager answered stands between them and is skipped. On Windows the stamps are in the format of
    the host's language and name no zone: such a log is named, and not guessed at.

    Shape: frame ``lifecycle``, one ``restart_reason`` per attempt, outcome or command; ``precision_ms`` is 1000 where
    the stamp is a whole second.
    Notices: local_stamp, out_of_range.
    Source: formats.md §4.4 (2026.4.24 and later).

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.RESTART_RECORD, _ATTEMPTS_BY, timezone=UTC_FROM_STAMPS)
    rows: list[Row] = []
    with open_evidence(path) as file:
        for line, raw in enumerate(_bounded(file), 1):
            parsed.lines += 1
            rows.extend(_attempt_of(raw, line, parsed))
    parsed.records = len(rows)
    if parsed.rejected and not rows:
        parsed.form, parsed.timezone = _ATTEMPTS_WINDOWS, None
    parsed.lifecycle = frame_of(rows, LIFECYCLE)
    parsed.spans(row["at"] for row in rows)
    return parsed


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """Give the lines of a file, each cut to what a line of this log can need."""
    while raw := file.readline(_LINE_BYTES):
        yield raw
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(_LINE_BYTES)


def _attempt_of(raw: bytes, line: int, parsed: Parsed) -> Iterator[Row]:
    match = _ATTEMPT.match(raw)
    if match is None:
        parsed.skipped += 1
        return
    stamp, words = (match[name].decode("utf-8", "replace").strip() for name in ("at", "words"))
    at = from_iso(stamp)
    if at is None:
        parsed.rejected += 1
        if _STAMPED.match(raw):
            parsed.notices.add("out_of_range", f"{shortened(for_terminal(stamp), 40)} is no usable time", line)
        else:
            message = "the time is in the format of the host's language and names no zone; it is not guessed at"
            parsed.notices.add("local_stamp", message, line)
        return
    named = _NAMED_PID.search(words)
    pid = int(named[1]) if named and 0 < int(named[1]) <= _LARGEST_PID else None
    told = _row(K.RESTART_REASON, line, at, raw.decode("utf-8", "replace").strip(), pid=pid, detail=well_formed(words))
    yield told | {"precision_ms": 1 if "." in stamp else _WHOLE_SECOND_MS}


def _recognise_log(glimpse: Glimpse) -> str | None:
    return _ATTEMPTS_BY if any(_ATTEMPT_HEAD.match(line) for line in glimpse.lines) else None


FORMS = (
    *(document.form for document in _DOCUMENTS),
    Form(
        _ATTEMPTS,
        SourceKind.RESTART_RECORD,
        _recognise_log,
        lambda path, _: parse_restart_log(path),
        variants=(_ATTEMPTS_WINDOWS,),
    ),
)
