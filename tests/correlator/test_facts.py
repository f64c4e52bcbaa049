"""Which rows are judged, which state of a row counts, and when its run started."""

from __future__ import annotations

from datetime import datetime

import pytest

from forensics.correlator.facts import with_reservation, with_start
from forensics.model.policy import Policy
from forensics.model.schemas import TASKS, frame_of
from tests.support.scenario import J, a_day, at, audited, epoch_ms, evidence_of, finding_of, found, said

S = at("10:00")
L = at("10:20")


@pytest.mark.parametrize("error", ["backing session missing", "Task lost: Backing Session MISSING.", None, "", "  "])
def test_the_lost_text_in_any_case_or_no_text_makes_a_row_applicable(error: str | None) -> None:
    assert finding_of(a_day().row(J, S, L, error=error).record(J, S)).verdict == "false_lost"


@pytest.mark.parametrize("error", ["Recovery tombstoned", "backing session"])
def test_a_row_lost_with_another_text_is_not_applicable_even_with_a_record(error: str) -> None:
    finding = finding_of(a_day().row(J, S, L, error=error).record(J, S))
    assert (finding.verdict, finding.confidence, finding.cause) == ("not_applicable", None, "unknown")
    assert finding.reasons == ("other_error",)
    assert finding.correction is None
    assert finding.severity == "none"


@pytest.mark.parametrize("runtime", ["subagent", "cli", "acp", "CRON", None])
def test_a_row_of_another_runtime_is_not_applicable(runtime: str | None) -> None:
    finding = finding_of(a_day().row(J, S, L, runtime=runtime).record(J, S))
    assert (finding.verdict, finding.reasons) == ("not_applicable", ("not_cron",))
    assert finding.correction is None


@pytest.mark.parametrize("status", ["succeeded", "failed", "running", "queued", "timed_out", "cancelled"])
def test_only_rows_that_are_lost_are_judged(status: str) -> None:
    assert audited(a_day().row(J, S, L, status=status)).findings == ()


def start_of(run_id: str | None, started_at: datetime | None, job_id: str | None = J) -> datetime | None:
    row = {"gateway": "g", "task_id": "t", "job_id": job_id, "run_id": run_id, "started_at": started_at}
    start: datetime | None = with_start(frame_of([row], TASKS))["start"].item()
    return start


def test_the_start_is_the_number_in_the_run_id_whatever_the_column_says() -> None:
    assert start_of(f"cron:{J}:{epoch_ms(S)}", at("11:00")) == S


def test_the_start_in_a_run_id_may_be_followed_by_a_receipt() -> None:
    assert start_of(f"cron:{J}:{epoch_ms(S)}:receipt-7", at("11:00")) == S


def test_a_job_id_with_colons_and_signs_of_expressions_is_taken_by_the_letter() -> None:
    job = "a.*:b[1]"
    assert start_of(f"cron:{job}:{epoch_ms(S)}", at("11:00"), job) == S


@pytest.mark.parametrize(
    "run_id", [None, "", f"manual:{J}:{epoch_ms(S)}:1", f"cron:other:{epoch_ms(S)}", f"cron:{J}:17", f"cron:{J}:x"]
)
def test_any_other_run_id_leaves_the_start_to_the_column(run_id: str | None) -> None:
    assert start_of(run_id, at("11:00")) == at("11:00")


def test_without_column_and_number_there_is_no_start() -> None:
    assert start_of("-", None) is None


def test_a_run_id_without_its_job_tells_no_start() -> None:
    assert start_of(f"cron:{J}:{epoch_ms(S)}", None, None) is None


def reserved_at(*, prior: str | None, running_at: str = "09:59:59.990") -> datetime | None:
    gateway = a_day().row(J, S, L).job(J, running_at=at(running_at))
    starts = [S] + ([at(prior)] if prior else [])
    evidence = evidence_of(gateway)
    known = frame_of([{"gateway": "gateway", "job_id": J, "start": start} for start in starts], _STARTS)
    rows = with_start(evidence.tasks.filter(evidence.tasks["runtime"] == "cron"))
    told = with_reservation(rows, known, evidence.jobs, evidence.lifecycle, Policy())
    reserved: datetime | None = told["reserved_at"].item()
    return reserved


_STARTS = {
    name: TASKS[column] for name, column in (("gateway", "gateway"), ("job_id", "job_id"), ("start", "created_at"))
}


def test_the_marker_in_the_job_state_is_the_reservation_of_the_next_start() -> None:
    assert reserved_at(prior=None) == at("09:59:59.990")
    assert reserved_at(prior="09:50") == at("09:59:59.990")


def test_a_marker_before_an_earlier_start_of_the_job_is_not_the_reservation_of_a_later_one() -> None:
    assert reserved_at(prior="09:59:59.995") is None


def test_a_reservation_lies_at_most_half_an_hour_before_the_start() -> None:
    assert reserved_at(prior=None, running_at="09:30") == at("09:30")
    assert reserved_at(prior=None, running_at="09:29:59.999") is None


def test_a_reservation_never_lies_after_the_start() -> None:
    assert reserved_at(prior=None, running_at="10:00:00.001") is None


def test_a_task_seen_in_two_registries_counts_once_as_the_newer_one_says() -> None:
    older = a_day().row(J, S, L, copy="backup").copied(at("11:00"), copy="backup")
    newer = older.succeeded(J, S, at("10:05"), task_id="task")
    report = audited(newer)
    assert report.findings == ()
    assert report.summary.lost == 0


