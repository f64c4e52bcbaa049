"""Evidence is preserved in time: whole or not at all, private, and audited as one history."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from forensics import audit, load_evidence
from forensics.cli import main
from forensics.collect import collecting, folders
from forensics.collect.collecting import Collected, collect
from forensics.model.errors import NothingToReadError, RefusedError, UnreadableError, UsageError
from forensics.model.finding import Report
from forensics.model.manifest import Stored
from forensics.model.progress import Stage, Step
from forensics.parsers.gathering import Reading
from tests.support.captures import snapshot, unpack

FIRST = datetime(2026, 11, 24, 6, tzinfo=UTC)


def collected(paths: Iterable[Path], into: Path, day: int = 0) -> Collected:
    return collect([str(path) for path in paths], into, at=FIRST + timedelta(days=day), host="office", version="1")


def told(report: Report) -> list[tuple[object, ...]]:
    return [
        (each.task_id, each.verdict, each.cause, each.confidence, each.reasons, each.correction)
        for each in report.findings
    ]


def audited(*paths: Path) -> Report:
    return audit(load_evidence([str(path) for path in paths]))


@pytest.fixture
def gateway(sigterm: Path, tmp_path: Path) -> Path:
    """Give a state directory as it was 240 s after a restart, with its logs beside it, to be changed."""
    (copy,) = sigterm.glob("snap/*-after-restart-240s")
    shutil.copytree(copy, tmp_path / "host" / ".openclaw")
    shutil.copytree(sigterm / "logs", tmp_path / "host" / "logs")
    return tmp_path / "host"


def state_of(gateway: Path) -> list[Path]:
    return [gateway / ".openclaw", gateway / "logs"]


@pytest.mark.parametrize(
    "capture",
    ["2026.4.15-sigterm", "2026.4.15-in-process", "2026.5.7-sigterm", "2026.6.11-restarts", "2026.9.6-restarts"],
)
def test_a_snapshot_gives_the_verdicts_of_the_original(capture: str, unpacked: Path, tmp_path: Path) -> None:
    source = unpack(capture, unpacked)
    before = snapshot(source)
    made = collected([source / "state", source / "logs"], tmp_path / "evidence")
    assert told(audited(tmp_path / "evidence")) == told(audited(source / "state", source / "logs"))
    assert made.manifest.missing == ()
    assert snapshot(source) == before


def test_days_are_read_as_one_history(sigterm: Path, tmp_path: Path) -> None:
    copies = sorted(sigterm.glob("snap/*"))
    for day, copy in enumerate([*copies, sigterm / "state"]):
        folder = tmp_path / "host" / ".openclaw"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(copy, folder)
        collected([folder, sigterm / "logs"], tmp_path / "evidence", day)
    assert len(list((tmp_path / "evidence").glob("*/manifest.json"))) == len(copies) + 1
    history, last = audited(tmp_path / "evidence"), audited(sigterm / "state", sigterm / "logs")
    assert told(history) == told(last)
    assert len(history.restarts) == len(last.restarts)
    assert history.summary.before == last.summary.before


def test_a_row_deleted_since_is_judged_from_the_day_that_has_it(gateway: Path, tmp_path: Path) -> None:
    whole = audited(*state_of(gateway))
    lost = [finding.task_id for finding in whole.findings]
    assert lost
    collected(state_of(gateway), tmp_path / "evidence")
    with closing(sqlite3.connect(gateway / ".openclaw" / "tasks" / "runs.sqlite")) as registry, registry:
        registry.execute("DELETE FROM task_runs")
        columns = "task_id, runtime, owner_key, scope_kind, task, status, delivery_status, notify_policy, created_at"
        registry.execute(
            f"INSERT INTO task_runs ({columns}) VALUES ('new', 'cron', '', 'system', 't', 'running', 'x', 'x', ?)",
            (int(FIRST.timestamp() * 1000),),
        )
    collected(state_of(gateway), tmp_path / "evidence", day=1)
    history = audited(tmp_path / "evidence")
    assert {finding.gateway for finding in history.findings} == {".openclaw"}
    assert [(each.task_id, each.verdict) for each in history.findings] == [
        (each.task_id, each.verdict) for each in whole.findings
    ]


def test_what_has_not_changed_is_stored_once(gateway: Path, tmp_path: Path) -> None:
    first = collected(state_of(gateway), tmp_path / "evidence")
    before = snapshot(first.folder)
    store = gateway / ".openclaw" / "cron" / "jobs.json"
    store.write_text(store.read_text("utf-8") + " \n", "utf-8")
    second = collected(state_of(gateway), tmp_path / "evidence", day=1)
    assert second.new_bytes == store.stat().st_size
    assert second.shared_files == len(second.manifest.files) - 1
    assert {path: content[0] for path, content in snapshot(first.folder).items()} == {
        path: content[0] for path, content in before.items()
    }


def test_every_hash_of_the_manifest_holds(gateway: Path, tmp_path: Path) -> None:
    made = collected(state_of(gateway), tmp_path / "evidence")
    document = json.loads((made.folder / "manifest.json").read_text("utf-8"))
    schema = json.loads(importlib.resources.files("forensics").joinpath("schema/manifest-1.json").read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []
    stored = {each["path"]: each["sha256"] for each in document["files"]}
    assert stored == {
        path.relative_to(made.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made.folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    log = next(each for each in document["files"] if each["kind"] == "gateway_log")
    assert [original["sha256"] for original in log["originals"]] == [log["sha256"]]


def test_all_is_private(gateway: Path, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        collected(state_of(gateway), tmp_path / "evidence")
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "evidence").rglob("*") if path.is_dir()}
    assert modes == {0o700}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "evidence").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_no_credentials_transcripts_or_configuration_are_taken(unpacked: Path, tmp_path: Path) -> None:
    source = unpack("2026.9.6-restarts", unpacked)
    shutil.copytree(source / "state", tmp_path / "host")
    secret = "sk-not-to-be-taken-7a1c"  # noqa: S105 - it opens nothing
    for name in ("openclaw.json", "credentials/token.json", "agents/main/sessions/s.jsonl", "state/notes.txt"):
        (tmp_path / "host" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "host" / name).write_text(json.dumps({"token": secret}))
    with closing(sqlite3.connect(tmp_path / "host" / "state" / "openclaw.sqlite")) as database, database:
        database.execute("CREATE TABLE secret_store_of_tests (value TEXT)")
        database.execute("INSERT INTO secret_store_of_tests VALUES (?)", (secret,))
        database.execute("CREATE TABLE gone (value TEXT)")
        database.execute("INSERT INTO gone VALUES (?)", (secret,))
        database.execute("DROP TABLE gone")
    made = collected([tmp_path / "host"], tmp_path / "evidence")
    assert all(secret.encode() not in path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
    assert {"folder agents", "folder credentials"} <= {each.what for each in made.manifest.left_out}
    assert told(audited(made.folder)) == told(audited(source / "state"))


def test_a_run_log_that_cannot_be_taken_proves_nothing_by_its_absence(
    gateway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_log,) = (gateway / ".openclaw" / "cron" / "runs").iterdir()
    really = collecting._stored_file

    def failing(reading: Reading, target: Path, work: collecting._Work) -> Stored:
        if reading.found.path.name == run_log.name:
            raise UnreadableError("input/output error")
        return really(reading, target, work)

    monkeypatch.setattr(collecting, "_stored_file", failing)
    made = collected(state_of(gateway), tmp_path / "evidence")
    assert [each.path for each in made.manifest.missing] == [f"openclaw/cron/runs/{run_log.name}"]
    for path in (tmp_path / "evidence", made.folder, made.folder / "openclaw"):
        evidence = load_evidence([str(path), str(gateway / "logs")])
        assert "uncollected" in evidence.notices["code"].to_list()
        assert evidence.copies["has_run_logs"].to_list() == [False]


def test_a_folder_without_any_run_log_stays_one(gateway: Path, tmp_path: Path) -> None:
    for path in (gateway / ".openclaw" / "cron" / "runs").iterdir():
        path.unlink()
    made = collected([gateway / ".openclaw"], tmp_path / "evidence")
    assert list((made.folder / "openclaw" / "cron" / "runs").iterdir()) == []


def test_nothing_half_is_left_when_the_disk_is_full(
    gateway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(collecting, "write_manifest", full)
    with pytest.raises(RefusedError, match="No space left"):
        collected(state_of(gateway), tmp_path / "evidence")
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == [".collecting"]


def test_what_a_killed_run_left_is_no_evidence_and_the_next_run_goes_on(gateway: Path, tmp_path: Path) -> None:
    made = collected(state_of(gateway), tmp_path / "evidence")
    left = tmp_path / "evidence" / "2026-11-25T060000Z.unfinished"
    shutil.copytree(made.folder, left)
    (left / "manifest.json").unlink()
    evidence = load_evidence([str(tmp_path / "evidence")])
    assert not [path for path in evidence.sources["path"].to_list() if "unfinished" in path]
    assert any("was not finished" in message for message in evidence.notices["message"].to_list())
    collected(state_of(gateway), tmp_path / "evidence", day=1)
    assert not left.exists()


def test_two_runs_at_once_are_refused(gateway: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    with folders.working_in(tmp_path / "evidence"), pytest.raises(RefusedError, match="another collect"):
        collected(state_of(gateway), tmp_path / "evidence")


def test_a_registry_that_is_written_to_is_copied_whole(gateway: Path, tmp_path: Path) -> None:
    path = gateway / ".openclaw" / "tasks" / "runs.sqlite"
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=10)) as registry:
            registry.execute("PRAGMA journal_mode = WAL")
            while not stop.wait(0.05):
                with registry:
                    registry.execute("UPDATE task_runs SET progress_summary = hex(randomblob(500))")
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(30)
        made = collected([gateway / ".openclaw"], tmp_path / "evidence")
    finally:
        stop.set()
        writer.join()
    assert made.manifest.missing == ()
    with closing(sqlite3.connect(made.folder / "openclaw" / "tasks" / "runs.sqlite")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(DISTINCT progress_summary) FROM task_runs").fetchone()[0] > 1
        rows = copy.execute("SELECT count(*) FROM task_runs").fetchone()
    with closing(sqlite3.connect(path)) as registry:
        assert rows == registry.execute("SELECT count(*) FROM task_runs").fetchone()


def test_a_damaged_registry_is_named(gateway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_PAUSE_SECONDS", 0)
    path = gateway / ".openclaw" / "tasks" / "runs.sqlite"
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192)
    made = collected(state_of(gateway), tmp_path / "evidence")
    assert [each.path for each in made.manifest.missing] == ["openclaw/tasks/runs.sqlite"]


def test_hostile_names_links_and_pipes(gateway: Path, tmp_path: Path) -> None:
    logs = gateway / "logs"
    log = next(logs.iterdir())
    shutil.copy(log, logs / "two\nlines\x1b[31m.log")
    shutil.copy(log, logs / os.fsdecode(b"not-\xff-text.log"))
    os.mkfifo(logs / "pipe.log")
    (logs / "out").symlink_to(tmp_path, target_is_directory=True)
    made = collected(state_of(gateway), tmp_path / "evidence")
    names = sorted(path.name for path in (made.folder / "logs").iterdir())
    assert "two%0Alines%1B[31m.log" in names
    assert len(names) == 3
    assert all(name.isprintable() for name in names)


@pytest.mark.parametrize("into", [".openclaw/evidence", ".openclaw", "."])
def test_evidence_is_never_written_to(into: str, gateway: Path) -> None:
    before = snapshot(gateway)
    with pytest.raises(UsageError):
        collected(state_of(gateway), gateway / into)
    assert snapshot(gateway) == before


def test_nothing_to_collect_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToReadError):
        collected([tmp_path / "empty"], tmp_path / "evidence")
    assert not (tmp_path / "evidence").exists()


def test_without_a_path_it_is_the_gateway_of_this_machine(
    gateway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forensics.cli.collect.default_paths", lambda: tuple(map(str, state_of(gateway))))
    result = CliRunner().invoke(main, ["collect", "--into", str(tmp_path / "evidence")])
    assert result.exit_code == 0, result.output
    assert list((tmp_path / "evidence").glob("*/openclaw/tasks/runs.sqlite"))


def test_whoever_watches_is_told_of_every_file_until_all_bytes_are_kept(gateway: Path, tmp_path: Path) -> None:
    steps: list[Step] = []
    paths = [str(path) for path in state_of(gateway)]
    made = collect(paths, tmp_path / "into", at=FIRST, host="office", version="1", progress=steps.append)
    kept = [step for step in steps if step.stage is Stage.COLLECTING]
    assert {step.file for step in kept} >= {f"{paths[0]}/tasks/runs.sqlite", f"{paths[0]}/cron/jobs.json"}
    assert len({step.file for step in kept}) == len(made.manifest.files)
    assert [step.done_bytes for step in kept] == sorted(step.done_bytes for step in kept)
    assert kept[-1].done_bytes == kept[-1].total_bytes
