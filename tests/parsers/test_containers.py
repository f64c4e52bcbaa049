"""Archives and compressed files read as the folders and files they hold."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from forensics.model.errors import UsageError
from forensics.model.evidence import Evidence
from forensics.model.policy import Limits
from forensics.parsers.compressed import CorruptError, Decompressed, TornError, compression_of
from forensics.parsers.containers import CONTAINERS, Scratch
from forensics.parsers.detect import Found, Unread, find_files
from forensics.parsers.load import load_evidence
from forensics.parsers.tar import Member, is_tar, tar_members
from forensics.parsers.unzip import zip_members
from tests.hostile.incident import assert_good_state_was_read, good_state, load_all, notices_of
from tests.parsers.shapes import (
    JOB,
    START_MS,
    log_line,
    run_entry,
    task_row,
    write_log,
    write_run_log,
    write_wal_registry,
)
from tests.support.packing import COMPRESSED, packed, tar_of, tarred, write, zip_of, zipped

ARCHIVES = [kind for kind in CONTAINERS if kind.startswith(("tar", "zip"))]
READY = log_line("gateway", "gateway ready").encode()


def found_in(argument: Path | str, scratch: Scratch) -> list[Found]:
    unread: list[Unread] = []
    found = list(find_files(str(argument), unread, scratch))
    assert unread == []
    return found


def read_all(members: list[Member]) -> dict[str, bytes]:
    return {member.name: member.read(1 << 20) for member in members}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_is_read_as_the_folder_it_holds(tmp_path: Path, kind: str) -> None:
    state = good_state(tmp_path / "state")
    path = write(tmp_path / "handed" / f"copy.{kind}", packed(state, kind))
    evidence = load_all(path)
    assert_good_state_was_read(evidence)
    assert evidence.sources["path"].to_list() == [
        f"{path}/{name}"
        for name in ("cron/jobs.json", f"cron/runs/{JOB}.jsonl", "logs/gateway.log", "tasks/runs.sqlite")
    ]
    assert evidence.copies.rows() == [("copy", str(path), True, True)]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_folder_inside_an_archive_is_the_copy(tmp_path: Path, kind: str) -> None:
    good_state(tmp_path / "all" / "alpha")
    path = write(tmp_path / f"copy.{kind}", packed(tmp_path / "all", kind))
    evidence = load_all(path)
    assert evidence.copies.rows() == [("alpha", f"{path}/alpha", True, True)]
    assert set(evidence.sources["gateway"].to_list()) == {"alpha"}


def test_members_are_hashed_and_measured_by_their_own_content(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    evidence = load_all(write(tmp_path / "copy.tar.gz", packed(state, "tar.gz")))
    for name, size_bytes, sha256 in evidence.sources.select("path", "bytes", "sha256").iter_rows():
        content = (state / name.partition("copy.tar.gz/")[2]).read_bytes()
        assert (size_bytes, sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_container_is_named_with_its_own_hash(tmp_path: Path) -> None:
    content = packed(good_state(tmp_path / "state"), "tar.zst")
    path = write(tmp_path / "copy", content)
    (told,) = notices_of(load_all(path), "container")
    assert told == f"{path}: a container (tar.zst) of 4 files, SHA-256 {hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("compression", COMPRESSED)
def test_a_compressed_file_is_shown_as_the_file_that_was_given(tmp_path: Path, compression: str) -> None:
    log = f"{log_line('plugins', 'x')}{log_line('gateway', 'gateway ready')}".encode()
    path = write(tmp_path / f"openclaw-2026-04-17.log.{compression}", COMPRESSED[compression](log))
    evidence = load_all(path)
    row = evidence.sources.row(0, named=True)
    assert (row["path"], row["kind"], row["bytes"], row["lines"]) == (str(path), "gateway_log", len(log), 2)
    assert evidence.lifecycle.filter(pl.col("kind") == "ready")["line"].to_list() == [2]


def test_a_compressed_file_is_known_by_the_name_it_had(tmp_path: Path) -> None:
    path = write(tmp_path / "openclaw-2026-04-17.log.gz", gzip.compress(READY))
    (found,) = found_in(path, Scratch())
    assert (found.name, found.explicit, found.copy_root) == ("openclaw-2026-04-17.log", True, tmp_path)


def test_compressed_files_in_a_state_directory_belong_to_it(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    for path in (state / "cron" / "runs" / f"{JOB}.jsonl", state / "logs" / "gateway.log"):
        write(path.with_name(path.name + ".gz"), gzip.compress(path.read_bytes()))
        path.unlink()
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert evidence.copies.rows() == [("state", str(state), True, True)]
    assert f"{state}/cron/runs/{JOB}.jsonl.gz" in evidence.sources["path"].to_list()


def test_a_damaged_run_log_in_a_compressed_file_is_known_by_its_place(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    write(state / "cron" / "runs" / "damaged.jsonl.gz", gzip.compress(b"garbage\n"))
    evidence = load_all(state)
    assert evidence.sources.filter(pl.col("job_id") == "damaged")["rejected"].to_list() == [1]


@pytest.mark.parametrize("packing", ["tar.gz", "zip", "each"])
def test_a_database_and_its_write_ahead_log_stay_together(tmp_path: Path, packing: str) -> None:
    state = tmp_path / "state"
    write_wal_registry(state / "tasks" / "runs.sqlite", [task_row()], tmp_path / "live")
    if packing == "each":
        for path in list((state / "tasks").iterdir()):
            write(tmp_path / "given" / f"{path.name}.zst", COMPRESSED["zst"](path.read_bytes()))
        given = tmp_path / "given"
    else:
        given = write(tmp_path / "copy", packed(state, packing))
    evidence = load_all(given)
    assert evidence.tasks.height == 1
    assert sorted(evidence.sources["kind"].to_list()) == ["task_registry", "task_registry_wal"]


def test_archives_within_archives_are_read(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    log = (state / "logs" / "gateway.log").read_bytes()
    (state / "logs" / "gateway.log").unlink()
    inner = tar_of(("logs/openclaw.log.gz", gzip.compress(log)), ("state.zip", zipped(state)))
    path = write(tmp_path / "outer.zip", zip_of(("inner.tar.gz", gzip.compress(inner))))
    evidence = load_all(path)
    assert_good_state_was_read(evidence)
    shown = evidence.sources["path"].to_list()
    assert f"{path}/inner.tar.gz/logs/openclaw.log.gz" in shown
    assert f"{path}/inner.tar.gz/state.zip/tasks/runs.sqlite" in shown
    assert len(notices_of(evidence, "container")) == 4


def test_containers_are_told_by_their_content_whatever_their_name(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    assert_good_state_was_read(load_all(write(tmp_path / "gateway.log", packed(state, "tar.xz"))))


def test_an_archive_given_twice_or_linked_twice_is_unpacked_once(tmp_path: Path) -> None:
    path = write(tmp_path / "copy.tar", tarred(good_state(tmp_path / "state")))
    (tmp_path / "link.tar").symlink_to(path)
    evidence = load_evidence([str(path), str(tmp_path / "link.tar"), f"{tmp_path}/./copy.tar"])
    assert evidence.sources.height == 4


def test_of_a_state_directory_in_an_archive_only_folders_with_evidence_are_entered(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    write_log(state / "agents" / "main" / "sessions" / "x.jsonl", READY.decode())
    path = write(tmp_path / "copy.tgz", packed(state, "tar.gz"))
    evidence = load_all(path)
    assert notices_of(evidence, "left_out") == [f"{path}: not read, as they hold no evidence: agents"]
    assert evidence.sources.height == 4


def test_an_empty_folder_of_run_logs_in_an_archive_was_handed_over(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    (state / "cron" / "runs" / f"{JOB}.jsonl").unlink()
    for kind in ("tar", "zip"):
        evidence = load_all(write(tmp_path / f"copy.{kind}", packed(state, kind)))
        assert evidence.copies["has_run_logs"].to_list() == [True]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_member_keeps_the_time_it_was_written(tmp_path: Path, kind: str) -> None:
    log = write(tmp_path / "logs" / "gateway.log", READY)
    os.utime(log, (1_776_411_644, 1_776_411_644))
    scratch = Scratch()
    (found,) = found_in(write(tmp_path / "copy", packed(tmp_path / "logs", kind)), scratch)
    told = datetime.fromtimestamp(found.path.stat().st_mtime, UTC)
    assert abs((told - datetime(2026, 4, 17, 7, 40, 44, tzinfo=UTC)).total_seconds()) < 2


def test_the_time_in_a_zip_file_is_that_of_utc_where_it_says_so(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("gateway.log", (2026, 4, 17, 12, 0, 0))
    entry.extra = b"UT\x05\x00\x01" + (1_776_411_644).to_bytes(4, "little")
    scratch = Scratch()
    (found,) = found_in(write(tmp_path / "copy.zip", zip_of((entry, READY))), scratch)
    assert found.path.stat().st_mtime == 1_776_411_644


def test_names_with_backslashes_are_folders(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo()
    entry.filename = entry.orig_filename = f"cron\\runs\\{JOB}.jsonl"
    content = (str(run_entry()).replace("'", '"') + "\n").encode()
    (found,) = found_in(write(tmp_path / "copy.zip", zip_of((entry, content))), Scratch())
    assert found.shown.endswith(f"copy.zip/cron/runs/{JOB}.jsonl")


def test_standard_input_can_be_an_archive_or_a_file(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    evidence = load_evidence(["-"], standard_input=io.BytesIO(packed(state, "tar.gz")))
    assert_good_state_was_read(evidence)
    assert evidence.sources["path"][0] == "-/cron/jobs.json"
    assert evidence.copies.rows() == [("stdin", "-", True, True)]
    evidence = load_evidence([str(state / "tasks"), "-"], standard_input=io.BytesIO(READY))
    told = evidence.sources.filter(pl.col("path") == "-").row(0, named=True)
    assert (told["kind"], told["gateway"], told["copy"]) == ("gateway_log", "state", "-")


@pytest.mark.parametrize("given", [["-", "-"], ["-"]])
def test_standard_input_is_read_once(given: list[str]) -> None:
    gateways = {} if len(given) > 1 else {"a": ["-"]}
    with pytest.raises(UsageError, match="only once"):
        load_evidence(given, gateways, standard_input=io.BytesIO(READY))


def test_standard_input_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="standard input"):
        load_evidence(["-"])


def folders_left() -> list[str]:
    return [entry.name for entry in Path(tempfile.gettempdir()).iterdir()]


def test_what_was_unpacked_is_removed_with_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = write(tmp_path / "copy.tar", tarred(good_state(tmp_path / "state")))
    evidence: Evidence | None = load_all(path)
    assert evidence is not None
    assert len(folders_left()) == 1
    assert all(file.exists() for file in evidence.files.values())
    assert oct(next(temporary.iterdir()).stat().st_mode)[-3:] == "700"
    evidence = None
    gc.collect()
    assert folders_left() == []


def test_nothing_is_unpacked_where_nothing_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    evidence = load_all(good_state(tmp_path / "state"))
    assert evidence.containers == ()
    assert folders_left() == []


def test_an_archive_is_not_touched_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "given" / "copy.zip", zipped(good_state(tmp_path / "state")))
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_atime_ns
    load_all(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_atime_ns) == before
    assert [entry.name for entry in path.parent.iterdir()] == ["copy.zip"]


# tar headers of every age


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_names_beyond_ascii_are_kept(form: int) -> None:
    names = ["a/" + "b" * 90 + "/" + "c" * 90 + ".log", "übel.log"]
    if form != tarfile.USTAR_FORMAT:
        names.append("d/" * 120 + "e" * 200)
    content = tar_of(*((name, name.encode()) for name in names), form=form)
    stream = io.BytesIO(content)
    told = {member.name: member.read(1 << 20) for member in tar_members(stream, Limits())}
    assert told == {name: name.encode() for name in names}


def test_an_old_tar_without_a_magic_is_one() -> None:
    block = bytearray(tar_of(("old.log", READY))[:512])
    block[257:265] = b"\x00" * 8
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    assert is_tar(bytes(block))
    content = bytes(block) + READY.ljust(512, b"\x00") + b"\x00" * 1024
    assert read_all(list(tar_members(io.BytesIO(content), Limits())))["old.log"] == b""


def test_members_that_are_not_read_are_skipped() -> None:
    content = tar_of(("one", b"1" * 700), ("two", b"2"))
    assert [member.name for member in tar_members(io.BytesIO(content), Limits())] == ["one", "two"]


def test_archives_one_behind_the_other_are_all_read() -> None:
    content = tar_of(("one", b"1")) + tar_of(("two", b"2"))
    assert [member.name for member in tar_members(io.BytesIO(content), Limits())] == ["one", "two"]


@pytest.mark.parametrize("text", [b"", b"x" * 600, b"\x00" * 1024, READY * 10])
def test_other_files_are_no_tar(text: bytes) -> None:
    assert not is_tar(text)


# compressed streams


def content_of(packed_bytes: bytes, compression: str, size: int = 1 << 16) -> bytes:
    stream = Decompressed(io.BytesIO(packed_bytes), compression, Limits())
    parts = []
    while part := stream.read(size):
        assert len(part) <= size
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("compression", COMPRESSED)
@pytest.mark.parametrize("size", [7, 1 << 16])
def test_streams_one_behind_the_other_are_one_content(compression: str, size: int) -> None:
    one, two = b"one " * 9000, os.urandom(100_000)
    pack = COMPRESSED[compression]
    found = content_of(pack(one) + pack(b"") + pack(two), compression, size if size > 7 else 70_001)
    assert found == one + two
    assert content_of(pack(b"x" * 100), compression, size) == b"x" * 100


@pytest.mark.parametrize("compression", COMPRESSED)
def test_a_stream_that_ends_early_says_so(compression: str) -> None:
    whole = COMPRESSED[compression](os.urandom(50_000))
    for length in (len(whole) - 1, len(whole) // 2, 12):
        with pytest.raises(TornError):
            content_of(whole[:length], compression)


@pytest.mark.parametrize("compression", COMPRESSED)
def test_something_behind_a_stream_is_told_and_the_content_given(compression: str) -> None:
    whole = COMPRESSED[compression](b"content")
    assert content_of(whole + b"\x00" * 512, compression) == b"content"
    stream = Decompressed(io.BytesIO(whole + b"something else entirely"), compression, Limits())
    assert stream.read(100) == b"content"
    with pytest.raises(TornError):
        stream.read(100)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_changed_bit_is_damage(compression: str) -> None:
    damaged = bytearray(COMPRESSED[compression](os.urandom(50_000)))
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(CorruptError):
        content_of(bytes(damaged), compression)


@pytest.mark.parametrize("compression", COMPRESSED)
def test_compression_is_told_by_the_first_bytes(compression: str) -> None:
    for content in (b"", b"x", os.urandom(3000)):
        assert compression_of(COMPRESSED[compression](content)) == compression


# zip files without their table of contents


def read_until_torn(path: Path) -> dict[str, bytes]:
    """Give the whole entries of a zip file that was cut."""
    found: dict[str, bytes] = {}
    with path.open("rb") as raw:
        members = zip_members(raw, Limits())
        try:
            for member in members:
                parts = []
                while part := member.read(1000):
                    parts.append(part)
                found[member.name] = b"".join(parts)
        except TornError:
            return found
    pytest.fail("it was not found to be torn")


def test_a_zip_file_cut_within_an_entry_gives_the_entries_before(tmp_path: Path) -> None:
    whole = zip_of(("one", b"1" * 5000), ("two", os.urandom(5000)), ("three", b"3" * 9), ("four", b""))
    found = read_until_torn(write(tmp_path / "cut.zip", whole[: whole.index(b"three") + 6]))
    assert sorted(found) == ["one", "two"]
    assert found["one"] == b"1" * 5000


class _Pipe(io.RawIOBase):
    """Something to write to that cannot be sought in, so that sizes follow the content."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.content += bytes(data)  # type: ignore[call-overload]
        return len(data)  # type: ignore[arg-type]


def test_a_zip_file_written_to_a_pipe_and_cut_gives_the_entries_before(tmp_path: Path) -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("one", "two"):
            archive.writestr(name, name * 1000)
    cut = write(tmp_path / "cut.zip", pipe.content[: pipe.content.index(b"PK\x01\x02") + 4])
    assert read_until_torn(cut) == {"one": b"one" * 1000, "two": b"two" * 1000}


def test_logs_keep_their_line_numbers_and_run_logs_theirs(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    write_run_log(state / "cron" / "runs" / f"{JOB}.jsonl", "garbage\n", run_entry(), run_entry(START_MS + 1))
    from_folder, from_archive = load_all(state), load_all(write(tmp_path / "c.tar", tarred(state)))
    assert from_archive.runs["line"].to_list() == from_folder.runs["line"].to_list()
    assert from_archive.notices.filter(pl.col("code") == "not_json")["line"].to_list() == [1]
