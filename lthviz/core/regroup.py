"""Regroup: gather the non-zeros of a layer into dense blocks (ICML 2022, section 3.3).

The cut of a part is where the line i/t1 crosses L(i), the most non-zeros that any of its rows leaves outside the first i
sorted columns. L is computed once a part from one cumulative sum; every threshold afterwards is a look-up. The released
code counts what is left at the natural column index instead of the sorted one, and may stop before it has looked at
every row; both are mended here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lthviz.config import Regroup
from lthviz.core import paper
from lthviz.core.bits import differences
from lthviz.core.blocks import to_mask
from lthviz.core.partition import Partition, partition_all
from lthviz.records import Blocks, Masks, Structured


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that belong together, with all that a cut needs.

    rows: int32, ascending. order: int32 (n,), the columns by their non-zeros inside the part, descending, ties by the
    lower index. counts: int32 (n,), those non-zeros in that order. left: int32 (n,), left[i − 1] = L(i), the most
    non-zeros a row of the part has outside the first i columns of `order`.
    """

    rows: np.ndarray
    order: np.ndarray
    counts: np.ndarray
    left: np.ndarray


def parts(mask2d: np.ndarray, partition: Partition) -> tuple[Part, ...]:
    """The parts of a bool (C, n) mask, by their number in the partition."""
    return tuple(_part(mask2d, rows) for rows in partition.members())


def all_parts(masks: Masks, partitions: Mapping[str, Partition]) -> dict[str, tuple[Part, ...]]:
    """The parts of every layer: keep them, and `regroup(…, parts_by_layer=…)` answers a new threshold at once."""
    return {name: parts(masks.matrix(name), partitions[name]) for name in masks}


def cut(part: Part, t1: float) -> int:
    """Columns of the part's block: the smallest i ≥ 1 with i > t1 · L(i)."""
    return 1 + int(np.argmax(np.arange(1, part.left.size + 1) > t1 * part.left))


def regroup(masks: Masks, settings: Regroup, *, seed: int = 0, partitions: Mapping[str, Partition] | None = None,
            parts_by_layer: Mapping[str, Sequence[Part]] | None = None,
            found_by_layer: Mapping[str, tuple[Blocks, list[dict]]] | None = None) -> Structured:
    """Dense blocks in every layer; a layer where none forms keeps its unstructured mask, and its note says fallback.

    A layer's own settings (settings.layers) take the place of the others there. partitions: of every layer, made by `partition_all`
    when None. parts_by_layer: as `all_parts` gives them from those partitions (variant `code` only).
    found_by_layer: what `paper.blocks` found from them (variant `paper` only). leftovers `keep`: rows of a part that makes no block keep their weights.
    Notes per layer: back, gone, parts (rows, cols, block), partitioner, km1, fallback.
    """
    settings.check_layers(masks)
    if partitions is None:
        partitions = partition_all(masks, settings, seed)
    packed, blocks, notes = {}, {}, {}
    for name in masks:
        matrix, divided, own = masks.matrix(name), partitions[name], settings.of(name)
        if settings.variant == "paper":
            found, rows = found_by_layer[name] if found_by_layer else paper.blocks(matrix, own, divided, name=name, seed=seed)
        else:
            found, rows = part_blocks(matrix.shape, parts_by_layer[name] if parts_by_layer else parts(matrix, divided), own)
        after = matrix
        if len(found):
            after = to_mask(found)
            if own.leftovers == "keep":
                free = ~after.any(axis=1)
                after[free] = matrix[free]
            blocks[name] = found
        packed[name] = np.packbits(after, axis=None)
        back, gone = differences(masks.packed(name), packed[name])
        notes[name] = {"back": back, "gone": gone, "parts": rows, "partitioner": divided.partitioner, "km1": divided.km1,
                       "fallback": not len(found)}
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), blocks, notes)


def _part(mask2d: np.ndarray, rows: np.ndarray) -> Part:
    by_column = np.ascontiguousarray(mask2d[rows].T)
    counts = by_column.sum(axis=1, dtype=np.int32)
    order = np.argsort(-counts, kind="stable").astype(np.int32)
    inside = np.cumsum(by_column[order], axis=0, dtype=np.int32)  # [i − 1, row]: non-zeros in the first i columns
    return Part(rows, order, counts[order], (inside[-1] - inside).max(axis=1))


def part_blocks(shape: tuple[int, int], found: Sequence[Part], settings: Regroup) -> tuple[Blocks, list[dict]]:
    """Blocks of the parts with more than min_rows rows, and a note on every part."""
    rows, cols, notes = [], [], []
    for part in found:
        width, accepted = cut(part, settings.t1), part.rows.size > settings.min_rows
        notes.append({"rows": part.rows.size, "cols": width, "block": accepted})
        if accepted:
            tiled = part.rows.size // settings.tile_rows * settings.tile_rows
            pieces = [p for p in np.split(part.rows, [tiled]) if p.size]
            rows += pieces
            cols += [np.sort(part.order[:width])] * len(pieces)
    return Blocks(shape, tuple(rows), tuple(cols)), notes
