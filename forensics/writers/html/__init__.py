"""The audit as one page for people: it opens from a file, runs no script, and asks for nothing from anywhere.

``page`` and those it imports say what the page tells, ``picture`` where things stand in its pictures; the templates in
``look`` say how it looks. Every value goes through ``for_html``, by the ``finalize`` of the environment.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from forensics.model.escape import for_html
from forensics.model.finding import Report
from forensics.writers.html.page import page_of
from forensics.writers.html.sheet import Settling


def write_html(report: Report, command: str | None = None, settling: Settling | None = None) -> str:
    """Give the audit as one HTML page; the same report gives the same bytes.

    ``command`` is the command line that made it, for a reader who wants to repeat it. ``settling`` says row by row what
    would settle a withheld verdict (``forensics.writers.reasoning.settling_of``); without it the files are named by
    reason only.
    """
    style = _style()
    policy = f"default-src 'none'; style-src 'sha256-{_digest(style)}'; base-uri 'none'; form-action 'none'"
    template = _environment().get_template("report.html.j2")
    # the style is the package's own, and must stay byte for byte what the policy was made for
    return template.render(page=page_of(report, command, settling), style=Markup(style), policy=policy)  # noqa: S704


def _digest(style: str) -> str:
    return b64encode(sha256(style.encode("utf-8")).digest()).decode("ascii")


@cache
def _style() -> str:
    return (files("forensics.writers.html") / "look" / "report.css").read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("forensics.writers.html", "look"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters |= {"grouped": _grouped, "change": _change}
    return environment


def _grouped(count: int) -> str:
    """Give a count with its thousands told apart."""
    return f"{count:,}"


def _change(count: int) -> str:
    """Give a difference with its sign, a dash for none.

    >>> _change(-1200), _change(3), _change(0)
    ('−1,200', '+3', '–')
    """
    return f"{count:+,}".replace("-", "−") if count else "–"


def _shown(value: object) -> Markup:
    """Make a value harmless; what a macro of the templates gave is so already."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, float):
        return Markup(f"{value:g}")  # noqa: S704 - a number
    return Markup(for_html(str(value)))  # noqa: S704 - escaped by for_html, the one place that does
