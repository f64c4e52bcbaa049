"""Speed and memory, as ratios against DuckDB in the same run: machines differ, ratios hardly.

    pip install '.[bench]'
    python -m tests.benchmarks.run log --size-mb 1000
    python -m tests.benchmarks.run correlate --rows 1000000

``log`` reads one gateway log, lifecycle lines and ledger and all, against DuckDB filtering the same file by its
message. ``correlate`` judges lost rows against run records, against DuckDB joining the same tables on job and start.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from forensics.correlator.audit import as_findings, correlated
from forensics.model.evidence import Evidence
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

START = datetime(2026, 4, 17, tzinfo=UTC)
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
    copy = {"gateway": "g", "copy": "c", "has_run_logs": True, "has_job_store": True}
    return Evidence(
        tasks=_completed(tasks, TASKS),
        runs=_completed(runs, RUNS),
        lifecycle=empty(LIFECYCLE),
        jobs=empty(JOBS),
        sources=frame_of([registry], SOURCES),
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
        timed(lambda: as_findings(correlated(evidence, Policy()).rows)),
        timed(lambda: database.execute(join).fetchall()),
    )
    told = f"{rows} rows against {rows} records: forensics {ours:.2f} s, DuckDB's bare join {theirs:.2f} s"
    print(f"{told}, ratio {ours / theirs:.1f}")


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["log", "correlate"])
    parser.add_argument("--size-mb", type=int, default=300)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    if options.what == "log":
        bench_log(options.size_mb)
    else:
        bench_correlate(options.rows)


if __name__ == "__main__":
    main()
