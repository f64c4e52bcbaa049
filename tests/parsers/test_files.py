from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from forensics.model.errors import UnreadableError
from forensics.parsers import files
from forensics.parsers.files import content_of, head_of, open_evidence, private_copy, sha256_of


def test_content_head_and_hash_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(b"0123456789")
    assert content_of(path) == b"0123456789"
    assert head_of(path, 4) == b"0123"
    assert sha256_of(path) == hashlib.sha256(b"0123456789").hexdigest()


def test_an_open_file_cannot_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(b"x")
    with open_evidence(path) as file:
        assert not file.writable()


@pytest.mark.parametrize("reader", [content_of, sha256_of, open_evidence])
def test_a_missing_file_is_unreadable(tmp_path: Path, reader: object) -> None:
    assert callable(reader)
    with pytest.raises(UnreadableError, match="No such file"):
        reader(tmp_path / "missing")


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="not a regular file"):
        open_evidence(tmp_path)


def test_a_copy_holds_the_files_and_is_removed_afterwards(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"2")
    with private_copy(tmp_path / "one", tmp_path / "two") as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"one": b"1", "two": b"2"}
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_a_copy_is_removed_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    kept: list[Path] = []

    def fail() -> None:
        with private_copy(tmp_path / "one") as folder:
            kept.append(folder)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised here, two lines above
        fail()
    assert not kept[0].exists()


def test_a_copy_is_repeated_until_the_files_hold_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"")
    copy = files._copy
    grown: list[int] = []

    def grow_twice(source: Path, target: Path) -> None:
        copy(source, target)
        if len(grown) < 2:
            grown.append(1)
            path.write_bytes(path.read_bytes() + b"x")

    monkeypatch.setattr(files, "_copy", grow_twice)
    with private_copy(path) as folder:
        assert (folder / "growing").read_bytes() == b"xx"


def test_files_that_never_hold_still_are_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"")
    monkeypatch.setattr(files, "_copy", lambda source, _target: source.write_bytes(source.read_bytes() + b"x"))
    with pytest.raises(UnreadableError, match="kept changing"), private_copy(path):
        pass


def test_copying_a_missing_file_is_told_as_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"), private_copy(tmp_path / "missing"):
        pass


def test_a_file_of_another_owner_is_read_although_its_access_time_cannot_be_spared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(b"x")
    plain = os.open

    def refuse_noatime(name: str, flags: int, *rest: int) -> int:
        if flags & getattr(os, "O_NOATIME", 0):
            raise PermissionError
        return plain(name, flags, *rest)

    monkeypatch.setattr(os, "open", refuse_noatime)
    assert content_of(path) == b"x"
