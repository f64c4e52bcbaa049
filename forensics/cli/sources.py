"""``forensics sources``."""

from __future__ import annotations

import click

from forensics.cli.options import Asked, emit, evidence_of, format_option, input_options


@click.command("sources")
@input_options
@format_option("text", "json")
def command(asked: Asked, form: str) -> None:
    """Show what was found, how it was recognised and read, and what is missing.

    \b
    Example:
      forensics sources ~/.openclaw /tmp/openclaw
    """  # noqa: D301
    from forensics.correlator.missing import missing_sources
    from forensics.writers.json import write_sources_json
    from forensics.writers.ledger import write_sources

    evidence = evidence_of(asked)
    missing = missing_sources(evidence)
    writer = write_sources_json if form == "json" else write_sources
    emit(writer(evidence, missing), None)
