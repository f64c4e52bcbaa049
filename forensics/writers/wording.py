"""Sentences for verdicts and reasons: the same words in every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from forensics.model.baseline import Entry
from forensics.model.check import Check
from forensics.model.escape import for_terminal, shortened
from forensics.model.finding import Citation, Finding, Report
from forensics.model.shown import PLAIN, Shown, Style
from forensics.model.verdicts import (
    POSSIBLE_END,
    SEVERITY_OF,
    Cause,
    Confidence,
    EvidenceRole,
    Reason,
    Severity,
    TaskStatus,
    Verdict,
)

VERDICTS: dict[Verdict, str] = {
    Verdict.FALSE_LOST: "the run was recorded ok; the row is wrong",
    Verdict.FAILED: "the run was recorded as an error; it failed, it was not lost",
    Verdict.REPLAYED: "the run died with a restart; another run of the job did its work",
    Verdict.INTERRUPTED: "the run died with a restart; nothing stood in for it",
    Verdict.UNEXPLAINED: "the run left no record although everything is covered, and nothing killed it",
    Verdict.UNDETERMINED: "the evidence does not decide; the verdict is withheld",
    Verdict.NOT_APPLICABLE: "not a cron row marked by the sweep; the rule does not apply",
}

CAUSES: dict[Cause, str] = {
    Cause.PROJECTION: "a separate command-line process showed a running row as lost",
    Cause.RESTART: "a restart came before the sweep looked, and mostly empties its list",
    Cause.CATCH_UP: "a start-up catch-up run is not on the list of running jobs",
    Cause.MANUAL_RUN: "a manual run is not on the list of running jobs",
    Cause.NO_RESTART: "the sweep marked it with no restart near",
    Cause.UNKNOWN: "nothing at hand tells why it was marked",
}

REASONS: dict[Reason, str] = {
    Reason.OWN_RECORD: "its own record says so",
    Reason.DERIVED_START: "the record names no start, but its end minus its duration is this row's start",
    Reason.COARSE_TIME: "times are printed in whole seconds; the only record that starts within that second is its own",
    Reason.RESERVATION: "the record names the reservation of this run, just before its start",
    Reason.ONLY_RECORD: "the record names neither start nor duration; it is the only one before the job's next start",
    Reason.TWO_RECORDS: "a start-up line assumed it interrupted, its real end was recorded later",
    Reason.LEDGER_WARNING: "the gateway logged that it could not write this run's end into the registry",
    Reason.JOB_STATE: "the job's last-run state says so",
    Reason.ABORTED_OK: "its ok has neither summary nor usage and ends inside a restart: it was aborted",
    Reason.MAYBE_ABORTED: "its ok has neither summary nor usage, its end is not covered: it may have been aborted",
    Reason.INSTANT_OK: "its ok took milliseconds although the row was active for minutes: recorded when enqueued",
    Reason.INTERRUPTED_RECORD: "its own record says interrupted by a restart",
    Reason.PROCESS_REPLACED: "the process that ran it was replaced before it could end",
    Reason.TIME_PASSED: "the longest it could have run is over and no other record came",
    Reason.MARKER: "the next start-up names it as in flight",
    Reason.OPEN_RECEIPT: "its receipt was never closed: it was in flight",
    Reason.STAND_IN: "a later run stood in for it",
    Reason.STAND_IN_TAKEN: "the run that followed stands in for a later lost row of the job",
    Reason.NEXT_RUN_OK: "a later regular run was recorded ok, which is another run",
    Reason.MAY_STILL_RUN: "it could still run where the run log ends: hand over a later copy of the state directory",
    Reason.BATCH_OPEN: "another run of its batch has no record either: none of the batch was written yet",
    Reason.START_MISMATCH: "a record of the job fits no other row and may be its own: its start is off, or not told",
    Reason.CONFLICT: "its records contradict each other",
    Reason.AMBIGUOUS_ROWS: "more than one row claims the same run record",
    Reason.CRASH_UNDATED: "a crash of which no log tells the moment came before or after it could have ended: hand "
    "over a fuller log of those hours, or the service's journal",
    Reason.CLOCK_OFF: "it started close to a restart, and the clocks of log and registry are further apart than that",
    Reason.PROCESS_KEPT: "the restart kept the process, so the interrupted record is only an assumption",
    Reason.ZONE_ASSUMED: "its times are printed without a zone and taken as UTC, so its start is not sure: give --tz",
    Reason.NO_START: "the row has no start",
    Reason.NO_STATUS: "its record has no status",
    Reason.RUN_LOG_ABSENT: "no cron run records were given: hand over cron/runs, or state/openclaw.sqlite",
    Reason.RUN_LOG_MISSING: "no record of the job was given, although it finished runs: hand over cron/runs, "
    "or state/openclaw.sqlite",
    Reason.RUN_LOG_PRUNED: "the run records given begin after its start: hand over an older or fuller copy",
    Reason.RUN_LOG_DAMAGED: "its record may be among those that were not readable or not written: hand over another "
    "copy of cron/runs, or of state/openclaw.sqlite",
    Reason.GATEWAY_LOG_ABSENT: "no gateway log was given, or none could be placed: hand over those days' files",
    Reason.GATEWAY_LOG_GAP: "the gateway log does not cover it to its possible end: hand over those days' files",
    Reason.NO_RECORD: "no record of it",
    Reason.NO_DEATH: "no process end in that time",
    Reason.NOT_CRON: "not a cron row",
    Reason.OTHER_ERROR: "lost with another error text",
}

_STYLES = {Severity.HIGH: Style.BAD, Severity.MEDIUM: Style.DOUBT, Severity.LOW: Style.MILD}

_LACKS_RECORDS = (Reason.RUN_LOG_ABSENT, Reason.RUN_LOG_MISSING, Reason.RUN_LOG_PRUNED, Reason.RUN_LOG_DAMAGED)
_LACKS_LOG = (Reason.GATEWAY_LOG_ABSENT, Reason.GATEWAY_LOG_GAP)
_STATUSES = frozenset(status.value for status in TaskStatus)
_LONGEST_NAME = 80
_DAYS_NAMED = 3
_NAMED_TASKS = 3

_PLACED: dict[Reason, EvidenceRole] = {
    Reason.OWN_RECORD: EvidenceRole.FINISH,
    Reason.JOB_STATE: EvidenceRole.FINISH,
    Reason.LEDGER_WARNING: EvidenceRole.FINISH,
    Reason.ABORTED_OK: EvidenceRole.FINISH,
    Reason.INTERRUPTED_RECORD: EvidenceRole.FINISH,
    Reason.CONFLICT: EvidenceRole.FINISH,
    Reason.MARKER: EvidenceRole.MARKER,
    Reason.STAND_IN: EvidenceRole.STAND_IN,
    Reason.NEXT_RUN_OK: EvidenceRole.NEAR_MISS,
    Reason.START_MISMATCH: EvidenceRole.NEAR_MISS,
}


def why(finding: Finding, paths: Mapping[int, str]) -> str:
    """Say in one line why a finding has its verdict, each proof with its place."""
    return "; ".join(reasons_told(finding, paths))


def reasons_told(finding: Finding, paths: Mapping[int, str]) -> list[str]:
    """Say each reason why a finding has its verdict, with its place."""
    return [_reason(finding, Reason(code), paths) for code in finding.reasons]


def style_of(verdict: str) -> Style | None:
    """Give the colour of a verdict: that of its severity, and one of its own for rows that are wrong."""
    return Style.GOOD if verdict == Verdict.FALSE_LOST else _STYLES.get(SEVERITY_OF[Verdict(verdict)])


def style_of_level(level: str) -> Style | None:
    """Give the colour of the level of a notice."""
    return {"error": Style.BAD, "warning": Style.DOUBT}.get(level)


def place(citation: Citation, paths: Mapping[int, str]) -> str:
    """Give where a fact stands: ``file:line``, ``file table rowid n``, or nothing for a fact of absence."""
    if citation.source is None:
        return ""
    path = paths[citation.source]
    if citation.line is None:
        return path
    return f"{path} {citation.table} rowid {citation.line}" if citation.table else f"{path}:{citation.line}"


def row_of(finding: Finding) -> Citation:
    """Give where the row of a finding stands."""
    source, line = finding.source, finding.line
    stands = (fact for fact in finding.evidence if (fact.source, fact.line) == (source, line))
    return next(stands, Citation("start", source, None, finding.started_at, "task row"))


def of_baseline(check: Check, finding: Finding) -> str:
    """Say in a few words what the baseline makes of a finding; nothing where none is given or it is new."""
    entry = check.entry_of(finding)
    if entry is None:
        return ""
    reason = f": {entry.reason}" if entry.reason else ""
    if entry.has_expired(check.report.now):
        return f"was known until {entry.expires}{reason}"
    return f"known{f' until {entry.expires}' if entry.expires else ''}{reason}"


def stale_told(entry: Entry) -> str:
    """Say that an entry of the baseline has no finding any more."""
    run = f" (run {entry.run})" if entry.run else ""
    return f"the baseline knows {entry.verdict} of task {entry.task}{run}, but there is no such finding any more"


def unreasoned_told(check: Check) -> str:
    """Say in one sentence which entries of the baseline give no reason; nothing where all of them do."""
    tasks = [entry.task for entry in check.unreasoned()]
    if not tasks:
        return ""
    more = f" and {len(tasks) - _NAMED_TASKS} more" if len(tasks) > _NAMED_TASKS else ""
    say = "1 entry of the baseline does" if len(tasks) == 1 else f"{len(tasks)} entries of the baseline do"
    return f"{say} not say why the finding is accepted; write a reason for task {', '.join(tasks[:_NAMED_TASKS])}{more}"


def outcome(check: Check) -> str:
    """Give the one sentence on how a check went, and what it was about."""
    failing, listed = len(check.failing()), check.listed()
    known = sum(check.is_known(finding) for finding in listed)
    if failing:
        told = f"check failed: {failing} of {check.report.summary.lost} lost rows need a look"
    else:
        told = "check passed" if not check.unread() else "check says nothing: not all of the evidence could be read"
    if known:
        told += f"; {known} {'is' if known == 1 else 'are'} known by the baseline"
    return f"{told}. {closing(check.report)}"


def releases_told(report: Report, shown: Shown = PLAIN) -> Iterator[str]:
    """Say which releases the evidence of each gateway fits, and from when on where it was updated."""
    several = len({release.gateway for release in report.releases}) > 1
    updated = Counter(release.gateway for release in report.releases)
    for release in report.releases:
        since = f" from {shown.moment(release.since)}" if updated[release.gateway] > 1 and release.since else ""
        told = "as given" if release.is_given else "by its wording and layout"
        whose = f"{for_terminal(release.gateway)}: " if several else ""
        yield f"{whose}{release.span}{since}, {told}"


def closing(report: Report) -> str:
    """Give the one sentence that sums an audit up."""
    counted = report.summary.verdicts
    total = report.summary.lost
    if not total:
        return f"No row is lost: {_rows_read(report)}."
    weak = sum(finding.confidence is Confidence.WEAK for finding in report.findings)
    real = counted[Verdict.INTERRUPTED] + counted[Verdict.UNEXPLAINED]
    parts = [
        (counted[Verdict.FALSE_LOST], "false (recorded ok" + (f", {weak} on weak proof)" if weak else ")")),
        (counted[Verdict.FAILED], "failed"),
        (counted[Verdict.REPLAYED], "replayed"),
        (real, "real loss" if real == 1 else "real losses"),
        (counted[Verdict.UNDETERMINED], "withheld (the evidence does not decide)"),
        (counted[Verdict.NOT_APPLICABLE], "outside the rule"),
    ]
    told = ", ".join(f"{count} {what}" for count, what in parts if count or "real" in what)
    return f"{total} lost {'row' if total == 1 else 'rows'}: {told}."


def _rows_read(report: Report) -> str:
    """Say how many rows were read, and what they say they are, in the gateway's own words only."""
    count, statuses = report.summary.tasks, report.summary.statuses
    read = "1 task row was read" if count == 1 else f"{count} task rows were read"
    told = [f"{number} {status}" for status, number in statuses if status in _STATUSES]
    other = sum(number for status, number in statuses if status not in _STATUSES)
    told += [f"{other} without a known status"] if other else []
    return f"{read} ({', '.join(told)})" if told else read


