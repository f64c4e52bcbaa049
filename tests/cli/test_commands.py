"""Commands as users run them: exit codes, errors that help, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest
from click.testing import CliRunner, Result

from forensics import __version__
from forensics.cli import _COMMANDS, main
from forensics.cli.fix import _told
from forensics.cli.options import Asked, evidence_of, parsed_gateways, parsed_zone
from forensics.model.errors import NothingToReadError, UsageError
from tests.parsers.shapes import START_MS, log_line, utc, write_log
from tests.support.captures import DATA, snapshot, unpack
from tests.support.command import forensics
from tests.support.packing import packed, write

SAMPLES = Path(__file__).parent.parent.parent / "samples"
COMMANDS = (["audit"], ["explain", "97b96ec8"], ["restarts"], ["sources"], ["check"])


def assert_helpful(result: object, code: int, *words: str) -> None:
    """Check the exit code, and that standard error says what happened without a traceback."""
    returncode, stderr = getattr(result, "returncode"), getattr(result, "stderr")  # noqa: B009
    assert returncode == code, stderr
    assert "Traceback" not in stderr
    assert "bug in forensics" not in stderr
    for word in words:
        assert word in stderr


def test_version() -> None:
    assert forensics("--version").stdout == f"forensics {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_reading_commands_exit_0_and_keep_the_evidence(command: list[str], tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "real-lost-write", copy)
    before = snapshot(copy)
    result = forensics(*command, copy)
    assert (result.returncode, result.stderr) == (0, "")
    assert snapshot(copy) == before


def test_fix_keeps_the_evidence(tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "real-lost-write", copy)
    before = snapshot(copy)
    result = forensics("fix", copy, "-o", tmp_path / "fix.sql", "--undo", tmp_path / "undo.sql")
    assert result.returncode == 0
    assert "2 rows to correct; 0 lost rows are left as they are" in result.stderr
    assert snapshot(copy) == before


def test_read_only_evidence_is_enough(tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "real-lost-write", copy)
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert forensics("audit", copy).returncode == 0
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize(
    ("sample", "options", "code"),
    [
        ("founding-same-run", (), 0),
        ("every-verdict", (), 1),
        ("every-verdict", ("--fail-on", "unexplained"), 1),
        ("founding-stand-in", ("--fail-on", "failed"), 0),
        ("founding-stand-in", ("--fail-on", "replayed"), 1),
    ],
)
def test_check_turns_findings_into_its_exit_code(sample: str, options: tuple[str, ...], code: int) -> None:
    result = forensics("check", SAMPLES / sample, *options)
    assert result.returncode == code
    assert ("check failed" if code else "check passed") in result.stdout


def test_a_check_does_not_pass_on_evidence_that_could_not_all_be_read(tmp_path: Path) -> None:
    result = forensics("check", SAMPLES / "real-lost-write", tmp_path / "nosuch.log")
    assert result.returncode == 3
    assert "there is no such file" in result.stderr
    assert "not all of the evidence could be read" in result.stderr


def test_check_json_names_what_failed() -> None:
    result = forensics("check", SAMPLES / "every-verdict", "-f", "json", "--fail-on", "unexplained")
    document = json.loads(result.stdout)
    assert (document["schema"], document["passed"], len(document["failing"])) == ("forensics.check/1", False, 1)
    assert document["audit"]["schema"] == "forensics.audit/1"


def test_unknown_verdict_is_a_usage_error() -> None:
    assert_helpful(
        forensics("check", SAMPLES / "every-verdict", "--fail-on", "lost"), 2, "lost is no verdict", "false_lost"
    )


@pytest.mark.parametrize("nothing", ["", " , "])
def test_fail_on_nothing_is_a_usage_error(nothing: str) -> None:
    assert_helpful(forensics("check", SAMPLES / "every-verdict", "--fail-on", nothing), 2, "names no verdict")


@pytest.mark.parametrize("target", ["state/tasks/runs.sqlite", "state/tasks/runs.sqlite-wal", "link"])
def test_no_output_is_written_over_evidence(target: str, tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "real-lost-write", copy)
    (copy / "link").symlink_to(copy / "state/tasks/runs.sqlite")
    before = snapshot(copy)
    assert_helpful(forensics("audit", copy / "state", "-o", copy / target), 2, "is evidence; nothing was written")
    result = forensics("fix", copy / "state", "-o", tmp_path / "fix.sql", "--undo", copy / target)
    assert_helpful(result, 2, "is evidence; nothing was written")
    assert snapshot(copy) == before
    assert not (tmp_path / "fix.sql").exists()


def test_no_output_replaces_a_file_of_a_state_directory_that_is_not_read(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "founding-same-run", tmp_path / "evidence")
    state = tmp_path / "evidence/state"
    transcript = state / "agents/main/sessions/s.jsonl"
    transcript.parent.mkdir(parents=True)
    transcript.write_text("a transcript\n", encoding="utf-8")
    before = snapshot(tmp_path)
    for given in (tmp_path / "evidence", state, state / "tasks"):
        for command in (["audit", "-o"], ["check", "-o"], ["timeline", "-o"], ["check", "--also"], ["fix", "-o"]):
            target = f"json={transcript}" if command[1] == "--also" else str(transcript)
            assert_helpful(forensics(command[0], given, command[1], target), 2, "is evidence")
    inside = forensics("audit", "evidence", "-o", "evidence/state/agents/main/sessions/s.jsonl", cwd=tmp_path)
    assert_helpful(inside, 2, "is evidence")
    assert snapshot(tmp_path) == before
    report = tmp_path / "evidence/audit.txt"
    for _ in range(2):
        assert forensics("audit", tmp_path / "evidence", "-o", report).returncode == 0


def test_fix_and_undo_need_files_of_their_own(tmp_path: Path) -> None:
    result = forensics("fix", SAMPLES / "real-lost-write", "-o", tmp_path / "x.sql", "--undo", tmp_path / "x.sql")
    assert_helpful(result, 2, "two outputs go to the same file")
    assert not (tmp_path / "x.sql").exists()


def test_unknown_task_is_a_usage_error() -> None:
    assert_helpful(forensics("explain", "nope", SAMPLES / "every-verdict"), 2, "no task row with id nope")


def test_a_mistyped_command_is_told_what_may_have_been_meant() -> None:
    assert_helpful(forensics("explian"), 2, "No such command 'explian'. Did you mean 'explain'?")


def test_help_fits_a_terminal_of_80_columns() -> None:
    for command in ((), *((name,) for name in _COMMANDS)):
        told = CliRunner().invoke(main, [*command, "--help"], prog_name="forensics", terminal_width=80).stdout
        assert [line for line in told.splitlines() if len(line) > 80] == [], command


def test_task_that_is_not_lost_is_said_to_be_so() -> None:
    with closing(sqlite3.connect(SAMPLES / "every-verdict/state/tasks/runs.sqlite")) as database:
        task_id = database.execute("SELECT task_id FROM task_runs WHERE status = 'succeeded'").fetchone()[0]
    result = forensics("explain", task_id, SAMPLES / "every-verdict")
    assert (result.returncode, result.stderr) == (0, "")
    assert "State: succeeded, not lost: there is no mark to explain." in result.stdout


def test_task_can_be_named_by_its_run_id() -> None:
    run_id = "cron:575b8a3a-11e6-4100-82fd-5dc4dc39cb66:1795474694013"
    result = forensics("explain", run_id, SAMPLES / "real-lost-write")
    assert "97b96ec8-5199-4df1-9cb1-1d65e1071d5c" in result.stdout


def test_missing_path_is_named() -> None:
    assert_helpful(forensics("audit", "no-such-folder"), 3, "no-such-folder: there is no such file or folder", "hint:")


def test_missing_path_does_not_stop_the_others(tmp_path: Path) -> None:
    result = forensics("audit", SAMPLES / "real-lost-write", tmp_path / "nowhere")
    assert result.returncode == 0
    assert "nowhere: there is no such file or folder" in result.stdout


def test_empty_folder_has_nothing_to_read(tmp_path: Path) -> None:
    assert_helpful(forensics("audit", tmp_path), 3, "nothing to read", "no file of a known kind", "hint:")


def test_file_of_no_known_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    assert_helpful(forensics("audit", tmp_path / "notes.txt"), 3, "notes.txt", "text of no known kind")


def test_state_directory_without_a_registry_is_said_to_lack_it(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "real-lost-write/state/cron", tmp_path / "state/cron")
    assert_helpful(forensics("audit", tmp_path / "state"), 3, "no task registry", "cron_run_log", "runs.sqlite-wal")
    result = forensics("sources", tmp_path / "state")
    assert result.returncode == 0
    assert "no task registry" in result.stdout


def test_database_without_its_write_ahead_log_is_not_read_as_empty(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "real-lost-write", tmp_path / "copy")
    wal = tmp_path / "copy/state/tasks/runs.sqlite-wal"
    database = tmp_path / "copy/state/tasks/runs.sqlite"
    wal.unlink()
    database.write_bytes(database.read_bytes()[:4096])
    with closing(sqlite3.connect(tmp_path / "empty.sqlite")) as empty:
        empty.execute("PRAGMA journal_mode = WAL")
        empty.execute("CREATE TABLE later (x)")
        shutil.copyfile(tmp_path / "empty.sqlite", database)
    result = forensics("audit", tmp_path / "copy")
    assert_helpful(result, 3, "runs.sqlite-wal")


def test_damaged_database_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "every-verdict", tmp_path / "copy")
    (tmp_path / "copy/state/tasks/runs.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    result = forensics("audit", tmp_path / "copy")
    assert result.returncode == 0, result.stderr
    assert "the database is damaged" in result.stdout
    assert "runs.sqlite" in result.stdout


def test_garbage_and_truncated_lines_are_counted_and_named(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "real-lost-write", tmp_path / "copy")
    log = next((tmp_path / "copy/logs").iterdir())
    lines = log.read_text("utf-8").splitlines()
    log.write_text("\n".join([*lines[:3], "not json at all", *lines[3:], '{"0":"{\\"subsystem\\"']), encoding="utf-8")
    result = forensics("audit", tmp_path / "copy")
    assert result.returncode == 0
    assert f"{log.name}:4" in result.stdout
    assert "not JSON: not json at all" in result.stdout
    assert "the last line is cut off" in result.stdout
    told = json.loads(forensics("sources", tmp_path / "copy", "-f", "json").stdout)
    source = next(source for source in told["sources"] if source["kind"] == "gateway_log")
    assert source["rejected"] == 2
    assert source["lines"] == source["records"] + source["skipped"] + source["rejected"]


def test_restarts_without_a_gateway_log_say_so() -> None:
    result = forensics("restarts", SAMPLES / "real-lost-write/state")
    assert_helpful(result, 3, "no gateway log")


def test_restarts_are_told_by_records_where_no_log_is_given(tmp_path: Path) -> None:
    bundle = {"generatedAt": utc(START_MS), "reason": "uncaught", "process": {"pid": 5011, "uptimeMs": 9_000}}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    lock = {"pid": 5012, "createdAt": utc(START_MS + 60_000), "configPath": "/home/claw/openclaw.json"}
    (tmp_path / "gateway.state.lock").write_text(json.dumps(lock), encoding="utf-8")
    result = forensics("restarts", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "R1" in result.stdout
    assert "[lock] taken by pid 5012" in result.stdout


def test_restarts_say_where_sources_disagree(tmp_path: Path) -> None:
    ready = log_line("gateway", "listening on ws://127.0.0.1:18789 (PID 5011)", ms=START_MS + 4_000)
    write_log(tmp_path / "openclaw-2026-04-17.log", log_line("gateway", "loading configuration…"), ready)
    lock = {"pid": 5012, "createdAt": utc(START_MS + 1_000), "configPath": "/home/claw/openclaw.json"}
    (tmp_path / "gateway.state.lock").write_text(json.dumps(lock), encoding="utf-8")
    told = "the log and a record name different processes"
    assert f"In doubt, and no proof of anything:\n  R1: {told}\n" in forensics("restarts", tmp_path).stdout
    (window,) = json.loads(forensics("restarts", tmp_path, "-f", "json").stdout)["restarts"]
    assert (window["doubt"], window["process"]) == (told, "unknown")


def test_without_a_path_the_gateway_of_this_machine_is_read(tmp_path: Path) -> None:
    state = SAMPLES / "founding-same-run/state"
    env = {"OPENCLAW_STATE_DIR": str(state), "TMPDIR": str(tmp_path)}
    assert "Daily Google Review Monitor" in forensics("audit", env=env).stdout
    home = tmp_path / "home"
    shutil.copytree(state, home / ".openclaw")
    env = {"OPENCLAW_STATE_DIR": "", "HOME": str(home), "TMPDIR": str(tmp_path)}
    assert "Daily Google Review Monitor" in forensics("audit", env=env).stdout


def test_without_a_path_and_without_a_gateway_it_says_what_to_do(tmp_path: Path) -> None:
    env = {"OPENCLAW_STATE_DIR": "", "HOME": str(tmp_path)}
    assert_helpful(forensics("audit", env=env), 3, "no PATH was given", "OPENCLAW_STATE_DIR")


@pytest.mark.skipif(Path("/tmp/openclaw").is_dir(), reason="a gateway of this machine logs where this test looks")  # noqa: S108
def test_default_log_folder_is_read_too(tmp_path: Path) -> None:
    logs = tmp_path / f"openclaw-{os.getuid()}"
    shutil.copytree(SAMPLES / "founding-same-run/logs", logs)
    env = {"OPENCLAW_STATE_DIR": str(SAMPLES / "founding-same-run/state"), "TMPDIR": str(tmp_path)}
    assert "restart" in forensics("audit", env=env).stdout.split("Daily Google Review Monitor")[1]


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "audit.md"
    result = forensics("audit", SAMPLES / "every-verdict", "-f", "markdown", "-o", target)
    assert (result.returncode, result.stdout) == (0, "")
    assert target.read_text("utf-8").startswith("# Corrected task audit\n")


def test_output_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    result = forensics("audit", SAMPLES / "every-verdict", "-o", tmp_path / "no" / "audit.txt")
    assert_helpful(result, 2, "cannot be written")


def test_now_moves_the_counts_only() -> None:
    early = json.loads(forensics("audit", SAMPLES / "every-verdict", "-f", "json").stdout)
    late = json.loads(
        forensics("audit", SAMPLES / "every-verdict", "-f", "json", "--now", "2026-05-20T00:00:00Z").stdout
    )
    assert late["now"] == "2026-05-20T00:00:00.000Z"
    assert early["findings"] == late["findings"]


def test_now_that_is_no_time_is_a_usage_error() -> None:
    assert_helpful(forensics("audit", SAMPLES / "every-verdict", "--now", "soon"), 2, "'soon' is no ISO time")


def test_unknown_choice_of_fix_is_a_usage_error(tmp_path: Path) -> None:
    result = forensics("fix", SAMPLES / "every-verdict", "-o", tmp_path / "f.sql", "--include", "unexplained")
    assert_helpful(result, 2, "unexplained cannot be chosen here")
    assert not (tmp_path / "f.sql").exists()


def test_a_bug_is_reported_in_a_few_lines_with_exit_code_70(tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import forensics.cli.options as options\n"
        "def boom(*_):\n    raise RuntimeError('boom')\n"
        "options.parsed_now = boom\n"
    )
    result = forensics("audit", SAMPLES / "every-verdict", env={"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"})
    assert result.returncode == 70
    assert "bug in forensics" in result.stderr
    assert "RuntimeError: boom" in result.stderr
    assert "Traceback" not in result.stderr


def archive_of(sample: str, folder: Path) -> Path:
    return write(folder / f"{sample}.tar.gz", packed(SAMPLES / sample, "tar.gz"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_reading_command_reads_an_archive(command: list[str], tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    archive = archive_of("real-lost-write", tmp_path / "given")
    before = snapshot(archive.parent)
    result = forensics(*command, archive, env={"TMPDIR": str(temporary)})
    assert (result.returncode, result.stderr) == (0, "")
    assert command == ["check"] or str(archive) in result.stdout
    assert snapshot(archive.parent) == before
    assert list(temporary.iterdir()) == []


def test_fix_of_rows_of_an_export_is_a_usage_error(tmp_path: Path) -> None:
    export = DATA / "exports" / "4.15-task-runs.csv"
    for paths in ([export], [export, DATA / "exports" / "4.15-cron-runs.json"]):
        result = forensics("fix", *paths, "-o", tmp_path / "fix.sql")
        assert_helpful(result, 2, "come from an export", "runs.sqlite")
    assert not (tmp_path / "fix.sql").exists()


def test_fix_reads_an_archive_and_does_not_write_over_it(tmp_path: Path) -> None:
    archive = archive_of("real-lost-write", tmp_path)
    before = archive.read_bytes()
    assert "2 rows to correct" in forensics("fix", archive, "-o", tmp_path / "fix.sql").stderr
    assert_helpful(forensics("fix", archive, "-o", archive), 2, "is evidence; nothing was written")
    assert archive.read_bytes() == before


def piped(content: bytes, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=content)


def test_standard_input_is_read_for_a_dash() -> None:
    result = piped(packed(SAMPLES / "real-lost-write", "tar.gz"), "audit", "-")
    assert result.exit_code == 0
    assert "-/state/cron/runs/575b8a3a-11e6-4100-82fd-5dc4dc39cb66.jsonl:1" in result.stdout


def test_standard_input_cannot_be_read_twice() -> None:
    result = piped(b"", "audit", "-", "--gateway", "a=-")
    assert isinstance(result.exception, UsageError)
    assert "only once" in str(result.exception)


def test_a_terminal_is_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin.__class__, "isatty", lambda _stdin: True, raising=False)
    with pytest.raises(UsageError, match="terminal"):
        evidence_of(Asked(("-",), {}, None))


def test_an_empty_standard_input_is_nothing_to_read() -> None:
    result = piped(b"", "audit", "-")
    assert isinstance(result.exception, NothingToReadError)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_reading_command_takes_named_gateways(command: list[str]) -> None:
    paths = [f"--gateway=office={SAMPLES / 'real-lost-write' / part}" for part in ("state", "logs")]
    result = forensics(*command, *paths, "--tz", "Europe/Berlin")
    assert (result.returncode, result.stderr) == (0, "")


def test_the_path_of_a_named_gateway_may_begin_with_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shells expand ``~`` at the beginning of a word only, and here it stands behind the name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~there").mkdir()
    given = parsed_gateways(("a=~/x", "b=~", "c=~no-such-user-here/x", "d=x/~", "e=~there"))
    home = str(tmp_path)
    assert given == {"a": [f"{home}/x"], "b": [home], "c": ["~no-such-user-here/x"], "d": ["x/~"], "e": ["~there"]}


def test_named_gateways_are_read_beside_the_others() -> None:
    result = forensics(
        *("sources", SAMPLES / "founding-same-run", "-f", "json"),
        *("--gateway", f"office={SAMPLES / 'real-lost-write'}"),
    )
    told = {row["path"]: row["gateway"] for row in json.loads(result.stdout)["sources"]}
    assert {gateway for path, gateway in told.items() if "real-lost-write" in path} == {"office"}
    assert {gateway for path, gateway in told.items() if "founding" in path} == {"state"}


@pytest.mark.parametrize("given", ["office", "=x", "office=", " =x"])
def test_a_gateway_without_name_or_path_is_a_usage_error(given: str) -> None:
    assert_helpful(forensics("audit", "--gateway", given), 2, "names no gateway and path", "hint:")


@pytest.mark.parametrize(
    "zone", ["Europe/Nowhere", "", "+25:00", "+02:60", "/etc/passwd", "../UTC", "Europe", "a\x1bb", "2"]
)
def test_a_zone_that_is_none_is_a_usage_error(zone: str) -> None:
    assert_helpful(forensics("audit", SAMPLES / "real-lost-write", "--tz", zone), 2, "is no time zone", "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "hours"), [("UTC", 0), ("+02:00", 2), ("-0530", -5.5), ("Asia/Kolkata", 5.5), ("+00:00", 0)]
)
def test_a_zone_is_a_name_or_an_offset(text: str, hours: float) -> None:
    zone = parsed_zone(text)
    assert zone is not None
    assert zone.utcoffset(datetime(2026, 4, 17)) == timedelta(hours=hours)  # noqa: DTZ001 - in that zone


def test_task_forgotten_before_the_paths_is_said() -> None:
    evidence = SAMPLES / "real-lost-write"
    assert_helpful(forensics("explain", evidence), 2, f"{evidence} is a path", "forensics explain TASK PATH")
    assert_helpful(forensics("explain", evidence, evidence), 2, f"{evidence} is a path")


@pytest.mark.parametrize("command", ["audit", "fix"])
def test_output_named_dash_is_standard_output(tmp_path: Path, command: str) -> None:
    result = forensics(command, SAMPLES / "real-lost-write", "-o", "-", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) > 5
    assert list(tmp_path.iterdir()) == []


def test_two_outputs_cannot_both_be_standard_output() -> None:
    result = forensics("fix", SAMPLES / "real-lost-write", "-o", "-", "--undo", "-")
    assert_helpful(result, 2, "two outputs go to standard output")


def test_a_single_row_is_told_as_one() -> None:
    assert _told(1, 1) == "1 row to correct; 1 lost row is left as it is"


def test_a_terminated_command_leaves_nothing_behind(tmp_path: Path) -> None:
    archive = write(tmp_path / "state.tar.gz", packed(SAMPLES / "real-lost-write", "tar.gz"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = dict(os.environ) | {"TMPDIR": str(scratch)}
    command = [sys.executable, "-m", "forensics", "audit", str(archive), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdin is not None
        deadline = monotonic() + 60
        while not any(scratch.iterdir()) and monotonic() < deadline:
            sleep(0.05)
        assert any(scratch.iterdir()), "it has not begun to read"
        process.terminate()
        assert process.wait(60) == 143
    assert list(scratch.iterdir()) == []


def test_a_release_can_be_given_and_must_be_one() -> None:
    told = forensics("audit", str(SAMPLES / "real-lost-write"), "--release", "2026.7.35")
    assert "Gateway release: 2026.7.35, as given\n" in told.stdout
    refused = forensics("audit", str(SAMPLES / "real-lost-write"), "--release", "seven")
    assert_helpful(refused, 2, "--release 'seven' is no release", "2026.4.15")


@pytest.mark.parametrize("job", ["hourly-mail", "bba5ed4c-d06a-45f9-ba19-932477a1b8e6"])
def test_a_job_stands_for_its_lost_rows(job: str) -> None:
    result = forensics("explain", job, SAMPLES / "every-verdict")
    assert (result.returncode, result.stderr) == (0, "")
    assert [line for line in result.stdout.splitlines() if line.startswith("Task ")] == [
        "Task 4ead835f-cc7d-4008-8eb2-f8cfcf6ce37f"
    ]


def test_a_name_that_several_jobs_share_stands_for_all_of_them() -> None:
    result = forensics("explain", "other-error", SAMPLES / "every-verdict")
    assert result.stdout.count("Verdict: not_applicable") == 2


def test_a_job_without_lost_rows_is_said_to_have_none() -> None:
    result = forensics("explain", "keep-alive", SAMPLES / "every-verdict")
    assert result.returncode == 0
    assert result.stdout.startswith("No row of keep-alive is lost: 1 succeeded. Latest: task ca01c956")


def test_many_lost_rows_of_a_job_are_listed_and_all_explained_in_json(tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "every-verdict", copy)
    with closing(sqlite3.connect(copy / "state/tasks/runs.sqlite")) as database, database:
        (job,) = database.execute("SELECT source_id FROM task_runs WHERE label = 'vanished'").fetchone()
        database.execute("UPDATE task_runs SET source_id = ? WHERE runtime = 'cron' AND status = 'lost'", (job,))
    listed = forensics("explain", "vanished", copy)
    assert listed.stdout.startswith("10 lost rows are of vanished; forensics explain TASK explains each.")
    assert "What the row claims" not in listed.stdout
    told = json.loads(forensics("explain", "vanished", copy, "-f", "json").stdout)
    assert len(told["findings"]) == 10
    assert all(finding["explanation"]["claims"] for finding in told["findings"])


def test_a_row_that_was_corrected_is_explained_as_it_is_now(tmp_path: Path) -> None:
    """An older copy still shows the row lost; its newest state is the one that is explained."""
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "real-lost-write", copy)
    fixed = copy / "state/tasks/runs.sqlite"
    script = tmp_path / "fix.sql"
    assert forensics("fix", copy, "-o", script).returncode == 0
    shutil.copytree(copy / "state", tmp_path / "older")
    with closing(sqlite3.connect(fixed)) as database:
        database.executescript(script.read_text("utf-8"))
    result = forensics("explain", "97b96ec8", copy, tmp_path / "older")
    assert (result.returncode, result.stderr) == (0, "")
    assert "State: succeeded, not lost: healed, it was marked lost and put right since." in result.stdout
    assert "Another copy shows it lost, ended 23:04:55.061." in result.stdout
    assert "a late finish or forensics fix put it right" in " ".join(result.stdout.split())


def test_an_id_that_begins_several_tasks_is_refused_with_their_ids(tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLES / "every-verdict", copy)
    with closing(sqlite3.connect(copy / "state/tasks/runs.sqlite")) as database, database:
        database.execute("UPDATE task_runs SET task_id = 'same-' || task_id")
    result = forensics("explain", "same-", copy)
    assert_helpful(result, 2, "same- could be same-", "or 3 more", "give more of the id")


def test_json_explains_in_the_words_of_the_text() -> None:
    told = json.loads(forensics("explain", "97b96ec8", SAMPLES / "real-lost-write", "-f", "json").stdout)
    text = " ".join(forensics("explain", "97b96ec8", SAMPLES / "real-lost-write").stdout.split())
    explanation = told["findings"][0]["explanation"]
    for part in ("claims", "shows", "because", "looked_for"):
        assert explanation[part]
        assert [one["text"] for one in explanation[part] if " ".join(one["text"].split()) not in text] == []
    assert [one["because"] for one in explanation["not_instead"] if one["because"] not in text] == []
    assert [one["where"] for one in explanation["overturned_by"] if one["where"] not in text] == []


def test_a_row_that_is_known_from_the_log_alone_is_said_to_stand_there(unpacked: Path) -> None:
    folder = unpack("2026.4.15-in-process", unpacked)
    copy = folder / "snap/1795474513512-before-restart2"
    result = forensics("explain", "083eddf7-c29c-4b3c-9d58-f1c359d6ca2f", copy, folder / "logs")
    assert_helpful(result, 2, "083eddf7", "openclaw-2026-11-23.log:", "not judged beside a registry", "hand over")


def test_a_row_of_an_unknown_gateway_asks_whose_it_is(tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(SAMPLES / "every-verdict/state", tmp_path / name / "state")
        with closing(sqlite3.connect(tmp_path / name / "state/tasks/runs.sqlite")) as database, database:
            database.execute("UPDATE task_runs SET task_id = ? || task_id", (name,))
    row = {"taskId": "lonely", "runtime": "cron", "status": "lost", "sourceId": "j", "createdAt": START_MS}
    export = tmp_path / "elsewhere/tasks.json"
    write(export, json.dumps({"count": 1, "runtime": None, "status": None, "tasks": [row]}).encode())
    result = forensics("explain", "lonely", tmp_path / "one", tmp_path / "two", export)
    assert_helpful(result, 2, "lonely stands in", "belongs to no known gateway", "--gateway NAME=PATH")


@pytest.mark.parametrize("now", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00", "1969-12-31T23:59:59Z"])
def test_a_now_that_no_gateway_knew_is_a_usage_error(now: str) -> None:
    result = forensics("audit", SAMPLES / "founding-same-run", "--now", now)
    assert (result.returncode, f"--now '{now}'" in result.stderr) == (2, True), result.stderr


def test_a_gateway_whose_name_is_no_text_is_a_usage_error() -> None:
    result = forensics("audit", "--gateway", f"g\udcff={SAMPLES / 'founding-same-run'}")
    assert (result.returncode, "names no gateway and path" in result.stderr) == (2, True), result.stderr


def test_a_working_directory_that_was_deleted_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -P -m forensics audit'
    environment = dict(os.environ) | {"PYTHONPATH": str(SAMPLES.parent)}
    result = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, "the working directory is gone" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("command", [["audit"], ["check"], ["explain", "aaaaaaaa"]])
def test_evidence_without_any_time_asks_for_one(command: list[str], tmp_path: Path) -> None:
    row = {"taskId": "aaaaaaaa-0000-4000-8000-000000000001", "runtime": "cron", "status": "lost"}
    export = tmp_path / "tasks-list.json"
    export.write_text(json.dumps({"count": 1, "tasks": [row]}), encoding="utf-8")
    assert_helpful(forensics(*command, export), 3, "no time at all", "--now")
    assert forensics("audit", export, "--now", "2026-05-01").returncode == 0


@pytest.mark.parametrize("command", [["audit"], ["check"], ["timeline"], ["sources"]])
def test_an_empty_path_is_not_the_working_directory(command: list[str]) -> None:
    """It comes from a variable that is not set: another incident must not be checked in its place."""
    result = forensics(*command, "", cwd=SAMPLES / "founding-same-run")
    assert_helpful(result, 2, "a path is empty")
    assert forensics(*command, ".", cwd=SAMPLES / "founding-same-run").returncode == 0
