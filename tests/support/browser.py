"""Drives a real Chromium through its DevTools protocol, over the pipe it offers: no port, no package."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_QUIET = ("quic", "background-networking", "component-update", "sync", "gpu", "extensions", "default-apps")
_WAIT_S = 60.0
_FIRST_NUMBER = 10
Told = dict[str, Any]


class Tab:
    """One tab of a browser: ``heard`` is all that it told, in order."""

    def __init__(self, pipe: _Pipe, session: str) -> None:
        self._pipe, self._session = pipe, session
        self.heard: list[Told] = []

    def ask(self, method: str, **parameters: object) -> Told:
        """Send a command and give its result."""
        return self._pipe.ask(method, parameters, self._session, self.heard)

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded and drawn."""
        self.heard.clear()
        self.ask("Page.navigate", url=address)
        self._pipe.until(lambda: "Page.loadEventFired" in self.methods(), self.heard)
        self.value("new Promise(done => requestAnimationFrame(() => setTimeout(() => done(1), 50)))")

    def methods(self) -> list[str]:
        """Name all that was heard."""
        return [one["method"] for one in self.heard]

    def of(self, method: str) -> list[Told]:
        """Give what was heard under one name."""
        return [one["params"] for one in self.heard if one["method"] == method]

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript, as someone at the console would: the policy of the page does not hold for it."""
        told = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def look(self, width: int, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Give the window a size, and the reader a taste; ``media`` may be ``print``."""
        phone = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.ask(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def complaints(self) -> list[str]:
        """Give all that the console says: errors and warnings of the page, of its policy, of the network."""
        logged = [one["entry"]["text"] for one in self.of("Log.entryAdded")]
        thrown = [one["exceptionDetails"]["text"] for one in self.of("Runtime.exceptionThrown")]
        said = [str(one["args"]) for one in self.of("Runtime.consoleAPICalled")]
        return logged + thrown + said

    def requests(self) -> list[str]:
        """Give the addresses that were asked for."""
        return [one["request"]["url"] for one in self.of("Network.requestWillBeSent")]


class _Pipe:
    """Messages to and from the browser, each ended by a zero byte."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._held = b""
        self._number = 0

    def ask(self, method: str, parameters: object, session: str | None, heard: list[Told]) -> Told:
        self._number += 1
        number = self._number
        message: Told = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._write(json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == number:
                assert "error" not in told, f"{method}: {told['error']}"
                return dict(told["result"])
            if "method" in told:
                heard.append(told)

    def until(self, is_done: Callable[[], bool], heard: list[Told]) -> None:
        while not is_done():
            told = self._next()
            if "method" in told:
                heard.append(told)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._writes, data) :]

    def _next(self) -> Told:
        ends = time.monotonic() + _WAIT_S
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._reads], [], [], max(ends - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            part = os.read(self._reads, 1 << 20)
            assert part, "the browser has gone"
            self._held += part
        told, self._held = self._held.split(b"\0", 1)
        return dict(json.loads(told))


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Tab]:
    """Start Chromium with a profile of its own, and give one tab of it."""
    theirs_in, ours_out = _pipe()
    ours_in, theirs_out = _pipe()
    command = [program, "--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe"]
    command += [f"--disable-{what}" for what in _QUIET] + [f"--user-data-dir={profile}", "about:blank"]
    # the browser reads from descriptor 3 and writes to 4, whatever ours are called
    given = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    process = os.posix_spawn(program, command, os.environ, file_actions=[*given, *silent])
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        pipe = _Pipe(ours_in, ours_out)
        yield _tab(pipe)
    finally:
        os.close(ours_in)
        os.close(ours_out)
        # its other processes leave when it does
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def _pipe() -> tuple[int, int]:
    """Give the ends of a pipe, with numbers beyond those that the browser is given."""
    ends = os.pipe()
    reads, writes = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_NUMBER) for end in ends)
    for end in ends:
        os.close(end)
    return reads, writes


def _tab(pipe: _Pipe) -> Tab:
    target = pipe.ask("Target.createTarget", {"url": "about:blank"}, None, [])["targetId"]
    session = pipe.ask("Target.attachToTarget", {"targetId": target, "flatten": True}, None, [])["sessionId"]
    tab = Tab(pipe, session)
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.ask(f"{domain}.enable")
    return tab
