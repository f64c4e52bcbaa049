"""``forensics schema``."""

from __future__ import annotations

import json

import click

from forensics.cli.options import emit
from forensics.model.contracts import CONTRACTS, contract


@click.command("schema")
@click.argument("name", type=click.Choice(CONTRACTS), metavar="NAME")
def command(name: str) -> None:
    """Show the JSON Schema (draft 2020-12) of a document, complete in itself.

    \b
    Examples:
      forensics schema check > check.schema.json
      forensics schema timeline | jq '."$defs".fact.properties'

    NAME is the command that writes it (audit, check, explain, restarts, sources, timeline), or baseline (of check),
    journal (of fix and undo) or manifest (of collect and bundle).
    """  # noqa: D301
    emit(json.dumps(contract(name), ensure_ascii=False, indent=2) + "\n", None)
