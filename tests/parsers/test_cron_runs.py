from __future__ import annotations

from pathlib import Path

import pytest

from forensics.model.errors import UnreadableError
from forensics.model.schemas import RUNS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.cron_runs import is_run_record, parse_run_log
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from tests.parsers.shapes import JOB, START_MS, assert_balance, at, codes, noted_lines, run_entry, write_run_log

MANUAL_5_7 = {
    "ts": 1_795_473_534_653,
    "jobId": JOB,
    "action": "finished",
    "status": "ok",
    "summary": "hello fmt",
    "deliveryStatus": "not-requested",
    "runId": f"manual:{JOB}:1795473534536:1",
    "runAtMs": 1_795_473_534_549,
    "durationMs": 96,
    "nextRunAtMs": 1_795_477_096_933,
}
"""A line captured from 2026.5.7 (formats.md §3.1)."""


def test_a_finished_run_becomes_one_record(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / f"{JOB}.jsonl", MANUAL_5_7))
    assert parsed.runs is not None
    assert_schema(parsed.runs, RUNS, "runs")
    assert parsed.runs.row(0, named=True) == {
        "gateway": None,
        "source": None,
        "line": 1,
        "job_id": JOB,
        "run_id": f"manual:{JOB}:1795473534536:1",
        "started_at": at(1_795_473_534_549),
        "finished_at": at(1_795_473_534_653),
        "duration_ms": 96,
        "status": "ok",
        "error": None,
        "summary": "hello fmt",
        "has_usage": False,
        "delivered": None,
        "delivery_status": "not-requested",
        "session_id": None,
        "next_run_at": at(1_795_477_096_933),
        "origin": "run_log",
        "precision_ms": 1,
    }
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert (parsed.kind, parsed.job_id) == (SourceKind.CRON_RUN_LOG, JOB)
    assert (parsed.first_at, parsed.last_at) == (at(1_795_473_534_549), at(1_795_473_534_653))


def test_an_agent_run_tells_usage_session_and_delivery(tmp_path: Path) -> None:
    entry = run_entry(
        usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        sessionId="3d5b",
        delivered=True,
        deliveryStatus="delivered",
        error="cron: job execution timed out",
        status="error",
    )
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", entry))
    assert parsed.runs is not None
    told = parsed.runs.select("has_usage", "session_id", "delivered", "delivery_status", "error", "status").row(0)
    assert told == (True, "3d5b", True, "delivered", "cron: job execution timed out", "error")


def test_two_records_of_one_start_are_both_kept(tmp_path: Path) -> None:
    interrupted = run_entry(status="error", error="cron: job interrupted by gateway restart", summary=...)
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", interrupted, run_entry(ts=START_MS + 900_000)))
    assert parsed.runs is not None
    assert parsed.runs["status"].to_list() == ["error", "ok"]
    assert parsed.runs["line"].to_list() == [1, 2]
    assert_balance(parsed, records=2)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_run_log_that_windows_copied_loses_nothing(tmp_path: Path, mark: bytes, end: bytes) -> None:
    path = write_run_log(tmp_path / "cron" / "runs" / f"{JOB}.jsonl", run_entry(START_MS - 86_400_000), run_entry())
    path.write_bytes(mark + path.read_bytes().replace(b"\n", end))
    detected = detect(path)
    assert detected.form is not None
    assert detected.form.name == "cron/runs/<job>.jsonl"
    parsed = detected.form.parse(path, Given())
    assert parsed.runs is not None
    assert parsed.runs["started_at"].to_list() == [at(START_MS - 86_400_000), at(START_MS)]
    assert [(told["records"], told["is_damaged"]) for told in parsed.histories] == [(2, False)]
    assert codes(parsed) == []
    assert_balance(parsed, records=2)


@pytest.mark.parametrize("action", ["started", "added", "updated", "removed", "", None, 3])
def test_other_actions_are_known_noise(tmp_path: Path, action: object) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(action=action), run_entry()))
    assert_balance(parsed, records=1, skipped=1)
    assert codes(parsed) == []


