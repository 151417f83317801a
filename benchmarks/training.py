"""What masks, augmentation and settings cost in a training step: `python benchmarks/training.py [--models resnet20 convnet] [--steps 15]`.

Steps of the real training loop on random images, batch 128 (convnet: 32), dense and masked networks interleaved in one process,
each round in another order; ratios are taken within a round, so that a disturbance of some seconds hits both. "dense again" is a
second dense network: how far its ratio strays from 1 is the noise. Medians and quartiles; on a CPU of wall and of CPU time, since
the second hardly minds what else the machine does. `--ticket` also times one whole training of the preset `digits`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.machine import header, line
from lthviz.config import RunConfig
from lthviz.nn import data, device, models, topology
from lthviz.nn.data import Images
from lthviz.nn.masking import Masked
from lthviz.nn.train import BatchDone, Trainer
from lthviz.presets import preset
from lthviz.records import Layer, Masks

WARM = 3
SHAPES = {"convnet": (1, 8, 8)}
SETTINGS = (("float32", "contiguous"), ("float32", "channels_last"), ("bfloat16", "channels_last"))


def random_images(n: int, shape: tuple[int, int, int], place: torch.device) -> Images:
    g = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=g).to(place)
    y = torch.randint(0, 10, (n,), generator=g).to(place)
    mean = torch.full((shape[0], 1, 1), 128.0, device=place)
    return Images(x, y, x[:0], y[:0], x[:0], y[:0], mean, mean / 2, tuple("0123456789"))


def random_masks(layers: tuple[Layer, ...], structural: bool) -> Masks:
    """A fifth of the weights at random places, or a fifth of the channels whole."""
    rng = np.random.default_rng(0)
    return Masks.of({x.name: np.broadcast_to(rng.random((x.shape[0], 1, 1, 1) if structural else x.shape) < 0.2, x.shape) for x in layers})


def batches(trainer: Trainer, structural: bool | None) -> Iterator[BatchDone]:
    """A training's batches; structural None: dense."""
    config, images = trainer.config, trainer.images
    model = models.build(config, images.shape, 10)
    layers = topology.layers(model, images.shape)
    masked = None if structural is None else Masked(model, layers, random_masks(layers, structural), structural=structural)
    return (event for event in trainer.train(model, masked) if isinstance(event, BatchDone))


def timed(work: Iterator, place: torch.device) -> tuple[float, float]:
    """Milliseconds of wall and of CPU time until the next item is really there."""
    wall, cpu = time.perf_counter(), time.process_time()
    next(work)
    if place.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def data_step(trainer: Trainer) -> float:
    """Milliseconds that the images of a step take, over a whole epoch of augmented batches."""
    began = time.perf_counter()
    *_, (x, _) = trainer.batches.epoch(0)
    x[0, 0, 0, 0].item()   # on a GPU: all of it is done
    return (time.perf_counter() - began) * 1e3 / trainer.steps_per_epoch


def spread(values: list[float], digits: int) -> str:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def measure(config: RunConfig, steps: int) -> None:
    place, size = device.pick(config), config.batch_size
    shape = SHAPES.get(config.model, (3, 32, 32))
    trainer = Trainer(config, random_images(size * (steps + WARM + 1), shape, place))
    kinds = {"dense": batches(trainer, None), "masked": batches(trainer, False), "channels removed": batches(trainer, True),
             "dense again": batches(trainer, None)}
    ms: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for i in range(steps + WARM):
        order = list(kinds)[i % len(kinds):] + list(kinds)[:i % len(kinds)]
        for kind in order:
            ms[kind].append(timed(kinds[kind], place))
    wall, cpu = ({kind: [v[clock] for v in values[WARM:]] for kind, values in ms.items()} for clock in (0, 1))
    what = f"{config.model} {config.precision} {config.memory_format}"
    line(f"{what}, dense step", f"{spread(wall['dense'], 2)} ms, n = {steps}")
    for kind, limit in (("masked", "1.03"), ("channels removed", "1.03"), ("dense again", "")):
        ratios = [spread([m / d for m, d in zip(clock[kind], clock["dense"], strict=True)], 3) for clock in (wall, cpu)]
        line(f"  {kind} ÷ dense", f"wall {ratios[0]}" + (f", CPU {ratios[1]}" if place.type == "cpu" else ""), limit)
    data_ms = [data_step(trainer) / statistics.median(wall["dense"]) for _ in range(5)]
    line("  images and augmentation ÷ dense", spread(data_ms, 4))


def ticket() -> None:
    config = preset("digits").config
    images = data.load(config, device.pick(config))
    trainer, seconds = Trainer(config, images), []
    for _ in range(4):
        model = models.build(config, images.shape, 10)
        layers = topology.layers(model, images.shape)
        masked = Masked(model, layers, random_masks(layers, False), structural=False)
        began = time.perf_counter()
        for _ in trainer.train(model, masked, start_step=trainer.resume_step):
            pass
        accuracy = trainer.test_accuracy(model)
        seconds.append(time.perf_counter() - began)
    line(f"a ticket of the preset digits: {trainer.total_steps - trainer.resume_step} steps, validation, test",
         f"{spread(seconds[1:], 2)} s, n = 3 ({accuracy:.1f} % under a random mask)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["convnet", "resnet20", "resnet18"], choices=list(models.BUILDERS))
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--ticket", action="store_true", help="also a whole training of the preset digits")
    args = parser.parse_args()
    threads = device.use_threads(RunConfig(threads=args.threads))
    print(header(f"Training steps: median (quartiles), {threads} threads", ("torch", "numpy")))
    for model in args.models:
        for precision, memory_format in SETTINGS:
            measure(RunConfig(model=model, batch_size=32 if model == "convnet" else 128, precision=precision, lr=1e-3, threads=args.threads,
                              memory_format=memory_format, device=args.device), args.steps)
    if args.ticket:
        ticket()


if __name__ == "__main__":
    main()
