"""What is read in another order, in other pieces or in another time zone says the same."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forensics import audit, load_evidence, write_json
from tests.support.captures import unpack
from tests.support.effort import tries
from tests.support.reports import judged, process_zone

SAMPLES = Path(__file__).parent.parent.parent / "samples"
SAMPLE = SAMPLES / "every-verdict"
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Chatham")
PARTS = ("state/tasks/runs.sqlite", "state/cron", "logs", "tasks-list.json")

quick = settings(max_examples=tries(10, 25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def whole(*, crashed: bool) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp())
    (folder / "whole.log").write_text("\n".join(log_lines(crashed=crashed)) + "\n", encoding="utf-8")
    report = audited_with(folder)
    shutil.rmtree(folder)
    assert crashed == any(window["kind"] == "crash" for window in report["restarts"])
    return report


def audited_with(logs: Path) -> dict[str, Any]:
    paths = [str(SAMPLE / part) for part in PARTS if part != "logs"]
    return judged(audit(load_evidence([*paths, str(logs)])))


@quick
@given(st.permutations(PARTS))
def test_order_of_arguments_changes_no_byte(parts: list[str]) -> None:
    ordered = write_json(audit(load_evidence([str(SAMPLE / part) for part in PARTS])))
    assert write_json(audit(load_evidence([str(SAMPLE / part) for part in parts]))) == ordered


def log_lines(*, crashed: bool) -> list[str]:
    """Give the lines of the sample's log; as after a crash, they tell of no stop."""
    lines = next((SAMPLE / "logs").iterdir()).read_text("utf-8").splitlines()
    return [line for line in lines if not (crashed and "SIGTERM" in line)]


@pytest.mark.parametrize("crashed", [False, True])
@quick
@given(data=st.data())
def test_a_log_cut_into_pieces_says_the_same(data: st.DataObject, crashed: bool, tmp_path: Path) -> None:
    lines = log_lines(crashed=crashed)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines) - 1), max_size=4)))
    folder = emptied(tmp_path / "pieces")
    pieces = [lines[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    for number, piece in enumerate(data.draw(st.permutations(pieces))):
        (folder / f"{number}.log").write_text("\n".join(piece) + "\n", encoding="utf-8")
    assert audited_with(folder) == whole(crashed=crashed)


@pytest.mark.parametrize("crashed", [False, True])
@quick
@given(data=st.data())
def test_lines_dealt_out_to_several_files_say_the_same(data: st.DataObject, crashed: bool, tmp_path: Path) -> None:
    lines = log_lines(crashed=crashed)
    hands = data.draw(st.lists(st.integers(0, 2), min_size=len(lines), max_size=len(lines)))
    folder = emptied(tmp_path / "dealt")
    for hand in sorted(set(hands)):
        dealt = [line for line, to in zip(lines, hands, strict=True) if to == hand]
        (folder / f"{hand}.log").write_text("\n".join(dealt) + "\n", encoding="utf-8")
    assert audited_with(folder) == whole(crashed=crashed)


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@pytest.mark.parametrize("zone", ZONES)
def test_time_zone_of_the_process_changes_no_byte(zone: str) -> None:
    here = write_json(audit(load_evidence([str(SAMPLE)])))
    with process_zone(zone):
        assert datetime.now().astimezone().tzname() is not None
        assert write_json(audit(load_evidence([str(SAMPLE)]))) == here


@quick
@given(data=st.data())
def test_the_ledger_balances_whatever_is_broken(data: st.DataObject, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(SAMPLE, copy)
    for path in [*copy.glob("logs/*"), *copy.glob("state/cron/runs/*")]:
        content = path.read_bytes()
        at, length = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 40))
        path.write_bytes(content[:at] + data.draw(st.binary(max_size=12)) + content[at + length :])
    sources = load_evidence([str(copy)]).sources
    unbalanced = sources.filter(sources["lines"] != sources["records"] + sources["skipped"] + sources["rejected"])
    assert unbalanced.is_empty()


def test_the_ledger_balances_on_a_captured_gateway(unpacked: Path) -> None:
    folder = unpack("2026.5.7-sigterm", unpacked)
    sources = load_evidence([str(folder / "state"), str(folder / "logs")]).sources
    assert (sources["lines"] == sources["records"] + sources["skipped"] + sources["rejected"]).all()
    assert sources["lines"].sum() > 100
