from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from dateutil import tz

from forensics.model.schemas import LIFECYCLE, assert_schema
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.parsed import Parsed
from forensics.parsers.text_log import NEEDLES
from tests.parsers import text_shapes as shapes
from tests.parsers.lifecycle_cases import CASES, NO_EVENTS, Case
from tests.parsers.shapes import START_MS, assert_balance, at, codes, log_line, noted_lines, write_log
from tests.parsers.text_shapes import PID, Said

BERLIN = tz.gettz("Europe/Berlin")
DATED = "gateway-2026-04-17.txt"


def read(path: Path, **given: object) -> Parsed:
    """Read a file as the form it is recognised as."""
    name = str(given.pop("name", path.name))
    form = detect(path, name).form
    assert form is not None, "it was not recognised"
    assert form.kind is SourceKind.GATEWAY_CONSOLE
    return form.parse(path, Given(name=name, **given))  # type: ignore[arg-type]


def written(folder: Path, *lines: str) -> Path:
    return write_log(folder / "log", *lines)


def lifecycle_of(parsed: Parsed) -> pl.DataFrame:
    assert parsed.lifecycle is not None
    return assert_schema(parsed.lifecycle, LIFECYCLE, "lifecycle")


def events_of(parsed: Parsed) -> pl.DataFrame:
    return lifecycle_of(parsed).filter(pl.col("kind") != K.LAST_LINE.value)


def kinds(parsed: Parsed) -> list[tuple[int, str]]:
    return events_of(parsed).select("line", "kind").rows()


def times(parsed: Parsed) -> list[datetime]:
    return events_of(parsed)["at"].to_list()


def console(message: str, ms: int = START_MS, hours: int = 2, binding: str = "gateway") -> str:
    return shapes.compact(Said(binding, message, ms), hours)


STOP = "received SIGTERM; shutting down"
ON_CONSOLES = [case for case in CASES if case.binding != "cron"]


AMBIGUOUS = "active-work drain timeout reached; proceeding with restart"
"""The console shows this and the same text after the word gateway alike."""


def is_told_alike(case: Case) -> bool:
    return "\n" not in case.message and not case.message.startswith(AMBIGUOUS)


def told(parsed: Parsed) -> list[tuple[object, ...]]:
    names = ["line", "kind", "signal", "job_id", "running_at", "run_id", "status", "detail", "raw"]
    return events_of(parsed).select(names).rows()


@pytest.mark.parametrize("form", shapes.FORMS)
def test_every_message_says_the_same_in_every_form_as_in_the_file_log(tmp_path: Path, form: str) -> None:
    cases = [case for case in (CASES if form in shapes.WITH_CRON else ON_CONSOLES) if is_told_alike(case)]
    said = [Said(case.binding, case.message, START_MS + n * 1000, case.fields) for n, case in enumerate(cases)]
    name, write, precision_ms = shapes.FORMS[form]
    parsed = read(written(tmp_path, *map(write, said)), name=DATED, zone=BERLIN)
    file_log = parse_gateway_log(
        write_log(tmp_path / "file.log", *(log_line(one.binding, one.message, one.fields, one.ms) for one in said))
    )
    assert (parsed.form, parsed.unusable, parsed.zone_is_assumed) == (name, None, False)
    assert told(parsed) == told(file_log)
    assert times(parsed) == times(file_log)
    assert set(events_of(parsed)["precision_ms"].to_list()) == {precision_ms}
    assert_balance(parsed, records=len(cases))


@pytest.mark.parametrize("form", [form for form in shapes.FORMS if form not in shapes.WITH_CRON])
def test_other_texts_say_nothing_in_any_form(tmp_path: Path, form: str) -> None:
    no_prefix = ("gateway", "admission closed: stop (SIGTERM)")
    quiet = [told for told in NO_EVENTS if told != no_prefix]
    said = [Said(binding, message, START_MS + n * 1000) for n, (binding, message) in enumerate(quiet)]
    ready = Said("gateway", "gateway ready", START_MS + 999_000)
    lines = [shapes.FORMS[form][1](one) for one in (*said, ready)]
    parsed = read(written(tmp_path, *lines), name=DATED, zone=BERLIN)
    assert kinds(parsed) == [(len(lines), "ready")]
    assert_balance(parsed, records=1, skipped=len(quiet))


