"""A repro fit for publication: the evidence with every name, text, path and id replaced, checked before it is kept.

Nothing stays that is not known to be harmless. Before a bundle is handed over it is opened again: none of what was
replaced may be found in it, and its audit must say of every row what the audit of the evidence says.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import MappingProxyType

import polars as pl

from forensics.collect.folders import make_folders
from forensics.collect.leaks import leaks_in
from forensics.collect.replacing import Replacements
from forensics.collect.vocabulary import COLUMNS
from forensics.correlator.audit import audit
from forensics.model.disk import new_file, write_durably
from forensics.model.errors import NothingToReadError, RefusedError, UnreadableError, UsageError
from forensics.model.evidence import Evidence
from forensics.model.finding import Finding, Report
from forensics.model.manifest import (
    NAME,
    UNFINISHED,
    LeftOut,
    Manifest,
    Missing,
    Original,
    Place,
    Stored,
    manifest_text,
)
from forensics.model.verdicts import SourceKind
from forensics.parsers.catalogue import FORM_OF
from forensics.parsers.containers import STANDARD_INPUT, Scratch
from forensics.parsers.database import opened_copy, quoted_name, row_number, tables_of
from forensics.parsers.detect import is_run_log_place, state_directories_above
from forensics.parsers.files import content_of, open_evidence
from forensics.parsers.gathering import Reading, gather, path_of
from forensics.parsers.lifecycle_messages import events_of
from forensics.parsers.load import EVIDENCE_KINDS, load_evidence, modified_at
from forensics.parsers.log_record import content_of as content_of_record
from forensics.parsers.task_registry import TABLE
from forensics.parsers.zones import HOST, name_of_zone, steady_name, zone_named

_LARGEST_DOCUMENT_BYTES = 256 << 20
_LOGS = (SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE)
_DOCUMENTS = (
    SourceKind.CRON_RUN_LOG,
    SourceKind.JOB_STORE,
    SourceKind.JOB_STATE,
    SourceKind.JOB_LIST,
    SourceKind.CRON_RUN_PAGE,
    SourceKind.TASK_EXPORT,
    SourceKind.RESTART_RECORD,
)
_NOT_BUNDLED = "files of a form that is not bundled"
_OF_OTHER_JOBS = "run logs of other jobs"
_UNREADABLE = "files that cannot be read"
_NO_EVIDENCE = "files that are no evidence"
_NOT_READ = "it could not be read"
_EARLIEST_ZIP = 315532800
_CHUNK_BYTES = 1 << 20
_DIGITS_OF_AN_ARGUMENT = 2
_ORIGIN, _TOP = "/origin", "top"
_ENDINGS = (".zip", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was handed over: the file, its manifest, what was replaced and kept, how many rows were compared."""

    manifest: Manifest
    replaced: dict[str, int]
    kept: dict[str, int]
    rows: int
    task_ids: tuple[str, ...]


_Copy = tuple[str, Path, str]
"""A copied folder: which copy, the folder it is a copy of, and the gateway that was named for it."""