def test_blank_lines_are_known_noise(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", "\n", "  \t\r\n", run_entry(), "\n"))
    assert parsed.runs is not None
    assert parsed.runs["line"].to_list() == [3]
    assert_balance(parsed, records=1, skipped=3)


def test_old_lines_without_start_status_or_duration_are_records(tmp_path: Path) -> None:
    entry = run_entry(runAtMs=..., durationMs=..., status=..., summary=..., nextRunAtMs=...)
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", entry))
    assert parsed.runs is not None
    told = parsed.runs.select("started_at", "duration_ms", "status", "next_run_at").row(0)
    assert told == (None, None, None, None)
    assert_balance(parsed, records=1)
    assert codes(parsed) == []


@pytest.mark.parametrize("stamp", [..., None, "1776411644000", 1_776_411_644, True, 10**30, -5, [1_776_411_644_000]])
def test_a_run_without_a_usable_stamp_is_rejected(tmp_path: Path, stamp: object) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(), run_entry(ts=stamp)))
    assert_balance(parsed, records=1, rejected=1)
    assert noted_lines(parsed, "no_run_record") == [2]


@pytest.mark.parametrize("job_id", [..., None, 7, ["x"], {"id": JOB}])
def test_a_run_without_a_job_is_rejected(tmp_path: Path, job_id: object) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(jobId=job_id), run_entry()))
    assert_balance(parsed, records=1, rejected=1)
    assert noted_lines(parsed, "no_run_record") == [1]


@pytest.mark.parametrize("line", ["[]\n", "{}\n", '"text"\n', "7\n", "null\n", '{"jobId": "x"}\n'])
def test_json_of_another_shape_is_rejected(tmp_path: Path, line: str) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", line, run_entry()))
    assert_balance(parsed, records=1, rejected=1)
    assert noted_lines(parsed, "no_run_record") == [1]


def test_a_line_that_is_no_json_is_rejected_and_shown(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(), "\x1b[31mgarbage\n", run_entry()))
    assert_balance(parsed, records=2, rejected=1)
    assert parsed.notices.closed() == [
        {"line": 2, "level": "warning", "code": "not_json", "message": r"not JSON: \x1b[31mgarbage"}
    ]


def test_a_torn_last_line_is_rejected_as_such(tmp_path: Path) -> None:
    torn = '{"ts":1776411706005,"jobId":"9b2d3f0a","action":"fini'
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(), torn))
    assert_balance(parsed, records=1, rejected=1)
    assert noted_lines(parsed, "truncated_line") == [2]


def test_a_whole_last_line_without_a_line_end_is_a_record(tmp_path: Path) -> None:
    path = write_run_log(tmp_path / "log.jsonl", run_entry(), run_entry())
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    parsed = parse_run_log(path)
    assert_balance(parsed, records=2)
    assert codes(parsed) == []


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [
        ("runAtMs", "started_at", 1_776_411_644),
        ("runAtMs", "started_at", "1776411644000"),
        ("runAtMs", "started_at", 1e300),
        ("nextRunAtMs", "next_run_at", -1),
        ("durationMs", "duration_ms", -1),
        ("durationMs", "duration_ms", 10**18),
        ("durationMs", "duration_ms", "62000"),
        ("durationMs", "duration_ms", True),
        ("durationMs", "duration_ms", float("nan")),
        ("durationMs", "duration_ms", float("inf")),
    ],
)
def test_a_number_that_does_not_fit_is_null_and_noted(tmp_path: Path, field: str, column: str, value: object) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(**{field: value})))
    assert parsed.runs is not None
    assert parsed.runs[column].to_list() == [None]
    assert_balance(parsed, records=1)
    assert noted_lines(parsed, "out_of_range") == [1]


@pytest.mark.parametrize("value", [7, 7.5, True, [], {}, ["ok"]])
@pytest.mark.parametrize(
    ("field", "column"),
    [
        *(("runId", "run_id"), ("status", "status"), ("error", "error"), ("summary", "summary")),
        *(("deliveryStatus", "delivery_status"), ("sessionId", "session_id")),
    ],
)
def test_text_of_a_wrong_type_is_null_and_noted(tmp_path: Path, field: str, column: str, value: object) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(**{field: value})))
    assert parsed.runs is not None
    assert parsed.runs[column].to_list() == [None]
    assert noted_lines(parsed, "wrong_type") == [1]


