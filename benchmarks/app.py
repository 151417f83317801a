"""How long a reader waits: cold start to the first picture, a page switch, a step back or forward.

python benchmarks/app.py [--runs DIR] [--run ID] [--repeats 7]

Starts the real server anew for each cold start and drives it in headless Chromium with an empty cache. A wait ends when the
picture asked for is drawn: the canvas has painted the mask of the stage that the sentence above it tells. Without --runs it
looks at the example runs in data/examples. --only open: each page opened by its address, warm; --only layers: the layer change alone, as on a made-up run of ResNet-18's size
(`python benchmarks/made_run.py DIR`, then --runs DIR --run ID).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
sys.path.insert(0, str(ROOT))

from lthviz.store import Store  # noqa: E402


@contextlib.contextmanager
def server(runs: Path | None) -> Iterator[str]:
    """A Streamlit server of its own; its address as soon as it answers."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {**os.environ, **({"LTHVIZ_RUNS": str(runs)} if runs else {})}
    process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)], cwd=ROOT, env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                break
            if process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait()


FIND = """const find = root => { for (const e of root.querySelectorAll('*')) { if (e.matches('.mv')) return e;
    if (e.shadowRoot) { const f = find(e.shadowRoot); if (f) return f; } } return null; };"""


def until(page: Page, sentence: str, title: str, after: int = 0) -> None:
    """Wait until the sentence begins so and the mask of that title is painted; after: paintings there were before."""
    page.wait_for_function(
        f"""([sentence, title, after]) => {{ {FIND} const p = document.querySelector('p.said'), view = find(document);
            return !!p && p.textContent.startsWith(sentence) && !!view && +view.dataset.draws > after
                && view.querySelector('.title').textContent.includes(title); }}""", arg=[sentence, title, after], polling="raf", timeout=60_000)


def paintings(page: Page) -> int:
    return page.evaluate(f"() => {{ {FIND} return +(find(document)?.dataset.draws ?? 0); }}")


def cold(browser: Browser, runs: Path | None, path: str, ready: str) -> tuple[float, float]:
    """Seconds from starting the server, and from opening the page, to the first picture."""
    began = time.perf_counter()
    with server(runs) as url:
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        opened = time.perf_counter()
        page.goto(url + path, wait_until="commit")
        if ready:
            until(page, ready, "→ Refill")
        else:
            page.wait_for_function("[...document.querySelectorAll('.strip img')].some(i => i.complete && i.naturalWidth)", polling="raf",
                                   timeout=60_000)
        done = time.perf_counter()
        page.context.close()
    return done - began, done - opened


def warm(browser: Browser, runs: Path | None, run: str, repeats: int) -> dict[str, list[float]]:
    """Seconds of page switches and of steps, in one session."""
    out: dict[str, list[float]] = {"Lab → Masks": [], "Masks → Lab": [], "step back": [], "step forward": []}
    with server(runs) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/lab?run={run}&round=1&stage=refill:refill")
        until(page, "Refill kept", "→ Refill")
        page.wait_for_selector(".js-plotly-plot .main-svg", timeout=60_000)
        for turn in range(repeats + 1):                                         # the first turn is warm-up
            for name, act, sentence, title in (
                    ("step back", lambda: page.keyboard.press("ArrowLeft"), "Pruned", "→ round 1"),
                    ("step forward", lambda: page.keyboard.press("ArrowRight"), "Refill kept", "→ Refill"),
                    ("Lab → Masks", lambda: page.get_by_role("link", name="Masks").click(), "Refill keeps", "Refill, round 1"),
                    ("Masks → Lab", lambda: page.get_by_role("link", name="Lab", exact=True).click(), "Refill kept", "→ Refill")):
                page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
                page.wait_for_timeout(400)
                seen = paintings(page) if name.startswith("step") else 0
                began = time.perf_counter()
                act()
                until(page, sentence, title, seen)
                if turn:
                    out[name].append(time.perf_counter() - began)
    return out


MASK = f"() => {{ {FIND} return +(find(document)?.dataset.draws ?? 0) > 0; }}"
FIGURE = "() => !!document.querySelector('.js-plotly-plot .main-svg')"
PICTURE = "() => [...document.querySelectorAll('.strip img')].some(i => i.complete && i.naturalWidth)"
TABLE = "() => !!document.querySelector('[data-testid=stDataFrame] canvas')"
PAGES = {"Home": ("/", PICTURE), "Lab": ("/lab?run={run}&round=1&stage=refill:refill", MASK), "Masks": ("/masks?run={run}&round=1&ticket=refill", MASK),
         "Tune": ("/tune?run={run}&round=1", MASK), "Speed": ("/speed?run={run}", FIGURE), "Curves": ("/curves?run={run}", FIGURE),
         "Compare": ("/compare?runs={run}", FIGURE), "Runs": ("/runs", TABLE)}
