"""One history of a gateway, told in every text form, is read as one history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from dateutil import tz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forensics.model.verdicts import LifecycleKind as K
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.parsed import Parsed
from forensics.parsers.text_forms import FORMS
from forensics.parsers.text_log import parse_text_log
from tests.parsers import text_shapes as shapes
from tests.parsers.lifecycle_cases import CASES
from tests.parsers.shapes import START_MS, at, write_log
from tests.parsers.test_text_log import is_told_alike
from tests.parsers.text_shapes import Said

HOURS = 2
ZONE = tz.tzoffset("there", timedelta(hours=HOURS))
QUIET = [
    Said("diagnostic", "lane enqueue", 0),
    Said("gateway/ws", "res ok", 0),
    Said("gateway", "cron: job created", 0),
]
SAID = [
    *QUIET,
    *(
        Said(case.binding, case.message, 0, case.fields)
        for case in CASES
        if is_told_alike(case) and case.binding != "cron"
    ),
]
LONGEST_GAP_MS = 20 * 3_600_000
"""A clock without a date does not tell a gap of nearly a day from a clock that was set back."""

histories = st.tuples(
    st.integers(START_MS, START_MS + 400 * 86_400_000),
    st.lists(st.tuples(st.integers(0, LONGEST_GAP_MS), st.sampled_from(SAID)), min_size=1, max_size=12),
)


def told(start_ms: int, steps: Sequence[tuple[int, Said]]) -> list[Said]:
    said: list[Said] = []
    ms = start_ms
    for gap_ms, message in steps:
        ms += gap_ms
        said.append(Said(message.binding, message.message, ms, message.fields))
    return said


def rows(parsed: Parsed, kind: bool = True) -> list[tuple[object, ...]]:
    assert parsed.lifecycle is not None
    events = parsed.lifecycle.filter((pl.col("kind") != K.LAST_LINE) == kind)
    return events.select("line", "kind", "signal", "job_id", "run_id", "detail").rows()


def times(parsed: Parsed) -> list[datetime]:
    assert parsed.lifecycle is not None
    return parsed.lifecycle["at"].to_list()


@pytest.mark.parametrize("form", shapes.FORMS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_every_form_tells_the_same_history(
    tmp_path: Path, form: str, history: tuple[int, list[tuple[int, Said]]]
) -> None:
    said = told(*history)
    name, write, precision_ms = shapes.FORMS[form]
    reference = parse_gateway_log(write_log(tmp_path / "file", *(shapes.file_record(one) for one in said)))
    first_day = at(said[0].ms + HOURS * 3_600_000)
    known = Given(name=f"log-{first_day:%Y-%m-%d}.txt", zone=ZONE)
    parsed = parse_text_log(write_log(tmp_path / "text", *map(write, said)), known, name, "")
    assert rows(parsed) == rows(reference)
    assert rows(parsed, kind=False) == rows(reference, kind=False)
    apart = [abs(one - other) for one, other in zip(times(parsed), times(reference), strict=True)]
    assert max(apart, default=timedelta(0)) < timedelta(milliseconds=precision_ms)
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected


READY = Said("gateway", "gateway ready", START_MS)
STAMPS = r"(\d\d:\d\d:\d\d|20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ|Feb \d\d \d\d:\d\d:\d\d h node\[1\]:)"
pieces = st.one_of(
    st.text(max_size=60),
    st.sampled_from(SAID).map(lambda one: shapes.compact(Said(one.binding, one.message, START_MS)).strip()),
    st.sampled_from(list(shapes.FORMS.values())).map(lambda form: form[1](READY).strip()),
    st.from_regex(STAMPS + r" \[gateway\] ready"),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(pieces, max_size=8), cut=st.integers(0, 40), form=st.sampled_from(FORMS))
def test_no_text_makes_reading_fail(tmp_path: Path, lines: list[str], cut: int, form: object) -> None:
    path = tmp_path / "text"
    text = "\n".join(lines)
    path.write_bytes(text[: len(text) - cut].encode("utf-8", "surrogatepass"))
    parsed = parse_text_log(path, Given(name="2026-04-17"), getattr(form, "name"), "")  # noqa: B009
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    assert min(parsed.records, parsed.skipped, parsed.rejected) >= 0
