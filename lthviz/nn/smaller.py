"""Training a structural ticket as its smaller network, so that what it leaves in the full one is what masked training leaves there.

The steps are those of the masked network in another order of summation. What the smaller network does not hold changes by
itself: weights that would read removed channels have no gradient, but momentum and weight decay, and a removed channel's running
statistics become those of a map of zeros. Both are kept here and go on with every step. Removed rows stay zero, and so does their
momentum: masked training may have some there, but undoes its work after every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lthviz.nn import state
from lthviz.nn.compact import shrink
from lthviz.nn.masking import Masked
from lthviz.nn.state import State, get_state, set_state
from lthviz.records import Layer, Masks

_STATISTICS = ("running_mean", "running_var")


class Smaller:
    """The smaller network of a ticket, and what else changes in the full one while it trains.

    network: trains in the place of `model`. masked: what is masked inside of it. idle: the weights that only decay, a flat parameter
    whose gradient is zero, for the same optimizer; None when there are none. MaskError when the masks do not fit.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer], masks: Masks) -> None:
        masked = Masked(model, layers, masks, structural=True)
        shrunk = shrink(model, layers, masks)
        self.model, self.network, self._at = model, shrunk.network, shrunk.index
        self.masked = masked.within(shrunk.network, shrunk.index)
        rest = {name: _others(at, model.state_dict()[name].numel()) for name, at in self._at.items()}
        idle = {name: at[masked.kept(name)[at]] for name, at in rest.items() if name in dict(model.named_parameters())}
        self._idle = {name: at for name, at in idle.items() if at.size}    # flat positions in the full tensors
        like = next(model.parameters())
        self.idle = nn.Parameter(torch.zeros(sum(at.size for at in self._idle.values()), dtype=like.dtype, device=like.device))
        self.idle.grad = torch.zeros_like(self.idle)
        self._gone: dict[str, tuple[np.ndarray, nn.BatchNorm1d]] = {}    # removed channels of a BatchNorm, and their statistics
        for name, module in model.named_modules():
            at = rest.get(f"{name}.running_mean", np.empty(0))
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and at.size:
                gone = nn.BatchNorm1d(at.size, momentum=module.momentum, affine=False, device=like.device, dtype=like.dtype)
                self._gone[name] = at, gone

    def parameters(self) -> list[nn.Parameter]:
        """What the optimizer is given."""
        return [*self.network.parameters(), self.idle]

    @torch.no_grad()
    def stepped(self) -> None:
        """After every update: removed channels have seen a batch of zeros."""
        for at, gone in self._gone.values():
            gone(self.idle.new_zeros((2, at.size)))

    # Between the networks: whole tensors at the start and at the end of an epoch

    @torch.no_grad()
    def read(self) -> None:
        """Take over the full network's state."""
        full = get_state(self.model)
        set_state(self.network, {name: self._part(name, full[name]) for name in self.network.state_dict()})
        self.idle.copy_(torch.from_numpy(self._gather(full)))
        for name, (at, gone) in self._gone.items():
            for kind in _STATISTICS:
                getattr(gone, kind).copy_(torch.from_numpy(full[f"{name}.{kind}"][at]))
            gone.num_batches_tracked.fill_(int(full[f"{name}.num_batches_tracked"]))

    @torch.no_grad()
    def write(self) -> None:
        """Leave in the full network what masked training would have left."""
        full = get_state(self.model)
        for name, values in get_state(self.network).items():
            full[name] = self._spread(name, values, full[name].shape)
        self._scatter(full, state.to_numpy(self.idle))
        for name, (at, gone) in self._gone.items():
            for kind in _STATISTICS:
                full[f"{name}.{kind}"][at] = state.to_numpy(getattr(gone, kind))
        set_state(self.model, full)

    def get_momentum(self, optimizer: torch.optim.SGD) -> State:
        """The momentum buffers in the full shapes, by parameter name."""
        shapes = {name: tuple(p.shape) for name, p in self.model.named_parameters()}
        full = {name: self._spread(name, b, shapes[name]) for name, b in state.get_momentum(self.network, optimizer).items()}
        if (idle := optimizer.state.get(self.idle, {}).get("momentum_buffer")) is not None:
            self._scatter(full, state.to_numpy(idle))
        return full

    def set_momentum(self, optimizer: torch.optim.SGD, full: Mapping[str, np.ndarray]) -> None:
        state.set_momentum(self.network, optimizer, {name: self._part(name, b) for name, b in full.items()})
        if full:
            optimizer.state[self.idle]["momentum_buffer"] = torch.from_numpy(self._gather(full)).to(self.idle.device)

    def _part(self, name: str, full: np.ndarray) -> np.ndarray:
        return full.reshape(-1)[self._at[name]].reshape(self.network.state_dict()[name].shape) if name in self._at else full

    def _spread(self, name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if name not in self._at:
            return values
        out = np.zeros(shape, values.dtype)
        out.reshape(-1)[self._at[name]] = values.reshape(-1)
        return out

    def _gather(self, full: Mapping[str, np.ndarray]) -> np.ndarray:
        dtype = state.to_numpy(self.idle).dtype
        return np.concatenate([np.empty(0, dtype), *(full[name].reshape(-1)[at] for name, at in self._idle.items())])

    def _scatter(self, full: Mapping[str, np.ndarray], values: np.ndarray) -> None:
        ends = np.cumsum([at.size for at in self._idle.values()])
        for (name, at), part in zip(self._idle.items(), np.split(values, ends)[:-1], strict=True):
            full[name].reshape(-1)[at] = part


def _others(at: np.ndarray, size: int) -> np.ndarray:
    """The positions below `size` that are not in `at`."""
    free = np.ones(size, bool)
    free[at] = False
    return np.flatnonzero(free).astype(at.dtype)
