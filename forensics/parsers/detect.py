"""What is this file? Files are recognised by their content, never by their name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forensics.model.errors import UnreadableError
from forensics.model.verdicts import SourceKind
from forensics.parsers.catalogue import FORM_OF, FORMS
from forensics.parsers.database import SHM_MAGICS, WAL_MAGICS
from forensics.parsers.forms import Form, Glimpse
from forensics.parsers.parsed import well_formed

_BY_PLACE = "its place and name: no line of it could be recognised"
_STATE_FOLDERS = {"tasks", "cron", "logs", "state", "flows", "tmp"}
_STATE_MARKS = ("tasks/runs.sqlite", "cron/jobs.json", "cron/runs", "openclaw.json")
_COPY_TAILS = (("cron", "runs"), ("cron",), ("tasks",))


@dataclass(frozen=True, slots=True)
class Found:
    """One file behind an argument: where it lies, how it is shown, and the folder it was copied with."""

    path: Path
    shown: str
    copy: str
    copy_root: Path
    explicit: bool

    @property
    def name(self) -> str:
        """What the file is called where it came from."""
        return self.shown.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Unread:
    """One thing behind an argument that is not read, and why."""

    shown: str
    why: str


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file was recognised as, and by what."""

    kind: SourceKind
    by: str
    form: Form | None = None


def find_files(argument: str, unread: list[Unread]) -> Iterator[Found]:
    """Give every file behind one PATH argument, in a fixed order; what cannot be read is added to ``unread``.

    In a state directory only the folders that hold evidence are entered. Links to folders are not followed; a link to
    a file gives that file, beside which its write-ahead log lies.

    Raises:
        UnreadableError: the path does not exist.
    """
    path = Path(argument)
    shown = well_formed(argument.rstrip("/") or argument)
    if not path.exists():
        raise UnreadableError("there is no such file or folder")
    if path.is_dir():
        root, copy = _copy_root(path, shown)
        for found in _walk(path, state_root=_is_state_directory(path)):
            relative = well_formed(found.relative_to(path).as_posix())
            if why := _why_unread(found):
                unread.append(Unread(f"{shown}/{relative}", why))
                continue
            inner_root, inner_copy = _state_above(found, path, shown) or (root, copy)
            yield Found(_real(found), f"{shown}/{relative}", inner_copy, inner_root, explicit=False)
    else:
        root, copy = _copy_root(path.parent, str(Path(shown).parent))
        yield Found(_real(path), shown, copy, root, explicit=True)


def left_out(argument: str) -> list[str]:
    """Name the folders of a state directory that are not entered, for a notice."""
    path = Path(argument)
    if not path.is_dir() or not _is_state_directory(path):
        return []
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and entry.name not in _STATE_FOLDERS)


def detect(path: Path, name: str | None = None) -> Detected:
    """Recognise a file by its content; ``name`` is what it was called where it came from.

    Raises:
        UnreadableError: the file cannot be read.
    """
    detected = _by_content(path, name)
    if is_run_log_place(path) and detected.kind in (SourceKind.UNKNOWN, SourceKind.OTHER):
        return Detected(SourceKind.CRON_RUN_LOG, _BY_PLACE, FORM_OF["cron/runs/<job>.jsonl"])
    return detected


def is_run_log_place(path: Path) -> bool:
    """Tell whether a file lies where run logs do; a damaged one must not pass for one that was never written."""
    return path.parent.parts[-2:] == ("cron", "runs") and ".jsonl" in path.name and path.suffix != ".tmp"


def _by_content(path: Path, name: str | None) -> Detected:
    glimpse = Glimpse(path, name)
    if not glimpse.head:
        return Detected(SourceKind.OTHER, "an empty file")
    if glimpse.head.startswith(WAL_MAGICS):
        return Detected(SourceKind.TASK_REGISTRY_WAL, "the write-ahead log of an SQLite database")
    if glimpse.head.startswith(SHM_MAGICS):
        return Detected(SourceKind.OTHER, "the shared-memory index of an SQLite database")
    for form in FORMS:
        by = form.recognise(glimpse)
        if by is not None:
            return Detected(form.kind, by, form)
    return _of_no_form(glimpse)


def _of_no_form(glimpse: Glimpse) -> Detected:
    if b"\x00" in glimpse.head[:1024]:
        return Detected(SourceKind.UNKNOWN, "binary data of no known kind")
    if isinstance(glimpse.document, dict) and glimpse.document:
        return Detected(SourceKind.OTHER, "a JSON document without evidence")
    return Detected(SourceKind.UNKNOWN, "text of no known kind")


def _walk(folder: Path, *, state_root: bool) -> Iterator[Path]:
    """Give everything below a folder but folders; a folder that cannot be listed is given itself."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            if not (state_root and path.is_dir() and entry.name not in _STATE_FOLDERS):
                yield path
        elif not state_root or entry.name in _STATE_FOLDERS:
            yield from _walk(path, state_root=_is_state_directory(path))


def _why_unread(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return error.strerror or "it cannot be found"
    if stat.S_ISDIR(mode):
        linked = "a link to a folder, which is not followed; name the folder itself"
        return linked if path.is_symlink() else "the folder cannot be listed; check its permissions"
    return None if stat.S_ISREG(mode) else "not a regular file"


def _real(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path


def _is_state_directory(path: Path) -> bool:
    try:
        return any((path / mark).exists() for mark in _STATE_MARKS)
    except OSError:
        return False


def _state_above(found: Path, top: Path, shown: str) -> tuple[Path, str] | None:
    """Find the state directory inside the argument that a file belongs to, if there is one."""
    for folder in found.parents:
        if folder == top:
            break
        if _is_state_directory(folder):
            return folder.resolve(), f"{shown}/{well_formed(folder.relative_to(top).as_posix())}"
    return None


def _copy_root(folder: Path, shown: str) -> tuple[Path, str]:
    """Give the folder that was copied as a whole: the state directory above ``cron/runs`` and its like."""
    resolved = folder.resolve()
    if _is_state_directory(resolved):
        return resolved, shown
    for tail in _COPY_TAILS:
        if resolved.parts[-len(tail) :] == tail:
            root = resolved.parents[len(tail) - 1]
            return root, _shown_above(shown, len(tail))
    return resolved, shown


def _shown_above(shown: str, levels: int) -> str:
    parts = Path(shown).parts
    return Path(*parts[:-levels]).as_posix() if len(parts) > levels else "."
