"""Training loops that ours is held against, written out by hand: what somebody would write who only wants to train a dense network."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from lthviz.config import RunConfig
from lthviz.nn import device, models, topology
from lthviz.nn.augment import AUGMENTS
from lthviz.nn.data import Images
from lthviz.nn.masking import Masked
from lthviz.nn.train import EpochDone, Trainer
from lthviz.records import Masks


def plain(config: RunConfig, images: Images, augmented: bool = True, compiled: str = "") -> Iterator[int]:
    """Epoch after epoch of a plain dense loop; yields the number of images after each.

    The same network, precision, memory layout, fused SGD and rate as ours, images on the same device, whole batches only. augmented:
    each batch is gathered, changed as ours is (the same function, a batch at a time) and normalised; otherwise every batch is the same one,
    ready made: no data path at all. compiled: a mode of torch.compile.
    """
    place, layout = images.device, device.memory_format(config)
    network = models.build(config, images.shape, 10).to(place, memory_format=layout).train()
    called = torch.compile(network, mode=compiled) if compiled else network
    optimizer = torch.optim.SGD(network.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True)
    change, g = AUGMENTS[config.augment], torch.Generator().manual_seed(0)
    size, n = config.batch_size, len(images.y_train)
    ready = images.normalise(images.x_train[:size]).contiguous(memory_format=layout), images.y_train[:size]
    while True:
        order = torch.randperm(n, generator=g).to(place)
        drawn = [t.to(place) for t in change.draw(n, images.shape, g)]
        for start in range(0, n - size + 1, size):
            x, y = ready
            if augmented:
                here = slice(start, start + size)
                x = change.apply(images.x_train[order[here]], *(d[here] for d in drawn))
                x, y = images.normalise(x).contiguous(memory_format=layout), images.y_train[order[here]]
            with torch.autocast(place.type, torch.bfloat16) if config.precision == "bfloat16" else contextlib.nullcontext():
                loss = F.cross_entropy(called(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        yield n // size * size


def ours(trainer: Trainer, masks: Callable[[tuple], Masks] | None = None) -> Iterator[int]:
    """Epoch after epoch of the project's loop, dense or masked, with everything it does: checks, metrics, augmentation."""
    config, images = trainer.config, trainer.images
    model = models.build(config, images.shape, 10).to(trainer.device, memory_format=device.memory_format(config))
    layers = topology.layers(model, images.shape)
    masked = Masked(model, layers, masks(layers), structural=False) if masks else None
    for event in trainer.train(model, masked):
        if isinstance(event, EpochDone):
            yield len(images.y_train)


def images_per_second(epochs: Iterator[int], place: torch.device) -> float:
    """Of the next epoch, until all of it is done."""
    began = time.perf_counter()
    n = next(epochs)
    if place.type == "cuda":
        torch.cuda.synchronize()
    return n / (time.perf_counter() - began)
