from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest

from forensics.model.errors import UnreadableError
from forensics.model.schemas import LIFECYCLE, assert_schema
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import SourceKind
from forensics.parsers import gateway_log
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import is_log_record, parse_gateway_log
from forensics.parsers.parsed import Parsed
from tests.parsers.shapes import (
    JOB,
    START_MS,
    as_line,
    assert_balance,
    at,
    codes,
    local,
    log_line,
    noted_lines,
    record,
    utc,
    write_log,
)

STOP = "received SIGTERM; shutting down"
CAPPED = (
    '{"time":"2026-04-17T09:40:44.000+02:00","level":"warn","subsystem":"logging",'
    '"message":"log file size cap reached; suppressing writes file=/tmp/openclaw/x.log maxFileBytes=524288000"}\n'
)


def lifecycle_of(parsed: Parsed) -> pl.DataFrame:
    assert parsed.lifecycle is not None
    return assert_schema(parsed.lifecycle, LIFECYCLE, "lifecycle")


def events_of(parsed: Parsed) -> pl.DataFrame:
    return lifecycle_of(parsed).filter(pl.col("kind") != K.LAST_LINE.value)


def kinds(parsed: Parsed) -> list[tuple[int, str]]:
    return events_of(parsed).select("line", "kind").rows()


@pytest.mark.parametrize("new", [False, True], ids=["up to 4.28", "from 4.29"])
def test_a_lifecycle_line_becomes_one_row(tmp_path: Path, new: object) -> None:
    line = as_line(record("gateway", "received SIGTERM; shutting down", new=bool(new)))
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", line))
    assert events_of(parsed).row(0, named=True) == {
        "gateway": None,
        "source": None,
        "line": 1,
        "at": at(START_MS),
        "kind": "signal_acted",
        "pid": None,
        "signal": "SIGTERM",
        "job_id": None,
        "running_at": None,
        "run_id": None,
        "status": None,
        "detail": "received SIGTERM; shutting down",
        "raw": "[gateway] received SIGTERM; shutting down",
        "precision_ms": 1,
    }
    assert_balance(parsed, records=1)
    assert codes(parsed) == []
    assert parsed.kind is SourceKind.GATEWAY_LOG


def test_a_marker_shows_its_fields(tmp_path: Path) -> None:
    message = "cron: clearing stale running marker on startup"
    line = log_line("cron", message, {"jobId": JOB, "runningAtMs": START_MS})
    row = events_of(parse_gateway_log(write_log(tmp_path / "gateway.log", line))).row(0, named=True)
    assert (row["kind"], row["job_id"], row["running_at"]) == ("marker_cleared", JOB, at(START_MS))
    assert row["raw"] == f'[cron] {message} {{"jobId":"{JOB}","runningAtMs":{START_MS}}}'


def test_the_start_of_2026_4_15_is_read_in_order(tmp_path: Path) -> None:
    texts = [
        ("gateway", "loading configuration…", K.PROCESS_START),
        ("gateway", "resolving authentication…", K.STARTING),
        ("gateway", "starting...", K.STARTING),
        ("gateway", "starting HTTP server...", K.HTTP_STARTING),
        ("gateway", "agent model: mock/slow", None),
        ("gateway", "ready (5 plugins: acpx, browser, device-pair, phone-control, talk-voice; 20.8s)", K.READY),
        ("gateway", "log file: /tmp/openclaw/openclaw-2026-11-23.log", None),
        ("gateway/heartbeat", "heartbeat: disabled", None),
    ]
    lines = [log_line(binding, text, ms=START_MS + n) for n, (binding, text, _) in enumerate(texts)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert kinds(parsed) == [(n, kind.value) for n, (_, _, kind) in enumerate(texts, 1) if kind]
    assert_balance(parsed, records=5, skipped=3)


def test_one_line_that_names_several_jobs_is_one_record(tmp_path: Path) -> None:
    fields = {"count": 3, "jobIds": ["a", "b", "c"]}
    parsed = parse_gateway_log(
        write_log(tmp_path / "gateway.log", log_line("cron", "cron: running missed jobs after restart", fields))
    )
    assert events_of(parsed)["job_id"].to_list() == ["a", "b", "c"]
    assert_balance(parsed, records=1)


def test_the_line_at_the_size_cap_is_read(tmp_path: Path) -> None:
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line("gateway", "gateway ready"), CAPPED))
    assert kinds(parsed) == [(1, "ready"), (2, "log_capped")]
    assert events_of(parsed)["at"].to_list()[1] == at(START_MS)
    assert_balance(parsed, records=2)


