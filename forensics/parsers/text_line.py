"""One line of text, taken apart: what wrapped it, when it was said, by which subsystem, and what.

Lines reach a user through many hands: a journal, a container runtime, a supervisor, the gateway's own command line,
a paste. Every hand may wrap the line of the one before; each wrapping is taken off in turn (formats.md §4.3, §4.4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from forensics.parsers.lifecycle_messages import NO_BINDING, Event, events_of
from forensics.parsers.log_record import Record, content_of, records_in, stamp_of, store_of
from forensics.parsers.parsed import well_formed
from forensics.parsers.service_lines import is_gateway_unit, service_events_of, unit_of
from forensics.parsers.stamps import CLOCK, FULL, ISO, READERS, SYSLOG, UNIX, Stamp, Tells, iso_stamp, unix_stamp
from forensics.parsers.subsystems import content_behind, is_of_a_gateway

LONGEST_LINE = 1 << 16
_DEEPEST = 6

COMPACT = "console compact"
NO_OFFSET = "console without offset"
PRETTY = "console pretty"
CONSOLE_JSON = "console json"
BARE = "console without stamps"
SHORT = "journalctl -o short"
SHORT_PRECISE = "journalctl -o short-precise"
SHORT_FULL = "journalctl -o short-full"
SHORT_ISO = "journalctl -o short-iso"
SHORT_ISO_PRECISE = "journalctl -o short-iso-precise"
SHORT_UNIX = "journalctl -o short-unix"
CAT = "journalctl -o cat"
JOURNAL_JSON = "journalctl -o json"
DOCKER_T = "docker logs -t"
JSON_FILE = "docker json-file"
COMPOSE = "docker compose logs"
COMPOSE_T = "docker compose logs -t"
CRI = "container runtime log"
ERR_LOG = "launchd gateway.err.log"
LOGS = "openclaw logs"
LOGS_CLOCK = "openclaw logs, time only"
LOGS_JSON = "openclaw logs --json"
FILE_RECORD = "gateway file log"

_ANSI = re.compile(
    r"\x1b\[[0-9;:?]{0,32}[ -/]{0,2}[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|#033\[[0-9;]{0,32}m"
)
_SPEAKER = r"(?P<speaker>[\w./@+-]{1,64})(?:\[(?P<pid>\d{1,10})\])?: (?P<text>.*)"
_JOURNAL = re.compile(
    rf"(?:(?P<syslog>{SYSLOG})|(?P<full>{FULL})|(?P<iso>{ISO})|(?P<unix>{UNIX})) (?P<host>[\w.-]{{1,255}}) {_SPEAKER}",
    re.ASCII | re.DOTALL,
)
_COMPOSE = re.compile(r"(?P<service>[A-Za-z0-9][\w.-]{0,80}) +\| (?P<text>.*)", re.ASCII | re.DOTALL)
_CRI = re.compile(rf"(?P<iso>{ISO}) (?P<stream>stdout|stderr) [FP] (?P<text>.*)", re.ASCII | re.DOTALL)
_DOCKER = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{7,9})?(?:Z|[+-]\d\d:\d\d)) (?P<text>.*)", re.ASCII | re.DOTALL
)
_NANOSECONDS = re.compile(r"\.\d{7,9}")
_LEVEL = r"(?P<level>silly|trace|debug|info|warn|error|fatal)"
_LOGS = re.compile(
    rf"(?:(?P<iso>{ISO})|(?P<clock>{CLOCK})) {_LEVEL} +(?:(?P<name>[\w./:-]{{1,80}}) )?(?P<text>\{{.*|\[.*|.*)",
    re.ASCII | re.DOTALL,
)
_STAMPED = re.compile(
    rf"(?:(?P<iso>{ISO})|(?P<clock>{CLOCK})) +(?:{_LEVEL} +)?(?:\[(?P<shown>[\w./:-]{{1,80}})\]:? )?(?P<text>.*)",
    re.ASCII | re.DOTALL,
)
_BRACKETED = re.compile(r"\[(?P<shown>[\w./:-]{1,80})\]:? (?P<text>.*)", re.ASCII | re.DOTALL)
_GATEWAY_SPEAKER = re.compile(
    r"(?:node(?:js)?|bun|MainThread|(?:openclaw|clawdbot|moltbot)[\w.-]*|[0-9a-f]{12})$", re.ASCII
)
_BLOB = re.compile(r"\[[\d.]{1,10}[KMG]?B? blob data\]$", re.ASCII)


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line. ``outer`` is the stamp of what wrapped it, ``inner`` its own; ``origin`` the unit or service it is of.

    ``host`` is the machine that a journal names; ``content`` is binding, fields and wording as the file log has them,
    None where no gateway said it; ``manager`` is what systemd itself said of the gateway's unit; ``stores`` are the
    cron stores it names.
    """

    number: int
    form: str | None = None
    outer: Stamp | None = None
    inner: Stamp | None = None
    content: tuple[str, Record, str] | None = None
    manager: str | None = None
    is_shown: bool = False
    pid: int | None = None
    origin: str | None = None
    host: str | None = None
    stores: frozenset[str] = frozenset()
    stream: str | None = None
    is_blob: bool = False

    @property
    def is_stamped(self) -> bool:
        """Tell whether anything says when the line was said."""
        return self.outer is not None or self.inner is not None

    @property
    def is_sign_of_life(self) -> bool:
        """Tell whether only a gateway process writes such a line."""
        return self.content is not None and is_of_a_gateway(self.content[0])

    def events(self) -> list[Event]:
        """Give what the line says about the gateway process."""
        if self.manager is not None:
            return list(service_events_of(self.manager))
        return list(events_of(*self.content)) if self.content is not None else []


