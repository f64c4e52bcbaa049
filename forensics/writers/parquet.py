"""All frames of an audit as Parquet: what was read, and what came of it."""

from __future__ import annotations

import io

import polars as pl

from forensics import __version__
from forensics.model.errors import UsageError
from forensics.model.evidence import Evidence
from forensics.model.finding import Report
from forensics.model.frames import FRAMES, FRAMES_CONTRACT
from forensics.model.schemas import assert_schema

_ROWS_OF_A_GROUP = 1 << 18
"""Fixed, so that the bytes depend on the rows alone and not on how many threads have made them."""


def frames_of(evidence: Evidence, report: Report) -> dict[str, pl.DataFrame]:
    """Give every frame of an audit by its name, as ``forensics.model.frames`` lists them.

    Shape: as declared in ``forensics.model.schemas``; ``notices`` are those of the audit, of clocks too.

    Raises:
        UsageError: the report is one on other evidence.
    """
    evidence.expect_report_on(report.sources)
    frames = {
        "sources": report.sources,
        "notices": report.notices,
        **{name: getattr(evidence, name) for name in ("tasks", "runs", "lifecycle", "jobs", "corrections")},
        **{name: getattr(evidence, name) for name in ("copies", "histories")},
        "restarts": report.frames.restarts,
        "restart_evidence": report.frames.restart_evidence,
        "findings": report.frames.findings,
        "evidence": report.frames.evidence,
        "reliability": report.frames.reliability,
    }
    return {name: assert_schema(frames[name], kind.schema, name) for name, kind in FRAMES.items()}


def write_parquet(name: str, frame: pl.DataFrame) -> bytes:
    """Give one frame as Parquet; the file's metadata say which frame it is, its key, and what a row of it is.

    Raises:
        UsageError: no frame is called so, or this one has other columns.
    """
    kind = FRAMES.get(name)
    if kind is None or frame.schema != kind.schema:
        message = f"no frame is called {name!r}" if kind is None else f"this is not the frame {name}: other columns"
        raise UsageError(message, f"there are {', '.join(sorted(FRAMES))}; write other frames with Polars itself")
    written = io.BytesIO()
    frame.rechunk().write_parquet(
        written,
        compression="zstd",
        row_group_size=_ROWS_OF_A_GROUP,
        metadata={
            "forensics.schema": FRAMES_CONTRACT,
            "forensics.version": __version__,
            "forensics.frame": name,
            "forensics.key": ",".join(kind.key),
            "forensics.row": kind.row,
        },
    )
    return written.getvalue()
