"""The closed vocabularies of the tool. Every value is the word that reports, JSON and code share."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What really happened to a lost row (design: table of verdicts)."""

    FALSE_LOST = "false_lost"
    FAILED = "failed"
    REPLAYED = "replayed"
    INTERRUPTED = "interrupted"
    UNEXPLAINED = "unexplained"
    UNDETERMINED = "undetermined"
    NOT_APPLICABLE = "not_applicable"


class Cause(StrEnum):
    """Why the sweep marked the row."""

    PROJECTION = "projection"
    RESTART = "restart"
    CATCH_UP = "catch_up"
    MANUAL_RUN = "manual_run"
    NO_RESTART = "no_restart"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How firmly a verdict is proven; withheld rows have none."""

    EXACT = "exact"
    STRONG = "strong"
    WEAK = "weak"


class Severity(StrEnum):
    """How much a finding matters to the operator."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


SEVERITY_OF: dict[Verdict, Severity] = {
    Verdict.FALSE_LOST: Severity.NONE,
    Verdict.FAILED: Severity.LOW,
    Verdict.REPLAYED: Severity.LOW,
    Verdict.INTERRUPTED: Severity.HIGH,
    Verdict.UNEXPLAINED: Severity.HIGH,
    Verdict.UNDETERMINED: Severity.MEDIUM,
    Verdict.NOT_APPLICABLE: Severity.NONE,
}

CORRECTED_BY_DEFAULT = (Verdict.FALSE_LOST, Verdict.FAILED, Verdict.REPLAYED)
"""Verdicts that carry corrected values in every report."""

FAIL_ON_BY_DEFAULT = (Verdict.INTERRUPTED, Verdict.UNEXPLAINED, Verdict.UNDETERMINED)
"""Verdicts for which ``check`` fails unless told otherwise."""


class Reason(StrEnum):
    """Short codes behind a verdict; ``forensics.writers.wording`` says each in a sentence."""

    OWN_RECORD = "own_record"
    DERIVED_START = "derived_start"
    COARSE_TIME = "coarse_time"
    RESERVATION = "reservation"
    ONLY_RECORD = "only_record"
    TWO_RECORDS = "two_records"
    LEDGER_WARNING = "ledger_warning"
    JOB_STATE = "job_state"
    ABORTED_OK = "aborted_ok"
    MAYBE_ABORTED = "maybe_aborted"
    INSTANT_OK = "instant_ok"
    INTERRUPTED_RECORD = "interrupted_record"
    PROCESS_REPLACED = "process_replaced"
    TIME_PASSED = "time_passed"
    MARKER = "marker"
    OPEN_RECEIPT = "open_receipt"
    STAND_IN = "stand_in"
    STAND_IN_TAKEN = "stand_in_taken"
    NEXT_RUN_OK = "next_run_ok"
    MAY_STILL_RUN = "may_still_run"
    BATCH_OPEN = "batch_open"
    START_MISMATCH = "start_mismatch"
    CONFLICT = "conflict"
    AMBIGUOUS_ROWS = "ambiguous_rows"
    CRASH_UNDATED = "crash_undated"
    CLOCK_OFF = "clock_off"
    PROCESS_KEPT = "process_kept"
    NO_START = "no_start"
    ZONE_ASSUMED = "zone_assumed"
    NO_STATUS = "no_status"
    RUN_LOG_ABSENT = "run_log_absent"
    RUN_LOG_MISSING = "run_log_missing"
    RUN_LOG_PRUNED = "run_log_pruned"
    RUN_LOG_DAMAGED = "run_log_damaged"
    GATEWAY_LOG_ABSENT = "gateway_log_absent"
    GATEWAY_LOG_GAP = "gateway_log_gap"
    NO_RECORD = "no_record"
    NO_DEATH = "no_death"
    NOT_CRON = "not_cron"
    OTHER_ERROR = "other_error"


