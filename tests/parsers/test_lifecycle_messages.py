from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forensics.model.verdicts import LifecycleKind as K
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.lifecycle_messages import (
    CANONICAL_LINE_PATTERN,
    GATEWAY_LINE_PATTERN,
    LINE_PATTERN,
    MESSAGES,
    NEEDLES,
    NO_BINDING,
    events_of,
)
from tests.parsers.lifecycle_cases import BLOCKED_RUN, CASES, NO_EVENTS, Case
from tests.parsers.shapes import JOB, START_MS, as_line, at, record

Record = Mapping[str, Any]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_message_says_what_it_means(case: Case) -> None:
    events = list(events_of(case.binding or NO_BINDING, case.fields, case.message))
    assert [event.kind for event in events] == [case.kind] * case.events
    assert {name: getattr(events[0], name) for name in case.told} == dict(case.told)


@pytest.mark.parametrize(("binding", "message"), NO_EVENTS)
def test_other_texts_say_nothing(binding: str | None, message: str) -> None:
    assert list(events_of(binding or NO_BINDING, {}, message)) == []


def test_every_known_message_has_a_case() -> None:
    matched = {
        message
        for message in MESSAGES
        for case in CASES
        if (case.binding or NO_BINDING) in message.bindings and message.pattern.match(case.message)
    }
    unmatched = [message.pattern.pattern for message in MESSAGES if message not in matched]
    assert unmatched == ["log file size cap reached; suppressing writes"], (
        "that one has another shape, see the log tests"
    )


def test_markers_tell_job_and_reservation() -> None:
    fields = {"jobId": JOB, "runningAtMs": START_MS}
    (event,) = events_of("cron", fields, "cron: clearing stale running marker on startup")
    assert (event.job_id, event.running_at) == (JOB, at(START_MS))


@pytest.mark.parametrize("fields", [{}, {"jobId": 7, "runningAtMs": "soon"}, {"jobId": None, "runningAtMs": -1}])
def test_a_marker_without_usable_fields_tells_neither(fields: dict[str, object]) -> None:
    (event,) = events_of("cron", fields, "cron: clearing stale running marker on startup")
    assert (event.job_id, event.running_at) == (None, None)


def test_missed_jobs_are_told_one_by_one() -> None:
    events = events_of("cron", {"count": 2, "jobIds": ["a", "b"]}, "cron: running missed jobs after restart")
    assert [event.job_id for event in events] == ["a", "b"]


@pytest.mark.parametrize("named", [None, "a", 7, {"a": 1}, []])
def test_missed_jobs_that_are_no_list_tell_nothing(named: object) -> None:
    assert list(events_of("cron", {"jobIds": named}, "cron: running missed jobs after restart")) == []


def test_every_run_that_blocks_a_restart_is_told() -> None:
    other = BLOCKED_RUN.replace(JOB, "other").replace("status=running", "status=queued")
    text = (
        f"restart blocked by active background task run(s): {BLOCKED_RUN} label=a title=a; {other} label=b; … +3 more"
    )
    events = list(events_of("gateway", {}, text))
    assert [(event.run_id, event.status) for event in events] == [
        (f"cron:{JOB}:{START_MS}", "running"),
        (f"cron:other:{START_MS}", "queued"),
    ]


def test_lone_surrogates_in_fields_cannot_reach_a_frame() -> None:
    fields = {"jobId": "a\ud800", "runId": "\udfff", "jobStatus": "o\ud800k"}
    (event,) = events_of("cron", fields, "cron: failed to update task ledger record")
    assert (event.job_id, event.run_id, event.status) == ("a\ufffd", "\ufffd", "o\ufffdk")


def test_a_process_id_of_absurd_length_is_not_used() -> None:
    (event,) = events_of("gateway", {}, f"restart mode: full process restart (spawned pid {'9' * 5000})")
    assert (event.kind, event.pid) == (K.MODE_FULL, None)


def _spaced(told: Record) -> str:
    return json.dumps(told) + "\n"


def _time_first(told: Record) -> str:
    return as_line({"time": told["time"]} | dict(told))


def _reversed(told: Record) -> str:
    return as_line(dict(reversed(list(told.items()))))


def _meta_between(told: Record) -> str:
    return as_line({"0": told["0"], "_meta": told["_meta"]} | dict(told))


def _bound_by_more(told: Record) -> str:
    if not str(told["0"]).startswith("{"):
        return as_line(told)
    return as_line(dict(told) | {"0": json.dumps(json.loads(told["0"]) | {"host": "vm"}, separators=(",", ":"))})


