"""A store of a thousand runs: how long Home and Runs take to be there, in a real browser.

python benchmarks/thousand.py [--runs 1000] [--repeats 5] [--json FILE]

One small run is trained; the others are its files under their own settings (another seed, another id). Each page is opened on a server that has just been
started (its first answer) and then again and again by new visitors; a page is there when its last part is drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from benchmarks.app import server  # noqa: E402
from lthviz.config import Random, Refill, Regroup, RunConfig  # noqa: E402
from lthviz.driving import drive  # noqa: E402
from lthviz.store import Store  # noqa: E402

HOME_S = 2.0
SMALL = RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4, min_rows=8), Random()), rounds=2, epochs=2, batch_size=20, train_images=60, lr=0.05,
                  schedule="cosine", rewind=0.2, threads=1, device="cpu", keep_weights="none")
PAGES = {"Home": ("/", "a[href*='runs']:has-text('All runs')"), "Runs": ("/runs", "[data-testid=stDataFrame] canvas")}
"""By page, its address and what is drawn last."""


def fill(store: Store, count: int) -> None:
    """That many runs, of which one was trained."""
    first = store.begin(SMALL)
    drive(store, first)
    source = store.path(first)
    for seed in range(1, count):
        folder = store.path(store.begin(SMALL.replace(seed=seed)))
        shutil.copytree(source / "rounds", folder / "rounds", dirs_exist_ok=True)
        for name in ("layers.json", "events.jsonl"):
            shutil.copy(source / name, folder / name)


def opened(browser: Browser, url: str, page: str) -> float:
    """Seconds from asking for a page to its being there, for a visitor who was never here."""
    path, last = PAGES[page]
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    view = context.new_page()
    began = time.perf_counter()
    view.goto(url + path, wait_until="commit")
    view.wait_for_selector(last, state="attached", timeout=120_000)
    done = time.perf_counter() - began
    view.wait_for_timeout(300)
    context.close()
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lthviz-thousand-"))
    store = Store(folder / "runs", examples=ROOT / "data" / "examples")
    os.environ["LTHVIZ_EXAMPLES"] = str(store.examples)
    result: dict = {"runs": args.runs, "repeats": args.repeats, "pages": {}}
    try:
        fill(store, args.runs)
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"])
            for page in PAGES:
                with server(store.root) as url:
                    first = opened(browser, url, page)
                    again = [opened(browser, url, page) for _ in range(args.repeats)]
                result["pages"][page] = {"first_s": first, "again_s": again}
                print(f"{page}: {args.runs:,} runs, first answer of a new server {first:.2f} s, then {statistics.median(again):.2f} s (median of {len(again)}, longest {max(again):.2f} s)")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result["machine"] = {"cores": os.cpu_count(), "python": platform.python_version(), "streamlit": version("streamlit"), "load": os.getloadavg()[0]}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if max(result["pages"]["Home"]["again_s"]) <= HOME_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
