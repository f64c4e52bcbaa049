"""A simulator for tests of the scoreboard: few shapes, one release, and faults in the truth on demand."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.corpus.truth import Correct, Deserved, Fate, Incident, Row
from tests.parsers.shapes import log_line, run_entry, task_row, write_log, write_registry, write_run_log

PLAIN: dict[str, object] = {
    "release": "2026.4.15",
    "registry": "runs.sqlite",
    "records": "run logs",
    "log": "file log",
    "damage": "none",
    "jobs": 1,
    "fault": "",
}
"""Plain knobs. ``fault``: ``lie`` makes the truth say that errors were successes, ``stranger`` leaves a row out of the
truth, ``ghost`` adds one to it, ``mute`` expects a reason that is never told."""

_DAY = 1_776_384_000_000
_MINUTE = 60_000
_START, _DOWN, _UP, _END = 9 * 60 * _MINUTE, 12 * 60 * _MINUTE, 12 * 60 * _MINUTE + 9_000, 23 * 60 * _MINUTE
_ABSENT = {"run log": "run_log_absent", "gateway log": "gateway_log_absent"}


def drawn(seed: int) -> dict[str, object]:
    """Draw the knobs of a seed; a fault is never drawn."""
    rng = random.Random(seed)  # noqa: S311
    damage = rng.choice(["none", "none", "no run logs", "no log"])
    return {**PLAIN, "damage": damage, "jobs": rng.randint(1, 5)}


def simulated(seed: int, into: Path, knobs: Mapping[str, object] | None = None) -> Incident:
    """Write one gateway of a day with one restart at noon; each job has one row that is lost."""
    told = {**drawn(seed), **(knobs or {})}
    rng = random.Random(f"jobs of {seed}")  # noqa: S311
    gateway = f"gateway-{seed}"
    folder = into / gateway
    jobs = [_Job(rng, number) for number in range(int(str(told["jobs"])))]
    write_registry(folder / "state" / "tasks" / "runs.sqlite", *(job.row() for job in jobs), _witness(rng))
    if told["damage"] != "no run logs":
        (folder / "state" / "cron" / "runs").mkdir(parents=True)
        for job in jobs:
            job.write_record(folder / "state" / "cron" / "runs")
    if told["damage"] != "no log":
        write_log(folder / "logs" / "openclaw-2026-04-17.log", *_log())
    paths = tuple(folder / part for part in ("state", "logs") if (folder / part).exists())
    rows = [Row(gateway, job.task_id, job.fate, job.deserved(told)) for job in jobs]
    return Incident(seed, gateway, paths, tuple(_faulty(rows, str(told["fault"]))), 1, told)


def _faulty(rows: list[Row], fault: str) -> list[Row]:
    if fault == "stranger":
        return rows[1:]
    return [*rows, Row(rows[0].gateway, "ghost", Fate.OK, rows[0].deserved)] if fault == "ghost" else rows


def _witness(rng: random.Random) -> dict[str, object]:
    """Give a row that shows until when the folder was copied."""
    end = _DAY + _END
    told = {"runtime": "cli", "source_id": None, "run_id": None, "status": "succeeded", "error": None}
    return task_row(_uuid(rng), **told, created_at=end, started_at=end, ended_at=end, last_event_at=end)


class _Job:
    """A job with one run: well ended, ended with an error, or cut short by the restart."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.id, self.task_id = _uuid(rng), _uuid(rng)
        self.fate = rng.choice([Fate.OK, Fate.ERROR, Fate.DIED])
        minutes_before = 60 + number if self.fate is not Fate.DIED else 5 + number
        self.start = _DAY + _DOWN - minutes_before * _MINUTE + rng.randrange(999)
        self.lasted = rng.randint(20_000, 400_000)

    def row(self) -> dict[str, object]:
        marked = _DAY + _UP + 5 * _MINUTE
        told = {"source_id": self.id, "run_id": f"cron:{self.id}:{self.start}", "created_at": self.start}
        return task_row(self.task_id, **told, started_at=self.start, ended_at=marked, last_event_at=marked)

    def write_record(self, folder: Path) -> None:
        if self.fate is Fate.DIED:
            return
        failed: dict[str, object] = {"status": "error", "error": "boom", "summary": ...}
        ending = failed if self.fate is Fate.ERROR else {}
        told = {"jobId": self.id, "durationMs": self.lasted, "ts": self.start + self.lasted + 5, "usage": {"a": 1}}
        write_run_log(folder / f"{self.id}.jsonl", run_entry(self.start, **told, **ending))

    def deserved(self, knobs: Mapping[str, object]) -> Deserved:
        causes = frozenset({"unknown" if knobs["damage"] == "no log" else "restart"})
        if knobs["damage"] == "no run logs":
            return _withheld(knobs, "run log", causes)
        if self.fate is Fate.DIED:
            if knobs["damage"] == "no log":
                return _withheld(knobs, "gateway log", causes)
            why = "its process ended, and nothing was recorded"
            return Deserved(frozenset({"interrupted"}), frozenset({"strong"}), causes, why=why)
        is_ok = self.fate is Fate.OK or knobs["fault"] == "lie"
        verdict, status = ("false_lost", "succeeded") if is_ok else ("failed", "failed")
        correct = Correct(status, self.start + self.lasted, None if is_ok else "boom")
        exact = frozenset({"exact"})
        return Deserved(frozenset({verdict}), exact, causes, correct=correct, why="its own record says so")


def _withheld(knobs: Mapping[str, object], missing: str, causes: frozenset[str]) -> Deserved:
    reason = "never_told" if knobs["fault"] == "mute" else _ABSENT[missing]
    verdicts, reasons = frozenset({"undetermined"}), frozenset({reason})
    return Deserved(verdicts, frozenset({None}), causes, reasons, why=f"no {missing} was handed over")


def _log() -> list[str]:
    said: list[tuple[int, str]] = [
        (_START, "loading configuration…"),
        (_START + 4_000, "ready (0 plugins, 3.1s)"),
        (_DOWN, "signal SIGTERM received"),
        (_DOWN + 2, "received SIGTERM; shutting down"),
        (_UP, "loading configuration…"),
        (_UP + 4_000, "ready (0 plugins, 3.1s)"),
        (_END, "webchat connected conn=7c2a"),
    ]
    lines = [log_line("gateway", text, ms=_DAY + at) for at, text in said]
    cron_started: Callable[[int], str] = lambda at: log_line("cron", "cron: started", {"jobs": 1}, _DAY + at)  # noqa: E731
    return [*lines[:2], cron_started(_START + 5_000), *lines[2:6], cron_started(_UP + 5_000), lines[6]]


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
