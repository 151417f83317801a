"""Refill and Regroup of one's own masks (ICML 2022, sections 3.2 and 3.3). Masks alone need no torch; a network brings its weights and feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lthviz.config import Refill, Regroup
from lthviz.core import regroup as core_regroup
from lthviz.core import structures
from lthviz.core.bits import matching
from lthviz.core.partition import Partition
from lthviz.core.refill import magnitude_scores, remain_scores
from lthviz.errors import ConfigError, MaskError, did_you_mean
from lthviz.methods import SCORES
from lthviz.notebook.given import clear, full_name, is_module, ticket, with_settings
from lthviz.notebook.given import settings as settings_of
from lthviz.records import Masks, Structured

if TYPE_CHECKING:
    import torch
    from torch import nn

Scores = Mapping[str, np.ndarray]


@with_settings(Refill)
def refill(model: nn.Module | Masks, masks: Any = None, settings: Refill | None = None, *, images: torch.Tensor | None = None, labels: torch.Tensor | None = None,
           weights: Scores | None = None, classifier: Iterable[str] = (), **knobs: Any) -> Structured:
    """Channel-wise structure: the best output channels of every layer get all their weights back, the others go, K = ceil(x + (C − x)·ρ), x = nnz/n.

    model: the trained network, which scores the channels; or masks alone (as in `lt.refill(masks, scores)`), no network needed.
    masks: the unstructured masks; None: those that the network carries (`lt.masks_of`). Behind masks in the first place: the scores, (C,) a layer, higher is better.
    settings: lt.Refill(…); or give its settings as keywords: score, rho, fractional, layers.
    images: for the scores l1, l2 and saliency, calibration images (N, c, h, w) as the network takes them.
    labels: for saliency, their classes, integers (N,).
    weights: without a network, the trained weights by parameter name, for the score magnitude and for fractional.
    classifier: without a network, the layers whose rows are the classes: they are left as they are.

    Returns: Structured: `.masks`, `.blocks` (one a layer: its whole channels) and `.notes` (channels kept, weights back and gone, by layer).
    Errors: ConfigError for an unknown or impossible setting; MaskError for masks or scores that do not fit, or weights or images that are missing.
    Source: ICML 2022, section 3.2 and Algorithm 1; Refill+ is ρ above 0.
    Example:
        channel = lt.refill(model, masks, rho=0.1)
        by_count = lt.refill(masks, lt.remain_scores(masks))
    """
    own = settings_of(Refill, settings if settings is not None else masks if isinstance(masks, Refill) else None, knobs, ("images", "labels", "weights", "classifier"))
    masks = None if isinstance(masks, Refill) else masks
    if is_module(model):
        from lthviz.notebook import models

        model = models.unwrapped(model)
        given = models.masks_of(model) if masks is None else ticket(masks).masks
        found = models.of_masks(model, given, _shape(images))
        by = scores(model, given, own.score, images=images, labels=labels)
        return structures.apply(own, given, scores=by, weights=models.weights(model, list(given)) if own.fractional or "fractional" in own.layers else None,
                                classifier=[x.name for x in found if x.classifier and x.name in given])
    given, classifier = ticket(model).masks, list(classifier)
    if masks is not None and not isinstance(masks, Mapping):
        raise MaskError(f"behind masks come scores, an array (C,) for every layer; this is a {type(masks).__name__}")
    if isinstance(masks, Masks):
        raise MaskError("these are masks twice; give the network first, lt.refill(model, masks), or scores behind the masks")
    if weights is not None:
        weights = matching(weights, given, "weights")
    return structures.apply(own, given, scores=masks, weights=weights, classifier=[full_name(x, given) for x in classifier])


@with_settings(Regroup)
def regroup(masks: Any, settings: Regroup | None = None, *, seed: int = 0, partitions: Mapping[str, Partition] | None = None, **knobs: Any) -> Structured:
    """Group-wise structure: rows with like patterns are brought together, and each group keeps the columns that fill up to a dense block.

    masks: the unstructured masks; or a network, for those that it carries (`lt.masks_of`).
    settings: lt.Regroup(…); or give its settings as keywords: groups, t1, min_rows, tile_rows, leftovers and the others below.
    seed: of the partitioner; the same seed gives the same blocks.
    partitions: the rows' groups by layer, as lthviz.core.partition.partition_all gives them, so that another t1 is answered at once.

    Returns: Structured: `.masks`, `.blocks` (the dense blocks of every layer that has any) and `.notes` (groups, partitioner, km1, weights back and gone, by layer).
    A layer where no block forms keeps its mask, and its note says `fallback`.
    Errors: ConfigError for an unknown or impossible setting, or more groups than rows in every layer; MaskError for masks that are none; PartitionerMissing.
    Source: ICML 2022, section 3.3.
    Example:
        blocks = lt.regroup(masks, groups=4, t1=1.5, min_rows=4)
        print(blocks.blocks["layer3.0.conv1.weight"])
    """
    own = settings_of(Regroup, settings, knobs, ("seed", "partitions"))
    if is_module(masks):
        from lthviz.notebook import models

        masks = models.masks_of(masks)
    return core_regroup.regroup(ticket(masks).masks, own, seed=seed, partitions=partitions)


@clear
def scores(model: nn.Module, masks: Any = None, score: str = "magnitude", *, images: torch.Tensor | None = None, labels: torch.Tensor | None = None) -> dict[str, np.ndarray]:
    """How important every output channel of a pruned network is: what Refill ranks.

    model: the trained network; it is left as it was.
    masks: the unstructured masks; None: those that the network carries.
    score: `magnitude` (Σ|w| of the kept weights), `remain` (their number), or of the layer's own feature map over the images `l1` (Σ|F|), `l2` (√ΣF²),
    `saliency` (Σ|F·∂L/∂F|, L the mean cross-entropy).
    images: for l1, l2 and saliency, images (N, c, h, w) as the network takes them.
    labels: for saliency, their classes, integers (N,).

    Returns: float64 (C_out,) by parameter name; higher is better.
    Errors: ConfigError for an unknown score; MaskError for masks that do not fit, or images or labels that are missing.
    Source: ICML 2022, section 3.2 and its ablation of criteria.
    Example:
        by_maps = lt.scores(model, masks, "l1", images=images)
    """
    from lthviz.notebook import models

    if score not in SCORES:
        raise ConfigError(f"score = {score!r} is not known; {did_you_mean(str(score), SCORES)}")
    model = models.unwrapped(model)
    given = models.masks_of(model) if masks is None else ticket(masks).masks
    if score == "remain":
        models.of_masks(model, given, _shape(images))
        return remain_scores(given)
    if score == "magnitude":
        models.of_masks(model, given, _shape(images))
        return magnitude_scores(given, models.weights(model, list(given)))
    if images is None or (score == "saliency" and labels is None):
        raise MaskError(f"score {score!r} is of feature maps: give images, a tensor (N, c, h, w)" + (", and labels, their classes (N,)" if score == "saliency" else ""))
    return _by_maps(model, given, score, images, labels)


def _by_maps(model: nn.Module, masks: Masks, score: str, images: torch.Tensor, labels: torch.Tensor | None) -> dict[str, np.ndarray]:
    import torch

    from lthviz.nn import scores as of_maps
    from lthviz.nn.masking import Masked
    from lthviz.notebook import models

    labels = torch.zeros(len(images), dtype=torch.long) if labels is None else torch.as_tensor(labels)
    if images.ndim != 4 or len(labels) != len(images):
        raise MaskError(f"images should be (N, c, h, w) with as many labels; these are {tuple(images.shape)} and {tuple(labels.shape)}")
    found = [x for x in models.of_masks(model, masks, _shape(images)) if x.name in masks]
    copy = models.plain(model)
    Masked(copy, found, masks, structural=False).enforce()
    where = next(copy.parameters()).device
    return of_maps.channel_scores(copy, found, score, images.to(where), labels.to(where))


def _shape(images: torch.Tensor | None) -> tuple[int, int, int] | None:
    return tuple(images.shape[1:]) if images is not None and getattr(images, "ndim", 0) == 4 else None

