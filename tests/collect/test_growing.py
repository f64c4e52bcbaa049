"""A log that grows is stored once: each day tells how much of it was there, and is read as far as that."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics import load_evidence
from forensics.collect import collecting
from forensics.collect.bundling import bundle
from forensics.model.errors import UsageError
from forensics.model.finding import Report
from forensics.model.manifest import NAME
from tests.collect.keeping import FIRST, assert_every_day_holds, audited, collected, told, used_bytes
from tests.support.captures import unpack

SAMPLES = Path(__file__).parent.parent.parent / "samples"


@pytest.fixture
def gateway(sigterm: Path, tmp_path: Path) -> Path:
    """Give a state directory with its logs beside it, to be changed."""
    shutil.copytree(sigterm / "state", tmp_path / "host" / ".openclaw")
    shutil.copytree(sigterm / "logs", tmp_path / "host" / "logs")
    return tmp_path / "host"


def state_of(gateway: Path) -> list[Path]:
    return [gateway / ".openclaw", gateway / "logs"]


def growing(gateway: Path) -> list[Path]:
    return sorted([*(gateway / "logs").iterdir(), *(gateway / ".openclaw" / "cron" / "runs").iterdir()])


@pytest.fixture
def days(gateway: Path, tmp_path: Path) -> tuple[Path, list[int]]:
    """Give a collection of four days on which logs and run logs grew, cut anywhere; and the sizes of the whole."""
    whole = {path: path.read_bytes() for path in growing(gateway)}
    assert len(whole) > 2
    for day, share in enumerate((0.3, 0.5, 0.8, 1.0)):
        for path, content in whole.items():
            path.write_bytes(content[: int(len(content) * share)])
        made = collected(state_of(gateway), tmp_path / "evidence", day)
        assert made.grown_files == (len(whole) if day else 0)
    return tmp_path / "evidence", [len(content) for content in whole.values()]


def test_what_was_stored_before_takes_no_room_again(days: tuple[Path, list[int]], gateway: Path) -> None:
    evidence, sizes = days
    assert assert_every_day_holds(evidence) == 4
    others = [path for path in evidence.rglob("*") if path.is_file() and path.name != NAME]
    identities = {(path.stat().st_ino, path.stat().st_size) for path in others if path.suffix in (".log", ".jsonl")}
    assert sorted(size for _, size in identities) == sorted(sizes)
    before = used_bytes(evidence)
    log = growing(gateway)[-1]
    with log.open("ab") as file:
        file.write(b"one more line\n")
    made = collected(state_of(gateway), evidence, day=5)
    assert made.new_bytes == used_bytes(evidence) - before == len("one more line\n")
    assert assert_every_day_holds(evidence) == 5


def test_all_days_are_one_history_with_the_lines_where_they_were(days: tuple[Path, list[int]], gateway: Path) -> None:
    evidence, _ = days
    history, original = audited(evidence), audited(*state_of(gateway))
    assert told(history) == told(original)
    assert history.summary == original.summary

    def places(report: Report) -> set[tuple[str, int | None, str | None]]:
        paths = report.paths()
        cited = [each for finding in report.findings for each in finding.evidence]
        return {
            (paths[each.source].rsplit("/", 1)[-1], each.line, each.text) for each in cited if each.source is not None
        }

    assert places(history) == places(original)
    read = load_evidence([str(evidence)])
    logs = [path for path in read.sources["path"].to_list() if "/logs/" in path]
    assert len(logs) == len(list((gateway / "logs").iterdir()))
    assert all("2026-11-27" in path for path in logs)
    assert read.notices.filter(read.notices["level"] == "error").is_empty()


@pytest.mark.parametrize("day", range(4))
def test_each_day_is_read_as_it_was(day: int, days: tuple[Path, list[int]], gateway: Path) -> None:
    evidence, _ = days
    folder = sorted(path.parent for path in evidence.glob(f"*/{NAME}"))[day]
    read = load_evidence([str(folder)])
    for path in growing(gateway):
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * (0.3, 0.5, 0.8, 1.0)[day])])
    original = load_evidence([str(path) for path in state_of(gateway)])
    kinds = ["cron_run_log", "gateway_log"]
    for column in ("bytes", "sha256", "lines", "records", "rejected", "last_at"):
        found = [each.sources.filter(each.sources["kind"].is_in(kinds))[column].to_list() for each in (read, original)]
        assert sorted(map(str, found[0])) == sorted(map(str, found[1])), column
    assert told(audited(folder)) == told(audited(*state_of(gateway)))


def copied(evidence: Path, target: Path) -> Path:
    return Path(shutil.copytree(evidence, target / "copy"))


def tarred(evidence: Path, target: Path) -> Path:
    with tarfile.open(target / "copy.tar.gz", "w:gz") as archive:
        archive.add(evidence, "evidence")
        assert any(member.islnk() for member in archive.getmembers())
    return target / "copy.tar.gz"


def zipped(evidence: Path, target: Path) -> Path:
    with zipfile.ZipFile(target / "copy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(evidence.rglob("*")):
            archive.write(path, path.relative_to(evidence))
    return target / "copy.zip"


@pytest.mark.parametrize("packed", [copied, tarred, zipped])
def test_a_collection_can_be_copied_and_packed(
    packed: Callable[[Path, Path], Path], days: tuple[Path, list[int]], tmp_path: Path
) -> None:
    evidence, _ = days
    (tmp_path / "elsewhere").mkdir()
    moved = packed(evidence, tmp_path / "elsewhere")
    assert told(audited(moved)) == told(audited(evidence))
    notices = load_evidence([str(moved)]).notices
    assert notices.filter(notices["level"] == "error")["message"].to_list() == []


def test_any_day_can_be_deleted(days: tuple[Path, list[int]]) -> None:
    evidence, _ = days
    verdicts = told(audited(evidence))
    for number, folder in enumerate(sorted(path.parent for path in evidence.glob(f"*/{NAME}"))[:-1]):
        shutil.rmtree(folder)
        assert assert_every_day_holds(evidence) == 3 - number
        assert told(audited(evidence)) == verdicts


def test_a_log_set_aside_under_another_name_is_stored_once(gateway: Path, tmp_path: Path) -> None:
    (log,) = (path for path in (gateway / "logs").iterdir() if path.suffix == ".log")
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    collected(state_of(gateway), tmp_path / "evidence")
    log.with_name(log.name.replace(".log", ".1.log")).write_bytes(whole)
    log.write_bytes(whole.splitlines(keepends=True)[-1])
    made = collected(state_of(gateway), tmp_path / "evidence", day=1)
    assert made.grown_files == 1
    assert made.new_bytes == len(whole) - len(whole) // 2 + log.stat().st_size
    assert assert_every_day_holds(tmp_path / "evidence") == 2
    read = load_evidence([str(tmp_path / "evidence")])
    assert not any(read.sources["before_hole"].to_list())


@pytest.mark.parametrize("change", ["shorter", "other beginning", "other end"])
def test_what_does_not_begin_with_what_was_stored_is_stored_apart(change: str, gateway: Path, tmp_path: Path) -> None:
    first = collected(state_of(gateway), tmp_path / "evidence")
    log = growing(gateway)[-1]
    content = log.read_bytes()
    other = {
        "shorter": content[: len(content) // 2],
        "other beginning": b" " + content[1:] + content,
        "other end": content[:-2] + b"!\n" + content,
    }[change]
    log.write_bytes(other)
    second = collected(state_of(gateway), tmp_path / "evidence", day=1)
    assert (second.grown_files, second.new_bytes) == (0, len(other))
    stored = {made.folder: next(made.folder.rglob(log.name)).read_bytes() for made in (first, second)}
    assert stored == {first.folder: content, second.folder: other}
    log.write_bytes(content + b"\n")
    assert collected(state_of(gateway), tmp_path / "evidence", day=2).new_bytes == 1
    assert assert_every_day_holds(tmp_path / "evidence") == 3


def test_days_that_could_not_share_do_so_later(gateway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {path: path.read_bytes() for path in growing(gateway)}
    with monkeypatch.context() as patched:
        patched.setattr(collecting, "share_beginnings", lambda *_: None)
        for day, size in enumerate((1000, 2000, None)):
            for path, content in whole.items():
                path.write_bytes(content[:size])
            collected(state_of(gateway), tmp_path / "evidence", day)
    assert assert_every_day_holds(tmp_path / "evidence") == 3
    apart = used_bytes(tmp_path / "evidence")
    collected(state_of(gateway), tmp_path / "evidence", day=3)
    assert assert_every_day_holds(tmp_path / "evidence") == 4
    assert used_bytes(tmp_path / "evidence") < apart


def test_a_stored_file_that_was_altered_is_never_shared(gateway: Path, tmp_path: Path) -> None:
    first = collected(state_of(gateway), tmp_path / "evidence")
    stored = next(first.folder.rglob("jobs.json"))
    stored.write_bytes(stored.read_bytes().replace(b'"', b"'", 1))
    second = collected(state_of(gateway), tmp_path / "evidence", day=1)
    fresh = next(second.folder.rglob("jobs.json"))
    assert fresh.read_bytes() == (gateway / ".openclaw" / "cron" / "jobs.json").read_bytes() != stored.read_bytes()


def test_a_file_system_without_links_stores_every_day_whole(
    gateway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    collected(state_of(gateway), tmp_path / "evidence")
    monkeypatch.setattr(os, "link", refused)
    with growing(gateway)[-1].open("ab") as file:
        file.write(b"more\n")
    collected(state_of(gateway), tmp_path / "evidence", day=1)
    assert assert_every_day_holds(tmp_path / "evidence") == 2
    assert not list((tmp_path / "evidence").glob("*.unfinished"))


def test_stamps_without_a_year_are_read_as_on_the_day_they_were_written(tmp_path: Path) -> None:
    log = tmp_path / "host" / "gateway.log"
    log.parent.mkdir()
    log.write_text("Mar 15 16:03:52 office node[30362]: [gateway] signal SIGTERM received\n" * 3)
    written = datetime(2025, 3, 16, tzinfo=UTC).timestamp()
    os.utime(log, (written, written))
    collected([log.parent], tmp_path / "evidence")
    assert FIRST.year > 2025
    (moment,) = load_evidence([str(tmp_path / "evidence")]).sources["first_at"].to_list()
    assert moment == load_evidence([str(log)]).sources["first_at"].item()
    assert moment.year == 2025


def test_a_bundle_of_one_day_shows_that_day(days: tuple[Path, list[int]], tmp_path: Path) -> None:
    evidence, _ = days
    (first, *_) = sorted(path.parent for path in evidence.glob(f"*/{NAME}"))
    bundle([str(first)], tmp_path / "repro.zip", version="1")
    verdicts = [each.verdict for each in audited(tmp_path / "repro.zip").findings]
    assert sorted(verdicts) == sorted(each.verdict for each in audited(first).findings)


def test_a_collection_is_not_collected_again(days: tuple[Path, list[int]], gateway: Path, tmp_path: Path) -> None:
    evidence, _ = days
    with pytest.raises(UsageError, match="was collected before"):
        collected([evidence], tmp_path / "again")
    made = collected([evidence, gateway / "logs"], tmp_path / "again")
    assert "files that were collected before" in {each.what for each in made.manifest.left_out}
    assert {each.kind for each in made.manifest.files} == {"gateway_log"}


@pytest.mark.parametrize("capture", ["2026.4.15-lost-write", "2026.9.6-restarts"])
def test_evidence_in_an_archive_is_stored_unpacked(capture: str, unpacked: Path, tmp_path: Path) -> None:
    folder = unpack(capture, unpacked)
    with tarfile.open(tmp_path / "host.tar.gz", "w:gz") as archive:
        for name in ("state", "logs"):
            archive.add(folder / name, name)
    made = collected([tmp_path / "host.tar.gz"], tmp_path / "evidence")
    assert made.manifest.missing == ()
    assert told(audited(tmp_path / "evidence")) == told(audited(tmp_path / "host.tar.gz"))
    assert assert_every_day_holds(tmp_path / "evidence") == 1


LOG, AGED, OLD = "openclaw-2026-04-17.log", "openclaw-2026-04-17.1.log", "openclaw-2026-04-17.2.log"
NEXT, LAST = "openclaw-2026-04-18.log", "openclaw-2026-04-19.log"


@pytest.mark.parametrize(
    ("of_days", "covered"),
    [
        # set aside and gone before its end was stored
        ([{LOG: (0, 6)}, {AGED: (0, 8), LOG: (8, 10)}, {OLD: (0, 8), LOG: (12, 14)}], [(0, 10), (12, 14)]),
        # deleted for its age before its end was stored
        ([{LOG: (0, 6)}, {NEXT: (24, 30)}], [(0, 6), (24, 30)]),
        ([{LOG: (0, 24), NEXT: (24, 30)}, {LAST: (48, 50)}], [(0, 30), (48, 50)]),
        # stored to its end
        ([{LOG: (0, 6)}, {LOG: (0, 24), NEXT: (24, 30)}, {NEXT: (24, 48), LAST: (48, 50)}], [(0, 50)]),
        ([{LOG: (0, 24), NEXT: (24, 30)}, {NEXT: (24, 48), LAST: (48, 50)}], [(0, 50)]),
        ([{LOG: (0, 6)}, {AGED: (0, 8), LOG: (8, 10)}, {OLD: (0, 8), AGED: (8, 12), LOG: (12, 14)}], [(0, 14)]),
    ],
)
def test_what_no_day_holds_of_a_log_is_not_covered(
    of_days: list[dict[str, tuple[int, int]]], covered: list[tuple[int, int]], tmp_path: Path
) -> None:
    shutil.copytree(SAMPLES / "founding-same-run" / "state", tmp_path / "state")
    logs = tmp_path / "logs"
    logs.mkdir()
    for day, hours in enumerate(of_days):
        for path in logs.iterdir():
            path.unlink()
        for name, (first, last) in hours.items():
            (logs / name).write_text("".join(map(beat, range(first * 12, last * 12))), encoding="utf-8")
        collected([tmp_path / "state", logs], tmp_path / "evidence", day)
    spans = audited(tmp_path / "evidence").log_spans.select("covered_from", "covered_until").rows()
    assert spans == [(moment_of(first * 12), moment_of(last * 12 - 1)) for first, last in covered]


def moment_of(number: int) -> datetime:
    return datetime(2026, 4, 17, tzinfo=UTC) + timedelta(minutes=5 * number)


def beat(number: int) -> str:
    """Give a line of a gateway log, one for every five minutes."""
    at = f"{moment_of(number):%Y-%m-%dT%H:%M:%S}.000Z"
    named = json.dumps({"subsystem": "gateway"})
    meta = {"runtime": "node", "hostname": "host", "name": named, "date": at, "logLevelId": 3, "logLevelName": "INFO"}
    return json.dumps({"0": named, "1": f"tick {number}", "_meta": meta, "time": at}) + "\n"
