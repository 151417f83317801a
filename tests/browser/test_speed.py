"""Speed and Curves in a real browser: what a click leads to, what a key and a phone do, and the Measure button with its worker."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lthviz.figures import theme, wording
from lthviz.speed import machine
from lthviz.store import Store
from lthviz.ui import frame
from tests.speeds import timings

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90_000


@pytest.fixture(scope="module")
def runs(digits_run, tmp_path_factory) -> tuple[Path, str]:
    """(folder of runs, id of the small finished run in it, whose tickets but random's are measured)."""
    folder, run_id = tmp_path_factory.mktemp("browser-speed") / "runs", digits_run[1]
    shutil.copytree(digits_run[0], folder)
    store = Store(folder)
    for t in timings(store.run(run_id), conditions=machine.describe()):
        if t.structure != "random":
            store.put_timing(run_id, t)
    return folder, run_id


@pytest.fixture(scope="module")
def url(serve, runs) -> str:
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(runs[0]), "LTHVIZ_CACHE": str(runs[0].parent / "cache")})


def sentence(page: Page):
    return page.locator("p.said")


def settled(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def click(page: Page, marker) -> None:
    settled(page)
    box = marker.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_a_layer_of_a_measured_ticket_leads_to_its_mask(page, runs, url):
    t = next(t for t in Store(runs[0]).timings(runs[1]) if (t.round, t.structure) == (2, "refill"))
    page.goto(f"{url}/speed?run={runs[1]}&round=2&ticket=refill")
    expect(sentence(page)).to_contain_text(f"runs in {t.time_ratio:.2f} of the dense network's time, {t.speedup:.2f}× as fast")
    plot = page.locator(".js-plotly-plot").first
    expect(plot).to_be_visible()
    tickets = plot.locator(".scatterlayer .trace").filter(has=page.locator(".points path")).last.locator(".points path")
    expect(tickets).to_have_count(len(t.layers))
    click(page, tickets.nth(1))
    page.wait_for_url(re.compile(r"/masks\?"))
    expect(page.locator("canvas.marks")).to_have_attribute("aria-label", re.compile(r"^Mask of features\.3"))
    assert f"layer={t.layers[1].name}" in page.url and "round=2" in page.url and "ticket=refill" in page.url


def test_a_point_of_the_curves_leads_to_its_ticket_and_back_keeps_the_axis(page, runs, url):
    page.goto(f"{url}/curves?run={runs[1]}&x=kept")
    lines = page.locator(".js-plotly-plot .scatterlayer .trace").filter(has=page.locator(".points path"))
    expect(lines).to_have_count(5)                                            # four structures and the dense origin
    page.get_by_role("radio", name="Measured speedup").or_(page.get_by_role("button", name="Measured speedup")).first.click()
    page.wait_for_url(re.compile("x=speed"))
    expect(page.get_by_text("Not measured with batch 64, 2 threads: Random, rounds 1 to 2.")).to_be_visible()
    red, green, blue = (int(theme.STYLES["refill"].colour[i:i + 2], 16) for i in (1, 3, 5))
    click(page, page.locator(f".scatterlayer .points path[style*='fill: rgb({red}, {green}, {blue})']").last)     # its newest round
    page.wait_for_url(re.compile(r"/lab\?"))
    expect(sentence(page)).to_contain_text("Trained Refill")
    assert "round=2" in page.url and "stage=train%3Arefill" in page.url
    expect(page.get_by_text(re.compile(r"n = 6 tickets; .*batch 64, 2 threads"))).to_be_visible()
    page.get_by_role("link", name="Curves").click()
    page.wait_for_url(re.compile(r"/curves\?"))
    expect(page.locator(".js-plotly-plot")).to_be_visible()


def test_a_batch_of_ones_own_is_typed_and_in_the_address(page, runs, url):
    page.goto(f"{url}/speed?run={runs[1]}&round=2&ticket=refill")
    expect(sentence(page)).to_contain_text("Refill at")
    settled(page)
    box = page.get_by_role("combobox", name=re.compile("Batch"))
    box.click()
    box.fill("48")
    box.press("Enter")
    page.wait_for_url(re.compile("batch=48"))
    expect(page.get_by_text("Refill of round 2 has not been timed with batch 48, 2 threads.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name=re.compile(r"\bMeasure$"))).to_be_visible()
    expect(page.locator("code", has_text="--batch 48 --threads 2")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["speed?run={run}&round=2&ticket=refill", "curves?run={run}", "lab?run={run}&round=2&stage=refill:refill"])
def test_a_phone_shows_all_of_it_in_its_width(browser, runs, url, where, scheme):
    phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    phone.set_default_timeout(PATIENCE)
    phone.goto(f"{url}/{where.format(run=runs[1])}")
    expect(phone.locator(".js-plotly-plot").first).to_be_visible(timeout=PATIENCE)
    settled(phone)
    wide = phone.evaluate("[...document.querySelectorAll('.stMain .js-plotly-plot, .stMain p, .stMain pre')]"
                          ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className)")
    tops = phone.locator(".st-key-menu a").evaluate_all("links => links.map(a => Math.round(a.getBoundingClientRect().top))")
    phone.close()
    assert not wide and len(tops) == len(frame.PAGES) and len(set(tops)) <= 2


def measured(page, store, run_id, there, quiet=90.0) -> None:
    """Waits until there() while the worker gets on, however long that takes; it fails when nothing new was said for so many seconds."""
    seen, since = None, time.monotonic()
    while not there():
        m = store.measuring(run_id)
        assert m is None or m.state != "failed", m.error
        if (now := m and (m.state, m.done, m.message)) != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() - since < quiet, f"nothing new for {quiet:g} s: {m}"
        page.wait_for_timeout(100)


def test_the_measure_button_measures(page, runs, url):
    """From the button through the worker to the sentence. The slowest test here: it really measures."""
    store = Store(runs[0])
    page.goto(f"{url}/speed?run={runs[1]}&round=1&ticket=random&batch=2&threads=1")
    page.get_by_role("button", name=re.compile(r"\bMeasure$")).click()
    expect(page.get_by_text(re.compile("^Measuring 1 ticket|^Measuring Random of round 1, batch 2, 1 thread"))).to_be_visible()
    page.reload()                                                             # the worker does not mind
    page.get_by_role("button", name=re.compile(r"\bCancel$")).click()
    expect(page.get_by_role("button", name=re.compile(r"\bMeasure$"))).to_be_enabled()
    assert store.measuring(runs[1]) is None
    page.get_by_role("button", name=re.compile(r"\bMeasure$")).click()
    mine = (1, "random")
    measured(page, store, runs[1], lambda: mine in [(t.round, t.structure) for t in store.timings(runs[1])])
    expect(sentence(page)).to_contain_text("of the dense network's time")
    if store.measuring(runs[1]):                                              # on a busy machine it would wait to measure once more
        page.get_by_role("button", name=re.compile(r"\bCancel$")).click()
        measured(page, store, runs[1], lambda: store.measuring(runs[1]) is None)
    t = next(t for t in store.timings(runs[1]) if (t.round, t.structure) == mine)
    assert (t.batch, t.threads, len(t.layers)) == (2, 1, 3) and t.max_abs_err < 1e-4
    expect(sentence(page)).to_contain_text(f"runs in {t.time_ratio:.2f} of the dense network's time")
    expect(page.get_by_text(re.compile(re.escape(f"{wording.ms(t.ticket_ms)} against {wording.ms(t.dense_ms)} for 2 images")))).to_be_visible()
    assert store.measuring(runs[1]) is None
