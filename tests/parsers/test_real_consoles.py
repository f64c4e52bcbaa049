"""Captured consoles of five releases say what the file logs of the same gateways say."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from forensics.correlator.restarts import find_restarts
from forensics.model.policy import Policy
from forensics.model.schemas import TIME
from forensics.model.verdicts import LifecycleKind as K
from forensics.parsers.detect import detect
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.parsed import Parsed
from tests.support.captures import DATA

CAPTURES = (
    "2026.4.15/in-process",
    "2026.4.15/lost-write",
    "2026.4.15/no-restart",
    "2026.4.15/sigterm",
    "2026.5.7/in-process",
    "2026.5.7/no-restart",
    "2026.5.7/sigterm",
    "2026.6.11/restarts",
    "2026.7.35/restarts",
    "2026.9.6/restarts",
    "2026.9.6/upgrade-crafted",
    "2026.9.6/upgrade-start",
)
AT_DEBUG = [K.SIGNAL_RECEIVED.value, K.SHUTDOWN_STARTED.value]
"""Release 2026.9.6 tells these at debug level, which the console leaves out."""

NO_ONE_ALIVE = pl.DataFrame(schema={"gateway": pl.String, "at": TIME})


@pytest.fixture(scope="module")
def consoles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consoles")
    with tarfile.open(DATA / "consoles.tgz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def read(path: Path) -> Parsed:
    form = detect(path).form
    assert form is not None
    assert form.name == "console compact"
    return form.parse(path, Given(name=path.name))


def together(parsed: Sequence[Parsed]) -> pl.DataFrame:
    frames = [
        one.lifecycle.with_columns(pl.lit("gateway").alias("gateway"), pl.lit(source, pl.UInt32).alias("source"))
        for source, one in enumerate(parsed)
        if one.lifecycle is not None
    ]
    return pl.concat(frames)


def both(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    shown = sorted(folder.rglob("*console*.log"))
    logged = sorted(folder.rglob("*.log.cut"))
    assert shown
    assert logged
    return together([read(path) for path in shown]), together([parse_gateway_log(path) for path in logged])


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_console_tells_the_events_of_the_file_log(capture: str, consoles: Path) -> None:
    shown, logged = (frame.filter(pl.col("kind") != K.LAST_LINE) for frame in both(consoles / capture))
    if capture.startswith("2026.9.6"):
        logged = logged.filter(~pl.col("kind").is_in(AT_DEBUG) | pl.col("detail").is_in(shown["detail"].to_list()))
    names = ["kind", "signal", "pid", "run_id", "detail", "raw"]
    assert shown.select(names).rows() == logged.select(names).rows()
    apart = (shown["at"] - logged["at"]).abs().max()
    assert apart is not None
    assert apart <= Policy().same_event  # type: ignore[operator]


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_console_alone_gives_the_windows_of_the_file_log(capture: str, consoles: Path) -> None:
    windows = [find_restarts(frame, NO_ONE_ALIVE, Policy())[0] for frame in both(consoles / capture)]
    names = ["kind", "process", "reason", "drain", "pid_before", "pid_after"]
    assert windows[0].select(names).rows() == windows[1].select(names).rows()
    assert windows[0].height >= 1
    for name in ("up_at", "ready_at", "down_at_latest"):
        apart = (windows[0][name] - windows[1][name]).abs().max()
        assert apart is None or apart <= Policy().same_event  # type: ignore[operator]


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_console_beside_the_file_log_adds_no_window(capture: str, consoles: Path) -> None:
    shown, logged = both(consoles / capture)
    beside = shown.with_columns(pl.col("source") + 100)
    windows = [find_restarts(frame, NO_ONE_ALIVE, Policy())[0] for frame in (logged, pl.concat([logged, beside]))]
    names = ["kind", "process", "ready_at", "reason", "drain", "pid_before", "pid_after"]
    assert windows[0].select(names).rows() == windows[1].select(names).rows()


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_line_of_a_console_is_accounted_for(capture: str, consoles: Path) -> None:
    for path in sorted((consoles / capture).rglob("*console*.log")):
        parsed = read(path)
        assert parsed.lines == parsed.records + parsed.skipped == len(path.read_bytes().splitlines())
        assert (parsed.rejected, parsed.unusable, parsed.notices.rows) == (0, None, [])
