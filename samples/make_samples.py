"""Write the sample incidents. Seeded: the same script writes the same incidents.

    python samples/make_samples.py            writes the made-up samples beside this file
    python samples/make_samples.py --real DIR also cuts the sample "real-lost-write" out of a captured gateway

Each sample is a folder with the three sources (``state/`` with task registry, run logs and job store; ``logs/``),
a ``truth.json`` with what really happened and what the evidence proves, and a README.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

HERE = Path(__file__).parent
SEED = 68191

SCHEMA = """
CREATE TABLE task_runs (task_id TEXT PRIMARY KEY, runtime TEXT NOT NULL, task_kind TEXT, source_id TEXT,
  requester_session_key TEXT, owner_key TEXT NOT NULL, scope_kind TEXT NOT NULL, child_session_key TEXT,
  parent_flow_id TEXT, parent_task_id TEXT, agent_id TEXT, run_id TEXT, label TEXT, task TEXT NOT NULL,
  status TEXT NOT NULL, delivery_status TEXT NOT NULL, notify_policy TEXT NOT NULL, created_at INTEGER NOT NULL,
  started_at INTEGER, ended_at INTEGER, last_event_at INTEGER, cleanup_after INTEGER, error TEXT,
  progress_summary TEXT, terminal_summary TEXT, terminal_outcome TEXT);
