"""Runs the command line as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def forensics(
    *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``forensics`` in a process of its own; give its exit code and both outputs."""
    return subprocess.run(
        [sys.executable, "-m", "forensics", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=dict(os.environ) | dict(env or {}),
    )
