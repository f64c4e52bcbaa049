"""Simulates gateways batch by batch, in several processes, and has every batch judged in one call."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from tests.corpus.judging import Judged, judge
from tests.corpus.tally import Tally, tallied
from tests.corpus.truth import Incident

SIMULATOR = "tests.corpus.simulate"
BATCH = 40
"""So many gateways are handed over in one call: enough that the call itself costs little."""

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_AHEAD = 2
_IDLE = 100

Knobs = Mapping[str, object]
Judge = Callable[[Sequence[Incident]], Sequence[Judged]]


class Simulator(Protocol):
    """What is asked of a module that simulates gateways; the same seed and knobs give the same bytes."""

    PLAIN: Knobs
    """The plain value of every knob."""

    def drawn(self, seed: int, /) -> Knobs:
        """Give the knobs of a seed."""

    def simulated(self, seed: int, into: Path, /, knobs: Knobs | None = None) -> Incident:
        """Write one gateway below a folder."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Gateways that are handed over together: ``count`` seeds from ``first`` on, of one simulator, by its name."""

    first: int
    count: int = BATCH
    simulator: str = SIMULATOR


def simulator_of(name: str) -> Simulator:
    """Import a simulator."""
    module: Any = import_module(name)
    return cast("Simulator", module)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Give a temporary folder, in memory where the machine has such, and remove it afterwards."""
    memory = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def scored(batch: Batch, judged: Judge = judge) -> Tally:
    """Simulate one batch and count what the tool says of it."""
    simulator = simulator_of(batch.simulator)
    with folder_in_memory() as folder:
        incidents = [simulator.simulated(batch.first + number, folder) for number in range(batch.count)]
        return tallied(incidents, judged(incidents))


def run(incidents: int, first: int, batch: int = BATCH, jobs: int = 1, simulator: str = SIMULATOR) -> Iterator[Tally]:
    """Give the tally of one batch after the other until so many incidents are counted.

    Batches are given in the order of their seeds, so that the same call counts the same gateways whatever the number
    of processes.

    Raises:
        RuntimeError: many batches in a row count nothing, so that the end would never be reached.
    """
    counted = idle = 0
    for tally in _in_order(_batches(first, batch, simulator), jobs):
        idle = 0 if tally.incidents else idle + 1
        if idle == _IDLE:
            message = f"{idle} batches in a row count no incident"
            raise RuntimeError(message)
        counted += tally.incidents
        yield tally
        if counted >= incidents:
            return


def _batches(first: int, count: int, simulator: str) -> Iterator[Batch]:
    while True:
        yield Batch(first, count, simulator)
        first += count


def _in_order(batches: Iterator[Batch], jobs: int) -> Iterator[Tally]:
    if jobs == 1:
        yield from map(scored, batches)
        return
    with _workers(jobs) as pool:
        ahead: deque[Future[Tally]] = deque()
        try:
            while True:
                while len(ahead) < jobs * _AHEAD:
                    ahead.append(pool.submit(scored, next(batches)))
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes of one thread each: they share the cores among themselves."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    try:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    finally:
        os.environ.pop("POLARS_MAX_THREADS")
        if before is not None:
            os.environ["POLARS_MAX_THREADS"] = before
