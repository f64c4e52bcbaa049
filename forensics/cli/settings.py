"""What stands in for options that the command line leaves out: the environment, and a file in the working directory.

An option of a command is named alike in both: ``--min-confidence`` of ``fix`` is ``FORENSICS_FIX_MIN_CONFIDENCE``, and
``min-confidence`` in the table ``fix`` of ``forensics.toml``, or of ``[tool.forensics]`` in ``pyproject.toml``. A key
outside of these tables is meant for every command that knows it. The command line comes before the environment, and
that before the file.

No registry is ever changed by what only stands in: ``--apply``, ``--backup`` and ``--yes`` are read from the command
line alone, and with ``--apply`` nothing else may stand in either: it could widen the choice of rows. The folder a
command runs in may be evidence, so no file in it says where anything is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from forensics.model.errors import UsageError
from forensics.model.escape import for_terminal

FILE = "forensics.toml"
SHARED_FILE = "pyproject.toml"
_PREFIX = "FORENSICS"
_TYPED_ONLY = frozenset({"apply", "backup", "yes"})
_WRITES = frozenset({"output", "undo", "save-frames", "lnav-format", "also", "baseline", "update-baseline", "into"})

Commands = Mapping[str, click.Command]


def name_variables(name: str, command: click.Command) -> click.Command:
    """Name the environment variable of each option that may be set by one; give the command back."""
    for long, option in _options(command).items():
        if long not in _TYPED_ONLY:
            option.envvar = f"{_PREFIX}_{name}_{long}".upper().replace("-", "_")
    return command


def settings_in(folder: Path, commands: Callable[[], Commands]) -> tuple[str, dict[str, dict[str, Any]]]:
    """Give the file that holds settings, empty where there is none, and the value of each parameter of each command.

    ``commands`` loads all commands; it is only asked where there are settings.

    Raises:
        UsageError: the file cannot be read, or a key of it is unknown, may not stand there, or has a wrong value.
    """
    own, shared = folder / FILE, folder / SHARED_FILE
    if own.is_file():
        return FILE, _settings(_read(own), _At(FILE, ""), commands())
    tool = _read(shared).get("tool") if shared.is_file() else None
    if isinstance(tool, dict) and "forensics" in tool:
        return SHARED_FILE, _settings(tool["forensics"], _At(SHARED_FILE, "tool.forensics."), commands())
    return "", {}


def refuse_settings(ctx: click.Context) -> None:
    """Refuse options that were not typed, before a registry is changed.

    Raises:
        UsageError: an option was taken from the environment or a file.
    """
    stand_ins = (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
    options = _options(ctx.command).items()
    found = [f"--{long}" for long, option in options if ctx.get_parameter_source(str(option.name)) in stand_ins]
    if found:
        message = f"--apply takes no option from the environment or a file: {', '.join(found)}; nothing was changed"
        raise UsageError(message, "give it on the command line, or unset it")


def taken_from_file(ctx: click.Context) -> list[str]:
    """Give the options of a command that a file in the working directory sets, as they would be typed."""
    return [
        for_terminal(f"--{long}" if option.is_flag else f"--{long}={_typed(ctx.params.get(str(option.name)))}")
        for long, option in _options(ctx.command).items()
        if ctx.get_parameter_source(str(option.name)) is ParameterSource.DEFAULT_MAP
        and ctx.params.get(str(option.name)) is not False
    ]


def _typed(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


class _At:
    """A place in a file: its name and the tables around a key, for messages."""

    def __init__(self, file: str, tables: str) -> None:
        self.file, self.tables = file, tables

    def inner(self, table: str) -> _At:
        return _At(self.file, f"{self.tables}{table}.")

    def refused(self, key: str, why: str, hint: str) -> UsageError:
        return UsageError(f"{self.file}: {for_terminal(self.tables + key)} {why}", hint)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path.name} in the working directory cannot be read: {for_terminal(str(error))}"
        raise UsageError(message, "mend it, or run the command in another folder") from error


def _settings(told: object, at: _At, commands: Commands) -> dict[str, dict[str, Any]]:
    if not isinstance(told, dict):
        raise UsageError(f"{at.file}: {at.tables.rstrip('.')} is no table", "write it like [tool.forensics]")
    general = {key: value for key, value in told.items() if key not in commands}
    known = {long for command in commands.values() for long in _options(command)}
    for key in general:
        _check_key(key, known, at)
    return {name: _of_command(command, general, told.get(name, {}), at, name) for name, command in commands.items()}


def _of_command(
    command: click.Command, general: Mapping[str, object], told: object, at: _At, name: str
) -> dict[str, Any]:
    options = _options(command)
    if not isinstance(told, dict):
        raise at.refused(name, "is no table", f"write its options below [{at.tables}{name}]")
    inner = at.inner(name)
    for key in told:
        _check_key(key, options.keys(), inner)
    found = {key: (value, at) for key, value in general.items() if key in options}
    found |= {key: (value, inner) for key, value in told.items()}
    return {str(options[key].name): _value(options[key], key, *value) for key, value in found.items()}


def _check_key(key: str, known: AbstractSet[str], at: _At) -> None:
    if key in _TYPED_ONLY:
        raise at.refused(key, "is only taken from the command line", "remove it: no file changes a registry")
    if key in _WRITES:
        raise at.refused(key, "is not taken from a file", "name what is to be written on the command line")
    if key not in known:
        allowed = ", ".join(sorted(known - _TYPED_ONLY - _WRITES))
        raise at.refused(key, "is no known option", f"known here: {allowed or 'none'}")


def _value(option: click.Option, key: str, value: object, at: _At) -> object:
    if option.multiple:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise at.refused(key, "is no list of texts", f'write it like {key} = ["…"]')
        return value
    if option.is_flag:
        if not isinstance(value, bool):
            raise at.refused(key, "is neither true nor false", f"write it like {key} = true")
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise at.refused(key, "has no value that an option could have", f'write it like {key} = "…"')
    return str(value)


def _options(command: click.Command) -> dict[str, click.Option]:
    """Give the options of a command by their long names, without dashes in front."""
    return dict(_named(command))


def _named(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield next(name for name in parameter.opts if name.startswith("--")).removeprefix("--"), parameter
