"""The time line: a picture of each gateway, and the incidents one by one, each with its twin in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from forensics.model.finding import Finding, Report
from forensics.writers.html.incidents import Incident, incidents_of
from forensics.writers.html.picture import Drawing, Picture, told_restart
from forensics.writers.html.sheet import Link, Sheet, job_of
from forensics.writers.phrases import counted, way_down
from forensics.writers.wording import CAUSES, stamp

DRAWN_INCIDENTS = 60
"""So many incidents are drawn, the gravest and largest; a page of hundreds of pictures opens slowly."""
_DRAWN_GATEWAYS = 8
_OPEN_INCIDENTS = 3
_RUNS = {
    "ok": "own record: ok",
    "error": "own record: error",
    "unknown": "own record that decides nothing",
    "interrupted": "died, or was cut short",
    "stand_in": "stand-in run",
    "other": "run of the job on record",
}


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One row of an incident, in words: the twin of its picture."""

    link: Link
    started: str
    ran: str
    lost_at: str
    verdict: str


@dataclass(frozen=True, slots=True)
class IncidentShown:
    """One incident, drawn and told."""

    anchor: str
    title: str
    when: str
    told: str
    verdicts: tuple[tuple[str, int], ...]
    rows: tuple[IncidentRow, ...]
    picture: Picture
    is_open: bool


@dataclass(frozen=True, slots=True)
class IncidentNamed:
    """One incident that is not drawn, with its rows."""

    title: str
    when: str
    verdicts: tuple[tuple[str, int], ...]
    rows: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class LaneTold:
    """One job of an overview, in words: the twin of the picture."""

    gateway: str
    job: str
    rows: int
    first: str
    last: str
    verdicts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TimeLine:
    """All that the section tells; ``left_out`` says what is not drawn."""

    overviews: tuple[Picture, ...]
    legend: tuple[tuple[str, str], ...]
    lanes: tuple[LaneTold, ...]
    incidents: tuple[IncidentShown, ...]
    undrawn: tuple[IncidentNamed, ...]
    undrawn_gateways: tuple[str, ...]
    left_out: tuple[str, ...]


def time_line_of(sheet: Sheet) -> TimeLine:
    """Draw and tell the time line of a report."""
    drawing = Drawing(sheet.report, sheet.names)
    incidents = incidents_of(sheet.report)
    shown, undrawn = _incidents(sheet, drawing, incidents)
    overviews = _overviews(sheet.report, drawing)
    return TimeLine(
        overviews=overviews,
        legend=tuple(_legend([*overviews, *(one.picture for one in shown)])),
        lanes=tuple(_lanes(sheet.report)),
        incidents=shown,
        undrawn=undrawn,
        undrawn_gateways=tuple(_undrawn_gateways(sheet.report)),
        left_out=tuple(_left_out(len(shown), len(incidents))),
    )


def _legend(pictures: Iterable[Picture]) -> Iterator[tuple[str, str]]:
    """Explain the kinds of runs that are drawn."""
    drawn = {bar.kind for picture in pictures for lane in picture.lanes for bar in lane.bars}
    return ((kind, meaning) for kind, meaning in _RUNS.items() if kind in drawn)


def _left_out(drawn: int, incidents: int) -> Iterator[str]:
    if drawn < incidents:
        yield (
            f"{drawn} of {incidents} incidents are drawn, the gravest and those with most rows; the rows of the others "
            "stand in one table below them."
        )


def _undrawn_gateways(report: Report) -> Iterator[str]:
    gateways = len({finding.gateway for finding in report.findings})
    if gateways > _DRAWN_GATEWAYS:
        yield f"{_DRAWN_GATEWAYS} of {gateways} gateways are drawn, those with most lost rows; the table tells of all."


def _overviews(report: Report, drawing: Drawing) -> tuple[Picture, ...]:
    """Draw each gateway, those with most lost rows first."""
    rows = Counter(finding.gateway for finding in report.findings)
    chosen = sorted(rows, key=lambda gateway: (-rows[gateway], gateway))[:_DRAWN_GATEWAYS]
    drawn = (drawing.overview(f"o{number}", gateway) for number, gateway in enumerate(chosen, 1))
    return tuple(picture for picture in drawn if picture is not None)


