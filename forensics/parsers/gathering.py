"""From PATH arguments to recognised files: found, unpacked where they are packed, each looked at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from forensics.model.errors import UnreadableError, UsageError
from forensics.model.verdicts import SourceKind
from forensics.parsers.containers import STANDARD_INPUT, Scratch
from forensics.parsers.database import companions_of
from forensics.parsers.detect import Detected, Found, Unread, detect, find_files, left_out
from forensics.parsers.parsed import Parsed, well_formed

_OF_A_COPY = (SourceKind.TASK_REGISTRY, SourceKind.CRON_RUN_LOG, SourceKind.JOB_STORE, SourceKind.JOB_STATE)
"""What is read once per copied folder even where several share a file: what it does not say counts for each of them."""

_WITHOUT_EVIDENCE = (SourceKind.UNKNOWN, SourceKind.OTHER)

_Identity = tuple[int, int, Path | None]
"""Device and number of a file and, where it is part of several copied folders, which of them is meant."""

_ONE_GATEWAY = "one state directory is one gateway"


@dataclass(slots=True, eq=False)
class Reading:
    """One file on its way from path to frames; ``named`` is the gateway that the user says it belongs to."""

    found: Found
    detected: Detected
    size_bytes: int
    named: str | None = None
    companions: list[Path] = field(default_factory=list)
    parsed: Parsed | None = None
    sha256: Future[str] | None = None
    gateway: str | None = None

    @property
    def kind(self) -> SourceKind:
        """What it was read as or, before that, recognised as."""
        return self.parsed.kind if self.parsed else self.detected.kind


@dataclass(slots=True)
class Gathered:
    """All files behind the arguments; ``gaps`` are the places at which something could not be read."""

    readings: list[Reading] = field(default_factory=list)
    notices: list[dict[str, object]] = field(default_factory=list)
    gaps: list[Path] = field(default_factory=list)

    def note(self, code: str, message: str, *, level: str = "warning", source: int | None = None) -> None:
        """Note something that belongs to no line of a file."""
        told = well_formed(message)
        self.notices.append({"source": source, "line": None, "level": level, "code": code, "message": told})


def gather(paths: Sequence[str], gateways: Mapping[str, Sequence[str]], scratch: Scratch) -> Gathered:
    """Find and recognise every file behind the paths, each once, in the order of how they are shown.

    Notices: unreadable, nothing_here, refused, duplicate_entry, torn, left_out, wal_orphan.

    Raises:
        UsageError: a path is given for two gateways, or standard input twice.
    """
    gathered = Gathered()
    readings: dict[_Identity, Reading] = {}
    unread: list[Unread] = []
    for argument, gateway in _arguments(paths, gateways):
        has_evidence = False
        try:
            for found in find_files(argument, unread, scratch):
                kind = _add(found, gateway, readings, gathered)
                has_evidence |= found.explicit or kind not in _WITHOUT_EVIDENCE
            if not has_evidence:
                gathered.note("nothing_here", f"{argument}: no file of a known kind; check the path", level="error")
        except (UnreadableError, OSError) as error:
            gathered.note("unreadable", f"{argument}: {why(error)}; check the path and its permissions", level="error")
            gathered.gaps += _real(argument)
        _note_left_out(argument, argument, gathered)
    for skipped in unread:
        level = "error" if skipped.may_hold_rows() else "warning"
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
        gathered.note("unreadable", f"{found.shown}: {why(error)}; nothing of it is used")
        gathered.gaps.append(found.path)
        return SourceKind.DAMAGED
    place = found.copy_root if told.st_nlink > 1 else None
    known = readings.get((told.st_dev, told.st_ino, None)) or readings.get((told.st_dev, told.st_ino, place))
    if known is None:
        detected = _detect(found, gathered)
        if detected.kind not in _OF_A_COPY:
            place = None
        readings[told.st_dev, told.st_ino, place] = Reading(found, detected, told.st_size, named=gateway)
        return detected.kind
    if gateway is not None and gateway != known.named:
        message = f"{found.shown} is given for two gateways: {known.named} and {gateway}"
        raise UsageError(message, _ONE_GATEWAY)
    return known.detected.kind


def _detect(found: Found, gathered: Gathered) -> Detected:
    try:
        return detect(found.path, found.name)
    except (UnreadableError, OSError) as error:
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
        reading.companions = companions_of(path)
    for reading in readings:
        if reading.detected.kind is SourceKind.TASK_REGISTRY_WAL and not _database_of(reading.found.path, databases):
            gathered.note(
                "wal_orphan",
                f"{reading.found.shown}: a write-ahead log without its database; hand over the file beside it, too",
                level="error",
            )


def _database_of(wal: Path, databases: Iterable[Path]) -> Path | None:
    return next((path for path in databases if wal == path.with_name(path.name + "-wal")), None)
