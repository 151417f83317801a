"""The course in a real browser: walked through by keys, worked by hand, on a phone, and with a study that really runs."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from lthviz.store import Store
from lthviz.ui.learn.course import CHAPTERS
from tests import shipped

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
OVERFLOW = "() => document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("course") / "runs"


@pytest.fixture(scope="module")
def url(serve, folder) -> str:
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(folder), "LTHVIZ_EXAMPLES": str(shipped.EXAMPLES)})


def at_rest(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def open_chapter(page: Page, url: str, name: str, **more: str) -> None:
    page.goto(f"{url}/learn?chapter={name}" + "".join(f"&{k}={v}" for k, v in more.items()))
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS[name])
    if name != "yours":
        expect(page.locator(".lf[data-frame]").first).to_be_visible()
    at_rest(page)


def said(page: Page):
    return page.locator(".lf .said").first


def turned(page: Page, key: str, is_there) -> None:
    """The key, until it has done what it should: one that falls between two redraws of its button is lost, as it is for a reader."""
    for _ in range(3):
        at_rest(page)
        page.keyboard.press(key)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            with contextlib.suppress(Error):     # looked at between two draws
                if is_there():
                    return
            page.wait_for_timeout(50)
    raise AssertionError(f"{key} led nowhere from {page.url}")


def test_the_arrow_keys_lead_from_the_first_step_to_the_last_chapter_while_presenting(page, url):
    open_chapter(page, url, "mask", present="1")
    expect(page.get_by_role("link", name="Masks")).to_have_count(0)
    place, seen, steps = lambda: (page.get_by_role("heading", level=1).inner_text(), *page.locator(".lf").evaluate_all("all => all.map(e => e.dataset.frame)")), [], 0
    while True:
        at_rest(page)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        if (here := place())[0] == CHAPTERS["yours"]:
            break
        if here[0] not in seen:
            seen.append(here[0])
        turned(page, "ArrowRight", lambda here=here: place() != here)
        steps += 1
        assert steps < 80
    assert seen == [CHAPTERS[x] for x in CHAPTERS if x != "yours"]
    assert steps > len(CHAPTERS) + 15, "figures have steps of their own"
    turned(page, "ArrowLeft", lambda: page.get_by_role("heading", level=1).inner_text() == CHAPTERS["fooled"])
    turned(page, "Escape", lambda: page.get_by_role("link", name="Masks").count() == 1)


def test_a_cell_that_is_clicked_changes_what_follows(page, url):
    open_chapter(page, url, "regroup")
    before = said(page).inner_text()
    kept = int(re.match(r"(\d+) of", before)[1])
    page.locator(".lf [role=gridcell][aria-label*=kept]").first.click()
    expect(said(page)).to_contain_text(f"{kept - 1} of")
    page.get_by_role("button", name="As it was").click()
    expect(said(page)).to_have_text(before)


def test_a_question_is_answered_at_once_and_stays_answered(page, url):
    open_chapter(page, url, "price")
    options = page.locator(".st-key-question-price [role=radiogroup] label")
    verdicts = []
    for i in range(options.count()):
        options.nth(i).click()
        verdict = page.locator(f".st-key-verdict-price-{i}")
        expect(verdict).to_contain_text(re.compile(r"Right\.|Not so\."))
        verdicts.append("Right." in verdict.inner_text())
    assert sum(verdicts) == 1
    last = page.locator(".st-key-question-price").inner_text()
    page.get_by_role("button", name=re.compile("^Next Shortcut")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["curve"])
    page.get_by_role("button", name=re.compile("^Back Shortcut")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["price"])
    expect(page.locator(".st-key-question-price")).to_have_text(last, use_inner_text=True)


def test_a_link_leads_to_the_real_layer(page, url):
    open_chapter(page, url, "regroup")
    page.locator(".st-key-learn-links a").first.click()
    expect(page.locator("canvas.marks")).to_be_visible()
    assert shipped.FIRST in page.url and "layer=" in page.url


def test_every_chapter_fits_a_phone(page, url):
    page.set_viewport_size({"width": 390, "height": 800})
    for name in CHAPTERS:
        open_chapter(page, url, name)
        assert page.evaluate(OVERFLOW) <= 0, name


def test_the_study_runs_while_the_page_tells_of_it(page, url, folder):
    open_chapter(page, url, "yours")
    page.get_by_role("button", name="Run the study").click()
    page.wait_for_url(re.compile("run=convnet-digits-"))
    run_id = re.search(r"run=([\w-]+)", page.url)[1]
    expect(page.locator(".doing")).to_contain_text("gradient descent")
    expect(page.locator("[data-testid=stProgress]")).to_contain_text(re.compile(r"Round 1 of 12"))
    expect(page.locator("img.plan-line")).to_have_attribute("alt", re.compile(r"^[1-9]\d* of 49 trainings are done"))
    subprocess.run([sys.executable, "-m", "lthviz", "cancel", run_id, "--runs", str(folder)], cwd=ROOT, check=True, capture_output=True, timeout=60)
    expect(page.get_by_role("button", name="Run another seed")).to_be_visible()
    assert Store(folder).run(run_id).config.seed == 1 and Store(folder).status(run_id).state == "cancelled"
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("What it had finished is kept")