def _lanes(report: Report) -> Iterator[LaneTold]:
    """Tell of every job what the pictures show of it."""
    jobs: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in report.findings:
        jobs.setdefault((finding.gateway, finding.job_id), []).append(finding)
    for (gateway, _), findings in jobs.items():
        marks = sorted(finding.lost_at for finding in findings if finding.lost_at)
        counts = _counts(Incident(gateway, None, None, tuple(findings)))
        first, last = (marks[0], marks[-1]) if marks else (None, None)
        yield LaneTold(gateway, job_of(findings[0]), len(findings), stamp(first), stamp(last), counts)


def _incidents(
    sheet: Sheet, drawing: Drawing, incidents: list[Incident]
) -> tuple[tuple[IncidentShown, ...], tuple[IncidentNamed, ...]]:
    """Tell the incidents in order of time: the gravest drawn, the others named with all their rows."""
    by_gravity = sorted(range(len(incidents)), key=lambda number: incidents[number].gravity)
    chosen, opened = set(by_gravity[:DRAWN_INCIDENTS]), set(by_gravity[:_OPEN_INCIDENTS])
    shown: list[IncidentShown] = []
    undrawn: list[IncidentNamed] = []
    for number, incident in enumerate(incidents):
        title = _incident_title(incident) + (f" · {incident.gateway}" if sheet.has_gateways else "")
        picture = drawing.panel(f"i{number + 1}", title, incident) if number in chosen else None
        if picture is None:
            links = tuple(sheet.link(finding) for finding in incident.findings)
            undrawn.append(IncidentNamed(title, _begin(incident), _counts(incident), links))
        else:
            rows = tuple(_incident_row(sheet, finding) for finding in incident.findings)
            shown.append(_incident(incident, title, rows, picture, is_open=number in opened))
    return tuple(shown), tuple(undrawn)


def _incident_row(sheet: Sheet, finding: Finding) -> IncidentRow:
    return IncidentRow(
        link=sheet.link(finding),
        started=stamp(finding.started_at),
        ran=_ran(finding),
        lost_at=stamp(finding.lost_at),
        verdict=finding.verdict,
    )


def _incident(
    incident: Incident, title: str, rows: tuple[IncidentRow, ...], picture: Picture, *, is_open: bool
) -> IncidentShown:
    window = incident.restart
    return IncidentShown(
        anchor=picture.name,
        title=title,
        when=_begin(incident),
        told=told_restart(window) if window else _sweep_told(incident),
        verdicts=_counts(incident),
        rows=rows,
        picture=picture,
        is_open=is_open,
    )


def _begin(incident: Incident) -> str:
    return stamp(incident.restart.down_at if incident.restart else incident.marked_at)


def _counts(incident: Incident) -> tuple[tuple[str, int], ...]:
    return tuple((verdict.value, count) for verdict, count in incident.verdicts.items())


def _ran(finding: Finding) -> str:
    """Say which run decided a row: its own record, or the stand-in."""
    run = finding.run
    if run is None:
        return "no record"
    whose = "stand-in" if run.role == "stand_in" else "own record"
    return f"{whose}: {run.status or 'no status'}, {stamp(run.started_at)} to {stamp(run.finished_at)}"


def _incident_title(incident: Incident) -> str:
    if incident.restart:
        return f"{incident.restart.id}, {way_down(incident.restart)}"
    if incident.marked_at is None:
        return "Rows without a lost mark"
    if all(finding.projected for finding in incident.findings):
        return "Shown as lost by an export"
    return "One sweep" if len(incident.findings) > 1 else f"One row: {job_of(incident.findings[0])}"


def _sweep_told(incident: Incident) -> str:
    """Say when its rows were marked, and why as far as that is known."""
    rows = counted(len(incident.findings), "row")
    when = f"marked at {stamp(incident.marked_at)} UTC" if incident.marked_at else "without the time of a mark"
    causes = sorted({CAUSES[finding.cause] for finding in incident.findings})
    return f"{rows} {when}: {'; '.join(causes)}."
