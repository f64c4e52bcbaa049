"""What holds for every incident, however tangled: order, independence, and that less evidence proves no more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from forensics.correlator.audit import audit
from forensics.correlator.restarts import find_restarts
from forensics.model.evidence import Evidence
from forensics.model.finding import Finding, Report
from forensics.model.policy import Policy
from forensics.model.schemas import LIFECYCLE, SOURCES, TIME, frame_of
from forensics.model.verdicts import LifecycleKind, SourceKind
from tests.support.effort import tries
from tests.support.scenario import DAY, Gateway, J, K, at, epoch_ms, evidence_of, seconds

FRAMES = ("tasks", "runs", "lifecycle", "jobs", "sources", "copies", "notices")
PROVEN = {("false_lost", "exact"), ("false_lost", "strong"), ("failed", "exact"), ("failed", "strong")}
STARTS = ("10:00", "10:00:00.005", "10:00:40", "10:09:58", "10:30")


def trying(examples: int) -> settings:
    return settings(
        max_examples=tries(examples // 2, examples), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def add_row(gateway: Gateway, number: int, job: str, start: datetime, shape: str) -> None:
    task_id = f"task {number}"
    if shape == "succeeded":
        gateway.succeeded(job, start, start + seconds(60), task_id=task_id)
    elif shape == "running":
        gateway.running(job, start, task_id=task_id)
    else:
        run_id = {"manual": f"manual:{job}:{epoch_ms(start)}:1", "nameless": None}
        named: dict[str, Any] = {"run_id": run_id[shape]} if shape in run_id else {}
        gateway.row(job, start, at("10:45"), task_id=task_id, **named)


def add_record(gateway: Gateway, job: str, start: datetime, shape: str, lasted: float) -> None:
    ended = start + seconds(lasted)
    if shape in ("ok", "skipped"):
        gateway.record(job, start, shape, duration=lasted)
    elif shape == "error":
        gateway.record(job, start, "error", error="boom", duration=lasted)
    elif shape == "bare":
        gateway.bare_ok(job, start, lasted)
    elif shape == "interrupted":
        gateway.interrupted(job, start, ended)
    elif shape == "reservation":
        gateway.interrupted(job, start - seconds(0.004), ended)
    elif shape == "startless":
        gateway.record(job, None, duration=lasted, written=ended)
    elif shape == "timeless":
        gateway.record(job, None, duration=None, written=ended)
    elif shape == "near miss":
        gateway.record(job, start + seconds(0.003), duration=lasted)
    elif shape == "state":
        gateway.last_run(job, start, duration=lasted)
    else:
        gateway.warned(job, start, ended)


def add_restart(gateway: Gateway, minute: int, shape: str) -> None:
    moment = at("10:00") + timedelta(minutes=minute)
    if shape == "crash":
        gateway.crashed(moment - seconds(20), moment)
    elif shape == "stop":
        gateway.restarted(moment, moment + seconds(3))
    elif shape == "reload":
        gateway.reloaded(moment, moment + seconds(20))
    elif shape == "clean":
        gateway.stopping(moment).line(LifecycleKind.SHUTDOWN_STARTED, moment + seconds(0.1))
        gateway.line(LifecycleKind.SHUTDOWN_COMPLETED, moment + seconds(1))
    elif shape == "unready":
        gateway.line(LifecycleKind.PROCESS_START, moment)
    else:
        gateway.stopping(moment).line(LifecycleKind.DRAIN_STARTED, moment + seconds(0.1))


RECORDS = (
    "ok", "skipped", "error", "bare", "interrupted", "reservation", "startless", "timeless", "state", "warning",
    "near miss",
)  # fmt: skip
_TANGLED = st.lists(st.sampled_from(RECORDS), max_size=2)
_SINGLE = st.sampled_from([[], ["interrupted"], *([record] for record in RECORDS), ["bare", "interrupted"]])


def runs(records: st.SearchStrategy[list[str]]) -> st.SearchStrategy[tuple[str, str, str, list[str], float, bool]]:
    """Draw a run: its job, its start, the shape of its row, its records, how long it lasted, whether it was marked."""
    return st.tuples(
        st.sampled_from([J, K]),
        st.sampled_from(STARTS),
        st.sampled_from(["lost", "lost", "lost", "manual", "nameless", "succeeded", "running"]),
        records,
        st.sampled_from([0.01, 30, 320, 630, 1260]),
        st.booleans(),
    )


RESTART = st.tuples(
    st.sampled_from([5, 10, 20, 40]), st.sampled_from(["crash", "stop", "reload", "clean", "unready", "silent"])
)


@st.composite
def gateways(draw: st.DrawFn, name: str = "gateway", *, tangled: bool = True) -> Gateway:
    """Draw one gateway with a few runs, records of all shapes, restarts, and gaps in what was handed over.

    Tangled, several rows may share a start and several records one run.
    """
    several = st.lists(runs(_TANGLED), min_size=1, max_size=4)
    apart = st.lists(runs(_SINGLE), min_size=1, max_size=4, unique_by=lambda run: run[:2])
    gateway = Gateway(name)
    if draw(st.integers(0, 5)):
        gateway.logged(at("09:00"), at(draw(st.sampled_from(["10:06", "12:30", "23:00"])))).started(at("09:00"))
        for minute, shape in draw(st.lists(RESTART, max_size=3, unique_by=lambda restart: restart[0])):
            add_restart(gateway, minute, shape)
    for number, (job, clock, row, records, lasted, marked) in enumerate(draw(several if tangled else apart)):
        start = at(clock)
        add_row(gateway, number, job, start, row)
        for shape in records:
            add_record(gateway, job, start, shape, lasted)
        if marked:
            gateway.marker(job, start - seconds(0.004), at("10:10:12"))
    gateway.copied(at(draw(st.sampled_from(["10:12", "12:31", "22:00"]))))
    if draw(st.booleans()):
        gateway.job(J, timeout=draw(st.sampled_from([None, 600])), schedule_kind="every", every_ms=3_600_000)
    flaw = draw(st.sampled_from(["", "", "", "absent", "damaged", "long"]))
    if flaw == "absent":
        gateway.without_run_logs()
    elif flaw == "damaged":
        gateway.run_log(J, rejected=1)
    elif flaw == "long":
        gateway.run_log(J, lines=2000)
    return gateway


def judged(report: Report, gateway: str = "gateway") -> dict[str, Finding]:
    return {finding.task_id: finding for finding in report.findings if finding.gateway == gateway}


def answers(report: Report) -> dict[tuple[str, str], tuple[object, ...]]:
    """Give all that was said of each row but where it stands."""
    return {
        (f.gateway, f.task_id): (f.verdict, f.cause, f.confidence, f.reasons, f.restart, f.correction)
        for f in report.findings
    }


@trying(12)
@given(gateways(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_of_any_frame_changes_nothing(gateway: Gateway, source: random.Random) -> None:
    evidence = evidence_of(gateway)
    shuffled = {
        name: getattr(evidence, name).sample(fraction=1, shuffle=True, seed=source.getrandbits(32)) for name in FRAMES
    }
    one, other = audit(evidence), audit(replace(evidence, **shuffled))
    assert (one.findings, one.restarts, one.summary) == (other.findings, other.restarts, other.summary)


@trying(12)
@given(gateways(), gateways("other"))
def test_another_gateway_changes_nothing(gateway: Gateway, other: Gateway) -> None:
    alone, together = audit(evidence_of(gateway)), audit(evidence_of(gateway, other))
    assert judged(alone) == judged(together)
    assert alone.restarts == tuple(window for window in together.restarts if window.gateway == "gateway")


@trying(12)
@given(gateways())
def test_a_job_of_an_earlier_day_changes_nothing(gateway: Gateway) -> None:
    alone = answers(audit(evidence_of(gateway)))
    start = at("03:00", day=-1)
    gateway.row("unrelated", start, at("04:00", day=-1), task_id="unrelated", run_id="manual:unrelated:1:1")
    with_it = answers(audit(evidence_of(gateway)))
    assert with_it.pop(("gateway", "unrelated"))
    assert with_it == alone


def with_less(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Give the evidence with one piece left out, each in turn."""
    for frame in ("runs", "lifecycle"):
        rows = getattr(evidence, frame).with_row_index("number")
        for number in range(rows.height):
            kept = rows.filter(pl.col("number") != number).drop("number")
            yield f"{frame} {number}", replace(evidence, **{frame: kept})
    for source, kind in evidence.sources.select("id", "kind").iter_rows():
        if kind in (SourceKind.CRON_RUN_LOG, SourceKind.GATEWAY_LOG):
            yield (
                f"source {source}",
                replace(
                    evidence,
                    runs=evidence.runs.filter(pl.col("source") != source),
                    lifecycle=evidence.lifecycle.filter(pl.col("source") != source),
                    sources=evidence.sources.filter(pl.col("id") != source),
                ),
            )


