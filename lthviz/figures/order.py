"""The order that makes structure visible: rows of a block together, and within each band of rows the block's columns first.

Blocks share columns, so no single order of the columns makes all of them rectangles. Each band of rows therefore has its own:
the block's columns, then the others, both by how many weights the band had there before (ties by the lower index). That is
the order in which Regroup itself looks for its cut (ICML 2022, section 3.3), so what lies right of a block is what it left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lthviz.records import Blocks

MAX_BANDS = 64
"""More blocks than this are no groups a reader could follow (an unstructured mask has a block a row)."""


class Band(NamedTuple):
    """Rows start…stop (excluded) of the order; cols: int32 (n,), their column order; block: its number, -1: none."""

    start: int
    stop: int
    cols: np.ndarray
    block: int


@dataclass(frozen=True, eq=False)
class Order:
    """rows: int32 (C,), the original row shown at each place. bands: cover all rows, top to bottom."""

    rows: np.ndarray
    bands: tuple[Band, ...]

    def permute(self, mask: np.ndarray) -> np.ndarray:
        """A (C, n) array in this order."""
        return np.concatenate([mask[self.rows[b.start:b.stop]][:, b.cols] for b in self.bands])


def given(shape: tuple[int, int], row_order: np.ndarray | None, col_order: np.ndarray | None) -> Order | None:
    """One band with the orders a caller brings; None where there are none. ValueError when one is no permutation."""
    if row_order is None and col_order is None:
        return None
    both = []
    for what, order, size in (("row_order", row_order, shape[0]), ("col_order", col_order, shape[1])):
        order = np.arange(size) if order is None else np.asarray(order)
        if order.shape != (size,) or not np.array_equal(np.sort(order), np.arange(size)):
            raise ValueError(f"{what} should hold each of 0…{size - 1} once")
        both.append(order.astype(np.int32))
    return Order(both[0], (Band(0, shape[0], both[1], -1),))


def grouped(after: np.ndarray, before: np.ndarray | None, blocks: Blocks | None) -> Order | None:
    """The order of a mask (C, n) with its blocks; None without blocks, with too many, or with rows in several blocks.

    Blocks stand in their own order, rows inside by what they had before, most first. Rows of no block come last.
    """
    if blocks is None or not 0 < len(blocks) <= MAX_BANDS:
        return None
    owner = np.full(after.shape[0], -1, np.int32)
    for b, rows in enumerate(blocks.rows):
        if (owner[rows] >= 0).any():
            return None
        owner[rows] = b
    was = after if before is None else before
    bands, order, start = [], [], 0
    for b in [*range(len(blocks)), -1]:
        rows = np.flatnonzero(owner == b)
        if not rows.size:
            continue
        weight = was[rows].sum(0, dtype=np.int64)
        inside = np.zeros(after.shape[1], bool)
        whole = b >= 0 and blocks.cols[b].size == after.shape[1]      # nothing to gather: keep the natural order
        if b >= 0 and not whole:
            inside[blocks.cols[b]] = True
        natural = b < 0 or whole
        cols = np.arange(after.shape[1]) if natural else np.lexsort((np.arange(after.shape[1]), -weight, ~inside))
        order.append(rows[np.argsort(-was[rows].sum(1, dtype=np.int64), kind="stable")])
        bands.append(Band(start, start + rows.size, cols.astype(np.int32), b))
        start += rows.size
    return Order(np.concatenate(order).astype(np.int32), tuple(bands))
