"""What the tool says of a row of a simulated gateway, beside what its evidence deserves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.corpus.truth import Correct, Deserved, Fate, Incident, Row

if TYPE_CHECKING:
    from forensics import Finding

GROUPED_BY = ("release", "registry", "records", "log", "damage")
"""The knobs by which figures are told apart."""

_FIRMNESS = (None, "weak", "strong", "exact")
_FIRM = ("strong", "exact")
_ENDED = ("false_lost", "failed")
_NEVER_ENDED: Mapping[str, frozenset[Fate]] = {
    "false_lost": frozenset({Fate.DIED, Fate.ALIVE, Fate.ABORTED}),
    # an abort that was recorded as an error is a failure by its own record
    "failed": frozenset({Fate.DIED, Fate.ALIVE}),
}
_CORRECTED = ("false_lost", "failed", "replayed")


class Flaw(StrEnum):
    """What can be wrong with the answer to one row, the worst first."""

    WRONG_ABOUT_LOSS = "wrong about a loss"
    CRASHED = "the tool failed"
    MISSING = "row not told"
    TOO_MANY = "row the truth does not know"
    WRONG_VERDICT = "wrong verdict"
    NOT_WITHHELD = "not withheld"
    NAMES_NOTHING = "names nothing that is missing"
    OVER_CONFIDENT = "over-confident"
    UNDER_CONFIDENT = "under-confident"
    WRONG_CAUSE = "wrong cause"
    WRONG_STATUS = "wrong status"
    WRONG_END = "wrong end"
    WRONG_ERROR = "wrong error"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the tool said of one row."""

    verdict: str
    confidence: str | None
    cause: str
    reasons: tuple[str, ...]
    corrected: Correct | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One row with what it deserves and what it was given; one of the two is None for a row only one side knows.

    ``company`` are first seed and number of the gateways that were handed over together.
    """

    seed: int
    gateway: str
    task_id: str
    fate: Fate
    deserved: Deserved | None
    given: Answer | None
    crash: str | None = None
    company: tuple[int, int] = (0, 1)
    knobs: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_matched(self) -> bool:
        """Tell whether truth and tool both know the row."""
        return self.deserved is not None and self.given is not None

    def flaws(self) -> tuple[Flaw, ...]:
        """Give all that is wrong with the answer, the worst first."""
        if self.crash is not None:
            return (Flaw.CRASHED,)
        if self.given is None:
            return (Flaw.MISSING,)
        if self.deserved is None:
            return (Flaw.TOO_MANY,)
        return tuple(flaw for flaw, applies in _TESTS if applies(self.fate, self.deserved, self.given))

    @property
    def likeness(self) -> tuple[object, ...]:
        """Give what a smaller case must share with this one to fail in the same way."""
        deserved = tuple(sorted(self.deserved.verdicts)) if self.deserved else ()
        return self.fate, deserved, self.given.verdict if self.given else None, self.flaws()[:1]


def is_wrong_about_loss(fate: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether a run was firmly said to have ended of which that is untrue, or not proven."""
    if given.verdict not in _ENDED or given.confidence not in _FIRM:
        return False
    return fate in _NEVER_ENDED[given.verdict] or given.verdict not in deserved.verdicts


