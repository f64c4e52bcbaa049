"""What several sources say of one thing: copies of a record, older and newer states of a row, printed times, masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from forensics.correlator.audit import audit
from forensics.correlator.masks import with_unmasked_ids
from forensics.model.schemas import HISTORIES, JOBS, LIFECYCLE, RUNS, TASKS, frame_of
from forensics.model.verdicts import LifecycleKind, Origin, SourceKind
from tests.support.scenario import Gateway, J, K, a_day, at, audited, evidence_of, finding_of, found, said, seconds

S = at("10:00")
L = at("10:20")


def places(gateway: Gateway) -> list[str]:
    return [fact.text for fact in finding_of(gateway).evidence if fact.role == "finish"]


@pytest.mark.parametrize("origin", [Origin.RUN_TABLE, Origin.RUN_PAGE, Origin.TASK_DETAIL])
def test_one_execution_told_in_two_places_is_one_record_with_both_places(origin: Origin) -> None:
    gateway = a_day().row(J, S, L).record(J, S)
    gateway.record(J, S, file="state.sqlite", origin=origin.value, has_usage=False, summary=None)
    finding = finding_of(gateway)
    assert said(finding) == ("false_lost", "exact")
    assert finding.run is not None
    assert finding.run.origin == "run_log"
    assert places(gateway)[1] == f"the same record, told again as {origin.value}"


def test_a_place_that_tells_less_takes_nothing_away() -> None:
    gateway = a_day().row(J, S, L)
    gateway.record(J, S, has_usage=False, summary=None).record(J, S, file="page.json", origin=Origin.RUN_PAGE.value)
    finding = finding_of(gateway)
    assert finding.correction is not None
    assert finding.correction.terminal_summary == "done"
    assert "maybe_aborted" not in finding.reasons


def test_two_records_of_one_start_that_end_differently_are_not_one() -> None:
    gateway = a_day().row(J, S, L).record(J, S)
    gateway.record(J, S, "error", file="page.json", origin=Origin.RUN_PAGE.value, error="boom")
    assert said(finding_of(gateway)) == ("undetermined", None)
    assert "conflict" in finding_of(gateway).reasons


def test_a_receipt_proves_the_end_of_its_run() -> None:
    gateway = a_day().row(J, S, L).record(J, S, origin=Origin.RECEIPT.value, has_usage=False, summary=None)
    assert said(finding_of(gateway)) == ("false_lost", "exact")


def test_a_receipt_that_contradicts_the_record_withholds() -> None:
    gateway = a_day().row(J, S, L).record(J, S)
    gateway.record(J, S, "error", file="db", origin=Origin.RECEIPT.value, error="boom")
    assert "conflict" in finding_of(gateway).reasons


def test_an_open_receipt_makes_a_death_exact() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06")).record(K, at("08:00"))
    assert said(finding_of(gateway)) == ("interrupted", "strong")
    gateway.line(LifecycleKind.RECEIPT_OPEN, S, job_id=J, running_at=S, raw="[cron_run_receipts] open")
    finding = finding_of(gateway)
    assert said(finding) == ("interrupted", "exact")
    assert "open_receipt" in finding.reasons
    assert any(fact.role == "marker" and "receipt" in fact.text for fact in finding.evidence)


def test_an_open_receipt_without_a_death_proves_none() -> None:
    gateway = a_day().row(J, S, L).line(LifecycleKind.RECEIPT_OPEN, S, job_id=J, running_at=S, raw="[r] open")
    assert finding_of(gateway).verdict not in ("interrupted", "replayed")


def test_an_imported_twin_is_no_row_and_no_rival() -> None:
    gateway = a_day().row(J, S, L).record(J, S, origin=Origin.TASK_DETAIL.value)
    gateway.row(J, S, at("10:15"), task_id="cron-runlog-import:x", status="failed", is_twin=True)
    report = audited(gateway)
    assert [finding.task_id for finding in report.findings] == ["task"]
    assert said(found(report)) == ("false_lost", "exact")
    assert report.summary.tasks == evidence_of(gateway).tasks.height


def test_a_row_that_was_lost_in_an_older_copy_and_ended_well_since_is_healed_without_any_stale_text() -> None:
    gateway = a_day().row(J, S, L, copy="backup", registry="export")
    gateway.succeeded(J, S, at("10:05"), task_id="task").copied(at("23:00"))
    assert audited(gateway).summary.healed == ("task",)


def test_a_row_that_was_only_projected_as_lost_before_did_not_heal() -> None:
    gateway = a_day().row(J, S, L, copy="backup", registry="export", projected=True)
    gateway.succeeded(J, S, at("10:05"), task_id="task").copied(at("23:00"))
    assert audited(gateway).summary.healed == ()


def test_a_later_export_that_shows_a_row_further_on_is_newer_than_the_registry() -> None:
    gateway = a_day().row(J, S, L)
    gateway.row(J, S, at("10:05"), status="succeeded", registry="export", copy="export")
    gateway.copied(at("23:59:30"), copy="export")
    gateway._rows["tasks"][-1]["registry"] = "export"
    assert audited(gateway).summary.healed == ("task",)


def test_what_a_log_printed_of_a_task_counts_only_where_nothing_else_was_handed_over() -> None:
    gateway = a_day().row(J, S, L, registry="log", task_id="printed")
    assert [finding.task_id for finding in audited(gateway).findings] == []
    alone = Gateway().logged(at("00:00"), at("23:59")).row(J, S, L, registry="log", task_id="printed")
    assert [finding.task_id for finding in audited(alone).findings] == ["printed"]


def printed(**columns: Any) -> Gateway:
    """A row whose times were printed in whole seconds, without its run id."""
    told: dict[str, Any] = {"run_id": None, "precision_ms": 1000, "registry": "export"} | columns
    return a_day().row(J, S, L, **told)


def test_a_printed_time_is_paired_with_the_only_record_of_its_second() -> None:
    finding = finding_of(printed().record(J, S + seconds(0.417)))
    assert said(finding) == ("false_lost", "strong")
    assert "coarse_time" in finding.reasons
    assert finding.correction is not None
    assert finding.correction.ended_at == S + seconds(60.417)


def test_a_printed_time_is_never_exact_even_where_the_millisecond_fits() -> None:
    assert said(finding_of(printed().record(J, S))) == ("false_lost", "strong")


def test_a_printed_row_that_names_its_run_id_is_exact() -> None:
    named = printed(run_id=f"cron:{J}:{round(S.timestamp() * 1000)}")
    assert said(finding_of(named.record(J, S))) == ("false_lost", "exact")


def test_two_records_within_a_printed_second_withhold() -> None:
    told = printed().record(J, S + seconds(0.1), duration=0.2).record(J, S + seconds(0.6))
    assert said(finding_of(told)) == ("undetermined", None)
    assert "ambiguous_rows" in finding_of(told).reasons


def test_two_rows_within_one_printed_second_withhold() -> None:
    told = printed().row(J, S + seconds(0.3), L, task_id="other").record(J, S + seconds(0.3))
    assert said(finding_of(told)) == ("undetermined", None)


def test_a_record_in_another_second_is_not_paired() -> None:
    for off in (-0.001, 1.0):
        assert finding_of(printed().record(J, S + seconds(off))).verdict == "undetermined"


def test_a_printed_record_is_paired_with_the_row_of_its_second() -> None:
    gateway = a_day().row(J, S + seconds(0.417), L).record(J, S, precision_ms=1000)
    assert said(finding_of(gateway)) == ("false_lost", "strong")


def test_a_masked_id_stands_for_the_only_job_that_begins_so() -> None:
    jobs = frame_of([{"gateway": "g", "job_id": job} for job in ("5611a1e4-9b01", "5611a1e4-77")], JOBS)
    told = [
        {"gateway": "g", "job_id": "5611a1e4-9b***"},
        {"gateway": "g", "job_id": "5611a1e4-***"},
        {"gateway": "other", "job_id": "5611a1e4-9b***"},
        {"gateway": "g", "run_id": "cron:5611a1e4-9b***:1795476101155"},
        {"gateway": "g", "job_id": "plain"},
    ]
    lifecycle = with_unmasked_ids(frame_of(told, LIFECYCLE), jobs)
    assert lifecycle["job_id"].to_list() == ["5611a1e4-9b01", "5611a1e4-***", "5611a1e4-9b***", None, "plain"]
    assert lifecycle["run_id"].to_list()[3] == "cron:5611a1e4-9b01:1795476101155"


def store(gateway: Gateway, **columns: object) -> str:
    """Judge a row whose history lies in a table of the registry; give the verdict."""
    evidence = evidence_of(gateway)
    told = {"gateway": "gateway", "source": 0, "origin": "run_table", "records": 0, "is_partial": False}
    source = evidence.sources.filter(pl.col("kind") == SourceKind.TASK_REGISTRY)["id"][0]
    history = told | {"source": source, "is_damaged": False} | columns
    judged = audit(replace(evidence, histories=frame_of([history], HISTORIES)))
    (finding,) = judged.findings
    return " ".join([finding.verdict.value, *finding.reasons])


def crashed() -> Gateway:
    return a_day().row(J, S, L).crashed(at("10:05"), at("10:06")).without_run_logs()


def test_a_table_of_all_run_records_covers_a_job_it_does_not_name() -> None:
    assert store(crashed()).startswith("interrupted")


def test_a_table_that_may_lack_older_records_covers_only_later_runs() -> None:
    assert "run_log_pruned" in store(crashed(), is_partial=True, oldest_at=at("10:00:01"))
    assert store(crashed(), is_partial=True, oldest_at=S).startswith("interrupted")


def test_a_damaged_table_covers_nothing() -> None:
    assert "run_log_damaged" in store(crashed(), is_damaged=True)


def test_records_inside_task_rows_are_gone_with_the_rows() -> None:
    assert store(crashed(), origin="task_detail").startswith("interrupted")
    late = crashed().copied(at("10:00:01", day=7))
    assert "run_log_pruned" in store(late, origin="task_detail")
    assert store(late).startswith("interrupted")


def test_a_table_vouches_for_no_row_that_its_own_database_does_not_hold() -> None:
    elsewhere = a_day().row(J, S, L, copy="other").crashed(at("10:05"), at("10:06")).without_run_logs()
    told = store(elsewhere)
    assert told.startswith("undetermined")
    assert "run_log_absent" in told


def test_a_page_of_runs_reaches_as_far_as_its_oldest_entry() -> None:
    told = {"origin": "run_page", "job_id": J, "records": 50}
    assert "run_log_pruned" in store(crashed(), **told, is_partial=True, oldest_at=at("11:00"))
    assert store(crashed(), **told).startswith("interrupted")


def test_every_frame_of_the_schema_has_a_precision() -> None:
    assert all("precision_ms" in schema for schema in (TASKS, RUNS, LIFECYCLE))


def held(gateway: Gateway, duration: float = 60, **columns: Any) -> Gateway:
    """Write an ended receipt of the run."""
    told: dict[str, Any] = {"file": "db", "origin": Origin.RECEIPT.value, "has_usage": False, "summary": None}
    return gateway.record(J, S, duration=duration, **told | columns)


def test_a_receipt_comes_before_the_job_state_which_tells_less() -> None:
    gateway = held(a_day().row(J, S, L).last_run(J, S), run_id=f"manual:{J}:1:1")
    finding = finding_of(gateway)
    assert finding.run is not None
    assert (finding.run.origin, finding.cause, *finding.reasons) == ("receipt", "manual_run", "own_record")


def test_a_receipt_that_says_ok_amid_a_restart_is_doubted() -> None:
    gateway = a_day().reloaded(at("10:01"), at("10:05:30"))
    finding = finding_of(held(gateway.row(J, S, L), duration=336))
    assert (*said(finding), *finding.reasons) == ("false_lost", "weak", "own_record", "maybe_aborted")
    before = finding_of(held(a_day().reloaded(at("10:01"), at("10:05:30")).row(J, S, L), duration=59))
    assert said(before) == ("false_lost", "exact")


def test_a_receipt_needs_no_log_as_an_abort_is_recorded_as_an_error() -> None:
    assert said(finding_of(held(Gateway().row(J, S, L)))) == ("false_lost", "exact")
