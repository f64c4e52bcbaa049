"""``fix --apply`` and ``undo`` as a user runs them."""

from __future__ import annotations

import json
import os
import pty
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.parsers.database import companions_of, opened_copy
from forensics.repair.contents import contents_of, integrity_of
from tests.repair.registries import change, files_of, rows_of
from tests.support.command import forensics

SAMPLES = Path(__file__).parent.parent.parent / "samples"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / "every-verdict", tmp_path / "evidence"))


@pytest.fixture
def registry(copied: Path) -> Path:
    return copied / "state/tasks/runs.sqlite"


def digest_of(registry: Path) -> str:
    with opened_copy(registry, companions_of(registry)) as copy:
        assert integrity_of(copy) == ("ok", 0)
        return contents_of(copy).digest


def statuses(registry: Path) -> dict[str, str]:
    return {row["label"]: row["status"] for row in rows_of(registry).values()}


def assert_refused(result: subprocess.CompletedProcess[str], code: int, *told: str) -> None:
    assert result.returncode == code, result.stderr
    for text in (*told, "error: ", "hint: "):
        assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_apply_changes_the_registry_and_nothing_else_of_the_evidence(
    copied: Path, registry: Path, tmp_path: Path
) -> None:
    before, rows = files_of(copied), rows_of(registry)
    result = forensics("fix", copied, "--apply", registry, "--backup", tmp_path / "before.sqlite")
    assert result.returncode == 0, result.stderr
    assert "rehearsed on a private copy: 5 of 13 rows changed, 1 other table unchanged" in result.stderr
    assert "5 rows corrected; 7 lost rows are left as they are" in result.stderr
    assert "past their clean-up time" in result.stderr
    assert "nothing is changed yet" not in result.stderr
    after = files_of(copied)
    assert {name for name in before if after.get(name) != before[name]} == {"state/tasks/runs.sqlite"}
    assert rows_of(tmp_path / "before.sqlite") == rows
    assert statuses(registry)["flaky-sync"] == "failed"
    assert statuses(registry)["ledger-locked"] == "succeeded"
    assert statuses(registry)["died-alone"] == "lost"


def test_a_second_apply_says_what_the_first_did_and_changes_nothing(
    copied: Path, registry: Path, tmp_path: Path
) -> None:
    options = ("fix", copied, "--apply", registry, "--backup", tmp_path / "before.sqlite")
    assert forensics(*options).returncode == 0
    before = files_of(tmp_path)
    second = forensics(*options)
    assert second.returncode == 0, second.stderr
    assert "5 rows corrected already" in second.stderr
    assert "nothing to correct; 7 lost rows are left as they are" in second.stderr
    assert files_of(tmp_path) == before


def test_old_evidence_and_the_same_backup_finish_an_apply_that_was_killed(
    copied: Path, registry: Path, tmp_path: Path
) -> None:
    """The evidence is a copy that still shows the rows lost; the registry was corrected, its journal not completed."""
    live = Path(shutil.copytree(copied / "state", tmp_path / "live")) / "tasks/runs.sqlite"
    options = ("fix", copied, "--apply", live, "--backup", tmp_path / "before.sqlite")
    assert forensics(*options).returncode == 0
    journal = tmp_path / "before.sqlite.journal.json"
    journal.write_text(journal.read_text("utf-8").replace('"state": "applied"', '"state": "prepared"'), "utf-8")
    second = forensics(*options)
    assert second.returncode == 0, second.stderr
    assert json.loads(journal.read_text("utf-8"))["state"] == "applied"
    assert statuses(registry)["ledger-locked"] == "lost"


