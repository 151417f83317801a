"""A channel-wise ticket as a physically smaller dense network (ICML 2022, section 3.2): removed channels are gone from both sides.

A torch.fx walk follows which channels each feature map still has. Convolutions and pruned linear layers lose the rows of removed channels
and the columns that would read them, BatchNorms their entries, the classifier its columns. What is not known to leave a channel of
zeros a channel of zeros gets its channels back first, as zeros: kept, never wrong. Module names stay.

Unlike the masked network in two things: dropout draws for the channels that are there, and what a forward pass decides by
`self.training`, outside of its modules, stays as it is in the mode in which the network was made smaller.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import fx, nn

from lthviz.nn import place
from lthviz.nn.channels import Traced, filled
from lthviz.nn.masking import Masked
from lthviz.records import Layer, Masks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shrunk:
    """network: the smaller one. index: for each of its tensors that is smaller, the flat positions (C order) of its values in the
    full tensor of the same name; tensors without an entry are whole."""

    network: nn.Module
    index: dict[str, np.ndarray] = field(default_factory=dict)


def compact(model: nn.Module, layers: Sequence[Layer], masks: Masks, *, multiple: int = 1) -> nn.Module:
    """The network without its removed channels, in the same mode, with copies of the weights that are left.

    Rows of `masks` without a weight are removed channels, as in a structural ticket; weights masked inside the rest are zero. Channels
    that no weight reads are gone too, as those before a removed depthwise channel. multiple: of which each layer's number of channels is one,
    as far as it has that many; the channels that this takes more are zero.
    It computes what the masked network computes, in evaluation and in training mode, in another order of summation.
    MaskError when the masks do not fit. A network that cannot be traced comes back whole, with a warning.
    """
    masked = Masked(model, layers, masks, structural=True)
    made = shrink(model, layers, masks, unread=True, multiple=multiple)
    masked.within(made.network, made.index).enforce()
    return made.network


def shrink(model: nn.Module, layers: Sequence[Layer], masks: Masks, *, unread: bool = False, multiple: int = 1) -> Shrunk:
    """The smaller network and where its values come from; masks inside what is left are not applied.

    unread: channels that no weight reads go as well. Outputs do not depend on them, but the full network's training does change them.
    multiple: as in `compact`.
    """
    try:
        traced = Traced(model, layers, masks)
        if unread:
            traced.drop_unread()
        traced.fill(multiple)
    except Exception as e:  # fx raises errors of many kinds for control flow it cannot follow
        log.warning("%s cannot be traced (%s): its removed channels stay, as zeros", type(model).__name__, e)
        return Shrunk(copy.deepcopy(model))
    return _Walk(traced, multiple).shrunk()


@dataclass(frozen=True)
class _Map:
    """What a node computes: `channels` are the numbers of those it has, of `total`, in memory's order; None: all, or not a feature map.
    flat: (N, channels·pixels) instead of (N, channels, …); a linear layer's output (N, channels) is not. line: it is (N, channels)."""

    node: fx.Node
    channels: np.ndarray | None = None
    total: int = 0
    flat: bool = False
    line: bool = False


