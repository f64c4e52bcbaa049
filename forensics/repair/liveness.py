"""Every sign that a gateway, or any other process, works on a registry.

A gateway says so in lock files, JSON with its process and its port. Which state directory one belongs to is told so:

- Since 2026.9 locks lie in ``<state>/tmp/openclaw-<uid>/``: all of these belong to it, wherever their configuration
  lies. In a copy of a state directory they are copied too, and block as they do in the original.
- Before, they lay in the system's temporary folder, as ``openclaw-<uid>/gateway.<hash>.lock``; the hash is that of the
  path of the configuration. One belongs to a state directory if its name is the hash of a configuration there, or if
  the configuration that it names lies there. All others belong to other gateways and block nothing, also those of
  unknown content, and also the one of a gateway whose configuration was put elsewhere (``OPENCLAW_CONFIG_PATH``): it
  is told by the database that it has open.

A gateway that was told to share its configuration (``OPENCLAW_ALLOW_MULTI_GATEWAY``) leaves no lock before 2026.9, and
processes of other users or containers may be invisible. What is not found here is no proof that nothing runs.

Source: formats.md (lock ``gateway.<8hex>.lock``), observed.md §B2; the gateways of 2026.4.15 to 2026.9.6.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from forensics.model.escape import for_terminal, shortened
from forensics.model.policy import LOCK_BYTES, LOCK_WRITTEN_WITHIN, PORT_ANSWERS_WITHIN

_PROC = Path("/proc")
_LAYOUTS = {("tasks", "runs.sqlite"), ("state", "openclaw.sqlite")}
_CONFIGURATIONS = ("openclaw.json", "clawdbot.json")
_LOCK_FOLDER = re.compile(r"openclaw(-.*)?", re.DOTALL)
_LOCK = re.compile(r"gateway\.(.+)\.lock", re.DOTALL)
_COORDINATOR = re.compile(r"gateway\..+\.lock\.sqlite", re.DOTALL)
"""Beside each lock since 2026.9: its owner has it open, locked; it stays when the owner is gone, so that only an open
one is a sign."""
_LARGEST_PID = (1 << 31) - 1
_LARGEST_PORT = 65_535
_STAT_STATE, _STAT_START = 0, 19
"""Fields 3 and 22 of ``/proc/<pid>/stat``, counted from behind the name, which may hold anything."""
_NAME_BYTES = 4096
_NAME_WIDTH = 60
_STOP = "stop it first (a gateway: openclaw gateway stop)"
_DELETE = "if no gateway runs on this state directory, delete the lock file"


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign that something works on a registry, safe to be printed; ``hint`` says what to do about it."""

    what: str
    hint: str | None


def signs_of_life(database: Path, temporary: Iterable[Path], now: datetime) -> list[Sign]:
    """Find all that tells of a process which works on this registry; none found proves nothing.

    ``temporary`` are the folders in which gateways before 2026.9 keep their locks; ``now`` is the time of this
    machine's clock. Of a database outside of a state directory only the processes that have it open are known. Signs
    come in fixed order: locks by path, ports, processes by number.
    """
    states = _state_directories(database)
    inside = [folder for state in states for folder in _lock_folders(state / "tmp")]
    outside = [folder for place in temporary for folder in _lock_folders(place)]
    locks = _locks_of(states, inside, outside)
    coordinators = [path for folder in inside for path in _entries(folder, _COORDINATOR)]
    return [*_living(locks, now), *_answering(locks), *_open_in(_identities(database, coordinators))]


