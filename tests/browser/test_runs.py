"""The Runs page in a real browser: choosing in the table, which only a browser does, a sweep from its text to its end, a packed run taken in."""

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
EXAMPLES = ROOT / "data" / "examples"
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


def test_a_packed_run_is_taken_in_once_and_what_is_none_is_refused(page, store, url, tmp_path):
    examples = Store(tmp_path / "own", EXAMPLES)
    made = examples.runs()[0]
    good, bad = examples.pack(made, tmp_path / "from a colleague.h5"), tmp_path / "half.h5"
    bad.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    before = store.runs()
    page.goto(f"{url}/runs")
    page.get_by_text("Import a packed run", exact=True).click()
    file = page.locator(".st-key-import input[type=file]")
    for path, says in ((bad, re.compile(r"half\.h5.*Nothing was taken in\.")), (good, f"Run {made} was taken in from from a colleague.h5."),
                       (good, f"Run {made} is here already, and is the same")):
        expect(page.locator(".st-key-import [data-testid=stFileUploaderDropzone]")).to_be_visible()
        settled(page)
        file.set_input_files(path)
        expect(page.get_by_text(says)).to_be_visible()
        settled(page)
        assert set(store.runs()) - set(before) == (set() if path == bad else {made})
    assert store.about(made).source == "from a colleague.h5"
    expect(page.locator("p.said")).to_contain_text("1 of them imported")
    page.get_by_role("link", name=f"Open {made}").click()
    page.wait_for_url(re.compile(f"run={made}"))
    expect(page.locator("p.said").first).to_be_visible()
    settled(page)
    store.delete(made)
