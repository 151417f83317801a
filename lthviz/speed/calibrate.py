"""Measures what a row and a weight cost on this machine, by block height and map size: seconds, once (estimate.py uses it)."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from lthviz.speed import auto, estimate, layout, machine
from lthviz.speed.estimate import Calibration
from lthviz.speed.graph import Conv, Graph, Value
from lthviz.speed.live import Plan
from lthviz.speed.passes import Pass

SIDES = (2, 4, 8, 16, 32)
HEIGHTS = (1, 2, 3, 4, 6, 12, 24, 96)
COLUMNS = (96, 672)
CHANNELS, ROWS = 128, 96


def calibration(batch: int = 64, threads: int = 0, *, progress: Callable[[str], None] = lambda doing: None) -> Calibration:
    """This machine's, measured now if it is not known yet."""
    threads = threads or machine.cores()
    found = estimate.known(batch, threads)
    if found is None:
        progress("calibrating this machine")
        found = measure(batch, threads)
        estimate.remember(found)
    return found


def measure(batch: int, threads: int, repeats: int = 3) -> Calibration:
    """The costs, from convolutions whose blocks have all one height and read random columns, of two lengths each."""
    begun = time.perf_counter()
    rng = np.random.default_rng(0)
    passes, rest = divmod(batch, layout.LANES)
    tables = [[], []]
    for side in SIDES:
        line = [[], []]
        for height in HEIGHTS:
            us = []
            for columns in COLUMNS:
                us.append(1000 * sum(n * _layer_ms(rng, side, height, columns, images, threads, repeats)
                                     for n, images in ((passes, layout.LANES), (1, rest)) if n and images))
            slope = max(0.0, (us[1] - us[0]) / (ROWS * (COLUMNS[1] - COLUMNS[0])))
            line[0].append(max(0.0, us[0] / ROWS - slope * COLUMNS[0]))
            line[1].append(slope)
        for table, values in zip(tables, line, strict=True):
            table.append(tuple(values))
    return Calibration(machine.identity(), batch, threads, tuple(s * s for s in SIDES), HEIGHTS, tuple(tables[0]), tuple(tables[1]),
                       time.perf_counter() - begun)


def _layer_ms(rng: np.random.Generator, side: int, height: int, columns: int, images: int, threads: int, repeats: int) -> float:
    mask = np.zeros((ROWS, CHANNELS * 9), bool)
    for first in range(0, ROWS, height):
        mask[np.ix_(range(first, first + height), rng.choice(CHANNELS * 9, columns, replace=False))] = True
    weight = rng.standard_normal((ROWS, CHANNELS, 3, 3), np.float32)
    image, output = Value((CHANNELS, side, side)), Value((ROWS, side, side))
    conv = Conv("layer", [image], output, "layer.weight", weight, np.zeros(ROWS, np.float32), padding=(1, 1), relu=True)
    plan = Plan(Graph([conv], image, output), {"layer.weight": mask})
    inputs = np.zeros((images, CHANNELS, side, side), np.float32)
    result = np.empty((images, ROWS, side, side), np.float32)
    found = []
    for form in auto.candidates(plan, conv, images):
        if form != "dense":   # that is what an estimate compares these costs with
            one = Pass(plan, images, threads, {"layer.weight": form})
            one.run(inputs, result)
            at = next(i for i, step in enumerate(one.steps) if step.layer)
            found.append(min(one.step_ms(at, inputs, result, 1) for _ in range(repeats)))
    return min(found)
