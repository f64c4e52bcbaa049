"""``forensics collect``."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics import __version__
from forensics.cli.display import tell
from forensics.cli.options import Asked, default_paths, input_options
from forensics.cli.progress import shown_progress
from forensics.model.escape import for_terminal

if TYPE_CHECKING:
    from forensics.collect.collecting import Collected


@click.command("collect")
@input_options
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder that keeps all snapshots; made if there is none.",
)
def command(asked: Asked, into: Path) -> None:
    """Preserve the evidence before it vanishes: one snapshot per run, to be audited as one history.

    \b
    Examples:
      forensics collect --into ~/evidence
      forensics collect ~/.openclaw /tmp/openclaw --into /backup/evidence
      forensics collect --gateway office=/srv/office --gateway lab=/srv/lab \\
        --into /backup/evidence
      forensics audit ~/evidence

    Gateways delete rolling logs, and newer ones lost rows, after 24 hours: run it at least once a day. It is safe
    beside a live gateway, whose files are only read. Each run adds a folder of its own with a manifest of hashes; what
    has not changed since is not stored again, and of a log that has grown only what is new takes room. Names of
    gateways and the zone are kept for later audits. Credentials, transcripts and configuration are never taken.
    """  # noqa: D301
    from forensics.collect.collecting import collect

    with shown_progress(asked.progress, sys.stderr, os.environ.get("TERM")) as progress:
        made = collect(
            asked.paths if asked.paths or asked.gateways else default_paths(),
            into,
            at=datetime.now(UTC),
            host=platform.node() or "unknown",
            version=__version__,
            gateways=asked.gateways,
            zone=asked.zone,
            progress=progress,
        )
    _tell(made)


def _tell(made: Collected) -> None:
    files, shared = len(made.manifest.files), made.shared_files
    as_before = f"{shared} of them as before" + f", {made.grown_files} longer" * bool(made.grown_files)
    folder = for_terminal(str(made.folder))
    click.echo(f"{folder}: {files} files, {as_before}; {made.new_bytes:,} new bytes", err=True)
    left = sum(each.files for each in made.manifest.left_out)
    if left:
        named = ", ".join(for_terminal(f"{each.files} × {each.what}") for each in made.manifest.left_out)
        click.echo(f"left out: {left} files or folders ({named})", err=True)
    for missing in made.manifest.missing:
        tell("warning", f"not collected: {missing.path}: {missing.why}; it proves nothing by its absence")
