"""Archives that mean harm, or were damaged: refused with a reason, the rest is read, and no loss is ever made up."""

from __future__ import annotations

import errno
import gzip
import os
import random
import tarfile
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from forensics import audit, load_evidence
from forensics.model.errors import NothingToReadError
from forensics.model.evidence import Evidence
from forensics.model.policy import Limits
from forensics.parsers import containers
from tests.hostile.incident import assert_good_state_was_read, good_state, load_all, notices_of
from tests.parsers.shapes import JOB, log_line, run_entry, write_log, write_run_log
from tests.support.packing import COMPRESSED, packed, tar_of, tarred, write, zip_of

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "every-verdict"
READY = log_line("gateway", "gateway ready").encode()
SMALL = Limits(
    total_bytes=4 << 20, member_bytes=2 << 20, ratio=50, ratio_from_bytes=1 << 18, members=40, depth=3, name_bytes=4096
)


def beside(tmp_path: Path, name: str, content: bytes, limits: Limits | None = None) -> Evidence:
    """Read an archive beside a good state directory, and check that this one was read in full."""
    state = good_state(tmp_path / "good" / "state")
    path = write(tmp_path / "given" / name, content)
    evidence = load_evidence([str(state), str(path)], limits=limits)
    assert_good_state_was_read(evidence)
    assert sorted(entry.name for entry in path.parent.iterdir()) == [name]
    assert not (tmp_path / "escaped").exists()
    return evidence


def refused(evidence: Evidence) -> list[str]:
    return [told.rpartition("hostile/")[2] for told in notices_of(evidence, "refused")]


def header(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (header("x.log", tarfile.SYMTYPE, "/etc/passwd"), "a symbolic link"),
        (header("x.log", tarfile.LNKTYPE, "good.log"), "a hard link"),
        (header("x.log", tarfile.CHRTYPE), "a device"),
        (header("x.log", tarfile.BLKTYPE), "a device"),
        (header("x.log", tarfile.FIFOTYPE), "a pipe"),
        (header("x.log", b"Q"), "an entry of an unknown type"),
        (header("x.log", tarfile.GNUTYPE_SPARSE), "a file with holes"),
        (header("/escaped/x.log", tarfile.REGTYPE), "its path is absolute"),
        (header("a/../../escaped", tarfile.REGTYPE), "its path leads out of the archive"),
        (header("../escaped", tarfile.DIRTYPE), "its path leads out of the archive"),
        (header("good.log/x.log", tarfile.REGTYPE), "it cannot be unpacked"),
        (header("y" * 300, tarfile.REGTYPE), "it cannot be unpacked"),
        (header("d/" * 1900 + "x.log", tarfile.REGTYPE), "folders deep"),
        (header("d/" * 90_000 + "x.log", tarfile.REGTYPE), "folders deep"),
    ],
)
def test_entries_of_a_tar_archive_that_could_do_harm_are_refused(
    tmp_path: Path, entry: tarfile.TarInfo, reason: str
) -> None:
    evidence = beside(tmp_path, "hostile.tar", tar_of(("good.log", READY), (entry, b""), ("more.log", READY)))
    (told,) = notices_of(evidence, "refused")
    assert reason in told
    assert {path.rpartition("/")[2] for path in evidence.sources["path"].to_list()} >= {"good.log", "more.log"}


def zip_entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo()
    entry.filename = entry.orig_filename = name
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (zip_entry("x.log", 0o120777), "a symbolic link"),
        (zip_entry("x.log", 0o010644), "a device or a pipe"),
        (zip_entry("/escaped/x.log"), "its path is absolute"),
        (zip_entry("C:\\x.log"), "its path is absolute"),
        (zip_entry("..\\..\\escaped"), "its path leads out of the archive"),
        (zip_entry("a/../../escaped"), "its path leads out of the archive"),
        (zip_entry("x\x00.log"), "holds a NUL character"),
    ],
)
def test_entries_of_a_zip_file_that_could_do_harm_are_refused(
    tmp_path: Path, entry: zipfile.ZipInfo, reason: str
) -> None:
    content = zip_of(("good.log", READY), (entry, b"/etc/passwd"), ("more.log", READY))
    evidence = beside(tmp_path, "hostile.zip", content)
    (told,) = notices_of(evidence, "refused")
    assert reason in told
    assert {path.rpartition("/")[2] for path in evidence.sources["path"].to_list()} >= {"good.log", "more.log"}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_entry_of_another_method_is_refused(tmp_path: Path, method: int) -> None:
    (told,) = refused(beside(tmp_path, "hostile.zip", zip_of(("x.log", READY), method=method)))
    assert f"number {method}" in told