def test_apply_and_undo_give_every_byte_of_content_back(copied: Path, registry: Path, tmp_path: Path) -> None:
    before = digest_of(registry)
    assert forensics("fix", copied, "--apply", registry, "--backup", tmp_path / "a.sqlite").returncode == 0
    assert digest_of(registry) != before
    journal = tmp_path / "a.sqlite.journal.json"
    result = forensics("undo", journal, "--apply", registry, "--backup", tmp_path / "b.sqlite")
    assert result.returncode == 0, result.stderr
    assert digest_of(registry) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--apply", "DB"], "--apply needs --backup"),
        (["--backup", "FILE"], "--backup belongs to --apply"),
        (["--apply", "DB", "--backup", "DB"], "names the registry itself"),
        ([], "fix needs -o FILE"),
        (["--apply", "DB", "--backup", "FILE", "--undo", "FILE2"], "fix needs -o FILE"),
    ],
)
def test_apply_never_without_a_backup(
    copied: Path, registry: Path, tmp_path: Path, options: list[str], told: str
) -> None:
    before = files_of(tmp_path)
    names = {"DB": str(registry), "FILE": str(tmp_path / "b.sqlite"), "FILE2": str(tmp_path / "u.sql")}
    result = forensics("fix", copied, *[names.get(option, option) for option in options])
    assert result.returncode == 2
    assert told in result.stderr
    assert files_of(tmp_path) == before


