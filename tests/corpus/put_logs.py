"""Writes the log of a simulated gateway as its release would (formats.md §4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.corpus.handover import Handed
from tests.corpus.world import HOUR, Line, Release

STORE = "/home/claw/.openclaw/cron/jobs.json"
_LEVELS = {"DEBUG": 2, "INFO": 3, "WARN": 4, "ERROR": 5}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Shape = Callable[[Line, str, Release], str]


def write_logs(handed: Handed, folder: Path) -> bool:
    """Write what is left of the log; tell whether anything is."""
    parts = [part for part in handed.lines if part]
    if not parts or handed.log == "none":
        return False
    folder.mkdir(parents=True, exist_ok=True)
    offset = handed.offset_hours
    for part in parts:
        told = sorted(part, key=lambda line: line.at)
        path = folder / _file_name(handed, told)
        shape = _SHAPES[handed.log]
        zone = f"{offset:+03d}:00"
        lines = [shape(line, _stamp(line.at + handed.log_skew, offset) + zone, handed.release) for line in told]
        with path.open("a", encoding="utf-8") as opened:
            opened.write("".join(lines))
    return True


def _file_name(handed: Handed, part: list[Line]) -> str:
    if handed.log != "file":
        return "gateway-console.log"
    day = _EPOCH + timedelta(milliseconds=part[0].at + handed.offset_hours * HOUR)
    return f"openclaw-{day:%Y-%m-%d}.log"


_days: dict[int, str] = {}


def _stamp(moment: int, offset: int = 0) -> str:
    """Give date and time to the millisecond, without a zone."""
    day, rest = divmod(moment + offset * HOUR, 86_400_000)
    if day not in _days:
        _days[day] = f"{_EPOCH + timedelta(days=day):%Y-%m-%dT}"
    seconds, millis = divmod(rest, 1000)
    return f"{_days[day]}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{millis:03d}"


def utc(moment: int) -> str:
    """Give a moment as ISO text in UTC."""
    return _stamp(moment) + "Z"


def _as_json(line: Line, stamp: str, release: Release) -> str:
    said = _said(line, release)
    name = said["0"] if line.binding else "openclaw"
    meta = {
        "runtime": "node", "runtimeVersion": "22.23.3", "hostname": "unknown", "name": name,
        "parentNames": ["openclaw"], "date": _back(stamp), "logLevelId": _LEVELS[line.level],
        "logLevelName": line.level,
    }  # fmt: skip
    told: dict[str, object] = {**said, "_meta": meta, "time": stamp}
    if release.tells_shutdown:
        told |= {"hostname": "vm", "message": line.text}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"


def _said(line: Line, release: Release) -> dict[str, object]:
    if not line.binding:
        return {"0": line.text}
    key = "storeKey" if release.newest else "storePath"
    bound = {"module": "cron", key: STORE} if line.binding == "cron" else {"subsystem": line.binding}
    words: list[object] = [line.text] if line.fields is None else [dict(line.fields), line.text]
    binding = json.dumps(bound, separators=(",", ":"))
    return {"0": binding} | {str(number): word for number, word in enumerate(words, 1)}


def _back(stamp: str) -> str:
    """Give the same moment in UTC."""
    return datetime.fromisoformat(stamp).astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _shown(line: Line) -> str | None:
    """Give what the console shows: no line of the scheduler, and its own prefix instead of one in the text."""
    if line.binding == "cron":
        return None
    if not line.binding:
        return line.text
    shown = line.binding if line.binding == "gateway" else line.binding.removeprefix("gateway/")
    text = line.text
    for mark in (f"{shown} ", f"{shown}: "):
        text = text.removeprefix(mark)
    return f"[{shown}] {text}"


def _compact(line: Line, stamp: str, _: Release) -> str:
    shown = _shown(line)
    return "" if shown is None else f"{stamp} {shown}\n"


def _journal(line: Line, stamp: str, _: Release) -> str:
    shown = _shown(line)
    prefix = f"{stamp[:19]}{stamp[23:26]}{stamp[27:]} vm node[{line.pid}]: "
    return "" if shown is None else f"{prefix}{stamp} {shown}\n"


_SHAPES: dict[str, Shape] = {"file": _as_json, "console": _compact, "journal": _journal}
LOGS = tuple(_SHAPES)
