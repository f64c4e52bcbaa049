"""Text logs of the gateway: its console, and whatever a journal, a container runtime or a paste made of it.

Only lifecycle lines are taken apart. They are picked out of the raw lines by one streaming pass, as in the file log;
a few lines more tell where the log begins and ends, and when a process last gave a sign of life.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

import polars as pl

from forensics.model.escape import for_terminal
from forensics.model.policy import PASTE_LINES
from forensics.model.schemas import LIFECYCLE, frame_of
from forensics.model.verdicts import LifecycleKind as K
from forensics.model.verdicts import SourceKind
from forensics.parsers.clock_order import BATCH_LINES, service_steps, text_steps
from forensics.parsers.forms import Given
from forensics.parsers.gateway_log import note_backward_clock
from forensics.parsers.log_record import RAW_LENGTH, event_rows, last_line_row, shown
from forensics.parsers.log_scan import (
    LINE,
    SIZE,
    collected,
    counted,
    ends_with_newline,
    last_before,
    lines_at,
    scan,
    size_bytes_of,
)
from forensics.parsers.mending import mended
from forensics.parsers.meter import Advance
from forensics.parsers.parsed import UTC_FROM_STAMPS, Parsed, brief
from forensics.parsers.processes import second_process
from forensics.parsers.service_lines import NEEDLES as SERVICE_NEEDLES
from forensics.parsers.stamps import Tells
from forensics.parsers.text_clock import Clock, clock_of
from forensics.parsers.text_dates import Dates, Told, dates_of, is_quoted, names_log, samples_of, usual_offset
from forensics.parsers.text_line import (
    CAT,
    COMPOSE,
    COMPOSE_T,
    CONSOLE_JSON,
    ERR_LOG,
    JOURNAL_JSON,
    JSON_FILE,
    LOGS,
    LOGS_CLOCK,
    LOGS_JSON,
    TextLine,
    take_apart,
)
from forensics.parsers.timestamps import as_offset

NEEDLES: tuple[str, ...] = (
    *("loading configuration", "resolving authentication", "starting...", "starting HTTP", "http server listening"),
    *("gateway ready", "] ready", "mready", "ready (", "listening on ws", "signal SIG", "received SIG"),
    *("restart ignored", "admission closed", "admission]", "draining ", "drain", "restart blocked", "forced restart"),
    *("shutdown ", "shutdown]", "restart mode", "restart failed", "already running", "already listening"),
    *("startup failed", "Uncaught exception", "nhandled", "requires fix", "requires gateway", "restart timeout"),
    *("restarting gateway now", "restart requested", "restartReason", "restart coalesced", "restart still"),
    *("restart request", "restart]", "failed to reacquire", "failed to start", "size cap reached"),
    *("cron: started", "cron: disabled", "cron: scheduler disabled", "cron: clearing stale", "cron: marking inter"),
    *("cron: running missed", "cron: deferring missed", "cron: failed to update", "cron: run log", "cron: isolated"),
    *("log file: ", "blob data]", '"MESSAGE":[', '"MESSAGE" : [', '"MESSAGE":null', '"MESSAGE" : null'),
    *SERVICE_NEEDLES,
)
"""One of these stands in every line that is taken apart: a lifecycle message as any console words it, the path of the
log, or a journal entry whose text is hidden."""

_SIGN_OF_LIFE = (
    r"\[(?:[^si\]]|s[^t\]]|i[^n\]])[\w/:.-]*\](?:(?:\x1b|\\u001b)\[[0-9;]*m)*:? "
    r'|(?:subsystem|module)\\*"\s*:\s*\\*"(?:[^si"]|s[^t"]|i[^n"])'
)
_STAMPED = r"\d\d:\d\d:\d\d|\d{10}"
_JSON_FORMS = (CONSOLE_JSON, JOURNAL_JSON, JSON_FILE, LOGS_JSON)
_PRINTED_FILE_LOGS = (LOGS, LOGS_CLOCK, LOGS_JSON)
"""Forms that show what stands in the file log; the scheduler writes to no console (formats.md §4.3)."""
_NEVER = 1 << 62
_HEAD_LINES = 200
_TAIL_LINES = 2000
_LINES_ABOVE = 10
_PIECES = 10
_BROKEN_SHOWN = 1 << 16
_WARNINGS_BY_NAME = re.compile(r"(?:^|[._-])err(?:or)?s?[._-]?\d*\.(?:log|txt)", re.IGNORECASE)
_NEVER_WARNINGS = {K.PROCESS_START, K.STARTING, K.HTTP_STARTING, K.HTTP_LISTENING, K.READY, K.SIGNAL_ACTED}


@dataclass(slots=True)
class _Reading:
    """One file while it is read: its lines that are known, by number, and those broken ones that were mended."""

    log: IO[bytes]
    parsed: Parsed
    picked: list[TextLine] = field(default_factory=list)
    edges: list[TextLine] = field(default_factory=list)
    rejected: set[int] = field(default_factory=set)
    usual_offset: timedelta | None = None
    first_stamped: int = _NEVER
    origins: frozenset[str] = frozenset()
    is_undated: bool = False

    @property
    def known(self) -> list[TextLine]:
        """All lines taken apart."""
        return [*self.picked, *self.edges]

    def is_genuine(self, line: TextLine) -> bool:
        """Tell whether a line is one of the gateway itself, no text that it quotes, nor that of another service.

        A gateway that stamps its lines stamps all of them; one without a stamp is part of another text.
        """
        is_of_another = line.origin is not None and self.origins and line.origin not in self.origins
        if is_of_another or is_quoted(line, self.usual_offset):
            return False
        is_bare = line.manager is None and line.outer is not None and line.inner is None
        return not (is_bare and line.number > self.first_stamped)


def parse_text_log(path: Path, given: Given, form: str, by: str) -> Parsed:
    """Read the lifecycle lines of one text log, whatever wraps them.

    Shape: frame ``lifecycle``; one row per lifecycle line, or per job or run it names, plus one ``last_line`` row for
    the last gateway line before each process start, and in the file. Bindings, wording and ``detail`` are those of the
    file log. ``skipped`` counts all other lines.
    Units: ``precision_ms`` is 1000 where a stamp has whole seconds.
    Notices: not_json, truncated_line, mended_line, joined_records, invalid_utf8, no_stamp, no_date, quoted_line,
    blob_data, mixed_forms, contradicted_stamp, mixed_stamps, second_process, year_assumed, date_from_name,
    zone_assumed, ambiguous_time, impossible_time, clock_stepped_back.
    Source: formats.md §4.3, §4.4, §5, §6; cases.md §2.6, §2.7, T14, T15.

    Raises:
        UnreadableError: the file cannot be read.
    """
    parsed = Parsed(SourceKind.GATEWAY_CONSOLE, by, form=form, shows_scheduler=form in _PRINTED_FILE_LOGS)
    with counted(path, parsed.notices, lambda log: _count_lines(log, parsed, given.advance)) as (log, broken):
        reading = _Reading(log, parsed)
        _pick(reading)
        if broken and (form in _JSON_FORMS or parsed.lines <= PASTE_LINES):
            _mend(reading)
        _look_around(reading)
        genuine = [line for line in reading.known if reading.is_genuine(line)]
        clocks = {tells: clock_of(log, tells) for tells in _told_alone(genuine)}
        dates = dates_of(genuine, clocks, given, parsed.notices)
        rows = list(_rows(reading, dates))
        rows.extend(_last_lines(reading, dates, rows))
        steps = _steps_back(reading, clocks)
        twin_at = second_process(log, parsed.lines, reading.known, dates)
        parsed.lifecycle = frame_of(rows, LIFECYCLE).sort("line", maintain_order=True)
    recorded = {row["line"] for row in rows if row["kind"] != K.LAST_LINE}
    parsed.records, parsed.rejected = len(recorded), len(reading.rejected - recorded)
    parsed.skipped = parsed.lines - parsed.records - parsed.rejected
    _note_span(reading, dates)
    _note_zone(reading, dates)
    note_backward_clock(parsed, steps)
    _judge(reading, dates, given, twin_at)
    return parsed


def _count_lines(log: IO[bytes], parsed: Parsed, advance: Advance) -> int:
    """Count all lines; give the number of those that look like broken JSON."""
    lines = broken = 0
    told = scan(log).select(SIZE, _is_broken_expr().alias("broken"))
    for batch in told.collect_batches(chunk_size=BATCH_LINES, engine="streaming"):
        lines += batch.height
        broken += int(batch["broken"].sum())
        advance(size_bytes_of(batch))
    parsed.lines = lines
    return broken


def _is_broken_expr() -> pl.Expr:
    opens, closes = LINE.str.starts_with('{"'), LINE.str.contains(r"\}\s*$")
    return opens & ~closes


def _pick(reading: _Reading) -> None:
    """Take apart the lines that may say something, up to the last that was counted: a live log grows."""
    wanted = LINE.str.contains_any(list(NEEDLES)) & (pl.col("number") <= reading.parsed.lines)
    is_paste = reading.parsed.lines <= PASTE_LINES
    for batch in scan(reading.log).filter(wanted).collect_batches(engine="streaming"):
        for number, text in batch.iter_rows():
            lines = take_apart(number, text)
            if len(lines) > 1:
                told = f"{len(lines)} records stand on one line; each is read"
                reading.parsed.notices.add("joined_records", told, number)
            reading.picked.extend(line for line in lines if _is_of_use(line, is_paste=is_paste))
    reading.picked.sort(key=lambda line: line.number)
    if is_paste:
        _rejoin(reading)


def _is_of_use(line: TextLine, *, is_paste: bool) -> bool:
    """Tell whether a picked line is kept; words of lifecycle messages stand in many others, which would fill memory."""
    if line.form is None:
        return False
    return is_paste or line.is_blob or names_log(line) is not None or bool(line.events())


def _rejoin(reading: _Reading) -> None:
    """Put lines of a paste together that a terminal broke in the middle of a message."""
    cut = [line for line in reading.picked if line.is_sign_of_life and line.is_stamped and not line.events()]
    texts = dict(lines_at(reading.log, [line.number + step for line in cut for step in (0, 1)]).rows()) if cut else {}
    places = {id(line): place for place, line in enumerate(reading.picked)}
    for line in cut:
        whole = _rejoined(line, texts.get(line.number, ""), texts.get(line.number + 1, ""))
        if whole is not None:
            reading.picked[places[id(line)]] = whole
            reading.parsed.notices.add("mended_line", "a message broken into two lines is read as one", line.number)


def _rejoined(line: TextLine, text: str, following: str) -> TextLine | None:
    begins_anew = any(told.is_stamped or told.is_shown for told in take_apart(line.number, following))
    if begins_anew or not following.strip():
        return None
    for glue in (" ", ""):
        whole = take_apart(line.number, text.rstrip("\r\n") + glue + following)
        if len(whole) == 1 and whole[0].events():
            return whole[0]
    return None


def _mend(reading: _Reading) -> None:
    """Read records that a terminal broke into several lines; reject the other broken ones."""
    log, parsed = reading.log, reading.parsed
    inside = _is_broken_expr() & (pl.col("number") <= parsed.lines)
    torn = scan(log).filter(inside).select("number", LINE.str.head(_BROKEN_SHOWN if _is_paste(parsed) else RAW_LENGTH))
    broken = dict(torn.collect(engine="streaming").rows())
    whole: set[int] = set()
    for found in mended(_pieces(reading, broken)) if _is_paste(parsed) else ():
        whole.update(range(found.line, found.line + found.lines))
        readings = [take_apart(found.line, text) for text in found.texts]
        best = next((lines for lines in readings if any(line.events() for line in lines)), readings[0])
        reading.picked.extend(line for line in best if line.form is not None)
        parsed.notices.add("mended_line", f"a record broken into {found.lines} lines is read as one", found.line)
    cut_off = not ends_with_newline(log)
    for number in sorted(broken.keys() - whole) if parsed.form in _JSON_FORMS else ():
        reading.rejected.add(number)
        if cut_off and number == parsed.lines:
            parsed.notices.add("truncated_line", "the last line is cut off; what it said is not known", number)
        else:
            parsed.notices.add("not_json", f"not JSON: {brief(broken[number])}", number)
    reading.picked = [line for line in reading.picked if line.number not in reading.rejected]


def _is_paste(parsed: Parsed) -> bool:
    return parsed.lines <= PASTE_LINES


def _pieces(reading: _Reading, broken: Iterable[int]) -> list[tuple[int, str]]:
    numbers = sorted({number + step for number in broken for step in range(_PIECES + 1)})
    return [(number, text) for number, text in lines_at(reading.log, numbers).rows() if text.strip()]


def _look_around(reading: _Reading) -> None:
    """Take apart the first and last lines of the file, and those right above each process start."""
    end = reading.parsed.lines
    starts = [line.number for line in reading.picked if any(event.kind is K.PROCESS_START for event in line.events())]
    above = sorted({start - step for start in starts for step in range(1, _LINES_ABOVE + 1)})
    number = pl.col("number")
    near = number.is_in(above) | (number <= _HEAD_LINES) | ((number > end - _TAIL_LINES) & (number <= end))
    taken = {line.number for line in reading.picked} | reading.rejected
    reading.edges = [
        line
        for place, text in collected(scan(reading.log).filter(near)).sort("number").iter_rows()
        for line in take_apart(place, text)
        if line.form is not None and place not in taken
    ]
    reading.usual_offset = usual_offset(reading.known)
    own = [line for line in reading.known if not is_quoted(line, reading.usual_offset)]
    reading.first_stamped = _first_stamped_inside(own)
    reading.origins = frozenset(line.origin for line in own if line.origin is not None and line.events())


def _steps_back(reading: _Reading, clocks: Mapping[Tells, Clock]) -> list[int]:
    """Give the lines at which the clock of the file goes back, other than at midnight, New Year, or in a DST night."""
    local = [line for clock in clocks.values() for line in clock.stepped_back]
    log, form, end = reading.log, reading.parsed.form, reading.parsed.lines
    if form in (COMPOSE, COMPOSE_T):
        exact = service_steps(log, end, reading.origins)
    else:
        exact = text_steps(log, end, is_json=form in _JSON_FORMS)
    return sorted({*local, *exact})


def _told_alone(lines: Iterable[TextLine]) -> set[Tells]:
    """Tell how much the stamps tell of lines on which none tells the moment."""
    return {
        stamp.tells
        for line in lines
        if not any(stamp is not None and stamp.at is not None for stamp in (line.inner, line.outer))
        for stamp in (line.inner, line.outer)
        if stamp is not None
    }


def _rows(reading: _Reading, dates: Dates) -> Iterator[dict[str, object]]:
    notices = reading.parsed.notices
    for line in reading.picked:
        events = line.events()
        if not events or line.number in reading.rejected:
            continue
        if not reading.is_genuine(line):
            notices.add("quoted_line", "it stands in another text, or is of another service: no event", line.number)
            continue
        when = dates.of(line)
        if when is not None:
            yield from _rows_of(line, when)
            continue
        reading.rejected.add(line.number)
        reading.is_undated = reading.is_undated or line.is_stamped
        if not line.is_stamped:
            notices.add("no_stamp", "a lifecycle line without a usable time stamp", line.number)


def _rows_of(line: TextLine, when: Told) -> list[dict[str, object]]:
    return event_rows(line.number, when.at, line.events(), _shown(line), pid=line.pid, precision_ms=when.precision_ms)


def _shown(line: TextLine) -> str:
    if line.manager is not None:
        return for_terminal(f"[systemd] {line.manager}")[:RAW_LENGTH]
    return shown(*line.content) if line.content is not None else ""


def _first_stamped_inside(lines: Iterable[TextLine]) -> int:
    """Give the first wrapped line that a gateway stamped itself."""
    stamped = (line for line in lines if line.outer is not None and line.inner is not None and line.is_shown)
    return min((line.number for line in stamped), default=_NEVER)


def _last_lines(reading: _Reading, dates: Dates, rows: Sequence[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Find the last line of a gateway process before each process start, and in the whole file."""
    starts = sorted({int(str(row["line"])) for row in rows if row["kind"] == K.PROCESS_START})
    limits = [*(start for start in starts if start > 1), reading.parsed.lines + 1]
    alive = {line.number: line for line in reading.known if _is_alive(reading, line)}
    last = _last_below(alive, limits)
    reach = dict.fromkeys(starts, _LINES_ABOVE) | {limits[-1]: _TAIL_LINES}
    far = [limit for limit in limits if last[limit] < limit - reach[limit] and limit > reach[limit]]
    if far:
        wanted = LINE.str.contains(_SIGN_OF_LIFE) & LINE.str.contains(_STAMPED)
        for number, text in last_before(reading.log, wanted, far).iter_rows():
            alive |= {line.number: line for line in take_apart(number, text) if _is_alive(reading, line)}
        last = _last_below(alive, limits)
    for number in sorted({number for number in last.values() if number}):
        line, when = alive[number], dates.of(alive[number])
        if when is not None and line.content is not None:
            yield last_line_row(number, when.at, line.content, when.precision_ms)


