"""What may be said in public: the words, keys and values that every gateway has. All else is replaced.

Source: formats.md §1.3 (columns and their values), §3 (run records, job stores), §5 (messages).
"""

from __future__ import annotations

import re

from forensics.model.verdicts import SourceKind
from forensics.parsers.lifecycle_messages import MESSAGES, NEEDLES


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


TEXTS = (
    "backing session missing",
    "cron: job interrupted by gateway restart",
    "cron: job execution timed out",
    "cron: isolated agent setup timed out before runner start",
)
"""Errors by which runs are judged. They stay, what is written around them does not."""

SIGNALS = ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGABRT", "SIGBREAK")

ENUMS = frozenset(
    _split("""
    subagent acp cli cron automation_run queued running succeeded failed timed_out cancelled lost pending
    delivered session_queued parent_missing not_applicable done_only state_changes silent blocked session system
    ok error skipped interrupted superseded finished not-delivered unknown not-requested cron-run every at
    systemEvent agentTurn command main isolated current now next-heartbeat heartbeat restart update config-apply
    config-patch gateway-restart gateway-supervisor-restart-handoff clean_stop planned_restart forced_stop
    startup_failed safe_mode_stable startup_failure_repaired primary startup-migrations announce none warn info
    debug trace fatal task task_flow stale_queued stale_running delivery_failed missing_cleanup
    inconsistent_timestamps preview apply meta log raw stdout stderr full-process in-process systemd launchd
    external SIGTERM SIGINT SIGUSR1 SIGHUP TRACE DEBUG INFO WARN ERROR FATAL global
""")
)

ENUM_KEYS = frozenset(
    _split("""
    runtime status delivery_status deliveryStatus notify_policy notifyPolicy scope_kind scopeKind task_kind
    taskKind terminal_outcome terminalOutcome action kind completionStatus lastRunStatus lastStatus
    last_run_status last_status lastDeliveryStatus sessionTarget session_target wakeMode wake_mode payload_kind
    schedule_kind outcome meta_key role severity code mode level type stream logLevelName restartKind
    restart_kind source supervisorMode supervisor_mode jobStatus signal last_delivery_status delivery_mode
""")
)

KEYS = frozenset(
    _split("""
    taskId taskKind sourceId requesterSessionKey ownerKey scopeKind childSessionKey parentFlowId parentTaskId
    agentId runId label task runtime status deliveryStatus notifyPolicy createdAt startedAt endedAt lastEventAt
    cleanupAfter error progressSummary terminalSummary terminalOutcome detail count tasks filters findings
    summary severity code kind token ageMs total warnings errors byCode taskFlows combined filteredCount
    displayed limit ts jobId action delivered deliveryError delivery sessionId sessionKey runAtMs durationMs
    nextRunAtMs usage diagnostics entries model provider input_tokens output_tokens total_tokens
    cache_read_tokens cache_write_tokens version jobs id name description enabled deleteAfterRun createdAtMs
    updatedAtMs schedule expr tz staggerMs everyMs anchorMs at sessionTarget wakeMode payload text message
    timeoutSeconds failureAlert state runningAtMs lastRunAtMs lastRunStatus lastStatus lastError lastErrorReason
    lastDurationMs consecutiveErrors consecutiveSkipped lastDelivered lastDeliveryStatus scheduleErrorCount
    scheduleIdentity offset hasMore nextOffset deliveryPreviews storeKey storePath completionStatus errorReason
    subsystem module time date _meta logLevelId logLevelName runtimeVersion jobIds delayMs nextWakeAtMs
    jobStatus level type file cursor size raw stats reason before after steps restartReason pid intentId
    expiresAt source restartKind supervisorMode port startTime configPath generatedAt process uptimeMs platform
    arch node host hostname snapshot capacity dropped firstSeq lastSeq events log stream attrs MESSAGE PRIORITY
    SYSLOG_IDENTIFIER _PID __REALTIME_TIMESTAMP maxFileBytes immediateCount deferredCount totalMissed operation
    jobName timeoutMs clamped nextAt mode force waitMs doctorHint stale_queued stale_running lost
    delivery_failed missing_cleanup inconsistent_timestamps restore_failed stale_waiting stale_blocked
    cancel_stuck missing_linked_tasks blocked_task_missing flow flows triggerFired intervalMs job
""")
)

NUMBERS = frozenset(
    _split("""
    ts pid count total limit offset nextOffset version schema_version seq job_seq enabled jobs errors warnings
    displayed filteredCount logLevelId consecutiveErrors consecutiveSkipped scheduleErrorCount delivered
    last_delivered immediateCount deferredCount totalMissed input_tokens output_tokens total_tokens
    cache_read_tokens cache_write_tokens port size cursor owner_start_time startTime uptimeMs timeoutSeconds
    kind tool_use_count config_revision user_version sort_order delete_after_run execution_owner_pid lost
    stale_queued stale_running delivery_failed missing_cleanup inconsistent_timestamps cleanup_after
    consecutive_errors __REALTIME_TIMESTAMP
""")
)
NUMBER_ENDINGS = ("_at", "At", "_ms", "Ms", "After", "_after", "_pid", "Pid", "Seconds", "_seconds")

