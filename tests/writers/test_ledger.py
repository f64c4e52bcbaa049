"""``sources`` explains every file: what it is, what it gave, how its counts come about, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

from forensics import load_evidence
from forensics.model.evidence import Evidence
from forensics.writers.json import write_sources_json
from forensics.writers.ledger import write_sources
from tests.parsers.shapes import (
    JOB,
    START_MS,
    TASK,
    log_line,
    run_entry,
    task_row,
    write_log,
    write_registry,
    write_run_log,
    write_wal_registry,
)

CLOCK = "09:40:{:02d} [gateway] {}\n"


def evidence_in(folder: Path, *consoles: str) -> Evidence:
    write_wal_registry(folder / "state" / "tasks" / "runs.sqlite", [task_row()], folder.parent / "live")
    write_run_log(folder / "state" / "cron" / "runs" / f"{JOB}.jsonl", run_entry(), run_entry(START_MS + 1000), "x\n")
    write_log(folder / "logs" / "gateway.log", log_line("plugins", "x"), log_line("gateway", "gateway ready"))
    for name in consoles:
        lines = [CLOCK.format(44, "loading configuration…"), CLOCK.format(50, "ready (0 plugins, 8.3s)")]
        write_log(folder / f"console-2026-04-17-{name}.txt", *lines)
    return load_evidence([str(folder)])


def line_of(text: str, *words: str) -> str:
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return line


def test_every_file_says_what_it_is_and_what_it_gave(tmp_path: Path) -> None:
    text = write_sources(evidence_in(tmp_path / "x"), [])
    assert line_of(text, "runs.sqlite ", "an SQLite database with table task_runs").endswith(" 1 task row")
    assert line_of(text, ".jsonl", "its lines have jobId and action").endswith(" 2 run records")
    assert line_of(text, "gateway.log", "JSON lines with _meta and time").endswith(" 2 events")
    assert "with its database" in line_of(text, "runs.sqlite-wal", "the write-ahead log")


def test_every_file_says_its_span_its_zone_and_its_counts(tmp_path: Path) -> None:
    text = write_sources(evidence_in(tmp_path / "x"), [])
    told = line_of(text, ".jsonl", "UTC from epoch milliseconds")
    assert told.split()[1:5] == ["2026-04-17", "07:40:44.000", "2026-04-17", "07:41:47.005"]
    assert told.split()[-4:] == ["3", "2", "0", "1"]
    assert line_of(text, "gateway.log", "UTC from _meta.date; local stamps +00:00").split()[-4:] == ["2", "1", "1", "0"]
    assert "rejected as broken" in text


def test_what_is_said_alike_of_several_files_is_said_once(tmp_path: Path) -> None:
    write_registry(tmp_path / "x" / "other" / "tasks" / "runs.sqlite", task_row("other"))
    evidence = evidence_in(tmp_path / "x", "one", "two", "three")
    assert evidence.notices["code"].to_list().count("zone_assumed") == 3
    text = write_sources(evidence, ["this", "that"])
    assert "console-2026-04-17-one.txt and 2 more" in line_of(text, "give the zone of the gateway's host with --tz")
    assert f"{JOB}.jsonl:3 " in line_of(text, "not JSON")
    assert text.endswith("\n\nMissing:\n  - this\n  - that\n")


def test_a_write_ahead_log_without_its_database_is_not_said_to_be_read(tmp_path: Path) -> None:
    path = write_wal_registry(tmp_path / "x" / "runs.sqlite", [task_row()], tmp_path / "live")
    path.unlink()
    write_registry(tmp_path / "x" / "other.sqlite", task_row())
    text = write_sources(load_evidence([str(tmp_path / "x")]), [])
    assert " -  " in line_of(text, "runs.sqlite-wal", "the write-ahead log")
    assert "with its database" not in text


def test_json_says_how_many_rows_each_file_gave(tmp_path: Path) -> None:
    told = json.loads(write_sources_json(evidence_in(tmp_path / "x"), ["this"]))
    rows = {Path(source["path"]).name: source["rows"] for source in told["sources"]}
    nothing = {"tasks": 0, "runs": 0, "lifecycle": 0, "jobs": 0, "corrections": 0}
    assert rows["runs.sqlite"] == nothing | {"tasks": 1}
    assert rows["runs.sqlite-wal"] == nothing
    assert rows[f"{JOB}.jsonl"] == nothing | {"runs": 2}
    assert rows["gateway.log"] == nothing | {"lifecycle": 2}
    assert told["missing"] == ["this"]
    assert TASK not in json.dumps(told)
