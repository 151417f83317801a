"""Masked training on a GPU against plain dense loops: `python benchmarks/gpu_training.py [--model resnet18] [--json FILE]` (minutes).

ResNet-18 at CIFAR shapes, random images on the device, batch 128 and 512, the project's own augmentation in every loop. Held against
each other in images/s of whole epochs, one epoch of each in turn, ratios within a turn:

- `plain`: a dense loop written by hand (loops.py) in the same precision and layout;
- `tuned`: the same loop under torch.compile (mode max-autotune, which replays CUDA graphs), bfloat16 and channels_last: what a speed run would do;
- `ours` with dense weights, with unstructured masks, and masked with `compile`.

The first epochs, in which networks are compiled and algorithms chosen, do not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks import loops
from benchmarks.machine import header, line
from benchmarks.training import random_images, random_masks, spread
from lthviz.config import RunConfig
from lthviz.nn import device, models
from lthviz.nn.train import Trainer

WARM = 2
SETTINGS = (("float32", "contiguous"), ("float32", "channels_last"), ("bfloat16", "channels_last"))


def masks(layers):
    return random_masks(layers, False)


def measure(config: RunConfig, batches: int, turns: int) -> dict[str, list[float]]:
    """Images a second of each loop, a value a turn."""
    place = device.pick(config)
    images = random_images(config.batch_size * batches, (3, 32, 32), place)
    long = config.replace(epochs=WARM + turns)
    tuned = config.replace(precision="bfloat16", memory_format="channels_last")
    kinds = {"plain": loops.plain(config, images), "tuned": loops.plain(tuned, images, compiled="max-autotune"),
             "ours": loops.ours(Trainer(long, images)), "ours, masked": loops.ours(Trainer(long, images), masks),
             "ours, masked, compiled": loops.ours(Trainer(long.replace(compile="compile"), images), masks)}
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(WARM + turns):
        for kind in list(kinds)[turn % len(kinds):] + list(kinds)[:turn % len(kinds)]:
            rate = loops.images_per_second(kinds[kind], place)
            if turn >= WARM:
                found[kind].append(rate)
    return found


def report(config: RunConfig, found: dict[str, list[float]]) -> None:
    print(f"{config.model}, batch {config.batch_size}, {config.precision}, {config.memory_format}")
    for kind, rates in found.items():
        line(kind, f"{spread(rates, 0)} images/s, n = {len(rates)}")
    for kind, other, limit in (("ours", "plain", "0.95"), ("ours, masked", "plain", "0.95"), ("ours, masked, compiled", "plain", ""),
                               ("ours, masked", "tuned", "0.6"), ("ours, masked, compiled", "tuned", "0.6")):
        line(f"  {kind} ÷ {other}", spread([a / b for a, b in zip(found[kind], found[other], strict=True)], 3), limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet18", choices=list(models.BACKBONES))
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 512], help="images a batch")
    parser.add_argument("--batches", type=int, default=100, help="batches of an epoch")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: to see that it runs")
    parser.add_argument("--json", metavar="FILE", help="also write the figures there")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU here; this benchmark needs one")
    name = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(header(f"Training on {name}: median (quartiles)", ("torch", "numpy")))
    rows = []
    for size in args.sizes:
        for precision, memory_format in SETTINGS:
            config = RunConfig(model=args.model, batch_size=size, precision=precision, memory_format=memory_format, lr=1e-3, device=args.device)
            found = measure(config, args.batches, args.turns)
            report(config, found)
            rows.append({"device": name, "torch": torch.__version__, "model": args.model, "batch": size, "precision": precision,
                         "memory_format": memory_format, "images_per_second": found,
                         "medians": {kind: statistics.median(rates) for kind, rates in found.items()}})
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
