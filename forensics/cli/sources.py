"""``forensics sources``."""

from __future__ import annotations

import click

from forensics.cli.display import Display, display_options
from forensics.cli.options import Asked, emit, evidence_of, format_option, input_options


@click.command("sources")
@input_options
@format_option("text", "json")
@display_options
def command(asked: Asked, form: str, display: Display) -> None:
    """Show what was found, how it was recognised and read, and what is missing.

    \b
    Examples:
      forensics sources ~/.openclaw /tmp/openclaw
      forensics sources backup.tar.gz -f json

    For each file: what it was taken for and why, what it gave, its span, its zone, and counts of its lines that add up.
    """  # noqa: D301
    from forensics.correlator.missing import missing_sources
    from forensics.writers.json import write_sources_json
    from forensics.writers.ledger import write_sources

    evidence = evidence_of(asked)
    missing = missing_sources(evidence)
    if form == "json":
        emit(write_sources_json(evidence, missing), None)
    else:
        emit(write_sources(evidence, missing, display.shown()), None)
