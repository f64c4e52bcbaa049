"""The scoreboard from end to end, the README's block, and how a failing case is made smaller."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import forensics
from tests.corpus import figures, shrink, standin
from tests.corpus.judging import Answer, Flaw, Judged, judge
from tests.corpus.running import folder_in_memory, run, simulator_of
from tests.corpus.scoreboard import main, update_readme
from tests.corpus.shrink import Case, Shrinker, plainer
from tests.corpus.tally import ALL, Score, Tally
from tests.corpus.truth import Incident, Row

STAND_IN = "tests.corpus.standin"
SLICE = 600
"""So many incidents are judged in every run of the suite, always the same."""


def test_a_slice_of_the_corpus_is_judged_well_enough() -> None:
    tally = Tally()
    for part in run(SLICE, 1):
        tally.merge(part)
    told = Score(tally.groups[ALL])
    assert told.shortcomings() == [], figures.as_text(tally)
    assert min(told.figures()[name] or 0 for name in ("decided", "withheld", "false_lost recall")) > 0


def score(*arguments: str) -> int:
    return main(["--simulator", STAND_IN, *arguments])


def with_fault(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    real = standin.drawn
    monkeypatch.setattr(standin, "drawn", lambda seed: {**real(seed), "fault": fault})


def test_a_good_run_exits_with_0_and_counts_what_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score("--incidents", "25", "--batch", "10", "--json", str(tmp_path / "f.json")) == 0
    told = json.loads((tmp_path / "f.json").read_text())
    assert (told["all"]["gateways"], told["all"]["incidents"]) == (30, 30)
    assert told["run"] == {"incidents": 25, "seed": 1, "batch": 10}
    assert told["all"]["decided"] > 0
    assert told["all"]["withheld"] > 0
    shown = capsys.readouterr().out
    assert shown.startswith("30 gateways, 30 incidents, ")
    assert "Good enough." in shown


def test_processes_count_the_same_as_one(tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        assert score("--incidents", "12", "--batch", "4", "--jobs", jobs, "--json", str(tmp_path / jobs)) == 0
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("lie", "wrong about a loss: "),
        ("stranger", "row the truth does not know: "),
        ("ghost", "row not told: "),
        ("mute", "names nothing that is missing: "),
    ],
)
def test_a_planted_fault_is_found_and_listed(
    fault: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault(monkeypatch, fault)
    assert score("--incidents", "20", "--batch", "20", "--failures", str(tmp_path)) == 1
    assert named in capsys.readouterr().out.splitlines()[-1]
    listed = [json.loads(line) for line in (tmp_path / "failures.jsonl").read_text().splitlines()]
    assert listed
    assert all(row["shrink"].startswith("python -m tests.corpus.shrink ") for row in listed)
    assert (tmp_path / "failures.txt").read_text().count("  shrink    ") == len(listed)


def test_a_gateway_on_which_the_tool_fails_costs_only_its_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = forensics.load_evidence

    def failing(*, gateways: dict[str, Any]) -> Any:
        if "gateway-3" in gateways:
            raise ValueError("planted")
        return real(gateways=gateways)

    monkeypatch.setattr(forensics, "load_evidence", failing)
    rows = judge([standin.simulated(seed, tmp_path) for seed in range(5)])
    assert {row.seed for row in rows if row.flaws() == (Flaw.CRASHED,)} == {3}
    assert {row.seed for row in rows if not row.flaws()} == {0, 1, 2, 4}
    assert {row.crash for row in rows} == {None, "ValueError: planted"}
    assert {row.company for row in rows} == {(0, 5)}


def test_a_call_that_fails_only_in_company_costs_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = forensics.load_evidence

    def failing(*, gateways: dict[str, Any]) -> Any:
        if len(gateways) > 1:
            raise ValueError("planted")
        return real(gateways=gateways)

    monkeypatch.setattr(forensics, "load_evidence", failing)
    rows = judge([standin.simulated(seed, tmp_path) for seed in range(2)])
    assert {row.flaws() for row in rows} == {(Flaw.CRASHED,)}


def test_gateways_that_count_nothing_do_not_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.corpus.running.scored", lambda _: Tally())
    with pytest.raises(RuntimeError, match="count no incident"):
        list(run(1, 1, simulator=STAND_IN))


def test_nothing_is_left_behind() -> None:
    with folder_in_memory() as folder:
        standin.simulated(1, folder)
        assert any(folder.iterdir())
    assert not folder.exists()


def test_the_block_of_the_readme_is_what_the_command_writes() -> None:
    readme = (figures.ROOT / "README.md").read_text("utf-8")
    assert figures.with_block(readme, figures.stored()) == readme


def test_the_block_shows_the_figures_of_the_stored_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "STORED", tmp_path / "figures.json")
    readme = tmp_path / "README.md"
    shutil.copyfile(figures.ROOT / "README.md", readme)
    monkeypatch.setattr("tests.corpus.scoreboard.update_readme", lambda: update_readme(readme))
    assert score("--incidents", "10", "--batch", "10", "--update-readme") == 0
    told = figures.stored()
    assert told is not None
    block = figures.block(told)
    assert block in readme.read_text("utf-8")
    assert "10 gateways with 10 incidents" in block
    assert "python -m tests.corpus.scoreboard --incidents 10 --seed 1" in block
    assert [line.split("|")[1].strip() for line in block.splitlines() if line.startswith("|")][2:] == [
        "2026.4.15",
        "all",
    ]
    assert str(told["all"]["rows"]) in block


def test_a_case_is_made_as_small_as_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault(monkeypatch, "lie")
    seed = next(seed for seed in range(99) if standin.drawn(seed)["jobs"] == 5 and lies(seed))
    into = tmp_path / "case"
    assert shrink.main([str(seed), "--simulator", STAND_IN, "--into", str(into)]) == 0
    shown = capsys.readouterr().out
    told = (into / "README.md").read_text()
    for part in ("failed (exact)", "false_lost (exact)", "forensics explain ", "wrong about a loss"):
        assert part in told
    assert (into / f"gateway-{seed}" / "state" / "tasks" / "runs.sqlite").is_file()
    knobs = json.loads(told.split("```json\n")[1].split("```")[0])
    assert knobs["jobs"] < 5
    assert knobs["fault"] == "lie"
    assert shown.splitlines()[-1] in told
    assert lies(seed, jobs=knobs["jobs"])
    assert not lies(seed, jobs=knobs["jobs"] - 1)


def lies(seed: int, **knobs: object) -> bool:
    """Tell whether a truth that lies of errors can be seen to lie."""
    with folder_in_memory() as folder:
        rows = judge([standin.simulated(seed, folder, {**standin.drawn(seed), **knobs, "fault": "lie"})])
    return any(Flaw.WRONG_ABOUT_LOSS in row.flaws() for row in rows)


def test_the_printed_command_repeats_the_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    knobs = json.dumps({**standin.PLAIN, "fault": "ghost"})
    arguments = ["3", "--knobs", knobs, "--simulator", STAND_IN, "--into", str(tmp_path / "case")]
    for _ in range(2):
        assert shrink.main(arguments) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[0] == "seed 3 fails alone: row not told"
        assert shown[-1] == f"python -m tests.corpus.shrink 3 --knobs '{knobs}' --simulator {STAND_IN}"


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    knobs = json.dumps({**standin.PLAIN, "fault": "ghost"})
    with pytest.raises(FileExistsError, match="holds other files"):
        shrink.main(["3", "--knobs", knobs, "--simulator", STAND_IN, "--into", str(tmp_path)])
    assert (tmp_path / "precious").read_text() == "x"


def test_where_nothing_fails_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "case"
    assert shrink.main(["3", "--simulator", STAND_IN, "--company", "1:4", "--into", str(into)]) == 1
    assert "no row of seed 3 fails" in capsys.readouterr().out
    assert not into.exists()


def quarrelsome(enemies: set[int]) -> Any:
    """Give a judge that loses the rows of the gateway of seed 20 where all of some others are there."""

    def judged(incidents: Sequence[Incident]) -> Sequence[Judged]:
        together = enemies <= {incident.seed for incident in incidents}
        own = incidents[-1]
        return [
            Judged(own.seed, own.gateway, row.task_id, row.fate, row.deserved, None if together else as_deserved(row))
            for row in own.rows
        ]

    return judged


def as_deserved(row: Row) -> Answer:
    """Give the answer that a row deserves."""
    (verdict,), (confidence,), (cause,) = row.deserved.verdicts, row.deserved.confidences, row.deserved.causes
    return Answer(verdict, confidence, cause, tuple(row.deserved.reasons), row.deserved.correct)


@pytest.mark.parametrize("enemies", [{3}, {3, 31}, {1, 2, 38}])
def test_a_case_that_fails_only_in_company_keeps_only_the_company_it_needs(enemies: set[int]) -> None:
    shrinker = Shrinker(simulator_of(STAND_IN), quarrelsome(enemies))
    found = shrink.find(shrinker, 20, None, range(40))
    assert found is not None
    case, row = found
    assert len(case.company) == 39
    assert row.flaws() == (Flaw.MISSING,)
    small = shrinker.smallest(case, row.likeness)
    assert set(small.company) == enemies
    assert small.knobs["jobs"] == 1
    assert shrinker.tried < 60


@pytest.mark.parametrize(
    ("value", "default", "tried"),
    [
        ("torn line", "none", ["none"]),
        ("none", "none", []),
        (5, 2, [2, 1, 3, 4]),
        (2, 2, [1]),
        (1, 1, []),
        (True, False, [False]),
        (9_000, 0, [0, 1, 4500, 6750]),
    ],
)
def test_plainer_values_of_a_knob(value: object, default: object, tried: list[object]) -> None:
    assert list(plainer(value, default))[: len(tried)] == tried
    if len(tried) < 3:
        assert list(plainer(value, default)) == tried


def test_a_knob_that_is_lowered_too_far_is_no_case() -> None:
    def judged(incidents: Sequence[Incident]) -> Sequence[Judged]:
        if len(incidents[-1].rows) < 3:
            raise ValueError("too few")
        return [Judged(20, "g", row.task_id, row.fate, row.deserved, None) for row in incidents[-1].rows]

    shrinker = Shrinker(simulator_of(STAND_IN), judged)
    case = Case(20, {**standin.PLAIN, "jobs": 5})
    row = shrinker.failing(case)[0]
    assert shrinker.smallest(case, row.likeness).knobs["jobs"] == 3


def test_a_tally_of_a_real_run_has_no_shortcoming() -> None:
    tally = Tally()
    for part in run(60, 100, simulator=STAND_IN):
        tally.merge(part)
    assert Score(tally.groups[ALL]).shortcomings() == []