@dataclass(slots=True)
class _Making:
    """A bundle that is being made."""

    top: Path
    told: Replacements = field(default_factory=Replacements)
    files: list[Stored] = field(default_factory=list)
    stamps: dict[str, float] = field(default_factory=dict)
    places: dict[_Copy, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    zone: str | None = None
    assumed_zone: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a bundle is to be made of, and how its audit is to be made."""

    paths: Sequence[str]
    gateways: Mapping[str, Sequence[str]]
    zone: tzinfo | None
    release: str | None
    version: str
    host_zone: tzinfo = UTC
    assumed_zone: str | None = None

    @property
    def given(self) -> list[str]:
        return [*self.paths, *(path for named in self.gateways.values() for path in named)]

    def audited(self) -> Report:
        return audit(self.evidence(), release=self.release)

    def evidence(self) -> Evidence:
        return load_evidence(list(self.paths), self.gateways, self.zone, self.host_zone)


def bundle(
    paths: Sequence[str],
    output: Path,
    tasks: Sequence[str] = (),
    *,
    version: str,
    gateways: Mapping[str, Sequence[str]] = MappingProxyType({}),
    zone: tzinfo | None = None,
    release: str | None = None,
    host_zone: tzinfo = UTC,
) -> Bundle:
    """Write an anonymised copy of the evidence as one archive: the same evidence always gives the same bytes.

    ``tasks`` are ids, or beginnings of ids, of the rows that the bundle is to show; their jobs' rows alone are kept,
    unless their verdicts need more. ``gateways`` are the paths of named gateways, ``zone`` is that of local times which
    nothing explains, ``host_zone`` that of this machine, the last resort: audits of the bundle learn all of them from
    its manifest, but the names. ``release`` has to be named to them again.

    Raises:
        UsageError: the output is no zip or tar.gz, exists, or would lie within the evidence; no row of that id is lost;
            the zone of this machine, in which local stamps are taken, cannot be told to others.
        NothingToReadError: there is no evidence.
        RefusedError: something leaked, or the verdicts differ; nothing is handed over.
    """
    if not output.name.endswith(_ENDINGS):
        raise UsageError(f"{output} is neither .zip nor .tar.gz", "write it like -o repro.zip")
    if output.exists() or output.is_symlink():
        raise UsageError(f"{output} exists; nothing was written", "choose another name")
    _refuse_evidence([*paths, *(path for named in gateways.values() for path in named)], output)
    asked = _Asked(paths, gateways, zone, release, version, host_zone)
    evidence = asked.evidence()
    asked = replace(asked, assumed_zone=_assumed_zone(evidence, host_zone))
    report = audit(evidence, release=release)
    chosen = _chosen(report, tasks)
    jobs = frozenset(each.job_id for each in chosen if each.job_id) if tasks else None
    for wanted in [jobs, None] if jobs else [None]:
        with tempfile.TemporaryDirectory(prefix="forensics-") as folder:
            made, archive, wrong = _attempt(asked, Path(folder), output.name, wanted, chosen)
            if not wrong:
                _hand_over(archive, output)
                ids = tuple(made.told.made.get(each.task_id, each.task_id) for each in chosen)
                counts = (dict(sorted(made.told.counts.items())), dict(sorted(made.told.kept.items())))
                return Bundle(_manifest(made, asked), *counts, len(chosen), ids)
    raise RefusedError(
        "the bundle would not show what the evidence shows: " + "; ".join(wrong[:3]) + "; nothing was handed over",
        "bundle fewer files, or those that the verdict cites",
    )


def _refuse_evidence(given: Sequence[str], output: Path) -> None:
    """Refuse to write into a folder that was handed over, or a state directory of which a part was: it is evidence."""
    target = output.resolve()
    states = state_directories_above(target)
    for path in given:
        place = Path(path).resolve()
        is_within = place.is_dir() and target.is_relative_to(place)
        if path != STANDARD_INPUT and (is_within or any(place.is_relative_to(state) for state in states)):
            message = f"{output} would lie within the evidence {path}; nothing was written"
            raise UsageError(message, "write to a folder of its own")


def _chosen(report: Report, tasks: Sequence[str]) -> list[Finding]:
    unknown = [task for task in tasks if not any(each.task_id.startswith(task) for each in report.findings)]
    if unknown:
        raise UsageError(f"no lost row has the id {', '.join(unknown)}", "forensics audit lists them")
    return [each for each in report.findings if not tasks or each.task_id.startswith(tuple(tasks))]


def _attempt(
    asked: _Asked, folder: Path, name: str, jobs: frozenset[str] | None, chosen: list[Finding]
) -> tuple[_Making, Path, list[str]]:
    """Make a bundle and look at it; give it with what is wrong with its verdicts.

    Raises:
        RefusedError: something leaked.
    """
    made = _Making(folder / "bundle", assumed_zone=asked.assumed_zone)
    made.top.mkdir()
    _fill(asked, made, jobs)
    (made.top / NAME).write_text(manifest_text(_manifest(made, asked)), encoding="utf-8")
    archive = folder / name
    _pack(made, archive)
    found = leaks_in(archive, made.told, _own_words(made, asked))
    if found:
        message = f"{len(found)} names or words of the evidence would be published: {', '.join(found[:5])}"
        raise RefusedError(f"{message}; nothing was handed over", "please report this; name only what you may publish")
    return (
        made,
        archive,
        _unlike(
            chosen, replace(asked, paths=[str(archive)], gateways={}, zone=None, host_zone=UTC).audited(), made.told
        ),
    )


def _fill(asked: _Asked, made: _Making, jobs: frozenset[str] | None) -> None:
    gathered = gather(asked.paths, asked.gateways, Scratch())
    wanted = [each for each in gathered.readings if each.detected.kind in EVIDENCE_KINDS]
    if not wanted:
        raise NothingToReadError(f"no evidence behind {', '.join(asked.given)}; nothing was written")
    made.zone = _zone(asked, wanted)
    _meet_jobs(wanted, made.told)
    for reading in wanted:
        writer = _writer(reading)
        if writer is None or (jobs is not None and _is_of_another_job(reading, jobs)):
            made.left_out[_NOT_BUNDLED if writer is None else _OF_OTHER_JOBS] += 1
            continue
        target = _target(reading, made)
        make_folders(made.top, (made.top / target).parent)
        try:
            writer(reading, made.top / target, made.told, jobs)
        except (UnreadableError, OSError, sqlite3.Error, ValueError, RecursionError):
            (made.top / target).unlink(missing_ok=True)
            made.left_out[_UNREADABLE] += 1
            made.missing.add(target.as_posix())
            continue
        _add_file(reading, target, made)
    _keep_run_folders(wanted, asked.given, made)
    made.missing |= set(made.places.values()) if gathered.gaps else set()
    others = sum(each.detected.kind not in EVIDENCE_KINDS for each in gathered.readings)
    if others:
        made.left_out[_NO_EVIDENCE] += others


def _meet_jobs(readings: Iterable[Reading], told: Replacements) -> None:
    """Number the jobs first: their ids stand in file names and within other ids."""
    for reading in readings:
        if reading.detected.kind is SourceKind.CRON_RUN_LOG and is_run_log_place(reading.found.path):
            told.job(reading.found.path.name.partition(".jsonl")[0])


def _is_of_another_job(reading: Reading, jobs: frozenset[str]) -> bool:
    path = reading.found.path
    return is_run_log_place(path) and path.name.partition(".jsonl")[0] not in jobs


def _place(reading: Reading) -> _Copy:
    """Give the copied folder that a file is a part of."""
    found = reading.found
    home = found.copy_home if found.home.is_relative_to(found.copy_home) else found.home
    return found.copy, home, reading.named or ""


def _target(reading: Reading, made: _Making) -> Path:
    found, place = reading.found, _place(reading)
    folder = made.places.setdefault(place, f"place-{len(made.places) + 1}")
    inner = [made.told.folder(part) for part in found.home.relative_to(place[1]).parts]
    name = made.told.file(found.name, of_job=is_run_log_place(found.path))
    target = Path(folder, *inner, name)
    number = 1
    while (made.top / target).exists():
        number += 1
        target = target.with_name(f"copy-{number}-{name}")
    return target


def _add_file(reading: Reading, target: Path, made: _Making) -> None:
    content = (made.top / target).read_bytes()
    kind, form = reading.detected.kind.value, ""
    sha256 = hashlib.sha256(content).hexdigest()
    made.files.append(Stored(target.as_posix(), kind, form, len(content), sha256, "", ()))
    moment = modified_at(reading.found)
    if moment is not None:
        made.stamps[target.as_posix()] = moment.timestamp()


def _keep_run_folders(readings: Iterable[Reading], paths: Sequence[str], made: _Making) -> None:
    """Keep the folder of run logs even if it is empty, where it was handed over."""
    given = [Path(path).resolve() for path in paths if Path(path).exists()]
    for reading in readings:
        folder, place = reading.found.copy_root / "cron" / "runs", made.places.get(_place(reading))
        is_given = any(folder.is_relative_to(top) for top in given)
        if place is not None and is_given and folder.is_dir() and folder.resolve() == folder:
            make_folders(made.top, made.top / place / "cron" / "runs")


def _manifest(made: _Making, asked: _Asked) -> Manifest:
    names = sorted({gateway for *_, gateway in made.places if gateway})
    origins = _origins({home for _, home, _ in made.places}, made.told)
    places = [
        Place(folder, origins[home], f"gateway-{names.index(gateway) + 1}" if gateway else None)
        for (_, home, gateway), folder in made.places.items()
    ]
    left = tuple(LeftOut(what, files) for what, files in sorted(made.left_out.items()))
    files = tuple(sorted(made.files, key=lambda each: each.path))
    missing = tuple(Missing(path, _NOT_READ) for path in sorted(made.missing))
    return Manifest(asked.version, "host", "", tuple(places), files, missing, left, made.zone, made.assumed_zone)


def _origins(homes: Iterable[Path], told: Replacements) -> dict[Path, str]:
    """Give a path for each copied folder: two share as many of its first parts as they did where they came from.

    By that a log is placed with its gateway. What all of them share is left out; each part is replaced as it is within
    a copied folder, of which another one may be a part.
    """
    ordered = sorted(homes)
    shared = Path(os.path.commonpath(ordered)) if len({home.anchor for home in ordered}) == 1 else Path()
    return {home: "/".join([_ORIGIN, *(_origin_part(part, told) for part in _below(home, shared))]) for home in ordered}


def _below(home: Path, shared: Path) -> tuple[str, ...]:
    return home.parts[len(shared.parts) :]


def _origin_part(part: str, told: Replacements) -> str:
    return _TOP if part == os.sep else told.folder(part)


def _zone(asked: _Asked, readings: Iterable[Reading]) -> str | None:
    """Give the zone of local times: as asked for, else as it was said when all of the evidence was collected."""
    if asked.zone is not None:
        return name_of_zone(asked.zone)
    said = {reading.found.kept.zone if reading.found.kept else None for reading in readings}
    zone = said.pop() if len(said) == 1 else None
    return zone if zone and zone_named(zone) else None


def _assumed_zone(evidence: Evidence, host_zone: tzinfo) -> str | None:
    """Name the zone in which local stamps that nothing explains were taken; None where there are none.

    Raises:
        UsageError: it has no name, and its offset changed meanwhile.
    """
    assumed = evidence.sources.filter(pl.col("zone_is_assumed") & pl.col("timezone").str.contains(HOST, literal=True))
    if assumed.is_empty():
        return None
    first, last = assumed["first_at"].min(), assumed["last_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return None  # no stamp could be read
    name = steady_name(host_zone, first, last)
    if name is None:
        path = assumed["path"][0]
        raise UsageError(f"{path}: nothing tells the zone of its local stamps", "give that of the gateway's host: --tz")
    return name


def _own_words(made: _Making, asked: _Asked) -> str:
    """Give all that the manifest of any bundle may say in words of its own, whatever the evidence holds."""
    left = tuple(LeftOut(what, 0) for what in (_NOT_BUNDLED, _OF_OTHER_JOBS, _UNREADABLE, _NO_EVIDENCE))
    files = tuple(Stored("", "", form, 0, "", "", (Original("", 0, ""),)) for form in FORM_OF)
    places, missing = (Place("", f"{_ORIGIN}/{_TOP}", "gateway"),), (Missing("", _NOT_READ),)
    return manifest_text(
        Manifest(asked.version, "host", "", places, files, missing, left, made.zone, made.assumed_zone)
    )


_Writer = Callable[[Reading, Path, Replacements, "frozenset[str] | None"], None]


def _writer(reading: Reading) -> _Writer | None:
    kind = reading.detected.kind
    if kind is SourceKind.TASK_REGISTRY:
        return _write_registry
    if kind in _LOGS:
        return _write_log
    return _write_documents if kind in _DOCUMENTS else None


def _write_registry(reading: Reading, target: Path, told: Replacements, jobs: frozenset[str] | None) -> None:
    """Write the known columns of the known tables into a new database, every value replaced."""
    with opened_copy(reading.found.path, reading.companions) as database:
        if TABLE not in tables_of(database):
            raise UnreadableError("a database without task rows")
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        with closing(sqlite3.connect(target, isolation_level=None)) as made:
            made.execute(f"PRAGMA user_version = {version}")
            made.execute("BEGIN")
            for table, known in COLUMNS.items():
                if table in tables_of(database):
                    _write_table(database, made, table, known, told, jobs)
            made.execute("COMMIT")


def _write_table(
    database: sqlite3.Connection,
    made: sqlite3.Connection,
    table: str,
    known: Sequence[str],
    told: Replacements,
    jobs: frozenset[str] | None,
) -> None:
    present = {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}
    columns = [column for column in known if column in present]
    listed = ", ".join(map(quoted_name, columns))
    made.execute(f"CREATE TABLE {table} ({listed})")
    job = next((columns.index(name) for name in ("source_id", "job_id") if name in columns), None)
    number = row_number(database, table)
    places = ", ".join("?" * (len(columns) + 1))
    for line, *values in database.execute(f"SELECT {number}, {listed} FROM {table} ORDER BY 1"):  # noqa: S608 - ours
        if jobs is None or job is None or values[job] in jobs:
            row = [told.value(column, _plain(value)) for column, value in zip(columns, values, strict=True)]
            made.execute(f"INSERT INTO {table} (rowid, {listed}) VALUES ({places})", (line, *row))  # noqa: S608 - ours


def _plain(value: object) -> object:
    return None if isinstance(value, bytes) else value


def _write_documents(reading: Reading, target: Path, told: Replacements, _: frozenset[str] | None) -> None:
    """Write a JSON document, or one per line, with every value replaced and the keys in their order."""
    if reading.size_bytes > _LARGEST_DOCUMENT_BYTES:
        raise UnreadableError("it is too large for a document")
    with path_of(reading) as path:
        text = content_of(path).decode("utf-8-sig")
    try:
        lines = [_replaced(json.loads(text), told)]
    except ValueError:
        lines = list(_replaced_lines(text.splitlines(), told))
    with new_file(target) as file:
        file.writelines(f"{line}\n".encode() for line in lines)


def _replaced_lines(lines: Iterable[str], told: Replacements) -> Iterator[str]:
    """Replace line by line; what is no JSON stays a line that is none."""
    for line in lines:
        try:
            yield _replaced(json.loads(line), told) if line.strip() else ""
        except ValueError:
            yield "{"


def _replaced(document: object, told: Replacements) -> str:
    return json.dumps(told.value("", document), ensure_ascii=False, separators=(",", ":"))


def _write_log(reading: Reading, target: Path, told: Replacements, _: frozenset[str] | None) -> None:
    """Write a log line by line: of a file log the lifecycle lines, those before them, the first and the last."""
    with path_of(reading) as path, open_evidence(path) as log, new_file(target) as file:
        lines = io.TextIOWrapper(log, encoding="utf-8", errors="replace", newline="\n")
        for line in _around_events(line.rstrip("\r\n") for line in lines):
            file.write(f"{_log_line(line, told)}\n".encode())


def _around_events(lines: Iterable[str]) -> Iterator[str]:
    """Leave out the records that say nothing of the gateway's life, but those beside one that does."""
    before: str | None = None
    for number, line in enumerate(lines):
        if number == 0 or not _is_silent(line):
            if before is not None:
                yield before
            yield line
            before = None
        else:
            before = line
    if before is not None:
        yield before


def _is_silent(line: str) -> bool:
    record = _record(line)
    if record is None:
        return False
    content = content_of_record(record)
    is_answer = isinstance(record.get("0"), str) and '"taskId"' in str(record["0"])
    return not is_answer and content[0] != "cron" and not any(events_of(*content))


def _record(line: str) -> dict[str, object] | None:
    try:
        record = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and ("_meta" in record or "logLevelName" in record) else None


def _log_line(line: str, told: Replacements) -> str:
    record = _record(line)
    if record is None:
        return _console_line(line, told)
    is_event = any(events_of(*content_of_record(record)))
    shown = {key: _logged(key, value, told, is_event=is_event) for key, value in record.items() if _is_told(key)}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def _console_line(line: str, told: Replacements) -> str:
    """Replace a line of a console, which may be JSON around what was said."""
    with suppress(ValueError, RecursionError):
        document = json.loads(line) if line.startswith("{") else None
        if isinstance(document, dict):
            said = document.get("message")
            replaced = {told.key(key): told.value(key, value) for key, value in document.items()}
            if isinstance(said, str):
                replaced["message"] = told.line(said)
            return json.dumps(replaced, ensure_ascii=False, separators=(",", ":"))
    return told.line(line)


def _is_told(key: str) -> bool:
    return _is_argument(key) or key in (
        "_meta",
        "time",
        "date",
        "logLevelName",
        "subsystem",
        "module",
        "level",
        "message",
    )


def _is_argument(key: str) -> bool:
    """Tell whether a key is the place of an argument: a small number."""
    return key.isascii() and key.isdigit() and len(key) <= _DIGITS_OF_AN_ARGUMENT


def _logged(key: str, value: object, told: Replacements, *, is_event: bool) -> object:
    """Replace one part of a record of the file log."""
    if key == "_meta" and isinstance(value, dict):
        return {name: told.value(name, value[name]) for name in ("date", "logLevelId", "logLevelName") if name in value}
    if not isinstance(value, str) or not (_is_argument(key) or key == "message"):
        return told.value(key, value)
    if value.startswith(("{", "[")):
        with suppress(ValueError, RecursionError):
            document = told.value("", json.loads(value))
            if "\n" in value:  # an answer of a command line, which is known by its lines
                return json.dumps(document, ensure_ascii=False, indent=2)
            return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return told.message(value) if is_event else told.text(value)


def _pack(made: _Making, archive: Path) -> None:
    """Pack the folder: names in order, no owner, no clock but the stamps of the files."""
    names = sorted(path.relative_to(made.top).as_posix() for path in made.top.rglob("*"))
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w") as packed:
            for name in names:
                packed.writestr(*_zipped(made, name), compress_type=zipfile.ZIP_DEFLATED)
        return
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in names:
            _add_to_tar(tar, made, name)


def _add_to_tar(tar: tarfile.TarFile, made: _Making, name: str) -> None:
    info, path = tarfile.TarInfo(name), made.top / name
    info.mtime = int(made.stamps.get(name, 0))
    if path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
        return
    info.size = path.stat().st_size
    with path.open("rb") as content:
        tar.addfile(info, content)


def _zipped(made: _Making, name: str) -> tuple[zipfile.ZipInfo, bytes]:
    path = made.top / name
    moment = time.gmtime(max(made.stamps.get(name, 0), _EARLIEST_ZIP))
    info = zipfile.ZipInfo(name + "/" * path.is_dir(), moment[:6])
    info.external_attr = (0o40755 << 16 | 0x10) if path.is_dir() else 0o100644 << 16
    info.create_system = 3
    return info, b"" if path.is_dir() else path.read_bytes()


def _hand_over(archive: Path, output: Path) -> None:
    try:
        with archive.open("rb") as packed:
            chunks = iter(lambda: packed.read(_CHUNK_BYTES), b"")
            write_durably(output, chunks, part_ending=UNFINISHED, may_replace=False)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error


def _unlike(chosen: Iterable[Finding], report: Report, told: Replacements) -> list[str]:
    """Say of which rows the audit of the bundle says something else than that of the evidence."""
    found = {each.task_id: each for each in report.findings}
    wrong = []
    for finding in chosen:
        other = found.get(told.made.get(finding.task_id, finding.task_id)) or found.get(
            told.identifier(finding.task_id)
        )
        if other is None:
            wrong.append(f"{finding.task_id} is not in it")
        elif _said(finding) != _said(other):
            wrong.append(f"{finding.task_id} is {_said(other)}, not {_said(finding)}")
    return wrong


def _said(finding: Finding) -> tuple[object, ...]:
    correction = finding.correction
    values = correction and (correction.status, correction.ended_at, correction.cleanup_after)
    return (finding.verdict.value, finding.cause.value, finding.confidence, finding.reasons, values)
