"""What the parsers hand to the correlator: the evidence of one or several gateways as frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from forensics.model import schemas

RECORD_FRAMES = ("tasks", "runs", "lifecycle", "jobs", "corrections")
_FRAMES = (*RECORD_FRAMES, "sources", "copies", "histories", "notices")


def _no_corrections() -> pl.DataFrame:
    return schemas.empty(schemas.CORRECTIONS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All frames read from the given paths, and where each file lies.

    ``containers`` are the archives and compressed files that evidence came from. ``scratch`` keeps what was unpacked;
    it is removed when the last object that holds it is gone. ``corrections`` is what journals of ``forensics fix`` say.
    """

    tasks: pl.DataFrame
    runs: pl.DataFrame
    lifecycle: pl.DataFrame
    jobs: pl.DataFrame
    sources: pl.DataFrame
    copies: pl.DataFrame
    histories: pl.DataFrame
    notices: pl.DataFrame
    files: dict[int, Path]
    containers: tuple[Path, ...] = ()
    scratch: object = field(default=None, repr=False, compare=False)
    corrections: pl.DataFrame = field(default_factory=_no_corrections)

    def __post_init__(self) -> None:
        for name in _FRAMES:
            schemas.assert_schema(getattr(self, name), getattr(schemas, name.upper()), name)


def rows_of_sources(evidence: Evidence) -> dict[int, dict[str, int]]:
    """Give, per source, how many rows it gave to each frame of records."""
    given = {source: dict.fromkeys(RECORD_FRAMES, 0) for source in evidence.sources["id"]}
    for name in RECORD_FRAMES:
        counts: pl.DataFrame = getattr(evidence, name).group_by("source").len()
        for source, count in counts.iter_rows():
            given[source][name] = count
    return given
