"""Small restart documents, lock files, stability bundles, the log of attempts, and the rows of the boot tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics import load_evidence
from forensics.model.errors import UnreadableError
from forensics.model.schemas import LIFECYCLE, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.catalogue import FORM_OF
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from forensics.parsers.parsed import Parsed
from forensics.parsers.restart_records import (
    FORMS,
    boot_rows,
    handoff_rows,
    intent_rows,
    parse_restart_log,
    sentinel_rows,
)
from tests.hostile.test_fuzz import JSON, RAW, assert_balanced_or_refused, quick
from tests.parsers.shapes import START_MS, assert_balance, at, codes, noted_lines, utc, write_registry

DATA = Path(__file__).parent.parent / "data"
RowReader = Callable[[dict[str, object], int | None, Parsed], list[dict[str, object]]]

SENTINEL = {
    "version": 1,
    "payload": {
        "kind": "config-patch",
        "status": "ok",
        "ts": START_MS,
        "sessionKey": "agent:main:main",
        "message": "port changed",
        "stats": {"mode": "restart", "reason": "config.patch", "durationMs": 12},
    },
}
INTENT = {"kind": "gateway-restart", "pid": 4711, "createdAt": START_MS, "reason": "update.run", "waitMs": 30_000}
HANDOFF = {
    "kind": "gateway-supervisor-restart-handoff",
    "version": 1,
    "intentId": "0f8fad5b",
    "pid": 4711,
    "createdAt": START_MS,
    "expiresAt": START_MS + 60_000,
    "source": "gateway",
    "restartKind": "full",
    "supervisorMode": "systemd",
}
LOCK = {"pid": 4711, "createdAt": utc(START_MS), "configPath": "/home/claw/.openclaw/openclaw.json", "startTime": 88}
BUNDLE = {
    "version": 1,
    "generatedAt": utc(START_MS),
    "reason": "uncaught_exception",
    "process": {"pid": 4711, "platform": "linux", "arch": "x64", "node": "22.23.3", "uptimeMs": 90_000},
    "host": {"hostname": "<redacted-hostname>"},
    "error": {"name": "Error", "code": "ENOSPC", "message": "no space left on device"},
    "snapshot": {"generatedAt": utc(START_MS), "capacity": 1, "count": 0, "dropped": 0, "events": [], "summary": {}},
}
NAMES = {
    "restart-sentinel.json": SENTINEL,
    "gateway-restart-intent.json": INTENT,
    "gateway-supervisor-restart-handoff.json": HANDOFF,
    "gateway.*.lock": LOCK,
    "openclaw-stability-*.json": BUNDLE,
}


def write(path: Path, document: object, indent: int | None = 2) -> Path:
    path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
    return path


def read(path: Path) -> Parsed:
    form = detect(path).form
    assert form is not None
    assert form.kind is SourceKind.RESTART_RECORD
    parsed = form.parse(path, Given(name=path.name))
    assert parsed.lifecycle is not None
    assert_schema(parsed.lifecycle, LIFECYCLE, "lifecycle")
    return parsed


def events(parsed: Parsed, *columns: str) -> list[tuple[Any, ...]]:
    assert parsed.lifecycle is not None
    return parsed.lifecycle.select(columns or ("kind", "at", "pid", "detail", "line")).rows()


@pytest.mark.parametrize("indent", [2, None])
@pytest.mark.parametrize("name", NAMES)
def test_each_document_is_recognised_as_what_it_is(tmp_path: Path, name: str, indent: int | None) -> None:
    detected = detect(write(tmp_path / "any.name", NAMES[name], indent))
    assert detected.form is FORM_OF[name]
    assert detected.kind is SourceKind.RESTART_RECORD


def test_a_sentinel_tells_why_a_restart_was_wished_for(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "restart-sentinel.json", SENTINEL))
    words = "config-patch, ok, restart, config.patch, port changed"
    assert events(parsed) == [("restart_reason", at(START_MS), None, words, 6)]
    assert events(parsed, "raw", "precision_ms") == [(f"[restart-sentinel] {words}", 1)]
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert (parsed.first_at, parsed.last_at) == (at(START_MS), at(START_MS))


def test_an_intent_tells_which_process_was_asked_to_restart(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "intent.json", INTENT | {"force": True}))
    assert events(parsed) == [("restart_reason", at(START_MS), 4711, "update.run, force", 4)]
    parsed = read(write(tmp_path / "intent.json", {"kind": "gateway-restart", "createdAt": START_MS}))
    assert events(parsed) == [("restart_reason", at(START_MS), None, "gateway-restart", 3)]


def test_a_handoff_tells_which_process_left_its_restart_to_a_supervisor(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "handoff.json", HANDOFF))
    assert events(parsed) == [("restart_reason", at(START_MS), 4711, "gateway, full, systemd", 6)]


def test_a_lock_tells_which_process_took_it(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "gateway.state.lock", LOCK, None))
    assert events(parsed) == [("lock_taken", at(START_MS), 4711, "/home/claw/.openclaw/openclaw.json", 1)]


def test_a_bundle_tells_when_the_process_was_born_and_what_it_died_of(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "bundle.json", BUNDLE))
    words = "uncaught_exception, Error, ENOSPC, no space left on device"
    assert events(parsed) == [
        ("process_born", at(START_MS - 90_000), 4711, None, 3),
        ("fatal", at(START_MS), 4711, words, 3),
    ]
    assert events(parsed, "precision_ms") == [(1000,), (1,)]
    assert_balance(parsed, records=1)


def test_a_bundle_of_a_process_that_goes_on_tells_its_birth_only(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "bundle.json", BUNDLE | {"reason": "diagnostic.memory_pressure"}))
    assert [kind for kind, *_ in events(parsed)] == ["process_born"]


@pytest.mark.parametrize(
    "reason",
    [
        "gateway.startup_failed", "gateway.restart_shutdown_timeout", "gateway.stop_shutdown_timeout",
        "gateway.restart_startup_failed", "gateway.restart_respawn_failed", "uncaught_exception",
    ],
)  # fmt: skip
def test_each_reason_that_ends_a_process_is_fatal(tmp_path: Path, reason: str) -> None:
    parsed = read(write(tmp_path / "bundle.json", {**BUNDLE, "reason": reason, "error": None, "process": {}}))
    assert events(parsed, "kind", "pid", "detail") == [("fatal", None, reason)]


@pytest.mark.parametrize(
    ("document", "noted"),
    [
        (
            SENTINEL | {"payload": {"kind": 7, "status": ["ok"], "ts": "soon"}},
            ["out_of_range", "wrong_type", "no_time"],
        ),
        (INTENT | {"createdAt": 5}, ["out_of_range", "no_time"]),
        (HANDOFF | {"createdAt": None, "pid": -1}, ["out_of_range", "no_time"]),
        (LOCK | {"createdAt": "2026-04-17T07:40:44"}, ["out_of_range", "no_time"]),
        (LOCK | {"pid": "4711"}, ["out_of_range", "no_time"]),
        (BUNDLE | {"generatedAt": 12}, ["out_of_range", "no_time"]),
        (BUNDLE | {"reason": "x", "process": {"pid": 4711, "uptimeMs": -5}}, ["out_of_range"]),
    ],
)
def test_a_document_without_usable_values_is_rejected_with_a_notice(
    tmp_path: Path, document: dict[str, Any], noted: list[str]
) -> None:
    parsed = read(write(tmp_path / "file", document))
    assert events(parsed) == []
    assert_balance(parsed, records=0, rejected=1)
    assert set(codes(parsed)) == set(noted)
    assert all(line is not None for code in noted for line in noted_lines(parsed, code))


def test_hostile_text_is_shown_escaped_and_cut(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "file", INTENT | {"reason": "\x1b[31m\u202e" + "x" * 9_000}))
    ((raw, detail),) = events(parsed, "raw", "detail")
    assert raw.startswith("[restart-intent] \\x1b[31m\\u202exxx")
    assert len(raw) == len(detail) == 200


def test_a_document_that_changed_after_it_was_recognised_is_refused(tmp_path: Path) -> None:
    form = FORM_OF["gateway.*.lock"]
    with pytest.raises(UnreadableError):
        form.parse(write(tmp_path / "file", INTENT), Given())


ATTEMPTS = """\
[2026-05-07T10:00:00Z] openclaw restart log initialized
[2026-05-07T10:00:01Z] openclaw restart attempt source=launchd-handoff mode=kickstart target=gui/501/ai.openclaw.gateway waitPid=123
Could not find service "ai.openclaw.gateway" in domain for user gui: 501
[2026-05-07T10:00:04Z] openclaw restart done source=launchd-handoff mode=kickstart reason=launchd-auto-reload
[2026-05-07T10:00:09Z] openclaw restart failed source=update status=78
[2026-09-01T12:00:00.250Z] openclaw gateway lifecycle source=cli action=restart mode=kickstart pid=77 interactive=1
"""  # noqa: E501 - verbatim


def test_the_log_of_attempts_tells_each_attempt_and_its_outcome(tmp_path: Path) -> None:
    path = tmp_path / "gateway-restart.log"
    path.write_text(ATTEMPTS, encoding="utf-8")
    parsed = read(path)
    assert events(parsed, "line", "kind", "pid", "precision_ms") == [
        (2, "restart_reason", 123, 1000),
        (4, "restart_reason", None, 1000),
        (5, "restart_reason", None, 1000),
        (6, "restart_reason", 77, 1),
    ]
    assert [detail for (detail,) in events(parsed, "detail")][2] == "openclaw restart failed source=update status=78"
    assert events(parsed, "raw")[2] == ("[2026-05-07T10:00:09Z] openclaw restart failed source=update status=78",)
    assert_balance(parsed, records=4, skipped=2)
    assert codes(parsed) == []
    assert (parsed.form, parsed.timezone) == ("", "UTC from stamps with Z or an offset")


WINDOWS = """\
[\u9512\u65a4\u62f7 2026/06/25  9:46:06.43] openclaw restart log initialized\r
[\u9512\u65a4\u62f7 2026/06/25  9:46:06.43] openclaw restart attempt source=windows-task-handoff target="OpenClaw Gateway"\r
SUCCESS: Attempted to run the scheduled task "OpenClaw Gateway".\r
"""  # noqa: E501 - verbatim


def test_the_log_of_attempts_of_windows_is_named_and_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "gateway-restart.log"
    path.write_bytes(WINDOWS.encode("gb18030"))
    parsed = read(path)
    assert events(parsed) == []
    assert_balance(parsed, records=0, skipped=2, rejected=1)
    assert noted_lines(parsed, "local_stamp") == [2]
    assert (parsed.form, parsed.timezone) == ("gateway-restart.log of Windows", None)


def test_an_impossible_stamp_or_process_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "gateway-restart.log"
    line = "openclaw restart attempt source=update waitPid=9999999999\n"
    path.write_text(f"[2026-13-07T10:00:00Z] {line}[2026-05-07T10:00:00Z] {line}", encoding="utf-8")
    parsed = read(path)
    assert noted_lines(parsed, "out_of_range") == [1]
    assert events(parsed, "line", "pid") == [(2, None)]


def test_an_endless_line_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gateway-restart.log"
    path.write_bytes(ATTEMPTS.encode() + b"x" * 400_000 + b"\n" + ATTEMPTS.splitlines()[1].encode())
    parsed = parse_restart_log(path)
    assert_balance(parsed, records=5, skipped=3)
    assert events(parsed, "line")[-1] == (8,)


def real_boots(name: str) -> list[dict[str, object]]:
    told: list[dict[str, object]] = json.loads((DATA / "boots.json").read_text("utf-8"))[name]["boots"]
    return told


def test_real_boots_are_told_with_their_ends() -> None:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "test")
    told = [row for line, boot in enumerate(real_boots("2026.7.35"), 1) for row in boot_rows(boot, line, parsed)]
    assert [(row["kind"], row["line"], row["pid"], row.get("status")) for row in told] == [
        ("boot_started", 1, 23569, None), ("boot_ended", 1, 23569, "planned_restart"),
        ("boot_started", 2, 23569, None), ("boot_ended", 2, 23569, "clean_stop"),
        ("boot_started", 3, 4905, None),
        ("boot_started", 4, 12310, None), ("boot_ended", 4, 12310, "clean_stop"),
    ]  # fmt: skip
    assert told[0]["raw"] == "[gateway_boot_lifecycle] boot 3c9ab6a0 pid 23569 started"
    assert told[1]["raw"] == "[gateway_boot_lifecycle] boot 3c9ab6a0 pid 23569 ended, planned_restart: SIGUSR1"
    assert told[1]["detail"] == "planned_restart: SIGUSR1"
    assert (told[1]["at"], told[1]["running_at"]) == (at(1_795_475_057_942), at(1_795_473_704_703))
    assert codes(parsed) == []


def test_a_long_reason_of_a_real_boot_is_cut() -> None:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "test")
    told = [row for boot in real_boots("2026.9.6") for row in boot_rows(boot, 1, parsed)]
    assert str(told[1]["detail"]).startswith("planned_restart: restart drain budget 0ms exhausted; cutting short queue")
    assert max(len(str(row["raw"])) for row in told) == 200


@pytest.mark.parametrize(
    ("row", "kinds", "noted"),
    [
        ({}, [], ["no_time"]),
        ({"started_at_ms": "x", "pid": 7}, [], ["out_of_range", "no_time"]),
        ({"started_at_ms": START_MS, "pid": 0, "boot_id": b"\x00"}, ["boot_started"], ["out_of_range", "wrong_type"]),
        ({"started_at_ms": START_MS, "completed_at_ms": START_MS - 1}, ["boot_started"], ["out_of_range"]),
        ({"started_at_ms": START_MS, "completed_at_ms": START_MS}, ["boot_started", "boot_ended"], []),
    ],
)
def test_a_boot_with_missing_or_wrong_values_is_told_as_far_as_it_goes(
    row: dict[str, object], kinds: list[str], noted: list[str]
) -> None:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "test")
    assert [told["kind"] for told in boot_rows(row, 3, parsed)] == kinds
    assert set(codes(parsed)) == set(noted)
    assert all(noted_lines(parsed, code) == [3] for code in noted)


@pytest.mark.parametrize(
    ("rows", "row", "expected"),
    [
        (sentinel_rows, {"kind": "restart", "status": "ok", "ts": START_MS, "message": "bye"},
         (None, "restart, ok, bye", "[gateway_restart_sentinel] restart, ok, bye")),
        (intent_rows, {"kind": "gateway-restart", "pid": 9, "created_at": START_MS, "reason": "update"},
         (9, "gateway-restart, update", "[gateway_restart_intent] gateway-restart, update")),
        (handoff_rows, {"source": "gateway", "restart_kind": "full", "pid": 9, "created_at": START_MS},
         (9, "gateway, full", "[gateway_restart_handoff] gateway, full")),
    ],
)  # fmt: skip
def test_rows_of_the_restart_tables_tell_a_wish(
    rows: RowReader, row: dict[str, object], expected: tuple[int | None, str, str]
) -> None:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "test")
    (told,) = rows(row, 5, parsed)
    assert (told["kind"], told["at"], told["line"]) == ("restart_reason", at(START_MS), 5)
    assert (told["pid"], told["detail"], told["raw"]) == expected
    assert rows({"pid": "x"}, 5, parsed) == []
    assert "no_time" in codes(parsed)


def test_the_documents_of_a_state_directory_are_sources_of_its_gateway(tmp_path: Path) -> None:
    state = tmp_path / "state"
    write_registry(state / "tasks" / "runs.sqlite")
    (state / "logs" / "stability").mkdir(parents=True)
    write(state / "restart-sentinel.json", SENTINEL)
    write(state / "logs" / "stability" / "openclaw-stability-2026-04-17T07-40-44-000Z-4711-uncaught.json", BUNDLE)
    (state / "logs" / "gateway-restart.log").write_text(ATTEMPTS, encoding="utf-8")
    evidence = load_evidence([str(state)])
    told = evidence.sources.filter(evidence.sources["kind"] == "restart_record").select("form", "gateway", "records")
    assert sorted(told.rows()) == [
        ("gateway-restart.log", "state", 4), ("openclaw-stability-*.json", "state", 1),
        ("restart-sentinel.json", "state", 1),
    ]  # fmt: skip
    assert evidence.lifecycle["gateway"].unique().to_list() == ["state"]


VALUES = st.dictionaries(
    st.sampled_from(sorted({*SENTINEL, *INTENT, *HANDOFF, *LOCK, *BUNDLE, "ts", "status"})), JSON, max_size=4
)


@quick
@given(st.sampled_from(list(NAMES.values())), VALUES, st.booleans())
def test_any_document(tmp_path: Path, document: dict[str, Any], told: dict[str, object], inner: bool) -> None:
    changed = document | {"payload": told, "process": told} if inner else document | told
    path = write(tmp_path / "file", changed)
    for form in FORMS:
        assert_balanced_or_refused(lambda file, form=form: form.parse(file, Given()), path)  # type: ignore[misc]


@quick
@given(st.lists(RAW | st.sampled_from([line.encode() for line in (ATTEMPTS + WINDOWS).splitlines()]), max_size=6))
def test_any_log_of_attempts(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "file").write_bytes(b"\n".join(lines))
    assert_balanced_or_refused(parse_restart_log, tmp_path / "file")


COLUMNS = ("boot_id", "pid", "started_at_ms", "completed_at_ms", "outcome", "startup_reason", "reason", "ts", "kind",
           "created_at", "source")  # fmt: skip
STORED = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=300) | st.binary(max_size=9)


@quick
@given(st.dictionaries(st.sampled_from(COLUMNS), STORED), st.none() | st.integers(1, 9))
def test_any_row_of_the_tables(row: dict[str, object], line: int | None) -> None:
    parsed = Parsed(SourceKind.TASK_REGISTRY, "test")
    for rows in (boot_rows, sentinel_rows, intent_rows, handoff_rows):
        for told in rows(row, line, parsed):
            assert told["at"] is not None
            assert len(str(told["raw"])) <= 200


def test_rows_fit_what_sqlite_gives() -> None:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    row = database.execute("SELECT 'b' boot_id, 7 pid, ? started_at_ms, NULL completed_at_ms", (START_MS,)).fetchone()
    database.close()
    (told,) = boot_rows(dict(row), 1, Parsed(SourceKind.TASK_REGISTRY, "test"))
    assert (told["pid"], told["at"]) == (7, at(START_MS))
