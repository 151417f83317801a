"""From a structure's settings to what it makes of a round's masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthviz.core import filters, ranking
from lthviz.core.controls import shuffle, unchanged
from lthviz.core.nm import nm
from lthviz.core.refill import magnitude_scores, refill, remain_scores
from lthviz.core.regroup import regroup
from lthviz.errors import ConfigError, MaskError
from lthviz.methods import NM, Filters, Grasp, Omp, Random, Refill, Regroup, Reinit, Slimming, Snip, Structure, SynFlow
from lthviz.records import Masks, Structured


def apply(structure: Structure, masks: Masks, *, scores: Mapping[str, np.ndarray] | None = None,
          weights: Mapping[str, np.ndarray] | None = None, base: Structured | None = None, seed: int = 0) -> Structured:
    """Apply a structure to a round's unstructured masks, which give it its density.

    scores: what a network is needed for, by layer: (C,) for Refill's l1, l2 and saliency, where they stand in for any score, and for
    slimming; of the weights' shapes for OMP, SNIP, GraSP and SynFlow. weights: the trained weights, for Refill by `magnitude` or
    `fractional`, Filters and NM. base: the ticket that a Random or Reinit with `of` is a control of. MaskError: one that is missing.
    """
    if isinstance(structure, Regroup):
        return regroup(masks, structure, seed=seed)
    if isinstance(structure, Random | Reinit):
        if structure.other is not None and base is None:
            raise MaskError(f"{structure.label} needs the masks of {structure.of}; pass what that structure made as base")
        return shuffle(masks, structure, seed=seed, base=base) if isinstance(structure, Random) else base or unchanged(masks)
    if isinstance(structure, Refill):
        if scores is None:
            scores = _scores(structure, masks, weights)
        return refill(masks, scores, rho=structure.rho, fractional=structure.fractional, weights=weights)
    if isinstance(structure, Filters | NM):
        if weights is None:
            raise MaskError(f"{structure.title} needs the trained weights; give them")
        if isinstance(structure, NM):
            return nm(masks, weights, structure)
        norms = filters.norms(masks, weights)
        if structure.scope == "layer":
            return filters.per_layer(masks, norms)
        return filters.overall(masks, {name: v * v.size / masks.size(name) for name, v in norms.items()})   # sums would favour long filters
    if isinstance(structure, Omp | Snip | Grasp | SynFlow | Slimming):
        if scores is None:
            raise MaskError(f"{structure.title} needs scores that masks alone do not give; pass them")
        return filters.overall(masks, scores) if isinstance(structure, Slimming) else ranking.keep(scores, masks)
    raise ConfigError(f"structure {structure!r} has no rule for masks")


def _scores(structure: Refill, masks: Masks, weights: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    if structure.score == "remain":
        return remain_scores(masks)
    if structure.score == "magnitude":
        if weights is None:
            raise MaskError("Refill by magnitude needs the trained weights; give them, or use score = 'remain'")
        return magnitude_scores(masks, weights)
    raise MaskError(f"Refill by {structure.score} needs feature maps of the trained network, which masks alone do not "
                    "give; pass its scores, or use score = 'magnitude' or 'remain'")
