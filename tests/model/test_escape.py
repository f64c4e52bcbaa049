from __future__ import annotations

import html
import json
import math
import re
import sqlite3
import unicodedata
from contextlib import closing
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forensics.model.escape import (
    for_annotation,
    for_annotation_property,
    for_csv,
    for_html,
    for_json,
    for_markdown,
    for_sarif,
    for_sql_comment,
    for_terminal,
    for_uri,
    for_xml,
    shortened,
    sql_literal,
)

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's control, format and surrogate characters and its line separators."""

ANY_TEXT = st.text(
    st.characters() | st.sampled_from("\n\r\x00\x1b\x85\u202e\u2066\u200b\u061c\ufeff\ud800\udcff|\\'`-")
)


@given(ANY_TEXT)
@example("\x1b]0;owned\x07 \u202egnp.exe \u061c \U000e0041 \r\n\x85\u2028")
def test_terminal_text_holds_no_hidden_character_and_no_line_end(text: str) -> None:
    shown = for_terminal(text)
    assert [character for character in shown if unicodedata.category(character) in HIDDEN] == []
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


def test_every_hidden_character_of_unicode_is_spelled_out() -> None:
    hidden = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in HIDDEN]
    assert [character for character in hidden if not for_terminal(character).isascii()] == []


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Cn"])))
def test_terminal_text_without_hidden_characters_is_unchanged(text: str) -> None:
    assert for_terminal(text) == text


