"""Tickets against the fastest dense network on a GPU: `python benchmarks/gpu.py` (an hour or two, most of it torch.compile;
`--quick` a quarter of that).

ResNet-18 and VGG-16 at CIFAR shapes, weights and BatchNorm statistics random. Masks: `refill` keeps whole output channels at
random; `regroup` divides the rows into groups of about 32, each with columns of its own, and removes nothing. The dense side is
the fastest of torch eager (both memory layouts), a replayed CUDA graph of the better, and torch.compile in mode max-autotune,
BatchNorm folded, in the same precision. Outputs are compared with the masked dense network in float32 before anything is timed.

Times are CUDA events around enough runs for ten milliseconds, dense and ticket in turn; a ratio is the median of the pairs', with
quartiles. Nothing is flushed between runs, so a small batch finds its feature maps in the second-level cache, as in steady use;
the table of layers also has `cold`, where a buffer of four times that cache is written before each run.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.machine import describe, line
from lthviz.core import blocks, stats
from lthviz.errors import LthvizError
from lthviz.nn.compact import compact
from lthviz.nn.topology import layers as layers_of
from lthviz.records import Layer, Masks
from lthviz.speed import baselines, gpu_program, gpu_steps, gpu_tune, network, timing
from lthviz.speed.triton_blocks import PRECISIONS, BlockConv, check_device, innermost

IMAGE, DEVICE = (3, 32, 32), "cuda"


def masks_of(kind: str, keep: float, layers: tuple[Layer, ...], seed: int = 0) -> Masks:
    return Masks.of({layer.name: layer_mask(kind, keep, *layer.matrix, seed + i).reshape(layer.shape) for i, layer in enumerate(layers)})


def layer_mask(kind: str, keep: float, rows: int, n: int, seed: int) -> np.ndarray:
    rng, mask = np.random.default_rng(seed), np.zeros((rows, n), bool)
    if kind == "refill":
        mask[rng.permutation(rows)[: max(1, round(keep * rows))]] = True
    else:
        for part in np.array_split(rng.permutation(rows), max(2, rows // 32)):
            mask[np.ix_(part, rng.permutation(n)[: max(1, round(keep * n))])] = True
    return mask


def sampler(run: Callable[[], object], target_ms: float = 10.0) -> Callable[[], float]:
    """A function that gives the milliseconds of one run, by CUDA events around as many as take target_ms."""
    def sample(count: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / count

    for _ in range(3):
        run()
    count = max(1, round(target_ms / max(sample(5), 1e-3)))
    return lambda: sample(count)


def pairs(dense: Callable[[], object], ticket: Callable[[], object], n: int) -> dict[str, object]:
    """Medians, the median of the pairs' ratios ticket / dense, and its quartiles; who is first alternates."""
    sides, times = (sampler(dense), sampler(ticket)), []
    for i in range(n + 1):
        order = (0, 1) if i % 2 else (1, 0)
        taken = {side: sides[side]() for side in order}
        times.append((taken[0], taken[1]))
    times = times[1:]   # the first pair warms up
    ratios = [t / d for d, t in times]
    return {"dense_ms": statistics.median(d for d, _ in times), "ticket_ms": statistics.median(t for _, t in times),
            "time_ratio": statistics.median(ratios), "spread": timing.quartiles(ratios), "n": n}


@contextlib.contextmanager
def arithmetic(precision: str):
    """torch's own products in the precision that is compared; it would take tf32 for float32 convolutions."""
    was, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, precision == "tf32"
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=precision == "tf32"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = was


class Dense(NamedTuple):
    """The dense forms of a network that run here, their medians in ms, and the fastest one's name."""

    forms: baselines.Forms
    medians: dict[str, float]
    fastest: str

    @classmethod
    def of(cls, model: torch.nn.Module, image: torch.Tensor, reference: torch.Tensor, precision: str) -> Dense:
        forms = baselines.build(model, image, reference, "all", threads=torch.get_num_threads(), precision=precision)
        if not forms.built:
            raise LthvizError("no dense form runs here: " + "; ".join(f"{k}: {why}" for k, why in forms.failed.items()))
        medians = {k: statistics.median(sampler(form.run)() for _ in range(5)) for k, form in forms.built.items()}
        return cls(forms, medians, min(medians, key=medians.__getitem__))


