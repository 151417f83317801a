"""A network whose pruned weights stay exactly zero while it trains, and whose removed channels stay removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lthviz.errors import Diverged, MaskError, TrainingError
from lthviz.records import Layer, Masks


class Masked:
    """Masks laid over a network's weights, in place.

    structural: a row without weights is a removed channel; its layer's bias and its BatchNorm's scale and shift
    are held at zero with it, so that the network computes what the physically smaller one does. The classifier's rows stay.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer], masks: Masks, *, structural: bool) -> None:
        self._model = model
        self._names: list[str] = []
        self._tensors: list[torch.Tensor] = []
        self._keep: list[torch.Tensor] = []
        for layer in layers:
            if layer.name not in masks or masks.shape(layer.name) != layer.shape:
                has = f"has shape {masks.shape(layer.name)}" if layer.name in masks else "is missing"
                raise MaskError(f"mask {layer.name!r} {has}; the network's weight has shape {layer.shape}")
            if masks.nnz(layer.name) == masks.size(layer.name):
                continue
            mask = masks[layer.name]
            self._add(model, layer.name, mask)
            rows = mask.reshape(mask.shape[0], -1).any(axis=1)
            if structural and not rows.all() and not layer.classifier:
                owners = [layer.short] + [layer.bn] * bool(layer.bn)
                for owner in owners:
                    for kind in ("weight", "bias"):
                        name = f"{owner}.{kind}"
                        if name != layer.name and getattr(model.get_submodule(owner), kind, None) is not None:
                            self._add(model, name, rows)

    def _add(self, model: nn.Module, name: str, keep) -> None:
        tensor = model.get_parameter(name).detach()   # shares the parameter's memory
        self._names.append(name)
        self._tensors.append(tensor)
        self._keep.append(torch.empty_like(tensor).copy_(torch.as_tensor(keep)))   # in the parameter's memory format

    def within(self, network: nn.Module, index: Mapping[str, np.ndarray]) -> Masked:
        """These masks over a smaller network: `index` has the flat positions of its tensors' values in the full ones of that name."""
        small = Masked(network, (), Masks({}, {}), structural=True)
        for name, keep in zip(self._names, self._keep, strict=True):
            if name in index:
                at = torch.from_numpy(index[name]).to(keep.device)
                keep = keep.reshape(-1)[at].reshape(network.get_parameter(name).shape)
            if not keep.all():
                small._add(network, name, keep)
        return small

    def kept(self, name: str) -> np.ndarray:
        """Bool, flat in C order: which values of the network's tensor `name` are not masked."""
        if name in self._names:
            return self._keep[self._names.index(name)].reshape(-1).bool().cpu().numpy()
        return np.ones(self._model.get_parameter(name).numel(), bool)

    def enforce(self) -> None:
        """Set what is masked to zero. Called after every optimizer step: momentum and weight decay revive it otherwise."""
        if self._tensors:
            torch._foreach_mul_(self._tensors, self._keep)

    def assert_exact(self) -> None:
        """Diverged when a masked tensor holds NaN or infinity, TrainingError when something masked is not exactly zero."""
        for name, tensor, keep in zip(self._names, self._tensors, self._keep, strict=True):
            if not torch.isfinite(tensor).all():
                raise Diverged(f"{name} holds values that are not finite; lower the learning rate")
            if wrong := int(((tensor != 0) & (keep == 0)).sum()):
                raise TrainingError(f"{name}: {wrong} masked values are not zero after a step")
