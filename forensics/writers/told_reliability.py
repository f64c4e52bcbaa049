"""How often the jobs succeeded, in the words and figures that every report shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forensics.model.escape import shortened
from forensics.model.finding import Reliability, Report
from forensics.model.policy import LOST_RETENTION
from forensics.model.shown import PLAIN, Shown
from forensics.writers.phrases import counted, lasted

HEADERS = (
    "job",
    "succeeded, raw",
    "succeeded, corrected",
    "failed or lost, raw",
    "failed, corrected",
    "made good",
    "undecided",
)
_NAME_WIDTH = 32
_JOBS_TOLD = 20
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class _Tally:
    """Runs of one job, or of several."""

    runs: int
    raw_succeeded: int
    raw_by_restart: int
    succeeded: int
    failed: int
    made_good: int
    undecided: int
    by_restart: int


def reliability_rows(report: Report, jobs_told: int = _JOBS_TOLD) -> list[tuple[str, ...]]:
    """Give a row per job with ended runs under ``HEADERS``: first those that the verdicts change, worst first.

    Beyond ``jobs_told`` the jobs are summed up in one row more.
    """
    several = len({job.gateway for job in report.reliability}) > 1
    jobs = sorted((job for job in report.reliability if job.runs), key=_changed_first)
    # one job more takes no more room than the row that sums it up
    shown = jobs if len(jobs) <= jobs_told + 1 else jobs[:jobs_told]
    rows = [_row(_name(job, with_gateway=several), _tally([job])) for job in shown]
    rest = jobs[len(shown) :]
    if rest:
        rows.append(_row(f"{len(rest)} other jobs", _tally(rest)))
    return rows


def reliability_notes(report: Report, shown: Shown = PLAIN) -> Iterator[str]:
    """Say what the figures are about: which rows, of which time, and what they leave open."""
    jobs = [job for job in report.reliability if job.runs]
    begun = [moment for job in jobs for moment in (job.first_at, job.last_at) if moment]
    span = f", started {shown.stamp(min(begun))} to {shown.moment(max(begun))}" if begun else ""
    yield (
        f"{counted(sum(job.runs for job in jobs), 'run')}: the ended cron rows at hand{span}. Gateways delete rows "
        f"{report.policy.retention.days} days after their end, lost ones {lasted(LOST_RETENTION)} after the mark from "
        "2026.5.26 on: what was deleted is not counted."
    )
    yield "Raw is what the rows say; corrected applies the verdicts."
    yield (
        "In brackets, those of a restart: raw, rows marked lost because of it, or that say it interrupted them; "
        "corrected, runs that died with it."
    )
    if any(job.corrected.made_good for job in jobs):
        yield "Made good: failed, but another run of the job did its work."
    if any(job.corrected.undecided for job in jobs):
        yield (
            "Undecided: the evidence proves neither, or has weak proof only. A range takes all of them for failures, "
            "then all for successes."
        )
    open_rows = sum(job.not_counted for job in report.reliability)
    if open_rows:
        yield f"Not counted: {counted(open_rows, 'row')} still queued or running, cancelled, or of no known status."


def has_runs(report: Report) -> bool:
    """Tell whether any job has runs to tell of."""
    return any(job.runs for job in report.reliability)


def _changed_first(job: Reliability) -> tuple[bool, float, int, str, str, str]:
    lowest = job.corrected.lowest_rate or 0.0
    name = job.job_name or job.job_id or ""
    return not _is_changed(job), lowest, -job.runs, name, job.gateway, job.job_id or ""


def _is_changed(job: Reliability) -> bool:
    raw, corrected = job.raw, job.corrected
    return (raw.succeeded, 0, 0) != (corrected.succeeded, corrected.undecided, corrected.made_good)


def _name(job: Reliability, *, with_gateway: bool) -> str:
    name = shortened(job.job_name or job.job_id or "(no job named)", _NAME_WIDTH)
    return f"{shortened(job.gateway, _NAME_WIDTH)}: {name}" if with_gateway else name


def _tally(jobs: Sequence[Reliability]) -> _Tally:
    return _Tally(
        runs=sum(job.runs for job in jobs),
        raw_succeeded=sum(job.raw.succeeded for job in jobs),
        raw_by_restart=sum(job.raw.by_restart for job in jobs),
        succeeded=sum(job.corrected.succeeded for job in jobs),
        failed=sum(job.corrected.failed for job in jobs),
        made_good=sum(job.corrected.made_good for job in jobs),
        undecided=sum(job.corrected.undecided for job in jobs),
        by_restart=sum(job.corrected.by_restart for job in jobs),
    )


def _row(name: str, tally: _Tally) -> tuple[str, ...]:
    return (
        name,
        part_told(tally.raw_succeeded, tally.raw_succeeded, tally.runs),
        part_told(tally.succeeded, tally.succeeded + tally.undecided, tally.runs),
        _failures(tally.runs - tally.raw_succeeded, tally.raw_by_restart),
        _failures(tally.failed, tally.by_restart),
        str(tally.made_good or "-"),
        str(tally.undecided or "-"),
    )


def _failures(count: int, by_restart: int) -> str:
    return f"{count} ({by_restart})" if count else "-"


def part_told(lowest: int, highest: int, runs: int) -> str:
    """Say how many of the runs, and how much that is; a range where the two differ.

    >>> part_told(2, 2, 3), part_told(6, 8, 10), part_told(999, 999, 1000)
    ('2 of 3 (67 %)', '6 to 8 of 10 (60 to 80 %)', '999 of 1000 (99 %)')
    """
    if lowest == highest:
        return f"{lowest} of {runs} ({_percent(lowest, runs)} %)"
    return f"{lowest} to {highest} of {runs} ({_percent(lowest, runs)} to {_percent(highest, runs)} %)"


def _percent(count: int, runs: int) -> int:
    """Round to whole per cent, but call nothing all or none that is not."""
    rounded = (2 * _WHOLE * count + runs) // (2 * runs)
    if count in (0, runs):
        return rounded
    return min(max(rounded, 1), _WHOLE - 1)