def test_a_row_that_is_lost_in_the_newer_registry_is_lost_whatever_a_backup_says() -> None:
    gateway = a_day().row(J, S, L)
    gateway.row(J, S, status="running", error=None, copy="backup", last_event_at=S).copied(at("10:01"), copy="backup")
    assert [finding.task_id for finding in audited(gateway).findings] == ["task"]


def test_which_registry_is_newer_is_told_by_its_stamps_not_by_its_name() -> None:
    newer_last = a_day().row(J, S, L, copy="a").copied(at("23:50"), copy="a")
    newer_last.succeeded(J, S, at("10:05"), task_id="task")
    newer_last.without("tasks", runtime="subagent", ended_at=at("23:59"))
    assert len(audited(newer_last).findings) == 1
    newer_first = a_day().row(J, S, L, copy="z").copied(at("23:50"), copy="z")
    newer_first.succeeded(J, S, at("10:05"), task_id="task")
    assert audited(newer_first).findings == ()


def test_a_registry_comes_before_a_later_export() -> None:
    gateway = a_day().succeeded(J, S, at("10:05"), task_id="task")
    gateway.row(J, S, at("23:58"), registry="export", copy="export").copied(at("23:59:30"), copy="export")
    assert audited(gateway).findings == ()


def test_a_projected_row_comes_last() -> None:
    gateway = a_day().running(J, S, task_id="only-projected").without("tasks", task_id="only-projected")
    gateway.row(J, S, L, registry="export", copy="a", task_id="both")
    gateway.row(J, S, at("12:00"), registry="export", projected=True, copy="b", task_id="both")
    finding = found(audited(gateway), "both")
    assert not finding.projected
    assert finding.lost_at == L


@pytest.mark.parametrize("registry", ["store", "export"])
def test_answers_in_the_log_count_only_where_nothing_else_was_handed_over(registry: str) -> None:
    gateway = a_day().without("tasks", runtime="subagent")
    gateway.row(J, S, L, registry="log", copy="logs", task_id="logged")
    assert [finding.task_id for finding in audited(gateway).findings] == ["logged"]
    gateway.row(J, at("12:00"), at("12:06"), registry=registry, task_id="stored")
    assert [finding.task_id for finding in audited(gateway).findings] == ["stored"]


def test_a_row_that_healed_in_the_newer_copy_is_named_as_healed() -> None:
    gateway = a_day().row(J, S, L, copy="backup").record(J, S)
    gateway.row(J, S, at("10:05"), status="succeeded")
    report = audited(gateway)
    assert report.findings == ()
    assert report.summary.healed == ("task",)
    assert report.summary.healed_aborted == ()


def test_a_succeeded_row_without_the_stale_text_did_not_heal() -> None:
    assert audited(a_day().succeeded(J, S, at("10:05"), task_id="task")).summary.healed == ()


def test_a_healed_row_whose_ok_was_an_abort_is_named() -> None:
    gateway = a_day().reloaded(at("10:03"), at("10:04"))
    gateway.row(J, S, at("10:04:06"), status="succeeded").bare_ok(J, S, 246)
    report = audited(gateway)
    assert report.summary.healed == report.summary.healed_aborted == ("task",)


def test_a_healed_row_with_a_real_ok_in_a_restart_is_not_named_as_aborted() -> None:
    gateway = a_day().reloaded(at("10:03"), at("10:04"))
    gateway.row(J, S, at("10:04:06"), status="succeeded").record(J, S, duration=246)
    report = audited(gateway)
    assert (report.summary.healed, report.summary.healed_aborted) == (("task",), ())


def test_the_same_ids_in_two_gateways_never_cross() -> None:
    lost, fine = a_day("one").row(J, S, L), a_day("two").row(J, S, L).record(J, S)
    lost.crashed(at("10:05"), at("10:06"))
    report = audited(lost, fine)
    assert said(found(report, gateway="one")) == ("interrupted", "strong")
    assert said(found(report, gateway="two")) == ("false_lost", "exact")
    alone = audited(a_day("two").row(J, S, L).record(J, S))
    assert found(report, gateway="two").reasons == found(alone).reasons


def test_a_row_that_belongs_to_no_gateway_is_not_judged() -> None:
    evidence = a_day().row(J, S, L, gateway=None).record(J, S)
    assert audited(evidence).findings == ()


def test_a_row_without_a_job_id_is_never_called_dead() -> None:
    finding = finding_of(a_day().row(None, S, L).crashed(at("10:05"), at("10:06")))
    assert said(finding) == ("undetermined", None)
    assert "run_log_missing" in finding.reasons


@pytest.mark.parametrize("job_id", ["", f"{J} ", f" {J}"])
def test_a_job_id_that_names_no_file_is_never_called_dead(job_id: str) -> None:
    gateway = a_day().row(job_id, S, L).record(J, S).crashed(at("10:05"), at("10:06"))
    assert said(finding_of(gateway)) == ("undetermined", None)


def test_a_row_without_any_start_is_withheld() -> None:
    finding = finding_of(a_day().row(J, None, L).record(J, S).crashed(at("10:05"), at("10:06")))
    assert said(finding) == ("undetermined", None)
    assert "no_start" in finding.reasons
