"""A sweep of four digits runs on two Ray workers against the same sweep, one run after another.

    python benchmarks/sweep.py                  # the digits preset, seeds 0 to 3, one thread each
    python benchmarks/sweep.py --rounds 4       # shorter runs: start-up weighs more
    python benchmarks/sweep.py --repeat 3       # the median of three pairs

Both are whole commands, timed from outside: starting Python, Ray and torch included. The two take turns. Exit code 1 when the cluster is
less than 1.7 times as fast.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.machine import header  # noqa: E402
from lthviz.store import Store  # noqa: E402

TARGET = 1.7
BACKENDS = {"serial": ["--backend", "serial"], "ray": ["--backend", "ray", "--workers", "2"]}


def timed(backend: str, text: str) -> tuple[float, dict[str, list[float]]]:
    """(seconds of the whole command, test accuracies by run) of a sweep into an empty folder."""
    with tempfile.TemporaryDirectory(prefix="lthviz-sweep-") as folder:
        file = Path(folder) / "four.toml"
        file.write_text(text)
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "lthviz", "sweep", str(file), *BACKENDS[backend], "--runs", f"{folder}/runs", "--json"],
                              cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
        store = Store(f"{folder}/runs")
        ids = [r["run_id"] for r in json.loads(done.stdout)["runs"]]
        return seconds, {x: [r["test_acc"] for r in store.results(x)] for x in ids}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    text = f'preset = "digits"\nrounds = {args.rounds}\nthreads = 1\n[grid]\nseed = [0, 1, 2, 3]\n'
    took: dict[str, list[float]] = {"serial": [], "ray": []}
    results = {}
    for _ in range(args.repeat):
        for backend in took:
            seconds, results[backend] = timed(backend, text)
            took[backend].append(seconds)
            print(f"{backend:6s} {seconds:7.1f} s", flush=True)
        if results["serial"] != results["ray"]:
            print("FAILS  the two found different accuracies")
            return 1
    ratio = statistics.median(s / r for s, r in zip(took["serial"], took["ray"], strict=True))
    print(f"{header('measured on')}\nfour runs of the digits preset, {args.rounds} rounds, one thread each: equal accuracies; two Ray workers are "
          f"{ratio:.2f} times as fast as one after another (n = {args.repeat}; {TARGET} asked)")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    raise SystemExit(main())
