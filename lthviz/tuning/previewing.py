"""What a structure makes of a round's masks, in numbers: every layer, the network, and in words what should be known before it is trained."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lthviz.config import Refill, Regroup
from lthviz.core import blocks as core_blocks
from lthviz.core import stats, structures
from lthviz.core.partition import check_groups
from lthviz.core.regroup import regroup
from lthviz.errors import MaskError
from lthviz.methods.overrides import short
from lthviz.records import Blocks, Layer, Masks, Structured, Ticket
from lthviz.speed import estimate
from lthviz.speed.estimate import Calibration
from lthviz.tuning.partitions import Divided

Weights = Mapping[str, np.ndarray]
NAMED = 4
"""So many layers are spelt out where layers are named."""


class Row(NamedTuple):
    """A layer. Shares are 0..1. kept: weights; effective: of them with a living input; magnitude: share of the size Σ|w| of the
    unstructured mask's weights that lies in the new mask, None without weights; macs: multiply-adds of an image that are left, dead inputs
    removed; own: it has settings of its own; fallback: no block formed and its mask is as it was."""

    name: str
    short: str
    shape: tuple[int, ...]
    size: int
    kept: int
    density: float
    effective: float
    coverage: float
    blocks: int
    magnitude: float | None
    macs: int
    own: bool
    fallback: bool


class Totals(NamedTuple):
    """The network. flops, time: shares of the dense network's multiply-adds, and of its time as estimated, None where the machine is not
    calibrated; coverage_layers: share of the layers that have a block."""

    kept: int
    size: int
    density: float
    effective: float
    coverage: float
    coverage_layers: float
    blocks: int
    magnitude: float | None
    flops: float
    time: float | None


@dataclass(frozen=True, eq=False)
class Preview:
    """made: the masks, blocks and notes themselves, as the engine would make them. warnings: sentences."""

    structure: Refill | Regroup
    made: Structured
    rows: tuple[Row, ...]
    totals: Totals
    warnings: tuple[str, ...]


def preview(structure: Refill | Regroup, masks: Masks, layers: Sequence[Layer], *, divided: Divided | None = None,
            scores: Weights | None = None, weights: Weights | None = None, calibration: Calibration | None = None) -> Preview:
    """What the structure makes of a round's unstructured `masks`.

    divided: every layer, for Regroup (partitions.py). scores: (C,) a layer, for Refill. weights: the trained ones, for the kept
    magnitude and a fractional Refill. MaskError where one of them is missing that is needed, ConfigError for settings of a layer that is not there
    and for more groups than any layer has rows.
    """
    made = shape(structure, masks, layers, divided=divided, scores=scores, weights=weights)
    ticket = Ticket(structure.label, 0, made.masks, made.blocks, made.notes)
    kept, sizes = stats.effective(made.masks, layers, structural=True), None if weights is None else _sizes(_Key(weights, masks), masks.digest)
    held = {} if weights is None else {x.name: _held(x.name, weights, masks, made) for x in layers}
    rows, plainly = [], replace(structure, layers="")
    for layer, r in zip(layers, stats.layer_rows(ticket, layers), strict=True):
        note = made.notes[layer.name]
        share = None if sizes is None else held[layer.name] / sizes[layer.name] if sizes[layer.name] else 1.0
        rows.append(Row(layer.name, layer.short, layer.shape, layer.size, r["kept"], r["density"], r["effective_density"], r["coverage"], r["blocks"], share,
                        kept[layer.name] * layer.out_hw[0] * layer.out_hw[1], structure.of(layer.name) != plainly, bool(note.get("fallback"))))
    covered, size = stats.coverage(made.masks, made.blocks), made.masks.size()
    totals = Totals(made.masks.nnz(), size, made.masks.density(), sum(kept.values()) / max(1, size), covered.weights, covered.layers,
                    sum(r.blocks for r in rows), None if sizes is None else sum(held.values()) / (sum(sizes.values()) or 1.0),
                    stats.flops_ratio(kept, layers), None if calibration is None else _time(calibration, layers, masks, made))
    return Preview(structure, made, tuple(rows), totals, tuple(_warnings(structure, masks, made, rows, layers)))


def shape(structure: Refill | Regroup, masks: Masks, layers: Sequence[Layer], *, divided: Divided | None = None,
          scores: Weights | None = None, weights: Weights | None = None) -> Structured:
    """The ticket itself, without numbers: what `core.structures.apply` makes, from parts that are known."""
    if isinstance(structure, Refill):
        return structures.apply(structure, masks, scores=scores, weights=weights, classifier=[x.name for x in layers if x.classifier])
    check_groups(structure, (layer.matrix[0] for layer in layers))
    paper = structure.variant == "paper"
    there = {} if divided is None else divided.found if paper else divided.parts
    if missing := [name for name in masks if name not in there]:
        raise MaskError(f"Regroup needs the rows of every layer divided; those of {short(missing[0])} are not yet")
    return regroup(masks, structure, partitions=divided.partitions, **{"found_by_layer" if paper else "parts_by_layer": there})


def _held(name: str, weights: Weights, masks: Masks, made: Structured) -> float:
    """Σ|w| of the weights that are in both masks."""
    both = masks.packed(name) & made.masks.packed(name)
    inside = np.unpackbits(both, count=weights[name].size)
    return float(np.dot(np.abs(weights[name]).reshape(-1), inside.astype(np.float32)))


class _Key:
    """Weights that are looked up by their masks' digest and by being the same object."""

    def __init__(self, weights: Weights, masks: Masks) -> None:
        self.weights, self.masks = weights, masks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.weights is self.weights

    def __hash__(self) -> int:
        return id(self.weights)


