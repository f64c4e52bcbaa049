"""The baseline of a check: what it knows, how long, and that no broken file is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from forensics.model.baseline import (
    SCHEMA,
    Baseline,
    Entry,
    baseline_text,
    fingerprint_of,
    identity_of,
    parsed_baseline,
    renewed,
)
from forensics.model.verdicts import Verdict
from tests.support.checks import checked, every_verdict, knowing

CONTRACT = json.loads((files("forensics") / "schema" / "baseline-1.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(CONTRACT, format_checker=Draft202012Validator.FORMAT_CHECKER)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ENTRIES = st.builds(Entry, TEXTS, st.none() | TEXTS, st.sampled_from(Verdict), TEXTS, st.none() | st.dates())
BASELINES = st.lists(ENTRIES, unique_by=lambda entry: entry.identity, max_size=8).map(
    lambda told: Baseline(tuple(told))
)

GOOD: dict[str, Any] = {"task": "t", "run": "r", "verdict": "interrupted", "reason": "seen", "expires": "2026-05-01"}


def written(*entries: object, **rest: object) -> bytes:
    return json.dumps({"schema": SCHEMA, "entries": list(entries)} | rest).encode()


@given(BASELINES)
def test_a_baseline_is_read_back_as_it_was_written(baseline: Baseline) -> None:
    text = baseline_text(baseline)
    assert text.isascii()
    assert parsed_baseline(text.encode()).by_identity() == baseline.by_identity()
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(text))] == []


@given(BASELINES, st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_no_byte(baseline: Baseline, random: Any) -> None:
    shuffled = list(baseline.entries)
    random.shuffle(shuffled)
    assert baseline_text(Baseline(tuple(shuffled))) == baseline_text(baseline)


SHAPES = {
    "no object": (b"[]", "schema: it is not forensics.baseline/1"),
    "another schema": (b'{"schema": "forensics.audit/1", "entries": []}', "schema: it is not"),
    "no entries": (json.dumps({"schema": SCHEMA}).encode(), "entries: no list"),
    "a key of the file": (written(more=1), '"more": no such key'),
    "an entry that is none": (written(GOOD, 7), r"entries\[1\]: no object"),
    "a misspelt key": (written(GOOD | {"expire": "2026-05-01"}), r'entries\[0\]\."expire": no such key; .*expires'),
    "no task": (written({k: v for k, v in GOOD.items() if k != "task"}), r"entries\[0\]\.task: it is missing"),
    "no reason": (written({k: v for k, v in GOOD.items() if k != "reason"}), r"entries\[0\]\.reason: it is missing"),
    "a number as task": (written(GOOD | {"task": 7}), r"entries\[0\]\.task: 7 is no text"),
    "a list as run": (written(GOOD | {"run": []}), r"entries\[0\]\.run: \[\] is no text"),
    "no verdict of ours": (written(GOOD | {"verdict": "lost"}), r'entries\[0\]\.verdict: "lost" is no verdict'),
    "a time as day": (written(GOOD | {"expires": "2026-05-01T00:00Z"}), r"entries\[0\]\.expires: .* is no day"),
    "no day of the year": (written(GOOD | {"expires": "2026-02-30"}), r"entries\[0\]\.expires: .* is no day"),
    "digits of another script": (written(GOOD | {"expires": "٢٠٢٦-05-01"}), r"entries\[0\]\.expires: .* is no day"),
    "half a character": (written(GOOD | {"reason": "\ud800"}), r"entries\[0\]\.reason: it holds half a character"),
}
BROKEN = SHAPES | {
    "twins": (written(GOOD, GOOD | {"reason": "other"}), r"entries\[1\]: the same task, run and verdict"),
    "empty": (b"", "line 1, column 1: no JSON"),
    "cut": (written(GOOD)[:-3], "line 1, column .*: no JSON"),
    "a broken line": (b'{"schema": 1,\n  "entries" []}', "line 2, column 13: no JSON"),
    "no UTF-8": (b'{\n"a": "\xff"}', "line 2: not UTF-8"),
    "a key twice": (b'{"schema": 1, "schema": 2}', '"schema" is given twice'),
    "no number": (b'{"schema": NaN}', "NaN is no JSON"),
    "deep": (b"[" * 200_000, "nested too deeply|no JSON"),
    "a number of 10,000 digits": (b'{"schema": ' + b"9" * 10_000 + b"}", "digits"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_baseline_is_refused_with_its_place(name: str) -> None:
    content, message = BROKEN[name]
    with pytest.raises(ValueError, match=message) as refused:
        parsed_baseline(content)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "half a character"])
def test_the_contract_refuses_the_same_shapes(name: str) -> None:
    assert list(VALIDATOR.iter_errors(json.loads(SHAPES[name][0])))


@given(st.binary(max_size=200) | BASELINES.map(lambda told: baseline_text(told).encode()), st.data())
def test_whatever_is_in_the_file_it_is_a_baseline_or_an_error(content: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    changed = content[:start] + data.draw(st.binary(max_size=3)) + content[start + data.draw(st.integers(0, 3)) :]
    try:
        told = parsed_baseline(changed)
    except ValueError:
        return
    assert parsed_baseline(baseline_text(told).encode()).by_identity() == told.by_identity()


def test_a_file_beyond_all_measure_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensics.model.baseline.BASELINE_TEXT_BYTES", 50)
    with pytest.raises(ValueError, match="more than 50 bytes"):
        parsed_baseline(written(GOOD))


def test_the_contract_knows_every_verdict() -> None:
    assert set(CONTRACT["$defs"]["entry"]["properties"]["verdict"]["enum"]) == {verdict.value for verdict in Verdict}
    Draft202012Validator.check_schema(CONTRACT)


def test_a_finding_is_known_wherever_it_stands_and_whenever_it_was_marked() -> None:
    one = every_verdict().findings[0]
    moved = replace(one, source=3, line=99, gateway="other", lost_at=datetime(2027, 1, 1, tzinfo=UTC), reasons=())
    assert fingerprint_of(moved) == fingerprint_of(one)


@pytest.mark.parametrize("change", [{"task_id": "x"}, {"run_id": None}, {"verdict": Verdict.FAILED}])
def test_another_task_run_or_verdict_is_another_finding(change: dict[str, Any]) -> None:
    one = every_verdict().findings[0]
    assert fingerprint_of(replace(one, **change)) != fingerprint_of(one)


def test_fingerprints_tell_all_findings_apart() -> None:
    findings = every_verdict().findings
    assert len({fingerprint_of(finding) for finding in findings}) == len(findings)


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.timedeltas(timedelta(days=-3), timedelta(days=3)))
@example(date(2026, 5, 1), timedelta(hours=23, minutes=59))
@example(date(2026, 5, 1), timedelta(days=1))
def test_an_entry_counts_through_its_last_day_in_utc(day: date, later: timedelta) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    entry = Entry("t", None, Verdict.FAILED, "", day)
    assert entry.has_expired(midnight + later) is (later >= timedelta(days=1))


def test_renewed_keeps_what_was_said_and_drops_what_is_gone() -> None:
    check = checked()
    listed = check.listed()
    kept = Entry(*identity_of(listed[0]), "accepted by the owner", date(2026, 5, 1))
    calm = next(finding for finding in check.report.findings if finding.verdict is Verdict.FALSE_LOST)
    other = Entry(*identity_of(calm), "of no --fail-on, but still there")
    gone = Entry("gone", None, Verdict.INTERRUPTED, "no longer there")
    told = renewed(Baseline((kept, other, gone)), check.report.findings, listed)
    assert set(told.by_identity()) == {identity_of(finding) for finding in (*listed, calm)}
    assert {kept, other} < set(told.entries)
    assert renewed(told, check.report.findings, listed).by_identity() == told.by_identity()


def test_known_expired_new_and_stale_are_told_apart() -> None:
    known, expired, *new = checked().listed()
    day = every_verdict().now.date()
    stale = Entry("gone", "r", Verdict.UNEXPLAINED, "")
    entries = (
        *knowing([known], expires=day).entries,
        *knowing([expired], expires=day - timedelta(days=1)).entries,
        stale,
    )
    check = checked(baseline=Baseline(entries), only_new=True)
    told = {finding.task_id: check.standing_of(finding) for finding in check.listed()}
    assert told == {known.task_id: "known", expired.task_id: "expired"} | {one.task_id: "new" for one in new}
    assert check.stale() == (stale,)
    assert check.failing() == (expired, *new)
    assert replace(check, only_new=False).failing() == check.listed()
