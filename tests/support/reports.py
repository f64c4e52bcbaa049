"""What a report says, in a shape that is compared; and how it is made in another time zone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forensics import write_json
from forensics.model.finding import Report


def judged(report: Report) -> dict[str, Any]:
    """Give what a report says of the rows, without the places where it was read."""
    document = json.loads(write_json(report))
    for finding in document["findings"]:
        for fact in finding["evidence"]:
            fact["source"] = fact["line"] = None
        finding["evidence"].sort(key=lambda fact: json.dumps(fact, sort_keys=True))
        for name in ("why", "source"):
            del finding[name]
        if finding["run"]:
            finding["run"]["source"] = finding["run"]["line"] = None
    windows = [{key: value for key, value in told.items() if key != "evidence"} for told in document["restarts"]]
    return {"findings": document["findings"], "restarts": windows, "summary": document["summary"]}


def answers(report: Report) -> dict[tuple[str, str], tuple[object, ...]]:
    """Give all that was said of each row but where it stands and how its window is numbered."""
    return {
        (f.gateway, f.task_id): (f.verdict, f.cause, f.confidence, f.reasons, f.correction) for f in report.findings
    }


@contextmanager
def process_zone(name: str) -> Iterator[None]:
    """Let the process live in a time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
