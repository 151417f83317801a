"""A network with masks as a list of steps for the block kernel, from images to logits.

    program = build(model, (3, 32, 32), masks, structural=True, batch=64)
    logits = program(images)            # float32 (N, 3, 32, 32) -> (N, classes); any N, 64 at a time

Only live channels are stored and computed (live.py); a residual sum lives on the union of its branches' channels. What is not
there as a step (graph.Opaque) runs in plain torch and is named in `foreign`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lthviz.core import stats
from lthviz.errors import SpeedError
from lthviz.nn.masking import Masked
from lthviz.records import Blocks, Layer, Masks
from lthviz.speed import graph as graphs
from lthviz.speed import kernel, layout, threads as pool
from lthviz.speed.graph import Conv, Op, Opaque, Pool, Sum, Value
from lthviz.speed.live import Plan
from lthviz.speed.pack import Tables, pack
from lthviz.speed.tile import NV, VL

FORMS = ("blocks", "dense")
"""What may run a layer: its blocks as they are, or one block of all its live rows and columns."""


@dataclass(frozen=True)
class Step:
    """name: of the operation in the network. kind: of kernel.KINDS. layer: the parameter's name, '' for a step without weights.

    form: of FORMS. kept: weights in the mask that are really there. macs: multiply-adds of the step for one image, as it runs.
    """

    name: str
    kind: int
    layer: str = ""
    form: str = ""
    kept: int = 0
    macs: int = 0


class Program:
    """A network program for one number of lanes. Calling it twice at once from two threads is not allowed."""

    def __init__(self, plan: Plan, batch: int, threads: int, forms: Mapping[str, str]) -> None:
        self.plan, self.batch, self.threads = plan, batch, threads
        self.lanes = layout.lanes(min(batch, layout.LANES))
        self.steps: list[Step] = []
        self.tables = Tables()
        self._rows: list[list[int]] = []
        self._maps: dict[Value, layout.Map] = {}
        self._splits: dict[Value, layout.Map] = {}
        self._free: dict[tuple, list[int]] = {}
        self._size, self._scratch = VL, 0
        self._lay(forms)

    # Laying the steps

    def _lay(self, forms: Mapping[str, str]) -> None:
        graph = self.plan.graph
        self._pads = dict.fromkeys(self.plan.channels, 0)
        last: dict[Value, int] = {}
        for i, op in enumerate(graph.ops):
            for value in op.inputs:
                last[value] = i
            if isinstance(op, Conv):
                self._pads[op.inputs[0]] = max(self._pads[op.inputs[0]], *op.padding)
        c, h, w = graph.image.shape
        image = self._map(graph.image)
        self._step(Step("input", kernel.LOAD), h, [image.origin, *image.strides, c, h, w, self.batch])
        for i, op in enumerate(graph.ops):
            output = self._map(op.output)
            if isinstance(op, Conv):
                self._conv(op, output, forms.get(op.layer, "blocks"))
            elif isinstance(op, Pool):
                self._pool(op, output)
            elif isinstance(op, Sum):
                self._sum(op, output)
            else:
                raise SpeedError(f"{op.name}: the block kernel has no such operation; the network runs in plain torch only")
            for value in {v for v in op.inputs if last[v] == i and v is not graph.output}:
                self._release(value)
        out = self._maps[graph.output]
        table = self._slots(graph.output)
        self.classes = graph.output.shape
        self._step(Step("output", kernel.STORE), self.classes[0],
                   [out.origin, *out.strides, *self.classes, self.batch, self.tables.add(table)])
        self._I, self._W = self.tables.finish()
        rows = np.zeros((len(self._rows), kernel.FIELDS), np.int64)
        for i, row in enumerate(self._rows):
            rows[i, :len(row)] = row
        self._S = rows
        self._scratches = [self._size + i * (self._scratch + VL) for i in range(self.threads)]
        memory = np.zeros(self._size + self.threads * (self._scratch + VL) + 2 * VL, np.float32)
        shift = (-memory.ctypes.data // 4) % VL   # the arena begins on a cache line
        self._F = memory[shift:shift + memory.size - VL]

    def _map(self, value: Value) -> layout.Map:
        """Room for a feature map; that of one no longer read, where it had the same shape (its border is zero already)."""
        channels, (_, h, w), pad = self.plan.channels[value].size, value.shape, self._pads[value]
        size, strides, inside = layout.shape(channels, h, w, pad, self.lanes)
        free = self._free.get((channels, h, w, pad))
        start = free.pop() if free else self._room(size)
        self._maps[value] = layout.Map(start + inside, channels, h, w, pad, self.lanes, *strides)
        return self._maps[value]

    def _room(self, size: int) -> int:
        """Loads may reach a vector behind a map's end, so that much is left between two."""
        start = self._size
        self._size += -(-(size + NV * VL) // VL) * VL
        return start

    def _release(self, value: Value) -> None:
        m = self._maps[value]
        inside = m.pad * (m.sh + m.sp)
        self._free.setdefault((m.channels, m.height, m.width, m.pad), []).append(m.origin - inside)

    def _slots(self, value: Value) -> np.ndarray:
        """Where each channel stands in its map, -1 where it is not stored."""
        slots = np.full(value.shape[0], -1, np.int64)
        slots[self.plan.channels[value]] = np.arange(self.plan.channels[value].size)
        return slots

    def _step(self, step: Step, tasks: int, fields: Sequence[int]) -> None:
        kind = step.kind
        self.steps.append(step)
        self._rows.append([kind, tasks, *map(int, fields)])

    def _conv(self, op: Conv, out: layout.Map, form: str) -> None:
        source = self._maps[op.inputs[0]]
        residual = self._maps[op.inputs[1]] if len(op.inputs) > 1 else None
        c_out, _, kh, kw = op.weight.shape
        c_in = op.inputs[0].shape[0]
        (sh, sw), (ph, pw), (dh, dw) = op.stride, op.padding, op.dilation
        channel, i, j = (a.ravel() for a in np.meshgrid(np.arange(c_in), np.arange(kh) * dh, np.arange(kw) * dw, indexing="ij"))
        slots = self._slots(op.inputs[0])[channel]
        if (sh > 1 or sw > 1) and self.lanes < VL and (out.height, out.width) != (1, 1):
            if sh != sw:
                raise SpeedError(f"{op.name}: stride {op.stride} is not square; the block kernel has none for a batch under {VL}")
            split, planes = self._split(op.inputs[0], sh)
            i, j = i + source.pad - ph, j + source.pad - pw
            offsets = slots * split.sc + ((i % sh) * sh + j % sh) * planes + (i // sh) * split.sh + (j // sh) * split.sp
            base, step_h, step_w = split.origin, split.sh, split.sp
        else:
            offsets = slots * source.sc + (i - ph) * source.sh + (j - pw) * source.sp
            base, step_h, step_w = source.origin, source.sh * sh, source.sp * sw
        blocks, alone = self.plan.blocks[op], self.plan.alone[op]
        weight = _matrix(op)
        if form == "dense" and len(blocks) > 1:
            rows, cols = np.sort(np.concatenate(blocks.rows)), np.unique(np.concatenate(blocks.cols))
            weight = weight * _mask(blocks)
            blocks = Blocks(blocks.shape, (rows,), (cols,))
        xs, ys, zs, lanes = layout.vectors(out, step_h, step_w, residual)
        area = blocks.area
        per = layout.groups(xs.size, self.threads, area)
        tasks = -(-xs.size // per)
        slices = max(1, min(-(-4 * self.threads // tasks), area // 4096 + 1)) if self.threads > 1 else 1
        rows_out = self._slots(op.output) * out.sc
        rows_residual = np.full(c_out, -1, np.int64)
        if residual:
            there = self._slots(op.inputs[1])
            rows_residual = np.where(there >= 0, there * residual.sc, -1)
        parts, tallest = pack(self.tables, blocks, alone, weight, op.bias, offsets, rows_out, rows_residual, slices)
        self._scratch = max(self._scratch, tallest * per * VL)
        add = self.tables.add
        # Room for a whole tile's offsets behind the last: a tile of four vectors reads four.
        vectors = xs.size
        xs, ys, zs = (add(np.append(t, [0] * NV)) for t in (xs, ys, zs))
        count = self.plan.kept(op)
        macs = area * op.output.shape[1] * op.output.shape[2]
        self._step(Step(op.name, kernel.CONV, op.layer, form, count, macs), tasks * slices if out.channels else 0,
                   [base, out.origin, residual.origin if residual else out.origin, xs, ys, zs,
                    add(np.append(lanes, [0] * NV)) if lanes is not None else -1, vectors, slices, parts,
                    kernel.RELU if op.relu else 0, per])

    def _split(self, value: Value, stride: int) -> tuple[layout.Map, int]:
        """(the map's stride² phases, distance from one to the next); made once for all that read it."""
        m = self._maps[value]
        rows, cols = (-(-(n + 2 * m.pad) // stride) + 1 for n in (m.height, m.width))
        planes = rows * cols * m.lanes
        if value not in self._splits:
            start = self._room(stride * stride * planes * m.channels)
            split = self._splits[value] = layout.Map(start, m.channels, rows, cols, 0, m.lanes, stride * stride * planes, cols * m.lanes, m.lanes)
            corner = m.origin - m.pad * (m.sh + m.sp)
            self._step(Step("split", kernel.SPLIT), m.channels,
                       [corner, *m.strides, start, split.sc, planes, split.sh, m.height + 2 * m.pad, m.width + 2 * m.pad, m.lanes, stride])
        return self._splits[value], planes

    def _pool(self, op: Pool, out: layout.Map) -> None:
        source = self._maps[op.inputs[0]]
        together = source.sc == out.sc == self.lanes and self.lanes >= VL   # all channels of a pixel are one run
        channels, run = (1, source.channels * self.lanes) if together else (source.channels, self.lanes)
        if source.channels:
            self._step(Step(op.name, kernel.POOL), out.height * channels,
                       [source.origin, *source.strides, out.origin, *out.strides, source.height, source.width, out.width, op.kernel, op.stride,
                        op.padding, run, op.average, op.whole, channels])

    def _sum(self, op: Sum, out: layout.Map) -> None:
        maps = [self._maps[v] for v in op.inputs]
        slots = [self._slots(v)[self.plan.channels[op.output]] for v in op.inputs]
        if len(maps) == 1:
            maps, slots = maps * 2, [slots[0], np.full_like(slots[0], -1)]
        fields = [x for m in maps for x in (m.origin, *m.strides)] + [out.origin, *out.strides]
        if out.channels:
            self._step(Step(op.name, kernel.ADD), out.channels,
                       [*fields, out.height, out.width, self.lanes, self.tables.add(np.stack(slots, axis=1)), op.relu])

    # Running

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of float32 images (N, c, h, w)."""
        images = x.detach().to(torch.float32).contiguous().numpy()
        result = np.empty((len(images), int(np.prod(self.classes))), np.float32)
        self.forward(images, result)
        return torch.from_numpy(result)

    def forward(self, images: np.ndarray, result: np.ndarray) -> None:
        """images: float32 (batch, c, h, w), C-ordered; result: float32 (batch, classes), written."""
        self.run(images, result, 0, len(self.steps))

    def run(self, images: np.ndarray, result: np.ndarray, first: int, last: int) -> None:
        """Steps first … last - 1 on what the arena holds."""
        sync = np.zeros((len(self.steps), 8), np.int64)
        pool.together(self.threads, lambda t: kernel.run(self._F, self._I, self._W, self._S, sync, images.reshape(-1), result.reshape(-1),
                                                         first, last, self._scratches[t]))


def masked_copy(model: nn.Module, layers: Sequence[Layer], masks: Masks | None, structural: bool) -> nn.Module:
    """The dense network in evaluation mode that computes what the ticket does: the reference of everything here."""
    model = copy.deepcopy(model).to("cpu", torch.float32).eval()
    if masks is not None:
        Masked(model, layers, masks, structural=structural).enforce()
    return model


def plan(model: nn.Module, layers: Sequence[Layer], image_shape: tuple[int, int, int], masks: Masks | None, *, structural: bool) -> Plan:
    """What there is to compute. masks: None for the dense network."""
    graph = graphs.trace(masked_copy(model, layers, masks, structural), image_shape)
    return Plan(graph, {name: masks[name] for name in masks} if masks is not None else {})


def build(model: nn.Module, layers: Sequence[Layer], image_shape: tuple[int, int, int], masks: Masks | None, *, structural: bool,
          batch: int = 64, threads: int = 0, forms: Mapping[str, str] | None = None) -> Program:
    """The program of a ticket for `batch` images at most at a time. forms: by layer, one of FORMS; `blocks` where nothing is said."""
    return Program(plan(model, layers, image_shape, masks, structural=structural), batch, threads or pool.available(), forms or {})


def _matrix(op: Conv) -> np.ndarray:
    """Weights as (C_out, C_in·kh·kw) over all input channels."""
    rows = len(op.weight)
    own = op.weight.reshape(rows, -1)
    if op.groups == 1:
        return own
    whole = np.zeros((op.groups, rows // op.groups, op.groups, own.shape[1]), np.float32)
    whole[np.arange(op.groups), :, np.arange(op.groups)] = own.reshape(op.groups, rows // op.groups, -1)
    return whole.reshape(rows, -1)


def _mask(blocks: Blocks) -> np.ndarray:
    from lthviz.core.blocks import to_mask

    return to_mask(blocks)
