"""Options that several commands share, and the one place that reads the environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forensics.model.errors import NothingToReadError, UsageError
from forensics.model.verdicts import Verdict

if TYPE_CHECKING:
    from forensics.model.evidence import Evidence
    from forensics.model.finding import Report

_Command = TypeVar("_Command", bound=Callable[..., Any])

paths_argument: Callable[[_Command], _Command] = click.argument("paths", nargs=-1, metavar="[PATH]...")
"""PATH: a state directory, a folder, or a single file; none: the gateway of this machine."""

now_option: Callable[[_Command], _Command] = click.option(
    "--now",
    metavar="TIME",
    help="Judge ages and retention at this ISO time (UTC unless it says otherwise), or at 'now'. "
    "Default: the latest time in the evidence, so that the same input gives the same output.",
)

output_option: Callable[[_Command], _Command] = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)


def format_option(*formats: str) -> Callable[[_Command], _Command]:
    """Offer a choice of output formats, the first being the default."""
    return click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Output format.",
    )


def given_or_default(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Give the paths, or those of the gateway of this machine.

    Source: formats.md §1.1, §4.1: ``OPENCLAW_STATE_DIR``, else ``~/.openclaw``; logs in ``/tmp/openclaw``, else in a
    folder per user below the system's temporary folder.
    """
    if paths:
        return paths
    state = Path(os.environ.get("OPENCLAW_STATE_DIR", "").strip() or "~/.openclaw").expanduser()
    if not state.exists():
        message = f"no PATH was given and {state} does not exist"
        raise NothingToReadError(message, "name a state directory, or set OPENCLAW_STATE_DIR")
    temporary = Path(tempfile.gettempdir())
    logs = [Path("/tmp/openclaw"), temporary / f"openclaw-{os.getuid()}"]  # noqa: S108 - where the gateway logs
    return (str(state), *(str(folder) for folder in logs if folder.is_dir()))


def parsed_now(text: str | None) -> datetime | None:
    """Read a moment from the command line.

    Raises:
        UsageError: it is no time.
    """
    if text is None:
        return None
    if text == "now":
        return datetime.now(UTC)
    from dateutil import parser as dateutil_parser

    try:
        moment = dateutil_parser.isoparse(text)
    except ValueError as error:
        message = f"--now {text!r} is no ISO time: {error}"
        raise UsageError(message, "write it like 2026-04-18T00:00:00Z") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def parsed_verdicts(text: str, option: str) -> tuple[Verdict, ...]:
    """Read a list of verdicts from the command line.

    Raises:
        UsageError: one of them is no verdict.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        message = f"{option} names no verdict: the check could never fail"
        raise UsageError(message, "leave it out, or choose from " + ", ".join(verdict.value for verdict in Verdict))
    unknown = sorted(set(names) - {verdict.value for verdict in Verdict})
    if unknown:
        message = f"{option}: {', '.join(unknown)} is no verdict"
        raise UsageError(message, "choose from " + ", ".join(verdict.value for verdict in Verdict))
    return tuple(Verdict(name) for name in names)


def audited(paths: tuple[str, ...], now: str | None) -> tuple[Evidence, Report]:
    """Read the evidence and audit it.

    Raises:
        NothingToReadError: there is no evidence, or no task registry in it.
    """
    moment = parsed_now(now)
    from forensics.correlator.audit import audit
    from forensics.model.verdicts import SourceKind
    from forensics.parsers.load import load_evidence

    evidence = load_evidence(given_or_default(paths))
    if evidence.tasks.is_empty():
        found = sorted(set(evidence.sources["kind"].to_list()))
        has_registry = SourceKind.TASK_REGISTRY.value in found
        told = [
            str(message)
            for level, message in evidence.notices.select("level", "message").iter_rows()
            if level == "error"
        ]
        message = (
            "the task registry holds no rows" if has_registry else "no task registry"
        ) + f"; found: {', '.join(found)}"
        raise NothingToReadError(
            "; ".join([message, *told]), "hand over tasks/runs.sqlite together with tasks/runs.sqlite-wal"
        )
    return evidence, audit(evidence, now=moment)


def guard_outputs(evidence: Evidence, *outputs: Path | None) -> None:
    """Refuse to write over evidence, or two outputs into one file.

    Raises:
        UsageError: an output is a file that was read, or belongs to one, or two outputs are the same.
    """
    wanted = [output for output in outputs if output is not None]
    if len({output.resolve() for output in wanted}) < len(wanted):
        raise UsageError("two outputs go to the same file; nothing was written", "give each a name of its own")
    endings = ("", "-wal", "-shm", "-journal")
    read = [path.with_name(path.name + ending) for path in evidence.files.values() for ending in endings]
    for output in wanted:
        if any(
            output.resolve() == path.resolve() or (output.exists() and path.exists() and output.samefile(path))
            for path in read
        ):
            message = f"{output} is evidence; nothing was written"
            raise UsageError(message, "write to another file")
        if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
            message = f"{output} cannot be written: its folder is missing or read-only"
            raise UsageError(message)


def emit(text: str, output: Path | None) -> None:
    """Write a result to standard output, or to a file.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}"
        raise UsageError(message) from error
