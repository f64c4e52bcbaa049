"""Small incidents for tests, told call by call: what the registry, the run logs and the gateway log would say.

A ``Gateway`` collects rows, records and lines; ``audited`` turns one or several into evidence and audits it. Times are
moments of one day (``at("10:00")``), spans are seconds. Sources and copies are kept consistent by themselves: each run
log is a file of its own, all state files lie in one copied folder unless a test names another.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from forensics.correlator.audit import audit
from forensics.model.evidence import Evidence
from forensics.model.finding import Finding, Report
from forensics.model.policy import INTERRUPTED_ERROR, LOST_ERROR, Policy
from forensics.model.schemas import COPIES, HISTORIES, JOBS, LIFECYCLE, NOTICES, RUNS, SOURCES, TASKS, Schema, frame_of
from forensics.model.verdicts import LifecycleKind, Origin, SourceKind

DAY = datetime(2026, 4, 17, tzinfo=UTC)
J = "job-j"
K = "job-k"
STATE = "state"

_TEXTS = {
    LifecycleKind.READY: "[gateway] ready (0 plugins, 0.6s)",
    LifecycleKind.SIGNAL_ACTED: "[gateway] received {signal}; shutting down",
    LifecycleKind.SHUTDOWN_STARTED: "[gateway/shutdown] shutdown started: gateway stopping",
    LifecycleKind.SHUTDOWN_COMPLETED: "[gateway/shutdown] shutdown completed cleanly in 161ms",
    LifecycleKind.RESTART_REASON: "[gateway/reload] config change requires gateway restart (gateway.port)",
}
_STAMPS = ("created_at", "started_at", "ended_at", "last_event_at", "finished_at", "at", "updated_at")


def at(clock: str, day: int = 0) -> datetime:
    """Give a moment of the day: ``at("10:00")``, ``at("10:00:03.250")``, ``at("09:00", day=1)``."""
    hours, minutes, *rest = clock.split(":")
    seconds = float(rest[0]) if rest else 0.0
    return DAY + timedelta(days=day, hours=int(hours), minutes=int(minutes), milliseconds=round(seconds * 1000))


def seconds(count: float) -> timedelta:
    """Give a span of seconds."""
    return timedelta(milliseconds=round(count * 1000))


def epoch_ms(moment: datetime) -> int:
    """Give a moment as the gateway writes it."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


