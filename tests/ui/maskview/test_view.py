"""The mask view in a real browser, against numpy: what it draws, counts, says and reports."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from lthviz.figures import theme
from lthviz.figures.masks import INK, mask_counts, mask_text
from lthviz.figures.order import grouped
from lthviz.ui.maskview import Picked
from tests.ui.maskview.planted import PLANT, SHAPE, WIDE, codes, hover, middle, pixels, plant, rgb, states

SCRIPT = PLANT + f'''
import dataclasses

import streamlit as st
from lthviz.ui.maskview import mask_view

st.set_page_config(layout="wide")
ask = st.query_params
after, before, blocks, layer = plant({WIDE} if "wide" in ask else {SHAPE}, seed=int(st.toggle("Other layer")))
layer = dataclasses.replace(layer, groups=int(ask.get("groups", 1)))
if st.toggle("Changed"):
    after = ~after
if not st.toggle("Hide"):
    view = st.session_state.get("was", {{}}) if "late" in ask else {{}}
    st.session_state.was = st.session_state.get("mask", {{}}).get("view") or {{}}
    picked = mask_view(after, None if "single" in ask else before, layer=layer, blocks=blocks, key="mask",
                       mode=view.get("mode") or ask.get("mode", "diff"), order=view.get("order") or ask.get("order", "original"), title="<img src=x onerror=window.broken=1> & co", height=420,
                       on_view_change=(lambda: None) if "views" in ask else None)
    st.text(f"picked: {{picked!r}}")
    st.text(f"view: {{st.session_state.mask.get('view')}}")
'''
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(serve):
    return serve(SCRIPT)


def said(after, before, layer, blocks, r, c):
    """The readout of a weight, from the definition of the matrix."""
    kh, kw = layer.shape[2:]
    state = {3: "kept", 1: "added", 2: "removed", 0: "never there"}[int(codes(after, before)[r, c])]
    inside = [b for b in range(len(blocks)) if r in blocks.rows[b] and c in blocks.cols[b]]
    block = f"block {inside[0] + 1} of {len(blocks)}" if inside else "in no block"
    return re.compile(re.escape(f"output channel {r}, column {c}: input channel {c // (kh * kw)}, kernel row {c % (kh * kw) // kw}, "
                                f"kernel column {c % kw} · {state}") + r".*· " + block + "$")


def test_counts_are_those_of_the_masks(show):
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff")
    shown = {b.get_attribute("data-state"): int(b.get_attribute("data-count")) for b in page.locator(".legend button").all()}
    assert shown == mask_counts(after, before)._asdict()
    page.get_by_role("button", name="Before", exact=True).click()
    assert f"kept {before.sum():,} ({100 * before.mean():.1f} %)" in page.locator(".legend").inner_text()
    page.get_by_role("button", name="After", exact=True).click()
    assert f"kept {after.sum():,} ({100 * after.mean():.1f} %)" in page.locator(".legend").inner_text()


@pytest.mark.parametrize("dark", [False, True])
def test_every_cell_has_the_colour_of_its_state(show, dark):
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff", dark=dark)
    assert page.locator(".mv").get_attribute("data-theme") == ("dark" if dark else "light")
    assert np.array_equal(states(page, dark), codes(after, before))
    page.get_by_role("button", name="After", exact=True).click()
    assert np.array_equal(states(page, dark), after * 3)
    page.get_by_role("button", name="Before", exact=True).click()
    assert np.array_equal(states(page, dark), before * 3)


def test_removed_is_hatched_and_added_is_not(show):
    """The second cue: inside one cell, removed has two shades, every other state one."""
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff")
    picture = pixels(page)
    for code, shades in ((1, 1), (2, 2), (3, 1)):
        i, j = np.argwhere(codes(after, before) == code)[7]
        x, y = (int(v) for v in middle(page, i, j))
        assert len(np.unique(picture[y - 3:y + 3, x - 4:x + 4].reshape(-1, 3), axis=0)) == shades


def test_hovering_reads_row_column_channel_and_kernel_position(show):
    after, before, blocks, layer = plant(SHAPE)
    page = show("mode=diff")
    for r, c in ((0, 0), (39, 89), (17, 40), *map(tuple, np.argwhere(codes(after, before) == 1)[:1])):
        expect(hover(page, r, c)).to_have_text(said(after, before, layer, blocks, r, c))
    page.mouse.move(5, 5)
    expect(page.locator(".read")).to_contain_text("40 output channels, top to bottom; 90 weights each (10 × 3 × 3)")


def test_a_grouped_convolution_counts_its_input_channels_over_all_groups(show):
    """40 output channels in 4 groups of 10 input channels each: row 25 is in group 2, whose first input channel is 20."""
    page = show("mode=diff&groups=4")
    expect(hover(page, 25, 40)).to_contain_text("output channel 25, column 40: input channel 24, kernel row 1, kernel column 1")


def test_grouped_order_makes_every_block_a_rectangle(show):
    after, before, blocks, layer = plant(SHAPE)
    order = grouped(after, before, blocks)
    page = show("mode=diff")
    page.get_by_role("button", name="Grouped").click()
    shown = states(page)
    assert np.array_equal(shown, order.permute(codes(after, before)))
    top = 0
    for rows, cols in zip(blocks.rows, blocks.cols):
        block = shown[top:top + rows.size]
        assert np.isin(block[:, :cols.size], (1, 3)).all() and np.isin(block[:, cols.size:], (0, 2)).all()
        top += rows.size
    r, c = order.rows[3], order.bands[0].cols[5]
    expect(hover(page, 3, 5)).to_have_text(said(after, before, layer, blocks, r, c))
    page.get_by_role("button", name="Original").click()
    assert np.array_equal(states(page), codes(after, before))


def test_both_shows_before_and_after_side_by_side_and_below_each_other_where_it_is_narrow(show):
    for width, axis in ((1280, 1), (390, 0)):
        page = show("mode=pair", width=width)
        names = page.locator(".name").all()
        assert [n.inner_text() for n in names] == ["before", "after"]
        boxes = [n.bounding_box() for n in names]
        assert (boxes[1]["x"] > boxes[0]["x"] + 300) == (axis == 1) and (boxes[1]["y"] > boxes[0]["y"] + 100) == (axis == 0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        first, second = np.array_split(pixels(page), 2, axis)
        for half, there, elsewhere in ((first, theme.REMOVED, theme.ADDED), (second, theme.ADDED, theme.REMOVED)):
            assert (half == rgb(there)).all(-1).any() and not (half == rgb(elsewhere)).all(-1).any()


def test_nothing_jumps_when_the_view_is_switched(show):
    page = show("mode=diff")
    heights = set()
    for name in ("Before", "After", "Both", "Difference", "Grouped"):
        page.get_by_role("button", name=name, exact=True).click()
        heights.add(page.locator(".mv").bounding_box()["height"])
    hover(page, 3, 3)
    heights.add(page.locator(".mv").bounding_box()["height"])
    assert len(heights) == 1


def test_a_pixel_shows_all_the_weights_it_covers(show):
    """24 × 4608 weights on about 1,100 pixels: against a plain loop over the columns that fall into each pixel."""
    after, _, _, _ = plant(WIDE)
    page = show("wide=1&mode=after")
    picture, p = pixels(page), theme.LIGHT
    width, n = picture.shape[1], after.shape[1]
    assert width < n / 3
    for i in (0, 5, 23):
        expected = np.zeros((width, 3))
        for x in range(width):
            cells = after[i, x * n // width:(x + 1) * n // width]
            expected[x] = rgb(p.paper) + (rgb(p.kept) - rgb(p.paper)) * (cells.sum() / cells.size) ** INK
        y = int(middle(page, i, 0, after.shape)[1])
        assert np.abs(picture[y] - expected).max() <= 1
    box = page.locator("canvas.marks").bounding_box()
    page.locator("canvas.marks").hover(position={"x": 300, "y": 30})
    first, last = 300 * n // int(box["width"]), 301 * n // int(box["width"]) - 1
    kept = after[0, first:last + 1].sum()
    expect(page.locator(".read")).to_contain_text(f"output channel 0, columns {first}–{last} · one pixel = {last - first + 1} weights: ")
    expect(page.locator(".read")).to_contain_text(re.compile(rf"{kept} (kept|added)|{last - first + 1 - kept} (never|removed)"))


def test_the_keyboard_does_all_that_the_mouse_does(show):
    after, before, blocks, layer = plant(SHAPE)
    page = show("mode=after")
    root, canvas, read = page.locator(".mv"), page.locator("canvas.marks"), page.locator(".read")
    page.keyboard.press("d")                                       # nothing has the focus
    expect(root).to_have_attribute("data-mode", "diff")
    canvas.focus()
    page.keyboard.press("d")
    expect(root).to_have_attribute("data-mode", "after")
    page.keyboard.press("ArrowDown")
    expect(read).to_have_text(said(after, before, layer, blocks, 0, 0))
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Shift+ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    expect(read).to_have_text(said(after, before, layer, blocks, 1, 16))
    page.keyboard.press("g")
    expect(root).to_have_attribute("data-order", "grouped")
    expect(read).to_have_text(said(after, before, layer, blocks, 1, 16))          # the cursor stays on its weight
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(root).to_have_attribute("data-zoom", "0.240")
    page.keyboard.press("0")
    expect(root).to_have_attribute("data-zoom", "0.000")
    page.keyboard.press("Enter")
    expect(page.get_by_text("picked:")).to_contain_text("row=1, column=16")
    page.keyboard.press("Escape")
    expect(page.get_by_text("picked:")).to_have_text("picked: None")


def test_zooming_keeps_the_weight_under_the_pointer_and_dragging_moves_it(show):
    page = show("mode=diff&wide=1")
    canvas, read = page.locator("canvas.marks"), page.locator(".read")
    canvas.hover(position={"x": 500, "y": 200})
    place = re.search(r"output channel (\d+), columns (\d+)–(\d+)", read.inner_text()).groups()
    page.keyboard.down("Control")
    for _ in range(14):
        page.mouse.wheel(0, -60)
        page.wait_for_timeout(30)
    page.keyboard.up("Control")
    expect(page.locator(".mv")).to_have_attribute("data-zoom", "1.000")
    canvas.hover(position={"x": 501, "y": 200})
    canvas.hover(position={"x": 500, "y": 200})
    row, column = map(int, re.search(r"output channel (\d+), column (\d+)", read.inner_text()).groups())
    assert row == int(place[0]) and int(place[1]) <= column <= int(place[2])
    page.mouse.down()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 500 - 280, box["y"] + 200, steps=5)                # ten cells of 28
    page.mouse.up()
    canvas.hover(position={"x": 501, "y": 200})
    canvas.hover(position={"x": 500, "y": 200})
    assert int(re.search(r"column (\d+)", read.inner_text())[1]) - column == 10
    expect(page.get_by_text("picked:")).to_have_text("picked: None")              # a drag is no click


def test_it_is_sharp_on_a_fine_display(show, browser):
    after, before, _, _ = plant(SHAPE)
    with browser.new_context(device_scale_factor=2) as fine:
        page = show("mode=diff", within=fine)
        assert pixels(page).shape[1] == round(2 * page.locator(".stage").bounding_box()["width"])
        assert np.array_equal(states(page), codes(after, before))
        expect(hover(page, 30, 70)).to_contain_text("output channel 30, column 70: ")


def test_plain_scrolling_is_the_pages(show):
    page = show("mode=diff")
    page.set_viewport_size({"width": 1280, "height": 500})
    page.locator("canvas.marks").hover(position={"x": 500, "y": 100})
    page.mouse.wheel(0, 120)
    expect(page.locator(".hint")).to_contain_text("scroll to zoom")
    page.wait_for_function("[...document.querySelectorAll('*')].some(e => e.scrollTop > 0)")
    assert page.locator(".mv").get_attribute("data-zoom") == "0.000"


def test_a_selection_reaches_python(show):
    after, _, blocks, layer = plant(SHAPE)
    page = show("mode=diff")
    canvas, told = page.locator("canvas.marks"), page.get_by_text("picked:")
    r, c = map(int, np.argwhere(after)[50])
    block = next(b for b in range(len(blocks)) if r in blocks.rows[b])
    at = dict(zip("xy", middle(page, r, c)))
    canvas.click(position=at)
    expect(told).to_have_text(f"picked: {Picked(layer.name, 'block', r, c, block)!r}")
    canvas.click(position=at, modifiers=["Shift"])
    expect(told).to_have_text(f"picked: {Picked(layer.name, 'column', r, c, block)!r}")
    canvas.click(position=at, modifiers=["Alt"])
    expect(told).to_have_text(f"picked: {Picked(layer.name, 'row', r, c, block)!r}")
    page.mouse.move(5, 5)
    expect(page.locator(".read")).to_contain_text(f"Selected: output channel {r}.")
    canvas.click(position=at, modifiers=["Alt"])
    expect(told).to_have_text("picked: None")


def test_one_state_can_be_shown_alone(show):
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff")
    for name, code in (("added", 1), ("removed", 2), ("kept", 3)):
        page.locator(f".legend button[data-state={name}]").click()
        shown = states(page)
        assert np.array_equal(shown == code, codes(after, before) == code) and np.isin(shown, (0, code)).all()
    page.locator(".legend button[data-state=never]").click()
    assert np.array_equal(states(page) == 3, codes(after, before) == 0)
    page.locator(".legend button[data-state=never]").click()
    assert np.array_equal(states(page), codes(after, before))


def test_changed_data_keeps_what_the_reader_chose_and_another_layer_starts_afresh(show):
    after, _, _, _ = plant(SHAPE)
    page = show("mode=diff")
    root = page.locator(".mv")
    page.get_by_role("button", name="After", exact=True).click()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_text("Changed").click()
    expect(page.locator(".legend")).to_contain_text(f"kept {(~after).sum():,}")
    assert (root.get_attribute("data-mode"), root.get_attribute("data-zoom")) == ("after", "0.120")
    page.get_by_role("button", name="Fit").click()
    expect(root).to_have_attribute("data-zoom", "0.000")
    assert np.array_equal(states(page), ~after * 3)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_text("Other layer").click()
    other = plant(SHAPE, seed=1)[0]
    expect(page.locator(".legend")).to_contain_text(f"kept {(~other).sum():,}")
    assert (root.get_attribute("data-mode"), root.get_attribute("data-zoom")) == ("after", "0.000")


def test_a_view_that_is_gone_hears_nothing(show):
    page = show("mode=diff")
    held = page.locator(".mv").element_handle()
    page.get_by_text("Hide").click()
    expect(page.locator(".mv")).to_have_count(0)
    state = "e => [e.dataset.draws, e.querySelector('.modes [aria-pressed=true]').textContent]"
    before = held.evaluate(state)
    page.keyboard.press("d")
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_timeout(300)
    assert held.evaluate(state) == before and before[1] == "Difference"


def test_the_view_is_reported_where_the_page_asks_for_it(show):
    page = show("mode=after&views=1")
    page.get_by_role("button", name="Difference").click()
    expect(page.get_by_text("view:")).to_contain_text("'mode': 'diff', 'order': 'original'")
    page.get_by_role("button", name="Grouped").click()
    expect(page.get_by_text("view:")).to_contain_text("'mode': 'diff', 'order': 'grouped'")


def test_a_page_that_gives_the_view_back_late_does_not_turn_it_back(show):
    """The script here hands in again, as the view to show, what was reported one switch ago."""
    page = show("mode=after&views=1&late=1")
    root = page.locator(".mv")
    root.evaluate("""e => { window.seen = []; new MutationObserver(() => { if (seen.at(-1) !== e.dataset.mode) seen.push(e.dataset.mode); })
        .observe(e, { attributes: true, attributeFilter: ["data-mode"] }); }""")
    for name, mode in (("Difference", "diff"), ("Both", "pair"), ("Before", "before")):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_text("view:")).to_contain_text(f"'mode': '{mode}'")
        page.wait_for_timeout(150)
    assert page.evaluate("seen") == ["diff", "pair", "before"]


def test_words_for_those_who_do_not_see_it(show):
    after, before, _, layer = plant(SHAPE)
    page = show("mode=diff")
    assert page.locator("canvas.marks").get_attribute("aria-label").startswith(mask_text(after, before, layer))
    assert page.locator(".read").get_attribute("aria-live") == "polite"
    assert all(b.inner_text() or b.get_attribute("aria-label") for b in page.locator(".mv button").all())
    assert page.locator(".title").inner_text() == "<img src=x onerror=window.broken=1> & co"
    assert page.evaluate("window.broken") is None


def test_without_a_mask_before_there_is_nothing_to_switch(show):
    after, _, _, _ = plant(SHAPE)
    page = show("single=1")
    assert page.get_by_role("button", name="Difference").is_disabled() and page.get_by_role("button", name="Grouped").is_enabled()   # seen: nothing moves
    page.keyboard.press("d")
    assert np.array_equal(states(page), after * 3)
    assert [b.get_attribute("data-state") for b in page.locator(".legend button").all()] == ["kept", "pruned"]


def test_the_picture_follows_the_width_of_its_place(show):
    after, before, _, _ = plant(SHAPE)
    page = show("mode=diff")
    page.set_viewport_size({"width": 700, "height": 900})
    canvas = page.locator("canvas.cells")
    expect(canvas).to_have_js_property("width", round(page.locator(".stage").bounding_box()["width"]))
    assert np.array_equal(states(page), codes(after, before))
