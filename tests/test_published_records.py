"""Published run-log lines and times, by the letter: which rows they redeem, and which they do not."""

from __future__ import annotations

import json

import pytest

from forensics.model.policy import INTERRUPTED_ERROR, TIMEOUT_ERROR
from tests.support.handed_over import HOUR, MINUTE, HandedOver, corrected, ms, only, verdict

# -- run-log lines, by the letter --

TWO_RUNS = """\
{"ts":1770615689535,"jobId":"51425755-b703-471e-a249-d0b67e7b7815","action":"finished","status":"ok","summary":"…","runAtMs":1770615646985,"durationMs":42547,"nextRunAtMs":1770615900000}
{"ts":1770615727870,"jobId":"51425755-b703-471e-a249-d0b67e7b7815","action":"finished","status":"ok","summary":"…","runAtMs":1770615699323,"durationMs":28544,"nextRunAtMs":1770615900000}
"""
OTHER_RUN = """\
{"ts":1770615761328,"jobId":"d082072c-7f72-4f4e-9989-e507b40cf444","action":"finished","status":"ok","summary":"…","runAtMs":1770615738764,"durationMs":22562,"nextRunAtMs":1770645600000}
"""
TIMED_OUT = """\
{"ts":1777562794466,"jobId":"0436d0b4-91bb-4fb2-a94d-fddc7178b9f3","action":"finished","status":"error","error":"cron: job execution timed out","deliveryStatus":"unknown","runAtMs":1777562763060,"durationMs":31397,"nextRunAtMs":1777563657808}
"""  # noqa: E501
WITHOUT_START = """\
{"ts":1772928327492,"jobId":"7c450201-d3c4-41bf-bd2b-9e2955cb7b3f","action":"finished","status":"ok","summary":"…","delivered":true,"sessionId":"xxx","durationMs":327480}
"""
SLUG = """\
{"ts":1770523317993,"jobId":"crawler-knowledge-001","action":"finished","status":"error","error":"cron delivery target is missing","summary":"任務已啟動！🚀 …任務狀態：執行中 ⏳*","sessionId":"8a715502-83a7-4351-b713-5b6f31637e04"}
"""  # noqa: E501
PAIR_JOB = "51425755-b703-471e-a249-d0b67e7b7815"
PAIR_STARTS = (1_770_615_646_985, 1_770_615_699_323)


@pytest.mark.parametrize(("number", "duration_ms"), [(0, 42_547), (1, 28_544)])
def test_of_two_runs_52_seconds_apart_each_redeems_its_own_row(host: HandedOver, number: int, duration_ms: int) -> None:
    start = PAIR_STARTS[number]
    finding = only(host.run(PAIR_JOB, TWO_RUNS).row(PAIR_JOB, start, start + 6 * MINUTE).audited())
    assert verdict(finding)[:2] == ("false_lost", "exact")
    assert corrected(finding) == ("succeeded", start + duration_ms, None, "…")
    assert finding.run is not None
    assert finding.run.line == number + 1


def test_a_run_between_two_that_are_52_seconds_apart_is_neither(host: HandedOver) -> None:
    """Variant: a third row of the job starts in the gap of ten seconds between the end of one and the next."""
    start = 1_770_615_695_000
    host.run(PAIR_JOB, TWO_RUNS).row(PAIR_JOB, start, start + 6 * MINUTE)
    host.run("d082072c-7f72-4f4e-9989-e507b40cf444", OTHER_RUN).reaching(start + 5 * HOUR)
    finding = only(host.audited())
    assert finding.verdict == "undetermined"
    assert finding.run is None


def test_without_starts_two_runs_52_seconds_apart_are_told_by_their_durations(host: HandedOver) -> None:
    """Variant: as a release logs them that leaves the start out; the residuals are 2 and 3 ms."""
    told = [json.loads(line) for line in TWO_RUNS.splitlines()]
    host.run(PAIR_JOB, *({key: value for key, value in one.items() if key != "runAtMs"} for one in told))
    for number, start in enumerate(PAIR_STARTS):
        host.row(PAIR_JOB, start, PAIR_STARTS[1] + 6 * MINUTE, task_id=f"lost-{number}")
    report = host.audited()
    lines = [(verdict(finding)[:2], finding.run and finding.run.line) for finding in report.findings]
    assert lines == [(("false_lost", "strong"), 1), (("false_lost", "strong"), 2)]


