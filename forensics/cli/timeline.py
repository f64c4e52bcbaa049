"""``forensics timeline``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.display import Display, display_options
from forensics.cli.options import (
    Asked,
    audit_options,
    emit,
    emit_parts,
    evidence_of,
    format_option,
    guard_outputs,
    now_option,
    output_option,
    output_path,
    parsed_now,
)
from forensics.model.errors import NothingToReadError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from forensics.model.finding import Report
    from forensics.model.shown import Shown

_LNAV = "lnav"
_NEED_TIME = ("timesketch-jsonl", "timesketch-csv", _LNAV)


@click.command("timeline")
@audit_options
@format_option("text", "json", *_NEED_TIME)
@output_option
@click.option(
    "--lnav-format", "lnav_format_file", type=output_path, metavar="FILE", help="Write lnav's format file here, too."
)
@now_option
@display_options
def command(
    asked: Asked,
    form: str,
    output: Path | None,
    lnav_format_file: Path | None,
    now: str | None,
    display: Display,
) -> None:
    """Show all facts in time order: the gateway's life, restarts, task rows, run records and verdicts.

    \b
    Examples:
      forensics timeline ~/.openclaw /tmp/openclaw
      forensics timeline state-copy -f timesketch-jsonl -o incident.jsonl
      forensics timeline state-copy -f lnav -o incident.log \\
        --lnav-format forensics_log.json
      lnav -i forensics_log.json && lnav incident.log

    Each fact has its place: file and line, or table and rowid. text is for people; where it is not wrapped, a fact is
    cut after 120 characters. The other formats are for tools, in UTC and never cut: Timesketch (CSV and JSON lines) and
    the log viewer lnav.
    """  # noqa: D301
    if lnav_format_file is not None and form != _LNAV:
        raise UsageError("--lnav-format belongs to --format lnav")
    moment = parsed_now(now)
    from forensics.correlator.audit import audit
    from forensics.correlator.timeline import timeline

    evidence = evidence_of(asked)
    if evidence.sources["last_at"].is_null().all():
        found = ", ".join(sorted(set(evidence.sources["kind"].to_list())))
        message = f"nothing that bears a time lies behind the given paths; found: {found}"
        raise NothingToReadError(message, "forensics sources says what each file was taken for, and what is missing")
    guard_outputs(evidence, output, lnav_format_file)
    report = audit(evidence, now=moment, release=asked.release)
    facts = timeline(evidence, report)
    emit_parts(_parts(form, report, facts, display.shown(output)), output)
    if lnav_format_file is not None:
        from forensics.writers.lnav import lnav_format

        emit(lnav_format(), lnav_format_file)
    untimed = facts["at"].null_count()
    if untimed and form in _NEED_TIME:
        click.echo(f"left out, as they bear no time: {untimed} verdicts (see audit)", err=True)


def _parts(form: str, report: Report, facts: pl.DataFrame, shown: Shown) -> Iterator[str]:
    from forensics.writers.json import timeline_json_parts
    from forensics.writers.lnav import lnav_parts
    from forensics.writers.timeline import timeline_parts
    from forensics.writers.timesketch import timesketch_csv_parts, timesketch_jsonl_parts

    if form == "text":
        return timeline_parts(report, facts, shown)
    writers = {
        "json": timeline_json_parts,
        "timesketch-jsonl": timesketch_jsonl_parts,
        "timesketch-csv": timesketch_csv_parts,
        _LNAV: lnav_parts,
    }
    return writers[form](report, facts)
