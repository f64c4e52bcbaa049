"""Options that several commands share, and the one place that reads the environment."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forensics.cli.progress import AUTO, WHEN, shown_progress
from forensics.cli.writing import write_whole
from forensics.model.errors import NothingToReadError, UsageError
from forensics.model.verdicts import Verdict

if TYPE_CHECKING:
    from polars import DataFrame

    from forensics.model.evidence import Evidence
    from forensics.model.finding import Report

_Command = TypeVar("_Command", bound=Callable[..., Any])

_STANDARD_OUTPUT = Path("-")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REGISTRY = "hand over tasks/runs.sqlite together with tasks/runs.sqlite-wal, or state/openclaw.sqlite"
_NO_REGISTRY = f"{_REGISTRY}; restarts, timeline and sources tell what the rest says without one"
_NO_ROWS = (
    f"{_REGISTRY}, as it was then: gateways delete finished rows after 7 days, and lost ones after 24 hours from "
    "2026.5.26 on"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command is to read: paths, paths of named gateways, the zone of local stamps, the release."""

    paths: tuple[str, ...]
    gateways: dict[str, list[str]]
    zone: tzinfo | None
    release: str | None = None
    progress: str = AUTO


def input_options(function: _Command) -> Callable[..., object]:
    """Give a command its PATH arguments, ``--gateway``, ``--tz`` and ``--progress`` as one value, ``asked``."""

    @click.argument("paths", nargs=-1, metavar="[PATH]...")
    @click.option(
        "--gateway",
        "gateways",
        multiple=True,
        metavar="NAME=PATH",
        help="Read PATH, too: all of it belongs to the gateway of this name. Can be given several times.",
    )
    @click.option(
        "--tz",
        "zone",
        metavar="ZONE",
        help="The zone of local times in the evidence that nothing in it explains: Europe/Berlin, +02:00. "
        "Default: what the evidence says, as a last resort that of this machine.",
    )
    @click.option(
        "--progress",
        type=click.Choice(WHEN),
        default=AUTO,
        show_default=True,
        help="Tell on standard error how far a long read has come: auto, where that is a terminal; always; never.",
    )
    @wraps(function)
    def with_asked(
        *args: object,
        paths: tuple[str, ...],
        gateways: tuple[str, ...],
        zone: str | None,
        progress: str,
        **kwargs: object,
    ) -> object:
        local = parsed_zone(zone) if zone is not None else None
        asked = Asked(paths, parsed_gateways(gateways), local, progress=progress)
        return function(*args, asked=asked, **kwargs)

    return with_asked


def audit_options(function: _Command) -> Callable[..., object]:
    """Give a command that audits its PATH arguments, ``--gateway``, ``--tz`` and ``--release`` as ``asked``."""

    @input_options
    @click.option(
        "--release",
        metavar="RELEASE",
        help="The release of the gateways, like 2026.4.15, where the evidence does not tell it or tells it wrong: how "
        "they keep and count lost rows differs. Default: as the evidence fits.",
    )
    @wraps(function)
    def with_release(*args: object, asked: Asked, release: str | None, **kwargs: object) -> object:
        return function(*args, asked=replace(asked, release=release_asked(release)), **kwargs)

    return with_release


now_option: Callable[[_Command], _Command] = click.option(
    "--now",
    metavar="TIME",
    help="Judge ages and retention at this ISO time (UTC unless it says otherwise), or at 'now'. "
    "Default: the latest time in the evidence, so that the same input gives the same output.",
)

output_path = click.Path(dir_okay=False, allow_dash=True, path_type=Path)

