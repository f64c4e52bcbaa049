"""Reads what a finding cites again, by plain means, and tells whether it says what it is cited for."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from forensics.model.evidence import Evidence
from forensics.model.finding import Citation, Finding
from tests.support.captures import epoch_ms

_COMPANIONS = ("-wal",)
_WORDS = 60
_STAMP = re.compile(r"(?<!\d)20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)")
_NUMBER = re.compile(r"(?<![\w.-])\d{1,16}(?![\w.])")
_FIRST_YEAR_MS = 1_500_000_000_000
_A_DAY_MS = 86_400_000


class Cited:
    """One cited place, read again: a line, a row of a table, or the object of a JSON document that a line lies in."""

    def __init__(self, path: Path, line: int, table: str | None) -> None:
        self.path, self.line, self.table = path, line, table

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line} {self.table or ''}"

    @cached_property
    def texts(self) -> list[str]:
        """The place as text, what is quoted within it unwrapped; of an object, those around it, too."""
        if self.table is not None:
            return [flat(_row(self.path, self.table, self.line))]
        text = self.path.read_text("utf-8", "replace")
        line = _whole_line(text.split("\n"), self.line)
        told = [flat(_decoded(line))]
        if told == [line] or not line.lstrip().startswith("{"):
            told = [*(flat(_decoded(one)) for one in _objects_around(text, self.line)), line]
        return told

    def tells(self, words: str) -> bool:
        """Tell whether these words stand there."""
        return any(words in text for text in self.texts)

    def tells_of(self, moment: datetime) -> bool:
        """Tell whether this moment stands there, as a stamp, to the second, or as a start with a length."""
        wanted = epoch_ms(moment)
        for text in self.texts:
            numbers = set(numbers_in(text))
            stamps = {number for number in numbers if number > _FIRST_YEAR_MS}
            if any(stamp == wanted or (stamp % 1000 == 0 and 0 <= wanted - stamp < 1000) for stamp in stamps):
                return True
            if any(0 <= wanted - stamp <= _A_DAY_MS and wanted - stamp in numbers for stamp in stamps):
                return True
        return False

    @property
    def has_stamp(self) -> bool:
        """Tell whether any moment stands there: some lines name neither day nor zone."""
        return any(number > _FIRST_YEAR_MS for text in self.texts for number in numbers_in(text))


def numbers_in(text: str) -> Iterator[int]:
    """Give every number, and every stamp with an offset as epoch milliseconds."""
    for found in _STAMP.findall(text):
        moment = datetime.fromisoformat(found.replace(",", ".").replace(" ", "T"))
        yield epoch_ms(moment.astimezone(UTC))
    for found in _NUMBER.findall(text):
        yield int(found)
        if len(found) == 16:
            yield int(found) // 1000


def flat(value: Any) -> str:
    """Give a decoded value as text, with what is JSON within its strings decoded, too."""
    if isinstance(value, dict):
        return " ".join(f"{key}={flat(part)}" for key, part in value.items())
    if isinstance(value, list):
        return " ".join(map(flat, value))
    if isinstance(value, str):
        inner = _decoded(value) if value.lstrip()[:1] in ("{", "[") else value
        return value if inner == value else f"{value} {flat(inner)}"
    return str(value)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _row(path: Path, table: str, number: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(path, copy)
        for ending in _COMPANIONS:
            companion = path.with_name(path.name + ending)
            if companion.exists():
                shutil.copyfile(companion, copy.with_name(copy.name + ending))
        with closing(sqlite3.connect(copy)) as database:
            database.row_factory = sqlite3.Row
            row = database.execute(f"SELECT * FROM {table} WHERE rowid = ?", (number,)).fetchone()
    return dict(row) if row else {}


def _whole_line(lines: list[str], number: int) -> str:
    """Give a line, and of a CSV record that goes on behind it the lines that follow."""
    line = lines[number - 1]
    for following in lines[number:]:
        if line.startswith("{") or line.count('"') % 2 == 0:
            break
        line += "\n" + following
    return line


def _objects_around(text: str, line: int) -> list[str]:
    """Give the two innermost objects of a JSON document that lie around a line, the inner one first."""
    begin = sum(len(one) + 1 for one in text.split("\n")[: line - 1])
    end = begin + len(text.split("\n")[line - 1])
    opened: list[int] = []
    around: list[str] = []
    for found in re.finditer(r'"(?:[^"\\\n]|\\.)*"|[{}]', text):
        if found.group() == "{":
            opened.append(found.start())
        elif found.group() == "}" and opened:
            start = opened.pop()
            if start <= end and found.end() > end:
                around.append(text[start : found.end()])
                if len(around) == 2:
                    break
    return around


def disagreements(evidence: Evidence, finding: Finding) -> list[str]:
    """Say which cited places do not say what they are cited for; an empty list is agreement."""
    told = []
    for fact in finding.evidence:
        if fact.source is None or fact.line is None:
            continue
        cited = Cited(evidence.files[fact.source], fact.line, fact.table)
        told += [f"{fact.role} {cited}: {what}: {fact.text}" for what in _missing(fact, finding, cited)]
    return told


def _missing(fact: Citation, finding: Finding, cited: Cited) -> Iterator[str]:
    if not any(cited.texts):
        yield "nothing there"
    if fact.role in ("start", "lost_mark") and not cited.tells(finding.task_id):
        yield f"no task {finding.task_id}"
    if fact.role == "lost_mark" and not (cited.tells("lost") or finding.projected):
        yield "not lost"
    if fact.role in ("finish", "stand_in", "near_miss", "marker", "catch_up"):
        yield from _missing_of_job(fact, finding, cited)
    if fact.role in ("restart", "marker", "catch_up") and not cited.table and not cited.tells(words_of(fact)):
        yield "other words"
    if fact.at is not None and fact.role != "near_miss" and cited.has_stamp and not cited.tells_of(fact.at):
        yield f"no moment {fact.at}"


def _missing_of_job(fact: Citation, finding: Finding, cited: Cited) -> Iterator[str]:
    names_job = finding.job_id is None or cited.tells(finding.job_id) or finding.job_id in cited.path.name
    if not names_job:
        yield f"no job {finding.job_id}"
    run = finding.run
    if fact.role == "finish" and run is not None and (run.source, run.line) == (fact.source, fact.line):
        if run.status is not None and not cited.tells(run.status):
            yield f"no status {run.status}"
        if run.started_at is not None and not cited.tells_of(run.started_at):
            yield f"no start {run.started_at}"
        if run.duration_ms is not None and not _tells_length(cited, run.duration_ms, run.started_at):
            yield f"no length {run.duration_ms}"
    if fact.role == "stand_in" and not cited.tells("ok"):
        yield "no ok"


def _tells_length(cited: Cited, duration_ms: int, started_at: datetime | None) -> bool:
    """Tell whether a record tells how long its run took: by itself, or by start and end."""
    for text in cited.texts:
        numbers = set(numbers_in(text))
        if duration_ms in numbers or (started_at is not None and epoch_ms(started_at) + duration_ms in numbers):
            return True
    return False


def words_of(fact: Citation) -> str:
    """Give the first words that a cited line says, without the window's number, its subsystem and what it is cut to.

    A console leaves the subsystem out of the message: "gateway ready" is told as "[gateway] ready".
    """
    left_out = r"gateway (?=ready)|shutdown (?=started|completed)|admission (?=closed)"
    words = re.sub(rf"^(R\d+: )?(\[[^\]]*\] )?({left_out})?", "", fact.text)
    return re.split(r"[\\{…]", words)[0][:_WORDS].strip()