def test_a_live_gateway_is_told_by_its_lock_and_nothing_is_touched(
    copied: Path, registry: Path, tmp_path: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as gateway:
        lock = copied / "state/tmp/openclaw-1000/gateway.state.lock"
        lock.parent.mkdir(parents=True)
        lock.write_text(json.dumps({"pid": gateway.pid, "createdAt": datetime.now(UTC).isoformat(), "configPath": "x"}))
        before = files_of(tmp_path)
        result = forensics("fix", copied, "--apply", registry, "--backup", tmp_path / "before.sqlite")
        assert_refused(result, 4, str(gateway.pid), "nothing was changed")
        assert files_of(tmp_path) == before
        assert gateway.stdin is not None
        gateway.stdin.close()
        gateway.wait()
    result = forensics("fix", copied, "--apply", registry, "--backup", tmp_path / "before.sqlite")
    assert result.returncode == 0, result.stderr


def test_a_failed_rehearsal_hands_nothing_over(copied: Path, registry: Path, tmp_path: Path) -> None:
    change(registry, "CREATE TABLE log (at)")
    change(registry, "CREATE TRIGGER meddle AFTER UPDATE ON task_runs BEGIN INSERT INTO log VALUES (1); END")
    before = files_of(tmp_path)
    result = forensics("fix", copied, "-o", tmp_path / "fix.sql", "--undo", tmp_path / "undo.sql")
    assert_refused(result, 4, "table log changed as well")
    assert files_of(tmp_path) == before


def answered(options: list[str], answer: bytes) -> tuple[int, str]:
    """Run a command in a terminal and give its answer to what it asks."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "forensics", *options])  # noqa: S606 - our own command
    told, has_answered = b"", False
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # the end, as Linux tells it
            break
        if not read:
            break
        told += read
        if b"[y/N]" in told and not has_answered:
            os.write(terminal, answer)
            has_answered = True
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), told.decode()


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 4), (b"\n", 4), (b"y\n", 0)])
def test_a_terminal_is_asked_first(copied: Path, registry: Path, tmp_path: Path, answer: bytes, code: int) -> None:
    before = digest_of(registry)
    options = ["fix", str(copied), "--apply", str(registry), "--backup", str(tmp_path / "before.sqlite")]
    found, told = answered(options, answer)
    assert found == code, told
    assert "5 rows to correct; 7 lost rows are left as they are. Go on? [y/N]" in told
    assert (digest_of(registry) == before) == (code == 4)


def test_yes_asks_nothing_in_a_terminal(copied: Path, registry: Path, tmp_path: Path) -> None:
    options = ["fix", str(copied), "--apply", str(registry), "--backup", str(tmp_path / "before.sqlite"), "--yes"]
    code, told = answered(options, b"n\n")
    assert code == 0, told
    assert "[y/N]" not in told


def test_rows_are_chosen_by_job_time_and_gateway(copied: Path, tmp_path: Path) -> None:
    def planned(*options: str) -> list[str]:
        result = forensics("fix", copied, "-o", tmp_path / "fix.sql", *options)
        assert result.returncode == 0, result.stderr
        script = (tmp_path / "fix.sql").read_text("utf-8")
        return [
            line.split(",")[0].removeprefix("-- job ") for line in script.splitlines() if line.startswith("-- job ")
        ]

    everything = ["manual-report", "flaky-sync", "ledger-locked", "hourly-mail", "slow-catch-up"]
    assert planned() == everything
    assert planned("--job", "flaky-sync", "--job", "hourly-mail") == ["flaky-sync", "hourly-mail"]
    assert planned("--since", "2026-04-20T07:30:00.011Z") == everything[1:]
    assert planned("--until", "2026-04-20T07:30:00.011Z") == everything[:1]
    assert planned("--job", "bba5ed4c-d06a-45f9-ba19-932477a1b8e6") == ["hourly-mail"]
    for option, name in (("--job", "nobody"), ("--of-gateway", "nowhere")):
        result = forensics("fix", copied, "-o", tmp_path / "fix.sql", option, name)
        assert_refused(result, 2, f"{option}: no lost row is of {name}", "known here")


def test_rows_of_two_gateways_are_corrected_one_by_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    shutil.copytree(SAMPLES / "every-verdict", one)
    shutil.copytree(SAMPLES / "real-lost-write", other)
    both = ("--gateway", f"one={one}", "--gateway", f"other={other}")
    result = forensics("fix", *both, "-o", tmp_path / "fix.sql")
    assert_refused(result, 2, "the rows lie in several registries", "--of-gateway")
    result = forensics("fix", *both, "-o", tmp_path / "fix.sql", "--of-gateway", "other")
    assert result.returncode == 0, result.stderr
    assert "2 rows to correct" in result.stderr


def test_kills_of_the_whole_command_leave_before_or_planned(copied: Path, tmp_path: Path) -> None:
    state = tmp_path / "live"
    options = ["fix", str(copied), "--apply", str(state / "tasks/runs.sqlite"), "--backup", str(tmp_path / "b.sqlite")]
    moments = random.Random(7)  # noqa: S311 - reproducible as far as a clock allows

    def attempt(kill_after: float | None) -> int:
        with subprocess.Popen([sys.executable, "-m", "forensics", *options], stderr=subprocess.DEVNULL) as command:
            if kill_after is not None:
                time.sleep(kill_after)
                command.kill()
            return command.wait()

    def fresh() -> None:
        for leftover in tmp_path.glob("b.sqlite*"):
            leftover.unlink()
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(copied / "state", state)

    fresh()
    before = digest_of(state / "tasks/runs.sqlite")
    begun = time.monotonic()
    assert attempt(None) == 0
    usual_seconds = time.monotonic() - begun
    planned = digest_of(state / "tasks/runs.sqlite")
    for _ in range(5):
        fresh()
        code = attempt(moments.uniform(0.5, 1.0) * usual_seconds)
        assert code in (0, -signal.SIGKILL)
        assert digest_of(state / "tasks/runs.sqlite") in (before, planned)
        assert attempt(None) == 0
        assert digest_of(state / "tasks/runs.sqlite") == planned
        assert digest_of(tmp_path / "b.sqlite") == before


def test_audit_and_explain_understand_the_journals_that_lie_in_the_state_directory(
    copied: Path, registry: Path
) -> None:
    backup, later = registry.with_name("before.sqlite"), registry.with_name("corrected.sqlite")
    task = next(row["task_id"] for row in rows_of(registry).values() if row["label"] == "ledger-locked")
    before = json.loads(forensics("audit", copied, "--format", "json").stdout)
    assert before["summary"]["corrected"] == []

    assert forensics("fix", copied, "--apply", registry, "--backup", backup).returncode == 0
    corrected = json.loads(forensics("audit", copied, "--format", "json").stdout)
    assert len(corrected["summary"]["corrected"]) == 5
    assert corrected["summary"]["lost"] == before["summary"]["lost"] - 5
    assert corrected["summary"]["healed"] == before["summary"]["healed"]
    for form in ("text", "markdown", "html"):
        assert "before.sqlite.journal.json" in forensics("audit", copied, "--format", form).stdout
    for form in ("text", "html"):
        assert "5 rows were corrected on" in forensics("audit", copied, "--format", form).stdout
    told = forensics("explain", task, copied).stdout
    assert "succeeded, not lost: corrected on" in told
    assert "before.sqlite.journal.json:" in told

    journal = backup.with_name(backup.name + ".journal.json")
    assert forensics("undo", journal, "--apply", registry, "--backup", later).returncode == 0
    restored = json.loads(forensics("audit", copied, "--format", "json").stdout)
    assert restored["summary"]["lost"] == before["summary"]["lost"]
    assert restored["summary"]["corrected"] == []
    assert [row["verdict"] for row in restored["findings"]] == [row["verdict"] for row in before["findings"]]
    assert "by undo" in forensics("explain", task, copied).stdout


def test_a_backup_that_a_journal_names_is_never_taken_for_the_registry(
    copied: Path, registry: Path, tmp_path: Path
) -> None:
    backup = copied / "backups/a.sqlite"
    backup.parent.mkdir()
    assert forensics("fix", copied, "--apply", registry, "--backup", backup).returncode == 0
    result = forensics("fix", copied, "-o", tmp_path / "fix.sql", "--include", "interrupted,healed")
    assert result.returncode == 0, result.stderr
    assert f"fix.sql for {copied}/state/tasks/runs.sqlite: 1 row" in (tmp_path / "fix.sql").read_text("utf-8")
    nothing = ("--exclude", "false_lost,failed,replayed")
    assert forensics("fix", copied, "-o", tmp_path / "fix.sql", *nothing).returncode == 0
    assert "state/tasks/runs.sqlite: no rows" in (tmp_path / "fix.sql").read_text("utf-8")


def test_the_same_command_with_a_choice_of_jobs_can_be_run_again(copied: Path, registry: Path, tmp_path: Path) -> None:
    options = ("fix", copied, "--job", "flaky-sync", "--apply", registry, "--backup", tmp_path / "before.sqlite")
    assert forensics(*options).returncode == 0
    again = forensics(*options)
    assert again.returncode == 0, again.stderr
    assert "1 row corrected already" in again.stderr


@pytest.mark.parametrize("name", ["live.sqlite", "before.sqlite", "before.sqlite.journal.json"])
@pytest.mark.parametrize("option", ["-o", "--undo"])
def test_a_script_never_takes_the_place_of_what_an_apply_works_on(
    copied: Path, registry: Path, tmp_path: Path, name: str, option: str
) -> None:
    live = Path(shutil.copyfile(registry, tmp_path / "live.sqlite"))
    other = () if option == "-o" else ("-o", tmp_path / "fix.sql")
    before = files_of(tmp_path)
    result = forensics(
        "fix", copied, option, tmp_path / name, *other, "--apply", live, "--backup", tmp_path / "before.sqlite"
    )
    assert_refused(result, 2, "is a database, a backup or a journal; nothing was written")
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("name", ["live.sqlite", "before.sqlite", "before.sqlite.journal.json", "hard"])
def test_the_script_of_an_undo_never_takes_the_place_of_registry_backup_or_journal(
    copied: Path, registry: Path, tmp_path: Path, name: str
) -> None:
    live, backup = Path(shutil.copyfile(registry, tmp_path / "live.sqlite")), tmp_path / "before.sqlite"
    journal = tmp_path / "before.sqlite.journal.json"
    assert forensics("fix", copied, "--apply", live, "--backup", backup).returncode == 0
    os.link(journal, tmp_path / "hard")
    before = files_of(tmp_path)
    assert_refused(forensics("undo", journal, "-o", tmp_path / name), 2, "is a database, a backup or a journal")
    assert files_of(tmp_path) == before


def test_the_command_to_undo_can_be_pasted(copied: Path, registry: Path, tmp_path: Path) -> None:
    result = forensics("fix", copied, "--apply", registry, "--backup", tmp_path / "be fore.sqlite")
    told = next(line for line in result.stderr.splitlines() if line.startswith("undo:"))
    assert shlex.split(told)[3:6] == [str(tmp_path / "be fore.sqlite.journal.json"), "--apply", str(registry)]


def test_no_row_is_kept_beyond_the_end_of_time(copied: Path, tmp_path: Path) -> None:
    result = forensics("fix", copied, "-o", tmp_path / "fix.sql", "--keep", "3650", "--now", "9998-01-01")
    assert_refused(result, 2, "is no time")
