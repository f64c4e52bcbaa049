"""What reports say of corrected and restored rows, and how to take a correction back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from forensics import audit, load_evidence
from forensics.cli import main
from forensics.model.errors import NothingToReadError
from forensics.model.finding import Finding, Report
from forensics.model.journal import parsed_journal
from forensics.model.plan import Stored
from forensics.model.verdicts import CORRECTED_BY_DEFAULT
from forensics.writers.json import audit_schema
from tests.support.journals import JOURNAL, NOON, Registry, left_prepared, row_of, sample, write_journal

FALSE_LOST = "e3297ecf-924b-4bd7-a336-7a05406a569e"
FAILED = "bf0e2f55-43b0-498f-a8b1-b8cc672a7f35"
REPLAYED = "4ead835f-cc7d-4008-8eb2-f8cfcf6ce37f"
MANUAL = "c6d40f55-c45d-460e-aee6-8a694b81827d"
CAUGHT_UP = "3028e314-4404-4d06-aa9e-a710a649179e"
INTERRUPTED = "eb90a215-d39c-42f6-bada-aa7edf84f381"
TOUCHED_ROWS = [FALSE_LOST, FAILED, REPLAYED, MANUAL, CAUGHT_UP]

JOURNAL_SHOWN = "every-verdict/backups/runs.backup.sqlite.journal.json"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Give the registry of a copy of the sample, and work in the folder that holds the copy."""
    monkeypatch.chdir(tmp_path)
    return sample(tmp_path, "every-verdict")


def audited() -> Report:
    return audit(load_evidence(["every-verdict"]))


def told(*arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "every-verdict"])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def values_of(finding: Finding) -> Stored:
    assert finding.correction is not None
    correction = finding.correction
    ended_ms, cleanup_ms = (round(at.timestamp() * 1000) for at in (correction.ended_at, correction.cleanup_after))
    return {
        "status": correction.status,
        "ended_at": ended_ms,
        "last_event_at": ended_ms,
        "error": correction.error,
        "terminal_summary": correction.terminal_summary,
        "cleanup_after": cleanup_ms,
    }


def corrected_as_fix_does(registry: Registry) -> Path:
    """Correct what fix corrects by default, with the values of the audit; give the journal."""
    found = [one for one in audited().of_verdict(*CORRECTED_BY_DEFAULT) if not one.projected]
    assert sorted(one.task_id for one in found) == sorted(TOUCHED_ROWS)
    return registry.fix("runs.backup.sqlite", {one.task_id: values_of(one) for one in found})


def line_of(journal: Path, task_id: str) -> int:
    lines = journal.read_text("ascii").splitlines()
    return next(number for number, line in enumerate(lines, 1) if f'"task_id": "{task_id}"' in line)


def test_the_audit_says_in_one_line_what_was_corrected(registry: Registry) -> None:
    corrected_as_fix_does(registry)
    text = told("audit")
    assert f"5 rows were corrected on 2026-11-26 (from lost; journal {JOURNAL_SHOWN})." in text
    assert "Healed" not in text
    registry.fix("two.sqlite", {INTERRUPTED: {"status": "failed"}}, at=NOON + timedelta(days=1))
    text = told("audit")
    assert f"{JOURNAL_SHOWN}). 1 row was corrected on 2026-11-27 (from lost; journal every-verdict/backups/two" in text


