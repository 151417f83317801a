"""Kernels, |w|, windows, travelling weights and the saved picture, in a real browser against numpy."""

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from lthviz.figures import theme
from lthviz.figures.masks import INK
from lthviz.figures.order import grouped
from lthviz.maskview.levels import levels_of
from tests.ui.maskview.planted import PLANT, SHAPE, codes, hover, middle, pixels, plant, rgb, states

C, CIN, KH, KW = SHAPE
UNIT = KH * KW
SCRIPT = PLANT + f'''
import dataclasses

import streamlit as st
from lthviz.records import Blocks
from lthviz.ui.maskview import mask_view

st.set_page_config(layout="wide")
ask = st.query_params
shape = {{"linear": (40, 90), "point": (40, 90, 1, 1), "one": (1, 10, 3, 3), "large": (512, 512, 3, 3), "wide": (64, 256, 3, 3)}}.get(ask.get("shape"), {SHAPE})
after, before, blocks, layer = plant(shape)
if "empty" in ask:
    after, blocks = np.zeros_like(after), None
if "whole" in ask:
    rows, kernels = np.arange(3, 20, dtype=np.int32), np.array([1, 4, 7])
    cols = (kernels[:, None] * 9 + np.arange(9)).ravel().astype(np.int32)
    after = np.zeros_like(after)
    after[np.ix_(rows, cols)] = True
    blocks = Blocks(after.shape, (rows,), (cols,))
weights = np.random.default_rng(5).standard_normal(after.shape).astype(np.float32)
view = st.session_state.get("mask", {{}}).get("view") or {{}}
heard = {{k: view.get(k, ask.get(k)) for k in ("mode", "order", "cells", "window", "shade")}}
mask_view(after, None if "single" in ask else before, layer=layer, blocks=blocks, key="mask", mode=heard["mode"] or "diff", order=heard["order"] or "original",
          cells=heard["cells"] or "weights", window=heard["window"] or "", shade=bool(heard["shade"]), height=420, title="A layer",
          **({{"why": "No |w| here."}} if "bare" in ask else {{"weights": weights}}), on_view_change=lambda: None)
st.text(f"view: {{st.session_state.mask.get('view')}}")
'''
pytestmark = pytest.mark.browser
WEIGHTS = np.random.default_rng(5).standard_normal((C, CIN * UNIT)).astype(np.float32)


@pytest.fixture(scope="module")
def url(serve):
    return serve(SCRIPT)


def by_kernel(mask):
    """Positions kept of each kernel, (C, C_in)."""
    return mask.reshape(C, CIN, UNIT).sum(2)


def centres(page, cells):
    """The colour in the middle of each shown cell."""
    picture = pixels(page)
    height, width = picture.shape[0] - 20, picture.shape[1]
    ys, xs = (20 + (np.arange(cells[0]) + 0.5) * height / cells[0]).astype(int), ((np.arange(cells[1]) + 0.5) * width / cells[1]).astype(int)
    return picture[np.ix_(ys, xs)]


def kernels(page):
    """The same of kernels, which are 24 pixels wide at most."""
    shown = pixels(page)[20:, :CIN * 24]
    return shown[np.ix_(((np.arange(C) + 0.5) * shown.shape[0] / C).astype(int), ((np.arange(CIN) + 0.5) * 24).astype(int))]


def inked(counts, of, colour, paper):
    share = (counts / of)[..., None] ** INK
    return rgb(paper) * (1 - share) + rgb(colour) * share


@pytest.mark.parametrize("dark", [False, True])
def test_a_kernel_is_shaded_by_how_many_of_its_positions_are_kept(show, dark):
    after, before, _, _ = plant(SHAPE)
    page, p = show("mode=after&cells=kernels", dark=dark), theme.palette(dark)
    for name, mask in (("After", after), ("Before", before)):
        page.get_by_role("button", name=name, exact=True).click()
        assert np.abs(kernels(page) - inked(by_kernel(mask), UNIT, p.kept, p.paper)).max() <= 1


