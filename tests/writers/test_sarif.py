"""A check as SARIF: the official schema, places that can be looked up, and text that stays text."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from forensics import audit, load_evidence
from forensics.model.baseline import Baseline, Entry, fingerprint_of
from forensics.model.check import Check
from forensics.model.escape import for_sarif, for_terminal
from forensics.model.finding import Report
from forensics.model.policy import SARIF_RESULTS, SARIF_RESULTS_SHOWN
from forensics.model.verdicts import Reason, Severity, Verdict
from forensics.writers.sarif import rule_of, write_sarif
from tests.support.captures import DATA, EvidenceSet, archived_sets, unpack
from tests.support.checks import SAMPLES, checked, every_verdict, knowing, with_hostile, with_unread

OFFICIAL = Draft4Validator(
    json.loads((DATA / "schemas" / "sarif-2.1.0-rtm.5.json").read_text("utf-8")),
    format_checker=Draft4Validator.FORMAT_CHECKER,
)
ORDER = ("start", "lost_mark"), ("restart", "marker", "catch_up"), ("finish", "stand_in", "near_miss"), ("coverage",)


def log_of(check: Check) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_sarif(check))
    return document


def run_of(check: Check) -> dict[str, Any]:
    (run,) = log_of(check)["runs"]
    told: dict[str, Any] = run
    return told


def errors_of(document: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in OFFICIAL.iter_errors(document)]


def places_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Give every location of a run."""
    places = []
    for result in run["results"]:
        places += result["locations"]
        places += [step["location"] for flow in result["codeFlows"] for step in flow["threadFlows"][0]["locations"]]
    for notice in run["invocations"][0]["toolExecutionNotifications"]:
        places += notice.get("locations", [])
    return places


def test_a_broken_log_is_seen() -> None:
    document = log_of(checked())
    document["runs"][0]["results"][0]["level"] = "high"
    assert errors_of(document)


@pytest.mark.parametrize("told", [told for told in archived_sets() if told.name == "final"], ids=str)
def test_captures_keep_the_official_schema(told: EvidenceSet, unpacked: Path) -> None:
    folder = unpack(told.capture, unpacked)
    report = audit(load_evidence([str(folder / path) for path in told.paths]))
    check = checked(report, knowing(report.findings[:1], "known"))
    assert errors_of(log_of(check)) == []
    assert_results_are_consistent(check)


