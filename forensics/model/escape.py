"""Escapes for everything that comes from evidence. All of it is hostile; this is the one place that makes it safe."""

from __future__ import annotations

import html
import json
import math
import re
from urllib.parse import quote

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
"""All of Unicode's control, format and surrogate characters and its line separators; a table, as regular
expressions know no categories."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@:]|(?<=www)\.)", re.IGNORECASE)
_FORMULA_SIGNS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_NO_XML = re.compile(r"[\ufffe\uffff]")
"""What XML 1.0 forbids beyond the control and surrogate characters (production 2, Char)."""
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_ANNOTATION = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_ANNOTATION_PROPERTY = _ANNOTATION | str.maketrans({":": "%3A", ",": "%2C"})
_BRACES = str.maketrans({"{": "{{", "}": "}}"})
_MANTISSA_BITS = 53
_LARGEST_EXACT = 1 << _MANTISSA_BITS
_STEP_BITS = 50
_PLAIN_SQL = re.compile(r"[\x20-\x7e]*")


def for_terminal(text: str) -> str:
    r"""Give text in which every control, direction and zero-width character is spelled out, on one line.

    >>> for_terminal("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    """
    return _CONTROL.sub(_spelled, text)


def for_markdown(text: str) -> str:
    r"""Give text that Markdown shows as it is, in a table cell too, and never as a tag or a link to a page.

    GitHub looks for mail addresses and mentions in what is shown already, where no escape can hide them.

    Source: GitHub Flavored Markdown 0.29 §6.9: a bare ``www.`` makes a link.

    >>> for_markdown("a|b <script>"), for_markdown("www.example.org")
    ('a\\|b \\<script\\>', 'www\\.example.org')
    """
    return _MARKDOWN.sub(r"\\\1", for_terminal(text))


def for_csv(text: str) -> str:
    r"""Give text that no spreadsheet takes for a formula, on one line; quoting is left to the writer of the file.

    An apostrophe before the text says that it is text. Full-width signs count as well, and so do signs behind blanks.

    >>> for_csv("=1+1"), for_csv("  @SUM(A1)"), for_csv("a=b")
    ("'=1+1", "'  @SUM(A1)", 'a=b')
    """
    told = for_terminal(text)
    return f"'{told}" if told.lstrip()[:1] in _FORMULA_SIGNS and told.strip() else told


def for_html(text: str) -> str:
    r"""Give text that a page shows as it is, inside an element or a quoted attribute, and never as markup.

    >>> for_html("a\x00b </style><script>")
    'a\\x00b &lt;/style&gt;&lt;script&gt;'
    """
    return html.escape(for_terminal(text), quote=True)


def for_sql_comment(text: str) -> str:
    r"""Give text that cannot leave a ``--`` comment.

    >>> for_sql_comment("x\nDROP TABLE t;")
    'x\\nDROP TABLE t;'
    """
    return for_terminal(text)


def for_json(document: str) -> str:
    r"""Give a JSON document without hidden characters: each is written as its escape, so that no value changes.

    Line ends between values stay, and within a text ``json`` has escaped them already.

    >>> for_json('["a\u202eb"]')
    '["a\\u202eb"]'
    """
    return _CONTROL.sub(lambda found: found[0] if found[0] < " " else json.dumps(found[0])[1:-1], document)


def for_xml(text: str) -> str:
    r"""Give text for XML 1.0, as the content of an element or between quotes as a value.

    >>> for_xml("a < 'b'\x00")
    'a &lt; &apos;b&apos;\\x00'
    """
    shown = _NO_XML.sub(_spelled, for_terminal(text))
    return shown.translate(_XML)


def for_annotation(text: str) -> str:
    r"""Give text as the message of a workflow command of GitHub, which it cannot leave.

    Source: the runner unescapes ``%25``, ``%0D`` and ``%0A`` in messages.

    >>> for_annotation("100 %\n::error::mine")
    '100 %25\\n::error::mine'
    """
    return for_terminal(text).translate(_ANNOTATION)


def for_annotation_property(text: str) -> str:
    r"""Give text as the value of a property (``file``, ``title``) of a workflow command of GitHub.

    Source: the runner unescapes ``%3A`` and ``%2C`` in properties, too.

    >>> for_annotation_property("a:b,c")
    'a%3Ab%2Cc'
    """
    return for_terminal(text).translate(_ANNOTATION_PROPERTY)


def for_sarif(text: str) -> str:
    r"""Give text as a SARIF message: braces are no placeholders in it, and nothing is a link.

    Source: SARIF 2.1.0 §3.11.5 (braces are doubled), §3.11.6 (``[text](target)`` is a link, whatever it stands in).

    >>> for_sarif("{0} [a](http://b)")
    '{{0}} [a] (http://b)'
    """
    return for_terminal(text).translate(_BRACES).replace("](", "] (")


def for_uri(path: str) -> str:
    r"""Give the path of a file as a URI reference: relative as it is, absolute with ``file://``.

    >>> for_uri("logs/a b.log"), for_uri("/var/log/x#1"), for_uri("a:b")
    ('logs/a%20b.log', 'file:///var/log/x%231', 'a%3Ab')
    """
    return ("file://" if path.startswith("/") else "") + quote(_encoded(path), safe="/")


def sql_literal(value: float | str | bytes | None) -> str:
    r"""Give the SQL literal of a value, byte for byte; text beyond plain ASCII is written as its UTF-8 bytes.

    Text goes in as hexadecimal wherever a quoted string could be misread (NUL, newlines, control characters), so no
    statement depends on how a shell cuts its lines.

    >>> sql_literal("it's"), sql_literal(None), sql_literal(7), sql_literal("a\x00b")
    ("'it''s'", 'NULL', '7', "CAST(X'610062' AS TEXT)")
    """
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _real_literal(value)
    if _PLAIN_SQL.fullmatch(value) or (value.isprintable() and not _CONTROL.search(value)):
        return "'" + value.replace("'", "''") + "'"
    return f"CAST(X'{_encoded(value).hex()}' AS TEXT)"


def shortened(text: str, width: int) -> str:
    """Give at most ``width`` characters, the cut shown by an ellipsis.

    >>> shortened("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _real_literal(value: float) -> str:
    """Give the literal of a real; SQLite has no word for infinity and keeps "no number" as NULL.

    SQLite may read a decimal fraction one bit off, so a real that is no whole number is written as a whole number
    times or over powers of two, which is exact.
    """
    if math.isnan(value):
        return "NULL"
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    if value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return repr(value)
    fraction, exponent = math.frexp(value)
    whole, exponent = int(fraction * _LARGEST_EXACT), exponent - _MANTISSA_BITS
    sign = "*" if exponent > 0 else "/"
    steps, rest = divmod(abs(exponent), _STEP_BITS)
    factors = [_STEP_BITS] * steps + ([rest] if rest else [])
    return f"({whole}.0{''.join(f' {sign} {1 << bits}.0' for bits in factors)})"


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _spelled(match: re.Match[str]) -> str:
    character = match.group()
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    if character in named:
        return named[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
