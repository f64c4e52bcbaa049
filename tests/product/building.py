"""Scratch homes with a registry in them, and the fix-up of it, made and applied as a user does."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import forensics
from forensics.model.finding import Correction
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Confidence
from tests.product.cases import CAPTURED_STATE, Case
from tests.product.gateway import Home, running
from tests.product.registries import Row, put_into, read
from tests.product.releases import OLD, SHARED, Installed

DATA = Path(__file__).parent.parent / "data"
CAPTURED_TABLES = ("task_runs", "task_delivery_state", "flow_runs", "cron_jobs", "cron_run_logs", "cron_run_receipts")
"""What a reduced capture says about tasks and jobs; the rest of a database is the release's own."""

KEPT_DAYS = 7
"""The product deletes an ended row so many days after its end, or later if the row says so."""


@dataclass(frozen=True, slots=True)
class Fix:
    """The two scripts, what the audit says the rows should become (by task id), and what the command said."""

    fix: Path
    undo: Path
    corrected: Mapping[str, Row]
    lost: int
    said: str
    options: tuple[str, ...]


def unpacked(case: Case, scratch: Path) -> Path:
    """Give the unpacked capture of a case."""
    folder = scratch / "captures" / case.capture
    if not folder.exists():
        with tarfile.open(DATA / f"{case.capture}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return folder


def build(case: Case, product: Installed, home: Home, capture: Path) -> None:
    """Put the registry of a case into an empty home, in the layout of its release, its jobs switched off."""
    home.furnish()
    if case.state is not None:
        shutil.copytree(capture / case.state, home.state, dirs_exist_ok=True)
        _switch_off_in_file(home.state / "cron/jobs.json")
    if case.database is not None:
        with running(product, home):
            pass  # its first start makes the whole database; a capture holds only a part of one
        renamed = (CAPTURED_STATE, str(home.state))
        put_into(home.state / SHARED, capture / case.database, CAPTURED_TABLES, renamed)
        _switch_off_in_table(home.state / SHARED)


def registry_of(home: Home) -> Path:
    """Give where the registry lies just now: a later release moves the old one when it migrates it."""
    old = home.state / OLD
    return old if old.exists() else home.state / SHARED


def _switch_off_in_file(jobs: Path) -> None:
    told = json.loads(jobs.read_text("utf-8"))
    for job in told["jobs"]:
        job["enabled"] = False
    jobs.write_text(json.dumps(told), encoding="utf-8")


def _switch_off_in_table(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE cron_jobs SET job_json = json_set(job_json, '$.enabled', json('false'))")
        if any(column[1] == "enabled" for column in connection.execute("PRAGMA table_info(cron_jobs)")):
            connection.execute("UPDATE cron_jobs SET enabled = 0")


def make_fix(case: Case, home: Home, capture: Path, into: Path) -> Fix:
    """Let the command write both scripts, and the audit say what the rows should become."""
    evidence = [str(home.state), *(str(capture / path) for path in case.beside)]
    fix, undo = into / "fix.sql", into / "undo.sql"
    options = _keeping(registry_of(home))
    said = _forensics("fix", *evidence, "-o", str(fix), "--undo", str(undo), *options).stderr
    report = forensics.audit(forensics.load_evidence(evidence))
    corrected = {
        finding.task_id: _row_of(finding.correction)
        for finding in report.findings
        if finding.correction is not None and finding.confidence is not Confidence.WEAK
        if finding.verdict in CORRECTED_BY_DEFAULT
    }
    return Fix(fix, undo, corrected, report.summary.lost, said.splitlines()[-1].split(": ")[-1], options)


def _row_of(correction: Correction) -> Row:
    ended, cleanup = (round(at.timestamp() * 1000) for at in (correction.ended_at, correction.cleanup_after))
    return {
        "status": correction.status,
        "ended_at": ended,
        "last_event_at": ended,
        "error": correction.error,
        "terminal_summary": correction.terminal_summary,
        "cleanup_after": cleanup,
    }


def _keeping(registry: Path) -> tuple[str, ...]:
    """Give the option that keeps the corrected rows longer, where they would be too old for the sweep otherwise."""
    if "--keep" not in _forensics("fix", "--help").stdout:
        return ()
    ends = [row["ended_at"] for row in read(registry)["task_runs"].rows.values() if isinstance(row["ended_at"], int)]
    age = datetime.now(UTC) - datetime.fromtimestamp(min(ends) / 1000, UTC)
    return () if age < timedelta(days=KEPT_DAYS - 1) else ("--keep", str(age.days + 30))


def _forensics(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forensics", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=DATA.parent.parent,
    )


def apply(script: Path, database: Path) -> list[str]:
    """Run a script with ``sqlite3 -bail``, else with Python's module; give the lines that it answers."""
    if shutil.which("sqlite3"):
        with script.open("rb") as text:
            done = subprocess.run(
                ["sqlite3", "-bail", database], stdin=text, capture_output=True, text=True, check=False
            )
        return (done.stdout + done.stderr).splitlines()
    with closing(sqlite3.connect(database)) as connection:
        try:
            connection.executescript(script.read_text("utf-8"))
        except sqlite3.DatabaseError as error:
            return [str(error)]
    return []
