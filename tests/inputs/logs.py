"""Logs and consoles: one captured restart, in every form in which it reaches a user."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from forensics.model.verdicts import SourceKind
from tests.inputs.case import BERLIN, Captures, Case, Write
from tests.parsers import text_shapes as shapes
from tests.parsers.shapes import START_MS, as_line, record, write_log
from tests.parsers.text_shapes import Said
from tests.support.captures import DATA, epoch_ms

CAPTURE = "2026.4.15-lost-write"
LOG = "logs/openclaw-2026-11-23.log"
FIRST_LINE = "signal SIGTERM received"
RESTART_LINES = 20
"""So many lines of that log tell its second restart: a SIGTERM, and the next process up to its first jobs."""

NAME = "gateway-2026-04-17.txt"
"""A name that tells the day, as the stamps of some forms do not."""


def restart(captures: Captures, *, with_cron: bool = False) -> list[Said]:
    """Give the captured restart, moved to the morning of the founding incident."""
    records = map(json.loads, captures.text(CAPTURE, LOG).decode().splitlines())
    told = [_said(one) for one in records if str(one["0"]).startswith('{"')]
    first = next(number for number, said in enumerate(told) if said.message == FIRST_LINE)
    # the day in the path of the log is evidence of its own
    chosen = [
        replace(said, message=said.message.replace("2026-11-23", "2026-04-17"))
        for said in told[first : first + RESTART_LINES]
    ]
    return [
        replace(said, ms=said.ms - told[first].ms + START_MS) for said in chosen if with_cron or said.binding != "cron"
    ]


def _said(told: dict[str, object]) -> Said:
    bound = json.loads(str(told["0"]))
    *fields, message = (told[key] for key in sorted(key for key in told if key.isdigit() and key != "0"))
    meta = told["_meta"]
    assert isinstance(meta, dict)
    given = fields[0] if fields else {}
    assert isinstance(given, dict)
    at = datetime.fromisoformat(str(meta["date"]))
    return Said(bound.get("subsystem", "cron"), str(message), epoch_ms(at), given)


def in_form(write: Callable[[Said], str], *, with_cron: bool = False, before: Iterable[str] = ()) -> Write:
    """Write the restart line by line; ``before`` stands above it."""

    def put(folder: Path, captures: Captures) -> Path:
        return write_log(folder / NAME, *before, *map(write, restart(captures, with_cron=with_cron)))

    return put


def shaped(name: str) -> Write:
    """Write the restart in a form of ``text_shapes``."""
    return in_form(shapes.FORMS[name][1], with_cron=name in shapes.WITH_CRON)


def console(name: str) -> Write:
    """Write a captured console."""

    def put(folder: Path, _: Captures) -> Path:
        with tarfile.open(DATA / "consoles.tgz") as archive:
            member = archive.extractfile(name)
            assert member is not None
            return write_log(folder / "console.log", member.read().decode())

    return put


def error_log(folder: Path, captures: Captures) -> Path:
    """Write what launchd makes of a gateway: warnings into a file of their own, the rest into another."""
    told = restart(captures)
    is_warning = [said.message.startswith("pricing bootstrap failed") for said in told]
    warnings = [shapes.compact(said) for said, warns in zip(told, is_warning, strict=True) if warns]
    write_log(
        folder / "gateway.log", *(shapes.compact(s) for s, warns in zip(told, is_warning, strict=True) if not warns)
    )
    late = Said("gateway", "shutdown timed out; exiting without full cleanup", told[-1].ms + 1000)
    return write_log(folder / "gateway.err.log", *warnings, shapes.compact(late))


def file_log(folder: Path, captures: Captures) -> Path:
    """Write a captured file log."""
    path = folder / LOG
    path.parent.mkdir()
    path.write_bytes(captures.text(CAPTURE, LOG))
    return path


def flattened(folder: Path, captures: Captures) -> Path:
    """Write the restart as a log shipper leaves it: what ``_meta`` holds stands beside the rest."""
    lines = []
    for said in restart(captures, with_cron=True):
        told = record(said.binding, said.message, said.fields, said.ms)
        meta = told.pop("_meta")
        lines.append(as_line({"date": meta["date"], "logLevelName": meta["logLevelName"], **told}))
    return write_log(folder / NAME, *lines)


OF_SYSTEMD = "Started openclaw-gateway.service - OpenClaw Gateway (v2026.4.15).\n"


FIRST, LAST, WHOLE_LAST = "2026-04-17 07:40:44.000", "2026-04-17 07:43:45.205", "2026-04-17 07:43:45.000"
GIVEN = "local stamps in Europe/Berlin, as given"
OFFSET = "UTC from stamps with offset +02:00"
CONTAINER = "UTC from stamps with offset +00:00"
STAMPS = "UTC from stamps with Z or an offset"
READY = {
    "kind": "ready",
    "line": 11,
    "at": "2026-04-17 07:41:37.731",
    "precision_ms": 1,
    "detail": "ready (0 plugins, 21.3s)",
}
WHOLE_READY = READY | {"at": "2026-04-17 07:41:37.000", "precision_ms": 1000}


def shown(form: str, write: Write, timezone: str, *, is_whole: bool = False) -> Case:
    """Give the case of a form that shows the restart as a console does: without the lines of the scheduler.

    ``is_whole``: its stamps are whole seconds. Local stamps are read in the zone that is given.
    """
    told = (9, WHOLE_READY if is_whole else READY)
    last = WHOLE_LAST if is_whole else LAST
    zone = BERLIN if timezone == GIVEN else None
    return Case(
        form,
        SourceKind.GATEWAY_CONSOLE,
        write,
        (18, 7, 11, 0),
        {"lifecycle": told},
        first=FIRST,
        last=last,
        timezone=timezone,
        zone=zone,
    )


def with_cron(case: Case) -> Case:
    """Give the same of a form that shows what is written to the file log only: two lines more, one of them told."""
    (_, told) = case.rows["lifecycle"]
    return replace(case, counts=(20, 8, 12, 0), rows={"lifecycle": (10, told)})


CASES = (
    Case(
        "gateway file log",
        SourceKind.GATEWAY_LOG,
        file_log,
        (88, 37, 51, 0),
        {
            "tasks": (3, {"task_id": "97b96ec8-5199-4df1-9cb1-1d65e1071d5c", "status": "lost", "registry": "log"}),
            "lifecycle": (28, {"kind": "cron_started", "line": 15}),
        },
        first="2026-11-23 22:55:35.800",
        last="2026-11-23 23:22:04.930",
        timezone="UTC from _meta.date; local stamps +00:00",
    ),
    replace(
        with_cron(shown("gateway file log, flattened", flattened, "UTC from _meta.date; local stamps +00:00")),
        kind=SourceKind.GATEWAY_LOG,
    ),
    Case(
        "console compact",
        SourceKind.GATEWAY_CONSOLE,
        console("2026.4.15/lost-write/console.log"),
        (60, 21, 39, 0),
        {"lifecycle": (24, {"kind": "ready", "line": 8, "detail": "ready (0 plugins, 8.3s)"})},
        first="2026-11-23 22:55:35.855",
        last="2026-11-23 23:22:04.931",
        timezone=CONTAINER,
    ),
    Case(
        "console compact",
        SourceKind.GATEWAY_CONSOLE,
        console("2026.9.6/restarts/logs/console-gen2.log"),
        (52, 6, 46, 0),
        {"lifecycle": (7, {"kind": "ready", "line": 15, "detail": "gateway ready"})},
        first="2026-11-23 23:04:56.493",
        last="2026-11-23 23:10:33.882",
        timezone=CONTAINER,
    ),
    shown("console without offset", in_form(shapes.without_offset), GIVEN),
    shown("console pretty", shaped("pretty"), GIVEN, is_whole=True),
    shown("console json", shaped("json"), OFFSET),
    Case(
        "console without stamps",
        SourceKind.GATEWAY_CONSOLE,
        in_form(shapes.bare),
        (18, 0, 11, 7),
        {},
        timezone=None,
        notices=(*["no_stamp"] * 6, "unusable_log"),
        gateway=None,
    ),
    shown("journalctl -o short", shaped("short"), GIVEN, is_whole=True),
    shown("journalctl -o short-precise", shaped("short-precise"), GIVEN),
    shown("journalctl -o short-full", shaped("short-full"), GIVEN, is_whole=True),
    shown("journalctl -o short-iso", shaped("short-iso"), OFFSET, is_whole=True),
    shown("journalctl -o short-iso-precise", shaped("short-iso-precise"), OFFSET),
    shown("journalctl -o short-unix", shaped("short-unix"), "UTC from epoch seconds"),
    replace(
        shown("journalctl -o cat", in_form(shapes.compact, before=[OF_SYSTEMD]), OFFSET),
        counts=(19, 7, 11, 1),
        rows={"lifecycle": (9, READY | {"line": 12})},
        notices=("no_stamp",),
    ),
    shown("journalctl -o json", shaped("journal json"), f"{OFFSET}; UTC from epoch microseconds"),
    shown("docker logs -t", shaped("docker -t"), CONTAINER),
    shown("docker json-file", shaped("json-file"), CONTAINER),
    shown("docker compose logs", shaped("compose"), CONTAINER),
    shown("docker compose logs -t", shaped("compose -t"), CONTAINER),
    shown("container runtime log", shaped("cri"), CONTAINER),
    Case(
        "launchd gateway.err.log",
        SourceKind.GATEWAY_CONSOLE,
        error_log,
        (2, 1, 1, 0),
        {"lifecycle": (2, {"kind": "shutdown_failed", "line": 2})},
        first="2026-04-17 07:41:37.811",
        last="2026-04-17 07:43:46.205",
        timezone=OFFSET,
    ),
    with_cron(shown("openclaw logs", shaped("logs"), STAMPS)),
    with_cron(shown("openclaw logs, time only", shaped("logs, clock"), GIVEN, is_whole=True)),
    with_cron(shown("openclaw logs --json", shaped("logs json"), STAMPS)),
)
