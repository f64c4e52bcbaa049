"""Imports only point down: cli, repair or collect, then writers or parsers, then the correlator, then the model."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "forensics"

ALLOWED = {
    "model": {"model"},
    "parsers": {"parsers", "model"},
    "correlator": {"correlator", "model"},
    "writers": {"writers", "correlator", "model"},
    "repair": {"repair", "writers", "correlator", "parsers", "model"},
    "collect": {"collect", "writers", "correlator", "parsers", "model"},
    "cli": {"cli", "repair", "collect", "writers", "correlator", "parsers", "model"},
}
REASONING = {
    "told_contrasts",
    "told_doubts",
    "told_facts",
    "told_journals",
    "told_nothing",
    "told_proof",
    "told_searches",
}
"""The parts of the reasoning behind an explanation: data, which text and JSON are written from."""

FIGURES = {"told_reliability", "told_times", "drawing"}
"""Figures beside the findings, in the words of every report, and the drawing of one row."""

_OF_TABLES = {"columns", "layout", "measure", "tables"}
SHARED_WRITING = {"phrases", "told_in_order", "told_nothing", "wording"} | _OF_TABLES | REASONING | FIGURES
"""What writers share; one writer never imports another."""


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "forensics" and len(parts) > 1:
                yield parts[1], parts[2] if len(parts) > 2 else ""


@pytest.mark.parametrize("layer", sorted(ALLOWED))
def test_layer_imports_only_what_lies_below(layer: str) -> None:
    modules = sorted((PACKAGE / layer).rglob("*.py"))
    assert modules
    wrong = [
        f"{path.name} imports {target}"
        for path in modules
        for target, _ in imports_of(path)
        if target not in ALLOWED[layer]
    ]
    assert wrong == []


def test_no_writer_imports_another() -> None:
    writers = PACKAGE / "writers"
    wrong = [
        f"{path.relative_to(writers)} imports {module}"
        for path in sorted(writers.rglob("*.py"))
        for target, module in imports_of(path)
        if target == "writers" and module not in SHARED_WRITING | _own_parts(path.relative_to(writers))
    ]
    assert wrong == []


def _own_parts(path: Path) -> set[str]:
    """Name the writer that a module is a part of, where the writer is a package of its own."""
    return {path.parts[0]} if len(path.parts) > 1 else set()


def test_only_the_command_line_reads_the_environment_or_the_clock() -> None:
    banned = ("os.environ", "datetime.now(", "time.time(", "print(", "sys.exit")
    wrong = [
        f"{path.relative_to(PACKAGE)}: {word}"
        for layer in ("model", "parsers", "correlator", "writers", "repair", "collect")
        for path in sorted((PACKAGE / layer).rglob("*.py"))
        for word in banned
        if word in path.read_text("utf-8")
    ]
    assert wrong == []