"""By page, its address and when its main picture (of Runs, its table) is painted."""


def opened(browser: Browser, runs: Path | None, run: str, repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds from opening a page by its address to its first letters and to its picture; server and browser have had it before."""
    out: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in PAGES}
    with server(runs) as url:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        for turn in range(repeats + 1):
            for name, (path, ready) in PAGES.items():
                page = context.new_page()
                page.wait_for_timeout(300)
                began = time.perf_counter()
                page.goto(url + path.format(run=run), wait_until="commit")
                page.wait_for_selector("[data-testid=stMarkdownContainer], [data-testid=stPageLink], [data-testid=stHeading]", timeout=60_000)
                letters = time.perf_counter() - began
                page.wait_for_function(ready, polling="raf", timeout=60_000)
                if turn:                                                        # the first turn is warm-up
                    out[name][0].append(letters)
                    out[name][1].append(time.perf_counter() - began)
                page.close()
        context.close()
    return out


def layers(browser: Browser, runs: Path | None, run: str, repeats: int) -> list[float]:
    """Seconds from a key to the next layer's painted mask on Masks, with the comparison that has the largest messages."""
    store, out = Store(runs), []
    last = store.run(run).finished[-1]
    names = [layer.short for layer in store.run(run).layers]
    label = next((x for x in store.round(run, last).tickets if x.startswith("regroup")), "unstructured")
    with server(runs) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/masks?run={run}&round={last}&ticket={label}&layer={names[0]}.weight")
        until(page, "Regroup keeps" if label != "unstructured" else "Unstructured keeps", names[0])
        there = 0
        for turn in range(2 * len(names) + repeats):                            # once down and up as warm-up: thumbnails and modules
            step = 1 if turn // max(1, len(names) - 1) % 2 == 0 else -1
            page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
            page.wait_for_timeout(250)
            seen, there = paintings(page), there + step
            began = time.perf_counter()
            page.keyboard.press("j" if step > 0 else "k")
            until(page, "", f"{names[there]} ·", seen)
            if turn >= 2 * len(names):
                out.append(time.perf_counter() - began)
    return out


def line(name: str, seconds: list[float], target: float) -> str:
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    return f"{name:52s} {statistics.median(seconds):6.2f} s   ({spread}, n = {len(seconds)}; target {target:g} s)"


def opening(browser: Browser, runs: Path | None, run: str, repeats: int) -> None:
    for name, (letters, picture) in opened(browser, runs, run, repeats).items():
        print(line(f"{name} opened, warm: first letters", letters, 1.5))
        print(line(f"{name} opened, warm: its picture", picture, 1.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--run", default="")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=["layers", "open"])
    args = parser.parse_args()
    store = Store(args.runs)
    run = args.run or next((r for r in store.runs() if store.is_example(r) and store.timings(r)), "")
    if not run:
        raise SystemExit("no example run; give --runs DIR and --run ID")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
          f"Streamlit {version('streamlit')}, Plotly {version('plotly')}; run {run}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        if args.only == "open":
            opening(browser, args.runs, run, args.repeats)
            return
        if args.only:
            print(line("layer change on Masks", layers(browser, args.runs, run, max(2 * args.repeats, 20)), 0.4))
            return
        home = [cold(browser, args.runs, "/", "") for _ in range(args.repeats)]
        lab = [cold(browser, args.runs, f"/lab?run={run}&round=1&stage=refill:refill", "Refill kept") for _ in range(args.repeats)]
        print(line("Home: server started → first picture", [x for x, _ in home], 3))
        print(line("Home: page opened on a fresh server → first picture", [x for _, x in home], 3))
        print(line("Lab: server started → first mask", [x for x, _ in lab], 3))
        print(line("Lab: page opened on a fresh server → first mask", [x for _, x in lab], 3))
        opening(browser, args.runs, run, args.repeats)
        for name, seconds in warm(browser, args.runs, run, args.repeats).items():
            print(line(name, seconds, 0.5 if name.startswith("step") else 1))
        print(line("layer change on Masks", layers(browser, args.runs, run, max(2 * args.repeats, 20)), 0.4))
        browser.close()


if __name__ == "__main__":
    main()
