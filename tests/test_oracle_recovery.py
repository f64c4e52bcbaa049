"""The tool says what the gateway's own recovery says, and proves what that leaves undone.

Twenty hand-made rows (labels l01 to l20, one per case) went through the upgrade to three releases. 2026.7.35 repairs
lost rows itself: what it made of each row is read from its database by plain SQL, and the audit of the state *before*
must say the same. 2026.6.11 and 2026.9.6 leave lost rows as they are; there the audit must say of each row what
2026.7.35 would have made of it. Task ids are the same in all of them, only the clock differs, so times are compared as
spans from the start of the run.

Source: observed.md §B3 (how the releases recover), §B7 (what became of the twenty rows).
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from forensics import audit, load_evidence
from forensics.model.finding import Citation, Finding, Report
from forensics.model.policy import INTERRUPTED_ERROR, LOST_ERROR, TIMEOUT_ERROR, Policy
from forensics.model.verdicts import CORRECTED_BY_DEFAULT
from tests.support.captures import epoch_ms, unpack
from tests.support.command import forensics

Row = dict[str, Any]

BEFORE = ("2026.7.35-upgrade-crafted", ("input-legacy-state",), "input-legacy-state/tasks/runs.sqlite")
AFTER = ("2026.7.35-upgrade-crafted", ("after-maintenance-apply.sqlite",), "after-maintenance-apply.sqlite")
UPGRADES = [
    BEFORE,
    AFTER,
    ("2026.6.11-upgrade-crafted", ("after-maintenance-apply.sqlite",), "after-maintenance-apply.sqlite"),
    ("2026.9.6-upgrade-crafted", ("after-maintenance-apply.sqlite",), "after-maintenance-apply.sqlite"),
    ("2026.9.6-upgrade-crafted", ("after-gateway-start.sqlite", "cli/gateway.log"), "after-gateway-start.sqlite"),
    ("2026.9.6-upgrade-start", ("input-legacy-state",), "input-legacy-state/tasks/runs.sqlite"),
    ("2026.9.6-upgrade-start", ("after-gateway-start.sqlite", "gateway.log"), "after-gateway-start.sqlite"),
]
"""Archive, what is handed over, and the registry in it: every state of the twenty rows that was captured."""

RECOVERED = ("l01", "l02", "l03", "l05", "l10", "l11", "l15", "l18", "l19", "l20")
"""Rows that 2026.7.35 recovers; that these are all is tested."""

WITHHELD = {
    "l19": "its record was written by the start-up code, which only assumes that the run is dead: without a gateway log"
    " the verdict waits until the longest run is over (design §6); in a later copy it is what the release made of it",
}
"""Rows that 2026.7.35 recovers and the audit of the state before does not, with the reason."""

WEAK = {
    "l05": "only the job's last run says so, which shows neither summary nor usage; corrected on request only",
}
"""Rows that the audit gives the values of the release, with less than full confidence."""

OTHER_COLUMNS = {
    "owner_key": "not of the recovery: the upgrade fills it when it opens an old registry (formats.md §1.3)",
    "cleanup_after": "the release keeps the lost row's own, 24 h or 7 days after the mark, and deletes what it has"
    " just repaired when that is over (PR #149269); here a corrected row is kept for 7 days from its end",
}
"""Columns whose value after the fix is not the release's, with the reason."""

LEFT = {
    "l04": ("undetermined", None, "its only record starts 3 ms late: probably its own, named, but no proof"),
    "l06": ("undetermined", None, "no record at all"),
    "l07": ("false_lost", "exact", "the lost text is missing: an empty one counts as that (cases.md S16)"),
    "l08": ("not_applicable", None, "lost with another text: not this kind of loss (#86088)"),
    "l09": ("false_lost", "exact", "no run id: the start of the row is that of the record"),
    "l12": ("false_lost", "strong", "the record has no start: its end less its duration is the row's start"),
    "l17": ("false_lost", "exact", "a run id of a manual run: the start of the row is that of the record"),
}
"""Rows that 2026.7.35 leaves lost: what the audit says of each, and why it may say more than the release."""


