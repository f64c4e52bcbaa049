"""The page as data: what each of its sections says, ready to be shown. Nothing here knows how it looks."""

from __future__ import annotations

from dataclasses import dataclass

from forensics import __version__
from forensics.model.finding import Counts, Report
from forensics.writers.html.figures import CodeRow, Figure, Share, codes, figures, shares
from forensics.writers.html.findings import Group, causes_of, groups_of
from forensics.writers.html.material import NoticeRow, SourceRow, level_counts, notice_rows, source_rows
from forensics.writers.html.restarts import RestartShown, restarts_of
from forensics.writers.html.sheet import Link, Settling, sheet_of
from forensics.writers.html.timeline import TimeLine, time_line_of
from forensics.writers.html.withheld import Settled, Withheld, settled_of, unsettled_told, weak_of, withheld_of
from forensics.writers.told_reliability import HEADERS, reliability_notes, reliability_rows
from forensics.writers.told_times import odd_times_told
from forensics.writers.wording import closing, corrections_told, releases_told, stamp

_JOBS_OF_RELIABILITY = 200


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page says, in its order."""

    sentence: str
    as_of: str
    tasks: int
    releases: tuple[str, ...]
    has_gateways: bool
    figures: tuple[Figure, ...]
    shares: tuple[Share, ...]
    before: Counts
    after: Counts
    codes: tuple[CodeRow, ...]
    healed: tuple[str, ...]
    healed_aborted: tuple[str, ...]
    corrections: tuple[str, ...]
    time_line: TimeLine
    groups: tuple[Group, ...]
    causes: tuple[tuple[str, str], ...]
    withheld: tuple[Withheld, ...]
    settled: tuple[Settled, ...]
    unsettled: str
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


def page_of(report: Report, command: str | None, settling: Settling | None = None) -> Page:
    """Prepare the page of a report; ``command`` is how it was asked for, as far as that is known."""
    sheet = sheet_of(report, settling)
    sources, sources_from, sources_until = source_rows(report.sources)
    notices = notice_rows(report)
    return Page(
        sentence=closing(report),
        as_of=stamp(report.now),
        tasks=report.summary.tasks,
        releases=tuple(releases_told(report)),
        has_gateways=sheet.has_gateways,
        figures=figures(report),
        shares=tuple(shares(report)),
        before=report.summary.before,
        after=report.summary.after,
        codes=tuple(codes(report)),
        healed=report.summary.healed,
        healed_aborted=report.summary.healed_aborted,
        corrections=tuple(corrections_told(report)),
        time_line=time_line_of(sheet),
        groups=tuple(groups_of(sheet)),
        causes=causes_of(sheet),
        withheld=tuple(withheld_of(sheet)),
        settled=tuple(settled_of(sheet)),
        unsettled=unsettled_told(sheet),
        weak=tuple(weak_of(sheet)),
        reliability=tuple(reliability_rows(report, _JOBS_OF_RELIABILITY)),
        reliability_headers=HEADERS,
        reliability_notes=tuple(reliability_notes(report)),
        odd_times=tuple(odd_times_told(report)),
        restarts=tuple(restarts_of(sheet)),
        sources=sources,
        sources_from=sources_from,
        sources_until=sources_until,
        notices=notices,
        notice_counts=level_counts(notices),
        policy=tuple(report.policy.as_text().items()),
        version=__version__,
        command=command or "",
    )
