"""Regroup as the paper words it (ICML 2022, Algorithm 2): absolute thresholds, repeated while a dense block is found."""

from __future__ import annotations

import numpy as np

from lthviz.config import Regroup
from lthviz.core.partition import Partition, partition
from lthviz.records import Blocks
from lthviz.seeds import derive


def blocks(mask2d: np.ndarray, settings: Regroup, first: Partition, *, name: str, seed: int) -> tuple[Blocks, list[dict]]:
    """The blocks of one layer's bool (C, n) mask, and a note (pass, rows, cols, block) on every part looked at.

    A pass divides what is left into `groups` parts; a part's columns with at least min_nnz non-zeros form a block with
    its rows if there are min_rows rows and min_cols columns or more. Its cells are then taken out. A column in which a
    row of the part already lies in a block is not selected again, so that no two blocks share a cell. `first`: the
    partition of the first pass; later ones are seeded by the layer's name and the pass.
    """
    rest, taken = mask2d.copy(), np.zeros(mask2d.shape, bool)
    rows, cols, notes = [], [], []
    divided, turn, before = first, 1, -1
    while len(rows) > before:
        before = len(rows)
        for members in divided.members():
            chosen = np.flatnonzero((rest[members].sum(axis=0) >= settings.min_nnz) & ~taken[members].any(axis=0))
            dense = members.size >= settings.min_rows and chosen.size >= settings.min_cols
            notes.append({"pass": turn, "rows": members.size, "cols": chosen.size, "block": dense})
            if dense:
                rows.append(members)
                cols.append(chosen.astype(np.int32))
                rest[np.ix_(members, chosen)] = False
                taken[np.ix_(members, chosen)] = True
        turn += 1
        if len(rows) > before:
            divided = partition(rest, settings.groups, imbalance=settings.imbalance,
                                seed=derive(seed, "partition", name, turn), partitioner=settings.partitioner)
    return Blocks(mask2d.shape, tuple(rows), tuple(cols)), notes
