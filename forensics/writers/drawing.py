"""A row's timeline as a drawing of a few lines of plain text: to scale, but for gaps that are cut and marked so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl

from forensics.model.finding import Citation, Finding, Report, Restart, Run
from forensics.model.shown import PLAIN, Shown
from forensics.model.verdicts import POSSIBLE_END, EvidenceRole, Verdict

WIDTH = 100
NARROWEST, _WIDEST = 60, 100
_MARGIN = 14
"""Columns before the first moment: two of indent, the name of the lane, and a space."""
_CUT = 8
"""Columns of a gap that is cut, with ``//`` in its middle."""
_CUTS = 3
_CUT_FROM = 10
"""A gap is cut when it is so many times as long as all else: to scale, that would have a few columns only."""
_SHORTEST = timedelta(seconds=1)
"""What is drawn to scale beside a cut gap is no shorter, or a jitter would look like a run."""
_FINE = timedelta(seconds=20)
_MICROSECOND = timedelta(microseconds=1)

MARK, SWEEP, BREAK = "●", "▼", "//"
_ROW, _RUN, _OPEN = "├─┤", "╞═╡", "├╌┤"
_UP, _WINDOW, _DOUBT = "━", "░", "?"
_LEGEND = {
    MARK: "a fact of the table below",
    "─": "start to lost mark, as the row says",
    "═": "a run on record",
    "╌": "as long as the run may have gone on",
    _UP: "no restart, as far as the log covers",
    _WINDOW: "restart window, down to ready",
    _DOUBT: "may have been down",
    BREAK: "a long gap, cut short",
}
_LANES = {
    EvidenceRole.MARKER.value: "marker",
    EvidenceRole.CATCH_UP.value: "catch-up",
    EvidenceRole.NEAR_MISS.value: "near miss",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """Where each moment stands: ``columns`` of ``moments``, in order of time; ``cuts`` are the gaps that are cut short,
    by the number of the moment before them.
    """  # noqa: D205

    moments: tuple[datetime, ...]
    columns: tuple[int, ...]
    cuts: frozenset[int]

    def x(self, moment: datetime) -> int:
        """Give the column of a moment; one beyond either end stands at that end."""
        moment = min(max(moment, self.moments[0]), self.moments[-1])
        before = min(bisect_right(self.moments, moment), len(self.moments) - 1) - 1
        start, end = self.moments[before], self.moments[before + 1]
        left, right = self.columns[before], self.columns[before + 1]
        return left + (right - left) * (moment - start) // (end - start) if moment < end else right

    def breaks(self) -> Iterator[int]:
        """Give the first column of every ``//``."""
        for number in self.cuts:
            yield (self.columns[number] + self.columns[number + 1]) // 2


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a lane: drawn in one sign, or in three, for its first column, those between, and its last."""

    begin: datetime
    end: datetime
    signs: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the drawing; later spans are drawn over earlier ones, marks over all."""

    name: str
    spans: tuple[Span, ...] = ()
    marks: tuple[datetime, ...] = ()
    mark: str = MARK


def drawn_timeline(
    finding: Finding, report: Report, facts: Sequence[Citation], width: int = WIDTH, shown: Shown = PLAIN
) -> list[str]:
    """Draw the timeline of a lost row, at most ``width`` columns wide; nothing where there are not two moments.

    ``facts`` are those of the table that follows: each that bears a time has a mark. No text of the evidence is in the
    drawing.
    """
    lanes = lanes_of(finding, report, facts)
    scale = scale_of(moments_of(lanes), plot_width(width))
    if scale is None:
        return []
    times, axis = _axis(scale, finding, plot_width(width), shown)
    drawn = [axis, *(_line(lane, scale) for lane in lanes)]
    return [f"  {line}".rstrip() for line in (times, *drawn)] + list(_legend(drawn, width))


def plot_width(width: int) -> int:
    """Give the columns that are left for the drawing itself."""
    return min(max(width, NARROWEST), _WIDEST) - _MARGIN


def lanes_of(finding: Finding, report: Report, facts: Sequence[Citation]) -> list[Lane]:
    """Give the lanes from top to bottom: what the row says, the runs, other lines, the gateway, the lost mark."""
    by_role: dict[str, list[datetime]] = {}
    for fact in facts:
        if fact.at is not None:
            by_role.setdefault(fact.role, []).append(fact.at)
    lanes = [_row(finding, by_role), *_runs(finding, by_role), *_could_run(finding)]
    lanes += [Lane(name, marks=tuple(by_role[role])) for role, name in _LANES.items() if role in by_role]
    ends = [moment for lane in lanes for moment in _moments(lane)] + by_role.get(EvidenceRole.RESTART, [])
    ends += by_role.get(EvidenceRole.LOST_MARK, [])
    if ends:
        lanes += _gateway(finding, report, by_role.get(EvidenceRole.RESTART, []), min(ends), max(ends))
    lanes.append(Lane("lost mark", marks=tuple(by_role.get(EvidenceRole.LOST_MARK, ())), mark=SWEEP))
    return [lane for lane in lanes if lane.spans or lane.marks]


def moments_of(lanes: Iterable[Lane]) -> list[datetime]:
    """Give the moments that the scale is made for, in order: all marks, and the ends of all spans."""
    return sorted({moment for lane in lanes for moment in _moments(lane)})


def scale_of(moments: Sequence[datetime], columns: int) -> Scale | None:
    """Spread the moments over the columns in proportion, but for gaps that dwarf all else; None for less than two."""
    if len(moments) < 2:
        return None
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    cuts = _cuts(gaps)
    whole = sum((gap for number, gap in enumerate(gaps) if number not in cuts), timedelta())
    room = columns - 1 - _CUT * len(cuts)
    placed, gone, shift = [0], timedelta(), 0
    for number, gap in enumerate(gaps):
        if number in cuts:
            shift += _CUT
        else:
            gone += gap
        placed.append(room * (gone // _MICROSECOND) // (whole // _MICROSECOND) + shift)
    return Scale(tuple(moments), tuple(placed), frozenset(cuts))


def _cuts(gaps: Sequence[timedelta]) -> set[int]:
    """Choose the gaps that are cut: as many of the longest as each dwarf all that is left together."""
    longest = sorted(range(len(gaps)), key=lambda number: (-gaps[number], number))
    for count in range(min(_CUTS, len(gaps) - 1), 0, -1):
        left = sum((gaps[number] for number in longest[count:]), timedelta())
        if left >= _SHORTEST and gaps[longest[count - 1]] >= _CUT_FROM * left:
            return set(longest[:count])
    return set()


def _row(finding: Finding, by_role: dict[str, list[datetime]]) -> Lane:
    marks = tuple(by_role.get(EvidenceRole.START, ()))
    if finding.started_at is None or finding.lost_at is None or finding.lost_at < finding.started_at:
        return Lane("row says", marks=marks)
    begun = tuple(mark for mark in marks if mark != finding.started_at)
    return Lane("row says", (Span(finding.started_at, finding.lost_at, _ROW),), begun)


def _runs(finding: Finding, by_role: dict[str, list[datetime]]) -> Iterator[Lane]:
    """Draw the run whose record decided, its own or the stand-in's, with all records that tell its end.

    The record of a run that died was written after its death, and tells no end; nor does one that is withheld.
    """
    own, stand_in = (tuple(by_role.get(role, ())) for role in (EvidenceRole.FINISH, EvidenceRole.STAND_IN))
    if finding.verdict in (Verdict.FALSE_LOST, Verdict.FAILED):
        yield _run("own run", finding.run, own)
    else:
        yield Lane("own record", marks=own)
        yield _run("stand-in", finding.run if stand_in else None, stand_in)


def _run(name: str, run: Run | None, marks: tuple[datetime, ...]) -> Lane:
    begin, end = (run.started_at, run.finished_at) if run else (None, None)
    if begin is None or end is None or end < begin:
        return Lane(name, marks=marks)
    return Lane(name, (Span(begin, end, _RUN),), tuple(mark for mark in marks if mark != end))


def _could_run(finding: Finding) -> Iterator[Lane]:
    """Draw until when a run could have gone on of which no record tells, and no death."""
    if finding.verdict not in (Verdict.UNDETERMINED, Verdict.UNEXPLAINED):
        return
    ends = [fact.at for fact in finding.evidence if fact.at is not None and fact.text.startswith(POSSIBLE_END)]
    if ends and finding.started_at is not None and finding.started_at <= ends[0]:
        yield Lane("could run", (Span(finding.started_at, ends[0], _OPEN),))


def _gateway(
    finding: Finding, report: Report, marks: Sequence[datetime], first: datetime, last: datetime
) -> Iterator[Lane]:
    """Draw where its log covers the gateway, and its restart windows."""
    of_gateway = report.log_spans.filter(pl.col("gateway") == finding.gateway).select("covered_from", "covered_until")
    covered = list(of_gateway.drop_nulls().iter_rows())
    spans = [Span(max(begin, first), min(end, last), _UP) for begin, end in covered if begin < last and end > first]
    for window in report.restarts:
        end = window.ready_at or _end_seen(window, covered)
        if window.gateway == finding.gateway and window.down_at <= last and end >= first:
            spans += _window(window, end, first, last)
    yield Lane("gateway", tuple(spans), tuple(marks))


def _end_seen(window: Restart, covered: Iterable[tuple[datetime, datetime]]) -> datetime:
    """Give until when a window that never closed is known to last: to the end of the log that shows it."""
    latest = window.up_at or window.down_at_latest
    return max([latest, *(end for begin, end in covered if begin <= latest <= end)])


def _window(window: Restart, end: datetime, first: datetime, last: datetime) -> Iterator[Span]:
    """Draw a restart window, before it the time in which a crash may have happened; a doubtful one proves nothing."""
    sign = _DOUBT if window.doubt else _WINDOW
    down, latest = max(window.down_at, first), max(window.down_at_latest, first)
    if down < latest:
        yield Span(down, min(latest, last), _DOUBT)
    yield Span(min(latest, last), min(max(end, latest), last), sign)


def _moments(lane: Lane) -> Iterator[datetime]:
    for span in lane.spans:
        yield span.begin
        yield span.end
    yield from lane.marks


def _line(lane: Lane, scale: Scale) -> str:
    signs = [" "] * (scale.columns[-1] + 1)
    for span in lane.spans:
        left, right = scale.x(span.begin), scale.x(span.end)
        signs[left : right + 1] = _stretch(span.signs, right - left + 1)
    for column in scale.breaks():
        if signs[column] != " " and signs[column + 1] != " ":
            signs[column : column + 2] = BREAK
    for mark in lane.marks:
        signs[scale.x(mark)] = lane.mark
    return f"{lane.name:<{_MARGIN - 2}}{''.join(signs)}"


def _stretch(signs: str, columns: int) -> str:
    """Draw a stretch; one of a single column has room for neither begin nor end, and is a mark."""
    if len(signs) == 1:
        return signs * columns
    return signs[0] + signs[1] * (columns - 2) + signs[2] if columns > 1 else MARK


def _axis(scale: Scale, finding: Finding, columns: int, shown: Shown) -> tuple[str, str]:
    """Give the times over the drawing, as many as have room, and the axis with a tick for each."""
    labels, ticks = [" "] * columns, ["─"] * (scale.columns[-1] + 1)
    for column in scale.breaks():
        ticks[column : column + 2] = BREAK
    whole = scale.moments[-1] - scale.moments[0]
    for moment in _by_weight(scale, finding):
        text, column = _label(shown.local(moment), shown.local(scale.moments[0]), whole), scale.x(moment)
        begin = max(min(column, columns - len(text)), 0)
        around = labels[max(begin - 1, 0) : begin + len(text) + 1]
        if all(sign == " " for sign in around) and ticks[column] == "─":
            labels[begin : begin + len(text)] = text
            ticks[column] = "┼"
    day = f"{shown.local(scale.moments[0]):%Y-%m-%d}"
    return f"{day:<{_MARGIN - 2}}{''.join(labels)}", f"{'':<{_MARGIN - 2}}{''.join(ticks)}"


def _by_weight(scale: Scale, finding: Finding) -> list[datetime]:
    """Give the moments in the order in which they claim room for their time."""
    run = finding.run
    wanted = [scale.moments[0], scale.moments[-1], finding.lost_at, finding.started_at]
    wanted += [run.finished_at, run.started_at] if run else []
    around = [scale.moments[n] for cut in sorted(scale.cuts) for n in (cut, cut + 1)]
    known = set(scale.moments)
    return [moment for moment in dict.fromkeys([*wanted, *around, *scale.moments]) if moment in known]


def _label(moment: datetime, first: datetime, whole: timedelta) -> str:
    """Say a time of the axis: to the second, or the millisecond where all is close; with its date on another day."""
    text = f"{moment:%H:%M:%S}" + (f".{moment.microsecond // 1000:03d}" if whole < _FINE else "")
    return text if moment.date() == first.date() else f"{moment:%m-%d} {text}"


def _legend(lanes: Sequence[str], width: int) -> Iterator[str]:
    """Explain the signs that the axis, which has no meaning but its cuts, and the lanes are drawn in."""
    axis, *rest = (line[_MARGIN - 2 :] for line in lanes)
    drawn = "".join(rest) + (BREAK if BREAK in axis else "")
    told = [f"{sign} {meaning}" for sign, meaning in _LEGEND.items() if sign in drawn]
    line = ""
    for said in told:
        if line and len(line) + 2 + len(said) > plot_width(width) + _MARGIN - 3:
            yield f"  {line};"
            line = ""
        line = f"{line}; {said}" if line else said
    yield f"  {line}"
