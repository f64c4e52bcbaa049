"""Cut the captured gateways down to what the suite needs, one archive per capture.

    python tests/data/cut_captures.py CAPTURES

``CAPTURES`` is the folder of the captures (one folder per release). Kept are the paths that a set of ``expected.json``
names, without session transcripts and configuration, and the sets whose forms are read. Archives are reproducible.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
CAPTURES = (
    "2026.4.15/in-process",
    "2026.4.15/lost-write",
    "2026.4.15/no-restart",
    "2026.4.15/sigterm",
    "2026.5.7/in-process",
    "2026.5.7/no-restart",
    "2026.5.7/sigterm",
    "2026.7.35/upgrade-crafted",
    "2026.9.6/upgrade-start",
)
KEPT_PARTS = ("tasks", "cron", "logs", "exports", "cli")
OWN_LINE = re.compile(rb'\{"0":"\{\\"subsystem\\":\\"gateway(?:/shutdown|/reload|/admission)?\\"')
LATER_FORMS = (".sqlite", "gateway.log")


def kept_sets(capture: Path) -> list[dict[str, object]]:
    """Give the sets that the suite audits."""
    sets = json.loads((capture / "expected.json").read_text("utf-8"))["sets"]
    return [kept for kept in sets if not any(path.endswith(LATER_FORMS) for path in kept["paths"])]


def kept_files(capture: Path, sets: list[dict[str, object]]) -> Iterator[Path]:
    """Give the files that these sets name."""
    paths = sorted({str(path) for kept in sets for path in kept["paths"]})  # type: ignore[attr-defined]
    audits = sorted(capture.glob("exports/*-tasks-audit.json"))
    files = {file for path in paths for file in _files(capture / path)} | set(audits)
    for file in sorted(files):
        if set(file.relative_to(capture).parts) & set(KEPT_PARTS) and file.suffix != ".sqlite-shm":
            yield file


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in path.rglob("*") if file.is_file())


def write_archive(capture: Path, target: Path) -> None:
    """Write one capture as a reproducible archive."""
    sets = kept_sets(capture)
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        _add(archive, "expected.json", json.dumps({"sets": sets}, indent=1).encode())
        for file in kept_files(capture, sets):
            _add(archive, file.relative_to(capture).as_posix(), file.read_bytes())


def write_consoles(captures: Path, target: Path) -> None:
    """Write every console that was captured, and beside it what the file log says of the gateway's own subsystems."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for console in sorted(captures.glob("*/*/**/*console*.log")):
            _add(archive, console.relative_to(captures).as_posix(), console.read_bytes())
        for log in sorted(captures.glob("*/*/**/*.log")):
            lines = [line for line in log.read_bytes().splitlines(keepends=True) if OWN_LINE.match(line)]
            if lines:
                _add(archive, f"{log.relative_to(captures).as_posix()}.cut", b"".join(lines))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def main() -> None:
    """Write all archives."""
    captures = Path(sys.argv[1])
    for name in CAPTURES:
        write_archive(captures / name, HERE / f"{name.replace('/', '-')}.tar.gz")
    write_consoles(captures, HERE / "consoles.tgz")


if __name__ == "__main__":
    main()
