"""How quickly Tune answers on ResNet-18: `python benchmarks/tuning.py` (a minute or two).

Masks: random at 20 % (no structure to find, the hardest to divide), one-shot global magnitude of He-initialised weights, and a real run's
regrouped ones (benchmarks/masks). Rows are divided first; what is timed is what a released slider waits for: all layers and the network in
numbers, with and without the kept magnitude and the estimated speed, and a column of the sensitivity map. Goal: 1 s for the whole network.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.core import dense, initial, resnet18
from benchmarks.machine import header, line, spread, times_ms
from benchmarks.masks import load
from lthviz.config import Refill, Regroup
from lthviz.core.magnitude import prune
from lthviz.core.partition import partition_all
from lthviz.core.refill import magnitude_scores
from lthviz.core.regroup import all_parts
from lthviz.records import Layer, Masks
from lthviz.speed.estimate import Calibration
from lthviz.tuning import column, preview
from lthviz.tuning.partitions import Divided
from lthviz.tuning.sensitivity import T1

MADE_UP = Calibration("none", 64, 2, (4, 16, 64, 256, 1024), (1, 6, 24, 96), ((1.0,) * 4,) * 5, ((0.01,) * 4,) * 5)
"""Costs that no machine has: how long an estimate takes does not depend on them."""


def layers() -> list[Layer]:
    sides = {"1": 32, "2": 16, "3": 8, "4": 4}
    return [Layer(name, shape, (sides[name[5]],) * 2) for name, shape in resnet18().items()]


def kinds() -> dict[str, Masks]:
    rng = np.random.default_rng(0)
    real = load("resnet18-20-regroup")
    return {"random, 20 %": Masks.of({name: rng.random(shape) < 0.2 for name, shape in resnet18().items()}),
            "magnitude, 20 %": prune(initial(resnet18()), dense(resnet18()), 0.8),
            "a real run's, regrouped": Masks.of({name: real[name] for name in resnet18()})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    print(header("Tune on ResNet-18, 19 convolutions, 11.2 M weights"))
    for title, masks in kinds().items():
        print(f"\n{title}: {100 * masks.density():.1f} % kept")
        answers(masks, args.repeats)


def answers(masks: Masks, repeats: int) -> None:
    weights, network = initial(resnet18()), layers()
    begun = time.perf_counter()
    partitions = partition_all(masks, Regroup(), 0)
    line("divide the rows in 8 (once, in a process of its own)", f"{time.perf_counter() - begun:.1f} s")
    begun = time.perf_counter()
    divided = Divided(partitions, all_parts(masks, partitions))
    line("their parts (once a number of groups)", f"{time.perf_counter() - begun:.2f} s")
    t1s, rhos = iter(np.linspace(0.5, 4, 1000)), iter(np.linspace(0, 0.9, 1000))
    scores, more = magnitude_scores(masks, weights), {"weights": weights, "calibration": MADE_UP}

    def t1(**given: Any) -> None:
        preview(Regroup(t1=float(next(t1s))), masks, network, divided=divided, **given)

    def rho() -> None:
        preview(Refill(rho=float(next(rhos))), masks, network, scores=scores, **more)

    def map_column() -> None:
        column(Regroup(), masks, network, divided.parts, **more)

    line("a new t1, whole network", spread(times_ms(t1, repeats)))
    line("a new t1, with kept magnitude and estimated speed", spread(times_ms(lambda: t1(**more), repeats)), "1 s")
    line("a new ρ, with kept magnitude and estimated speed", spread(times_ms(rho, repeats)), "1 s")
    line(f"a column of the sensitivity map, {len(T1)} cells", spread(times_ms(map_column, 3)))


if __name__ == "__main__":
    main()
