"""Reads a page back as a browser would, and makes large and hostile reports to write pages of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from html.parser import HTMLParser
from typing import Any, TypeVar

import polars as pl

from forensics.model.finding import Report

OWN_WORDS = {"role", "origin", "reasons", "restart", "runtime", "id", "kind", "process", "status"}
"""The fields of a report that hold words of the tool, not of the evidence; a status decides what is drawn."""
VOID = {"meta", "link", "br", "hr", "img", "input"}
_Told = TypeVar("_Told")


class Element:
    """One element of a page: its tag, attributes, and what it holds."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.inside: list[Element | str] = []

    @property
    def text(self) -> str:
        """All text inside, white space collapsed."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for part in self.inside:
            yield from [part] if isinstance(part, str) else part._texts()

    def all(self, tag: str | None = None) -> Iterator[Element]:
        """Give the elements inside, in the order of the page."""
        for part in self.inside:
            if isinstance(part, Element):
                if tag in (None, part.tag):
                    yield part
                yield from part.all(tag)

    def of_class(self, name: str) -> list[Element]:
        """Give the elements inside that bear a class."""
        return [one for one in self.all() if name in one.attributes.get("class", "").split()]

    def by_id(self, name: str) -> Element:
        """Give the one element with this id."""
        (found,) = [one for one in self.all() if one.attributes.get("id") == name]
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("page", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute is given twice: {tag} {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        closed = self.open.pop()
        assert closed.tag == tag, f"</{tag}> closes <{closed.tag}>"

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def read_page(text: str) -> Element:
    """Parse a page, whose tags must be balanced and which may hold no comment."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [element.tag for element in reader.open] == ["page"]
    return reader.root


def many(report: Report, times: int, apart: timedelta) -> Report:
    """Let the incident of a report happen again and again, each time to other tasks and restarts."""
    copies = [_moved(report, number, number * apart) for number in range(times)]
    counts = {verdict: count * times for verdict, count in report.summary.verdicts.items()}
    summary = replace(report.summary, lost=report.summary.lost * times, verdicts=counts)
    return replace(
        report,
        summary=summary,
        findings=tuple(finding for copy in copies for finding in copy.findings),
        restarts=tuple(restart for copy in copies for restart in copy.restarts),
        runs=pl.concat([copy.runs for copy in copies]),
    )


def _moved(report: Report, number: int, by: timedelta) -> Report:
    def later(_name: str, value: object) -> object:
        return value + by if isinstance(value, datetime) else value

    first = number * len(report.restarts)

    def named(restart: str | None) -> str | None:
        return restart and f"R{first + int(restart[1:])}"

    findings = [mapped(finding, later) for finding in report.findings]
    restarts = [mapped(restart, later) for restart in report.restarts]
    return replace(
        report,
        findings=tuple(
            replace(one, task_id=f"{number:04x}-{one.task_id}", restart=named(one.restart)) for one in findings
        ),
        restarts=tuple(replace(one, id=str(named(one.id))) for one in restarts),
        runs=report.runs.with_columns(pl.col("started_at", "ended_at") + by),
    )


def with_texts(report: Report, text: str) -> Report:
    """Put a text before every text of a report that comes from evidence."""

    def told(name: str, value: object) -> object:
        is_text = isinstance(value, str) and not isinstance(value, Enum) and name not in OWN_WORDS
        return f"{text}{value}" if is_text else value

    def put(*names: str) -> list[pl.Expr]:
        return [(pl.lit(text) + pl.col(name)).alias(name) for name in names]

    named = ("path", "kind", "form", "release", "gateway", "detected_by", "timezone", "sha256")
    return replace(
        report,
        sources=report.sources.with_columns(put(*named)),
        notices=report.notices.with_columns(put("message", "code")),
        findings=tuple(mapped(one, told) for one in report.findings),
        restarts=tuple(mapped(one, told) for one in report.restarts),
        summary=replace(report.summary, healed=tuple(text + task for task in report.summary.healed)),
        runs=report.runs.with_columns(put("gateway", "job_id")),
        log_spans=report.log_spans.with_columns(put("gateway")),
    )


def mapped(told: _Told, change: Callable[[str, Any], object], name: str = "") -> _Told:
    """Give a dataclass with every value in it changed, those of dataclasses and tuples inside as well.

    ``change`` is given the name of the field, and its value.
    """
    if isinstance(told, tuple):
        return type(told)(mapped(one, change, name) for one in told)
    if is_dataclass(told) and not isinstance(told, type):
        values = {field.name: mapped(getattr(told, field.name), change, field.name) for field in fields(told)}
        return replace(told, **values)
    return change(name, told)  # type: ignore[return-value]
