"""A report in a real browser, opened from the disk: alive, in both themes, at every width, on paper, and silent on the network."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from lthviz import report
from lthviz.figures.masks import mask_counts
from lthviz.records import Address
from lthviz.store import Store
from tests import shipped

pytestmark = pytest.mark.browser
RUN, REGROUP = shipped.FIRST, "regroup-groups=4-min_rows=8"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("report") / "runs", shipped.EXAMPLES)


@pytest.fixture(scope="module")
def file(store, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("file") / "report.html"
    report.write(store, RUN, out)
    return out


@pytest.fixture
def opened(browser, file):
    """`opened(width, scheme)`: the report, drawn. Afterwards nothing but the file was asked for and no error was logged."""
    asked, errors, contexts = [], [], []

    def start(width=1440, scheme="light", of=file):
        context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        context.on("request", lambda r: asked.append(r.url))
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
        page.goto(of.as_uri())
        page.locator("#mask-view[data-shown]").wait_for()
        expect(page.locator("#plot-accuracy-kept .main-svg").first).to_be_visible()
        return page

    yield start
    for context in contexts:
        context.close()
    assert not errors and all(url.startswith(("data:", "blob:")) or url == file.as_uri() for url in asked), asked
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


def test_points_answer_the_mouse_lines_the_legend_and_a_frame_zooms(opened):
    page = opened()
    plot = page.locator("#plot-accuracy-kept")
    plot.scroll_into_view_if_needed()
    mark = plot.locator(".scatterlayer .points path").nth(5)
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 3, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    expect(plot.locator(".hoverlayer .hovertext").first).to_contain_text("test accuracy")
    assert plot.evaluate("p => p._fullLayout.xaxis.fixedrange") is False
    before = plot.evaluate("p => p._fullLayout.xaxis.range.slice()")
    area = plot.locator(".nsewdrag").first.bounding_box()
    page.mouse.move(area["x"] + 200, area["y"] + 100)
    page.mouse.down()
    page.mouse.move(area["x"] + 500, area["y"] + 250, steps=5)
    page.mouse.up()
    after = plot.evaluate("p => p._fullLayout.xaxis.range.slice()")
    assert abs(after[0] - after[1]) < 0.6 * abs(before[0] - before[1])
    plot.locator(".legendtoggle").nth(1).click()
    expect(plot.locator(".legend .traces").nth(1)).to_have_css("opacity", "0.5")


def test_the_theme_is_the_readers_and_can_be_turned(opened):
    page = opened(scheme="dark")
    body = page.locator("body")
    expect(body).to_have_css("background-color", "rgb(21, 23, 27)")
    expect(page.locator(".mv")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Dark").click()
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator(".mv")).to_have_attribute("data-theme", "light")
    assert page.locator("#plot-accuracy-kept").evaluate("p => p.layout.font.color") == "#22252A"


def test_every_mask_can_be_looked_at_and_is_counted_as_numpy_counts_it(opened, store):
    page = opened()
    for k, label, layer in ((12, REGROUP, "features.0.weight"), (3, "refill", "features.6.weight"), (1, "unstructured", "features.3.weight")):
        page.locator("#mask-round").select_option(f"{k}")
        page.locator("#mask-ticket").select_option(label)
        page.locator("#mask-layer").select_option(layer)
        page.locator(f'#mask-view[data-shown="{k}/{label}/{layer}"]').wait_for()
        after = store.mask(Address(RUN, k, label, layer))
        before = store.mask(Address(RUN, k, "unstructured", layer) if label != "unstructured" else Address(RUN, k - 1, "unstructured", layer))
        shown = {b.get_attribute("data-state"): int(b.get_attribute("data-count")) for b in page.locator("#mask-view .legend button").all()}
        counts = mask_counts(after.reshape(len(after), -1), before.reshape(len(after), -1))._asdict()
        assert shown == counts
    expect(page.locator("#mask-said")).to_have_text("Before: the dense network. After: Unstructured, round 1.")
    page.keyboard.press("Tab")
    page.locator("h2#masks").click()
    page.keyboard.press("j")
    page.locator('#mask-view[data-shown="1/unstructured/features.6.weight"]').wait_for()
    page.locator("#mask-view canvas.marks").hover(position={"x": 300, "y": 200})
    expect(page.locator("#mask-view .read")).to_contain_text("output channel")
    assert np.ptp(np.frombuffer(page.locator("#mask-view canvas.cells").screenshot(), np.uint8)) > 0


def test_a_structures_figure_is_chosen_by_keyboard(opened):
    page = opened()
    button = page.locator('[data-group="training"]').get_by_role("button", name="Regroup")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f'[id="plot-training-{REGROUP}"] .main-svg').first).to_be_visible()
    expect(page.locator("#plot-training-refill")).to_be_hidden()


def test_tables_and_pictures_are_saved_as_they_are(opened, store):
    page = opened()
    figure = page.locator("#fig-accuracy-kept")
    with page.expect_download() as saved:
        figure.get_by_role("button", name="Save this figure's numbers as CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"))))
    rows = store.run(RUN).rows
    assert saved.value.suggested_filename == f"lthviz-accuracy-kept-{RUN}.csv"
    assert [float(line["test accuracy (%)"]) for line in lines] == [r["test_acc"] for r in rows]
    with page.expect_download() as svg:
        figure.get_by_role("button", name="Save this figure as SVG").click()
    assert "kept weights (%)" in Path(svg.value.path()).read_text()


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_it_fits_the_screen(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#plot-accuracy-kept .main-svg").first.bounding_box()["width"] <= width


@pytest.mark.parametrize("width, scheme", [(1440, "dark"), (390, "light")])
def test_nothing_stands_in_anybodys_way(opened, width, scheme):
    page = opened(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { if (d.querySelectorAll('tr').length < 16) d.open = true; })")
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found, [(v["id"], v["help"], [n["html"][:160] for n in v["nodes"]][:3]) for v in found]


def test_paper_has_every_figure_in_the_light_theme(opened, tmp_path):
    page = opened(1024, "dark")
    made = page.pdf(prefer_css_page_size=True)
    assert made.startswith(b"%PDF") and 5 <= len(re.findall(rb"/Type\s*/Page\b", made)) <= 14
    expect(page.locator("body")).to_have_css("background-color", "rgb(21, 23, 27)")          # and the screen is as it was
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    plots = page.locator(".plot")
    assert plots.count() == 11
    for plot in plots.all():
        assert plot.get_attribute("data-theme") == "light" and plot.locator(".main-svg").first.evaluate("s => s.getAttribute('width')") == "860"
    expect(page.locator("#mask-view .mv")).to_have_attribute("data-theme", "light")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#plot-training-unstructured")).to_be_hidden()
    expect(page.locator("#plot-accuracy-kept")).to_have_attribute("data-theme", "dark")


def test_what_people_write_does_nothing(browser, tmp_path):
    store = Store(shipped.copy(tmp_path / "runs"), tmp_path / "none")
    store.set_about(RUN, title="<img src=x onerror=window.broken=1>", note="</script><script>window.broken=1</script>")
    report.write(store, RUN, tmp_path / "report.html")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.locator("#mask-view[data-shown]").wait_for()
    assert page.evaluate("window.broken") is None and page.locator("h1").inner_text() == "<img src=x onerror=window.broken=1>"
    page.close()
