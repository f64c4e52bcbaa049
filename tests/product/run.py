"""Try the fix-up against the product itself.

    python -m tests.product.run --into SCRATCH
    python -m tests.product.run --into SCRATCH --release 2026.9.6 --release 2026.7.35

Needs npm and a network to install the releases (once per scratch folder); all else stays on this machine. Exit code 1:
something spoke against the fix-up; it is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.product import figures
from tests.product.cases import CASES, Case
from tests.product.judging import judged
from tests.product.markers import tried_with_markers
from tests.product.releases import RELEASES, Installed, install
from tests.product.trial import tried


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials; give the exit code."""
    options = _parser().parse_args(arguments)
    into = options.into.resolve()
    chosen = [
        case for case in CASES if case.release in (options.release or RELEASES) and (options.case or "") in case.label
    ]
    # one after the other: npm is what takes long here, and it takes the machine
    products = {version: install(RELEASES[version], into) for version in sorted({case.release for case in chosen})}
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda case: _result(case, products[case.release], into), chosen))
        marked = pool.map(lambda product: tried_with_markers(product, into), products.values())
        markers = [entry for entries in marked for entry in entries]
    if options.update_readme:
        nodes = {version: product.node_version() for version, product in products.items()}
        figures.store(figures.renewed(figures.stored(), figures.document(results, markers, nodes)))
        figures.update_readme()
    print(figures.table(results))
    print(figures.markers_table(markers))
    failures = [f"{result['case']}: {failure}" for result in results for failure in result["failures"]]
    print("\n".join(failures) or "Nothing speaks against it.")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--into", type=Path, required=True, metavar="SCRATCH", help="install and work below this folder"
    )
    parser.add_argument("--release", action="append", choices=RELEASES, help="only this release (repeatable)")
    parser.add_argument("--case", metavar="TEXT", help="only cases whose name holds this text")
    parser.add_argument("--jobs", type=int, default=3, help="cases at a time; a gateway mostly waits for its sweeps")
    parser.add_argument("--update-readme", action="store_true", help="store the figures and renew the README's tables")
    return parser


def _result(case: Case, product: Installed, into: Path) -> dict[str, Any]:
    """Try one case; a trial that could not be carried out is a failure like any other."""
    try:
        result = judged(tried(case, product, into))
    except (RuntimeError, OSError, ValueError) as error:
        return figures.not_carried_out(case, error)
    print(f"{case.label}: {len(result['failures'])} failures", file=sys.stderr)
    return result


if __name__ == "__main__":
    sys.exit(main())
