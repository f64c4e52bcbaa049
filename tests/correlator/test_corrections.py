"""Corrected and restored rows: only the row itself proves a change, and a backup never wins over the registry."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from forensics import audit, load_evidence
from forensics.correlator.corrections import Standing, backups_of, matches_expr, with_standing
from forensics.correlator.facts import rows_at_hand
from forensics.model.evidence import Evidence
from forensics.model.finding import Report
from forensics.model.journal import ENDING, Journal, parsed_journal
from forensics.model.plan import Stored
from forensics.model.schemas import CORRECTIONS, TASKS, frame_of
from tests.parsers.shapes import insert, task_row, write_registry
from tests.support.handed_over import HOUR, MINUTE, HandedOver, ms, utc
from tests.support.journals import JOURNAL, NOON, Registry, left_prepared, row_of, write_journal

J = "job-j"
S = ms("2026-04-17T10:00:00")
END, L = S + MINUTE, S + 20 * MINUTE
WEEK = 7 * 24 * HOUR
GOOD: Stored = {
    "status": "succeeded",
    "ended_at": END,
    "last_event_at": END,
    "error": None,
    "terminal_summary": "done",
    "cleanup_after": L + WEEK,
}


@dataclass(frozen=True, slots=True)
class Story:
    """A gateway with a lost row that ended well, and one that nothing tells of; what is done to its registry."""

    folder: Path
    registry: Registry

    def fix(self, name: str = "one.sqlite", hours: int = 0) -> Path:
        return self.registry.fix(name, {"lost": GOOD}, at=NOON + timedelta(hours=hours))

    def undo(self, journal: Path, name: str = "undo.sqlite", hours: int = 1) -> Path:
        return self.registry.undo(name, read(journal), at=NOON + timedelta(hours=hours))

    def runs_on(self, hours: int) -> None:
        """The gateway starts again and runs something new."""
        start = ms("2026-11-26T12:00:00") + hours * HOUR
        told = {"status": "succeeded", "error": None, "started_at": start, "created_at": start, "ended_at": start + 5}
        with closing(sqlite3.connect(self.registry.path)) as database:
            insert(database, [task_row(f"new-{hours}", runtime="cli", source_id=None, run_id=None, **told)])

    def evidence(self, *paths: Path) -> Evidence:
        return load_evidence([str(path) for path in paths or (self.folder,)])

    def audited(self, *paths: Path) -> Report:
        return audit(self.evidence(*paths))

    @property
    def state(self) -> Path:
        return self.registry.path.parent.parent


def read(journal: Path) -> Journal:
    return parsed_journal(journal.read_text("ascii"))


def changed(journal: Path, change: Callable[[Journal], Journal]) -> None:
    write_journal(journal, change(read(journal)))


@pytest.fixture(params=["a-backups", "z-backups", "state/backups"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Story:
    """Backups lie before the registry in the order of names, behind it, or within the state directory."""
    return story_in(tmp_path, str(request.param))


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Backups lie before the registry in the order of names: all else being equal, they would be cited."""
    return story_in(tmp_path, "a-backups")


def story_in(folder: Path, backups: str) -> Story:
    host = HandedOver(folder).row(J, S, L).finished(J, S, END).job(J)
    host.row("job-k", S, L, task_id="open").job("job-k").reaching(L + HOUR)
    host.evidence()
    return Story(folder, Registry(folder / "state" / "tasks" / "runs.sqlite", folder / backups))


def lost(report: Report) -> list[str]:
    return sorted(finding.task_id for finding in report.findings)


def corrected(report: Report) -> list[str]:
    return [row.task_id for row in report.summary.corrected]


def standing(evidence: Evidence, task_id: str = "lost") -> str | None:
    told = with_standing(rows_at_hand(evidence), evidence.corrections).filter(pl.col("task_id") == task_id)
    return told["standing"].item() if told.height else None


def cited(report: Report, task_id: str) -> Path:
    """Give the file from which a row is cited."""
    (finding,) = [finding for finding in report.findings if finding.task_id == task_id]
    return Path(report.paths()[finding.source])


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_row_that_fix_corrected_is_corrected_and_not_lost(anywhere: Story, goes_on: bool) -> None:
    anywhere.fix()
    if goes_on:
        anywhere.runs_on(1)
    report = anywhere.audited()
    assert lost(report) == ["open"]
    (row,) = report.summary.corrected
    assert (row.task_id, row.at, row.verdict, row.is_cleaned) == (
        "lost",
        NOON + timedelta(milliseconds=250),
        "false_lost",
        False,
    )
    assert (row.before.status, row.before.ended_at, row.before.error) == ("lost", utc(L), "backing session missing")
    assert (row.after.status, row.after.ended_at, row.after.error) == ("succeeded", utc(END), None)
    line = Path(report.paths()[row.source]).read_text("ascii").splitlines()[(row.line or 0) - 1]
    assert '"task_id": "lost"' in line


