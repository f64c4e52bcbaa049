"""What the parsers hand to the correlator: the evidence of one or several gateways as frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from forensics.model import schemas


@dataclass(frozen=True, slots=True)
class Evidence:
    """All frames read from the given paths, and where each file lies.

    ``containers`` are the archives and compressed files that evidence came from. ``scratch`` keeps what was unpacked;
    it is removed when the last object that holds it is gone.
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

    def __post_init__(self) -> None:
        for name in ("tasks", "runs", "lifecycle", "jobs", "sources", "copies", "histories", "notices"):
            schemas.assert_schema(getattr(self, name), getattr(schemas, name.upper()), name)