@dataclass(slots=True)
class _Peeling:
    """A line on its way: what is left of its text, and what its wrappings said."""

    line: TextLine
    text: str
    wrapper: str | None = None
    depth: int = 0


def take_apart(number: int, raw: str) -> list[TextLine]:
    """Give the line or, where several records stand on it, the lines that it holds; never none.

    >>> (line,) = take_apart(1, "2026-04-17T09:40:44.250+02:00 [shutdown] started: gateway stopping")
    >>> line.form, line.content
    ('console compact', ('gateway/shutdown', {}, 'shutdown started: gateway stopping'))
    """
    text = _ANSI.sub("", raw[:LONGEST_LINE].rstrip("\r\n").lstrip("\ufeff"))
    return _peeled(_Peeling(TextLine(number), text))


def _peeled(peeling: _Peeling) -> list[TextLine]:
    text = peeling.text
    if peeling.depth > _DEEPEST:
        return [peeling.line]
    if text.startswith("{"):
        records = records_in(text)
        return [told for record in records for told in _of_record(peeling, record)] or [peeling.line]
    for unwrap in (_of_compose, _of_cri, _of_journal, _of_docker):
        lines = unwrap(peeling)
        if lines is not None:
            return lines
    return [_of_text(peeling)]


def _inside(peeling: _Peeling, wrapper: str, text: str, line: TextLine) -> list[TextLine]:
    """Go on with the text inside a wrapping."""
    outer = peeling.wrapper or wrapper
    return _peeled(_Peeling(replace(line, form=outer), _ANSI.sub("", text), outer, peeling.depth + 1))


def _of_compose(peeling: _Peeling) -> list[TextLine] | None:
    match = _COMPOSE.match(peeling.text) if peeling.wrapper is None else None
    if match is None:
        return None
    lines = _inside(peeling, COMPOSE, match["text"], replace(peeling.line, origin=match["service"]))
    return [replace(line, form=COMPOSE_T) if line.outer is not None else line for line in lines]


def _of_cri(peeling: _Peeling) -> list[TextLine] | None:
    match = _CRI.match(peeling.text)
    stamp = iso_stamp(match["iso"]) if match is not None else None
    if match is None or stamp is None:
        return None
    return _inside(peeling, CRI, match["text"], replace(peeling.line, outer=stamp, stream=match["stream"]))


def _of_docker(peeling: _Peeling) -> list[TextLine] | None:
    """Take off the stamp of ``docker logs -t``: of nanoseconds, or before a stamp of the gateway's own."""
    match = _DOCKER.match(peeling.text) if peeling.line.outer is None else None
    stamp = iso_stamp(match["iso"]) if match is not None else None
    if match is None or stamp is None:
        return None
    if not _NANOSECONDS.search(match["iso"]) and not re.match(rf"(?:{ISO}|{CLOCK}) ", match["text"], re.ASCII):
        return None
    return _inside(peeling, DOCKER_T, match["text"], replace(peeling.line, outer=stamp))


