"""The same incident, handed over in every form, comes out the same; where a form carries less, less is said.

``LESS_*`` tell what each form lacks, and what follows for which row, with the reason that must be told. Everything else
is as in the richest evidence, to the millisecond. No form may say more than that, and none may call a run false lost or
failed that died or is withheld, but for a weak one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from forensics.model.finding import Finding, Report
from forensics.model.policy import INTERRUPTED_ERROR
from tests.support.incident import registries, story
from tests.support.incident.logs import BLIND, COARSE, CONSOLES, LOGS
from tests.support.incident.registries import EXPORTS, OF_RELEASE_15, REGISTRIES
from tests.support.incident.written import Forms, every_pair, fits, judged, richest, with_more, written

RICHEST: Forms = ("runs.sqlite", "run logs", "file log")
WITH_BOOTS = ("state 7", "state 8", "state 9")
WORD_OF = {row.id: row.word for row in story.ROWS}
RANK = {None: 0, "weak": 1, "strong": 2, "exact": 3}
DEAD = ("replayed", "interrupted")
NEW_PROCESS = story.ms("10:00:03.250")
SEED = 68_191
SAMPLE = 150


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a report says of one row, and what the row should say."""

    verdict: str
    confidence: str | None
    cause: str
    status: str | None = None
    ended: int | None = None
    error: str | None = None
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class Less:
    """What follows for a row where a form carries less; one of ``reasons`` must be told, none if only the cause is."""

    reasons: tuple[str, ...]
    changes: Mapping[str, object]

    def of(self, whole: Outcome) -> Outcome:
        return replace(whole, **self.changes)  # type: ignore[arg-type]


def less(*reasons: str, **changes: object) -> Less:
    return Less(reasons, changes)


def withheld(*reasons: str, **changes: object) -> Less:
    gone = {"status": None, "ended": None, "error": None, "summary": None}
    return less(*reasons, verdict="undetermined", confidence=None, **(gone | changes))


def ended_ok(error: None, ended: int) -> dict[str, object]:
    return {"status": "succeeded", "ended": ended, "error": error, "summary": None}


DONE = "Interrupted by a gateway restart; the run of 2026-04-17T{}Z did its work."
BASELINE = {
    "startless": Outcome("false_lost", "strong", "no_restart", "succeeded", story.ms("02:31:20.258"), None, "done"),
    "own": Outcome(
        "false_lost", "exact", "no_restart", "succeeded", story.ms("03:01:02.417"), None, "three letters sent"
    ),
    "errored": Outcome("failed", "exact", "no_restart", "failed", story.ms("03:20:41.031"), "model overloaded"),
    "timed out": Outcome("failed", "exact", "no_restart", "timed_out", story.ms("03:50:00.105"), story.TIMED_OUT),
    "skipped": Outcome("false_lost", "exact", "no_restart", "succeeded", story.ms("04:20:02.150")),
    "missing": Outcome("unexplained", None, "no_restart"),
    "warned": Outcome("false_lost", "exact", "no_restart", "succeeded", story.ms("06:01:00.300"), None, "done"),
    "before": Outcome("false_lost", "exact", "restart", "succeeded", story.ms("09:32:00.312"), None, "done"),
    "late": Outcome(
        "replayed", "exact", "restart", "failed", NEW_PROCESS, INTERRUPTED_ERROR, DONE.format("10:06:00.300")
    ),
    "died": Outcome("interrupted", "exact", "restart", "failed", NEW_PROCESS, INTERRUPTED_ERROR),
    "replayed": Outcome(
        "replayed", "exact", "restart", "failed", NEW_PROCESS, INTERRUPTED_ERROR, DONE.format("10:00:12.400")
    ),
    "caught": Outcome("false_lost", "exact", "catch_up", "succeeded", story.ms("10:08:40.400"), None, "done"),
    "manual": Outcome("false_lost", "exact", "manual_run", "succeeded", story.ms("12:38:00.700"), None, "done"),
    "aborted": Outcome("interrupted", "exact", "restart", "failed", story.ms("14:05:05.100"), INTERRUPTED_ERROR),
    "other": Outcome("not_applicable", None, "unknown"),
    "child": Outcome("not_applicable", None, "unknown"),
}
PROJECTED = Outcome("undetermined", None, "projection")
"""The row that runs on: only an export of 2026.4.15 calls it lost."""

Table = Mapping[str, Less]

