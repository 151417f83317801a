"""How fast training is, and what masks, augmentation and settings cost: `python benchmarks/training.py [--models resnet20 convnet] [--steps 15]`.

Images a second are those of whole epochs of our loop, with all it does (augmentation, checks of the loss, masks, metrics), against a
plain dense loop written by hand (loops.py) on the same images, in the same precision and layout, with the same augmentation done a
batch at a time, and against the same loop with no data path at all; interleaved, each round in another order, ratios within a round.
"two processes" is one whole training of the same global batch under torchrun, a thread each, measured after the others.

Below them, steps of the real training loop on random images, batch 128 (convnet: 32), dense and masked networks interleaved in one process,
each round in another order; ratios are taken within a round, so that a disturbance of some seconds hits both. "dense again" is a
second dense network: how far its ratio strays from 1 is the noise. Medians and quartiles; on a CPU of wall and of CPU time, since
the second hardly minds what else the machine does. `--ticket` also times one whole training of the preset `digits`.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks import loops
from benchmarks.machine import header, line
from lthviz.config import RunConfig
from lthviz.nn import data, device, models, topology
from lthviz.nn.data import Images
from lthviz.nn.masking import Masked
from lthviz.nn.train import BatchDone, Trainer
from lthviz.nn.world import joined
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


def throughput(config: RunConfig, steps: int, rounds: int) -> None:
    """Images a second of whole epochs of `steps` batches."""
    place = device.pick(config)
    images = random_images(config.batch_size * steps, SHAPES.get(config.model, (3, 32, 32)), place)
    trainer = Trainer(config.replace(epochs=rounds + 1), images)
    kinds = {"plain": loops.plain(config, images), "plain, images ready": loops.plain(config, images, augmented=False),
             "ours": loops.ours(trainer), "ours, masked": loops.ours(trainer, lambda layers: random_masks(layers, False))}
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for i in range(rounds + 1):
        for kind in list(kinds)[i % len(kinds):] + list(kinds)[:i % len(kinds)]:
            rate = loops.images_per_second(kinds[kind], place)
            if i:   # the first epoch warms up
                found[kind].append(rate)
    what = f"{config.model} {config.precision} {config.memory_format}"
    for kind, rates in found.items():
        line(f"{what}, {kind}", f"{spread(rates, 1)} images/s, n = {rounds} epochs of {steps} batches")
    for kind in ("ours", "ours, masked"):
        for other, limit in (("plain", "0.95"), ("plain, images ready", "")):
            line(f"  {kind} ÷ {other}", spread([a / b for a, b in zip(found[kind], found[other], strict=True)], 3), limit)
    if place.type == "cpu":
        rates = two_processes(config, steps, rounds)
        line("  two processes of one thread, ours, masked", f"{spread(rates, 1)} images/s, n = {rounds}")


def two_processes(config: RunConfig, steps: int, rounds: int) -> list[float]:
    """Images a second of each epoch when torchrun's two processes train it together."""
    settings = json.dumps(config.replace(threads=1).to_dict())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port, __file__,
                           "--one-of-several", settings, "--steps", str(steps), "--rounds", str(rounds)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def one_of_several(config: RunConfig, steps: int, rounds: int) -> None:
    """What each of two_processes' processes does; the first prints the rates."""
    with joined() as world:
        images = random_images(config.batch_size * steps, SHAPES.get(config.model, (3, 32, 32)), device.pick(config, world))
        trainer = Trainer(config.replace(epochs=rounds + 1), images, (), world)
        epochs = loops.ours(trainer, lambda layers: random_masks(layers, False))
        rates = [loops.images_per_second(epochs, images.device) for _ in range(rounds + 1)]
        if world.first:
            print(json.dumps(rates[1:]))


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
    parser.add_argument("--models", nargs="+", default=["convnet", "resnet20", "resnet18"], choices=list(models.BACKBONES))
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5, help="epochs that images a second are taken from")
    parser.add_argument("--batches", type=int, default=4, help="batches of such an epoch")
    parser.add_argument("--only-throughput", action="store_true")
    parser.add_argument("--one-of-several", metavar="SETTINGS", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--ticket", action="store_true", help="also a whole training of the preset digits")
    args = parser.parse_args()
    if args.one_of_several:
        one_of_several(RunConfig.from_dict(json.loads(args.one_of_several)), args.steps, args.rounds)
        return
    threads = device.use_threads(RunConfig(threads=args.threads))
    print(header(f"Training steps: median (quartiles), {threads} threads", ("torch", "numpy")))
    for model in args.models:
        for precision, memory_format in SETTINGS:
            config = RunConfig(model=model, batch_size=32 if model == "convnet" else 128, precision=precision, lr=1e-3, threads=args.threads,
                               memory_format=memory_format, device=args.device)
            throughput(config, args.batches, args.rounds)
            if not args.only_throughput:
                measure(config, args.steps)
    if args.ticket:
        ticket()


if __name__ == "__main__":
    main()
