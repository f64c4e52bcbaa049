"""From PATH arguments to evidence: find, recognise, read, place with a gateway, and put into frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import polars as pl

from forensics.model.errors import NothingToReadError, UnreadableError, UsageError
from forensics.model.evidence import RECORD_FRAMES, Evidence
from forensics.model.policy import Limits
from forensics.model.progress import Progress, Stage
from forensics.model.schemas import (
    COPIES,
    CORRECTIONS,
    HISTORIES,
    JOBS,
    LIFECYCLE,
    NOTICES,
    RUNS,
    SOURCES,
    TASKS,
    Schema,
    empty,
    frame_of,
)
from forensics.model.verdicts import LifecycleKind, Origin, SourceKind
from forensics.parsers.containers import Scratch
from forensics.parsers.database import is_registry_name
from forensics.parsers.detect import Found, is_run_log_place
from forensics.parsers.files import sha256_of
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import last_gateway_lines_before
from forensics.parsers.gathering import Gathered, Reading, gather, path_of, why
from forensics.parsers.meter import Meter
from forensics.parsers.parsed import Parsed, well_formed
from forensics.parsers.placing import Placed, place
from forensics.parsers.rotation import after_holes, before_holes
from forensics.parsers.text_line import COMPOSE, COMPOSE_T, CRI, DOCKER_T, JSON_FILE
from forensics.parsers.zones import agreed, zone_named

EVIDENCE_KINDS = (
    SourceKind.TASK_REGISTRY,
    SourceKind.TASK_EXPORT,
    SourceKind.CRON_RUN_LOG,
    SourceKind.JOB_STORE,
    SourceKind.JOB_STATE,
    SourceKind.JOB_LIST,
    SourceKind.CRON_RUN_PAGE,
    SourceKind.GATEWAY_LOG,
    SourceKind.GATEWAY_CONSOLE,
    SourceKind.RESTART_RECORD,
    SourceKind.FIX_JOURNAL,
)
_LOG_KINDS = (SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE)
_OF_CONTAINERS = (DOCKER_T, JSON_FILE, COMPOSE, COMPOSE_T, CRI)
_NAMED_FILES = 5
_EVIDENCE_SUFFIXES = frozenset({".bak", ".db", ".json", ".jsonl", ".log", ".sqlite"})


AnyPath = str | PathLike[str]


def load_evidence(
    paths: AnyPath | Sequence[AnyPath] = (),
    gateways: Mapping[str, AnyPath | Sequence[AnyPath]] | None = None,
    zone: tzinfo | None = None,
    host_zone: tzinfo = UTC,
    *,
    standard_input: BinaryIO | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Read everything behind these paths into frames.

    A path is a folder, a file, an archive, a compressed file or, with ``standard_input``, ``-``; one alone needs no
    list. All that is behind the paths of ``gateways`` belongs to the gateway named there. ``zone`` is that of local
    stamps which nothing in the evidence explains, ``host_zone`` that of this machine, the last resort. ``progress`` is
    told how far the read has come, see ``forensics.model.progress``.

    Shape: see ``forensics.model.evidence.Evidence``; sources are numbered in path order, whatever the order of the
    arguments.
    Notices: every file that could not be read, every line that was rejected, every gap that can be named.

    Raises:
        NothingToReadError: no file behind the paths is evidence.
        UsageError: a path is empty or given for two gateways, standard input is given twice, ``zone`` is no zone.
    """
    if not isinstance(zone, tzinfo | None):
        message = f"zone {zone!r} is no tzinfo"
        raise UsageError(message, "give one like zoneinfo.ZoneInfo('Europe/Berlin')")
    named = {name: _listed(given) for name, given in (gateways or {}).items()}
    if not all(name.strip() for name in named):
        raise UsageError("a gateway needs a name", "write it like --gateway NAME=PATH")
    meter = Meter(progress)
    scratch = Scratch(limits, standard_input, meter)
    gathered = gather(_listed(paths), named, scratch)
    arguments = [*_listed(paths), *(path for given in named.values() for path in given)]
    given = [Path(path) for path in arguments if _exists(path)] + ([scratch.root] if scratch.opened else [])
    with ThreadPoolExecutor(max_workers=2) as hashing:
        for reading in gathered.readings:
            is_hashed = reading.sha256 is not None
            if not is_hashed and reading.detected.kind in (*EVIDENCE_KINDS, SourceKind.TASK_REGISTRY_WAL):
                reading.sha256 = hashing.submit(sha256_of, reading.found.path)
        _parse_all(gathered, given, Given(zone=zone, host_zone=host_zone, advance=meter.advance), meter)
    _settle_backups(gathered.readings)
    _note_unknown(gathered, arguments)
    _note_changed(gathered)
    gathered.readings = [reading for reading in gathered.readings if _is_kept(reading)]
    placed = _place(gathered, given)
    _set_unusable_aside(gathered.readings)
    if not any(_is_evidence(reading) for reading in gathered.readings):
        raise _nothing(arguments, gathered)
    _note_containers(scratch, gathered)
    return _evidence(gathered, placed, scratch)


