-- undo.sql for samples/every-verdict/state/tasks/runs.sqlite: 5 rows
-- made by forensics VERSION from evidence up to 2026-04-20 20:00:00.000 UTC
--
-- Before: stop the gateway (it holds the registry in memory and writes whole rows), then back up:
--   sqlite3 runs.sqlite "VACUUM INTO 'runs.backup.sqlite'"
-- Run:    sqlite3 -bail runs.sqlite < undo.sql
-- It changes all rows or none, says which, and may be run again: then it changes nothing.
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

DROP TABLE IF EXISTS temp.forensics_plan;
DROP TABLE IF EXISTS temp.forensics_check;
DROP TABLE IF EXISTS temp.forensics_result;
BEGIN IMMEDIATE;
-- columns without a type keep every value exactly as it is written here
CREATE TEMP TABLE forensics_plan (task_id, runtime, source_id, run_id, started_at, old_status, old_ended_at, old_last_event_at, old_error, old_terminal_summary, old_cleanup_after, new_status, new_ended_at, new_last_event_at, new_error, new_terminal_summary, new_cleanup_after, PRIMARY KEY (task_id));
-- false_lost (exact): its own record says so (samples/every-verdict/state/cron/runs/861e28a5-7ff0-418d-bc0e-2d92089b5239.jsonl:1)
INSERT INTO temp.forensics_plan VALUES ('c6d40f55-c45d-460e-aee6-8a694b81827d', 'cron', '861e28a5-7ff0-418d-bc0e-2d92089b5239', 'cron:861e28a5-7ff0-418d-bc0e-2d92089b5239:1776668400003', 1776668400003, 'succeeded', 1776668940000, 1776668940000, NULL, 'report sent', 1777273740000, 'lost', 1776668730000, 1776668730000, 'backing session missing', NULL, 1777273530000);
-- failed (exact): its own record says so (samples/every-verdict/state/cron/runs/1b60d028-9f15-49f0-835a-6766f314c6a9.jsonl:1)
INSERT INTO temp.forensics_plan VALUES ('bf0e2f55-43b0-498f-a8b1-b8cc672a7f35', 'cron', '1b60d028-9f15-49f0-835a-6766f314c6a9', 'cron:1b60d028-9f15-49f0-835a-6766f314c6a9:1776670200011', 1776670200011, 'failed', 1776670860000, 1776670860000, 'FailoverError: LLM request failed', NULL, 1777275660000, 'lost', 1776670530000, 1776670530000, 'backing session missing', NULL, 1777275330000);
-- false_lost (exact): its own record says so (samples/every-verdict/state/cron/runs/c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07.jsonl:1)
INSERT INTO temp.forensics_plan VALUES ('e3297ecf-924b-4bd7-a336-7a05406a569e', 'cron', 'c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07', 'cron:c7977b6a-9533-4bd9-9a4b-2ea0d6a18c07:1776678600013', 1776678600013, 'succeeded', 1776678720000, 1776678720000, NULL, 'all posted to the channel', 1777284305000, 'lost', 1776679505000, 1776679505000, 'backing session missing', NULL, 1777284305000);
-- replayed (exact): no record of it; the process that ran it was replaced before it could end; the next start-up names it as in flight (samples/every-verdict/logs/openclaw-2026-04-20.log:16); a later run stood in for it (samples/every-verdict/state/cron/runs/bba5ed4c-d06a-45f9-ba19-932477a1b8e6.jsonl:1)
INSERT INTO temp.forensics_plan VALUES ('4ead835f-cc7d-4008-8eb2-f8cfcf6ce37f', 'cron', 'bba5ed4c-d06a-45f9-ba19-932477a1b8e6', 'cron:bba5ed4c-d06a-45f9-ba19-932477a1b8e6:1776679170004', 1776679170004, 'failed', 1776679220000, 1776679220000, 'cron: job interrupted by gateway restart', 'Interrupted by a gateway restart; the run of 2026-04-20T10:00:42.015Z did its work.', 1777284305000, 'lost', 1776679505000, 1776679505000, 'backing session missing', NULL, 1777284305000);
-- false_lost (exact): its own record says so (samples/every-verdict/state/cron/runs/b6d1215a-eb7b-4884-b586-423c79069b62.jsonl:1)
INSERT INTO temp.forensics_plan VALUES ('3028e314-4404-4d06-aa9e-a710a649179e', 'cron', 'b6d1215a-eb7b-4884-b586-423c79069b62', 'cron:b6d1215a-eb7b-4884-b586-423c79069b62:1776679247020', 1776679247020, 'succeeded', 1776679769000, 1776679769000, NULL, 'caught up', 1777284569000, 'lost', 1776679565000, 1776679565000, 'backing session missing', NULL, 1777284365000);

