"""``forensics restarts``."""

from __future__ import annotations

import click

from forensics.cli.options import Asked, emit, evidence_of, format_option, input_options
from forensics.model.errors import NothingToReadError


@click.command("restarts")
@input_options
@format_option("text", "json")
def command(asked: Asked, form: str) -> None:
    """Show the restart ledger: every window from the first sign of going down to ready again.

    \b
    Example:
      forensics restarts /tmp/openclaw
    """  # noqa: D301
    from forensics.correlator.audit import restart_ledger
    from forensics.model.policy import Policy
    from forensics.model.verdicts import SourceKind
    from forensics.writers.json import write_restarts_json
    from forensics.writers.ledger import write_restarts

    evidence = evidence_of(asked)
    told_by = (SourceKind.GATEWAY_LOG.value, SourceKind.GATEWAY_CONSOLE.value, SourceKind.RESTART_RECORD.value)
    if evidence.lifecycle.is_empty() and not evidence.sources["kind"].is_in(told_by).any():
        raise NothingToReadError(
            "no gateway log behind the given paths", "name the folder with openclaw-YYYY-MM-DD.log"
        )
    restarts = restart_ledger(evidence, Policy())
    if form == "json":
        emit(write_restarts_json(evidence.sources, restarts), None)
    else:
        emit(write_restarts(restarts, evidence.sources), None)
