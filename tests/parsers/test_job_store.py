from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forensics.model.errors import UnreadableError
from forensics.model.schemas import JOBS, RUNS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.job_store import parse_job_store, store_kind
from tests.parsers.shapes import JOB, START_MS, assert_balance, at, codes, noted_lines

OTHER = "1c0ffee0-0000-4000-8000-000000000001"


def job(**fields: object) -> dict[str, Any]:
    """Give a job as ``cron/jobs.json`` of 2026.4.15 holds it."""
    entry: dict[str, object] = {
        "id": JOB,
        "name": "digest",
        "enabled": True,
        "createdAtMs": START_MS - 9_000_000,
        "updatedAtMs": START_MS - 1_000,
        "schedule": {"kind": "cron", "expr": "0 9 * * *", "tz": "Europe/Berlin"},
        "sessionTarget": "isolated",
        "wakeMode": "now",
        "payload": {"kind": "agentTurn", "message": "write the digest", "timeoutSeconds": 900},
        "state": state(),
    }
    return entry | fields


def state(**fields: object) -> dict[str, Any]:
    return {
        "nextRunAtMs": START_MS + 86_400_000,
        "lastRunAtMs": START_MS,
        "lastRunStatus": "ok",
        "lastStatus": "ok",
        "lastDurationMs": 62_000,
        "lastDeliveryStatus": "not-requested",
    } | fields


def write(path: Path, *jobs: object, indent: int | None = 2) -> Path:
    path.write_text(json.dumps({"version": 1, "jobs": list(jobs)}, indent=indent), encoding="utf-8")
    return path


def write_states(path: Path, **states: object) -> Path:
    path.write_text(json.dumps({"version": 1, "jobs": states}, indent=2), encoding="utf-8")
    return path


def test_a_job_is_read_with_definition_and_state(tmp_path: Path) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", job()), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert_schema(parsed.jobs, JOBS, "jobs")
    assert parsed.jobs.row(0, named=True) == {
        "gateway": None,
        "source": None,
        "line": 5,
        "job_id": JOB,
        "name": "digest",
        "enabled": True,
        "payload_kind": "agentTurn",
        "timeout_ms": 900_000,
        "schedule_kind": "cron",
        "schedule_expr": "0 9 * * *",
        "schedule_tz": "Europe/Berlin",
        "every_ms": None,
        "anchor_at": None,
        "running_at": None,
        "last_run_at": at(START_MS),
        "last_duration_ms": 62_000,
        "last_status": "ok",
        "updated_at": at(START_MS - 1_000),
    }
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert (parsed.first_at, parsed.last_at) == (at(START_MS - 1_000), at(START_MS + 62_000))


def test_the_last_run_of_a_job_is_a_second_witness(tmp_path: Path) -> None:
    failed = state(lastRunStatus="error", lastError="boom")
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(state=failed)), SourceKind.JOB_STORE)
    assert parsed.runs is not None
    assert_schema(parsed.runs, RUNS, "runs")
    run = parsed.runs.row(0, named=True)
    told = {
        key: run[key] for key in ("job_id", "started_at", "finished_at", "duration_ms", "status", "error", "origin")
    }
    assert told == {
        "job_id": JOB,
        "started_at": at(START_MS),
        "finished_at": None,
        "duration_ms": 62_000,
        "status": "error",
        "error": "boom",
        "origin": "job_state",
    }
    lines = (tmp_path / "jobs.json").read_text("utf-8").split("\n")
    assert "lastRunAtMs" in lines[run["line"] - 1]


def test_an_old_error_is_not_that_of_a_later_good_run(tmp_path: Path) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(state=state(lastError="old"))), SourceKind.JOB_STORE)
    assert parsed.runs is not None
    assert parsed.runs["error"].to_list() == [None]