def test_a_whole_answer_of_a_command_line_is_known_noise(tmp_path: Path) -> None:
    row = {
        "taskId": "x",
        "status": "lost",
        "error": "backing session missing",
        "note": "received SIGTERM; shutting down",
    }
    answer = json.dumps({"count": 1, "tasks": [row], "said": ["gateway ready", "cron: started"]}, indent=2)
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line(None, answer)))
    assert kinds(parsed) == []
    assert_balance(parsed, records=0, skipped=1)
    assert codes(parsed) == []


def test_a_row_printed_by_a_command_line_is_known_noise(tmp_path: Path) -> None:
    text = "6099b328-… cron     lost     backing session missing"
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line(None, text)))
    assert_balance(parsed, records=0, skipped=1)


def test_the_event_date_is_preferred_to_the_time_of_writing(tmp_path: Path) -> None:
    told = record("gateway", "gateway ready")
    told["time"] = local(START_MS + 20, 2)
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", as_line(told)))
    assert events_of(parsed)["at"].to_list() == [at(START_MS)]
    assert parsed.timezone == "UTC from _meta.date; local stamps +02:00"


@pytest.mark.parametrize("date", [..., None, "soon", 1_776_411_644_000, "1970-01-01T00:00:00Z"])
def test_without_a_usable_date_the_time_of_writing_counts(tmp_path: Path, date: object) -> None:
    told = record("gateway", "gateway ready", hours=-7)
    del told["_meta"]["date"]
    told["_meta"] |= {} if date is ... else {"date": date}
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", as_line(told)))
    assert events_of(parsed)["at"].to_list() == [at(START_MS + 3)]


def test_hour_24_is_read_as_midnight(tmp_path: Path) -> None:
    told = record("gateway", "gateway ready")
    told["_meta"] = {}
    told["time"] = "2026-04-17T24:05:00.000+00:00"
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", as_line(told)))
    assert events_of(parsed)["at"].to_list() == [at(1_776_384_300_000)]


def test_a_lifecycle_line_without_a_stamp_is_noted_and_left_out(tmp_path: Path) -> None:
    told = record("gateway", "gateway ready") | {"_meta": {"date": "soon"}, "time": "later"}
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", as_line(told)))
    assert kinds(parsed) == []
    assert set(noted_lines(parsed, "no_stamp")) == {1}
    assert_balance(parsed, records=0, skipped=1)


def test_lines_that_are_no_records_are_rejected_by_number(tmp_path: Path) -> None:
    ready = log_line("gateway", "gateway ready")
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", "plain text\n", ready, '{"0":"cut\n', ready))
    assert kinds(parsed) == [(2, "ready"), (4, "ready")]
    assert noted_lines(parsed, "not_json") == [1, 3]
    assert_balance(parsed, records=2, rejected=2)


def test_a_picked_line_that_does_not_decode_is_rejected(tmp_path: Path) -> None:
    broken = log_line("gateway", "gateway ready").replace('"time":', '"time":,')
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", broken))
    assert noted_lines(parsed, "not_json") == [1]
    assert_balance(parsed, records=0, rejected=1)


def test_a_torn_last_line_is_rejected_as_such(tmp_path: Path) -> None:
    ready = log_line("gateway", "gateway ready")
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", ready, ready[:70]))
    assert noted_lines(parsed, "truncated_line") == [2]
    assert_balance(parsed, records=1, rejected=1)