def test_a_timed_out_run_is_recorded_as_timed_out(host: HandedOver) -> None:
    job_id, start = "0436d0b4-91bb-4fb2-a94d-fddc7178b9f3", 1_777_562_763_060
    finding = only(host.run(job_id, TIMED_OUT).row(job_id, start, start + 6 * MINUTE).audited())
    assert verdict(finding)[:2] == ("failed", "exact")
    assert corrected(finding) == ("timed_out", start + 31_397, TIMEOUT_ERROR, None)


def test_95873_a_time_out_that_names_its_phase_is_one_as_well(host: HandedOver) -> None:
    """2026.6.8: `cron: job execution timed out (last phase: tool-execution-started)`, duration_ms=94281."""
    start, error = ms("2026-06-10T06:00:00"), f"{TIMEOUT_ERROR} (last phase: tool-execution-started)"
    host.finished("phased", start, start + 94_281, "error", error=error, runId=f"manual:phased:{start - 40}:5")
    finding = only(host.row("phased", start, start + 6 * MINUTE).audited())
    assert corrected(finding) == ("timed_out", start + 94_281, error, None)


def test_a_line_without_a_start_is_paired_by_its_duration(host: HandedOver) -> None:
    """327 s, more than the grace of five minutes; it began at 00:00:00.012, 3 ms more or less."""
    job_id, start = "7c450201-d3c4-41bf-bd2b-9e2955cb7b3f", ms("2026-03-08T00:00:00.012")
    finding = only(host.run(job_id, WITHOUT_START).row(job_id, start, start + 310_000).audited())
    assert verdict(finding)[:2] == ("false_lost", "strong")
    assert "derived_start" in finding.reasons
    assert corrected(finding)[:2] == ("succeeded", start + 327_480)


def test_a_job_named_by_a_slug_fails_with_the_text_of_its_record(host: HandedOver) -> None:
    """The published line is cut; as far as it goes it has neither start nor duration: of 30 s here."""
    job_id, start = "crawler-knowledge-001", 1_770_523_317_993 - 30_000
    entry = json.loads(SLUG) | {"runAtMs": start, "durationMs": 29_990}
    finding = only(host.run(job_id, entry).row(job_id, start, start + 6 * MINUTE).audited())
    assert verdict(finding)[:2] == ("failed", "exact")
    assert corrected(finding)[0::2] == ("failed", "cron delivery target is missing")
    assert corrected(finding)[3] == "任務已啟動！🚀 …任務狀態：執行中 ⏳*"


def test_a_line_that_is_cut_is_no_record_and_its_log_proves_no_absence(host: HandedOver) -> None:
    job_id, start = "crawler-knowledge-001", 1_770_523_317_993 - 30_000
    cut = SLUG.strip().removesuffix("}") + ',"sessionKey":"agent:cr… [cut]\n'
    host.run(job_id, cut).row(job_id, start, start + 6 * MINUTE).reaching(start + 5 * HOUR)
    finding = only(host.audited())
    assert finding.verdict == "undetermined"
    assert "run_log_damaged" in finding.reasons


def test_73556_a_delivery_that_failed_and_was_delivered_stays_a_failure(host: HandedOver) -> None:
    start = ms("2026-04-05T07:00:00")
    delivery = {"resolved": {"ok": True, "channel": "telegram", "to": "…"}, "delivered": True}
    told = {"error": "⚠️ ✉️ Message failed", "delivered": True, "deliveryStatus": "delivered", "delivery": delivery}
    host.finished("notice", start, start + 41_000, "error", **told)
    finding = only(host.row("notice", start, start + 6 * MINUTE).audited())
    assert corrected(finding)[0::2] == ("failed", "⚠️ ✉️ Message failed")


def test_72210_an_ok_that_was_not_delivered_is_recorded_ok(host: HandedOver) -> None:
    start = ms("2026-04-25T07:00:00")
    host.finished("notice", start, start + 41_000, deliveryStatus="not-requested", delivered=False)
    assert verdict(only(host.row("notice", start, start + 6 * MINUTE).audited()))[:2] == ("false_lost", "exact")


