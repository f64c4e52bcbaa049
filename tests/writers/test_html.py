"""The page for people: complete, self-contained, the same every time, and deaf to whatever the evidence says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics import audit, load_evidence, write_html
from forensics.cli import main
from forensics.correlator.audit import audit_with_facts
from forensics.correlator.circumstances import Surroundings
from forensics.model.escape import for_terminal
from forensics.model.finding import Counts, Report
from forensics.model.verdicts import Verdict
from forensics.writers.reasoning import SETTLED_ROWS, settling_of
from forensics.writers.wording import REASONS, closing, place, stamp, why
from tests.support.pages import Element, many, read_page, with_texts
from tests.support.scenario import J, a_day, at, audited, evidence_of

ROOT = Path(__file__).parent.parent.parent
SECTIONS = ["verdict", "counts", "timeline", "findings", "withheld", "reliability", "restarts", "sources", "method"]
SEVEN_HOURS = timedelta(hours=7)


@cache
def sample(name: str = "every-verdict") -> Report:
    return audit(load_evidence([str(ROOT / "samples" / name)]))


@cache
def thirty_five() -> Report:
    return many(sample(), 35, SEVEN_HOURS)


def quiet() -> Report:
    """Give a report of a registry in which no row is lost."""
    return audited(a_day().succeeded(J, at("10:00"), at("10:01"), task_id="task"))


def two_gateways() -> Report:
    rows = [a_day(name).row(J, at("10:00"), at("10:20")).without_run_logs() for name in ("one", "two")]
    return audited(*rows)


def untimed() -> Report:
    """Give a report of rows without start and lost mark."""
    return replace(sample(), findings=tuple(replace(one, started_at=None, lost_at=None) for one in sample().findings))


REPORTS: dict[str, Callable[[], Report]] = {
    "every verdict": sample,
    "captured": lambda: sample("real-lost-write"),
    "many": thirty_five,
    "nothing lost": quiet,
    "two gateways": two_gateways,
    "hostile": lambda: with_texts(sample(), "</style></svg><script>\x00&lt;'\""),
    "no times": untimed,
}


@cache
def settled_page() -> str:
    """Give the page that the command line writes: it tells row by row what would settle a verdict."""
    evidence = load_evidence([str(ROOT / "samples/every-verdict")])
    report, judged = audit_with_facts(evidence)
    return write_html(report, settling=settling_of(report, Surroundings(evidence, report, judged)))


@cache
def page(name: str) -> tuple[Report, str, Element]:
    report = REPORTS[name]()
    text = write_html(report, "forensics audit")
    return report, text, read_page(text)


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_runs_nothing_and_asks_for_nothing(name: str) -> None:
    _, text, root = page(name)
    assert {one.tag for one in root.all()}.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    for element in root.all():
        assert not [key for key in element.attributes if key.startswith("on") or key in ("style", "src", "srcset")]
        assert element.attributes.get("href", "#").startswith("#")
    style = next(root.all("style")).text
    assert "url(" not in re.sub(r"url\(#[a-z-]+\)", "", style)
    assert "@import" not in style
    assert text.startswith("<!DOCTYPE html>\n<html")


@pytest.mark.parametrize("name", REPORTS)
def test_the_policy_allows_the_style_of_the_page_and_nothing_else(name: str) -> None:
    _, text, root = page(name)
    (policy,) = [one for one in root.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.attributes["content"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    before = text[: text.index("<style>")]
    assert "Content-Security-Policy" in before


@pytest.mark.parametrize("name", REPORTS)
def test_ids_are_unique_and_every_reference_leads_somewhere(name: str) -> None:
    _, _, root = page(name)
    ids = [one.attributes["id"] for one in root.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    wanted = {one.attributes["href"][1:] for one in root.all() if "href" in one.attributes}
    for key in ("aria-labelledby", "aria-describedby"):
        wanted |= {one.attributes[key] for one in root.all() if key in one.attributes}
    wanted |= set(re.findall(r"url\(#([a-z-]+)\)", next(root.all("style")).text))
    assert wanted - set(ids) == set()


@pytest.mark.parametrize("name", REPORTS)
def test_sections_come_in_their_order_each_with_its_heading(name: str) -> None:
    report, _, root = page(name)
    assert [one.attributes["id"] for one in root.all("section")] == SECTIONS
    (title,) = root.all("h1")
    assert title.text == closing(report)
    for section in root.all("section"):
        assert section.attributes["aria-labelledby"] == next(section.all("h2")).attributes["id"]


@pytest.mark.parametrize("name", REPORTS)
def test_every_finding_is_told_with_its_whole_chain_of_evidence(name: str) -> None:
    report, _, root = page(name)
    shown = {one.attributes["id"]: one for one in root.by_id("findings").of_class("finding")}
    assert len(shown) == len(report.findings)
    paths = report.paths()
    ledger = root.by_id("restarts").text
    for number, finding in enumerate(report.findings, 1):
        told = shown[f"f{number}"]
        assert f"v-{finding.verdict}" in told.attributes["class"].split()
        for text in (finding.task_id, why(finding, paths), finding.cause, finding.confidence or ""):
            assert as_shown(text) in told.text
        for fact in finding.evidence:
            row = as_shown(f"{stamp(fact.at)}{fact.role}{fact.text}{place(fact, paths)}")
            line = fact.text.split(": ", 1)[-1]
            assert row in told.text or (fact.role == "restart" and as_shown(line + place(fact, paths)) in ledger)


def as_shown(text: str) -> str:
    return " ".join(for_terminal(text).split())


@pytest.mark.parametrize("name", REPORTS)
def test_every_restart_source_and_notice_is_told(name: str) -> None:
    report, _, root = page(name)
    restarts = root.by_id("restarts").of_class("restart")
    assert [next(one.all("b")).text for one in restarts] == [one.id for one in report.restarts]
    for told, restart in zip(restarts, report.restarts, strict=True):
        for fact in restart.evidence:
            assert as_shown(stamp(fact.at) + fact.role + fact.text + place(fact, report.paths())) in told.text
    sources = root.by_id("sources").text
    for path, sha256 in report.sources.select("path", "sha256").iter_rows():
        assert as_shown(path) in sources
        assert as_shown(sha256 or "-") in sources
    method = root.by_id("method").text
    for code, message in report.notices.select("code", "message").iter_rows():
        assert as_shown(code) in method
        assert as_shown(message) in method
    assert f"Notices {report.notices.height}" in method


def test_the_report_of_many_rows_is_one_that_shortens_chains() -> None:
    _, text, _ = page("many")
    assert text.count("each with its place under Restarts") == 35 * 3


@pytest.mark.parametrize("name", REPORTS)
def test_no_row_is_missing_from_the_incidents(name: str) -> None:
    report, _, root = page(name)
    rows = [row for table in root.by_id("timeline").of_class("rows") for row in table.all("tr")]
    linked = [link.attributes["href"] for row in rows for link in row.all("a")]
    drawn = any(one.started_at or one.lost_at for one in report.findings)
    assert sorted(linked) == (sorted(f"#f{n}" for n in range(1, len(report.findings) + 1)) if drawn else [])


@pytest.mark.parametrize("name", REPORTS)
def test_the_legend_explains_every_kind_of_mark_and_run_that_is_drawn_and_no_other(name: str) -> None:
    _, _, root = page(name)
    timeline = root.by_id("timeline")
    drawn, explained = set(), set()
    for picture in timeline.of_class("picture"):
        drawn |= {one.attributes["class"] for one in picture.of_class("bar")}
        drawn |= {one.attributes["href"] for one in picture.all("use")}
    for legend in timeline.of_class("legend"):
        explained |= {one.attributes["class"] for one in legend.of_class("bar")}
        explained |= {one.attributes["href"] for one in legend.all("use")}
    assert drawn == explained


@pytest.mark.parametrize(("name", "tone"), [("every verdict", "bad"), ("two gateways", "none"), ("captured", "good")])
def test_no_loss_is_good_news_only_where_nothing_was_withheld(name: str, tone: str) -> None:
    figure = page(name)[2].of_class("figure")[1]
    assert "real loss" in figure.text
    assert figure.attributes["class"] == f"figure {tone}"


def test_incidents_that_are_not_drawn_are_counted() -> None:
    report, _, root = page("many")
    drawn = root.by_id("timeline").of_class("incident")
    pictures = [one for one in drawn if one.of_class("picture")]
    assert len(pictures) == 60
    assert "60 of 350 incidents are drawn" in root.by_id("timeline").text
    assert len(report.findings) == 35 * 12


def test_the_figures_before_and_after_are_split_by_code_and_severity() -> None:
    by_code = dict.fromkeys(sample().summary.before.by_code, 0)
    before = Counts(errors=7, warnings=5, by_code=by_code | {"stale_running": 2, "lost": 6, "missing_cleanup": 4})
    after = Counts(errors=2, warnings=4, by_code=by_code | {"stale_running": 2, "missing_cleanup": 4})
    report = replace(sample(), summary=replace(sample().summary, before=before, after=after))
    table = read_page(write_html(report)).by_id("counts").of_class("counts")[0]
    rows = [[cell.text for cell in row.inside if isinstance(cell, Element)] for row in table.all("tr")]
    assert rows[1:] == [
        ["stale_running", "error", "2", "2", "–"],
        ["lost", "error", "5", "0", "−5"],
        ["lost", "warning", "1", "0", "−1"],
        ["missing_cleanup", "warning", "4", "4", "–"],
        ["errors", "7", "2", "−5"],
        ["warnings", "5", "4", "−1"],
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_what_is_withheld_is_told_by_reason(name: str) -> None:
    report, _, root = page(name)
    section = root.by_id("withheld")
    withheld = list(report.of_verdict(Verdict.UNDETERMINED))
    for finding in withheld:
        for code in finding.reasons:
            assert REASONS[code] in section.text  # type: ignore[index]
    linked = {link.attributes["href"] for link in section.all("a")}
    weak = [one for one in report.findings if one.confidence == "weak"]
    anchors = {(one.gateway, one.task_id): f"#f{n}" for n, one in enumerate(report.findings, 1)}
    assert linked == {anchors[one.gateway, one.task_id] for one in (*withheld, *weak)}
    assert ("Nothing was withheld" in section.text) == (not withheld)


def test_a_withheld_row_names_the_files_that_would_settle_it() -> None:
    _, _, root = page("two gateways")
    assert f"cron/runs/{J}.jsonl" in [one.text for one in root.by_id("withheld").all("code")]


@pytest.mark.usefixtures("at_root")
def test_what_would_settle_a_row_is_told_as_explain_tells_it() -> None:
    result = CliRunner().invoke(main, ["audit", "samples/every-verdict", "-f", "html"])
    root = read_page(result.stdout)
    rows = [row for table in root.by_id("withheld").of_class("settled") for row in table.all("tr")][1:]
    withheld = list(sample().of_verdict(Verdict.UNDETERMINED))
    assert len(rows) == len(withheld)
    for row, finding in zip(rows, withheld, strict=True):
        told = CliRunner().invoke(main, ["explain", finding.task_id, "samples/every-verdict", "-f", "json"])
        (explained,) = json.loads(told.stdout)["findings"]
        wanted = explained["explanation"]["overturned_by"]
        assert wanted
        (link,) = row.all("a")
        for told_at in (row, root.by_id(link.attributes["href"][1:])):
            (wants,) = told_at.of_class("wanted")
            pairs = [(next(one.all("span")).text, next(one.all("small")).text) for one in wants.all("li")]
            assert pairs == [(one["what"], one["where"]) for one in wanted]
        assert stamp(finding.started_at) in row.text


def test_of_many_withheld_rows_those_of_every_kind_are_told_first() -> None:
    gateway = a_day().without_run_logs()
    for number in range(SETTLED_ROWS + 10):
        gateway.row("busy", at("10:00") + number * timedelta(seconds=2), at("18:00"), task_id=f"b{number:03}")
    gateway.row("rare", at("17:00"), at("18:00"), task_id="rare")
    evidence = evidence_of(gateway)
    report, judged = audit_with_facts(evidence)
    settling = settling_of(report, Surroundings(evidence, report, judged))
    assert len(settling) == SETTLED_ROWS
    assert any(task == "rare" for _, task in settling)
    withheld = read_page(write_html(report, settling=settling)).by_id("withheld")
    assert f"{SETTLED_ROWS} of {SETTLED_ROWS + 11} withheld rows are told here" in withheld.text


def test_an_incident_says_why_its_rows_were_marked_and_which_only_an_export_shows() -> None:
    _, _, root = page("every verdict")
    told = [one.text for one in root.by_id("timeline").of_class("incident")]
    (unexplained,) = [text for text in told if text.startswith("One row: vanished")]
    assert "1 row marked at 2026-04-20 08:05:30.000 UTC: the sweep marked it with no restart near." in unexplained
    assert len([text for text in told if text.startswith("Shown as lost by an export")]) == 1
    assert len([text for text in told if text.startswith("R2, SIGTERM")]) == 1


def test_two_gateways_are_told_apart_everywhere() -> None:
    _, _, root = page("two gateways")
    assert len(list(root.by_id("timeline").all("figcaption"))) == 2
    for finding in root.by_id("findings").of_class("finding"):
        assert "gateway" in finding.text


def test_of_many_gateways_those_with_most_rows_are_drawn_and_all_are_told() -> None:
    report = audited(*(a_day(f"gateway {n}").row(J, at("10:00"), at("10:20")).without_run_logs() for n in range(9)))
    root = read_page(write_html(report))
    assert len(list(root.by_id("timeline").all("figcaption"))) == 8
    assert "8 of 9 gateways are drawn" in root.by_id("timeline").text
    assert all(f"gateway {n}" in root.by_id("timeline").text for n in range(9))


def test_the_command_the_policy_and_the_version_are_told() -> None:
    report = sample()
    method = read_page(write_html(report, "forensics audit 'a b' --tz=+02:00")).by_id("method").text
    assert "forensics audit 'a b' --tz=+02:00" in method
    assert all(f"{name}{value}" in method for name, value in report.policy.as_text().items())


@pytest.mark.parametrize("name", ["every verdict", "hostile"])
def test_the_same_report_gives_the_same_bytes(name: str) -> None:
    report, text, _ = page(name)
    assert write_html(report, "forensics audit") == text


def test_the_order_in_which_files_are_given_changes_only_the_command(tmp_path: Path) -> None:
    parts = [str(ROOT / "samples/every-verdict" / part) for part in ("logs", "state", "tasks-list.json")]
    written = {write_html(audit(load_evidence(given))) for given in (parts, parts[::-1])}
    assert len(written) == 1
    assert not list(tmp_path.iterdir())


ANY = st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>&\"'`=/\\\x00\x1b\n\u202e\u2066#{}%;")
HOSTILE = st.text(ANY, max_size=24)


@settings(max_examples=10)
@given(HOSTILE)
def test_no_text_of_the_evidence_changes_what_the_page_is_made_of(text: str) -> None:
    assert_stays_as_it_is_made(sample("real-lost-write"), text)


@pytest.mark.parametrize(
    "text",
    [
        "</style><script>alert(1)</script>",
        "\" onload='x' \u202e\x00</title></svg><svg onload=alert(1)>",
        "{{ 7 * 7 }}{% raw %}{# &lt;b&gt; &#60; ]]>-->",
    ],
)
def test_no_hostile_text_changes_what_the_page_is_made_of(text: str) -> None:
    assert_stays_as_it_is_made(sample(), text)


def assert_stays_as_it_is_made(report: Report, text: str) -> None:
    hostile, plain = (write_html(with_texts(report, told), told) for told in (text, "x"))
    root = read_page(hostile)
    assert skeleton(root) == skeleton(read_page(plain))
    assert for_terminal(hostile.replace("\n", "")) == hostile.replace("\n", "")
    assert as_shown(text) in root.by_id("findings").text


def skeleton(root: Element) -> list[tuple[str, list[str], str]]:
    """Give the tags of a page with the names of their attributes, and what those hold that style it."""
    return [(one.tag, sorted(one.attributes), one.attributes.get("class", "")) for one in root.all()]


@pytest.mark.usefixtures("at_root")
def test_a_page_of_thousands_of_findings_stays_small() -> None:
    report = audit(load_evidence(["samples/every-verdict"]))
    some, more = (len(write_html(many(report, times, SEVEN_HOURS)).encode()) for times in (35, 45))
    # 10.5 MB for 5,000; in this small a report every row still adds to the first picture as well
    assert (more - some) / (10 * len(report.findings)) < 2_700


@pytest.mark.usefixtures("at_root")
def test_the_command_line_writes_the_page_to_a_file_and_never_over_evidence(tmp_path: Path) -> None:
    output = tmp_path / "audit.html"
    arguments = ["audit", "samples/every-verdict", "--tz", "+02:00", "--format", "html", "-o"]
    result = CliRunner().invoke(main, [*arguments, str(output)])
    assert result.exit_code == 0, result.output
    told = read_page(output.read_text("utf-8")).by_id("method").text
    assert "forensics audit samples/every-verdict --tz=+02:00 --format=html" in told
    assert "audit.html" not in told
    copy = tmp_path / "tasks-list.json"
    copy.write_bytes((ROOT / "samples/every-verdict/tasks-list.json").read_bytes())
    refused = CliRunner().invoke(main, ["audit", str(copy), "-f", "html", "-o", str(copy)])
    assert refused.exit_code != 0
    assert copy.read_bytes() == (ROOT / "samples/every-verdict/tasks-list.json").read_bytes()


def test_rows_of_a_job_without_an_id_are_drawn() -> None:
    nameless = tuple(replace(one, job_id=None, job_name=None) for one in sample().findings)
    root = read_page(write_html(replace(sample(), findings=nameless, runs=sample().runs.clear())))
    assert "no job" in [one.text for one in root.by_id("timeline").of_class("job")]


def test_sources_without_any_time_have_no_bar() -> None:
    never = pl.lit(None, pl.Datetime("ms", "UTC"))
    timeless = sample().sources.with_columns(first_at=never, last_at=never)
    root = read_page(write_html(replace(sample(), sources=timeless)))
    assert root.by_id("sources").of_class("span") == []
    assert len(page("every verdict")[2].by_id("sources").of_class("span")) > 0


@pytest.mark.parametrize("name", REPORTS)
def test_headings_leave_out_no_level_and_come_one_below_the_other(name: str) -> None:
    _, _, root = page(name)
    levels = [int(one.tag[1]) for one in root.all() if one.tag in ("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", REPORTS)
def test_pictures_tables_and_what_can_be_moved_are_named(name: str) -> None:
    _, _, root = page(name)
    ids = {one.attributes["id"]: one for one in root.all() if "id" in one.attributes}
    for picture in root.all("svg"):
        if picture.attributes.get("aria-hidden") == "true":
            continue
        named = picture.attributes.get("aria-label") or ids[picture.attributes["aria-labelledby"]].text
        assert named
        if "picture" in picture.attributes.get("class", ""):
            assert ids[picture.attributes["aria-describedby"]].text.endswith("says the same in words.")
    for head in root.all("th"):
        assert head.attributes["scope"] in ("row", "col")
    for box in root.of_class("scroll"):
        assert (box.attributes["role"], box.attributes["tabindex"]) == ("region", "0")
        assert box.attributes["aria-label"]
    for choice in root.all("label"):
        assert choice.text
        assert ids[choice.attributes["for"]].attributes["aria-label"].startswith("show ")


def test_a_finding_can_be_linked_by_its_task_in_this_report_and_in_a_later_one() -> None:
    root = page("every verdict")[2]
    later = read_page(write_html(replace(sample(), findings=sample().findings[3:])))
    for finding in sample().findings[3:]:
        permalink = f"task-{finding.task_id}"
        for told in (root, later):
            (link,) = [one for one in told.all("a") if one.text == finding.task_id]
            assert link.attributes["href"] == f"#{permalink}"
            assert told.by_id(permalink).text == why(finding, sample().paths())


def test_a_task_that_two_gateways_share_is_linked_by_its_number() -> None:
    links = [one.attributes["href"] for one in page("two gateways")[2].by_id("findings").all("a") if one.text == "task"]
    assert links == ["#task.f1", "#task.f2"]


def test_the_styles_own_pairs_of_ink_and_ground_can_be_told_apart() -> None:
    """WCAG 2.2, 1.4.3 (AA), for every ink on every ground, in light, in dark and on paper."""
    style = next(page("every verdict")[2].all("style")).text
    light, dark, paper = (dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)", part)) for part in style.split(":root{")[1:4])
    inks = set(re.findall(r"[;{ ]color:var\(--([a-z-]+)\)", style)) | {"ink", "soft"}
    assert {"bad", "open", "mild", "calm", "good", "mute", "link"} <= inks
    for colours in (light, light | dark, light | paper):
        for ground in ("page", "sheet", "faint"):
            for ink in sorted(inks):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
