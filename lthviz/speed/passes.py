"""One pass of a network program: the steps for a fixed number of images, their feature maps in one arena, and how they run.

Only live channels are stored and computed (live.py); a residual sum lives on the union of its branches' channels. An
operation that is not there as a step (graph.Opaque) runs in plain torch between two stretches of steps.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lthviz.core.blocks import to_mask
from lthviz.records import Blocks
from lthviz.speed import kernel, layout
from lthviz.speed import threads as pool
from lthviz.speed.graph import Conv, Opaque, Pool, Sum, Value
from lthviz.speed.live import Plan
from lthviz.speed.pack import Rows, Tables, pack, pack_turned
from lthviz.speed.registers import NV, VL
from lthviz.speed.tile import RELU

FORMS = ("blocks", "dense", "quads", "turned")
"""What may run a layer: its blocks as they are; one block of all its live rows and columns; its blocks, with scattered rows four at
a time; its blocks with their rows as the vectors' lanes, for small maps of fewer images than a vector holds."""


class Step(NamedTuple):
    """name: of the operation in the network. kind: of kernel.KINDS. layer: the parameter's name, '' for a step without weights.

    form: of FORMS. macs: multiply-adds of the step for one image, as it runs.
    """

    name: str
    kind: int
    layer: str = ""
    form: str = ""
    macs: int = 0