def _listed(paths: AnyPath | Sequence[AnyPath]) -> list[str]:
    """Give paths as text; a single one is never taken for a list of its letters, of which one may be ``/``.

    Raises:
        UsageError: one is empty: a variable that is not set is not meant to be the working directory.
    """
    listed = [os.fspath(path) for path in ([paths] if isinstance(paths, str | PathLike) else paths)]
    if "" in listed:
        raise UsageError("a path is empty", "see whether a variable is not set; the working directory is .")
    return listed


def _parse_all(gathered: Gathered, given: Sequence[Path], known: Given, meter: Meter) -> None:
    """Parse every file, those with local stamps last: others of the same gateway may state their offset from UTC."""
    meter.begin(Stage.READING, sum(reading.size_bytes for reading in gathered.readings if reading.detected.form))
    local = [reading for reading in gathered.readings if _needs_zone(reading)]
    for reading in gathered.readings:
        if not _needs_zone(reading):
            _parse(reading, known, gathered, meter)
    if local:
        _place(gathered, given)
    offsets = _offsets(gathered.readings)
    for reading in local:
        theirs = offsets.get(reading.gateway, ()) if reading.gateway is not None else ()
        _parse(reading, replace(known, offsets=theirs), gathered, meter)


def _needs_zone(reading: Reading) -> bool:
    return reading.detected.form is not None and reading.detected.form.needs_zone


def _place(gathered: Gathered, given: Sequence[Path]) -> Placed:
    placed = place(
        [(reading.found, reading.kind) for reading in gathered.readings],
        given,
        parsed=[reading.parsed for reading in gathered.readings],
        named=[reading.named for reading in gathered.readings],
        backups=_backups(gathered.readings),
        gaps=gathered.gaps,
    )
    for reading, gateway in zip(gathered.readings, placed.gateways, strict=True):
        reading.gateway = gateway
    return placed


def _backups(readings: Sequence[Reading]) -> dict[int, str]:
    """Give the registries that journals of fix-ups name as backups, by their hash, each with the database it was of."""
    databases: dict[str, str] = {}
    for reading in readings:
        corrections = reading.parsed.corrections if reading.parsed else None
        if corrections is not None:
            databases |= dict(corrections.select("backup_sha256", "database").iter_rows())
    if not databases:
        return {}
    hashes = {number: _sha256_of(reading) for number, reading in enumerate(readings) if _is_lone_registry(reading)}
    return {number: databases[sha256] for number, sha256 in hashes.items() if sha256 in databases}


def _settle_backups(readings: Sequence[Reading]) -> None:
    """Take back what was noted of backups: one whose hash a journal names is whole, no write-ahead log is missing."""
    for number in _backups(readings):
        parsed = readings[number].parsed
        if parsed is not None:
            parsed.notices.rows = [notice for notice in parsed.notices.rows if notice["code"] != "wal_not_given"]


def _is_lone_registry(reading: Reading) -> bool:
    """Tell whether a file is a registry without a write-ahead log: its hash is that of all of its rows."""
    return reading.kind is SourceKind.TASK_REGISTRY and not reading.companions