def whole(name: str, batch: int, precision: str, cases: list[tuple[str, float]], n: int) -> list[dict]:
    """One line for each kind of mask and executor; the dense forms are built once, as zeros take as long as other weights."""
    model = network.build(name, IMAGE, 10)
    layers, rows, dense = layers_of(model, IMAGE), [], None
    image = torch.randn((batch, *IMAGE), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    for kind, keep in cases:
        masks = masks_of(kind, keep, layers)
        masked = network.masked(model, layers, masks, IMAGE, structural=True).to(DEVICE)
        with arithmetic("float32"):
            reference = baselines.plain(masked)(image)
        with arithmetic(precision):
            dense = dense or Dense.of(masked, image, reference, precision)
            for executor, run, choices in executors(masked, layers, masks, image, reference, precision, dense.fastest):
                error = baselines.difference(run(), reference)
                if not error <= baselines.TOLERANCE[precision]:
                    raise LthvizError(f"{name}, {kind} {keep:.0%}, {precision}: {executor} differs by {error:.1e} of the scale; nothing was timed")
                rows.append({"model": name, "batch": batch, "precision": precision, "mask": kind, "keep": keep, "executor": executor,
                             **pairs(dense.forms.built[dense.fastest].run, run, n), "max_abs_err": error, "baseline": dense.fastest,
                             "flops_ratio": stats.flops_ratio(stats.effective(masks, layers, True), layers), "others_ms": dense.medians,
                             "failed": dense.forms.failed, "layers": [c._asdict() for c in choices]})
                said, (low, high) = rows[-1], rows[-1]["spread"]
                line(f"{name}, batch {batch}, {precision}, {kind} {keep:.0%}, {executor}",
                     f"{said['time_ratio']:.2f} ({low:.2f}–{high:.2f}) of {said['dense_ms']:.2f} ms ({dense.fastest}); "
                     f"FLOPs {said['flops_ratio']:.2f}; error {error:.0e}")
    return rows


def executors(masked: torch.nn.Module, layers: tuple[Layer, ...], masks: Masks, image: torch.Tensor, reference: torch.Tensor,
              precision: str, form: str) -> Iterator[tuple[str, Callable[[], torch.Tensor], tuple]]:
    """Name, one run, and who runs each layer: the programs, and the smaller network in the dense side's own form."""
    for executor in gpu_program.EXECUTORS:
        program = gpu_program.build(masked, layers, IMAGE, masks, structural=True, batch=len(image), precision=precision,
                                    executor=executor, device=DEVICE)
        yield executor, lambda program=program: program(image), program.choices
    if any(gone.any() for gone in stats.removed(masks).values()):
        folded = baselines.fold(masked)   # now: what compact makes cannot be traced once more
        made = compact(folded, [replace(layer, bn="") for layer in layers], masks).eval()
        small = baselines.build(made, image, reference, (form,), threads=torch.get_num_threads(), precision=precision)
        if small.built:
            yield f"compact, {form}", small.built[form].run, ()


def alone(precision: str, batch: int) -> list[dict]:
    """Each distinct 3×3 layer of both networks by itself: blocks against torch's convolution, with a warm and a cold cache."""
    rows, flush = [], torch.empty(torch.cuda.get_device_properties(0).L2_cache_size, device=DEVICE)   # four bytes each
    kinds = [("whole", 1.0), *itertools.product(("refill", "regroup"), (0.5, 0.2))]
    for (channels, size), (kind, keep) in itertools.product(((64, 32), (128, 16), (256, 8), (512, 4), (512, 2)), kinds):
        with arithmetic(precision), torch.no_grad():
            rows.append(one_layer(channels, size, kind, keep, precision, batch, flush))
    return rows


def one_layer(channels: int, size: int, kind: str, keep: float, precision: str, batch: int, flush: torch.Tensor) -> dict:
    weight = np.random.default_rng(0).standard_normal((channels, channels, 3, 3)).astype(np.float32) / np.float32(3 * channels**0.5)
    mask = np.ones((channels, 9 * channels), bool) if kind == "whole" else layer_mask(kind, keep, channels, 9 * channels, 0)
    x = torch.randn((batch, channels, size, size)).to(DEVICE, PRECISIONS[precision])
    near, last = innermost(x), x.contiguous(memory_format=torch.channels_last)
    torch_conv = gpu_steps.Dense(weight, np.zeros(channels, np.float32), stride=1, padding=1, relu=True, precision=precision).to(DEVICE)
    conv = BlockConv(blocks.from_mask(mask), weight, padding=1, precision=precision, relu=True).to(DEVICE)

    def cold(run: Callable[[], object]) -> float:
        return gpu_tune.milliseconds(lambda: (flush.zero_(), run())) - gpu_tune.milliseconds(flush.zero_)

    ticket_ms, dense_ms = gpu_tune.tune(conv, near), gpu_tune.milliseconds(lambda: torch_conv(last))
    ticket_cold, dense_cold = cold(lambda: conv(near)), cold(lambda: torch_conv(last))
    rate = 2 * int(mask.sum()) * size * size * batch / ticket_ms / 1e9
    line(f"{channels} channels, {size}×{size}, batch {batch}, {precision}, {kind} {mask.mean():.0%}",
         f"{ticket_ms / dense_ms:.2f} of {1000 * dense_ms:.0f} µs, cold {ticket_cold / dense_cold:.2f}; {rate:.1f} TFLOP/s")
    return {"precision": precision, "batch": batch, "channels": channels, "size": size, "mask": kind, "keep": float(mask.mean()),
            "ticket_ms": ticket_ms, "dense_ms": dense_ms, "ticket_cold_ms": ticket_cold, "dense_cold_ms": dense_cold, "ticket_tflops": rate,
            "tiles": [tuple(launch.tile) for launch in conv.launches]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="batch 256 alone, 20 %% alone")
    parser.add_argument("--pairs", type=int, default=25, help="of dense and ticket for every ratio")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu.json", help="where the figures go, as JSON")
    chosen = parser.parse_args()
    try:
        check_device(DEVICE)
    except LthvizError as e:
        print(f"benchmarks/gpu.py needs a GPU: {e}", file=sys.stderr)
        return e.exit_code
    card = torch.cuda.get_device_properties(0)
    about = {**describe(("torch", "triton", "numpy")), "gpu": card.name, "multiprocessors": card.multi_processor_count,
             "l2_mib": card.L2_cache_size / 2**20, "gpu_gib": round(card.total_memory / 2**30), "cuda": torch.version.cuda}
    print(f"Blocks on a GPU\n{', '.join(f'{k} {v}' for k, v in about.items())}\n")
    batches, keeps = ((256,), (0.2,)) if chosen.quick else ((64, 256, 1024), (0.5, 0.2))
    results = {"machine": about, "layers": [], "networks": []}
    for precision in PRECISIONS:
        results["layers"] += alone(precision, 256)
        for name, batch in itertools.product(("resnet18", "vgg16"), batches):
            results["networks"] += whole(name, batch, precision, list(itertools.product(("refill", "regroup"), keeps)), chosen.pairs)
            chosen.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")   # what was measured survives what comes
    print(f"\nwritten to {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