class TaskStatus(StrEnum):
    """Status of a task row as the gateway writes it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"


class TimeOrder(StrEnum):
    """How the times of a row are out of order, the gravest first; the last is how early releases write."""

    ACTIVE_ENDED = "active_ended"
    END_BEFORE_START = "end_before_start"
    START_LONG_BEFORE_CREATION = "start_long_before_creation"
    START_BEFORE_CREATION = "start_before_creation"


class Origin(StrEnum):
    """Where a run record was read."""

    RUN_LOG = "run_log"
    RUN_TABLE = "run_table"
    RUN_PAGE = "run_page"
    TASK_DETAIL = "task_detail"
    RECEIPT = "receipt"
    JOB_STATE = "job_state"
    LEDGER_WARNING = "ledger_warning"


class SourceKind(StrEnum):
    """What a file was recognised as."""

    TASK_REGISTRY = "task_registry"
    TASK_REGISTRY_WAL = "task_registry_wal"
    TASK_EXPORT = "task_export"
    CRON_RUN_LOG = "cron_run_log"
    JOB_STORE = "job_store"
    JOB_STATE = "job_state"
    JOB_LIST = "job_list"
    CRON_RUN_PAGE = "cron_run_page"
    GATEWAY_LOG = "gateway_log"
    GATEWAY_CONSOLE = "gateway_console"
    RESTART_RECORD = "restart_record"
    FIX_JOURNAL = "fix_journal"
    OTHER = "other"
    UNKNOWN = "unknown"
    DAMAGED = "damaged"


class LifecycleKind(StrEnum):
    """What one gateway log line says about the gateway process (formats.md §5)."""

    SIGNAL_RECEIVED = "signal_received"
    SIGNAL_ACTED = "signal_acted"
    SIGNAL_IGNORED = "signal_ignored"
    ADMISSION_CLOSED = "admission_closed"
    DRAIN_STARTED = "drain_started"
    DRAIN_BLOCKED = "drain_blocked"
    DRAIN_TIMEOUT = "drain_timeout"
    DRAINED = "drained"
    SHUTDOWN_STARTED = "shutdown_started"
    SHUTDOWN_COMPLETED = "shutdown_completed"
    SHUTDOWN_FAILED = "shutdown_failed"
    MODE_IN_PROCESS = "mode_in_process"
    MODE_FULL = "mode_full"
    MODE_SUPERVISED = "mode_supervised"
    PROCESS_START = "process_start"
    STARTING = "starting"
    HTTP_STARTING = "http_starting"
    HTTP_LISTENING = "http_listening"
    READY = "ready"
    START_REFUSED = "start_refused"
    START_FAILED = "start_failed"
    CRASH = "crash"
    RESTART_REASON = "restart_reason"
    RESTART_DEFERRED = "restart_deferred"
    CRON_STARTED = "cron_started"
    CRON_DISABLED = "cron_disabled"
    MARKER_CLEARED = "marker_cleared"
    MARKER_INTERRUPTED = "marker_interrupted"
    MISSED_JOB = "missed_job"
    DEFERRED_JOB = "deferred_job"
    LEDGER_UPDATE_FAILED = "ledger_update_failed"
    RUN_LOG_APPEND_FAILED = "run_log_append_failed"
    LOG_CAPPED = "log_capped"
    LAST_LINE = "last_line"
    RECEIPT_OPEN = "receipt_open"
    BOOT_STARTED = "boot_started"
    BOOT_ENDED = "boot_ended"
    PROCESS_BORN = "process_born"
    LOCK_TAKEN = "lock_taken"
    FATAL = "fatal"
    SERVICE_STOPPING = "service_stopping"
    SERVICE_STOPPED = "service_stopped"
    SERVICE_EXITED = "service_exited"
    SERVICE_STARTED = "service_started"
    SERVICE_RESTART = "service_restart"


class FactKind(StrEnum):
    """What a line of the timeline tells; facts of one moment are told in this order."""

    LIFECYCLE = "lifecycle"
    RESTART_DOWN = "restart_down"
    RESTART_UP = "restart_up"
    RESTART_READY = "restart_ready"
    TASK_CREATED = "task_created"
    TASK_STARTED = "task_started"
    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    RUN_RECORDED = "run_recorded"
    TASK_ENDED = "task_ended"
    TASK_LOST = "task_lost"
    VERDICT = "verdict"
    CHANGE_PREPARED = "change_prepared"
    TASK_CORRECTED = "task_corrected"
    TASK_RESTORED = "task_restored"


MARKERS = (LifecycleKind.MARKER_CLEARED.value, LifecycleKind.MARKER_INTERRUPTED.value)
"""The start-up lines that name a job and the start of its run."""


class WindowKind(StrEnum):
    """How a restart window came about."""

    SIGNAL = "signal"
    IN_PROCESS = "in_process"
    SUPERVISED = "supervised"
    CRASH = "crash"
    START = "start"


NO_STOP_SEEN = (WindowKind.CRASH.value, WindowKind.START.value)
"""Windows that no stop line opens: when the process went down is known only from both sides."""


class ProcessFate(StrEnum):
    """What became of the process that went down."""

    REPLACED = "replaced"
    KEPT = "kept"
    UNKNOWN = "unknown"


class EvidenceRole(StrEnum):
    """What a cited line is cited for."""

    START = "start"
    LOST_MARK = "lost_mark"
    FINISH = "finish"
    RESTART = "restart"
    MARKER = "marker"
    CATCH_UP = "catch_up"
    STAND_IN = "stand_in"
    NEAR_MISS = "near_miss"
    COVERAGE = "coverage"


POSSIBLE_END = "latest possible end of the run"
"""How the fact begins that says until when a run without a record of its end could have gone on."""