def test_the_process_id_of_a_journal_is_that_of_the_gateway(tmp_path: Path) -> None:
    path = written(tmp_path, shapes.short_iso(Said("gateway", STOP, START_MS)))
    assert events_of(read(path))["pid"].to_list() == [PID]
    path = written(tmp_path, shapes.journal_json(Said("gateway", STOP, START_MS)))
    assert events_of(read(path))["pid"].to_list() == [PID]


def test_a_process_id_in_the_message_goes_before_that_of_the_journal(tmp_path: Path) -> None:
    said = Said("gateway", "restart mode: full process restart (spawned pid 15591)", START_MS)
    assert events_of(read(written(tmp_path, shapes.short_iso(said))))["pid"].to_list() == [15_591]


UNIT = "openclaw-gateway.service"
SERVICE = [
    (f"Stopping {UNIT} - OpenClaw Gateway (v2026.4.15)...", K.SERVICE_STOPPING, None),
    ("Stopping OpenClaw Gateway...", K.SERVICE_STOPPING, None),
    (f"{UNIT}: Main process exited, code=exited, status=1/FAILURE", K.SERVICE_EXITED, "code=exited, status=1/FAILURE"),
    (f"{UNIT}: Main process exited, code=killed, status=9/KILL", K.SERVICE_EXITED, "code=killed, status=9/KILL"),
    (f"{UNIT}: Failed with result 'exit-code'.", K.SERVICE_EXITED, "Failed with result 'exit-code'"),
    (f"{UNIT}: Deactivated successfully.", K.SERVICE_EXITED, "Deactivated successfully"),
    (f"Stopped {UNIT} - OpenClaw Gateway (v2026.4.15).", K.SERVICE_STOPPED, None),
    (
        f"{UNIT}: Scheduled restart job, restart counter is at 3.",
        K.SERVICE_RESTART,
        "Scheduled restart job, restart counter is at 3",
    ),
    (f"Started {UNIT} - OpenClaw Gateway (v2026.4.15).", K.SERVICE_STARTED, None),
    ("Started OpenClaw Gateway.", K.SERVICE_STARTED, None),
]


def of_systemd(ms: int, text: str) -> str:
    return f"{shapes.clock(ms, 2):%b %d %H:%M:%S} host systemd[812]: {text}\n"


@pytest.mark.parametrize(("text", "kind", "detail"), SERVICE)
def test_systemd_tells_of_its_unit(tmp_path: Path, text: str, kind: K, detail: str | None) -> None:
    parsed = read(written(tmp_path, of_systemd(START_MS, text)), name=DATED, zone=BERLIN)
    row = events_of(parsed).row(0, named=True)
    assert (row["kind"], row["detail"], row["pid"]) == (kind.value, detail or text, None)
    assert (row["at"], row["precision_ms"], row["raw"]) == (at(START_MS), 1000, f"[systemd] {text}")
    entry = shapes.journal_entry(START_MS + 250, text, SYSLOG_IDENTIFIER="systemd", _SYSTEMD_USER_UNIT="init.scope")
    assert events_of(read(written(tmp_path, entry)))["kind"].to_list() == [kind.value]


@pytest.mark.parametrize(
    "text",
    [
        "Stopped cups.service - CUPS Scheduler.",
        "Started openclaw-node.service - OpenClaw Node Host.",
        "openclaw-node.service: Main process exited, code=exited, status=1/FAILURE",
        "openclaw-gateway.service: Consumed 3min 1.5s CPU time.",
    ],
)
def test_systemd_lines_of_other_units_say_nothing(tmp_path: Path, text: str) -> None:
    ready = shapes.short(Said("gateway", "gateway ready", START_MS))
    parsed = read(written(tmp_path, ready, of_systemd(START_MS, text)), name=DATED)
    assert kinds(parsed) == [(1, "ready")]