FOLDERS = frozenset(
    _split("""
    tasks cron runs state logs tmp exports snap stability
""")
)
FILES = re.compile(
    r"(?:runs|openclaw)\.sqlite(?:\.migrated|\.bak)?|jobs(?:-state)?\.json(?:\.bak|\.migrated)?"
    r"|openclaw-\d{4}-\d\d-\d\d(?:\.\d+)?\.log(?:\.\d+)?|gateway(?:\.err|-restart)?(?:\.\d+)?\.log(?:\.\d+)?"
    r"|restart-sentinel\.json|gateway-restart-intent\.json|gateway-supervisor-restart-handoff\.json"
)

_MORE = """
    ms sec utc gmt jan feb mar apr may jun jul aug sep oct nov dec mon tue wed thu fri sat sun node openclaw-gateway ai
    text key folder file path line word id job place bundle json jsonl log sqlite bak migrated wal shm db
    subsystem module infra sqlite state logging plugins plugin pid ws wss taskid runid label title runtime status
    clean stop startup lock timeout after still active supervisor spawned task run runs shutdown cleanly completed
    console output manifest format create table primary not null text integer blob real default check strict unique
    rowid without autoincrement foreign references on delete cascade collate nocase indexed sqlite_schema in
    true false kept replaced tool forensics schema host collected_at places files missing left_out originals
    origin sha256 bytes manual startup copy files that are evidence cannot be read form bundled of other jobs
    modified_at version sqlite_sequence and or is case when then else end between json_valid json_type typeof
"""


def _letters(texts: object) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Za-z]+", str(texts))}


MESSAGE_WORDS = frozenset(
    {word for message in MESSAGES for word in _letters(re.sub(r"\\.|\?P<\w+>", " ", message.pattern.pattern))}
    | {word for needle in NEEDLES for word in _letters(needle)}
    | {word for message in MESSAGES for binding in message.bindings for word in _letters(binding)}
    | _letters(TEXTS)
    | _letters(sorted(ENUMS))
    | _letters(_MORE)
)
"""The words that may stay within a message; lower case."""

SQLITE_WORDS = frozenset(("sqlite", "format", "table", "create"))

COLUMNS: dict[str, tuple[str, ...]] = {
    "schema_meta": ("meta_key", "role", "schema_version", "app_version", "created_at", "updated_at"),
    "task_runs": _split("""
    task_id runtime task_kind source_id requester_session_key owner_key scope_kind child_session_key
    parent_flow_id parent_task_id agent_id requester_agent_id run_id label task status delivery_status
    notify_policy created_at started_at ended_at last_event_at cleanup_after error progress_summary
    terminal_summary terminal_outcome detail_json execution_owner_host execution_owner_pid
    execution_owner_start_identity tool_use_count last_tool_name
"""),
    "cron_run_logs": _split("""
    store_key job_id seq ts status error summary diagnostics_summary delivery_status delivery_error delivered
    session_id session_key run_id run_at_ms duration_ms next_run_at_ms model provider total_tokens entry_json
    created_at
"""),
    "cron_run_receipts": _split("""
    receipt_id store_key job_id agent_id request_run_id status owner_pid owner_start_time started_at_ms
    finished_at_ms error_text
"""),
    "cron_jobs": _split("""
    store_key job_id name enabled created_at_ms agent_id schedule_kind schedule_expr schedule_tz every_ms
    anchor_ms at stagger_ms session_target wake_mode payload_kind payload_timeout_seconds next_run_at_ms
    running_at_ms last_run_at_ms last_run_status last_error last_duration_ms job_json state_json
    runtime_updated_at_ms sort_order updated_at
"""),
    "gateway_boot_lifecycle": _split("""
    boot_id pid started_at_ms completed_at_ms outcome startup_reason reason
"""),
    "gateway_restart_sentinel": ("kind", "status", "ts", "message"),
    "gateway_restart_intent": ("kind", "pid", "created_at", "reason"),
    "gateway_restart_handoff": ("pid", "created_at", "reason", "source", "restart_kind", "supervisor_mode"),
}
"""The columns that a bundle holds of a registry, by table."""

ALLOWED = frozenset(
    MESSAGE_WORDS
    | _letters(sorted(KEYS | ENUM_KEYS | NUMBERS | FOLDERS))
    | _letters(sorted(COLUMNS.items()))
    | {"sha256", *map(str.lower, SIGNALS)}
    | _letters([kind.value for kind in SourceKind])
)
"""Every word that may stand anywhere in a bundle; lower case."""
