"""A registry is often all that is at hand: every captured one is audited, told and explained by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import audit, load_evidence, write_json, write_markdown, write_text
from tests.support.captures import DATA, unpack

CAPTURES = sorted(path.name.removesuffix(".tar.gz") for path in DATA.glob("*.tar.gz"))


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_captured_registry_is_audited_by_itself(capture: str, unpacked: Path) -> None:
    registries = sorted(unpack(capture, unpacked).rglob("*.sqlite"))
    assert registries
    for registry in registries:
        evidence = load_evidence([str(registry)])
        if evidence.tasks.is_empty():
            continue
        report = audit(evidence)
        assert all(fact.text for finding in report.findings for fact in finding.evidence)
        assert report.now.year == 2026
        for write in (write_text, write_markdown, write_json):
            assert write(report)
