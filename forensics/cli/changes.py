"""What the commands that change a registry share: their options, the question before, and what they tell afterwards."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forensics.cli.display import tell
from forensics.cli.settings import refuse_settings
from forensics.model.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from forensics.model.plan import Rehearsal
    from forensics.repair.apply import Applied, Target

_Command = TypeVar("_Command", bound=Callable[..., Any])


def apply_options(what: str) -> Callable[[_Command], Callable[..., object]]:
    """Give a command ``--apply``, ``--backup`` and ``--yes`` as one value, ``target``; None where none is given.

    ``what`` says what ``--apply`` does.
    """

    def with_options(function: _Command) -> Callable[..., object]:
        @click.option("--apply", "database", type=_existing, metavar="DB", help=what)
        @click.option(
            "--backup",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Back the registry up into this file first; a journal of the change is put beside it.",
        )
        @click.option(
            "--yes", "is_confirmed", is_flag=True, help="Apply without asking. Without a terminal nothing is asked."
        )
        @wraps(function)
        def with_target(
            *args: object, database: Path | None, backup: Path | None, is_confirmed: bool, **kwargs: object
        ) -> object:
            target = _target(database, backup)
            if target is not None:
                refuse_settings(click.get_current_context())
            return function(*args, target=target, is_confirmed=is_confirmed, **kwargs)

        return with_target

    return with_options


_existing = click.Path(exists=True, dir_okay=False, path_type=Path)


def _target(database: Path | None, backup: Path | None) -> Target | None:
    if database is None and backup is None:
        return None
    if backup is None:
        raise UsageError(
            "--apply needs --backup FILE: nothing is changed without a backup", "name a file that is not there yet"
        )
    if database is None:
        raise UsageError("--backup belongs to --apply DB", "to only write a script, leave --backup out")
    if backup.resolve() == database.resolve():
        raise UsageError("--backup names the registry itself", "name a file that is not there yet")
    from forensics.repair.apply import Target

    temporary = dict.fromkeys([Path("/tmp"), Path(tempfile.gettempdir())])  # noqa: S108 - where gateways keep their locks
    return Target(database, backup, tuple(temporary), lambda: datetime.now(UTC))


def guard_scripts(target: Target | None, known: Iterable[Path], *outputs: Path | None) -> None:
    """Refuse to write a script over a registry, a backup or a journal.

    ``known`` are files to be spared beside those of ``target``; any database is.

    Raises:
        UsageError: an output is one of them.
    """
    from forensics.parsers.database import SQLITE_MAGIC
    from forensics.parsers.files import head_of
    from forensics.repair.names import is_same_file

    spared = [*known, *((target.database, target.backup, target.journal) if target else ())]
    for output in outputs:
        if output is None or output == Path("-"):
            continue
        is_database = output.is_file() and head_of(output, len(SQLITE_MAGIC)) == SQLITE_MAGIC
        if is_database or any(is_same_file(output, path) for path in spared):
            message = f"{output} is a database, a backup or a journal; nothing was written"
            raise UsageError(message, "write to another file")


def rows(count: int) -> str:
    """Say how many rows.

    >>> rows(1), rows(0)
    ('1 row', '0 rows')
    """
    return "1 row" if count == 1 else f"{count} rows"


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Ask before a change, where somebody is there to answer.

    Raises:
        RefusedError: the answer is no.
    """
    is_asked = not is_confirmed and sys.stdin.isatty() and sys.stderr.isatty()
    if is_asked and not click.confirm(question, err=True):
        raise RefusedError("not confirmed; nothing was changed")


def tell_applied(applied: Applied, target: Target, what: str) -> None:
    """Tell on standard error what was changed, where the backup and the journal lie, and how to take it back."""
    for line in _told(applied, target, what):
        click.echo(line, err=True)
    if applied.warning is not None:
        tell("warning", applied.warning)


def _told(applied: Applied, target: Target, what: str) -> Iterator[str]:
    yield f"{target.database}: {what}"
    yield f"backup:  {target.backup}"
    yield f"journal: {target.journal}"
    if applied.journal.undoes is None:
        journal, database = (shlex.quote(str(path)) for path in (target.journal, target.database))
        yield f"undo:    forensics undo {journal} --apply {database} --backup FILE"


def told_rehearsal(rehearsal: Rehearsal) -> str:
    """Say in one line what a rehearsal found."""
    from forensics.writers.phrases import counted

    return (
        f"rehearsed on a private copy: {rehearsal.rows} of {counted(rehearsal.of_rows, 'row')} changed, "
        f"{counted(rehearsal.other_tables, 'other table')} unchanged, integrity ok, a second run changed nothing, "
        "undo restored everything"
    )