def encrypted(content: bytes) -> bytes:
    """Mark the first entry of a zip file as encrypted, in both of its headers."""
    marked = bytearray(content)
    for magic, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        marked[content.index(magic) + flags_at] |= 1
    return bytes(marked)


def test_an_encrypted_entry_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    evidence = beside(tmp_path, "hostile.zip", encrypted(zip_of(("secret.log", READY), ("open.log", READY))))
    (told,) = notices_of(evidence, "refused")
    assert "secret.log: an encrypted entry; unpack it with its password" in told
    assert any(path.endswith("open.log") for path in evidence.sources["path"].to_list())


@pytest.mark.parametrize("compression", COMPRESSED)
def test_a_compressed_bomb_ends_early(tmp_path: Path, compression: str) -> None:
    bomb = COMPRESSED[compression](b"\x00" * (3 << 20))
    evidence = beside(tmp_path, "bomb.log", bomb, SMALL)
    (told,) = notices_of(evidence, "torn")
    assert "grows more than 50 times" in told


@pytest.mark.parametrize("name", ["in.log", "../escaped"])
def test_a_bomb_in_a_tar_archive_ends_early_even_where_it_is_skipped(tmp_path: Path, name: str) -> None:
    content = gzip.compress(tar_of(("good.log", READY), (name, b"\x00" * (3 << 20)), ("after.log", READY)))
    evidence = beside(tmp_path, "bomb.tar.gz", content, SMALL)
    assert "grows more than 50 times" in notices_of(evidence, "torn")[0]
    assert any(path.endswith("good.log") for path in evidence.sources["path"].to_list())


def test_a_bomb_in_a_zip_file_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    content = zip_of(("bomb.log", b"\x00" * (1 << 20)), ("noise", os.urandom(1 << 19)), ("good.log", READY))
    evidence = beside(tmp_path, "bomb.zip", content, SMALL)
    (told,) = notices_of(evidence, "refused")
    assert "bomb.log: unpacked, it grows more than 50 times" in told
    assert any(path.endswith("good.log") for path in evidence.sources["path"].to_list())


def test_a_zip_file_whose_entries_share_their_bytes_is_a_bomb(tmp_path: Path) -> None:
    kernel = random.Random(7).randbytes(9_000) * 5  # noqa: S311 - one entry alone stays below every limit
    overlapping = bytearray(zip_of(("00", kernel)))
    at = overlapping.index(b"PK\x01\x02")
    central, end = bytes(overlapping[at : at + 48]), bytearray(overlapping[at + 48 :])
    many = 39
    end[8:10] = end[10:12] = many.to_bytes(2, "little")
    end[12:16] = (48 * many).to_bytes(4, "little")
    evidence = beside(tmp_path, "bomb.zip", bytes(overlapping[:at]) + central * many + bytes(end), SMALL)
    assert "grows more than 50 times" in notices_of(evidence, "torn")[0]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_file_larger_than_allowed_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    large = random.Random(7).randbytes(2 << 20) + b"x"  # noqa: S311
    entries = (("large.log", large), ("good.log", READY))
    content = tar_of(*entries) if kind == "tar" else zip_of(*entries)
    evidence = beside(tmp_path, "large", content, SMALL)
    told = notices_of(evidence, "torn" if kind == "tar" else "refused")
    assert "a file in it has more than 2,097,152 bytes" in told[0]


