"""What the parsers hand to the correlator: the evidence of one or several gateways as frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from forensics.model import schemas
from forensics.model.errors import UsageError

RECORD_FRAMES = ("tasks", "runs", "lifecycle", "jobs", "corrections")
_FRAMES = (*RECORD_FRAMES, "sources", "copies", "histories", "notices")


def _no_corrections() -> pl.DataFrame:
    return schemas.empty(schemas.CORRECTIONS)


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:
        """Give the size of each frame: all of their rows would fill a notebook."""
        return f"Evidence(rows: {', '.join(f'{name} {getattr(self, name).height}' for name in _FRAMES)})"

    def expect_report_on(self, sources: pl.DataFrame) -> None:
        """Refuse a report on other evidence: its places would be looked up in the wrong files.

        Raises:
            UsageError: the sources of the report are others.
        """
        if not self.sources.equals(sources):
            raise UsageError("the report is one on other evidence", "audit this evidence, and give that report")


def rows_of_sources(evidence: Evidence) -> dict[int, dict[str, int]]:
    """Give, per source, how many rows it gave to each frame of records."""
    given = {source: dict.fromkeys(RECORD_FRAMES, 0) for source in evidence.sources["id"]}
    for name in RECORD_FRAMES:
        counts: pl.DataFrame = getattr(evidence, name).group_by("source").len()
        for source, count in counts.iter_rows():
            given[source][name] = count
    return given
