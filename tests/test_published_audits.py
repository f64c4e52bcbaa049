"""Published answers of the gateway's own audit: what it counted, release by release, and what an answer names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forensics import Policy, audit, load_evidence
from forensics.correlator.counts import audit_counts
from forensics.correlator.facts import newest_state
from forensics.model.finding import Counts
from tests.parsers.shapes import write_log
from tests.support.handed_over import HOUR, MINUTE, HandedOver, ms, only, utc, verdict


def counted(host: HandedOver, release: str, now_ms: int) -> Counts:
    tasks = newest_state(host.evidence().tasks)
    return audit_counts(tasks, utc(now_ms), Policy(), release=release)


NOW = ms("2026-04-26T12:00:00Z")


def succeeded_rows(host: HandedOver, count: int, early_ms: int, name: str) -> None:
    """Keep rows that ended well and start so much before they were created."""
    for number in range(count):
        start = NOW - HOUR - number * 1_000
        host.succeeded("trading", start, start + 500, task_id=f"{name}-{number}", created_at=start + early_ms)


def lost_rows(host: HandedOver, *ages_ms: int) -> None:
    for number, age_ms in enumerate(ages_ms):
        host.row("old", NOW - age_ms - 6 * MINUTE, NOW - age_ms, task_id=f"lost-{number}")


def test_70887_rows_that_start_before_they_were_created_are_warnings_until_2026_4_24(host: HandedOver) -> None:
    """Deltas of start and creation as published: -4 ms twice, -2 ms once, -1 ms 706 times."""
    for early_ms, count in ((4, 2), (2, 1), (1, 706)):
        succeeded_rows(host, count, early_ms, f"early-{early_ms}")
    counts = counted(host, "2026.4.15", NOW)
    assert (counts.errors, counts.warnings, counts.by_code["inconsistent_timestamps"]) == (0, 709, 709)
    assert counted(host, "2026.4.25", NOW).warnings == 0


def test_71963_retained_lost_rows_are_errors_in_2026_4_24(host: HandedOver) -> None:
    """`Tasks audit: 896 findings · 11 errors · 885 warnings`, ages `6d1h`, `5d23h`: retained for seven days."""
    succeeded_rows(host, 885, 1, "early")
    lost_rows(host, *(6 * 24 * HOUR + HOUR - number * 12 * MINUTE for number in range(11)))
    counts = counted(host, "2026.4.24", NOW)
    assert (sum(counts.by_code.values()), counts.errors, counts.warnings) == (896, 11, 885)
    later = counted(host, "2026.4.25", NOW)
    assert (later.errors, later.warnings) == (0, 11)


def test_63196_one_lost_row_among_warnings_is_one_error(host: HandedOver) -> None:
    """2026.4.8: `audit 1 error · 219 warn · 330 tracked`; the lost row is `1h12m` old."""
    succeeded_rows(host, 219, 1, "early")
    succeeded_rows(host, 110, 0, "fine")
    lost_rows(host, HOUR + 12 * MINUTE)
    assert (counted(host, "2026.4.8", NOW).errors, counted(host, "2026.4.8", NOW).warnings) == (1, 219)
    assert audit(load_evidence([str(host.folder)])).summary.tasks == 330


def test_44925_failed_deliveries_and_retained_lost_rows_are_warnings_in_2026_5_19(host: HandedOver) -> None:
    """`summary.total = 10, warnings = 10, byCode.delivery_failed = 8, byCode.lost = 2`."""
    for number in range(8):
        told = {"delivery_status": "failed", "notify_policy": "done_only"}
        start = NOW - HOUR - number * 1_000
        host.succeeded("notice", start, start + 500, task_id=f"undelivered-{number}", **told)
    lost_rows(host, 2 * 24 * HOUR, 3 * 24 * HOUR)
    counts = counted(host, "2026.5.19", NOW)
    assert (counts.errors, counts.warnings) == (0, 10)
    assert {code: count for code, count in counts.by_code.items() if count} == {"delivery_failed": 8, "lost": 2}
    # a week later releases keep a lost row for a day only
    assert counted(host, "2026.5.26", NOW).errors == 2


def test_72884_lost_and_stale_rows_are_errors_together(host: HandedOver) -> None:
    """`22 errors (20x lost, 2x stale_running)`; a lost row is 406998939 ms old, as the audit prints it."""
    lost_rows(host, 406_998_939, *(24 * HOUR + number for number in range(19)))
    for number in range(2):
        told = {"status": "running", "error": None, "runtime": "subagent", "last_event_at": NOW - 4 * HOUR}
        host.row("stuck", NOW - 4 * HOUR, None, task_id=f"stuck-{number}", **told)
    counts = counted(host, "2026.4.24", NOW)
    assert (counts.errors, counts.by_code["lost"], counts.by_code["stale_running"]) == (22, 20, 2)


def test_72884_archived_sessions_neither_prove_nor_disprove_anything(host: HandedOver) -> None:
    """A job that archives session files leaves rows lost; the run log decides, with the transcripts or without."""
    start = ms("2026-04-22T03:00:00")
    host.row("cleaned", start, start + 6 * MINUTE, child_session_key="agent:main:cron:cleaned").job("cleaned")
    host.row("cleaned", start + 24 * HOUR, start + 24 * HOUR + 6 * MINUTE, task_id="other")
    host.finished("cleaned", start, start + 5 * MINUTE, sessionKey="agent:main:cron:cleaned")
    host.reaching(start + 48 * HOUR)
    write_log(host.folder / "state" / "agents" / "main" / "sessions" / "archived.jsonl", '{"type":"session"}\n')
    report = host.audited()
    assert verdict(only(report))[:2] == ("false_lost", "exact")
    # both runs have the session key of the job: it says nothing of the other one
    assert only(report, "other").verdict == "undetermined"


def test_72884_a_finding_without_a_task_is_no_row(tmp_path: Path) -> None:
    """The published finding, elisions as in the original: it names no task."""
    finding: dict[str, object] = {"kind": "task", "severity": "error", "code": "lost"}
    finding |= {
        "detail": "backing session missing",
        "ageMs": 406_998_939,
        "status": "lost",
        "task": {"runtime": "cron"},
    }
    write_log(tmp_path / "audit.json", json.dumps({"count": 1, "summary": {}, "findings": [finding]}))
    evidence = load_evidence([str(tmp_path)])
    assert evidence.tasks.is_empty()
    assert evidence.sources["rejected"].to_list() == [1]


def test_70887_a_finding_with_its_task_is_a_row(tmp_path: Path) -> None:
    """The published finding with an id: a run within one millisecond, and one of the audit's warnings."""
    task: dict[str, object] = {
        "taskId": "t",
        "runtime": "cron",
        "label": "cycle",
        "status": "succeeded",
        "deliveryStatus": "none",
    }
    task |= {"createdAt": 1_776_393_146_131, "startedAt": 1_776_393_146_130, "endedAt": 1_776_393_146_131}
    finding: dict[str, object] = {"kind": "task", "severity": "warn", "code": "inconsistent_timestamps", "task": task}
    finding |= {"detail": "startedAt is earlier than createdAt", "status": "succeeded", "token": "t"}
    write_log(tmp_path / "audit.json", json.dumps({"count": 1, "summary": {}, "findings": [finding]}))
    report = audit(load_evidence([str(tmp_path)]))
    assert report.findings == ()
    assert report.summary.before.by_code["inconsistent_timestamps"] == 1


