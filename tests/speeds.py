"""Timings that look like measured ones, as plain functions of a run's rows: what pages and figures are tested with.

Layers take their multiply-adds at 200 GFLOP/s (dense) or 180 (blocks); scattered weights cost three times as much, so that
those tickets run dense. Noise is drawn from the ticket's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from lthviz.records import LayerTiming, Run, Timing

PACKAGES = {"numpy": "2.4.6", "torch": "2.15.0", "numba": "0.65.1", "onnxruntime": "1.27.0"}
CONDITIONS = {"machine": "0c9e11f2", "cpu": "Intel Xeon Processor", "cores": 2, "memory_gib": 24, "load": 0.8, "python": "3.11.7", **PACKAGES}
ELSEWHERE = {"machine": "77aa00d1", "cpu": "AMD EPYC 9B14", "cores": 4, "memory_gib": 64, "load": 0.3, "python": "3.12.1", **PACKAGES}


def timing(run: Run, row: dict, *, batch: int = 64, threads: int = 2, estimated: bool = True, conditions: dict = CONDITIONS, time: float = 1.8e9) -> Timing:
    """A ticket's timing; the dense network runs as itself."""
    noise = Random(f"{row['structure']} {row['round']} {batch} {threads}")
    scattered = row["structure"] in ("unstructured", "random")
    layers = []
    for layer in run.layers:
        share = min(1.0, row["flops_ratio"] * noise.uniform(0.8, 1.2)) if row["round"] else 1.0
        dense = 2e-8 * layer.macs * batch / 2 / threads * noise.uniform(0.95, 1.05) + 0.004
        blocks = dense * share * (3 if scattered else 1) * 1.12 + 0.003
        slow = row["round"] == 0 or blocks > dense
        layers.append(LayerTiming(layer.name, round(layer.size * share), share, dense, dense if slow else blocks, "dense" if slow else "blocks"))
    rest = 0.02 * batch / 64
    dense, ticket = (rest + sum(getattr(x, f) for x in layers) for f in ("dense_ms", "ticket_ms"))
    ratio = ticket / dense
    forms = {"blocks": ticket, "dense": dense, **({"compact": 1.2 * ticket} if row["structure"].startswith("refill") else {})}
    others = {"eager": dense * 1.31, "channels_last": dense * 1.12, "torch.compile": dense, "onnxruntime": dense * 1.07}
    return Timing(round=row["round"], structure=row["structure"], device="cpu", threads=threads, batch=batch, dense_ms=dense, ticket_ms=ticket,
                  time_ratio=ratio, spread=(ratio * 0.97, ratio * 1.04), flops_ratio=row["flops_ratio"], max_abs_err=2.1e-6, baseline="torch.compile",
                  executor="dense" if all(x.executor == "dense" for x in layers) else "blocks", n=31, layers=tuple(layers), others=others,
                  estimated_ms=ticket * noise.uniform(0.93, 1.06) if estimated else None, time=time,
                  conditions={**conditions, "executors": forms})


def timings(run: Run, *, rounds: Iterable[int] | None = None, structures: Iterable[str] | None = None, **more) -> Iterator[Timing]:
    """Of all trained tickets of these rounds and structures but the dense network."""
    for row in run.rows:
        if row["round"] and (rounds is None or row["round"] in rounds) and (structures is None or row["structure"] in structures):
            yield timing(run, dict(row), **more)
