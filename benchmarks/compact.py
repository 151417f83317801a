"""What training as the smaller network saves: `python benchmarks/compact.py [--models resnet18 vgg16] [--batch 128] [--steps 7]`.

Steps of the real training loop on random CIFAR-shaped images: the dense network and a ticket of which every prunable layer keeps
half of its channels (`--keep`), chosen at random, or the masks of a file (`--masks`). Every form of both is interleaved in one
process, each round in another order; a ratio is taken within a round. The dense network of a precision is the faster of its memory
formats. FLOPs: of a whole step, forward and backward, as torch counts them. Medians and quartiles of wall and, on a CPU, of CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.machine import header, line
from benchmarks.training import random_images, spread, timed
from lthviz.config import RunConfig
from lthviz.exchange import maskfile
from lthviz.nn import device, models, topology
from lthviz.nn.smaller import Smaller
from lthviz.nn.train import BatchDone, Trainer
from lthviz.records import Layer, Masks

WARM, LIMIT = 2, 1.35
SHAPE = (3, 32, 32)
FORMS = {"float32": ("contiguous", "channels_last"), "bfloat16": ("channels_last",)}


def half(layers: tuple[Layer, ...], keep: float, seed: int) -> Masks:
    rng = np.random.default_rng(seed)
    rows = {x.name: np.isin(np.arange(x.shape[0]), rng.permutation(x.shape[0])[:max(1, round(keep * x.shape[0]))]) for x in layers}
    return Masks.of({x.name: np.broadcast_to(rows[x.name][:, None, None, None], x.shape) for x in layers})


def flops(network: nn.Module, place: torch.device) -> int:
    """Of a forward and a backward pass of two images."""
    counter = FlopCounterMode(display=False)
    with counter:
        network(torch.zeros((2, *SHAPE), device=place)).sum().backward()
    network.zero_grad()
    return counter.get_total_flops()


def trained(trainer: Trainer, model: nn.Module, smaller: Smaller | None) -> Iterator[BatchDone]:
    return (event for event in trainer.train(model, smaller) if isinstance(event, BatchDone))


def measure(name: str, precision: str, masks: Masks | None, args: argparse.Namespace) -> None:
    work: dict[tuple[str, str], Iterator] = {}
    for memory_format in FORMS[precision]:
        config = RunConfig(model=name, batch_size=args.batch, precision=precision, memory_format=memory_format, lr=1e-3,
                           threads=args.threads, device=args.device)
        place = device.pick(config)
        trainer = Trainer(config, random_images(args.batch * (args.steps + WARM + 1), SHAPE, place))
        dense, ticket = (models.build(config, SHAPE, 10) for _ in range(2))
        layers = topology.layers(ticket, SHAPE)
        smaller = Smaller(ticket, layers, masks or half(layers, args.keep, args.seed))
        share = flops(smaller.network, place) / flops(dense, place)
        work["dense", memory_format], work["ticket", memory_format] = trained(trainer, dense, None), trained(trainer, ticket, smaller)
    ms: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in work}
    for i in range(args.steps + WARM):
        for key in list(work)[i % len(work):] + list(work)[:i % len(work)]:
            ms[key].append(timed(work[key], place))
    clocks = ("wall", "CPU") if place.type == "cpu" else ("wall",)
    ms = {key: values[WARM:] for key, values in ms.items()}
    line(f"{name} {precision}, batch {args.batch}: FLOPs of a step ÷ dense", f"{share:.3f}")
    best = min(FORMS[precision], key=lambda f: statistics.median(v[0] for v in ms["dense", f]))
    for memory_format in FORMS[precision]:
        step = {who: spread([v[0] for v in ms[who, memory_format]], 0) for who in ("dense", "ticket")}
        line(f"  {memory_format}: dense step, ticket's step", f"{step['dense']} ms, {step['ticket']} ms, n = {args.steps}")
        for against in dict.fromkeys((memory_format, best)):
            for c, clock in enumerate(clocks):
                ratios = [t[c] / d[c] for t, d in zip(ms["ticket", memory_format], ms["dense", against], strict=True)]
                line(f"    ÷ dense {against}{' (the fastest)' if against == best else ''}, {clock} time",
                     f"{spread(ratios, 3)} = {statistics.median(ratios) / share:.2f} × FLOPs", f"{LIMIT} × FLOPs" if against == best else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["resnet18", "vgg16"], choices=["resnet20", "resnet18", "vgg16"])
    parser.add_argument("--precisions", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--keep", type=float, default=0.5, help="share of the channels that every layer keeps")
    parser.add_argument("--masks", help="a file of masks instead, for the one model that is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    args = parser.parse_args()
    threads = device.use_threads(RunConfig(threads=args.threads))
    print(header(f"Training steps, dense and smaller: median (quartiles), {threads} threads", ("torch", "numpy")))
    masks = maskfile.read(args.masks) if args.masks else None
    for name in args.models:
        for precision in args.precisions:
            measure(name, precision, masks, args)


if __name__ == "__main__":
    main()
