"""A ticket is trained from Tune: its point comes, nothing around it waits or pales meanwhile, and then nobody asks any more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from lthviz import launch
from lthviz.config import Refill
from lthviz.store import Store
from tests.small import SMALL

pytestmark = pytest.mark.browser
# What a run of the whole page makes wait before a branch is at its end, as Streamlit marks it: the page's head, which no part of it redraws; and
# whatever grows pale anywhere, at any time.
WATCH = """() => { window.waited = new Set();
  const look = () => {
    const over = /test accuracy [0-9]/.test(document.querySelector(".st-key-tune-branches")?.innerText);
    for (const e of document.querySelectorAll("[data-stale=true]"))
      if (!over && e.closest(".st-key-tune-head") || e.offsetHeight && +getComputedStyle(e).opacity < 0.95) waited.add(e.innerText.slice(0, 60));
    requestAnimationFrame(look);
  };
  look(); }"""
DRAWN = "e => e.data.flatMap(t => [...t.customdata ?? []]).filter(k => k).map(k => k[0])"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("tune-train") / "runs")
    launch.drive(store, store.begin(SMALL.replace(rounds=1, epochs=100, structures=(Refill(),))))
    return store


@pytest.fixture(scope="module")
def url(serve, trained) -> str:
    return serve(Path(__file__).resolve().parents[2] / "app.py", env={"LTHVIZ_RUNS": str(trained.root), "LTHVIZ_CACHE": str(trained.root.parent / "cache")})


def test_nothing_pales_while_a_ticket_trains_and_its_point_appears(page, url, trained):
    (run_id,), frames = trained.runs(), []
    page.on("websocket", lambda socket: socket.on("framesent", lambda sent: frames.append(sent)))
    page.goto(f"{url}/tune?run={run_id}&round=1&structure=regroup-groups=2-min_rows=4")
    expect(page.locator("p.said")).to_contain_text("would keep")
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    page.evaluate(WATCH)
    page.get_by_role("button", name="Train this ticket").click()
    expect(page.locator(".st-key-tune-branches")).to_contain_text(re.compile("test accuracy [0-9]"))      # an axis is named so as well
    page.wait_for_timeout(2500)
    branch, = trained.children(run_id)
    assert branch in page.locator(".st-key-tune-branches .js-plotly-plot").evaluate(DRAWN)
    assert page.evaluate("[...waited]") == []
    asked = len(frames)
    page.wait_for_timeout(3000)
    assert len(frames) == asked, "what has ended is not asked after any more"
