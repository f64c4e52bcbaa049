"""The picture of the time line: where things stand; nothing covers another, nothing is left out unsaid."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics import audit, load_evidence
from forensics.model.finding import Finding, Report
from forensics.model.schemas import LOG_SPANS, frame_of
from forensics.model.verdicts import Verdict
from forensics.writers.html.incidents import RANK, incidents_of, sweeps_of
from forensics.writers.html.lanes import MARK, names_of, told_row
from forensics.writers.html.picture import MOST_LINES, OVERVIEW_LANES, PANEL_TRACKS, Drawing, Picture
from forensics.writers.html.scale import scale_over
from forensics.writers.html.stacks import DENSE_ROWS
from tests.support.pages import many

ROOT = Path(__file__).parent.parent.parent
DAY = datetime(2026, 4, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@cache
def sample(name: str = "every-verdict") -> Report:
    return audit(load_evidence([str(ROOT / "samples" / name)]))


def overview(report: Report) -> Picture:
    picture = Drawing(report, names_of(report)).overview("o", "state")
    assert picture is not None
    return picture


def panel(report: Report, restart: str) -> Picture:
    (incident,) = [one for one in incidents_of(report) if one.restart and one.restart.id == restart]
    picture = Drawing(report, names_of(report)).panel("i", "x", incident)
    assert picture is not None
    return picture


def with_rows(*rows: Finding) -> Report:
    return replace(sample(), findings=rows)


def row(
    task: str, start: datetime, lost: datetime, verdict: Verdict = Verdict.UNEXPLAINED, job: str = "job"
) -> Finding:
    (finding,) = [one for one in sample().findings if one.job_name == "vanished"]
    return replace(
        finding, task_id=task, job_id=job, job_name=job, started_at=start, lost_at=lost, verdict=verdict, restart=None
    )


@given(
    st.datetimes(datetime(2015, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(timedelta(0), timedelta(days=4000)),
)
def test_an_axis_has_a_few_ticks_in_order_with_the_date_wherever_it_changes(begin: datetime, span: timedelta) -> None:
    scale = scale_over([begin, begin + span], 100, 900)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 11
    assert [tick.x for tick in ticks] == sorted({tick.x for tick in ticks})
    assert all(100 <= tick.x <= 1000 for tick in ticks)
    assert ticks[0].date
    dates = [tick.date for tick in ticks if tick.date]
    assert dates == sorted(set(dates))
    assert scale.begin < begin <= begin + span < scale.end
    assert 100 < scale.x(begin) <= scale.x(begin + span) < 1000


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=40), st.integers(1, 4))
def test_no_mark_covers_another_and_every_row_is_counted(rows: list[tuple[int, int]], jobs: int) -> None:
    report = with_rows(
        *(
            row(f"{n:03}", DAY + start * MINUTE, DAY + (start + span) * MINUTE, job=f"job {n % jobs}")
            for n, (start, span) in enumerate(rows)
        )
    )
    picture = overview(report)
    assert sum(mark.count for lane in picture.lanes for mark in lane.marks) == len(rows)
    for lane in picture.lanes:
        xs = [mark.x for mark in lane.marks]
        assert all(after - before >= MARK for before, after in pairwise(xs))
        assert all(lane.y <= mark.y <= lane.y + lane.height for mark in lane.marks)
        assert all(lane.y <= bar.y <= lane.y + lane.height for bar in lane.bars)
    edges = [(lane.y, lane.y + lane.height) for lane in picture.lanes]
    assert all(end == begin for (_, end), (begin, _) in pairwise(edges))
    assert edges[-1][1] <= picture.height


def test_marks_in_one_place_show_the_gravest_and_name_all() -> None:
    marks = [row("a", DAY, DAY + MINUTE, Verdict.FALSE_LOST), row("b", DAY, DAY + MINUTE, Verdict.INTERRUPTED)]
    (lane,) = overview(with_rows(*marks)).lanes
    (mark,) = lane.marks
    assert (mark.verdict, mark.count) == ("interrupted", 2)
    assert mark.title == "2 rows: 1 interrupted, 1 false_lost (b, a)"
    assert mark.target == "f2"


def test_dense_rows_become_bars_as_high_as_their_number() -> None:
    hour = 60 * MINUTE
    rows = [row(f"{n:04}", DAY + n * hour, DAY + n * hour + MINUTE, Verdict.FALSE_LOST) for n in range(1000)]
    rows += [row(f"x{n:03}", DAY + 500 * hour, DAY + 500 * hour + MINUTE, Verdict.FAILED) for n in range(30)]
    picture = overview(with_rows(*rows))
    (lane,) = picture.lanes
    assert (lane.marks, lane.claims) == ((), ())
    assert sum(int(stack.title.split(" ", 1)[0]) for stack in lane.stacks) == len(rows)
    assert all(before.x + before.width <= after.x for before, after in pairwise(lane.stacks))
    heights = [sum(part.height for part in stack.parts) for stack in lane.stacks]
    fullest = lane.stacks[heights.index(max(heights))]
    assert [part.verdict for part in fullest.parts] == ["failed", "false_lost"]
    failed, false_lost = fullest.parts
    assert failed.y == pytest.approx(false_lost.y + false_lost.height)
    assert fullest.target in {f"f{number}" for number in range(1001, 1031)}
    for stack in lane.stacks:
        assert all(lane.y <= part.y <= part.y + part.height <= lane.y + lane.height for part in stack.parts)
    assert any("a small bar stands for those of a stretch" in told for told in picture.left_out)


def test_few_rows_are_marks_however_close_they_lie() -> None:
    rows = [row(f"{n:04}", DAY, DAY + n * MINUTE) for n in range(DENSE_ROWS - 1)]
    (lane,) = overview(with_rows(*rows)).lanes
    assert lane.stacks == ()
    assert sum(mark.count for mark in lane.marks) == len(rows)


def test_an_axis_of_days_tells_dates_and_no_times_of_day() -> None:
    assert all(not tick.label and tick.date for tick in scale_over([DAY, DAY + timedelta(days=40)], 0, 900).ticks())
    hours = scale_over([DAY, DAY + timedelta(hours=40)], 0, 900).ticks()
    assert [tick.date for tick in hours if tick.date] == ["2026-04-20", "2026-04-21"]
    assert all(tick.label for tick in hours)


def test_labels_of_sweeps_stand_beside_those_of_restarts_or_below_them_but_never_upon_them() -> None:
    overlapping, apart = overview(sample()), panel(sample(), "R2")
    assert overlapping.name_y < overlapping.sweep_y
    assert apart.name_y == apart.sweep_y
    for picture in (overlapping, apart):
        assert picture.bottom < picture.name_y <= picture.sweep_y < picture.height


def test_a_shaded_restart_leads_to_its_lines() -> None:
    assert [shade.target for shade in overview(sample()).shades] == ["r1", "r2"]


def test_rows_of_one_job_that_overlap_lie_below_each_other_in_a_panel() -> None:
    report = with_rows(*(row(f"{n}", DAY + n * MINUTE, DAY + timedelta(hours=1)) for n in range(PANEL_TRACKS + 3)))
    (incident,) = incidents_of(report)
    picture = Drawing(report, names_of(report)).panel("i", "x", incident)
    assert picture is not None
    (lane,) = picture.lanes
    assert len({mark.y for mark in lane.marks}) == PANEL_TRACKS
    assert sum(mark.count for mark in lane.marks) == PANEL_TRACKS + 3


def test_a_panel_shows_the_runs_that_decided_the_restart_and_the_sweep() -> None:
    picture = panel(sample(), "R2")
    lanes = {lane.label: lane for lane in picture.lanes}
    assert list(lanes) == ["died-alone", "hourly-mail", "ledger-locked"]
    assert [bar.kind for bar in lanes["died-alone"].bars] == ["interrupted"]
    assert sorted(bar.kind for bar in lanes["hourly-mail"].bars) == ["interrupted", "stand_in"]
    assert [bar.kind for bar in lanes["ledger-locked"].bars] == ["ok"]
    (shade,) = picture.shades
    assert shade.label == "R2"
    assert shade.x == shade.vague_x < shade.up_x < shade.end_x
    (sweep,) = picture.sweeps
    assert sweep.title.startswith("3 rows marked lost: 2026-04-20 10:05:05.000 UTC")
    assert {mark.x for lane in picture.lanes for mark in lane.marks} == {sweep.x}
    died, stand_in = lanes["died-alone"].bars[0], next(b for b in lanes["hourly-mail"].bars if b.kind == "stand_in")
    assert died.x + died.width == pytest.approx(shade.up_x, abs=0.2)
    assert stand_in.x >= shade.end_x


def test_a_crash_is_shaded_from_the_last_line_to_the_new_process() -> None:
    restarts = tuple(
        replace(one, kind="crash", down_at_latest=one.down_at + timedelta(seconds=15)) for one in sample().restarts
    )
    (shade,) = panel(replace(sample(), restarts=restarts), "R2").shades
    assert shade.x < shade.vague_x < shade.up_x < shade.end_x


def test_a_restart_that_never_came_back_is_drawn_and_said_so() -> None:
    restarts = tuple(replace(one, up_at=None, ready_at=None) for one in sample().restarts)
    (shade,) = panel(replace(sample(), restarts=restarts), "R2").shades
    assert shade.end_x > shade.x
    assert "not seen to be ready again" in shade.title


def test_other_runs_of_a_job_are_drawn_but_no_record_twice() -> None:
    report = sample("real-lost-write")
    bars = [bar for lane in overview(report).lanes for bar in lane.bars]
    assert sorted(bar.kind for bar in bars) == ["ok", "ok"]
    others = replace(report, findings=tuple(replace(one, run=None) for one in report.findings))
    assert {bar.kind for lane in overview(others).lanes for bar in lane.bars} == {"other"}


def test_a_record_is_drawn_as_what_it_proves() -> None:
    report = sample("real-lost-write")
    kinds = {
        Verdict.FALSE_LOST: "ok",
        Verdict.FAILED: "error",
        Verdict.INTERRUPTED: "interrupted",
        Verdict.UNDETERMINED: "unknown",
    }
    for verdict, kind in kinds.items():
        judged = replace(report, findings=tuple(replace(one, verdict=verdict) for one in report.findings))
        assert {bar.kind for lane in overview(judged).lanes for bar in lane.bars} == {kind}


def test_a_run_that_is_told_in_two_places_is_drawn_once() -> None:
    report = sample("real-lost-write")
    again = report.runs.with_columns(line=report.runs["line"] + 1000)
    bars = [bar for lane in overview(replace(report, runs=again)).lanes for bar in lane.bars]
    assert [bar.kind for bar in bars] == ["ok", "ok"]


def test_what_the_log_covers_is_shown_with_its_holes() -> None:
    span = sample().log_spans.row(0, named=True)
    (cover,) = overview(sample()).covers
    assert "2026-04-20 05:59:00.000" in cover.title
    middle = span["covered_from"] + timedelta(hours=4)
    before, after = span | {"covered_until": middle}, span | {"covered_from": middle + timedelta(hours=1)}
    hole = frame_of([before, after], LOG_SPANS)
    first, second = overview(replace(sample(), log_spans=hole)).covers
    assert first.x + first.width < second.x


def test_jobs_beyond_those_with_a_lane_share_the_last_one_and_it_says_so() -> None:
    jobs = OVERVIEW_LANES + 5
    rows = [row(f"{n:03}", DAY + n * MINUTE, DAY + (n + 5) * MINUTE, job=f"job {n:03}") for n in range(jobs)]
    grave = replace(rows[-1], verdict=Verdict.INTERRUPTED)
    picture = overview(with_rows(*rows[:-1], grave))
    assert picture.lanes[0].label == f"job {jobs - 1:03}"
    assert picture.lanes[-1].label == "5 other jobs"
    assert sum(mark.count for mark in picture.lanes[-1].marks) == 5
    assert any(f"{OVERVIEW_LANES} of {jobs} jobs have a lane" in told and "5 rows" in told for told in picture.left_out)


def test_too_many_restarts_are_counted_where_they_are_dense() -> None:
    times = MOST_LINES
    report = many(sample(), times, timedelta(hours=7))
    picture = overview(report)
    assert picture.shades == ()
    assert picture.sweeps == ()
    assert f"{2 * times} restarts and {times} sweeps" in " ".join(picture.left_out)
    assert sum(int(cell.title.split(" ", 1)[0]) for cell in picture.cells) == 2 * times
    few = overview(many(sample(), 3, timedelta(hours=7)))
    assert len(few.shades) == 6
    assert few.cells == ()
    assert few.left_out == () or "restarts" not in few.left_out[0]


def test_labels_of_restarts_never_cover_each_other() -> None:
    picture = overview(many(sample(), 20, timedelta(hours=7)))
    labelled = [shade for shade in picture.shades if shade.label]
    assert 0 < len(labelled) < len(picture.shades)
    ends = [(s.label_x - 3 * len(s.label), s.label_x + 3 * len(s.label)) for s in labelled]
    assert all(end < begin for (_, end), (begin, _) in pairwise(ends))


def test_every_row_belongs_to_one_incident_in_order_of_time() -> None:
    report = many(sample(), 4, timedelta(hours=7))
    incidents = incidents_of(report)
    told = [finding.task_id for incident in incidents for finding in incident.findings]
    assert sorted(told) == sorted(finding.task_id for finding in report.findings)
    begins = [one.restart.down_at if one.restart else one.marked_at for one in incidents]
    assert begins == sorted(begins, key=lambda begin: begin or DAY)
    gravest = min(incidents, key=lambda one: one.gravity)
    assert min(RANK[finding.verdict] for finding in gravest.findings) == 0


def test_a_sweep_is_several_rows_marked_at_one_moment_in_the_registry() -> None:
    first, second = (row(task, DAY, DAY + MINUTE) for task in "ab")
    assert sweeps_of([first, second]) == {DAY + MINUTE: 2}
    assert sweeps_of([first, replace(second, lost_at=DAY)]) == {}
    assert sweeps_of([first, replace(second, projected=True)]) == {}


def test_rows_without_a_time_are_said_to_be_left_out() -> None:
    timed = row("a", DAY, DAY + MINUTE)
    picture = overview(with_rows(timed, replace(timed, task_id="b", started_at=None, lost_at=None)))
    assert picture.left_out == ("1 row without start and lost mark cannot be drawn; told among the findings.",)
    lonely = with_rows(replace(timed, started_at=None, lost_at=None))
    assert Drawing(lonely, names_of(lonely)).overview("o", "state") is None


def test_a_mark_says_which_row_it_is() -> None:
    report = with_rows(row("a", DAY, DAY + MINUTE))
    (lane,) = overview(report).lanes
    assert lane.marks[0].title == told_row(report.findings[0], names_of(report))
    assert lane.marks[0].title == (
        "a: started 2026-04-20 00:00:00.000, marked lost 2026-04-20 00:01:00.000 UTC: unexplained"
    )
