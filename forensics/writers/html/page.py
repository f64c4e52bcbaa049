"""The page as data: what each of its sections says, ready to be shown. Nothing here knows how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from forensics import __version__
from forensics.model.finding import Counts, Finding, Report, Restart
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Confidence, EvidenceRole, Reason, Verdict
from forensics.writers.html.incidents import GRAVEST_FIRST, RANK, Incident, incidents_of
from forensics.writers.html.lanes import Names, names_of
from forensics.writers.html.material import NoticeRow, SourceRow, level_counts, notice_rows, source_rows
from forensics.writers.html.picture import Drawing, Picture, told_restart
from forensics.writers.phrases import counted, lasted, way_down
from forensics.writers.told_reliability import HEADERS, reliability_notes, reliability_rows
from forensics.writers.told_times import odd_times_told
from forensics.writers.wording import (
    CAUSES,
    REASONS,
    VERDICTS,
    closing,
    corrections_told,
    place,
    releases_told,
    stamp,
    wanted_files,
    why,
)

DRAWN_INCIDENTS = 60
"""So many incidents are drawn, the gravest and largest; a page of hundreds of pictures opens slowly."""
_DRAWN_GATEWAYS = 8
_OPEN_INCIDENTS = 3
_OPEN_LOSSES = 12
_OPEN_FINDINGS = 3
_JOBS_OF_RELIABILITY = 200
_FULL_CHAINS = 400
"""Up to so many findings each repeats the lines of its restart; beyond, they stand once, with the restart."""
_RUNS = {
    "ok": "own record: ok",
    "error": "own record: error",
    "unknown": "own record that decides nothing",
    "interrupted": "died, or was cut short",
    "stand_in": "stand-in run",
    "other": "run of the job on record",
}
_ALWAYS_ERRORS = "stale_running"
_SOMETIMES_ERRORS = "lost"


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows have a verdict; ``x`` and ``width`` are its part of a bar of 1000 units."""

    verdict: str
    meaning: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure at the head of the page; ``tone`` is none, bad, open or good."""

    count: int
    what: str
    detail: str
    tone: str


@dataclass(frozen=True, slots=True)
class CodeRow:
    """What the gateway's own audit counts of one code and severity."""

    code: str
    severity: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact of a chain of evidence; ``target`` leads to where more of it stands."""

    at: str
    role: str
    text: str
    where: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class FindingShown:
    """One finding with its chain of evidence; ``claims`` are what names and dates the row."""

    anchor: str
    task: str
    job: str
    lost_at: str
    verdict: str
    confidence: str
    cause: str
    because: str
    claims: tuple[tuple[str, str], ...]
    corrected: tuple[tuple[str, str], ...]
    facts: tuple[FactRow, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one verdict."""

    verdict: str
    meaning: str
    findings: tuple[FindingShown, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A finding by its short id and job, and the id of the element that tells it."""

    task: str
    job: str
    target: str


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
class Withheld:
    """The rows that are withheld for one reason, and the files that would settle them."""

    sentence: str
    files: tuple[str, ...]
    rows: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class RestartShown:
    """One restart window with the lines it rests on, and how many rows name it."""

    anchor: str
    gateway: str
    name: str
    kind: str
    process: str
    down_at: str
    down: str
    ready: str
    away: str
    drain: str
    reason: str
    doubt: str
    rows: int
    lines: tuple[FactRow, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page says, in its order."""

    sentence: str
    as_of: str
    tasks: int
    releases: tuple[str, ...]
    figures: tuple[Figure, ...]
    shares: tuple[Share, ...]
    before: Counts
    after: Counts
    codes: tuple[CodeRow, ...]
    healed: tuple[str, ...]
    healed_aborted: tuple[str, ...]
    corrections: tuple[str, ...]
    overviews: tuple[Picture, ...]
    legend: tuple[tuple[str, str], ...]
    lanes: tuple[LaneTold, ...]
    several_gateways: bool
    incidents: tuple[IncidentShown, ...]
    undrawn: tuple[IncidentNamed, ...]
    undrawn_gateways: tuple[str, ...]
    left_out: tuple[str, ...]
    groups: tuple[Group, ...]
    withheld: tuple[Withheld, ...]
    weak: tuple[Link, ...]
    reliability: tuple[tuple[str, ...], ...]
    reliability_headers: tuple[str, ...]
    reliability_notes: tuple[str, ...]
    odd_times: tuple[str, ...]
    restarts: tuple[RestartShown, ...]
    sources: tuple[SourceRow, ...]
    sources_from: str
    sources_until: str
    notices: tuple[NoticeRow, ...]
    notice_counts: tuple[tuple[str, int], ...]
    policy: tuple[tuple[str, str], ...]
    version: str
    command: str


def page_of(report: Report, command: str | None) -> Page:
    """Prepare the page of a report; ``command`` is how it was asked for, as far as that is known."""
    names = names_of(report)
    sheet = _Sheet(report, names)
    incidents = incidents_of(report)
    shown, undrawn = sheet.incidents(incidents)
    overviews = sheet.overviews()
    sources, sources_from, sources_until = source_rows(report.sources)
    notices = notice_rows(report)
    return Page(
        sentence=closing(report),
        as_of=stamp(report.now),
        tasks=report.summary.tasks,
        releases=tuple(releases_told(report)),
        figures=_figures(report),
        shares=tuple(_shares(report)),
        before=report.summary.before,
        after=report.summary.after,
        codes=tuple(_codes(report)),
        healed=report.summary.healed,
        healed_aborted=report.summary.healed_aborted,
        corrections=tuple(corrections_told(report)),
        overviews=overviews,
        legend=tuple(_legend([*overviews, *(one.picture for one in shown)])),
        lanes=tuple(sheet.lanes()),
        several_gateways=len({finding.gateway for finding in report.findings}) > 1,
        incidents=shown,
        undrawn=undrawn,
        undrawn_gateways=tuple(_undrawn_gateways(report)),
        left_out=tuple(_left_out(len(shown), len(incidents))),
        groups=tuple(sheet.groups()),
        withheld=tuple(sheet.withheld()),
        weak=tuple(sheet.link(one) for one in report.findings if one.confidence is Confidence.WEAK),
        reliability=tuple(reliability_rows(report, _JOBS_OF_RELIABILITY)),
        reliability_headers=HEADERS,
        reliability_notes=tuple(reliability_notes(report)),
        odd_times=tuple(odd_times_told(report)),
        restarts=tuple(sheet.restarts()),
        sources=sources,
        sources_from=sources_from,
        sources_until=sources_until,
        notices=notices,
        notice_counts=level_counts(notices),
        policy=tuple(report.policy.as_text().items()),
        version=__version__,
        command=command or "",
    )


def _legend(pictures: Iterable[Picture]) -> Iterator[tuple[str, str]]:
    """Explain the kinds of runs that are drawn."""
    drawn = {bar.kind for picture in pictures for lane in picture.lanes for bar in lane.bars}
    return ((kind, meaning) for kind, meaning in _RUNS.items() if kind in drawn)


def _figures(report: Report) -> tuple[Figure, ...]:
    counts = report.summary.verdicts
    interrupted, unexplained = counts[Verdict.INTERRUPTED], counts[Verdict.UNEXPLAINED]
    explained = {verdict: counts[verdict] for verdict in CORRECTED_BY_DEFAULT}
    told = ", ".join(f"{count} {verdict}" for verdict, count in explained.items() if count)
    real = interrupted + unexplained
    outside = counts[Verdict.NOT_APPLICABLE]
    return (
        Figure(
            report.summary.lost,
            "rows marked lost",
            f"of {counted(report.summary.tasks, 'task row')}" + (f", {outside} outside the rule" if outside else ""),
            "none",
        ),
        Figure(
            real,
            "real loss" if real == 1 else "real losses",
            f"{interrupted} interrupted, {unexplained} unexplained" if real else "none proven",
            "bad" if real else "good",
        ),
        Figure(
            counts[Verdict.UNDETERMINED],
            "withheld",
            "the evidence does not decide" if counts[Verdict.UNDETERMINED] else "the evidence decides every row",
            "open" if counts[Verdict.UNDETERMINED] else "none",
        ),
        Figure(sum(explained.values()), "no loss", told or "none", "good" if told else "none"),
    )


def _shares(report: Report) -> Iterator[Share]:
    x = 0.0
    for verdict in GRAVEST_FIRST:
        count = report.summary.verdicts[verdict]
        width = 1000 * count / report.summary.lost if report.summary.lost else 0.0
        if count:
            yield Share(verdict, VERDICTS[verdict], count, round(x, 1), round(width, 1))
        x += width


def _codes(report: Report) -> Iterator[CodeRow]:
    """Tell the counts by code and severity: a lost row is an error, or a warning where the gateway keeps it."""
    before, after = (_by_severity(counts) for counts in (report.summary.before, report.summary.after))
    for key in before:
        if before[key] or after[key]:
            yield CodeRow(*key, before[key], after[key])


def _by_severity(counts: Counts) -> dict[tuple[str, str], int]:
    """Split the counts by severity, as the gateway's audit does.

    Source: formats.md §2.2: a stale running row is an error, a lost row one of both, all else a warning.
    """
    lost_errors = counts.errors - counts.by_code[_ALWAYS_ERRORS]
    split: dict[tuple[str, str], int] = {}
    for code, count in counts.by_code.items():
        errors = {_ALWAYS_ERRORS: count, _SOMETIMES_ERRORS: lost_errors}.get(code, 0)
        split[code, "error"], split[code, "warning"] = errors, count - errors
    return split


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


class _Sheet:
    """Prepares the long sections of one report."""

    def __init__(self, report: Report, names: Names) -> None:
        self._report, self._names, self._paths = report, names, report.paths()
        self._drawing = Drawing(report, names)
        self._windows = {(one.gateway, one.id): f"r{n}" for n, one in enumerate(report.restarts, 1)}
        gateways = {one.gateway for one in report.findings} | {one.gateway for one in report.restarts}
        self._several = len(gateways) > 1

    def link(self, finding: Finding) -> Link:
        """Name a finding, and where it is told."""
        return Link(self._names.of(finding), _job(finding), self._names.anchor(finding))

    def overviews(self) -> tuple[Picture, ...]:
        """Draw each gateway, those with most lost rows first."""
        rows: dict[str, int] = {}
        for finding in self._report.findings:
            rows[finding.gateway] = rows.get(finding.gateway, 0) + 1
        chosen = sorted(rows, key=lambda gateway: (-rows[gateway], gateway))[:_DRAWN_GATEWAYS]
        drawn = (self._drawing.overview(f"o{number}", gateway) for number, gateway in enumerate(chosen, 1))
        return tuple(picture for picture in drawn if picture is not None)

    def lanes(self) -> Iterator[LaneTold]:
        """Tell of every job what the pictures show of it."""
        jobs: dict[tuple[str, str | None], list[Finding]] = {}
        for finding in self._report.findings:
            jobs.setdefault((finding.gateway, finding.job_id), []).append(finding)
        for (gateway, _), findings in jobs.items():
            marks = sorted(finding.lost_at for finding in findings if finding.lost_at)
            counts = _counts(Incident(gateway, None, None, tuple(findings)))
            first, last = (marks[0], marks[-1]) if marks else (None, None)
            yield LaneTold(gateway, _job(findings[0]), len(findings), stamp(first), stamp(last), counts)

    def incidents(self, incidents: list[Incident]) -> tuple[tuple[IncidentShown, ...], tuple[IncidentNamed, ...]]:
        """Tell the incidents in order of time: the gravest drawn, the others named with all their rows."""
        by_gravity = sorted(range(len(incidents)), key=lambda number: incidents[number].gravity)
        chosen, opened = set(by_gravity[:DRAWN_INCIDENTS]), set(by_gravity[:_OPEN_INCIDENTS])
        shown: list[IncidentShown] = []
        undrawn: list[IncidentNamed] = []
        for number, incident in enumerate(incidents):
            title = _incident_title(incident) + (f" · {incident.gateway}" if self._several else "")
            picture = self._drawing.panel(f"i{number + 1}", title, incident) if number in chosen else None
            if picture is None:
                links = tuple(self.link(finding) for finding in incident.findings)
                undrawn.append(IncidentNamed(title, _begin(incident), _counts(incident), links))
            else:
                rows = tuple(self._incident_row(finding) for finding in incident.findings)
                shown.append(_incident(incident, title, rows, picture, is_open=number in opened))
        return tuple(shown), tuple(undrawn)

    def _incident_row(self, finding: Finding) -> IncidentRow:
        return IncidentRow(
            link=self.link(finding),
            started=stamp(finding.started_at),
            ran=_ran(finding),
            lost_at=stamp(finding.lost_at),
            verdict=finding.verdict,
        )

    def groups(self) -> Iterator[Group]:
        """Tell every finding, the gravest verdicts first, within one in report order."""
        repeats = len(self._report.findings) <= _FULL_CHAINS
        count = len(self._report.findings)
        for verdict in GRAVEST_FIRST:
            is_loss = RANK[verdict] <= RANK[Verdict.UNEXPLAINED]
            findings = tuple(
                self._finding(one, repeats=repeats, is_open=count <= (_OPEN_LOSSES if is_loss else _OPEN_FINDINGS))
                for one in self._report.of_verdict(verdict)
            )
            if findings:
                yield Group(verdict, VERDICTS[verdict], findings)

    def _finding(self, finding: Finding, *, repeats: bool, is_open: bool) -> FindingShown:
        window = f" {finding.restart}" if finding.restart else ""
        return FindingShown(
            anchor=self._names.anchor(finding),
            task=self._names.of(finding),
            job=_job(finding),
            lost_at=stamp(finding.lost_at),
            verdict=finding.verdict,
            confidence=finding.confidence or "",
            cause=finding.cause + window,
            because=why(finding, self._paths),
            claims=tuple(self._claims(finding)),
            corrected=tuple(_corrected(finding)),
            facts=tuple(self._facts(finding, repeats=repeats)),
            is_open=is_open,
        )

    def _claims(self, finding: Finding) -> Iterator[tuple[str, str]]:
        yield "task", finding.task_id
        if finding.job_name and finding.job_id:
            yield "job id", finding.job_id
        if finding.run_id and finding.started_at is None:
            yield "run id", finding.run_id
        if self._several:
            yield "gateway", finding.gateway
        if finding.projected:
            yield "known from", "an export only: the registry has no such mark"
        yield "cause", CAUSES[finding.cause]

    def _facts(self, finding: Finding, *, repeats: bool) -> Iterator[FactRow]:
        """Give the chain of evidence; where the lines of the restart stand with it, one row leads there."""
        target = self._windows.get((finding.gateway, finding.restart or ""), "")
        of_restart = [fact for fact in finding.evidence if fact.role == EvidenceRole.RESTART]
        is_short = not repeats and target and of_restart
        for fact in finding.evidence:
            if is_short and fact.role == EvidenceRole.RESTART:
                if fact is of_restart[0]:
                    told = f"{finding.restart}: {counted(len(of_restart), 'line')}, each with its place under Restarts"
                    yield FactRow(stamp(fact.at), fact.role, told, place(fact, self._paths), target)
                continue
            yield FactRow(stamp(fact.at), fact.role, fact.text, place(fact, self._paths))

    def withheld(self) -> Iterator[Withheld]:
        """Tell why rows are withheld, and which files would settle them; the reason of most rows first."""
        rows: dict[Reason, list[Finding]] = {}
        for finding in self._report.of_verdict(Verdict.UNDETERMINED):
            for code in finding.reasons:
                rows.setdefault(Reason(code), []).append(finding)
        for reason, findings in sorted(rows.items(), key=lambda one: (-len(one[1]), one[0])):
            files = sorted({name for finding in findings for name in wanted_files(finding, reason)})
            yield Withheld(REASONS[reason], tuple(files), tuple(self.link(one) for one in findings))

    def restarts(self) -> Iterator[RestartShown]:
        """Tell every restart window with its lines."""
        named: dict[tuple[str, str | None], int] = {}
        for finding in self._report.findings:
            key = (finding.gateway, finding.restart)
            named[key] = named.get(key, 0) + 1
        for window in self._report.restarts:
            rows = named.get((window.gateway, window.id), 0)
            yield self._restart(window, rows)

    def _restart(self, window: Restart, rows: int) -> RestartShown:
        vague = window.down_at_latest != window.down_at
        return RestartShown(
            anchor=self._windows[window.gateway, window.id],
            gateway=window.gateway if self._several else "",
            name=window.id,
            kind=way_down(window),
            process=window.process,
            down_at=stamp(window.down_at),
            down=stamp(window.down_at) + (f" to {stamp(window.down_at_latest)}" if vague else ""),
            ready=stamp(window.ready_at) if window.ready_at else "never seen",
            away=lasted(window.ready_at - window.down_at) if window.ready_at else "unknown",
            drain=window.drain or "-",
            reason=window.reason or "-",
            doubt=window.doubt or "",
            rows=rows,
            lines=tuple(FactRow(stamp(f.at), f.role, f.text, place(f, self._paths)) for f in window.evidence),
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


def _job(finding: Finding) -> str:
    return finding.job_name or finding.job_id or "-"


def _ran(finding: Finding) -> str:
    """Say which run decided a row: its own record, or the stand-in."""
    run = finding.run
    if run is None:
        return "no record"
    whose = "stand-in" if run.role == "stand_in" else "own record"
    return f"{whose}: {run.status or 'no status'}, {stamp(run.started_at)} to {stamp(run.finished_at)}"


def _corrected(finding: Finding) -> Iterator[tuple[str, str]]:
    correction = finding.correction
    if correction is None or finding.verdict not in CORRECTED_BY_DEFAULT:
        return
    yield "status", correction.status
    yield "ended_at", stamp(correction.ended_at)
    yield "error", "NULL" if correction.error is None else correction.error
    if correction.terminal_summary is not None:
        yield "terminal_summary", correction.terminal_summary
    yield "cleanup_after", stamp(correction.cleanup_after)


def _incident_title(incident: Incident) -> str:
    if incident.restart:
        return f"{incident.restart.id}, {way_down(incident.restart)}"
    if incident.marked_at is None:
        return "Rows without a lost mark"
    if all(finding.projected for finding in incident.findings):
        return "Shown as lost by an export"
    return "One sweep" if len(incident.findings) > 1 else f"One row: {_job(incident.findings[0])}"


def _sweep_told(incident: Incident) -> str:
    """Say when its rows were marked, and why as far as that is known."""
    rows = counted(len(incident.findings), "row")
    when = f"marked at {stamp(incident.marked_at)} UTC" if incident.marked_at else "without the time of a mark"
    causes = sorted({CAUSES[finding.cause] for finding in incident.findings})
    return f"{rows} {when}: {'; '.join(causes)}."
