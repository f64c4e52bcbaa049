"""What was said when evidence was put together, names of gateways and the zone, is known to every later audit."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from dateutil import tz

from forensics import audit, load_evidence
from forensics.cli import main
from forensics.collect.bundling import bundle
from forensics.model.errors import UsageError
from forensics.model.finding import Report
from forensics.model.manifest import NAME
from forensics.parsers.zones import name_of_zone, steady_name, zone_named
from tests.collect.keeping import audited, collected, told

SAMPLES = Path(__file__).parent.parent.parent / "samples"
CONSOLE = "".join(
    f"Nov 20 {hour:02}:15:00 office node[30362]: [gateway] {message}\n"
    for hour, message in ((9, "signal SIGTERM received"), (9, "received SIGTERM; shutting down"), (10, "gateway ready"))
)


@pytest.fixture
def two(sigterm: Path, lost_write: Path, tmp_path: Path) -> dict[str, list[Path]]:
    """Give the folders of two gateways whose paths do not tell them apart."""
    given = {}
    for name, capture in (("office", sigterm), ("lab", lost_write)):
        folder = tmp_path / "hosts" / name[::-1]
        shutil.copytree(capture / "state", folder / "state")
        shutil.copytree(capture / "logs", folder / "logs")
        given[name] = [folder / "state", folder / "logs"]
    return given


def by_gateway(report: Report) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    for finding, each in zip(report.findings, told(report), strict=True):
        found.setdefault(finding.gateway, []).append(each)
    return {gateway: sorted(rows, key=str) for gateway, rows in found.items()}


def test_several_gateways_keep_their_names(two: dict[str, list[Path]], tmp_path: Path) -> None:
    for day in range(2):
        collected([], tmp_path / "evidence", day, two)
    report = audited(tmp_path / "evidence")
    named = {name: [str(path) for path in paths] for name, paths in two.items()}
    original = audit(load_evidence((), named))
    assert set(by_gateway(original)) == {"office", "lab"}
    assert by_gateway(report) == by_gateway(original)
    assert [(each.gateway, each.down_at) for each in report.restarts] == [
        (each.gateway, each.down_at) for each in original.restarts
    ]
    document = json.loads(next((tmp_path / "evidence").glob(f"*/{NAME}")).read_text("utf-8"))
    assert {place["gateway"] for place in document["places"]} == {"office", "lab"}


def test_a_day_without_a_name_belongs_to_the_gateway_of_its_folder(two: dict[str, list[Path]], tmp_path: Path) -> None:
    collected(two["office"], tmp_path / "evidence")
    collected([], tmp_path / "evidence", 1, {"office": two["office"]})
    assert set(by_gateway(audited(tmp_path / "evidence"))) == {"office"}


def test_the_word_of_who_audits_comes_first(two: dict[str, list[Path]], tmp_path: Path) -> None:
    collected([], tmp_path / "evidence", 0, {"office": two["office"]})
    report = audit(load_evidence((), {"headquarters": [str(tmp_path / "evidence")]}))
    assert set(by_gateway(report)) == {"headquarters"}


def test_a_path_of_two_gateways_is_refused(two: dict[str, list[Path]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two gateways"):
        collected([], tmp_path / "evidence", 0, {"office": two["office"], "lab": two["office"]})
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize("capture", ["office", "lab"])
def test_files_of_two_gateways_with_the_same_bytes_are_both_read(
    capture: str, two: dict[str, list[Path]], tmp_path: Path
) -> None:
    twin = tmp_path / "hosts" / "twin"
    shutil.copytree(two[capture][0].parent, twin)
    given = {"one": two[capture], "two": [twin / "state", twin / "logs"]}
    collected([], tmp_path / "evidence", 0, given)
    alone = by_gateway(audit(load_evidence((), {"one": [str(path) for path in two[capture]]})))
    found = by_gateway(audited(tmp_path / "evidence"))
    assert found == {"one": alone["one"], "two": alone["one"]}


def test_the_zone_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "gateway.log").write_text(CONSOLE)

    def moments(*paths: Path, zone: str | None = None) -> list[tuple[object, ...]]:
        evidence = load_evidence([str(path) for path in paths], zone=zone_named(zone) if zone else None)
        return evidence.sources.select("first_at", "zone_is_assumed").rows()

    assert moments(folder) != moments(folder, zone="Asia/Tokyo")
    arguments = [str(folder), "--tz", "Asia/Tokyo"]
    for words in (["collect", *arguments, "--into", str(tmp_path / "evidence")],):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
    assert moments(tmp_path / "evidence") == moments(folder, zone="Asia/Tokyo")
    assert moments(tmp_path / "evidence", zone="UTC") == moments(folder, zone="UTC")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "+02:00", "-09:30", "UTC", "+00:00"])
def test_a_zone_is_found_by_its_name_again(zone: str) -> None:
    known = zone_named(zone)
    assert known is not None
    again = zone_named(name_of_zone(known))
    assert again is not None
    moment = datetime(2026, 4, 23, tzinfo=UTC)
    assert moment.astimezone(again).utcoffset() == moment.astimezone(known).utcoffset()


def test_a_bundle_keeps_gateways_apart_and_their_names_to_itself(two: dict[str, list[Path]], tmp_path: Path) -> None:
    named = {f"Threadneedle-{name}": [str(path) for path in paths] for name, paths in two.items()}
    bundle([], tmp_path / "repro.zip", version="1", gateways=named)
    report = audited(tmp_path / "repro.zip")
    assert {each.gateway for each in report.findings} == {"gateway-1", "gateway-2"}
    original = audit(load_evidence((), named))

    def said(of: Report) -> list[list[tuple[str, ...]]]:
        rows = by_gateway(of)
        return sorted(sorted(tuple(map(str, row[1:5])) for row in each) for each in rows.values())

    assert said(report) == said(original)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "-09:30", "UTC"])
def test_a_bundle_knows_the_zone_that_was_assumed(zone: str, tmp_path: Path) -> None:
    console = tmp_path / "gateway.log"
    console.write_text(CONSOLE)
    paths = [str(SAMPLES / "real-lost-write" / "state"), str(console)]
    known = zone_named(zone)
    assert known is not None
    stamps = ("first_at", "last_at", "zone_is_assumed")
    wanted = load_evidence(paths, host_zone=known).sources.filter(kind="gateway_console").select(stamps).rows()
    made = bundle(paths, tmp_path / "repro.zip", version="1", host_zone=known)
    assert made.manifest.assumed_zone == name_of_zone(known)
    for host_zone in (UTC, ZoneInfo("America/New_York")):
        sources = load_evidence(str(tmp_path / "repro.zip"), host_zone=host_zone).sources
        assert sources.filter(kind="gateway_console").select(stamps).rows() == wanted
    assert wanted[0][2]


def test_a_zone_without_a_name_whose_offset_changes_has_to_be_given() -> None:
    winter, summer = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    nameless = tz.tzstr("CET-1CEST,M3.5.0,M10.5.0/3")
    assert steady_name(nameless, winter, winter) == "+01:00"
    assert steady_name(nameless, summer, summer) == "+02:00"
    assert steady_name(nameless, winter, summer) is None


def test_a_bundle_says_that_the_zone_was_assumed(tmp_path: Path) -> None:
    console = tmp_path / "gateway.log"
    console.write_text(CONSOLE)
    words = ["bundle", str(SAMPLES / "real-lost-write" / "state"), str(console), "-o", str(tmp_path / "repro.zip")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "the zone of this machine: assumed; give --tz if you know it" in result.stderr


def handed_over(way: str, folders: list[Path], tmp_path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Give the folders of two gateways in one of the ways in which they can be handed over."""
    if way == "one named":
        return [str(folders[0])], {folders[1].name: [str(folders[1])]}
    if way == "archives":
        return [str(packed(folder, tmp_path / f"{folder.name}.tar.gz")) for folder in folders], {}
    if way == "one folder":
        for folder in folders:
            shutil.copytree(folder, tmp_path / "hosts" / folder.name)
        return [str(tmp_path / "hosts")], {}
    return [str(folder) for folder in folders], {}