output_option: Callable[[_Command], _Command] = click.option(
    "-o",
    "--output",
    type=output_path,
    help="Write to this file. Default: standard output, which - means as well.",
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


def evidence_of(asked: Asked) -> Evidence:
    """Read the evidence behind the paths of a command or, where it has none, the gateway of this machine.

    Raises:
        NothingToReadError: there is no evidence.
        UsageError: standard input is a terminal, or given twice.
    """
    from dateutil import tz

    from forensics.parsers.load import load_evidence

    paths = asked.paths if asked.paths or asked.gateways else default_paths()
    is_read = "-" in paths or any("-" in given for given in asked.gateways.values())
    if is_read and sys.stdin.isatty():
        raise UsageError("- stands for standard input, which is the terminal", "pipe a file or an archive into it")
    with shown_progress(asked.progress, sys.stderr, os.environ.get("TERM")) as progress:
        return load_evidence(
            paths,
            asked.gateways,
            asked.zone,
            tz.tzlocal(),
            standard_input=sys.stdin.buffer if is_read else None,
            progress=progress,
        )


def default_paths() -> tuple[str, ...]:
    """Give the paths of the gateway of this machine.

    Source: formats.md §1.1, §4.1: ``OPENCLAW_STATE_DIR``, else ``~/.openclaw``; logs in ``/tmp/openclaw``, else in a
    folder per user below the system's temporary folder.
    """
    state = Path(os.environ.get("OPENCLAW_STATE_DIR", "").strip() or "~/.openclaw").expanduser()
    if not state.exists():
        message = f"no PATH was given and {state} does not exist"
        raise NothingToReadError(message, "name a state directory, or set OPENCLAW_STATE_DIR")
    temporary = Path(tempfile.gettempdir())
    logs = [Path("/tmp/openclaw"), temporary / f"openclaw-{os.getuid()}"]  # noqa: S108 - where the gateway logs
    return (str(state), *(str(folder) for folder in logs if _has_files(folder)))


def _has_files(folder: Path) -> bool:
    """Tell whether a default folder is there and not empty; one that cannot be listed is to be told of."""
    try:
        return any(folder.iterdir())
    except OSError:
        return folder.is_dir()


def parsed_gateways(given: tuple[str, ...]) -> dict[str, list[str]]:
    """Read NAME=PATH pairs from the command line.

    Raises:
        UsageError: a name or a path is missing.
    """
    gateways: dict[str, list[str]] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not name.strip() or not path or not _is_well_formed(name):
            message = f"--gateway {text!r} names no gateway and path"
            raise UsageError(message, "write it like --gateway office=/backup/office")
        gateways.setdefault(name.strip(), []).append(_at_home(path))
    return gateways


def _at_home(path: str) -> str:
    """Give a path with the home directory for its ``~``: behind ``NAME=`` some shells, like bash, leave it there."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") and not Path(path).exists() else path
    except (RuntimeError, OSError):  # no such user, or no path at all: what is wrong is told when it is read
        return path


def _is_well_formed(text: str) -> bool:
    """Tell whether text from the command line is text in the encoding of the locale; reports could not hold it else."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def parsed_zone(text: str, option: str = "--tz") -> tzinfo:
    """Read a time zone from the command line: an IANA name, or a fixed offset from UTC.

    Raises:
        UsageError: it is neither.
    """
    from forensics.parsers.zones import zone_named

    zone = zone_named(text)
    if zone is None:
        message = f"{option} {text!r} is no time zone"
        raise UsageError(message, "give a name like Europe/Berlin, or an offset from UTC like +02:00")
    return zone


def parsed_now(text: str | None, option: str = "--now") -> datetime | None:
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
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{option} {text!r} is no ISO time: {error}"
        raise UsageError(message, "write it like 2026-04-18T00:00:00Z") from error
    if moment < _EPOCH:
        message = f"{option} {text!r} lies before 1970: no gateway knew that time"
        raise UsageError(message, "write it like 2026-04-18T00:00:00Z")
    return moment


def release_asked(text: str | None) -> str | None:
    """Read a release from the command line.

    Raises:
        UsageError: it is none.
    """
    from forensics.model.releases import parsed_release, release_text

    if text is None:
        return None
    release = parsed_release(text)
    if release is None:
        message = f"--release {text!r} is no release"
        raise UsageError(message, "write it like 2026.4.15")
    return release_text(release)


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


def audited(asked: Asked, now: str | None) -> tuple[Evidence, Report]:
    """Read the evidence and audit it.

    Raises:
        NothingToReadError: there is no evidence, or no task registry in it.
    """
    evidence, report, _ = audited_with_facts(asked, now)
    return evidence, report


def audited_with_facts(asked: Asked, now: str | None) -> tuple[Evidence, Report, DataFrame]:
    """Read the evidence and audit it, and give the judged rows as well.

    Raises:
        NothingToReadError: there is no evidence, or no task registry in it.
    """
    moment = parsed_now(now)
    from forensics.correlator.audit import audit_with_facts

    evidence = evidence_with_tasks(asked)
    return evidence, *audit_with_facts(evidence, now=moment, release=asked.release)


def evidence_with_tasks(asked: Asked) -> Evidence:
    """Read the evidence, which must hold task rows.

    Raises:
        NothingToReadError: there is no evidence, or no task registry in it.
    """
    from forensics.model.verdicts import SourceKind

    evidence = evidence_of(asked)
    if evidence.tasks.is_empty():
        found = Counter(sorted(evidence.sources["kind"].to_list()))
        has_registry = SourceKind.TASK_REGISTRY.value in found
        told = [
            str(message)
            for level, message in evidence.notices.select("level", "message").iter_rows()
            if level == "error"
        ]
        named = ", ".join(f"{count} × {kind}" if count > 1 else kind for kind, count in found.items())
        message = f"{'the task registry holds no rows' if has_registry else 'no task registry'}; found: {named}"
        raise NothingToReadError("; ".join([message, *told]), _NO_ROWS if has_registry else _NO_REGISTRY)
    return evidence


def told_command(name: str, asked: Asked, **options: str | None) -> str:
    """Give the command line that asks for this, ready for a shell; where its result goes is no part of it.

    Paths are sorted: a page is the same whatever their order was.
    """
    words = ["forensics", name, *sorted(asked.paths)]
    for gateway, paths in sorted(asked.gateways.items()):
        words += [f"--gateway={gateway}={path}" for path in sorted(paths)]
    settings = {
        "tz": None if asked.zone is None else str(asked.zone).removeprefix("UTC") or "UTC",
        "release": asked.release,
        "now": options.get("now"),
        "format": options.get("form"),
    }
    words += [f"--{option}={value}" for option, value in settings.items() if value is not None]
    return shlex.join(words)


def guard_outputs(evidence: Evidence, *outputs: Path | None, ours: Path | None = None) -> None:
    """Refuse to write over evidence, or two outputs into one file; ``ours`` is one whose old content is our own.

    A state directory is evidence as a whole: what is not read of it, like transcripts of sessions, is not replaced. So
    is a snapshot of a collection: without its manifest, nothing of it counts.

    Raises:
        UsageError: an output is a file that was read, or belongs to one, to a state directory that was read or to a
            snapshot, or two outputs are the same.
    """
    wanted = [output for output in (*outputs, ours) if output is not None]
    if wanted.count(_STANDARD_OUTPUT) > 1:
        raise UsageError("two outputs go to standard output; nothing was written", "give one of them a file")
    wanted = [output for output in wanted if output != _STANDARD_OUTPUT]
    if len({output.resolve() for output in wanted}) < len(wanted):
        raise UsageError("two outputs go to the same file; nothing was written", "give each a name of its own")
    from forensics.repair.names import BESIDE, is_same_file

    files = [*evidence.files.values(), *evidence.containers]
    read = [path.with_name(path.name + ending) for path in files for ending in BESIDE]
    for output in wanted:
        if any(is_same_file(output, path) for path in read) or (output != ours and _is_of_a_state(output, files)):
            message = f"{output} is evidence; nothing was written"
            raise UsageError(message, "write to another file")
        if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
            message = f"{output} cannot be written: its folder is missing or read-only"
            raise UsageError(message)


def _is_of_a_state(output: Path, read: Iterable[Path]) -> bool:
    """Tell whether an output would replace a file of a state directory of which files were read, or of a snapshot."""
    from forensics.parsers.collected import snapshot_above
    from forensics.parsers.detect import state_directories_above

    if not output.exists():
        return False
    if snapshot_above(output.resolve()):
        return True
    states = state_directories_above(output)
    return bool(states) and any(path.resolve().is_relative_to(state) for path in read for state in states)


def emit(text: str, output: Path | None) -> None:
    """Write a result to standard output, which ``-`` means as well, or to a file; UTF-8, whatever the locale.

    A reader of standard output who has left, like ``head``, has what it wanted; that is no error.

    It bears colours only where they are wanted, so that none is taken out again.

    Raises:
        UsageError: it cannot be written.
    """
    if output is None or output == _STANDARD_OUTPUT:
        _emit_to_standard_output(text)
        return
    write_whole(output, [text])


def emit_parts(parts: Iterable[str], output: Path | None) -> None:
    """Write a result as ``emit`` does, part by part as they come.

    Raises:
        UsageError: it cannot be written.
    """
    if output is None or output == _STANDARD_OUTPUT:
        all(map(_emit_to_standard_output, parts))
    else:
        write_whole(output, parts)


def _emit_to_standard_output(text: str) -> bool:
    """Write to standard output; tell whether anybody reads on."""
    if sys.stdout is None:
        raise UsageError("standard output is closed: there is nowhere to write to", "name a file with -o")
    try:
        click.echo(_shown(text) if sys.stdout.isatty() else text.encode(), nl=False, color=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    except OSError as error:
        message = f"standard output cannot be written: {error.strerror}"
        raise UsageError(message) from error
    return True


def _shown(text: str) -> str:
    """Give text as the terminal can show it: a character that it lacks is spelled out."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
