"""Ten readers look at runs at once while one run trains: how long each answer takes.

python benchmarks/viewers.py [--readers 10] [--seconds 60] [--think 3] [--json FILE]

A real server, one real training of the digits study by the app's own worker, and as many sessions as there are readers, each over its own
websocket with the messages that a browser sends: it steps through stages, switches layers and pages, and answers the page's own timers.
An answer is timed from the click to the message that the page is whole; what the browser then needs to paint is in benchmarks/app.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: E402
from websockets.asyncio.client import connect  # noqa: E402

from benchmarks.app import server  # noqa: E402
from lthviz import launch  # noqa: E402
from lthviz.errors import UsageError  # noqa: E402
from lthviz.presets import preset  # noqa: E402
from lthviz.store import Store  # noqa: E402

MOST_S = 2.0
"""No answer may take longer."""
WHOLE, PART = ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


class Reader:
    """A session. waits: (page, seconds) of each answer; slow: seconds of the page's own timers."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number = url.replace("http", "ws") + "/_stcore/stream", number
        self.waits: list[tuple[str, float]] = []
        self.timers: dict[str, float] = {}
        self.timed = 0
        self.failed: list[str] = []
        self.place: tuple[str, dict[str, str]] = ("", {})
        self._whole = asyncio.Event()

    async def look(self, walk: list[tuple[str, dict[str, str]]], seconds: float, think: float) -> None:
        """Walk from page to page for so long, from a place of one's own."""
        chance = random.Random(self.number)
        async with connect(self.url, subprotocols=["streamlit"], max_size=None, origin=self.url.split("/_stcore")[0].replace("ws", "http")) as self.socket:
            hearing = asyncio.create_task(self._hear())
            ticking = asyncio.create_task(self._tick())
            end = time.monotonic() + seconds
            start = self.number * max(1, len(walk) // 10) % len(walk)
            for place in itertools.chain(walk[start:], itertools.cycle(walk)):
                if time.monotonic() > end:
                    break
                await self._go(place)
                await asyncio.sleep(chance.uniform(0.5, 1.5) * think)
            for task in (hearing, ticking):
                task.cancel()

    async def _go(self, place: tuple[str, dict[str, str]]) -> None:
        self.place = place
        self.timers.clear()
        self._whole.clear()
        begun = time.perf_counter()
        await self._ask()
        try:
            await asyncio.wait_for(self._whole.wait(), 60)
        except TimeoutError:
            raise SystemExit(f"no answer within 60 s of {place}") from None
        self.waits.append((place[0] or "home", time.perf_counter() - begun))

    async def _ask(self, fragment: str = "") -> None:
        page, fields = self.place
        message = BackMsg()
        message.rerun_script.query_string = urlencode(fields)
        message.rerun_script.page_name = page
        if fragment:
            message.rerun_script.fragment_id = fragment
            message.rerun_script.is_auto_rerun = True
        await self.socket.send(message.SerializeToString())

    async def _hear(self) -> None:
        async for data in self.socket:
            message = ForwardMsg.FromString(data)
            match message.WhichOneof("type"):
                case "script_finished" if message.script_finished == WHOLE:
                    self._whole.set()
                case "script_finished" if message.script_finished == PART:
                    self.timed += 1
                case "auto_rerun":
                    self.timers[message.auto_rerun.fragment_id] = message.auto_rerun.interval
                case "session_event" if message.session_event.WhichOneof("type") == "script_compilation_exception":
                    self.failed.append(str(message.session_event))
                case "delta" if message.delta.new_element.WhichOneof("type") == "exception":
                    self.failed.append(f"{self.place}: {message.delta.new_element.exception.message}")

    async def _tick(self) -> None:
        """The page's own timers, as a browser keeps them."""
        while True:
            await asyncio.sleep(min(self.timers.values(), default=1.0))
            if self._whole.is_set():
                for fragment in list(self.timers):
                    await self._ask(fragment)


def walk(store: Store, trains: str) -> list[tuple[str, dict[str, str]]]:
    """Where a reader goes: the example stage by stage and layer by layer, the run that trains, and what sets them side by side."""
    example = next(i for i in store.runs() if store.is_example(i))
    run = store.run(example)
    names = [x.name for x in run.layers]
    steps = [("lab", {"run": example, "round": str(k), "stage": s.key}) for k in run.rounds[1:5] for s in run.config.stages(k)[:4]]
    layers = [("masks", {"run": example, "round": str(k), "ticket": "refill", "layer": name}) for k in (2, 4) for name in names]
    pages = [("lab", {"run": trains}), ("curves", {"run": example, "x": "kept"}), ("runs", {}), ("compare", {"of": f"{example},{trains}"}), ("", {}),
             ("masks", {"run": trains}), ("curves", {"run": trains}), ("compare", {"of": f"{example},{trains}", "baseline": example})]
    out = []
    for i, page in enumerate(pages):
        out += steps[2 * i:2 * i + 2] + layers[i:i + 1] + [page]
    return out


async def together(url: str, places: list[tuple[str, dict[str, str]]], readers: int, seconds: float, think: float) -> list[Reader]:
    there = [Reader(url, n) for n in range(readers)]
    await there[0].look(places, 4 * len(places) * 0.05, 0.0)     # imports and caches are filled once, by the first to come
    first = there[0].waits[:]
    there[0] = Reader(url, 0)
    print(f"first answer of a cold server {first[0][1]:.2f} s; now {readers} readers for {seconds:g} s", file=sys.stderr)
    await asyncio.gather(*(r.look(places, seconds, think) for r in there))
    return there


def told(waits: list[float]) -> dict[str, float]:
    ordered = sorted(waits)
    return {"n": len(ordered), "median_s": statistics.median(ordered), "p95_s": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], "max_s": ordered[-1]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--think", type=float, default=3.0, help="seconds between an answer and the next click, half to one and a half of it")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lthviz-viewers-"))
    store = Store(folder / "runs", examples=ROOT / "data" / "examples")
    os.environ |= {"LTHVIZ_RUNS": str(store.root), "LTHVIZ_EXAMPLES": str(store.examples)}
    trains = launch.start(store, preset("digits").config.replace(seed=1), preset="digits")
    try:
        deadline = time.monotonic() + 180
        while not store.run(trains).layers and time.monotonic() < deadline:
            time.sleep(0.2)
        before, spent = store.status(trains).done, resource.getrusage(resource.RUSAGE_CHILDREN)
        with server(store.root) as url:
            readers = asyncio.run(together(url, walk(store, trains), args.readers, args.seconds, args.think))
        status, now = store.status(trains), resource.getrusage(resource.RUSAGE_CHILDREN)     # the server has ended; the worker has not
    finally:
        with contextlib.suppress(UsageError):     # it has ended by itself
            launch.request(store, trains, "cancel")
        for _ in range(100):
            if not store.status(trains).alive:
                break
            time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)
    if failed := [x for r in readers for x in r.failed]:
        print("\n".join(failed[:5]), file=sys.stderr)
        return 1
    every = [w for r in readers for w in r.waits]
    by = {page: told([s for p, s in every if p == page]) for page in sorted({p for p, _ in every})}
    result = {"readers": args.readers, "seconds": args.seconds, "think_s": args.think, "all": told([s for _, s in every]), "by_page": by,
              "over_2_s": sum(s > MOST_S for _, s in every), "timers_answered": sum(r.timed for r in readers),
              "batches_trained_meanwhile": status.done - before, "state": status.state,
              "server_cpu_s": now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime,
              "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "streamlit": version("streamlit"), "load": os.getloadavg()[0]}}
    for name, t in {**by, "all": result["all"]}.items():
        print(f"{name:8} n = {t['n']:4}  median {t['median_s']:.3f} s  95 % {t['p95_s']:.3f} s  longest {t['max_s']:.3f} s")
    print(f"{result['over_2_s']} of {len(every)} answers took over {MOST_S:g} s; {result['timers_answered']} timed redraws; "
          f"the server took {result['server_cpu_s']:.1f} s of processor time, its start included; "
          f"{result['batches_trained_meanwhile']:,} batches trained meanwhile")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if not result["over_2_s"] else 3


if __name__ == "__main__":
    raise SystemExit(main())
