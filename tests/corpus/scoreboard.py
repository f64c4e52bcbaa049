"""How often the tool is right: simulated gateways against their truth.

    python -m tests.corpus.scoreboard --incidents 100000 --jobs 2

Exit code 1: wrong about a loss, wrong more often than it may be, or a row withheld without naming what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.corpus import figures
from tests.corpus.running import BATCH, SIMULATOR, run
from tests.corpus.tally import ALL, Score, Tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scoreboard; give its exit code."""
    options = _parser().parse_args(arguments)
    tally = _tallied(options)
    told = figures.document(tally, {"incidents": options.incidents, "seed": options.seed, "batch": options.batch})
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if options.failures:
        _write_failures(tally, options.failures)
    if options.update_readme:
        figures.store(told)
        update_readme()
    print(figures.as_text(tally))
    shortcomings = Score(tally.groups[ALL]).shortcomings()
    print("\nNot good enough: " + "; ".join(shortcomings) if shortcomings else "\nGood enough.")
    return 1 if shortcomings else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=_positive, default=2_000, help="simulate until so many are counted")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=_positive, default=1, help="processes")
    parser.add_argument("--batch", type=_positive, default=BATCH, help="gateways handed over in one call")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--failures", type=Path, metavar="DIR", help="write every row with a flaw")
    parser.add_argument("--update-readme", action="store_true", help="store the figures and renew the README's block")
    parser.add_argument("--simulator", default=SIMULATOR, metavar="MODULE", help=argparse.SUPPRESS)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give a number from 1 on")
    return number


def _tallied(options: argparse.Namespace) -> Tally:
    tally = Tally()
    for part in run(options.incidents, options.seed, options.batch, options.jobs, options.simulator):
        tally.merge(part)
        print(f"\r{tally.incidents} incidents, {len(tally.failures)} rows with a flaw", end="", file=sys.stderr)
    print(file=sys.stderr)
    return tally


def _write_failures(tally: Tally, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [figures.as_record(row) + "\n" for row in tally.failures]
    (folder / "failures.jsonl").write_text("".join(lines), encoding="utf-8")
    told = [figures.described(row) + "\n" for row in tally.failures]
    (folder / "failures.txt").write_text("\n".join(told), encoding="utf-8")


def update_readme(readme: Path = figures.ROOT / "README.md") -> None:
    """Make the README's block anew from the stored figures."""
    readme.write_text(figures.with_block(readme.read_text("utf-8"), figures.stored()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