def _sha256_of(reading: Reading) -> str | None:
    return reading.sha256.result() if reading.sha256 and not reading.sha256.exception() else None


def _offsets(readings: Sequence[Reading]) -> dict[str | None, list[tuple[datetime, timedelta]]]:
    """Give, per gateway, the offsets from UTC that its files state, each with its moment, in time order.

    A container has a zone of its own, mostly UTC: it says nothing of the host, whose journal is stamped by that.
    """
    stated: dict[str | None, list[list[tuple[datetime, timedelta]]]] = {}
    for reading in readings:
        if reading.parsed is not None and reading.parsed.form not in _OF_CONTAINERS:
            stated.setdefault(reading.gateway, []).append(reading.parsed.offsets)
    return {gateway: agreed(offsets) for gateway, offsets in stated.items()}


def _set_unusable_aside(readings: Sequence[Reading]) -> None:
    """Take the logs that prove nothing away from their gateways: they are named, and support no verdict."""
    logs: dict[tuple[str, SourceKind], list[tuple[Reading, Parsed]]] = {}
    for reading in readings:
        if reading.parsed is not None and reading.kind in _LOG_KINDS and reading.gateway is not None:
            logs.setdefault((reading.gateway, reading.kind), []).append((reading, reading.parsed))
    for together in logs.values():
        several = len({store for _, parsed in together for store in parsed.stores}) > 1
        only_warnings = all(parsed.only_warnings for _, parsed in together)
        for reading, parsed in together:
            if several and parsed.stores:
                parsed.unusable = parsed.unusable or "the logs of this gateway name several cron stores"
            if only_warnings:
                parsed.unusable = parsed.unusable or "no line below warning level, so starts and stops are left out"
            if parsed.unusable is not None:
                reading.gateway = None


def _parse(reading: Reading, known: Given, gathered: Gathered, meter: Meter) -> None:
    kind, form = reading.detected.kind, reading.detected.form
    try:
        if form is None:
            reading.parsed = _without_records(reading)
        else:
            meter.open(reading.found.shown, reading.size_bytes)
            with path_of(reading) as path:
                reading.parsed = form.parse(path, _given(reading, known))
            if reading.parsed.kind in (*EVIDENCE_KINDS, form.kind):
                reading.parsed.form = reading.parsed.form or form.name
            _mark_cut(reading, reading.parsed)
    except (UnreadableError, OSError) as error:
        reading.parsed = _without_records(reading)
        reading.parsed.notices.add(
            "damaged", f"{why(error)}; nothing of it is used, look for another copy", level="error"
        )
    if form is not None:
        meter.close()
    if kind is SourceKind.UNKNOWN and reading.found.explicit:
        message = f"{reading.found.shown}: {reading.detected.by}; see README, what it reads"
        gathered.note("unknown_kind", message, level="error")


def _given(reading: Reading, known: Given) -> Given:
    kept = reading.found.kept
    said = zone_named(kept.zone) if kept is not None and kept.zone else None
    assumed = zone_named(kept.assumed_zone) if kept is not None and kept.assumed_zone else None
    return replace(
        known,
        name=reading.found.name,
        companions=tuple(reading.companions),
        modified_at=modified_at(reading.found),
        zone=known.zone or said,
        host_zone=assumed or known.host_zone,
    )


def modified_at(found: Found) -> datetime | None:
    """Give when a file was last written; an archive that does not say so leaves the beginning of time.

    Of a stored file that is what its manifest says: the file itself may have been written at any time since.
    """
    if found.kept is not None and found.kept.stored is not None and found.kept.stored.modified_at:
        with suppress(ValueError, OverflowError):
            told = datetime.fromisoformat(found.kept.stored.modified_at)
            return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    try:
        seconds = found.path.stat().st_mtime
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OSError, OverflowError, ValueError):
        return None


