"""How results look, in a terminal and out of one: widths, colours, zones; and what is said where nothing is found."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from forensics.cli import _COMMANDS, main
from forensics.cli.display import is_coloured
from forensics.model.shown import Shown
from forensics.writers.measure import width_of
from tests.support.command import forensics

SAMPLES = Path(__file__).parent.parent.parent / "samples"
SAMPLE = SAMPLES / "real-lost-write"
COLOURS = re.compile(r"\x1b\[\d+m")
HOSTILE = "\x1b[31mred\x1b[0m 漢字 ✔\ufe0f \u202e" + "long-name " * 3
TEXTS = (["audit"], ["explain", "97b96ec8"], ["restarts"], ["sources"], ["timeline"], ["check"])


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Give evidence whose names try to colour, to turn, and to shift what is shown."""
    copy = Path(shutil.copytree(SAMPLE, tmp_path / "\x1b[7mstate 漢字"))
    store = copy / "state/cron/jobs.json"
    told = json.loads(store.read_text("utf-8"))
    for job in told["jobs"]:
        job["name"] = HOSTILE + job["name"]
    store.write_text(json.dumps(told), encoding="utf-8")
    return copy


def told(*arguments: str | Path, env: Mapping[str, str | None] | None = None) -> str:
    """Give what a command writes to standard output, which is no terminal."""
    result = CliRunner(env=env).invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code in (0, 1), result.output
    return result.stdout


