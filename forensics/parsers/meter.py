"""Counts the bytes of a read, file by file, for one who watches its progress."""

from __future__ import annotations

from collections.abc import Callable

from forensics.model.progress import Progress, Stage, Step

Advance = Callable[[int], None]
"""Called with the number of bytes that were read since the last call."""


def unwatched(size_bytes: int) -> None:
    """Take note of nothing: nobody watches."""


class Meter:
    """Tells a watcher which file is read, and how many bytes of all files have been.

    No file counts for more than its size, however often it is read, nor for less once it is done.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._stage, self._file = Stage.UNPACKING, ""
        self._total_bytes: int | None = None
        self._before_bytes = self._file_bytes = 0
        self._size_bytes: int | None = None

    def begin(self, stage: Stage, total_bytes: int | None) -> None:
        """Begin to count anew."""
        self._stage, self._total_bytes = stage, total_bytes
        self._before_bytes = self._file_bytes = 0

    def open(self, file: str, size_bytes: int | None = None) -> None:
        """Go on to the next file; null: its size is not known."""
        self._before_bytes += self._file_bytes
        self._file, self._file_bytes, self._size_bytes = file, 0, size_bytes
        self._tell()

    def advance(self, size_bytes: int) -> None:
        """Count bytes of the file that is open."""
        self._file_bytes += size_bytes
        if self._size_bytes is not None:
            self._file_bytes = min(self._file_bytes, self._size_bytes)
        self._tell()

    def close(self) -> None:
        """Count what is left of the file."""
        if self._size_bytes is not None:
            self.advance(self._size_bytes - self._file_bytes)

    def _tell(self) -> None:
        if self._progress is not None:
            done_bytes = self._before_bytes + self._file_bytes
            self._progress(Step(self._stage, self._file, done_bytes, self._total_bytes))
