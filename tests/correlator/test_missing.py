"""What was not handed over is named with what that leaves open; what was is not called missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forensics import load_evidence
from forensics.correlator.missing import missing_sources
from forensics.model.evidence import Evidence
from forensics.model.schemas import HISTORIES, frame_of
from forensics.model.verdicts import LifecycleKind, Origin, SourceKind
from tests.support.captures import DATA, unpack
from tests.support.scenario import Gateway, J, K, a_day, at, evidence_of

NO_REGISTRY = "no task registry (tasks/runs.sqlite with its -wal, or state/openclaw.sqlite): "
NO_RUNS = "no cron run records (cron/runs, or state/openclaw.sqlite): "
MORE_RUNS = "hand over cron/runs, or state/openclaw.sqlite"
OTHER_JOBS = f"only; for other jobs the absence of one proves nothing: {MORE_RUNS}"

S = at("10:00")
L = at("10:20")


def told(*gateways: Gateway) -> list[str]:
    return missing_sources(evidence_of(*gateways))


def with_histories(gateway: Gateway, *stores: dict[str, Any]) -> Evidence:
    """Give the evidence of a gateway whose run records lie in these stores, and in no folder of run logs."""
    evidence = evidence_of(gateway.without_run_logs())
    rest = {"gateway": "gateway", "source": 0, "origin": Origin.RUN_TABLE.value, "records": 7}
    rest |= {"is_partial": False, "is_damaged": False}
    return replace(evidence, histories=frame_of([rest | store for store in stores], HISTORIES))


def whole_day() -> Gateway:
    return a_day().row(J, S, L).job(J)


def test_nothing_is_missing_where_all_was_handed_over() -> None:
    assert told(whole_day()) == []


def test_what_is_missing_is_named_for_each_gateway() -> None:
    bare = Gateway("bare").logged(at("08:00"), at("09:00"))
    assert told(bare, a_day("whole").row(J, S, L).job(J)) == [
        f"bare: {NO_REGISTRY}no row can be judged",
        f"bare: {NO_RUNS}no run can be proven to have ended",
        "bare: no job store (cron/jobs.json, or state/openclaw.sqlite): names, time-outs and schedules are unknown",
    ]


def test_an_empty_registry_is_no_missing_one() -> None:
    evidence = evidence_of(whole_day())
    assert missing_sources(replace(evidence, tasks=evidence.tasks.clear())) == [
        "gateway: the task registry holds no rows"
    ]


@pytest.mark.parametrize(
    ("registry", "where"), [("export", "exports"), ("log", "answers of command lines in the gateway log")]
)
def test_rows_of_exports_are_told_from_those_of_a_registry(registry: str, where: str) -> None:
    evidence = evidence_of(Gateway().logged(at("00:00"), at("23:00")).row(J, S, L, registry=registry).job(J))
    sources = evidence.sources.filter(evidence.sources["kind"] != SourceKind.TASK_REGISTRY)
    assert missing_sources(replace(evidence, sources=sources)) == [
        f"gateway: {NO_REGISTRY}rows are known from {where} only"
    ]


def test_a_store_of_all_jobs_stands_for_run_logs() -> None:
    assert missing_sources(with_histories(whole_day(), {"job_id": J}, {"job_id": None})) == []


@pytest.mark.parametrize(("oldest_at", "since"), [(at("06:00"), "before 2026-04-17 06:00:00 UTC may"), (None, "may")])
def test_a_store_that_does_not_reach_back_to_the_beginning_says_so(oldest_at: object, since: str) -> None:
    partial = {"job_id": None, "is_partial": True, "oldest_at": oldest_at}
    assert missing_sources(with_histories(whole_day(), partial)) == [
        f"gateway: run records {since} be missing from what was handed over: the absence of one proves nothing"
    ]
    assert missing_sources(with_histories(whole_day(), partial, {"job_id": None, "source": 1})) == []


def test_pages_and_single_run_logs_speak_of_their_jobs_only() -> None:
    page = {"job_id": J, "origin": Origin.RUN_PAGE.value}
    assert missing_sources(with_histories(whole_day(), page)) == [f"gateway: run records of 1 job {OTHER_JOBS}"]
    other = {"job_id": K, "source": 1}
    assert missing_sources(with_histories(whole_day(), page, other)) == [f"gateway: run records of 2 jobs {OTHER_JOBS}"]


def test_records_without_a_history_are_told_from_a_last_state_and_from_nothing() -> None:
    single = evidence_of(whole_day().record(J, S).without_run_logs())
    assert missing_sources(replace(single, histories=single.histories.clear())) == [
        f"gateway: single run records only; the absence of another proves nothing: {MORE_RUNS}"
    ]
    assert told(whole_day().last_run(J, S).without_run_logs()) == [
        f"gateway: {NO_RUNS}only the last run of a job is known, from its state"
    ]


@pytest.mark.parametrize(
    ("stores", "jobs"),
    [
        ([{"job_id": J}], "1 job"),
        ([{"job_id": J}, {"job_id": K}, {"job_id": None}], "2 jobs"),
        ([{"job_id": None}], "some jobs"),
    ],
)
def test_records_that_could_not_be_read_are_named(stores: list[dict[str, Any]], jobs: str) -> None:
    damaged = [store | {"is_damaged": True} for store in stores]
    line = f"gateway: run records of {jobs} may be among what could not be read: hand over another copy"
    assert missing_sources(with_histories(whole_day(), *damaged))[-1] == line
    assert told(whole_day().run_log(J, rejected=1)) == [line.replace(jobs, "1 job")]


def test_jobs_from_elsewhere_stand_for_a_job_store() -> None:
    assert told(whole_day().without_job_store()) == []


def test_states_of_jobs_are_no_definitions() -> None:
    (line,) = told(a_day().row(J, S, L).job(J, payload_kind=None))
    assert line.startswith("gateway: the states of jobs only (cron/jobs.json, or state/openclaw.sqlite is missing): ")


def test_a_hole_in_the_gateway_log_and_an_absent_log_are_named() -> None:
    holed = Gateway("holed").logged(at("08:00"), at("20:00"), file="a").logged(at("09:00", 2), at("10:00", 2), file="b")
    dark = Gateway("dark").row(J, S, L).job(J)
    dim = Gateway("dim").row(J, S, L).job(J).recorded(LifecycleKind.BOOT_STARTED, at("08:00"), 7)
    assert told(holed.row(J, S, L).job(J), dark, dim) == [
        "dark: no gateway log: restarts, and so deaths and causes, are unknown",
        "dim: no gateway log: of restarts only that is known which the gateway wrote down elsewhere",
        "holed: no gateway log from 2026-04-17 20:00:00 to 2026-04-19 09:00:00 UTC",
    ]


def of_capture(unpacked: Path, capture: str, *names: str) -> list[str]:
    folder = unpack(capture, unpacked)
    lines = missing_sources(load_evidence([str(folder / name) for name in names]))
    return [line.partition(": ")[2] for line in lines]


@pytest.mark.parametrize("release", ["2026.6.11", "2026.7.35", "2026.9.6"])
def test_a_state_database_lacks_neither_run_logs_nor_jobs(unpacked: Path, release: str) -> None:
    (line,) = of_capture(unpacked, f"{release}-restarts", "state", "logs")
    assert line.startswith("run records before 2026-11-23 2")


def test_a_state_database_without_its_log_lacks_the_log(unpacked: Path) -> None:
    lines = of_capture(unpacked, "2026.9.6-restarts", "state")
    assert lines[1:] == ["no gateway log: of restarts only that is known which the gateway wrote down elsewhere"]


def test_a_page_and_a_dump_are_not_called_missing() -> None:
    names = ("4.15-task-runs.dump", "4.15-cron-runs.json", "4.15-cron-list.json")
    evidence = load_evidence([str(DATA / "exports" / name) for name in names])
    assert missing_sources(evidence) == [
        f"gateway: {NO_REGISTRY}rows are known from exports only",
        f"gateway: run records of 1 job {OTHER_JOBS}",
        "gateway: no gateway log: restarts, and so deaths and causes, are unknown",
    ]
