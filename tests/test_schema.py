"""The JSON audit keeps its contract, on every sample and every captured gateway."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from forensics import audit, load_evidence, write_json
from forensics.cli import main
from forensics.model.verdicts import Cause, EvidenceRole, Origin, SourceKind, TimeOrder, Verdict
from forensics.writers.json import audit_schema
from tests.support.captures import EvidenceSet, archived_sets, unpack

SAMPLES = Path(__file__).parent.parent / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(audit_schema())
    return Draft202012Validator(audit_schema())


def audited(paths: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_json(audit(load_evidence(paths))))
    return document


@pytest.mark.parametrize("name", NAMES)
def test_samples_keep_the_contract(name: str, validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(audited([str(SAMPLES / name)]))] == []


@pytest.mark.parametrize("told", [told for told in archived_sets() if told.name == "final"], ids=str)
def test_captures_keep_the_contract(told: EvidenceSet, unpacked: Path, validator: Draft202012Validator) -> None:
    folder = unpack(told.capture, unpacked)
    document = audited([str(folder / path) for path in told.paths])
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (SourceKind, ("source", "properties", "kind")),
        (Verdict, ("finding", "properties", "verdict")),
        (Cause, ("finding", "properties", "cause")),
        (Origin, ("finding", "properties", "run", "anyOf", 1, "properties", "origin")),
        (TimeOrder, ("odd_times", "properties", "kind")),
        (EvidenceRole, ("finding", "properties", "evidence", "items", "properties", "role")),
    ],
)
def test_the_contract_knows_every_word(words: type[StrEnum], place: tuple[str | int, ...]) -> None:
    told: Any = audit_schema()["$defs"]
    for step in place:
        told = told[step]
    assert set(told["enum"]) == {word.value for word in words}


def test_a_broken_contract_is_seen(validator: Draft202012Validator) -> None:
    document = audited([str(SAMPLES / "every-verdict")])
    withheld = next(finding for finding in document["findings"] if finding["verdict"] == "undetermined")
    withheld["confidence"] = "exact"
    assert list(validator.iter_errors(document))


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize("job_or_task", ["hourly-mail", "97b96ec8", "still-at-it", "a9bd7cb7"])
def test_explanations_keep_the_contract(job_or_task: str) -> None:
    paths = ["samples/real-lost-write"] if job_or_task == "97b96ec8" else ["samples/every-verdict"]
    result = CliRunner().invoke(main, ["explain", job_or_task, *paths, "-f", "json"])
    document = json.loads(result.stdout)
    assert len(document["findings"]) + len(document["rows"]) == 1
    for name, told in (("finding", document["findings"]), ("explained_row", document["rows"])):
        contract = audit_schema() | {"$ref": f"#/$defs/{name}"}
        for part in ("type", "required", "properties"):
            del contract[part]
        validator = Draft202012Validator(contract)
        for one in told:
            assert [error.message for error in validator.iter_errors(one)] == []
            assert list(validator.iter_errors(one | {"explanation": {"claims": []}}))


def test_every_citation_can_be_replayed_by_hand() -> None:
    """File and line of every cited log line or record are read again: they say what they are cited for."""
    name = "real-lost-write"
    document = audited([str(SAMPLES / name)])
    paths = {source["id"]: Path(source["path"]) for source in document["sources"]}
    kinds = {source["id"]: source["kind"] for source in document["sources"]}
    replayed = 0
    for finding in document["findings"]:
        for fact in finding["evidence"]:
            if fact["line"] is None or kinds[fact["source"]] == "task_registry":
                continue
            line = paths[fact["source"]].read_text("utf-8").splitlines()[fact["line"] - 1]
            if fact["role"] == "finish":
                start = finding["run"]["started_at"]
                assert json.loads(line)["jobId"] == finding["job_id"]
                assert start is not None
            else:
                text = fact["text"].split("] ", 1)[1].split(" {", 1)[0]
                assert text in line
            replayed += 1
    assert replayed > 6
