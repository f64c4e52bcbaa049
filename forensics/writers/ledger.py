"""The restart ledger and the list of sources as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from forensics.model.finding import Restart
from forensics.writers.layout import text_table
from forensics.writers.wording import place, stamp


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


def write_sources(sources: pl.DataFrame, notices: pl.DataFrame, missing: Iterable[str]) -> str:
    """Give every file that was read: kind, how it was recognised, span, zone, counts; and what is missing."""
    return "\n\n".join(_sources(sources, notices, list(missing))) + "\n"


def _sources(sources: pl.DataFrame, notices: pl.DataFrame, missing: list[str]) -> Iterator[str]:
    rows = [
        (
            row["path"],
            row["kind"],
            row["form"] or "-",
            row["release"] or "-",
            row["gateway"] or "none",
            stamp(row["first_at"]),
            stamp(row["last_at"]),
            row["timezone"] or "-",
            str(row["lines"]),
            str(row["records"]),
            str(row["skipped"]),
            str(row["rejected"]),
            row["detected_by"],
        )
        for row in sources.iter_rows(named=True)
    ]
    headers = (
        "file",
        "kind",
        "read as",
        "release",
        "gateway",
        "first (UTC)",
        "last (UTC)",
        "zone",
        "lines",
        "records",
        "skipped",
        "rejected",
        "recognised by",
    )
    yield text_table(headers, rows)
    if notices.height:
        paths = dict(sources.select("id", "path").iter_rows())
        yield text_table(("level", "where", "what"), [_notice(row, paths) for row in notices.iter_rows(named=True)])
    if missing:
        yield "Missing:\n" + "\n".join(f"  - {what}" for what in missing)


def _notice(row: dict[str, object], paths: dict[int, str]) -> tuple[str, str, str]:
    source, line = row["source"], row["line"]
    where = "" if not isinstance(source, int) else paths[source] + (f":{line}" if line else "")
    return str(row["level"]), where, str(row["message"])
