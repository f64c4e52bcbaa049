"""What a trial shows: figures for the table, and every sentence that speaks against the fix-up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from forensics.model.plan import TOUCHED
from tests.product.registries import ROW, Difference, Row, Tables, Value, differences
from tests.product.trial import PROBES, SWEEPS, Seen, Trial

SHOWN_AS = {
    "status": "status",
    "ended_at": "endedAt",
    "last_event_at": "lastEventAt",
    "error": "error",
    "terminal_summary": "terminalSummary",
    "cleanup_after": "cleanupAfter",
}
"""The corrected columns, and the keys under which ``tasks list --json`` shows them."""

CORRECTED = "corrected"
MARK_COLUMNS = ("ended_at", "last_event_at", "cleanup_after")

TIME = "when it was written"

EXPLAINED: Mapping[tuple[str, str], str] = {
    ("gateway_boot_lifecycle", ROW): "one row per start, under an id of its own",
    ("config_health_entries", "last_known_good_json"): "inode and times of the configuration file",
    ("config_health_entries", "last_promoted_good_json"): "inode and times of the configuration file",
    ("device_identities", "device_id"): "a key pair made by chance at the first start",
    ("device_identities", "private_key_pem"): "a key pair made by chance at the first start",
    ("device_identities", "public_key_pem"): "a key pair made by chance at the first start",
    ("config_revision_keys", "hmac_key"): "a key made by chance at the first start",
    ("diagnostic_events", "payload_json"): "fingerprints made with that key",
}
"""Why two runs of one gateway over one registry differ by themselves, by table and column; times aside."""

SYSTEM_JOBS = "a job of the gateway itself, made at the first start under an id of its own"

WHENS = ("before", "after")


def judged(trial: Trial) -> dict[str, Any]:
    """Give the figures of a trial; ``failures`` is empty if everything held."""
    told, unexplained = _differences_told(trial)
    failures = [
        *_application_failures(trial),
        *_audit_failures(trial),
        *_list_failures(trial),
        *_cron_failures(trial),
        *_kept_failures(trial),
        *_sweep_failures(trial),
        *(f"unexplained: {difference}" for difference in unexplained),
    ]
    return {
        "case": trial.case.label,
        "release": trial.case.release,
        "registry": trial.case.name,
        "lost": trial.fix.lost,
        "corrected": len(trial.fix.corrected),
        "fix": {"options": list(trial.fix.options), "said": trial.fix.said, "applied": trial.applied},
        "audited as lost": {
            when: {
                "control": _count_lost(trial, trial.control, when),
                "repaired": _count_lost(trial, trial.repaired, when),
            }
            for when in WHENS
        },
        "listed as corrected": {when: len(trial.fix.corrected) - len(_misshown(trial, when)) for when in WHENS},
        "kept after the sweeps": len(trial.fix.corrected) - len(list(_kept_failures(trial))),
        "control": _control_told(trial),
        "differences": told,
        "seconds between sweeps": [
            round((seen.sweeps[-1] - seen.sweeps[0]) / 1000) for seen in _sides(trial) if seen.sweeps
        ],
        "undo": _undo_told(trial),
        "locks": trial.repaired.locks,
        "processes that hold": trial.repaired.holders,
        "failures": failures,
    }


def _sides(trial: Trial) -> tuple[Seen, Seen]:
    return trial.control, trial.repaired


def _tasks(tables: Tables) -> dict[str, Row]:
    return {str(row["task_id"]): row for row in tables["task_runs"].rows.values()}


def _application_failures(trial: Trial) -> Iterator[str]:
    """Say where the script changed anything but the planned values of the planned rows."""
    for difference in differences(trial.base, trial.repaired.begin):
        planned = trial.fix.corrected.get(str(difference.key[0])) if difference.key else None
        if difference.table != "task_runs" or planned is None or difference.column not in TOUCHED:
            yield f"the script changed more than it plans: {difference}"
    rows = _tasks(trial.repaired.begin)
    for task_id in trial.fix.corrected:
        if not _is_as_planned(trial, task_id, rows[task_id]):
            yield f"the script did not write the audit's values: {task_id}"
    if any(difference for difference in differences(trial.base, trial.control.begin)):
        yield "the control began with another registry"


def _is_as_planned(trial: Trial, task_id: str, row: Mapping[str, Any]) -> bool:
    """Compare a row with its plan; a row may be kept for longer where that was asked for."""
    planned = trial.fix.corrected[task_id]
    longer = bool(trial.fix.options) and row.get("cleanup_after", 0) >= (planned["cleanup_after"] or 0)
    return all(row.get(column) == planned[column] or (longer and column == "cleanup_after") for column in TOUCHED)


def _findings(seen: Seen, when: str) -> set[tuple[str, str, str]]:
    """Give what an audit finds, but for the probes: code, task, severity."""
    found = seen.audits[when]["findings"]
    told = {
        (finding["code"], finding.get("token") or finding["task"]["taskId"], finding["severity"]) for finding in found
    }
    return {finding for finding in told if finding[1] not in PROBES}


def _count_lost(trial: Trial, seen: Seen, when: str) -> int:
    return sum(code == "lost" and task_id in trial.fix.corrected for code, task_id, _ in _findings(seen, when))


def _audit_failures(trial: Trial) -> Iterator[str]:
    for when in WHENS:
        control, repaired = (_findings(seen, when) for seen in _sides(trial))
        for code, task_id, severity in sorted(repaired):
            if task_id in trial.fix.corrected and (code == "lost" or (code, task_id, severity) not in control):
                yield f"audit {when}: {code} for the corrected row {task_id}"
        others = [
            {finding for finding in found if finding[1] not in trial.fix.corrected} for found in (control, repaired)
        ]
        if others[0] != others[1]:
            yield f"audit {when}: other findings differ: {sorted(others[0] ^ others[1])}"


def _listed(seen: Seen, when: str) -> dict[str, dict[str, Any]]:
    return {task["taskId"]: task for task in seen.lists[when]["tasks"] if task["taskId"] not in PROBES}


def is_listed(seen: Seen, when: str) -> bool:
    """Tell whether the command line shows any row: 2026.9.6 shows none before its gateway has migrated them."""
    return bool(_listed(seen, when))


def _misshown(trial: Trial, when: str) -> list[str]:
    """Give the corrected rows that the list does not show with exactly the corrected values."""
    listed = _listed(trial.repaired, when)
    shown = {task_id: {column: task.get(key) for column, key in SHOWN_AS.items()} for task_id, task in listed.items()}
    return [task_id for task_id in trial.fix.corrected if not _is_as_planned(trial, task_id, shown.get(task_id, {}))]


def _list_failures(trial: Trial) -> Iterator[str]:
    for when in WHENS:
        if not is_listed(trial.repaired, when) and not is_listed(trial.control, when) and trial.case.upgrade:
            continue
        yield from (f"list {when}: {task_id} is not shown as corrected" for task_id in _misshown(trial, when))
        control, repaired = (_listed(seen, when) for seen in _sides(trial))
        for task_id in sorted(control.keys() & repaired.keys()):
            apart = {
                key
                for key in control[task_id] | repaired[task_id]
                if control[task_id].get(key) != repaired[task_id].get(key)
            }
            if apart - _may_differ(trial, task_id):
                yield f"list {when}: {task_id} differs from the control in {sorted(apart)}"


def _may_differ(trial: Trial, task_id: str) -> set[str]:
    if task_id in trial.fix.corrected:
        return set(SHOWN_AS.values())
    base = _tasks(trial.base).get(task_id)
    return {SHOWN_AS[column] for column in MARK_COLUMNS} if base and base["status"] == "running" else set()


def _cron_failures(trial: Trial) -> Iterator[str]:
    """Say where ``cron runs`` or ``tasks show`` answers otherwise than it should for a corrected row."""
    for task_id, control in trial.control.cron_runs.items():
        if control != trial.repaired.cron_runs[task_id]:
            yield f"cron runs: the runs of the job of {task_id} differ from the control"
        shown = trial.repaired.shown[task_id]
        shown = shown if "taskId" in shown else shown["task"]
        if shown.get("status") != trial.fix.corrected[task_id]["status"]:
            yield f"tasks show: {task_id} is {shown.get('status')}"


def _kept_failures(trial: Trial) -> Iterator[str]:
    rows = _tasks(trial.repaired.end)
    for task_id in trial.fix.corrected:
        if not _is_as_planned(trial, task_id, rows.get(task_id, {})):
            yield f"after the sweeps {task_id} is {'changed' if task_id in rows else 'gone'}"


def _sweep_failures(trial: Trial) -> Iterator[str]:
    if not all(len(seen.sweeps) >= SWEEPS for seen in _sides(trial)):
        yield "no second sweep was seen to mark a probe"


def _control_told(trial: Trial) -> dict[str, Any]:
    """Say what became of the same rows without the fix-up, and where the gateway's own repair differs from it."""
    rows, told = _tasks(trial.control.end), Counter[str]()
    apart: list[dict[str, Any]] = []
    for task_id, planned in trial.fix.corrected.items():
        row = rows.get(task_id)
        if row is None or row["status"] == "lost":
            told["deleted" if row is None else "still lost"] += 1
            continue
        columns = [column for column in TOUCHED if row[column] != planned[column]]
        alike = not set(columns) - {"cleanup_after"}
        told["repaired alike by the gateway" if alike else "repaired otherwise by the gateway"] += 1
        apart += [
            {"task": task_id, "column": column, "gateway": row[column], "fix": planned[column]} for column in columns
        ]
    return dict(told) | ({"apart": apart} if apart else {})


