"""Masks of two real runs, for the speed benchmarks: VGG-16 and ResNet-18 on 5,400 CIFAR-10 images (JPEG), pruned by global magnitude
to 50 % and 20 % of their weights, then refilled or regrouped.

    python -m benchmarks.masks vgg16-20-refill vgg16.npz     # as a file for `python -m lthviz bench --masks`

Each file holds, per layer, which block a row belongs to (-1: none) and the columns of every block as bits. Kinds: `refill`;
`regroup` at the defaults (8 groups; parts of 16 rows or fewer make no block, so 64-channel layers stay unstructured);
`groups` with min_rows = 4, where every layer is in blocks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lthviz.core import blocks as core_blocks
from lthviz.records import Masks

HERE = Path(__file__).parent
NAMES = tuple(sorted(p.stem for p in HERE.glob("*.npz")))


def load(name: str) -> Masks:
    """The masks of `NET-PERCENT-KIND`."""
    with np.load(HERE / f"{name}.npz") as file:
        made = {}
        for key in {k.rpartition("/")[0] for k in file.files}:
            part, shape = file[f"{key}/part"], tuple(file[f"{key}/shape"])
            cols = np.unpackbits(file[f"{key}/cols"], axis=1, count=int(np.prod(shape[1:]))).astype(bool)
            mask = np.zeros((shape[0], cols.shape[1]), bool)
            mask[part >= 0] = cols[part[part >= 0]]
            made[key] = mask.reshape(shape)
    return Masks.of(made)


def save(name: str, masks: Masks) -> None:
    arrays = {}
    for key in masks:
        blocks = core_blocks.from_mask(masks.matrix(key))
        part = np.full(blocks.shape[0], -1, np.int16)
        for i, rows in enumerate(blocks.rows):
            part[rows] = i
        cols = np.zeros((len(blocks), blocks.shape[1]), bool)
        for i, c in enumerate(blocks.cols):
            cols[i, c] = True
        arrays |= {f"{key}/part": part, f"{key}/cols": np.packbits(cols, axis=1), f"{key}/shape": np.array(masks.shape(key), np.int32)}
    np.savez_compressed(HERE / f"{name}.npz", **arrays)

