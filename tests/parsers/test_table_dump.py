"""Rows as the ``sqlite3`` shell prints them, in every mode."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.model.schemas import RUNS, TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from forensics.parsers.parsed import Parsed
from forensics.parsers.tables import TASK_RUNS, columns_of, table_of
from tests.parsers.shapes import DDL_4_15, JOB, START_MS, TASK, assert_balance, at, codes, insert, noted_lines, task_row
from tests.parsers.test_task_export_forms import DATA, read, written

MODES = ["box", "column", "csv", "json", "line", "list", "markdown", "table", "tabs"]
WHOLE = ["csv", "json"]
"""Modes that quote their values, so that any text comes back as it was."""

HEADINGS = "task_id|runtime|status|error|started_at"
ROW = f"{TASK}|cron|lost|backing session missing|{START_MS}"
OTHER = "1f8fad5b-d9cb-469f-a165-70867728950e"


def read_text(path: Path, text: str) -> Parsed:
    return read(written(path, text))


def ids_of(parsed: Parsed) -> list[str]:
    assert parsed.tasks is not None
    return parsed.tasks["task_id"].to_list()


@pytest.mark.parametrize("mode", MODES)
def test_a_real_registry_reads_the_same_in_every_mode(mode: str) -> None:
    path = DATA / f"4.15-task-runs.{mode}"
    parsed = read(path)
    assert parsed.tasks is not None
    assert_schema(parsed.tasks, TASKS, "tasks")
    row = parsed.tasks.filter(parsed.tasks["status"] == "lost").row(0, named=True)
    assert path.read_text("utf-8").split("\n")[row.pop("line") - 1].count(row["task_id"]) == 1
    job = "575b8a3a-11e6-4100-82fd-5dc4dc39cb66"
    assert {name: value for name, value in row.items() if value is not None} == {
        "task_id": "97b96ec8-5199-4df1-9cb1-1d65e1071d5c",
        "runtime": "cron",
        "job_id": job,
        "run_id": f"cron:{job}:1795474694013",
        "label": "W-lock-at-finish",
        "status": "lost",
        "delivery_status": "not_applicable",
        "notify_policy": "silent",
        "created_at": at(1_795_474_694_013),
        "started_at": at(1_795_474_694_013),
        "ended_at": at(1_795_475_095_061),
        "last_event_at": at(1_795_475_095_061),
        "cleanup_after": at(1_795_475_095_061 + 604_800_000),
        "error": "backing session missing",
        "registry": "export",
        "projected": False,
        "is_twin": False,
        "precision_ms": 1,
    }
    assert_balance(parsed, records=3)
    assert codes(parsed) == []
    assert (parsed.kind, parsed.form) == (SourceKind.TASK_EXPORT, f"sqlite3 -{mode}")
    assert parsed.timezone == "UTC from epoch milliseconds"
    assert (parsed.first_at, parsed.last_at) == (at(1_795_474_560_853), at(1_795_475_628_521))


def test_a_real_run_table_is_read() -> None:
    parsed = read(DATA / "7.35-cron-run-logs.csv")
    assert parsed.runs is not None
    assert_schema(parsed.runs, RUNS, "runs")
    assert set(parsed.runs["origin"]) == {"run_table"}
    assert parsed.runs["line"].to_list() == [2, 3, 4, 5]
    ended = parsed.runs["started_at"] + parsed.runs["duration_ms"] * timedelta(milliseconds=1)
    assert (ended <= parsed.runs["finished_at"]).all()
    assert parsed.runs["status"].null_count() == 0
    assert_balance(parsed, records=4)
    assert codes(parsed) == []
    assert (parsed.kind, parsed.histories) == (SourceKind.CRON_RUN_PAGE, [])


def test_run_rows_may_lack_the_stored_entry(tmp_path: Path) -> None:
    headings = "job_id|ts|status|run_at_ms|duration_ms|delivered|total_tokens"
    text = f"{headings}\n{JOB}|{START_MS + 62_005}|ok|{START_MS}|62000|0|9\n"
    parsed = read_text(tmp_path / "x", text)
    assert parsed.runs is not None
    told = parsed.runs.select("job_id", "started_at", "finished_at", "duration_ms", "delivered", "has_usage").row(0)
    assert told == (JOB, at(START_MS), at(START_MS + 62_005), 62_000, False, True)
    assert_balance(parsed, records=1)


def test_a_run_row_without_a_usable_stamp_is_rejected(tmp_path: Path) -> None:
    text = f"job_id|ts|status|run_at_ms\n{JOB}|7|ok|{START_MS}\n{JOB}|{START_MS}|ok|\n"
    parsed = read_text(tmp_path / "x", text)
    assert_balance(parsed, records=1, rejected=1)
    assert noted_lines(parsed, "no_run_record") == [2]


def test_times_printed_as_text_are_whole_seconds_of_utc(tmp_path: Path) -> None:
    headings = "task_id|status|runtime|datetime(created_at/1000,'unixepoch')|datetime(ended_at/1000,'unixepoch')|run_id"
    text = f"{headings}\n{TASK}|lost|cron|2026-04-17 02:32:26|2026-04-17 02:32:27|cron:x:1\n"
    parsed = read_text(tmp_path / "x", text)
    assert parsed.tasks is not None
    told = parsed.tasks.select("created_at", "ended_at", "precision_ms").row(0)
    assert told == (at(1_776_393_146_000), at(1_776_393_147_000), 1000)
    assert parsed.timezone == "UTC, times printed as text"
    assert codes(parsed) == []


def test_a_time_under_a_bare_name_may_be_of_any_zone(tmp_path: Path) -> None:
    text = f"task_id|status|runtime|started_at\n{TASK}|lost|cron|2026-04-17 02:32:26\n"
    parsed = read_text(tmp_path / "x", text)
    assert (parsed.zone_is_assumed, codes(parsed)) == (True, ["zone_assumed"])
    assert parsed.timezone == "assumed UTC: times printed as text without a zone"
    found = detect(tmp_path / "x")
    assert found.form is not None
    named = found.form.parse(tmp_path / "x", Given(zone=timezone(timedelta(hours=2))))
    assert named.tasks is not None
    assert named.tasks["started_at"].to_list() == [at(1_776_393_146_000 - 7_200_000)]
    assert (named.zone_is_assumed, codes(named)) == (False, [])


@pytest.mark.parametrize(
    ("printed", "expected", "precision_ms", "noted"),
    [
        (str(START_MS), START_MS, 1, []),
        (str(START_MS // 1000), START_MS, 1000, ["time_unit"]),
        (f"{START_MS // 1000}.131", START_MS + 131, 1, ["time_unit"]),
        (f"{START_MS}131", START_MS, 1, ["time_unit"]),
        (f"{START_MS}.0", START_MS, 1, []),
        ("2026-04-17 07:40:44.250", START_MS + 250, 1, ["zone_assumed"]),
        ("2026-04-17T07:40:44Z", START_MS, 1000, []),
        ("2026-04-17T09:40:44+02:00", START_MS, 1000, []),
        ("", None, 1, []),
        ("NULL", None, 1, []),
        ("12", None, 1, ["out_of_range"]),
        ("2026-04-17", None, 1, ["out_of_range"]),
        ("1m ago", None, 1, ["out_of_range"]),
        ("9" * 29, None, 1, ["out_of_range"]),
    ],
)
def test_a_time_is_told_by_its_range_or_its_text(
    tmp_path: Path, printed: str, expected: int | None, precision_ms: int, noted: list[str]
) -> None:
    parsed = read_text(tmp_path / "x", f"task_id|status|runtime|ended_at\n{TASK}|lost|cron|{printed}\n")
    assert parsed.tasks is not None
    moment = None if expected is None else at(expected)
    assert parsed.tasks.select("ended_at", "precision_ms").row(0) == (moment, precision_ms)
    assert codes(parsed) == noted
    assert set(noted_lines(parsed, "out_of_range")) <= {2}


LOCAL = "task_id|status|runtime|datetime(ended_at/1000,'unixepoch','localtime')\n"


def test_local_times_need_their_zone(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x", f"{LOCAL}{TASK}|lost|cron|2026-10-25 01:40:44\n{OTHER}|lost|cron|2026-10-25 02:40:44\n"
    )
    form = detect(path).form
    assert form is not None
    unknown = form.parse(path, Given())
    assert unknown.tasks is not None
    assert unknown.tasks["ended_at"].to_list() == [None, None]
    assert codes(unknown) == ["local_time", "local_time"]
    known = form.parse(path, Given(zone=ZoneInfo("Europe/Berlin")))
    assert known.tasks is not None
    assert known.tasks["ended_at"].to_list() == [datetime(2026, 10, 24, 23, 40, 44, tzinfo=UTC), None]
    assert noted_lines(known, "out_of_range") == [3]  # the hour that Berlin has twice that day
    assert "in the zone that was named" in str(known.timezone)


def test_a_plain_column_goes_before_one_printed_as_text(tmp_path: Path) -> None:
    headings = "datetime(ended_at/1000,'unixepoch')|ended_at|task_id|status|runtime"
    parsed = read_text(tmp_path / "x", f"{headings}\n2026-04-17 07:40:44|{START_MS + 7}|{TASK}|lost|cron\n")
    assert parsed.tasks is not None
    assert parsed.tasks.select("ended_at", "precision_ms").row(0) == (at(START_MS + 7), 1)


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("taskId", "task_id"),
        ("t.status", "status"),
        ('"label"', "label"),
        ("ENDED_AT", "ended_at"),
        ("ended", "ended_at"),
        ("started_utc", "started_at"),
        ("ended_at/1000", "ended_at"),
        ("strftime('%Y-%m-%d %H:%M:%S', created_at/1000, 'unixepoch')", "created_at"),
        ("datetime(ended_at/1000,'unixepoch','+2 hours')", None),
        ("datetime(max(ended_at,started_at)/1000,'unixepoch')", None),
        ("ended_at-started_at", None),
        ("substr(task_id,1,8)", None),
        ("length(error)", None),
        ("updated_at", None),
        ("", None),
    ],
)
def test_a_heading_means_a_column_or_nothing(heading: str, column: str | None) -> None:
    assert [found.name for found in columns_of(TASK_RUNS, [heading])] == ([] if column is None else [column])


@pytest.mark.parametrize(
    ("headings", "table"),
    [
        ("receipt_id job_id status", "cron_run_receipts"),
        ("boot_id pid started_at_ms", "gateway_boot_lifecycle"),
        ("store_key job_id state_json", "cron_jobs"),
        ("job_id ts status", "cron_run_logs"),
        ("task_id requester_origin_json", None),
        ("event_id source_id run_id status kind", None),
        ("id name", None),
    ],
)
def test_a_table_is_told_by_its_columns(headings: str, table: str | None) -> None:
    found = table_of(headings.split())
    assert (found.name if found else None) == table


@pytest.mark.parametrize(("columns", "missing"), [("task_id|runtime", "status"), ("task_id|status", "runtime")])
def test_rows_without_a_needed_column_are_not_read(tmp_path: Path, columns: str, missing: str) -> None:
    parsed = read_text(tmp_path / "x", f"{columns}\n{TASK}|x\n")
    assert (parsed.kind, parsed.tasks, codes(parsed)) == (SourceKind.OTHER, None, ["missing_columns"])
    assert missing in str(parsed.notices.rows[0]["message"])


def test_the_runtime_is_told_by_the_run_id_where_it_was_not_printed(tmp_path: Path) -> None:
    parsed = read_text(tmp_path / "x", f"task_id|status|run_id\n{TASK}|lost|cron:x:1\n{OTHER}|lost|agent\n")
    assert parsed.tasks is not None
    assert parsed.tasks["runtime"].to_list() == ["cron", None]


def shell(database: Path, *options: str, query: str = "SELECT * FROM task_runs ORDER BY rowid") -> bytes:
    command = ["sqlite3", "-batch", *options, str(database), query]
    return subprocess.run(command, check=True, capture_output=True).stdout


def stored(path: Path, *rows: Mapping[str, object], ddl: str = DDL_4_15) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(ddl)
        insert(database, rows)
    return path


@pytest.mark.parametrize("separator", ["|", "\t", ","])
def test_without_headings_the_columns_of_a_known_release_are_known(tmp_path: Path, separator: str) -> None:
    lines = (DATA / "4.15-task-runs.tabs").read_text("utf-8").split("\n")[1:]
    parsed = read_text(tmp_path / "x", "\n".join(lines).replace("\t", separator))
    headed = read(DATA / "4.15-task-runs.tabs")
    assert parsed.tasks is not None
    assert headed.tasks is not None
    assert parsed.tasks.drop("line").equals(headed.tasks.drop("line"))
    assert parsed.tasks["line"].to_list() == [1, 2, 3]


def test_without_headings_an_upgraded_registry_is_told_from_a_new_one(tmp_path: Path) -> None:
    lines = [line.split("\t") for line in (DATA / "4.15-task-runs.tabs").read_text("utf-8").split("\n")[:-1]]
    late = ["owner_key", "requester_session_key", "scope_kind", "task_kind", "parent_flow_id"]
    names = [name for name in lines[0] if name not in late] + late
    upgraded = ["|".join(row[lines[0].index(name)] for name in names) for row in lines[1:]]
    parsed = read_text(tmp_path / "x", "\n".join(upgraded) + "\n")
    assert parsed.tasks is not None
    assert parsed.tasks["status"].to_list() == ["succeeded", "lost", "lost"]
    assert parsed.tasks["job_id"].to_list() == [row[lines[0].index("source_id")] for row in lines[1:]]


@pytest.mark.parametrize("row", [ROW, ROW + "|||", f"{TASK}|lost"])
def test_without_headings_nothing_is_guessed(tmp_path: Path, row: str) -> None:
    parsed = read_text(tmp_path / "x", f"{row}\n{row}\n")
    assert (parsed.kind, parsed.tasks, codes(parsed)) == (SourceKind.OTHER, None, ["no_header"])
    assert "-header" in str(parsed.notices.rows[0]["message"])


@pytest.mark.parametrize(
    ("below", "ids", "broken"),
    [
        # a line feed inside a value: the row is whole again, and unmistakable
        (f"{OTHER}|cron|lost|one\ntwo|{START_MS}\n", [TASK, OTHER], []),
        (f"{OTHER}|cron|lost|one\n\ntwo\n|{START_MS}\n{ROW}\n", [TASK, OTHER, TASK], []),
        # a separator inside a value
        (f"{OTHER}|cron|lost|one|two|{START_MS}\n{ROW}\n", [TASK, TASK], [3]),
        # a row cut off at the end, and one that the end of the file cut
        (f"{OTHER}|cron|lost\n", [TASK], [3]),
        # both in one value: the pieces look like rows, and the row above may be one of them
        (f"{OTHER}|cron|lost|one|two\nthree|{START_MS}\n{ROW}\n", [TASK, TASK], [3, 4]),
        (f"lost\n{OTHER}|cron|lost|x|{START_MS}\n", [OTHER], [2, 3]),
    ],
)
def test_a_value_that_breaks_its_row_is_never_read_wrongly(
    tmp_path: Path, below: str, ids: list[str], broken: list[int]
) -> None:
    parsed = read_text(tmp_path / "x", f"{HEADINGS}\n{ROW}\n{below}")
    assert ids_of(parsed) == ids
    assert noted_lines(parsed, "broken_row") == broken
    assert_balance(parsed, records=len(ids), rejected=len(broken))


def test_a_row_of_names_and_values_ends_where_its_last_name_is(tmp_path: Path) -> None:
    row = f"task_id = {TASK}\nruntime = cron\n status = lost\n  error = {{}}\n   task = x\n"
    values = ["a\n\nb = c\n", " status = x", "x\n status = failed", "x\n\ntask_id = forged"]
    text = "\n".join(row.format(value) for value in values)
    parsed = read_text(tmp_path / "x", text)
    assert parsed.tasks is not None
    assert parsed.tasks.select("status", "error").rows() == [("lost", "a\n\nb = c\n"), ("lost", " status = x")]
    starts = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith("task_id")]
    assert noted_lines(parsed, "broken_row") == starts[2:]
    assert_balance(parsed, records=2, rejected=3)


@pytest.mark.parametrize("mode", ["column", "box", "table", "markdown"])
def test_a_line_that_does_not_fit_the_columns_is_rejected(tmp_path: Path, mode: str) -> None:
    lines = (DATA / f"4.15-task-runs.{mode}").read_text("utf-8").split("\n")
    place = next(number for number, line in enumerate(lines) if "97b96ec8" in line)
    lines[place] = lines[place].replace("cron", "subagents", 1)
    parsed = read_text(tmp_path / "x", "\n".join(lines))
    assert len(ids_of(parsed)) == 2
    assert noted_lines(parsed, "broken_row") == [place + 1]


@pytest.mark.parametrize("width", [1, 2])
def test_columns_are_counted_in_characters_or_in_cells(tmp_path: Path, width: int) -> None:
    label = "日本" + " " * (4 - 2 * width + 2)
    row = f"{TASK}  {label}  lost    cron\n"
    text = f"{'task_id':36}  label   status  runtime\n{'-' * 36}  ------  ------  -------\n"
    parsed = read_text(tmp_path / "x", text + (row if width == 1 else row.replace(label, "日本  ")))
    assert parsed.tasks is not None
    assert parsed.tasks.select("label", "status", "runtime").rows() == [("日本", "lost", "cron")]


@pytest.mark.parametrize("task_id", [TASK[:10], TASK[:8], TASK[:35], TASK[:9] + "…", "abc..."])
def test_an_id_that_is_cut_off_is_not_read(tmp_path: Path, task_id: str) -> None:
    parsed = read_text(tmp_path / "x", f"{HEADINGS}\n{ROW}\n{ROW.replace(TASK, task_id)}\n")
    assert ids_of(parsed) == [TASK]
    assert_balance(parsed, records=1, rejected=1)
    assert noted_lines(parsed, "cut_id") == [3]


def test_a_torn_array_gives_its_rows_before_the_tear(tmp_path: Path) -> None:
    text = (DATA / "4.15-task-runs.json").read_text("utf-8")
    parsed = read_text(tmp_path / "x", text[: text.rindex('"status"')])
    assert len(ids_of(parsed)) == 2
    assert_balance(parsed, records=2, rejected=1)
    assert codes(parsed) == ["torn_document"]


def test_json_rows_one_a_line(tmp_path: Path) -> None:
    text = (DATA / "4.15-task-runs.json").read_text("utf-8").strip().removeprefix("[").removesuffix("]")
    parsed = read_text(tmp_path / "x", text.replace("},\n", "}\n\n") + "\n{torn\n")
    assert parsed.tasks is not None
    assert parsed.tasks["line"].to_list() == [1, 3, 5]
    assert_balance(parsed, records=3, rejected=1)
    assert noted_lines(parsed, "not_json") == [6]


@pytest.mark.parametrize("depth", range(900, 1_000, 9))
def test_a_value_nested_as_deep_as_can_be_read_is_no_crash(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    row = f'{{"task_id":"{TASK}","runtime":"cron","status":"lost","error":"x"}}'
    parsed = read_text(tmp_path / "x", f"[{row},\n{row.replace(chr(34) + 'x' + chr(34), deep)}]")
    assert parsed.records >= 1
    assert parsed.lines == parsed.records + parsed.rejected == 2


NUMBERS: tuple[object, ...] = (
    *(True, False, None, [], {}, 0, -1, 2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf"), "\ud800"),
)


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
@pytest.mark.parametrize("column", ["ended_at", "error", "execution_owner_pid", "label"])
def test_a_value_of_any_type_is_no_crash(tmp_path: Path, column: str, value: object) -> None:
    row = {"task_id": TASK, "runtime": "cron", "status": "lost", "ended_at": START_MS, column: value}
    parsed = read_text(tmp_path / "x", json.dumps([row]))
    assert_balance(parsed, records=1)
    assert set(codes(parsed)) <= {"out_of_range"}


def test_a_last_line_without_an_end_may_be_cut(tmp_path: Path) -> None:
    parsed = read_text(tmp_path / "x", f"{HEADINGS}\n{ROW}"[:-5])
    assert ids_of(parsed) == [TASK]
    assert noted_lines(parsed, "no_line_end") == [2]


def test_a_quotation_that_is_never_closed_makes_no_row(tmp_path: Path) -> None:
    text = f'task_id,runtime,status,error\n{TASK},cron,lost,x\n{OTHER},cron,lost,"torn\nand on\n'
    parsed = read_text(tmp_path / "x.csv", text)
    assert ids_of(parsed) == [TASK]
    assert noted_lines(parsed, "broken_row") == [3]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mode", MODES)
def test_powershell_may_have_redirected_it(tmp_path: Path, mode: str, encoding: str) -> None:
    path = tmp_path / "x"
    text = (DATA / f"4.15-task-runs.{mode}").read_text("utf-8").replace("\n", "\r\n")
    path.write_bytes(text.encode(encoding))
    parsed = read(path)
    plain = read(DATA / f"4.15-task-runs.{mode}")
    assert parsed.tasks is not None
    assert plain.tasks is not None
    assert parsed.tasks.equals(plain.tasks)


def test_a_stray_shell_text_before_the_headings_is_passed_over(tmp_path: Path) -> None:
    parsed = read_text(tmp_path / "x", f"$ sqlite3 -header runs.sqlite\n-- Loading\n\n{HEADINGS}\n{ROW}\n")
    assert parsed.tasks is not None
    assert parsed.tasks["line"].to_list() == [5]


TRICKY = "a'\"|,;\t\r\n│ =é日本😀\x1b\\n"
TEXTS = st.text(st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=30)
LONG = "seventy thousand letters"
TIMES = st.integers(START_MS, START_MS + 10**9)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "task_id": st.uuids().map(str),
            "status": st.sampled_from(["lost", "succeeded", "running"]),
            "label": TEXTS | st.none(),
            "error": TEXTS | st.just(LONG),
            "terminal_summary": TEXTS,
            "ended_at": TIMES | st.none(),
        }
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda row: str(row["task_id"]),
)
needs_shell = pytest.mark.skipif(which("sqlite3") is None, reason="no sqlite3 shell here")


def printed_text(value: object, mode: str) -> str | None:
    """Give what the shell prints of a text: it stops at a NUL, and CSV prints an empty text like none."""
    if value is None:
        return None
    text = str(value).split("\x00", 1)[0].replace(LONG, "x" * 70_000)
    return None if mode != "dump" and text in ("", "NULL") else text


def dumped(rows: list[dict[str, object]], mode: str) -> Parsed:
    with TemporaryDirectory() as folder:
        made = [task_row(**row | {"error": str(row["error"]).replace(LONG, "x" * 70_000)}) for row in rows]
        database = stored(Path(folder) / "runs.sqlite", *made)
        path = Path(folder) / "dump"
        path.write_bytes(shell(database, f"-{mode}", "-header") if mode != "dump" else shell(database, query=".dump"))
        return read(path)


@needs_shell
@pytest.mark.parametrize("mode", [*WHOLE, "dump"])
@given(rows=ROWS)
@settings(max_examples=15, deadline=None)
def test_any_text_comes_back_from_a_mode_that_quotes(mode: str, rows: list[dict[str, object]]) -> None:
    parsed = dumped(rows, mode)
    assert parsed.tasks is not None
    columns = ("label", "error", "terminal_summary")
    expected = [
        [row["task_id"], row["status"], *(printed_text(row[name], mode) for name in columns), row["ended_at"]]
        for row in rows
    ]
    told = parsed.tasks.select("task_id", "status", *columns, parsed.tasks["ended_at"].dt.epoch("ms"))
    assert [list(row) for row in told.rows()] == expected
    assert parsed.tasks["job_id"].unique().to_list() == [JOB]


@needs_shell
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in WHOLE])
@given(rows=ROWS)
@settings(max_examples=15, deadline=None)
def test_no_text_makes_another_mode_tell_anything_wrong(mode: str, rows: list[dict[str, object]]) -> None:
    parsed = dumped(rows, mode)
    told = [] if parsed.tasks is None else parsed.tasks.rows(named=True)
    known = {row["task_id"]: row for row in rows}
    for row in told:
        stored_row = known[row["task_id"]]
        assert row["status"] == stored_row["status"]
        assert row["job_id"] == JOB
        ended_at = stored_row["ended_at"]
        assert row["ended_at"] == (at(ended_at) if isinstance(ended_at, int) else None)


@needs_shell
@pytest.mark.parametrize("mode", MODES)
def test_plain_text_of_any_script_comes_back_from_every_mode(mode: str) -> None:
    labels = ["📮 PTT 多版面監控", "verify:cron-fix", 'it\'s "quoted", twice', "naïve – ünïcode"]
    rows: list[dict[str, object]] = [
        {"task_id": f"{number}{TASK[1:]}", "label": label, "error": "one\ntwo"} for number, label in enumerate(labels)
    ]
    parsed = dumped(rows, mode)
    assert parsed.tasks is not None
    assert parsed.tasks.select("label", "error").rows() == [(label, "one\ntwo") for label in labels]
    assert_balance(parsed, records=4)
    assert codes(parsed) == []
