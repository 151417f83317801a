"""Magnitude pruning of one's own network: the step of iterative magnitude pruning, to a density or by a rate (ICML 2022, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import nn

from lthviz.core import magnitude as core
from lthviz.core.structures import joined
from lthviz.errors import ConfigError, did_you_mean
from lthviz.notebook import models
from lthviz.notebook.given import clear, ticket
from lthviz.records import Layer, Masks, Structured

SCOPES = {"global": "over all layers at once", "layer": "of every layer the same share"}


@clear
def magnitude(model: nn.Module, density: float | None = None, *, rate: float | None = None, masks: Any = None, scope: str = "global",
              layers: Iterable[Layer | str] | None = None, linear: str = "none", image_shape: tuple[int, int, int] | None = None) -> Masks:
    """Masks that keep the weights largest in magnitude; the network itself is left as it is (see `lt.apply`).

    model: any nn.Module; its weights as they are now decide.
    density: the share of the prunable weights that stays, above 0 and at most 1. Exactly as many go as with torch.nn.utils.prune.global_unstructured.
    rate: instead of density, the share of what is still there that goes, from 0 to below 1: one round of iterative magnitude pruning.
    masks: to go on from: what is pruned there stays pruned, and layers without a mask stay dense. None: nothing is pruned yet.
    scope: `global`, over all layers at once (the paper), or `layer`, the same share of every layer.
    layers: what to prune, as `lt.layers` gives them or by name; None: every convolution but the stem (`conv1`) and the classifier.
    linear: which linear layers are pruned with them: `none`, `hidden` or `all`.
    image_shape: (c, h, w); needed only for a network that runs on none of the usual square sizes, which are tried to find its layers.

    Returns: Masks, one bit a weight, of the layers' weight shapes. Of equal magnitudes the later layer's, then the one with the higher index goes first.
    Errors: ConfigError for a density or rate out of range, both or neither of them, or a network without prunable layers; AddressError for an unknown
    layer; MaskError for masks that do not fit, or weights that are not finite.
    Source: ICML 2022, section 3.1; Han et al. 2015.
    Example:
        masks = lt.magnitude(model, density=0.2)
        masks = lt.magnitude(model, rate=0.2, masks=masks)
    """
    model = models.unwrapped(model)
    if (density is None) == (rate is None):
        raise ConfigError("give either density, the share of all weights that stays, or rate, the share of what is left that goes")
    _check("density", density, lambda x: 0 < x <= 1, "above 0 and at most 1")
    _check("rate", rate, lambda x: 0 <= x < 1, "at least 0 and below 1")
    if scope not in SCOPES:
        raise ConfigError(f"scope = {scope!r} is not known; {did_you_mean(str(scope), SCOPES)}")
    start = _start(model, masks, layers, linear, image_shape)
    weights = models.weights(model, list(start))
    if scope == "global":
        return _pruned(weights, start, density, rate)
    parts = [Masks({n: start.packed(n)}, {n: start.shape(n)}) for n in start]
    return joined(start, [Structured(_pruned(weights, one, density, rate), {}, {n: {} for n in one}) for one in parts]).masks


def _start(model: nn.Module, masks: Any, layers: Iterable[Layer | str] | None, linear: str, image_shape: tuple[int, int, int] | None) -> Masks:
    if masks is not None:
        if layers is not None:
            raise ConfigError("layers and masks do not go together: the masks say which layers are pruned")
        start = ticket(masks).masks
        models.of_masks(model, start, image_shape)    # MaskError where they do not fit
        return start
    names = models.named(model, layers) if layers is not None else None
    if names is None:
        names = [x.name for x in models.described(model, image_shape, linear=linear)]
    if not names:
        raise ConfigError("layers is empty: there is nothing to prune")
    return Masks.of({name: np.ones(tuple(model.get_submodule(name.removesuffix(".weight")).weight.shape), bool) for name in names})


def _pruned(weights: dict[str, np.ndarray], start: Masks, density: float | None, rate: float | None) -> Masks:
    kept = start.nnz()
    if density is None:
        return core.prune(weights, start, rate)
    go = round((1 - density) * start.size()) - (start.size() - kept)     # torch.nn.utils.prune counts what goes, not what stays
    if go < 0:
        where = f"layer {next(iter(start)).removesuffix('.weight')!r} has" if len(start) == 1 else "the masks have"
        raise ConfigError(f"density = {density:g} is more than {where} left ({kept / start.size():.4f}); pruning brings nothing back")
    return core.prune(weights, start, go / kept if kept else 0.0)


def _check(name: str, value: float | None, fits: Any, words: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float | np.number) or not fits(value)):
        raise ConfigError(f"{name} = {value!r} is out of range; it must be a number {words}")