def test_a_corrected_row_was_healed_by_no_late_finish(story: Story) -> None:
    journal = story.fix()
    assert story.audited().summary.healed == ()
    journal.unlink()
    alone = story.audited(story.state, story.registry.backups)
    assert alone.summary.healed == ("lost",), "without the journal nothing tells the two apart"


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_restored_row_is_lost_again_whatever_the_backup_of_the_undo_says(anywhere: Story, goes_on: bool) -> None:
    journal = anywhere.fix()
    if goes_on:
        anywhere.runs_on(0)
    undo = anywhere.undo(journal)
    if goes_on:
        anywhere.runs_on(2)
    report = anywhere.audited()
    assert lost(report) == ["lost", "open"]
    assert corrected(report) == []
    assert cited(report, "lost") == anywhere.registry.path
    assert standing(anywhere.evidence()) == Standing.RESTORED
    undo.unlink()
    if not goes_on:
        assert lost(anywhere.audited()) == ["open"], "the journal alone tells which of the two is older"


def test_a_row_that_was_corrected_restored_and_corrected_again_is_corrected(anywhere: Story) -> None:
    first = anywhere.fix()
    anywhere.undo(first)
    anywhere.runs_on(2)
    anywhere.fix("three.sqlite", hours=3)
    report = anywhere.audited()
    assert lost(report) == ["open"]
    (row,) = report.summary.corrected
    assert row.at.hour == 15
    assert report.paths()[row.source].endswith(f"three.sqlite{ENDING}")


def test_no_backup_of_an_earlier_change_wins_over_a_row_that_was_restored(story: Story) -> None:
    """Corrected and restored twice, each time to something else: no backup but the last holds what the undo undid."""
    story.undo(story.fix())
    second = story.registry.fix("three.sqlite", {"lost": {**GOOD, "status": "failed"}}, at=NOON + timedelta(hours=2))
    story.undo(second, "four.sqlite", hours=3)
    assert lost(story.audited()) == ["lost", "open"]


def test_a_script_that_was_run_by_hand_after_an_undo_counts(story: Story) -> None:
    """It leaves no journal; the backup in which the row is lost was made before all that the journals tell of."""
    story.undo(story.fix())
    story.registry.change("lost", **GOOD)  # type: ignore[arg-type]
    assert lost(story.audited()) == ["open"]


@pytest.mark.parametrize("goes_on", [1, 0])
def test_a_row_that_was_put_back_by_hand_is_lost_where_younger_runs_show_it(story: Story, goes_on: int) -> None:
    """A script leaves no journal. A copy was taken in between; which of the two is older, only new runs can tell."""
    story.fix()
    shutil.copytree(story.state, story.folder / "z-copy" / "state")
    story.registry.change("lost", **LOST)  # type: ignore[arg-type]
    if goes_on:
        story.runs_on(2)
    report = story.audited()
    assert lost(report) == (["lost", "open"] if goes_on else ["open"])
    if goes_on:
        assert cited(report, "lost") == story.registry.path


def test_without_its_backup_a_journal_tells_the_same(story: Story) -> None:
    journal = story.fix()
    (story.registry.backups / "one.sqlite").unlink()
    assert corrected(story.audited()) == ["lost"]
    undo = story.undo(journal)
    assert lost(story.audited()) == ["lost", "open"]
    (story.registry.backups / "undo.sqlite").unlink()
    assert lost(story.audited()) == ["lost", "open"]
    undo.unlink()
    assert standing(story.evidence()) == Standing.NOT_SEEN


def test_a_journal_alone_corrects_no_row(story: Story) -> None:
    """An older copy is handed over with the journal: the row is lost in it, and judged as ever."""
    before = story.audited(story.state)
    old = story.folder.parent / f"{story.folder.name}-old"
    shutil.copytree(story.folder, old)
    journal = story.fix()
    shutil.copy(journal, old)
    report = story.audited(old)
    assert [(one.task_id, one.verdict, one.confidence) for one in report.findings] == [
        (one.task_id, one.verdict, one.confidence) for one in before.findings
    ]
    assert corrected(report) == []
    assert standing(story.evidence(old)) == Standing.NOT_SEEN


def test_the_order_of_paths_makes_no_difference(story: Story) -> None:
    story.undo(story.fix())
    outcomes = {tuple(lost(story.audited(*order))) for order in permutations([story.state, story.registry.backups])}
    assert outcomes == {("lost", "open")}


def test_rows_that_were_not_touched_are_cited_from_the_registry(story: Story) -> None:
    """The sweep's mark was the last thing written, so the backup of a correction looks the younger."""
    story.registry.fix("one.sqlite", {"lost": GOOD, f"other-{L + HOUR}": {"last_event_at": END}})
    assert cited(story.audited(), "open") == story.registry.path