def _of_journal(peeling: _Peeling) -> list[TextLine] | None:
    match = _JOURNAL.match(peeling.text) if peeling.line.outer is None else None
    if match is None:
        return None
    style = str(match.lastgroup and next(name for name in ("syslog", "full", "iso", "unix") if match[name]))
    stamp = READERS[style](match[style])
    if stamp is None:
        return None
    line = replace(peeling.line, outer=stamp, host=match["host"], form=_journal_form(style, match[style]))
    return _said_by(replace(peeling, line=line), line.form or SHORT, match["speaker"], match["pid"], match["text"])


def _journal_form(style: str, written: str) -> str:
    is_fine = "." in written
    forms = {
        "syslog": SHORT_PRECISE if is_fine else SHORT,
        "iso": SHORT_ISO_PRECISE if is_fine else SHORT_ISO,
        "full": SHORT_FULL,
        "unix": SHORT_UNIX,
    }
    return forms[style]


def _said_by(peeling: _Peeling, form: str, speaker: str, pid: str | None, text: str) -> list[TextLine]:
    """Go on with a line of a journal, by who said it: the gateway, systemd, or someone else."""
    line = replace(peeling.line, form=peeling.wrapper or form)
    if speaker == "systemd":
        return [_of_manager(line, text)]
    if not _GATEWAY_SPEAKER.match(speaker):
        return [line]
    if _BLOB.match(text):
        return [replace(line, is_blob=True)]
    told = replace(line, pid=int(pid) if pid else None)
    return _inside(peeling, form, text, told)


def _of_manager(line: TextLine, text: str) -> TextLine:
    told = well_formed(text).rstrip()
    if not any(service_events_of(told)):
        return line
    return replace(line, manager=told, origin=unit_of(told) or line.origin)


def _of_text(peeling: _Peeling) -> TextLine:
    """Read a line that nothing wraps any more: of ``openclaw logs``, or of the console."""
    text, line = peeling.text, peeling.line
    match = _LOGS.match(text)
    if match is not None and not match["text"].startswith("["):
        return _of_logs(peeling, match)
    match = _STAMPED.match(text)
    stamp = _stamp_in(match) if match is not None else None
    if match is not None and stamp is not None:
        forms = {Tells.MOMENT: COMPACT, Tells.DATE: NO_OFFSET, Tells.NO_DATE: PRETTY}
        content = content_behind(match["shown"], well_formed(match["text"]))
        form = peeling.wrapper or forms[stamp.tells]
        return replace(line, form=form, inner=stamp, content=content, is_shown=match["shown"] is not None)
    match = _BRACKETED.match(text)
    if match is not None:
        content = content_behind(match["shown"], well_formed(match["text"]))
        return replace(line, form=peeling.wrapper or BARE, content=content, is_shown=True)
    if peeling.wrapper is None and any(service_events_of(text)):
        return replace(_of_manager(line, text), form=CAT)
    return replace(line, content=(NO_BINDING, {}, well_formed(text))) if peeling.wrapper is not None else line


def _stamp_in(match: re.Match[str]) -> Stamp | None:
    style = "iso" if match["iso"] else "clock"
    return READERS[style](match[style])


def _of_logs(peeling: _Peeling, match: re.Match[str]) -> TextLine:
    """Read a line of ``openclaw logs``: the binding and the fields stand as JSON before the message."""
    stamp = _stamp_in(match)
    line = replace(peeling.line, inner=stamp, form=peeling.wrapper or (LOGS_CLOCK if match["clock"] else LOGS))
    objects, text = _objects_before(match["text"])
    name = objects[0].get("subsystem", objects[0].get("module")) if objects else None
    if not isinstance(name, str):
        unbound = f"{match['name']} {match['text']}" if match["name"] else match["text"]
        return replace(line, content=(NO_BINDING, {}, well_formed(unbound)))
    fields = {key: value for told in objects[1:] for key, value in told.items()}
    stores = frozenset(store_of({"0": json.dumps(objects[0])}))
    return replace(line, content=(name, fields, well_formed(text)), is_shown=True, stores=stores)


def _objects_before(text: str) -> tuple[list[Record], str]:
    """Take the binding and the fields off the front of a message."""
    objects: list[Record] = []
    rest = text
    while rest.startswith("{") and len(objects) < _DEEPEST:
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except (ValueError, RecursionError):
            break
        objects.append(value)
        rest = rest[end:].lstrip(" ")
    return objects, rest