def _last_below(alive: Iterable[int], limits: Iterable[int]) -> dict[int, int]:
    """Give, for each limit, the last of these line numbers before it; 0 where there is none."""
    numbers = [0, *sorted(alive)]
    return {limit: numbers[bisect_left(numbers, limit) - 1] for limit in limits}


def _is_alive(reading: _Reading, line: TextLine) -> bool:
    return line.is_sign_of_life and line.is_stamped and reading.is_genuine(line)


def _note_span(reading: _Reading, dates: Dates) -> None:
    """Note the first and the last moment at which the gateway, or systemd for it, said something."""
    said = sorted(
        (line for line in reading.known if _is_alive(reading, line) or (line.is_stamped and line.manager is not None)),
        key=lambda line: line.number,
    )
    told = [when.at for line in (*said[:1], *said[-1:]) if (when := dates.of(line)) is not None]
    lifecycle = reading.parsed.lifecycle
    events = [] if lifecycle is None else [lifecycle["at"].min(), lifecycle["at"].max()]
    reading.parsed.spans([*told, *events])


def _note_zone(reading: _Reading, dates: Dates) -> None:
    """Say how the stamps became UTC."""
    parsed = reading.parsed
    parsed.offsets = samples_of(sorted(reading.known, key=lambda line: line.number))
    stamps = [stamp for line in reading.known for stamp in (line.outer, line.inner) if stamp is not None]
    units = sorted({stamp.unit for stamp in stamps if stamp.unit is not None})
    written = sorted({as_offset(stamp.offset) for stamp in stamps if stamp.at is not None and stamp.offset is not None})
    exact = [f"UTC from stamps with offset {', '.join(written)}"] if written else []
    exact += [f"UTC from epoch {', '.join(units)}"] if units else []
    if not exact and any(stamp.at is not None for stamp in stamps):
        exact = [UTC_FROM_STAMPS]
    local = dates.zones.words()
    year = "the year assumed from when the file was last written" if dates.is_year_assumed else None
    parsed.timezone = "; ".join([*exact, *(told for told in (local, year) if told)]) or None
    parsed.zone_is_assumed = dates.zones.is_assumed or dates.is_year_assumed
    if dates.zones.is_assumed:
        parsed.notices.add("zone_assumed", f"{local}; give the zone of the gateway's host with --tz")


