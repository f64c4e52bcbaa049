"""Exports beyond a plain list: run records in details, flows, arrays, lines, several documents, UTF-16."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from forensics.model.schemas import RUNS, TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from forensics.parsers.parsed import Parsed
from forensics.parsers.run_details import detail_row, is_imported_twin
from forensics.parsers.task_export import parse_task_export
from tests.parsers.shapes import JOB, START_MS, TASK, assert_balance, at, codes, noted_lines

DATA = Path(__file__).parent.parent / "data" / "exports"
TWIN = f"cron-runlog-import:{JOB}:{START_MS + 62_005}:1"
DETAIL: dict[str, object] = {
    "kind": "cron-run",
    "status": "ok",
    "completionStatus": "unknown",
    "error": None,
    "summary": "done",
    "storeKey": "/home/claw/.openclaw/cron/jobs.json",
    "delivered": False,
    "deliveryStatus": "not-delivered",
    "runAtMs": START_MS,
    "durationMs": 62_000,
    "nextRunAtMs": START_MS + 86_400_000,
}


def task(task_id: str = TASK, **fields: object) -> dict[str, object]:
    entry: dict[str, object] = {
        "taskId": task_id,
        "runtime": "cron",
        "sourceId": JOB,
        "runId": f"cron:{JOB}:{START_MS}",
        "status": "lost",
        "createdAt": START_MS,
        "startedAt": START_MS,
        "endedAt": START_MS + 340_000,
        "lastEventAt": START_MS + 340_000,
        "error": "backing session missing",
    }
    return entry | fields


def twin(**fields: object) -> dict[str, object]:
    """Give an imported run record, as 2026.9.6 makes it of a line of a run log: not delivered, so ``failed``."""
    ended = {"endedAt": START_MS + 62_005, "lastEventAt": START_MS + 62_005, "error": None}
    return task(TWIN, runId=TWIN, status="failed", detail=DETAIL) | ended | fields


def listed(*tasks: object, **fields: object) -> dict[str, object]:
    return {"count": len(tasks), "runtime": None, "status": None, "tasks": list(tasks)} | fields


def read(path: Path) -> Parsed:
    found = detect(path)
    assert found.form is not None
    parsed = found.form.parse(path, Given(name=path.name))
    parsed.form = parsed.form or found.form.name
    return parsed


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
    return path


def test_an_imported_record_is_a_run_and_no_task_row(tmp_path: Path) -> None:
    parsed = read(written(tmp_path / "x.json", listed(twin(), task())))
    assert parsed.tasks is not None
    assert parsed.runs is not None
    assert_schema(parsed.runs, RUNS, "runs")
    assert parsed.tasks.select("task_id", "is_twin").rows() == [(TWIN, True), (TASK, False)]
    row = parsed.runs.row(0, named=True)
    assert f'"taskId": "{TWIN}"' in (tmp_path / "x.json").read_text("utf-8").split("\n")[row["line"] - 1]
    assert row | {"line": 0} == {
        "gateway": None,
        "source": None,
        "line": 0,
        "job_id": JOB,
        "run_id": None,
        "started_at": at(START_MS),
        "finished_at": at(START_MS + 62_005),
        "duration_ms": 62_000,
        "status": "ok",
        "error": None,
        "summary": "done",
        "has_usage": False,
        "delivered": False,
        "delivery_status": "not-delivered",
        "session_id": None,
        "next_run_at": at(START_MS + 86_400_000),
        "origin": "task_detail",
        "precision_ms": 1,
    }
    assert_balance(parsed, records=2)
    assert codes(parsed) == []
    assert (parsed.first_at, parsed.last_at) == (at(START_MS), at(START_MS + 340_000))


def test_a_row_with_its_own_run_is_both(tmp_path: Path) -> None:
    run_id = f"cron:{JOB}:{START_MS}:receipt"
    row = task(
        status="succeeded", runId=run_id, endedAt=START_MS + 62_000, detail=DETAIL | {"usage": {"total_tokens": 1}}
    )
    manual = task("b", endedAt=START_MS + 62_000, detail=DETAIL | {"runId": f"manual:{JOB}:{START_MS}:1"})
    parsed = read(written(tmp_path / "x.json", listed(row, manual)))
    assert parsed.tasks is not None
    assert parsed.runs is not None
    assert parsed.tasks["task_id"].to_list() == [TASK, "b"]
    assert parsed.runs.select("run_id", "has_usage").rows() == [(run_id, True), (f"manual:{JOB}:{START_MS}:1", False)]
    assert_balance(parsed, records=2)


@pytest.mark.parametrize(
    "detail",
    [{"storeKey": "x"}, {}, DETAIL | {"kind": "trigger"}, DETAIL | {"status": "running"}, DETAIL | {"status": None}],
)
def test_a_run_that_has_not_finished_is_no_record(tmp_path: Path, detail: Mapping[str, object]) -> None:
    parsed = read(written(tmp_path / "x.json", listed(task(status="running", detail=detail))))
    assert parsed.runs is None
    assert_balance(parsed, records=1)
    assert detail_row(detail, line=1, job_id=JOB, written_at_ms=START_MS, run_id=None, parsed=parsed) is None
    assert codes(parsed) == []


@pytest.mark.parametrize(
    "fields", [{"detail": None}, {"detail": {"storeKey": "x"}}, {"endedAt": "soon"}, {"sourceId": 7}]
)
def test_an_imported_record_without_a_usable_run_is_rejected(tmp_path: Path, fields: dict[str, object]) -> None:
    parsed = read(written(tmp_path / "x.json", listed(twin(**fields), task())))
    assert parsed.tasks is not None
    assert parsed.tasks["task_id"].to_list() == [TASK]
    assert_balance(parsed, records=1, rejected=1)
    assert "no_run_record" in codes(parsed)


@pytest.mark.parametrize(
    ("task_id", "run_id", "expected"),
    [(TWIN, TWIN, True), (TWIN, None, True), (TWIN, "cron:x:1", False), (TASK, TWIN, False), (TASK, TASK, False)],
)
def test_an_imported_record_is_told_by_both_its_ids(task_id: str, run_id: str | None, expected: object) -> None:
    assert is_imported_twin(task_id, run_id) is expected


def test_a_real_list_of_2026_9_6_tells_its_imported_runs() -> None:
    parsed = read(DATA / "9.6-tasks-list.json")
    assert parsed.tasks is not None
    assert parsed.runs is not None
    assert parsed.tasks.filter(~parsed.tasks["is_twin"])["status"].to_list() == ["lost", "lost"]
    assert parsed.tasks["is_twin"].sum() == 2
    assert parsed.runs["status"].to_list() == ["ok", "error"]
    starts = parsed.tasks.filter(~parsed.tasks["is_twin"]).join(
        parsed.runs, on=["job_id", "started_at"], how="inner", validate="1:1"
    )
    assert starts.height == 2
    assert_balance(parsed, records=4)
    assert codes(parsed) == []
    assert [history["is_partial"] for history in parsed.histories] == [True, True]


def test_a_full_list_tells_since_when_it_would_show_runs(tmp_path: Path) -> None:
    later = twin(taskId=TWIN + "0", runId=TWIN + "0", endedAt=START_MS + 99_000)
    parsed = read(written(tmp_path / "x.json", listed(later, twin(), task(), runtime="cron")))
    assert parsed.histories == [
        {
            "job_id": JOB,
            "origin": "task_detail",
            "records": 2,
            "oldest_at": at(START_MS + 62_005),
            "is_partial": True,
            "is_damaged": False,
        }
    ]


@pytest.mark.parametrize(
    "document",
    [
        listed(twin(), status="failed"),
        listed(twin(), runtime="subagent"),
        listed(twin(), count=2),
        {"count": 1, "tasks": [twin()]},
        {"count": 1, "summary": {}, "findings": [{"kind": "task", "code": "x", "task": twin()}]},
        twin(),
    ],
    ids=["status", "runtime", "count", "no filters told", "audit", "show"],
)
def test_what_is_no_full_list_tells_nothing_of_absent_runs(tmp_path: Path, document: object) -> None:
    parsed = read(written(tmp_path / "x.json", document))
    assert parsed.runs is not None
    assert parsed.histories == []


def test_a_list_with_a_broken_row_may_have_lost_a_run(tmp_path: Path) -> None:
    parsed = read(written(tmp_path / "x.json", listed(twin(), {"taskId": 7})))
    assert [history["is_damaged"] for history in parsed.histories] == [True]


@pytest.mark.parametrize(
    ("document", "form"),
    [
        ({"count": 1, "status": None, "flows": [{"flowId": "f", "tasks": [task()]}]}, "tasks flow list, show --json"),
        ({"flowId": "f", "tasks": [task()], "taskSummary": {}}, "tasks flow list, show --json"),
        ([task()], "task records as a JSON array"),
        (listed(task()), "tasks list, show, audit --json"),
    ],
    ids=["flows", "flow", "array", "list"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_rows_are_read_from_every_document_in_every_encoding(
    tmp_path: Path, document: object, form: str, encoding: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text("[warn] gateway not reachable\r\n" + json.dumps(document, indent=2), encoding=encoding)
    parsed = read(path)
    assert parsed.tasks is not None
    assert_schema(parsed.tasks, TASKS, "tasks")
    assert parsed.tasks.select("task_id", "registry", "projected").rows() == [(TASK, "export", False)]
    assert TASK in path.read_text(encoding).split("\n")[parsed.tasks["line"][0] - 1]
    assert_balance(parsed, records=1)
    assert (codes(parsed), parsed.form) == ([], form)


def test_utf_16_of_either_order_is_read(tmp_path: Path) -> None:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        path = tmp_path / encoding
        path.write_bytes(mark + json.dumps(listed(task(label="日本語"))).encode(encoding))
        parsed = read(path)
        assert parsed.tasks is not None
        assert parsed.tasks["label"].to_list() == ["日本語"]


def test_documents_and_warnings_may_follow_each_other(tmp_path: Path) -> None:
    first, second = json.dumps(listed(task("a")), indent=2), json.dumps(task("b"))
    text = f'warning\n{{"ok": true}}\n{first}\n{{torn\nwarning: more\n{second}{json.dumps(listed(task("a")))}\nend'
    path = written(tmp_path / "x.txt", text)
    parsed = read(path)
    assert parsed.tasks is not None
    assert parsed.tasks["task_id"].to_list() == ["a", "b", "a"]
    lines = text.split("\n")
    for line, task_id in parsed.tasks.select("line", "task_id").rows():
        assert f'"taskId": "{task_id}"' in lines[line - 1]
    assert_balance(parsed, records=3)


def test_rows_on_one_line_all_know_it(tmp_path: Path) -> None:
    parsed = parse_task_export(written(tmp_path / "x.json", "\n" + json.dumps(listed(task("a"), task('b"\n')))))
    assert parsed.tasks is not None
    assert parsed.tasks["line"].to_list() == [2, 2]


def test_a_record_a_line(tmp_path: Path) -> None:
    lines = [json.dumps(task("a")), "", "torn {", json.dumps(task("b")), "[7]", json.dumps(twin())]
    parsed = read(written(tmp_path / "x.jsonl", "\n".join(lines)))
    assert parsed.tasks is not None
    assert parsed.runs is not None
    assert parsed.tasks.select("line", "task_id").rows() == [(1, "a"), (4, "b"), (6, TWIN)]
    assert parsed.runs["line"].to_list() == [6]
    assert_balance(parsed, records=3, skipped=1, rejected=2)
    assert parsed.form == "task records as JSON lines"
    assert noted_lines(parsed, "not_json") == [3]
    assert noted_lines(parsed, "no_task_id") == [5]
    assert parsed.kind is SourceKind.TASK_EXPORT