@pytest.mark.parametrize("value", ["true", 1, []])
def test_delivered_of_a_wrong_type_is_null_and_noted(tmp_path: Path, value: object) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(delivered=value)))
    assert parsed.runs is not None
    assert parsed.runs["delivered"].to_list() == [None]
    assert noted_lines(parsed, "wrong_type") == [1]


def test_spaces_around_a_job_id_are_dropped(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(jobId=f"{JOB} ")))
    assert parsed.job_id == JOB


def test_records_of_several_jobs_are_told_and_name_no_job(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(), run_entry(jobId="other")))
    assert parsed.job_id is None
    assert codes(parsed) == ["other_job"]
    assert_balance(parsed, records=2)


def test_a_log_without_records_is_that_of_the_job_it_is_named_for(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / f"{JOB}.jsonl.migrated", "garbage\n"))
    assert parsed.job_id == JOB
    assert_balance(parsed, records=0, rejected=1)


def test_many_notices_of_a_kind_are_summed_up(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", *(["garbage\n"] * 40)))
    assert_balance(parsed, records=0, rejected=40)
    assert noted_lines(parsed, "not_json") == [1, 2, 3, 4, 5, 40]
    assert "35 more" in str(parsed.notices.closed()[-1]["message"])


def test_a_missing_log_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        parse_run_log(tmp_path / "missing.jsonl")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"jobId": "x", "action": "finished"}, True),
        ({"jobId": 1, "action": "finished"}, False),
        ({"jobId": "x"}, False),
        *((None, False), ([], False), ("x", False), (7, False)),
    ],
)
def test_a_run_record_is_told_by_job_and_action(value: object, expected: object) -> None:
    assert is_run_record(value) is expected


def test_an_empty_run_log_has_lost_what_it_recorded(tmp_path: Path) -> None:
    path = tmp_path / f"{JOB}.jsonl"
    path.touch()
    parsed = parse_run_log(path)
    assert parsed.job_id == JOB
    assert codes(parsed) == ["empty_file"]
    assert_balance(parsed, records=0, rejected=1)


def test_a_run_cannot_end_after_its_record_was_written(tmp_path: Path) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / f"{JOB}.jsonl", run_entry(durationMs=60_000_000_000)))
    assert parsed.runs is not None
    assert parsed.runs["duration_ms"].to_list() == [None]
    assert codes(parsed) == ["out_of_range"]


@pytest.mark.parametrize(
    ("name", "form", "is_partial"),
    [
        (f"{JOB}.jsonl", "cron/runs/<job>.jsonl", False),
        (f"{JOB}.jsonl.migrated", "cron/runs/<job>.jsonl.migrated", False),
        (f"{JOB}.jsonl.migrated.2", "cron/runs/<job>.jsonl.migrated", False),
        (f"{JOB}.jsonl.4711.0a1b2c3d.tmp", "cron/runs/<job>.jsonl.….tmp leftover", True),
    ],
)
@pytest.mark.parametrize("entries", [[], [run_entry(action="started")], [run_entry()]], ids=["blank", "noise", "run"])
def test_a_run_log_under_another_name_is_of_the_same_job(
    tmp_path: Path, name: str, form: str, is_partial: object, entries: list[dict[str, object]]
) -> None:
    path = write_run_log(tmp_path / "cron" / "runs" / name, *entries, run_entry(jobId=JOB, action="added"))
    found = detect(path)
    assert found.form is not None
    assert (found.kind, found.form.name) == (SourceKind.CRON_RUN_LOG, form)
    parsed = found.form.parse(path, Given(name=name))
    assert parsed.job_id == JOB
    assert [(told["job_id"], told["is_partial"], told["is_damaged"]) for told in parsed.histories] == [
        (JOB, is_partial, False)
    ]
    assert codes(parsed) == []


@pytest.mark.parametrize("name", ["history.db", "index.db", f"{JOB}.jsonl.4711.0a1b2c3d.tmp"])
def test_an_empty_file_beside_the_run_logs_is_no_evidence(tmp_path: Path, name: str) -> None:
    found = detect(write_run_log(tmp_path / "cron" / "runs" / name))
    assert (found.kind, found.by, found.form) == (SourceKind.OTHER, "an empty file", None)