def test_each_last_run_is_cited_on_its_own_line(tmp_path: Path) -> None:
    path = write(tmp_path / "jobs.json", job(), job(id=OTHER, state=state(lastRunAtMs=START_MS + 5)))
    parsed = parse_job_store(path, SourceKind.JOB_STORE)
    assert parsed.runs is not None
    lines = path.read_text("utf-8").split("\n")
    cited = [lines[line - 1].strip() for line in parsed.runs["line"].to_list()]
    assert cited == [f'"lastRunAtMs": {START_MS},', f'"lastRunAtMs": {START_MS + 5},']


def test_a_store_on_one_line_is_read(tmp_path: Path) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(), indent=None), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.jobs["line"].to_list() == [1]


def test_a_reserved_job_tells_since_when(tmp_path: Path) -> None:
    running = {"runningAtMs": START_MS}
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(state=running)), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.runs is not None
    assert parsed.jobs["running_at"].to_list() == [at(START_MS)]
    assert parsed.runs.height == 0


@pytest.mark.parametrize(
    ("schedule", "every_ms", "anchor_ms"),
    [
        ({"kind": "every", "everyMs": 180_000, "anchorMs": START_MS}, 180_000, START_MS),
        ({"kind": "every", "everyMs": 180_000}, 180_000, None),
        ({"kind": "at", "at": "2026-04-17T07:40:44.000Z"}, None, START_MS),
    ],
)
def test_other_schedules_tell_spacing_and_anchor(
    tmp_path: Path, schedule: object, every_ms: int | None, anchor_ms: int | None
) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(schedule=schedule)), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    anchor = None if anchor_ms is None else at(anchor_ms)
    assert parsed.jobs.select("every_ms", "anchor_at").row(0) == (every_ms, anchor)
    assert codes(parsed) == []


def test_the_state_file_of_later_releases_holds_state_only(tmp_path: Path) -> None:
    entry = {"updatedAtMs": START_MS, "scheduleIdentity": "x", "state": state()}
    path = write_states(tmp_path / "jobs-state.json", **{JOB: entry, OTHER: {"updatedAtMs": START_MS, "state": {}}})
    parsed = parse_job_store(path, SourceKind.JOB_STATE)
    assert parsed.jobs is not None
    assert parsed.runs is not None
    assert parsed.kind is SourceKind.JOB_STATE
    assert parsed.jobs.select("job_id", "name", "last_status").rows() == [(JOB, None, "ok"), (OTHER, None, None)]
    assert parsed.runs["job_id"].to_list() == [JOB]
    assert_balance(parsed, records=2)
    lines = path.read_text("utf-8").split("\n")
    assert [lines[line - 1].strip() for line in parsed.jobs["line"].to_list()] == [f'"{JOB}": {{', f'"{OTHER}": {{']


def test_an_empty_store_holds_no_jobs(tmp_path: Path) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json"), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.jobs.height == 0
    assert_balance(parsed, records=0)


@pytest.mark.parametrize("entry", [None, 7, "digest", [], {}, {"id": 7}, {"id": None, "name": "x"}])
def test_a_job_without_an_id_is_rejected(tmp_path: Path, entry: object) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", entry, job()), SourceKind.JOB_STORE)
    assert_balance(parsed, records=1, rejected=1)
    assert codes(parsed) == ["no_job_id"]


def test_a_job_that_stands_twice_counts_once(tmp_path: Path) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(), job(name="copy")), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.jobs["name"].to_list() == ["digest"]
    assert_balance(parsed, records=1, rejected=1)
    assert codes(parsed) == ["duplicate_job"]


