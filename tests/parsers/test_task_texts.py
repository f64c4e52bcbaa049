from __future__ import annotations

from pathlib import Path

import pytest

from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import detect
from forensics.parsers.task_texts import parse_show
from tests.parsers.shapes import JOB, START_MS, TASK, assert_balance, at, codes, noted_lines, utc
from tests.parsers.test_task_export_forms import DATA, read

SHOWN = {
    "taskId": TASK,
    "kind": "cron",
    "sourceId": JOB,
    "status": "succeeded",
    "result": "n/a",
    "runId": f"cron:{JOB}:{START_MS}",
    "label": "digest",
    "createdAt": utc(START_MS),
    "endedAt": utc(START_MS + 62_000),
    "error": "n/a",
}


def shown(**fields: object) -> str:
    told = {key: value for key, value in (SHOWN | fields).items() if value is not ...}
    return "Background task:\n" + "".join(f"{key}: {value}\n" for key, value in told.items())


def test_a_real_row_is_read() -> None:
    parsed = read(DATA / "4.15-tasks-show.txt")
    assert parsed.tasks is not None
    row = parsed.tasks.row(0, named=True)
    job = "575b8a3a-11e6-4100-82fd-5dc4dc39cb66"
    lost_at = at(1_795_475_095_061)
    assert {key: value for key, value in row.items() if value is not None} == {
        "line": 2,
        "task_id": "97b96ec8-5199-4df1-9cb1-1d65e1071d5c",
        "runtime": "cron",
        "job_id": job,
        "run_id": f"cron:{job}:1795474694013",
        "label": "W-lock-at-finish",
        "status": "lost",
        "delivery_status": "not_applicable",
        "notify_policy": "silent",
        "created_at": at(1_795_474_694_013),
        "started_at": at(1_795_474_694_013),
        "ended_at": lost_at,
        "last_event_at": lost_at,
        "cleanup_after": at(1_795_475_095_061 + 604_800_000),
        "error": "backing session missing",
        "registry": "export",
        "projected": False,
        "is_twin": False,
        "precision_ms": 1,
    }
    assert_balance(parsed, records=1)
    assert codes(parsed) == ["maybe_projected"]
    assert (parsed.kind, parsed.form) == (SourceKind.TASK_EXPORT, "tasks show (text)")


def test_several_rows_and_values_of_several_lines(tmp_path: Path) -> None:
    text = "warning\n" + shown(error="first\nkind: of\n\n  last") + "\n\x1b[1m" + shown(taskId="b", label="日本")
    path = tmp_path / "show.txt"
    path.write_text(text, encoding="utf-8")
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks.select("task_id", "label", "error", "runtime").rows() == [
        (TASK, "digest", "first\nkind: of\n\n  last", "cron"),
        ("b", "日本", None, "cron"),
    ]
    for line, task_id in parsed.tasks.select("line", "task_id").rows():
        assert text.split("\n")[line - 1] == f"taskId: {task_id}"
    assert_balance(parsed, records=2)
    assert codes(parsed) == []


@pytest.mark.parametrize("value", ["soon", "2026-04-17", "1776411644000", "1970-01-01T00:00:00.000Z"])
def test_a_time_that_is_none_is_null_and_noted(tmp_path: Path, value: str) -> None:
    path = tmp_path / "show.txt"
    path.write_text(shown(endedAt=value), encoding="utf-8")
    parsed = parse_show(path)
    assert parsed.tasks is not None
    assert parsed.tasks["ended_at"].to_list() == [None]
    assert noted_lines(parsed, "out_of_range") == [2]


def test_a_row_without_an_id_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "show.txt"
    path.write_text(shown(taskId=...) + shown(), encoding="utf-8")
    parsed = parse_show(path)
    assert_balance(parsed, records=1, rejected=1)
    assert codes(parsed) == ["no_task_id"]


@pytest.mark.parametrize(
    ("name", "form", "asks"),
    [
        ("4.15-tasks-list.txt", "tasks list (text)", "--json"),
        ("4.15-tasks-audit.txt", "tasks audit (text)", "--json"),
        ("4.15-tasks-maintenance.txt", "tasks maintenance (text)", "tasks list --json"),
        ("4.15-tasks-maintenance.json", "tasks maintenance --json", "tasks list --json"),
    ],
)
def test_what_holds_no_whole_row_is_named(name: str, form: str, asks: str) -> None:
    parsed = read(DATA / name)
    assert (parsed.kind, parsed.form) == (SourceKind.OTHER, form)
    assert codes(parsed) == ["no_rows"]
    assert asks in str(parsed.notices.rows[0]["message"])
    assert (parsed.tasks, parsed.runs) == (None, None)
    assert_balance(parsed, records=0)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Tasks: 0 active · 0 queued · 0 running · 11 issues · audit 1 error · 219 warn", "status line of tasks"),
        ("│ Tasks │ 0 active · 0 queued · 0 running · 149 issues · audit clean │", "status line of tasks"),
        ("\x1b[1mTasks audit: 896 findings · 11 errors · 885 warnings\x1b[0m", "tasks audit (text)"),
        ("Severity Code                   Task       Status     Age      Detail", "tasks audit (text)"),
        ('note\n{"tasks": {"total": 7}, "taskAudit": {"total": 1}}', "status --json"),
    ],
)
def test_answers_with_counts_are_named(tmp_path: Path, text: str, form: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(text + "\n", encoding="utf-8")
    found = detect(path)
    assert found.form is not None
    assert (found.kind, found.form.name) == (SourceKind.OTHER, form)
    assert codes(read(path)) == ["no_rows"]


@pytest.mark.parametrize("field", ["sourceId", "status", "runId", "startedAt"])
def test_a_field_of_a_later_release_is_no_part_of_the_value_above_it(tmp_path: Path, field: str) -> None:
    text = shown(startedAt=utc(START_MS))
    told = next(line for line in text.splitlines() if line.startswith(f"{field}: "))
    path = tmp_path / "show.txt"
    path.write_text(text.replace(told, f"{told}\nrequesterAgentId: main"), encoding="utf-8")
    parsed = parse_show(path)
    assert parsed.tasks is not None
    wanted = {"job_id": JOB, "status": "succeeded", "run_id": f"cron:{JOB}:{START_MS}", "started_at": at(START_MS)}
    assert parsed.tasks.select(list(wanted)).row(0, named=True) == wanted
    assert codes(parsed) == []