def test_words_of_systemd_from_another_process_say_nothing(tmp_path: Path) -> None:
    quoted = shapes.journal("Apr 17 09:40:44", "Stopped OpenClaw Gateway.")
    other = "Apr 17 09:40:45 host sshd[1]: [gateway] received SIGTERM; shutting down\n"
    ready = shapes.short(Said("gateway", "gateway ready", START_MS))
    assert kinds(read(written(tmp_path, ready, quoted, other), name=DATED)) == [(1, "ready")]


def test_two_units_in_one_journal_prove_nothing(tmp_path: Path) -> None:
    lines = [
        of_systemd(START_MS, f"Stopped openclaw-gateway{name}.service - OpenClaw Gateway.") for name in ("", "-work")
    ]
    parsed = read(written(tmp_path, *lines), name=DATED)
    assert parsed.unusable == "it holds lines of several gateways, told by their units or services"


def test_another_service_in_compose_logs_is_no_second_gateway(tmp_path: Path) -> None:
    ready = shapes.compose(Said("gateway", "gateway ready", START_MS))
    other = ready.replace("gateway-1", "proxy-1").replace("[gateway] ready", "[http] request")
    parsed = read(written(tmp_path, ready, other))
    assert parsed.unusable is None
    assert lifecycle_of(parsed).filter(kind=K.LAST_LINE.value)["line"].to_list() == [1]
    parsed = read(written(tmp_path, ready, ready.replace("gateway-1", "gateway-2")))
    assert parsed.unusable == "it holds lines of several gateways, told by their units or services"


def test_text_quoted_in_a_message_is_no_event(tmp_path: Path) -> None:
    ready = Said("gateway", "gateway ready", START_MS)
    stop = Said("gateway", STOP, START_MS + 5_000)
    old = console(STOP, START_MS - 86_400_000 - 77_000, 0).rstrip("\n")
    quoted = [
        f"{shapes.nanoseconds(START_MS + 1_000)} [gateway] {STOP}\n",
        f"{shapes.nanoseconds(START_MS + 2_000)} {old}\n",
        shapes.docker_t(Said("agent/embedded", f"[gateway] {STOP}", START_MS + 3_000)),
    ]
    parsed = read(written(tmp_path, shapes.docker_t(ready), *quoted, shapes.docker_t(stop)))
    assert kinds(parsed) == [(1, "ready"), (5, "signal_acted")]
    assert noted_lines(parsed, "quoted_line") == [2, 3]
    assert_balance(parsed, records=2, skipped=3)


def test_a_line_without_a_stamp_of_its_own_is_none_of_a_console(tmp_path: Path) -> None:
    lines = [console("gateway ready"), f"[gateway] {STOP}\n", console("x", START_MS + 9, binding="plugins")]
    parsed = read(written(tmp_path, *lines))
    assert kinds(parsed) == [(1, "ready")]
    assert noted_lines(parsed, "no_stamp") == [2]
    assert_balance(parsed, records=1, skipped=1, rejected=1)


def test_a_journal_of_a_gateway_that_began_to_stamp_its_lines_is_read_whole(tmp_path: Path) -> None:
    before, after = Said("gateway", STOP, START_MS), Said("gateway", "gateway ready", START_MS + 9_000)
    lines = [shapes.short(before), shapes.short_with_own_stamp(after)]
    assert kinds(read(written(tmp_path, *lines), name=DATED)) == [(1, "signal_acted"), (2, "ready")]


def test_the_last_gateway_line_before_each_process_start_and_in_the_file_is_kept(tmp_path: Path) -> None:
    start = "loading configuration…"
    lines = [
        console("first", START_MS, binding="diagnostic"),
        console("opened", START_MS + 1, binding="state/sqlite"),
        "some output of a command\n",
        console(start, START_MS + 2),
        console("second", START_MS + 3, binding="plugins"),
        "[sqlite/transaction] slow SQLite transaction hold\n",
        console(start, START_MS + 4),
        console("after the last start", START_MS + 5, binding="plugins"),
    ]
    rows = lifecycle_of(read(written(tmp_path, *lines))).filter(kind=K.LAST_LINE.value)
    assert rows.select("line", "at", "raw").rows() == [
        (1, at(START_MS), "[diagnostic] first"),
        (5, at(START_MS + 3), "[plugins] second"),
        (8, at(START_MS + 5), "[plugins] after the last start"),
    ]


