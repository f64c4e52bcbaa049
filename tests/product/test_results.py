"""The stored results and the README made from them; the judge itself, on trials made by hand."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.product import figures
from tests.product.building import Fix
from tests.product.cases import CASES
from tests.product.gateway import Home, plain
from tests.product.judging import judged, without_times
from tests.product.registries import Row, Table, Tables, Value
from tests.product.releases import RELEASES
from tests.product.trial import PROBES, Seen, Trial

LOST: Row = {
    "task_id": "a",
    "source_id": "job",
    "status": "lost",
    "ended_at": 20,
    "last_event_at": 20,
    "error": "backing session missing",
    "terminal_summary": None,
    "cleanup_after": 100,
}
PLANNED: Row = {
    "status": "succeeded",
    "ended_at": 10,
    "last_event_at": 10,
    "error": None,
    "terminal_summary": "done",
    "cleanup_after": 110,
}
CORRECTED: Row = {**LOST, **PLANNED}
OTHER: Row = {**LOST, "task_id": "b", "status": "succeeded", "error": None}
SPAN = (1_795_652_000_000, 1_795_652_999_999)
LISTED = {"status": "succeeded", "endedAt": 10, "lastEventAt": 10, "terminalSummary": "done", "cleanupAfter": 110}


def tables(*rows: Row, beside: tuple[Row, ...] = ()) -> Tables:
    return {
        "task_runs": Table("tasks", {(row["task_id"],): row for row in rows}),
        "cron_jobs": Table("jobs", {(row["job_id"],): row for row in beside}),
    }


def finding(task_id: str, code: str = "lost") -> dict[str, Any]:
    return {"code": code, "token": task_id, "severity": "warn"}


def side(row: Row, *, found: bool, listed: dict[str, Any]) -> Seen:
    seen = Seen(tables(row, OTHER), tables(row, OTHER), sweeps=[0, 60_000])
    for when in ("before", "after"):
        seen.audits[when] = {"findings": [finding("a")] if found else []}
        seen.lists[when] = {"tasks": [{"taskId": "a", **listed}, {"taskId": "b", "status": "succeeded"}]}
    seen.cron_runs["a"] = {"entries": []}
    seen.shown["a"] = {"taskId": "a", "task": "text", "status": row["status"]}
    return seen


@pytest.fixture
def trial() -> Trial:
    """Give a trial in which everything held."""
    fix = Fix(Path("fix.sql"), Path("undo.sql"), {"a": PLANNED}, 1, "1 row to correct", ())
    control = side(LOST, found=True, listed={"status": "lost"})
    repaired = side(CORRECTED, found=False, listed=LISTED)
    base = tables(LOST, OTHER)
    return Trial(CASES[0], fix, base, control, repaired, ["corrected"], ["restored"], tables(LOST, OTHER), SPAN)


def test_the_readme_shows_the_stored_results() -> None:
    readme = figures.README.read_text("utf-8")
    told = figures.stored()
    assert told is not None
    assert figures.with_block(readme, told) == readme


def test_every_case_has_a_stored_result_without_failures() -> None:
    told = figures.stored()
    assert told is not None
    assert {case["case"]: case["failures"] for case in told["cases"]} == {case.label: [] for case in CASES}
    assert {entry["release"] for entry in told["markers"]} == RELEASES.keys()


def test_a_run_of_some_cases_renews_only_these(trial: Trial) -> None:
    first, second = ({**judged(trial), "case": case.label, "release": case.release} for case in CASES[:2])
    earlier = figures.document([first, {**second, "lost": 7}], [], {"2026.4.15": "22.0.0"})
    told = figures.renewed(earlier, figures.document([second], [], {"2026.9.6": "24.0.0"}))
    assert [(case["case"], case["lost"]) for case in told["cases"]] == [(CASES[0].label, 1), (CASES[1].label, 1)]
    assert list(told["nodes"]) == ["2026.4.15", "2026.9.6"]
    assert figures.renewed(None, earlier) == earlier


def test_every_case_is_of_a_release_that_can_be_installed() -> None:
    assert {case.release for case in CASES} == RELEASES.keys()


def test_a_trial_in_which_everything_held_has_no_failures(trial: Trial) -> None:
    told = judged(trial)
    assert told["failures"] == []
    assert told["listed as corrected"] == {"before": 1, "after": 1}
    assert (told["kept after the sweeps"], told["control"], told["undo"]["rows restored"]) == (1, {"still lost": 1}, 1)
    assert told["differences"] == {"corrected values": 6, "explained": [], "unexplained": 0}


def test_an_audit_that_still_finds_the_row_is_told(trial: Trial) -> None:
    trial.repaired.audits["after"]["findings"].append(finding("a"))
    assert judged(trial)["failures"] == ["audit after: lost for the corrected row a"]


def test_a_new_finding_for_a_corrected_row_is_told(trial: Trial) -> None:
    trial.repaired.audits["before"]["findings"].append(finding("a", "inconsistent_timestamps"))
    assert judged(trial)["failures"] == ["audit before: inconsistent_timestamps for the corrected row a"]


def test_another_finding_elsewhere_is_told(trial: Trial) -> None:
    trial.repaired.audits["before"]["findings"].append(finding("b", "stale_running"))
    assert judged(trial)["failures"] == [
        "audit before: other findings differ: [('stale_running', 'b', 'warn')]",
    ]


def test_a_value_that_is_shown_otherwise_is_told(trial: Trial) -> None:
    trial.repaired.lists["before"]["tasks"][0]["error"] = "backing session missing"
    assert judged(trial)["failures"] == ["list before: a is not shown as corrected"]


def test_a_corrected_row_that_the_gateway_deleted_is_told(trial: Trial) -> None:
    trial.repaired.end = tables(OTHER)
    told = judged(trial)
    assert "after the sweeps a is gone" in told["failures"]
    assert told["kept after the sweeps"] == 0


def test_a_lost_row_of_the_control_that_the_sweep_deleted_is_no_failure(trial: Trial) -> None:
    trial.control.end = tables(OTHER)
    told = judged(trial)
    assert told["failures"] == []
    assert told["control"] == {"deleted": 1}
    assert [entry["reason"] for entry in told["differences"]["explained"]] == [
        "the sweep deleted the lost row, past its time"
    ]


def test_a_difference_that_nothing_explains_is_told(trial: Trial) -> None:
    trial.repaired.end = tables(CORRECTED, OTHER, beside=({"job_id": "job", "enabled": 1},))
    told = judged(trial)
    assert told["differences"]["unexplained"] == 1
    assert len(told["failures"]) == 1
    assert told["failures"][0].startswith("unexplained: Difference(table='cron_jobs'")


def test_a_script_that_changes_another_row_is_told(trial: Trial) -> None:
    trial.repaired.begin = tables(CORRECTED, {**OTHER, "error": "touched"})
    assert judged(trial)["failures"][0].startswith("the script changed more than it plans")


def test_a_single_sweep_is_told(trial: Trial) -> None:
    trial.control.sweeps = [60_000]
    assert judged(trial)["failures"] == ["no second sweep was seen to mark a probe"]


def test_probes_are_not_compared(trial: Trial) -> None:
    probe = {**LOST, "task_id": next(iter(PROBES))}
    trial.repaired.end = tables(CORRECTED, OTHER, probe)
    assert judged(trial)["failures"] == []


def test_a_row_may_be_kept_longer_only_where_that_was_asked_for(trial: Trial) -> None:
    kept = {**CORRECTED, "cleanup_after": 500}
    trial.repaired.begin = trial.repaired.end = tables(kept, OTHER)
    for when in ("before", "after"):
        trial.repaired.lists[when]["tasks"][0]["cleanupAfter"] = 500
    assert judged(trial)["failures"] != []
    longer = replace(trial, fix=replace(trial.fix, options=("--keep", "30")))
    assert judged(longer)["failures"] == []


def test_the_name_of_a_lock_says_what_it_is_made_from() -> None:
    home = Home(Path("/scratch/live"), 18789)
    digest = sha256(b"/scratch/live/home/.openclaw/openclaw.json").hexdigest()[:8]
    assert plain(f"/scratch/live/tmp/gateway.{digest}.lock", 77, home) == (
        "TMPDIR/gateway.<8 hex of the SHA-256 of the configuration's path>.lock"
    )
    assert plain("gateway.01234567.lock", 77, home) == "gateway.01234567.lock"


def test_a_lock_is_told_without_the_numbers_of_one_run() -> None:
    home = Home(Path("/scratch/live"), 18789)
    text = (
        '{"pid":77,"createdAt":"2026-11-26T00:03:45Z","port":18789,"configPath":"/scratch/live/home/.openclaw/x"} \t\t'
    )
    assert plain(text, 77, home) == (
        '{"pid":PID,"createdAt":"<ISO time>","port":PORT,"configPath":"STATE/x"} + 3 bytes of white space'
    )


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (1_795_652_000_001, 1_795_652_000_002, True),
        (1_795_651_000_001, 1_795_652_000_002, False),
        ('{"at":1795652000001}', '{"at":1795652000002.5}', True),
        ('{"at":1795651000001}', '{"at":1795652000002}', False),
        ("2026-11-26T00:19:37.150Z", "2026-11-26T00:20:55.279Z", True),
        ("2026-11-23T00:19:37.150Z", "2026-11-26T00:20:55.279Z", False),
        ("a", "b", False),
        (None, b"x", False),
    ],
)
def test_only_moments_of_the_trial_count_as_times(first: Value, second: Value, *, same: bool) -> None:
    assert (without_times(first, SPAN) == without_times(second, SPAN)) is same


def test_a_job_of_a_user_that_is_gone_is_told_and_one_of_the_gateway_is_not(trial: Trial) -> None:
    trial.control.end = tables(LOST, OTHER, beside=({"job_id": "job"}, {"job_id": "system"}))
    assert [failure.split(", column")[0] for failure in judged(trial)["failures"]] == [
        "unexplained: Difference(table='cron_jobs', key=('job',)"
    ]
