"""The figures: of a run, as stored, and as the tables of the README that are made from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forensics import __version__
from forensics.writers.layout import markdown_table
from forensics.writers.tables import text_table
from tests.product.cases import CASES, Case
from tests.product.registries import ROW
from tests.product.releases import RELEASES

STORED = Path(__file__).parent / "results.json"
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"

HEADINGS = (
    "release",
    "registry",
    "lost",
    "corrected",
    "audited as lost, control",
    "audited as lost, corrected",
    "listed as corrected",
    "kept after the sweeps",
    "control's rows then",
    "other values apart",
    "undone then",
)


def document(
    results: Sequence[Mapping[str, Any]], markers: Sequence[Mapping[str, Any]], nodes: Mapping[str, str]
) -> dict[str, Any]:
    """Give all figures of a run as JSON holds them, sorted by release; lock files are told once per release."""
    day = datetime.now(UTC).date().isoformat()
    ran = {"day": day, "forensics": __version__}
    cases = [{key: value for key, value in result.items() if key not in _PER_RELEASE} | ran for result in results]
    seen = {
        result["release"]: {key: result[key] for key in _PER_RELEASE}
        for result in sorted(results, key=lambda result: str(result["case"]))
        if "locks" in result
    }
    return {"nodes": dict(nodes), "cases": cases, "markers": list(markers), "while the gateway runs": seen}


def renewed(earlier: Mapping[str, Any] | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """Give earlier figures with those of a run put in their place: a run may be of some releases or cases only."""
    if earlier is None:
        return dict(told)
    ran = {case["case"] for case in told["cases"]}
    marked = {entry["release"] for entry in told["markers"]}
    cases = [*(case for case in earlier["cases"] if case["case"] not in ran), *told["cases"]]
    markers = [*(entry for entry in earlier["markers"] if entry["release"] not in marked), *told["markers"]]
    return {
        "nodes": _by_release(earlier["nodes"] | told["nodes"]),
        "cases": sorted(cases, key=lambda case: _PLACES.index(case["case"])),
        "markers": sorted(markers, key=lambda entry: list(RELEASES).index(entry["release"])),
        "while the gateway runs": _by_release(earlier["while the gateway runs"] | told["while the gateway runs"]),
    }


_PLACES = [case.label for case in CASES]


def _by_release(told: Mapping[str, Any]) -> dict[str, Any]:
    return {release: told[release] for release in RELEASES if release in told}


_PER_RELEASE = ("locks", "processes that hold")


def not_carried_out(case: Case, error: Exception) -> dict[str, Any]:
    """Give the result of a trial that failed before it could be judged."""
    named = {"case": case.label, "release": case.release, "registry": case.name}
    return named | {"failures": [f"not carried out: {type(error).__name__}: {error}"]}


def store(told: Mapping[str, Any]) -> None:
    """Keep the figures of a run."""
    STORED.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def stored() -> dict[str, Any] | None:
    """Give the stored figures; None as long as there are none."""
    if not STORED.exists():
        return None
    told: dict[str, Any] = json.loads(STORED.read_text("utf-8"))
    return told


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Give the results for a terminal."""
    return text_table(HEADINGS, [_row(result) for result in results if "corrected" in result])


_MARKER_HEADINGS = ("release", "details of the row", "kept", "status then", "error then")


def markers_table(markers: Sequence[Mapping[str, Any]]) -> str:
    """Give for a terminal what a start did to rows whose job is still marked."""
    return text_table(_MARKER_HEADINGS, list(map(_marker, markers)))


def _marker(entry: Mapping[str, Any]) -> list[str]:
    told = [entry["release"], entry["details"], "yes" if entry["kept"] else "no"]
    return [*told, entry["status"] or "deleted", entry["error"] or "none"]


def block(told: Mapping[str, Any]) -> str:
    """Give the README's block, markers and all."""
    return "\n".join([BEGIN, *_block(told), END])


def _block(told: Mapping[str, Any]) -> Iterator[str]:
    cases = told["cases"]
    days = sorted({case["day"] for case in cases})
    nodes = ", ".join(f"{version} with Node {node}" for version, node in told["nodes"].items())
    versions = ", ".join(sorted({case["forensics"] for case in cases}))
    yield f"Run on {' and '.join(days)} with forensics {versions}: {nodes}."
    yield ""
    yield markdown_table(HEADINGS, [_row(case) for case in cases if "corrected" in case])
    yield ""
    failures = [f"- {case['case']}: {failure}" for case in cases for failure in case["failures"]]
    yield "\n".join(["What spoke against it:", "", *failures]) if failures else "Nothing spoke against it."
    yield ""
    yield "Values that two runs of one gateway do not share, corrected rows aside:"
    yield ""
    yield markdown_table(("release", "why", "values or whole rows, how many"), list(_apart(cases)))
    yield ""
    yield "A corrected row whose job is still marked as running that very run, after the next start:"
    yield ""
    yield markdown_table(_MARKER_HEADINGS, list(map(_marker, told["markers"])))
    yield ""
    yield "While the gateway runs:"
    yield ""
    yield markdown_table(("release", "file", "content", "held open"), list(_locks(told["while the gateway runs"])))


def _row(result: Mapping[str, Any]) -> list[str]:
    audited, listed = result["audited as lost"], result["listed as corrected"]
    explained = sum(entry["values"] for entry in result["differences"]["explained"])
    undo = result["undo"]
    return [
        result["release"],
        result["registry"],
        str(result["lost"]),
        str(result["corrected"]),
        f"{audited['before']['control']} → {audited['after']['control']}",
        f"{audited['before']['repaired']} → {audited['after']['repaired']}",
        f"{listed['before']} → {listed['after']}",
        str(result["kept after the sweeps"]),
        ", ".join(f"{count} {what}" for what, count in result["control"].items() if isinstance(count, int)),
        f"{explained} explained, {result['differences']['unexplained']} not",
        f"{undo['rows restored']} of {result['corrected']}",
    ]


def _apart(cases: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    seen: dict[tuple[str, str], dict[str, int]] = {}
    for case in cases:
        for entry in case.get("differences", {}).get("explained", ()):
            places = seen.setdefault((case["release"], entry["reason"]), {})
            place = entry["table"] if entry["column"] == ROW else f"{entry['table']}.{entry['column']}"
            places[place] = places.get(place, 0) + entry["values"]
    for (release, reason), places in seen.items():
        yield [release, reason, ", ".join(f"{place} {count}" for place, count in places.items())]


def _locks(told: Mapping[str, Any]) -> Iterator[list[str]]:
    for release, seen in told.items():
        for lock in seen["locks"]:
            yield [release, lock["path"], " ".join(lock["content"].split()), lock["held open"]]
        counts = [f"{name} by {count}" for name, count in seen["processes that hold"].items()]
        yield [release, "the registry", "", ", ".join(counts)]


def update_readme() -> None:
    """Renew the README's block from the stored figures."""
    told = stored()
    if told is not None:
        README.write_text(with_block(README.read_text("utf-8"), told), encoding="utf-8")


def with_block(readme: str, told: Mapping[str, Any]) -> str:
    """Give a text with its block made anew.

    Raises:
        ValueError: the text has no such block.
    """
    begin, end = readme.index(BEGIN), readme.index(END)
    return readme[:begin] + block(told) + readme[end + len(END) :]
