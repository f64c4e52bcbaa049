-- fix.sql for samples/every-verdict/state/tasks/runs.sqlite: 5 rows
-- made by forensics VERSION from evidence up to 2026-04-20 20:00:00.000 UTC
--
-- Before: stop the gateway (it holds the registry in memory and writes whole rows), then back up:
--   sqlite3 runs.sqlite "VACUUM INTO 'backup.sqlite'"
-- Run:    sqlite3 -bail runs.sqlite < fix.sql
-- Undo:   sqlite3 -bail runs.sqlite < undo.sql
-- It changes all rows or none, says which, and may be run again: then it changes nothing.
--
-- Rows: false_lost, failed, replayed; proven strong or exact
-- Kept: the gateway deletes the first of these rows after 2026-04-27 07:09:00.000 UTC; --keep DAYS keeps them longer
-- Rehearsed on a private copy: 5 of 13 rows changed, to exactly the planned values; 1 other table unchanged;
--   integrity ok, no violated foreign keys; a second run changed nothing; undo.sql restored everything, twice.
--
-- Inputs (SHA-256):
--   0c674e28fec807f6955f75641a9ca1b085525d0550c6164c035cf8867f18fdae  samples/every-verdict/logs/openclaw-2026-04-20.log
--   1bd8b4d7f376af78962e6465cdffdf61c07821bb50e15a44885538b9ce00d5ae  samples/every-verdict/state/cron/jobs.json
--   3a29618cb9e49ad2170ff29a387b0cc3d168edf769e17857f8bb9a4be4978604  samples/every-verdict/state/cron/runs/1b60d028-9f15-49f0-835a-6766f314c6a9.jsonl
--   71265ceffabd3ef132d15b03b82ac25f817bd626a2caebb76499a9c5cde31462  samples/every-verdict/state/cron/runs/40c398f7-791b-4fb1-9acc-10ed4114ca88.jsonl
--   6c74c6c2217f7d116515b53acbbd2ddbf0fcd88e7d4d2a9630f64abc7e6d1ae8  samples/every-verdict/state/cron/runs/861e28a5-7ff0-418d-bc0e-2d92089b5239.jsonl
--   82b51581192baac5e0e0e8202c76d17112d0c35b450e3e03e20e9a7da2b71dc5  samples/every-verdict/state/cron/runs/b208bc64-65b8-45d7-9856-833655225afe.jsonl
--   20aac631155ac0ac54594a4c8f4f4b2d79c72ba1fadb48c528167fd2d348d7de  samples/every-verdict/state/cron/runs/b6d1215a-eb7b-4884-b586-423c79069b62.jsonl
--   9e569ce053d9e21bc68cfb29e722ada2fdba13e059d6b3281a9d331e41aeac96  samples/every-verdict/state/cron/runs/bba5ed4c-d06a-45f9-ba19-932477a1b8e6.jsonl
--   df291a4b937adee3f5c434a64011cb96340e5e407ca2bd1153d15362cf287e2e  samples/every-verdict/state/cron/runs/c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07.jsonl
--   3b02d75f81a1123290bcc501d25b5e8cb3f35e4e17e786d82cd077e626f31a6c  samples/every-verdict/state/tasks/runs.sqlite
--   974781972a5855657309241dceb83a0d9da367e4a64bfc1b7109885e4deaadae  samples/every-verdict/tasks-list.json
-- Policy: derived_start_tolerance=1s, reservation_lead_max=1800s, usual_lead=10s, marker_tolerance=0.05s, near_miss=1s, longest_run=7200s, timeout_overrun=60s, batch_start_spread=1s, abort_after_ready=10s, quiet_log=3600s, clock_jitter=1s, record_after_marker=60s, clock_step=5s, instant_ok=0.05s, instant_ok_active=60s, mark_before_down=5s, mark_before_start=60s, stand_in_grace=900s, spacing_jitter=60s, in_step=0.5s, same_event=2s, acted_after_signal=5s, refused_start=120s, reason_before_down=900s, longest_drain=900s, boot_near_log=10s, born_before_start=30s, in_process_gap=60s, largest_container_pid=10, run_log_keep_lines=2000, catch_up_span=7200s, zone_error=93600s, retention=604800s, stale_queued=600s, stale_running=1800s

DROP VIEW IF EXISTS temp.forensics_now;
DROP TABLE IF EXISTS temp.forensics_plan;
DROP TABLE IF EXISTS temp.forensics_check;
DROP TABLE IF EXISTS temp.forensics_result;
BEGIN IMMEDIATE;
-- columns without a type keep every value exactly as it is written here
CREATE TEMP TABLE forensics_plan (
  task_id, runtime, task_kind, source_id, child_session_key, parent_flow_id, parent_task_id, agent_id, run_id, label, task, delivery_status, notify_policy, created_at, started_at, progress_summary, terminal_outcome, old_status, old_ended_at, old_last_event_at, old_error, old_terminal_summary, old_cleanup_after, new_status, new_ended_at, new_last_event_at, new_error, new_terminal_summary, new_cleanup_after,
  PRIMARY KEY (task_id));

