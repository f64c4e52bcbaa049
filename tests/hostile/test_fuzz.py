"""Made-up evidence: whatever the bytes, a reader gives a balanced ledger or refuses the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forensics.model.errors import UnreadableError
from forensics.model.verdicts import SourceKind
from forensics.parsers.cron_runs import parse_run_log
from forensics.parsers.detect import detect
from forensics.parsers.gateway_log import parse_gateway_log
from forensics.parsers.job_store import parse_job_store
from forensics.parsers.parsed import Parsed
from forensics.parsers.task_export import parse_task_export
from tests.parsers.lifecycle_cases import CASES
from tests.parsers.shapes import as_line, record, run_entry

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner), max_leaves=5
)
RAW = st.binary(max_size=60)
RUNS = st.dictionaries(st.sampled_from([*run_entry(), "error", "runId", "usage"]), JSON).map(
    lambda told: json.dumps(run_entry() | told).encode()
)
JOBS = st.dictionaries(st.sampled_from(["id", "name", "state", "schedule", "payload", "updatedAtMs"]), JSON)
RECORDS = st.builds(
    lambda case, told: as_line_bytes(record(case.binding, case.message, case.fields) | told),
    st.sampled_from(CASES),
    st.dictionaries(st.sampled_from(["0", "1", "2", "_meta", "time", "message"]), JSON, max_size=1),
)


def as_line_bytes(told: dict[str, object]) -> bytes:
    return as_line(told).encode("utf-8", "surrogatepass").rstrip(b"\n")


def assert_balanced_or_refused(parse: Callable[[Path], Parsed], path: Path) -> None:
    try:
        parsed = parse(path)
    except UnreadableError:
        return
    assert parsed.lines == parsed.records + parsed.skipped + parsed.rejected
    assert min(parsed.records, parsed.skipped, parsed.rejected) >= 0


@quick
@given(st.lists(RUNS | RAW | RECORDS, max_size=6))
def test_any_run_log(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "file").write_bytes(b"\n".join(lines))
    assert_balanced_or_refused(parse_run_log, tmp_path / "file")


@quick
@given(st.lists(RECORDS | RAW | RUNS, max_size=6))
def test_any_gateway_log(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "file").write_bytes(b"\n".join(lines))
    assert_balanced_or_refused(parse_gateway_log, tmp_path / "file")


@quick
@given(st.lists(JOBS | JSON, max_size=4))
def test_any_job_store(tmp_path: Path, jobs: list[object]) -> None:
    (tmp_path / "file").write_text(json.dumps({"version": 1, "jobs": jobs}), encoding="utf-8")
    assert_balanced_or_refused(lambda path: parse_job_store(path, SourceKind.JOB_STORE), tmp_path / "file")


@quick
@given(st.lists(st.fixed_dictionaries({"taskId": JSON, "runtime": JSON, "status": JSON, "endedAt": JSON}) | JSON))
def test_any_export(tmp_path: Path, tasks: list[object]) -> None:
    (tmp_path / "file").write_text(json.dumps({"count": 1, "tasks": tasks}), encoding="utf-8")
    assert_balanced_or_refused(parse_task_export, tmp_path / "file")


@quick
@given(RAW | RUNS | RECORDS)
def test_any_file_is_recognised_as_something(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert detect(tmp_path / "file").kind in SourceKind
