"""What a check found: which findings fail it, which of them are known, and what its baseline names in vain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from forensics.model.baseline import Baseline, Entry, Identity, identity_of
from forensics.model.errors import NothingToReadError
from forensics.model.finding import Finding, Report
from forensics.model.verdicts import SourceKind, Verdict

_KINDS_OF_ROWS = (SourceKind.TASK_REGISTRY.value, SourceKind.TASK_EXPORT.value)


@dataclass(frozen=True)
class Check:
    """One audit, judged: the verdicts that fail, what is known already, and whether known findings fail, too.

    ``named`` are the gateways that the user named: none of them passes unless task rows of it could be read.
    """

    report: Report
    fail_on: tuple[Verdict, ...]
    baseline: Baseline | None = None
    only_new: bool = False
    named: tuple[str, ...] = ()

    def entry_of(self, finding: Finding) -> Entry | None:
        """Give what the baseline says of a finding, expired or not."""
        return self._entries.get(identity_of(finding))

    def is_known(self, finding: Finding) -> bool:
        """Say whether the baseline knows a finding and the entry has not expired."""
        entry = self.entry_of(finding)
        return entry is not None and not entry.has_expired(self.report.now)

    def is_failing(self, finding: Finding) -> bool:
        """Say whether a finding fails the check."""
        return finding.verdict in self.fail_on and not (self.only_new and self.is_known(finding))

    def listed(self) -> tuple[Finding, ...]:
        """Give the findings with a verdict that fails, known ones included, in report order."""
        return tuple(self.report.of_verdict(*self.fail_on))

    def failing(self) -> tuple[Finding, ...]:
        """Give the findings that fail the check, in report order."""
        return tuple(finding for finding in self.report.findings if self.is_failing(finding))

    def stale(self) -> tuple[Entry, ...]:
        """Give the entries of the baseline that no finding bears out any more."""
        present = {identity_of(finding) for finding in self.report.findings}
        entries = self.baseline.entries if self.baseline else ()
        return tuple(entry for entry in entries if entry.identity not in present)

    def unreasoned(self) -> tuple[Entry, ...]:
        """Give the entries of the baseline that some finding bears out and that do not say why it is accepted."""
        present = {identity_of(finding) for finding in self.report.findings}
        entries = self.baseline.entries if self.baseline else ()
        return tuple(entry for entry in entries if entry.identity in present and not entry.has_reason)

    def unread(self) -> tuple[str, ...]:
        """Give what of the evidence could not be read, each with its place: it may hold findings."""
        notices = self.report.notices.filter(level="error")
        paths = self.report.paths()
        told = (_placed(message, paths.get(source)) for source, message in notices.select("source", "message").rows())
        return (*told, *self.unread_rows())

    def unread_rows(self) -> tuple[str, ...]:
        """Say where task rows were not read of which no notice is an error: named gateways, and entries of files."""
        return (*self._without_rows(), *self._rejected())

    def _without_rows(self) -> Iterator[str]:
        """Say which of the named gateways have no registry and no export of it."""
        sources = self.report.sources
        having = set(sources.filter(sources["kind"].is_in(_KINDS_OF_ROWS))["gateway"].to_list())
        for name in sorted(set(self.named) - having):
            yield f"gateway {name}: no task registry of it was read, so that none of its rows is judged"

    def _rejected(self) -> Iterator[str]:
        """Say of which files an entry that should be a task row was not read."""
        told = self.report.notices.filter(level="error")["source"].drop_nulls().to_list()
        sources = self.report.sources
        rejecting = sources.filter(sources["kind"].is_in(_KINDS_OF_ROWS) & (sources["rejected"] > 0))
        for path, count in rejecting.filter(~rejecting["id"].is_in(told)).select("path", "rejected").rows():
            yield f"{path}: {count} {'entry' if count == 1 else 'entries'} could not be read and may be lost rows"

    def exit_code(self) -> int:
        """Give 1 where findings fail the check, 3 where passing would say nothing, else 0."""
        if self.failing():
            return 1
        return NothingToReadError.exit_code if self.unread() else 0

    def standing_of(self, finding: Finding) -> str | None:
        """Give what the baseline makes of a finding: ``known``, ``expired``, ``new``; null without a baseline."""
        if self.baseline is None:
            return None
        if self.is_known(finding):
            return "known"
        return "new" if self.entry_of(finding) is None else "expired"

    @cached_property
    def _entries(self) -> Mapping[Identity, Entry]:
        return self.baseline.by_identity() if self.baseline else {}


def _placed(message: str, path: str | None) -> str:
    """Give a notice with the file it speaks of, which one about a file that was read leaves out."""
    return message if path is None or path in message else f"{path}: {message}"
