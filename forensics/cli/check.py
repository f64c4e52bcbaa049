"""``forensics check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from forensics.cli.options import Asked, audit_options, audited, emit, format_option, now_option, parsed_verdicts
from forensics.model.errors import NothingToReadError
from forensics.model.verdicts import FAIL_ON_BY_DEFAULT

if TYPE_CHECKING:
    from forensics.model.finding import Report


@click.command("check")
@audit_options
@click.option(
    "--fail-on",
    metavar="VERDICT,…",
    default=",".join(FAIL_ON_BY_DEFAULT),
    show_default=True,
    help="Fail (exit code 1) when a lost row has one of these verdicts.",
)
@format_option("text", "json")
@now_option
def command(asked: Asked, fail_on: str, form: str, now: str | None) -> int:
    """Check exported evidence in a pipeline: exit code 1 when there are findings to look at.

    \b
    Exit codes:
      0  no lost row has a verdict of --fail-on
      1  at least one has
      2  the command was used wrongly
      3  nothing usable to read, or not all of it, so that passing would say nothing

    \b
    Example:
      forensics check exported-state logs --fail-on interrupted,unexplained
    """  # noqa: D301
    verdicts = parsed_verdicts(fail_on, "--fail-on")
    _, report = audited(asked, now)
    from forensics.writers.check import write_check
    from forensics.writers.json import write_check_json

    failing = list(report.of_verdict(*verdicts))
    if form == "json":
        emit(write_check_json(report, failing, verdicts), None)
    else:
        emit(write_check(report, failing), None)
    return 1 if failing else _told_in_full(report)


def _told_in_full(report: Report) -> int:
    """Give the exit code of a check without findings: evidence that could not be read may hold some."""
    from forensics.model.escape import for_terminal

    unread = report.notices.filter(report.notices["level"] == "error")["message"].to_list()
    for message in unread:
        click.echo(f"error: {for_terminal(message)}", err=True)
    if unread:
        click.echo("not all of the evidence could be read, so that passing says nothing", err=True)
    return NothingToReadError.exit_code if unread else 0
