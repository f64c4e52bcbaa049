"""Names, texts, paths and ids replaced by counted ones: the same original always by the same replacement."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import available_timezones

from forensics.collect.vocabulary import (
    ENUM_KEYS,
    ENUMS,
    FILES,
    FOLDERS,
    KEYS,
    MESSAGE_WORDS,
    NUMBER_ENDINGS,
    NUMBERS,
    SIGNALS,
    TEXTS,
)
from forensics.parsers.lifecycle_messages import MESSAGES

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_DAY_OR_MONTH = "MON|TUE|WED|THU|FRI|SAT|SUN|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_CRON_FIELD = rf"(?:(?<!\d)\d{{1,2}}(?!\d)|[*/,\-?#LW]|{_DAY_OR_MONTH})+"
_CRON_EXPRESSION = re.compile(rf"\s*{_CRON_FIELD}(?:\s+{_CRON_FIELD}){{4,5}}\s*", re.IGNORECASE)
_PARTS = frozenset(("cron", "manual", "agent", "run", "system", "main", "cron-runlog-import", "task", "startup"))
_TOKEN = re.compile(
    rf"(?P<uuid>{_UUID.pattern})|(?P<run>cron:[^\s\"',;)]+)|(?P<replaced>(?:text|word|id|job|key|path|name)-\d+(?!\w))"
    r"|(?P<stamp>20[2-9]\d-\d\d-\d\d(?:T(?=\d))?(?!\d))|(?P<release>20[2-9]\d\.\d{1,2}\.\d{1,3}(?![\w.]))"
    r"|(?P<clock>\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?![\d:]))"
    r"|(?P<address>\d{1,3}(?:\.\d{1,3}){3}(?![\w.]))|(?P<pid>(?i:pid)[ =:#]{1,2}\d{1,7}(?!\w))"
    r"|(?P<call>\+\d[\d ().\-/]*\d|\d{1,6}(?:[ .\-/()]{1,2}\d{1,6}){2,}(?![\w:]))"
    r"|(?P<number>\d+(?:\.\d+)?(?:ms|s|m|h)?(?![\w]))"
    rf"|(?P<signal>{'|'.join(SIGNALS)})|(?P<word>[^\W_]+)",
)
"""What a line is made of. ``call`` is what may be a telephone number, written in groups of digits."""

_EPOCH_MS = re.compile(r"1[4-9]\d{11}")
_EPOCH_S = re.compile(r"1[6-9]\d{8}")
_EPOCH_US = re.compile(r"1[4-9]\d{14}")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FEW_DIGITS, _FEWEST_DIGITS, _SPAN_DIGITS = 5, 2, 8
OUR_ADDRESSES = ("127.0.0.1", "0.0.0.0")  # noqa: S104 - what a gateway says, nothing is opened
_LARGEST_SPAN = 10**9
_LARGEST_PERIOD = 10**11
_LARGEST = {"pid": 1 << 22, "port": 65_535, **dict.fromkeys(("everyMs", "every_ms", "intervalMs"), _LARGEST_PERIOD)}
_CALLED = re.compile(r"\d{1,3}|20[2-9]\d-\d\d-\d\d")
_BEFORE_MESSAGE = re.compile(r".{0,60}?\d\d:\d\d:\d\d\S*\s+(?:[^\[\]{]{0,80}(?:\[[^\[\]]{1,60}\]:?\s+)+)?")
_KNOWN_MESSAGE = re.compile("|".join(re.sub(r"\?P<\w+>", "?:", message.pattern.pattern) for message in MESSAGES))
_PARTS_OF_RUN = 3
_PARTS_OF_ADDRESS = 3
_LONE_LETTERS = ("T", "Z")
_ENDINGS = ("json", "jsonl", "log", "txt", "bak", "migrated", "sqlite")
_YEAR = re.compile(r"(?<!\d)20[2-9]\d(?!\d)")
_DIGITS_OF_A_DATE = 8
_ZERO_TO = {"uuid": "00000000-0000-4000-8000-{:012d}"}


@dataclass(slots=True)
class Replacements:
    """What was replaced by what, how much was kept, and which numbers stay (moments, spans, counts) and do not.

    ``given`` are all replacements.
    """

    made: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    numbers: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)

    def by(self, kind: str, original: str) -> str:
        """Give the replacement of an original, a new one where it is met for the first time."""
        known = self.made.get(original)
        if known is None:
            self.counts[kind] += 1
            known = self.made[original] = _ZERO_TO.get(kind, f"{kind}-{{}}").format(self.counts[kind])
            self.given.add(known)
        return known

    def identifier(self, text: str) -> str:
        """Replace an id; its form stays: UUIDs, the parts between colons, moments in epoch milliseconds."""
        if text in self.made:
            return self.made[text]
        replaced = _UUID.sub(lambda match: self.by("uuid", match.group().lower()), text)
        parts = replaced.split(":")
        of_run = parts[0] == "cron" and len(parts) == _PARTS_OF_RUN and bool(_EPOCH_MS.fullmatch(parts[2]))
        if of_run and parts[1] and parts[1] not in self.given:
            return f"cron:{self.job(parts[1])}:{parts[2]}"
        return ":".join(self._part(part) for part in parts)

    def job(self, text: str) -> str:
        """Replace the id of a job."""
        return self.identifier(text) if _UUID.fullmatch(text) else self.by("job", text)

    def name(self, text: str) -> str:
        """Replace the name of a job."""
        collapsed = " ".join(text.split())
        return self.by("name", collapsed) if collapsed else ""

    def text(self, text: str) -> str:
        """Replace a free text; texts that differ in white space only stay alike, and no text stays none."""
        collapsed = " ".join(text.split())
        return self.by("text", collapsed) if collapsed else ""

    def error(self, text: str) -> str:
        """Replace an error but what runs are judged by."""
        for known in TEXTS:
            at = text.lower().find(known.lower())
            if at == 0 and text.strip().lower() == known.lower():
                self.kept["texts that verdicts depend on"] += 1
                return text
            if at >= 0:
                self.kept["texts that verdicts depend on"] += 1
                before, after = self.text(text[:at]), self.text(text[at + len(known) :])
                return " ".join(filter(None, (before, known, after)))
        return self.text(text)

    def message(self, text: str) -> str:
        """Replace every word of a line that not every gateway writes; stamps stay.

        Small numbers stay in what gateways are known to say; elsewhere only the smallest, and those with a unit.
        """
        text = _ANSI.sub("", text)
        said = _KNOWN_MESSAGE.search(text)
        start, end = said.span() if said else (0, 0)
        parts = ((text[:start], self._strict_token), (text[start:end], self._token), (text[end:], self._strict_token))
        return "".join(_TOKEN.sub(token, part) for part, token in parts)

    def line(self, text: str) -> str:
        """Replace a line of a console: its stamp and binding by words, what it says as a whole unless it is known."""
        text = _ANSI.sub("", text)
        found = _BEFORE_MESSAGE.match(text)
        before = found.group() if found else ""
        said = text[len(before) :]
        known = any(_KNOWN_MESSAGE.search(start + said) for start in ("", "gateway ", "shutdown "))
        return self._stamped(before) + (self.message(said) if known else self.text(said))

    def path(self, text: str) -> str:
        """Replace a path by one of the same last name, if that is a usual one."""
        name = text.replace("\\", "/").rsplit("/", 1)[-1]
        return f"/{self.by('path', text)}/{name}" if FILES.fullmatch(name) else f"/{self.by('path', text)}"

    def folder(self, name: str) -> str:
        """Replace the name of a folder that is not one of a state directory."""
        return name if name in FOLDERS else self.by("folder", name)

    def file(self, name: str, *, of_job: bool) -> str:
        """Replace the name of a file; its endings stay."""
        if FILES.fullmatch(name):
            return name
        stem, dot, ending = name.partition(".jsonl") if of_job else name.partition(".")
        shown = self.job(stem) if of_job else self.by("file", stem)
        is_address = sum(part.isdigit() for part in ending.split(".")) >= _PARTS_OF_ADDRESS
        called = [part in _ENDINGS or (_CALLED.fullmatch(part) and not is_address) for part in ending.split(".")]
        parts = [part if is_kept else "x" for part, is_kept in zip(ending.split("."), called, strict=True) if part]
        return shown + (dot if of_job else "") + "".join(f".{part}" for part in parts)

    def value(self, key: str, value: object) -> object:
        """Replace the value of a key, whatever it is; nothing stays that is not known to be harmless."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(key, value)
        if isinstance(value, dict):
            return {self.key(name): self.value(name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.value(key, inner) for inner in value]
        return self._string(key, value) if isinstance(value, str) else None

    def key(self, name: str) -> str:
        """Replace a key that not every gateway writes; jobs and tasks may be keys."""
        if name in KEYS or (name.isdigit() and len(name) == 1):
            return name
        return self.job(name) if name in self.made or _UUID.fullmatch(name) else self.by("key", name)

    def _string(self, key: str, text: str) -> str:
        if not text:
            return text
        rule = _RULES.get(key)
        if rule is not None:
            return rule(self, text)
        if key in ENUM_KEYS and text in ENUMS:
            return text
        if _ISO.fullmatch(text) and (key.endswith(("At", "_at")) or key in ("at", "time", "date", "app_version")):
            return text
        if _UUID.search(text) or text.startswith(("cron:", "manual:", "agent:", "system:", "cron-runlog-import:")):
            return self.identifier(text)
        return self.text(text)

    def _number(self, key: str, value: float) -> float | None:
        """Keep a moment, a span, a count or a number of a process; what is none of these is no number of a gateway."""
        is_time = key.endswith(NUMBER_ENDINGS)
        if key not in NUMBERS and not is_time:
            self.dropped |= {str(value)} if isinstance(value, int) else set()
            return 0
        whole = str(abs(value)).partition(".")[0]
        if not (_is_moment(whole) or abs(value) <= _LARGEST.get(key, _LARGEST_SPAN)):
            self.dropped.add(whole)
            return None if is_time else 0
        self.numbers.update(re.findall(r"\w+", str(value).lower()))
        return value

    def _part(self, part: str) -> str:
        if not part or part in _PARTS or part in self.given:
            return part
        if _is_moment(part) or _is_few(part, _FEWEST_DIGITS):
            return self._kept(part, is_kept=True)
        return self.by("id", part)

    def _stamped(self, text: str) -> str:
        """Replace what stands before a message, its stamp and who said it, but what may be a number of a process."""

        def token(match: re.Match[str]) -> str:
            return self._kept(match.group(), is_kept=True) if _is_date(match["call"]) else self._token(match)

        return _TOKEN.sub(token, text)

    def _strict_token(self, match: re.Match[str]) -> str:
        text = match.group()
        if match["number"] and not _is_span(text):
            return self._kept(text, is_kept=_is_moment(text) or _is_few(text, _FEWEST_DIGITS))
        if match["word"] and len(text) == 1:
            return text if text in _LONE_LETTERS else "x"
        return self._kept(text, is_kept=False) if match["call"] else self._token(match)

    def _kept(self, text: str, *, is_kept: bool, instead: str = "0") -> str:
        """Keep a number, or drop it."""
        if is_kept:
            self.numbers.update(re.findall(r"\w+", text.lower()))
            return text
        self.dropped.add(text)
        return instead

    def _token(self, match: re.Match[str]) -> str:
        text = match.group()
        if match["uuid"]:
            return self.by("uuid", text.lower())
        if match["run"]:
            return self.identifier(text)
        if match["call"]:
            return self._kept(text, is_kept=_digits(text) <= _FEW_DIGITS)
        if match["address"]:
            return self._kept(text, is_kept=text in OUR_ADDRESSES, instead=OUR_ADDRESSES[1])
        if match["number"]:
            is_few = _is_span(text) or _is_few(text.replace(".", ""), _FEW_DIGITS)
            return self._kept(text, is_kept=is_few or _is_moment(text))
        if match["pid"] or match["release"] or match["clock"]:
            return self._kept(text, is_kept=True)
        if match["replaced"] and text not in self.given:
            return self.by("word", text)
        return self._word(text) if match["word"] else text

    def _word(self, text: str) -> str:
        if text.lower() in MESSAGE_WORDS or text in ("T", "Z") or _is_clock(text):
            return text
        return text if len(text) == 1 and text.isascii() else self.by("word", text)


def _is_clock(word: str) -> bool:
    return re.fullmatch(r"\d{1,2}T\d{1,2}|T\d{1,2}|\d{1,9}Z|T\d{1,6}Z", word) is not None


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _is_date(groups: str | None) -> bool:
    """Tell whether groups of digits are a date, as some logs begin with."""
    return bool(groups) and bool(_YEAR.search(str(groups))) and _digits(str(groups)) <= _DIGITS_OF_A_DATE


def _is_moment(digits: str) -> bool:
    """Tell whether a number is a moment of our time: no telephone, chat or account has such."""
    return any(moment.fullmatch(digits) for moment in (_EPOCH_MS, _EPOCH_S, _EPOCH_US))


def _is_few(digits: str, most: int) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= most


def _is_span(text: str) -> bool:
    """Tell whether a number has a unit of time."""
    return _is_few(text.rstrip("msh").replace(".", ""), _SPAN_DIGITS) and text[-1:] in ("s", "m", "h")


def _schedule(told: Replacements, text: str) -> str:
    return text if _CRON_EXPRESSION.fullmatch(text) else told.text(text)


def _zone(told: Replacements, text: str) -> str:
    return text if text in available_timezones() else told.text(text)


def _document(told: Replacements, text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return told.text(text)
    return json.dumps(told.value("", document), ensure_ascii=False, separators=(",", ":"))


def _release(told: Replacements, text: str) -> str:
    return text if re.fullmatch(r"20\d\d\.\d{1,2}\.\d{1,3}(?:-\d+)?", text) else told.text(text)


_RULES: dict[str, Callable[[Replacements, str], str]] = {
    **dict.fromkeys(("error", "lastError", "last_error", "error_text", "detail"), Replacements.error),
    **dict.fromkeys(("job_id", "jobId", "source_id", "sourceId", "jobIds"), Replacements.job),
    **dict.fromkeys(("detail_json", "entry_json", "job_json", "state_json", "payload_json", "stats_json"), _document),
    **dict.fromkeys(("name", "label", "task", "jobName"), Replacements.name),
    **dict.fromkeys(("storePath", "storeKey", "store_key", "configPath", "file"), Replacements.path),
    **dict.fromkeys(("expr", "schedule_expr"), _schedule),
    **dict.fromkeys(("tz", "schedule_tz"), _zone),
    **dict.fromkeys(("reason", "startup_reason", "subsystem", "module"), Replacements.message),
    **dict.fromkeys(("log", "raw", "MESSAGE"), Replacements.line),
    **dict.fromkeys(("app_version", "before", "after"), _release),
    "__REALTIME_TIMESTAMP": lambda _, text: text if _EPOCH_US.fullmatch(text) else "0",
}
