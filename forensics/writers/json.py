"""Everything as JSON: contract ``forensics.audit/1``, described by the JSON Schema that ships with the package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl

from forensics import __version__
from forensics.model.baseline import Entry, fingerprint_of
from forensics.model.check import Check
from forensics.model.contracts import contract
from forensics.model.escape import for_json
from forensics.model.evidence import Evidence, rows_of_sources
from forensics.model.explanation import ExplainedLoss, ExplainedRow, Explanation, NotInstead, Statement
from forensics.model.finding import Citation, CorrectedRow, Finding, Release, Reliability, Report, Restart
from forensics.model.releases import release_text
from forensics.model.verdicts import CORRECTED_BY_DEFAULT
from forensics.writers.columns import json_strings
from forensics.writers.told_in_order import told_in_batches
from forensics.writers.wording import rfc3339, why

AUDIT_CONTRACT = "forensics.audit/1"
_SOURCE_FIELDS = (
    "id",
    "path",
    "kind",
    "form",
    "release",
    "gateway",
    "sha256",
    "bytes",
    "lines",
    "records",
    "skipped",
    "rejected",
    "first_at",
    "last_at",
    "timezone",
    "zone_is_assumed",
    "detected_by",
)
_STAMP = "%Y-%m-%dT%H:%M:%S%.3fZ"


def write_json(report: Report) -> str:
    """Give the audit as JSON.

    Source: design §7, contract ``forensics.audit/1``; times are RFC 3339 UTC with milliseconds, absent is null.
    """
    return _dumped(audit_document(report))


def write_explanation_json(report: Report, told: Iterable[ExplainedLoss | ExplainedRow]) -> str:
    """Give explained rows as JSON: the lost ones as findings with their explanation and restarts, others as rows."""
    explained, paths = list(told), report.paths()
    losses = [one for one in explained if isinstance(one, ExplainedLoss)]
    others = [one for one in explained if isinstance(one, ExplainedRow)]
    named = {(one.finding.gateway, one.finding.restart) for one in losses}
    document = _head("forensics.explain/1", report) | {
        "sources": _sources(report.sources),
        "restarts": [_restart(restart) for restart in report.restarts if (restart.gateway, restart.id) in named],
        "findings": [_finding(one.finding, paths) | {"explanation": _explanation(one.explanation)} for one in losses],
        "rows": [_row(one) for one in others],
    }
    return _dumped(document)


def write_restarts_json(sources: pl.DataFrame, restarts: Iterable[Restart]) -> str:
    """Give the restart ledger as JSON."""
    document = {"schema": "forensics.restarts/1", "tool": _tool(), "sources": _sources(sources)}
    return _dumped(document | {"restarts": [_restart(restart) for restart in restarts]})


def write_sources_json(evidence: Evidence, missing: Iterable[str]) -> str:
    """Give what was read, and how, as JSON; ``rows`` is what each file gave to each frame."""
    given = rows_of_sources(evidence)
    sources = [source | {"rows": given[source["id"]]} for source in _sources(evidence.sources)]
    document = {"schema": "forensics.sources/1", "tool": _tool(), "sources": sources}
    return _dumped(document | {"missing": list(missing), "notices": _notices(evidence.notices)})


def write_timeline_json(report: Report, facts: pl.DataFrame) -> str:
    """Give all facts in time order as JSON; ``facts`` is the frame ``timeline``, ``why`` a verdict's reasons."""
    return "".join(timeline_json_parts(report, facts))


def timeline_json_parts(report: Report, facts: pl.DataFrame) -> Iterator[str]:
    """Give what ``write_timeline_json`` gives in parts."""
    document = _head("forensics.timeline/1", report) | {"sources": _sources(report.sources), "facts": []}
    before, after = _dumped(document).rsplit("[]", 1)
    yield before + "["
    separator = "\n"
    for told in told_in_batches(report, facts):
        if told.height:
            yield separator + ",\n".join(_fact_blocks(told).to_list())
            separator = ",\n"
    yield ("\n  ]" if facts.height else "]") + after


