"""Which channels of every feature map are really there: neither always zero nor read by nobody."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthviz.core import blocks as core_blocks
from lthviz.records import Blocks
from lthviz.speed.graph import Conv, Graph, Op, Opaque, Pool, Sum, Value


class Plan:
    """channels: of each map, the indices that are stored. blocks: of each convolution, over all input channels and rows.

    A column of a block is (input channel)·kh·kw + position, whatever the groups. alone: rows without weights that are
    stored all the same, since a bias or a residual speaks in them.
    """

    def __init__(self, graph: Graph, masks: Mapping[str, np.ndarray]) -> None:
        self.graph = graph
        self.alive: dict[Value, np.ndarray] = {graph.image: np.ones(graph.image.shape[0], bool)}
        self._masks: dict[Op, np.ndarray] = {}
        for op in graph.ops:
            self._forward(op, masks)
        needed = {value: np.zeros(value.shape[0], bool) for value in self.alive}
        needed[graph.output][:] = True
        for op in reversed(graph.ops):
            self._backward(op, needed)
        for value in [graph.image, *(op.output for op in graph.ops if isinstance(op, Opaque))]:
            needed[value][:] = True   # what comes from outside comes whole
        for op in graph.ops:   # a pooling goes over all channels that its input stores
            if isinstance(op, Pool):
                needed[op.output] |= needed[op.inputs[0]]
        self.channels = {v: np.flatnonzero(self.alive[v] & needed[v]) for v in self.alive}
        self.blocks: dict[Op, Blocks] = {}
        self.alone: dict[Op, np.ndarray] = {}
        for op, mask in self._masks.items():
            stored = np.zeros(len(mask), bool)
            stored[self.channels[op.output]] = True
            mask = mask & stored[:, None]
            self.blocks[op] = core_blocks.from_mask(mask)
            self.alone[op] = np.flatnonzero(stored & ~mask.any(axis=1))

    def _forward(self, op: Op, masks: Mapping[str, np.ndarray]) -> None:
        fed = [self.alive[v] for v in op.inputs]
        if isinstance(op, Conv):
            mask = _over_all_inputs(op, masks.get(op.layer)) & np.repeat(fed[0], op.weight[0, 0].size)
            self._masks[op] = mask
            residual = fed[1] if len(fed) > 1 else np.zeros(len(mask), bool)
            # A row of one constant is zero behind a ReLU when the constant is not positive.
            constant = op.bias > 0 if op.relu and len(fed) == 1 else op.bias != 0
            self.alive[op.output] = mask.any(axis=1) | residual | constant
        elif isinstance(op, (Sum, Pool)):
            self.alive[op.output] = np.logical_or.reduce(fed)
        else:
            self.alive[op.output] = np.ones(op.output.shape[0], bool)

    def _backward(self, op: Op, needed: dict[Value, np.ndarray]) -> None:
        wanted = needed[op.output] & self.alive[op.output]
        if isinstance(op, Conv):
            mask = self._masks[op][wanted]
            read = mask.any(axis=0).reshape(op.inputs[0].shape[0], -1).any(axis=1) if mask.size else False
            needed[op.inputs[0]] |= read
            if len(op.inputs) > 1:
                needed[op.inputs[1]] |= wanted
        else:
            for value in op.inputs:
                needed[value] |= True if isinstance(op, Opaque) else wanted

    def kept(self, op: Conv) -> int:
        """Weights that are really multiplied."""
        return self.blocks[op].area


def _over_all_inputs(op: Conv, mask: np.ndarray | None) -> np.ndarray:
    """The layer's mask as bool (C_out, C_in·kh·kw) over all input channels, those of other groups False."""
    own = (np.ones(op.weight.shape, bool) if mask is None else mask).reshape(len(op.weight), -1)
    if op.groups == 1:
        return own
    rows, n = own.shape
    whole = np.zeros((op.groups, rows // op.groups, op.groups, n), bool)
    whole[np.arange(op.groups), :, np.arange(op.groups)] = own.reshape(op.groups, rows // op.groups, n)
    return whole.reshape(rows, op.groups * n)