def test_the_last_line_is_found_far_above_too(tmp_path: Path) -> None:
    noise = console("opened", binding="state/sqlite") * 3_000
    lines = [console("gateway ready"), noise, console("loading configuration…", START_MS + 1), noise]
    rows = lifecycle_of(read(written(tmp_path, *lines))).filter(kind=K.LAST_LINE.value)
    assert rows["line"].to_list() == [1, 3_002]


@pytest.mark.parametrize("glue", ["; shutting\ndown", "; shut\nting down"], ids=["at a space", "in a word"])
def test_a_message_broken_by_a_terminal_is_put_together(tmp_path: Path, glue: str) -> None:
    broken = console(STOP).replace("; shutting down", glue)
    parsed = read(written(tmp_path, console("gateway ready"), broken, console("gateway ready", START_MS + 5)))
    assert kinds(parsed) == [(1, "ready"), (2, "signal_acted"), (4, "ready")]
    assert noted_lines(parsed, "mended_line") == [2]


def test_a_cut_message_is_not_continued_by_the_next_line_of_the_log(tmp_path: Path) -> None:
    cut = console("received SIGTERM; shutting")
    parsed = read(written(tmp_path, console("gateway ready"), cut, console("down", START_MS + 5)))
    assert kinds(parsed) == [(1, "ready")]


def test_records_joined_broken_and_torn_in_a_paste(tmp_path: Path) -> None:
    ready, stop = (shapes.console_json(Said("gateway", text, START_MS)) for text in ("gateway ready", STOP))
    lines = [ready.rstrip("\n") + stop, stop.replace("shutting down", "shutting\ndown"), ready[:60] + "\n", ready]
    parsed = read(written(tmp_path, *lines))
    assert kinds(parsed) == [(1, "ready"), (1, "signal_acted"), (2, "signal_acted"), (5, "ready")]
    assert {code: noted_lines(parsed, code) for code in codes(parsed)} == {
        "joined_records": [1],
        "mended_line": [2],
        "not_json": [4],
    }
    assert_balance(parsed, records=3, skipped=1, rejected=1)


def test_records_joined_on_one_line_are_read_in_their_order(tmp_path: Path) -> None:
    told = [("signal SIGTERM received", 0), (STOP, 2), ("gateway ready", 9_000)]
    records = [shapes.console_json(Said("gateway", text, START_MS + ms)).rstrip("\n") for text, ms in told]
    parsed = read(written(tmp_path, "".join(records) + "\n"))
    assert kinds(parsed) == [(1, "signal_received"), (1, "signal_acted"), (1, "ready")]
    assert codes(parsed) == ["joined_records"]


def test_a_torn_last_record_is_rejected_as_such(tmp_path: Path) -> None:
    ready = shapes.console_json(Said("gateway", "gateway ready", START_MS))
    parsed = read(written(tmp_path, ready, ready[:60]))
    assert noted_lines(parsed, "truncated_line") == [2]
    assert_balance(parsed, records=1, rejected=1)


def test_a_paste_may_mix_wrappings(tmp_path: Path) -> None:
    lines = [
        shapes.docker_t(Said("gateway", STOP, START_MS)),
        console("loading configuration…", START_MS + 5_000),
        shapes.logs(Said("gateway", "gateway ready", START_MS + 9_000)),
        shapes.file_record(Said("cron", "cron: started", START_MS + 9_500, {"enabled": True})),
    ]
    parsed = read(written(tmp_path, *lines))
    assert kinds(parsed) == [(1, "signal_acted"), (2, "process_start"), (3, "ready"), (4, "cron_started")]
    assert times(parsed) == [at(START_MS + ms) for ms in (0, 5_000, 9_000, 9_500)]
    assert codes(parsed) == ["mixed_forms"]


