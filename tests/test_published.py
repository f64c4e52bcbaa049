"""Incidents that were published, each with the verdict it deserves, and the traps that they taught.

What was published is there by the letter: lines, stamps, figures (names of jobs and people are not). What an issue
leaves out is added in variants, and each test says which. Numbers are issues and pull requests of the gateway.
"""

from __future__ import annotations

import ast
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from forensics import audit, load_evidence, write_text
from forensics.model.policy import INTERRUPTED_ERROR, LOST_ERROR, TIMEOUT_ERROR
from tests.parsers.shapes import write_log
from tests.support.handed_over import (
    HOUR,
    MINUTE,
    HandedOver,
    corrected,
    ms,
    only,
    quiet,
    said,
    started,
    stopped,
    utc,
    verdict,
)

ROOT = Path(__file__).parent.parent

# -- #68191, 2026-04-17, the founding incident: when the run started, and when the logged run did, was not published --

REVIEW = "daily-review-monitor"
REVIEW_LOST = ms("2026-04-17T07:40:44")
REVIEW_UP, REVIEW_READY = ms("2026-04-17T07:40:57"), ms("2026-04-17T07:41:02")
REVIEW_FINISHED = ms("2026-04-17T07:41:46")
REVIEW_START = ms("2026-04-17T07:30:00.012")
"""Assumed: the last half hour, more than five minutes before the mark."""


def review(host: HandedOver, **state: object) -> HandedOver:
    """Give what was published: mark, first and last start-up line, in a zone that was not (taken for UTC)."""
    host.row(REVIEW, REVIEW_START, REVIEW_LOST).job(REVIEW, "30 7 * * *", state=state)
    host.reaching(ms("2026-04-17T12:00:00"))
    host.log(*quiet(ms("2026-04-17T00:00:00"), REVIEW_LOST - 20_000), *started(REVIEW_UP, REVIEW_READY))
    return host.log(*quiet(ms("2026-04-17T23:59:00")))


def test_68191_with_the_start_of_the_row_the_record_is_its_own(host: HandedOver) -> None:
    finding = only(review(host).finished(REVIEW, REVIEW_START, REVIEW_FINISHED).audited())
    assert verdict(finding) == ("false_lost", "exact", "restart")
    assert corrected(finding) == ("succeeded", REVIEW_FINISHED, None, "done")


def test_68191_with_a_start_after_ready_another_run_stood_in(host: HandedOver) -> None:
    finding = only(review(host).finished(REVIEW, REVIEW_READY + 8_000, REVIEW_FINISHED).audited())
    assert verdict(finding) == ("replayed", "strong", "restart")
    assert corrected(finding)[:3] == ("failed", REVIEW_UP, INTERRUPTED_ERROR)
    assert finding.run is not None
    assert finding.run.role == "stand_in"


def test_68191_with_a_start_that_duration_tells_the_record_is_its_own(host: HandedOver) -> None:
    duration = REVIEW_FINISHED + 3 - REVIEW_START
    finding = only(review(host).finished(REVIEW, None, REVIEW_FINISHED, durationMs=duration).audited())
    assert verdict(finding) == ("false_lost", "strong", "restart")


def test_68191_as_published_without_start_and_duration_it_is_weak(host: HandedOver) -> None:
    finding = only(review(host).finished(REVIEW, None, REVIEW_FINISHED).audited())
    assert verdict(finding) == ("false_lost", "weak", "restart")


def test_68191_with_a_duration_that_fits_a_run_after_ready_nothing_is_said(host: HandedOver) -> None:
    """The line may have been written minutes after its run ended, so its run may have started at any time before."""
    finding = only(review(host).finished(REVIEW, None, REVIEW_FINISHED, durationMs=36_000).audited())
    assert (finding.verdict, finding.reasons, finding.correction) == ("undetermined", ("start_mismatch",), None)


def test_68191_without_the_run_log_nothing_is_said(host: HandedOver) -> None:
    day_before = {"lastRunAtMs": REVIEW_START - 24 * HOUR, "lastRunStatus": "ok", "lastDurationMs": 60_000}
    finding = only(review(host, **day_before).audited())
    assert finding.verdict == "undetermined"
    assert "run_log_absent" in finding.reasons


# -- cases with a row and with one process that was replaced --


