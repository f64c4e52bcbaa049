"""``forensics undo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.changes import apply_options, confirm, guard_scripts, rows, tell_applied
from forensics.cli.options import emit, output_path
from forensics.model.errors import UsageError

if TYPE_CHECKING:
    from forensics.model.plan import Plan, PlannedRow
    from forensics.repair.apply import Target


@click.command("undo")
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=output_path, help="Only write the script that takes it back.")
@apply_options("Put the rows back in this registry, after a backup.")
def command(journal: Path, output: Path | None, target: Target | None, *, is_confirmed: bool) -> None:
    """Take back what an apply changed, by its JOURNAL.

    \b
    Example:
      (stop the gateway)
      forensics undo ~/before.sqlite.journal.json \\
        --apply ~/.openclaw/tasks/runs.sqlite --backup ~/corrected.sqlite

    Rows that are still as corrected get their old values back, byte for byte. Rows that have changed since, or that the
    gateway has deleted, are left alone and listed. Exit code 4: refused.
    """  # noqa: D301
    if output is None and target is None:
        raise UsageError("undo needs --apply DB --backup FILE, or -o FILE to write a script")
    from forensics.model.journal import FIX
    from forensics.repair.apply import plan_of, read_journal
    from forensics.writers.sql import write_undo

    told = read_journal(journal)
    if told.action != FIX:
        message = f"{journal} tells of an undo: there is nothing to take back"
        raise UsageError(message, "run fix again instead")
    plan = plan_of(told)
    if output is not None:
        guard_scripts(target, (journal, Path(told.database), Path(told.backup)), output)
        emit(write_undo(plan), output)
    if target is not None:
        _apply(plan, target, journal, is_confirmed=is_confirmed)


def _apply(plan: Plan, target: Target, journal: Path, *, is_confirmed: bool) -> None:
    from forensics.model.journal import UNDO
    from forensics.repair.apply import apply_undo, finished_earlier

    earlier = finished_earlier(target, UNDO)
    if earlier is not None:
        tell_applied(earlier, target, f"{rows(len(earlier.journal.rows))} restored already")
    confirm(f"{target.database}: put back up to {rows(len(plan.rows))}. Go on?", is_confirmed=is_confirmed)
    applied, undoing = apply_undo(plan, target, journal)
    for row, columns in undoing.left:
        click.echo(f"left alone: {_told(row, columns)}", err=True)
    count = f"{rows(len(undoing.due))} restored, {len(undoing.done)} as before already, {len(undoing.left)} left alone"
    if applied is None:
        click.echo(f"{target.database}: nothing was changed: {count}", err=True)
    else:
        tell_applied(applied, target, count)


def _told(row: PlannedRow, columns: tuple[str, ...]) -> str:
    from forensics.model.escape import for_terminal

    since = "changed since in " + ", ".join(columns) if columns else "gone"
    return f"{for_terminal(row.task_id)} ({since})"
