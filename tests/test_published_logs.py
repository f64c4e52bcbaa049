"""Published log lines, by the letter: which of them are restarts, and when."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from forensics import audit, load_evidence
from forensics.model.finding import Report
from tests.parsers.shapes import write_log
from tests.support.handed_over import HOUR, MINUTE, HandedOver, ms, only, quiet, said, stopped, utc

# -- logs, by the letter --


def pasted(binding: str, shown: object, date: str, time: str, level: str = "INFO", *fields: object) -> str:
    """Give a line of the published paste (2026.3.2, host at +01:00)."""
    meta: dict[str, object] = {"runtime": "node", "runtimeVersion": "25.8.0", "hostname": "unknown", "name": binding}
    meta |= {"parentNames": ["openclaw"], "date": f"2026-03-06T{date}Z", "logLevelId": 3, "logLevelName": level}
    told: dict[str, object] = {str(place): value for place, value in enumerate([binding, *fields, shown])}
    line = told | {"_meta": meta, "time": f"2026-03-06T{time}+01:00"}
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


def columns(text: str, width: int = 80) -> list[str]:
    """Give the lines into which a terminal breaks a text."""
    return [text[start : start + width] for start in range(0, len(text), width)]


GATEWAY = '{"subsystem":"gateway"}'
CRON = '{"module":"cron","storePath":"/home/claw/.openclaw/cron/jobs.json"}'
HEALTH = "started (interval: 300s, startup-grace: 60s, channel-connect-grace: 120s)"
PASTE = [
    pasted(GATEWAY, "signal SIGTERM received", "18:31:08.230", "19:31:08.231"),
    pasted(GATEWAY, "received SIGTERM; shutting down", "18:31:08.233", "19:31:08.234"),
    pasted('{"subsystem":"gmail-watcher"}', "gmail watcher stopped", "18:31:08.260", "19:31:08.261"),
    pasted(
        '{"subsystem":"gateway/canvas"}',
        "canvas host mounted at http://127.0.0.1:18789/…",
        "18:31:12.833",
        "19:31:12.834",
    ),
    pasted(
        '{"subsystem":"gateway/heartbeat"}',
        "heartbeat: started",
        "18:31:12.895",
        "19:31:12.896",
        "INFO",
        {"intervalMs": 1_800_000},
    ),
    pasted('{"subsystem":"gateway/health-monitor"}', HEALTH, "18:31:12.905", "19:31:12.906"),
    pasted(GATEWAY, "listening on ws://127.0.0.1:18789 (PID 29370)", "18:31:12.915", "19:31:12.916"),
    pasted(GATEWAY, "log file: /tmp/openclaw/openclaw-2026-03-06.log", "18:31:12.921", "19:31:12.922"),
    pasted(
        CRON,
        "cron: armTimer skipped - no jobs with nextRunAtMs",
        "18:31:13.611",
        "19:31:13.612",
        "DEBUG",
        {"jobCount": 0, "enabledCount": 0, "withNextRun": 0},
    ),
    pasted(
        CRON,
        "cron: started",
        "18:31:13.612",
        "19:31:13.613",
        "INFO",
        {"enabled": True, "jobs": 0, "nextWakeAtMs": None},
    ),
]


BROKEN = PASTE[-1].replace("cron: started", "cron:\nstarted")
STATES = {
    "lines": PASTE,
    "two joined": [*PASTE[:8], PASTE[8] + PASTE[9]],
    "all but the first joined": [PASTE[0], "".join(PASTE[1:])],
    "joined in two lines": ["".join(PASTE[:4]), "".join(PASTE[4:])],
    "all joined": ["".join(PASTE)],
    "all joined with blanks": [" ".join(PASTE)],
    "broken": [*PASTE[:9], BROKEN],
    "joined and broken": ["".join([*PASTE[:9], BROKEN])],
    "broken at 80 columns": [part for line in PASTE for part in columns(line)],
    "joined and broken at 80 columns": columns("".join(PASTE)),
}


@pytest.mark.parametrize("state", sorted(STATES))
def test_a_whole_restart_of_2026_3_2_is_one_window_in_every_state_of_the_paste(tmp_path: Path, state: str) -> None:
    """As logged; with records joined on a line; and broken within a text by the terminal, as it was published."""
    write_log(tmp_path / "openclaw-2026-03-06.log", *(line + "\n" for line in STATES[state]))
    evidence = load_evidence([str(tmp_path)])
    assert set(evidence.notices["code"]) <= {"joined_records", "mended_line"}
    assert evidence.sources.select("kind", "rejected").rows() == [("gateway_log", 0)]
    (window,) = audit(evidence).restarts
    assert (window.kind, window.pid_after) == ("signal", 29_370)
    assert window.down_at == window.down_at_latest
    assert abs(window.down_at - utc(ms("2026-03-06T18:31:08.230"))) <= timedelta(milliseconds=4)
    assert window.ready_at == utc(ms("2026-03-06T18:31:12.915"))
    assert [kind for kind in evidence.lifecycle["kind"] if kind != "last_line"] == [
        "signal_received", "signal_acted", "ready", "cron_started",
    ]  # fmt: skip


def windows_of(tmp_path: Path, text: str, name: str = "gateway.log") -> Report:
    (tmp_path / name).write_text(text, "utf-8")
    host = HandedOver(tmp_path / "host").reaching(ms("2026-01-01T00:00:00"))
    host.evidence()
    return audit(load_evidence([str(tmp_path)]))


def test_a_config_change_in_a_container_is_a_window_of_fourteen_seconds(tmp_path: Path) -> None:
    report = windows_of(
        tmp_path,
        """\
