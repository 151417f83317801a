"""Which form runs a layer faster on this machine, measured once and remembered.

A layer's blocks as they are, or all its live rows and columns as one dense block: the first does no useless work, the second
reuses what it loads in more rows. Where there is one block there is nothing to choose.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from lthviz.speed import kernel, machine
from lthviz.speed.graph import Conv
from lthviz.speed.live import Plan
from lthviz.speed.passes import Pass

HOPELESS = 5.0
"""A dense block of this many times the work of the blocks is not tried: unstructured tiles lose a factor of three or four."""


def choose(plan: Plan, batch: int, threads: int) -> dict[str, str]:
    """The faster form of each layer by name, for passes of `batch` images."""
    convs = [op for op in plan.graph.ops if isinstance(op, Conv)]
    forms = {op.layer: "blocks" for op in convs}
    keys = {op.layer: _key(plan, op, batch, threads) for op in convs if 1 < _inflation(plan, op) < HOPELESS}
    known = _Memory()
    wanted = {layer for layer, key in keys.items() if key not in known}
    if wanted:
        known.learn({keys[layer]: form for layer, form in _measured(plan, wanted, batch, threads).items()})
    return forms | {layer: known[key] for layer, key in keys.items()}


def _inflation(plan: Plan, op: Conv) -> float:
    """Work of one dense block over that of the layer's blocks; 0 for a layer that is one block or none."""
    blocks = plan.blocks[op]
    if len(blocks) < 2:
        return 0.0
    return sum(r.size for r in blocks.rows) * np.unique(np.concatenate(blocks.cols)).size / blocks.area


def _measured(plan: Plan, wanted: set[str], batch: int, threads: int, rounds: int = 5) -> dict[str, str]:
    """The form of least time of each wanted layer: both in turn, the best of some rounds each."""
    from lthviz.speed.program import step_ms

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
                    times[form].append(step_ms(one, i, image, result, 1))
            found[step.layer] = min(times, key=lambda form: min(times[form]))
    return found


def _key(plan: Plan, op: Conv, batch: int, threads: int) -> str:
    """All that the choice hangs on: machine, kernel, shapes, and which cells the blocks cover."""
    seen = hashlib.sha256(f"{machine.identity()} {kernel.STAMP} {batch} {threads} {op.weight.shape} {op.inputs[0].shape} {op.output.shape} "
                          f"{op.stride} {op.groups} {op.relu} {len(op.inputs)}".encode())
    for rows, cols in zip(plan.blocks[op].rows, plan.blocks[op].cols, strict=True):
        seen.update(rows.tobytes() + b"|" + cols.tobytes() + b";")
    return seen.hexdigest()[:20]


class _Memory:
    """Choices in a small file of the user's cache folder. A lost or unreadable file costs a measurement, nothing else."""

    MOST = 4000

    def __init__(self) -> None:
        base = os.environ.get("LTHVIZ_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lthviz")
        self.path = Path(base) / "forms.json"
        self.known = self._read()

    def __contains__(self, key: str) -> bool:
        return key in self.known

    def __getitem__(self, key: str) -> str:
        return self.known[key]

    def learn(self, found: dict[str, str]) -> None:
        self.known = {**self._read(), **self.known, **found}
        newest = dict(list(self.known.items())[-self.MOST:])
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=self.path.parent, suffix=".tmp")
            with os.fdopen(handle, "w") as file:
                json.dump(newest, file)
            os.replace(aside, self.path)
        except OSError:   # a read-only home: the choice is measured again next time
            pass

    def _read(self) -> dict[str, str]:
        try:
            value = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return {k: v for k, v in value.items() if v in ("blocks", "dense")} if isinstance(value, dict) else {}