def _of_record(peeling: _Peeling, record: Record) -> list[TextLine]:
    for reads, read in _RECORDS:
        if reads(record):
            return read(peeling, record)
    return [peeling.line]


def _is_journal(record: Record) -> bool:
    return "__REALTIME_TIMESTAMP" in record and "MESSAGE" in record


def _of_journal_record(peeling: _Peeling, record: Record) -> list[TextLine]:
    stamp = unix_stamp(str(record["__REALTIME_TIMESTAMP"])[:20])
    text = _message_of(record["MESSAGE"])
    host = record.get("_HOSTNAME")
    line = replace(peeling.line, outer=stamp, host=host if isinstance(host, str) else None, form=JOURNAL_JSON)
    speaker, pid = str(record.get("SYSLOG_IDENTIFIER", "")), str(record.get("_PID", ""))
    if text is None:
        return [replace(line, is_blob=bool(_GATEWAY_SPEAKER.match(speaker)))]
    unit = record.get("_SYSTEMD_USER_UNIT", record.get("_SYSTEMD_UNIT"))
    if speaker != "systemd" and isinstance(unit, str) and is_gateway_unit(unit):
        line, speaker = replace(line, origin=unit), "openclaw"
    usable_pid = pid if pid.isascii() and pid.isdigit() and len(pid) <= 10 else None
    return _said_by(replace(peeling, line=line), JOURNAL_JSON, speaker, usable_pid, text)


def _message_of(message: object) -> str | None:
    """Give the text of a journal entry: a string or, where that is no UTF-8 or has colours, its bytes."""
    if isinstance(message, str):
        return message
    if isinstance(message, list) and all(isinstance(byte, int) and 0 <= byte <= 255 for byte in message):
        return bytes(message).decode("utf-8", "replace")
    return None


def _is_json_file(record: Record) -> bool:
    return isinstance(record.get("log"), str) and isinstance(record.get("time"), str) and "stream" in record


def _of_json_file(peeling: _Peeling, record: Record) -> list[TextLine]:
    line = replace(peeling.line, outer=iso_stamp(str(record["time"])[:40]), stream=str(record["stream"])[:10])
    return _inside(peeling, JSON_FILE, str(record["log"]).rstrip("\n"), line)


def _is_logs_record(record: Record) -> bool:
    return record.get("type") in ("log", "raw", "meta", "notice", "error") and bool(
        {"raw", "cursor", "message"} & record.keys()
    )


def _of_logs_record(peeling: _Peeling, record: Record) -> list[TextLine]:
    raw = record.get("raw")
    line = replace(peeling.line, form=LOGS_JSON)
    if not isinstance(raw, str):
        return [line]
    return _inside(peeling, LOGS_JSON, raw, line)


def _is_file_record(record: Record) -> bool:
    return "0" in record and ("_meta" in record or isinstance(record.get("time"), str))


def _of_file_record(peeling: _Peeling, record: Record) -> list[TextLine]:
    at = stamp_of(record)
    stamp = Stamp(Tells.MOMENT, at.replace(tzinfo=None), at) if at is not None else None
    told = replace(peeling.line, inner=stamp, content=content_of(record), is_shown=True)
    return [replace(told, form=peeling.wrapper or FILE_RECORD, stores=frozenset(store_of(record)))]


def _is_console_record(record: Record) -> bool:
    texts = [record.get(key) for key in ("time", "level", "message")]
    return all(isinstance(text, str) for text in texts) and "_meta" not in record


def _of_console_record(peeling: _Peeling, record: Record) -> list[TextLine]:
    stamp = iso_stamp(str(record["time"])[:40])
    content = content_of(record)
    told = replace(peeling.line, inner=stamp, content=content, is_shown=bool(content[0]))
    return [replace(told, form=peeling.wrapper or CONSOLE_JSON)]


_RECORDS: tuple[tuple[Callable[[Record], bool], Callable[[_Peeling, Record], list[TextLine]]], ...] = (
    (_is_journal, _of_journal_record),
    (_is_json_file, _of_json_file),
    (_is_logs_record, _of_logs_record),
    (_is_file_record, _of_file_record),
    (_is_console_record, _of_console_record),
)