@functools.lru_cache(maxsize=4)
def _sizes(of: _Key, digest: str) -> dict[str, float]:
    """Σ|w| of every layer's unstructured mask."""
    return {name: _held(name, of.weights, of.masks, Structured(of.masks, {}, {})) for name in of.masks}


def _time(calibration: Calibration, layers: Sequence[Layer], masks: Masks, made: Structured) -> float:
    """Estimated time over the dense network's. Where a layer kept its mask its rows are found once and kept."""
    found = {layer.name: _rows_of(masks, layer.name) if layer.name not in made.blocks else made.blocks[layer.name] for layer in layers
             if layer.name in made.blocks or made.masks.nnz(layer.name) == masks.nnz(layer.name)}
    return estimate.estimate(calibration, layers, made.masks, found, structural=True).time_ratio


@functools.lru_cache(maxsize=200)
def _rows_of(masks: Masks, name: str) -> Blocks:
    return core_blocks.from_mask(masks.matrix(name))


# In words --------------------------------------------------------------------------------------------------------------


def _warnings(structure: Refill | Regroup, masks: Masks, made: Structured, rows: Sequence[Row], layers: Sequence[Layer]) -> list[str]:
    said = []
    for filled, what in ((True, "Refill would fill channels there all the same"), (False, "nothing can be made of that")):
        if empty := [r.short for r in rows if not masks.nnz(r.name) and bool(r.kept) == filled]:
            said.append(f"{_layers(empty)} {_has(empty)} no weight left in this round: {what}.")
    if lost := [r.short for r in rows if masks.nnz(r.name) and not r.kept]:
        said.append(f"{_layers(lost)} would lose every weight, and the network could not pass anything on.")
    dead = [r.short for r in rows if r.kept and not r.macs]
    if dead:
        said.append(f"{_layers(dead)} would read removed channels alone: what {_its(dead)} weights compute is lost.")
    if isinstance(structure, Regroup):
        if flat := [r for r in rows if r.fallback and masks.nnz(r.name)]:
            whole = len(flat) == len(rows)
            said.append("No block forms in any layer: this would be the unstructured ticket." if whole else
                        f"No block forms in {_layers([r.short for r in flat])}, which {'keep their' if len(flat) > 1 else 'keeps its'} unstructured mask"
                        f"{'s' * (len(flat) > 1)}: {_why(structure.of(flat[0].name), flat[0])}.")
    elif full := [r.short for r in rows if not made.notes[r.name].get("spared") and r.kept == r.size and r.density > masks.density(r.name)]:
        said.append(f"{_layers(full)} would keep every channel: nothing is pruned there.")
    return said


def _why(own: Regroup, row: Row) -> str:
    """Why no part of a layer made a block."""
    if own.variant == "paper":
        return (f"a part needs {own.min_rows} row{'s' * (own.min_rows != 1)} or more, and {own.min_cols} column{'s' * (own.min_cols != 1)} or more in "
                f"which {own.min_nnz} of its weights are left")
    each = -(-row.shape[0] // own.groups)
    return (f"in {row.short}, {row.shape[0]} rows in {own.groups} part{'s' * (own.groups != 1)} are about {each} a part, and a part needs more than "
            f"{own.min_rows}")


def _layers(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more layers"


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _its(names: Sequence[str]) -> str:
    return "its" if len(names) == 1 else "their"
