"""The Runs page in a real browser: choosing in the table, which only a browser does, a sweep from its text to its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lthviz.presets import preset
from lthviz.store import Store
from lthviz.sweep import grid

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
TEXT = 'title = "Two seeds"\npreset = "digits"\nrounds = 0\nepochs = 1\ntrain_images = 60\n[grid]\nseed = [0, 1]\n'


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Twenty runs that were cancelled before they began."""
    made = Store(tmp_path_factory.mktemp("browser") / "runs")
    for seed in range(20):
        made.set_state(made.begin(preset("digits").config.replace(seed=100 + seed), preset="digits"), "cancelled")
    return made


@pytest.fixture(scope="module")
def url(serve, store) -> str:
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(store.root), "LTHVIZ_EXAMPLES": str(store.root / "none")})


def settled(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def test_rows_that_are_clicked_are_the_ones_that_are_deleted(page, store, url):
    page.goto(f"{url}/runs")
    table = page.locator("[data-testid=stDataFrame]")
    expect(table).to_be_visible()
    settled(page)
    before = store.runs()
    for row in (2, 4):       # counted from the head; rows are 35 pixels high
        table.click(position={"x": 20, "y": 35 * row + 17})
        expect(page.get_by_text(f"{row // 2} chosen")).to_be_visible()
        settled(page)
    page.get_by_role("button", name=re.compile("Delete 2$")).click()
    expect(page.locator(".st-key-undo")).to_contain_text("2 runs deleted:")
    expect(page.locator("p.said")).to_contain_text("18 runs: 18 cancelled.")
    assert [x for x in before if not store.exists(x)] == [before[1], before[3]]


def test_a_sweep_is_begun_and_followed_to_its_end(page, store, url):
    page.goto(f"{url}/runs")
    page.get_by_text("Start a sweep", exact=True).click()
    box = page.get_by_label("The sweep", exact=True)
    box.fill(TEXT)
    box.press("Control+Enter")
    expect(page.get_by_text("2 runs. One run at a time")).to_be_visible()
    page.get_by_role("button", name="Start the sweep").click()
    made = page.locator(".st-key-sweep-sweep")
    expect(made).to_contain_text("Two seeds")
    expect(made).to_contain_text("finished")
    ids = grid.parse(TEXT, "sweep").ids
    assert [store.status(x).state for x in ids] == ["finished", "finished"]
    made.get_by_role("button", name="Its runs").click()
    page.wait_for_url(re.compile("sweep=sweep"))
    expect(page.get_by_text("2 of 20 runs shown.")).to_be_visible()


def test_the_way_to_taking_in(page, store, url):
    page.goto(f"{url}/runs")
    page.get_by_role("link", name="Take in a run or network").click()
    page.wait_for_url(re.compile(r"/exchange\?do=in"))
    expect(page.get_by_role("button", name="Look into it")).to_be_disabled()