class Pass:
    """The program of `plan` for `batch` images, at most layout.LANES. Two threads must not run one at the same time."""

    def __init__(self, plan: Plan, batch: int, threads: int, forms: Mapping[str, str]) -> None:
        self.plan, self.batch, self.threads = plan, batch, threads
        self.lanes = layout.lanes(batch)
        self.steps: list[Step] = []
        self.tables = Tables()
        self._rows: list[list[int]] = []
        self._maps: dict[Value, layout.Map] = {}
        self._splits: dict[tuple[Value, int, int], layout.Map] = {}
        self._free: dict[tuple, list[int]] = {}
        self._foreign: list[tuple[int, Opaque, list[np.ndarray], np.ndarray]] = []
        self._arrays: dict[int, np.ndarray] = {}     # what LOAD and STORE steps read and write instead of images and result
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
        self._load(graph.image)
        for i, op in enumerate(graph.ops):
            if isinstance(op, Opaque):
                self._opaque(op)
            elif isinstance(op, Conv):
                self._conv(op, self._map(op.output), forms.get(op.layer, "blocks"))
            elif isinstance(op, Pool):
                self._pool(op, self._map(op.output))
            elif isinstance(op, Sum):
                self._sum(op, self._map(op.output))
            for value in {v for v in op.inputs if last[v] == i and v is not graph.output}:
                self._release(value)
        self._store(graph.output)
        self._T, self._W = self.tables.finish()
        rows = np.zeros((len(self._rows), kernel.FIELDS), np.int64)
        for i, row in enumerate(self._rows):
            rows[i, :len(row)] = row
        self._S = rows
        self._scratches = [self._size + i * (self._scratch + VL) for i in range(self.threads)]
        memory = np.zeros(self._size + self.threads * (self._scratch + VL) + 2 * VL, np.float32)
        shift = (-memory.ctypes.data // 4) % VL   # the arena begins on a cache line
        self._F = memory[shift:shift + memory.size - VL]

    def _load(self, value: Value, name: str = "input") -> None:
        (c, h, w), m = value.shape, self._map(value)
        self._step(Step(name, kernel.LOAD), h, [m.origin, *m.strides, c, h, w, self.batch])

    def _store(self, value: Value, name: str = "output") -> None:
        m = self._maps[value]
        per = self._share(value.shape[0])
        self._step(Step(name, kernel.STORE), -(-value.shape[0] // per),
                   [m.origin, *m.strides, *value.shape, self.batch, self.tables.add(self._slots(value)), per])

    def _share(self, units: int) -> int:
        """Units a task takes, so that there are a few tasks a thread."""
        return max(1, -(-units // (4 * self.threads)))

    def _opaque(self, op: Opaque) -> None:
        """Out of the arena, through torch, and back: slow, and right."""
        inputs = []
        for value in op.inputs:
            inputs.append(np.empty((self.batch, *value.shape), np.float32))
            self._arrays[len(self.steps)] = inputs[-1]
            self._store(value, f"{op.name} (to torch)")
        output = np.empty((self.batch, *op.output.shape), np.float32)
        self._foreign.append((len(self.steps), op, inputs, output))
        self._arrays[len(self.steps)] = output
        self._load(op.output, f"{op.name} (from torch)")

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
            split, planes = self._split(op.inputs[0], sh, sw)
            i, j = i + source.pad - ph, j + source.pad - pw
            offsets = slots * split.sc + ((i % sh) * sw + j % sw) * planes + (i // sh) * split.sh + (j // sw) * split.sp
            base, step_h, step_w = split.origin, split.sh, split.sp
        else:
            offsets = slots * source.sc + (i - ph) * source.sh + (j - pw) * source.sp
            base, step_h, step_w = source.origin, source.sh * sh, source.sp * sw
        blocks, alone = self.plan.blocks[op], self.plan.alone[op]
        weight = _matrix(op)
        if form == "dense" and len(blocks) > 1:
            weight = weight * to_mask(blocks)
            blocks = Blocks(blocks.shape, (np.sort(np.concatenate(blocks.rows)),), (np.unique(np.concatenate(blocks.cols)),))
        area = blocks.area
        added = np.full(c_out, -1, np.int64)
        if residual:
            there = self._slots(op.inputs[1])
            added = np.where(there >= 0, there * residual.sc, -1)
        rows = Rows(weight, op.bias, offsets, self._slots(op.output) * out.sc, added)
        origins = [base, out.origin, residual.origin if residual else out.origin]
        made = Step(op.name, kernel.TURN if form == "turned" else kernel.CONV, op.layer, form, area * out.height * out.width)
        relu = RELU if op.relu else 0
        if form == "turned":
            self._turned(made, layout.pixels(out, step_h, step_w, residual), origins, pack_turned(self.tables, blocks, alone, rows), relu)
            return
        xs, ys, zs, lanes = layout.vectors(out, step_h, step_w, residual)
        per = layout.groups(xs.size, self.threads, area)
        tasks = -(-xs.size // per)
        slices = max(1, min(-(-4 * self.threads // tasks), area // 4096 + 1)) if self.threads > 1 else 1
        parts, quads, tallest = pack(self.tables, blocks, alone, rows, slices, quads=form == "quads")
        self._scratch = max(self._scratch, tallest * per * VL)
        add = self.tables.add
        vectors = xs.size
        xs, ys, zs, lanes = (-1 if t is None else add(np.append(t, [t[-1]] * NV)) for t in (xs, ys, zs, lanes))   # a tile reads NV
        self._step(made, tasks * slices if out.channels else 0, [*origins, xs, ys, zs, lanes, vectors, slices, parts, relu, per, quads])

    def _turned(self, made: Step, places: tuple[np.ndarray, ...], origins: list[int], packed: tuple[int, int], relu: int) -> None:
        units, count = packed
        pixels = places[0].size
        parts = min(-(-4 * self.threads // max(1, count)), -(-pixels // kernel.PIXELS))
        per = -(-pixels // (parts * kernel.PIXELS)) * kernel.PIXELS
        xs, ys, zs = (self.tables.add(np.append(t, [0] * kernel.PIXELS)) for t in places)
        self._scratch = max(self._scratch, kernel.PIXELS * NV * VL)
        self._step(made, count * -(-pixels // per), [*origins, xs, ys, zs, pixels, units, -(-pixels // per), per, relu])

    def _split(self, value: Value, down: int, right: int) -> tuple[layout.Map, int]:
        """(the map's phases for strides of `down` and `right`, distance from one to the next); made once for all that read them."""
        m = self._maps[value]
        rows, cols = -(-(m.height + 2 * m.pad) // down) + 1, -(-(m.width + 2 * m.pad) // right) + 1
        planes = rows * cols * m.lanes
        if (value, down, right) not in self._splits:
            phases = down * right * planes
            start = self._room(phases * m.channels)
            split = self._splits[value, down, right] = layout.Map(start, m.channels, rows, cols, 0, m.lanes, phases, cols * m.lanes, m.lanes)
            corner = m.origin - m.pad * (m.sh + m.sp)
            per = self._share(m.channels)
            self._step(Step("split", kernel.SPLIT), -(-m.channels // per),
                       [corner, *m.strides, start, split.sc, planes, split.sh, m.height + 2 * m.pad, m.width + 2 * m.pad, m.lanes, down, right,
                        m.channels, per])
        return self._splits[value, down, right], planes

    def _pool(self, op: Pool, out: layout.Map) -> None:
        source = self._maps[op.inputs[0]]
        together = source.sc == out.sc == self.lanes and self.lanes >= VL   # all channels of a pixel are one run
        channels, run = (1, source.channels * self.lanes) if together else (source.channels, self.lanes)
        total = channels * out.height
        per = self._share(total)
        if source.channels:
            self._step(Step(op.name, kernel.POOL), -(-total // per),
                       [source.origin, *source.strides, out.origin, *out.strides, source.height, source.width, out.height, out.width,
                        op.kernel, op.stride, op.padding, run, op.average, op.whole, total, per])

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

    def run(self, images: np.ndarray, result: np.ndarray) -> None:
        """images: float32 (batch, c, h, w), C-ordered. result: float32 (batch, classes), C-ordered, written."""
        first = 0
        for i, op, inputs, output in self._foreign:
            self.stretch(first, i, images, result)
            op.run(inputs, output)
            first = i
        self.stretch(first, len(self.steps), images, result)

    def stretch(self, first: int, last: int, images: np.ndarray, result: np.ndarray) -> None:
        """Steps first … last - 1 on what the arena holds."""
        for i in [x for x in self._arrays if first <= x < last]:   # a step that reads or writes an array of its own runs alone
            self._together(self._S[first:i], images, result)
            self._together(self._S[i:i + 1], self._arrays[i], self._arrays[i])
            first = i + 1
        self._together(self._S[first:last], images, result)

    def step_ms(self, i: int, images: np.ndarray, result: np.ndarray, repeats: int) -> float:
        """Median milliseconds of step i alone, on what the arena holds. A short one stands in a program many times, as waking
        the threads would take longer than the step."""
        work = 2 * self.steps[i].macs * self.batch
        inside = min(1000, max(1, int(3e8 / work))) if work else 1
        steps = np.repeat(self._S[i:i + 1], inside, axis=0)
        images, result = (self._arrays.get(i, a) for a in (images, result))
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            self._together(steps, images, result)
            times.append((time.perf_counter() - begun) / inside)
        return 1000 * statistics.median(times)

    def _together(self, steps: np.ndarray, images: np.ndarray, result: np.ndarray) -> None:
        """All threads through some rows of the step table."""
        if not len(steps):
            return
        sync = np.zeros((len(steps), 8), np.int64)
        images, result, scratch = images.reshape(-1), result.reshape(-1), self._scratches
        pool.together(self.threads, lambda t, order: kernel.run(self._F, self._T, self._W, steps, sync, images, result, 0, len(steps),
                                                                scratch[t], pool.ORDERS, t, order))


def _matrix(op: Conv) -> np.ndarray:
    """Weights as (C_out, C_in·kh·kw) over all input channels."""
    rows = len(op.weight)
    own = op.weight.reshape(rows, -1)
    if op.groups == 1:
        return own
    whole = np.zeros((op.groups, rows // op.groups, op.groups, own.shape[1]), np.float32)
    whole[np.arange(op.groups), :, np.arange(op.groups)] = own.reshape(op.groups, rows // op.groups, -1)
    return whole.reshape(rows, -1)