def corrections_told(report: Report, shown: Shown = PLAIN) -> Iterator[str]:
    """Say how many rows forensics fix corrected: when, from what, and which journal tells of it."""
    paths = report.paths()
    counted = Counter(
        (shown.local(row.at).date(), row.is_cleaned, row.before.status or "no status", row.source)
        for row in report.summary.corrected
    )
    for (day, is_cleaned, status, source), count in sorted(counted.items()):
        healed = "healed " if is_cleaned else ""
        rows = f"1 {healed}row was" if count == 1 else f"{count} {healed}rows were"
        what = "the text of the mark cleared" if is_cleaned else f"from {status}"
        yield f"{rows} corrected on {day} ({what}; journal {paths[source]})."


def stamp(time: datetime | None) -> str:
    """Give a time in UTC for people, to the millisecond.

    >>> from datetime import UTC
    >>> stamp(datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC))
    '2026-04-17 07:40:44.000'
    """
    return PLAIN.stamp(time)


def rfc3339(time: datetime) -> str:
    """Give a time in UTC for machines, to the millisecond.

    >>> from datetime import UTC
    >>> rfc3339(datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC))
    '2026-04-17T07:40:44.000Z'
    """
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def _reason(finding: Finding, reason: Reason, paths: Mapping[int, str]) -> str:
    sentence = REASONS[reason]
    role = _PLACED.get(reason)
    cited = next((fact for fact in finding.evidence if fact.role == role and fact.line is not None), None)
    named = place(cited, paths) if cited else ", ".join(wanted_files(finding, reason))
    return f"{sentence} ({named})" if named else sentence


def wanted_files(finding: Finding, reason: Reason) -> Iterator[str]:
    """Name the files that would settle a withheld verdict, as the gateway names them; days are those of UTC."""
    if reason in _LACKS_RECORDS and finding.job_id is not None:
        yield f"cron/runs/{shortened(finding.job_id, _LONGEST_NAME)}.jsonl"
    if reason in _LACKS_LOG and finding.started_at is not None:
        ends = [fact.at for fact in finding.evidence if fact.at is not None and fact.text.startswith(POSSIBLE_END)]
        last = max([finding.started_at, *ends] if ends else [finding.started_at, finding.lost_at or finding.started_at])
        days = (last.date() - finding.started_at.date()).days + 1
        for number in range(min(days, _DAYS_NAMED)):
            yield f"openclaw-{finding.started_at.date() + timedelta(days=number)}.log"
