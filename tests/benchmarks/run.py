"""Speed and memory, as ratios against DuckDB in the same run: machines differ, ratios hardly.

    pip install '.[bench]'
    python -m tests.benchmarks.run log --size-mb 1000
    python -m tests.benchmarks.run correlate --rows 1000000
    python -m tests.benchmarks.run timeline --rows 125000
    python -m tests.benchmarks.run crowd --rows 5000

``log`` reads one gateway log, lifecycle lines and ledger and all, against DuckDB filtering the same file by its
message. ``correlate`` judges lost rows against run records, against DuckDB joining the same tables on job and start.
``timeline`` writes the timeline of so many rows (six facts each) in all its formats, against DuckDB copying the same
facts into CSV and JSON lines. ``crowd`` judges rows of one run id, each with a record that says something else, and
twice as many, against DuckDB's join of them, which makes all pairs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from forensics.cli.writing import write_whole
from forensics.correlator.audit import as_findings, audit, correlated
from forensics.correlator.timeline import timeline
from forensics.model.evidence import Evidence
from forensics.model.finding import Report
from forensics.model.policy import Policy
from forensics.model.schemas import (
    COPIES,
    HISTORIES,
    JOBS,
    LIFECYCLE,
    NOTICES,
    RUNS,
    SOURCES,
    TASKS,
    Schema,
    empty,
    frame_of,
)
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.writers.json import timeline_json_parts
from forensics.writers.lnav import lnav_parts
from forensics.writers.timeline import timeline_parts
from forensics.writers.timesketch import timesketch_csv_parts, timesketch_jsonl_parts

START = datetime(2026, 4, 17, tzinfo=UTC)
Parts = Callable[[Report, pl.DataFrame], Iterator[str]]
WRITERS: dict[str, Parts] = {
    "text": timeline_parts,
    "json": timeline_json_parts,
    "timesketch-jsonl": timesketch_jsonl_parts,
    "timesketch-csv": timesketch_csv_parts,
    "lnav": lnav_parts,
}
CHATTER = (
    ({"subsystem": "gateway/ws"}, "⇄ res ✓ cron.list 12ms conn=c148e4ac…dcec id=9b04cc69…5621"),
    ({"subsystem": "agent/embedded"}, "[trace:embedded-run] startup stages: runId=0ae65e59 phase=attempt"),
    ({"subsystem": "diagnostic"}, "stalled session: sessionId=c71c037a sessionKey=agent:main:cron:ae374430"),
    ({"module": "cron", "storePath": "/home/claw/.openclaw/cron/jobs.json"}, "cron: job updated"),
)
RESTART = (
    "signal SIGTERM received",
    "received SIGTERM; shutting down",
    "loading configuration…",
    "ready (0 plugins, 3.1s)",
)


def record(at: datetime, binding: dict[str, str], text: str) -> bytes:
    """Give one line of a file log as the gateway writes it."""
    bound = json.dumps(binding, separators=(",", ":"))
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}"
    path = {"fullFilePath": "file:///usr/lib/node_modules/openclaw/dist/subsystem.js:324:14", "fileLine": "324"}
    meta = {"runtime": "node", "hostname": "unknown", "name": bound, "date": stamp + "Z", "logLevelId": 3, "path": path}
    line = {"0": bound, "1": text, "_meta": meta, "time": stamp + "+00:00"}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write_log(path: Path, size_mb: int) -> None:
    """Write a log of ordinary traffic with a restart every twenty thousand lines."""
    ordinary = [record(START + timedelta(milliseconds=n), *CHATTER[n % len(CHATTER)]) for n in range(20_000)]
    gateway = {"subsystem": "gateway"}
    restart = [record(START + timedelta(seconds=21 + n), gateway, text) for n, text in enumerate(RESTART)]
    block = b"".join(ordinary + restart)
    with path.open("wb") as log:
        while log.tell() < size_mb * 1_000_000:
            log.write(block)


def timed(work: Callable[[], object], times: int = 3) -> float:
    """Give the best of some runs in seconds."""
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def filtered_by_duckdb(path: Path) -> object:
    """Filter the log by its message, as a user of DuckDB would."""
    columns = "{'0': 'VARCHAR', '1': 'VARCHAR', '2': 'VARCHAR', 'time': 'VARCHAR'}"
    source = f"read_json('{path}', columns={columns}, format='newline_delimited', ignore_errors=true)"
    wanted = """ "1" LIKE 'signal %' OR "1" LIKE 'received %' OR "1" LIKE 'loading %' OR "1" LIKE 'ready (%' """
    return duckdb.connect().execute(f"""SELECT * FROM {source} WHERE {wanted} OR "2" LIKE 'cron: %'""").fetchall()


def memory_mb_of(path: Path) -> float:
    """Give the peak memory of a process that reads the log, without the log itself, which is mapped."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_mb, (path,))