_CONSOLE: dict[str, Less] = {
    # no marker names the run that died, nothing but its time tells a catch-up
    "late": less("next_run_ok", verdict="interrupted", confidence="strong", summary=None),
    "died": less("process_replaced", confidence="strong"),
    "replayed": less("process_replaced", confidence="strong"),
    "caught": less(cause="unknown"),
}
_COARSE = {
    word: Less(told.reasons, {**told.changes, **({} if word == "caught" else {"ended": NEW_PROCESS - 250})})
    for word, told in _CONSOLE.items()
}
_MAYBE_ABORTED = {"verdict": "false_lost", "confidence": "weak", "status": "succeeded", "error": None}
_BLIND: dict[str, Less] = {
    **{word: less(cause="unknown") for word in ("startless", "own", "errored", "timed out", "skipped", "warned")},
    "before": less(cause="unknown"),
    "caught": less(cause="unknown"),
    **{word: withheld("gateway_log_absent", cause="unknown") for word in ("missing", "late", "died", "replayed")},
    # an ok without a word, of which no log tells that no restart cut it short
    "aborted": less("maybe_aborted", cause="unknown", **_MAYBE_ABORTED),
}
_BOOTED = {"ended": story.ms("10:00:03.600")}
_BOOTS: dict[str, Less] = {
    **_BLIND,
    "before": less(),
    **{word: Less(told.reasons, {**told.changes, **_BOOTED}) for word, told in _CONSOLE.items() if word != "caught"},
    "aborted": less("maybe_aborted", **_MAYBE_ABORTED),
}
"""What the boots of the state database tell where no log does: that processes were replaced, not that one was not."""

LESS_LOG: dict[str, Table] = {
    **dict.fromkeys(CONSOLES, _CONSOLE),
    **dict.fromkeys(COARSE, _COARSE),
    **dict.fromkeys(BLIND, _BLIND),
}

_UNSEEN = ("run_log_absent", "run_log_pruned")
_BY_RECORD = ("startless", "own", "errored", "timed out", "skipped", "before", "caught", "aborted")
_BY_ABSENCE = ("missing", "late", "died", "replayed")
_STATE: dict[str, Less] = {
    # the last run of each job, without its words; an older one is not told
    **{word: less("job_state", summary=None) for word in ("own", "warned", "before", "caught")},
    **{word: less("job_state") for word in ("errored", "timed out", "skipped")},
    "manual": less("job_state", cause="no_restart", summary=None),
    "startless": withheld(*_UNSEEN),
    **{word: withheld(*_UNSEEN) for word in _BY_ABSENCE},
    "aborted": less("job_state", **_MAYBE_ABORTED),
}
LESS_RECORDS: dict[str, Table] = {
    # an empty page does not say of which job it is
    "pages": {"died": withheld("run_log_absent")},
    "partial page": {
        **{word: _STATE[word] for word in ("own", "errored", "timed out", "skipped", "warned", "before")},
        "startless": withheld("run_log_pruned"),
        **{word: withheld("run_log_pruned") for word in ("missing", "late", "replayed")},
        "died": withheld("run_log_absent"),
    },
    # which rows were asked for is not known
    "run table as csv": {word: withheld("run_log_absent") for word in _BY_ABSENCE},
    "job state": _STATE,
    "no records": {
        **{word: withheld(*_UNSEEN) for word in (*_BY_RECORD, *_BY_ABSENCE)},
        "manual": withheld(*_UNSEEN, cause="no_restart"),
        # the line of the failed update names run and outcome, and no end
        "warned": less("ledger_warning", *_UNSEEN, status=None, ended=None, summary=None),
    },
    "receipts": {
        # a receipt holds no words
        **{word: less("own_record", summary=None) for word in ("own", "warned", "before", "caught", "manual")},
        "aborted": less("maybe_aborted", **_MAYBE_ABORTED),
    },
}
LESS_REGISTRY: dict[str, Table] = {
    "printed times": {
        **{
            word: less("coarse_time", confidence="strong")
            for word in ("own", "errored", "timed out", "skipped", "warned", "before", "caught", "manual", "aborted")
        },
        # the start is printed, so that no marker names it to the millisecond
        **{word: less("process_replaced", confidence="strong") for word in ("late", "died", "replayed")},
    }
}


def lacking(forms: Forms) -> list[Table]:
    """Give the tables of what these forms carry less."""
    registry, records, log = forms
    of_log = _BOOTS if registry in WITH_BOOTS and log in BLIND else LESS_LOG.get(log, {})
    return [LESS_REGISTRY.get(registry, {}), LESS_RECORDS.get(records, {}), of_log]


def words_in(registry: str) -> set[str]:
    """Name the rows that a form of registry shows as lost."""
    if registry in registries.PARTIAL:
        return set(registries.SHOWN)
    return {*BASELINE, *(["projected"] if registry in OF_RELEASE_15 else [])}


def report_of(forms: Forms) -> Report:
    with TemporaryDirectory() as folder:
        return judged(written(Path(folder), forms), forms)


def findings_of(report: Report) -> dict[str, Finding]:
    return {WORD_OF[finding.task_id]: finding for finding in report.findings}


