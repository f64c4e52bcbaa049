"""Evidence preserved before it vanishes: one snapshot per run, read beside a live gateway.

Rolling logs and, from 2026.5.26 on, lost rows are deleted after 24 hours (formats.md §1.5, §4.1). Originals are only
ever read: no lock is taken and no SQLite client is started on them.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from forensics.collect.folders import (
    free_name,
    make_folders,
    new_folder,
    share,
    stored_earlier,
    working_in,
    write_manifest,
    write_stream,
)
from forensics.collect.tables import copy_tables, is_sound
from forensics.model.errors import NothingToReadError, RefusedError, UnreadableError, UsageError
from forensics.model.manifest import LeftOut, Manifest, Missing, Original, Place, Stored
from forensics.model.verdicts import SourceKind
from forensics.parsers.containers import STANDARD_INPUT, Scratch
from forensics.parsers.database import companions_of, opened_copy, tables_of
from forensics.parsers.detect import left_out
from forensics.parsers.files import open_evidence, sha256_of
from forensics.parsers.gathering import Gathered, Reading, gather, why
from forensics.parsers.load import EVIDENCE_KINDS
from forensics.parsers.parsed import well_formed
from forensics.parsers.task_registry import TABLE

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.2
_LONGEST_NAME_BYTES = 240
_NO_REGISTRY = "databases without task rows"


@dataclass(frozen=True, slots=True)
class Collected:
    """One snapshot: its folder and manifest, and how many bytes were new; the others are shared with earlier ones."""

    folder: Path
    manifest: Manifest
    new_bytes: int
    shared_files: int


@dataclass(slots=True)
class _Work:
    """A snapshot that is being made."""

    part: Path
    earlier: dict[tuple[str, int], Path]
    files: list[Stored] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    new_bytes: int = 0
    shared_files: int = 0


def collect(paths: Sequence[str], into: Path, *, at: datetime, host: str, version: str) -> Collected:
    """Preserve the evidence behind the paths as a new snapshot in a folder.

    A registry is stored as one sound file, without the tables that hold no evidence. Other files are stored byte for
    byte. Files of an earlier snapshot with the same bytes are shared by hard links; nothing that is there is changed.
    What could not be read is in the manifest, and proves nothing when the snapshot is audited.

    Raises:
        UsageError: the folder lies within the evidence, or the evidence within it.
        NothingToReadError: no file behind the paths is evidence.
        RefusedError: another collect is at work, or the folder cannot be written; nothing is kept.
    """
    _refuse_evidence(paths, into)
    gathered = gather(paths, {}, Scratch())
    wanted = [reading for reading in gathered.readings if reading.detected.kind in EVIDENCE_KINDS]
    if not wanted:
        raise NothingToReadError(
            f"no evidence behind {', '.join(paths)}; nothing was collected",
            "give a state directory, its gateway logs, or both",
        )
    try:
        with working_in(into):
            return _snapshot(paths, into, gathered, wanted, Manifest(version, host, _stamp(at), (), (), (), ()))
    except OSError as error:
        message = f"{into} cannot be written: {error.strerror or error}; nothing of this run was kept"
        raise RefusedError(message, "make room, or choose another folder; then run it again") from error


def _snapshot(
    paths: Sequence[str], into: Path, gathered: Gathered, wanted: Sequence[Reading], told: Manifest
) -> Collected:
    name = free_name(into, told.collected_at.replace(":", ""))
    places = _places(paths, wanted)
    with new_folder(into, name) as part:
        work = _Work(part, stored_earlier(into))
        for reading in wanted:
            _store(reading, _target(reading, paths, places), work)
        _keep_empty_run_folders(wanted, paths, places, work)
        work.missing += _gaps(gathered, places)
        _count_left_out(paths, gathered, work)
        if not work.files:
            raise NothingToReadError(f"no evidence behind {', '.join(paths)}; nothing was collected")
        manifest = Manifest(
            told.version,
            well_formed(told.host),
            told.collected_at,
            tuple(Place(folder, well_formed(str(base))) for base, folder in places.items()),
            tuple(sorted(work.files, key=lambda stored: stored.path)),
            tuple(sorted(set(work.missing), key=lambda missing: missing.path)),
            tuple(LeftOut(what, files) for what, files in sorted(work.left_out.items())),
        )
        write_manifest(part, manifest)
    return Collected(into / name, manifest, work.new_bytes, work.shared_files)


def _refuse_evidence(paths: Sequence[str], into: Path) -> None:
    target = into.resolve()
    for path in paths:
        given = Path(path).resolve()
        if path != STANDARD_INPUT and (target.is_relative_to(given) or given.is_relative_to(target)):
            message = f"{into} and the evidence {path} lie within one another; nothing was collected"
            raise UsageError(message, "collect into a folder of its own, on another disk if there is one")


def _argument_of(reading: Reading, paths: Sequence[str]) -> str:
    """Give the argument that a file was found behind: the longest that its shown path begins with."""
    shown = reading.found.shown
    tops = [path for path in paths if shown == _top(path) or shown.startswith(_top(path).rstrip("/") + "/")]
    return max(tops, key=len)


def _top(path: str) -> str:
    return well_formed(path.rstrip("/") or path)


def _base(reading: Reading, paths: Sequence[str]) -> Path:
    """Give the folder that a file is a part of: what was copied as a whole, or the argument within it."""
    found = reading.found
    argument = Path(_argument_of(reading, paths))
    if argument.is_dir():
        top = argument.resolve()
    else:
        top = found.home if found.explicit else argument.parent.resolve() / argument.name
    if top.is_relative_to(found.copy_home):
        return found.copy_home
    return top if found.home.is_relative_to(top) else found.home


def _places(paths: Sequence[str], readings: Sequence[Reading]) -> dict[Path, str]:
    """Give each copied folder a name of its own in the snapshot."""
    places: dict[Path, str] = {}
    for base in sorted({_base(reading, paths) for reading in readings}):
        name, number = _clean(base.name).lstrip(".") or "root", 1
        tried = name
        while tried in places.values():
            number += 1
            tried = f"{name}-{number}"
        places[base] = tried
    return places


def _target(reading: Reading, paths: Sequence[str], places: dict[Path, str]) -> Path:
    base = _base(reading, paths)
    inner = reading.found.home.relative_to(base).parts
    return Path(places[base], *map(_clean, inner), _clean(reading.found.name))


def _clean(name: str) -> str:
    """Give a name that every tool can print; any other character is written as ``%`` and its bytes."""
    if name.isprintable() and name.isascii():
        return name
    kept = "".join(each if each.isprintable() else quote(each, safe="") for each in well_formed(name))
    return kept if len(kept.encode()) <= _LONGEST_NAME_BYTES else quote(name, safe="", errors="replace")[:80]


def _free(part: Path, target: Path) -> Path:
    name = free_name(part / target.parent, target.name) if (part / target.parent).is_dir() else target.name
    return target.with_name(name)


def _store(reading: Reading, target: Path, work: _Work) -> None:
    """Store one file; what cannot be read becomes a gap in the manifest."""
    target = _free(work.part, target)
    make_folders(work.part, work.part / target.parent)
    try:
        if reading.detected.kind is SourceKind.TASK_REGISTRY:
            stored = _stored_registry(reading, target, work)
        else:
            stored = _stored_file(reading, target, work)
    except UnreadableError as error:
        work.missing.append(Missing(target.as_posix(), str(error)))
        return
    if stored is None:
        work.left_out[_NO_REGISTRY] += 1
        return
    work.files.append(stored)
    known = work.earlier.get((stored.sha256, stored.bytes))
    if known is not None and share(known, work.part / target):
        work.shared_files += 1
    else:
        work.new_bytes += stored.bytes
        work.earlier[stored.sha256, stored.bytes] = work.part / target


def _stored_file(reading: Reading, target: Path, work: _Work) -> Stored:
    path = work.part / target
    with open_evidence(reading.found.path) as source:
        size_bytes, sha256 = write_stream(source, path)
    return _described(reading, target, size_bytes, sha256, (Original(reading.found.shown, size_bytes, sha256),))


def _described(reading: Reading, target: Path, size_bytes: int, sha256: str, originals: tuple[Original, ...]) -> Stored:
    form = reading.detected.form.name if reading.detected.form else ""
    modified_at = _modified_at(reading.found.path)
    return Stored(target.as_posix(), reading.detected.kind.value, form, size_bytes, sha256, modified_at, originals)


def _modified_at(path: Path) -> str:
    try:
        return _stamp(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except (OSError, OverflowError, ValueError):
        return ""


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _stored_registry(reading: Reading, target: Path, work: _Work) -> Stored | None:
    """Store the evidence tables of a registry, once a copy of database and write-ahead log passes SQLite's check.

    Raises:
        UnreadableError: no copy does, or it cannot be read.
    """
    found = "the database is damaged"
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS * bool(attempt))
        try:
            with tempfile.TemporaryDirectory(prefix="forensics-") as folder:
                made = Path(folder) / "made"
                originals = _copied(reading, made)
                if originals is None:
                    return None
                with open_evidence(made) as source:
                    size_bytes, sha256 = write_stream(source, work.part / target)
                return _described(reading, target, size_bytes, sha256, originals)
        except (UnreadableError, sqlite3.Error) as error:
            found = str(error)
    raise UnreadableError(found)


def _copied(reading: Reading, made: Path) -> tuple[Original, ...] | None:
    """Copy the evidence tables of a registry; None where it holds no task rows."""
    path = reading.found.path
    companions = companions_of(path)  # a live gateway makes and removes them at any time
    with opened_copy(path, companions) as database:
        if companions_of(path) != companions:
            raise UnreadableError("its write-ahead log came or went while it was copied")
        if TABLE not in tables_of(database):
            if not tables_of(database) and reading.size_bytes <= 1 << 16:
                raise UnreadableError("the database is empty: its rows are in a write-ahead log that is not there")
            return None
        if not is_sound(database):
            raise UnreadableError("the copy does not pass SQLite's check")
        originals = tuple(_originals(database, reading, companions))
        copy_tables(database, made)
    return originals


def _originals(database: sqlite3.Connection, reading: Reading, companions: Sequence[Path]) -> Iterator[Original]:
    """Give size and hash of the files that the open copy was made of."""
    folder = Path(str(database.execute("PRAGMA database_list").fetchone()[2])).parent
    shown = reading.found.shown.removesuffix(reading.found.name)
    for path in (reading.found.path, *companions):
        copied = folder / path.name
        if copied.is_file():
            yield Original(shown + well_formed(path.name), copied.stat().st_size, sha256_of(copied))


def _keep_empty_run_folders(
    readings: Sequence[Reading], paths: Sequence[str], places: dict[Path, str], work: _Work
) -> None:
    """Keep the folder of run logs even if it is empty: no run has finished, which is not the same as no history."""
    given = [Path(path).resolve() for path in paths if Path(path).exists()]
    for reading in readings:
        base = _base(reading, paths)
        folder = reading.found.copy_root / "cron" / "runs"
        if folder.is_dir() and any(folder.is_relative_to(top) for top in given) and folder.resolve() == folder:
            inner = reading.found.copy_home.relative_to(base) if reading.found.copy_home.is_relative_to(base) else None
            if inner is not None:
                make_folders(work.part, work.part / places[base] / inner / "cron" / "runs")


def _gaps(gathered: Gathered, places: dict[Path, str]) -> Iterator[Missing]:
    """Give what could not be read where it would lie in the snapshot; what lies nowhere is missing everywhere."""
    for gap in gathered.gaps:
        inside = [base for base in places if gap.is_relative_to(base)]
        if inside:
            base = max(inside, key=lambda each: len(each.parts))
            place = Path(places[base], *map(_clean, gap.relative_to(base).parts)).as_posix()
            yield Missing(place, "it could not be read")
        else:
            for folder in places.values():
                yield Missing(folder, f"{well_formed(gap.name)} could not be read")


def _count_left_out(paths: Sequence[str], gathered: Gathered, work: _Work) -> None:
    for reading in gathered.readings:
        if reading.detected.kind not in (*EVIDENCE_KINDS, SourceKind.TASK_REGISTRY_WAL):
            work.left_out[reading.detected.by] += 1
    for path in paths:
        try:
            for folder in left_out(path):
                work.left_out[f"folder {well_formed(folder)}"] += 1
        except OSError as error:
            work.left_out[f"folders that cannot be listed: {why(error)}"] += 1
