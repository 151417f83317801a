"""Seconds that scoring takes: `python benchmarks/saliency.py` (two to three minutes on two cores; `--model` for another network).

SNIP on 256 images, GraSP on ten of each of ten classes, SynFlow's 100 steps to a fifth of the weights, and the ranking of all weights,
each once warm and then `--repeats` times.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.machine import header, line, spread
from lthviz.config import RunConfig
from lthviz.core import ranking
from lthviz.core.magnitude import prune
from lthviz.nn import device, models, saliency, topology
from lthviz.nn.state import get_state
from lthviz.records import Masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    config, shape = RunConfig(model=args.model, memory_format="channels_last", device="cpu"), (3, 32, 32)
    device.use_threads(config)
    model = models.build(config, shape, 10)
    layers = topology.layers(model, shape)
    masks = Masks.of({layer.name: torch.ones(layer.shape, dtype=torch.bool).numpy() for layer in layers})
    masks = prune(get_state(model), masks, 0.8)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, *shape, generator=generator).contiguous(memory_format=torch.channels_last)
    y = torch.arange(256) % 10
    given = saliency.snip(model, layers, x, y)
    work = {
        "SNIP, 256 images": lambda: saliency.snip(model, layers, x, y),
        "GraSP, 100 images": lambda: saliency.grasp(model, layers, x[:100], y[:100]),
        "SynFlow, 100 steps": lambda: saliency.synflow(model, layers, shape, masks.nnz()),
        "ranking": lambda: ranking.keep(given, masks),
    }
    print(header(f"Scoring {args.model}, {masks.size():,} prunable weights, {torch.get_num_threads()} threads", ("numpy", "torch")))
    for name, act in work.items():
        seconds = []
        for _ in range(args.repeats + 1):
            begun = time.perf_counter()
            act()
            seconds.append(time.perf_counter() - begun)
        line(name, spread(seconds[1:], "s", 2))


if __name__ == "__main__":
    main()
