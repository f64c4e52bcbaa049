"""What captured gateways answered when they were asked for an audit, and the registries it was asked about.

All of it lies in ``tests/data/audits.tar.xz``, by release and capture.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from forensics.model.finding import Counts
from tests.support.captures import DATA

ARCHIVE = DATA / "audits.tar.xz"
_ANSWER = re.compile(r"tasks-audit|cli/0\d-audit-")
_MAINTENANCE = re.compile(r"-maintenance-(?:preview|APPLY)|cli/0\d-maint-")
_ASKED_AT = re.compile(r"^(\d{13})-(.+)-(?:tasks-audit|tasks-maintenance-preview|maintenance-APPLY)\.json$")
_OTHER_RELEASE = {"57cli-on-415data-tasks-audit.stdout.txt": ("2026.5.7", "final")}
"""An answer of one release about the registry of another, and the copy it was asked about."""
_LEGACY = "input-legacy-state/tasks/runs.sqlite"
_CRAFTED = {"00": _LEGACY, "04": _LEGACY, "08": "after-maintenance-apply.sqlite"}
"""The registry behind each step of an upgrade: the upgrade itself carries the rows over as they are."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what it counts, which release gave it, about which registry (where that was copied), and when.

    ``earliest`` and ``latest`` are equal where the answer itself tells the moment, else the moments that the command
    and the one after it were started at; null where neither is known.
    """

    path: str
    release: str
    registry: str | None
    counts: Counts
    named: frozenset[str]
    earliest: datetime | None
    latest: datetime | None

    def __str__(self) -> str:
        return self.path


def answers() -> list[Answer]:
    """Give every answer of ``tasks audit --json``."""
    return [answer for answer, is_audit in _all_answers() if is_audit]


def maintenance_answers() -> list[Answer]:
    """Give what every ``tasks maintenance --json`` counted before it did anything."""
    return [answer for answer, is_audit in _all_answers() if not is_audit]


def unpack_audits(folder: Path) -> Path:
    """Unpack the archive; give the folder that all paths are relative to."""
    target = folder / "audits"
    if not target.exists():
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(target, filter="data")
    return target


def as_it_was(tasks: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Give the rows of a registry as they were at an earlier moment.

    Rows that did not exist yet are left out, those that ended since were running; of a cron row nothing else is
    written while it runs. A row that was marked lost and finished since would need its mark back: there is none such
    in the captures between an answer and its copy.
    """
    ended_since = pl.col("ended_at") > now
    undone = [
        pl.when(ended_since).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in (("status", "running"), ("ended_at", None), ("cleanup_after", None), ("error", None))
    ]
    reset = pl.when(ended_since).then("started_at").otherwise("last_event_at").alias("last_event_at")
    return tasks.filter(pl.col("created_at") <= now).with_columns(*undone, reset)


@cache
def _all_answers() -> list[tuple[Answer, bool]]:
    with tarfile.open(ARCHIVE) as archive:
        texts = {}
        for member in archive:
            if _ANSWER.search(member.name) or _MAINTENANCE.search(member.name):
                content = archive.extractfile(member)
                assert content is not None
                texts[member.name] = content.read().decode()
        names = archive.getnames()
    return list(_read(texts, names))


def _read(texts: dict[str, str], names: list[str]) -> Iterator[tuple[Answer, bool]]:
    for path, text in texts.items():
        if "{" in text:
            document = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]
            is_audit = _ANSWER.search(path) is not None
            counted = document["summary"] if is_audit else document["auditBefore"]
            release, label = _release_and_label(path)
            earliest, latest = _told_at(document) or _asked_between(path, texts)
            yield (
                Answer(
                    path=path,
                    release=release,
                    registry=_registry(path, label, names),
                    counts=Counts(counted["errors"], counted["warnings"], counted["byCode"]),
                    named=frozenset(finding["token"] for finding in document.get("findings", [])),
                    earliest=earliest,
                    latest=latest,
                ),
                is_audit,
            )


def _release_and_label(path: str) -> tuple[str, str]:
    name = PurePosixPath(path).name
    if name in _OTHER_RELEASE:
        return _OTHER_RELEASE[name]
    asked = _ASKED_AT.match(name)
    return path.split("/")[0], asked[2] if asked else name[:2]


def _told_at(document: dict[str, Any]) -> tuple[datetime, datetime] | None:
    """Give the moment the answer itself tells: what it last heard of a task, and how long ago that was."""
    aged = [finding for finding in document.get("findings", []) if "ageMs" in finding]
    if not aged:
        return None
    (told,) = {_heard(finding["task"]) + finding["ageMs"] for finding in aged}
    return _moment(told), _moment(told)


def _heard(task: dict[str, Any]) -> int:
    return int(task.get("lastEventAt") or task.get("startedAt") or task["createdAt"])


def _asked_between(path: str, texts: dict[str, str]) -> tuple[datetime | None, datetime | None]:
    folder, name = path.rsplit("/", 1)
    asked = _ASKED_AT.match(name)
    if asked is None:
        return None, None
    started = sorted(
        int(other[1])
        for other in (_ASKED_AT.match(PurePosixPath(text).name) for text in texts if text.startswith(folder))
        if other is not None
    )
    # an answer came up to 16 s after the command was started
    following = min((moment for moment in started if moment > int(asked[1])), default=int(asked[1]) + 16_000)
    return _moment(int(asked[1])), _moment(min(following, int(asked[1]) + 16_000))


def _registry(path: str, label: str, names: list[str]) -> str | None:
    """Give the registry that was copied at the moment of an answer, as it lies in the archive."""
    capture = "/".join(path.split("/")[:2])
    if "/cli/" in path:
        wanted = [f"{capture}/{_CRAFTED[label]}"] if label in _CRAFTED else []
    elif "/snaps/" in path:
        beside = str(PurePosixPath(path).parent / "openclaw.sqlite")
        wanted = [beside, f"{capture}/state/state/openclaw.sqlite"] if "/final-" in path else [beside]
    else:
        copies = rf"{re.escape(capture)}/snap/\d{{13}}-{re.escape(label)}/tasks/runs\.sqlite"
        return next((str(PurePosixPath(name).parents[1]) for name in names if re.fullmatch(copies, name)), None)
    return next((name for name in wanted if name in names), None)


def _moment(epoch_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)
