"""A check as SARIF 2.1.0: every lost row as a result, with its way from the row over the restart to the record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from forensics import __version__
from forensics.model.baseline import fingerprint_of
from forensics.model.check import Check
from forensics.model.escape import for_json, for_sarif, for_terminal, for_uri
from forensics.model.finding import Citation, Finding
from forensics.model.policy import SARIF_RESULTS, SARIF_RESULTS_SHOWN
from forensics.model.verdicts import SEVERITY_OF, EvidenceRole, Reason, Severity, SourceKind, Verdict
from forensics.writers.layout import job_of, repository_path
from forensics.writers.wording import REASONS, VERDICTS, closing, rfc3339, row_of, stale_told, unreasoned_told, why

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINGERPRINT = "forensicsFinding/v1"
_UNREAD, _STALE, _LEFT_OUT = "unread_rows", "stale_baseline", "results_left_out"
_UNREASONED = "baseline_without_reason"
"""Codes of what the check itself adds to the notices of the audit."""
_LEVEL_OF = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.NONE: "none"}
_NOTICE_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_KIND_OF = {Verdict.FALSE_LOST: "pass", Verdict.NOT_APPLICABLE: "notApplicable"}
"""Kinds of results that are no problem; all others ``fail``."""

_FAMILIES: dict[str, tuple[str, tuple[Reason, ...]]] = {
    "run-records": (
        "run records are missing, in part or altogether",
        (
            Reason.RUN_LOG_ABSENT,
            Reason.RUN_LOG_MISSING,
            Reason.RUN_LOG_PRUNED,
            Reason.RUN_LOG_DAMAGED,
        ),
    ),
    "gateway-log": (
        "the gateway log does not cover the run",
        (Reason.GATEWAY_LOG_ABSENT, Reason.GATEWAY_LOG_GAP, Reason.CRASH_UNDATED),
    ),
    "too-early": (
        "the evidence was copied before the run must have ended",
        (Reason.MAY_STILL_RUN, Reason.BATCH_OPEN, Reason.PROCESS_KEPT),
    ),
    "contradiction": (
        "the evidence contradicts itself, or fits more than one run",
        (Reason.CONFLICT, Reason.AMBIGUOUS_ROWS, Reason.START_MISMATCH, Reason.CLOCK_OFF),
    ),
    "incomplete": (
        "the row or its record lacks what would decide",
        (Reason.NO_START, Reason.NO_STATUS, Reason.ZONE_ASSUMED),
    ),
}
"""Why a verdict is withheld, in kinds that want different remedies; the first reason that is in one counts."""

_WAY = (
    (EvidenceRole.START, EvidenceRole.LOST_MARK),
    (EvidenceRole.RESTART, EvidenceRole.MARKER, EvidenceRole.CATCH_UP),
    (EvidenceRole.FINISH, EvidenceRole.STAND_IN, EvidenceRole.NEAR_MISS),
    (EvidenceRole.COVERAGE,),
)
"""The way through the evidence: the row, the restart, the record, and what covers them."""

_HELP: dict[Verdict, str] = {
    Verdict.FALSE_LOST: "Nothing is lost. `forensics fix` corrects the row.",
    Verdict.FAILED: "The run failed by its own record; look at its error. `forensics fix` corrects the row.",
    Verdict.REPLAYED: "Another run did the work, so that only the row is wrong. `forensics fix` corrects it.",
    Verdict.INTERRUPTED: "The work of this run was not done: see whether it must be done again.",
    Verdict.UNEXPLAINED: "Nothing at hand says what became of the run: look into the job and the session it ran in.",
    Verdict.UNDETERMINED: "Hand over what the reasons name, and check again; `forensics explain TASK` says what would "
    "settle it.",
    Verdict.NOT_APPLICABLE: "The rule speaks of cron rows that the sweep marked; this one is something else.",
}


@dataclass(frozen=True, slots=True)
class _Told:
    """A check with what is looked up for each of its findings: the artifact of every source, the number of every rule.

    ``databases`` are the sources whose lines are rowids.
    """

    check: Check
    paths: Mapping[int, str]
    artifacts: Mapping[int, dict[str, object]]
    databases: frozenset[int]
    rules: Mapping[str, int]


def write_sarif(check: Check) -> str:
    """Give a check as SARIF 2.1.0.

    A rule per verdict, and one per kind of reason for which a verdict is withheld; levels by severity. Each result has
    its way through the evidence as a code flow, and a fingerprint of task, run and verdict. A row of a database is a
    logical location (``table/rowid``), a line of a file a region. Facts of absence have no place; they are in the
    property ``absent``.

    GitHub takes no more than so many results of a run: beyond ``SARIF_RESULTS`` the least severe are left out, which a
    notification says (``left_out``).

    Source: SARIF 2.1.0 plus errata 01; GitHub, "SARIF results exceed one or more limits".
    """
    told = _told(check)
    run = {
        "tool": {"driver": _driver(check)},
        "invocations": [_invocation(told)],
        "artifacts": [_artifact(source) for source in check.report.sources.iter_rows(named=True)],
        "results": [_result(told, finding) for finding in _kept(check)],
        "properties": {
            "now": rfc3339(check.report.now),
            "failOn": list(check.fail_on),
            "verdicts": check.report.summary.verdicts,
            "told": for_terminal(closing(check.report)),
        },
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return for_json(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


def left_out(check: Check) -> str | None:
    """Say what of a check its SARIF does not hold, or GitHub does not show; None where it is all there."""
    findings, kept = check.report.findings, _kept(check)
    if len(findings) > len(kept):
        others = Counter(map(attrgetter("verdict"), findings)) - Counter(map(attrgetter("verdict"), kept))
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(others.items()))
        return (
            f"{len(kept)} of {len(findings)} results are in the SARIF, those that fail and the most severe first, as "
            f"GitHub refuses larger files; left out: {told}; the other formats tell all"
        )
    if len(findings) > SARIF_RESULTS_SHOWN:
        return (
            f"all {len(findings)} results are in the SARIF, of which GitHub shows {SARIF_RESULTS_SHOWN}, "
            "the most severe first"
        )
    return None


def _kept(check: Check) -> Sequence[Finding]:
    """Give the findings that become results, in report order; of too many, what fails, and then the most severe."""
    findings = check.report.findings
    if len(findings) <= SARIF_RESULTS:
        return findings
    ranks = {severity: rank for rank, severity in enumerate(_LEVEL_OF)}
    order = sorted(
        range(len(findings)),
        key=lambda place: (not check.is_failing(findings[place]), ranks[findings[place].severity], place),
    )
    return [findings[place] for place in sorted(order[:SARIF_RESULTS])]


def _told(check: Check) -> _Told:
    sources = check.report.sources
    paths = check.report.paths()
    databases = sources.filter(sources["kind"] == SourceKind.TASK_REGISTRY)["id"].to_list()
    return _Told(
        check,
        paths,
        {
            source: {"uri": for_uri(repository_path(path)), "index": index}
            for index, (source, path) in enumerate(paths.items())
        },
        frozenset(databases),
        {name: index for index, name in enumerate(_rules())},
    )


def rule_of(finding: Finding) -> str:
    """Give the id of the rule that a finding falls under."""
    if finding.verdict is Verdict.UNDETERMINED:
        for reason in finding.reasons:
            for family, (_, reasons) in _FAMILIES.items():
                if reason in reasons:
                    return f"{finding.verdict}/{family}"
    return finding.verdict


def _rules() -> dict[str, dict[str, object]]:
    """Give every rule by its id; the order never changes with the evidence."""
    rules = {verdict.value: _rule(verdict, verdict.value, VERDICTS[verdict], _HELP[verdict]) for verdict in Verdict}
    for family, (what, reasons) in _FAMILIES.items():
        name = f"{Verdict.UNDETERMINED}/{family}"
        told = "\n".join([_HELP[Verdict.UNDETERMINED], *(f"- {reason}: {REASONS[reason]}" for reason in reasons)])
        rules[name] = _rule(Verdict.UNDETERMINED, name, f"{VERDICTS[Verdict.UNDETERMINED]}: {what}", told)
    return rules


def _rule(verdict: Verdict, name: str, what: str, help_text: str) -> dict[str, object]:
    words = name.replace("/", "_").replace("-", "_").split("_")
    return {
        "id": name,
        "name": "Task" + "".join(word.capitalize() for word in words),
        "shortDescription": {"text": what.capitalize() + "."},
        "fullDescription": {"text": what.capitalize() + "."},
        "help": {"text": help_text, "markdown": help_text},
        "defaultConfiguration": {"level": _LEVEL_OF[SEVERITY_OF[verdict]]},
        "properties": {"severity": SEVERITY_OF[verdict]},
    }


def _driver(check: Check) -> dict[str, object]:
    ours = (_UNREAD,) * bool(check.unread_rows()) + (_STALE,) * bool(check.stale())
    ours += (_UNREASONED,) * bool(check.unreasoned()) + (_LEFT_OUT,) * bool(left_out(check))
    codes = sorted({*check.report.notices["code"].to_list(), *ours})
    return {
        "name": "forensics",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": list(_rules().values()),
        "notifications": [_notice_rule(code) for code in sorted(codes)],
    }


def _notice_rule(code: str) -> dict[str, object]:
    what = {"text": f"A note on the evidence or on this file: {code.replace('_', ' ')}."}
    remedy = "Its message says what it is about; `forensics sources` tells how each file was read."
    return {
        "id": code,
        "shortDescription": what,
        "fullDescription": what,
        "help": {"text": remedy, "markdown": remedy},
    }


def _invocation(told: _Told) -> dict[str, object]:
    check = told.check
    notices = [
        _notification(row["code"], _NOTICE_LEVELS.get(row["level"], "note"), row["message"], _places(told, row))
        for row in check.report.notices.iter_rows(named=True)
    ]
    unread = [_notification(_UNREAD, "error", message, []) for message in check.unread_rows()]
    stale = [_notification(_STALE, "warning", stale_told(entry), []) for entry in check.stale()]
    unreasoned = [_notification(_UNREASONED, "warning", told, []) for told in (unreasoned_told(check),) if told]
    missing = left_out(check)
    cut = [_notification(_LEFT_OUT, "warning", missing, [])] if missing else []
    return {
        "executionSuccessful": not check.unread(),
        "exitCode": check.exit_code(),
        "toolExecutionNotifications": [*notices, *unread, *unreasoned, *stale, *cut],
    }


def _notification(code: str, level: str, message: str, places: list[dict[str, object]]) -> dict[str, object]:
    told = {"descriptor": {"id": code}, "level": level, "message": {"text": for_sarif(message)}}
    return told | ({"locations": places} if places else {})


def _places(told: _Told, notice: Mapping[str, Any]) -> list[dict[str, object]]:
    """Give where a notice points to; one about a database names a rowid without its table, which is no line."""
    source = notice["source"]
    if source is None:
        return []
    line = None if source in told.databases else notice["line"]
    return [_place(told, Citation("notice", source, line, None, notice["message"]))]


def _artifact(source: Mapping[str, Any]) -> dict[str, object]:
    artifact: dict[str, object] = {
        "location": {"uri": for_uri(repository_path(source["path"]))},
        "roles": ["analysisTarget"],
        "properties": {
            "kind": source["kind"],
            "form": source["form"],
            "gateway": source["gateway"],
            "records": source["records"],
            "skipped": source["skipped"],
            "rejected": source["rejected"],
        },
    }
    if source["bytes"] is not None:
        artifact["length"] = source["bytes"]
    if source["sha256"] is not None:
        artifact["hashes"] = {"sha-256": source["sha256"]}
    return artifact


def _result(told: _Told, finding: Finding) -> dict[str, object]:
    check, rule = told.check, rule_of(finding)
    text = f"Task {finding.task_id} ({job_of(finding)}): {VERDICTS[finding.verdict]}: {why(finding, told.paths)}."
    return {
        "ruleId": rule,
        "ruleIndex": told.rules[rule],
        "kind": _KIND_OF.get(finding.verdict, "fail"),
        "level": _LEVEL_OF[finding.severity],
        "message": {"text": for_sarif(text)},
        "locations": [_place(told, row_of(finding))],
        "codeFlows": [{"threadFlows": [{"locations": list(_way(told, finding))}]}],
        "partialFingerprints": {_FINGERPRINT: fingerprint_of(finding)},
        **_compared(check, finding),
        "properties": {
            "gateway": finding.gateway,
            "task": finding.task_id,
            "job": finding.job_id,
            "run": finding.run_id,
            "verdict": finding.verdict,
            "cause": finding.cause,
            "confidence": finding.confidence,
            "reasons": list(finding.reasons),
            "fails": check.is_failing(finding),
            "absent": [for_terminal(fact.text) for fact in finding.evidence if fact.source is None],
        },
    }


def _compared(check: Check, finding: Finding) -> dict[str, object]:
    """Give what the baseline makes of a finding: an entry that has expired leaves it new, and one that holds excuses
    it.
    """  # noqa: D205
    if check.baseline is None:
        return {}
    entry = check.entry_of(finding)
    if entry is None or not check.is_known(finding):
        return {"baselineState": "new"}
    suppression = {"kind": "external", "status": "accepted", "justification": for_terminal(entry.reason)}
    return {"baselineState": "unchanged", "suppressions": [suppression]}


def _way(told: _Told, finding: Finding) -> Iterator[dict[str, object]]:
    placed = [fact for roles in _WAY for fact in finding.evidence if fact.role in roles and fact.source is not None]
    for fact in placed or [row_of(finding)]:
        step: dict[str, object] = {"location": _place(told, fact, fact.text), "kinds": [fact.role]}
        yield step | ({"executionTimeUtc": rfc3339(fact.at)} if fact.at else {})


def _place(told: _Told, fact: Citation, text: str | None = None) -> dict[str, object]:
    """Give a location: the artifact, with the line as its region or the row of a table as a logical location."""
    physical: dict[str, object] = {} if fact.source is None else {"artifactLocation": told.artifacts[fact.source]}
    place: dict[str, object] = {"physicalLocation": physical}
    if fact.line is not None and fact.table is not None:
        place["logicalLocations"] = [_row(fact.table, fact.line)]
    elif fact.line is not None and fact.line > 0 and fact.source not in told.databases:
        physical["region"] = {"startLine": fact.line}
    return place if text is None else place | {"message": {"text": for_sarif(text)}}


def _row(table: str, rowid: int) -> dict[str, object]:
    return {
        "name": str(rowid),
        "fullyQualifiedName": f"{table}/{rowid}",
        "kind": "row",
        "properties": {"table": table, "rowid": rowid},
    }