def test_words_of_the_scheduler_on_a_console_are_those_of_a_command(tmp_path: Path) -> None:
    lines = [console("gateway ready"), console("started", binding="cron"), f"{shapes.iso(START_MS, 2)} cron: started\n"]
    assert kinds(read(written(tmp_path, *lines))) == [(1, "ready")]


def test_a_log_that_names_two_cron_stores_is_of_several_gateways(tmp_path: Path) -> None:
    line = shapes.logs(Said("cron", "cron: started", START_MS, {"enabled": True}))
    assert read(written(tmp_path, line)).stores == {"/home/claw/.openclaw/cron/jobs.json"}
    parsed = read(written(tmp_path, line, line.replace("/home/claw", "/home/other")))
    assert parsed.unusable == "it holds lines of several gateways, told by their cron stores"


def test_lines_of_openclaw_logs_that_are_no_log_are_skipped(tmp_path: Path) -> None:
    told = [
        '{"type":"meta","file":"/tmp/openclaw/openclaw-2026-04-17.log","cursor":1,"size":2}\n',
        shapes.logs_json(Said("gateway", "gateway ready", START_MS)),
        '{"type":"raw","raw":"not a record"}\n',
        '{"type":"notice","message":"log file rotated"}\n',
    ]
    assert_balance(read(written(tmp_path, *told)), records=1, skipped=3)
    plain = [
        "Log file: /tmp/openclaw/openclaw-2026-04-17.log\n",
        shapes.logs(Said("gateway", "gateway ready", START_MS)),
    ]
    assert_balance(read(written(tmp_path, *plain)), records=1, skipped=1)


def test_a_console_line_quoted_by_a_command_in_the_file_log_is_no_event(tmp_path: Path) -> None:
    said = [Said("gateway", "gateway ready", START_MS), Said(None, f"[gateway] {STOP}", START_MS + 1)]
    assert kinds(read(written(tmp_path, *map(shapes.logs_json, said)))) == [(1, "ready")]


@pytest.mark.parametrize(
    "line",
    [
        "Apr 17 09:40:45 host node[30362]: [119B blob data]\n",
        shapes.journal_entry(START_MS + 1_000, None),
    ],
)
def test_a_journal_that_hides_lines_proves_nothing(tmp_path: Path, line: str) -> None:
    first = shapes.short if line.startswith("Apr") else shapes.journal_json
    parsed = read(written(tmp_path, first(Said("gateway", "gateway ready", START_MS)), line), name=DATED)
    assert noted_lines(parsed, "blob_data") == [2]
    assert parsed.unusable == "the journal hid lines of the gateway in it"


def test_a_log_of_errors_holds_warnings_only(tmp_path: Path) -> None:
    warning = console("drain timeout reached; proceeding with restart")
    path = write_log(tmp_path / "gateway.err.log", warning)
    parsed = read(path)
    assert (parsed.form, parsed.only_warnings) == ("launchd gateway.err.log", True)
    assert not read(write_log(path, warning, console("gateway ready"))).only_warnings
    assert not read(written(tmp_path, warning)).only_warnings


def test_a_container_log_of_the_error_stream_holds_warnings_only(tmp_path: Path) -> None:
    line = shapes.json_file(Said("gateway", "drain timeout reached; proceeding with restart", START_MS))
    assert read(written(tmp_path, line.replace("stdout", "stderr"))).only_warnings
    assert not read(written(tmp_path, line.replace("stdout", "stderr"), line)).only_warnings


def test_bytes_that_are_no_text_are_replaced_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(console("gateway ready").encode() + b"caf\xe9\n" + console(STOP, START_MS + 5).encode())
    parsed = read(path)
    assert kinds(parsed) == [(1, "ready"), (3, "signal_acted")]
    assert noted_lines(parsed, "invalid_utf8") == [2]


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    lines = ["\ufeff" + console("gateway ready"), console(STOP, START_MS + 5)]
    parsed = read(written(tmp_path, *(line.replace("\n", "\r\n") for line in lines)))
    assert [row[:2] for row in told(parsed)] == [(1, "ready"), (2, "signal_acted")]
    assert events_of(parsed)["detail"].to_list() == ["gateway ready", STOP]


