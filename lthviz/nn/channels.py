"""A traced network as a matter of channels: what its nodes do to them, and the order in which the smaller network keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import fx, nn

from lthviz.nn import place, topology
from lthviz.records import Layer, Masks


class Traced:
    """A network, its graph, and which output channels of its convolutions have weights.

    live: bool (C,) by module name of the prunable convolutions. norms: the BatchNorms that are removed with their convolution's channels.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer], masks: Masks) -> None:
        self.model, self.graph = model, fx.Tracer().trace(model)
        self.modules = dict(model.named_modules())
        self.live = {layer.short: masks.matrix(layer.name).any(axis=1) for layer in layers}
        self.norms = {layer.bn for layer in layers}
        self._calls = Counter(n.target for n in self.graph.nodes if n.op == "call_module")

    def alive(self, target: str) -> np.ndarray:
        """Bool (C,) of any convolution."""
        return self.live.get(target, np.ones(self.modules[target].out_channels, bool))

    def kind(self, node: fx.Node) -> str:
        """What is known about a node; '' for what gets all channels. Also says whether its module may be cut."""
        if node.op == "call_module":
            module, once = self.modules[node.target], self._calls[node.target] == 1
            if type(module) is nn.Conv2d and once and (node.target in self.live or module.groups == 1):
                return "convolution"
            if type(module) is nn.BatchNorm2d and once:
                return "norm"
            if type(module) is nn.Linear and once:
                return "linear"
            if isinstance(module, nn.Flatten):
                return "flat" if (module.start_dim, module.end_dim) == (1, -1) else ""
            return "same" if isinstance(module, topology._KEEPS_ZERO) and not getattr(module, "return_indices", False) else ""
        if node.op not in ("call_function", "call_method"):
            return ""
        rest = node.args[1:]
        if node.target in topology._ADDS:
            return "sum" if len(rest) == 1 and isinstance(rest[0], fx.Node) and not node.kwargs else ""
        if node.target in topology._KEEPS_ZERO_CALLS:
            return "same" if not node.kwargs.get("return_indices") else ""
        if node.target in (torch.flatten, "flatten"):
            return "flat" if (*rest, *node.kwargs.values()) in ((1,), (1, -1)) else ""
        if node.target in ("view", "reshape"):
            first = rest[0] if len(rest) == 2 and rest[1] == -1 else None
            return "flat" if isinstance(first, fx.Node) and self.kind(first) == "size" and first.args[0] is node.args[0] else ""
        if node.target in (torch.mean, "mean") and len(rest) == 1 and isinstance(rest[0], list | tuple) and not node.kwargs:
            return "flat" if {d % 4 for d in rest[0]} == {2, 3} else ""
        return "size" if node.target == "size" and rest == (0,) else ""

    def orders(self) -> dict[fx.Node, np.ndarray]:
        """The order of channels for each convolution and sum: one for all that is added up, and for what a depthwise layer joins.

        It decides how fast maps are joined, never what is computed.
        """
        space: dict[fx.Node, list] = {}    # a node's feature map belongs to the same list as those it is added to
        for node in self.graph.nodes:
            kind = self.kind(node)
            fed = [space.get(a) for a in node.args if isinstance(a, fx.Node)]
            if kind == "convolution":
                module = self.modules[node.target]
                mine = [[node, self.alive(node.target)]]
                depthwise = module.groups == module.in_channels == module.out_channels
                space[node] = _merge(space, fed[0], mine) if depthwise and fed[0] else mine
            elif kind == "sum" and all(fed) and fed[0][0][1].size == fed[1][0][1].size:
                space[node] = _merge(space, *fed)
            elif kind in ("norm", "same") and fed:
                space[node] = fed[0]
        known: dict[int, np.ndarray] = {}
        for members in space.values():
            if members and id(members) not in known:
                known[id(members)] = place.order([live for _, live in members])
        return {node: known[id(members)] for node, members in space.items() if members}


def _merge(space: dict[fx.Node, list], a: list, b: list) -> list:
    if a is not b:
        a.extend(b)
        for node, members in space.items():
            if members is b:
                space[node] = a
    return a