def test_hovering_a_kernel_counts_its_positions(show):
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff&cells=kernels")
    for r, k in ((0, 0), (17, 4), (39, 9)):
        a, b = (m.reshape(C, CIN, UNIT)[r, k] for m in (after, before))
        page.locator("canvas.marks").hover(position={"x": (k + 0.5) * 24, "y": 20 + (r + 0.5) * 400 / C})
        moves = "".join(f", {n} {word}" for n, word in ((int((a & ~b).sum()), "added"), (int((b & ~a).sum()), "removed")) if n)
        drawn = "".join("#" if x and y else "+" if x else "−" if y else "." for x, y in zip(a, b, strict=True))
        expect(page.locator(".read")).to_have_text(f"output channel {r}, input channel {k}: {a.sum()} of 9 kept{moves} · kernel rows {' / '.join(drawn[i:i + 3] for i in (0, 3, 6))}")


def test_in_grouped_order_each_band_has_its_fullest_kernels_first(show):
    after, before, blocks, _ = plant(SHAPE)
    page, order = show("mode=after&cells=kernels&order=grouped"), grouped(after, before, blocks)
    now, was = by_kernel(after), by_kernel(before)
    expected = np.zeros((C, CIN), int)
    for band in order.bands:
        rows = order.rows[band.start:band.stop]
        fullest = sorted(range(CIN), key=lambda k: (-now[rows, k].sum(), -was[rows, k].sum(), k))
        expected[band.start:band.stop] = now[np.ix_(rows, fullest)]
    assert np.abs(kernels(page) - inked(expected, UNIT, theme.LIGHT.kept, theme.LIGHT.paper)).max() <= 1


def test_kernels_are_offered_only_where_there_are_some(show):
    for shape, said in (("linear", "40 output channels"), ("point", "A kernel is one weight here.")):
        page = show(f"mode=after&cells=kernels&shape={shape}")
        assert page.get_by_role("button", name="Kernels", exact=True).count() == 0
        expect(page.locator(".read")).to_contain_text(said)
        assert page.locator(".mv").get_attribute("data-cells") == "weights"
    page = show("mode=after&cells=kernels&shape=one")
    expect(page.locator(".read")).to_contain_text("1 output channels, top to bottom; 10 kernels of 3 × 3 each")


def test_a_layer_with_nothing_kept_says_so(show):
    page = show("mode=after&empty=1&shade=1&single=1")
    expect(page.locator(".read")).to_contain_text("Nothing is kept in this layer.")
    expect(page.locator(".ramp")).to_have_text("No |w|: nothing is kept in this layer.")
    assert (states(page) == 0).all()


@pytest.mark.parametrize("order", ["original", "grouped"])
def test_kept_weights_are_shaded_by_their_level(show, order):
    after, before, blocks, _ = plant(SHAPE)
    page, p = show(f"mode=after&shade=1&order={order}"), theme.LIGHT
    _, about = levels_of(WEIGHTS, after, 0)
    level = np.where(after, 1 + np.searchsorted(np.quantile(np.abs(WEIGHTS[after]), np.linspace(0, 1, 9))[1:-1], np.abs(WEIGHTS), side="right"), 0)
    assert about["levels"] == 8
    shown = grouped(after, before, blocks).permute(level) if order == "grouped" else level
    opacity = np.where(shown > 0, 0.16 + 0.84 * (shown - 1) / 7, 0)[..., None]
    assert np.abs(centres(page, level.shape) - (rgb(p.paper) * (1 - opacity) + rgb(p.kept) * opacity)).max() <= 2
    expect(page.locator(".ramp")).to_contain_text(f"8 levels of equally many of the {after.sum():,} kept weights")
    if order == "original":
        r, c = map(int, np.argwhere(level == 8)[0])
        expect(hover(page, r, c)).to_contain_text(f"to {np.abs(WEIGHTS[after]).max():.1f} (level 8 of 8)")


def test_the_overlay_is_asked_for_and_says_why_where_there_is_none(show):
    page = show("mode=after")
    page.get_by_role("button", name="Shade kept weights").click()
    expect(page.get_by_text("view:")).to_contain_text("'shade': True")
    expect(page.locator(".mv")).to_have_attribute("data-shade", "on")
    page.locator("canvas.marks").focus()
    page.keyboard.press("w")
    expect(page.locator(".mv")).to_have_attribute("data-shade", "off")
    page = show("mode=after&bare=1&shade=1")
    expect(page.locator(".ramp")).to_have_text("No |w| here.")
    after = plant(SHAPE)[0]
    assert np.array_equal(states(page), after * 3)