2026-02-02T04:50:22.520Z [reload] config change detected; evaluating reload (agents.defaults.compaction, gateway.trustedProxies)
2026-02-02T04:50:22.521Z [reload] config change requires gateway restart (gateway.trustedProxies)
2026-02-02T04:50:22.524Z [gateway] received SIGUSR1; restarting
2026-02-02T04:50:36.486Z [gateway] listening on ws://0.0.0.0:18789 (PID 7)
""",  # noqa: E501
    )
    (window,) = report.restarts
    assert (window.down_at, window.ready_at) == (
        utc(ms("2026-02-02T04:50:22.524")),
        utc(ms("2026-02-02T04:50:36.486")),
    )
    assert window.reason is not None
    assert "gateway.trustedProxies" in window.reason
    # the number of a container's process is always the same: it does not say that the process was kept
    assert window.process == "unknown"


def test_11924_two_signals_two_seconds_apart_are_one_window(tmp_path: Path) -> None:
    """A journal without a year (of the file's day), in a zone that is not named: the window is told, and doubted."""
    report = windows_of(
        tmp_path,
        """\
Feb 05 11:29:58 homelab node[2459338]: [reload] config change requires gateway restart
Feb 05 11:29:58 homelab node[2459338]: [gateway] received SIGUSR1; restarting
Feb 05 11:30:00 homelab node[2459338]: [gateway] received SIGUSR1; restarting
""",
        "journal-2026-02-05.txt",
    )
    (window,) = report.restarts
    assert window.ready_at is None
    assert window.process != "replaced"
    assert report.sources.filter(kind="gateway_console")["zone_is_assumed"].to_list() == [True]


DEFERRED = """\
03:49:01 [reload] restart still deferred after 7166912ms with 3 task run(s) active
03:54:37 [reload] restart still deferred after 7502528ms with 3 task run(s) active
"""
ACTED = """\
03:54:49 [gateway] signal SIGTERM received
03:54:50 [gateway] restart mode: full process restart (supervisor restart)
"""
WHOLE = ACTED.replace("received\n", "received\n03:54:49 [gateway] received SIGTERM; restarting\n")
STARTED = "03:54:58 [gateway] loading configuration…\n03:55:04 [gateway] ready (0 plugins, 0.9s)\n"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (DEFERRED, []),
        (DEFERRED + ACTED, ["supervised"]),
        (DEFERRED + WHOLE, ["supervised"]),
        (DEFERRED + ACTED + STARTED, ["supervised"]),
    ],
    ids=["deferred", "as published", "whole", "and the start of the next process"],
)
def test_73467_a_deferred_restart_is_none_until_it_happens(tmp_path: Path, text: str, kinds: list[str]) -> None:
    """2026.4.26, bare clocks (the day is in the name): deferred for 7502528 ms, then SIGTERM and a supervisor.

    The excerpt leaves out the line that says the signal was acted on; that of the mode says it as well.
    """
    report = windows_of(tmp_path, text, "gateway-2026-04-28.log")
    assert [window.kind for window in report.restarts] == kinds
    for window in report.restarts:
        assert (window.down_at.minute, window.down_at.second) == (54, 49)


def test_a_drain_timeout_of_which_nothing_else_is_published_is_a_restart(tmp_path: Path) -> None:
    """2026-03-14: twice, 173 s apart; between them nothing was published that would close the first window."""
    text = """\
2026-03-14T21:29:02.862+08:00 [diagnostic] wait for active embedded runs timed out: activeRuns=1 timeoutMs=90000
2026-03-14T21:29:02.864+08:00 [gateway] drain timeout reached; proceeding with restart
2026-03-14T21:31:55.644+08:00 [diagnostic] wait for active embedded runs timed out: activeRuns=1 timeoutMs=90000
2026-03-14T21:31:55.648+08:00 [gateway] drain timeout reached; proceeding with restart
"""
    (window,) = windows_of(tmp_path, text).restarts
    assert (window.down_at, window.ready_at) == (utc(ms("2026-03-14T13:29:02.864")), None)
    assert (window.drain, window.process) == ("timeout", "unknown")
    assert len([fact for fact in window.evidence if "drain timeout" in fact.text]) == 2


