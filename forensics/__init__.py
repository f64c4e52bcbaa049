"""Offline forensics for background-task ledgers: what really happened to every lost row, on proof.

>>> import forensics
>>> evidence = forensics.load_evidence(["samples/founding-same-run"])
>>> report = forensics.audit(evidence)
>>> [(finding.verdict.value, finding.confidence.value) for finding in report.findings]
[('false_lost', 'exact')]
>>> report.findings_frame().select("verdict", "confidence").rows()
[('false_lost', 'exact')]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forensics.correlator.audit import audit as audit
    from forensics.correlator.timeline import timeline as timeline
    from forensics.model.evidence import Evidence as Evidence
    from forensics.model.finding import Finding as Finding
    from forensics.model.finding import Report as Report
    from forensics.model.policy import Policy as Policy
    from forensics.parsers.load import load_evidence as load_evidence
    from forensics.repair.planning import plan_fix as plan_fix
    from forensics.writers.html import write_html as write_html
    from forensics.writers.json import write_json as write_json
    from forensics.writers.lnav import write_lnav as write_lnav
    from forensics.writers.markdown import write_markdown as write_markdown
    from forensics.writers.parquet import frames_of as frames_of
    from forensics.writers.parquet import write_parquet as write_parquet
    from forensics.writers.sql import write_fix as write_fix
    from forensics.writers.text import write_text as write_text
    from forensics.writers.timeline import write_timeline as write_timeline
    from forensics.writers.timesketch import write_timesketch_csv as write_timesketch_csv
    from forensics.writers.timesketch import write_timesketch_jsonl as write_timesketch_jsonl

__version__ = "0.1.0"

_HOMES = {
    "Evidence": "forensics.model.evidence",
    "Finding": "forensics.model.finding",
    "Policy": "forensics.model.policy",
    "Report": "forensics.model.finding",
    "audit": "forensics.correlator.audit",
    "frames_of": "forensics.writers.parquet",
    "load_evidence": "forensics.parsers.load",
    "plan_fix": "forensics.repair.planning",
    "timeline": "forensics.correlator.timeline",
    "write_fix": "forensics.writers.sql",
    "write_html": "forensics.writers.html",
    "write_json": "forensics.writers.json",
    "write_lnav": "forensics.writers.lnav",
    "write_markdown": "forensics.writers.markdown",
    "write_parquet": "forensics.writers.parquet",
    "write_text": "forensics.writers.text",
    "write_timeline": "forensics.writers.timeline",
    "write_timesketch_csv": "forensics.writers.timesketch",
    "write_timesketch_jsonl": "forensics.writers.timesketch",
}

__all__ = [
    "Evidence",
    "Finding",
    "Policy",
    "Report",
    "audit",
    "frames_of",
    "load_evidence",
    "plan_fix",
    "timeline",
    "write_fix",
    "write_html",
    "write_json",
    "write_lnav",
    "write_markdown",
    "write_parquet",
    "write_text",
    "write_timeline",
    "write_timesketch_csv",
    "write_timesketch_jsonl",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``--help`` and ``--version`` start at once."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Give what there is to use, so that a notebook can complete names that were not imported yet."""
    return sorted([*globals(), *__all__])
