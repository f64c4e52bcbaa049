"""One accepted input: how a file of it comes to be, and all that is to be known of it once it is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from forensics import load_evidence
from forensics.model.evidence import Evidence
from forensics.model.verdicts import SourceKind
from tests.support.captures import unpack

BERLIN = ZoneInfo("Europe/Berlin")
SAVED_AT = datetime(2026, 4, 18, 12, tzinfo=UTC).timestamp()
"""When shaped files were last written, the day after what they tell."""

FRAMES = ("tasks", "runs", "lifecycle", "jobs", "corrections", "histories")


@dataclass(frozen=True, slots=True)
class Captures:
    """The archives of ``tests/data``, unpacked when they are asked for."""

    folder: Path

    def text(self, capture: str, name: str) -> bytes:
        """Give the content of one file of a capture."""
        return (unpack(capture, self.folder) / name).read_bytes()


Write = Callable[[Path, Captures], Path]
"""Puts the file, and what has to lie beside it, into a folder; gives the file."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input and what is read of it.

    ``counts`` are lines, records, skipped and rejected lines; ``rows`` says, per frame that got any, how many rows it
    got of this file and one of them; ``notices`` are the codes of all notices of the file, and of those of no file, in
    order.
    """

    form: str
    kind: SourceKind
    write: Write
    counts: tuple[int, int, int, int]
    rows: Mapping[str, tuple[int, Mapping[str, Any]]]
    first: str | None = None
    last: str | None = None
    timezone: str | None = "UTC from epoch milliseconds"
    zone_is_assumed: bool = False
    notices: tuple[str, ...] = ()
    zone: tzinfo | None = None
    release: str | None = None
    gateway: str | None = "gateway"

    def __str__(self) -> str:
        return self.form


@dataclass(frozen=True, slots=True)
class Told:
    """What evidence says of one of its files."""

    source: dict[str, Any]
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def read(
    case: Case, folder: Path, captures: Captures, *, is_zone_given: bool = True, write: Write | None = None
) -> tuple[Evidence, Told]:
    """Write an input into a folder, load that folder, and give what is said of the file."""
    folder.mkdir()
    path = (write or case.write)(folder, captures)
    for file in folder.rglob("*"):
        os.utime(file, (SAVED_AT, SAVED_AT))
    evidence = load_evidence([str(folder)], zone=case.zone if is_zone_given else None)
    return evidence, told_of(evidence, str(path))


def told_of(evidence: Evidence, shown: str) -> Told:
    """Give what evidence says of the file that is shown by this name."""
    source = evidence.sources.row(by_predicate=pl.col("path") == shown, named=True)
    is_its = pl.col("source") == source["id"]
    frames = {name: getattr(evidence, name).filter(is_its) for name in FRAMES}
    notices = evidence.notices.filter(is_its | pl.col("source").is_null())
    return Told(source, frames, tuple(notices["code"].to_list()))


def moment(at: datetime | None) -> str | None:
    """Give a time as the cases write it."""
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
