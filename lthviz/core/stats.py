"""Numbers about a ticket: densities, removed channels, structured coverage, overlap, share of the dense work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lthviz.core.bits import differences, row_counts
from lthviz.errors import MaskError
from lthviz.records import Blocks, Layer, Masks, Ticket

WORTH = 0.9
"""Share of the dense multiply-adds up to which a ticket trains as its smaller network."""


class Coverage(NamedTuple):
    """How much of a network is really in blocks, 0..1: share of its layers that have one, share of its kept weights."""

    layers: float
    weights: float


class Overlap(NamedTuple):
    """Two masks against each other, in weights: in both, only in the second, only in the first, in neither.

    jaccard: kept / (kept + added + removed), 1 where both are empty.
    """

    kept: int
    added: int
    removed: int
    never: int
    jaccard: float


def removed(masks: Masks) -> dict[str, np.ndarray]:
    """Output channels without any weight, bool (C,) a layer."""
    return {name: row_counts(masks, name) == 0 for name in masks}


def effective(masks: Masks, layers: Sequence[Layer], structural: bool) -> dict[str, int]:
    """Kept weights of each layer after dead inputs are removed.

    In a structural ticket a channel without weights is removed, its BatchNorm included; an input channel is dead where
    every layer of `sources` has removed that output channel (the classifier is nobody's source). In an unstructured ticket nothing
    is removed: the BatchNorm of an empty channel still speaks.
    """
    kept = {layer.name: masks.nnz(layer.name) for layer in layers}
    if not structural:
        return kept
    gone = removed(masks)
    for layer in layers:
        if layer.sources and (dead := np.logical_and.reduce([gone[s] for s in layer.sources])).any():
            kept[layer.name] -= _in_columns(masks[layer.name], layer, dead)
    return kept


def smaller(masks: Masks, layers: Sequence[Layer]) -> dict[str, int]:
    """Weights of each layer of a structural ticket's physically smaller network: whole rows that are left, without dead inputs."""
    gone = removed(masks)
    whole = {}
    for layer in layers:
        rows = np.ones_like(gone[layer.name]) if layer.classifier else ~gone[layer.name]
        whole[layer.name] = np.broadcast_to(rows.reshape(-1, *(1,) * (len(layer.shape) - 1)), layer.shape)
    return effective(Masks.of(whole), layers, structural=True)


def trains_smaller(ticket: Ticket, layers: Sequence[Layer]) -> bool:
    """Whether a ticket trains as its smaller network: where that has a tenth fewer multiply-adds than the dense one."""
    return ticket.structural and flops_ratio(smaller(ticket.masks, layers), layers) <= WORTH


def _in_columns(mask: np.ndarray, layer: Layer, dead: np.ndarray) -> int:
    """Kept weights that read a dead input channel; with groups, an output channel reads those of its own group.

    A linear layer reads every channel at as many pixels as its map has before it is made flat.
    """
    g, c_out, c_in = layer.groups, layer.shape[0], layer.shape[1]
    if dead.size != g * c_in and (layer.convolution or c_in % dead.size):
        raise MaskError(f"layer {layer.name!r} reads {g * c_in} channels; its sources {', '.join(layer.sources)} have {dead.size}")
    by_input = mask.reshape(g, c_out // g, dead.size // g, -1).sum(axis=(1, 3), dtype=np.int64)
    return int(by_input[dead.reshape(g, -1)].sum())


def coverage(masks: Masks, blocks: Mapping[str, Blocks]) -> Coverage:
    """Structured coverage of a ticket's masks by its blocks."""
    areas = [blocks[name].area for name in masks if name in blocks]
    return Coverage(sum(a > 0 for a in areas) / max(1, len(masks)), sum(areas) / max(1, masks.nnz()))


def overlap(a: Masks, b: Masks, name: str | None = None) -> Overlap:
    """What became of mask `a` in mask `b`, over all layers or one."""
    kept = added = gone = size = 0
    for layer in a if name is None else [name]:
        if layer not in b or a.shape(layer) != b.shape(layer):
            raise MaskError(f"the masks differ in layer {layer!r}; only masks of one network can be compared")
        back, lost = differences(a.packed(layer), b.packed(layer))
        kept, added, gone, size = kept + a.nnz(layer) - lost, added + back, gone + lost, size + a.size(layer)
    union = kept + added + gone
    return Overlap(kept, added, gone, size - union, kept / union if union else 1.0)


def flops_ratio(kept: Mapping[str, int], layers: Sequence[Layer]) -> float:
    """Multiply-adds of that many weights a layer over those of the dense layers."""
    work = sum(kept[layer.name] * layer.out_hw[0] * layer.out_hw[1] for layer in layers)
    return work / max(1, sum(layer.macs for layer in layers))


def row(ticket: Ticket, layers: Sequence[Layer], dense_acc: float | None) -> dict[str, Any]:
    """One line about a trained ticket, JSON-able. Densities, coverage and flops_ratio are shares, accuracies percent.

    smaller: whether it trained as its smaller network. epoch_seconds: median over its epochs without the first, which may be a part
    of one; validation included. Over that of round 0's row it is its training time relative to the dense network's. None of one epoch.
    """
    kept, covered = effective(ticket.masks, layers, ticket.structural), coverage(ticket.masks, ticket.blocks)
    epochs = ticket.curve.seconds[1:] if ticket.curve is not None else ()
    return {"round": ticket.round, "structure": ticket.structure, "density": ticket.masks.density(),
            "effective_density": sum(kept.values()) / max(1, ticket.masks.size()), "coverage": covered.weights,
            "coverage_layers": covered.layers, "flops_ratio": flops_ratio(kept, layers), "test_acc": ticket.test_acc,
            "val_acc": ticket.val_acc, "dense_acc": dense_acc, "seconds": ticket.train_seconds,
            "smaller": trains_smaller(ticket, layers),
            "epoch_seconds": float(np.median(epochs)) if len(epochs) else None}


def layer_rows(ticket: Ticket, layers: Sequence[Layer], before: Masks | None = None) -> list[dict[str, Any]]:
    """One line a layer, JSON-able. kept: its weights; added and removed: against `before`, None without it or where it has no layer
    of that name and shape."""
    masks, kept, by_name = ticket.masks, effective(ticket.masks, layers, ticket.structural), {x.name: x for x in layers}
    gone = {x: rows for x, rows in removed(masks).items() if not by_name[x].classifier} if ticket.structural else {}
    lines = []
    for layer in layers:
        name, found = layer.name, ticket.blocks.get(layer.name)
        change = overlap(before, masks, name) if before is not None and name in before and before.shape(name) == masks.shape(name) else None
        lines.append({
            "name": name, "short": layer.short, "shape": list(layer.shape), "rows": layer.matrix[0], "cols": layer.matrix[1],
            "density": masks.density(name), "effective_density": kept[name] / max(1, layer.size),
            "coverage": found.area / max(1, masks.nnz(name)) if found else 0.0, "blocks": len(found) if found else 0,
            "kept": masks.nnz(name), "added": change.added if change else None, "removed": change.removed if change else None,
            "removed_channels": int(gone[name].sum()) if name in gone else 0})
    return lines
