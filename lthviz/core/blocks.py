"""Dense blocks of a mask and back: rows with the same set of columns form a block, whatever structure made them."""

from __future__ import annotations

import numpy as np

from lthviz.records import Blocks


def from_mask(mask2d: np.ndarray) -> Blocks:
    """The blocks of a bool (C, n) mask, ordered by their first row; rows without weights are in none.

    Rows and columns ascend. An unstructured mask gives about one block a row.

    mask2d: one layer's mask as a matrix, `masks.matrix(name)`.

    Returns: Blocks; all of the mask's weights are in them.
    Errors: none but numpy's own.
    Source: ICML 2022, section 3.3, as one representation of every structure.
    Example:
        found = lt.from_mask(channel.masks.matrix("layer1.0.conv1.weight"))
    """
    rows = np.flatnonzero(mask2d.any(axis=1))
    if not rows.size:
        return Blocks(mask2d.shape, (), ())
    bits = np.ascontiguousarray(np.packbits(mask2d[rows], axis=1))
    _, first, which = np.unique(bits.view(np.dtype((np.void, bits.shape[1]))).ravel(), return_index=True, return_inverse=True)
    place = np.empty(first.size, np.int64)
    place[np.argsort(first)] = np.arange(first.size)  # np.unique sorts by content; we want the first row's order
    which = place[which.ravel()]
    members = np.split(rows[np.argsort(which, kind="stable")].astype(np.int32), np.cumsum(np.bincount(which))[:-1])
    return Blocks(mask2d.shape, tuple(members), tuple(np.flatnonzero(mask2d[m[0]]).astype(np.int32) for m in members))


def to_mask(blocks: Blocks) -> np.ndarray:
    """The mask of a layer from its blocks.

    blocks: of one layer.

    Returns: bool (C, n), True inside the blocks.
    Errors: none but numpy's own.
    Source: ICML 2022, section 3.3.
    Example:
        matrix = lt.to_mask(channel.blocks["layer1.0.conv1.weight"])
    """
    mask = np.zeros(blocks.shape, bool)
    for rows, cols in zip(blocks.rows, blocks.cols, strict=True):
        mask[np.ix_(rows, cols)] = True
    return mask
