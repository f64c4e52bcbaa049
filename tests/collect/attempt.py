"""Attempts to collect, each in a process of its own that may be killed.

``python -m tests.collect.attempt`` reads lines of tab-separated fields from standard input (folder of the collection,
day, number of the operation before which to die or nothing, seconds after which to be killed or nothing, paths) and
forks a process for each, so that many attempts can be killed without waiting for many starts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from forensics.model.errors import ForensicsError
from tests.collect.keeping import collected

_CHANGES = ("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "shutil.rmtree")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def attempt(into: str, day: str, paths: list[str]) -> int:
    try:
        collected([Path(path) for path in paths], Path(into), int(day))
    except ForensicsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def die_before(operation: int, into: str) -> None:
    """Kill this process just before it changes anything in a folder for so many times; flushes to the disk count."""
    left = [operation]

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def told(event: str, arguments: tuple[object, ...]) -> None:
        is_change = event in _CHANGES
        if event == "open" and isinstance(arguments[2], int):
            is_change = bool(arguments[2] & _WRITING)
        if is_change and any(str(each).startswith(into) for each in arguments):
            count()

    really = os.fsync

    def flushed(descriptor: int) -> None:
        count()
        really(descriptor)

    os.fsync = flushed  # type: ignore[assignment]
    sys.addaudithook(told)


def serve() -> None:
    for line in sys.stdin:
        into, day, operation, kill_after, *paths = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            if operation:
                die_before(int(operation), into)
            os._exit(attempt(into, day, paths))
        if kill_after:
            time.sleep(float(kill_after))
            os.kill(child, signal.SIGKILL)  # it is not waited for yet, so the number is its own
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
