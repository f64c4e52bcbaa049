"""From PATH arguments to recognised files: found, unpacked where they are packed, each looked at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from forensics.model.errors import UnreadableError, UsageError
from forensics.model.manifest import Stored
from forensics.model.verdicts import SourceKind
from forensics.parsers.collected import Checks, beginning_of
from forensics.parsers.containers import STANDARD_INPUT, Scratch
from forensics.parsers.database import companions_of
from forensics.parsers.detect import UNLISTED, Detected, Found, Unread, detect, find_files, left_out, was_companion
from forensics.parsers.parsed import Parsed, well_formed

_OF_A_COPY = (SourceKind.TASK_REGISTRY, SourceKind.CRON_RUN_LOG, SourceKind.JOB_STORE, SourceKind.JOB_STATE)
"""What is read once per copied folder even where several share a file: what it does not say counts for each of them."""

_WITHOUT_EVIDENCE = (SourceKind.OTHER, SourceKind.UNKNOWN)
"""What is not read anyway."""

_Identity = tuple[int, int, Path | None]
"""Device and number of a file and, where it is part of several copied folders, which of them is meant."""

_ONE_GATEWAY = "one state directory is one gateway"


@dataclass(slots=True, eq=False)
class Reading:
    """One file on its way from path to frames; ``named`` is the gateway that the user says it belongs to.

    ``size_bytes`` is how much of the file it is about: all of it, but of a stored log that has grown since only what
    was stored then. ``also`` are the other places at which the same bytes were found, ``shorter`` those at which it
    lies as it was before it grew.
    """

    found: Found
    detected: Detected
    size_bytes: int
    named: str | None = None
    companions: list[Path] = field(default_factory=list)
    parsed: Parsed | None = None
    sha256: Future[str] | None = None
    gateway: str | None = None
    also: list[Found] = field(default_factory=list)
    shorter: list[Found] = field(default_factory=list)

    @property
    def kind(self) -> SourceKind:
        """What it was read as or, before that, recognised as."""
        return self.parsed.kind if self.parsed else self.detected.kind


@dataclass(slots=True)
class Gathered:
    """All files behind the arguments; ``gaps`` are the places at which something could not be read.

    ``seen`` gives device and number of each file as it was found. ``scratch`` keeps what was unpacked: it is removed
    with the last object that holds it.
    """

    readings: list[Reading] = field(default_factory=list)
    notices: list[dict[str, object]] = field(default_factory=list)
    gaps: list[Path] = field(default_factory=list)
    checks: Checks = field(default_factory=Checks)
    seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    scratch: Scratch | None = None

    def note(self, code: str, message: str, *, level: str = "warning", source: int | None = None) -> None:
        """Note something that belongs to no line of a file."""
        told = well_formed(message)
        self.notices.append({"source": source, "line": None, "level": level, "code": code, "message": told})


@contextmanager
def path_of(reading: Reading) -> Iterator[Path]:
    """Give the path at which a file ends where it did when it was stored; a private copy where it has grown since.

    Raises:
        UnreadableError: it cannot be read, or there is no room for the copy.
    """
    if reading.found.kept is None:
        yield reading.found.path
        return
    with beginning_of(reading.found.path, reading.size_bytes) as path:
        yield path


def gather(paths: Sequence[str], gateways: Mapping[str, Sequence[str]], scratch: Scratch) -> Gathered:
    """Find and recognise every file behind the paths, each once, in the order of how they are shown.

    Notices: unreadable, nothing_here, refused, duplicate_entry, torn, left_out, wal_orphan.

    Raises:
        UsageError: a path is given for two gateways, or standard input twice.
    """
    gathered = Gathered(scratch=scratch)
    readings: dict[_Identity, Reading] = {}
    unread: list[Unread] = []
    for argument, gateway in _arguments(paths, gateways):
        has_evidence = has_files = False
        try:
            for found in find_files(argument, unread, scratch):
                kind = _add(found, gateway, readings, gathered)
                has_files = True
                has_evidence |= found.explicit or kind not in _WITHOUT_EVIDENCE
            if not has_evidence:
                why_not = "check the path" if has_files else "there is no file at all"
                gathered.note("nothing_here", f"{argument}: no file of a known kind; {why_not}", level="error")
        except (UnreadableError, OSError) as error:
            gathered.note("unreadable", f"{argument}: {why(error)}; check the path and its permissions", level="error")
            gathered.gaps += _real(argument)
        _note_left_out(argument, argument, gathered)
    for skipped in unread:
        level = "error" if skipped.may_hold_rows() else skipped.level
        gathered.note(skipped.code, f"{skipped.shown}: {skipped.why}; nothing of it is used", level=level)
        gathered.gaps += [skipped.place] if skipped.place else []
    _note_opened(scratch, gathered)
    gathered.readings = sorted(readings.values(), key=lambda reading: reading.found.shown)
    _pair_companions(gathered)
    return gathered


def _real(argument: str) -> list[Path]:
    try:
        return [Path(argument).resolve()]
    except (OSError, RuntimeError, ValueError):
        return []


def why(error: Exception) -> str:
    """Say what went wrong, without the path, which is told beside it."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _arguments(paths: Sequence[str], gateways: Mapping[str, Sequence[str]]) -> list[tuple[str, str | None]]:
    """Give each path and the gateway it was given for; those given for one come first, as the user's word is taken."""
    named = sorted({(path, name) for name, given in gateways.items() for path in given})
    owners: dict[str, str] = {}
    for path, name in named:
        owner = owners.setdefault(os.path.realpath(path), name)
        if owner != name:
            message = f"{path} is given for two gateways: {min(owner, name)} and {max(owner, name)}"
            raise UsageError(message, _ONE_GATEWAY)
    plain = sorted(set(paths) - {path for path, _ in named})
    if [*paths, *(path for path, _ in named)].count(STANDARD_INPUT) > 1:
        raise UsageError("- stands for standard input, which can be read only once", "give - once")
    return [*named, *((path, None) for path in plain)]


