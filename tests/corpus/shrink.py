"""Makes the case of a failing row as small as it fails in the same way, and writes it into a folder.

    python -m tests.corpus.shrink SEED [--task ID] [--company FIRST:COUNT] [--into FOLDER]

The gateway is judged alone; where it fails only in company, the company is halved as long as it does. Then every knob
is turned back to its default, and numbers are lowered, as long as a row of the same fate fails in the same way. With
``--knobs`` the gateway is simulated with these, and nothing is made smaller.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.corpus.figures import described
from tests.corpus.judging import Judged, judge
from tests.corpus.running import BATCH, SIMULATOR, Judge, Knobs, Simulator, folder_in_memory, simulator_of

Likeness = tuple[object, ...]

_TITLE = "# One row on which truth and tool disagree"


@dataclass(frozen=True, slots=True)
class Case:
    """One gateway with all its knobs, and the seeds of those that it is handed over with."""

    seed: int
    knobs: Knobs
    company: tuple[int, ...] = ()


@dataclass(slots=True)
class Shrinker:
    """Tries smaller cases of one failure; ``tried`` counts them."""

    simulator: Simulator
    judged: Judge = judge
    tried: int = field(default=0)

    def failing(self, case: Case) -> list[Judged]:
        """Give the rows of a case's own gateway that have a flaw."""
        self.tried += 1
        with folder_in_memory() as folder:
            others = [self.simulator.simulated(seed, folder) for seed in case.company]
            incident = self.simulator.simulated(case.seed, folder, knobs=case.knobs)
            told = self.judged([*others, incident])
        return [row for row in told if row.seed == case.seed and row.flaws()]

    def fails_alike(self, case: Case, likeness: Likeness) -> bool:
        """Tell whether a row of the case fails in this way; the row may have another id.

        A knob may have been lowered to what cannot be simulated: such a case is none.
        """
        try:
            return any(row.likeness == likeness for row in self.failing(case))
        except (ValueError, LookupError, ArithmeticError):
            return False

    def smallest(self, case: Case, likeness: Likeness) -> Case:
        """Give the smallest case found that fails in the same way: first less company, then plainer knobs."""
        case = self._with_less_company(case, likeness)
        before = None
        while before != case:
            before = case
            for name in self.simulator.PLAIN:
                case = self._turned_back(case, name, likeness)
        return case

    def _with_less_company(self, case: Case, likeness: Likeness) -> Case:
        """Leave gateways out, halves first, then quarters and so on, as long as it fails without them."""
        if case.company and self.fails_alike(replace(case, company=()), likeness):
            return replace(case, company=())
        size = len(case.company) // 2
        while size:
            for start in range(0, len(case.company), size):
                part = case.company[start : start + size]
                fewer = replace(case, company=tuple(seed for seed in case.company if seed not in part))
                if fewer.company and self.fails_alike(fewer, likeness):
                    case = fewer
                    break
            else:
                size //= 2
            size = min(size, len(case.company) // 2)
        return case

    def _turned_back(self, case: Case, name: str, likeness: Likeness) -> Case:
        for value in plainer(case.knobs.get(name), self.simulator.PLAIN[name]):
            smaller = replace(case, knobs={**case.knobs, name: value})
            if self.fails_alike(smaller, likeness):
                return smaller
        return case


def plainer(value: object, default: object) -> Iterator[object]:
    """Give the plainer values of a knob, the plainest first: its default, and of a number what lies towards 1."""
    if value == default:
        yield from _lower(value)
        return
    yield default
    yield from _lower(value)


def _lower(value: object) -> Iterator[int]:
    if isinstance(value, bool) or not isinstance(value, int):
        return
    lower = 1
    while lower < value:
        yield lower
        lower = max(lower + 1, (lower + value) // 2)


def find(shrinker: Shrinker, seed: int, task: str | None, company: Sequence[int]) -> tuple[Case, Judged] | None:
    """Give the case and the failing row: alone if it fails so, else with its company; None if neither does."""
    alone = Case(seed, dict(shrinker.simulator.drawn(seed)))
    others = tuple(other for other in company if other != seed)
    for case in (alone, replace(alone, company=others)):
        rows = [row for row in shrinker.failing(case) if task in (None, row.task_id)]
        if rows:
            return case, rows[0]
        if not others:
            break
    return None


def write(shrinker: Shrinker, case: Case, row: Judged, into: Path, commands: Mapping[str, str]) -> None:
    """Write the files of a case and a README that says what is deserved and what was given; a case there is replaced.

    Raises:
        FileExistsError: the folder holds something that is no such case.
    """
    if into.exists() and any(into.iterdir()):
        readme = into / "README.md"
        if not (readme.is_file() and readme.read_text("utf-8").startswith(_TITLE)):
            message = f"{into} holds other files: name a new folder"
            raise FileExistsError(message)
        shutil.rmtree(into)
    into.mkdir(parents=True, exist_ok=True)
    gateways = [shrinker.simulator.simulated(other, into) for other in case.company]
    gateways.append(shrinker.simulator.simulated(case.seed, into, knobs=case.knobs))
    given = [f"{one.gateway}: {', '.join(path.relative_to(into).as_posix() for path in one.paths)}" for one in gateways]
    told = [_TITLE, "", "```", described(row), "```", "", "Handed over:", ""]
    told += [f"- {line}" for line in given]
    told += ["", "Knobs:", "", "```json", json.dumps(dict(case.knobs), indent=1, default=str), "```", ""]
    for what, command in commands.items():
        told += [f"{what}:", "", "```sh", command, "```", ""]
    (into / "README.md").write_text("\n".join(told), encoding="utf-8")


def repeating(case: Case, simulator: str) -> str:
    """Give the command that simulates and judges a case again."""
    told = ["python -m tests.corpus.shrink", str(case.seed), f"--knobs '{json.dumps(dict(case.knobs), default=str)}'"]
    told += [f"--with {','.join(map(str, case.company))}"] if case.company else []
    told += [f"--simulator {simulator}"] if simulator != SIMULATOR else []
    return " ".join(told)


def explaining(case: Case, row: Judged, simulator: Simulator, into: Path) -> str:
    """Give the command that explains the row from the written files."""
    with folder_in_memory() as folder:
        incident = simulator.simulated(case.seed, folder, knobs=case.knobs)
        paths = [path.relative_to(folder) for path in incident.paths]
    return " ".join([f"forensics explain {row.task_id}", *(f"{into / path}" for path in paths)])


def main(arguments: Sequence[str] | None = None, judged: Judge = judge) -> int:
    """Make one case small; give the exit code: 0 when a failing row was found, 1 when none fails."""
    options = _parser().parse_args(arguments)
    simulator = simulator_of(options.simulator)
    shrinker = Shrinker(simulator, judged)
    found = _found(shrinker, options)
    if found is None:
        print(f"no row of seed {options.seed} fails, neither alone nor in company; was it of another batch?")
        return 1
    case, row = found
    print(f"seed {case.seed} fails {'only in company' if case.company else 'alone'}: {', '.join(row.flaws())}")
    if options.knobs is None:
        case = shrinker.smallest(case, row.likeness)
        row = next(other for other in shrinker.failing(case) if other.likeness == row.likeness)
    into = options.into or Path(tempfile.gettempdir()) / f"forensics-case-{case.seed}"
    commands = {
        "Simulate and judge it again": repeating(case, options.simulator),
        "See what the tool makes of it": explaining(case, row, simulator, into),
    }
    write(shrinker, case, row, into, commands)
    print("\n".join(["", described(row), "", *_plain_knobs(case, simulator), "", f"written to {into}, repeat it with"]))
    print(commands["Simulate and judge it again"])
    return 0


def _plain_knobs(case: Case, simulator: Simulator) -> Iterator[str]:
    told = [f"{name}={value}" for name, value in case.knobs.items() if value != simulator.PLAIN.get(name)]
    yield f"knobs that are not plain: {', '.join(told) or 'none'}"
    if case.company:
        yield f"in company of the seeds {', '.join(map(str, case.company))}"


def _found(shrinker: Shrinker, options: argparse.Namespace) -> tuple[Case, Judged] | None:
    if options.knobs is None:
        first, count = options.company
        return find(shrinker, options.seed, options.task, range(first, first + count))
    case = Case(options.seed, options.knobs, tuple(options.together))
    rows = [row for row in shrinker.failing(case) if options.task in (None, row.task_id)]
    return (case, rows[0]) if rows else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("--task", metavar="ID", help="the row; without it, the first that fails")
    parser.add_argument("--company", type=_range, default=(0, 0), metavar="FIRST:COUNT", help="the batch it failed in")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="where to write the case")
    parser.add_argument("--knobs", type=json.loads, metavar="JSON", help="judge this case as it is")
    parser.add_argument(
        "--with", type=_numbers, default=(), dest="together", metavar="SEED,…", help="with --knobs: its company"
    )
    parser.add_argument("--simulator", default=SIMULATOR, metavar="MODULE", help=argparse.SUPPRESS)
    return parser


def _range(text: str) -> tuple[int, int]:
    first, _, count = text.partition(":")
    return int(first), int(count or BATCH)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    sys.exit(main())
