"""The page in a real browser: nothing is run or fetched, it fits a telephone, links open what they lead to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensics import write_html
from tests.support.browser import Tab, browser
from tests.support.pages import with_texts
from tests.writers.test_html import REPORTS, page, sample, settled_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PHONE, PAPER, DESK, WIDE = 390, 700, 1280, 1920
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
STICKING_OUT = """[...document.querySelectorAll('header *, main *')]
    .filter(one => !one.closest('.scroll, .hidden, svg, thead'))
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"""
SCRIPT = "<script>window.ran = 1</script>"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(str(CHROMIUM), tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def opened(tab: Tab, text: str, folder: Path, fragment: str = "") -> Tab:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    tab.open(path.as_uri() + fragment)
    return tab


@pytest.mark.parametrize("name", REPORTS)
def test_a_browser_finds_nothing_to_complain_of_and_asks_for_the_page_only(name: str, tab: Tab, tmp_path: Path) -> None:
    tab.look(DESK)
    opened(tab, page(name)[1], tmp_path).value(OPEN_ALL)
    assert tab.complaints() == []
    assert tab.requests() == [(tmp_path / "page.html").as_uri()]


@pytest.mark.parametrize(
    "put",
    [
        SCRIPT,
        "<img src='x.png' alt=''>",
        "<img src='data:image/png;base64,AAAA' alt='' onerror='window.ran = 1'>",
        "<svg onload='window.ran = 1'></svg>",
        "<style>p{color:#f00}</style>",
        "<p style='color:#f00'>told</p>",
        "<link rel='stylesheet' href='x.css'>",
        "<iframe src='x.html'></iframe>",
        "<object data='x.html'></object>",
        "<base href='https://example.invalid/'>",
    ],
)
def test_what_is_put_into_the_page_past_the_escape_is_stopped_by_the_policy(put: str, tab: Tab, tmp_path: Path) -> None:
    text = page("every verdict")[1].replace("<main>", f"<main>{put}<p id='after'>told</p>", 1)
    opened(tab, text, tmp_path)
    assert len(tab.complaints()) >= 1
    assert all("Content Security Policy" in one for one in tab.complaints())
    assert tab.value("window.ran") is None
    colours = tab.value("[...document.querySelectorAll('main > p')].map(one => getComputedStyle(one).color)")
    assert set(colours) == {"rgb(26, 31, 38)"}
    assert tab.value("document.baseURI").startswith("file:")


def test_the_policy_holds_the_style_to_the_byte(tab: Tab, tmp_path: Path) -> None:
    opened(tab, page("every verdict")[1].replace("<style>:root{", "<style>:root{ ", 1), tmp_path)
    assert len(tab.complaints()) == 1


def test_a_link_of_the_evidence_never_runs(tab: Tab, tmp_path: Path) -> None:
    hostile = f"javascript:window.ran=1//'\"></a></svg></style>{SCRIPT}<b onclick=window.ran=1>"
    opened(tab, write_html(with_texts(sample(), hostile), hostile), tmp_path)
    tab.value("document.querySelectorAll('a, b, summary').forEach(one => one.dispatchEvent(new Event('click')))")
    assert tab.value("window.ran") is None
    assert tab.complaints() == []
    assert tab.value("document.querySelectorAll('script').length") == 0


@pytest.mark.parametrize("name", REPORTS)
def test_a_telephone_shows_it_without_moving_it_sideways(name: str, tab: Tab, tmp_path: Path) -> None:
    tab.look(PHONE, 844)
    opened(tab, page(name)[1], tmp_path).value(OPEN_ALL)
    assert tab.value("document.documentElement.scrollWidth") == PHONE
    assert tab.value(STICKING_OUT) == []


@pytest.mark.parametrize("width", [PHONE, DESK, WIDE])
def test_names_that_have_no_place_to_break_are_broken_all_the_same(width: int, tab: Tab, tmp_path: Path) -> None:
    tab.look(width, 844)
    endless = "endless" * 20
    opened(tab, write_html(with_texts(sample(), endless), endless), tmp_path).value(OPEN_ALL)
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(STICKING_OUT) == []


def test_a_telephone_shows_what_would_settle_a_row_without_moving_it(tab: Tab, tmp_path: Path) -> None:
    tab.look(PHONE, 844)
    opened(tab, settled_page(), tmp_path).value(OPEN_ALL)
    widest = "Math.max(...[...document.querySelectorAll('.settled *')].map(one => one.getBoundingClientRect().right))"
    assert PHONE / 2 < tab.value(widest) <= PHONE


def test_the_names_of_jobs_stay_in_sight_when_a_picture_is_moved(tab: Tab, tmp_path: Path) -> None:
    tab.look(PHONE, 844)
    opened(tab, page("every verdict")[1], tmp_path)
    moved = """(() => {
        const box = document.querySelector('figure .scroll'), at = name => {
            const one = box.querySelector(name).getBoundingClientRect();
            return [one.left, one.top];
        };
        const told = () => [at('.names .job'), at('.picture .tick')];
        const before = told();
        box.scrollLeft = 300;
        return [before, told()];
    })()"""
    (name, tick), (name_after, tick_after) = tab.value(moved)
    assert name_after == name
    assert tick_after[0] == pytest.approx(tick[0] - 300, abs=1)


@pytest.mark.parametrize("width", [PHONE, DESK, WIDE])
def test_names_and_lanes_stand_side_by_side_at_the_same_height(width: int, tab: Tab, tmp_path: Path) -> None:
    tab.look(width)
    opened(tab, page("every verdict")[1], tmp_path)
    edges = """['.names', '.picture'].map(half => [...document.querySelectorAll(`figure ${half} .odd`)]
        .map(one => one.getBoundingClientRect()).map(one => [one.top, one.bottom]))"""
    names, lanes = tab.value(edges)
    assert len(names) == len(lanes) > 1
    for name, lane in zip(names, lanes, strict=True):
        assert name == pytest.approx(lane, abs=1)


@pytest.mark.parametrize("kind", ["finding", "told"])
def test_a_link_opens_what_it_leads_to(kind: str, tab: Tab, tmp_path: Path) -> None:
    tab.look(DESK)
    anchor = opened(tab, page("captured")[1], tmp_path).value(f"document.querySelector('details .{kind}').id")
    shown = f"""(() => {{ const one = document.getElementById('{anchor}'); const box = one.getBoundingClientRect();
        return [one.closest('details').open, box.height > 0, box.top >= 0 && box.top < innerHeight]; }})()"""
    tab.value("document.querySelectorAll('details').forEach(one => one.open = false)")
    assert tab.value(shown)[0] is False
    tab.open("about:blank")
    opened(tab, page("captured")[1], tmp_path, f"#{anchor}")
    assert tab.value(shown) == [True, True, True]


def test_picking_a_verdict_leaves_its_findings_and_the_one_that_was_linked(tab: Tab, tmp_path: Path) -> None:
    tab.look(DESK)
    tab.open("about:blank")
    opened(tab, page("every verdict")[1], tmp_path)
    shown = """[...document.querySelectorAll('.group')].filter(one => one.getBoundingClientRect().height)
        .map(one => one.className)"""
    every = tab.value(shown)
    assert len(every) == 7
    tab.value("document.getElementById('pick-failed').click()")
    assert tab.value(shown) == ["group of-failed"]
    anchor = tab.value("document.querySelector('.finding.v-false_lost').id")
    tab.value(f"location.hash = '{anchor}'")
    assert tab.value(shown) == ["group of-failed", "group of-false_lost"]
    tab.value("document.getElementById('pick-all').click()")
    assert tab.value(shown) == every


def test_on_paper_every_detail_is_open_and_nothing_is_picked_away(tab: Tab, tmp_path: Path) -> None:
    tab.look(DESK)
    opened(tab, page("every verdict")[1], tmp_path).value("document.getElementById('pick-failed').click()")
    hidden = """[...document.querySelectorAll('.finding, .told, .incident .picture, .notices')]
        .filter(one => !one.checkVisibility()).length"""
    assert tab.value(hidden) > 0
    tab.look(PAPER, media="print")
    assert tab.value(hidden) == 0
    assert tab.value("getComputedStyle(document.querySelector('.facts li')).display") == "grid"
    assert tab.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert tab.value("document.querySelector('nav').getBoundingClientRect().height") == 0


CONTRASTS = """(() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const read = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 :
        ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
    const below = one => { for (; one; one = one.parentElement) {
        const colour = read(getComputedStyle(one).backgroundColor); if (colour[3] === 255) return colour; } };
    const found = {};
    for (const one of document.querySelectorAll('body *')) {
        if (![...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
        if (one.matches('title, desc, .skip') || one.closest('.hidden')) continue;
        const style = getComputedStyle(one), is_drawn = one.closest('svg');
        const ink = read(is_drawn ? style.fill : style.color);
        const faint = read(getComputedStyle(document.querySelector('.odd')).fill);
        for (const ground of is_drawn ? [below(one), faint] : [below(one)]) {
            const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
            const ratio = (high + 0.05) / (low + 0.05);
            const name = `${one.tagName}.${one.getAttribute('class') || ''}`;
            if (!(found[name] <= ratio)) found[name] = ratio;
        }
    }
    return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_against_what_lies_behind_it(scheme: str, tab: Tab, tmp_path: Path) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    tab.look(DESK, scheme=scheme)
    opened(tab, page("every verdict")[1], tmp_path).value(OPEN_ALL)
    contrasts = tab.value(CONTRASTS)
    assert len(contrasts) > 30
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}