TEXTS = {
    "#63196": """\
Tasks audit: 222 findings · 1 errors · 221 warnings
Task findings: 220 · TaskFlow findings: 2
Scope    Severity Code                   Item       Status     Age      Detail
Task     error    lost                   55aad356-… lost       1h12m    backing session missing
""",
    "#71963": """\
Tasks audit: 896 findings · 11 errors · 885 warnings
Task findings: 896 · TaskFlow findings: 0
Scope    Severity Code                   Item       Status     Age      Detail
Task     error    lost                   a1b2c3d4-… lost       6d1h     backing session missing
Task     error    lost                   e5f60718-… lost       5d23h    backing session missing
""",
    "#148936": """\
Tasks audit: 0 findings · 0 errors · 0 warnings
Limit: 20
Task findings: 0 · TaskFlow findings: 0
No tasks audit findings.
""",
}


@pytest.mark.parametrize("issue", sorted(TEXTS))
def test_an_audit_in_text_form_names_no_row_that_could_be_judged(tmp_path: Path, issue: str) -> None:
    """Ids are cut to eight characters, ages are rounded: no row is made of that, and the file is named."""
    (tmp_path / "audit.txt").write_text(TEXTS[issue], "utf-8")
    host = HandedOver(tmp_path / "host").succeeded("job", NOW - HOUR, NOW, task_id="55aad356-0000")
    host.evidence()
    evidence = load_evidence([str(tmp_path)])
    assert audit(evidence).findings == ()
    assert evidence.tasks["task_id"].to_list() == ["55aad356-0000"]
    named = evidence.sources.filter(path=str(tmp_path / "audit.txt"))
    told = evidence.notices.filter(source=named["id"].item()) if named.height else evidence.notices
    assert told.height > 0
