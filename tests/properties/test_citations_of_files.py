"""Whatever a finding cites says what it is cited for, when its file is opened and its line is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forensics import audit, load_evidence
from forensics.model.finding import Citation
from tests.support.captures import EvidenceSet, archived_sets, unpack
from tests.support.incident.registries import DATABASES, OF_RELEASE_15
from tests.support.incident.written import every_pair, written
from tests.support.rereading import disagreements

SAMPLES = sorted(path for path in (Path(__file__).parent.parent.parent / "samples").iterdir() if path.is_dir())
CAPTURES = list({given.capture: given for given in archived_sets() if given.expected["rows"]}.values())
"""One set of each capture."""

READABLE = [pair for pair in every_pair() if pair[0] in (*DATABASES, *OF_RELEASE_15)]
PAIRS = list({part: pair for pair in READABLE for part in (*pair, pair[0])}.values())
"""Every registry and every form of records, each once at least."""

LOGS = ("file log", "file log, new shape", "console compact", "journal json", "openclaw logs --json", "docker -t")


def disagreeing(*paths: Path) -> list[str]:
    evidence = load_evidence([str(path) for path in paths])
    report = audit(evidence)
    assert report.findings
    assert sum(fact.line is not None for finding in report.findings for fact in finding.evidence) > 1
    return [told for finding in report.findings for told in disagreements(evidence, finding)]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_of_a_sample(sample: Path) -> None:
    assert disagreeing(sample) == []


@pytest.mark.parametrize("given", CAPTURES, ids=str)
def test_of_a_captured_gateway(given: EvidenceSet, unpacked: Path) -> None:
    folder = unpack(given.capture, unpacked)
    assert disagreeing(*(folder / path for path in given.paths)) == []


@pytest.mark.parametrize(("number", "pair"), list(enumerate(PAIRS)), ids=str)
def test_of_one_incident_in_its_forms(number: int, pair: tuple[str, str], tmp_path: Path) -> None:
    assert disagreeing(written(tmp_path, (*pair, LOGS[number % len(LOGS)]))) == []


@pytest.mark.parametrize("step", [-1, 1])
def test_a_place_one_line_off_is_noticed(step: int, tmp_path: Path) -> None:
    """The check itself can fail: no fact of any role says the same one line further, or in the row behind it."""
    folder = written(tmp_path, ("state 7", "run table", "file log"))
    evidence = load_evidence([str(folder / "state"), str(folder / "logs")])
    noticed = set()
    for finding in audit(evidence).findings:
        for fact in finding.evidence:
            if fact.source is None or fact.line is None or not is_within(evidence.files[fact.source], fact, step):
                continue
            moved = replace(finding, evidence=(replace(fact, line=fact.line + step),))
            assert disagreements(evidence, moved), fact
            noticed.add(fact.role)
    assert noticed >= {"start", "lost_mark", "finish", "restart"}


def is_within(path: Path, fact: Citation, step: int) -> bool:
    assert fact.line is not None
    return fact.line + step >= 1 and (fact.table is not None or fact.line + step <= path.read_bytes().count(b"\n"))