class Gateway:
    """One gateway whose files are written call by call."""

    def __init__(self, name: str = "gateway") -> None:
        self.name = name
        self._rows: dict[str, list[dict[str, Any]]] = {"tasks": [], "runs": [], "lifecycle": [], "jobs": []}
        self._sources: dict[str, dict[str, Any]] = {}
        self._copies: dict[str, dict[str, Any]] = {}
        self._log = "gateway.log"

    def __repr__(self) -> str:
        told = [f"{frame}: {row}" for frame, rows in self._rows.items() for row in rows]
        return "\n".join(
            [f"Gateway {self.name}", *told, *map(str, self._sources.values()), *map(str, self._copies.values())]
        )

    def job(self, job_id: str = J, *, timeout: float | None = None, copy: str = STATE, **known: Any) -> Gateway:
        """Write a job into the job store; ``timeout`` in seconds."""
        timeout_ms = None if timeout is None else round(timeout * 1000)
        fields = {"job_id": job_id, "payload_kind": "agentTurn", "enabled": True, "timeout_ms": timeout_ms}
        self._copy(copy)["has_job_store"] = True
        return self._add("jobs", f"{copy}/cron/jobs.json", SourceKind.JOB_STORE, copy, fields | known)

    def row(
        self,
        job_id: str | None = J,
        start: datetime | None = None,
        lost_at: datetime | None = None,
        *,
        task_id: str = "task",
        copy: str = STATE,
        **columns: Any,
    ) -> Gateway:
        """Write a task row; a lost cron row unless ``columns`` say otherwise."""
        fields = {
            "task_id": task_id,
            "runtime": "cron",
            "job_id": job_id,
            "run_id": None if start is None or job_id is None else f"cron:{job_id}:{epoch_ms(start)}",
            "status": "lost",
            "created_at": start,
            "started_at": start,
            "ended_at": lost_at,
            "last_event_at": lost_at,
            "error": LOST_ERROR,
            "registry": "store",
            "projected": False,
        } | columns
        return self._add("tasks", f"{copy}/tasks/runs.sqlite", SourceKind.TASK_REGISTRY, copy, fields)

    def running(self, job_id: str, start: datetime, *, task_id: str) -> Gateway:
        """Write a task row that is still running."""
        return self.row(job_id, start, task_id=task_id, status="running", error=None, last_event_at=start)

    def succeeded(self, job_id: str, start: datetime, ended_at: datetime, *, task_id: str) -> Gateway:
        """Write a task row that ended well."""
        return self.row(job_id, start, ended_at, task_id=task_id, status="succeeded", error=None)

    def record(
        self,
        job_id: str | None = J,
        start: datetime | None = None,
        status: str | None = "ok",
        *,
        duration: float | None = 60,
        written: datetime | None = None,
        copy: str = STATE,
        file: str | None = None,
        **columns: Any,
    ) -> Gateway:
        """Write a finished run into the job's run log; ``duration`` in seconds, ``written`` is its ``ts``."""
        ended = start + seconds(duration) if start and duration is not None else start
        fields = {
            "job_id": job_id,
            "started_at": start,
            "finished_at": written or ended,
            "duration_ms": None if duration is None else round(duration * 1000),
            "status": status,
            "summary": "done" if status == "ok" else None,
            "has_usage": status == "ok",
            "origin": Origin.RUN_LOG.value,
        } | columns
        path = self._run_log(job_id, copy, file)
        return self._add("runs", path, SourceKind.CRON_RUN_LOG, copy, fields)

    def bare_ok(self, job_id: str, start: datetime, duration: float, **columns: Any) -> Gateway:
        """Write an ok without summary and usage, as an aborted run is recorded."""
        return self.record(job_id, start, duration=duration, **({"summary": None, "has_usage": False} | columns))

    def interrupted(self, job_id: str, start: datetime, written: datetime, **columns: Any) -> Gateway:
        """Write the record of the start-up code that takes a run for dead."""
        lasted = (written - start).total_seconds()
        fields: dict[str, Any] = {"error": INTERRUPTED_ERROR, "duration": lasted} | columns
        return self.record(job_id, start, "error", written=written, **fields)

    def last_run(
        self, job_id: str, start: datetime, status: str | None = "ok", duration: float | None = 60, **columns: Any
    ) -> Gateway:
        """Write the last run that the job's state names."""
        fields = {
            "job_id": job_id,
            "started_at": start,
            "duration_ms": None if duration is None else round(duration * 1000),
            "status": status,
            "has_usage": False,
            "origin": Origin.JOB_STATE.value,
        } | columns
        self._copy(STATE)["has_job_store"] = True
        return self._add("runs", f"{STATE}/cron/jobs.json", SourceKind.JOB_STORE, STATE, fields)

    def run_log(self, job_id: str = J, *, copy: str = STATE, **figures: Any) -> Gateway:
        """Give the job a run log file, with figures such as ``lines`` and ``rejected``."""
        source = self._source(self._run_log(job_id, copy, None), SourceKind.CRON_RUN_LOG, copy)
        source |= {"job_id": job_id} | figures
        return self

    def without_run_logs(self) -> Gateway:
        """Hand no run logs over."""
        self._copy(STATE)["has_run_logs"] = False
        return self

    def without_job_store(self) -> Gateway:
        """Hand no job store over."""
        self._copy(STATE)["has_job_store"] = False
        return self

    def copied(self, moment: datetime, copy: str = STATE) -> Gateway:
        """Let the copied folder reach this moment: a run of no interest ended then."""
        name = f"clock {copy} {moment:%d %H%M%S%f}"
        return self.row(
            None, moment, moment, task_id=name, runtime="subagent", status="succeeded", error=None, copy=copy
        )

    def logged(
        self, first: datetime, last: datetime, file: str = "gateway.log", *, zone_is_assumed: bool = False
    ) -> Gateway:
        """Hand a gateway log over that reaches from ``first`` to ``last``; the lines that follow stand in it."""
        return self._logged(SourceKind.GATEWAY_LOG, first, last, file, zone_is_assumed=zone_is_assumed)

    def shown(
        self, first: datetime, last: datetime, file: str = "console.log", *, zone_is_assumed: bool = False
    ) -> Gateway:
        """Hand a console over, as ``logged``; the scheduler says nothing there."""
        return self._logged(SourceKind.GATEWAY_CONSOLE, first, last, file, zone_is_assumed=zone_is_assumed)

    def _logged(
        self, kind: SourceKind, first: datetime, last: datetime, file: str, *, zone_is_assumed: bool
    ) -> Gateway:
        self._log = file
        source = self._source(file, kind, "logs")
        source |= {"first_at": first, "last_at": last, "zone_is_assumed": zone_is_assumed}
        source["shows_scheduler"] = kind is SourceKind.GATEWAY_LOG
        return self

    def boot(
        self,
        started: datetime,
        pid: int | None,
        ended: datetime | None = None,
        outcome: str | None = None,
        reason: str | None = None,
        *,
        file: str = "boots",
    ) -> Gateway:
        """Write a row of the boot table."""
        self.recorded(LifecycleKind.BOOT_STARTED, started, pid, file=file, running_at=started)
        if ended is None:
            return self
        words = ": ".join(part for part in (outcome, reason) if part)
        told = {"running_at": started, "status": outcome, "detail": words}
        return self.recorded(LifecycleKind.BOOT_ENDED, ended, pid, file=file, **told)

    def recorded(
        self, kind: LifecycleKind, moment: datetime, pid: int | None = None, *, file: str = "record", **columns: Any
    ) -> Gateway:
        """Write one event that stands in a durable record, not in a log."""
        fields = {"at": moment, "kind": kind.value, "pid": pid, "raw": f"[{file}] {kind.value} {pid}"} | columns
        return self._add("lifecycle", f"{STATE}/{file}", SourceKind.RESTART_RECORD, STATE, fields)

    def line(self, kind: LifecycleKind, moment: datetime, **columns: Any) -> Gateway:
        """Write one lifecycle line into the gateway log."""
        text = _TEXTS.get(kind, f"[gateway] {kind.value}").format(signal=columns.get("signal"))
        fields = {"at": moment, "kind": kind.value, "detail": text, "raw": text} | columns
        return self._add("lifecycle", self._log, SourceKind.GATEWAY_LOG, "logs", fields)

    def started(self, moment: datetime, ready: float = 10, cron: float | None = 11) -> Gateway:
        """A process starts and is ready after so many seconds; without a stop line before it this is a crash."""
        self.line(LifecycleKind.PROCESS_START, moment)
        self.line(LifecycleKind.HTTP_STARTING, moment + seconds(0.5))
        self.line(LifecycleKind.READY, moment + seconds(ready))
        return self if cron is None else self.line(LifecycleKind.CRON_STARTED, moment + seconds(cron))

    def crashed(self, last_line: datetime, started: datetime, **rest: Any) -> Gateway:
        """A process dies without a word after its last line; the next one starts."""
        return self.line(LifecycleKind.LAST_LINE, last_line).started(started, **rest)

    def stopping(self, moment: datetime, signal: str = "SIGTERM") -> Gateway:
        """The gateway acts on a signal and goes down."""
        self.line(LifecycleKind.SIGNAL_RECEIVED, moment, signal=signal)
        return self.line(LifecycleKind.SIGNAL_ACTED, moment + seconds(0.002), signal=signal)

    def restarted(self, moment: datetime, started: datetime, **rest: Any) -> Gateway:
        """The gateway is stopped by a signal and says nothing more; a new process starts."""
        return self.stopping(moment).crashed(moment + seconds(0.002), started, **rest)

    def reloaded(self, moment: datetime, serving: datetime, ready: float = 5, cron: float | None = 6) -> Gateway:
        """An in-process restart with a drain that times out: the process stays."""
        acted = "[gateway] received SIGUSR1; restarting"
        self.line(LifecycleKind.SIGNAL_RECEIVED, moment, signal="SIGUSR1")
        self.line(LifecycleKind.SIGNAL_ACTED, moment + seconds(0.002), signal="SIGUSR1", raw=acted, detail=acted)
        self.line(LifecycleKind.DRAIN_STARTED, moment + seconds(0.004))
        self.line(LifecycleKind.DRAIN_TIMEOUT, serving - seconds(0.2))
        self.line(LifecycleKind.MODE_IN_PROCESS, serving - seconds(0.1))
        self.line(LifecycleKind.HTTP_STARTING, serving)
        self.line(LifecycleKind.READY, serving + seconds(ready))
        return self if cron is None else self.line(LifecycleKind.CRON_STARTED, serving + seconds(cron))

    def marker(
        self, job_id: str, running_at: datetime, moment: datetime, kind: LifecycleKind = LifecycleKind.MARKER_CLEARED
    ) -> Gateway:
        """The start-up code names a run that was in flight."""
        return self.line(kind, moment, job_id=job_id, running_at=running_at)

    def missed(self, moment: datetime, *job_ids: str, kind: LifecycleKind = LifecycleKind.MISSED_JOB) -> Gateway:
        """The start-up code names the jobs that it catches up; one line, one event a job."""
        for job_id in job_ids:
            self.line(kind, moment, job_id=job_id)
        return self

    def warned(self, job_id: str, start: datetime, moment: datetime, status: str = "ok") -> Gateway:
        """The end of a run could not be written into the registry."""
        run_id = f"cron:{job_id}:{epoch_ms(start)}"
        return self.line(LifecycleKind.LEDGER_UPDATE_FAILED, moment, run_id=run_id, status=status)

    def without(self, frame: str, **columns: Any) -> Gateway:
        """Take the rows of a frame away that have these values."""
        kept = [row for row in self._rows[frame] if any(row.get(name) != value for name, value in columns.items())]
        assert len(kept) < len(self._rows[frame])
        self._rows[frame] = kept
        return self

    def _run_log(self, job_id: str | None, copy: str, file: str | None) -> str:
        return file or f"{copy}/cron/runs/{job_id}.jsonl"

    def _copy(self, copy: str) -> dict[str, Any]:
        new = {"gateway": self.name, "copy": copy, "has_run_logs": copy == STATE, "has_job_store": False}
        return self._copies.setdefault(copy, new)

    def _source(self, path: str, kind: SourceKind, copy: str) -> dict[str, Any]:
        if kind not in (SourceKind.GATEWAY_LOG, SourceKind.GATEWAY_CONSOLE):
            self._copy(copy)
        new = {"path": path, "kind": kind.value, "copy": copy, "lines": 0, "rejected": 0, "first_at": None}
        return self._sources.setdefault(path, new | {"last_at": None, "job_id": None})

    def _add(self, frame: str, path: str, kind: SourceKind, copy: str, fields: dict[str, Any]) -> Gateway:
        source = self._source(path, kind, copy)
        source["lines"] += 1
        if kind is SourceKind.CRON_RUN_LOG:
            source["job_id"] = fields["job_id"]
        stamps = [fields[name] for name in _STAMPS if fields.get(name) is not None]
        source["first_at"] = min([*stamps, source["first_at"]] if source["first_at"] else stamps, default=None)
        source["last_at"] = max([*stamps, source["last_at"]] if source["last_at"] else stamps, default=None)
        self._rows[frame].append({"path": path, "line": source["lines"]} | fields)
        return self

    def _placed(self, frame: str, ids: dict[str, int]) -> list[dict[str, Any]]:
        return [{"gateway": self.name, "source": ids[row["path"]]} | row for row in self._rows[frame]]

    def _history(self, source: dict[str, Any], number: int) -> list[dict[str, Any]]:
        """Give what the absence of a record in a run log means."""
        if source["kind"] != SourceKind.CRON_RUN_LOG or source["job_id"] is None:
            return []
        rows = [row for row in self._rows["runs"] if row["path"] == source["path"]]
        oldest = min((row["finished_at"] for row in rows if row["finished_at"]), default=None)
        told = {"gateway": self.name, "source": number, "job_id": source["job_id"], "origin": Origin.RUN_LOG.value}
        damaged = source["rejected"] > 0
        return [told | {"records": source["lines"], "oldest_at": oldest, "is_partial": False, "is_damaged": damaged}]

    def _collect(self, frames: dict[str, list[dict[str, Any]]]) -> None:
        first = len(frames["sources"])
        ids = {path: first + number for number, path in enumerate(self._sources)}
        for source in self._sources.values():
            frames["sources"].append({"id": ids[source["path"]], "gateway": self.name} | source)
            frames["histories"].extend(self._history(source, ids[source["path"]]))
        frames["copies"].extend(self._copies.values())
        for frame in self._rows:
            frames[frame].extend(self._placed(frame, ids))