@pytest.mark.parametrize(
    ("fields", "column", "code"),
    [
        ({"name": 7}, "name", "wrong_type"),
        ({"enabled": "yes"}, "enabled", "wrong_type"),
        ({"payload": "text"}, "payload_kind", "wrong_type"),
        ({"schedule": []}, "schedule_kind", "wrong_type"),
        ({"schedule": {"kind": "cron", "expr": 5}}, "schedule_expr", "wrong_type"),
        ({"state": "none"}, "last_run_at", "wrong_type"),
        ({"state": {"lastRunStatus": 1}}, "last_status", "wrong_type"),
        ({"payload": {"timeoutSeconds": -1}}, "timeout_ms", "out_of_range"),
        ({"payload": {"timeoutSeconds": "900"}}, "timeout_ms", "out_of_range"),
        ({"payload": {"timeoutSeconds": 10**15}}, "timeout_ms", "out_of_range"),
        ({"schedule": {"kind": "every", "everyMs": 0}}, "every_ms", "out_of_range"),
        ({"schedule": {"kind": "at", "at": "soon"}}, "anchor_at", "out_of_range"),
        ({"state": {"runningAtMs": 1_776_411_644}}, "running_at", "out_of_range"),
        ({"state": {"lastRunAtMs": "1776411644000"}}, "last_run_at", "out_of_range"),
        ({"updatedAtMs": float("nan")}, "updated_at", "out_of_range"),
    ],
)
def test_what_does_not_fit_is_null_and_noted(tmp_path: Path, fields: dict[str, object], column: str, code: str) -> None:
    parsed = parse_job_store(write(tmp_path / "jobs.json", job(**fields)), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.jobs[column].to_list() == [None]
    assert_balance(parsed, records=1)
    assert noted_lines(parsed, code) == [5]


@pytest.mark.parametrize("duration", [-1, 2**52, 2**63, 10**30, "62000", True, float("inf")])
def test_a_duration_that_does_not_fit_leaves_the_last_run_without_one(tmp_path: Path, duration: object) -> None:
    path = write(tmp_path / "jobs.json", job(state=state(lastDurationMs=duration)))
    parsed = parse_job_store(path, SourceKind.JOB_STORE)
    assert parsed.runs is not None
    assert parsed.runs.select("started_at", "duration_ms").rows() == [(at(START_MS), None)]
    assert codes(parsed) == ["out_of_range"]


def test_no_timeout_is_no_notice(tmp_path: Path) -> None:
    path = write(tmp_path / "jobs.json", job(payload={"kind": "systemEvent", "timeoutSeconds": 0}))
    parsed = parse_job_store(path, SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.jobs["timeout_ms"].to_list() == [None]
    assert codes(parsed) == []


@pytest.mark.parametrize(("before", "after"), [(b"\xef\xbb\xbf", b""), (b"", b"\n}}} torn write"), (b"\n \n", b"")])
def test_a_store_is_read_past_a_byte_order_mark_and_a_torn_end(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = write(tmp_path / "jobs.json", job())
    path.write_bytes(before + path.read_bytes() + after)
    parsed = parse_job_store(path, SourceKind.JOB_STORE)
    assert_balance(parsed, records=1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"version": 1}', b'{"version": 1, "jobs": {}}'])
def test_what_is_no_store_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jobs.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableError):
        parse_job_store(path, SourceKind.JOB_STORE)


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"version": 1, "jobs": []}, SourceKind.JOB_STORE),
        ({"version": 1, "jobs": {}}, SourceKind.JOB_STATE),
        ({"jobs": []}, None),
        ({"version": 1, "jobs": "x"}, None),
        ({"jobs": [], "total": 0, "hasMore": False}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_half_of_a_store_is_told_by_its_jobs(document: object, kind: SourceKind | None) -> None:
    assert store_kind(document) is kind


def test_a_repetition_may_be_counted_from_the_epoch(tmp_path: Path) -> None:
    """Release 2026.9.6 makes jobs of its own whose anchor is less than one period after the epoch."""
    heartbeat = job(schedule={"kind": "every", "everyMs": 1_800_000, "anchorMs": 584_229})
    wrong = job(id=OTHER, schedule={"kind": "every", "everyMs": 1_800_000, "anchorMs": 1_800_000})
    parsed = parse_job_store(write(tmp_path / "jobs.json", heartbeat, wrong), SourceKind.JOB_STORE)
    assert parsed.jobs is not None
    assert parsed.jobs["anchor_at"].to_list() == [at(584_229), None]
    assert codes(parsed) == ["out_of_range"]
