"""Takes evidence away, or lays unrelated evidence beside it: on files, as what happens to copies on their way."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.parsers.shapes import run_entry, write_run_log

Change = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Tampering:
    """One change to a copy of the evidence; ``part`` is the file it is made to."""

    what: str
    part: str
    change: Change
    is_one_line: bool = False

    def __str__(self) -> str:
        return f"{self.part}: {self.what}"


def copied(paths: tuple[Path, ...], into: Path) -> list[Path]:
    """Copy what is handed over into another folder, each beside the others as before; give the copies."""
    home = home_of(paths)
    copies = []
    for path in paths:
        copy = into / path.relative_to(home)
        if path.is_dir():
            shutil.copytree(path, copy, dirs_exist_ok=True)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        copies.append(copy)
    return copies


def home_of(paths: tuple[Path, ...]) -> Path:
    """Give the folder that all paths lie in."""
    parents = [set(path.parents) for path in paths]
    return max(set.intersection(*parents), key=lambda folder: len(folder.parts))


def files_of(paths: list[Path]) -> list[Path]:
    """Give all files behind paths, in order."""
    found = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sorted(found)


def is_database(path: Path) -> bool:
    """Tell whether a file is a SQLite database."""
    with path.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"


def is_of_lines(path: Path) -> bool:
    """Tell whether each line of a file stands for itself: logs and run logs."""
    return path.suffix in (".log", ".txt") or ".jsonl" in path.name


def is_file_log(path: Path) -> bool:
    """Tell whether a file is a gateway's own log, whose lines name their moment and zone."""
    with path.open("rb") as opened:
        first = opened.readline()
    return path.suffix == ".log" and first.startswith(b'{"0"')


def removals(file: Path, part: str) -> Iterator[Tampering]:
    """Give all ways to take something of a file away: all of it, its head, its tail, one line."""
    yield Tampering("gone", part, Path.unlink)
    if not is_of_lines(file):
        return
    count = len(file.read_bytes().splitlines())
    for number in range(1, count):
        yield Tampering(f"its first {number} lines gone", part, _with_lines(number, None))
        yield Tampering(f"cut after line {number}", part, _with_lines(0, number))
    for number in range(count):
        yield Tampering(f"line {number + 1} gone", part, _without_line(number), is_one_line=True)


def _with_lines(begin: int, end: int | None) -> Change:
    def change(path: Path) -> None:
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[begin:end]))

    return change


def _without_line(number: int) -> Change:
    def change(path: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))

    return change


def add_job(registry: Path, run_logs: Path | None, moment_ms: int, name: str) -> None:
    """Let another job have run at a moment: a lost row in the registry, and its record where there are run logs."""
    with closing(sqlite3.connect(registry)) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(task_runs)")]
        template = database.execute(f"SELECT {', '.join(columns)} FROM task_runs WHERE status = 'lost'").fetchone()
        if template is None:
            return
        row = dict(zip(columns, template, strict=True))
        marked = moment_ms + 400_000
        row |= {"task_id": f"{name}-task", "runtime": "cron", "source_id": name, "run_id": f"cron:{name}:{moment_ms}"}
        row |= {"created_at": moment_ms, "started_at": moment_ms, "ended_at": marked, "last_event_at": marked}
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO task_runs ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        database.commit()
    if run_logs is not None and run_logs.is_dir():
        write_run_log(run_logs / f"{name}.jsonl", run_entry(moment_ms, jobId=name, ts=moment_ms + 62_005))


def split(log: Path, cuts: list[int]) -> None:
    """Cut a log into pieces that lie beside each other."""
    lines = log.read_bytes().splitlines(keepends=True)
    for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(lines)], strict=True)):
        piece = lines[begin:end]
        if piece:
            log.with_name(f"{log.stem}.{number}.log").write_bytes(b"".join(piece))
    log.unlink()


def join(logs: list[Path]) -> None:
    """Put logs one behind the other, in the order of their first stamps, into the first of them."""
    texts = sorted((log.read_bytes() for log in logs), key=lambda text: _moment_of(text))
    for log in logs[1:]:
        log.unlink()
    logs[0].write_bytes(b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts))


def _moment_of(text: bytes) -> str:
    for line in text.splitlines():
        try:
            return str(json.loads(line)["_meta"]["date"])
        except (ValueError, KeyError, TypeError):
            continue
    return ""
