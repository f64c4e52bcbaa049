"""The names the package exports, and that nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import forensics


def test_exported_names() -> None:
    assert forensics.__all__ == [
        "Evidence",
        "Finding",
        "Policy",
        "Report",
        "audit",
        "frames_of",
        "load_evidence",
        "plan_fix",
        "timeline",
        "write_fix",
        "write_html",
        "write_json",
        "write_lnav",
        "write_markdown",
        "write_parquet",
        "write_text",
        "write_timeline",
        "write_timesketch_csv",
        "write_timesketch_jsonl",
    ]
    assert all(getattr(forensics, name) is not None for name in forensics.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = forensics.nothing


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_start_without_polars(option: str) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['forensics', {option!r}]\n"
        "from forensics.cli import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "assert 'polars' not in sys.modules, 'polars was imported'\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "forensics" in result.stdout
