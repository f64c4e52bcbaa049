"""Every JSON document keeps its contract, on every sample, every captured gateway and hostile evidence."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from forensics import audit, load_evidence
from forensics.cli import main
from forensics.correlator.audit import audit_with_facts, restart_ledger
from forensics.correlator.circumstances import Surroundings
from forensics.correlator.missing import missing_sources
from forensics.correlator.timeline import timeline
from forensics.model.baseline import Baseline, Entry, identity_of
from forensics.model.check import Check
from forensics.model.contracts import CONTRACTS, contract
from forensics.model.evidence import Evidence
from forensics.model.explanation import ExplainedLoss, ExplainedRow
from forensics.model.verdicts import (
    FAIL_ON_BY_DEFAULT,
    Cause,
    EvidenceRole,
    FactKind,
    Origin,
    SourceKind,
    TimeOrder,
    Verdict,
)
from forensics.writers.json import (
    audit_schema,
    write_check_json,
    write_explanation_json,
    write_json,
    write_restarts_json,
    write_sources_json,
    write_timeline_json,
)
from forensics.writers.reasoning import explained_loss
from forensics.writers.told_in_order import Weight
from forensics.writers.told_rows import explained_row
from tests.parsers.shapes import JOB, log_line, run_entry, task_row, write_log, write_registry, write_run_log
from tests.support.captures import EvidenceSet, archived_sets, unpack
from tests.support.checks import with_unread
from tests.support.journals import sample

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))
WRITTEN = ("audit", "check", "explain", "restarts", "sources", "timeline")
"""The contracts of what commands write as JSON; each is the name of its command."""


def closed(schema: object) -> Any:
    """Give a schema that allows no property but those it names: a contract must tell of everything that is written."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: closed(part) for key, part in schema.items()}
    is_object = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    return {"additionalProperties": False} | told if is_object else told