-- job manual-report, run of 2026-04-20 07:00:00.003, marked lost 2026-04-20 07:05:30.000 UTC
-- false_lost (exact): its own record says so (samples/every-verdict/state/cron/runs/861e28a5-7ff0-418d-bc0e-2d92089b5239.jsonl:1)
INSERT INTO temp.forensics_plan VALUES (
  'c6d40f55-c45d-460e-aee6-8a694b81827d', 'cron', NULL, '861e28a5-7ff0-418d-bc0e-2d92089b5239', NULL, NULL, NULL, NULL, 'cron:861e28a5-7ff0-418d-bc0e-2d92089b5239:1776668400003', 'manual-report', 'manual-report', 'not_applicable', 'silent', 1776668400003, 1776668400003, NULL, NULL,
  'lost', 1776668730000, 1776668730000, 'backing session missing', NULL, 1777273530000,
  'succeeded', 1776668940000, 1776668940000, NULL, 'report sent', 1777273740000);

-- job flaky-sync, run of 2026-04-20 07:30:00.011, marked lost 2026-04-20 07:35:30.000 UTC
-- failed (exact): its own record says so (samples/every-verdict/state/cron/runs/1b60d028-9f15-49f0-835a-6766f314c6a9.jsonl:1)
INSERT INTO temp.forensics_plan VALUES (
  'bf0e2f55-43b0-498f-a8b1-b8cc672a7f35', 'cron', NULL, '1b60d028-9f15-49f0-835a-6766f314c6a9', NULL, NULL, NULL, NULL, 'cron:1b60d028-9f15-49f0-835a-6766f314c6a9:1776670200011', 'flaky-sync', 'flaky-sync', 'not_applicable', 'silent', 1776670200011, 1776670200011, NULL, NULL,
  'lost', 1776670530000, 1776670530000, 'backing session missing', NULL, 1777275330000,
  'failed', 1776670860000, 1776670860000, 'FailoverError: LLM request failed', NULL, 1777275660000);

-- job ledger-locked, run of 2026-04-20 09:50:00.013, marked lost 2026-04-20 10:05:05.000 UTC
-- false_lost (exact): its own record says so (samples/every-verdict/state/cron/runs/c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07.jsonl:1)
INSERT INTO temp.forensics_plan VALUES (
  'e3297ecf-924b-4bd7-a336-7a05406a569e', 'cron', NULL, 'c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07', NULL, NULL, NULL, NULL, 'cron:c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07:1776678600013', 'ledger-locked', 'ledger-locked', 'not_applicable', 'silent', 1776678600013, 1776678600013, NULL, NULL,
  'lost', 1776679505000, 1776679505000, 'backing session missing', NULL, 1777284305000,
  'succeeded', 1776678720000, 1776678720000, NULL, 'all posted to the channel', 1777284305000);

-- job hourly-mail, run of 2026-04-20 09:59:30.004, marked lost 2026-04-20 10:05:05.000 UTC
-- replayed (exact): no record of it; the process that ran it was replaced before it could end; the next start-up names it as in flight (samples/every-verdict/logs/openclaw-2026-04-20.log:16); a later run stood in for it (samples/every-verdict/state/cron/runs/bba5ed4c-d06a-45f9-ba19-932477a1b8e6.jsonl:1)
INSERT INTO temp.forensics_plan VALUES (
  '4ead835f-cc7d-4008-8eb2-f8cfcf6ce37f', 'cron', NULL, 'bba5ed4c-d06a-45f9-ba19-932477a1b8e6', NULL, NULL, NULL, NULL, 'cron:bba5ed4c-d06a-45f9-ba19-932477a1b8e6:1776679170004', 'hourly-mail', 'hourly-mail', 'not_applicable', 'silent', 1776679170004, 1776679170004, NULL, NULL,
  'lost', 1776679505000, 1776679505000, 'backing session missing', NULL, 1777284305000,
  'failed', 1776679220000, 1776679220000, 'cron: job interrupted by gateway restart', 'Interrupted by a gateway restart; the run of 2026-04-20T10:00:42.015Z did its work.', 1777284305000);

