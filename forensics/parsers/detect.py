"""What is this file? Files are recognised by their content, never by their name."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from forensics.model.errors import UnreadableError
from forensics.model.journal import ENDING
from forensics.model.manifest import LOCK
from forensics.model.policy import Limits
from forensics.model.verdicts import SourceKind
from forensics.parsers.catalogue import FORM_OF, FORMS
from forensics.parsers.collected import Kept, Snapshot, is_unfinished, snapshot_above, snapshot_in, why_not_whole
from forensics.parsers.containers import STANDARD_INPUT, Opened, Scratch, called_inside, is_container
from forensics.parsers.database import COMPANIONS, SHM_MAGICS, WAL_MAGICS, is_database_name, is_registry_name
from forensics.parsers.forms import Form, Glimpse
from forensics.parsers.parsed import well_formed
from forensics.parsers.text_forms import is_behind_a_prefix

UNLISTED = (
    "the manifest.json of the snapshot it lies in does not name it: copy it elsewhere and hand it over from there"
)
_BY_PLACE = "its place and name: no line of it could be recognised"
_STATE_FOLDERS = {"tasks", "cron", "logs", "state", "flows", "tmp"}
_ROW_FOLDERS = ("tasks", "state")
_ROW_MARK = b'"taskId"'
_STATE_DATABASE = "openclaw.sqlite"
_STATE_MARKS = ("tasks/runs.sqlite", "cron/jobs.json", "cron/runs", "openclaw.json", f"state/{_STATE_DATABASE}")
_FIX_UP = re.compile(rb"-- (?:fix|undo)\.sql for [^\n]*\n-- made by forensics ")
_CHILDREN_LOOKED_AT = 1000
_COPY_TAILS = (("cron", "runs"), ("cron",), ("tasks",))


@dataclass(frozen=True, slots=True)
class Found:
    """One file behind an argument: where it lies, how it is shown, and the folder it was copied with.

    ``home`` and ``copy_home`` are the folder of the file and ``copy_root`` as they would be if archives were folders.
    ``called`` is its name before it was compressed. ``is_cut``: the container it came in ends within it. ``kept`` is
    what the manifest says of it where it lies in a collected snapshot.
    """

    path: Path
    shown: str
    copy: str
    copy_root: Path
    explicit: bool
    home: Path
    copy_home: Path
    called: str | None = None
    is_cut: bool = False
    kept: Kept | None = None

    @property
    def name(self) -> str:
        """What the file is called where it came from."""
        return self.shown.rsplit("/", 1)[-1] if self.called is None else self.called


@dataclass(frozen=True, slots=True)
class Unread:
    """One thing behind an argument that is not read, and why; ``place`` is where it lies or would lie."""

    shown: str
    why: str
    place: Path | None = None
    code: str = "unreadable"
    level: str = "warning"

    def may_hold_rows(self) -> bool:
        """Tell whether task rows may be in it: it is called like a registry, or a folder that could hold one."""
        name = Path(self.shown).name
        if is_registry_name(name) or (self.code == "refused" and name in _ROW_FOLDERS):
            return True
        place = self.place
        try:
            if place is None or is_unfinished(place) or not place.is_dir():
                return False
            return not place.is_symlink() or _holds_registry(place)
        except OSError:  # a name that is too long for this file system
            return False


@dataclass(frozen=True, slots=True)
class _Tree:
    """A folder, or an archive taken for one."""

    top: Path
    shown: str
    home: Path
    cut: Path | None = None

    def home_of(self, folder: Path) -> Path:
        """Give where a folder of the tree would lie if archives were folders; one above the tree lies where it is."""
        return self.home / folder.relative_to(self.top) if folder.is_relative_to(self.top) else folder


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file was recognised as, and by what."""

    kind: SourceKind
    by: str
    form: Form | None = None


