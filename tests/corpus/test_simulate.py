"""The simulator is deterministic, writes what real gateways write, and does what its releases do."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import put_state
from tests.corpus.handover import DAMAGES
from tests.corpus.simulate import PLAIN, drawn, simulated
from tests.corpus.traps import TRAPS
from tests.corpus.truth import Fate, Incident
from tests.corpus.world import RELEASES
from tests.support.captures import DATA

SEEDS = range(40)


@pytest.fixture(scope="module")
def incidents(tmp_path_factory: pytest.TempPathFactory) -> list[Incident]:
    into = tmp_path_factory.mktemp("corpus")
    return [simulated(seed, into) for seed in SEEDS]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for seed in range(12):
        first, again = simulated(seed, tmp_path / "a"), simulated(seed, tmp_path / "b")
        assert _content(tmp_path / "a") == _content(tmp_path / "b")
        assert first.rows == again.rows


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_seed_gives_another_gateway(tmp_path: Path) -> None:
    assert simulated(1, tmp_path, PLAIN).rows != simulated(2, tmp_path, PLAIN).rows


def test_a_knob_can_be_turned_back_without_touching_the_life(tmp_path: Path) -> None:
    knobs = drawn(5) | {"damage": "none", "trap": "none"}
    plain = simulated(5, tmp_path / "plain", knobs)
    damaged = simulated(5, tmp_path / "damaged", knobs | {"damage": "no_log"})
    assert [(row.task_id, row.fate) for row in plain.rows] == [(row.task_id, row.fate) for row in damaged.rows]
    assert len(damaged.paths) < len(plain.paths)


def test_every_row_is_told_and_reads_lost_in_what_is_handed_over(incidents: list[Incident]) -> None:
    for incident in incidents:
        assert sorted(row.task_id for row in incident.rows) == sorted(_lost_ids(incident))


def _lost_ids(incident: Incident) -> list[str]:
    files = {path.name: path for root in incident.paths for path in (root, *root.rglob("*")) if path.is_file()}
    if "tasks-list.json" in files:
        tasks = json.loads(files["tasks-list.json"].read_text("utf-8"))["tasks"]
        return [task["taskId"] for task in tasks if task["status"] == "lost"]
    if "task-runs.json" in files:
        return [
            row["task_id"] for row in json.loads(files["task-runs.json"].read_text("utf-8")) if row["status"] == "lost"
        ]
    with closing(_database(files)) as database:
        return [str(found) for (found,) in database.execute("SELECT task_id FROM task_runs WHERE status = 'lost'")]


def _database(files: dict[str, Path]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    if "runs.sql" in files:
        database.executescript(files["runs.sql"].read_text("utf-8"))
        return database
    path = next(path for name, path in files.items() if name.endswith(".sqlite"))
    with closing(sqlite3.connect(path)) as read:
        read.backup(database)
    return database


def test_a_run_that_died_is_never_owed_a_good_end(incidents: list[Incident]) -> None:
    for row in (row for incident in incidents for row in incident.rows):
        if row.fate in (Fate.DIED, Fate.ALIVE):
            assert not row.deserved.verdicts & {"false_lost", "failed"}, row
        if "undetermined" in row.deserved.verdicts:
            assert row.deserved.reasons, row
        else:
            assert not row.deserved.reasons, row


def test_the_commonest_cases_come_up_and_few_rows_are_left_open(incidents: list[Incident]) -> None:
    rows = [row for incident in incidents for row in incident.rows]
    told = Counter(verdict for row in rows for verdict in row.deserved.verdicts)
    assert {"false_lost", "failed", "replayed", "interrupted", "undetermined"} <= set(told)
    assert sum(len(row.deserved.verdicts) > 1 for row in rows) < len(rows) / 6


def test_drawn_knobs_name_what_there_is() -> None:
    knobs = [drawn(seed) for seed in range(400)]
    assert {knob["release"] for knob in knobs} == set(RELEASES)
    assert {knob["damage"] for knob in knobs} == {"none", *DAMAGES}
    assert {knob["trap"] for knob in knobs} == {"none", *TRAPS}
    assert all(set(knob) == set(PLAIN) for knob in knobs)


# -- incidents checked by hand ----------------------------------------------------------------------------------------


def _only(seed: int, into: Path, **knobs: object) -> Incident:
    return simulated(seed, into, PLAIN | knobs)


@pytest.mark.parametrize("release", ["2026.4.8", "2026.4.15", "2026.4.24"])
def test_up_to_4_24_nothing_is_recorded_of_a_run_that_died(release: str, tmp_path: Path) -> None:
    entries = [entry for seed in range(6) for entry in _entries(_only(seed, tmp_path, release=release))]
    assert entries
    assert not [entry for entry in entries if entry.get("error") == "cron: job interrupted by gateway restart"]


@pytest.mark.parametrize("release", ["2026.5.7", "2026.5.28"])
def test_from_4_25_on_an_interruption_is_recorded_with_its_reservation(release: str, tmp_path: Path) -> None:
    told = [_only(seed, tmp_path, release=release, jobs=4) for seed in range(8)]
    marked = {
        entry["runAtMs"]
        for incident in told
        for entry in _entries(incident)
        if "interrupted" in str(entry.get("error"))
    }
    named = {
        line["1"]["runningAtMs"]
        for incident in told
        for line in _lines(incident)
        if line.get("2") == "cron: marking interrupted running job failed on startup"
    }
    assert marked
    assert marked == named


def test_a_late_finish_overwrites_lost_up_to_4_24_and_is_refused_after(tmp_path: Path) -> None:
    healed, refused = 0, 0
    for seed in range(8):
        for release in ("2026.4.15", "2026.5.7"):
            incident = _only(seed, tmp_path / release, release=release, jobs=5, events=12)
            rows = _task_rows(incident)
            starts = {(entry["jobId"], entry["runAtMs"]) for entry in _entries(incident) if entry["status"] == "ok"}
            healed += sum(row["status"] == "succeeded" and row["error"] is not None for row in rows)
            if release == "2026.5.7":
                refused += sum(
                    row["status"] == "lost" and (row["source_id"], row["started_at"]) in starts for row in rows
                )
                assert not [row for row in rows if row["status"] == "succeeded" and row["error"]]
    assert healed > 0
    assert refused > 0


def test_rows_marked_in_one_sweep_share_its_moment_and_are_five_minutes_old(incidents: list[Incident]) -> None:
    for incident in incidents:
        if incident.knobs["registry"] == "database" and incident.knobs["trap"] == "none":
            for row in _task_rows(incident):
                if row["status"] == "lost" and row["runtime"] == "cron":
                    assert row["ended_at"] == row["last_event_at"]
                    assert row["ended_at"] - row["started_at"] >= 300_000


def _task_rows(incident: Incident) -> list[dict[str, Any]]:
    path = next(path for root in incident.paths for path in root.rglob("*.sqlite"))
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM task_runs")]


def _entries(incident: Incident) -> list[dict[str, Any]]:
    paths = [path for root in incident.paths for path in root.rglob("*.jsonl")]
    return [json.loads(line) for path in sorted(paths) for line in path.read_text("utf-8").splitlines()]


def _lines(incident: Incident) -> list[dict[str, Any]]:
    paths = [path for root in incident.paths for path in root.rglob("openclaw-*.log")]
    return [json.loads(line) for path in sorted(paths) for line in path.read_text("utf-8").splitlines()]


# -- shapes of real gateways ------------------------------------------------------------------------------------------


def _captured(archive: str, ending: str) -> list[str]:
    with tarfile.open(DATA / archive) as packed:
        members = [member for member in packed.getmembers() if member.name.endswith(ending)]
        opened = [packed.extractfile(member) for member in members]
        return [io.TextIOWrapper(file, "utf-8").read() for file in opened if file is not None]


@pytest.mark.parametrize("release", ["2026.4.15", "2026.5.7"])
def test_records_have_the_keys_of_real_ones(release: str, tmp_path: Path) -> None:
    real: set[str] = set()
    for text in _captured(f"{release}-no-restart.tar.gz", ".jsonl") + _captured(f"{release}-sigterm.tar.gz", ".jsonl"):
        real |= {key for line in text.splitlines() if '"finished"' in line for key in json.loads(line)}
    mine = {key for seed in range(6) for entry in _entries(_only(seed, tmp_path, release=release)) for key in entry}
    assert mine <= real
    assert real - mine <= {"delivery", "diagnostics", "deliveryError"}


@pytest.mark.parametrize("release", ["2026.4.15", "2026.5.7"])
def test_log_lines_have_the_shape_of_real_ones(release: str, tmp_path: Path) -> None:
    text = "".join(_captured(f"{release}-sigterm.tar.gz", ".log"))
    real = [json.loads(line) for line in text.splitlines() if line.startswith('{"0":"{')]
    shapes = {_shape(line) for line in real if line["0"].startswith(('{"subsystem"', '{"module"'))}
    told = [
        line
        for seed in range(4)
        for line in _lines(_only(seed, tmp_path, release=release))
        if line["0"].startswith("{")
    ]
    assert {_shape(line) for line in told} <= shapes
    said = {str(line.get("2", line.get("1"))) for line in real}
    for words in ("loading configuration…", "starting...", "starting HTTP server...", "cron: started"):
        assert words in said
        assert words in {str(line.get("2", line.get("1"))) for line in told}


def _shape(line: dict[str, Any]) -> tuple[str, ...]:
    return tuple(key for key in line if key not in ("traceId", "spanId", "traceFlags"))


@pytest.mark.parametrize(
    ("release", "archive"),
    [
        ("2026.4.15", "2026.4.15-lost-write.tar.gz"),
        ("2026.6.11", "2026.6.11-restarts.tar.gz"),
        ("2026.7.35", "2026.7.35-restarts.tar.gz"),
        ("2026.9.6", "2026.9.6-restarts.tar.gz"),
    ],
)
def test_task_rows_have_the_columns_of_real_ones(release: str, archive: str, tmp_path: Path) -> None:
    with tarfile.open(DATA / archive) as packed:
        wanted = "runs.sqlite" if release.startswith("2026.4") else "openclaw.sqlite"
        folder = next(member.name for member in packed.getmembers() if member.name.endswith(wanted)).rsplit("/", 1)[0]
        packed.extractall(
            tmp_path, [m for m in packed.getmembers() if m.name.startswith(f"{folder}/{wanted}")], filter="data"
        )
    with closing(sqlite3.connect(tmp_path / folder / wanted)) as real, closing(sqlite3.connect(":memory:")) as mine:
        mine.execute(put_state.task_ddl(RELEASES[release]))
        assert _columns(mine) == _columns(real)


def _columns(database: sqlite3.Connection) -> set[tuple[str, str]]:
    return {(name, kind) for _, name, kind, *_ in database.execute("PRAGMA table_info(task_runs)")}
