"""Whether somebody works on a registry: lock files of each era, ports, open files; real processes, no others."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics.model.policy import LOCK_BYTES, LOCK_WRITTEN_WITHIN
from forensics.repair import liveness
from forensics.repair.liveness import signs_of_life

Start = Callable[..., "subprocess.Popen[str]"]

with_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a system without /proc")
NOT_KNOWN = "whether its gateway runs is not known"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python programs that say a line when they are ready and then wait; none outlives its test."""
    children: list[subprocess.Popen[str]] = []

    def started(program: str = "", *arguments: str | Path) -> subprocess.Popen[str]:
        text = f"import sys\n{program}\nprint('ready', flush=True)\nsys.stdin.read()"
        command = [sys.executable, "-I", "-S", "-c", text, *map(str, arguments)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield started
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def gone(start: Start) -> int:
    """Give the number of a process that has just ended."""
    child = start()
    child.communicate()
    return child.pid


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Give what stands for the system's temporary folder, with the folder of one user's gateways."""
    (tmp_path / "system-tmp" / "openclaw-1000").mkdir(parents=True)
    return tmp_path / "system-tmp"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state directory with the registries of both eras."""
    for name in ("tasks/runs.sqlite", "state/openclaw.sqlite"):
        database = tmp_path / ".openclaw" / name
        database.parent.mkdir(parents=True)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE task_runs (task_id TEXT)")
    (tmp_path / ".openclaw" / "tmp" / "openclaw-1000").mkdir(parents=True)
    return tmp_path / ".openclaw"


def lock_name(configuration: Path) -> str:
    return f"gateway.{hashlib.sha256(str(configuration).encode()).hexdigest()[:8]}.lock"


def lock_text(pid: object, configuration: object, **more: object) -> str:
    """Give a lock as gateways write it: 2026.4 to 2026.6 without a port, start times on Linux only."""
    created = {"pid": pid, "createdAt": "2026-11-25T22:12:31.877Z", "configPath": str(configuration)}
    return json.dumps(created | more, separators=(",", ":"))


def lock_text_9(pid: int, state: Path, **more: object) -> str:
    """Give a lock as 2026.9.6 writes it, with the mark of blanks and tabs by which it knows its own."""
    begin = {"pid": pid, "ownerId": "0d0ad4cb-56b6-4e1c-8a52-2f9d0f1c2a5e", "cronOwnerProjection": "dynamic-default-v1"}
    end = {"createdAt": "2026-11-25T22:12:31.877Z", "configPath": f"{state}/openclaw.json", "stateDir": str(state)}
    return json.dumps(begin | end | more, indent=2) + "\n\t\t\t\t\t\t\t\t\t \t\t  \t\t\t\t      \t\t"


def put(folder: Path, name: str, text: str | bytes, age: timedelta = timedelta(hours=2)) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    written = (datetime.now(UTC) - age).timestamp()
    os.utime(path, (written, written))
    return path


def told(database: Path, *temporary: Path) -> list[str]:
    return [sign.what for sign in signs_of_life(database, temporary, datetime.now(UTC))]


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.fixture
def port() -> Iterator[int]:
    """Give a port of this machine on which somebody listens, without taking connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port on which nobody listens, kept from all others."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def test_a_state_directory_at_rest_has_no_signs(state: Path, temporary: Path) -> None:
    assert told(state / "tasks/runs.sqlite", temporary) == []


def test_the_hash_is_the_one_that_gateways_make(temporary: Path, start: Start) -> None:
    # made by Node's own createHash, as the gateway does
    put(temporary / "openclaw-1000", "gateway.53b9f0f0.lock", lock_text(start().pid, "not told"))
    assert told(Path("/nonexistent/.openclaw/tasks/runs.sqlite"), temporary) != []
    assert told(Path("/nonexistent/.openclaw-work/tasks/runs.sqlite"), temporary) == []


@with_proc
@pytest.mark.parametrize("database", ["tasks/runs.sqlite", "state/openclaw.sqlite"])
@pytest.mark.parametrize("configuration", ["openclaw.json", "clawdbot.json"])
@pytest.mark.parametrize("era", ["2026.4.15", "2026.7.35"])
def test_a_lock_in_the_temporary_folder_whose_process_runs(
    state: Path, temporary: Path, start: Start, silent_port: int, database: str, configuration: str, era: str
) -> None:
    gateway = start()
    more = {} if era == "2026.4.15" else {"port": silent_port}
    text = lock_text(gateway.pid, state / configuration, **more, startTime=start_time(gateway.pid))
    lock = put(temporary / "openclaw-1000", lock_name(state / configuration), text)
    assert told(state / database, temporary) == [f"lock file {lock} names process {gateway.pid}, which runs"]
    gateway.communicate()
    assert told(state / database, temporary) == []


@with_proc
@pytest.mark.parametrize("database", ["tasks/runs.sqlite", "state/openclaw.sqlite"])
def test_locks_in_the_state_directory_whose_process_runs(state: Path, start: Start, port: int, database: str) -> None:
    gateway = start()
    text = lock_text_9(gateway.pid, state, port=port, startTime=start_time(gateway.pid))
    folder = state / "tmp" / "openclaw-1000"
    locks = [put(folder, name, text) for name in (lock_name(state / "openclaw.json"), "gateway.state.lock")]
    assert told(state / database) == [
        f"lock file {locks[0]} names process {gateway.pid}, which runs",
        f"lock file {locks[1]} names process {gateway.pid}, which runs",
        f"port {port} of lock file {locks[0]} answers",
    ]


def test_a_lock_in_the_state_directory_counts_wherever_its_configuration_lies(state: Path, start: Start) -> None:
    text = lock_text(start().pid, "/nonexistent/elsewhere.json", role="sqlite-maintenance")
    put(state / "tmp" / "openclaw-1000", "gateway.0badcafe.lock", text)
    assert len(told(state / "state/openclaw.sqlite")) == 1


def test_a_lock_of_windows_folder_and_of_another_user(state: Path, temporary: Path, start: Start) -> None:
    for folder in ("openclaw", "openclaw-0"):
        (temporary / folder).mkdir()
        put(temporary / folder, lock_name(state / "openclaw.json"), lock_text(start().pid, state / "openclaw.json"))
    assert len(told(state / "tasks/runs.sqlite", temporary)) == 2


def test_a_temporary_folder_that_is_given_twice_tells_its_lock_once(
    state: Path, temporary: Path, tmp_path: Path, start: Start
) -> None:
    (tmp_path / "another-name").symlink_to(temporary)
    text = lock_text(start().pid, state / "openclaw.json")
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert len(told(state / "tasks/runs.sqlite", temporary, tmp_path / "another-name", temporary)) == 1


@with_proc
def test_a_number_that_was_given_out_again_is_stale(state: Path, temporary: Path, start: Start) -> None:
    other = start()
    text = lock_text(other.pid, state / "openclaw.json", startTime=start_time(other.pid) - 1)
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert told(state / "tasks/runs.sqlite", temporary) == []


@with_proc
def test_a_process_that_ended_but_was_not_fetched_does_not_run(state: Path, temporary: Path, start: Start) -> None:
    gateway = start()
    text = lock_text(gateway.pid, state / "openclaw.json", startTime=start_time(gateway.pid))
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    gateway.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, gateway.pid, os.WEXITED | os.WNOWAIT)
    assert told(state / "tasks/runs.sqlite", temporary) == []


def test_a_process_of_somebody_else_runs(
    state: Path, temporary: Path, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(pid: int, number: int) -> None:
        assert (pid, number) == (gone, 0)
        raise PermissionError

    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), lock_text(gone, state / "openclaw.json"))
    assert told(state / "tasks/runs.sqlite", temporary) == []
    monkeypatch.setattr(os, "kill", forbidden)
    assert "which runs" in told(state / "tasks/runs.sqlite", temporary)[0]


def test_this_process_is_no_gateway(state: Path, temporary: Path) -> None:
    text = lock_text(os.getpid(), state / "openclaw.json")
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert told(state / "tasks/runs.sqlite", temporary) == []


def test_locks_of_other_gateways_block_nothing(state: Path, temporary: Path, start: Start, port: int) -> None:
    pid = start().pid
    folder = temporary / "openclaw-1000"
    for other in (
        f"{state}-work/openclaw.json",
        "/nonexistent/openclaw.json",
        "openclaw.json",
        "/\0",
        "/" + "x" * 5000,
    ):
        text = lock_text(pid, other, port=port)
        put(folder, f"gateway.{hashlib.sha256(other.encode()).hexdigest()[:8]}.lock", text)
    put(folder, "gateway.00000000.lock", b"\xff\x00 of unknown content", age=timedelta())
    put(folder, "gateway.11111111.lock", lock_text(pid, f"{state}/../elsewhere/openclaw.json"))
    put(temporary, lock_name(state / "openclaw.json"), lock_text(pid, state / "openclaw.json"))  # not where locks lie
    assert told(state / "tasks/runs.sqlite", temporary) == []


def test_a_lock_is_recognised_by_the_configuration_that_it_names(
    state: Path, temporary: Path, tmp_path: Path, start: Start
) -> None:
    # the gateway was started with a link's name, the registry is given without it, or the other way round
    (tmp_path / "linked").symlink_to(state)
    named = tmp_path / "linked" / "profiles" / "work.json"
    put(temporary / "openclaw-1000", lock_name(named), lock_text(start().pid, named))
    assert len(told(state / "tasks/runs.sqlite", temporary)) == 1
    assert len(told(tmp_path / "linked" / "tasks/runs.sqlite", temporary)) == 1


def test_a_linked_state_directory_is_known_by_both_names(
    state: Path, temporary: Path, tmp_path: Path, start: Start
) -> None:
    (tmp_path / "linked").symlink_to(state)
    text = lock_text(start().pid, "a path that leads nowhere")
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert len(told(tmp_path / "linked" / "tasks/runs.sqlite", temporary)) == 1
    (tmp_path / "registry").symlink_to(state / "tasks/runs.sqlite")
    assert len(told(tmp_path / "registry", temporary)) == 1


def test_a_linked_state_directory_whose_registry_lies_elsewhere(
    state: Path, temporary: Path, tmp_path: Path, start: Start
) -> None:
    (state / "tasks").rename(tmp_path / "moved")
    (state / "tasks").symlink_to(tmp_path / "moved")
    (tmp_path / "linked").symlink_to(state)
    text = lock_text(start().pid, state / "openclaw.json")
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert len(told(tmp_path / "linked" / "tasks/runs.sqlite", temporary)) == 1


def test_a_relative_database_is_looked_for_here(
    state: Path, temporary: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = lock_text(start().pid, state / "openclaw.json")
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    monkeypatch.chdir(state / "tasks")
    assert len(told(Path("runs.sqlite"), temporary)) == 1


def test_a_copy_elsewhere_has_no_state_directory(state: Path, temporary: Path, tmp_path: Path, start: Start) -> None:
    copy = tmp_path / "scratch" / "runs.sqlite"
    copy.parent.mkdir()
    copy.write_bytes((state / "tasks/runs.sqlite").read_bytes())
    put(
        temporary / "openclaw-1000", lock_name(state / "openclaw.json"), lock_text(start().pid, state / "openclaw.json")
    )
    assert told(copy, temporary) == []
    assert len(told(state / "tasks/runs.sqlite", temporary)) == 1


def test_a_port_answers_although_the_process_is_not_seen(
    state: Path, temporary: Path, gone: int, port: int, silent_port: int
) -> None:
    name = lock_name(state / "openclaw.json")
    lock = put(temporary / "openclaw-1000", name, lock_text(gone, state / "openclaw.json", port=port))
    assert told(state / "tasks/runs.sqlite", temporary) == [f"port {port} of lock file {lock} answers"]
    put(temporary / "openclaw-1000", name, lock_text(gone, state / "openclaw.json", port=silent_port))
    assert told(state / "tasks/runs.sqlite", temporary) == []


def test_a_port_answers_on_the_newer_protocol_alone(state: Path, temporary: Path, gone: int) -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        text = lock_text(gone, state / "openclaw.json", port=server.getsockname()[1])
        put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
        assert len(told(state / "tasks/runs.sqlite", temporary)) == 1


def test_a_gateway_in_a_process_of_its_own_answers(state: Path, gone: int, start: Start, tmp_path: Path) -> None:
    program = """
import socket
server = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(server.getsockname()[1]))
"""
    start(program, tmp_path / "port")
    port = int((tmp_path / "port").read_text())
    put(state / "tmp" / "openclaw-1000", "gateway.state.lock", lock_text_9(gone, state, port=port))
    assert [what.split(" of ")[0] for what in told(state / "state/openclaw.sqlite")] == [f"port {port}"]


@pytest.mark.parametrize("port", [0, -1, 65536, 2**70, True, "18789", 18789.5, None, [18789]])
def test_no_port_is_tried_that_is_none(
    state: Path, temporary: Path, gone: int, port: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda address, _timeout: tried.append(address))
    text = lock_text(gone, state / "openclaw.json", port=port)
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert told(state / "tasks/runs.sqlite", temporary) == []
    assert tried == []


@with_proc
def test_a_process_that_has_the_database_open(state: Path, start: Start, tmp_path: Path) -> None:
    database = state / "tasks/runs.sqlite"
    holder = start("f = open(sys.argv[1], 'rb')", database)
    name = Path(sys.executable).name
    expected = [f"process {holder.pid} ({name}) has runs.sqlite open"]
    assert told(database) == expected
    (tmp_path / "linked.sqlite").symlink_to(database)
    assert told(tmp_path / "linked.sqlite") == expected
    (tmp_path / "hard.sqlite").hardlink_to(database)
    assert told(tmp_path / "hard.sqlite") == [f"process {holder.pid} ({name}) has hard.sqlite open"]
    assert told(state / "state/openclaw.sqlite") == []
    holder.communicate()
    assert told(database) == []


@with_proc
def test_a_gateway_that_writes_ahead(state: Path, start: Start) -> None:
    database = state / "tasks/runs.sqlite"
    program = """