def weekly(host: HandedOver, *, marker: bool) -> HandedOver:
    """#59301 (2026.3.11): `15 19 * * 0` fires, SIGTERM 35 s later, no entry ever. The row is as later releases keep it
    (that one had no registry), the mark as their sweep makes it.
    """
    start = ms("2026-03-29T19:15:00.004")
    down, up, ready = start + 35_000, start + 40_000, start + 44_000
    host.row("weekly-report", start, ready + 5 * MINUTE).job("weekly-report", "15 19 * * 0")
    host.finished("other-job", start - HOUR, start - HOUR + MINUTE).reaching(start + 5 * HOUR)
    name = "openclaw-2026-03-29.log"
    host.log(*quiet(start - HOUR), *stopped(down), said("gateway", "loading configuration…", up), name=name)
    host.log(said("gateway", "listening on ws://127.0.0.1:18789 (PID 29370)", ready), name=name)
    if marker:
        fields = {"jobId": "weekly-report", "runningAtMs": start}
        host.log(said("cron", "cron: clearing stale running marker on startup", ready + 100, fields), name=name)
    return host.log(*quiet(start + 6 * HOUR), name=name)


@pytest.mark.parametrize(("marker", "confidence"), [(True, "exact"), (False, "strong")])
def test_59301_a_run_that_sigterm_ended_is_a_true_loss(host: HandedOver, marker: bool, confidence: str) -> None:
    finding = only(weekly(host, marker=marker).audited())
    assert verdict(finding) == ("interrupted", confidence, "restart")
    assert "no_record" in finding.reasons
    assert [fact.text for fact in finding.evidence if fact.role == "coverage" and "no file" in fact.text]


def test_59301_without_the_gateway_log_nothing_is_said(host: HandedOver) -> None:
    weekly(host, marker=False)
    evidence_folder = host.folder
    host.evidence()
    (evidence_folder / "logs" / "openclaw-2026-03-29.log").unlink()
    finding = only(audit(load_evidence([str(evidence_folder)])))
    assert finding.verdict == "undetermined"
    assert "gateway_log_absent" in finding.reasons


def digest(host: HandedOver) -> HandedOver:
    """#42640 (2026-03-11): ran 22:00, restart 22:30, marker cleared 22:30:37, missed jobs run, again at 22:31."""
    start, down = ms("2026-03-11T22:00:00.005"), ms("2026-03-11T22:30:00")
    cleared, again = ms("2026-03-11T22:30:37"), ms("2026-03-11T22:31:00")
    host.row("dns-digest", start, ms("2026-03-11T22:36:00")).job("dns-digest", "0 22 * * *")
    host.succeeded("dns-digest", again, again + 50_000, task_id="again")
    host.finished("dns-digest", again, again + 50_000).reaching(again + 5 * HOUR)
    missed = {"count": 1, "jobIds": ["dns-digest"]}
    return host.log(
        *quiet(start - HOUR, down - 1),
        *stopped(down),
        *started(down + 20_000, down + 36_000),
        said(
            "cron",
            "cron: clearing stale running marker on startup",
            cleared,
            {"jobId": "dns-digest", "runningAtMs": start},
        ),
        said("cron", "cron: running missed jobs after restart", cleared + 5, missed),
        said("cron", "cron: started", again + 51_000, {"enabled": True, "jobs": 1, "nextWakeAtMs": None}),
        *quiet(again + 6 * HOUR),
        name="openclaw-2026-03-11.log",
    )


def test_42640_the_run_that_was_repeated_after_the_restart_died(host: HandedOver) -> None:
    finding = only(digest(host).audited())
    assert verdict(finding) == ("replayed", "exact", "restart")
    assert finding.run is not None
    assert (finding.run.role, finding.run.started_at) == ("stand_in", utc(ms("2026-03-11T22:31:00")))


def test_42640_two_runs_of_one_slot_each_keep_their_own_record(host: HandedOver) -> None:
    """Variant: the first run had finished before the restart, and the same slot was run twice (#101988)."""
    start = ms("2026-03-11T22:00:00.005")
    finding = only(digest(host).finished("dns-digest", start, start + 10 * MINUTE).audited())
    assert verdict(finding)[:2] == ("false_lost", "exact")
    assert corrected(finding)[1] == start + 10 * MINUTE


@pytest.mark.parametrize("early_ms", [3, 9_000])
def test_96161_an_interrupted_run_is_a_failure_however_early_its_reservation(host: HandedOver, early_ms: int) -> None:
    """The job state holds the reservation, the run id the later start; figures of the lead are from captures."""
    start = ms("2026-06-23T09:00:00.300")
    down = start + 4 * MINUTE
    ready = down + 12_000
    host.row("report", start, ready + 2_000).job("report", "0 9 * * *").reaching(start + 5 * HOUR)
    host.finished("report", start - early_ms, ready + 1_000, "error", error=INTERRUPTED_ERROR)
    host.log(*quiet(start - HOUR), *stopped(down), *started(down + 2_000, ready), *quiet(start + 6 * HOUR))
    finding = only(host.audited())
    assert verdict(finding)[0] == "interrupted"
    assert finding.confidence is not None
    assert {"interrupted_record", "reservation"} <= set(finding.reasons)
    assert corrected(finding)[0::2] == ("failed", INTERRUPTED_ERROR)


