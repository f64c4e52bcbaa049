"""The product at work in a scratch folder: its command line, its gateway, and what that holds while it runs."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.product.releases import SHARED, Installed

COMMAND_SECONDS = 300
READY_SECONDS = 300
STOP_SECONDS = 120
_READY = re.compile(r"\[gateway\] (?:gateway )?ready\b")


@dataclass(frozen=True, slots=True)
class Home:
    """A scratch home: everything that the product is told to write goes below ``root``."""

    root: Path
    port: int

    @property
    def state(self) -> Path:
        """Give the state directory."""
        return self.root / "home/.openclaw"

    @property
    def temporary(self) -> Path:
        """Give the folder that is given to the product as the system's temporary one."""
        return self.root / "tmp"

    def furnish(self) -> None:
        """Write the least configuration: loopback, a token, no plugins, no heartbeat, nothing to talk to.

        The scheduler is on, as what it repairs at a start is part of what is tested; the jobs are switched off.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(parents=True, exist_ok=True)
        gateway = {"mode": "local", "bind": "loopback", "port": self.port}
        config: dict[str, Any] = {
            "gateway": {**gateway, "auth": {"mode": "token", "token": "product-test"}},
            "cron": {"enabled": True},
            "agents": {"defaults": {"heartbeat": {"every": "0m"}}},
            "plugins": {"enabled": False},
            "update": {"checkOnStart": False},
            "logging": {"file": str(self.state / "gateway.log")},
        }
        (self.state / "openclaw.json").write_text(json.dumps(config, indent=1), encoding="utf-8")

    def environment(self, node: Path) -> dict[str, str]:
        """Give the whole environment of the product's processes: nothing of this one's is handed on."""
        return {
            "PATH": f"{node.parent}:/usr/bin:/bin",
            "HOME": str(self.root / "home"),
            "OPENCLAW_STATE_DIR": str(self.state),
            "TMPDIR": str(self.temporary),
            "TZ": "UTC",
            "NO_COLOR": "1",
            "OPENCLAW_NO_RESPAWN": "1",  # the process that is started is the gateway, no wrapper around it
            "OPENCLAW_SKIP_CHANNELS": "1",
            "OPENCLAW_DISABLE_BONJOUR": "1",
        }


def free_port() -> int:
    """Give a port that nobody listens on just now."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def answer(product: Installed, home: Home, *arguments: str) -> Any:
    """Give what a command answers as JSON; older releases print it on standard error.

    Raises:
        RuntimeError: it answered no JSON.
    """
    done = subprocess.run(
        [product.node, product.script, *arguments],
        env=home.environment(product.node),
        cwd=home.root,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    for text in (done.stdout, done.stderr):
        begin = re.search(r"^\{", text, re.MULTILINE)
        if begin:
            return json.JSONDecoder().raw_decode(text[begin.start() :])[0]
    message = f"{' '.join(arguments)} answered no JSON (exit code {done.returncode}): {done.stdout}{done.stderr}"
    raise RuntimeError(message)


@contextmanager
def running(product: Installed, home: Home) -> Iterator[int]:
    """Run the gateway and give its process id once it is ready; then stop it by SIGTERM.

    Raises:
        RuntimeError: it ended by itself, did not become ready, or did not stop in time.
    """
    console = home.root / "console.log"
    console.unlink(missing_ok=True)  # an earlier start of the same home said that it was ready
    with console.open("wb") as output:
        process = subprocess.Popen(
            [product.node, product.script, "gateway", "--port", str(home.port)],
            env=home.environment(product.node),
            cwd=home.root,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, console)
        yield process.pid
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], console: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while not _READY.search(console.read_text("utf-8", "replace")):
        if process.poll() is not None or time.monotonic() > until:
            message = f"the gateway did not become ready: {console.read_text('utf-8', 'replace')[-2000:]}"
            raise RuntimeError(message)
        time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.wait()
        message = "the gateway did not stop within its time"
        raise RuntimeError(message) from error


def locks_held(pid: int, home: Home) -> list[dict[str, str]]:
    """Give the lock files of a running gateway: those it holds open and those that lie in its folders.

    Shape: one per path, ``path`` and ``content`` with what changes from run to run replaced by a word.
    """
    opened = {path for path in open_files(pid) if ".lock" in path.name}
    lying = {path for folder in (home.state, home.temporary) for path in folder.rglob("*.lock*") if path.is_file()}
    paths = sorted(opened | {path for path in lying if "node_modules" not in path.parts})
    return [
        {
            "path": plain(str(path), pid, home),
            "content": plain(_content(path), pid, home),
            "held open": "yes" if path in opened else "no",
        }
        for path in paths
    ]


def _content(path: Path) -> str:
    if path.suffix == ".sqlite":
        return f"database of {path.stat().st_size} bytes, {_locked(path)}"
    return path.read_text("utf-8", "replace")


def _locked(path: Path) -> str:
    """Say which locks another process may still take on a coordinating database; it is looked at, never written."""
    told = "not locked"
    for kind in ("EXCLUSIVE", "IMMEDIATE"):
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            connection.execute(f"BEGIN {kind}")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            told = {"EXCLUSIVE": "locked against BEGIN EXCLUSIVE", "IMMEDIATE": "locked against BEGIN IMMEDIATE"}[kind]
        finally:
            connection.close()
    return told


def plain(text: str, pid: int, home: Home) -> str:
    """Give a text with the places, numbers and times of one run replaced by words; only white space at its end told."""
    for word, place in (("configuration", home.state / "openclaw.json"), ("database", home.state / SHARED)):
        digest = hashlib.sha256(str(place).encode()).hexdigest()[:8]
        text = text.replace(f".{digest}.", f".<8 hex of the SHA-256 of the {word}'s path>.")
    text = text.replace(str(home.state), "STATE").replace(str(home.temporary), "TMPDIR").replace(str(pid), "PID")
    text = text.replace(str(home.port), "PORT")
    text = re.sub(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "<uuid>", text)
    text = re.sub(r'("createdAt": ?)"[^"]+"', r'\1"<ISO time>"', text)
    text = re.sub(r'("startTime": ?)\d+', r"\1<field 22 of /proc/PID/stat>", text)
    blanks = len(text) - len(text.rstrip())
    return text.rstrip() + (f" + {blanks} bytes of white space" if blanks > 1 else "")


def open_files(pid: int) -> set[Path]:
    """Give the files that a process has open, as the system tells them."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            found.add(link.readlink())
    return found


def holders(paths: Sequence[Path]) -> dict[str, int]:
    """Give how many processes have each of the files open."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    opened = [open_files(pid) for pid in pids]
    return {path.name: sum(path in files for files in opened) for path in paths}
