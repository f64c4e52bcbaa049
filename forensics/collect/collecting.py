"""Evidence preserved before it vanishes: one snapshot per run, read beside a live gateway.

Rolling logs and, from 2026.5.26 on, lost rows are deleted after 24 hours (formats.md §1.5, §4.1). Originals are only
ever read: no lock is taken and no SQLite client is started on them.

A log that has grown since an earlier day is stored with that day's bytes at its beginning; once the new snapshot is
whole, the file of the earlier one is replaced by a link to the longer one. Its manifest still tells which bytes were
there that day, and their hash. A log that does not begin with what was stored is stored apart.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO
from urllib.parse import quote

from forensics.collect.folders import (
    APPENDED,
    Earlier,
    Written,
    free_name,
    make_folders,
    new_folder,
    series_of,
    share,
    share_beginnings,
    stored_earlier,
    working_in,
    write_manifest,
    write_stream,
)
from forensics.collect.rotation import Names, is_log, names_of
from forensics.collect.tables import copy_tables, is_sound
from forensics.model.errors import NothingToReadError, RefusedError, UnreadableError, UsageError
from forensics.model.manifest import LeftOut, Manifest, Missing, Original, Place, Stored
from forensics.model.progress import Progress, Stage
from forensics.model.verdicts import SourceKind
from forensics.parsers.containers import STANDARD_INPUT, Scratch
from forensics.parsers.database import companions_of, opened_copy, tables_of
from forensics.parsers.detect import left_out
from forensics.parsers.files import open_evidence, sha256_of
from forensics.parsers.gathering import Gathered, Reading, gather, why
from forensics.parsers.load import EVIDENCE_KINDS, modified_at
from forensics.parsers.meter import Meter
from forensics.parsers.parsed import well_formed
from forensics.parsers.task_registry import TABLE
from forensics.parsers.zones import name_of_zone

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.2
_LONGEST_NAME_BYTES = 240
_HEAD_BYTES = 4096
_NO_REGISTRY = "databases without task rows"
_COLLECTED = "files that were collected before"


@dataclass(frozen=True, slots=True)
class Collected:
    """One snapshot: its folder and manifest, and how many bytes were new; the others are shared with earlier ones.

    ``shared_files`` were stored before as they are, ``grown_files`` with fewer bytes.
    """

    folder: Path
    manifest: Manifest
    new_bytes: int
    shared_files: int
    grown_files: int


@dataclass(slots=True)
class _Work:
    """A snapshot that is being made."""

    part: Path
    earlier: Earlier
    manifest: Manifest
    files: list[Stored] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    grown: list[tuple[str, Path]] = field(default_factory=list)
    beginnings: dict[str, int] = field(default_factory=dict)
    new_bytes: dict[str, int] = field(default_factory=dict)

    def collected(self, folder: Path, manifest: Manifest) -> Collected:
        """Sum up what was stored."""
        new = {each.path: self.new_bytes[each.path] for each in manifest.files}
        begun = [path for path in new if new[path] and self.beginnings.get(path)]
        return Collected(folder, manifest, sum(new.values()), list(new.values()).count(0), len(begun))


def collect(
    paths: Sequence[str],
    into: Path,
    *,
    at: datetime,
    host: str,
    version: str,
    gateways: Mapping[str, Sequence[str]] = MappingProxyType({}),
    zone: tzinfo | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Preserve the evidence behind the paths as a new snapshot in a folder.

    A registry is stored as one sound file, without the tables that hold no evidence. Other files are stored byte for
    byte. Files of an earlier snapshot with the same bytes, or with the first of them, are shared by hard links. What
    could not be read is in the manifest, and proves nothing when the snapshot is audited. ``gateways`` are the paths of
    named gateways, ``zone`` is that of local times which nothing explains: the manifest tells both to later audits.
    ``progress`` is told of each file, see ``forensics.model.progress``.

    Raises:
        UsageError: the folder lies within the evidence, or the evidence within it; the evidence is a collection itself;
            a path is given for two gateways.
        NothingToReadError: no file behind the paths is evidence.
        RefusedError: another collect is at work, or the folder cannot be written; nothing is kept.
    """
    given = [*paths, *(path for named in gateways.values() for path in named)]
    _refuse_evidence(given, into)
    meter = Meter(progress)
    found = _found(paths, gateways, given, meter)
    try:
        with working_in(into):
            named_zone = None if zone is None else name_of_zone(zone)
            told = Manifest(version, well_formed(host), _stamp(at), (), (), (), (), named_zone)
            for _ in range(_ATTEMPTS - 1):
                with suppress(_MovedError):
                    return _snapshot(given, into, found, told, meter)
                time.sleep(_PAUSE_SECONDS)
                found = _found(paths, gateways, given, meter)
            return _snapshot(given, into, found, told, meter, is_last=True)
    except OSError as error:
        message = f"{into} cannot be written: {error.strerror or error}; nothing of this run was kept"
        raise RefusedError(message, "make room, or choose another folder; then run it again") from error


class _MovedError(Exception):
    """Logs were set aside while they were copied."""