def test_a_window_fills_the_picture_exactly(show):
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff&window=5-14,20-59")
    assert np.array_equal(states(page, cells=(10, 40)), codes(after, before)[5:15, 20:60])
    field = page.get_by_label("Window")
    expect(field).to_have_value("rows 5–14 × columns 20–59")
    expect(hover_cell(page, 3, 7, (10, 40))).to_contain_text("output channel 8, column 27: ")
    field.fill("0-39, 80-89")
    field.press("Enter")
    expect(page.get_by_text("view:")).to_contain_text("'window': '0-39,80-89'")
    assert np.array_equal(states_of(page, 40, 10), codes(after, before)[:, 80:90])
    field.fill("9-3, 1")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".read")).to_contain_text("“9-3, 1” is no window: two numbers for rows from 0 to 39")
    field.fill("")
    field.press("Enter")
    expect(page.locator(".mv")).to_have_attribute("data-window", "")
    assert np.array_equal(states(page), codes(after, before))


def states_of(page, rows, cols):
    """States of a window whose cells have reached their largest width of 64."""
    picture, out = pixels(page), np.full((rows, cols), -1)
    height, width, p = picture.shape[0] - 20, min(picture.shape[1], cols * 64), theme.LIGHT
    pale = rgb(p.removed) + 0.45 * (rgb(p.paper) - rgb(p.removed))
    for i in range(rows):
        for j in range(cols):
            here = picture[20 + int((i + 0.5) * height / rows), int((j + 0.5) * width / cols)]
            for code, colour in ((0, rgb(p.paper)), (1, rgb(p.added)), (2, rgb(p.removed)), (2, pale), (3, rgb(p.kept))):
                if np.abs(here - colour).max() <= 1:
                    out[i, j] = code
    return out


def hover_cell(page, i, j, cells):
    page.locator("canvas.marks").hover(position=dict(zip("xy", middle(page, i, j, cells), strict=True)))
    return page.locator(".read")


def test_zooming_goes_on_from_a_window_and_tells_the_page_where_it_ends(show):
    page = show("mode=after&window=5-14,20-59")
    page.locator("canvas.marks").focus()
    page.keyboard.press("+")
    expect(page.locator(".mv")).not_to_have_attribute("data-window", "5-14,20-59")
    now = page.locator(".mv").get_attribute("data-window")
    expect(page.get_by_text("view:")).to_contain_text(f"'window': '{now}'")
    i, i1, j, j1 = map(int, re.findall(r"\d+", now))
    assert i <= 9 <= i1 and j <= 40 <= j1 and (i1 - i, j1 - j) != (9, 39)


def test_kernels_and_weights_show_the_same_window(show):
    page = show("mode=after&window=5-14,18-44")
    page.get_by_role("button", name="Kernels", exact=True).click()
    expect(page.locator(".mv")).to_have_attribute("data-window", "5-14,2-4")
    page.get_by_role("button", name="Weights", exact=True).click()
    expect(page.locator(".mv")).to_have_attribute("data-window", "5-14,18-44")


def test_weights_travel_to_their_places_and_arrive_exactly(show):
    after, before, blocks, _ = plant(SHAPE)
    order = grouped(after, before, blocks)
    page = show("mode=diff", still=False)
    root = page.locator(".mv")
    first = pixels(page)
    root.evaluate("""e => { window.frames_ = []; window.began = 0; new MutationObserver(() => { frames_.push([performance.now(), +e.dataset.draws, +e.dataset.travels]); })
        .observe(e, { attributes: true, attributeFilter: ["data-travels", "data-draws"] }); }""")
    page.locator("canvas.marks").focus()
    page.keyboard.press("g")
    page.wait_for_function("() => frames_.length > 3 && frames_.at(-1)[1] > frames_[1][1]")
    seen = page.evaluate("frames_")
    assert seen[-1][2] >= 2 and seen[-1][0] - seen[0][0] < 1500                       # slow where the machine is busy; 520 ms of travel
    assert np.array_equal(states(page), order.permute(codes(after, before)))
    page.keyboard.press("g")
    page.wait_for_timeout(1200)
    assert np.array_equal(pixels(page), first)