CREATE TABLE task_delivery_state (task_id TEXT PRIMARY KEY, requester_origin_json TEXT, last_notified_event_at INTEGER);
"""
LOST = "backing session missing"
INTERRUPTED = "cron: job interrupted by gateway restart"
WEEK = timedelta(days=7)
STORE = "/home/claw/.openclaw/cron/jobs.json"


def ms(moment: datetime) -> int:
    """Give epoch milliseconds."""
    return round(moment.timestamp() * 1000)


@dataclass
class Job:
    id: str
    name: str
    schedule: dict[str, object]
    timeout_s: int | None = None
    kind: str = "agentTurn"
    state: dict[str, object] = field(default_factory=dict)


@dataclass
class Incident:
    """One gateway's leftovers, written as its release writes them."""

    name: str
    story: str
    zone: timezone
    new_shape: bool = False
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - samples, not secrets
    rows: list[dict[str, object]] = field(default_factory=list)
    records: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    truth: dict[str, object] = field(default_factory=dict)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def job(self, name: str, schedule: dict[str, object], timeout_s: int | None = None, kind: str = "agentTurn") -> Job:
        self.jobs.append(Job(self.uuid(), name, schedule, timeout_s, kind))
        return self.jobs[-1]

    def row(self, job: Job, start: datetime, **values: object) -> str:
        """Add a row of a run; without further values it is still running."""
        task_id = self.uuid()
        row = {
            "task_id": task_id,
            "runtime": "cron",
            "source_id": job.id,
            "requester_session_key": "",
            "owner_key": f"system:cron:{job.id}",
            "scope_kind": "system",
            "run_id": f"cron:{job.id}:{ms(start)}",
            "label": job.name,
            "task": job.name,
            "status": "running",
            "delivery_status": "not_applicable",
            "notify_policy": "silent",
            "created_at": ms(start),
            "started_at": ms(start),
            "last_event_at": ms(start),
        }
        self.rows.append(row | values)
        return task_id

    def lost(self, job: Job, start: datetime, mark: datetime, **values: object) -> str:
        """Add a row that the sweep marked lost."""
        marked = {"ended_at": ms(mark), "last_event_at": ms(mark), "cleanup_after": ms(mark + WEEK)}
        return self.row(job, start, **({"status": "lost", "error": LOST} | marked | values))

    def done(self, job: Job, start: datetime, end: datetime) -> str:
        """Add a row that ended well, with its record."""
        self.record(job, start, end, summary=f"{job.name}: done")
        ended = {"ended_at": ms(end), "last_event_at": ms(end), "cleanup_after": ms(end + WEEK)}
        return self.row(job, start, status="succeeded", terminal_summary=f"{job.name}: done", **ended)

    def record(
        self, job: Job, start: datetime | None, end: datetime, *, status: str = "ok", written: datetime | None = None,
        summary: str | None = None, error: str | None = None, **more: object,
    ) -> None:  # fmt: skip
        """Add a line to the job's run log."""
        entry: dict[str, object] = {"ts": ms(written or end + timedelta(milliseconds=9)), "jobId": job.id}
        entry |= {"action": "finished", "status": status}
        entry |= {key: value for key, value in (("error", error), ("summary", summary)) if value is not None}
        if start is not None:
            entry |= {"runAtMs": ms(start), "durationMs": ms(end) - ms(start)}
            if summary is not None:
                entry["usage"] = {"input_tokens": 10, "output_tokens": 10, "total_tokens": 20}
        self.records.setdefault(job.id, []).append(entry | more)

    def say(self, at: datetime, subsystem: str, text: str, level: str = "INFO") -> None:
        """Add a line of the gateway's own log."""
        self._log(at, {"subsystem": subsystem}, None, text, level)

    def say_cron(self, at: datetime, text: str, fields: Mapping[str, object], level: str = "INFO") -> None:
        """Add a line of the scheduler."""
        self._log(at, {"module": "cron", "storePath": STORE}, fields, text, level)

    def start(self, at: datetime, ready: datetime, jobs: int = 1, cron_started: datetime | None = None) -> None:
        """Add a whole start sequence of a process."""
        self.say(at, "gateway", "loading configuration…")
        self.say(at + (ready - at) * 0.4, "gateway", "resolving authentication…")
        self.say(at + (ready - at) * 0.5, "gateway", "starting...")
        self.say(at + (ready - at) * 0.9, "gateway", "starting HTTP server...")
        self._be_ready(ready)
        fields = {"enabled": True, "jobs": jobs, "nextWakeAtMs": None}
        self.say_cron(cron_started or ready + timedelta(seconds=1), "cron: started", fields)

    def _be_ready(self, ready: datetime) -> None:
        if self.new_shape:
            self.say(ready - timedelta(milliseconds=90), "gateway", "http server listening (0 plugins, 3.7s)")
            self.say(ready, "gateway", "gateway ready")
        else:
            self.say(ready, "gateway", "ready (0 plugins, 3.7s)")

    def stop(self, at: datetime, signal: str = "SIGTERM") -> None:
        """Add the lines of a stop by signal."""
        self.say(at, "gateway", f"signal {signal} received")
        self.say(at + timedelta(milliseconds=3), "gateway", f"received {signal}; shutting down")
        if self.new_shape:
            self.say(at + timedelta(milliseconds=9), "gateway/shutdown", "shutdown started: gateway stopping")
            self.say(at + timedelta(milliseconds=170), "gateway/shutdown", "shutdown completed cleanly in 161ms")

    def expect(self, task_id: str, verdict: str, cause: str, confidence: str | None, happened: str) -> None:
        """Note what really happened and what the evidence proves."""
        rows = self.truth.setdefault("rows", {})
        assert isinstance(rows, dict)  # noqa: S101 - ours
        rows[task_id] = {"verdict": verdict, "cause": cause, "confidence": confidence, "happened": happened}

    def write(self, folder: Path) -> None:
        """Write the incident in place of an older one."""
        target = folder / self.name
        shutil.rmtree(target, ignore_errors=True)
        for part in ("state/tasks", "state/cron/runs", "logs"):
            (target / part).mkdir(parents=True)
        self._write_registry(target / "state/tasks/runs.sqlite")
        self._write_jobs(target / "state/cron")
        for job_id, entries in self.records.items():
            lines = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries]
            (target / f"state/cron/runs/{job_id}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._write_logs(target / "logs")
        told = json.dumps(self.truth, ensure_ascii=False, indent=2)
        (target / "truth.json").write_text(told + "\n", encoding="utf-8")
        (target / "README.md").write_text(f"# {self.name}\n\n{self.story}\n", encoding="utf-8")

    def _write_registry(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(SCHEMA)
            for row in self.rows:
                names = ", ".join(row)
                marks = ", ".join("?" for _ in row)
                database.execute(f"INSERT INTO task_runs ({names}) VALUES ({marks})", list(row.values()))
            database.commit()

    def _write_jobs(self, folder: Path) -> None:
        jobs = [self._job_entry(job) for job in self.jobs]
        (folder / "jobs.json").write_text(json.dumps({"version": 1, "jobs": jobs}, indent=2) + "\n", encoding="utf-8")
        if self.new_shape:
            state = {job.id: {"state": job.state} for job in self.jobs}
            document = {"version": 1, "jobs": state}
            (folder / "jobs-state.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def _job_entry(self, job: Job) -> dict[str, object]:
        payload: dict[str, object] = {"kind": job.kind, "message": f"do {job.name}"}
        if job.timeout_s:
            payload["timeoutSeconds"] = job.timeout_s
        state = {} if self.new_shape else job.state
        entry = {"id": job.id, "name": job.name, "enabled": True, "schedule": job.schedule}
        return entry | {"payload": payload, "state": state}

    def _write_logs(self, folder: Path) -> None:
        days: dict[str, list[str]] = {}
        for at, line in sorted(self.lines, key=lambda pair: pair[0]):
            days.setdefault(at.astimezone(self.zone).strftime("%Y-%m-%d"), []).append(line)
        for day, lines in days.items():
            (folder / f"openclaw-{day}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _log(
        self, at: datetime, binding: Mapping[str, str], fields: Mapping[str, object] | None, text: str, level: str
    ) -> None:
        bound = json.dumps(binding, separators=(",", ":"))
        record: dict[str, object] = {"0": bound}
        record |= {"1": text} if fields is None else {"1": dict(fields), "2": text}
        levels = {"INFO": 3, "WARN": 4}
        stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
        record["_meta"] = {
            "runtime": "node", "runtimeVersion": "22.23.3", "hostname": "unknown", "name": bound,
            "parentNames": ["openclaw"], "date": stamp, "logLevelId": levels[level], "logLevelName": level,
        }  # fmt: skip
        record["time"] = at.astimezone(self.zone).isoformat(timespec="milliseconds")
        if self.new_shape:
            record |= {"hostname": "gateway-host", "message": text}
        self.lines.append((at, json.dumps(record, ensure_ascii=False, separators=(",", ":"))))


FOUNDING_STORY = """The founding incident (#68191, 2026-04-17): the row of job "Daily Google Review Monitor" was
marked lost at 07:40:44 local time, the gateway's start-up lines came at 07:40:57 to 07:41:02, and its run log says
finished, ok, at 07:41:46. The report leaves open which run that was.

"""


def founding(name: str, case: str) -> Incident:
    """Write issue #68191 of the gateway's project: the times are as published, local time taken as UTC-7."""
    zone = timezone(timedelta(hours=-7))

    def local(hour: int, minute: int, second: int, milli: int = 0) -> datetime:
        return datetime(2026, 4, 17, hour, minute, second, milli * 1000, zone)

    stories = {
        "same": "the record that finished carries the start of the lost run: the same run finished.",
        "stand-in": "the record that finished started after the restart: another run stood in for the lost one.",
        "no-start": "the record that finished names neither start nor duration: nothing proves whose it is.",
    }
    incident = Incident(
        name,
        FOUNDING_STORY + f"Here: {stories[case]}\n\n    forensics audit samples/{name}",
        zone,
    )
    schedule: dict[str, object] = {"kind": "cron", "expr": "35 7 * * *", "tz": "America/Los_Angeles"}
    job = incident.job("Daily Google Review Monitor", schedule, 1800)
    start = local(7, 35, 0, 12)
    earlier = datetime(2026, 4, 16, 7, 35, 0, 9000, zone)
    incident.start(datetime(2026, 4, 16, 6, 0, 3, 0, zone), datetime(2026, 4, 16, 6, 0, 21, 0, zone))
    incident.done(job, earlier, earlier + timedelta(seconds=131))
    task_id = incident.lost(job, start, local(7, 40, 44))
    if case == "same":
        incident.say(local(7, 40, 57), "gateway", "starting HTTP server...")
        incident.say(local(7, 41, 2), "gateway", "ready (0 plugins, 5.0s)")
        incident.say_cron(local(7, 41, 2, 300), "cron: started", {"enabled": True, "jobs": 1, "nextWakeAtMs": None})
        incident.record(job, start, local(7, 41, 46), summary="12 new reviews, 2 need an answer")
        verdict = ("false_lost", "restart", "exact")
        happened = "the run went on through an in-process restart and finished ok at 07:41:46"
    else:
        marker = {"jobId": job.id, "runningAtMs": ms(start) - 6}
        incident.start(local(7, 40, 57), local(7, 41, 2), cron_started=local(7, 41, 47))
        if case == "stand-in":
            incident.say_cron(local(7, 41, 3, 10), "cron: clearing stale running marker on startup", marker, "WARN")
            named = {"count": 1, "jobIds": [job.id]}
            incident.say_cron(local(7, 41, 3, 40), "cron: running missed jobs after restart", named)
            incident.done(job, local(7, 41, 3, 55), local(7, 41, 46))
            verdict = ("replayed", "restart", "exact")
            happened = "the run died with the old process; the start-up replay did its work"
        else:
            incident.record(job, None, local(7, 41, 46), written=local(7, 41, 46), summary="12 new reviews")
            verdict = ("false_lost", "restart", "weak")
            happened = "unknown: the record may be that of the lost run or of a replay"
    incident.say(local(9, 0, 0), "gateway/health-monitor", "started (interval: 300s, startup-grace: 60s)")
    incident.expect(task_id, *verdict, happened)
    return incident


EVERY_STORY = """One day of one gateway of 2026.4.x with every verdict and every cause in it. `tasks-list.json` is an
export that a separate command-line process made while a run was alive: it shows that row as lost, although the
registry never had it so.

    forensics audit samples/every-verdict
    forensics explain eb90a215 samples/every-verdict"""


def at(hour: int, minute: int = 0, second: int = 0, milli: int = 0) -> datetime:
    """Give a clock reading of the day with every verdict."""
    return datetime(2026, 4, 20, hour, minute, second, milli * 1000, UTC)


def every_verdict() -> Incident:
    """One day of one gateway with every verdict and every cause in it."""
    incident = Incident(
        "every-verdict",
        EVERY_STORY,
        UTC,
    )
    hourly: dict[str, object] = {"kind": "every", "everyMs": 3_600_000, "anchorMs": ms(at(0))}
    daily: dict[str, object] = {"kind": "every", "everyMs": 86_400_000, "anchorMs": ms(at(0))}
    incident.start(at(5, 59), at(6, 0), jobs=12)
    _marked_while_running(incident, daily)
    _restart_at_ten(incident, hourly, daily)
    _withheld(incident, daily)
    _projected(incident, daily)
    incident.say(at(20), "gateway/health-monitor", "started (interval: 300s, startup-grace: 60s)")
    keeper = incident.job("keep-alive", hourly, 60)
    incident.done(keeper, at(19, 0, 0, 7), at(19, 0, 2))
    return incident


def _marked_while_running(incident: Incident, daily: dict[str, object]) -> None:
    """Rows marked without a restart: a manual run, a failing one, one that nothing explains, other rows."""
    manual = incident.job("manual-report", daily, 1500)
    start = at(7, 0, 0, 3)
    task = incident.lost(manual, start, at(7, 5, 30))
    incident.record(manual, start, at(7, 9), summary="report sent", runId=f"manual:{manual.id}:{ms(start) - 8}:1")
    incident.expect(task, "false_lost", "manual_run", "exact", "a manual run over five minutes, finished ok")
    failing = incident.job("flaky-sync", daily, 1500)
    start = at(7, 30, 0, 11)
    task = incident.lost(failing, start, at(7, 35, 30))
    incident.record(failing, start, at(7, 41), status="error", error="FailoverError: LLM request failed")
    incident.expect(task, "failed", "no_restart", "exact", "the run failed by itself")
    vanished = incident.job("vanished", daily, 600)
    task = incident.lost(vanished, at(8, 0, 0, 5), at(8, 5, 30))
    happened = "nothing tells: no record, no process end, no time left to run"
    incident.expect(task, "unexplained", "no_restart", None, happened)
    other = incident.job("other-error", daily, 600)
    task = incident.lost(other, at(8, 20, 0, 5), at(8, 25, 30), error="Recovery tombstoned")
    incident.expect(task, "not_applicable", "unknown", None, "lost with another error text")
    agent = incident.lost(other, at(8, 21), at(8, 26, 30), runtime="subagent", source_id=None, run_id=incident.uuid())
    incident.expect(agent, "not_applicable", "unknown", None, "a subagent's row, not a cron row")


def _restart_at_ten(incident: Incident, hourly: dict[str, object], daily: dict[str, object]) -> None:
    """One SIGTERM at 10:00: a finish that never reached the registry, a death, a replay, a slow catch-up."""
    unwritten = incident.job("ledger-locked", daily, 1500)
    start = at(9, 50, 0, 13)
    task = incident.lost(unwritten, start, at(10, 5, 5))
    incident.record(unwritten, start, at(9, 52), summary="all  posted\nto the channel")
    warning = {
        "runId": f"cron:{unwritten.id}:{ms(start)}",
        "jobStatus": "ok",
        "error": {"errstr": "database is locked"},
    }
    incident.say_cron(at(9, 52, 0, 30), "cron: failed to update task ledger record", warning, "WARN")
    incident.expect(task, "false_lost", "restart", "exact", "finished ok; the registry was locked and never learnt it")
    dead = incident.job("died-alone", daily, 1500)
    dead_start = at(9, 57, 0, 8)
    dead_task = incident.lost(dead, dead_start, at(10, 5, 5))
    incident.expect(dead_task, "interrupted", "restart", "exact", "killed by the restart, nothing stood in for it")
    replayed = incident.job("hourly-mail", hourly, 1500)
    first = at(9, 59, 30, 4)
    replayed_task = incident.lost(replayed, first, at(10, 5, 5))
    incident.expect(replayed_task, "replayed", "restart", "exact", "killed by the restart, replayed at start-up")
    slow = incident.job("slow-catch-up", daily, 1500)
    incident.stop(at(10))
    incident.start(at(10, 0, 20), at(10, 0, 40), jobs=12, cron_started=at(10, 9, 30))
    for job, begun in ((dead, dead_start), (replayed, first)):
        marker = {"jobId": job.id, "runningAtMs": ms(begun) - 4}
        incident.say_cron(at(10, 0, 41), "cron: clearing stale running marker on startup", marker, "WARN")
    named = {"count": 2, "jobIds": [replayed.id, slow.id]}
    incident.say_cron(at(10, 0, 42), "cron: running missed jobs after restart", named)
    incident.done(replayed, at(10, 0, 42, 15), at(10, 1, 12))
    caught = at(10, 0, 47, 20)
    task = incident.lost(slow, caught, at(10, 6, 5))
    incident.record(slow, caught, at(10, 9, 29), summary="caught up")
    incident.expect(task, "false_lost", "catch_up", "exact", "a start-up catch-up over five minutes, finished ok")


def _withheld(incident: Incident, daily: dict[str, object]) -> None:
    """Rows that this evidence does not decide: one may still run, one began before the log."""
    late = incident.job("still-at-it", daily)
    task = incident.lost(late, at(18, 30, 0, 2), at(18, 35, 30))
    incident.expect(task, "undetermined", "no_restart", None, "alive when the state directory was copied at 19:00")
    early = incident.job("before-the-log", daily, 600)
    task = incident.lost(early, at(3, 0, 0, 6), at(3, 5, 30))
    incident.expect(task, "undetermined", "unknown", None, "unknown: it ran before the first line of the gateway log")


def _projected(incident: Incident, daily: dict[str, object]) -> None:
    """A row that only an export shows as lost."""
    running = incident.job("long-crawl", daily, 1500)
    start = at(12, 0, 0, 9)
    incident.record(running, start, at(12, 18), summary="crawled")
    task_id = incident.uuid()
    exported = {
        "taskId": task_id, "runtime": "cron", "sourceId": running.id, "requesterSessionKey": "", "ownerKey": "",
        "scopeKind": "system", "runId": f"cron:{running.id}:{ms(start)}", "label": running.name, "task": running.name,
        "status": "lost", "deliveryStatus": "not_applicable", "notifyPolicy": "silent", "createdAt": ms(start),
        "startedAt": ms(start), "lastEventAt": ms(at(12, 10)), "endedAt": ms(at(12, 10)), "error": LOST,
        "cleanupAfter": ms(at(12, 10) + WEEK),
    }  # fmt: skip
    incident.truth["export"] = {"count": 1, "runtime": None, "status": None, "tasks": [exported]}
    incident.expect(task_id, "false_lost", "projection", "exact", "alive when the export was made, finished ok later")


def write_export(incident: Incident, folder: Path) -> None:
    """Write the export of an incident beside its state, and take it out of the truth."""
    export = incident.truth.pop("export", None)
    incident.write(folder)
    if export:
        text = json.dumps(export, indent=2) + "\n"
        (folder / incident.name / "tasks-list.json").write_text(text, encoding="utf-8")


def cut_real(captures: Path, folder: Path) -> None:
    """Cut a sample out of a captured gateway of 2026.4.15: registry with its write-ahead log, run logs, gateway log."""
    capture, target = captures / "2026.4.15" / "lost-write", folder / "real-lost-write"
    shutil.rmtree(target, ignore_errors=True)
    for part in ("tasks/runs.sqlite", "tasks/runs.sqlite-wal", "cron/jobs.json"):
        (target / "state" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(capture / "state" / part, target / "state" / part)
    runs = target / "state/cron/runs"
    runs.mkdir()
    for log in sorted((capture / "state/cron/runs").glob("*.jsonl")):
        shutil.copyfile(log, runs / log.name)
    (target / "logs").mkdir()
    shown = _without_dumps((capture / "logs/openclaw-2026-11-23.log").read_text("utf-8").splitlines())
    (target / "logs/openclaw-2026-11-23.log").write_text("\n".join(shown) + "\n", encoding="utf-8")
    expected = json.loads((capture / "expected.json").read_text("utf-8"))["sets"][0]
    rows = {
        task_id: {
            "verdict": row["verdict"][0],
            "cause": row["cause"][0],
            "confidence": row["confidence"][0],
            "happened": "finished ok before the restart; the registry never learnt it",
        }
        for task_id, row in expected["rows"].items()
    }
    (target / "truth.json").write_text(json.dumps({"rows": rows}, indent=2) + "\n", encoding="utf-8")
    (target / "README.md").write_text(REAL_STORY, encoding="utf-8")


REAL_STORY = """# real-lost-write

Captured from a gateway of release 2026.4.15 (unpatched, in real time; jobs run by a mock model), cut to size: the
whole answers of command-line processes were taken out of the log, nothing else was changed. Two runs finished ok
before a restart, but the registry never learnt it: once a lock was held while the end was to be written, once the
registry was put back from a backup. The new process marked both lost for good. All rows lie in the write-ahead log.

    forensics audit samples/real-lost-write
"""


def _without_dumps(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if not line.startswith('{"0":"{\\n')]


def main() -> None:
    """Write all samples."""
    parser = argparse.ArgumentParser(description="Write the sample incidents.")
    parser.add_argument("--real", type=Path, help="folder of captured gateways")
    parser.add_argument("--into", type=Path, default=HERE, help="where to write them")
    options = parser.parse_args()
    made = [
        founding("founding-same-run", "same"),
        founding("founding-stand-in", "stand-in"),
        founding("founding-no-start", "no-start"),
        every_verdict(),
    ]
    for incident in made:
        write_export(incident, options.into)
    if options.real:
        cut_real(options.real, options.into)


if __name__ == "__main__":
    main()
