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
        self._masks, self._layers = masks, {layer.short: layer for layer in layers}
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

    def drop_unread(self) -> None:
        """Count as removed what nobody reads: the channel before a removed depthwise one, say. Outputs do not change, a channel's own
        BatchNorm statistics would be lost.
        """
        wanted: dict[fx.Node, np.ndarray | bool] = {}    # by node: which channels (or entries, once flat) are read; True for all
        for node in reversed(self.graph.nodes):
            kind, mine = self.kind(node), wanted.get(node, False)
            first = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
            if kind in ("convolution", "linear"):
                if node.target in self.live and not self._layers[node.target].classifier:
                    self.live[node.target] = self.live[node.target] & _fold(mine, self.live[node.target].size)
                _read(wanted, first, self._reads(node.target))
            elif kind in ("same", "by channel", "flat", "sum", "product") or (kind == "norm" and node.target in self.norms):
                for other in node.all_input_nodes:
                    _read(wanted, other, mine)
            elif kind != "size":
                for other in node.all_input_nodes:
                    _read(wanted, other, True)

    def fill(self, multiple: int) -> None:
        """Count so many removed channels as live that each layer has a multiple of them: those that others beside it in a sum have, as far as there
        are any. Grouped layers are left alone, but for depthwise ones.
        """
        for members in {id(m): m for m in self._spaces().values() if m}.values():
            shared = np.logical_or.reduce([live for _, live in members])
            for node, live in members:
                layer = self._layers.get(node.target)
                if layer is not None and not layer.classifier and layer.groups in (1, live.size):
                    self.live[node.target] = filled(live, multiple, shared)

    def _reads(self, target: str) -> np.ndarray | bool:
        """Bool: the input channels (entries of a linear layer's input) in which a live row has a weight; True where all count."""
        if target not in self._layers:
            return True
        layer = self._layers[target]
        mask = self._masks[layer.name] & self.live[target].reshape(-1, *(1,) * (len(layer.shape) - 1))
        return mask.reshape(layer.groups, layer.shape[0] // layer.groups, layer.shape[1], -1).any(axis=(1, 3)).reshape(-1)

    def orders(self) -> dict[fx.Node, np.ndarray]:
        """The order of channels for each layer, sum and product: one for all that is added up, and for what a depthwise layer joins.

        It decides how fast maps are joined, never what is computed.
        """
        known: dict[int, np.ndarray] = {}
        spaces = self._spaces()
        for members in spaces.values():
            if members and id(members) not in known:
                known[id(members)] = place.order([live for _, live in members])
        return {node: known[id(members)] for node, members in spaces.items() if members}

    def _spaces(self) -> dict[fx.Node, list]:
        """By node: the layers whose channels are added up with its own, each [node, bool (C,)]; the same list for all of them."""
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
        return space


def filled(live: np.ndarray, multiple: int, first: np.ndarray | None = None) -> np.ndarray:
    """`live` (bool (C,)) with so many more that they are a multiple, or all; those of `first` before others, then in their order."""
    want = min(live.size, -(-max(1, int(live.sum())) // multiple) * multiple)
    if multiple == 1 or want == live.sum():
        return live
    free = np.flatnonzero(~live)
    if first is not None:
        free = free[np.argsort(~first[free], kind="stable")]
    live = live.copy()
    live[free[:want - int(live.sum())]] = True
    return live


def _read(wanted: dict[fx.Node, np.ndarray | bool], node: fx.Node, more: np.ndarray | bool) -> None:
    """`more` of the node's channels are read as well; all of them where the numbers do not go together."""
    known = wanted.get(node, False)
    fits = isinstance(known, bool) or isinstance(more, bool) or known.size == more.size
    wanted[node] = known | more if fits and known is not True and more is not True else True


def _fold(wanted: np.ndarray | bool, channels: int) -> np.ndarray | bool:
    """By channel what is known by entry of a flattened map."""
    if isinstance(wanted, bool):
        return wanted
    return wanted.reshape(channels, -1).any(axis=1) if wanted.size % channels == 0 else True


def _merge(space: dict[fx.Node, list], a: list, b: list) -> list:
    if a is not b:
        a.extend(b)
        for node, members in space.items():
            if members is b:
                space[node] = a
    return a