def test_markdown_lists_the_corrected_rows_each_with_its_place(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    text = told("audit", "-f", "markdown")
    assert "## Corrected rows" in text
    place = f"{JOURNAL_SHOWN}:{line_of(journal, FAILED)}"
    assert f"| {FAILED} | 2026-11-26 12:00:00.250 | lost | failed | false\\_lost | {place}".replace("\\", "") in (
        text.replace("\\", "")
    )


def test_json_lists_the_corrected_rows_in_a_fixed_order(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    result = CliRunner().invoke(main, ["audit", "every-verdict", "-f", "json"])
    document = json.loads(result.stdout)
    assert [error.message for error in Draft202012Validator(audit_schema()).iter_errors(document)] == []
    rows = document["summary"]["corrected"]
    assert [row["task_id"] for row in rows] == sorted(TOUCHED_ROWS)
    paths = {source["id"]: source["path"] for source in document["sources"]}
    row = next(row for row in rows if row["task_id"] == FAILED)
    assert (paths[row["source"]], row["line"]) == (JOURNAL_SHOWN, line_of(journal, FAILED))
    assert (row["gateway"], row["at"], row["verdict"]) == ("state", "2026-11-26T12:00:00.250Z", "false_lost")
    before = registry_values(registry.backups / "runs.backup.sqlite", FAILED)
    after = registry_values(registry.path, FAILED)
    assert [(one["status"], one["error"]) for one in (row["from"], row["to"])] == [before, after]
    row["from"].pop("status")
    assert list(Draft202012Validator(audit_schema()).iter_errors(document))


def registry_values(path: Path, task_id: str) -> tuple[str, str | None]:
    with closing(sqlite3.connect(path)) as database:
        (row,) = database.execute("SELECT status, error FROM task_runs WHERE task_id = ?", (task_id,)).fetchall()
    return row[0], row[1]


def test_the_rows_that_were_not_touched_are_judged_as_before(registry: Registry) -> None:
    before = {one.task_id: one for one in audited().findings if one.task_id not in TOUCHED_ROWS}
    journal = corrected_as_fix_does(registry)
    for undo in ("undo.sqlite", "again.sqlite"):
        report = audited()
        after = {one.task_id: one for one in report.findings if one.task_id not in TOUCHED_ROWS}
        assert [(one.verdict, one.confidence, one.cause, one.reasons, one.restart) for one in before.values()] == [
            (one.verdict, one.confidence, one.cause, one.reasons, one.restart) for one in after.values()
        ]
        assert {report.paths()[one.source] for one in after.values() if not one.projected} == {
            "every-verdict/state/tasks/runs.sqlite"
        }
        registry.undo(undo, parsed_journal(journal.read_text("ascii")), at=NOON + timedelta(hours=1))


def test_an_undone_correction_gives_the_audit_of_before(registry: Registry) -> None:
    before = [(one.task_id, one.verdict, one.reasons, one.correction) for one in audited().findings]
    journal = corrected_as_fix_does(registry)
    registry.undo("undo.sqlite", parsed_journal(journal.read_text("ascii")), at=NOON + timedelta(hours=1))
    report = audited()
    assert [(one.task_id, one.verdict, one.reasons, one.correction) for one in report.findings] == before
    assert (report.summary.corrected, report.summary.healed) == ((), ())


def test_a_corrected_row_is_explained_with_reason_before_and_the_way_back(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    text = told("explain", FALSE_LOST)
    assert "State: succeeded, not lost: corrected on 2026-11-26 12:00:00 from lost." in text
    assert "The reason that fix gave: its own record says so (cron/runs/job.jsonl:1)" in text
    assert 'Before, it said lost: ended 10:05:05.000, error "backing session missing".' in text
    assert f"To take it back: forensics undo {JOURNAL_SHOWN}" in text
    assert f"{JOURNAL_SHOWN}:{line_of(journal, FALSE_LOST)}" in text
    assert "Nothing of what fix wrote has changed since." in text
    assert "Row and record agree." in text


def test_the_journal_comes_before_what_the_texts_suggest(registry: Registry) -> None:
    corrected_as_fix_does(registry)
    assert "State: failed, not lost: corrected on 2026-11-26 12:00:00 from lost." in told("explain", REPLAYED)
    (registry.backups / "runs.backup.sqlite.journal.json").unlink()
    assert "State: failed, not lost: corrected as forensics fix does, from lost to the" in told("explain", REPLAYED)


def test_a_row_that_changed_since_says_in_what(registry: Registry) -> None:
    corrected_as_fix_does(registry)
    registry.change(FALSE_LOST, cleanup_after=None, terminal_summary="other")
    text = told("explain", FALSE_LOST)
    assert "corrected on 2026-11-26 12:00:00 from lost, and changed since." in text
    assert "Changed since: terminal_summary and cleanup_after." in text
    assert "Nothing of what fix wrote" not in text
    assert text.count("hanged since:") == 1


def test_a_row_that_is_something_else_is_not_called_corrected(registry: Registry) -> None:
    corrected_as_fix_does(registry)
    registry.change(FALSE_LOST, status="running", ended_at=None)
    (registry.backups / "runs.backup.sqlite").unlink()
    text = told("explain", FALSE_LOST)
    assert "State: running, not lost: no sweep has marked it." in text
    assert "A journal says that it was corrected to succeeded on 2026-11-26 12:00:00; what is at hand of" in text


def test_a_restored_row_says_when_it_was_restored(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    undo = registry.undo("undo.sqlite", parsed_journal(journal.read_text("ascii")), at=NOON + timedelta(hours=1))
    text = told("explain", FALSE_LOST)
    assert "It is lost: restored on 2026-11-26 13:00:00 by undo, to what it was before it was corrected." in text
    assert f"every-verdict/backups/undo.sqlite.journal.json:{line_of(undo, FALSE_LOST)}" in text
    assert "Verdict: false_lost" in text


def test_a_copy_that_does_not_show_the_correction_says_so(registry: Registry) -> None:
    before = registry.path.read_bytes()
    journal = corrected_as_fix_does(registry)
    registry.path.write_bytes(before)
    text = told("explain", FALSE_LOST)
    assert "A journal says that it was corrected to succeeded on 2026-11-26 12:00:00; what is at hand of" in text
    left_prepared(journal, parsed_journal(journal.read_text("ascii")))
    text = told("explain", FALSE_LOST)
    assert "A journal says that it was to be corrected to succeeded on 2026-11-26 12:00:00; neither the row" in text


def test_a_correction_whose_commit_is_not_on_record_is_shown_by_the_row(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    left_prepared(journal, parsed_journal(journal.read_text("ascii")))
    text = told("explain", FALSE_LOST)
    assert "corrected on 2026-11-26 12:00:00 from lost." in text
    assert "written before the change was committed; that it was, the row itself shows." in text


def test_a_cleaned_row_is_healed_and_said_to_be_cleaned(registry: Registry) -> None:
    good = values_of(next(one for one in audited().findings if one.task_id == FALSE_LOST))
    registry.change(FALSE_LOST, **{**good, "error": "backing session missing"})  # type: ignore[arg-type]
    registry.fix("clean.sqlite", {FALSE_LOST: {"error": None}}, verdict="healed", why="the text of the mark")
    text = told("audit")
    assert "Healed: 1 succeeded row bore the text of a lost mark" in text
    assert "forensics fix has cleared it from 1 of them since." in text
    assert "1 healed row was corrected on 2026-11-26 (the text of the mark cleared; journal" in text
    text = told("explain", FALSE_LOST)
    assert (
        "State: succeeded, not lost: healed, it was marked lost and put right since. Corrected on 2026-11-26 12:00:00: "
        "the text of the mark was cleared." in text
    )
    assert "A late finish wrote status, end and summary; fix cleared what was left of the mark." in text
    assert "The reason that fix gave: the text of the mark" in text
    assert "or forensics fix put it right, and leaves no trace" not in text


def test_a_job_without_lost_rows_says_how_many_were_corrected(registry: Registry) -> None:
    corrected_as_fix_does(registry)
    assert "1 of them was corrected by forensics fix." in told("explain", "hourly-mail")


def test_sources_show_the_journal_and_what_it_gave(registry: Registry) -> None:
    corrected_as_fix_does(registry)
    text = told("sources")
    assert f"{JOURNAL_SHOWN} fix_journal *.journal.json a journal of forensics fix - state 5 corrected rows" in text


def test_a_journal_alone_is_nothing_to_audit(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "x.journal.json", JOURNAL)
    result = CliRunner().invoke(main, ["audit", str(path)])
    assert isinstance(result.exception, NothingToReadError)
    assert "no task registry; found: fix_journal" in str(result.exception)


def test_hostile_words_of_a_journal_reach_no_terminal(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    read = parsed_journal(journal.read_text("ascii"))
    why, verdict = "\x1b[2J" + "x" * 100_000, "\x1b[31m|"
    hostile = tuple(row_of(row.task_id, row.before, row.after, why=why, verdict=verdict) for row in read.rows)
    write_journal(journal, replace(read, rows=hostile))
    for text in (told("explain", FALSE_LOST), told("audit"), told("audit", "-f", "markdown")):
        assert "\x1b" not in text
        assert "x" * 1000 not in text


def test_the_explanation_as_json_cites_the_journal(registry: Registry) -> None:
    journal = corrected_as_fix_does(registry)
    result = CliRunner().invoke(main, ["explain", FALSE_LOST, "every-verdict", "-f", "json"])
    document = json.loads(result.stdout)
    (row,) = document["rows"]
    contract = {"$ref": "#/$defs/explained_row", "$defs": audit_schema()["$defs"]}
    assert [error.message for error in Draft202012Validator(contract).iter_errors(row)] == []
    paths = {source["id"]: source["path"] for source in document["sources"]}
    cited = {
        (paths[one["evidence"]["source"]], one["evidence"]["line"], one["evidence"]["at"])
        for one in row["explanation"]["because"]
        if "journal" in paths[one["evidence"]["source"]]
    }
    assert cited == {(JOURNAL_SHOWN, line_of(journal, FALSE_LOST), "2026-11-26T12:00:00.250Z")}