# -- cases without any restart near --


def test_71963_rows_of_isolated_jobs_are_marked_in_one_sweep_without_a_restart(host: HandedOver) -> None:
    """2026.4.24: eight lost records within three minutes, of a job that runs hourly; each run had ended well."""
    first, sweep = ms("2026-04-26T02:00:00.007"), ms("2026-04-26T09:58:30")
    host.job("social-fetcher", "0 * * * *").reaching(sweep + 5 * HOUR)
    for hour in range(8):
        start = first + hour * HOUR
        host.row("social-fetcher", start, sweep, task_id=f"lost-{hour}")
        host.finished("social-fetcher", start, start + 95_000)
    name = "openclaw-2026-04-26.log"
    host.log(*started(first - HOUR, first - HOUR + 4_000, first - HOUR + 5_000), name=name)
    host.log(*quiet(*range(first, sweep + 6 * HOUR, HOUR)), name=name)
    report = host.audited()
    assert len(report.findings) == 8
    assert {verdict(finding) for finding in report.findings} == {("false_lost", "exact", "no_restart")}
    ends = [corrected(only(report, f"lost-{hour}"))[1] for hour in range(8)]
    assert ends == [first + hour * HOUR + 95_000 for hour in range(8)]


def test_78233_a_manual_run_over_five_minutes_is_marked_while_it_runs(host: HandedOver) -> None:
    """2026.5.5, `sleep 420`; ids of manual runs as in #76276: the row names the request, the run log has a dash."""
    job_id = "5c1f6b2e-0f0a-4d0b-9a61-2f8f6d1f7c11"
    enqueued = 1_777_758_162_192
    start = enqueued + 11
    host.row(job_id, start, start + 331_000, run_id=f"manual:{job_id}:{enqueued}:3").job(job_id, "0 3 * * *")
    host.finished(job_id, start, start + 420_365, runId="-").reaching(start + 5 * HOUR)
    finding = only(host.audited())
    assert verdict(finding) == ("false_lost", "exact", "manual_run")
    assert corrected(finding)[1] == start + 420_365


def test_76276_two_manual_runs_of_one_request_are_told_by_their_starts_alone(host: HandedOver) -> None:
    """2026.4.9: `{"runAtMs":…,"status":"ok","durationMs":65371,"runId":"-"}`; a second run seconds later is another."""
    start = ms("2026-04-12T08:00:00")
    for number, at in enumerate((start, start + 4_000)):
        host.row("brief", at, start + 6 * MINUTE, task_id=f"lost-{number}", run_id=f"manual:brief:{start - 9}:{number}")
    host.finished("brief", start + 4_000, start + 69_371, runId="-").job("brief", "0 8 * * *")
    report = host.reaching(start + 5 * HOUR).audited()
    assert verdict(only(report, "lost-1"))[:2] == ("false_lost", "exact")
    assert only(report, "lost-0").verdict == "undetermined"
    assert only(report, "lost-0").correction is None


def test_91695_a_catch_up_run_over_five_minutes_is_marked_while_it_runs(host: HandedOver) -> None:
    """2026-06-09: the restart lies before the start of the run, and does not explain its mark."""
    down = ms("2026-04-17T06:00:00")
    ready = down + 9_000
    start = ready + 4_000
    host.row("morning", start, start + 5 * MINUTE + 40_000).job("morning", "0 6 * * *")
    host.finished("morning", start, start + 9 * MINUTE).reaching(start + 5 * HOUR)
    missed = {"count": 1, "jobIds": ["morning"]}
    host.log(*quiet(down - HOUR), *stopped(down), *started(down + 1_000, ready))
    host.log(said("cron", "cron: running missed jobs after restart", start - 50, missed), *quiet(start + 6 * HOUR))
    finding = only(host.audited())
    assert verdict(finding) == ("false_lost", "exact", "catch_up")
    assert finding.restart is None


