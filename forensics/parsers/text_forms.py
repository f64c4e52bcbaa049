"""The forms in which a text log of the gateway reaches a user, and how they are told from prose and other logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from tempfile import NamedTemporaryFile

from forensics.model.verdicts import SourceKind
from forensics.parsers import text_line as forms
from forensics.parsers.files import head_of, open_evidence
from forensics.parsers.forms import HEAD_BYTES, Form, Given, Glimpse
from forensics.parsers.parsed import Parsed
from forensics.parsers.subsystems import is_own_subsystem
from forensics.parsers.text_line import TextLine, take_apart
from forensics.parsers.text_log import parse_text_log

_LINES_TRIED = 2000
_MARGIN = b" \t>\r"
_MESSAGE = re.compile(r"\[(?:gateway|ws|cron|heartbeat|shutdown|reload|health-monitor)[\w./:-]{0,80}\] .*")
_LEAST_OWN = 2
_LAUNCHD_ERRORS = re.compile(r"gateway[\w.-]*[._-]err(?:or)?s?\.log", re.IGNORECASE)
_LOCAL = frozenset(
    {forms.NO_OFFSET, forms.PRETTY, forms.SHORT, forms.SHORT_PRECISE, forms.SHORT_FULL, forms.LOGS_CLOCK}
    | {forms.BARE, forms.CAT, forms.COMPOSE, forms.ERR_LOG}
)
"""Forms whose stamps may be local, so that other files may have to say in which zone."""

_BY = {
    forms.COMPACT: "lines of a date and time, [subsystem] and text",
    forms.NO_OFFSET: "lines of a date and time without offset, [subsystem] and text",
    forms.PRETTY: "lines of a clock time, [subsystem] and text",
    forms.CONSOLE_JSON: "JSON lines with time, level, subsystem and message",
    forms.BARE: "lines of [subsystem] and text",
    forms.SHORT: "journal lines of month, day and time, host and process",
    forms.SHORT_PRECISE: "journal lines of month, day and time to the microsecond, host and process",
    forms.SHORT_FULL: "journal lines of day, date, time and zone, host and process",
    forms.SHORT_ISO: "journal lines of date, time and offset, host and process",
    forms.SHORT_ISO_PRECISE: "journal lines of date, time to the microsecond and offset, host and process",
    forms.SHORT_UNIX: "journal lines of epoch seconds, host and process",
    forms.CAT: "console lines between lines of systemd about the gateway's unit",
    forms.JOURNAL_JSON: "JSON lines with __REALTIME_TIMESTAMP and MESSAGE",
    forms.DOCKER_T: "console lines behind a stamp of their own",
    forms.JSON_FILE: "JSON lines with log, stream and time",
    forms.COMPOSE: "console lines behind the name of a service",
    forms.COMPOSE_T: "console lines behind the name of a service and a stamp",
    forms.CRI: "console lines behind a stamp and the name of a stream",
    forms.ERR_LOG: "lines of a date and time, [subsystem] and text, in a file named for errors",
    forms.LOGS: "lines of a date and time, level, subsystem, binding and text",
    forms.LOGS_CLOCK: "lines of a clock time, level, subsystem, binding and text",
    forms.LOGS_JSON: "JSON lines with type and raw",
}


@lru_cache(maxsize=4)
def form_of(head: bytes, name: str) -> str | None:
    """Give the form of a text log by its first lines, indented or quoted as a whole or not.

    Only what stands before every line is taken off: a single indented line is part of the message above it.
    """
    margin = _margin(head)
    return _form_of(head, name) or (_form_of(_without(head, margin), name) if margin else None)


def is_behind_a_prefix(head: bytes) -> bool:
    """Tell whether a file that is of no form holds messages of a gateway, each behind something unknown."""
    lines = [line for line in head.decode("utf-8", "replace").split("\n")[:_LINES_TRIED] if line.strip()]
    behind = [found[0] for line in lines if (found := _MESSAGE.search(line)) is not None]
    said = [line for number, text in enumerate(behind, 1) for line in take_apart(number, text)]
    return 2 * len(behind) >= len(lines) and any(line.events() for line in said)


def _margin(head: bytes) -> bytes:
    """Give the blanks and quotation marks that stand before every line which is not blank."""
    lines = [line for line in head.split(b"\n")[:_LINES_TRIED] if line.strip(_MARGIN)]
    margins = [line[: len(line) - len(line.lstrip(_MARGIN))] for line in lines]
    first, last = min(margins, default=b""), max(margins, default=b"")
    return bytes(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))


def _without(head: bytes, margin: bytes) -> bytes:
    return b"\n".join(line.removeprefix(margin) for line in head.split(b"\n"))


@lru_cache(maxsize=4)
def _form_of(head: bytes, name: str) -> str | None:
    """Give the form of a text log by its first lines; None for prose, another log, or anything else.

    At least half of the lines must have the shape of a line of a log, and the gateway must be heard: by a lifecycle
    message, or by two of its own subsystems.
    """
    if b"\x00" in head:
        return None
    texts = [line.decode("utf-8", "replace") for line in head.split(b"\n")[:_LINES_TRIED] if line.strip()]
    lines = [line for number, text in enumerate(texts, 1) for line in take_apart(number, text)]
    shaped = [line for line in lines if line.form is not None]
    said = [line for line in shaped if line.is_shown or line.manager is not None or line.is_blob]
    if 2 * len(shaped) < len(lines) or not _is_heard(said):
        return None
    return _most_frequent(said, name)


def _is_heard(said: list[TextLine]) -> bool:
    own = {line.content[0] for line in said if line.content is not None and is_own_subsystem(line.content[0])}
    return len(own) >= _LEAST_OWN or any(line.events() for line in said)


def _most_frequent(said: list[TextLine], name: str) -> str | None:
    counted = Counter(line.form for line in said)
    form = counted.most_common(1)[0][0]
    if form in (forms.COMPACT, forms.BARE) and counted[forms.CAT]:
        return forms.CAT
    return forms.ERR_LOG if form == forms.COMPACT and _LAUNCHD_ERRORS.search(name) else form


def _recognised(form: str, glimpse: Glimpse) -> str | None:
    return _BY[form] if form_of(glimpse.head, glimpse.name) == form else None


def _parser(form: str) -> Callable[[Path, Given], Parsed]:
    def parse(path: Path, given: Given) -> Parsed:
        margin = _margin(head_of(path, HEAD_BYTES))
        if not margin or _form_of(head_of(path, HEAD_BYTES), given.name) == form:
            return parse_text_log(path, given, form, _BY[form])
        with open_evidence(path) as log, NamedTemporaryFile(prefix="forensics-") as copied:
            copied.writelines(line.removeprefix(margin) for line in log)
            copied.flush()
            return parse_text_log(Path(copied.name), given, form, f"{_BY[form]}, indented or quoted")

    return parse


FORMS: tuple[Form, ...] = tuple(
    Form(form, SourceKind.GATEWAY_CONSOLE, partial(_recognised, form), _parser(form), needs_zone=form in _LOCAL)
    for form in _BY
)
