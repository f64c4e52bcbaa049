"""Every finding with its chain of evidence, the gravest verdicts first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from forensics.model.explanation import Overturn
from forensics.model.finding import Citation, Finding
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, EvidenceRole, Verdict
from forensics.writers.html.incidents import GRAVEST_FIRST, RANK
from forensics.writers.html.sheet import FactRow, Sheet, job_of
from forensics.writers.phrases import counted
from forensics.writers.wording import CAUSES, VERDICTS, place, stamp, why

_OPEN_LOSSES = 12
_OPEN_FINDINGS = 3
_FULL_CHAINS = 400
"""Up to so many findings each repeats the lines of its restart, and what its cause means; beyond, they stand once."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class FindingShown:
    """One finding with its chain of evidence; ``claims`` are what else names and dates the row.

    ``anchor`` is its number in the report, ``permalink`` names its task: it is the same in a later report.
    """

    anchor: str
    permalink: str
    task: str
    task_id: str
    job: str
    lost_at: str
    verdict: str
    confidence: str
    cause: str
    because: str
    claims: tuple[tuple[str, str], ...]
    corrected: tuple[tuple[str, str], ...]
    settled_by: tuple[Overturn, ...]
    facts: tuple[FactRow, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one verdict."""

    verdict: str
    meaning: str
    findings: tuple[FindingShown, ...]


def groups_of(sheet: Sheet) -> Iterator[Group]:
    """Tell every finding, the gravest verdicts first, within one in report order."""
    told = _Findings(sheet)
    for verdict in GRAVEST_FIRST:
        findings = tuple(told.of(one) for one in sheet.report.of_verdict(verdict))
        if findings:
            yield Group(verdict, VERDICTS[verdict], findings)


def causes_of(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    """Give what the causes mean, where the findings are too many to say it with each of them."""
    if len(sheet.report.findings) <= _FULL_CHAINS:
        return ()
    seen = {finding.cause for finding in sheet.report.findings}
    return tuple((cause.value, told) for cause, told in CAUSES.items() if cause in seen)


class _Findings:
    """Tells the findings of one report, in full or, where they are many, with what they share left out."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._count = len(sheet.report.findings)
        self._is_full = self._count <= _FULL_CHAINS
        self._named = Counter(finding.task_id for finding in sheet.report.findings)

    def of(self, finding: Finding) -> FindingShown:
        """Tell one finding."""
        sheet = self._sheet
        anchor = sheet.names.anchor(finding)
        is_loss = RANK[finding.verdict] <= RANK[Verdict.UNEXPLAINED]
        return FindingShown(
            anchor=anchor,
            permalink=self._permalink(finding.task_id) or f"task.{anchor}",
            task=sheet.names.of(finding),
            task_id=finding.task_id,
            job=job_of(finding),
            lost_at=stamp(finding.lost_at),
            verdict=finding.verdict,
            confidence=finding.confidence or "",
            cause=_cause(finding),
            because=why(finding, sheet.paths),
            claims=tuple(self._claims(finding)),
            corrected=tuple(_corrected(finding)),
            settled_by=sheet.settling.get((finding.gateway, finding.task_id), ()),
            facts=tuple(self._facts(finding)),
            is_open=self._count <= (_OPEN_LOSSES if is_loss else _OPEN_FINDINGS),
        )

    def _permalink(self, task_id: str) -> str:
        """Give an id that names the task; nothing where gateways share it, or where it is none that a link can bear."""
        return f"task-{task_id}" if self._named[task_id] == 1 and _PLAIN_ID.fullmatch(task_id) else ""

    def _claims(self, finding: Finding) -> Iterator[tuple[str, str]]:
        if finding.job_name and finding.job_id and (self._is_full or not _names_job(finding)):
            yield "job id", finding.job_id
        if finding.run_id and finding.started_at is None:
            yield "run id", finding.run_id
        if self._sheet.has_gateways:
            yield "gateway", finding.gateway
        if finding.projected:
            yield "known from", "an export only: the registry has no such mark"
        yield "cause", f"{_cause(finding)}: {CAUSES[finding.cause]}" if self._is_full else _cause(finding)
        if finding.confidence:
            yield "confidence", finding.confidence

    def _facts(self, finding: Finding) -> Iterator[FactRow]:
        """Give the chain of evidence in order of time, coverage last; one row may lead to the restart's lines."""
        target = self._sheet.names.window(finding.gateway, finding.restart)
        facts = sorted(finding.evidence, key=_in_time)
        of_restart = [fact for fact in facts if fact.role == EvidenceRole.RESTART]
        is_short = not self._is_full and target and of_restart
        for fact in facts:
            if is_short and fact.role == EvidenceRole.RESTART:
                if fact is of_restart[0]:
                    told = f"{finding.restart}: {counted(len(of_restart), 'line')}, each with its place under Restarts"
                    yield FactRow(stamp(fact.at), fact.role, told, place(fact, self._sheet.paths), target)
                continue
            yield self._sheet.fact(fact)


def _in_time(fact: Citation) -> tuple[bool, bool, datetime | str]:
    return fact.role == EvidenceRole.COVERAGE, fact.at is None, fact.at or ""


def _names_job(finding: Finding) -> bool:
    """Tell whether the id of the job stands in the evidence, as it does in most run ids."""
    return any(finding.job_id in fact.text for fact in finding.evidence if finding.job_id)


def _cause(finding: Finding) -> str:
    return finding.cause + (f" {finding.restart}" if finding.restart else "")


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
