"""What the reports for people share: tables in Markdown, short ids, names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from forensics.model.escape import for_markdown, shortened
from forensics.model.finding import Finding, Report
from forensics.writers.tables import Column
from forensics.writers.wording import style_of_level

NOTICE_COLUMNS = (
    Column("level", style=style_of_level),
    Column("where", moves=1),
    Column("what", is_text=True),
)
"""The columns of a table of notices."""

_HERE = re.compile(r"^(?:\./+)+(?=.)", re.DOTALL)
_SHORT_ID = 8
_NAME_WIDTH = 32


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a Markdown table; every cell is escaped here."""
    cells = [[for_markdown(cell) for cell in row] for row in rows]
    return tabulate(cells, headers=headers, tablefmt="github", disable_numparse=True)


def short_ids(report: Report) -> dict[tuple[str, str], str]:
    """Give each finding's task id, as short as tells all of them apart, but never shorter than eight characters."""
    ids = sorted({finding.task_id for finding in report.findings})
    longest = max((len(task_id) for task_id in ids), default=_SHORT_ID)
    length = next((n for n in range(_SHORT_ID, longest + 1) if len({i[:n] for i in ids}) == len(ids)), longest)
    return {(finding.gateway, finding.task_id): finding.task_id[:length] for finding in report.findings}


def repository_path(path: str) -> str:
    """Give the path of a source as platforms know files: without ``./`` before it, which ``.`` as a PATH leads to.

    >>> repository_path("./logs/x.log"), repository_path("/var/log/x.log")
    ('logs/x.log', '/var/log/x.log')
    """
    return _HERE.sub("", path)


def job_of(finding: Finding) -> str:
    """Give the name of a finding's job, shortened, or its id."""
    return shortened(finding.job_name or finding.job_id or "-", _NAME_WIDTH)