@pytest.mark.parametrize(("duration_ms", "confidence"), [(1, "weak"), (18, "weak"), (50, "weak"), (51, "exact")])
def test_63106_an_ok_of_milliseconds_was_recorded_when_the_work_was_enqueued(
    host: HandedOver, duration_ms: int, confidence: str
) -> None:
    """#63106 (1 ms, up to 50 ms proposed as the limit), #112647 (18 ms); the row was active for minutes."""
    start = ms("2026-04-10T07:00:00")
    host.finished("enqueue", start, start + duration_ms).row("enqueue", start, start + 6 * MINUTE)
    finding = only(host.audited())
    assert verdict(finding)[:2] == ("false_lost", confidence)
    assert ("instant_ok" in finding.reasons) == (confidence == "weak")


# -- the state of a job, which shows its last run only --


def with_state(host: HandedOver, start: int, **state: object) -> HandedOver:
    """Give a lost row and the published state of its job; the run log of another job is there, of this one none."""
    host.row("job", start, start + 6 * MINUTE).job("job", "0 9 * * *", state=state)
    return host.finished("other", start - HOUR, start - HOUR + MINUTE).reaching(start + 5 * HOUR)


def test_77298_a_state_that_says_interrupted_is_no_end(host: HandedOver) -> None:
    """2026.5.2: four errors in a row, all of them restarts; that the last run is that of the row is added."""
    start = ms("2026-05-05T09:00:00")
    told = {"lastRunStatus": "error", "lastError": INTERRUPTED_ERROR, "consecutiveErrors": 4, "lastRunAtMs": start}
    finding = only(with_state(host, start, lastDurationMs=240_000, **told).audited())
    assert verdict(finding)[:2] == ("interrupted", "exact")
    assert "time_passed" in finding.reasons
    assert corrected(finding)[0::2] == ("failed", INTERRUPTED_ERROR)


def test_112647_a_state_that_says_ok_after_milliseconds_is_weak(host: HandedOver) -> None:
    """`lastRunStatus "ok", lastDurationMs 18, consecutiveErrors 0`."""
    start = ms("2026-07-20T09:00:00")
    told = {"lastRunAtMs": start, "lastRunStatus": "ok", "lastDurationMs": 18, "consecutiveErrors": 0}
    finding = only(with_state(host, start, **told).audited())
    assert verdict(finding)[:2] == ("false_lost", "weak")
    assert "instant_ok" in finding.reasons


def test_68157_a_reservation_alone_says_nothing_of_the_end(host: HandedOver) -> None:
    """2026.4.22: `runningAtMs = 1776960088965`, of a run that the gateway took for still running."""
    reserved = ms("2026-04-23T16:01:28.965Z")
    finding = only(with_state(host, reserved + 4, runningAtMs=reserved).audited())
    assert (finding.verdict, finding.correction) == ("undetermined", None)


# -- times that jitter --


@pytest.mark.parametrize(
    ("task_id", "created_ms", "started_ms"),
    [
        ("7e2001c0-cada-4682-bd92-e3e1e3745f34", 1_777_078_430_262, 1_777_078_430_238),
        ("347f9eb9-7be2-4e95-a4a6-2b8b00fc3fda", 1_776_998_259_428, 1_776_998_259_410),
        ("18a6b4fa-d92a-4763-9e42-bb39d06a6f31", 1_776_896_555_577, 1_776_896_555_572),
        ("#70203", 1_776_304_800_007, 1_776_304_800_006),
    ],
)
def test_72035_a_row_that_was_created_after_its_start_is_paired_by_its_start(
    host: HandedOver, task_id: str, created_ms: int, started_ms: int
) -> None:
    """Published are the times of the rows; that each was lost and has a record is added."""
    host.row("jitter", started_ms, started_ms + 6 * MINUTE, task_id=task_id, created_at=created_ms)
    host.finished("jitter", started_ms, started_ms + 95_000)
    assert verdict(only(host.audited(), task_id))[:2] == ("false_lost", "exact")


def test_72035_a_record_at_the_time_of_creation_is_no_record_of_the_start(host: HandedOver) -> None:
    """Variant: 24 ms off is another run, or an unknown one; it is named, not taken."""
    created, start = 1_777_078_430_262, 1_777_078_430_238
    host.row("jitter", start, start + 6 * MINUTE, created_at=created).reaching(start + 5 * HOUR)
    finding = only(host.finished("jitter", created, created + 95_000).audited())
    assert finding.verdict == "undetermined"
    assert "start_mismatch" in finding.reasons