@cache
def validator_of(name: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(contract(name))
    return Draft202012Validator(closed(contract(name)))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return validator_of("audit")


def audited(paths: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_json(audit(load_evidence(paths))))
    return document


def written(evidence: Evidence) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every document that is written of this evidence, with the name of its contract."""
    report, judged = audit_with_facts(evidence)
    known = Baseline(
        (
            *(Entry(*identity_of(finding), "seen", date(2000, 1, 1)) for finding in report.findings[:1]),
            *(Entry(*identity_of(finding), "seen", None) for finding in report.findings[1:2]),
            Entry("gone", None, Verdict.INTERRUPTED, ""),
        )
    )
    around = Surroundings(evidence, report, judged)
    lost = {(one.gateway, one.task_id) for one in report.findings}
    others = [
        key for key in evidence.tasks.select("gateway", "task_id").unique().drop_nulls().rows() if key not in lost
    ]
    losses = zip(report.findings, around.of_losses(report.findings), strict=True)
    explained: list[ExplainedLoss | ExplainedRow] = [explained_loss(report, *told) for told in losses]
    explained += [explained_row(report, around.of_row(*key)) for key in sorted(others)[:10]]
    texts = [
        ("audit", write_json(report)),
        ("check", write_check_json(Check(report, tuple(Verdict)))),
        ("check", write_check_json(Check(report, FAIL_ON_BY_DEFAULT, known, only_new=True))),
        ("check", write_check_json(Check(report, ()))),
        ("explain", write_explanation_json(report, explained)),
        ("restarts", write_restarts_json(evidence.sources, restart_ledger(evidence, report.policy))),
        ("sources", write_sources_json(evidence, missing_sources(evidence))),
        ("timeline", write_timeline_json(report, timeline(evidence, report))),
    ]
    yield from ((name, json.loads(text)) for name, text in texts)


def broken(evidence: Evidence) -> list[str]:
    """Say where what is written of this evidence breaks its contract."""
    return [
        f"{name} {error.json_path}: {error.message[:200]}"
        for name, document in written(evidence)
        for error in validator_of(name).iter_errors(document)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_samples_keep_the_contracts(name: str) -> None:
    assert broken(load_evidence([str(SAMPLES / name)])) == []


@pytest.mark.parametrize("told", [told for told in archived_sets() if told.name == "final"], ids=str)
def test_captures_keep_the_contracts(told: EvidenceSet, unpacked: Path) -> None:
    folder = unpack(told.capture, unpacked)
    assert broken(load_evidence([str(folder / path) for path in told.paths])) == []


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


@pytest.mark.parametrize(("words", "field"), [(FactKind, "kind"), (Weight, "weight")])
def test_the_contract_of_the_timeline_knows_every_word(words: type[StrEnum], field: str) -> None:
    assert set(contract("timeline")["$defs"]["fact"]["properties"][field]["enum"]) == {word.value for word in words}


def test_corrections_keep_the_contracts(tmp_path: Path) -> None:
    registry = sample(tmp_path, "every-verdict")
    changes = {finding["task_id"]: {"status": "succeeded"} for finding in audited([str(registry.path)])["findings"][:3]}
    registry.fix("runs.backup.sqlite", changes)
    evidence = load_evidence([str(tmp_path / "every-verdict")])
    assert broken(evidence) == []
    assert {"task_corrected"} < {fact["kind"] for fact in dict(written(evidence))["timeline"]["facts"]}


HOSTILE = st.text(max_size=12) | st.sampled_from(
    ["\x1b]0;x\x07", "\u202e", "lost", "\x00", '","x":"', "1e999", "../.."]
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(HOSTILE, min_size=8, max_size=8), number=st.integers(-(2**63), 2**63 - 1))
def test_hostile_evidence_keeps_the_contracts(tmp_path: Path, texts: list[str], number: int) -> None:
    folder = tmp_path / "state"
    shutil.rmtree(folder, ignore_errors=True)
    job, run, label, agent, summary, status, message, zone = texts
    rows = [
        task_row(f"a{job}", label=label, agent_id=agent, run_id=run),
        task_row(f"b{job}", label=label, run_id=run, status=status, ended_at=number, cleanup_after=number),
        task_row(f"c{job}", source_id=job, error=summary, started_at=number),
        task_row(f"d{job}", source_id=None, run_id=None, started_at=None, ended_at=None, last_event_at=None),
    ]
    write_registry(folder / "tasks" / "runs.sqlite", *rows)
    entries = (run_entry(summary=summary, runId=run), run_entry(status=status, error=message, durationMs=number), texts)
    write_run_log(folder / "cron" / "runs" / f"{JOB}.jsonl", *(json.dumps(entry) + "\n" for entry in entries))
    store = {"jobs": [{"id": JOB, "name": label, "schedule": {"kind": "cron", "expr": message, "tz": zone}}]}
    (folder / "cron" / "jobs.json").write_text(json.dumps(store), encoding="utf-8")
    write_log(folder / "logs" / "gateway.log", log_line("gateway", "signal SIGTERM received"), log_line(zone, message))
    assert broken(load_evidence([str(folder)])) == []


@pytest.mark.parametrize("name", WRITTEN)
def test_a_field_that_the_contract_does_not_name_is_seen(name: str) -> None:
    document = next(
        told for contract, told in written(load_evidence([str(SAMPLES / "every-verdict")])) if contract == name
    )
    part = {"timeline": "facts", "sources": "sources", "restarts": "restarts", "explain": "findings"}.get(name)
    (document[part][0] if part else document)["forgotten"] = 1
    assert list(validator_of(name).iter_errors(document))


def test_a_check_that_passed_names_nothing_that_fails_or_was_not_read() -> None:
    document = next(told for name, told in written(load_evidence([str(SAMPLES / "every-verdict")])) if name == "check")
    assert (document["passed"], document["unread"]) == (False, [])
    assert list(validator_of("check").iter_errors(document | {"passed": True}))
    unread = json.loads(write_check_json(Check(with_unread("half of it is missing"), ())))
    assert (unread["passed"], unread["failing"], unread["unread"]) == (False, [], ["half of it is missing"])
    assert list(validator_of("check").iter_errors(unread)) == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_contract_is_shown_complete_and_shares_its_words_with_the_audit(name: str) -> None:
    result = CliRunner().invoke(main, ["schema", name])
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    Draft202012Validator.check_schema(shown)
    assert shown["$id"] == f"forensics.{name}/1"
    assert set(re.findall(r'"\$ref": "(?!#)', result.stdout)) == set()
    referred = set(re.findall(r'"\$ref": "#/\$defs/(\w+)', result.stdout))
    assert referred <= set(shown.get("$defs", {}))
    if name in WRITTEN:
        shared = audit_schema()["$defs"]
        assert isinstance(shared, dict)
        assert all(shown["$defs"][word] == shared[word] for word in shown["$defs"].keys() & shared.keys())


def test_no_schema_is_left_out_of_the_command() -> None:
    shipped = {path.name for path in (ROOT / "forensics" / "schema").glob("*-1.json")}
    assert shipped == {f"{name}-1.json" for name in CONTRACTS}


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize("job_or_task", ["hourly-mail", "97b96ec8", "still-at-it", "a9bd7cb7"])
def test_explanations_keep_the_contract(job_or_task: str) -> None:
    paths = ["samples/real-lost-write"] if job_or_task == "97b96ec8" else ["samples/every-verdict"]
    result = CliRunner().invoke(main, ["explain", job_or_task, *paths, "-f", "json"])
    document = json.loads(result.stdout)
    assert [error.message for error in validator_of("explain").iter_errors(document)] == []
    assert len(document["findings"]) + len(document["rows"]) == 1
    for one in (*document["findings"], *document["rows"]):
        one["explanation"] = {"claims": []}
    assert list(validator_of("explain").iter_errors(document))


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
