"""What the warnings about times out of order are, each kind in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from forensics.model.finding import Citation, OddRow, OddTimes, Report
from forensics.model.verdicts import SourceKind, TimeOrder
from forensics.writers.phrases import counted, lasted
from forensics.writers.wording import place

_NAMED = 3
_MS = timedelta(milliseconds=1)
_ROWS = "task_runs"
_CODE = "inconsistent_timestamps"
_WORDS = {
    TimeOrder.ACTIVE_ENDED: "endedAt is set, but the row is queued or running",
    TimeOrder.END_BEFORE_START: "endedAt is earlier than startedAt",
    TimeOrder.START_LONG_BEFORE_CREATION: "startedAt is far earlier than createdAt",
    TimeOrder.START_BEFORE_CREATION: "startedAt is earlier than createdAt",
}
"""As the gateway's audit words its warnings."""
_OWN_ORDER = "the order in which releases before 2026.4.25 write a row, no sign of a wrong clock"
_OTHERWISE = "no release is known to write so; the clock may have been set, or the row be damaged"
_BECAUSE = {
    TimeOrder.START_BEFORE_CREATION: _OWN_ORDER,
    TimeOrder.ACTIVE_ENDED: "no release is known to write so; the row may be damaged",
}


def odd_times_told(report: Report) -> Iterator[str]:
    """Say of each kind of row that ``inconsistent_timestamps`` counts how many there are, by how much, and why.

    Texts of the evidence in it are as they are: every writer escapes them.
    """
    for odd in report.odd_times:
        what = f"{_WORDS[odd.kind]}{_spread(odd)}: {_BECAUSE.get(odd.kind, _OTHERWISE)}"
        yield f"{_CODE}: {counted(odd.rows, 'warning')}: {what}{_named(odd, report)}."


def _spread(odd: OddTimes) -> str:
    """Say by how much, over the rows whose times are printed to the millisecond."""
    coarse = f"{odd.coarse} of them printed in whole seconds" if odd.coarse else ""
    if odd.least_ms is None or odd.most_ms is None or odd.median_ms is None:
        return f", {coarse}" if coarse else ""
    least, most = lasted(odd.least_ms * _MS), lasted(odd.most_ms * _MS)
    if least == most:
        by = f" by {most}"
    else:
        # of milliseconds, both ends need no unit of their own
        least = least.removesuffix(" ms") if most.endswith(" ms") else least
        by = f" by {least} to {most} (median {lasted(odd.median_ms * _MS)})"
    return f"{by}, {coarse}" if coarse else by


def _named(odd: OddTimes, report: Report) -> str:
    """Name the first rows, each with its place."""
    if not odd.named:
        return ""
    paths, kinds = report.paths(), dict(report.sources.select("id", "kind").iter_rows())
    told = [f"{row.task_id} ({_place(row, paths, kinds)})" for row in odd.named[:_NAMED]]
    more = odd.rows - len(told)
    return f": {', '.join(told)}" + (f" and {more} more" if more else "")


def _place(row: OddRow, paths: dict[int, str], kinds: dict[int, str]) -> str:
    table = _ROWS if kinds[row.source] == SourceKind.TASK_REGISTRY else None
    return place(Citation("", row.source, row.line, None, "", table), paths)