def test_a_whole_last_line_without_a_line_end_is_read(tmp_path: Path) -> None:
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line("gateway", "gateway ready").rstrip("\n")))
    assert kinds(parsed) == [(1, "ready")]
    assert_balance(parsed, records=1)
    assert codes(parsed) == []


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    lines = [log_line("gateway", "gateway ready"), log_line("cron", "cron: started", {"enabled": True})]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *(line.replace("\n", "\r\n") for line in lines)))
    assert kinds(parsed) == [(1, "ready"), (2, "cron_started")]
    assert_balance(parsed, records=2)


def test_empty_lines_are_known_noise_and_are_counted(tmp_path: Path) -> None:
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", "\n\n", log_line("gateway", "gateway ready"), "\n"))
    assert kinds(parsed) == [(3, "ready")]
    assert_balance(parsed, records=1, skipped=3)


def test_an_empty_log_holds_nothing(tmp_path: Path) -> None:
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log"))
    assert kinds(parsed) == []
    assert_balance(parsed, records=0)


def test_a_missing_log_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        parse_gateway_log(tmp_path / "missing.log")


def test_the_span_of_a_log_reaches_from_its_first_to_its_last_record(tmp_path: Path) -> None:
    lines = [log_line("plugins", f"line {n}", ms=START_MS + n * 1_000) for n in range(100)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", "garbage\n", *lines, "garbage\n"))
    assert (parsed.first_at, parsed.last_at) == (at(START_MS), at(START_MS + 99_000))


def test_a_clock_that_steps_back_is_noted(tmp_path: Path) -> None:
    stamps = [START_MS, START_MS + 5_000, START_MS + 3_000, START_MS + 2_500]
    lines = [log_line("gateway", "gateway ready", ms=ms) for ms in stamps]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert noted_lines(parsed, "clock_stepped_back") == [3]


def last_lines(parsed: Parsed) -> list[tuple[int, str]]:
    told = lifecycle_of(parsed).filter(pl.col("kind") == K.LAST_LINE.value)
    return told.select("line", "raw").rows()


def test_the_last_gateway_line_before_each_process_start_and_in_the_file_is_kept(tmp_path: Path) -> None:
    start = log_line("gateway", "loading configuration…")
    parsed = parse_gateway_log(
        write_log(
            tmp_path / "gateway.log",
            *(log_line("diagnostic", "first"), log_line("cron", "cron: timer armed"), start),
            *(log_line("plugins", "second"), log_line(None, "Config invalid"), log_line("state/sqlite", "opened")),
            *(log_line("infra/sqlite-snapshot", "copied"), log_line("sqlite/transaction", "slow"), start),
            log_line("plugins", "after the last start"),
        )
    )
    assert last_lines(parsed) == [
        (2, "[cron] cron: timer armed"),
        (4, "[plugins] second"),
        (10, "[plugins] after the last start"),
    ]
    assert_balance(parsed, records=2, skipped=8)


def test_a_start_with_no_gateway_line_before_it_has_no_last_line(tmp_path: Path) -> None:
    said = [(None, "Config invalid"), ("state/sqlite", "opened"), ("gateway", "loading configuration…")]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *(log_line(*told) for told in said)))
    assert last_lines(parsed) == [(3, "[gateway] loading configuration…")]


def test_the_last_line_is_found_in_json_console_lines_too(tmp_path: Path) -> None:
    console = {"time": "2026-04-17T09:40:44.000+02:00", "level": "info"}
    lines = [as_line(console | {"subsystem": name, "message": "x"}) for name in ("plugins", "state/sqlite", "logging")]
    lines.append(as_line(console | {"subsystem": "gateway", "message": "loading configuration…"}))
    parsed = parse_gateway_log(write_log(tmp_path / "console.log", *lines))
    assert last_lines(parsed) == [(1, "[plugins] x"), (4, "[gateway] loading configuration…")]


def test_of_two_starts_in_a_row_the_first_is_the_last_line_before_the_second(tmp_path: Path) -> None:
    start = log_line("gateway", "loading configuration…")
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line("plugins", "only"), start, start))
    assert last_lines(parsed) == [
        (1, "[plugins] only"),
        (2, "[gateway] loading configuration…"),
        (3, "[gateway] loading configuration…"),
    ]


