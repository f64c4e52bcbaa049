"""The figures of a run: as tables, as JSON, and as the block of the README that is made from the stored ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from forensics.model.verdicts import Reason
from forensics.writers.layout import markdown_table
from forensics.writers.tables import text_table
from tests.corpus.judging import GROUPED_BY, Flaw, Judged
from tests.corpus.tally import ALL, FATE, Group, Score, Tally, percent

ROOT = Path(__file__).parent.parent.parent
STORED = Path(__file__).parent / "figures.json"
"""The figures of the last full run, from which the README's block is made."""

BEGIN, END = "<!-- scoreboard -->", "<!-- /scoreboard -->"
SHOWN_FAILURES = 20

_GROUP_COLUMNS: Mapping[str, str] = {
    "incidents": "incidents",
    "rows": "lost rows",
    Flaw.WRONG_ABOUT_LOSS: "wrong about a loss",
    "verdicts right": "verdicts right",
    "withheld rightly": "withheld rightly",
    "missing evidence named": "missing named",
    Flaw.OVER_CONFIDENT: "over-confident",
    "causes right": "causes right",
    "statuses right": "status",
    "ends right": "end",
    "errors right": "error",
}
_BLOCK_COLUMNS = list(_GROUP_COLUMNS.items())[:6]


def document(tally: Tally, asked: Mapping[str, object]) -> dict[str, Any]:
    """Give all figures of a run as JSON holds them; ``asked`` is what repeats it.

    ``reasons`` counts the rows of every reason there is: one that no row was given is one that the corpus does not try.
    """
    groups: dict[str, dict[str, object]] = {name: {} for name in (*GROUPED_BY, FATE)}
    for name, value in sorted(tally.groups.keys() - {ALL}, key=_by_number):
        groups[name][value] = Score(tally.groups[name, value]).figures()
    confusion = [[*pair, count] for pair, count in sorted(tally.confusion.items())]
    told = {"run": dict(asked), "all": Score(tally.groups[ALL]).figures(), "confusion": confusion, "groups": groups}
    return told | {"reasons": {reason.value: tally.reasons[reason.value] for reason in Reason}}


def _by_number(group: Group) -> tuple[object, ...]:
    """Sort releases by their numbers: 2026.4.8 comes before 2026.4.15."""
    name, value = group
    return name, [(int(part), "") if part.isdigit() else (-1, part) for part in value.split(".")]


def as_text(tally: Tally) -> str:
    """Give the whole scoreboard for a terminal."""
    told = document(tally, {})
    parts = [
        f"{told['all']['gateways']} gateways, {told['all']['incidents']} incidents, {told['all']['rows']} lost rows",
        text_table(("figure", "value"), [(name, shown(figure)) for name, figure in told["all"].items()]),
        _confusion(tally),
        *(_of_groups(name, groups) for name, groups in told["groups"].items() if groups),
        text_table(("reason", "rows"), [(reason, str(count)) for reason, count in told["reasons"].items()]),
        *_failures(tally.failures),
    ]
    return "\n\n".join(parts)


def shown(figure: float | None) -> str:
    """Give a count as it is, a share in per cent."""
    return str(figure) if isinstance(figure, int) else percent(figure)


def _confusion(tally: Tally) -> str:
    given = sorted({given for _, given in tally.confusion})
    deserved = sorted({deserved for deserved, _ in tally.confusion})
    rows = [[one, *(str(tally.confusion[one, other] or "") for other in given)] for one in deserved]
    return text_table(["deserved, given:", *given], rows)