def rows_of(database: Path) -> dict[str, Row]:
    """Read the twenty rows by label, by plain SQL and without touching the file."""
    with sqlite3.connect(f"file:{database}?immutable=1", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM task_runs")]
    connection.close()
    return {str(row["label"])[:3]: row for row in rows if row["label"]}


def audited(folder: Path, paths: tuple[str, ...]) -> tuple[Report, dict[str, Finding]]:
    report = audit(load_evidence([str(folder / path) for path in paths]))
    return report, {finding.task_id: finding for finding in report.findings}


@pytest.fixture(scope="module")
def before(unpacked: Path) -> dict[str, Row]:
    return rows_of(unpack(BEFORE[0], unpacked) / BEFORE[2])


@pytest.fixture(scope="module")
def after(unpacked: Path) -> dict[str, Row]:
    return rows_of(unpack(AFTER[0], unpacked) / AFTER[2])


@pytest.fixture(scope="module")
def found(unpacked: Path) -> dict[str, Finding]:
    _, findings = audited(unpack(BEFORE[0], unpacked), BEFORE[1])
    return findings


def recovered_by_the_release(before: Mapping[str, Row], after: Mapping[str, Row]) -> set[str]:
    return {label for label in before if before[label]["status"] == "lost" and after[label]["status"] != "lost"}


def left_by_the_release(before: Mapping[str, Row], after: Mapping[str, Row]) -> set[str]:
    return {label for label in before if before[label]["status"] == after[label]["status"] == "lost"}


def as_spans(started_at: int, status: str, ended_at: int, error: str | None, summary: str | None) -> tuple[object, ...]:
    return status, ended_at - started_at, error, summary


def corrected(finding: Finding) -> tuple[object, ...]:
    correction = finding.correction
    assert correction is not None
    assert finding.started_at is not None
    ended_at = epoch_ms(correction.ended_at)
    return as_spans(
        epoch_ms(finding.started_at), correction.status, ended_at, correction.error, correction.terminal_summary
    )


def as_recovered(row: Row) -> tuple[object, ...]:
    return as_spans(row["started_at"], row["status"], row["ended_at"], row["error"], row["terminal_summary"])


def test_the_release_recovered_and_left_what_the_exceptions_name(before: dict[str, Row], after: dict[str, Row]) -> None:
    assert len(before) == len(after) == 20
    assert recovered_by_the_release(before, after) == set(RECOVERED)
    assert left_by_the_release(before, after) == set(LEFT)


@pytest.mark.parametrize("label", [label for label in RECOVERED if label not in WITHHELD])
def test_a_row_that_the_release_recovers_is_corrected_to_its_very_values(
    label: str, before: dict[str, Row], after: dict[str, Row], found: dict[str, Finding]
) -> None:
    finding, row = found[before[label]["task_id"]], after[label]
    correction = finding.correction
    assert correction is not None
    values = (correction.status, epoch_ms(correction.ended_at), correction.error, correction.terminal_summary)
    assert values == tuple(row[column] for column in ("status", "ended_at", "error", "terminal_summary"))
    assert row["last_event_at"] == row["ended_at"]
    assert finding.verdict in CORRECTED_BY_DEFAULT
    assert finding.confidence == ("weak" if label in WEAK else "exact")


def test_the_interrupted_row_is_withheld_until_its_longest_run_is_over(
    before: dict[str, Row], after: dict[str, Row], found: dict[str, Finding], unpacked: Path
) -> None:
    withheld = found[before["l19"]["task_id"]]
    assert (withheld.verdict, withheld.correction) == ("undetermined", None)
    assert {"interrupted_record", "may_still_run"} <= set(withheld.reasons)
    for archive, paths, _ in UPGRADES[-3::2]:
        _, later = audited(unpack(archive, unpacked), paths)
        finding = later[before["l19"]["task_id"]]
        assert (finding.verdict, finding.confidence) == ("interrupted", "exact")
        # not corrected by default, on request as the release does
        assert corrected(finding) == as_recovered(after["l19"])


@pytest.mark.parametrize("label", sorted(LEFT))
def test_a_row_that_the_release_leaves_is_judged_on_proof(
    label: str, before: dict[str, Row], after: dict[str, Row], found: dict[str, Finding]
) -> None:
    assert label in left_by_the_release(before, after)
    verdict, confidence, _ = LEFT[label]
    finding = found[before[label]["task_id"]]
    assert (finding.verdict.value, finding.confidence) == (verdict, confidence)
    assert (finding.correction is not None) == (verdict == "false_lost")


def test_the_fix_leaves_the_registry_as_the_release_left_it(
    before: dict[str, Row], after: dict[str, Row], unpacked: Path, tmp_path: Path
) -> None:
    """Row by row and column by column, in the tables themselves."""
    state = shutil.copytree(unpack(BEFORE[0], unpacked) / BEFORE[1][0], tmp_path / "state")
    script = tmp_path / "fix.sql"
    assert forensics("fix", state, "-o", script, "--min-confidence", "weak").returncode == 0
    with sqlite3.connect(state / "tasks" / "runs.sqlite") as registry:
        registry.executescript(script.read_text("utf-8"))
    registry.close()
    fixed = rows_of(state / "tasks" / "runs.sqlite")
    for label in set(RECOVERED) - set(WITHHELD):
        unlike = {column for column in fixed[label] if fixed[label][column] != after[label][column]}
        assert unlike <= set(OTHER_COLUMNS), label
        kept_until = fixed[label]["ended_at"] + Policy().retention.total_seconds() * 1000
        assert fixed[label]["cleanup_after"] == max(before[label]["cleanup_after"], kept_until)
    for label in (before.keys() - set(RECOVERED) - set(LEFT)) | set(WITHHELD):
        assert fixed[label] == before[label]


def test_the_release_keeps_a_repaired_row_no_longer_than_the_lost_one(after: dict[str, Row]) -> None:
    """Why the clean-up time is no value to copy: l15 was repaired, and would be deleted by the next sweep."""
    latest = max(row["last_event_at"] for row in after.values())
    assert after["l15"]["status"] == "succeeded"
    assert after["l15"]["cleanup_after"] < after["l15"]["ended_at"] + 24 * 3_600_000
    assert after["l15"]["cleanup_after"] - latest < 3 * 3_600_000


@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: f"{upgrade[0]}: {upgrade[1][0]}")
def test_no_release_and_no_state_gives_a_row_another_end_than_the_recovery(
    upgrade: tuple[str, tuple[str, ...], str], after: dict[str, Row], unpacked: Path
) -> None:
    archive, paths, registry = upgrade
    folder = unpack(archive, unpacked)
    report, findings = audited(folder, paths)
    rows = rows_of(folder / registry)
    lost = {label for label in rows if rows[label]["status"] == "lost"}
    assert {rows[label]["task_id"] for label in lost} == set(findings)
    told = {label: findings[rows[label]["task_id"]] for label in lost}
    with_end = {label for label in told if told[label].correction is not None}
    known = {*RECOVERED, "l13"}
    for label in with_end & known:
        assert corrected(told[label]) == as_recovered(after[label]), label
    assert lost & known - with_end <= set(WITHHELD)
    # what is not known to the recovery: as the state before says, in every release
    for label in lost & set(LEFT):
        assert told[label].verdict == LEFT[label][0], label
    assert report.summary.lost == len(lost)


