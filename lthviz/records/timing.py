"""How fast a ticket runs, and what makes a measurement doubtful."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BUSY_CORES = 0.25
"""Cores that other processes may keep busy while a CPU is timed. More of it holds up one thread or another in a good part of the runs, and
not both sides alike: a form whose threads wait for each other at every layer, as most dense ones do, loses the whole wait, the block
kernel only its share of the work. The ratio then flatters the ticket (docs/speed.md has what was seen)."""
STEADY = 1.25
"""So many times may the dense network's median among the pairs be its median of a moment before, or the reverse; at rest 1.09 was seen."""
APART = 1.5
"""So many times may the upper quartile of the pairs' ratios be the lower one where nothing tells what other processes do; at rest 1.46 was
seen, of single images."""


def timing_key(round: int, structure: str, device: str, precision: str, threads: int, batch: int) -> str:
    """What is measured, and under what, as text: `006-refill-cpu-float32-t2-b64`."""
    return f"{round:03d}-{structure}-{device}-{precision}-t{threads}-b{batch}"


@dataclass(frozen=True)
class LayerTiming:
    """One convolution of a measured ticket, timed alone at the shapes it has in the network.

    kept: weights really left, dead inputs removed. flops_ratio: its multiply-adds over the dense layer's. executor: what
    runs it in the ticket (`blocks`, `dense`, `torch` …).
    """

    name: str
    kept: int
    flops_ratio: float
    dense_ms: float
    ticket_ms: float
    executor: str


@dataclass(frozen=True)
class Timing:
    """A ticket's measured inference time against the fastest dense form of its network, on one machine.

    round, structure: of the ticket, as far as it has them.
    device, threads, batch, precision: under what it was timed; batch: images.
    dense_ms, ticket_ms: medians of a forward pass of `batch` images.
    time_ratio: median of the pairs' ratios, ticket over dense.
    spread: their quartiles.
    n: how many pairs.
    flops_ratio: multiply-adds really left, dead inputs removed.
    max_abs_err: largest difference from the masked dense network's outputs, as a share of their scale.
    baseline: the dense form compared with.
    others: medians in ms of every form a user has, by name.
    executor: what runs the ticket as a whole (`blocks`, `compact`, `torch` …).
    layers: each alone.
    estimated_ms: what the machine's calibration
    predicts, without running the ticket: its share of the time that the block kernel takes for the dense network, times that time. None
    without one.
    conditions: JSON-able (cpu, cores, load, versions).
    time: seconds since 1970.

    Source: docs/speed.md.
    Example:
        print(timing.speedup, timing.dense_ms, timing.ticket_ms, timing.disturbed)
    """

    round: int
    structure: str
    device: str
    threads: int
    batch: int
    dense_ms: float
    ticket_ms: float
    time_ratio: float
    spread: tuple[float, float]
    flops_ratio: float
    max_abs_err: float
    baseline: str
    executor: str
    n: int
    layers: tuple[LayerTiming, ...] = ()
    others: Mapping[str, float] = field(default_factory=dict)
    estimated_ms: float | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    time: float = 0.0

    @property
    def speedup(self) -> float:
        """Dense time over the ticket's."""
        return 1 / self.time_ratio

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Why the figures are doubtful, a line each; empty for a measurement on a machine at rest (BUSY_CORES, STEADY, APART)."""
        busy, drift, (low, high) = self.conditions.get("others_cores"), self.conditions.get("drift"), self.spread
        why = []
        if self.device == "cpu" and isinstance(busy, int | float) and busy > BUSY_CORES:
            why.append(f"other processes kept {busy:.2g} cores busy meanwhile")
        if isinstance(drift, int | float) and not 1 / STEADY <= drift <= STEADY:
            why.append(f"the dense network took {drift:.2f} times as long as a moment before")
        if (busy is None or self.device != "cpu") and high > APART * low:
            why.append(f"half of the pairs lie outside of {low:.3f} to {high:.3f}")
        return tuple(why)

    @property
    def key(self) -> str:
        """What a newer measurement of the same thing replaces: ticket, device, precision, threads and batch."""
        return timing_key(self.round, self.structure, self.device, self.precision, self.threads, self.batch)

    def __repr__(self) -> str:
        doubt = f"; doubtful: {'; '.join(self.disturbed)}" if self.disturbed else ""
        return f"Timing({self.speedup:.2f} times as fast: {self.ticket_ms:.2f} ms ({self.executor}) against {self.dense_ms:.2f} ms dense ({self.baseline}); {self._how}{doubt})"

    @property
    def _how(self) -> str:
        low, high = self.spread
        return (f"ratio {self.time_ratio:.3f}, quartiles {low:.3f} to {high:.3f}, {self.n} pairs; {self.batch} image{'s' * (self.batch != 1)}, {self.device}, "
                f"{self.threads} thread{'s' * (self.threads != 1)}, {self.precision}")

    def _repr_html_(self) -> str:
        """What a notebook shows: the whole network in two sentences, and a line a layer."""
        rows = "".join(f"<tr><td style='text-align:left'>{html.escape(x.name.removesuffix('.weight'))}</td><td>{x.kept:,}</td><td>{x.flops_ratio:.2f}</td>"
                       f"<td>{x.dense_ms:.3f}</td><td>{x.ticket_ms:.3f}</td><td style='text-align:left'>{html.escape(x.executor)}</td></tr>" for x in self.layers)
        head = "".join(f"<th>{x}</th>" for x in ("layer", "kept", "multiply-adds left", "dense (ms)", "ticket (ms)", "run by"))
        doubt = f"<p><b>Doubtful:</b> {html.escape('; '.join(self.disturbed))}.</p>" if self.disturbed else ""
        return (f"<p><b>{self.speedup:.2f} times as fast</b> as the fastest dense form: {self.ticket_ms:.2f} ms ({html.escape(self.executor)}) against "
                f"{self.dense_ms:.2f} ms ({html.escape(self.baseline)}).<br>{self._how}.</p>{doubt}"
                + (f"<table><caption>Each layer alone</caption><tr>{head}</tr>{rows}</table>" if rows else ""))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `Timing.of` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Timing:
        layers = tuple(LayerTiming(**layer) for layer in value.get("layers", ()))
        return cls(**{**value, "layers": layers, "spread": tuple(value["spread"])})