def test_a_torn_last_line_is_not_the_last_line_of_its_process(tmp_path: Path) -> None:
    torn = log_line("plugins", "torn")[:-40]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", log_line("plugins", "whole"), torn))
    assert last_lines(parsed) == [(1, "[plugins] whole")]


def test_bytes_that_are_no_text_are_replaced_and_noted(tmp_path: Path) -> None:
    ready = log_line("gateway", "gateway ready").encode()
    path = tmp_path / "gateway.log"
    path.write_bytes(ready + log_line("plugins", "caf\xe9").encode("latin-1") + ready)
    parsed = parse_gateway_log(path)
    assert kinds(parsed) == [(1, "ready"), (3, "ready")]
    assert noted_lines(parsed, "invalid_utf8") == [2]
    assert_balance(parsed, records=2, skipped=1)


@pytest.mark.parametrize(
    ("binding", "message", "fields"),
    [
        ("gateway", "update.run completed \ud800 restartReason=update.run", None),
        (None, "[openclaw] Uncaught exception: \udfff", None),
        ("cron", "cron: clearing stale running marker on startup", {"jobId": "\ud800", "\udc00": "\ud800"}),
    ],
)
def test_lone_surrogates_become_replacement_characters(
    tmp_path: Path, binding: str | None, message: str, fields: dict[str, object] | None
) -> None:
    path = write_log(tmp_path / "gateway.log", json.dumps(record(binding, message, fields)) + "\n")
    parsed = parse_gateway_log(path)
    assert events_of(parsed).height == 1
    assert "\ufffd" in events_of(parsed)["raw"][0]


def test_escape_sequences_never_reach_the_shown_text(tmp_path: Path) -> None:
    line = log_line(None, "[openclaw] Uncaught exception: \x1b]0;owned\x07\u202e")
    (raw,) = events_of(parse_gateway_log(write_log(tmp_path / "gateway.log", line)))["raw"]
    assert raw == r"[console] [openclaw] Uncaught exception: \x1b]0;owned\x07\u202e"


def test_the_shown_text_is_cut_at_200_characters(tmp_path: Path) -> None:
    line = log_line(None, "[openclaw] Uncaught exception: " + "x" * 100_000)
    (raw,) = events_of(parse_gateway_log(write_log(tmp_path / "gateway.log", line)))["raw"]
    assert len(raw) == 200


def test_a_log_that_grows_while_it_is_read_still_balances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = log_line("gateway", "gateway ready")
    path = write_log(tmp_path / "gateway.log", ready)
    picked = gateway_log._picked_lines

    def grow(log: BinaryIO, until: int, unusual: gateway_log._Unusual) -> pl.DataFrame:
        with path.open("a", encoding="utf-8") as live:
            live.write(ready * 3)
        return picked(log, until, unusual)

    monkeypatch.setattr(gateway_log, "_picked_lines", grow)
    parsed = parse_gateway_log(path)
    assert kinds(parsed) == [(1, "ready")]
    assert_balance(parsed, records=1)


