"""A bundle shows what the evidence shows, and nothing of what is in it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from forensics import audit, load_evidence
from forensics.cli import main
from forensics.collect.bundling import Bundle, bundle
from forensics.collect.collecting import collect
from forensics.collect.leaks import leaks_in
from forensics.collect.replacing import Replacements
from forensics.model.errors import RefusedError, UsageError
from forensics.model.finding import Report
from tests.support.captures import EvidenceSet, archived_sets, snapshot, unpack
from tests.support.effort import tries

SAMPLES = Path(__file__).parent.parent.parent / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))


def bundled(paths: list[Path], output: Path, *tasks: str) -> Bundle:
    return bundle([str(path) for path in paths], output, tasks, version="1")


def said(report: Report) -> list[tuple[object, ...]]:
    return sorted(
        (
            str(each.started_at),
            str(each.lost_at),
            each.verdict,
            each.cause,
            str(each.confidence),
            each.reasons,
            each.correction and (each.correction.status, each.correction.ended_at, each.correction.cleanup_after),
        )
        for each in report.findings
    )


def audited(*paths: Path) -> Report:
    return audit(load_evidence([str(path) for path in paths]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_a_sample_is_judged_alike_in_its_bundle(name: str, ending: str, tmp_path: Path) -> None:
    output = tmp_path / f"repro.{ending}"
    made = bundled([SAMPLES / name], output)
    original, other = audited(SAMPLES / name), audited(output)
    assert said(other) == said(original)
    assert made.rows == len(original.findings)
    assert not {each.task_id for each in original.findings} & {each.task_id for each in other.findings}


@pytest.mark.parametrize("capture", sorted({told.capture for told in archived_sets()}))
def test_a_captured_gateway_is_judged_alike_in_its_bundle(capture: str, unpacked: Path, tmp_path: Path) -> None:
    folder = unpack(capture, unpacked)
    last = [told for told in archived_sets() if told.capture == capture][-1]
    paths = [folder / path for path in last.paths]
    before = snapshot(folder)
    bundled(paths, tmp_path / "repro.zip")
    assert said(audited(tmp_path / "repro.zip")) == said(audited(*paths))
    assert snapshot(folder) == before


@pytest.mark.parametrize("told", list(archived_sets())[:: tries(5, 1)], ids=str)
def test_every_way_to_hand_a_capture_over_can_be_bundled(told: EvidenceSet, unpacked: Path, tmp_path: Path) -> None:
    """Making a bundle compares every row with the audit of the evidence, and refuses where one differs."""
    folder = unpack(told.capture, unpacked)
    made = bundled([folder / path for path in told.paths], tmp_path / "repro.zip")
    assert made.rows == len(told.expected["rows"])


@pytest.mark.parametrize("capture", ["2026.4.15-lost-write", "2026.5.7-sigterm", "2026.9.6-restarts"])
def test_evidence_in_an_archive_is_bundled_alike(capture: str, unpacked: Path, tmp_path: Path) -> None:
    folder = unpack(capture, unpacked)
    with tarfile.open(tmp_path / "host.tar.gz", "w:gz") as archive:
        for name in ("state", "logs"):
            archive.add(folder / name, name)
    bundled([tmp_path / "host.tar.gz"], tmp_path / "repro.zip")
    assert said(audited(tmp_path / "repro.zip")) == said(audited(tmp_path / "host.tar.gz"))


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        bundled([SAMPLES / "every-verdict"], tmp_path / f"{name}.zip")
        bundled([SAMPLES / "every-verdict"], tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_every_hash_of_its_manifest_holds(tmp_path: Path) -> None:
    bundled([SAMPLES / "every-verdict"], tmp_path / "repro.zip")
    with zipfile.ZipFile(tmp_path / "repro.zip") as packed:
        document = json.loads(packed.read("manifest.json"))
        assert document["files"]
        for each in document["files"]:
            assert hashlib.sha256(packed.read(each["path"])).hexdigest() == each["sha256"]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Give a state directory with names, texts and numbers that nobody else may see, in every place that has texts."""
    folder = tmp_path / "Zarathustra-home"
    shutil.copytree(SAMPLES / "real-lost-write", folder)
    with closing(sqlite3.connect(folder / "state" / "tasks" / "runs.sqlite")) as registry, registry:
        registry.execute("UPDATE task_runs SET label = 'Quixotic label', task = 'Prompt about Wombats'")
        registry.execute("UPDATE task_runs SET agent_id = 'agent-xylophone', child_session_key = 'chat:4915112345678'")
        registry.execute("UPDATE task_runs SET progress_summary = 'token ghp_Sesquipedalian99'")
    for path in (folder / "state" / "cron" / "runs").iterdir():
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for line in lines:
            line |= {
                "summary": "Marmalade for Ptolemy",
                "provider": "Kumquat",
                "Bandersnatch": {"Jabberwock": "Vorpal"},
            }
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    for path in (folder / "logs").iterdir():
        first = json.loads(path.read_text("utf-8").splitlines()[0])
        first["_meta"]["hostname"] = "Brobdingnag.local"
        more = [{**first, "0": "Gulliver said hello to +491701234567"}]
        more.append({**first, "0": json.dumps({"subsystem": "gateway/Lilliput"}), "1": "Yahoo /home/houyhnhnm/secret"})
        more.append(
            {**first, "0": '{"module":"cron"}', "1": {"jobName": "Laputa"}, "2": "cron: job failed: Balnibarbi"}
        )
        text = path.read_text("utf-8").splitlines()
        path.write_text("\n".join([text[0], *map(json.dumps, more), *text[1:]]) + "\n", "utf-8")
    return folder


