"""A stored file counts as far as its manifest vouches for it: what is altered, torn, gone or put beside is named."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forensics import load_evidence
from forensics.cli import main
from forensics.collect.bundling import bundle
from forensics.model.errors import NothingToReadError, UsageError
from forensics.model.manifest import NAME
from tests.collect.keeping import audited, collected, told

SAMPLES = Path(__file__).parent.parent.parent / "samples"


@pytest.fixture
def evidence(lost_write: Path, tmp_path: Path) -> Path:
    """Give a collection of two days of a gateway, whose log grew between them."""
    shutil.copytree(lost_write / "state", tmp_path / "host" / ".openclaw")
    shutil.copytree(lost_write / "logs", tmp_path / "host" / "logs")
    paths = [tmp_path / "host" / ".openclaw", tmp_path / "host" / "logs"]
    log = max((tmp_path / "host" / "logs").iterdir(), key=lambda path: path.stat().st_size)
    whole = log.read_bytes()
    for day, size in enumerate((len(whole) // 2, len(whole))):
        log.write_bytes(whole[:size])
        collected(paths, tmp_path / "evidence", day)
    return tmp_path / "evidence"


def days_of(evidence: Path) -> list[Path]:
    return sorted(path.parent for path in evidence.glob(f"*/{NAME}"))


def stored(folder: Path, kind: str) -> Path:
    """Give the largest stored file of a kind."""
    files = json.loads((folder / NAME).read_text("utf-8"))["files"]
    return Path(folder, max((each for each in files if each["kind"] == kind), key=lambda each: each["bytes"])["path"])


def errors(*paths: Path) -> list[tuple[str, str]]:
    notices = load_evidence([str(path) for path in paths]).notices
    return notices.filter(notices["level"] == "error").select("code", "message").rows()


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def linked(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    other.write_bytes(b"{}\n" + other.read_bytes())
    path.symlink_to(other.name)


KINDS = ("task_registry", "cron_run_log", "gateway_log", "job_store")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", [flipped, torn, emptied, removed, linked])
def test_a_file_that_is_not_as_it_was_stored_is_named_and_not_used(
    kind: str, damage: Callable[[Path], None], evidence: Path
) -> None:
    folder = days_of(evidence)[-1]
    shutil.rmtree(days_of(evidence)[0])
    assert errors(evidence) == []
    path = stored(folder, kind)
    damage(path)
    try:
        found = errors(evidence)
    except NothingToReadError as error:
        assert kind == "task_registry"
        found = [("altered", str(error))]
    code = "gone" if damage is removed else "altered"
    assert [(code, True)] == [(name, path.name in message) for name, message in found if name in ("gone", "altered")]
    read = load_evidence([str(evidence)])
    shown = [each for each in read.sources["path"].to_list() if each.endswith(path.name)]
    kinds = dict(read.sources.select("path", "kind").iter_rows())
    assert {kinds[each] for each in shown} <= {"damaged", "cron_run_log" if kind == "cron_run_log" else "damaged"}
    rejected = dict(read.sources.select("path", "records").iter_rows())
    assert sum(rejected[each] for each in shown) == 0


@pytest.mark.parametrize("kind", ["cron_run_log", "gateway_log"])
@pytest.mark.parametrize("damage", [flipped, torn, removed])
def test_no_verdict_leans_on_a_file_that_is_not_as_it_was_stored(
    kind: str, damage: Callable[[Path], None], evidence: Path
) -> None:
    """What the altered file would prove is withheld, as it would be had the file never been handed over."""
    shutil.rmtree(days_of(evidence)[0])
    whole = {finding.task_id: finding for finding in audited(evidence).findings}
    assert any(finding.verdict == "false_lost" for finding in whole.values())
    folder = days_of(evidence)[-1]
    files = json.loads((folder / NAME).read_text("utf-8"))["files"]
    damaged = [folder / each["path"] for each in files if each["kind"] == kind]
    for path in damaged:
        damage(path)
    report = audited(evidence)
    named = {source for source, shown in report.paths().items() if Path(shown) in damaged}
    for finding in report.findings:
        assert finding.verdict in (whole[finding.task_id].verdict, "undetermined")
        assert not named & {each.source for each in finding.evidence if each.role in ("finish", "restart", "marker")}
        assert finding.run is None or finding.run.source not in named


def test_of_two_days_that_share_a_log_the_sound_one_is_still_read(evidence: Path) -> None:
    first, last = (stored(folder, "gateway_log") for folder in days_of(evidence))
    assert first.samefile(last)
    size = json.loads((days_of(evidence)[0] / NAME).read_text("utf-8"))
    whole = next(
        each["bytes"] for each in size["files"] if each["path"] == first.relative_to(days_of(evidence)[0]).as_posix()
    )
    content = bytearray(last.read_bytes())
    content[whole + 10] ^= 1
    last.write_bytes(content)
    assert first.samefile(last)
    found = errors(evidence)
    assert [(code, "2026-11-25" in message) for code, message in found] == [("altered", True)]
    read = load_evidence([str(evidence)]).sources
    (row,) = read.filter(read["kind"] == "gateway_log").to_dicts()
    assert row["bytes"] == whole
    assert "2026-11-24" in row["path"]


def test_what_was_put_into_a_snapshot_is_not_used(evidence: Path) -> None:
    verdicts = told(audited(evidence))
    last = days_of(evidence)[-1]
    log, run_log = stored(last, "gateway_log"), stored(last, "cron_run_log")
    shutil.copy(log, log.with_name("planted.log"))
    shutil.copy(run_log, run_log.with_name("planted.jsonl"))
    with zipfile.ZipFile(last / "planted.zip", "w") as archive:
        archive.write(log, "planted.log")
    (last / "README.txt").write_text("of Tuesday")
    assert sorted(code for code, _ in errors(evidence)) == ["unlisted"] * 3
    assert told(audited(evidence)) == verdicts
    read = load_evidence([str(evidence)]).sources
    assert read.filter(read["path"].str.contains("planted"))["records"].to_list() == [0, 0]


@pytest.mark.parametrize("explicit", [False, True])
def test_a_write_ahead_log_beside_a_stored_registry_changes_nothing(explicit: bool, evidence: Path) -> None:
    registry = stored(days_of(evidence)[-1], "task_registry")
    rows = load_evidence([str(registry)]).tasks.height
    copy = registry.with_name("copy")
    shutil.copy(registry, copy)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    shutil.copy(copy, registry.with_name("other"))
    with closing(sqlite3.connect(registry.with_name("other"))) as database, database:
        database.execute("DELETE FROM task_runs")
        database.commit()
        shutil.copy(f"{registry.with_name('other')}-wal", f"{registry}-wal")
    for path in registry.parent.glob("other*"):
        path.unlink()
    copy.unlink()
    given = registry if explicit else registry.parent
    read = load_evidence([str(given)])
    assert read.tasks.height == rows
    if not explicit:
        assert [code for code, _ in errors(given)] == ["unlisted"]


@pytest.mark.parametrize("damage", [flipped, torn])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_file_that_is_named_by_itself_is_checked_too(
    kind: str, damage: Callable[[Path], None], evidence: Path
) -> None:
    path = stored(days_of(evidence)[-1], kind)
    damage(path)
    with pytest.raises(NothingToReadError, match=r"when it was stored|since it was stored"):
        load_evidence([str(path)])


@pytest.mark.parametrize("change", ["torn", "removed", "another version"])
def test_a_snapshot_without_its_manifest_is_not_read(change: str, evidence: Path) -> None:
    first, last = days_of(evidence)
    path = last / NAME
    if change == "removed":
        path.unlink()
    else:
        text = path.read_text("utf-8")
        path.write_text(text[:-3] if change == "torn" else text.replace("forensics.manifest/1", "forensics.manifest/9"))
    verdicts = told(audited(first))
    assert told(audited(evidence)) == verdicts
    assert [code for code, _ in errors(evidence)] == ["not_whole"]
    with pytest.raises(NothingToReadError, match="manifest"):
        load_evidence([str(last)])


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("files", "bytes", "many"),
        ("files", "bytes", -1),
        ("files", "bytes", 1.5),
        ("files", "bytes", True),
        ("files", "path", 5),
        ("files", "modified_at", 5),
        ("files", "sha256", None),
        ("places", "origin", 5),
        ("places", "gateway", []),
        ("places", "gateway", "\ud800"),
        ("missing", "path", 5),
        (None, "zone", 5),
    ],
)
def test_a_manifest_of_other_types_is_none(part: str | None, key: str, value: object, tmp_path: Path) -> None:
    path = small_snapshot(tmp_path) / NAME
    document = json.loads(path.read_text("utf-8"))
    document["missing"] = [{"path": "state/cron/runs/a.jsonl", "why": "no such file"}]
    (document[part][0] if part else document)[key] = value
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(NothingToReadError, match=f"a snapshot whose {NAME} cannot be read"):
        load_evidence([str(tmp_path / "evidence")])


@pytest.mark.parametrize("moment", ["2026-04-17T10:00:00", "0001-01-01T00:00:00+14:00", "tomorrow", ""])
def test_a_time_stamp_in_a_manifest_may_be_none(moment: str, tmp_path: Path) -> None:
    path = small_snapshot(tmp_path) / NAME
    before = told(audited(tmp_path / "evidence"))
    document = json.loads(path.read_text("utf-8"))
    for each in document["files"]:
        each["modified_at"] = moment
    path.write_text(json.dumps(document), "utf-8")
    assert told(audited(tmp_path / "evidence")) == before


def test_a_file_of_an_impossible_name_is_gone_and_the_others_are_read(tmp_path: Path) -> None:
    path = small_snapshot(tmp_path) / NAME
    document = json.loads(path.read_text("utf-8"))
    document["files"].append(document["files"][0] | {"path": f"state/{'n' * 300}"})
    path.write_text(json.dumps(document), "utf-8")
    evidence = load_evidence([str(tmp_path / "evidence")])
    assert evidence.tasks.height
    assert evidence.notices.filter(code="gone", level="error").height == 1


@pytest.mark.parametrize("command", ["audit", "timeline", "check"])
def test_no_output_is_written_over_the_manifest_of_a_snapshot(command: str, tmp_path: Path) -> None:
    path = small_snapshot(tmp_path) / NAME
    before = path.read_bytes()
    result = CliRunner().invoke(main, [command, str(tmp_path / "evidence"), "-o", str(path)])
    assert isinstance(result.exception, UsageError)
    assert f"{path} is evidence" in str(result.exception)
    assert path.read_bytes() == before


def small_snapshot(tmp_path: Path) -> Path:
    """Collect a state directory and a console whose stamps bear no date, and give the snapshot."""
    shutil.copytree(SAMPLES / "founding-same-run" / "state", tmp_path / "state")
    (tmp_path / "console.log").write_text("10:00:00 [gateway] ready (0 plugins, 0.6s)\n", "utf-8")
    collected([tmp_path / "state", tmp_path / "console.log"], tmp_path / "evidence")
    return days_of(tmp_path / "evidence")[0]


def test_an_unfinished_snapshot_is_not_read_by_its_own_name_either(evidence: Path) -> None:
    last = days_of(evidence)[-1]
    left = last.rename(last.with_name(f"{last.name}.unfinished"))
    with pytest.raises(NothingToReadError, match="not finished"):
        load_evidence([str(left)])


def test_sources_and_check_say_so(evidence: Path) -> None:
    def checked() -> Result:
        return CliRunner().invoke(main, ["check", "--fail-on", "unexplained", str(evidence)], standalone_mode=False)

    assert checked().return_value == 0
    path = stored(days_of(evidence)[-1], "gateway_log")
    flipped(path)
    for name in ("sources", "audit"):
        result = CliRunner().invoke(main, [name, str(evidence)])
        assert "it was changed since it was stored" in result.output, name
    assert "damaged" in CliRunner().invoke(main, ["sources", str(evidence)]).output
    assert checked().return_value == 3


def test_a_bundle_is_checked_as_well(tmp_path: Path) -> None:
    bundle([str(SAMPLES / "every-verdict")], tmp_path / "repro.zip", version="1")
    with zipfile.ZipFile(tmp_path / "repro.zip") as packed:
        packed.extractall(tmp_path / "repro")
    assert errors(tmp_path / "repro") == errors(tmp_path / "repro.zip") == []
    log = stored(tmp_path / "repro", "gateway_log")
    flipped(log)
    assert [code for code, _ in errors(tmp_path / "repro")] == ["altered"]
