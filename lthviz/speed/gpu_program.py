"""A network with masks on the GPU: its convolutions as blocks (triton_blocks) or as smaller dense ones, each layer as is faster.

    program = build(model, layers, (3, 32, 32), masks, structural=True, batch=64, precision="tf32")
    logits = program(images)            # (N, 3, 32, 32) on the GPU -> float32 (N, classes); any N

Only live channels are stored and computed (live.py). Feature maps are torch tensors of logical shape (N, channels, h, w), those
of blocks with the batch innermost in memory, those of dense layers channels-last; a layer brings its input into its own order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from lthviz.errors import SpeedError
from lthviz.nn.masking import Masked
from lthviz.records import Layer, Masks
from lthviz.speed import gpu_steps, gpu_tune, graph
from lthviz.speed.live import Plan
from lthviz.speed.triton_blocks import PRECISIONS, check_device

EXECUTORS = ("auto", "blocks", "dense")


class Choice(NamedTuple):
    """Who runs a layer (`blocks`, `dense`, or `removed` where nothing of it is left), and the milliseconds that decided, None
    where nothing was measured. layer: its parameter."""

    layer: str
    executor: str
    blocks_ms: float | None = None
    dense_ms: float | None = None


def build(model: nn.Module, layers: Sequence[Layer], image_shape: tuple[int, int, int], masks: Masks | None, *, structural: bool,
          batch: int = 64, precision: str = "float32", executor: str = "auto", device: str | torch.device = "cuda",
          clock: gpu_tune.Clock = gpu_tune.milliseconds) -> GpuProgram:
    """The program of a ticket, or of the dense network where masks is None.

    executor: `blocks` with fair tiles, `dense` with removed channels gone, or `auto`: both measured at `batch` images, layer by
    layer and as a whole, and the fastest kept (a minute or two the first time on a machine, most of it Triton compiling tiles).
    SpeedError for a batch, precision, executor or device that is not there.
    """
    if batch < 1:
        raise SpeedError(f"batch = {batch} should be at least 1")
    for value, known, what in ((precision, PRECISIONS, "precision"), (executor, EXECUTORS, "executor")):
        if value not in known:
            raise SpeedError(f"{what} = {value!r} is not one of {', '.join(known)}")
    check_device(device)
    try:
        model = copy.deepcopy(model).to("cpu", torch.float32).eval()
        if masks is not None:
            Masked(model, layers, masks, structural=structural).enforce()
        plan = Plan(graph.trace(model, image_shape), dict(masks) if masks is not None else {})
        program = GpuProgram(plan, precision).to(device)
        program.use(["dense" if executor == "dense" else "blocks"] * len(program.convs))
        if executor == "auto":
            images = torch.randn((batch, *image_shape), generator=torch.Generator().manual_seed(0)).to(device)
            program.measure(images, clock)
        return program.settle()
    except torch.OutOfMemoryError:
        raise _too_much(batch) from None


class GpuProgram(nn.Module):
    """Steps from images to logits. `choices`: who runs each convolution and linear layer. `foreign`: what plain torch runs because no step is
    known."""

    def __init__(self, plan: Plan, precision: str) -> None:
        super().__init__()
        self.precision, ops = precision, plan.graph.ops
        self.slots = {value: i for i, value in enumerate(plan.channels)}
        self.steps = nn.ModuleList(gpu_steps.step(plan, op, precision) for op in ops)
        self.wiring = [([self.slots[v] for v in op.inputs], self.slots[op.output]) for op in ops]
        last = {slot: i for i, (reads, _) in enumerate(self.wiring) for slot in reads}
        self.frees = [[s for s, at in last.items() if at == i] for i in range(len(ops))]
        self.image, self.output = self.slots[plan.graph.image], self.slots[plan.graph.output]
        self.logits = gpu_steps.Channels(plan.channels[plan.graph.output], np.arange(plan.graph.output.shape[0]))
        self.image_shape = plan.graph.image.shape
        self.convs = [s for s in self.steps if isinstance(s, gpu_steps.Convolution)]
        self.foreign = tuple(op.name for op in ops if isinstance(op, graph.Opaque))
        self._replayed = gpu_tune.Replayed(self.run)

    @property
    def choices(self) -> tuple[Choice, ...]:
        steps = (s for s in self.steps if isinstance(s, gpu_steps.Convolution | gpu_steps.Linear))
        return tuple(Choice(s.layer, s.executor if s.kept else "removed", s.blocks_ms, s.dense_ms) for s in steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, float32 (N, classes), of images (N, c, h, w) on the program's device; on a GPU one replayed CUDA graph."""
        if tuple(x.shape[1:]) != self.image_shape or not len(x):
            raise SpeedError(f"images of shape {tuple(x.shape)}; this program takes (N, {', '.join(map(str, self.image_shape))})")
        try:
            return self._replayed(x) if x.device.type == "cuda" else self.run(x)
        except torch.OutOfMemoryError:
            raise _too_much(len(x)) from None

    def run(self, x: torch.Tensor, watch=lambda step, inputs: None) -> torch.Tensor:
        """The same, step by step. watch: called with every step and its inputs before it runs."""
        flags = torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=self.precision == "tf32")
        with torch.no_grad(), flags:
            maps = {self.image: x.to(PRECISIONS[self.precision])}
            for step, (reads, makes), frees in zip(self.steps, self.wiring, self.frees, strict=True):
                inputs = [maps[slot] for slot in reads]
                watch(step, inputs)
                maps[makes] = step(*inputs)
                for slot in frees:
                    if slot != self.output:
                        del maps[slot]
            return self.logits(maps[self.output]).flatten(1).float()

    def use(self, forms: Sequence[str]) -> None:
        for step, form in zip(self.convs, forms, strict=True):
            step.form = form

    def measure(self, x: torch.Tensor, clock: gpu_tune.Clock) -> None:
        """Tile sizes, then the forms: blocks alone, dense alone, and the best mixture by layer, each timed as a whole network."""
        costs = []

        def watch(step: nn.Module, inputs: list[torch.Tensor]) -> None:
            if isinstance(step, gpu_steps.Convolution):
                costs.append(step.measure(*inputs, clock=clock))
            elif isinstance(step, gpu_steps.Linear):
                step.measure(*inputs, clock=clock)

        self.run(x, watch)
        count = len(self.convs)
        ways = {tuple(w): 0.0 for w in (gpu_tune.choose(costs), ["blocks"] * count, ["dense"] * count)}
        for way in ways:
            self.use(way)
            ways[way] = clock(lambda: self.run(x))
        self.use(min(ways, key=ways.__getitem__))

    def settle(self) -> GpuProgram:
        """Forget the forms that are not used."""
        for step in self.convs:
            step.settle()
        return self


def _too_much(batch: int) -> SpeedError:
    return SpeedError(f"batch = {batch} needs more memory than the GPU has free; use a smaller batch")