def _mark_cut(reading: Reading, parsed: Parsed) -> None:
    """Say of a file that its container ends within it; only what is read line by line can still be used.

    Raises:
        UnreadableError: it is of another kind.
    """
    if not reading.found.is_cut:
        return
    if parsed.kind not in (*_LOG_KINDS, SourceKind.CRON_RUN_LOG):
        raise UnreadableError("the container it came in ends within it")
    parsed.notices.add(
        "torn", "the container it came in ends within this file; what followed is missing", level="error"
    )
    for history in parsed.histories:
        history["is_damaged"] = True


def _without_records(reading: Reading) -> Parsed:
    """Give an empty reading. A run log that cannot be read counts as one damaged line: its job has a history."""
    path, kind = reading.found.path, reading.detected.kind
    if kind not in EVIDENCE_KINDS and kind is not SourceKind.DAMAGED:
        return Parsed(kind, reading.detected.by, timezone=None)
    if is_run_log_place(path):
        by = "its place and name: it could not be read"
        job_id = well_formed(path.name.split(".jsonl")[0])
        damaged = {"job_id": job_id, "origin": Origin.RUN_LOG.value, "records": 1, "is_partial": False}
        return Parsed(
            SourceKind.CRON_RUN_LOG,
            by,
            lines=1,
            rejected=1,
            job_id=job_id,
            histories=[damaged | {"is_damaged": True}],
        )
    return Parsed(SourceKind.DAMAGED, reading.detected.by, timezone=None)


def _note_unknown(gathered: Gathered, arguments: Sequence[str]) -> None:
    """Name the files of each folder that are of no known kind, in one notice, and those that are empty."""
    unread = [reading for reading in gathered.readings if not reading.found.explicit]
    for argument in sorted(set(arguments)):
        top = argument.rstrip("/") + "/"
        inside = [reading for reading in unread if reading.found.shown.startswith(well_formed(top))]
        unknown = [reading.found for reading in inside if reading.detected.kind is SourceKind.UNKNOWN]
        unknown.sort(key=lambda found: (not _looks_like_evidence(found), found.shown))
        if unknown:
            files = "1 file" if len(unknown) == 1 else f"{len(unknown)} files"
            verb = "is" if len(unknown) == 1 else "are"
            message = f"{argument}: {files} of no known kind {verb} not read: {_first_of([f.shown for f in unknown])}"
            level = "warning" if _looks_like_evidence(unknown[0]) else "info"
            gathered.note("unknown_kind", message, level=level)
            for found in unknown:
                if is_registry_name(Path(found.name).name):
                    message = f"{found.shown}: it is called like a registry, but is of no known kind"
                    gathered.note("unknown_kind", message, level="error")
    empty = [reading.found for reading in gathered.readings if _is_empty(reading)]
    for found in empty[:_NAMED_FILES]:
        message = f"{found.shown}: an empty file; look for another copy, if it should be evidence"
        gathered.note("empty_file", message)
    if len(empty) > _NAMED_FILES:
        gathered.note("empty_file", f"and {len(empty) - _NAMED_FILES} more empty files, the last {empty[-1].shown}")


def _is_empty(reading: Reading) -> bool:
    return not reading.size_bytes and reading.detected.form is None and _looks_like_evidence(reading.found)


def _looks_like_evidence(found: Found) -> bool:
    return not _EVIDENCE_SUFFIXES.isdisjoint(Path(found.name).suffixes)


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_FILES} more" if len(names) > _NAMED_FILES else ""
    return ", ".join(names[:_NAMED_FILES]) + more


def _note_changed(gathered: Gathered) -> None:
    """Name the files that a living gateway wrote or removed meanwhile: their hash is that of another moment."""
    for reading in gathered.readings:
        try:
            now_bytes = reading.found.path.stat().st_size
        except OSError as error:
            gathered.note("changed", f"{reading.found.shown}: it went away while it was read ({why(error)})")
            continue
        # a later collect may have put a longer file in the place of a stored one, whose beginning is the same
        has_grown = reading.found.kept is not None and now_bytes > reading.size_bytes
        if now_bytes != reading.size_bytes and not has_grown:
            message = (
                f"{reading.found.shown}: it changed while it was read, from {reading.size_bytes:,} to {now_bytes:,} "
                "bytes; for a hash that holds, stop the gateway or copy it first"
            )
            gathered.note("changed", message)


