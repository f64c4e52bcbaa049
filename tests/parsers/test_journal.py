"""Journals of applied fix-ups: read whole or not at all, each row with its line, and taken for nothing else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from forensics import load_evidence
from forensics.model.errors import NothingToReadError
from forensics.model.journal import UNDO, Journal, journal_text
from forensics.model.plan import TOUCHED, Stored
from forensics.model.verdicts import SourceKind
from forensics.parsers import journal as parser
from forensics.parsers.detect import detect, left_out
from forensics.parsers.forms import Given
from forensics.parsers.parsed import Parsed
from forensics.writers.json import journal_schema
from tests.parsers.shapes import task_row, write_registry
from tests.support.journals import JOURNAL, NOON, SHA, left_prepared, row_of, write_journal

BEFORE: Stored = {
    "status": "lost",
    "ended_at": 1_795_475_095_061,
    "last_event_at": 1_795_475_095_061,
    "error": "backing session missing",
    "cleanup_after": 1_796_079_895_061,
}
AFTER: Stored = {
    "status": "succeeded",
    "ended_at": 1_795_474_733_417,
    "last_event_at": 1_795_474_733_417,
    "terminal_summary": "done",
    "cleanup_after": 1_796_079_895_061,
}
ROWS = tuple(row_of(f"task-{number}", BEFORE, AFTER) for number in range(3))
WHOLE = replace(JOURNAL, rows=ROWS)


def parsed(path: Path) -> Parsed:
    return parser.parse_journal(path, Given())


def read(folder: Path, text: str | bytes) -> Parsed:
    """Read a file as what it is recognised as, which must be a journal."""
    path = folder / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    detected = detect(path)
    assert (detected.kind, detected.by) == (SourceKind.FIX_JOURNAL, "a journal of forensics fix")
    return parsed(path)


def rows_of(told: Parsed) -> list[dict[str, Any]]:
    assert told.corrections is not None
    assert told.lines == told.records + told.skipped + told.rejected
    assert told.records == told.corrections.height
    return list(told.corrections.iter_rows(named=True))


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(journal_text(WHOLE))
    change(document)
    return json.dumps(document, indent=1)


def test_every_row_is_read_with_its_values(tmp_path: Path) -> None:
    told = read(tmp_path, journal_text(WHOLE))
    rows = rows_of(told)
    assert [(row["row"], row["task_id"]) for row in rows] == [(1, "task-0"), (2, "task-1"), (3, "task-2")]
    assert {row["at"] for row in rows} == {WHOLE.applied_at}
    for side, stored in (("before", BEFORE), ("after", AFTER)):
        for name in TOUCHED:
            value = rows[0][f"{side}_{name}"]
            assert (round(value.timestamp() * 1000) if isinstance(value, datetime) else value) == stored.get(name)
    named = ("action", "is_applied", "verdict", "confidence", "why", "database", "backup", "backup_sha256", "undoes")
    assert [rows[1][name] for name in named] == [
        "fix", True, "false_lost", "exact", ROWS[0].why, JOURNAL.database, JOURNAL.backup, SHA, None,
    ]  # fmt: skip
    assert told.notices.closed() == []


def test_the_line_of_a_row_is_that_of_its_task_id(tmp_path: Path) -> None:
    text = journal_text(WHOLE)
    lines = text.splitlines()
    for row in rows_of(read(tmp_path, text)):
        assert lines[row["line"] - 1].strip() == f'"task_id": "{row["task_id"]}",'


def test_a_journal_on_one_line_is_read_as_well(tmp_path: Path) -> None:
    assert [row["line"] for row in rows_of(read(tmp_path, json.dumps(json.loads(journal_text(WHOLE)))))] == [1, 1, 1]


def test_no_line_is_cited_where_two_lists_of_rows_contradict_each_other(tmp_path: Path) -> None:
    other = journal_text(replace(WHOLE, rows=tuple(row_of(f"other-{number}", {}, {}) for number in range(3))))
    shown = other.split('\n "rows": ', 1)[1].rsplit("\n}", 1)[0]
    text = journal_text(WHOLE).replace('\n "rows": ', f'\n "rows": {shown},\n "rows": ')
    rows = rows_of(read(tmp_path, text))
    assert [(row["task_id"], row["line"]) for row in rows] == [(f"task-{number}", None) for number in range(3)]


def test_without_a_commit_on_record_the_moment_is_that_of_the_preparation(tmp_path: Path) -> None:
    told = parsed(left_prepared(tmp_path / "j", WHOLE))
    assert {(row["at"], row["is_applied"]) for row in rows_of(told)} == {(NOON, False)}


def test_an_undo_names_the_journal_it_undoes(tmp_path: Path) -> None:
    told = read(tmp_path, journal_text(replace(WHOLE, action=UNDO, undoes="a.journal.json")))
    assert {(row["action"], row["undoes"]) for row in rows_of(told)} == {("undo", "a.journal.json")}


def test_a_journal_without_rows_is_none(tmp_path: Path) -> None:
    told = read(tmp_path, journal_text(JOURNAL))
    assert told.corrections is None or told.corrections.is_empty()
    assert [(row["code"], "no rows" in str(row["message"])) for row in told.notices.closed()] == [("bad_journal", True)]


def test_its_times_are_no_span_of_a_gateway(tmp_path: Path) -> None:
    told = read(tmp_path, journal_text(WHOLE))
    assert (told.first_at, told.last_at) == (None, None)


def test_values_are_read_as_the_registry_reads_them(tmp_path: Path) -> None:
    before: Stored = {"status": "lost", "ended_at": 12, "last_event_at": 1.5, "error": b"\xffx", "terminal_summary": 7}
    told = read(tmp_path, journal_text(replace(JOURNAL, rows=(row_of("t\udcff", before, AFTER),))))
    (row,) = rows_of(told)
    assert (row["task_id"], row["before_error"], row["before_terminal_summary"]) == ("t\ufffd", "\ufffdx", "7")
    assert (row["before_ended_at"], row["before_last_event_at"]) == (None, None)
    assert [(notice["code"], notice["line"]) for notice in told.notices.closed()] == [("out_of_range", row["line"])] * 2


def drop(*keys: str) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


def put(value: object, *keys: str | int) -> Callable[[dict[str, Any]], object]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


TEXT = journal_text(WHOLE)
BROKEN: dict[str, str] = {
    "cut within a row": TEXT[: TEXT.rindex('"task_id"') + 4],
    "cut in the middle": TEXT[: len(TEXT) // 2],
    "cut behind its schema": TEXT[:40],
    "followed by another": TEXT + TEXT,
    "nested deeply": TEXT[:-3] + ', "more": ' + "[" * 100_000,
    "a policy nested deeply": edited(put({}, "policy")).replace('"policy": {}', f'"policy": {"[" * 900}{"]" * 900}'),
    "a number of many digits": TEXT.replace("1795475095061", "9" * 5000, 1),
    "without rows": edited(drop("rows")),
    "without a state": edited(drop("state")),
    "of no known action": edited(put("mend", "action")),
    "rows that are no list": edited(put("abc", "rows")),
    "rows that are no objects": edited(put([[]], "rows")),
    "a row without a task": edited(drop("rows", 1, "task_id")),  # type: ignore[arg-type]
    "a truth value": edited(put(True, "rows", 0, "before", "ended_at")),
    "a real beyond all bounds": edited(put({"real": "0x1p99999"}, "rows", 0, "before", "ended_at")),
    "bytes that are none": edited(put({"blob": "zz"}, "rows", 0, "before", "error")),
    "a time without a zone": edited(put("2026-11-26T12:00:00.000", "prepared_at")),
    "a time before all gateways": edited(put("0001-01-01T00:00:00+14:00", "applied_at")),
    "a time after all gateways": edited(put("9999-12-31T23:59:59-14:00", "applied_at")),
    "no time": edited(put(5, "applied_at")),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_journal_is_told_and_nothing_of_it_is_used(tmp_path: Path, text: str) -> None:
    told = read(tmp_path, text)
    (notice,) = told.notices.closed()
    assert (notice["code"], notice["level"]) == ("bad_journal", "error")
    assert told.corrections is None
    assert (told.lines, told.records, told.rejected) == (1, 0, 1)


def test_another_version_is_named_and_not_read(tmp_path: Path) -> None:
    for text in (TEXT.replace("journal/1", "journal/2"), TEXT.replace("journal/1", "journal/2")[:60]):
        told = read(tmp_path, text)
        (notice,) = told.notices.closed()
        assert notice["code"] == "another_version"
        assert "forensics.journal/2" in str(notice["message"])
        assert told.corrections is None


def test_a_schema_that_stands_last_is_seen_all_the_same(tmp_path: Path) -> None:
    document = json.loads(TEXT)
    document["schema"] = document.pop("schema")
    assert len(rows_of(read(tmp_path, json.dumps(document)))) == 3


def test_a_journal_of_any_size_is_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "LARGEST_JOURNAL_BYTES", len(TEXT) - 1)
    told = read(tmp_path, TEXT)
    assert [notice["code"] for notice in told.notices.closed()] == ["too_large"]
    assert told.corrections is None


@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=3))
def test_no_damage_makes_it_crash(tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes) -> None:
    path = tmp_path_factory.mktemp("damaged") / "file"
    content = TEXT.encode()
    path.write_bytes(content[:place] + damage + content[place + len(damage) :])
    told = parsed(path)
    assert told.lines == told.records + told.skipped + told.rejected
    assert told.records == (0 if told.corrections is None else told.corrections.height)
    assert told.corrections is not None or told.notices.closed()


def test_a_journal_is_no_evidence_of_a_gateway(tmp_path: Path) -> None:
    evidence = load_evidence([str(write_journal(tmp_path / "j", WHOLE))])
    for frame in (evidence.tasks, evidence.runs, evidence.lifecycle, evidence.jobs, evidence.histories):
        assert frame.is_empty()
    assert evidence.copies.is_empty()
    assert evidence.corrections["source"].unique().to_list() == [0]
    assert evidence.sources["sha256"][0] is not None


def test_a_file_that_only_speaks_of_the_schema_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps({"text": "forensics.journal/1", "rows": []}), encoding="utf-8")
    assert detect(path).kind is not SourceKind.FIX_JOURNAL
    with pytest.raises(NothingToReadError):
        load_evidence([str(path)])


SCHEMA = Draft202012Validator(journal_schema())


@pytest.mark.parametrize(
    "journal",
    [
        WHOLE,
        replace(WHOLE, action=UNDO, undoes="x"),
        replace(WHOLE, state="prepared", applied_at=None),
        replace(JOURNAL, rows=(row_of("t\udcff", {"error": b"\xff", "ended_at": 1.5}, {"error": "\udcfe"}),)),
    ],
    ids=["fix", "undo", "prepared", "odd values"],
)
def test_journals_keep_their_contract(journal: Journal) -> None:
    Draft202012Validator.check_schema(journal_schema())
    assert [error.message for error in SCHEMA.iter_errors(json.loads(journal_text(journal)))] == []


@pytest.mark.parametrize("text", [BROKEN[name] for name in BROKEN if BROKEN[name].startswith("{") and name in (
    "without rows", "without a state", "of no known action", "rows that are no list", "a row without a task",
    "a truth value", "bytes that are none", "a time without a zone", "no time",
)])  # fmt: skip
def test_a_broken_journal_breaks_the_contract(text: str) -> None:
    assert list(SCHEMA.iter_errors(json.loads(text)))


def test_a_folder_of_a_state_directory_is_entered_where_a_journal_lies_in_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    registry = write_registry(state / "tasks" / "runs.sqlite", task_row("task-0"))
    for name in ("backups", "workspace"):
        (state / name).mkdir()
        (state / name / "copy.sqlite").write_bytes(registry.read_bytes())
    assert left_out(str(state)) == ["backups", "workspace"]
    write_journal(state / "backups" / "copy.sqlite.journal.json", WHOLE)
    assert left_out(str(state)) == ["workspace"]
    evidence = load_evidence([str(state)])
    names = sorted(path.split("/state/", 1)[1] for path in evidence.sources["path"])
    assert names == ["backups/copy.sqlite", "backups/copy.sqlite.journal.json", "tasks/runs.sqlite"]
    assert evidence.sources["gateway"].unique().to_list() == ["state"]


def test_no_write_ahead_log_is_missing_of_a_backup_whose_hash_is_known(tmp_path: Path) -> None:
    """A page-wise copy of a database in WAL mode says that it has a log; the journal's hash says it is whole."""
    backup = write_registry(tmp_path / "backups" / "one.sqlite", task_row("task-0"))
    with closing(sqlite3.connect(backup)) as database:
        database.execute("PRAGMA journal_mode = WAL").fetchall()
    evidence = load_evidence([str(tmp_path)])
    assert "wal_not_given" in evidence.notices["code"]
    sha256 = hashlib.sha256(backup.read_bytes()).hexdigest()
    write_journal(tmp_path / "backups" / "one.sqlite.journal.json", replace(WHOLE, backup_sha256=sha256))
    assert "wal_not_given" not in load_evidence([str(tmp_path)]).notices["code"]


