"""The restart ledger and the list of sources as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from forensics.model.evidence import Evidence, rows_of_sources
from forensics.model.finding import Restart
from forensics.writers.layout import text_table
from forensics.writers.wording import place, stamp

_WAL = "-wal"
_COUNTS = ("lines", "records", "skipped", "rejected")
_LEGEND = (
    "Every line (row of a database, job of a store) is a record that was read, skipped as of no use here, or rejected "
    "as broken."
)
_NAMES = {
    "tasks": ("task row", "task rows"),
    "runs": ("run record", "run records"),
    "lifecycle": ("event", "events"),
    "jobs": ("job", "jobs"),
    "corrections": ("corrected row", "corrected rows"),
}


def write_restarts(restarts: Iterable[Restart], sources: pl.DataFrame) -> str:
    """Give the restart windows, each with the lines it rests on."""
    paths = dict(sources.select("id", "path").iter_rows())
    return "\n\n".join(_restarts(list(restarts), paths)) + "\n"


def _restarts(restarts: list[Restart], paths: dict[int, str]) -> Iterator[str]:
    if not restarts:
        yield "No restart is on record: no log that belongs to a gateway holds a line that starts or ends its process."
        return
    several = len({restart.gateway for restart in restarts}) > 1
    headers = ["restart", "kind", "process", "down at (UTC)", "at the latest", "up at", "ready at", "drain", "reason"]
    rows = [
        [
            restart.id,
            restart.kind,
            restart.process,
            stamp(restart.down_at),
            "-" if restart.down_at == restart.down_at_latest else stamp(restart.down_at_latest),
            stamp(restart.up_at),
            stamp(restart.ready_at) if restart.ready_at else "never seen",
            restart.drain or "-",
            restart.reason or "-",
        ]
        for restart in restarts
    ]
    if several:
        headers.insert(0, "gateway")
        rows = [[restart.gateway, *row] for restart, row in zip(restarts, rows, strict=True)]
    yield text_table(headers, rows)
    yield from _doubts(restarts, several=several)
    lines = [
        (restart.id, stamp(fact.at), fact.text, place(fact, paths)) for restart in restarts for fact in restart.evidence
    ]
    yield text_table(("restart", "at (UTC)", "line", "where"), lines)


def _doubts(restarts: list[Restart], *, several: bool) -> Iterator[str]:
    """Name the windows whose sources disagree; they prove nothing about the process."""
    doubtful = [restart for restart in restarts if restart.doubt is not None]
    if doubtful:
        names = [f"{restart.gateway} {restart.id}" if several else restart.id for restart in doubtful]
        told = [f"  {name}: {restart.doubt}" for name, restart in zip(names, doubtful, strict=True)]
        yield "In doubt, and no proof of anything:\n" + "\n".join(told)


def write_sources(evidence: Evidence, missing: Iterable[str]) -> str:
    """Give every file that was read: what it is and gave, its span, zone and counts; and what is missing."""
    return "\n\n".join(_sources(evidence, list(missing))) + "\n"


def _sources(evidence: Evidence, missing: list[str]) -> Iterator[str]:
    files = list(evidence.sources.iter_rows(named=True))
    paths = {row["id"]: row["path"] for row in files}
    yield _files(files, rows_of_sources(evidence), set(paths.values()))
    yield _spans(files)
    yield _LEGEND
    if evidence.notices.height:
        yield text_table(("level", "where", "what"), _notices(evidence.notices, paths))
    if missing:
        yield "Missing:\n" + "\n".join(f"  - {what}" for what in missing)


def _files(files: list[dict[str, Any]], given: Mapping[int, Mapping[str, int]], paths: set[str]) -> str:
    headers = ("file", "kind", "read as", "recognised by", "release", "gateway", "gave")
    rows = [
        (
            row["path"],
            row["kind"],
            row["form"] or _without_form(row["path"], paths),
            row["detected_by"],
            row["release"] or "-",
            row["gateway"] or "none",
            _gave(given[row["id"]]),
        )
        for row in files
    ]
    return text_table(headers, rows)


def _spans(files: list[dict[str, Any]]) -> str:
    rows = [
        (
            row["path"],
            stamp(row["first_at"]),
            stamp(row["last_at"]),
            row["timezone"] or "-",
            *(str(row[name]) for name in _COUNTS),
        )
        for row in files
    ]
    return text_table(("file", "first (UTC)", "last (UTC)", "zone", *_COUNTS), rows)


def _without_form(path: str, paths: set[str]) -> str:
    """Say of a file without a form of its own how it was used: a write-ahead log is read with its database."""
    return "with its database" if path.endswith(_WAL) and path.removesuffix(_WAL) in paths else "-"


def _gave(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {_NAMES[name][count != 1]}" for name, count in rows.items() if count) or "-"


def _notices(notices: pl.DataFrame, paths: Mapping[int, str]) -> list[tuple[str, str, str]]:
    """Give one line per notice; what is said alike of several files, and of no line, is said once."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for row in notices.iter_rows(named=True):
        path, line = "" if row["source"] is None else paths[row["source"]], row["line"]
        where = f"{path}:{line}" if line else path
        places.setdefault((row["level"], where if line else "", row["message"]), []).append(where)
    return [(level, _together(where), message) for (level, _, message), where in places.items()]


def _together(places: list[str]) -> str:
    first, *more = places
    return f"{first} and {len(more)} more" if more else first