def _note_containers(scratch: Scratch, gathered: Gathered) -> None:
    """Name each container that evidence came from, with a hash of its own."""
    kept = [
        reading.found.shown
        for reading in gathered.readings
        if _is_evidence(reading) or reading.kind is SourceKind.TASK_REGISTRY_WAL
    ]
    for opened in sorted(scratch.opened, key=lambda opened: opened.shown):
        if any(shown == opened.shown or shown.startswith(f"{opened.shown}/") for shown in kept):
            count = "1 file" if opened.files == 1 else f"{opened.files} files"
            message = f"{opened.shown}: a container ({opened.kind}) of {count}, SHA-256 {sha256_of(opened.path)}"
            gathered.note("container", message, level="info")


def _is_kept(reading: Reading) -> bool:
    """Tell whether a file appears among the sources: evidence does, what was named on purpose, what has a notice."""
    kind = reading.kind
    is_damaged = kind in (SourceKind.DAMAGED, SourceKind.TASK_REGISTRY_WAL)
    is_noted = reading.parsed is not None and bool(reading.parsed.notices.rows)
    return kind in EVIDENCE_KINDS or is_damaged or is_noted or reading.found.explicit


def _is_evidence(reading: Reading) -> bool:
    """Tell whether a file was read as evidence; a run log without one good line was not."""
    if reading.parsed is None or reading.parsed.kind not in EVIDENCE_KINDS:
        return False
    wholly_damaged = 0 < reading.parsed.lines == reading.parsed.rejected
    return not (reading.parsed.kind is SourceKind.CRON_RUN_LOG and wholly_damaged)


def _evidence(gathered: Gathered, placed: Placed, scratch: Scratch) -> Evidence:
    readings, notices = gathered.readings, gathered.notices
    frames: dict[str, list[pl.DataFrame]] = {name: [] for name in RECORD_FRAMES}
    for source, reading in enumerate(readings):
        for name, collected in frames.items():
            frame = getattr(reading.parsed, name)
            if frame is not None and frame.height:
                collected.append(_placed(frame, reading.gateway, source))
        parsed = reading.parsed
        notices.extend({"source": source} | notice for notice in (parsed.notices.closed() if parsed else []))
        if reading.gateway is None:
            _note_unplaced(reading, source, gathered)
    frames["lifecycle"] += _lines_before_foreign_starts(readings)
    jobs, last_runs = _merged_jobs(_joined(frames["jobs"], JOBS))
    return Evidence(
        tasks=_joined(frames["tasks"], TASKS),
        runs=_only_newest_state(_joined(frames["runs"], RUNS), last_runs),
        lifecycle=_joined(frames["lifecycle"], LIFECYCLE),
        jobs=jobs,
        sources=_sources(readings),
        copies=frame_of(placed.copies, COPIES),
        histories=frame_of(_histories(readings), HISTORIES),
        notices=frame_of(notices, NOTICES),
        files={source: reading.found.path for source, reading in enumerate(readings)},
        containers=tuple(opened.path for opened in scratch.opened),
        scratch=scratch,
        corrections=_joined(frames["corrections"], CORRECTIONS),
    )


def _histories(readings: Sequence[Reading]) -> Iterator[dict[str, object]]:
    for source, reading in enumerate(readings):
        for history in reading.parsed.histories if reading.parsed else ():
            yield history | {"gateway": reading.gateway, "source": source}


def _lines_before_foreign_starts(readings: Sequence[Reading]) -> Iterator[pl.DataFrame]:
    """Find the last gateway lines before process starts that stand in another log of the same time."""
    logs = [
        (source, reading, reading.parsed)
        for source, reading in enumerate(readings)
        if reading.parsed is not None and reading.parsed.lifecycle is not None
    ]
    for source, reading, parsed in logs:
        starts = {
            moment
            for other, told, theirs in logs
            if other != source and told.gateway == reading.gateway
            for moment in _process_starts(theirs)
            if parsed.first_at is not None and parsed.last_at is not None and parsed.first_at < moment < parsed.last_at
        }
        if starts and parsed.kind is SourceKind.GATEWAY_LOG:
            with path_of(reading) as path:
                lines = last_gateway_lines_before(path, sorted(starts))
            yield _placed(lines, reading.gateway, source)