def is_contradictory(finding: Finding) -> bool:
    """Tell whether two pieces of evidence stand against each other; without one of them the other is free to speak.

    So it is with a single line that tells of a restart at the end of a run: taken out of its log, nothing tells of it,
    and an ok without a word counts again.
    """
    wordless = finding.confidence == "weak" and not {"job_state", "ledger_warning"}.isdisjoint(finding.reasons)
    return wordless or not {"conflict", "ambiguous_rows", "maybe_aborted"}.isdisjoint(finding.reasons)


@trying(12)
@given(gateways(tangled=False), st.data())
def test_less_evidence_never_proves_that_a_row_was_marked_wrongly(gateway: Gateway, data: st.DataObject) -> None:
    """A piece that stands against another, or beside a second record of the run, is evidence against it; not here."""
    evidence = evidence_of(gateway)
    whole = audit(evidence)
    # a log of another clock orders nothing, unless the line that tells so is taken away
    assume("clock_off" not in whole.notices["code"].to_list())
    before = judged(whole)
    pieces = dict(with_less(evidence))
    for what in data.draw(st.permutations(list(pieces)))[:3]:
        for task_id, after in judged(audit(pieces[what])).items():
            if (after.verdict, after.confidence) in PROVEN and not is_contradictory(before[task_id]):
                assert (before[task_id].verdict, before[task_id].confidence) in PROVEN, what


