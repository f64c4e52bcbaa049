from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from forensics import audit
from forensics.correlator.coverage import gateway_log_spans
from forensics.model.errors import NothingToReadError, UnreadableError, UsageError
from forensics.model.evidence import Evidence
from forensics.model.verdicts import SourceKind
from forensics.parsers import catalogue, cron_runs, detect, files, forms, gateway_log
from forensics.parsers.forms import Form, Given, Glimpse
from forensics.parsers.load import load_evidence
from forensics.parsers.meter import Advance
from forensics.parsers.parsed import Parsed
from tests.parsers.shapes import (
    JOB,
    START_MS,
    TASK,
    at,
    log_line,
    run_entry,
    task_row,
    write_log,
    write_registry,
    write_run_log,
    write_wal_registry,
)
from tests.parsers.text_shapes import FORMS, Said
from tests.support.packing import packed, write


def store(**state: object) -> dict[str, object]:
    return {"version": 1, "jobs": [{"id": JOB, "name": "digest", "updatedAtMs": START_MS, "state": state}]}


def write_json(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return path


OTHER = "1d2e3f40-0000-4000-8000-165a70867728"


def state_directory(folder: Path, task_id: str = TASK) -> Path:
    write_registry(folder / "tasks" / "runs.sqlite", task_row(task_id))
    write_run_log(folder / "cron" / "runs" / f"{JOB}.jsonl", run_entry())
    write_json(folder / "cron" / "jobs.json", store(lastRunAtMs=START_MS, lastRunStatus="ok", lastDurationMs=62_000))
    write_log(folder / "logs" / "gateway.log", log_line("gateway", "gateway ready"), log_line("plugins", "x"))
    return folder


def noted(evidence: Evidence, code: str) -> list[str]:
    return evidence.notices.filter(pl.col("code") == code)["message"].to_list()


def kinds(evidence: Evidence) -> list[str]:
    return evidence.sources["kind"].to_list()


def assert_every_source_balances(evidence: Evidence) -> None:
    told = pl.col("records") + pl.col("skipped") + pl.col("rejected")
    assert evidence.sources.filter(pl.col("lines") != told).height == 0


def test_a_state_directory_fills_every_frame(tmp_path: Path) -> None:
    evidence = load_evidence([str(state_directory(tmp_path / "state"))])
    assert evidence.tasks.select("task_id", "gateway", "source", "line").rows() == [(TASK, "state", 3, 1)]
    assert evidence.runs.select("origin", "source", "line").rows() == [("job_state", 0, 9), ("run_log", 1, 1)]
    assert evidence.jobs.select("job_id", "name", "last_run_at").rows() == [(JOB, "digest", at(START_MS))]
    assert evidence.lifecycle.filter(pl.col("kind") == "ready").select("source", "line").rows() == [(2, 1)]
    assert kinds(evidence) == ["job_store", "cron_run_log", "gateway_log", "task_registry"]
    assert evidence.notices.height == 0
    assert_every_source_balances(evidence)


def test_sources_tell_what_was_read_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_directory(tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    evidence = load_evidence(["state"])
    row = evidence.sources.row(2, named=True)
    sha256 = row.pop("sha256")
    assert len(sha256) == 64
    assert row == {
        "id": 2,
        "path": "state/logs/gateway.log",
        "kind": "gateway_log",
        "form": "gateway file log",
        "release": None,
        "gateway": "state",
        "copy": "state",
        "job_id": None,
        "bytes": (state / "logs" / "gateway.log").stat().st_size,
        "lines": 2,
        "records": 1,
        "skipped": 1,
        "rejected": 0,
        "first_at": at(START_MS),
        "last_at": at(START_MS),
        "timezone": "UTC from _meta.date; local stamps +00:00",
        "zone_is_assumed": False,
        "shows_scheduler": True,
        "before_hole": False,
        "detected_by": "JSON lines with _meta and time",
    }
    assert evidence.files[2] == Path("state/logs/gateway.log")


def test_the_order_of_arguments_changes_nothing(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    log = write_log(tmp_path / "more.log", log_line("gateway", "starting...", ms=START_MS + 1))
    one, two = load_evidence([str(state), str(log)]), load_evidence([str(log), str(state), str(log)])
    for name in ("tasks", "runs", "lifecycle", "jobs", "sources", "copies", "notices"):
        assert getattr(one, name).equals(getattr(two, name), null_equal=True), name


def test_a_file_given_twice_or_linked_twice_is_read_once(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    (state / "logs" / "hard.log").hardlink_to(state / "logs" / "gateway.log")
    (state / "logs" / "soft.log").symlink_to(state / "logs" / "gateway.log")
    evidence = load_evidence([str(state), str(state / "tasks"), str(state / "logs" / "soft.log")])
    assert kinds(evidence).count("gateway_log") == 1
    assert evidence.tasks.height == 1


def test_a_write_ahead_log_beside_a_named_database_is_read_with_it(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", [task_row()], tmp_path / "live")
    evidence = load_evidence([str(path)])
    assert evidence.tasks["task_id"].to_list() == [TASK]
    assert kinds(evidence) == ["task_registry"]


def test_a_write_ahead_log_beside_the_target_of_a_link_is_read_with_it(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", [task_row()], tmp_path / "live")
    link = tmp_path / "given.sqlite"
    link.symlink_to(path)
    evidence = load_evidence([str(link)])
    assert evidence.tasks["task_id"].to_list() == [TASK]
    assert evidence.sources["path"].to_list() == [str(link)]


def test_a_database_without_its_write_ahead_log_is_named(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "tasks" / "runs.sqlite", [task_row()], tmp_path / "live")
    path.with_name("runs.sqlite-wal").unlink()
    evidence = load_evidence([str(path)])
    assert evidence.notices.select("source", "level", "code").rows() == [(0, "error", "wal_missing")]
    assert evidence.tasks.height == 0


def test_a_write_ahead_log_without_its_database_is_named(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    write_wal_registry(tmp_path / "lone" / "runs.sqlite", [task_row()], tmp_path / "live").unlink()
    evidence = load_evidence([str(state), str(tmp_path / "lone")])
    assert len(noted(evidence, "wal_orphan")) == 1
    assert "task_registry_wal" in kinds(evidence)


def test_a_write_ahead_log_alone_is_nothing_to_read(tmp_path: Path) -> None:
    write_wal_registry(tmp_path / "lone" / "runs.sqlite", [task_row()], tmp_path / "live").unlink()
    with pytest.raises(NothingToReadError, match="write-ahead log without its database"):
        load_evidence([str(tmp_path / "lone")])


def test_what_is_missing_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    evidence = load_evidence([str(tmp_path / "missing"), str(state)])
    (message,) = noted(evidence, "unreadable")
    assert message.startswith(f"{tmp_path / 'missing'}: there is no such file or folder")
    assert evidence.tasks.height == 1


def test_nothing_behind_the_paths_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(NothingToReadError, match="no such file or folder") as raised:
        load_evidence([str(tmp_path / "missing")])
    assert raised.value.exit_code == 3
    assert raised.value.hint is not None


def test_an_empty_folder_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(NothingToReadError, match="no file of a known kind"):
        load_evidence([str(tmp_path)])


def test_a_text_that_was_named_but_is_of_no_known_kind_is_told(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    notes = write_log(tmp_path / "notes.txt", "23:41:21 restarted the gateway by hand\n")
    evidence = load_evidence([str(state), str(notes)])
    (message,) = noted(evidence, "unknown_kind")
    assert message.startswith(str(notes))
    assert "unknown" in kinds(evidence)


def test_files_of_no_known_kind_in_a_folder_are_told_in_one_notice(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    for n in range(7):
        write_log(state / "logs" / f"console-{n}.log", "plain text\n")
    write_log(state / "logs" / "README.md", "not meant as evidence\n")
    evidence = load_evidence([str(state)])
    (message,) = noted(evidence, "unknown_kind")
    assert message.startswith(f"{state}: 8 files of no known kind are not read: ")
    assert message.endswith("console-4.log and 3 more")
    assert "console-5.log" not in message


@pytest.mark.parametrize(("name", "level"), [("notes.yaml", "info"), ("runs.jsonl.migrated", "warning")])
def test_every_file_of_no_known_kind_in_a_folder_is_named(tmp_path: Path, name: str, level: str) -> None:
    state = state_directory(tmp_path / "state")
    write_log(state / name, "some text that is no evidence\n")
    notices = load_evidence([str(state)]).notices.filter(pl.col("code") == "unknown_kind")
    message = f"{state}: 1 file of no known kind is not read: {state}/{name}"
    assert notices.select("level", "message").rows() == [(level, message)]


def test_an_empty_file_with_the_name_of_evidence_is_named(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    for name in ("gateway-1.log", "jobs.json", "notes.txt"):
        (state / name).touch()
    told = noted(load_evidence([str(state)]), "empty_file")
    assert [message.split(": ")[0] for message in told] == [f"{state}/gateway-1.log", f"{state}/jobs.json"]


def test_an_empty_database_is_a_registry_whose_rows_are_missing(tmp_path: Path) -> None:
    empty = tmp_path / "openclaw.sqlite"
    empty.touch()
    evidence = load_evidence([str(empty)])
    (message,) = noted(evidence, "wal_missing")
    assert "its rows are probably still in openclaw.sqlite-wal" in message
    assert kinds(evidence) == ["task_registry"]


def test_a_database_that_is_not_read_has_no_form_and_lacks_nothing(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    path = tmp_path / "flows" / "registry.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as flows:
        flows.execute("PRAGMA journal_mode=WAL")
        flows.execute("CREATE TABLE flow_runs (flow_id TEXT)")
    evidence = load_evidence([str(state), str(path)])
    flows_source = evidence.sources.filter(pl.col("path").str.ends_with("registry.sqlite"))
    assert flows_source.select("kind", "form").rows() == [("other", None)]
    assert noted(evidence, "wal_not_given") == []


def test_many_files_of_no_use_make_a_short_error(tmp_path: Path) -> None:
    paths = [write_log(tmp_path / f"note-{n}.txt", "plain\n") for n in range(40)]
    with pytest.raises(NothingToReadError, match="and 35 more problems") as raised:
        load_evidence(list(map(str, paths)))
    assert "note-5.txt" not in str(raised.value)


def test_a_torn_job_store_is_told(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    path = state / "cron" / "jobs.json"
    path.write_text(path.read_text("utf-8")[:40], encoding="utf-8")
    (message,) = noted(load_evidence([str(state)]), "unknown_kind")
    assert message.endswith("state/cron/jobs.json")


def test_folders_that_are_not_entered_are_told(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    (state / "agents").mkdir()
    (message,) = noted(load_evidence([str(state)]), "left_out")
    assert message.endswith("agents")


def test_a_database_of_no_known_kind_is_told_although_nobody_named_it(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    write_registry(state / "tasks" / "other.sqlite", {"x": 1}, ddl="CREATE TABLE task_runs (x)")
    evidence = load_evidence([str(state)])
    assert len(noted(evidence, "unknown_column_set")) == 1


def test_a_wholly_damaged_run_log_is_a_run_log_with_nothing_but_rejected_lines(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    write_run_log(state / "cron" / "runs" / "damaged.jsonl", "garbage\n", "garbage\n")
    evidence = load_evidence([str(state)])
    row = evidence.sources.filter(pl.col("job_id") == "damaged").row(0, named=True)
    assert (row["kind"], row["lines"], row["records"], row["rejected"]) == ("cron_run_log", 2, 0, 2)
    assert len(noted(evidence, "not_json")) == 2


def assert_run_log_counts_as_damaged(evidence: Evidence) -> None:
    logs = evidence.sources.filter(pl.col("kind") == "cron_run_log")
    assert logs.select("job_id", "lines", "records", "rejected").rows() == [(JOB, 1, 0, 1)]
    assert evidence.tasks.height == 1


def test_a_run_log_that_cannot_be_opened_does_not_pass_for_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_directory(tmp_path / "state")

    def refuse(path: Path, size_bytes: int) -> bytes:
        if path.suffix == ".jsonl":
            raise UnreadableError("Permission denied")
        return files.head_of(path, size_bytes)

    monkeypatch.setattr(forms, "head_of", refuse)
    evidence = load_evidence([str(state)])
    assert_run_log_counts_as_damaged(evidence)
    assert "Permission denied" in noted(evidence, "unreadable")[0]


def test_a_run_log_on_a_failing_disk_does_not_pass_for_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_directory(tmp_path / "state")

    def fail(_path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(cron_runs, "parse_run_log", fail)
    evidence = load_evidence([str(state)])
    assert_run_log_counts_as_damaged(evidence)
    assert "Input/output error" in noted(evidence, "damaged")[0]


def test_the_state_of_a_job_is_that_of_the_document_written_last(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    write_json(state / "cron" / "jobs.json.bak", store(runningAtMs=START_MS - 500_000))
    evidence = load_evidence([str(state)])
    assert evidence.jobs.select("job_id", "running_at", "last_run_at").rows() == [(JOB, None, at(START_MS))]


def test_definition_and_state_of_a_job_are_joined_from_two_files(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    write_json(state / "cron" / "jobs.json", store())
    later = {"updatedAtMs": START_MS, "state": {"lastRunAtMs": START_MS, "lastRunStatus": "error", "lastError": "boom"}}
    write_json(state / "cron" / "jobs-state.json", {"version": 1, "jobs": {JOB: later}})
    evidence = load_evidence([str(state)])
    assert evidence.jobs.select("name", "last_status").rows() == [("digest", "error")]
    witnesses = evidence.runs.filter(pl.col("origin") == "job_state")
    assert witnesses.select("status", "error").rows() == [("error", "boom")]


def test_two_state_directories_are_two_gateways(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two", OTHER)
    evidence = load_evidence([str(one), str(two)])
    assert evidence.tasks.select("gateway", "task_id").rows() == [("one", TASK), ("two", OTHER)]
    assert sorted(evidence.copies["gateway"].to_list()) == ["one", "two"]


def test_evidence_that_belongs_to_no_gateway_is_named(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two", OTHER)
    log = write_log(tmp_path / "gateway.log", log_line("gateway", "gateway ready"))
    evidence = load_evidence([str(one), str(two), str(log)])
    source = evidence.sources.filter(pl.col("path") == str(log)).row(0, named=True)
    assert source["gateway"] is None
    unplaced = evidence.notices.filter(pl.col("code") == "unplaced")
    assert unplaced["source"].to_list() == [source["id"]]


def test_an_export_is_read_with_the_order_of_its_keys(tmp_path: Path) -> None:
    common = {"runtime": "cron", "sourceId": JOB, "status": "lost", "createdAt": START_MS, "startedAt": START_MS}
    later = START_MS + 400_000
    stored = {"taskId": "stored"} | common | {"endedAt": later, "lastEventAt": later, "error": "x"}
    shown = {"taskId": "shown"} | common | {"lastEventAt": later, "endedAt": later, "error": "x"}
    path = write_json(tmp_path / "export.json", {"count": 2, "tasks": [stored, shown]})
    evidence = load_evidence([str(path)])
    told = evidence.tasks.select("task_id", "registry", "projected").rows()
    assert told == [("stored", "export", False), ("shown", "export", True)]


def test_the_same_evidence_in_another_place_reads_the_same(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "a" / "state")
    shutil.copytree(state, tmp_path / "b" / "state")
    one, two = load_evidence([str(state)]), load_evidence([str(tmp_path / "b" / "state")])
    for name in ("tasks", "runs", "lifecycle", "jobs"):
        assert getattr(one, name).equals(getattr(two, name), null_equal=True), name


def unusable_logs(folder: Path, *logs: str) -> list[str]:
    """Give what is said of these logs beside a good state directory, and check that they support no verdict."""
    state = state_directory(folder / "state")
    (state / "logs" / "gateway.log").unlink()
    for number, log in enumerate(logs):
        write_log(state / "logs" / f"{number}.log", log)
    evidence = load_evidence([str(state)])
    assert evidence.lifecycle["gateway"].null_count() == evidence.lifecycle.height > 0
    return noted(evidence, "unusable_log")


def cron_line(store_path: str) -> str:
    return log_line("cron", "cron: started", {"enabled": True}).replace("/jobs.json", f"/{store_path}.json")


def test_a_log_of_two_gateways_supports_no_verdict(tmp_path: Path) -> None:
    (told,) = unusable_logs(tmp_path, cron_line("one") + cron_line("two"))
    assert "lines of several gateways" in told


def test_logs_of_two_gateways_support_no_verdict(tmp_path: Path) -> None:
    told = unusable_logs(tmp_path, cron_line("one"), cron_line("two"))
    assert len(told) == 2
    assert all("several cron stores" in text for text in told)


def test_a_log_whose_clock_steps_back_supports_no_verdict(tmp_path: Path) -> None:
    ready, stopped = "gateway ready", "received SIGTERM; shutting down"
    (told,) = unusable_logs(
        tmp_path, log_line("gateway", stopped, ms=START_MS) + log_line("gateway", ready, ms=START_MS - 480_000)
    )
    assert "its clock steps back" in told


def test_a_log_without_lines_below_warning_supports_no_verdict(tmp_path: Path) -> None:
    line = json.loads(log_line("gateway", "drain timeout reached; proceeding with restart"))
    line["_meta"] |= {"logLevelId": 4, "logLevelName": "WARN"}
    (told,) = unusable_logs(tmp_path, json.dumps(line, separators=(",", ":")) + "\n")
    assert "no line below warning" in told


def test_a_timeout_that_was_removed_does_not_come_back_from_a_backup(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    job = {"id": JOB, "name": "digest", "payload": {"kind": "agentTurn"}, "updatedAtMs": START_MS + 1}
    write_json(state / "cron" / "jobs.json", {"version": 1, "jobs": [job]})
    older = job | {"payload": {"kind": "agentTurn", "timeoutSeconds": 300}, "updatedAtMs": START_MS}
    write_json(state / "cron" / "jobs.json.bak", {"version": 1, "jobs": [older]})
    assert load_evidence([str(state)]).jobs["timeout_ms"].to_list() == [None]


def test_a_dump_and_a_page_of_runs_prove_a_run_that_the_registry_lost(tmp_path: Path) -> None:
    keys = ["task_id", "runtime", "source_id", "run_id", "status", "error", "started_at", "ended_at"]
    row = ",".join(str(task_row()[key]) for key in keys)
    (tmp_path / "lost.csv").write_text(",".join(keys) + f"\n{row}\n", encoding="utf-8")
    page = {"entries": [run_entry()], "total": 1, "offset": 0, "limit": 50, "hasMore": False, "nextOffset": None}
    write_json(tmp_path / "runs.json", page)
    write_json(tmp_path / "jobs.json", {"jobs": [{"id": JOB, "name": "digest", "state": {}}], "total": 1})
    evidence = load_evidence([str(tmp_path)])
    assert kinds(evidence) == ["job_list", "task_export", "cron_run_page"]
    assert evidence.sources["form"].to_list() == ["cron list --json", "sqlite3 -csv", "cron runs"]
    assert_every_source_balances(evidence)
    (finding,) = audit(evidence).findings
    told = (finding.task_id, finding.verdict, finding.confidence, finding.job_name)
    assert told == (TASK, "false_lost", "exact", "digest")


def test_a_list_of_jobs_is_no_job_store(tmp_path: Path) -> None:
    write_json(tmp_path / "list.json", {"jobs": [], "total": 0, "hasMore": False})
    write_run_log(tmp_path / "cron" / "runs" / f"{JOB}.jsonl", run_entry())
    assert not load_evidence([str(tmp_path)]).copies["has_job_store"].any()


def test_copies_of_one_state_directory_are_one_gateway(tmp_path: Path) -> None:
    state, snap = state_directory(tmp_path / "state"), state_directory(tmp_path / "snap" / "1764000000000-t330")
    log = write_log(tmp_path / "elsewhere.log", log_line("gateway", "starting...", ms=START_MS + 1))
    evidence = load_evidence([str(state), str(snap), str(log)])
    assert set(evidence.sources["gateway"].to_list()) == {"state"}
    assert evidence.copies["copy"].to_list() == [str(snap), str(state)]
    assert noted(evidence, "unplaced") == []


def test_what_is_given_for_a_gateway_belongs_to_it(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two", OTHER)
    log = write_log(tmp_path / "gateway.log", log_line("gateway", "gateway ready"))
    evidence = load_evidence([str(one)], gateways={"office": [str(two), str(log)]})
    told = dict(evidence.sources.select("path", "gateway").iter_rows())
    assert told[str(log)] == "office"
    assert evidence.tasks.select("gateway", "task_id").sort("gateway").rows() == [("office", OTHER), ("one", TASK)]


def test_with_one_named_gateway_all_that_is_given_beside_it_belongs_to_it(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    log = write_log(tmp_path / "gateway.log", log_line("gateway", "gateway ready"))
    evidence = load_evidence([str(log)], gateways={"office": [str(state)]})
    assert set(evidence.sources["gateway"].to_list()) == {"office"}


def test_a_copy_of_a_named_gateway_belongs_to_it(tmp_path: Path) -> None:
    copy, state, other = (tmp_path / name for name in ("copy", "state", "other"))
    state_directory(copy), state_directory(state), state_directory(other, OTHER)
    evidence = load_evidence([str(copy), str(other)], gateways={"office": [str(state)]})
    told = evidence.sources.filter(pl.col("kind") == "task_registry").select("path", "gateway").rows()
    assert [gateway for _, gateway in told] == ["office", "other", "office"]


def test_two_gateways_the_user_named_stay_two_although_they_share_tasks(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two")
    evidence = load_evidence(gateways={"a": [str(one)], "b": [str(two)]})
    assert sorted(evidence.tasks["gateway"].to_list()) == ["a", "b"]


def test_a_folder_is_not_called_like_a_gateway_the_user_named(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "office"), state_directory(tmp_path / "two", OTHER)
    evidence = load_evidence([str(one)], gateways={"office": [str(two)]})
    assert len(set(evidence.tasks["gateway"].to_list())) == 2


def test_a_path_given_for_two_gateways_is_a_usage_error(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    with pytest.raises(UsageError, match="given for two gateways: a and b"):
        load_evidence(gateways={"a": [str(state)], "b": [str(state / "tasks")]})
    archive = write(tmp_path / "state.zip", packed(state, "zip"))
    with pytest.raises(UsageError, match="given for two gateways: a and b"):
        load_evidence(gateways={"a": [str(archive)], "b": [f"{tmp_path}/./state.zip"]})


def test_a_gateway_without_a_name_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a name"):
        load_evidence(gateways={" ": [str(state_directory(tmp_path / "state"))]})


def test_archives_of_several_gateways_are_told_apart(tmp_path: Path) -> None:
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two", OTHER)
    shared = write(tmp_path / "all.tar.gz", packed(tmp_path, "tar.gz"))
    each = [write(tmp_path / f"{state.name}.zip", packed(state, "zip")) for state in (one, two)]
    for given in ([shared], each):
        evidence = load_evidence([str(path) for path in given])
        told = evidence.tasks.select("gateway", "task_id").sort("gateway").rows()
        assert told == [("one", TASK), ("two", OTHER)]
        assert evidence.sources.group_by("gateway").len().sort("gateway").rows() == [("one", 4), ("two", 4)]


def test_an_archive_beside_the_folder_it_was_made_of_is_the_same_gateway(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    evidence = load_evidence([str(state), str(write(tmp_path / "state.zip", packed(state, "zip")))])
    assert set(evidence.sources["gateway"].to_list()) == {"state"}


def reading(
    seen: dict[str, Given], name: str, offset_h: int | None, *, needs_zone: bool = False, at_ms: int = START_MS + 1
) -> Form:
    """Give a form that recognises ``name`` as the file's content, and keeps what it was told of it."""

    def parse(_path: Path, given: Given) -> Parsed:
        seen[name] = given
        offsets = [] if offset_h is None else [(at(at_ms), timedelta(hours=offset_h))]
        return Parsed(SourceKind.GATEWAY_CONSOLE, "", lines=1, skipped=1, offsets=offsets)

    def recognise(glimpse: Glimpse) -> str | None:
        return name if glimpse.head == name.encode() else None

    return Form(name, SourceKind.GATEWAY_CONSOLE, recognise, parse, needs_zone)


def test_local_stamps_are_read_last_with_the_offsets_of_their_own_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Given] = {}
    forms_tried = [
        reading(seen, "local", None, needs_zone=True),
        reading(seen, "states +1", 1),
        reading(seen, "states +2", 2),
    ]
    monkeypatch.setattr(detect, "FORMS", (*forms_tried, *catalogue.FORMS))
    one, two = state_directory(tmp_path / "one"), state_directory(tmp_path / "two", OTHER)
    local = write_log(one / "logs" / "a-local.log", "local")
    write_log(one / "logs" / "b.log", "states +1")
    write_log(two / "logs" / "b.log", "states +2")
    os.utime(local, (START_MS // 1000, START_MS // 1000))
    zone = timezone(timedelta(hours=5))
    load_evidence([str(one), str(two)], zone=zone, host_zone=zone)
    given = seen["local"]
    log_of_one = (at(START_MS), timedelta(0))
    assert list(given.offsets) == [log_of_one, (at(START_MS + 1), timedelta(hours=1))]
    assert (given.zone, given.host_zone, given.name, given.modified_at) == (zone, zone, "a-local.log", at(START_MS))
    assert list(seen["states +1"].offsets) == []


def test_files_that_state_two_offsets_for_one_moment_lend_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Given] = {}
    tried = [reading(seen, "local", None, needs_zone=True), reading(seen, "states +1", 1, at_ms=START_MS)]
    monkeypatch.setattr(detect, "FORMS", (*tried, *catalogue.FORMS))
    state = state_directory(tmp_path / "one")
    write_log(state / "logs" / "a-local.log", "local")
    write_log(state / "logs" / "b.log", "states +1")
    load_evidence([str(state)])
    assert list(seen["local"].offsets) == []


@pytest.mark.parametrize(("shape", "is_assumed"), [("docker -t", True), ("compact", False)])
def test_a_container_says_nothing_of_the_zone_of_the_host(tmp_path: Path, shape: str, is_assumed: bool) -> None:
    said = [Said("gateway", "gateway ready", START_MS), Said("gateway", "starting...", START_MS + 60_000)]
    (tmp_path / "stated.txt").write_text("".join(map(FORMS[shape][1], said)), encoding="utf-8")
    (tmp_path / "journal-2026-04-17.txt").write_text("".join(map(FORMS["short"][1], said)), encoding="utf-8")
    sources = load_evidence([str(tmp_path)]).sources
    assert sources.filter(pl.col("path").str.ends_with("journal-2026-04-17.txt"))["zone_is_assumed"].to_list() == [
        is_assumed
    ]


def test_without_a_word_about_zones_the_last_resort_is_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Given] = {}
    monkeypatch.setattr(detect, "FORMS", (reading(seen, "local", None, needs_zone=True), *catalogue.FORMS))
    state = state_directory(tmp_path / "state")
    load_evidence([str(state), "-"], standard_input=io.BytesIO(b"local"))
    assert (seen["local"].zone, seen["local"].host_zone, seen["local"].modified_at) == (None, UTC, None)


def test_a_missing_file_of_a_rotated_log_is_a_hole(tmp_path: Path) -> None:
    state = state_directory(tmp_path / "state")
    for name, hours in (("gateway.2.log", -3), ("gateway.1.log", -1)):
        write_log(state / "logs" / name, log_line("gateway", "gateway ready", ms=START_MS + hours * 3_600_000))
    evidence = load_evidence([str(state)])
    assert gateway_log_spans(evidence.sources, evidence.lifecycle).height == 1
    (state / "logs" / "gateway.1.log").unlink()
    evidence = load_evidence([str(state)])
    assert gateway_log_spans(evidence.sources, evidence.lifecycle).height == 2


def test_a_file_that_grows_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_directory(tmp_path / "state")
    log = state / "logs" / "gateway.log"
    size = log.stat().st_size
    original = gateway_log.parse_gateway_log

    def grow_and_parse(path: Path, *, advance: Advance) -> Parsed:
        parsed = original(path, advance=advance)
        with path.open("a", encoding="utf-8") as file:
            file.write("more")
        return parsed

    monkeypatch.setattr(gateway_log, "parse_gateway_log", grow_and_parse)
    (told,) = noted(load_evidence([str(state)]), "changed")
    assert told.startswith(f"{log}: it changed while it was read, from {size} to {size + 4} bytes")


def test_a_file_that_vanishes_while_others_are_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_directory(tmp_path / "state")
    original = gateway_log.parse_gateway_log

    def parse_and_remove(path: Path, *, advance: Advance) -> Parsed:
        parsed = original(path, advance=advance)
        path.unlink()
        return parsed

    monkeypatch.setattr(gateway_log, "parse_gateway_log", parse_and_remove)
    (told,) = noted(load_evidence([str(state)]), "changed")
    assert "it went away while it was read" in told
