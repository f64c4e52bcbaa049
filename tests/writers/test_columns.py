"""What is written a batch of columns at a time is, byte for byte, what would be written value by value."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.model.escape import for_csv, for_json, for_terminal
from forensics.writers import columns
from forensics.writers.columns import spelled, table_parts
from forensics.writers.json import timeline_json_parts, write_timeline_json
from forensics.writers.lnav import lnav_parts, write_lnav
from forensics.writers.tables import text_table
from forensics.writers.timeline import timeline_parts, write_timeline
from forensics.writers.timesketch import (
    timesketch_csv_parts,
    timesketch_jsonl_parts,
    write_timesketch_csv,
    write_timesketch_jsonl,
)
from tests.writers.test_timelines import hostile, told

CELLS = st.text(st.sampled_from("ab \t\u3000\n\x1b\u202e=,\"'\\\u00e9\u65e5\U0001f600"), max_size=9)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8)
WRITERS = [
    (write_timeline, timeline_parts),
    (write_timeline_json, timeline_json_parts),
    (write_timesketch_jsonl, timesketch_jsonl_parts),
    (write_timesketch_csv, timesketch_csv_parts),
    (write_lnav, lnav_parts),
]


def odd() -> tuple[Any, pl.DataFrame]:
    """Give facts that are told in other scripts, and some that lack all they can lack."""
    report, facts = told()
    lacking = pl.int_range(pl.len()) % 3 == 0
    names = ("text", "job_name", "operation", "status", "event")
    foreign = [
        pl.when(~lacking).then(pl.lit('\u65e5\u672c\u8a9e \u201cq\u201d \\ "x" \u00e9, ' * 9)).alias(name)
        for name in names
    ]
    return report, facts.with_columns(*foreign, pl.when(~lacking).then("source").alias("source"))


@given(ROWS)
def test_a_table_in_parts_is_the_table(rows: list[tuple[str, ...]]) -> None:
    rows = [(f"{cell}.", *rest) for cell, *rest in rows]  # a row of nothing at the end is no line of the other
    frame = pl.DataFrame(rows, dict.fromkeys(("first", "of", "third heading"), pl.String), orient="row")
    parts = table_parts(frame.columns, lambda: frame.iter_slices(3))
    assert "".join(parts) == text_table(frame.columns, rows) + "\n"


def columns_of(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def test_the_columns_of_a_table_line_up_where_characters_are_wide() -> None:
    frame = pl.DataFrame({"name": ["\u65e5\u672c", "abc"], "next": ["x", "y"]})
    lines = "".join(table_parts(frame.columns, lambda: [frame], columns_of)).splitlines()
    assert [columns_of(line[: line.index(sign)]) for line, sign in zip(lines[2:], "xy", strict=True)] == [8, 8]


@given(st.lists(st.none() | CELLS, max_size=12))
def test_a_spelled_column_is_that_of_its_spelled_values(values: list[str | None]) -> None:
    column = pl.Series(values, dtype=pl.String)
    wanted = [None if value is None else for_terminal(value) for value in values]
    assert spelled(column, for_terminal).to_list() == wanted


@pytest.mark.parametrize(("write", "parts"), WRITERS)
@pytest.mark.parametrize("source", [told, hostile, odd])
def test_parts_of_any_length_make_the_same_text(
    write: Any, parts: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, facts = source()
    whole = write(report, facts)
    monkeypatch.setattr(columns, "BATCH_ROWS", 4)
    few = list(parts(report, facts))
    assert "".join(few) == whole
    assert len(few) >= facts.height / 4


@pytest.mark.parametrize("source", [told, hostile, odd])
def test_json_is_written_as_the_library_writes_it(source: Any) -> None:
    report, facts = source()
    document = write_timeline_json(report, facts)
    assert document == for_json(json.dumps(json.loads(document), ensure_ascii=False, indent=2)) + "\n"
    assert len(json.loads(document)["facts"]) == facts.height
    for write in (write_timesketch_jsonl, write_lnav):
        lines = write(report, facts).split("\n")[:-1]
        assert lines == [json.dumps(json.loads(line), ensure_ascii=False) for line in lines]


@pytest.mark.parametrize("source", [told, hostile, odd])
def test_csv_is_written_as_the_library_writes_it(source: Any) -> None:
    text = write_timesketch_csv(*source())
    again = io.StringIO(newline="")
    csv.writer(again, lineterminator="\r\n").writerows(csv.reader(io.StringIO(text, newline="")))
    assert again.getvalue() == text


@given(CELLS)
def test_a_cell_that_is_passed_over_is_one_that_needs_nothing(cell: str) -> None:
    from forensics.writers.timesketch import _PLAIN_CELL

    is_plain = pl.Series([cell]).str.contains(_PLAIN_CELL).item()
    assert not is_plain or (for_csv(cell) == cell and not set(cell) & set(',"\r\n'))


def test_facts_without_any_are_a_sentence_an_empty_list_and_a_heading() -> None:
    report, facts = told()
    nothing = facts.clear()
    assert write_timeline(report, nothing).startswith("Nothing that happened at a known time is on record.")
    assert json.loads(write_timeline_json(report, nothing))["facts"] == []
    assert write_timesketch_csv(report, nothing).count("\r\n") == 1
    assert write_timesketch_jsonl(report, nothing) == write_lnav(report, nothing) == ""
