"""What happens to a simulated gateway: restarts, crashes, lost writes, and what only looks like one of them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping

from tests.corpus import put_state, words
from tests.corpus.life import Life
from tests.corpus.world import DAY, HOUR, MINUTE, RELEASES, SECOND, Job, Release, name_from

Knobs = Mapping[str, object]

EVENTS = (
    "sigterm", "sigterm", "kill", "kill", "full", "in_process", "in_process", "manual", "manual", "lost_write",
    "lost_write", "power", "restore", "apply", "ignored", "storm", "crash_loop", "cron_off", "delete_job",
    "second_start", "twice", "twice", "rename", "recreate",
)  # fmt: skip
"""Each may come up more than once, as often as it is named."""


def lived(rng: random.Random, knobs: Knobs) -> Life:
    """Let a gateway live as its knobs say, until it is copied."""
    final = RELEASES[str(knobs["release"])]
    first = RELEASES[str(knobs["upgraded_from"])] if knobs["upgraded_from"] else final
    began = 1_776_000_000_000 + rng.randrange(200) * DAY + rng.randrange(DAY)
    jobs = [_job(rng, began, number) for number in range(count(knobs, "jobs"))]
    life = Life(rng, first, jobs, began)
    life.start()
    span = count(knobs, "hours") * HOUR
    moments = sorted(began + 20 * MINUTE + rng.randrange(span - HOUR) for _ in range(count(knobs, "events")))
    for moment in moments:
        life.run(moment)
        _event(life, rng, rng.choice(EVENTS))
    if first is not final:
        _upgrade(life, final, began + span)
    if knobs["ending"] != "alive":
        _end(life, str(knobs["ending"]))
    rest = 4 * HOUR if knobs["copied"] == "later" else rng.randrange(7 * MINUTE, 80 * MINUTE)
    life.run(max(life.now, began + span) + rest)
    if life.process is not None and life.process.ready is not None:
        life.repair_and_prune()
    return life


def _end(life: Life, how: str) -> None:
    """Let the gateway go down for good."""
    life.run(life.now + 4 * MINUTE)
    life.history.events += 1
    if how == "killed":
        life.kill()
    else:
        life.stop()


def count(knobs: Knobs, name: str) -> int:
    """Give the knob of a number."""
    value = knobs[name]
    assert isinstance(value, int)
    return value


def _job(rng: random.Random, began: int, number: int) -> Job:
    ident = (name_from(rng), f"crawler-knowledge-{number:03d}", f"team:reports:{number}")[rng.choice((0, 0, 0, 1, 2))]
    kind = rng.choice(("every", "every", "cron", "cron", "at"))
    every = {"every": rng.choice((10, 30, 60, 180)) * MINUTE, "cron": rng.choice((HOUR, DAY)), "at": 0}[kind]
    anchor = (began - 3 * DAY) // MINUTE * MINUTE + rng.randrange(60 * 24) * MINUTE
    if kind == "every":
        anchor += rng.randrange(MINUTE)
    if kind == "at":
        anchor = (began + rng.randrange(10 * HOUR)) // MINUTE * MINUTE
    agent = rng.random() < 0.8
    usual = rng.choice((40 * SECOND, 3 * MINUTE, 8 * MINUTE, 20 * MINUTE, 40 * MINUTE)) if agent else 400
    timeout = rng.choice((None, None, 10 * MINUTE, 30 * MINUTE, HOUR)) if agent else None
    job = Job(ident, f"job {number}", kind, every, anchor, "UTC", agent, timeout, usual)
    job.zone = rng.choice(tuple(put_state.ZONES))
    job.next_run = anchor if kind == "at" else anchor + ((began - anchor) // every + 1) * every
    return job


def _upgrade(life: Life, final: Release, moment: int) -> None:
    """Stop when all is idle, and start the new release over the old state."""
    life.run(moment)
    for _ in range(40):
        if not life.running and (life.process is None or life.process.down is None):
            break
        life.run(life.now + 7 * MINUTE)
    if life.process is None:
        life.run(life.now + HOUR)
    life.stop()
    life.run(life.now + MINUTE)
    if life.process is None:
        life.scheduler_off = False
        life.start(final)
        life.run(life.now + MINUTE)


def _event(life: Life, rng: random.Random, kind: str) -> None:
    """Let one thing happen that can make rows lost, or that only looks like it."""
    if life.process is None or life.process.ready is None:
        return
    _EVENTS[kind](life, rng)


def _some_time(rng: random.Random) -> int:
    return rng.choice((6, 6, 9, 20, 40, 120, 240, 720, 4_200)) * SECOND


def _start_later(life: Life, rng: random.Random, after: int) -> None:
    def start() -> None:
        if life.process is None:
            life.start()
        elif life.process.down is not None:
            life.at(life.now + 10 * SECOND, start)

    life.at(life.now + after + rng.randrange(3_000), start)


def _sigterm(life: Life, rng: random.Random) -> None:
    life.history.events += 1
    life.stop(rng.choice(("SIGTERM", "SIGTERM", "SIGINT")))
    _start_later(life, rng, _some_time(rng))


def _kill(life: Life, rng: random.Random) -> None:
    life.history.events += 1
    life.kill()
    _start_later(life, rng, _some_time(rng))


def _power(life: Life, rng: random.Random) -> None:
    life.history.events += 1
    life.lose_power()
    _start_later(life, rng, MINUTE + _some_time(rng))


def _restart(life: Life, rng: random.Random, *, kept: bool) -> None:
    life.history.events += 1
    spawned = rng.choice(("spawned pid {pid}", "supervisor restart"))
    life.restart(kept=kept, timeout=rng.choice((8 * SECOND, 90 * SECOND, 300 * SECOND)), spawned=spawned)


def _twice(life: Life, rng: random.Random) -> None:
    """A restart that is put off: the signal is seen twice, and only the second one is acted on."""
    life.say(("gateway", f"signal {'SIGUSR2' if life.release.newest else 'SIGUSR1'} received", "INFO"))
    kept = rng.random() < 0.6
    life.run(life.now + rng.choice((2, 8, 300)) * SECOND)
    if life.process is not None and life.process.ready is not None:
        _restart(life, rng, kept=kept)


def _rename(life: Life, rng: random.Random) -> None:
    job = rng.choice(life.history.jobs)
    job.name, job.updated = f"{job.name} (renamed)", life.now


def _recreate(life: Life, rng: random.Random) -> None:
    """Remove a job that rests, and make one like it under another id."""
    jobs = [job for job in life.jobs() if job.reserved is None]
    if jobs:
        job = rng.choice(jobs)
        job.deleted = True
        made = copy.copy(job)
        made.id, made.deleted, made.last, made.updated = name_from(rng), False, None, life.now
        life.history.jobs.append(made)


def _manual(life: Life, rng: random.Random) -> None:
    jobs = [job for job in life.jobs() if job.agent and job.reserved is None]
    if jobs:
        life.history.events += 1
        life.manual(rng.choice(jobs))


def _lost_write(life: Life, rng: random.Random) -> None:
    life.lossy_until = life.now + rng.choice((2 * MINUTE, 40 * MINUTE, 2 * HOUR))
    life.warns = rng.random() < 0.6


def _restore(life: Life, rng: random.Random) -> None:
    life.back_up()
    life.run(life.now + rng.randrange(5 * MINUTE, HOUR))
    if life.process is None or life.process.down is not None:
        return
    life.history.events += 1
    life.stop()
    life.run(life.now + 6 * MINUTE)
    if life.process is None:
        life.restore()
        life.start()


def _apply(life: Life, rng: random.Random) -> None:
    life.run(life.now + rng.randrange(10 * MINUTE))
    life.apply_outside()


def _ignored(life: Life, rng: random.Random) -> None:
    life.say(rng.choice((words.IGNORED, words.DEFERRED)))


def _storm(life: Life, rng: random.Random) -> None:
    for _ in range(rng.randrange(3, 9)):
        _restart(life, rng, kept=rng.random() < 0.7)
        life.run(life.now + 5 * MINUTE)


def _crash_loop(life: Life, rng: random.Random) -> None:
    life.kill()
    life.history.events += 1
    for _ in range(rng.randrange(2, 5)):
        life.run(life.now + 5 * SECOND)
        life.start()
        life.run(life.now + rng.randrange(300, 850))
        life.kill()
    _start_later(life, rng, 6 * SECOND)


def _cron_off(life: Life, rng: random.Random) -> None:
    """Killed, started with the scheduler off, and some time later as usual."""
    life.history.events += 1
    life.kill()
    life.scheduler_off = True
    life.run(life.now + 30 * SECOND)
    life.start()
    life.run(life.now + rng.randrange(10 * MINUTE, 3 * HOUR))
    if life.process is not None and life.process.ready is not None:
        life.stop()
        life.run(life.now + 6 * MINUTE)
    life.scheduler_off = False
    if life.process is None:
        life.start()


def _delete_job(life: Life, rng: random.Random) -> None:
    """Remove a job that runs, and kill the process before it ends."""
    jobs = [run.job for run in life.running]
    if jobs and not life.release.newest:
        job = rng.choice(jobs)
        job.deleted = True
        _kill(life, rng)


def _second_start(life: Life, rng: random.Random) -> None:
    """Another process tries to start, and finds the first one there."""
    assert life.process is not None
    pid = life.process.pid + 3
    for later, line in words.starting(rng, life.release):
        life.say(line, later=later, pid=pid)
    refused = f"Gateway failed to start: gateway already running (pid {life.process.pid}); lock timeout after 5000ms"
    life.say(("", refused, "ERROR"), later=5_600, pid=pid)


_EVENTS: dict[str, Callable[[Life, random.Random], None]] = {
    "sigterm": _sigterm,
    "kill": _kill,
    "power": _power,
    "full": lambda life, rng: _restart(life, rng, kept=False),
    "in_process": lambda life, rng: _restart(life, rng, kept=True),
    "manual": _manual,
    "lost_write": _lost_write,
    "restore": _restore,
    "apply": _apply,
    "ignored": _ignored,
    "storm": _storm,
    "crash_loop": _crash_loop,
    "cron_off": _cron_off,
    "delete_job": _delete_job,
    "second_start": _second_start,
    "twice": _twice,
    "rename": _rename,
    "recreate": _recreate,
}
