"""Cut the captured gateways down to what the suite needs, one archive per capture.

    python tests/data/cut_captures.py CAPTURES

``CAPTURES`` is the folder of the captures (one folder per release). Kept are every set of ``expected.json`` and the
paths it names, without session transcripts and configuration. Archives are reproducible.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
KEPT_PARTS = ("tasks", "cron", "logs", "exports", "cli")
STATE_DATABASE = "openclaw.sqlite"
OWN_LINE = re.compile(rb'\{"0":"\{\\"subsystem\\":\\"gateway(?:/shutdown|/reload|/admission)?\\"')


def kept_files(capture: Path, paths: Iterable[str]) -> list[Path]:
    """Give the files behind these paths, of a folder those that are evidence, and the audits of the gateway itself."""
    audits = capture.glob("exports/*-tasks-audit.json")
    return sorted({file for path in paths for file in _files(capture, capture / path)} | set(audits))


def _files(capture: Path, path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in path.rglob("*"):
        is_kept = file.name == STATE_DATABASE or set(file.relative_to(capture).parts) & set(KEPT_PARTS)
        if is_kept and file.is_file() and file.suffix != ".sqlite-shm":
            yield file


def write_archive(capture: Path, target: Path) -> None:
    """Write one capture as a reproducible archive."""
    sets = json.loads((capture / "expected.json").read_text("utf-8"))["sets"]
    paths = {path for kept in sets for path in kept["paths"]}
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        _add(archive, "expected.json", json.dumps({"sets": sets}, indent=1).encode())
        for file in kept_files(capture, paths):
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


def write_audits(captures: Path, target: Path) -> None:
    """Write every answer of the gateway's own audit, and the registries that were copied at the same moment."""
    with tarfile.open(target, "w:xz") as archive:
        for file in sorted(set(_audit_files(captures))):
            _add(archive, file.relative_to(captures).as_posix(), file.read_bytes())


def _audit_files(captures: Path) -> Iterator[Path]:
    """Give the audits, the maintenance runs (which print one before and one after), and the registries."""
    for answer in ("exports/*-tasks-audit.json", "exports/*-maintenance-*.json", "snaps/*/tasks-audit*.json"):
        yield from captures.glob(f"*/*/{answer}")
    yield from captures.glob("*/*/exports-text/57cli-*-tasks-audit.stdout.txt")
    for answer in ("0?-audit-*.out", "0?-maint-*.err", "0?-maint-*.out"):
        yield from captures.glob(f"*/upgrade-crafted/cli/{answer}")
    for registry in ("snap/*/tasks/runs.sqlite*", "snaps/*/openclaw.sqlite", "state/state/openclaw.sqlite"):
        yield from (file for file in captures.glob(f"*/*/{registry}") if file.suffix != ".sqlite-shm")
    yield from captures.glob("*/upgrade-crafted/after-maintenance-apply.sqlite")
    yield from captures.glob("*/upgrade-crafted/input-legacy-state/tasks/runs.sqlite")


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def main() -> None:
    """Write all archives."""
    captures = Path(sys.argv[1])
    for told in sorted(captures.glob("*/*/expected.json")):
        release, name = told.parts[-3:-1]
        write_archive(told.parent, HERE / f"{release}-{name}.tar.gz")
    write_consoles(captures, HERE / "consoles.tgz")
    write_audits(captures, HERE / "audits.tar.xz")


if __name__ == "__main__":
    main()