class _Walk:
    """One walk through the graph; see `shrunk`."""

    def __init__(self, traced: Traced, multiple: int) -> None:
        self.multiple = multiple
        self.traced, self.model, self.modules, self.new = traced, traced.model, traced.modules, fx.Graph()
        self.root: dict[str, nn.Module | torch.Tensor] = {}
        self.index: dict[str, np.ndarray] = {}
        self.maps: dict[fx.Node, _Map] = {}
        self.memo: dict[int, object] = {}       # copies share what the originals share
        self.orders = traced.orders()

    def shrunk(self) -> Shrunk:
        for node in self.traced.graph.nodes:
            self.maps[node] = self._step(node)
        network = fx.GraphModule(self.root, self.new, type(self.model).__name__)
        for name, module in network.named_modules():
            module.training = self.modules[name].training if name in self.modules else self.model.training
        if any(p.dim() == 4 and not p.is_contiguous() for p in self.model.parameters()):
            network.to(memory_format=torch.channels_last)
        return Shrunk(network, self.index)

    # One node

    def _step(self, node: fx.Node) -> _Map:
        kind, fed = self.traced.kind(node), self.maps[node.args[0]] if node.args and isinstance(node.args[0], fx.Node) else None
        if kind == "convolution" and fed is not None:
            return self._convolution(node, fed)
        if fed is not None and fed.channels is not None:
            if kind == "norm" and fed.total == self.modules[node.target].num_features and (node.target in self.traced.norms or fed.channels.size == fed.total):
                return self._norm(node, fed)
            if kind in ("same", "by channel") and (kind == "same" or fed.channels.size == fed.total):
                return dataclasses.replace(fed, node=self._copy(node, fed.node))
            if kind == "flat" and not fed.flat and not fed.line:
                return dataclasses.replace(fed, node=self._copy(node, fed.node), flat=True)
            if kind == "linear" and (fed.flat or fed.line) and self.modules[node.target].in_features % fed.total == 0:
                return self._linear(node, fed)
            if kind == "size":
                return _Map(self._copy(node, fed.node))
            if kind in ("sum", "product") and (other := self.maps[node.args[1]]).channels is not None and fed.total == other.total:
                return self._sum(node, fed, other) if kind == "sum" else self._product(node, fed, other)
        if kind == "by channel" and fed is not None and fed.channels is not None and not fed.flat:
            return _Map(self._copy(node), np.arange(fed.total), fed.total, line=fed.line)
        return _Map(self._copy(node))

    def _convolution(self, node: fx.Node, fed: _Map) -> _Map:
        old = self.modules[node.target]
        live, g = self.traced.alive(node.target), old.groups
        known = fed.channels is not None and fed.total == old.in_channels and not fed.flat
        inputs = fed.channels if known else np.arange(old.in_channels)
        order = self.orders[node]
        if g == 1:
            rows = order[live[order]] if live.any() else order[-1:]   # nothing kept: one channel of zeros stands for it
            columns = np.broadcast_to(inputs, (rows.size, inputs.size))
            source = fed.node if known else self._whole(fed)
            groups = 1
        else:
            rows, columns, needed = _grouped(live, inputs, g, old.in_channels, order)
            source = self._place(needed, [fed]) if known else self._place(needed, [_Map(self._whole(fed), inputs, inputs.size)])
            groups = needed.size // columns.shape[1]
        shape = (rows.size, columns.shape[1], *old.kernel_size)
        flat = _places(old.weight).reshape(old.out_channels, -1, old.kernel_size[0] * old.kernel_size[1])
        self._cut(node.target, weight=flat[rows[:, None], columns].reshape(shape), bias=rows, in_channels=shape[1] * groups,
                  out_channels=rows.size, groups=groups)
        return _Map(self._copy(node, source), rows, old.out_channels)

    def _norm(self, node: fx.Node, fed: _Map) -> _Map:
        self._cut(node.target, num_features=fed.channels.size,
                  **dict.fromkeys(("weight", "bias", "running_mean", "running_var"), fed.channels))
        return dataclasses.replace(fed, node=self._copy(node, fed.node))

    def _linear(self, node: fx.Node, fed: _Map) -> _Map:
        old = self.modules[node.target]
        live, order = self.traced.alive(node.target), self.orders[node]
        rows = np.arange(live.size) if live.all() else order[live[order]] if live.any() else order[-1:]   # as of a convolution
        flat = _places(old.weight).reshape(old.out_features, fed.total, -1)[rows][:, fed.channels].reshape(rows.size, -1)
        self._cut(node.target, weight=flat, bias=rows, in_features=flat.shape[1], out_features=rows.size)
        return _Map(self._copy(node, fed.node), rows, old.out_features, line=True)

    def _sum(self, node: fx.Node, a: _Map, b: _Map) -> _Map:
        if np.array_equal(a.channels, b.channels) and (a.flat, a.line) == (b.flat, b.line):
            return dataclasses.replace(a, node=self.new.node_copy(node, lambda n: {node.args[0]: a, node.args[1]: b}[n].node))
        if a.flat or b.flat or a.line != b.line:
            return _Map(self._copy(node))
        order = self.orders.get(node, np.arange(a.total))
        union = order[filled(np.isin(order, a.channels) | np.isin(order, b.channels), self.multiple)]
        return _Map(self._place(union, [a, b]), union, a.total, line=a.line)

    def _product(self, node: fx.Node, a: _Map, b: _Map) -> _Map:
        """A channel that one of them has not is zero. Of a map (N, C, h, w) and its gates (N, C, 1, 1), say."""
        if a.flat or b.flat or a.line != b.line:
            return _Map(self._copy(node))
        order = self.orders.get(node, np.arange(a.total))
        both = order[np.isin(order, a.channels) & np.isin(order, b.channels)]
        both = both if both.size else order[-1:]   # nothing is left: one channel of zeros stands for it
        first, second = (self._place(both, [m]) for m in (a, b))
        made = self.new.node_copy(node, lambda n: {node.args[0]: first, node.args[1]: second}[n])
        return _Map(made, both, a.total, line=a.line)

    # Making

    def _copy(self, node: fx.Node, first: fx.Node | None = None) -> fx.Node:
        """The node in the new graph, with `first` as its first argument; all else it reads has all its channels."""
        if node.op in ("call_module", "get_attr") and node.target not in self.root:
            self.root[node.target] = copy.deepcopy(operator.attrgetter(node.target)(self.model), self.memo)
        one = node.args[0] if first is not None else None
        return self.new.node_copy(node, lambda n: first if n is one else self._whole(self.maps[n]))

    def _whole(self, m: _Map) -> fx.Node:
        """The map with all its channels in their order; those it has not are zeros."""
        if m.channels is None or np.array_equal(m.channels, np.arange(m.total)):
            return m.node
        node = self.new.call_method("unflatten", (m.node, 1, (m.channels.size, -1))) if m.flat else m.node
        node = self._place(np.arange(m.total), [dataclasses.replace(m, node=node)])
        return self.new.call_method("flatten", (node, 1)) if m.flat else node

    def _place(self, wanted: np.ndarray, maps: Sequence[_Map]) -> fx.Node:
        if len(maps) == 1 and np.array_equal(wanted, maps[0].channels):
            return maps[0].node
        strips = place.pieces(wanted, [m.channels for m in maps])
        return self.new.call_function(place.place, (strips, *(m.node for m in maps)))

    def _cut(self, target: str, **change: np.ndarray | int) -> None:
        """A copy of the module with other sizes (numbers) and those values of its tensors (arrays); what has no array is copied whole."""
        old = self.modules[target]
        own = [*old.named_parameters(recurse=False), *old.named_buffers(recurse=False)]
        new = copy.deepcopy(old, {id(tensor): tensor for _, tensor in own})   # its tensors are replaced below
        for name, value in change.items():
            if isinstance(value, int):
                setattr(new, name, value)
        for kind, tensor in own:
            value = tensor.detach().clone()
            if kind in change:
                self.index[f"{target}.{kind}"] = at = np.ascontiguousarray(change[kind].reshape(-1))
                value = value.reshape(-1)[torch.from_numpy(at).to(value.device)].reshape(change[kind].shape)
            setattr(new, kind, nn.Parameter(value, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else value)
        self.root[target] = new


def _places(tensor: torch.Tensor) -> np.ndarray:
    """The flat position of each value."""
    return np.arange(tensor.numel(), dtype=np.int32 if tensor.numel() < 1 << 31 else np.int64)


def _grouped(live: np.ndarray, inputs: np.ndarray, g: int, in_channels: int, order: np.ndarray) -> tuple[np.ndarray, ...]:
    """(rows, columns a row, input channels) of a grouped convolution: groups without a live row go; the others keep equal numbers of
    rows and of inputs, those of the fullest, filled up with dead ones."""
    here = np.zeros(in_channels, bool)
    here[inputs] = True
    live, here = live.reshape(g, -1), here.reshape(g, -1)
    depthwise = live.shape[1] == here.shape[1] == 1     # in the order of the maps around it
    kept = order[live[order, 0]] if depthwise else np.flatnonzero(live.any(axis=1))
    kept = kept if kept.size else order[-1:] // live.shape[1]

    def best(has: np.ndarray) -> np.ndarray:
        width = max(1, int(has[kept].sum(axis=1).max()))
        return np.sort(np.argsort(~has[kept], axis=1, kind="stable")[:, :width], axis=1)

    rows, columns = best(live), best(here)
    return ((kept[:, None] * live.shape[1] + rows).reshape(-1), np.repeat(columns, rows.shape[1], axis=0),
            (kept[:, None] * here.shape[1] + columns).reshape(-1))
