"""How results are shown: ``--width``, ``--color`` and ``--display-tz``; the one place that asks the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import wraps
from pathlib import Path
from typing import IO, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from forensics.cli.options import parsed_zone
from forensics.model.errors import UsageError
from forensics.model.escape import for_terminal
from forensics.model.shown import Shown, Style

_Command = TypeVar("_Command", bound=Callable[..., Any])

_LEAST_WIDTH = 20
_LOCAL = "local"
_LOCAL_ZONE = Path("/etc/localtime")
_ZONES = "/zoneinfo/"
_LABELS = {"error": Style.BAD, "warning": Style.DOUBT, "hint": Style.HEADING}
_FORCING = ("FORCE_COLOR", "CLICOLOR_FORCE")


@dataclass(frozen=True, slots=True)
class Display:
    """What was asked of the way in which results are shown; None: as the terminal and the environment have it."""

    width: int | None = None
    color: str = "auto"
    zone: tzinfo = UTC
    zone_name: str = "UTC"

    def shown(self, output: Path | None = None) -> Shown:
        """Give how a result is shown that goes to this file or, without one, to standard output.

        What is no terminal gets the same bytes everywhere: lines of any length unless ``--width`` is given.
        """
        stream = sys.stdout if output is None or str(output) == "-" else None
        return Shown(self._width(stream), self.zone, self.zone_name, is_coloured(self.color, stream, os.environ))

    def _width(self, stream: IO[str] | None) -> int | None:
        if self.width is not None:
            return self.width or None
        if stream is None or not stream.isatty():
            return None
        return max(shutil.get_terminal_size().columns, _LEAST_WIDTH)


@dataclass(slots=True)
class Voice:
    """What ``--color`` says, kept where errors are told after the command is left."""

    color: str = "auto"

    def tell(self, label: str, message: str) -> None:
        """Write a line to standard error, its kind before it."""
        stream = sys.stderr
        painted = Shown(is_coloured=is_coloured(self.color, stream, os.environ)).painted(
            f"{label}:", _LABELS.get(label)
        )
        self.say(f"{painted} {for_terminal(message)}")

    def say(self, line: str) -> None:
        """Write a line to standard error; where that is closed or full, the exit code still tells."""
        with suppress(OSError):
            click.echo(line, err=True, color=True)


def tell(label: str, message: str) -> None:
    """Write a line of the running command to standard error: an error, a warning, a hint."""
    context = click.get_current_context(silent=True)
    voice = context.find_object(Voice) if context else None
    (voice or Voice()).tell(label, message)


def _keep_color(context: click.Context, _option: click.Parameter, asked: str) -> str:
    context.find_root().ensure_object(Voice).color = asked
    return asked


def is_coloured(asked: str, stream: IO[str] | None, environment: Mapping[str, str]) -> bool:
    """Tell whether a stream gets colours; without a stream, a file is meant, which gets them only when asked to.

    Source: no-color.org (NO_COLOR counts when it is not empty, options come before it), force-color.org,
    bixense.com/clicolors (CLICOLOR_FORCE; 0 forces nothing).
    """
    if asked != "auto" or stream is None:
        return asked == "always"
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in _FORCING):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def display_options(function: _Command) -> Callable[..., object]:
    """Give a command ``--width``, ``--color`` and ``--display-tz`` as one value, ``display``."""

    @click.option(
        "--width",
        type=int,
        metavar="COLUMNS",
        help="Fit text into so many columns, at least 20; 0: do not wrap at all. Default: the columns of the terminal; "
        "0 where the text goes to a pipe or a file.",
    )
    @color_option
    @click.option(
        "--display-tz",
        "display_zone",
        metavar="ZONE",
        default="UTC",
        show_default=True,
        help="Show times for people in this zone, with their offset: Europe/Berlin, +02:00, or local for that of this "
        "machine. Formats for machines stay in UTC, and the evidence's own words as they are.",
    )
    @wraps(function)
    def with_display(*args: object, width: int | None, color: str, display_zone: str, **kwargs: object) -> object:
        if width is not None and width != 0 and width < _LEAST_WIDTH:
            message = f"--width {width} is too narrow to read"
            raise UsageError(message, f"give at least {_LEAST_WIDTH}, or 0 for lines of any length")
        return function(*args, display=Display(width, color, *_zone(display_zone)), **kwargs)

    return with_display


color_option: Callable[[_Command], _Command] = click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    show_default=True,
    callback=_keep_color,
    help="Colour text for people; auto: in a terminal, but not with NO_COLOR or TERM=dumb, and always with FORCE_COLOR "
    "or CLICOLOR_FORCE. Nothing is said by colour alone.",
)


def _zone(text: str) -> tuple[tzinfo, str]:
    """Give the zone that is asked for, and its name for headings.

    Raises:
        UsageError: it is no zone.
    """
    if text.upper() == "UTC":
        return UTC, "UTC"
    if text.lower() == _LOCAL:
        return _local_zone()
    zone = parsed_zone(text, "--display-tz")
    return zone, text if isinstance(zone, ZoneInfo) else str(zone)


def _local_zone() -> tuple[tzinfo, str]:
    """Give the zone of this machine, by its name where that can be told: only a named one knows its past."""
    from dateutil import tz

    told = os.environ.get("TZ", "").removeprefix(":") or str(_LOCAL_ZONE.resolve()).rpartition(_ZONES)[2]
    try:
        return ZoneInfo(told), told
    except (KeyError, ValueError, OSError):
        return tz.tzlocal(), "local time"