def _differences_told(trial: Trial) -> tuple[dict[str, Any], list[Difference]]:
    corrected, unexplained = 0, []
    reasons: Counter[tuple[str, str, str]] = Counter()
    for difference in differences(trial.control.end, trial.repaired.end):
        if difference.table == "task_runs" and difference.key[:1] in {(name,) for name in PROBES}:
            continue  # planted with the time of the start, which is another for each side
        reason = _reason(trial, difference)
        if reason is None:
            unexplained.append(difference)
        elif reason == CORRECTED:
            corrected += 1
        else:
            reasons[difference.table, difference.column, reason] += 1
    explained = [
        {"table": table, "column": column, "values": count, "reason": reason}
        for (table, column, reason), count in sorted(reasons.items())
    ]
    return {"corrected values": corrected, "explained": explained, "unexplained": len(unexplained)}, unexplained


def _reason(trial: Trial, difference: Difference) -> str | None:
    if difference.table == "task_runs":
        return _reason_in_tasks(trial, str(difference.key[0]), difference)
    if difference.table == "cron_jobs" and difference.column == ROW and not _is_of_a_user(trial, difference):
        return SYSTEM_JOBS
    if difference.column != ROW and without_times(difference.first, trial.span) == without_times(
        difference.second, trial.span
    ):
        return TIME
    return EXPLAINED.get((difference.table, difference.column))


