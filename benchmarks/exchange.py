"""What ONNX Runtime makes of an exported ticket: `python benchmarks/exchange.py [--models resnet18 vgg16] [--json FILE]`.

Channel-wise tickets against the dense network, both as ONNX files in ONNX Runtime, in one process: sessions take turns, a ratio is taken within a
turn. A ticket keeps random channels of every prunable layer, `--densities` of them. FLOPs: multiply-adds of the prunable layers that are left once weights
that read removed channels are gone, over the dense ones. Medians and quartiles of wall time and, which a busy machine disturbs less, of the process's CPU time.

Forms of the ticket: `exported`, as `lthviz export --format onnx` writes it, channels in blocks of sixteen; `exact`, without channels of zeros; `masked`, the
dense network with zeros in it; `strips`, as exported but with maps joined without convolutions. Padded FLOPs: of the exported network, its channels of zeros
and joining convolutions counted. Each one's outputs are compared with the masked network's before anything is timed.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from benchmarks.machine import header, line
from lthviz.config import RunConfig
from lthviz.core import stats
from lthviz.exchange.outgoing import network as networks
from lthviz.exchange.outgoing import onnx as outgoing
from lthviz.exchange.parcel import Parcel
from lthviz.nn import models, topology
from lthviz.nn.state import get_state
from lthviz.records import Address, Masks, Ticket
from lthviz.speed import machine

SHAPE, WARM, LIMIT = (3, 32, 32), 2, 1.25
PACKAGES = ("torch", "numpy", "onnx", "onnxscript", "onnxruntime")


def random_ticket(name: str, density: float, seed: int) -> Parcel:
    """Random channels of every layer, `density` of them, whole; random weights."""
    config = RunConfig(model=name, data="cifar10", form="cifar", device="cpu", memory_format="contiguous", seed=seed)
    model = models.build(config, SHAPE, 10)
    layers = topology.layers(model, SHAPE)
    rng = np.random.default_rng(seed)
    rows = {x.name: rng.permutation(x.shape[0]) < max(1, np.ceil(density * x.shape[0])) for x in layers}
    masks = Masks.of({x.name: np.broadcast_to(rows[x.name][:, None, None, None], x.shape).copy() for x in layers})
    state = get_state(model)
    for x in layers:
        for kind, owner in (("weight", x.short), ("weight", x.bn), ("bias", x.bn)):
            value = state[f"{owner}.{kind}"]
            state[f"{owner}.{kind}"] = value * rows[x.name].reshape(-1, *(1,) * (value.ndim - 1))
    return Parcel(Address("random", 1, "refill"), config, layers, SHAPE, tuple(map(str, range(10))), None, Ticket("refill", 1, masks, weights=state))


def session(file: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


@functools.lru_cache(maxsize=1)
def dense_file(name: str, seed: int) -> bytes:
    """The network before pruning: every weight in place."""
    whole = random_ticket(name, 1.0, seed)
    return outgoing.made(networks.masked(whole), whole)


def multiply_adds(network: torch.nn.Module, ticket: Parcel) -> int:
    """Of all its layers, for one image."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(networks.images(ticket, 1))
    return counter.get_total_flops() // 2


def forms(ticket: Parcel, which: list[str], threads: int) -> dict[str, onnxruntime.InferenceSession]:
    model = networks.masked(ticket)
    make = {"exported": lambda: outgoing.suited(ticket, model), "strips": lambda: outgoing.suited(ticket, model, most=0), "exact": lambda: networks.smaller(ticket, model), "masked": lambda: model}
    out = {"dense": session(dense_file(ticket.config.model, ticket.config.seed), threads), **{name: session(outgoing.made(make[name](), ticket), threads) for name in which}}
    images = networks.images(ticket, 8)
    with torch.no_grad():
        expected = model(images).numpy()
    for name in which:
        found = out[name].run(None, {outgoing.INPUT: images.numpy()})[0]
        assert np.abs(found - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max()), name
        assert (found.argmax(1) == expected.argmax(1)).all(), name
    return out


def timed(sessions: dict[str, onnxruntime.InferenceSession], batch: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """(wall, CPU) milliseconds of each, in turns, each turn in another order."""
    images = np.random.default_rng(0).standard_normal((batch, *SHAPE), dtype=np.float32)
    names, ms, begun = list(sessions), {name: [] for name in sessions}, time.perf_counter()
    turn = 0
    while turn < WARM + 5 or time.perf_counter() - begun < seconds:
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            sessions[name].run(None, {outgoing.INPUT: images})
            ms[name].append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
        turn += 1
    return {name: values[WARM:] for name, values in ms.items()}


def measure(name: str, density: float, batch: int, args: argparse.Namespace) -> dict:
    ticket = random_ticket(name, density, args.seed)
    share = stats.flops_ratio(stats.effective(ticket.masks, ticket.layers, True), ticket.layers)
    model = networks.masked(ticket)
    padded = multiply_adds(outgoing.suited(ticket, model), ticket) / multiply_adds(model, ticket)
    ms = timed(forms(ticket, args.forms, args.threads), batch, args.seconds)
    found = {"model": name, "density": density, "batch": batch, "threads": args.threads, "flops_ratio": share, "padded_flops_ratio": padded, "n": len(ms["dense"]),
             "dense_ms": statistics.median(w for w, _ in ms["dense"]), "forms": {}}
    line(f"{name}, {density:.0%} of the channels, batch {batch}: FLOPs ÷ dense", f"{share:.3f}, padded {padded:.3f}; dense {found['dense_ms']:.1f} ms, n = {found['n']}")
    for form in args.forms:
        entry = {"ms": statistics.median(w for w, _ in ms[form])}
        for c, clock in enumerate(("wall", "cpu")):
            low, middle, high = statistics.quantiles((t[c] / d[c] for t, d in zip(ms[form], ms["dense"], strict=True)), n=4)
            entry[clock] = {"ratio": middle, "q1": low, "q3": high, "over_flops": middle / share}
        found["forms"][form] = entry
        line(f"  {form}: time ÷ dense, wall and CPU", "; ".join(f"{entry[x]['ratio']:.3f} ({entry[x]['q1']:.3f} to {entry[x]['q3']:.3f}) = {entry[x]['over_flops']:.2f} × FLOPs" for x in ("wall", "cpu")),
             f"{LIMIT} × FLOPs" if form == "exported" else "")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["resnet18", "vgg16"])
    parser.add_argument("--densities", nargs="+", type=float, default=[0.8, 0.65, 0.5, 0.35, 0.25])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 1])
    parser.add_argument("--forms", nargs="+", default=["exported", "exact"], choices=["exported", "strips", "exact", "masked"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each ticket and batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="where to keep the results")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(header(f"Exported tickets in ONNX Runtime, {args.threads} threads: median (quartiles)", PACKAGES))
    results = {"machine": machine.describe(list(PACKAGES)), "time": time.time(), "exchange": [measure(m, d, b, args) for m in args.models for b in args.batches for d in args.densities]}
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