CREATE TEMP TABLE forensics_check AS SELECT
  (SELECT count(*) FROM temp.forensics_plan) AS planned,
  (SELECT count(*) FROM main.task_runs AS t JOIN temp.forensics_plan AS p ON t.task_id = p.task_id
    WHERE t.runtime IS p.runtime AND t.source_id IS p.source_id AND t.run_id IS p.run_id AND t.started_at IS p.started_at AND t.status IS p.old_status AND t.ended_at IS p.old_ended_at AND t.last_event_at IS p.old_last_event_at AND t.error IS p.old_error AND t.terminal_summary IS p.old_terminal_summary AND t.cleanup_after IS p.old_cleanup_after) AS as_before,
  (SELECT count(*) FROM main.task_runs AS t JOIN temp.forensics_plan AS p ON t.task_id = p.task_id
    WHERE t.runtime IS p.runtime AND t.source_id IS p.source_id AND t.run_id IS p.run_id AND t.started_at IS p.started_at AND t.status IS p.new_status AND t.ended_at IS p.new_ended_at AND t.last_event_at IS p.new_last_event_at AND t.error IS p.new_error AND t.terminal_summary IS p.new_terminal_summary AND t.cleanup_after IS p.new_cleanup_after) AS as_planned;

-- changes all rows, or none: only when every one of them still holds all of its old values
UPDATE main.task_runs
SET (status, ended_at, last_event_at, error, terminal_summary, cleanup_after) =
  (SELECT new_status, new_ended_at, new_last_event_at, new_error, new_terminal_summary, new_cleanup_after
    FROM temp.forensics_plan AS p WHERE p.task_id = main.task_runs.task_id)
WHERE task_id IN (SELECT task_id FROM temp.forensics_plan)
  AND (SELECT as_before = planned FROM temp.forensics_check);

SELECT CASE
    WHEN as_before = planned THEN 'forensics: ' || planned || ' rows restored'
    WHEN as_planned = planned THEN 'forensics: nothing to do, all ' || planned || ' rows are restored already'
    ELSE 'forensics: REFUSED, ' || (planned - as_before) || ' of ' || planned
      || ' rows are not what they were; nothing was changed'
  END FROM temp.forensics_check;
SELECT 'forensics: drifted or missing: ' || p.task_id FROM temp.forensics_plan AS p
  LEFT JOIN main.task_runs AS t ON t.task_id = p.task_id
  WHERE (SELECT as_before < planned AND as_planned < planned FROM temp.forensics_check)
    AND NOT coalesce(t.runtime IS p.runtime AND t.source_id IS p.source_id AND t.run_id IS p.run_id AND t.started_at IS p.started_at AND t.status IS p.old_status AND t.ended_at IS p.old_ended_at AND t.last_event_at IS p.old_last_event_at AND t.error IS p.old_error AND t.terminal_summary IS p.old_terminal_summary AND t.cleanup_after IS p.old_cleanup_after, 0);

-- a refusal, or a result other than planned, is an error, so that no caller can overlook it
CREATE TEMP TABLE forensics_result (refused INTEGER, wrong INTEGER);
CREATE TEMP TRIGGER forensics_refuse BEFORE INSERT ON forensics_result WHEN NEW.refused
  BEGIN SELECT RAISE(ABORT, 'forensics: refused, rows have drifted; nothing was changed'); END;
CREATE TEMP TRIGGER forensics_wrong BEFORE INSERT ON forensics_result WHEN NEW.wrong
  BEGIN SELECT RAISE(ROLLBACK, 'forensics: the rows did not take the planned values; nothing was changed'); END;
INSERT INTO forensics_result SELECT
  as_before < planned AND as_planned < planned,
  as_before = planned AND planned <> (SELECT count(*) FROM main.task_runs AS t
    JOIN temp.forensics_plan AS p ON t.task_id = p.task_id WHERE t.runtime IS p.runtime AND t.source_id IS p.source_id AND t.run_id IS p.run_id AND t.started_at IS p.started_at AND t.status IS p.new_status AND t.ended_at IS p.new_ended_at AND t.last_event_at IS p.new_last_event_at AND t.error IS p.new_error AND t.terminal_summary IS p.new_terminal_summary AND t.cleanup_after IS p.new_cleanup_after)
  FROM temp.forensics_check;
COMMIT;