@dataclass(frozen=True, slots=True)
class _Found:
    """All that is behind the arguments, what of it is to be stored, and what the names of the logs stood for."""

    gathered: Gathered
    wanted: list[Reading]
    names: Names


def _found(paths: Sequence[str], gateways: Mapping[str, Sequence[str]], given: Sequence[str], meter: Meter) -> _Found:
    gathered = gather(paths, gateways, Scratch(meter=meter))
    evidence = [reading for reading in gathered.readings if reading.detected.kind in EVIDENCE_KINDS]
    wanted = [reading for reading in evidence if reading.found.kept is None]
    if evidence and not wanted:
        message = f"all evidence behind {', '.join(given)} was collected before; nothing was collected"
        raise UsageError(message, "copy the collection as it is: cp -a, rsync -aH, or tar")
    if not wanted:
        raise NothingToReadError(
            f"no evidence behind {', '.join(given)}; nothing was collected",
            "give a state directory, its gateway logs, or both",
        )
    return _Found(gathered, wanted, names_of(gathered, given))


def _snapshot(
    paths: Sequence[str], into: Path, found: _Found, told: Manifest, meter: Meter, *, is_last: bool = False
) -> Collected:
    name = free_name(into, told.collected_at.replace(":", ""))
    places = _places(paths, found.wanted)
    told = replace(told, places=tuple(Place(folder, *_told_place(key)) for key, folder in places.items()))
    with new_folder(into, name) as part:
        work = _Work(part, stored_earlier(into), told)
        moved = found.names.moved()
        meter.begin(Stage.COLLECTING, sum(reading.size_bytes for reading in found.wanted))
        for reading in found.wanted:
            meter.open(reading.found.shown, reading.size_bytes)
            if not (is_log(reading) and reading.found.path.parent in moved):
                _store(reading, _target(reading, paths, places), work)
            meter.close()
        moved |= found.names.moved()
        if moved and not is_last:
            raise _MovedError
        _leave_out_moved(moved, found.wanted, paths, places, work)
        _keep_empty_run_folders(found.wanted, paths, places, work)
        work.missing += _gaps(found.gathered, places)
        _count_left_out(paths, found.gathered, work)
        if not work.files:
            raise NothingToReadError(f"no evidence behind {', '.join(paths)}; nothing was collected")
        manifest = replace(
            told,
            files=tuple(sorted(work.files, key=lambda stored: stored.path)),
            missing=tuple(sorted(set(work.missing), key=lambda missing: missing.path)),
            left_out=tuple(LeftOut(what, files) for what, files in sorted(work.left_out.items())),
        )
        write_manifest(part, manifest)
    share_beginnings(into, [(into / name / path, stored) for path, stored in work.grown])
    return work.collected(into / name, manifest)


def _leave_out_moved(
    moved: set[Path], readings: Sequence[Reading], paths: Sequence[str], places: dict[_Base, str], work: _Work
) -> None:
    """Keep no log of a folder whose logs never held still: which of them is missing would not be known."""
    left = {
        _target(each, paths, places).parent for each in readings if is_log(each) and each.found.path.parent in moved
    }
    for stored in [each for each in work.files if each.kind in APPENDED and Path(each.path).parent in left]:
        (work.part / stored.path).unlink()
        work.files.remove(stored)
    work.grown = [(path, earlier) for path, earlier in work.grown if Path(path).parent not in left]
    work.missing += [Missing(folder.as_posix(), "its logs were set aside while they were copied") for folder in left]


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


_Base = tuple[Path, str]
"""A copied folder, and the gateway that was named for its files, empty where none was."""


def _key(reading: Reading, paths: Sequence[str]) -> _Base:
    return _base(reading, paths), reading.named or ""


def _told_place(key: _Base) -> tuple[str, str | None]:
    return well_formed(str(key[0])), well_formed(key[1]) or None


def _places(paths: Sequence[str], readings: Sequence[Reading]) -> dict[_Base, str]:
    """Give each copied folder a name of its own in the snapshot."""
    places: dict[_Base, str] = {}
    for base, gateway in sorted({_key(reading, paths) for reading in readings}):
        name, number = _clean(base.name).lstrip(".") or "root", 1
        tried = name
        while tried in places.values():
            number += 1
            tried = f"{name}-{number}"
        places[base, gateway] = tried
    return places


def _target(reading: Reading, paths: Sequence[str], places: dict[_Base, str]) -> Path:
    key = _key(reading, paths)
    inner = reading.found.home.relative_to(key[0]).parts
    return Path(places[key], *map(_clean, inner), _clean(reading.found.name))


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
    known = work.earlier.by_content.get((stored.sha256, stored.bytes))
    if known is not None and share(known, work.part / target, stored.sha256):
        work.new_bytes[stored.path] = 0
    else:
        work.new_bytes[stored.path] = stored.bytes - work.beginnings.get(stored.path, 0)
        work.earlier.by_content[stored.sha256, stored.bytes] = work.part / target


