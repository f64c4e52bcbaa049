"""``forensics bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics import __version__
from forensics.cli.display import tell
from forensics.cli.options import Asked, audit_options, default_paths
from forensics.model.escape import for_terminal

if TYPE_CHECKING:
    from forensics.collect.bundling import Bundle


@click.command("bundle")
@audit_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The archive to write: .zip or .tar.gz. A file of that name is never overwritten.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="TASK",
    help="Show only this lost row: its id, or the beginning of it. Can be given several times.",
)
def command(asked: Asked, output: Path, tasks: tuple[str, ...]) -> None:
    """Make an anonymised repro of an incident, ready to attach to a public issue.

    \b
    Examples:
      forensics bundle ~/.openclaw /tmp/openclaw -o repro.zip
      forensics bundle ~/.openclaw /tmp/openclaw -o repro.tar.gz --task 97b96ec8
      forensics audit repro.zip

    Names, labels, prompts, summaries, errors, paths, hosts, tokens and ids are replaced, the same by the same
    everywhere; what is not known to be harmless is replaced, too. Times, states and the gateway's own messages stay. It
    is handed over only if none of the originals is found in it, and its audit gives the same verdicts (exit code 4
    otherwise).
    """  # noqa: D301
    from dateutil import tz

    from forensics.collect.bundling import bundle

    made = bundle(
        asked.paths if asked.paths or asked.gateways else default_paths(),
        output,
        tasks,
        version=__version__,
        gateways=asked.gateways,
        zone=asked.zone,
        release=asked.release,
        host_zone=tz.tzlocal(),
    )
    _tell(made, output, asked.release)


def _tell(made: Bundle, output: Path, release: str | None) -> None:
    from forensics.writers.phrases import counted

    files, rows = counted(len(made.manifest.files), "file"), counted(made.rows, "lost row")
    click.echo(f"{for_terminal(str(output))}: {files}; {rows}, same verdicts", err=True)
    replaced = ", ".join(counted(count, kind) for kind, count in made.replaced.items())
    click.echo(f"replaced: {replaced or 'nothing'}", err=True)
    kept = [f"{count} {what}" for what, count in made.kept.items()]
    always = "times, states, numbers of processes, schedules and zones, the gateway's own messages, its release"
    click.echo(f"kept: {'; '.join([always, *kept])}", err=True)
    left = ", ".join(f"{each.files} × {each.what}" for each in made.manifest.left_out)
    if left:
        click.echo(f"left out: {left}", err=True)
    if 0 < len(made.task_ids) <= 5:
        click.echo(f"in the bundle: {', '.join(made.task_ids)}", err=True)
    if made.manifest.assumed_zone is not None:
        zone = made.manifest.assumed_zone
        tell(
            "warning", f"local stamps are taken in {zone}, the zone of this machine: assumed; give --tz if you know it"
        )
    if release is not None:
        click.echo(f"audit it with --release {release}, as here", err=True)
    click.echo("Look at it before you publish it: no program knows what is secret to you.", err=True)
