"""Which rows of a layer belong together: a hypergraph with a vertex per non-empty row and a hyperedge per non-empty
column is divided into parts of nearly equal size that few columns cross (ICML 2022, section 3.3).

The measure is connectivity, km1 = Σ over columns of (parts it touches − 1). Unlike the released code, a missing
partitioner is an error and never the unstructured mask, and every result says which partitioner made it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lthviz.config import Regroup
from lthviz.core import partitioners
from lthviz.core.bits import matrix_shape
from lthviz.errors import ConfigError
from lthviz.records import Masks
from lthviz.seeds import derive

PINS, MOST_STARTS = 300_000, 6
"""A layer is divided from as many seeds as keep all its starts under so many non-zeros, at least one, at most six."""


@dataclass(frozen=True, eq=False)
class Partition:
    """Rows of a layer in parts. assignment: int32 (C,), the part of each row, −1 for an empty row.

    partitioner: its name and version, `none` where there was nothing to divide. km1: the connectivity reached.
    seconds: how long it took.
    """

    assignment: np.ndarray
    partitioner: str
    km1: int
    seconds: float = 0.0

    def members(self) -> Iterator[np.ndarray]:
        """The rows of each part that has any, ascending int32."""
        order = np.argsort(self.assignment, kind="stable").astype(np.int32)
        edges = np.flatnonzero(np.diff(self.assignment[order])) + 1
        return (rows for rows in np.split(order, edges) if rows.size and self.assignment[rows[0]] >= 0)


def partition(mask2d: np.ndarray, groups: int, *, imbalance: float = 0.1, seed: int = 0, partitioner: str = "auto") -> Partition:
    """Divide the non-empty rows of a bool (C, n) mask into `groups` parts of at most (1 + imbalance) times the mean.

    A small layer is divided from several seeds and the lowest km1 is kept. With no more non-empty rows than groups every
    row is a part of its own, and one group takes all rows: neither asks a partitioner.

    mask2d: one layer's mask as a matrix, `masks.matrix(name)`.
    groups: how many parts, from 1 on.
    imbalance: 0 to 1.
    seed: the same gives the same parts.
    partitioner: `auto`, `mtkahypar` or `pymetis`.

    Returns: Partition: `.assignment` int32 (C,), the part of each row, −1 for an empty one; `.km1`, the connectivity reached; `.partitioner`, `.seconds`.
    Errors: PartitionerMissing where none is installed, or not the one asked for.
    Source: ICML 2022, section 3.3.
    Example:
        parts = lt.partition(masks.matrix("layer1.0.conv1.weight"), 4)
        print(parts.km1, parts.assignment[:8])
    """
    start = time.perf_counter()
    name, made_by = partitioners.choose(partitioner), "none"
    rows = np.flatnonzero(mask2d.any(axis=1))
    if groups == 1 or rows.size <= groups:
        found = [np.zeros(rows.size) if groups == 1 else np.arange(rows.size)]
    else:
        starts = min(MOST_STARTS, max(1, PINS // np.count_nonzero(mask2d)))
        seeds = [seed, *(derive(seed, "start", i) for i in range(1, starts))]
        found = [partitioners.divide(mask2d[rows], groups, imbalance, s, name) for s in seeds]
        made_by = partitioners.label(name)
    best = min(found, key=lambda parts: km1(mask2d[rows], parts))
    assignment = np.full(mask2d.shape[0], -1, np.int32)
    assignment[rows] = best
    return Partition(assignment, made_by, km1(mask2d, assignment), time.perf_counter() - start)


def km1(mask2d: np.ndarray, assignment: np.ndarray) -> int:
    """Connectivity: over the columns, the parts each touches beyond its first."""
    touched = np.zeros(mask2d.shape[1], np.int64)
    for part in range(int(assignment.max(initial=-1)) + 1):
        touched += mask2d[assignment == part].any(axis=0)
    return int(np.maximum(touched - 1, 0).sum())


def partition_all(masks: Masks, regroup: Regroup, seed: int) -> dict[str, Partition]:
    """The partition of every layer, each seeded by its name, with its own groups where `regroup.layers` sets them.

    ConfigError: more groups than rows in every layer.
    """
    regroup.check_layers(masks)
    check_groups(regroup, (matrix_shape(masks, name)[0] for name in masks))
    return {name: one(masks, name, regroup, seed) for name in masks}


def check_groups(regroup: Regroup, rows: Iterable[int]) -> None:
    """ConfigError where no layer has as many rows as there should be groups. rows: of every layer."""
    widest = max(rows, default=0)
    if regroup.groups > widest:
        raise ConfigError(f"groups = {regroup.groups} is more than the {widest} rows of the widest layer; use fewer groups")


def one(masks: Masks, name: str, regroup: Regroup, seed: int) -> Partition:
    """The partition of one layer, as `partition_all` makes it."""
    own = regroup.of(name)
    return partition(masks.matrix(name), own.groups, imbalance=own.imbalance, seed=derive(seed, "partition", name), partitioner=own.partitioner)