def test_127985_a_maintenance_run_of_the_night_marks_what_is_running(host: HandedOver) -> None:
    """`30 2 * * * openclaw tasks maintenance --apply`: the cron row is explained, the command is not ours."""
    start, mark = ms("2026-04-17T02:21:10"), ms("2026-04-17T02:30:07.412")
    host.row("nightly-index", start, mark).job("nightly-index", "21 2 * * *")
    host.row("none", start, mark, task_id="exec", runtime="cli", task_kind="exec", source_id=None, run_id=None)
    host.finished("nightly-index", start, mark + 11 * MINUTE).reaching(start + 6 * HOUR)
    host.log(*started(start - HOUR, start - HOUR + 4_000, start - HOUR + 5_000), *quiet(start, start + 7 * HOUR))
    report = host.audited()
    assert verdict(only(report)) == ("false_lost", "exact", "no_restart")
    assert verdict(only(report, "exec"))[:2] == ("not_applicable", None)
    assert only(report, "exec").correction is None


def test_2720_a_subagent_dies_while_the_cron_row_that_spawned_it_is_fine(host: HandedOver) -> None:
    """03:00:00 fires, 03:00:15 spawns, 03:00:23 completes, 03:01:08 restart (EST)."""
    fired, spawned = ms("2026-01-27T03:00:00-05:00"), ms("2026-01-27T03:00:15-05:00")
    completed, restart = ms("2026-01-27T03:00:23-05:00"), ms("2026-01-27T03:01:08-05:00")
    host.succeeded("digest", fired, completed, task_id="cron").finished("digest", fired, completed)
    host.row("digest", spawned, restart + 6 * MINUTE, runtime="subagent", source_id=None, run_id="subagent-run")
    name = "openclaw-2026-01-27.log"
    host.log(*quiet(fired), *stopped(restart), *started(restart + 2_000, restart + 6_000), name=name)
    report = host.job("digest", "0 3 * * *").reaching(fired + 5 * HOUR).audited()
    assert [finding.task_id for finding in report.findings] == ["lost"]
    assert verdict(only(report))[:2] == ("not_applicable", None)
    assert "not_cron" in only(report).reasons


def test_115547_a_row_that_failed_in_the_ledger_is_no_lost_row(host: HandedOver) -> None:
    """The ledger failed at 07:44:31, the work was complete on disk at 08:07:51: another status, left alone."""
    failed = ms("2026-08-01T07:44:31")
    host.row("none", failed - HOUR, failed, runtime="subagent", status="failed", error="gateway closed", source_id=None)
    report = host.reaching(ms("2026-08-01T08:07:51")).audited()
    assert report.findings == ()
    assert report.summary.lost == 0


# -- missed slots: no run, no row, nothing to correct; the restart is told --


@pytest.mark.parametrize(
    ("issue", "down", "ready"),
    [
        ("#33092: due 08:30:00", "2026-03-03T08:29:47", "2026-03-03T08:31:05"),
        ("#104412: due 12:37", "2026-07-11T12:36:00", "2026-07-11T12:38:00"),
    ],
)
def test_a_slot_that_was_missed_leaves_no_row_and_a_window_around_it(
    host: HandedOver, issue: str, down: str, ready: str
) -> None:
    assert issue.startswith("#")
    before, after = ms(down), ms(ready)
    name = f"openclaw-{down[:10]}.log"
    host.finished("due-job", before - 24 * HOUR, before - 24 * HOUR + MINUTE).job("due-job", "30 8 * * *")
    host.log(*quiet(before - HOUR), *stopped(before), *started(after - 5_000, after), name=name)
    report = host.reaching(after + HOUR).audited()
    assert report.findings == ()
    (window,) = [restart for restart in report.restarts if restart.kind == "signal"]
    assert (window.down_at, window.ready_at) == (utc(before), utc(after))


