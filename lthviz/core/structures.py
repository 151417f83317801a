"""From a structure's settings to what it makes of a round's masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from lthviz.core import filters, ranking
from lthviz.core.controls import shuffle, unchanged
from lthviz.core.nm import nm
from lthviz.core.refill import magnitude_scores, refill, remain_scores
from lthviz.core.regroup import regroup
from lthviz.errors import ConfigError, MaskError
from lthviz.methods import NM, Filters, Grasp, Omp, Random, Refill, Regroup, Reinit, Slimming, Snip, Structure, SynFlow
from lthviz.methods.overrides import PerLayer, short
from lthviz.records import Masks, Structured


def apply(structure: Structure, masks: Masks, *, scores: Mapping[str, np.ndarray] | None = None,
          weights: Mapping[str, np.ndarray] | None = None, base: Structured | None = None, seed: int = 0,
          classifier: Collection[str] = ()) -> Structured:
    """Apply a structure to a round's unstructured masks, which give it its density.

    classifier: the layers whose rows are the classes. What keeps or moves whole channels leaves their masks as they are, and their
    notes say so: `spared`.

    scores: what a network is needed for, by layer: (C,) for Refill's l1, l2 and saliency, where they stand in for any score, and for
    slimming; of the weights' shapes for OMP, SNIP, GraSP and SynFlow. weights: the trained weights, for Refill by `magnitude` or
    `fractional`, Filters and NM. base: the ticket that a Random or Reinit with `of` is a control of. MaskError: one that is missing.
    """
    check_layers(structure, masks, classifier)
    spared = [name for name in masks if name in classifier] if _by_channel(structure) else []
    if spared:
        made = apply(structure, _without(masks, spared), scores=scores, weights=weights, base=base, seed=seed)
        was = base or unchanged(masks)     # a control's other ticket may have made something of it
        same = {name: was.masks if name in spared else made.masks for name in masks}
        notes = {name: {**was.notes[name], "spared": True} if name in spared else made.notes[name] for name in masks}
        return Structured(Masks({n: m.packed(n) for n, m in same.items()}, {n: m.shape(n) for n, m in same.items()}),
                          {**made.blocks, **{name: was.blocks[name] for name in spared if name in was.blocks}}, notes)
    if isinstance(structure, Regroup):
        return regroup(masks, structure, seed=seed)
    if isinstance(structure, Random | Reinit):
        if structure.other is not None and base is None:
            raise MaskError(f"{structure.label} needs the masks of {structure.of}; pass what that structure made as base")
        return shuffle(masks, structure, seed=seed, base=base) if isinstance(structure, Random) else base or unchanged(masks)
    if isinstance(structure, Refill):
        if scores is None:
            scores = _scores(structure, masks, weights)
        return _refilled(structure, masks, scores, weights)
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


def _refilled(structure: Refill, masks: Masks, scores: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray] | None) -> Structured:
    """Refill with every layer's own settings; layers that share them together."""
    alike: dict[Refill, list[str]] = {}
    for name in masks:
        alike.setdefault(structure.of(name), []).append(name)
    made = [refill(_only(masks, names), scores, rho=own.rho, fractional=own.fractional, weights=weights) for own, names in alike.items()]
    return made[0] if len(made) == 1 else joined(masks, made)


def joined(masks: Masks, made: Iterable[Structured]) -> Structured:
    """What was made of parts of a network's layers as one, in the order of `masks`."""
    by = {name: part for part in made for name in part.masks}
    return Structured(Masks({n: by[n].masks.packed(n) for n in masks}, {n: masks.shape(n) for n in masks}),
                      {n: by[n].blocks[n] for n in masks if n in by[n].blocks}, {n: by[n].notes[n] for n in masks})


def check_layers(structure: Structure, names: Collection[str], classifier: Collection[str] = ()) -> None:
    """ConfigError for settings of a layer that is not there, or that the structure leaves as it is."""
    if not isinstance(structure, PerLayer) or not structure.layers:
        return
    structure.check_layers(names)
    for name in classifier if _by_channel(structure) else ():
        if short(name) in structure.own:
            raise ConfigError(f"layers sets something for {short(name)!r}, whose rows are the classes: {structure.title} leaves it as it is")


def _by_channel(structure: Structure) -> bool:
    return isinstance(structure, Refill | Filters | Slimming) or (isinstance(structure, Random) and structure.shuffle == "channels")


def _without(masks: Masks, names: Collection[str]) -> Masks:
    return _only(masks, [name for name in masks if name not in names])


def _only(masks: Masks, names: Collection[str]) -> Masks:
    return Masks({name: masks.packed(name) for name in names}, {name: masks.shape(name) for name in names})


def _scores(structure: Refill, masks: Masks, weights: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    if structure.score == "remain":
        return remain_scores(masks)
    if structure.score == "magnitude":
        if weights is None:
            raise MaskError("Refill by magnitude needs the trained weights; give them, or use score = 'remain'")
        return magnitude_scores(masks, weights)
    raise MaskError(f"Refill by {structure.score} needs feature maps of the trained network, which masks alone do not "
                    "give; pass its scores, or use score = 'magnitude' or 'remain'")
