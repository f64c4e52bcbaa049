"""Rows of real gateways, explained: what a person who knows what happened there would want to be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics import audit, load_evidence
from forensics.correlator.asked import asked_for
from forensics.correlator.circumstances import Surroundings
from forensics.writers.explain import write_explanation
from forensics.writers.reasoning import explained_loss
from forensics.writers.told_rows import explained_row
from tests.support.captures import archived_sets, unpack

ROWS = {
    ("2026.4.15-lost-write", "final", "97b96ec8"): (
        "Verdict: false_lost",
        "At 22:58:58.511 the gateway failed to write the end of this run (ok) into the registry.",
        (
            "replayed: A replay begins after the restart; this run began 22:58:14.013, 2 min 44 s before R2 was ready "
            "(23:00:58.391), and the record bears this very start."
        ),
        "interrupted: It ended 22:58:53.417, 1 min 11 s before R2 began to go down.",
    ),
    ("2026.4.15-lost-write", "registry and gateway log only", "66e9747c"): (
        "Verdict: undetermined",
        "interrupted: R3 ended its process, but the run may have ended before, in a record not at hand.",
        "A whole run log without that start: R3 then makes it interrupted. cron/runs/d651c7e6",
    ),
    ("2026.4.15-sigterm", "final", "d77c2fb3"): (
        "Verdict: interrupted",
        "The process that ran it was gone by 22:49:23.737 (R2), 3 min 45 s into the run",
        "replayed: No run of the job is known to have begun after ready (22:50:10.980)",
        "a start-up took the job for still running, since 22:45:39.046, this start",
    ),
    ("2026.4.15-sigterm", "snap after-restart-420s", "12177df1"): (
        "Verdict: undetermined",
        "2 runs of its batch (A-every-100 and H-at-missed-420) have no record either",
        (
            "The record of A-every-100 with the start 22:52:15.986: the batch is written then. a later copy of "
            "cron/runs/147c59db"
        ),
    ),
    ("2026.4.15-in-process", "snap before-restart2", "094aa4bb"): (
        "Verdict: undetermined",
        "An answer of a command line in the gateway's log shows it failed, ended 22:59:07.600.",
        "The copies end at 22:54:32.021; by its job's time-out it may go on until 23:17:26.710.",
        "tasks/runs.sqlite-wal, copied after 23:17:26.710",
    ),
    ("2026.4.15-in-process", "final", "3e6111fc"): (
        "State: succeeded, not lost: healed",
        "Its ok is bare and ends 22:55:43.078, within a restart: the run was aborted.",
        "Its error is left over from the mark",
    ),
    ("2026.4.15-in-process", "final", "596cc14c"): (
        "State: running, not lost: no sweep has marked it.",
        "has no record yet",
    ),
    ("2026.5.7-in-process", "final", "3380a957"): (
        "Verdict: false_lost",
        "1 other row of this gateway bears the same mark",
        "Beside it, of the same run: interrupted by a restart (run log)",
        "by start-up code that can only assume; the run itself reported ok at 23:26:29.080",
        "interrupted: R2 kept the process: the run went on, and ended 23:26:29.079.",
    ),
    ("2026.5.7-in-process", "final", "9671aab8"): (
        "Verdict: interrupted",
        "ends at 23:14:40.734, 10 s after R2 began to go down and 377 ms after it was ready again",
        "A copy of its record with a summary or usage: it would be false_lost.",
    ),
    ("2026.5.7-in-process", "snap after-restart", "3380a957"): (
        "Verdict: undetermined",
        "Restart R2 kept the process: the interrupted record is its assumption.",
        (
            "interrupted: R4 ended its process, but the run may have ended before, in a record written after the "
            "copies end (23:14:41.338)."
        ),
    ),
    ("2026.5.7-no-restart", "final", "f90599a2"): (
        "Verdict: failed",
        "interrupted: The error is the run's own",
        "The gateway log shows no restart between its start and its end, 23:02:25.688.",
    ),
    ("2026.5.7-sigterm", "final", "a93870d9"): (
        "Verdict: interrupted",
        "The start-up code recorded this run as interrupted at 23:10:47.435.",
        "failed: The error in its record is that of the start-up code, not one the run reported.",
    ),
    ("2026.6.11-restarts", "final", "70894ad9"): (
        "Verdict: interrupted",
        "Restart R4 (crash, no stop line): down between 23:35:33.021 and 23:36:32.626",
        "a fuller copy of state/openclaw.sqlite, table cron_run_logs",
        "the run table holds none of the job",
    ),
    ("2026.6.11-upgrade-crafted", "after maintenance --apply", "a0986239"): (
        "Verdict: false_lost",
        "begun 19:59:53.831, this row's start to the millisecond",
        "Another run of the job that began within a second of 19:59:53.831",
    ),
    ("2026.9.6-upgrade-start", "after gateway start", "3a906304"): (
        "Verdict: undetermined",
        "A record that fits no other row starts 3 ms later: ok after 7 min.",
        "The gateway log does not cover the start: it begins at 23:42:19.515.",
        "openclaw-2026-11-23.log",
    ),
}


@pytest.mark.parametrize("asked", list(ROWS), ids=lambda asked: " ".join(asked))
def test_a_real_row_is_explained_by_what_happened_to_it(asked: tuple[str, str, str], unpacked: Path) -> None:
    capture, name, task = asked
    (told,) = [one for one in archived_sets() if (one.capture, one.name) == (capture, name)]
    folder = unpack(capture, unpacked)
    evidence = load_evidence([str(folder / path) for path in told.paths])
    report = audit(evidence)
    meant, surroundings = asked_for(task, report, evidence), Surroundings(evidence, report)
    written = [
        write_explanation(report, explained_loss(report, finding, around))
        for finding, around in zip(meant.losses, surroundings.of_losses(meant.losses), strict=True)
    ]
    written += [write_explanation(report, explained_row(report, surroundings.of_row(*key))) for key in meant.others]
    (text,) = written
    flat = " ".join(text.split())
    assert [words for words in ROWS[asked] if words not in flat] == []
