"""How soon Learn's figures answer: a control, a clicked cell, the next chapter.

python benchmarks/learn.py [--repeats 12]

Drives the real app in headless Chromium, on the example runs. A control's answer ends when the frame is drawn; that of a cell, which goes
to the server and back, when the figure is drawn with what came back; that of a chapter when its figure is drawn. Targets: 150 ms for a
figure's answer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.app import FLAGS, server  # noqa: E402
from lthviz.ui.learn.course import CHAPTERS  # noqa: E402

ALL = """const all = (root, sel, out = []) => { for (const e of root.querySelectorAll('*')) { if (e.matches(sel)) out.push(e); if (e.shadowRoot) all(e.shadowRoot, sel, out); } return out; };"""
TARGET_MS = 150


ANSWER = f"""async element => {{ {ALL}
    const drawn = () => all(document, '.lf').reduce((n, e) => n + +(e.dataset.draws ?? 0), 0), before = drawn(), began = performance.now();
    if (element.type === 'range') {{
        element.value = +element.value + (+element.value < +element.max ? 1 : -1);
        element.dispatchEvent(new Event('input', {{ bubbles: true }}));
    }} else element.click();
    for (let frames = 0; frames < 1200; frames++) {{
        await new Promise(requestAnimationFrame);
        if (drawn() > before) return performance.now() - began;
    }}
    return null; }}"""


def answer(one: Locator) -> float | None:
    """Milliseconds from the event in the browser to the first frame after the figure was drawn anew; None where it was not."""
    return one.evaluate(ANSWER)


def rest(page: Page) -> None:
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    page.wait_for_timeout(300)


def told(what: str, ms: list[float], target: int = TARGET_MS) -> None:
    ms = sorted(ms)
    late = ms[min(len(ms) - 1, int(0.95 * len(ms)))]
    print(f"{what:44s} median {statistics.median(ms):6.0f} ms, 95 % {late:6.0f} ms   (n = {len(ms)}; target {target} ms)", flush=True)


def chapter(page: Page, name: str, repeats: int) -> None:
    """Every control of the chapter's figures back and forth, and a cell where there is one to click."""
    for kind, locator in (("slider", "input[type=range]"), ("choice", "[role=radio], .choice button"), ("steps", ".steps button")):
        found = page.locator(f".lf {locator}")
        if not found.count():
            continue
        ms = []
        for turn in range(repeats):
            one = found.nth(turn % found.count())
            if kind == "slider" or (one.get_attribute("aria-pressed") != "true" and one.get_attribute("aria-current") is None and one.is_enabled()):
                ms += filter(None, [answer(one)])
        if ms:
            told(f"{name}: {kind}", ms)
    if (cells := page.locator(".lf [role=gridcell].editable, .lf .editable [role=gridcell]")).count():
        ms = []
        for turn in range(repeats):
            rest(page)
            cell = cells.nth(7 * turn % cells.count())
            ms += filter(None, [answer(cell)])
        told(f"{name}: a cell clicked, by way of the server", ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--chapter", choices=list(CHAPTERS))
    args = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as runs, sync_playwright() as playwright, server(Path(runs)) as url:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        for name in [args.chapter] if args.chapter else CHAPTERS:
            page.goto(f"{url}/learn?chapter={name}")
            page.wait_for_selector("h1", timeout=60_000)
            rest(page)
            page.wait_for_timeout(1500)
            chapter(page, name, args.repeats)
        if not args.chapter:
            page.goto(f"{url}/learn")
            names, ms = list(CHAPTERS), []
            for turn in range(2):                      # the first time loads what the chapters need
                for to in (*names[1:], *reversed(names[:-1])):
                    rest(page)
                    began = time.perf_counter()
                    page.locator(f".st-key-learn-{'next' if names.index(to) > names.index(page.url.partition('chapter=')[2] or names[0]) else 'back'} button").first.click()
                    page.wait_for_function("t => document.querySelector('h1')?.textContent === t", arg=CHAPTERS[to], polling="raf", timeout=60_000)
                    if turn:
                        ms.append(1000 * (time.perf_counter() - began))
            told("the next chapter's title", ms, 400)
        browser.close()


if __name__ == "__main__":
    main()
