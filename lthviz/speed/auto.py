"""Which form runs a layer faster on this machine, measured once and remembered.

A layer's blocks as they are, or all its live rows and columns as one dense block: the first does no useless work, the second
reuses what it loads in more rows. Where there is one block there is nothing to choose.
"""

from __future__ import annotations

import hashlib

import numpy as np

from lthviz.speed import cache, kernel, machine
from lthviz.speed.graph import Conv
from lthviz.speed.live import Plan
from lthviz.speed.passes import FORMS, Pass

TABLE = "forms"
"""Of the cache: form by key."""
HOPELESS = 5.0
"""A dense block of this many times the work of the blocks is not tried: unstructured tiles lose a factor of three or four."""


def choose(plan: Plan, batch: int, threads: int) -> dict[str, str]:
    """The faster form of each layer by name, for passes of `batch` images."""
    convs = [op for op in plan.graph.ops if isinstance(op, Conv)]
    forms = {op.layer: "blocks" for op in convs}
    keys = {op.layer: _key(plan, op, batch, threads) for op in convs if 1 < _inflation(plan, op) < HOPELESS}
    known = {key: form for key, form in cache.read(TABLE).items() if form in FORMS}
    wanted = {layer for layer, key in keys.items() if key not in known}
    if wanted:
        measured = {keys[layer]: form for layer, form in _measured(plan, wanted, batch, threads).items()}
        cache.update(TABLE, measured)
        known |= measured
    return forms | {layer: known[key] for layer, key in keys.items()}


def _inflation(plan: Plan, op: Conv) -> float:
    """Work of one dense block over that of the layer's blocks; 0 for a layer that is one block or none."""
    blocks = plan.blocks[op]
    if len(blocks) < 2:
        return 0.0
    return sum(r.size for r in blocks.rows) * np.unique(np.concatenate(blocks.cols)).size / blocks.area


def _measured(plan: Plan, wanted: set[str], batch: int, threads: int, rounds: int = 5) -> dict[str, str]:
    """The form of least time of each wanted layer: both in turn, the best of some rounds each."""
    passes = {"blocks": Pass(plan, batch, threads, {}), "dense": Pass(plan, batch, threads, dict.fromkeys(wanted, "dense"))}
    image = np.random.default_rng(0).standard_normal((batch, *plan.graph.image.shape), np.float32)
    result = np.empty((batch, int(np.prod(plan.graph.output.shape))), np.float32)
    for one in passes.values():
        one.run(image, result)
    found = {}
    for i, step in enumerate(passes["blocks"].steps):
        if step.layer in wanted:
            times = {form: [] for form in passes}
            for _ in range(rounds):
                for form, one in passes.items():
                    times[form].append(one.step_ms(i, image, result, 1))
            found[step.layer] = min(times, key=lambda form: min(times[form]))
    return found


def _key(plan: Plan, op: Conv, batch: int, threads: int) -> str:
    """All that the choice hangs on: machine, kernel, shapes, and which cells the blocks cover."""
    seen = hashlib.sha256(f"{machine.identity()} {kernel.STAMP} {batch} {threads} {op.weight.shape} {op.inputs[0].shape} {op.output.shape} "
                          f"{op.stride} {op.groups} {op.relu} {len(op.inputs)}".encode())
    for rows, cols in zip(plan.blocks[op].rows, plan.blocks[op].cols, strict=True):
        seen.update(rows.tobytes() + b"|" + cols.tobytes() + b";")
    return seen.hexdigest()[:20]

