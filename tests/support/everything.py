"""Runs every command that writes a result, in every format, and keeps what each wrote: ``python -m … INTO PATH…``.

Paths are relative to the folder it runs in. What a command says on standard error is kept as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from click.testing import CliRunner

from forensics.cli import main

GATEWAY = "every-verdict"
"""The folder of the gateway whose registry is corrected, and whose incident is bundled."""


def commands(into: Path, paths: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Give each command under a name of its own; those that write files write them into the folder."""
    for form in ("text", "markdown", "html", "json"):
        yield f"audit.{form}", ["audit", *paths, "-f", form]
    yield "frames", ["audit", *paths, "--save-frames", str(into / "frames")]
    also = [f"{form}={into / form}" for form in ("json", "sarif", "junit", "github")]
    yield "check", ["check", *paths, *(word for told in also for word in ("--also", told))]
    yield "baseline", ["check", *paths, "--baseline", str(into / "known.json"), "--update-baseline"]
    for form in ("text", "json", "timesketch-jsonl", "timesketch-csv"):
        yield f"timeline.{form}", ["timeline", *paths, "-f", form]
    yield "timeline.lnav", ["timeline", *paths, "-f", "lnav", "--lnav-format", str(into / "lnav.json")]
    for form in ("text", "json"):
        yield f"explain.{form}", ["explain", "hourly-mail", *paths, "-f", form]
        yield f"explain-row.{form}", ["explain", "a9bd7cb7", *paths, "-f", form]
        yield f"restarts.{form}", ["restarts", *paths, "-f", form]
        yield f"sources.{form}", ["sources", *paths, "-f", form]
    own = [path for path in paths if GATEWAY in path]
    yield "fix", ["fix", *own, "-o", str(into / "fix.sql"), "--undo", str(into / "undo.sql")]
    for ending in ("zip", "tar.gz"):
        yield f"bundle.{ending}", ["bundle", *own, "-o", str(into / f"bundle.{ending}")]
    yield "schema", ["schema", "check"]


def run_all(into: Path, paths: Sequence[str]) -> None:
    """Run every command; keep its two outputs as files beside those that it writes itself."""
    into.mkdir()
    for name, arguments in commands(into, paths):
        runner = CliRunner(env={"GITHUB_STEP_SUMMARY": str(into / "summary.md")} if name == "check" else {})
        result = runner.invoke(main, arguments)
        if result.exit_code not in (0, 1) or not isinstance(result.exception, SystemExit | None):
            raise RuntimeError(f"{arguments}: {result.output} {result.exception!r}")
        (into / f"{name}.out").write_bytes(result.stdout_bytes)
        (into / f"{name}.err").write_text(result.stderr.replace(str(into), "INTO"), encoding="utf-8")


if __name__ == "__main__":
    os.environ.pop("GITHUB_STEP_SUMMARY", None)
    run_all(Path(sys.argv[1]), sys.argv[2:])
