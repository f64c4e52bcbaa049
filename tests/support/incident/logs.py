"""The incident's log in every form in which it reaches a user (formats.md §4)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.parsers import text_shapes as shapes
from tests.parsers.shapes import as_line, record
from tests.parsers.text_shapes import Said
from tests.support.incident import story
from tests.support.incident.story import HOURS, NEW, NEWEST, OLD

Writer = Callable[[Path], None]

FILE_NAME = "openclaw-2026-04-17.log"
_WARNINGS = ("drain timeout reached",)


def file_lines(wording: str) -> list[str]:
    """Give the lines of the file log."""
    new = wording != OLD
    return [
        as_line(record(said.binding, said.message, said.fields, said.ms, hours=HOURS, new=new))
        for said in story.lines(wording)
    ]


def _file(wording: str) -> Writer:
    return lambda folder: _put(folder / FILE_NAME, file_lines(wording))


def _rotated(folder: Path) -> None:
    told = file_lines(NEW)
    cut = sum(said.ms < story.ms("12:00") for said in story.lines(NEW))
    _put(folder / "openclaw-2026-04-17.1.log", told[:cut])
    _put(folder / FILE_NAME, told[cut:])


def _packed(folder: Path) -> None:
    content = "".join(file_lines(OLD)).encode()
    (folder / f"{FILE_NAME}.gz").write_bytes(gzip.compress(content, mtime=0))


def _text(
    shape: Callable[[Said], str], wording: str = OLD, name: str = "gateway-2026-04-17.txt", *, scheduler: bool = False
) -> Writer:
    return lambda folder: _put(folder / name, map(shape, _shown(wording, scheduler=scheduler)))


def _shown(wording: str, *, scheduler: bool = False) -> list[Said]:
    """Give what the console shows: no line of the scheduler, and of no line its fields."""
    return [said for said in story.lines(wording) if scheduler or said.binding != "cron"]


def _journal(shape: Callable[[Said], str]) -> Writer:
    """Write a journal: the console behind prefixes of the process that serves, and the words of systemd."""

    def put(folder: Path) -> None:
        told = [(said.ms, _of_process(shape(said), story.pid_at(said.ms))) for said in _shown(OLD)]
        told += [(said.ms, _of_systemd(shape(said))) for said in story.service_lines()]
        _put(folder / "journal-2026-04-17.txt", [line for _, line in sorted(told, key=lambda pair: pair[0])])

    return put


def _of_process(line: str, pid: int) -> str:
    return line.replace(f"node[{shapes.PID}]", f"node[{pid}]").replace(f'"_PID":"{shapes.PID}"', f'"_PID":"{pid}"')


def _of_systemd(line: str) -> str:
    if not line.startswith("{"):
        return line.replace(f"node[{shapes.PID}]", "systemd[812]")
    told = json.loads(line) | {"SYSLOG_IDENTIFIER": "systemd", "_PID": "812", "_SYSTEMD_USER_UNIT": "init.scope"}
    return as_line(told)


def _journal_json(said: Said) -> str:
    text = said.message if said.binding is None else shapes.compact(said).rstrip("\n")
    return shapes.journal_entry(said.ms, text)


def _short_with_own_stamps(said: Said) -> str:
    return shapes.short(said) if said.binding is None else shapes.short_with_own_stamp(said)


def _cat(said: Said) -> str:
    return f"{said.message}\n" if said.binding is None else shapes.compact(said)


def _logs(folder: Path) -> None:
    told = map(shapes.logs, story.lines(OLD))
    _put(folder / "logs.txt", [f"Log file: {story.LOG_FILE}\n", *told])


def _logs_json(folder: Path) -> None:
    meta = as_line({"type": "meta", "file": story.LOG_FILE, "cursor": 9000, "size": 9000})
    _put(folder / "logs.jsonl", [meta, *map(shapes.logs_json, story.lines(OLD))])


def _launchd(folder: Path) -> None:
    told = _shown(OLD)
    _put(folder / "gateway.log", [shapes.compact(said) for said in told if not said.message.startswith(_WARNINGS)])
    _put(folder / "gateway.err.log", [shapes.compact(said) for said in told if said.message.startswith(_WARNINGS)])


def _put(path: Path, told: Iterable[str]) -> None:
    path.write_text("".join(told), encoding="utf-8")


FILE_LOGS: dict[str, Writer] = {
    "file log": _file(OLD),
    "file log, new shape": _file(NEW),
    "file log, newest wording": _file(NEWEST),
    "file log, rotated": _rotated,
    "file log, gz": _packed,
    "openclaw logs": _logs,
    "openclaw logs --json": _logs_json,
}
"""Forms that show what the scheduler says."""

CONSOLES: dict[str, Writer] = {
    "console compact": _text(shapes.compact),
    "console compact, new wording": _text(shapes.compact, NEW),
    "console compact, newest wording": _text(shapes.compact, NEWEST),
    "console compact, colours": _text(shapes.coloured),
    "console json": _text(shapes.console_json),
    "short, own stamps": _journal(_short_with_own_stamps),
    "short-precise, zone given": _journal(shapes.short_precise),
    "short-iso-precise": _journal(shapes.short_iso_precise),
    "short-unix": _journal(shapes.short_unix),
    "journal json": _journal(_journal_json),
    "docker -t": _text(shapes.docker_t),
    "docker -t, no own stamps": _text(shapes.docker_t_bare),
    "container runtime": _text(shapes.cri),
    "docker json-file": _text(shapes.json_file),
    "compose": _text(shapes.compose),
    "compose -t": _text(shapes.compose_t),
    "launchd": _launchd,
    "cat": _journal(_cat),
}
"""Forms that show the gateway's own lines to the millisecond."""

COARSE: dict[str, Writer] = {
    "short-iso": _journal(shapes.short_iso),
    "short-full, zone given": _journal(shapes.short_full),
    "short, zone given": _journal(shapes.short),
    "console pretty, zone given": _text(shapes.pretty, name=FILE_NAME.replace(".log", ".txt")),
}
"""The same to the second."""

BLIND: dict[str, Writer] = {
    "short": _journal(shapes.short),
    "short-full": _journal(shapes.short_full),
    "console pretty": _text(shapes.pretty, name=FILE_NAME.replace(".log", ".txt")),
    "openclaw logs, time only": _text(shapes.logs_clock, name=FILE_NAME.replace(".log", ".txt"), scheduler=True),
    "no log": lambda _: None,
}
"""Forms that prove nothing: no log, or one whose stamps are of an unknown zone."""

ZONED = ("short, zone given", "short-full, zone given", "short-precise, zone given", "console pretty, zone given")
"""Forms for which the user names the zone."""

LOGS = FILE_LOGS | CONSOLES | COARSE | BLIND