def test_all_that_is_unpacked_together_is_bounded(tmp_path: Path) -> None:
    noise = random.Random(7)  # noqa: S311
    entries = [(f"{n}.bin", noise.randbytes(1 << 20)) for n in range(6)]
    evidence = beside(tmp_path, "large.zip", zip_of(*entries), SMALL)
    assert "has more than 4,194,304 bytes" in notices_of(evidence, "torn")[0]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_the_number_of_entries_is_bounded(tmp_path: Path, kind: str) -> None:
    entries = [(f"{n}.log", b"") for n in range(50)]
    content = tar_of(*entries) if kind == "tar" else zip_of(*entries)
    assert "more than 40 entries" in notices_of(beside(tmp_path, "many", content, SMALL), "torn")[0]


def test_a_table_of_contents_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    limits = Limits(directory_bytes=100)
    content = zip_of(*((f"{n}.log", b"") for n in range(50)))
    assert "table of contents" in notices_of(beside(tmp_path, "many.zip", content, limits), "torn")[0]


def test_archives_within_archives_end_somewhere(tmp_path: Path) -> None:
    content = READY
    for depth in range(6):
        content = zip_of((f"{depth}.zip", content))
    (told,) = notices_of(beside(tmp_path, "deep.zip", content, SMALL), "refused")
    assert told.startswith(f"{tmp_path}/given/deep.zip/5.zip/4.zip/3.zip: it lies 3 archives deep")


def test_an_archive_that_holds_itself_ends(tmp_path: Path) -> None:
    quine = gzip.compress(b"")
    for _ in range(10):
        quine = gzip.compress(quine)
    assert "archives deep" in notices_of(beside(tmp_path, "quine.gz", quine), "refused")[0]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_without_end_is_not_read(tmp_path: Path, form: int) -> None:
    content = tar_of(("good.log", READY), ("x" * 100_000, b""), form=form)
    evidence = beside(tmp_path, "names.tar", content, SMALL)
    assert "too long for any file system" in notices_of(evidence, "torn")[0]


@pytest.mark.parametrize("size", [b"\x80" + b"\x7f" * 11, b"\xff" * 12, b"77777777777\x00"])
def test_a_size_that_cannot_be_is_no_size(tmp_path: Path, size: bytes) -> None:
    block = bytearray(tar_of(("x.log", b""))[:512])
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    evidence = beside(tmp_path, "size.tar", tar_of(("good.log", READY))[:1024] + bytes(block))
    assert len(notices_of(evidence, "torn")) == 1
    assert any(path.endswith("good.log") for path in evidence.sources["path"].to_list())


@pytest.mark.parametrize(
    "extended",
    [b"", b"x", b"99 path=a\n", b"5 \n", b"0 path=a\n", b"-1 path=a\n", b"16 size=9999999\n", b"11 size=-1\n"],
)
def test_an_extended_header_that_means_nothing_does_no_harm(tmp_path: Path, extended: bytes) -> None:
    content = tar_of((header("pax", tarfile.XHDTYPE), extended))[:1024] + tar_of(("x.log", READY))
    beside(tmp_path, "pax.tar", content)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_of_entries_of_one_name_the_last_is_read_and_the_others_are_named(tmp_path: Path, kind: str) -> None:
    later = log_line("gateway", "starting...").encode()
    entries = (("x.log", READY), ("x.log", later))
    with pytest.warns(UserWarning, match="Duplicate name") if kind == "zip" else tempfile.TemporaryFile():
        content = tar_of(*entries) if kind == "tar" else zip_of(*entries)
    evidence = beside(tmp_path, "twice", content)
    (told,) = notices_of(evidence, "duplicate_entry")
    assert "twice/x.log: there are several entries of this name; the last one is read" in told
    logs = evidence.sources.filter(pl.col("path").str.ends_with("twice/x.log"))
    assert logs["bytes"].to_list() == [len(later)]


def test_a_hostile_name_is_shown_without_its_control_characters(tmp_path: Path) -> None:
    evidence = beside(tmp_path, "names.tar", tar_of((header("\x1b[31m\nx", tarfile.SYMTYPE), b"")))
    (told,) = notices_of(evidence, "refused")
    assert "\\x1b[31m\\nx" in told


