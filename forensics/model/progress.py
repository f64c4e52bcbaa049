"""How far a long read has come, for whoever wants to watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What is being done to a file."""

    UNPACKING = "unpacking"
    READING = "reading"
    COLLECTING = "collecting"


@dataclass(frozen=True, slots=True)
class Step:
    """Where a read is: at this file, so many bytes into all files of this stage.

    ``file`` is the path as ``sources`` shows it, hostile text that is not escaped. ``total_bytes`` is null where it is
    not known: what an archive or standard input holds shows at its end only.
    """

    stage: Stage
    file: str
    done_bytes: int
    total_bytes: int | None


Progress = Callable[[Step], None]
"""Called when a file is begun, when a piece of it has been read, and when it is done; several times a second at most
for one file. It should return at once. What it raises ends the read."""