def test_a_running_row_that_two_releases_recover_and_one_marks_lost_is_the_same_run(unpacked: Path) -> None:
    """2026.9.6 marks l13 lost although its record says ok; 2026.6.11 and 2026.7.35 recovered it while it ran."""
    ends = []
    for archive in ("2026.6.11-upgrade-crafted", "2026.7.35-upgrade-crafted"):
        row = rows_of(unpack(archive, unpacked) / "after-maintenance-apply.sqlite")["l13"]
        ends.append(as_recovered(row))
    for archive, paths, registry in UPGRADES[-3::2]:
        folder = unpack(archive, unpacked)
        row = rows_of(folder / registry)["l13"]
        assert row["status"] == "lost"
        _, findings = audited(folder, paths)
        finding = findings[row["task_id"]]
        assert (finding.verdict, finding.confidence, finding.cause) == ("false_lost", "exact", "restart")
        ends.append(corrected(finding))
    assert len(ends) == 4
    assert len(set(ends)) == 1


@pytest.mark.parametrize("archive", ["2026.6.11-upgrade-crafted", "2026.9.6-upgrade-crafted", "2026.9.6-upgrade-start"])
def test_what_was_deleted_could_have_been_proven(
    archive: str, before: dict[str, Row], after: dict[str, Row], found: dict[str, Finding], unpacked: Path
) -> None:
    folder = unpack(archive, unpacked)
    (registry, *_) = sorted(folder.glob("after-*.sqlite"))
    deleted = before.keys() - rows_of(registry).keys()
    assert deleted == {"l15", "l18"}
    for label in deleted:
        assert found[before[label]["task_id"]].verdict == "false_lost"
        assert corrected(found[before[label]["task_id"]]) == as_recovered(after[label])


