"""Whole output channels by their own scores: L1 filter pruning (Li et al. 2017) and network slimming (Liu et al. 2017).

Both keep the round's density or a little more: the last channel that its budget needs stays whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from lthviz.core.bits import differences, matching, matrix_shape, pack_rows
from lthviz.core.refill import layer_scores, ranking, row_blocks
from lthviz.errors import MaskError
from lthviz.records import Masks, Structured


def norms(masks: Masks, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """L1 norm of every filter, Σ|w| over its (C_in/groups, kh, kw), float64 (C,); of all its weights, whatever `masks` keeps."""
    return {name: np.abs(w).reshape(len(w), -1).sum(axis=1, dtype=np.float64) for name, w in matching(weights, masks, "weights").items()}


def per_layer(masks: Masks, scores: Mapping[str, np.ndarray]) -> Structured:
    """Every layer keeps its ceil(d·C) best channels, d being the density of `masks` over the network, at least one."""
    density = Fraction(masks.nnz(), max(1, masks.size()))
    rows = {}
    for name in masks:
        count = matrix_shape(masks, name)[0]
        best = ranking(layer_scores(scores, name, count))
        rows[name] = np.sort(best[: max(1, math.ceil(density * count))])
    return keep(masks, rows)


def overall(masks: Masks, scores: Mapping[str, np.ndarray]) -> Structured:
    """The best channels of the whole network, the fewest that hold as many weights as `masks` keeps in those layers.

    scores: (C,) by layer, comparable across layers. A layer without scores keeps its mask, and its note says `unscored`. Every
    other layer keeps its best channel. Of equal channels the earlier layer's, then the lower, comes first.
    """
    if not scores:
        raise MaskError("no layer has channel scores; slimming needs convolutions with a BatchNorm of their own behind them")
    ranked = [name for name in masks if name in scores]
    budget = sum(masks.nnz(name) for name in ranked)
    values = {name: layer_scores(scores, name, matrix_shape(masks, name)[0]) for name in ranked}
    layer = np.concatenate([np.full(v.size, i) for i, v in enumerate(values.values())])
    row = np.concatenate([np.arange(v.size) for v in values.values()])
    widths = np.array([matrix_shape(masks, name)[1] for name in ranked])
    first = np.concatenate([np.arange(v.size) == ranking(v)[0] for v in values.values()])     # of its layer: stays whatever the rest is
    order = np.lexsort((-np.concatenate(list(values.values())), ~first))
    held = np.cumsum(widths[layer[order]])
    chosen = order[: max(len(ranked), int(np.searchsorted(held, budget)) + 1)]
    return keep(masks, {name: np.sort(row[chosen[layer[chosen] == i]]) for i, name in enumerate(ranked)})


def keep(masks: Masks, rows: Mapping[str, np.ndarray]) -> Structured:
    """Those rows whole, the others empty; one block a layer. Notes per layer: kept and channels, back and gone against `masks`.
    A layer that `rows` does not name keeps its mask."""
    packed, blocks, notes = {}, {}, {}
    for name in masks:
        if name not in rows:
            packed[name], notes[name] = masks.packed(name), {"back": 0, "gone": 0, "unscored": True}
            continue
        shape = matrix_shape(masks, name)
        packed[name], blocks[name] = pack_rows(shape, rows[name]), row_blocks(shape, rows[name])
        back, gone = differences(masks.packed(name), packed[name])
        notes[name] = {"kept": len(rows[name]), "channels": shape[0], "back": back, "gone": gone}
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), blocks, notes)
