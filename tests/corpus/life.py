"""The life of one gateway as a discrete-event simulation: jobs fall due, run, end; processes come and go.

Mechanisms are those of the release, as seen on real gateways and read in their packages (observed.md §A, §B; formats.md
§1.4 to §1.6, §3, §5, §7). Nothing here is taken from the code that judges them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from tests.corpus import words
from tests.corpus.truth import Fate
from tests.corpus.world import (
    DAY,
    INTERRUPTED,
    LOST,
    MINUTE,
    SECOND,
    TIMED_OUT,
    Fields,
    History,
    Job,
    Line,
    Process,
    Record,
    Release,
    Row,
    Run,
    copied_row,
    name_from,
)

GRACE = 5 * MINUTE
"""A row younger than this is not marked (formats.md §1.5)."""
FIRST_SWEEP, SWEEP_EVERY = 5 * SECOND, MINUTE
CATCH_UP_AT_MOST = 5
"""So many missed jobs run at once after a start (cases.md C4)."""
DEFERRED_BY = 2 * MINUTE
WEEK = 7 * DAY
CHATTER_EVERY = 8 * MINUTE
STOP_DRAIN = 315 * SECOND
"""2026.9 waits this long for active work before a stop."""

Action = Callable[[], None]


class Life:
    """One gateway at work; ``tell`` its events with the methods, then ``run`` until it is copied."""

    def __init__(self, rng: random.Random, release: Release, jobs: list[Job], began: int) -> None:
        """Plan nothing yet: the first process is started with ``start``."""
        self.rng = rng
        self.release = release
        self.history = History(release, jobs, began=began)
        self.now = began
        self.process: Process | None = None
        self.listed: set[str] = set()
        self.running: list[Run] = []
        self.batch_open = False
        self.lossy_until = 0
        self.warns = True
        self.backup: list[Row] | None = None
        self.scheduler_off = False
        self.open_rows: list[Row] = []
        self._queue: list[tuple[int, int, Action]] = []
        self._count = 0
        self._pids = 4_000 + rng.randrange(20_000)
        self._sweep_due: int | None = None
        self._manual = 0

    # -- time ---------------------------------------------------------------------------------------------------------

    def at(self, moment: int, action: Action) -> None:
        """Let something happen at a moment."""
        self._count += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._count, action))

    def run(self, until: int) -> History:
        """Live until a moment; give all that happened."""
        until = max(until, self.now)
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = self.history.now = until
        self.history.release = self.release
        return self.history

    def of_process(self, moment: int, action: Action) -> None:
        """Let something happen, unless the process is gone by then."""
        process = self.process

        def act() -> None:
            if self.process is process:
                action()

        self.at(moment, act)

    def say(
        self, line: words.Said, told: Process | None = None, mark: str = "", fields: Fields | None = None,
        later: int = 0, pid: int = 0,
    ) -> None:  # fmt: skip
        """Write a line of the log."""
        binding, text, level = line
        pid = pid or (self.process.pid if self.process else 0)
        self.history.lines.append(Line(self.now + later, binding, text, level, fields, pid, told, mark))

    # -- processes ----------------------------------------------------------------------------------------------------

    def start(self, release: Release | None = None) -> None:
        """A new process starts: its memory is what the disk holds."""
        if self.process is not None:
            return
        self.release = release or self.release
        self._pids += self.rng.randrange(30, 3_000)
        self._open(Process(self._pids, self.now, replaced=True, how="start"))
        self.listed.clear()
        assert self.process is not None
        for later, line in words.starting(self.rng, self.release):
            self.say(line, self.process, "start", later=later)
        loaded = self.rng.randrange(900, 25_000)
        self.of_process(self.now + loaded, self._serve)

    def _open(self, process: Process) -> None:
        process.boot_id = name_from(self.rng)
        process.kept_in_table = self.release.boots
        self.process = process
        self.history.processes.append(process)
        self.batch_open = False
        self._sweep_due = None
        if process.replaced or not self.release.heals:
            for row in self.history.rows:
                row.settled = row.marked_outside = False
        self.open_rows = [row for row in self.history.rows if row.status == "running"]

    def _serve(self) -> None:
        """Open the server, get ready, and let sweep and scheduler begin."""
        process = self.process
        assert process is not None
        self.say(words.HTTP_STARTING, process, "start")
        taken = self.rng.randrange(200, 3_000)
        for later, line in words.ready(self.release):
            self.say(line, process, "ready" if line in (words.READY, words.OLD_READY) else "", later=taken + later)
        ready = self.now + taken + (words.READY_AFTER if self.release.tells_shutdown else 0)
        self.of_process(ready, self._ready)

    def _ready(self) -> None:
        process = self.process
        assert process is not None
        process.ready = self.now
        process.sweep_phase = self.now + FIRST_SWEEP + self.rng.randrange(-300, 400)
        self.say(words.SIDECARS, later=12)
        self._plan_sweep()
        if not self.scheduler_off:
            self.of_process(self.now + self.rng.choice((400, 1_500, 4_000, 9_000)), self._begin_scheduler)
        else:
            self.of_process(self.now + 900, lambda: self.say(words.CRON_DISABLED, fields={"enabled": False}))
        self.of_process(self.now + self.rng.randrange(CHATTER_EVERY), self._chatter)

    def _chatter(self) -> None:
        self.say(words.CHATTER[self.rng.randrange(len(words.CHATTER))])
        self.of_process(self.now + CHATTER_EVERY + self.rng.randrange(-MINUTE, MINUTE), self._chatter)

    def _lose(self, process: Process, *, stop_seen: bool, how: str) -> None:
        """End the process: what it ran dies with it."""
        process.gone, process.stop_seen, process.how = self.now, stop_seen, how
        process.down = process.down if process.down is not None else self.now
        for run in self.running:
            run.fate = Fate.DIED if run.ends > self.now else run.fate
            run.ended = min(self.now, run.ends)
            if run.ends <= self.now:
                run.fate = _fate_of(run)
        self.running.clear()
        lines = self.history.lines
        recent = lines[-60:]
        lines[-60:] = [line for line in recent if line.pid != process.pid or line.at <= self.now]
        self.process = None

    def kill(self) -> None:
        """The process is killed, or the host loses power: nothing is written any more."""
        if self.process is not None:
            self.process.outcome = None
            self._lose(self.process, stop_seen=False, how="crash")

    def lose_power(self) -> None:
        """As ``kill``; what the disk got last is what it had some seconds before."""
        since = self.now - self.rng.randrange(20 * SECOND)
        for row in self.history.rows:
            run = row.run
            if run and run.record and row.status not in ("running", "lost") and run.record.ts >= since:
                row.status, row.ended, row.last_event, row.cleanup = "running", None, row.started, None
                row.error = row.summary = row.detail = None
        self.kill()

    def stop(self, signal: str = "SIGTERM") -> None:
        """A stop signal: the process writes that it goes down, and goes."""
        process = self.process
        if process is None or process.down is not None:
            return
        process.down = self.now
        for later, line in words.stopping(self.release, signal):
            self.say(line, process, "down", later=later)
        process.outcome, process.reason = "clean_stop", f"stop ({signal})"
        if self.release.newest and self.running:
            process.drained = self.now
            self.say(words.DRAIN_STOP, process, "down", later=9)
            self.of_process(self.now + STOP_DRAIN, self._cut_short_and_stop)
            self._wait_for_work(self._close)
            return
        self.of_process(self.now + self.rng.randrange(150, 2_000), self._close)

    def _cut_short_and_stop(self) -> None:
        process = self.process
        if process is not None and process.gone is None:
            self._abort_all(words.STOPPING)
            self._close()

    def _wait_for_work(self, then: Action) -> None:
        """Look every two seconds whether all work is done."""

        def look() -> None:
            if self.running:
                self.of_process(self.now + 2 * SECOND, look)
            else:
                then()

        self.of_process(self.now + 2 * SECOND, look)

    def _close(self) -> None:
        process = self.process
        if process is None or process.gone is not None:
            return
        for later, line in words.stopped(self.rng, self.release, "stopping"):
            self.say(line, process, "gone" if "completed" in line[1] else "down", later=later)
        process.clean = self.release.tells_shutdown
        self.of_process(self.now + 210, lambda: self._lose(process, stop_seen=True, how="signal"))

    def restart(self, *, kept: bool, timeout: int, spawned: str = "spawned pid {pid}") -> None:
        """A restart by signal: drain, then go on in the same process or in a new one."""
        process = self.process
        if process is None or process.down is not None or process.ready is None:
            return
        process.down = process.drained = self.now
        for later, line in words.restarting(self.release):
            self.say(line, process, "down", later=later)
        active = len(self.running)
        if active:
            self.say(words.draining(self.release, active, timeout), process, "down", later=4)
            if self.release.records_interrupted and not self.release.newest:
                self.say(
                    words.blocked([run.row for run in self.running if run.start <= self.now]), process, "down", later=5
                )
        go_on = self._reopen if kept else lambda: self._respawn(spawned)
        done = [False]

        def proceed(line: tuple[str, str, str] | None) -> None:
            if not done[0]:
                done[0] = True
                if line:
                    self.say(line, process, "down")
                go_on()

        if not active:
            self.of_process(self.now + 60, lambda: proceed(None))
            return
        self._wait_for_work(lambda: proceed(words.DRAINED if not self.release.newest else words.SETTLED))
        self.of_process(self.now + timeout, lambda: self._time_out(proceed))

    def _time_out(self, proceed: Callable[[tuple[str, str, str]], None]) -> None:
        if not self.running:
            return
        for run in self.running:
            if run.job.agent and self.rng.random() < 0.5 and self.release.aborts_as_ok:
                self._abort(run, self.now + self.rng.randrange(500, 3_000))
        if not self.release.aborts_as_ok:
            self._abort_all(words.RESTARTING)
        proceed(words.DRAIN_TIMEOUT if not self.release.newest else words.NEW_DRAIN_TIMEOUT)

    def _abort(self, run: Run, moment: int) -> None:
        """Cut a run short: the model's answer is thrown away, its record says ``ok`` without a word."""
        if run.ends <= moment or run.start > self.now:
            return
        run.aborted, run.fate = True, Fate.ABORTED
        run.ends, run.status, run.error, run.summary = moment, "ok", None, None
        self._plan_end(run)

    def _abort_all(self, error: str) -> None:
        for run in [run for run in self.running if run.ends > self.now]:
            run.aborted, run.fate = True, Fate.ABORTED
            run.ends, run.status, run.error, run.summary = max(self.now, run.start), "error", error, None
        for batch in {id(run.batch): run.batch for run in self.running}.values():
            self._finish_batch(batch)

    def _reopen(self) -> None:
        """An in-process restart: the same process serves anew, the runs that were not cut short go on."""
        process = self.process
        assert process is not None
        for later, line in words.stopped(self.rng, self.release, "restarting"):
            self.say(line, process, "down", later=later)
        self.say(words.IN_PROCESS, process, "down", later=210)
        process.stop_seen, process.how = True, "in_process"
        process.outcome, process.reason = "planned_restart", "SIGUSR1"

        def reopen() -> None:
            process.gone = self.now
            self._open(Process(process.pid, self.now, replaced=False, how="reopen"))
            self._serve()

        self.of_process(self.now + self.rng.randrange(215, 600), reopen)

    def _respawn(self, words_of_mode: str) -> None:
        """A full restart: a new process is started, by the old one or by the service manager."""
        process = self.process
        assert process is not None
        for later, line in words.stopped(self.rng, self.release, "restarting"):
            self.say(line, process, "down", later=later)
        mode = words_of_mode.format(pid=self._pids + 7)
        self.say(("gateway", f"restart mode: full process restart ({mode})", "INFO"), process, "gone", later=230)
        process.outcome, process.reason = "planned_restart", "SIGUSR1"

        def respawn() -> None:
            self._lose(process, stop_seen=True, how="signal" if "pid" in mode else "supervised")
            self.at(self.now + self.rng.randrange(400, 6_000), self.start)

        self.of_process(self.now + 240, respawn)

    # -- scheduler ----------------------------------------------------------------------------------------------------

    def _begin_scheduler(self) -> None:
        """Start-up of the scheduler: runs found in flight, missed jobs, then the timer."""
        process = self.process
        assert process is not None
        interrupted = self._handle_in_flight()
        missed = [job for job in self.jobs() if job.next_run is not None and job.next_run <= self.now]
        if not self.release.records_interrupted:
            missed = [job for job in missed if not (job in interrupted and job.kind == "at")]
            for job in interrupted:
                if job.kind == "at":
                    job.enabled = False
        now_run, deferred = self._sort_missed(missed)
        for job in deferred:
            job.next_run, job.deferred = self.now + DEFERRED_BY, True
        if not now_run:
            self._scheduler_started()
            return
        process.catch_up = tuple(job.id for job in now_run)
        told = {"count": len(now_run), "jobIds": [job.id for job in now_run]}
        self.say(words.MISSED, process, "missed", told)
        batch: list[Run] = []
        reserved = self.now
        for number, job in enumerate(now_run):
            begun = reserved + 2 + 7 * number + self.rng.randrange(6)
            self._begin(job, "catch_up", reserved, begun, batch)
        self.batch_open = True
        self._plan_batch(batch)

    def jobs(self) -> list[Job]:
        return [job for job in self.history.jobs if job.enabled and not job.deleted]

    def _handle_in_flight(self) -> list[Job]:
        """Name every run that the state says is under way; from 4.25 on record it as interrupted."""
        found = [job for job in self.history.jobs if job.reserved is not None and not job.deleted]
        for job in found:
            reserved = job.reserved
            assert reserved is not None
            told = {"jobId": job.id, "runningAtMs": reserved}
            line = words.INTERRUPTING if self.release.records_interrupted else words.CLEARING
            self.say(line, self.process, "marker", told)
            if self.release.store == "details":
                self._settle_in_flight(job)
            elif self.release.records_interrupted:
                self._record_interrupted(job, reserved)
            job.reserved, job.updated = None, self.now
        return found

    def _record_interrupted(self, job: Job, reserved: int) -> None:
        job.enabled = job.enabled and job.kind != "at"
        job.next_run = self._next_slot(job, reserved, reserved) if job.kind != "at" else None
        written = self.now + self.rng.randrange(4, 140)
        told = Record(job, written, reserved, self.now - reserved, "error", INTERRUPTED, next_run=job.next_run)
        self.history.records.append(told)
        job.last = told

    def _settle_in_flight(self, job: Job) -> None:
        """2026.9 settles row and receipt of a run in flight at once, even a row that is lost."""
        job.next_run = self._next_slot(job, self.now, self.now) if job.kind != "at" else None
        for row in self.history.rows:
            run = row.run
            if run and run.job is job and run.record is None and row.status in ("running", "lost"):
                told = Record(job, self.now, run.start, self.now - run.start, "error", INTERRUPTED)
                row.status, row.error, row.ended, row.last_event = "failed", INTERRUPTED, self.now, self.now
                row.cleanup, row.detail = self.now + WEEK, told
                run.record = told
                self.history.records.append(told)
                job.last = told

    def _sort_missed(self, missed: list[Job]) -> tuple[list[Job], list[Job]]:
        """Tell which missed jobs run at once and which two minutes later (5.7 and later: agent jobs)."""
        if not self.release.records_interrupted:
            return missed[:CATCH_UP_AT_MOST], []
        deferred = [job for job in missed if job.agent]
        now_run = [job for job in missed if not job.agent][:CATCH_UP_AT_MOST]
        if deferred:
            told = {"count": len(deferred), "jobIds": [job.id for job in deferred], "delayMs": DEFERRED_BY}
            self.say(words.DEFERRING, self.process, "deferred", told)
        return now_run, deferred

    def _scheduler_started(self) -> None:
        process = self.process
        assert process is not None
        if process.cron_started is None:
            process.cron_started = self.now
            jobs = self.jobs()
            wake = min((job.next_run for job in jobs if job.next_run is not None), default=None)
            self.say(words.CRON_STARTED, process, "cron", {"enabled": True, "jobs": len(jobs), "nextWakeAtMs": wake})
            self._arm()

    def _arm(self) -> None:
        """Wait for the next slot."""
        due = min((job.next_run for job in self.jobs() if job.next_run is not None), default=None)
        if due is not None and not self.batch_open:
            self.of_process(due + self.rng.randrange(1, 12), self._fire)

    def _fire(self) -> None:
        """Start all jobs that are due, as one batch; while it runs, no other is started (observed.md §A)."""
        process = self.process
        if self.batch_open or process is None or process.cron_started is None or process.gone is not None:
            return
        due = [
            job for job in self.jobs() if job.next_run is not None and job.next_run <= self.now and job.reserved is None
        ]
        if not due:
            return
        batch: list[Run] = []
        for job in due:
            self._begin(job, "deferred" if job.deferred else "timer", self.now, self.now + self._lead(), batch)
            job.deferred = False
        self.batch_open = True
        self._plan_batch(batch)

    def _lead(self) -> int:
        """How much later than its reservation a run starts: 0 to 19 ms, seconds under load, minutes in a queue."""
        drawn = self.rng.random()
        if drawn < 0.94:
            return self.rng.randrange(20)
        return self.rng.randrange(900, 9_300) if drawn < 0.99 else self.rng.randrange(MINUTE, 4 * MINUTE)

    def manual(self, job: Job) -> None:
        """An operator starts a job by hand."""
        process = self.process
        if process is None or process.ready is None or process.down is not None or self.scheduler_off:
            return
        if job.deleted or job.reserved is not None:
            return
        self._manual += 1
        batch: list[Run] = []
        run = self._begin(job, "manual", self.now, self.now, batch)
        run.manual_id = f"manual:{job.id}:{self.now - self.rng.randrange(4, 60)}:{self._manual}"
        self._plan_batch(batch)

    def _begin(self, job: Job, trigger: str, reserved: int, start: int, batch: list[Run]) -> Run:
        status, error, summary, duration = self._outcome(job)
        listed = {"manual": self.release.manual_listed, "catch_up": self.release.store != "files"}.get(trigger, True)
        assert self.process is not None
        row = Row(name_from(self.rng), "cron", job.id, f"cron:{job.id}:{start}", job.name, start, start)
        row.created += self.rng.randrange(0, 5) if self.release.heals else 0
        row.last_event = start
        run = Run(
            job, trigger, reserved, start, start + duration, status, error, summary, self.process, self.process.pid,
            listed, row, batch,
        )  # fmt: skip
        if self.release.store == "details":
            run.receipt = name_from(self.rng)
            row.run_id = f"cron:{job.id}:{start}:{run.receipt}"
        row.run = run
        batch.append(run)
        job.reserved, job.updated = reserved, reserved
        self.running.append(run)
        self.history.runs.append(run)
        self.at(start, lambda: self._listed(run))
        return run

    def _listed(self, run: Run) -> None:
        """The run has really started: its row is written, its job is on the list of running jobs."""
        if run not in self.running:
            return
        self.history.rows.append(run.row)
        self.open_rows.append(run.row)
        if run.listed:
            self.listed.add(run.job.id)
        self._plan_sweep()

    def _outcome(self, job: Job) -> tuple[str, str | None, str | None, int]:
        """Decide how a run will end: status, error, summary, and how long it takes."""
        took = max(90, int(job.usual * self.rng.lognormvariate(0, 0.6)))
        if job.timeout is not None and took >= job.timeout:
            return "error", TIMED_OUT, None, job.timeout + self.rng.randrange(3, 900)
        took = min(took, 110 * MINUTE)
        drawn = self.rng.random()
        if drawn < 0.15:
            return "error", words.ERRORS[self.rng.randrange(len(words.ERRORS))], None, took
        if drawn < 0.18 and not job.agent:
            return "skipped", None, None, took
        return "ok", None, words.SUMMARIES[self.rng.randrange(len(words.SUMMARIES))].format(job.name), took

    def _plan_batch(self, batch: list[Run]) -> None:
        for run in batch:
            self._plan_end(run)

    def _plan_end(self, run: Run) -> None:
        """A batch is over when its slowest run has ended."""
        batch = run.batch
        self.at(max(other.ends for other in batch) + self.rng.randrange(2, 30), lambda: self._finish_batch(batch))

    def _finish_batch(self, batch: list[Run]) -> None:
        if any(run.ends > self.now for run in batch) or any(run not in self.running for run in batch):
            return
        for run in batch:
            self._finish(run)
        process = self.process
        assert process is not None
        if batch[0].trigger != "manual" and batch[0].process is process:
            self.batch_open = False
            self._scheduler_started()
        self._arm()

    # -- the end of a run ---------------------------------------------------------------------------------------------

    def _finish(self, run: Run) -> None:
        job = run.job
        self.running.remove(run)
        self.listed.discard(job.id)
        run.ended = run.ends
        run.fate = Fate.ABORTED if run.aborted else _fate_of(run)
        job.reserved = None
        job.next_run = self._next_slot(job, run.start, max(run.start, self.now)) if job.kind != "at" else None
        job.enabled = job.enabled and job.kind != "at"
        job.updated = self.now
        record = self._record_of(run)
        run.record = job.last = record
        self.history.records.append(record)
        self._finish_row(run, record)

    def _record_of(self, run: Run) -> Record:
        written = self.now + self.rng.randrange(2, 30)
        record = Record(run.job, written, run.start, run.ends - run.start, run.status, run.error, run.summary, run=run)
        record.used = run.job.agent and run.status == "ok" and not run.aborted
        record.next_run = run.job.next_run
        if run.manual_id and self.release.names_manual:
            record.run_id = run.manual_id
        if run.job.agent:
            record.session = name_from(self.rng)
        return record

    def _finish_row(self, run: Run, record: Record) -> None:
        row = run.row
        if self.now < self.lossy_until and not self.release.newest:
            row.settled = True
            self.history.events += 1
            if self.warns:
                told = {"runId": row.run_id, "jobStatus": run.status, "error": words.LOCKED}
                self.say(words.NOT_UPDATED, None, "ledger", told)
            return
        if row.status != "running" and not (self.release.heals or self.release.newest):
            return
        stays = row.status == "lost" and not row.marked_outside
        row.status = words.status_of(run.status, run.error)
        row.ended = row.last_event = run.ends
        row.error = run.error or (LOST if stays and not self.release.newest else None)
        row.summary = run.summary
        row.cleanup = row.cleanup if stays else run.ends + WEEK
        row.detail = record
        row.marked_outside = False

    def _next_slot(self, job: Job, last: int, now: int) -> int:
        """Give the next slot: an ``every`` job counts from its last start while that leads on, else from its anchor."""
        if job.kind == "every" and last + job.every > now:
            return last + job.every
        return job.anchor + ((now - job.anchor) // job.every + 1) * job.every

    # -- the registry -------------------------------------------------------------------------------------------------

    def _plan_sweep(self) -> None:
        """Sweeps come every minute; only those that can find something are lived through."""
        process = self.process
        if process is None or process.ready is None:
            return
        self.open_rows = [row for row in self.open_rows if row.status == "running"]
        active = [row.last_event for row in self.open_rows if not row.settled]
        old = min((event for event in active if event is not None), default=None)
        if old is None:
            return
        due = max(old + GRACE, self.now + 1, process.sweep_phase)
        ticks = -(-(due - process.sweep_phase) // SWEEP_EVERY)
        when = process.sweep_phase + ticks * SWEEP_EVERY
        if self._sweep_due is None or self._sweep_due <= self.now or when < self._sweep_due:
            self._sweep_due = when
            self.of_process(when, self._sweep)

    def _sweep(self) -> None:
        for row in self.open_rows:
            if row.runtime == "cron" and self._may_be_marked(row):
                self._mark_or_recover(row)
        self._plan_sweep()

    def _may_be_marked(self, row: Row) -> bool:
        if row.status != "running" or row.settled or row.marked_outside or row.started is None:
            return False
        return self.now - row.started >= GRACE and row.source_id not in self.listed

    def _mark_or_recover(self, row: Row) -> None:
        if self.release.records_interrupted:
            record = self._durable(row)
            if record is not None:
                self._recover(row, record)
                return
        row.status, row.ended, row.last_event, row.error = "lost", self.now, self.now, LOST
        row.cleanup = self.now + self.release.lost_kept

    def _durable(self, row: Row) -> Record | None:
        """From 4.25 on the sweep believes a record that starts when the row does; 9.x believes the row alone."""
        if self.release.store == "details":
            return None
        exact = [told for told in self.history.records if told.job.id == row.source_id and told.start == row.started]
        return exact[-1] if exact else None

    def _recover(self, row: Row, record: Record) -> None:
        row.status = words.status_of(record.status, record.error)
        row.ended = row.last_event = record.end
        row.error, row.summary = record.error, record.summary
        row.cleanup = row.cleanup or record.end + WEEK

    def repair_and_prune(self) -> None:
        """What every sweep does with rows that are lost already: repair them (7.x), delete them in the end."""
        for row in self.history.rows:
            record = self._durable(row) if row.status == "lost" and self.release.repairs_lost else None
            if record is not None:
                self._recover(row, record)
        kept = [row for row in self.history.rows if not self._is_over(row)]
        self.history.rows[:] = kept

    def _is_over(self, row: Row) -> bool:
        return row.status == "lost" and self.now >= (row.ended or 0) + self.release.lost_kept

    def apply_outside(self) -> None:
        """An operator's ``tasks maintenance --apply``: up to 4.24 its empty list marks what runs (formats.md §2.1)."""
        if not self.release.heals:
            return
        for row in self.history.rows:
            if row.runtime == "cron" and row.status == "running" and self.now - (row.started or self.now) >= GRACE:
                row.status, row.ended, row.last_event, row.error = "lost", self.now, self.now, LOST
                row.cleanup = self.now + WEEK
                row.marked_outside = self.process is not None and not row.settled
                self.history.events += 1

    def back_up(self) -> None:
        """Copy the registry."""
        self.backup = [copied_row(row) for row in self.history.rows]

    def restore(self) -> None:
        """Put the copy of the registry back; rows that came later are gone."""
        if self.backup is None:
            return
        self.history.rows[:] = self.backup
        for row in self.backup:
            if row.run is not None:
                row.run.row = row
        self.backup = None
        self.history.events += 1


def _fate_of(run: Run) -> Fate:
    if run.error is not None and run.error.startswith(TIMED_OUT):
        return Fate.TIMED_OUT
    return {"ok": Fate.OK, "error": Fate.ERROR, "skipped": Fate.SKIPPED}[run.status]
