"""Compare, Curves and the Runs page in a real browser: pin, toggle, save, rename, delete, undo, reload, and a link in another one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lthviz.core.study import study_id
from lthviz.presets import preset
from lthviz.store import Store

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90_000


@pytest.fixture(scope="module")
def store(three_seeds, tmp_path_factory) -> Store:
    """Three seeds of a study, one of another that was cancelled before it began."""
    root = tmp_path_factory.mktemp("compare") / "runs"
    shutil.copytree(three_seeds[0], root)
    made = Store(root)
    made.set_state(made.begin(preset("digits").config.replace(seed=9, lr=0.02), preset="digits"), "cancelled")
    return made


@pytest.fixture(scope="module")
def url(serve, store) -> str:
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(store.root), "LTHVIZ_EXAMPLES": str(store.root / "none")})


def settled(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def test_a_baseline_is_pinned_and_the_link_shows_another_reader_the_same(page, browser, store, three_seeds, url):
    ids = three_seeds[1]
    page.goto(f"{url}/compare?of={study_id(store.run(ids[0]).config)},{ids[1]}")
    expect(page.locator(".st-key-compare .js-plotly-plot")).to_be_visible()
    settled(page)
    page.get_by_role("radiogroup", name="Baseline").get_by_text("B", exact=True).click()
    page.wait_for_url(re.compile(f"baseline={ids[1]}"))
    expect(page.locator(".st-key-compare .legendtext", has_text="Refill · B (baseline)")).to_be_visible()
    page.get_by_text("All settings", exact=True).click()
    page.wait_for_url(re.compile("all=1"))
    settled(page)
    other = browser.new_context(color_scheme="dark").new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(page.url)
    expect(other.locator(".st-key-compare .legendtext", has_text="Refill · B (baseline)")).to_be_visible()
    expect(other.locator(".st-key-compare-items")).to_contain_text("baseline")
    assert other.locator(".st-key-compare .legendtext").all_text_contents() == page.locator(".st-key-compare .legendtext").all_text_contents()
    other.context.close()
    page.reload()
    expect(page.locator(".st-key-compare .legendtext", has_text="Refill · B (baseline)")).to_be_visible()
    settled(page)


def test_a_figure_is_saved_as_png_and_as_svg(page, three_seeds, url):
    run = three_seeds[1][0]
    page.goto(f"{url}/curves?run={run}&x=kept")
    expect(page.locator(".st-key-curves .js-plotly-plot")).to_be_visible()
    settled(page)
    for kind, head in (("PNG", b"\x89PNG\r\n"), ("SVG", b"<svg")):
        with page.expect_download() as found:
            page.locator(".st-key-curves-under").get_by_role("button", name=kind).click()
        assert found.value.suggested_filename == f"lthviz-curves-{run}.{kind.lower()}"
        data = Path(found.value.path()).read_bytes()
        assert data.startswith(head) and (kind != "SVG" or b"test accuracy (%)" in data)


def test_a_run_is_named_deleted_brought_back_and_still_named(page, store, url):
    gone = next(i for i in store.runs() if store.status(i).state == "cancelled")
    page.goto(f"{url}/runs?find={gone}")
    table = page.locator("[data-testid=stDataFrame]")
    expect(table).to_be_visible()
    settled(page)
    table.click(position={"x": 20, "y": 35 + 17})
    title = page.get_by_role("textbox", name="Title", exact=True)
    title.fill("Low learning rate")
    title.press("Enter")
    settled(page)
    note = page.get_by_role("textbox", name="Note", exact=True)
    note.fill("<b>try</b> again **later**")
    note.press("Control+Enter")
    settled(page)
    expect(note).to_have_value("<b>try</b> again **later**")
    page.wait_for_timeout(300)
    assert store.about(gone)[:2] == ("Low learning rate", "<b>try</b> again **later**")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".st-key-undo")).to_contain_text("1 run deleted:")
    assert not store.exists(gone)
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(".st-key-undo")).to_be_hidden()
    settled(page)
    assert store.exists(gone) and not store.trashed()
    page.goto(f"{url}/lab?run={gone}")
    expect(page.get_by_role("heading", name="Low learning rate")).to_be_visible()
    settled(page)