def find_files(argument: str, unread: list[Unread], scratch: Scratch | None = None) -> Iterator[Found]:
    """Give every file behind one PATH argument, in a fixed order; what cannot be read is added to ``unread``.

    In a state directory only the folders that hold evidence are entered. Links to folders are not followed; a link to
    a file gives that file, beside which its write-ahead log lies. With ``scratch``, archives and compressed files are
    unpacked there, and ``-`` is standard input.

    Raises:
        UnreadableError: the path does not exist, or there is no room to unpack it.
        UsageError: standard input is not there, or was read before.
    """
    if argument == STANDARD_INPUT and scratch is not None:
        path = scratch.standard_input()
        found = Found(path, STANDARD_INPUT, STANDARD_INPUT, path.parent, True, Path(), Path(STANDARD_INPUT))
        yield from _opened(found, unread, scratch, 0)
        return
    path = Path(argument)
    shown = well_formed(argument.rstrip("/") or argument)
    if not path.exists():
        raise UnreadableError("there is no such file or folder")
    if path.is_dir():
        yield from _in_tree(_Tree(path.resolve(), shown, path.resolve()), path, unread, scratch, 0)
    else:
        root, copy = _copy_root(path.parent, str(Path(shown).parent))
        kept = _kept(path)
        found = Found(
            _real(path), shown, copy, root, explicit=True, home=path.parent.resolve(), copy_home=root, kept=kept
        )
        yield from _opened(found, unread, scratch, 0)


def _in_tree(tree: _Tree, folder: Path, unread: list[Unread], scratch: Scratch | None, depth: int) -> Iterator[Found]:
    """Give every file of a tree; ``folder`` is its top as the user named it."""
    if why := why_not_whole(folder.resolve()):
        unread.append(Unread(tree.shown, why, tree.top, "not_whole", "error"))
        return
    root, copy = _copy_root(folder, tree.shown)
    known: dict[Path, tuple[Path, str] | None] = {}
    snapshots = {folder: snapshot_in(folder.resolve()) or (snapshot_above(tree.top) if depth == 0 else None)}
    _note_uncollected(snapshots[folder], tree.shown, unread)
    for path in _walk(folder, state_root=_is_state_directory(folder)):
        relative = path.relative_to(folder)
        shown = f"{tree.shown}/{well_formed(relative.as_posix())}"
        try:
            unread_here = _unread(path, shown, tree.top / relative)
        except FileNotFoundError:
            continue
        if unread_here:
            unread.append(unread_here)
            continue
        if path.parent not in known:
            known[path.parent] = _state_above(path, folder, tree.shown)
            _find_snapshots(path.parent, folder, tree.shown, snapshots, unread)
        inner_root, inner_copy = known[path.parent] or (root, copy)
        home, copy_home = tree.home_of(tree.top / relative.parent), tree.home_of(inner_root)
        snapshot, kept = snapshots[path.parent], None
        if snapshot is not None:
            kept = snapshot.kept(tree.top / relative)
            home = snapshot.home_of(tree.top / relative.parent) or home
            copy_home = snapshot.home_of(inner_root) or copy_home
        is_cut = tree.cut is not None and path == tree.cut
        found = Found(_real(path), shown, inner_copy, inner_root, False, home, copy_home, is_cut=is_cut, kept=kept)
        yield from _opened(found, unread, scratch, depth)


def _find_snapshots(
    folder: Path, top: Path, shown: str, snapshots: dict[Path, Snapshot | None], unread: list[Unread]
) -> None:
    """Find, for a folder of a tree, the collected snapshot it belongs to; each is looked for once."""
    if folder in snapshots:
        return
    _find_snapshots(folder.parent, top, shown, snapshots, unread)
    inner = snapshots[folder.parent]
    if inner is None:
        inner = snapshot_in(folder.resolve())
        _note_uncollected(inner, f"{shown}/{well_formed(folder.relative_to(top).as_posix())}", unread)
    snapshots[folder] = inner


def _note_uncollected(snapshot: Snapshot | None, shown: str, unread: list[Unread]) -> None:
    """Name what a snapshot lacks: what could not be collected, and what was and is not there any more."""
    for name, place, why in snapshot.missing() if snapshot else []:
        unread.append(Unread(f"{shown}: {well_formed(name)}", f"not collected, {why}", place, "uncollected"))
    for name, place in snapshot.gone() if snapshot else []:
        why = "the manifest names it, and it is not there any more; look for another copy"
        unread.append(Unread(f"{shown}: {well_formed(name)}", why, place, "gone", "error"))


