"""Thousands of rows and records that claim one run, of lines of one restart: never all of them with all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from forensics.correlator.audit import audit
from forensics.correlator.durable import _add_fatal
from forensics.correlator.windows import Line, Window
from forensics.model.policy import CITED_LINES, Policy
from forensics.model.verdicts import LifecycleKind, WindowKind
from tests.support.scenario import Gateway, J, a_day, at, audited, evidence_of, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")
MANY = 300


def same_start(number: int) -> Gateway:
    gateway = a_day()
    for one in range(number):
        gateway.row(J, S, L, task_id=f"task {one}").record(J, S, duration=60 + one / 1000)
    return gateway


def same_end(number: int) -> Gateway:
    gateway = a_day()
    for one in range(number):
        gateway.row(J, S, L, task_id=f"task {one}").record(
            J, None, duration=60, written=S + seconds(60), error=f"{one}"
        )
    return gateway


def same_second(number: int) -> Gateway:
    gateway = a_day()
    for one in range(number):
        gateway.row(J, S, L, task_id=f"task {one}", run_id=None, precision_ms=1000)
        gateway.record(J, S + seconds(0.2), duration=60 + one / 1000)
    return gateway


def next_to_each_other(number: int) -> Gateway:
    gateway = a_day()
    for one in range(number):
        gateway.row(J, S, L, task_id=f"task {one}").record(J, S + seconds(0.5), duration=60 + one / 1000)
    return gateway


@pytest.mark.parametrize("crowd", [same_start, same_end, same_second, next_to_each_other])
def test_a_crowd_of_rivals_is_withheld_and_never_paired_all_with_all(
    crowd: Callable[[int], Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = evidence_of(crowd(MANY))
    heights = []
    join = pl.DataFrame.join

    def watched(frame: pl.DataFrame, *args: Any, **kwargs: Any) -> pl.DataFrame:
        joined = join(frame, *args, **kwargs)
        heights.append(joined.height)
        return joined

    monkeypatch.setattr(pl.DataFrame, "join", watched)
    report = audit(evidence)
    assert report.summary.verdicts["undetermined"] == MANY
    assert max(heights) <= 4 * MANY


def test_ten_copies_of_a_crowded_registry_are_one_crowd() -> None:
    gateway = a_day().record(J, S)
    for number in range(MANY):
        gateway.row(J, S, L, task_id=f"task {number}")
        for copy in range(9):
            gateway.row(J, S, L, task_id=f"task {number}", copy=f"copy {copy}")
    report = audited(gateway)
    assert report.summary.lost == report.summary.verdicts["undetermined"] == MANY
    assert all("ambiguous_rows" in finding.reasons for finding in report.findings)


def test_a_row_alone_among_thousands_of_records_of_its_run_keeps_its_verdict() -> None:
    gateway = a_day().row(J, S, L).row(J, S + seconds(300), L, task_id="another")
    for number in range(MANY):
        gateway.record(J, S + seconds(300), duration=60 + number / 1000)
    report = audited(gateway.record(J, S))
    assert said(found(report)) == ("false_lost", "exact")
    assert found(report, "another").reasons[:1] == ("conflict",)


def test_two_rows_claim_a_printed_record_even_if_the_start_of_one_was_moved_by_its_events() -> None:
    """The start is the number in the run id; agent events may move the column (formats.md §3.2)."""
    gateway = a_day().row(J, S + seconds(0.1), L)
    gateway.row(J, S + seconds(0.6), L, task_id="moved", started_at=S + seconds(40))
    report = audited(gateway.record(J, S, precision_ms=1000))
    assert [said(found(report, task_id)) for task_id in ("task", "moved")] == [("undetermined", None)] * 2


def test_a_row_whose_column_was_moved_claims_the_printed_record_of_its_start() -> None:
    gateway = a_day().row(J, S + seconds(0.1), L, started_at=S + seconds(40))
    assert said(finding_of(gateway.record(J, S, precision_ms=1000))) == ("false_lost", "strong")


@pytest.mark.parametrize(
    "kind", [LifecycleKind.DRAIN_STARTED, LifecycleKind.SHUTDOWN_COMPLETED, LifecycleKind.SERVICE_STOPPED]
)
def test_each_line_of_a_restart_without_end_is_compared_with_few_others(
    kind: LifecycleKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway()
    for late, log in enumerate((gateway.logged, gateway.shown)):
        log(at("00:00"), at("23:00"))
        for number in range(MANY):
            gateway.line(kind, S + seconds(number * 0.3 + late * 0.05))
    evidence = evidence_of(gateway)
    compared = []
    same = Line.__eq__

    def watched(line: Line, other: object) -> bool:
        compared.append(line)
        return same(line, other)

    monkeypatch.setattr(Line, "__eq__", watched)
    report = audit(evidence)
    told = sum(len(restart.evidence) for restart in report.restarts)
    assert told == 2 * MANY
    assert len(compared) <= 8 * MANY


def test_a_row_cites_a_part_of_the_thousands_of_lines_of_its_restart() -> None:
    count = 5 * CITED_LINES
    gateway = Gateway().logged(at("00:00"), at("23:00"))
    for number in range(count):
        gateway.line(LifecycleKind.DRAIN_STARTED, S + seconds(10 + number * 0.3))
    gateway.started(S + seconds(1000))
    for number in range(3):
        gateway.row(J, S, L, task_id=f"task {number}")
    report = audited(gateway)
    (restart,) = report.restarts
    assert len(restart.evidence) > count
    for finding in report.findings:
        told = [fact for fact in finding.evidence if fact.role == "restart"]
        assert len(told) == CITED_LINES + 1
        places = [(fact.source, fact.line) for fact in told]
        for fact in (restart.evidence[0], restart.evidence[-1]):
            assert (fact.source, fact.line) in places
        left = len(restart.evidence) - CITED_LINES
        assert f"R1: {left} more lines, which forensics restarts lists" in [fact.text for fact in told]


def test_each_boot_of_thousands_is_given_the_end_that_names_no_start() -> None:
    gateway = Gateway()
    for number in range(MANY):
        started = at("00:00") + seconds(number * 100)
        gateway.boot(started, 5000 + number % 7)
        gateway.recorded(LifecycleKind.BOOT_ENDED, started + seconds(50), 5000 + number % 7, detail="clean_stop: stop")
    restarts = audited(gateway.row(J, S, L)).restarts
    assert [restart.down_at for restart in restarts[1:]] == [
        at("00:00") + seconds(number * 100 + 50) for number in range(MANY)
    ]


def first_of_all(windows: Sequence[Window], line: Line, policy: Policy) -> int | None:
    """Give the window that a cause of death belongs to, by looking at all of them."""
    for number, window in enumerate(windows):
        until = window.up_at or window.down_at_latest + policy.boot_near_log
        foreign = line.pid is not None and window.pid_before not in (None, line.pid)
        if window.down_at - policy.same_event <= line.at <= until and not foreign:
            return number
    return None


@pytest.mark.parametrize("seed", range(8))
def test_a_cause_of_death_is_found_its_window_without_looking_at_all(seed: int) -> None:
    rng, policy = random.Random(seed), Policy()  # noqa: S311 - no secret
    windows = []
    for _ in range(40):
        down = S + timedelta(minutes=rng.randrange(300))
        latest = down + timedelta(minutes=rng.randrange(20))
        window = Window(
            WindowKind.CRASH, down, latest, stop_seen=rng.random() < 0.5, pid_before=rng.choice([None, 1, 2])
        )
        window.up_at = rng.choice([None, latest + timedelta(minutes=rng.randrange(9))])
        windows.append(window)
    windows.sort(key=lambda window: window.down_at)
    for number in range(120):
        moment = S + timedelta(minutes=rng.randrange(330))
        line = Line(moment, moment, LifecycleKind.FATAL, 0, number, rng.choice([None, 1, 2, 3]), None, f"{number}", "")
        wanted, before = first_of_all(windows, line, policy), deepcopy(windows)
        _add_fatal(windows, [line], policy)
        grown = [place for place, window in enumerate(windows) if len(window.lines) > len(before[place].lines)]
        assert grown == ([] if wanted is None else [wanted])
