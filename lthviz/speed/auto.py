"""Which form runs a layer faster on this machine, measured once and remembered.

A layer's blocks as they are, or all its live rows and columns as one dense block: the first does no useless work, the second
reuses what it loads in more rows. Scattered rows also four at a time; on small maps of few images also the blocks turned, with rows as
lanes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from lthviz.speed import cache, machine
from lthviz.speed.graph import Conv
from lthviz.speed.live import Plan
from lthviz.speed.pack import SCATTERED
from lthviz.speed.passes import FORMS, Pass
from lthviz.speed.registers import VL

TABLE = "forms"
"""Of the cache: form by key."""
HOPELESS = 5.0
"""A dense block of this many times the work of the blocks is not tried: unstructured tiles lose a factor of three or four."""

SMALL = 256
"""Pixels, over all images, of the largest map on which rows are tried as lanes."""


def choose(plan: Plan, batch: int, threads: int) -> dict[str, str]:
    """The fastest form of each layer by name, for passes of `batch` images."""
    convs = [op for op in plan.graph.ops if isinstance(op, Conv)]
    forms = {op.layer: "blocks" for op in convs}
    tried = {op.layer: candidates(plan, op, batch) for op in convs}
    keys = {op.layer: _key(plan, op, batch, threads) for op in convs if len(tried[op.layer]) > 1}
    known = {key: form for key, form in cache.read(TABLE).items() if form in FORMS}
    wanted = {layer: tried[layer] for layer, key in keys.items() if key not in known}
    if wanted:
        measured = {keys[layer]: form for layer, form in _measured(plan, wanted, batch, threads).items()}
        cache.update(TABLE, measured)
        known |= measured
    return forms | {layer: known[key] for layer, key in keys.items()}


def candidates(plan: Plan, op: Conv, batch: int) -> tuple[str, ...]:
    """The forms of a layer that are worth a try."""
    dense = 1 < _inflation(plan, op) < HOPELESS
    rows = [r.size for r in plan.blocks[op].rows]
    turned = batch < VL and rows and batch * op.output.shape[1] * op.output.shape[2] <= SMALL and sum(rows) >= 4 * len(rows)
    scattered = sum(size <= SCATTERED for size in rows) > 1
    return ("blocks", *["dense"] * dense, *["quads"] * scattered, *["turned"] * bool(turned))


def _inflation(plan: Plan, op: Conv) -> float:
    """Work of one dense block over that of the layer's blocks; 0 for a layer that is one block or none."""
    blocks = plan.blocks[op]
    if len(blocks) < 2:
        return 0.0
    return sum(r.size for r in blocks.rows) * np.unique(np.concatenate(blocks.cols)).size / blocks.area


def _measured(plan: Plan, wanted: Mapping[str, tuple[str, ...]], batch: int, threads: int, rounds: int = 5) -> dict[str, str]:
    """The form of least time of each wanted layer: its candidates in turn, the best of some rounds each."""
    tried = dict.fromkeys(form for forms in wanted.values() for form in forms)
    passes = {form: Pass(plan, batch, threads, {layer: form for layer, forms in wanted.items() if form in forms}) for form in tried}
    image = np.random.default_rng(0).standard_normal((batch, *plan.graph.image.shape), np.float32)
    result = np.empty((batch, int(np.prod(plan.graph.output.shape))), np.float32)
    for one in passes.values():
        one.run(image, result)
    found = {}
    for i, step in enumerate(passes["blocks"].steps):
        if step.layer in wanted:
            times = {form: [] for form in wanted[step.layer]}
            for _ in range(rounds):
                for form, taken in times.items():
                    taken.append(passes[form].step_ms(i, image, result, 1))
            found[step.layer] = min(times, key=lambda form: min(times[form]))
    return found


def _key(plan: Plan, op: Conv, batch: int, threads: int) -> str:
    """All that the choice hangs on: machine, kernel, shapes, and which cells the blocks cover."""
    seen = hashlib.sha256(f"{machine.identity()} {cache.stamp()} {batch} {threads} {op.weight.shape} {op.inputs[0].shape} {op.output.shape} "
                          f"{op.stride} {op.groups} {op.relu} {len(op.inputs)}".encode())
    for rows, cols in zip(plan.blocks[op].rows, plan.blocks[op].cols, strict=True):
        seen.update(rows.tobytes() + b"|" + cols.tobytes() + b";")
    return seen.hexdigest()[:20]

