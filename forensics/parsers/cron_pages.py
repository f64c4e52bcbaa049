"""Pages of ``openclaw cron runs``: the last finished runs of a job, or of all jobs, newest first (formats.md §2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from forensics.model.schemas import RUNS, frame_of
from forensics.model.verdicts import Origin, SourceKind
from forensics.parsers.cron_runs import is_run_record, run_row
from forensics.parsers.files import content_of
from forensics.parsers.forms import Form, Glimpse, placed_documents_in, text_of
from forensics.parsers.json_places import LineCounter, elements_of
from forensics.parsers.parsed import Parsed, brief

_BY = "a JSON page of cron runs"


def is_run_page(document: object) -> bool:
    """Tell whether a JSON document is a page of ``cron runs``; a page without entries still is one."""
    if not isinstance(document, dict) or not isinstance(document.get("entries"), list):
        return False
    entries = document["entries"]
    return is_run_record(entries[0]) if entries else {"total", "offset", "limit", "hasMore"} <= set(document)


def parse_run_page(path: Path) -> Parsed:
    """Read the finished runs of one page, or of several in one file.

    Shape: frame ``runs`` (origin ``run_page``); ``line`` is the line on which the entry begins. ``histories``: one row
    per job and page, see ``_histories``.
    Notices: no_run_record, out_of_range, wrong_type, partial_page.
    Source: formats.md §2.2, §3.1.

    Raises:
        UnreadableError: the file cannot be read.
    """
    text = text_of(content_of(path))
    parsed = Parsed(SourceKind.CRON_RUN_PAGE, _BY)
    rows: list[dict[str, object]] = []
    counter = LineCounter(text)
    for start, document in placed_documents_in(text):
        if isinstance(document, dict) and is_run_page(document):
            before = parsed.rejected
            page = list(_rows_of(text, start, counter, parsed))
            parsed.histories += _histories(document, page, parsed, is_damaged=parsed.rejected > before)
            rows += page
    parsed.records = len(rows)
    parsed.runs = frame_of(rows, RUNS)
    parsed.spans(stamp for row in rows for stamp in (row["finished_at"], row["started_at"]))
    jobs = {str(row["job_id"]) for row in rows}
    parsed.job_id = jobs.pop() if len(jobs) == 1 else None
    return parsed


def _rows_of(text: str, start: int, counter: LineCounter, parsed: Parsed) -> Iterator[dict[str, object]]:
    for place, entry in _entries(text, start, parsed):
        line = counter.line_at(place)
        parsed.lines += 1
        if not isinstance(entry, dict) or not is_run_record(entry):
            parsed.rejected += 1
            parsed.notices.add("no_run_record", f"an entry that is no run record: {brief(entry)}", line)
        elif entry["action"] != "finished":
            parsed.skipped += 1
        else:
            row = run_row(entry, line, Origin.RUN_PAGE, parsed)
            parsed.rejected += row is None
            if row is not None:
                yield row


def _entries(text: str, start: int, parsed: Parsed) -> Iterator[tuple[int, object]]:
    try:
        yield from elements_of(text, start, "entries")
    except ValueError:  # it was read whole once: only what is nested as deep as can be read ends here
        parsed.lines += 1
        parsed.rejected += 1
        parsed.notices.add("no_run_record", "an entry that is nested too deeply, and all that follow it")


def _histories(
    page: Mapping[str, object], rows: list[dict[str, object]], parsed: Parsed, *, is_damaged: bool
) -> Iterator[dict[str, object]]:
    """Say for which jobs a page would show a finished run: those of which it shows one.

    A page of all jobs says nothing about a job it does not name: whether it was asked for all jobs cannot be told from
    the page. From 2026.8.1 (told by ``completionStatus``) a page may be filtered by status, so that it says nothing of
    what it does not show.
    """
    entries = page["entries"]
    is_filterable = isinstance(entries, list) and any(
        isinstance(entry, dict) and "completionStatus" in entry for entry in entries
    )
    is_partial = page.get("hasMore") is not False or page.get("offset") != 0
    if is_partial:
        parsed.notices.add("partial_page", "a page of the run history: older runs may be missing", level="info")
    if is_filterable:
        return
    by_job: dict[object, list[dict[str, object]]] = {}
    for row in rows:
        by_job.setdefault(row["job_id"], []).append(row)
    for job_id, known in by_job.items():
        yield {
            "job_id": job_id,
            "origin": Origin.RUN_PAGE.value,
            "records": len(known),
            "oldest_at": min(row["finished_at"] for row in known),  # type: ignore[type-var]
            "is_partial": is_partial,
            "is_damaged": is_damaged,
        }


def _recognised(glimpse: Glimpse) -> str | None:
    return _BY if any(is_run_page(document) for document in glimpse.documents) else None


FORMS = (Form("cron runs", SourceKind.CRON_RUN_PAGE, _recognised, lambda path, _: parse_run_page(path)),)