def test_139215_a_missed_slot_leaves_no_receipt_and_no_row(tmp_path: Path) -> None:
    """2026.9.1: 2026-09-04 12:00 (America/Toronto) receipt ok, 98 s; 2026-09-05 12:00 nothing at all.

    Variant beside it: the run of 2026-09-04 was marked lost; its receipt proves the end.
    """
    start = ms("2026-09-04T12:00:00.031-04:00")
    columns = (
        "receipt_id, store_key, job_id, config_revision, agent_id, status, owner_pid, started_at_ms, finished_at_ms"
    )
    receipt = ("r-1", "/s/cron/jobs.json", "noon", "1", "main", "ok", 4_711, start, start + 98_000)
    row_columns = (
        "task_id, runtime, source_id, owner_key, scope_kind, run_id, task, status, delivery_status, notify_policy,"
        " created_at, started_at, ended_at, last_event_at, error"
    )
    lost = ("lost", "cron", "noon", "", "system", f"cron:noon:{start}:r-1", "noon", "lost", "not_applicable", "silent")
    mark = start + 6 * MINUTE
    for case, rows in (("published", []), ("marked", [(*lost, start, start, mark, mark, "backing session missing")])):
        folder = tmp_path / case / "state"
        folder.mkdir(parents=True)
        with closing(sqlite3.connect(folder / "openclaw.sqlite")) as database:
            database.execute(f"CREATE TABLE task_runs ({row_columns}, cleanup_after, detail_json)")
            database.execute(f"CREATE TABLE cron_run_receipts ({columns}, error_text, request_run_id)")
            database.execute("CREATE TABLE cron_jobs (store_key, job_id, job_json, state_json)")
            database.execute("CREATE TABLE schema_meta (meta_key, schema_version, app_version, updated_at)")
            database.execute("INSERT INTO schema_meta VALUES ('primary', 18, '2026.9.1', 1)")
            marks = ", ".join("?" * len(receipt))
            database.execute(f"INSERT INTO cron_run_receipts ({columns}) VALUES ({marks})", receipt)
            for row in rows:
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO task_runs ({row_columns}) VALUES ({marks})", row)
            database.commit()
        report = audit(load_evidence([str(tmp_path / case)]))
        if rows:
            assert verdict(only(report))[:2] == ("false_lost", "exact")
            assert corrected(only(report))[:2] == ("succeeded", start + 98_000)
        else:
            assert report.findings == ()


# -- registries and run logs that a migration left behind --


def test_103168_one_bad_value_stops_a_gateway_and_no_audit(host: HandedOver) -> None:
    """2026.6.11 restores no registry with `delivery_status='not-requested'`; #130017: status `reconciling`."""
    start = ms("2026-06-20T09:00:00")
    host.row("report", start, start + 6 * MINUTE).finished("report", start, start + 5 * MINUTE)
    host.succeeded("report", start + HOUR, start + HOUR + 5, task_id="bad", delivery_status="not-requested")
    host.row("other", start, start + 6 * MINUTE, task_id="odd", status="reconciling", error=None)
    report = host.audited()
    assert [finding.task_id for finding in report.findings] == ["lost"]
    assert verdict(only(report))[:2] == ("false_lost", "exact")
    assert report.summary.tasks == 3


def test_91917_migrated_run_logs_prove_what_they_proved_before(host: HandedOver) -> None:
    """2026.6: run logs renamed to `*.jsonl.migrated`, `history.db` and `index.db` of no bytes beside them."""
    start = ms("2026-06-20T09:00:00")
    host.row("report", start, start + 6 * MINUTE).finished("report", start, start + 5 * MINUTE)
    host.evidence()
    runs = host.folder / "state" / "cron" / "runs"
    (runs / "report.jsonl").rename(runs / "report.jsonl.migrated")
    for name in ("history.db", "index.db"):
        (runs / name).touch()
    finding = only(audit(load_evidence([str(host.folder)])))
    assert verdict(finding)[:2] == ("false_lost", "exact")
    assert finding.run is not None
    assert finding.run.line == 1


def test_78169_rows_of_one_clean_up_time_are_judged_one_by_one(host: HandedOver) -> None:
    """2026.4.23: three rows with one stamp to the millisecond, so marked by one sweep a week before; names are theirs.

    That one of them has a record is added. The answer as published names neither status nor start, and is no evidence.
    """
    mark = ms("2026-05-06T01:06:04.460Z") - 7 * 24 * HOUR
    labels = ("verify:cron-fix-stability-20260429", "📮 多版面監控", "usage-guard:model-routing")
    for number, label in enumerate(labels):
        host.row(f"job-{number}", mark - 7 * MINUTE + number, mark, task_id=f"lost-{number}", label=label)
    host.finished("job-1", mark - 7 * MINUTE + 1, mark + MINUTE).reaching(mark + 5 * HOUR)
    answer = [{"taskId": "lost-0", "label": labels[0], "cleanupAfter": "2026-05-06T01:06:04.460Z"}]
    write_log(host.folder / "rows.json", json.dumps(answer))
    report = host.audited()
    assert {only(report, f"lost-{number}").lost_at for number in range(3)} == {utc(mark)}
    verdicts = [only(report, f"lost-{number}").verdict.value for number in range(3)]
    assert verdicts == ["undetermined", "false_lost", "undetermined"]
    assert report.notices.filter(code="unknown_kind").height == 1


# -- PR #86088: the proof of the gateway's own recovery --

