"""The weights that score highest, over all layers at once: the last step of OMP, SNIP, GraSP and SynFlow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthviz.core.bits import differences, matching
from lthviz.errors import ConfigError
from lthviz.records import Masks, Structured


def highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Bool, like the flat scores: the `count` highest; of equal ones the lower index stays."""
    if not 0 <= count <= scores.size:
        raise ConfigError(f"{count} of {scores.size} weights cannot be kept")
    if count in (0, scores.size):
        return np.full(scores.size, count > 0)
    threshold = _ordered(scores, scores.size - count)
    keep = scores > threshold
    if (short := count - int(np.count_nonzero(keep))):
        keep[np.flatnonzero(scores == threshold)[:short]] = True
    return keep


def _ordered(values: np.ndarray, place: int) -> np.floating:
    """What would stand at `place` if the values were sorted. A sample brackets it, so that of millions only some are moved."""
    sample = np.sort(values[:: max(1, values.size >> 17)])
    at, around = place * sample.size // values.size, 2000
    if values.size < 1 << 20 or not around <= at < sample.size - around:
        return np.partition(values, place)[place]
    low, high = sample[at - around], sample[at + around]
    below, inside = np.count_nonzero(values < low), values[(values >= low) & (values <= high)]
    if not 0 <= place - below < inside.size:
        return np.partition(values, place)[place]
    return np.partition(inside, place - below)[place - below]


def keep(scores: Mapping[str, np.ndarray], masks: Masks, count: int | None = None) -> Structured:
    """The `count` weights with the highest scores, as many as `masks` keeps when None; ties go to the earlier layer, then the lower flat index.

    scores: real numbers of the weights' shapes by layer; where a layer stands is decided by `masks`. Notes per layer: back and
    gone against `masks`. MaskError: a score that is missing, of another shape or not finite, naming its layer.
    """
    flat = np.concatenate([s.reshape(-1) for s in matching(scores, masks, "scores").values()])
    chosen = highest(flat, masks.nnz() if count is None else count)
    packed, notes, start = {}, {}, 0
    for name in masks:
        packed[name] = np.packbits(chosen[start : start + masks.size(name)])
        notes[name] = dict(zip(("back", "gone"), differences(masks.packed(name), packed[name])))
        start += masks.size(name)
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), {}, notes)