def _peak_mb(path: Path) -> float:
    parse_gateway_log(path)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mapped = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")]
    return peak_mb - min(path.stat().st_size / 1e6, float(mapped[0].split()[1]) / 1024)


def bench_log(size_mb: int) -> None:
    """Compare reading one log with DuckDB's filter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.log"
        write_log(path, size_mb)
        ours, theirs = timed(lambda: parse_gateway_log(path)), timed(lambda: filtered_by_duckdb(path))
        written_mb = round(path.stat().st_size / 1e6)
        told = f"log of {written_mb} MB: forensics {ours:.2f} s, DuckDB {duckdb.__version__} {theirs:.2f} s"
        print(f"{told}, ratio {ours / theirs:.1f}; peak memory beside the file {memory_mb_of(path):.0f} MB")


def synthetic(rows: int) -> Evidence:
    """Give lost rows and run records of a thousand jobs; half of the rows have a record of their own."""
    rng = random.Random(1)
    starts = [START + timedelta(seconds=n * 2, milliseconds=rng.randrange(900)) for n in range(rows)]
    tasks = pl.DataFrame(
        {"task_id": [f"t{n}" for n in range(rows)], "job_id": [f"job-{n % 1000}" for n in range(rows)], "at": starts},
        schema_overrides={"at": TASKS["started_at"]},
    )
    told = {"gateway": "g", "runtime": "cron", "status": "lost", "registry": "store", "projected": False}
    tasks = tasks.rename({"at": "started_at"}).with_columns(
        *(pl.lit(value).alias(name) for name, value in told.items()),
        pl.lit(0, pl.UInt32).alias("source"),
        pl.int_range(pl.len()).alias("line"),
        (pl.col("started_at") + timedelta(minutes=6)).alias("ended_at"),
        pl.lit("backing session missing").alias("error"),
    )
    shift = pl.when(pl.col("line") % 2 == 0).then(timedelta(0)).otherwise(timedelta(minutes=20))
    run_start = pl.col("started_at") + shift
    runs = tasks.select(
        "gateway",
        pl.lit(1, pl.UInt32).alias("source"),
        "line",
        "job_id",
        run_start.alias("started_at"),
        (run_start + timedelta(minutes=9)).alias("finished_at"),
        pl.lit(540_000, pl.Int64).alias("duration_ms"),
        pl.lit("ok").alias("status"),
        pl.lit("done").alias("summary"),
        pl.lit(value=True).alias("has_usage"),
        pl.lit("run_log").alias("origin"),
    )
    registry = {"id": 0, "path": "a", "kind": "task_registry", "gateway": "g", "copy": "c", "last_at": starts[-1]}
    run_log = {"id": 1, "path": "b", "kind": "cron_run_log", "gateway": "g", "copy": "c", "last_at": starts[-1]}
    copy = {"gateway": "g", "copy": "c", "has_run_logs": True, "has_job_store": True}
    return Evidence(
        tasks=_completed(tasks, TASKS),
        runs=_completed(runs, RUNS),
        lifecycle=empty(LIFECYCLE),
        jobs=empty(JOBS),
        sources=frame_of([registry, run_log], SOURCES),
        copies=frame_of([copy], COPIES),
        histories=empty(HISTORIES),
        notices=empty(NOTICES),
        files={},
    )


def _completed(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    missing = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(missing).select(list(schema))


def bench_correlate(rows: int) -> None:
    """Compare judging rows with DuckDB's join of rows and records."""
    evidence = synthetic(rows)
    database = duckdb.connect()
    database.register("tasks", evidence.tasks.to_arrow())
    database.register("runs", evidence.runs.to_arrow())
    join = "SELECT t.task_id, r.status FROM tasks t LEFT JOIN runs r USING (job_id, started_at)"
    ours, theirs = (
        timed(partial(_judge, evidence)),
        timed(lambda: database.execute(join).fetchall()),
    )
    told = f"{rows} rows against {rows} records: forensics {ours:.2f} s, DuckDB's bare join {theirs:.2f} s"
    print(f"{told}, ratio {ours / theirs:.1f}")


