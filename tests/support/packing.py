"""Packs folders and files the ways users hand them over."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": lambda content: zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1}),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def tarred(folder: Path, names: Iterable[str] | None = None) -> bytes:
    """Give a tar archive of what is in a folder; ``names`` puts its files in another order than by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        if names is None:
            archive.add(folder, arcname=".")
        else:
            for name in names:
                archive.add(folder / name, arcname=name, recursive=False)
    return buffer.getvalue()


def zipped(folder: Path) -> bytes:
    """Give a zip file of what is in a folder, folders included."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def packed(folder: Path, kind: str) -> bytes:
    """Give a folder as an archive of this kind: tar, tar.gz, …, zip."""
    if kind == "zip":
        return zipped(folder)
    _, _, compression = kind.partition(".")
    content = tarred(folder)
    return COMPRESSED[compression](content) if compression else content


def tar_of(*entries: tuple[tarfile.TarInfo | str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Give a tar archive of these entries: a name or a header, and the content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for told, content in entries:
            header = tarfile.TarInfo(told) if isinstance(told, str) else told
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Give a zip file of these entries: a name or a header, and the content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for told, content in entries:
            archive.writestr(told, content, method)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