@pytest.mark.parametrize("is_committed", [False, True])
def test_what_became_of_a_correction_that_was_cut_short_only_the_row_tells(story: Story, is_committed: bool) -> None:
    backup = story.registry.path.read_bytes()
    journal = story.fix()
    left_prepared(journal, read(journal))
    if not is_committed:
        story.registry.path.write_bytes(backup)
    report = story.audited()
    assert corrected(report) == (["lost"] if is_committed else [])
    assert lost(report) == (["open"] if is_committed else ["lost", "open"])
    assert report.summary.healed == ()


@pytest.mark.parametrize("is_committed", [False, True])
def test_what_became_of_an_undo_that_was_cut_short_only_the_row_tells(anywhere: Story, is_committed: bool) -> None:
    first = anywhere.fix()
    fixed = anywhere.registry.path.read_bytes()
    undo = anywhere.undo(first)
    left_prepared(undo, read(undo))
    if not is_committed:
        anywhere.registry.path.write_bytes(fixed)
    report = anywhere.audited()
    assert corrected(report) == ([] if is_committed else ["lost"])
    assert lost(report) == (["lost", "open"] if is_committed else ["open"])
    assert standing(anywhere.evidence()) == (Standing.RESTORED if is_committed else Standing.CORRECTED)


@pytest.mark.parametrize("is_committed", [False, True])
def test_what_became_of_a_second_correction_that_was_cut_short_only_the_row_tells(
    story: Story, is_committed: bool
) -> None:
    story.undo(story.fix())
    restored = story.registry.path.read_bytes()
    third = story.fix("three.sqlite", hours=2)
    left_prepared(third, read(third))
    if not is_committed:
        story.registry.path.write_bytes(restored)
    assert lost(story.audited()) == (["open"] if is_committed else ["lost", "open"])


def test_a_backup_that_was_changed_since_is_told_by_its_rows(story: Story) -> None:
    journal = story.fix()
    story.undo(journal)
    for backup in story.registry.backups.glob("*.sqlite"):
        with closing(sqlite3.connect(backup)) as database, database:
            database.execute("CREATE TABLE note (text)")
    evidence = story.evidence()
    assert backups_of(evidence.sources, evidence.corrections).is_empty()
    assert lost(audit(evidence)) == ["lost", "open"]


LOST: Stored = {
    "status": "lost",
    "ended_at": L,
    "last_event_at": L,
    "error": "backing session missing",
    "terminal_summary": None,
    "cleanup_after": L + WEEK,
}