def home(folder: Path, name: str, *task_ids: str) -> Path:
    write_registry(folder / name / "state" / "tasks" / "runs.sqlite", *map(task_row, task_ids))
    return folder / name


def placed(folder: Path, *paths: Path, gateways: dict[str, list[str]] | None = None) -> list[str | None]:
    """Give the gateways of all journals."""
    evidence = load_evidence([str(path) for path in paths or (folder,)], gateways)
    return evidence.sources.filter(evidence.sources["kind"] == "fix_journal")["gateway"].to_list()


def test_a_journal_belongs_to_the_gateway_whose_row_it_names(tmp_path: Path) -> None:
    home(tmp_path, "one", "task-0", "a")
    two = home(tmp_path, "two", "b")
    write_journal(two / "x.journal.json", WHOLE)
    assert placed(tmp_path) == ["one/state"]


def test_a_journal_whose_rows_are_gone_belongs_to_the_nearest_gateway(tmp_path: Path) -> None:
    home(tmp_path, "one", "a")
    two = home(tmp_path, "two", "b")
    write_journal(two / "x.journal.json", WHOLE)
    assert placed(tmp_path) == ["two/state"]


def test_a_journal_that_no_folder_tells_is_placed_nowhere(tmp_path: Path) -> None:
    home(tmp_path, "one", "a")
    home(tmp_path, "two", "b")
    write_journal(tmp_path / "x.journal.json", WHOLE)
    assert placed(tmp_path) == [None]


def test_a_journal_belongs_where_the_user_says(tmp_path: Path) -> None:
    one, two = home(tmp_path, "one", "task-0"), home(tmp_path, "two", "b")
    path = write_journal(tmp_path / "x.journal.json", WHOLE)
    assert placed(tmp_path, one, gateways={"office": [str(two), str(path)]}) == ["office"]


def test_a_backup_belongs_to_the_gateway_of_its_database_however_few_tasks_they_share(tmp_path: Path) -> None:
    home(tmp_path, "one", "a")
    home(tmp_path, "two", "b")
    backup = write_registry(tmp_path / "kept" / "one.sqlite", task_row("task-0"))
    sha256 = hashlib.sha256(backup.read_bytes()).hexdigest()
    journal = replace(WHOLE, backup_sha256=sha256, database="/root/one/state/tasks/runs.sqlite")
    write_journal(tmp_path / "kept" / "one.sqlite.journal.json", journal)
    evidence = load_evidence([str(tmp_path)])
    told = dict(evidence.sources.select("path", "gateway").iter_rows())
    assert told[str(backup)] == "one/state"
    assert set(told.values()) == {"one/state", "two/state"}
    assert placed(tmp_path) == ["one/state"]
