"""Captured gateways: where they lie, what is expected of them, and how a report is compared with that."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from forensics.model.finding import Finding, Report, Restart
from forensics.model.verdicts import CORRECTED_BY_DEFAULT

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True, slots=True)
class EvidenceSet:
    """One way to hand the evidence of a capture over, and what it deserves."""

    capture: str
    name: str
    paths: tuple[str, ...]
    expected: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.capture}: {self.name}"


def archived_sets() -> Iterator[EvidenceSet]:
    """Give every set of the archives in ``tests/data``."""
    for path in sorted(DATA.glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            member = archive.extractfile("expected.json")
            assert member is not None
            yield from _sets(path.name.removesuffix(".tar.gz"), json.load(member))


def unpacked_sets(captures: Path) -> Iterator[EvidenceSet]:
    """Give every set of a folder of captures."""
    for path in sorted(captures.glob("*/*/expected.json")):
        yield from _sets(path.parent.relative_to(captures).as_posix(), json.loads(path.read_text("utf-8")))


def _sets(capture: str, document: dict[str, Any]) -> Iterator[EvidenceSet]:
    for told in document["sets"]:
        yield EvidenceSet(capture, told["name"], tuple(told["paths"]), told)


def unpack(capture: str, folder: Path) -> Path:
    """Unpack one archive; give the folder that its sets are relative to."""
    target = folder / capture
    if not target.exists():
        with tarfile.open(DATA / f"{capture}.tar.gz") as archive:
            archive.extractall(target, filter="data")
    return target


def snapshot(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Give name, content and time stamp of everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
            path.stat().st_mtime_ns,
            path.stat().st_ctime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


def disagreements(report: Report, expected: dict[str, Any]) -> list[str]:
    """Say where a report differs from what the evidence deserves; an empty list is agreement."""
    found = {finding.task_id: finding for finding in report.findings}
    wanted = expected["rows"]
    told = [f"row {task_id} is missing" for task_id in wanted.keys() - found.keys()]
    told += [f"row {task_id} is too many" for task_id in found.keys() - wanted.keys()]
    for task_id in sorted(wanted.keys() & found.keys()):
        told += _row_disagreements(found[task_id], wanted[task_id])
    if list(report.summary.healed) != sorted(expected.get("healed", [])):
        told.append(f"healed {report.summary.healed}, expected {expected['healed']}")
    return told + list(_restart_disagreements(report.restarts, expected.get("restarts", [])))


def _row_disagreements(finding: Finding, wanted: dict[str, Any]) -> Iterator[str]:
    for name in ("verdict", "cause", "confidence"):
        if getattr(finding, name) not in wanted[name]:
            yield f"{finding.task_id}: {name} {getattr(finding, name)}, expected {wanted[name]} ({finding.reasons})"
    if "reasons_any" in wanted and not set(wanted["reasons_any"]) & set(finding.reasons):
        yield f"{finding.task_id}: reasons {finding.reasons}, expected one of {wanted['reasons_any']}"
    if finding.projected != wanted.get("projected", False):
        yield f"{finding.task_id}: projected {finding.projected}"
    if "corrected" in wanted and _corrected(finding) != wanted["corrected"]:
        yield f"{finding.task_id}: corrected {_corrected(finding)}, expected {wanted['corrected']}"


def _corrected(finding: Finding) -> dict[str, object] | None:
    correction = finding.correction
    if correction is None or finding.verdict not in CORRECTED_BY_DEFAULT:
        return None
    return {
        "status": correction.status,
        "ended_at": epoch_ms(correction.ended_at),
        "error": correction.error,
        "terminal_summary": correction.terminal_summary,
    }


def _restart_disagreements(restarts: tuple[Restart, ...], wanted: list[dict[str, Any]]) -> Iterator[str]:
    if len(restarts) != len(wanted):
        yield f"{len(restarts)} restarts, expected {len(wanted)}"
    for restart, bounds in zip(restarts, wanted, strict=False):
        if restart.kind not in bounds["kind"]:
            yield f"{restart.id}: kind {restart.kind}, expected {bounds['kind']}"
        if bounds["down_at"] is not None and not _within(restart.down_at, restart.down_at_latest, bounds["down_at"]):
            yield f"{restart.id}: down {restart.down_at} to {restart.down_at_latest}, expected {bounds['down_at']}"
        if (restart.ready_at is None) != (bounds["ready_at"] is None) or (
            restart.ready_at is not None and not _within(restart.ready_at, restart.ready_at, bounds["ready_at"])
        ):
            yield f"{restart.id}: ready {restart.ready_at}, expected {bounds['ready_at']}"


def _within(earliest: datetime, latest: datetime, bounds: list[int]) -> bool:
    return bounds[0] <= epoch_ms(earliest) <= epoch_ms(latest) <= bounds[1]


def epoch_ms(time: datetime) -> int:
    """Give epoch milliseconds."""
    return round(time.timestamp() * 1000)