def test_rows_that_were_never_lost_are_no_findings(before: dict[str, Row], found: dict[str, Finding]) -> None:
    never = {label for label in before if before[label]["status"] != "lost"}
    assert never == {"l13", "l14", "l16"}
    assert not {before[label]["task_id"] for label in never} & set(found)


@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: f"{upgrade[0]}: {upgrade[1][0]}")
def test_every_cited_record_says_what_the_finding_says(
    upgrade: tuple[str, tuple[str, ...], str], unpacked: Path
) -> None:
    """The cited file and line, or table and rowid, is read again by hand."""
    archive, paths, registry = upgrade
    folder = unpack(archive, unpacked)
    report, findings = audited(folder, paths)
    files = file_of_sources(report, folder, paths)
    rows = {row["task_id"]: row for row in rows_of(folder / registry).values()}
    for finding in findings.values():
        row = rows[finding.task_id]
        for citation in finding.evidence:
            if citation.line is not None:
                check_citation(citation, files, finding, row)
        cited_roles = {citation.role for citation in finding.evidence if citation.line is not None}
        assert {"start", "lost_mark"} <= cited_roles
        assert ("finish" in cited_roles) == (finding.run is not None)


def check_citation(citation: Citation, files: Mapping[int, Path], finding: Finding, row: Row) -> None:
    assert citation.source is not None
    assert citation.line is not None
    path = files[citation.source]
    if citation.role in ("start", "lost_mark"):
        assert citation.table == "task_runs"
        assert row_at(path, "task_runs", citation.line)["task_id"] == finding.task_id == row["task_id"]
    elif citation.role in ("finish", "near_miss"):
        check_record(told_at(path, citation), finding, row)
    elif path.suffix == ".log":
        assert line_at(path, citation.line).startswith("{")


def check_record(told: Row, finding: Finding, row: Row) -> None:
    """Compare what the place says with the row and with the run of the finding."""
    assert told["job_id"] == row["source_id"]
    start = told["start"] if told["start"] is not None else told["written"] - told["duration"]
    late = 3 if "start_mismatch" in finding.reasons else 0
    assert start == row["started_at"] + late
    if finding.run is not None:
        assert (told["status"], told["duration"]) == (finding.run.status, finding.run.duration_ms)
        assert told["error"] == (finding.correction.error if finding.correction else INTERRUPTED_ERROR)
        assert epoch_ms_or_none(finding.run.finished_at) == start + told["duration"]


def told_at(path: Path, citation: Citation) -> Row:
    """Read one run record where a citation says it is: a line of a file, or a row of a table."""
    assert citation.line is not None
    if path.suffix == ".jsonl":
        return as_record(json.loads(line_at(path, citation.line)))
    if path.suffix == ".json":
        return last_run_at(path, citation.line)
    row = row_at(path, str(citation.table), citation.line)
    if citation.table == "cron_jobs":
        return as_last_run({"id": row["job_id"], "state": json.loads(row["state_json"])})
    if citation.table == "cron_run_logs":
        return as_record(json.loads(row["entry_json"]))
    assert citation.table == "task_runs"
    # the history of the upgrade: the same run under another id, which the release itself never pairs
    assert str(row["task_id"]).startswith("cron-runlog-import:")
    detail = json.loads(row["detail_json"])
    return as_record(detail | {"jobId": row["source_id"], "ts": row["ended_at"]})


def last_run_at(path: Path, line: int) -> Row:
    """Read the last run of the one job whose state stands on this line of a job store."""
    assert '"lastRunAtMs"' in line_at(path, line)
    said = int(line_at(path, line).split(":")[1].strip(" ,\n"))
    (job,) = [job for job in json.loads(path.read_text("utf-8"))["jobs"] if job["state"].get("lastRunAtMs") == said]
    return as_last_run(job)


def as_record(entry: Row) -> Row:
    return {
        "job_id": entry["jobId"],
        "start": entry.get("runAtMs"),
        "written": entry["ts"],
        "duration": entry["durationMs"],
        "status": entry["status"],
        "error": entry.get("error"),
    }