@pytest.mark.parametrize(("action", "before", "after"), [("fix", LOST, GOOD), ("undo", GOOD, LOST)])
def test_a_registry_whose_change_is_in_its_log_is_no_backup(
    tmp_path: Path, action: str, before: Stored, after: Stored
) -> None:
    """The main file is still what the backup is, byte for byte: the change stands in the write-ahead log."""
    work, state, backups = tmp_path / "work.sqlite", tmp_path / "given" / "state" / "tasks", tmp_path / "given" / "old"
    state.mkdir(parents=True)
    backups.mkdir()
    told = {"source_id": J, "run_id": f"cron:{J}:{S}", "started_at": S, "created_at": S}
    write_registry(work, task_row("lost", **told, **before))
    with closing(sqlite3.connect(work)) as database:
        database.execute("PRAGMA journal_mode = WAL").fetchall()
    shutil.copy(work, backups / "one.sqlite")
    with closing(sqlite3.connect(work)) as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")
        named = ", ".join(f"{name} = ?" for name in after)
        database.execute(f"UPDATE task_runs SET {named}", tuple(after.values()))
        database.commit()
        for ending in ("", "-wal"):
            shutil.copy(f"{work}{ending}", state / f"runs.sqlite{ending}")
    assert (state / "runs.sqlite-wal").stat().st_size
    sha256 = _sha256(state / "runs.sqlite")
    assert _sha256(backups / "one.sqlite") == sha256
    journal = replace(JOURNAL, action=action, backup_sha256=sha256, rows=(row_of("lost", before, after),))
    write_journal(backups / f"one.sqlite{ENDING}", journal)
    evidence = load_evidence([str(tmp_path / "given")])
    report = audit(evidence)
    (backup,) = backups_of(evidence.sources, evidence.corrections)["source"].to_list()
    assert report.paths()[backup].endswith("old/one.sqlite")
    assert corrected(report) == (["lost"] if action == "fix" else [])
    assert lost(report) == ([] if action == "fix" else ["lost"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("columns", [{"cleanup_after": L + 2 * WEEK}, {"terminal_summary": "other"}])
def test_a_row_that_changed_since_is_neither_corrected_nor_healed(story: Story, columns: dict[str, int | str]) -> None:
    story.fix()
    story.registry.change("lost", **columns)
    report = story.audited()
    assert (corrected(report), report.summary.healed, lost(report)) == ([], (), ["open"])
    assert standing(story.evidence()) == Standing.CHANGED


@pytest.mark.parametrize(
    "columns", [{"status": "cancelled"}, {"ended_at": END + 1}, {"status": "running", "ended_at": None}]
)
def test_a_row_that_is_something_else_altogether_does_not_show_its_correction(
    story: Story, columns: dict[str, int | str | None]
) -> None:
    """It may be of a copy that is older than both states that the journal knows."""
    story.fix()
    story.registry.change("lost", **columns)
    shown = (story.state, story.registry.backups / f"one.sqlite{ENDING}")
    assert corrected(story.audited(*shown)) == []
    assert standing(story.evidence(*shown)) == Standing.NOT_SEEN


def test_a_healed_row_that_was_cleaned_is_healed_still(story: Story) -> None:
    stale = {"status": "succeeded", "ended_at": END, "last_event_at": END}
    story.registry.change("lost", **stale)  # type: ignore[arg-type]
    assert story.audited().summary.healed == ("lost",)
    journal = story.registry.fix("clean.sqlite", {"lost": {"error": None}}, verdict="healed")
    report = story.audited()
    assert report.summary.healed == ("lost",)
    assert [(row.task_id, row.is_cleaned) for row in report.summary.corrected] == [("lost", True)]
    story.undo(journal)
    report = story.audited()
    assert (report.summary.healed, corrected(report)) == (("lost",), [])


def test_a_corrected_failure_is_corrected(story: Story) -> None:
    story.registry.fix("one.sqlite", {"lost": {"status": "failed", "error": "boom"}}, verdict="failed")
    (row,) = story.audited().summary.corrected
    assert (row.after.status, row.after.error, row.verdict) == ("failed", "boom", "failed")


def test_the_journal_moves_neither_the_moment_of_the_audit_nor_any_verdict(story: Story) -> None:
    journal = story.fix()
    told = story.audited()
    journal.unlink()
    shutil.rmtree(story.registry.backups)
    alone = story.audited()
    assert told.now == alone.now
    assert told.summary.before == alone.summary.before
    assert told.summary.after == alone.summary.after
    assert [(one.task_id, one.verdict, one.reasons) for one in told.findings] == [
        (one.task_id, one.verdict, one.reasons) for one in alone.findings
    ]


def test_an_export_of_a_corrected_row_is_known_for_what_it_shows() -> None:
    told = {"task_id": "t", "status": "succeeded", "ended_at": utc(END), "precision_ms": 1}
    entry = {f"after_{name}": told.get(name) for name in ("status", "ended_at")} | {"after_terminal_summary": "done"}

    def fits(**columns: object) -> bool:
        row = frame_of([told | {"registry": "export"} | columns], TASKS).drop("gateway", "source", "line", "task_id")
        both = pl.concat([row, frame_of([entry], CORRECTIONS)], how="horizontal")
        return bool(both.select(matches_expr("after")).item())

    assert fits()
    assert fits(terminal_summary="done")
    assert not fits(terminal_summary="other")
    assert not fits(registry="store"), "a registry has every column"
    assert not fits(ended_at=None), "of the end nothing is left out"
    assert not fits(status="lost")
    assert not fits(ended_at=utc(END + 1))
    assert fits(ended_at=utc(END // 1000 * 1000), precision_ms=1000)


def test_records_of_two_gateways_never_cross(tmp_path: Path) -> None:
    """The same task id in two gateways that went on apart: the journal of one says nothing of the other."""
    stories = []
    for name in ("one", "two"):
        host = HandedOver(tmp_path / name).row(J, S, L).finished(J, S, END)
        host.succeeded(J, S + HOUR, S + 2 * HOUR, task_id=f"since-{name}")
        host.evidence()
        registry = Registry(host.folder / "state" / "tasks" / "runs.sqlite", host.folder / "backups")
        stories.append(Story(host.folder, registry))
    stories[0].fix()
    evidence = load_evidence([str(tmp_path)])
    report = audit(evidence)
    assert [(one.gateway, one.task_id) for one in report.findings] == [("two/state", "lost")]
    assert [(row.gateway, row.task_id) for row in report.summary.corrected] == [("one/state", "lost")]
    assert evidence.sources.filter(pl.col("kind") == "fix_journal")["gateway"].to_list() == ["one/state"]


def test_a_folder_of_backups_is_no_second_gateway_when_no_task_is_shared_any_more(anywhere: Story) -> None:
    anywhere.fix()
    with closing(sqlite3.connect(anywhere.registry.path)) as database, database:
        database.execute("DELETE FROM task_runs")
    anywhere.runs_on(24)
    evidence = anywhere.evidence()
    assert evidence.sources["gateway"].unique().to_list() == ["state"]