-- job slow-catch-up, run of 2026-04-20 10:00:47.020, marked lost 2026-04-20 10:06:05.000 UTC
-- false_lost (exact): its own record says so (samples/every-verdict/state/cron/runs/b6d1215a-eb7b-4884-b586-423c79069b62.jsonl:1)
INSERT INTO temp.forensics_plan VALUES (
  '3028e314-4404-4d06-aa9e-a710a649179e', 'cron', NULL, 'b6d1215a-eb7b-4884-b586-423c79069b62', NULL, NULL, NULL, NULL, 'cron:b6d1215a-eb7b-4884-b586-423c79069b62:1776679247020', 'slow-catch-up', 'slow-catch-up', 'not_applicable', 'silent', 1776679247020, 1776679247020, NULL, NULL,
  'lost', 1776679565000, 1776679565000, 'backing session missing', NULL, 1777284365000,
  'succeeded', 1776679769000, 1776679769000, NULL, 'caught up', 1777284569000);

-- how each row compares with the plan, at any moment
CREATE TEMP VIEW forensics_now AS SELECT p.task_id AS task_id, t.task_id IS NULL AS is_gone,
  (t.task_id, t.runtime, t.task_kind, t.source_id, t.child_session_key, t.parent_flow_id, t.parent_task_id, t.agent_id, t.run_id, t.label, t.task, t.delivery_status, t.notify_policy, t.created_at, t.started_at, t.progress_summary, t.terminal_outcome)
    IS (p.task_id, p.runtime, p.task_kind, p.source_id, p.child_session_key, p.parent_flow_id, p.parent_task_id, p.agent_id, p.run_id, p.label, p.task, p.delivery_status, p.notify_policy, p.created_at, p.started_at, p.progress_summary, p.terminal_outcome) AS is_same_run,
  (t.status, t.ended_at, t.last_event_at, t.error, t.terminal_summary, t.cleanup_after)
    IS (p.old_status, p.old_ended_at, p.old_last_event_at, p.old_error, p.old_terminal_summary, p.old_cleanup_after)
    AND (typeof(t.status), typeof(t.ended_at), typeof(t.last_event_at), typeof(t.error), typeof(t.terminal_summary), typeof(t.cleanup_after))
    IS (typeof(p.old_status), typeof(p.old_ended_at), typeof(p.old_last_event_at), typeof(p.old_error), typeof(p.old_terminal_summary), typeof(p.old_cleanup_after)) AS is_old,
  (t.status, t.ended_at, t.last_event_at, t.error, t.terminal_summary, t.cleanup_after)
    IS (p.new_status, p.new_ended_at, p.new_last_event_at, p.new_error, p.new_terminal_summary, p.new_cleanup_after)
    AND (typeof(t.status), typeof(t.ended_at), typeof(t.last_event_at), typeof(t.error), typeof(t.terminal_summary), typeof(t.cleanup_after))
    IS (typeof(p.new_status), typeof(p.new_ended_at), typeof(p.new_last_event_at), typeof(p.new_error), typeof(p.new_terminal_summary), typeof(p.new_cleanup_after)) AS is_new,
  substr(CASE WHEN t.runtime IS p.runtime THEN '' ELSE ', runtime' END
    || CASE WHEN t.task_kind IS p.task_kind THEN '' ELSE ', task_kind' END
    || CASE WHEN t.source_id IS p.source_id THEN '' ELSE ', source_id' END
    || CASE WHEN t.child_session_key IS p.child_session_key THEN '' ELSE ', child_session_key' END
    || CASE WHEN t.parent_flow_id IS p.parent_flow_id THEN '' ELSE ', parent_flow_id' END
    || CASE WHEN t.parent_task_id IS p.parent_task_id THEN '' ELSE ', parent_task_id' END
    || CASE WHEN t.agent_id IS p.agent_id THEN '' ELSE ', agent_id' END
    || CASE WHEN t.run_id IS p.run_id THEN '' ELSE ', run_id' END
    || CASE WHEN t.label IS p.label THEN '' ELSE ', label' END
    || CASE WHEN t.task IS p.task THEN '' ELSE ', task' END
    || CASE WHEN t.delivery_status IS p.delivery_status THEN '' ELSE ', delivery_status' END
    || CASE WHEN t.notify_policy IS p.notify_policy THEN '' ELSE ', notify_policy' END
    || CASE WHEN t.created_at IS p.created_at THEN '' ELSE ', created_at' END
    || CASE WHEN t.started_at IS p.started_at THEN '' ELSE ', started_at' END
    || CASE WHEN t.progress_summary IS p.progress_summary THEN '' ELSE ', progress_summary' END
    || CASE WHEN t.terminal_outcome IS p.terminal_outcome THEN '' ELSE ', terminal_outcome' END
    || CASE WHEN t.status IS p.old_status THEN '' ELSE ', status' END
    || CASE WHEN t.ended_at IS p.old_ended_at THEN '' ELSE ', ended_at' END
    || CASE WHEN t.last_event_at IS p.old_last_event_at THEN '' ELSE ', last_event_at' END
    || CASE WHEN t.error IS p.old_error THEN '' ELSE ', error' END
    || CASE WHEN t.terminal_summary IS p.old_terminal_summary THEN '' ELSE ', terminal_summary' END
    || CASE WHEN t.cleanup_after IS p.old_cleanup_after THEN '' ELSE ', cleanup_after' END, 3) AS differing
  FROM temp.forensics_plan AS p LEFT JOIN main.task_runs AS t ON t.task_id = p.task_id;