def test_two_records_on_one_line_are_both_read(tmp_path: Path) -> None:
    pasted = log_line("plugins", "x").rstrip() + log_line("gateway", "received SIGTERM; shutting down").rstrip()
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", pasted + log_line("gateway", "gateway ready")))
    assert kinds(parsed) == [(1, "signal_acted"), (1, "ready")]
    assert noted_lines(parsed, "joined_records") == [1]
    assert_balance(parsed, records=1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_log_that_windows_copied_loses_nothing(tmp_path: Path, encoding: str, end: str) -> None:
    lines = [log_line("gateway", "gateway ready"), log_line("gateway/reload", "süß"), log_line("gateway", STOP)]
    (tmp_path / "gateway.log").write_bytes("".join(lines).replace("\n", end).encode(encoding))
    detected = detect(tmp_path / "gateway.log")
    assert detected.form is not None
    parsed = detected.form.parse(tmp_path / "gateway.log", Given())
    assert kinds(parsed) == [(1, "ready"), (3, "signal_acted")]
    assert codes(parsed) == []
    assert_balance(parsed, records=2, skipped=1)


def test_unreadable_bytes_behind_a_byte_order_mark_are_named(tmp_path: Path) -> None:
    text = log_line("gateway", "gateway ready") + log_line("plugins", "s?") + log_line("gateway", STOP)
    (tmp_path / "gateway.log").write_bytes(text.encode("utf-8-sig").replace(b"s?", b"s\xfc"))
    parsed = parse_gateway_log(tmp_path / "gateway.log")
    assert kinds(parsed) == [(1, "ready"), (3, "signal_acted")]
    assert noted_lines(parsed, "invalid_utf8") == [2]


@pytest.mark.parametrize("damaged", [b"\xe2\x82\xac", b"\x80"], ids=["a longer character", "no character"])
@pytest.mark.parametrize("place", range(-2, 3))
def test_a_record_damaged_at_its_stamp_is_read_as_far_as_it_goes(tmp_path: Path, damaged: bytes, place: int) -> None:
    line = log_line("plugins", "x").encode()
    at_stamp = line.index(b'"date":"') + len(b'"date":"') + place
    ready = log_line("gateway", "gateway ready").encode()
    (tmp_path / "gateway.log").write_bytes(ready + line[:at_stamp] + damaged + line[at_stamp + 1 :] + ready)
    parsed = parse_gateway_log(tmp_path / "gateway.log")
    assert kinds(parsed) == [(1, "ready"), (3, "ready")]
    assert parsed.unusable is None
    assert_balance(parsed, records=2, skipped=1)


def joined(*lines: str) -> str:
    return "".join(line.rstrip("\n") for line in lines) + "\n"


def test_records_joined_on_one_line_that_are_stamped_in_order_are_no_backward_clock(tmp_path: Path) -> None:
    told = [log_line("gateway", text, ms=START_MS + at_ms) for text, at_ms in (("gateway ready", 0), (STOP, 9_000))]
    rising = parse_gateway_log(write_log(tmp_path / "rising.log", joined(*told)))
    assert (kinds(rising), rising.unusable) == ([(1, "ready"), (1, "signal_acted")], None)
    falling = parse_gateway_log(write_log(tmp_path / "falling.log", joined(*reversed(told))))
    assert kinds(falling) == [(1, "signal_acted"), (1, "ready")]
    assert noted_lines(falling, "clock_stepped_back") == [1]


def test_a_log_of_joined_records_spans_from_its_first_to_its_last_record(tmp_path: Path) -> None:
    told = [log_line("plugins", "x", ms=START_MS + at_ms) for at_ms in (0, 5_000, 9_000)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", joined(*told)))
    assert (parsed.first_at, parsed.last_at) == (at(START_MS), at(START_MS + 9_000))


@pytest.mark.parametrize("state", ["joined", "broken", "joined and broken"])
def test_a_log_whose_first_lines_are_no_whole_records_is_recognised(tmp_path: Path, state: str) -> None:
    lines = [log_line("plugins", "loaded a plugin"), log_line("gateway", "gateway ready")]
    whole = joined(*lines) if state != "broken" else "".join(lines)
    text = whole if state == "joined" else whole.replace("loaded a", "loaded\na").replace("y ready", "y\nready")
    detected = detect(write_log(tmp_path / "gateway.log", text))
    assert detected.kind == SourceKind.GATEWAY_LOG
    assert detected.form is not None
    assert [kind for _, kind in kinds(detected.form.parse(tmp_path / "gateway.log", Given()))] == ["ready"]


def test_the_last_line_before_a_start_may_stand_on_the_line_of_the_start(tmp_path: Path) -> None:
    told = [("plugins", "x"), ("agent", "y"), ("state/sqlite", "opened"), ("gateway", "loading configuration…")]
    lines = [log_line(binding, text, ms=START_MS + 1_000 * number) for number, (binding, text) in enumerate(told)]
    rows = lifecycle_of(parse_gateway_log(write_log(tmp_path / "gateway.log", joined(*lines))))
    alive = rows.filter(kind=K.LAST_LINE.value)["at"].to_list()
    assert alive == [at(START_MS + 1_000), at(START_MS + 3_000)]


def test_a_command_that_wrote_behind_a_gateway_on_one_line_is_no_sign_of_its_life(tmp_path: Path) -> None:
    pasted = joined(log_line("agent", "y"), log_line("sqlite/wal", "checkpoint", ms=START_MS + 5_000))
    start = log_line("gateway", "loading configuration…", ms=START_MS + 9_000)
    rows = lifecycle_of(parse_gateway_log(write_log(tmp_path / "gateway.log", pasted, start)))
    assert rows.filter(kind=K.LAST_LINE.value)["at"].to_list()[0] == at(START_MS)


def test_a_store_broken_by_a_terminal_is_no_second_store(tmp_path: Path) -> None:
    started = log_line("cron", "cron: started")
    broken = started.replace("/home/claw", "/home/\nclaw")
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", started, broken))
    assert kinds(parsed) == [(1, "cron_started"), (2, "cron_started")]
    assert len(parsed.stores) == 1


def test_a_lifecycle_record_behind_another_and_a_blank_is_read(tmp_path: Path) -> None:
    pasted = log_line("plugins", "x").replace("\n", " ") + log_line("gateway", STOP)
    assert kinds(parse_gateway_log(write_log(tmp_path / "gateway.log", pasted))) == [(1, "signal_acted")]


def test_many_records_on_one_line_are_all_read(tmp_path: Path) -> None:
    chatter = [log_line("plugins", "x")] * 3_000
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", joined(*chatter, log_line("gateway", STOP))))
    assert kinds(parsed) == [(1, "signal_acted")]


@pytest.mark.parametrize("glue", ["\n", " \n"], ids=["in a word", "at a space"])
def test_a_record_broken_by_a_terminal_is_put_together(tmp_path: Path, glue: str) -> None:
    ready = log_line("gateway", "gateway ready")
    broken = ready.replace("gateway ready", f"gate{glue}way ready") if glue == "\n" else ready.replace("y r", "y\nr")
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", ready, broken, ready))
    assert kinds(parsed) == [(1, "ready"), (2, "ready"), (4, "ready")]
    assert noted_lines(parsed, "mended_line") == [2]
    assert_balance(parsed, records=3, skipped=1)


def test_a_torn_record_is_not_mended_with_the_next_whole_one(tmp_path: Path) -> None:
    ready = log_line("gateway", "gateway ready")
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", ready[:70] + "\n", ready))
    assert kinds(parsed) == [(2, "ready")]
    assert_balance(parsed, records=1, rejected=1)


def test_a_flattened_record_is_read(tmp_path: Path) -> None:
    told = record("gateway", "received SIGTERM; shutting down")
    flat = {"date": utc(START_MS), "time": local(START_MS + 3, 8), "logLevelName": "INFO"}
    line = as_line(flat | {key: value for key, value in told.items() if key not in ("_meta", "time")})
    path = write_log(tmp_path / "gateway.log", line)
    detected = detect(path)
    assert detected.form is not None
    assert detected.form.name == "gateway file log, flattened"
    parsed = detected.form.parse(path, Given())
    assert kinds(parsed) == [(1, "signal_acted")]
    assert events_of(parsed)["at"].to_list() == [at(START_MS)]
    assert parsed.offsets == [(at(START_MS), timedelta(hours=8))]


def test_offsets_are_stated_where_they_change(tmp_path: Path) -> None:
    told = [record("gateway", "gateway ready", ms=START_MS + n * 1000, hours=2 if n < 2 else 1) for n in range(4)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *map(as_line, told)))
    one, two = timedelta(hours=1), timedelta(hours=2)
    seconds = [(parsed_at - at(START_MS)).seconds for parsed_at, _ in parsed.offsets]
    assert (seconds, [offset for _, offset in parsed.offsets]) == ([0, 1, 2, 3], [two, two, one, one])


def test_an_offset_that_stays_is_kept_every_few_days(tmp_path: Path) -> None:
    days = [0, 1, 2, 3, 4, 5, 6, 7]
    told = [record("gateway", "gateway ready", ms=START_MS + day * 86_400_000) for day in days]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *map(as_line, told)))
    assert [(stated_at - at(START_MS)).days for stated_at, _ in parsed.offsets] == [0, 3, 6, 7]