SHAPES: dict[str, Callable[[Record], str]] = {
    "as written": as_line,
    "with spaces and escapes": _spaced,
    "time first": _time_first,
    "keys reversed": _reversed,
    "_meta between": _meta_between,
    "binding with more fields": _bound_by_more,
}


def _kinds_by_line(path: Path) -> dict[int, list[str]]:
    lifecycle = parse_gateway_log(path).lifecycle
    assert lifecycle is not None
    told = lifecycle.filter(pl.col("kind") != K.LAST_LINE.value)
    return {line: told.filter(pl.col("line") == line)["kind"].to_list() for line in sorted(set(told["line"].to_list()))}


@pytest.mark.parametrize("new", [False, True], ids=["up to 4.28", "from 4.29"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_picking_pass_misses_no_message_in_any_order_of_keys(tmp_path: Path, shape: str, new: object) -> None:
    path = tmp_path / "gateway.log"
    told = [record(case.binding, case.message, case.fields, new=bool(new)) for case in CASES]
    path.write_text("".join(map(SHAPES[shape], told)), encoding="utf-8")
    expected = {line: [case.kind.value] * case.events for line, case in enumerate(CASES, 1)}
    assert _kinds_by_line(path) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_other_texts_are_no_events_in_any_order_of_keys(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "gateway.log"
    told = [record(binding, message) for binding, message in NO_EVENTS]
    path.write_text("".join(map(SHAPES[shape], told)), encoding="utf-8")
    assert _kinds_by_line(path) == {}


def test_json_console_lines_of_the_gateway_are_events_too(tmp_path: Path) -> None:
    said = [case for case in CASES if case.binding not in (None, "cron")]
    lines = [
        as_line(
            {
                "time": "2026-04-17T09:40:44.000+02:00",
                "level": "info",
                "subsystem": case.binding,
                "message": case.message,
            }
        )
        for case in said
    ]
    (tmp_path / "console.log").write_text("".join(lines), encoding="utf-8")
    expected = {line: [case.kind.value] * case.events for line, case in enumerate(said, 1)}
    assert _kinds_by_line(tmp_path / "console.log") == expected


def test_every_message_holds_a_needle_and_every_needle_finds_a_message() -> None:
    texts = [case.message for case in CASES] + ["log file size cap reached; suppressing writes"]
    assert [text for text in texts if not any(needle in text for needle in NEEDLES)] == []
    assert [needle for needle in NEEDLES if not any(needle in text for text in texts)] == []


def _picked(pattern: str, *lines: str) -> list[bool]:
    return pl.Series(lines).str.contains(pattern).to_list()


@pytest.mark.parametrize("binding", ["chat", "agent/embedded", "plugins", "diagnostic"])
def test_ordinary_records_are_dismissed_without_decoding(binding: str) -> None:
    line = as_line(record(binding, "received SIGTERM; shutting down", {"a": 1}))
    assert _picked(LINE_PATTERN, line) == [False]
    assert _picked(CANONICAL_LINE_PATTERN, line) == [True]


def test_a_whole_answer_of_a_command_line_is_dismissed_without_decoding() -> None:
    answer = json.dumps({"count": 1, "tasks": [{"status": "lost", "error": "backing session missing"}]}, indent=2)
    line = as_line(record(None, answer))
    assert _picked(LINE_PATTERN, line) == [False]
    assert _picked(CANONICAL_LINE_PATTERN, line) == [True]


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        *(("gateway", True), ("gateway/ws", True), ("cron", True), ("diagnostic", True), ("skills", True)),
        *(("sessions/lifecycle", True), ("state/sqlite", False), ("infra/sqlite-snapshot", False), (None, False)),
    ],
)
@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "binding with more fields"])
def test_lines_of_a_gateway_process_are_told_by_their_binding(
    shape: str, binding: str | None, expected: object
) -> None:
    line = SHAPES[shape](record(binding, "anything", {"a": 1}))
    assert _picked(GATEWAY_LINE_PATTERN, line) == [expected]


def test_patterns_mean_the_same_to_both_engines() -> None:
    lines = [as_line(record(case.binding, case.message, case.fields)) for case in CASES]
    lines += [as_line(record(binding, message)) for binding, message in NO_EVENTS]
    for pattern in (LINE_PATTERN, CANONICAL_LINE_PATTERN, GATEWAY_LINE_PATTERN):
        assert _picked(pattern, *lines) == [re.search(pattern, line) is not None for line in lines]
