"""Tickets as they travel, made without training: random masks, random weights, BatchNorms that say something in every channel."""

from __future__ import annotations

import copy
import functools

import numpy as np
import torch
from torch import nn

from lthviz.config import RunConfig
from lthviz.exchange.parcel import Parcel
from lthviz.nn import models, topology
from lthviz.nn.state import get_state
from lthviz.records import Address, Masks, Ticket

STRUCTURES = {"refill": "channel", "regroup": "group", "unstructured": "weight"}


def of(model: str, shape: tuple[int, int, int], structure: str, keep: float = 0.5, weights: bool = True, seed: int = 0) -> Parcel:
    """refill keeps random channels, regroup two groups of rows with random columns each, unstructured random weights."""
    config = RunConfig(model=model, data="digits" if shape[0] == 1 else "cifar10", device="cpu", memory_format="channels_last")
    network = _fresh(config, shape)
    layers = topology.layers(network, shape)
    rng = np.random.default_rng(seed)
    masks = Masks.of({x.name: _mask(x.shape, structure, keep, rng) for x in layers})
    _lively(network, seed)
    state = get_state(network)
    for layer in layers:
        state[layer.name] *= masks[layer.name]
        if structure == "refill" and layer.bn:
            for kind in ("weight", "bias"):   # a removed channel's BatchNorm is removed with it
                state[f"{layer.bn}.{kind}"] *= masks.matrix(layer.name).any(axis=1)
    ticket = Ticket(structure, 1, masks, test_acc=50.0, weights=state if weights else None)
    return Parcel(Address("a-run", 1, structure), config, layers, shape, tuple("abcdefghij"), 60.0, ticket)


def _mask(shape: tuple[int, ...], structure: str, keep: float, rng: np.random.Generator) -> np.ndarray:
    rest = int(np.prod(shape[1:]))
    if structure == "refill":
        mask = np.repeat(rng.permutation(shape[0])[:, None] < max(1, round(keep * shape[0])), rest, axis=1)
    elif structure == "regroup":
        mask = (rng.random((2, rest)) < keep)[np.arange(shape[0]) % 2]
    else:
        mask = rng.random((shape[0], rest)) < keep
    return mask.reshape(shape)


@torch.no_grad()
def _lively(network: nn.Module, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for t in (module.weight, module.running_var):
                t.copy_(torch.rand(t.shape, generator=g) + 0.5)
            for t in (module.bias, module.running_mean):
                t.copy_(torch.randn(t.shape, generator=g) / 10)


def _fresh(config: RunConfig, shape: tuple[int, int, int]) -> nn.Module:
    return copy.deepcopy(_built(config, shape))


@functools.lru_cache(maxsize=2)
def _built(config: RunConfig, shape: tuple[int, int, int]) -> nn.Module:
    return models.build(config, shape, 10)


def masked(parcel: Parcel) -> nn.Module:
    """The network of the ticket's own weights, built by hand: what everything that goes out must compute."""
    network = _fresh(parcel.config, parcel.image_shape)
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in parcel.weights.items()}, strict=True)
    return network.eval()


def images(parcel: Parcel, n: int = 16, seed: int = 3) -> torch.Tensor:
    return torch.randn((n, *parcel.image_shape), generator=torch.Generator().manual_seed(seed))