PROOF_JOB, PROOF_START = "proof-terminal-lost-cron", 1_764_072_000_000


def proof(host: HandedOver, error: str | None = LOST_ERROR) -> HandedOver:
    host.row(PROOF_JOB, PROOF_START, PROOF_START + 6 * MINUTE, error=error)
    return host.finished(PROOF_JOB, PROOF_START, PROOF_START + 1_250).reaching(PROOF_START + 5 * HOUR)


def test_86088_the_proof_is_recovered_as_the_upstream_test_expects(host: HandedOver) -> None:
    finding = only(proof(host).audited())
    assert finding.run_id == "cron:proof-terminal-lost-cron:1764072000000"
    assert finding.started_at == utc(ms("2025-11-25T12:00:00Z"))
    assert verdict(finding)[:2] == ("false_lost", "exact")
    assert corrected(finding) == ("succeeded", PROOF_START + 1_250, None, "done")


def test_86088_a_row_without_a_text_counts_and_one_with_another_does_not(tmp_path: Path) -> None:
    """The gateway recovers neither; an old export leaves an empty text out, so here it counts as the lost text."""
    empty = only(proof(HandedOver(tmp_path / "empty"), error=None).audited())
    other = only(proof(HandedOver(tmp_path / "other"), error="Recovery tombstoned").audited())
    assert verdict(empty)[:2] == ("false_lost", "exact")
    assert (other.verdict, other.reasons, other.correction) == ("not_applicable", ("other_error",), None)


# -- the traps: where correlation is wrong, and which tests hold them --