PLANTED = re.findall(
    r"\w+",
    "zarathustra quixotic wombats xylophone 4915112345678 sesquipedalian marmalade ptolemy kumquat bandersnatch "
    "jabberwock vorpal brobdingnag gulliver 491701234567 lilliput yahoo houyhnhnm laputa balnibarbi",
)


def contents(archive: Path) -> bytes:
    with zipfile.ZipFile(archive) as packed:
        return b"\n".join(name.encode() + packed.read(name) for name in packed.namelist()).lower()


def test_nothing_that_was_planted_survives(planted: Path, tmp_path: Path) -> None:
    bundled([planted], tmp_path / "repro.zip")
    told = contents(tmp_path / "repro.zip")
    assert [word for word in PLANTED if word.encode() in told] == []
    with closing(sqlite3.connect(planted / "state" / "tasks" / "runs.sqlite")) as registry:
        ids = [text for row in registry.execute("SELECT task_id, source_id FROM task_runs") for text in row]
    assert [each for each in ids if each.encode() in told] == []
    assert said(audited(tmp_path / "repro.zip")) == said(audited(planted))


@pytest.mark.parametrize("place", ["name", "text", "json", "database", "page", "nested"])
def test_the_leak_test_finds_what_was_planted(place: str, tmp_path: Path) -> None:
    told = Replacements()
    told.text("a letter to Rumpelstiltskin")
    hidden = "rumpelstiltskin"
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as packed:
        if place == "name":
            packed.writestr(f"{hidden}.log", "nothing")
        elif place == "text":
            packed.writestr("gateway.log", f"received SIGTERM from {hidden.upper()}\n")
        elif place == "json":
            packed.writestr("jobs.json", json.dumps({"version": 1, "jobs": [{"id": hidden}]}))
        elif place == "nested":
            with zipfile.ZipFile(tmp_path / "inner.zip", "w") as inner:
                inner.writestr("inner.log", hidden)
            packed.write(tmp_path / "inner.zip", "inner.zip")
        else:
            with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as database, database:
                database.execute("CREATE TABLE task_runs (label)")
                database.execute("INSERT INTO task_runs VALUES (?)", (hidden,))
                if place == "page":
                    database.execute("PRAGMA secure_delete = OFF")
                    database.execute("DELETE FROM task_runs")
            packed.write(tmp_path / "runs.sqlite", "runs.sqlite")
    assert leaks_in(tmp_path / "bundle.zip", told) == [hidden]


