"""A ticket's time predicted from what this machine was seen to do, without running it: numpy and a small file, no torch.

A layer costs, for every block of R rows and K columns, R·(a + b·K), where a and b were measured for blocks of that height on a map of
that size (calibrate.py). The faster of its blocks and of one dense block counts. A run costs its start besides (the threads are woken), a fixed time for
every step without weights, and a time for every byte that is pooled. Of those the layers themselves tell: where a layer's map is smaller than
those before it something was pooled or strided over between, the last map is averaged, images come in and logits go out. A stem and a
classifier are not in it; a prediction is therefore best read as a ratio, and is always shown as "estimated".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from lthviz.core import blocks as core_blocks
from lthviz.core import stats
from lthviz.records import Blocks, Layer, Masks
from lthviz.speed import cache, machine

FORMAT = 3
OWN = "block kernel"
"""The dense form that a prediction is a share of: this project's own kernel with every weight in place."""


@dataclass(frozen=True)
class Calibration:
    """Costs of a machine for one batch and number of threads.

    pixels: of the maps measured, ascending. heights: of the blocks, ascending. row_us, cell_us: (pixels, heights), microseconds of a
    row and of a weight, all pixels and images of a map together. run_us: to start a run; step_us: for a step without weights; byte_us: for a
    byte that is pooled (of one image's map, all images of the batch together). stamp: of the kernel that was measured.
    """

    machine: str
    batch: int
    threads: int
    pixels: tuple[int, ...]
    heights: tuple[int, ...]
    row_us: tuple[tuple[float, ...], ...]
    cell_us: tuple[tuple[float, ...], ...]
    seconds: float = 0.0
    run_us: float = 0.0
    step_us: float = 0.0
    byte_us: float = 0.0
    stamp: int = field(default_factory=cache.stamp)
    format: int = FORMAT

    def costs(self, pixels: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(a, b) in microseconds for blocks of those heights on a map of that many pixels."""
        nearest = int(np.argmin(np.abs(np.log(np.array(self.pixels) / pixels))))
        scale = pixels / self.pixels[nearest] if pixels > self.pixels[-1] or pixels < self.pixels[0] else 1.0
        if pixels not in self.pixels and scale == 1.0:   # between two measured sizes
            scale = pixels / self.pixels[nearest]
        at = np.log(np.clip(rows, 1, None))
        return tuple(scale * np.interp(at, np.log(self.heights), table[nearest]) for table in (self.row_us, self.cell_us))


class Estimate(NamedTuple):
    """Milliseconds of the ticket and of the dense network, what is between their layers included, and of the ticket's layers by name."""

    ticket_ms: float
    dense_ms: float
    layers: Mapping[str, float]

    @property
    def time_ratio(self) -> float:
        """Over the time of the dense network in the form OWN; `against_fastest` sets it against what a user would run."""
        return self.ticket_ms / self.dense_ms


def against_fastest(ratio: float, dense: Mapping[str, float], best: float) -> float:
    """A predicted share of OWN's time as a share of the fastest dense form's. dense: measured ms of the dense forms; best: of the fastest."""
    return ratio * dense.get(OWN, best) / best


def estimate(calibration: Calibration, layers: Sequence[Layer], masks: Masks, blocks: Mapping[str, Blocks] | None = None, *,
             structural: bool) -> Estimate:
    """What a ticket should take. blocks: of the layers where they are known, found in the masks elsewhere."""
    gone = stats.removed(masks) if structural else {}
    found = {}
    for layer in layers:
        own = (blocks or {}).get(layer.name)
        known = own is not None and own.area == masks.nnz(layer.name)
        found[layer.name] = own if known else core_blocks.from_mask(masks.matrix(layer.name))
    return of_blocks(calibration, layers, found, gone)


def of_blocks(calibration: Calibration, layers: Sequence[Layer], blocks: Mapping[str, Blocks], gone: Mapping[str, np.ndarray]) -> Estimate:
    """The same, of blocks that hold every weight. gone: the removed channels of each layer, bool (C,); {} where none is removed."""
    found, dense = {}, 0.0
    for layer in layers:
        pixels = layer.out_hw[0] * layer.out_hw[1]
        rows, cols = layer.matrix
        dense += _ms(calibration, pixels, np.array([rows]), np.array([cols]))
        found[layer.name] = _layer_ms(calibration, layer, pixels, blocks[layer.name], gone)
    if not any(found.values()):   # nothing is left to run
        return Estimate(0.0, dense + _between(calibration, layers, {}), found)
    return Estimate(sum(found.values()) + _between(calibration, layers, gone), dense + _between(calibration, layers, {}), found)


def _between(calibration: Calibration, layers: Sequence[Layer], gone: Mapping[str, np.ndarray]) -> float:
    """Milliseconds of a run outside of its layers. Removed channels are not pooled, where nothing else speaks in them."""
    pooled, steps, before = 0.0, 3, None   # images in, classifier, logits out
    for layer in (*layers, None):
        smaller = layer.out_hw < before.out_hw if layer and before else layer is None and before.out_hw > (1, 1)
        if smaller:
            alone = layer is None or layer.sources == (before.name,)
            live = before.shape[0] - (int(gone[before.name].sum()) if alone and before.name in gone else 0)
            pooled, steps = pooled + 4.0 * live * before.out_hw[0] * before.out_hw[1], steps + 1
        if layer and (before is None or layer.out_hw <= before.out_hw):
            before = layer
    return (calibration.run_us + steps * calibration.step_us + pooled * calibration.byte_us) / 1000


def _layer_ms(calibration: Calibration, layer: Layer, pixels: int, blocks: Blocks, gone: Mapping[str, np.ndarray]) -> float:
    live = np.ones(layer.matrix[1], bool)
    if layer.groups == 1 and layer.sources and all(s in gone for s in layer.sources):
        dead = np.logical_and.reduce([gone[s] for s in layer.sources])
        live = np.repeat(~dead, layer.matrix[1] // dead.size)   # a kernel's positions, or the pixels before a map was made flat
    rows = np.array([r.size for r in blocks.rows])
    kept = [c[live[c]] for c in blocks.cols]
    cols = np.array([c.size for c in kept])
    if not rows.size or not cols.any():
        return 0.0
    whole = np.unique(np.concatenate(kept)).size if len(kept) > 1 else cols[0]
    return min(_ms(calibration, pixels, rows, cols), _ms(calibration, pixels, np.array([rows.sum()]), np.array([whole])))


def _ms(calibration: Calibration, pixels: int, rows: np.ndarray, cols: np.ndarray) -> float:
    a, b = calibration.costs(pixels, rows)
    return float((rows * (a + b * cols)).sum()) / 1000


def known(batch: int = 64, threads: int = 0) -> Calibration | None:
    """This machine's calibration, None before the first. threads: 0 for all cores."""
    value = cache.read("calibration").get(_name(batch, threads or machine.cores()))
    if not isinstance(value, dict) or value.get("format") != FORMAT or value.get("machine") != machine.identity() \
            or value.get("stamp") != cache.stamp():
        return None
    try:
        table = {k: tuple(map(tuple, value[k])) for k in ("row_us", "cell_us")}
        return Calibration(**{**value, **table, "pixels": tuple(value["pixels"]), "heights": tuple(value["heights"])})
    except (KeyError, TypeError):
        return None


def remember(calibration: Calibration) -> None:
    """Keep it for `known`."""
    cache.update("calibration", {_name(calibration.batch, calibration.threads): json.loads(json.dumps(asdict(calibration)))})


def _name(batch: int, threads: int) -> str:
    return f"b{batch}-t{threads}"
