"""The restart ledger and the list of sources as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.evidence import Evidence, rows_of_sources
from forensics.model.finding import Restart
from forensics.model.shown import PLAIN, Shown, Style
from forensics.writers.layout import NOTICE_COLUMNS
from forensics.writers.measure import paragraph
from forensics.writers.tables import Column, text_table
from forensics.writers.told_nothing import no_restart
from forensics.writers.wording import place

_WAL = "-wal"
_COUNTS = ("lines", "records", "skipped", "rejected")
_READ = _COUNTS[:2]
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


def write_restarts(restarts: Iterable[Restart], sources: pl.DataFrame, shown: Shown = PLAIN) -> str:
    """Give the restart windows, each with the lines it rests on."""
    return "\n\n".join(_restarts(list(restarts), sources, shown)) + "\n"


def _restarts(restarts: list[Restart], sources: pl.DataFrame, shown: Shown) -> Iterator[str]:
    if not restarts:
        head = "No restart is on record: no log that belongs to a gateway holds a line that starts or ends its process."
        told = [head, *map(for_terminal, no_restart(sources, shown))]
        yield "\n".join(line for sentence in told for line in paragraph(sentence, shown.width))
        return
    paths = dict(sources.select("id", "path").iter_rows())
    several = len({restart.gateway for restart in restarts}) > 1
    headers: list[str | Column] = [
        "restart",
        "kind",
        Column("process", moves=2, is_named=True),
        shown.heading("down at"),
        Column("at the latest", moves=1, is_named=True),
        Column("up at", moves=1, is_named=True),
        "ready at",
        Column("drain", is_text=True, moves=1, is_named=True),
        Column("reason", is_text=True, moves=1, is_named=True),
    ]
    rows = [
        [
            restart.id,
            restart.kind,
            restart.process,
            shown.stamp(restart.down_at),
            "-" if restart.down_at == restart.down_at_latest else shown.stamp(restart.down_at_latest),
            shown.stamp(restart.up_at),
            shown.stamp(restart.ready_at) if restart.ready_at else "never seen",
            restart.drain or "-",
            restart.reason or "-",
        ]
        for restart in restarts
    ]
    if several:
        headers.insert(0, Column("gateway", moves=3, groups=True))
        rows = [[restart.gateway, *row] for restart, row in zip(restarts, rows, strict=True)]
    yield text_table(headers, rows, shown=shown)
    yield from _doubts(restarts, shown, several=several)
    lines = [
        (restart.id, shown.stamp(fact.at), fact.text, place(fact, paths))
        for restart in restarts
        for fact in restart.evidence
    ]
    yield text_table(
        ("restart", shown.heading("at"), Column("line", is_text=True), Column("where", moves=1)), lines, shown=shown
    )
    if not shown.is_utc:
        yield "\n".join(paragraph(shown.note_sentence, shown.width))


def _doubts(restarts: list[Restart], shown: Shown, *, several: bool) -> Iterator[str]:
    """Name the windows whose sources disagree; they prove nothing about the process."""
    doubtful = [restart for restart in restarts if restart.doubt is not None]
    if doubtful:
        names = [f"{restart.gateway} {restart.id}" if several else restart.id for restart in doubtful]
        told = [
            line
            for name, restart in zip(names, doubtful, strict=True)
            for line in paragraph(f"{name}: {restart.doubt}", shown.width, first="  ", rest="    ")
        ]
        head = shown.painted("In doubt, and no proof of anything:", Style.HEADING)
        yield "\n".join([head, *told])


def write_sources(evidence: Evidence, missing: Iterable[str], shown: Shown = PLAIN) -> str:
    """Give every file that was read: what it is and gave, its span, zone and counts; and what is missing."""
    return "\n\n".join(_sources(evidence, list(missing), shown)) + "\n"


def _sources(evidence: Evidence, missing: list[str], shown: Shown) -> Iterator[str]:
    files = list(evidence.sources.iter_rows(named=True))
    paths = {row["id"]: row["path"] for row in files}
    yield _files(files, rows_of_sources(evidence), set(paths.values()), shown)
    yield _spans(files, shown)
    yield "\n".join(paragraph(_LEGEND, shown.width))
    if evidence.notices.height:
        yield text_table(NOTICE_COLUMNS, _notices(evidence.notices, paths), shown=shown)
    if missing:
        told = [line for what in missing for line in paragraph(what, shown.width, first="  - ", rest="    ")]
        yield "\n".join([shown.painted("Missing:", Style.HEADING), *told])


def _files(files: list[dict[str, Any]], given: Mapping[int, Mapping[str, int]], paths: set[str], shown: Shown) -> str:
    headers = (
        Column("file", moves=1),
        "kind",
        Column("read as", is_text=True),
        Column("recognised by", is_text=True, moves=2, is_named=True),
        Column("release", is_text=True, moves=2, is_named=True),
        Column("gateway", is_text=True, moves=2, is_named=True),
        Column("gave", is_text=True),
    )
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
    return text_table(headers, rows, shown=shown)


def _spans(files: list[dict[str, Any]], shown: Shown) -> str:
    rows = [
        (
            row["path"],
            shown.stamp(row["first_at"]),
            shown.stamp(row["last_at"]),
            row["timezone"] or "-",
            *(str(row[name]) for name in _COUNTS),
        )
        for row in files
    ]
    headers = [
        Column("file", moves=1),
        Column(shown.heading("first")),
        Column(shown.heading("last")),
        Column("zone", is_text=True, moves=2, is_named=True),
        *(Column(name, moves=0 if name in _READ else 3, is_named=True) for name in _COUNTS),
    ]
    return text_table(headers, rows, shown=shown)


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
