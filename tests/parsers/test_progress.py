"""A long read tells how far it has come, and reads the same whether anybody listens or not."""

from __future__ import annotations

import io
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from forensics import load_evidence
from forensics.model.progress import Stage, Step
from forensics.parsers.clock_order import BATCH_LINES

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "every-verdict"
RECORD = b'{"0":"{\\"subsystem\\":\\"gateway\\"}","1":"ready (0 plugins)","_meta":{"date":"2026-04-17T10:00:00.000Z"},'
RECORD += b'"time":"2026-04-17T10:00:00.000+00:00"}\n'
CONSOLE = b"2026-04-17T10:00:00.000+00:00 [gateway] ready (0 plugins)\n"


def steps_of(*paths: Path, **rest: object) -> list[Step]:
    steps: list[Step] = []
    load_evidence([str(path) for path in paths], progress=steps.append, **rest)  # type: ignore[arg-type]
    return steps


def test_the_bytes_of_all_files_are_counted_up_to_their_sum() -> None:
    steps = steps_of(SAMPLE)
    read = {str(path) for path in SAMPLE.rglob("*") if path.suffix in (".log", ".sqlite", ".jsonl")}
    assert {step.stage for step in steps} == {Stage.READING}
    assert read <= {step.file for step in steps}
    done = [step.done_bytes for step in steps]
    assert done == sorted(done)
    assert {step.total_bytes for step in steps} == {done[-1]}
    assert done[-1] >= sum(Path(name).stat().st_size for name in read)


@pytest.mark.parametrize(("line", "damage"), [(RECORD, b""), (CONSOLE, b""), (RECORD, b"\xff\n"), (CONSOLE, b"\xff\n")])
def test_a_large_log_is_told_piece_by_piece_and_never_counts_for_more_than_its_size(
    line: bytes, damage: bytes, tmp_path: Path
) -> None:
    log = tmp_path / "openclaw-2026-04-17.log"
    ordinary = line.replace(b"ready (0 plugins)", b"something ordinary")
    log.write_bytes(line + ordinary * (BATCH_LINES * 2) + damage)
    done = [step.done_bytes for step in steps_of(log)]
    assert done[0] == 0
    assert done[-1] == log.stat().st_size
    assert any(0 < bytes_ < done[-1] for bytes_ in done)
    assert all(before <= after for before, after in pairwise(done))


def test_what_is_unpacked_is_told_without_a_total(tmp_path: Path) -> None:
    packed = tmp_path / "evidence.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(SAMPLE, "evidence")
    for steps in (steps_of(packed), steps_of(Path("-"), standard_input=io.BytesIO(packed.read_bytes()))):
        unpacked = [step for step in steps if step.stage is Stage.UNPACKING]
        read = [step for step in steps if step.stage is Stage.READING]
        assert {step.total_bytes for step in unpacked} == {None}
        assert 0 < read[-1].done_bytes <= unpacked[-1].done_bytes
        assert read[-1].done_bytes == read[-1].total_bytes
        assert unpacked[0].file in (str(packed), "-")


def test_one_who_watches_changes_nothing() -> None:
    watched, alone = load_evidence([str(SAMPLE)], progress=lambda _: None), load_evidence([str(SAMPLE)])
    for name in ("tasks", "runs", "lifecycle", "jobs", "sources", "notices"):
        assert_frame_equal(getattr(watched, name), getattr(alone, name))


def test_what_a_watcher_raises_ends_the_read() -> None:
    def stop(step: Step) -> None:
        raise InterruptedError(step.file)

    with pytest.raises(InterruptedError, match="every-verdict"):
        load_evidence([str(SAMPLE)], progress=stop)
