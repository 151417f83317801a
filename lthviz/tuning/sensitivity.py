"""How a whole network answers to t1 and the number of groups, without a mask being built: what a part's block would hold is known from
cumulative sums over its sorted columns, so that a cell costs milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lthviz.config import Regroup
from lthviz.core import blocks as core_blocks
from lthviz.core.bits import row_counts
from lthviz.core.regroup import Part, part_blocks
from lthviz.records import Blocks, Layer, Masks
from lthviz.speed import estimate
from lthviz.speed.estimate import Calibration

T1 = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
GROUPS = (2, 4, 8, 16, 32)


class Cell(NamedTuple):
    """One setting of the whole network; shares 0..1. coverage: of the kept weights in blocks; magnitude: of Σ|w| of the unstructured ticket's
    weights, None without weights; time: estimated, over the dense network's, None without a calibration."""

    groups: int
    t1: float
    coverage: float
    density: float
    magnitude: float | None
    time: float | None

    @property
    def bare(self) -> bool:
        """Whether no layer has a block: the ticket is the unstructured one, whatever its numbers are."""
        return not self.coverage


def groups_that_fit(layers: Sequence[Layer], current: int = 0) -> list[int]:
    """Numbers of groups worth a column: those the widest layer has rows for, and the current one."""
    widest = max(layer.matrix[0] for layer in layers)
    return sorted({g for g in (*GROUPS, current) if 0 < g <= widest})


def column(settings: Regroup, masks: Masks, layers: Sequence[Layer], parts: Mapping[str, Sequence[Part]], t1s: Sequence[float] = T1, *,
           weights: Mapping[str, np.ndarray] | None = None, calibration: Calibration | None = None) -> list[Cell]:
    """A cell a t1, for the parts that `settings.groups` gives. A layer's own settings stay what they are."""
    shapes = [_Layer(layer, masks, parts[layer.name], None if weights is None else weights[layer.name], calibration is not None) for layer in layers]
    whole = sum(x.size for x in shapes)
    return [_cell(replace(settings, t1=t1), shapes, layers, whole, masks.size(), calibration, weights is not None) for t1 in t1s]


class _Layer:
    """A layer with what every cut of it needs."""

    def __init__(self, layer: Layer, masks: Masks, parts: Sequence[Part], weight: np.ndarray | None, timed: bool) -> None:
        self.layer, self.parts, self.nnz = layer, parts, masks.nnz(layer.name)
        self.counts = row_counts(masks, layer.name)
        matrix = masks.matrix(layer.name)
        self.rows = core_blocks.from_mask(matrix) if timed else None      # of the layer as it is
        self.size, self.sums = 0.0, []
        if weight is not None:
            inside = np.abs(weight.reshape(matrix.shape)) * matrix
            self.row_sizes = inside.sum(axis=1, dtype=np.float64)
            self.size = float(self.row_sizes.sum())
            self.sums = [np.cumsum(inside[p.rows].sum(axis=0, dtype=np.float64)[p.order]) for p in parts]

    def cut(self, own: Regroup) -> tuple[int, int, float, Blocks | None, np.ndarray]:
        """(weights kept, of them in blocks, their Σ|w|, the blocks, removed rows)."""
        found, notes = part_blocks(self.layer.matrix, self.parts, own)
        if not len(found):
            return self.nnz, 0, self.size, self.rows, self.counts == 0
        chosen = [(i, part, note["cols"]) for i, (part, note) in enumerate(zip(self.parts, notes, strict=True)) if note["block"]]
        held = sum(self.sums[i][width - 1] for i, _, width in chosen) if self.sums else 0.0
        free = np.ones(len(self.counts), bool)
        for _, part, _ in chosen:
            free[part.rows] = False
        inside = kept = found.area
        gone = free
        if own.leftovers == "keep":
            kept += int(self.counts[free].sum())
            held += float(self.row_sizes[free].sum()) if self.sums else 0.0
            gone = free & (self.counts == 0)
            if self.rows is not None:
                stay = [(r[free[r]], c) for r, c in zip(self.rows.rows, self.rows.cols, strict=True) if free[r].any()]
                found = Blocks(found.shape, (*found.rows, *(r for r, _ in stay)), (*found.cols, *(c for _, c in stay)))
        return kept, inside, held, found, gone


def _cell(settings: Regroup, shapes: Sequence[_Layer], layers: Sequence[Layer], whole: float, size: int, calibration: Calibration | None,
          weighed: bool) -> Cell:
    found = {x.layer.name: x.cut(settings.of(x.layer.name)) for x in shapes}
    kept = sum(f[0] for f in found.values())
    time = None
    if calibration is not None:
        made = estimate.of_blocks(calibration, layers, {n: f[3] for n, f in found.items()}, {n: f[4] for n, f in found.items()})
        time = made.time_ratio
    return Cell(settings.groups, settings.t1, sum(f[1] for f in found.values()) / max(1, kept), kept / max(1, size),
                sum(f[2] for f in found.values()) / (whole or 1.0) if weighed else None, time)
