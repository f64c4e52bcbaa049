from __future__ import annotations

from pathlib import Path

import pytest

from forensics.parsers.detect import Found
from forensics.parsers.rotation import after_holes, before_holes, series_of


def log(shown: str, *, is_cut: bool = False) -> Found:
    here = Path("/x")
    return Found(here / shown, shown, "logs", here, explicit=False, home=here, copy_home=here, is_cut=is_cut)


@pytest.mark.parametrize(
    ("shown", "series"),
    [
        ("logs/gateway.log", ("logs", "gateway", 0)),
        ("logs/gateway.1.log", ("logs", "gateway", 1)),
        ("logs/openclaw-2026-04-17.2.log", ("logs", "openclaw-2026-04-17", 2)),
        ("logs/gateway.log.3", ("logs", "gateway", 3)),
        ("gateway.2026.log", ("", "gateway.2026", 0)),
        ("logs/notes.txt", None),
    ],
)
def test_a_log_has_a_place_in_its_series(shown: str, series: tuple[str, str, int] | None) -> None:
    assert series_of(log(shown)) == series


@pytest.mark.parametrize(
    ("names", "before"),
    [
        (["a/x.log", "a/x.1.log", "a/x.2.log"], []),
        (["a/x.log", "a/x.2.log", "a/x.3.log"], ["a/x.2.log"]),
        (["a/x.1.log"], ["a/x.1.log"]),
        (["a/x.log", "b/x.1.log"], ["b/x.1.log"]),
        (["a/x.log", "a/y.1.log"], ["a/y.1.log"]),
        (["a/x.log.1", "a/x.log.3", "a/x.log"], ["a/x.log.3"]),
        (["a/x-2026-04-17.log", "a/x-2026-04-18.log"], []),
    ],
)
def test_a_missing_number_is_a_hole_behind_the_older_file(names: list[str], before: list[str]) -> None:
    told = before_holes([log(name) for name in names])
    assert [name for name, hole in zip(names, told, strict=True) if hole] == before


@pytest.mark.parametrize(
    ("names", "after"),
    [
        (["a/x.log", "a/x.1.log", "a/x.2.log"], []),
        (["a/x.log", "a/x.2.log", "a/x.3.log"], ["a/x.log"]),
        (["a/x.log", "a/x.1.log", "a/x.3.log"], ["a/x.1.log"]),
        (["a/x.log", "b/x.2.log"], []),
        (["a/x.1.log", "a/x.2.log"], []),
        (["a/x.log.1", "a/x.log.3", "a/x.log"], ["a/x.log.1"]),
    ],
)
def test_a_missing_number_is_a_hole_before_the_younger_file(names: list[str], after: list[str]) -> None:
    told = after_holes([log(name) for name in names])
    assert [name for name, hole in zip(names, told, strict=True) if hole] == after


def test_what_came_before_a_log_on_any_day_is_enough() -> None:
    logs = [log("1/x.log"), log("2/x.1.log"), log("2/x.3.log")]
    assert after_holes(logs) == [False, True, False]
    assert after_holes([*logs, log("3/x.2.log")], [[], [log("3/x.1.log")], [log("3/x.3.log")], []]) == [False] * 4


def test_a_log_that_was_cut_stands_before_a_hole_and_what_is_no_log_does_not() -> None:
    assert before_holes([log("a/x.log", is_cut=True), None, log("a/y.log")]) == [True, False, False]
