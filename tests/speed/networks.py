"""Networks, masks and references that the tests of speed/ share."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from lthviz.nn.masking import Masked
from lthviz.records import Masks

KINDS = ("unstructured", "channels", "groups", "empty rows", "nothing kept")


def lively(model: nn.Module, shape: tuple[int, int, int], seed: int = 0) -> nn.Module:
    """The network with BatchNorms that do something: statistics of random images, random scales and shifts of both signs."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.train()
        with torch.no_grad():
            for _ in range(2):
                model(torch.randn(16, *shape))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.3)
    return model.eval()


def masks(layers, kind: str, seed: int = 0, density: float = 0.3) -> Masks:
    """Random masks of one of KINDS."""
    rng = np.random.default_rng(seed)
    made = {}
    for i, layer in enumerate(layers):
        rows, n = layer.matrix
        mask = rng.random((rows, n)) < density
        if kind == "channels":
            mask[:] = (rng.random(rows) < density)[:, None]
        elif kind == "groups":
            part = rng.integers(0, 4, rows)
            for g in range(4):
                mask[part == g] = rng.random(n) < density
        elif kind == "empty rows":
            mask[rng.random(rows) < 0.5] = False
        elif kind == "nothing kept" and i == len(layers) // 2:
            mask[:] = False
        made[layer.name] = mask.reshape(layer.shape)
    return Masks.of(made)


def reference(model: nn.Module, layers, kept: Masks | None, structural: bool, x: torch.Tensor) -> torch.Tensor:
    """What the masked dense network computes, in float64, by torch alone."""
    model = copy.deepcopy(model).eval()
    if kept is not None:
        Masked(model, layers, kept, structural=structural).enforce()
    with torch.no_grad():
        return model.double()(x.double()).float()


def difference(got: torch.Tensor, want: torch.Tensor) -> float:
    """Largest difference as a share of the output's scale."""
    assert got.shape == want.shape
    return float((got - want).abs().max() / want.abs().max().clamp_min(1e-20))