def _kept(path: Path) -> Kept | None:
    """Give what is known of a file that was named by itself, where it lies in a snapshot."""
    resolved = path.resolve()
    snapshot = snapshot_above(resolved)
    return snapshot.kept(resolved) if snapshot else None


def _opened(found: Found, unread: list[Unread], scratch: Scratch | None, depth: int) -> Iterator[Found]:
    """Give a file, or what is in it where it is an archive or compressed."""
    if scratch is None or not _is_container(found.path):
        yield found
    elif found.kept is not None and found.kept.stored is None:
        unread.append(Unread(found.shown, UNLISTED, found.path, "unlisted", "error"))
    elif depth >= scratch.limits.depth:
        why = f"it lies {depth} archives deep; unpack the outer ones and hand over what is in them"
        unread.append(Unread(found.shown, why, found.path, "refused", "error"))
    elif scratch.is_new(found.path):
        try:
            opened = scratch.unpack(found.path, found.shown, found.home, called_inside(found.name))
        except UnreadableError as error:
            unread.append(Unread(found.shown, str(error), found.path, level="error"))
            return
        _restore_shared(opened)
        unread.extend(_refused(opened))
        if opened.single is not None:
            is_cut = found.is_cut or opened.cut is not None
            inner = replace(found, path=opened.single, called=called_inside(found.name), is_cut=is_cut)
            yield from _opened(inner, unread, scratch, depth + 1)
        elif opened.is_archive:
            label = found.shown.rsplit("/", 1)[-1]
            tree = _Tree(opened.folder, found.shown, found.home / label, opened.cut)
            yield from _in_tree(tree, opened.folder, unread, scratch, depth + 1)


def _restore_shared(opened: Opened) -> None:
    """Unpack the hard links by which the days of a packed collection share their files; a manifest names each of them.

    Other hard links stay refused: nothing vouches for what they lead to.
    """
    left, snapshots = [], dict[Path, Snapshot | None]()
    for name, place, why in opened.refused:
        source = opened.links.get(place) if place else None
        if place is None or source is None or not _is_linked(place, source, snapshots):
            left.append((name, place, why))
    opened.refused = left


def _is_linked(place: Path, source: Path, snapshots: dict[Path, Snapshot | None]) -> bool:
    if place.parent not in snapshots:
        snapshots[place.parent] = snapshot_above(place)
    snapshot = snapshots[place.parent]
    kept = snapshot.kept(place) if snapshot else None
    if kept is None or kept.stored is None or not source.is_file():
        return False
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.link(source, place, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_container(path: Path) -> bool:
    try:
        return is_container(path)
    except UnreadableError:
        return False  # what keeps it from being read is told when it is recognised


def _refused(opened: Opened) -> Iterator[Unread]:
    for name, place, why in opened.refused:
        yield Unread(f"{opened.shown}/{name}", why, place or opened.folder, "refused")
    for name in opened.replaced:
        why = "there are several entries of this name; the last one is read, as unpacking leaves it, and of the others"
        yield Unread(f"{opened.shown}/{name}", why, None, "duplicate_entry")


def left_out(argument: str) -> list[str]:
    """Name the folders of a state directory that are not entered, for a notice."""
    path = Path(argument)
    if not path.is_dir() or not _is_state_directory(path):
        return []
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not _is_entered(entry))


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
    if not glimpse.head and not is_database_name(path, glimpse.name):
        return Detected(SourceKind.OTHER, "an empty file")
    if glimpse.head.startswith(WAL_MAGICS):
        return Detected(SourceKind.TASK_REGISTRY_WAL, "the write-ahead log of an SQLite database")
    if glimpse.head.startswith(SHM_MAGICS):
        return Detected(SourceKind.OTHER, "the shared-memory index of an SQLite database")
    if _FIX_UP.match(glimpse.head):
        return Detected(SourceKind.OTHER, "a script that forensics fix wrote; it says nothing of what happened")
    for form in FORMS:
        by = form.recognise(glimpse)
        if by is not None:
            return Detected(form.kind, by, form)
    return _of_no_form(glimpse)