def console(*messages: str) -> str:
    """Give console lines a second apart."""
    return "".join(f"2026-06-14T21:29:{second:02d}.000Z {message}\n" for second, message in enumerate(messages))


def test_an_in_process_restart_of_a_container_keeps_its_process(tmp_path: Path) -> None:
    """The order of the lines, and the reason in the mode line of a container, as published."""
    mode = "in-process restart (container: use in-process restart to keep PID 1 alive)"
    told = ("signal SIGUSR1 received", "received SIGUSR1; restarting", f"restart mode: {mode}", "ready")
    lines = [f"[gateway] {message}" for message in ("ready", *told)]
    lines.insert(3, "[shutdown] completed cleanly in 56ms")
    first, window = windows_of(tmp_path, console(*lines)).restarts
    assert (first.kind, first.process) == ("start", "unknown")
    assert (window.kind, window.process) == ("in_process", "kept")
    assert (window.down_at.second, window.ready_at and window.ready_at.second) == (1, 5)


def test_a_spawned_process_replaces_the_one_before_it(tmp_path: Path) -> None:
    """Windows: `restart mode: full process restart (spawned pid 16084)`."""
    told = (
        "signal SIGUSR1 received",
        "received SIGUSR1; restarting",
        "restart mode: full process restart (spawned pid",
    )
    lines = [f"[gateway] {message}" for message in (*told[:2], f"{told[2]} 16084)", "loading configuration…", "ready")]
    (window,) = windows_of(tmp_path, console(*lines)).restarts
    assert (window.kind, window.process, window.pid_after) == ("signal", "replaced", 16_084)


NO_RESTARTS = {
    "#62442, deferred": "2026-04-07T10:45:38.852Z warn gateway/reload config change requires gateway restart"
    " (plugins.entries.x.enabled) — deferring until 2 operation(s), 1 reply(ies), 1 embedded run(s) complete",
    "#75307, deferred": "2026-04-07T10:45:38.852Z [reload] channel reload still deferred after 11079287ms with"
    " 4 operation(s), 1 reply(ies), 2 embedded run(s), 32 task run(s) active",
    "not authorised": "2026-04-07T10:45:38.852Z [gateway] SIGUSR1 restart ignored (not authorized;"
    " commands.restart=false or use gateway tool).",
    "during shutdown": "2026-04-07T10:45:38.852Z [gateway] received SIGUSR1 during shutdown; ignoring",
    "#50169, a command": "2026-04-07T01:06:27.000Z [cron] cron: started",
}


@pytest.mark.parametrize("case", sorted(NO_RESTARTS))
def test_what_sounds_like_a_restart_and_is_none_opens_no_window(tmp_path: Path, case: str) -> None:
    around = "2026-04-07T00:00:00.000Z [gateway/ws] connected\n", "2026-04-07T23:00:00.000Z [gateway/ws] connected\n"
    assert windows_of(tmp_path, around[0] + NO_RESTARTS[case] + "\n" + around[1]).restarts == ()


def test_a_host_that_restarts_every_five_minutes_is_told_every_time(tmp_path: Path) -> None:
    """Twelve in-process restarts an hour; a run that lives through all of them is not called dead."""
    base = ms("2026-04-17T04:00:00")
    lines: list[str] = []
    for number in range(12):
        at = base + number * 5 * MINUTE
        lines += [
            *stopped(at, "SIGUSR1"),
            said("gateway", "restart mode: in-process restart (OPENCLAW_NO_RESPAWN)", at + 300),
            said("gateway", "starting HTTP server...", at + 400),
            said("gateway", "ready (0 plugins, 0.9s)", at + 1_300),
            said("gateway", "starting channels and sidecars...", at + 1_400),
        ]
    host = HandedOver(tmp_path).row("long", base + 10_000, base + 6 * MINUTE).job("long", "0 4 * * *")
    host.finished("other", base - HOUR, base - HOUR + MINUTE).reaching(base + HOUR)
    report = host.log(*quiet(base - HOUR), *lines, *quiet(base + HOUR)).audited()
    assert [window.process for window in report.restarts] == ["kept"] * 12
    assert only(report).verdict == "undetermined"
