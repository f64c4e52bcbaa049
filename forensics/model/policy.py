"""Every tolerance and limit of the tool, each with its reason and source. No other module holds a magic number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

LOST_ERROR = "backing session missing"
"""The text the sweep writes into a row it marks lost (formats.md §1.5)."""

INTERRUPTED_ERROR = "cron: job interrupted by gateway restart"
"""The exact text the start-up code writes for a run it believes dead (formats.md §3.1, 2026.4.25 and later)."""

LOST_GRACE = timedelta(minutes=5)
"""A row is marked lost, or shown as lost, when nothing was heard of it for this long (formats.md §1.5)."""

LOST_RETENTION = timedelta(hours=24)
"""A lost row is kept this long after its mark, whatever its clean-up time says (formats.md §1.5, 2026.5.26)."""

CREATED_AFTER_START = timedelta(seconds=1)
"""Releases before 2026.4.25 read the start of a run first and stamp the row when it is written, so a row is created
this long after its start at most: 1 to 16 ms were captured (2026.4.15), 1 to 4 ms published (#70887). More is a clock
that was set, or damage."""

ODD_ROWS_NAMED = 100
"""So many rows with times out of order are named one by one; where a clock was wrong, every row of a day is one."""

END_AFTER_WRITTEN = timedelta(seconds=5)
"""A run cannot end after its own record was written; a longer duration is damage (records are written 2 ms to 16 min
after the end, observed.md §A), less what the clock may be set back in between."""

CLOCK_STEP = timedelta(seconds=5)
"""A log whose stamps go back by more than this cannot be put in order with other evidence; lines are written up to
26 ms out of order, and 26 s late only in other files (observed.md §B8)."""

CLOCK_TICK = timedelta(milliseconds=20)
"""Two writes closer than this may leave the same time stamp on a file: systems stamp files by a clock that ticks every
1 to 10 ms."""

LATE_BY = timedelta(minutes=1)
"""A worker thread or a command line may write its line into the log this long after it was stamped; 13 s was captured
on a loaded host, while the clock was right (2026.9.6/restarts)."""

LATE_LINES = 5
"""So many lines in a row may be late, when the lines then go on within ``LATE_BY`` of those before: of a clock that
was set back, all lines are behind until it has made up for it. One was captured at a time."""

SISTER_STAMPS = timedelta(minutes=2)
"""Two stamps of one line are of one moment and this far apart at most: 0 to 20 ms in the file log (formats.md §4.2),
seconds where a service manager took the line late. Farther apart, one of them has the wrong zone (#74991)."""

OFFSET_STEP = timedelta(minutes=15)
"""Every offset from UTC in use is a whole number of these."""

OFFSET_REACH = timedelta(hours=1)
"""A stated offset from UTC holds this long before the first and after the last stamp that states it. Any night clocks
may be changed, mostly by an hour, so that more would read a time on the other side of such a night wrong."""

OFFSET_HOLDS = timedelta(days=7)
"""Between two stamps that state the same offset, and are this far apart at most, it holds: clocks are not put forward
and back within a week (a month is the shortest summer time suspended in use, Morocco's)."""

OFFSET_SAMPLE_EVERY = timedelta(days=3)
"""An offset that stays the same is kept once in so long, so that two of them are never too far apart to hold between
because of what was left out."""

OFFSET_SAMPLES = 512
"""So many offsets a file states at most: a log of four years at one in ``OFFSET_SAMPLE_EVERY``; more is damage."""

MIDNIGHT_BACK = timedelta(hours=2)
"""A clock without a date that goes back by more than this has passed midnight; by less, it was set back or put back
to winter time (one hour)."""

CLOCK_JUMPS_BACK = 100_000
"""A log in which the clock goes back more often than this is no log in order of time; it would hold three centuries."""

NEW_YEAR_BACK = timedelta(days=180)
"""A date without a year that goes back by more than this has passed New Year."""

OTHER_CLOCK_LINES = 200
"""A jump that is undone within this many lines is no silence: the lines between are stamped by another clock
(#31427)."""

WRITTEN_AFTER = timedelta(days=1)
"""A file is last written after its last line; by this much less, as zones differ."""

START_NAMES_LOG = timedelta(minutes=5)
"""The date in the path that a start-up line names was taken up to this long before the line: start-ups of half a
minute were captured."""

LOCK_BYTES = 64 << 10
"""A gateway's lock file is read up to here; the product writes about 300 bytes and two paths (formats.md, locks)."""

LOCK_WRITTEN_WITHIN = timedelta(minutes=1)
"""A lock that cannot be read is being written, or was left unfinished when it is older than this; gateways themselves
give up on one after 30 seconds (2026.4.15 to 2026.9.6)."""

PORT_ANSWERS_WITHIN = timedelta(milliseconds=500)
"""A gateway on the same machine takes a connection within this time: its system does so for it, however busy it is."""

PASTE_LINES = 20_000
"""A log of up to so many lines may be a paste, in which broken lines are put together again; gateways break none."""

TIMEOUT_ERROR = "cron: job execution timed out"
"""A run with this error, alone or followed by ``(last phase: …)``, is recorded as ``timed_out`` (formats.md §1.4)."""

CITED_LINES = 200
"""How many lines of a restart each row that it explains cites, half from its beginning, half from its end. A gateway
that is stopped again and again may have thousands of them; the ledger of restarts lists every one, once."""

BASELINE_TEXT_BYTES = 64 << 20
"""A baseline is read up to here: about 300,000 known findings, more than any registry captured has rows."""

ANNOTATIONS_PER_KIND = 10
"""GitHub shows so many errors, so many warnings and so many notices of one step, and drops the rest in silence."""

ANNOTATION_TEXT = 16_000
"""Characters of an annotation: GitHub takes 64 KB, and a character takes four bytes at most."""

ANNOTATION_TITLE = 255
"""Characters of the title of an annotation, of which GitHub takes no more."""

SARIF_RESULTS = 20_000
"""Results of a SARIF file. GitHub refuses one of more than 25,000 a run, or of more than 10 MB compressed, which 20,000
of usual size stay below (400 bytes each).
"""

SARIF_RESULTS_SHOWN = 5_000
"""GitHub shows so many results of a run, the most severe first, and drops the rest in silence."""

SUMMARY_BYTES = 1 << 20
"""GitHub refuses the summary of a step that is larger."""

SUMMARY_ROWS = 400
"""Rows of a step summary, or as many as fit: a row mostly takes 0.4 KB, one of the longest texts 5 KB."""

SUMMARY_TEXT = 180
"""Characters of one reason in a step summary; the annotation has all of it."""

LONGEST_VALUE_BYTES = 64 << 20
"""One value, row or statement of a dump that is longer than this is damage or a trap, and is not read; the longest
summaries captured have a few hundred kilobytes."""

LARGEST_JOURNAL_BYTES = 128 << 20
"""A journal of a fix-up that is larger than this is damage or a trap, and is not read: it would hold the corrections of
some ten thousand rows with the longest prompts."""

RESTORE_STEPS = 20_000_000
"""Steps of SQLite's machine that one statement of a dump may take; an INSERT of one row takes a few dozen."""

RESTORE_GROWTH = 8
"""A restored dump may become this many times as large as its text: numbers are stored shorter than they are printed,
pages are half full at worst. What grows more is a trap."""

DOCUMENTS_TRIED = 20
"""So many lines that open like JSON may turn out to be none before a file is given up: command lines print a few
warnings before their answer (formats.md §2.2), and each trial may read to the end of the file."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Tolerances of the correlator; time spans, never clock times, and one count of lines."""

    derived_start_tolerance: timedelta = timedelta(seconds=1)
    """A record without a start: ``finished_at - duration`` may miss the row's start by this much. Residuals of
    2 to 9 ms were published (cases.md §2.4), 26 s under load: then the pairing is not made. Design §6, strong."""

    reservation_lead_max: timedelta = timedelta(minutes=30)
    """How far the reservation of a run may lie before its start; 232 s was captured, minutes are possible when jobs
    queue behind each other (formats.md §3.2). Design §6, strong."""

    usual_lead: timedelta = timedelta(seconds=10)
    """How far a reservation that nothing tells lies before the start, mostly: 0 ms to 9.2 s were seen (observed.md)."""

    marker_tolerance: timedelta = timedelta(milliseconds=50)
    """A start-up marker this close before a row's start names that very run; 0 to 19 ms were seen (observed.md §A)."""

    near_miss: timedelta = timedelta(seconds=1)
    """A record this close to a row's start that fits no other row is probably its own: 3 ms was seen (#96161)."""

    longest_run: timedelta = timedelta(hours=2)
    """A run without a job timeout is given up after this long: the gateway clears stuck markers after 2 h
    (formats.md §5, ``cron: clearing stuck running marker``)."""

    timeout_overrun: timedelta = timedelta(minutes=1)
    """A timed-out run ends this much later than its timeout at most; 7.5 s was captured (2026.5.7/no-restart)."""

    batch_start_spread: timedelta = timedelta(seconds=1)
    """Timer runs that start this close together belong to one batch when no reservation says so; 5 ms was captured
    for four runs (2026.4.15/no-restart), 19 ms between reservation and start."""

    abort_after_ready: timedelta = timedelta(seconds=10)
    """A run aborted by a restart ends up to this long after ready; 0.02 to 1.9 s were captured. Design §6."""

    quiet_log: timedelta = timedelta(hours=1)
    """Where the names of two file logs leave a day out, nothing is missing if they follow each other within this time:
    heartbeats are logged every half hour (cases.md §2.6: ``intervalMs`` 1,800,000)."""

    clock_jitter: timedelta = timedelta(seconds=1)
    """Moments that must come in one order may miss it by this much before a clock is said to be off; 0.15 s was
    captured between a start-up line and the record it announces (2026.9.6/restarts)."""

    record_after_marker: timedelta = timedelta(minutes=1)
    """The record of an interrupted run is written this long after the line that says so, at most; 6.6 s was captured
    (2026.6.11/restarts)."""

    clock_step: timedelta = CLOCK_STEP
    """A clock that is off by more than this, and nobody knows by how much, puts nothing in order."""

    instant_ok: timedelta = timedelta(milliseconds=50)
    """An ``ok`` this short was recorded when the work was enqueued, not when it was done (#63106 proposes 50 ms)."""

    instant_ok_active: timedelta = timedelta(minutes=1)
    """An instant ``ok`` is doubted only for a row that was active for at least this long (cases.md T3)."""

    mark_before_down: timedelta = timedelta(seconds=5)
    """A lost mark this long before a seen stop still belongs to that restart. Design §6, cause."""

    mark_before_start: timedelta = timedelta(seconds=60)
    """Where no stop line was seen the mark may lie this long before the start line; the founding case was marked
    13 s before the first visible one (#68191). Design §6, cause."""

    stand_in_grace: timedelta = timedelta(minutes=15)
    """The schedule unknown, a run this soon after ready is a stand-in if the job usually rests twice as long."""

    spacing_jitter: timedelta = timedelta(minutes=1)
    """Runs rest this much longer than their schedule says, now and then: they start late by a queue's length."""

    in_step: timedelta = timedelta(milliseconds=500)
    """The schedule unknown, a run that begins this close to the second of the minute of the run before is regular: 0 to
    19 ms were seen between slot and start (observed.md §A), one catch-up in sixty falls there by chance."""

    same_event: timedelta = timedelta(seconds=2)
    """The same message from two sources within this time is one event; up to 0.1 s was seen (design §5)."""

    acted_after_signal: timedelta = timedelta(seconds=5)
    """``signal X received`` belongs to ``received X; …`` when it comes this shortly before; 2 to 8 ms were captured,
    while the deferred first signal lies 8 or 300 s before (observed.md §B4)."""

    refused_start: timedelta = timedelta(minutes=2)
    """A start sequence that ends in "already running" within this time is a second process that failed to start;
    starts of half a minute were captured on a loaded host, the lock is waited for 5 s (formats.md §5)."""

    reason_before_down: timedelta = timedelta(minutes=15)
    """A restart reason is told with a window when logged this long before it; deferrals of 300 s are the default."""

    longest_drain: timedelta = timedelta(minutes=15)
    """Runs may begin and end while a gateway waits for active work: 315 s by default (observed.md §B3), half a minute
    between two lines about it. A gateway whose runs go on for longer has not gone down."""

    boot_near_log: timedelta = timedelta(seconds=10)
    """A boot row may end this long before or after what the log tells of the same end; 1.7 s after the last line of the
    shutdown and 2 s before the next start were captured (observed.md §B4)."""

    born_before_start: timedelta = timedelta(seconds=30)
    """A process is born this long before its first line; half a minute is what a start takes on a loaded host."""

    in_process_gap: timedelta = timedelta(minutes=1)
    """A boot that follows a planned restart of the same process within this time is that process; 0.09 and 0.6 s were
    captured (2026.7.35/restarts, 2026.9.6/restarts). Later, the number may have been given out again."""

    largest_container_pid: int = 10
    """A process number this small is that of a container's main process, which is the same after every start
    (cases.md T15: 1 or 7)."""

    run_log_keep_lines: int = 2000
    """A run log is pruned to this many lines, so one with fewer was never pruned (formats.md §3.1)."""

    catch_up_span: timedelta = timedelta(hours=2)
    """A start-up catch-up begins this long after ready at most: up to five run one after another, for 11 to 14 minutes
    as captured (2026.4.15), for as long as one run may take where they are slow (cases.md C4)."""

    zone_error: timedelta = timedelta(hours=26)
    """Two zones differ by this much at most (UTC-12 and UTC+14): so far off may a stamp of an assumed zone be."""

    retention: timedelta = timedelta(days=7)
    """Corrected rows are kept this long after their end, as the gateway keeps finished rows (formats.md §1.4)."""

    stale_queued: timedelta = timedelta(minutes=10)
    """``openclaw tasks audit`` reports a queued row after this long (formats.md §2.2)."""

    stale_running: timedelta = timedelta(minutes=30)
    """``openclaw tasks audit`` reports a running row after this long (formats.md §2.2)."""

    def as_text(self) -> dict[str, str]:
        """Give every setting by name, durations as seconds, for report headers.

        >>> Policy().as_text()["near_miss"]
        '1s'
        """
        return {name: _as_text(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Limits:
    """What unpacking may cost. All of it is counted while it happens; what a header claims is never trusted."""

    total_bytes: int = 128 << 30
    """All that is unpacked in one go: a log of 10 GB is promised to be read (design §9), and a week of them fits."""

    member_bytes: int = 32 << 30
    """One file: file logs end at 500 MB (formats.md §4.1), service logs have no limit of their own."""

    ratio: int = 300
    """How many times its packed size a container may grow. Captured logs grew 18 (gzip) to 33 times (xz);
    deflate ends at 1,032."""

    ratio_from_bytes: int = 256 << 20
    """Below this size growth harms nobody, and small files of one repeated line may grow more."""

    members: int = 200_000
    """Files, folders and refused entries of one container; a whole state directory with its workspace has fewer."""

    name_bytes: int = 1 << 20
    """One extended name or attribute block; file systems end at 4,096 bytes a path."""

    directory_bytes: int = 128 << 20
    """The table of contents of a zip file, which is read at once: about 700 bytes for each of ``members``."""

    folders: int = 100
    """Folders within folders; run logs lie three deep in a state directory, and file systems end at about 2,000."""

    depth: int = 4
    """Containers within containers: a log.gz in a tar.gz in a zip that came as a .gz."""

    window_log: int = 27
    """Memory of one Zstandard stream, as a power of two: 128 MiB, the limit of ``zstd`` itself."""

    xz_bytes: int = 128 << 20
    """Memory of one xz stream; ``xz -9`` needs 65 MiB."""


def _as_text(value: timedelta | int) -> str:
    return f"{value.total_seconds():g}s" if isinstance(value, timedelta) else str(value)