def _of_no_form(glimpse: Glimpse) -> Detected:
    if b"\x00" in glimpse.head[:1024]:
        return Detected(SourceKind.UNKNOWN, "binary data of no known kind")
    if glimpse.ends_early:
        kind = SourceKind.DAMAGED if _ROW_MARK in glimpse.head else SourceKind.UNKNOWN
        return Detected(kind, "JSON that ends early: export it again")
    if is_behind_a_prefix(glimpse.head):
        return Detected(
            SourceKind.UNKNOWN, "console lines of a gateway behind an unknown prefix; strip the prefix from each line"
        )
    if isinstance(glimpse.document, dict) and glimpse.document:
        return Detected(SourceKind.OTHER, "a JSON document without evidence")
    return Detected(SourceKind.UNKNOWN, "text of no known kind")


def _walk(folder: Path, *, state_root: bool, depth: int = 0) -> Iterator[Path]:
    """Give everything below a folder but folders; a folder that cannot be listed, or is too deep, is given itself."""
    if depth > Limits().folders:
        yield folder
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            if entry.name == LOCK:
                continue
            if not (state_root and path.is_dir() and entry.name not in _STATE_FOLDERS):
                yield path
        elif why_not_whole(path):
            yield path
        elif not state_root or _is_entered(path):
            yield from _walk(path, state_root=_is_state_directory(path), depth=depth + 1)


def _is_entered(folder: Path) -> bool:
    """Tell whether a folder of a state directory holds evidence, or the backup that a fix-up left with its journal."""
    if folder.name in _STATE_FOLDERS:
        return True
    try:
        return any(path.name.endswith(ENDING) for path in folder.iterdir())
    except OSError:
        return False


def was_companion(path: Path, error: BaseException | None) -> bool:
    """Tell from why it cannot be read whether a file beside a database was removed by its gateway just now.

    It may be there again by now: a live gateway makes and removes its journal many times a second.
    """
    return isinstance(error, FileNotFoundError) and path.name.endswith(COMPANIONS) and not path.is_symlink()


def _unread(path: Path, shown: str, place: Path) -> Unread | None:
    """Say why something of a folder is not read; None for a file that is.

    Raises:
        FileNotFoundError: it was a file beside a database, which its gateway has removed meanwhile.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if was_companion(path, error):
            raise
        return Unread(shown, error.strerror or "it cannot be found", place)
    if stat.S_ISDIR(mode):
        if path.is_symlink():
            return Unread(shown, "a link to a folder, which is not followed; name the folder itself", place)
        if why := why_not_whole(path):
            return Unread(shown, why, place, "not_whole", "warning" if is_unfinished(path) else "error")
        why = "the folder cannot be listed; check its permissions, and that it lies fewer than 100 folders deep"
        return Unread(shown, why, place)
    return None if stat.S_ISREG(mode) else Unread(shown, "not a regular file", place)


def _real(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path


def _is_state_directory(path: Path) -> bool:
    try:
        return any((path / mark).exists() for mark in _STATE_MARKS)
    except OSError:
        return False


def _holds_registry(folder: Path) -> bool:
    """Tell whether a folder is a state directory or one of its folders, or holds a state directory."""
    children = list(islice(folder.iterdir(), _CHILDREN_LOOKED_AT))
    is_part = any(is_registry_name(child.name) for child in children)
    return is_part or any(map(_is_state_directory, (folder, *children)))


def state_directories_above(path: Path) -> list[Path]:
    """Give the folders above a path that are state directories."""
    return [folder for folder in path.resolve().parents if _is_state_directory(folder)]


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
    if resolved.name == "state" and (resolved / _STATE_DATABASE).exists():
        return resolved.parent, _shown_above(shown, 1)
    for tail in _COPY_TAILS:
        if resolved.parts[-len(tail) :] == tail:
            root = resolved.parents[len(tail) - 1]
            return root, _shown_above(shown, len(tail))
    return resolved, shown


def _shown_above(shown: str, levels: int) -> str:
    parts = Path(shown).parts
    return Path(*parts[:-levels]).as_posix() if len(parts) > levels else "."
