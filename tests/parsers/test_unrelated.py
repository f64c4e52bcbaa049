"""What is no evidence is claimed by no reader, however much its keys look like those of a gateway."""

from __future__ import annotations

import json
import shutil
import sysconfig
from itertools import islice
from pathlib import Path

import pytest

from forensics import load_evidence
from forensics.model.verdicts import SourceKind
from forensics.parsers.detect import detect
from forensics.parsers.job_store import parse_job_store
from forensics.parsers.load import EVIDENCE_KINDS

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS: dict[str, object] = {
    "names of jobs": {"version": "2026.7.35", "jobs": {"90ff7718-bde3-4a36-9027-f373ad11d6b9": "ctl-cmd"}},
    "jobs of a pipeline": {"version": 2.1, "jobs": {"build": {"docker": [{"image": "x"}], "steps": ["checkout"]}}},
    "jobs of an older pipeline": {"version": 2, "jobs": {"build": {"steps": ["checkout"], "state": "ok"}}},
    "a list of names": {"version": 1, "jobs": ["build", "test"]},
    "jobs without a schedule": {"version": 1, "jobs": [{"id": "a", "name": "b"}]},
    "a page of a queue": {"jobs": [{"id": "1", "status": "done"}], "total": 1, "hasMore": False},
    "things to do": {"tasks": [{"id": 1, "title": "x", "done": False}], "count": 1},
    "tasks of an editor": {"version": "2.0.0", "tasks": [{"label": "build", "type": "shell"}]},
    "findings of a scanner": {"findings": [{"code": "B101", "severity": "low"}], "summary": {"total": 1}},
    "flows of another engine": {"flows": [{"id": "x", "steps": []}], "count": 1},
    "an empty page": {"entries": [], "total": 0, "offset": 0, "limit": 20},
    "a page of something else": {"entries": [{"id": 1}], "total": 1, "offset": 0, "limit": 20, "hasMore": False},
    "a job of a queue": {"jobId": "42", "action": "deploy"},
    "a line of a service": {"time": "2026-04-20T10:00:00.000Z", "level": "info", "message": "paid"},
    "a part of a service": {"time": "2026-04-20T10:00:00Z", "level": "info", "subsystem": "billing", "message": "paid"},
    "a line of a logger": {"0": "started", "_meta": {"date": "2026-04-20T10:00:00.000Z", "logLevelName": "INFO"}},
    "a line of a container": {"log": "hello\n", "stream": "stdout", "time": "2026-04-20T10:00:00.000Z"},
    "a line of a journal": {"__REALTIME_TIMESTAMP": "1795473684524000", "MESSAGE": "hi", "_PID": "1"},
    "a lock": {"pid": 1, "createdAt": "2026-04-20T10:00:00Z", "host": "x"},
    "rows of another table": [{"id": 1, "status": "lost", "created_at": 1795473684524}],
}
TEXTS = {
    "a pipeline": "version: 2.1\njobs:\n  build:\n    steps: [checkout]\n",
    "a table": "id,status,created_at\n1,lost,1795473684524\n",
    "a table in Markdown": "| id | status | created_at |\n|---|---|---|\n| 1 | lost | 2 |\n",
    "lines of a service": "2026-04-20T10:00:00.000Z [billing] paid\n2026-04-20T10:00:01.000Z [mail] sent\n",
    "lines of a web server": '192.0.2.1 - - [20/Apr/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1\n',
    "lines of a host": "Nov 20 09:15:00 office sshd[1]: Accepted\n",
    "errors of a compiler": "Severity Code Description Project File Line\nError CS1002 ; expected\n",
}


def written(folder: Path) -> list[Path]:
    """Write every document, on one line and on many, and every text."""
    folder.mkdir()
    for number, document in enumerate(DOCUMENTS.values()):
        (folder / f"{number}.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        (folder / f"{number}.jsonl").write_text(json.dumps(document) + "\n", encoding="utf-8")
    for number, text in enumerate(TEXTS.values()):
        (folder / f"{number}.log").write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_that_looks_like_evidence_is_none(name: str, indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(DOCUMENTS[name], indent=indent) + "\n", encoding="utf-8")
    assert detect(path).kind in (SourceKind.UNKNOWN, SourceKind.OTHER)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_looks_like_evidence_is_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    path.write_text(TEXTS[name] * 9, encoding="utf-8")
    assert detect(path).kind is SourceKind.UNKNOWN


def test_what_lies_beside_evidence_changes_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples" / "every-verdict", tmp_path / "given")
    alone = load_evidence(tmp_path / "given")
    written(tmp_path / "given" / "more")
    beside = load_evidence(tmp_path / "given")
    told = ["path", "kind", "records", "rejected"]
    assert beside.sources.select(told).rows() == alone.sources.select(told).rows()
    assert beside.notices.filter(level="error").height == alone.notices.filter(level="error").height


def test_no_file_of_installed_packages_is_evidence() -> None:
    """They hold thousands of documents, tables and texts that no gateway has written."""
    top = Path(sysconfig.get_paths()["purelib"])
    told = (path for path in sorted(top.rglob("*")) if path.suffix in (".json", ".txt", ".csv", ".toml", ".md", ""))
    files = list(islice((path for path in told if path.is_file()), 150))
    assert files
    assert [path for path in files if detect(path).kind in EVIDENCE_KINDS] == []


@pytest.mark.parametrize("jobs", [{"a": "b"}, [{"name": "no id"}, "x"]])
def test_a_store_without_one_good_job_is_known_by_its_place(jobs: object, tmp_path: Path) -> None:
    path = tmp_path / "cron" / "jobs.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1, "jobs": jobs}), encoding="utf-8")
    kind = detect(path).kind
    assert kind in (SourceKind.JOB_STORE, SourceKind.JOB_STATE)
    parsed = parse_job_store(path, kind)
    assert parsed.rejected == parsed.lines or parsed.records
