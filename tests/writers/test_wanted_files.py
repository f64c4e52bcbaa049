"""A withheld verdict names the files that would settle it, in the audit itself."""

from __future__ import annotations

from datetime import timedelta

from forensics.writers.wording import why
from tests.support.scenario import Gateway, J, a_day, at, audited, found


def told(gateway: Gateway) -> str:
    report = audited(gateway)
    return why(found(report), report.paths())


def test_the_run_log_of_the_job_is_named() -> None:
    assert f"(cron/runs/{J}.jsonl)" in told(a_day().row(J, at("10:00"), at("10:20")).without_run_logs())


def test_the_file_logs_of_the_days_to_the_possible_end_are_named() -> None:
    gateway = (
        Gateway().job(J, timeout=3 * 3600).row(J, at("22:00"), at("22:20")).copied(at("22:00") + timedelta(days=2))
    )
    assert "(openclaw-2026-04-17.log, openclaw-2026-04-18.log)" in told(gateway)


def test_a_covered_row_names_no_file() -> None:
    assert ".log)" not in told(a_day().row(J, at("10:00"), at("10:20")).record(J, at("10:00")))
