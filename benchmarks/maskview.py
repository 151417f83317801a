"""Redraw time of the mask view, per event, on a 512 × 4608 layer in headless Chromium.

    python benchmarks/maskview.py [--events 60] [--ratio 1]

Starts the real component in a real Streamlit server, turns the wheel, drags, switches view and order, and reads from each redraw how
long it took, from geometry to the last pixel put. Of the travel from one order to another, which is drawn frame by frame, also how long it
is from one painted frame to the next. Goal: 33 ms at the 95th percentile on two cores, for both. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
APP = '''
import numpy as np
import streamlit as st
from lthviz.records import Blocks, Layer
from lthviz.ui.maskview import mask_view

st.set_page_config(layout="wide")
rng = np.random.default_rng(0)
C, n, groups = 512, 4608, 8
owner, liked = rng.integers(0, groups, C), rng.random((groups, n)) ** 4
before = rng.random((C, n)) < liked[owner]
after, rows, cols = np.zeros((C, n), bool), [], []
for g in range(groups):
    rows.append(np.flatnonzero(owner == g).astype(np.int32))
    cols.append(np.sort(np.argsort(-before[rows[-1]].sum(0), kind="stable")[:900]).astype(np.int32))
    after[np.ix_(rows[-1], cols[-1])] = True
layer = Layer("layer4.1.conv2.weight", (512, 512, 3, 3), (4, 4))
mask_view(after, before, layer=layer, blocks=Blocks((C, n), tuple(rows), tuple(cols)), key="mask", mode="diff")
'''
EVENTS = """async (count) => {
  const host = document.querySelector("[data-testid=stBidiComponentIsolated]").shadowRoot;
  const root = host.querySelector(".mv"), marks = host.querySelector("canvas.marks"), box = marks.getBoundingClientRect(), out = {}, counts = {};
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  const drawn = async (name, act) => {
    const before = root.dataset.draws;
    act();
    for (let i = 0; i < 20 && root.dataset.draws === before; i++) await frame();
    if (root.dataset.draws !== before) (out[name] ??= []).push(+root.dataset.drawMs);
  };
  const key = k => () => marks.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true }));
  const wheel = d => () => marks.dispatchEvent(new WheelEvent("wheel", { deltaY: d, ctrlKey: true, clientX: box.left + 400, clientY: box.top + 150, cancelable: true }));
  const pointer = (type, x) => marks.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: box.left + x, clientY: box.top + 150, button: 0 }));
  const button = text => [...host.querySelectorAll("button")].find(b => b.textContent === text);
  marks.setPointerCapture = () => {};
  for (const view of ["Difference", "Both"]) {
    button(view).click();
    for (let i = 0; i < count; i++) await drawn("zoom, " + view, wheel(i % 40 < 20 ? -40 : 40));
    await drawn("-", key("0"));
    for (let i = 0; i < 8; i++) await drawn("-", wheel(-40));
    pointer("pointerdown", 400);
    for (let i = 0; i < count; i++) await drawn("pan, " + view, () => pointer("pointermove", 400 + 5 * (i % 40 < 20 ? -i % 20 - 1 : i % 20 - 21)));
    pointer("pointerup", 400);
    await drawn("-", key("0"));
  }
  for (let i = 0; i < count; i++) await drawn("switch the order", key("g"));
  for (const view of ["After", "Difference", "Both"]) {
    button(view).click();
    for (let i = 0; i < Math.max(2, count / 10); i++) {
      let seen = root.dataset.travels, idle = 0, last = 0;
      key("g")();
      while (idle < 40) {
        await frame();
        idle = root.dataset.travels === seen ? idle + 1 : 0;
        seen = root.dataset.travels;
        if (idle) continue;
        const now = performance.now();
        (out["drawing a frame of the travel, " + view] ??= []).push(+root.dataset.travelMs);
        if (last) (out["travel, frame to frame, " + view] ??= []).push(now - last);
        last = now;
        counts[root.dataset.travelStep] = (counts[root.dataset.travelStep] ?? 0) + 1;
      }
    }
  }
  for (let i = 0; i < count; i++) await drawn("switch the view", () => button(["Before", "After", "Both", "Difference"][i % 4]).click());
  delete out["-"];
  return [out, counts];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60, help="events of each kind")
    parser.add_argument("--ratio", type=float, default=1, help="device pixels a css pixel")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("this benchmark needs Chromium: apt install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, url = serve(Path(folder), APP)
        try:
            chrome = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
            page = chrome.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=args.ratio)
            page.goto(url)
            page.locator(".mv[data-draws]").wait_for()
            page.wait_for_timeout(1500)
            size = page.locator("canvas.cells").evaluate("c => c.width + ' × ' + c.height")
            page.evaluate(EVENTS, 5)                     # warm: the first calls run uncompiled
            times, steps = page.evaluate(EVENTS, args.events)
            print(f"512 × 4608 weights on {size} pixels; Chromium {chrome.version}; {platform.machine()}, {os.cpu_count()} cores, "
                  f"load {os.getloadavg()[0]:.1f}; {platform.system()}, Python {platform.python_version()}")
            chrome.close()
        finally:
            server.terminate()
            server.wait()
    redraws = [t for name, some in times.items() if "travel" not in name for t in some]
    print(f"{'event':44s}{'n':>5s}{'p50 ms':>9s}{'p95 ms':>9s}{'max ms':>9s}")
    for name, ms in (times | {"all but the travel": redraws}).items():
        print(f"{name:44s}{len(ms):5d}{np.percentile(ms, 50):9.1f}{np.percentile(ms, 95):9.1f}{max(ms):9.1f}")
    print("frames of the travel by the width of their pixels, and of how many weights one was counted: "
          + ", ".join(f"{step}: {n}" for step, n in sorted(steps.items())))


def serve(folder: Path, app: str) -> tuple[subprocess.Popen, str]:
    (folder / "app.py").write_text(app, encoding="utf-8")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(folder / "app.py"), "--server.port", str(port), "--server.address", "127.0.0.1",
         "--server.headless", "true", "--browser.gatherUsageStats", "false"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return server, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    server.terminate()
    sys.exit("the Streamlit server did not come up")


if __name__ == "__main__":
    main()