def _fact_blocks(told: pl.DataFrame) -> pl.Series:
    """Give each fact as an object within the list of facts, as ``_dumped`` would write it."""
    kept = told.drop("path", "place").with_columns(pl.col("at").dt.strftime(_STAMP))
    values = {
        name: json_strings(kept[name]) if kind == pl.String else kept[name].cast(pl.String)
        for name, kind in kept.schema.items()
    }
    fields = [f'      "{name}": ' + value.fill_null("null") for name, value in values.items()]
    return "    {\n" + pl.select(pl.concat_str(fields, separator=",\n")).to_series() + "\n    }"


def write_check_json(check: Check) -> str:
    """Give the outcome of a check as JSON: the audit, which findings fail it, and what the baseline makes of them.

    It has not passed where a part of the evidence could not be read (``unread``): that may hold findings.
    """
    code = check.exit_code()
    return _dumped(
        {
            "schema": "forensics.check/1",
            "tool": _tool(),
            "fail_on": list(check.fail_on),
            "passed": code == 0,
            "exit_code": code,
            "failing": [{"gateway": finding.gateway, "task_id": finding.task_id} for finding in check.failing()],
            "unread": list(check.unread()),
            "baseline": _compared(check) if check.baseline else None,
            "audit": audit_document(check.report),
        }
    )


def audit_document(report: Report) -> dict[str, object]:
    """Give the audit as a JSON document."""
    paths = report.paths()
    summary = report.summary
    return _head(AUDIT_CONTRACT, report) | {
        "policy": report.policy.as_text(),
        "sources": _sources(report.sources),
        "notices": _notices(report.notices),
        "summary": {
            "tasks": summary.tasks,
            "lost": summary.lost,
            "healed": list(summary.healed),
            "healed_aborted": list(summary.healed_aborted),
            "verdicts": summary.verdicts,
            "before": asdict(summary.before),
            "after": asdict(summary.after),
            "corrected": [_corrected(row) for row in summary.corrected],
        },
        "releases": [_release(release) for release in report.releases],
        "restarts": [_restart(restart) for restart in report.restarts],
        "findings": [_finding(finding, paths) for finding in report.findings],
        "reliability": [_reliability(job) for job in report.reliability],
        "odd_times": [asdict(odd) for odd in report.odd_times],
    }


def audit_schema() -> dict[str, object]:
    """Give the JSON Schema of the audit."""
    return contract("audit")


def journal_schema() -> dict[str, object]:
    """Give the JSON Schema of the journal that an applied fix-up leaves beside its backup."""
    return contract("journal")


def _compared(check: Check) -> dict[str, object]:
    """Give the findings that the baseline knows, knew, does not know, and its entries without one or a reason."""
    told: dict[str, list[dict[str, object]]] = {"known": [], "expired": [], "new": [], "stale": []}
    for finding in check.report.findings:
        standing, entry = check.standing_of(finding), check.entry_of(finding)
        if entry is None and finding.verdict not in check.fail_on:
            continue
        place: dict[str, object] = {"gateway": finding.gateway, "task_id": finding.task_id}
        told[standing or "new"].append(place | {"fingerprint": fingerprint_of(finding)} | _entry(entry))
    told["stale"] = [
        {"task_id": entry.task, "run_id": entry.run, "verdict": entry.verdict} | _entry(entry)
        for entry in check.stale()
    ]
    return {"fail_on_new": check.only_new, **told, "unreasoned": len(check.unreasoned())}


def _entry(entry: Entry | None) -> dict[str, object]:
    if entry is None:
        return {}
    return {"reason": entry.reason, "expires": entry.expires.isoformat() if entry.expires else None}


def _head(contract: str, report: Report) -> dict[str, object]:
    return {"schema": contract, "tool": _tool(), "now": _time(report.now)}


def _tool() -> dict[str, str]:
    return {"name": "forensics", "version": __version__}