def is_wrong_verdict(_: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether the evidence decides, and says something else."""
    return deserved.suffices and given.verdict not in deserved.verdicts


def is_not_withheld(_: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether a verdict was given that the evidence does not bear."""
    return not deserved.suffices and given.verdict not in deserved.verdicts


def names_nothing(_: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether a row was rightly withheld, and none of the reasons was told."""
    is_withheld = given.verdict == "undetermined" and "undetermined" in deserved.verdicts
    return is_withheld and bool(deserved.reasons) and deserved.reasons.isdisjoint(given.reasons)


def _is_right(deserved: Deserved, given: Answer) -> bool:
    return given.verdict in deserved.verdicts


def is_over_confident(_: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether a right verdict was given more firmly than it deserves."""
    deserved_most = max(map(_FIRMNESS.index, deserved.confidences), default=len(_FIRMNESS))
    return _is_right(deserved, given) and _FIRMNESS.index(given.confidence) > deserved_most


def is_under_confident(fate: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether a right verdict was given with another confidence, less firmly than it deserves."""
    is_other = bool(deserved.confidences) and given.confidence not in deserved.confidences
    return _is_right(deserved, given) and is_other and not is_over_confident(fate, deserved, given)


def is_wrong_cause(_: Fate, deserved: Deserved, given: Answer) -> bool:
    """Tell whether the mark was explained otherwise than the evidence does."""
    return bool(deserved.causes) and given.cause not in deserved.causes


def is_corrected(deserved: Deserved, given: Answer) -> bool:
    """Tell whether the corrected values can be compared: they are known, and due by a right verdict."""
    is_due = given.verdict in _CORRECTED or given.corrected is not None
    return deserved.correct is not None and _is_right(deserved, given) and is_due


def _end_of(correct: Correct) -> object:
    return correct.ended_at


def _differs(value: Callable[[Correct], object]) -> Callable[[Fate, Deserved, Answer], bool]:
    def told(_: Fate, deserved: Deserved, given: Answer) -> bool:
        if deserved.correct is None or not is_corrected(deserved, given):
            return False
        expected = value(deserved.correct)
        # the end alone may be unknown to the truth: a correction always has one
        is_unknown = expected is None and value is _end_of
        return not is_unknown and (given.corrected is None or value(given.corrected) != expected)

    return told


_TESTS: tuple[tuple[Flaw, Callable[[Fate, Deserved, Answer], bool]], ...] = (
    (Flaw.WRONG_ABOUT_LOSS, is_wrong_about_loss),
    (Flaw.WRONG_VERDICT, is_wrong_verdict),
    (Flaw.NOT_WITHHELD, is_not_withheld),
    (Flaw.NAMES_NOTHING, names_nothing),
    (Flaw.OVER_CONFIDENT, is_over_confident),
    (Flaw.UNDER_CONFIDENT, is_under_confident),
    (Flaw.WRONG_CAUSE, is_wrong_cause),
    (Flaw.WRONG_STATUS, _differs(lambda correct: correct.status)),
    (Flaw.WRONG_END, _differs(_end_of)),
    (Flaw.WRONG_ERROR, _differs(lambda correct: correct.error)),
)


def judge(incidents: Sequence[Incident]) -> list[Judged]:
    """Hand gateways over in one call, and compare every row with its truth; in the order of the gateways.

    Where the tool fails on several gateways, each is handed over alone, so that only the rows of those that it fails on
    are lost; where it fails on none of them alone, all rows are.
    """
    company = (min((one.seed for one in incidents), default=0), len(incidents))
    try:
        told = compared(incidents, answers(incidents))
    except Exception as error:  # noqa: BLE001 - that the tool fails is what is to be found out
        if len(incidents) == 1:
            return _crashed(incidents, error)
        told = [row for one in incidents for row in judge([one])]
        if not any(row.crash for row in told):
            told = _crashed(incidents, error)
    return [replace(row, company=company) for row in told]


def answers(incidents: Sequence[Incident]) -> list[tuple[str, str, Answer]]:
    """Give what the tool says of all gateways together: gateway, task and answer of every finding.

    Every gateway is named, as a user does who hands over several: an export alone does not tell whose it is.
    """
    from forensics import audit, load_evidence

    named = {incident.gateway: [str(path) for path in incident.paths] for incident in incidents}
    report = audit(load_evidence(gateways=named))
    return [(finding.gateway, finding.task_id, answer_of(finding)) for finding in report.findings]


def answer_of(finding: Finding) -> Answer:
    """Reduce a finding to what is compared."""
    corrected, correction = None, finding.correction
    if correction is not None:
        corrected = Correct(correction.status, round(correction.ended_at.timestamp() * 1000), correction.error)
    confidence = finding.confidence.value if finding.confidence else None
    return Answer(finding.verdict.value, confidence, finding.cause.value, finding.reasons, corrected)


def compared(incidents: Iterable[Incident], told: Iterable[tuple[str, str, Answer]]) -> list[Judged]:
    """Lay answers beside the truth, by gateway and task.

    A second answer to a row, or one to a row that the truth does not know, is a row of its own without a truth.
    """
    given: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for gateway, task_id, answer in told:
        given[gateway, task_id].append(answer)
    judged, of_gateway = [], {}
    for incident in incidents:
        of_gateway[incident.gateway] = incident
        for row in incident.rows:
            answered = given[row.gateway, row.task_id]
            judged.append(_judged(incident, row, answered.pop(0) if answered else None))
    for (gateway, task_id), left in given.items():
        judged += [_unknown(of_gateway.get(gateway), gateway, task_id, answer) for answer in left]
    return judged


def _unknown(incident: Incident | None, gateway: str, task_id: str, given: Answer) -> Judged:
    seed, knobs = (incident.seed, dict(incident.knobs)) if incident else (-1, {})
    return Judged(seed, gateway, task_id, Fate.NONE, None, given, knobs=knobs)


def _judged(incident: Incident, row: Row, given: Answer | None, crash: str | None = None) -> Judged:
    knobs = dict(incident.knobs)
    return Judged(incident.seed, row.gateway, row.task_id, row.fate, row.deserved, given, crash, knobs=knobs)


def _crashed(incidents: Iterable[Incident], error: Exception) -> list[Judged]:
    """Give the rows of gateways the tool fails on; of one without any, a row that names it all the same."""
    what = f"{type(error).__name__}: {error}"
    return [row for one in incidents for row in _rows_lost(one, what)]


def _rows_lost(incident: Incident, what: str) -> Iterator[Judged]:
    for row in incident.rows:
        yield _judged(incident, row, None, what)
    if not incident.rows:
        knobs = dict(incident.knobs)
        yield Judged(incident.seed, incident.gateway, "-", Fate.NONE, None, None, what, knobs=knobs)
