"""The warnings about times out of order: the gateway's own order of writing is told apart from what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics import audit, load_evidence
from forensics.model.finding import OddTimes, Report
from forensics.model.policy import CREATED_AFTER_START, ODD_ROWS_NAMED
from forensics.model.verdicts import TimeOrder
from forensics.writers.told_times import odd_times_told
from tests.correlator.test_invariants import trying
from tests.support.audits import Answer, answers, as_it_was, unpack_audits
from tests.support.captures import EvidenceSet, archived_sets, unpack
from tests.support.handed_over import HOUR, HandedOver, ms
from tests.support.scenario import Gateway, J, a_day, at, audited, seconds

CODE = "inconsistent_timestamps"
NOW = ms("2026-04-26T12:00:00Z")
S = at("10:00")


def ended(gateway: Gateway, task_id: str, late_ms: int, lasted: float = 60, **columns: object) -> Gateway:
    """Write a row that was created so much after its start."""
    told = {"status": "succeeded", "error": None, "created_at": S + seconds(late_ms / 1000)} | columns
    return gateway.row(J, S, S + seconds(lasted), task_id=task_id, **told)  # type: ignore[arg-type]


def told_of(report: Report) -> dict[TimeOrder, OddTimes]:
    return {odd.kind: odd for odd in report.odd_times}


def test_rows_that_are_written_after_their_start_are_one_kind_with_its_spread() -> None:
    gateway = a_day()
    for number, late_ms in enumerate((1, 1, 3, 14)):
        ended(gateway, f"task {number}", late_ms)
    (odd,) = audited(gateway).odd_times
    assert (odd.kind, odd.rows) == (TimeOrder.START_BEFORE_CREATION, 4)
    assert (odd.least_ms, odd.median_ms, odd.most_ms, odd.named) == (1, 2.0, 14, ())


def test_what_a_clock_may_have_done_is_told_apart_and_named() -> None:
    gateway = ended(ended(a_day(), "own order", 2), "clock", 90_000)
    ended(ended(gateway, "backward", 0, lasted=-3), "active", 0, status="running", last_event_at=S)
    told = told_of(audited(gateway))
    assert list(told) == list(TimeOrder)
    assert told[TimeOrder.START_BEFORE_CREATION].most_ms == 2
    for kind, task_id, by_ms in (
        (TimeOrder.START_LONG_BEFORE_CREATION, "clock", 90_000),
        (TimeOrder.END_BEFORE_START, "backward", 3_000),
        (TimeOrder.ACTIVE_ENDED, "active", None),
    ):
        assert [(row.task_id, row.by_ms) for row in told[kind].named] == [(task_id, by_ms)]


def test_the_own_order_of_writing_ends_after_a_second() -> None:
    limit = CREATED_AFTER_START // seconds(0.001)
    assert list(told_of(audited(ended(a_day(), "task", limit)))) == [TimeOrder.START_BEFORE_CREATION]
    assert list(told_of(audited(ended(a_day(), "task", limit + 1)))) == [TimeOrder.START_LONG_BEFORE_CREATION]


def test_a_row_that_is_odd_in_two_ways_is_told_for_the_graver() -> None:
    gateway = ended(a_day(), "both", 2, lasted=-1)
    assert list(told_of(audited(gateway))) == [TimeOrder.END_BEFORE_START]


def test_whole_seconds_measure_no_milliseconds() -> None:
    gateway = ended(ended(a_day(), "fine", 2), "coarse", 1000, precision_ms=1000)
    (odd,) = audited(gateway).odd_times
    assert (odd.rows, odd.coarse, odd.least_ms, odd.most_ms) == (2, 1, 2, 2)
    (alone,) = audited(ended(a_day(), "coarse", 1000, precision_ms=1000)).odd_times
    assert (alone.rows, alone.least_ms, alone.median_ms, alone.most_ms) == (1, None, None, None)


def test_a_registry_with_times_in_order_has_none() -> None:
    assert audited(a_day().succeeded(J, S, at("10:01"), task_id="task")).odd_times == ()


def test_of_many_rows_only_the_worst_are_named() -> None:
    gateway = a_day()
    for number in range(ODD_ROWS_NAMED + 2):
        ended(gateway, f"task {number}", 2_000 + number)
    (odd,) = audited(gateway).odd_times
    assert (odd.rows, len(odd.named)) == (ODD_ROWS_NAMED + 2, ODD_ROWS_NAMED)
    assert odd.named[0].by_ms == odd.most_ms
    assert min(row.by_ms or 0 for row in odd.named) > (odd.least_ms or 0)


@trying(25)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 40, 999, 5_000]), st.sampled_from([-5, 0, 60]), st.booleans())))
def test_the_kinds_add_up_to_the_count_of_the_audit(rows: list[tuple[int, float, bool]]) -> None:
    gateway = a_day()
    for number, (late_ms, lasted, is_active) in enumerate(rows):
        active = {"status": "running", "last_event_at": S} if is_active else {}
        ended(gateway, f"task {number}", late_ms, lasted, **active)
    report = audited(gateway)
    assert sum(odd.rows for odd in report.odd_times) == report.summary.before.by_code[CODE]


@pytest.mark.parametrize("answer", [answer for answer in answers() if answer.registry is not None], ids=str)
def test_the_kinds_add_up_to_what_the_gateway_counted(answer: Answer, unpacked: Path) -> None:
    evidence = load_evidence([str(unpack_audits(unpacked) / str(answer.registry))])
    report = audit(evidence, release=answer.release)
    moment = answer.latest or report.now
    report = audit(replace(evidence, tasks=as_it_was(evidence.tasks, moment)), now=moment, release=answer.release)
    assert sum(odd.rows for odd in report.odd_times) == answer.counts.by_code[CODE]


@pytest.mark.parametrize("told", [told for told in archived_sets() if told.name == "final"], ids=str)
def test_no_captured_gateway_had_a_wrong_clock(told: EvidenceSet, unpacked: Path) -> None:
    folder = unpack(told.capture, unpacked)
    report = audit(load_evidence([str(folder / path) for path in told.paths]))
    assert {odd.kind for odd in report.odd_times} <= {TimeOrder.START_BEFORE_CREATION}
    assert all((odd.most_ms or 0) < 20 for odd in report.odd_times)


def test_70887_seven_hundred_warnings_are_one_sentence(host: HandedOver) -> None:
    """Deltas of start and creation as published: -4 ms twice, -2 ms once, -1 ms 706 times."""
    for early_ms, count in ((4, 2), (2, 1), (1, 706)):
        for number in range(count):
            start = NOW - HOUR - number * 1_000
            told = {"task_id": f"early-{early_ms}-{number}", "created_at": start + early_ms}
            host.succeeded("trading", start, start + 500, **told)  # type: ignore[arg-type]
    host.evidence()
    (sentence,) = odd_times_told(audit(load_evidence([str(host.folder)])))
    assert sentence == (
        "inconsistent_timestamps: 709 warnings: startedAt is earlier than createdAt by 1 to 4 ms (median 1 ms): the "
        "order in which releases before 2026.4.25 write a row, no sign of a wrong clock."
    )


def test_a_sentence_names_where_the_worst_rows_stand(host: HandedOver) -> None:
    start = NOW - HOUR
    host.succeeded("job", start, start + 500, task_id="set-clock", created_at=start + 7_200_000)
    host.evidence()
    report = audit(load_evidence([str(host.folder)]))
    (sentence,) = odd_times_told(report)
    assert "1 warning: startedAt is far earlier than createdAt by 2 h: " in sentence
    assert "set-clock (" in sentence
    assert "task_runs rowid " in sentence
    assert "no sign of a wrong clock" not in sentence
