"""``forensics restarts``."""

from __future__ import annotations

import click

from forensics.cli.display import Display, display_options
from forensics.cli.options import Asked, emit, evidence_of, format_option, input_options
from forensics.model.errors import NothingToReadError


@click.command("restarts")
@input_options
@format_option("text", "json")
@display_options
def command(asked: Asked, form: str, display: Display) -> None:
    """Show the restart ledger: every window from the first sign of going down to ready again.

    \b
    Examples:
      forensics restarts /tmp/openclaw
      forensics restarts /tmp/openclaw --display-tz local

    A gateway log is needed: its rolling files, a console, or a journal. Each window comes with the lines it rests on.
    A crash leaves no stop line; its time down is then between two moments.
    """  # noqa: D301
    from forensics.correlator.audit import restart_ledger
    from forensics.model.policy import Policy
    from forensics.model.verdicts import SourceKind
    from forensics.writers.json import write_restarts_json
    from forensics.writers.ledger import write_restarts

    evidence = evidence_of(asked)
    has_log = evidence.sources["kind"].is_in([SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE]).any()
    if not has_log and evidence.lifecycle.is_empty():
        found = ", ".join(sorted(set(evidence.sources["kind"].to_list())))
        raise NothingToReadError(
            f"no gateway log behind the given paths; found: {found}",
            "name the folder with openclaw-YYYY-MM-DD.log, or a console or journal",
        )
    restarts = restart_ledger(evidence, Policy())
    if form == "json":
        emit(write_restarts_json(evidence.sources, restarts), None)
    else:
        emit(write_restarts(restarts, evidence.sources, display.shown()), None)
