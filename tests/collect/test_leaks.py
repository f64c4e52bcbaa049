"""Secrets planted in every field of every kind: none survives in any form, whatever the evidence is made of."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from forensics.collect.bundling import bundle
from forensics.collect.leaks import leaks_in
from forensics.collect.replacing import Replacements
from forensics.collect.vocabulary import ALLOWED, COLUMNS, ENUM_KEYS, KEYS, NUMBERS
from tests.collect.keeping import audited
from tests.support.captures import unpack

SAMPLES = Path(__file__).parent.parent.parent / "samples"

WORDS = st.text("bcdfghjklmnpqrstvwxz", min_size=7, max_size=12).filter(lambda word: word not in ALLOWED)
DIGITS = st.text("23456789", min_size=10, max_size=11).map(lambda digits: "49" + digits)
ADDRESSES = st.tuples(*[st.integers(11, 254)] * 4).map(lambda parts: ".".join(map(str, parts)))
FORMS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    str.title,
    lambda word: f"{word}@{word}.example",
    lambda word: f"https://{word}:{word}@{word}.example/{word}?token={word}#{word}",
    lambda word: f"/home/{word}/.{word}/{word}.json",
    lambda word: f"C:\\Users\\{word}\\{word}",
    lambda word: f"backing session missing ({word})",
    lambda word: f"{word} cron: job interrupted by gateway restart, {word}",
    lambda word: f"received SIGTERM; restarting ({word})",
    lambda word: f"cron:{word}:1776900000000",
    lambda word: f"agent:main:{word}:direct:{word}",
    lambda word: f"manual:{word}:1776900000000:1",
    lambda word: json.dumps({word: [word, {"message": word, "log": word}]}),
    lambda word: quote(f"ä{word} {word}"),
    lambda word: f"{word}\x1b[31m{word}\r\n\t{word}\u202e",
    lambda word: f"job-{word} text-{word} name-{word}",
    lambda word: f"2026-04-23T10:00:00.000Z [gateway] {word}",
)
NUMBERED: tuple[Callable[[str], str], ...] = (
    str,
    lambda digits: f"+{digits[:2]} {digits[2:5]} {digits[5:]}",
    lambda digits: f"received SIGTERM; restarting +{digits[:2]}-{digits[2:5]}-{digits[5:]}",
    lambda digits: f"telegram:{digits}",
    lambda digits: f"cron:{digits}:1776900000000",
    lambda digits: f"job-{digits} T{digits}Z 1.{digits} {digits}.5",
    lambda digits: f"{digits} * * * *",
)


def planted(draw: st.DataObject) -> tuple[str, str]:
    """Give a text and what of it may be found nowhere."""
    kind = draw.draw(st.sampled_from(["word", "digits", "address"]))
    if kind == "address":
        address = draw.draw(ADDRESSES)
        return f"received SIGUSR1; restarting ({address})", address
    secret = draw.draw(WORDS if kind == "word" else DIGITS)
    return draw.draw(st.sampled_from(FORMS if kind == "word" else NUMBERED))(secret), secret


def survives(secret: str, told: object) -> bool:
    text = json.dumps(told, ensure_ascii=False).lower()
    return secret.lower() in text or (secret.isdigit() and secret in re.sub(r"[ .\-/()+]", "", text))


KEYS_AND_COLUMNS = sorted(
    {*KEYS, *ENUM_KEYS, *NUMBERS, *(name for columns in COLUMNS.values() for name in columns), "", "0", "unheard_of"}
)


@pytest.mark.parametrize("key", KEYS_AND_COLUMNS)
@settings(max_examples=25)
@given(data=st.data())
def test_no_value_survives_under_any_key(key: str, data: st.DataObject) -> None:
    told = Replacements()
    text, secret = planted(data)
    shapes: list[object] = [text, [text], {"message": text}, {text: text}]
    if secret.isdigit():
        shapes.append(int(secret))
    shown = told.value(key, data.draw(st.sampled_from(shapes)))
    assert not survives(secret, shown), shown


@settings(max_examples=400)
@given(data=st.data())
def test_no_text_survives_in_any_line_or_name(data: st.DataObject) -> None:
    told = Replacements()
    text, secret = planted(data)
    texts = [
        told.line(text),
        told.line(f"2026-04-23T10:00:00.000+02:00 [gateway] signal SIGTERM received {text}"),
        told.line(f"Apr 23 10:00:00 {secret} node[123]: [gateway] {text}"),
        told.message(text),
        told.error(text),
        told.path(text),
        told.identifier(text),
        told.file(f"openclaw.{secret}.log", of_job=False),
        told.file(f"{secret}.jsonl.{secret}", of_job=True),
        told.folder(secret),
        told.key(secret),
    ]
    for shown in texts:
        assert not survives(secret, shown), shown


def everywhere(folder: Path, text: str, number: int) -> None:
    """Plant a text, and a number, in every value that no verdict depends on, of all files of a gateway."""
    for path in (path for path in folder.rglob("*.sqlite") if path.is_file()):
        with closing(sqlite3.connect(path)) as registry, registry:
            for table in ("task_runs", "cron_run_logs", "cron_jobs", "cron_run_receipts", "gateway_boot_lifecycle"):
                present = [row[1] for row in registry.execute(f"PRAGMA table_info({table})")]
                for column in set(present) & FREE_COLUMNS:
                    registry.execute(f"UPDATE {table} SET {column} = ?", (text,))
            registry.execute("CREATE TABLE unheard_of (value)")
            registry.execute("INSERT INTO unheard_of VALUES (?)", (text,))
            registry.execute("ALTER TABLE task_runs ADD COLUMN unheard_of TEXT")
            registry.execute("UPDATE task_runs SET unheard_of = ?", (text,))
    for path in folder.rglob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        extra = {"unheard of": text, text: {text: [text]}, "provider": text, "size": number, "model": text}
        path.write_text("".join(json.dumps(line | extra) + "\n" for line in lines), "utf-8")
    for path in folder.rglob("jobs.json"):
        store = json.loads(path.read_text("utf-8"))
        for job in store.get("jobs", []):
            job |= {"description": text, "agentId": text, "payload": {**job.get("payload", {}), "message": text}}
        path.write_text(json.dumps(store | {text: text}), "utf-8")
    for path in folder.rglob("*.log"):
        path.write_text("\n".join(with_lines(path.read_text("utf-8").splitlines(), text)) + "\n", "utf-8")


FREE_COLUMNS = {
    *("label", "task", "progress_summary", "owner_key", "requester_session_key", "child_session_key", "agent_id"),
    *("parent_flow_id", "parent_task_id", "last_tool_name", "requester_agent_id", "execution_owner_host", "model"),
    *("diagnostics_summary", "delivery_error", "session_key", "provider", "name"),
}


def with_lines(lines: list[str], text: str) -> Iterator[str]:
    """Put lines that say something in the words of others beside what a gateway logged."""
    first = json.loads(lines[0])
    yield lines[0]
    for binding in ("gateway", "cron", text):
        arguments = {"0": json.dumps({"subsystem": binding}), "1": text, "2": {text: text, "jobName": text}}
        meta = {**first["_meta"], "hostname": text, "name": text, "path": {"fullFilePath": text}}
        yield json.dumps({**first, **arguments, "_meta": meta, text: text})
    yield from lines[1:]


@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_that_was_planted_anywhere_survives(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("planted")
    text, secret = planted(data)
    folder = Path(shutil.copytree(SAMPLES / "real-lost-write", tmp_path / f"of-{secret}"))
    everywhere(folder, text, int(secret) if secret.isdigit() else 1)
    bundle([str(folder)], tmp_path / "repro.zip", version="1")
    with zipfile.ZipFile(tmp_path / "repro.zip") as packed:
        told = b"\n".join(name.encode() + packed.read(name) for name in packed.namelist()).decode("utf-8", "replace")
    assert not survives(secret, told)
    assert len(audited(tmp_path / "repro.zip").findings) == len(audited(folder).findings)


@pytest.mark.parametrize("release", ["2026.6.11-restarts", "2026.9.6-restarts"])
def test_nothing_survives_that_was_planted_in_a_state_database(release: str, unpacked: Path, tmp_path: Path) -> None:
    secret = "quixotry"  # noqa: S105 - it opens nothing
    folder = Path(shutil.copytree(unpack(release, unpacked), tmp_path / secret))
    everywhere(folder / "state", f"{secret} +49 151 234567", 49151234567)
    bundle([str(folder / "state"), str(folder / "logs")], tmp_path / "repro.zip", version="1")
    with zipfile.ZipFile(tmp_path / "repro.zip") as packed:
        told = b"\n".join(name.encode() + packed.read(name) for name in packed.namelist()).decode("utf-8", "replace")
    assert not survives(secret, told)
    assert not survives("49151234567", told)


HIDDEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "with percent signs": lambda word: "".join(f"%{ord(letter):02X}" for letter in word),
    "escaped": lambda word: "".join(f"\\u{ord(letter):04x}" for letter in word),
    "in base64": lambda word: base64.b64encode(f"name={word};".encode()).decode(),
    "in base64 for addresses": lambda word: base64.urlsafe_b64encode(f"{word}>>>???".encode()).decode().rstrip("="),
    "between others": lambda word: f"x_{word}_y",
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("place", ["content", "value"])
def test_the_leak_test_sees_through_every_form(hidden: str, place: str, tmp_path: Path) -> None:
    told = Replacements()
    told.text("a letter to Rumpelstiltskin")
    text = HIDDEN[hidden]("rumpelstiltskin")
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as packed:
        if place == "content":
            packed.writestr("gateway.log", f"received SIGTERM {text}\n")
        else:
            with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as database, database:
                database.execute("CREATE TABLE task_runs (label)")
                database.execute("INSERT INTO task_runs VALUES (?)", (text,))
            packed.write(tmp_path / "runs.sqlite", "runs.sqlite")
    assert leaks_in(tmp_path / "bundle.zip", told) == ["rumpelstiltskin"]


@pytest.mark.parametrize(
    ("original", "left"),
    [
        ("received SIGTERM (+49 151 234567)", "+49-151-234567"),
        ("received SIGTERM (+49 151 234567)", "49151234567"),
        ("received SIGTERM (chat 49151234567)", "(49) 151 234 567"),
        ("received SIGTERM (10.20.30.40)", "ws://10.20.30.40:18789"),
        ("received SIGTERM (code 48291)", "48291"),
    ],
)
def test_the_leak_test_knows_numbers_by_their_digits(original: str, left: str, tmp_path: Path) -> None:
    told = Replacements()
    told.message(original)
    for text, is_leak in ((left, True), ("18789 2026-04-23T10:00:00.000Z 1776900000000 127.0.0.1", False)):
        with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as packed:
            packed.writestr("gateway.log", f"listening on {text}\n")
        assert bool(leaks_in(tmp_path / "bundle.zip", told)) is is_leak
