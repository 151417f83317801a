"""Global magnitude pruning: the step that every round of iterative magnitude pruning takes (ICML 2022, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthviz.core.bits import matching
from lthviz.errors import ConfigError
from lthviz.records import Masks


def prune(weights: Mapping[str, np.ndarray], masks: Masks, rate: float) -> Masks:
    """Remove the share `rate` of the kept weights that are smallest in magnitude, over all layers at once.

    Exactly `round(rate · kept)` weights go, as in torch.nn.utils.prune.global_unstructured. Among equal magnitudes the
    weight of the later layer, then of the higher flat index, goes first. MaskError: a weight that is missing, of another
    shape or not finite, naming its layer.

    weights: trained, by parameter name, of the masks' shapes.
    masks: what is kept so far.
    rate: 0 to 1.

    Returns: Masks of the same layers.
    Errors: ConfigError for a rate out of range; MaskError as above.
    Source: ICML 2022, section 3.1.
    Example:
        sparser = lt.prune(lt.weights(model), masks, 0.2)
    """
    if not 0 <= rate <= 1:
        raise ConfigError(f"rate = {rate!r} is out of range; it must be between 0 and 1")
    weights = matching(weights, masks, "weights")
    places = {name: np.flatnonzero(masks[name]) for name in masks}
    sizes = [np.abs(weights[name].reshape(-1)[at]) for name, at in places.items()]
    kept = sum(s.size for s in sizes)
    count = round(rate * kept)
    if count == 0:
        return masks
    scores = np.concatenate(sizes)
    threshold = np.partition(scores, count - 1)[count - 1]
    keep = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    keep[ties[: kept - count - int(keep.sum())]] = True  # lower indices stay
    out, start = {}, 0
    for name, at in places.items():
        mask = np.zeros(masks.size(name), bool)
        mask[at[keep[start : start + at.size]]] = True
        out[name] = np.packbits(mask)
        start += at.size
    return Masks(out, {name: masks.shape(name) for name in masks})