def has_own_record(evidence: Evidence, finding: Finding) -> bool:
    """Tell, by the definition alone, whether a record of exactly this run is in the evidence."""
    runs = evidence.runs.filter((pl.col("gateway") == finding.gateway) & (pl.col("job_id") == finding.job_id))
    for run_id, started_at, finished_at, duration_ms in runs.select(
        "run_id", "started_at", "finished_at", "duration_ms"
    ).iter_rows():
        derived = finished_at and duration_ms is not None and finished_at - timedelta(milliseconds=duration_ms)
        if started_at == finding.started_at or (run_id is not None and run_id == finding.run_id):
            return True
        if started_at is None and derived and abs(derived - finding.started_at) <= timedelta(seconds=1):
            return True
    warned = f"cron:{finding.job_id}:{epoch_ms(finding.started_at)}" if finding.started_at else ""
    return warned in evidence.lifecycle["run_id"].to_list()


@trying(40)
@given(gateways())
def test_no_row_is_firmly_called_ended_without_a_record_of_exactly_its_run(gateway: Gateway) -> None:
    evidence = evidence_of(gateway)
    report = audit(evidence)
    redeemed: list[tuple[str, int | None, int | None]] = []
    for finding in report.findings:
        if (finding.verdict, finding.confidence) in PROVEN:
            assert has_own_record(evidence, finding)
        if finding.run is not None:
            assert finding.verdict != "unexplained"
            if finding.verdict != "undetermined":
                redeemed.append((finding.run.role, finding.run.source, finding.run.line))
        assert (finding.confidence is None) == (finding.verdict in ("unexplained", "undetermined", "not_applicable"))
        assert finding.reasons
    # a stand-in may have a lost row of its own, which its record redeems as well
    assert len(set(redeemed)) == len(redeemed)


_LINES = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(list(LifecycleKind)),
        st.sampled_from([0, 1, 2]),
        st.sampled_from("AB"),
        st.sampled_from([None, 7, 5011, 5012]),
        st.sampled_from([1, 1, 1000]),
        st.sampled_from([None, "clean_stop", "planned_restart", "startup_failed", "safe_mode_stable"]),
    ),
    max_size=25,
)


def frame_of_lines(lines: list[tuple[Any, ...]]) -> pl.DataFrame:
    return frame_of(
        [
            {"gateway": "g", "source": source, "line": number, "at": DAY + seconds(second), "kind": kind.value,
             "signal": f"SIG{signal}", "raw": kind.value, "detail": kind.value, "pid": pid, "status": outcome,
             "precision_ms": precision}
            for number, (second, kind, source, signal, pid, precision, outcome) in enumerate(lines)
        ],
        LIFECYCLE,
    )  # fmt: skip


def log_sources(first: int, last: int) -> pl.DataFrame:
    """Give three sources: a log of this span, durable records, and a log of an assumed zone."""
    span = {"first_at": DAY + seconds(first), "last_at": DAY + seconds(max(first, last)), "gateway": "g"}
    log = {"id": 0, "kind": SourceKind.GATEWAY_LOG.value} | span
    return frame_of([log, log | {"id": 2, "zone_is_assumed": True}], SOURCES)


@trying(400)
@given(_LINES, st.lists(st.integers(0, 400), max_size=5), st.integers(0, 400), st.integers(0, 400))
def test_windows_are_in_order_within_themselves_and_among_each_other(
    lines: list[tuple[Any, ...]], activity: list[int], first: int, last: int
) -> None:
    alive = pl.DataFrame(
        {"gateway": ["g"] * len(activity), "at": [DAY + seconds(second) for second in activity]},
        schema={"gateway": pl.String, "at": TIME},
    )
    windows, cited = find_restarts(frame_of_lines(lines), alive, Policy(), log_sources(first, last))
    moments: list[datetime] = []
    for window in windows.iter_rows(named=True):
        own = [window[name] for name in ("down_at", "down_at_latest", "up_at", "ready_at") if window[name]]
        assert own == sorted(own)
        moments += own
        if window["doubt"] is not None:
            assert (window["process"], window["gone"], window["serving_at"]) == ("unknown", False, window["ready_at"])
    assert moments == sorted(moments)
    assert windows["id"].to_list() == [f"R{number}" for number in range(1, windows.height + 1)]
    assert set(cited["id"]) == set(windows["id"])


