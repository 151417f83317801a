"""Regroup on a small matrix, step by step: what the core functions decide, and how it is drawn."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lthviz.config import Regroup
from lthviz.core import regroup as core
from lthviz.core import stats
from lthviz.core.partition import Partition, km1, partition
from lthviz.core.regroup import Part
from lthviz.records import Masks, Structured
from lthviz.ui.learn.chapters.refill_frames import codes, percent, share
from lthviz.ui.learn.chapters.regroup_drawing import curve, hypergraph
from lthviz.ui.learn.figure import ADDED, REMOVED, Band, Control, Frame, Picture
from lthviz.words import capital

GROUPS, MIN_ROWS = 3, 2
T1 = tuple(float(f"{x:.2g}") for x in np.geomspace(0.3, 7.5, 25))
"""The default, 1.5, is in the middle."""
USUAL = T1.index(Regroup().t1)
STEPS = ("Scattered", "Hypergraph", "Divide", "Sort", "Cut", "Blocks", "In order")
CONTROLS = (
    Control("Step", STEPS, "steps", 0),
    Control("t1: columns for each weight left out", tuple(f"{x:g}" for x in T1), "slider", USUAL, "Decides how wide a block is: from step Cut on"),
)
_NAME = "piece"
_ONE_AT_A_TIME = threading.Lock()


class Division(NamedTuple):
    """Rows of a small matrix in groups. parts: from the one with the first row on. before: connectivity (km1) of rows cut evenly as they stand."""

    partition: Partition
    parts: tuple[Part, ...]
    before: int


class Made(NamedTuple):
    """What Regroup makes of a small matrix. cuts: columns of each part's block. after: bool (C, n). coverage: share of its weights in blocks."""

    structured: Structured
    cuts: tuple[int, ...]
    after: np.ndarray
    coverage: float


def divide(mask: np.ndarray) -> Division:
    """The groups of a bool (C, n) mask, as a run would divide it; PartitionerMissing."""
    return _divide(np.packbits(mask).tobytes(), mask.shape)


@lru_cache(maxsize=64)
def _divide(bits: bytes, shape: tuple[int, int]) -> Division:
    mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=shape[0] * shape[1]).view(bool).reshape(shape)
    with _ONE_AT_A_TIME:
        found = partition(mask, GROUPS)
    return Division(found, tuple(sorted(core.parts(mask, found), key=lambda p: int(p.rows[0]))), km1(mask, evenly(mask)))


def evenly(mask: np.ndarray) -> np.ndarray:
    """The rows with weights in as many groups, one after the other as they stand; −1 of an empty row."""
    rows = np.flatnonzero(mask.any(axis=1))
    out = np.full(mask.shape[0], -1, np.int32)
    for i, group in enumerate(np.array_split(rows, GROUPS)):
        out[group] = i
    return out


def make(mask: np.ndarray, found: Division, t1: float) -> Made:
    """Regroup (ICML 2022, section 3.3) of one small layer that is divided already."""
    masks = Masks.of({_NAME: mask})
    done = core.regroup(masks, Regroup(groups=GROUPS, min_rows=MIN_ROWS, t1=t1), partitions={_NAME: found.partition}, parts_by_layer={_NAME: found.parts})
    return Made(done, _cuts(found, t1), done.masks[_NAME], stats.coverage(done.masks, done.blocks).weights)


def frames(mask: np.ndarray, weights: np.ndarray, channels: Sequence[int]) -> list[Frame]:
    """One for every step and t1. channels: what the rows are called."""
    found, n = divide(mask), mask.shape[1]
    as_is = np.asarray(codes(mask, mask))
    every = tuple(range(n))
    still = Picture(as_is)
    names = [letter(i) for i in range(len(found.parts))]
    orders = [tuple(p.order.tolist()) for p in found.parts]
    rest = tuple(np.flatnonzero(found.partition.assignment < 0).tolist())

    def bands(cols: Sequence[tuple[int, ...]], texts: Sequence[str], widths: Sequence[int] = ()) -> tuple[Band, ...]:
        own = [Band(tuple(p.rows.tolist()), c, t, w, i) for i, (p, c, t, w) in enumerate(zip(found.parts, cols, texts, widths or [0] * len(names)))]
        return (*own, Band(rest, every, "empty rows")) if rest else tuple(own)

    divided = Picture(as_is, bands([every] * len(names), [f"{x}: {p.rows.size} rows" for x, p in zip(names, found.parts)]))
    ordered = Picture(as_is, bands(orders, [f"{x}: used by {_counts(p)}" for x, p in zip(names, found.parts)]))
    scattered, joined = Frame(_scattered(mask), (still,)), _joined(mask, channels, still)
    apart, sort = _divided(mask, found, channels, divided), Frame(_sorted(found, names), (ordered,))
    out = [[f] * len(T1) for f in (scattered, joined, apart, sort)]
    by_cuts: dict[tuple[int, ...], Made] = {}
    made = [by_cuts.get(cuts) or by_cuts.setdefault(cuts, make(mask, found, t1)) for t1, cuts in ((t1, _cuts(found, t1)) for t1 in T1)]     # equal cuts, equal blocks
    shown = int(np.argmax(made[USUAL].cuts)) if found.parts else 0
    cut, blocks, back = [], [], []
    for t1, m in zip(T1, made):
        texts = [f"{x}: {w} column{'s' * (w != 1)}" for x, w in zip(names, m.cuts)]
        outside = _outside(mask, found, m.cuts)
        cut.append(Frame(_cut(found, names, m, t1, shown), (Picture(as_is, bands(orders, texts, m.cuts), tuple(f"{k} outside" if k else "" for k in outside)),),
                         *(curve(tuple(found.parts[shown].left.tolist()), t1, m.cuts[shown], names[shown], shown) if found.parts else ())))
        change = codes(mask, m.after)
        moved = tuple(" ".join(f"{sign}{k}" for sign, k in (("+", a), ("−", r)) if k) for a, r in zip((change == ADDED).sum(axis=1), (change == REMOVED).sum(axis=1)))
        accepted = [w if p.rows.size > MIN_ROWS else 0 for p, w in zip(found.parts, m.cuts)]
        blocks.append(Frame(_blocks(mask, m), (Picture(change, bands(orders, texts, accepted), moved),)))
        back.append(Frame(_back(mask, weights, m, t1), (Picture(change, (), moved),)))
    return [f for step in (*out, cut, blocks, back) for f in step]