def crowded(rows: int) -> Evidence:
    """Give lost rows that all bear one run id and start, each with a record of its own of that run."""
    evidence = synthetic(rows)
    one = [pl.lit("job-0").alias("job_id"), pl.lit(START).cast(TASKS["started_at"]).alias("started_at")]
    run_id = pl.lit(f"cron:job-0:{int(START.timestamp() * 1000)}").alias("run_id")
    longer = pl.col("duration_ms") + pl.col("line")
    return replace(
        evidence,
        tasks=evidence.tasks.with_columns(*one, run_id),
        runs=evidence.runs.with_columns(*one, run_id, longer.alias("duration_ms")),
    )


def _judge(evidence: Evidence) -> object:
    return as_findings(correlated(evidence, Policy()).rows)


def bench_crowd(rows: int) -> None:
    """Compare judging a crowd of rows that claim one run with twice as many of them, and with DuckDB's join."""
    evidence, doubled = crowded(rows), crowded(2 * rows)
    database = duckdb.connect()
    database.register("tasks", evidence.tasks.to_arrow())
    database.register("runs", evidence.runs.to_arrow())
    join = "SELECT count(t.task_id), max(r.duration_ms) FROM tasks t JOIN runs r USING (job_id, started_at)"
    theirs = timed(lambda: database.execute(join).fetchall())
    ours, twice = (timed(partial(_judge, each)) for each in (evidence, doubled))
    told = f"{rows} rows and records of one run: forensics {ours:.2f} s, of {2 * rows} {twice:.2f} s"
    print(f"{told}; DuckDB's join of all with all {theirs:.2f} s, ratio {ours / theirs:.1f}")


def bench_timeline(rows: int) -> None:
    """Compare writing the timeline with DuckDB's copy of the same facts."""
    evidence = synthetic(rows)
    report = audit(evidence)
    facts = timeline(evidence, report)
    with tempfile.TemporaryDirectory() as folder:
        database = duckdb.connect()
        database.register("facts", facts.to_arrow())
        theirs = {
            form: timed(partial(database.execute, f"COPY facts TO '{folder}/theirs' (FORMAT {form})"), 1)
            for form in ("csv", "json")
        }
        print(
            f"{facts.height} facts: DuckDB {duckdb.__version__}, CSV {theirs['csv']:.2f} s, JSON {theirs['json']:.2f} s"
        )
        for name, parts in WRITERS.items():
            path = Path(folder) / "ours"
            ours = timed(partial(_write, path, parts, report, facts), 1)
            against = theirs["csv" if name in ("text", "timesketch-csv") else "json"]
            size_mb = path.stat().st_size / 1e6
            print(
                f"  {name}: {ours:.2f} s, {size_mb:.0f} MB, ratio {ours / against:.1f}; peak memory {peak_mb():.0f} MB"
            )


def _write(path: Path, parts: Parts, report: Report, facts: pl.DataFrame) -> None:
    write_whole(path, parts(report, facts))


def peak_mb() -> float:
    """Give the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


BENCHMARKS = {"log": bench_log, "correlate": bench_correlate, "timeline": bench_timeline, "crowd": bench_crowd}


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(BENCHMARKS))
    parser.add_argument("--size-mb", type=int, default=300)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    BENCHMARKS[options.what](options.size_mb if options.what == "log" else options.rows)


if __name__ == "__main__":
    main()
