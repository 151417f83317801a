"""The method once more, in plain loops over matrix elements, written from its definition and not from the code it checks."""

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.core.partition import partition
from lthviz.records import Masks
from lthviz.seeds import derive

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 11))
VALUES = st.floats(-4, 4, width=32).map(lambda x: round(x * 2) / 2)
"""Halves only, so that equal magnitudes are common."""


@st.composite
def matrices(draw, shapes=SHAPES):
    """A bool (C, n) mask: random, all ones, all zeros, or with empty rows and columns."""
    shape = draw(shapes)
    mask = draw(st.one_of(hnp.arrays(bool, shape), st.sampled_from([np.ones(shape, bool), np.zeros(shape, bool)])))
    return mask & draw(hnp.arrays(bool, (shape[0], 1))) if draw(st.booleans()) else mask


@st.composite
def networks(draw):
    """Masks of one to three layers, some of them convolutions, and weights with many ties."""
    arrays, weights = {}, {}
    for i in range(draw(st.integers(1, 3))):
        shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)))
        arrays[f"layer{i}.weight"] = draw(matrices(st.just((shape[0], math.prod(shape[1:]))))).reshape(shape)
        weights[f"layer{i}.weight"] = draw(hnp.arrays(np.float32, shape, elements=VALUES))
    return Masks.of(arrays), weights


def refill(mask, scores, rho_tenths, fractional=False, weights=None):
    """Refilled bool (C, n) for rho = rho_tenths/10, in whole numbers: budget is in tenths of a weight."""
    rows, n = mask.shape
    nnz = sum(bool(mask[r, c]) for r in range(rows) for c in range(n))
    tenths = 10 * nnz + (rows * n - nnz) * rho_tenths  # 10 · n · (x + (C − x)·rho)
    order = sorted(range(rows), key=lambda r: (-scores[r], r))
    out = np.zeros_like(mask)
    if not fractional:
        whole = tenths // (10 * n) + (tenths % (10 * n) > 0)
        for r in order[: min(rows, max(1, whole))]:
            out[r] = True
        return out
    whole, rest = tenths // (10 * n), tenths % (10 * n) // 10
    for r in order[:whole]:
        out[r] = True
    if rest:
        row = order[whole]
        for c in sorted(range(n), key=lambda c: (-abs(weights[row, c]), c))[:rest]:
            out[row, c] = True
    return out


def cut(mask, rows, t1):
    """Sorted columns of the part and the smallest i ≥ 1 with i > t1 · leftover_j(i) for every row j."""
    n = mask.shape[1]
    inside = [sum(bool(mask[r, c]) for r in rows) for c in range(n)]
    order = sorted(range(n), key=lambda c: (-inside[c], c))
    for i in range(1, n + 1):
        leftovers = [sum(bool(mask[r, c]) for c in order[i:]) for r in rows]
        if all(i > t1 * left for left in leftovers):
            return order, i
    raise AssertionError("i = n leaves nothing outside, so some i must do")


def regroup(mask, assignment, t1, min_rows, tile_rows, keep):
    """(mask after, blocks as (rows, sorted columns)) of the code's variant with its mistakes mended."""
    blocks, out = [], np.zeros_like(mask)
    for part in sorted(set(assignment.tolist()) - {-1}):
        rows = [r for r in range(mask.shape[0]) if assignment[r] == part]
        order, i = cut(mask, rows, t1)
        if len(rows) > min_rows:
            split = len(rows) // tile_rows * tile_rows
            blocks += [(piece, sorted(order[:i])) for piece in (rows[:split], rows[split:]) if piece]
            for r in rows:
                for c in order[:i]:
                    out[r, c] = True
        elif keep:
            for r in rows:
                out[r] = mask[r]
    return (out, blocks) if blocks else (mask, [])


def km1(mask, assignment):
    total = 0
    for c in range(mask.shape[1]):
        touched = {assignment[r] for r in range(mask.shape[0]) if mask[r, c]}
        total += max(0, len(touched) - 1)
    return total


def paper(mask, assignment, settings, name, seed):
    """(mask after, blocks) of the paper's variant; later passes use the real partitioner with the documented seed."""
    rows_of = lambda a: [[r for r in range(mask.shape[0]) if a[r] == p] for p in sorted(set(a.tolist()) - {-1})]  # noqa: E731
    owner = -np.ones(mask.shape, int)
    blocks, turn = [], 1
    while True:
        found = 0
        for rows in rows_of(assignment):
            cols = [c for c in range(mask.shape[1]) if all(owner[r, c] < 0 for r in rows)
                    and sum(bool(mask[r, c]) for r in rows) >= settings.min_nnz]
            if len(rows) >= settings.min_rows and len(cols) >= settings.min_cols:
                for r in rows:
                    for c in cols:
                        owner[r, c] = len(blocks)
                blocks.append((rows, cols))
                found += 1
        if not found:
            break
        turn += 1
        assignment = partition(mask & (owner < 0), settings.groups, imbalance=settings.imbalance,
                               seed=derive(seed, "partition", name, turn), partitioner=settings.partitioner).assignment
    if not blocks:
        return mask, []
    out = owner >= 0
    for r in range(mask.shape[0]):
        if settings.leftovers == "keep" and not out[r].any():
            out[r] = mask[r]
    return out, blocks
