"""``forensics audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.display import Display, display_options
from forensics.cli.options import (
    Asked,
    audit_options,
    audited_with_facts,
    emit,
    format_option,
    guard_outputs,
    now_option,
    output_option,
    told_command,
)
from forensics.cli.saving import folder_path, guard_folder, save_frames

if TYPE_CHECKING:
    from forensics.model.finding import Report
    from forensics.model.shown import Shown


@click.command("audit")
@audit_options
@format_option("text", "markdown", "html", "json")
@output_option
@click.option(
    "--save-frames",
    "folder",
    type=folder_path,
    metavar="DIR",
    help="Save all frames into this folder, too, as Parquet: what was read, restarts, findings and their facts.",
)
@now_option
@display_options
def command(
    asked: Asked, form: str, output: Path | None, folder: Path | None, now: str | None, display: Display
) -> None:
    """Show the corrected audit: what really happened to every lost row.

    \b
    Examples:
      forensics audit ~/.openclaw /tmp/openclaw
      forensics audit state-copy gateway.log -f html -o audit.html
      forensics audit state-copy --display-tz local
      forensics audit state-copy --save-frames frames
      ssh gateway tar cz -C .openclaw tasks cron | forensics audit - logs

    PATH is a state directory, a folder, a file, an archive of any of these (tar, zip, gz, zst, bz2, xz), or - for
    standard input; several belong together. Without PATH: $OPENCLAW_STATE_DIR, else ~/.openclaw, with the default log
    folder. All commands that take PATH take it so.

    Text fits the terminal: what does not fit beside its row stands below it, in less than 60 columns each row is a
    block. A pipe or a file gets one line per row, the same bytes everywhere. text and markdown are for people; json and
    html are in UTC whatever --display-tz says.
    """  # noqa: D301
    evidence, report, judged = audited_with_facts(asked, now)
    guard_outputs(evidence, output)
    if folder is not None:
        guard_folder(asked, evidence, folder, output)
    if form == "html":
        from forensics.correlator.circumstances import Surroundings
        from forensics.writers.html import write_html
        from forensics.writers.reasoning import settling_of

        settling = settling_of(report, Surroundings(evidence, report, judged))
        emit(write_html(report, told_command("audit", asked, form=form, now=now), settling), output)
        if folder is not None:
            save_frames(evidence, report, folder)
        return
    emit(_written(form, report, display.shown(output)), output)
    if folder is not None:
        save_frames(evidence, report, folder)


def _written(form: str, report: Report, shown: Shown) -> str:
    from forensics.writers.json import write_json
    from forensics.writers.markdown import write_markdown
    from forensics.writers.text import write_text

    if form == "json":
        return write_json(report)
    return write_markdown(report, shown) if form == "markdown" else write_text(report, shown)
