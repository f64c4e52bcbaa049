"""Writing a folder of evidence: private, whole or not at all, and without storing the same bytes twice."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from forensics.model.disk import keep_names, write_new
from forensics.model.errors import RefusedError
from forensics.model.manifest import NAME, UNFINISHED, Manifest, manifest_text, parsed_manifest

_CHUNK_BYTES = 1 << 20
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_LOCK = ".collecting"


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make a private folder if there is none, and let no other collect write to it meanwhile.

    What a collect that was killed left behind is removed.

    Raises:
        RefusedError: another collect is at work there.
        OSError: it cannot be written.
    """
    folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _PRIVATE_FILE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another collect is writing to {folder}; nothing was collected"
            raise RefusedError(message, "wait until it has finished") from error
        for left in folder.glob(f"*{UNFINISHED}"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give a private folder to fill, which takes its name only when all went well, and is removed otherwise."""
    part = parent / f"{name}{UNFINISHED}"
    part.mkdir(_PRIVATE_FOLDER)
    try:
        yield part
        keep_names(part)
        part.rename(parent / name)
        keep_names(parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def free_name(parent: Path, name: str) -> str:
    """Give a name that nothing in the folder has yet."""
    tried, number = name, 1
    while (parent / tried).exists() or (parent / tried).is_symlink():
        number += 1
        tried = f"{name}-{number}"
    return tried


def make_folders(top: Path, folder: Path) -> None:
    """Make a folder below another one, and all between the two, for the owner only."""
    if folder != top and not folder.is_dir():
        make_folders(top, folder.parent)
        folder.mkdir(_PRIVATE_FOLDER)


def write_stream(source: BinaryIO, target: Path) -> tuple[int, str]:
    """Write a new file chunk by chunk, durably; give its size in bytes and its SHA-256."""
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            yield chunk

    return write_new(target, chunks()), digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder, which makes it whole."""
    write_new(folder / NAME, [manifest_text(manifest).encode()])


def stored_earlier(folder: Path) -> dict[tuple[str, int], Path]:
    """Give the files that earlier runs stored in a folder, by SHA-256 and size in bytes."""
    stored: dict[tuple[str, int], Path] = {}
    for path in sorted(folder.glob(f"*/{NAME}")):
        manifest = parsed_manifest(path.read_bytes()) if not path.parent.name.endswith(UNFINISHED) else None
        for each in manifest.files if manifest else ():
            stored.setdefault((each.sha256, each.bytes), path.parent / each.path)
    return stored


def share(known: Path, fresh: Path) -> bool:
    """Let a file that was just written be the earlier one of the same content; tell whether it is."""
    other = fresh.with_name(f"{fresh.name}{UNFINISHED}")
    try:
        if known.is_symlink() or known.stat().st_size != fresh.stat().st_size:
            return False
        os.link(known, other, follow_symlinks=False)
    except OSError:  # a file system without links, or too many of them
        return False
    other.replace(fresh)
    return True
