"""Measured speed of tickets: `python benchmarks/speed.py [--models vgg16 resnet18] [--batches 64 1] [--seconds 20] [--baselines all]`.

Masks of real runs (benchmarks/masks) on the whole network, stem, pooling and classifier included, against the fastest dense form
there is: torch in its layouts, torch.compile, ONNX Runtime, and this project's own kernel on the dense network. Outputs are compared
before anything is timed; dense and ticket run in turn in one process (lthviz/speed/timing.py). `--json OUT` keeps everything.

Also: group-wise against unstructured at equal kept weights, each layer against the machine's roofline, the first and the
later starts of the kernel, and how far the estimates are off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")   # torch's idle threads must not take the core of what is timed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
import numpy as np
import torch

from benchmarks import masks as real
from benchmarks.machine import header, line
from lthviz.config import Random
from lthviz.core import controls
from lthviz.nn import topology
from lthviz.records import Layer, Masks, Timing
from lthviz.speed import auto, bench, calibrate, machine, network, program, timing
from lthviz.speed.graph import Conv, Graph, Value
from lthviz.speed.live import Plan
from lthviz.speed.passes import Pass

SHAPE = (3, 32, 32)
LIMITS = {("refill", 50): 1.15, ("refill", 20): 1.30, ("groups", 50): 1.20, ("groups", 20): 1.35, ("regroup", 50): 1.20, ("regroup", 20): 1.35}
OWN = "block kernel"


def tickets(args: argparse.Namespace) -> list[dict]:
    rows = []
    for net in args.models:
        model = network.build(net, SHAPE, 10)
        layers = topology.layers(model, SHAPE)
        for batch in args.batches:
            reuse = bench.Reuse()
            calibration = calibrate.calibration(batch, args.threads)
            print(f"\n{net}, batch {batch} (calibration {calibration.seconds:.1f} s)")
            for percent in (50, 20):
                for kind in ("refill", "groups", "regroup"):
                    found = bench.measure(model, layers, real.load(f"{net}-{percent}-{kind}"), image_shape=SHAPE, structural=True, batch=batch,
                                          threads=args.threads, baselines=args.baselines, seconds=args.seconds, structure=kind, reuse=reuse)
                    rows.append({"model": net, "percent": percent, "kind": kind, **found.to_dict()})
                    show(net, percent, kind, found)
            others = ", ".join(f"{name} {ms:.2f}" for name, ms in found.others.items())
            line("the dense network's forms, ms", others)
            for name, why in found.conditions["baselines_failed"].items():
                line(f"  not built: {name}", why[:90])
    return rows


def show(net: str, percent: int, kind: str, t: Timing) -> None:
    ratio, (low, high) = t.time_ratio / t.flops_ratio, (s / t.flops_ratio for s in t.spread)
    users = min(ms for name, ms in t.others.items() if name != OWN)
    limit = f"at most {LIMITS[kind, percent]:.2f}" if t.batch == 64 else "below 1 in time"
    guess = f", estimate {100 * (t.estimated_ms / t.ticket_ms - 1):+.0f} %" if t.estimated_ms else ""
    line(f"{net} {percent} % {kind}",
         f"time {t.time_ratio:.3f} / FLOPs {t.flops_ratio:.3f} = {ratio:.2f} ({low:.2f}–{high:.2f}, n = {t.n}); "
         f"to the fastest without {OWN} {t.ticket_ms / users / t.flops_ratio:.2f}; {t.ticket_ms:.2f} ms by {t.executor}, "
         f"dense {t.dense_ms:.2f} by {t.baseline}, error {t.max_abs_err:.0e}{guess}", limit)


def structures(args: argparse.Namespace) -> list[dict]:
    """Group-wise and unstructured with the same number of weights in every layer: layers of 128 channels and more, at 20 %.

    Unstructured rows run one at a time, as sparse kernels usually do, and in quads, our own faster form of them.
    """
    print("\nequal kept weights, unstructured ÷ group-wise time, layers of 128 channels and more, 20 % kept")
    rows = []
    for net in args.models:
        model = network.build(net, SHAPE, 10)
        layers = topology.layers(model, SHAPE)
        wide = {layer.name for layer in layers if min(layer.shape[:2]) >= 128 and layer.shape[2] == 3}
        grouped = even_groups(layers, 0.2)
        loose = controls.shuffle(grouped, Random(), seed=0).masks
        image, threads = torch.randn(64, *SHAPE), args.threads or machine.cores()
        plans = [program.plan_of(model, layers, SHAPE, m, structural=False) for m in (grouped, loose)]
        made = {"groups": program.Program(plans[0], 64, threads, {}), "row by row": program.Program(plans[1], 64, threads, {}),
                "quads": program.Program(plans[1], 64, threads, {layer.name: "quads" for layer in layers})}
        times = {kind: [] for kind in made}
        for _ in range(5):
            for kind, p in made.items():
                times[kind].append(p.layer_times(image, 3))
        for kind, asked in (("row by row", "at least 2.5"), ("quads", "")):
            ratios = {name: statistics.median(u[name] / g[name] for g, u in zip(times["groups"], times[kind], strict=True)) for name in wide}
            values = sorted(ratios.values())
            rows.append({"model": net, "unstructured": kind, "ratios": ratios})
            line(f"{net}: unstructured {kind} ÷ group-wise, median layer", f"{statistics.median(values):.2f} ({values[0]:.2f}–{values[-1]:.2f}, "
                 f"{len(values)} layers)", asked)
    return rows


def even_groups(layers: tuple[Layer, ...], density: float, rows: int = 32) -> Masks:
    """Random groups of 32 rows, each with its own random columns."""
    rng = np.random.default_rng(0)
    made = {}
    for layer in layers:
        mask = np.zeros(layer.matrix, bool)
        order = rng.permutation(layer.matrix[0])
        for part in np.split(order, range(rows, order.size, rows)):
            mask[np.ix_(part, rng.choice(layer.matrix[1], max(1, round(density * layer.matrix[1])), replace=False))] = True
        made[layer.name] = mask.reshape(layer.shape)
    return Masks.of(made)


def roofline(args: argparse.Namespace) -> list[dict]:
    """Each layer's time over the larger of its FLOPs at the measured peak and its bytes at the measured bandwidth."""
    peak, bandwidth = peak_gflops(args.threads), copy_gbs(args.threads)
    print(f"\nroofline: peak {peak:.0f} GFLOP/s (tiles on 32 KiB of activations), {bandwidth:.1f} GB/s (copying 256 MiB)")
    rows = []
    for net in args.models:
        model = network.build(net, SHAPE, 10)
        layers = topology.layers(model, SHAPE)
        for percent in (50, 20):
            for kind in ("refill", "groups"):
                made = program.build(model, layers, SHAPE, real.load(f"{net}-{percent}-{kind}"), structural=True, batch=64, threads=args.threads)
                one, times = made.pass_for(64), made.layer_times(torch.randn(64, *SHAPE), 5)
                over = {}
                for op in made.plan.graph.ops:
                    if isinstance(op, Conv) and not op.linear and made.plan.blocks[op].area:
                        flops = 2 * 64 * made.plan.blocks[op].area * op.output.shape[1] * op.output.shape[2]
                        floats = made.plan.blocks[op].area + sum(64 * made.plan.channels[v].size * v.shape[1] * v.shape[2] for v in (*op.inputs, op.output))
                        over[op.layer] = times[op.layer] / (1000 * max(flops / (peak * 1e9), 4 * floats / (bandwidth * 1e9)))
                values = sorted(over.values())
                within = sum(v <= 1.10 for v in values)
                rows.append({"model": net, "percent": percent, "kind": kind, "times_roofline": over, "lanes": one.lanes})
                line(f"{net} {percent} % {kind}", f"median layer {statistics.median(values):.2f} × the roofline ({values[0]:.2f}–{values[-1]:.2f}), "
                     f"{within} of {len(values)} layers within 1.10", "stretch: 1.10")
    return [{"peak_gflops": peak, "bandwidth_gbs": bandwidth}, *rows]