def test_a_z_behind_a_local_time_is_noted_and_not_believed(tmp_path: Path) -> None:
    told = record("gateway", "gateway ready")
    told["time"] = utc(START_MS + 3 + 7_200_000)
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", as_line(told)))
    assert events_of(parsed)["at"].to_list() == [at(START_MS)]
    assert noted_lines(parsed, "contradicted_stamp") == [1]
    assert parsed.offsets == [(at(START_MS), timedelta(hours=2))]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (record("gateway", "x"), True),
        (json.loads(CAPPED), True),
        ({"time": "x", "_meta": {}}, True),
        ({"time": 7, "_meta": {}}, False),
        ({"_meta": {}}, False),
        ({"time": "x"}, False),
        ({"time": "x", "level": "info"}, False),
        ([], False),
        (None, False),
        ("x", False),
    ],
)
def test_a_log_record_is_told_by_time_and_meta_or_level(value: object, expected: object) -> None:
    assert is_log_record(value) is expected


HOUR_MS = 3_600_000


def quiet(ms: int) -> str:
    return as_line(record("gateway/heartbeat", "heartbeat: ok – grün", ms=ms))


def test_a_clock_set_back_on_lines_that_say_nothing_of_the_life_makes_a_log_unusable(tmp_path: Path) -> None:
    start = log_line("gateway", "gateway ready", ms=START_MS)
    lines = [start, quiet(START_MS + HOUR_MS), quiet(START_MS + 1_000), quiet(START_MS + 2_000)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert parsed.unusable is not None
    assert "its clock steps back" in parsed.unusable
    assert noted_lines(parsed, "clock_stepped_back") == [3]
    assert_balance(parsed, records=1, skipped=3)


@pytest.mark.parametrize("rewrite", [json.dumps, lambda told: json.dumps(told, sort_keys=True)])
def test_a_clock_set_back_is_seen_in_rewritten_records(tmp_path: Path, rewrite: Callable[[object], str]) -> None:
    times = [0, HOUR_MS, 1_000]
    lines = [rewrite(record("gateway/ws", "res ok", ms=START_MS + ms)) + "\n" for ms in times]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert noted_lines(parsed, "clock_stepped_back") == [3]
    assert parsed.unusable is not None


def test_lines_a_little_out_of_order_are_no_step(tmp_path: Path) -> None:
    lines = [quiet(START_MS + ms) for ms in (0, 100, 74, 5_000, 4_974, 0, 9_000)]
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *lines))
    assert (parsed.unusable, codes(parsed)) == (None, [])


