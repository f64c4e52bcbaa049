"""One good gateway, beside which hostile evidence is laid."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from forensics.model.evidence import Evidence
from forensics.parsers.load import load_evidence
from tests.parsers.shapes import (
    JOB,
    START_MS,
    TASK,
    log_line,
    run_entry,
    task_row,
    write_log,
    write_registry,
    write_run_log,
)

GOOD_STORE = {
    "version": 1,
    "jobs": [{"id": JOB, "name": "digest", "updatedAtMs": START_MS, "state": {"lastRunAtMs": START_MS}}],
}


def good_state(folder: Path) -> Path:
    """Write a state directory with one lost row, one run, one job and one lifecycle line."""
    write_registry(folder / "tasks" / "runs.sqlite", task_row())
    write_run_log(folder / "cron" / "runs" / f"{JOB}.jsonl", run_entry())
    (folder / "cron" / "jobs.json").write_text(json.dumps(GOOD_STORE, indent=2), encoding="utf-8")
    write_log(folder / "logs" / "gateway.log", log_line("gateway", "gateway ready"))
    return folder


def load_all(*paths: Path) -> Evidence:
    evidence = load_evidence([str(path) for path in paths])
    told = pl.col("records") + pl.col("skipped") + pl.col("rejected")
    assert evidence.sources.filter(pl.col("lines") != told).height == 0, "a ledger does not balance"
    assert evidence.sources.filter(pl.min_horizontal("records", "skipped", "rejected") < 0).height == 0
    return evidence


def assert_good_state_was_read(evidence: Evidence) -> None:
    """Assert that the one good gateway was read in full, whatever lay beside it."""
    assert TASK in evidence.tasks["task_id"].to_list()
    ran = evidence.runs.filter((pl.col("job_id") == JOB) & (pl.col("origin") == "run_log"))
    assert ran["summary"].to_list() == ["done"]
    assert JOB in evidence.jobs["job_id"].to_list()
    assert "ready" in evidence.lifecycle["kind"].to_list()


def notices_of(evidence: Evidence, code: str) -> list[str]:
    return evidence.notices.filter(pl.col("code") == code)["message"].to_list()
