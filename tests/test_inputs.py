"""The README's table of inputs names all of them, and each of them is read as it says."""

from __future__ import annotations

import gzip
import io
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forensics import load_evidence
from forensics.model.evidence import Evidence
from forensics.parsers.catalogue import FORM_OF, FORMS
from forensics.parsers.containers import CONTAINERS, STANDARD_INPUT
from forensics.parsers.load import EVIDENCE_KINDS
from tests.inputs import exports, logs, stores
from tests.inputs.case import FRAMES, Captures, Case, moment, read, told_of
from tests.support.packing import COMPRESSED, packed, write

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "samples" / "real-lost-write"
CASES = (*stores.CASES, *logs.CASES, *exports.CASES)
NAMES = {name for form in FORMS for name in (form.name, *form.variants)}


@pytest.fixture(scope="module")
def captures(unpacked: Path) -> Captures:
    return Captures(unpacked)


def names_in_the_readme() -> list[str]:
    """Give the names in the first column of the tables of the section that says what is read."""
    section = (ROOT / "README.md").read_text("utf-8").split("\n## What it reads\n")[1].split("\n## ")[0]
    return [name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall("`(.+?)`", row)]


def test_the_readme_names_every_input_once_and_no_other() -> None:
    assert sorted(names_in_the_readme()) == sorted([*NAMES, *CONTAINERS])


def test_every_form_is_tried() -> None:
    assert {case.form for case in CASES} == NAMES


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: moment(value) if isinstance(value, datetime) else value for name, value in row.items()}


def assert_rows(frames: dict[str, pl.DataFrame], wanted: Case) -> None:
    assert {name: frame.height for name, frame in frames.items() if frame.height} == {
        name: count for name, (count, _) in wanted.rows.items()
    }
    for name, (_, row) in wanted.rows.items():
        told = [without_times(one) for one in frames[name].select(list(row)).iter_rows(named=True)]
        assert dict(row) in told, name


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_input_is_read_as_what_it_is(tmp_path: Path, captures: Captures, case: Case) -> None:
    _, told = read(case, tmp_path / "given", captures)
    source = told.source
    assert (source["form"], source["kind"]) == (case.form, case.kind.value)
    lines, records, skipped, rejected = case.counts
    assert lines == records + skipped + rejected
    assert tuple(source[name] for name in ("lines", "records", "skipped", "rejected")) == case.counts
    assert_rows(told.frames, case)
    assert (moment(source["first_at"]), moment(source["last_at"])) == (case.first, case.last)
    assert (source["timezone"], source["zone_is_assumed"]) == (case.timezone, case.zone_is_assumed)
    assert told.notices == case.notices
    assert (source["release"], source["gateway"]) == (case.release, case.gateway)


@pytest.mark.parametrize("case", [case for case in CASES if case.zone is not None], ids=str)
def test_local_stamps_that_nothing_explains_are_assumed_and_said_to_be(
    tmp_path: Path, captures: Captures, case: Case
) -> None:
    assert FORM_OF[case.form].needs_zone
    evidence, told = read(case, tmp_path / "given", captures, is_zone_given=False)
    assert told.source["zone_is_assumed"]
    assert told.source["timezone"] == "local stamps in UTC, the zone of this machine: assumed"
    assert told.notices == ("zone_assumed",)
    assert "--tz" in evidence.notices["message"][0]


@pytest.mark.parametrize("case", [case for case in CASES if case.zone is not None], ids=str)
def test_local_stamps_are_read_in_the_zone_that_another_file_states(
    tmp_path: Path, captures: Captures, case: Case
) -> None:
    def write_beside(folder: Path, given: Captures) -> Path:
        logs.shaped("json")(folder / "beside", given)
        return case.write(folder, given)

    _, told = read(case, tmp_path / "given", captures, is_zone_given=False, write=write_beside)
    assert told.source["timezone"] == "local stamps +02:00, as other files of this evidence say"
    assert (moment(told.source["first_at"]), told.source["zone_is_assumed"]) == (case.first, False)


