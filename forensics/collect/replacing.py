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
_CRON_EXPRESSION = re.compile(r"[\d*/,\-?#LW ]+|(?:[\d*/,\-?#LW ]|MON|TUE|WED|THU|FRI|SAT|SUN)+", re.IGNORECASE)
_PARTS = frozenset(("cron", "manual", "agent", "run", "system", "main", "cron-runlog-import", "task", "startup"))
_TOKEN = re.compile(
    rf"(?P<uuid>{_UUID.pattern})|(?P<run>cron:[^\s\"',;)]+)|(?P<replaced>(?:text|word|id|job|key|path|name)-\d+)"
    r"|(?P<stamp>\d{4}-\d\d-\d\d(?:T(?=\d))?)|(?P<number>\d+(?:\.\d+)?(?:ms|s|m|h)?(?![\w]))"
    rf"|(?P<signal>{'|'.join(SIGNALS)})|(?P<word>[^\W_]+)",
)
_EPOCH_MS = re.compile(r"1[4-9]\d{11}")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FEW_DIGITS = 6
_BEFORE_MESSAGE = re.compile(r".{0,60}?\d\d:\d\d:\d\d\S*\s+(?:[^\[\]{]{0,80}(?:\[[^\[\]]{1,60}\]:?\s+)+)?")
_KNOWN_MESSAGE = re.compile("|".join(re.sub(r"\?P<\w+>", "?:", message.pattern.pattern) for message in MESSAGES))
_ZERO_TO = {"uuid": "00000000-0000-4000-8000-{:012d}"}


@dataclass(slots=True)
class Replacements:
    """What was replaced by what, how much was kept, and the numbers that stay: moments, spans, counts."""

    made: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    numbers: set[str] = field(default_factory=set)

    def by(self, kind: str, original: str) -> str:
        """Give the replacement of an original, a new one where it is met for the first time."""
        known = self.made.get(original)
        if known is None:
            self.counts[kind] += 1
            known = self.made[original] = _ZERO_TO.get(kind, f"{kind}-{{}}").format(self.counts[kind])
        return known

    def identifier(self, text: str) -> str:
        """Replace an id; its form stays: UUIDs, the parts between colons, moments in epoch milliseconds."""
        if text in self.made:
            return self.made[text]
        replaced = _UUID.sub(lambda match: self.by("uuid", match.group().lower()), text)
        return ":".join(self._part(part) for part in replaced.split(":"))

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
                return self.message(text)
        return self.text(text)

    def message(self, text: str) -> str:
        """Replace every word of a line that not every gateway writes; stamps and small numbers stay."""
        return _TOKEN.sub(self._token, _ANSI.sub("", text))

    def line(self, text: str) -> str:
        """Replace a line of a console: its stamp and binding by words, what it says as a whole unless it is known."""
        text = _ANSI.sub("", text)
        found = _BEFORE_MESSAGE.match(text)
        before = found.group() if found else ""
        said = text[len(before) :]
        known = any(_KNOWN_MESSAGE.search(start + said) for start in ("", "gateway ", "shutdown "))
        return self.message(before) + (self.message(said) if known else self.text(said))

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
        parts = [
            part if part in ("json", "jsonl", "log", "txt", "bak", "migrated", "sqlite") or part.isdigit() else "x"
            for part in ending.split(".")
            if part
        ]
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

    def _number(self, key: str, value: float) -> float:
        if key not in NUMBERS and not key.endswith(NUMBER_ENDINGS):
            return 0
        self.numbers.update(re.findall(r"\w+", str(value).lower()))
        return value

    def _part(self, part: str) -> str:
        if not part or part in _PARTS or _is_harmless(part) or part in self.made.values():
            return part
        return self.by("id", part)

    def _token(self, match: re.Match[str]) -> str:
        text = match.group()
        if match["uuid"]:
            return self.by("uuid", text.lower())
        if match["run"]:
            return self.identifier(text)
        if match["number"]:
            return text if _is_harmless(text.partition(".")[0].rstrip("msh")) else "0"
        if match["word"] and text.lower() not in MESSAGE_WORDS and text not in ("T", "Z"):
            return text if len(text) == 1 or _is_clock(text) else self.by("word", text)
        return text


def _is_clock(word: str) -> bool:
    return re.fullmatch(r"\d{1,2}T\d{1,2}|T\d{1,2}|\d+Z|T\d+Z", word) is not None


def _is_harmless(digits: str) -> bool:
    """Tell whether a number is a moment or a small one: no telephone, chat or account has such."""
    is_stamp = _EPOCH_MS.fullmatch(digits) is not None or re.fullmatch(r"1[6-9]\d{8}", digits) is not None
    return digits.isdigit() and (len(digits) <= _FEW_DIGITS or is_stamp)


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
    "__REALTIME_TIMESTAMP": lambda _, text: text if text.isdigit() else "0",
}