@given(ANY_TEXT | st.builds("{}{}".format, st.text("=+-@\t\r \xa0\uff1d\uff0d", min_size=1), ANY_TEXT))
@example("\t=1+1")
@example(" \n@SUM(A1)")
def test_no_cell_begins_like_a_formula_and_nothing_else_is_changed(text: str) -> None:
    cell = for_csv(text)
    assert cell.lstrip()[:1] not in {"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}
    assert cell.removeprefix("'") == for_terminal(text).removeprefix("'")


@pytest.mark.parametrize(
    ("character", "spelled"),
    [
        *(("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"), ("\x1b", r"\x1b"), ("\x9b", r"\x9b"), ("\u202e", r"\u202e")),
        *(("\ud800", r"\ud800"), ("\U000e0041", r"\U000e0041")),
    ],
)
def test_hidden_characters_are_spelled_as_python_spells_them(character: str, spelled: str) -> None:
    assert for_terminal(character) == spelled


def _unescaped(text: str, special: str) -> list[str]:
    """Give the special characters that no odd run of backslashes stands before."""
    found = re.finditer(rf"(\\*)([{re.escape(special)}])", text)
    return [match[2] for match in found if len(match[1]) % 2 == 0]


@given(ANY_TEXT)
@example("a|b\\|c\\\\|d\\")
def test_markdown_text_stays_in_its_table_cell(text: str) -> None:
    shown = for_markdown(text)
    assert len(shown.splitlines()) <= 1
    assert _unescaped(shown, "|") == []
    assert (len(shown) - len(shown.rstrip("\\"))) % 2 == 0, "a last backslash would escape the end of the cell"


@given(ANY_TEXT)
@example("<script>[a](http://x)![b](c)`d`**e**~f~ @g")
def test_markdown_text_has_no_markup_left(text: str) -> None:
    assert _unescaped(for_markdown(text), "`*_{}[]<>()#+!~&@:") == []


@given(ANY_TEXT)
@example("www.example.org WWW.")
def test_markdown_text_reads_as_the_terminal_text(text: str) -> None:
    assert re.sub(r"\\([\\`*_{}\[\]<>()#+!|~&@:.])", r"\1", for_markdown(text)) == for_terminal(text)


@given(st.text("w.W:/_a", max_size=12))
@example("see www.example.org")
def test_no_bare_address_becomes_a_link(text: str) -> None:
    assert not re.search(r"www\.|https?:", for_markdown(text), re.IGNORECASE)


@given(ANY_TEXT)
@example("x\n; DROP TABLE task_runs; --")
@example("x\r\x85\u2028*/ DROP TABLE task_runs;")
def test_a_comment_hides_whatever_it_is_given(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        (value,) = database.execute(f"SELECT 1 -- {for_sql_comment(text)}\n + 1").fetchone()
    assert value == 2


def _stored(value: float | str | bytes | None) -> tuple[object, str]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")
        literal = sql_literal(value)
        stored, kind = database.execute(f"SELECT {literal}, typeof({literal})").fetchone()
    return stored, kind


@given(st.binary().map(lambda stored: stored.decode("utf-8", "surrogateescape")))
@example("it's; DROP TABLE task_runs; --")
@example("a\x00b\nc\r\n\x1a")
@example("caf\udce9 \u202e \ufeff \U0001f600")
@example("")
def test_text_survives_a_literal_byte_for_byte(text: str) -> None:
    assert _stored(text) == (text, "text")


@given(st.text())
def test_well_formed_text_survives_a_literal(text: str) -> None:
    assert _stored(text) == (text, "text")


@given(st.text(st.characters(categories=["Cs"]), min_size=1))
def test_a_lone_surrogate_of_any_kind_does_not_make_a_literal_fail(text: str) -> None:
    assert _stored(text)[1] == "text"


@given(st.binary())
@example(b"'\x00")
def test_bytes_survive_a_literal(value: bytes) -> None:
    assert _stored(value) == (value, "blob")


@given(st.integers(-(2**63), 2**63 - 1))
@example(-(2**63))
@example(2**63 - 1)
def test_integers_survive_a_literal(value: int) -> None:
    assert _stored(value) == (value, "integer")


@given(st.floats(allow_nan=False))
@example(math.inf)
@example(-math.inf)
@example(1e16)
@example(5e-324)
@example(1.3471438541018708e-303)
@example(1.7976931348623157e308)
def test_reals_survive_a_literal(value: float) -> None:
    assert _stored(value) == (value, "real")


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_sqlite_keeps_as_null_is_null(value: float | None) -> None:
    assert _stored(value) == (None, "null")


@pytest.mark.parametrize(("value", "number"), [(True, 1), (False, 0)])
def test_truth_values_are_the_integers_that_sqlite_keeps(value: object, number: int) -> None:
    assert isinstance(value, bool)
    assert _stored(value) == (number, "integer")


@given(st.binary().map(lambda stored: stored.decode("utf-8", "surrogateescape")))
def test_a_literal_is_one_line_of_visible_text(text: str) -> None:
    literal = sql_literal(text)
    assert for_terminal(literal) == literal


@given(ANY_TEXT, st.integers(0, 50))
def test_shortened_text_is_never_wider_than_asked(text: str, width: int) -> None:
    shown = shortened(text, width)
    assert len(shown) <= max(width, 1)
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


HOSTILE = "%0A::error::x\r\n::stop-commands::y,:\ufffe\uffff]]><a b='\"&amp;{0}[x](http://y)"


@given(ANY_TEXT)
@example(HOSTILE)
def test_xml_text_is_read_back_as_shown_in_an_element_and_between_quotes(text: str) -> None:
    told = for_xml(text)
    shown = re.sub("[\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", for_terminal(text))
    for quote in "'\"":
        element = ET.fromstring(f"<a b={quote}{told}{quote}>{told}</a>")  # noqa: S314 - written two lines above
        assert (element.get("b"), element.text or "") == (shown, shown)


@given(ANY_TEXT)
@example(HOSTILE)
def test_an_annotation_is_unescaped_to_what_is_shown(text: str) -> None:
    """Unescaped as the runner does it: ``%25`` last."""
    told = for_annotation(text)
    assert len(told.splitlines()) <= 1
    assert told.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") == for_terminal(text)


@given(ANY_TEXT)
@example(HOSTILE)
def test_a_property_of_an_annotation_cannot_end_early(text: str) -> None:
    told = for_annotation_property(text)
    assert not set(told) & set(":,\r\n")
    assert re.fullmatch("(?:[^%]|%25|%3A|%2C)*", told)
    assert told.replace("%3A", ":").replace("%2C", ",").replace("%25", "%") == for_terminal(text)


@given(ANY_TEXT | st.text("{}[]()\\0"))
@example(HOSTILE)
def test_a_sarif_message_has_no_placeholder_and_no_link(text: str) -> None:
    told = for_sarif(text)
    assert "](" not in told
    assert [len(run) % 2 for run in re.findall(r"\{+|\}+", told)].count(1) == 0
    assert told.replace("{{", "{").replace("}}", "}").replace("] (", "](") == for_terminal(text).replace("] (", "](")


@given(st.binary().map(lambda path: path.decode("utf-8", "surrogateescape")))
@example("a b#?%:é\udcff")
@example("/x:y")
def test_a_uri_leads_back_to_the_path(path: str) -> None:
    told = for_uri(path)
    assert re.fullmatch(r"(?:file:///)?[A-Za-z0-9_.~/%-]*", told)
    assert unquote_to_bytes(told.removeprefix("file://")) == path.encode("utf-8", "surrogateescape")


class _Reader(HTMLParser):
    """Reads a page back: the texts, the attributes, and every tag, comment or declaration."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.told: list[str] = []
        self.attributes: list[str | None] = []
        self.markup: list[str] = []

    def handle_data(self, data: str) -> None:
        self.told.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup.append(tag)
        self.attributes += [value for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.markup.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.markup.append(f"!{data}")

    def handle_decl(self, decl: str) -> None:
        self.markup.append(f"!{decl}")

    def handle_pi(self, data: str) -> None:
        self.markup.append(f"?{data}")

    def unknown_decl(self, data: str) -> None:
        self.markup.append(f"!{data}")


@given(ANY_TEXT | st.text("<>&\"'=/!-[]`;#x3script "))
@example("</style><script>alert(1)</script>")
@example("<svg onload=alert(1)><title>")
@example("&lt;b&gt; &#60; &amp;amp; &nbsp")
@example("--><!-- ]]> <![CDATA[ <?x?>")
@example("\" onmouseover='x' `y`")
@example("\u202egnp.exe\x00\u2066")
def test_html_text_is_read_back_as_the_terminal_shows_it(text: str) -> None:
    reader = _Reader()
    reader.feed(f'<p title="{for_html(text)}">{for_html(text)}</p>')
    reader.close()
    assert reader.markup == ["p", "/p"]
    assert "".join(reader.told) == for_terminal(text)
    assert reader.attributes == [for_terminal(text)]


@given(ANY_TEXT)
def test_html_text_holds_no_hidden_character_and_nothing_that_opens_or_ends_markup(text: str) -> None:
    shown = for_html(text)
    assert [character for character in shown if unicodedata.category(character) in HIDDEN] == []
    assert not set(shown) & set("<>\"'")
    assert html.unescape(shown) == for_terminal(text)


@given(ANY_TEXT)
@example("a\x9b31m\x7f\u202e\U000e0041\ud800")
def test_a_json_document_holds_no_hidden_character_and_says_the_same(text: str) -> None:
    document = for_json(json.dumps({text: [text, 1]}, ensure_ascii=False, indent=2))
    assert json.loads(document) == {text: [text, 1]}
    assert {one for one in document if unicodedata.category(one) in HIDDEN} == {"\n"}