def evidence_of(*gateways: Gateway) -> Evidence:
    """Give the evidence of these gateways, as if it had been read from their files."""
    frames: dict[str, list[dict[str, Any]]] = {}
    schemas: dict[str, Schema] = {
        "tasks": TASKS,
        "runs": RUNS,
        "lifecycle": LIFECYCLE,
        "jobs": JOBS,
        "sources": SOURCES,
        "copies": COPIES,
        "histories": HISTORIES,
        "notices": NOTICES,
    }
    frames = {name: [] for name in schemas}
    for gateway in gateways:
        gateway._collect(frames)
    told: dict[str, Any] = {name: frame_of(frames[name], schema) for name, schema in schemas.items()}
    return Evidence(**told, files={})


def audited(*gateways: Gateway, now: datetime | None = None, **policy: Any) -> Report:
    """Audit these gateways; keywords change the policy."""
    return audit(evidence_of(*gateways), replace(Policy(), **policy), now)


def finding_of(gateway: Gateway, task_id: str = "task") -> Finding:
    """Audit one gateway and give the finding of one row."""
    return found(audited(gateway), task_id)


def found(report: Report, task_id: str = "task", gateway: str | None = None) -> Finding:
    """Give the only finding of a task."""
    (finding,) = [
        finding for finding in report.findings if finding.task_id == task_id and gateway in (None, finding.gateway)
    ]
    return finding


def said(finding: Finding) -> tuple[str, str | None]:
    """Give verdict and confidence of a finding."""
    return finding.verdict.value, finding.confidence.value if finding.confidence else None


def a_day(name: str = "gateway") -> Gateway:
    """Give a gateway that was up all day, with its log of the day, copied at the end of the day."""
    gateway = Gateway(name).logged(at("00:00"), at("23:59"))
    return gateway.started(at("00:00")).copied(at("23:59"))
