"""What journals of ``forensics fix`` and ``undo`` say of a row: when it was corrected or restored, and why."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime

from forensics.correlator.circumstances import JournalEntry
from forensics.correlator.corrections import Standing
from forensics.model.escape import for_terminal, shortened
from forensics.model.explanation import RowState, Statement
from forensics.model.finding import Report
from forensics.model.journal import FIX
from forensics.model.shown import Shown
from forensics.writers.phrases import clock, listed, of_row, quoted

_LONGEST_WHY = 600


def is_corrected(entry: JournalEntry | None) -> bool:
    """Tell whether fix corrected the row, and nobody took it back."""
    return entry is not None and entry.action == FIX and entry.standing in (Standing.CORRECTED, Standing.CHANGED)


def when(at: datetime, shown: Shown) -> str:
    """Say a moment of a journal, to the second."""
    local = shown.local(at)
    return f"{local:%Y-%m-%d %H:%M:%S}{shown.offset(local)}"


def journal_says(row: RowState, entry: JournalEntry | None, shown: Shown) -> Iterator[Statement]:
    """Say what a journal tells of a row beside what it is: that it was restored, or that this copy does not show it."""
    if entry is None:
        return
    status, done = for_terminal(row.status or "without a status"), _done(entry, shown)
    if entry.standing is Standing.RESTORED:
        text = f"It is {status}: restored on {when(entry.at, shown)} by undo, to what it was before it was corrected."
    elif entry.standing is Standing.CHANGED:
        text = f"A journal says that it was {done}. Changed since: {listed(entry.changed)}."
    elif entry.is_applied:
        text = f"A journal says that it was {done}; what is at hand of the row does not show it."
    else:
        text = f"A journal says that it was to be {done}; neither the row nor the journal shows that it was."
    yield _of_journal(text, entry)


def because_corrected(report: Report, row: RowState, entry: JournalEntry, shown: Shown) -> Iterator[Statement]:
    """Say why fix corrected a row, what it was before, whether it has changed since, and how to take that back."""
    why = shortened(for_terminal(entry.why), _LONGEST_WHY)
    yield _of_journal(f"The reason that fix gave: {why}", entry)
    before, status = entry.before, for_terminal(entry.before.status or "without a status")
    ended = f"ended {clock(before.ended_at, row, shown)}" if before.ended_at else "no end"
    error = f"error {quoted(before.error)}" if before.error else "no error"
    yield _of_journal(f"Before, it said {status}: {ended}, {error}.", entry)
    if not entry.is_applied:
        text = "The journal was written before the change was committed; that it was, the row itself shows."
        yield _of_journal(text, entry)
    path = shlex.quote(for_terminal(report.paths()[entry.source]))
    yield _of_journal(f"To take it back: forensics undo {path}", entry)
    if entry.changed:
        yield of_row(f"Changed since: {listed(entry.changed)}.", row)
    else:
        yield of_row("Nothing of what fix wrote has changed since.", row)


def _done(entry: JournalEntry, shown: Shown) -> str:
    status = for_terminal(entry.after.status or "no status")
    return f"{'corrected' if entry.action == FIX else 'restored'} to {status} on {when(entry.at, shown)}"


def _of_journal(text: str, entry: JournalEntry) -> Statement:
    return Statement(text, entry.source, entry.line, entry.at)