@pytest.mark.parametrize("query", ["mode=pair", "mode=diff&cells=kernels", "mode=after&shade=1"])
def test_nothing_of_the_travel_stays_behind_where_pixels_hold_many_weights(show, query):
    page, quiet = (show(f"shape=wide&{query}", still=still) for still in (False, True))
    first = pixels(page)
    for p in (page, quiet):
        p.locator("canvas.marks").focus()
        p.keyboard.press("g")
    page.wait_for_timeout(1500)
    assert np.array_equal(pixels(page), pixels(quiet)) and not np.array_equal(pixels(page), first)
    page.keyboard.press("g")
    page.wait_for_timeout(1500)
    assert np.array_equal(pixels(page), first)


def test_where_frames_take_long_the_next_ones_are_lighter_and_what_arrives_is_exact(show):
    """A clock that runs fast stands for a slow machine."""
    page, quiet = (show("shape=large&mode=diff&single=1", still=still) for still in (False, True))
    page.evaluate("() => { const real = performance.now.bind(performance); let late = 0; performance.now = () => real() + (late += 10); }")
    root = page.locator(".mv")
    root.evaluate("e => { window.steps_ = []; new MutationObserver(() => { steps_.push(e.dataset.travelStep); }).observe(e, { attributes: true, attributeFilter: ['data-travels'] }); }")
    for p in (page, quiet):
        p.locator("canvas.marks").focus()
        p.keyboard.press("g")
    page.wait_for_timeout(2500)
    steps = [tuple(map(int, step.split("/"))) for step in page.evaluate("steps_")]
    assert steps[0] == (2, 1) and steps[1] == (3, 2) and all(a <= b for a, b in itertools.pairwise(steps)) and steps[-1] <= (4, 4)
    assert np.array_equal(pixels(page), pixels(quiet))


def test_whoever_asks_for_less_motion_sees_none(show):
    page = show("mode=diff")
    page.locator("canvas.marks").focus()
    page.keyboard.press("g")
    expect(page.locator(".mv")).to_have_attribute("data-order", "grouped")
    page.wait_for_timeout(300)
    assert page.locator(".mv").get_attribute("data-travels") is None


def test_a_block_of_whole_kernels_is_outlined_there_too_and_can_be_selected(show):
    page = show("mode=after&whole=1&cells=kernels&single=1&order=grouped")
    page.locator("canvas.marks").click(position={"x": 30, "y": 40})
    page.mouse.move(5, 5)
    expect(page.locator(".read")).to_contain_text("Selected: output channel")
    page.locator("canvas.marks").click(position={"x": 10, "y": 40}, modifiers=["Shift"])
    page.mouse.move(5, 5)
    expect(page.locator(".read")).to_contain_text("Selected: kernel column 1.")           # the block's first kernel


def test_the_picture_is_saved_twice_as_large_with_title_and_legend(show):
    page = show("mode=diff&shade=1")
    before = pixels(page)
    with page.expect_download() as got:
        page.get_by_role("button", name="PNG").click()
    assert got.value.suggested_filename == "lthviz-a-layer-diff.png"
    with open(got.value.path(), "rb") as f:
        saved = np.array(Image.open(io.BytesIO(f.read())).convert("RGB")).astype(int)
    box = page.locator(".stage").bounding_box()
    assert saved.shape[1] == 2 * (round(box["width"]) + 32) and saved.shape[0] > 2 * (box["height"] + 80)
    inside = saved[2 * (16 + 34 + 20):2 * (16 + 34 + 420), 32:-32]
    assert (np.abs(inside - rgb(theme.ADDED)).max(-1) <= 2).mean() > 0.02
    assert (saved[:2 * 50] < 100).any() and (saved[-2 * 80:] < 100).any()              # words above and below
    assert np.array_equal(pixels(page), before)


def saved(page):
    """The saved picture, (height, width, 3)."""
    with page.expect_download() as got:
        page.get_by_role("button", name="PNG", exact=True).click()
    with open(got.value.path(), "rb") as f:
        return np.array(Image.open(io.BytesIO(f.read())).convert("RGB")).astype(int)


