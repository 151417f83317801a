"""From a structure's settings to what it makes of a round's masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthviz.config import Random, Refill, Regroup, Structure
from lthviz.core.controls import shuffle
from lthviz.core.refill import magnitude_scores, refill, remain_scores
from lthviz.core.regroup import regroup
from lthviz.errors import ConfigError, MaskError
from lthviz.records import Masks, Structured


def apply(structure: Structure, masks: Masks, *, scores: Mapping[str, np.ndarray] | None = None,
          weights: Mapping[str, np.ndarray] | None = None, seed: int = 0) -> Structured:
    """Apply a structure to unstructured masks.

    scores: channel scores (C,) by layer, computed with the network for Refill's l1, l2 and saliency; where given they
    stand in for any score. weights: the trained weights, which Refill needs for `magnitude` and `fractional`.
    """
    if isinstance(structure, Regroup):
        return regroup(masks, structure, seed=seed)
    if isinstance(structure, Random):
        return shuffle(masks, structure, seed=seed)
    if not isinstance(structure, Refill):
        raise ConfigError(f"structure {structure!r} has no rule for masks; use Refill, Regroup or Random")
    if scores is None:
        scores = _scores(structure, masks, weights)
    return refill(masks, scores, rho=structure.rho, fractional=structure.fractional, weights=weights)


def _scores(structure: Refill, masks: Masks, weights: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    if structure.score == "remain":
        return remain_scores(masks)
    if structure.score == "magnitude":
        if weights is None:
            raise MaskError("Refill by magnitude needs the trained weights; give them, or use score = 'remain'")
        return magnitude_scores(masks, weights)
    raise MaskError(f"Refill by {structure.score} needs feature maps of the trained network, which masks alone do not "
                    "give; pass its scores, or use score = 'magnitude' or 'remain'")