class _Lock:
    """A lock file as it was read, once; ``said`` is None where it is no lock that can be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_denied = False
        self.said: Mapping[str, object] | None = None
        try:
            self.said = _json_object(_content(path))
        except OSError as error:
            self.is_denied = error.errno not in {None, errno.ENOENT, errno.ELOOP}

    @property
    def pid(self) -> int | None:
        return self._whole_number("pid", _LARGEST_PID)

    @property
    def port(self) -> int | None:
        return self._whole_number("port", _LARGEST_PORT)

    @property
    def start(self) -> int | None:
        return self._whole_number("startTime", None)

    @cached_property
    def places(self) -> list[Path]:
        """The configuration and the state directory that the lock names, where these are paths of this system."""
        said = self.said or {}
        told = [said.get("configPath"), said.get("stateDir")]
        # gateways write paths without ".."; others are judged by where they lead
        found = {place for text in told if isinstance(text, str) for place in _spellings(text)}
        return sorted(place for place in found if ".." not in place.parts)

    def is_young(self, now: datetime) -> bool:
        """Whether it may be about to be written; what comes from the future or is gone is not known to be old."""
        try:
            written = self.path.lstat().st_mtime
        except OSError:
            return False
        return now.timestamp() - written < LOCK_WRITTEN_WITHIN.total_seconds()

    def _whole_number(self, key: str, largest: int | None) -> int | None:
        value = (self.said or {}).get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return None
        return value if largest is None or value <= largest else None


def _state_directories(database: Path) -> list[Path]:
    """Give the state directory of a registry, by each of its names; none where it lies outside of one."""
    named = {path for path in _spellings(str(database.absolute())) if path.parts[-2:] in _LAYOUTS}
    return sorted({state for path in named for state in _spellings(str(path.parent.parent))})


def _spellings(text: str) -> set[Path]:
    """Give an absolute path as it is spelled and as it is without links; nothing for what is no path here."""
    path = Path(text)
    if not path.is_absolute():
        return set()
    try:
        return {path, path.resolve()}
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, or a loop of links
        return {path}


def _lock_folders(place: Path) -> Iterator[Path]:
    # those of all users: the gateway need not be run by whoever repairs its registry
    return _entries(place, _LOCK_FOLDER)


def _entries(folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if name.fullmatch(entry.name))
    except (OSError, ValueError):
        return
    yield from (folder / name for name in names)


def _locks_of(states: list[Path], inside: Iterable[Path], outside: Iterable[Path]) -> list[_Lock]:
    """Read the locks that belong to a state directory, each file once whatever its names."""
    if not states:
        return []
    hashes = {_hash(state / name) for state in states for name in _CONFIGURATIONS}
    own = [_Lock(path) for folder in inside for path in _entries(folder, _LOCK)]
    others = [_Lock(path) for folder in outside for path in _entries(folder, _LOCK)]
    own += [lock for lock in others if _belongs(lock, states, hashes)]
    by_file = {_resolved(lock.path): lock for lock in sorted(own, key=lambda lock: lock.path, reverse=True)}
    return sorted(by_file.values(), key=lambda lock: lock.path)


def _belongs(lock: _Lock, states: Iterable[Path], hashes: set[str]) -> bool:
    name = _LOCK.fullmatch(lock.path.name)
    if name and name[1] in hashes:
        return True
    return any(place.is_relative_to(state) for place in lock.places for state in states)


def _hash(configuration: Path) -> str:
    return hashlib.sha256(os.fsencode(configuration)).hexdigest()[:8]


def _resolved(path: Path) -> Path:
    """Give a path with the links of its folder followed, not its own, which may run in a circle."""
    try:
        return path.parent.resolve() / path.name
    except (OSError, RuntimeError):
        return path


def _content(path: Path) -> bytes:
    """Read a lock, or what is in its place, without waiting for anybody; OSError for what is no regular file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is no file")
    # the file may have been replaced by a pipe just now, whose other end nobody opens
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        return file.read(LOCK_BYTES + 1)


def _json_object(content: bytes) -> Mapping[str, object] | None:
    if len(content) > LOCK_BYTES:
        return None
    try:
        said = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _living(locks: Iterable[_Lock], now: datetime) -> Iterator[Sign]:
    for lock in locks:
        told = _told_of(lock, now)
        if told is not None:
            hint = _DELETE if lock.pid is None else f"{_STOP}; {_DELETE}"
            yield Sign(for_terminal(f"lock file {lock.path} {told}"), hint)


