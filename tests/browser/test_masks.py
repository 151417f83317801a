"""Masks as a person uses it: the strip, the lists, kernels, |w|, a window, a link that somebody else opens, another run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.made_run import write
from lthviz.records import Layer
from lthviz.store import Store
from lthviz.ui.masks.strip import HEIGHT

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PROBES = re.compile(r"/(lab|masks)/_stcore/(health|host-config)$")
LAYERS = (Layer("one.weight", (1, 3, 3, 3), (8, 8)), Layer("features.0.weight", (128, 8, 3, 3), (8, 8)), Layer("point.weight", (64, 128, 1, 1), (8, 8)),
          Layer("features.3.weight", (160, 16, 3, 3), (4, 4)), Layer("gone.weight", (32, 16, 3, 3), (4, 4)), Layer("fc.weight", (100, 64), (1, 1)),
          *(Layer(f"stage{i}.block{j}.conv{k}.weight", (16, 8, 3, 3), (4, 4)) for i in range(3) for j in range(9) for k in (1, 2)))
HERE = "features.3.weight"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Store, str, str]:
    """A store, a run of sixty layers in it, and one of another network that shares a layer."""
    store = Store(tmp_path_factory.mktemp("masks") / "runs")
    first = write(store, LAYERS, title="Sixty layers", empty="gone.weight")
    return store, first, write(store, LAYERS[3:5], seed=5, model="vgg16", title="Two layers")


@pytest.fixture(scope="module")
def url(serve, runs) -> str:
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(runs[0].root)})


@pytest.fixture
def opened(browser):
    """`opened(url)`: a page in a browser profile of its own, once its mask is drawn; an error in its console fails the test."""
    expect.set_options(timeout=60_000)
    contexts, complaints = [], []

    def start(url, **more):
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and not PROBES.search(m.location["url"]) else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(url)
        settled(page)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not complaints


def settled(page):
    page.locator(".mv[data-draws]").wait_for()
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def strip(page):
    return page.get_by_role("radiogroup", name=re.compile("Layers of"))


def rows(page, table):
    return [tr.get_attribute("data-id") for tr in page.get_by_role("table", name=re.compile(table)).locator("tbody tr").all()]


def chosen(page, table):
    return page.get_by_role("table", name=re.compile(table)).locator("tbody tr[aria-selected=true]")


def state(page):
    """All that is seen of the mask, as the view says it and as pixels."""
    view, canvas = page.locator(".mv"), page.locator("canvas.cells")
    return [view.get_attribute(f"data-{k}") for k in ("mode", "order", "cells", "shade", "window")], canvas.evaluate("c => c.toDataURL()"), \
        page.locator(".legend").inner_text(), page.locator(".ramp").inner_text(), page.get_by_label("Window").input_value(), page.locator(".title").inner_text()


def test_a_layer_is_chosen_in_the_strip_by_click_and_by_key(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2&ticket=regroup")
    items = strip(page).get_by_role("radio")
    expect(items).to_have_count(len(LAYERS))
    box = strip(page).bounding_box()
    items.nth(3).click()
    expect(page.locator(".title")).to_contain_text("features.3 · Regroup, round 2")
    expect(items.nth(3)).to_have_attribute("aria-checked", "true")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".title")).to_contain_text("gone · ")
    expect(items.nth(4)).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".title")).to_contain_text("stage2.block8.conv2 · ")
    expect(items.last).to_be_in_viewport()
    assert strip(page).bounding_box() == box                                          # it scrolls inside; nothing jumps
    expect(chosen(page, "60 layers")).to_have_attribute("data-id", LAYERS[-1].name)
    sizes = items.locator("img").evaluate_all("all => all.map(i => [i.complete && i.naturalWidth > 0, i.naturalHeight, i.src.length])")
    assert all(done and tall <= HEIGHT for done, tall, _ in sizes) and sum(size for *_, size in sizes) < 500_000


def test_another_ticket_keeps_the_chosen_layer_marked(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2")
    marked = strip(page).locator("[aria-checked=true]")
    name = marked.get_attribute("data-layer")
    page.locator("[data-testid=stButtonGroup]").get_by_text("Regroup", exact=True).click()
    expect(page.locator(".title")).to_contain_text("Regroup, round 2")
    expect(marked).to_have_attribute("data-layer", name)


def test_a_pointed_weight_is_read_beside_it_and_a_clicked_picture_zooms_by_the_wheel(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2&ticket=regroup&layer={HERE}&view=after")
    marks, view = page.locator("canvas.marks"), page.locator(".mv")
    marks.hover(position={"x": 40, "y": 60})
    expect(page.locator(".tip")).to_be_visible()
    expect(page.locator(".tip")).to_have_text(page.locator(".read").inner_text())
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)
    expect(view).to_have_attribute("data-zoom", "0.000")                               # the page's own scrolling
    marks.click(position={"x": 40, "y": 60})
    page.mouse.wheel(0, -60)
    expect(view).not_to_have_attribute("data-zoom", "0.000")
    page.mouse.move(5, 5)
    expect(page.locator(".tip")).to_be_hidden()


def test_the_list_is_sorted_and_what_is_chosen_stays_chosen(opened, url, runs):
    store, run, _ = runs
    masks = store.round(run, 2).ticket("refill").masks
    page = opened(f"{url}/masks?run={run}&round=2&ticket=refill&layer={HERE}")
    page.get_by_role("button", name=re.compile("density")).first.click()
    by_density = rows(page, "60 layers")
    assert [masks.density(n) for n in by_density] == sorted((masks.density(n) for n in masks), reverse=True) and by_density != [x.name for x in LAYERS]
    expect(chosen(page, "60 layers")).to_have_attribute("data-id", HERE)
    page.get_by_role("table", name=re.compile("60 layers")).locator("tr[data-id='point.weight']").click()
    expect(page.locator(".title")).to_contain_text("point · Refill, round 2")
    assert rows(page, "60 layers") == by_density                                      # the order is the reader's
    expect(strip(page).locator("[aria-checked=true]")).to_have_attribute("data-layer", "point.weight")
    page.get_by_role("button", name=re.compile("density")).first.click()
    assert [masks.density(n) for n in rows(page, "60 layers")] == sorted(masks.density(n) for n in masks)
    page.keyboard.press("j")
    expect(chosen(page, "60 layers")).to_have_attribute("data-id", HERE)
    page.get_by_role("table", name=re.compile("60 layers")).locator("tbody tr[aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("() => { let e = document.activeElement; while (e.shadowRoot) e = e.shadowRoot.activeElement; return e.dataset.id; }")
    page.keyboard.press("Enter")
    expect(page.locator(".title")).to_contain_text(f"{below.removesuffix('.weight')} · ")


def test_a_block_is_chosen_in_the_list_or_in_the_picture(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2&ticket=regroup&layer={HERE}&view=after")
    table = page.get_by_role("table", name="8 dense blocks")
    table.locator("tr[data-id=block-3]").click()
    expect(page.locator(".read")).to_contain_text("Selected: block 3, 20 output channels ×")
    page.wait_for_url(re.compile("select=block-3"))
    page.locator("canvas.marks").click(position={"x": 40, "y": 30})                    # the first block stands first
    expect(chosen(page, "8 dense blocks")).to_have_attribute("data-id", "block-1")
    table.locator("tr[data-id=block-1]").click()
    expect(chosen(page, "8 dense blocks")).to_have_count(0)
    page.mouse.move(5, 5)
    expect(page.locator(".read")).not_to_contain_text("Selected")


def test_kernels_weights_and_a_window_survive_a_reload_and_are_the_same_for_somebody_else(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2&layer={HERE}")
    page.get_by_role("button", name="Kernels", exact=True).click()
    page.wait_for_url(re.compile("cells=kernels"))
    page.get_by_role("button", name="Difference", exact=True).click()
    page.wait_for_url(re.compile("view=diff"))
    page.get_by_role("button", name="Shade kept weights").click()
    page.wait_for_url(re.compile("shade=1"))
    expect(page.locator(".mv")).to_have_attribute("data-shade", "on")
    field = page.get_by_label("Window")
    field.fill("12–40 × 3–9")
    field.press("Enter")
    page.wait_for_url(re.compile("window="))
    settled(page)
    seen = state(page)
    assert seen[0] == ["diff", "original", "kernels", "on", "12-40,3-9"] and "rows 12–40 × kernels 3–9" in seen
    page.reload()
    settled(page)
    expect(page.locator(".mv")).to_have_attribute("data-window", "12-40,3-9")
    assert state(page) == seen
    other = opened(page.url)
    expect(other.locator(".mv")).to_have_attribute("data-shade", "on")
    assert state(other) == seen
    other.set_viewport_size({"width": 1024, "height": 900})                          # another screen: the same rows and kernels
    expect(other.locator(".mv")).to_have_attribute("data-window", "12-40,3-9")


def test_zooming_is_in_the_link(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2&layer={HERE}")
    page.locator("canvas.marks").focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.wait_for_url(re.compile("window=\\d"))
    window = page.locator(".mv").get_attribute("data-window")
    page.reload()
    settled(page)
    expect(page.locator(".mv")).to_have_attribute("data-window", window)
    page.locator("canvas.marks").focus()
    page.keyboard.press("0")
    page.wait_for_url(lambda address: "window" not in address)


def test_another_run_is_compared_with(opened, url, runs):
    store, run, other = runs
    page = opened(f"{url}/masks?run={run}&round=2&ticket=refill&layer={HERE}")
    page.get_by_role("combobox", name="Compared with", exact=True).first.click()
    page.get_by_role("option", name="another ticket, of any run").click()
    expect(page.locator("p.said")).to_contain_text("Against Refill of round 1,")
    page.get_by_role("combobox", name="Run compared with").click()
    page.get_by_role("option", name=re.compile("Two layers")).click()
    expect(page.get_by_text("58 of 60 layers have no counterpart of the same name and shape in Refill, round 1 of Two layers")).to_be_visible()
    mine, theirs = (store.round(*at).ticket("refill").masks[HERE] for at in ((run, 2), (other, 1)))
    expect(page.locator(".title")).to_have_text(f"features.3 · Refill, round 2, after Refill, round 1 of Two layers ({other})")
    page.get_by_role("button", name="Difference", exact=True).click()
    expect(page.locator(".legend")).to_contain_text(f"added {(mine & ~theirs).sum():,}")
    expect(page.get_by_text(f"in features.3 {(mine & theirs).sum():,} weights")).to_be_visible()
    page.wait_for_url(re.compile("view=diff"))
    again = opened(page.url)
    expect(again.locator(".title")).to_have_text(f"features.3 · Refill, round 2, after Refill, round 1 of Two layers ({other})")


def test_what_stands_above_the_choices_is_in_one_line(opened, url, runs):
    page = opened(f"{url}/masks?run={runs[1]}&round=2&ticket=refill&layer={HERE}&against={runs[2]}/1/refill")
    labels = [page.locator(".st-key-masks-pick [data-testid=stWidgetLabel]").filter(has_text=re.compile(f"^{name}$")).bounding_box() for name in ("Round", "Ticket", "Compared with")]
    ends = [b["y"] + b["height"] for b in (page.locator(".st-key-masks-pick").locator(what).first.bounding_box() for what in ("[data-testid=stButtonGroup] button", "[data-testid=stSelectbox]"))]
    assert max(b["y"] for b in labels) - min(b["y"] for b in labels) < 1
    assert abs(ends[0] - ends[1]) < 1.5


@pytest.mark.parametrize("name", ["lab", "masks"])
def test_a_page_shown_to_others_is_larger_and_comes_back_as_it_was(opened, url, runs, name):
    page = opened(f"{url}/{name}?run={runs[1]}&round=2&{'stage=refill:refill' if name == 'lab' else 'ticket=refill'}&layer={HERE}")
    letters = "e => parseFloat(getComputedStyle(e).fontSize)"
    read = [page.locator(".mv .title"), page.locator(".mv .name").first, page.locator(".mv .legend button").first, page.locator("p.said")]
    plot = [page.locator(".js-plotly-plot .xtick text").first, page.locator(".js-plotly-plot .xtitle"), page.locator(".js-plotly-plot .legendtext").first] if name == "lab" else []
    line = page.locator(".js-plotly-plot .scatterlayer .js-line").first
    tools = [page.get_by_role("button", name=x, exact=True) for x in ("PNG", "Fit", "Kernels")]
    if plot:
        plot[0].wait_for()
    page.wait_for_timeout(1000)
    sizes, boxes = [t.evaluate(letters) for t in read + plot], [t.bounding_box() for t in (*read, page.locator("canvas.cells"), *plot)]
    width = plot and line.evaluate("e => parseFloat(getComputedStyle(e).strokeWidth)")
    page.keyboard.press("p")
    page.wait_for_url(re.compile("present=1"))
    expect(page.get_by_role("button", name="Fit", exact=True)).to_be_hidden()
    if plot:
        expect(page.locator(".js-plotly-plot .xtitle")).to_have_count(1)
        expect(page.locator(".js-plotly-plot .xtitle")).to_have_css("font-size", "21px")
    page.wait_for_timeout(1000)
    assert all(now >= 1.35 * was for was, now in zip(sizes, (t.evaluate(letters) for t in read + plot), strict=True))
    assert min(t.evaluate(letters) for t in read + plot) >= 19, "read from the last row: 18 points of a slide 13 inches wide"
    assert not any(tool.first.is_visible() for tool in tools) and not page.get_by_role("button", name="SVG").first.is_visible()
    if plot:
        assert line.evaluate("e => parseFloat(getComputedStyle(e).strokeWidth)") == 1.5 * width
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    page.keyboard.press("d")
    expect(page.locator(".mv")).to_have_attribute("data-mode", "diff")
    page.wait_for_url(re.compile("view=diff"))
    page.keyboard.press("d")
    page.wait_for_url(re.compile("view=pair"))
    page.keyboard.press("j")
    expect(page.locator(".mv .title")).to_contain_text("gone · ")
    page.keyboard.press("k")
    expect(page.locator(".mv .title")).to_contain_text("features.3 · ")
    page.keyboard.press("Escape")
    page.wait_for_url(lambda address: "present" not in address)
    expect(page.get_by_role("button", name="Fit", exact=True)).to_be_visible()
    settled(page)
    page.wait_for_timeout(1500)
    assert [t.evaluate(letters) for t in read + plot] == sizes and [t.bounding_box() for t in (*read, page.locator("canvas.cells"), *plot)] == boxes
    assert page.evaluate("scrollY") == 0


def test_what_is_shown_can_be_taken_away(opened, url, runs):
    run = runs[1]
    page = opened(f"{url}/masks?run={run}&round=2&ticket=refill&layer={HERE}")
    with page.expect_download() as got:
        page.get_by_role("button", name="PNG", exact=True).click()
    assert got.value.suggested_filename.startswith(f"lthviz-{run}-features.3-refill-round-2")
    with page.expect_download() as got:
        page.get_by_role("button", name=re.compile("Masks \\(.npz\\)")).click()
    assert got.value.suggested_filename == f"lthviz-{run}-round2-refill.npz"
    with page.expect_download() as got:
        page.get_by_role("button", name=re.compile("Layers \\(CSV\\)")).click()
    with open(got.value.path(), encoding="utf-8") as f:
        lines = f.read().splitlines()
    assert len(lines) == 61 and lines[0].startswith("name,short,shape,") and lines[4].startswith(f"{HERE},features.3,160×16×3×3,")
