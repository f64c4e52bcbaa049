"""Answers of command lines inside the gateway's own log."""

from __future__ import annotations

import json
from pathlib import Path

from forensics.model.schemas import TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_export import tasks_in_document
from tests.parsers.shapes import START_MS, TASK, assert_balance, codes, log_line, write_log
from tests.parsers.test_task_export_forms import listed, task, twin


def answer(document: object, ms: int = START_MS) -> str:
    return log_line(None, json.dumps(document, indent=2), ms=ms)


def running_shown_lost(task_id: str) -> dict[str, object]:
    told = task(task_id)
    return told | {key: told.pop(key) for key in ("lastEventAt", "endedAt", "error")}


def test_the_last_state_of_each_row_is_read_with_the_line_of_the_log(tmp_path: Path) -> None:
    lines = [
        log_line("gateway", "gateway ready"),
        answer(listed(task(status="running"), running_shown_lost("b"))),
        answer(task(status="succeeded", note="received SIGTERM; shutting down")),
        answer({"count": 1, "summary": {}, "findings": [{"kind": "task", "task": task("b", status="failed")}]}),
        answer({"mode": "preview", "maintenance": {}}),
        answer({"count": 1, "tasks": [7, {"taskId": 7}]}),
        log_line(None, "{\n  torn"),
    ]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert parsed.tasks is not None
    assert parsed.lifecycle is not None
    assert_schema(parsed.tasks, TASKS, "tasks")
    assert parsed.tasks.select("line", "task_id", "status", "projected", "registry").rows() == [
        (2, "b", "lost", True, "log"),
        (3, TASK, "succeeded", False, "log"),
        (4, "b", "failed", False, "log"),
    ]
    assert set(parsed.lifecycle["kind"]) == {"ready", "last_line"}
    assert_balance(parsed, records=4, skipped=3)
    assert codes(parsed) == ["projected_rows"]


def test_a_log_without_answers_has_no_task_rows(tmp_path: Path) -> None:
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line("gateway", "gateway ready")))
    assert parsed.tasks is None


def test_rows_quoted_in_the_text_of_a_record_are_no_answer(tmp_path: Path) -> None:
    quoted = json.dumps(listed(task()), indent=2)
    lines = [log_line("chat", quoted), log_line(None, "see: " + quoted), log_line(None, json.dumps(listed(task())))]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert parsed.tasks is None
    assert_balance(parsed, records=0, skipped=3)


def test_many_answers_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    lines = [answer(listed(task(f"t{n}"), task("same", endedAt=START_MS + n))) for n in range(300)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert parsed.tasks is not None
    assert parsed.tasks.height == 301
    assert parsed.tasks.filter(parsed.tasks["task_id"] == "same")["line"].to_list() == [300]
    assert_balance(parsed, records=300)


def test_rows_of_a_document_are_of_the_log() -> None:
    parsed = Parsed(SourceKind.GATEWAY_LOG, "")
    rows = list(tasks_in_document(listed(task(), task(), twin()), 7, parsed))
    told = [(row["task_id"], row["line"], row["registry"], row["is_twin"]) for row in rows]
    assert [row[:3] for row in told if not row[3]] == [(TASK, 7, "log")]
    assert [row[3] for row in told] == [False, True]
    assert list(tasks_in_document({"count": 1}, 7, parsed)) == []
    assert codes(parsed) == []
