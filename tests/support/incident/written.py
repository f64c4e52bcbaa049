"""Puts the incident into a folder: one form of registry, one of run records, one of log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta, timezone
from pathlib import Path

from forensics import audit, load_evidence
from forensics.model.finding import Report
from tests.support.incident import story
from tests.support.incident.logs import LOGS, ZONED
from tests.support.incident.records import FILES, IN_DATABASE, RECORDS
from tests.support.incident.registries import DATABASES, EXPORTS, REGISTRIES

Forms = tuple[str, str, str]

_WITH_TABLE = ("state 6", "state 7")
_WITH_DETAILS = ("state 8", "state 9")


def fits(registry: str, records: str) -> bool:
    """Tell whether a gateway may leave both: records inside a database need one of the release that has them there."""
    if records in ("details", "receipts"):
        return registry in _WITH_DETAILS
    if records == "run table":
        return registry in _WITH_TABLE
    return registry not in _WITH_DETAILS or records in ("job state", "no records")


def richest(registry: str) -> str:
    """Give the form of records that says the most beside a registry."""
    if registry in _WITH_DETAILS:
        return "details"
    return "run table" if registry in _WITH_TABLE else "run logs"


def every_pair() -> Iterator[tuple[str, str]]:
    """Give all forms of registry and records that fit."""
    return ((registry, records) for registry in REGISTRIES for records in RECORDS if fits(registry, records))


def written(folder: Path, forms: Forms) -> Path:
    """Write the incident in these forms: registry, records, log."""
    registry, records, log = forms
    is_database = registry in DATABASES
    if is_database:
        DATABASES[registry](folder, records)
    else:
        EXPORTS[registry](folder / "exports")
    if not (registry in (*_WITH_TABLE, *_WITH_DETAILS) and records in IN_DATABASE):
        FILES[records](folder)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    LOGS[log](folder / "logs")
    return folder


def with_more(folder: Path, exports: Sequence[str], records: Sequence[str], logs: Sequence[str]) -> Path:
    """Write more forms beside those of a folder, each in a folder of its own where it would lie in the way of another.

    Run records lie where the gateway has them: only forms that do not share a file go together.
    """
    for number, export in enumerate(exports):
        EXPORTS[export](folder / "exports" / f"more-{number}")
    for form in records:
        FILES[form](folder)
    for number, log in enumerate(logs):
        target = folder / "logs" / f"more-{number}"
        target.mkdir(parents=True)
        LOGS[log](target)
    return folder


def judged(folder: Path, forms: Forms) -> Report:
    """Audit what was written; the user names the zone of the host where the form is handed over with it."""
    zone = timezone(timedelta(hours=story.HOURS)) if forms[2] in ZONED else None
    parts = [str(folder / part) for part in ("state", "exports", "logs") if any((folder / part).rglob("*"))]
    return audit(load_evidence(parts, zone=zone))
