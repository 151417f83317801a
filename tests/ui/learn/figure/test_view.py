"""The figure of a lesson in a real browser: what is in the page, read back and held against the frames."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from lthviz.ui.learn.figure import Frame, Matrix, Picture
from lthviz.ui.learn.figure.payload import number
from tests.ui.learn.figure.planted import PLANT

SCRIPT = PLANT + '''
import streamlit as st

st.set_page_config(layout="wide")
st.button("Next", shortcut="right", on_click=lambda: st.session_state.update(turned=st.session_state.get("turned", 0) + 1))
st.text(f"turned {st.session_state.get('turned', 0)}")
st.text_input("Typed")
few = st.toggle("Fewer")
if st.toggle("Shown", True):
    controls = (CONTROLS[0], Control("Rate", RATES[:2], "slider"), CONTROLS[2]) if few else CONTROLS
    given = [f for i, f in enumerate(frames()) if not few or i % 40 < 4]
    lesson_figure(given, controls, matrices(10.0 if few else 0.0), key="figure", on_cell=lambda cell: st.session_state.update(clicked=[*st.session_state.get("clicked", []), tuple(cell)]))
st.text(f"clicked {st.session_state.get('clicked', [])}")
'''
pytestmark = pytest.mark.browser
SPACE: dict = {}
exec(PLANT, SPACE)
FRAMES, MATRICES = SPACE["frames"](), SPACE["matrices"]()
START = (0, 4, 0)
STATES = ("not there", "kept", "added", "removed")
READ = """e => {
  const box = x => x.getBoundingClientRect(), shown = x => !x.closest("[hidden]"), grids = [...e.querySelectorAll(".grid")];
  return { frame: +e.dataset.frame, said: e.querySelector(".said").textContent, drawn: e.querySelector(".drawing svg")?.outerHTML ?? "", alt: e.querySelector(".drawing").ariaLabel,
    places: [e.querySelector(".step[aria-current]")?.textContent.trim(), e.querySelector(".now")?.textContent, e.querySelector(".seg [aria-pressed=true]")?.textContent],
    grids: grids.map(g => [...g.querySelectorAll(".row")].map(row => ({ top: box(row).top, chosen: row.classList.contains("chosen"),
      note: row.querySelector(".note").textContent, share: shown(row.querySelector(".bar")) ? +row.querySelector(".bar").style.getPropertyValue("--share") : null,
      cells: [...row.querySelectorAll(".cell")].map(c => ({ left: box(c).left, label: c.ariaLabel, number: c.textContent, state: +/ s(\\d)/.exec(c.className)[1],
        pale: c.classList.contains("pale"), strong: c.classList.contains("strong") })) }))),
    names: [...e.querySelectorAll(".band")].filter(shown).map(b => b.textContent), outlines: [...e.querySelectorAll(".outline")].filter(shown).map(b => [box(b).width, box(b).height]),
    under: [...e.querySelectorAll(".below")].filter(shown).map(b => b.textContent) };
}"""


@pytest.fixture(scope="module")
def url(serve):
    return serve(SCRIPT)


@pytest.fixture
def show(context, url):
    """`show(width=1280, dark=False)`: the page, and an error in its console fails the test. still: with less motion."""
    pages, errors = [], []

    def start(*, width=1280, height=1100, dark=False, still=True):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce" if still else "no-preference")
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(url)
        page.locator(".lf[data-draws]").wait_for()
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.close()
    assert not errors


def frame_at(step, rate, order):
    return FRAMES[(step * 20 + rate) * 2 + order]


def holds(page, frame: Frame, matrices: list[Matrix] = MATRICES):
    """Whether the page shows this frame, and nothing else."""
    got = page.locator(".lf").evaluate(READ)
    assert got["said"] == frame.said
    assert (got["drawn"] != "", got["alt"] or "") == (frame.drawing != "", frame.alt)
    if frame.drawing:
        assert re.search(r'<rect [^>]*width="(\d+)"', got["drawn"])[1] == re.search(r'<rect [^>]*width="(\d+)"', frame.drawing)[1]
    for rows, matrix, picture in zip(got["grids"], matrices, frame.pictures, strict=True):
        assert_cells(rows, matrix, picture)
    bands = [b for p in frame.pictures for b in p.bands]
    assert got["names"] == [b.name for b in bands if b.name]
    cell = page.locator(".cell").first.bounding_box()
    pitch = abs(got["grids"][1][0]["cells"][1]["left"] - got["grids"][1][0]["cells"][0]["left"])
    assert np.allclose([w for w, _ in got["outlines"]], [b.block * pitch + 4 - (pitch - cell["width"]) for b in bands if b.block], atol=1.1)
    assert got["under"] == [t for p in frame.pictures for t in p.under]


def assert_cells(rows, matrix: Matrix, picture: Picture):
    R, C = matrix.shape
    order = [r for b in picture.bands for r in b.rows] or list(range(R))
    assert list(np.argsort([row["top"] for row in rows])) == order
    assert {r for r, row in enumerate(rows) if row["chosen"]} == set(picture.rows_strong)
    for r, row in enumerate(rows):
        cols = next((b.cols for b in picture.bands if r in b.rows), range(C))
        name = next((b.name for b in picture.bands if r in b.rows), "")
        assert list(np.argsort([c["left"] for c in row["cells"]])) == list(cols)
        assert row["note"] == (picture.notes[r] if picture.notes else "")
        assert row["share"] is None if not picture.bars else row["share"] == pytest.approx(picture.bars[r], abs=1e-4)
        for c, cell in enumerate(row["cells"]):
            text = number(matrix.values[r, c])
            assert (cell["state"], cell["number"]) == (picture.codes[r, c], text)
            assert cell["pale"] == bool(picture.pale is not None and picture.pale[r, c]) and cell["strong"] == bool(picture.strong is not None and picture.strong[r, c])
            where = f"{matrix.rows[r] if matrix.rows else f'row {r}'}, {matrix.columns[c] if matrix.columns else f'column {c}'}"
            assert cell["label"] == f"{where}: {text}, {STATES[picture.codes[r, c]]}" + (f", {name}" if name else "")


def test_it_shows_something_before_it_is_touched(show):
    page = show()
    holds(page, frame_at(*START))


def test_a_slider_that_is_dragged_shows_every_frame_on_its_way(show):
    page = show()
    page.locator(".lf").evaluate("""e => { window.seen = []; new MutationObserver(() => { const f = +e.dataset.frame; if (seen.at(-1) !== f) seen.push(f); })
        .observe(e, { attributes: true, attributeFilter: ["data-frame"] }); }""")
    box = page.locator("input[type=range]").bounding_box()

    def at(i):
        return box["x"] + 9 + (box["width"] - 18) * i / 19                # the middle of the thumb

    page.mouse.move(at(4), box["y"] + box["height"] / 2)
    page.mouse.down()
    for i in range(5, 18):
        page.mouse.move(at(i), box["y"] + box["height"] / 2)
        expect(page.locator(".now")).to_have_text(SPACE["RATES"][i])
        if i in (5, 11, 17):
            holds(page, frame_at(0, i, 0))
    page.mouse.up()
    assert page.evaluate("seen") == [2 * i for i in range(5, 18)]
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    holds(page, frame_at(0, 16, 0))
    expect(page.get_by_text("turned 0")).to_be_visible()                 # the key was the slider's
    expect(page.locator("input[type=range]")).to_have_attribute("aria-valuetext", "80 %")


def test_steps_are_turned_by_keys_and_the_page_only_past_the_last(show):
    page = show()
    for step in (1, 2):
        page.keyboard.press("ArrowRight")
        holds(page, frame_at(step, 4, 0))
    expect(page.get_by_text("turned 0")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("turned 1")).to_be_visible()
    holds(page, frame_at(2, 4, 0))                                       # where it stands outlives the rerun
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    holds(page, frame_at(0, 4, 0))
    page.get_by_label("Typed").focus()
    page.keyboard.press("ArrowRight")
    holds(page, frame_at(0, 4, 0))                                       # in a field, the key is the field's
    page.get_by_role("button", name="Next step").click()
    holds(page, frame_at(1, 4, 0))
    page.get_by_role("button", name="3 Blocks").click()
    holds(page, frame_at(2, 4, 0))
    assert page.locator(".step[aria-current=step]").inner_text().split() == ["3", "Blocks"]
    page.get_by_role("button", name="Next step").click(force=True)      # there is none
    holds(page, frame_at(2, 4, 0))


def test_a_choice_changes_the_frame_and_its_drawing(show):
    page = show()
    page.get_by_role("button", name="Turned").click()
    holds(page, frame_at(0, 4, 1))
    expect(page.get_by_role("img", name="A bar of 20 %")).to_be_visible()
    page.get_by_role("button", name="Original").click()
    holds(page, frame_at(0, 4, 0))
    expect(page.locator(".drawing")).to_be_hidden()


def test_rows_and_columns_stand_as_the_bands_have_them_once_they_have_glided(show):
    page = show(still=False)
    before = page.locator(".lf").evaluate(READ)["grids"][0]
    page.keyboard.press("ArrowRight")
    under_way = page.locator(".lf").evaluate(READ)["grids"][0]
    page.locator(".lf").evaluate("e => Promise.allSettled(e.getAnimations({ subtree: true }).map(a => a.finished)).then(() => 0)")
    holds(page, frame_at(1, 4, 0))
    after = page.locator(".lf").evaluate(READ)["grids"][0]
    moved = [r for r in range(8) if abs(after[r]["top"] - before[r]["top"]) > 60]
    assert moved and all(abs(under_way[r]["top"] - after[r]["top"]) > 1 for r in moved)       # on the way, not there at once


def test_a_click_and_enter_on_a_cell_reach_python(show):
    page = show()
    grid = page.get_by_role("grid", name="First, 8 channels × 12 weights")
    grid.get_by_label(re.compile("^output channel 3, column 5:")).click()
    expect(page.get_by_text("clicked")).to_have_text("clicked [(0, 3, 5)]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text("clicked")).to_have_text("clicked [(0, 3, 5), (0, 4, 6)]")
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    expect(page.get_by_text("clicked")).to_have_text("clicked [(0, 3, 5), (0, 4, 6), (0, 4, 0)]")
    page.get_by_role("grid", name="Second, 6 × 4").locator(".cell").nth(2).click()      # not to be edited
    expect(page.locator(".read")).to_contain_text("row 0, column 2: ")
    expect(page.get_by_text("turned 0")).to_be_visible()
    assert page.get_by_text("clicked").inner_text().count("(") == 3
    assert page.locator(".cell[tabindex='0']").count() == 2                             # one of each matrix is in the tab order
    page.keyboard.press("ArrowRight")
    holds(page, frame_at(*START))                                                        # in the matrix, the key is not the steps'


def test_arrows_move_as_the_matrix_is_seen(show):
    page = show()
    page.keyboard.press("ArrowRight")
    bands = frame_at(1, 4, 0).pictures[0].bands
    first, second = bands[0], bands[1]
    page.get_by_label(re.compile(f"^output channel {first.rows[-1]}, column {first.cols[2]}:")).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".cell:focus")).to_have_attribute("aria-label", re.compile(f"^output channel {second.rows[0]}, column {second.cols[2]}:"))
    page.keyboard.press("ArrowRight")
    expect(page.locator(".cell:focus")).to_have_attribute("aria-label", re.compile(f"^output channel {second.rows[0]}, column {second.cols[3]}:"))
    page.keyboard.press("Control+End")
    expect(page.locator(".cell:focus")).to_have_attribute("aria-label", re.compile(f"^output channel {bands[2].rows[-1]}, column {bands[2].cols[-1]}:"))


def test_new_frames_keep_where_the_reader_was_within_what_there_is(show):
    page = show()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Turned").click()
    page.locator("input[type=range]").fill("15")
    page.get_by_text("Fewer").click()
    expect(page.locator(".now")).to_have_text("5 %")
    holds(page, frame_at(1, 1, 1), SPACE["matrices"](10.0))
    page.get_by_text("Fewer").click()
    expect(page.locator("input[type=range]")).to_have_attribute("max", "19")
    holds(page, frame_at(1, 1, 1))


def test_a_figure_that_is_gone_hears_no_key(show):
    page = show()
    page.get_by_text("Shown").click()
    expect(page.locator(".lf")).to_have_count(0)
    page.get_by_text("turned 0").click()                                 # the switch has the focus no longer
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("turned 1")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_states_differ_in_more_than_colour_in_both_themes(show, dark):
    page = show(dark=dark)
    assert page.locator(".lf").get_attribute("data-theme") == ("dark" if dark else "light")
    looks = [page.locator(f".grid .cell.s{code}:not(.pale)").first.evaluate("""e => { const s = getComputedStyle(e); return {
        image: s.backgroundImage.split("(")[0], struck: getComputedStyle(e.firstChild).textDecorationLine }; }""") for code in range(4)]
    assert looks == [dict(image="none", struck="line-through"), dict(image="none", struck="none"), dict(image="linear-gradient", struck="none"), dict(image="repeating-linear-gradient", struck="none")]


def test_it_fits_a_phone_and_its_numbers_are_read_by_a_tap(show):
    page = show(width=390)
    for step in range(3):
        holds(page, frame_at(step, 4, 0))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        right = page.locator(".lf").evaluate("e => Math.max(...[...e.querySelectorAll('*')].map(x => x.getBoundingClientRect().right))")
        assert right <= 390
        page.keyboard.press("ArrowRight")
    grid = page.get_by_role("grid").first
    cell = grid.get_by_label(re.compile("^output channel 2, column 7:"))
    assert cell.locator(".number").is_hidden()
    cell.hover()
    expect(page.locator(".read")).to_have_text(cell.get_attribute("aria-label"))


def test_letters_and_cells_grow_with_the_page(show):
    page = show(width=1920)
    cell = page.locator(".grid .cell").first
    before, small = cell.bounding_box(), page.locator(".said").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    page.evaluate("document.documentElement.style.fontSize = '24px'")
    expect(page.locator(".said")).to_have_css("font-size", f"{small * 1.5}px")
    page.wait_for_timeout(200)
    after = cell.bounding_box()
    assert after["height"] > 1.4 * before["height"] and after["width"] > 1.4 * before["width"]


def test_on_a_slide_the_drawing_stands_beside_the_cells_and_all_of_them_are_seen(show):
    page = show(width=1440, height=900)
    page.get_by_role("button", name="Turned").click()
    page.add_style_tag(content=":root, html { --lthviz-tools: none; font-size: 24px !important; }")
    page.evaluate("document.querySelector('.stMainBlockContainer').style.maxWidth = 'none'")
    expect(page.locator(".lf")).to_have_class(re.compile("presented"))
    cells, drawing, boards = page.locator(".cells").bounding_box(), page.locator(".drawing").bounding_box(), [b.bounding_box() for b in page.locator(".board").all()]
    assert drawing["x"] >= cells["x"] + cells["width"] and abs(drawing["y"] - cells["y"]) < 2
    assert max(b["y"] + b["height"] for b in boards) - min(b["y"] for b in boards) < 0.68 * 900
    holds(page, frame_at(0, 4, 1))
