"""Tables and paragraphs that fit a width: no line is longer, no character is lost, no colour is smuggled in."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from forensics.model.shown import PLAIN, Shown, Style
from forensics.writers.measure import indented, padded, width_of, wrapped
from forensics.writers.tables import Cell, Column, text_table

COLOURS = re.compile(r"\x1b\[\d+m")
EVIDENCE = "αβγδ漢字e\u0301/"
"""Characters that stand in no heading, so that each in a table comes from a cell; some wide, one without width."""

COLUMNS = (
    "task",
    Column("job", is_text=True, style=lambda _: Style.BAD),
    Column("cause", moves=2, is_named=True),
    Column("text", is_text=True, moves=3, spills=True),
    Column("why", is_text=True, moves=1),
)
LEADING = (Column("file", moves=1), *COLUMNS[1:])

words = st.text(EVIDENCE, min_size=1, max_size=30)
sentences = st.lists(words, min_size=1, max_size=8).map(" ".join)
cells: st.SearchStrategy[Cell] = st.one_of(sentences, st.lists(sentences, min_size=1, max_size=3))
rows = st.lists(st.tuples(*[cells] * len(COLUMNS)), max_size=4)
hostile = st.lists(st.tuples(*[st.text(max_size=40)] * len(COLUMNS)), max_size=4)
widths = st.integers(20, 200)
headings = st.sampled_from((COLUMNS, LEADING))


def characters(cell: Cell) -> Counter[str]:
    return Counter("".join(cell).replace(" ", ""))


@given(rows, widths, headings)
def test_no_line_is_wider_than_asked(told: list[tuple[Cell, ...]], width: int, columns: tuple[Column, ...]) -> None:
    table = text_table(columns, told, indent="  ", shown=Shown(width))
    assert [line for line in table.splitlines() if width_of(line) > width] == []


@given(rows, st.none() | widths, headings)
def test_every_character_of_every_cell_is_shown_once(
    told: list[tuple[Cell, ...]], width: int | None, columns: tuple[Column, ...]
) -> None:
    table = text_table(columns, told, shown=Shown(width))
    expected = sum((characters(cell) for row in told for cell in row), Counter[str]())
    shown = Counter(character for character in table if character in set(EVIDENCE) - {"e", "\u0301"})
    assert shown == Counter({character: count for character, count in expected.items() if character in shown})
    assert shown.total() == sum(count for character, count in expected.items() if character not in "e\u0301")


@given(rows | hostile, st.none() | widths, headings)
def test_colours_change_nothing_but_the_colour(
    told: list[tuple[Cell, ...]], width: int | None, columns: tuple[Column, ...]
) -> None:
    plain = text_table(columns, told, shown=Shown(width))
    coloured = text_table(columns, told, shown=Shown(width, is_coloured=True))
    assert COLOURS.sub("", coloured) == plain
    assert "\x1b" not in plain


@given(st.lists(st.tuples(st.text("ab;/-", min_size=1), *[st.text("abc xyz;,/-", max_size=20)] * 2), max_size=5))
def test_where_nothing_is_fitted_a_table_is_as_tabulate_has_it(told: list[tuple[str, str, str]]) -> None:
    headers = ("a", "level", "what it is")
    table = tabulate(told, headers=headers, tablefmt="simple", disable_numparse=True)
    assert text_table(headers, told) == "\n".join(line.rstrip() for line in table.splitlines())


@given(st.integers(60, 140), st.lists(st.text("abc/.-", min_size=1, max_size=59), min_size=1, max_size=5))
def test_a_place_that_fits_a_line_is_not_broken(width: int, places: list[str]) -> None:
    columns = ("at", Column("text", is_text=True, moves=2, spills=True), Column("where", moves=1))
    told = [("2026-04-20 03:00:00.006", "a sentence " * 8, f"logs/{place}:12") for place in places]
    lines = [line.strip() for line in text_table(columns, told, shown=Shown(width + 6)).splitlines()]
    assert [place for _, _, place in told if not any(line.endswith(place) for line in lines)] == []


def test_a_row_is_a_block_where_it_is_narrow() -> None:
    told = text_table(("task", "verdict"), [("97b96ec8", "false_lost"), ("a", "b")], shown=Shown(59))
    assert told == "task     97b96ec8\nverdict  false_lost\n\ntask     a\nverdict  b"


def test_long_reasons_stand_below_their_row_each_on_its_own_line() -> None:
    columns = ("task", "verdict", Column("why", is_text=True, moves=1))
    told = [
        (
            "97b96ec8",
            "replayed",
            ["the process was replaced", "a run stood in (a/very/long/path/of/a/gateway/log.log:7)"],
        )
    ]
    assert text_table(columns, told, shown=Shown(60)).splitlines() == [
        "task      verdict",
        "--------  --------",
        "97b96ec8  replayed",
        "    the process was replaced",
        "    a run stood in (a/very/long/path/of/a/gateway/log.log:7)",
    ]


@given(st.text(EVIDENCE + " ", max_size=80), st.integers(8, 40))
def test_wrapped_lines_hold_every_character_and_fit(text: str, width: int) -> None:
    for lines in (wrapped(text, width), indented(text, width, first="- ", rest="    ")):
        assert [line for line in lines if width_of(line) > width] == []
        assert "".join(lines).removeprefix("-").replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("漢字", 4), ("e\u0301", 1), ("✔\ufe0f", 2), ("🚀", 2), ("ｱ", 1)]
)
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width_of(text) == columns
    assert width_of(padded(text, 6)) == 6


def test_nothing_is_painted_unless_colours_are_asked_for() -> None:
    assert PLAIN.painted("lost", Style.BAD) == "lost"
    assert Shown(is_coloured=True).painted("", Style.BAD) == ""


def test_a_line_above_that_groups_is_said_once() -> None:
    columns = (Column("gateway", moves=1, groups=True), "task")
    told = [("x" * 40, "y" * 40), ("x" * 40, "z" * 40), ("w" * 40, "v" * 40)]
    lines = text_table(columns, told, shown=Shown(60)).splitlines()
    assert lines[3:] == ["x" * 40, f"  {'y' * 40}", f"  {'z' * 40}", "w" * 40, f"  {'v' * 40}"]


@pytest.mark.parametrize("width", [40, 44, 60])
def test_a_place_in_a_database_is_one_word_where_a_line_has_room(width: int) -> None:
    place = "(state/tasks/runs.sqlite task_runs rowid 12)"
    lines = wrapped(f"the next start-up names it as in flight {place}", width)
    assert (place in lines) == (width >= 44)
