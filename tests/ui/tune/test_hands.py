"""The threshold turned by pointer, keys, number and finger, in a real page."""

import re

import pytest
from playwright.sync_api import expect

from lthviz.core.refill import channels
from tests.tuned import example, follows, middle, value

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_dragging_turns_the_mask_at_once_and_python_hears_once(show, kind):
    page = show(f"kind={kind}&adopt=1")
    start, told = value(page), page.get_by_text("settled:")
    page.mouse.move(*middle(page, 0.4, 0.5))
    page.mouse.down()
    seen = set()
    for k in range(1, 8):
        page.mouse.move(*middle(page, 0.4 + 0.05 * k, 0.5))
        page.wait_for_timeout(40)
        now = value(page)
        seen.add(now)
        follows(page, *example(**{"t1" if kind == "regroup" else "rho": now}))
    assert len(seen) >= 6 and start not in seen and all(len(repr(v)) <= 6 for v in seen)
    expect(told).to_have_text(f"settled: None, told 0, shown {start}")             # nothing yet: the reader has not let go
    page.mouse.up()
    name = {"regroup": "t1", "refill": "rho"}[kind]
    expect(told).to_have_text(f"settled: {{{name!r}: {value(page)}}}, told 1, shown {value(page)}")
    page.wait_for_timeout(400)
    expect(told).to_contain_text("told 1,")
    expect(page.locator("[data-figure=kept] .was")).to_have_text(f"was {example(**{name: start})[1].sum():,}")
    page.get_by_role("button", name=f"Back to {start}").click()
    expect(told).to_contain_text(f"{{{name!r}: {start}}}, told 2")
    follows(page, *example(**{name: start}))


@pytest.mark.parametrize("mode", ["diff", "pair"])
@pytest.mark.parametrize("order", ["grouped", "original"])
@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_after_a_drag_every_pixel_is_as_if_drawn_afresh(show, kind, order, mode):
    """2,304 columns on about 900 pixels: a pixel shows several weights, and a redraw leaves alone what did not change."""
    page, query = show(f"kind={kind}&order={order}&mode={mode}&wide=1"), f"kind={kind}&order={order}&mode={mode}&wide=1"
    data = """c => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, all = [];
        for (let i = 0; i < d.length; i += 8192) all.push(String.fromCharCode(...d.subarray(i, i + 8192))); return btoa(all.join("")); }"""
    page.mouse.move(*middle(page, 0.4, 0.5))
    page.mouse.down()
    for across in (0.6, 0.8, 0.3, 0.5):
        page.mouse.move(*middle(page, across, 0.5), steps=3)
        page.wait_for_timeout(40)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_timeout(100)
    dragged, afresh = page.locator("canvas.cells"), show(f"{query}&value={value(page)}").locator("canvas.cells")
    assert value(page) not in (1.5, 0.1)
    assert dragged.evaluate(data) == afresh.evaluate(data)


def test_keys_turn_the_line_and_python_hears_after_a_pause(show):
    page = show("adopt=1")
    grip, told = page.get_by_role("slider", name="t1, the line i/t1"), page.get_by_text("settled:")
    grip.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    expect(told).to_have_text("settled: {'t1': 1.6}, told 1, shown 1.6")
    follows(page, *example(t1=1.6))
    assert grip.get_attribute("aria-valuenow") == "1.6" and re.fullmatch(r"t1 1.6: \d+ columns", grip.get_attribute("aria-valuetext"))
    page.keyboard.press("End")
    expect(told).to_contain_text("{'t1': 980}, told 2")
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    expect(told).to_contain_text("{'t1': 0.0175}, told 3")


def test_a_key_moves_the_mark_by_a_channel(show):
    page = show("kind=refill")
    page.get_by_role("slider", name="ρ, the channels that stay whole").focus()
    before, _ = example(rho=0.1)
    K = channels(int(before.sum()), before.shape, 0.1)
    for k, key in ((K + 1, "ArrowRight"), (K + 2, "ArrowUp"), (K + 1, "ArrowLeft"), (K, "ArrowDown"), (K + 10, "Shift+ArrowRight")):
        page.keyboard.press(key)
        expect(page.locator(".count")).to_have_text(f"{k} of 60 channels")
        follows(page, *example(rho=value(page)))


def test_slider_and_number_do_the_same(show):
    page = show("adopt=1")
    told, exact = page.get_by_text("settled:"), page.get_by_label("t1, exactly")
    page.locator(".slide").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(told).to_contain_text("{'t1': 1.4}, told 1")
    exact.fill("2.345678")
    follows(page, *example(t1=2.345678))                                           # while it is typed
    expect(told).to_contain_text("told 1")
    exact.press("Enter")
    expect(told).to_contain_text("{'t1': 2.345678}, told 2")
    exact.fill("-3")
    expect(page.locator(".told")).to_have_text("t1 must be between 0 and 1000, both excluded.")
    exact.press("Tab")
    expect(exact).to_have_value("2.345678")
    expect(told).to_contain_text("told 2")
    box = page.locator(".slide").bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    expect(told).to_contain_text("told 3")
    assert value(page) > 20
    follows(page, *example(t1=value(page)))


def test_a_finger_drags_the_line_and_a_scroll_that_begins_on_it_moves_nothing(show):
    page = show("adopt=1", width=390)
    told, cdp = page.get_by_text("settled:"), page.context.new_cdp_session(page)

    def touch(kind, *at):
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at[0], "y": at[1]}] if at else []})

    dot = page.locator(".cut circle").bounding_box()
    x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    touch("touchStart", x, y)
    for k in range(1, 9):
        touch("touchMove", x + 8 * k, y)
        page.wait_for_timeout(20)
    touch("touchEnd")
    expect(told).to_contain_text("told 1")
    assert value(page) > 2
    follows(page, *example(t1=value(page)))
    was, (x, y) = value(page), middle(page, 0.9, 0.6)                              # far from the line: the page scrolls
    page.set_viewport_size({"width": 390, "height": 700})
    x, y = middle(page, 0.95, 0.8)
    touch("touchStart", x, y)
    for k in range(1, 9):
        touch("touchMove", x, y - 20 * k)
        page.wait_for_timeout(20)
    touch("touchEnd")
    page.wait_for_timeout(300)
    assert value(page) == was
    expect(told).to_contain_text("told 1")
