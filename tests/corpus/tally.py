"""Counts of judged rows, mergeable between workers, and the figures they amount to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.corpus.judging import GROUPED_BY, Flaw, Judged, is_corrected
from tests.corpus.truth import Deserved, Incident

ALL = ("all", "")
"""The group of everything."""

FATE = "fate"
"""The name of the groups of rows by what really became of the run."""

RIGHT_AT_LEAST = 0.995
"""So many of the verdicts must be right: of the rows whose evidence decides, of those that must be withheld, and of
those that the rules leave open, each."""

Group = tuple[str, str]


@dataclass(slots=True)
class Tally:
    """Plain counts: per group, per pair of verdicts deserved and given, per reason given, and every row with a flaw.

    Groups are those of the gateways' knobs, and of the rows' fates.
    """

    groups: dict[Group, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[Judged] = field(default_factory=list)

    def __getstate__(self) -> tuple[object, ...]:
        return dict(self.groups), self.confusion, self.reasons, self.failures

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        groups, self.confusion, self.reasons, self.failures = state
        self.groups = defaultdict(Counter, groups)

    def add_gateway(self, incident: Incident) -> None:
        """Count one gateway and what happened to it."""
        for group in groups_of(incident.knobs):
            self.groups[group].update(gateways=1, incidents=incident.events)

    def add(self, row: Judged) -> None:
        """Count one row."""
        counted = counts_of(row)
        for group in [*groups_of(row.knobs), (FATE, row.fate.value)]:
            self.groups[group] += counted
        if row.deserved is not None and row.given is not None:
            self.confusion["|".join(sorted(row.deserved.verdicts)), row.given.verdict] += 1
            self.reasons.update(row.given.reasons)
        if row.flaws():
            self.failures.append(row)

    def merge(self, other: Tally) -> None:
        """Add the counts of another."""
        for group, counted in other.groups.items():
            self.groups[group] += counted
        self.confusion += other.confusion
        self.reasons += other.reasons
        self.failures += other.failures

    @property
    def incidents(self) -> int:
        """The number of things that happened that can make rows lost."""
        return self.groups[ALL]["incidents"]


def groups_of(knobs: Mapping[str, object]) -> list[Group]:
    """Give the groups that a gateway of these knobs is counted in."""
    return [ALL, *((name, str(knobs[name])) for name in GROUPED_BY if name in knobs)]


def tallied(incidents: Iterable[Incident], rows: Iterable[Judged]) -> Tally:
    """Count gateways and their judged rows."""
    tally = Tally()
    for incident in incidents:
        tally.add_gateway(incident)
    for row in rows:
        tally.add(row)
    return tally


def counts_of(row: Judged) -> Counter[str]:
    """Give what one row adds to the counts of its groups: every flaw by its name, and what it is a share of."""
    told = Counter(flaw.value for flaw in row.flaws())
    if row.deserved is None:
        return told
    kind = _kind_of(row.deserved)
    told.update({"rows": 1, kind: 1, "false_lost deserved": int(row.deserved.verdicts == {"false_lost"})})
    if row.given is None:
        return told
    is_right = row.given.verdict in row.deserved.verdicts
    is_held = is_right and row.given.verdict == "undetermined"
    is_false_lost = row.given.verdict == "false_lost"
    told[f"{kind} right"] = int(is_right)
    told["reasons due"] = int(is_held and bool(row.deserved.reasons))
    told["confidences due"] = int(is_right and bool(row.deserved.confidences))
    told["causes due"] = int(bool(row.deserved.causes))
    told["values due"] = int(is_corrected(row.deserved, row.given))
    has_end = row.deserved.correct is not None and row.deserved.correct.ended_at is not None
    told["ends due"] = int(has_end and bool(told["values due"]))
    told["false_lost given"] = int(is_false_lost)
    told["false_lost given rightly"] = int(is_false_lost and is_right)
    told["false_lost found"] = int(is_false_lost and row.deserved.verdicts == {"false_lost"})
    return told


def _kind_of(deserved: Deserved) -> str:
    if deserved.suffices:
        return "decided"
    return "withheld" if deserved.verdicts == {"undetermined"} else "open"


def share(part: int, whole: int) -> float | None:
    """Give a share; of nothing there is none."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one group of gateways, from its counts; every share is None where there is nothing to share."""

    counts: Counter[str]

    def of(self, part: str, whole: str) -> float | None:
        """Give how much of one count another is."""
        return share(self.counts[part], self.counts[whole])

    def without(self, flaw: Flaw, whole: str) -> float | None:
        """Give the share of a count that does not have a flaw."""
        return share(self.counts[whole] - self.counts[flaw], self.counts[whole])

    def figures(self) -> dict[str, int | float | None]:
        """Give every figure by its name, counts first; shares lie between 0 and 1."""
        counts = self.counts
        return {
            "gateways": counts["gateways"],
            "incidents": counts["incidents"],
            "rows": counts["rows"],
            "decided": counts["decided"],
            "withheld": counts["withheld"],
            "open": counts["open"],
            **{flaw.value: counts[flaw] for flaw in Flaw},
            "verdicts right": self.of("decided right", "decided"),
            "withheld rightly": self.of("withheld right", "withheld"),
            "open rightly": self.of("open right", "open"),
            "missing evidence named": self.without(Flaw.NAMES_NOTHING, "reasons due"),
            "false_lost precision": self.of("false_lost given rightly", "false_lost given"),
            "false_lost recall": self.of("false_lost found", "false_lost deserved"),
            "causes right": self.without(Flaw.WRONG_CAUSE, "causes due"),
            "statuses right": self.without(Flaw.WRONG_STATUS, "values due"),
            "ends right": self.without(Flaw.WRONG_END, "ends due"),
            "errors right": self.without(Flaw.WRONG_ERROR, "values due"),
        }

    def shortcomings(self) -> list[str]:
        """Say what is not good enough; nothing where all is."""
        none_of = (Flaw.WRONG_ABOUT_LOSS, Flaw.CRASHED, Flaw.MISSING, Flaw.TOO_MANY, Flaw.NAMES_NOTHING)
        told = [f"{flaw}: {self.counts[flaw]}" for flaw in none_of if self.counts[flaw]]
        for name in ("verdicts right", "withheld rightly", "open rightly"):
            figure = self.figures()[name]
            if figure is not None and figure < RIGHT_AT_LEAST:
                told.append(f"{name}: {percent(figure)}, less than {percent(RIGHT_AT_LEAST)}")
        return told if self.counts["rows"] else [*told, "no row was judged"]


def percent(figure: float | None) -> str:
    """Give a share in per cent, cut off and never rounded up: only what has no exception is 100 %.

    >>> percent(0.99996), percent(1.0), percent(None)
    ('99.99 %', '100 %', '-')
    """
    if figure is None:
        return "-"
    return "100 %" if figure == 1 else f"{int(figure * 10_000) / 100:.2f} %"
