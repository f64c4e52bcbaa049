"""The picture of the time line, laid out: what stands where. How it looks is the template's business."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from forensics.model.escape import for_terminal, shortened
from forensics.model.finding import Finding, Report, Restart
from forensics.writers.html.incidents import RANK, Incident, sweeps_of
from forensics.writers.html.lanes import Content, Lane, Names, Span, laid_out, marked_at, spans_of
from forensics.writers.html.scale import Scale, Tick, scale_over
from forensics.writers.phrases import counted, lasted, way_down
from forensics.writers.wording import stamp

WIDTH = 1120.0
_LEFT = 196.0
_RIGHT = 40.0
_TOP = 62.0
_COVER_Y = 42.0
_BOTTOM = 8.0
_LABEL_ROW = 18.0
_LETTER = 6.6
_GAP = 8.0
_THINNEST = 2.0
_CELL = 8.0
_CELL_ROW = 22.0
_LEVELS = (1, 2, 4, 8)
_LABEL_WIDTH = 28

_STACKS_TOLD = (
    "Where the rows of a job are dense, a small bar stands for those of a stretch: its height is their number, against "
    "the fullest stretch of that job, its colours are their verdicts; it leads to the gravest. Runs side by side are "
    "drawn as one."
)

OVERVIEW_LANES = 16
"""So many jobs have a lane of their own in the picture of a whole gateway; taller ones are no overview."""
PANEL_LANES = 30
"""So many jobs have a lane of their own in the picture of one incident."""
MOST_LINES = 60
"""So many restarts, and so many sweeps, are told apart in one picture; more would cover all that lies below them."""
PANEL_TRACKS = 6
"""So many rows of one job lie one below the other, before they are drawn in one place."""


@dataclass(frozen=True, slots=True)
class Shade:
    """A restart, across all lanes: down from ``x`` on, starting again from ``up_x`` to ``end_x``.

    ``vague_x`` is up to where the stop may lie, where none was seen. ``label`` is empty where there is no room for it,
    ``target`` is the id of the restart it leads to.
    """

    x: float
    vague_x: float
    up_x: float
    end_x: float
    label: str
    label_x: float
    title: str
    target: str


@dataclass(frozen=True, slots=True)
class SweepLine:
    """A moment at which several rows were marked."""

    x: float
    label: str
    label_x: float
    title: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of a picture with too many restarts to tell apart; ``level``, 1 to 4, is how many it holds."""

    x: float
    width: float
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Cover:
    """A stretch of time that the gateway's log covers."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, laid out; ``name`` begins the ids of its elements, ``left_out`` says what it does not show."""

    name: str
    title: str
    description: str
    width: float
    height: float
    left: float
    right: float
    bottom: float
    name_y: float
    sweep_y: float
    cover_y: float
    ticks: tuple[Tick, ...]
    shades: tuple[Shade, ...]
    cells: tuple[Cell, ...]
    covers: tuple[Cover, ...]
    sweeps: tuple[SweepLine, ...]
    lanes: tuple[Lane, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture is made of; ``findings`` and ``restarts`` are of one gateway."""

    name: str
    title: str
    gateway: str
    findings: tuple[Finding, ...]
    moments: list[datetime]
    most_lanes: int
    most_tracks: int


class Drawing:
    """Lays out pictures of one report."""

    def __init__(self, report: Report, names: Names) -> None:
        self._report, self._names = report, names
        self._cited = {(one.run.source, one.run.line) for one in report.findings if one.run}
        # a run may be told in several places: by its own record, and by the job's state
        self._decided = {
            (one.gateway, one.job_id, start)
            for one in report.findings
            if one.run
            for start in (one.run.started_at, one.started_at if one.run.role == "own" else None)
        }
        self._windows = {(restart.gateway, restart.id): restart for restart in report.restarts}

    def overview(self, name: str, gateway: str) -> Picture | None:
        """Lay out all lost rows of a gateway; None where no row bears a time."""
        findings = tuple(finding for finding in self._report.findings if finding.gateway == gateway)
        timed = [moment for finding in findings for moment in (finding.started_at, finding.lost_at) if moment]
        windows = [restart for restart in self._report.restarts if restart.gateway == gateway]
        moments = timed + [moment for window in windows for moment in _moments(window)]
        title = f"Lost rows, runs and restarts of {gateway}"
        return self._drawn(Scene(name, title, gateway, findings, moments if timed else [], OVERVIEW_LANES, 1))

    def panel(self, name: str, title: str, incident: Incident) -> Picture | None:
        """Lay out one incident; None where no row of it bears a time."""
        moments = incident.moments
        return self._drawn(Scene(name, title, incident.gateway, incident.findings, moments, PANEL_LANES, PANEL_TRACKS))

    def _drawn(self, scene: Scene) -> Picture | None:
        if not scene.moments:
            return None
        scale = scale_over(scene.moments, _LEFT, WIDTH - _LEFT - _RIGHT)
        contents, left_out = self._contents(scene, scale)
        restarts = [one for one in self._report.restarts if one.gateway == scene.gateway and _is_within(one, scale)]
        sweeps = sweeps_of(scene.findings)
        is_dense = max(len(restarts), len(sweeps)) > MOST_LINES
        lanes, y = [], _TOP + (_CELL_ROW if is_dense else 0)
        for content in contents:
            lanes.append(laid_out(content, scale, y, self._names, scene.most_tracks))
            y += lanes[-1].height
        if any(lane.stacks for lane in lanes):
            left_out.append(_STACKS_TOLD)
        if is_dense:
            left_out.append(_told_dense(len(restarts), len(sweeps)))
        shades = () if is_dense else tuple(_shades(restarts, scale, self._names))
        sweep_lines = () if is_dense else tuple(_sweep_lines(sweeps, scale))
        name_y, sweep_y = _label_rows(shades, sweep_lines, y)
        return Picture(
            name=scene.name,
            title=scene.title,
            description=_description(scene, restarts, scale),
            width=WIDTH,
            height=sweep_y + _BOTTOM,
            left=_LEFT,
            right=WIDTH - _RIGHT,
            bottom=y,
            name_y=name_y,
            sweep_y=sweep_y,
            cover_y=_COVER_Y,
            ticks=scale.ticks(),
            shades=shades,
            cells=tuple(_cells(restarts, scale)) if is_dense else (),
            covers=tuple(self._covers(scene.gateway, scale)),
            sweeps=sweep_lines,
            lanes=tuple(lanes),
            left_out=tuple(left_out),
        )

    def _contents(self, scene: Scene, scale: Scale) -> tuple[list[Content], list[str]]:
        """Give a lane to each of the gravest jobs, one to all others together, and say what is summed up."""
        jobs = sorted(_by_job(scene.findings).items(), key=_gravest)
        own, others = jobs[: scene.most_lanes], jobs[scene.most_lanes :]
        if len(others) == 1:
            own, others = jobs, []
        beside = self._other_runs(scene.gateway, [job_id for job_id, _ in own], scale)
        contents = []
        for job_id, findings in own:
            spans = [*spans_of(findings, self._windows), *beside.get(job_id or "", ())]
            contents.append(Content(_label(findings[0]), _job_title(findings), findings, tuple(spans)))
        left_out = list(_without_time(scene.findings))
        if others:
            rest = tuple(finding for _, findings in others for finding in findings)
            what = f"{len(others)} other jobs"
            contents.append(Content(what, f"{what}, {counted(len(rest), 'lost row')}", rest))
            left_out.append(
                f"{len(own)} of {len(jobs)} jobs have a lane of their own, the gravest and those with most rows; "
                f"the {counted(len(rest), 'row')} of the other {len(others)} jobs share the last lane, without runs."
            )
        return contents, left_out

    def _other_runs(self, gateway: str, jobs: Iterable[str | None], scale: Scale) -> dict[str, list[Span]]:
        """Give what else these jobs ran in this time, but for the runs whose record decided a row."""
        begin, end = pl.coalesce("started_at", "ended_at"), pl.coalesce("ended_at", "started_at")
        is_near = (end >= scale.begin) & (begin <= scale.end)
        wanted = pl.Series([job_id for job_id in jobs if job_id is not None], dtype=pl.String)
        is_wanted = (pl.col("gateway") == gateway) & pl.col("job_id").is_in(wanted.implode())
        runs = self._report.runs.filter(is_wanted & is_near).select(
            "job_id", begin.alias("begin"), end.alias("end"), "outcome", "source", "line"
        )
        spans: dict[str, list[Span]] = defaultdict(list)
        for job_id, started, ended, outcome, *place in runs.iter_rows():
            if tuple(place) not in self._cited and (gateway, job_id, started) not in self._decided:
                told = f"a run of the job on record: {outcome}, {stamp(started)} to {stamp(ended)} UTC"
                spans[job_id].append(Span("other", started, max(started, ended), told))
        return spans

    def _covers(self, gateway: str, scale: Scale) -> Iterator[Cover]:
        spans = self._report.log_spans.filter(
            (pl.col("gateway") == gateway)
            & (pl.col("covered_until") >= scale.begin)
            & (pl.col("covered_from") <= scale.end)
        )
        reached = 0.0
        for covered_from, covered_until in spans.select("covered_from", "covered_until").iter_rows():
            begin, end = scale.x(covered_from), scale.x(covered_until)
            if end > reached:
                told = f"the gateway's log covers {stamp(covered_from)} to {stamp(covered_until)} UTC"
                yield Cover(begin, round(max(end - begin, _THINNEST), 1), told)
                reached = end


def _moments(window: Restart) -> Iterator[datetime]:
    told = (window.down_at, window.down_at_latest, window.up_at, window.ready_at)
    return (moment for moment in told if moment is not None)


def _is_within(restart: Restart, scale: Scale) -> bool:
    moments = list(_moments(restart))
    return max(moments) >= scale.begin and min(moments) <= scale.end


def _by_job(findings: Iterable[Finding]) -> dict[str | None, tuple[Finding, ...]]:
    jobs: dict[str | None, list[Finding]] = defaultdict(list)
    for finding in findings:
        jobs[finding.job_id].append(finding)
    return {job_id: tuple(found) for job_id, found in jobs.items()}


def _gravest(job: tuple[str | None, tuple[Finding, ...]]) -> tuple[int, int, str, str]:
    job_id, findings = job
    return min(RANK[one.verdict] for one in findings), -len(findings), _label(findings[0]), job_id or ""


def _label(finding: Finding) -> str:
    return shortened(for_terminal(finding.job_name or finding.job_id or "no job"), _LABEL_WIDTH)


def _job_title(findings: Sequence[Finding]) -> str:
    first = findings[0]
    named = f"{first.job_name} ({first.job_id})" if first.job_name else first.job_id or "no job"
    return f"{named}: {counted(len(findings), 'lost row')}"


def _without_time(findings: Iterable[Finding]) -> Iterator[str]:
    untimed = [finding for finding in findings if marked_at(finding) is None]
    if untimed:
        yield f"{counted(len(untimed), 'row')} without start and lost mark cannot be drawn; told among the findings."


def _shades(restarts: Iterable[Restart], scale: Scale, names: Names) -> Iterator[Shade]:
    """Shade the restarts; those that lie in one place become one, and labels stand where there is room."""
    groups: list[list[Restart]] = []
    reached = labelled = 0.0
    for restart in sorted(restarts, key=lambda one: (one.down_at, one.id)):
        if groups and scale.x(restart.down_at) - reached < 1:
            groups[-1].append(restart)
        else:
            groups.append([restart])
        reached = max(reached, _end_x(restart, scale))
    for group in groups:
        shade = _shade(group, scale, labelled, names)
        labelled = shade.label_x + len(shade.label) * _LETTER / 2 + _GAP if shade.label else labelled
        yield shade


def _label_rows(shades: Iterable[Shade], sweeps: Iterable[SweepLine], bottom: float) -> tuple[float, float]:
    """Give where the labels of restarts and of sweeps stand below the lanes: in one row, if none covers another."""
    restarts = [(shade.label_x, len(shade.label) * _LETTER / 2) for shade in shades if shade.label]
    others = [(line.label_x, len(line.label) * _LETTER / 2) for line in sweeps if line.label]
    first = bottom + (_LABEL_ROW if restarts or others else 0)
    is_tight = any(abs(x - other_x) < half + other + _GAP for x, half in restarts for other_x, other in others)
    return first, first + (_LABEL_ROW if is_tight else 0)


def _told_dense(restarts: int, sweeps: int) -> str:
    return (
        f"{counted(restarts, 'restart')} and {counted(sweeps, 'sweep')} of several rows are too many to be told apart "
        "here: a row above the jobs shows where restarts are dense; each of them is told under Restarts."
    )


def _cells(restarts: Iterable[Restart], scale: Scale) -> Iterator[Cell]:
    """Count the restarts in stretches of equal width, by when they went down."""
    held: dict[int, list[Restart]] = defaultdict(list)
    for restart in restarts:
        held[int((scale.x(restart.down_at) - _LEFT) // _CELL)].append(restart)
    for number, group in sorted(held.items()):
        first, last = group[0], group[-1]
        level = sum(len(group) >= least for least in _LEVELS)
        more = f" ({first.id} to {last.id}), the first" if len(group) > 1 else ""
        title = f"{counted(len(group), 'restart')}{more}: {told_restart(first)}"
        yield Cell(_LEFT + number * _CELL, _CELL, level, title)


def _end_x(restart: Restart, scale: Scale) -> float:
    return max(scale.x(max(_moments(restart))), scale.x(restart.down_at) + _THINNEST)


def _shade(group: list[Restart], scale: Scale, labelled: float, names: Names) -> Shade:
    first, last = group[0], group[-1]
    begin, end = scale.x(first.down_at), max(_end_x(restart, scale) for restart in group)
    is_one = len(group) == 1
    vague = scale.x(first.down_at_latest) if is_one else begin
    up_x = max(scale.x(first.up_at), vague) if is_one and first.up_at else end
    label = first.id if is_one else f"{first.id} to {last.id}"
    middle = _inside((begin + end) / 2, label)
    has_room = middle - len(label) * _LETTER / 2 >= labelled
    title = told_restart(first) if is_one else f"{len(group)} restarts, {label}, the first: {told_restart(first)}"
    target = names.window(first.gateway, first.id)
    return Shade(begin, vague, up_x, end, label if has_room else "", middle, title, target)


def _inside(x: float, label: str) -> float:
    """Give where the middle of a label lies that is to be at ``x``, but not beyond the edges of the picture."""
    half = len(label) * _LETTER / 2
    return round(min(max(x, _LEFT + half), WIDTH - half), 1)


def told_restart(restart: Restart) -> str:
    """Say in one line when a gateway went down and came back."""
    down = stamp(restart.down_at)
    if restart.down_at_latest != restart.down_at:
        down += f" to {stamp(restart.down_at_latest)}"
    back = f"ready {stamp(restart.ready_at)} UTC" if restart.ready_at else "not seen to be ready again"
    away = f", {lasted(restart.ready_at - restart.down_at)} later" if restart.ready_at else ""
    return f"{restart.id} ({way_down(restart)}): down {down}, {back}{away}; process {restart.process}"


def _sweep_lines(sweeps: dict[datetime, int], scale: Scale) -> Iterator[SweepLine]:
    """Draw the sweeps; those that lie in one place become one, and labels stand where there is room."""
    groups: list[list[tuple[datetime, int]]] = []
    for moment, count in sweeps.items():
        if groups and scale.x(moment) - scale.x(groups[-1][0][0]) < _THINNEST:
            groups[-1].append((moment, count))
        else:
            groups.append([(moment, count)])
    labelled = 0.0
    for group in groups:
        x, rows = scale.x(group[0][0]), sum(count for _, count in group)
        label = f"sweep, {rows} rows" if len(group) == 1 else f"{len(group)} sweeps, {rows} rows"
        middle = _inside(x, label)
        has_room = middle - len(label) * _LETTER / 2 >= labelled
        if has_room:
            labelled = middle + len(label) * _LETTER / 2 + _GAP
        more = "" if len(group) == 1 else f", and {counted(len(group) - 1, 'more sweep')} up to {stamp(group[-1][0])}"
        yield SweepLine(
            x, label if has_room else "", middle, f"{rows} rows marked lost: {stamp(group[0][0])} UTC{more}"
        )


def _description(scene: Scene, restarts: Sequence[Restart], scale: Scale) -> str:
    rows, jobs = len(scene.findings), len({finding.job_id for finding in scene.findings})
    return (
        f"From {stamp(scale.begin)} to {stamp(scale.end)} UTC: {counted(rows, 'lost row')} of {counted(jobs, 'job')} "
        f"and {counted(len(restarts), 'restart')}. The table that follows says the same in words."
    )
