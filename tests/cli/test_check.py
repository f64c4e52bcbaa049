"""``check`` as pipelines run it: formats, the baseline, and what it never writes over."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from forensics.cli import main
from forensics.model.baseline import parsed_baseline
from forensics.model.errors import ForensicsError, NothingToReadError, UsageError
from tests.support.captures import snapshot
from tests.support.command import forensics

ROOT = Path(__file__).parent.parent.parent
SAMPLE = str(ROOT / "samples" / "every-verdict")
NO_GITHUB = {"GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": ""}
FORMATS = ("text", "json", "sarif", "junit", "github")


def check(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """Run ``forensics check`` in this process; errors come as exceptions."""
    runner = CliRunner(env=NO_GITHUB | (env or {}))
    result = runner.invoke(main, ["check", *map(str, arguments)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, ForensicsError):
        raise result.exception
    return result


def code_of(result: Result) -> int:
    return int(result.return_value)


def usage_error(result: Result) -> str:
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def entries_of(file: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["entries"]
    return entries


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """Give a baseline that knows all that the sample has."""
    file = tmp_path / "known.json"
    assert code_of(check(SAMPLE, "--baseline", file, "--update-baseline")) == 0
    return file


@pytest.mark.parametrize(("actions", "is_github"), [("true", True), ("false", False), ("", False)])
def test_auto_is_github_in_a_job_of_github_actions(actions: str, *, is_github: bool) -> None:
    result = check(SAMPLE, "--format", "auto", env={"GITHUB_ACTIONS": actions})
    assert result.stdout.startswith("::error ") is is_github
    assert code_of(result) == 1


def test_github_appends_to_the_summary_of_the_step(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    check(SAMPLE, "-f", "auto", env=environment)
    once = summary.read_text("utf-8")
    assert once.startswith("before\n### forensics check\n")
    check(SAMPLE, "-f", "text", env=environment)
    assert summary.read_text("utf-8") == once
    check(SAMPLE, "-f", "text", "--also", f"github={tmp_path / 'told.txt'}", env=environment)
    assert summary.read_text("utf-8").count("### forensics check") == 2


def test_one_run_writes_every_format(tmp_path: Path) -> None:
    files = {form: tmp_path / form for form in FORMATS}
    result = check(SAMPLE, *(part for form, file in files.items() for part in ("--also", f"{form}={file}")))
    assert code_of(result) == 1
    for form, file in files.items():
        alone = tmp_path / f"{form} alone"
        check(SAMPLE, "-f", form, "-o", alone)
        assert file.read_bytes() == alone.read_bytes()
    assert files["text"].read_text("utf-8") == result.stdout
    assert json.loads(files["sarif"].read_text("utf-8"))["version"] == "2.1.0"
    assert ET.fromstring(files["junit"].read_text("utf-8")).tag == "testsuites"  # noqa: S314 - written here


def test_the_same_evidence_gives_the_same_bytes(known: Path, tmp_path: Path) -> None:
    """Whatever the order of paths, the seed of hashes and the zone of the machine."""
    paths = [f"{SAMPLE}/{part}" for part in ("state", "logs", "tasks-list.json")]
    machines = {"one": (paths, {"PYTHONHASHSEED": "1", "TZ": "UTC"})}
    machines["other"] = (paths[::-1], {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns"})
    for name, (given, environment) in machines.items():
        also = [part for form in FORMATS for part in ("--also", f"{form}={tmp_path / name}.{form}")]
        result = forensics("check", *given, "--baseline", known, *also, env=NO_GITHUB | environment)
        assert result.returncode == 1, result.stderr
    for form in FORMATS:
        assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"other.{form}").read_bytes()


@pytest.mark.parametrize("also", ["sarif", "sarif=", "=x", "lost=x", "auto=x"])
def test_also_needs_a_format_and_a_file(also: str) -> None:
    assert "names no format and file" in usage_error(check(SAMPLE, "--also", also))


def test_no_output_is_written_over_evidence_or_the_baseline(tmp_path: Path, known: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLE, copy)
    log = copy / "logs/openclaw-2026-04-20.log"
    before = snapshot(copy)
    summary = {"GITHUB_STEP_SUMMARY": str(log)}
    assert "is evidence" in usage_error(check(copy, "-o", log))
    assert "is evidence" in usage_error(check(copy, "--also", f"sarif={log}"))
    assert "is evidence" in usage_error(check(copy, "-f", "github", env=summary))
    assert "no JSON" in usage_error(check(copy, "--baseline", log, "--update-baseline"))
    journal = copy / "state/tasks/runs.sqlite-journal"
    assert "is evidence" in usage_error(check(copy, "--baseline", journal, "--update-baseline"))
    assert "is the baseline" in usage_error(check(copy, "--baseline", known, "-o", known))
    (tmp_path / "other name").hardlink_to(known)
    assert "is the baseline" in usage_error(check(copy, "--baseline", known, "-o", tmp_path / "other name"))
    into = {"GITHUB_STEP_SUMMARY": str(known)}
    assert "is the baseline" in usage_error(check(copy, "--baseline", known, "-f", "github", env=into))
    assert "two outputs" in usage_error(check(copy, "--also", "sarif=-"))
    link = tmp_path / "link.json"
    link.symlink_to(log)
    assert usage_error(check(copy, "--baseline", link, "--update-baseline"))
    assert snapshot(copy) == before
    parsed_baseline(known.read_bytes())


@pytest.mark.parametrize("option", ["--fail-on-new", "--update-baseline"])
def test_what_is_about_a_baseline_needs_one(option: str) -> None:
    assert usage_error(check(SAMPLE, option)) == f"{option} needs --baseline FILE"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"schema": "forensics.baseline/1",\n "entries": [}', "line 2, column 14"),
        (b'{"schema": "forensics.baseline/1", "entries": [{"task": 7}]}', "entries[0].verdict: it is missing"),
        (b"\xff", "line 1: not UTF-8"),
    ],
)
def test_a_broken_baseline_is_named_with_its_place_and_left_alone(tmp_path: Path, content: bytes, place: str) -> None:
    file = tmp_path / "known.json"
    file.write_bytes(content)
    for update in ((), ("--update-baseline",)):
        result = forensics("check", SAMPLE, "--baseline", file, *update)
        assert result.returncode == 2
        assert f"error: {file}: {place}" in result.stderr
        assert "hint: " in result.stderr
    assert file.read_bytes() == content


def test_a_baseline_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "there is no such file" in usage_error(check(SAMPLE, "--baseline", tmp_path / "none.json"))
    for update in ((), ("--update-baseline",)):
        assert "pipe: no file" in usage_error(check(SAMPLE, "--baseline", tmp_path / "pipe", *update))


def test_known_findings_are_marked_and_fail_only_without_fail_on_new(known: Path) -> None:
    marked = check(SAMPLE, "--baseline", known)
    assert code_of(marked) == 1
    assert marked.stdout.count(" [known]\n") == 4
    passed = check(SAMPLE, "--baseline", known, "--fail-on-new")
    assert code_of(passed) == 0
    assert "check passed; 4 are known by the baseline." in passed.stdout
    assert passed.stdout.count(" [known]\n") == 4


def test_a_finding_that_is_not_known_fails(known: Path) -> None:
    document = json.loads(known.read_text("utf-8"))
    dropped = document["entries"].pop(1)
    known.write_text(json.dumps(document), encoding="utf-8")
    result = check(SAMPLE, "--baseline", known, "--fail-on-new", "-f", "json")
    assert code_of(result) == 1
    told = json.loads(result.stdout)
    assert [one["task_id"] for one in told["failing"]] == [dropped["task"]]
    assert [one["task_id"] for one in told["baseline"]["new"]] == [dropped["task"]]
    assert len(told["baseline"]["known"]) == 3
    assert (told["baseline"]["expired"], told["baseline"]["stale"]) == ([], [])


@pytest.mark.parametrize(
    ("now", "code", "told"), [("2026-05-01T23:59:59Z", 0, "known"), ("2026-05-02T00:00:00Z", 1, "was known")]
)
def test_an_entry_is_judged_against_the_time_of_the_check(known: Path, now: str, code: int, told: str) -> None:
    document = json.loads(known.read_text("utf-8"))
    document["entries"][0] |= {"expires": "2026-05-01", "reason": "until the job is gone"}
    known.write_text(json.dumps(document), encoding="utf-8")
    result = check(SAMPLE, "--baseline", known, "--fail-on-new", "--now", now)
    assert code_of(result) == code
    assert result.stdout.count(f"[{told} until 2026-05-01: until the job is gone]") == 1
    by_evidence = check(SAMPLE, "--baseline", known, "--fail-on-new")
    assert code_of(by_evidence) == 0, "the evidence ends before that day"


def test_stale_entries_are_told(known: Path) -> None:
    document = json.loads(known.read_text("utf-8"))
    document["entries"].append({"task": "gone\x1b", "verdict": "failed", "reason": ""})
    known.write_text(json.dumps(document), encoding="utf-8")
    result = check(SAMPLE, "--baseline", known, "--fail-on-new")
    assert code_of(result) == 0
    assert "stale: the baseline knows failed of task gone\\x1b, but there is no such finding any more" in result.stdout


def test_an_update_keeps_reasons_and_last_days_and_drops_what_is_stale(known: Path) -> None:
    document = json.loads(known.read_text("utf-8"))
    document["entries"][0] |= {"reason": "accepted", "expires": "2027-01-01"}
    kept = document["entries"][0]
    document["entries"][1] = {"task": "gone", "verdict": "failed", "reason": "stale"}
    known.write_text(json.dumps(document), encoding="utf-8")
    result = check(SAMPLE, "--baseline", known, "--update-baseline")
    assert code_of(result) == 0
    assert "4 known findings written, 1 stale entries left out" in result.stderr
    entries = entries_of(known)
    assert kept in entries
    assert len(entries) == 4
    assert "gone" not in {entry["task"] for entry in entries}


def test_an_update_of_what_is_known_changes_no_byte(known: Path) -> None:
    before = known.read_bytes()
    check(SAMPLE, "--baseline", known, "--update-baseline")
    assert known.read_bytes() == before


def test_an_entry_that_has_expired_still_fails_after_an_update(known: Path) -> None:
    document = json.loads(known.read_text("utf-8"))
    document["entries"][0]["expires"] = "2020-01-01"
    known.write_text(json.dumps(document), encoding="utf-8")
    result = check(SAMPLE, "--baseline", known, "--update-baseline")
    assert code_of(result) == 1
    assert "check failed: 1 of 12" in result.stdout
    assert entries_of(known)[0]["expires"] == "2020-01-01"


def test_an_update_writes_through_a_link_and_keeps_the_mode(known: Path, tmp_path: Path) -> None:
    known.write_text(json.dumps({"schema": "forensics.baseline/1", "entries": []}), encoding="utf-8")
    known.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(known)
    check(SAMPLE, "--baseline", link, "--update-baseline")
    assert link.is_symlink()
    assert len(entries_of(known)) == 4
    assert known.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_update_never_forgets_what_could_not_be_read(known: Path, tmp_path: Path) -> None:
    before = known.read_bytes()
    result = check(SAMPLE, tmp_path / "nosuch.log", "--baseline", known, "--update-baseline")
    assert isinstance(result.exception, NothingToReadError)
    assert "the baseline is left as it is" in str(result.exception)
    assert known.read_bytes() == before


def test_a_baseline_never_makes_a_check_of_unread_evidence_pass(known: Path, tmp_path: Path) -> None:
    for form in FORMATS:
        result = check(SAMPLE, tmp_path / "nosuch.log", "--baseline", known, "--fail-on-new", "-f", form)
        assert code_of(result) == 3
        assert "check passed" not in result.stdout
        assert "nosuch.log" in result.stdout + result.stderr


def test_the_baseline_may_lie_beside_the_evidence(tmp_path: Path) -> None:
    copy = tmp_path / "evidence"
    shutil.copytree(SAMPLE, copy)
    before = snapshot(copy)
    file = copy / "known.json"
    assert code_of(check(copy, "--baseline", file, "--update-baseline")) == 0
    assert code_of(check(copy, "--baseline", file, "--update-baseline")) == 0
    assert code_of(check(copy, "--baseline", file, "--fail-on-new")) == 0
    file.unlink()
    assert snapshot(copy) == before


def test_files_are_named_as_the_repository_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """An annotation of ``./logs/x`` belongs to no file of a pull request."""
    monkeypatch.chdir(SAMPLE)
    run = json.loads(check(".", "-f", "sarif").stdout)["runs"][0]
    uris = {artifact["location"]["uri"] for artifact in run["artifacts"]}
    assert {"logs/openclaw-2026-04-20.log", "state/tasks/runs.sqlite"} < uris
    assert not [uri for uri in uris if uri.startswith(".")]
    assert "::error file=state/tasks/runs.sqlite,title=" in check(".", "-f", "github").stdout


ROWS = [
    {
        "taskId": f"aaaaaaaa-0000-4000-8000-00000000000{number}",
        "runtime": "cron",
        "sourceId": "job",
        "runId": f"cron:job:{1776679020008 + number}",
        "status": "succeeded",
        "createdAt": 1776679020008 + number,
        "startedAt": 1776679020008 + number,
        "endedAt": 1776679030008 + number,
    }
    for number in range(3)
]
LOST = ROWS[2] | {"status": "lost", "error": "backing session missing"}


def lines_of(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def csv_of(rows: list[dict[str, Any]]) -> str:
    head = "task_id,runtime,source_id,run_id,status,created_at,started_at,ended_at\n"
    return head + "".join(",".join(map(str, list(row.values())[:8])) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tasks.jsonl", lines_of([*ROWS[:2], LOST])[:-40]),
        ("tasks.json", json.dumps([*ROWS[:2], LOST], indent=1)[:-40]),
        ("tasks-list.json", json.dumps({"count": 3, "tasks": [*ROWS[:2], LOST | {"taskId": None}]})),
        ("tasks-list.json", json.dumps({"count": 3, "tasks": [*ROWS[:2], LOST | {"status": ["lost"]}]})),
        ("tasks-list.json", json.dumps({"count": 3, "tasks": [*ROWS[:2], LOST | {"status": None}]})),
        ("rows.csv", csv_of([*ROWS[:2], LOST]).replace(",lost,", ",")),
        ("rows.csv", csv_of([*ROWS[:2], LOST]).replace(",lost,", ",,")),
    ],
)
def test_a_check_does_not_pass_where_a_lost_row_may_have_been_rejected(name: str, content: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    result = check(file, "-f", "json")
    told = json.loads(result.stdout)
    assert told["audit"]["summary"]["verdicts"]["undetermined"] == 0
    assert (code_of(result), told["exit_code"], told["passed"]) == (3, 3, False)
    assert len(told["unread"]) == 1
    assert told["unread"][0].startswith(f"{file}: ")
    assert f"error: {file}: " in result.stderr
    (run,) = json.loads(check(file, "-f", "sarif").stdout)["runs"]
    (invocation,) = run["invocations"]
    errors = [one for one in invocation["toolExecutionNotifications"] if one["level"] == "error"]
    assert (invocation["executionSuccessful"], invocation["exitCode"], len(errors)) == (False, 3, 1)
    assert errors[0]["descriptor"]["id"] in {one["id"] for one in run["tool"]["driver"]["notifications"]}


def hidden(place: Path, how: str) -> None:
    """Put a registry beside other evidence in a way in which it cannot be read."""
    registry = place / "b/tasks/runs.sqlite"
    registry.parent.mkdir(parents=True)
    if how == "garbage":
        registry.write_bytes(bytes(range(255, 0, -1)) * 20)
    elif how == "dangling":
        registry.symlink_to(place / "nowhere")
    elif how == "pipe":
        os.mkfifo(registry)
    else:
        (place / "c").symlink_to(Path(SAMPLE) / "state")


@pytest.mark.parametrize("how", ["garbage", "dangling", "pipe", "linked"])
def test_a_check_does_not_pass_where_a_registry_beside_others_cannot_be_read(how: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples" / "founding-same-run", tmp_path / "a")
    assert code_of(check(tmp_path)) == 0
    (tmp_path / "elsewhere").symlink_to(ROOT / "tests")
    assert code_of(check(tmp_path)) == 0
    hidden(tmp_path, how)
    result = check(tmp_path)
    assert code_of(result) == 3, result.output
    assert f"error: {tmp_path}/{'c' if how == 'linked' else 'b/tasks/runs.sqlite'}: " in result.stderr


def packed(content: Path, times: int) -> Path:
    """Pack something into an archive, that into another, and so on."""
    for number in range(times):
        outer = content.parent / f"packed-{number}.tar"
        with tarfile.open(outer, "w") as archive:
            archive.add(content, content.name)
        content = outer
    return content


def not_read(place: Path, how: str) -> Path:
    """Put lost rows beside other evidence in a way in which they are not read; give what is to be named."""
    lost = json.dumps({"count": 1, "tasks": [LOST]}, indent=1)
    if how == "deep":
        return packed(Path(shutil.copy(ROOT / "samples/every-verdict/tasks-list.json", place)), 5)
    if how == "torn":
        (place / "tasks.json").write_text(lost[:-40], encoding="utf-8")
        return place / "tasks.json"
    if how == "linked":
        (place / "linked").symlink_to(ROOT / "samples" / "every-verdict")
        return place / "linked"
    entry = tarfile.TarInfo("state/tasks")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/data/tasks"
    with tarfile.open(place / "backup.tar", "w") as archive:
        archive.addfile(entry)
    return place / "backup.tar" / entry.name


@pytest.mark.parametrize("how", ["deep", "torn", "linked", "linked in an archive"])
def test_a_check_does_not_pass_where_what_was_not_read_may_hold_lost_rows(how: str, tmp_path: Path) -> None:
    place = tmp_path / "evidence"
    shutil.copytree(ROOT / "samples" / "founding-same-run", place)
    (tmp_path / "aside").mkdir()
    named = not_read(tmp_path / "aside" if how == "deep" else place, how)
    if how == "deep":
        named = Path(shutil.copy(named, place))
    result = check(place)
    assert code_of(result) == 3, result.output
    assert f"error: {named}" in result.stderr


def test_rows_in_a_folder_called_like_the_lock_of_a_collection_are_judged(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "evidence" / ".collecting")
    assert code_of(check(tmp_path / "evidence")) == 1


def test_a_check_does_not_pass_where_a_path_holds_no_evidence(tmp_path: Path) -> None:
    """The export of one gateway failed, and left an empty folder."""
    good = ROOT / "samples" / "founding-same-run"
    empty = tmp_path / "empty"
    (empty / "tasks").mkdir(parents=True)
    (empty / "notes.txt").write_text("nothing here\n", encoding="utf-8")
    for arguments in ([good, empty], [good, "--gateway", f"b={empty}"]):
        result = check(*arguments)
        assert code_of(result) == 3
        assert f"error: {empty}: no file of a known kind; check the path" in result.stderr
    assert code_of(check(good, good / "state/tasks/runs.sqlite", good / "state")) == 0


def test_a_check_does_not_pass_where_a_named_gateway_has_no_registry(tmp_path: Path) -> None:
    good = f"a={ROOT / 'samples' / 'founding-same-run'}"
    other = tmp_path / "other"
    shutil.copytree(Path(SAMPLE) / "state/cron", other / "cron")
    assert code_of(check("--gateway", good)) == 0
    result = check("--gateway", good, "--gateway", f"b={other}")
    assert code_of(result) == 3
    assert "error: gateway b: no task registry of it was read" in result.stderr
    known = tmp_path / "known.json"
    result = check("--gateway", good, "--gateway", f"b={other}", "--baseline", known, "--update-baseline")
    assert isinstance(result.exception, NothingToReadError)
    assert not known.exists()


@pytest.mark.parametrize("reason", ["", "  "])
def test_every_format_asks_for_the_reason_that_a_baseline_does_not_give(known: Path, reason: str) -> None:
    told = json.loads(known.read_text("utf-8"))
    told["entries"] = [entry | {"reason": "seen by Ada"} for entry in told["entries"]]
    known.write_text(json.dumps(told), encoding="utf-8")
    task = told["entries"][1]["task"]
    asked = f"1 entry of the baseline does not say why the finding is accepted; write a reason for task {task}"
    assert "reason" not in check(SAMPLE, "--baseline", known).stdout
    told["entries"][1]["reason"] = reason
    known.write_text(json.dumps(told), encoding="utf-8")
    for form in FORMATS:
        result = check(SAMPLE, "--baseline", known, "--fail-on-new", "-f", form)
        assert code_of(result) == 0
        assert form == "json" or asked in result.stdout
        assert form != "json" or json.loads(result.stdout)["baseline"]["unreasoned"] == 1


def test_an_update_asks_for_reasons_until_they_are_given(known: Path) -> None:
    for _ in range(2):
        result = check(SAMPLE, "--baseline", known, "--update-baseline")
        assert f"4 of them give no reason: write into {known}" in result.stderr
    told = json.loads(known.read_text("utf-8"))
    told["entries"] = [entry | {"reason": "seen by Ada"} for entry in told["entries"]]
    known.write_text(json.dumps(told), encoding="utf-8")
    assert "no reason" not in check(SAMPLE, "--baseline", known, "--update-baseline").stderr
