from __future__ import annotations

import time
from pathlib import Path

import pytest

from forensics.parsers.forms import Glimpse, documents_in, text_of
from forensics.parsers.json_places import LineCounter, elements_at, elements_of
from forensics.parsers.timestamps import epoch_ms_of_text, scaled_epoch


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ('{"a": 1}\n[{"b": 2}]\n[]', [{"a": 1}, [{"b": 2}], []]),
        ('  {"a": 1} trailing {"b": 2}\n{"c": 3}', [{"a": 1}, {"c": 3}]),
        ('[warn] x\n{"a"\n{"b": 2}', [{"b": 2}]),
        ("[1]\n7\n\"x\"\n{'a': 1}", []),
        ("", []),
        ("{" * 10_000, []),
    ],
)
def test_documents_are_found_whatever_stands_between_them(text: str, documents: list[object]) -> None:
    assert list(documents_in(text)) == documents


def test_a_file_full_of_broken_openings_is_given_up() -> None:
    text = '{"a": [\n' * 200_000
    started = time.monotonic()
    assert list(documents_in(text + "]}" + '\n{"b": 2}')) == []
    assert list(documents_in("\n" * 1_000_000 + "x")) == []
    assert time.monotonic() - started < 5


def test_text_is_read_by_its_mark() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert text_of("日本\n".encode(encoding)) == "日本\n"
    assert text_of(b"a\xff\xfe") == "a\ufffd\ufffd"


def test_a_document_longer_than_the_head_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('note\n{"a": "' + "x" * 300_000 + '"}\n{"b": 2}', encoding="utf-16")
    documents = Glimpse(path).documents
    assert [list(document) for document in documents if isinstance(document, dict)] == [["a"], ["b"]]


def test_lines_wider_than_the_head_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("\n".join(letter * 200_000 for letter in "abc"), encoding="utf-8")
    assert [line[:1] for line in Glimpse(path).text_lines] == ["a", "b", "c"]
    path.write_bytes(b"\x00\x00" + b"a\n" * 2 + b"b" * 300_000 + b"\nlast")
    assert len(Glimpse(path).text_lines) == 3


def test_elements_know_their_places() -> None:
    text = '{"x": {"rows": [9]}, "rows" : [ {"a": "]"} ,7, [] ], "y": 1}'
    assert [(text[place], value) for place, value in elements_of(text, 0, "rows")] == [
        ("{", {"a": "]"}),
        ("7", 7),
        ("[", []),
    ]
    assert list(elements_of('{"rows": {}, "y": []}', 0, "rows")) == []
    assert list(elements_at("[]", 0)) == []


@pytest.mark.parametrize("text", ["[{}, ", "[{}, {", "[{} x]", "[" * 100_000])
def test_a_torn_array_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(elements_at(text, 0))


def test_lines_are_counted_from_place_to_place() -> None:
    counter = LineCounter("a\nb\n\nc")
    assert [counter.line_at(place) for place in (0, 2, 2, 5)] == [1, 2, 2, 4]


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01 00:00:00", "2026-04-17", "2026-04-17 24:00:00", "1999-01-01 00:00:00", "2026-04-17 07:40"],
)
def test_what_is_no_printed_time_is_none(text: str) -> None:
    assert epoch_ms_of_text(text) is None


@pytest.mark.parametrize("number", [0, -1, 12, 10**11, 10**14, 10**30, float("nan"), float("inf"), 4_102_444_800])
def test_a_number_of_no_unit_is_no_time(number: float) -> None:
    assert scaled_epoch(number) is None
