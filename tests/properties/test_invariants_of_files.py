"""What holds for whatever a gateway left behind: on whole simulated gateways, as files, whose truth is known.

``FORENSICS_EXAMPLES=200`` tries so many examples of each, drawn anew; without it a few, always the same.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from forensics import audit, load_evidence, write_json
from forensics.model.errors import NothingToReadError
from forensics.model.finding import Finding, Report
from tests.corpus.running import folder_in_memory, simulator_of
from tests.corpus.truth import Fate, Incident
from tests.parsers.shapes import log_line, utc, write_log
from tests.support.reports import answers, judged, process_zone
from tests.support.rereading import disagreements
from tests.support.tampering import (
    Tampering,
    add_job,
    copied,
    files_of,
    is_database,
    is_file_log,
    join,
    removals,
    split,
)

SIMULATOR = simulator_of("tests.corpus.simulate")
FIRM = {("false_lost", "exact"), ("false_lost", "strong"), ("failed", "exact"), ("failed", "strong")}
ZONES = ("America/Los_Angeles", "Asia/Kathmandu", "Pacific/Chatham")
EXAMPLES = int(os.environ.get("FORENSICS_EXAMPLES", "0"))
SEEDS = st.integers(0, 2**32 - 1)
A_DAY_MS = 86_400_000

Answers = dict[tuple[str, str], tuple[object, ...]]


def trying(few: int) -> Callable[[Any], Any]:
    """Try a few examples, always the same ones, or as many new ones as the environment says."""
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )


@contextmanager
def gateway(seed: int, **knobs: object) -> Iterator[Incident]:
    """Simulate a gateway into a folder that is gone afterwards; one without lost rows is no example."""
    with folder_in_memory() as folder:
        incident = SIMULATOR.simulated(seed, folder, knobs={**SIMULATOR.drawn(seed), **knobs})
        assume(incident.rows)
        yield incident


def audited(*paths: Path) -> Report:
    return audit(load_evidence([str(path) for path in paths]))


def findings_of(report: Report) -> dict[str, Finding]:
    return {finding.task_id: finding for finding in report.findings}


def of_gateway(report: Report, name: str) -> Answers:
    """Give the answers to the rows of one gateway."""
    return {row: answer for row, answer in answers(report).items() if row[0] == name}


def tampered(incident: Incident, pick: Callable[[list[Tampering]], Tampering], into: Path) -> tuple[Tampering, Report]:
    """Judge a copy of the evidence with something taken away; one of which nothing is left is no example."""
    copies = copied(incident.paths, into)
    files = files_of(copies)
    chosen = pick([one for file in files for one in removals(file, file.relative_to(into).as_posix())])
    chosen.change(into / chosen.part)
    try:
        return chosen, audited(*(path for path in copies if path.exists()))
    except NothingToReadError:
        reject()


def is_contradictory(finding: Finding) -> bool:
    """Tell whether two pieces of evidence stand against each other; without one of them the other is free to speak."""
    return not {"conflict", "ambiguous_rows", "maybe_aborted", "aborted_ok"}.isdisjoint(finding.reasons)


def is_firm(finding: Finding) -> bool:
    """Tell whether a row is firmly called ended by itself."""
    return (finding.verdict, finding.confidence) in FIRM


def may_be_called_ended(fate: Fate, finding: Finding, removed: Tampering) -> bool:
    """Tell whether a run may be firmly said to have ended, whatever else is left of the evidence.

    One line out of the middle of a log cannot be missed by anyone: if it alone told of a restart, an abort that was
    recorded as an ``ok`` looks like one.
    """
    if fate is Fate.ABORTED:
        return finding.verdict == "failed" or (removed.is_one_line and not removed.part.endswith(".jsonl"))
    return fate not in (Fate.DIED, Fate.ALIVE)


@trying(20)
@given(SEEDS, st.data())
def test_less_evidence_never_turns_a_loss_into_a_success(seed: int, data: st.DataObject) -> None:
    """Taken away: a file, the head or the tail of a log, one line; a verdict may be withheld, or weaker, for it.

    A row may be firmly called ended only where it was with all evidence, or where one piece of it had spoken against
    another. Whatever is taken away, a run that died, or goes on, is never firmly called ended.
    """
    with gateway(seed) as incident, folder_in_memory() as folder:
        whole = findings_of(audited(*incident.paths))
        removed, less = tampered(incident, lambda ways: data.draw(st.sampled_from(ways)), folder)
        fates = {row.task_id: row.fate for row in incident.rows}
        for task_id, finding in findings_of(less).items():
            if is_firm(finding) and task_id in fates:
                assert may_be_called_ended(fates[task_id], finding, removed), (removed, finding)
            if is_firm(finding) and task_id in whole and not is_contradictory(whole[task_id]):
                assert is_firm(whole[task_id]), (removed, whole[task_id], finding)


@trying(5)
@given(SEEDS, SEEDS)
def test_another_gateway_changes_nothing(seed: int, other: int) -> None:
    assume(seed != other)
    with gateway(seed) as incident, gateway(other) as stranger:
        paths = {one.gateway: [str(path) for path in one.paths] for one in (incident, stranger)}
        alone = audit(load_evidence(gateways={incident.gateway: paths[incident.gateway]}))
        together = audit(load_evidence(gateways=paths))
        assert of_gateway(together, incident.gateway) == answers(alone)


@trying(5)
@given(SEEDS)
def test_a_job_of_another_day_changes_nothing(seed: int) -> None:
    with gateway(seed) as incident, folder_in_memory() as folder:
        copies = copied(incident.paths, folder)
        alone = answers(audited(*copies))
        registries = [file for file in files_of(copies) if is_database(file)]
        assume(registries)
        moment = earliest_ms(incident) - 3 * A_DAY_MS
        for registry in registries:
            add_job(registry, registry.parent.parent / "cron" / "runs", moment, "unrelated")
        with_it = answers(audited(*copies))
        assert [with_it.pop(row) for row in list(with_it) if row[1] == "unrelated-task"]
        assert with_it == alone


def earliest_ms(incident: Incident) -> int:
    """Give the start of the earliest lost row."""
    starts = [finding.started_at for finding in audited(*incident.paths).findings if finding.started_at]
    assume(starts)
    return round(min(starts).timestamp() * 1000)


@trying(5)
@given(SEEDS, st.booleans())
def test_a_log_of_an_earlier_day_changes_nothing(seed: int, stopped: bool) -> None:
    with gateway(seed) as incident, folder_in_memory() as folder:
        copies = copied(incident.paths, folder)
        logs = [file for file in files_of(copies) if is_file_log(file)]
        assume(logs)
        alone = answers(audited(*copies))
        begin = earliest_ms(incident) - 9 * A_DAY_MS
        write_log(logs[0].with_name(f"openclaw-{utc(begin)[:10]}.log"), *quiet_day(begin, stopped=stopped))
        assert answers(audited(*copies)) == alone


def quiet_day(begin: int, *, stopped: bool) -> list[str]:
    """Give the lines of a gateway that is started, says something every hour, and may be stopped at last."""
    said = [(0, "loading configuration…"), (4_000, "ready (0 plugins, 3.1s)"), (4_100, "gateway ready")]
    said += [(hour * 3_600_000, "webchat connected conn=7c2a") for hour in range(1, 20)]
    if stopped:
        said += [(69_000_000, "signal SIGTERM received"), (69_000_003, "received SIGTERM; shutting down")]
    return [log_line("gateway", text, ms=begin + after) for after, text in said]


@trying(5)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_the_arguments_changes_no_byte(seed: int, source: random.Random) -> None:
    with gateway(seed) as incident, gateway(seed + 1) as other:
        paths = [*incident.paths, *other.paths]
        ordered = write_json(audited(*paths))
        source.shuffle(paths)
        assert write_json(audited(*paths)) == ordered


@pytest.mark.parametrize("zone", ZONES)
@trying(2)
@given(SEEDS)
def test_the_zone_of_the_process_changes_no_byte(zone: str, seed: int) -> None:
    with gateway(seed) as incident:
        here = write_json(audited(*incident.paths))
        with process_zone(zone):
            assert write_json(audited(*incident.paths)) == here


@trying(8)
@given(SEEDS, st.data())
def test_a_log_in_pieces_or_in_one_says_the_same(seed: int, data: st.DataObject) -> None:
    with gateway(seed) as incident, folder_in_memory() as folder:
        copies = copied(incident.paths, folder)
        logs = [file for file in files_of(copies) if is_file_log(file)]
        assume(logs)
        whole = judged(audited(*copies))
        # files of several days say by their names which days are missing between them; one file does not
        if len(logs) > 1 and incident.knobs["damage"] == "none" and data.draw(st.booleans()):
            join(logs)
        else:
            log = data.draw(st.sampled_from(logs))
            last = len(log.read_bytes().splitlines()) - 1
            split(log, sorted(data.draw(st.sets(st.integers(1, max(last, 1)), max_size=4))))
        assert judged(audited(*(path for path in copies if path.exists()))) == whole


@trying(8)
@given(SEEDS)
def test_every_cited_place_says_what_it_is_cited_for(seed: int) -> None:
    with gateway(seed) as incident:
        evidence = load_evidence([str(path) for path in incident.paths])
        findings = audit(evidence).findings
        assert [told for finding in findings for told in disagreements(evidence, finding)] == []
        assert any(fact.line is not None for finding in findings for fact in finding.evidence)