def outcome_of(finding: Finding) -> Outcome:
    told = Outcome(finding.verdict.value, finding.confidence and finding.confidence.value, finding.cause.value)
    correction = finding.correction
    if correction is None:
        return told
    assert correction.ended_at is not None
    ended = (correction.ended_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return replace(
        told, status=correction.status, ended=ended, error=correction.error, summary=correction.terminal_summary
    )


def whole_of(word: str) -> Outcome:
    return PROJECTED if word == "projected" else BASELINE[word]


def says_no_more(told: Outcome, whole: Outcome) -> bool:
    """Tell whether a verdict and its cause are the same or less than the richest evidence gives."""
    less_specific = whole.cause == "manual_run" and told.cause == "no_restart"
    if told.cause not in (whole.cause, "unknown") and not less_specific:
        return False
    if told.verdict == whole.verdict or (whole.verdict, told.verdict) == DEAD:
        return RANK[told.confidence] <= RANK[whole.confidence]
    if told.verdict in ("false_lost", "failed"):
        return whole.verdict in DEAD and told.confidence == "weak"
    return told.verdict == "undetermined" and whole.verdict != "not_applicable"


def by_one_form() -> Iterator[Forms]:
    """Give every form of each kind beside the richest of the others."""
    told = [(registry, richest(registry), "file log") for registry in REGISTRIES]
    told += [(*pair, "file log") for pair in every_pair() if pair[0] in ("runs.sqlite", "state 7", "state 9")]
    told += [("runs.sqlite", "run logs", log) for log in LOGS]
    told += [(registry, richest(registry), "no log") for registry in ("state 6", *WITH_BOOTS)]
    return iter(dict.fromkeys(told))


@cache
def sampled() -> list[Forms]:
    """Give some of all triples of forms, the same ones each time; forms the machine cannot write are drawn as well."""
    every = [(*pair, log) for pair in every_pair() for log in LOGS]
    chosen = random.Random(SEED).sample(every, SAMPLE)  # noqa: S311 - no secret
    return [forms for forms in chosen if forms not in set(by_one_form())]


def named(forms: Forms) -> str:
    return " + ".join(forms)


@pytest.mark.parametrize("forms", list(by_one_form()), ids=named)
def test_a_form_says_what_the_richest_says_but_for_what_it_lacks(forms: Forms) -> None:
    report = report_of(forms)
    findings = findings_of(report)
    assert findings.keys() == words_in(forms[0])
    tables = lacking(forms)
    for word, finding in findings.items():
        (*_, lack) = [less(), *(table[word] for table in tables if word in table)]
        told, expected = outcome_of(finding), lack.of(whole_of(word))
        assert told == expected, (word, finding.reasons)
        assert says_no_more(told, whole_of(word)), (word, finding.reasons)
        assert not lack.reasons or set(lack.reasons) & set(finding.reasons), (word, finding.reasons)
    is_shown = forms[0] not in ("tasks audit --json", "tasks show", *registries.PARTIAL)
    assert [WORD_OF[task_id] for task_id in report.summary.healed] == (["healed"] if is_shown else [])


@pytest.mark.parametrize("forms", sampled(), ids=named)
def test_no_forms_together_say_more_than_the_richest_and_each_lack_is_told(forms: Forms) -> None:
    findings = findings_of(report_of(forms))
    assert findings.keys() == words_in(forms[0])
    for word, finding in findings.items():
        told, whole = outcome_of(finding), whole_of(word)
        assert says_no_more(told, whole), (word, told, finding.reasons)
        lacks = [table[word] for table in lacking(forms) if word in table]
        if not lacks:
            assert told == whole, (word, finding.reasons)
        elif (told.verdict, told.confidence) != (whole.verdict, whole.confidence):
            assert {reason for lack in lacks for reason in lack.reasons} & set(finding.reasons), (word, finding.reasons)


@pytest.mark.parametrize(
    ("forms", "exports", "records", "logs"),
    [
        (RICHEST, ["tasks list --json", "sqlite3 -csv", "printed times"], ["pages"], ["console compact"]),
        (RICHEST, ["tasks audit --json"], ["partial page", "run table as csv"], ["short", "short-iso", "docker -t"]),
        (RICHEST, ["tasks show"], [], ["openclaw logs, time only", "console pretty", "journal json"]),
        (("printed times", "run logs", "short-iso"), ["JSON lines"], ["pages"], ["file log, gz"]),
        (("state 7", "run table", "docker json-file"), ["tasks list --json"], ["pages"], ["file log, new shape"]),
        (("state 9", "details", "file log, newest wording"), [], [], ["console compact, newest wording", "cat"]),
    ],
)
def test_more_forms_beside_the_richest_take_nothing_away_and_add_nothing(
    forms: Forms, exports: list[str], records: list[str], logs: list[str], tmp_path: Path
) -> None:
    report = judged(with_more(written(tmp_path, forms), exports, records, logs), forms)
    told = {word: outcome_of(finding) for word, finding in findings_of(report).items() if word != "projected"}
    assert told == BASELINE
    assert [restart.kind for restart in report.restarts if restart.doubt is None] == ["start", "signal", "in_process"]


def test_every_form_is_handed_over_in_some_way() -> None:
    tried = {form for forms in by_one_form() for form in forms}
    assert tried == {*REGISTRIES, *LOGS, *(records for _, records in every_pair())}
    assert set(EXPORTS) <= tried


@pytest.mark.parametrize("pair", [("runs.sqlite", "details"), ("tasks show", "run table"), ("state 9", "run logs")])
def test_records_inside_a_database_of_another_release_are_no_combination(pair: tuple[str, str]) -> None:
    assert not fits(*pair)