def _of_groups(name: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [[value, *(shown(figures[key]) for key in _GROUP_COLUMNS)] for value, figures in groups.items()]
    return text_table([name, *_GROUP_COLUMNS.values()], rows)


def _failures(failures: Sequence[Judged]) -> Iterator[str]:
    if failures:
        worst = sorted(failures, key=lambda row: (list(Flaw).index(row.flaws()[0]), row.seed, row.task_id))
        yield f"{len(failures)} rows with a flaw; the worst of them:"
        yield "\n\n".join(map(described, worst[:SHOWN_FAILURES]))


def described(row: Judged) -> str:
    """Say in a few lines what is wrong with the answer to a row, and how to look into it."""
    deserved, given = row.deserved, row.given
    told = [f"{', '.join(row.flaws())}: seed {row.seed}, {row.gateway}, task {row.task_id}, fate {row.fate}"]
    if deserved is not None:
        reasons = f", for {_either(deserved.reasons)}" if deserved.reasons else ""
        firmly = f" ({_either(map(str, deserved.confidences))})" if deserved.confidences else ""
        told.append(f"  deserved  {_either(deserved.verdicts)}{firmly}, cause {_either(deserved.causes)}{reasons}")
        told += [f"            {deserved.why}"] if deserved.why else []
        told += [f"            {deserved.correct}"] if deserved.correct else []
    if given is not None:
        told.append(
            f"  given     {given.verdict} ({given.confidence}), cause {given.cause}: {', '.join(given.reasons)}"
        )
        told += [f"            {given.corrected}"] if given.corrected else []
    told += [f"  failed    {row.crash}"] if row.crash else []
    return "\n".join([*told, f"  shrink    {command_of(row)}"])


def _either(words: Iterator[str] | frozenset[str]) -> str:
    return " or ".join(sorted(words)) or "-"


def command_of(row: Judged) -> str:
    """Give the command that makes a failing row's case small."""
    task = f" --task {row.task_id}" if row.deserved is not None else ""
    return f"python -m tests.corpus.shrink {row.seed}{task} --company {row.company[0]}:{row.company[1]}"


def as_record(row: Judged) -> str:
    """Give a failing row as one line of JSON."""
    deserved, given = row.deserved, row.given
    told: dict[str, object] = {"flaws": row.flaws(), "seed": row.seed, "gateway": row.gateway, "task": row.task_id}
    told |= {"fate": row.fate, "why": deserved.why if deserved else None, "crash": row.crash}
    told["deserved"] = deserved and {
        "verdicts": sorted(deserved.verdicts),
        "confidences": sorted(map(str, deserved.confidences)),
        "causes": sorted(deserved.causes),
        "reasons": sorted(deserved.reasons),
        "correct": str(deserved.correct),
    }
    told["given"] = given and {
        "verdict": given.verdict,
        "confidence": given.confidence,
        "cause": given.cause,
        "reasons": given.reasons,
        "corrected": str(given.corrected),
    }
    return json.dumps(told | {"knobs": dict(row.knobs), "shrink": command_of(row)}, default=str)


def stored() -> dict[str, Any] | None:
    """Give the stored figures of the last full run; None as long as there are none."""
    told: dict[str, Any] = json.loads(STORED.read_text("utf-8"))
    return told if "all" in told else None


def store(told: Mapping[str, Any]) -> None:
    """Keep the figures of a full run."""
    STORED.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def block(told: Mapping[str, Any] | None) -> str:
    """Give the README's block, markers and all, from the stored figures."""
    return f"{BEGIN}\n{_block_text(told)}\n{END}"


def _block_text(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "No full run has been stored yet."
    figures, run = told["all"], told["run"]
    headings = ["release", *(heading for _, heading in _BLOCK_COLUMNS)]
    rows = [_block_row(release, of_release) for release, of_release in told["groups"]["release"].items()]
    rows.append(_block_row("all", figures))
    said = (
        f"The last full run simulated {figures['gateways']:,} gateways with {figures['incidents']:,} incidents "
        f"(restarts, crashes, lost\nwrites, runs off the list) and {figures['rows']:,} lost rows. "
        f"`false_lost`: precision {percent(figures['false_lost precision'])}, recall "
        f"{percent(figures['false_lost recall'])}.\nOf the corrected values, "
        f"{percent(figures['statuses right'])} of statuses, {percent(figures['ends right'])} of ends and "
        f"{percent(figures['errors right'])} of errors were right."
    )
    command = f"python -m tests.corpus.scoreboard --incidents {run['incidents']} --seed {run['seed']}"
    return f"{said}\n\n{markdown_table(headings, rows)}\n\n```sh\n{command}\n```"


def _block_row(name: str, figures: Mapping[str, Any]) -> list[str]:
    return [name, *(shown(figures[key]) for key, _ in _BLOCK_COLUMNS)]


def with_block(readme: str, told: Mapping[str, Any] | None) -> str:
    """Give a text with its block made anew.

    Raises:
        ValueError: the text has no such block.
    """
    begin, end = readme.index(BEGIN), readme.index(END)
    return readme[:begin] + block(told) + readme[end + len(END) :]