def test_dates_in_fields_of_a_message_are_no_stamps(tmp_path: Path) -> None:
    event = as_line(record("gateway/ws", "event", {"date": "2031-01-01T00:00:00.000Z"}))
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", event, quiet(START_MS + 1_000)))
    assert (parsed.unusable, codes(parsed)) == (None, [])


def test_a_line_that_was_written_late_is_no_step(tmp_path: Path) -> None:
    fields = {"elapsedMs": 4154, "isMainThread": False, "pid": 31967, "threadId": 2}
    late = as_line(record("sqlite/transaction", "slow SQLite transaction", fields, ms=START_MS - 13_000))
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", quiet(START_MS), late, quiet(START_MS + 500)))
    assert (parsed.unusable, codes(parsed)) == (None, [])


@pytest.mark.parametrize(
    "times", [(0, -13_000), (0, -13_000, 70_000), (0, -61_000, 500), (0, *range(-13_000, -5_000, 1_000), 500)]
)
def test_lines_that_stay_behind_are_a_step(tmp_path: Path, times: tuple[int, ...]) -> None:
    parsed = parse_gateway_log(write_log(tmp_path / "gateway.log", *(quiet(START_MS + ms) for ms in times)))
    assert noted_lines(parsed, "clock_stepped_back") == [2]
    assert parsed.unusable is not None
