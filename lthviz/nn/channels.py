"""A traced network as a matter of channels: what its nodes do to them, and the order in which the smaller network keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from torch import fx, nn

from lthviz.nn import operations, place
from lthviz.records import Layer, Masks


class Traced:
    """A network, its graph, and which output channels of its layers have weights.

    live: bool (C,) by module name of the prunable layers, all of the classifier. norms: the BatchNorms that are removed with their layer's
    channels.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer], masks: Masks) -> None:
        self.model, self.graph = model, operations.trace(model)
        self.modules = dict(model.named_modules())
        self.live = {layer.short: masks.matrix(layer.name).any(axis=1) | layer.classifier for layer in layers}
        self.norms = {layer.bn for layer in layers}
        self._calls = Counter(n.target for n in self.graph.nodes if n.op == "call_module")

    def alive(self, target: str) -> np.ndarray:
        """Bool (C,) of any convolution or linear layer."""
        return self.live.get(target, np.ones(len(self.modules[target].weight), bool))

    def kind(self, node: fx.Node) -> str:
        """Of operations.kind, '' for what gets all channels. Also says whether its module may be cut: one that runs once."""
        kind = operations.kind(node, self.modules)
        if kind in ("convolution", "norm", "linear"):
            grouped = kind == "convolution" and self.modules[node.target].groups > 1
            return kind if self._calls[node.target] == 1 and (not grouped or node.target in self.live) else ""
        return kind

    def orders(self) -> dict[fx.Node, np.ndarray]:
        """The order of channels for each layer, sum and product: one for all that is added up, and for what a depthwise layer joins.

        It decides how fast maps are joined, never what is computed.
        """
        space: dict[fx.Node, list] = {}    # a node's feature map belongs to the same list as those it is added to
        for node in self.graph.nodes:
            kind = self.kind(node)
            fed = [space.get(a) for a in node.args if isinstance(a, fx.Node)]
            if kind in ("convolution", "linear"):
                module = self.modules[node.target]
                mine = [[node, self.alive(node.target)]]
                depthwise = kind == "convolution" and module.groups == module.in_channels == module.out_channels
                space[node] = _merge(space, fed[0], mine) if depthwise and fed[0] else mine
            elif kind in ("sum", "product") and all(fed) and fed[0][0][1].size == fed[1][0][1].size:
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