CORRELATOR = "tests/correlator"
TOGETHER = f"{CORRELATOR}/test_sources_together.py"
TRAPS = {
    "T1 the next scheduled run ended well": [
        f"{CORRELATOR}/test_identity.py::test_the_next_regular_run_redeems_nothing",
        f"{CORRELATOR}/test_standins.py::test_a_later_regular_run_is_only_named",
    ],
    "T2 a replay after the restart": [
        f"{CORRELATOR}/test_tangled.py::test_an_interrupted_run_of_which_a_replay_finished_is_not_false_lost",
        "tests/test_published.py::test_68191_with_a_start_after_ready_another_run_stood_in",
        "tests/test_published.py::test_42640_the_run_that_was_repeated_after_the_restart_died",
    ],
    "T3 an ok of milliseconds": [
        f"{CORRELATOR}/test_records.py::test_an_ok_of_milliseconds_for_a_row_that_was_active_for_minutes_is_weak",
        "tests/test_published_records.py::test_63106_an_ok_of_milliseconds_was_recorded_when_the_work_was_enqueued",
    ],
    "T4 ok is a status, not work done": [
        "tests/test_published.py::test_a_report_says_what_is_recorded_not_what_was_done",
    ],
    "T5 an interrupted error is a failure": [
        f"{CORRELATOR}/test_verdicts.py::test_an_interrupted_row_would_become_the_same_without_a_stand_in",
        f"{CORRELATOR}/test_records.py::test_an_interrupted_text_with_anything_behind_it_is_an_ordinary_error",
        "tests/test_published.py::test_96161_an_interrupted_run_is_a_failure_however_early_its_reservation",
    ],
    "T6 an absent line is no death unless the log covers the start": [
        f"{CORRELATOR}/test_coverage.py::test_a_log_of_two_thousand_lines_that_begins_later_was_pruned_past_the_run",
        f"{CORRELATOR}/test_coverage.py::test_an_absent_folder_of_run_logs_proves_nothing",
        "tests/test_published.py::test_91917_migrated_run_logs_prove_what_they_proved_before",
        f"{CORRELATOR}/test_coverage.py::test_a_run_log_that_lacks_a_run_known_to_have_ended_is_not_whole",
        f"{CORRELATOR}/test_coverage.py::test_a_missing_file_of_a_job_whose_state_names_a_last_run_was_deleted",
    ],
    "T7 a restart is no proof": [
        f"{CORRELATOR}/test_tangled.py::test_every_restart_of_a_day_full_of_them_leaves_a_run_without_evidence_withheld",
        "tests/test_published_logs.py::test_a_host_that_restarts_every_five_minutes_is_told_every_time",
    ],
    "T8 no restart is needed": [
        "tests/test_published.py::test_71963_rows_of_isolated_jobs_are_marked_in_one_sweep_without_a_restart",
        "tests/test_published.py::test_127985_a_maintenance_run_of_the_night_marks_what_is_running",
        f"{CORRELATOR}/test_causes.py::test_no_restart_is_said_only_where_the_log_covers_start_and_mark",
    ],
    "T9 the window before the start, around the mark, or after it": [
        f"{CORRELATOR}/test_causes.py::test_a_window_that_was_ready_when_the_run_started_does_not_explain_its_mark",
        f"{CORRELATOR}/test_causes.py::test_a_start_without_a_stop_explains_marks_from_a_minute_before_the_start_line",
        "tests/test_published.py::test_91695_a_catch_up_run_over_five_minutes_is_marked_while_it_runs",
    ],
    "T10 manual and scheduled runs at once": [
        f"{CORRELATOR}/test_identity.py::test_two_rows_that_could_own_a_derived_record_are_both_withheld",
        f"{CORRELATOR}/test_identity.py::test_a_dash_or_an_empty_text_is_no_run_id",
        "tests/test_published.py::test_76276_two_manual_runs_of_one_request_are_told_by_their_starts_alone",
    ],
    "T11 two runs seconds apart": [
        f"{CORRELATOR}/test_identity.py::test_two_runs_of_a_job_seconds_apart_keep_their_own_records",
        "tests/test_published_records.py::test_of_two_runs_52_seconds_apart_each_redeems_its_own_row",
        "tests/test_published_records.py::test_without_starts_two_runs_52_seconds_apart_are_told_by_their_durations",
    ],
    "T12 two runs of one millisecond": [
        f"{CORRELATOR}/test_identity.py::test_two_rows_of_the_same_job_and_millisecond_are_both_withheld",
        f"{CORRELATOR}/test_tangled.py::test_ten_rows_of_one_millisecond_and_one_record_are_ten_withheld_rows",
    ],
    "T13 a reservation is not the start": [
        f"{CORRELATOR}/test_identity.py::test_an_interrupted_record_with_the_reservation_is_the_runs_own",
        f"{CORRELATOR}/test_identity.py::test_a_reservation_later_than_the_start_is_a_mismatch_not_an_identity",
    ],
    "T14 clocks and zones": [
        "tests/parsers/test_gateway_log.py::test_a_z_behind_a_local_time_is_noted_and_not_believed",
        "tests/parsers/test_text_time.py::test_stamps_of_two_clocks_in_one_file_prove_nothing",
        "tests/parsers/test_text_time.py::test_without_any_year_the_journal_proves_nothing",
        f"{CORRELATOR}/test_assumed_zone.py::test_it_proves_no_death_and_no_cause",
        f"{CORRELATOR}/test_schedules.py::test_slots_follow_daylight_saving_time",
    ],
    "T15 what is a restart": [
        f"{CORRELATOR}/test_restarts.py::test_of_two_signals_the_one_acted_on_counts",
        f"{CORRELATOR}/test_restarts.py::test_ignored_signals_wishes_and_deferrals_open_no_window",
        f"{CORRELATOR}/test_restarts.py::test_a_process_start_without_a_stop_is_a_crash_of_unknown_moment",
        f"{CORRELATOR}/test_tangled.py::test_a_command_line_process_that_writes_into_the_log_is_no_restart",
        "tests/test_published_logs.py::test_a_config_change_in_a_container_is_a_window_of_fourteen_seconds",
        "tests/test_published_logs.py::test_what_sounds_like_a_restart_and_is_none_opens_no_window",
    ],
    "T16 other runtimes": [
        f"{CORRELATOR}/test_facts.py::test_a_row_of_another_runtime_is_not_applicable",
        "tests/test_published.py::test_2720_a_subagent_dies_while_the_cron_row_that_spawned_it_is_fine",
    ],
    "T17 lost with another text": [
        f"{CORRELATOR}/test_facts.py::test_a_row_lost_with_another_text_is_not_applicable_even_with_a_record",
        "tests/test_published.py::test_86088_a_row_without_a_text_counts_and_one_with_another_does_not",
    ],
    "T18 imported twins": [
        f"{TOGETHER}::test_an_imported_twin_is_no_row_and_no_rival",
    ],
    "T19 a session key is of the job, not of the run": [
        "tests/test_published_audits.py::test_72884_archived_sessions_neither_prove_nor_disprove_anything",
    ],
    "T20 jobs without an id, deleted and made again": [
        f"{CORRELATOR}/test_facts.py::test_a_row_without_a_job_id_is_never_called_dead",
        f"{CORRELATOR}/test_tangled.py::test_a_record_without_a_job_redeems_nothing",
        "tests/test_published.py::test_a_job_that_was_made_again_redeems_no_row_of_the_old_one",
    ],
    "T21 a run that goes on behind its time-out": [
        "tests/test_published.py::test_68091_a_run_that_was_timed_out_stays_so_whatever_its_retry_did",
    ],
    "T22 a contradiction is no correction": [
        f"{CORRELATOR}/test_records.py::test_any_other_two_records_of_one_run_are_a_conflict",
        f"{CORRELATOR}/test_records.py::test_a_conflict_is_named_and_nothing_is_corrected",
        f"{CORRELATOR}/test_records.py::test_a_record_and_a_job_state_that_disagree_are_a_conflict",
    ],
    "T23 one sweep marks many rows": [
        f"{CORRELATOR}/test_verdicts.py::test_the_marked_time_is_never_the_end_of_a_run",
        f"{CORRELATOR}/test_verdicts.py::test_many_rows_of_one_sweep_are_judged_one_by_one",
        "tests/test_published.py::test_78169_rows_of_one_clean_up_time_are_judged_one_by_one",
        "tests/test_published.py::test_71963_rows_of_isolated_jobs_are_marked_in_one_sweep_without_a_restart",
    ],
    "T24 a row that healed between two copies": [
        f"{CORRELATOR}/test_facts.py::test_a_row_that_healed_in_the_newer_copy_is_named_as_healed",
        f"{TOGETHER}::test_a_row_that_was_lost_in_an_older_copy_and_ended_well_since_is_healed_without_any_stale_text",
    ],
    "T25 a database that was put back from a backup": [
        f"{CORRELATOR}/test_facts.py::test_a_row_that_is_lost_in_the_newer_registry_is_lost_whatever_a_backup_says",
        "tests/test_published.py::test_a_registry_that_was_put_back_shows_its_old_rows_lost_again_and_they_are_proven",
    ],
}


