"""From PATH arguments to evidence: find, recognise, read, place with a gateway, and put into frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from forensics.model.errors import NothingToReadError, UnreadableError
from forensics.model.evidence import Evidence
from forensics.model.schemas import (
    COPIES,
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
from forensics.parsers.database import companions_of
from forensics.parsers.detect import Detected, Found, Unread, detect, find_files, is_run_log_place, left_out
from forensics.parsers.files import sha256_of
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import last_gateway_lines_before
from forensics.parsers.parsed import Parsed, well_formed
from forensics.parsers.placing import Placed, place

_LOG_KINDS = (SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE)
EVIDENCE_KINDS = (
    SourceKind.TASK_REGISTRY,
    SourceKind.TASK_EXPORT,
    SourceKind.CRON_RUN_LOG,
    SourceKind.JOB_STORE,
    SourceKind.JOB_STATE,
    SourceKind.JOB_LIST,
    SourceKind.CRON_RUN_PAGE,
    *_LOG_KINDS,
    SourceKind.RESTART_RECORD,
)
_NAMED_FILES = 5
_EVIDENCE_SUFFIXES = (".bak", ".db", ".json", ".jsonl", ".log", ".sqlite")


@dataclass(slots=True)
class _Reading:
    """One file on its way from path to frames."""

    found: Found
    detected: Detected
    companions: list[Path] = field(default_factory=list)
    parsed: Parsed | None = None
    sha256: Future[str] | None = None
    gateway: str | None = None


def load_evidence(paths: Sequence[str]) -> Evidence:
    """Read everything behind these paths into frames.

    Shape: see ``forensics.model.evidence.Evidence``; sources are numbered in path order, whatever the order of the
    arguments.
    Notices: every file that could not be read, every line that was rejected, every gap that can be named.

    Raises:
        NothingToReadError: no file behind the paths is evidence.
    """
    notices: list[dict[str, object]] = []
    readings = _detected(paths, notices)
    with ThreadPoolExecutor(max_workers=2) as hashing:
        for reading in readings:
            if reading.detected.kind in (*EVIDENCE_KINDS, SourceKind.TASK_REGISTRY_WAL):
                reading.sha256 = hashing.submit(sha256_of, reading.found.path)
        for reading in readings:
            _parse(reading, notices)
    _note_unknown(readings, notices)
    readings = [reading for reading in readings if _is_kept(reading)]
    given = [Path(path) for path in paths if _exists(path)]
    placed = place([(reading.found, _kind_of(reading)) for reading in readings], given)
    for reading, gateway in zip(readings, placed.gateways, strict=True):
        reading.gateway = gateway
    _set_unusable_aside(readings)
    if not any(_is_evidence(reading) for reading in readings):
        raise _nothing(paths, readings, notices)
    return _evidence(readings, placed, notices)


def _set_unusable_aside(readings: list[_Reading]) -> None:
    """Take the logs that prove nothing away from their gateways: they are named, and support no verdict."""
    logs: dict[str, list[tuple[_Reading, Parsed]]] = {}
    for reading in readings:
        if reading.parsed is not None and reading.parsed.kind in _LOG_KINDS and reading.gateway is not None:
            logs.setdefault(reading.gateway, []).append((reading, reading.parsed))
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


def _detected(paths: Sequence[str], notices: list[dict[str, object]]) -> list[_Reading]:
    readings: dict[tuple[int, int], _Reading] = {}
    unread: list[Unread] = []
    for argument in sorted(set(paths)):
        try:
            for found in find_files(argument, unread):
                key = found.path.stat().st_dev, found.path.stat().st_ino
                if key not in readings:
                    readings[key] = _Reading(found, _detect(found, notices))
        except (UnreadableError, OSError) as error:
            _note(
                notices, "unreadable", f"{argument}: {_why(error)}; check the path and its permissions", level="error"
            )
        _note_left_out(argument, notices)
    for skipped in unread:
        _note(notices, "unreadable", f"{skipped.shown}: {skipped.why}; nothing of it is used")
    ordered = sorted(readings.values(), key=lambda reading: reading.found.shown)
    _pair_companions(ordered, notices)
    return ordered


def _detect(found: Found, notices: list[dict[str, object]]) -> Detected:
    try:
        return detect(found.path, found.name)
    except (UnreadableError, OSError) as error:
        _note(notices, "unreadable", f"{found.shown}: {_why(error)}; check its permissions", level="error")
        return Detected(SourceKind.DAMAGED, "could not be read")


def _note_left_out(argument: str, notices: list[dict[str, object]]) -> None:
    try:
        folders = left_out(argument)
    except OSError:
        return
    if folders:
        _note(
            notices, "left_out", f"{argument}: not read, as they hold no evidence: {', '.join(folders)}", level="info"
        )


def _pair_companions(readings: list[_Reading], notices: list[dict[str, object]]) -> None:
    databases = {
        reading.found.path: reading for reading in readings if reading.detected.kind is SourceKind.TASK_REGISTRY
    }
    for path, reading in databases.items():
        reading.companions = companions_of(path)
    for reading in readings:
        if reading.detected.kind is SourceKind.TASK_REGISTRY_WAL and not _database_of(reading.found.path, databases):
            _note(
                notices,
                "wal_orphan",
                f"{reading.found.shown}: a write-ahead log without its database; hand over the file beside it, too",
                level="error",
            )


def _database_of(wal: Path, databases: Iterable[Path]) -> Path | None:
    return next((path for path in databases if wal == path.with_name(path.name + "-wal")), None)


def _parse(reading: _Reading, notices: list[dict[str, object]]) -> None:
    kind, form = reading.detected.kind, reading.detected.form
    try:
        if form is None:
            reading.parsed = _without_records(reading)
        else:
            reading.parsed = form.parse(reading.found.path, _given(reading))
            reading.parsed.form = reading.parsed.form or form.name
    except (UnreadableError, OSError) as error:
        reading.parsed = _without_records(reading)
        reading.parsed.notices.add(
            "damaged", f"{_why(error)}; nothing of it is used, look for another copy", level="error"
        )
    if kind is SourceKind.UNKNOWN and reading.found.explicit:
        _note(
            notices,
            "unknown_kind",
            f"{reading.found.shown}: {reading.detected.by}; see README, what it reads",
            level="error",
        )


def _given(reading: _Reading) -> Given:
    return Given(name=reading.found.name, companions=tuple(reading.companions))


def _without_records(reading: _Reading) -> Parsed:
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


def _note_unknown(readings: list[_Reading], notices: list[dict[str, object]]) -> None:
    """Name the files in a folder that should be evidence by their name but are of no known kind, in one notice."""
    unknown = [
        reading.found.shown
        for reading in readings
        if reading.detected.kind is SourceKind.UNKNOWN
        and not reading.found.explicit
        and reading.found.path.suffix in _EVIDENCE_SUFFIXES
    ]
    if unknown:
        more = f" and {len(unknown) - _NAMED_FILES} more" if len(unknown) > _NAMED_FILES else ""
        named = ", ".join(unknown[:_NAMED_FILES])
        _note(notices, "unknown_kind", f"{len(unknown)} files of no known kind are not read: {named}{more}")


def _is_kept(reading: _Reading) -> bool:
    """Tell whether a file appears among the sources: evidence does, what was named on purpose, what has a notice."""
    kind = _kind_of(reading)
    is_damaged = kind in (SourceKind.DAMAGED, SourceKind.TASK_REGISTRY_WAL)
    is_noted = reading.parsed is not None and bool(reading.parsed.notices.rows)
    return kind in EVIDENCE_KINDS or is_damaged or is_noted or reading.found.explicit


def _is_evidence(reading: _Reading) -> bool:
    """Tell whether a file was read as evidence; a run log without one good line was not."""
    if reading.parsed is None or reading.parsed.kind not in EVIDENCE_KINDS:
        return False
    wholly_damaged = 0 < reading.parsed.lines == reading.parsed.rejected
    return not (reading.parsed.kind is SourceKind.CRON_RUN_LOG and wholly_damaged)


def _kind_of(reading: _Reading) -> SourceKind:
    return reading.parsed.kind if reading.parsed else reading.detected.kind


def _evidence(readings: list[_Reading], placed: Placed, notices: list[dict[str, object]]) -> Evidence:
    frames: dict[str, list[pl.DataFrame]] = {"tasks": [], "runs": [], "lifecycle": [], "jobs": []}
    for source, reading in enumerate(readings):
        for name, collected in frames.items():
            frame = getattr(reading.parsed, name)
            if frame is not None and frame.height:
                collected.append(_placed(frame, reading.gateway, source))
        parsed = reading.parsed
        notices.extend({"source": source} | notice for notice in (parsed.notices.closed() if parsed else []))
        if reading.gateway is None:
            _note_unplaced(reading, source, notices)
    frames["lifecycle"] += _lines_before_foreign_starts(readings)
    jobs, last_runs = _merged_jobs(_joined(frames["jobs"], JOBS))
    return Evidence(
        tasks=_joined(frames["tasks"], TASKS),
        runs=_only_newest_state(_joined(frames["runs"], RUNS), last_runs),
        lifecycle=_joined(frames["lifecycle"], LIFECYCLE),
        jobs=jobs,
        sources=frame_of([_source_row(source, reading) for source, reading in enumerate(readings)], SOURCES),
        copies=frame_of(placed.copies, COPIES),
        histories=frame_of(_histories(readings), HISTORIES),
        notices=frame_of(notices, NOTICES),
        files={source: reading.found.path for source, reading in enumerate(readings)},
    )


def _histories(readings: list[_Reading]) -> Iterator[dict[str, object]]:
    for source, reading in enumerate(readings):
        for history in reading.parsed.histories if reading.parsed else ():
            yield history | {"gateway": reading.gateway, "source": source}


def _lines_before_foreign_starts(readings: list[_Reading]) -> Iterator[pl.DataFrame]:
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
        if starts:
            yield _placed(last_gateway_lines_before(reading.found.path, sorted(starts)), reading.gateway, source)


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


def _source_row(source: int, reading: _Reading) -> dict[str, object]:
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
        "bytes": reading.found.path.stat().st_size,
        "sha256": reading.sha256.result() if reading.sha256 and not reading.sha256.exception() else None,
        "lines": parsed.lines,
        "records": parsed.records,
        "skipped": parsed.skipped,
        "rejected": parsed.rejected,
        "first_at": parsed.first_at,
        "last_at": parsed.last_at,
        "timezone": parsed.timezone,
        "zone_is_assumed": parsed.zone_is_assumed,
        "detected_by": parsed.detected_by,
    }


def _note_unplaced(reading: _Reading, source: int, notices: list[dict[str, object]]) -> None:
    unusable = reading.parsed.unusable if reading.parsed else None
    if unusable is not None:
        _note(notices, "unusable_log", f"{unusable}; it supports no verdict", source=source)
    elif _kind_of(reading) in EVIDENCE_KINDS:
        _note(
            notices,
            "unplaced",
            "it cannot be told to which of the gateways this belongs; it supports no verdict. "
            "Audit each gateway on its own, or keep its files in one folder",
            source=source,
        )


def _nothing(paths: Sequence[str], readings: list[_Reading], notices: list[dict[str, object]]) -> NothingToReadError:
    told = [str(notice["message"]) for notice in notices if notice["level"] == "error"]
    for reading in readings:
        parsed_notices = reading.parsed.notices.closed() if reading.parsed else []
        told += [f"{reading.found.shown}: {notice['message']}" for notice in parsed_notices]
    shown = ", ".join(paths) or "no path"
    what = f"nothing to read behind {shown}" + (": " + "; ".join(told) if told else ": no file of a known kind")
    return NothingToReadError(
        what,
        "give a state directory (the folder with tasks/ and cron/), its gateway logs, or both",
    )


def _note(
    notices: list[dict[str, object]], code: str, message: str, *, level: str = "warning", source: int | None = None
) -> None:
    told = well_formed(message)
    notices.append({"source": source, "line": None, "level": level, "code": code, "message": told})


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False


def _why(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