import sqlite3
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("INSERT INTO task_runs VALUES ('one')")
connection.commit()
"""
    holder = start(program, database)
    (what,) = told(database)
    assert what.endswith(" has runs.sqlite, runs.sqlite-shm, runs.sqlite-wal open")
    assert what.startswith(f"process {holder.pid} ")


@with_proc
@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_a_companion_alone_is_a_sign(state: Path, start: Start, end: str) -> None:
    companion = state / f"tasks/runs.sqlite{end}"
    companion.touch()
    start("f = open(sys.argv[1], 'rb')", companion)
    assert len(told(state / "tasks/runs.sqlite")) == 1


@with_proc
def test_a_coordinator_counts_only_while_it_is_open(state: Path, start: Start) -> None:
    coordinator = put(state / "tmp" / "openclaw-1000", "gateway.state.lock.sqlite", b"")
    assert told(state / "state/openclaw.sqlite") == []
    start("f = open(sys.argv[1], 'rb')", coordinator)
    assert [what.split(" has ")[1] for what in told(state / "state/openclaw.sqlite")] == [
        "gateway.state.lock.sqlite open"
    ]


@with_proc
def test_what_this_process_has_open_is_no_sign(state: Path) -> None:
    with (state / "tasks/runs.sqlite").open("rb"):
        assert told(state / "tasks/runs.sqlite") == []


@with_proc
def test_a_child_that_was_handed_the_open_database_is_a_sign(state: Path) -> None:
    with (state / "tasks/runs.sqlite").open("rb") as database:
        command = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[database.fileno()]) as child:
            (what,) = told(state / "tasks/runs.sqlite")
    assert what.startswith(f"process {child.pid} ")


@with_proc
@pytest.mark.parametrize(
    ("called", "shown"),
    [
        (b"/opt/node 24/bin/node", "node"),
        (b"openclaw-gateway", "openclaw-gateway"),
        (b"a) \x1b[2J\xff", r"a) \x1b[2J\udcff"),
        (b"", "?"),
        (b"x" * 500, "x" * 59 + "…"),
    ],
)
def test_a_process_is_called_by_its_program(state: Path, called: bytes, shown: str) -> None:
    with (state / "tasks/runs.sqlite").open("rb") as database:
        command: list[str | bytes] = [called, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
        with subprocess.Popen(
            command, executable=sys.executable, stdin=subprocess.PIPE, pass_fds=[database.fileno()]
        ) as child:
            whats = told(state / "tasks/runs.sqlite")
    assert whats == [f"process {child.pid} ({shown}) has runs.sqlite open"]


@with_proc
def test_the_start_is_read_behind_a_name_with_brackets(state: Path, temporary: Path, start: Start) -> None:
    gateway = start("open('/proc/self/comm', 'w').write('x) Z 1 (2) 3')")
    text = lock_text(gateway.pid, state / "openclaw.json", startTime=start_time(gateway.pid))
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert len(told(state / "tasks/runs.sqlite", temporary)) == 1


def test_processes_by_number_behind_locks_and_ports(state: Path, start: Start, port: int) -> None:
    database = state / "tasks/runs.sqlite"
    holders = [start("f = open(sys.argv[1], 'rb')", database) for _ in range(3)]
    for name in ("gateway.b.lock", "gateway.a.lock"):
        text = lock_text(holders[0].pid, state / "openclaw.json", port=port)
        put(state / "tmp" / "openclaw-1000", name, text)
    whats = told(database)
    assert [what.split("gateway.")[1][:6] for what in whats[:2]] == ["a.lock", "b.lock"]
    assert whats[2].startswith(f"port {port} of ")
    if Path("/proc/self/fd").exists():
        assert [int(what.split()[1]) for what in whats[3:]] == sorted(holder.pid for holder in holders)
    assert told(database) == whats


def test_a_system_without_process_folders(
    state: Path, temporary: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_PROC", tmp_path / "no-proc")
    holder = start("f = open(sys.argv[1], 'rb')", state / "tasks/runs.sqlite")
    # a start in other units, which nothing here can be compared with
    text = lock_text(holder.pid, state / "openclaw.json", startTime=1)
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    (what,) = told(state / "tasks/runs.sqlite", temporary)
    assert what.endswith(f"names process {holder.pid}, which runs")


def test_where_asking_would_be_a_signal_nobody_is_asked(
    state: Path, temporary: Path, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = lock_text(gone, state / "openclaw.json")
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    locks = liveness._locks_of([state], [], [temporary / "openclaw-1000"])
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    monkeypatch.setattr(os, "name", "nt")
    told = liveness._told_of(locks[0], datetime.now(UTC))
    monkeypatch.undo()
    assert told is not None
    assert "not known" in told


BROKEN = {
    "empty": b"",
    "cut off": b'{"pid":4711,"createdAt":"2026-11',
    "binary": bytes(range(256)) * 8,
    "no object": b"4711",
    "deep": b"[" * (LOCK_BYTES // 2),
    "deep objects": b'{"pid":' * (LOCK_BYTES // 8),
    "a number without end": b'{"pid":' + b"9" * 5000 + b"}",
    "huge": b'{"pid":"none"}' + b" " * LOCK_BYTES,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_lock_counts_while_it_may_be_in_writing(state: Path, temporary: Path, content: bytes) -> None:
    folder, name = temporary / "openclaw-1000", lock_name(state / "openclaw.json")
    lock = put(folder, name, content, age=LOCK_WRITTEN_WITHIN / 2)
    assert told(state / "tasks/runs.sqlite", temporary) == [f"lock file {lock} cannot be read: {NOT_KNOWN}"]
    put(folder, name, content, age=timedelta(hours=-1))
    assert len(told(state / "tasks/runs.sqlite", temporary)) == 1
    put(folder, name, content, age=LOCK_WRITTEN_WITHIN * 2)
    assert told(state / "tasks/runs.sqlite", temporary) == []


@pytest.mark.parametrize("pid", ["4711", -1, 0, 2**31, 2**63, 2**200, 1.5, True, None, [1], {"pid": 1}])
def test_a_lock_without_a_process_is_a_sign_at_any_age(state: Path, temporary: Path, pid: object) -> None:
    text = lock_text(pid, state / "openclaw.json")
    lock = put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert told(state / "tasks/runs.sqlite", temporary) == [f"lock file {lock} names no process: {NOT_KNOWN}"]


@pytest.mark.parametrize("start_time", ["1", 1.5, True, None, [], -1])
def test_a_start_that_is_none_exonerates_nobody(state: Path, temporary: Path, start: Start, start_time: object) -> None:
    text = lock_text(start().pid, state / "openclaw.json", startTime=start_time)
    put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)
    assert len(told(state / "tasks/runs.sqlite", temporary)) == 1


def within_seconds(question: Callable[[], list[str]]) -> list[str]:
    """Give the answer of a question that might hang."""
    answers: list[list[str]] = []
    asking = threading.Thread(target=lambda: answers.append(question()), daemon=True)
    asking.start()
    asking.join(20)
    assert answers, "still waiting"
    return answers[0]


@pytest.mark.parametrize("kind", ["pipe", "folder", "circle", "nowhere", "device"])
def test_what_is_no_file_is_not_waited_for(state: Path, temporary: Path, kind: str) -> None:
    lock = temporary / "openclaw-1000" / lock_name(state / "openclaw.json")
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to({"circle": lock, "nowhere": lock.with_name("none"), "device": Path("/dev/zero")}[kind])
    whats = within_seconds(lambda: told(state / "tasks/runs.sqlite", temporary))
    assert whats == [f"lock file {lock} cannot be read: {NOT_KNOWN}"]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert signs_of_life(state / "tasks/runs.sqlite", [temporary], later) == []


def test_a_pipe_that_took_the_place_of_a_lock_is_not_waited_for(
    state: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = temporary / "openclaw-1000" / lock_name(state / "openclaw.json")
    os.mkfifo(lock)
    monkeypatch.setattr(stat, "S_ISREG", lambda _mode: True)  # as it was a moment before
    assert len(within_seconds(lambda: told(state / "tasks/runs.sqlite", temporary))) == 1


def test_a_lock_that_may_not_be_read_is_a_sign_at_any_age(
    state: Path, temporary: Path, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = lock_text(gone, state / "openclaw.json")
    lock = put(temporary / "openclaw-1000", lock_name(state / "openclaw.json"), text)

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "denied", str(path))

    monkeypatch.setattr(liveness, "_content", denied)
    assert told(state / "tasks/runs.sqlite", temporary) == [f"lock file {lock} cannot be read: {NOT_KNOWN}"]


def test_names_of_folders_are_hostile_too(state: Path, temporary: Path, start: Start) -> None:
    folder = temporary / "openclaw-\x1b[2J\n"
    folder.mkdir()
    put(folder, lock_name(state / "openclaw.json"), lock_text(start().pid, state / "openclaw.json"))
    (what,) = told(state / "tasks/runs.sqlite", temporary)
    assert r"openclaw-\x1b[2J\n/gateway." in what


def test_folders_that_are_none(state: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "openclaw-1").touch()
    (odd / "openclaw-2").symlink_to(odd / "openclaw-2")
    (odd / "openclaw-3").symlink_to(odd / "nowhere")
    assert told(state / "tasks/runs.sqlite", odd, odd / "nowhere", odd / "openclaw-1", Path("a\0b")) == []
    assert told(tmp_path / "nowhere" / "tasks" / "runs.sqlite") == []


def test_every_sign_says_what_to_do_about_it(state: Path, start: Start, port: int) -> None:
    folder = state / "tmp" / "openclaw-1000"
    put(folder, "gateway.state.lock", lock_text_9(start().pid, state, port=port))
    put(folder, "gateway.1.lock", lock_text("none", state))
    put(folder, "gateway.2.lock", "", age=timedelta())
    signs = signs_of_life(state / "state/openclaw.sqlite", [], datetime.now(UTC))
    assert len(signs) == 4
    assert all(sign.hint for sign in signs)
