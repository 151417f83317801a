"""The pictures of the README: `python benchmarks/pictures.py`. The real app on the example run, in headless Chromium."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.app import FLAGS, server  # noqa: E402

KEYS = {"learn": ["ArrowRight"] * 5}
"""Pressed before the picture is taken: to the step that shows the blocks."""
RUN = "convnet-digits-e8ff670e"
REGROUP = "regroup-groups=4-min_rows=8"
PICTURES = {   # name: address, what is there when it is whole
    "learn": ("learn?chapter=regroup", ".lf[data-frame]"),
    "lab": (f"lab?run={RUN}&round=4&stage=regroup:{REGROUP}", ".js-plotly-plot .main-svg"),
    "tune": (f"tune?run={RUN}&round=4&structure={REGROUP}", ".tv canvas, .mv canvas"),
    "masks": (f"masks?run={RUN}&round=4&ticket={REGROUP}&layer=features.3.weight", ".mv canvas"),
    "curves": (f"curves?run={RUN}&x=speed", ".js-plotly-plot .main-svg"),
}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--to", type=Path, default=ROOT / "docs")
    args.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES))
    args.add_argument("--theme", choices=("light", "dark"), default="light")
    args.add_argument("--width", type=int, default=1440)
    options = args.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "lthviz" / "data" / "runs") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": options.width, "height": 1000}, color_scheme=options.theme)
        for name in options.only:
            address, there = PICTURES[name]
            page.goto(f"{url}/{address}")
            page.locator(there).first.wait_for(timeout=60_000)
            _at_rest(page)
            for key in KEYS.get(name, ()):
                page.keyboard.press(key)
                page.wait_for_timeout(600)
            page.screenshot(path=options.to / f"{name}.png")
        browser.close()


def _at_rest(page: Page) -> None:
    page.locator("[data-test-script-state=notRunning]").wait_for(state="attached", timeout=60_000)
    page.wait_for_timeout(2500)


if __name__ == "__main__":
    main()
