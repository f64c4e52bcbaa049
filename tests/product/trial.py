"""One case: the same registry with and without its fix-up, each lived with by the same gateway."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.product.building import Fix, apply, build, make_fix, registry_of, unpacked
from tests.product.cases import Case
from tests.product.gateway import Home, answer, free_port, holders, locks_held, running
from tests.product.registries import Tables, read
from tests.product.releases import Installed

GRACE_SECONDS = 300
"""The sweep lets a row alone for so long after its last event."""

PROBES = {
    "probe of the first sweep": 3600,
    **{f"probe from {seconds} s on": GRACE_SECONDS - seconds for seconds in (50, 110, 170, 230)},
}
"""Rows without a run, planted with so many seconds of age before the gateway starts: both sides hold them. The first
sweep marks the one, and those that are out of their grace by then; how many depends on how long the start takes. A mark
of another moment shows that a second sweep has looked."""

SWEEP_TAKES_MS = 10_000
SWEEPS = 2
"""So many sweeps are waited for."""

SWEEP_SECONDS = 300
"""How long to wait for both marks; the sweeps come 5 s after the start and then every 60 s."""


@dataclass(slots=True)
class Seen:
    """What one side looked like: to the command line before and after its gateway ran, and as rows."""

    begin: Tables
    end: Tables = field(default_factory=dict)
    audits: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, Any] = field(default_factory=dict)
    cron_runs: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    locks: list[dict[str, str]] = field(default_factory=list)
    holders: dict[str, int] = field(default_factory=dict)
    sweeps: list[int] = field(default_factory=list)
    console: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """Both sides of a case, the fix-up, and what its undoing did after the gateway had run."""

    case: Case
    fix: Fix
    base: Tables
    control: Seen
    repaired: Seen
    applied: list[str]
    undone: list[str]
    after_undo: Tables
    span: tuple[int, int]
    """From the first to the last moment of the trial, in epoch ms."""


def tried(case: Case, product: Installed, scratch: Path) -> Trial:
    """Build the registry of a case, correct one copy, let the product live with either, then undo."""
    begin = _now()
    folder = scratch / "cases" / case.label.replace(" ", "-").replace(",", "")
    shutil.rmtree(folder, ignore_errors=True)
    # both sides live at the same place one after the other: places are part of keys and hashes
    home = Home(folder / "live", free_port())
    capture = unpacked(case, scratch)
    build(case, product, home, capture)
    base = read(registry_of(home))
    fix = make_fix(case, home, capture, folder)
    shutil.copytree(home.root, folder / "base", symlinks=True)
    named = {str(row["task_id"]): str(row["source_id"]) for row in base["task_runs"].rows.values()}
    asked = {task_id: named[task_id] for task_id in sorted(fix.corrected)[:2]}
    control = _lived(product, home, asked)
    home.root.rename(folder / "control")
    shutil.copytree(folder / "base", home.root, symlinks=True)
    applied = apply(fix.fix, registry_of(home))
    repaired = _lived(product, home, asked)
    for task_id in asked:  # the control's sweep may have deleted the row meanwhile
        repaired.shown[task_id] = answer(product, home, "tasks", "show", task_id, "--json")
    home.root.rename(folder / "repaired")
    undone, after_undo = _undone(fix, Home(folder / "repaired", home.port), folder)
    return Trial(case, fix, base, control, repaired, applied, undone, after_undo, (begin, _now()))


def _now() -> int:
    return round(time.time() * 1000)


def _lived(product: Installed, home: Home, asked: Mapping[str, str]) -> Seen:
    """Let the gateway run over a registry for two sweeps; ``asked`` are rows of whose jobs the runs are asked for."""
    seen = Seen(read(registry_of(home)))
    _ask(product, home, seen, "before")
    plant(registry_of(home))
    with running(product, home) as pid:
        registry = registry_of(home)
        seen.locks = locks_held(pid, home)
        seen.holders = holders([registry, *(registry.with_name(registry.name + end) for end in ("-wal", "-shm"))])
        for task_id, job_id in asked.items():
            seen.cron_runs[task_id] = answer(product, home, "cron", "runs", "--id", job_id)
        seen.sweeps = sweeps_seen(home, SWEEPS)
    _ask(product, home, seen, "after")
    seen.end = read(registry_of(home))
    seen.console = (home.root / "console.log").read_text("utf-8", "replace")
    return seen


def _ask(product: Installed, home: Home, seen: Seen, when: str) -> None:
    seen.audits[when] = answer(product, home, "tasks", "audit", "--json")
    seen.lists[when] = answer(product, home, "tasks", "list", "--json")


def plant(registry: Path) -> None:
    """Put the probes into a registry."""
    now = _now()
    with closing(sqlite3.connect(registry)) as connection, connection:
        for name, age_seconds in PROBES.items():
            at = now - age_seconds * 1000
            row: Mapping[str, str | int] = {
                "task_id": name,
                "runtime": "cron",
                "source_id": "probe",
                "requester_session_key": "",
                "owner_key": "system:cron:probe",
                "scope_kind": "system",
                "run_id": f"cron:probe:{at}",
                "task": name,
                "status": "running",
                "delivery_status": "not_applicable",
                "notify_policy": "silent",
                "created_at": at,
                "started_at": at,
                "last_event_at": at,
            }
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO task_runs ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def sweeps_seen(home: Home, wanted: int) -> list[int]:
    """Wait until so many sweeps have marked probes; give their moments, in epoch ms."""
    until = time.monotonic() + SWEEP_SECONDS
    marks: list[int] = []
    while len(marks) < wanted and time.monotonic() < until:
        time.sleep(2)
        with closing(sqlite3.connect(f"file:{registry_of(home)}?mode=ro", uri=True, timeout=10)) as connection:
            asked = "SELECT DISTINCT ended_at FROM task_runs WHERE source_id = 'probe' AND status = 'lost' ORDER BY 1"
            marks = _apart([row[0] for row in connection.execute(asked)])
    return marks


def _apart(marks: list[int]) -> list[int]:
    """Give the moments of sweeps from those of marks: a sweep takes its time, but the next is a minute away."""
    return [mark for place, mark in enumerate(marks) if not place or mark - marks[place - 1] > SWEEP_TAKES_MS]


def _undone(fix: Fix, home: Home, folder: Path) -> tuple[list[str], Tables]:
    copied = folder / "undone.sqlite"
    registry = registry_of(home)
    for ending in ("", "-wal"):
        beside = registry.with_name(registry.name + ending)
        if beside.exists():
            shutil.copy2(beside, copied.with_name(copied.name + ending))
    return apply(fix.undo, copied), read(copied)