def peak_gflops(threads: int) -> float:
    """Of the micro-kernel where everything it reads is in the first-level cache: a 1×1 convolution of 128 channels on a few pixels."""
    image, output = Value((128, 2, 4)), Value((96, 2, 4))
    conv = Conv("layer", [image], output, "layer.weight", np.ones((96, 128, 1, 1), np.float32), np.zeros(96, np.float32))
    one = Pass(Plan(Graph([conv], image, output), {}), 64, threads or machine.cores(), {})
    x, result = np.zeros((64, 128, 2, 4), np.float32), np.empty((64, 96, 2, 4), np.float32)
    one.run(x, result)
    ms = min(one.step_ms(1, x, result, 1) for _ in range(60))
    return 2 * 64 * 96 * 128 * 8 / ms / 1e6


def copy_gbs(threads: int) -> float:
    """Bytes read and written a second."""
    a, b = torch.zeros(1 << 26), torch.zeros(1 << 26)
    with torch.inference_mode():
        return max(2 * 4 * a.numel() / timing.medians({"copy": lambda: b.copy_(a)}, n=9)["copy"] / 1e6 for _ in range(2))


def starts() -> dict[str, float]:
    """Seconds to the kernel in a fresh process, with an empty cache and then with it. What any Numba function costs (its import, its
    target, scipy.linalg) is not counted and printed beside it."""
    code = ("import time\nt0 = time.perf_counter()\nimport numba\nnumba.njit('int64(int64)')(lambda x: x)\nimport lthviz.speed.registers\n"
            "t1 = time.perf_counter()\nimport lthviz.speed.kernel\nprint(time.perf_counter() - t1, t1 - t0)")
    root = str(Path(__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "NUMBA_CACHE_DIR": folder, "PYTHONPATH": root}
        out = [subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout for _ in range(4)]
    took, numba_s = zip(*(map(float, o.split()) for o in out), strict=True)
    print()
    line("the kernel's first start (compiles)", f"{took[0]:.2f} s", "at most 5 s")
    line("later starts (from the disk)", f"{statistics.median(took[1:]):.2f} s", "at most 0.3 s")
    line("Numba itself", f"{statistics.median(numba_s):.2f} s")
    return {"first_s": took[0], "later_s": statistics.median(took[1:]), "numba_s": statistics.median(numba_s)}


def choices(args: argparse.Namespace) -> list[dict]:
    """The program that chooses a form for each layer, against each form for all and against the dense network, whole runs in turn."""
    print("\nauto against its candidates (whole network, batch 64)")
    rows = []
    for net in args.models:
        model = network.build(net, SHAPE, 10)
        layers = topology.layers(model, SHAPE)
        x = torch.randn(64, *SHAPE)
        for percent, kind in ((50, "regroup"), (20, "regroup"), (20, "unstructured")):
            kept = real.load(f"{net}-{percent}-{'groups' if kind == 'unstructured' else kind}")
            kept = controls.shuffle(kept, Random(), seed=0).masks if kind == "unstructured" else kept
            plan = program.plan_of(model, layers, SHAPE, kept, structural=kind != "unstructured")
            n = args.threads or machine.cores()
            ways = {"auto": program.Program(plan, 64, n, auto.choose(plan, 64, n)), "blocks": program.Program(plan, 64, n, {}),
                    "quads": program.Program(plan, 64, n, {layer.name: "quads" for layer in layers}),
                    "dense blocks": program.Program(plan, 64, n, {layer.name: "dense" for layer in layers}),
                    "dense": program.build(model, layers, SHAPE, None, structural=False, batch=64, threads=n)}
            ms = timing.medians({k: (lambda p=p, x=x: p(x)) for k, p in ways.items()}, seconds=args.seconds / 2, hopeless=10)
            best = min(v for k, v in ms.items() if k != "auto")
            rows.append({"model": net, "percent": percent, "kind": kind, **ms})
            line(f"{net} {percent} % {kind}", ", ".join(f"{k} {v:.1f} ms" for k, v in ms.items()) + f"; auto ÷ best {ms['auto'] / best:.3f}",
                 "at most 1.03")
    return rows


def table(results: dict) -> str:
    """The tickets of a results file as Markdown."""
    lines = ["| network, batch | ticket | FLOPs | time | time ÷ FLOPs | asked | ms | dense ms, its form | estimate |", "|" + "---|" * 9]
    for r in results["tickets"]:
        low, high = (s / r["flops_ratio"] for s in r["spread"])
        asked = f"{LIMITS[r['kind'], r['percent']]:.2f}" if r["batch"] == 64 else "time < 1"
        lines.append(f"| {r['model']}, {r['batch']} | {r['percent']} % {r['kind']} | {r['flops_ratio']:.3f} | {r['time_ratio']:.3f} | "
                     f"**{r['time_ratio'] / r['flops_ratio']:.2f}** ({low:.2f}–{high:.2f}, n = {r['n']}) | {asked} | {r['ticket_ms']:.2f} {r['executor']} | "
                     f"{r['dense_ms']:.2f} {r['baseline']} | {100 * (r['estimated_ms'] / r['ticket_ms'] - 1):+.0f} % |")
    seen = {}
    for r in results["tickets"]:   # the first measurement of a setting took them all in turn
        seen.setdefault((r["model"], r["batch"]), r["others"])
    names = sorted({name for others in seen.values() for name in others})
    lines += ["", "| dense, ms | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {model}, {batch} | " + " | ".join(f"{others[n]:.2f}" if n in others else "–" for n in names) + " |"
              for (model, batch), others in seen.items()]
    return "\n".join(lines)


PARTS = {"tickets": tickets, "structures": structures, "choices": choices, "roofline": roofline}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+", default=["vgg16", "resnet18"])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 1])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--baselines", default="all")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "starts"], default=[*PARTS, "starts"])
    parser.add_argument("--json")
    parser.add_argument("--table", metavar="FILE", help="print the tickets of a results file as Markdown and end")
    args = parser.parse_args()
    if args.table:
        print(table(json.loads(Path(args.table).read_text())))
        sys.exit()
    print(header("Measured speed of tickets", ("torch", "numpy", "numba", "llvmlite", "onnxruntime")))
    torch.set_num_threads(args.threads or machine.cores())
    results = {"machine": machine.describe(["torch", "numpy", "numba", "llvmlite", "onnxruntime"]), "time": time.time()}
    for part in args.parts:
        results[part] = starts() if part == "starts" else PARTS[part](args)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))
