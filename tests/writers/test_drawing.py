"""The drawing of a row's timeline: in order of time, within its width, and with a mark for every fact of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forensics.correlator.audit import audit
from forensics.correlator.circumstances import explained
from forensics.model.finding import Citation, Finding, Report
from forensics.model.verdicts import EvidenceRole, Verdict
from forensics.writers.drawing import (
    BREAK,
    MARK,
    SWEEP,
    Lane,
    Span,
    drawn_timeline,
    lanes_of,
    moments_of,
    plot_width,
    scale_of,
)
from forensics.writers.explain import write_explanation
from forensics.writers.reasoning import explained_loss
from tests.correlator.test_invariants import gateways, trying
from tests.support.scenario import DAY, Gateway, J, a_day, at, audited, evidence_of, found, seconds

S = at("10:00")
L = at("10:20")
MARGIN = 100 - plot_width(100)
FILLS = {" ", "─", "═", "╌", "━", "░", "?", "/"}
LANE_OF = {
    EvidenceRole.START: "row says",
    EvidenceRole.FINISH: "own run",
    EvidenceRole.STAND_IN: "stand-in",
    EvidenceRole.RESTART: "gateway",
    EvidenceRole.MARKER: "marker",
    EvidenceRole.CATCH_UP: "catch-up",
    EvidenceRole.NEAR_MISS: "near miss",
    EvidenceRole.LOST_MARK: "lost mark",
}
WIDTHS = st.integers(60, 100)
GAPS = st.lists(st.integers(1, 10**9) | st.integers(1, 2_000), min_size=1, max_size=12)


def facts_of(finding: Finding) -> list[Citation]:
    return [fact for fact in finding.evidence if fact.role != EvidenceRole.COVERAGE]


def drawn(gateway: Gateway, width: int = 100) -> list[str]:
    report = audited(gateway)
    finding = found(report)
    return drawn_timeline(finding, report, facts_of(finding), width)


def lane(lines: Sequence[str], name: str) -> str:
    """Give what is drawn in a lane."""
    (line,) = [line for line in lines if line[2:MARGIN].strip() == name]
    return line[MARGIN:].ljust(plot_width(100))


def lane_of(finding: Finding, fact: Citation) -> str:
    """Name the lane in which a fact has its mark."""
    if fact.role == EvidenceRole.FINISH and finding.verdict not in (Verdict.FALSE_LOST, Verdict.FAILED):
        return "own record"
    return LANE_OF[EvidenceRole(fact.role)]


def moments_after(gaps_ms: Sequence[int]) -> list[datetime]:
    moments = [DAY]
    for gap in gaps_ms:
        moments.append(moments[-1] + timedelta(milliseconds=gap))
    return moments


@given(GAPS, st.integers(46, 86))
def test_places_are_in_the_order_of_times_and_within_the_drawing(gaps_ms: list[int], columns: int) -> None:
    moments = moments_after(gaps_ms)
    scale = scale_of(moments, columns)
    assert scale is not None
    between = [moment + (later - moment) / 3 for moment, later in pairwise(moments)]
    beyond = [DAY - timedelta(days=9), moments[-1] + timedelta(days=9)]
    places = [scale.x(moment) for moment in sorted([*moments, *between, *beyond])]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, columns - 1)
    assert [scale.x(moment) for moment in moments] == list(scale.columns)


@given(GAPS, st.integers(46, 86))
def test_what_is_not_cut_is_to_one_scale(gaps_ms: list[int], columns: int) -> None:
    scale = scale_of(moments_after(gaps_ms), columns)
    assert scale is not None
    kept = [number for number in range(len(gaps_ms)) if number not in scale.cuts]
    whole = sum(gaps_ms[number] for number in kept)
    room = columns - 1 - 8 * len(scale.cuts)
    for number in kept:
        drawn_columns = scale.columns[number + 1] - scale.columns[number]
        assert abs(drawn_columns - gaps_ms[number] * room / whole) <= 1


@given(GAPS)
def test_a_gap_is_cut_only_where_it_dwarfs_what_is_left(gaps_ms: list[int]) -> None:
    scale = scale_of(moments_after(gaps_ms), 86)
    assert scale is not None
    left = sum(gap for number, gap in enumerate(gaps_ms) if number not in scale.cuts)
    assert all(gaps_ms[number] >= 10 * left >= 10_000 for number in scale.cuts)


def test_two_long_gaps_are_both_cut() -> None:
    hour = 3_600_000
    scale = scale_of(moments_after([5_000, 12 * hour, 40_000, 12 * hour, 5_000]), 86)
    assert scale is not None
    assert scale.cuts == {1, 3}


def test_less_than_two_moments_make_no_scale() -> None:
    assert scale_of([], 86) is scale_of([DAY], 86) is None


@trying(40)
@given(gateways(), WIDTHS)
def test_every_fact_with_a_time_has_a_mark_and_nothing_leaves_the_width(gateway: Gateway, width: int) -> None:
    report = audited(gateway)
    assume(report.findings)
    for finding in report.findings:
        facts = facts_of(finding)
        lines = drawn_timeline(finding, report, facts, width)
        scale = scale_of(moments_of(lanes_of(finding, report, facts)), plot_width(width))
        assert bool(lines) == (scale is not None)
        assert all(len(line) <= width for line in lines)
        for fact in facts if scale else ():
            if fact.at is not None and scale is not None:
                sign = lane(lines, lane_of(finding, fact))[scale.x(fact.at)]
                assert sign not in FILLS, (fact, lines)


@trying(25)
@given(gateways(), WIDTHS)
def test_the_order_of_the_facts_changes_nothing(gateway: Gateway, width: int) -> None:
    report = audited(gateway)
    for finding in report.findings:
        facts = facts_of(finding)
        assert drawn_timeline(finding, report, facts[::-1], width) == drawn_timeline(finding, report, facts, width)


@pytest.mark.parametrize(("asked", "width"), [(20, 60), (60, 60), (77, 77), (100, 100), (250, 100)])
def test_the_drawing_is_60_to_100_columns_wide(asked: int, width: int) -> None:
    lines = drawn(a_day().row(J, S, L).record(J, S), asked)
    assert max(len(line) for line in lines) == width


def test_a_run_that_ended_before_the_restart_is_drawn_before_it() -> None:
    lines = drawn(a_day().row(J, S, L).record(J, S).restarted(at("10:05"), at("10:08")))
    run, gateway, row = lane(lines, "own run"), lane(lines, "gateway"), lane(lines, "row says")
    assert run.startswith("╞")
    assert run.rstrip().endswith("╡")
    assert run.index("╡") < gateway.index(MARK) < gateway.index("░")
    assert (row[0], row[-1]) == ("├", "┤")
    assert lane(lines, "lost mark").index(SWEEP) == plot_width(100) - 1


def test_a_stand_in_is_drawn_after_the_restart_in_a_lane_of_its_own() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), ready=90, cron=900)
    lines = drawn(gateway.missed(at("10:07:40"), J).record(J, at("10:07:50"), duration=120))
    assert not any("own run" in line for line in lines)
    assert lane(lines, "stand-in").index("╞") > lane(lines, "gateway").rindex("░")


def test_the_time_in_which_a_crash_may_have_come_is_in_doubt() -> None:
    gateway = lane(drawn(a_day().row(J, S, L).crashed(at("10:05"), at("10:08"), ready=90)), "gateway")
    assert gateway.index("━") < gateway.index("?") < gateway.index("░")


def test_where_no_log_covers_nothing_is_said_of_the_gateway() -> None:
    assert not any("gateway" in line for line in drawn(Gateway().row(J, S, L).record(J, S).copied(at("23:00"))))


def test_a_window_that_was_never_ready_lasts() -> None:
    gateway = lane(drawn(a_day().row(J, S, L).stopping(at("10:15"))), "gateway")
    assert gateway.endswith("░")


def test_a_window_that_was_never_ready_ends_with_the_log() -> None:
    gateway = Gateway().logged(at("00:00"), at("10:10")).started(at("00:00")).copied(at("23:00"))
    line = lane(drawn(gateway.row(J, S, L).record(J, S).stopping(at("10:05"))), "gateway")
    middle = plot_width(100) // 2
    assert line[middle - 3] == "░"
    assert line[middle + 3 :].strip() == ""


def test_a_window_in_doubt_is_drawn_as_doubt() -> None:
    report = audited(a_day().row(J, S, L).record(J, S).restarted(at("10:05"), at("10:06"), ready=90))
    finding = found(report)
    doubtful = replace(report, restarts=tuple(replace(one, doubt="sources disagree") for one in report.restarts))
    sure, doubted = (drawn_timeline(finding, one, facts_of(finding)) for one in (report, doubtful))
    assert "░" in lane(sure, "gateway")
    assert "░" not in lane(doubted, "gateway")
    assert lane(doubted, "gateway") == lane(sure, "gateway").replace("░", "?")


def test_the_restarts_of_another_gateway_are_not_drawn() -> None:
    one, other = a_day("one").row(J, S, L).record(J, S), a_day("other").restarted(at("10:05"), at("10:06"), ready=90)
    finding = found(audited(one), gateway="one")
    alone, together = (drawn_timeline(finding, told, facts_of(finding)) for told in (audited(one), audited(one, other)))
    assert together == alone


def test_a_run_that_died_is_not_drawn_beyond_its_death() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), ready=90).interrupted(J, S, at("10:07:40"))
    lines = drawn(gateway)
    assert not any("╡" in line for line in lines)
    assert lane(lines, "own record").strip() == MARK
    assert lane(lines, "own record").index(MARK) > lane(lines, "gateway").rindex("░")


def test_a_long_gap_is_cut_in_every_lane_and_said_to_be() -> None:
    lines = drawn(a_day().row(J, S, at("22:00")).record(J, S).restarted(at("10:02"), at("10:02:20")))
    axis = lines[1][MARGIN:]
    column = axis.index(BREAK)
    for name in ("row says", "gateway"):
        assert lane(lines, name)[column : column + 2] == BREAK
    assert lane(lines, "own run")[column : column + 2] == "  "
    assert "// a long gap, cut short" in lines[-1]
    assert lane(lines, "own run").index("╡") > 10


def test_the_axis_names_the_day_and_every_day_that_differs() -> None:
    lines = drawn(a_day().row(J, at("23:50"), at("00:10", day=1)).record(J, at("23:50")))
    assert lines[0].split() == ["2026-04-17", "23:50:00", *lines[0].split()[2:]]
    assert "04-18 00:10:00" in lines[0]


def test_close_moments_are_told_to_the_millisecond() -> None:
    lane_of_times = drawn(a_day().row(J, S, S + seconds(5)).record(J, S, duration=3))[0]
    assert "10:00:00.000" in lane_of_times
    assert "10:00:05.000" in lane_of_times


def test_a_tick_stands_below_every_time() -> None:
    times, axis, *_ = drawn(a_day().row(J, S, L).record(J, S).restarted(at("10:05"), at("10:08")))
    assert axis.count("┼") == times.count(":") // 2 > 2


def test_a_row_with_one_moment_only_is_not_drawn() -> None:
    assert drawn(Gateway().row(J, None, L, run_id=None)) == []


def test_a_stretch_of_one_column_is_a_mark() -> None:
    report = audited(a_day().row(J, S, L).record(J, S, duration=0.06))
    assert lane(drawn_timeline(found(report), report, facts_of(found(report))), "own run").strip() == MARK


def test_no_text_of_the_evidence_is_in_the_drawing() -> None:
    gateway = a_day("evil\x1b[31m").row("evil\x1b[31m", S, L, task_id="task", error="backing session missing \x1b[31m")
    lines = drawn(gateway.record("evil\x1b[31m", S))
    assert lines
    assert not any("evil" in line or "\x1b" in line for line in lines)


def test_the_explanation_shows_the_drawing_above_the_table() -> None:
    evidence = evidence_of(a_day().row(J, S, L).record(J, S))
    report: Report = audit(evidence)
    finding = found(report)
    told = write_explanation(report, explained_loss(report, finding, explained(evidence, report, finding)))
    drawing = "\n".join(drawn_timeline(finding, report, facts_of(finding)))
    assert f"Timeline (UTC):\n{drawing}\n\n  at " in told


def test_lanes_without_anything_are_left_out() -> None:
    report = audited(a_day().row(J, S, L))
    assert all(one.spans or one.marks for one in lanes_of(found(report), report, ()))
    assert moments_of([Lane("x", (Span(S, L, "├─┤"),), (S,))]) == [S, L]