def _process_starts(parsed: Parsed) -> list[datetime]:
    if parsed.lifecycle is None:
        return []
    return parsed.lifecycle.filter(pl.col("kind") == LifecycleKind.PROCESS_START)["at"].to_list()


def _placed(frame: pl.DataFrame, gateway: str | None, source: int) -> pl.DataFrame:
    return frame.with_columns(pl.lit(gateway, pl.String).alias("gateway"), pl.lit(source, pl.UInt32).alias("source"))


def _joined(frames: list[pl.DataFrame], schema: Schema) -> pl.DataFrame:
    return pl.concat(frames).select(list(schema)) if frames else empty(schema)


def _merged_jobs(jobs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Merge what several documents say of a job: definition from one, state from the one that was written last.

    A backup of the job store holds an older state; mixing the two would revive a marker that was cleared.
    """
    state = ["running_at", "last_run_at", "last_duration_ms", "last_status", "updated_at"]
    has_state = pl.any_horizontal(pl.col("running_at", "last_run_at").is_not_null())
    ended_at = pl.col("last_run_at") + pl.duration(milliseconds="last_duration_ms")
    stamps = [pl.col(name) for name in ("running_at", "last_run_at", "updated_at")]
    written_at = pl.max_horizontal(stamp.max().over("source") for stamp in (*stamps, ended_at))
    ordered = jobs.with_columns(has_state.alias("has_state"), written_at.alias("written_at")).sort(
        "written_at", "source", descending=[False, True], nulls_last=False
    )
    newest_state = ordered.filter("has_state").unique(["gateway", "job_id"], keep="last", maintain_order=True)
    # a definition is taken whole: a time-out that was removed must not come back from a backup
    has_definition = pl.any_horizontal(pl.col("name", "payload_kind", "schedule_kind").is_not_null())
    by_document = ordered.sort(has_definition, maintain_order=True)
    definitions = by_document.unique(["gateway", "job_id"], keep="last", maintain_order=True).drop(state)
    merged = definitions.join(
        newest_state.select("gateway", "job_id", *state),
        on=["gateway", "job_id"],
        how="left",
        validate="1:1",
        nulls_equal=True,
    )
    return merged.select(list(JOBS)).sort("gateway", "job_id"), newest_state.select("source", "job_id")


def _only_newest_state(runs: pl.DataFrame, last_runs: pl.DataFrame) -> pl.DataFrame:
    """Keep a last run only from the document that gave the job its state."""
    is_state = pl.col("origin") == Origin.JOB_STATE
    newest = runs.filter(is_state).join(last_runs, on=["source", "job_id"], how="semi")
    return pl.concat([runs.filter(~is_state), newest]).sort("gateway", "job_id", "finished_at", "source", "line")


def _sources(readings: Sequence[Reading]) -> pl.DataFrame:
    logs = [reading if reading.kind in _LOG_KINDS else None for reading in readings]
    found = [None if reading is None else reading.found for reading in logs]
    also = [reading.also for reading in readings]
    holes = before_holes(found, also)
    for source, is_orphan in enumerate(after_holes(found, also)):
        if is_orphan and (last := _last_before(source, readings)) is not None:
            holes[last] = True
    for source in _still_written(readings):
        holes[source] = True
    rows = [_source_row(source, reading) for source, reading in enumerate(readings)]
    told = [row | {"before_hole": hole} for row, hole in zip(rows, holes, strict=True)]
    return frame_of(told, SOURCES)


def _still_written(readings: Sequence[Reading]) -> Iterator[int]:
    """Give the collected logs that were being written to in every snapshot that holds them: what followed is not known.

    So it is for the youngest log of a snapshot, unless a later one has it as well, beside its successor.
    """
    begun = {
        source: reading.parsed.first_at
        for source, reading in enumerate(readings)
        if reading.kind in _LOG_KINDS and reading.found.kept and reading.parsed and reading.parsed.first_at
    }
    youngest: dict[tuple[str | None, SourceKind, str], datetime] = {}
    for source, first_at in begun.items():
        for folder in _folders(readings[source], *readings[source].shorter):
            youngest[folder] = max(first_at, youngest.get(folder, first_at))
    latest = max(begun.values(), default=None)
    for source, first_at in begun.items():
        is_youngest = all(youngest[folder] == first_at for folder in _folders(readings[source]))
        if is_youngest and first_at != latest:
            yield source


def _folders(log: Reading, *shorter: Found) -> Iterator[tuple[str | None, SourceKind, str]]:
    for found in (log.found, *log.also, *shorter):
        yield log.gateway, log.kind, found.shown.rpartition("/")[0]


def _last_before(source: int, readings: Sequence[Reading]) -> int | None:
    """Give the log of the same gateway and kind that ends last before the first line of a log."""
    log = readings[source]
    ends = {
        number: other.parsed.last_at
        for number, other in enumerate(readings)
        if (other.kind, other.gateway) == (log.kind, log.gateway) and other.parsed and other.parsed.last_at
    }
    first_at = log.parsed.first_at if log.parsed else None
    before = [(end, number) for number, end in ends.items() if first_at is not None and end <= first_at]
    return max(before)[1] if before else None


def _source_row(source: int, reading: Reading) -> dict[str, object]:
    parsed = reading.parsed or Parsed(reading.detected.kind, reading.detected.by)
    return {
        "id": source,
        "path": reading.found.shown,
        "kind": parsed.kind.value,
        "form": parsed.form or None,
        "release": parsed.release,
        "gateway": reading.gateway,
        "copy": reading.found.copy,
        "job_id": parsed.job_id,
        "bytes": reading.size_bytes,
        "sha256": _sha256_of(reading),
        "lines": parsed.lines,
        "records": parsed.records,
        "skipped": parsed.skipped,
        "rejected": parsed.rejected,
        "first_at": parsed.first_at,
        "last_at": parsed.last_at,
        "timezone": parsed.timezone,
        "zone_is_assumed": parsed.zone_is_assumed,
        "shows_scheduler": parsed.shows_scheduler,
        "detected_by": parsed.detected_by,
    }


def _note_unplaced(reading: Reading, source: int, gathered: Gathered) -> None:
    unusable = reading.parsed.unusable if reading.parsed else None
    if unusable is not None:
        gathered.note("unusable_log", f"{unusable}; it supports no verdict", source=source)
    elif reading.kind in EVIDENCE_KINDS:
        gathered.note(
            "unplaced",
            "it cannot be told to which of the gateways this belongs; it supports no verdict. "
            "Name its gateway (--gateway NAME=PATH), or keep the files of a gateway in one folder",
            source=source,
        )


def _nothing(paths: Sequence[str], gathered: Gathered) -> NothingToReadError:
    told = [str(notice["message"]) for notice in gathered.notices if notice["level"] != "info"]
    if all(notice["code"] == "nothing_here" for notice in gathered.notices if notice["level"] != "info"):
        told += [str(notice["message"]) for notice in gathered.notices if notice["level"] == "info"]
    for reading in gathered.readings:
        parsed_notices = reading.parsed.notices.closed() if reading.parsed else []
        told += [f"{reading.found.shown}: {notice['message']}" for notice in parsed_notices]
    shown = _first_of(paths) or "no path"
    more = [f"and {len(told) - _NAMED_FILES} more problems"] if len(told) > _NAMED_FILES else []
    why = "; ".join([*told[:_NAMED_FILES], *more]) or "no file of a known kind"
    what = f"nothing to read behind {shown}: {why}"
    return NothingToReadError(
        what,
        "give a state directory (the folder with tasks/ and cron/, or state/), its gateway logs, or both",
    )


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False
