"""Fifty people look at runs for ten minutes while one run trains: every answer, the server's memory, and what the training loses.

python benchmarks/load.py [--readers 50] [--seconds 600] [--think 15] [--alone 30] [--threads 1] [--json FILE]

A real server, a real training by the app's own worker, and sessions as in viewers.py, each over its own websocket. The training's speed is taken
alone, then among the readers, then alone again (the server is up but nobody looks), from the batches that the worker's own heartbeat counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.app import server  # noqa: E402
from benchmarks.viewers import MOST_S, Reader, together, told, walk  # noqa: E402
from lthviz import launch  # noqa: E402
from lthviz.config import RunConfig  # noqa: E402
from lthviz.store import Store  # noqa: E402

MOST_SLOWER = 0.15
"""Of the training's speed that may be lost."""
MOST_GROWTH = 0.05
"""Of the server's memory in the second half of the time."""


def training(threads: int) -> RunConfig:
    """One that lasts, of batches that cost the same from first to last: the dense training of a ResNet-20."""
    return RunConfig(model="resnet20", data="digits", rounds=1, epochs=3000, batch_size=64, threads=threads, structures=())


def speed(store: Store, run_id: str, seconds: float) -> float:
    """Batches a second over that time, from heartbeat to heartbeat."""
    first, begun = _beat(store, run_id)
    time.sleep(seconds)
    last, ended = _beat(store, run_id)
    return (last - first) / (ended - begun)


def _beat(store: Store, run_id: str) -> tuple[int, float]:
    """The next new count of batches, and when it was seen."""
    before = store.status(run_id).done
    while (now := store.status(run_id).done) == before:
        time.sleep(0.005)
    return now, time.monotonic()


class Memory(threading.Thread):
    """Bytes that the server has in memory, every second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.pid, self.found, self.stop = _server(), [], threading.Event()

    def run(self) -> None:
        while not self.stop.wait(1.0):
            self.found.append(_resident(self.pid))


def _server() -> int:
    """The streamlit process that this one has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"streamlit" in (folder / "cmdline").read_bytes() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                return int(folder.name)
        except (OSError, IndexError):
            continue
    raise SystemExit("the server is not to be found")


def _resident(pid: int) -> int:
    return next(int(x.split()[1]) * 1024 for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))


def _processor(pid: int) -> float:
    """Seconds of processor time so far."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--think", type=float, default=15.0, help="seconds between an answer and the next click, half to one and a half of it")
    parser.add_argument("--alone", type=float, default=30.0, help="seconds for which the training is timed alone, before and after")
    parser.add_argument("--threads", type=int, default=1, help="of the training")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lthviz-load-"))
    store = Store(folder / "runs", examples=ROOT / "data" / "examples")
    os.environ |= {"LTHVIZ_RUNS": str(store.root), "LTHVIZ_EXAMPLES": str(store.examples)}
    trains = launch.start(store, training(args.threads))
    try:
        while not store.status(trains).done:
            time.sleep(0.2)
        time.sleep(5)
        with server(store.root) as url:
            places, first = walk(store, trains), Reader(url, 0)
            asyncio.run(first.look(places, 20.0, 0.1))          # imports and caches are filled once, by the first to come
            before = speed(store, trains, args.alone)
            memory = Memory()
            memory.start()
            spent, begun = _processor(memory.pid), time.monotonic()
            meanwhile: list[float] = []
            timed = threading.Thread(target=lambda: meanwhile.append(speed(store, trains, args.seconds)))
            timed.start()
            readers = asyncio.run(together(url, places, args.readers, args.seconds, args.think))
            timed.join()
            cores = (_processor(memory.pid) - spent) / (time.monotonic() - begun)
            memory.stop.set()
            after = speed(store, trains, args.alone)
        status = store.status(trains)
    finally:
        launch.request(store, trains, "cancel")
        while store.status(trains).alive:
            time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)
    failed = [x for r in readers for x in r.failed]
    every = [w for r in readers for w in r.waits]
    half = len(memory.found) // 2
    middle, end = (statistics.median(memory.found[i:i + max(1, half // 4)]) for i in (half, len(memory.found) - max(1, half // 4)))
    result = {"readers": args.readers, "seconds": args.seconds, "think_s": args.think, "threads": args.threads, "errors": len(failed), "all": told([s for _, s in every]),
              "by_page": {page: told([s for p, s in every if p == page]) for page in sorted({p for p, _ in every})}, "over_2_s": sum(s > MOST_S for _, s in every),
              "timers_answered": sum(r.timed for r in readers), "server_cores": cores, "server_mb_middle": middle / 1e6, "server_mb_end": end / 1e6,
              "server_mb_most": max(memory.found) / 1e6, "batches_per_s": {"before": before, "meanwhile": meanwhile[0], "after": after},
              "slower": 1 - meanwhile[0] / ((before + after) / 2), "state": status.state,
              "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "streamlit": version("streamlit"), "load": os.getloadavg()[0]}}
    print("\n".join(failed[:5]), file=sys.stderr)
    a = result["all"]
    print(f"load: {args.readers} sessions for {args.seconds:g} s, {len(every):,} answers (median {a['median_s']:.2f} s, 95 % {a['p95_s']:.2f} s, longest {a['max_s']:.2f} s), "
          f"{result['timers_answered']:,} timed redraws, {len(failed)} errors; server {cores:.2f} cores, {middle / 1e6:.0f} MB in the middle and {end / 1e6:.0f} MB at the end; "
          f"training with {args.threads} thread{'s' * (args.threads != 1)} {100 * result['slower']:.1f} % slower ({before:.1f}, {meanwhile[0]:.1f}, {after:.1f} batches/s)")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if failed or result["slower"] >= MOST_SLOWER or end > (1 + MOST_GROWTH) * middle else 0


if __name__ == "__main__":
    raise SystemExit(main())
