"""One convolution alone under several masks of its weights, timed in turn with its dense form: `python -m lthviz.speed.layer FILE`.

What a pattern of zeros saves, without a network around it. Every mask is run in each form that our kernel has for it, and the fastest
counts; the dense layer runs on the same kernel, so that the only difference is the pattern.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lthviz.errors import SpeedError
from lthviz.speed import auto, machine, timing
from lthviz.speed.graph import Conv, Graph, Value
from lthviz.speed.live import Plan
from lthviz.speed.passes import Pass

DENSE = "dense"
NAME = "layer.weight"
CLOSE = 1e-4
"""Outputs of two forms may differ by this share of their scale: sums are taken in another order."""


@dataclass(frozen=True)
class Pattern:
    """A mask's time. ms: median of a pass over the batch. ratio: median over the turns of its time over the dense layer's; low, high: its
    quartiles; n: turns. kept: share of the weights, and so of the multiply-adds. form: of our kernel, that was fastest; forms: time over the
    dense layer's in each form that was tried (`blocks` runs scattered rows one at a time, `quads` four at a time)."""

    name: str
    kept: float
    ms: float
    ratio: float
    low: float
    high: float
    n: int
    form: str
    forms: dict[str, float]


def measure(masks: Mapping[str, np.ndarray], shape: tuple[int, int, int, int], side: int, *, batch: int = 64, threads: int = 1,
            seconds: float = 1.0, told: Callable[[Pattern], None] = lambda pattern: None) -> list[Pattern]:
    """Time a convolution of `shape` (C_out, C_in, k, k), stride 1, on maps of side × side, under each mask, bool of that shape or (C_out, n).

    seconds: for each mask. told: of each as soon as it is known. SpeedError for what cannot be run or computes something else than it should.
    """
    threads = machine.check_place(batch, threads, "cpu", "float32")
    for name, mask in masks.items():
        if mask.size != np.prod(shape) or not mask.any():
            raise SpeedError(f"the mask {name!r} has {mask.size:,} weights, {np.count_nonzero(mask):,} of them kept; the layer has {int(np.prod(shape)):,}, and one at least must be kept")
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(shape, np.float32)
    image = rng.standard_normal((batch, shape[1], side, side), np.float32)
    dense = _runs(np.ones(shape, bool), weights, image, threads)["blocks"]
    found = []
    for name, mask in masks.items():
        runs = _runs(mask.reshape(shape), weights, image, threads)
        tried = timing.medians(runs, seconds=0.3 * seconds)
        form = next(iter(tried))
        pair = timing.pairs(dense, runs[form], seconds=0.7 * seconds)
        found.append(Pattern(name, float(mask.mean()), pair.b_ms, pair.ratio, *pair.spread, pair.n, form, {x: ms / pair.a_ms for x, ms in tried.items()}))
        told(found[-1])
    return found


def outputs(mask: np.ndarray, weights: np.ndarray, image: np.ndarray, threads: int) -> dict[str, np.ndarray]:
    """What the convolution of images (N, C_in, side, side) with the masked weights gives, (N, C_out, side, side), in each form that is worth a try."""
    return {form: output for form, (_, output) in _forms(mask, weights, image, threads).items()}


def _runs(mask: np.ndarray, weights: np.ndarray, image: np.ndarray, threads: int) -> dict[str, Callable[[], object]]:
    """The convolution under a mask in each form, all of which give the same output; taking the images in and handing the result out are
    not part of it."""
    made = _forms(mask, weights, image, threads)
    reference = next(iter(made.values()))[1]
    for form, (_, output) in made.items():
        if (far := float(np.abs(output - reference).max() / max(1e-9, np.abs(reference).max()))) > CLOSE:
            raise SpeedError(f"form {form!r} of the kernel computes something else here: {far:.1e} of the output's scale apart")
    runs = {}
    for form, (one, output) in made.items():
        at = next(i for i, step in enumerate(one.steps) if step.layer)
        runs[form] = partial(one.stretch, at, at + 1, image, output)
    return runs


def _forms(mask: np.ndarray, weights: np.ndarray, image: np.ndarray, threads: int) -> dict[str, tuple[Pass, np.ndarray]]:
    """The pass in each form, and its output."""
    (c_out, c_in, k, _), (batch, _, side, _) = weights.shape, image.shape
    read, made = Value((c_in, side, side)), Value((c_out, side, side))
    conv = Conv("layer", [read], made, NAME, np.where(mask, weights, 0).astype(np.float32), np.zeros(c_out, np.float32), padding=(k // 2, k // 2))
    plan = Plan(Graph([conv], read, made), {NAME: mask.reshape(c_out, -1)})
    found = {}
    for form in auto.candidates(plan, conv, batch):
        one, output = Pass(plan, batch, threads, {NAME: form}), np.empty((batch, c_out, side, side), np.float32)
        one.run(image, output)
        found[form] = one, output
    return found


def main(file: Path) -> int:
    """Time the masks of an .npz (a bool array each; `shape`, `side`, `batch`, `threads` and `seconds` besides), a line of JSON for each."""
    with np.load(file) as given:
        masks = {name: given[name] for name in given.files if given[name].dtype == bool}
        settings = {name: given[name] for name in given.files if name not in masks}
    measure(masks, tuple(int(x) for x in settings["shape"]), int(settings["side"]), batch=int(settings["batch"]), threads=int(settings["threads"]),
            seconds=float(settings["seconds"]), told=lambda pattern: print(json.dumps(pattern.__dict__), flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
