"""Tune as a reader uses it, on the example that lthviz comes with: drag, release, another layer, undo, reload, and the link in another browser."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from lthviz.config import structure
from lthviz.core.partition import partition_all
from lthviz.core.regroup import regroup
from lthviz.seeds import derive
from lthviz.store import Store
from tests import shipped

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = shipped.EXAMPLES
RUN = shipped.FIRST
ROUND, OWN = 6, "regroup-groups=4-min_rows=8"
PATIENCE = 90_000


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("tune")
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(folder / "runs"), "LTHVIZ_EXAMPLES": str(EXAMPLES), "LTHVIZ_CACHE": str(folder / "cache")})


def said(page: Page):
    return page.locator("p.said")


def label(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query)["structure"][0]


def there(page: Page, words: str) -> None:
    """Waits until the address says so."""
    page.wait_for_url(lambda url: words in unquote(url), wait_until="commit")


def idle(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def press(page: Page, keys: str, wanted: str) -> None:
    """A shortcut, until the sentence says so: between two redraws of its button a key is lost."""
    for last in (False, False, True):
        idle(page)
        page.locator("p.said").click()
        page.keyboard.press(keys)
        try:
            return expect(said(page)).to_contain_text(wanted, timeout=PATIENCE if last else 8000)
        except AssertionError:
            if last:
                raise


def would_keep(words: str) -> str:
    """What the engine makes of the example's round under that label."""
    store, settings = Store(EXAMPLES.parent / "none", examples=EXAMPLES), structure(words)
    run, masks = store.run(RUN), store.round(RUN, ROUND).ticket("unstructured").masks
    made = regroup(masks, settings, partitions=partition_all(masks, settings, derive(run.config.seed, "regroup", ROUND)))
    return f"would keep {made.masks.nnz():,} of {made.masks.size():,} weights"


def test_a_threshold_is_dragged_undone_kept_in_the_link_and_shared(page, browser, url):
    page.goto(f"{url}/tune?run={RUN}&round={ROUND}&structure={OWN}&layer=features.3.weight")
    begin = would_keep(OWN)
    expect(said(page)).to_contain_text(begin)
    expect(page.locator("canvas.marks")).to_be_visible()
    slide = page.locator(".side .slide")
    box = slide.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.44, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=12)
    expect(said(page)).to_contain_text(begin)                     # the server hears of it on release
    page.mouse.up()
    there(page, "t1=")
    turned = label(page)
    assert structure(turned).t1 > 1.5 and structure(turned).groups == 4
    now = would_keep(turned)
    expect(said(page)).to_contain_text(now)
    expect(page.locator("dl.tune-cards .change").first).to_contain_text(re.compile(r"^\+[0-9.]+ points$"))

    page.get_by_role("button", name=re.compile("Next layer")).click()
    there(page, "layer=features.6.weight")
    expect(page.locator("canvas.marks")).to_have_attribute("aria-label", re.compile(r"features\.6"))
    expect(said(page)).to_contain_text(now)
    press(page, "Control+z", now)                                 # back to the layer before …
    there(page, "layer=features.3.weight")
    press(page, "Control+z", begin)                               # … and to the threshold before
    assert label(page) == OWN
    press(page, "Control+Shift+z", now)
    assert label(page) == turned

    page.reload()
    expect(said(page)).to_contain_text(now)
    other = browser.new_context().new_page()
    other.goto(page.url)
    expect(said(other)).to_contain_text(now, timeout=PATIENCE)
    expect(other.locator(".side .exact")).to_have_value(re.compile(f"^{structure(turned).t1:.3g}"[:4]), timeout=PATIENCE)
    other.context.close()


def test_a_layer_of_its_own_by_clicks_and_a_cell_of_the_map(page, url):
    page.goto(f"{url}/tune?run={RUN}&round={ROUND}&structure={OWN}&layer=features.3.weight&map=density")
    expect(said(page)).to_contain_text(would_keep(OWN))
    page.get_by_role("radio", name="This layer alone").or_(page.get_by_role("button", name="This layer alone")).first.click()
    there(page, "scope=layer")
    idle(page)
    exact = page.locator(".side .exact")
    exact.fill("3")
    exact.press("Enter")
    there(page, "layers=features.3")
    assert label(page) == f"{OWN}-layers=features.3@t1=3.0"
    expect(said(page)).to_contain_text(would_keep(label(page)))
    expect(page.get_by_text("Own settings: features.3 (t1 3).")).to_be_visible()
    page.get_by_role("button", name=re.compile("Clear this layer's")).click()
    expect(said(page)).to_contain_text(would_keep(OWN))
    cell = page.locator(".st-key-sensitivity .scatterlayer .point").first
    expect(cell).to_be_attached()
    expect(page.locator(".st-key-sensitivity .annotation")).to_have_count(0)      # every column is there
    idle(page)
    cell.click(force=True)
    there(page, "t1=0.25")
    expect(said(page)).to_contain_text(would_keep(label(page)))


def test_a_layer_divided_anew_still_counts_from_the_ticket_that_it_was(page, url):
    page.goto(f"{url}/tune?run={RUN}&round={ROUND}&structure={OWN}-layers=features.3@groups=2&layer=features.3.weight")
    was = Store(EXAMPLES.parent / "none", examples=EXAMPLES).round(RUN, ROUND).ticket(OWN).masks.nnz("features.3.weight")
    expect(page.locator("[data-figure=kept] .was")).to_have_text(f"was {was:,}")
