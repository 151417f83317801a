"""How long a run will take on this machine: a few of its training steps, on random images of the right size, times all of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from typing import NamedTuple

from lthviz.config import RunConfig
from lthviz.records import BUSY_CORES
from lthviz.speed import cache, machine

TABLE = "training"
"""Of the cache: training images a second, by key."""
IMAGES = {"digits": ((1, 8, 8), 10, 1203), "cifar10": ((3, 32, 32), 10, 50_000), "cifar100": ((3, 32, 32), 100, 50_000),
          "fashion-mnist": ((1, 28, 28), 10, 60_000), "tiny-imagenet": ((3, 64, 64), 200, 100_000), "imagenet": ((3, 224, 224), 1000, 1_281_167)}
"""(c, h, w), classes and training images of each data set as it is published."""
STEPS = 2
FLOATS = 1 << 17
"""Of a measured batch: 42 images of 32×32 in colour. A larger batch is a little faster an image, and seconds slower to measure."""

_HOW = ("model", "form", "data", "linear", "precision", "memory_format", "compile", "device", "threads", "augment")


class Expected(NamedTuple):
    """images: those trained on in all of a run's trainings. images_per_s: measured here. seconds: of all of them, without evaluation.

    busy: other processes took more than a quarter of a core meanwhile, so that it may take less.
    """

    images: int
    images_per_s: float
    seconds: float
    busy: bool = False


def images(config: RunConfig) -> int:
    """Images trained on in a whole run; 0 for data of unknown size."""
    if config.data not in IMAGES:
        return 0
    n = config.train_images or round(IMAGES[config.data][2] * (1 - config.validation))
    whole = config.epochs * n
    rest = whole - round(config.rewind * whole) if config.after_rewind == "continue" else whole
    tickets = (config.structure(label) for k in range(1, config.rounds + 1) for label in config.tickets(k))
    return whole + sum(rest if s is None or s.begins == "rewound" else whole for s in tickets)


def expected(config: RunConfig, tell: Callable[[str], None] | None = None) -> Expected | None:
    """What a run will take here; None for data whose size is not known. Measured once for a network, its images and how it is trained.

    Tickets count as the dense network, though a refilled one trains faster; decoding of files is not in it. tell: is told what is measured.
    """
    total = images(config)
    if not total:
        return None
    key = _key(config)
    known = cache.read(TABLE).get(key)
    if not isinstance(known, int | float) or not known > 0:
        if tell:
            tell(f"measuring a few steps of {config.model} on {config.data}")
        others = machine.Others()
        known = _measured(config)
        if (others.cores() or 0) > BUSY_CORES:   # what a busy machine says is not remembered
            return Expected(total, known, total / known, busy=True)
        cache.update(TABLE, {key: known})
    return Expected(total, known, total / known)


def _key(config: RunConfig) -> str:
    from lthviz.nn import device

    how = [machine.identity(), str(device.pick(config)), *(getattr(config, name) for name in _HOW), min(config.batch_size, _batch(config))]
    return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:20]


def _batch(config: RunConfig) -> int:
    c, h, w = IMAGES[config.data][0]
    return max(2, FLOATS // (c * h * w))


def _measured(config: RunConfig) -> float:
    """Images a second of the run's own training loop, the faster of STEPS steps after one that does not count."""
    import torch

    from lthviz.nn import device, models
    from lthviz.nn.data import Images
    from lthviz.nn.train import BatchDone, Trainer

    shape, classes, _ = IMAGES[config.data]
    size = min(config.batch_size, _batch(config))
    config = dataclasses.replace(config, batch_size=size, epochs=1, milestones=(1,), warmup=0, train_images=0)
    place, count = device.pick(config), (1 + STEPS) * size
    random = torch.Generator().manual_seed(0)
    x, y = (torch.randint(0, n, s, generator=random) for n, s in ((256, (count, *shape)), (classes, (count,))))
    x, y = x.to(torch.uint8).to(place), y.to(place)
    mean, std = (torch.full((shape[0], 1, 1), v, device=place) for v in (127.0, 74.0))
    pictures = Images(x, y, x[:0], y[:0], x[:0], y[:0], mean, std, tuple(map(str, range(classes))))
    training = Trainer(config, pictures).train(models.build(config, shape, classes))
    taken, begun = [], 0.0
    for event in training:
        if isinstance(event, BatchDone):
            event.loss.item()   # waits for the device
            now = time.perf_counter()
            taken.append(now - begun)
            begun = now
    return size / min(taken[1:])
