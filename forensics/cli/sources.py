"""``forensics sources``."""

from __future__ import annotations

import click

from forensics.cli.options import emit, format_option, given_or_default, paths_argument


@click.command("sources")
@paths_argument
@format_option("text", "json")
def command(paths: tuple[str, ...], form: str) -> None:
    """Show what was found, how it was recognised and read, and what is missing.

    \b
    Example:
      forensics sources ~/.openclaw /tmp/openclaw
    """  # noqa: D301
    from forensics.correlator.coverage import gateway_log_spans, missing_sources
    from forensics.parsers.load import load_evidence
    from forensics.writers.json import write_sources_json
    from forensics.writers.ledger import write_sources

    evidence = load_evidence(given_or_default(paths))
    spans = gateway_log_spans(evidence.sources, evidence.lifecycle)
    missing = missing_sources(evidence.tasks, evidence.sources, evidence.copies, spans)
    writer = write_sources_json if form == "json" else write_sources
    emit(writer(evidence.sources, evidence.notices, missing), None)