def assert_results_are_consistent(check: Check) -> None:
    run = run_of(check)
    rules = run["tool"]["driver"]["rules"]
    for finding, result in zip(check.report.findings, run["results"], strict=True):
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"] == rule_of(finding)
        assert result["partialFingerprints"] == {"forensicsFinding/v1": fingerprint_of(finding)}
        assert result["level"] == rule["defaultConfiguration"]["level"]
        assert (result["kind"] == "fail") is (result["level"] != "none")
        assert (finding.verdict is Verdict.UNDETERMINED) is rule["id"].startswith("undetermined/")
    for place in places_of(run):
        told = place["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][told["index"]]["location"]["uri"] == told["uri"]


def test_the_sample_keeps_the_official_schema() -> None:
    assert errors_of(log_of(checked())) == []
    assert_results_are_consistent(checked())


def many(counts: dict[Verdict, int]) -> Report:
    """Give an audit with so many rows of each verdict, mixed."""
    of_verdict = {finding.verdict: finding for finding in every_verdict().findings}
    mixed = [verdict for verdict, count in counts.items() for _ in range(count)]
    shuffled = [mixed[place * 11 % len(mixed)] for place in range(len(mixed))]
    findings = (replace(of_verdict[verdict], task_id=f"task {place:05}") for place, verdict in enumerate(shuffled))
    return replace(every_verdict(), findings=tuple(findings))


def results_left_out(check: Check) -> list[str]:
    notes = run_of(check)["invocations"][0]["toolExecutionNotifications"]
    return [note["message"]["text"] for note in notes if note["descriptor"]["id"] == "results_left_out"]


def test_what_github_would_refuse_is_left_out_from_the_least_severe_on_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with 30,000 rows, of which GitHub takes 25,000 at most."""
    monkeypatch.setattr("forensics.writers.sarif.SARIF_RESULTS", 200)
    counts = {Verdict.FALSE_LOST: 150, Verdict.FAILED: 80, Verdict.INTERRUPTED: 40, Verdict.UNDETERMINED: 30}
    check = checked(many(counts), fail_on=(Verdict.FAILED,))
    results = run_of(check)["results"]
    assert Counter(result["properties"]["verdict"] for result in results) == counts | {Verdict.FALSE_LOST: 50}
    tasks = [result["properties"]["task"] for result in results]
    assert tasks == sorted(tasks), "in the order of the report"
    (told,) = results_left_out(check)
    assert "200 of 300 results are in the SARIF" in told
    assert "left out: 100 false_lost;" in told
    assert errors_of(log_of(check)) == []
    assert run_of(check)["properties"]["verdicts"] == every_verdict().summary.verdicts
    monkeypatch.setattr("forensics.writers.sarif.SARIF_RESULTS", 60)
    kept = Counter(result["properties"]["verdict"] for result in run_of(check)["results"])
    assert kept == {Verdict.FAILED: 60}, "what fails the check comes first"


def test_what_github_would_not_show_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked(many({Verdict.INTERRUPTED: 12}))
    assert results_left_out(check) == []
    monkeypatch.setattr("forensics.writers.sarif.SARIF_RESULTS_SHOWN", 10)
    (told,) = results_left_out(check)
    assert told == "all 12 results are in the SARIF, of which GitHub shows 10, the most severe first"


def test_the_limits_are_below_those_of_github() -> None:
    """Source: GitHub, "SARIF results exceed one or more limits": results, and megabytes once compressed."""
    assert SARIF_RESULTS < 25_000
    assert SARIF_RESULTS_SHOWN == 5_000
    check = checked(many(dict.fromkeys(Verdict, 100)))
    result_bytes = len(gzip.compress(write_sarif(check).encode())) / len(check.report.findings)
    assert result_bytes * SARIF_RESULTS < 10_000_000


def test_levels_go_by_severity() -> None:
    results = run_of(checked())["results"]
    levels = {
        finding.severity: result["level"] for finding, result in zip(every_verdict().findings, results, strict=True)
    }
    assert levels == {
        Severity.HIGH: "error",
        Severity.MEDIUM: "warning",
        Severity.LOW: "note",
        Severity.NONE: "none",
    }


def test_every_verdict_has_a_rule_with_help_and_the_rules_never_change() -> None:
    rules = run_of(checked())["tool"]["driver"]["rules"]
    assert {verdict.value for verdict in Verdict} < {rule["id"] for rule in rules}
    assert all(rule["help"]["text"] and rule["fullDescription"]["text"].endswith(".") for rule in rules)
    empty = replace(every_verdict(), findings=())
    assert run_of(checked(empty))["tool"]["driver"]["rules"] == rules


WITHHOLDING = (
    *(Reason.NO_START, Reason.NO_STATUS, Reason.ZONE_ASSUMED, Reason.AMBIGUOUS_ROWS, Reason.CONFLICT),
    *(Reason.START_MISMATCH, Reason.BATCH_OPEN, Reason.CRASH_UNDATED, Reason.CLOCK_OFF, Reason.PROCESS_KEPT),
    *(Reason.MAY_STILL_RUN, Reason.RUN_LOG_ABSENT, Reason.RUN_LOG_MISSING, Reason.RUN_LOG_PRUNED),
    *(Reason.RUN_LOG_DAMAGED, Reason.GATEWAY_LOG_ABSENT, Reason.GATEWAY_LOG_GAP),
)


@pytest.mark.parametrize("reason", WITHHOLDING)
def test_a_withheld_verdict_falls_under_the_kind_of_its_reason(reason: Reason) -> None:
    withheld = next(finding for finding in every_verdict().findings if finding.verdict is Verdict.UNDETERMINED)
    rule = rule_of(replace(withheld, reasons=(Reason.NO_RECORD.value, reason.value)))
    assert rule.startswith("undetermined/")
    told = next(known for known in run_of(checked())["tool"]["driver"]["rules"] if known["id"] == rule)
    assert f"- {reason}: " in told["help"]["text"]


def test_a_flow_goes_from_the_row_over_the_restart_to_the_record_and_names_every_placed_fact() -> None:
    findings = every_verdict().findings
    stations = {role: number for number, roles in enumerate(ORDER) for role in roles}
    for finding, result in zip(findings, run_of(checked())["results"], strict=True):
        (flow,) = result["codeFlows"]
        steps = flow["threadFlows"][0]["locations"]
        kinds = [stations[step["kinds"][0]] for step in steps]
        assert all(earlier <= later for earlier, later in pairwise(kinds))
        placed = [fact for fact in finding.evidence if fact.source is not None]
        assert sorted(step["location"]["message"]["text"] for step in steps) == sorted(
            for_sarif(fact.text) for fact in placed
        )
        assert len(result["properties"]["absent"]) == len(finding.evidence) - len(placed)
    full = next(result for result in run_of(checked())["results"] if result["ruleId"] == "replayed")
    roles_passed = [step["kinds"][0] for step in full["codeFlows"][0]["threadFlows"][0]["locations"]]
    assert roles_passed == ["start", "lost_mark", *["restart"] * 4, "marker", "stand_in", "coverage"]


def test_lines_are_regions_and_rows_of_a_database_logical_locations() -> None:
    report = every_verdict()
    for finding, result in zip(report.findings, run_of(checked())["results"], strict=True):
        (place,) = result["locations"]
        is_database = report.paths()[finding.source].endswith(".sqlite")
        if is_database:
            assert "region" not in place["physicalLocation"]
            (row,) = place["logicalLocations"]
            assert row["fullyQualifiedName"] == f"task_runs/{finding.line}"
            assert row["properties"] == {"table": "task_runs", "rowid": finding.line}
        else:
            assert place["physicalLocation"]["region"] == {"startLine": finding.line}
            assert "logicalLocations" not in place
    assert {report.paths()[finding.source].endswith(".sqlite") for finding in report.findings} == {True, False}


def test_every_region_can_be_looked_up(at_root: Path) -> None:
    """The lines that the flows point to hold what the flows say of them."""
    looked_up = 0
    check = checked(audit(load_evidence(["samples/every-verdict"])))
    for place in places_of(run_of(check)):
        physical = place["physicalLocation"]
        text = place.get("message", {}).get("text", "")
        said = re.search(r"\] (?:cron: )?(\w[\w ]+)", text)
        if "region" in physical and said:
            lines = (at_root / unquote(physical["artifactLocation"]["uri"])).read_text("utf-8").splitlines()
            assert said[1].rstrip() in lines[physical["region"]["startLine"] - 1]
            looked_up += 1
    assert looked_up > 6


def test_artifacts_bear_the_hash_of_the_file() -> None:
    artifacts = run_of(checked())["artifacts"]
    assert len(artifacts) == every_verdict().sources.height
    for artifact in artifacts:
        content = Path(unquote(artifact["location"]["uri"].removeprefix("file://"))).read_bytes()
        assert artifact["hashes"] == {"sha-256": sha256(content).hexdigest()}
        assert artifact["length"] == len(content)


def test_notices_are_notifications_of_the_invocation() -> None:
    check = checked(with_unread("half of it is missing"))
    (invocation,) = run_of(check)["invocations"]
    told = [(note["descriptor"]["id"], note["level"]) for note in invocation["toolExecutionNotifications"]]
    assert told == [("unknown_kind", "note"), ("projected_rows", "note"), ("unreadable", "error")]
    assert invocation["executionSuccessful"] is False
    known = {descriptor["id"] for descriptor in run_of(check)["tool"]["driver"]["notifications"]}
    assert known == {code for code, _ in told}
    (calm,) = run_of(checked())["invocations"]
    assert (calm["executionSuccessful"], calm["exitCode"]) == (True, 1)


def test_a_baseline_gives_every_result_a_state_and_excuses_what_is_known() -> None:
    known, expired, *_ = checked().listed()
    day = every_verdict().now.date()
    stale = Entry("gone", None, Verdict.INTERRUPTED, "")
    entries = (
        *knowing([known], "seen by Ada", day).entries,
        *knowing([expired], expires=day - timedelta(days=1)).entries,
        stale,
    )
    run = run_of(checked(baseline=Baseline(entries)))
    states = {result["properties"]["task"]: result["baselineState"] for result in run["results"]}
    assert states == {f.task_id: "unchanged" if f == known else "new" for f in every_verdict().findings}
    excused = [result for result in run["results"] if "suppressions" in result]
    assert [result["properties"]["task"] for result in excused] == [known.task_id]
    assert excused[0]["suppressions"][0]["justification"] == "seen by Ada"
    assert run["invocations"][0]["toolExecutionNotifications"][-1]["descriptor"]["id"] == "stale_baseline"
    assert all("baselineState" not in result for result in run_of(checked())["results"])


@settings(max_examples=30)  # each is held against the whole official schema
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@example("{0} [click](http://evil) \x1b[31m \u202e")
@example("a b#?%:/../é")
def test_hostile_text_stays_text(text: str) -> None:
    report = with_hostile(text)
    document = log_of(checked(replace(report, findings=report.findings[6:9])))
    assert errors_of(document) == []
    messages = [place["message"]["text"] for place in places_of(document["runs"][0]) if "message" in place]
    messages += [result["message"]["text"] for result in document["runs"][0]["results"]]
    assert for_sarif(text) in messages
    for message in messages:
        assert "](" not in message
        assert message == for_terminal(message)
        assert not re.search(r"(?<!\{)(\{\{)*\{(?!\{)", message)


def test_the_path_of_an_artifact_is_found_again_in_its_uri(tmp_path: Path) -> None:
    odd = tmp_path / "a b#c%20?é"
    shutil.copytree(SAMPLES / "founding-same-run", odd)
    run = run_of(checked(audit(load_evidence([str(odd)]))))
    for artifact in run["artifacts"]:
        assert Path(unquote(artifact["location"]["uri"].removeprefix("file://"))).is_file()