def _judge(reading: _Reading, dates: Dates, given: Given, twin_at: int | None) -> None:
    """Say why a log proves nothing, where it does not."""
    parsed, lines = reading.parsed, reading.known
    kinds = set() if parsed.lifecycle is None else set(parsed.lifecycle["kind"].to_list())
    streams = {line.stream for line in lines if line.stream is not None}
    named = parsed.form == ERR_LOG or _WARNINGS_BY_NAME.search(given.name) is not None
    parsed.only_warnings = streams == {"stderr"} or (named and not kinds & _NEVER_WARNINGS)
    parsed.stores = {store for line in lines for store in line.stores}
    _note_hidden(reading)
    _note_mixture(reading)
    mixed_at = next((clock.other_clock_at for clock in dates.clocks.values() if clock.other_clock_at), None)
    if mixed_at is not None:
        parsed.notices.add("mixed_stamps", "stamps of two clocks are mixed, as by local and by UTC time", mixed_at)
    of_gateway = (line for line in lines if line.is_sign_of_life or line.manager is not None)
    hosts = {line.host for line in of_gateway if line.host is not None}
    if twin_at is not None:
        parsed.notices.add("second_process", "two gateway processes log at the same time, as here", twin_at)
    reasons = {
        f"it holds lines of several hosts: {', '.join(sorted(map(for_terminal, hosts)))}": len(hosts) > 1,
        "it holds lines of two gateway processes that ran at the same time": twin_at is not None,
        "its stamps are of two clocks, so that its lines cannot be put in order": mixed_at is not None,
        "it holds lines of several gateways, told by their units or services": len(reading.origins) > 1,
        "it holds lines of several gateways, told by their cron stores": len(parsed.stores) > 1,
        "nothing tells on which day its lines were written": parsed.first_at is None,
        "nothing tells on which day some of its starts and stops were": reading.is_undated,
    }
    parsed.unusable = next((reason for reason, holds in reasons.items() if holds), parsed.unusable)


def _note_mixture(reading: _Reading) -> None:
    seen = {line.form for line in reading.picked if line.form is not None and line.events()}
    # this one is a console between lines of systemd, so that it is always of two forms
    forms = sorted(seen - ({CAT} if reading.parsed.form == CAT else set()))
    if len(forms) > 1:
        reading.parsed.notices.add("mixed_forms", f"lines of several forms are read: {', '.join(forms)}", level="info")


def _note_hidden(reading: _Reading) -> None:
    hidden = [line.number for line in reading.picked if line.is_blob]
    for number in hidden:
        reading.parsed.notices.add(
            "blob_data", "the journal hid this line; export it with -o json, or with --all", number
        )
    if hidden:
        reading.parsed.unusable = reading.parsed.unusable or "the journal hid lines of the gateway in it"
