"""How often a job succeeded: every run once, before and after correction, and nothing guessed."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics import audit, frames_of, load_evidence
from forensics.model.finding import Reliability, Report
from forensics.model.policy import INTERRUPTED_ERROR
from forensics.model.verdicts import Confidence, Verdict
from tests.correlator.test_invariants import FRAMES, gateways, trying
from tests.support.command import forensics
from tests.support.scenario import Gateway, J, K, a_day, at, audited, evidence_of

SAMPLES = Path(__file__).parent.parent.parent / "samples"
S = at("10:00")
L = at("10:20")


def of_job(report: Report, job_id: str | None = J) -> Reliability:
    (told,) = [job for job in report.reliability if job.job_id == job_id]
    return told


def only(gateway: Gateway) -> Reliability:
    return of_job(audited(gateway))


def failed(gateway: Gateway, error: str, task_id: str = "failed", status: str = "failed") -> Gateway:
    return gateway.row(J, at("08:00"), at("08:01"), task_id=task_id, status=status, error=error)


def test_every_ended_row_is_one_run_of_its_job() -> None:
    gateway = a_day().succeeded(J, at("08:30"), at("08:31"), task_id="good")
    failed(gateway, "boom")
    failed(gateway, "cron: job execution timed out", "late", "timed_out")
    gateway.row(J, S, L).succeeded(K, at("09:00"), at("09:01"), task_id="other")
    told = only(gateway)
    assert (told.runs, told.raw.succeeded, told.raw.failed, told.raw.lost) == (4, 1, 2, 1)
    assert told.raw.rate == 1 / 4
    assert (told.first_at, told.last_at) == (at("08:00"), S)


@pytest.mark.parametrize("status", ["queued", "running", "cancelled", None, "of a later release"])
def test_a_row_that_did_not_end_by_itself_is_not_counted(status: str | None) -> None:
    gateway = a_day().succeeded(J, at("08:30"), at("08:31"), task_id="good")
    gateway.row(J, S, None, status=status, error=None, last_event_at=S)
    told = only(gateway)
    assert (told.runs, told.not_counted, told.raw.rate, told.last_at) == (1, 1, 1.0, at("08:30"))


def test_without_runs_there_is_no_rate() -> None:
    told = only(a_day().running(J, S, task_id="task"))
    assert (told.runs, told.not_counted, told.first_at) == (0, 1, None)
    assert told.raw.rate is told.corrected.lowest_rate is told.corrected.highest_rate is None


def test_rows_of_other_runtimes_are_no_runs_of_a_job() -> None:
    report = audited(a_day().row(J, S, L, runtime="subagent"))
    assert report.reliability == ()


def test_a_false_loss_is_a_success_after_correction() -> None:
    told = only(a_day().row(J, S, L).record(J, S))
    assert (told.raw.succeeded, told.raw.lost, told.raw.rate) == (0, 1, 0.0)
    assert (told.corrected.succeeded, told.corrected.lowest_rate, told.corrected.highest_rate) == (1, 1.0, 1.0)


def test_a_false_loss_on_weak_proof_moves_no_rate_silently() -> None:
    report = audited(a_day().row(J, S, L).record(J, S, duration=0.01))
    assert report.findings[0].confidence is Confidence.WEAK
    told = of_job(report).corrected
    assert (told.succeeded, told.failed, told.undecided) == (0, 0, 1)
    assert (told.lowest_rate, told.highest_rate) == (0.0, 1.0)


def test_a_withheld_row_widens_the_range_and_is_in_no_other_figure() -> None:
    gateway = a_day().succeeded(J, at("08:30"), at("08:31"), task_id="good").record(J, at("08:30"))
    report = audited(gateway.row(J, S, L).without_run_logs().without("runs", job_id=J))
    assert report.findings[0].verdict is Verdict.UNDETERMINED
    told = of_job(report).corrected
    assert (told.succeeded, told.failed, told.undecided, told.by_restart) == (1, 0, 1, 0)
    assert (told.lowest_rate, told.highest_rate) == (0.5, 1.0)


def test_a_row_outside_the_rule_is_not_guessed() -> None:
    report = audited(a_day().row(J, S, L, error="something else"))
    assert report.findings[0].verdict is Verdict.NOT_APPLICABLE
    assert of_job(report).corrected.undecided == 1


def test_a_replayed_run_failed_and_was_made_good() -> None:
    gateway = a_day().row(J, S, L).crashed(at("10:05"), at("10:06"), cron=900)
    gateway.missed(at("10:06:20"), J).record(J, at("10:06:30"))
    report = audited(gateway.succeeded(J, at("10:06:30"), at("10:07:30"), task_id="stand-in"))
    assert report.findings[0].verdict is Verdict.REPLAYED
    told = of_job(report)
    assert (told.runs, told.raw.by_restart) == (2, 1)
    assert (told.corrected.succeeded, told.corrected.failed, told.corrected.made_good) == (1, 1, 1)
    assert (told.corrected.by_restart, told.corrected.lowest_rate, told.corrected.highest_rate) == (1, 0.5, 0.5)


def test_a_mark_of_a_restart_is_its_failure_until_the_run_is_known_to_have_ended_well() -> None:
    told = only(a_day().row(J, S, L).record(J, S).restarted(at("10:05"), at("10:06")))
    assert (told.raw.by_restart, told.corrected.by_restart, told.corrected.failed) == (1, 0, 0)


def test_a_loss_without_a_restart_is_none_of_its_failures() -> None:
    report = audited(a_day().row(J, S, L))
    assert report.findings[0].verdict is Verdict.UNEXPLAINED
    told = of_job(report)
    assert (told.raw.by_restart, told.corrected.failed, told.corrected.by_restart) == (0, 1, 0)


def test_a_row_that_says_that_a_restart_ended_it_is_believed() -> None:
    gateway = failed(a_day(), INTERRUPTED_ERROR)
    told = only(failed(gateway, "boom", "other"))
    assert (told.raw.failed, told.raw.by_restart, told.corrected.failed, told.corrected.by_restart) == (2, 1, 2, 1)


def test_a_healed_row_counts_as_what_it_is_now() -> None:
    gateway = a_day().row(J, S, L, copy="backup").record(J, S)
    told = only(gateway.row(J, S, at("10:05"), status="succeeded"))
    assert (told.runs, told.raw.rate, told.corrected.lowest_rate) == (1, 1.0, 1.0)


def test_a_healed_row_whose_ok_was_an_abort_is_a_failure_after_correction() -> None:
    gateway = a_day().reloaded(at("10:03"), at("10:04"))
    told = only(gateway.row(J, S, at("10:04:06"), status="succeeded").bare_ok(J, S, 246))
    assert (told.raw.succeeded, told.corrected.succeeded, told.corrected.failed) == (1, 0, 1)
    assert (told.raw.by_restart, told.corrected.by_restart) == (0, 1)


def test_a_row_in_several_copies_is_one_run() -> None:
    gateway = a_day().row(J, S, L, copy="backup").row(J, S, L).record(J, S)
    assert only(gateway).runs == 1


def test_an_imported_twin_is_no_run_of_its_own() -> None:
    gateway = a_day().row(J, S, L).record(J, S)
    gateway.row(J, S, at("10:01"), status="succeeded", error=None, task_id="import", is_twin=True)
    assert only(gateway).runs == 1


def test_rows_that_name_no_job_are_told_together() -> None:
    gateway = a_day().row(None, S, L, task_id="one").row(None, at("11:00"), at("11:20"), task_id="two")
    told = of_job(audited(gateway), None)
    assert (told.job_name, told.runs) == (None, 2)


def test_the_same_job_of_two_gateways_is_two_jobs() -> None:
    report = audited(a_day("one").row(J, S, L).record(J, S), a_day("two").row(J, S, L))
    assert [(job.gateway, job.corrected.succeeded) for job in report.reliability] == [("one", 1), ("two", 0)]


def test_a_job_bears_the_name_of_the_store_else_that_of_its_youngest_row() -> None:
    gateway = a_day().row(J, S, L, label="old").row(J, at("11:00"), at("11:20"), task_id="two", label="new")
    assert only(gateway).job_name == "new"
    assert only(gateway.job(J, name="stored")).job_name == "stored"


@trying(25)
@given(gateways())
def test_the_figures_are_those_of_rows_and_findings_counted_one_by_one(gateway: Gateway) -> None:
    evidence = evidence_of(gateway)
    report = audit(evidence)
    found = {finding.task_id: finding for finding in report.findings}
    rows = evidence.tasks.filter(runtime="cron")
    for job in report.reliability:
        counts: Counter[str] = Counter()
        for task_id, status in rows.filter(job_id=job.job_id).select("task_id", "status").iter_rows():
            aborted = task_id in report.summary.healed_aborted
            finding = found.get(task_id)
            if finding is None:
                counts["failed" if aborted else status] += 1
            elif finding.verdict is Verdict.UNEXPLAINED:
                counts["failed"] += 1
            elif finding.confidence in (None, Confidence.WEAK):
                counts["undecided"] += 1
            else:
                counts["succeeded" if finding.verdict is Verdict.FALSE_LOST else "failed"] += 1
        told = job.corrected
        assert (told.succeeded, told.failed, told.undecided) == tuple(
            counts[name] for name in ("succeeded", "failed", "undecided")
        )
        assert job.not_counted == counts["running"]


@trying(25)
@given(gateways())
def test_the_figures_add_up(gateway: Gateway) -> None:
    for job in audited(gateway).reliability:
        raw, told = job.raw, job.corrected
        assert raw.succeeded + raw.failed + raw.lost == job.runs == told.succeeded + told.failed + told.undecided
        assert told.undecided <= raw.lost
        assert raw.by_restart <= raw.failed + raw.lost
        assert max(told.made_good, told.by_restart) <= told.failed
        if job.runs:
            assert told.lowest_rate is not None
            assert told.highest_rate is not None
            assert told.highest_rate - told.lowest_rate == pytest.approx(told.undecided / job.runs)


@trying(12)
@given(gateways(), gateways("other"), st.randoms(use_true_random=False))
def test_neither_order_nor_another_gateway_moves_a_rate(
    gateway: Gateway, other: Gateway, source: random.Random
) -> None:
    evidence = evidence_of(gateway)
    shuffled = {
        name: getattr(evidence, name).sample(fraction=1, shuffle=True, seed=source.getrandbits(32)) for name in FRAMES
    }
    alone = audit(evidence).reliability
    assert audit(replace(evidence, **shuffled)).reliability == alone
    together = audit(evidence_of(gateway, other)).reliability
    assert tuple(job for job in together if job.gateway == "gateway") == alone


def test_an_applied_fix_changes_the_raw_figures_only(tmp_path: Path) -> None:
    """What fix makes of the rows is what the corrected figures said before; its journal keeps what was made good."""
    copy = tmp_path / "copy"
    shutil.copytree(SAMPLES / "every-verdict", copy)
    before = audit(load_evidence([str(copy)]))
    registry, backup = copy / "state" / "tasks" / "runs.sqlite", copy / "state" / "backups" / "b.sqlite"
    backup.parent.mkdir()
    result = forensics("fix", copy, "--apply", registry, "--backup", backup, "--yes", "--now", "2026-04-20T20:00:00Z")
    assert result.returncode == 0, result.stderr
    after = audit(load_evidence([str(copy)]))
    assert len(after.summary.corrected) > 2
    projected = {finding.job_id for finding in before.findings if finding.projected}
    kept = [job for job in before.reliability if job.job_id not in projected]
    by_job = {job.job_id: job for job in after.reliability}
    assert [by_job[job.job_id].corrected for job in kept] == [job.corrected for job in kept]
    assert any(by_job[job.job_id].raw != job.raw for job in kept)


def test_the_frame_holds_what_is_reported() -> None:
    evidence = load_evidence([str(SAMPLES / "every-verdict")])
    report = audit(evidence)
    frame = frames_of(evidence, report)["reliability"]
    assert frame.equals(report.reliability_frame())
    assert frame.select("gateway", "job_id", "runs", "highest_rate").rows() == [
        (job.gateway, job.job_id, job.runs, job.corrected.highest_rate) for job in report.reliability
    ]
    rows = frame.select(pl.col("runs") + pl.col("not_counted")).sum().item()
    assert rows == evidence.tasks.filter(runtime="cron").height
