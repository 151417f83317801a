"""Speed and quality of the core: `python benchmarks/core.py` (three minutes; `--quality` adds some six for the stock preset).

Layers are those of VGG-16 and ResNet-18. Masks: `random` at a density, the hardest to divide; `magnitude`: one-shot global
magnitude pruning of He-initialised weights, which leaves wide layers sparser than narrow ones; `planted`: eight groups of
rows with columns of their own; `channels`: rows and input channels of unequal strength, as training leaves them.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.machine import header, line, spread, times_ms
from lthviz.config import Regroup
from lthviz.core import partition as partition_module
from lthviz.core import partitioners
from lthviz.core.magnitude import prune
from lthviz.core.partition import km1, partition, partition_all
from lthviz.core.refill import magnitude_scores, refill
from lthviz.core.regroup import all_parts, regroup
from lthviz.records import Masks

Shapes = dict[str, tuple[int, int, int, int]]


def vgg16() -> Shapes:
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    return {f"features.{i}.weight": (b, a, 3, 3) for i, (a, b) in enumerate(pairwise(widths))}


def resnet18() -> Shapes:
    """Every convolution but the stem."""
    shapes, before = {}, 64
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            shapes[f"layer{stage}.{block}.conv1.weight"] = (width, before, 3, 3)
            shapes[f"layer{stage}.{block}.conv2.weight"] = (width, width, 3, 3)
            if before != width:
                shapes[f"layer{stage}.{block}.downsample.0.weight"] = (width, before, 1, 1)
            before = width
    return shapes


def initial(shapes: Shapes, seed: int = 0) -> dict[str, np.ndarray]:
    """He-normal weights."""
    rng = np.random.default_rng(seed)
    return {k: rng.standard_normal(s, np.float32) * np.float32((2 / np.prod(s[1:])) ** 0.5) for k, s in shapes.items()}


def dense(shapes: Shapes) -> Masks:
    return Masks.of({k: np.ones(s, bool) for k, s in shapes.items()})


def layer_mask(kind: str, density: float, shape: tuple[int, int] = (512, 4608), seed: int = 0) -> np.ndarray:
    """One layer's (C, n) mask, 3×3 kernels; see the top for the kinds."""
    rng = np.random.default_rng(seed)
    rows, n = shape
    if kind == "random":
        return rng.random(shape) < density
    if kind == "planted":
        inside = rng.permutation(np.arange(rows) % 8)[:, None] == rng.integers(0, 8, n)
        return rng.random(shape) < np.where(inside, min(1, 4 * density), density * 4 / 7)
    strength = np.exp(0.7 * rng.standard_normal((rows, 1))) * np.repeat(np.exp(0.7 * rng.standard_normal((1, n // 9))), 9, axis=1)
    weights = np.abs(rng.standard_normal(shape)) * strength
    return weights > np.quantile(weights, 1 - density)


def instant() -> None:
    print("\nAnswers while a slider moves")
    weights = initial(resnet18())
    masks = dense(resnet18())
    line("prune 20 % of ResNet-18, 11 M weights, globally", spread(times_ms(lambda: prune(weights, masks, 0.2), 5)))
    masks = prune(weights, masks, 0.8)
    line("Refill scores (magnitude), ResNet-18", spread(times_ms(lambda: magnitude_scores(masks, weights), 5)))
    scores, rhos = magnitude_scores(masks, weights), iter(np.linspace(0, 0.9, 99).tolist())
    line("Refill of ResNet-18, scores kept, new rho", spread(times_ms(lambda: refill(masks, scores, rho=next(rhos)))), "≤ 50 ms")
    one = Masks.of({"w": layer_mask("random", 0.2)})
    kept = partition_all(one, Regroup(), 0)
    t1 = iter(np.linspace(0.2, 5, 99).tolist())
    line("Regroup of 512×4608, partition kept, new t1",
         spread(times_ms(lambda: regroup(one, Regroup(t1=next(t1)), partitions=kept))), "≤ 100 ms")
    ready = all_parts(one, kept)
    line("Regroup of 512×4608, parts kept, new t1",
         spread(times_ms(lambda: regroup(one, Regroup(t1=next(t1)), partitions=kept, parts_by_layer=ready))))


def whole(repeats: int) -> None:
    print("\nRegroup of a whole network from nothing, 8 groups")
    for title, shapes in (("VGG-16", vgg16()), ("ResNet-18", resnet18())):
        weights, rng = initial(shapes), np.random.default_rng(0)
        cases = {f"random {d:.0%}": Masks.of({k: rng.random(s) < d for k, s in shapes.items()}) for d in (0.05, 0.2, 0.5)}
        cases |= {f"magnitude {d:.0%}": prune(weights, dense(shapes), 1 - d) for d in (0.2, 0.5)}
        cases |= {f"channels {d:.0%}": Masks.of({k: layer_mask("channels", d, (s[0], s[1] * s[2] * s[3])).reshape(s) if s[2] == 3
                                                 else rng.random(s) < d for k, s in shapes.items()}) for d in (0.2, 0.5)}
        for kind, masks in cases.items():
            seconds = [t / 1000 for t in times_ms(lambda m=masks: regroup(m, Regroup()), repeats, warm_up=0)]
            line(f"{title}, {kind}", spread(seconds, "s"), "≤ 15 s")


def quality() -> None:
    """km1 against the stock deterministic preset from the same seeds; below 1 is better."""
    import mtkahypar

    print("\nkm1 and seconds against Mt-KaHyPar's stock deterministic preset, 8 groups (three seeds; 512×4608: one)")
    ours = partitioners._context
    for shape in ((64, 576), (128, 1152), (256, 2304), (512, 4608)):
        for kind in ("planted", "channels", "random"):
            for density in (0.05, 0.2) if shape[0] > 128 else (0.05, 0.2, 0.5):
                mask, found = layer_mask(kind, density, shape), {}
                for name in ("stock", "ours", "pymetis"):
                    partitioners._context = ours if name != "stock" else (
                        lambda machine, _: machine.context_from_preset(mtkahypar.PresetType.DETERMINISTIC))
                    partition_module.MOST_STARTS = 1 if name == "stock" else 6
                    start, results = time.perf_counter(), []
                    for seed in range(1 if shape[0] == 512 else 3):
                        who = "pymetis" if name == "pymetis" else "mtkahypar"
                        made = partition(mask, 8, seed=seed, partitioner=who)
                        results.append(km1(mask, made.assignment))
                    found[name] = np.mean(results), (time.perf_counter() - start) / len(results)
                (base, slow), (k, quick), (metis, metis_s) = found["stock"], found["ours"], found["pymetis"]
                line(f"{shape[0]}×{shape[1]}, {kind} {density:.0%}", f"{k / base:.4f} of the stock km1 ({base:.0f}); "
                     f"{quick:.2f} s for {slow:.2f} s; METIS {metis / base:.3f}, {metis_s:.2f} s")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--repeats", type=int, default=1, help="runs of every whole network")
    options.add_argument("--quality", action="store_true", help="compare km1 with the stock preset")
    chosen = options.parse_args()
    print(header("Core: magnitude pruning, Refill, Regroup", ("numpy", "mtkahypar", "pymetis")))
    instant()
    whole(chosen.repeats)
    if chosen.quality:
        quality()