def _add(found: Found, gateway: str | None, readings: dict[_Identity, Reading], gathered: Gathered) -> SourceKind:
    """Take a file, once; give what it was taken for."""
    try:
        told = found.path.stat()
    except OSError as error:
        if was_companion(found.path, error):
            return SourceKind.OTHER
        gathered.note("unreadable", f"{found.shown}: {why(error)}; nothing of it is used")
        gathered.gaps.append(found.path)
        return SourceKind.DAMAGED
    gathered.seen[found.path] = told.st_dev, told.st_ino
    identity, place = (told.st_dev, told.st_ino), found.copy_root if told.st_nlink > 1 else None
    # stored files are shared by their bytes: two gateways may have the same, and the same log lies in one folder
    folder = found.home if found.kept else None
    known = readings.get((*identity, folder)) or readings.get((*identity, place))
    if known is None:
        reading = _reading(found, told.st_size, gateway, gathered)
        readings[*identity, place if reading.detected.kind in _OF_A_COPY else folder] = reading
        return reading.detected.kind
    if gateway is not None and gateway != known.named:
        message = f"{found.shown} is given for two gateways: {known.named} and {gateway}"
        raise UsageError(message, _ONE_GATEWAY)
    _add_again(found, known, gathered)
    return known.detected.kind


def _reading(found: Found, size_bytes: int, gateway: str | None, gathered: Gathered) -> Reading:
    detected, kept = _detect(found, gathered), found.kept
    if kept is None:
        return Reading(found, detected, size_bytes, named=gateway)
    stored = kept.stored
    reading = Reading(found, detected, stored.bytes if stored else size_bytes, named=gateway or kept.gateway)
    code, unlike = ("unlisted", UNLISTED) if stored is None else ("altered", _why_unlike(found, stored, gathered))
    if unlike is not None and (stored is not None or detected.kind not in _WITHOUT_EVIDENCE):
        gathered.note(code, f"{found.shown}: {unlike}; nothing of it is used", level="error")
        gathered.gaps.append(found.path)
        reading.detected, reading.size_bytes = Detected(SourceKind.DAMAGED, unlike), size_bytes
    elif stored is not None:
        reading.sha256 = Future()
        reading.sha256.set_result(stored.sha256)
    return reading