def in_terminal(*arguments: str | Path, columns: int, **env: str) -> str:
    """Give what a command shows in a terminal of so many columns."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update({"COLUMNS": str(columns), "TERM": "xterm", **env})
        command = [sys.executable, "-m", "forensics", *map(str, arguments)]
        os.execv(sys.executable, command)  # noqa: S606 - our own command
    shown = b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # the end, as Linux tells it
            break
        if not read:
            break
        shown += read
    os.close(terminal)
    os.waitpid(child, 0)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("command", TEXTS, ids=lambda command: command[0])
def test_no_line_is_wider_than_the_width_and_no_evidence_colours_it(command: list[str], hostile: Path) -> None:
    for width in (20, 60, 100):
        plain = told(*command, hostile, "--width", str(width))
        assert [line for line in plain.splitlines() if width_of(line) > width] == []
        assert COLOURS.sub("", told(*command, hostile, "--width", str(width), "--color", "always")) == plain
        assert "\x1b" not in plain


@pytest.mark.parametrize("command", TEXTS, ids=lambda command: command[0])
def test_with_colours_the_words_are_the_same(command: list[str]) -> None:
    coloured = told(*command, SAMPLES / "every-verdict" if "explain" not in command else SAMPLE, "--color", "always")
    plain = told(*command, SAMPLES / "every-verdict" if "explain" not in command else SAMPLE)
    assert COLOURS.search(coloured)
    assert COLOURS.sub("", coloured) == plain


def test_a_pipe_gets_the_same_bytes_whatever_the_environment_says() -> None:
    bare = told("audit", SAMPLE, env={"COLUMNS": None, "TZ": None})
    assert told("audit", SAMPLE, env={"COLUMNS": "40", "TZ": "Asia/Tokyo", "TERM": "dumb"}) == bare
    assert told("audit", SAMPLE, "--width", "0") == bare


def test_a_file_gets_neither_width_nor_colour_of_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "audit.txt"
    in_terminal("audit", SAMPLE, "-o", file, columns=60, FORCE_COLOR="1")
    assert file.read_text("utf-8") == told("audit", SAMPLE)


def test_a_terminal_gets_its_own_width_and_colours() -> None:
    shown = in_terminal("audit", SAMPLE, columns=72)
    assert COLOURS.search(shown)
    assert COLOURS.sub("", shown) == told("audit", SAMPLE, "--width", "72")
    assert in_terminal("audit", SAMPLE, columns=72, NO_COLOR="1") == told("audit", SAMPLE, "--width", "72")


def test_errors_are_coloured_in_a_terminal_only(tmp_path: Path) -> None:
    assert "\x1b[31merror:\x1b[0m nothing to read" in in_terminal("audit", tmp_path, columns=80)
    assert in_terminal("audit", tmp_path, "--color", "never", columns=80).startswith("error: nothing to read")
    assert forensics("audit", tmp_path).stderr.startswith("error: nothing to read")
    assert forensics("audit", tmp_path, "--color", "always").stderr.startswith("\x1b[31merror:\x1b[0m")


def test_errors_quote_nothing_that_could_colour(tmp_path: Path) -> None:
    assert "\x1b" not in forensics("audit", tmp_path / "\x1b[31mred").stderr


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("asked", "stream", "environment", "expected"),
    [
        ("auto", Terminal(), {}, True),
        ("auto", Terminal(), {"NO_COLOR": "1"}, False),
        ("auto", Terminal(), {"NO_COLOR": ""}, True),
        ("auto", Terminal(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", Terminal(), {"TERM": "dumb"}, False),
        ("auto", io.StringIO(), {}, False),
        ("auto", io.StringIO(), {"FORCE_COLOR": "1"}, True),
        ("auto", io.StringIO(), {"CLICOLOR_FORCE": "1"}, True),
        ("auto", io.StringIO(), {"FORCE_COLOR": "0", "CLICOLOR_FORCE": ""}, False),
        ("auto", None, {"FORCE_COLOR": "1"}, False),
        ("always", None, {}, True),
        ("always", Terminal(), {"NO_COLOR": "1"}, True),
        ("never", Terminal(), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_follow_options_then_the_environment_then_the_terminal(
    asked: str, stream: io.StringIO | None, environment: dict[str, str], expected: bool
) -> None:
    assert is_coloured(asked, stream, environment) is expected


@pytest.mark.parametrize("width", ["1", "19", "-80"])
def test_a_width_that_cannot_be_read_is_refused(width: str) -> None:
    result = forensics("audit", SAMPLE, "--width", width)
    assert (result.returncode, result.stdout) == (2, "")
    assert "give at least 20, or 0" in result.stderr


def test_options_of_display_stand_in_a_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "forensics.toml").write_text('width = 80\ndisplay-tz = "+02:00"\n', encoding="utf-8")
    in_file = forensics("restarts", SAMPLE, cwd=tmp_path)
    assert (in_file.returncode, in_file.stderr) == (0, "settings: forensics.toml\n")
    env = {"FORENSICS_RESTARTS_WIDTH": "80", "FORENSICS_RESTARTS_DISPLAY_TZ": "+02:00"}
    assert forensics("restarts", SAMPLE, env=env).stdout == in_file.stdout
    assert "down at (UTC+02:00)" in in_file.stdout


# -- zones --


def moments(text: str) -> list[datetime]:
    """Give the times that bear an offset, in UTC."""
    found = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", text)
    return [datetime.fromisoformat(one).astimezone(UTC) for one in found]


def of_utc(text: str) -> list[datetime]:
    found = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", text)
    return [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in found]


@pytest.mark.parametrize("zone", ["America/New_York", "+05:30", "Asia/Tokyo"])
@pytest.mark.parametrize("command", [["audit"], ["restarts"], ["sources"]], ids=lambda command: command[0])
def test_times_for_people_are_the_same_moments_in_another_zone(command: list[str], zone: str) -> None:
    plain, zoned = told(*command, SAMPLE), told(*command, SAMPLE, "--display-tz", zone)
    assert moments(zoned) == of_utc(plain)
    assert len(moments(zoned)) > 1
    assert f"({zone if '/' in zone else 'UTC' + zone})" in zoned
    assert "(UTC)" not in zoned


def test_markdown_and_timeline_are_in_the_zone_and_say_what_is_not() -> None:
    for arguments in (["audit", "-f", "markdown"], ["timeline"], ["explain", "97b96ec8"]):
        zoned = told(*arguments, SAMPLE, "--display-tz", "Europe/Berlin").replace("\\", "")
        assert "Europe/Berlin" in zoned
        assert "imes within the text of a fact are UTC, or as the evidence has them" in zoned
        assert datetime(2026, 11, 23, 22, 58, 14, 13000, tzinfo=UTC) in moments(zoned)


def test_an_explanation_tells_all_its_times_in_the_zone() -> None:
    zoned = told("explain", "97b96ec8", SAMPLE, "--display-tz", "Asia/Tokyo")
    plain = told("explain", "97b96ec8", SAMPLE)
    assert "started 07:58:14.013" in zoned
    inside, outside = [re.split(r"\nTimeline .*?\n\nWhy", text, flags=re.DOTALL) for text in (plain, zoned)]
    clocks = [re.findall(r"(?<![-\d])\d\d(?=:\d\d:\d\d\.\d{3})", text) for text in ("".join(inside), "".join(outside))]
    assert [(int(hour) + 9) % 24 for hour in clocks[0]] == [int(hour) for hour in clocks[1]]
    assert len(clocks[0]) > 20


@pytest.mark.parametrize(
    "arguments", [["audit", "-f", "json"], ["explain", "97b96ec8", "-f", "json"], ["timeline", "-f", "lnav"]]
)
def test_formats_for_machines_stay_in_utc(arguments: list[str]) -> None:
    assert told(*arguments, SAMPLE, "--display-tz", "Asia/Tokyo", "--width", "40") == told(*arguments, SAMPLE)


def test_both_hours_of_a_clock_change_can_be_told_apart() -> None:
    shown = Shown(zone=ZoneInfo("Europe/Berlin"), zone_name="Europe/Berlin")
    before, after = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert shown.stamp(before) == "2026-10-25 02:30:00.000+02:00"
    assert shown.stamp(after) == "2026-10-25 02:30:00.000+01:00"


def test_the_zone_of_this_machine_is_told_by_its_name() -> None:
    zoned = told("restarts", SAMPLE, "--display-tz", "local", env={"TZ": "America/New_York"})
    assert "down at (America/New_York)" in zoned
    assert zoned == told("restarts", SAMPLE, "--display-tz", "America/New_York")


def test_a_zone_that_is_none_is_refused() -> None:
    result = forensics("audit", SAMPLE, "--display-tz", "Mars/Olympus")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--display-tz 'Mars/Olympus' is no time zone" in result.stderr


# -- nothing found --


@pytest.fixture
def unlost(tmp_path: Path) -> Path:
    """Give a state directory without lost rows."""
    state = Path(shutil.copytree(SAMPLE / "state", tmp_path / "state"))
    with closing(sqlite3.connect(state / "tasks/runs.sqlite")) as registry, registry:
        registry.execute("DELETE FROM task_runs WHERE status = 'lost'")
    return state


@pytest.mark.parametrize("command", [["audit"], ["check"], ["audit", "-f", "markdown"]])
def test_where_no_row_is_lost_it_says_what_was_read_and_how_far_back(command: list[str], unlost: Path) -> None:
    shown = told(*command, unlost).replace("\\", "")
    assert "No row is lost: 1 task row was read (1 succeeded)." in shown
    assert f"Read: {unlost}/tasks/runs.sqlite; the oldest began 2026-11-23 22:56:00.853 UTC." in shown
    assert "7 d after their mark, and 24 h after it from 2026.5.26 on" in shown


def test_a_status_that_no_gateway_knows_is_counted_not_quoted(unlost: Path) -> None:
    with closing(sqlite3.connect(unlost / "tasks/runs.sqlite")) as registry, registry:
        registry.execute("UPDATE task_runs SET status = '**[x](http://y)**'")
    for form in ("text", "markdown"):
        shown = told("audit", unlost, "-f", form)
        assert "No row is lost: 1 task row was read (1 without a known status)." in shown
        assert "](http" not in shown


@pytest.mark.parametrize(("release", "kept"), [("2026.4.15", "7 d"), ("2026.6.11", "24 h")])
def test_how_long_lost_rows_are_kept_is_that_of_the_release(release: str, kept: str, unlost: Path) -> None:
    shown = told("audit", unlost, "--release", release)
    assert f"A gateway of this release deletes lost rows {kept} after their mark" in shown


def test_fix_says_why_rows_are_left(tmp_path: Path, unlost: Path) -> None:
    script = tmp_path / "fix.sql"
    result = forensics("fix", SAMPLES / "every-verdict", "-o", script)
    assert "left: 2 undetermined: the verdict is withheld" in result.stderr
    assert "nothing is changed yet: the script's first lines say how to back up" in result.stderr
    assert "left: 1 interrupted: a real loss; corrected with --include interrupted" in result.stderr
    included = forensics("fix", SAMPLES / "every-verdict", "-o", script, "--include", "interrupted")
    assert "interrupted:" not in included.stderr
    assert forensics("fix", unlost, "-o", script).stderr.endswith("0 lost rows are left as they are\nno row is lost\n")


def test_without_a_registry_it_says_what_was_found_and_what_to_hand_over() -> None:
    result = forensics("audit", SAMPLE / "state/cron", SAMPLE / "logs")
    assert (result.returncode, result.stdout) == (3, "")
    assert "no task registry; found: 3 × cron_run_log, gateway_log, job_store" in result.stderr
    assert "hint: hand over tasks/runs.sqlite together with" in result.stderr


def test_without_a_restart_it_says_which_logs_were_read(tmp_path: Path) -> None:
    log = tmp_path / "openclaw-2026-11-23.log"
    lines = (SAMPLE / "logs/openclaw-2026-11-23.log").read_text("utf-8").splitlines(keepends=True)
    log.write_text("".join(lines[8:14]), encoding="utf-8")
    shown = told("restarts", log, "--width", "200")
    assert "No restart is on record" in shown
    assert re.search(
        rf"Read: {re.escape(str(log))}, 6 lines, 2026-11-23 22:55:5\d\.\d+ UTC to 2026-11-23 22:55:5", shown
    )


def test_without_anything_to_read_the_hint_says_what_to_give(tmp_path: Path) -> None:
    for command in (["audit"], ["restarts"], ["timeline"], ["sources"], ["check"]):
        result = forensics(*command, tmp_path)
        assert (result.returncode, result.stdout) == (3, "")
        assert "no file of a known kind; there is no file at all" in result.stderr
        assert "hint: give a state directory" in result.stderr


def test_with_files_of_no_known_kind_alone_it_names_them(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n", encoding="utf-8")
    result = forensics("audit", tmp_path)
    assert result.returncode == 3
    assert f"1 file of no known kind is not read: {tmp_path}/notes.txt" in result.stderr


# -- help --


@pytest.mark.parametrize("command", ["", *_COMMANDS])
def test_help_gives_examples_before_everything_else(command: str) -> None:
    shown = told(*command.split(), "-h")
    assert shown == told(*command.split(), "--help")
    paragraphs = [paragraph.strip() for paragraph in shown.split("\n\n")]
    assert paragraphs[0].startswith("Usage: ")
    assert re.match("Examples?:\n", paragraphs[2])


def test_help_of_the_whole_names_every_exit_code_and_variable() -> None:
    shown = told("-h")
    for code in ("0", "1", "2", "3", "4", "70"):
        assert re.search(rf"^ +{code} +\w", shown, re.MULTILINE)
    for variable in ("OPENCLAW_STATE_DIR", "FORENSICS_AUDIT_FORMAT", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TZ"):
        assert variable in shown


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m forensics timeline {SAMPLES / 'every-verdict'} --color always | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