CREATE TEMP TABLE forensics_check AS SELECT task_id, differing, CASE
    WHEN is_gone THEN 'gone'
    WHEN is_same_run AND is_old AND is_new THEN 'same'
    WHEN is_same_run AND is_old THEN 'due'
    WHEN is_same_run AND is_new THEN 'done'
    ELSE 'changed' END AS fate
  FROM temp.forensics_now;

-- changes all of them, or none
UPDATE main.task_runs
SET (status, ended_at, last_event_at, error, terminal_summary, cleanup_after) =
  (SELECT new_status, new_ended_at, new_last_event_at, new_error, new_terminal_summary, new_cleanup_after FROM temp.forensics_plan AS p WHERE p.task_id = main.task_runs.task_id)
WHERE task_id IN (SELECT task_id FROM temp.forensics_check WHERE fate = 'due')
  AND NOT EXISTS (SELECT 1 FROM temp.forensics_check WHERE fate NOT IN ('due', 'same'));

SELECT CASE
    WHEN due = planned AND due <> (SELECT count(*) FROM temp.forensics_now WHERE is_same_run AND is_new) THEN 'forensics: FAILED, the rows did not take the planned values'
    WHEN due = planned THEN 'forensics: ' || planned || ' rows corrected'
    WHEN done = planned THEN 'forensics: nothing to do, all ' || planned || ' rows are corrected already'
    ELSE 'forensics: REFUSED, ' || (planned - due) || ' of ' || planned
      || ' rows are not what they were; nothing was changed'
  END FROM (SELECT count(*) AS planned, coalesce(sum(fate IN ('due', 'same')), 0) AS due,
    coalesce(sum(fate IN ('done', 'same')), 0) AS done FROM temp.forensics_check);
SELECT 'forensics: drifted or missing: ' || CASE WHEN task_id GLOB '*[^ -~]*' THEN 'x''' || hex(task_id) || '''' ELSE task_id END
    || ' (' || CASE fate WHEN 'gone' THEN 'gone' WHEN 'done' THEN 'corrected already' ELSE differing END || ')'
  FROM temp.forensics_check, (SELECT count(*) AS planned, coalesce(sum(fate IN ('due', 'same')), 0) AS due,
    coalesce(sum(fate IN ('done', 'same')), 0) AS done FROM temp.forensics_check) AS n
  WHERE n.due < n.planned AND n.done < n.planned AND fate NOT IN ('due', 'same');
SELECT 'forensics: ' || passed || ' of the corrected rows are past their clean-up time: the gateway deletes them at '
    || 'its next sweep (a script made with --keep DAYS keeps them)'
  FROM (SELECT count(*) AS passed FROM temp.forensics_plan, (SELECT count(*) AS planned, coalesce(sum(fate IN ('due', 'same')), 0) AS due,
    coalesce(sum(fate IN ('done', 'same')), 0) AS done FROM temp.forensics_check) AS n
    WHERE (n.due = n.planned OR n.done = n.planned) AND new_cleanup_after <= 1000 * strftime('%s', 'now'))
  WHERE passed > 0;

-- a refusal, or a result other than planned, is an error, so that no caller can overlook it
CREATE TEMP TABLE forensics_result (refused INTEGER, wrong INTEGER);
CREATE TEMP TRIGGER forensics_refuse BEFORE INSERT ON forensics_result WHEN NEW.refused
  BEGIN SELECT RAISE(ABORT, 'forensics: refused, rows have drifted; nothing was changed'); END;
CREATE TEMP TRIGGER forensics_wrong BEFORE INSERT ON forensics_result WHEN NEW.wrong
  BEGIN SELECT RAISE(ROLLBACK, 'forensics: the rows did not take the planned values; nothing was changed'); END;
INSERT INTO forensics_result SELECT due < planned AND done < planned,
  due = planned AND planned <> (SELECT count(*) FROM temp.forensics_now WHERE is_same_run AND is_new)
  FROM (SELECT count(*) AS planned, coalesce(sum(fate IN ('due', 'same')), 0) AS due,
    coalesce(sum(fate IN ('done', 'same')), 0) AS done FROM temp.forensics_check);
COMMIT;
