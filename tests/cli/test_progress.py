"""The line of progress: where it is shown, how wide, how often, and that nothing of it stays."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.cli.progress import ProgressLine, shown_progress, told
from forensics.model.progress import Stage, Step

READY = b"2026-04-17T10:00:00.000+00:00 [gateway] ready (0 plugins)\n"
PIECE = b"2026-04-17T10:00:00.000+00:00 [gateway] something ordinary\n" * 20_000
COLUMNS = 46


def screen_of(written: str) -> str:
    """Give what one line of a terminal shows in the end."""
    cells: list[str] = []
    at = 0
    for character in written:
        if character == "\r":
            at = 0
            continue
        cells[at : at + 1] = [character]
        at += 1
    return "".join(cells).rstrip()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(
    st.text(st.sampled_from("ab/\u65e5\u0301\x1b\n\u202e\U0001f600"), max_size=60),
    st.integers(0, 10**13),
    st.none() | st.integers(0, 10**13),
    st.integers(0, 120),
)
def test_a_step_is_told_on_one_line_of_the_terminal(name: str, done: int, total: int | None, columns: int) -> None:
    line = told(Step(Stage.READING, name, done, total), 3.0, columns)
    assert sum(2 if sign in "\u65e5\U0001f600" else sign != "\u0301" for sign in line) <= columns
    assert not {"\x1b", "\n", "\u202e"} & set(line)


def test_of_a_long_name_the_end_is_told() -> None:
    line = told(Step(Stage.READING, "evidence/" * 20 + "openclaw-2026-04-17.log", 5_000_000, 10_000_000), 1.0, 79)
    assert line.startswith("reading ...")
    assert line.endswith("openclaw-2026-04-17.log  5 MB of 10 MB, 50 %, 5 MB/s")
    assert len(line) == 79


def test_a_short_read_shows_nothing_and_a_long_one_is_not_written_at_every_step() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock)
    for number in range(50):
        clock.now += 0.009
        line(Step(Stage.READING, "a.log", number, 100))
    line.erase()
    assert stream.getvalue() == ""
    for number in range(1000):
        clock.now += 0.001
        line(Step(Stage.READING, "a.log", number * 1000, 1_000_000))
    assert 5 <= stream.getvalue().count("\r") <= 12
    assert screen_of(stream.getvalue()).startswith("reading a.log  ")
    line.erase()
    assert screen_of(stream.getvalue()) == ""


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock)
    for name in ("a-long-name-of-a-file.log", "b"):
        clock.now += 1
        line(Step(Stage.READING, name, 1000, 2000))
    assert screen_of(stream.getvalue()) == "reading b  1 kB of 2 kB, 50 %, 1 kB/s"


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_stream_that_takes_nothing_ends_no_read() -> None:
    clock = Clock()
    line = ProgressLine(Broken(), clock)
    for _ in range(3):
        clock.now += 1
        line(Step(Stage.READING, "a.log", 1, 2))
    line.erase()


@pytest.mark.parametrize(
    ("when", "is_terminal", "terminal", "is_shown"),
    [
        ("auto", True, "xterm", True),
        ("auto", True, "dumb", False),
        ("auto", False, "xterm", False),
        ("always", False, "dumb", True),
        ("never", True, "xterm", False),
    ],
)
def test_it_is_shown_where_it_is_wanted(when: str, is_terminal: bool, terminal: str, is_shown: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal  # type: ignore[method-assign]
    with shown_progress(when, stream, terminal) as progress:
        assert (progress is not None) is is_shown
    with shown_progress(when, None, terminal) as progress:
        assert progress is None


@contextmanager
def on_a_terminal(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """Start a command that reads standard input, with a terminal for its standard error; give what it writes there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "forensics", "sources", "-", *options]
    pipe = subprocess.PIPE
    env = os.environ | {"TERM": "xterm"} | environment
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=slave, env=env)
    assert process.stdin is not None
    process.stdin.write(READY)
    os.close(slave)
    written: list[str] = []

    def take() -> None:
        while True:
            try:
                written.append(os.read(master, 65536).decode())
            except OSError:
                return

    reader = threading.Thread(target=take)
    reader.start()
    try:
        yield process, written
    finally:
        process.kill()
        with suppress(BrokenPipeError, ValueError):
            process.communicate()
        reader.join()
        os.close(master)


def feed(process: subprocess.Popen[bytes], pieces: int) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        for _ in range(pieces):
            process.stdin.write(PIECE)
            process.stdin.flush()
            time.sleep(0.15)


def until_shown(process: subprocess.Popen[bytes], written: list[str]) -> None:
    for _ in range(200):
        if "unpacking" in "".join(written):
            return
        feed(process, 1)
    pytest.fail("no progress was shown in all that time")


def test_a_long_read_of_standard_input_shows_one_line_and_erases_it() -> None:
    with on_a_terminal() as (process, written):
        until_shown(process, written)
        assert process.communicate(READY)[0]
        assert process.returncode == 0
    text = "".join(written)
    assert "\n" not in text
    assert all(len(line) < COLUMNS for line in text.split("\r"))
    assert screen_of(text) == ""


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_a_read_that_is_stopped_leaves_a_clean_line(kill: signal.Signals) -> None:
    with on_a_terminal() as (process, written):
        until_shown(process, written)
        process.send_signal(kill)
        feed(process, 1)
        assert process.wait(30) in (130, 143)
    assert screen_of("".join(written)) == ""


@pytest.mark.parametrize(
    ("options", "environment"), [(("--progress", "never"), {}), ((), {"FORENSICS_SOURCES_PROGRESS": "never"})]
)
def test_it_can_be_switched_off(options: tuple[str, ...], environment: dict[str, str]) -> None:
    with on_a_terminal(*options, **environment) as (process, written):
        feed(process, 10)
        process.communicate(READY)
        assert process.returncode == 0
    assert "".join(written) == ""
