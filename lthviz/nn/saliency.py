"""Scores of single weights before training (SNIP, GraSP, SynFlow) and of channels after it (network slimming).

Torch in, numpy out; the network is left as it was. In every mapping a higher score is a better reason to stay, and a score
has its weight's shape, depthwise and grouped convolutions included. Only prunable layers are scored, and θ, g and H below
mean their weights alone: stem and classifier are never pruned (ICML 2022, section 3.1).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lthviz.core.ranking import highest
from lthviz.errors import ConfigError, TrainingError
from lthviz.nn.modes import evaluating
from lthviz.nn.state import to_numpy
from lthviz.records import Layer

_BATCHNORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardtanh)

Scores = dict[str, np.ndarray]


@torch.enable_grad()
def snip(model: nn.Module, layers: Sequence[Layer], images: torch.Tensor, labels: torch.Tensor, *, batch: int = 128) -> Scores:
    """|∂L/∂w · w|, L the mean cross-entropy of the images: how fast the loss changes with the weight's connection (Lee et al. 2019, section 4).

    The paper divides by the sum over all weights, which changes no order. images: normalised floats (N, c, h, w), N ≥ 2;
    BatchNorm uses the statistics of each part of about `batch` images, as in training.
    """
    weights = _weights(model, layers)
    with _batch_statistics(model):
        gradient = _gradient(model, weights, _parts(images, labels, batch))
    return _named(layers, [(w.detach() * g).abs() for w, g in zip(weights, gradient, strict=True)])


@torch.enable_grad()
def grasp(model: nn.Module, layers: Sequence[Layer], images: torch.Tensor, labels: torch.Tensor, *, temperature: float = 200.0,
          batch: int = 64) -> Scores:
    """θ ⊙ Hg, the fall in gradient flow gᵀg when a weight is removed, to first order and up to a factor (Wang et al. 2020, section 4).

    The paper's score is S(−θ) = −θ ⊙ Hg, the change of the flow, and removes the weights where it is highest; ours is its negative.
    g and H: gradient and Hessian of the mean cross-entropy of the logits over `temperature`. The product is exact and needs no H:
    Hg = ∂(gᵀc)/∂θ at c = g, and sums over parts of about `batch` images. images, BatchNorm: as in `snip`.
    """
    weights, parts = _weights(model, layers), _parts(images, labels, batch)
    with _batch_statistics(model):
        fixed = _gradient(model, weights, parts, temperature) if len(parts) > 1 else None
        product = [torch.zeros_like(w) for w in weights]
        for x, y, share in parts:
            loss = F.cross_entropy(model(x) / temperature, y) * share
            gradient = torch.autograd.grad(loss, weights, create_graph=True)
            at = fixed or [g.detach() for g in gradient]
            flow = sum((g * c).sum() for g, c in zip(gradient, at, strict=True))
            for total, h in zip(product, torch.autograd.grad(flow, weights), strict=True):
                total += h
    return _named(layers, [w.detach() * h for w, h in zip(weights, product, strict=True)])


@torch.enable_grad()
def synflow(model: nn.Module, layers: Sequence[Layer], image_shape: tuple[int, int, int], count: int, *, iterations: int = 100) -> Scores:
    """w · ∂R/∂w of the linearised network R = 1ᵀ Π|W| 1 on an image of ones, when `count` weights are about to be left (Tanaka et al. 2020).

    Algorithm 1: after step k of `iterations` the N·(count/N)^(k/iterations) highest stay. These are the scores of the last step; what
    earlier ones removed has −1. Double precision, since R is a product over all layers. Weights enter by magnitude, biases and
    BatchNorm shifts not at all, BatchNorm by its running variance, and activations as the identity that they are on positive numbers.
    """
    network = _linearised(model)
    size = sum(layer.size for layer in layers)
    like = next(network.parameters())
    flat = torch.empty(size, dtype=torch.float64, device=like.device)       # all scored weights in one piece
    weights, slices, start = [], [], 0
    for layer in layers:
        slices.append(slice(start, start + layer.size))
        weight = network.get_parameter(layer.name)
        flat[slices[-1]] = weight.detach().reshape(-1)
        weight.data = flat[slices[-1]].view(layer.shape)
        weights.append(weight.requires_grad_())
        start += layer.size
    ones, scores = torch.ones((1, *image_shape), dtype=torch.float64, device=like.device), torch.empty_like(flat)
    for k in range(1, iterations + 1):
        flow = network(ones).sum()
        if not torch.isfinite(flow):
            raise TrainingError("SynFlow's product over the layers is not finite; this network is too deep or its initial weights too large for it")
        for where, w, g in zip(slices, weights, torch.autograd.grad(flow, weights), strict=True):
            torch.mul(w.detach(), g, out=scores[where].view(w.shape))
        if k < iterations:
            _remove(flat, _step(scores, flat, round(size * (count / size) ** (k / iterations))))
    scores[flat == 0] = -1
    return {layer.name: to_numpy(scores[where]).reshape(layer.shape) for layer, where in zip(layers, slices, strict=True)}


def _step(scores: torch.Tensor, weights: torch.Tensor, count: int) -> np.ndarray:
    """Bool: the `count` highest scores, of weights that are still there. Passes over all weights are what a step costs, so there are few."""
    values = scores.cpu().numpy()
    if np.count_nonzero(values) < count:     # rare: no flow through some that are there, which then go before those that are gone
        values = np.where(weights.cpu().numpy() > 0, values, -1)
    return highest(values, count)


def _remove(weights: torch.Tensor, stay: np.ndarray) -> None:
    if weights.device.type == "cpu":         # numpy multiplies by bool four times as fast
        np.multiply(weights.numpy(), stay, out=weights.numpy())
    else:
        weights *= torch.from_numpy(stay).to(weights.device)


def bn_scales(model: nn.Module, layers: Sequence[Layer]) -> Scores:
    """|γ| of the BatchNorm behind each convolution, float64 (C_out,), by the convolution's name (Liu et al. 2017, section 3).

    Convolutions without a BatchNorm of their own, or whose BatchNorm has no scale, are left out.
    """
    found = {layer.name: getattr(model.get_submodule(layer.bn), "weight", None) for layer in layers if layer.bn}
    return {name: np.abs(to_numpy(scale)).astype(np.float64) for name, scale in found.items() if scale is not None}


def balanced(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Places of `per_class` images of every class, drawn by seed: one of each class, then the next of each, so that any part is about
    balanced. A class with fewer gives all it has."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)          # its number among the drawn images of its class
    for c in np.unique(labels):
        of_class = drawn[labels[drawn] == c]
        turn[of_class] = np.arange(of_class.size)
    chosen = drawn[turn[drawn] < per_class]
    return chosen[np.lexsort((labels[chosen], turn[chosen]))]


def _weights(model: nn.Module, layers: Sequence[Layer]) -> list[nn.Parameter]:
    return [model.get_parameter(layer.name) for layer in layers]


def _named(layers: Sequence[Layer], tensors: Sequence[torch.Tensor]) -> Scores:
    return {layer.name: to_numpy(t) for layer, t in zip(layers, tensors, strict=True)}


def _parts(images: torch.Tensor, labels: torch.Tensor, batch: int) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    """Images and labels in equal parts of at most `batch` and at least two, each with its share of all."""
    n = len(images)
    if n < 2:
        raise ConfigError(f"{n} image is too few for a score that uses BatchNorm's batch statistics; raise calibration_images")
    number = max(1, min(-(-n // batch), n // 2))
    return [(x, y, len(x) / n) for x, y in zip(images.tensor_split(number), labels.tensor_split(number), strict=True)]


def _gradient(model: nn.Module, weights: Sequence[nn.Parameter], parts: Sequence, temperature: float = 1.0) -> list[torch.Tensor]:
    """Gradient of the mean cross-entropy over all parts."""
    total = [torch.zeros_like(w) for w in weights]
    for x, y, share in parts:
        loss = F.cross_entropy(model(x) / temperature, y) * share
        for t, g in zip(total, torch.autograd.grad(loss, weights), strict=True):
            t += g
    return total


@contextlib.contextmanager
def _batch_statistics(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, so that nothing is random, but BatchNorm with the batch's statistics; its running ones are put back."""
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    with evaluating(model):
        for module in model.modules():
            if isinstance(module, _BATCHNORMS):
                module.train()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, b in model.named_buffers():
                    b.copy_(buffers[name])


def _linearised(model: nn.Module) -> nn.Module:
    """A copy that multiplies by |W| and nothing else, in double precision."""
    network = copy.deepcopy(model).to(dtype=torch.float64, memory_format=torch.contiguous_format).eval()
    for name, p in network.named_parameters():
        p.requires_grad_(False)
        p.zero_() if name.endswith("bias") else p.abs_()
    for module in network.modules():
        if isinstance(module, _BATCHNORMS) and module.running_mean is not None:
            module.running_mean.zero_()
        if isinstance(module, _ACTIVATIONS):
            module.forward = lambda x: x
    return network
