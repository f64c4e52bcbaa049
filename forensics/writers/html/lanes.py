"""One lane of a picture: the lost rows of a job on tracks that do not overlap, and its runs below them.

Nothing is drawn twice in one place: marks that would cover each other become one mark with their number, the gravest
verdict outside, or, where rows are dense, small bars of their number; bars of runs that would, one bar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from forensics.model.finding import Finding, Report, Restart, Run
from forensics.model.verdicts import Verdict
from forensics.writers.html.incidents import GRAVEST_FIRST, RANK
from forensics.writers.html.scale import Scale
from forensics.writers.html.stacks import DENSE_MARKS, DENSE_ROWS, Stack, stacks_of
from forensics.writers.layout import short_ids
from forensics.writers.phrases import counted
from forensics.writers.wording import stamp

MARK = 16.0
_TRACK = 20.0
_RUNS = 16.0
_PADDING = 5.0
_THIN = 1.5
_DIGIT = 7.0
_SEEN = 3.0
_NAMED_AT_MOST = 6
_DIED = (Verdict.INTERRUPTED, Verdict.REPLAYED)
_OWN = {Verdict.FALSE_LOST: "ok", Verdict.FAILED: "error"} | dict.fromkeys(_DIED, "interrupted")
"""As what a row's own record is drawn: as what it proves, not as what it says; one that decides nothing is unknown."""
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A run as it is to be drawn: ``kind`` is ok, error, interrupted, unknown, stand_in or other."""

    kind: str
    begin: datetime
    end: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a lane shows, before it is laid out."""

    label: str
    title: str
    findings: tuple[Finding, ...]
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """The time for which a row claimed to run: from its start to its lost mark."""

    x: float
    y: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A lost mark, or several that lie in one place; ``target`` is the id of the finding it leads to."""

    x: float
    y: float
    verdict: str
    count: int
    title: str
    target: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A run, or several of a kind that lie in one place."""

    x: float
    y: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane, laid out; rows that are too dense for claims and marks are in ``stacks``."""

    y: float
    height: float
    label: str
    title: str
    claims: tuple[Claim, ...]
    marks: tuple[Mark, ...]
    stacks: tuple[Stack, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """How findings are named on the page: their short ids, and the ids of the elements that tell them and restarts."""

    short: dict[tuple[str, str], str]
    anchors: dict[tuple[str, str], str]
    windows: dict[tuple[str, str], str]

    def of(self, finding: Finding) -> str:
        """Give the short id of a finding."""
        return self.short[finding.gateway, finding.task_id]

    def anchor(self, finding: Finding) -> str:
        """Give the id of the element that tells a finding."""
        return self.anchors[finding.gateway, finding.task_id]

    def window(self, gateway: str, restart: str | None) -> str:
        """Give the id of the element that tells a restart; nothing where none is meant."""
        return self.windows.get((gateway, restart or ""), "")


def names_of(report: Report) -> Names:
    """Name what a report tells of; the elements are numbered, as ids of evidence are hostile and may be long."""
    anchors = {(one.gateway, one.task_id): f"f{number}" for number, one in enumerate(report.findings, 1)}
    windows = {(one.gateway, one.id): f"r{number}" for number, one in enumerate(report.restarts, 1)}
    return Names(short_ids(report), anchors, windows)


def laid_out(content: Content, scale: Scale, y: float, names: Names, most_tracks: int) -> Lane:
    """Lay out one lane at height ``y``, its rows on at most ``most_tracks`` tracks."""
    tracks = _tracks(content.findings, scale, most_tracks)
    claims: list[Claim] = []
    marks: list[Mark] = []
    stacks: list[Stack] = []
    for number, findings in enumerate(tracks):
        middle = y + _PADDING + _TRACK * (number + 0.5)
        placed = _placed(findings, scale)
        drawn = list(_marks(placed, middle, names))
        if len(findings) >= DENSE_ROWS and sum(mark.count > 1 for mark in drawn) >= DENSE_MARKS:
            stacks += stacks_of(placed, scale.left, middle, lambda together: _told(together, names))
        else:
            claims += _claims(findings, scale, middle, names)
            marks += drawn
    below = y + _PADDING + _TRACK * len(tracks)
    bars = tuple(_bars(content.spans, scale, below + _RUNS / 2))
    height = 2 * _PADDING + _TRACK * len(tracks) + (_RUNS if bars else 0)
    return Lane(y, height, content.label, content.title, tuple(claims), tuple(marks), tuple(stacks), bars)


def spans_of(findings: Iterable[Finding], windows: Mapping[tuple[str, str], Restart]) -> Iterator[Span]:
    """Give the runs that decided these findings: their own records, stand-ins, and runs that died with a restart."""
    for finding in findings:
        if finding.run is not None:
            yield from _recorded(finding, finding.run)
        window = windows.get((finding.gateway, finding.restart or ""))
        if window and (finding.run is None or finding.run.role == "stand_in"):
            yield from _died(finding, window)


def _recorded(finding: Finding, run: Run) -> Iterator[Span]:
    """Give the run of a record, as far as the record, or for an own record the row, dates it."""
    is_own = run.role == "own"
    length = timedelta() if run.duration_ms is None else run.duration_ms * _MS
    derived = run.finished_at - length if run.finished_at and length else None
    begin = run.started_at or derived or (finding.started_at if is_own else None) or run.finished_at
    if begin is not None:
        end = run.finished_at or begin + length
        kind = _OWN.get(finding.verdict, "unknown") if is_own else "stand_in"
        told = f"{run.status or 'no status'}, {stamp(begin)} to {stamp(end)} UTC"
        yield Span(kind, begin, max(begin, end), f"{'its own record' if is_own else 'stand-in run'}: {told}")


def _died(finding: Finding, window: Restart) -> Iterator[Span]:
    """Give a run that died with a restart and left no end: it ended when the new process began, at the latest."""
    if finding.verdict in _DIED and finding.started_at is not None:
        end = window.up_at or window.down_at_latest
        told = f"died with {window.id}, at {stamp(end)} UTC at the latest"
        yield Span("interrupted", finding.started_at, max(finding.started_at, end), told)


def marked_at(finding: Finding) -> datetime | None:
    """Give the moment at which a row is drawn: its lost mark, or its start where it has none."""
    return finding.lost_at or finding.started_at


def told_row(finding: Finding, names: Names) -> str:
    """Say in one line what a row claims and what became of it."""
    start, lost = stamp(finding.started_at), stamp(finding.lost_at)
    return f"{names.of(finding)}: started {start}, marked lost {lost} UTC: {finding.verdict}"


def _tracks(findings: Sequence[Finding], scale: Scale, most: int) -> list[list[Finding]]:
    """Put each row on the first track where it covers no other, the last track taking all that is left."""
    tracks: list[list[Finding]] = []
    reached: list[float] = []
    for finding in sorted(findings, key=_drawn_order):
        moment = marked_at(finding)
        if moment is None:
            continue
        begin = scale.x(finding.started_at or moment)
        number = next((n for n, x in enumerate(reached) if x <= begin), len(tracks))
        number = min(number, most - 1)
        if number == len(tracks):
            tracks.append([])
            reached.append(0.0)
        tracks[number].append(finding)
        reached[number] = max(reached[number], scale.x(moment) + MARK)
    return tracks or [[]]


def _drawn_order(finding: Finding) -> tuple[bool, datetime | str, str]:
    moment = finding.started_at or finding.lost_at
    return moment is None, moment or "", finding.task_id


def _claims(findings: Iterable[Finding], scale: Scale, y: float, names: Names) -> Iterator[Claim]:
    """Draw from start to lost mark where that can be seen; of several that look the same, the first stands for all."""
    drawn: set[tuple[int, int]] = set()
    for finding in findings:
        if finding.started_at is None or finding.lost_at is None:
            continue
        begin, end = scale.x(finding.started_at), scale.x(finding.lost_at)
        if (round(begin), round(end)) not in drawn and end - begin >= _SEEN:
            drawn.add((round(begin), round(end)))
            yield Claim(begin, y, round(end - begin, 1), told_row(finding, names))


def _placed(findings: Iterable[Finding], scale: Scale) -> list[tuple[float, Finding]]:
    """Give where the marks of rows lie, from left to right."""
    return sorted(
        ((scale.x(moment), finding) for finding in findings if (moment := marked_at(finding)) is not None),
        key=lambda one: (one[0], RANK[one[1].verdict], one[1].task_id),
    )


def _marks(placed: Iterable[tuple[float, Finding]], y: float, names: Names) -> Iterator[Mark]:
    together: list[Finding] = []
    begin = 0.0
    for x, finding in placed:
        if together and x - begin >= _width(len(together)):
            yield _mark(together, begin, y, names)
            together = []
        if not together:
            begin = x
        together.append(finding)
    if together:
        yield _mark(together, begin, y, names)


def _width(count: int) -> float:
    """Give how wide a mark is, with its number where it stands for several."""
    return MARK if count == 1 else MARK + 6 + _DIGIT * len(str(count))


def _mark(together: list[Finding], x: float, y: float, names: Names) -> Mark:
    title, target = _told(together, names)
    return Mark(x, y, _gravest(together).verdict, len(together), title, target)


def _gravest(together: list[Finding]) -> Finding:
    return min(together, key=lambda finding: RANK[finding.verdict])


def _told(together: list[Finding], names: Names) -> tuple[str, str]:
    """Say what lies in one place, and where the gravest of it is told."""
    gravest = _gravest(together)
    told = told_row(gravest, names) if len(together) == 1 else _told_together(together, names)
    return told, names.anchor(gravest)


def _told_together(findings: list[Finding], names: Names) -> str:
    verdicts = Counter(finding.verdict for finding in findings)
    counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in GRAVEST_FIRST if verdicts[verdict])
    shown = ", ".join(names.of(finding) for finding in findings[:_NAMED_AT_MOST])
    left = len(findings) - _NAMED_AT_MOST
    return f"{counted(len(findings), 'row')}: {counts} ({shown}{f' and {left} more' if left > 0 else ''})"


def _bars(spans: Iterable[Span], scale: Scale, y: float) -> Iterator[Bar]:
    """Draw the runs; thin ones of a kind that lie side by side become one."""
    inside = [span for span in spans if span.end >= scale.begin and span.begin <= scale.end]
    open_bars: dict[str, tuple[float, float, list[Span]]] = {}
    for span in sorted(inside, key=lambda span: (span.begin, span.end, span.kind)):
        begin, end = scale.x(span.begin), max(scale.x(span.end), scale.x(span.begin) + _THIN)
        before = open_bars.get(span.kind)
        if before and begin - before[1] < 1 and min(end - begin, before[1] - before[0]) < 2 * _THIN:
            open_bars[span.kind] = (before[0], max(before[1], end), [*before[2], span])
            continue
        if before:
            yield _bar(span.kind, *before, y)
        open_bars[span.kind] = (begin, end, [span])
    for kind, told in sorted(open_bars.items()):
        yield _bar(kind, *told, y)


def _bar(kind: str, begin: float, end: float, spans: list[Span], y: float) -> Bar:
    title = spans[0].title
    if len(spans) > 1:
        title = f"{len(spans)} runs, the first: {title}"
    return Bar(begin, y, round(end - begin, 1), kind, title)
