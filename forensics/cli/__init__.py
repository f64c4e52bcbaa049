"""The command line: one file per command; the only place that prints, exits, and reads the environment."""

from __future__ import annotations

import errno
import os
import platform
import signal
import sys
import traceback
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

from forensics import __version__
from forensics.cli.display import Voice
from forensics.cli.settings import name_variables, settings_in
from forensics.model.errors import ForensicsError, UsageError
from forensics.model.escape import for_terminal

_COMMANDS = {
    "audit": "The corrected audit: what really happened to every lost row.",
    "bundle": "An anonymised repro of an incident, to attach to an issue.",
    "check": "For pipelines: fail when real losses are found.",
    "collect": "Preserve evidence before it vanishes, day by day.",
    "explain": "One lost row: its timeline and evidence, line by line.",
    "fix": "Correct the registry: a guarded SQL script, or an apply with backup.",
    "restarts": "The restart ledger of the gateway.",
    "schema": "The JSON Schema of what the commands write as JSON.",
    "sources": "What was found, how it was read, and what is missing.",
    "timeline": "All facts in time order: for people, Timesketch or lnav.",
    "undo": "Take back what a fix applied, by its journal.",
}
_BUG_EXIT_CODE = 70
_TERMINATED_EXIT_CODE = 128 + signal.SIGTERM
_HELP = frozenset({"-h", "--help"})
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


class _LazyGroup(click.Group):
    """Loads a command only when it is used, so that ``--help`` and ``--version`` start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"forensics.cli.{cmd_name}").command
        return name_variables(cmd_name, command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for; of one that there is not, say which may have been meant."""
        like = get_close_matches(args[0], _COMMANDS, n=1)
        if like and args[0] not in _COMMANDS and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{for_terminal(args[0])}'. Did you mean '{like[0]}'?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command with the settings of the working directory behind those of the command line."""
        try:
            file, ctx.default_map = settings_in(_working_directory(), lambda: self._commands(ctx))
        except UsageError:
            if _HELP.isdisjoint(ctx.args):  # help is at hand all the same
                raise
            file, ctx.default_map = "", {}
        if any(ctx.default_map.values()):
            click.echo(f"settings: {file}", err=True)
        return super().invoke(ctx)

    def _commands(self, ctx: click.Context) -> dict[str, click.Command]:
        found = {name: self.get_command(ctx, name) for name in _COMMANDS}
        return {name: command for name, command in found.items() if command is not None}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": sorted(_HELP, key=len), "max_content_width": 100})
@click.version_option(__version__, prog_name="forensics", message="%(prog)s %(version)s")
def main() -> None:
    """Offline forensics for background-task ledgers: what really happened to every lost row, on proof.

    \b
    Examples:
      forensics audit ~/.openclaw /tmp/openclaw
      forensics explain 97b96ec8 ~/.openclaw /tmp/openclaw
      forensics fix ~/.openclaw /tmp/openclaw -o fix.sql --undo undo.sql

    Reads what a gateway left on disk (task registry, cron run logs, gateway logs), works out what really happened to
    every row that its sweep marked lost, and proves it line by line. Evidence is never changed. Results go to standard
    output, all else to standard error.

    \b
    Exit codes:
      0   done; of check: nothing to look at
      1   of check alone: there are findings to look at
      2   the command was used wrongly
      3   nothing usable to read
      4   refused as unsafe: drifted rows, a gateway at work, a failed rehearsal
      70  a bug in forensics

    \b
    Environment:
      OPENCLAW_STATE_DIR        read where no PATH is given, else ~/.openclaw
      FORENSICS_COMMAND_OPTION  an option: FORENSICS_AUDIT_FORMAT=json,
                                FORENSICS_RESTARTS_DISPLAY_TZ=local
      COLUMNS                   how wide the terminal is
      NO_COLOR, TERM=dumb       no colours; --color comes first
      FORCE_COLOR               colours in a pipe, too; as does CLICOLOR_FORCE
      TZ                        the zone of this machine, for --display-tz local

    Options can also be set by forensics.toml, or [tool.forensics] in pyproject.toml, in the working directory: for one
    command in a table of its name, for all that know them outside of these tables. What is typed comes first, then the
    environment, then the file.
    """  # noqa: D301 - \b keeps click from wrapping the examples


def run() -> None:
    """Run the command line; every way out has its exit code, and no traceback reaches a user."""
    signal.signal(signal.SIGTERM, _leave)
    voice = Voice()
    try:
        outcome = main.main(standalone_mode=False, obj=voice)
        sys.exit(outcome if isinstance(outcome, int) else 0)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except ForensicsError as error:
        voice.tell("error", str(error))
        if error.hint:
            voice.tell("hint", error.hint)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the one place that turns a bug into a report worth sending
        sys.exit(_unforeseen(error, voice))


def _working_directory() -> Path:
    """Give the folder that relative paths and settings are looked for in.

    Raises:
        UsageError: it was deleted meanwhile.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError("the working directory is gone", "change into a folder that is there") from error


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Leave in order, so that the private copies of evidence are removed."""
    sys.exit(_TERMINATED_EXIT_CODE)


def _unforeseen(error: Exception, voice: Voice) -> int:
    """Report what no command foresaw; a full disk is no bug, but may cut an apply short. Give the exit code."""
    is_apply = any(word.startswith("--apply") for word in sys.argv)
    if isinstance(error, OSError) and error.errno in _DISK_IS_FULL and not is_apply:
        voice.tell("error", str(error))
        voice.tell("hint", "make room where the output goes, or in the folder for temporary files")
        return UsageError.exit_code
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames[::-1][:6])
    told = "run the same command again to see whether anything was changed" if is_apply else "nothing was changed"
    said = for_terminal(str(error).splitlines()[0][:300]) if str(error) else ""
    voice.tell("error", f"this is a bug in forensics; {told}. Please report these lines:")
    voice.say(f"  forensics {__version__}, Python {platform.python_version()}, {platform.system()}")
    voice.say(f"  {type(error).__name__}: {said}")
    voice.say(f"  at {where}")
    return _BUG_EXIT_CODE
