"""What the handed-over evidence deserves: design §6 in its own words, told from the truth and from what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.corpus.handover import Handed
from tests.corpus.truth import Correct, Deserved, Fate
from tests.corpus.windows import Window, windows
from tests.corpus.words import status_of
from tests.corpus.world import INTERRUPTED, LONGEST_RUN, LOST, MINUTE, SECOND, Record, Row, Run

NEAR = 50
"""A marker this close before the start names that very run (cases.md, observed.md §A: 0 to 19 ms)."""
RESERVED_AHEAD = 30 * MINUTE
NEAR_MISS = SECOND
SPREAD = SECOND
"""Timer runs that start so close together are of one batch (4 runs within 5 ms were captured)."""
DERIVED = SECOND
ABORT_AFTER_READY = 10 * SECOND
INSTANT = 50
"""An ``ok`` this short was recorded when the work was enqueued (cases.md T3)."""
FUZZ = MINUTE
"""So near a limit both sides are right: a run ends a little later than its time-out (7.5 s was captured)."""
SOON = 15 * MINUTE
"""The schedule unknown, a run this soon after ready may be a stand-in."""
ANY = frozenset({"exact", "strong", "weak", None})
FIRM = frozenset({"exact", "strong"})
NONE: frozenset[str | None] = frozenset({None})
WITHHELD = frozenset({"undetermined"})
GAPS = frozenset({"gateway_log_absent", "gateway_log_gap", "crash_undated"})


class Judge:
    """Knows all that was handed over of one gateway."""

    def __init__(self, handed: Handed) -> None:
        self.handed = handed
        self.windows = windows(handed)
        self.lines = handed.all_lines()
        self.markers = [line for line in self.lines if line.mark == "marker"] if handed.shows_cron else []
        self.missed = [line for line in self.lines if line.mark == "missed"] if handed.shows_cron else []
        self.warned = {
            str((line.fields or {})["runId"]): str((line.fields or {})["jobStatus"])
            for line in self.lines
            if line.mark == "ledger" and handed.shows_cron
        }
        self.jobs = {job.id: job for job in handed.jobs if not job.deleted} if handed.has_store else {}
        self.twins = Counter((row.source_id, row.started) for row in handed.rows)
        self.starts = set(self.twins)

    # -- facts --------------------------------------------------------------------------------------------------------

    def covers(self, since: int, until: int) -> bool:
        """Tell whether the log covers a span."""
        return any(first <= since and until <= last for first, last in self.handed.covered)

    def limit(self, row: Row) -> int:
        """Give the moment at which the run of a row has ended at the latest."""
        job = self.jobs.get(str(row.source_id))
        return (row.started or 0) + (job.longest if job else LONGEST_RUN)

    def records_of(self, row: Row) -> list[Record]:
        return [told for told in self.handed.records if told.job.id == row.source_id]

    def state_of(self, row: Row) -> Record | None:
        """Give the last run that the job's state names."""
        job = self.jobs.get(str(row.source_id))
        return job.last if job else None

    def other_start_between(self, row: Row, since: int, until: int) -> bool:
        return any(
            other.source_id == row.source_id and other is not row and since < (other.started or 0) < until
            for other in self.handed.rows
        )

    def _warned(self, row: Row) -> str | None:
        """Give the status that a warning of a lost write names: the row itself may have another run id, or none."""
        return self.warned.get(str(row.run_id)) or self.warned.get(f"cron:{row.source_id}:{row.started}")

    def history_gap(self, row: Row) -> str | None:
        """Give what keeps the run history from covering the row, as a reason."""
        if self.handed.no_history:
            return "run_log_absent"
        cut = self.handed.cut_jobs.get(str(row.source_id))
        return f"run_log_{cut}" if cut else None

    # -- the verdict --------------------------------------------------------------------------------------------------

    def deserved(self, row: Row) -> Deserved:
        """Give what a lost row deserves."""
        if row.runtime != "cron":
            return Deserved(frozenset({"not_applicable"}), NONE, frozenset({"unknown"}), why="not a cron row")
        if row.error is not None and row.error != "" and LOST not in row.error.lower():
            return Deserved(frozenset({"not_applicable"}), NONE, frozenset({"unknown"}), why="lost for another reason")
        own = self._own_records(row)
        if self.twins[(row.source_id, row.started)] > 1:
            told = _withheld(self._all_reasons(row) | {"ambiguous_rows"}, "two rows claim one run")
            causes = self.causes(row, own) | self.causes(row, [])
            return Deserved(told.verdicts, told.confidences, causes, told.reasons, None, told.why)
        told = self._judged(row)
        causes = self.causes(row, own or self._derived(row))
        return Deserved(told.verdicts, told.confidences, causes, told.reasons, told.correct, told.why)

    def _judged(self, row: Row) -> _Verdict:
        own = self._own_records(row)
        told = self._by_records(row, own) or self._by_other_witness(row) or self._without_record(row)
        run = row.run
        has_ended = run is not None and len(run.batch) > 1 and run.fate not in (Fate.DIED, Fate.ALIVE, Fate.NONE)
        if has_ended and told.verdicts <= {"interrupted", "replayed"} and all(one.is_interrupted for one in own):
            # it ended within a batch that was never written: whoever sees that the batch was open may withhold
            return replace(
                told,
                verdicts=told.verdicts | WITHHELD,
                confidences=told.confidences | NONE,
                reasons=told.reasons | {"batch_open", "process_kept", "start_mismatch"},
            )
        return told

    def _all_reasons(self, row: Row) -> set[str]:
        """Give what else may keep such a row from being judged."""
        return {"batch_open", "conflict", "may_still_run", *GAPS, str(self.history_gap(row))}

    def _own_records(self, row: Row) -> list[Record]:
        mine = self.records_of(row)
        exact = [told for told in mine if told.start == row.started]
        return exact or [told for told in mine if self._is_reservation(row, told)]

    def _is_reservation(self, row: Row, told: Record) -> bool:
        """An interrupted record that starts a little before the row, with no other start between."""
        if not told.is_interrupted or told.start is None or row.started is None:
            return False
        if (row.source_id, told.start) in self.starts or not 0 < row.started - told.start <= RESERVED_AHEAD:
            return False
        return told.ts > row.started and not self.other_start_between(row, told.start, row.started)

    def _by_records(self, row: Row, own: list[Record]) -> _Verdict | None:
        real = [told for told in own if not told.is_interrupted]
        if len({(told.status, told.error) for told in real}) > 1:
            return _withheld({"conflict"}, "two records of one run that disagree")
        state = self.state_of(row)
        if real and state is not None and state.start == row.started and state.status != real[0].status:
            return _withheld({"conflict"}, "the job's state says otherwise than the record")
        warned = self._warned(row)
        if real and warned is not None and (warned == "error") != (real[0].status == "error"):
            return _withheld({"conflict"}, "a line of the log says otherwise than the record")
        if real:
            return self._by_real(row, real[0])
        # a start-up that kept the process calls a run interrupted that ends after all; that end may bear no start
        if own and len(self._derived(row)) != 1:
            return self._by_interrupted(row, own[0])
        return self._by_startless(row)

    def _by_real(self, row: Row, told: Record) -> _Verdict:
        if told.job.agent and told.status == "ok" and told.summary is None and not told.used:
            return self._by_wordless(row, told)
        firm: frozenset[str | None] = frozenset({"exact"})
        if told.status == "ok" and told.duration is not None and told.duration <= INSTANT:
            firm = frozenset({"weak"})
        return _by_status(told, firm, "its own record says so")

    def _by_wordless(self, row: Row, told: Record) -> _Verdict:
        """An ``ok`` of an agent without a word: cut short by a restart, or an ordinary one."""
        end = told.end
        for window in self.windows:
            began = window.drain if window.drain is not None else window.lo
            if began - SECOND <= end <= (window.ready or window.up) + ABORT_AFTER_READY and (row.started or 0) < began:
                replayed, why = self._stand_in(row, window), "an ok without a word, ended with a restart"
                confidences: frozenset[str | None] = FIRM if window.whole else ANY
                verdicts = replayed if window.whole else replayed | {"false_lost", "undetermined"}
                return _Verdict(frozenset(verdicts), confidences, frozenset(), None, why)
        if self.covers(end - MINUTE, end + MINUTE):
            return _by_status(told, frozenset({"exact"}), "an ok without a word, away from any restart")
        return _by_status(told, frozenset({"weak", "exact"} if self.covers(end, end) else {"weak"}), "maybe aborted")

    def _by_interrupted(self, row: Row, told: Record) -> _Verdict:
        """Its own record says interrupted: true if the process was replaced, or once time enough has passed."""
        window, certain = self._death(row)
        named = frozenset({"exact"}) if told.start == row.started else frozenset()
        confidences = self._death_confidence(row, window) | named
        if self.history_gap(row) and not (certain and self._is_of_replaced(told)):
            return self._open(row, window, confidences)
        if window is not None and certain:
            return self._dead(row, window, confidences)
        if window is not None or abs(self.handed.records_until - self.limit(row)) <= FUZZ:
            return self._open(row, window, confidences)
        if self.handed.records_until > self.limit(row):
            return self._dead(row, None, FIRM)
        return _withheld({"process_kept", "may_still_run", *GAPS}, "an interrupted record, and nothing that proves it")

    def _is_of_replaced(self, told: Record) -> bool:
        """Tell whether the start-up of a new process wrote it, so that no other record of the run can follow."""
        before = [window for window in self.windows if window.up <= told.ts]
        return bool(before) and before[-1].replaced and before[-1].whole

    def _by_startless(self, row: Row) -> _Verdict | None:
        derived = self._derived(row)
        if len(derived) == 1:
            told = _by_status(derived[0], frozenset({"strong"}), "end and duration give its start")
            warned = self._warned(row) is not None
            return _Verdict(told.verdicts, FIRM, frozenset(), None, told.why) if warned else told
        if self._warned(row) is not None:
            return None
        bare = [
            told
            for told in self.records_of(row)
            if told.start is None and told.duration is None and told.ts > (row.started or 0)
            if told.run is row.run or not self.other_start_between(row, row.started or 0, told.ts)
        ]
        return self._by_bare(row, bare) if derived or bare else None

    def _derived(self, row: Row) -> list[Record]:
        """Give the records without a start whose end and duration lead to the start of the row."""
        return [
            told
            for told in self.records_of(row)
            if told.start is None and told.duration is not None
            if abs(told.ts - told.duration - (row.started or 0)) <= DERIVED
        ]

    def _by_bare(self, row: Row, bare: list[Record]) -> _Verdict:
        """A record with neither start nor duration: weak where a restart lies between and nothing else fits."""
        verdicts = {"undetermined"}
        start = row.started or 0
        between = any(start < w.up and w.hi < told.ts for w in self.windows for told in bare)
        alone = bool(bare) and not self.other_start_between(row, start, bare[0].ts)
        if between and alone:
            verdicts.add("false_lost" if bare[0].status != "error" else "failed")
        if bare and not alone:
            verdicts |= self._without_record(row).verdicts
        reasons = frozenset(self._all_reasons(row) | {"no_start", "ambiguous_rows", "start_mismatch", "only_record"})
        return _Verdict(frozenset(verdicts), ANY, reasons, None, "a record that does not say whose it is")

    def _by_other_witness(self, row: Row) -> _Verdict | None:
        """The warning of a lost write, or the state of the job."""
        warned = self._warned(row)
        state = self.state_of(row)
        named = state is not None and (state.start == row.started or self._is_reservation(row, state))
        if warned is not None:
            verdict = "failed" if warned == "error" else "false_lost"
            sure: frozenset[str | None] = frozenset({"exact", "weak"}) if named else frozenset({"exact"})
            return _Verdict(frozenset({verdict}), sure, frozenset(), None, "a warning names run and status")
        if state is None or not named:
            return None
        if state.is_interrupted:
            told = self._by_interrupted(row, state)
            if state.start == row.started:
                return told
            reasons = told.reasons | {"start_mismatch", str(self.history_gap(row))}
            return _Verdict(told.verdicts | WITHHELD, told.confidences | NONE, reasons, None, told.why)
        inside = any(w.lo - FUZZ <= state.end <= (w.ready or w.up) + FUZZ for w in self.windows)
        firm = (
            frozenset({"exact"}) if self.covers(state.end - MINUTE, state.end + MINUTE) and not inside else frozenset()
        )
        doubt: frozenset[str | None] = firm or frozenset(
            {"weak", "exact"} if self.covers(state.end, state.end) else {"weak"}
        )
        return _by_status(state, doubt, "the job's state names its start")

    def _without_record(self, row: Row) -> _Verdict:
        gap = self.history_gap(row)
        if gap is not None:
            in_table = self.handed.release.store != "files"
            torn = {"run_log_missing"} if gap == "run_log_damaged" else set()  # its only line may be the torn one
            codes = {gap, "run_log_absent", "run_log_missing", "run_log_damaged"} if in_table else {gap, *torn}
            return _withheld({*codes, *GAPS, "may_still_run"}, f"the run history does not cover it: {gap}")
        near = [
            told
            for told in self.records_of(row)
            if told.start is not None
            and abs(told.start - (row.started or 0)) <= NEAR_MISS
            and (row.source_id, told.start) not in self.starts
            and not told.is_interrupted
        ]
        if near:
            return _withheld({"start_mismatch"}, "a record starts almost when it does, and is of no other row")
        window, certain = self._death(row)
        mates = self._open_mates(row)
        if window is not None and mates == "shown":
            return _withheld({"batch_open"}, "its batch died with it: it may have ended before, unrecorded")
        if window is not None and certain and not mates:
            return self._dead(row, window, self._death_confidence(row, window))
        if window is not None:
            return self._open(row, window, self._death_confidence(row, window))
        return self._alive(row)

    def _mates(self, row: Row) -> list[Run]:
        """Give the other runs of its batch; a run whose row has the id of a manual one is in none."""
        run = row.run
        if run is None or str(row.run_id).startswith("manual:"):
            return []
        by_hand = {id(other.run) for other in self.handed.rows if str(other.run_id).startswith("manual:")}
        return [mate for mate in run.batch if mate is not run and id(mate) not in by_hand]

    def _open_mates(self, row: Row) -> str:
        """Tell of other runs of its batch without a record: ``shown`` where the evidence shows that batch."""
        run = row.run
        mates = [mate for mate in self._mates(row) if mate.record is None]
        if not run or not mates:
            return ""
        return "shown" if self._is_shown(run, mates) else "unclear"

    def _is_shown(self, run: Run, mates: list[Run]) -> bool:
        """Tell whether the evidence shows these runs to be of one batch: by their starts, or by their reservation."""
        rows = {id(other.run) for other in self.handed.rows}
        near = any(id(mate) in rows and abs(mate.start - run.start) <= SPREAD - NEAR for mate in mates)
        return near or self._reservation_shown(run, mates)

    def _reservation_shown(self, run: Run, mates: list[Run]) -> bool:
        """Start-up lines name the same reservation for two runs."""
        named = {((line.fields or {})["jobId"], (line.fields or {})["runningAtMs"]) for line in self.markers}
        return (run.job.id, run.reserved) in named and any((mate.job.id, run.reserved) in named for mate in mates)

    def _alive(self, row: Row) -> _Verdict:
        limit, until = self.limit(row), self.handed.records_until
        mates = [mate for mate in self._mates(row) if mate.record not in self.handed.records]
        shown = bool(mates) and row.run is not None and self._is_shown(row.run, mates)
        if shown:
            return _withheld({"batch_open", "may_still_run", *GAPS}, "its batch has not all been written")
        if until < limit - FUZZ:
            return _withheld({"may_still_run", *GAPS}, "it may still run where the evidence ends")
        covered = self.covers(row.started or 0, limit)
        if not covered and not self.covers((row.started or 0) + FUZZ, limit - FUZZ):
            return _withheld({*GAPS, "may_still_run"}, "the log does not cover it")
        firm = covered and until > limit + FUZZ and not mates
        verdicts = {"unexplained"} if firm else {"unexplained", "undetermined"}
        reasons = (
            frozenset({"may_still_run", "batch_open", "run_log_damaged", *GAPS}) if len(verdicts) > 1 else frozenset()
        )
        return _Verdict(frozenset(verdicts), ANY, reasons, None, "all is covered, and there is nothing")

    # -- death --------------------------------------------------------------------------------------------------------

    def _death(self, row: Row) -> tuple[Window | None, bool]:
        """Give the window that replaced the process of the run, and whether it surely did so in the run's time."""
        start, limit = row.started or 0, self.limit(row)
        known = self.handed.records_until
        for window in self.windows:
            if not window.replaced or window.up <= start:
                continue
            if window.lo > limit + FUZZ or window.lo > known:
                return None, False
            certain = window.hi <= limit and window.hi <= known and window.whole and window.lo >= start
            early = window.whole and window.hi > start and window.lo < start and not window.stop_seen
            return window, certain or (early and window.hi <= min(limit, known))
        return None, False

    def _death_confidence(self, row: Row, window: Window | None) -> frozenset[str | None]:
        start = row.started or 0
        for line in self.markers:
            fields = line.fields or {}
            at = fields["runningAtMs"]
            assert isinstance(at, int)
            if fields["jobId"] == row.source_id and 0 <= start - at <= NEAR and line.at > start:
                own = window is None or line.told is window.new
                return frozenset({"exact"}) if own else FIRM
        run = row.run
        if self.handed.release.newest and run and run.receipt:
            return frozenset({"exact"})
        return frozenset({"strong"})

    def _dead(self, row: Row, window: Window | None, confidences: frozenset[str | None]) -> _Verdict:
        verdicts = self._stand_in(row, window)
        correct = None
        if verdicts == {"replayed"} and window is not None:
            exact = window.whole and not window.merged and not self.handed.release.boots
            correct = Correct("failed", window.up if exact else None, INTERRUPTED)
        return _Verdict(frozenset(verdicts), confidences, frozenset(), correct, "its process was replaced under it")

    def _open(self, row: Row, window: Window | None, confidences: frozenset[str | None]) -> _Verdict:
        verdicts = self._stand_in(row, window) | {"undetermined", "unexplained"}
        reasons = frozenset({"may_still_run", "process_kept", "batch_open", *GAPS, "no_death", "run_log_damaged"})
        reasons |= {str(self.history_gap(row))}
        return _Verdict(
            frozenset(verdicts), confidences | NONE, reasons, None, "what became of its process is not sure"
        )

    def _stand_in(self, row: Row, window: Window | None) -> set[str]:
        """Tell whether a run after the restart did the work of the one that died."""
        after = [
            run
            for run in self.handed.history.runs
            if run.job.id == row.source_id and self._is_seen(run) and run.start > (self._ready_after(row, window) or 0)
        ]
        if not after:
            return {"interrupted"}
        first = min(after, key=lambda run: run.start)
        told = any(record.job is first.job and record.start == first.start for record in self.handed.records)
        ok = told and first.status == "ok" and not first.aborted
        if all(run.trigger == "timer" for run in after):
            soon = first.start - (self._ready_after(row, window) or 0) <= SOON and row.source_id not in self.jobs
            return {"interrupted", "replayed"} if soon and ok else {"interrupted"}
        if window is None or not window.whole or window.ready is None:
            return {"interrupted", "replayed"}
        extra = any(run.trigger == "manual" and run.record in self.handed.records for run in after if run is not first)
        if first.trigger == "timer" or not ok:
            return {"interrupted", "replayed"} if extra and first.trigger == "timer" else {"interrupted"}
        wanted = self._is_wanted_by_a_later(row, first)
        if wanted is not False:
            return {"interrupted"} if wanted else {"interrupted", "replayed"}
        if first.trigger != "manual" and first.process is not window.new:
            return {"interrupted", "replayed"}  # it may make up for what a later restart missed, or for this run
        return {"replayed"} if self._is_plain(first, window) else {"interrupted", "replayed"}

    def _is_wanted_by_a_later(self, row: Row, stand_in: Run) -> bool | None:
        """Tell whether it stands in for a later row of the job, which died before it, too; None: not sure."""
        start = row.started or 0
        died = [other for other in self.handed.rows if other.run is not None and other.run.record is None]
        later = [other for other in died if other.source_id == row.source_id and other.status == "lost"]
        told = [self._judged(other).verdicts for other in later if start < (other.started or 0) < stand_in.start]
        if all(verdicts <= WITHHELD for verdicts in told):
            return False
        return True if any(verdicts <= {"replayed", "interrupted"} for verdicts in told) else None

    def _is_seen(self, run: Run) -> bool:
        return run.record in self.handed.records or any(row.run is run for row in self.handed.rows)

    def _ready_after(self, row: Row, window: Window | None) -> int | None:
        return window.ready or window.up if window is not None else row.started

    def _is_plain(self, run: Run, window: Window) -> bool:
        """It is a stand-in by every measure: it started before the job's next slot, which is known."""
        job = self.jobs.get(run.job.id)
        if job is None or job.kind == "at" or window.ready is None:
            return run.trigger == "catch_up" and self.handed.shows_cron
        slot = job.anchor + ((window.ready - job.anchor) // job.every + 1) * job.every
        if job.kind == "every":
            known = [row.started or 0 for row in self.handed.rows if row.source_id == job.id]
            last = max((start for start in known if start < window.ready), default=0) + job.every
            slot = min(slot, last) if last > window.ready else slot
        return run.start < slot or (run.trigger == "catch_up" and self.handed.shows_cron)

    # -- the cause ----------------------------------------------------------------------------------------------------

    def causes(self, row: Row, own: Iterable[Record]) -> frozenset[str]:
        """Give why the row was marked; more than one where what is left leaves it open."""
        if row.projected:
            return frozenset({"projection"})
        start, mark = row.started or 0, row.ended or 0
        found: set[str] = set()
        for window in self.windows:
            if window.up <= start and (window.ready or 0) <= start:
                continue
            if window.ready is not None and window.ready > start and window.hi <= mark + window.slack and window.whole:
                return frozenset({"restart"} | found)
            if window.lo <= mark + window.slack:
                found.add("restart")
        if any(line.mark in ("down", "gone") and start < line.at <= mark for line in self.handed.all_lines()):
            found.add("restart")  # a stop without the start behind it: the log ends before that
        found |= self._lesser_causes(row, own)
        return frozenset(found)

    def _lesser_causes(self, row: Row, own: Iterable[Record]) -> set[str]:
        start, mark = row.started or 0, row.ended or 0
        run = row.run
        catch_up = {"catch_up"} if run and run.trigger == "catch_up" else set()
        if catch_up and any(line.told is run.process for line in self.missed if run):
            return catch_up
        if str(row.run_id).startswith("manual:") or any(str(told.run_id).startswith("manual:") for told in own):
            return {"manual_run"}
        if self.covers(start, mark):
            return {"no_restart"} | catch_up | ({"unknown"} if self._may_be_catch_up(row) else set())
        inside = self.covers(start + SECOND, mark - SECOND)
        return {"unknown", "no_restart"} | catch_up if inside else {"unknown"} | catch_up

    def _may_be_catch_up(self, row: Row) -> bool:
        """A console does not tell a start-up catch-up from any first run after a start."""
        if self.handed.shows_cron:
            return False
        ready = max((w.ready for w in self.windows if w.ready and w.ready <= (row.started or 0)), default=0)
        return not self.other_start_between(row, ready, row.started or 0)


@dataclass(frozen=True, slots=True)
class _Verdict:
    verdicts: frozenset[str]
    confidences: frozenset[str | None]
    reasons: frozenset[str]
    correct: Correct | None
    why: str


def _withheld(reasons: set[str], why: str) -> _Verdict:
    return _Verdict(WITHHELD, NONE, frozenset(reasons), None, why)


def _by_status(told: Record, confidences: frozenset[str | None], why: str) -> _Verdict:
    verdict = "failed" if told.status == "error" else "false_lost"
    correct = Correct(status_of(told.status, told.error), told.end, told.error if told.status == "error" else None)
    return _Verdict(frozenset({verdict}), confidences, frozenset(), correct, why)