def letter(i: int) -> str:
    return f"group {chr(ord('A') + i)}"


def kept_magnitude(mask: np.ndarray, after: np.ndarray, weights: np.ndarray) -> float:
    """Share of Σ|w| over the mask that is still there."""
    total = float(np.abs(weights)[mask].sum())
    return float(np.abs(weights)[mask & after].sum()) / total if total else 1.0


def _cuts(found: Division, t1: float) -> tuple[int, ...]:
    return tuple(core.cut(p, t1) for p in found.parts)


def _counts(part: Part) -> str:
    used = [str(c) for c in part.counts.tolist() if c]
    return ", ".join(used) + " rows" if used else "no row"


def _outside(mask: np.ndarray, found: Division, cuts: Sequence[int]) -> list[int]:
    out = [0] * len(mask)
    for part, width in zip(found.parts, cuts):
        for row, left in zip(part.rows.tolist(), mask[np.ix_(part.rows, part.order[width:])].sum(axis=1).tolist()):
            out[row] = left
    return out


def _scattered(mask: np.ndarray) -> str:
    return f"{int(mask.sum())} of {mask.size} weights are left ({share(int(mask.sum()), mask.size)}). Some rows have their weights in the same columns, but they do not stand together."


def _joined(mask: np.ndarray, channels: Sequence[int], picture: Picture) -> Frame:
    most = int(mask.sum(axis=0).argmax())
    rows = [str(channels[r]) for r in np.flatnonzero(mask[:, most])]
    said = (f"As a hypergraph: {int(mask.any(axis=1).sum())} vertices, the rows, and {int(mask.any(axis=0).sum())} hyperedges, the columns. A hyperedge joins all rows that have a weight "
            f"in its column; the largest joins {len(rows)}{': ' + ', '.join(rows) if rows else ''}.")
    return Frame(said, (picture,), *hypergraph(mask, channels))


def _divided(mask: np.ndarray, found: Division, channels: Sequence[int], picture: Picture) -> Frame:
    made_by = found.partition.partitioner
    said = (f"Divided into {len(found.parts)} groups of nearly equal size that few columns cross. The connectivity km1, the groups that each column touches beyond its first, added up, "
            f"is {found.partition.km1}; with the rows cut evenly as they stood it would be {found.before}." + (f" Found by {made_by}." if made_by != "none" else ""))
    return Frame(said, (picture,), *hypergraph(mask, channels, found.parts))


def _sorted(found: Division, names: Sequence[str]) -> str:
    if not found.parts:
        return "No weight is left, so there is no group."
    return f"Inside each group, and for it alone, the columns are sorted by how many of its rows use them. In {names[0]}: {_counts(found.parts[0])}; equal ones by their number."


def _cut(found: Division, names: Sequence[str], made: Made, t1: float, at: int) -> str:
    if not found.parts:
        return "No weight is left, so there is nothing to cut."
    part, i = found.parts[at], made.cuts[at]
    left = int(part.left[i - 1])
    text = f"{capital(names[at])}: a block of {i} column{'s' * (i != 1)} leaves at most {left} weight{'s' * (left != 1)} of a row outside, and {i} > {t1:g} · {left} = {t1 * left:g}."
    if i > 1:
        before = int(part.left[i - 2])
        text += f" With {i - 1} it would be {before}, and {i - 1} is not more than {t1:g} · {before} = {t1 * before:g}."
    return text


def _blocks(mask: np.ndarray, made: Made) -> str:
    note = made.structured.notes[_NAME]
    if note["fallback"]:
        return f"No group has more than {MIN_ROWS} rows, so no block forms, and the mask stays as it is."
    return (f"Inside a block every weight is there: {note['back']} come back with what they were at the rewinding step θk. Outside nothing stays: {note['gone']} of {int(mask.sum())} are "
            "removed, also those that no block of their group had room for.")


def _back(mask: np.ndarray, weights: np.ndarray, made: Made, t1: float) -> str:
    before, after = int(mask.sum()), int(made.after.sum())
    kept = kept_magnitude(mask, made.after, weights)
    return (f"In the original order. t1 = {t1:g}: density {share(before, mask.size)} → {share(after, mask.size)}, coverage by blocks {percent(made.coverage)}, "
            f"and {percent(kept)} of the magnitude that pruning left is still there.")
