"""bench: how fast a ticket runs here, against the fastest dense form of its network."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.status import Status

from lthviz import measuring
from lthviz.cli.output import new_table, show_result
from lthviz.config import MODELS, UNSTRUCTURED
from lthviz.errors import UsageError
from lthviz.records import Address, Timing
from lthviz.speed import machine
from lthviz.store import Store

IMAGE, CLASSES = "3x32x32", 10
"""Of the network that a mask file is for: CIFAR's, unless something else is said."""
MOST_CLASSES = 1_000_000
EPILOG = """Either a trained ticket of a run (--run, --round, --structure): the timing is kept with the run.
Or masks from a file for one of the networks (--model, --masks): keyed by parameter name as torchvision names them, each of its
weight's shape. Layers that are not in the file stay dense. A row without weights counts as a removed channel, its BatchNorm removed
with it; with --unstructured nothing is removed. Weights are random, or those of --weights where it has them: speed does not
depend on them. The dense side is the fastest form that can be built here; those that cannot be are named.
Seconds mean something on an idle machine only."""


def add_options(p: argparse.ArgumentParser) -> None:
    ticket = p.add_argument_group("a ticket of a run")
    ticket.add_argument("--run", metavar="RUN")
    ticket.add_argument("--round", type=int, metavar="K")
    ticket.add_argument("--structure", metavar="S", help="its label, e.g. refill or regroup-groups=4")
    file = p.add_argument_group("masks from a file")
    file.add_argument("--model", metavar="M", help=f"one of {', '.join(MODELS)}, or torchvision:NAME or timm:NAME")
    file.add_argument("--masks", metavar="F", help=".npz, .safetensors, .pt or .h5; non-zero = kept")
    file.add_argument("--weights", metavar="F", help="trained weights in one of the same formats")
    file.add_argument("--image", metavar="CxHxW", help=f"shape of an image (default {IMAGE})")
    file.add_argument("--classes", type=int, metavar="N", help=f"what the network tells apart (default {CLASSES})")
    file.add_argument("--unstructured", action="store_true", help="rows without weights stay, with their BatchNorm")
    how = p.add_argument_group("how")
    how.add_argument("--batch", type=int, default=64, metavar="N", help="images at a time (default 64)")
    how.add_argument("--device", default="cpu", metavar="D", help="cpu, cuda or cuda:N (default cpu)")
    how.add_argument("--threads", type=int, default=0, metavar="T", help="CPU threads (default: all cores)")
    how.add_argument("--precision", default="float32", metavar="P", help="on a GPU also tf32 or bfloat16 (default float32)")
    how.add_argument("--baselines", default="all", metavar="B", help="dense forms to compare with: all, quick (eager torch and the block kernel), or "
                     "names with commas between (default all)")
    how.add_argument("--seconds", type=float, default=20.0, metavar="S", help="about how long to time (default 20)")
    how.add_argument("--pairs", type=int, metavar="N", help="pairs of runs to take, and samples of all else, instead of what fits the time")
    how.add_argument("--seed", type=int, default=0, help="of random weights and images")


def bench(args: argparse.Namespace) -> int:
    settings: dict[str, Any] = {k: getattr(args, k) for k in ("batch", "threads", "device", "precision", "seconds", "pairs", "seed")}
    settings["baselines"] = args.baselines if args.baselines in ("all", "quick") else tuple(x.strip() for x in args.baselines.split(",") if x.strip())
    if not settings["baselines"]:
        raise UsageError(f"--baselines {args.baselines!r} names none; give all, quick, or names with commas between")
    if (args.pairs is not None and args.pairs < 1) or not 0 < args.seconds < 86_400:
        raise UsageError("--pairs should be more than 0, --seconds more than 0 and at most a day")
    measure = _of_a_run(args) if args.run is not None else _of_a_file(args)
    with _Told() as told:
        timing = measure(**settings, progress=told)
    show_result(args, {**timing.to_dict(), "speedup": timing.speedup, "key": timing.key, "disturbed": list(timing.disturbed)}, lambda: words(timing))
    return 0


def _of_a_run(args: argparse.Namespace) -> Callable[..., Timing]:
    if given := [x for x in ("model", "masks", "weights", "image", "classes", "unstructured") if getattr(args, x)]:
        raise UsageError(f"--{given[0]} does not go with --run; a run has its own")
    if args.round is None or args.structure is None:
        raise UsageError("--run also needs --round K and --structure S; `lthviz show RUN` lists its tickets")
    address = Address(args.run, args.round, args.structure)
    return lambda **settings: measuring.measure_ticket(Store(args.runs), address, **settings)


