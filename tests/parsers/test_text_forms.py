from __future__ import annotations

import json
from pathlib import Path

import pytest

from forensics.model.verdicts import SourceKind
from forensics.parsers.catalogue import FORMS
from forensics.parsers.detect import detect
from forensics.parsers.forms import Form, Given, Glimpse
from forensics.parsers.text_forms import form_of
from tests.parsers import text_shapes as shapes
from tests.parsers.shapes import START_MS, log_line, run_entry, task_row, write_log
from tests.parsers.text_shapes import Said

STOP = "received SIGTERM; shutting down"
PASTE = [Said("gateway", STOP, START_MS), Said("gateway/shutdown", "shutdown started: gateway stopping", START_MS + 5)]


def recognised(folder: Path, text: str, name: str = "file") -> Form | None:
    (folder / name).write_text(text, encoding="utf-8")
    return next((form for form in FORMS if form.recognise(Glimpse(folder / name)) is not None), None)


@pytest.mark.parametrize("form", shapes.FORMS)
def test_a_paste_of_a_few_lines_is_recognised(tmp_path: Path, form: str) -> None:
    name, write, _ = shapes.FORMS[form]
    found = recognised(tmp_path, "".join(map(write, PASTE)))
    assert found is not None
    assert found.name == name


def test_forms_have_names_of_their_own() -> None:
    names = [form.name for form in FORMS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("form", "needs_zone"),
    [
        *(("pretty", True), ("short", True), ("short-full", True), ("logs, clock", True)),
        *(("compact", False), ("short-unix", False), ("journal json", False), ("json-file", False), ("logs", False)),
    ],
)
def test_forms_with_local_stamps_are_read_after_those_that_state_an_offset(form: str, needs_zone: object) -> None:
    told = {form.name: form.needs_zone for form in FORMS}
    assert told[shapes.FORMS[form][0]] is needs_zone


PROSE = (
    "At 09:40 the gateway stopped. Its log said:\n\n"
    "2026-04-17T09:40:44.000+02:00 [gateway] received SIGTERM; shutting down\n\n"
    "Nobody had asked for that. We looked at the journal, and then\nat the console; both had nothing else.\n"
)


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "",
        "\n\n",
        "2026-04-17T09:40:44.000Z [gateway] upstream timed out\n" * 20,
        "2026-04-17T09:40:44.000Z INFO service started\n" * 20,
        "Apr 17 09:40:44 host sshd[1]: Accepted publickey for claw\n" * 20,
        "Apr 17 09:40:44 host node[1]: listening on 8080\n" * 20,
        "09:40:44 something happened\n" * 20,
        '{"log":"GET / 200\\n","stream":"stdout","time":"2026-04-17T07:40:44.000000000Z"}\n' * 20,
        '{"time":"2026-04-17T07:40:44.000Z","level":"info","message":"x"}\n' * 20,
        "[gateway] is a word in brackets\n",
        "web-1  | GET / 200\n" * 20,
        json.dumps({"count": 1, "tasks": [task_row()], "note": f"[gateway] {STOP}"}, indent=2),
        json.dumps(run_entry(summary=f"2026-04-17T09:40:44.000Z [gateway] {STOP}")),
        "\x00" * 100 + shapes.compact(PASTE[0]),
    ],
)
def test_prose_and_other_logs_are_no_console(text: str) -> None:
    assert form_of(text.encode(), "gateway.log") is None


def test_a_file_log_is_no_console(tmp_path: Path) -> None:
    found = recognised(tmp_path, "".join(log_line(said.binding, said.message) for said in PASTE))
    assert found is not None
    assert found.name == "gateway file log"


def test_a_console_that_begins_with_a_banner_is_one(tmp_path: Path) -> None:
    banner = ["◇  Doctor changes ─────╮\n", "│  - Migrated 20 task registry rows  │\n", "├───────╯\n"]
    found = recognised(tmp_path, "".join([*banner, *map(shapes.compact, PASTE), shapes.compact(PASTE[0])]))
    assert found is not None
    assert found.name == "console compact"