def _why_unlike(found: Found, stored: Stored, gathered: Gathered) -> str | None:
    try:
        return gathered.checks.why_unlike(found.path, stored)
    except (UnreadableError, OSError) as error:
        return why(error)


def _add_again(found: Found, known: Reading, gathered: Gathered) -> None:
    """Note another name of a file. Of a log that has grown from day to day, the longest is read."""
    stored = found.kept.stored if found.kept else None
    other = known.found.kept.stored if known.found.kept else None
    if stored is None:
        return
    if other is not None and (stored.bytes, stored.sha256) == (other.bytes, other.sha256):
        known.also.append(found)
        return
    again = _reading(found, stored.bytes, known.named, gathered)
    is_sound = again.detected.kind is not SourceKind.DAMAGED
    is_longer = other is not None and stored.bytes > other.bytes
    if is_sound and (is_longer or known.detected.kind is SourceKind.DAMAGED):
        known.shorter += [known.found, *known.also]
        known.found, known.detected, known.size_bytes = again.found, again.detected, again.size_bytes
        known.sha256, known.also = again.sha256, []
    elif is_sound:
        known.shorter.append(found)


def _detect(found: Found, gathered: Gathered) -> Detected:
    try:
        detected = detect(found.path, found.name)
        if detected.kind is SourceKind.DAMAGED:
            gathered.note("damaged", f"{found.shown}: {detected.by}; nothing of it is used", level="error")
        return detected
    except (UnreadableError, OSError) as error:
        if was_companion(found.path, error) or was_companion(found.path, error.__cause__):
            return Detected(SourceKind.OTHER, "a file beside a database, which its gateway has removed meanwhile")
        gathered.note("unreadable", f"{found.shown}: {why(error)}; check its permissions", level="error")
        return Detected(SourceKind.DAMAGED, "could not be read")


def _note_left_out(folder: str, shown: str, gathered: Gathered) -> None:
    try:
        folders = left_out(folder)
    except (OSError, ValueError):
        return
    if folders:
        message = f"{shown}: not read, as they hold no evidence: {', '.join(folders)}"
        gathered.note("left_out", message, level="info")


def _note_opened(scratch: Scratch, gathered: Gathered) -> None:
    for opened in scratch.opened:
        if opened.is_archive:
            _note_left_out(str(opened.folder), opened.shown, gathered)
        if opened.has_damage:
            gathered.gaps += [opened.path, opened.folder]
        if opened.torn is not None:
            what = f"{opened.shown}: it could not be unpacked to its end: {opened.torn}; "
            followed = "what came before is used, what follows is missing" if opened.files else "nothing of it is used"
            other = "; look for another copy" if opened.is_corrupt else ""
            gathered.note("torn", what + followed + other, level="error")
            gathered.gaps += [opened.path, *([opened.folder] if opened.is_archive else [])]


def _pair_companions(gathered: Gathered) -> None:
    readings = gathered.readings
    databases = {
        reading.found.path: reading for reading in readings if reading.detected.kind is SourceKind.TASK_REGISTRY
    }
    for path, reading in databases.items():
        # a stored registry is whole: what lies beside it now was not there when it was hashed
        reading.companions = [] if reading.found.kept else companions_of(path)
    for reading in readings:
        if reading.detected.kind is SourceKind.TASK_REGISTRY_WAL and not _database_of(reading.found.path, databases):
            gathered.note(
                "wal_orphan",
                f"{reading.found.shown}: a write-ahead log without its database; hand over the file beside it, too",
                level="error",
            )


def _database_of(wal: Path, databases: Iterable[Path]) -> Path | None:
    return next((path for path in databases if wal == path.with_name(path.name + "-wal")), None)
