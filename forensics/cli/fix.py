"""``forensics fix``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.changes import apply_options, confirm, guard_scripts, rows, tell_applied, told_rehearsal
from forensics.cli.display import tell
from forensics.cli.options import Asked, audit_options, audited, emit, guard_outputs, now_option, output_path
from forensics.cli.selecting import selection_options
from forensics.model.errors import RefusedError, UnreadableError, UsageError
from forensics.model.verdicts import Verdict

if TYPE_CHECKING:
    from forensics.model.plan import Plan
    from forensics.repair.apply import Target
    from forensics.repair.plan import Selection
    from forensics.repair.planning import Planned

_NOT_CHOSEN = "not chosen (--exclude, --min-confidence, --job and their like), or in no registry that was handed over"
_WHY_LEFT = {
    Verdict.UNDETERMINED: "the verdict is withheld; forensics explain says what would settle it",
    Verdict.UNEXPLAINED: "a real loss, of which nothing is known that could be written",
    Verdict.INTERRUPTED: "a real loss; corrected with --include interrupted",
    Verdict.NOT_APPLICABLE: "no cron row marked by the sweep; the rule does not apply",
}


@click.command("fix")
@audit_options
@click.option("-o", "--output", type=output_path, help="The script to write; - is standard output.")
@click.option("--undo", type=output_path, help="Also write the script that takes it back.")
@selection_options
@click.option(
    "--keep",
    "keep_days",
    type=click.IntRange(1, 3650),
    metavar="DAYS",
    help="Keep the corrected rows for so many days after the end of the evidence (or --now). The gateway deletes them "
    "7 days after the end of their run otherwise.",
)
@now_option
@apply_options("Correct the rows in this registry: all or none, after a backup.")
def command(
    asked: Asked,
    output: Path | None,
    undo: Path | None,
    selection: Selection,
    keep_days: int | None,
    now: str | None,
    target: Target | None,
    *,
    is_confirmed: bool,
) -> None:
    """Correct the registry: write a guarded SQL script, or apply it after a backup.

    \b
    Examples:
      forensics fix ~/.openclaw /tmp/openclaw -o fix.sql --undo undo.sql
      (stop the gateway, back up)
      sqlite3 -bail ~/.openclaw/tasks/runs.sqlite < fix.sql

    \b
      (stop the gateway)
      forensics fix ~/.openclaw /tmp/openclaw \\
        --apply ~/.openclaw/tasks/runs.sqlite --backup ~/before.sqlite

    The script changes all of its rows or none: every old value is compared first. It can be run again, and undone.
    Before it is handed over it has been run on a private copy of the registry, and taken back.

    With --apply the registry itself is changed: once it is backed up, in one transaction, and never while a gateway or
    any other process works on it. A journal beside the backup tells what was changed. Options count only as typed then,
    not from the environment or a file.

    false_lost, failed and replayed rows are corrected; why others are left as they are is told. Exit code 4: refused.
    """  # noqa: D301
    if output is None and (target is None or undo is not None):
        raise UsageError("fix needs -o FILE to write its scripts, or --apply DB --backup FILE to change a registry")
    evidence, report = audited(asked, now)
    guard_outputs(evidence, output, undo)
    guard_scripts(target, (), output, undo)
    from forensics.repair.planning import plan_fix

    done = _corrected_earlier(target) if target else frozenset()
    planned = plan_fix(evidence, report, selection, keep_days, target.database if target else None, done)
    if output is not None:
        _write_scripts(planned, output, undo)
    if target is not None:
        _apply(planned, target, is_confirmed=is_confirmed)
    elif planned.plan.rows:
        click.echo("nothing is changed yet: the script's first lines say how to back up, and how to run it", err=True)
    chosen = done | {row.task_id for row in planned.plan.rows}
    _tell_left([one.verdict for one in report.findings if one.task_id not in chosen], has_lost=bool(report.findings))


def _corrected_earlier(target: Target) -> frozenset[str]:
    """Complete what an apply that was killed had done already, tell so, and give the rows that are corrected."""
    from forensics.repair.apply import finished_earlier

    earlier = finished_earlier(target)
    if earlier is None:
        return frozenset()
    count = rows(len(earlier.journal.rows))
    tell_applied(earlier, target, f"{count} corrected already, {earlier.journal.prepared_at:%F %T} UTC")
    return frozenset(row.task_id for row in earlier.journal.rows)


def _write_scripts(planned: Planned, output: Path, undo: Path | None) -> None:
    """Rehearse the scripts on a private copy, and write them only if all went well."""
    from forensics.parsers.database import companions_of, opened_copy
    from forensics.repair.rehearsal import rehearse
    from forensics.writers.sql import write_fix, write_undo

    try:
        with opened_copy(planned.path, companions_of(planned.path)) as copy:
            rehearsal = rehearse(copy, planned.plan)
    except UnreadableError as error:
        message = f"{planned.path} cannot be read: {error}; nothing was written"
        raise RefusedError(message, "stop the gateway, or work on a copy of its state directory") from error
    if undo is not None:
        emit(write_undo(planned.plan, rehearsal), undo)
    emit(write_fix(planned.plan, rehearsal), output)
    click.echo(f"{output}: {_told(len(planned.plan.rows), planned.left)}", err=True)
    if planned.plan.rows:
        click.echo(told_rehearsal(rehearsal), err=True)
    _tell_warnings(planned.plan)


def _apply(planned: Planned, target: Target, *, is_confirmed: bool) -> None:
    from forensics.repair.apply import apply_fix

    if not planned.plan.rows:
        click.echo(f"{target.database}: nothing to correct; {_left(planned.left)}", err=True)
        return
    confirm(f"{target.database}: {_told(len(planned.plan.rows), planned.left)}. Go on?", is_confirmed=is_confirmed)
    applied, rehearsal = apply_fix(planned.plan, target)
    click.echo(told_rehearsal(rehearsal), err=True)
    tell_applied(applied, target, f"{rows(len(planned.plan.rows))} corrected; {_left(planned.left)}")
    _tell_warnings(planned.plan)
    _tell_short_lived(planned.plan, target)


def _tell_left(verdicts: list[Verdict], *, has_lost: bool) -> None:
    """Say why lost rows are left as they are, by their verdicts."""
    if not has_lost:
        click.echo("no row is lost", err=True)
    for verdict, count in sorted(Counter(verdicts).items()):
        click.echo(f"left: {count} {verdict}: {_WHY_LEFT.get(verdict, _NOT_CHOSEN)}", err=True)


def _tell_warnings(plan: Plan) -> None:
    for row in plan.rows:
        if row.warning is not None:
            tell("warning", f"{row.task_id}: {row.warning}")


def _tell_short_lived(plan: Plan, target: Target) -> None:
    """Say how many rows the gateway will delete at its next sweep, as their clean-up time has passed."""
    now_ms = target.clock().timestamp() * 1000
    stamps = [row.new["cleanup_after"] for row in plan.rows]
    passed = sum(isinstance(stamp, int) and stamp <= now_ms for stamp in stamps)
    if passed:
        tell(
            "warning",
            f"{rows(passed)} past their clean-up time: the gateway deletes such rows at its next sweep; "
            "--keep DAYS --now now would have kept them",
        )


def _told(planned: int, left: int) -> str:
    return f"{rows(planned)} to correct; {_left(left)}"


def _left(left: int) -> str:
    return "1 lost row is left as it is" if left == 1 else f"{left} lost rows are left as they are"