def _told_of(lock: _Lock, now: datetime) -> str | None:
    """Give what a lock says of its process; None where that is gone, or the lock was never finished and given up."""
    if lock.said is None:
        # gateways themselves take broken locks away after 30 seconds; what is denied may be whole
        unknown = lock.is_denied or lock.is_young(now)
        return "cannot be read: whether its gateway runs is not known" if unknown else None
    if lock.pid is None:
        return "names no process: whether its gateway runs is not known"
    if os.name != "posix":  # there the question itself would be a signal
        return f"names process {lock.pid}; whether that runs is not known on this system"
    return f"names process {lock.pid}, which runs" if _runs(lock.pid, lock.start) else None


def _runs(pid: int, start: int | None) -> bool:
    """Whether a process runs, and is the one that began then where both starts are known (clock ticks since boot)."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    except OSError:
        return False
    state, began = _state_and_start(pid)
    # one that ended and is still listed holds nothing any more
    return state not in {"Z", "X"} and (start is None or began is None or start == began)


def _state_and_start(pid: int) -> tuple[str | None, int | None]:
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return fields[_STAT_STATE].decode("ascii"), int(fields[_STAT_START])
    except (OSError, ValueError, IndexError):
        return None, None


def _answering(locks: Iterable[_Lock]) -> Iterator[Sign]:
    """Try each port that a lock names, also those of locks whose process is not seen: it may run in a container."""
    ports: dict[int, _Lock] = {}
    for lock in locks:
        if lock.port is not None:
            ports.setdefault(lock.port, lock)
    for port, lock in sorted(ports.items()):
        if _answers(port):
            yield Sign(for_terminal(f"port {port} of lock file {lock.path} answers"), f"{_STOP}; {_DELETE}")


def _answers(port: int) -> bool:
    for host in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((host, port), PORT_ANSWERS_WITHIN.total_seconds()) as connection:
                # a connection to a port that nobody listens on can meet itself, if it was given that very port
                if connection.getsockname() != connection.getpeername():
                    return True
        except OSError:
            continue
    return False


def _identities(database: Path, coordinators: Iterable[Path]) -> dict[tuple[int, int], str]:
    """Give device and inode of each file that only those have open who work on this registry, with its name."""
    # SQLite names its companions after the file that a link leads to
    real = _resolved_file(database)
    companions = (real.with_name(real.name + end) for end in ("", "-wal", "-shm"))
    identities: dict[tuple[int, int], str] = {}
    for path in (*companions, *coordinators):
        try:
            found = path.stat()
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode):
            identities.setdefault((found.st_dev, found.st_ino), path.name)
    return identities


def _resolved_file(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _open_in(identities: Mapping[tuple[int, int], str]) -> Iterator[Sign]:
    """Find the other processes that have one of these files open, as far as they may be looked into."""
    if not identities:
        return
    own = _own_number()
    for pid in sorted(int(path.name) for path in _entries(_PROC, re.compile(r"[0-9]{1,10}"))):
        names = sorted({identities[found] for found in _open_files(pid) if found in identities})
        if names and pid != own:
            told = f"process {pid} ({shortened(_name_of(pid), _NAME_WIDTH)}) has {', '.join(names)} open"
            yield Sign(for_terminal(told), _STOP)


def _own_number() -> int:
    """Give the number that this process has in ``/proc``, which may be that of the machine around a container."""
    try:
        return int((_PROC / "self").readlink().name)
    except (OSError, ValueError):
        return os.getpid()


def _open_files(pid: int) -> Iterator[tuple[int, int]]:
    for entry in _entries(_PROC / str(pid) / "fd", re.compile(r"[0-9]+")):
        try:
            # sockets and pipes have no path; deleted files keep one, with a remark
            if os.readlink(entry).startswith("/"):  # noqa: PTH115 - a path object would take "//" apart
                found = entry.stat()
                yield found.st_dev, found.st_ino
        except OSError:
            continue


def _name_of(pid: int) -> str:
    """Give the program of a process as it was called, or as it calls itself; its threads have names of their own."""
    try:
        with (_PROC / str(pid) / "cmdline").open("rb") as words:
            called = words.read(_NAME_BYTES).partition(b"\0")[0]
    except OSError:
        return "?"
    return os.fsdecode(called.rpartition(b"/")[2]) or "?"