def _is_of_a_user(trial: Trial, difference: Difference) -> bool:
    """Tell whether a job is one that the registry names."""
    named = {row["source_id"] for row in _tasks(trial.base).values()}
    return any(part in named for part in difference.key)


def without_times(value: Value, span: tuple[int, int]) -> Value:
    """Give a value with every moment of the trial replaced by a word: epoch ms, alone or in a text, and ISO times."""
    if isinstance(value, int):
        return "TIME" if span[0] <= value <= span[1] else value
    if not isinstance(value, str):
        return value

    def masked(found: re.Match[str]) -> str:
        text = found.group()
        at = float(text) if text[:2].isdigit() and "-" not in text else datetime.fromisoformat(text).timestamp() * 1000
        return "TIME" if span[0] <= at <= span[1] else text

    return _MOMENT.sub(masked, value)


_MOMENT = re.compile(r"\b\d{13}(?:\.\d+)?\b|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _reason_in_tasks(trial: Trial, task_id: str, difference: Difference) -> str | None:
    if task_id in trial.fix.corrected:
        if difference.column == ROW and difference.second is not None:
            return "the sweep deleted the lost row, past its time"
        return CORRECTED if difference.column in TOUCHED else None
    base = _tasks(trial.base).get(task_id)
    if base and base["status"] == "running" and difference.column in MARK_COLUMNS:
        return "the sweep marked a row that was left running: its own time"
    return None


def _undo_told(trial: Trial) -> dict[str, Any]:
    base, undone = _tasks(trial.base), _tasks(trial.after_undo)
    restored = sum(
        task_id in undone and all(undone[task_id][column] == base[task_id][column] for column in TOUCHED)
        for task_id in trial.fix.corrected
    )
    return {"said": trial.undone, "rows restored": restored}
