from __future__ import annotations

import json
from pathlib import Path

import pytest

from forensics.model.errors import UnreadableError
from forensics.model.schemas import TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.forms import document_in
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_export import is_task_export, parse_task_export
from tests.parsers.shapes import JOB, START_MS, TASK, assert_balance, at, codes, noted_lines

LOST_MS = START_MS + 340_000


def task(task_id: str = TASK, **fields: object) -> dict[str, object]:
    """Give a task as ``tasks list --json`` prints a row that is lost in the registry: empty columns are left out."""
    entry: dict[str, object] = {
        "taskId": task_id,
        "runtime": "cron",
        "requesterSessionKey": "",
        "sourceId": JOB,
        "runId": f"cron:{JOB}:{START_MS}",
        "label": "digest",
        "task": "digest",
        "status": "lost",
        "deliveryStatus": "not_applicable",
        "notifyPolicy": "silent",
        "createdAt": START_MS,
        "startedAt": START_MS,
        "endedAt": LOST_MS,
        "lastEventAt": LOST_MS,
        "cleanupAfter": LOST_MS + 604_800_000,
        "error": "backing session missing",
    }
    return entry | fields


def projected(task_id: str = TASK) -> dict[str, object]:
    """Give a running row as a separate process up to 2026.4.24 shows it: the order of its keys is another."""
    told = task(task_id)
    last = {key: told.pop(key) for key in ("lastEventAt", "endedAt", "error", "cleanupAfter")}
    return told | last


def finding(entry: object, code: str = "lost", **fields: object) -> dict[str, object]:
    return {"kind": "task", "severity": "error", "code": code, "detail": "x", "token": TASK, "task": entry} | fields


def read(path: Path, document: object) -> Parsed:
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return parse_task_export(path)


def listed(*tasks: object) -> dict[str, object]:
    return {"count": len(tasks), "runtime": None, "status": None, "tasks": list(tasks)}


def audited(*findings: object) -> dict[str, object]:
    return {"count": len(findings), "summary": {"total": len(findings)}, "findings": list(findings)}


@pytest.mark.parametrize("document", [listed(task()), audited(finding(task())), task()], ids=["list", "audit", "show"])
def test_a_task_is_read_from_every_command(tmp_path: Path, document: object) -> None:
    parsed = read(tmp_path / "export.json", document)
    assert parsed.tasks is not None
    assert_schema(parsed.tasks, TASKS, "tasks")
    row = parsed.tasks.row(0, named=True)
    lines = (tmp_path / "export.json").read_text("utf-8").split("\n")
    assert '"taskId"' in lines[row.pop("line") - 1]
    assert row == {
        "gateway": None,
        "source": None,
        "task_id": TASK,
        "runtime": "cron",
        "job_id": JOB,
        "run_id": f"cron:{JOB}:{START_MS}",
        "agent_id": None,
        "session_key": None,
        "label": "digest",
        "status": "lost",
        "delivery_status": "not_applicable",
        "notify_policy": "silent",
        "created_at": at(START_MS),
        "started_at": at(START_MS),
        "ended_at": at(LOST_MS),
        "last_event_at": at(LOST_MS),
        "cleanup_after": at(LOST_MS + 604_800_000),
        "error": "backing session missing",
        "terminal_summary": None,
        "terminal_outcome": None,
        "registry": "export",
        "projected": False,
        "is_twin": False,
        "precision_ms": 1,
    }
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert (parsed.kind, parsed.first_at, parsed.last_at) == (SourceKind.TASK_EXPORT, at(START_MS), at(LOST_MS))


def test_a_projected_row_is_told_by_the_order_of_its_keys(tmp_path: Path) -> None:
    parsed = read(tmp_path / "export.json", listed(task("stored"), projected("shown")))
    assert parsed.tasks is not None
    assert parsed.tasks.select("task_id", "projected").rows() == [("stored", False), ("shown", True)]
    assert codes(parsed) == ["projected_rows"]


def test_sorted_keys_no_longer_tell_a_projected_row_and_that_is_said(tmp_path: Path) -> None:
    rows = [task("stored"), projected("shown"), task("done", status="succeeded")]
    parsed = read(tmp_path / "export.json", json.loads(json.dumps(listed(*rows), sort_keys=True)))
    assert parsed.tasks is not None
    assert parsed.tasks["projected"].to_list() == [False, False, False]
    assert [(note["code"], note["level"]) for note in parsed.notices.rows] == [("keys_sorted", "warning")]
    assert str(parsed.notices.rows[0]["message"]).startswith("2 lost rows have sorted keys")


