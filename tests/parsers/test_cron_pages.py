from __future__ import annotations

import json
from pathlib import Path

import pytest

from forensics.model.schemas import RUNS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.cron_pages import is_run_page, parse_run_page
from tests.parsers.shapes import JOB, START_MS, assert_balance, at, codes, noted_lines, run_entry
from tests.parsers.test_task_export_forms import DATA, read, written


def page(*entries: object, **fields: object) -> dict[str, object]:
    told: dict[str, object] = {"entries": list(entries), "total": len(entries), "offset": 0, "limit": 50}
    return told | {"hasMore": False, "nextOffset": None} | fields


def test_a_real_page_of_2026_4_15_is_read() -> None:
    parsed = read(DATA / "4.15-cron-runs.json")
    job = "575b8a3a-11e6-4100-82fd-5dc4dc39cb66"
    assert parsed.runs is not None
    assert_schema(parsed.runs, RUNS, "runs")
    told = parsed.runs.select("line", "job_id", "started_at", "finished_at", "duration_ms", "status", "origin").row(0)
    assert told == (3, job, at(1_795_474_694_013), at(1_795_474_738_513), 39_404, "ok", "run_page")
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert (parsed.kind, parsed.form, parsed.job_id) == (SourceKind.CRON_RUN_PAGE, "cron runs", job)
    assert parsed.histories == [
        {
            "job_id": job,
            "origin": "run_page",
            "records": 1,
            "oldest_at": at(1_795_474_738_513),
            "is_partial": False,
            "is_damaged": False,
        }
    ]


def test_a_real_page_of_2026_9_6_may_be_filtered_and_says_nothing_of_absent_runs() -> None:
    parsed = read(DATA / "9.6-cron-runs.json")
    assert parsed.runs is not None
    assert parsed.runs.select("status", "error").rows() == [("error", "Gateway stopping.")]
    assert parsed.histories == []
    assert codes(parsed) == []


@pytest.mark.parametrize("fields", [{"hasMore": True}, {"offset": 50}, {"hasMore": None}, {"offset": "0"}])
def test_a_part_of_the_history_is_told_as_such(tmp_path: Path, fields: dict[str, object]) -> None:
    parsed = read(written(tmp_path / "x.json", page(run_entry(), **fields)))
    assert [history["is_partial"] for history in parsed.histories] == [True]
    assert codes(parsed) == ["partial_page"]


def test_a_page_of_all_jobs_tells_of_each_job_it_names(tmp_path: Path) -> None:
    entries = [run_entry(jobId="b", jobName="B"), run_entry(START_MS - 9_000), run_entry(START_MS - 99_000)]
    path = written(tmp_path / "x.json", page(*entries))
    parsed = read(path)
    oldest = {history["job_id"]: (history["records"], history["oldest_at"]) for history in parsed.histories}
    assert oldest == {"b": (1, at(START_MS + 62_005)), JOB: (2, at(START_MS - 99_000 + 62_005))}
    assert parsed.job_id is None
    assert parsed.runs is not None
    lines = path.read_text("utf-8").split("\n")
    assert [lines[line - 1].strip() for line in parsed.runs["line"]] == ["{", "{", "{"]


def test_broken_entries_are_rejected_and_make_the_history_damaged(tmp_path: Path) -> None:
    entries = [run_entry(), 7, run_entry(ts="soon"), run_entry(action="started"), {"entries": [run_entry()]}]
    path = written(tmp_path / "x.json", page(*entries))
    parsed = read(path)
    assert_balance(parsed, records=1, skipped=1, rejected=3)
    lines = path.read_text("utf-8").split("\n")
    assert [lines[int(str(line)) - 1].strip() for line in noted_lines(parsed, "no_run_record")] == ["7,", "{", "{"]
    assert [history["is_damaged"] for history in parsed.histories] == [True]


def test_several_pages_in_one_file_are_all_read(tmp_path: Path) -> None:
    first, second = (json.dumps(page(run_entry(START_MS + n * 99_000)), indent=2) for n in range(2))
    parsed = parse_run_page(written(tmp_path / "x.json", f"warning\n{first}\n{second}\n"))
    assert parsed.runs is not None
    assert parsed.runs["started_at"].to_list() == [at(START_MS), at(START_MS + 99_000)]
    assert_balance(parsed, records=2)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (page(), True),
        (page(run_entry()), True),
        ({"entries": []}, False),
        ({"entries": [7], "total": 1, "offset": 0, "limit": 1}, False),
        ({"entries": {}}, False),
        ([], False),
    ],
)
def test_a_page_is_told_by_its_entries(document: object, expected: object) -> None:
    assert is_run_page(document) is expected


def test_an_empty_page_tells_nothing(tmp_path: Path) -> None:
    parsed = read(written(tmp_path / "x.json", page()))
    assert parsed.histories == []
    assert_balance(parsed, records=0)


def test_a_real_list_of_jobs_is_read_with_their_last_runs() -> None:
    parsed = read(DATA / "4.15-cron-list.json")
    assert parsed.jobs is not None
    assert parsed.runs is not None
    assert (parsed.kind, parsed.form) == (SourceKind.JOB_LIST, "cron list --json")
    assert "warmup-quick" in parsed.jobs["name"].to_list()
    first = parsed.runs.filter(parsed.runs["job_id"] == "330c25e7-6c4a-4b70-8c7d-923affaa57e8").row(0, named=True)
    assert (first["started_at"], first["status"], first["origin"]) == (at(1_795_474_560_853), "ok", "job_state")
    assert_balance(parsed, records=parsed.jobs.height)
    assert codes(parsed) == []
    assert parsed.histories == []


@pytest.mark.parametrize("depth", range(900, 1_000, 3))
def test_an_entry_nested_as_deep_as_can_be_read_is_no_crash(tmp_path: Path, depth: int) -> None:
    text = json.dumps(page(run_entry(durationMs="DEEP"))).replace('"DEEP"', "[" * depth + "]" * depth)
    parsed = parse_run_page(written(tmp_path / "x.json", text))
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    assert parsed.records <= 1
