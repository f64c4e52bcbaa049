"""The options that choose which rows a fix-up corrects."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from forensics.cli.options import parsed_now
from forensics.model.errors import UsageError
from forensics.model.verdicts import CORRECTED_BY_DEFAULT, Confidence, Verdict

_Command = TypeVar("_Command", bound=Callable[..., Any])
_HEALED = "healed"
_INCLUDED = (Verdict.INTERRUPTED.value, _HEALED)


def selection_options(function: _Command) -> Callable[..., object]:
    """Give a command the options that choose rows, as one value, ``selection``."""

    @click.option(
        "--include",
        default="",
        metavar="WHAT,…",
        help="Also correct: interrupted, healed (clears the stale error). Default: neither.",
    )
    @click.option(
        "--exclude",
        default="",
        metavar="VERDICT,…",
        help="Leave out: false_lost, failed or replayed. Default: none of them.",
    )
    @click.option(
        "--min-confidence",
        type=click.Choice([confidence.value for confidence in Confidence]),
        default=Confidence.STRONG.value,
        show_default=True,
        help="Correct only rows proven at least this firmly.",
    )
    @click.option(
        "--job",
        "jobs",
        multiple=True,
        metavar="JOB",
        help="Only rows of this job, by id or name. Can be given several times.",
    )
    @click.option(
        "--of-gateway",
        "of_gateways",
        multiple=True,
        metavar="NAME",
        help="Only rows of this gateway, by the name that audit gives it. Can be given several times.",
    )
    @click.option(
        "--since",
        metavar="TIME",
        help="Only runs that started at this ISO time (UTC unless it says otherwise) or later.",
    )
    @click.option("--until", metavar="TIME", help="Only runs that started before this ISO time.")
    @wraps(function)
    def with_selection(
        *args: object,
        include: str,
        exclude: str,
        min_confidence: str,
        jobs: tuple[str, ...],
        of_gateways: tuple[str, ...],
        since: str | None,
        until: str | None,
        **kwargs: object,
    ) -> object:
        from forensics.repair.plan import Selection

        included = _chosen(include, _INCLUDED, "--include")
        excluded = _chosen(exclude, CORRECTED_BY_DEFAULT, "--exclude")
        wanted = {*CORRECTED_BY_DEFAULT, *included} - set(excluded)
        selection = Selection(
            verdicts=tuple(verdict for verdict in Verdict if verdict in wanted),
            minimum=Confidence(min_confidence),
            healed=_HEALED in included,
            jobs=jobs,
            gateways=of_gateways,
            since=parsed_now(since, "--since"),
            until=parsed_now(until, "--until"),
        )
        return function(*args, selection=selection, **kwargs)

    return with_selection


def _chosen(text: str, allowed: tuple[str, ...], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        message = f"{option}: {', '.join(unknown)} cannot be chosen here"
        raise UsageError(message, "choose from " + ", ".join(allowed))
    return names