def test_a_saved_picture_has_no_bars_and_the_whole_line_of_what_is_selected(show):
    page = show("mode=after&single=1")
    marks = page.locator("canvas.marks")
    plain = saved(page)
    marks.click(position={"x": 40, "y": 23}, modifiers=["Alt"])                        # the first row
    expect(page.locator(".read")).to_contain_text("output channel 0")
    picture = saved(page)
    left = picture[2 * 50:, :2 * 16]                                                   # beside the cells, where the screen's picture ends
    assert (plain[2 * 50:, :2 * 16] == rgb("#ffffff")).all()
    assert (np.abs(left - rgb(theme.LIGHT.text)).max(-1) <= 60).any(), "the selection's outline goes on beside the cells"
    page.keyboard.press("Escape")
    marks.focus()
    for _ in range(4):
        page.keyboard.press("+")
    page.mouse.move(5, 5)
    expect(page.locator(".mv")).not_to_have_attribute("data-window", "")
    shown, picture = pixels(page), saved(page)
    tall, wide = 420, shown.shape[1]
    low = picture[2 * (50 + tall) - 8:2 * (50 + tall) - 2:4, 32:32 + 2 * wide]         # where the bar along the lower edge is on the screen
    text, kept, paper = rgb(theme.LIGHT.text), rgb(theme.LIGHT.kept), rgb(theme.LIGHT.paper)
    assert not (low == text).all(-1).any() and {tuple(c) for c in np.unique(low.reshape(-1, 3), axis=0)} <= {tuple(kept), tuple(paper), (255, 255, 255)}
    assert tuple(text) not in {tuple(kept), tuple(paper)}


def test_letters_and_lines_follow_the_pages_and_tools_can_be_put_away(show):
    """What presenter mode asks of a view: the root's font size, and `--lthviz-tools`."""
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff")
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    texts = [page.locator(".mv"), page.locator(".name").first, page.locator(".legend button").first, page.locator(".modes button").first]
    was, tall = [t.evaluate(size) for t in texts], page.locator(".stage").bounding_box()["height"]
    box = page.locator(".mv").bounding_box()
    tools = [page.locator(f".{name}") for name in ("zoom", "save", "kinds", "shades", "window", "how")]
    assert all(tool.is_visible() for tool in tools)
    page.evaluate("() => { document.documentElement.style.fontSize = '24px'; document.documentElement.style.setProperty('--lthviz-tools', 'none'); }")
    expect(page.locator(".zoom")).to_be_hidden()
    page.wait_for_timeout(300)
    assert [t.evaluate(size) for t in texts] == [1.5 * s for s in was] and page.locator(".stage").bounding_box()["height"] == 1.5 * tall
    assert not any(tool.is_visible() for tool in tools)
    picture, cells = pixels(page), (40, 90)
    assert (picture[:30] == picture[0, 0]).all(), "thirty pixels above the cells for the panel's name"
    ys, xs = 30 + (np.arange(40) + 0.5) * (picture.shape[0] - 30) / 40, (np.arange(90) + 0.5) * picture.shape[1] / 90
    kept = (np.abs(picture[np.ix_(ys.astype(int), xs.astype(int))] - rgb(theme.LIGHT.kept)).max(-1) <= 1)
    assert np.array_equal(kept, codes(after, before) == 3) and kept.shape == cells
    page.keyboard.press("d")
    expect(page.locator(".mv")).to_have_attribute("data-mode", "after")
    page.keyboard.press("d")
    page.evaluate("() => { document.documentElement.style.fontSize = ''; document.documentElement.style.removeProperty('--lthviz-tools'); }")
    expect(page.locator(".zoom")).to_be_visible()
    page.wait_for_timeout(300)
    assert page.locator(".mv").bounding_box() == box and np.array_equal(states(page), codes(after, before))


def test_the_largest_layer_travels_and_changes_cells(show):
    page = show("shape=large&mode=pair", still=False, width=1440)
    page.get_by_role("button", name="Grouped").click()
    page.wait_for_function("() => { const f = r => { for (const e of r.querySelectorAll('*')) { if (e.matches('.mv')) return e; if (e.shadowRoot) { const x = f(e.shadowRoot); if (x) return x; } } };"
                           " return +f(document).dataset.travels >= 2; }")
    page.get_by_role("button", name="Kernels", exact=True).click()
    expect(page.locator(".mv")).to_have_attribute("data-cells", "kernels")
    expect(page.locator(".read")).to_contain_text("512 kernels of 3 × 3 each")
