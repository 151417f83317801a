"""No page of the app stands in anybody's way: axe-core finds nothing serious or critical on any of them, on the examples that lthviz comes with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from lthviz.ui.learn.course import CHAPTERS
from tests import shipped

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
RUN, REGROUP = shipped.FIRST, "regroup-groups=4-min_rows=8"
PATIENCE = 90_000


class Place(NamedTuple):
    """A page of the app. drawn: a selector of what is there once the page is drawn."""

    address: str
    drawn: str


MASK, FIGURE = "canvas.marks", ".js-plotly-plot .main-svg"
PLACES = {
    "home": Place("", ".strip img"),
    **{f"learn, {name}": Place(f"learn?chapter={name}", "img.plan-line" if name == "yours" else ".lf[data-frame]") for name in CHAPTERS},
    "lab, dense": Place(f"lab?run={RUN}&round=0", MASK),
    "lab, pruned": Place(f"lab?run={RUN}&round=6&stage=prune:unstructured", MASK),
    "lab, regrouped": Place(f"lab?run={RUN}&round=6&stage=regroup:{REGROUP}", MASK),
    "lab, trained": Place(f"lab?run={RUN}&round=6&stage=train:refill", FIGURE),
    "lab, new": Place("lab?new=digits", ".st-key-start-bar"),
    "lab, branch": Place(f"lab?run={RUN}&round=6&branch=6", "h1"),
    "masks": Place(f"masks?run={RUN}&round=6&ticket={REGROUP}&layer=features.3.weight", MASK),
    "tune, refill": Place(f"tune?run={RUN}&round=6&structure=refill&layer=features.3.weight", ".tune-cards"),
    "tune, regroup": Place(f"tune?run={RUN}&round=6&structure={REGROUP}&layer=features.3.weight&map=density", ".st-key-sensitivity .main-svg"),
    "speed": Place(f"speed?run={RUN}&round=6&ticket={REGROUP}", FIGURE),
    "curves": Place(f"curves?run={RUN}", FIGURE),
    "compare": Place(f"compare?of={RUN},convnet-digits-45d9d216", FIGURE),
    "exchange, in": Place("exchange?do=in", "[data-testid=stFileUploaderDropzone]"),
    "exchange, out": Place(f"exchange?do=out&run={RUN}&round=6&ticket={REGROUP}&format=onnx", ".form"),
    "runs": Place("runs", "[data-testid=stDataFrame] canvas"),
}
"""Every page, by name. A page that is added to the app is added here."""
DARK = [name for name in PLACES if name not in ("lab, dense", "lab, pruned", "lab, regrouped") and (not name.startswith("learn") or name in ("learn, refill", "learn, curve", "learn, time"))]
"""Of the Lab's stages one will do, in the colours of the dark theme, and of the course a matrix, a drawing and bars."""
NARROW = ("home", "masks", "learn, regroup", "exchange, out")
"""Those that are looked at on a phone's width, too."""
LOOKED_AT = [*((name, "light", 1440) for name in PLACES), *((name, "dark", 1440) for name in DARK), *((name, "light", 390) for name in NARROW)]


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("accessible")
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(folder / "runs"), "LTHVIZ_EXAMPLES": str(shipped.EXAMPLES), "LTHVIZ_CACHE": str(folder / "cache")})


@pytest.fixture(scope="module")
def opened(browser, url):
    """`opened(name, scheme, width)`: that page, drawn, everything folded in it unfolded."""
    pages: dict[tuple[str, int], Page] = {}

    def start(name: str, scheme: str, width: int) -> Page:
        if (scheme, width) not in pages:
            pages[scheme, width] = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme, reduced_motion="reduce")
            pages[scheme, width].set_default_timeout(PATIENCE)
        page, place = pages[scheme, width], PLACES[name]
        page.set_viewport_size({"width": width, "height": 1000})
        page.goto(f"{url}/{place.address}")
        expect(page.locator(place.drawn).first).to_be_visible(timeout=PATIENCE)
        settled(page)
        closed = page.locator("details:not([open]) > summary")
        while n := closed.count():
            closed.first.click()
            expect(closed).to_have_count(n - 1)
        page.set_viewport_size({"width": width, "height": page.evaluate("document.querySelector('.stMain').scrollHeight") + 100})     # contrast is judged of what is in sight
        settled(page)
        return page

    yield start
    for page in pages.values():
        page.close()


def settled(page: Page) -> None:
    """What is loaded late, such as the painting of a table, is there as well."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
    page.wait_for_load_state("networkidle")


def findings(page: Page) -> list[dict[str, Any]]:
    """What axe-core finds serious or critical."""
    return [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]


def told(found: list[dict[str, Any]]) -> str:
    """A paragraph a rule, a line an element."""
    lines = []
    for v in found:
        lines.append(f"\n{v['impact']}: {v['help']} ({v['id']}, {v['helpUrl']})")
        for n in v["nodes"]:
            why = re.sub(r"\s+", " ", n["failureSummary"].partition("\n")[2])
            lines.append(f"  {' '.join(map(str, n['target']))}\n    {n['html'][:200]}\n    {why}")
    return "\n".join(lines)


@pytest.mark.parametrize("name, scheme, width", LOOKED_AT)
def test_nothing_serious_is_found(opened, name, scheme, width):
    assert not (found := findings(opened(name, scheme, width))), told(found)


def test_what_stands_in_the_way_is_found(opened):
    """That the check looks at the page at all, and into the components as well: letters that nobody can read are told with their place."""
    page = opened("masks", "light", 1440)
    page.add_style_tag(content="p.said { color: #eee !important } * { --st-text-color: #eee !important }")
    said = told(findings(page))
    assert said.count("(color-contrast,") == 1 and '<p class="said"' in said and '<div class="read"' in said