def _finding(finding: Finding, paths: Mapping[int, str]) -> dict[str, object]:
    corrected = finding.correction if finding.verdict in CORRECTED_BY_DEFAULT else None
    return {
        "task_id": finding.task_id,
        "gateway": finding.gateway,
        "source": finding.source,
        "line": finding.line,
        "runtime": finding.runtime,
        "job_id": finding.job_id,
        "job_name": finding.job_name,
        "run_id": finding.run_id,
        "started_at": _time(finding.started_at),
        "lost_at": _time(finding.lost_at),
        "projected": finding.projected,
        "verdict": finding.verdict,
        "cause": finding.cause,
        "confidence": finding.confidence,
        "severity": finding.severity,
        "reasons": list(finding.reasons),
        "why": why(finding, paths),
        "restart": finding.restart,
        "run": _values(asdict(finding.run)) if finding.run else None,
        "corrected": _values(asdict(corrected)) if corrected else None,
        "evidence": [_citation(fact) for fact in finding.evidence],
    }


def _corrected(row: CorrectedRow) -> dict[str, object]:
    return {
        "task_id": row.task_id,
        "gateway": row.gateway,
        "at": _time(row.at),
        "from": _values(asdict(row.before)),
        "to": _values(asdict(row.after)),
        "verdict": row.verdict,
        "source": row.source,
        "line": row.line,
    }


def _reliability(job: Reliability) -> dict[str, object]:
    return _values(asdict(job))


def _release(release: Release) -> dict[str, object]:
    span = release.span
    return {
        "gateway": release.gateway,
        "since": _time(release.since),
        "lowest": release_text(span.lowest) if span.lowest else None,
        "highest": release_text(span.highest) if span.highest else None,
        "given": release.is_given,
        "evidence": [_citation(fact) for fact in release.evidence],
    }


def _row(told: ExplainedRow) -> dict[str, object]:
    row = told.row
    return {
        "task_id": row.task_id,
        "gateway": row.gateway,
        "source": row.source,
        "line": row.line,
        "runtime": row.runtime,
        "job_id": row.job_id,
        "job_name": row.job_name,
        "run_id": row.run_id,
        "status": row.status,
        "started_at": _time(row.start),
        "ended_at": _time(row.ended_at),
        "error": row.error,
        "state": told.state,
        "explanation": _explanation(told.explanation),
    }


def _explanation(explanation: Explanation) -> dict[str, object]:
    return {
        "claims": [_statement(one) for one in explanation.claims],
        "shows": [_statement(one) for one in explanation.shows],
        "because": [_statement(one) for one in explanation.because],
        "not_instead": [_not_instead(one) for one in explanation.not_instead],
        "overturned_by": [asdict(one) for one in explanation.overturned_by],
        "looked_for": [_statement(one) for one in explanation.looked_for],
    }


def _not_instead(one: NotInstead) -> dict[str, object]:
    told = _statement(one.because)
    return {"verdict": one.verdict, "because": told["text"], "evidence": told["evidence"]}


def _statement(statement: Statement) -> dict[str, object]:
    """Give a sentence with its evidence; null where it has no place."""
    evidence = None
    if statement.source is not None:
        evidence = {
            "source": statement.source,
            "line": statement.line,
            "table": statement.table,
            "at": _time(statement.at),
        }
    return {"text": statement.text, "code": statement.code, "evidence": evidence}


def _restart(restart: Restart) -> dict[str, object]:
    told = {name: getattr(restart, name) for name in Restart.__slots__ if name != "evidence"}
    lines = [
        {"source": f.source, "line": f.line, "at": _time(f.at), "text": f.text, "table": f.table}
        for f in restart.evidence
    ]
    return _values(told) | {"evidence": lines}


def _citation(fact: Citation) -> dict[str, object]:
    return _values(asdict(fact))


def _sources(sources: pl.DataFrame) -> list[dict[str, Any]]:
    return [_values({name: row[name] for name in _SOURCE_FIELDS}) for row in sources.iter_rows(named=True)]


def _notices(notices: pl.DataFrame) -> list[dict[str, object]]:
    return list(notices.iter_rows(named=True))


def _values(told: Mapping[str, object]) -> dict[str, Any]:
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in told.items()}


def _time(time: datetime | None) -> str | None:
    return rfc3339(time) if time else None


def _dumped(document: Mapping[str, object]) -> str:
    return for_json(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"
