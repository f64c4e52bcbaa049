"""Gateway lines in every text form in which they reach a user (formats.md §4.3, §4.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from tests.parsers.shapes import as_line, at, bound, log_line, record, utc

PID = 30_362
SHOWN = {"gateway/shutdown": "shutdown", "gateway/reload": "reload", "gateway/admission": "admission"}
SHOWN |= {"gateway/heartbeat": "heartbeat", "gateway/health-monitor": "health-monitor", "gateway/ws": "ws"}
SHOWN |= {"gateway/canvas": "canvas", "gateway/hooks": "hooks", "gateway/model-pricing": "model-pricing"}


@dataclass(frozen=True, slots=True)
class Said:
    """One message, as the file log has it, and when it was said."""

    binding: str | None
    message: str
    ms: int
    fields: Mapping[str, object] = field(default_factory=dict)


def clock(ms: int, hours: int) -> datetime:
    return at(ms).astimezone(timezone(timedelta(hours=hours)))


def iso(ms: int, hours: int) -> str:
    return clock(ms, hours).isoformat(timespec="milliseconds")


def console_text(said: Said) -> str:
    """What the console prints behind its stamp: subsystem shortened, its own name left out of the message."""
    if said.binding is None:
        return said.message
    shown = SHOWN.get(said.binding, said.binding)
    message = said.message
    if message.startswith((f"{shown} ", f"{shown}: ")):
        message = message[len(shown) + 1 :].lstrip()
    return f"[{shown}] {message}"


def compact(said: Said, hours: int = 2) -> str:
    return f"{iso(said.ms, hours)} {console_text(said)}\n"


def without_offset(said: Said, hours: int = 2) -> str:
    return f"{iso(said.ms, hours)[:-6]} {console_text(said)}\n"


def bare(said: Said) -> str:
    return f"{console_text(said)}\n"


def coloured(said: Said, hours: int = 2) -> str:
    subsystem, _, message = console_text(said).partition(" ")
    stamp = f"\x1b[90m{iso(said.ms, hours)}\x1b[39m"
    if said.binding is None:
        return f"{stamp} \x1b[31m{console_text(said)}\x1b[39m\n"
    return f"{stamp} \x1b[36m{subsystem}\x1b[39m \x1b[36m{message}\x1b[39m\n"


def pretty(said: Said, hours: int = 2) -> str:
    return f"{clock(said.ms, hours):%H:%M:%S} {console_text(said)}\n"


def console_json(said: Said, hours: int = 2) -> str:
    told = {"time": iso(said.ms, hours), "level": "info", "message": said.message}
    return as_line(told | ({"subsystem": said.binding} if said.binding else {}))


def journal(prefix: str, text: str) -> str:
    return f"{prefix} host node[{PID}]: {text}\n"


def short(said: Said, hours: int = 2) -> str:
    return journal(f"{clock(said.ms, hours):%b %d %H:%M:%S}", console_text(said))


def short_with_own_stamp(said: Said, hours: int = 2) -> str:
    return journal(f"{clock(said.ms + 20, hours):%b %d %H:%M:%S}", compact(said, hours).rstrip("\n"))


def short_precise(said: Said, hours: int = 2) -> str:
    return journal(f"{clock(said.ms, hours):%b %d %H:%M:%S.%f}", console_text(said))


def short_full(said: Said, hours: int = 2) -> str:
    return journal(f"{clock(said.ms, hours):%a %Y-%m-%d %H:%M:%S} CEST", console_text(said))


def short_iso(said: Said, hours: int = 2) -> str:
    return journal(f"{clock(said.ms, hours):%Y-%m-%dT%H:%M:%S%z}", console_text(said))


def short_iso_precise(said: Said, hours: int = 2) -> str:
    return journal(f"{clock(said.ms, hours):%Y-%m-%dT%H:%M:%S.%f%z}", console_text(said))


def short_unix(said: Said) -> str:
    return journal(f"{said.ms // 1000}.{said.ms % 1000:03d}000", console_text(said))


def journal_entry(ms: int, message: object, **fields: object) -> str:
    told = {"__REALTIME_TIMESTAMP": f"{ms}000", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "node", "_PID": str(PID)}
    told |= {"_SYSTEMD_USER_UNIT": "openclaw-gateway.service"}
    return as_line({**told, "MESSAGE": message, **fields})


def journal_json(said: Said) -> str:
    return journal_entry(said.ms, compact(said).rstrip("\n"))


def journal_bytes(said: Said) -> str:
    return journal_entry(said.ms, list(coloured(said).rstrip("\n").encode()))


def nanoseconds(ms: int) -> str:
    return utc(ms)[:-1] + "456789Z"


def docker_t(said: Said) -> str:
    return f"{nanoseconds(said.ms)} {compact(said, 0)}"


def docker_t_bare(said: Said) -> str:
    return f"{nanoseconds(said.ms)} {console_text(said)}\n"


def json_file(said: Said) -> str:
    told = json.dumps({"log": coloured(said, 0), "stream": "stdout", "time": nanoseconds(said.ms)})
    return told.replace("<", "\\u003c").replace("&", "\\u0026") + "\n"


def compose(said: Said) -> str:
    return f"gateway-1  | {compact(said, 0)}"


def compose_t(said: Said) -> str:
    return f"gateway-1  | {docker_t(said)}"


def cri(said: Said) -> str:
    return f"{nanoseconds(said.ms)} stdout F {compact(said, 0)}"


def _logged(said: Said) -> str:
    fields = json.dumps(said.fields, separators=(",", ":")) + " " if said.fields else ""
    return f"{said.binding} {bound(said.binding)} {fields}{said.message}\n" if said.binding else f"{said.message}\n"


def logs(said: Said) -> str:
    return f"{utc(said.ms)} info {_logged(said)}"


def logs_clock(said: Said, hours: int = 2) -> str:
    return f"{clock(said.ms, hours):%H:%M:%S} info {_logged(said)}"


def logs_json(said: Said) -> str:
    raw = log_line(said.binding, said.message, said.fields, said.ms).rstrip("\n")
    return as_line({"type": "log", "time": utc(said.ms), "level": "info", "message": _logged(said).strip(), "raw": raw})


def file_record(said: Said) -> str:
    return as_line(record(said.binding, said.message, said.fields, said.ms))


FORMS: dict[str, tuple[str, Callable[[Said], str], int]] = {
    "compact": ("console compact", compact, 1),
    "compact with colours": ("console compact", coloured, 1),
    "pretty": ("console pretty", pretty, 1000),
    "json": ("console json", console_json, 1),
    "short": ("journalctl -o short", short, 1000),
    "short with own stamp": ("journalctl -o short", short_with_own_stamp, 1),
    "short-precise": ("journalctl -o short-precise", short_precise, 1),
    "short-full": ("journalctl -o short-full", short_full, 1000),
    "short-iso": ("journalctl -o short-iso", short_iso, 1000),
    "short-iso-precise": ("journalctl -o short-iso-precise", short_iso_precise, 1),
    "short-unix": ("journalctl -o short-unix", short_unix, 1),
    "journal json": ("journalctl -o json", journal_json, 1),
    "journal json with bytes": ("journalctl -o json", journal_bytes, 1),
    "docker -t": ("docker logs -t", docker_t, 1),
    "docker -t without own stamp": ("docker logs -t", docker_t_bare, 1),
    "json-file": ("docker json-file", json_file, 1),
    "compose": ("docker compose logs", compose, 1),
    "compose -t": ("docker compose logs -t", compose_t, 1),
    "cri": ("container runtime log", cri, 1),
    "logs": ("openclaw logs", logs, 1),
    "logs, clock": ("openclaw logs, time only", logs_clock, 1000),
    "logs json": ("openclaw logs --json", logs_json, 1),
}
"""By a name of its own: the form a file of such lines is recognised as, how a line is written, and its precision."""

WITH_CRON = ("logs", "logs, clock", "logs json")
"""Forms that show what is written to the file log only."""