def _of_a_file(args: argparse.Namespace) -> Callable[..., Timing]:
    if args.model is None or args.masks is None:
        raise UsageError("nothing to measure: give --run RUN --round K --structure S, or --model M --masks F")
    if args.round is not None or args.structure is not None:
        raise UsageError("--round and --structure go with --run")
    image, classes = _shape(args.image or IMAGE), CLASSES if args.classes is None else args.classes
    if classes < 1:
        raise UsageError(f"--classes {classes} should be at least 1")
    if classes > MOST_CLASSES:
        raise UsageError(f"--classes {classes} should be at most {MOST_CLASSES:,}")

    def measure(**settings: Any) -> Timing:
        from lthviz.exchange import maskfile
        from lthviz.nn import topology
        from lthviz.speed import bench, network

        masks = maskfile.read(args.masks)
        weights = maskfile.read_weights(args.weights) if args.weights else None
        model = network.build(args.model, image, classes, weights=weights, seed=args.seed)
        machine.check_place(args.batch, args.threads, args.device, args.precision)
        network.check_memory(model, image, args.batch if args.device == "cpu" else 1)   # before the network runs for the first time
        linear = "all" if any(len(masks.shape(name)) == 2 for name in masks) else "none"
        return bench.measure(model, topology.layers(model, image, linear=linear), masks, image_shape=image, structural=not args.unstructured,
                             structure=UNSTRUCTURED if args.unstructured else "masks", **settings)

    return measure


def _shape(text: str) -> tuple[int, int, int]:
    if not re.fullmatch(r"[1-9][0-9]{0,4}(x[1-9][0-9]{0,4}){2}", text):
        raise UsageError(f"--image {text!r} should be channels, height and width, such as {IMAGE}")
    c, h, w = map(int, text.split("x"))
    return c, h, w


class _Told:
    """What is being done, on a terminal's last line; nothing where standard error is no terminal."""

    def __enter__(self) -> _Told:
        self.status: Status | None = None
        if sys.stderr.isatty():
            self.status = Console(stderr=True, highlight=False).status("loading")
            self.status.start()
        return self

    def __call__(self, doing: str) -> None:
        if self.status:
            self.status.update(doing)

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()


def words(t: Timing) -> Group:
    """The timing for people: a table of the layers, and the whole network in sentences."""
    table = new_table("layer", "kept", "FLOPs", "dense ms", "ticket ms", "time", "run by", whole="layer", title="Each layer alone")
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:-1]:
        column.justify = "right"
    for x in t.layers:
        table.add_row(x.name.removesuffix(".weight"), f"{x.kept:,}", f"{x.flops_ratio:.2f}", f"{x.dense_ms:.3f}", f"{x.ticket_ms:.3f}",
                      f"{x.ticket_ms / x.dense_ms:.2f}" if x.dense_ms else "–", x.executor)
    c, low, high = t.conditions, *t.spread
    lines = [
        f"Whole network, {t.batch} image{'s' * (t.batch > 1)} at a time, {t.device}, {t.threads} thread{'s' * (t.threads > 1)}, {t.precision}:",
        f"  dense   {t.dense_ms:9.2f} ms   ({t.baseline})",
        f"  ticket  {t.ticket_ms:9.2f} ms   ({t.executor}" + (f", {c['executor_form']}" if c.get("executor_form") else "") + ")",
        f"  {t.time_ratio:.3f} of the dense time (quartiles {low:.3f} to {high:.3f}, {t.n} pairs): {t.speedup:.2f} times as fast"
        + (", disturbed" if t.disturbed else ""),
        f"  {t.flops_ratio:.3f} of the multiply-adds of the prunable layers; time over that: {t.time_ratio / t.flops_ratio:.2f}"
        if t.flops_ratio else "  no multiply-adds are left in the prunable layers",
        f"  largest difference from the masked dense network: {t.max_abs_err:.1e} of the output's scale",
        "  dense forms: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in t.others.items()),
        "  ticket's:    " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in c.get("executors", {}).items()),
    ]
    if t.estimated_ms is not None:
        lines.append(f"  estimated before: {t.estimated_ms:.2f} ms")
    lines += [f"  not built: {name}: {why}" for part in ("baselines_failed", "executors_failed") for name, why in c.get(part, {}).items()]
    if whole := c.get("dense_layers"):
        lines.append(f"  without a mask, so dense: {', '.join(whole)}")
    if gone := c.get("removed_channels"):
        lines.append(f"  {gone} channels without weights count as removed, their BatchNorm with them (--unstructured keeps it)")
    lines += [f"  warning: {x}" for x in c.get("warnings", ())]
    lines += [f"  disturbed: {x}" for x in t.disturbed]
    if t.disturbed:
        lines.append("  What was measured on a busy machine is doubtful and mostly flatters the ticket; measure again on one at rest.")
    versions = ", ".join(f"{x} {c[x]}" for x in ("python", "torch", "numpy", "numba", "onnxruntime") if x in c)
    lines.append(f"{c.get('gpu') or c.get('cpu')}, {c.get('cores')} cores, load {c.get('load')}; {versions}")
    return Group(table, *lines)
