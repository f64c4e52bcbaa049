"""Simulates one gateway, writes what it left, and tells what that deserves.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     incident = simulated(7, Path(folder), PLAIN)
...     [path.name for path in incident.paths]
['state', 'logs']
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.corpus import put_logs, put_state
from tests.corpus.deserved import Judge
from tests.corpus.events import Knobs, count, lived
from tests.corpus.handover import DAMAGES, Handed, by_day, damaged, measure, snapshot
from tests.corpus.life import Life
from tests.corpus.traps import TRAPS, trapped
from tests.corpus.truth import Fate, Incident
from tests.corpus.truth import Row as JudgedRow
from tests.corpus.world import DAY, MINUTE, RELEASES, SECOND, Row

PLAIN: dict[str, object] = {
    "release": "2026.4.15",
    "registry": "database",
    "records": "native",
    "log": "file",
    "damage": "none",
    "jobs": 3,
    "events": 4,
    "hours": 20,
    "offset_hours": 0,
    "copied": "later",
    "records_at": "same",
    "ending": "alive",
    "trap": "none",
    "upgraded_from": "",
    "log_skew_ms": 0,
}
"""The plainest gateway: each knob at its default."""

_COMMON = ("2026.4.15", "2026.4.24", "2026.5.7", "2026.6.11")


def drawn(seed: int) -> dict[str, object]:
    """Give the knobs that a seed draws."""
    rng = random.Random(f"knobs {seed}")  # noqa: S311
    release = rng.choice((*RELEASES, *_COMMON))
    era = RELEASES[release]
    knobs = dict(PLAIN) | {"release": release, "jobs": rng.randrange(2, 7), "events": rng.randrange(2, 9)}
    knobs |= {"hours": rng.choice((8, 20, 44, 68)), "offset_hours": rng.choice((-7, 0, 0, 1, 2, 8))}
    knobs["log"] = rng.choice(("file", "file", "file", "console", "journal"))
    forms = ("database", "database", "database", "list", "list", "json", "dump", "wal")
    knobs["registry"] = rng.choice(forms if era.store == "files" else ("database", "database", "wal"))
    if knobs["registry"] == "list":
        knobs["records_at"] = rng.choice(("same", "earlier", "later"))
    knobs["damage"] = rng.choice(("none", "none", "none", *DAMAGES))
    knobs["trap"] = rng.choice(("none",) * len(TRAPS) + tuple(TRAPS))
    knobs["copied"] = rng.choice(("later", "later", "soon"))
    if era.store != "files" and rng.random() < 0.6:
        knobs["upgraded_from"] = rng.choice(("2026.4.15", "2026.5.7"))
    knobs["ending"] = rng.choice(("alive",) * 8 + ("stopped", "killed"))
    return knobs


def simulated(seed: int, into: Path, knobs: Knobs | None = None) -> Incident:
    """Simulate one gateway, write what is handed over of it below ``into``, and tell what its lost rows deserve."""
    chosen = dict(PLAIN) | dict(drawn(seed) if knobs is None else knobs)
    rng = random.Random(f"life {seed}")  # noqa: S311
    gateway = f"gateway-{seed}"
    life = lived(rng, chosen)
    handed = _copied(life, rng, chosen)
    trap = trapped(handed, str(chosen["trap"]), random.Random(f"trap {seed}"))  # noqa: S311
    done = damaged(handed, str(chosen["damage"]), random.Random(f"damage {seed}"))  # noqa: S311
    measure(handed)
    folder = into / gateway
    paths = [*put_state.write_registry(handed, folder), *put_state.write_history(handed, folder)]
    if put_logs.write_logs(handed, folder / "logs"):
        paths.append(folder / "logs")
    judge = Judge(handed)
    rows = tuple(
        JudgedRow(gateway, row.task_id, row.run.fate if row.run else Fate.NONE, judge.deserved(row))
        for row in handed.rows
        if row.status == "lost"
    )
    told = chosen | {"trap": trap, "damage": done, "records": handed.release.store}
    return Incident(seed, gateway, tuple(dict.fromkeys(paths)), rows, life.history.events, told)


# -- what is handed over ----------------------------------------------------------------------------------------------


def _copied(life: Life, rng: random.Random, knobs: Knobs) -> Handed:
    """Copy registry, run history and log: at one moment, or the run history some time before or after the registry."""
    first = snapshot(life.history, life.release)
    exported = life.now + rng.randrange(1, 40) * SECOND
    apart = rng.choice((3 * MINUTE, 20 * MINUTE, 90 * MINUTE))
    if knobs["records_at"] == "same" or knobs["registry"] != "list":
        return _handed(first, life, exported, knobs)
    life.run(exported + apart)
    second = snapshot(life.history, life.release)
    if knobs["records_at"] == "later":
        second.rows = first.rows
        return _handed(second, life, exported, knobs)
    second.records, second.jobs = first.records, first.jobs
    return _handed(second, life, life.now, knobs)


def _handed(handed: Handed, life: Life, exported: int, knobs: Knobs) -> Handed:
    handed.offset_hours = count(knobs, "offset_hours")
    handed.log_skew = count(knobs, "log_skew_ms")
    handed.registry, handed.log = str(knobs["registry"]), str(knobs["log"])
    handed.shows_cron = handed.log == "file"
    lines = sorted((line for line in life.history.lines if line.at <= life.now), key=lambda line: line.at)
    if not handed.shows_cron:
        lines = [line for line in lines if line.binding != "cron"]
    handed.lines = by_day(lines, handed.release, handed.offset_hours) if handed.shows_cron else [lines]
    if handed.registry == "list":
        _export(handed, exported)
    elif handed.registry in ("json", "dump"):
        handed.exported_at = life.now
    return handed


def _export(handed: Handed, moment: int) -> None:
    """Let a command line print the registry; up to 4.24 it shows what runs for more than five minutes as lost."""
    handed.exported_at = moment
    if not handed.release.heals:
        return
    for row in handed.rows:
        if row.status == "running" and row.runtime == "cron" and moment - (row.started or moment) >= 5 * MINUTE:
            _project(row, moment)


def _project(row: Row, moment: int) -> None:
    row.status, row.ended, row.last_event, row.projected = "lost", moment, moment, True
    row.error, row.cleanup = "backing session missing", moment + 7 * DAY