def test_a_full_temporary_folder_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, *_arguments: object) -> None:
            self.left = 3

        def read(self, _size: int) -> bytes:
            self.left -= 1
            if self.left:
                return b"x"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(containers, "_Entry", Full)
    evidence = beside(tmp_path, "copy.zip", zip_of(("x.log", READY), ("y.log", READY)))
    (told,) = notices_of(evidence, "torn")
    assert "there is no room to unpack it (No space left on device); set TMPDIR" in told


def test_without_any_temporary_folder_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: str) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(containers, "tempfile", SimpleNamespace(mkdtemp=refuse))
    path = write(tmp_path / "copy.zip", zip_of(("x.log", READY)))
    state = good_state(tmp_path / "state")
    write(state / "logs" / "a.log.gz", gzip.compress(READY))
    assert_good_state_was_read(load_all(state))
    with pytest.raises(NothingToReadError, match="set TMPDIR"):
        load_evidence([str(path)])


def test_a_folder_deeper_than_any_gateway_makes_is_named(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    deep = state / "logs"
    for _ in range(120):
        deep /= "d"
        deep.mkdir()
    evidence = load_all(state)
    assert_good_state_was_read(evidence)
    assert "folders deep" in notices_of(evidence, "unreadable")[0]


# torn and damaged


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst", "tar.bz2", "tar.xz", "zip"])
def test_a_torn_archive_gives_what_stands_before_the_tear(tmp_path: Path, kind: str) -> None:
    state = good_state(tmp_path / "state")
    write(state / "tmp" / "noise", os.urandom(2 << 20))
    content = packed(state, kind)
    path = write(tmp_path / "copy", content[: len(content) * 3 // 4])
    evidence = load_all(path)
    (told,) = notices_of(evidence, "torn")
    assert told.startswith(f"{path}: it could not be unpacked to its end: ")
    assert "what came before is used" in told
    assert evidence.sources["kind"].to_list().count("task_registry") == 1
    assert evidence.copies.select("has_run_logs", "has_job_store").rows() == [(False, False)]


def test_a_log_that_is_torn_is_read_to_its_last_line_and_ends_there(tmp_path: Path) -> None:
    log = "".join(log_line("gateway", "gateway ready", ms=1_776_411_644_000 + n) for n in range(50))
    content = tarred(write_log(tmp_path / "logs" / "gateway.log", log).parent)
    evidence = load_all(write(tmp_path / "copy.tar", content[: content.index(log.encode()) + len(log) // 2 - 9]))
    row = evidence.sources.row(0, named=True)
    assert (row["kind"], row["records"], row["rejected"], row["before_hole"]) == ("gateway_log", 24, 1, True)
    assert [code for code in evidence.notices["code"].to_list() if code != "container"] == [
        *("torn", "truncated_line", "torn")
    ]


def test_a_run_log_that_is_torn_is_damaged(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    log = write_run_log(tmp_path / "x", *(run_entry(jobId="torn") for _ in range(9))).read_bytes()
    names = [path.relative_to(state).as_posix() for path in sorted(state.rglob("*")) if path.is_file()]
    entries = [(name, (state / name).read_bytes()) for name in names]
    content = tar_of(*entries, ("cron/runs/torn.jsonl", log))
    evidence = load_all(write(tmp_path / "copy.tar", content[: content.index(log) + len(log) // 2]))
    told = evidence.histories.filter(pl.col("job_id") == "torn")
    assert told["is_damaged"].to_list() == [True]


@pytest.mark.parametrize("name", ["tasks/runs.sqlite", "tasks-list.json"])
def test_a_registry_or_an_export_that_is_torn_is_not_used(tmp_path: Path, name: str) -> None:
    whole = (SAMPLE / "state" / name if "/" in name else SAMPLE / name).read_bytes()
    content = tar_of((name, whole))
    path = write(tmp_path / "copy.tar", content[: 512 + len(whole) - 1])
    state = good_state(tmp_path / "state")
    evidence = load_all(state, path)
    assert evidence.tasks.height == 1
    assert "damaged" in evidence.sources["kind"].to_list() or "unknown" in evidence.sources["kind"].to_list()


@pytest.mark.parametrize("name", ["copy.gz", "copy.zip", "copy.tar"])
def test_an_archive_of_which_nothing_can_be_unpacked_is_named(tmp_path: Path, name: str) -> None:
    whole = packed(good_state(tmp_path / "s"), "zip" if "zip" in name else "tar" if "tar" in name else "tar.gz")
    evidence = beside(tmp_path, name, whole[: 513 if name == "copy.tar" else 20])
    assert "nothing of it is used" in notices_of(evidence, "torn")[0]


def test_a_refused_run_log_does_not_pass_for_one_that_was_never_written(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    (state / "cron" / "runs" / "linked.jsonl").symlink_to(f"{JOB}.jsonl")
    evidence = load_all(write(tmp_path / "copy.tar", tarred(state)))
    assert evidence.copies["has_run_logs"].to_list() == [False]


def test_an_entry_refused_elsewhere_says_nothing_about_run_logs(tmp_path: Path) -> None:
    state = good_state(tmp_path / "state")
    (state / "logs" / "linked.log").symlink_to("gateway.log")
    evidence = load_all(write(tmp_path / "copy.tar", tarred(state)))
    assert evidence.copies["has_run_logs"].to_list() == [True]


ORDERS = {
    "registry first": ["tasks-list.json", "state/tasks", "logs", "state/cron"],
    "run logs first": ["state/tasks", "state/cron", "logs", "tasks-list.json"],
    "log last": ["state/cron", "state/tasks", "tasks-list.json", "logs"],
}


def verdicts_of(evidence: Evidence) -> dict[str, tuple[str, Any]]:
    return {
        finding.task_id: (finding.verdict.value, None if finding.run is None else finding.run.finished_at)
        for finding in audit(evidence).findings
    }


def names_in(folder: Path) -> list[str]:
    if folder.is_file():
        return [folder.relative_to(SAMPLE).as_posix()]
    return [path.relative_to(SAMPLE).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.mark.parametrize("order", ORDERS)
def test_a_torn_archive_withholds_and_never_makes_up_a_loss(tmp_path: Path, order: str) -> None:
    content = tarred(SAMPLE, [name for part in ORDERS[order] for name in names_in(SAMPLE / part)])
    whole = verdicts_of(load_all(write(tmp_path / "whole.tar", content)))
    assert len(whole) == 12
    withheld = 0
    for number, cut in enumerate(range(20_000, len(content), 3_000)):
        try:
            evidence = load_all(write(tmp_path / f"{number}.tar", content[:cut]))
        except NothingToReadError:
            continue
        if evidence.tasks.is_empty():
            continue
        for task_id, (verdict, finished_at) in verdicts_of(evidence).items():
            withheld += verdict == "undetermined" and whole[task_id][0] != "undetermined"
            assert verdict in ("undetermined", whole[task_id][0]), f"{cut}: {task_id}"
            assert finished_at in (None, whole[task_id][1]), f"{cut}: {task_id}"
    assert withheld > 0


@pytest.mark.parametrize("kind", ["tar.gz", "tar.zst", "tar.bz2", "zip"])
def test_damage_anywhere_in_an_archive_never_makes_up_a_loss(tmp_path: Path, kind: str) -> None:
    content = packed(SAMPLE, kind)
    whole = verdicts_of(load_all(write(tmp_path / "whole", content)))
    chosen = random.Random(11)  # noqa: S311
    for number in range(12):
        damaged = bytearray(content)
        damaged[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path = write(tmp_path / f"{number}", bytes(damaged))
        try:
            evidence = load_all(path)
        except NothingToReadError:
            continue
        if evidence.tasks.height:
            for task_id, told in verdicts_of(evidence).items():
                # the damage may lie in an id, or in the text of the mark; the state of a job may stand for its run log
                verdict, finished_at = whole.get(task_id, ("undetermined", None))
                assert told[0] in ("undetermined", "not_applicable", verdict), f"{number}: {task_id}"
                assert told[1] in (None, finished_at), f"{number}: {task_id}"
