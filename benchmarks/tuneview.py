"""From the event to the painted mask while a threshold is dragged, on a 512 × 4608 layer in headless Chromium.

    python benchmarks/tuneview.py [--events 250] [--ratio 1]

Starts the real component in a real Streamlit server and moves a real pointer (through the browser's own input) with the line of t1, or
the mark of ρ, over their whole range, and turns the slider with keys, in both orders and in the views difference and both. Of each
event: the time from its stamp to the end of the frame that shows it, and how long drawing took in it. Goal: 33 ms at the 95th
percentile on two cores. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import maskview

APP = '''
import numpy as np
import streamlit as st
from lthviz.config import Refill, Regroup
from lthviz.core.partition import Partition
from lthviz.core.regroup import parts
from lthviz.records import Layer
from lthviz.ui.tune.view import payload, tune_view

st.set_page_config(layout="wide")
rng = np.random.default_rng(0)
C, n, groups = 512, 4608, 8
owner, liked = rng.integers(0, groups, C).astype(np.int32), rng.random((groups, n)) ** 4
weights = (rng.standard_normal((C, n)) * (0.05 + liked[owner])).astype(np.float32)
before = np.abs(weights) > np.quantile(np.abs(weights), 0.8)
layer = Layer("layer4.1.conv2.weight", (512, 512, 3, 3), (4, 4))
if st.query_params["kind"] == "regroup":
    structure, more = Regroup(), dict(parts=parts(before, Partition(owner, "planted", 0)))
else:
    structure, more = Refill(rho=0.1, fractional=st.query_params["kind"] == "fractional"), dict(scores=(np.abs(weights) * before).sum(1))
order = st.query_params["order"]
tune_view(before, structure, key="tune", layer=layer, magnitude=weights, mode=st.query_params["mode"], order=order, **more)
st.text(f"{len(payload(before, structure, layer=layer, magnitude=weights, **more)):,} bytes")
'''
# A frame is over when a message posted from its last animation callback arrives: styles, layout and paint lie between. An event that leaves
# the threshold where it was (the pointer rests, or has left the scale) asks for no frame and is not counted.
WATCH = """() => {
  const host = document.querySelector("[data-testid=stBidiComponentIsolated]").shadowRoot, root = host.querySelector(".mv"), plot = host.querySelector(".plot");
  const slide = host.querySelector(".slide"), seen = window.seen = [];
  let last = root.dataset.turned, pressed = 0, drawn;
  const moved = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";
  for (const type of [moved, "keydown", "input"]) host.addEventListener(type, () => { drawn = root.dataset.draws; }, true);       // before the view hears of it
  const turned = stamp => {
    if (root.dataset.turned === last) return;
    last = root.dataset.turned;
    const before = drawn;                                    // it is drawn at once
    const look = tries => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        if (root.dataset.draws !== before) seen.push([performance.now() - stamp, +root.dataset.drawMs]);
        else if (tries) look(tries - 1);
        else seen.push([1e4, 0]);
      };
      channel.port2.postMessage(0);
    });
    look(10);
  };
  plot.addEventListener(moved, e => turned(e.timeStamp));
  slide.addEventListener("keydown", e => { pressed = e.timeStamp; turned(pressed); });
  slide.addEventListener("input", () => turned(pressed));
}"""


def drag(page, events: int) -> None:
    """The pointer goes over the whole curve and back, faster than frames come at times, as a hand does."""
    box = page.locator(".plot").bounding_box()
    left, top, wide, high = box["x"] + 48, box["y"] + 30, box["width"] - 64, box["height"] - 74
    page.mouse.move(left + wide / 2, top + high / 2)
    page.mouse.down()
    rng = np.random.default_rng(1)
    for k in range(events):
        turn = k / events * 6 * np.pi
        page.mouse.move(left + wide * (0.5 + 0.5 * np.sin(turn)), top + high * (0.5 + 0.48 * np.sin(turn)))
        page.wait_for_timeout(float(rng.uniform(2, 30)))
    page.wait_for_timeout(300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=250, help="events of each kind")
    parser.add_argument("--ratio", type=float, default=1, help="device pixels a css pixel")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("this benchmark needs Chromium: apt install chromium")
    times: dict[str, list] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, url = maskview.serve(Path(folder), APP)
        try:
            chrome = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
            for kind in ("regroup", "refill", "fractional"):
                for order in ("grouped", "original"):
                    for mode in ("diff", "pair") if kind != "fractional" else ("diff",):
                        page = chrome.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=args.ratio)
                        page.goto(f"{url}/?kind={kind}&order={order}&mode={mode}")
                        page.locator(".tv[data-draws]").wait_for()
                        page.wait_for_timeout(1500)
                        size = page.locator("canvas.cells").evaluate("c => c.width + ' × ' + c.height")
                        heavy = page.get_by_text(" bytes").inner_text()
                        drag(page, 40)                               # warm: the first calls run uncompiled
                        page.mouse.up()
                        page.evaluate(WATCH)
                        drag(page, args.events)
                        page.mouse.up()
                        page.wait_for_timeout(500)
                        times[f"{kind}, {order}, {mode}, drag"] = page.evaluate("seen.splice(0)")
                        page.locator(".slide").focus()
                        for k in range(args.events):
                            page.keyboard.press("PageUp" if k // 20 % 2 else "PageDown")
                            page.wait_for_timeout(20)
                        page.wait_for_timeout(500)
                        times[f"{kind}, {order}, {mode}, keys"] = page.evaluate("seen.splice(0)")
                        page.close()
                        print(f"{kind}, {order}, {mode}: {size} pixels, {heavy}", file=sys.stderr)
            print(f"512 × 4608 weights; Chromium {chrome.version}; {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
                  f"{platform.system()}, Python {platform.python_version()}")
            chrome.close()
        finally:
            server.terminate()
            server.wait()
    print(f"{'':36s}{'':>6s}{'event to painted, ms':>26s}{'drawing, ms':>20s}")
    print(f"{'threshold, order, view, by':36s}{'n':>6s}{'p50':>8s}{'p95':>9s}{'max':>9s}{'p50':>11s}{'p95':>9s}")
    moved = {name: np.array(seen) for name, seen in times.items()}
    for name, seen in (moved | {"all": np.concatenate(list(moved.values()))}).items():
        total, drawn = seen.T
        print(f"{name:36s}{len(seen):6d}{np.percentile(total, 50):8.1f}{np.percentile(total, 95):9.1f}{max(total):9.1f}"
              f"{np.percentile(drawn, 50):11.1f}{np.percentile(drawn, 95):9.1f}")


if __name__ == "__main__":
    main()
