"""Hostile bytes in text evidence: nothing crashes, nothing is silently dropped, the rest is still read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from forensics.model.schemas import JOBS, LIFECYCLE, RUNS, TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.cron_runs import parse_run_log
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.job_store import parse_job_store
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_export import parse_task_export
from tests.hostile.incident import assert_good_state_was_read, good_state, load_all, notices_of
from tests.parsers.shapes import JOB, START_MS, TASK, as_line, log_line, record, run_entry, write_log, write_run_log

READY = log_line("gateway", "gateway ready").encode()
RUN = (json.dumps(run_entry()) + "\n").encode()

LINES: dict[str, bytes] = {
    "garbage": b"%PDF-1.7 garbage\n",
    "invalid UTF-8": b'{"jobId":"\xff\xfe","action":"finished","time":"\xc0\x80"}\n',
    "overlong UTF-8": b'{"0":"\xf0\x82\x82\xac"}\n',
    "NUL bytes": b"\x00" * 300 + b"\n",
    "a NUL byte inside": b'{"jobId":"a\x00b","action":"finished"}\n',
    "an unclosed string": b'{"jobId":"abc\n',
    "an unclosed list": b'{"jobId":"abc","action":"finished","x":[1,2}\n',
    "single quotes": b"{'jobId':'abc','action':'finished'}\n",
    "two objects": b'{"a":1}{"b":2}\n',
    "deep nesting": b'{"jobId":"a","action":"finished","ts":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n",
    "a number of 10,000 digits": b'{"jobId":"a","action":"finished","ts":' + b"9" * 10_000 + b"}\n",
    "an escape that is none": b'{"jobId":"\\q","action":"finished"}\n',
    "a byte order mark inside": b'\xef\xbb\xbf{"jobId"}\n',
    "UTF-16": '{"jobId":"a","action":"finished"}\n'.encode("utf-16-be"),
    "only braces": b"{}}}}}}{{{{{\n",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_broken_line_in_a_run_log_is_named_and_the_others_are_read(tmp_path: Path, line: bytes) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", RUN, line, RUN))
    assert parsed.records == 2
    assert parsed.rejected == line.count(b"\n")
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    assert {notice["line"] for notice in parsed.notices.closed()} == {2}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_broken_line_in_a_gateway_log_is_counted_and_the_others_are_read(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "gateway.log"
    path.write_bytes(READY + line + READY)
    parsed = parse_gateway_log(path)
    assert parsed.lifecycle is not None
    assert parsed.lifecycle.filter(pl.col("kind") == "ready").height == 2
    assert parsed.records == 2
    assert parsed.rejected + parsed.skipped == line.count(b"\n")
    assert {notice["line"] for notice in parsed.notices.closed()} <= {2, 3}


@pytest.mark.parametrize("kind", ["run log", "gateway log"])
@pytest.mark.parametrize("cut", [1, 2, 10, 100, -2, -1])
def test_a_last_line_cut_anywhere_is_named(tmp_path: Path, kind: str, cut: int) -> None:
    whole = {"run log": RUN, "gateway log": READY}[kind]
    parse: Callable[[Path], Parsed] = parse_run_log if kind == "run log" else parse_gateway_log
    path = tmp_path / "file"
    path.write_bytes(whole + whole.rstrip(b"\n")[:cut])
    parsed = parse(path)
    assert (parsed.lines, parsed.records, parsed.rejected) == (2, 1, 1)
    assert [(notice["code"], notice["line"]) for notice in parsed.notices.closed()] == [("truncated_line", 2)]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize(
    "name", ["cron/runs/hostile.jsonl", "cron/jobs.json.bak", "logs/hostile.log", "tasks/x.sqlite"]
)
def test_a_hostile_file_beside_good_ones_is_named_and_the_good_ones_are_read(
    tmp_path: Path, name: str, line: bytes
) -> None:
    state = good_state(tmp_path / "state")
    (state / name).write_bytes(line * 3)
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    hostile = evidence.sources.filter(pl.col("path").str.ends_with(name))["id"].to_list()
    is_about_it = pl.col("source").is_in(hostile) | pl.col("message").str.contains(name, literal=True)
    known_noise = line.startswith((b'{"a":', b'{"0":'))
    assert known_noise or evidence.notices.filter(is_about_it).height > 0


@pytest.mark.parametrize("name", ["cron/runs/empty.db", "cron/empty.json", "logs/empty.log", "tasks/empty.sqlite"])
def test_empty_files_beside_good_ones_are_named_and_change_no_record(tmp_path: Path, name: str) -> None:
    state = good_state(tmp_path / "state")
    before = load_all(state)
    (state / name).write_bytes(b"")
    after = load_all(state)
    codes = [code for code in after.notices["code"].to_list() if code not in before.notices["code"].to_list()]
    assert codes == ["empty_file" if name.endswith((".db", ".json", ".log")) else "wal_missing"]
    for frame in ("tasks", "runs", "lifecycle", "jobs"):
        read, known = (getattr(evidence, frame).drop("source", strict=False) for evidence in (after, before))
        assert read.equals(known, null_equal=True), frame


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_lone_surrogates_in_json_escapes_become_replacement_characters(tmp_path: Path, text: str) -> None:
    state = good_state(tmp_path / "state")
    entry = run_entry(jobId="hostile", summary=text, error=text, runId=text, sessionId=text, deliveryStatus=text)
    write_run_log(state / "cron" / "runs" / "hostile.jsonl", entry)
    job = {"id": f"hostile{text}", "name": text, "schedule": {"kind": text, "expr": text, "tz": text}}
    (state / "cron" / "jobs.json.bak").write_text(json.dumps({"version": 1, "jobs": [job]}), encoding="utf-8")
    task = {"taskId": text, "runtime": text, "status": text, "error": text, "label": text}
    (state / "tasks" / "export.json").write_text(json.dumps({"count": 1, "tasks": [task]}), encoding="utf-8")
    line = record("cron", "cron: run log append failed", {"jobId": text, text: text, "runId": text})
    (state / "logs" / "hostile.log").write_text(json.dumps(line) + "\n", encoding="utf-8")
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    shown = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    assert evidence.runs.filter(pl.col("job_id") == "hostile")["summary"].to_list() == [shown]
    assert shown in evidence.jobs["name"].to_list()
    assert shown in evidence.tasks["task_id"].to_list()
    assert shown in evidence.lifecycle["job_id"].to_list()


@pytest.mark.parametrize("text", ["x" * 100_000, "\x00" * 1000, "ü" * 100_000, "\x1b[2J" * 20_000, '"\\' * 50_000])
def test_very_long_texts_are_kept_and_shown_short(tmp_path: Path, text: str) -> None:
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run_entry(summary=text, durationMs=text)))
    assert parsed.runs is not None
    assert parsed.runs["summary"].to_list() == [text]
    assert max(len(str(notice["message"])) for notice in parsed.notices.closed()) < 200
    log = write_log(tmp_path / "gateway.log", log_line(None, "[openclaw] Uncaught exception: " + text), text + "\n")
    lifecycle = parse_gateway_log(log)
    assert lifecycle.lifecycle is not None
    assert lifecycle.lifecycle["raw"].str.len_chars().max() == 200
    assert max(len(str(notice["message"])) for notice in lifecycle.notices.closed()) < 500


@pytest.mark.parametrize("depth", range(900, 1_000, 3))
def test_a_value_nested_as_deep_as_can_be_read_is_refused_without_a_crash(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    run = json.dumps(run_entry(durationMs="DEEP", runAtMs="DEEP")).replace('"DEEP"', deep)
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", run + "\n", RUN))
    assert parsed.records + parsed.rejected == 2
    fields = log_line("cron", "cron: run log append failed", {"err": "DEEP"}).replace('"DEEP"', deep)
    logged = parse_gateway_log(write_log(tmp_path / "gateway.log", fields))
    assert logged.records + logged.rejected == 1
    export = tmp_path / "export.json"
    export.write_text(f'{{"count":1,"tasks":[{deep}]}}', encoding="utf-8")
    assert parse_task_export(export).records == 0


NUMBERS: tuple[object, ...] = (
    *(0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**308, 10**4000),
    *(1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
    *(START_MS // 1000, START_MS * 1000, START_MS + 0.999, -START_MS, 253_402_300_800_000),
)
NOT_NUMBERS: tuple[object, ...] = (
    None,
    True,
    False,
    "",
    "1776411644000",
    "NaN",
    [],
    [START_MS],
    {},
    {"$date": START_MS},
)
VALUES = (*NUMBERS, *NOT_NUMBERS)


def _id(value: object) -> str:
    return str(value)[:24]


def assert_frames_have_their_schema(parsed: Parsed) -> None:
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    frames = {"tasks": TASKS, "runs": RUNS, "lifecycle": LIFECYCLE, "jobs": JOBS}
    for name, schema in frames.items():
        frame = getattr(parsed, name)
        if frame is not None:
            assert_schema(frame, schema, name)


def assert_no_time_is_wrong(parsed: Parsed) -> None:
    """Assert that no stamp lies outside the years in which there are gateways."""
    for frame in (parsed.tasks, parsed.runs, parsed.lifecycle, parsed.jobs):
        for column in frame.get_columns() if frame is not None else ():
            if column.dtype == pl.Datetime:
                assert column.dt.year().drop_nulls().is_between(2010, 2099).all()


@pytest.mark.parametrize("value", VALUES, ids=_id)
def test_any_value_in_any_field_of_a_run_is_a_record_or_a_notice(tmp_path: Path, value: object) -> None:
    names = [*run_entry(), "error", "runId", "usage", "delivered", "deliveryStatus", "sessionId"]
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", *(run_entry(**{name: value}) for name in names)))
    assert_frames_have_their_schema(parsed)
    assert_no_time_is_wrong(parsed)
    assert parsed.lines == len(names)


@pytest.mark.parametrize("value", VALUES, ids=_id)
def test_any_value_in_any_field_of_a_job_is_a_record_or_a_notice(tmp_path: Path, value: object) -> None:
    outer = ("id", "name", "enabled", "updatedAtMs", "schedule", "payload", "state")
    inner = {
        "schedule": ("kind", "expr", "tz", "everyMs", "anchorMs", "at"),
        "payload": ("kind", "timeoutSeconds"),
        "state": ("runningAtMs", "lastRunAtMs", "lastRunStatus", "lastStatus", "lastDurationMs", "lastError"),
    }
    jobs: list[dict[str, object]] = [{"id": f"job {n}", name: value} for n, name in enumerate(outer)]
    jobs += [
        {"id": f"{part} {key}", part: {"lastRunAtMs": START_MS, "lastRunStatus": "error", key: value}}
        for part, keys in inner.items()
        for key in keys
    ]
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps({"version": value, "jobs": [value, *jobs]}), encoding="utf-8")
    parsed = parse_job_store(path, SourceKind.JOB_STORE)
    assert_frames_have_their_schema(parsed)
    assert_no_time_is_wrong(parsed)
    assert parsed.lines == len(jobs) + 1


@pytest.mark.parametrize("value", VALUES, ids=_id)
def test_any_value_in_any_field_of_an_export_is_a_record_or_a_notice(tmp_path: Path, value: object) -> None:
    names = ("taskId", "runtime", "status", "sourceId", "runId", "error", "createdAt", "startedAt", "endedAt")
    good = {"runtime": "cron", "status": "lost"}
    tasks = [{"taskId": f"{TASK}-{name}"} | good | {name: value} for name in names]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"count": value, "tasks": tasks}), encoding="utf-8")
    parsed = parse_task_export(path)
    assert_frames_have_their_schema(parsed)
    assert_no_time_is_wrong(parsed)
    assert parsed.lines == len(names)


def _with_zero(value: object) -> dict[str, object]:
    return record("gateway", "gateway ready") | {"0": value}


def _with_text(value: object) -> dict[str, object]:
    return record("gateway", "gateway ready") | {"1": value}


def _with_meta(value: object) -> dict[str, object]:
    return record("gateway", "gateway ready") | {"_meta": value}


def _with_date(value: object) -> dict[str, object]:
    return record("gateway", "gateway ready") | {"_meta": {"date": value}, "time": value}


def _with_fields(value: object) -> dict[str, object]:
    fields = dict.fromkeys(("jobId", "runningAtMs", "runId", "jobStatus"), value)
    return record("cron", "cron: clearing stale running marker on startup", fields)


def _with_jobs(value: object) -> dict[str, object]:
    return record("cron", "cron: running missed jobs after restart", {"jobIds": [value, value]})


@pytest.mark.parametrize("build", [_with_zero, _with_text, _with_meta, _with_date, _with_fields, _with_jobs])
@pytest.mark.parametrize("value", VALUES, ids=_id)
def test_any_value_in_any_part_of_a_log_record_is_survived(
    tmp_path: Path, build: Callable[[object], dict[str, object]], value: object
) -> None:
    path = write_log(tmp_path / "gateway.log", as_line(build(value)), READY.decode())
    parsed = parse_gateway_log(path)
    assert_frames_have_their_schema(parsed)
    assert_no_time_is_wrong(parsed)
    assert parsed.lines == 2
    assert parsed.lifecycle is not None
    assert 2 in parsed.lifecycle["line"].to_list()


def test_keys_that_look_like_positions_are_survived(tmp_path: Path) -> None:
    told = record("gateway", "gateway ready") | {"9" * 5000: "x", "٣": "y", "01": "z", "-1": "w"}
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", as_line(told)))
    assert parsed.records == 1


def test_seconds_for_milliseconds_never_become_a_time(tmp_path: Path) -> None:
    entry = run_entry(runAtMs=START_MS // 1000, ts=START_MS // 1000)
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", entry, run_entry(runAtMs=START_MS // 1000)))
    assert parsed.runs is not None
    assert parsed.runs["started_at"].to_list() == [None]
    assert (parsed.records, parsed.rejected) == (1, 1)
    assert [notice["code"] for notice in parsed.notices.closed()] == ["no_run_record", "out_of_range"]


def test_a_duplicated_key_counts_as_the_gateway_reads_it(tmp_path: Path) -> None:
    line = f'{{"ts":1,"ts":{START_MS},"jobId":"x","jobId":"{JOB}","action":"finished"}}\n'
    parsed = parse_run_log(write_run_log(tmp_path / "log.jsonl", line))
    assert parsed.runs is not None
    assert parsed.runs["job_id"].to_list() == [JOB]


def test_a_flood_of_broken_lines_does_not_flood_the_notices(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    write_log(state / "logs" / "flood.log", READY.decode(), "garbage\n" * 20_000)
    evidence = load_all(state)
    assert evidence.sources.filter(pl.col("path").str.ends_with("flood.log"))["rejected"].to_list() == [20_000]
    assert len(notices_of(evidence, "not_json")) == 6
    assert "19995 more" in notices_of(evidence, "not_json")[-1]
