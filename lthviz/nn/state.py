"""A network's or an optimizer's whole state as named numpy arrays, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from lthviz.errors import TrainingError

State = dict[str, np.ndarray]


def get_state(model: nn.Module) -> State:
    """Copies of all parameters and buffers by name, C-ordered."""
    return {name: to_numpy(t) for name, t in model.state_dict().items()}


@torch.no_grad()
def set_state(model: nn.Module, state: Mapping[str, np.ndarray]) -> None:
    """Write `state` over the network's parameters and buffers; TrainingError when names or shapes differ."""
    own = model.state_dict()
    if own.keys() != state.keys():
        name = sorted(own.keys() ^ state.keys())[0]
        raise TrainingError(f"{name!r} is {'missing from the state' if name in own else 'not in the network'}")
    for name, tensor in own.items():
        if tuple(tensor.shape) != state[name].shape:
            raise TrainingError(f"{name!r} has shape {state[name].shape} in the state, {tuple(tensor.shape)} in the network")
        tensor.copy_(torch.from_numpy(np.array(state[name])))


def get_momentum(model: nn.Module, optimizer: torch.optim.SGD) -> State:
    """Copies of the momentum buffers by parameter name; empty before the first step, and without momentum."""
    buffers = {name: optimizer.state[p].get("momentum_buffer") for name, p in model.named_parameters() if p in optimizer.state}
    return {name: to_numpy(b) for name, b in buffers.items() if b is not None}


def set_momentum(model: nn.Module, optimizer: torch.optim.SGD, state: Mapping[str, np.ndarray]) -> None:
    for name, buffer in state.items():
        p = model.get_parameter(name)
        optimizer.state[p]["momentum_buffer"] = torch.empty_like(p).detach().copy_(torch.from_numpy(np.array(buffer)))


@torch.no_grad()
def fingerprint(model: nn.Module) -> int:
    """A number that all parameters' bits decide: the sum of them as integers."""
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    return int(sum(p.view(whole[p.element_size()]).sum(dtype=torch.int64) for p in model.parameters()))


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy(), order="C", copy=True)
