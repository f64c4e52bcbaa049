"""A result that is written to a file is there as a whole, or the file is as it was."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensics.cli.writing import write_whole
from forensics.model.errors import UsageError


def failing(error: BaseException) -> Iterator[str]:
    yield "the first part"
    raise error


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit(143)])
def test_what_fails_halfway_leaves_the_file_as_it_was_and_nothing_beside_it(
    error: BaseException, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("before")
    for name in ("kept", "new"):
        with pytest.raises(type(error)):
            write_whole(tmp_path / name, failing(error))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "before")]


def test_until_all_parts_are_written_the_file_is_not_there(tmp_path: Path) -> None:
    output = tmp_path / "result"
    seen = []

    def parts() -> Iterator[str]:
        for part in ("one ", "two \u2026"):
            yield part
            seen.append(output.exists())

    write_whole(output, parts())
    assert (seen, output.read_bytes()) == ([False, False], "one two \u2026".encode())
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_new_file_has_the_permissions_that_new_files_have(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_whole(tmp_path / "result", ["x"])
    assert (tmp_path / "result").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    output = tmp_path / "result"
    output.write_text("before")
    output.chmod(0o640)
    write_whole(output, ["after"])
    assert (output.read_text(), stat.S_IMODE(output.stat().st_mode)) == ("after", 0o640)


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    for content in ("first", "second"):
        write_whole(tmp_path / "link", [content])
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "target").read_text() == content


def test_a_pipe_gets_the_parts_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, ["one ", "two"])
    reader.join()
    assert got == ["one two"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_name_as_long_as_names_may_be_is_written(tmp_path: Path) -> None:
    output = tmp_path / ("\u00e9" * 127)
    write_whole(output, ["x"])
    assert output.read_text() == "x"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing/result cannot be written: No such file or directory"):
        write_whole(tmp_path / "missing" / "result", ["x"])
