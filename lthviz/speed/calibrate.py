"""Measures what a row and a weight cost on this machine, by block height and map size, and what a run costs besides: seconds, once
(estimate.py uses it)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lthviz.speed import auto, estimate, layout, machine
from lthviz.speed.estimate import Calibration
from lthviz.speed.graph import Conv, Graph, Pool, Value
from lthviz.speed.live import Plan
from lthviz.speed.passes import Pass

SIDES = (2, 4, 8, 16, 32)
HEIGHTS = (1, 2, 3, 4, 6, 12, 24, 96)
COLUMNS = (96, 672)
CHANNELS, ROWS = 128, 96
POOLED = 64
"""Channels of the maps that are pooled."""
REPEATS = 15
"""The best of so many counts."""


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
    made = Calibration(machine.identity(), batch, threads, tuple(s * s for s in SIDES), HEIGHTS, tuple(tables[0]), tuple(tables[1]))
    parts = [(n, images) for n, images in ((passes, layout.LANES), (1, rest)) if n and images]
    run, step, byte = map(float, np.sum([n * np.array(_besides_us(images, threads)) for n, images in parts], axis=0))
    return replace(made, run_us=run, step_us=step, byte_us=byte, seconds=time.perf_counter() - begun)


def _besides_us(images: int, threads: int) -> tuple[float, float, float]:
    """Microseconds: to start a run, of a step that does next to nothing, and of a byte of one image's map that is pooled."""
    few, many = (_run_us([1] * n, 4, 2, images, threads) for n in (2, 42))
    step = max(0.0, (many - few) / 40)
    little, large = (_run_us([2, 2, 2], channels, 32, images, threads, ends=False) for channels in (1, 1 + POOLED))
    byte = max(0.0, large - little) / (4 * POOLED * (32 * 32 + 16 * 16 + 8 * 8))
    return max(0.0, few - 4 * step), step, byte


def _run_us(strides: Sequence[int], channels: int, side: int, images: int, threads: int, *, ends: bool = True) -> float:
    """Of poolings one behind the other, each over squares as wide as its stride; with images taken in and results handed out, or without."""
    sides = np.cumprod([1, *strides])
    values = [Value((channels, side // int(n), side // int(n))) for n in sides]
    ops = [Pool(f"pool {i}", [values[i]], values[i + 1], kernel=n, stride=n) for i, n in enumerate(strides)]
    one = Pass(Plan(Graph(ops, values[0], values[-1]), {}), images, threads, {})
    inputs, result = (np.zeros((images, *value.shape), np.float32) for value in (values[0], values[-1]))
    first, last = (0, len(one.steps)) if ends else (1, 1 + len(strides))
    return min(_us(lambda: one.stretch(first, last, inputs, result)) for _ in range(REPEATS))


def _us(run: Callable[[], None]) -> float:
    begun = time.perf_counter()
    run()
    return 1e6 * (time.perf_counter() - begun)


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