def test_nothing_is_handed_over_where_something_leaks(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Replacements.text
    monkeypatch.setattr(Replacements, "text", lambda told, text: (really(told, text), text)[1])
    result = CliRunner().invoke(main, ["bundle", str(planted), "-o", str(tmp_path / "repro.zip")])
    assert isinstance(result.exception, RefusedError)
    assert result.exception.exit_code == 4
    assert not list(tmp_path.glob("repro*"))


def test_nothing_is_handed_over_where_the_verdicts_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensics.collect.replacing.TEXTS", ())
    with pytest.raises(RefusedError, match="would not show"):
        bundled([SAMPLES / "every-verdict"], tmp_path / "repro.zip")
    assert not list(tmp_path.iterdir())


def test_days_that_were_collected_stay_one_history(sigterm: Path, tmp_path: Path) -> None:
    for day, copy in enumerate(sorted(sigterm.glob("snap/*"))):
        shutil.rmtree(tmp_path / "host", ignore_errors=True)
        shutil.copytree(copy, tmp_path / "host" / ".openclaw")
        paths = [str(tmp_path / "host" / ".openclaw"), str(sigterm / "logs")]
        at = datetime(2026, 11, 24 + day, tzinfo=UTC)
        collect(paths, tmp_path / "evidence", at=at, host="office", version="1")
    bundled([tmp_path / "evidence"], tmp_path / "repro.zip")
    history = audited(tmp_path / "repro.zip")
    assert len({finding.gateway for finding in history.findings}) == 1
    assert said(history) == said(audited(tmp_path / "evidence"))


def test_one_row_of_many(tmp_path: Path) -> None:
    chosen = audited(SAMPLES / "real-lost-write").findings[0]
    made = bundled([SAMPLES / "real-lost-write"], tmp_path / "repro.zip", chosen.task_id[:8])
    assert made.rows == 1
    (finding,) = audited(tmp_path / "repro.zip").findings
    assert (finding.task_id,) == made.task_ids
    assert (finding.verdict, finding.reasons) == (chosen.verdict, chosen.reasons)


@pytest.mark.parametrize(("output", "tasks"), [("repro.rar", ()), ("there.zip", ()), ("repro.zip", ("ffffffff",))])
def test_what_cannot_be_is_refused(output: str, tasks: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(UsageError):
        bundled([SAMPLES / "real-lost-write"], tmp_path / output, *tasks)
    assert (tmp_path / "there.zip").read_text() == "mine"


@pytest.mark.parametrize("given", [".", "state", "state/tasks/runs.sqlite"])
@pytest.mark.parametrize("output", ["repro.zip", "state/repro.zip", "state/tasks/repro.tar.gz"])
def test_nothing_is_written_into_the_evidence(given: str, output: str, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "real-lost-write", tmp_path / "given")
    target = tmp_path / "given" / output
    if output.startswith("state") or given == ".":
        before = snapshot(tmp_path)
        with pytest.raises(UsageError, match="within the evidence"):
            bundled([tmp_path / "given" / given], target)
        assert snapshot(tmp_path) == before
    else:
        bundled([tmp_path / "given" / given], target)
        assert target.exists()


def test_ids_keep_their_form() -> None:
    told = Replacements()
    job = "0b8ad6a4-3f0b-4b6c-9f5e-1f1f1f1f1f1f"
    replaced = told.identifier(f"cron:{job}:1795473534549")
    assert re.fullmatch(r"cron:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}:1795473534549", replaced)
    assert told.job(job) == replaced.split(":")[1]
    assert told.identifier(f"agent:alice:cron:{job}:run:{job}").startswith("agent:id-1:cron:0")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("2026-11-23T23:41:21.245+01:00 [gateway] received SIGUSR1; restarting", True),
        ("Mar 15 16:03:52 alices-host node[30362]: [gateway] signal SIGTERM received", True),
        ("\x1b[36m23:41:21\x1b[0m [shutdown] started: gateway stopping", True),
        ('2026-04-03T08:01:58.547Z info gateway {"subsystem":"gateway"} gateway ready', True),
        ("2026-11-23T23:41:21.245+01:00 [telegram] your code is 482913, Alice", False),
        ("your code is 482913, Alice", False),
    ],
)
def test_of_a_console_only_what_a_gateway_says_of_itself_is_kept(line: str, kept: bool) -> None:
    replaced = Replacements().line(line)
    assert ("SIG" in replaced or "gateway stopping" in replaced or "gateway ready" in replaced) is kept
    assert "482913" not in replaced
    assert "lice" not in replaced
    assert re.findall(r"\d\d:\d\d:\d\d", replaced) == re.findall(r"\d\d:\d\d:\d\d", line)


@pytest.mark.parametrize("release", ["2026.6.11", "2026.7.35", "2026.9.6"])
def test_consoles_are_bundled(release: str, unpacked: Path, tmp_path: Path) -> None:
    folder = unpack(f"{release}-restarts", unpacked)
    paths = [folder / "state", *sorted((folder / "logs").glob("console*"))]
    bundled(paths, tmp_path / "repro.zip")
    assert said(audited(tmp_path / "repro.zip")) == said(audited(*paths))


def test_it_tells_what_was_replaced(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["bundle", str(SAMPLES / "real-lost-write"), "-o", str(tmp_path / "repro.zip")])
    assert result.exit_code == 0, result.output
    assert "2 lost rows, same verdicts" in result.stderr
    assert re.search(r"replaced: .*\d+ names, .*\d+ uuids", result.stderr)
    assert "Look at it before you publish it" in result.stderr


def test_words_of_the_manifest_itself_are_no_leak_though_the_evidence_uses_them(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SAMPLES / "every-verdict", tmp_path / "evidence"))
    with closing(sqlite3.connect(copy / "state/tasks/runs.sqlite")) as database, database:
        database.execute("UPDATE task_runs SET label = 'what could be read', terminal_summary = 'files, originals'")
    (copy / "note.txt").write_text("what is this")
    made = bundled([copy], tmp_path / "repro.zip")
    assert {each.what for each in made.manifest.left_out} == {"files that are no evidence"}
    assert said(audited(tmp_path / "repro.zip")) == said(audited(copy))