def test_what_is_shown_of_a_line_is_escaped_and_cut(tmp_path: Path) -> None:
    line = f"{shapes.iso(START_MS, 0)} [openclaw] Uncaught exception: \u202e\x07{'x' * 500}\n"
    (raw,) = events_of(read(written(tmp_path, line)))["raw"]
    assert raw.startswith(r"[console] [openclaw] Uncaught exception: \u202e\x07xxx")
    assert len(raw) == 200


def test_a_clock_that_steps_back_is_noted_and_proves_nothing(tmp_path: Path) -> None:
    lines = [console("gateway ready", START_MS + ms) for ms in (0, 60_000, 30_000)]
    parsed = read(written(tmp_path, *lines))
    assert noted_lines(parsed, "clock_stepped_back") == [3]
    assert parsed.unusable == "its clock steps back, so that its lines cannot be put in order with other evidence"


def test_the_span_reaches_from_the_first_to_the_last_line_of_the_gateway(tmp_path: Path) -> None:
    lines = [console(f"line {n}", START_MS + n * 1_000, binding="ws") for n in range(5)]
    parsed = read(written(tmp_path, console("gateway ready", START_MS - 1_000), *lines))
    assert (parsed.first_at, parsed.last_at) == (at(START_MS - 1_000), at(START_MS + 4_000))
    assert parsed.timezone == "UTC from stamps with offset +02:00"
    assert parsed.offsets == [(at(START_MS - 1_000), timedelta(hours=2)), (at(START_MS + 4_000), timedelta(hours=2))]


def test_a_log_without_any_stamp_proves_nothing(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, f"[gateway] {STOP}\n", "[gateway] loading configuration…\n", "[gateway] ready\n"))
    assert (parsed.form, parsed.first_at, kinds(parsed)) == ("console without stamps", None, [])
    assert noted_lines(parsed, "no_stamp") == [1, 2, 3]
    assert parsed.unusable == "nothing tells on which day its lines were written"
    assert_balance(parsed, records=0, rejected=3)


def test_journalctl_cat_is_told_by_its_lines_of_systemd(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, "Started OpenClaw Gateway.\n", console("loading configuration…"), console(STOP)))
    assert parsed.form == "journalctl -o cat"
    assert kinds(parsed) == [(2, "process_start"), (3, "signal_acted")]
    assert noted_lines(parsed, "no_stamp") == [1]
    assert codes(parsed) == ["no_stamp"]


@pytest.mark.parametrize("case", [case for case in ON_CONSOLES if "\n" not in case.message], ids=str)
def test_the_picking_pass_misses_no_message(case: Case) -> None:
    said = Said(case.binding, case.message, START_MS)
    lines = [write(said) for _, write, _ in shapes.FORMS.values()]
    picked = pl.Series(lines).str.contains_any(list(NEEDLES))
    assert [line for line, found in zip(lines, picked, strict=True) if not found] == []


def test_epoch_numbers_say_their_unit(tmp_path: Path) -> None:
    ready = Said("gateway", "gateway ready", START_MS)
    assert read(written(tmp_path, shapes.short_unix(ready))).timezone == "UTC from epoch seconds"
    entry = shapes.journal_entry(START_MS, "[gateway] ready")
    assert read(written(tmp_path, entry)).timezone == "UTC from epoch microseconds"
    assert times(read(written(tmp_path, entry))) == [datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC)]


HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    "form", [shapes.compact, shapes.coloured, shapes.console_json, shapes.docker_t, shapes.compose_t, shapes.short_iso]
)
def test_a_clock_set_back_on_lines_that_say_nothing_of_the_life(tmp_path: Path, form: Callable[[Said], str]) -> None:
    said = [Said("gateway", "gateway ready", START_MS)]
    said += [Said("gateway/heartbeat", "heartbeat: ok", START_MS + ms) for ms in (HOUR_MS, 1_000, 2_000)]
    parsed = read(written(tmp_path, *map(form, said)))
    assert parsed.unusable is not None
    assert "its clock steps back" in parsed.unusable
    assert noted_lines(parsed, "clock_stepped_back") == [3]


def test_the_same_of_stamps_without_an_offset(tmp_path: Path) -> None:
    stamps = ["2026-04-17T10:00:00", "2026-04-17T11:00:00", "2026-04-17T10:10:00"]
    lines = [f"{stamp}.000 [gateway] ready\n" for stamp in stamps[:1]]
    lines += [f"{stamp}.000 [heartbeat] ok\n" for stamp in stamps[1:]]
    parsed = read(written(tmp_path, *lines), zone=BERLIN)
    assert noted_lines(parsed, "clock_stepped_back") == [3]
    assert parsed.unusable is not None


def test_services_of_one_file_need_no_common_order(tmp_path: Path) -> None:
    ready = shapes.compose_t(Said("gateway", "gateway ready", START_MS + HOUR_MS))
    other = "database-1 | 2026-04-17T07:40:44.123456789Z checkpoint\n"
    parsed = read(written(tmp_path, ready, other, ready))
    assert noted_lines(parsed, "clock_stepped_back") == []
    assert parsed.unusable is None


def test_many_starts_are_read_in_time_that_grows_with_them(tmp_path: Path) -> None:
    """The signs of life before starts were once looked for among all lines, start by start."""
    taken: list[int] = []
    for starts in (300, 1200):
        said = [
            (message, START_MS + n * 60_000) for n in range(starts) for message in ("loading configuration…", "ready")
        ]
        path = written(tmp_path, *(console(message, ms) for message, ms in said))
        calls = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            read(path)
        finally:
            sys.setprofile(None)
        taken.append(calls)
    assert taken[1] < 6 * taken[0]


def of_process(host: str, pid: int, message: str, ms: int, binding: str = "gateway") -> str:
    said = Said(binding, message, START_MS + ms)
    return shapes.short_iso(said).replace(f" host node[{PID}]: ", f" {host} node[{pid}]: ")


def life(host: str, pid: int, from_ms: int = 0, beats: int = 6) -> list[tuple[int, str]]:
    beat = [(from_ms + n * 60_000 + 1, "heartbeat: ok", "gateway/heartbeat") for n in range(1, beats)]
    told = [(from_ms, "loading configuration…", "gateway"), (from_ms + 1, "gateway ready", "gateway"), *beat]
    return [(ms, of_process(host, pid, message, ms, binding)) for ms, message, binding in told]


def merged(*lives: list[tuple[int, str]]) -> list[str]:
    return [line for _, line in sorted(line for one in lives for line in one)]


def test_lines_of_two_hosts_in_one_journal_prove_nothing(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, *merged(life("one", 100), life("two", 5000, 1_000))))
    assert parsed.unusable == "it holds lines of several hosts: one, two"


def test_two_processes_that_go_on_side_by_side_are_two_gateways(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, *merged(life("one", 100), life("one", 5000, 1_000))))
    assert parsed.unusable == "it holds lines of two gateway processes that ran at the same time"
    assert noted_lines(parsed, "second_process") == [13]


@pytest.mark.parametrize(
    "lives",
    [
        [life("one", 100), life("one", 101, 600_000)],
        [life("one", 100), life("one", 101, 600_000), life("one", 100, 1_200_000)],
        [life("one", 100, beats=10), life("one", 101, 120_500, beats=1)],
    ],
    ids=["one after the other", "a number given out again", "a second one that does not stay"],
)
def test_processes_of_one_gateway_after_each_other_are_fine(tmp_path: Path, lives: list[list[tuple[int, str]]]) -> None:
    parsed = read(written(tmp_path, *merged(*lives)))
    assert (parsed.unusable, noted_lines(parsed, "second_process")) == (None, [])
