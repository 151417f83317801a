"""Channel scores from feature maps, for Refill (ICML 2022, section 3.2 and its ablation of criteria).

A layer's feature map is the output of its own convolution, before BatchNorm, in evaluation mode: every layer is scored by
what it computes itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lthviz.errors import ConfigError
from lthviz.nn.masking import Masked
from lthviz.nn.modes import evaluating
from lthviz.nn.state import set_state
from lthviz.nn.train import Trainer
from lthviz.records import Layer, Masks

SCORES = ("l1", "l2", "saliency")


def of_round(model: nn.Module, layers: Sequence[Layer], trunk: Mapping[str, np.ndarray], masks: Masks, score: str, trainer: Trainer) -> dict[str, np.ndarray]:
    """{name: float64 (C_out,)} of a round: of the pruned, not yet rewound network, over the run's calibration images.

    trunk: the state that the trunk's last training left; masks: the round's unstructured ones. The network keeps those weights.
    """
    set_state(model, trunk)
    Masked(model, layers, masks, structural=False).enforce()
    return channel_scores(model, layers, score, *trainer.calibration(), batch=trainer.config.batch_size)


def channel_scores(model: nn.Module, layers: Sequence[Layer], score: str, images: torch.Tensor, labels: torch.Tensor, *,
                   batch: int = 128) -> dict[str, np.ndarray]:
    """{name: float64 (C_out,)} over the calibration images, which are normalised floats (N, c, h, w).

    l1: Σ|F|, l2: √ΣF², saliency: Σ|F·∂L/∂F| with L the mean cross-entropy; each sum runs over images and positions.
    The network is left as it was: mode, gradients, hooks and statistics.
    """
    if score not in SCORES:
        raise ConfigError(f"score = {score!r} needs no feature maps or is not known; known: {', '.join(SCORES)}")
    totals = {layer.name: torch.zeros(layer.shape[0], dtype=torch.float64, device=images.device) for layer in layers}
    maps: dict[str, torch.Tensor] = {}

    def hook(name: str):
        def keep(module: nn.Module, args: tuple, out: torch.Tensor) -> torch.Tensor | None:
            if score == "saliency":
                maps[name] = out
                return out.clone()      # so that an activation working in place leaves the map alone
            norm = out.abs() if score == "l1" else out.square()
            totals[name] += _by_channel(norm, model.get_parameter(name))
            return None
        return keep

    handles = [model.get_submodule(layer.short).register_forward_hook(hook(layer.name)) for layer in layers]
    try:
        with evaluating(model):
            for x, y in zip(images.split(batch), labels.split(batch), strict=True):
                if score == "saliency":
                    _add_saliency(totals, maps, model, x, y, len(images))
                else:
                    with torch.no_grad():
                        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return {name: (t.sqrt() if score == "l2" else t).cpu().numpy() for name, t in totals.items()}


@torch.enable_grad()
def _add_saliency(totals: dict[str, torch.Tensor], maps: dict[str, torch.Tensor], model: nn.Module, x: torch.Tensor,
                  y: torch.Tensor, images: int) -> None:
    """One batch's Σ|F·∂L/∂F|. The input asks for gradients, so that a frozen network has them too."""
    loss = F.cross_entropy(model(x.detach().requires_grad_()), y, reduction="sum") / images
    for name, gradient in zip(maps, torch.autograd.grad(loss, list(maps.values())), strict=True):
        totals[name] += _by_channel((maps[name] * gradient).detach().abs(), model.get_parameter(name))
    maps.clear()


def _by_channel(out: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The sum over all but the channels, float64 (C,): of a convolution's output dimension 1, of a linear layer's the last."""
    return out.sum(dim=(0, 2, 3) if weight.dim() == 4 else tuple(range(out.dim() - 1)), dtype=torch.float64)