def as_last_run(job: Row) -> Row:
    state = job["state"]
    start, duration = state["lastRunAtMs"], state["lastDurationMs"]
    return {
        "job_id": job["id"],
        "start": start,
        "written": start + duration,
        "duration": duration,
        "status": state["lastRunStatus"],
        "error": state.get("lastError"),
    }


def file_of_sources(report: Report, folder: Path, paths: tuple[str, ...]) -> dict[int, Path]:
    """Find the file behind every source by its content, as a person would look for it by name."""
    named = {path.name: path for given in paths for path in [folder / given, *(folder / given).rglob("*")]}
    return {number: named[Path(path).name] for number, path in report.paths().items()}


def row_at(database: Path, table: str, rowid: int) -> Row:
    with sqlite3.connect(f"file:{database}?immutable=1", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute(f"SELECT * FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    connection.close()
    return dict(row)


def line_at(path: Path, line: int) -> str:
    return path.read_text("utf-8").splitlines()[line - 1]


def epoch_ms_or_none(moment: Any) -> int | None:
    return None if moment is None else epoch_ms(moment)


CAPTURES = [
    "2026.4.15-in-process",
    "2026.4.15-lost-write",
    "2026.4.15-no-restart",
    "2026.4.15-sigterm",
    "2026.5.7-in-process",
    "2026.5.7-no-restart",
    "2026.5.7-sigterm",
]

NO_END = {
    "B-manual-pi-700": "the restart cut the run short, which 2026.5.7 logs as ok, without summary and usage: the"
    " recovery takes that for an end (design §6, aborted_ok)",
    "A-at-900": "its record was written by the start-up code of the process that replaced the run's: the same status"
    " and text, corrected on request only; it ended when the new process started, not when its record was written",
}
"""Real rows that have an exact record and are no end of their own to the tool, by label, with the reason."""


def peer_recovery(row: Row, entries: list[Row]) -> tuple[object, ...] | None:
    """Recover one lost row as 2026.7.35 does (observed.md §B3): exact start, last entry, literal texts."""
    prefix = f"cron:{row['source_id']}:"
    if LOST_ERROR not in str(row["error"]).lower() or not str(row["run_id"]).startswith(prefix):
        return None
    start = int(str(row["run_id"]).removeprefix(prefix))
    own = [entry for entry in entries if entry["action"] == "finished" and entry.get("runAtMs") == start]
    if not own:
        return None
    entry = own[-1]
    error = entry.get("error")
    failed = "timed_out" if error == TIMEOUT_ERROR else "failed"
    status = "succeeded" if entry["status"] in ("ok", "skipped") else failed
    summary = " ".join(str(entry.get("summary") or "").split()) or None
    return as_spans(start, status, start + entry["durationMs"], error, summary)


def lost_rows_of(folder: Path, scratch: Path) -> list[Row]:
    """Read the lost rows of a registry, write-ahead log included, from a copy."""
    copy = shutil.copytree(folder / "state" / "tasks", scratch / folder.name)
    with sqlite3.connect(copy / "runs.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM task_runs WHERE status = 'lost'")]
    connection.close()
    return rows


def test_real_lost_rows_are_corrected_as_the_release_would_recover_them(unpacked: Path, tmp_path: Path) -> None:
    """Of the lost rows that gateways of 2026.4.15 and 2026.5.7 left, those with an exact record; and no other."""
    recovered: dict[str, tuple[object, ...]] = {}
    others = []
    for capture in CAPTURES:
        folder = unpack(capture, unpacked)
        _, findings = audited(folder, ("state", "logs"))
        for row in lost_rows_of(folder, tmp_path):
            log = folder / "state" / "cron" / "runs" / f"{row['source_id']}.jsonl"
            lines = log.read_text("utf-8").splitlines() if log.exists() else []
            peer = peer_recovery(row, [json.loads(line) for line in lines])
            finding = findings[row["task_id"]]
            if peer is None:
                others.append(finding)
                continue
            recovered[row["label"]] = peer
            if row["label"] in NO_END:
                assert (finding.verdict, finding.confidence) == ("interrupted", "exact")
                assert finding.correction is not None
                assert (finding.correction.status, finding.correction.error) == ("failed", INTERRUPTED_ERROR)
            else:
                assert corrected(finding) == peer, row["label"]
    assert len(recovered) == 8
    assert set(NO_END) < set(recovered)
    assert len(others) == 7
    assert all(finding.verdict not in CORRECTED_BY_DEFAULT for finding in others)