@pytest.mark.parametrize("status", ["succeeded", "running"])
def test_only_a_lost_row_can_be_projected(tmp_path: Path, status: str) -> None:
    parsed = read(tmp_path / "export.json", listed(projected() | {"status": status}))
    assert parsed.tasks is not None
    assert parsed.tasks["projected"].to_list() == [False]


def test_a_row_that_an_audit_names_twice_counts_once(tmp_path: Path) -> None:
    document = audited(finding(task()), finding(task(), "inconsistent_timestamps"), finding(task("other")))
    parsed = read(tmp_path / "export.json", document)
    assert parsed.tasks is not None
    assert parsed.tasks["task_id"].to_list() == [TASK, "other"]
    assert_balance(parsed, records=2, skipped=1)


def test_findings_of_old_releases_have_no_kind(tmp_path: Path) -> None:
    old = {"severity": "error", "code": "lost", "task": task(), "detail": "x"}
    assert_balance(read(tmp_path / "export.json", audited(old)), records=1)


def test_findings_about_task_flows_are_no_rows(tmp_path: Path) -> None:
    flow = {"kind": "task_flow", "severity": "warn", "code": "stale_waiting", "detail": "x"}
    assert_balance(read(tmp_path / "export.json", audited(flow, finding(task()))), records=1)


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, {"taskId": 7}, {"taskId": "x"}, [[[[["deep"]]]]]])
@pytest.mark.parametrize("wrap", [listed, lambda *entries: audited(*map(finding, entries))], ids=["list", "audit"])
def test_an_entry_that_is_no_task_is_rejected(tmp_path: Path, entry: object, wrap: object) -> None:
    assert callable(wrap)
    parsed = read(tmp_path / "export.json", wrap(entry, task()))
    assert_balance(parsed, records=1, rejected=1)
    assert codes(parsed) == ["no_task_id"]


@pytest.mark.parametrize("key", ["createdAt", "startedAt", "endedAt", "lastEventAt", "cleanupAfter"])
@pytest.mark.parametrize("value", ["2026-04-17T07:40:44Z", START_MS // 1000, -1, 1e300, float("nan"), True, [], {}])
def test_a_time_that_is_none_is_null_and_noted(tmp_path: Path, key: str, value: object) -> None:
    parsed = read(tmp_path / "export.json", listed(task(**{key: value})))  # type: ignore[arg-type]
    assert parsed.tasks is not None
    row = parsed.tasks.row(0, named=True)
    times = [row[name] for name in ("created_at", "started_at", "ended_at", "last_event_at", "cleanup_after")]
    assert times.count(None) == 1
    assert noted_lines(parsed, "out_of_range") == [row["line"]]


@pytest.mark.parametrize("key", ["sourceId", "runId", "label", "status", "error", "terminalSummary", "runtime"])
@pytest.mark.parametrize("value", [7, True, [], {"a": 1}, 1.5])
def test_text_of_a_wrong_type_is_null_and_noted(tmp_path: Path, key: str, value: object) -> None:
    parsed = read(tmp_path / "export.json", listed(task(**{key: value})))  # type: ignore[arg-type]
    assert parsed.tasks is not None
    assert noted_lines(parsed, "wrong_type") == parsed.tasks["line"].to_list()


def test_an_export_behind_warnings_keeps_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text("[warn] gateway not reachable\n\n" + json.dumps(listed(task()), indent=2), encoding="utf-8")
    parsed = parse_task_export(path)
    assert parsed.tasks is not None
    (line,) = parsed.tasks["line"].to_list()
    assert TASK in path.read_text("utf-8").split("\n")[line - 1]


def test_a_missing_export_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        parse_task_export(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('{"a": 1}', {"a": 1}),
        ('\ufeff {"a": 1}', {"a": 1}),
        ('warning\n{"a": 1}\ntrailing', {"a": 1}),
        ('{"a": 1}{"b": 2}', {"a": 1}),
        *(('{"a": ', None), ("[1]", None), ("", None), ('warning {"a": 1}', None), ("[" * 100_000, None)),
        ('{"a":' * 100_000, None),
    ],
)
def test_the_first_object_of_a_text_is_its_document(text: str, document: object) -> None:
    assert document_in(text.encode()) == document


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"tasks": []}, {"findings": []}, {"count": 0}, {"taskId": "x"}]
)
def test_other_documents_are_no_export(document: object) -> None:
    assert is_task_export(document) is False
