"""Which file belongs to which gateway. One state directory is one gateway; records never cross gateways (design §6)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

import polars as pl

from forensics.model.schemas import TIME
from forensics.model.verdicts import Origin, SourceKind
from forensics.parsers.containers import STANDARD_INPUT, without_ending
from forensics.parsers.detect import Found
from forensics.parsers.parsed import Parsed, well_formed

_STATE_KINDS = (SourceKind.TASK_REGISTRY, SourceKind.CRON_RUN_LOG, SourceKind.JOB_STORE, SourceKind.JOB_STATE)
_ALONE = "gateway"


@dataclass(frozen=True, slots=True)
class Placed:
    """The gateway of each file, in the order given, and what each copied folder holds."""

    gateways: list[str | None]
    copies: list[dict[str, object]]


@dataclass(slots=True)
class _Gateway:
    """One gateway: its folders, the tasks its registries hold, the cron stores that its logs name."""

    name: str = ""
    homes: set[Path] = field(default_factory=set)
    stores: set[str] = field(default_factory=set)


_NAMING_TASKS = (SourceKind.TASK_EXPORT, SourceKind.FIX_JOURNAL)
_HISTORIES = (SourceKind.TASK_REGISTRY, SourceKind.CRON_RUN_LOG)
_WRITTEN = [Origin.RUN_LOG.value, Origin.RUN_TABLE.value, Origin.TASK_DETAIL.value]


@dataclass(frozen=True, slots=True)
class _Given:
    """One file, and what is known of it."""

    found: Found
    kind: SourceKind
    parsed: Parsed | None
    named: str | None
    backup_of: str | None = None

    @property
    def stores(self) -> set[str]:
        return self.parsed.stores if self.parsed else set()

    @property
    def task_ids(self) -> pl.Series:
        """The tasks that a file holds or, of a journal, names."""
        tasks = self.parsed.tasks if self.parsed else None
        if tasks is None and self.parsed is not None:
            tasks = self.parsed.corrections
        return pl.Series("task_id", dtype=pl.String) if tasks is None else tasks["task_id"]

    @property
    def births(self) -> pl.DataFrame:
        """The tasks of a registry and when each was created; imported run records were born elsewhere."""
        tasks = self.parsed.tasks if self.parsed else None
        if tasks is None:
            return pl.DataFrame(schema={"task_id": pl.String, "created_at": TIME})
        return tasks.filter(~pl.col("is_twin").fill_null(value=False)).select("task_id", "created_at")

    @property
    def runs(self) -> pl.DataFrame:
        """The runs that a file records, by job and start, in the shape of ``births``."""
        runs = self.parsed.runs if self.parsed else None
        if runs is None or self.kind not in _HISTORIES:
            return pl.DataFrame(schema={"task_id": pl.String, "created_at": TIME})
        name = pl.format("run of {} at {}", "job_id", pl.col("started_at").dt.epoch("ms"))
        written = runs.filter(pl.col("origin").is_in(_WRITTEN))
        return written.select(name.alias("task_id"), pl.col("started_at").alias("created_at"))


def place(
    files: Sequence[tuple[Found, SourceKind]],
    arguments: Sequence[Path],
    *,
    parsed: Sequence[Parsed | None] = (),
    named: Sequence[str | None] = (),
    backups: Mapping[int, str] = MappingProxyType({}),
    gaps: Sequence[Path] = (),
) -> Placed:
    """Give every file its gateway, or None where it cannot be told.

    A file the user gave for a gateway belongs to that one. Registries that share a task are copies of one gateway, as
    task ids are random; so is an export that shares one with them, or a journal of a fix-up that names one (of several,
    the nearest). ``backups`` gives, by their place among the files, the registries that a journal names as the backup
    of a database: they belong to the gateway of that database, however few tasks they still share. With one gateway
    everything given together belongs to it. With several, a file belongs to the one with whose folders it shares most
    of its path, if there is only one such; a log, where several are as near, to the only one whose logs name the same
    cron store. The store alone never makes two folders one gateway: most gateways name the same path. ``gaps`` are the
    places at which something could not be read: a copied folder with such a gap proves nothing by what it lacks.

    Source: design §6, gateways; observed.md (all captures name one store path).
    """
    count = len(files)
    facts = zip(
        files, [*parsed, *[None] * (count - len(parsed))], [*named, *[None] * (count - len(named))], strict=True
    )
    told = [
        _Given(found, kind, known, name, backups.get(number))
        for number, ((found, kind), known, name) in enumerate(facts)
    ]
    gateways = _placed(told)
    return Placed(gateways, _copies(files, gateways, [argument.resolve() for argument in arguments], gaps))


def _placed(files: Sequence[_Given]) -> list[str | None]:
    known = _gateways(files)
    if len(known) <= 1:
        return [next(iter(known)).name if known else _ALONE] * len(files)
    by_name = {gateway.name: gateway for gateway in known}
    near = [_nearest(given, known) for given in files]
    shared = _sharing(files, known)
    for number, given in enumerate(files):
        if given.named is not None:
            near[number] = [by_name[given.named]]
        elif given.kind is SourceKind.FIX_JOURNAL and number in shared:
            near[number] = [gateway for gateway in near[number] if gateway in shared[number]] or shared[number]
        elif number in shared:
            near[number] = shared[number]
        if len(near[number]) == 1:
            near[number][0].stores |= given.stores
    left = [_by_store(given, candidates) for given, candidates in zip(files, near, strict=True)]
    return [candidates[0].name if len(candidates) == 1 else None for candidates in left]


def _by_store(given: _Given, candidates: list[_Gateway]) -> list[_Gateway]:
    """Leave the gateways whose logs do not name another cron store, where one of them names the same."""
    if len(candidates) == 1 or not given.stores:
        return candidates
    left = [gateway for gateway in candidates if not gateway.stores or gateway.stores & given.stores]
    return left if len(left) == 1 and left[0].stores else candidates


def _gateways(files: Sequence[_Given]) -> list[_Gateway]:
    """Give the gateways: those the user named, and one for each group of registry folders that share tasks."""
    named: dict[str, _Gateway] = {}
    for given in files:
        if given.named is not None:
            named.setdefault(given.named, _Gateway(given.named)).homes.add(given.found.copy_home)
    unnamed = [given for given in files if given.named is None and given.kind is SourceKind.TASK_REGISTRY]
    pairs = [*_shared_folders(unnamed, files), *_folders_of_backups(unnamed)]
    groups = _grouped({given.found.copy_home for given in unnamed}, pairs)
    unknown: list[_Gateway] = []
    for homes in groups:
        names = {name for name, gateway in named.items() if gateway.homes & homes}
        names |= _names_sharing(homes, files) if named else set()
        if len(names) == 1:
            named[names.pop()].homes |= homes
        else:
            unknown.append(_Gateway(homes=set(homes)))
    living = {given.found.copy_home for given in unnamed if given.backup_of is None}
    heads = [min(gateway.homes & living or gateway.homes, key=_shortest) for gateway in unknown]
    names_of = _names(heads, taken=named)
    for gateway, head in zip(unknown, heads, strict=True):
        gateway.name = names_of[head]
    return [*named.values(), *unknown]


def _names_sharing(homes: set[Path], files: Sequence[_Given]) -> set[str]:
    """Name the gateways given by the user whose registries share a task with the registries of these folders."""
    ours = [g.task_ids for g in files if g.named is None and _is_registry_of(g, homes)]
    ids = pl.concat([series.alias("task_id") for series in ours]).drop_nulls().unique() if ours else pl.Series()
    return {
        g.named
        for g in files
        if g.named is not None and g.kind is SourceKind.TASK_REGISTRY and _is_any_in(g.task_ids, ids)
    }


def _is_registry_of(given: _Given, homes: set[Path]) -> bool:
    return given.kind is SourceKind.TASK_REGISTRY and given.found.copy_home in homes


def _is_any_in(ids: pl.Series, others: pl.Series) -> bool:
    return bool(len(ids)) and bool(len(others)) and bool(ids.drop_nulls().is_in(others.implode()).any())


def _shared_folders(registries: Sequence[_Given], files: Sequence[_Given]) -> Iterable[tuple[Path, Path]]:
    """Give pairs of folders whose registries are copies of one: they share tasks, and one of them stopped there.

    Where both went on with tasks or runs of their own behind the last task that they share, one is a clone of the
    other: two gateways since, whose records must not cross.
    """
    homes = sorted({given.found.copy_home for given in registries})
    if len(homes) < 2:
        return []
    born = (
        pl.concat(
            [
                given.births.with_columns(pl.lit(homes.index(given.found.copy_home)).alias("home"))
                for given in registries
            ]
        )
        .drop_nulls("task_id")
        .unique(["task_id", "home"], keep="first", maintain_order=True)
    )
    first = born.with_columns(pl.col("home").min().over("task_id").alias("first"))
    pairs = first.filter(pl.col("home") != pl.col("first")).select("home", "first").unique().sort("home", "first")
    ran = [
        given.runs.with_columns(pl.lit(homes.index(given.found.copy_home)).alias("home"))
        for given in files
        if given.named is None and given.found.copy_home in homes
    ]
    lived = pl.concat([born, *ran]).drop_nulls("task_id").unique(["task_id", "home"], keep="first", maintain_order=True)
    return [(homes[one], homes[other]) for one, other in pairs.iter_rows() if not _went_apart(born, lived, one, other)]


def _folders_of_backups(registries: Sequence[_Given]) -> Iterable[tuple[Path, Path]]:
    """Give each folder that holds nothing but backups of fix-ups, with the folder of the database they were made of.

    Where the path of the database does not tell it, as in a copy that lies elsewhere, it is the only other folder.
    """
    others = [given for given in registries if given.backup_of is None]
    living = {given.found.copy_home for given in others}
    for given in registries:
        if given.backup_of is None or given.found.copy_home in living:
            continue
        alike = [_shared_end(given.backup_of, other.found) for other in others]
        nearest = {
            other.found.copy_home for other, parts in zip(others, alike, strict=True) if parts and parts == max(alike)
        }
        for homes in (nearest, living):
            if len(homes) == 1:
                yield given.found.copy_home, next(iter(homes))
                break


def _shared_end(database: str, found: Found) -> int:
    """Count the last parts that the path of a database shares with that of a file."""
    theirs = reversed((*found.home.parts, found.name))
    pairs = zip(reversed(PurePath(database).parts), theirs, strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), len(PurePath(database).parts))


def _went_apart(born: pl.DataFrame, lived: pl.DataFrame, one: int, other: int) -> bool:
    """Tell whether each of two folders has tasks or runs that are younger than all tasks they share."""
    shared = born.filter(pl.col("home").is_in([one, other])).filter(pl.len().over("task_id") > 1)
    last_shared = shared["created_at"].max()
    if last_shared is None:
        return False
    both = lived.filter(pl.col("home").is_in([one, other])).with_columns(pl.len().over("task_id").alias("places"))
    younger = both.filter((pl.col("places") == 1) & (pl.col("created_at") > last_shared))
    return younger["home"].n_unique() > 1


def _grouped(homes: Iterable[Path], pairs: Iterable[tuple[Path, Path]]) -> list[set[Path]]:
    """Give the groups of folders that the pairs connect, in the order of their first folder."""
    groups = {home: {home} for home in homes}
    for one, other in pairs:
        joined = groups[one] | groups[other]
        groups |= dict.fromkeys(joined, joined)
    return [groups[home] for home in sorted(groups) if home == min(groups[home])]


def _sharing(files: Sequence[_Given], known: Sequence[_Gateway]) -> dict[int, list[_Gateway]]:
    """Give, for each registry its gateway, and for each export or journal that shares a task with registries theirs."""
    shared: dict[int, list[_Gateway]] = {}
    ids: defaultdict[int, list[pl.Series]] = defaultdict(list)
    for number, given in enumerate(files):
        if given.kind is SourceKind.TASK_REGISTRY:
            place = next(at for at, gateway in enumerate(known) if _has(gateway, given))
            ids[place].append(given.task_ids.alias("task_id"))
            shared[number] = [known[place]]
    joined = {place: pl.concat(series).drop_nulls().unique() for place, series in ids.items()}
    for number, given in enumerate(files):
        if given.kind in _NAMING_TASKS:
            owners = [known[place] for place in sorted(joined) if _is_any_in(given.task_ids, joined[place])]
            shared |= {number: owners} if owners else {}
    return shared


def _has(gateway: _Gateway, given: _Given) -> bool:
    return gateway.name == given.named if given.named is not None else given.found.copy_home in gateway.homes


def _shortest(home: Path) -> tuple[int, int, str]:
    return len(home.parts), len(str(home)), str(home)


def _names(roots: Sequence[Path], taken: Iterable[str] = ()) -> dict[Path, str]:
    """Name each registry folder by as few of its last path parts as tell all of them apart, and from ``taken``.

    Of an archive the ending is left out, unless only that tells it from a folder.
    """
    longest = max((len(root.parts) for root in roots), default=1)
    for shown in (_plain, str):
        for length in range(1, longest + 1):
            names = {root: well_formed(Path(*map(shown, root.parts[-length:])).as_posix()) for root in roots}
            if len(set(names.values()) - set(taken)) == len(roots):
                return names
    return {root: f"{well_formed(root.as_posix())} ({number})" for number, root in enumerate(sorted(roots), 1)}


def _plain(part: str) -> str:
    return "stdin" if part == STANDARD_INPUT else without_ending(part)


def _nearest(given: _Given, known: Sequence[_Gateway]) -> list[_Gateway]:
    shared = [max(_shared_parts(given.found.home, home) for home in gateway.homes) for gateway in known]
    return [gateway for gateway, parts in zip(known, shared, strict=True) if parts == max(shared)]


def _shared_parts(one: Path, other: Path) -> int:
    shared = 0
    for left, right in zip(one.parts, other.parts, strict=False):
        if left != right:
            break
        shared += 1
    return shared


def _copies(
    files: Sequence[tuple[Found, SourceKind]],
    gateways: Sequence[str | None],
    arguments: Sequence[Path],
    gaps: Sequence[Path],
) -> list[dict[str, object]]:
    copies: dict[tuple[str, str], dict[str, Any]] = {}
    for (found, kind), gateway in zip(files, gateways, strict=True):
        if kind not in _STATE_KINDS or gateway is None:
            continue
        is_whole = not _has_gap(found.copy_root, gaps)
        copy = copies.setdefault(
            (gateway, found.copy),
            {
                "gateway": gateway,
                "copy": found.copy,
                "has_run_logs": is_whole and _is_given(found.copy_root / "cron" / "runs", arguments),
                "has_job_store": False,
            },
        )
        is_run_log = kind is SourceKind.CRON_RUN_LOG
        copy["has_run_logs"] |= is_whole and is_run_log and not found.explicit
        copy["has_job_store"] |= is_whole and kind is not SourceKind.TASK_REGISTRY and not is_run_log
    return [copies[key] for key in sorted(copies)]


def _has_gap(copy_root: Path, gaps: Sequence[Path]) -> bool:
    """Tell whether something of a copied folder could not be read that a missing record might stand in."""
    history = copy_root / "cron"
    return any(gap.is_relative_to(history) or copy_root.is_relative_to(gap) for gap in gaps)


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