def packed(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as packing:
        packing.add(folder, folder.name)
    return archive


@pytest.mark.parametrize("way", ["paths", "one named", "archives", "one folder"])
def test_logs_stay_with_their_gateway_in_a_bundle(way: str, tmp_path: Path) -> None:
    """A bundle that judged a row otherwise, as without the log of its gateway, would be refused."""
    folders = [SAMPLES / "founding-same-run", SAMPLES / "real-lost-write"]
    paths, gateways = handed_over(way, folders, tmp_path)
    made = bundle(paths, tmp_path / "repro.zip", version="1", gateways=gateways)
    sources = load_evidence([str(tmp_path / "repro.zip")]).sources
    logs = [path for folder in folders for path in folder.glob("logs/*")]
    assert made.rows
    assert sources["gateway"].n_unique() == len(folders)
    assert sources.filter(kind="gateway_log")["gateway"].is_not_null().sum() == len(logs)


def test_a_bundle_tells_nothing_of_the_folders_that_were_handed_over(tmp_path: Path) -> None:
    for number, sample in enumerate(("every-verdict", "real-lost-write")):
        shutil.copytree(SAMPLES / sample, tmp_path / "Threadneedle" / f"Lombard-{number}")
    paths = [str(path) for path in sorted((tmp_path / "Threadneedle").iterdir())]
    bundle(paths, tmp_path / "repro.zip", version="1")
    with zipfile.ZipFile(tmp_path / "repro.zip") as archive:
        manifest = archive.read(NAME)
    assert not [word for word in (b"Threadneedle", b"Lombard", tmp_path.name.encode()) if word in manifest]


def test_a_bundle_of_a_named_release_says_how_to_audit_it(two: dict[str, list[Path]], tmp_path: Path) -> None:
    words = ["bundle", "--release", "2026.4.15", "--tz", "Asia/Tokyo", *map(str, two["lab"])]
    result = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "repro.zip")])
    assert result.exit_code == 0, result.output
    assert "audit it with --release 2026.4.15" in result.stderr


def test_a_bundle_of_a_collection_knows_the_zone(two: dict[str, list[Path]], tmp_path: Path) -> None:
    console = tmp_path / "gateway.log"
    console.write_text(CONSOLE)
    paths = [str(two["lab"][0]), str(console)]
    words = ["collect", "--tz", "Asia/Tokyo", *paths, "--into", str(tmp_path / "evidence")]
    assert CliRunner().invoke(main, words).exit_code == 0
    bundle([str(tmp_path / "evidence")], tmp_path / "repro.zip", version="1")
    zones = load_evidence([str(tmp_path / "repro.zip")]).sources.filter(kind="gateway_console")["timezone"].to_list()
    assert len(zones) == 1
    assert "Asia/Tokyo" in zones[0]
