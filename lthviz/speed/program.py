"""A network with masks as a program for the block kernel, from images to logits.

    program = build(model, layers, (3, 32, 32), masks, structural=True, batch=64)
    logits = program(images)            # float32 (N, 3, 32, 32) -> (N, classes); any N, 64 images a pass

Each layer runs in the faster of its forms, measured on this machine (auto.py): its blocks as they are, or one dense block.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lthviz.errors import SpeedError
from lthviz.nn.masking import Masked
from lthviz.records import Layer, Masks
from lthviz.speed import auto, graph, layout, machine
from lthviz.speed.graph import Conv, Opaque
from lthviz.speed.live import Plan
from lthviz.speed.passes import Pass


def build(model: nn.Module, layers: Sequence[Layer], image_shape: tuple[int, int, int], masks: Masks | None, *, structural: bool,
          batch: int = 64, threads: int = 0, forms: Mapping[str, str] | None = None) -> Program:
    """The program of a ticket.

    masks: None for the dense network. structural: a row without weights is a removed channel, its BatchNorm with it. batch: images
    at a time for which layouts and forms are chosen. threads: 0 for all cores. forms: by layer, one of passes.FORMS, `blocks`
    where nothing is said; None measures which is faster. SpeedError for what cannot be traced, MaskError for masks that do not fit.
    """
    if batch < 1:
        raise SpeedError(f"batch = {batch}: a pass needs at least one image")
    plan = plan_of(model, layers, image_shape, masks, structural=structural)
    threads = threads or machine.cores()
    return Program(plan, batch, threads, auto.choose(plan, min(batch, layout.LANES), threads) if forms is None else forms)


def plan_of(model: nn.Module, layers: Sequence[Layer], image_shape: tuple[int, int, int], masks: Masks | None, *, structural: bool) -> Plan:
    """What there is to compute."""
    model = copy.deepcopy(model).to("cpu", torch.float32).eval()
    if masks is not None:
        Masked(model, layers, masks, structural=structural).enforce()
    return Plan(graph.trace(model, image_shape), {name: masks[name] for name in masks} if masks is not None else {})


class Program:
    """Runs a plan for any number of images. forms: by layer. A second thread that calls it waits for the first."""

    def __init__(self, plan: Plan, batch: int, threads: int, forms: Mapping[str, str]) -> None:
        self.plan, self.batch, self.threads, self.forms = plan, batch, threads, dict(forms)
        self._passes: dict[int, Pass] = {}
        self._busy = threading.Lock()   # one arena for all that run it
        for images in self._slices(batch):
            self.pass_for(images.stop - images.start)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of float32 images (N, c, h, w)."""
        if tuple(x.shape[1:]) != self.plan.graph.image.shape or not len(x):
            raise SpeedError(f"images of shape {tuple(x.shape)}; this program takes (N, {', '.join(map(str, self.plan.graph.image.shape))})")
        images = x.detach().to(torch.float32).contiguous().numpy()
        result = np.empty((len(images), int(np.prod(self.plan.graph.output.shape))), np.float32)
        with self._busy:
            for part in self._slices(len(images)):
                self.pass_for(part.stop - part.start).run(images[part], result[part])
        return torch.from_numpy(result)

    def pass_for(self, images: int) -> Pass:
        """The pass for that many images, made when it is first needed."""
        if images not in self._passes:
            self._passes[images] = Pass(self.plan, images, self.threads, self.forms)
        return self._passes[images]

    @staticmethod
    def _slices(count: int) -> Iterator[slice]:
        for start in range(0, count, layout.LANES):
            yield slice(start, min(count, start + layout.LANES))

    @property
    def executors(self) -> dict[str, str]:
        """What runs each layer, by parameter name: a form of passes.FORMS, or `removed`."""
        area = {op.layer: self.plan.blocks[op].area for op in self.plan.graph.ops if isinstance(op, Conv)}
        return {layer: self.forms.get(layer, "blocks") if kept else "removed" for layer, kept in area.items()}

    @property
    def foreign(self) -> list[str]:
        """Operations that plain torch runs, since there is no kernel for them here."""
        return [op.name for op in self.plan.graph.ops if isinstance(op, Opaque)]

    def layer_times(self, x: torch.Tensor, repeats: int = 7) -> dict[str, float]:
        """Median milliseconds of each layer's step, run alone on the feature maps of the images x (N, c, h, w)."""
        images = x.detach().to(torch.float32).contiguous().numpy()
        found: dict[str, float] = {}
        with self._busy:
            for part in self._slices(len(images)):
                one = self.pass_for(part.stop - part.start)
                result = np.empty((one.batch, int(np.prod(self.plan.graph.output.shape))), np.float32)
                one.run(images[part], result)
                for i, step in enumerate(one.steps):
                    if step.layer:
                        found[step.layer] = found.get(step.layer, 0.0) + one.step_ms(i, images[part], result, repeats)
        return found

