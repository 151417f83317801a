"""A user's network under masks: in place, and zero after every step while the user's own loop trains it (ICML 2022, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from lthviz.errors import ConfigError
from lthviz.nn.masking import Masked
from lthviz.notebook import models
from lthviz.notebook.given import clear, ticket
from lthviz.records import Layer, Masks


class Held:
    """Masks over a network, as `lt.apply` puts them there. Use it as a context, or let it go with `release`.

    model: the network, masked.
    masks: what is held, one bit a weight.

    The zeros hold through `model.to(…)` and `load_state_dict` as well: the next `enforce` sets them.

    Errors: TrainingError and Diverged by `check` alone.
    Source: ICML 2022, section 3.1: momentum and weight decay revive pruned weights otherwise.
    Example:
        with lt.apply(model, masks, optimizer=optimizer) as held:
            loss(model(images), labels).backward()
            optimizer.step()
            held.check()
    """

    def __init__(self, model: nn.Module, layers: Iterable[Layer], masks: Masks, structural: bool) -> None:
        self.model, self.masks = model, masks
        self._layers, self._structural = tuple(layers), structural
        self._handles: list[Any] = []
        self._lay()

    def enforce(self) -> None:
        """Set what is pruned to zero, now. What an optimizer that is watched does after each step by itself."""
        if self._places() != self._at:      # the network went to another device, say
            self._lay()
        self._masked.enforce()

    def watch(self, optimizer: torch.optim.Optimizer) -> Held:
        """Enforce after every step of this optimizer, until `release`. optimizer: any of torch.optim. Returns: itself."""
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise ConfigError(f"optimizer should be a torch.optim.Optimizer; this is a {type(optimizer).__name__}")
        self._handles.append(optimizer.register_step_post_hook(lambda *_: self.enforce()))
        return self

    def check(self) -> None:
        """TrainingError where something pruned is not exactly zero, Diverged where it is not finite."""
        if self._places() != self._at:
            self._lay()
        self._masked.assert_exact()

    def release(self) -> None:
        """Stop watching. The network stays as it is, its zeros too."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"Held({type(self.model).__name__}, {self.masks!r}, watching {len(self._handles)} optimizer{'s' * (len(self._handles) != 1)})"

    def _places(self) -> list[tuple[int, str]]:
        return [(p.data_ptr(), str(p.device)) for p in self.model.parameters()]

    def _lay(self) -> None:
        self._masked, self._at = Masked(self.model, self._layers, self.masks, structural=self._structural), self._places()


@clear
def apply(model: nn.Module, masks: Any, *, optimizer: torch.optim.Optimizer | None = None, structural: bool | None = None, copy: bool = False,
          image_shape: tuple[int, int, int] | None = None) -> Held:
    """Set the pruned weights of a network to zero, in place, and keep them there while it trains.

    model: any nn.Module; layers without a mask are left alone.
    masks: Masks, what refill or regroup gave, a stored ticket, or arrays by parameter name.
    optimizer: after each of its steps the zeros are set again. None: call `.enforce()` yourself, or `.watch(optimizer)` later.
    structural: whether a channel without weights is removed, its bias and its BatchNorm's scale and shift held at zero with it, so that the smaller network
    of `lt.compact` computes the same. None: yes for what refill and regroup gave, no for plain masks.
    copy: leave the network as it is and mask a copy, the handle's `.model`.
    image_shape: (c, h, w); see `lt.magnitude`.

    Returns: Held: `.model`, `.masks`, `.enforce()`, `.watch(optimizer)`, `.check()`, `.release()`; a context that releases at its end.
    Errors: MaskError for masks that do not fit, or a layer that torch.nn.utils.prune holds already (a copy has no such trouble).
    Source: ICML 2022, sections 3.1 and 3.2.
    Example:
        held = lt.apply(model, masks, optimizer=optimizer)
    """
    given = ticket(masks, structural)
    target = models.plain(model) if copy else models.unwrapped(model)
    layers = [x for x in models.of_masks(target, given.masks, image_shape) if x.name in given.masks]
    models.check_own_weights(target, [x.name for x in layers])
    held = Held(target, layers, given.masks, given.structural)
    held.enforce()
    return held.watch(optimizer) if optimizer is not None else held