@trying(100)
@given(_LINES, st.randoms(use_true_random=False))
def test_windows_do_not_depend_on_the_order_of_lines(lines: list[tuple[Any, ...]], source: random.Random) -> None:
    told = frame_of_lines(lines)
    shuffled = told.sample(fraction=1, shuffle=True, seed=source.getrandbits(32))
    sources = log_sources(0, 200)
    one, other = (find_restarts(frame, NO_RUNS, Policy(), sources) for frame in (told, shuffled))
    assert one[0].equals(other[0])
    assert one[1].equals(other[1])


NO_RUNS = pl.DataFrame(schema={"gateway": pl.String, "at": TIME})
HISTORY = st.lists(
    st.tuples(st.integers(3, 200), st.sampled_from(["crash", "stop", "reload"]), st.integers(0, 20), st.booleans()),
    min_size=1,
    max_size=6,
)
BOUNDS = ["id", "kind", "down_at", "down_at_latest", "drain_at", "up_at", "ready_at", "cron_started_at"]


def told_twice(history: list[tuple[int, str, int, bool]], *, container: bool) -> Gateway:
    """Tell a history of restarts by a log and by a boot table that agree."""
    gateway = Gateway().logged(DAY, DAY + timedelta(days=2)).started(DAY + seconds(60))
    pid, moment, boot = 7 if container else 5000, DAY + seconds(60), DAY + seconds(61)
    for minutes, shape, late, clean in history:
        moment += timedelta(minutes=minutes)
        up = moment + seconds(10 + late)
        if shape == "crash":
            gateway.crashed(moment, up).boot(boot, pid)
        elif shape == "stop":
            outcome = "clean_stop" if clean else "forced_stop"
            gateway.restarted(moment, up).boot(boot, pid, moment + seconds(2 + late / 4), outcome, "stop (SIGTERM)")
        else:
            gateway.reloaded(moment, up).boot(boot, pid, up - seconds(0.3), "planned_restart", "SIGUSR1")
        boot = up - seconds(0.2) if shape == "reload" else up + seconds(1 + late / 4)
        pid += 0 if container or shape == "reload" else 1
    return gateway.boot(boot, pid)


@trying(60)
@given(HISTORY, st.booleans())
def test_boots_that_agree_with_the_log_add_evidence_and_nothing_else(
    history: list[tuple[int, str, int, bool]], container: bool
) -> None:
    evidence = evidence_of(told_twice(history, container=container))
    of_log = evidence.sources.filter(pl.col("kind") == SourceKind.GATEWAY_LOG)
    log = evidence.lifecycle.filter(pl.col("source").is_in(of_log["id"].implode()))
    together, cited = find_restarts(evidence.lifecycle, NO_RUNS, Policy(), evidence.sources)
    alone, cited_alone = find_restarts(log, NO_RUNS, Policy(), of_log)
    assert together.select(*BOUNDS, "process", "gone").equals(alone.select(*BOUNDS, "process", "gone"))
    assert together["doubt"].null_count() == together.height
    assert cited.height == cited_alone.height + evidence.lifecycle.height - log.height


@trying(60)
@given(HISTORY, st.booleans(), st.lists(st.integers(60, 80_000), max_size=8))
def test_boots_alone_never_tell_of_a_death_that_the_log_contradicts(
    history: list[tuple[int, str, int, bool]], container: bool, starts: list[int]
) -> None:
    gateway = told_twice(history, container=container)
    for number, start in enumerate(starts):
        moment = DAY + seconds(start)
        gateway.row(J, moment, moment + timedelta(minutes=7), task_id=f"task {number}", run_id=None).run_log(J)
    evidence = evidence_of(gateway.copied(DAY + timedelta(days=2)))
    log = evidence.sources.filter(pl.col("kind") == SourceKind.GATEWAY_LOG)["id"].implode()
    without = replace(
        evidence,
        lifecycle=evidence.lifecycle.filter(~pl.col("source").is_in(log)),
        sources=evidence.sources.filter(~pl.col("id").is_in(log)),
    )
    whole = audit(evidence)
    # no process runs a job in the second in which it starts
    ups = [restart.up_at for restart in whole.restarts if restart.up_at is not None]
    assume(all(abs(DAY + seconds(start) - up) > seconds(2) for start in starts for up in ups))
    told, by_boots = judged(whole), judged(audit(without))
    for task_id, finding in by_boots.items():
        if finding.verdict in ("interrupted", "replayed"):
            assert told[task_id].verdict in ("interrupted", "replayed")
