"""Checks to write out: of the sample that holds every verdict, and the same filled with hostile text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

from forensics import audit, load_evidence
from forensics.model.baseline import Baseline, Entry, identity_of
from forensics.model.check import Check
from forensics.model.finding import Finding, Report
from forensics.model.schemas import NOTICES, frame_of
from forensics.model.verdicts import FAIL_ON_BY_DEFAULT, Verdict

SAMPLES = Path(__file__).parent.parent.parent / "samples"


@cache
def every_verdict() -> Report:
    """Give the audit of the sample that holds every verdict."""
    return audit(load_evidence([str(SAMPLES / "every-verdict")]))


def checked(
    report: Report | None = None,
    baseline: Baseline | None = None,
    fail_on: tuple[Verdict, ...] = FAIL_ON_BY_DEFAULT,
    *,
    only_new: bool = False,
) -> Check:
    """Give a check of this report, else of the sample."""
    return Check(report or every_verdict(), fail_on, baseline, only_new)


def knowing(findings: Iterable[Finding], reason: str = "", expires: date | None = None) -> Baseline:
    """Give a baseline that knows these findings."""
    return Baseline(tuple(Entry(*identity_of(finding), reason, expires) for finding in findings))


def with_hostile(text: str) -> Report:
    """Give the audit of the sample with this text in everything that comes from evidence, ids and paths included.

    Ends of the text keep ids and paths apart.
    """
    report = every_verdict()
    sources = report.sources.with_columns(
        pl.format("{}{}", pl.lit(text), "id").alias("path"), pl.lit(text).alias("form")
    )
    findings = tuple(
        replace(
            finding,
            gateway=text,
            task_id=f"{text}{number}",
            job_id=text,
            job_name=text,
            run_id=f"{text}{number}",
            evidence=tuple(replace(fact, text=text) for fact in finding.evidence),
        )
        for number, finding in enumerate(report.findings)
    )
    notices = frame_of([{"source": 0, "line": 3, "level": "error", "code": "x", "message": text}], NOTICES)
    return replace(report, sources=sources, findings=findings, notices=notices)


def with_unread(message: str) -> Report:
    """Give the audit of the sample as if a part of the evidence could not have been read."""
    unread = frame_of([{"level": "error", "code": "unreadable", "message": message}], NOTICES)
    return replace(every_verdict(), notices=pl.concat([every_verdict().notices, unread]))