LOG = SAMPLE / "logs" / "openclaw-2026-11-23.log"
WITHIN = {
    "logs/openclaw-2026-11-23.log": ("gateway file log", 71, 25),
    "state/cron/jobs.json": ("cron/jobs.json", 4, 4),
    "state/cron/runs/330c25e7-6c4a-4b70-8c7d-923affaa57e8.jsonl": ("cron/runs/<job>.jsonl", 1, 1),
    "state/cron/runs/575b8a3a-11e6-4100-82fd-5dc4dc39cb66.jsonl": ("cron/runs/<job>.jsonl", 1, 1),
    "state/cron/runs/d651c7e6-2f26-4952-89eb-5a3d09994353.jsonl": ("cron/runs/<job>.jsonl", 1, 1),
    "state/tasks/runs.sqlite": ("tasks/runs.sqlite", 3, 3),
}
"""Of each file of the sample that is evidence of its own: form, lines, records."""

CONTAINERS_OF = {"folder": 0} | dict.fromkeys(COMPRESSED, len(WITHIN) + 1)
"""Each file is one, the write-ahead log of the registry too."""

ARCHIVES = [kind for kind in CONTAINERS if kind.startswith(("tar", "zip"))]


def given_as(folder: Path, kind: str) -> Evidence:
    """Load the sample as a container of this kind."""
    if kind == "folder":
        return load_evidence([str(SAMPLE)])
    if kind == STANDARD_INPUT:
        return load_evidence([STANDARD_INPUT], standard_input=io.BytesIO(packed(SAMPLE, "tar.gz")))
    if kind in ARCHIVES:
        return load_evidence([str(write(folder / "copy", packed(SAMPLE, kind)))])
    for path in SAMPLE.rglob("*"):
        if path.is_file():
            target = folder / "copy" / f"{path.relative_to(SAMPLE)}.{kind}"
            write(target, COMPRESSED[kind](path.read_bytes()))
    return load_evidence([str(folder / "copy")])


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_gives_what_lies_in_it(tmp_path: Path, kind: str) -> None:
    evidence = given_as(tmp_path, kind)
    told = {
        name: (row["form"], row["lines"], row["records"])
        for row in evidence.sources.filter(pl.col("kind").is_in(EVIDENCE_KINDS)).iter_rows(named=True)
        for name in WITHIN
        if name in row["path"]
    }
    assert told == WITHIN
    plain = load_evidence([str(SAMPLE)])
    for frame in FRAMES:
        assert getattr(evidence, frame).height == getattr(plain, frame).height, frame
    assert sorted(evidence.tasks["task_id"]) == sorted(plain.tasks["task_id"])
    columns = ["sha256", "kind", "form", "first_at", "last_at", "timezone", "zone_is_assumed"]
    assert evidence.sources.select(columns).sort("sha256").equals(plain.sources.select(columns).sort("sha256"))
    told_of = evidence.notices.filter(pl.col("code") != "unknown_kind")["code"].to_list()
    assert told_of == ["container"] * CONTAINERS_OF.get(kind, 1)
    assert evidence.notices.filter(pl.col("code") == "unknown_kind").height == 1, "the sample's own README"


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_compressed_file_is_a_container_of_one(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"{LOG.name}.{kind}", COMPRESSED[kind](LOG.read_bytes()))
    told = told_of(load_evidence([str(path)]), str(path))
    plain = told_of(load_evidence([str(LOG)]), str(LOG))
    assert told.source | {"path": "", "copy": ""} == plain.source | {"path": "", "copy": ""}
    assert {name: frame.height for name, frame in told.frames.items()} == {"tasks": 0, "runs": 0, "jobs": 0} | {
        "lifecycle": plain.frames["lifecycle"].height,
        "histories": 0,
        "corrections": 0,
    }
    assert told.notices == ("container",)


def test_what_is_piped_in_may_be_one_compressed_file() -> None:
    piped = io.BytesIO(gzip.compress(LOG.read_bytes()))
    source = load_evidence([STANDARD_INPUT], standard_input=piped).sources.row(0, named=True)
    assert (source["path"], source["form"], source["lines"], source["records"]) == ("-", "gateway file log", 71, 25)