def test_a_report_says_what_is_recorded_not_what_was_done(host: HandedOver) -> None:
    """T4: of a run that is recorded ok nobody knows whether it did its work (#26343, #120407)."""
    report = proof(host).audited()
    assert "its own record says so" in write_text(report)
    assert [fact.text for fact in only(report).evidence if "record of this run: ok" in fact.text]


def test_a_job_that_was_made_again_redeems_no_row_of_the_old_one(host: HandedOver) -> None:
    """T20: deleted and made again, the job has the same name and another id."""
    start = ms("2026-04-17T05:00:00")
    host.row("old-id", start, start + 6 * MINUTE, label="daily digest").job("new-id", "0 5 * * *", name="daily digest")
    host.finished("new-id", start, start + 90_000).reaching(start + 5 * HOUR)
    finding = only(host.audited())
    assert finding.verdict == "undetermined"
    assert finding.correction is None


def test_68091_a_run_that_was_timed_out_stays_so_whatever_its_retry_did(host: HandedOver) -> None:
    """T21 (2026.4.15): logged as timed out after 600 s; the session went on, and a retry ended well."""
    start = ms("2026-04-15T09:00:00")
    host.row("slow", start, start + 6 * MINUTE).job("slow", "0 9 * * *")
    host.finished("slow", start, start + 600_123, "error", error=TIMEOUT_ERROR)
    retry = start + 630_000
    host.finished("slow", retry, retry + 200_000).succeeded("slow", retry, retry + 200_000, task_id="retry")
    finding = only(host.reaching(start + 5 * HOUR).audited())
    assert verdict(finding)[:2] == ("failed", "exact")
    assert corrected(finding) == ("timed_out", start + 600_123, TIMEOUT_ERROR, None)


def test_a_registry_that_was_put_back_shows_its_old_rows_lost_again_and_they_are_proven(host: HandedOver) -> None:
    """T25 (#139215, back from 2026.9.1 to 2026.6.33): the run log goes on past the registry of the backup."""
    start = ms("2026-04-17T05:00:00")
    host.row("daily", start, start + 6 * MINUTE).job("daily", "0 5 * * *")
    for day in range(4):
        host.finished("daily", start + day * 24 * HOUR, start + day * 24 * HOUR + 90_000)
    finding = only(host.audited())
    assert verdict(finding)[:2] == ("false_lost", "exact")
    assert corrected(finding)[1] == start + 90_000


@pytest.mark.parametrize("trap", sorted(TRAPS))
def test_every_trap_is_held_by_tests_that_exist(trap: str) -> None:
    for name in TRAPS[trap]:
        path, function = name.split("::")
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_all_traps_are_there() -> None:
    assert sorted(int(trap.split()[0][1:]) for trap in TRAPS) == list(range(1, 26))
