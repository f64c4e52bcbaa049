"""The files a user hands over, written from what was published: lines by the letter, rows as a registry keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from forensics import audit, load_evidence
from forensics.model.evidence import Evidence
from forensics.model.finding import Finding, Report
from tests.parsers.shapes import as_line, record, task_row, write_log, write_registry, write_run_log

MINUTE, HOUR = 60_000, 3_600_000
"""Spans in milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEK_MS = 604_800_000


def ms(stamp: str) -> int:
    """Give a stamp with an offset, or one of UTC, as epoch milliseconds."""
    moment = datetime.fromisoformat(stamp)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // timedelta(milliseconds=1)


def utc(epoch_ms: int) -> datetime:
    """Give epoch milliseconds as a time."""
    return _EPOCH + timedelta(milliseconds=epoch_ms)


def only(report: Report, task_id: str = "lost") -> Finding:
    """Give the only finding of a task."""
    (finding,) = [finding for finding in report.findings if finding.task_id == task_id]
    return finding


def verdict(finding: Finding) -> tuple[str, str | None, str]:
    """Give verdict, confidence and cause."""
    return finding.verdict.value, finding.confidence and finding.confidence.value, finding.cause.value


def corrected(finding: Finding) -> tuple[str, int, str | None, str | None]:
    """Give what the row becomes: status, end in epoch milliseconds, error, summary."""
    correction = finding.correction
    assert correction is not None
    ended_ms = (correction.ended_at - _EPOCH) // timedelta(milliseconds=1)
    return correction.status, ended_ms, correction.error, correction.terminal_summary


def said(binding: str, message: str, at_ms: int, fields: Mapping[str, object] | None = None) -> str:
    """Give one line of the file log."""
    return as_line(record(binding, message, fields, at_ms))


def started(at_ms: int, ready_ms: int, cron_ms: int | None = None) -> list[str]:
    """Give the start of a process as 2026.4.15 logs it."""
    lines = [
        said("gateway", "loading configuration…", at_ms),
        said("gateway", "starting...", (at_ms + ready_ms) // 2),
        said("gateway", "starting HTTP server...", ready_ms - 100),
        said("gateway", "ready (0 plugins, 3.7s)", ready_ms),
    ]
    if cron_ms is None:
        return lines
    fields = {"enabled": True, "jobs": 1, "nextWakeAtMs": None}
    return [*lines, said("cron", "cron: started", cron_ms, fields)]


def stopped(at_ms: int, signal: str = "SIGTERM") -> list[str]:
    """Give the stop of a process as it was always logged."""
    return [
        said("gateway", f"signal {signal} received", at_ms),
        said("gateway", f"received {signal}; {'shutting down' if signal == 'SIGTERM' else 'restarting'}", at_ms + 2),
    ]


def quiet(*at_ms: int) -> list[str]:
    """Give lines that say nothing, but that the log was being written."""
    return [said("gateway/ws", "webchat connected", moment) for moment in at_ms]


class HandedOver:
    """A folder with a state directory and logs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: list[dict[str, Any]] = []
        self._runs: dict[str, list[Mapping[str, object] | str | bytes]] = {}
        self._jobs: list[dict[str, object]] = []
        self._logs: dict[str, list[str]] = {}

    def row(
        self, job_id: str, start_ms: int | None, lost_ms: int | None, *, task_id: str = "lost", **columns: object
    ) -> HandedOver:
        """Keep a cron row that was marked lost, unless ``columns`` say otherwise."""
        told: dict[str, object] = {
            "source_id": job_id,
            "run_id": None if start_ms is None else f"cron:{job_id}:{start_ms}",
            "label": job_id,
            "task": job_id,
            "owner_key": f"system:cron:{job_id}",
            "created_at": start_ms if start_ms is not None else lost_ms,
            "started_at": start_ms,
            "ended_at": lost_ms,
            "last_event_at": lost_ms,
            "cleanup_after": None if lost_ms is None else lost_ms + _WEEK_MS,
        }
        self._rows.append(task_row(task_id, **(told | columns)))
        return self

    def succeeded(self, job_id: str, start_ms: int, end_ms: int, *, task_id: str, **columns: object) -> HandedOver:
        """Keep a row that ended well."""
        return self.row(job_id, start_ms, end_ms, task_id=task_id, **({"status": "succeeded", "error": None} | columns))

    def reaching(self, at_ms: int) -> HandedOver:
        """Let the copy be taken at this moment or later: a task of no interest ended then."""
        told = {"runtime": "cli", "run_id": None, "source_id": None}
        return self.succeeded("other", at_ms, at_ms, task_id=f"other-{at_ms}", **told)

    def run(self, job_id: str, *lines: Mapping[str, object] | str) -> HandedOver:
        """Put lines into the run log of a job, as they are."""
        told = [line if isinstance(line, Mapping) or line.endswith("\n") else line + "\n" for line in lines]
        self._runs.setdefault(job_id, []).extend(told)
        return self

    def finished(
        self, job_id: str, start_ms: int | None, end_ms: int, status: str = "ok", **fields: object
    ) -> HandedOver:
        """Log a finished run of a job; a run without a start tells no duration either."""
        entry: dict[str, object] = {"ts": end_ms + 3, "jobId": job_id, "action": "finished", "status": status}
        if status == "ok":
            entry |= {"summary": "done"}
        if start_ms is not None:
            entry |= {"runAtMs": start_ms, "durationMs": end_ms - start_ms}
        told = entry | fields
        return self.run(job_id, {key: value for key, value in told.items() if value is not None})

    def job(self, job_id: str, expr: str | None = None, tz: str = "UTC", **fields: object) -> HandedOver:
        """Keep a job in the job store."""
        schedule: dict[str, object] = {"kind": "cron", "expr": expr, "tz": tz} if expr else {"kind": "none"}
        self._jobs.append(
            {"id": job_id, "name": job_id, "enabled": True, "schedule": schedule}
            | {"payload": {"kind": "agentTurn", "message": "go"}, "state": {}}
            | fields
        )
        return self

    def log(self, *lines: str, name: str = "openclaw-2026-04-17.log") -> HandedOver:
        """Put lines into a log, as they are."""
        self._logs.setdefault(name, []).extend(line if line.endswith("\n") else line + "\n" for line in lines)
        return self

    def evidence(self) -> Evidence:
        """Write all files and read them."""
        self._write()
        return load_evidence([str(self.folder)])

    def audited(self) -> Report:
        """Write all files, read them, and audit what they say."""
        return audit(self.evidence())

    def _write(self) -> None:
        state = self.folder / "state"
        if self._rows:
            registry = state / "tasks" / "runs.sqlite"
            registry.unlink(missing_ok=True)
            write_registry(registry, *self._rows)
        for job_id, lines in self._runs.items():
            write_run_log(state / "cron" / "runs" / f"{job_id}.jsonl", *lines)
        if self._jobs:
            write_log(state / "cron" / "jobs.json", json.dumps({"version": 1, "jobs": self._jobs}, indent=2))
        for name, told in self._logs.items():
            write_log(self.folder / "logs" / name, *told)