def test_two_of_the_gateways_own_subsystems_are_enough() -> None:
    said = [Said(binding, "anything", START_MS) for binding in ("gateway/ws", "diagnostic")]
    assert form_of("".join(map(shapes.compact, said)).encode(), "x") == "console compact"
    assert form_of(shapes.compact(said[0]).encode(), "x") is None


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("gateway.err.log", "launchd gateway.err.log"),
        ("gateway-work.err.log", "launchd gateway.err.log"),
        ("gateway.log", "console compact"),
    ],
)
def test_the_error_log_of_launchd_is_told_by_its_name(name: str, form: str) -> None:
    assert form_of("".join(map(shapes.compact, PASTE)).encode(), name) == form


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{" * 60_000,
        '{"type":"raw","raw":' * 100,
        "2026-04-17T09:40:44Z " * 5_000,
        "\x1b[" * 30_000,
        "\x1b]" * 30_000,
        "a" * 80 + " " * 60_000,
        "Apr 17 09:40:44 " + "h" * 60_000,
        "2026-04-17T09:40:44Z info " + "a" * 60_000,
        '{"log":' * 1_000 + "1" + "}" * 1_000,
        "9" * 60_000,
        "node[1]: " * 8_000,
        "openclaw-gateway" + "-" * 60_000 + ".service",
        '{"__REALTIME_TIMESTAMP":"' + "9" * 6_000 + '","MESSAGE":[999]}',
        '{"__REALTIME_TIMESTAMP":[],"MESSAGE":{}}',
        '{"log":"x","stream":[],"time":"never"}',
        "2026-99-99T99:99:99Z [gateway] ready",
        "99:99:99 [gateway] ready",
        "Feb 31 07:00:00 host node[1]: [gateway] ready",
    ],
)
def test_hostile_lines_are_taken_apart_quickly(text: str) -> None:
    assert form_of(f"{text}\n".encode() * 3, "x") is None


@pytest.mark.parametrize("margin", ["> ", "    ", "\t", "> > "])
def test_a_log_that_is_indented_or_quoted_as_a_whole_is_read(tmp_path: Path, margin: str) -> None:
    lines = [shapes.compact(Said("gateway", message, START_MS)) for message in ("starting...", "gateway ready")]
    path = write_log(tmp_path / "log", *(margin + line for line in lines), margin.rstrip(" ") + "\n")
    form = detect(path).form
    assert form is not None
    parsed = form.parse(path, Given(name="log"))
    assert parsed.lifecycle is not None
    assert parsed.lifecycle["line"].to_list() == [1, 2, 2]
    assert parsed.lines == 3
    assert parsed.notices.rows == []


def test_one_quoted_line_among_others_is_no_event(tmp_path: Path) -> None:
    line = shapes.compact(Said("gateway", "gateway ready", START_MS))
    path = write_log(tmp_path / "log", line, "> " + line, line)
    form = detect(path).form
    assert form is not None
    parsed = form.parse(path, Given(name="log"))
    assert parsed.lifecycle is not None
    assert set(parsed.lifecycle["line"].to_list()) == {1, 3}


@pytest.mark.parametrize(
    "prefix", ["[pod/gateway-0/gateway] ", "0|openclaw | ", "<30>1 2026-04-17T07:40:44Z host 1 - - "]
)
def test_an_unknown_prefix_is_told(tmp_path: Path, prefix: str) -> None:
    messages = ("starting...", "gateway ready")
    path = write_log(tmp_path / "log", *(f"{prefix}x [gateway] {message}\n" for message in messages))
    found = detect(path)
    assert (found.kind, found.form) == (SourceKind.UNKNOWN, None)
    assert found.by == "console lines of a gateway behind an unknown prefix; strip the prefix from each line"


@pytest.mark.parametrize("cut", [1, 2, 8, 30])
def test_a_json_document_that_ends_early_is_told(tmp_path: Path, cut: int) -> None:
    whole = json.dumps({"count": 1, "tasks": [{"taskId": "a", "status": "lost", "label": "x" * 40, "ended": True}]})
    path = write_log(tmp_path / "tasks.json", whole[:-cut])
    assert detect(path).by == "JSON that ends early: export it again"