def _stored_file(reading: Reading, target: Path, work: _Work) -> Stored:
    """Store a file byte for byte, and note what earlier runs stored of its beginning.

    Raises:
        UnreadableError: it cannot be read, or does not hold still.
    """
    series = series_of(_described(reading, target, Written(0, "", {}), ()), work.manifest)
    sizes = work.earlier.sizes(series) if series else []
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS * bool(attempt))
        with open_evidence(reading.found.path) as source:
            before = _state(source, reading)
            written = write_stream(source, work.part / target, sizes)
            if _is_same(before, _state(source, reading), reading):
                break
        (work.part / target).unlink()
    else:
        raise UnreadableError("it kept changing while it was copied")
    original = Original(reading.found.shown, written.size_bytes, written.sha256)
    alike = work.earlier.by_series[series] if series and sizes else {}
    known = {size: alike[size][sha256] for size, sha256 in written.beginnings.items() if sha256 in alike[size]}
    work.grown += [(target.as_posix(), path) for size in sorted(known) for path in known[size]]
    work.beginnings[target.as_posix()] = max(known, default=0)
    return _described(reading, target, written, (original,))


def _state(source: BinaryIO, reading: Reading) -> tuple[int, int, bytes]:
    """Give size, time stamp and first bytes of an open file; of a file that grows its beginning alone must stay."""
    told, at = os.fstat(source.fileno()), source.tell()
    source.seek(0)
    head = source.read(_HEAD_BYTES) if reading.detected.kind in APPENDED else b""
    source.seek(at)
    return told.st_size, told.st_mtime_ns, head


def _is_same(before: tuple[int, int, bytes], after: tuple[int, int, bytes], reading: Reading) -> bool:
    """Tell whether what was read is a state that the file had: nothing of it was written anew meanwhile."""
    if reading.detected.kind in APPENDED:
        return after[0] >= before[0] and after[2].startswith(before[2])
    return before == after


def _described(reading: Reading, target: Path, written: Written, originals: tuple[Original, ...]) -> Stored:
    form = reading.detected.form.name if reading.detected.form else ""
    modified = modified_at(reading.found)
    kind, told = reading.detected.kind.value, _stamp(modified) if modified else ""
    return Stored(target.as_posix(), kind, form, written.size_bytes, written.sha256, told, originals)


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
            # within the unfinished snapshot, so that no copy stays anywhere if this process is killed
            with tempfile.TemporaryDirectory(prefix="forensics-", dir=work.part) as folder:
                made = Path(folder) / "made"
                originals = _copied(reading, made, work.part)
                if originals is None:
                    return None
                with open_evidence(made) as source:
                    written = write_stream(source, work.part / target)
                return _described(reading, target, written, originals)
        except (UnreadableError, sqlite3.Error) as error:
            found = str(error)
    raise UnreadableError(found)


def _copied(reading: Reading, made: Path, within: Path) -> tuple[Original, ...] | None:
    """Copy the evidence tables of a registry; None where it holds no task rows."""
    path = reading.found.path
    companions = companions_of(path)  # a live gateway makes and removes them at any time
    with opened_copy(path, companions, within) as database:
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
    readings: Sequence[Reading], paths: Sequence[str], places: dict[_Base, str], work: _Work
) -> None:
    """Keep the folder of run logs even if it is empty: no run has finished, which is not the same as no history."""
    given = [Path(path).resolve() for path in paths if Path(path).exists()]
    for reading in readings:
        base, gateway = _key(reading, paths)
        folder = reading.found.copy_root / "cron" / "runs"
        if folder.is_dir() and any(folder.is_relative_to(top) for top in given) and folder.resolve() == folder:
            inner = reading.found.copy_home.relative_to(base) if reading.found.copy_home.is_relative_to(base) else None
            if inner is not None:
                make_folders(work.part, work.part / places[base, gateway] / inner / "cron" / "runs")


def _gaps(gathered: Gathered, places: dict[_Base, str]) -> Iterator[Missing]:
    """Give what could not be read where it would lie in the snapshot; what lies nowhere is missing everywhere."""
    for gap in gathered.gaps:
        inside = [key for key in places if gap.is_relative_to(key[0])]
        for base, gateway in inside:
            if len(base.parts) == max(len(key[0].parts) for key in inside):
                place = Path(places[base, gateway], *map(_clean, gap.relative_to(base).parts)).as_posix()
                yield Missing(place, "it could not be read")
        if not inside:
            for folder in places.values():
                yield Missing(folder, f"{well_formed(gap.name)} could not be read")


def _count_left_out(paths: Sequence[str], gathered: Gathered, work: _Work) -> None:
    for reading in gathered.readings:
        if reading.found.kept is not None:
            work.left_out[_COLLECTED] += 1
        elif reading.detected.kind not in (*EVIDENCE_KINDS, SourceKind.TASK_REGISTRY_WAL):
            work.left_out[reading.detected.by] += 1
    for path in paths:
        try:
            for folder in left_out(path):
                work.left_out[f"folder {well_formed(folder)}"] += 1
        except OSError as error:
            work.left_out[f"folders that cannot be listed: {why(error)}"] += 1
