"""What several tests need of a collection: made on some day, looked at file by file, audited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forensics import audit, load_evidence
from forensics.collect.collecting import Collected, collect
from forensics.model.finding import Report
from forensics.model.manifest import NAME, UNFINISHED, parsed_manifest

FIRST = datetime(2026, 11, 24, 6, tzinfo=UTC)


def collected(
    paths: Iterable[Path], into: Path, day: int = 0, gateways: Mapping[str, Sequence[Path]] | None = None
) -> Collected:
    named = {name: [str(path) for path in given] for name, given in (gateways or {}).items()}
    at = FIRST + timedelta(days=day)
    return collect([str(path) for path in paths], into, at=at, host="office", version="1", gateways=named)


def told(report: Report) -> list[tuple[object, ...]]:
    return [
        (each.task_id, each.verdict, each.cause, each.confidence, each.reasons, each.correction)
        for each in report.findings
    ]


def audited(*paths: Path) -> Report:
    return audit(load_evidence([str(path) for path in paths]))


def assert_every_day_holds(into: Path) -> int:
    """Check the first bytes of every stored file against its manifest, file by file; give the number of snapshots."""
    manifests = sorted(path for path in into.glob(f"*/{NAME}") if not path.parent.name.endswith(UNFINISHED))
    for path in manifests:
        manifest = parsed_manifest(path.read_bytes())
        assert manifest is not None, path
        for each in manifest.files:
            content = (path.parent / each.path).read_bytes()[: each.bytes]
            assert (len(content), hashlib.sha256(content).hexdigest()) == (each.bytes, each.sha256), each.path
    return len(manifests)


def used_bytes(into: Path) -> int:
    """Give what the stored evidence takes of the disk: each file once, whatever its names."""
    stats = [path.stat() for path in into.rglob("*") if path.is_file() and path.name != NAME]
    return sum({(told.st_dev, told.st_ino): told.st_size for told in stats}.values())
