"""Every figure of the scoreboard, from rows made by hand: each can be wrong, so each counter can fail."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from forensics.model.verdicts import Reason
from tests.corpus.figures import as_record, as_text, described, document
from tests.corpus.judging import Answer, Flaw, Judged, compared
from tests.corpus.standin import simulated
from tests.corpus.tally import ALL, Score, Tally, percent, tallied
from tests.corpus.truth import Correct, Deserved, Fate, Incident, Row

KNOBS = {"release": "2026.5.7", "registry": "r", "records": "t", "log": "l", "damage": "none", "jobs": 3}
RIGHT = Correct("succeeded", 1_000, None)


def deserves(*verdicts: str, confidence: str | None = "exact", reasons: str = "", **more: object) -> Deserved:
    told = Deserved(frozenset(verdicts), frozenset({confidence}), frozenset({"restart"}), frozenset(reasons.split()))
    return replace(told, **more)  # type: ignore[arg-type]


def gave(verdict: str, confidence: str | None = "exact", cause: str = "restart", *reasons: str) -> Answer:
    return Answer(verdict, confidence, cause, reasons)


def row(deserved: Deserved | None, given: Answer | None, fate: Fate = Fate.OK, task: str = "a") -> Judged:
    return Judged(7, "gateway-7", task, fate, deserved, given, knobs=KNOBS)


FALSE = deserves("false_lost", correct=RIGHT)
HELD = deserves("undetermined", confidence=None, reasons="run_log_absent run_log_missing")
OPEN = deserves("undetermined", "unexplained", confidence=None, reasons="may_still_run")
WELL = replace(gave("false_lost"), corrected=RIGHT)
WITHHELD = gave("undetermined", None, "restart", "run_log_missing")


@pytest.mark.parametrize(
    ("judged", "flaws"),
    [
        (row(FALSE, WELL), []),
        (row(HELD, WITHHELD), []),
        (row(OPEN, gave("unexplained", None)), []),
        (row(OPEN, gave("undetermined", None, "restart", "may_still_run")), []),
        # wrong about a loss: by fate, by what is deserved, and firmly only
        (row(deserves("interrupted"), gave("false_lost"), Fate.DIED), [Flaw.WRONG_ABOUT_LOSS, Flaw.WRONG_VERDICT]),
        (row(HELD, gave("false_lost", "strong"), Fate.ALIVE), [Flaw.WRONG_ABOUT_LOSS, Flaw.NOT_WITHHELD]),
        (row(HELD, gave("failed", "strong"), Fate.ERROR), [Flaw.WRONG_ABOUT_LOSS, Flaw.NOT_WITHHELD]),
        (row(HELD, gave("false_lost", "weak"), Fate.ALIVE), [Flaw.NOT_WITHHELD]),
        (row(deserves("false_lost"), gave("failed")), [Flaw.WRONG_ABOUT_LOSS, Flaw.WRONG_VERDICT]),
        (row(deserves("false_lost"), gave("false_lost"), Fate.ABORTED), [Flaw.WRONG_ABOUT_LOSS]),
        (row(deserves("failed"), gave("failed"), Fate.ABORTED), []),
        (row(deserves("failed"), gave("failed"), Fate.DIED), [Flaw.WRONG_ABOUT_LOSS]),
        (row(deserves("false_lost"), gave("interrupted")), [Flaw.WRONG_VERDICT]),
        (row(deserves("false_lost"), WITHHELD), [Flaw.WRONG_VERDICT]),
        (row(HELD, gave("interrupted", "strong"), Fate.DIED), [Flaw.NOT_WITHHELD]),
        # of a row that must be withheld, one of the reasons must be told
        (row(HELD, gave("undetermined", None, "restart", "conflict")), [Flaw.NAMES_NOTHING]),
        (row(OPEN, gave("undetermined", None)), [Flaw.NAMES_NOTHING]),
        (row(deserves("undetermined", confidence=None), gave("undetermined", None)), []),
        # confidences count for right verdicts only
        (row(deserves("interrupted", confidence="strong"), gave("interrupted")), [Flaw.OVER_CONFIDENT]),
        (row(deserves("interrupted", confidence="strong"), gave("interrupted", "weak")), [Flaw.UNDER_CONFIDENT]),
        (row(deserves("interrupted", confidence=None), gave("interrupted", "weak")), [Flaw.OVER_CONFIDENT]),
        (row(deserves("interrupted", confidences=frozenset()), gave("interrupted", "weak")), []),
        (row(deserves("interrupted", confidence="weak"), gave("replayed")), [Flaw.WRONG_VERDICT]),
        (row(deserves("interrupted"), gave("interrupted", "exact", "unknown")), [Flaw.WRONG_CAUSE]),
        (row(deserves("interrupted", causes=frozenset()), gave("interrupted", "exact", "unknown")), []),
        # corrected values count where they are known and due
        (row(FALSE, gave("false_lost")), [Flaw.WRONG_STATUS, Flaw.WRONG_END, Flaw.WRONG_ERROR]),
        (row(FALSE, replace(WELL, corrected=replace(RIGHT, status="failed"))), [Flaw.WRONG_STATUS]),
        (row(FALSE, replace(WELL, corrected=replace(RIGHT, ended_at=1_001))), [Flaw.WRONG_END]),
        (row(FALSE, replace(WELL, corrected=replace(RIGHT, error="boom"))), [Flaw.WRONG_ERROR]),
        (row(deserves("false_lost", correct=replace(RIGHT, ended_at=None)), WELL), []),
        (row(deserves("interrupted", correct=RIGHT), gave("interrupted")), []),
        # rows that one side does not know
        (row(FALSE, None), [Flaw.MISSING]),
        (row(None, WELL), [Flaw.TOO_MANY]),
        (replace(row(FALSE, None), crash="ValueError: x"), [Flaw.CRASHED]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_answer(judged: Judged, flaws: list[Flaw]) -> None:
    assert list(judged.flaws()) == flaws


def figures_of(*rows: Judged) -> dict[str, int | float | None]:
    return Score(tallied([], rows).groups[ALL]).figures()


@pytest.mark.parametrize(
    ("figure", "good", "bad", "expected"),
    [
        ("verdicts right", row(FALSE, WELL), row(deserves("failed"), gave("interrupted")), 1 / 2),
        ("verdicts right", row(FALSE, WELL), row(FALSE, None), 1 / 2),
        ("withheld rightly", row(HELD, WITHHELD), row(HELD, gave("unexplained", None)), 1 / 2),
        ("open rightly", row(OPEN, gave("unexplained", None)), row(OPEN, gave("replayed")), 1 / 2),
        ("missing evidence named", row(HELD, WITHHELD), row(OPEN, gave("undetermined", None)), 1 / 2),
        ("false_lost precision", row(FALSE, WELL), row(deserves("failed"), gave("false_lost", "weak")), 1 / 2),
        ("false_lost recall", row(FALSE, WELL), row(FALSE, gave("undetermined", None)), 1 / 2),
        ("causes right", row(FALSE, WELL), row(FALSE, replace(WELL, cause="unknown")), 1 / 2),
        ("statuses right", row(FALSE, WELL), row(FALSE, gave("false_lost")), 1 / 2),
        ("ends right", row(FALSE, WELL), row(FALSE, gave("false_lost")), 1 / 2),
        ("errors right", row(FALSE, WELL), row(FALSE, gave("false_lost")), 1 / 2),
    ],
)
def test_every_share_falls_with_one_bad_row(figure: str, good: Judged, bad: Judged, expected: float) -> None:
    assert figures_of(good)[figure] == 1
    assert figures_of(good, bad)[figure] == expected


@pytest.mark.parametrize(
    ("figure", "other"),
    [
        ("verdicts right", row(HELD, gave("failed", "weak"))),
        ("withheld rightly", row(FALSE, gave("undetermined", None))),
        ("withheld rightly", row(OPEN, gave("failed", "weak"))),
        ("open rightly", row(HELD, gave("failed", "weak"))),
        ("missing evidence named", row(HELD, gave("failed", "weak"))),
        ("false_lost precision", row(FALSE, gave("undetermined", None))),
        ("false_lost recall", row(deserves("failed"), gave("false_lost"))),
        ("causes right", row(FALSE, None)),
        ("ends right", row(FALSE, gave("undetermined", None))),
        ("ends right", row(deserves("false_lost", correct=replace(RIGHT, ended_at=None)), WELL)),
    ],
)
def test_rows_that_a_share_is_not_about_do_not_count(figure: str, other: Judged) -> None:
    assert figures_of(other)[figure] is None


def test_counts_tell_rows_by_what_their_evidence_decides() -> None:
    told = figures_of(row(FALSE, WELL), row(HELD, WITHHELD), row(HELD, None), row(OPEN, WITHHELD), row(None, WELL))
    assert [told[name] for name in ("rows", "decided", "withheld", "open")] == [4, 1, 2, 1]
    assert (told[Flaw.MISSING], told[Flaw.TOO_MANY], told[Flaw.NAMES_NOTHING]) == (1, 1, 1)


def shortcomings(*rows: Judged) -> list[str]:
    return Score(tallied([], rows).groups[ALL]).shortcomings()


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (row(HELD, gave("failed"), Fate.DIED), "wrong about a loss: 1"),
        (row(FALSE, None), "row not told: 1"),
        (row(None, WELL), "row the truth does not know: 1"),
        (replace(row(FALSE, None), crash="x"), "the tool failed: 1"),
        (row(HELD, gave("undetermined", None)), "names nothing that is missing: 1"),
    ],
)
def test_one_row_of_the_worst_kinds_is_not_good_enough(bad: Judged, named: str) -> None:
    good = [row(FALSE, WELL)] * 1_000 + [row(HELD, WITHHELD)] * 1_000
    assert shortcomings(*good) == []
    assert named in shortcomings(*good, bad)


@pytest.mark.parametrize(
    ("good", "bad", "named"),
    [
        (row(FALSE, WELL), row(FALSE, WITHHELD), "verdicts right: 99.40 %, less than 99.50 %"),
        (row(HELD, WITHHELD), row(HELD, gave("unexplained", None)), "withheld rightly: 99.40 %, less than 99.50 %"),
        (row(OPEN, gave("unexplained", None)), row(OPEN, gave("replayed")), "open rightly: 99.40 %, less than 99.50 %"),
    ],
)
def test_verdicts_may_be_wrong_once_in_two_hundred(good: Judged, bad: Judged, named: str) -> None:
    assert shortcomings(*[good] * 995, *[bad] * 5) == []
    assert shortcomings(*[good] * 994, *[bad] * 6) == [named]


def test_a_scoreboard_without_rows_is_not_good_enough() -> None:
    assert shortcomings() == ["no row was judged"]


def incident(knobs: dict[str, object]) -> Incident:
    return Incident(7, "gateway-7", (), (Row("gateway-7", "a", Fate.OK, FALSE),), 5, knobs)


def test_figures_are_told_apart_by_release_and_form() -> None:
    other = KNOBS | {"release": "2026.4.15"}
    rows = [row(FALSE, WELL), replace(row(FALSE, WITHHELD), knobs=other)]
    told = document(tallied([incident(KNOBS), incident(other)], rows), {"seed": 1})
    assert list(told["groups"]["release"]) == ["2026.4.15", "2026.5.7"]
    assert [one["verdicts right"] for one in told["groups"]["release"].values()] == [0, 1]
    assert told["groups"]["damage"]["none"]["verdicts right"] == 1 / 2
    assert [told["all"][name] for name in ("gateways", "incidents", "rows")] == [2, 10, 2]
    assert told["groups"]["release"]["2026.5.7"]["incidents"] == 5
    assert told["confusion"] == [["false_lost", "false_lost", 1], ["false_lost", "undetermined", 1]]
    assert told["run"] == {"seed": 1}


def test_what_the_corpus_does_not_try_can_be_seen() -> None:
    rows = [row(FALSE, WELL), row(HELD, WITHHELD, Fate.DIED), row(HELD, WITHHELD, Fate.DIED)]
    told = document(tallied([], rows), {})
    assert {fate: one["rows"] for fate, one in told["groups"]["fate"].items()} == {"ok": 1, "died": 2}
    assert told["reasons"]["run_log_missing"] == 2
    assert told["reasons"]["conflict"] == 0
    assert set(told["reasons"]) == set(Reason)


def test_tallies_of_workers_add_up_to_that_of_all() -> None:
    rows = [row(FALSE, WELL), row(HELD, gave("failed")), row(None, WELL), row(FALSE, None), row(HELD, WITHHELD)]
    whole = tallied([incident(KNOBS)] * 2, rows)
    merged = Tally()
    for part in (tallied([incident(KNOBS)], rows[:1]), tallied([incident(KNOBS)], rows[1:])):
        merged.merge(pickle.loads(pickle.dumps(part)))  # noqa: S301 - what it has just written
    assert merged == whole
    assert merged.reasons["run_log_missing"] == whole.reasons["run_log_missing"] == 1
    assert [failed.task_id for failed in merged.failures] == ["a"] * 3


@pytest.mark.parametrize(("part", "shown"), [(0.9999999, "99.99 %"), (1, "100 %"), (0, "0.00 %"), (None, "-")])
def test_no_share_is_rounded_up(part: float | None, shown: str) -> None:
    assert percent(part) == shown


def test_a_second_answer_and_one_to_another_gateway_are_failures() -> None:
    told = [("gateway-7", "a", WELL), ("gateway-7", "a", WELL), ("gateway-8", "a", WELL)]
    judged = compared([incident(KNOBS)], told)
    assert [one.flaws() for one in judged] == [(), (Flaw.TOO_MANY,), (Flaw.TOO_MANY,)]
    assert [one.seed for one in judged] == [7, 7, -1]
    assert [one.flaws() for one in compared([incident(KNOBS)], told[2:])] == [(Flaw.MISSING,), (Flaw.TOO_MANY,)]


def test_a_failure_says_what_is_deserved_what_was_given_and_how_to_go_on() -> None:
    bad = replace(row(replace(HELD, why="no run logs"), gave("failed", "strong", "unknown", "own_record"), Fate.DIED),
                  company=(1, 40))  # fmt: skip
    shown = described(bad)
    for part in (
        "wrong about a loss, not withheld, wrong cause: seed 7, gateway-7, task a, fate died",
        "undetermined (None), cause restart, for run_log_absent or run_log_missing",
        "no run logs",
        "failed (strong), cause unknown: own_record",
        "python -m tests.corpus.shrink 7 --task a --company 1:40",
    ):
        assert part in shown
        assert part in as_text(tallied([], [row(FALSE, WELL), bad]))
    assert '"flaws": ["wrong about a loss", "not withheld", "wrong cause"]' in as_record(bad)


def test_at_most_twenty_failures_are_shown_the_worst_first() -> None:
    mild = [row(FALSE, replace(WELL, cause="unknown"), task=f"mild-{number}") for number in range(30)]
    shown = as_text(tallied([], [*mild, row(HELD, gave("failed"), Fate.DIED, task="worst")]))
    assert "31 rows with a flaw" in shown
    assert shown.count("deserved  ") == 20
    assert shown.index("task worst") < shown.index("task mild-0")


def test_the_stand_in_for_a_simulator_gives_the_same_bytes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The tests of the scoreboard rest on it."""
    folders = [tmp_path_factory.mktemp("same") for _ in range(2)]
    for folder in folders:
        simulated(5, folder)
    one, other = ({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
                  for folder in folders)  # fmt: skip
    assert one == other
    assert len(one) > 1
