"""Which file belongs to which gateway. One state directory is one gateway; records never cross gateways (design §6)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import Found
from forensics.parsers.parsed import well_formed

_STATE_KINDS = (SourceKind.TASK_REGISTRY, SourceKind.CRON_RUN_LOG, SourceKind.JOB_STORE, SourceKind.JOB_STATE)


@dataclass(frozen=True, slots=True)
class Placed:
    """The gateway of each file, in the order given, and what each copied folder holds."""

    gateways: list[str | None]
    copies: list[dict[str, object]]


def place(files: Sequence[tuple[Found, SourceKind]], arguments: Sequence[Path]) -> Placed:
    """Give every file its gateway, or None where it cannot be told.

    With at most one registry folder everything given together is one gateway. With several, a file belongs to the one
    registry folder with which it shares most of its path, if there is only one such.
    """
    roots = sorted({found.copy_root for found, kind in files if kind is SourceKind.TASK_REGISTRY})
    names = _names(roots)
    if len(roots) > 1:
        gateways = [_nearest(found.copy_root, names) for found, _ in files]
    else:
        only = next(iter(names.values()), "gateway")
        gateways = [only] * len(files)
    return Placed(gateways, _copies(files, gateways, [argument.resolve() for argument in arguments]))


def _names(roots: Sequence[Path]) -> dict[Path, str]:
    """Name each registry folder by as few of its last path parts as tell all of them apart."""
    for length in range(1, max((len(root.parts) for root in roots), default=1) + 1):
        names = {root: well_formed(Path(*root.parts[-length:]).as_posix()) for root in roots}
        if len(set(names.values())) == len(roots):
            return names
    return {}


def _nearest(folder: Path, names: dict[Path, str]) -> str | None:
    shared = {root: _shared_parts(folder, root) for root in names}
    most = max(shared.values())
    nearest = [root for root, parts in shared.items() if parts == most]
    return names[nearest[0]] if len(nearest) == 1 else None


def _shared_parts(one: Path, other: Path) -> int:
    shared = 0
    for left, right in zip(one.parts, other.parts, strict=False):
        if left != right:
            break
        shared += 1
    return shared


def _copies(
    files: Sequence[tuple[Found, SourceKind]], gateways: Sequence[str | None], arguments: Sequence[Path]
) -> list[dict[str, object]]:
    copies: dict[tuple[str, str], dict[str, object]] = {}
    for (found, kind), gateway in zip(files, gateways, strict=True):
        if kind not in _STATE_KINDS or gateway is None:
            continue
        copy = copies.setdefault(
            (gateway, found.copy),
            {
                "gateway": gateway,
                "copy": found.copy,
                "has_run_logs": _is_given(found.copy_root / "cron" / "runs", arguments),
                "has_job_store": False,
            },
        )
        copy["has_run_logs"] = copy["has_run_logs"] or (kind is SourceKind.CRON_RUN_LOG and not found.explicit)
        copy["has_job_store"] = copy["has_job_store"] or (
            kind is not SourceKind.TASK_REGISTRY and kind is not SourceKind.CRON_RUN_LOG
        )
    return [copies[key] for key in sorted(copies)]


def _is_given(folder: Path, arguments: Sequence[Path]) -> bool:
    """Tell whether a folder can be listed and lies within what the user handed over, not behind a link out of it."""
    within = any(argument == folder or argument in folder.parents for argument in arguments)
    return within and folder.resolve() == folder and _is_listable(folder)


def _is_listable(folder: Path) -> bool:
    try:
        with os.scandir(folder):
            return True
    except OSError:
        return False
